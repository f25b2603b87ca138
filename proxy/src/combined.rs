//! Several orders that one payment pays, all or none (合单), by the unified API. Each is an order of its own from its claim to
//! its refunds; one message places them all, one closes them all, and what it is answered counts for each.
//!
//! A group goes to the account that it names, else to the one of those that can carry all of it that does best by health, standby
//! and rate; rules look at one order and choose nothing here. Its payees stand in what makes a repeat the same, so once it is on
//! record it stays at its account, and nothing moves it after it was sent. Its number and its orders' are the merchant's own, so
//! whoever repeats it, this process or a later one, sends the same group.

use crate::{
    api::parse::group::{self, Asked},
    app::App,
    choice::{self, Choice},
    errand::{self, lost},
    exchange::{Exchanged, ask},
    fault::{Code, Fault},
    passthrough::{for_all, settled},
    payment::{Clear, Command, Create, Errand, OrderRef, Texts},
    settle::{self, Ending, Settled},
    stages::route::unusable,
};
use channel::{Account, Answer, Part};
use domain::*;
use ledger::{Attempt, Order};
use policy::registry::{AccountFacts, MerchantFacts};
use std::{collections::HashMap, sync::Arc};
use vault::{Buyer, Opened, Sealed};

/// One order of a group, and which of its attempts.
type Member = (Arc<Order>, u16);

/// The orders of a new group, with what the request leaves open: account, payees, numbers, one end for all.
pub(crate) async fn commands(
    app: &App,
    merchant: &MerchantFacts,
    asked: Asked,
) -> Result<(Command, Vec<Command>, Clear), Fault> {
    let Asked { number, mut orders } = asked;
    let creates: Vec<&Create> = orders.iter().map(|(create, _)| create).collect();
    let Choice {
        chosen: account,
        route,
        ..
    } = choose(app, merchant, &number, &creates).await?;
    for_sub_merchants(&creates, account)?;
    let end = app.clock().now().plus_millis(app.standing_expiry_ms());
    for (create, _) in &mut orders {
        // At another account than the first the app goes along that the payer's id is of.
        create.appid = create
            .appid
            .take()
            .or_else(|| choice::appid_at(create, merchant, account));
        create.account = Some(account.account.clone());
        create.route = route.clone();
        create.payee.get_or_insert_with(|| account.payee.clone());
        create.number = Some(errand::only_number(&merchant.id, &create.order_no));
        create.expires.get_or_insert(end);
    }
    let part = |number: &ChannelNo, payee: &PayeeNo| CombinedPart {
        number: number.clone(),
        payee: payee.clone(),
    };
    let parts = orders
        .iter()
        .filter_map(|(create, _)| Some(part(create.number.as_ref()?, create.payee.as_ref()?)))
        .collect();
    let with = Combined { number, parts };
    let (mut commands, mut buyers) = (Vec::new(), Vec::new());
    for (mut create, buyer) in orders {
        create.combined = Some(with.clone());
        let id = ledger::payment_id(&merchant.id, &create.order_no);
        commands.push(Command::Create(create));
        buyers.push((id, buyer));
    }
    let first = commands.remove(0);
    let (_, buyer) = buyers.remove(0);
    // Who pays is said once, with the first.
    for (_, other) in &mut buyers {
        (other.payer, other.client_ip, other.device_id, other.h5_type) = (None, None, None, None);
    }
    let clear = Clear {
        buyer: Some(buyer),
        others: buyers,
        ..Clear::default()
    };
    Ok((first, commands, clear))
}

/// As many orders as only a service provider may combine are all for its sub-merchants (channels.md 1.2).
fn for_sub_merchants(creates: &[&Create], account: &AccountFacts) -> Result<(), Fault> {
    let own = |create: &&Create| create.payee.as_ref().is_none_or(|payee| *payee == account.payee);
    match creates.len() > group::MOST.0 && creates.iter().any(own) {
        true => Err(Fault::new(
            Code::InvalidField,
            format!("`orders` must be {}.", group::right_count()),
        )),
        false => Ok(()),
    }
}

/// Where the group goes: where it says, where it is on record, else to the best of the accounts that can carry all of it.
//= C63
async fn choose<'a>(
    app: &App,
    merchant: &'a MerchantFacts,
    number: &ChannelNo,
    creates: &[&Create],
) -> Result<Choice<'a>, Fault> {
    let named = creates.first().and_then(|create| create.account.as_ref());
    let mut held = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == Channel::Wechat && a.keys == Keys::Held);
    let chosen = match (named, known_at(app, &merchant.id, number).await?) {
        (Some(no), _) => held.find(|a| a.account == *no).map(Choice::given),
        (None, Some(no)) => held.find(|a| a.account == no).map(Choice::given),
        (None, None) => choice::for_all(app, merchant, creates),
    };
    chosen.ok_or_else(|| unusable(merchant, Channel::Wechat, named))
}

/// The account at which a group with this number is on record.
async fn known_at(app: &App, merchant: &MerchantId, number: &ChannelNo) -> Result<Option<AccountNo>, Fault> {
    match orders(app, merchant, number).await {
        Ok(all) => Ok(all
            .first()
            .and_then(|(order, position)| order.attempt(*position))
            .map(|attempt| attempt.account.clone())),
        Err(fault) if fault.code == Code::NotFound => Ok(None),
        Err(fault) => Err(fault),
    }
}

/// The orders of a group as they stand on record, in its own order: all of them, or fewer where we ended before the last
/// intent.
pub(crate) async fn orders(
    app: &App,
    merchant: &MerchantId,
    number: &ChannelNo,
) -> Result<Vec<Member>, Fault> {
    let rebuilding = |error| Fault::of(Code::IndexRebuilding).inside(error);
    let ledger = app.ledger();
    let any = ledger
        .order_of_group(merchant, number)
        .await
        .map_err(rebuilding)?;
    let any = any.ok_or_else(|| Fault::of(Code::NotFound))?;
    let attempt = any
        .attempts
        .iter()
        .rev()
        .find(|a| a.combined.as_ref().is_some_and(|with| with.number == *number));
    let attempt = attempt.ok_or_else(|| Fault::of(Code::NotFound))?;
    let mut all = Vec::new();
    for part in attempt.combined.iter().flat_map(|with| &with.parts) {
        let found = ledger
            .order_by_number(merchant, attempt.channel, &attempt.account, &part.number)
            .await
            .map_err(rebuilding)?;
        all.extend(found.and_then(|order| {
            let position = position_in(&order, number)?;
            Some((order, position))
        }));
    }
    Ok(all)
}

/// The latest attempt of an order that belongs to this group.
fn position_in(order: &Order, group: &ChannelNo) -> Option<u16> {
    let of = |a: &Attempt| a.combined.as_ref().is_some_and(|with| with.number == *group);
    order.attempts.iter().rposition(of).map(|at| at as u16 + 1)
}

/// Closes the whole group: each of its orders, by one message.
//= C67
pub(crate) async fn close(
    app: &App,
    merchant: &MerchantId,
    number: &ChannelNo,
) -> Result<(Command, Vec<Command>), Fault> {
    let all = orders(app, merchant, number).await?;
    let whole = |(order, position): &Member| {
        usize::from(*position) == order.attempts.len()
            && order
                .latest()
                .combined
                .as_ref()
                .is_some_and(|with| with.parts.len() == all.len())
    };
    if !all.iter().all(whole) {
        return Err(Fault::new(
            Code::OrderInProgress,
            "The group is not placed as a whole; send it again, or wait until its orders are told as not placed.",
        ));
    }
    let mut commands: Vec<Command> = all
        .iter()
        .map(|(order, _)| {
            Command::Close(OrderRef {
                id: order.id,
                number: None,
                placed: None,
                trade_no: None,
                payee: None,
            })
        })
        .collect();
    let first = commands.remove(0);
    Ok((first, commands))
}

/// Does for all orders of a group what is on record for each, by one message.
pub(crate) async fn perform(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    errand: &Errand,
    others: &[(Arc<Order>, Errand)],
    texts: Texts,
) -> (Settled, Vec<Settled>) {
    let answer = match errand {
        Errand::Place(position) => {
            let mut sealed = texts.others;
            sealed.extend(texts.buyer.map(|buyer| (order.id, buyer)));
            let member = |(order, errand): &(Arc<Order>, Errand)| match errand {
                Errand::Place(position) => Some((order.clone(), *position)),
                _ => None,
            };
            let mut all: Vec<Member> = others.iter().filter_map(member).collect();
            all.push((order.clone(), *position));
            place(app, account, all, sealed).await
        }
        Errand::Close(position) => Said::Answer(errand::ask_to_close(app, account, order, *position).await),
        _ => Said::Answer(Answer::Unclear(Unclear::Garbage)), // nothing else is done for all of them
    };
    let one = |order: &Arc<Order>, errand: &Errand| answer.about(app, order, errand);
    let own = one(order, errand);
    (
        own,
        others.iter().map(|(order, errand)| one(order, errand)).collect(),
    )
}

/// Sends a group again for one of its orders whose placing nobody knows; each of the others has its own turn. Under the same
/// numbers and parameters it is one group at the channel.
pub(crate) async fn place_again(app: &App, account: &Account, order: &Arc<Order>, position: u16) -> Settled {
    let errand = Errand::Place(position);
    let number = order
        .attempt(position)
        .and_then(|a| a.combined.as_ref())
        .map(|with| with.number.clone());
    let all = match &number {
        Some(number) => orders(app, &order.merchant, number).await.unwrap_or_default(),
        None => Vec::new(),
    };
    place(app, account, all, HashMap::new())
        .await
        .about(app, order, &errand)
}

/// What came of the one message.
enum Said {
    Answer(Answer),
    /// It did not leave.
    Lost(NotPlaced),
}

impl Said {
    /// For one order of the group.
    fn about(&self, app: &App, order: &Arc<Order>, errand: &Errand) -> Settled {
        match (self, errand) {
            (Said::Answer(answer), _) => settled(app, order, errand, for_all(answer)),
            (Said::Lost(reason), Errand::Place(position)) => {
                let settled = lost(*position, *reason);
                match order.attempt(*position) {
                    Some(attempt) if errand::sent_before(app, order, *position) => {
                        settle::placed_again(attempt, settled)
                    }
                    _ => settled,
                }
            }
            (Said::Lost(_), _) => Settled::nothing(Ending::Unknown),
        }
    }
}

/// Opens each order's texts, and sends them all.
async fn place(
    app: &App,
    account: &Account,
    all: Vec<Member>,
    mut sealed: HashMap<PaymentId, Sealed<Buyer>>,
) -> Said {
    let mut members = Vec::with_capacity(all.len());
    for (order, position) in &all {
        let at = errand::context(order, "create");
        let Some(text) = sealed.remove(&order.id).or_else(|| app.vault().kept(&at)) else {
            return Said::Lost(NotPlaced::BuyerDataGone);
        };
        let Ok(buyer) = app.vault().open_for(&text, &at, Purpose::Forward) else {
            return Said::Lost(NotPlaced::BuyerDataGone);
        };
        let Some(attempt) = order.attempt(*position) else {
            return Said::Lost(NotPlaced::NeverSent);
        };
        members.push((order, attempt, text, buyer));
    }
    let with = members
        .first()
        .and_then(|(_, attempt, ..)| attempt.combined.as_ref());
    let Some(with) = with.filter(|with| with.parts.len() == members.len()) else {
        return Said::Lost(NotPlaced::NeverSent);
    };
    // As the group lists them: the same facts make the same octets.
    members.sort_by_key(|(_, attempt, ..)| with.parts.iter().position(|part| part.number == attempt.number));
    app.step("before_send");
    let exchanged = send(app, account, &with.number, &members).await;
    app.step("after_send");
    let answer = match exchanged {
        Exchanged::Answer(answer) => answer,
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a group of orders was not sent");
            return Said::Lost(NotPlaced::NeverSent);
        }
    };
    let ending = settle::placed(1, for_all(&answer)).ending;
    if matches!(ending, Ending::Unknown | Ending::Duplicate) {
        // While their keys live, the sweep may send them again. Nothing is renewed.
        for (order, _, text, _) in &members {
            if let Err(error) = app.vault().keep(text, &errand::context(order, "create")) {
                tracing::warn!(%error, "buyer data of an unknown order could not be kept");
            }
        }
    }
    Said::Answer(answer)
}

type Ready<'a> = (&'a Arc<Order>, &'a Attempt, Sealed<Buyer>, Opened<Buyer>);

async fn send(app: &App, account: &Account, number: &ChannelNo, members: &[Ready<'_>]) -> Exchanged {
    let pay_way = members
        .first()
        .map_or(PayWay::Native, |(_, attempt, ..)| attempt.pay_way);
    ask(app, account, Operation::Create, pay_way, |stamp| {
        // Who pays is said with the first order of the list; there is one who pays for all.
        let parts: Vec<Part<'_>> = members
            .iter()
            .map(|(_, attempt, _, buyer)| Part {
                facts: errand::facts_of(attempt),
                payee: &attempt.payee,
                buyer,
            })
            .collect();
        channel::create_combined(account, stamp, number, &parts)
    })
    .await
}
