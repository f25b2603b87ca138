//! UnionPay's notices (channels.md 4.2, 4.4): an ordinary form, signed over every field that came but `signature`.

use super::{codes, facts, fields::Fields, seal, times};
use crate::{
    Account, Signed,
    notice::{Notice, NoticeError},
};
use domain::{Instant, PayWay};

/// What must verify.
pub(crate) fn authenticate(account: &Account, body: &[u8]) -> Result<Signed, NoticeError> {
    let fields = Fields::of_form(body)?;
    match seal::signed(account, &fields) {
        Ok(signed) => Ok(signed),
        Err("merId") => Err(NoticeError::Account),
        Err(field) => Err(NoticeError::Envelope(field)),
    }
}

/// The time that belongs to the number which a notice names (`txnTime`, channels.md 4.3).
pub(crate) fn named(body: &[u8]) -> Option<Instant> {
    times::named(&Fields::of_form(body).ok()?)
}

/// Reads the form. Only a word of success is news: a payer whose card was refused may try again until the order's time is
/// over, and an answer to a query tells the end.
pub(crate) fn read(account: &Account, body: &[u8]) -> Result<Notice, NoticeError> {
    let fields = Fields::of_form(body)?;
    if fields.get("merId") != Some(account.account.as_str()) {
        return Err(NoticeError::Account);
    }
    let code = fields.get("respCode").ok_or(NoticeError::Field("respCode"))?;
    match fields.get("txnType") {
        Some("01") if codes::is_success(code) || codes::is_taken_late(code) => {
            // Which way it was paid makes no difference to a word of success.
            let view = facts::order(&fields, PayWay::Qr, code).ok_or(NoticeError::Field("queryId"))?;
            Ok(Notice::Order(Box::new(view)))
        }
        // A cancel is told as a refund is: by its own number.
        Some("04" | "31") if codes::is_success(code) => {
            let view = facts::refund(&fields, code).ok_or(NoticeError::Field("orderId"))?;
            Ok(Notice::Refund {
                order: None,
                view,
                paid: None,
            })
        }
        Some(_) => Ok(Notice::Ignored),
        None => Err(NoticeError::Field("txnType")),
    }
}
