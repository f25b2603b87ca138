//! A merchant's own client of Alipay at the pass-through, in key mode: it signs as channels.md 3.1 and 3.8 say, verifies each
//! answer and notice, and knows nothing of the proxy but its address.

use super::{
    http::{Answer, Client},
    place::{DemoMerchant, Place},
};
use crate::material::AlipayAccount;
use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

/// The client.
pub struct AlipayDoor {
    client: Client,
    keys: Keys,
    /// Whose.
    pub account: AlipayAccount,
    /// Where its notices are to go: an address of the proxy's own, which relays them.
    pub notify_url: String,
    /// Is what it sends encrypted (channels.md 3.2)?
    encrypts: bool,
}

fn own() -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new("own")?)
}

fn alipays() -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new("alipay")?)
}

/// The name of the account's content key.
fn content() -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new("content")?)
}

impl AlipayDoor {
    /// Of a merchant of this place.
    pub fn open(place: &Place, ca: &[u8], merchant: &DemoMerchant) -> anyhow::Result<AlipayDoor> {
        let account = merchant.accounts.alipay.clone();
        let keys = Keys::default();
        for (key, file) in [
            (own()?, &account.private_key_file),
            (alipays()?, &account.alipay_public_key_file),
        ] {
            let file = place.material.dir.join(file);
            let pem = std::fs::read(&file).with_context(|| file.display().to_string())?;
            keys.put(key, Material::read(&pem)?);
        }
        Ok(AlipayDoor {
            client: Client::tls(([127, 0, 0, 1], place.ports.alipay).into(), ca)?,
            keys,
            notify_url: format!(
                "https://127.0.0.1:{}/n/alipay/{}",
                place.ports.notify, account.app_id
            ),
            account,
            encrypts: false,
        })
    }

    /// The same client with the account's content key: it encrypts whatever it sends from here on.
    pub fn encrypting(mut self) -> anyhow::Result<AlipayDoor> {
        self.keys
            .put(content()?, Material::content(self.account.aes_key.as_bytes())?);
        self.encrypts = true;
        Ok(self)
    }

    /// Content as it travels.
    pub fn written(&self, value: &Value) -> anyhow::Result<String> {
        let text = value.to_string();
        Ok(match self.encrypts {
            true => STANDARD.encode(self.keys.seal_content(&content()?, text.as_bytes())?),
            false => text,
        })
    }

    /// What travelled, in clear.
    fn read(&self, text: &str) -> anyhow::Result<Value> {
        let sealed = text.trim_matches('"');
        match self.encrypts && !sealed.starts_with('{') {
            true => {
                let plain = self.keys.open_content(&content()?, &STANDARD.decode(sealed)?)?;
                Ok(serde_json::from_slice(&plain)?)
            }
            false => Ok(serde_json::from_str(text)?),
        }
    }

    fn signature(&self, text: &str) -> anyhow::Result<String> {
        Ok(STANDARD.encode(self.keys.sign(&own()?, text.as_bytes())?))
    }

    fn verify(&self, text: &str, signature: &str) -> anyhow::Result<()> {
        let signature = STANDARD.decode(signature)?;
        Ok(self.keys.verify(&alipays()?, text.as_bytes(), &signature)?)
    }

    /// A call of gateway v2, everything in one form; what Alipay said, verified.
    pub async fn gateway(&self, method: &str, content: &Value, notify: bool) -> anyhow::Result<Value> {
        let notify_url = notify.then_some(("notify_url", self.notify_url.as_str()));
        self.gateway_with(method, content, notify_url.as_slice()).await
    }

    /// The same with these public parameters.
    pub async fn gateway_with(
        &self,
        method: &str,
        content: &Value,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let answer = self.post(&self.signed(method, content, more)?).await?;
        let said = words(&answer);
        // The signature covers the node as it stands there (channels.md 3.2).
        let node = format!("{{\"{}_response\":", method.replace('.', "_"));
        let (node, signature) = said
            .strip_prefix(&node)
            .and_then(|rest| rest.strip_suffix("\"}")?.split_once(",\"sign\":\""))
            .with_context(|| format!("{method} was answered {} {said}", answer.status))?;
        self.verify(node, &signature.replace("\\/", "/"))?;
        self.read(node)
    }

    /// Sends a form.
    pub async fn post(&self, form: &str) -> anyhow::Result<Answer> {
        let headers = [("content-type", "application/x-www-form-urlencoded;charset=utf-8")];
        self.client
            .send("POST", "/gateway.do", &headers, form.as_bytes())
            .await
    }

    /// What the payer's browser is to bring: an order that the merchant has signed, as a form (channels.md 3.1).
    pub fn for_browser(&self, method: &str, content: &Value, return_url: &str) -> anyhow::Result<String> {
        let more = [
            ("notify_url", self.notify_url.as_str()),
            ("return_url", return_url),
        ];
        self.signed(method, content, &more)
    }

    /// A form with these public parameters, signed.
    pub fn signed(&self, method: &str, content: &Value, more: &[(&str, &str)]) -> anyhow::Result<String> {
        self.signed_at(super::acp::now(), method, content, more)
    }

    /// The same with another time of signing.
    pub fn signed_at(
        &self,
        at: domain::Instant,
        method: &str,
        content: &Value,
        more: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let time: String = at
            .to_string()
            .chars()
            .take(19)
            .map(|c| if c == 'T' { ' ' } else { c })
            .collect();
        let content = self.written(content)?;
        let mut more = more.to_vec();
        more.extend(self.encrypts.then_some(("encrypt_type", "AES")));
        self.signed_text(&time, method, &content, &more)
    }

    /// The same with this text in the content's place, whatever it is.
    pub fn signed_text(
        &self,
        time: &str,
        method: &str,
        content: &str,
        more: &[(&str, &str)],
    ) -> anyhow::Result<String> {
        let mut form: BTreeMap<&str, &str> = BTreeMap::from([
            ("app_id", self.account.app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", time),
            ("version", "1.0"),
            ("biz_content", content),
        ]);
        form.extend(more.iter().copied());
        let signature = self.signature(&text(form.iter().map(|(n, v)| (*n, *v))))?;
        form.insert("sign", &signature);
        Ok(form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&form)
            .finish())
    }

    /// A call of OpenAPI v3, by its path behind `/v3/alipay/trade/`; what Alipay said, verified.
    pub async fn v3(&self, call: &str, content: &Value) -> anyhow::Result<Value> {
        self.v3_at(&format!("/v3/alipay/trade/{call}"), content).await
    }

    /// The same by its whole path.
    pub async fn v3_at(&self, target: &str, content: &Value) -> anyhow::Result<Value> {
        let (call, body) = (target, self.written(content)?);
        let answer = self.v3_text(target, &body, self.encrypts).await?;
        let said = words(&answer);
        let header = |name: &str| {
            let value = answer.headers.get(name).and_then(|value| value.to_str().ok());
            value.with_context(|| format!("{call} was answered {} {said} without {name}", answer.status))
        };
        let signed = format!(
            "{}\n{}\n{said}\n",
            header("alipay-timestamp")?,
            header("alipay-nonce")?
        );
        self.verify(&signed, header("alipay-signature")?)?;
        ensure!(
            answer.status == 200,
            "{call} was answered {} {said}",
            answer.status
        );
        self.read(&said)
    }

    /// Signs and sends this text, whatever it is, as content in clear or encrypted.
    pub async fn v3_text(&self, target: &str, body: &str, encrypted: bool) -> anyhow::Result<Answer> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("{e}"))?;
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let mut by = format!(
            "app_id={},nonce={},timestamp={at}",
            self.account.app_id,
            hex::encode(random)
        );
        let signature = self.signature(&format!("{by}\nPOST\n{target}\n{body}\n"))?;
        by = format!("ALIPAY-SHA256withRSA {by},sign={signature}");
        let headers: &[_] = match encrypted {
            true => &[
                ("authorization", &*by),
                ("content-type", "text/plain"),
                ("alipay-encrypt-type", "AES"),
            ],
            false => &[("authorization", &*by), ("content-type", "application/json")],
        };
        self.client.send("POST", target, headers, body.as_bytes()).await
    }

    /// What came as a notice, verified (channels.md 3.5).
    pub fn notice(&self, body: &[u8]) -> anyhow::Result<BTreeMap<String, String>> {
        let fields: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let signed = fields
            .iter()
            .filter(|(name, _)| !["sign", "sign_type"].contains(&name.as_str()));
        let signature = fields.get("sign").context("sign")?;
        self.verify(&text(signed.map(|(n, v)| (n.as_str(), v.as_str()))), signature)?;
        Ok(fields)
    }
}

fn words(answer: &Answer) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn text<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}
