//! Signatures off the I/O threads: an RSA-2048 signature takes as long as forwarding a dozen requests.

use certs::Keys;
use crossbeam_channel::{Sender, bounded};
use domain::KeyRef;
use tokio::sync::oneshot;

type Job = Box<dyn FnOnce() + Send>;

/// A few threads that sign.
#[derive(Clone)]
pub struct Signing {
    keys: Keys,
    jobs: Sender<Job>,
}

/// Why there is no signature.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The key cannot sign.
    #[error(transparent)]
    Key(#[from] certs::KeyError),
    /// The threads are gone: the process is stopping.
    #[error("the signing threads have stopped")]
    Stopped,
}

impl Signing {
    /// Starts `threads` signing threads.
    pub fn new(keys: Keys, threads: usize) -> Signing {
        let (jobs, work) = bounded::<Job>(4096);
        for n in 0..threads.max(1) {
            let work = work.clone();
            let run = move || {
                step_back();
                work.iter().for_each(|job| job());
            };
            std::thread::Builder::new().name(format!("sign-{n}")).spawn(run).expect("a thread can be started");
        }
        Signing { keys, jobs }
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Signs on another thread.
    pub async fn sign(&self, key: &KeyRef, message: Vec<u8>) -> Result<Vec<u8>, SigningError> {
        let (keys, key) = (self.keys.clone(), key.clone());
        let (done, signature) = oneshot::channel();
        let job: Job = Box::new(move || drop(done.send(keys.sign(&key, &message))));
        self.jobs.try_send(job).map_err(|_| SigningError::Stopped)?;
        Ok(signature.await.map_err(|_| SigningError::Stopped)??)
    }
}

/// Where cores are few, requests that need no signature now go before one that takes 200 us. Where the system does not
/// allow it, nothing is lost but that.
fn step_back() {
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), 5);
}
