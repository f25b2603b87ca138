//! Asking for the settlement file of a day (channels.md 4.5): it names no order, and comes in the answer, from a host for
//! files alone (4.1).

use super::{
    FILES,
    compose::{put, sealed},
    times,
};
use crate::{Account, ComposeError, Draft, Stamp};
use domain::SignMethod;

/// Messages take numbers of 40 letters (channels.md 4.3); the file has room for 32, and cuts off the rest.
pub(crate) const LONGEST_NUMBER: usize = 32;

/// `day` is the settlement day, `2026-01-31`; UnionPay asks for it without the year.
pub(crate) fn ask(account: &Account, stamp: &Stamp, day: &str) -> Result<Draft, ComposeError> {
    let settled: String = day.chars().skip(5).filter(char::is_ascii_digit).collect();
    let mut parameters = Vec::with_capacity(16);
    for (name, value) in [
        ("version", "5.1.0"),
        ("encoding", "UTF-8"),
        ("signMethod", account.sign_method.as_str()),
        ("txnType", "76"),
        ("txnSubType", "01"),
        ("bizType", "000000"),
        ("channelType", "07"),
        ("accessType", "0"),
        ("fileType", "00"),
        ("merId", account.account.as_str()),
        ("settleDate", &settled),
        ("txnTime", &times::written(stamp.begun)),
    ] {
        put(&mut parameters, name, Some(value));
    }
    if account.sign_method == SignMethod::Signature {
        let serial = account.serial.as_deref().ok_or(ComposeError::Account(
            "serial (certId) of the merchant's certificate",
        ))?;
        put(&mut parameters, "certId", Some(serial));
    }
    sealed(account, FILES, parameters)
}
