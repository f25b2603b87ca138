//! Requests to CMB: an order, which the payer's browser posts, and the query of one. Who is paid is `branchNo` and `merchantNo`,
//! the account's own; nobody else has a place. No free text goes along.

use super::numbers;
use crate::{
    Account, ComposeError, CreateFacts, Draft, Request, Stamp,
    draft::{Parameter, Place},
    form, keys, times,
};
use domain::{ChannelNo, PayWay};
use vault::{Buyer, Text};
use zeroize::Zeroizing;

/// Longest number of an order [unverified; public clients: 6 to 32 letters and digits].
pub(crate) const LONGEST: usize = 32;
const SHORTEST: usize = 6;
/// Longest that an order may wait from when the bank has it [unverified; a public client: 30 minutes].
const MOST_MINUTES: i64 = 30;
/// Where browsers bring orders.
const ORDER: &str = "/netpayment/BaseHttp.dll?MB_EUserPay";
/// Where a merchant's server asks, at a host of its own [unverified; public clients].
const QUERY: &str = "/merchserv/BaseHttp.dll?QuerySingleOrder";

/// 6 to 32 letters and digits.
pub(crate) fn number_fits(number: &str) -> bool {
    (SHORTEST..=LONGEST).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The form that the payer's browser posts to the bank. Its times are those of its record, so that the same order is the same
/// form however late it is signed.
pub(crate) fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    if facts.pay_way != PayWay::Gateway {
        return Err(ComposeError::NotOffered);
    }
    let minutes = facts
        .expires
        .millis()
        .saturating_sub(stamp.begun.millis())
        .saturating_add(59_999)
        / 60_000;
    let mut said = common(account, &times::to_china_digits(stamp.begun), stamp, facts.number)?;
    put(&mut said, "amount", &facts.amount.to_yuan());
    put(
        &mut said,
        "expireTimeSpan",
        &minutes.clamp(1, MOST_MINUTES).to_string(),
    );
    put(&mut said, "payNoticeUrl", &account.notify_url);
    put(
        &mut said,
        "returnUrl",
        buyer.return_url.as_ref().map_or("", Text::expose),
    );
    put(
        &mut said,
        "clientIP",
        buyer.client_ip.as_ref().map_or("", Text::expose),
    );
    draft(account, ORDER, said)
}

/// Asks for an order: by its number and the day under which it is on record at the bank.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let mut said = common(account, &times::to_china_digits(stamp.at), stamp, number)?;
    put(&mut said, "type", "B");
    draft(account, QUERY, said)
}

fn common(
    account: &Account,
    at: &str,
    stamp: &Stamp,
    number: &ChannelNo,
) -> Result<Vec<Parameter>, ComposeError> {
    if !number_fits(number.as_str()) {
        return Err(ComposeError::Number);
    }
    let (branch, merchant) = numbers(account).ok_or(ComposeError::Account(
        "account of ten digits (branchNo and merchantNo)",
    ))?;
    if account.payee.as_str() != account.account.as_str() {
        return Err(ComposeError::Account(
            "payee of its own: at CMB the merchant number is who is paid",
        ));
    }
    let day = times::to_china_digits(stamp.begun);
    let mut said = Vec::with_capacity(12);
    put(&mut said, "dateTime", at);
    put(&mut said, "branchNo", branch);
    put(&mut said, "merchantNo", merchant);
    put(&mut said, "date", day.get(..8).unwrap_or_default());
    put(&mut said, "orderNo", number.as_str());
    Ok(said)
}

/// What is blank is left out, so that nobody has to know whether it would be signed.
fn put(said: &mut Vec<Parameter>, name: &'static str, value: &str) {
    if !value.is_empty() {
        said.push((name, Zeroizing::new(value.to_owned())));
    }
}

/// Signed over the pairs sorted by name, raw values; `certs` puts `&` and the key behind them.
fn draft(account: &Account, target: &str, mut said: Vec<Parameter>) -> Result<Draft, ComposeError> {
    said.sort_by_key(|(name, _)| *name);
    // The pairs are joined as they are: what holds a separator could be read as another pair.
    if let Some((name, _)) = said.iter().find(|(_, value)| value.contains('&')) {
        return Err(ComposeError::Characters(name));
    }
    let pairs: Vec<(&str, &str)> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let message = form::join(&pairs);
    let headers = vec![
        ("Accept".into(), "*/*".into()),
        ("User-Agent".into(), "guandao/0.1".into()),
        (
            "Content-Type".into(),
            "application/x-www-form-urlencoded;charset=UTF-8".into(),
        ),
    ];
    Ok(Draft {
        message,
        key: keys::cmb_merchant(&account.account)?,
        place: Place::Json {
            request: Request {
                method: "POST".into(),
                target: target.into(),
                headers,
                body: Zeroizing::default(),
                identity: None,
            },
            said,
        },
        content_key: None,
    })
}

/// `jsonRequestData` and its charset, with the digest in lower-case hex.
pub(crate) fn written(said: &[Parameter], digest: &[u8]) -> Vec<Parameter> {
    let mut json = Zeroizing::new(String::with_capacity(1024));
    json.push_str("{\"version\":\"1.0\",\"charset\":\"UTF-8\",\"sign\":\"");
    json.push_str(&hex::encode(digest));
    json.push_str("\",\"signType\":\"SHA-256\",\"reqData\":{");
    for (n, (name, value)) in said.iter().enumerate() {
        if n > 0 {
            json.push(',');
        }
        json.push('"');
        json.push_str(name);
        json.push_str("\":\"");
        escape(&mut json, value);
        json.push('"');
    }
    json.push_str("}}");
    vec![
        ("jsonRequestData", json),
        ("charset", Zeroizing::new("UTF-8".to_owned())),
    ]
}

fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
}
