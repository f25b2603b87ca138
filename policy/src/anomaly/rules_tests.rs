//! Names, words and parameters.

use super::{journal::*, on_record_tests::out_of_order, *};
use crate::clauses;
use domain::*;

/// One journal in which every rule fires.
fn everything() -> Vec<Finding> {
    let mut journal = Journal::with_neighbours();
    journal.merchants.remove(&crate::testing::name("m1"));
    journal.merchants.extend(Journal::new().merchants);
    let round = Sale { yuan: 1_000, ..SALE };
    for _ in 0..3 {
        let (order, _) = journal.wait(SECOND).sell(Sale {
            level: CodeLevel::B,
            yuan: 4_800,
            ..round
        });
        journal.refund(order, "R1", 4_800);
        journal.refund(order, "R2", 100);
    }
    journal.refuse(Operation::Refund, clauses::PAID, SALE);
    journal.refuse(Operation::Create, clauses::PAYEE, SALE);
    journal.refuse(
        Operation::Create,
        Clause::NOT_ACCEPTED,
        Sale {
            level: CodeLevel::B,
            ..SALE
        },
    );
    journal.intend(Sale {
        payee: Some("1900000110"),
        ..SALE
    });
    journal.intend(Sale {
        merchant: "m2",
        ..SALE
    });
    let unresolved = journal.intend(SALE);
    for event in out_of_order() {
        let order = matches!(event, TradeEvent::AttemptUnresolved { .. }).then_some(unresolved);
        journal.write("m1", order, event);
    }
    // T10, T16 and T26.
    for merchant in NEIGHBOURS {
        journal.wait(MINUTE).sell(Sale {
            merchant,
            payer: Some(9),
            yuan: 70,
            ..SALE
        });
    }
    for payer in 30..130 {
        journal.try_out(Sale {
            payer: Some(payer),
            yuan: 3,
            ..SALE
        });
    }
    for _ in 0..10 {
        journal.try_out(Sale {
            payer: Some(8),
            merchant: "n01",
            yuan: 90,
            ..SALE
        });
    }
    let hopping = journal.intend(SALE);
    journal.decline(hopping, 1, SALE);
    journal.attempt(
        hopping,
        2,
        Sale {
            channel: Channel::Alipay,
            ..SALE
        },
    );
    journal.pay(hopping, SALE);
    // Fewer channels are built than the definition wants.
    let t26 = T26 {
        channels: 2,
        ..T26::default()
    };
    journal
        .watch(Parameters {
            t26,
            ..Parameters::default()
        })
        .1
}

fn t01() -> Finding {
    everything().into_iter().find(|f| f.rule == "T01").expect("fires")
}

#[test]
fn every_rule_fires_and_says_why_in_both_languages() {
    let findings = everything();
    for rule in rules() {
        assert!(
            findings
                .iter()
                .any(|f| f.rule == rule.id && f.version == rule.version),
            "{} is silent",
            rule.id
        );
    }
    for finding in &findings {
        let facts = FlagFacts::from(finding);
        let (zh, en) = (words(&facts, Lang::Zh), words(&facts, Lang::En));
        assert!(zh.ends_with('。') && en.ends_with('.'), "{zh} {en}");
        assert!(en.is_ascii() && !zh.is_ascii());
        let western = zh.contains([',', ';', '(', ')']);
        assert!(!western && !en.contains("(s)"), "{zh} {en}");
        assert!(!format!("{zh}{en}").contains("+08:00"), "{zh} {en}");
        let number = |unit, n: u64| {
            if unit == "fen" {
                Amount::from_fen(n).to_yuan()
            } else {
                n.to_string()
            }
        };
        for text in [&zh, &en] {
            assert!(text.contains(&number(finding.unit, finding.value)), "{text}");
            assert!(text.contains(&number(finding.unit, finding.threshold)), "{text}");
            assert!(text.contains(&finding.window_from.day().to_string()), "{text}");
        }
    }
}

#[test]
fn words_state_facts_and_accuse_nobody() {
    for finding in everything() {
        let facts = FlagFacts::from(&finding);
        let zh = words(&facts, Lang::Zh);
        let en = words(&facts, Lang::En).to_lowercase();
        assert!(
            ["洗钱", "嫌疑", "可疑", "犯罪", "赌"]
                .iter()
                .all(|w| !zh.contains(w)),
            "{zh}"
        );
        assert!(
            ["launder", "suspic", "crime", "fraud", "gambl"]
                .iter()
                .all(|w| !en.contains(w)),
            "{en}"
        );
    }
}

#[test]
fn the_words_of_the_first_rule() {
    let first = t01();
    let facts = FlagFacts::from(&first);
    let zh = "同一付款人于 2026-01-15 在该商户以相同金额 4800.00 元成功支付 3 笔，阈值为 3 笔。";
    let en = "One payer paid this merchant the same amount, 4800.00 yuan, 3 times on 2026-01-15; the threshold is 3.";
    assert_eq!(
        (words(&facts, Lang::Zh).as_str(), words(&facts, Lang::En).as_str()),
        (zh, en)
    );
}

#[test]
fn a_flag_of_the_journal_says_the_same() {
    let Finding {
        rule,
        version,
        merchant,
        payer,
        trades,
        window_from,
        window_until,
        value,
        threshold,
        unit,
        parameters,
    } = t01();
    let event = CaseEvent::FlagRaised {
        acquirer: crate::testing::name("acq1"),
        flag: 1,
        inputs: Digest::from_bytes([0; 32]),
        merchant,
        parameters,
        payer,
        rule: rule.into(),
        threshold,
        trades,
        unit: unit.into(),
        value,
        version,
        window_from,
        window_until,
    };
    let said = words(&FlagFacts::of(&event).expect("a flag"), Lang::En);
    assert_eq!(said, words(&FlagFacts::from(&t01()), Lang::En));
    assert!(
        FlagFacts::of(&CaseEvent::RulesLoaded {
            digest: Digest::from_bytes([0; 32])
        })
        .is_none()
    );
}

#[test]
fn a_rule_of_another_program_still_says_its_numbers() {
    let finding = t01();
    let facts = FlagFacts {
        rule: "T99",
        ..FlagFacts::from(&finding)
    };
    assert!(words(&facts, Lang::En).starts_with("Rule T99: observed 3"));
    assert!(words(&facts, Lang::Zh).starts_with("规则 T99"));
}

#[test]
fn rules_stand_by_id_with_names_in_both_languages() {
    assert!(rules().is_sorted_by_key(|rule| rule.id));
    for rule in rules() {
        assert!(rule.version > 0 && !rule.name_zh.is_ascii() && rule.name_en.is_ascii());
        assert!(rule.why_zh.ends_with('。') && rule.why_en.ends_with('.'));
    }
}

#[test]
fn parameters_are_canonical_and_default_field_by_field() {
    let bytes = Parameters::default().to_canonical();
    let value: serde_json::Value = serde_json::from_slice(&bytes).expect("json");
    assert_eq!(sorted(&value), String::from_utf8(bytes).expect("text"));
    assert_eq!(value["rules"].as_array().map(Vec::len), Some(rules().len()));
    let some: Parameters =
        serde_json::from_str(r#"{"t01":{"trades":5},"t04":{"hours":12}}"#).expect("partial");
    assert_eq!(
        (some.t01.trades, some.t04.hours, some.t04.percent, &some.t05),
        (5, 12, 95, &T05::default())
    );
    assert_ne!(some.to_canonical(), Parameters::default().to_canonical());
    assert!(serde_json::from_str::<Parameters>(r#"{"t01":{"trade":5}}"#).is_err());
}

/// Canonical JSON as a stranger writes it, whatever order `serde_json` keeps its maps in.
fn sorted(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(map) => {
            let rows: std::collections::BTreeMap<_, _> = map.iter().collect();
            let rows: Vec<String> = rows
                .iter()
                .map(|(key, value)| format!("{:?}:{}", key, sorted(value)))
                .collect();
            format!("{{{}}}", rows.join(","))
        }
        serde_json::Value::Array(items) => {
            format!("[{}]", items.iter().map(sorted).collect::<Vec<_>>().join(","))
        }
        plain => plain.to_string(),
    }
}

#[test]
fn thresholds_that_are_changed_change_what_is_found() {
    let mut journal = Journal::new();
    for _ in 0..4 {
        journal.sell(SALE);
    }
    let parameters = Parameters {
        t01: T01 { trades: 5 },
        ..Parameters::default()
    };
    assert_eq!(journal.watch(parameters).1, []);
    assert_eq!(journal.only("T01").len(), 1);
}
