//! What is on record is done at the channel, for the first time or again. The same number and parameters go out each
//! time; what a repeat needs and no longer has is said, never made up.

use crate::{
    app::App,
    charge, combined,
    exchange::{self, Exchanged, ask},
    payment::{Errand, Texts},
    redirect,
    settle::{self, Ending, Settled},
    stages::claim::the_orders,
};
use channel::{Account, Answer, CreateFacts, RefundFacts};
use domain::*;
use ledger::{Attempt, Claim, CommitError, Happening, Held, Order, Refund};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use vault::{Context, RefundBuyer, Sealed};

/// Does one errand and says what came of it.
pub(crate) async fn perform(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    errand: &Errand,
    texts: Texts,
) -> Settled {
    match errand {
        Errand::Place(position) if order.attempt(*position).is_some_and(|a| a.pay_way.charges()) => {
            charge::pay(app, account, order, *position, texts).await
        }
        Errand::Place(position) if of_group(order, *position) => {
            combined::place_again(app, account, order, *position).await
        }
        Errand::Place(position) => place(app, account, order, *position, texts.buyer).await,
        Errand::Close(position) => close_at_channel(app, account, order, *position).await,
        Errand::Reverse(position) => charge::reverse(app, account, order, *position).await,
        Errand::Refund(refund_no) => refund(app, account, order, refund_no, texts.refund).await,
        Errand::Redirect(asked) => redirect::send(app, account, order, asked, texts.refund).await,
    }
}

/// One of several orders that one payment pays, composed by us: it goes out with the others only.
fn of_group(order: &Order, position: u16) -> bool {
    order
        .attempt(position)
        .is_some_and(|a| a.combined.is_some() && a.carried == Carried::Unified)
}

pub(crate) fn context(order: &Order, label: &'static str) -> Context {
    Context {
        merchant: order.merchant.clone(),
        order: order.id,
        label,
    }
}

/// What the channel is told of an attempt.
pub(crate) fn facts_of(attempt: &Attempt) -> CreateFacts<'_> {
    CreateFacts {
        number: &attempt.number,
        pay_way: attempt.pay_way,
        amount: attempt.amount,
        expires: attempt.expires,
        terminal: attempt.terminal.as_ref(),
        place: attempt.terminal_match.as_deref(),
        bank: attempt.bank.as_ref(),
        product: None,
        code: attempt.code,
    }
}

async fn place(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
    sealed: Option<Sealed<vault::Buyer>>,
) -> Settled {
    let Some(attempt) = order.attempt(position) else {
        return lost(position, NotPlaced::NeverSent);
    };
    let settled = place_once(app, account, order, position, attempt, sealed).await;
    if sent_before(app, order, position) {
        settle::placed_again(attempt, settled)
    } else {
        settled
    }
}

/// May the channel have it from before? Then only its own word that it has or has closed it is news.
pub(crate) fn sent_before(app: &App, order: &Order, position: u16) -> bool {
    let Some(attempt) = order.attempt(position) else {
        return false;
    };
    let again = attempt.state != AttemptState::Intended || attempt.at < app.started_at();
    // A former attempt under the same number was given up, and may have been slow rather than lost.
    let former = |a: &Attempt| {
        a.number == attempt.number && a.channel == attempt.channel && a.account == attempt.account
    };
    again
        || order
            .attempts
            .iter()
            .take(usize::from(position) - 1)
            .any(|a| former(a) && given_up(a))
}

/// It ended without a word of the channel on what was sent, but for a close that found nothing.
fn given_up(attempt: &Attempt) -> bool {
    matches!(
        attempt.not_placed,
        Some((NotPlaced::BuyerDataGone | NotPlaced::NotThere, _))
    )
}

async fn place_once(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    position: u16,
    attempt: &Attempt,
    sealed: Option<Sealed<vault::Buyer>>,
) -> Settled {
    let at = context(order, "create");
    let Some(sealed) = sealed.or_else(|| app.vault().kept(&at)) else {
        return lost(position, NotPlaced::BuyerDataGone);
    };
    let Ok(buyer) = app.vault().open_for(&sealed, &at, Purpose::Forward) else {
        return lost(position, NotPlaced::BuyerDataGone);
    };
    let facts = CreateFacts {
        product: order.by_code.as_ref().map(CodeId::as_str),
        ..facts_of(attempt)
    };
    if attempt.pay_way.is_handed_out(attempt.channel) {
        return hand_out(app, account, position, attempt, &buyer).await;
    }
    app.step("before_send");
    let exchanged = ask(app, account, Operation::Create, attempt.pay_way, |stamp| {
        channel::create(account, &stamp.about(attempt.begun()), &facts, &buyer)
    })
    .await;
    drop(buyer);
    app.step("after_send");
    let settled = match exchanged {
        Exchanged::Answer(answer) => settle::placed_here(order, position, answer),
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "an order was not sent");
            Settled {
                elsewhere: true,
                ..lost(position, NotPlaced::NeverSent)
            }
        }
    };
    if matches!(settled.ending, Ending::Unknown | Ending::Duplicate) {
        // While its key lives, the sweep may send it again. Nothing is renewed.
        if let Err(error) = app.vault().keep(&sealed, &at) {
            tracing::warn!(%error, "buyer data of an unknown order could not be kept");
        }
    }
    settled
}

/// Signs what the payer's browser or app will carry. Nothing leaves here: the text goes out with the answer, after the
/// record of it is durable, so that what is on record as intended only was never in anybody's hands.
async fn hand_out(
    app: &App,
    account: &Account,
    position: u16,
    attempt: &Attempt,
    buyer: &vault::Buyer,
) -> Settled {
    // Refused when it was read; our key signs nothing of the kind wherever it comes from.
    //= C80
    if let Some(told) = channel::unfit_of(account.channel, buyer) {
        tracing::error!(
            channel = account.channel.as_str(),
            ?told,
            "an order was not handed out: the channel cannot carry a text of it"
        );
        return lost(position, NotPlaced::NeverSent);
    }
    let facts = facts_of(attempt);
    app.step("before_send");
    let signed = exchange::hand_out(app, |stamp| {
        channel::hand_out(account, &stamp.about(attempt.begun()), &facts, buyer)
    })
    .await;
    app.step("after_send");
    app.health()
        .handed_out(account.channel, &account.account, app.clock().since_boot());
    match signed {
        Ok(handed_out) => settle::handed_out(position, handed_out),
        Err(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "an order was not handed out");
            lost(position, NotPlaced::NeverSent)
        }
    }
}

pub(crate) fn lost(attempt: u16, reason: NotPlaced) -> Settled {
    let event = TradeEvent::AttemptNotPlaced {
        attempt,
        code: None,
        declined: None,
        reason,
    };
    Settled::of(vec![event.into()], Ending::Recorded)
}

async fn close_at_channel(app: &App, account: &Account, order: &Arc<Order>, position: u16) -> Settled {
    let answer = ask_to_close(app, account, order, position).await;
    closed(app, order, position, answer)
}

fn closed(app: &App, order: &Order, position: u16, answer: Answer) -> Settled {
    let may_come = order
        .attempt(position)
        .is_some_and(|attempt| may_come(app, attempt));
    settle::closed(order, position, answer, may_come)
}

/// It is in the payer's hands and can still be opened or scanned: what the channel does not have, it may get.
pub(crate) fn may_come(app: &App, attempt: &Attempt) -> bool {
    attempt.pay_way.opens_late(attempt.channel)
        && attempt.state == AttemptState::Placed
        && channel::open_until(attempt.channel, attempt.expires) > app.clock().now()
}

pub(crate) async fn ask_to_close(app: &App, account: &Account, order: &Arc<Order>, position: u16) -> Answer {
    let Some(attempt) = order.attempt(position) else {
        return Answer::Unclear(Unclear::Garbage);
    };
    app.step("before_send");
    let exchanged = ask(
        app,
        account,
        Operation::Close,
        attempt.pay_way,
        |stamp| match &attempt.combined {
            Some(with) => channel::close_combined(account, stamp, with),
            None => channel::close(account, &stamp.about(attempt.begun()), &attempt.number),
        },
    )
    .await;
    app.step("after_send");
    match exchanged {
        // There is no close, and the order was asked for.
        Exchanged::Answer(Answer::State(view)) => {
            let word = channel::close_by_word(attempt.channel, &view);
            word.filter(|_| settle::is_about(attempt, &view))
                .unwrap_or(Answer::Unclear(Unclear::Garbage))
        }
        Exchanged::Answer(answer) => answer,
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a close was not sent");
            Answer::Unclear(Unclear::Connection)
        }
    }
}

/// Closes an attempt at its channel and puts that on record.
pub(crate) async fn close(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    reason: CloseReason,
) -> Result<Arc<Order>, CommitError> {
    let Some(account) = account_of(app, order, position) else {
        return Ok(order.clone());
    };
    let order = close_intended(app, order, position, reason).await?;
    let settled = close_at_channel(app, &account, &order, position).await;
    record(app, &order, settled.events).await
}

/// The same where the channel has no close and was just asked: that answer is the one a close would get.
pub(crate) async fn close_as_told(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    reason: CloseReason,
    told: Answer,
) -> Result<Arc<Order>, CommitError> {
    let order = close_intended(app, order, position, reason).await?;
    let settled = closed(app, &order, position, told);
    record(app, &order, settled.events).await
}

/// The same where whoever asks puts another attempt in its place at once. The order goes on: a word of "closed" would
/// cancel at the merchant's what is being paid.
pub(crate) async fn close_to_replace(
    app: &App,
    order: &Arc<Order>,
    position: u16,
) -> Result<Arc<Order>, CommitError> {
    let Some(account) = account_of(app, order, position) else {
        return Ok(order.clone());
    };
    // The merchant's own close that is under way stays the merchant's, and the same goes out again.
    let order = match order.attempt(position).is_some_and(Attempt::ended_by_merchant) {
        true => order.clone(),
        false => close_intended(app, order, position, CloseReason::Replaced).await?,
    };
    let settled = close_at_channel(app, &account, &order, position).await;
    record(app, &order, goes_on(settled.events)).await
}

/// What came of an attempt whose place another one takes: nobody needs to hear of its end.
pub(crate) fn goes_on(mut outcome: Vec<Happening>) -> Vec<Happening> {
    for happening in &mut outcome {
        happening.tell &= !matches!(
            happening.event,
            TradeEvent::AttemptClosed { .. } | TradeEvent::AttemptReversed { .. }
        );
    }
    outcome
}

/// Its order's end is over, and its bank may take it for longer: a payer who says that it was not paid there may go another way,
/// if the bank says so too.
pub(crate) fn may_be_left(app: &App, attempt: &Attempt) -> bool {
    let now = app.clock().now();
    may_come(app, attempt)
        && attempt.pay_way.is_handed_out(attempt.channel)
        && attempt.expires <= now
        && attempt.keys == Keys::Held
        && channel::can_be_asked(attempt.channel)
        && channel::tells_how_it_stands(attempt.channel, attempt.begun(), now)
}

/// Asks the bank about an attempt whose payer says that it was not paid. If the bank has nothing of it either it makes way, and
/// is looked for as long as the bank may still take it.
//= C89
pub(crate) async fn leave(app: &App, order: &Arc<Order>, position: u16) -> Result<Arc<Order>, CommitError> {
    let Some(account) = account_of(app, order, position) else {
        return Ok(order.clone());
    };
    let order = close_intended(app, order, position, CloseReason::PayerLeft).await?;
    let said = ask_to_close(app, &account, &order, position).await;
    record(app, &order, settle::closed(&order, position, said, false).events).await
}

/// Closes at its channel what nobody knows and nobody can send again, and puts on record which it was: closed there, or
/// not there.
pub(crate) async fn give_up(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    absent: NotPlaced,
) -> Result<Arc<Order>, CommitError> {
    let Some(account) = account_of(app, order, position) else {
        return Ok(order.clone());
    };
    let order = close_intended(app, order, position, CloseReason::Expiry).await?;
    let settled = settle::given_up(
        &order,
        position,
        absent,
        ask_to_close(app, &account, &order, position).await,
    );
    record(app, &order, settled.events).await
}

/// Puts a close on record, once for as long as it has no end: whoever brings it to its end sends the same again.
async fn close_intended(
    app: &App,
    order: &Arc<Order>,
    position: u16,
    reason: CloseReason,
) -> Result<Arc<Order>, CommitError> {
    if order
        .attempt(position)
        .is_some_and(|attempt| is_intended(attempt, reason))
    {
        return Ok(order.clone());
    }
    let event = TradeEvent::CloseIntended {
        attempt: position,
        reason,
    };
    Ok(app
        .ledger()
        .commit(&order.merchant, &order.id, vec![event.into()])
        .await?
        .order)
}

/// Is this close on record, and without an end? What the channel would not close when its time was over is asked for again and
/// again, and closed under the same word once the channel takes it.
pub(crate) fn is_intended(attempt: &Attempt, reason: CloseReason) -> bool {
    attempt
        .closing
        .as_ref()
        .is_some_and(|c| c.reason == reason && (c.refused.is_none() || reason == CloseReason::Expiry))
}

/// Asks the channel for an attempt's order.
pub(crate) async fn query(app: &App, account: &Account, attempt: &Attempt) -> Exchanged {
    let Some(with) = &attempt.combined else {
        return ask(app, account, Operation::Query, attempt.pay_way, |stamp| {
            channel::query(
                account,
                &stamp.about(attempt.begun()),
                attempt.pay_way,
                &attempt.number,
            )
        })
        .await;
    };
    // Paid together, asked for together; of what is said of all, what is said of this one.
    match ask(app, account, Operation::Query, attempt.pay_way, |stamp| {
        channel::query_combined(account, stamp, with)
    })
    .await
    {
        Exchanged::Answer(Answer::Combined(views)) => {
            let own = views.into_iter().find(|view| view.number == attempt.number);
            Exchanged::Answer(own.map_or(Answer::Unclear(Unclear::Garbage), Answer::State))
        }
        other => other,
    }
}

/// Found closed, and nobody's answer to a close: the attempt, where it was being closed to make way for another.
fn made_way(order: &Order, happening: &Happening) -> bool {
    let TradeEvent::AttemptClosed { attempt, proof } = &happening.event else {
        return false;
    };
    let replaced = |a: &Attempt| {
        let reason = a.closing.as_ref().map(|closing| closing.reason);
        a.is_closing() && reason == Some(CloseReason::Replaced)
    };
    *proof != Proof::Answer && order.attempt(*attempt).is_some_and(replaced)
}

/// Puts events on record; what was faster stands. That an attempt is closed which makes way for another is left to whoever closes
/// it, as long as somebody is at it and holds the order's claim: the other one's intent comes on record with it, and the merchant,
/// whose order goes on, is told nothing. Should that one end without it, the sweep finds it closed once more, and tells.
//= C65
pub(crate) async fn record(
    app: &App,
    order: &Arc<Order>,
    mut events: Vec<Happening>,
) -> Result<Arc<Order>, CommitError> {
    let mut held = None;
    if events
        .iter()
        .any(|h| matches!(h.event, TradeEvent::AttemptClosed { .. }))
    {
        let now = app.ledger().order(&order.id).await?;
        let makes_way = |h: &Happening| made_way(now.as_ref().unwrap_or(order), h);
        if events.iter().any(makes_way) {
            held = sole(app, order);
        }
        events.retain(|h| held.is_some() || !makes_way(h));
    }
    if events.is_empty() {
        return Ok(order.clone());
    }
    let told = app
        .registries()
        .merchant_on_record(&order.merchant)
        .is_some_and(|m| m.notify.is_some());
    let events: Vec<Happening> = events
        .into_iter()
        .map(|h| Happening {
            tell: h.tell && told,
            ..h
        })
        .collect();
    let tells = events.iter().any(|h| h.tell);
    let committed = app.ledger().commit(&order.merchant, &order.id, events).await;
    drop(held);
    match committed {
        Ok(committed) => {
            if tells {
                app.wake_outbox();
            }
            Ok(committed.order)
        }
        Err(CommitError::Illegal(_)) => Ok(app
            .ledger()
            .order(&order.id)
            .await?
            .unwrap_or_else(|| order.clone())),
        Err(error) => Err(error),
    }
}

/// The claim on the order itself: nobody else begins, charges or replaces while it is held. `None` while somebody has it.
pub(crate) fn sole(app: &App, order: &Order) -> Option<Held> {
    match app.ledger().claims().claim(the_orders(order.id)) {
        Claim::Won(held) => Some(held),
        Claim::Lost(_) => None,
    }
}

/// The account of an attempt, as registered now or last.
pub(crate) fn account_of(app: &App, order: &Order, position: u16) -> Option<Arc<Account>> {
    account_as_registered(app, order.attempt(position)?)
}

/// The same, where the attempt itself is at hand.
pub(crate) fn account_as_registered(app: &App, attempt: &Attempt) -> Option<Arc<Account>> {
    let registries = app.registries();
    let (_, facts) = registries.owner_on_record(attempt.channel, &attempt.account)?;
    let apps = (attempt.appid.as_ref(), attempt.sub_appid.as_ref());
    Some(app.account_in(facts, Some(&attempt.payee), apps))
}

async fn refund(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    refund_no: &RefundNo,
    sealed: Option<Sealed<RefundBuyer>>,
) -> Settled {
    let again = order
        .refund(refund_no)
        .is_some_and(|refund| refund_sent_before(app, refund));
    settle::refunded(
        order,
        refund_no,
        send_refund(app, account, order, refund_no, sealed).await,
        again,
    )
}

/// May the channel have it from before?
pub(crate) fn refund_sent_before(app: &App, refund: &Refund) -> bool {
    refund.state != RefundState::Intended || refund.intended < app.started_at()
}

/// Sends a refund, for the first time or again, and says what the channel answered.
pub(crate) async fn send_refund(
    app: &App,
    account: &Account,
    order: &Order,
    refund_no: &RefundNo,
    sealed: Option<Sealed<RefundBuyer>>,
) -> Answer {
    let found = order
        .refund(refund_no)
        .and_then(|r| Some((r, order.attempt(r.attempt)?)));
    let Some((refund, attempt)) = found else {
        return Answer::Unclear(Unclear::Garbage);
    };
    // The reason is a free text that the channel shows to the payer. Where it has died, the refund goes without it.
    let opened = sealed.and_then(|s| {
        app.vault()
            .open_for(&s, &context(order, "refund"), Purpose::Forward)
            .ok()
    });
    let facts = RefundFacts {
        number: &attempt.number,
        refund: &refund.number,
        trade_no: attempt.trade_no(),
        amount: refund.amount,
        total: attempt.amount,
    };
    let reason = opened.as_ref().and_then(|o| o.reason.as_ref());
    app.step("before_send");
    let exchanged = ask(app, account, Operation::Refund, attempt.pay_way, |stamp| {
        channel::refund(
            account,
            &stamp.about(refund.begun()),
            attempt.pay_way,
            &facts,
            reason,
        )
    })
    .await;
    app.step("after_send");
    match exchanged {
        Exchanged::Answer(answer) => answer,
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a refund was not sent; it is sent again");
            Answer::Unclear(Unclear::Connection)
        }
    }
}

/// Where an attempt goes, and the digest of what makes a repeat the same.
pub(crate) struct To<'a> {
    pub(crate) channel: Channel,
    pub(crate) pay_way: PayWay,
    pub(crate) account: &'a AccountNo,
    pub(crate) content: &'a KeyedDigest,
}

/// The number of an attempt at its channel: the merchant's own where it fits and is free, else a fixed function of
/// merchant, order number and attempt, so that the channel itself refuses a duplicate even without our index.
pub(crate) fn number_of(
    order: Option<&Order>,
    merchant: &MerchantId,
    order_no: &OrderNo,
    to: To<'_>,
    position: u16,
) -> ChannelNo {
    let To {
        channel,
        pay_way,
        account,
        content,
    } = to;
    let latest = order
        .map(Order::latest)
        .filter(|a| a.channel == channel && a.account == *account);
    // What was given up may have been slow rather than lost: under its number only the same order is one order.
    let surely = |a: &Attempt| !given_up(a) || a.content == *content;
    // A payment code's number is spent with its charging call, whatever came of that; so is one whose answer comes once.
    let spent = |a: &Attempt| a.pay_way.charges() || pay_way.charges() || pay_way.is_told_once(channel);
    match latest {
        // The channel does not have it: the same number again.
        Some(
            a @ Attempt {
                state: AttemptState::NotPlaced,
                number,
                ..
            },
        ) if surely(a) && !spent(a) => return number.clone(),
        Some(_) => {}
        None => {
            let used = order.is_some_and(|o| {
                o.attempts
                    .iter()
                    .any(|a| a.channel == channel && a.account == *account)
            });
            if !used
                && channel::number_fits(channel, order_no.as_str())
                && let Ok(own) = ChannelNo::new(order_no.as_str())
            {
                return own;
            }
        }
    }
    let number = derived(&[merchant.as_str(), order_no.as_str(), &position.to_string()]);
    short(channel, number)
}

/// The number of an order of a group at WeChat: one for ever, so that whoever sends the group again sends the same.
pub(crate) fn only_number(merchant: &MerchantId, order_no: &OrderNo) -> ChannelNo {
    let own = ChannelNo::new(order_no.as_str()).ok();
    own.filter(|own| channel::number_fits(Channel::Wechat, own.as_str()))
        .unwrap_or_else(|| derived(&[merchant.as_str(), order_no.as_str(), "1"]))
}

/// As long as the channel takes it. What is left of the digest is 72 bits for one merchant's own orders.
fn short(channel: Channel, number: ChannelNo) -> ChannelNo {
    let cut = channel::longest_number(channel).and_then(|longest| number.as_str().get(..longest));
    cut.and_then(|cut| ChannelNo::new(cut).ok()).unwrap_or(number)
}

/// The number of a refund at its channel. Refund numbers are unique for an order of ours and, at WeChat, for an account: the
/// merchant's own could be another order's there too.
pub(crate) fn refund_number(order: &Order, attempt: Option<&Attempt>, refund_no: &RefundNo) -> ChannelNo {
    // What was refused goes out again as what it was.
    let place = |a: &Attempt| (a.channel, a.account.clone());
    let known = order.refund(refund_no);
    let before = known.and_then(|refund| order.attempt(refund.attempt)).map(place);
    if let (Some(known), true) = (known, before.is_some() && before == attempt.map(place)) {
        return known.number.clone();
    }
    if attempt.is_some_and(|a| a.channel == Channel::Unionpay) {
        return refund_at_unionpay(&order.id, refund_no);
    }
    let number = derived(&[
        order.merchant.as_str(),
        order.order_no.as_str(),
        "refund",
        refund_no.as_str(),
    ]);
    attempt.map_or_else(|| number.clone(), |a| short(a.channel, number.clone()))
}

/// UnionPay's notice of a refund names nothing but the refund's own number (channels.md 4.3), so that number leads to its
/// order by itself: 26 letters and digits of ours, and six of the refund's digest. That is all that UnionPay's settlement file
/// has room for, though its messages take 40 (channels.md 4.3, 4.5).
fn refund_at_unionpay(order: &PaymentId, refund_no: &RefundNo) -> ChannelNo {
    leading_to(order, &Sha256::digest(refund_no.as_str()))
}

/// A number that leads to its order, told from others of the same order by what this is the digest of.
pub(crate) fn leading_to(order: &PaymentId, digest: &[u8]) -> ChannelNo {
    let text = base32(order.as_bytes()) + &base32(&digest[..4])[..6];
    ChannelNo::new(text).expect("letters and digits")
}

/// The order that a refund's number at UnionPay leads to; whether it has such a refund its record says.
pub(crate) fn order_of_refund(number: &ChannelNo) -> Option<PaymentId> {
    let text = number.as_str().get(..26)?;
    let mut bits = 0_u128;
    // 26 letters have 130 bits: the last two are none of the number's.
    for (at, letter) in text.bytes().enumerate() {
        let five = BASE32.iter().position(|own| *own == letter)? as u128;
        bits = match at {
            25 if five & 3 != 0 => return None,
            25 => bits << 3 | five >> 2,
            _ => bits << 5 | five,
        };
    }
    Some(PaymentId::from_bytes(bits.to_be_bytes()))
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// RFC 4648 in small letters, without padding.
fn base32(octets: &[u8]) -> String {
    let (mut held, mut count, mut text) = (0_u32, 0, String::with_capacity(octets.len() * 8 / 5 + 1));
    for octet in octets {
        held = held << 8 | u32::from(*octet);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(BASE32[(held >> count) as usize & 31]));
        }
    }
    if count > 0 {
        text.push(char::from(BASE32[(held << (5 - count)) as usize & 31]));
    }
    text
}

/// A number that no order has, as long as the channel takes it: what a probe asks for.
pub(crate) fn probe_number(channel: Channel, account: &AccountNo) -> ChannelNo {
    short(channel, derived(&["probe", account.as_str()]))
}

fn derived(parts: &[&str]) -> ChannelNo {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let digest = hash.finalize();
    ChannelNo::new(format!("GD{}", hex::encode(&digest[..15]))).expect("letters and digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a query or a notice finds closed; not the answer to a close, and not what the merchant closes or whose time is over.
    #[test]
    //= C65
    fn only_what_makes_way_and_is_found_closed_is_left_to_its_closer() {
        let closed = |proof| Happening::from(TradeEvent::AttemptClosed { attempt: 1, proof });
        let closing = |reason| {
            let mut order = settle::tests::order();
            let event = TradeEvent::CloseIntended { attempt: 1, reason };
            order.check(&event).expect("lawful");
            order.apply(order.last + 1, Instant::default(), &event);
            order
        };
        for proof in [Proof::Query, Proof::Notice] {
            assert!(made_way(&closing(CloseReason::Replaced), &closed(proof)));
            for other in [CloseReason::Merchant, CloseReason::Expiry, CloseReason::PayerLeft] {
                assert!(!made_way(&closing(other), &closed(proof)), "{other:?}");
            }
            assert!(
                !made_way(&settle::tests::order(), &closed(proof)),
                "nobody closes it"
            );
        }
        assert!(!made_way(&closing(CloseReason::Replaced), &closed(Proof::Answer)));
        let unresolved = TradeEvent::AttemptUnresolved { attempt: 1 }.into();
        assert!(!made_way(&closing(CloseReason::Replaced), &unresolved));
    }

    /// An order's number may begin with another's, and so may a refund's; WeChat knows refunds by their number alone.
    #[test]
    fn refunds_of_two_orders_never_have_one_number_and_keep_what_they_have() {
        let named = |no: &str| {
            let mut order = settle::tests::order();
            order.order_no = OrderNo::new(no).expect("lawful");
            order
        };
        let of = |order: &Order, no: &str| {
            refund_number(order, order.attempt(1), &RefundNo::new(no).expect("lawful"))
        };
        let (first, second) = (named("ORD100"), named("ORD100-1"));
        assert_ne!(of(&first, "ORD100-1"), of(&second, "ORD100-1"));
        let again = of(&first, "ORD100-1");
        assert_eq!(again, of(&first, "ORD100-1"));
        assert!(channel::number_fits(Channel::Wechat, again.as_str()), "{again}");
        let mut known = settle::tests::with_refund();
        assert_eq!(of(&known, "r1").as_str(), "r1", "as it is on record");
        known.attempts[0].account = AccountNo::new("1900000110").expect("lawful");
        known.refunds[0].attempt = 2;
        assert_ne!(of(&known, "r1").as_str(), "r1", "of another payment");
    }

    /// UnionPay's settlement file has room for 32 octets, and tells refunds by their own number alone.
    #[test]
    fn a_refunds_number_at_unionpay_fits_its_file_and_leads_to_its_order() {
        for n in 0..=255_u8 {
            let order = PaymentId::from_bytes(std::array::from_fn(|at| n.wrapping_mul(at as u8 + 1)));
            let number = refund_at_unionpay(&order, &RefundNo::new(format!("R{n}")).expect("lawful"));
            assert_eq!(number.as_str().len(), 32);
            assert!(channel::number_fits(Channel::Unionpay, number.as_str()));
            assert_eq!(order_of_refund(&number), Some(order));
            assert_ne!(
                number,
                refund_at_unionpay(&order, &RefundNo::new("other").expect("lawful"))
            );
        }
        for wrong in [
            "short",
            &"a".repeat(25),
            "aaaaaaaaaaaaaaaaaaaaaaaaabaaaaaa",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert_eq!(
                order_of_refund(&ChannelNo::new(wrong).expect("lawful")),
                None,
                "{wrong}"
            );
        }
    }
}
