//! Each rule of `decide` at its edge.

use crate::{
    case::*,
    registry::{AcquirerFile, LicenceFile, Registries},
    testing::*,
    *,
};
use domain::*;
use std::time::Duration;

#[test]
fn an_ordinary_order_is_admitted() {
    assert_eq!(Case::create().decide(), Verdict::Admit);
    assert_eq!(
        with(|c| c.cases_age = None).decide(),
        Verdict::Admit,
        "no desk configured"
    );
    let partner = with(|c| {
        c.merchant = c.registries.merchant(&name("m2")).expect("known").clone();
        c.account = name("1900000110");
        c.payee = name("1600000001");
    });
    assert_eq!(
        partner.decide(),
        Verdict::Admit,
        "a sub-merchant of the key's own list"
    );
}

/// Registries after a change of the licence or acquirer's file.
fn changed(change: impl FnOnce(&mut LicenceFile, &mut AcquirerFile)) -> Registries {
    let (mut l, mut a) = (licence(), acquirer());
    change(&mut l, &mut a);
    join(l, vec![a], operator()).expect("agrees")
}

#[test]
//= C06
//= C07
//= C08
//= C09
fn nothing_lapsed_carries_a_new_order_and_everything_else_goes_on() {
    let lapsed = [
        (8, changed(|l, _| l.not_after = NOON)),
        (8, changed(|_, a| a.not_after = NOON)),
        (6, changed(|l, _| l.channels[0].valid_until = NOON)),
        (6, changed(|l, _| drop(l.channels.remove(0)))),
        (7, changed(|_, a| a.merchants[0].agreement.until = NOON)),
    ];
    for (clause, registries) in lapsed {
        let mut case = with(|c| c.registries = registries);
        assert_eq!(case.refusal(), (clause, RefusalKind::Licence));
        case.now = NOON.plus_millis(-1);
        if case.registries.channel(Channel::Wechat).is_some() {
            assert_eq!(case.decide(), Verdict::Admit, "a millisecond before");
        }
        case.now = NOON;
        case.stop(Subject::Merchant(name("m1")));
        case.cases_age = Some(Duration::from_secs(86_400));
        for operation in [
            Operation::Query,
            Operation::Close,
            Operation::RefundQuery,
            Operation::Certificates,
            Operation::Bill,
        ] {
            (case.operation, case.pay_way) = (operation, None);
            assert_eq!(case.decide(), Verdict::Admit, "{operation:?}");
        }
        case.operation = Operation::Refund;
        case.refund = Some(RefundFacts {
            paid: fen(100),
            reserved_before: fen(0),
            amount: fen(100),
            count: 0,
        });
        assert_eq!(case.decide(), Verdict::Admit, "refunds go on");
    }
}

#[test]
//= C03
//= C04
fn nobody_but_the_merchants_own_account_is_paid() {
    assert_eq!(
        with(|c| c.payee = name("1900000110")).refusal(),
        (3, RefusalKind::Payee)
    );
    assert_eq!(
        with(|c| c.payee = name("1999999999")).refusal(),
        (4, RefusalKind::Payee)
    );
    assert_eq!(
        with(|c| c.account = name("1900000110")).refusal(),
        (5, RefusalKind::Payee),
        "another merchant's account"
    );
    assert_eq!(
        with(|c| c.account = name("1")).refusal(),
        (5, RefusalKind::Payee),
        "nobody's account"
    );
    assert_eq!(
        with(|c| c.channel = Channel::Alipay).refusal(),
        (5, RefusalKind::Payee),
        "another channel"
    );
}

#[test]
//= C05
fn an_account_taken_from_the_merchant_is_gone_at_once() {
    let mut a = acquirer();
    a.merchants[0].accounts.remove(0);
    let mut o = operator();
    o.accounts.clear();
    // The request was authenticated under the former registries and still carries their facts.
    let case = with(|c| c.registries = join(licence(), vec![a], o).expect("agrees"));
    assert!(case.merchant.accounts.iter().any(|a| a.account == case.account));
    assert_eq!(case.refusal(), (5, RefusalKind::Payee));
}

#[test]
//= C10
//= C11
//= C14
fn amounts_and_codes() {
    assert_eq!(
        with(|c| c.amount = Some(fen(0))).refusal(),
        (10, RefusalKind::Operation)
    );
    assert_eq!(with(|c| c.amount = None).refusal(), (10, RefusalKind::Operation));
    assert_eq!(
        with(|c| c.amount = Some(fen(u64::MAX))).refusal(),
        (10, RefusalKind::Operation)
    );
    assert_eq!(
        with(|c| c.amount = Some(fen(1_000_000))).decide(),
        Verdict::Admit,
        "equality is allowed"
    );
    assert_eq!(
        with(|c| c.amount = Some(fen(1_000_001))).refusal(),
        (11, RefusalKind::Ceiling)
    );
    let weak = Some(Code {
        kind: CodeKind::Static,
        level: CodeLevel::D,
    });
    let of = |amount: u64| {
        with(|c| {
            c.code = weak;
            c.amount = Some(fen(amount));
        })
    };
    assert_eq!(of(50_000).decide(), Verdict::Admit, "equality is allowed");
    assert_eq!(of(50_001).refusal(), (69, RefusalKind::Ceiling));
    for level in [CodeLevel::A, CodeLevel::B, CodeLevel::C] {
        let code = Some(Code {
            kind: CodeKind::Static,
            level,
        });
        assert_eq!(with(|c| c.code = code).refusal(), (14, RefusalKind::Operation));
    }
    assert_eq!(
        with(|c| c.code = Some(Code {
            kind: CodeKind::Static,
            level: CodeLevel::D
        }))
        .decide(),
        Verdict::Admit
    );
    assert_eq!(with(|c| c.code = None).refusal(), (14, RefusalKind::Operation));
}

#[test]
//= C96
fn level_a_is_for_merchants_whose_acquirer_signed_for_it() {
    let a = Some(Code {
        kind: CodeKind::Dynamic,
        level: CodeLevel::A,
    });
    assert_eq!(with(|c| c.code = a).refusal(), (14, RefusalKind::Operation));
    let mut file = acquirer();
    file.merchants[0].level_a = true;
    let by_agreement = join(licence(), vec![file], operator()).expect("lawful");
    let case = with(|c| {
        c.code = a;
        c.registries = by_agreement;
    });
    assert_eq!(case.decide(), Verdict::Admit);
}

#[test]
//= C17
fn the_desk_may_be_silent_for_a_quarter_of_an_hour() {
    assert_eq!(
        with(|c| c.cases_age = Some(CASES_AGE_MAX)).decide(),
        Verdict::Admit
    );
    let over = CASES_AGE_MAX + Duration::from_millis(1);
    assert_eq!(
        with(|c| c.cases_age = Some(over)).refusal(),
        (17, RefusalKind::Cases)
    );
}

#[test]
//= C01
//= C15
//= C16
fn measures_refuse_uniformly_and_last() {
    let account = Subject::Account {
        account: name("1900000109"),
        channel: Channel::Wechat,
    };
    for (subject, clause) in [(Subject::Merchant(name("m1")), 15), (account, 16)] {
        let mut case = with(|c| c.stop(subject));
        assert_eq!(case.refusal(), (clause, RefusalKind::NotAccepted));
        let Verdict::Refuse(refusal) = case.decide() else {
            panic!("refused before")
        };
        assert_eq!(
            (refusal.public, refusal.kind),
            (payer_day_refusal().public, payer_day_refusal().kind)
        );
        case.payee = name("1900000110");
        assert_eq!(
            case.refusal(),
            (3, RefusalKind::Payee),
            "a faulty order gets the answer it always gets"
        );
    }
}

#[test]
//= C18
//= C19
//= C20
fn refunds_only_of_what_was_paid() {
    let facts = RefundFacts {
        paid: fen(100),
        reserved_before: fen(40),
        amount: fen(60),
        count: 49,
    };
    assert_eq!(Case::refund(facts).decide(), Verdict::Admit);
    assert_eq!(
        Case::refund(RefundFacts {
            amount: fen(61),
            ..facts
        })
        .refusal(),
        (19, RefusalKind::Refund)
    );
    assert_eq!(
        Case::refund(RefundFacts {
            amount: fen(0),
            ..facts
        })
        .refusal(),
        (19, RefusalKind::Refund)
    );
    assert_eq!(
        Case::refund(RefundFacts {
            reserved_before: fen(u64::MAX),
            ..facts
        })
        .refusal(),
        (19, RefusalKind::Refund)
    );
    assert_eq!(
        Case::refund(RefundFacts { count: 50, ..facts }).refusal(),
        (20, RefusalKind::Refund)
    );
    let unpaid = Case {
        refund: None,
        ..Case::refund(facts)
    };
    assert_eq!(unpaid.refusal(), (18, RefusalKind::NotPaid));
}

#[test]
//= C02
fn an_operation_that_a_channel_lacks_is_refused() {
    let case = with(|c| c.pay_way = Some(PayWay::Page));
    assert_eq!(case.refusal(), (2, RefusalKind::Operation));
}
