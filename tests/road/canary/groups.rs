//! The canary buyer who pays several orders at once (合单), and the one at an account that signs by SM2 and opens by SM4 (国密).

use super::*;
use crate::seen::only_a_notice_tells;
use sandbox::demo::door::WechatDoor;

const PATH: &str = "/v1/payments/combined";

impl Run {
    /// A group of two whose every text, and whose payer, is found nowhere else.
    fn group(&mut self, pay_way: &str, what: &str) -> Value {
        let (group, one, two) = (
            self.demo.next_number(),
            self.demo.next_number(),
            self.demo.next_number(),
        );
        let c = &mut self.canaries;
        let mut order = |n: u8, number: String| json!({ "order_no": number, "amount": 300, "description": c.odd_text(&format!("description {n}, {what}")), "attach": c.odd_text(&format!("attach {n}, {what}")) });
        let orders = [order(1, one), order(2, two)];
        let mut body = json!({
            "group_no": group, "channel": "wechat", "pay_way": pay_way, "orders": orders,
            "client_ip": c.address(&format!("client_ip, {what}")), "device_id": c.text(&format!("device_id, {what}")),
        });
        if pay_way == "jsapi" {
            body["payer"] = json!({ "openid": c.text(&format!("openid, {what}")) });
        }
        body
    }

    async fn placed_group(&self, body: &Value) -> anyhow::Result<Vec<Value>> {
        let answer = self.merchant.ask("POST", PATH, Some(body)).await?;
        ensure!(
            matches!(answer.status, 201 | 202),
            "a group answered {}: {}",
            answer.status,
            answer.json()
        );
        Ok(answer.json()["orders"].as_array().cloned().unwrap_or_default())
    }

    /// Paid by somebody else than asked for it; each order told, asked for live, and paid back with a reason.
    async fn paid_group(&mut self, body: &Value, what: &str) -> anyhow::Result<()> {
        let orders = self.placed_group(body).await?;
        ensure!(orders.len() == 2, "not two orders, {what}: {orders:?}");
        for order in &orders {
            let id = order["id"].as_str().context("id")?;
            self.merchant
                .until(id, "its place", |o| o["state"] == "awaiting_payment")
                .await?;
        }
        let payer = self.canaries.text(&format!("openid of a notice, {what}"));
        let pay = json!({ "channel": "wechat", "out_trade_no": body["group_no"], "outcome": "paid", "payer": payer });
        self.control("/control/pay", &pay).await?;
        for order in &orders {
            let id = order["id"].as_str().context("id")?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            self.told(id, &payer).await?;
            let path = format!("/v1/payments/{id}?expand=payer");
            let live = self.merchant.ask("GET", &path, None).await?;
            ensure!(
                live.json()["payer"].to_string().contains(&payer),
                "nobody tells who paid, {what}: {}",
                live.json()
            );
            self.paid_back(id, 300, what).await?;
        }
        Ok(())
    }

    async fn paid_back(&mut self, id: &str, amount: u64, what: &str) -> anyhow::Result<()> {
        let reason = self.canaries.odd_text(&format!("refund reason, {what}"));
        let refund = json!({ "refund_no": "r1", "amount": amount, "reason": reason });
        let path = format!("/v1/payments/{id}/refunds");
        let answer = self.merchant.ask("POST", &path, Some(&refund)).await?;
        ensure!(answer.status < 300, "{what}: {} {}", answer.status, answer.json());
        self.merchant
            .until(id, "refund", |o| o["state"] == "refunded")
            .await
            .map(drop)
    }

    /// Placed at once, after a question nobody answered, and after an answer nobody heard; closed; refused in three ways.
    pub(super) async fn groups(&mut self) -> anyhow::Result<()> {
        for (pay_way, fault) in [("jsapi", ""), ("jsapi", "timeout_before"), ("h5", "garbage")] {
            let what = format!("group {pay_way} {fault}");
            let body = self.group(pay_way, &what);
            if !fault.is_empty() {
                let fault = json!({ "channel": "wechat", "operation": "create", "kind": fault, "out_trade_no": body["group_no"] });
                self.control("/control/fault", &fault).await?;
            }
            self.paid_group(&body, &what).await?;
        }
        let body = self.group("jsapi", "group closed");
        self.placed_group(&body).await?;
        let close = format!("{PATH}/{}/close", body["group_no"].as_str().context("a number")?);
        let closed = self.merchant.ask("POST", &close, Some(&json!({}))).await?;
        ensure!(closed.status == 200, "{} {}", closed.status, closed.json());
        self.refused_groups().await
    }

    async fn refused_groups(&mut self) -> anyhow::Result<()> {
        for n in 0..3 {
            let mut body = self.group("jsapi", &format!("group refused {n}"));
            let c = &mut self.canaries;
            match n {
                0 => body["orders"][1]["payee"] = "1600000009".into(),
                1 => body["orders"][1][c.text("name in a group")] = c.odd_text("value in a group").into(),
                _ => body["orders"][0]["amount"] = c.text("amount in a group").into(),
            }
            let answer = self.merchant.ask("POST", PATH, Some(&body)).await?;
            ensure!(
                (400..500).contains(&answer.status),
                "a hostile group was answered {} {}",
                answer.status,
                answer.json()
            );
        }
        Ok(())
    }

    /// The second merchant, who signs by SM2: by the unified API, by a client of its own, and a notice that nobody signed.
    pub(super) async fn by_sm2(&mut self) -> anyhow::Result<()> {
        let second = self.demo.merchant(1)?;
        let first = std::mem::replace(&mut self.merchant, second);
        let done = self.at_an_account_of_sm2().await;
        self.merchant = first;
        done
    }

    async fn at_an_account_of_sm2(&mut self) -> anyhow::Result<()> {
        for (pay_way, fault) in [
            ("native", ""),
            ("h5", "timeout_before"),
            ("native", "wrong_signature"),
        ] {
            let what = format!("SM2 {pay_way} {fault}");
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let body = json!({
                "order_no": number, "channel": "wechat", "pay_way": pay_way, "amount": 640, "description": c.odd_text(&format!("description, {what}")),
                "attach": c.odd_text(&format!("attach, {what}")), "client_ip": c.address(&format!("client_ip, {what}")), "device_id": c.text(&format!("device_id, {what}")),
            });
            if !fault.is_empty() {
                let fault = json!({ "channel": "wechat", "operation": "create", "kind": fault, "out_trade_no": number });
                self.control("/control/fault", &fault).await?;
            }
            let order = self.create(&body).await?.json();
            let id = order["id"].as_str().with_context(|| order.to_string())?;
            self.merchant
                .until(id, "its place", |o| o["state"] == "awaiting_payment")
                .await?;
            let payer = self.canaries.text(&format!("openid of a notice, {what}"));
            only_a_notice_tells(&self.demo, &order).await?;
            let pay = json!({ "channel": "wechat", "out_trade_no": order["number"], "outcome": "paid", "payer": payer });
            self.control("/control/pay", &pay).await?;
            let paid = self
                .merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            ensure!(paid["paid"]["proof"] == "notice", "not by its notice: {paid}");
            self.told(id, &payer).await?;
            self.paid_back(id, 640, &what).await?;
        }
        let body = self.group("native", "SM2 group");
        self.paid_group(&body, "SM2 group").await?;
        self.sm2_through_a_client().await
    }

    async fn sm2_through_a_client(&mut self) -> anyhow::Result<()> {
        let place = &self.demo.place;
        let door = WechatDoor::open(place, self.demo.ca(), &place.merchants[1])?;
        let (account, number) = (&door.account, self.demo.next_number());
        let relay = format!("/relay/wechat/{}", place.merchants[1].id);
        let c = &mut self.canaries;
        let order = json!({
            "appid": account.appid, "mchid": account.mchid, "description": c.odd_text("SM2 native description"), "out_trade_no": number,
            "attach": c.odd_text("SM2 native attach"), "notify_url": door.notify_url, "amount": { "total": 650, "currency": "CNY" },
            "payer": { "openid": c.text("SM2 native openid") }, "scene_info": { "payer_client_ip": c.address("SM2 native client_ip") },
        });
        let payer = c.text("SM2 openid of a relayed notice");
        let placed = door
            .ask("POST", "/v3/pay/transactions/jsapi", Some(&order))
            .await?;
        ensure!(placed.status == 200, "{} {}", placed.status, placed.json());
        let pay = json!({ "channel": "wechat", "out_trade_no": number, "outcome": "paid", "payer": payer });
        self.control("/control/pay", &pay).await?;
        for _ in 0..600 {
            if !self.demo.shop().came(&relay).is_empty() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            !self.demo.shop().came(&relay).is_empty(),
            "the notice was not relayed"
        );
        let target = format!(
            "/v3/pay/transactions/out-trade-no/{number}?mchid={}",
            account.mchid
        );
        let asked = door.ask("GET", &target, None).await?;
        ensure!(
            asked.json()["payer"]["openid"] == payer.as_str(),
            "{}",
            asked.json()
        );
        let client = Client::tls(local(self.demo.place.ports.notify), self.demo.ca())?;
        let c = &mut self.canaries;
        let forged = json!({ "id": c.text("SM2 forged notice"), "resource": { "algorithm": "AEAD_SM4_GCM", "ciphertext": c.text("SM2 forged ciphertext") } });
        let headers = [
            ("content-type", "application/json"),
            ("wechatpay-signature-type", "WECHATPAY2-SM2-WITH-SM3"),
        ];
        let path = format!("/n/wechat/{}", account.mchid);
        let answer = client
            .send("POST", &path, &headers, forged.to_string().as_bytes())
            .await?;
        ensure!(answer.status >= 400, "a forged notice was taken");
        Ok(())
    }
}
