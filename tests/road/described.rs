//! What `/openapi.json` says of answers and notifications, held against real ones: status, headers, content type, and
//! every field of every body.

use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo, abnormal,
    http::Answer,
    merchant::Merchant,
    orders,
    place::{Options, RETURN_HOST},
};
use serde_json::{Value, json};
use std::time::Duration;

type Done = anyhow::Result<()>;

struct Described {
    document: Value,
    shop: Merchant,
}

impl Described {
    /// What a reference means.
    fn at<'a>(&'a self, value: &'a Value) -> anyhow::Result<&'a Value> {
        match value["$ref"].as_str() {
            None => Ok(value),
            Some(to) => self.at(self
                .document
                .pointer(to.trim_start_matches('#'))
                .with_context(|| format!("{to} leads nowhere"))?),
        }
    }

    /// Asks and holds the answer against the description of this path.
    async fn ask(
        &self,
        method: &str,
        template: &str,
        target: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let answer = self.shop.ask(method, target, body).await?;
        let said = &self.document["paths"][template][method.to_lowercase()]["responses"];
        let status = answer.status.to_string();
        let said = said
            .get(&status)
            .or_else(|| said.get("default").filter(|_| answer.status >= 400));
        let said = self.at(
            said.with_context(|| format!("{method} {template} never says {status}: {}", answer.json()))?
        )?;
        for (name, header) in said["headers"].as_object().context("headers")? {
            let there = answer.headers.contains_key(name.to_lowercase());
            ensure!(
                there || self.at(header)?["required"] == false,
                "{method} {template} {status} has no {name}"
            );
        }
        let kind = answer
            .headers
            .get("content-type")
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default();
        let content = &said["content"][kind.split(';').next().unwrap_or_default()];
        ensure!(
            content.is_object(),
            "{method} {template} {status} comes as {kind}, which is not said"
        );
        let value = if kind.contains("json") {
            answer.json()
        } else {
            String::from_utf8_lossy(&answer.body).into()
        };
        self.fits(&content["schema"], &value)
            .with_context(|| format!("{method} {template} {status}: {value}"))?;
        Ok(answer)
    }

    /// As JSON Schema has it, and stricter: a field that is not described is an error.
    fn fits(&self, schema: &Value, value: &Value) -> Done {
        let schema = self.at(schema)?;
        let kinds: Vec<&str> = schema["type"].as_array().map_or_else(
            || schema["type"].as_str().into_iter().collect(),
            |all| all.iter().filter_map(Value::as_str).collect(),
        );
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        ensure!(
            kinds.is_empty() || kinds.contains(&kind),
            "{value} is no {kinds:?}"
        );
        ensure!(
            schema["enum"].as_array().is_none_or(|all| all.contains(value)),
            "{value} is none of {}",
            schema["enum"]
        );
        match value {
            Value::Array(all) => all.iter().try_for_each(|one| self.fits(&schema["items"], one)),
            Value::Object(map) if schema["properties"].is_object() => {
                let required = schema["required"].as_array().cloned().unwrap_or_default();
                ensure!(
                    required
                        .iter()
                        .all(|name| map.contains_key(name.as_str().unwrap_or_default())),
                    "{required:?} are not all in {value}"
                );
                map.iter().try_for_each(|(name, value)| {
                    let below = schema["properties"]
                        .get(name)
                        .or_else(|| schema.get("additionalProperties").filter(|s| s.is_object()))
                        .with_context(|| format!("{name} is not described"))?;
                    self.fits(below, value).with_context(|| name.clone())
                })
            }
            _ => Ok(()),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_as_the_description_says() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 1,
            ..Options::default()
        },
        false,
    )
    .await?;
    let described = Described {
        document: proxy::api::openapi::document(),
        shop: demo.merchant(0)?,
    };
    for (channel, way, payer) in [
        ("wechat", "native", json!(null)),
        ("alipay", "qr", json!(null)),
        ("wechat", "jsapi", json!({ "openid": "oDescribed" })),
        ("alipay", "jsapi", json!({ "buyer_id": "2088000000000001" })),
    ] {
        let mut body = json!({ "order_no": demo.next_number(), "channel": channel, "pay_way": way, "amount": 900, "description": "茶" });
        if !payer.is_null() {
            body["payer"] = payer;
        }
        life(&demo, &described, &body).await?;
    }
    let mini = &demo.place.merchants[0].accounts.wechat.mini_appid;
    let mut in_its_program = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "jsapi", "amount": 900, "description": "茶" });
    in_its_program["appid"] = json!(mini);
    in_its_program["payer"] = json!({ "openid": "oDescribedToo" });
    life(&demo, &described, &in_its_program).await?;
    forms(&demo, &described).await?;
    abnormal(&demo, &described).await?;
    for channel in crate::codes::CHANNELS {
        scanned(&demo, &described, channel).await?;
    }
    groups(&demo, &described).await?;
    codes(&demo, &described).await?;
    for query in [
        "",
        "?by=hour,channel,pay_way",
        "?by=day",
        "?by=channel&format=csv",
        "?by=colour",
    ] {
        described
            .ask("GET", "/v1/statistics", &format!("/v1/statistics{query}"), None)
            .await?;
    }
    refusals(&demo, &described).await?;
    let today = domain::Instant::from_secs(
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)?
            .as_secs() as i64,
    )
    .day();
    let (books, statement) = (
        "/v1/reconciliations/{date}",
        "/v1/reconciliations/{date}/statement",
    );
    described
        .ask("GET", books, &format!("/v1/reconciliations/{today}"), None)
        .await?;
    described
        .ask("GET", books, "/v1/reconciliations/today", None)
        .await?;
    described
        .ask(
            "GET",
            statement,
            &format!("/v1/reconciliations/{today}/statement"),
            None,
        )
        .await?;
    let notices: Vec<Value> = demo
        .shop()
        .came("/notify/")
        .iter()
        .filter_map(|c| serde_json::from_slice(&c.body).ok())
        .collect();
    ensure!(!notices.is_empty(), "nobody was told");
    let told = &described.document["webhooks"]["notification"]["post"]["requestBody"]["content"]["application/json"]
        ["schema"];
    notices
        .iter()
        .try_for_each(|notice| described.fits(told, notice))?;
    demo.services.stop().await
}

/// What a browser posts is described to the member, and is the same of every channel.
async fn forms(demo: &Demo, described: &Described) -> Done {
    for (channel, way) in [("alipay", "wap"), ("alipay", "page"), ("unionpay", "gateway")] {
        let back = match channel {
            "alipay" => format!("https://{RETURN_HOST}/back?订单=二"),
            _ => format!("https://{RETURN_HOST}/back"),
        };
        let body = json!({ "order_no": demo.next_number(), "channel": channel, "pay_way": way, "amount": 900, "description": "茶", "return_url": back });
        let order = described
            .ask("POST", "/v1/payments", "/v1/payments", Some(&body))
            .await?
            .json();
        ensure!(
            order["call_up"]["form"]["charset"] == "UTF-8",
            "{channel} {way}: {order}"
        );
    }
    Ok(())
}

async fn life(demo: &Demo, described: &Described, body: &Value) -> Done {
    const ONE: &str = "/v1/payments/{id}";
    let order = described
        .ask("POST", "/v1/payments", "/v1/payments", Some(body))
        .await?
        .json();
    described
        .ask("POST", "/v1/payments", "/v1/payments", Some(body))
        .await?;
    let path = format!("/v1/payments/{}", order["id"].as_str().unwrap_or_default());
    described
        .ask(
            "GET",
            "/v1/payments",
            &format!(
                "/v1/payments?order_no={}",
                order["order_no"].as_str().unwrap_or_default()
            ),
            None,
        )
        .await?;
    demo.control(
        "/control/pay",
        &json!({ "channel": body["channel"], "out_trade_no": order["number"], "outcome": "paid" }),
    )
    .await?;
    described
        .shop
        .until(path.trim_start_matches("/v1/payments/"), "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    described
        .ask("GET", ONE, &format!("{path}?expand=payer"), None)
        .await?;
    described
        .ask(
            "POST",
            &format!("{ONE}/close"),
            &format!("{path}/close"),
            Some(&json!({})),
        )
        .await?;
    let refunds = format!("{ONE}/refunds");
    described
        .ask(
            "POST",
            &refunds,
            &format!("{path}/refunds"),
            Some(&json!({ "refund_no": "r1", "amount": 100 })),
        )
        .await?;
    for (no, act) in [("r2", "release"), ("r3", "cancel")] {
        described
            .ask(
                "POST",
                &refunds,
                &format!("{path}/refunds"),
                Some(&json!({ "refund_no": no, "amount": 100, "hold": true })),
            )
            .await?;
        described
            .ask(
                "POST",
                &format!("{refunds}/{{refund_no}}/{act}"),
                &format!("{path}/refunds/{no}/{act}"),
                None,
            )
            .await?;
    }
    described
        .ask(
            "GET",
            &format!("{refunds}/{{refund_no}}"),
            &format!("{path}/refunds/r1"),
            None,
        )
        .await?;
    described.ask("GET", ONE, &path, None).await?;
    for (what, target) in [
        ("receipt", "receipt"),
        ("receipt", "receipt?index=0"),
        ("purge", "purge"),
        ("notifications", "notifications"),
    ] {
        described
            .ask("GET", &format!("{ONE}/{what}"), &format!("{path}/{target}"), None)
            .await?;
    }
    for _ in 0..50 {
        let told = described
            .ask(
                "GET",
                &format!("{ONE}/notifications"),
                &format!("{path}/notifications"),
                None,
            )
            .await?
            .json();
        if let Some(seq) = told["notifications"][0]["seq"].as_u64() {
            described
                .ask(
                    "POST",
                    &format!("{ONE}/notifications/{{seq}}/resend"),
                    &format!("{path}/notifications/{seq}/resend"),
                    None,
                )
                .await?;
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no notification of {path}")
}

/// A refund that the payer's account cannot take: as it stands, and sent another way.
async fn abnormal(demo: &Demo, described: &Described) -> Done {
    const REFUNDS: &str = "/v1/payments/{id}/refunds";
    let body = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 900, "description": "茶" });
    let order = described
        .ask("POST", "/v1/payments", "/v1/payments", Some(&body))
        .await?
        .json();
    let pay = json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": abnormal::GONE });
    demo.control("/control/pay", &pay).await?;
    let id = order["id"].as_str().context("id")?;
    let until = async |state: &str| {
        let wanted = |o: &Value| o["state"] == state || o["refunds"][0]["state"] == state;
        described.shop.until(id, state, wanted).await
    };
    until("paid").await?;
    let path = format!("/v1/payments/{id}/refunds");
    let refund = json!({ "refund_no": "r1", "amount": 100 });
    described.ask("POST", REFUNDS, &path, Some(&refund)).await?;
    until("abnormal").await?;
    let one = format!("{REFUNDS}/{{refund_no}}");
    described.ask("GET", &one, &format!("{path}/r1"), None).await?;
    let (template, target) = (format!("{one}/redirect"), format!("{path}/r1/redirect"));
    for odd in [json!({}), json!({ "to": "somebody" })] {
        let refused = described.ask("POST", &template, &target, Some(&odd)).await?;
        ensure!(refused.status == 400, "{} {}", refused.status, refused.json());
    }
    described
        .ask("POST", &template, &target, Some(&abnormal::to_card()))
        .await?;
    until("succeeded").await?;
    described
        .ask("GET", &one, &format!("{path}/r1"), None)
        .await
        .map(drop)
}

/// A payment code that is waited for and reversed, one that is refused, one that is paid.
async fn scanned(demo: &Demo, described: &Described, channel: &str) -> Done {
    for (will, status) in [("late", 202), ("declined", 422), ("paid", 201)] {
        let code = demo.next_code(channel);
        demo.control(
            "/control/pay",
            &json!({ "channel": channel, "auth_code": code, "outcome": will }),
        )
        .await?;
        let body = json!({ "order_no": demo.next_number(), "pay_way": "micropay", "amount": 900, "description": "茶", "auth_code": code, "client_ip": "203.0.113.7" });
        let answer = described
            .ask("POST", "/v1/payments", "/v1/payments", Some(&body))
            .await?;
        // UnionPay's answer says "accepted", and no more.
        let open = channel == "unionpay" && will == "paid" && answer.status == 202;
        ensure!(
            answer.status == status || open,
            "{will}: {} {}",
            answer.status,
            answer.json()
        );
        let Some(id) = answer.json()["id"].as_str().map(str::to_owned) else {
            continue;
        };
        tokio::time::sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
        described
            .ask(
                "POST",
                "/v1/payments/{id}/reverse",
                &format!("/v1/payments/{id}/reverse"),
                Some(&json!({})),
            )
            .await?;
        described
            .shop
            .until(&id, "reverse", |o| o["state"] == "reversed")
            .await?;
        described
            .ask("GET", "/v1/payments/{id}", &format!("/v1/payments/{id}"), None)
            .await?;
    }
    Ok(())
}

/// Several orders that one payment pays.
async fn groups(demo: &Demo, described: &Described) -> Done {
    let (group, order) = (
        demo.next_number(),
        || json!({ "order_no": demo.next_number(), "amount": 120, "description": "tea" }),
    );
    let body = json!({ "group_no": group, "channel": "wechat", "pay_way": "jsapi", "payer": { "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" }, "orders": [order(), order()] });
    const ALL: &str = "/v1/payments/combined";
    for status in [201, 200] {
        let placed = described.ask("POST", ALL, ALL, Some(&body)).await?;
        ensure!(placed.status == status, "{} {}", placed.status, placed.json());
    }
    let path = format!("{ALL}/{group}");
    described
        .ask("GET", &format!("{ALL}/{{group_no}}"), &path, None)
        .await?;
    let closed = described
        .ask(
            "POST",
            &format!("{ALL}/{{group_no}}/close"),
            &format!("{path}/close"),
            Some(&json!({})),
        )
        .await?;
    ensure!(closed.status == 200, "{} {}", closed.status, closed.json());
    let alone = json!({ "group_no": "g" });
    let refused = described.ask("POST", ALL, ALL, Some(&alone)).await?;
    ensure!(refused.status == 400, "{}", refused.status);
    Ok(())
}

/// Codes that payers scan.
async fn codes(demo: &Demo, described: &Described) -> Done {
    let bodies = [
        json!({ "code_no": "desk-1", "title": "一号桌" }),
        json!({ "code_no": "bill-1", "order_no": demo.next_number(), "amount": 1200, "expires_at": null }),
    ];
    for mut body in bodies {
        body.as_object_mut()
            .context("an object")?
            .retain(|_, value| !value.is_null());
        let code = described
            .ask("POST", "/v1/codes", "/v1/codes", Some(&body))
            .await?;
        ensure!(
            code.status == 201
                && described
                    .ask("POST", "/v1/codes", "/v1/codes", Some(&body))
                    .await?
                    .status
                    == 200,
            "{}",
            code.json()
        );
        let path = format!("/v1/codes/{}", code.json()["id"].as_str().unwrap_or_default());
        for what in ["", "/svg", "/png"] {
            described
                .ask(
                    "GET",
                    &format!("/v1/codes/{{id}}{what}"),
                    &format!("{path}{what}"),
                    None,
                )
                .await?;
        }
        let revoked = described
            .ask(
                "POST",
                "/v1/codes/{id}/revoke",
                &format!("{path}/revoke"),
                Some(&json!({})),
            )
            .await?;
        ensure!(revoked.json()["state"] == "revoked", "{}", revoked.json());
    }
    let page = described
        .ask("GET", "/v1/codes", "/v1/codes?limit=1", None)
        .await?
        .json();
    let next = page["next"].as_str().context("a page has one code")?;
    let rest = format!("/v1/codes?after={next}");
    let rest = described.ask("GET", "/v1/codes", &rest, None).await?.json();
    ensure!(
        page["codes"][0]["code_no"] == "desk-1" && rest["codes"][0]["code_no"] == "bill-1",
        "{page} {rest}"
    );
    Ok(())
}

async fn refusals(demo: &Demo, described: &Described) -> Done {
    let nobody = "/v1/payments/00112233445566778899aabbccddeeff";
    described.ask("GET", "/v1/payments/{id}", nobody, None).await?;
    described
        .ask(
            "POST",
            "/v1/payments",
            "/v1/payments",
            Some(&json!({ "amount": 1 })),
        )
        .await?;
    let wrong = described
        .ask("GET", "/v1/payments/{id}/close", &format!("{nobody}/close"), None)
        .await;
    ensure!(
        wrong.is_err_and(|e| e.to_string().contains("never says 405")),
        "a method that is not described is not described"
    );
    let closed = orders::closed(demo, &described.shop, "wechat").await?;
    described
        .ask(
            "POST",
            "/v1/payments/{id}/refunds",
            &format!("/v1/payments/{}/refunds", closed.id),
            Some(&json!({ "refund_no": "r", "amount": 1 })),
        )
        .await?;
    described
        .ask(
            "GET",
            "/v1/payments/{id}/purge",
            &format!("/v1/payments/{}/purge", closed.id),
            None,
        )
        .await
        .map(drop)
}
