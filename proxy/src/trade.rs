//! An order that Alipay's own client means by Alipay's number of it, before that number is on record: a payment puts it there, a
//! payer who types a password or has only scanned does not. Alipay is asked, with our key, whose number it is.

use crate::{
    app::App,
    exchange::{Exchanged, ask},
    fault::Fault,
    stages::parse,
};
use channel::{Answer, native::Native};
use domain::*;
use ledger::Order;
use std::sync::Arc;

/// The order on record that is meant, and its own number at Alipay. `None` where nothing needs to be asked, nobody here may ask,
/// or Alipay names another order than the request: what the record says then stands.
pub(crate) async fn of(
    app: &App,
    merchant: &MerchantId,
    native: &Native,
    found: Option<&Order>,
) -> Result<Option<(Arc<Order>, ChannelNo)>, Fault> {
    let Some(trade_no) = native.trade_no.as_ref().filter(|_| is_open(native, found)) else {
        return Ok(None);
    };
    // What was placed for another merchant only that merchant's authorisation can ask for, and we keep none.
    let registries = app.registries();
    let owner = registries.owner(native.channel, &native.account);
    let held = |facts: &policy::registry::AccountFacts| facts.keys == Keys::Held;
    let Some((_, facts)) =
        owner.filter(|(_, facts)| held(facts) && native.app_auth_token.is_none())
    else {
        return Ok(None);
    };
    let account = app.account(facts, None, None);
    let asked = ask(app, &account, Operation::Query, PayWay::Qr, |stamp| {
        channel::query_trade(&account, stamp, trade_no)
    })
    .await;
    let Exchanged::Answer(Answer::State(view)) = asked else {
        return Ok(None);
    };
    if native.number.as_ref().is_some_and(|number| *number != view.number) {
        return Ok(None);
    }
    let order = parse::by_number(app, merchant, native, &view.number).await?;
    Ok(order.map(|order| (order, view.number)))
}

/// Is Alipay's number in the request, and none on record that would prove or disprove it?
fn is_open(native: &Native, found: Option<&Order>) -> bool {
    let known = found.and_then(|order| match &native.number {
        Some(number) => order.attempt_by_number(native.channel, &native.account, number),
        None => order.attempt_by_trade_no(native.channel, &native.account, native.trade_no.as_ref()?),
    });
    let may_be = found.is_none() && native.number.is_none()
        || known.is_some_and(|(_, attempt)| attempt.trade_no().is_none());
    native.channel == Channel::Alipay && may_be
}
