//! One winner for each (order, operation, number): the claim that 200 parallel identical requests race for.

use domain::{Operation, PaymentId};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};
use tokio::sync::watch;

/// What is claimed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClaimKey {
    /// The order.
    pub order: PaymentId,
    /// The operation.
    pub operation: Operation,
    /// The refund number, where the operation has one.
    pub number: Option<Arc<str>>,
}

/// Claims that are held now.
#[derive(Clone, Default)]
pub struct Claims(Arc<Mutex<HashMap<ClaimKey, watch::Receiver<()>>>>);

/// How a claim ended.
pub enum Claim {
    /// We hold it until the guard is dropped.
    Won(Held),
    /// Somebody else does.
    Lost(Busy),
}

/// A claim that is held. Dropping it lets the next one in.
#[must_use]
pub struct Held {
    claims: Claims,
    key: ClaimKey,
    _alive: watch::Sender<()>,
}

/// Somebody else's claim.
pub struct Busy(watch::Receiver<()>);

impl Claims {
    /// Takes the claim if it is free.
    pub fn claim(&self, key: ClaimKey) -> Claim {
        let mut held = self.0.lock();
        if let Some(other) = held.get(&key) {
            return Claim::Lost(Busy(other.clone()));
        }
        let (alive, watcher) = watch::channel(());
        held.insert(key.clone(), watcher);
        Claim::Won(Held {
            claims: self.clone(),
            key,
            _alive: alive,
        })
    }
}

impl Busy {
    /// Waits until the other claim is released.
    pub async fn released(mut self) {
        while self.0.changed().await.is_ok() {}
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.claims.0.lock().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_hundred_parallel_claims_have_one_winner_at_a_time() {
        let claims = Claims::default();
        let key = ClaimKey {
            order: PaymentId::from_bytes([1; 16]),
            operation: Operation::Create,
            number: None,
        };
        let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let mut tasks = Vec::new();
        for _ in 0..200 {
            let (claims, key, inside) = (claims.clone(), key.clone(), inside.clone());
            tasks.push(tokio::spawn(async move {
                loop {
                    match claims.claim(key.clone()) {
                        Claim::Won(held) => {
                            assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                            tokio::task::yield_now().await;
                            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                            drop(held);
                            return;
                        }
                        Claim::Lost(busy) => busy.released().await,
                    }
                }
            }));
        }
        for task in tasks {
            task.await.expect("no claim is lost");
        }
    }
}
