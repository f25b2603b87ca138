//! Notices of CMB: a form posted to `payNoticeUrl`, whose `jsonRequestData` holds `noticeData` and the bank's signature over its
//! pairs, sorted by name, empty ones too [unverified; two independent public clients agree].

use super::numbers;
use crate::{
    Account, ChannelState, OrderView, Signed,
    form::Form,
    keys,
    notice::{Notice, NoticeError},
    strict_json::{self, Value},
    times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{Amount, ChannelNo, PaidFacts, TradeNo};
use std::sync::Arc;

/// The one kind of notice that is about an order; contracts of payers (`BKQY`) are no business of ours.
const PAID: &str = "BKPAYRTN";
/// Most pairs that we look at.
const MOST: usize = 40;

fn letter(body: &[u8]) -> Result<Value, NoticeError> {
    let form = Form::parse(body)?;
    let json = form
        .get("jsonRequestData")
        .ok_or(NoticeError::Envelope("jsonRequestData"))?;
    Ok(strict_json::parse(json.as_bytes())?)
}

/// The pairs of `noticeData`, sorted; all of them texts.
fn pairs(letter: &Value) -> Result<Vec<(&str, &str)>, NoticeError> {
    let wrong = || NoticeError::Envelope("noticeData");
    let Some(Value::Object(members)) = letter.get("noticeData") else {
        return Err(wrong());
    };
    let mut pairs = Vec::with_capacity(members.len());
    for member in members {
        let Value::Text(value) = &member.value else {
            return Err(wrong());
        };
        // The pairs are joined as they are: what holds a separator could be read as another pair.
        let plain = !member.name.is_empty() && member.name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !plain || value.contains('&') || pairs.len() == MOST {
            return Err(wrong());
        }
        pairs.push((member.name.as_str(), value.as_str()));
    }
    pairs.sort_unstable();
    Ok(pairs)
}

fn own(account: &Account, pairs: &[(&str, &str)]) -> Result<(), NoticeError> {
    let named = numbers(account).is_some_and(|(branch, merchant)| {
        get(pairs, "branchNo") == Some(branch) && get(pairs, "merchantNo") == Some(merchant)
    });
    named.then_some(()).ok_or(NoticeError::Account)
}

fn get<'a>(pairs: &[(&str, &'a str)], name: &str) -> Option<&'a str> {
    let found = pairs.iter().find(|(n, _)| *n == name);
    found.map(|(_, value)| *value).filter(|value| !value.is_empty())
}

/// What must verify.
pub(crate) fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let letter = letter(body)?;
    let pairs = pairs(&letter)?;
    own(account, &pairs)?;
    if letter.text("charset") != Some("UTF-8") {
        return Err(NoticeError::Envelope("charset"));
    }
    if letter.text("signType") != Some("RSA") {
        return Err(NoticeError::Envelope("signType"));
    }
    let signature = letter
        .text("sign")
        .and_then(|sign| STANDARD.decode(sign).ok())
        .filter(|octets| (128..=1024).contains(&octets.len()))
        .ok_or(NoticeError::Envelope("sign"))?;
    let message: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    Ok(Signed::by(
        keys::cmb_bank(&account.account)?,
        message.join("&").into_bytes(),
        signature,
    ))
}

/// Reads the pairs. Only what was paid is told.
pub(crate) fn read(account: &Account, body: &[u8]) -> Result<Notice, NoticeError> {
    let letter = letter(body)?;
    let pairs = pairs(&letter)?;
    own(account, &pairs)?;
    let must = |name: &'static str| get(&pairs, name).ok_or(NoticeError::Field(name));
    if must("noticeType")? != PAID {
        return Err(NoticeError::Field("noticeType"));
    }
    let number = ChannelNo::new(must("orderNo")?).map_err(|_| NoticeError::Field("orderNo"))?;
    let facts = PaidFacts {
        amount: yuan(must("amount")?).ok_or(NoticeError::Field("amount"))?,
        bank_type: get(&pairs, "cardType").and_then(card),
        number: number.clone(),
        paid_at: times::china_digits(must("dateTime")?).ok_or(NoticeError::Field("dateTime"))?,
        trade_no: TradeNo::new(must("bankSerialNo")?).map_err(|_| NoticeError::Field("bankSerialNo"))?,
    };
    Ok(Notice::Order(Box::new(OrderView {
        number,
        time: None,
        state: ChannelState::Paid(facts),
        account: Some(account.account.clone()),
        payee: Some(account.payee.clone()),
        payer: None,
        attach: None,
    })))
}

/// Yuan with exactly two decimals, more than nothing.
pub(super) fn yuan(text: &str) -> Option<Amount> {
    text.split_once('.').filter(|(_, cents)| cents.len() == 2)?;
    Amount::parse_yuan(text)
        .ok()
        .filter(|amount| !amount.is_zero() && *amount <= Amount::MAX)
}

/// A kind of card is a short number; anything else is not kept.
pub(super) fn card(kind: &str) -> Option<Arc<str>> {
    let plain = (1..=4).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| Arc::from(kind))
}
