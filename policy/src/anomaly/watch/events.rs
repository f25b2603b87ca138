//! Which events matter to which rules.

use super::{Seen, Watch};
use crate::anomaly::{
    finding::Finding,
    orders::{Intended, Refund},
    t10_many_merchants::Visit,
    t15a_refund_beyond_trade,
    t20_payee::Outgoing,
    t28_code_limit::Asked,
    tried::Tried,
};
use domain::*;

impl Watch {
    pub(super) fn of_order(
        &mut self,
        seen: Seen<'_>,
        event: &TradeEvent,
        order: PaymentId,
        first: bool,
    ) -> Vec<Finding> {
        use TradeEvent as E;
        let one = |finding: Option<Finding>| finding.into_iter().collect();
        match event {
            E::AttemptIntended { .. } => self.intended(seen, event, order, first),
            E::AttemptNotPlaced {
                attempt,
                declined: Some(declined),
                ..
            } => {
                self.ended(seen, (order, *attempt), first);
                self.declined(seen, (order, *attempt), declined.payer, first)
            }
            // The order stands open: what it holds is not given back.
            E::AttemptDeclined { attempt, payer, .. } => {
                self.declined(seen, (order, *attempt), *payer, first)
            }
            E::AttemptNotPlaced { attempt, .. }
            | E::AttemptClosed { attempt, .. }
            | E::AttemptUnresolved { attempt } => {
                self.ended(seen, (order, *attempt), first);
                Vec::new()
            }
            E::ReverseIntended { attempt, reason } => {
                self.reverse_intended(seen, (order, *attempt), *reason, first);
                Vec::new()
            }
            E::ReverseRefused { attempt, .. } => self.reverse_refused(seen, (order, *attempt), first),
            E::AttemptReversed {
                attempt, refunded, ..
            } => one(self.reversed(seen, (order, *attempt), *refunded, first)),
            E::AttemptPaid {
                attempt,
                facts,
                payer,
                ..
            } => self.paid(seen, (order, *attempt), facts, *payer, first),
            E::RefundIntended { .. } => one(self.refund_intended(seen, event, order, first)),
            E::RefundProcessing { refund_no, .. } | E::RefundSucceeded { refund_no, .. } => {
                let order = self.orders.touch(order, seen.at, first);
                one(self
                    .pay_and_refund
                    .taken(&self.parameters.t15d, seen.merchant, order, refund_no))
            }
            E::RefundFailed { refund_no, .. } | E::RefundCancelled { refund_no } => {
                let refund = self.orders.touch(order, seen.at, first).refund(refund_no);
                refund.into_iter().for_each(|refund| refund.counts = false);
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn intended(
        &mut self,
        seen: Seen<'_>,
        event: &TradeEvent,
        order: PaymentId,
        first: bool,
    ) -> Vec<Finding> {
        let TradeEvent::AttemptIntended {
            account,
            amount,
            attempt,
            channel,
            code,
            payee,
            payer,
            ..
        } = event
        else {
            return Vec::new();
        };
        let Seen {
            index,
            at,
            merchant,
            facts,
            scope,
        } = seen;
        self.orders.touch(order, at, first).attempt(*attempt).intended = Some(Intended {
            at,
            amount: *amount,
            channel: *channel,
            level: code.level,
            payer: *payer,
        });
        if let Some(payer) = *payer {
            let asked = Asked {
                index,
                at,
                amount: *amount,
                level: code.level,
                payer,
                merchant,
                scope,
            };
            self.code_limit.intended((order, *attempt), asked);
        }
        let outgoing = Outgoing {
            index,
            at,
            merchant,
            facts,
            scope,
            channel: *channel,
            account,
            payee,
        };
        self.payees.intended(&self.parameters.t20, outgoing)
    }

    /// The payer's own side declined.
    fn declined(
        &mut self,
        seen: Seen<'_>,
        id: (PaymentId, u16),
        payer: Option<PayerToken>,
        first: bool,
    ) -> Vec<Finding> {
        let intended = self.orders.touch(id.0, seen.at, first).attempt(id.1).intended;
        let known = payer.or(intended.and_then(|intended| intended.payer));
        let mut findings = known.map_or_else(Vec::new, |payer| self.visited(seen, seen.at, payer));
        findings.extend(self.tried(seen, id.0, intended, payer, true));
        findings
    }

    pub(super) fn visited(&mut self, seen: Seen<'_>, at: Instant, payer: PayerToken) -> Vec<Finding> {
        let visit = Visit {
            index: seen.index,
            at,
            merchant: seen.merchant,
            scope: seen.scope,
            payer,
        };
        self.many_merchants.visited(&self.parameters.t10, visit)
    }

    /// Paid or declined; of what was sent as, nothing is related where that was forgotten.
    pub(super) fn tried(
        &mut self,
        seen: Seen<'_>,
        order: PaymentId,
        intended: Option<Intended>,
        payer: Option<PayerToken>,
        declined: bool,
    ) -> Vec<Finding> {
        let Some(intended) = intended else {
            return Vec::new();
        };
        let of = (seen.index, seen.at, seen.merchant, seen.scope);
        let tried = Tried::of(of, order, intended, payer, declined);
        let mut findings = self.card_testing.tried(&self.parameters.t16, &tried);
        findings.extend(self.channel_hopping.tried(&self.parameters.t26, &tried));
        findings
    }

    fn refund_intended(
        &mut self,
        seen: Seen<'_>,
        event: &TradeEvent,
        order: PaymentId,
        first: bool,
    ) -> Option<Finding> {
        let TradeEvent::RefundIntended {
            amount,
            attempt,
            cause,
            refund_no,
            ..
        } = event
        else {
            return None;
        };
        let order = self.orders.touch(order, seen.at, first);
        order.begin_refund(Refund {
            no: refund_no.clone(),
            attempt: *attempt,
            amount: *amount,
            asked_at: seen.at,
            index: seen.index,
            surplus: *cause == RefundCause::Surplus,
            counts: true,
            taken: false,
        });
        t15a_refund_beyond_trade::intended(order, *attempt, seen.merchant, seen.at)
    }

    pub(super) fn refused(&mut self, seen: Seen<'_>, event: &TradeEvent) -> Vec<Finding> {
        let TradeEvent::Refused {
            amount,
            clause,
            code,
            operation,
            payer,
            ..
        } = event
        else {
            return Vec::new();
        };
        let Seen {
            index,
            at,
            merchant,
            scope,
            ..
        } = seen;
        let finding = match operation {
            Operation::Refund => {
                self.refund_beyond_trade
                    .refused(&self.parameters.t15a, merchant, (index, at), *clause)
            }
            Operation::Create if *clause == Clause::NOT_ACCEPTED => match (*amount, *code, *payer) {
                (Some(amount), Some(Code { level, .. }), Some(payer)) => self.code_limit.refused(Asked {
                    index,
                    at,
                    amount,
                    level,
                    payer,
                    merchant,
                    scope,
                }),
                _ => None,
            },
            Operation::Create => self
                .payees
                .refused(&self.parameters.t20, merchant, (index, at), *clause),
            _ => None,
        };
        finding.into_iter().collect()
    }
}
