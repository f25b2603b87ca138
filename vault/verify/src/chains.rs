//! Numbers without gaps, and the chain of each order (design.md section 5).

use crate::{
    cases::Cases,
    entries::{AnyEntry, Envelope},
    finding::Report,
};
use domain::{AcquirerNo, CaseEvent, MerchantId, PaymentId};
use std::collections::{BTreeMap, HashMap};

/// What the entries so far make us expect of the next one.
#[derive(Debug, Default)]
pub(crate) struct Chains {
    mseq: BTreeMap<MerchantId, u64>,
    tell: BTreeMap<MerchantId, u64>,
    orders: HashMap<PaymentId, (u64, Option<MerchantId>)>,
    flags: BTreeMap<AcquirerNo, u64>,
    packages: BTreeMap<AcquirerNo, u64>,
    cases: Cases,
}

impl Chains {
    /// Holds the next entry to what the former ones make us expect. `place` is the bundle it stands in.
    pub(crate) fn see(&mut self, place: &str, index: u64, entry: &AnyEntry, report: &mut Report) {
        let mut find = |what: String| report.find(place, Some(index), what);
        let envelope = entry.envelope();
        self.see_numbers(&envelope, &mut find);
        self.see_order(index, &envelope, &mut find);
        if let AnyEntry::Case(entry) = entry {
            self.see_case(index, &entry.event, &mut find);
        }
    }

    /// How many merchants, orders, notifications and flags there are, for the report.
    pub(crate) fn summarise(&self, report: &mut Report) {
        let sum = |numbers: &BTreeMap<MerchantId, u64>| numbers.values().sum::<u64>();
        let (merchants, orders, told) = (self.mseq.len(), self.orders.len(), sum(&self.tell));
        let flags = self.flags.values().sum::<u64>();
        report.fact("merchants", merchants);
        report.fact("orders", orders);
        report.fact("notifications", told);
        report.fact("flags", flags);
        report.line(format!(
            "{merchants} merchants, {orders} orders, {told} notifications, {flags} flags"
        ));
        for (merchant, last) in &self.mseq {
            report.line(format!("  merchant {merchant}: numbers 1 to {last}"));
        }
        for (acquirer, last) in &self.flags {
            report.line(format!("  acquirer {acquirer}: flags 1 to {last}"));
        }
    }

    fn see_numbers(&mut self, entry: &Envelope, find: &mut impl FnMut(String)) {
        match (&entry.merchant, entry.mseq) {
            (Some(merchant), Some(mseq)) => follow(&mut self.mseq, merchant, mseq, "mseq of merchant", find),
            (Some(merchant), None) => find(format!("merchant {merchant} is named but mseq is missing")),
            (None, Some(mseq)) => find(format!("mseq {mseq} without a merchant")),
            (None, None) => {}
        }
        match (&entry.merchant, entry.tell) {
            (Some(merchant), Some(tell)) => follow(&mut self.tell, merchant, tell, "tell of merchant", find),
            (None, Some(tell)) => find(format!("tell {tell} without a merchant")),
            (_, None) => {}
        }
    }

    fn see_order(&mut self, index: u64, entry: &Envelope, find: &mut impl FnMut(String)) {
        let Some(order) = entry.order else {
            if let Some(prev) = entry.prev {
                find(format!("prev is {prev}, but the entry names no order"));
            }
            return;
        };
        let before = self.orders.insert(order, (index, entry.merchant.clone()));
        let expected = before.as_ref().map(|(index, _)| *index);
        if entry.prev != expected {
            find(format!(
                "prev of order {order} is {}, expected {}",
                or_none(entry.prev),
                or_none(expected)
            ));
        }
        if let Some((_, merchant)) = before.filter(|(_, merchant)| *merchant != entry.merchant) {
            let name = |m: &Option<MerchantId>| m.as_ref().map_or("nobody".to_owned(), ToString::to_string);
            find(format!(
                "order {order} is of {}, expected {}",
                name(&entry.merchant),
                name(&merchant)
            ));
        }
    }

    fn see_case(&mut self, index: u64, event: &CaseEvent, find: &mut impl FnMut(String)) {
        self.cases.see(index, event, find);
        match event {
            CaseEvent::FlagRaised { acquirer, flag, .. } => {
                follow(&mut self.flags, acquirer, *flag, "flag of acquirer", find)
            }
            CaseEvent::ExportMade {
                acquirer, package, ..
            } => follow(
                &mut self.packages,
                acquirer,
                *package,
                "package of acquirer",
                find,
            ),
            _ => {}
        }
    }
}

/// Each number is one more than the last; after a false one we go on from what was found, so that one gap is one
/// finding.
fn follow<K: Ord + Clone + std::fmt::Display>(
    last: &mut BTreeMap<K, u64>,
    of: &K,
    found: u64,
    what: &str,
    find: &mut impl FnMut(String),
) {
    let expected = last.get(of).map_or(1, |n| n.saturating_add(1));
    if found != expected {
        let kind = if found < expected {
            "is there already"
        } else {
            "leaves a gap"
        };
        find(format!("{what} {of} is {found}, expected {expected}: it {kind}"));
    }
    last.insert(of.clone(), found);
}

fn or_none(index: Option<u64>) -> String {
    index.map_or("none".to_owned(), |index| index.to_string())
}
