//! A merchant's own UnionPay request (channels.md 4.1–4.3), read for pass-through. Its form is read without mercy: known
//! fields only, each once, none blank (whether a blank one is signed the two sides see differently), none in the query.
//!
//! `frontTransReq.do` is brought by the payer's browser, which has no proof of the merchant but the merchant's signature in
//! the form: that is the proof, as it is at UnionPay.

use super::{
    APP, BACK, FILES, FRONT, QUERY,
    allowed::{
        ACC_TYPE, CALLS, CERT_ID, COMMON, Call, OF_ONE, ORDER_DESC, ORIG_ORDER_ID, ORIG_QRY_ID,
        ORIG_TXN_TIME, QR_NO, REQ_RESERVED, REVERSAL,
    },
    compose, facts,
    fields::Fields,
    risk, seal, times,
};
use crate::{
    auth_code::{Wallet, wallet},
    keys,
    native::{Asks, Device, FORM_WAITS_MS, Fresh, Native, NativeError, Proof, require_content_type},
    readings, shape,
    strict_json::shown,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    AccountNo, Amount, Channel, ChannelNo, Day, Instant, Operation, PayWay, PayeeNo, SignMethod, TradeNo,
};
use http::HeaderMap;
use vault::{AuthCode, Text};
use zeroize::Zeroizing;

/// Reads method, target, headers and body.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    let fields = Fields::of_form(body).map_err(|e| NativeError::twofold(format!("form: {e}")));
    match &fields {
        Ok(fields) => {
            if let Some((account, proof)) = signed(target, |name| fields.get(name), || fields.signed_text()) {
                (asks.account, asks.proof) = (Some(account), proof);
            }
        }
        // It has no one text that was signed.
        Err(_) => {
            for reading in readings::of_form(&[body]) {
                let text = || reading.text(|name, _| name != b"signature");
                if let Some((account, proof)) = signed(target, |name| reading.get(name), text) {
                    asks.signed_by_reading(account, proof);
                }
            }
        }
    }
    if method != "POST" || ![APP, BACK, FILES, FRONT, QUERY].contains(&target) {
        return Err(NativeError::no_call(
            Channel::Unionpay,
            target,
            "this method and path are not carried",
        ));
    }
    require_content_type(headers, "application/x-www-form-urlencoded")?;
    let fields = fields?;
    let call = called(target, &fields)?;
    asks.operation = Some(call.operation);
    known(call, &fields)?;
    fixed(call, &fields)?;
    origin(call, &fields)?;
    said(call, &fields, asks)
}

/// Whose it is and what proves it, whatever is wrong with the rest.
fn signed<'a>(
    path: &str,
    get: impl Fn(&str) -> Option<&'a str>,
    text: impl FnOnce() -> Zeroizing<Vec<u8>>,
) -> Option<(AccountNo, Option<Proof>)> {
    let account = get("merId").and_then(|id| AccountNo::new(id).ok())?;
    let named = get("txnTime").and_then(times::read);
    let proof = named.and_then(|named| proof(path, &account, named, get, text).ok());
    Some((account, proof))
}

/// What could be mistaken for what is carried is named, so that whoever reads the log knows what to do instead.
fn called<'a>(path: &str, fields: &Fields) -> Result<&'a Call, NativeError> {
    let word = |name| fields.get(name).ok_or_else(|| missing(name));
    let (txn, sub, biz) = (word("txnType")?, word("txnSubType")?, word("bizType")?);
    let found = CALLS.iter().find(|call| {
        call.path == path && call.txn_type == txn && call.sub_type == sub && call.biz_types.contains(&biz)
    });
    found.ok_or_else(|| {
        NativeError::no_call(
            Channel::Unionpay,
            txn,
            "this txnType, txnSubType and bizType are not carried at this path",
        )
    })
}

/// An allow-list.
//= C21
fn known(call: &Call, fields: &Fields) -> Result<(), NativeError> {
    let of_one: &[&str] = match call.operation {
        Operation::Bill => &[],
        _ => &OF_ONE,
    };
    for (name, value) in fields.iter() {
        let listed = COMMON.contains(&name)
            || of_one.contains(&name)
            || call.needed.contains(&name)
            || call.optional.contains(&name)
            || name == CERT_ID && fields.get("signMethod") == Some("01");
        if !listed {
            return Err(NativeError::no_field(
                name,
                format!("field {} is not carried", shown(name)),
            ));
        }
        if value.is_empty() {
            return Err(NativeError::malformed(format!(
                "field {} is blank; leave it out",
                shown(name)
            )));
        }
        // Free text looks as it likes: a blank before it stands in UnionPay's own samples.
        if name != REQ_RESERVED && !shape::plain(value) {
            return Err(NativeError::malformed(format!(
                "{} must be {}",
                shown(name),
                shape::PLAIN
            )));
        }
        // In UnionPay's own texts braces hide `&` and `=` (channels.md 4.2): an address has none to hide.
        if ["backUrl", "frontUrl"].contains(&name) && !is_address(value) {
            return Err(NativeError::malformed(format!(
                "{name} must be an address of http or https"
            )));
        }
        if name == risk::RISK {
            risk::check(value)?;
        }
    }
    let absent = COMMON
        .iter()
        .chain(of_one)
        .chain(call.needed)
        .find(|name| fields.get(name).is_none());
    absent.map_or(Ok(()), |name| Err(missing(name)))
}

pub(crate) fn is_address(text: &str) -> bool {
    let scheme = ["https://", "http://"]
        .iter()
        .any(|scheme| text.starts_with(scheme));
    scheme
        && text.chars().all(|c| {
            c.is_ascii_graphic() && !matches!(c, '{' | '}' | '"' | '<' | '>' | '\\' | '^' | '`' | '|')
        })
}

fn fixed(call: &Call, fields: &Fields) -> Result<(), NativeError> {
    let channels: &[&str] = match call.pay_way {
        Some(PayWay::Qr | PayWay::App) => &["08"],
        _ => &["07", "08"],
    };
    // Official samples in PHP write it small.
    if !fields
        .get("encoding")
        .is_some_and(|encoding| encoding.eq_ignore_ascii_case("UTF-8"))
    {
        return Err(NativeError::malformed("encoding must be UTF-8"));
    }
    let wanted: [(&str, &[&str]); 6] = [
        ("version", &["5.1.0"]),
        (ACC_TYPE, &["01"]),
        // A merchant for itself: never an acquirer (1) or a platform (2).
        ("accessType", &["0"]),
        ("channelType", channels),
        ("currencyCode", &["156"]),
        ("fileType", &["00"]),
    ];
    for (name, words) in wanted {
        if let Some(value) = fields.get(name)
            && !words.contains(&value)
        {
            return Err(NativeError::malformed(format!(
                "{name} must be {}",
                words.join(" or ")
            )));
        }
    }
    Ok(())
}

fn goes_back(call: &Call) -> bool {
    matches!(call.operation, Operation::Refund | Operation::Reverse) && call.txn_type != REVERSAL
}

/// What goes back names its payment in one way at least, and each way whole.
fn origin(call: &Call, fields: &Fields) -> Result<(), NativeError> {
    let has = |name| fields.get(name).is_some();
    let right = match (has(ORIG_QRY_ID), has(ORIG_ORDER_ID), has(ORIG_TXN_TIME)) {
        _ if !goes_back(call) => return Ok(()),
        (_, true, true) | (true, false, false) => return Ok(()),
        (_, true, false) => "origTxnTime is missing beside origOrderId",
        (_, false, true) => "origOrderId is missing beside origTxnTime",
        (false, false, false) => "name the payment by origQryId, or by origOrderId and origTxnTime",
    };
    Err(NativeError::malformed(right))
}

fn said(call: &Call, fields: &Fields, asks: &mut Asks) -> Result<Native, NativeError> {
    let wrong = |name: &str, right: &str| NativeError::malformed(format!("{name} must be {right}"));
    let number_of = |name: &str| wrong(name, "a number of UnionPay's");
    let text = |name: &str| fields.get(name).ok_or_else(|| missing(name));
    let account = AccountNo::new(text("merId")?).map_err(|_| number_of("merId"))?;
    let number = match call.operation {
        Operation::Bill => None,
        _ => Some(order_id("orderId", text("orderId")?)?),
    };
    settled(fields)?;
    let time = |name: &str| -> Result<Option<Instant>, NativeError> {
        let of = |text| {
            times::read(text)
                .ok_or_else(|| wrong(name, "a time of China as fourteen digits, such as 20261123083000"))
        };
        fields.get(name).map(of).transpose()
    };
    let named = time("txnTime")?.ok_or_else(|| missing("txnTime"))?;
    let amount = fields
        .get("txnAmt")
        .map(|t| fen(t).ok_or_else(|| wrong("txnAmt", "whole fen of at least 1, in 12 digits at most")));
    let amount = amount.transpose()?;
    let trade_no = fields.get(ORIG_QRY_ID).map(TradeNo::new).transpose();
    let trade_no = trade_no.map_err(|_| number_of(ORIG_QRY_ID))?;
    let of_order = fields
        .get(ORIG_ORDER_ID)
        .map(|text| order_id(ORIG_ORDER_ID, text));
    let (of_order, of_time) = (of_order.transpose()?, time(ORIG_TXN_TIME)?);
    code(fields)?;
    let payee = PayeeNo::new(account.as_str()).map_err(|_| number_of("merId"))?;
    let expires = time("payTimeout")?;
    // Once more only where there was none, to say what is wrong with it.
    let proof = match asks.proof.take() {
        Some(proof) => proof,
        None => proof(
            call.path,
            &account,
            named,
            |name| fields.get(name),
            || fields.signed_text(),
        )?,
    };
    // What goes back has a number of its own, beside that of what it goes back from.
    let (number, refund, placed) = match goes_back(call) {
        true => (of_order, number, of_time),
        false => (number, None, Some(named)),
    };
    Ok(Native {
        channel: Channel::Unionpay,
        operation: call.operation,
        pay_way: call.pay_way,
        // The merchant number is who asks and who is paid: no other field could name a payee.
        payee: Some(payee),
        account,
        number,
        trade_no,
        refund,
        amount,
        total: None,
        expires,
        notify_url: fields.get("backUrl").map(str::to_owned),
        payer: None,
        texts: [
            (REQ_RESERVED, "attach"),
            (risk::RISK, "description"),
            (ORDER_DESC, "description"),
        ]
        .into_iter()
        .filter_map(|(name, scanned)| Some((scanned, Text::from(fields.get(name)?))))
        .collect(),
        device: fields.get("termId").map(|term_id| Device {
            term_id: Some(Text::from(term_id)),
            ..Device::default()
        }),
        proof,
        app: None,
        sub_apps: Vec::new(),
        combined: None,
        redirect: None,
        app_auth_token: None,
        method_name: None,
        lasts: None,
        named: Some(named),
        placed,
        certificates: Vec::new(),
        returns_to: fields
            .get("frontUrl")
            .map(|url| ("frontUrl", Text::from(url)))
            .into_iter()
            .collect(),
        by_browser: call.path == FRONT,
        encrypted: false,
    })
}

fn order_id(name: &str, text: &str) -> Result<ChannelNo, NativeError> {
    let number = Some(text).filter(|no| compose::number_fits(no));
    let number = number.and_then(|no| ChannelNo::new(no).ok());
    number.ok_or_else(|| NativeError::malformed(format!("{name} must be 8 to 40 letters and digits")))
}

/// The day of a file: month and day, without the year.
fn settled(fields: &Fields) -> Result<(), NativeError> {
    let lawful = |day: &str| {
        // The twenty-ninth of February is a day of some years.
        let whole = day.len() == 4 && day.bytes().all(|b| b.is_ascii_digit());
        whole && Day::parse(&format!("2024-{}-{}", &day[..2], &day[2..])).is_some()
    };
    match fields.get("settleDate") {
        Some(day) if !lawful(day) => Err(NativeError::malformed(
            "settleDate must be a month and a day, MMDD",
        )),
        _ => Ok(()),
    }
}

/// The payer's code is one of UnionPay's, or nothing leaves: whose wallet it is of, its digits tell (channels.md 7).
fn code(fields: &Fields) -> Result<(), NativeError> {
    match fields
        .get(QR_NO)
        .map(|digits| wallet(&AuthCode::new(digits.to_owned())))
    {
        None | Some(Some(Wallet::Unionpay)) => Ok(()),
        Some(_) => Err(NativeError::malformed(
            "qrNo must be 19 digits that begin with 62",
        )),
    }
}

fn missing(name: &str) -> NativeError {
    NativeError::malformed(format!("{name} is missing"))
}

/// Fen, at least 1, in its one spelling.
fn fen(text: &str) -> Option<Amount> {
    let amount = facts::fen(text).filter(|_| !text.starts_with('0'));
    amount.filter(|amount| !amount.is_zero() && *amount <= Amount::MAX)
}

/// What vouches for it. Under signMethod 01 `certId` names the certificate, which must be one that is registered for this
/// very account; whether the method is the account's own is asked by whoever knows the account.
fn proof<'a>(
    path: &str,
    account: &AccountNo,
    named: Instant,
    get: impl Fn(&str) -> Option<&'a str>,
    signed_text: impl FnOnce() -> Zeroizing<Vec<u8>>,
) -> Result<Proof, NativeError> {
    let wrong = |name: &str| NativeError::signature(format!("{name} is missing or not as documented"));
    let text = get("signature").ok_or_else(|| wrong("signature"))?;
    let method = match get("signMethod") {
        Some("01") => SignMethod::Signature,
        Some("11") => SignMethod::KeyedSha256,
        Some("12") => SignMethod::KeyedSm3,
        _ => return Err(wrong("signMethod")),
    };
    let (key, signature) = match method {
        SignMethod::Signature | SignMethod::Sm2 => {
            let cert_id = get(CERT_ID).ok_or_else(|| wrong(CERT_ID))?;
            (
                keys::unionpay_merchant_public(account, cert_id),
                STANDARD.decode(text).map_err(|_| wrong("signature"))?,
            )
        }
        SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => {
            (keys::unionpay_secure(account), text.as_bytes().to_vec())
        }
    };
    let message = std::mem::take(&mut *seal::message(method, signed_text()));
    Ok(Proof {
        key: key.map_err(|e| NativeError::signature(e.to_string()))?,
        message,
        signature,
        signed_at: named,
        nonce: None,
        method,
        fresh: match path {
            QUERY => Fresh::Always,
            BACK if get("txnType") == Some("00") => Fresh::Always,
            FRONT => Fresh::For(FORM_WAITS_MS),
            _ if get("txnType") == Some(REVERSAL) => Fresh::OfOrder,
            _ => Fresh::Standing,
        },
    })
}

/// Whether the payer's browser brings what is sent to this path.
pub(crate) fn is_by_browser(path: &str) -> bool {
    path == FRONT
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_hides_nothing() {
        for good in ["https://m.example/n?a=1&b=[2]", "http://127.0.0.1:80/"] {
            assert!(is_address(good), "{good}");
        }
        for bad in [
            "",
            "ftp://m.example",
            "{https://m.example}",
            "https://m.example/{a&merId=1}",
            "https://m.example/ n",
            "https://m.example/\u{200b}",
            "https://m.example/店",
        ] {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
