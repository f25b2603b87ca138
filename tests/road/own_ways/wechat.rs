//! WeChat Pay's part: APIv3 in JSON, V2 in XML, and each call that `own_calls` lists.

use super::{Client, Done, filled, put, word};
use crate::abnormal;
use anyhow::{Context, ensure};
use certs::{Keys, Material, V2Digest};
use channel::wechat_v2::string_to_sign;
use domain::KeyRef;
use sandbox::demo::Demo;
use serde_json::{Value, json};
use std::time::Duration;

impl Client {
    pub(super) async fn of_wechat(
        &self,
        method: &str,
        call: &str,
        content: &Value,
        accounts: &Value,
    ) -> anyhow::Result<Value> {
        if !call.starts_with("/v3/") {
            return self.by_v2(call, content, accounts).await;
        }
        self.by_v3(method, call, content, &[]).await
    }

    async fn by_v3(
        &self,
        method: &str,
        call: &str,
        content: &Value,
        headers: &[(&str, &str)],
    ) -> anyhow::Result<Value> {
        let body = (method == "POST").then_some(content);
        let answer = self.wechat.ask_with(method, call, body, headers).await?;
        ensure!(
            answer.status < 300,
            "{call} answered {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(if answer.body.is_empty() {
            Value::Null
        } else {
            answer.json()
        })
    }

    /// By V2, signed as the message itself says; what came back.
    pub(super) async fn v2_text(
        &self,
        call: &str,
        content: &Value,
        accounts: &Value,
    ) -> anyhow::Result<String> {
        let mut content = content.clone();
        content["nonce_str"] = "n0ncen0nce".into();
        let (keys, key) = (Keys::default(), KeyRef::new("v2")?);
        let secret = word(&accounts["wechat"]["apiv2_key"]).as_bytes();
        let digest = match word(&content["sign_type"]) {
            "HMAC-SHA256" => V2Digest::HmacSha256,
            _ => V2Digest::Md5,
        };
        keys.put(key.clone(), Material::api_v2(digest, secret)?);
        let fields = content.as_object().context("fields")?;
        let message = string_to_sign(fields.iter().map(|(name, value)| (name.as_str(), word(value))));
        let sign = hex::encode_upper(keys.sign(&key, &message)?);
        let all = fields.iter().map(|(name, value)| (name.as_str(), word(value)));
        let inner: String = all
            .chain([("sign", sign.as_str())])
            .map(|(name, value)| format!("<{name}><![CDATA[{value}]]></{name}>"))
            .collect();
        let said = self.wechat.post(call, &format!("<xml>{inner}</xml>")).await?;
        Ok(String::from_utf8(said.body.to_vec())?)
    }

    async fn by_v2(&self, call: &str, content: &Value, accounts: &Value) -> anyhow::Result<Value> {
        let text = self.v2_text(call, content, accounts).await?;
        ensure!(
            text.contains("<result_code><![CDATA[SUCCESS]]>"),
            "{call}: {text}"
        );
        let mut read = json!({});
        for name in ["code_url", "prepay_id", "mweb_url"] {
            let inner = text
                .split_once(&format!("<{name}><![CDATA["))
                .map(|(_, rest)| rest);
            read[name] = inner.and_then(|rest| rest.split("]]>").next()).into();
        }
        Ok(read)
    }
}

/// A call, of an order of its own that stands as the call needs it.
pub(super) async fn ask(
    client: &Client,
    demo: &Demo,
    accounts: &Value,
    ways: &[Value],
    call: &Value,
) -> Done {
    let path = word(&call["call"]);
    let by_a_partner = path.contains("sub_mchid") || call["adds"]["sub_mchid"].is_string();
    let reverses = path.starts_with("/v3/") && path.ends_with("reverse");
    let by = match path {
        _ if by_a_partner && reverses => "/v3/pay/partner/transactions/codepay",
        _ if by_a_partner => "/v3/pay/partner/transactions/native",
        path if path.contains("combine") => "/v3/combine-transactions/native",
        _ if reverses => "/v3/pay/transactions/codepay",
        path if path.ends_with("reverse") => "/pay/micropay",
        path if path.starts_with("/v3/") => "/v3/pay/transactions/native",
        _ => "/pay/unifiedorder",
    };
    let way = ways.iter().find(|way| way["call"] == by).context("a way")?;
    let number = demo.next_number();
    let (sent, _) = client.place(demo, accounts, way, &number).await?;
    let mut of = json!({ "out_trade_no": number, "combine_out_trade_no": number, "out_refund_no": format!("R{number}") });
    if !path.contains("close") && !way["auth_code"].is_object() {
        let mut pay = json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid" });
        if call["payer"].is_string() {
            pay["payer"] = call["payer"].clone();
        }
        demo.control("/control/pay", &pay).await?;
        if path.contains("{transaction_id}") {
            let known = match by_a_partner {
                true => {
                    "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}?sp_mchid={mchid}&sub_mchid={sub_mchids}"
                }
                false => "/v3/pay/transactions/out-trade-no/{out_trade_no}?mchid={mchid}",
            };
            let known = written(known, &of, &accounts["wechat"])?;
            let order = client.of_wechat("GET", &known, &Value::Null, accounts).await?;
            of["transaction_id"] = order["transaction_id"].clone();
        }
    }
    if ["{out_refund_no}", "{refund_id}"]
        .iter()
        .any(|no| path.contains(no))
        || path == "/pay/refundquery"
    {
        let mut refund = json!({ "out_trade_no": number, "out_refund_no": of["out_refund_no"], "amount": { "refund": 1, "total": 880, "currency": "CNY" } });
        if by_a_partner {
            refund["sub_mchid"] = accounts["wechat"]["sub_mchids"][0].clone();
        }
        settled(|| client.of_wechat("POST", "/v3/refund/domestic/refunds", &refund, accounts)).await?;
    }
    if path.contains("{refund_id}") {
        of["refund_id"] = stranded(client, accounts, &of).await?;
    }
    let mut content = call["content"].clone();
    if path.contains("combine") {
        let numbers = sent["sub_orders"].as_array().context("sub_orders")?.iter();
        content["sub_orders"] = numbers
            .map(|part| json!({ "out_trade_no": part["out_trade_no"] }))
            .collect();
    }
    for member in call["members"].as_array().context("members")? {
        match word(member) {
            "sub_orders[].out_trade_no" => {}
            name @ ("out_trade_no" | "out_refund_no") => content[name] = of[name].clone(),
            name @ ("bank_account" | "real_name") => {
                let sealed = (call["sealed"].as_array().into_iter().flatten()).any(|one| one == name);
                ensure!(sealed, "{name} is the payer's and not said to be sealed");
                let plain = if name == "real_name" { NAME } else { CARD };
                content[name] = seal(demo, word(&accounts["wechat"]["public_key_file"]), plain)?.into();
            }
            name @ ("total_fee" | "refund_fee") => content[name] = "880".into(),
            "amount.currency" => content["amount"]["currency"] = "CNY".into(),
            name => put(&mut content, name, &|| 880.into()),
        }
    }
    filled(&mut content, call, accounts, || demo.next_number())?;
    let target = written(path, &of, &accounts["wechat"])?;
    let method = word(&call["method"]);
    let names = call["headers"].as_object().into_iter().flatten();
    let named: Vec<(String, &str)> = names
        .map(|(name, of)| (name.to_lowercase(), word(&accounts["wechat"][word(of)])))
        .collect();
    let headers: Vec<(&str, &str)> = named
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    let said = settled(async || match headers.is_empty() {
        true => client.of_wechat(method, &target, &content, accounts).await,
        false => client.by_v3(method, &target, &content, &headers).await,
    })
    .await?;
    if path == "/v3/certificates" {
        let serial = &said["data"][0]["serial_no"];
        ensure!(*serial == accounts["wechat"]["platform_serial"], "{said}");
    }
    if call["before"].is_string() {
        let known = written("/v3/refund/domestic/refunds/{out_refund_no}", &of, &Value::Null)?;
        let done = async || {
            let said = client.of_wechat("GET", &known, &Value::Null, accounts).await?;
            ensure!(said["status"] == "SUCCESS", "{said}");
            Ok(said)
        };
        settled(done).await?;
    }
    Ok(())
}

/// The refund's own number at WeChat, once it has become abnormal there and the proxy knows.
async fn stranded(client: &Client, accounts: &Value, of: &Value) -> anyhow::Result<Value> {
    let known = written("/v3/refund/domestic/refunds/{out_refund_no}", of, &Value::Null)?;
    let abnormal = async || {
        let said = client.of_wechat("GET", &known, &Value::Null, accounts).await?;
        ensure!(said["status"] == "ABNORMAL", "{said}");
        Ok(said)
    };
    Ok(settled(abnormal).await?["refund_id"].take())
}

const CARD: &str = "6222020903001483077";
const NAME: &str = "王小明";

/// As the client's own SDK seals what is the payer's (channels.md 1.8).
fn seal(demo: &Demo, file: &str, plain: &str) -> anyhow::Result<String> {
    abnormal::seal(&std::fs::read_to_string(demo.place.dir.join(file))?, plain)
}

/// A payment or refund may be known a moment later: asked again for ten seconds.
pub(super) async fn settled<F: Future<Output = anyhow::Result<Value>>>(
    ask: impl Fn() -> F,
) -> anyhow::Result<Value> {
    for _ in 0..200 {
        if let Ok(said) = ask().await {
            return Ok(said);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ask().await
}

/// Braces filled in.
fn written(path: &str, of: &Value, account: &Value) -> anyhow::Result<String> {
    let mut all = String::new();
    for (at, piece) in path.split('{').enumerate() {
        let Some((name, rest)) = piece.split_once('}').filter(|_| at > 0) else {
            all.push_str(piece);
            continue;
        };
        let value = match (&of[name], &account[name]) {
            (Value::String(text), _) | (_, Value::String(text)) => text,
            (_, Value::Array(list)) => list.first().map(word).context("an empty list")?,
            _ => anyhow::bail!("{name} is unknown"),
        };
        all.push_str(value);
        all.push_str(rest);
    }
    Ok(all)
}
