//! A merchant's own client of UnionPay: ACP 5.1.0 requests, composed and signed as channels.md 4.2 and 4.3 say. It knows nothing
//! of the proxy but its address.

use super::{
    Demo,
    http::{Answer, Client},
    place::{DemoMerchant, Place},
};
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::{KeyRef, SignMethod};
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, net::SocketAddr};

/// Orders of the merchant's app (channels.md 4.1).
pub const APP: &str = "/gateway/api/appTransReq.do";
/// Server calls.
pub const BACK: &str = "/gateway/api/backTransReq.do";
/// What the payer's browser brings.
pub const FRONT: &str = "/gateway/api/frontTransReq.do";
/// Files of a day.
pub const FILES: &str = "/";
/// Queries.
pub const QUERY: &str = "/gateway/api/queryTrans.do";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded;charset=UTF-8");

/// By name, sorted as they are signed.
pub type Fields = BTreeMap<String, String>;

/// One merchant's client.
pub struct Acp {
    through: Client,
    straight: Client,
    keys: Keys,
    method: SignMethod,
    cert_id: String,
    /// The merchant's number at UnionPay.
    pub mer_id: String,
    back_url: String,
}

/// China's clock as UnionPay writes it.
pub fn written(at: domain::Instant) -> String {
    at.to_string()
        .chars()
        .take(19)
        .filter(char::is_ascii_digit)
        .collect()
}

/// Now, in whole seconds.
pub fn now() -> domain::Instant {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    domain::Instant::from_secs(since.map_or(0, |t| t.as_secs() as i64))
}

fn own() -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new("own")?)
}

impl Acp {
    /// Of the merchant at this place.
    pub fn of(demo: &Demo, merchant: usize) -> anyhow::Result<Acp> {
        Acp::open(
            &demo.place,
            demo.ca(),
            &demo.place.merchants[merchant],
            demo.channels.unionpay,
        )
    }

    /// Of a merchant of this place; the channel itself is at `straight`.
    pub fn open(
        place: &Place,
        ca: &[u8],
        merchant: &DemoMerchant,
        straight: SocketAddr,
    ) -> anyhow::Result<Acp> {
        let account = &merchant.accounts.unionpay;
        let read = |file: &String| std::fs::read(place.material.dir.join(file));
        let keys = Keys::default();
        let method = match merchant.sign_method() {
            "01" => SignMethod::Signature,
            "11" => SignMethod::KeyedSha256,
            _ => SignMethod::KeyedSm3,
        };
        keys.put(
            own()?,
            match method {
                SignMethod::Signature => Material::read(&read(&account.key_file)?)?,
                _ => Material::secret(account.secure_key.as_bytes())?,
            },
        );
        let facts = certs::CertificateFacts::read_pem(&read(&account.cert_file)?)?;
        let serial = &facts.first().context("a certificate")?.serial;
        Ok(Acp {
            through: Client::tls(([127, 0, 0, 1], place.ports.unionpay).into(), ca)?,
            straight: Client::tls(straight, ca)?,
            keys,
            method,
            cert_id: u64::from_str_radix(serial, 16)?.to_string(),
            mer_id: account.mer_id.clone(),
            back_url: format!(
                "https://127.0.0.1:{}/n/unionpay/{}",
                place.ports.notify, account.mer_id
            ),
        })
    }

    /// Where its notices are to go: an address of the proxy's own, which relays them.
    pub fn back_url(&self) -> &str {
        &self.back_url
    }

    /// `kind`: txnType, txnSubType, bizType, channelType.
    pub fn fields(&self, kind: [&str; 4], number: &str, time: &str, more: &[(&str, &str)]) -> Fields {
        let mut fields: Fields = [
            ("version", "5.1.0"),
            ("encoding", "UTF-8"),
            ("signMethod", self.method.as_str()),
            ("txnType", kind[0]),
            ("txnSubType", kind[1]),
            ("bizType", kind[2]),
            ("channelType", kind[3]),
            ("accessType", "0"),
            ("merId", &self.mer_id),
            ("orderId", number),
            ("txnTime", time),
        ]
        .iter()
        .chain(more)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
        if self.method == SignMethod::Signature {
            fields.insert("certId".into(), self.cert_id.clone());
        }
        fields
    }

    /// The form that goes out.
    pub fn signed(&self, fields: &Fields) -> anyhow::Result<String> {
        let text = text(fields);
        let signature = match self.method {
            SignMethod::Signature => {
                let digest = hex::encode(Sha256::digest(&text));
                STANDARD.encode(self.keys.sign(&own()?, digest.as_bytes())?)
            }
            method => String::from_utf8(self.keys.vouch(method, &own()?, text.as_bytes())?)?,
        };
        Ok(form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .append_pair("signature", &signature)
            .finish())
    }

    /// A code for the payer to scan (主扫).
    pub fn apply(&self, number: &str, time: &str, fen: u64) -> Fields {
        let end = written(now().plus_millis(1_800_000));
        self.fields(
            ["01", "07", "000000", "08"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("currencyCode", "156"),
                ("backUrl", &self.back_url),
                ("payTimeout", &end),
                ("reqReserved", &STANDARD.encode("桌号 7 & {x}=1")),
            ],
        )
    }

    /// Charges the payer of this code (被扫); the order ends so many milliseconds from now.
    pub fn charge(&self, number: &str, time: &str, fen: u64, code: &str, life_ms: i64) -> Fields {
        let end = written(now().plus_millis(life_ms));
        self.fields(
            ["01", "06", "000000", "08"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("currencyCode", "156"),
                ("backUrl", &self.back_url),
                ("payTimeout", &end),
                ("qrNo", code),
            ],
        )
    }

    /// An order of the merchant's app.
    pub fn app(&self, number: &str, time: &str, fen: u64) -> Fields {
        self.fields(
            ["01", "01", "000201", "08"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("currencyCode", "156"),
                ("backUrl", &self.back_url),
            ],
        )
    }

    /// Takes a payment of today back (消费撤销).
    pub fn cancel(&self, number: &str, time: &str, query_id: &str, fen: u64) -> Fields {
        self.fields(
            ["31", "00", "000000", "07"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("origQryId", query_id),
                ("backUrl", &self.back_url),
            ],
        )
    }

    /// Undoes the charge of this number and time (冲正).
    pub fn reversal(&self, number: &str, time: &str) -> Fields {
        self.fields(["99", "01", "000000", "08"], number, time, &[])
    }

    /// A form of the gateway (网银), brought by the payer's browser.
    pub fn front(&self, number: &str, time: &str, fen: u64) -> Fields {
        self.fields(
            ["01", "01", "000201", "07"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("currencyCode", "156"),
                ("backUrl", &self.back_url),
                ("frontUrl", "https://shop.example/back"),
            ],
        )
    }

    /// Pays back.
    pub fn refund(&self, number: &str, time: &str, query_id: &str, fen: u64) -> Fields {
        self.fields(
            ["04", "00", "000000", "07"],
            number,
            time,
            &[
                ("txnAmt", &fen.to_string()),
                ("origQryId", query_id),
                ("backUrl", &self.back_url),
            ],
        )
    }

    /// Asks for whatever has this number and time.
    pub fn query(&self, number: &str, time: &str) -> Fields {
        self.fields(["00", "00", "000000", "07"], number, time, &[])
    }

    /// The settlement file of a day, MMDD: about no order.
    pub fn file(&self, day: &str, time: &str) -> Fields {
        let more = [("settleDate", day), ("fileType", "00")];
        let mut fields = self.fields(["76", "01", "000000", "07"], "", time, &more);
        fields.remove("orderId");
        fields
    }

    /// Through the proxy.
    pub async fn send(&self, path: &str, body: &str) -> anyhow::Result<Answer> {
        self.through.send("POST", path, &[FORM], body.as_bytes()).await
    }

    /// To the channel itself.
    pub async fn send_straight(&self, path: &str, body: &str) -> anyhow::Result<Answer> {
        self.straight.send("POST", path, &[FORM], body.as_bytes()).await
    }

    /// Signs, sends through, verifies and reads.
    pub async fn ask(&self, path: &str, fields: &Fields) -> anyhow::Result<Fields> {
        let answer = self.send(path, &self.signed(fields)?).await?;
        ensure!(
            answer.status == 200,
            "answered {} {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        self.read(&answer.body)
    }

    /// A synchronous answer, verified: one that was changed on the way does not verify.
    pub fn read(&self, body: &[u8]) -> anyhow::Result<Fields> {
        let mut fields = Fields::new();
        // The sandbox's values have no `&`; the certificate's base64 has `=`.
        for pair in std::str::from_utf8(body)?.split('&') {
            let (name, value) = pair.split_once('=').context("k=v")?;
            fields.insert(name.to_owned(), value.to_owned());
        }
        self.verify(&fields)?;
        Ok(fields)
    }

    /// What came as a notice, verified.
    pub fn notice(&self, body: &[u8]) -> anyhow::Result<Fields> {
        let fields: Fields = form_urlencoded::parse(body).into_owned().collect();
        self.verify(&fields)?;
        Ok(fields)
    }

    fn verify(&self, fields: &Fields) -> anyhow::Result<()> {
        let signature = fields.get("signature").context("signature")?;
        let text = text(fields);
        match self.method {
            SignMethod::Signature => {
                let cert = fields.get("signPubKeyCert").context("signPubKeyCert")?;
                Material::read(cert.as_bytes())?.verify(
                    hex::encode(Sha256::digest(&text)).as_bytes(),
                    &STANDARD.decode(signature)?,
                )?;
            }
            method => self
                .keys
                .vouched(method, &own()?, text.as_bytes(), signature.as_bytes())?,
        }
        Ok(())
    }
}

fn text(fields: &Fields) -> String {
    let signed = fields.iter().filter(|(name, _)| *name != "signature");
    signed
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}
