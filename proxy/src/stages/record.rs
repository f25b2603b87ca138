//! Record before you act. The intent is durable before anything leaves; the outcome is durable before anybody is told.
//! From the intent on the work runs in its own task: a client that hangs up cancels nothing.

mod refunds;
mod undo;

use crate::{
    api::render::{self, Said},
    app::App,
    charge, errand,
    failover::{self, Spare},
    fault::{Code, Fault, Stop},
    payment::{Admitted, Cargo, Claimed, Command, Create, Errand, Recorded, Redirect, Routed, Sealed},
    schedule::Schedule,
    settle::{Ending, Settled},
    snapshot::Known,
    stage::{Around, Next, Response},
    stages::send::Sent,
};
use domain::*;
use ledger::{CommitError, Committed, Happening, Order};
use std::sync::Arc;

/// Over the ledger.
pub struct Record(pub App);

impl Around<Admitted> for Record {
    type Down = Recorded;
    type Up = Sent;
    type Out = Response;

    async fn run(&self, admitted: Admitted, next: Next<Recorded, Sent>) -> Result<Response, Stop> {
        let app = self.0.clone();
        let work = app.clone().spawn_work(async move {
            let (recorded, spare) = match intend(&app, admitted).await? {
                Intended::Send(recorded) => (recorded, None),
                Intended::Place(recorded, spare) => (recorded, spare),
                Intended::Done(response) => return Ok(response),
            };
            app.step("intent_recorded");
            let sent = next.run(recorded).await?;
            let sent = match spare {
                Some(spare) => failover::go_on(&app, *spare, sent).await?,
                None => sent,
            };
            app.step("answer_read");
            let response = conclude(&app, sent).await;
            app.step("outcome_recorded");
            response
        });
        work.await.unwrap_or_else(|_| {
            Err(Fault::of(Code::Internal)
                .inside("the order's task ended early")
                .into())
        })
    }
}

enum Intended {
    Send(Recorded),
    /// A new attempt, and what it needs to go on elsewhere.
    Place(Recorded, Option<Box<Spare>>),
    Done(Response),
}

//= C26
async fn intend(app: &App, admitted: Admitted) -> Result<Intended, Stop> {
    let Admitted { routed, reservations } = admitted;
    let command = routed.claimed.sealed.command.clone();
    let intended = match &command {
        Command::Create(create) => intend_create(app, routed, create).await,
        Command::Close(_) => undo::close(app, routed).await,
        Command::Reverse(_) => undo::reverse(app, routed).await,
        Command::Refund(refund) => refunds::refund(app, routed, refund).await,
        Command::Release(_, refund_no) => refunds::release(app, routed, refund_no).await,
        Command::Cancel(_, refund_no) => refunds::cancel(app, routed, refund_no).await,
        Command::Redirect(_, asked) => refunds::redirect(app, routed, asked).await,
    };
    drop(reservations); // the intents' own entries count from here on
    intended
}

async fn intend_create(app: &App, routed: Routed, create: &Create) -> Result<Intended, Stop> {
    let Routed {
        claimed:
            Claimed {
                sealed,
                held,
                order,
                content,
                also,
                group,
                ..
            },
        account,
        keys,
        appid,
        next,
        route,
    } = routed;
    let seal = sealed.texts.buyer.as_ref().map(|b| SealRef {
        bucket: b.bucket(),
        records: 1,
    });
    let of = Intent {
        merchant: &sealed.merchant.id,
        create,
        content,
        payer: sealed.payer,
        carried: sealed.cargo.carried(),
        keys,
        account: &account,
        appid,
        seal,
        route: route.clone(),
        expires: None,
    };
    let mut others = Vec::with_capacity(also.len());
    for other in also {
        let Command::Create(create) = &other.command else {
            return Err(Fault::of(Code::Internal).into());
        };
        // In a group that is paid together each order names its own payee.
        let account = channel::Account {
            payee: create.payee.clone().unwrap_or_else(|| account.payee.clone()),
            ..(*account).clone()
        };
        let of = Intent {
            create,
            content: other.content,
            account: &account,
            seal: sealed.texts.others.get(&other.id).map(|b| SealRef {
                bucket: b.bucket(),
                records: 1,
            }),
            ..of.clone()
        };
        let (order, position) = intend_order(app, of, other.id, other.order, Vec::new()).await?;
        others.push((order, Errand::Place(position), other.held));
    }
    let renewed = order
        .as_deref()
        .is_some_and(|order| renews(order, create, &content));
    let spare = spare(&sealed, create, content, next, route.as_deref());
    let mut beside: Vec<Happening> = patterns(&sealed).collect();
    let position = order.as_ref().map_or(0, |o| o.attempts.len()) as u16 + 1;
    beside.extend(
        create
            .number
            .as_ref()
            .and_then(|number| named(&sealed, number, position, None)),
    );
    let (order, position) = intend_order(app, of, sealed.id, order, beside).await?;
    // All of the group stand on record: whoever comes with another one under its number finds them.
    drop(group);
    let recorded = Recorded {
        also: others,
        ..recorded(sealed, order, account, Errand::Place(position), held)
    };
    Ok(match renewed {
        true => Intended::Send(recorded),
        false => Intended::Place(recorded, spare),
    })
}

/// The order with its intent on record, and what stands beside it, and the position of the attempt.
//= C67
async fn intend_order(
    app: &App,
    of: Intent<'_>,
    id: PaymentId,
    order: Option<Arc<Order>>,
    beside: Vec<Happening>,
) -> Result<(Arc<Order>, u16), Stop> {
    let (merchant, create) = (of.merchant, of.create);
    let order = match order {
        Some(order) if renews(&order, create, &of.content) => {
            let position = order.attempts.len() as u16;
            return Ok((order, position));
        }
        Some(order) if order.state() == ledger::OrderState::AwaitingPayment => {
            Some(make_way(app, &order, create, of.carried).await?)
        }
        order => order,
    };
    let position = order.as_ref().map_or(0, |o| o.attempts.len()) as u16 + 1;
    let mut events = vec![Happening::from(intent(app, of, order.as_deref(), position))];
    events.extend(create.combined.clone().map(|with| {
        TradeEvent::AttemptCombined {
            attempt: position,
            with,
        }
        .into()
    }));
    events.extend(create.bank.clone().map(|bank| {
        TradeEvent::BankNamed {
            attempt: position,
            bank,
        }
        .into()
    }));
    //= C68
    events.extend(create.by_code.clone().map(|id| {
        TradeEvent::ByCode {
            attempt: position,
            id,
        }
        .into()
    }));
    events.extend(beside);
    let committed = commit(app, merchant, &id, events).await?;
    Ok((committed.order, position))
}

/// What an attempt's intent says that the order itself does not.
#[derive(Clone)]
pub(crate) struct Intent<'a> {
    pub(crate) merchant: &'a MerchantId,
    pub(crate) create: &'a Create,
    pub(crate) content: KeyedDigest,
    pub(crate) payer: Option<PayerToken>,
    pub(crate) carried: Carried,
    pub(crate) keys: Keys,
    pub(crate) account: &'a channel::Account,
    pub(crate) appid: Option<AppNo>,
    pub(crate) seal: Option<SealRef>,
    pub(crate) route: Option<Arc<RouteTaken>>,
    /// Its end, where that is said already.
    pub(crate) expires: Option<Instant>,
}

/// The intent of an order's attempt at this position.
pub(crate) fn intent(app: &App, of: Intent<'_>, order: Option<&Order>, position: u16) -> TradeEvent {
    let Intent {
        merchant,
        create,
        content,
        payer,
        carried,
        keys,
        account,
        appid,
        seal,
        route,
        expires,
    } = of;
    let named = expires.or(create.expires);
    let known = Known::of(app, merchant, create, account);
    TradeEvent::AttemptIntended {
        account: account.account.clone(),
        amount: create.amount,
        appid,
        attempt: position,
        carried,
        channel: create.channel,
        code: create.code,
        content,
        expires: named.unwrap_or_else(|| {
            app.clock()
                .now()
                .plus_millis(standing_life_ms(app, create, carried))
        }),
        keys,
        number: create.number.clone().unwrap_or_else(|| {
            let to = errand::To {
                channel: create.channel,
                pay_way: create.pay_way,
                account: &account.account,
                content: &content,
            };
            errand::number_of(order, merchant, &create.order_no, to, position)
        }),
        order_no: create.order_no.clone(),
        pay_way: create.pay_way,
        payee: account.payee.clone(),
        payer,
        rates: known.rates,
        route,
        seal,
        sub_appid: create.sub_appid.clone(),
        terminal: create.terminal.clone(),
        terminal_match: known.terminal,
        terminal_unmatched: create.device == crate::payment::Registered::Unknown,
    }
}

/// What the order needs to go on at another account; `None` where there is no other, and for what charges, was handed out
/// or was composed by the merchant's own SDK.
fn spare(
    sealed: &Sealed,
    create: &Create,
    content: KeyedDigest,
    next: Vec<AccountNo>,
    route: Option<&RouteTaken>,
) -> Option<Box<Spare>> {
    // A wallet's own payer may be asked for at another account.
    let stays = next.is_empty() && !create.is_in_its_wallet()
        || create.combined.is_some()
        || create.pay_way.charges()
        || create.pay_way.is_handed_out(create.channel)
        || matches!(sealed.cargo, Cargo::Verbatim(_));
    let buyer = sealed.texts.buyer.clone().filter(|_| !stays)?;
    let rule = route.and_then(|route| route.rule.clone());
    Some(Box::new(Spare {
        create: create.clone(),
        content,
        payer: sealed.payer,
        buyer,
        next,
        rule,
    }))
}

/// What we compose names its end. Octets that name none leave it to the channel, and so do we.
fn standing_life_ms(app: &App, create: &Create, carried: Carried) -> i64 {
    match carried {
        Carried::Unified if create.pay_way.charges() => Schedule::of(create.channel, app.times())
            .charge_life()
            .as_millis() as i64,
        Carried::Unified => app.standing_expiry_ms(),
        // An end by which a reverse is still taken (channels.md 2.2, 3.1): what is open then is reversed.
        Carried::PassThrough if create.pay_way.charges() => 12 * 3_600_000,
        Carried::PassThrough => channel::standing_life_ms(create.channel),
    }
}

/// The attempt is on record and only its reach is renewed: the same number and parameters go out again. A paid one
/// comes here by a native repeat only, to which the channel says that it is paid.
/// At a code another payer is another attempt: the former's parameters are of no use to them.
pub(crate) fn renews(order: &Order, create: &Create, content: &KeyedDigest) -> bool {
    let latest = order.latest();
    (create.by_code.is_none() || latest.content == *content)
        && !latest.pay_way.charges()
        && (!latest.state.is_final() || latest.state == AttemptState::Paid)
        && latest.channel == create.channel
        && latest.pay_way == create.pay_way
}

/// Closes the former attempt at its channel before another takes its place.
async fn make_way(
    app: &App,
    order: &Arc<Order>,
    create: &Create,
    carried: Carried,
) -> Result<Arc<Order>, Stop> {
    if order.latest().keys == Keys::Merchant {
        return Err(Fault::new(
            Code::OrderInProgress,
            "The former way to pay is open; close it with your own key at the channel first.",
        )
        .into());
    }
    let position = order.attempts.len() as u16;
    let closed = match order.latest().pay_way.charges() {
        true => charge::undo_to_replace(app, order, position).await,
        // Its payer says that it was not paid.
        false if create.left && errand::may_be_left(app, order.latest()) => {
            errand::leave(app, order, position).await
        }
        false => errand::close_to_replace(app, order, position).await,
    };
    let closed = closed.map_err(stop)?;
    match closed.latest().state {
        AttemptState::Closed | AttemptState::Reversed | AttemptState::NotPlaced => Ok(closed),
        AttemptState::Paid => Err(Fault::of(Code::OrderPaid).into()),
        _ if errand::may_come(app, closed.latest()) => {
            let until = closed.latest().expires;
            let by_browser = carried == Carried::PassThrough && create.pay_way.is_handed_out(create.channel);
            Err(match by_browser {
                // No server of the shop's asked, so nobody asks again: its developer reads what is wrong on the payer's page.
                true => Fault::new(Code::OperationNotAllowed, format!("The order of this number was placed by another way to pay ({}), which its payer may open until {until}; use another number.", closed.latest().pay_way.as_str())),
                false => Fault::new(Code::OrderInProgress, format!("The former way to pay is in the payer's hands, who may open it until {until}; it is being closed, and nobody is told its code again. Use another order number, or wait.")),
            }.into())
        }
        _ => Err(Fault::of(Code::OrderInProgress).into()),
    }
}

fn recorded(
    sealed: Sealed,
    order: Arc<Order>,
    account: Arc<channel::Account>,
    errand: Errand,
    held: ledger::Held,
) -> Recorded {
    Recorded {
        merchant: sealed.merchant,
        order,
        account,
        cargo: sealed.cargo,
        texts: sealed.texts,
        errand,
        held,
        also: Vec::new(),
    }
}

/// The time that belongs to a number, where the merchant's own SDK chose it: without it nobody could ask for the order
/// again, or send the refund again as the same one.
//= C75
fn named(
    sealed: &Sealed,
    number: &ChannelNo,
    attempt: u16,
    refund_no: Option<&RefundNo>,
) -> Option<Happening> {
    let Cargo::Verbatim(verbatim) = &sealed.cargo else {
        return None;
    };
    let event = TradeEvent::NamedAtChannel {
        account: verbatim.account.clone(),
        attempt,
        channel: verbatim.channel,
        number: number.clone(),
        refund_no: refund_no.cloned(),
        time: verbatim.named?,
    };
    Some(event.into())
}

fn patterns(sealed: &Sealed) -> impl Iterator<Item = Happening> + '_ {
    sealed.patterns.iter().map(|(field, pattern)| {
        TradeEvent::PatternSeen {
            field: Arc::from(*field),
            pattern: *pattern,
        }
        .into()
    })
}

/// Puts the outcome on record and says it.
async fn conclude(app: &App, sent: Sent) -> Result<Response, Stop> {
    let Sent {
        merchant,
        order,
        errand,
        settled,
        native,
        held,
        also,
    } = sent;
    let mut others = Vec::with_capacity(also.len());
    for (order, settled, held) in also {
        others.push(errand::record(app, &order, settled.events).await.map_err(stop)?);
        drop(held);
    }
    let Settled {
        events,
        ending,
        handed_out,
        elsewhere,
    } = settled;
    let order = errand::record(app, &order, events).await.map_err(stop)?;
    drop(held);
    app.metrics().concluded(&order, &errand);
    if let Some(native) = native {
        // Closed meanwhile: the payer's browser is not sent on.
        if let Errand::Place(position) = &errand
            && native.status().is_redirection()
            && order.attempt(*position).is_some_and(ledger::Attempt::is_closing)
        {
            return Err(Fault::of(Code::OrderClosed).into());
        }
        return Ok(native);
    }
    match (&errand, ending) {
        (_, Ending::Busy) => Err(Fault {
            elsewhere,
            ..Fault::of(Code::ChannelFrequency).retry(std::time::Duration::from_secs(1))
        }
        .into()),
        (Errand::Place(position), Ending::Refused(code)) if charges(&order, *position) => {
            Err(render::charge_refused(order.latest().channel, &code).into())
        }
        (Errand::Place(_) | Errand::Close(_) | Errand::Reverse(_), Ending::Refused(code)) => Err(Fault {
            elsewhere,
            ..render::refused(order.latest().channel, &code)
        }
        .into()),
        (Errand::Place(_) | Errand::Close(_), _) if !others.is_empty() => {
            others.push(order);
            Ok(group_answer(app, others, Said::First).await?)
        }
        (Errand::Redirect(_), Ending::Refused(code)) => {
            Err(render::refused(order.latest().channel, &code).into())
        }
        (Errand::Refund(refund_no) | Errand::Redirect(Redirect { refund_no, .. }), _) => {
            let refund = order.refund(refund_no).ok_or_else(|| Fault::of(Code::Internal))?;
            Ok(render::refund(app, &merchant, &order, refund, Said::First).await)
        }
        (Errand::Place(position), _) if handed_out.is_some() => {
            // Closed meanwhile: what was signed must not leave.
            let handed_out = handed_out.filter(|_| order.attempt(*position).is_some_and(in_hands));
            Ok(render::handed_out(app, &order, handed_out))
        }
        _ => Ok(render::order(app, &merchant, &order, Said::First).await),
    }
}

/// The group that these orders are, in its own order.
pub(crate) async fn group_answer(app: &App, mut all: Vec<Arc<Order>>, said: Said) -> Result<Response, Stop> {
    let with = all.first().and_then(|order| order.latest().combined.clone());
    let with = with.ok_or_else(|| Fault::of(Code::Internal))?;
    all.sort_by_key(|order| {
        with.parts
            .iter()
            .position(|part| part.number == order.latest().number)
    });
    Ok(render::group(app, &with.number, &all, said).await)
}

async fn group_again(
    app: &App,
    sealed: &Sealed,
    all: impl Iterator<Item = PaymentId>,
) -> Result<Response, Stop> {
    let mut orders = Vec::new();
    for id in all {
        let order = app.order(&id).await?;
        orders.extend(order.filter(|order| order.merchant == sealed.merchant.id));
    }
    group_answer(app, orders, Said::Again).await
}

fn charges(order: &Order, position: u16) -> bool {
    order
        .attempt(position)
        .is_some_and(|attempt| attempt.pay_way.charges())
}

/// It is on record as handed out, and nobody has asked to close it.
fn in_hands(attempt: &ledger::Attempt) -> bool {
    attempt.state == AttemptState::Placed && !attempt.is_closing()
}

async fn commit(
    app: &App,
    merchant: &MerchantId,
    id: &PaymentId,
    events: Vec<Happening>,
) -> Result<Committed, Stop> {
    app.step("before_intent");
    app.ledger().commit(merchant, id, events).await.map_err(stop)
}

pub(crate) fn stop(error: CommitError) -> Stop {
    match error {
        CommitError::Illegal(illegal) => Fault::of(Code::OrderInProgress).inside(illegal).into(),
        CommitError::NoOrder => Fault::of(Code::NotFound).into(),
        CommitError::Lookup(error) => Fault::of(Code::IndexRebuilding).inside(error).into(),
        CommitError::Closed => Fault::of(Code::Stopping).into(),
        CommitError::TooLong(refused) => Fault::of(Code::Internal).inside(refused).into(),
    }
}
