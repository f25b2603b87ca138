//! A merchant's own client that knows no more than `own_ways` and `own_calls` of `endpoints.json` say.

use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    acp::{Acp, Fields, now, written},
    alipay_door::AlipayDoor,
    browser::{Browser, PHONE},
    door::WechatDoor,
    merchant::Merchant,
    place::RETURN_HOST,
};
use serde_json::{Value, json};

type Done = anyhow::Result<()>;

/// Each way is gone to a payment, and what may be asked for afterwards is asked for.
pub(crate) async fn each(demo: &Demo, merchant: &Merchant, endpoints: &Value) -> Done {
    let list = |name: &str| endpoints[name].as_array().cloned().context("a list");
    let (ways, calls) = (list("own_ways")?, list("own_calls")?);
    let client = Client {
        alipay: AlipayDoor::open(&demo.place, demo.ca(), &demo.place.merchants[0])?,
        acp: Acp::of(demo, 0)?,
        wechat: WechatDoor::open(&demo.place, demo.ca(), &demo.place.merchants[0])?,
    };
    for way in &ways {
        let gone = client.go(demo, merchant, way).await;
        gone.with_context(|| format!("own {} {}", way["channel"], way["pay_way"]))?;
    }
    let named = |call: &&Value| call["channel"] == "alipay";
    for call in calls.iter().filter(named) {
        let asked = client.ask(demo, &ways, call).await;
        asked.with_context(|| format!("own {}", call["call"]))?;
    }
    ensure!(
        ways.len() == 12 && calls.len() == 8,
        "{} {}",
        ways.len(),
        calls.len()
    );
    Ok(())
}

struct Client {
    alipay: AlipayDoor,
    acp: Acp,
    wechat: WechatDoor,
}

impl Client {
    async fn go(&self, demo: &Demo, merchant: &Merchant, way: &Value) -> Done {
        let number = demo.next_number();
        let said = self.place(demo, way, &number).await?;
        let reach = word(&way["reach"]);
        if !reach.is_empty() {
            ensure!(said[reach].is_string(), "no {reach} in {said}");
            let pay = json!({ "channel": way["channel"], "out_trade_no": number, "outcome": "paid" });
            demo.control("/control/pay", &pay).await?;
        }
        let path = format!("/v1/payments?order_no={number}");
        let order = merchant.ask("GET", &path, None).await?.json();
        let id = order["id"].as_str().with_context(|| order.to_string())?;
        // What WeChat's h5 and prepay ids lead to, the payer opens with them.
        merchant
            .until(id, "payment", |o| o["state"] == "paid")
            .await
            .map(drop)
    }

    /// What the channel said to the order.
    async fn place(&self, demo: &Demo, way: &Value, number: &str) -> anyhow::Result<Value> {
        let (channel, mut content) = (word(&way["channel"]), way["content"].clone());
        content[word(&way["number"])] = number.into();
        if way["auth_code"].is_object() {
            let code = demo.next_code(channel);
            let begins = word(&way["auth_code"]["begins"]);
            ensure!(
                code.starts_with(begins) || channel == "unionpay",
                "{code} {begins}"
            );
            let shown = json!({ "channel": channel, "auth_code": code, "outcome": "paid" });
            demo.control("/control/pay", &shown).await?;
            let member = if channel == "alipay" { "auth_code" } else { "qrNo" };
            content[member] = code.into();
        }
        if way["by_browser"] == true {
            return self.brought(demo, way, &content).await;
        }
        match channel {
            "wechat" => {
                let account = &self.wechat.account;
                for (name, value) in [
                    ("appid", &account.appid),
                    ("mchid", &account.mchid),
                    ("notify_url", &self.wechat.notify_url),
                ] {
                    content[name] = value.as_str().into();
                }
                let answer = self
                    .wechat
                    .ask("POST", word(&way["call"]), Some(&content))
                    .await?;
                Ok(answer.json())
            }
            "alipay" => self.of_alipay(way, content, true).await,
            _ => self.of_unionpay(way, content).await,
        }
    }

    /// The payer's browser brings it, and goes where it is sent on to.
    async fn brought(&self, demo: &Demo, way: &Value, content: &Value) -> anyhow::Result<Value> {
        let form = self.alipay.for_browser(
            word(&way["call"]),
            content,
            &format!("https://{RETURN_HOST}/back"),
        )?;
        let gateway = format!("https://127.0.0.1:{}/gateway.do", demo.place.ports.alipay);
        let page = Browser::new(demo.ca(), PHONE)
            .send_octets(&gateway, &form)
            .await?;
        ensure!(
            page.answer.status == 200,
            "{} {}",
            page.answer.status,
            page.text()
        );
        Ok(json!({ "location": page.way.get(1) }))
    }

    /// By the gateway, and the same by OpenAPI v3, whose turn it is by the call's own length.
    async fn of_alipay(&self, way: &Value, mut content: Value, notify: bool) -> anyhow::Result<Value> {
        let path = word(&way["v3"]);
        if path.len().is_multiple_of(2) {
            return self.alipay.gateway(word(&way["call"]), &content, notify).await;
        }
        if notify {
            content["notify_url"] = self.alipay.notify_url.as_str().into();
        }
        let call = path.strip_prefix("/v3/alipay/trade/").context("a path")?;
        self.alipay.v3(call, &content).await
    }

    async fn of_unionpay(&self, way: &Value, content: Value) -> anyhow::Result<Value> {
        let kind =
            ["txnType", "txnSubType", "bizType", "channelType"].map(|name| word(&content[name]).to_owned());
        let kind = kind.each_ref().map(String::as_str);
        let number = word(&content["orderId"]);
        let fields = content.as_object().context("fields")?;
        let more: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), word(v))).collect();
        let mut fields = self.acp.fields(kind, number, &written(now()), &more);
        fields.insert("backUrl".into(), self.acp.back_url().to_owned());
        let said: Fields = self.acp.ask(word(&way["call"]), &fields).await?;
        Ok(serde_json::to_value(said)?)
    }

    /// Of an order of its own: scanned where it is to be closed, else paid.
    async fn ask(&self, demo: &Demo, ways: &[Value], call: &Value) -> Done {
        let way = ways.iter().find(|way| way["call"] == "alipay.trade.precreate");
        let number = demo.next_number();
        self.place(demo, way.context("a code")?, &number).await?;
        let closes = word(&call["call"]).ends_with("close");
        let outcome = if closes { "declined" } else { "paid" };
        let pay = json!({ "channel": "alipay", "out_trade_no": number, "outcome": outcome });
        demo.control("/control/pay", &pay).await?;
        let members = call["members"].as_array().context("members")?;
        let mut content = json!({});
        for member in members {
            content[word(member)] = match word(member) {
                "out_trade_no" => number.as_str().into(),
                "refund_amount" => "8.80".into(),
                _ => format!("R{number}").into(),
            };
        }
        let said = self.of_alipay(call, content, false).await?;
        ensure!(said["out_trade_no"] == *number, "{said}");
        Ok(())
    }
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
