//! Thresholds, with the defaults of compliance.md section 7. An acquirer sets its own.

use super::rules::rules;
use domain::Amount;
use serde::{Deserialize, Serialize};

/// Parameters of all rules. Fields stand in alphabetical order, so that serialising them is canonical JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameters {
    /// What the journal itself records as out of order.
    pub on_record: OnRecord,
    /// How many orders are remembered.
    pub orders: OrderParameters,
    /// Same amount repeated.
    pub t01: T01,
    /// Just under a limit.
    pub t04: T04,
    /// Splitting.
    pub t05: T05,
    /// One payer, many merchants.
    pub t10: T10,
    /// Refund without trade, above the trade, or twice.
    pub t15a: T15a,
    /// Pay and refund.
    pub t15d: T15d,
    /// Card testing.
    pub t16: T16,
    /// Payee other than the merchant.
    pub t20: T20,
    /// Channel hopping.
    pub t26: T26,
}

/// O01 to O04: entries of a merchant in a day.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OnRecord {
    /// O04: verified notices for no order on record.
    pub foreign_notices: u64,
    /// O01: notices or answers with another amount, or another account.
    pub mismatches: u64,
    /// O03: texts of one pattern.
    pub patterns: u64,
    /// O02: orders that ended unresolved.
    pub unresolved: u64,
}

/// Memory for relating refunds to their trades. An order forgotten is related to nothing; it never misleads.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrderParameters {
    /// Days after its last entry.
    pub days: u32,
    /// Most orders, the longest untouched go first.
    pub most: u64,
}

/// T01.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T01 {
    /// Equal trades of a payer at a merchant in a day.
    pub trades: u64,
}

/// T04.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T04 {
    /// Window.
    pub hours: u32,
    /// Limits, fen.
    pub limits: Vec<Amount>,
    /// From this share of a limit a trade is just under it.
    pub percent: u64,
    /// Trades of a payer just under the same limit.
    pub trades: u64,
}

/// T05.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T05 {
    /// Limits, fen; the merchant's single-trade cap is one more.
    pub limits: Vec<Amount>,
    /// Trades of a payer at a merchant in a day.
    pub trades: u64,
}

/// T10.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T10 {
    /// The long window.
    pub hours: u32,
    /// Merchants of a payer in the short window.
    pub merchants: u64,
    /// Merchants of a payer in the long window.
    pub merchants_long: u64,
    /// The short window.
    pub minutes: u32,
}

/// T15a.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T15a {
    /// Refused refunds of a merchant in a day.
    pub refused: u64,
}

/// T15d.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T15d {
    /// Least amount, fen.
    pub amount: Amount,
    /// Window.
    pub hours: u32,
    /// A refund asked for within this time after the payment makes a pair.
    pub minutes: u32,
    /// Pairs of a merchant.
    pub pairs: u64,
    /// Round means a multiple of this, fen.
    pub round: Amount,
}

/// T16.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T16 {
    /// The median attempt is no more than this, fen.
    pub amount: Amount,
    /// Attempts at a merchant in the window.
    pub attempts: u64,
    /// Declines of a payer in 24 hours.
    pub declines: u64,
    /// Declines of a payer in 30 days.
    pub declines_long: u64,
    /// Window.
    pub minutes: u32,
    /// Attempts without which a merchant's month is not judged.
    pub month_attempts: u64,
    /// More than this share of a merchant's month is card testing.
    pub month_percent: u64,
    /// Payers in the window.
    pub payers: u64,
    /// Share of the attempts that was declined, at least.
    pub percent: u64,
}

/// T20.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T20 {
    /// Window in which merchants share a payee.
    pub days: u32,
    /// Merchants that share a payee.
    pub merchants: u64,
    /// Orders of a merchant in a day that name somebody else as payee.
    pub orders: u64,
}

/// T26.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct T26 {
    /// Channels; fewer than two are no hop.
    pub channels: u64,
    /// Window.
    pub minutes: u32,
}

const fn yuan(yuan: u64) -> Amount {
    Amount::from_fen(yuan * 100)
}

impl Default for OnRecord {
    /// One notice for an unknown order may be a test of the merchant's; three in a day are not (D).
    fn default() -> Self {
        OnRecord {
            foreign_notices: 3,
            mismatches: 1,
            patterns: 1,
            unresolved: 1,
        }
    }
}

impl Default for OrderParameters {
    fn default() -> Self {
        OrderParameters {
            days: 30,
            most: 500_000,
        }
    }
}

impl Default for T01 {
    fn default() -> Self {
        T01 { trades: 3 }
    }
}

impl Default for T04 {
    fn default() -> Self {
        let limits = [500, 1_000, 5_000, 10_000, 50_000, 200_000, 500_000]
            .map(yuan)
            .to_vec();
        T04 {
            hours: 24,
            limits,
            percent: 95,
            trades: 3,
        }
    }
}

impl Default for T05 {
    /// All four limits of compliance.md section 4. That of cash (50,000) stays in: it is the lowest, and the
    /// watch misses less for it.
    fn default() -> Self {
        T05 {
            limits: [50_000, 200_000, 500_000, 2_000_000].map(yuan).to_vec(),
            trades: 3,
        }
    }
}

impl Default for T10 {
    fn default() -> Self {
        T10 {
            hours: 24,
            merchants: 10,
            merchants_long: 30,
            minutes: 60,
        }
    }
}

impl Default for T15a {
    fn default() -> Self {
        T15a { refused: 1 }
    }
}

impl Default for T15d {
    /// Round is a multiple of 100 CNY, as in T03.
    fn default() -> Self {
        T15d {
            amount: yuan(1_000),
            hours: 24,
            minutes: 10,
            pairs: 3,
            round: yuan(100),
        }
    }
}

impl Default for T16 {
    /// The definition gives no least number of attempts for a month; a hundred (D).
    fn default() -> Self {
        T16 {
            amount: yuan(10),
            attempts: 20,
            declines: 10,
            declines_long: 16,
            minutes: 10,
            month_attempts: 100,
            month_percent: 20,
            payers: 10,
            percent: 70,
        }
    }
}

impl Default for T26 {
    fn default() -> Self {
        T26 {
            channels: 3,
            minutes: 5,
        }
    }
}

impl Default for T20 {
    /// The rule gives no window for sharing; thirty days, as T23 and T27 have it (D).
    fn default() -> Self {
        T20 {
            days: 30,
            merchants: 2,
            orders: 1,
        }
    }
}

impl Parameters {
    /// Rules, versions and parameters as canonical JSON (RFC 8785): what `RulesLoaded` digests.
    pub fn to_canonical(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct RuleVersion {
            id: &'static str,
            version: u32,
        }
        #[derive(Serialize)]
        struct RuleSet<'a> {
            parameters: &'a Parameters,
            rules: Vec<RuleVersion>,
        }
        let rules = rules()
            .iter()
            .map(|rule| RuleVersion {
                id: rule.id,
                version: rule.version,
            })
            .collect();
        // Integers, strings and sequences only: writing them to memory cannot fail.
        serde_json::to_vec(&RuleSet {
            parameters: self,
            rules,
        })
        .expect("a rule set is plain data")
    }
}
