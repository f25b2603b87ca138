//! A merchant's own SDK as far as these tests need it: native requests, signed as the channels' documents say.

use crate::kills::Yard;
use anyhow::ensure;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use sandbox::{
    demo::{
        door::WechatDoor,
        http::{Answer, Client},
    },
    material::{AlipayAccount, WechatAccount},
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

fn key_of(pem: &Path) -> anyhow::Result<Keys> {
    let keys = Keys::default();
    keys.put(KeyRef::new("own")?, Material::read(&std::fs::read(pem)?)?);
    Ok(keys)
}

fn now() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_secs() as i64)
}

fn sign(keys: &Keys, message: &[u8]) -> anyhow::Result<String> {
    Ok(STANDARD.encode(keys.sign(&KeyRef::new("own")?, message)?))
}

/// A signed request that can be kept and sent as often as one likes.
pub(crate) struct Signed {
    method: &'static str,
    target: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

/// The SDK of one channel, pointed at the proxy.
pub(crate) enum Sdk {
    Wechat(Client, Box<WechatDoor>, Box<WechatAccount>, String),
    Alipay(Client, Keys, AlipayAccount, String),
}

impl Sdk {
    /// Of the yard's only merchant.
    pub(crate) fn of(yard: &Yard, channel: &str) -> anyhow::Result<Sdk> {
        let place = &yard.demo.place;
        let accounts = &place.merchants[0].accounts;
        let key = |file: &String| key_of(&place.material.dir.join(file));
        let client = |port| Client::tls(([127, 0, 0, 1], port).into(), yard.demo.ca());
        let notify =
            |account: &str| format!("https://127.0.0.1:{}/n/{channel}/{account}", place.ports.notify);
        Ok(match channel {
            "wechat" => {
                let door = WechatDoor::open(place, yard.demo.ca(), &place.merchants[0])?;
                let (account, notify_url) = (door.account.clone(), door.notify_url.clone());
                Sdk::Wechat(
                    client(place.ports.wechat)?,
                    Box::new(door),
                    Box::new(account),
                    notify_url,
                )
            }
            _ => {
                let account = accounts.alipay.clone();
                Sdk::Alipay(
                    client(place.ports.alipay)?,
                    key(&account.private_key_file)?,
                    account.clone(),
                    notify(&account.app_id),
                )
            }
        })
    }

    /// Signs at WeChat by SM2 from here on, or by RSA, whatever the account does.
    pub(crate) fn signs_by_sm2(&mut self, yard: &Yard, sm2: bool) -> anyhow::Result<()> {
        match self {
            Sdk::Wechat(_, door, ..) => door.sign_by_sm2(&yard.demo.place, sm2),
            Sdk::Alipay(..) => anyhow::bail!("not WeChat's"),
        }
    }

    /// Sends what was signed before.
    pub(crate) async fn send(&self, signed: &Signed) -> anyhow::Result<Answer> {
        let (Sdk::Wechat(client, ..) | Sdk::Alipay(client, ..)) = self;
        let headers: Vec<(&str, &str)> = signed.headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        client
            .send(signed.method, &signed.target, &headers, signed.body.as_bytes())
            .await
    }

    pub(crate) async fn wechat(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        self.send(&self.wechat_signed(method, target, body)?).await
    }

    /// The same with one more header.
    pub(crate) async fn wechat_with(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
        header: (&'static str, String),
    ) -> anyhow::Result<Answer> {
        let mut signed = self.wechat_signed(method, target, body)?;
        signed.headers.push(header);
        self.send(&signed).await
    }

    fn wechat_signed(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Signed> {
        let Sdk::Wechat(_, door, ..) = self else {
            anyhow::bail!("not WeChat's")
        };
        let body = body.map_or(String::new(), Value::to_string);
        let authorization = door.authorization(method, target, &body)?;
        let mut headers = vec![
            ("authorization", authorization),
            ("accept", "application/json".to_owned()),
            ("user-agent", "sdk".to_owned()),
        ];
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        Ok(Signed {
            method,
            target: target.to_owned(),
            headers,
            body,
        })
    }

    /// A call of Alipay's OpenAPI v3 (channels.md 3.8).
    pub(crate) async fn alipay_v3(
        &self,
        method: &'static str,
        target: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let Sdk::Alipay(_, keys, account, _) = self else {
            anyhow::bail!("not Alipay's")
        };
        static NONCE: AtomicU64 = AtomicU64::new(0);
        let (nonce, body) = (
            NONCE.fetch_add(1, Ordering::Relaxed),
            body.map_or(String::new(), Value::to_string),
        );
        let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let auth = format!("app_id={},nonce=n{at}x{nonce},timestamp={at}", account.app_id);
        let signature = sign(keys, format!("{auth}\n{method}\n{target}\n{body}\n").as_bytes())?;
        let mut headers = vec![(
            "authorization",
            format!("ALIPAY-SHA256withRSA {auth},sign={signature}"),
        )];
        if !body.is_empty() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        self.send(&Signed {
            method,
            target: target.to_owned(),
            headers,
            body,
        })
        .await
    }

    /// The same with everything in the query, as some SDKs send it (channels.md 3.1).
    pub(crate) async fn alipay_by_query(&self, method: &str, content: &Value) -> anyhow::Result<Answer> {
        let signed = self.alipay_signed(method, content, true, None)?;
        self.send(&Signed {
            method: "GET",
            target: format!("{}?{}", signed.target, signed.body),
            headers: Vec::new(),
            body: String::new(),
        })
        .await
    }

    /// The account at Alipay, and where its notices go.
    pub(crate) fn alipay_account(&self) -> anyhow::Result<(&AlipayAccount, &str)> {
        match self {
            Sdk::Alipay(_, _, account, notify_url) => Ok((account, notify_url)),
            Sdk::Wechat(..) => anyhow::bail!("not Alipay's"),
        }
    }

    pub(crate) async fn alipay(
        &self,
        method: &str,
        content: &Value,
        notify: bool,
        token: Option<&str>,
    ) -> anyhow::Result<Answer> {
        self.send(&self.alipay_signed(method, content, notify, token)?)
            .await
    }

    fn alipay_signed(
        &self,
        method: &str,
        content: &Value,
        notify: bool,
        token: Option<&str>,
    ) -> anyhow::Result<Signed> {
        let Sdk::Alipay(_, keys, account, notify_url) = self else {
            anyhow::bail!("not Alipay's")
        };
        let time: String = domain::Instant::from_secs(now())
            .to_string()
            .chars()
            .take(19)
            .collect();
        let (time, content) = (time.replace('T', " "), content.to_string());
        let mut pairs = vec![
            ("app_id", account.app_id.as_str()),
            ("method", method),
            ("format", "JSON"),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("timestamp", &time),
            ("version", "1.0"),
            ("biz_content", &content),
        ];
        if notify {
            pairs.push(("notify_url", notify_url));
        }
        pairs.extend(token.map(|token| ("app_auth_token", token)));
        pairs.sort_unstable();
        let message: Vec<String> = pairs.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let signature = sign(keys, message.join("&").as_bytes())?;
        pairs.push(("sign", &signature));
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let headers = vec![(
            "content-type",
            "application/x-www-form-urlencoded;charset=utf-8".to_owned(),
        )];
        Ok(Signed {
            method: "POST",
            target: "/gateway.do".to_owned(),
            headers,
            body,
        })
    }

    /// A close that is signed now.
    pub(crate) fn signed_close(&self, number: &str) -> anyhow::Result<Signed> {
        match self {
            Sdk::Wechat(_, _, account, _) => self.wechat_signed(
                "POST",
                &format!("/v3/pay/transactions/out-trade-no/{number}/close"),
                Some(&json!({ "mchid": account.mchid })),
            ),
            Sdk::Alipay(..) => self.alipay_signed(
                "alipay.trade.close",
                &json!({ "out_trade_no": number }),
                false,
                None,
            ),
        }
    }

    /// A refund that is signed now.
    pub(crate) fn signed_refund(
        &self,
        number: &str,
        refund: &str,
        fen: u64,
        total: u64,
    ) -> anyhow::Result<Signed> {
        match self {
            Sdk::Wechat(_, _, _, notify_url) => {
                let body = json!({ "out_trade_no": number, "out_refund_no": refund, "notify_url": notify_url, "amount": { "refund": fen, "total": total, "currency": "CNY" } });
                self.wechat_signed("POST", "/v3/refund/domestic/refunds", Some(&body))
            }
            Sdk::Alipay(..) => {
                let content =
                    json!({ "out_trade_no": number, "out_request_no": refund, "refund_amount": yuan(fen) });
                self.alipay_signed("alipay.trade.refund", &content, false, None)
            }
        }
    }

    /// Places an order: a code, or with `payer` by the wallet's page.
    pub(crate) async fn create(&self, number: &str, fen: u64, payer: Option<&str>) -> anyhow::Result<Answer> {
        match self {
            Sdk::Wechat(_, _, account, notify_url) => {
                let mut body = json!({ "appid": account.appid, "mchid": account.mchid, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "amount": { "total": fen, "currency": "CNY" } });
                if let Some(payer) = payer {
                    body["payer"] = json!({ "openid": payer });
                }
                self.wechat(
                    "POST",
                    &format!(
                        "/v3/pay/transactions/{}",
                        if payer.is_some() { "jsapi" } else { "native" }
                    ),
                    Some(&body),
                )
                .await
            }
            Sdk::Alipay(_, _, account, _) => {
                let mut content =
                    json!({ "out_trade_no": number, "total_amount": yuan(fen), "subject": "tea" });
                if let Some(payer) = payer {
                    content["buyer_id"] = payer.into();
                    content["product_code"] = "JSAPI_PAY".into();
                    content["op_app_id"] = account.app_id.as_str().into();
                }
                self.alipay(
                    if payer.is_some() {
                        "alipay.trade.create"
                    } else {
                        "alipay.trade.precreate"
                    },
                    &content,
                    true,
                    None,
                )
                .await
            }
        }
    }

    /// Places an order at Alipay under an authorisation.
    pub(crate) async fn create_under(&self, number: &str, token: &str) -> anyhow::Result<Answer> {
        self.alipay(
            "alipay.trade.precreate",
            &json!({ "out_trade_no": number, "total_amount": "1.00", "subject": "tea" }),
            true,
            Some(token),
        )
        .await
    }

    /// Places an order at WeChat that ends after so many seconds.
    pub(crate) async fn create_brief(&self, number: &str, seconds: i64) -> anyhow::Result<Answer> {
        let Sdk::Wechat(_, _, account, notify_url) = self else {
            anyhow::bail!("not WeChat's")
        };
        let end = domain::Instant::from_secs(now() + seconds).to_string();
        let body = json!({ "appid": account.appid, "mchid": account.mchid, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "time_expire": end, "amount": { "total": 100, "currency": "CNY" } });
        self.wechat("POST", "/v3/pay/transactions/native", Some(&body))
            .await
    }

    pub(crate) async fn query(&self, number: &str) -> anyhow::Result<Answer> {
        match self {
            Sdk::Wechat(_, _, account, _) => {
                self.wechat(
                    "GET",
                    &format!(
                        "/v3/pay/transactions/out-trade-no/{number}?mchid={}",
                        account.mchid
                    ),
                    None,
                )
                .await
            }
            Sdk::Alipay(..) => {
                self.alipay(
                    "alipay.trade.query",
                    &json!({ "out_trade_no": number }),
                    false,
                    None,
                )
                .await
            }
        }
    }

    pub(crate) async fn close(&self, number: &str) -> anyhow::Result<Answer> {
        self.send(&self.signed_close(number)?).await
    }

    pub(crate) async fn refund(
        &self,
        number: &str,
        refund: &str,
        fen: u64,
        total: u64,
    ) -> anyhow::Result<Answer> {
        self.send(&self.signed_refund(number, refund, fen, total)?).await
    }

    pub(crate) async fn refund_query(&self, number: &str, refund: &str) -> anyhow::Result<Answer> {
        match self {
            Sdk::Wechat(..) => {
                self.wechat("GET", &format!("/v3/refund/domestic/refunds/{refund}"), None)
                    .await
            }
            Sdk::Alipay(..) => {
                self.alipay(
                    "alipay.trade.fastpay.refund.query",
                    &json!({ "out_trade_no": number, "out_request_no": refund }),
                    false,
                    None,
                )
                .await
            }
        }
    }

    /// Any operation in another's name: a sub-merchant at WeChat, an authorisation at Alipay.
    pub(crate) async fn for_another(&self, number: &str) -> anyhow::Result<Vec<Answer>> {
        let other = "1600000009";
        Ok(match self {
            Sdk::Wechat(_, _, account, notify_url) => {
                let own = &account.mchid;
                let order = json!({ "sp_appid": account.appid, "sp_mchid": own, "sub_mchid": other, "description": "tea", "out_trade_no": number, "notify_url": notify_url, "amount": { "total": 100, "currency": "CNY" } });
                let refund = json!({ "sub_mchid": other, "out_trade_no": number, "out_refund_no": "x-refund", "amount": { "refund": 1, "total": 100, "currency": "CNY" } });
                let path = format!("/v3/pay/partner/transactions/out-trade-no/{number}");
                vec![
                    self.wechat("POST", "/v3/pay/partner/transactions/native", Some(&order))
                        .await?,
                    self.wechat("GET", &format!("{path}?sp_mchid={own}&sub_mchid={other}"), None)
                        .await?,
                    self.wechat(
                        "POST",
                        &format!("{path}/close"),
                        Some(&json!({ "sp_mchid": own, "sub_mchid": other })),
                    )
                    .await?,
                    self.wechat("POST", "/v3/refund/domestic/refunds", Some(&refund))
                        .await?,
                    self.wechat(
                        "GET",
                        &format!("/v3/refund/domestic/refunds/x-refund?sub_mchid={other}"),
                        None,
                    )
                    .await?,
                ]
            }
            Sdk::Alipay(..) => {
                let token = Some("202601BBforeign");
                let order = json!({ "out_trade_no": number, "total_amount": "1.00", "subject": "tea" });
                let one = json!({ "out_trade_no": number });
                let refund =
                    json!({ "out_trade_no": number, "out_request_no": "x-refund", "refund_amount": "0.01" });
                vec![
                    self.alipay("alipay.trade.precreate", &order, true, token).await?,
                    self.alipay("alipay.trade.query", &one, false, token).await?,
                    self.alipay("alipay.trade.close", &one, false, token).await?,
                    self.alipay("alipay.trade.refund", &refund, false, token).await?,
                ]
            }
        })
    }

    /// The account at WeChat, and where its notices go.
    pub(crate) fn wechat_account(&self) -> anyhow::Result<(&WechatAccount, &str)> {
        match self {
            Sdk::Wechat(_, _, account, notify_url) => Ok((account, notify_url)),
            Sdk::Alipay(..) => anyhow::bail!("not WeChat's"),
        }
    }

    /// Was it done, as the channel says?
    pub(crate) fn done(&self, answer: &Answer) -> bool {
        match self {
            Sdk::Wechat(..) => (200..300).contains(&answer.status),
            Sdk::Alipay(..) => answer
                .json()
                .as_object()
                .is_some_and(|o| o.values().any(|v| v["code"] == "10000")),
        }
    }

    /// Refused for its signature, in the channel's words.
    pub(crate) fn stale(&self, answer: &Answer) -> anyhow::Result<()> {
        let said = answer.json();
        match self {
            Sdk::Wechat(..) => ensure!(
                answer.status == 401 && said["code"] == "SIGN_ERROR",
                "{} {said}",
                answer.status
            ),
            Sdk::Alipay(..) => ensure!(
                said["error_response"]["sub_code"] == "isv.invalid-signature",
                "{said}"
            ),
        }
        Ok(())
    }

    /// Refused as not allowed, in the channel's words.
    pub(crate) fn not_allowed(&self, answer: &Answer) -> anyhow::Result<()> {
        let said = answer.json();
        match self {
            Sdk::Wechat(..) => ensure!(
                answer.status == 403 && said["code"] == "NO_AUTH",
                "{} {said}",
                answer.status
            ),
            Sdk::Alipay(..) => ensure!(said["error_response"]["code"] == "40006", "{said}"),
        }
        Ok(())
    }
}

/// `1.00`.
fn yuan(fen: u64) -> String {
    format!("{}.{:02}", fen / 100, fen % 100)
}

/// The order as the unified API shows it.
pub(crate) async fn shown(yard: &Yard, number: &str) -> anyhow::Result<Value> {
    let answer = yard
        .merchant()?
        .ask("GET", &format!("/v1/payments?order_no={number}"), None)
        .await?;
    ensure!(
        answer.status == 200,
        "{number} is not on record: {} {}",
        answer.status,
        answer.json()
    );
    Ok(answer.json())
}
