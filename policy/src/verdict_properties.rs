//! No accepted request can pay anyone but the merchant; no refunds exceed their trade.

use crate::{case::*, registry::AccountFacts, testing::*, *};
use domain::*;
use proptest::prelude::*;

/// Names that collide often: merchants' accounts, sub-merchants, strangers', now and then the operator's own.
fn number() -> impl Strategy<Value = String> {
    let usual = [
        "1900000109",
        "1900000110",
        "1600000001",
        "2021000000000001",
        "2088000000000001",
        "7",
        "8",
        "9",
    ];
    let operators = ["1999999999", "2088999999999999"];
    prop_oneof![
        20 => prop::sample::select(usual.to_vec()),
        1 => prop::sample::select(operators.to_vec()),
    ]
    .prop_map(str::to_owned)
}

fn random_account() -> impl Strategy<Value = AccountFacts> {
    let sub = prop::collection::vec(number(), 0..3);
    (prop::bool::ANY, number(), number(), sub).prop_map(|(is_wechat, account, payee, sub)| {
        let base = if is_wechat {
            wechat(&account)
        } else {
            alipay(&account, &payee)
        };
        AccountFacts {
            payee: name(&payee),
            sub_payees: sub.iter().map(|s| name(s)).collect(),
            ..base
        }
    })
}

/// A lawful set of registries and a request; half of the requests name an account that exists.
fn random_case() -> impl Strategy<Value = Option<Case>> {
    let merchants = prop::collection::vec(prop::collection::vec(random_account(), 0..3), 1..4);
    let request = (prop::bool::ANY, number(), number(), 0_usize..3, 0_u64..1_100_000);
    (merchants, request, prop::option::of(0_usize..9)).prop_map(|(merchants, request, known)| {
        let (is_wechat, account, payee, who, amount) = request;
        let mut a = acquirer();
        let numbered = merchants.into_iter().enumerate();
        a.merchants = numbered
            .map(|(n, accounts)| merchant(&format!("m{n}"), accounts))
            .collect();
        let all: Vec<_> = a.merchants.iter().flat_map(|m| m.accounts.clone()).collect();
        let o = registry::OperatorFile {
            merchants: Vec::new(),
            accounts: Vec::new(),
            ..operator()
        };
        let registries = join(licence(), vec![a], o).ok()?;
        let merchant = registries.merchant(&name(&format!("m{who}")))?.clone();
        let channel = if is_wechat {
            Channel::Wechat
        } else {
            Channel::Alipay
        };
        let (channel, account) = match known.and_then(|n| all.get(n)) {
            Some(known) => (known.channel, known.account.clone()),
            None => (channel, name(&account)),
        };
        let (payee, amount) = (name(&payee), Some(fen(amount)));
        Some(Case {
            registries,
            merchant,
            channel,
            account,
            payee,
            amount,
            ..Case::create()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// No accepted order can pay anyone but the merchant.
    #[test]
    fn admitted_orders_pay_the_merchant_only(case in random_case()) {
        let Some(case) = case else { return Ok(()) };
        if case.decide() == Verdict::Admit {
            let mut own = case.merchant.accounts.iter().filter(|a| a.channel == case.channel && a.account == case.account);
            prop_assert!(own.any(|a| a.payee == case.payee || a.sub_payees.contains(&case.payee)));
            prop_assert!(!licence().operator_accounts.contains(&case.payee));
            prop_assert!(case.amount.is_some_and(|a| !a.is_zero()));
        }
    }

    /// However refunds are asked for, those admitted never add up to more than was paid.
    #[test]
    fn admitted_refunds_never_exceed_the_trade(paid in 0_u64..1_000, asked in prop::collection::vec(0_u64..300, 0..80)) {
        let mut back = 0;
        let mut count = 0;
        for amount in asked {
            let facts = RefundFacts { paid: fen(paid), reserved_before: fen(back), amount: fen(amount), count };
            if Case::refund(facts).decide() == Verdict::Admit {
                back += amount;
                count += 1;
            }
            prop_assert!(back <= paid && count <= 50);
        }
    }

    /// Whatever the numbers, overflow never admits.
    #[test]
    fn no_overflow_admits(paid: u64, reserved_before: u64, amount: u64) {
        let facts = RefundFacts { paid: fen(paid), reserved_before: fen(reserved_before), amount: fen(amount), count: 0 };
        if Case::refund(facts).decide() == Verdict::Admit {
            prop_assert!(reserved_before.checked_add(amount).is_some_and(|sum| sum <= paid));
        }
    }
}

#[test]
fn the_property_test_meets_admitted_orders() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let admitted = (0..2_000).filter(|_| {
        let case = random_case().new_tree(&mut runner).expect("a case").current();
        case.is_some_and(|case| case.decide() == Verdict::Admit)
    });
    assert!(admitted.count() >= 5, "the property would hold of nothing");
}
