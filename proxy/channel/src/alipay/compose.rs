//! Requests to Alipay: their content in alphabetical order, and the gateway's form around it (channels.md 3.1): POST, everything
//! in one form. OpenAPI v3 has the same content ([`super::open_api`]).

use super::{
    allowed::{PARAMETERS, RETURN_URL},
    open_api,
};
use crate::{
    Account, ComposeError, CreateFacts, Draft, RefundFacts, Request, Stamp,
    draft::{Parameter, Place},
    form, goods, keys, times,
};
use domain::{Channel, ChannelNo, PayWay, TradeNo};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::value::RawValue;
use vault::{Buyer, PayerField, Text};
use zeroize::Zeroizing;

/// Asks for what is public; its content is never encrypted.
pub(super) const CERTIFICATE: &str = "alipay.open.app.alipaycert.download";

/// Up to 64 letters, digits and `_` [unverified in channels.md; Alipay's own pages].
pub(crate) fn number_fits(number: &str) -> bool {
    (1..=64).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[derive(Serialize)]
pub(super) struct Order<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) auth_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    buyer_open_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goods_detail: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    op_app_id: Option<&'a str>,
    out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    passback_params: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quit_url: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scene: Option<&'static str>,
    seller_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_id: Option<&'a str>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    terminal_id: Option<&'a str>,
    time_expire: String,
    total_amount: String,
}

#[derive(Serialize)]
pub(super) struct OneOrder<'a> {
    pub(super) out_trade_no: &'a str,
}

#[derive(Serialize)]
struct OneTrade<'a> {
    trade_no: &'a str,
}

#[derive(Serialize)]
struct Certificate<'a> {
    alipay_cert_sn: &'a str,
}

#[derive(Serialize)]
struct Refund<'a> {
    out_request_no: &'a str,
    out_trade_no: &'a str,
    refund_amount: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    refund_reason: Option<&'a str>,
}

#[derive(Serialize)]
struct RefundQuery<'a> {
    out_request_no: &'a str,
    out_trade_no: &'a str,
    query_options: [&'static str; 1],
}

/// Precreates (a code) or creates (the in-app cashier). The seller is always named: it is the merchant
/// itself.
pub(crate) fn create(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let in_app = match facts.pay_way {
        PayWay::Qr => false,
        PayWay::Jsapi => true,
        _ => return Err(ComposeError::NotOffered),
    };
    let attach = attach(buyer);
    let mut order = order(account, facts, buyer, attach.as_deref())?;
    if !in_app {
        return draft(account, stamp, "alipay.trade.precreate", true, &order);
    }
    [order.buyer_id, order.buyer_open_id] = payer(buyer)?;
    order.op_app_id = Some(account.account.as_str());
    order.product_code = Some("JSAPI_PAY");
    draft(account, stamp, "alipay.trade.create", true, &order)
}

/// An order that the payer's browser or app carries to the channel (channels.md 3.1). Its end is absolute, so that a
/// repeat is the same order however late it is signed.
pub(crate) fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let (method, product_code) = match facts.pay_way {
        PayWay::Page => ("alipay.trade.page.pay", "FAST_INSTANT_TRADE_PAY"),
        PayWay::Wap => ("alipay.trade.wap.pay", "QUICK_WAP_WAY"),
        PayWay::App => ("alipay.trade.app.pay", "QUICK_MSECURITY_PAY"),
        _ => return Err(ComposeError::NotOffered),
    };
    let attach = attach(buyer);
    let mut order = order(account, facts, buyer, attach.as_deref())?;
    order.product_code = Some(product_code);
    order.quit_url = buyer.quit_url.as_ref().map(Text::expose);
    let mut parameters = parameters(account, stamp, method, true, biz_content(&order)?);
    parameters.extend(
        buyer
            .return_url
            .as_ref()
            .map(|url| ("return_url", Zeroizing::new(url.expose().to_owned()))),
    );
    parameters.sort_by_key(|(name, _)| *name);
    to_sign(account, parameters)
}

/// Could whoever holds a page's signed parameters take them apart into others that Alipay knows, by what stands in this
/// `return_url`? Other names say nothing there, and content is JSON, which ends where it ends.
//= C80
pub(crate) fn can_be_cut(return_url: &str) -> bool {
    // Of older clients and of platforms; nobody's door here takes them.
    const FURTHER: [&str; 6] = [
        "auth_token",
        "prod_code",
        "target_app_id",
        "terminal_info",
        "terminal_type",
        "ws_service_url",
    ];
    let known = |name: &str| {
        let mut all = PARAMETERS.iter().chain(&FURTHER).chain(&[RETURN_URL]);
        all.any(|known| known.eq_ignore_ascii_case(name))
    };
    let mut further = return_url
        .split('&')
        .skip(1)
        .filter_map(|pair| pair.split_once('='));
    further.any(|(name, _)| known(name))
}

/// What every order says. The terminal and its shop are told by their numbers: an area code has no field of its own at
/// Alipay, whose shops are registered there with theirs; `terminal_params` holds only what was agreed with Alipay.
//= C86
pub(super) fn order<'a>(
    account: &'a Account,
    facts: &CreateFacts<'a>,
    buyer: &'a Buyer,
    attach: Option<&'a String>,
) -> Result<Order<'a>, ComposeError> {
    let terminal = facts.terminal.map(|t| t.as_str());
    let shop = facts.place.and_then(|place| place.store.as_ref());
    Ok(Order {
        auth_code: None,
        buyer_id: None,
        buyer_open_id: None,
        goods_detail: buyer
            .detail
            .as_ref()
            .map(|text| goods::raw(Channel::Alipay, facts.pay_way, text))
            .transpose()?,
        op_app_id: None,
        out_trade_no: facts.number.as_str(),
        passback_params: attach.map(String::as_str),
        product_code: None,
        quit_url: None,
        scene: None,
        seller_id: account.payee.as_str(),
        store_id: shop.map(|shop| &*shop.id),
        subject: buyer.description.expose(),
        terminal_id: terminal.or(buyer.device_id.as_ref().map(Text::expose)),
        time_expire: times::to_china(facts.expires),
        total_amount: facts.amount.to_yuan(),
    })
}

pub(super) fn attach(buyer: &Buyer) -> Option<Zeroizing<String>> {
    let attach = buyer.attach.as_ref().map(Text::expose);
    attach.filter(|text| !text.is_empty()).map(escaped)
}

fn payer(buyer: &Buyer) -> Result<[Option<&str>; 2], ComposeError> {
    let payer = buyer
        .payer
        .as_ref()
        .map(|payer| (payer.field, payer.value.expose()));
    match payer {
        Some((PayerField::BuyerId, value)) => Ok([Some(value), None]),
        Some((PayerField::BuyerOpenId, value)) => Ok([None, Some(value)]),
        Some((PayerField::Openid | PayerField::SubOpenid | PayerField::AccNo, _)) | None => {
            Err(ComposeError::Missing("payer.buyer_id or payer.buyer_open_id"))
        }
    }
}

/// `passback_params` travels percent-encoded [unverified]; [`super::facts`] undoes it.
fn escaped(text: &str) -> Zeroizing<String> {
    Zeroizing::new(utf8_percent_encode(text, NON_ALPHANUMERIC).to_string())
}

/// Asks for an order.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    draft(
        account,
        stamp,
        "alipay.trade.query",
        false,
        &OneOrder {
            out_trade_no: number.as_str(),
        },
    )
}

/// Asks for an order by Alipay's own number.
pub(crate) fn query_trade(
    account: &Account,
    stamp: &Stamp,
    trade_no: &TradeNo,
) -> Result<Draft, ComposeError> {
    let asked = OneTrade {
        trade_no: trade_no.as_str(),
    };
    draft(account, stamp, "alipay.trade.query", false, &asked)
}

/// Closes an unpaid order.
pub(crate) fn close(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    draft(
        account,
        stamp,
        "alipay.trade.close",
        false,
        &OneOrder {
            out_trade_no: number.as_str(),
        },
    )
}

/// Pays back; the same `out_request_no` is the same refund.
pub(crate) fn refund(
    account: &Account,
    stamp: &Stamp,
    facts: &RefundFacts<'_>,
    reason: Option<&Text>,
) -> Result<Draft, ComposeError> {
    let refund = Refund {
        out_request_no: facts.refund.as_str(),
        out_trade_no: facts.number.as_str(),
        refund_amount: facts.amount.to_yuan(),
        refund_reason: reason.map(Text::expose).filter(|text| !text.is_empty()),
    };
    draft(account, stamp, "alipay.trade.refund", false, &refund)
}

/// Asks for a refund, with the time at which the money went back.
pub(crate) fn refund_query(
    account: &Account,
    stamp: &Stamp,
    number: &ChannelNo,
    refund: &ChannelNo,
) -> Result<Draft, ComposeError> {
    let query = RefundQuery {
        out_request_no: refund.as_str(),
        out_trade_no: number.as_str(),
        query_options: ["gmt_refund_pay"],
    };
    draft(account, stamp, "alipay.trade.fastpay.refund.query", false, &query)
}

/// Fetches the certificate of this number, in certificate mode only (channels.md 3.6).
pub(crate) fn certificate(account: &Account, stamp: &Stamp, number: &str) -> Result<Draft, ComposeError> {
    if account.serial.is_none() {
        return Err(ComposeError::NotOffered);
    }
    let content = Certificate {
        alipay_cert_sn: number,
    };
    draft(account, stamp, CERTIFICATE, false, &content)
}

/// A call of this method, at whichever front door the account is served. `notify`: the channel is told where its notices go.
pub(crate) fn draft(
    account: &Account,
    stamp: &Stamp,
    method: &str,
    notify: bool,
    content: &impl Serialize,
) -> Result<Draft, ComposeError> {
    if open_api::has(account, method) {
        return open_api::draft(account, stamp, method, notify, content);
    }
    to_sign(
        account,
        parameters(account, stamp, method, notify, biz_content(content)?),
    )
}

/// Is this method's content encrypted? A certificate is asked for in clear, and so is a payer's code exchanged: its answer
/// comes so too, which is not decrypted.
pub(super) fn encrypts(account: &Account, method: &str) -> bool {
    account.encrypts && ![CERTIFICATE, super::authorize::METHOD].contains(&method)
}

pub(super) fn to_sign(account: &Account, mut parameters: Vec<Parameter>) -> Result<Draft, ComposeError> {
    let method = parameters.iter().find(|(name, _)| *name == "method");
    let encrypts = encrypts(
        account,
        method.map(|(_, value)| value.as_str()).unwrap_or_default(),
    );
    if encrypts {
        parameters.push(("encrypt_type", Zeroizing::new("AES".to_owned())));
        parameters.sort_by_key(|(name, _)| *name);
    }
    let content_key = encrypts
        .then(|| keys::alipay_content(&account.account))
        .transpose()?;
    // Content is signed as it travels, so encrypted content has to be encrypted first.
    let message = if encrypts {
        Zeroizing::default()
    } else {
        form::message(&parameters)
    };
    let request = Request {
        method: "POST".into(),
        target: "/gateway.do".into(),
        headers: vec![
            ("Accept".into(), "application/json".into()),
            ("User-Agent".into(), "guandao/0.1".into()),
            (
                "Content-Type".into(),
                "application/x-www-form-urlencoded;charset=utf-8".into(),
            ),
        ],
        body: Zeroizing::default(),
        identity: None,
    };
    let key = keys::alipay_app(&account.account)?;
    Ok(Draft {
        message,
        key,
        place: Place::Form { request, parameters },
        content_key,
    })
}

fn biz_content(content: &impl Serialize) -> Result<Zeroizing<String>, ComposeError> {
    let mut octets = Zeroizing::new(Vec::with_capacity(2048));
    serde_json::to_writer(&mut *octets, content).map_err(|_| ComposeError::Write)?;
    let text = String::from_utf8(std::mem::take(&mut *octets)).map_err(|_| ComposeError::Write)?;
    Ok(Zeroizing::new(text))
}

/// Public parameters and `biz_content`, sorted, none empty (channels.md 3.1, 3.6).
pub(super) fn parameters(
    account: &Account,
    stamp: &Stamp,
    method: &str,
    notify: bool,
    content: Zeroizing<String>,
) -> Vec<Parameter> {
    let text = |text: &str| Zeroizing::new(text.to_owned());
    let mut parameters: Vec<Parameter> = vec![
        ("app_id", text(account.account.as_str())),
        ("biz_content", content),
        ("charset", text("utf-8")),
        ("format", text("JSON")),
        ("method", text(method)),
        ("sign_type", text("RSA2")),
        ("timestamp", Zeroizing::new(times::to_china(stamp.at))),
        ("version", text("1.0")),
    ];
    if notify {
        parameters.push(("notify_url", text(&account.notify_url)));
    }
    parameters.extend(account.serial.as_deref().map(|sn| ("app_cert_sn", text(sn))));
    parameters.extend(
        account
            .root_sn
            .as_deref()
            .map(|sn| ("alipay_root_cert_sn", text(sn))),
    );
    parameters.retain(|(_, value)| !value.is_empty());
    parameters.sort_by_key(|(name, _)| *name);
    parameters
}
