//! Breakers' turns on their way to the record: one at a time and in the order in which they turned, so that the last one on
//! record of a breaker is what it is.

use domain::TradeEvent;
use parking_lot::Mutex;

/// What waits, and whether somebody is writing.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<(Vec<TradeEvent>, bool)>);

impl Turns {
    /// Takes its place. Called while the breaker is locked, else another turn of it could come before.
    pub(super) fn add(&self, turn: TradeEvent) {
        self.0.lock().0.push(turn);
    }

    /// Whether whoever asks is the one to write what waits; it does until [`Turns::next`] has no more.
    pub(super) fn begin(&self) -> bool {
        let (waiting, writing) = &mut *self.0.lock();
        let begins = !*writing && !waiting.is_empty();
        *writing |= begins;
        begins
    }

    /// What is to be written next.
    pub(super) fn next(&self) -> Option<Vec<TradeEvent>> {
        let (waiting, writing) = &mut *self.0.lock();
        *writing = !waiting.is_empty();
        writing.then(|| std::mem::take(waiting))
    }
}
