//! The tasks that a service consists of. One that ends before it is told to, most likely by a panic, leaves a service that
//! looks well from outside and does not do its work: whoever runs it hears of that and stops in good order.

use std::collections::HashMap;
use tokio::task::{Id, JoinSet};

/// Tasks by name.
#[derive(Default)]
pub struct Tasks {
    set: JoinSet<()>,
    names: HashMap<Id, &'static str>,
}

impl Tasks {
    /// Starts one.
    pub fn spawn(&mut self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let id = self.set.spawn(work).id();
        self.names.insert(id, name);
    }

    /// The name of the next one that ends; for ever where there is none. May be dropped and asked again.
    pub async fn ended(&mut self) -> &'static str {
        let (id, error) = match self.set.join_next_with_id().await {
            Some(Ok((id, ()))) => (id, None),
            Some(Err(error)) => (error.id(), Some(error)),
            None => std::future::pending().await,
        };
        let name = self.names.get(&id).copied().unwrap_or_default();
        tracing::error!(
            task = name,
            error = error.map(tracing::field::display),
            "a task ended before it was told to"
        );
        name
    }

    /// Waits for all of them, which have been told to end.
    pub async fn all(&mut self) {
        while self.set.join_next().await.is_some() {}
    }

    /// Ends those that are still there, wherever they wait.
    pub async fn cut(&mut self) {
        self.set.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{future::pending, time::Duration};
    use tokio::time::timeout;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn whoever_ends_too_soon_is_named_and_the_others_can_still_be_stopped() {
        let mut tasks = Tasks::default();
        tasks.spawn("calm", pending());
        let nothing = timeout(Duration::from_millis(20), tasks.ended()).await;
        assert!(nothing.is_err(), "nothing ended");
        tasks.spawn("sweep", async { panic!("as asked") });
        assert_eq!(timeout(SOON, tasks.ended()).await, Ok("sweep"));
        tasks.spawn("outbox", async {});
        assert_eq!(timeout(SOON, tasks.ended()).await, Ok("outbox"));
        timeout(SOON, tasks.cut()).await.expect("it waits for nothing");
        timeout(SOON, tasks.all()).await.expect("none is left");
    }
}
