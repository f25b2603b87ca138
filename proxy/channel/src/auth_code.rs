//! Payment codes 付款码: whose wallet made one is told from its digits, never guessed, and what a channel's refusal of one
//! means.

use domain::Channel;
use vault::AuthCode;

/// A wallet that makes payment codes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wallet {
    /// WeChat Pay: 18 digits, the first two 10 to 15 (channels.md 7).
    Wechat,
    /// Alipay: 16 to 24 digits, the first two 25 to 30 (channels.md 7).
    Alipay,
    /// UnionPay's wallets (云闪付): 19 digits, the first two 62 (channels.md 7).
    Unionpay,
}

/// The wallet of a code; `None` for what no wallet makes.
pub fn wallet(code: &AuthCode) -> Option<Wallet> {
    let digits = code.expose();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let begin: u8 = digits.get(..2)?.parse().ok()?;
    match (begin, digits.len()) {
        (10..=15, 18) => Some(Wallet::Wechat),
        (25..=30, 16..=24) => Some(Wallet::Alipay),
        (62, 19) => Some(Wallet::Unionpay),
        _ => None,
    }
}

/// Why a channel did not charge, as far as a cashier can do something about it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The code is used, expired or not one: scan a fresh one.
    Code,
    /// The payer cannot pay this: balance, limit, card, the payer is the payee.
    Payer,
    /// Anything else; the channel's code says what.
    Other,
}

/// What a channel's code of refusal means to the cashier (channels.md 2.2, 3.3).
pub fn refusal(channel: Channel, code: &str) -> Refusal {
    match channel {
        Channel::Wechat => crate::wechat::v2::codes::refusal(code),
        Channel::Alipay => crate::alipay::codes::refusal(code),
        Channel::Unionpay => crate::unionpay::codes::refusal(code),
        // They take none here.
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Refusal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wallet_is_told_from_length_and_first_digits_or_not_at_all() {
        let of = |digits: &str| wallet(&AuthCode::new(digits.to_owned()));
        let with = |begin: &str, length: usize| of(&format!("{begin:0<length$}"));
        for begin in 10..=15 {
            assert_eq!(with(&begin.to_string(), 18), Some(Wallet::Wechat), "{begin}");
        }
        for begin in 25..=30 {
            for length in 16..=24 {
                assert_eq!(
                    with(&begin.to_string(), length),
                    Some(Wallet::Alipay),
                    "{begin} {length}"
                );
            }
        }
        assert_eq!(with("62", 19), Some(Wallet::Unionpay));
        for (begin, length) in [
            ("09", 18),
            ("16", 18),
            ("10", 17),
            ("10", 19),
            ("24", 18),
            ("31", 18),
            ("25", 15),
            ("25", 25),
            ("62", 18),
            ("62", 20),
            ("99", 18),
        ] {
            assert_eq!(with(begin, length), None, "{begin} {length}");
        }
        for odd in [
            "",
            "1",
            "13012345678901234x",
            "１３012345678901234",
            "+30123456789012345",
            "13 12345678901234 ",
        ] {
            assert_eq!(of(odd), None, "{odd}");
        }
    }
}
