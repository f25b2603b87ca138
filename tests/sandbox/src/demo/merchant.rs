//! A merchant of the unified API: signs each request, verifies each answer.

use super::{
    http::{Answer, Client},
    place::DemoMerchant,
};
use anyhow::{Context, anyhow, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use serde_json::Value;
use std::{net::SocketAddr, path::Path, time::SystemTime};

/// One merchant's client.
pub struct Merchant {
    id: String,
    scheme: String,
    serial: String,
    keys: Keys,
    client: Client,
}

fn own() -> KeyRef {
    KeyRef::new("own").expect("lawful")
}

fn key(name: &str) -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new(name)?)
}

impl Merchant {
    /// Reads the merchant's key and the service's public keys from the demo's directory.
    pub fn open(dir: &Path, ca: &[u8], merchant: &DemoMerchant, api: SocketAddr) -> anyhow::Result<Merchant> {
        let keys = Keys::default();
        keys.put(
            own(),
            Material::read(&std::fs::read(dir.join(&merchant.key_file))?)?,
        );
        for serial in ["GDED25519A1", "GDRSA2048A1"] {
            let pem = std::fs::read(dir.join(format!("merchants/{serial}.pub.pem")))?;
            keys.put(key(&format!("answer/{serial}"))?, Material::read(&pem)?);
        }
        Ok(Merchant {
            id: merchant.id.clone(),
            scheme: merchant.scheme.to_owned(),
            serial: merchant.serial.clone(),
            keys,
            client: Client::tls(api, ca)?,
        })
    }

    /// The n-th merchant that `endpoints.json` in this directory publishes, by what it says and nothing else.
    pub fn published(dir: &Path, endpoints: &Value, n: usize) -> anyhow::Result<Merchant> {
        let text = |value: &Value| value.as_str().map(str::to_owned).context("a text");
        let read = |file: &Value| anyhow::Ok(std::fs::read(dir.join(text(file)?))?);
        let (api, one) = (&endpoints["api"], &endpoints["merchants"][n]);
        let keys = Keys::default();
        keys.put(own(), Material::read(&read(&one["key_file"])?)?);
        for theirs in api["keys"].as_array().context("keys")? {
            let name = key(&format!("answer/{}", text(&theirs["serial"])?))?;
            keys.put(name, Material::read(&read(&theirs["public_key_file"])?)?);
        }
        let at = text(&api["url"])?;
        let at = at.trim_start_matches("https://").parse()?;
        Ok(Merchant {
            id: text(&one["mchid"])?,
            scheme: text(&one["scheme"])?,
            serial: text(&one["serial"])?,
            keys,
            client: Client::tls(at, &read(&api["ca"])?)?,
        })
    }

    /// Its number.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The `Authorization` header for a request.
    pub fn authorization(&self, method: &str, target: &str, body: &[u8]) -> anyhow::Result<String> {
        let timestamp = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)?
            .as_secs();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| anyhow!("{e}"))?;
        let nonce = hex::encode(random);
        let mut message = format!("{method}\n{target}\n{timestamp}\n{nonce}\n").into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        let signature = STANDARD.encode(self.keys.sign(&own(), &message)?);
        Ok(format!(
            "{} mchid=\"{}\",nonce_str=\"{nonce}\",timestamp=\"{timestamp}\",serial_no=\"{}\",signature=\"{signature}\"",
            self.scheme, self.id, self.serial,
        ))
    }

    /// Sends a signed request and verifies the answer.
    pub async fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let bytes = body.map(Value::to_string).unwrap_or_default().into_bytes();
        let authorization = self.authorization(method, target, &bytes)?;
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("accept", "application/json"),
        ];
        if body.is_some() {
            headers.push(("content-type", "application/json"));
        }
        let answer = self.client.send(method, target, &headers, &bytes).await?;
        self.verify(&answer.headers, &answer.body)?;
        Ok(answer)
    }

    /// Verifies the signature of an answer or a notification.
    pub fn verify(&self, headers: &http::HeaderMap, body: &[u8]) -> anyhow::Result<()> {
        let header = |name: &str| {
            headers
                .get(name)
                .and_then(|v| v.to_str().ok())
                .ok_or_else(|| anyhow!("no header {name}"))
        };
        let serial = header("guandao-serial")?;
        ensure!(
            header("guandao-signature-type")? == self.scheme,
            "signed in another scheme than the request"
        );
        let mut message =
            format!("{}\n{}\n", header("guandao-timestamp")?, header("guandao-nonce")?).into_bytes();
        message.extend_from_slice(body);
        message.push(b'\n');
        let signature = STANDARD.decode(header("guandao-signature")?)?;
        Ok(self
            .keys
            .verify(&key(&format!("answer/{serial}"))?, &message, &signature)?)
    }

    /// Asks for an order until it is as wanted.
    pub async fn until(
        &self,
        id: &str,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        for _ in 0..400 {
            last = self.ask("GET", &format!("/v1/payments/{id}"), None).await?.json();
            if wanted(&last) {
                return Ok(last);
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        Err(anyhow!("{what} did not come; the order says {last}"))
    }
}
