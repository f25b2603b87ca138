use super::*;
use domain::Day;

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

fn begin() -> Instant {
    Day::parse("2026-11-26").expect("a day").start()
}

/// A journal in memory; minutes are after the day's begin.
#[derive(Default)]
struct Written(Vec<TradeEntry>);

impl Written {
    fn write(&mut self, minute: i64, order: u8, event: TradeEvent) {
        let id = PaymentId::from_bytes([order; 16]);
        let prev = self
            .0
            .iter()
            .rposition(|entry| entry.order == Some(id))
            .map(|index| index as u64);
        let merchant = Some(name(if order < 100 { "m1" } else { "m2" }));
        let at = begin().plus_millis(minute * 60_000);
        self.0.push(Entry {
            at,
            event,
            merchant,
            mseq: None,
            order: Some(id),
            prev,
            salt: Salt::from_bytes([0; 16]),
            tell: None,
            v: ENTRY_VERSION,
        });
    }

    fn intend(&mut self, minute: i64, order: u8, attempt: u16, way: (Channel, PayWay), fen: u64) {
        self.write(
            minute,
            order,
            TradeEvent::AttemptIntended {
                account: name("1"),
                amount: Amount::from_fen(fen),
                appid: None,
                sub_appid: None,
                attempt,
                carried: Carried::Unified,
                channel: way.0,
                code: Code {
                    kind: CodeKind::Dynamic,
                    level: CodeLevel::B,
                },
                content: KeyedDigest::from_bytes([0; 32]),
                expires: begin(),
                keys: Keys::Held,
                number: name("N"),
                order_no: name("N"),
                pay_way: way.1,
                payee: name("1"),
                payer: None,
                // One in three came by an agent.
                rates: order.is_multiple_of(3).then(|| RateSnapshot {
                    agent: Some(name("AG1")),
                    agent_rate: Some(300),
                    rate: 380,
                }),
                route: None,
                seal: None,
                terminal: None,
                terminal_match: None,
                terminal_unmatched: false,
            },
        );
    }

    fn pay(&mut self, minute: i64, order: u8, attempt: u16, fen: u64) {
        let facts = PaidFacts {
            amount: Amount::from_fen(fen),
            bank_type: None,
            number: name("N"),
            paid_at: begin(),
            trade_no: name("T"),
        };
        self.write(
            minute,
            order,
            TradeEvent::AttemptPaid {
                attempt,
                facts,
                payer: None,
                proof: Proof::Notice,
                seal: None,
            },
        );
    }

    fn refund(&mut self, minute: i64, order: u8, fen: u64) {
        let (number, refund_no): (ChannelNo, RefundNo) =
            (name(&format!("R{minute}")), name(&format!("R{minute}")));
        self.write(
            minute,
            order,
            TradeEvent::RefundIntended {
                amount: Amount::from_fen(fen),
                attempt: 1,
                cause: RefundCause::Merchant,
                number,
                refund_no: refund_no.clone(),
            },
        );
        self.write(
            minute + 30,
            order,
            TradeEvent::RefundSucceeded {
                proof: Proof::Query,
                refund_no,
                refunded_at: None,
                trade_no: None,
            },
        );
    }

    /// Counts a range, reading from the first entry of it on only.
    fn count(&self, from: &str, to: &str, by: &str) -> Statistics {
        let ask = Ask::parse(Some(from), Some(to), Some(by), Day::from_number(0), true).expect("lawful");
        let first = self
            .0
            .iter()
            .position(|entry| entry.at >= ask.from)
            .unwrap_or(self.0.len());
        let mut statistics = Statistics::new(ask);
        for entry in &self.0[first..] {
            statistics
                .observe(entry, &mut |index| self.0.get(index as usize).cloned())
                .expect("few rows");
        }
        statistics
    }
}

const NATIVE: (Channel, PayWay) = (Channel::Wechat, PayWay::Native);
const CODE: (Channel, PayWay) = (Channel::Alipay, PayWay::Micropay);

/// Three hours of trade.
fn trade() -> Written {
    let mut it = Written::default();
    it.intend(10, 1, 1, NATIVE, 500);
    it.write(
        11,
        1,
        TradeEvent::AttemptUnknown {
            attempt: 1,
            reason: Unclear::Timeout,
        },
    );
    it.intend(20, 2, 1, NATIVE, 700);
    it.pay(70, 1, 1, 500);
    it.write(
        75,
        2,
        TradeEvent::AttemptClosed {
            attempt: 1,
            proof: Proof::Query,
        },
    );
    it.intend(80, 2, 2, CODE, 700);
    it.write(
        81,
        2,
        TradeEvent::AttemptNotPlaced {
            attempt: 2,
            code: None,
            declined: None,
            reason: NotPlaced::Refused,
        },
    );
    it.intend(90, 3, 1, CODE, 900);
    it.pay(91, 3, 1, 900);
    it.refund(100, 1, 200);
    it.write(
        140,
        3,
        TradeEvent::AttemptReversed {
            attempt: 1,
            proof: Proof::Answer,
            refunded: Some(true),
        },
    );
    it.intend(150, 101, 1, NATIVE, 40);
    it.write(151, 101, TradeEvent::AttemptUnresolved { attempt: 1 });
    it
}

#[test]
fn agents_are_told_apart_by_the_terms_beside_the_order() {
    let all = trade().count("2026-11-26", "2026-11-27", "agent,channel");
    let paid: Vec<_> = all
        .rows
        .iter()
        .map(|(key, line)| {
            let agent = key.agent.as_ref().map(ToString::to_string);
            (
                agent,
                key.channel.expect("asked"),
                said(line.paid),
                said(line.reversed_paid),
            )
        })
        .collect();
    assert_eq!(
        paid,
        [
            (None, Channel::Wechat, (1, 500), (0, 0)),
            (None, Channel::Alipay, (0, 0), (0, 0)),
            (Some("AG1".into()), Channel::Alipay, (1, 900), (1, 900)),
        ]
    );
    let later = trade().count("2026-11-26T02", "2026-11-26T03", "agent");
    let reversed: Vec<_> = later
        .rows
        .iter()
        .map(|(key, line)| (key.agent.is_some(), said(line.reversed_paid)))
        .collect();
    assert_eq!(
        reversed,
        [(false, (0, 0)), (true, (1, 900))],
        "begun before the range"
    );
    assert!(super::render::csv(&later).starts_with("agent,created,"));
}

fn said(sum: Sum) -> (u64, u64) {
    (sum.count, sum.fen)
}

#[test]
fn each_event_counts_where_it_belongs() {
    let all = trade().count("2026-11-26", "2026-11-27", "channel,pay_way");
    let rows: Vec<_> = all
        .rows
        .iter()
        .map(|(key, line)| (key.channel.expect("asked"), key.pay_way.expect("asked"), *line))
        .collect();
    let of = |way: (Channel, PayWay)| {
        rows.iter()
            .find(|(channel, pay_way, _)| (*channel, *pay_way) == way)
            .expect("a row")
            .2
    };
    let native = of(NATIVE);
    assert_eq!(
        [
            native.created,
            native.paid,
            native.refunded,
            native.closed,
            native.unknown,
            native.unresolved
        ]
        .map(said),
        [(3, 1240), (1, 500), (1, 200), (1, 700), (1, 500), (1, 40)]
    );
    let code = of(CODE);
    assert_eq!(
        [code.created, code.paid, code.failed, code.reversed_paid].map(said),
        [(2, 1600), (1, 900), (1, 700), (1, 900)]
    );
    // One paid, two ended unpaid; and one paid, one not placed: what was paid and then reversed had been paid.
    assert_eq!(
        (native.success(), code.success(), Line::default().success()),
        (Some(3333), Some(5000), None)
    );
    assert_eq!(said(all.total.created), (5, 2840));
}

#[test]
fn an_order_ends_once_however_late_and_wherever_it_is_paid() {
    let mut it = Written::default();
    // Closed, and paid all the same; moved to another account, and paid there; moved, and not paid there either.
    it.intend(1, 1, 1, NATIVE, 100);
    let closed = |attempt| TradeEvent::AttemptClosed {
        attempt,
        proof: Proof::Query,
    };
    it.write(2, 1, closed(1));
    it.pay(70, 1, 1, 100);
    it.intend(3, 2, 1, NATIVE, 200);
    it.write(4, 2, closed(1));
    it.intend(5, 2, 2, NATIVE, 200);
    it.pay(6, 2, 2, 200);
    it.intend(7, 4, 1, NATIVE, 300);
    it.write(8, 4, closed(1));
    it.intend(9, 4, 2, NATIVE, 300);
    it.write(10, 4, closed(2));
    let all = it.count("2026-11-26", "2026-11-27", "pay_way");
    let line = all.total;
    assert_eq!(
        [line.created, line.paid, line.closed].map(said),
        [(3, 600), (2, 300), (4, 900)]
    );
    assert_eq!(line.success(), Some(6666));
    // Its first hour said that it was closed, and says so for ever.
    let hours = it.count("2026-11-26", "2026-11-27", "hour");
    let rates: Vec<_> = hours.rows.values().map(Line::success).collect();
    assert_eq!(rates, [Some(3333), Some(10_000)]);
    assert_eq!(hours.total.success(), Some(6666));
}

#[test]
fn figures_of_an_hour_do_not_depend_on_what_else_is_asked() {
    let trade = trade();
    let whole = trade.count("2026-11-26", "2026-11-27", "hour,channel,pay_way");
    let mut rows = BTreeMap::new();
    for hour in 0..24 {
        // Orders that began in an earlier hour are found on the way back.
        let to = if hour == 23 {
            "2026-11-27".to_owned()
        } else {
            format!("2026-11-26T{:02}", hour + 1)
        };
        let part = trade.count(&format!("2026-11-26T{hour:02}"), &to, "hour,channel,pay_way");
        assert!(
            part.rows
                .keys()
                .all(|key| key.at == Some(begin().plus_millis(hour * ask::HOUR_MS)))
        );
        rows.extend(part.rows);
    }
    assert_eq!(rows, whole.rows);
    assert!(rows.len() >= 5);
    let created: u64 = rows.values().map(|line| line.created.fen).sum();
    assert_eq!(created, whole.total.created.fen);
}

#[test]
fn days_and_merchants_are_told_apart_and_both_forms_say_the_same() {
    let all = trade().count("2026-11-26", "2026-11-27", "merchant,day");
    let json = render::json(&all);
    assert_eq!(json["rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&json["rows"][1]["merchant"], &json["rows"][1]["day"]),
        (&serde_json::json!("m2"), &serde_json::json!("2026-11-26"))
    );
    assert_eq!(
        (&json["total"]["paid"]["fen"], &json["total"]["success_rate"]),
        (&serde_json::json!(1400), &serde_json::json!("0.4000"))
    );
    let csv = render::csv(&all);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(
        lines[0],
        "day,merchant,created,created_fen,paid,paid_fen,refunded,refunded_fen,closed,closed_fen,reversed,reversed_fen,reversed_paid,reversed_paid_fen,failed,failed_fen,unknown,unknown_fen,unresolved,unresolved_fen,success_rate"
    );
    assert_eq!(
        lines[1],
        "2026-11-26,m1,4,2800,2,1400,1,200,1,700,0,0,1,900,1,700,1,500,0,0,0.5000"
    );
    assert_eq!(
        lines[2],
        "2026-11-26,m2,1,40,0,0,0,0,0,0,0,0,0,0,0,0,0,0,1,40,0.0000"
    );
    let nothing = trade().count("2026-11-25", "2026-11-26", "");
    assert_eq!(render::csv(&nothing).lines().count(), 2);
    assert_eq!(
        render::json(&nothing)["total"]["success_rate"],
        serde_json::Value::Null
    );
}

#[test]
fn an_order_whose_beginning_is_not_there_counts_nowhere() {
    let trade = trade();
    let ask = Ask::parse(
        Some("2026-11-26T01"),
        Some("2026-11-26T02"),
        None,
        Day::from_number(0),
        true,
    )
    .expect("lawful");
    let mut statistics = Statistics::new(ask);
    let paid = trade
        .0
        .iter()
        .find(|entry| matches!(entry.event, TradeEvent::AttemptPaid { .. }))
        .expect("one");
    statistics.observe(paid, &mut |_| None).expect("few rows");
    assert_eq!(statistics.total, Line::default());
}
