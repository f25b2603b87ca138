//! The canary buyer at banks' own gateways: in the form, and in a notice that comes in clear and names the payer's account.

use super::*;

/// Bank, and does it tell? ICBC cannot be asked.
const PAID: [(&str, bool); 5] = [
    ("ccb", true),
    ("ccb", false),
    ("icbc", true),
    ("cmb", true),
    ("cmb", false),
];

impl Run {
    pub(super) async fn at_banks(&mut self) -> anyhow::Result<()> {
        for (bank, notify) in PAID {
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let name = |field: &str| format!("{bank} {field}, {notify}");
            let body = json!({
                "order_no": number, "channel": bank, "pay_way": "gateway", "amount": 620, "description": c.odd_text(&name("goods")),
                "client_ip": c.address(&name("client_ip")), "device_id": c.text(&name("device_id")),
            });
            let order = self.opened(&body).await?;
            let id = order["id"].as_str().context("id")?;
            let payer = self.canaries.digits(&name("payer"), "6217", 15);
            self.control("/control/pay", &json!({ "channel": bank, "out_trade_no": order["number"], "outcome": "paid", "payer": payer, "notify": notify })).await?;
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
        let mer_id = self.demo.place.merchants[0].accounts.icbc.mer_id.clone();
        for n in 0..2 {
            let payer = self.canaries.text(&format!("icbc forged notice {n}"));
            let data = STANDARD.encode(format!(
                "<B2CRes><bank><comment>{payer}</comment></bank></B2CRes>"
            ));
            let sign = STANDARD.encode([0x5a; 256]);
            let body = form(&[
                ("notifyData", data),
                ("signMsg", if n == 0 { sign } else { payer }),
            ]);
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let answer = clear
                .send("POST", &format!("/n/icbc/{mer_id}"), &headers, body.as_bytes())
                .await?;
            ensure!(
                answer.status >= 400,
                "a forged notice was answered {}",
                answer.status
            );
        }
        let number = self.demo.place.merchants[0].accounts.cmb.number.clone();
        for n in 0..3 {
            let payer = self.canaries.text(&format!("cmb forged notice {n}"));
            let sign = STANDARD.encode([0x5a; 256]);
            let letter = [
                json!({ "sign": sign, "signType": "RSA", "charset": "UTF-8", "noticeData": { "branchNo": &number[..4], "merchantNo": &number[4..], "merchantPara": payer } }).to_string(),
                json!({ "sign": payer, "noticeData": { "branchNo": &number[..4], "merchantNo": &number[4..] } }).to_string(),
                format!("{{\"{payer}\":1,\"{payer}\":2}}"),
            ];
            let body = form(&[("jsonRequestData", letter[n].clone())]);
            let headers = [("content-type", "application/x-www-form-urlencoded")];
            let answer = clear
                .send("POST", &format!("/n/cmb/{number}"), &headers, body.as_bytes())
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
