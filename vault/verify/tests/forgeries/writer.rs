//! Writes tiled logs, notes and proofs straight from the definitions. Slow, and meant to be.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{fs, path::Path};
use verify::VerifierKey;

/// Somebody who signs notes.
pub(crate) struct Signer {
    pub(crate) name: String,
    pair: Ed25519KeyPair,
}

impl Signer {
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed of 32 bytes");
        Signer {
            name: name.to_owned(),
            pair,
        }
    }

    fn id(&self) -> Vec<u8> {
        let public = self.pair.public_key().as_ref();
        Sha256::digest([self.name.as_bytes(), b"\n\x01", public].concat())[..4].to_vec()
    }

    pub(crate) fn vkey(&self) -> String {
        let typed = [&[1], self.pair.public_key().as_ref()].concat();
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.id()),
            STANDARD.encode(typed)
        )
    }

    pub(crate) fn key(&self) -> VerifierKey {
        self.vkey().parse().expect("our own key")
    }

    pub(crate) fn note(&self, text: &str) -> String {
        let signature = [&self.id(), self.pair.sign(text.as_bytes()).as_ref()].concat();
        format!("{text}\n\u{2014} {} {}\n", self.name, STANDARD.encode(signature))
    }
}

/// A log: who signs it, and the bytes of its entries.
pub(crate) struct Log {
    pub(crate) signer: Signer,
    pub(crate) entries: Vec<Vec<u8>>,
}

impl Log {
    pub(crate) fn checkpoint(&self) -> String {
        self.checkpoint_at(self.entries.len())
    }

    pub(crate) fn checkpoint_at(&self, size: usize) -> String {
        let root = STANDARD.encode(mth(&self.entries[..size]));
        self.signer
            .note(&format!("{}\n{size}\n{root}\n", self.signer.name))
    }

    /// Everything a C2SP tlog-tiles directory holds, and `key.vkey`.
    pub(crate) fn write(&self, dir: &Path) {
        put(dir, "checkpoint", self.checkpoint().as_bytes());
        put(dir, "key.vkey", format!("{}\n", self.signer.vkey()).as_bytes());
        for (n, bundle) in self.entries.chunks(256).enumerate() {
            put(dir, &resource("entries", n, bundle.len()), &bundle_bytes(bundle));
        }
        let (mut level, mut span) = (0, 1);
        while span <= self.entries.len() {
            let hashes: Vec<_> = self.entries.chunks_exact(span).map(mth).collect();
            for (n, tile) in hashes.chunks(256).enumerate() {
                put(dir, &resource(&level.to_string(), n, tile.len()), &tile.concat());
            }
            (level, span) = (level + 1, span * 256);
        }
    }

    /// C2SP tlog-proof of entry `index`.
    pub(crate) fn receipt(&self, index: usize) -> String {
        let entry = STANDARD.encode(&self.entries[index]);
        let proof: String = self.proof(index).iter().map(|hash| format!("{hash}\n")).collect();
        format!(
            "c2sp.org/tlog-proof@v1\nextra {entry}\nindex {index}\n{proof}\n{}",
            self.checkpoint()
        )
    }

    /// Hashes of the inclusion proof in base64.
    pub(crate) fn proof(&self, index: usize) -> Vec<String> {
        path(index, &self.entries)
            .iter()
            .map(|hash| STANDARD.encode(hash))
            .collect()
    }
}

pub(crate) fn put(dir: &Path, name: &str, bytes: &[u8]) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().expect("a name within")).expect("made");
    fs::write(path, bytes).expect("written");
}

pub(crate) fn bundle_bytes(entries: &[Vec<u8>]) -> Vec<u8> {
    let one = |entry: &Vec<u8>| [&(entry.len() as u16).to_be_bytes()[..], entry].concat();
    entries.iter().flat_map(one).collect()
}

/// Paths below a million are enough for tests.
fn resource(level: &str, n: usize, width: usize) -> String {
    let thousands = if n >= 1000 {
        format!("x{:03}/", n / 1000)
    } else {
        String::new()
    };
    let partial = if width < 256 {
        format!(".p/{width}")
    } else {
        String::new()
    };
    format!("tile/{level}/{thousands}{:03}{partial}", n % 1000)
}

/// `MTH(D[n])`, RFC 6962 section 2.1, word by word.
pub(crate) fn mth(entries: &[Vec<u8>]) -> [u8; 32] {
    match entries {
        [] => Sha256::digest(b"").into(),
        [one] => Sha256::digest([&[0][..], one].concat()).into(),
        many => {
            let (left, right) = many.split_at(half(many.len()));
            Sha256::digest([&[1][..], &mth(left), &mth(right)].concat()).into()
        }
    }
}

/// `PATH(m, D[n])`, RFC 6962 section 2.1.1.
fn path(m: usize, entries: &[Vec<u8>]) -> Vec<[u8; 32]> {
    if entries.len() <= 1 {
        return Vec::new();
    }
    let (left, right) = entries.split_at(half(entries.len()));
    let (mut hashes, other) = if m < left.len() {
        (path(m, left), mth(right))
    } else {
        (path(m - left.len(), right), mth(left))
    };
    hashes.push(other);
    hashes
}

fn half(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}
