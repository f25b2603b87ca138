//! The fold: journal entries in, findings out.

mod events;
mod payments;

use super::{
    clock::Clock,
    finding::{Finding, Scope},
    on_record::Recorded,
    orders::Orders,
    parameters::Parameters,
    t01_same_amount::SameAmount,
    t04_under_limit::UnderLimit,
    t05_splitting::Splitting,
    t10_many_merchants::ManyMerchants,
    t15a_refund_beyond_trade::RefundBeyondTrade,
    t15d_pay_and_refund::PayAndRefund,
    t16_card_testing::CardTesting,
    t20_payee::Payees,
    t26_channel_hopping::ChannelHopping,
    t28_code_limit::CodeLimit,
};
use crate::registry::MerchantFacts;
use domain::{Instant, MerchantId, TradeEntry, TradeEvent};

/// All rules over one trades journal. Feed it every entry, in order, once; from the same entries, merchant facts
/// and parameters it gives the same findings. Memory is bounded: days and windows are forgotten as the journal's
/// clock goes on, orders by [`Parameters::orders`].
#[derive(Clone, Debug)]
pub struct Watch {
    parameters: Parameters,
    clock: Clock,
    orders: Orders,
    same_amount: SameAmount,
    under_limit: UnderLimit,
    splitting: Splitting,
    refund_beyond_trade: RefundBeyondTrade,
    pay_and_refund: PayAndRefund,
    payees: Payees,
    code_limit: CodeLimit,
    many_merchants: ManyMerchants,
    card_testing: CardTesting,
    channel_hopping: ChannelHopping,
    recorded: Recorded,
}

/// What all rules need of one entry.
#[derive(Clone, Copy)]
struct Seen<'a> {
    index: u64,
    at: Instant,
    merchant: &'a MerchantId,
    facts: Option<&'a MerchantFacts>,
    scope: &'a Scope,
}

impl Watch {
    /// A watch that has seen nothing.
    pub fn new(parameters: Parameters) -> Self {
        Watch {
            parameters,
            clock: Clock::default(),
            orders: Orders::default(),
            same_amount: SameAmount::default(),
            under_limit: UnderLimit::default(),
            splitting: Splitting::default(),
            refund_beyond_trade: RefundBeyondTrade::default(),
            pay_and_refund: PayAndRefund::default(),
            payees: Payees::default(),
            code_limit: CodeLimit::default(),
            many_merchants: ManyMerchants::default(),
            card_testing: CardTesting::default(),
            channel_hopping: ChannelHopping::default(),
            recorded: Recorded::default(),
        }
    }

    /// The parameters in force.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Takes the entry at `index`, with the facts of its merchant as the registries had them then. What comes out
    /// are leads: nothing here can stop an order.
    //= C41
    pub fn observe(
        &mut self,
        index: u64,
        entry: &TradeEntry,
        merchant: Option<&MerchantFacts>,
    ) -> Vec<Finding> {
        self.advance(entry.at);
        let Some(id) = &entry.merchant else {
            return Vec::new();
        };
        let scope = Scope::of(id, merchant);
        let seen = Seen {
            index,
            at: entry.at,
            merchant: id,
            facts: merchant,
            scope: &scope,
        };
        let recorded = self
            .recorded
            .observe(&self.parameters.on_record, id, (index, entry.at), &entry.event);
        let mut findings = self.by_typology(seen, entry);
        findings.extend(recorded);
        findings
    }

    fn by_typology(&mut self, seen: Seen<'_>, entry: &TradeEntry) -> Vec<Finding> {
        match (&entry.event, entry.order) {
            (refused @ TradeEvent::Refused { .. }, _) => self.refused(seen, refused),
            (event, Some(order)) => self.of_order(seen, event, order, entry.prev.is_none()),
            _ => Vec::new(),
        }
    }

    /// Moves the clock; with each new day what is too old goes.
    fn advance(&mut self, at: Instant) {
        let before = self.clock.stands();
        self.clock.tick(at);
        self.orders.forget(&self.clock, &self.parameters.orders);
        if self.clock.stands() != before {
            let clock = &self.clock;
            self.same_amount.turn(clock);
            self.splitting.turn(clock);
            self.refund_beyond_trade.turn(clock);
            self.code_limit.turn(clock);
            self.recorded.turn(clock);
            self.payees.turn(clock, &self.parameters.t20);
            self.under_limit.forget(clock, &self.parameters.t04);
            self.pay_and_refund.forget(clock, &self.parameters.t15d);
            self.many_merchants.forget(clock, &self.parameters.t10);
            self.card_testing.forget(clock, &self.parameters.t16);
            self.channel_hopping.forget(clock, &self.parameters.t26);
        }
    }

    #[cfg(test)]
    pub(super) fn orders_remembered(&self) -> usize {
        self.orders.len()
    }

    #[cfg(test)]
    pub(super) fn tried_remembered(&self) -> usize {
        self.many_merchants.len() + self.card_testing.len() + self.channel_hopping.len()
    }
}
