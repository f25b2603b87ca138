//! Money: integer fen, checked, never a float.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An amount of CNY in fen (分). Arithmetic is checked; there is no conversion from or to a float.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Amount(u64);

/// Why a text is not an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// Not `digits` or `digits.d` or `digits.dd`.
    #[error("an amount in yuan is digits with at most two decimals, such as 12 or 12.34")]
    Form,
    /// More fen than 2^53 - 1, which JSON readers could not carry exactly.
    #[error("the amount is larger than 9007199254740991 fen")]
    TooLarge,
}

impl Amount {
    /// Nothing at all.
    pub const ZERO: Amount = Amount(0);
    /// The largest amount: 2^53 - 1 fen, the last integer every JSON reader carries exactly.
    pub const MAX: Amount = Amount((1 << 53) - 1);

    /// From integer fen.
    pub const fn from_fen(fen: u64) -> Self {
        Amount(fen)
    }

    /// Integer fen.
    pub const fn fen(self) -> u64 {
        self.0
    }

    /// Whole yuan, `None` on overflow.
    pub fn from_yuan(yuan: u64) -> Option<Self> {
        yuan.checked_mul(100).map(Amount)
    }

    /// Sum, `None` on overflow.
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        self.0.checked_add(other.0).map(Amount)
    }

    /// Difference, `None` if `other` is larger.
    pub fn checked_sub(self, other: Amount) -> Option<Amount> {
        self.0.checked_sub(other.0).map(Amount)
    }

    /// True for zero fen.
    pub fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads yuan with at most two decimals (`88`, `88.8`, `88.80`), as Alipay writes them.
    pub fn parse_yuan(text: &str) -> Result<Self, AmountError> {
        let (whole, part) = text.split_once('.').map_or((text, None), |(w, p)| (w, Some(p)));
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let cents = match part {
            None => "00".to_owned(),
            Some(p) if digits(p) && p.len() <= 2 => format!("{p:0<2}"),
            Some(_) => return Err(AmountError::Form),
        };
        if !digits(whole) {
            return Err(AmountError::Form);
        }
        let fen: u64 = format!("{whole}{cents}")
            .parse()
            .map_err(|_| AmountError::TooLarge)?;
        if fen > Self::MAX.0 {
            Err(AmountError::TooLarge)
        } else {
            Ok(Amount(fen))
        }
    }

    /// Yuan with exactly two decimals, as Alipay reads them.
    pub fn to_yuan(self) -> String {
        format!("{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fen", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yuan_and_fen_agree_both_ways() {
        for (text, fen) in [
            ("0.01", 1),
            ("88", 8800),
            ("88.8", 8880),
            ("0.10", 10),
            ("90071992547409.91", (1 << 53) - 1),
        ] {
            assert_eq!(Amount::parse_yuan(text), Ok(Amount(fen)), "{text}");
        }
        for fen in [0, 1, 10, 99, 100, 101, 123_456] {
            assert_eq!(Amount::parse_yuan(&Amount(fen).to_yuan()), Ok(Amount(fen)));
        }
    }

    #[test]
    fn refuses_what_is_not_yuan() {
        for text in [
            "", ".", "1.", ".1", "1.234", "-1", "+1", "1e2", " 1", "1 ", "１", "0x1", "1,000",
        ] {
            assert_eq!(Amount::parse_yuan(text), Err(AmountError::Form), "{text:?}");
        }
        assert_eq!(
            Amount::parse_yuan("90071992547409.92"),
            Err(AmountError::TooLarge)
        );
        assert_eq!(
            Amount::parse_yuan("99999999999999999999999"),
            Err(AmountError::TooLarge)
        );
    }
}
