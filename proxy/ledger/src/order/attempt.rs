//! One try to place an order at a channel.

use domain::*;
use std::sync::Arc;

/// One try to place an order at a channel.
#[derive(Clone, Debug, PartialEq)]
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
    pub appid: Option<AppNo>,
    /// The bank that the payer is led to, where the order names one.
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
    pub payer: Option<PayerToken>,
    /// The sub-merchant's own app, where the order names one.
    pub sub_appid: Option<AppNo>,
    /// Terminal, where the order names one.
    pub terminal: Option<TerminalNo>,
    /// What that terminal was matched against when the attempt was intended: what a repeat tells the channel again.
    pub terminal_match: Option<Arc<TerminalMatch>>,
    /// State.
    pub state: AttemptState,
    /// How the payer reaches it, and since when.
    pub reach: Option<(Reach, Instant)>,
    /// The channel's statement of the payment, and how we know.
    pub paid: Option<(PaidFacts, Proof)>,
    /// A try of its payer's was refused on the payer's side while it was open.
    pub declined: bool,
    /// Why it is unknown.
    pub unclear: Option<Unclear>,
    /// Why it was not placed.
    pub not_placed: Option<(NotPlaced, Option<Arc<str>>)>,
    /// A close is under way or was refused.
    pub closing: Option<Closing>,
    /// A reverse is under way, was refused, or is done. Few have one, and each live order would have its room.
    pub reversing: Option<Box<Reversing>>,
    /// Sealed buyer data of the payment, for the merchant's notification.
    pub paid_seal: Option<SealRef>,
    /// The orders that are paid together with this one, and it.
    pub combined: Option<Combined>,
    /// The time that belongs to its number, where the merchant's own SDK chose it (UnionPay).
    pub named: Option<Instant>,
}

impl Attempt {
    /// The time by which the channel knows it: where we compose, that of its intent.
    pub fn begun(&self) -> Instant {
        self.named.unwrap_or(self.at)
    }
}

/// How far a close has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Closing {
    /// Why.
    pub reason: CloseReason,
    /// The channel's refusal, if it refused.
    pub refused: Option<Arc<str>>,
    /// True while nobody knows.
    pub unknown: bool,
    /// It was looked for when its channel could take no payment any more ([`Attempt::was_left`]).
    pub looked: bool,
}

/// How far a reverse has come.
#[derive(Clone, Debug, PartialEq)]
pub struct Reversing {
    /// Why.
    pub reason: ReverseReason,
    /// When it was last intended.
    pub at: Instant,
    /// The channel's refusal, if it refused.
    pub refused: Option<Arc<str>>,
    /// True while nobody knows.
    pub unknown: bool,
    /// Once done: whether money went back, where the channel tells.
    pub refunded: Option<bool>,
    /// Once done: when that was put on record.
    pub done: Option<Instant>,
    /// The number and time by which the channel knows it, where the merchant's own SDK chose them (UnionPay).
    pub named: Option<(ChannelNo, Instant)>,
    /// Once done and nothing found: what might have come late was looked for.
    pub looked: bool,
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

    /// The merchant closed or undid it, or has begun to, and the channel did not refuse: it is over unless the merchant itself
    /// begins anew.
    pub fn ended_by_merchant(&self) -> bool {
        let closed = |c: &Closing| c.reason == CloseReason::Merchant && c.refused.is_none();
        let undone = |r: &Reversing| r.reason == ReverseReason::Merchant && r.refused.is_none();
        self.closing.as_ref().is_some_and(closed) || self.reversing.as_deref().is_some_and(undone)
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
    /// at its channel; WeChat tells nobody of it (channels.md 1.12), and the others' notices are not relied on. True until it was
    /// looked for then, whatever happens to us meanwhile. What a merchant's own SDK charges, that SDK ends: it may use the
    /// number again.
    //= C60
    pub fn may_come_late(&self) -> bool {
        let found_nothing = |r: &Reversing| r.refunded == Some(false) && !r.looked;
        self.state == AttemptState::Reversed
            && self.reversing.as_deref().is_some_and(found_nothing)
            && self.pay_way.charges()
            && self.carried == Carried::Unified
            && self.keys == Keys::Held
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

    pub(super) fn begin(index: u64, at: Instant, event: &TradeEvent) -> Option<Attempt> {
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
            sub_appid,
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
            sub_appid: sub_appid.clone(),
            terminal: terminal.clone(),
            terminal_match: terminal_match.clone(),
            state: AttemptState::Intended,
            reach: None,
            paid: None,
            declined: false,
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
