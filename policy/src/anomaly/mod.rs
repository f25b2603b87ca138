//! The watch: typologies of compliance.md section 7 as folds over the trades journal.
//!
//! A fold, because the same journal must give the same flags whenever and by whomever it is replayed: nothing is
//! looked up, no clock is asked, no map's order shows. A finding is a lead for the acquirer, not a judgement, and
//! it supplements the acquirer's own monitoring (compliance.md section 1).
//!
//! Choices that hold for all rules:
//! * A trade's time is the channel's `paid_at`. A trade learned more than two days late is related to no other.
//! * Rules see refused attempts too: policy stops a breach before it happens, and trying is what a flag tells.
//! * A payment that was reversed counts no more, and one that comes while its reverse is under way counts when that is
//!   refused: as in the day totals (C13).
//! * Where trades of several merchants are related, only those of one acquirer are named together, so that no
//!   acquirer reads another's trades.
//! * The same situation is flagged once per window.

mod clock;
mod finding;
mod on_record;
mod orders;
mod parameters;
mod rules;
mod t01_same_amount;
mod t04_under_limit;
mod t05_splitting;
mod t10_many_merchants;
mod t15a_refund_beyond_trade;
mod t15d_pay_and_refund;
mod t16_card_testing;
mod t20_payee;
mod t26_channel_hopping;
mod t28_code_limit;
mod tried;
mod watch;
mod window;

pub use finding::Finding;
pub use parameters::*;
pub use rules::{FlagFacts, Lang, Rule, clock, rules, several, words};
pub use watch::Watch;

#[cfg(test)]
mod day_rules_tests;
#[cfg(test)]
mod journal;
#[cfg(test)]
mod limit_rules_tests;
#[cfg(test)]
mod on_record_tests;
#[cfg(test)]
mod refund_rules_tests;
#[cfg(test)]
mod reverse_rules_tests;
#[cfg(test)]
mod rules_tests;
#[cfg(test)]
mod streams_tests;
#[cfg(test)]
mod tried_rules_tests;
#[cfg(test)]
mod watch_tests;
