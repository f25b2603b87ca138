//! What became of a day, as its merchant may see it: folded from the journal, no payer in it.

use super::statement::about;
use crate::app::App;
use domain::*;
use ledger::{BILL_DAYS_KEPT, BillHead, LookupError};
use policy::{
    books::{About, is_missing, is_overdue, is_past, settles},
    registry::{AccountFacts, MerchantFacts},
};
use serde_json::{Value, json};
use std::collections::HashSet;

/// One difference where it stands in the journal.
struct Difference {
    resolution: Option<Resolution>,
    index: u64,
    at: Instant,
    event: TradeEvent,
}

/// How far a merchant's day is; `None` where it is too long ago to be told here.
pub(crate) fn day(app: &App, merchant: &MerchantFacts, day: Day) -> Result<Option<Value>, LookupError> {
    let now = app.clock().now();
    if is_forgotten(day, now.day()) {
        return Ok(None);
    }
    let (bills, past) = (own_bills(app, merchant, day), is_past(day, now));
    let nothing = bills.iter().all(|(_, head)| head.is_none());
    if nothing && super::begins(app).is_some_and(|first| day < first) {
        return Ok(Some(json!({
            "date": day.to_string(), "state": "not_compared", "accounts": [], "differences": [], "unanswered": [],
        })));
    }
    let (mut accounts, mut not_listed) = (Vec::new(), 0);
    for (key, head) in &bills {
        let (shown, beyond) = account(app, key, head.as_ref())?;
        accounts.push(shown);
        not_listed += beyond;
    }
    accounts.extend(merchant.accounts.iter().filter_map(not_reconciled));
    let differences = differences(app, merchant, day)?;
    let unanswered = unanswered(app, &bills)?;
    // The fund-flow bill needs a right that not every account has: nothing waits for it.
    let open = || {
        let open = |head: &BillHead| head.matched.is_none() || head.is_moved();
        let waited_for = bills.iter().filter(|(key, _)| key.kind != BillKind::Funds);
        waited_for.filter(move |(_, head)| head.as_ref().is_none_or(open))
    };
    let asks = |key: &BillKey| {
        let own = |facts: &&AccountFacts| facts.channel == key.channel && facts.account == key.account;
        let mut all = merchant.accounts.iter();
        all.any(|facts| own(&facts) && super::is_compared(facts))
    };
    let waits = open().any(|(key, head)| asks(key) || is_awaited(head.as_ref()));
    let given_up = open().any(|(_, head)| head.as_ref().is_none_or(|head| in_its_stead(app, head).is_none()));
    let found_out_of_bills = open().next().is_some() && !given_up;
    let found_out = unanswered.iter().filter(|one| one.resolution.is_some()).count();
    let state = state(&Facts {
        bills: bills.len(),
        waits: waits && !past,
        in_vain: given_up || found_out < unanswered.len(),
        // What people found out instead of the channel's word is resolved, never agreed.
        differences: differences.len() + found_out + usize::from(found_out_of_bills),
        // Nobody has seen what is beyond the list, so nobody can have resolved it.
        unresolved: differences.iter().filter(|d| d.resolution.is_none()).count() as u64 + not_listed,
    });
    let list: Vec<Value> = differences.iter().map(shown).collect();
    let unanswered: Vec<Value> = unanswered.iter().map(Open::shown).collect();
    Ok(Some(json!({
        "date": day.to_string(), "state": state, "accounts": accounts, "differences": list, "unanswered": unanswered,
    })))
}

/// What became of its bills is in the journal only.
fn is_forgotten(day: Day, today: Day) -> bool {
    day.number() < today.number() - BILL_DAYS_KEPT
}

/// It was asked for; else its account had movements, and where it is registered no longer nothing is waited for.
fn is_asked(head: &BillHead) -> bool {
    head.tries > 0
}

/// Is it waited for though nobody asks for its account's bills now? One that was compared is asked for no more, whatever came since.
fn is_awaited(head: Option<&BillHead>) -> bool {
    head.is_none_or(|head| is_asked(head) && head.matched.is_none())
}

/// Differences that a bill's comparison counted and did not put on record one by one.
fn not_listed(differences: u64, head: &BillHead) -> u64 {
    differences.saturating_sub(head.differs.len() as u64)
}

/// What a day's state hangs on.
struct Facts {
    bills: usize,
    /// A bill is not compared yet.
    waits: bool,
    /// A bill never came, or something was never answered.
    in_vain: bool,
    differences: usize,
    unresolved: u64,
}

fn state(day: &Facts) -> &'static str {
    match day {
        Facts { bills: 0, .. } => "none",
        Facts { waits: true, .. } => "waiting",
        Facts { unresolved: 1.., .. } => "differs",
        Facts { in_vain: true, .. } => "unproven",
        Facts { differences: 0, .. } => "agreed",
        Facts { .. } => "resolved",
    }
}

/// An account whose days are compared with nothing, and why.
fn not_reconciled(facts: &AccountFacts) -> Option<Value> {
    let reason = match facts.keys {
        _ if super::is_compared(facts) => return None,
        Keys::Merchant if super::has_books(facts.channel) => "only you hold its keys",
        _ => "no bill of this channel",
    };
    Some(json!({
        "channel": facts.channel.as_str(), "account": facts.account.as_str(), "bill": "none", "state": "not_reconciled",
        "reason": reason,
    }))
}

/// What a channel was asked for in vain until the schedule's end: not proven, and no difference.
struct Open {
    key: BillKey,
    index: u64,
    about: Unanswered,
    /// What two officers found out about it.
    resolution: Option<Resolution>,
}

impl Open {
    fn shown(&self) -> Value {
        let Open {
            key,
            index,
            about,
            resolution,
        } = self;
        let mut shown = json!({
            "journal_index": index, "channel": key.channel.as_str(), "account": key.account.as_str(),
            "number": about.number.as_str(), "payment_id": about.payment.to_string(), "channel_code": &*about.code,
        });
        if let (Some(map), Some(refund)) = (shown.as_object_mut(), &about.refund) {
            map.insert("refund_number".into(), refund.as_str().into());
        }
        if let (Some(map), Some(resolution)) = (shown.as_object_mut(), resolution) {
            map.insert("resolution".into(), json!(resolution));
        }
        shown
    }
}

fn unanswered(app: &App, bills: &[(BillKey, Option<BillHead>)]) -> Result<Vec<Open>, LookupError> {
    let mut all = Vec::new();
    for (key, head) in bills {
        let heads = head.iter().filter(|head| head.matched.is_some());
        for (head, index) in heads.flat_map(|head| head.unanswered.iter().map(move |index| (head, *index))) {
            if let TradeEvent::BillUnanswered { movements, .. } = app.ledger().entry(index)?.event {
                let open = |about| Open {
                    key: key.clone(),
                    index,
                    about,
                    resolution: head.resolved.get(&index).copied(),
                };
                all.extend(movements.into_iter().map(open));
            }
        }
    }
    Ok(all)
}

/// What two officers found out instead of a bill that never came. It stands where that bill was asked for last.
fn in_its_stead(app: &App, head: &BillHead) -> Option<Resolution> {
    let asked = |index: &u64| {
        let entry = app.ledger().entry(*index).ok();
        entry.is_some_and(|entry| {
            matches!(
                entry.event,
                TradeEvent::BillAsked { .. } | TradeEvent::BillNotAsked { .. }
            )
        })
    };
    let mut all = head.resolved.iter();
    all.find(|(index, _)| asked(index))
        .map(|(_, resolution)| *resolution)
}

/// The bills of a day of every account that is registered now, and of those that had one then.
fn own_bills(app: &App, merchant: &MerchantFacts, day: Day) -> Vec<(BillKey, Option<BillHead>)> {
    let mut all: Vec<_> = app
        .ledger()
        .bills_of(day)
        .into_iter()
        .filter(|(_, head)| head.merchant == merchant.id)
        .map(|(key, head)| (key, Some(head)))
        .collect();
    for facts in merchant.accounts.iter().filter(|facts| super::is_compared(facts)) {
        let books = app.config().books.as_ref();
        for kind in books
            .into_iter()
            .flat_map(|books| super::kinds(books, facts.channel))
        {
            let key = BillKey {
                day,
                channel: facts.channel,
                account: facts.account.clone(),
                kind,
            };
            if all.iter().all(|(own, _)| *own != key) {
                all.push((key, None));
            }
        }
    }
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// A bill as its merchant may see it, and how many of its differences are not listed.
fn account(app: &App, key: &BillKey, head: Option<&BillHead>) -> Result<(Value, u64), LookupError> {
    let mut shown = json!({ "channel": key.channel.as_str(), "account": key.account.as_str(), "bill": key.kind.as_str(), "state": "not_asked" });
    let now = app.clock().now();
    let mut beyond = 0;
    let Some(map) = shown.as_object_mut() else {
        return Ok((shown, beyond));
    };
    if is_overdue(key.day, now) && head.is_none_or(|head| head.matched.is_none()) {
        map.insert("overdue".into(), true.into());
    }
    let Some(head) = head else {
        return Ok((shown, beyond));
    };
    if !is_asked(head) {
        if let Some(resolution) = in_its_stead(app, head) {
            map.insert("resolution".into(), json!(resolution));
        }
        return Ok((shown, beyond));
    }
    map.insert("asked_at".into(), head.asked.to_string().into());
    map.insert("tries".into(), head.tries.into());
    if let Some(index) = head.matched {
        let state = if head.is_moved() { "due_again" } else { "matched" };
        map.insert("state".into(), state.into());
        map.insert("journal_index".into(), index.into());
        let entry = app.ledger().entry(index)?;
        map.insert("matched_at".into(), entry.at.to_string().into());
        if let TradeEvent::BillMatched {
            differences,
            fee_millifen,
            lines,
            paid,
            payments,
            refunded,
            refunds,
            ..
        } = entry.event
        {
            let sums = json!({ "differences": differences, "fee_millifen": fee_millifen, "lines": lines, "paid": paid.fen(), "payments": payments, "refunded": refunded.fen(), "refunds": refunds });
            map.extend(sums.as_object().cloned().unwrap_or_default());
            beyond = not_listed(differences, head);
            if beyond > 0 {
                map.insert("not_listed".into(), beyond.into());
            }
        }
    } else if is_past(key.day, now) {
        map.insert("state".into(), "never_came".into());
        if let Some(resolution) = in_its_stead(app, head) {
            map.insert("resolution".into(), json!(resolution));
        }
    } else if let Some(code) = &head.refused {
        // What was taken and could not be read is asked for again: `unreadable`.
        map.insert("state".into(), "refused".into());
        map.insert("channel_code".into(), (&**code).into());
    } else if head.taken.is_some() {
        map.insert("state".into(), "comparing".into());
    } else {
        map.insert("state".into(), "asked".into());
    }
    Ok((shown, beyond))
}

/// Every difference that concerns a day: of its own bills, and of the neighbouring ones that have what belongs to it. What a
/// later bill has cleared up stands no more.
fn differences(app: &App, merchant: &MerchantFacts, day: Day) -> Result<Vec<Difference>, LookupError> {
    let mut all = Vec::new();
    for other in -1..=1 {
        for (_, head) in app.ledger().bills_of(Day::from_number(day.number() + other)) {
            if head.merchant != merchant.id || head.matched.is_none() {
                continue;
            }
            for index in head.differs {
                let (entry, resolution) = (app.ledger().entry(index)?, head.resolved.get(&index).copied());
                let concerns = matches!(&entry.event, TradeEvent::BillDiffers { day: own, bill, .. } if *own == day || bill.day == day);
                if concerns {
                    all.push(Difference {
                        resolution,
                        index,
                        at: entry.at,
                        event: entry.event,
                    });
                }
            }
        }
    }
    all.sort_by_key(|difference| difference.index);
    let mut later = HashSet::new();
    let mut standing: Vec<Difference> = Vec::new();
    for difference in all.into_iter().rev() {
        let Some(about) = About::of(&difference.event) else {
            continue;
        };
        if !(is_missing(&difference.event) && later.contains(&about)) {
            if settles(&difference.event) {
                later.insert(about);
            }
            standing.push(difference);
        }
    }
    standing.reverse();
    Ok(standing)
}

/// The kinds of difference that stand, by what they are about.
pub(super) fn kinds(
    app: &App,
    merchant: &MerchantFacts,
    day: Day,
) -> Result<super::statement::Kinds, LookupError> {
    let mut all = super::statement::Kinds::new();
    for found in differences(app, merchant, day)? {
        if let TradeEvent::BillDiffers {
            bill,
            movement,
            number: Some(number),
            refund,
            difference,
            ..
        } = &found.event
        {
            let of = about(bill.channel, *movement, number, refund.as_ref());
            let kinds = all.entry(of).or_default();
            if !kinds.contains(&difference.as_str()) {
                kinds.push(difference.as_str());
            }
        }
    }
    for open in unanswered(app, &own_bills(app, merchant, day))? {
        let movement = match open.about.refund {
            Some(_) => Movement::Refund,
            None => Movement::Payment,
        };
        let refund = open.about.refund.as_ref();
        let of = about(open.key.channel, movement, &open.about.number, refund);
        all.entry(of).or_default().push("unanswered");
    }
    Ok(all)
}

fn shown(difference: &Difference) -> Value {
    let TradeEvent::BillDiffers {
        amount,
        bill,
        bill_amount,
        bill_state,
        bill_trade_no,
        day,
        difference: kind,
        movement,
        number,
        payment,
        refund,
        state,
        trade_no,
        ..
    } = &difference.event
    else {
        return Value::Null;
    };
    let mut shown = json!({
        "journal_index": difference.index, "found_at": difference.at.to_string(), "difference": kind, "channel": bill.channel, "account": bill.account,
        "bill": bill.kind.as_str(), "bill_date": bill.day.to_string(), "date": day.to_string(), "movement": movement,
    });
    let Some(map) = shown.as_object_mut() else {
        return shown;
    };
    let mut put = |name: &str, value: Option<Value>| drop(value.map(|value| map.insert(name.into(), value)));
    put(
        "resolution",
        difference.resolution.map(|resolution| json!(resolution)),
    );
    put("number", number.as_ref().map(|no| no.as_str().into()));
    put("refund_number", refund.as_ref().map(|no| no.as_str().into()));
    put("payment_id", payment.map(|id| id.to_string().into()));
    put("state", state.map(|state| state.as_str().into()));
    put("bill_state", bill_state.map(|state| state.as_str().into()));
    put("amount", amount.map(|amount| amount.fen().into()));
    put("bill_amount", bill_amount.map(|amount| amount.fen().into()));
    put("trade_no", trade_no.as_ref().map(|no| no.as_str().into()));
    put(
        "bill_trade_no",
        bill_trade_no.as_ref().map(|no| no.as_str().into()),
    );
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was not answered, or never came, is never called agreed or resolved.
    #[test]
    fn a_day_is_proven_only_when_everything_was_compared() {
        let of = |bills, waits, in_vain, differences, unresolved| {
            state(&Facts {
                bills,
                waits,
                in_vain,
                differences,
                unresolved,
            })
        };
        assert_eq!(of(0, false, false, 0, 0), "none");
        assert_eq!(of(2, true, true, 1, 1), "waiting");
        assert_eq!(of(2, false, true, 1, 1), "differs");
        assert_eq!(of(2, false, true, 1, 0), "unproven");
        assert_eq!(of(2, false, true, 0, 0), "unproven");
        assert_eq!(of(2, false, false, 1, 0), "resolved");
        assert_eq!(of(2, false, false, 0, 0), "agreed");
    }

    fn long() -> BillHead {
        BillHead {
            merchant: MerchantId::new("m1001").expect("lawful"),
            tries: 1,
            asked: Instant::default(),
            refused: None,
            taken: None,
            differs: (10..10_010).collect(),
            early: Vec::new(),
            unanswered: Vec::new(),
            matched: Some(10_010),
            moved: None,
            resolved: (10..10_010).map(|index| (index, Resolution::Explained)).collect(),
        }
    }

    /// Nothing is waited for of an account that is registered no longer, but a bill that was asked for and never compared.
    #[test]
    fn a_compared_bill_of_an_account_that_nobody_asks_for_is_not_waited_for() {
        let compared = BillHead {
            moved: Some(10_011),
            ..long()
        };
        let asked = BillHead {
            matched: None,
            ..long()
        };
        let noted = BillHead {
            tries: 0,
            ..asked.clone()
        };
        assert!(is_awaited(None) && is_awaited(Some(&asked)));
        assert!(!is_awaited(Some(&compared)) && !is_awaited(Some(&noted)));
    }

    /// What is counted and stands nowhere one by one was seen by nobody, so a day that has it is never resolved.
    #[test]
    fn differences_beyond_the_list_stay_unresolved() {
        let head = long();
        assert_eq!(not_listed(10_000, &head), 0);
        assert_eq!(not_listed(10_003, &head), 3);
        let facts = Facts {
            bills: 1,
            waits: false,
            in_vain: false,
            differences: head.differs.len(),
            unresolved: not_listed(10_003, &head),
        };
        assert_eq!(state(&facts), "differs");
    }

    #[test]
    fn a_day_is_told_as_long_as_its_bills_are_kept() {
        let today = Day::from_number(20_600);
        let ago = |days: i32| Day::from_number(today.number() - days);
        assert!(!is_forgotten(ago(BILL_DAYS_KEPT), today) && !is_forgotten(today, today));
        assert!(is_forgotten(ago(BILL_DAYS_KEPT + 1), today));
    }
}
