//! Following the trades journal: verify, keep a copy, feed the watch, raise flags, put the cursor on record.
//!
//! After a restart the watch is fed again from the beginning. What it finds up to the cursor was raised, or not, by
//! the rules of then; only later entries raise flags, and none twice.
//!
//! Merchants' facts are those of the registries that were in force at the entry. Where a new entry rests on a file
//! that this desk does not have, the reading waits there, with an alarm.

use crate::{
    cases::Cases,
    explain::Explain,
    fetch::Remote,
    findings::{self, Found},
    mirror::Mirror,
    then::{Missing, Then},
    trades::{Health, Trades},
};
use domain::*;
use journal::{
    VerifierKey,
    follow::{FollowError, Follower},
    merkle::{self, Frontier, Hash},
};
use policy::anomaly::{Parameters, Watch};
use std::{io, path::Path, sync::Arc};

/// Follows one trades journal.
pub struct Following {
    cases: Arc<Cases>,
    trades: Arc<Trades>,
    then: Then,
    remote: Arc<Remote>,
    follower: Follower,
    /// What was fed to the watch: the copy may be ahead of it.
    fed: Frontier,
    watch: Watch,
    explain: Explain,
    /// Size and root that a reading from the beginning must come by, and how far it is.
    expected: Option<(u64, Hash, Frontier)>,
}

/// Where the desk's copies of the trades journal lie.
pub fn mirror(data: &Path, cases: &Cases) -> io::Result<Mirror> {
    let cursor = cases
        .look(|state| state.cursor())
        .map(|(size, root)| (size, *root.as_bytes()));
    Mirror::open(&data.join("trades.copy"), cursor)
}

impl Following {
    /// Takes up where the cases journal says that we were.
    pub fn new(
        cases: Arc<Cases>,
        trades: Arc<Trades>,
        then: Then,
        remote: Arc<Remote>,
        parameters: Parameters,
    ) -> io::Result<Following> {
        let cursor = cases
            .look(|state| state.cursor())
            .map(|(size, root)| (size, *root.as_bytes()));
        let copied = trades.mirror.size() > 0;
        let (at, expected) = if copied { (cursor, None) } else { (None, cursor) };
        let expected = expected.map(|(size, root)| (size, root, Frontier::default()));
        let key: VerifierKey = trades.key.clone();
        let mut following = Following {
            cases,
            trades,
            then,
            remote,
            follower: Follower::new(key, at),
            fed: Frontier::default(),
            watch: Watch::new(parameters),
            explain: Explain::default(),
            expected,
        };
        following.feed_again()?;
        Ok(following)
    }

    /// The copy through the watch; nothing is raised.
    fn feed_again(&mut self) -> io::Result<()> {
        for index in 0..self.trades.mirror.size() {
            let Some(bytes) = self.trades.mirror.entry(index)? else {
                break;
            };
            // On record already: it need not wait.
            let _ = self.feed(index, &bytes, false);
        }
        Ok(())
    }

    /// The entry after those fed. `wait` says whether it may be put off until its registries are there.
    fn feed(&mut self, index: u64, bytes: &[u8], wait: bool) -> Result<Option<Found>, Missing> {
        let Some(entry) = self.read(index, bytes) else {
            self.fed.push(merkle::leaf(bytes));
            return Ok(None);
        };
        match self.then.observe(&entry.event) {
            Err(missing) if wait => return Err(missing),
            Err(missing) => {
                tracing::warn!(index, %missing, "an earlier registry is missing; the one before it is used")
            }
            Ok(()) => {}
        }
        self.fed.push(merkle::leaf(bytes));
        Ok(Some(self.watch_over(index, &entry)))
    }

    fn read(&self, index: u64, bytes: &[u8]) -> Option<TradeEntry> {
        let Ok(entry) = TradeEntry::from_canonical(bytes) else {
            // A newer proxy may know more events; officers must see that the watch does not.
            tracing::error!(
                index,
                "an entry of the trades journal cannot be read by this desk"
            );
            self.trades.change(|health| health.unreadable += 1);
            return None;
        };
        Some(entry)
    }

    fn watch_over(&mut self, index: u64, entry: &TradeEntry) -> Found {
        self.trades.differences.observe(index, entry);
        self.trades.unproven.observe(index, entry);
        self.trades.refusals.observe(index, entry);
        let registries = self.then.registries();
        let facts = entry
            .merchant
            .as_ref()
            .and_then(|id| registries.merchant(id))
            .map(|facts| &**facts);
        let findings = self.watch.observe(index, entry, facts);
        let refusal = self.explain.observe(entry, facts);
        if refusal == Some(None) {
            self.trades.change(|health| health.unexplained += 1);
        }
        let explained = refusal.flatten().zip(entry.merchant.clone());
        let acquirer = facts.map(|facts| facts.acquirer.clone());
        Found {
            index,
            findings,
            acquirer,
            explained,
        }
    }

    /// True where the last reading left some of a long backlog to the next.
    pub fn is_behind(&self) -> bool {
        self.follower.is_behind() && self.trades.health().alarm.is_none()
    }

    /// Reads what is new, a long backlog in parts. `Err` only when the copy cannot be written: then nothing can be relied on.
    pub async fn poll(&mut self) -> io::Result<()> {
        if self.trades.health().alarm.is_some() {
            return Ok(());
        }
        let entries = match self.follower.poll(&*self.remote, certs::verify_ed25519).await {
            Ok(entries) => entries,
            Err(error) => {
                self.failed(&error);
                return Ok(());
            }
        };
        if let Some(error) = self.another_history(&entries) {
            self.failed(&error);
            return Ok(());
        }
        self.take(entries).await
    }

    async fn take(&mut self, entries: Vec<(u64, Vec<u8>)>) -> io::Result<()> {
        // Before any flag is raised: a package must never name a trade beyond the head that it carries. None is raised
        // before the reading comes by what we had on record. In the middle of a backlog the former head stays, since the copy
        // holds nothing near the new one; what is raised there goes into a package once the end is read.
        let is_whole = self.expected.is_none() && !self.follower.is_behind();
        if let Some(note) = self.remote.checkpoint().filter(|_| is_whole) {
            self.trades.seen(note);
        }
        if !entries.is_empty() {
            self.trades
                .mirror
                .append(entries.iter().map(|(_, bytes)| bytes.as_slice()))?;
        }
        self.feed_on().await?;
        let now = self.cases.now();
        self.trades
            .change(|health| (health.trouble, health.last) = (None, Some(now)));
        Ok(())
    }

    /// Feeds what the copy holds beyond what was fed, as far as registries are known, and puts what was found on record.
    async fn feed_on(&mut self) -> io::Result<()> {
        let before = self.fed.size();
        let on_record = self
            .cases
            .look(|state| state.cursor())
            .map_or(0, |(size, _)| size);
        let (mut new, mut missing) = (Vec::new(), None);
        while let Some(bytes) = self.trades.mirror.entry(self.fed.size())? {
            let index = self.fed.size();
            match self.feed(index, &bytes, index >= on_record) {
                Ok(found) => new.extend(found.filter(|found| found.index >= on_record)),
                Err(why) => {
                    missing = Some(why);
                    break;
                }
            }
        }
        self.waiting(missing);
        if self.fed.size() == before || self.fed.size() <= on_record {
            return Ok(());
        }
        let events = findings::events(new, &self.trades.mirror)?;
        let cursor = CaseEvent::TradesCursor {
            root: Digest::from_bytes(self.fed.root()),
            size: self.fed.size(),
        };
        let done = self
            .cases
            .commit(|state, _| Ok(findings::number(state, events, cursor)))
            .await;
        done.map(drop).map_err(|error| {
            tracing::error!(%error, "what was found could not be put on record");
            io::Error::other(error.to_string())
        })
    }

    /// Tells officers and the log, once, that no trade is watched until a registry comes.
    fn waiting(&self, missing: Option<Missing>) {
        let text = missing.map(|missing| missing.to_string());
        let known = self.trades.health().waiting;
        if text.as_ref() == known.as_ref().map(|(_, text)| text) {
            return;
        }
        match &text {
            Some(missing) => tracing::error!(missing, "ALARM: trades are not watched until a registry comes"),
            None => tracing::info!("the registry came; trades are watched again"),
        }
        let now = self.cases.now();
        self.trades
            .change(|health| health.waiting = text.map(|text| (now, text)));
    }

    /// A reading from the beginning must come by the root that we put on record.
    fn another_history(&mut self, entries: &[(u64, Vec<u8>)]) -> Option<FollowError> {
        let (size, root, mut frontier) = self.expected.take()?;
        for (_, entry) in entries.iter().take((size - frontier.size()) as usize) {
            frontier.push(merkle::leaf(entry));
        }
        if frontier.size() < size && self.follower.is_behind() {
            self.expected = Some((size, root, frontier));
            return None;
        }
        let same = frontier.size() == size && frontier.root() == root;
        let (shown, _) = self.follower.cursor();
        let origin = self.follower.origin().to_owned();
        (!same).then_some(FollowError::Forked {
            origin,
            seen: size,
            shown,
        })
    }

    fn failed(&self, error: &FollowError) {
        let now = self.cases.now();
        let (text, forked) = (error.to_string(), matches!(error, FollowError::Forked { .. }));
        if forked {
            tracing::error!(%error, "ALARM: the trades journal was forked or rolled back; following stops");
        } else if self
            .trades
            .health()
            .trouble
            .is_none_or(|(_, known)| known != text)
        {
            // Once, not each second; the pages show since when.
            tracing::warn!(%error, "the trades journal could not be read");
        }
        self.trades.change(|health: &mut Health| {
            if forked {
                health.alarm = Some((now, text));
            } else {
                let since = health.trouble.as_ref().map_or(now, |(since, _)| *since);
                health.trouble = Some((since, text));
            }
        });
    }
}
