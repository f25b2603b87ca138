//! The canary buyer at the Baidu wallet: in an address of GBK, in what comes back with a notice, in answers that were lost, in
//! notices that nobody signed.

use super::*;

impl Run {
    /// Handed out, opened, paid by notice and by query, paid back.
    pub(super) async fn at_baidu(&mut self) -> anyhow::Result<()> {
        for (pay_way, notify, fault) in [
            ("page", true, ""),
            ("wap", false, "garbage"),
            ("page", false, "timeout_after"),
        ] {
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let back = format!(
                "https://shop.example/back?customer={}",
                c.text(&format!("baidu return address, {fault}"))
            );
            let body = json!({
                "order_no": number, "channel": "baidu", "pay_way": pay_way, "amount": 610, "description": c.odd_text(&format!("baidu goods name, {fault}")),
                "attach": c.odd_text(&format!("baidu attach, {fault}")), "return_url": back, "client_ip": c.address(&format!("baidu client_ip, {fault}")), "device_id": c.text(&format!("baidu device_id, {fault}")),
            });
            let order = self.opened(&body).await?;
            let id = order["id"].as_str().context("id")?;
            if !fault.is_empty() {
                self.control("/control/fault", &json!({ "channel": "baidu", "operation": "refund", "kind": fault, "out_trade_no": order["number"] })).await?;
            }
            self.control("/control/pay", &json!({ "channel": "baidu", "out_trade_no": order["number"], "outcome": "paid", "notify": notify })).await?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            let reason = self.canaries.odd_text(&format!("baidu refund reason, {fault}"));
            let refund = json!({ "refund_no": "r1", "amount": 610, "reason": reason });
            let answer = self
                .merchant
                .ask("POST", &format!("/v1/payments/{id}/refunds"), Some(&refund))
                .await?;
            ensure!(
                answer.status < 300,
                "refund answered {}: {}",
                answer.status,
                answer.json()
            );
            self.merchant
                .until(id, "refund", |o| o["state"] == "refunded")
                .await?;
        }
        let sp_no = self.demo.place.merchants[0].accounts.baidu.sp_no.clone();
        let notify = Client::tls(local(self.demo.place.ports.notify), self.demo.ca())?;
        for n in 0..3 {
            let extra = self.canaries.text(&format!("baidu forged notice {n}"));
            let odd = ["&extra=2", "&x=%C9", ""][n];
            let target = format!(
                "/n/baidu/{sp_no}?order_no=1&extra={extra}&pay_result=1&sp_no={sp_no}&sign_method=1&sign=0123456789abcdef0123456789abcdef{odd}"
            );
            let answer = notify.send("GET", &target, &[], b"").await?;
            ensure!(
                answer.status >= 400,
                "a forged notice was answered {}",
                answer.status
            );
        }
        Ok(())
    }

    /// An order that is in the payer's browser.
    pub(super) async fn opened(&mut self, body: &Value) -> anyhow::Result<Value> {
        let answer = self.create(body).await?;
        let order = answer.json();
        ensure!(
            answer.status == 201 && !order["call_up"].is_null(),
            "create answered {}: {order}",
            answer.status
        );
        self.demo.open(&order).await?;
        Ok(order)
    }
}
