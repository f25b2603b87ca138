//! What the four asymmetric operations of an order cost on the proxy's core, in thread CPU time.

use crate::machine::{self, PROXY_CORE};
use anyhow::anyhow;
use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ED25519, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        RsaKeyPair,
    },
};
use certs::{Keys, Material};
use domain::KeyRef;
use std::{path::Path, time::Duration};

/// Microseconds each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Costs {
    /// RSA-2048 PKCS#1 SHA-256, sign.
    pub(crate) rsa_sign: f64,
    /// The same, verify with a parsed key.
    pub(crate) rsa_verify: f64,
    /// Ed25519 sign.
    pub(crate) ed_sign: f64,
    /// Ed25519 verify.
    pub(crate) ed_verify: f64,
    /// RSA over SHA-1, sign, with the proxy's own code; zero where it is not measured.
    pub(crate) sha1_sign: f64,
}

impl Costs {
    /// Verify the merchant (Ed25519), sign to the channel (RSA), verify the channel (RSA), sign our answer (Ed25519).
    pub(crate) fn four(&self) -> f64 {
        self.ed_verify + self.rsa_sign + self.rsa_verify + self.ed_sign
    }
}

/// Keys and signatures to measure with.
pub(crate) struct Crypto {
    rsa: RsaKeyPair,
    rsa_public: ParsedPublicKey,
    ed: Ed25519KeyPair,
    ed_public: ParsedPublicKey,
    sha1: Option<(Keys, KeyRef)>,
    message: Vec<u8>,
}

impl Crypto {
    /// New keys; a message as long as a request's.
    pub(crate) fn new() -> anyhow::Result<Crypto> {
        let unusable = |_| anyhow!("a key could not be made");
        let rsa = RsaKeyPair::generate(KeySize::Rsa2048).map_err(unusable)?;
        let ed = Ed25519KeyPair::generate().map_err(unusable)?;
        let rejected = |e| anyhow!("a public key could not be read: {e}");
        let rsa_public =
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key().as_ref()).map_err(rejected)?;
        let ed_public = ParsedPublicKey::new(&ED25519, ed.public_key().as_ref()).map_err(rejected)?;
        Ok(Crypto {
            rsa,
            rsa_public,
            ed,
            ed_public,
            sha1: None,
            message: vec![b'm'; 800],
        })
    }

    /// The same, with a key that signs over SHA-1 (ICBC's merchants', channels.md 6.2).
    pub(crate) fn with_sha1(pem: &Path) -> anyhow::Result<Crypto> {
        let (keys, key) = (Keys::default(), KeyRef::new("sha1")?);
        keys.put(key.clone(), Material::sha1(&std::fs::read(pem)?)?);
        Ok(Crypto {
            sha1: Some((keys, key)),
            ..Crypto::new()?
        })
    }

    /// Measures on the proxy's core, about 150 ms.
    pub(crate) fn measure(&self) -> anyhow::Result<Costs> {
        std::thread::scope(|scope| {
            let measured = scope.spawn(|| {
                machine::pin(PROXY_CORE);
                self.all()
            });
            measured.join().map_err(|_| anyhow!("measuring failed"))
        })
    }

    fn all(&self) -> Costs {
        let random = SystemRandom::new();
        let mut signature = vec![0; 256];
        let _ = self
            .rsa
            .sign(&RSA_PKCS1_SHA256, &random, &self.message, &mut signature);
        let ed_signature = self.ed.sign(&self.message);
        let each = Duration::from_millis(40);
        let mut scratch = vec![0; 256];
        Costs {
            rsa_sign: per_call(each, || {
                hidden(
                    self.rsa
                        .sign(&RSA_PKCS1_SHA256, &random, &self.message, &mut scratch),
                )
            }),
            rsa_verify: per_call(each, || {
                hidden(self.rsa_public.verify_sig(&self.message, &signature))
            }),
            ed_sign: per_call(each, || hidden(self.ed.sign(&self.message))),
            ed_verify: per_call(each, || {
                hidden(self.ed_public.verify_sig(&self.message, ed_signature.as_ref()))
            }),
            sha1_sign: self.sha1.as_ref().map_or(0.0, |(keys, key)| {
                per_call(each * 4, || hidden(keys.sign(key, &self.message)))
            }),
        }
    }
}

/// Microseconds of thread CPU time per call: the median of five parts, so that one disturbed part counts little.
fn per_call(time: Duration, mut call: impl FnMut()) -> f64 {
    call();
    let mut parts: Vec<f64> = (0..5)
        .map(|_| {
            let began = machine::thread_cpu();
            let mut calls = 0u32;
            while machine::thread_cpu() - began < time / 5 {
                call();
                calls += 1;
            }
            (machine::thread_cpu() - began).as_secs_f64() * 1e6 / f64::from(calls.max(1))
        })
        .collect();
    parts.sort_by(f64::total_cmp);
    parts[2]
}

/// Keeps the compiler from leaving the work out.
fn hidden<T>(value: T) {
    std::hint::black_box(&value);
}
