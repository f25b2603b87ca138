//! Asks the merchant's own test address how often an order was delivered.

use super::wire::Endpoint;
use anyhow::Context;
use std::{collections::HashMap, path::Path, time::Duration};

/// How long a delivery may take behind an acknowledgement.
const DELIVERY: Duration = Duration::from_secs(3);
/// And this long it is waited for one too many.
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

    /// Waits until it was delivered so often, and then a little for more.
    async fn settled(&self, order_no: &str, wanted: u64) -> anyhow::Result<u64> {
        let began = std::time::Instant::now();
        while self.count(order_no).await? < wanted && began.elapsed() < DELIVERY {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(AFTERWARDS).await;
        self.count(order_no).await
    }
}

/// What each order's count was when it was last looked at, so that each case answers for its own doing only.
#[derive(Default)]
pub(super) struct Counts(HashMap<String, u64>);

impl Counts {
    /// What is wrong where the case should have delivered the order so many times more; none where it did.
    pub(super) async fn wrong(
        &mut self,
        delivered: &Delivered,
        order_no: &str,
        more: u64,
    ) -> anyhow::Result<Option<String>> {
        let before = self.0.get(order_no).copied().unwrap_or_default();
        let wanted = before + more;
        let count = delivered.settled(order_no, wanted).await?;
        self.0.insert(order_no.to_owned(), count);
        Ok(match count {
            count if count == wanted => None,
            count if count < before => Some("What was delivered is so no longer.".to_owned()),
            count => Some(match (more, count - before) {
                (0, _) => "It was put into effect: the order was delivered by it.".to_owned(),
                (_, 0) => "It was not put into effect: the order was not delivered.".to_owned(),
                (more, times) => format!("The order was delivered {times} times instead of {more}."),
            }),
        })
    }
}
