//! What pages and API show of flags, measures, packages and trades.

use crate::{
    state::{Flag, FlagRef, MeasureCase, MeasureStatus, MeasureWhat, Package, State, Status, What},
    trades::Trades,
    words::{self, Words, quantity, time},
};
use domain::*;
use policy::anomaly::{Lang, Rule, rules};
use serde::Serialize;
use serde_json::{Value, json};

/// A rule by its id, if this program has it.
pub(super) fn rule(id: &str) -> Option<&'static Rule> {
    rules().iter().find(|rule| rule.id == id)
}

/// A rule's name, in words.
pub(super) fn rule_name(lang: Lang, id: &str) -> &'static str {
    rule(id).map_or("", |rule| {
        if lang == Lang::Zh {
            rule.name_zh
        } else {
            rule.name_en
        }
    })
}

/// What a status is called.
pub(super) fn status(w: &'static Words, status: Status) -> &'static str {
    match status {
        Status::Open => w.open,
        Status::Proposed => w.proposed,
        Status::Confirmed => w.confirmed,
        Status::Dismissed => w.dismissed,
    }
}

/// What a measure's status is called.
pub(super) fn measure_status(w: &'static Words, status: MeasureStatus) -> &'static str {
    match status {
        MeasureStatus::Proposed => w.m_proposed,
        MeasureStatus::InForce => w.effective,
        MeasureStatus::LiftProposed => w.lift_proposed,
        MeasureStatus::Lifted => w.lifted,
        MeasureStatus::Expired => w.expired,
        MeasureStatus::Rejected => w.rejected,
    }
}

/// `observed / threshold` in words.
pub(super) fn observed(lang: Lang, flag: &Flag) -> String {
    let raised = &flag.raised;
    let of = |value| quantity(lang, value, &raised.unit);
    format!("{} / {}", of(raised.value), of(raised.threshold))
}

/// A flag in a list, as JSON.
pub(super) fn flag_row(of: &FlagRef, flag: &Flag, now: Instant) -> Value {
    let raised = &flag.raised;
    json!({
        "acquirer": of.acquirer, "flag": of.number, "status": flag.status().as_str(),
        "rule": raised.rule, "merchant": raised.merchant, "value": raised.value, "threshold": raised.threshold,
        "unit": raised.unit, "raised_at": flag.at, "age_ms": now.millis() - flag.at.millis(), "index": flag.index,
    })
}

/// A flag in full, as JSON.
pub(super) fn flag_whole(of: &FlagRef, flag: &Flag, now: Instant) -> Value {
    let (mut value, raised) = (flag_row(of, flag, now), &flag.raised);
    let history: Vec<Value> = flag.history.iter().map(step).collect();
    let more = json!({
        "version": raised.version, "window_from": raised.window_from, "window_until": raised.window_until,
        "payer": raised.payer, "parameters": raised.parameters, "trades": raised.trades, "inputs": raised.inputs,
        "reason": policy::anomaly::words(&raised.facts(), Lang::Zh),
        "reason_en": policy::anomaly::words(&raised.facts(), Lang::En),
        "proposal": flag.proposal.as_ref().map(|p| json!({
            "index": p.index, "disposition": p.disposition, "officer": p.officer, "reason": p.reason, "at": p.at,
        })),
        "decision": flag.decision.as_ref().map(|d| json!({
            "disposition": d.disposition, "officer": d.officer, "proposer": d.proposer, "reason": d.reason,
            "at": d.at, "index": d.index,
        })),
        "history": history,
    });
    if let (Value::Object(all), Value::Object(more)) = (&mut value, more) {
        all.extend(more);
    }
    value
}

fn step(step: &crate::state::Step) -> Value {
    let (what, disposition, reason) = match &step.what {
        What::Raised => ("raised", None, None),
        What::Read => ("read", None, None),
        What::Proposed(disposition, reason) => ("proposed", Some(*disposition), Some(reason.clone())),
        What::Decided(disposition) => ("decided", Some(*disposition), None),
        What::Returned(reason) => ("returned", None, Some(reason.clone())),
    };
    json!({
        "what": what, "officer": step.officer, "at": step.at, "index": step.index,
        "disposition": disposition, "reason": reason,
    })
}

/// A measure, as JSON.
pub(super) fn measure(id: &MeasureId, case: &MeasureCase, now: Instant) -> Value {
    let history: Vec<Value> = case
        .history
        .iter()
        .map(|step| {
            let (what, effect, reason) = match &step.what {
                MeasureWhat::Proposed(effect, reason) => ("proposed", Some(*effect), Some(reason.clone())),
                MeasureWhat::Ordered(effect) => ("ordered", Some(*effect), None),
                MeasureWhat::Rejected(reason) => ("rejected", None, Some(reason.clone())),
            };
            json!({
                "what": what, "effect": effect, "reason": reason, "officer": step.officer, "at": step.at,
                "index": step.index,
            })
        })
        .collect();
    json!({
        "id": id, "status": case.status(now).as_str(),
        "subject": case.stop.as_ref().map(|stop| &stop.subject), "until": case.stop.as_ref().map(|stop| stop.until),
        "pending": case.pending.as_ref().map(|p| json!({
            "index": p.index, "effect": p.measure.effect, "officer": p.officer, "reason": p.reason, "at": p.at,
        })),
        "history": history,
    })
}

/// A package, as JSON.
pub(super) fn package(acquirer: &AcquirerNo, made: &Package, now: Instant) -> Value {
    json!({
        "acquirer": acquirer, "package": made.package, "digest": made.digest, "first": made.first, "last": made.last,
        "made_at": made.made_at, "age_ms": now.millis() - made.made_at.millis(), "index": made.index,
        "acknowledged_at": made.acknowledged.as_ref().map(|a| a.at),
    })
}

/// A line of a page's history.
pub(super) struct Line {
    pub(super) at: String,
    pub(super) who: String,
    pub(super) what: &'static str,
    pub(super) text: String,
    pub(super) index: u64,
}

/// A flag's history in words.
pub(super) fn history(w: &'static Words, flag: &Flag) -> Vec<Line> {
    let line = |step: &crate::state::Step| {
        let (what, text) = match &step.what {
            What::Raised => (w.step_raised, String::new()),
            What::Read => (w.step_read, String::new()),
            What::Proposed(Disposition::Confirm, reason) => (w.step_confirm, reason.to_string()),
            What::Proposed(Disposition::Dismiss, reason) => (w.step_dismiss, reason.to_string()),
            What::Decided(Disposition::Confirm) => (w.step_confirmed, String::new()),
            What::Decided(Disposition::Dismiss) => (w.step_dismissed, String::new()),
            What::Returned(reason) => (w.step_returned, reason.to_string()),
        };
        let who = step
            .officer
            .as_ref()
            .map_or_else(|| w.machine.to_owned(), OfficerId::to_string);
        Line {
            at: time(step.at),
            who,
            what,
            text,
            index: step.index,
        }
    };
    flag.history.iter().map(line).collect()
}

/// One entry of the trades journal on a case page.
#[derive(Serialize)]
pub(super) struct TradeRow {
    pub(super) index: u64,
    pub(super) at: String,
    pub(super) what: &'static str,
    pub(super) amount: String,
    pub(super) order: String,
    /// The true clause of a uniform refusal.
    pub(super) clause: String,
    /// The entry, laid out; `None` where the copy has none.
    pub(super) entry: Option<String>,
}

/// The entry at an index, in words and as it stands.
pub(super) fn trade(lang: Lang, trades: &Trades, state: &State, index: u64) -> TradeRow {
    let bytes = trades.mirror.entry(index).ok().flatten();
    let entry = bytes
        .as_deref()
        .and_then(|bytes| TradeEntry::from_canonical(bytes).ok());
    let amount = entry.as_ref().and_then(|e| amount(&e.event)).map(Amount::to_yuan);
    let order = entry
        .as_ref()
        .and_then(|e| order_no(&e.event).or_else(|| e.order.map(|id| id.to_string()[..8].to_owned())));
    let laid_out = bytes.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    TradeRow {
        index,
        at: entry.as_ref().map(|e| time(e.at)).unwrap_or_default(),
        what: entry.as_ref().map_or("", |e| words::event(lang, e.event.name())),
        amount: amount.unwrap_or_default(),
        order: order.unwrap_or_default(),
        clause: state
            .explanation(index)
            .map(|clause| clause.to_string())
            .unwrap_or_default(),
        entry: laid_out.and_then(|value| serde_json::to_string_pretty(&value).ok()),
    }
}

fn amount(event: &TradeEvent) -> Option<Amount> {
    match event {
        TradeEvent::Refused { amount, .. } => *amount,
        TradeEvent::AttemptIntended { amount, .. }
        | TradeEvent::RefundIntended { amount, .. }
        | TradeEvent::RefundHeld { amount, .. } => Some(*amount),
        TradeEvent::AttemptPaid { facts, .. } => Some(facts.amount),
        _ => None,
    }
}

fn order_no(event: &TradeEvent) -> Option<String> {
    match event {
        TradeEvent::Refused { order_no, .. } => order_no.as_ref().map(OrderNo::to_string),
        TradeEvent::AttemptIntended { order_no, .. } => Some(order_no.to_string()),
        TradeEvent::AttemptPaid { facts, .. } => Some(facts.number.to_string()),
        _ => None,
    }
}
