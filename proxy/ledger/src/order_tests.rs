use super::*;

fn order_no() -> OrderNo {
    OrderNo::new("shop-1").expect("lawful")
}

fn merchant() -> MerchantId {
    MerchantId::new("m1").expect("lawful")
}

fn intent(attempt: u16, channel: Channel) -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: AccountNo::new("1900000109").expect("lawful"),
        amount: Amount::from_fen(100),
        attempt,
        carried: Carried::Unified,
        channel,
        code: Code { kind: CodeKind::Dynamic, level: CodeLevel::C },
        content: KeyedDigest::from_bytes([0; 32]),
        expires: Instant::from_secs(7200),
        keys: Keys::Held,
        number: ChannelNo::new(format!("no{attempt}")).expect("lawful"),
        order_no: order_no(),
        pay_way: PayWay::Native,
        payee: PayeeNo::new("1900000109").expect("lawful"),
        payer: None,
        seal: None,
        terminal: None,
    }
}

fn order() -> Order {
    let entry = TradeEntry {
        at: Instant::default(),
        event: intent(1, Channel::Wechat),
        merchant: Some(merchant()),
        mseq: Some(1),
        order: Some(payment_id(&merchant(), &order_no())),
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: ENTRY_VERSION,
    };
    Order::begin(0, &entry).expect("begins")
}

fn paid(attempt: u16, fen: u64, secs: i64) -> TradeEvent {
    let facts = PaidFacts {
        amount: Amount::from_fen(fen),
        bank_type: None,
        number: ChannelNo::new(format!("no{attempt}")).expect("lawful"),
        paid_at: Instant::from_secs(secs),
        trade_no: TradeNo::new(format!("T{attempt}")).expect("lawful"),
    };
    TradeEvent::AttemptPaid { attempt, facts, payer: None, proof: Proof::Query, seal: None }
}

fn refund(no: &str, fen: u64) -> TradeEvent {
    TradeEvent::RefundIntended {
        amount: Amount::from_fen(fen),
        attempt: 1,
        cause: RefundCause::Merchant,
        number: ChannelNo::new(no).expect("lawful"),
        refund_no: RefundNo::new(no).expect("lawful"),
    }
}

fn go(order: &mut Order, event: TradeEvent) -> Result<(), Illegal> {
    order.check(&event)?;
    order.apply(order.last + 1, Instant::default(), &event);
    Ok(())
}

fn succeeded(no: &str) -> TradeEvent {
    TradeEvent::RefundSucceeded { proof: Proof::Query, refund_no: RefundNo::new(no).expect("lawful"), refunded_at: None, trade_no: None }
}

#[test]
fn a_notice_may_come_before_the_outcome_of_the_create() {
    let mut order = order();
    go(&mut order, paid(1, 100, 5)).expect("Intent → Paid is legal");
    assert_eq!(order.state(), OrderState::Paid);
    let late = TradeEvent::AttemptPlaced { attempt: 1, reach: None };
    assert!(go(&mut order, late).is_err(), "the answer that comes later changes nothing");
    assert!(go(&mut order, paid(1, 100, 5)).is_err(), "paid once");
}

#[test]
fn refunds_never_exceed_what_was_paid_and_failed_ones_give_back() {
    let mut order = order();
    assert!(go(&mut order, refund("r0", 1)).is_err(), "nothing was paid");
    go(&mut order, paid(1, 100, 5)).expect("paid");
    go(&mut order, refund("r1", 60)).expect("fits");
    assert!(go(&mut order, refund("r2", 41)).is_err());
    assert!(go(&mut order, refund("r1", 60)).is_err(), "under way");
    let failed = TradeEvent::RefundFailed { code: "NOT_ENOUGH".into(), refund_no: RefundNo::new("r1").expect("lawful") };
    go(&mut order, failed).expect("failed");
    go(&mut order, refund("r2", 100)).expect("fits now");
    assert!(go(&mut order, refund("r1", 60)).is_err(), "the repeat of r1 no longer fits");
    go(&mut order, succeeded("r2")).expect("succeeded");
    assert_eq!(order.state(), OrderState::Refunded);
    assert!(!order.is_live());
}

#[test]
fn a_second_attempt_needs_the_first_to_be_over_and_the_later_payment_is_surplus() {
    let mut order = order();
    assert!(go(&mut order, intent(2, Channel::Alipay)).is_err());
    go(&mut order, TradeEvent::AttemptPlaced { attempt: 1, reach: None }).expect("placed");
    assert!(go(&mut order, intent(2, Channel::Alipay)).is_err());
    go(&mut order, TradeEvent::CloseIntended { attempt: 1, reason: CloseReason::Replaced }).expect("closing");
    go(&mut order, TradeEvent::AttemptClosed { attempt: 1, proof: Proof::Answer }).expect("closed");
    go(&mut order, intent(2, Channel::Alipay)).expect("another way");
    go(&mut order, paid(2, 100, 50)).expect("paid");
    assert_eq!(order.surplus(), Vec::<u16>::new());
    go(&mut order, paid(1, 100, 60)).expect("a late success is recorded");
    assert_eq!((order.winner().map(|w| w.0), order.surplus()), (Some(2), vec![1]));
    assert!(order.is_live(), "the surplus has to go back");
}

#[test]
fn what_is_live_is_what_the_channel_may_still_change() {
    let mut order = order();
    assert!(order.is_live() && order.state() == OrderState::Unknown);
    go(&mut order, TradeEvent::AttemptNotPlaced { attempt: 1, code: None, reason: NotPlaced::NeverSent }).expect("not placed");
    assert!(!order.is_live());
    go(&mut order, intent(2, Channel::Wechat)).expect("the same number again");
    go(&mut order, TradeEvent::AttemptUnknown { attempt: 2, reason: Unclear::Timeout }).expect("unknown");
    assert!(order.is_live());
    assert!(go(&mut order, TradeEvent::ProcessStopped { boot: Boot::from_bytes([0; 16]) }).is_err());
}
