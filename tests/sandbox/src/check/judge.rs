//! What each answer means.

use super::{
    cases::Check,
    delivered::{DELIVERY, Ledger, Told, Wrong},
    events::{Event, Kind, Order, Whose},
    letters::How,
    report::{Row, Verdict},
    wire::{Answered, Manner},
};
use crate::channels::{clock, keys};
use std::{collections::VecDeque, time::Duration};

/// Slower answers are worth a note.
const SLOW: Duration = Duration::from_secs(2);

/// What came back; the error is a sentence without its full stop.
pub(super) type Reply = Result<Answered, String>;

/// One case: its short name, what is sent, and what would be right.
#[derive(Clone, Copy)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) sent: &'static str,
    pub(super) advice: &'static str,
}

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) check: &'a Check,
    pub(super) orders: VecDeque<(String, u64)>,
    seq: u64,
    ledger: Ledger,
    /// Orders whose delivery was not seen, and their rows as they were before that was said.
    missing: Vec<(String, usize, Row)>,
    /// How what bears no signature was answered.
    pub(super) unsigned: Option<u16>,
    pub(super) rows: Vec<Row>,
}

/// What must be known besides each case's own advice.
const EFFECT: &str = "What is acknowledged must be put into effect.";
const ONCE: &str = "An order is delivered once, whatever tells of its payment.";
const STAYS: &str = "What was paid stays paid.";
const REDIRECT: &str = "Redirects are not followed; register the address that answers itself.";

impl<'a> Run<'a> {
    pub(super) fn new(check: &'a Check) -> Run<'a> {
        Run {
            check,
            orders: check.orders.clone().into(),
            seq: 1000,
            ledger: Ledger::default(),
            missing: Vec::new(),
            unsigned: None,
            rows: Vec::new(),
        }
    }

    /// The next order that the endpoint knows, else one that is made up.
    pub(super) fn order(&mut self) -> Order {
        let made_up = || made_up("CHECK", 16);
        self.orders.pop_front().map_or_else(made_up, |(no, fen)| Order {
            no,
            fen,
            id: keys::random_hex(32),
        })
    }

    pub(super) fn event(&mut self, kind: Kind, order: &Order) -> Event {
        self.seq += 1;
        Event {
            id: keys::random_hex(32),
            seq: self.seq,
            kind,
            order: order.clone(),
            happened: clock::now(),
            whose: Whose::Ours,
            gone_back: false,
            large: false,
            further: false,
        }
    }

    pub(super) async fn send(&self, event: &Event, how: How) -> anyhow::Result<Reply> {
        self.post(event, how, Manner::AtOnce).await
    }

    pub(super) async fn post(&self, event: &Event, how: How, manner: Manner) -> anyhow::Result<Reply> {
        let letter = self.check.language.letter(event, how, clock::now())?;
        Ok(self.check.endpoint.post(&letter, manner).await)
    }

    pub(super) fn acknowledged(&self, reply: &Reply) -> bool {
        reply.as_ref().is_ok_and(|a| self.check.language.acknowledges(a))
    }

    /// Of two that must both be acknowledged, the one that was not.
    pub(super) fn worse(&self, one: Reply, two: Reply) -> Reply {
        if self.acknowledged(&one) { two } else { one }
    }

    /// It must be acknowledged.
    pub(super) fn good(&mut self, case: Case, reply: &Reply) {
        self.good_else(case, reply, case.advice);
    }

    /// It must be acknowledged; what would be right is said in other words.
    pub(super) fn good_else(&mut self, case: Case, reply: &Reply, otherwise: &str) {
        let (verdict, finding) = match reply {
            Err(why) => (
                Verdict::Wrong,
                format!("{why}: it would be sent again for a day at least. {otherwise}"),
            ),
            Ok(a) if self.check.language.acknowledges(a) && a.took > SLOW => {
                let took = format!(
                    "The answer took {:.1} s; after 5 s it would be sent again. Acknowledge first, then work.",
                    a.took.as_secs_f32()
                );
                (Verdict::Note, took)
            }
            Ok(a) if self.check.language.acknowledges(a) => (Verdict::Right, String::new()),
            Ok(a) if a.redirects() => (Verdict::Wrong, REDIRECT.into()),
            Ok(a) => {
                let other_text = if a.status == 200 { " with this text" } else { "" };
                (
                    Verdict::Wrong,
                    format!(
                        "Status {}{other_text} does not acknowledge: it would be sent again for a day at least. {otherwise}",
                        a.status
                    ),
                )
            }
        };
        self.row(case, reply, verdict, finding);
    }

    /// It must not be acknowledged.
    pub(super) fn bad(&mut self, case: Case, reply: &Reply) {
        let refusal = self.check.language.refusal();
        let (verdict, finding) = match reply {
            Err(why) => (
                Verdict::Note,
                format!("It was not acknowledged, but not refused either ({why}); {refusal}."),
            ),
            Ok(a) if self.check.language.acknowledges(a) => {
                (Verdict::Wrong, format!("It was acknowledged. {}", case.advice))
            }
            Ok(a) if self.check.language.refuses(a) => (Verdict::Right, String::new()),
            Ok(a) if a.redirects() => (
                Verdict::Note,
                format!(
                    "It was not acknowledged, but not refused either: redirects are not followed; {refusal}."
                ),
            ),
            Ok(a) => (
                Verdict::Note,
                format!(
                    "It was not acknowledged, but status {} looks like a fault of your own; {refusal}.",
                    a.status
                ),
            ),
        };
        self.row(case, reply, verdict, finding);
    }

    /// Acknowledging and refusing are both sound; a fault of its own is not.
    pub(super) fn either(&mut self, case: Case, reply: &Reply) {
        let (verdict, finding) = match reply {
            Ok(a) if self.check.language.refuses(a) => (Verdict::Right, String::new()),
            Ok(a) if a.redirects() => (Verdict::Wrong, REDIRECT.into()),
            Ok(a) if a.status < 500 => (Verdict::Right, String::new()),
            Ok(a) => (
                Verdict::Wrong,
                format!("Status {} looks like a crash. {}", a.status, case.advice),
            ),
            Err(why) => (Verdict::Wrong, format!("{why}. {}", case.advice)),
        };
        self.row(case, reply, verdict, finding);
    }

    pub(super) fn row(&mut self, case: Case, reply: &Reply, verdict: Verdict, finding: String) {
        let answered = match reply {
            Ok(answered) => format!(
                "status {} after {} ms",
                answered.status,
                answered.took.as_millis()
            ),
            Err(why) => why.clone(),
        };
        self.rows.push(Row {
            case: case.name,
            sent: case.sent,
            answered,
            verdict,
            finding: finding.trim_end().to_owned(),
        });
    }

    /// The case cannot be played as things are; the advice says what it needs.
    pub(super) fn untried(&mut self, case: Case, needs: &str) {
        self.rows.push(Row {
            case: case.name,
            sent: case.sent,
            answered: "not sent".to_owned(),
            verdict: Verdict::Untried,
            finding: needs.to_owned(),
        });
    }

    /// Holds what the latest case told of its order against what was delivered, where that can be asked. The advice is
    /// for what this case is about: a payment that did not take effect, a repeat that did, or whatever else changed.
    pub(super) async fn delivered(&mut self, order: &Order, told: Told, advice: &str) -> anyhow::Result<()> {
        let Some(delivered) = &self.check.delivered else {
            return Ok(());
        };
        let wrong = self.ledger.wrong(delivered, &order.no, told).await?;
        let at = self.rows.len().saturating_sub(1);
        if let (Some(row), Some(wrong)) = (self.rows.get_mut(at), wrong) {
            let advice = match (wrong, told) {
                (Wrong::Missing, Told::Again(_)) => EFFECT,
                (Wrong::More(..), Told::Paid(_)) => ONCE,
                (Wrong::Undone, Told::Paid(_) | Told::Again(_)) => STAYS,
                _ => advice,
            };
            if wrong == Wrong::Missing {
                self.missing.push((order.no.clone(), at, row.clone()));
            }
            row.add(Verdict::Wrong, &format!("{wrong} {advice}"));
        }
        Ok(())
    }

    /// What was missing may have come by now: then it was late, and not forgotten.
    pub(super) async fn late_deliveries(&mut self) -> anyhow::Result<()> {
        let Some(delivered) = &self.check.delivered else {
            return Ok(());
        };
        for (order_no, at, before) in std::mem::take(&mut self.missing) {
            if !self.ledger.came(delivered, &order_no).await? {
                continue;
            }
            if let Some(row) = self.rows.get_mut(at) {
                *row = before;
                let verdict = if row.verdict == Verdict::Wrong {
                    Verdict::Wrong
                } else {
                    Verdict::Note
                };
                let late = format!(
                    "The order was delivered, but more than {} s later.",
                    DELIVERY.as_secs()
                );
                row.add(verdict, &late);
            }
        }
        Ok(())
    }
}

/// An order that nobody placed.
pub(super) fn made_up(prefix: &str, digits: usize) -> Order {
    let id = keys::random_hex(32);
    Order {
        no: format!("{prefix}{}", id[..digits].to_uppercase()),
        fen: 100,
        id,
    }
}
