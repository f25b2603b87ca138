//! Orders as the Baidu wallet states them in answers (XML) and notices (a query) alike, and what vouches for them.

use super::query::Query;
use crate::{ChannelState, OrderView, Signed, answer::fen, keys, notice::NoticeError, times};
use domain::{AccountNo, ChannelNo, PaidFacts, TradeNo};
use std::sync::Arc;
use vault::Text;

/// An order; `None` where something that it must state is missing or unlawful.
pub(crate) fn order<'a>(said: impl Fn(&str) -> Option<&'a str>) -> Option<OrderView> {
    let number = ChannelNo::new(said("order_no")?).ok()?;
    let state = match said("pay_result")? {
        "1" => ChannelState::Paid(paid(&said, &number)?),
        "2" => ChannelState::NotPaid,
        "3" => ChannelState::Refunded(paid(&said, &number)?),
        _ => return None,
    };
    // Renminbi only.
    if said("currency").is_some_and(|currency| currency != "1") {
        return None;
    }
    let account = AccountNo::new(said("sp_no")?).ok()?;
    Some(OrderView {
        number,
        time: None,
        state,
        payee: domain::PayeeNo::new(account.as_str()).ok(),
        account: Some(account),
        payer: None,
        attach: said("extra").map(Text::from),
    })
}

fn paid<'a>(said: &impl Fn(&str) -> Option<&'a str>, number: &ChannelNo) -> Option<PaidFacts> {
    // A bank is a number; anything else is not kept.
    let bank = said("bank_no").filter(|bank| bank.len() <= 8 && bank.bytes().all(|b| b.is_ascii_digit()));
    Some(PaidFacts {
        amount: fen(said("total_amount")?)?,
        bank_type: bank.map(Arc::from),
        number: number.clone(),
        paid_at: times::china_digits(said("pay_time")?)?,
        trade_no: TradeNo::new(said("bfb_order_no")?).ok()?,
    })
}

/// What must verify: all parameters but `sign`, by the digest that the message names (channels.md section 5).
pub(crate) fn signed(account: &crate::Account, query: &Query) -> Result<Signed, NoticeError> {
    if query.get("sp_no") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    let sha1 = match query.get("sign_method") {
        Some("1") => false,
        Some("2") => true,
        _ => return Err(NoticeError::Envelope("sign_method")),
    };
    let sign = query
        .get("sign")
        .filter(|sign| sign.len() == if sha1 { 40 } else { 32 });
    let sign = sign.filter(|sign| {
        sign.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    });
    let octets = sign
        .and_then(|sign| hex::decode(sign).ok())
        .ok_or(NoticeError::Envelope("sign"))?;
    let key = keys::baidu(&account.account, sha1)?;
    Ok(Signed::by(key, query.to_sign().to_vec(), octets))
}
