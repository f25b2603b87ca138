//! Rates lie within the guide price (指导价格) of their wallet and way to pay.

use super::Notes;
use crate::registry::{AccountFacts, LicenceFile};
use std::collections::BTreeSet;

//= C64
pub(super) fn check(licence: &LicenceFile, account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let mut seen = BTreeSet::new();
    for (n, row) in account.rates.iter().enumerate() {
        let at = format!("{at}.rates[{n}]");
        notes.unique(&mut seen, row.pay_way, at.clone(), "this way to pay stands twice");
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
        if band.least > band.most || band.most > 100_000 {
            notes.say(
                &at,
                "is no band",
                "`least` not above `most`, both hundred-thousandths of the amount",
            );
        }
    }
}
