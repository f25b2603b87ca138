//! An order as a fold over its journal entries: one truth, nothing to disagree with it.
//!
//! [`Order::check`] says which event may follow; [`Order::apply`] makes it so. The ledger checks under its lock,
//! so a notice and a query that race change nothing twice.

mod apply;
mod attempt;
mod check;

pub use attempt::{Attempt, Closing, Reversing};

use domain::*;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Our number of an order: SHA-256 over merchant and order number, cut to 128 bits.
pub fn payment_id(merchant: &MerchantId, order_no: &OrderNo) -> PaymentId {
    let hash = Sha256::new()
        .chain_update(b"guandao-order\0")
        .chain_update(merchant.as_str())
        .chain_update(b"\0")
        .chain_update(order_no.as_str())
        .finalize();
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    PaymentId::from_bytes(id)
}

/// One order of one merchant.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Our number.
    pub id: PaymentId,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's number.
    pub order_no: OrderNo,
    /// The code by which a payer last opened it.
    pub by_code: Option<CodeId>,
    /// Index of its latest journal entry.
    pub last: u64,
    /// Tries to place it, in order; never empty.
    pub attempts: Vec<Attempt>,
    /// Refunds, in order of request.
    pub refunds: Vec<Refund>,
    /// What answers stated that does not fit, each once: by our number that was asked about.
    pub mismatched: Vec<(ChannelNo, Mismatch)>,
}

/// One refund.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// The merchant's number.
    pub refund_no: RefundNo,
    /// Number at the channel.
    pub number: ChannelNo,
    /// Fen.
    pub amount: Amount,
    /// Position of the paid attempt, from 1.
    pub attempt: u16,
    /// Why.
    pub cause: RefundCause,
    /// State.
    pub state: RefundState,
    /// When it was asked for.
    pub at: Instant,
    /// When it was last about to be sent as a new one.
    pub intended: Instant,
    /// How often that was; 0 while it is held.
    pub tries: u16,
    /// The channel's number.
    pub trade_no: Option<TradeNo>,
    /// When the money was back.
    pub refunded_at: Option<Instant>,
    /// When it was done: by the channel's clock where that tells, else when that came on record.
    pub done: Option<Instant>,
    /// The channel's refusal.
    pub code: Option<Arc<str>>,
    /// The time that belongs to its number, where the merchant's own SDK chose it (UnionPay).
    pub named: Option<Instant>,
}

impl Refund {
    /// The time by which the channel knows it: where we compose, that of its latest intent.
    pub fn begun(&self) -> Instant {
        self.named.unwrap_or(self.intended)
    }

    /// Whether it was asked for with the word that it is to wait; `None` where it was sent more than once since.
    pub fn was_held(&self) -> Option<bool> {
        match (self.state, self.tries) {
            (RefundState::Held | RefundState::Cancelled, _) => Some(true),
            (_, 1) => Some(self.intended > self.at),
            _ => None,
        }
    }

    /// When the books count it: when it was done; before that, when it was last about to be sent.
    pub fn counted(&self) -> Instant {
        self.done.unwrap_or(self.intended)
    }
}

/// The state that a merchant sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderState {
    /// On record, outcome not known yet.
    Unknown,
    /// At the channel, waiting for the payer.
    AwaitingPayment,
    /// A reverse is on record, and the channel has not said what came of it.
    Reversing,
    /// Paid.
    Paid,
    /// Paid, and part of it went back.
    PartlyRefunded,
    /// Paid, and all of it went back.
    Refunded,
    /// Closed unpaid.
    Closed,
    /// A payment-code order, or a payment at UnionPay, undone at the channel: nobody is charged for it any more.
    Reversed,
    /// The channel surely does not have it; the same number may be sent again.
    NotPlaced,
    /// Nobody told us and nobody here can ask; the channel's expiry is over.
    Unresolved,
}

/// An event that cannot follow. Whoever sees this looks at the order again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{event} cannot follow here: {why}")]
pub struct Illegal {
    /// Name of the event.
    pub event: &'static str,
    /// Why not.
    pub why: &'static str,
}

impl Order {
    /// Begins an order with its first intent. `None` for any other event.
    pub fn begin(index: u64, entry: &TradeEntry) -> Option<Order> {
        let TradeEvent::AttemptIntended {
            order_no, attempt: 1, ..
        } = &entry.event
        else {
            return None;
        };
        let merchant = entry.merchant.clone()?;
        let mut order = Order {
            id: entry.order?,
            merchant,
            order_no: order_no.clone(),
            by_code: None,
            last: index,
            attempts: Vec::with_capacity(1),
            refunds: Vec::new(),
            mismatched: Vec::new(),
        };
        order.apply(index, entry.at, &entry.event);
        Some(order)
    }

    /// The latest attempt.
    pub fn latest(&self) -> &Attempt {
        self.attempts.last().expect("an order begins with an attempt")
    }

    /// An attempt by its position from 1.
    pub fn attempt(&self, position: u16) -> Option<&Attempt> {
        self.attempts.get(usize::from(position).checked_sub(1)?)
    }

    /// The attempt that carries this number at this account of a channel, with its position from 1. Two channels may
    /// know the same number; the latest wins within one.
    pub fn attempt_by_number(
        &self,
        channel: Channel,
        account: &AccountNo,
        number: &ChannelNo,
    ) -> Option<(u16, &Attempt)> {
        let fits = |a: &Attempt| a.number == *number && a.channel == channel && a.account == *account;
        self.attempts
            .iter()
            .enumerate()
            .rev()
            .find(|(_, a)| fits(a))
            .map(|(i, a)| (i as u16 + 1, a))
    }

    /// The attempt that the channel knows by this number of its own, with its position from 1.
    pub fn attempt_by_trade_no(
        &self,
        channel: Channel,
        account: &AccountNo,
        trade_no: &TradeNo,
    ) -> Option<(u16, &Attempt)> {
        let fits =
            |a: &Attempt| a.trade_no() == Some(trade_no) && a.channel == channel && a.account == *account;
        self.attempts
            .iter()
            .enumerate()
            .rev()
            .find(|(_, a)| fits(a))
            .map(|(i, a)| (i as u16 + 1, a))
    }

    /// A refund by the merchant's number.
    pub fn refund(&self, refund_no: &RefundNo) -> Option<&Refund> {
        self.refunds.iter().find(|r| r.refund_no == *refund_no)
    }

    /// The winning payment: of all paid attempts that stand the one paid first, ties by position.
    pub fn winner(&self) -> Option<(u16, &Attempt)> {
        let standing = self.attempts.iter().enumerate().filter(|(_, a)| a.stands());
        let paid = standing.filter_map(|(i, a)| Some((a.paid.as_ref()?.0.paid_at, i as u16 + 1, a)));
        paid.min_by_key(|(at, position, _)| (*at, *position))
            .map(|(_, position, a)| (position, a))
    }

    /// True where the end of this attempt is the order's: no other payment stands, and no later attempt goes on.
    pub fn ends_with(&self, attempt: u16) -> bool {
        match self.winner() {
            Some((winner, _)) => winner == attempt,
            None => usize::from(attempt) == self.attempts.len() || !self.latest().counts(),
        }
    }

    /// Paid attempts that lost, of which something is not yet on its way back. Where the merchant alone holds the key, only the
    /// merchant can send them back.
    pub fn surplus(&self) -> Vec<u16> {
        let Some((winner, _)) = self.winner() else {
            return Vec::new();
        };
        let positions = (1..=self.attempts.len() as u16).filter(|p| *p != winner);
        let paid = positions.filter(|p| {
            self.attempt(*p)
                .is_some_and(|a| a.paid.is_some() && a.stands() && a.keys == Keys::Held)
        });
        paid.filter(|p| !self.stays(*p).is_zero()).collect()
    }

    /// Fen of a paid attempt that no refund holds or has returned. The merchant may have refunded a part of what lost
    /// only later, when an earlier payment became known.
    pub fn stays(&self, attempt: u16) -> Amount {
        let paid = self.attempt(attempt).and_then(|a| a.paid.as_ref());
        paid.and_then(|(facts, _)| facts.amount.checked_sub(self.reserved(attempt)))
            .unwrap_or(Amount::ZERO)
    }

    /// The number under which what stays of a lost attempt goes back: that of the refund that was refused, else a new one.
    pub fn surplus_no(&self, attempt: u16) -> Option<RefundNo> {
        let first = format!("{}{attempt}", RefundNo::SURPLUS);
        let later = (2..=u16::MAX).map(|n| format!("{first}-{n}"));
        let numbers = std::iter::once(first.clone()).chain(later);
        let takes = |no: &RefundNo| {
            self.refund(no)
                .is_none_or(|r| r.state == RefundState::Failed && r.amount == self.stays(attempt))
        };
        numbers.map_while(|no| RefundNo::new(no).ok()).find(takes)
    }

    /// Fen of this attempt that refunds hold or have returned.
    pub fn reserved(&self, attempt: u16) -> Amount {
        let held = self
            .refunds
            .iter()
            .filter(|r| r.attempt == attempt && r.state.reserves());
        held.fold(Amount::ZERO, |sum, r| {
            sum.checked_add(r.amount).unwrap_or(Amount::MAX)
        })
    }

    /// Fen that are back with the payer of the winning payment.
    pub fn refunded(&self) -> Amount {
        self.winner()
            .map_or(Amount::ZERO, |(winner, _)| self.back(winner))
    }

    /// Fen of this attempt that refunds have returned.
    fn back(&self, attempt: u16) -> Amount {
        let done = self
            .refunds
            .iter()
            .filter(|r| r.attempt == attempt && r.state == RefundState::Succeeded);
        done.fold(Amount::ZERO, |sum, r| {
            sum.checked_add(r.amount).unwrap_or(Amount::MAX)
        })
    }

    /// Paid attempts by which the order does not stand, and what of each is back with its payer: one too many that was refunded, or
    /// one that was taken back. What of it is not back yet goes back.
    pub fn beside_the_winner(&self) -> impl Iterator<Item = (&Attempt, Amount)> {
        let winner = self.winner().map(|(position, _)| position);
        let others = (1..)
            .zip(&self.attempts)
            .filter(move |(position, _)| Some(*position) != winner);
        others.filter_map(|(position, attempt)| {
            let (facts, _) = attempt.paid.as_ref()?;
            let back = match attempt.state {
                AttemptState::Reversed => facts.amount,
                _ => self.back(position),
            };
            // Whether it stands nobody knows, or it is the merchant's to send back.
            let open = attempt.state == AttemptState::Unresolved || attempt.keys == Keys::Merchant;
            (!back.is_zero() || !open).then_some((attempt, back))
        })
    }

    /// What the merchant sees.
    pub fn state(&self) -> OrderState {
        if self.latest().is_reversing() && self.winner().is_none() {
            return OrderState::Reversing;
        }
        if let Some((_, paid)) = self.winner() {
            let back = self.refunded();
            return match () {
                () if back.is_zero() => OrderState::Paid,
                () if back < paid.amount => OrderState::PartlyRefunded,
                () => OrderState::Refunded,
            };
        }
        match self.latest().state {
            AttemptState::Intended | AttemptState::Unknown => OrderState::Unknown,
            AttemptState::Placed => OrderState::AwaitingPayment,
            AttemptState::Paid => OrderState::Paid,
            AttemptState::Closed => OrderState::Closed,
            AttemptState::Reversed => OrderState::Reversed,
            AttemptState::NotPlaced => OrderState::NotPlaced,
            AttemptState::Unresolved => OrderState::Unresolved,
        }
    }

    /// True while the channel may still change something that we would have to learn.
    pub fn is_live(&self) -> bool {
        self.attempts
            .iter()
            .any(|a| !a.state.is_final() || a.is_reversing() || a.may_come_late() || a.was_left())
            || self.refunds.iter().any(|r| !r.state.is_final())
            || !self.surplus().is_empty()
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
