//! An order as a fold over its journal entries: one truth, nothing to disagree with it.
//!
//! [`Order::check`] says which event may follow; [`Order::apply`] makes it so. The ledger checks under its lock,
//! so a notice and a query that race change nothing twice.

use domain::*;
use serde::{Deserialize, Serialize};
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Our number.
    pub id: PaymentId,
    /// Whose.
    pub merchant: MerchantId,
    /// The merchant's number.
    pub order_no: OrderNo,
    /// The code by which a payer last opened it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub by_code: Option<CodeId>,
    /// Index of its latest journal entry.
    pub last: u64,
    /// Tries to place it, in order; never empty.
    #[serde(deserialize_with = "mostly_one")]
    pub attempts: Vec<Attempt>,
    /// Refunds, in order of request.
    pub refunds: Vec<Refund>,
}

/// Room for one: nearly every order has one attempt, and serde would make room for four.
fn mostly_one<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<Attempt>, D::Error> {
    struct List;
    impl<'de> serde::de::Visitor<'de> for List {
        type Value = Vec<Attempt>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a list of attempts")
        }

        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Attempt>, A::Error> {
            let mut all = Vec::with_capacity(1);
            while let Some(attempt) = items.next_element()? {
                all.push(attempt);
            }
            Ok(all)
        }
    }
    from.deserialize_seq(List)
}

/// One try to place an order at a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// Index of its intent in the journal.
    pub index: u64,
    /// When it was intended.
    pub at: Instant,
    /// Account at the channel.
    pub account: AccountNo,
    /// Fen.
    pub amount: Amount,
    /// The app or mini program, where it is not the account's first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub appid: Option<AppNo>,
    /// The bank that the payer is led to, where the order names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bank: Option<BankNo>,
    /// Who composed the bytes.
    pub carried: Carried,
    /// Channel.
    pub channel: Channel,
    /// Payment code kind and level.
    pub code: Code,
    /// Keyed digest of facts and payer token.
    pub content: KeyedDigest,
    /// When it ends at the channel.
    pub expires: Instant,
    /// Who can ask the channel.
    pub keys: Keys,
    /// Number at the channel.
    pub number: ChannelNo,
    /// Way to pay.
    pub pay_way: PayWay,
    /// Who is paid.
    pub payee: PayeeNo,
    /// The payer's pseudonym, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<PayerToken>,
    /// Terminal, where the order names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalNo>,
    /// What that terminal was matched against when the attempt was intended: what a repeat tells the channel again.
    pub terminal_match: Option<Arc<TerminalMatch>>,
    /// State.
    pub state: AttemptState,
    /// How the payer reaches it, and since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reach: Option<(Reach, Instant)>,
    /// The channel's statement of the payment, and how we know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid: Option<(PaidFacts, Proof)>,
    /// Why it is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclear: Option<Unclear>,
    /// Why it was not placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_placed: Option<(NotPlaced, Option<Arc<str>>)>,
    /// A close is under way or was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closing: Option<Closing>,
    /// A reverse is under way, was refused, or is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reversing: Option<Reversing>,
    /// Sealed buyer data of the payment, for the merchant's notification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_seal: Option<SealRef>,
    /// The orders that are paid together with this one, and it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub combined: Option<Combined>,
    /// The time that belongs to its number, where the merchant's own SDK chose it (UnionPay).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<Instant>,
}

impl Attempt {
    /// The time by which the channel knows it: where we compose, that of its intent.
    pub fn begun(&self) -> Instant {
        self.named.unwrap_or(self.at)
    }
}

/// How far a close has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Closing {
    /// Why.
    pub reason: CloseReason,
    /// The channel's refusal, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Arc<str>>,
    /// True while nobody knows.
    pub unknown: bool,
    /// It was looked for when its channel could take no payment any more ([`Attempt::was_left`]).
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub looked: bool,
}

/// How far a reverse has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reversing {
    /// Why.
    pub reason: ReverseReason,
    /// When it was last intended.
    pub at: Instant,
    /// The channel's refusal, if it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Arc<str>>,
    /// True while nobody knows.
    pub unknown: bool,
    /// Once done: whether money went back, where the channel tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded: Option<bool>,
    /// Once done: when that was put on record.
    #[serde(default)]
    pub done: Option<Instant>,
    /// The number and time by which the channel knows it, where the merchant's own SDK chose them (UnionPay).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub named: Option<(ChannelNo, Instant)>,
    /// Once done and nothing found: what might have come late was looked for.
    pub looked: bool,
}

/// One refund.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trade_no: Option<TradeNo>,
    /// When the money was back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded_at: Option<Instant>,
    /// The channel's refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Arc<str>>,
    /// The time that belongs to its number, where the merchant's own SDK chose it (UnionPay).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub named: Option<Instant>,
}

impl Refund {
    /// The time by which the channel knows it: where we compose, that of its latest intent.
    pub fn begun(&self) -> Instant {
        self.named.unwrap_or(self.intended)
    }
}

/// The state that a merchant sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
    /// Pass-through with the merchant's keys; the channel's expiry is over and nobody told us.
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

    /// Paid attempts that lost, not yet on their way back. Where the merchant alone holds the key, only the merchant can
    /// send them back.
    pub fn surplus(&self) -> Vec<u16> {
        let Some((winner, _)) = self.winner() else {
            return Vec::new();
        };
        let positions = (1..=self.attempts.len() as u16).filter(|p| *p != winner);
        let paid = positions.filter(|p| {
            self.attempt(*p)
                .is_some_and(|a| a.paid.is_some() && a.stands() && a.keys == Keys::Held)
        });
        paid.filter(|p| !self.refunds.iter().any(|r| r.attempt == *p && r.state.reserves()))
            .collect()
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
        let Some((winner, _)) = self.winner() else {
            return Amount::ZERO;
        };
        let done = self
            .refunds
            .iter()
            .filter(|r| r.attempt == winner && r.state == RefundState::Succeeded);
        done.fold(Amount::ZERO, |sum, r| {
            sum.checked_add(r.amount).unwrap_or(Amount::MAX)
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

    /// May this event follow?
    pub fn check(&self, event: &TradeEvent) -> Result<(), Illegal> {
        let ok = self.may_follow(event);
        ok.map_err(|why| Illegal {
            event: event.name(),
            why,
        })
    }

    fn may_follow(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use AttemptState as S;
        use TradeEvent as E;
        let attempt = |position: &u16| self.attempt(*position).ok_or("there is no such attempt");
        let within = |position: &u16, allowed: &[S]| {
            let found = attempt(position)?;
            if allowed.contains(&found.state) {
                Ok(())
            } else {
                Err("the attempt is in another state")
            }
        };
        match event {
            E::AttemptIntended {
                attempt: position, ..
            } => self.may_begin(*position),
            E::AttemptCombined { attempt, .. } | E::BankNamed { attempt, .. } => {
                within(attempt, &[S::Intended])
            }
            E::NamedAtChannel {
                refund_no: Some(no), ..
            } => match self.refund(no).map(|r| r.state) {
                Some(RefundState::Intended) => Ok(()),
                _ => Err("no such refund was just intended"),
            },
            E::NamedAtChannel { attempt, .. } => within(attempt, &[S::Intended]),
            E::ReverseNamed { attempt: a, .. } => {
                let found = attempt(a)?;
                let just = found
                    .reversing
                    .as_ref()
                    .is_some_and(|r| r.named.is_none() && !r.unknown);
                match found.is_reversing() && just {
                    true => Ok(()),
                    false => Err("no reverse was just intended"),
                }
            }
            E::AttemptPlaced { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            // A payment code's charge that was accepted may be refused all the same (channels.md 4.4).
            E::AttemptNotPlaced { attempt: a, .. } if attempt(a)?.pay_way.charges() => {
                within(a, &[S::Intended, S::Unknown, S::Placed])
            }
            E::AttemptNotPlaced { attempt, .. } => within(attempt, &[S::Intended, S::Unknown]),
            E::AttemptUnknown { attempt, .. } => within(attempt, &[S::Intended]),
            E::AttemptPaid { attempt, .. } => within(
                attempt,
                &[
                    S::Intended,
                    S::Unknown,
                    S::Placed,
                    S::Closed,
                    S::Reversed,
                    S::NotPlaced,
                    S::Unresolved,
                ],
            ),
            E::CloseIntended { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::CloseUnknown { attempt: a, .. } | E::CloseRefused { attempt: a, .. } => attempt(a)?
                .closing
                .as_ref()
                .map(|_| ())
                .ok_or("no close was intended"),
            E::AttemptClosed { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::ReverseIntended { .. }
            | E::ReverseUnknown { .. }
            | E::ReverseRefused { .. }
            | E::AttemptReversed { .. } => self.may_reverse(event),
            E::NothingCameLate { attempt: a } => {
                let found = attempt(a)?;
                match found.may_come_late() || found.was_left() {
                    true => Ok(()),
                    false => Err("nothing is looked for"),
                }
            }
            // A reverse that only the merchant could ask for leaves open whether the payment stands.
            E::AttemptUnresolved { attempt: a } if attempt(a)?.is_reversing() => {
                within(a, &[S::Intended, S::Unknown, S::Placed, S::Paid])
            }
            E::AttemptUnresolved { attempt, .. } => within(attempt, &[S::Intended, S::Unknown, S::Placed]),
            E::RefundHeld { .. }
            | E::RefundIntended { .. }
            | E::RefundCancelled { .. }
            | E::RefundUnknown { .. }
            | E::RefundProcessing { .. }
            | E::RefundSucceeded { .. }
            | E::RefundFailed { .. }
            | E::RefundAbnormal { .. }
            | E::RefundRedirected { .. }
            | E::RefundUnresolved { .. } => self.may_refund(event),
            E::PatternSeen { .. } | E::Mismatched { .. } | E::ByCode { .. } => Ok(()),
            _ => Err("it is no event of an order"),
        }
    }

    fn may_begin(&self, position: u16) -> Result<(), &'static str> {
        if usize::from(position) != self.attempts.len() + 1 {
            return Err("attempts are numbered without gaps");
        }
        let over = |a: &Attempt| {
            matches!(
                a.state,
                AttemptState::Closed | AttemptState::Reversed | AttemptState::NotPlaced
            )
        };
        match self.attempts.iter().all(over) {
            true => Ok(()),
            false => Err("an earlier attempt is neither closed nor known to be absent"),
        }
    }

    /// Only what charges when it is placed is reversed, what UnionPay took, and what a server placed at Alipay; what was paid
    /// only whole, never beside refunds.
    fn may_reverse(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use AttemptState as S;
        use TradeEvent as E;
        let (E::ReverseIntended {
            attempt: position, ..
        }
        | E::ReverseUnknown {
            attempt: position, ..
        }
        | E::ReverseRefused {
            attempt: position, ..
        }
        | E::AttemptReversed {
            attempt: position, ..
        }) = event
        else {
            return Err("it is no event of a reverse");
        };
        let attempt = self.attempt(*position).ok_or("there is no such attempt")?;
        let open = matches!(attempt.state, S::Intended | S::Unknown | S::Placed | S::Paid)
            // News of a reverse that nobody had told of in time.
            || attempt.state == S::Unresolved && matches!(event, E::AttemptReversed { .. });
        match event {
            _ if !attempt.may_be_reversed() => Err("its channel has no word that undoes it"),
            // A charge that came late and waits for its payer is undone like any other.
            E::ReverseIntended { .. } if attempt.may_come_late() => Ok(()),
            _ if !open => Err("the attempt is in another state"),
            E::ReverseIntended { .. } if !self.reserved(*position).is_zero() => {
                Err("refunds hold or have returned a part")
            }
            E::ReverseIntended { .. } if attempt.is_reversing() => Err("a reverse is under way"),
            // The channel's own word that it was reversed needs no intent of ours.
            E::ReverseIntended { .. } | E::AttemptReversed { .. } => Ok(()),
            _ if attempt.is_reversing() => Ok(()),
            _ => Err("no reverse was intended"),
        }
    }

    fn may_refund(&self, event: &TradeEvent) -> Result<(), &'static str> {
        use RefundState as S;
        use TradeEvent as E;
        let begun = |amount: &Amount, position: &u16, refund_no: &RefundNo, from: &[S]| {
            let standing = self.attempt(*position).filter(|a| a.stands());
            let paid = standing.and_then(|a| a.paid.as_ref()).ok_or("nothing was paid")?;
            let mut reserved = self.reserved(*position);
            if let Some(earlier) = self.refund(refund_no) {
                if !from.contains(&earlier.state) || earlier.amount != *amount || earlier.attempt != *position
                {
                    return Err("the refund number is taken");
                }
                if earlier.state.reserves() {
                    reserved = reserved.checked_sub(*amount).ok_or("refunds do not add up")?;
                }
            }
            match reserved.checked_add(*amount) {
                Some(total) if total <= paid.0.amount && !amount.is_zero() => Ok(()),
                _ => Err("refunds would exceed what was paid"),
            }
        };
        let within = |refund_no: &RefundNo, allowed: &[S]| match self.refund(refund_no) {
            Some(refund) if allowed.contains(&refund.state) => Ok(()),
            Some(_) => Err("the refund is in another state"),
            None => Err("there is no such refund"),
        };
        match event {
            E::RefundHeld {
                amount,
                attempt,
                refund_no,
                ..
            } => begun(amount, attempt, refund_no, &[]),
            E::RefundIntended {
                amount,
                attempt,
                refund_no,
                ..
            } => begun(amount, attempt, refund_no, &[S::Held, S::Failed]),
            E::RefundCancelled { refund_no } => within(refund_no, &[S::Held]),
            E::RefundUnknown { refund_no, .. } => within(refund_no, &[S::Intended]),
            E::RefundProcessing { refund_no, .. } => within(refund_no, &[S::Intended, S::Unknown]),
            // A fact is a fact, also after a refusal that was taken for the last word.
            E::RefundSucceeded { refund_no, .. } => within(
                refund_no,
                &[
                    S::Intended,
                    S::Unknown,
                    S::Processing,
                    S::Abnormal,
                    S::Failed,
                    S::Unresolved,
                ],
            ),
            E::RefundFailed { refund_no, .. } => within(
                refund_no,
                &[S::Intended, S::Unknown, S::Processing, S::Abnormal, S::Unresolved],
            ),
            E::RefundAbnormal { refund_no } => within(
                refund_no,
                &[S::Intended, S::Unknown, S::Processing, S::Unresolved],
            ),
            //= C78
            E::RefundRedirected { refund_no, .. } => within(refund_no, &[S::Abnormal]),
            E::RefundUnresolved { refund_no } => within(refund_no, &[S::Intended, S::Unknown, S::Processing]),
            _ => Err("it is no event of a refund"),
        }
    }

    /// Makes it so. The caller has checked; replay of a lawful journal always may.
    pub fn apply(&mut self, index: u64, at: Instant, event: &TradeEvent) {
        use TradeEvent as E;
        self.last = index;
        match event {
            E::AttemptIntended { .. } => self.attempts.extend(Attempt::begin(index, at, event)),
            E::NamedAtChannel {
                refund_no: Some(no),
                time,
                ..
            } => self.change_refund(no, |r| r.named = Some(*time)),
            E::NamedAtChannel { attempt, time, .. } => self.change(*attempt, |a| a.named = Some(*time)),
            E::BankNamed { attempt, bank } => self.change(*attempt, |a| a.bank = Some(bank.clone())),
            E::ReverseNamed {
                attempt,
                number,
                time,
                ..
            } => self.reverse_step(*attempt, |r| r.named = Some((number.clone(), *time))),
            E::AttemptCombined { attempt, with } => {
                self.change(*attempt, |a| a.combined = Some(with.clone()))
            }
            E::AttemptPlaced { attempt, reach } => self.change(*attempt, |a| {
                a.state = AttemptState::Placed;
                a.reach = reach.clone().map(|r| (r, at)).or(a.reach.take());
                a.unclear = None;
            }),
            E::AttemptNotPlaced {
                attempt,
                code,
                reason,
                ..
            } => self.change(*attempt, |a| {
                a.state = AttemptState::NotPlaced;
                a.not_placed = Some((*reason, code.clone()));
                a.reversing = None;
                a.unclear = None;
            }),
            E::AttemptUnknown { attempt, reason } => self.change(*attempt, |a| {
                a.state = AttemptState::Unknown;
                a.unclear = Some(*reason);
            }),
            E::AttemptPaid {
                attempt,
                facts,
                payer,
                proof,
                seal,
            } => self.change(*attempt, |a| {
                // A reverse that nobody told of is over; one under way goes on, and takes this payment back. So does one that
                // was done: it may have ended between a notice's reading and its record, and nobody undoes it then.
                if a.state == AttemptState::Unresolved {
                    a.reversing = None;
                }
                if let Some(again) = a.reversing.as_mut().filter(|_| a.state == AttemptState::Reversed) {
                    (again.done, again.refunded, again.looked) = (None, None, false);
                }
                a.state = AttemptState::Paid;
                a.paid = Some((facts.clone(), *proof));
                a.payer = payer.or(a.payer);
                a.paid_seal = *seal;
                a.closing = None;
                a.unclear = None;
            }),
            E::CloseIntended { attempt, reason } => self.change(*attempt, |a| {
                a.closing = Some(Closing {
                    reason: *reason,
                    refused: None,
                    unknown: false,
                    looked: false,
                });
            }),
            E::CloseUnknown { attempt, .. } => self.close_step(*attempt, |c| c.unknown = true),
            E::CloseRefused { attempt, code } => self.close_step(*attempt, |c| {
                c.refused = Some(code.clone());
                c.unknown = false;
            }),
            E::AttemptClosed { attempt, .. } => self.change(*attempt, |a| {
                a.state = AttemptState::Closed;
                a.reversing = None;
                a.unclear = None;
            }),
            E::ByCode { id, .. } => self.by_code = Some(id.clone()),
            E::AttemptUnresolved { attempt } => self.change(*attempt, |a| a.state = AttemptState::Unresolved),
            E::NothingCameLate { attempt } if self.attempt(*attempt).is_some_and(Attempt::was_left) => {
                self.close_step(*attempt, |c| c.looked = true)
            }
            E::ReverseIntended { .. }
            | E::ReverseUnknown { .. }
            | E::ReverseRefused { .. }
            | E::NothingCameLate { .. }
            | E::AttemptReversed { .. } => self.apply_reverse(at, event),
            _ => self.apply_refund(at, event),
        }
    }

    fn apply_reverse(&mut self, at: Instant, event: &TradeEvent) {
        use TradeEvent as E;
        match event {
            E::ReverseIntended { attempt, reason } => self.change(*attempt, |a| {
                if a.state == AttemptState::Reversed {
                    a.state = AttemptState::Unknown; // something came after all
                }
                a.reversing = Some(Reversing {
                    reason: *reason,
                    at,
                    refused: None,
                    unknown: false,
                    refunded: None,
                    done: None,
                    named: None,
                    looked: false,
                });
            }),
            E::ReverseUnknown { attempt, .. } => self.reverse_step(*attempt, |r| r.unknown = true),
            E::NothingCameLate { attempt } => self.reverse_step(*attempt, |r| r.looked = true),
            E::ReverseRefused { attempt, code } => self.reverse_step(*attempt, |r| {
                r.refused = Some(code.clone());
                r.unknown = false;
            }),
            E::AttemptReversed {
                attempt, refunded, ..
            } => {
                self.change(*attempt, |a| {
                    a.state = AttemptState::Reversed;
                    a.unclear = None;
                    a.reversing.get_or_insert(Reversing {
                        reason: ReverseReason::Unknown,
                        at,
                        refused: None,
                        unknown: false,
                        refunded: None,
                        done: None,
                        named: None,
                        looked: false,
                    });
                });
                self.reverse_step(*attempt, |r| {
                    r.unknown = false;
                    r.refused = None;
                    r.refunded = *refunded;
                    r.done = Some(at);
                });
            }
            _ => {}
        }
    }

    fn apply_refund(&mut self, at: Instant, event: &TradeEvent) {
        use RefundState as S;
        use TradeEvent as E;
        match event {
            E::RefundHeld {
                amount,
                attempt,
                number,
                refund_no,
            } => {
                self.put_refund(
                    at,
                    *amount,
                    *attempt,
                    RefundCause::Merchant,
                    number,
                    refund_no,
                    S::Held,
                );
            }
            E::RefundIntended {
                amount,
                attempt,
                cause,
                number,
                refund_no,
            } => {
                self.put_refund(at, *amount, *attempt, *cause, number, refund_no, S::Intended);
            }
            E::RefundCancelled { refund_no } => self.change_refund(refund_no, |r| r.state = S::Cancelled),
            E::RefundUnknown { refund_no, .. } => self.change_refund(refund_no, |r| r.state = S::Unknown),
            E::RefundProcessing { refund_no, trade_no } => self.change_refund(refund_no, |r| {
                r.state = S::Processing;
                r.trade_no = trade_no.clone().or(r.trade_no.take());
            }),
            E::RefundSucceeded {
                refund_no,
                refunded_at,
                trade_no,
                ..
            } => self.change_refund(refund_no, |r| {
                r.state = S::Succeeded;
                r.code = None;
                r.refunded_at = *refunded_at;
                r.trade_no = trade_no.clone().or(r.trade_no.take());
            }),
            E::RefundFailed { code, refund_no } => self.change_refund(refund_no, |r| {
                r.state = S::Failed;
                r.code = Some(code.clone());
            }),
            E::RefundAbnormal { refund_no } => self.change_refund(refund_no, |r| r.state = S::Abnormal),
            // Whether the channel has taken it on, a query tells; under the same number nothing is paid back twice.
            E::RefundRedirected { refund_no, .. } => self.change_refund(refund_no, |r| r.state = S::Unknown),
            E::RefundUnresolved { refund_no } => self.change_refund(refund_no, |r| r.state = S::Unresolved),
            _ => {}
        }
    }

    #[allow(clippy::too_many_arguments)] // the fields of one refund, named at the only two callers above
    fn put_refund(
        &mut self,
        at: Instant,
        amount: Amount,
        attempt: u16,
        cause: RefundCause,
        number: &ChannelNo,
        refund_no: &RefundNo,
        state: RefundState,
    ) {
        if let Some(earlier) = self.refunds.iter_mut().find(|r| r.refund_no == *refund_no) {
            earlier.state = state;
            earlier.code = None;
            earlier.intended = at;
            earlier.named = None;
            earlier.tries = earlier.tries.saturating_add(1);
            return;
        }
        self.refunds.push(Refund {
            refund_no: refund_no.clone(),
            number: number.clone(),
            amount,
            attempt,
            cause,
            state,
            at,
            intended: at,
            tries: u16::from(state == RefundState::Intended),
            trade_no: None,
            refunded_at: None,
            code: None,
            named: None,
        });
    }

    fn change(&mut self, position: u16, how: impl FnOnce(&mut Attempt)) {
        if let Some(found) = usize::from(position)
            .checked_sub(1)
            .and_then(|i| self.attempts.get_mut(i))
        {
            how(found);
        }
    }

    fn close_step(&mut self, position: u16, how: impl FnOnce(&mut Closing)) {
        self.change(position, |a| {
            if let Some(closing) = &mut a.closing {
                how(closing);
            }
        });
    }

    fn reverse_step(&mut self, position: u16, how: impl FnOnce(&mut Reversing)) {
        self.change(position, |a| {
            if let Some(reversing) = &mut a.reversing {
                how(reversing);
            }
        });
    }

    fn change_refund(&mut self, refund_no: &RefundNo, how: impl FnOnce(&mut Refund)) {
        if let Some(found) = self.refunds.iter_mut().find(|r| r.refund_no == *refund_no) {
            how(found);
        }
    }
}

impl Attempt {
    /// True while it counts in its day's totals: until it is surely not placed or closed unpaid.
    pub fn counts(&self) -> bool {
        !matches!(
            self.state,
            AttemptState::NotPlaced | AttemptState::Closed | AttemptState::Reversed
        )
    }

    /// True while a close is on record whose end nobody knows.
    pub fn is_closing(&self) -> bool {
        self.closing
            .as_ref()
            .is_some_and(|closing| closing.refused.is_none())
    }

    /// True while a reverse is on record whose end nobody knows, and somebody may still tell.
    pub fn is_reversing(&self) -> bool {
        !matches!(self.state, AttemptState::Reversed | AttemptState::Unresolved)
            && self.reversing.as_ref().is_some_and(|r| r.refused.is_none())
    }

    /// Is there a word at its channel that undoes it? For payment codes; at UnionPay for whatever was paid (消费撤销,
    /// channels.md 4.3); at Alipay for what a server places there.
    pub fn may_be_reversed(&self) -> bool {
        self.pay_way.charges()
            || self.channel == Channel::Unionpay && self.paid.is_some()
            || self.may_be_cancelled()
    }

    /// Alipay's `trade.cancel` closes what is unpaid and pays back what is paid, also of an order that charged nobody when it
    /// was placed (channels.md 3.1). What a browser or an app carries there is not cancelled: no document says that it is.
    pub fn may_be_cancelled(&self) -> bool {
        self.channel == Channel::Alipay && matches!(self.pay_way, PayWay::Qr | PayWay::Jsapi)
    }

    /// Is a payment of it to be judged as a payment code's? While its reverse is under way it does not stand, and after one it is
    /// taken back.
    pub fn is_undone_when_paid(&self) -> bool {
        self.pay_way.charges() || self.may_be_cancelled() && self.reversing.is_some()
    }

    /// A charging call that was slow rather than lost can still arrive after a reverse that found nothing, until the order ends
    /// at its channel; WeChat tells nobody of it (channels.md 1.12), and UnionPay's notice is not relied on. True until it was
    /// looked for then, whatever happens to us meanwhile. What a merchant's own SDK charges, that SDK ends: it may use the
    /// number again.
    //= C60
    pub fn may_come_late(&self) -> bool {
        let found_nothing = |r: &Reversing| r.refunded == Some(false) && !r.looked;
        self.state == AttemptState::Reversed
            && self.reversing.as_ref().is_some_and(found_nothing)
            && self.pay_way.charges()
            && self.carried == Carried::Unified
            && self.keys == Keys::Held
            && matches!(self.channel, Channel::Wechat | Channel::Unionpay)
    }

    /// Its payer said that it was not paid and went another way, and its bank may still take it. True until it was looked for
    /// when the bank could take nothing any more, whatever happens to us meanwhile.
    //= C89
    pub fn was_left(&self) -> bool {
        let left = |c: &Closing| c.reason == CloseReason::PayerLeft && !c.looked;
        self.state == AttemptState::Closed
            && self.closing.as_ref().is_some_and(left)
            && self.keys == Keys::Held
    }

    /// False for a payment that was taken back or may be: it is not to be relied on and not to be refunded.
    pub fn stands(&self) -> bool {
        !matches!(self.state, AttemptState::Reversed | AttemptState::Unresolved) && !self.is_reversing()
    }

    /// The channel's own number of it, once the channel has told one.
    pub fn trade_no(&self) -> Option<&TradeNo> {
        match (&self.paid, &self.reach) {
            (Some((facts, _)), _) => Some(&facts.trade_no),
            (None, Some((Reach::Cashier(no), _))) => Some(no),
            _ => None,
        }
    }

    fn begin(index: u64, at: Instant, event: &TradeEvent) -> Option<Attempt> {
        let TradeEvent::AttemptIntended {
            account,
            amount,
            appid,
            carried,
            channel,
            code,
            content,
            expires,
            keys,
            number,
            pay_way,
            payee,
            payer,
            terminal,
            terminal_match,
            ..
        } = event
        else {
            return None;
        };
        Some(Attempt {
            index,
            at,
            account: account.clone(),
            amount: *amount,
            appid: appid.clone(),
            bank: None,
            carried: *carried,
            channel: *channel,
            code: *code,
            content: *content,
            expires: *expires,
            keys: *keys,
            number: number.clone(),
            pay_way: *pay_way,
            payee: payee.clone(),
            payer: *payer,
            terminal: terminal.clone(),
            terminal_match: terminal_match.clone(),
            state: AttemptState::Intended,
            reach: None,
            paid: None,
            unclear: None,
            not_placed: None,
            closing: None,
            reversing: None,
            paid_seal: None,
            combined: None,
            named: None,
        })
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
