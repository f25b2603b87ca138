//! What the watch remembers of orders, so that a payment or refund is related to what began it.

use super::{clock::Clock, parameters::OrderParameters};
use domain::{Amount, Channel, CodeLevel, Instant, PayerToken, PaymentId, RefundNo, ReverseReason};
use std::collections::{HashMap, VecDeque};

/// One order. No account, number or text: only what a rule asks for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    /// True if its first entry was seen; else it was forgotten once and may lack trades and refunds.
    pub(super) whole: bool,
    pub(super) attempts: Vec<Attempt>,
    pub(super) refunds: Vec<Refund>,
    /// T15a said what it has to say of this order.
    pub(super) flagged: bool,
    touched: Instant,
}

/// One attempt.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) no: u16,
    /// What it was sent as, as far as that entry was seen.
    pub(super) intended: Option<Intended>,
    pub(super) paid: Option<Paid>,
    /// A reverse that was not refused: under it no payment stands.
    pub(super) reversing: Option<Reverse>,
    /// T15d counted this attempt's pair.
    pub(super) paired: bool,
}

/// An attempt as it was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Intended {
    pub(super) at: Instant,
    pub(super) amount: Amount,
    pub(super) channel: Channel,
    pub(super) level: CodeLevel,
    pub(super) payer: Option<PayerToken>,
}

/// A payment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paid {
    pub(super) index: u64,
    pub(super) at: Instant,
    pub(super) amount: Amount,
    /// Told by the channel, or known from the order.
    pub(super) payer: Option<PayerToken>,
    /// The rules over payments count it.
    pub(super) counted: bool,
}

/// A reverse, as it was last asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reverse {
    pub(super) at: Instant,
    pub(super) reason: ReverseReason,
}

/// One refund.
#[derive(Clone, Debug)]
pub(super) struct Refund {
    pub(super) no: RefundNo,
    pub(super) attempt: u16,
    pub(super) amount: Amount,
    pub(super) asked_at: Instant,
    pub(super) index: u64,
    /// We ordered it ourselves, because two attempts were paid.
    pub(super) surplus: bool,
    /// Its money is gone or may be.
    pub(super) counts: bool,
    /// The channel took it on.
    pub(super) taken: bool,
}

impl Order {
    pub(super) fn attempt(&mut self, no: u16) -> &mut Attempt {
        if let Some(place) = self.attempts.iter().position(|attempt| attempt.no == no) {
            return &mut self.attempts[place];
        }
        let place = self.attempts.len();
        self.attempts.push(Attempt {
            no,
            intended: None,
            paid: None,
            reversing: None,
            paired: false,
        });
        &mut self.attempts[place]
    }

    pub(super) fn refund(&mut self, no: &RefundNo) -> Option<&mut Refund> {
        self.refunds.iter_mut().find(|refund| refund.no == *no)
    }

    /// Takes a refund that is about to be sent; sent again after a failure it is the same refund.
    pub(super) fn begin_refund(&mut self, refund: Refund) {
        match self.refund(&refund.no) {
            Some(known) => *known = refund,
            None => self.refunds.push(refund),
        }
    }

    /// Refunds of an attempt whose money is gone or may be.
    pub(super) fn refunds_of(&self, attempt: u16) -> impl Iterator<Item = &Refund> {
        self.refunds
            .iter()
            .filter(move |refund| refund.attempt == attempt && refund.counts)
    }
}

/// Orders by number; the longest untouched are forgotten first.
#[derive(Clone, Debug, Default)]
pub(super) struct Orders {
    by_id: HashMap<PaymentId, Order>,
    /// One row per order, with the touch it had when the row was made.
    queue: VecDeque<(Instant, PaymentId)>,
}

impl Orders {
    /// The order of an entry, remembered from here on. `first` where the entry is the first of its order.
    pub(super) fn touch(&mut self, id: PaymentId, now: Instant, first: bool) -> &mut Order {
        let queue = &mut self.queue;
        let order = self.by_id.entry(id).or_insert_with(|| {
            queue.push_back((now, id));
            Order {
                whole: first,
                attempts: Vec::new(),
                refunds: Vec::new(),
                flagged: false,
                touched: now,
            }
        });
        order.touched = order.touched.max(now);
        order
    }

    /// Keeps within the bounds.
    pub(super) fn forget(&mut self, clock: &Clock, bounds: &OrderParameters) {
        let oldest = clock.sure().plus_millis(-i64::from(bounds.days) * 86_400_000);
        while let Some((queued, id)) = self.queue.front().copied() {
            let crowded = self.by_id.len() as u64 > bounds.most;
            let ahead = clock.is_ahead(queued, 0);
            if queued >= oldest && !crowded && !ahead {
                return;
            }
            self.queue.pop_front();
            if let Some(order) = self.by_id.get_mut(&id).filter(|_| ahead) {
                order.touched = clock.sure();
                self.queue.push_back((clock.sure(), id));
                continue;
            }
            match self.by_id.get(&id).map(|order| order.touched) {
                // Touched since: it goes to the end of the queue, once per touch at most.
                Some(touched) if touched > queued => self.queue.push_back((touched, id)),
                _ => drop(self.by_id.remove(&id)),
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }
}
