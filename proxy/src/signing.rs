//! Signatures off the I/O threads: an RSA-2048 signature takes as long as forwarding a dozen requests.
//!
//! On a single core there is no other thread to win by: each hand-over would cost two switches and a cold cache (a
//! seventh to a third more CPU per order, measured; see the manual's chapter on performance), so there it is done in place, after
//! everything else that is ready.

use certs::Keys;
use crossbeam_channel::{Sender, bounded};
use domain::{KeyRef, SignMethod};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that sign, or none.
#[derive(Clone)]
pub struct Signing {
    keys: Keys,
    jobs: Option<Sender<Job>>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] certs::KeyError),
    /// The threads are gone: the process is stopping. Or this signature made its thread panic.
    #[error("the signing threads gave no answer")]
    Stopped,
}

impl Signing {
    /// Starts `threads` signing threads; with none, signatures are made where they are asked for.
    pub fn new(keys: Keys, threads: usize) -> Signing {
        if threads == 0 {
            return Signing { keys, jobs: None };
        }
        let (jobs, work) = bounded::<Job>(4096);
        for n in 0..threads {
            let work = work.clone();
            let run = move || {
                step_back();
                for job in &work {
                    // Of a job that panics its caller hears; the others' signatures are made all the same.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("a signature panicked");
                    }
                }
            };
            std::thread::Builder::new()
                .name(format!("sign-{n}"))
                .spawn(run)
                .expect("a thread can be started");
        }
        Signing {
            keys,
            jobs: Some(jobs),
        }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Vouches for a message as its channel wants it. A digest takes no time worth a thread.
    pub async fn vouch(
        &self,
        method: SignMethod,
        key: &KeyRef,
        message: Vec<u8>,
    ) -> Result<Vec<u8>, SigningError> {
        match method {
            SignMethod::Signature | SignMethod::Sm2 => self.sign(key, message).await,
            SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => Ok(self.keys.vouch(method, key, &message)?),
        }
    }

    /// Signs, without holding up what needs no signature.
    pub async fn sign(&self, key: &KeyRef, message: Vec<u8>) -> Result<Vec<u8>, SigningError> {
        let Some(jobs) = &self.jobs else {
            tokio::task::yield_now().await;
            return Ok(self.keys.sign(key, &message)?);
        };
        let (keys, key) = (self.keys.clone(), key.clone());
        let (done, signature) = oneshot::channel();
        let job: Job = Box::new(move || drop(done.send(keys.sign(&key, &message))));
        jobs.try_send(job).map_err(|_| SigningError::Stopped)?;
        Ok(signature.await.map_err(|_| SigningError::Stopped)??)
    }
}

/// Where cores are few, requests that need no signature now go before one that takes 200 us. Where the system does not
/// allow it, nothing is lost but that.
fn step_back() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 5);
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::Material;

    #[tokio::test]
    async fn a_signature_that_panics_takes_no_thread_with_it() {
        let key = KeyRef::new("answer/1").expect("a name");
        let keys = Keys::default();
        let pem = certs::generate_ed25519().expect("a key");
        keys.put_all(vec![(
            key.clone(),
            Material::read(pem.as_bytes()).expect("a key"),
        )]);
        let signing = Signing::new(keys, 1);
        let jobs = signing.jobs.clone().expect("there is a thread");
        jobs.send(Box::new(|| panic!("as asked"))).expect("taken");
        let signed = signing.sign(&key, b"message".to_vec()).await;
        assert!(signed.is_ok(), "{:?}", signed.err());
    }
}
