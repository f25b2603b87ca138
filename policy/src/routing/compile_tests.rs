use super::*;
use crate::routing::Sale;
use cel::{Context, Program, Value};
use domain::{Amount, Code, CodeKind, CodeLevel, Instant, PayWay};

/// 2026-11-26T13:05:00+08:00, a Thursday.
const AT: Instant = Instant::from_secs(1_795_669_500);

fn sale() -> Sale<'static> {
    Sale {
        amount: Amount::from_fen(12_345),
        pay_way: PayWay::Native,
        at: AT,
        terminal: Some("POS-7"),
        area: Some("310101"),
        product: None,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
    }
}

/// What CEL's own interpreter says.
fn oracle(source: &str) -> Option<bool> {
    let mut context = Context::default();
    for (name, value) in [
        ("amount", 12_345_i64),
        ("hour", 13),
        ("minute", 5),
        ("weekday", 4),
        ("day", 26),
        ("month", 11),
    ] {
        context.add_variable(name, value).expect("a number");
    }
    for (name, value) in [
        ("pay_way", "native"),
        ("terminal", "POS-7"),
        ("area", "310101"),
        ("product", ""),
        ("code", "dynamic"),
    ] {
        context.add_variable(name, value.to_owned()).expect("a text");
    }
    match Program::compile(source).expect("parses").execute(&context) {
        Ok(Value::Bool(is)) => Some(is),
        _ => None,
    }
}

#[test]
fn conditions_mean_what_cels_own_interpreter_says() {
    let texts = [
        "true",
        "amount >= 12345",
        "amount > 12345",
        "amount < 20000 && pay_way == 'native'",
        "pay_way in ['h5', 'native']",
        "pay_way in []",
        "weekday in [6, 7] || hour >= 9 && hour < 18",
        "!(hour >= 22 || hour < 6)",
        "area.startsWith('31')",
        "terminal.endsWith('-8')",
        "terminal.contains('OS')",
        "product == ''",
        "product != \"\" ? amount > 1 : hour == 13",
        "amount % 100 == 45",
        "amount / 100 * 100 + 45 == amount",
        "-amount < 0",
        "amount - 1 < amount",
        "hour * 60 + minute >= 13 * 60 + 5",
        "(amount > 1) == (hour > 1)",
        "(amount > 1) != (hour > 1)",
        "code == 'static'",
        "day == 26 && month == 11",
        "'a' < 'b'",
        "(hour > 12 ? 'pm' : 'am') == 'pm'",
        "(hour > 12 ? 1 : 2) in [1]",
        "amount / 0 == 1",
        "amount / 0 == 1 && false",
        "amount / 0 == 1 || true",
        "9223372036854775807 + amount > 0",
        "'支付' == \"支付\"",
        "true ? false : true",
        "weekday == 4",
        "1 == 1 && 2 == 2 && 3 == 3 && 4 == 5",
        "false || false || true || false",
    ];
    let mut yes = 0;
    for text in texts {
        let ours = Condition::compile(text)
            .unwrap_or_else(|e| panic!("{text}: {e}"))
            .0;
        let said = Condition(ours).holds(&sale());
        assert_eq!(said, oracle(text) == Some(true), "{text}");
        yes += usize::from(said);
    }
    assert!(
        (10..texts.len() - 8).contains(&yes),
        "{yes} of {} hold",
        texts.len()
    );
}

#[test]
//= C63
fn a_bad_condition_is_named_with_its_place() {
    let long = format!("amount == {}", "1".repeat(MOST_LENGTH));
    let many = format!("amount in [{}]", vec!["1"; MOST_PARTS].join(","));
    let deep = format!("{}true{}", "(".repeat(120), ")".repeat(120));
    let notted = format!("{}true", "!".repeat(400));
    let rows = [
        ("amount", 1, "it is a whole number"),
        ("amount == 'x'", 8, "compared with a text"),
        ("amount >", 0, "no CEL"),
        ("amuont > 1", 1, "no such variable"),
        ("payer == 'x'", 1, "no such variable"),
        ("amount > 1.5", 10, "no such literal"),
        ("amount > 1u", 10, "no such literal"),
        ("pay_way > 1", 9, "compared with"),
        ("[1].exists(x, x > 0)", 0, "may not stand"),
        ("size(pay_way) > 1", 0, "no such operation"),
        ("pay_way.matches('a*')", 0, "no such function"),
        ("{'a': 1}.a == 1", 0, "may not stand"),
        ("amount in pay_way", 11, "no list"),
        ("amount in ['1']", 0, "it is a text"),
        ("!amount", 0, "whole number"),
        ("hour ? 1 == 1 : 2 == 2", 0, "whole number"),
        ("hour > 1 ? 1 : 'a'", 0, "or a text"),
        ("", 0, "no CEL"),
        (&long, 0, "longer"),
        (&many, 0, "more than"),
        (&deep, 0, "no CEL"),
        (&notted, 0, ""),
        ("true true", 0, "no CEL"),
        // What would never hold, without a word.
        ("hour == 24", 9, "hour is never 24"),
        ("weekday in [6, 0]", 16, "weekday is never 0"),
        ("13 != month", 1, "month is never 13"),
        ("minute == 60", 11, "minute is never 60"),
        ("day in [32]", 9, "day is never 32"),
        ("amount == 0", 11, "amount is never 0"),
        ("amount < 1", 0, "amount never lies there"),
        ("0 >= amount", 0, "amount never lies there"),
        ("minute > 59", 0, "minute never lies there"),
        ("12 < month", 0, "month never lies there"),
        ("amount >= 1 && hour <= 23", 0, ""),
        ("pay_way == 'jsap'", 12, "pay_way is never that"),
        (
            "amount > 1 && pay_way in ['h5', 'H5']",
            33,
            "pay_way is never that",
        ),
        ("code == 'qr'", 9, "code is never that"),
        ("area == '31'", 9, "area is never that"),
    ];
    for (text, at, wrong) in rows {
        match Condition::compile(text) {
            Ok(_) => assert!(wrong.is_empty(), "{text} was taken"),
            Err(error) => {
                assert!(error.wrong.contains(wrong), "{text}: {error}");
                assert!(at == 0 || error.at == at, "{text}: {error}");
                assert!(!error.right.is_empty());
            }
        }
    }
}

/// A rule of one wallet that waits for another's way to pay would never decide, without a word.
#[test]
fn a_rule_names_only_ways_to_pay_of_its_own_wallet() {
    use domain::Channel as C;
    for (channel, text, taken) in [
        (C::Wechat, "pay_way == 'native'", true),
        (C::Alipay, "pay_way == 'native'", false),
        (C::Alipay, "pay_way in ['qr', 'h5']", false),
        (C::Alipay, "pay_way in ['qr', 'wap']", true),
        (C::Unionpay, "pay_way != 'jsapi'", false),
        (C::Wechat, "pay_way == 'product'", false), // begins at WeChat, under the account whose code it is
    ] {
        match Condition::compile_for(channel, text) {
            Ok(_) => assert!(taken, "{channel} {text}"),
            Err(error) => {
                assert!(
                    !taken && error.wrong == "pay_way is never that",
                    "{channel} {text}: {error}"
                );
                let ways = crate::operations::pay_ways(channel).map(domain::PayWay::as_str);
                assert!(ways.into_iter().all(|way| error.right.contains(way)), "{error}");
            }
        }
    }
}

#[test]
fn time_is_that_of_china() {
    let holds = |text: &str, at: Instant| {
        Condition::compile(text)
            .expect("compiles")
            .holds(&Sale { at, ..sale() })
    };
    // 2025-12-31T23:59:59+08:00, a Wednesday, and a second later.
    let eve = Instant::from_secs(1_767_196_799);
    assert!(holds(
        "month == 12 && day == 31 && hour == 23 && minute == 59 && weekday == 3",
        eve
    ));
    assert!(holds(
        "month == 1 && day == 1 && hour == 0 && minute == 0 && weekday == 4",
        eve.plus_millis(1000)
    ));
}
