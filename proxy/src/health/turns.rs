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

    /// For whoever is to write what waits; nobody, where somebody writes already or nothing waits.
    pub(super) fn begin(&self) -> Option<Writer<'_>> {
        let (waiting, writing) = &mut *self.0.lock();
        let begins = !*writing && !waiting.is_empty();
        *writing |= begins;
        // Not made where it does not begin: its end would be another one's.
        begins.then(|| Writer {
            turns: self,
            ended: false,
        })
    }
}

/// Writes until [`Writer::next`] has no more. However it ends, a panic too, the next one may begin.
pub(super) struct Writer<'a> {
    turns: &'a Turns,
    ended: bool,
}

impl Writer<'_> {
    /// What is to be written next.
    pub(super) fn next(&mut self) -> Option<Vec<TradeEvent>> {
        let (waiting, writing) = &mut *self.turns.0.lock();
        *writing = !waiting.is_empty();
        self.ended = !*writing; // from here on another one may write
        writing.then(|| std::mem::take(waiting))
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.turns.0.lock().1 = false;
        }
    }
}
