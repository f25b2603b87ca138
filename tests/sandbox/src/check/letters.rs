//! Events in the service's own language, WeChat Pay's or Alipay's, rightly signed or forged.

use super::{
    alipay,
    events::{Event, Whose},
    own, wechat,
    wire::Answered,
};
use crate::channels::keys::{self, Signer};
use crate::material::{self, Material};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::Keys;
use domain::{Instant, KeyRef};
use std::{fs, path::Path};

/// Scheme of the service's own signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Scheme {
    /// GUANDAO-ED25519.
    Ed25519,
    /// GUANDAO-SHA256-RSA2048.
    Rsa,
}

/// By what WeChat Pay signs (channels.md 1.1): who came to it late has its public key only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Mode {
    /// The platform's certificate (平台证书).
    Certificate,
    /// WeChat Pay's public key (公钥模式).
    PublicKey,
}

/// How a letter is signed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    Truly,
    /// Signed so many seconds ago.
    Ago(i64),
    WrongSignature,
    /// Another key under the true serial.
    WrongKey,
    /// Another key under a serial of its own.
    UnknownSerial,
    /// The amount was changed after signing.
    AlteredBody,
    /// No signature at all.
    Unsigned,
    /// WeChat Pay looks whether signatures are verified.
    Probe,
    /// Sealed with a key that the endpoint does not have, and rightly signed.
    OtherSecret,
}

/// What goes over the wire.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

/// Who signs.
trait Sign {
    fn sign(&self, message: &[u8]) -> anyhow::Result<String>;
}

/// Keys of the service's own kind.
struct Own(Keys, KeyRef);

impl Sign for Own {
    fn sign(&self, message: &[u8]) -> anyhow::Result<String> {
        Ok(STANDARD.encode(self.0.sign(&self.1, message)?))
    }
}

impl Sign for Signer {
    fn sign(&self, message: &[u8]) -> anyhow::Result<String> {
        Ok(Signer::sign(self, message))
    }
}

enum Tongue {
    /// To this merchant.
    Own(String),
    Wechat(Material),
    Alipay(Material),
}

/// A language of notices with the keys to speak it.
pub struct Language {
    serial: String,
    signature_type: &'static str,
    truly: Box<dyn Sign + Send + Sync>,
    /// A key that nobody registered.
    falsely: Box<dyn Sign + Send + Sync>,
    tongue: Tongue,
    /// Where the public key lies that the endpoint must know.
    pub public_key_file: String,
}

/// Name of the key that is made where none is given.
const SERIAL: &str = "GDCHECK1";
/// The merchant that the service's own notices are for, where none is named.
const MCHID: &str = "M1001";

impl Language {
    /// The service's own notices. The key lies in `dir` and is made where it is not there; or it is the one given.
    ///
    /// # Errors
    /// Where a key cannot be read or written.
    pub fn guandao(dir: &Path, scheme: Scheme, given: Option<(&Path, &str)>) -> anyhow::Result<Language> {
        let (name, signature_type) = match scheme {
            Scheme::Ed25519 => ("check-ed25519", "GUANDAO-ED25519"),
            Scheme::Rsa => ("check-rsa", "GUANDAO-SHA256-RSA2048"),
        };
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let file = given.map_or_else(|| dir.join(format!("{name}.pem")), |(file, _)| file.to_owned());
        if !file.exists() && given.is_none() {
            fs::write(&file, generate(scheme)?).with_context(|| file.display().to_string())?;
        }
        let truly = own(&fs::read(&file).with_context(|| file.display().to_string())?)?;
        let public = dir.join(format!("{name}.pub.pem"));
        fs::write(&public, truly.0.public_pem(&truly.1)?)?;
        Ok(Language {
            serial: given.map_or(SERIAL, |(_, serial)| serial).to_owned(),
            signature_type,
            truly: Box::new(truly),
            falsely: Box::new(own(generate(scheme)?.as_bytes())?),
            tongue: Tongue::Own(MCHID.to_owned()),
            public_key_file: public.display().to_string(),
        })
    }

    /// The service's own notices, to this merchant instead of `M1001`.
    #[must_use]
    pub fn to(mut self, mchid: &str) -> Language {
        if let Tongue::Own(merchant) = &mut self.tongue {
            mchid.clone_into(merchant);
        }
        self
    }

    /// WeChat Pay's notices (APIv3), of the first merchant whose keys lie in `dir`.
    ///
    /// # Errors
    /// Where keys cannot be read or written.
    pub fn wechat(dir: &Path, mode: Mode) -> anyhow::Result<Language> {
        let material = material::open_or_generate(dir, 1)?;
        let merchant = material.merchants.first().context("a merchant")?;
        let (account, keys) = (&merchant.wechat, &merchant.channel_keys);
        let (key, serial, public) = match mode {
            Mode::Certificate => (
                &keys.wechat_platform,
                &account.platform_serial,
                &account.platform_cert_file,
            ),
            Mode::PublicKey => (
                &keys.wechat_public_key,
                &account.public_key_id,
                &account.public_key_file,
            ),
        };
        Ok(Language {
            serial: serial.clone(),
            signature_type: "WECHATPAY2-SHA256-RSA2048",
            truly: Box::new(Signer::read(&dir.join(key))?),
            falsely: Box::new(stranger(dir)?),
            public_key_file: dir.join(public).display().to_string(),
            tongue: Tongue::Wechat(material),
        })
    }

    /// Alipay's notices, to the first merchant whose keys lie in `dir`, signed by Alipay's key.
    ///
    /// # Errors
    /// Where keys cannot be read or written.
    pub fn alipay(dir: &Path) -> anyhow::Result<Language> {
        let material = material::open_or_generate(dir, 1)?;
        let merchant = material.merchants.first().context("a merchant")?;
        Ok(Language {
            serial: merchant.alipay.app_id.clone(),
            signature_type: "RSA2",
            truly: Box::new(Signer::read(&dir.join(&merchant.channel_keys.alipay))?),
            falsely: Box::new(stranger(dir)?),
            public_key_file: dir
                .join(&merchant.alipay.alipay_public_key_file)
                .display()
                .to_string(),
            tongue: Tongue::Alipay(material),
        })
    }

    /// The serial under which the endpoint must know the public key; in Alipay's language the app's id.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self.tongue {
            Tongue::Own(_) => "guandao",
            Tongue::Wechat(_) => "wechat",
            Tongue::Alipay(_) => "alipay",
        }
    }

    /// Whether an answer acknowledges: 2xx to the service; 200 or 204 to WeChat Pay (channels.md 1.6); to Alipay the text
    /// `success` and nothing else (3.5).
    pub(super) fn acknowledges(&self, answered: &Answered) -> bool {
        match self.tongue {
            Tongue::Wechat(_) => matches!(answered.status, 200 | 204),
            Tongue::Own(_) => (200..300).contains(&answered.status),
            Tongue::Alipay(_) => answered.status == 200 && answered.body == alipay::ACKNOWLEDGED,
        }
    }

    /// Whether an answer takes a notice for bad, in so many words: to WeChat Pay by 4xx, or by 5xx with its own `FAIL`
    /// (channels.md 1.6); to Alipay by any text but one (3.5), and by `fail` under any status. A 5xx without them is a crash.
    pub(super) fn refuses(&self, answered: &Answered) -> bool {
        let (status, body) = (answered.status, answered.body.trim());
        let in_words = match self.tongue {
            Tongue::Own(_) => false,
            Tongue::Wechat(_) => {
                let said = serde_json::from_str::<serde_json::Value>(body);
                (500..600).contains(&status) && said.is_ok_and(|said| said["code"] == "FAIL")
            }
            Tongue::Alipay(_) => {
                status == 200 && !self.acknowledges(answered) || ["fail", "failure"].contains(&body)
            }
        };
        in_words || (400..500).contains(&status)
    }

    /// How an endpoint refuses in this language.
    pub(super) fn refusal(&self) -> &'static str {
        match self.tongue {
            Tongue::Alipay(_) => "answer `fail`",
            _ => "answer 401",
        }
    }

    /// Can this be said? Alipay's signatures carry neither a serial nor their time; probes and seals are WeChat Pay's.
    pub(super) fn says(&self, how: How) -> bool {
        match how {
            How::UnknownSerial | How::Ago(_) => !matches!(self.tongue, Tongue::Alipay(_)),
            How::Probe | How::OtherSecret => matches!(self.tongue, Tongue::Wechat(_)),
            _ => true,
        }
    }

    /// Does it name such a one? Sellers beside the app are Alipay's.
    pub(super) fn speaks_of(&self, whose: Whose) -> bool {
        whose != Whose::OtherSeller || matches!(self.tongue, Tongue::Alipay(_))
    }

    /// WeChat Pay tells of payments and refunds only (channels.md 1.6).
    pub(super) fn tells_closes(&self) -> bool {
        !matches!(self.tongue, Tongue::Wechat(_))
    }

    /// May an order be paid after it was told to be closed? The service tells of a payer who was quicker.
    pub(super) fn pays_what_was_closed(&self) -> bool {
        matches!(self.tongue, Tongue::Own(_))
    }

    /// What a close of a paid order is: an old one that was overtaken, or the end after all went back (3.4).
    pub(super) fn closed_after_paid(&self) -> &'static str {
        match self.tongue {
            Tongue::Alipay(_) => "the paid order is TRADE_CLOSED, since all of it went back",
            _ => "an older close of the paid order, told late",
        }
    }

    /// How a refund is told from a payment.
    pub(super) fn tells_a_refund(&self) -> &'static str {
        match self.tongue {
            Tongue::Alipay(_) => {
                "A refund is no payment, although trade_status says TRADE_SUCCESS: it brings refund_fee and out_biz_no."
            }
            Tongue::Wechat(_) => "A refund is no payment: look at event_type.",
            Tongue::Own(_) => "A refund is no payment: look at type.",
        }
    }

    /// One sending of an event.
    pub(super) fn letter(&self, event: &Event, how: How, now: Instant) -> anyhow::Result<Letter> {
        let (body, prefix) = match &self.tongue {
            Tongue::Own(mchid) => (own::body(mchid, event), Prefix::OWN),
            Tongue::Wechat(material) => {
                let merchant = material.merchants.first().context("a merchant")?;
                (wechat::body(&merchant.wechat, event, how), Prefix::WECHAT)
            }
            Tongue::Alipay(material) => {
                let merchant = material.merchants.first().context("a merchant")?;
                return alipay::letter(merchant, event, how, now, |text| self.signer(how).sign(text));
            }
        };
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "*/*".to_owned()),
            ("User-Agent", prefix.agent.to_owned()),
        ];
        if how != How::Unsigned {
            headers.extend(self.signature(&prefix, &body, how, now)?);
        }
        let body = if how == How::AlteredBody {
            altered(&body)
        } else {
            body
        };
        Ok(Letter {
            headers,
            body: body.into_bytes(),
        })
    }

    fn signer(&self, how: How) -> &(dyn Sign + Send + Sync) {
        match how {
            How::WrongKey | How::UnknownSerial => &*self.falsely,
            _ => &*self.truly,
        }
    }

    fn signature(
        &self,
        prefix: &Prefix,
        body: &str,
        how: How,
        now: Instant,
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        let at = now.secs() - if let How::Ago(seconds) = how { seconds } else { 0 };
        let nonce = keys::random_hex(32);
        let message = format!("{at}\n{nonce}\n{body}\n");
        let truth = self.signer(how).sign(message.as_bytes())?;
        let signature = match how {
            How::WrongSignature => keys::spoilt(&truth),
            How::Probe => keys::probe(&truth),
            _ => truth,
        };
        let serial = if how == How::UnknownSerial {
            keys::random_hex(16).to_uppercase()
        } else {
            self.serial.clone()
        };
        let values = [
            at.to_string(),
            nonce,
            serial,
            signature,
            self.signature_type.to_owned(),
        ];
        Ok(prefix.names.into_iter().zip(values).collect())
    }
}

/// Names of the headers.
struct Prefix {
    names: [&'static str; 5],
    agent: &'static str,
}

impl Prefix {
    const OWN: Prefix = Prefix {
        names: [
            "Guandao-Timestamp",
            "Guandao-Nonce",
            "Guandao-Serial",
            "Guandao-Signature",
            "Guandao-Signature-Type",
        ],
        agent: "guandao/0.1",
    };
    const WECHAT: Prefix = Prefix {
        names: [
            "Wechatpay-Timestamp",
            "Wechatpay-Nonce",
            "Wechatpay-Serial",
            "Wechatpay-Signature",
            "Wechatpay-Signature-Type",
        ],
        agent: "Mozilla/4.0",
    };
}

fn generate(scheme: Scheme) -> anyhow::Result<String> {
    Ok(match scheme {
        Scheme::Ed25519 => certs::generate_ed25519()?.to_string(),
        Scheme::Rsa => rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?
            .serialize_pem(),
    })
}

/// A key that lies in `dir` and that nobody has registered.
fn stranger(dir: &Path) -> anyhow::Result<Signer> {
    let other = dir.join("check-other.pem");
    if !other.exists() {
        fs::write(&other, generate(Scheme::Rsa)?)?;
    }
    Ok(Signer::read(&other)?)
}

fn own(pem: &[u8]) -> anyhow::Result<Own> {
    let (keys, name) = (Keys::default(), KeyRef::new("check")?);
    keys.put(name.clone(), certs::Material::read(pem)?);
    Ok(Own(keys, name))
}

/// A text changed by one digit, of the same length: the amount's first, where the amount can be read.
fn altered(body: &str) -> String {
    const AMOUNT: &str = "\"amount\":";
    let digit = |c: char| c.is_ascii_digit();
    let at = body
        .find(AMOUNT)
        .map(|at| at + AMOUNT.len())
        .filter(|at| body[*at..].starts_with(digit));
    let at = at.or_else(|| body.rfind(digit)).unwrap_or_default();
    let digit = if body[at..].starts_with('9') { "8" } else { "9" };
    format!("{}{digit}{}", &body[..at], &body[at + 1..])
}

/// Texts at their greatest lengths and more: 16 KiB.
pub(super) const LARGE: usize = 16 * 1024;

/// Digits that hang on the order.
pub(super) fn digits_of(id: &str) -> String {
    id.bytes().take(24).map(|b| char::from(b'0' + b % 10)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_altered_text_differs_in_one_digit_of_the_same_json() {
        let body = r#"{"amount":100,"x":"a"}"#;
        assert_eq!(altered(body), r#"{"amount":900,"x":"a"}"#);
        assert_eq!(altered(r#"{"amount":901,"seq":7}"#), r#"{"amount":801,"seq":7}"#);
        assert_eq!(altered(r#"{"x":"a1b"}"#), r#"{"x":"a9b"}"#);
    }
}
