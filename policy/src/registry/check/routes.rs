//! Routing rules: compiled and type-checked when they are loaded; they choose among the merchant's own accounts only.

use super::{Known, Notes};
use crate::{
    registry::{OperatorMerchant, RouteRule},
    routing::Condition,
};
use std::collections::BTreeSet;

/// Most rules of one merchant; each is looked at once per new order.
const MOST_RULES: usize = 50;

//= C63
pub(super) fn check(merchant: &OperatorMerchant, known: &Known<'_>, at: &str, notes: &mut Notes<'_>) {
    if merchant.routes.len() > MOST_RULES {
        notes.say(
            &format!("{at}.routes"),
            format!("has more than {MOST_RULES} rules"),
            "fewer rules: each is looked at for every order",
        );
    }
    let mut names = BTreeSet::new();
    let mut before: Vec<(&RouteRule, Condition)> = Vec::new();
    for (n, rule) in merchant.routes.iter().enumerate() {
        let at = format!("{at}.routes[{n}]");
        let lawful = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if rule.name.is_empty() || rule.name.len() > 64 || !rule.name.bytes().all(lawful) {
            notes.say(
                &format!("{at}.name"),
                "is no name",
                "1 to 64 of 0-9 A-Z a-z - _ .",
            );
        }
        notes.unique(
            &mut names,
            rule.name.as_str(),
            format!("{at}.name"),
            format!("{} stands twice", rule.name),
        );
        match Condition::compile_for(rule.channel, &rule.when) {
            Err(faulty) => notes.say(
                &format!("{at}.when"),
                format!("at character {}: {}", faulty.at, faulty.wrong),
                &faulty.right,
            ),
            Ok(condition) => {
                let first = before.iter().find(|(earlier, known)| {
                    earlier.channel == rule.channel && (known.always() || *known == condition)
                });
                if let Some((earlier, known)) = first {
                    let how = if known.always() {
                        "always holds"
                    } else {
                        "has the same condition"
                    };
                    notes.say(
                        &format!("{at}.when"),
                        format!("it never decides: rule {} before it {how}", earlier.name),
                        "the first rule that holds decides, so the narrower one first",
                    );
                }
                before.push((rule, condition));
            }
        }
        if rule.accounts.is_empty() {
            notes.say(
                &format!("{at}.accounts"),
                "is empty",
                "at least one account of this merchant",
            );
        }
        let mut seen = BTreeSet::new();
        let all = [("accounts", &rule.accounts), ("standby", &rule.standby)];
        for (list, (a, account)) in all
            .into_iter()
            .flat_map(|(name, list)| list.iter().enumerate().map(move |row| (name, row)))
        {
            let path = format!("{at}.{list}[{a}]");
            if known
                .accounts
                .get(&(rule.channel, account))
                .is_none_or(|owner| **owner != merchant.id)
            {
                notes.say(
                    &path,
                    format!(
                        "{account} is no {} account of merchant {}",
                        rule.channel, merchant.id
                    ),
                    "an account that an acquirer's file gives this merchant",
                );
            }
            if known.merchants_own.contains(&(rule.channel, account)) {
                notes.say(
                    &path,
                    format!(
                        "the key of {account} is the merchant's, so nothing that a rule chooses can go there"
                    ),
                    "an account whose key is held",
                );
            }
            notes.unique(
                &mut seen,
                account,
                path,
                format!("{account} stands twice in the rule"),
            );
        }
    }
}
