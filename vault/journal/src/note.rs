//! C2SP signed notes and tlog checkpoints, read strictly.

use crate::merkle::Hash;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Sign;
use sha2::{Digest, Sha256};

/// A name and the Ed25519 key that signs under it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VerifierKey {
    /// Origin of the log, or name of the signer.
    pub name: String,
    /// Ed25519 public key.
    pub public_key: [u8; 32],
}

impl VerifierKey {
    /// First four octets of SHA-256 over name, newline, algorithm, key.
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new()
            .chain_update(&self.name)
            .chain_update(b"\n\x01")
            .chain_update(self.public_key)
            .finalize();
        [hash[0], hash[1], hash[2], hash[3]]
    }

    /// `name+id+key`, as in `key.vkey`.
    pub fn to_text(&self) -> String {
        let mut key = vec![1];
        key.extend_from_slice(&self.public_key);
        format!(
            "{}+{}+{}",
            self.name,
            hex::encode(self.id()),
            STANDARD.encode(key)
        )
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<VerifierKey> {
        let (name, rest) = text.trim_end().split_once('+')?;
        let (id, key) = rest.split_once('+')?;
        let key = STANDARD.decode(key).ok()?;
        let [1, public @ ..] = &key[..] else { return None };
        let found = VerifierKey {
            name: name.to_owned(),
            public_key: public.try_into().ok()?,
        };
        (hex::encode(found.id()) == id).then_some(found)
    }
}

/// Signs a text that ends with a newline.
pub fn sign(text: &str, name: &str, signer: &dyn Sign) -> String {
    let key = VerifierKey {
        name: name.to_owned(),
        public_key: signer.public_key(),
    };
    let mut signature = key.id().to_vec();
    signature.extend_from_slice(&signer.sign(text.as_bytes()));
    format!("{text}\n\u{2014} {name} {}\n", STANDARD.encode(signature))
}

/// Checks a note's signature with `verify(message, signature)`; yields the signed text.
pub fn open<'a>(note: &'a str, key: &VerifierKey, verify: impl Fn(&[u8], &[u8]) -> bool) -> Option<&'a str> {
    let split = note.rfind("\n\n")?;
    let (text, signatures) = (&note[..split + 1], &note[split + 2..]);
    if !signatures.ends_with('\n') {
        return None;
    }
    let mut good = false;
    for line in signatures.lines() {
        let (name, signature) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let octets = STANDARD.decode(signature).ok()?;
        if name == key.name && octets.len() == 68 && octets[..4] == key.id() {
            if !verify(text.as_bytes(), &octets[4..]) {
                return None;
            }
            good = true;
        }
    }
    good.then_some(text)
}

/// Size and root of a log, as signed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log.
    pub origin: String,
    /// Entries.
    pub size: u64,
    /// Root.
    pub root: Hash,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn to_text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, STANDARD.encode(self.root))
    }

    /// Reads the signed text.
    pub fn parse(text: &str) -> Option<Checkpoint> {
        let mut lines = text.strip_suffix('\n')?.split('\n');
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let lawful = !origin.is_empty()
            && size.bytes().all(|b| b.is_ascii_digit())
            && (size == "0" || !size.starts_with('0'));
        let root: Hash = STANDARD.decode(root).ok()?.try_into().ok()?;
        (lawful && lines.next().is_none()).then_some(())?;
        Some(Checkpoint {
            origin: origin.to_owned(),
            size: size.parse().ok()?,
            root,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checkpoints_are_read_strictly() {
        let good = Checkpoint {
            origin: "o/trades/0".into(),
            size: 7,
            root: [3; 32],
        };
        assert_eq!(Checkpoint::parse(&good.to_text()), Some(good.clone()));
        for bad in [
            good.to_text().replace('7', "07"),
            good.to_text().replace('7', "+7"),
            format!("{}x\n", good.to_text()),
            good.to_text().trim_end().to_owned(),
        ] {
            assert_eq!(Checkpoint::parse(&bad), None, "{bad:?}");
        }
    }

    #[test]
    fn keys_in_text_survive_and_a_wrong_id_does_not() {
        for seed in 0..200u8 {
            let key = VerifierKey {
                name: "guandao.example/trades/0".into(),
                public_key: [seed; 32],
            };
            assert_eq!(VerifierKey::parse(&key.to_text()), Some(key.clone()));
            assert_eq!(
                VerifierKey::parse(&key.to_text().replace("example", "exbmple")),
                None
            );
        }
    }
}
