//! The watch over trade that is neither a unified order of WeChat's nor of Alipay's: the Baidu wallet's, which tells nobody who
//! paid, and orders that a merchant's own V2 client places through us.

use super::Done;
use anyhow::{Context, ensure};
use certs::{Keys, Material, V2Digest};
use channel::{strict_xml::Fields, wechat_v2};
use domain::KeyRef;
use sandbox::{
    demo::{Demo, http::Client, merchant::Merchant, officers::Officer},
    material::WechatAccount,
};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// As any shop trades: nothing of it is flagged.
pub(super) async fn ordinary(demo: &Demo, merchant: &Merchant) -> Done {
    let id = paid_at_baidu(demo, merchant, 4_200).await?;
    back(merchant, &id, 1_100).await?;
    let sdk = Sdk::of(demo)?;
    paid_by_v2(demo, merchant, &sdk, "oORDINARYV2", 3_100).await
}

/// What moves quickly to and fro at Baidu, what one payer pays again and again through V2, and somebody else's account at both.
pub(super) async fn flagged(demo: &Demo, merchant: &Merchant, officer: &Officer) -> Done {
    // T15d knows a merchant and no payer.
    for n in 0..3 {
        let fen = (1_000 + 100 * n) * 100;
        let id = paid_at_baidu(demo, merchant, fen).await?;
        back(merchant, &id, fen).await?;
    }
    // T20 at Baidu's door: the unified API.
    let mut other = at_baidu(demo, 100);
    other["payee"] = "1888888888".into();
    let refused = merchant.ask("POST", "/v1/payments", Some(&other)).await?;
    ensure!(
        refused.status == 403 && refused.json()["code"] == "payee_not_allowed",
        "{} {}",
        refused.status,
        refused.json()
    );
    officer.until_flagged(merchant.id(), &["T15d", "T20"]).await?;
    // T01 by a payer whom only WeChat's notice names; T15a by a V2 refund of nothing.
    let sdk = Sdk::of(demo)?;
    let payer = format!("oV2{}", demo.next_number());
    for _ in 0..3 {
        paid_by_v2(demo, merchant, &sdk, &payer, 8_800).await?;
    }
    let nothing = demo.next_number();
    let refund = [
        ("out_trade_no", nothing.as_str()),
        ("out_refund_no", "r1"),
        ("refund_fee", "100"),
        ("total_fee", "100"),
    ];
    sdk.refused("/secapi/pay/refund", &refund).await?;
    officer
        .until_flagged(merchant.id(), &["T01", "T15a", "T15d", "T20"])
        .await
        .map(drop)
}

fn at_baidu(demo: &Demo, fen: u64) -> Value {
    json!({ "order_no": demo.next_number(), "channel": "baidu", "pay_way": "page", "amount": fen, "description": "茶", "return_url": "https://shop.example/back" })
}

async fn paid_at_baidu(demo: &Demo, merchant: &Merchant, fen: u64) -> anyhow::Result<String> {
    let answer = merchant
        .ask("POST", "/v1/payments", Some(&at_baidu(demo, fen)))
        .await?;
    let order = answer.json();
    ensure!(answer.status == 201, "{} {order}", answer.status);
    demo.open(&order).await?;
    let pay = json!({ "channel": "baidu", "out_trade_no": order["number"], "outcome": "paid" });
    demo.control("/control/pay", &pay).await?;
    let id = order["id"].as_str().context("an id")?;
    merchant.until(id, "payment", |o| o["state"] == "paid").await?;
    Ok(id.to_owned())
}

async fn back(merchant: &Merchant, id: &str, fen: u64) -> Done {
    let path = format!("/v1/payments/{id}/refunds");
    let body = json!({ "refund_no": "back", "amount": fen });
    let answer = merchant.ask("POST", &path, Some(&body)).await?;
    ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
    merchant
        .until(id, "refund", |o| o["refunded"] == fen)
        .await
        .map(drop)
}

/// In the wallet; that it is paid WeChat's notice tells, which goes through us to the merchant.
async fn paid_by_v2(demo: &Demo, merchant: &Merchant, sdk: &Sdk, openid: &str, fen: u64) -> Done {
    let (number, total) = (demo.next_number(), fen.to_string());
    let placed = sdk
        .ask(
            "/pay/unifiedorder",
            &[
                ("body", "奶茶"),
                ("out_trade_no", &number),
                ("total_fee", &total),
                ("spbill_create_ip", "203.0.113.7"),
                ("notify_url", &sdk.notify_url),
                ("trade_type", "JSAPI"),
                ("openid", openid),
            ],
        )
        .await?;
    ensure!(
        placed.get("result_code") == Some("SUCCESS"),
        "a V2 order was answered {:?}",
        placed.get("return_msg")
    );
    let pay = json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid", "payer": openid });
    demo.control("/control/pay", &pay).await?;
    let path = format!("/v1/payments?order_no={number}");
    for _ in 0..200 {
        if merchant.ask("GET", &path, None).await?.json()["state"] == "paid" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{number} was not paid within 20 s")
}

/// V2 of the first merchant, under MD5.
struct Sdk {
    client: Client,
    keys: Keys,
    account: WechatAccount,
    notify_url: String,
}

impl Sdk {
    fn of(demo: &Demo) -> anyhow::Result<Sdk> {
        let account = demo.place.merchants[0].accounts.wechat.clone();
        let keys = Keys::default();
        keys.put(
            KeyRef::new("own")?,
            Material::api_v2(V2Digest::Md5, account.apiv2_key.as_bytes())?,
        );
        Ok(Sdk {
            client: Client::tls(([127, 0, 0, 1], demo.place.ports.wechat).into(), demo.ca())?,
            notify_url: format!(
                "https://127.0.0.1:{}/n/wechat/{}",
                demo.place.ports.notify, account.mchid
            ),
            keys,
            account,
        })
    }

    async fn ask(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Fields> {
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let nonce = format!("w{}", NONCE.fetch_add(1, Ordering::Relaxed));
        let mut all = vec![
            ("appid", self.account.appid.as_str()),
            ("mch_id", self.account.mchid.as_str()),
            ("nonce_str", &nonce),
        ];
        all.extend_from_slice(fields);
        let message = wechat_v2::string_to_sign(all.iter().copied());
        let sign = hex::encode_upper(self.keys.sign(&KeyRef::new("own")?, &message)?);
        all.push(("sign", &sign));
        let inner: String = all
            .iter()
            .map(|(n, v)| format!("<{n}><![CDATA[{v}]]></{n}>"))
            .collect();
        let headers = [("content-type", "text/xml"), ("user-agent", "sdk")];
        let body = format!("<xml>{inner}</xml>");
        let answer = self.client.send("POST", path, &headers, body.as_bytes()).await?;
        Ok(Fields::parse(&answer.body, "xml")?)
    }

    async fn refused(&self, path: &str, fields: &[(&str, &str)]) -> Done {
        let said = self.ask(path, fields).await?;
        ensure!(
            said.get("return_code") == Some("FAIL") && !said.has("sign"),
            "{path} was not refused here"
        );
        Ok(())
    }
}
