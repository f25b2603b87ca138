//! Payments, and the reverses that undo them.

use super::{Seen, Watch};
use crate::anomaly::{
    finding::{Finding, Trade},
    orders::{Intended, Paid, Reverse},
};
use domain::*;

/// An order's attempt.
type Id = (PaymentId, u16);

impl Watch {
    pub(super) fn paid(
        &mut self,
        seen: Seen<'_>,
        id: Id,
        facts: &PaidFacts,
        payer: Option<PayerToken>,
        first: bool,
    ) -> Vec<Finding> {
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        let (intended, known) = (attempt.intended, attempt.paid.is_some());
        let paid = *attempt.paid.get_or_insert(Paid {
            index: seen.index,
            at: facts.paid_at,
            amount: facts.amount,
            payer: payer.or(intended.and_then(|intended| intended.payer)),
            counted: false,
        });
        let mut findings = match attempt.reversing {
            None => self.count(seen, id, first),
            Some(_) => Vec::new(),
        };
        if !known {
            if let Some(payer) = paid.payer {
                findings.extend(self.visited(seen, facts.paid_at, payer));
            }
            findings.extend(self.tried(seen, id.0, intended, payer, false));
        }
        findings
    }

    /// The attempt came to nothing, or to nothing that anybody knows.
    pub(super) fn ended(&mut self, seen: Seen<'_>, id: Id, first: bool) {
        self.orders.touch(id.0, seen.at, first).attempt(id.1).reversing = None;
        self.give_back(seen, id, first);
    }

    pub(super) fn reverse_intended(&mut self, seen: Seen<'_>, id: Id, reason: ReverseReason, first: bool) {
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        attempt.reversing = Some(Reverse { at: seen.at, reason });
    }

    /// What was paid stands.
    pub(super) fn reverse_refused(&mut self, seen: Seen<'_>, id: Id, first: bool) -> Vec<Finding> {
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        attempt.reversing = None;
        self.count(seen, id, first)
    }

    /// Nobody is charged. News of it without a reverse on record is not the merchant's asking. A payment that comes to be known
    /// after all is taken back as well, so the reverse stays on record.
    pub(super) fn reversed(
        &mut self,
        seen: Seen<'_>,
        id: Id,
        refunded: Option<bool>,
        first: bool,
    ) -> Option<Finding> {
        self.give_back(seen, id, first);
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        let (at, reason) = (seen.at, ReverseReason::Unknown);
        attempt.reversing.get_or_insert(Reverse { at, reason });
        if refunded == Some(false) {
            return None;
        }
        self.take_back(seen, id, first);
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        self.pay_and_refund
            .reversed(&self.parameters.t15d, seen.merchant, attempt)
    }

    /// The rules over payments take it in, once.
    fn count(&mut self, seen: Seen<'_>, id: Id, first: bool) -> Vec<Finding> {
        let Some(trade) = self.trade(seen, id, first, true) else {
            return Vec::new();
        };
        self.give_back(seen, id, first);
        let mut findings: Vec<Finding> = self
            .same_amount
            .paid(&self.parameters.t01, &trade)
            .into_iter()
            .collect();
        findings.extend(self.under_limit.paid(&self.parameters.t04, &trade));
        findings.extend(self.splitting.paid(&self.parameters.t05, &trade));
        findings.extend(self.code_limit.paid(id, &trade));
        findings
    }

    /// The same, out again.
    fn take_back(&mut self, seen: Seen<'_>, id: Id, first: bool) {
        let Some(trade) = self.trade(seen, id, first, false) else {
            return;
        };
        self.same_amount.taken_back(&self.parameters.t01, &trade);
        self.under_limit.taken_back(&self.parameters.t04, &trade);
        self.splitting.taken_back(&trade);
        self.code_limit.taken_back(id, &trade);
    }

    /// The payment as the rules see it, where it is paid and has not been counted, or taken back, already.
    fn trade<'a>(&mut self, seen: Seen<'a>, id: Id, first: bool, counted: bool) -> Option<Trade<'a>> {
        let attempt = self.orders.touch(id.0, seen.at, first).attempt(id.1);
        let paid = attempt.paid.as_mut().filter(|paid| paid.counted != counted)?;
        paid.counted = counted;
        Some(Trade {
            index: paid.index,
            at: paid.at,
            amount: paid.amount,
            merchant: seen.merchant,
            payer: paid.payer,
            scope: seen.scope,
            cap: seen.facts.and_then(|facts| facts.order_max),
            level: attempt.intended.map(|intended| intended.level),
        })
    }

    /// What it held of its payer's day before it was paid.
    fn give_back(&mut self, seen: Seen<'_>, id: Id, first: bool) {
        let intended = self.orders.touch(id.0, seen.at, first).attempt(id.1).intended;
        if let Some(Intended {
            at,
            level,
            payer: Some(payer),
            ..
        }) = intended
        {
            self.code_limit.given_back(id, at, payer, level);
        }
    }
}
