use super::*;

fn name<T: std::str::FromStr>(text: &str) -> T
where
    T::Err: std::fmt::Debug,
{
    text.parse().expect("a lawful name")
}

fn trade_events() -> Vec<TradeEvent> {
    use TradeEvent::*;
    let at = Instant::from_secs(1_767_225_600);
    let bill = BillKey {
        account: name("19"),
        channel: Channel::Wechat,
        day: at.day(),
        kind: BillKind::Trade,
    };
    let payer = PayerToken {
        epoch: 3,
        token: Token::from_bytes([7; 16]),
    };
    let seal = SealRef {
        bucket: 9,
        records: 2,
    };
    let measure = Measure {
        effect: Effect::Stop,
        id: name("m-1"),
        subject: Subject::Account {
            account: name("1900000109"),
            channel: Channel::Wechat,
        },
        until: at,
    };
    vec![
        ProcessStarted {
            boot: Boot::from_bytes([1; 16]),
            bucket_seconds: Some(60),
            deadline_seconds: Some(120),
            notify_seconds: Some(86_400),
            settings: Digest::from_bytes([2; 32]),
            version: "0.1.0".into(),
        },
        RegistryLoaded {
            acquirer: Some(AcquirerNo::new("acq1").expect("lawful")),
            digest: Digest::from_bytes([2; 32]),
            kind: Registry::Acquirer,
            not_after: at,
            version: 4,
        },
        MeasureObserved {
            cases_index: 5,
            measure,
        },
        Refused {
            amount: Some(Amount::from_fen(1)),
            channel: Some(Channel::Alipay),
            clause: Clause::NOT_ACCEPTED,
            code: Some(Code {
                kind: CodeKind::Static,
                level: CodeLevel::D,
            }),
            operation: Operation::Create,
            order_no: Some(name("A1")),
            payee: Some(name("2088")),
            payer: Some(payer),
        },
        AttemptIntended {
            account: name("1900000109"),
            amount: Amount::from_fen(100),
            appid: Some(name("wx1")),
            sub_appid: Some(name("wx2")),
            attempt: 1,
            carried: Carried::PassThrough,
            channel: Channel::Wechat,
            code: Code {
                kind: CodeKind::Dynamic,
                level: CodeLevel::B,
            },
            content: KeyedDigest::from_bytes([4; 32]),
            expires: at,
            keys: Keys::Held,
            number: name("A1"),
            order_no: name("A1"),
            pay_way: PayWay::Jsapi,
            payee: name("1900000109"),
            payer: Some(payer),
            rates: Some(RateSnapshot {
                agent: Some(name("A1")),
                agent_rate: Some(300),
                rate: 380,
            }),
            route: Some(std::sync::Arc::new(RouteTaken {
                after: Some(1),
                passed: vec![Passed {
                    account: name("19"),
                    why: PassedWhy::BreakerOpen,
                }],
                rule: Some("night".into()),
                why: RouteWhy::Failover,
            })),
            seal: Some(seal),
            terminal: Some(name("T-1")),
            terminal_match: Some(std::sync::Arc::new(TerminalMatch {
                area: "310101".into(),
                registry: 7,
                store: Some(Shop {
                    address: "南京东路 1 号".into(),
                    id: "S-1".into(),
                    name: "南京路店".into(),
                }),
                term_id: Some("49000002".into()),
                tuple: Some(Digest::from_bytes([3; 32])),
            })),
            terminal_unmatched: true,
        },
        NamedAtChannel {
            account: name("777290058110048"),
            attempt: 1,
            channel: Channel::Unionpay,
            number: name("R20260101000001"),
            refund_no: Some(name("R20260101000001")),
            time: at,
        },
        BankNamed {
            attempt: 1,
            bank: name("ICBC"),
        },
        ReverseNamed {
            account: name("777290058110048"),
            attempt: 1,
            channel: Channel::Unionpay,
            number: name("V20260101000001"),
            time: at,
        },
        AttemptCombined {
            attempt: 1,
            with: Combined {
                number: name("C1"),
                parts: vec![CombinedPart {
                    number: name("A1"),
                    payee: name("1900000109"),
                }],
            },
        },
        AttemptPlaced {
            attempt: 1,
            reach: Some(Reach::Code("weixin://wxpay/bizpayurl?pr=x\"\\/\u{7f}微".into())),
        },
        AttemptPaid {
            attempt: 1,
            facts: PaidFacts {
                amount: Amount::from_fen(100),
                bank_type: Some("CMC_DEBIT".into()),
                number: name("A1"),
                paid_at: at,
                trade_no: name("4200"),
            },
            payer: Some(payer),
            proof: Proof::Notice,
            seal: Some(seal),
        },
        AttemptNotPlaced {
            attempt: 1,
            code: Some("ACQ.BUYER_BALANCE_NOT_ENOUGH".into()),
            declined: Some(Declined { payer: Some(payer) }),
            reason: NotPlaced::Refused,
        },
        AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: Some(Declined::default()),
            reason: NotPlaced::Refused,
        },
        ReverseIntended {
            attempt: 1,
            reason: ReverseReason::Unpaid,
        },
        ReverseUnknown {
            attempt: 1,
            reason: Some(Unclear::Timeout),
        },
        ReverseUnknown {
            attempt: 1,
            reason: None,
        },
        ReverseRefused {
            attempt: 1,
            code: "ACQ.TRADE_CANCEL_TIME_OUT".into(),
        },
        AttemptReversed {
            attempt: 1,
            proof: Proof::Answer,
            refunded: Some(true),
        },
        AttemptReversed {
            attempt: 1,
            proof: Proof::Query,
            refunded: None,
        },
        NothingCameLate { attempt: 1 },
        RefundIntended {
            amount: Amount::from_fen(1),
            attempt: 1,
            cause: RefundCause::Surplus,
            number: name("R1"),
            refund_no: name("R1"),
        },
        RefundSucceeded {
            proof: Proof::Query,
            refund_no: name("R1"),
            refunded_at: Some(at),
            trade_no: None,
        },
        Mismatched {
            account: name("19"),
            channel: Channel::Wechat,
            number: name("A1"),
            proof: Proof::Notice,
            what: Mismatch::Amount,
        },
        CodeMade {
            amount: Some(Amount::from_fen(100)),
            code: Code {
                kind: CodeKind::Dynamic,
                level: CodeLevel::B,
            },
            code_no: name("desk-1"),
            expires: Some(at),
            id: CodeId::from_random([5; 10]),
            order_no: Some(name("A1")),
            payee: Some(name("1900000110")),
            terminal: Some(name("T-1")),
            title: Some("奶茶 Milk tea".into()),
        },
        GuardRefused {
            account: Some(name("19")),
            breach: Breach::Funds,
            channel: Some(Channel::Wechat),
            clause: Breach::Funds.clause(),
            count: Some(3),
            name: Some("profit_sharing".into()),
            operation: Some(Operation::Create),
            since: Some(at),
        },
        GuardRefused {
            account: None,
            breach: Breach::Form,
            channel: None,
            clause: Breach::Form.clause(),
            count: None,
            name: None,
            operation: None,
            since: None,
        },
        CodeRevoked {
            id: CodeId::from_random([5; 10]),
        },
        AttemptDeclined {
            attempt: 1,
            code: "PAYERROR".into(),
            payer: None,
        },
        ByCode {
            attempt: 1,
            id: CodeId::from_random([5; 10]),
        },
        BucketDestroyed {
            boot: Boot::from_bytes([1; 16]),
            bucket: 9,
            deadline: at,
            openings: [(Purpose::Notify, 2), (Purpose::Forward, 1)].into(),
            records: 3,
        },
        BreakerTurned {
            account: name("19"),
            ailment: Some(Ailment::Silent),
            channel: Channel::Wechat,
            class: OperationClass::Place,
            state: BreakerState::Open,
        },
        BreakerTurned {
            account: name("19"),
            ailment: None,
            channel: Channel::Wechat,
            class: OperationClass::Ask,
            state: BreakerState::HalfOpen,
        },
        EpochOpened {
            epoch: 1,
            from: at.day(),
            grade: "C".into(),
            until: at.day(),
        },
        BillAsked {
            bill: bill.clone(),
            tries: 1,
        },
        BillNotAsked { bill: bill.clone() },
        BillRefused {
            bill: bill.clone(),
            code: "STATEMENT_CREATING".into(),
        },
        BillTaken {
            again: true,
            bill: bill.clone(),
            digest: Some(Digest::from_bytes([2; 32])),
            entries: 7,
        },
        BillDiffers {
            bill: bill.clone(),
            amount: Some(Amount::from_fen(1)),
            bill_amount: Some(Amount::from_fen(2)),
            bill_state: Some(BillState::Done),
            bill_trade_no: Some(name("42")),
            day: at.day(),
            difference: DifferenceKind::Amount,
            movement: Movement::Refund,
            n: 1,
            number: Some(name("T1")),
            payment: Some(PaymentId::from_bytes([3; 16])),
            refund: Some(name("R1")),
            state: Some(RecordState::Open),
            trade_no: Some(name("42")),
        },
        BillSettled {
            bill: bill.clone(),
            difference: 8,
        },
        BillResolved {
            bill: bill.clone(),
            cases_index: 3,
            difference: 8,
            resolution: Resolution::Explained,
        },
        BillEarly {
            bill: bill.clone(),
            refunds: vec![(name("T1"), name("R1"))],
        },
        BillUnanswered {
            bill: bill.clone(),
            movements: vec![Unanswered {
                code: "unclear".into(),
                number: name("T1"),
                payment: PaymentId::from_bytes([3; 16]),
                refund: Some(name("R1")),
            }],
        },
        BillMatched {
            bill: bill.clone(),
            differences: 1,
            fee_millifen: -600,
            lines: 2,
            paid: Amount::from_fen(1),
            payments: 1,
            refunded: Amount::from_fen(1),
            refunds: 1,
        },
    ]
}

/// Sorted keys, no white space: what a stranger with any JSON library would make of the same value.
fn canonical_by_a_stranger(bytes: &[u8]) -> Vec<u8> {
    let value: serde_json::Value = serde_json::from_slice(bytes).expect("json");
    serde_json::to_vec(&value).expect("json")
}

#[test]
fn direct_serialisation_is_canonical_and_reads_back() {
    for event in trade_events() {
        let entry = Entry {
            at: Instant::from_millis(1_767_225_600_123),
            event,
            merchant: Some(name("m1")),
            mseq: Some(3),
            order: Some(PaymentId::from_bytes([8; 16])),
            prev: Some(2),
            salt: Salt::from_bytes([9; 16]),
            tell: Some(1),
            v: ENTRY_VERSION,
        };
        let bytes = entry.to_canonical();
        assert_eq!(
            String::from_utf8_lossy(&bytes),
            String::from_utf8_lossy(&canonical_by_a_stranger(&bytes))
        );
        assert_eq!(Entry::from_canonical(&bytes).expect("reads back"), entry);
    }
}

#[test]
fn a_flag_is_canonical_too() {
    let event = CaseEvent::FlagRaised {
        acquirer: name("acq1"),
        flag: 1,
        inputs: Digest::from_bytes([1; 32]),
        merchant: name("m1"),
        parameters: [("count".into(), 3), ("amount".into(), 5)].into(),
        payer: None,
        rule: "T01".into(),
        threshold: 3,
        trades: vec![1, 2, 3],
        unit: "trades".into(),
        value: 3,
        version: 1,
        window_from: Instant::from_secs(0),
        window_until: Instant::from_secs(1),
    };
    let entry = Entry {
        at: Instant::from_secs(1),
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: 1,
    };
    let bytes = entry.to_canonical();
    assert_eq!(bytes, canonical_by_a_stranger(&bytes));
    assert_eq!(Entry::from_canonical(&bytes).expect("reads back"), entry);
}

/// What a later build means by it, this one cannot know.
#[test]
fn an_entry_of_a_later_version_is_refused_and_says_so() {
    let entry = |v: u8| {
        let salt = "00".repeat(16);
        format!(
            "{{\"at\":1,\"event\":{{\"epoch_destroyed\":{{\"epoch\":1}}}},\"salt\":\"{salt}\",\"v\":{v}}}"
        )
    };
    let read = |v: u8| TradeEntry::from_canonical(entry(v).as_bytes());
    assert_eq!(read(ENTRY_VERSION).map(|entry| entry.v).ok(), Some(ENTRY_VERSION));
    let error = read(ENTRY_VERSION + 1).expect_err("of a later build");
    assert!(error.to_string().contains("a later build wrote it"), "{error}");
}
