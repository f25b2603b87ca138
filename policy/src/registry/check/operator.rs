//! The operator's file: only what an acquirer knows, keys of known schemes, addresses that may be called.

use super::{Known, Notes, routes};
use crate::registry::{ApiKey, OperatorFile, OperatorMerchant, Problem, url};
use domain::Registry;
use std::collections::BTreeSet;

pub(super) fn check(file: &OperatorFile, known: &Known<'_>, problems: &mut Vec<Problem>) {
    let mut notes = Notes {
        file: Registry::Operator,
        whose: String::new(),
        problems,
    };
    notes.kind(file.kind);
    let mut seen = BTreeSet::new();
    for (n, merchant) in file.merchants.iter().enumerate() {
        let at = format!("$.merchants[{n}]");
        notes.unique(
            &mut seen,
            &merchant.id,
            format!("{at}.id"),
            format!("{} stands twice", merchant.id),
        );
        if !known.merchants.contains_key(&merchant.id) {
            notes.say(
                &format!("{at}.id"),
                format!("no acquirer knows merchant {}", merchant.id),
                "a merchant of an acquirer's file",
            );
        }
        check_keys(merchant, known, &at, &mut notes);
        routes::check(merchant, known, &at, &mut notes);
        check_ceilings(merchant, &at, &mut notes);
        if let Some(notify) = &merchant.notify {
            address(
                &notify.url,
                notify.private,
                format!("{at}.notify.url"),
                &mut notes,
            );
        }
        for (h, host) in merchant.return_hosts.iter().enumerate() {
            if !url::is_host(host) {
                notes.say(
                    &format!("{at}.return_hosts[{h}]"),
                    "is no host",
                    "a host name without scheme, port or path",
                );
            }
        }
        if merchant
            .rate
            .is_some_and(|rate| rate.per_second == 0 || rate.burst == 0)
        {
            notes.say(
                &format!("{at}.rate"),
                "is zero",
                "at least 1 a second and 1 at once; stop a merchant by a measure",
            );
        }
    }
    check_accounts(file, known, &mut notes);
}

/// A ceiling under which no order fits, or none of those that the other one lets through.
fn check_ceilings(merchant: &OperatorMerchant, at: &str, notes: &mut Notes<'_>) {
    let (order, day) = (merchant.order_max, merchant.day_max);
    for (name, most) in [("order_max", order), ("day_max", day)] {
        if most.is_some_and(|most| most.is_zero()) {
            notes.say(
                &format!("{at}.{name}"),
                "is zero, so no order would be taken",
                "at least 1 fen; stop a merchant by a measure",
            );
        }
    }
    if let (Some(order), Some(day)) = (order, day)
        && day < order
    {
        notes.say(
            &format!("{at}.day_max"),
            "is below `order_max`, so no day has room for such an order",
            "at least as much as `order_max`, or an `order_max` that a day has room for",
        );
    }
}

fn check_keys(merchant: &OperatorMerchant, known: &Known<'_>, at: &str, notes: &mut Notes<'_>) {
    let mut serials = BTreeSet::new();
    for (k, key) in merchant.api_keys.iter().enumerate() {
        let at = format!("{at}.api_keys[{k}]");
        notes.unique(
            &mut serials,
            key.serial.as_str(),
            format!("{at}.serial"),
            format!("{} stands twice", key.serial),
        );
        if key
            .terminal
            .as_ref()
            .is_some_and(|no| known.terminals.get(no) != Some(&&merchant.id))
        {
            notes.say(
                &format!("{at}.terminal"),
                "no acquirer knows this terminal of the merchant",
                "a terminal of this merchant in an acquirer's file",
            );
        }
        if !ApiKey::SCHEMES.contains(&key.scheme.as_str()) {
            notes.say(
                &format!("{at}.scheme"),
                format!("{} is unknown", key.scheme),
                "GUANDAO-ED25519 or GUANDAO-SHA256-RSA2048",
            );
        }
    }
}

fn check_accounts(file: &OperatorFile, known: &Known<'_>, notes: &mut Notes<'_>) {
    let mut seen = BTreeSet::new();
    for (n, account) in file.accounts.iter().enumerate() {
        let at = format!("$.accounts[{n}]");
        let key = (account.channel, &account.account);
        notes.unique(
            &mut seen,
            key,
            format!("{at}.account"),
            format!("{} stands twice", account.account),
        );
        if !known.accounts.contains_key(&key) {
            let wrong = format!(
                "no acquirer knows the {} account {}",
                account.channel, account.account
            );
            notes.say(
                &format!("{at}.account"),
                wrong,
                "an account of an acquirer's file",
            );
        }
        if let Some(relay) = &account.relay_url {
            address(relay, account.relay_private, format!("{at}.relay_url"), notes);
        }
    }
}

fn address(text: &str, private: bool, path: String, notes: &mut Notes<'_>) {
    if let Some(fault) = url::fault(text, private) {
        notes.say(
            &path,
            fault,
            "an https address with a public host, or a listed private one",
        );
    }
}
