//! Terminals of a merchant: each serial is one merchant's (五要素 一一对应, R22), and all that is said of it fits what channels
//! take (channels.md 1.3, 2.2, 3.7, 4.5).

use super::{Known, Notes};
use crate::registry::{AcquirerMerchant, Terminal};
use domain::{Channel, Shop};
use std::collections::BTreeSet;

/// WeChat's `device_id` and `device_info`, Alipay's `terminal_id`.
const LONGEST_SERIAL: usize = 32;
/// WeChat's `store_info.id`, Alipay's `store_id`.
const LONGEST_SHOP_NO: usize = 32;
/// Octets of a shop's number, name and address: with their names they stand in V2's `scene_info`, which takes 256.
const LONGEST_SHOP: usize = 180;

//= C53
pub(super) fn check<'a>(
    merchant: &'a AcquirerMerchant,
    at: &str,
    known: &mut Known<'a>,
    notes: &mut Notes<'_>,
) {
    // Without them a trade at a terminal has no five elements to be matched against, and nobody would notice.
    let elements = [
        (
            "uscc",
            merchant.uscc.is_none(),
            "the merchant's unified social credit code",
        ),
        (
            "settlement",
            merchant.settlement.is_none(),
            "the SHA-256 of the number of its settlement account",
        ),
    ];
    for (field, _, what) in elements
        .into_iter()
        .filter(|(_, absent, _)| *absent && !merchant.terminals.is_empty())
    {
        notes.say(
            &format!("{at}.{field}"),
            "is missing, and the merchant has terminals",
            &format!("{what}: one of the five elements of each trade at a terminal (R22)"),
        );
    }
    let mut term_ids = BTreeSet::new();
    for (t, terminal) in merchant.terminals.iter().enumerate() {
        let at = format!("{at}.terminals[{t}]");
        if let Some(owner) = known.terminals.insert(&terminal.no, &merchant.id) {
            let wrong = match owner == &merchant.id {
                true => format!("{} stands twice", terminal.no),
                false => format!("{} is a terminal of merchant {owner} too", terminal.no),
            };
            notes.say(
                &format!("{at}.no"),
                wrong,
                "a serial is one merchant's, once (R22)",
            );
        }
        fits(merchant, terminal, &at, notes);
        if let Some(term_id) = &terminal.term_id {
            notes.unique(
                &mut term_ids,
                term_id,
                format!("{at}.term_id"),
                format!("{term_id} stands twice"),
            );
        }
    }
}

fn fits(merchant: &AcquirerMerchant, terminal: &Terminal, at: &str, notes: &mut Notes<'_>) {
    let takes_32 = |channel| matches!(channel, Channel::Wechat | Channel::Alipay);
    if terminal.no.as_str().len() > LONGEST_SERIAL && merchant.accounts.iter().any(|a| takes_32(a.channel)) {
        notes.say(
            &format!("{at}.no"),
            "is longer than WeChat and Alipay take",
            "at most 32 characters",
        );
    }
    if terminal.area.len() != 6 || !terminal.area.bytes().all(|b| b.is_ascii_digit()) {
        notes.say(
            &format!("{at}.area"),
            "is no area code",
            "the six digits of a county or district (GB/T 2260), such as 310101",
        );
    }
    let eight = |text: &str| text.len() == 8 && text.bytes().all(|b| b.is_ascii_alphanumeric());
    if terminal.term_id.as_deref().is_some_and(|id| !eight(id)) {
        notes.say(
            &format!("{at}.term_id"),
            "is no number of a terminal at UnionPay",
            "the eight letters and digits that the acquirer gave (termId)",
        );
    }
    if let Some(shop) = &terminal.store {
        of_shop(shop, &format!("{at}.store"), notes);
    }
}

fn of_shop(shop: &Shop, at: &str, notes: &mut Notes<'_>) {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !(1..=LONGEST_SHOP_NO).contains(&shop.id.len()) || !shop.id.bytes().all(word) {
        notes.say(
            &format!("{at}.id"),
            "is no number of a shop that channels take",
            "1 to 32 of 0-9 A-Z a-z _ -",
        );
    }
    for (name, text) in [("name", &shop.name), ("address", &shop.address)] {
        if text.trim().is_empty() || text.chars().any(|c| c.is_control() || matches!(c, '"' | '\\')) {
            notes.say(
                &format!("{at}.{name}"),
                "is empty or has quotes, back-slashes or control characters",
                "plain text",
            );
        }
    }
    if shop.id.len() + shop.name.len() + shop.address.len() > LONGEST_SHOP {
        notes.say(
            at,
            "is longer than WeChat takes by payment code (scene_info)",
            "id, name and address of 180 octets together",
        );
    }
}

#[cfg(test)]
#[path = "terminals_tests.rs"]
mod tests;
