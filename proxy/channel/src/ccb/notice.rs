//! Notices of CCB (channels.md 6.3): a form, signed by the bank over its pairs in a fixed order.

use super::pairs::Pairs;
use crate::{
    Account, ChannelState, OrderView, Signed, keys,
    notice::{Notice, NoticeError},
};
use domain::{Amount, ChannelNo, Instant, PaidFacts, TradeNo};
use std::sync::Arc;

/// What is signed, in this order; `true` for what is signed only where it is there.
const SIGNED: [(&str, bool); 17] = [
    ("POSID", false),
    ("BRANCHID", false),
    ("ORDERID", false),
    ("PAYMENT", false),
    ("CURCODE", false),
    ("REMARK1", false),
    ("REMARK2", false),
    ("ACC_TYPE", true),
    ("SUCCESS", false),
    ("TYPE", false),
    ("REFERER", false),
    ("CLIENTIP", false),
    ("ACCDATE", true),
    ("USRMSG", true),
    ("INSTALLNUM", true),
    ("ERRMSG", false),
    ("USRINFO", true),
];

/// What must verify. A field beyond the documented ones is not signed, and not looked at.
pub(crate) fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let pairs = own(account, body)?;
    let mut message = Vec::with_capacity(body.len());
    for (name, optional) in SIGNED {
        let Some(value) = pairs.octets(name) else {
            if optional {
                continue;
            }
            return Err(NoticeError::Envelope(name));
        };
        // The pairs are joined as they are: what holds a separator could be read as another pair.
        if value.contains(&b'&') {
            return Err(NoticeError::Envelope(name));
        }
        if !message.is_empty() {
            message.push(b'&');
        }
        message.extend_from_slice(name.as_bytes());
        message.push(b'=');
        message.extend_from_slice(value);
    }
    let sign = pairs
        .get("SIGN")
        .filter(|sign| (256..=2048).contains(&sign.len()));
    let octets = sign
        .and_then(|sign| hex::decode(sign).ok())
        .ok_or(NoticeError::Envelope("SIGN"))?;
    Ok(Signed::by(keys::ccb_bank(&account.account)?, message, octets))
}

/// The form, if it is about this account.
fn own(account: &Account, body: &[u8]) -> Result<Pairs, NoticeError> {
    let pairs = Pairs::parse(body)?;
    let branch = account.bank.as_ref().and_then(|bank| bank.branch.as_deref());
    let named = pairs.get("POSID") == Some(account.account.as_str())
        && branch.is_some()
        && pairs.get("BRANCHID") == branch;
    if named {
        Ok(pairs)
    } else {
        Err(NoticeError::Account)
    }
}

/// Reads the form. It names neither a time nor a number of the bank's own: an order counts as paid when the bank says so, and
/// bears the number that it bears for both sides. A try that failed ends nothing. Who paid (USRMSG, USRINFO) is not kept.
pub(crate) fn read(account: &Account, body: &[u8], at: Instant) -> Result<Notice, NoticeError> {
    let pairs = own(account, body)?;
    let must = |name: &'static str| pairs.get(name).ok_or(NoticeError::Field(name));
    let number = ChannelNo::new(must("ORDERID")?).map_err(|_| NoticeError::Field("ORDERID"))?;
    if must("CURCODE")? != "01" {
        return Err(NoticeError::Field("CURCODE"));
    }
    let amount = yuan(must("PAYMENT")?).ok_or(NoticeError::Field("PAYMENT"))?;
    let state = match must("SUCCESS")? {
        "Y" => ChannelState::Paid(PaidFacts {
            amount,
            // A kind of account is a short number; anything else is not kept.
            bank_type: pairs
                .get("ACC_TYPE")
                .filter(|kind| kind.len() <= 4 && kind.bytes().all(|b| b.is_ascii_digit()))
                .map(Arc::from),
            trade_no: TradeNo::new(number.as_str()).map_err(|_| NoticeError::Field("ORDERID"))?,
            number: number.clone(),
            paid_at: at,
        }),
        "N" => ChannelState::NotPaid,
        _ => return Err(NoticeError::Field("SUCCESS")),
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

/// Yuan with two decimals at most, more than nothing.
pub(super) fn yuan(text: &str) -> Option<Amount> {
    Amount::parse_yuan(text)
        .ok()
        .filter(|amount| !amount.is_zero() && *amount <= Amount::MAX)
}
