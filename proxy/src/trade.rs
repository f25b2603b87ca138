//! An order that a merchant's own client means by the channel's number of it, before that number is on record. A payment puts it
//! there; until somebody has told us of the payment, the channel is asked, with our key.

use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
    fault::{Code, Fault},
    named,
    payment::OrderRef,
    stages::parse,
    sweep,
};
use channel::{Answer, ChannelState, native::Native};
use domain::*;
use ledger::{Attempt, Order};
use parking_lot::Mutex;
use policy::registry::AccountFacts;
use std::{collections::HashSet, sync::Arc, time::Duration};

/// So many open orders are asked for at most, where the channel cannot be asked by its own number.
const MOST: usize = 8;

/// Accounts of UnionPay's at which an order is looked for now, by one request each.
#[derive(Default)]
pub(crate) struct Searches(Mutex<HashSet<AccountNo>>);

/// One search, for as long as it is held.
struct Search<'a>(&'a Searches, AccountNo);

impl Searches {
    fn begin(&self, account: &AccountNo) -> Option<Search<'_>> {
        let first = self.0.lock().insert(account.clone());
        first.then(|| Search(self, account.clone()))
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        self.0.0.lock().remove(&self.1);
    }
}

/// One more question to this channel, within its rate.
fn rated(app: &App, channel: Channel) -> Result<(), Fault> {
    app.channel_rate(channel)
        .map_err(|wait| Fault::of(Code::TooManyRequests).retry(wait))
}

/// The order that is meant, as the record then names it. `None` where nothing needs to be asked, nobody here may ask, or the
/// channel names another order than the request: what the record says then stands.
//= C87
pub(crate) async fn of(
    app: &App,
    merchant: &MerchantId,
    native: &Native,
    found: Option<&Arc<Order>>,
) -> Result<Option<OrderRef>, Fault> {
    // What was placed for another merchant only that merchant's authorisation can ask for, and we keep none.
    let registries = app.registries();
    let owner = registries.owner(native.channel, &native.account);
    let held = owner.filter(|(_, facts)| facts.keys == Keys::Held && native.app_auth_token.is_none());
    let Some((_, facts)) = held else {
        return Ok(None);
    };
    if let (Channel::Unionpay, Some(order)) = (native.channel, found.filter(|_| native.number.is_some())) {
        by_its_own_number(app, native, order).await?;
        return Ok(None);
    }
    let Some(trade_no) = &native.trade_no else {
        return Ok(None);
    };
    let meant = match native.channel {
        Channel::Alipay | Channel::Wechat if is_open(native, found.map(|order| &**order)) => {
            rated(app, native.channel)?;
            let number = named_there(app, facts, native, trade_no).await;
            let Some(number) = number else { return Ok(None) };
            let order = parse::by_number(app, merchant, native, &number).await?;
            order.map(|order| (order.id, Some(number)))
        }
        Channel::Unionpay if found.is_none() && native.number.is_none() => {
            at_unionpay(app, merchant, native, trade_no).await?
        }
        _ => None,
    };
    Ok(meant.map(|(id, number)| OrderRef {
        id,
        trade_no: number.is_none().then(|| trade_no.clone()),
        placed: native.placed.filter(|_| number.is_some()),
        number,
        payee: native.payee.clone(),
    }))
}

/// Is the channel's number in the request, and none on record that would prove or disprove it? A payer who types a password or
/// has only scanned puts none there, and of a payment whose notice went to the merchant itself only a look tells.
fn is_open(native: &Native, found: Option<&Order>) -> bool {
    let known = found.and_then(|order| match &native.number {
        Some(number) => order.attempt_by_number(native.channel, &native.account, number),
        None => order.attempt_by_trade_no(native.channel, &native.account, native.trade_no.as_ref()?),
    });
    found.is_none() && native.number.is_none()
        || known.is_some_and(|(_, attempt)| attempt.trade_no().is_none())
}

/// The number of the order that the channel knows by its own, for the payee that the request names.
async fn named_there(
    app: &App,
    facts: &AccountFacts,
    native: &Native,
    trade_no: &TradeNo,
) -> Option<ChannelNo> {
    let account = app.account(facts, native.payee.as_ref(), None);
    let asked = ask(app, &account, Operation::Query, PayWay::Qr, |stamp| {
        channel::query_trade(&account, stamp, trade_no)
    })
    .await;
    let Exchanged::Answer(Answer::State(view)) = asked else {
        return None;
    };
    let same = native.number.as_ref().is_none_or(|number| *number == view.number);
    let of_another = match &view.state {
        ChannelState::Paid(facts) | ChannelState::Refunded(facts) => facts.trade_no != *trade_no,
        _ => false,
    };
    (same && !of_another).then_some(view.number)
}

/// A cancel, or a refund that names UnionPay's number too, of an order that it names by its own number and time: nothing needs to be
/// searched for, but the payment must be on record. What names the order by its number alone is looked at under its claim.
async fn by_its_own_number(app: &App, native: &Native, order: &Arc<Order>) -> Result<(), Fault> {
    let goes_back = native.operation == Operation::Reverse || native.trade_no.is_some();
    let Some(number) = native
        .number
        .as_ref()
        .filter(|_| goes_back && native.refund.is_some())
    else {
        return Ok(());
    };
    let meant = named::attempt(order, native.channel, &native.account, number, native.placed);
    let open = |a: &Attempt| a.paid.is_none() && !a.state.is_final() && a.keys == Keys::Held;
    if let Some((position, _)) = meant.filter(|(_, attempt)| open(attempt)) {
        rated(app, native.channel)?;
        paid_meanwhile(app, order.clone(), position).await?;
    }
    Ok(())
}

/// UnionPay is asked by an order's own number and time only (channels.md 4.3), and a refund or cancel may name neither. So the
/// merchant's open orders of this account are asked for, newest first, that could be the payment; the one whose payment bears
/// the number is on record then. One request looks at an account at a time, and what it asks counts for the channel's rate: so
/// nobody who makes up numbers keeps UnionPay from orders.
async fn at_unionpay(
    app: &App,
    merchant: &MerchantId,
    native: &Native,
    trade_no: &TradeNo,
) -> Result<Option<(PaymentId, Option<ChannelNo>)>, Fault> {
    let could_be = |a: &Attempt| {
        let of_this_account = a.channel == native.channel && a.account == native.account;
        let open = a.paid.is_none() && !a.state.is_final() && a.keys == Keys::Held;
        of_this_account && open && pays_back(native, a.amount)
    };
    let any = |order: &Order| order.attempts.iter().any(could_be);
    let busy = || Fault::of(Code::TooManyRequests).retry(Duration::from_secs(1));
    let _search = app.searches().begin(&native.account).ok_or_else(busy)?;
    for order in app
        .ledger()
        .newest_at_unionpay(merchant, &native.account, MOST, any)
    {
        let Some(position) = order.attempts.iter().position(could_be) else {
            continue;
        };
        let position = position as u16 + 1;
        rated(app, native.channel)?;
        let order = paid_meanwhile(app, order, position).await?;
        let bears_it = |a: &Attempt| {
            a.paid
                .as_ref()
                .is_some_and(|(facts, _)| facts.trade_no == *trade_no)
        };
        if order.attempt(position).is_some_and(bears_it) {
            return Ok(Some((order.id, None)));
        }
    }
    Ok(None)
}

/// A cancel takes back the whole of a payment, a refund no more.
fn pays_back(native: &Native, paid: Amount) -> bool {
    match native.operation {
        Operation::Reverse => native.amount == Some(paid),
        _ => native.amount.is_some_and(|amount| amount <= paid),
    }
}

/// The order, with its payment on record where the channel says now that it was paid.
pub(crate) async fn paid_meanwhile(app: &App, order: Arc<Order>, position: u16) -> Result<Arc<Order>, Fault> {
    let (Some(account), Some(attempt)) = (errand::account_of(app, &order, position), order.attempt(position))
    else {
        return Ok(order);
    };
    match errand::query(app, &account, attempt).await {
        Exchanged::Answer(Answer::State(view)) if sweep::is_paid(&view) => {
            let seen = sweep::seen(app, &order, position, view).await;
            seen.map_err(|error| Fault::of(Code::Stopping).inside(error))
        }
        _ => Ok(order),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    //= C87
    fn one_search_at_an_account_at_a_time() {
        let searches = Searches::default();
        let account = |no: &str| AccountNo::new(no).expect("lawful");
        let first = searches.begin(&account("777290058110048"));
        assert!(first.is_some());
        assert!(searches.begin(&account("777290058110048")).is_none());
        assert!(searches.begin(&account("777290058110049")).is_some());
        drop(first);
        assert!(searches.begin(&account("777290058110048")).is_some());
    }
}
