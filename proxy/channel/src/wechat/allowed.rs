//! Body fields and query parameters that are carried (channels.md 1.2, 1.3). Whatever could pay, hold back or
//! split money for somebody else is not here.

use super::route::{Call, Route};
use crate::{
    form::Form,
    native::NativeError,
    shape::{
        Field,
        Shape::{self, Fen, Free, Integer, List, Never, Object, One, Word},
    },
    strict_json::shown,
};
use domain::{BillKind, Breach, PayWay};

const CNY: Shape = One(&["CNY"]);

//= C21
//= C32
const AMOUNT: &[Field] = &[Field("total", Fen), Field("currency", CNY)];

const GOODS: Shape = Object(&[
    Field("merchant_goods_id", Word),
    Field("wechatpay_goods_id", Word),
    Field("goods_name", Free("detail")),
    Field("quantity", Integer),
    Field("unit_price", Integer),
]);

pub(crate) const DETAIL: &[Field] = &[
    Field("cost_price", Integer),
    Field("invoice_id", Word),
    Field("goods_detail", List(&GOODS)),
];

const STORE: &[Field] = &[
    Field("id", Word),
    Field("name", Word),
    Field("area_code", Word),
    Field("address", Word),
];

const SCENE: &[Field] = &[
    Field("payer_client_ip", Word),
    Field("device_id", Word),
    Field("store_info", Object(STORE)),
];

const H5_SCENE: &[Field] = &[
    Field("payer_client_ip", Word),
    Field("device_id", Word),
    Field("store_info", Object(STORE)),
    Field(
        "h5_info",
        Object(&[
            Field("type", One(&["iOS", "Android", "Wap"])),
            Field("app_name", Free("app_name")),
            Field("app_url", Word),
            Field("bundle_id", Word),
            Field("package_name", Word),
        ]),
    ),
];

/// Ways to pay that an order leaves out: V2's one value; a list in APIv3 [its values there: unverified].
const LIMIT_PAY: Shape = List(&One(&["no_credit"]));

// Splitting the money later (分账) is no business of a router of information.
const SETTLE: &[Field] = &[Field("profit_sharing", Never)];

macro_rules! create {
    ($($own:expr),* $(,)?) => {
        create!(in SCENE; $($own),*)
    };
    (in $scene:expr; $($own:expr),* $(,)?) => {
        &[
            $($own,)*
            Field("description", Free("description")),
            Field("out_trade_no", Word),
            Field("time_expire", Word),
            Field("attach", Free("attach")),
            Field("notify_url", Word),
            Field("goods_tag", Word),
            Field("support_fapiao", Shape::Bool),
            Field("amount", Object(AMOUNT)),
            Field("detail", Object(DETAIL)),
            Field("scene_info", Object($scene)),
            Field("settle_info", Object(SETTLE)),
        ]
    };
}

const NATIVE: &[Field] = create![
    Field("appid", Word),
    Field("mchid", Word),
    Field("limit_pay", LIMIT_PAY)
];

const H5: &[Field] = create![
    in H5_SCENE;
    Field("appid", Word),
    Field("mchid", Word),
    Field("limit_pay", LIMIT_PAY)
];

const JSAPI: &[Field] = create![
    Field("appid", Word),
    Field("mchid", Word),
    Field("limit_pay", LIMIT_PAY),
    Field("payer", Object(&[Field("openid", Word)]))
];

/// At a counter: the shop's own device and place.
const COUNTER: &[Field] = &[
    Field("device_id", Word),
    Field("device_ip", Word),
    Field(
        "store_info",
        Object(&[
            Field("id", Word),
            Field("out_id", Word),
            Field("name", Word),
            Field("area_code", Word),
            Field("address", Word),
        ]),
    ),
];

/// The code (class C3) is in the octets that go on, and read by nobody here.
const CODE: &[Field] = create![
    in COUNTER;
    Field("appid", Word),
    Field("mchid", Word),
    Field("payer", Object(&[Field("auth_code", Word)]))
];

const PARTNER_CODE: &[Field] = create![
    in COUNTER;
    Field("sp_appid", Word),
    Field("sp_mchid", Word),
    Field("sub_appid", Word),
    Field("sub_mchid", Word),
    Field("payer", Object(&[Field("auth_code", Word)]))
];

const PARTNER_NATIVE: &[Field] = create![
    Field("sp_appid", Word),
    Field("sp_mchid", Word),
    Field("sub_appid", Word),
    Field("sub_mchid", Word),
    Field("limit_pay", LIMIT_PAY)
];

const PARTNER_H5: &[Field] = create![
    in H5_SCENE;
    Field("sp_appid", Word),
    Field("sp_mchid", Word),
    Field("sub_appid", Word),
    Field("sub_mchid", Word),
    Field("limit_pay", LIMIT_PAY)
];

const PARTNER_JSAPI: &[Field] = create![
    Field("sp_appid", Word),
    Field("sp_mchid", Word),
    Field("sub_appid", Word),
    Field("sub_mchid", Word),
    Field("limit_pay", LIMIT_PAY),
    Field(
        "payer",
        Object(&[Field("sp_openid", Word), Field("sub_openid", Word)])
    ),
];

/// One of several orders that are paid together. `subsidy_amount` would bring in money of somebody else's, so it is not
/// here [field names: unverified; WeChat's own pages and three published clients].
const SUB_ORDER: Shape = Object(&[
    Field("mchid", Word),
    Field("sub_mchid", Word),
    Field("sub_appid", Word),
    Field("out_trade_no", Word),
    Field("description", Free("description")),
    Field("attach", Free("attach")),
    Field(
        "amount",
        Object(&[Field("total_amount", Fen), Field("currency", CNY)]),
    ),
    Field("goods_tag", Word),
    Field("detail", Free("detail")),
    Field("settle_info", Object(SETTLE)),
]);

macro_rules! combine {
    (in $scene:expr; $($own:expr),* $(,)?) => {
        &[
            Field("combine_appid", Word),
            Field("combine_mchid", Word),
            Field("combine_out_trade_no", Word),
            Field("scene_info", Object($scene)),
            Field("sub_orders", List(&SUB_ORDER)),
            Field("time_start", Word),
            Field("time_expire", Word),
            Field("notify_url", Word),
            $($own,)*
        ]
    };
}

const COMBINE: &[Field] = combine![in SCENE;];

const COMBINE_H5: &[Field] = combine![in H5_SCENE;];

const COMBINE_JSAPI: &[Field] = combine![
    in SCENE;
    Field(
        "combine_payer_info",
        Object(&[Field("openid", Word), Field("sub_openid", Word)])
    ),
];

const COMBINE_CLOSE: &[Field] = &[
    Field("combine_appid", Word),
    Field("combine_mchid", Word),
    Field(
        "sub_orders",
        List(&Object(&[
            Field("mchid", Word),
            Field("sub_mchid", Word),
            Field("sub_appid", Word),
            Field("out_trade_no", Word),
        ])),
    ),
];

const REFUND_GOODS: Shape = Object(&[
    Field("merchant_goods_id", Word),
    Field("wechatpay_goods_id", Word),
    Field("goods_name", Free("detail")),
    Field("unit_price", Integer),
    Field("refund_amount", Integer),
    Field("refund_quantity", Integer),
]);

/// Which of the payee's own balances a refund is taken from, and how much of it (WeChat's page of refunds). That each stands once
/// and that together they are the refund is read with the rest.
const FROM: Shape = List(&Object(&[
    Field("account", One(&["AVAILABLE", "UNAVAILABLE"])),
    Field("amount", Fen),
]));

const REFUND: &[Field] = &[
    Field("sub_mchid", Word),
    Field("transaction_id", Word),
    Field("out_trade_no", Word),
    Field("out_refund_no", Word),
    Field("reason", Free("reason")),
    Field("notify_url", Word),
    Field("funds_account", One(&["AVAILABLE"])),
    Field(
        "amount",
        Object(&[
            Field("refund", Fen),
            Field("total", Fen),
            Field("currency", CNY),
            Field("from", FROM),
        ]),
    ),
    Field("goods_detail", List(&REFUND_GOODS)),
];

/// The card and the name on it come sealed for the channel (channels.md 1.8). Whoever is named there, the channel holds it
/// against the payer.
const REDIRECT: &[Field] = &[
    Field("sub_mchid", Word),
    Field("out_refund_no", Word),
    Field("type", One(&["USER_BANK_CARD", "MERCHANT_BANK_CARD"])),
    Field("bank_type", Word),
    Field("bank_account", Word),
    Field("real_name", Word),
];

/// Body fields of a call.
pub(crate) fn fields(route: &Route) -> &'static [Field] {
    match (&route.call, route.partner) {
        (Call::Create(PayWay::Micropay), false) => CODE,
        (Call::Create(PayWay::Micropay), true) => PARTNER_CODE,
        (Call::Create(PayWay::Jsapi), false) => JSAPI,
        (Call::Create(PayWay::Jsapi), true) => PARTNER_JSAPI,
        (Call::Create(PayWay::H5), false) => H5,
        (Call::Create(PayWay::H5), true) => PARTNER_H5,
        // Native and app orders say the same.
        (Call::Create(_), false) => NATIVE,
        (Call::Create(_), true) => PARTNER_NATIVE,
        (Call::Close(_), false) => &[Field("mchid", Word)],
        (Call::Close(_), true) => &[Field("sp_mchid", Word), Field("sub_mchid", Word)],
        (Call::Combine(PayWay::Jsapi | PayWay::App), _) => COMBINE_JSAPI,
        (Call::Combine(PayWay::H5), _) => COMBINE_H5,
        (Call::Combine(_), _) => COMBINE,
        (Call::CombineClose(_), _) => COMBINE_CLOSE,
        (Call::Reverse(_), false) => &[Field("appid", Word), Field("mchid", Word)],
        (Call::Reverse(_), true) => &[
            Field("sp_appid", Word),
            Field("sp_mchid", Word),
            Field("sub_appid", Word),
            Field("sub_mchid", Word),
        ],
        (Call::Refund, _) => REFUND,
        (Call::Redirect(_), _) => REDIRECT,
        (
            Call::Query(_)
            | Call::QueryById(_)
            | Call::CombineQuery(_)
            | Call::RefundQuery(_)
            | Call::Certificates
            | Call::Bill(_)
            | Call::BillFile,
            _,
        ) => &[],
    }
}

/// Query parameters of a call; any other is refused.
pub(crate) fn query(route: &Route, query: Option<&Form>) -> Result<(), NativeError> {
    let names: &[&str] = match (&route.call, route.partner) {
        (Call::Query(_) | Call::QueryById(_), false) => &["mchid"],
        (Call::Query(_) | Call::QueryById(_), true) => &["sp_mchid", "sub_mchid"],
        (Call::RefundQuery(_), _) => &["sub_mchid"],
        (Call::Certificates, _) => &["algorithm_type"],
        (Call::Bill(BillKind::Trade), _) => &["bill_date", "bill_type", "sub_mchid", "tar_type"],
        (Call::Bill(_), _) => &["bill_date", "account_type", "tar_type"],
        (Call::BillFile, _) => &["token", "tartype"],
        (Call::Create(_) | Call::Close(_) | Call::Reverse(_) | Call::Refund | Call::Redirect(_), _) => &[],
        (Call::Combine(_) | Call::CombineQuery(_) | Call::CombineClose(_), _) => &[],
    };
    for (name, value) in query.into_iter().flat_map(Form::iter) {
        if !names.contains(&name) {
            return Err(NativeError::no_field(
                name,
                format!("query parameter {} is not carried", shown(name)),
            ));
        }
        if name == "algorithm_type" && value != "RSA" {
            return Err(
                NativeError::not_allowed("query parameter algorithm_type must be RSA")
                    .breaking(Breach::Value, Some("algorithm_type")),
            );
        }
    }
    Ok(())
}
