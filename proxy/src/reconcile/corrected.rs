//! What a channel corrected afterwards: UnionPay's file of exceptions (ZME, channels.md 4.5), beside its file of all
//! transactions. No document that we have names its fields; the first nine are as wide as those of ZM and are taken for the
//! same [unverified]. A correction that has the trace number, the time and the amount of a transaction in ZM is of that one;
//! whatever it is, our record has nothing of it, and people look at it.

use channel::bill::{self, Bill, BillError, Exception, Layout};
use domain::{Amount, BillLine};
use std::collections::HashMap;

/// Corrections that no transaction has taken yet.
#[derive(Default)]
pub(super) struct Corrected(HashMap<Exception, u64>);

impl Corrected {
    /// Of a file as it came.
    pub(super) fn read(layout: Layout, octets: &[u8]) -> Result<Corrected, BillError> {
        let mut all = HashMap::new();
        bill::exceptions(layout, octets, |exception| {
            *all.entry(exception).or_insert(0) += 1;
        })?;
        Ok(Corrected(all))
    }

    /// Was the transaction that the bill has just shown corrected? It takes one correction.
    pub(super) fn took(&mut self, bill: &Bill<'_>, line: &BillLine) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(count) = bill
            .trace()
            .and_then(|(trace, time)| {
                let own = Exception {
                    trace: trace.into(),
                    time: time.into(),
                    amount: line.amount,
                };
                self.0.get_mut(&own)
            })
            .filter(|count| **count > 0)
        else {
            return false;
        };
        *count -= 1;
        true
    }

    /// What no transaction took, in a fixed order.
    pub(super) fn rest(self) -> Vec<Amount> {
        let mut all: Vec<(Exception, u64)> = self.0.into_iter().filter(|(_, count)| *count > 0).collect();
        all.sort_unstable_by(|(a, _), (b, _)| {
            (&a.time, &a.trace, a.amount).cmp(&(&b.time, &b.trace, b.amount))
        });
        all.into_iter()
            .flat_map(|(one, count)| std::iter::repeat_n(one.amount, count as usize))
            .collect()
    }
}
