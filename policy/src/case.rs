//! A request of the tests, from an order that is admitted.

use crate::{
    registry::{MerchantFacts, Registries},
    testing::*,
    *,
};
use domain::*;
use std::{sync::Arc, time::Duration};

/// Facts that own what [`Facts`] borrows.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) operation: Operation,
    pub(crate) pay_way: Option<PayWay>,
    pub(crate) now: Instant,
    pub(crate) registries: Registries,
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) channel: Channel,
    pub(crate) account: AccountNo,
    pub(crate) payee: PayeeNo,
    pub(crate) amount: Option<Amount>,
    pub(crate) code: Option<Code>,
    pub(crate) measures: Measures,
    pub(crate) cases_age: Option<Duration>,
    pub(crate) refund: Option<RefundFacts>,
}

const DYNAMIC_B: Code = Code {
    kind: CodeKind::Dynamic,
    level: CodeLevel::B,
};

impl Case {
    pub(crate) fn create() -> Self {
        let registries = registries();
        let merchant = registries.merchant(&name("m1")).expect("known").clone();
        Case {
            operation: Operation::Create,
            pay_way: Some(PayWay::Jsapi),
            now: NOON,
            registries,
            merchant,
            channel: Channel::Wechat,
            account: name("1900000109"),
            payee: name("1900000109"),
            amount: Some(Amount::from_fen(8_800)),
            code: Some(DYNAMIC_B),
            measures: Measures::default(),
            cases_age: Some(Duration::ZERO),
            refund: None,
        }
    }

    pub(crate) fn refund(facts: RefundFacts) -> Self {
        Case {
            operation: Operation::Refund,
            pay_way: None,
            amount: None,
            code: None,
            refund: Some(facts),
            ..Case::create()
        }
    }

    pub(crate) fn decide(&self) -> Verdict {
        decide(&Facts {
            operation: self.operation,
            pay_way: self.pay_way,
            now: self.now,
            registries: &self.registries,
            merchant: &self.merchant,
            channel: self.channel,
            account: &self.account,
            payee: &self.payee,
            amount: self.amount,
            code: self.code,
            payer: None,
            measures: &self.measures,
            cases_age: self.cases_age,
            refund: self.refund,
        })
    }

    pub(crate) fn refusal(&self) -> (u8, RefusalKind) {
        match self.decide() {
            Verdict::Refuse(refusal) => (refusal.true_clause.number(), refusal.kind),
            other => panic!("{other:?} where a refusal was due"),
        }
    }

    pub(crate) fn stop(&mut self, subject: Subject) {
        let until = self.now.plus_millis(1);
        self.measures.observe(&Measure {
            effect: Effect::Stop,
            id: name("x"),
            subject,
            until,
        });
    }
}

pub(crate) fn with(change: impl FnOnce(&mut Case)) -> Case {
    let mut case = Case::create();
    change(&mut case);
    case
}

pub(crate) fn fen(fen: u64) -> Amount {
    Amount::from_fen(fen)
}
