//! The canary buyer at Alipay's OpenAPI v3: who pays, what is bought, a code of payment, a reason; answered, and with answers that
//! do not come.

use super::*;
use crate::open_api::served_at_v3;

impl Run {
    pub(super) async fn by_openapi_v3(&mut self) -> anyhow::Result<()> {
        served_at_v3(&self.demo, 2, true).await?;
        for fault in [
            None,
            Some("timeout_after"),
            Some("garbage"),
            Some("wrong_signature"),
        ] {
            let body = self.alipay_buyer();
            if let Some(kind) = fault {
                let fault = json!({ "channel": "alipay", "operation": "create", "kind": kind, "out_trade_no": body["order_no"] });
                self.control("/control/fault", &fault).await?;
            }
            let answer = self.create(&body).await?;
            let wanted = if fault.is_some() { 202 } else { 201 };
            ensure!(
                answer.status == wanted,
                "{fault:?}: {} {}",
                answer.status,
                answer.json()
            );
            let order = answer.json();
            let id = order["id"].as_str().context("id")?;
            self.merchant
                .until(id, "recovery", |o| o["state"] == "awaiting_payment")
                .await?;
            let payer = self.canaries.digits("buyer_id of a notice, v3", "2088", 12);
            let paid = json!({ "channel": "alipay", "out_trade_no": order["number"], "outcome": "paid", "payer": payer });
            self.control("/control/pay", &paid).await?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            let reason = self.canaries.odd_text("alipay refund reason, v3");
            let refund = json!({ "refund_no": "r1", "amount": 100, "reason": reason });
            let path = format!("/v1/payments/{id}/refunds");
            let answer = self.merchant.ask("POST", &path, Some(&refund)).await?;
            ensure!(answer.status < 300, "{} {}", answer.status, answer.json());
            self.merchant
                .until(id, "refund", |o| o["refunds"][0]["state"] == "succeeded")
                .await?;
        }
        let number = self.demo.next_number();
        let (code, subject) = (
            self.canaries.digits("alipay auth_code, v3", "28", 16),
            self.canaries.odd_text("alipay subject at the counter, v3"),
        );
        let will = json!({ "channel": "alipay", "auth_code": code, "outcome": "paid" });
        self.control("/control/pay", &will).await?;
        let body = json!({
            "order_no": number, "channel": "alipay", "pay_way": "micropay", "amount": 470, "description": subject, "auth_code": code,
        });
        let answer = self.create(&body).await?;
        ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
        let sent = self.demo.last_request("alipay", "create").await?;
        ensure!(sent.starts_with('{') && sent.contains(&code), "it left as {sent}");
        served_at_v3(&self.demo, 3, false).await
    }
}
