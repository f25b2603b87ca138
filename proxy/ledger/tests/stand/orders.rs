//! Orders of a few merchants, and futures that are polled by hand.

use domain::*;
use std::{
    future::Future,
    task::{Context, Poll, Waker},
};

pub(crate) fn merchant(n: u64) -> MerchantId {
    MerchantId::new(format!("m{n}")).expect("lawful")
}

pub(crate) fn order_no(n: u64) -> OrderNo {
    OrderNo::new(format!("shop{n}")).expect("lawful")
}

pub(crate) fn intent(n: u64, attempt: u16) -> TradeEvent {
    TradeEvent::AttemptIntended {
        account: AccountNo::new("1900000109").expect("lawful"),
        amount: Amount::from_fen(100),
        appid: None,
        sub_appid: None,
        attempt,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([0; 32]),
        expires: Instant::from_secs(1_767_232_800),
        keys: Keys::Held,
        number: ChannelNo::new(format!("n{n}x{attempt}")).expect("lawful"),
        order_no: order_no(n),
        pay_way: if n.is_multiple_of(2) {
            PayWay::Native
        } else {
            PayWay::Micropay
        },
        payee: PayeeNo::new("1900000109").expect("lawful"),
        payer: None,
        rates: None,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    }
}

/// Starts a future without a runtime: it has appended when this returns.
pub(crate) fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
