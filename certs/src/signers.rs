//! Signers whose certificate came with a message and counted ([`unionpay_signer`]). UnionPay sends the same certificate
//! along with every message; its chain is walked when it is seen first, and counts as long as nothing in it runs out and the
//! licence stays as it is.

use crate::{KeyError, Material, chain::Window, unionpay::signer_within};
use domain::Instant;
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, PoisonError};

/// So many are remembered: UnionPay has one certificate at a time, two around a change. Only what counted takes a place, so
/// that no sender of made-up ones pushes it out.
const MOST: usize = 8;

/// What was verified under one licence.
#[derive(Default)]
pub struct Signers(Mutex<Seen>);

#[derive(Default)]
struct Seen {
    licensed: Vec<u8>,
    names: Vec<String>,
    /// The oldest first.
    known: Vec<Known>,
}

struct Known {
    /// SHA-256 of the octets that came, all of them.
    digest: [u8; 32],
    window: Window,
    key: Arc<Material>,
}

impl Signers {
    /// The key of a certificate that came with a message, if it counts; see [`unionpay_signer`].
    ///
    /// # Errors
    /// [`KeyError::Unreadable`] for what is no certificate, [`KeyError::Untrusted`] for one that does not count.
    //= C79
    pub fn signer(
        &self,
        presented: &[u8],
        licensed: &[u8],
        names: &[String],
        now: Instant,
    ) -> Result<Arc<Material>, KeyError> {
        let digest: [u8; 32] = Sha256::digest(presented).into();
        let known = self.within(licensed, names, |seen| {
            seen.known.retain(|known| known.window.holds(now));
            let known = seen.known.iter().find(|known| known.digest == digest);
            known.map(|known| known.key.clone())
        });
        if let Some(key) = known {
            return Ok(key);
        }
        let (_, key, window) = signer_within(presented, licensed, names, now)?;
        let key = Arc::new(key);
        self.within(licensed, names, |seen| {
            if seen.known.iter().any(|known| known.digest == digest) {
                return;
            }
            if seen.known.len() == MOST {
                seen.known.remove(0);
            }
            seen.known.push(Known {
                digest,
                window,
                key: key.clone(),
            });
        });
        Ok(key)
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).known.len()
    }

    /// Is none remembered?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was verified under another licence is forgotten.
    fn within<T>(&self, licensed: &[u8], names: &[String], work: impl FnOnce(&mut Seen) -> T) -> T {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.licensed != licensed || seen.names != names {
            *seen = Seen {
                licensed: licensed.to_vec(),
                names: names.to_vec(),
                known: Vec::new(),
            };
        }
        work(&mut seen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: &[u8] = include_bytes!("../../tests/vectors/keys/unionpay_sign_cert.cer");
    const MIDDLE: &[u8] = include_bytes!("../../tests/vectors/keys/unionpay_middle.cer");
    const ROOT: &[u8] = include_bytes!("../../tests/vectors/keys/unionpay_root.cer");
    const OTHER: &[u8] = include_bytes!("../../tests/vectors/keys/alipay_root_cert.pem");
    const NOW: i64 = 1_767_225_600;

    fn ask(signers: &Signers, presented: &[u8], licensed: &[&[u8]], now: i64) -> Result<(), KeyError> {
        let names = ["00040000:SIGN".to_owned()];
        signers
            .signer(presented, &licensed.concat(), &names, Instant::from_secs(now))
            .map(drop)
    }

    #[test]
    //= C79
    fn what_counted_is_known_again_and_nothing_else_is_let_in_beside_it() {
        let signers = Signers::default();
        let good: [&[u8]; 2] = [ROOT, MIDDLE];
        assert_eq!(ask(&signers, LEAF, &good, NOW), Ok(()));
        assert_eq!(ask(&signers, LEAF, &good, NOW), Ok(()));
        assert_eq!(signers.len(), 1);
        // One octet of it changed, which its own issuer never signed.
        let text = String::from_utf8(LEAF.to_vec()).expect("PEM");
        let lines: Vec<&str> = text.lines().collect();
        for line in 1..lines.len() - 1 {
            let mut forged: Vec<String> = lines.iter().map(|l| (*l).to_owned()).collect();
            let changed = if forged[line].starts_with('A') { "B" } else { "A" };
            forged[line].replace_range(0..1, changed);
            assert!(
                ask(&signers, forged.join("\n").as_bytes(), &good, NOW).is_err(),
                "line {line}"
            );
        }
        assert!(ask(&signers, OTHER, &good, NOW).is_err());
        assert!(ask(&signers, b"x", &good, NOW).is_err());
        assert_eq!(signers.len(), 1, "what does not count takes no place");
        assert_eq!(ask(&signers, LEAF, &good, NOW), Ok(()));
    }

    #[test]
    //= C79
    fn it_is_forgotten_when_it_runs_out() {
        let signers = Signers::default();
        let good: [&[u8]; 2] = [ROOT, MIDDLE];
        assert_eq!(ask(&signers, LEAF, &good, NOW), Ok(()));
        let out_of_time = Err(KeyError::Untrusted("it does not count now"));
        for now in [1_000_000_000, 2_600_000_000] {
            assert_eq!(ask(&signers, LEAF, &good, NOW), Ok(()));
            assert_eq!(ask(&signers, LEAF, &good, now), out_of_time, "at {now}");
            assert!(signers.is_empty(), "at {now}");
        }
    }

    /// A memory that held to a certificate's own time only would outlive its issuer's.
    #[test]
    //= C79
    fn its_time_is_that_of_its_whole_chain() {
        let names = ["00040000:SIGN".to_owned()];
        let licensed = [ROOT, MIDDLE].concat();
        let (facts, _, window) = signer_within(LEAF, &licensed, &names, Instant::from_secs(NOW))
            .map_err(|e| e.to_string())
            .expect("counts");
        for issuer in [ROOT, MIDDLE] {
            let issuer = &crate::CertificateFacts::read_pem(issuer).expect("reads")[0];
            assert!(!window.holds(issuer.not_after.plus_millis(1000)));
            assert!(!window.holds(issuer.not_before.plus_millis(-1000)));
        }
        assert!(!window.holds(facts.not_after.plus_millis(1000)));
        assert!(window.holds(Instant::from_secs(NOW)));
    }

    #[test]
    //= C79
    fn another_licence_forgets_it() {
        let signers = Signers::default();
        assert_eq!(ask(&signers, LEAF, &[ROOT, MIDDLE], NOW), Ok(()));
        let unissued = Err(KeyError::Untrusted("no root of ours has issued it"));
        assert_eq!(ask(&signers, LEAF, &[OTHER, MIDDLE], NOW), unissued);
        assert!(signers.is_empty());
        assert_eq!(ask(&signers, LEAF, &[ROOT, MIDDLE], NOW), Ok(()));
        // The licence takes another signer now.
        let other = signers.signer(
            LEAF,
            &[ROOT, MIDDLE].concat(),
            &["00049999:SIGN".to_owned()],
            Instant::from_secs(NOW),
        );
        assert_eq!(
            other.map(drop),
            Err(KeyError::Untrusted("it bears another's name"))
        );
    }

    /// The same certificate in other octets is another text, and each that counts takes a place: there are few.
    #[test]
    fn few_are_remembered() {
        let signers = Signers::default();
        for n in 0..3 * MOST {
            let mut text = LEAF.to_vec();
            text.extend(std::iter::repeat_n(b'\n', n));
            assert_eq!(ask(&signers, &text, &[ROOT, MIDDLE], NOW), Ok(()));
            assert!(signers.len() <= MOST);
        }
        assert_eq!(signers.len(), MOST);
    }
}
