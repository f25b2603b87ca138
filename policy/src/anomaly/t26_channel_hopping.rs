//! T26 换渠道重试: the same amount is tried at one channel after another, after declines.
//!
//! A payer's pseudonym is made from the wallet's own id, so it never links two wallets. What links them is the order:
//! its attempts are one purchase. Attempts of one payer at one amount count together as well, for channels that name
//! payers alike. A payer whose shop writes a new order for each try cannot be seen.
//!
//! "After declines": every channel but the last had declined.

use super::{
    clock::Clock,
    finding::{Finding, Scope},
    parameters::T26,
    rules::{FlagFacts, Lang, Rule},
    tried::Tried,
};
use domain::{Amount, Channel, Instant, PayerToken, PaymentId};
use std::collections::{BTreeSet, HashMap};

pub(super) const RULE: Rule = Rule {
    id: "T26",
    version: 1,
    name_zh: "换渠道重试",
    name_en: "Channel hopping",
    why_zh: "同一笔款项被拒后数分钟内接连改用其他支付渠道再试，是盗用账户试探的常见形态。",
    why_en: "After declines the same amount is tried at one channel after another within minutes, as stolen wallets and cards are probed.",
};

/// What links attempts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
enum Link {
    Order(PaymentId),
    Payer(Scope, PayerToken, Amount),
}

/// Attempts after a decline. Nothing is kept of what began otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct ChannelHopping(HashMap<Link, Hops>);

#[derive(Clone, Debug, Default)]
struct Hops {
    /// Time, entry, channel, declined.
    seen: Vec<(Instant, u64, Channel, bool)>,
    quiet_until: Option<Instant>,
}

fn window_ms(rule: &T26) -> i64 {
    i64::from(rule.minutes) * 60_000
}

impl ChannelHopping {
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget(&mut self, clock: &Clock, rule: &T26) {
        // Twice the window: as long as the same situation is not flagged again.
        let kept = |(at, ..): &(Instant, u64, Channel, bool)| clock.keeps(*at, 2 * window_ms(rule));
        let ahead = |(at, ..): &(Instant, u64, Channel, bool)| clock.is_ahead(*at, 0);
        self.0
            .retain(|_, hops| hops.seen.last().is_some_and(kept) && !hops.seen.iter().any(ahead));
    }

    pub(super) fn tried(&mut self, rule: &T26, tried: &Tried<'_>) -> Option<Finding> {
        let by_payer = tried
            .payer
            .map(|payer| Link::Payer(tried.scope.clone(), payer, tried.amount));
        let found = [Some(Link::Order(tried.order)), by_payer]
            .into_iter()
            .flatten()
            .map(|link| self.follow(rule, link, tried));
        // Both links of one situation find it at once; it is one flag.
        let found: Vec<_> = found.collect();
        found.into_iter().flatten().next()
    }

    fn follow(&mut self, rule: &T26, link: Link, tried: &Tried<'_>) -> Option<Finding> {
        let hops = match tried.declined {
            true => self.0.entry(link).or_default(),
            false => self.0.get_mut(&link)?,
        };
        let until = tried.at.plus_millis(1);
        let from = until.plus_millis(-window_ms(rule));
        hops.seen.retain(|(at, ..)| *at >= from);
        hops.seen
            .push((tried.at, tried.index, tried.channel, tried.declined));
        let channels: BTreeSet<Channel> = hops.seen.iter().map(|(_, _, channel, _)| *channel).collect();
        let declined: BTreeSet<Channel> = hops.seen.iter().filter(|hop| hop.3).map(|hop| hop.2).collect();
        let (count, wanted) = (channels.len() as u64, rule.channels.max(2));
        if count < wanted
            || channels
                .iter()
                .any(|channel| *channel != tried.channel && !declined.contains(channel))
        {
            return None;
        }
        if hops.quiet_until.is_some_and(|quiet| until <= quiet) {
            return None;
        }
        hops.quiet_until = Some(until.plus_millis(window_ms(rule)));
        let finding =
            Finding::of(&RULE, tried.merchant, (from, until)).trades(hops.seen.iter().map(|hop| hop.1));
        let finding = tried.payer.into_iter().fold(finding, Finding::payer);
        let parameters = [
            ("amount", tried.amount.fen()),
            ("channels", wanted),
            ("declined", hops.seen.iter().filter(|hop| hop.3).count() as u64),
            ("minutes", rule.minutes.into()),
        ];
        Some(finding.reached(count, wanted, "channels").with(parameters))
    }
}

pub(super) fn words(flag: &FlagFacts<'_>, lang: Lang) -> String {
    let (value, threshold, window, amount) = (
        flag.value,
        flag.threshold,
        flag.window(lang),
        flag.yuan_of("amount"),
    );
    let (minutes, declined) = (
        flag.parameter("minutes").unwrap_or_default(),
        flag.parameter("declined").unwrap_or_default(),
    );
    match lang {
        Lang::Zh => format!(
            "同一笔 {amount} 元在 {minutes} 分钟内（{window}）先后在 {value} 个渠道尝试支付，其中 {declined} 次被拒；阈值为 {threshold} 个渠道。"
        ),
        Lang::En => format!(
            "The same {amount} yuan was tried at {value} channels within {minutes} minutes (from {window}), and declined {declined} times; the threshold is {threshold} channels."
        ),
    }
}
