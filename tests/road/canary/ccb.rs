//! The canary buyer at China Construction Bank: in the form, and in a notice that comes in clear and names the payer's account.

use super::*;

impl Run {
    pub(super) async fn at_ccb(&mut self) -> anyhow::Result<()> {
        for notify in [true, false] {
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let body = json!({
                "order_no": number, "channel": "ccb", "pay_way": "gateway", "amount": 620, "description": c.odd_text(&format!("ccb goods, {notify}")),
                "client_ip": c.address(&format!("ccb client_ip, {notify}")), "device_id": c.text(&format!("ccb device_id, {notify}")),
            });
            let order = self.opened(&body).await?;
            let id = order["id"].as_str().context("id")?;
            let payer = self.canaries.digits(&format!("ccb USRMSG, {notify}"), "6217", 15);
            self.control("/control/pay", &json!({ "channel": "ccb", "out_trade_no": order["number"], "outcome": "paid", "payer": payer, "notify": notify })).await?;
            self.merchant
                .until(id, "payment", |o| o["state"] == "paid")
                .await?;
        }
        let account = self.demo.place.merchants[0].accounts.ccb.clone();
        let clear = Client::clear(local(self.demo.place.ports.banks));
        for n in 0..3 {
            let user = self.canaries.text(&format!("ccb forged notice {n}"));
            let odd = ["&USRMSG=2", "&x=%C", ""][n];
            let body = format!(
                "POSID={}&BRANCHID={}&ORDERID=1&PAYMENT=1.00&CURCODE=01&REMARK1=&REMARK2=&SUCCESS=Y&TYPE=1&REFERER=&CLIENTIP=&USRMSG={user}&ERRMSG=&SIGN={}{odd}",
                account.pos_id,
                account.branch_id,
                "5a".repeat(256)
            );
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let answer = clear
                .send(
                    "POST",
                    &format!("/n/ccb/{}", account.pos_id),
                    &headers,
                    body.as_bytes(),
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
