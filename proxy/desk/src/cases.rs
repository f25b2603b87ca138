//! The cases journal with its fold: what is decided is decided against the latest state, and appended under the same
//! lock, so that no two officers can both be first.

use crate::state::{Broken, State};
use domain::*;
use journal::{Journal, Reader, Settings, disk::RealDisk};
use parking_lot::RwLock;
use std::{path::Path, sync::Arc};

/// Why something asked for was not done.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// There is no such flag, measure or package.
    #[error("there is no such thing")]
    NotFound,
    /// The same person would be both officers.
    #[error("a second officer must decide, never the one who proposed")]
    SameOfficer,
    /// It is not in a state in which this can be done.
    #[error("{0}")]
    State(&'static str),
    /// What stands is another proposal than the one that was read.
    #[error("the proposal has changed; read it again")]
    Changed,
    /// What was written cannot be taken.
    #[error("{0}")]
    Text(&'static str),
    /// The role does not include this.
    #[error("your role does not include this")]
    Role,
    /// The rules of the desk forbid it.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// The desk is stopping.
    #[error("the desk is stopping")]
    Closed,
}

/// Why the cases journal does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The journal itself.
    #[error(transparent)]
    Journal(#[from] journal::OpenError),
    /// It cannot be read back.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// An entry is none of ours.
    #[error("entry {0} of the cases journal cannot be read: {1}")]
    Entry(u64, serde_json::Error),
    /// An entry breaks a rule of the desk.
    #[error(transparent)]
    Broken(#[from] Broken),
}

/// The journal and what it says.
pub struct Cases {
    journal: Journal,
    state: RwLock<State>,
    clock: Arc<dyn Clock>,
}

impl Cases {
    /// Opens or begins the journal and folds it.
    pub fn open(
        dir: &Path,
        origin: &str,
        signer: Arc<dyn Sign>,
        clock: Arc<dyn Clock>,
    ) -> Result<Cases, OpenError> {
        let settings = Settings {
            segment: 1 << 20,
            ..Settings::default()
        };
        let (journal, _) = Journal::open(Arc::new(RealDisk), dir, origin, signer, settings)?;
        let state = RwLock::new(replay(&journal.reader())?);
        Ok(Cases {
            journal,
            state,
            clock,
        })
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read())
    }

    /// Decides against the latest state, puts the outcome on record, and waits until it is durable. Yields the index
    /// of the first entry; `None` if there was nothing to record.
    pub async fn commit(
        &self,
        decide: impl FnOnce(&State, Instant) -> Result<Vec<CaseEvent>, Refusal>,
    ) -> Result<Option<u64>, Refusal> {
        let pending = {
            let mut state = self.state.write();
            let now = self.clock.now();
            let (mut entries, mut broken) = (Vec::new(), None);
            for event in decide(&state, now)? {
                let entry = entry(now, event);
                let octets = entry.to_canonical();
                let fits = octets.len() <= journal::MOST_ENTRY;
                let long = Refusal::Text("this is longer than an entry of the journal may be");
                let applied = if fits {
                    state.apply(&entry).map_err(Refusal::from)
                } else {
                    Err(long)
                };
                match applied {
                    Ok(()) => entries.push(octets),
                    Err(refusal) => {
                        broken = Some(refusal);
                        break;
                    }
                }
            }
            let pending = (!entries.is_empty()).then(|| self.journal.append(|_| entries));
            match (broken, pending) {
                (Some(broken), _) => return Err(broken),
                (None, pending) => pending,
            }
        };
        match pending {
            None => Ok(None),
            Some(pending) => pending.await.map(Some).map_err(|_| Refusal::Closed),
        }
    }

    /// Puts one event on record.
    pub async fn record(&self, event: CaseEvent) -> Result<u64, Refusal> {
        self.commit(|_, _| Ok(vec![event]))
            .await
            .map(Option::unwrap_or_default)
    }

    /// Reads the journal.
    pub fn reader(&self) -> Reader {
        self.journal.reader()
    }

    /// Now.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Integrates what is left and stops.
    pub fn close(&self) {
        self.journal.close();
    }
}

/// The state that a journal leads to.
pub fn replay(reader: &Reader) -> Result<State, OpenError> {
    let mut state = State::default();
    for row in reader.scan(0) {
        let (index, bytes) = row?;
        let entry = CaseEntry::from_canonical(&bytes).map_err(|e| OpenError::Entry(index, e))?;
        state.apply(&entry)?;
    }
    Ok(state)
}

fn entry(at: Instant, event: CaseEvent) -> CaseEntry {
    Entry {
        at,
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt: Salt::from_bytes(crate::random()),
        tell: None,
        v: ENTRY_VERSION,
    }
}
