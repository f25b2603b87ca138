//! Orders as Alipay states them in answers (JSON) and notices (form) alike (channels.md 3.4, 3.5).

use crate::{
    ChannelState, OrderView,
    strict_json::{self, Value},
    times,
};
use domain::{AccountNo, Amount, ChannelNo, Instant, PaidFacts, PayeeNo, TradeNo};
use percent_encoding::percent_decode_str;
use std::sync::Arc;
use vault::{Payer, PayerField, Text};

/// Where named texts come from.
pub(crate) trait Named {
    /// A text that is there and not empty.
    fn named(&self, name: &str) -> Option<&str>;
    /// The funding channel of the first bill (class C1).
    fn funding(&self) -> Option<Arc<str>>;
}

impl Named for Value {
    fn named(&self, name: &str) -> Option<&str> {
        self.text(name).filter(|text| !text.is_empty())
    }

    fn funding(&self) -> Option<Arc<str>> {
        first_channel(self.list("fund_bill_list")?, "fund_channel")
    }
}

impl Named for crate::form::Form {
    fn named(&self, name: &str) -> Option<&str> {
        self.get(name)
    }

    fn funding(&self) -> Option<Arc<str>> {
        match strict_json::parse(self.get("fund_bill_list")?.as_bytes()).ok()? {
            Value::List(bills) => first_channel(&bills, "fundChannel"),
            _ => None,
        }
    }
}

/// A funding channel is a word such as `ALIPAYACCOUNT`; anything else is not kept.
fn first_channel(bills: &[Value], name: &str) -> Option<Arc<str>> {
    let channel = bills.first()?.text(name)?;
    let word =
        (1..=32).contains(&channel.len()) && channel.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word.then(|| Arc::from(channel))
}

/// An order; `None` where something that it must state is missing or unlawful. `paid_at` names the field with
/// the time of payment: `send_pay_date` in answers, `gmt_payment` in notices.
pub(crate) fn order(said: &impl Named, paid_at: &str) -> Option<OrderView> {
    let number = ChannelNo::new(said.named("out_trade_no")?).ok()?;
    let paid_at = match said.named(paid_at) {
        Some(text) => Some(times::china(text)?),
        None => None,
    };
    let state = match (said.named("trade_status")?, paid_at) {
        ("WAIT_BUYER_PAY", _) => ChannelState::NotPaid,
        ("TRADE_SUCCESS" | "TRADE_FINISHED", at) => ChannelState::Paid(paid(said, &number, at?)?),
        // Closed without a time of payment was never paid; with one it was paid and fully refunded.
        ("TRADE_CLOSED", None) => ChannelState::Closed,
        ("TRADE_CLOSED", Some(at)) => ChannelState::Refunded(paid(said, &number, at)?),
        _ => return None,
    };
    Some(OrderView {
        number,
        time: None,
        state,
        account: said.named("app_id").map(AccountNo::new).transpose().ok()?,
        payee: said.named("seller_id").map(PayeeNo::new).transpose().ok()?,
        payer: payer(said),
        attach: said.named("passback_params").map(unescaped),
    })
}

/// A payment as the answer to the charging call itself states it: there is no state, since it says "done"
/// (channels.md 3.1, 3.3).
pub(crate) fn paid_now(said: &impl Named) -> Option<OrderView> {
    let number = ChannelNo::new(said.named("out_trade_no")?).ok()?;
    let paid_at = times::china(said.named("gmt_payment")?)?;
    Some(OrderView {
        state: ChannelState::Paid(paid(said, &number, paid_at)?),
        number,
        time: None,
        account: None,
        payee: None,
        payer: payer(said),
        attach: None,
    })
}

fn paid(said: &impl Named, number: &ChannelNo, paid_at: Instant) -> Option<PaidFacts> {
    Some(PaidFacts {
        amount: Amount::parse_yuan(said.named("total_amount")?).ok()?,
        bank_type: said.funding(),
        number: number.clone(),
        paid_at,
        trade_no: TradeNo::new(said.named("trade_no")?).ok()?,
    })
}

pub(crate) fn payer(said: &impl Named) -> Option<Payer> {
    let names = [
        ("buyer_id", PayerField::BuyerId),
        ("buyer_user_id", PayerField::BuyerId),
        ("buyer_open_id", PayerField::BuyerOpenId),
    ];
    let found = names
        .into_iter()
        .find_map(|(name, field)| said.named(name).map(|value| (field, value)));
    found.map(|(field, value)| Payer {
        field,
        value: Text::from(value),
    })
}

/// Undoes the percent-encoding of `passback_params`; a text that has none stays as it is.
fn unescaped(text: &str) -> Text {
    match percent_decode_str(text).decode_utf8() {
        Ok(plain) => Text::new(plain.into_owned()),
        Err(_) => Text::from(text),
    }
}
