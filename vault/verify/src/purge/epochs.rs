//! Token epochs: after an epoch's key dies, its tokens link to nothing new.

use super::Seen;
use crate::finding::Report;
use domain::{Day, Instant, TradeEvent};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

/// Every token epoch so far.
#[derive(Debug, Default)]
pub(super) struct Epochs {
    epochs: BTreeMap<u32, Epoch>,
    last_at: Instant,
}

#[derive(Debug)]
struct Epoch {
    from: Day,
    until: Day,
    grade: Arc<str>,
    tokens: u64,
    destroyed: Option<(u64, Instant)>,
}

impl Epochs {
    pub(super) fn see(&mut self, seen: Seen, report: &mut Report) {
        self.last_at = self.last_at.max(seen.at());
        match &seen.entry.event {
            TradeEvent::EpochOpened {
                epoch,
                from,
                grade,
                until,
            } => {
                let (from, until, grade) = (*from, *until, grade.clone());
                let opened = Epoch {
                    from,
                    until,
                    grade,
                    tokens: 0,
                    destroyed: None,
                };
                if self.epochs.insert(*epoch, opened).is_some() {
                    seen.find(report, format!("token epoch {epoch} was opened before"));
                }
            }
            TradeEvent::EpochDestroyed { epoch } => self.destroy(seen, *epoch, report),
            _ => {}
        }
        if let Some(payer) = seen.payer() {
            self.token(seen, payer.epoch, report);
        }
    }

    fn destroy(&mut self, seen: Seen, number: u32, report: &mut Report) {
        match self.epochs.get_mut(&number) {
            None => seen.find(
                report,
                format!("token epoch {number} is destroyed but was never opened"),
            ),
            Some(Epoch {
                destroyed: Some((index, _)),
                ..
            }) => {
                seen.find(
                    report,
                    format!("token epoch {number} was destroyed before, at index {index}"),
                );
            }
            Some(epoch) => epoch.destroyed = Some((seen.index, seen.at())),
        }
    }

    fn token(&mut self, seen: Seen, number: u32, report: &mut Report) {
        let Some(epoch) = self.epochs.get_mut(&number) else {
            return seen.find(
                report,
                format!("a payer token of epoch {number}, which was never opened"),
            );
        };
        epoch.tokens += 1;
        if let Some((index, _)) = epoch.destroyed {
            seen.find(
                report,
                format!("a payer token of epoch {number}, whose key was destroyed at index {index}"),
            );
        }
    }

    /// Tells what became of each epoch.
    pub(super) fn conclude(&self, report: &mut Report) {
        let mut told = Vec::new();
        for (number, epoch) in &self.epochs {
            let fate = epoch.fate(self.last_at);
            let Epoch {
                from,
                until,
                grade,
                tokens,
                ..
            } = epoch;
            report.line(format!(
                "epoch {number}: {from} to {until}, root of grade {grade}, {tokens} tokens, {fate}"
            ));
            told.push(json!({
                "epoch": number, "from": from.to_string(), "until": until.to_string(), "grade": grade,
                "tokens": tokens, "fate": fate,
            }));
        }
        report.fact("epochs", told);
    }
}

impl Epoch {
    /// How long an ended epoch's key may be kept is a setting that stands in no entry, so it is told, not judged.
    fn fate(&self, now: Instant) -> String {
        match self.destroyed {
            Some((index, at)) => format!("destroyed at index {index}, {at}"),
            None if now.day() > self.until => format!("over since {}, its key not destroyed yet", self.until),
            None => "alive".to_owned(),
        }
    }
}
