//! Certificates with which a channel signs, fetched when an answer or notice names one that we do not have
//! (channels.md 1.7, 3.6). They live in memory only; the next run fetches anew.
//!
//! What vouches for one of WeChat's that nobody has seen before: TLS to the licensed host, the seal under the account's
//! own APIv3 key, and a signature over the answer by a certificate that is inside it. Public keys (`PUB_KEY_ID_…`) come
//! from the merchant site and are never fetched. For one of Alipay's: TLS, its number, which is made of its issuer and
//! serial, its issue under a root of the licence registry, and a signature over the answer, by itself or by one that we
//! have.

mod asked;

pub(crate) use asked::Asked;

use crate::{
    app::App,
    exchange::{Exchanged, exchange},
    outbound::Answered,
};
use certs::{CertificateFacts, KeyError, Material};
use channel::{Account, Answer, Authentic, SealedCertificate};
use domain::{Channel, Instant, KeyRef, Operation, PayWay};
use std::sync::Arc;

/// Why there are no new certificates.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("the channel was not asked: {0}")]
    NotSent(String),
    #[error("the channel gave no answer that can be read")]
    NoAnswer,
    #[error("the answer is signed with none of the certificates in it")]
    Signature,
    #[error("a certificate does not open or is not what it says: {0}")]
    Certificate(#[from] KeyError),
    #[error("a certificate has another serial than the answer says, or does not count now")]
    Facts,
}

/// Verifies a channel's signature; where it names a certificate that we lack, fetches it first.
pub(crate) async fn verify(app: &App, account: &Account, signed: &channel::Signed) -> Result<(), KeyError> {
    if let Some(certificate) = &signed.certificate {
        return presented(app, account, certificate)?.verify(&signed.message, &signed.signature);
    }
    let verdict = app
        .keys()
        .vouched(signed.method, &signed.key, &signed.message, &signed.signature);
    match verdict {
        Err(KeyError::Unknown(_))
            if fetchable(account, &signed.key) && fetch_for(app, account, &signed.key).await =>
        {
            app.keys().verify(&signed.key, &signed.message, &signed.signature)
        }
        verdict => verdict,
    }
}

/// The key of a certificate that came with the message, under the licence in force (channels.md 4.2). A licence that
/// changes counts at once: what was verified under the former one is forgotten.
//= C79
fn presented(app: &App, account: &Account, certificate: &[u8]) -> Result<Arc<Material>, KeyError> {
    let registries = app.registries();
    let licence = registries
        .channel(account.channel)
        .ok_or(KeyError::Untrusted("the channel is in no licence registry"))?;
    app.signers().signer(
        certificate,
        licence.signing_roots_pem.as_bytes(),
        &licence.signing_names,
        app.clock().now(),
    )
}

fn fetchable(account: &Account, key: &KeyRef) -> bool {
    let number = number_of(key);
    let digits = match account.channel {
        Channel::Wechat => 40,
        Channel::Alipay if account.serial.is_some() => 32,
        // UnionPay's messages bring theirs along; the others have none.
        Channel::Alipay
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => return false,
    };
    number.len() == digits && number.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The certificate's number, last in its key's name.
fn number_of(key: &KeyRef) -> &str {
    key.as_str().rsplit('/').next().unwrap_or_default()
}

/// True if the key is there now.
async fn fetch_for(app: &App, account: &Account, key: &KeyRef) -> bool {
    let fetching = async {
        match fetch(app, account, key).await {
            Ok(count) => tracing::info!(
                account = account.account.as_str(),
                count,
                "platform certificates were fetched"
            ),
            Err(error) => {
                tracing::warn!(account = account.account.as_str(), %error, "platform certificates could not be fetched")
            }
        }
    };
    let whose = (account.channel, account.account.clone());
    app.certificates_asked()
        .fetched(
            whose,
            app.clock(),
            app.answer_time(),
            || app.keys().has(key),
            fetching,
        )
        .await
}

async fn fetch(app: &App, account: &Account, wanted: &KeyRef) -> Result<usize, Missing> {
    let answered = match exchange(app, account, Operation::Certificates, |stamp| {
        channel::certificates(account, stamp, number_of(wanted))
    })
    .await
    {
        Ok(answered) => answered,
        Err(Exchanged::NotSent(reason)) => return Err(Missing::NotSent(reason)),
        Err(Exchanged::Answer(_)) => return Err(Missing::NoAnswer),
    };
    let now = app.clock().now();
    let found = match channel::read_answer(
        account,
        Operation::Certificates,
        PayWay::Native,
        answered.status,
        &answered.body,
    ) {
        Answer::Certificates(all) => all
            .iter()
            .map(|sealed| opened(app, account, sealed, now))
            .collect::<Result<Vec<_>, _>>()?,
        Answer::Certificate(pem) => vec![(
            wanted.clone(),
            issued(app, account, &pem, number_of(wanted), now)?,
        )],
        _ => return Err(Missing::NoAnswer),
    };
    signed_by_one_of(app, account, &answered, &found, now)?;
    let count = found.len();
    app.keys().put_all(found);
    Ok(count)
}

fn opened(
    app: &App,
    account: &Account,
    sealed: &SealedCertificate,
    now: Instant,
) -> Result<(KeyRef, Material), Missing> {
    let secret = channel::keys::wechat_apiv3(&account.account).map_err(|_| Missing::Facts)?;
    let pem = app.keys().open(
        &secret,
        &sealed.nonce,
        &sealed.associated_data,
        &sealed.ciphertext,
    )?;
    let facts = CertificateFacts::read_pem(&pem)?
        .into_iter()
        .next()
        .ok_or(Missing::Facts)?;
    if facts.serial != sealed.serial.to_ascii_uppercase() || facts.not_after <= now {
        return Err(Missing::Facts);
    }
    let key = channel::keys::wechat_platform(&account.account, &sealed.serial).map_err(|_| Missing::Facts)?;
    Ok((key, Material::read(&pem)?))
}

/// A certificate of Alipay's: the one that was asked for, issued under a licensed root.
fn issued(app: &App, account: &Account, pem: &[u8], number: &str, now: Instant) -> Result<Material, Missing> {
    let registries = app.registries();
    let roots = registries
        .channel(account.channel)
        .map_or("", |licence| &licence.signing_roots_pem);
    let (facts, key) = certs::issued_under(pem, roots.as_bytes(), now)?;
    if facts.alipay_sn() == number.to_ascii_lowercase() {
        Ok(key)
    } else {
        Err(Missing::Facts)
    }
}

/// The answer is signed with a certificate that is inside it (it must be opened before it can be verified), or at Alipay
/// with another that we have.
fn signed_by_one_of(
    app: &App,
    account: &Account,
    answered: &Answered,
    found: &[(KeyRef, Material)],
    now: Instant,
) -> Result<(), Missing> {
    let authentic = channel::authenticate_answer(
        account,
        Operation::Certificates,
        PayWay::Native,
        answered.status,
        &answered.headers,
        &answered.body,
        now,
    );
    let Ok(Authentic::Signed(signed)) = authentic else {
        return Err(Missing::Signature);
    };
    let verdict = match found.iter().find(|(key, _)| *key == signed.key) {
        Some((_, material)) => material.verify(&signed.message, &signed.signature),
        None if account.channel == Channel::Alipay => {
            app.keys().verify(&signed.key, &signed.message, &signed.signature)
        }
        None => return Err(Missing::Signature),
    };
    verdict.map_err(|_| Missing::Signature)
}
