//! The certificate that UnionPay sends along with each message (`signPubKeyCert`, channels.md 4.2). It counts if it is
//! issued under a root that the licence names, through middle certificates that the licence names too, and bears the name
//! of whom the licence says signs.
//!
//! Its links may be signed over SHA-1 as well, here and nowhere else: every certificate in an answer or notice of UnionPay's
//! that anybody has published is (production's of 2020 to 2025 under CFCA OCA1, test's of 2015 to 2025), so without them none
//! of its messages counts. Whoever forges one needs a collision that CFCA signs; roots and middle certificates are the
//! licence's own, and messages themselves are signed over SHA-256.

use crate::{
    CertificateFacts, KeyError, Material,
    chain::{self, Links, Window},
};
use domain::Instant;

/// Whose name a certificate's common name must bear, as its third part between `@`.
const UNIONPAY: &str = "中国银联股份有限公司";

/// The key of the certificate that came with a message, if it counts. `licensed` holds roots and middle certificates,
/// PEM; `names` are the signers that the licence takes, UnionPay itself where it names none.
///
/// # Errors
/// [`KeyError::Unreadable`] for what is no certificate, [`KeyError::Untrusted`] for one that does not count.
pub fn unionpay_signer(
    presented: &[u8],
    licensed: &[u8],
    names: &[String],
    now: Instant,
) -> Result<(CertificateFacts, Material), KeyError> {
    signer_within(presented, licensed, names, now).map(|(facts, key, _)| (facts, key))
}

/// The same, and for how long that stands.
//= C79
pub(crate) fn signer_within(
    presented: &[u8],
    licensed: &[u8],
    names: &[String],
    now: Instant,
) -> Result<(CertificateFacts, Material, Window), KeyError> {
    let (roots, middle) = chain::roots_and_middle(licensed)?;
    // Only the first certificate that came is looked at: what stands between it and its root is the licence's to say.
    let chain = [chain::first_pem(presented)?, middle].concat();
    let (facts, key, window) = chain::issued_within(chain.as_bytes(), roots.as_bytes(), Links::Sha1Too, now)?;
    let signer = facts
        .common_name
        .as_deref()
        .and_then(|name| name.split('@').nth(2))
        .unwrap_or_default();
    let taken = if names.is_empty() {
        signer == UNIONPAY
    } else {
        names.iter().any(|name| name == signer)
    };
    if taken {
        Ok((facts, key, window))
    } else {
        Err(KeyError::Untrusted("it bears another's name"))
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

    fn signer(
        presented: &[u8],
        licensed: &[&[u8]],
        names: &[&str],
        now: i64,
    ) -> Result<&'static str, KeyError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        unionpay_signer(presented, &licensed.concat(), &names, Instant::from_secs(now))
            .map(|(_, key)| key.kind())
    }

    const TEST_NAME: &[&str] = &["00040000:SIGN"];

    #[test]
    fn a_certificate_counts_through_the_licensed_middle_under_the_licensed_root() {
        assert_eq!(
            signer(LEAF, &[ROOT, MIDDLE], TEST_NAME, NOW),
            Ok("RSA public key")
        );
        assert_eq!(
            signer(LEAF, &[MIDDLE, ROOT, OTHER], TEST_NAME, NOW),
            Ok("RSA public key"),
            "in any order, beside others"
        );
    }

    #[test]
    //= C79
    fn nothing_else_counts() {
        let unissued = Err(KeyError::Untrusted("no root of ours has issued it"));
        assert_eq!(signer(LEAF, &[ROOT], TEST_NAME, NOW), unissued, "no middle");
        assert_eq!(
            signer(LEAF, &[MIDDLE], TEST_NAME, NOW),
            unissued,
            "a middle alone is no root"
        );
        assert_eq!(
            signer(LEAF, &[OTHER, MIDDLE], TEST_NAME, NOW),
            unissued,
            "another root"
        );
        assert_eq!(signer(LEAF, &[], TEST_NAME, NOW), unissued, "nothing is licensed");
        // What the message brings along beside its certificate vouches for nothing.
        assert_eq!(
            signer(&[LEAF, b"\n", MIDDLE].concat(), &[ROOT], TEST_NAME, NOW),
            unissued,
            "a middle of the sender's own"
        );
        assert_eq!(
            signer(LEAF, &[ROOT, MIDDLE], TEST_NAME, 2_600_000_000),
            Err(KeyError::Untrusted("it does not count now"))
        );
        assert!(
            matches!(
                signer(MIDDLE, &[ROOT, MIDDLE], TEST_NAME, NOW),
                Err(KeyError::Untrusted(_))
            ),
            "an issuer signs no messages"
        );
        assert!(matches!(
            signer(b"x", &[ROOT, MIDDLE], TEST_NAME, NOW),
            Err(KeyError::Unreadable(_))
        ));
    }

    /// Made by OpenSSL 3.0 (`x509 -req -sha1` and so on), its keys thrown away: a root and a middle certificate over SHA-1, under
    /// it one key by the real common name's pattern over SHA-1, SHA-256 and MD5; and the same over SHA-1 by somebody else who
    /// calls himself as the middle one.
    #[test]
    //= C79
    fn a_link_over_sha1_counts_at_unionpay_alone() {
        let all = include_str!("../tests/unionpay_sha1.pem");
        let all: Vec<&str> = all.split_inclusive("-----END CERTIFICATE-----\n").collect();
        let [root, middle, sha1, sha256, md5, stranger] = all[..] else {
            panic!("six certificates");
        };
        let now = 1_800_000_000;
        let ask = |leaf: &str, licensed: &[&str], now| {
            let licensed: Vec<&[u8]> = licensed.iter().map(|text| text.as_bytes()).collect();
            signer(leaf.as_bytes(), &licensed, &[], now)
        };
        for leaf in [sha1, sha256] {
            assert_eq!(ask(leaf, &[root, middle], now), Ok("RSA public key"));
        }
        let unissued = Err(KeyError::Untrusted("no root of ours has issued it"));
        for leaf in [md5, stranger] {
            assert_eq!(ask(leaf, &[root, middle], now), unissued);
        }
        let theirs = [std::str::from_utf8(ROOT), std::str::from_utf8(MIDDLE)].map(|text| text.expect("PEM"));
        assert_eq!(ask(sha1, &[middle], now), unissued, "no root is licensed");
        assert_eq!(ask(sha1, &[root], now), unissued, "no middle is licensed");
        assert_eq!(ask(sha1, &theirs, now), unissued, "another root");
        assert_eq!(
            ask(sha1, &[root, middle], 2_600_000_000),
            Err(KeyError::Untrusted("it does not count now"))
        );
        // One octet of it changed.
        let at = sha1.len() / 2;
        let other = if &sha1[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &sha1[..at], &sha1[at + 1..]);
        assert!(ask(&changed, &[root, middle], now).is_err());
        // Alipay's chain takes none of it.
        for leaf in [sha1, sha256] {
            let elsewhere = [leaf, middle].concat();
            let refused = chain::issued_within(
                elsewhere.as_bytes(),
                root.as_bytes(),
                Links::Sha256,
                Instant::from_secs(now),
            );
            assert_eq!(
                refused.map(drop),
                Err(KeyError::Untrusted("no root of ours has issued it"))
            );
        }
    }

    #[test]
    fn the_name_is_unionpays_own_unless_the_licence_says_otherwise() {
        let other = Err(KeyError::Untrusted("it bears another's name"));
        assert_eq!(
            signer(LEAF, &[ROOT, MIDDLE], &[], NOW),
            other,
            "the test signer, where nothing is said"
        );
        assert_eq!(signer(LEAF, &[ROOT, MIDDLE], &["00040000"], NOW), other);
        assert_eq!(signer(LEAF, &[ROOT, MIDDLE], &[UNIONPAY], NOW), other);
    }
}
