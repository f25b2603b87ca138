//! The canary buyer where things go wrong: faults of channels, and requests that are refused.

use super::*;

impl Run {
    /// Channels that answer badly, late, or not at all.
    pub(super) async fn errors(&mut self) -> anyhow::Result<()> {
        for kind in [
            "status_5xx",
            "garbage",
            "wrong_signature",
            "timeout_after",
            "busy",
        ] {
            for channel in ["wechat", "alipay"] {
                self.control(
                    "/control/fault",
                    &json!({ "channel": channel, "operation": "create", "kind": kind, "count": 1 }),
                )
                .await?;
                let body = if channel == "wechat" {
                    self.wechat_buyer()
                } else {
                    self.alipay_buyer()
                };
                let answer = self.create(&body).await?;
                ensure!(
                    answer.status >= 202,
                    "{kind} answered {}: {}",
                    answer.status,
                    answer.json()
                );
            }
        }
        for kind in ["wrong_signature", "duplicate"] {
            let body = self.wechat_buyer();
            let order = self.create(&body).await?.json();
            let payer = self.canaries.text(&format!("openid of a notice ({kind})"));
            self.control(
                "/control/fault",
                &json!({ "channel": "wechat", "operation": "notice", "kind": kind, "count": 1 }),
            )
            .await?;
            self.control("/control/pay", &json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": payer })).await?;
            self.merchant
                .until(order["id"].as_str().context("id")?, "payment", |o| {
                    o["state"] == "paid"
                })
                .await?;
        }
        Ok(())
    }

    /// Requests that must be refused, with a value in every place that a refusal might repeat.
    pub(super) async fn bad_requests(&mut self) -> anyhow::Result<()> {
        let number = self.demo.next_number();
        let c = &mut self.canaries;
        let whole = |more: Value| {
            let mut body = json!({ "order_no": number, "channel": "wechat", "pay_way": "native", "amount": 1, "description": "x" });
            if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
                body.extend(more.clone());
            }
            body
        };
        let mut bodies = vec![
            whole(json!({ c.text("unknown field's name"): 1 })),
            whole(json!({ "buyer_name": c.odd_text("unknown field's value") })),
            whole(json!({ "client_ip": c.text("wrong client_ip") })),
            whole(json!({ "order_no": c.odd_text("wrong order_no") })),
            whole(json!({ "amount": c.text("wrong amount") })),
            whole(json!({ "channel": c.text("wrong channel") })),
            whole(json!({ "code": { "kind": c.text("wrong code kind"), "level": "B" } })),
            whole(json!({ "expires_at": c.text("wrong time") })),
            // Who was to be paid is a fact of the refusal and stands in the journal (T20); it is nobody's name.
            whole(json!({ "payee": "1888888888" })),
            whole(json!({ "account": c.text("another account") })),
        ];
        // Lawful for us, and not to be composed for the channel.
        let (broken, twice) = (c.text("broken detail"), c.text("detail's name, twice"));
        bodies.push(whole(
            json!({ "order_no": format!("{number}a"), "detail": format!("{{\"goods\":{broken}") }),
        ));
        bodies.push(whole(
            json!({ "order_no": format!("{number}b"), "detail": format!("{{\"{twice}\":1,\"{twice}\":2}}") }),
        ));
        let mut texts: Vec<Vec<u8>> = bodies.iter().map(|b| b.to_string().into_bytes()).collect();
        let c = &mut self.canaries;
        texts.push(format!("{{\"description\":\"{}", c.text("malformed JSON")).into_bytes());
        texts.push(format!("{{\"{0}\":1,\"{0}\":2}}", c.text("a name, twice")).into_bytes());
        texts.push(format!("\u{feff}{{\"attach\":\"{}\"}}", c.text("after a BOM")).into_bytes());
        texts.push([b"{\"attach\":\"\xff\xfe", c.text("not UTF-8").as_bytes(), b"\"}"].concat());
        texts.push(format!("{{\"attach\":\"{}\"}}", c.text("oversized").repeat(4000)).into_bytes());
        texts.push(format!("\"{}\"", c.text("not an object")).into_bytes());
        for bytes in &texts {
            let answer = self.send(bytes, true, "/v1/payments").await?;
            ensure!(
                (400..600).contains(&answer.status) || answer.status == 200 || answer.status == 201,
                "answered {}",
                answer.status
            );
        }
        let c = &mut self.canaries;
        let forged =
            json!({ "order_no": number, "attach": c.odd_text("body with a wrong signature") }).to_string();
        let (path, query) = (
            format!("/v1/payments/{}", c.text("unknown path")),
            format!("/v1/payments?order_no={}", c.text("unknown query")),
        );
        ensure!(
            self.send(forged.as_bytes(), false, "/v1/payments").await?.status == 401,
            "a forged request was taken"
        );
        ensure!(
            self.send(b"{}", true, &path).await?.status >= 400,
            "an unknown path was taken"
        );
        ensure!(
            self.send(b"{}", true, &query).await?.status >= 400,
            "an unknown query was taken"
        );
        Ok(())
    }
}
