//! Rates lie within the guide price (指导价格) of their wallet and way to pay.

use super::Notes;
use crate::{
    operations,
    registry::{AccountFacts, AcquirerFile, LicenceFile, OperatorFile, Problem},
};
use domain::{Channel, PayWay, Registry};
use std::collections::BTreeSet;

/// A row for a way to pay that its channel does not have would count for no order, without a word.
fn way_exists(channel: Channel, pay_way: Option<PayWay>, at: &str, notes: &mut Notes<'_>) {
    let ways = || operations::all_pay_ways(channel);
    let Some(way) = pay_way.filter(|way| !ways().any(|own| own == *way)) else {
        return;
    };
    let ways: Vec<&str> = ways().map(PayWay::as_str).collect();
    notes.say(
        &format!("{at}.pay_way"),
        format!("{channel} has no way to pay {}", way.as_str()),
        &format!("one of {}", ways.join(", ")),
    );
}

//= C64
pub(super) fn check(licence: &LicenceFile, account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let mut seen = BTreeSet::new();
    for (n, row) in account.rates.iter().enumerate() {
        let at = format!("{at}.rates[{n}]");
        notes.unique(&mut seen, row.pay_way, at.clone(), "this way to pay stands twice");
        way_exists(account.channel, row.pay_way, &at, notes);
        match licence.guide_price(account.channel, row.pay_way) {
            None => notes.say(
                &format!("{at}.rate"),
                format!("no guide price of {} is known", account.channel),
                "a row for it in `guide_prices` of the licence file",
            ),
            Some(band) if !(band.least..=band.most).contains(&row.rate) => {
                let wrong = format!("{} is outside the guide price", row.rate);
                notes.say(
                    &format!("{at}.rate"),
                    wrong,
                    &format!("{} to {} hundred-thousandths", band.least, band.most),
                );
            }
            Some(_) => {}
        }
        let own = |way| account.rates.iter().any(|r| r.pay_way == Some(way));
        if row.pay_way.is_none() {
            for_the_others(
                licence,
                account.channel,
                row.rate,
                own,
                &format!("{at}.rate"),
                notes,
            );
        }
    }
}

/// A rate without a way to pay counts for each that has no rate of its own, so it lies within their bands too.
fn for_the_others(
    licence: &LicenceFile,
    channel: Channel,
    rate: u32,
    own: impl Fn(PayWay) -> bool,
    at: &str,
    notes: &mut Notes<'_>,
) {
    let bands = licence.guide_prices.iter().filter(|band| band.channel == channel);
    for band in bands {
        let Some(way) = band.pay_way.filter(|way| !own(*way)) else {
            continue;
        };
        if !(band.least..=band.most).contains(&rate) {
            let way = way.as_str();
            notes.say(
                at,
                format!("{rate} is outside the guide price of {way}, for which it counts too"),
                &format!(
                    "{} to {} hundred-thousandths, or a row of its own for {way}",
                    band.least, band.most
                ),
            );
        }
    }
}

/// The bands themselves.
pub(super) fn bands(licence: &LicenceFile, notes: &mut Notes<'_>) {
    let mut seen = BTreeSet::new();
    for (n, band) in licence.guide_prices.iter().enumerate() {
        let at = format!("$.guide_prices[{n}]");
        notes.unique(
            &mut seen,
            (band.channel, band.pay_way),
            at.clone(),
            "this way to pay stands twice",
        );
        way_exists(band.channel, band.pay_way, &at, notes);
        if band.least > band.most || band.most > 100_000 {
            notes.say(
                &at,
                "is no band",
                "`least` not above `most`, both hundred-thousandths of the amount",
            );
        }
    }
}

/// Agents, and that their rates lie within the band and never above what their merchant pays.
//= C64
pub(super) fn agents(
    licence: &LicenceFile,
    acquirers: &[&AcquirerFile],
    operator: &OperatorFile,
    problems: &mut Vec<Problem>,
) {
    let mut notes = Notes {
        file: Registry::Operator,
        whose: String::new(),
        problems,
    };
    let mut known = BTreeSet::new();
    for (n, agent) in operator.agents.iter().enumerate() {
        notes.unique(
            &mut known,
            &agent.id,
            format!("$.agents[{n}].id"),
            format!("{} stands twice", agent.id),
        );
        notes.filled(format!("$.agents[{n}].name"), &agent.name, "the agent's name");
    }
    for (n, merchant) in operator.merchants.iter().enumerate() {
        let Some(terms) = &merchant.agent else { continue };
        let at = format!("$.merchants[{n}].agent");
        if !known.contains(&terms.agent) {
            notes.say(
                &format!("{at}.agent"),
                format!("there is no agent {}", terms.agent),
                "one of `agents`",
            );
        }
        let accounts = acquirers
            .iter()
            .flat_map(|file| &file.merchants)
            .filter(|m| m.id == merchant.id)
            .flat_map(|m| &m.accounts);
        let accounts: Vec<&AccountFacts> = accounts.collect();
        let mut seen = BTreeSet::new();
        for (r, row) in terms.rates.iter().enumerate() {
            let at = format!("{at}.rates[{r}]");
            notes.unique(
                &mut seen,
                (row.channel, row.pay_way),
                at.clone(),
                "this way to pay stands twice",
            );
            way_exists(row.channel, row.pay_way, &at, &mut notes);
            match licence.guide_price(row.channel, row.pay_way) {
                Some(band) if (band.least..=band.most).contains(&row.rate) => {}
                Some(band) => notes.say(
                    &at,
                    format!("{} is outside the guide price", row.rate),
                    &format!("{} to {} hundred-thousandths", band.least, band.most),
                ),
                None => notes.say(
                    &at,
                    format!("no guide price of {} is known", row.channel),
                    "a row for it in `guide_prices` of the licence file",
                ),
            }
            let own = |way| {
                let mut own = terms.rates.iter();
                own.any(|r| r.channel == row.channel && r.pay_way == Some(way))
            };
            if row.pay_way.is_none() {
                for_the_others(licence, row.channel, row.rate, own, &at, &mut notes);
            }
            let of_wallet = accounts.iter().filter(|a| a.channel == row.channel);
            // What the merchant pays for the ways that the row counts for.
            let lowest = match row.pay_way {
                Some(way) => of_wallet.filter_map(|a| a.rate(way)).min(),
                None => of_wallet
                    .flat_map(|a| &a.rates)
                    .filter(|r| r.pay_way.is_none_or(|way| !own(way)))
                    .map(|r| r.rate)
                    .min(),
            };
            if lowest.is_none_or(|lowest| row.rate > lowest) {
                notes.say(
                    &at,
                    format!("{} is above what the merchant pays", row.rate),
                    "at most the lowest rate of the merchant's accounts of this wallet",
                );
            }
        }
    }
}
