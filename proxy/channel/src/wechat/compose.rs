//! Requests to WeChat (channels.md 1.2–1.4). Body fields stand in alphabetical order, so that the same facts
//! make the same octets: ordering again with a changed parameter is refused (channels.md 1.3).

use super::bodies::{Close, H5, Order, OrderPayer, Refund, RefundAmount, Scene, Store, Total};
use super::seal;
use crate::{
    Account, ComposeError, CreateFacts, Draft, RefundFacts, Request, Stamp, draft::Place, goods, keys,
};
use domain::{Channel, ChannelNo, PayWay, TradeNo};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use vault::{Buyer, PayerField, Text};
use zeroize::Zeroizing;

/// What stands unescaped in a path segment or query value.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'*');

/// 6–32 of `0-9A-Za-z_-|*` (channels.md 1.3).
pub(crate) fn number_fits(number: &str) -> bool {
    (6..=32).contains(&number.len())
        && number
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-|*".contains(&b))
}

/// A number as it stands in a path.
pub(super) fn escaped(number: &ChannelNo) -> String {
    utf8_percent_encode(number.as_str(), PLAIN).to_string()
}

/// A channel's own number as it stands in a path.
pub(super) fn segment(number: &str) -> String {
    utf8_percent_encode(number, PLAIN).to_string()
}

/// `/v3/pay/transactions` or its partner form.
pub(super) fn prefix(account: &Account) -> &'static str {
    if account.is_partner() {
        "/v3/pay/partner/transactions"
    } else {
        "/v3/pay/transactions"
    }
}

/// `yes` in partner mode only.
fn partner<'a>(account: &Account, yes: &'a str) -> Option<&'a str> {
    account.is_partner().then_some(yes)
}

/// `yes` in direct mode only.
fn direct<'a>(account: &Account, yes: &'a str) -> Option<&'a str> {
    (!account.is_partner()).then_some(yes)
}

/// Places an order (channels.md 1.3).
pub(crate) fn create(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    if !number_fits(facts.number.as_str()) {
        return Err(ComposeError::Number);
    }
    let (path, payer) = match facts.pay_way {
        PayWay::Native => ("native", None),
        PayWay::Jsapi => ("jsapi", Some(payer(account, buyer)?)),
        PayWay::H5 => ("h5", None),
        PayWay::App => ("app", None),
        _ => return Err(ComposeError::NotOffered),
    };
    let appid = account.appid.as_deref().ok_or(ComposeError::Account("appid"))?;
    let order = Order {
        amount: Total {
            currency: "CNY",
            total: facts.amount,
        },
        appid: direct(account, appid),
        attach: buyer
            .attach
            .as_ref()
            .map(Text::expose)
            .filter(|text| !text.is_empty()),
        description: buyer.description.expose(),
        detail: buyer
            .detail
            .as_ref()
            .map(|text| goods::raw(Channel::Wechat, facts.pay_way, text))
            .transpose()?,
        mchid: direct(account, account.account.as_str()),
        notify_url: &account.notify_url,
        out_trade_no: facts.number.as_str(),
        payer,
        scene_info: scene(facts, buyer)?,
        sp_appid: partner(account, appid),
        sp_mchid: partner(account, account.account.as_str()),
        sub_appid: sub_app(account),
        sub_mchid: partner(account, account.payee.as_str()),
        time_expire: facts.expires.to_string(),
    };
    post(account, stamp, format!("{}/{path}", prefix(account)), &order)
}

/// The sub-merchant's own app, in partner mode only.
fn sub_app(account: &Account) -> Option<&str> {
    account.sub_appid.as_deref().filter(|_| account.is_partner())
}

/// An id is of one app: the account's own, or the sub-merchant's (channels.md 1.2).
fn payer<'a>(account: &Account, buyer: &'a Buyer) -> Result<OrderPayer<'a>, ComposeError> {
    let (field, id) = buyer
        .payer
        .as_ref()
        .map(|payer| (payer.field, payer.value.expose()))
        .ok_or(ComposeError::Missing("payer.openid"))?;
    match field {
        PayerField::Openid => Ok(OrderPayer {
            openid: direct(account, id),
            sp_openid: partner(account, id),
            sub_openid: None,
        }),
        PayerField::SubOpenid if sub_app(account).is_some() => Ok(OrderPayer {
            openid: None,
            sp_openid: None,
            sub_openid: Some(id),
        }),
        _ => Err(ComposeError::Missing("payer.openid")),
    }
}

/// The terminal of the registry goes first, and its place with it; they must be the same through the whole path
/// (compliance.md R22).
//= C86
pub(super) fn scene<'a>(
    facts: &CreateFacts<'a>,
    buyer: &'a Buyer,
) -> Result<Option<Scene<'a>>, ComposeError> {
    let device_id = facts
        .terminal
        .map(|t| t.as_str())
        .or(buyer.device_id.as_ref().map(Text::expose));
    let payer_client_ip = buyer.client_ip.as_ref().map(Text::expose);
    let h5_info = match facts.pay_way {
        PayWay::H5 if payer_client_ip.is_none() => {
            return Err(ComposeError::Missing("scene_info.payer_client_ip"));
        }
        PayWay::H5 => Some(H5 {
            kind: buyer
                .h5_type
                .as_ref()
                .map(Text::expose)
                .ok_or(ComposeError::Missing("scene_info.h5_info.type"))?,
        }),
        _ => None,
    };
    let any = device_id.is_some() || payer_client_ip.is_some();
    Ok(any.then_some(Scene {
        device_id,
        h5_info,
        payer_client_ip,
        store_info: Store::of(facts),
    }))
}

/// Asks for an order by our number.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let named = format!("out-trade-no/{}", escaped(number));
    ask_for(account, stamp, &named)
}

/// Asks for a payment by WeChat's own number, which it has from the payment on (channels.md 1.2).
pub(crate) fn query_trade(
    account: &Account,
    stamp: &Stamp,
    trade_no: &TradeNo,
) -> Result<Draft, ComposeError> {
    let named = format!("id/{}", segment(trade_no.as_str()));
    ask_for(account, stamp, &named)
}

fn ask_for(account: &Account, stamp: &Stamp, named: &str) -> Result<Draft, ComposeError> {
    let who = match account.is_partner() {
        true => format!("sp_mchid={}&sub_mchid={}", account.account, account.payee),
        false => format!("mchid={}", account.account),
    };
    get(account, stamp, format!("{}/{named}?{who}", prefix(account)))
}

/// Closes an unpaid order.
pub(crate) fn close(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let number = utf8_percent_encode(number.as_str(), PLAIN);
    let body = Close {
        mchid: direct(account, account.account.as_str()),
        sp_mchid: partner(account, account.account.as_str()),
        sub_mchid: partner(account, account.payee.as_str()),
    };
    post(
        account,
        stamp,
        format!("{}/out-trade-no/{number}/close", prefix(account)),
        &body,
    )
}

/// Pays back. Refund paths have no partner form; `sub_mchid` tells (channels.md 1.2).
pub(crate) fn refund(
    account: &Account,
    stamp: &Stamp,
    facts: &RefundFacts<'_>,
    reason: Option<&Text>,
) -> Result<Draft, ComposeError> {
    let body = Refund {
        amount: RefundAmount {
            currency: "CNY",
            refund: facts.amount,
            total: facts.total,
        },
        notify_url: &account.notify_url,
        out_refund_no: facts.refund.as_str(),
        out_trade_no: facts.number.as_str(),
        reason: reason.map(Text::expose).filter(|text| !text.is_empty()),
        sub_mchid: partner(account, account.payee.as_str()),
    };
    post(account, stamp, "/v3/refund/domestic/refunds".into(), &body)
}

/// Asks for a refund.
pub(crate) fn refund_query(
    account: &Account,
    stamp: &Stamp,
    refund: &ChannelNo,
) -> Result<Draft, ComposeError> {
    let refund = utf8_percent_encode(refund.as_str(), PLAIN);
    let who = if account.is_partner() {
        format!("?sub_mchid={}", account.payee)
    } else {
        String::new()
    };
    get(
        account,
        stamp,
        format!("/v3/refund/domestic/refunds/{refund}{who}"),
    )
}

/// Fetches platform certificates (channels.md 1.7).
pub(crate) fn certificates(account: &Account, stamp: &Stamp) -> Result<Draft, ComposeError> {
    get(account, stamp, "/v3/certificates".into())
}

pub(crate) fn get(account: &Account, stamp: &Stamp, target: String) -> Result<Draft, ComposeError> {
    draft(account, stamp, "GET", target, Zeroizing::default())
}

pub(super) fn post(
    account: &Account,
    stamp: &Stamp,
    target: String,
    body: &impl Serialize,
) -> Result<Draft, ComposeError> {
    let mut octets = Zeroizing::new(Vec::with_capacity(2048));
    serde_json::to_writer(&mut *octets, body).map_err(|_| ComposeError::Write)?;
    draft(account, stamp, "POST", target, octets)
}

fn draft(
    account: &Account,
    stamp: &Stamp,
    method: &str,
    target: String,
    body: Zeroizing<Vec<u8>>,
) -> Result<Draft, ComposeError> {
    let serial = account
        .serial
        .as_deref()
        .ok_or(ComposeError::Account("certificate serial"))?;
    let (mchid, nonce, timestamp) = (&account.account, &stamp.nonce, stamp.at.secs());
    let message = request_message(method, &target, timestamp, nonce, &body);
    let prefix = format!(
        "{} mchid=\"{mchid}\",nonce_str=\"{nonce}\",timestamp=\"{timestamp}\",serial_no=\"{serial}\",",
        seal::scheme(account),
    );
    let headers = headers(account, !body.is_empty());
    let request = Request {
        method: method.into(),
        target,
        headers,
        body,
        identity: None,
    };
    Ok(Draft {
        message,
        key: keys::wechat_merchant(mchid)?,
        place: Place::Header { request, prefix },
        content_key: None,
    })
}

/// Five lines, each with its end (channels.md 1.4).
pub(crate) fn request_message(
    method: &str,
    target: &str,
    timestamp: i64,
    nonce: &str,
    body: &[u8],
) -> Zeroizing<Vec<u8>> {
    let head = format!("{method}\n{target}\n{timestamp}\n{nonce}\n");
    let mut message = Zeroizing::new(Vec::with_capacity(head.len() + body.len() + 1));
    message.extend_from_slice(head.as_bytes());
    message.extend_from_slice(body);
    message.push(b'\n');
    message
}

fn headers(account: &Account, has_body: bool) -> Vec<(String, String)> {
    let mut headers = vec![("Accept", "application/json"), ("User-Agent", "guandao/0.1")];
    if has_body {
        headers.push(("Content-Type", "application/json"));
    }
    // Asks for an answer signed with the public key instead of a platform certificate (channels.md 1.5).
    headers.extend(
        account
            .platform
            .as_deref()
            .filter(|id| id.starts_with("PUB_KEY_ID_"))
            .map(|id| ("Wechatpay-Serial", id)),
    );
    headers
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}
