//! Notes, checkpoints, keys, tiles; the writer's readers against the verifier's.

use super::parts;
use journal::{
    follow::{Fetch, Follower},
    merkle, tiles as layout,
};

/// Two programs by two hands read the same.
pub(crate) fn note(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(ours) = journal::Checkpoint::parse(text) {
        assert_eq!(ours.to_text(), text);
        let theirs = verify::Checkpoint::parse(text).expect("the verifier reads what the journal reads");
        assert_eq!(
            (ours.origin, ours.size, ours.root),
            (theirs.origin, theirs.size, theirs.root)
        );
    }
    let _ = verify::Checkpoint::parse(text);
    if let Some(ours) = journal::VerifierKey::parse(text) {
        assert_eq!(journal::VerifierKey::parse(&ours.to_text()), Some(ours));
    }
    let _ = text.parse::<verify::VerifierKey>();
    let key = journal::VerifierKey {
        name: "guandao.example/trades/0".into(),
        public_key: [7; 32],
    };
    let opened = journal::note::open(text, &key, |_, _| true);
    let parsed = verify::SignedNote::parse(data);
    if let (Some(opened), Ok(parsed)) = (opened, parsed) {
        assert_eq!(opened, parsed.unverified_text());
    }
}

/// Parts: a path, a bundle or tile.
pub(crate) fn tiles(data: &[u8]) {
    let [path, octets] = parts(data);
    if let Ok(path) = std::str::from_utf8(path)
        && layout::is_resource(path)
    {
        assert!(
            !path.contains("..") && !path.starts_with('/') && !path.contains("//") && !path.contains('\\')
        );
    }
    if let Some(entries) = layout::entries(octets) {
        let mut again = Vec::new();
        let put = |entry: &&[u8]| layout::put_entry(&mut again, entry);
        entries
            .iter()
            .try_for_each(put)
            .expect("entries of a bundle fit into one");
        assert_eq!(again, octets);
        let mut frontier = merkle::Frontier::default();
        entries
            .iter()
            .for_each(|entry| frontier.push(merkle::leaf(entry)));
        assert_eq!(frontier.size(), entries.len() as u64);
    }
    if let Some(hashes) = layout::hashes(octets) {
        let number = |i: usize| {
            hashes
                .get(i)
                .map_or(0, |h| u64::from_be_bytes(h[..8].try_into().expect("eight")))
        };
        let proof = hashes.get(3..).unwrap_or_default();
        let ours = merkle::root_by_inclusion([1; 32], number(0), number(1), proof);
        let theirs = ours
            .map(|root| verify::merkle::check_inclusion(number(0), number(1), [1; 32], proof, &root).is_ok());
        assert_ne!(theirs, Some(false), "the verifier agrees");
        let _ = verify::merkle::check_inclusion(number(0), number(1), [1; 32], proof, &[2; 32]);
    }
}

struct Served<'a>(std::sync::Mutex<std::slice::Iter<'a, &'a [u8]>>);

impl Fetch for Served<'_> {
    async fn get(&self, _: &str) -> Result<Vec<u8>, String> {
        self.0
            .lock()
            .ok()
            .and_then(|mut rest| rest.next().map(|f| f.to_vec()))
            .ok_or_else(|| "no more".into())
    }
}

/// A hostile journal is followed: parts are the files in the order asked for; the first two are where we were.
pub(crate) fn follow(data: &[u8]) {
    let [begin, size, root, files @ ..] = parts::<9>(data);
    let at = match begin {
        b"" => None,
        _ => {
            let mut number = [0; 8];
            size.iter()
                .take(8)
                .enumerate()
                .for_each(|(i, b)| number[7 - i] = *b);
            let mut hash = [0; 32];
            root.iter().take(32).enumerate().for_each(|(i, b)| hash[i] = *b);
            Some((u64::from_be_bytes(number), hash))
        }
    };
    let key = journal::VerifierKey {
        name: "guandao.example/trades/0".into(),
        public_key: [7; 32],
    };
    let mut follower = Follower::new(key, at);
    let served = Served(std::sync::Mutex::new(files.iter()));
    // Nothing here ever waits.
    let mut poll = std::pin::pin!(follower.poll(&served, |_, _, _| true));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let _ = poll.as_mut().poll(&mut context);
}
