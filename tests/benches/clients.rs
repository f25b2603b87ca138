//! Merchants' own clients with only the host changed, as far as row (g) needs them: each request as its channel's document
//! has it signed, made before a window opens.

use crate::traffic::{goods, unix};
use anyhow::anyhow;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material, V2Digest};
use channel::wechat_v2;
use domain::KeyRef;
use sandbox::{
    demo::{
        acp::{self, Acp},
        door::WechatDoor,
        place::{DemoMerchant, Place},
    },
    material::AlipayAccount,
};
use serde_json::{Value, json};
use std::net::SocketAddr;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded;charset=utf-8";

/// Of one merchant.
pub(crate) struct Clients {
    wechat: WechatDoor,
    v2: Keys,
    alipay: Alipay,
    unionpay: Acp,
}

struct Alipay {
    account: AlipayAccount,
    keys: Keys,
    notify_url: String,
}

fn own() -> anyhow::Result<KeyRef> {
    Ok(KeyRef::new("own")?)
}

fn post(target: &str, content_type: &str, authorization: Option<&str>, body: &str) -> Vec<u8> {
    let authorization = authorization.map_or(String::new(), |a| format!("Authorization: {a}\r\n"));
    format!(
        "POST {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: guandao-bench/1\r\nAccept: */*\r\nContent-Type: {content_type}\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len(),
    )
    .into_bytes()
}

impl Clients {
    /// Of a merchant of this place.
    pub(crate) fn of(
        place: &Place,
        ca: &[u8],
        merchant: &DemoMerchant,
        unionpay: SocketAddr,
    ) -> anyhow::Result<Clients> {
        let accounts = &merchant.accounts;
        let (v2, alipay) = (Keys::default(), Keys::default());
        v2.put(
            own()?,
            Material::api_v2(V2Digest::Md5, accounts.wechat.apiv2_key.as_bytes())?,
        );
        let pem = std::fs::read(place.material.dir.join(&accounts.alipay.private_key_file))?;
        alipay.put(own()?, Material::read(&pem)?);
        Ok(Clients {
            wechat: WechatDoor::open(place, ca, merchant)?,
            v2,
            alipay: Alipay {
                account: accounts.alipay.clone(),
                keys: alipay,
                notify_url: format!(
                    "https://127.0.0.1:{}/n/alipay/{}",
                    place.ports.notify, accounts.alipay.app_id
                ),
            },
            unionpay: Acp::open(place, ca, merchant, unionpay)?,
        })
    }

    fn wechat(&self, target: &str, body: &Value) -> anyhow::Result<Vec<u8>> {
        let body = body.to_string();
        let authorization = self.wechat.authorization("POST", target, &body)?;
        Ok(post(target, JSON, Some(&authorization), &body))
    }

    /// APIv3, a code to scan.
    pub(crate) fn wechat_native(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let (appid, mchid) = (&self.wechat.account.appid, &self.wechat.account.mchid);
        let body = json!({
            "amount": { "currency": "CNY", "total": 1280 }, "appid": appid, "mchid": mchid, "attach": "table 7, till 3",
            "description": "奶茶 Milk tea, large, less ice", "detail": goods(), "notify_url": self.wechat.notify_url,
            "out_trade_no": number, "scene_info": { "device_id": "till-3", "payer_client_ip": "203.0.113.7" },
        });
        self.wechat("/v3/pay/transactions/native", &body)
    }

    /// APIv3, two orders of one payer.
    pub(crate) fn wechat_combined(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let (appid, mchid) = (&self.wechat.account.appid, &self.wechat.account.mchid);
        let part = |letter: char, fen: u64| {
            json!({
                "mchid": mchid, "out_trade_no": format!("{number}{letter}"), "description": "奶茶 Milk tea", "attach": "table 7",
                "amount": { "total_amount": fen, "currency": "CNY" },
            })
        };
        let body = json!({
            "combine_appid": appid, "combine_mchid": mchid, "combine_out_trade_no": number,
            "notify_url": self.wechat.notify_url, "sub_orders": [part('a', 310), part('b', 520)],
        });
        self.wechat("/v3/combine-transactions/native", &body)
    }

    fn v2(&self, target: &str, number: &str, more: &[(&str, &str)]) -> anyhow::Result<Vec<u8>> {
        let account = &self.wechat.account;
        let nonce = format!("n{number}");
        let mut all = vec![
            ("appid", account.appid.as_str()),
            ("mch_id", &account.mchid),
            ("nonce_str", &nonce),
            ("body", "奶茶 Milk tea, large, less ice"),
            ("attach", "table 7, till 3"),
            ("out_trade_no", number),
            ("total_fee", "1280"),
            ("spbill_create_ip", "203.0.113.7"),
        ];
        all.extend_from_slice(more);
        let message = wechat_v2::string_to_sign(all.iter().copied());
        let sign = hex::encode_upper(self.v2.sign(&own()?, &message)?);
        all.push(("sign", &sign));
        let inner: String = all
            .iter()
            .map(|(n, v)| format!("<{n}><![CDATA[{v}]]></{n}>"))
            .collect();
        Ok(post(target, "text/xml", None, &format!("<xml>{inner}</xml>")))
    }

    /// V2, a code to scan.
    pub(crate) fn v2_native(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let more = [
            ("notify_url", self.wechat.notify_url.as_str()),
            ("trade_type", "NATIVE"),
            ("product_id", "p1"),
        ];
        self.v2("/pay/unifiedorder", number, &more)
    }

    /// V2, a payment code.
    pub(crate) fn v2_micropay(&self, number: &str, n: u64) -> anyhow::Result<Vec<u8>> {
        self.v2("/pay/micropay", number, &[("auth_code", &format!("14{n:016}"))])
    }

    fn alipay(&self, method: &str, content: &Value) -> anyhow::Result<Vec<u8>> {
        let content = content.to_string();
        let time: String = acp::now().to_string().chars().take(19).collect();
        let time = time.replace('T', " ");
        let mut pairs = vec![
            ("app_id", self.alipay.account.app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", &time),
            ("version", "1.0"),
            ("notify_url", &self.alipay.notify_url),
            ("biz_content", &content),
        ];
        pairs.sort_unstable();
        let message: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let signature = STANDARD.encode(self.alipay.keys.sign(&own()?, message.join("&").as_bytes())?);
        pairs.push(("sign", &signature));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        Ok(post("/gateway.do", FORM, None, &body))
    }

    /// The gateway, a code to scan.
    pub(crate) fn alipay_qr(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        self.alipay("alipay.trade.precreate", &alipay_order(number))
    }

    /// The gateway, a payment code.
    pub(crate) fn alipay_pay(&self, number: &str, n: u64) -> anyhow::Result<Vec<u8>> {
        let mut order = alipay_order(number);
        order["scene"] = "bar_code".into();
        order["auth_code"] = format!("27{n:016}").into();
        self.alipay("alipay.trade.pay", &order)
    }

    /// OpenAPI v3, a code to scan.
    pub(crate) fn alipay_v3(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let target = "/v3/alipay/trade/precreate";
        let mut order = alipay_order(number);
        order["notify_url"] = self.alipay.notify_url.as_str().into();
        let (body, at) = (order.to_string(), unix().as_millis());
        let auth = format!(
            "app_id={},nonce=n{number},timestamp={at}",
            self.alipay.account.app_id
        );
        let message = format!("{auth}\nPOST\n{target}\n{body}\n");
        let signature = STANDARD.encode(self.alipay.keys.sign(&own()?, message.as_bytes())?);
        let authorization = format!("ALIPAY-SHA256withRSA {auth},sign={signature}");
        Ok(post(target, JSON, Some(&authorization), &body))
    }

    fn acp(&self, target: &str, fields: acp::Fields) -> anyhow::Result<Vec<u8>> {
        let body = self.unionpay.signed(&fields)?;
        Ok(post(
            target,
            "application/x-www-form-urlencoded;charset=UTF-8",
            None,
            &body,
        ))
    }

    /// UnionPay, a code to scan (主扫).
    pub(crate) fn unionpay_qr(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let time = acp::written(acp::now());
        self.acp(acp::BACK, self.unionpay.apply(number, &time, 1280))
    }

    /// UnionPay, a payment code (被扫).
    pub(crate) fn unionpay_code(&self, number: &str, n: u64) -> anyhow::Result<Vec<u8>> {
        let (time, code) = (acp::written(acp::now()), format!("621{n:016}"));
        self.acp(
            acp::BACK,
            self.unionpay.charge(number, &time, 1280, &code, 300_000),
        )
    }

    /// UnionPay, an order of the merchant's app.
    pub(crate) fn unionpay_app(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let time = acp::written(acp::now());
        self.acp(acp::APP, self.unionpay.app(number, &time, 1280))
    }

    /// UnionPay's gateway (网银), brought by the payer's browser and sent on to the channel.
    pub(crate) fn unionpay_front(&self, number: &str, _: u64) -> anyhow::Result<Vec<u8>> {
        let time = acp::written(acp::now());
        self.acp(acp::FRONT, self.unionpay.front(number, &time, 1280))
    }
}

fn alipay_order(number: &str) -> Value {
    json!({
        "out_trade_no": number, "total_amount": "12.80", "subject": "奶茶 Milk tea, large, less ice", "body": "table 7, till 3",
    })
}

/// The port of a pass-through listener by its channel.
pub(crate) fn port(place: &Place, channel: &str) -> anyhow::Result<u16> {
    match channel {
        "wechat" => Ok(place.ports.wechat),
        "alipay" => Ok(place.ports.alipay),
        "unionpay" => Ok(place.ports.unionpay),
        other => Err(anyhow!("nothing passes through to {other}")),
    }
}
