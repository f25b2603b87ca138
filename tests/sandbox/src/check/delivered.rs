//! Asks the merchant's own test address how often an order was delivered.

use super::wire::Endpoint;
use anyhow::Context;
use std::{
    collections::HashMap,
    fmt::{self, Display},
    path::Path,
    time::Duration,
};

/// How long the first delivery is waited for behind its acknowledgement.
const FIRST: Duration = Duration::from_secs(6);
/// And this long each later one, where the first was quick.
pub(super) const DELIVERY: Duration = Duration::from_secs(3);
/// And this long one too many.
const AFTERWARDS: Duration = Duration::from_millis(250);
const PLACE: &str = "{order_no}";

/// Tells how often an order was delivered: the first number in what stands at the address.
pub struct Delivered {
    template: String,
    roots: std::path::PathBuf,
}

impl Delivered {
    /// Of an address with `{order_no}` in it.
    ///
    /// # Errors
    /// Where it has none, or is no address.
    pub fn new(template: &str, roots: &Path) -> anyhow::Result<Delivered> {
        anyhow::ensure!(
            template.contains(PLACE),
            "--delivered needs {PLACE} where the order's number goes"
        );
        let delivered = Delivered {
            template: template.to_owned(),
            roots: roots.to_owned(),
        };
        delivered.at("0").map(|_| delivered)
    }

    fn at(&self, order_no: &str) -> anyhow::Result<Endpoint> {
        Endpoint::parse(&self.template.replace(PLACE, order_no), &self.roots)
    }

    async fn count(&self, order_no: &str) -> anyhow::Result<u64> {
        let answered = self.at(order_no)?.get().await.map_err(anyhow::Error::msg)?;
        let digits: String = answered
            .body
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        digits
            .parse()
            .with_context(|| format!("--delivered answered {} without a number", answered.status))
    }

    /// Waits until it is delivered, where that is due, and then a little for more; how long it took, where it came.
    async fn settled(
        &self,
        order_no: &str,
        due: bool,
        waits: Waits,
    ) -> anyhow::Result<(u64, Option<Duration>)> {
        let began = std::time::Instant::now();
        let mut took = None;
        while due && took.is_none() && began.elapsed() < waits.missing {
            match self.count(order_no).await? {
                0 => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => took = Some(began.elapsed()),
            }
        }
        tokio::time::sleep(waits.more).await;
        Ok((self.count(order_no).await?, took))
    }
}

/// What a case told of its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Told {
    /// Its payment; whether that was acknowledged.
    Paid(bool),
    /// The same where it is, or may be, told not for the first time.
    Again(bool),
    /// Nothing that pays.
    Other,
}

/// What is wrong with what was delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// It was acknowledged, and nothing came of it.
    Missing,
    /// So often by this case, of which so many were right.
    More(u64, u64),
    /// It was delivered, and is so no longer.
    Undone,
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Missing => f.write_str("It was not put into effect: the order was not delivered."),
            Wrong::More(_, 0) => f.write_str("It was put into effect: the order was delivered by it."),
            Wrong::More(times, right) => {
                write!(f, "The order was delivered {times} times instead of {right}.")
            }
            Wrong::Undone => f.write_str("What was delivered is so no longer."),
        }
    }
}

#[derive(Clone, Copy)]
struct Waits {
    missing: Duration,
    more: Duration,
}

/// What became of an order so far.
#[derive(Default)]
struct Account {
    /// When it was last looked at.
    count: u64,
    told: bool,
    /// A told payment was acknowledged.
    acknowledged: bool,
    /// A delivery was seen for the payment told; before that one is as good as awaited, acknowledged or not.
    delivered: bool,
}

/// All orders, so that each case answers for its own doing only.
#[derive(Default)]
pub(super) struct Ledger {
    accounts: HashMap<String, Account>,
    /// A first one was waited for.
    begun: bool,
    /// The slowest delivery so far: who is slow once is slow again, with what is too much as well.
    pace: Duration,
}

impl Ledger {
    fn waits(&self) -> Waits {
        Waits {
            missing: if self.begun {
                DELIVERY + 2 * self.pace
            } else {
                FIRST
            },
            more: AFTERWARDS + 2 * self.pace,
        }
    }

    /// What is wrong after a case. A sound endpoint has delivered a payment once that it acknowledged, and once or not
    /// at all (it will be told again) one that it did not; what was wrong before is not counted again.
    pub(super) async fn wrong(
        &mut self,
        delivered: &Delivered,
        order_no: &str,
        told: Told,
    ) -> anyhow::Result<Option<Wrong>> {
        let waits = self.waits();
        let account = self.accounts.entry(order_no.to_owned()).or_default();
        account.told |= told != Told::Other;
        let acknowledged = matches!(told, Told::Paid(true) | Told::Again(true));
        let due = acknowledged && !account.acknowledged;
        account.acknowledged |= acknowledged;
        let (count, took) = delivered.settled(order_no, due, waits).await?;
        let right = u64::from(account.told && !account.delivered);
        let before = std::mem::replace(&mut account.count, count);
        account.delivered |= right == 1 && count > before;
        self.begun |= due;
        self.pace = self.pace.max(took.unwrap_or_default());
        Ok(match count.checked_sub(before) {
            None => Some(Wrong::Undone),
            Some(times) if times > right => Some(Wrong::More(times, right)),
            Some(_) if due && count == 0 => Some(Wrong::Missing),
            Some(_) => None,
        })
    }

    /// Whether what was missing has come since; waits once more where anything ever came.
    pub(super) async fn came(&self, delivered: &Delivered, order_no: &str) -> anyhow::Result<bool> {
        let ever = self.accounts.values().any(|account| account.count > 0);
        let waits = Waits {
            more: Duration::ZERO,
            ..self.waits()
        };
        Ok(delivered.settled(order_no, ever, waits).await?.0 > 0)
    }
}
