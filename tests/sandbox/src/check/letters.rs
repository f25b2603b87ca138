//! Events in the service's own language, WeChat Pay's or Alipay's, rightly signed or forged.

use super::{
    alipay,
    events::{Event, Kind},
    wire::Answered,
};
use crate::channels::keys::{self, Signer};
use crate::material::{self, Material};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::Keys;
use domain::{Instant, KeyRef};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// Scheme of the service's own signatures.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Scheme {
    /// GUANDAO-ED25519.
    Ed25519,
    /// GUANDAO-SHA256-RSA2048.
    Rsa,
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
    Own,
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
            tongue: Tongue::Own,
            public_key_file: public.display().to_string(),
        })
    }

    /// WeChat Pay's notices (APIv3), of the first merchant whose keys lie in `dir`, signed by the platform's certificate.
    ///
    /// # Errors
    /// Where keys cannot be read or written.
    pub fn wechat(dir: &Path) -> anyhow::Result<Language> {
        let material = material::open_or_generate(dir, 1)?;
        let merchant = material.merchants.first().context("a merchant")?;
        let truly = Signer::read(&dir.join(&merchant.channel_keys.wechat_platform))?;
        Ok(Language {
            serial: merchant.wechat.platform_serial.clone(),
            signature_type: "WECHATPAY2-SHA256-RSA2048",
            truly: Box::new(truly),
            falsely: Box::new(stranger(dir)?),
            public_key_file: dir
                .join(&merchant.wechat.platform_cert_file)
                .display()
                .to_string(),
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
            Tongue::Own => "guandao",
            Tongue::Wechat(_) => "wechat",
            Tongue::Alipay(_) => "alipay",
        }
    }

    /// Whether an answer acknowledges: 2xx to the service; 200 or 204 to WeChat Pay (channels.md 1.6); to Alipay the text
    /// `success` and nothing else (3.5).
    pub(super) fn acknowledges(&self, answered: &Answered) -> bool {
        match self.tongue {
            Tongue::Wechat(_) => matches!(answered.status, 200 | 204),
            Tongue::Own => (200..300).contains(&answered.status),
            Tongue::Alipay(_) => answered.status == 200 && answered.body == alipay::ACKNOWLEDGED,
        }
    }

    /// Whether an answer takes a notice for bad, in so many words. Alipay's merchants say so by any other text.
    pub(super) fn refuses(&self, answered: &Answered) -> bool {
        let said = (400..500).contains(&answered.status);
        said || (matches!(self.tongue, Tongue::Alipay(_))
            && answered.status == 200
            && !self.acknowledges(answered))
    }

    /// How an endpoint refuses in this language.
    pub(super) fn refusal(&self) -> &'static str {
        match self.tongue {
            Tongue::Alipay(_) => "answer `fail`",
            _ => "answer 401",
        }
    }

    /// Can this be said? Alipay's signatures carry neither a serial nor their time.
    pub(super) fn says(&self, how: How) -> bool {
        !(matches!(self.tongue, Tongue::Alipay(_)) && matches!(how, How::UnknownSerial | How::Ago(_)))
    }

    /// One sending of an event.
    pub(super) fn letter(&self, event: &Event, how: How, now: Instant) -> anyhow::Result<Letter> {
        let (body, prefix) = match &self.tongue {
            Tongue::Own => (own_body(event), Prefix::OWN),
            Tongue::Wechat(material) => (wechat_body(material, event)?, Prefix::WECHAT),
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
        let mut signature = self.signer(how).sign(message.as_bytes())?;
        if how == How::WrongSignature {
            signature = keys::spoilt(&signature);
        }
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

fn own_body(event: &Event) -> String {
    let order = &event.order;
    let kind = match event.kind {
        Kind::Paid => "payment.paid",
        Kind::Refunded => "refund.succeeded",
        Kind::Unheard => "payment.weighed",
    };
    let mut payment = json!({
        "id": order.id, "order_no": order.no, "state": "paid", "channel": "wechat", "pay_way": "native",
        "account": "1900000109", "payee": "1900000109", "number": order.no, "amount": order.fen, "currency": "CNY",
        "attempt": 1, "created_at": event.happened.plus_millis(-60_000).to_string(),
        "expires_at": event.happened.plus_millis(7_200_000).to_string(), "journal_index": event.seq * 7,
        "paid": {
            "amount": order.fen, "trade_no": format!("4200{}", &order.id[..24]), "paid_at": event.happened.to_string(),
            "bank_type": "OTHERS", "proof": "notice",
        },
        "refunded": 0,
        "payer": { "openid": format!("o{}", &order.id[..27]) },
    });
    let mut value = json!({
        "id": event.id, "seq": event.seq, "type": kind, "created_at": event.happened.to_string(),
        "journal_index": event.seq * 7,
    });
    if event.kind == Kind::Refunded {
        value["refund_no"] = json!("R1");
        payment["state"] = json!("partially_refunded");
        payment["refunded"] = json!(1);
        payment["refunds"] = json!([{ "refund_no": "R1", "number": "R1", "amount": 1, "state": "succeeded",
            "cause": "merchant", "created_at": event.happened.to_string() }]);
    }
    if event.large {
        payment["attach"] = json!("茶".repeat(LARGE / 3));
    }
    if event.further {
        payment["settled_in"] = json!({ "days": [1, 2.5, null], "名": "\u{1F375}" });
        value["trace"] = json!("0".repeat(32));
    }
    value["payment"] = payment;
    value.to_string()
}

fn wechat_body(material: &Material, event: &Event) -> anyhow::Result<String> {
    let facts = &material.merchants.first().context("a merchant")?.wechat;
    let (order, at) = (&event.order, event.happened.to_string());
    let trade = format!("4200{}", digits_of(&order.id));
    let (about, kind, summary, mut plain) = match event.kind {
        Kind::Refunded => (
            "refund",
            "REFUND.SUCCESS",
            "退款成功",
            json!({
                "mchid": facts.mchid, "transaction_id": trade, "out_trade_no": order.no, "refund_id": format!("5030{}", digits_of(&order.id)),
                "out_refund_no": "R1", "refund_status": "SUCCESS", "success_time": at, "user_received_account": "支付用户零钱",
                "amount": { "total": order.fen, "refund": 1, "payer_total": order.fen, "payer_refund": 1 },
            }),
        ),
        kind => (
            "transaction",
            if kind == Kind::Paid {
                "TRANSACTION.SUCCESS"
            } else {
                "TRANSACTION.WEIGHED"
            },
            "支付成功",
            json!({
                "appid": facts.appid, "mchid": facts.mchid, "out_trade_no": order.no, "transaction_id": trade, "trade_type": "NATIVE",
                "trade_state": "SUCCESS", "trade_state_desc": "支付成功", "bank_type": "OTHERS", "success_time": at,
                "payer": { "openid": format!("o{}", &order.id[..27]) },
                "amount": { "total": order.fen, "payer_total": order.fen, "currency": "CNY", "payer_currency": "CNY" },
            }),
        ),
    };
    if event.large {
        plain["attach"] = json!("茶".repeat(LARGE / 3));
    }
    if event.further {
        plain["settled_in"] = json!({ "days": [1, null] });
    }
    let (nonce, ciphertext) = keys::seal(&facts.apiv3_key, about, &plain.to_string());
    let mut value: Value = json!({
        "id": event.id, "create_time": at, "resource_type": "encrypt-resource", "event_type": kind, "summary": summary,
        "resource": { "original_type": about, "algorithm": "AEAD_AES_256_GCM", "ciphertext": ciphertext, "associated_data": about, "nonce": nonce },
    });
    if event.further {
        value["trace"] = json!("0");
    }
    Ok(value.to_string())
}

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
