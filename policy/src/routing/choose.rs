//! Eligible accounts of one order, and the order in which they are tried: breaker, rule, health, rate, file.

use super::{Condition, Sale};
use crate::registry::{AccountFacts, MerchantFacts};
use domain::{AccountNo, Channel, PayWay};
use std::sync::Arc;

/// A compiled rule of the operator's file. The first one that holds decides which accounts an order may go to.
#[derive(Clone, PartialEq, Debug)]
pub struct Route {
    /// Its name, for the journal.
    pub name: Arc<str>,
    /// The wallet it is about.
    pub channel: Channel,
    /// When it decides.
    pub when: Condition,
    /// Equals: among these health and rate decide.
    pub accounts: Vec<AccountNo>,
    /// Taken only where none of the others is in order.
    pub standby: Vec<AccountNo>,
}

/// An account that an order may go to.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The account.
    pub account: &'a AccountFacts,
    /// True where it is taken only if none of the others is in order.
    pub standby: bool,
}

/// How an account does, as far as this order is concerned; what is less is better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Standing {
    /// Its breaker is open.
    pub open: bool,
    /// Its breaker is half open, and another order is trying it out just now.
    pub on_trial: bool,
    /// This order was tried there and surely did not arrive.
    pub failed: bool,
    /// A call got no answer, and no order has been answered since.
    pub suspect: bool,
    /// Its breaker is not closed, because of answers that came, only late.
    pub late: bool,
    /// 0 for a success rate of 95 % and more, 1 for 80 %, 2 for less.
    pub unreliable: u8,
    /// 1 where it answers slowly.
    pub slow: u8,
}

impl Standing {
    /// It is taken only where none is in order.
    pub fn is_barred(&self) -> bool {
        self.open || self.on_trial || self.late
    }
}

/// The accounts that an order may go to, in the order of the acquirer's file, and the rule that says so. Without a rule
/// that holds all accounts of the wallet are eligible, those that the operator has marked as standby after the others.
pub fn candidates<'a>(
    merchant: &'a MerchantFacts,
    channel: Channel,
    sale: &Sale<'_>,
    usable: impl Fn(&AccountFacts) -> bool,
) -> (Vec<Candidate<'a>>, Option<Arc<str>>) {
    let of_channel = merchant
        .accounts
        .iter()
        .filter(|a| a.channel == channel && usable(a));
    let rule = merchant
        .routes
        .iter()
        .find(|rule| rule.channel == channel && rule.when.holds(sale));
    let Some(rule) = rule else {
        let standby = |a: &AccountFacts| {
            merchant
                .standby
                .iter()
                .any(|(c, no)| *c == channel && *no == a.account)
        };
        return (
            of_channel
                .map(|account| Candidate {
                    account,
                    standby: standby(account),
                })
                .collect(),
            None,
        );
    };
    let named = of_channel.filter_map(|account| {
        let among = |list: &[AccountNo]| list.contains(&account.account);
        (among(&rule.accounts) || among(&rule.standby)).then(|| Candidate {
            account,
            standby: !among(&rule.accounts),
        })
    });
    (named.collect(), Some(rule.name.clone()))
}

/// Puts candidates in the order in which they are tried.
pub fn in_order(
    mut candidates: Vec<Candidate<'_>>,
    pay_way: PayWay,
    standing: impl Fn(&AccountFacts) -> Standing,
) -> Vec<(Candidate<'_>, Standing)> {
    let mut all: Vec<_> = candidates.drain(..).map(|c| (c, standing(c.account))).collect();
    // Stable: what is alike stays in the order of the acquirer's file.
    all.sort_by_key(|(c, s)| {
        (
            s.open,
            s.on_trial,
            s.failed,
            s.suspect,
            s.late,
            c.standby,
            s.unreliable,
            s.slow,
            c.account.rate(pay_way).unwrap_or(u32::MAX),
        )
    });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use domain::{Amount, Code, CodeKind, CodeLevel};

    fn sale() -> Sale<'static> {
        Sale {
            amount: Amount::from_fen(100),
            pay_way: PayWay::Native,
            at: testing::NOON,
            terminal: None,
            area: None,
            product: None,
            code: Code {
                kind: CodeKind::Dynamic,
                level: CodeLevel::B,
            },
        }
    }

    fn shop() -> MerchantFacts {
        let registries = testing::registries();
        let mut shop = MerchantFacts::clone(registries.merchant(&testing::name("m1")).expect("m1"));
        shop.accounts = ["1900000001", "1900000002", "1900000003"]
            .map(testing::wechat)
            .into();
        shop
    }

    fn rule(when: &str, accounts: &[&str], standby: &[&str]) -> Route {
        let names = |list: &[&str]| list.iter().map(|no| testing::name(no)).collect();
        Route {
            name: "r".into(),
            channel: Channel::Wechat,
            when: Condition::compile(when).expect("compiles"),
            accounts: names(accounts),
            standby: names(standby),
        }
    }

    fn tried(shop: &MerchantFacts, standing: impl Fn(&str) -> Standing) -> Vec<String> {
        let (all, _) = candidates(shop, Channel::Wechat, &sale(), |_| true);
        in_order(all, PayWay::Native, |a| standing(a.account.as_str()))
            .into_iter()
            .map(|(c, _)| c.account.account.as_str()[9..].to_owned())
            .collect()
    }

    #[test]
    //= C63
    fn breaker_then_rule_then_health_then_rate_then_the_files_order() {
        let mut shop = shop();
        let well = |_: &str| Standing::default();
        assert_eq!(
            tried(&shop, well),
            ["1", "2", "3"],
            "without anything the file's own order"
        );
        shop.standby = vec![(Channel::Wechat, testing::name("1900000001"))];
        assert_eq!(tried(&shop, well), ["2", "3", "1"], "standby comes last");
        let open = |no: &str| Standing {
            open: no != "1900000001",
            ..Standing::default()
        };
        assert_eq!(tried(&shop, open), ["1", "2", "3"], "but before what is broken");
        let unreliable = |no: &str| Standing {
            unreliable: u8::from(no == "1900000002"),
            ..Standing::default()
        };
        assert_eq!(tried(&shop, unreliable), ["3", "2", "1"], "health within a rank");
        shop.routes = vec![
            rule("amount > 100", &["1900000003"], &[]),
            rule("true", &["1900000003", "1900000002"], &[]),
        ];
        assert_eq!(
            tried(&shop, well),
            ["2", "3"],
            "the first rule that holds decides who is eligible"
        );
        shop.routes = vec![rule("pay_way == 'native'", &["1900000003"], &["1900000002"])];
        assert_eq!(tried(&shop, well), ["3", "2"]);
        let failed = |no: &str| Standing {
            failed: no == "1900000003",
            ..Standing::default()
        };
        assert_eq!(
            tried(&shop, failed),
            ["2", "3"],
            "where this order did not arrive it goes last"
        );
    }

    /// In that order: what may take it, what answers late, what is in doubt, where it failed already, what is being tried out, what is known to be
    /// down.
    #[test]
    //= C63
    //= C65
    fn doubt_is_better_than_a_failure_and_a_failure_than_a_breaker() {
        let shop = shop();
        let (well, alone) = (Standing::default(), |a: Standing, b: Standing| {
            tried(&shop, |no| match no {
                "1900000001" => a,
                "1900000002" => b,
                _ => Standing { open: true, ..b },
            })[0]
                .clone()
        });
        let ranks = [
            well,
            Standing {
                unreliable: 2,
                slow: 1,
                ..well
            },
            Standing { late: true, ..well },
            Standing {
                suspect: true,
                ..well
            },
            Standing { failed: true, ..well },
            Standing {
                on_trial: true,
                ..well
            },
            Standing { open: true, ..well },
        ];
        for (n, better) in ranks.iter().enumerate() {
            for worse in &ranks[n + 1..] {
                assert_eq!(alone(*worse, *better), "2", "{better:?} comes before {worse:?}");
                assert_eq!(alone(*better, *worse), "1", "{better:?} comes before {worse:?}");
            }
        }
    }
}
