//! Notices of ICBC (channels.md 6.2): `merVAR`, `notifyData` and `signMsg`, the bank's signature over the XML that `notifyData`
//! holds.

use crate::{
    Account, ChannelState, OrderView, Signed,
    answer::fen,
    form::Form,
    gbk, keys,
    notice::{Notice, NoticeError},
    strict_tree, times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{ChannelNo, PaidFacts, TradeNo};
use zeroize::Zeroizing;

/// Most octets of the XML.
const MOST: usize = 16 << 10;

/// What must verify: the XML's own octets.
pub(crate) fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let form = Form::parse(body)?;
    let message = data(&form)?;
    let sign = form.get("signMsg").ok_or(NoticeError::Envelope("signMsg"))?;
    let signature = STANDARD
        .decode(sign)
        .ok()
        .filter(|octets| (128..=1024).contains(&octets.len()))
        .ok_or(NoticeError::Envelope("signMsg"))?;
    Ok(Signed::by(
        keys::icbc_bank(&account.account)?,
        message.to_vec(),
        signature,
    ))
}

fn data(form: &Form) -> Result<Zeroizing<Vec<u8>>, NoticeError> {
    let packed = form
        .get("notifyData")
        .ok_or(NoticeError::Envelope("notifyData"))?;
    let octets = STANDARD.decode(packed).ok().filter(|octets| octets.len() <= MOST);
    octets
        .map(Zeroizing::new)
        .ok_or(NoticeError::Envelope("notifyData"))
}

/// Reads the XML. `tranStat` 1 is paid and cleared; 2 is a try that failed, which ends nothing; 3 is doubtful: nobody knows, and
/// nothing is concluded from it.
pub(crate) fn read(account: &Account, body: &[u8]) -> Result<Notice, NoticeError> {
    let wrong = |name: &'static str| NoticeError::Field(name);
    let octets = data(&Form::parse(body)?)?;
    let text = gbk::decode(&octets).ok_or(wrong("notifyData"))?;
    let text = without_comment(&text);
    let document = strict_tree::parse(&text, &["GBK"], "B2CRes").ok_or(wrong("notifyData"))?;
    if document.get("interfaceName") != Some("ICBC_PERBANK_B2C") {
        return Err(wrong("interfaceName"));
    }
    let order = document.one("orderInfo").ok_or(wrong("orderInfo"))?;
    if order.get("merID") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    if order.get("curType") != Some("001") {
        return Err(wrong("curType"));
    }
    let only = order
        .one("subOrderInfoList")
        .and_then(|list| list.one("subOrderInfo"));
    let only = only.ok_or(wrong("subOrderInfo"))?;
    if only.get("merAcct") != Some(account.payee.as_str()) {
        return Err(NoticeError::Account);
    }
    let number = only
        .get("orderid")
        .and_then(|no| ChannelNo::new(no).ok())
        .ok_or(wrong("orderid"))?;
    let bank = document.one("bank").ok_or(wrong("bank"))?;
    let state = match bank.get("tranStat") {
        Some("1") => ChannelState::Paid(PaidFacts {
            amount: only.get("amount").and_then(fen).ok_or(wrong("amount"))?,
            bank_type: None,
            number: number.clone(),
            paid_at: bank
                .get("notifyDate")
                .and_then(times::china_digits)
                .ok_or(wrong("notifyDate"))?,
            trade_no: only
                .get("tranSerialNo")
                .and_then(|no| TradeNo::new(no).ok())
                .ok_or(wrong("tranSerialNo"))?,
        }),
        Some("2") => ChannelState::NotPaid,
        Some("3") => ChannelState::Paying,
        _ => return Err(wrong("tranStat")),
    };
    Ok(Notice::Order(Box::new(OrderView {
        number,
        time: None,
        state,
        account: Some(account.account.clone()),
        payee: Some(account.payee.clone()),
        payer: None,
        attach: None,
    })))
}

/// The bank writes its comment as it comes, markup and all; nobody looks at it. Everything up to the last of its ends goes, so
/// that nothing in it can pass for something else.
fn without_comment(text: &str) -> Zeroizing<String> {
    let parts = text
        .split_once("<comment>")
        .and_then(|(before, rest)| rest.rsplit_once("</comment>").map(|(_, after)| (before, after)));
    Zeroizing::new(parts.map_or_else(|| text.to_owned(), |(before, after)| format!("{before}{after}")))
}
