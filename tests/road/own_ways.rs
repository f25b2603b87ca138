//! A merchant's own client that knows no more than `own_ways` and `own_calls` of `endpoints.json` say.

use crate::alipay_payer;
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    acp::{Acp, FRONT, now, written},
    alipay_door::AlipayDoor,
    browser::{Browser, PHONE},
    door::WechatDoor,
    merchant::Merchant,
    place::RETURN_HOST,
};
use serde_json::{Value, json};

mod days;
mod unionpay;
mod wechat;

type Done = anyhow::Result<()>;

/// What comes to a message: the account's own members where `adds` says so, and numbers of its parts.
pub(crate) fn filled(body: &mut Value, way: &Value, accounts: &Value, number: impl Fn() -> String) -> Done {
    let account = &accounts[word(&way["channel"])];
    let under = &way["adds_under"][word(&account["sign_method"])];
    let all = [&way["adds"], under].into_iter().filter_map(Value::as_object);
    for (at, from) in all.flatten() {
        let value = match &account[word(from)] {
            Value::Array(list) => list.first().context("an empty list")?,
            value => value,
        };
        ensure!(!value.is_null(), "{from} is no member of {account}");
        put(body, at, &|| value.clone());
    }
    if let Some(at) = way["part_number"].as_str() {
        put(body, at, &|| number().into());
    }
    Ok(())
}

/// `a.b`, or `a[].b` for the `b` of each.
fn put(body: &mut Value, at: &str, value: &dyn Fn() -> Value) {
    if let Some((list, inner)) = at.split_once("[].") {
        let parts = body[list].as_array_mut().into_iter().flatten();
        return parts.for_each(|part| put(part, inner, value));
    }
    match at.split_once('.') {
        Some((outer, inner)) => put(&mut body[outer], inner, value),
        None => body[at] = value(),
    }
}

/// Each way is gone to a payment, and what may be asked for afterwards is asked for.
pub(crate) async fn each(demo: &Demo, merchant: &Merchant, endpoints: &Value) -> Done {
    let list = |name: &str| endpoints[name].as_array().cloned().context("a list");
    let (ways, calls) = (list("own_ways")?, list("own_calls")?);
    let client = Client {
        alipay: AlipayDoor::open(&demo.place, demo.ca(), &demo.place.merchants[0])?,
        acp: Acp::of(demo, 0)?,
        wechat: WechatDoor::open(&demo.place, demo.ca(), &demo.place.merchants[0])?,
    };
    let accounts = &endpoints["merchants"][0]["accounts"];
    for way in &ways {
        let gone = client.go(demo, merchant, accounts, way).await;
        gone.with_context(|| format!("own {} {} {}", way["channel"], way["pay_way"], way["call"]))?;
    }
    for call in &calls {
        let asked = match word(&call["channel"]) {
            _ if days::is_of_a_day(call) => days::ask(&client, accounts, call).await,
            "alipay" if call["in"] == "parameters" => client.exchange(demo, accounts, call).await,
            "alipay" => client.ask(demo, &ways, call).await,
            "unionpay" => unionpay::ask(&client, demo, accounts, &ways, call, &calls).await,
            _ => wechat::ask(&client, demo, accounts, &ways, call).await,
        };
        asked.with_context(|| format!("own {} {}", call["call"], call["content"]))?;
    }
    ensure!(
        ways.len() >= 28 && calls.len() >= 30,
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
    async fn go(&self, demo: &Demo, merchant: &Merchant, accounts: &Value, way: &Value) -> Done {
        let number = demo.next_number();
        let (sent, said) = self.place(demo, accounts, way, &number).await?;
        if !way["auth_code"].is_object() {
            let reach = word(&way["reach"]);
            ensure!(
                reach.is_empty() || said[reach].is_string(),
                "no {reach} in {said}"
            );
            let pay = json!({ "channel": way["channel"], "out_trade_no": number, "outcome": "paid" });
            demo.control("/control/pay", &pay).await?;
        }
        let parts = sent["sub_orders"].as_array().into_iter().flatten();
        let mut numbers: Vec<&str> = parts.map(|part| word(&part["out_trade_no"])).collect();
        if numbers.is_empty() {
            numbers.push(&number);
        }
        for number in numbers {
            let path = format!("/v1/payments?order_no={number}");
            let order = merchant.ask("GET", &path, None).await?.json();
            let id = order["id"].as_str().with_context(|| order.to_string())?;
            merchant.until(id, "payment", |o| o["state"] == "paid").await?;
        }
        Ok(())
    }

    /// What was sent, and what the channel said to it.
    async fn place(
        &self,
        demo: &Demo,
        accounts: &Value,
        way: &Value,
        number: &str,
    ) -> anyhow::Result<(Value, Value)> {
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
            put(&mut content, word(&way["auth_code"]["member"]), &|| {
                code.as_str().into()
            });
        }
        if way["by_browser"] == true {
            let said = self.brought(demo, way, &content).await?;
            return Ok((content, said));
        }
        if channel == "alipay" {
            let said = self.of_alipay(way, content.clone(), true).await?;
            return Ok((content, said));
        }
        filled(&mut content, way, accounts, || demo.next_number())?;
        let call = word(&way["call"]);
        if channel == "wechat" {
            let said = self.of_wechat("POST", call, &content, accounts).await?;
            return Ok((content, said));
        }
        content["txnTime"] = written(now()).into();
        let said = match call {
            FRONT => self.in_the_browser(&content).await?,
            _ => self.of_unionpay(call, &content).await?,
        };
        Ok((content, said))
    }

    /// The payer's browser posts the form here and, as it is told, the same to UnionPay.
    async fn in_the_browser(&self, content: &Value) -> anyhow::Result<Value> {
        let form = self.acp.signed(&unionpay::fields(content)?)?;
        let sent_on = self.acp.send(FRONT, &form).await?;
        ensure!(
            sent_on.status == 307,
            "{}: {}",
            sent_on.status,
            String::from_utf8_lossy(&sent_on.body)
        );
        let shown = self.acp.send_straight(FRONT, &form).await?;
        ensure!(shown.status == 200, "UnionPay answered {}", shown.status);
        Ok(Value::Null)
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

    /// A payer's code, as Alipay's page gives it, is told for the payer.
    async fn exchange(&self, demo: &Demo, accounts: &Value, call: &Value) -> Done {
        let payer = "2088102146225135";
        let mut parameters = call["content"].clone();
        for v3 in [false, true] {
            let code = alipay_payer::code(demo, word(&accounts["alipay"]["app_id"]), payer).await?;
            for member in call["members"].as_array().context("members")? {
                parameters[word(member)] = code.as_str().into();
            }
            let pairs = parameters.as_object().context("parameters")?.iter();
            let pairs: Vec<(&str, &str)> = pairs.map(|(name, value)| (name.as_str(), word(value))).collect();
            let said = match v3 {
                false => {
                    self.alipay
                        .gateway_with(word(&call["call"]), &json!({}), &pairs)
                        .await?
                }
                true => self.alipay.v3_at(word(&call["v3"]), &parameters).await?,
            };
            ensure!(said["user_id"] == payer, "{said}");
        }
        Ok(())
    }

    /// Of an order of its own: scanned where it is to be closed, else paid.
    async fn ask(&self, demo: &Demo, ways: &[Value], call: &Value) -> Done {
        let way = ways.iter().find(|way| way["call"] == "alipay.trade.precreate");
        let number = demo.next_number();
        self.place(demo, &Value::Null, way.context("a code")?, &number)
            .await?;
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
