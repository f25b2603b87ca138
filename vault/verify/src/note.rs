//! Signed notes and their keys: C2SP `signed-note`, Ed25519 (signature type `0x01`) only.

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::{Engine, engine::general_purpose::STANDARD};
use sha2::{Digest, Sha256};
use std::{fmt, str::FromStr};

/// The signature type of Ed25519 in C2SP `signed-note`.
const TYPE_ED25519: u8 = 0x01;
/// Longest note that is read; C2SP `signed-note` recommends a limit. The largest lawful ones are far below.
const LONGEST: usize = 1 << 20;

/// Why a note, or a key, is not what it claims to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The key text cannot be read.
    #[error("this is no verifier key of the form <name>+<8 hex digits>+<base64 of 0x01 and 32 bytes>: {0}")]
    Key(&'static str),
    /// The note cannot be read.
    #[error("this is no signed note (C2SP signed-note): {0}")]
    Form(&'static str),
    /// The trusted key has not signed it.
    #[error("no signature by the key {wanted}; signed by: {found}")]
    Unsigned {
        /// Name and id of the trusted key.
        wanted: String,
        /// Names and ids of the keys that did sign.
        found: String,
    },
    /// The trusted key's signature is wrong.
    #[error("the signature of {0} does not fit the text: the text was altered or another key signed it")]
    Signature(String),
}

/// A public key that verifies notes: `<name>+<8 hex key id>+<base64(0x01 || 32-byte Ed25519 key)>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    id: [u8; 4],
    key: [u8; 32],
}

impl VerifierKey {
    /// The name, which for a journal is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn label(&self) -> String {
        format!("{}+{}", self.name, hex::encode(self.id))
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [&[TYPE_ED25519][..], &self.key].concat();
        write!(f, "{}+{}", self.label(), STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        let mut parts = text.trim_end_matches(['\r', '\n']).splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(NoteError::Key("it has fewer than three parts"));
        };
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(NoteError::Key("its name is empty or holds a space"));
        }
        let typed = STANDARD
            .decode(key)
            .map_err(|_| NoteError::Key("its last part is not base64"))?;
        let key = match typed.split_first() {
            Some((&TYPE_ED25519, key)) => key
                .try_into()
                .map_err(|_| NoteError::Key("it is not 32 bytes long"))?,
            _ => return Err(NoteError::Key("it is not an Ed25519 key (type 0x01)")),
        };
        let claimed = id;
        let id = key_id(name, &key);
        if hex::encode(id) != claimed {
            return Err(NoteError::Key(
                "its id is not the digest of its name and key, in 8 lower-case hex digits",
            ));
        }
        Ok(VerifierKey {
            name: name.to_owned(),
            id,
            key,
        })
    }
}

/// `SHA-256(name || 0x0A || 0x01 || key)[:4]`, C2SP `signed-note`.
fn key_id(name: &str, key: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new()
        .chain_update(name)
        .chain_update([b'\n', TYPE_ED25519])
        .chain_update(key)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// A note as it was read; nothing about it is verified yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl SignedNote {
    /// Takes a note apart. The text goes up to and including the newline before the last blank line.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > LONGEST {
            return Err(NoteError::Form("it is longer than a mebibyte"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Form("it is not UTF-8"))?;
        if note.bytes().any(|b| b < 0x20 && b != b'\n') {
            return Err(NoteError::Form("it holds a control character"));
        }
        let blank = note
            .rfind("\n\n")
            .ok_or(NoteError::Form("it has no blank line before signatures"))?;
        let (text, signatures) = (&note[..blank + 1], &note[blank + 2..]);
        let lines = signatures
            .strip_suffix('\n')
            .ok_or(NoteError::Form("its last line is not ended"))?;
        let signatures = lines.split('\n').map(parse_signature).collect::<Option<Vec<_>>>();
        let signatures = signatures.ok_or(NoteError::Form("a line after the blank line is no signature"))?;
        Ok(SignedNote {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The text without asking who signed it; only to say what an unverified note claims.
    pub fn unverified_text(&self) -> &str {
        &self.text
    }

    /// The text, once the trusted key is known to have signed it. Other signatures are ignored (witnesses').
    pub fn verify(&self, key: &VerifierKey) -> Result<&str, NoteError> {
        let mut ours = self
            .signatures
            .iter()
            .filter(|s| s.name == key.name && s.id == key.id)
            .peekable();
        if ours.peek().is_none() {
            let found: Vec<_> = self
                .signatures
                .iter()
                .map(|s| format!("{}+{}", s.name, hex::encode(s.id)))
                .collect();
            return Err(NoteError::Unsigned {
                wanted: key.label(),
                found: found.join(", "),
            });
        }
        let public = UnparsedPublicKey::new(&ED25519, &key.key);
        // A single wrong signature by the trusted key refuses the note (C2SP signed-note).
        if ours.all(|s| public.verify(self.text.as_bytes(), &s.bytes).is_ok()) {
            Ok(&self.text)
        } else {
            Err(NoteError::Signature(key.label()))
        }
    }
}

fn parse_signature(line: &str) -> Option<Signature> {
    let (name, encoded) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    let lawful = !name.is_empty() && !name.contains('+') && !name.contains(char::is_whitespace);
    (lawful && !signature.is_empty()).then(|| Signature {
        name: name.to_owned(),
        id: *id,
        bytes: signature.to_vec(),
    })
}
