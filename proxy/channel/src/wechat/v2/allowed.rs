//! Fields of V2 requests that are carried (channels.md 2.1–2.3). Whatever could pay, hold back or split money for somebody
//! else is not here. V2 is flat; two of its fields hold JSON in a text, and that is read as strictly.

use super::Message;
use crate::{
    native::{NativeError, no_json},
    shape::{
        self, Field as Member,
        Shape::{Count, Free, List, Object, One, Word},
        Texts,
    },
    strict_json::{self, shown},
};
use domain::Breach;
use vault::Text;

/// What a field may hold.
pub(super) enum Kind {
    /// A text.
    Any,
    /// Free text, scanned under this name (compliance.md 3.1).
    Said(&'static str),
    /// One of these words.
    Of(&'static [&'static str]),
    /// Goods: a list in JSON, or plain text.
    Goods,
    /// The scene: JSON.
    Scene,
}

/// A field that is allowed: its name and what it may hold.
pub(super) struct Field(&'static str, Kind);

use Kind::{Any, Goods, Of, Said, Scene};

const ALWAYS: &[Field] = &[
    Field("appid", Any),
    Field("mch_id", Any),
    Field("nonce_str", Any),
    Field("sign", Any),
    Field("sign_type", Of(&["MD5", "HMAC-SHA256"])),
    Field("sub_appid", Any),
    Field("sub_mch_id", Any),
];

/// Of every order.
//= C21
//= C32
const ORDER: &[Field] = &[
    Field("attach", Said("attach")),
    Field("body", Said("description")),
    Field("detail", Goods),
    Field("device_info", Any),
    Field("fee_type", Of(&["CNY"])),
    Field("goods_tag", Any),
    Field("limit_pay", Of(&["no_credit"])),
    Field("out_trade_no", Any),
    // Splitting the money later (分账) is no business of a router of information.
    Field("profit_sharing", Of(&["N"])),
    Field("receipt", Of(&["Y", "N"])),
    Field("scene_info", Scene),
    Field("spbill_create_ip", Any),
    Field("time_expire", Any),
    Field("time_start", Any),
    Field("total_fee", Any),
    // Beside goods with discounts of their own (单品优惠) [WeChat's own page].
    Field("version", Of(&["1.0"])),
];

pub(super) const UNIFIED: &[&[Field]] = &[
    ALWAYS,
    ORDER,
    &[
        Field("notify_url", Any),
        Field("openid", Any),
        Field("product_id", Any),
        Field("sub_openid", Any),
        Field("trade_type", Of(&["NATIVE", "JSAPI", "APP", "MWEB"])),
    ],
];

pub(super) const MICROPAY: &[&[Field]] = &[ALWAYS, ORDER, &[Field("auth_code", Any)]];

pub(super) const BY_EITHER: &[&[Field]] = &[
    ALWAYS,
    &[Field("out_trade_no", Any), Field("transaction_id", Any)],
];

pub(super) const CLOSE: &[&[Field]] = &[ALWAYS, &[Field("out_trade_no", Any)]];

/// Of every refund.
const PAID_BACK: &[Field] = &[
    Field("device_info", Any),
    Field("notify_url", Any),
    // Older clients say who asks.
    Field("op_user_id", Any),
    Field("out_refund_no", Any),
    Field("out_trade_no", Any),
    // Both are the merchant's own money.
    Field(
        "refund_account",
        Of(&["REFUND_SOURCE_UNSETTLED_FUNDS", "REFUND_SOURCE_RECHARGE_FUNDS"]),
    ),
    Field("refund_desc", Said("reason")),
    Field("refund_fee", Any),
    Field("refund_fee_type", Of(&["CNY"])),
    Field("total_fee", Any),
    Field("transaction_id", Any),
];

pub(super) const REFUND: &[&[Field]] = &[ALWAYS, PAID_BACK];

/// Which goods come back; WeChat has a path of its own for it [WeChat's own page; two published clients].
pub(super) const GOODS_REFUND: &[&[Field]] = &[ALWAYS, PAID_BACK, &[Field("detail", Goods)]];

pub(super) const REFUND_QUERY: &[&[Field]] = &[
    ALWAYS,
    &[
        Field("device_info", Any),
        Field("offset", Any),
        Field("out_refund_no", Any),
        Field("out_trade_no", Any),
        Field("refund_id", Any),
        Field("transaction_id", Any),
    ],
];

/// A whole day of the account; of nobody else's merchants, which the payee says.
pub(super) const TRADE_BILL: &[&[Field]] = &[
    ALWAYS,
    &[
        Field("bill_date", Any),
        Field("bill_type", Of(&["ALL", "SUCCESS", "REFUND"])),
        Field("device_info", Any),
        Field("tar_type", Of(&["GZIP"])),
    ],
];

pub(super) const FUNDS_BILL: &[&[Field]] = &[
    ALWAYS,
    &[
        Field("account_type", Of(&["Basic", "Operation", "Fees"])),
        Field("bill_date", Any),
        Field("tar_type", Of(&["GZIP"])),
    ],
];

/// Checks a message against an allow-list and gathers its free texts. An unknown name is refused even if it is empty.
pub(super) fn check(said: &Message, lists: &[&[Field]]) -> Result<Texts, NativeError> {
    let mut texts = Texts::new();
    for (name, value) in said.iter() {
        let known = lists
            .iter()
            .flat_map(|list| list.iter())
            .find(|field| field.0 == name);
        let Some(Field(name, kind)) = known else {
            return Err(NativeError::no_field(
                name,
                format!("field {} is not carried", shown(name)),
            ));
        };
        if !value.is_empty() {
            fits(name, kind, value, &mut texts)?;
        }
    }
    Ok(texts)
}

fn fits(name: &'static str, kind: &Kind, value: &str, texts: &mut Texts) -> Result<(), NativeError> {
    match kind {
        Any if shape::plain(value) => {}
        Any => {
            return Err(NativeError::malformed(format!("{name} must be {}", shape::PLAIN))
                .breaking(Breach::Value, Some(name)));
        }
        Said(scanned) => texts.push((scanned, Text::from(value))),
        Of(words) if words.contains(&value) => {}
        Of(words) => {
            let breach = if name == "profit_sharing" {
                Breach::Funds
            } else {
                Breach::Value
            };
            let wrong = NativeError::not_allowed(format!("{name} must be {}", shape::one_of(words)));
            return Err(wrong.breaking(breach, Some(name)));
        }
        // The field was plain text before it had a form. What some reader passes over before a brace hides none.
        Goods if !value.trim_start_matches(is_passed_over).starts_with(['{', '[']) => {
            texts.push(("detail", Text::from(value)));
        }
        Goods => texts.extend(json(name, value, DETAIL)?),
        Scene => texts.extend(json(name, value, SCENE)?),
    }
    Ok(())
}

/// Spaces, control characters, byte order marks and what else is not seen.
fn is_passed_over(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '\u{FEFF}' | '\u{200B}'..='\u{200F}' | '\u{2060}')
}

fn json(name: &'static str, value: &str, members: &[Member]) -> Result<Texts, NativeError> {
    let read = strict_json::parse(value.as_bytes()).map_err(|error| no_json(name, &error))?;
    shape::check(&read, members, name)
}

const DETAIL: &[Member] = &[
    Member("cost_price", Count),
    Member("receipt_id", Word),
    Member(
        "goods_detail",
        List(&Object(&[
            Member("body", Free("detail")),
            Member("goods_category", Word),
            Member("goods_id", Word),
            Member("goods_name", Free("detail")),
            Member("goods_num", Count),
            Member("price", Count),
            Member("quantity", Count),
            Member("wxpay_goods_id", Word),
        ])),
    ),
];

/// Of a shop, or of the page or app from which an H5 order comes.
const SCENE: &[Member] = &[
    Member("id", Word),
    Member("name", Word),
    Member("area_code", Word),
    Member("address", Word),
    Member(
        "store_info",
        Object(&[
            Member("id", Word),
            Member("name", Word),
            Member("area_code", Word),
            Member("address", Word),
        ]),
    ),
    Member(
        "h5_info",
        Object(&[
            Member("type", One(&["Wap", "WAP", "IOS", "Android"])),
            Member("app_name", Free("app_name")),
            Member("bundle_id", Word),
            Member("package_name", Word),
            Member("wap_name", Free("app_name")),
            Member("wap_url", Word),
        ]),
    ),
];
