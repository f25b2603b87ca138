//! A merchant's own client of WeChat Pay at the pass-through: it signs APIv3 as the document says (`channels.md` 1.4), and
//! knows nothing of the proxy but its address.

use super::{
    http::{Answer, Client},
    place::{DemoMerchant, Place},
};
use crate::material::WechatAccount;
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use serde_json::Value;
use std::time::{SystemTime, UNIX_EPOCH};

/// The client.
pub struct WechatDoor {
    client: Client,
    keys: Keys,
    key: KeyRef,
    scheme: &'static str,
    /// Whose.
    pub account: WechatAccount,
    /// Where its notices are to go: an address of the proxy's own, which relays them.
    pub notify_url: String,
}

impl WechatDoor {
    /// Of a merchant of this place.
    pub fn open(place: &Place, ca: &[u8], merchant: &DemoMerchant) -> anyhow::Result<WechatDoor> {
        let account = merchant.accounts.wechat.clone();
        let (keys, key) = (Keys::default(), KeyRef::new("sdk")?);
        let mut door = WechatDoor {
            client: Client::tls(([127, 0, 0, 1], place.ports.wechat).into(), ca)?,
            keys,
            key,
            scheme: "",
            notify_url: format!(
                "https://127.0.0.1:{}/n/wechat/{}",
                place.ports.notify, account.mchid
            ),
            account,
        };
        let by_sm2 = place.by_sm2(&door.account.mchid);
        door.sign_by_sm2(place, by_sm2)?;
        Ok(door)
    }

    /// Signs by SM2 from here on, or by RSA, whatever the account does.
    pub fn sign_by_sm2(&mut self, place: &Place, sm2: bool) -> anyhow::Result<()> {
        let file = match sm2 {
            true => &self.account.sm2_key_file,
            false => &self.account.key_file,
        };
        let file = place.material.dir.join(file);
        let pem = std::fs::read(&file).with_context(|| file.display().to_string())?;
        self.keys.put(self.key.clone(), Material::read(&pem)?);
        self.scheme = match sm2 {
            true => "WECHATPAY2-SM2-WITH-SM3",
            false => "WECHATPAY2-SHA256-RSA2048",
        };
        Ok(())
    }

    /// The `Authorization` of a request.
    pub fn authorization(&self, method: &str, target: &str, body: &str) -> anyhow::Result<String> {
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|e| anyhow::anyhow!("{e}"))?;
        let nonce = hex::encode(random);
        let message = format!("{method}\n{target}\n{at}\n{nonce}\n{body}\n");
        let signature = STANDARD.encode(self.keys.sign(&self.key, message.as_bytes())?);
        Ok(format!(
            "{} mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",timestamp=\"{at}\",serial_no=\"{}\"",
            self.scheme, self.account.mchid, self.account.serial,
        ))
    }

    /// Sends a request.
    pub async fn ask(&self, method: &str, target: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        self.ask_with(method, target, body, &[]).await
    }

    /// Sends a request with further headers, in small letters.
    pub async fn ask_with(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        more: &[(&str, &str)],
    ) -> anyhow::Result<Answer> {
        let body = body.map_or(String::new(), Value::to_string);
        let authorization = self.authorization(method, target, &body)?;
        let mut headers = vec![
            ("authorization", authorization.as_str()),
            ("accept", "application/json"),
            ("user-agent", "shop/1"),
        ];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        headers.extend_from_slice(more);
        self.client.send(method, target, &headers, body.as_bytes()).await
    }

    /// Posts V2's XML, which is signed inside.
    pub async fn post(&self, path: &str, xml: &str) -> anyhow::Result<Answer> {
        let headers = [("content-type", "text/xml"), ("user-agent", "shop/1")];
        self.client.send("POST", path, &headers, xml.as_bytes()).await
    }
}
