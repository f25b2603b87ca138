//! Followers of a journal that grows, that moves on meanwhile, and that is not what it was.

use super::*;
use crate::follow::{Fetch, FollowError, Follower};

struct Direct(Reader);

impl Fetch for Direct {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        self.0
            .resource(&format!("/{path}"), true)
            .ok_or("no such path")?
            .map_err(|e| e.to_string())
    }
}

fn verify(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    Stamp(key[0]).sign(message) == signature
}

#[tokio::test]
async fn a_follower_sees_every_entry_and_no_other_history() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let (journal, _) = open(&disk, Path::new("/a"), small()).expect("opens");
    let mut follower = Follower::new(journal.key(), None);
    let mut seen = Vec::new();
    for round in 0..30u64 {
        put(&journal, 1 + round * 7 % 90);
        journal.pump().expect("written");
        seen.extend(
            follower
                .poll(&Direct(journal.reader()), verify)
                .await
                .expect("followed"),
        );
        if round % 5 == 0 {
            follower = Follower::new(journal.key(), Some(follower.cursor()));
        }
    }
    assert_eq!(seen.len() as u64, journal.durable());
    assert!(
        seen.iter()
            .enumerate()
            .all(|(i, (index, entry))| i as u64 == *index && *entry == line(*index))
    );
    // Another history of the same name and key.
    let (other, _) = open(&disk, Path::new("/b"), small()).expect("opens");
    let pending = other.append(|_| vec![b"x".to_vec(); journal.durable() as usize + 5]);
    other.pump().expect("written");
    drop(pending);
    assert!(matches!(
        follower.poll(&Direct(other.reader()), verify).await,
        Err(FollowError::Forked { .. })
    ));
    let mut resumed = Follower::new(journal.key(), Some(follower.cursor()));
    assert!(matches!(
        resumed.poll(&Direct(other.reader()), verify).await,
        Err(FollowError::Forked { .. })
    ));
    let mut stranger = Follower::new(
        VerifierKey {
            public_key: [8; 32],
            ..journal.key()
        },
        None,
    );
    assert!(matches!(
        stranger.poll(&Direct(journal.reader()), verify).await,
        Err(FollowError::Signature(_))
    ));
}

/// Serves an earlier tree; partial files whose full ones are there are gone already.
struct Late(String, Reader);

impl Fetch for Late {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let now = Direct(self.1.clone());
        match path.split_once(".p/") {
            _ if path == "checkpoint" => Ok(self.0.clone().into_bytes()),
            Some((full, _)) if now.get(full).await.is_ok() => Err("404".into()),
            _ => now.get(path).await,
        }
    }
}

#[tokio::test]
async fn a_follower_takes_the_full_file_where_the_partial_one_is_gone() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let (journal, _) = open(&disk, Path::new("/a"), small()).expect("opens");
    let mut early = Follower::new(journal.key(), None);
    put(&journal, 270);
    journal.pump().expect("written");
    let served = Direct(journal.reader());
    assert_eq!(early.poll(&served, verify).await.expect("followed").len(), 270);
    put(&journal, 30);
    journal.pump().expect("written");
    let note = journal.reader().note().to_string();
    put(&journal, 300);
    journal.pump().expect("written");
    let late = Late(note, journal.reader());
    assert!(late.get("tile/entries/001.p/44").await.is_err());
    let mut anew = Follower::new(journal.key(), None);
    assert_eq!(anew.poll(&late, verify).await.expect("followed").len(), 300);
    // Where it was lies in a partial tile too.
    let mut again = Follower::new(journal.key(), Some(early.cursor()));
    let read = again.poll(&late, verify).await.expect("followed");
    assert_eq!((read.len(), read[0].0), (30, 270));
}

/// Alters one file on its way.
struct Altering(Reader, &'static str);

impl Fetch for Altering {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut octets = Direct(self.0.clone()).get(path).await?;
        if let Some(last) = octets.last_mut().filter(|_| path == self.1) {
            *last ^= 1;
        }
        Ok(octets)
    }
}

#[tokio::test]
async fn a_long_backlog_is_taken_in_parts_each_proven_to_be_of_the_signed_tree() {
    let disk: Arc<dyn Disk> = Arc::new(SimulatedDisk::new(1));
    let (journal, _) = open(&disk, Path::new("/a"), small()).expect("opens");
    let most = crate::follow::MOST_BUNDLES * tiles::WIDTH;
    let pending = journal.append(|first| {
        (first..most + 1300)
            .map(|n| format!("{n}").into_bytes())
            .collect()
    });
    assert_eq!(pending.count, most + 1300);
    journal.pump().expect("written");
    let mut follower = Follower::new(journal.key(), None);
    // One within the part that is read, one beyond it.
    for file in ["tile/entries/007", "tile/1/000.p/69"] {
        let refused = follower.poll(&Altering(journal.reader(), file), verify).await;
        assert!(matches!(refused, Err(FollowError::Forked { .. })), "{file}");
        assert!(!follower.is_behind() && follower.cursor().0 == 0);
    }
    let mut next = 0;
    for (part, behind) in [(most, true), (1300, false)] {
        let read = follower
            .poll(&Direct(journal.reader()), verify)
            .await
            .expect("followed");
        assert_eq!((read.len() as u64, follower.is_behind()), (part, behind));
        for (index, entry) in read {
            assert_eq!((index, entry), (next, format!("{next}").into_bytes()));
            next += 1;
        }
    }
    assert_eq!(
        follower.cursor(),
        (most + 1300, journal.reader().checkpoint().root)
    );
}
