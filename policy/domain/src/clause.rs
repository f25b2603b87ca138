//! Why something was refused or flagged: every verdict names one clause.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A numbered control of `policy/specs/controls.md`, such as `C12`, which cites the rule behind it (R01–R37).
///
/// The text of a clause is public where a refusal may be explicit. [`Clause::NOT_ACCEPTED`] is the one
/// clause that stands in the trades journal for every refusal that must not tip anybody off.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Clause(u8);

impl Clause {
    /// The uniform refusal: list, measure, risk and payer limit look alike (R11).
    pub const NOT_ACCEPTED: Clause = Clause(1);

    /// The control with this number (1 to 99).
    pub const fn control(number: u8) -> Self {
        assert!(number >= 1 && number <= 99, "controls are numbered 1 to 99");
        Clause(number)
    }

    /// The number.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "C{:02}", self.0)
    }
}

impl Serialize for Clause {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Clause {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        text.strip_prefix('C')
            .filter(|digits| digits.len() == 2)
            .and_then(|digits| digits.parse().ok())
            .filter(|n| (1..=99).contains(n))
            .map(Clause)
            .ok_or_else(|| serde::de::Error::custom("a clause is C01 to C99"))
    }
}
