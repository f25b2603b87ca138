//! The canary buyer at UnionPay: whole card numbers in notices and answers, free text in base64, a card that was refused,
//! notices that nobody signed.

use super::*;

impl Run {
    /// A code, the merchant's app, a bank's page: paid by notice, paid back; and taken back on its day.
    pub(super) async fn at_unionpay(&mut self) -> anyhow::Result<()> {
        for (pay_way, fault, back) in [
            ("qr", "", "refunds"),
            ("app", "garbage", "refunds"),
            ("gateway", "timeout_after", "refunds"),
            ("qr", "timeout_after", "reverse"),
        ] {
            let what = format!("{pay_way} {fault} {back}");
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let card = c.digits(&format!("unionpay accNo, {what}"), "6222", 15);
            let mut body = json!({
                "order_no": number, "channel": "unionpay", "pay_way": pay_way, "amount": 890, "description": c.odd_text(&format!("unionpay description, {what}")),
                "attach": c.odd_text(&format!("unionpay attach, {what}")), "client_ip": c.address(&format!("unionpay client_ip, {what}")), "device_id": c.text(&format!("unionpay device_id, {what}")),
            });
            if pay_way == "gateway" {
                let customer = c.text("unionpay return address");
                body["return_url"] = format!("https://shop.example/back?customer={customer}").into();
            }
            let answer = self.create(&body).await?;
            ensure!(
                answer.status == 201,
                "{what}: {} {}",
                answer.status,
                answer.json()
            );
            let order = answer.json();
            let id = order["id"].as_str().context("id")?;
            self.demo.open(&order).await?;
            self.control("/control/pay", &json!({ "channel": "unionpay", "out_trade_no": order["number"], "outcome": "paid", "payer": card })).await?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
            self.told(id, &card).await?;
            let live = self
                .merchant
                .ask("GET", &format!("/v1/payments/{id}?expand=payer"), None)
                .await?;
            ensure!(
                live.json()["payer"].to_string().contains(&card),
                "UnionPay does not tell the payer: {}",
                live.json()
            );
            if !fault.is_empty() {
                let operation = if back == "refunds" { "refund" } else { "reverse" };
                self.control("/control/fault", &json!({ "channel": "unionpay", "operation": operation, "kind": fault, "out_trade_no": order["number"] })).await?;
            }
            let reason = self.canaries.odd_text(&format!("unionpay refund reason, {what}"));
            let body = match back {
                "refunds" => json!({ "refund_no": "r1", "amount": 890, "reason": reason }),
                _ => json!({}),
            };
            let answer = self
                .merchant
                .ask("POST", &format!("/v1/payments/{id}/{back}"), Some(&body))
                .await?;
            ensure!(answer.status < 300, "{what}: {} {}", answer.status, answer.json());
            self.merchant
                .until(id, "the way back", |o| {
                    o["state"] == "refunded" || o["state"] == "reversed"
                })
                .await?;
        }
        self.forged_at_unionpay().await
    }

    /// What somebody else says of cards is not taken, and is nowhere afterwards.
    async fn forged_at_unionpay(&mut self) -> anyhow::Result<()> {
        let mer_id = self.demo.place.merchants[0].accounts.unionpay.mer_id.clone();
        let client = Client::tls(local(self.demo.place.ports.notify), self.demo.ca())?;
        for n in 0..3 {
            let c = &mut self.canaries;
            let parameters = [
                (
                    "accNo",
                    c.digits(&format!("accNo of a forged notice {n}"), "6222", 15),
                ),
                (
                    "customerInfo",
                    c.text(&format!("customerInfo of a forged notice {n}")),
                ),
                ("merId", mer_id.clone()),
                ("orderId", "nobodys0001".into()),
                ("respCode", "00".into()),
                ("signMethod", ["01", "11", "12"][n].into()),
                (
                    "signPubKeyCert",
                    c.text(&format!("certificate of a forged notice {n}")),
                ),
                ("signature", "AAAA".into()),
                ("txnType", "01".into()),
            ];
            let answer = client
                .send(
                    "POST",
                    &format!("/n/unionpay/{mer_id}"),
                    &[("content-type", "application/x-www-form-urlencoded;charset=UTF-8")],
                    form(&parameters).as_bytes(),
                )
                .await?;
            ensure!(
                answer.status >= 400,
                "a forged notice was answered {}",
                answer.status
            );
        }
        Ok(())
    }
}
