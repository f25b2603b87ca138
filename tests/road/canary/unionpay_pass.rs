//! The canary buyer in what a merchant's own UnionPay client sends through us, and in what the no-funds guard refuses of it:
//! free text in base64, an address that the browser goes back to, names and values that are on no list, names that stand twice.

use super::*;
use sandbox::demo::acp::{Acp, BACK, FRONT, QUERY, now, written};

impl Run {
    pub(super) async fn through_unionpay(&mut self) -> anyhow::Result<()> {
        let acp = Acp::of(&self.demo, 0)?;
        let (number, time) = (self.demo.next_number(), written(now()));
        let mut fields = acp.apply(&number, &time, 930);
        let packed = |text: String| STANDARD.encode(text);
        let attach = self.canaries.odd_text("native unionpay reqReserved");
        fields.insert("reqReserved".into(), packed(attach));
        let said = acp.ask(BACK, &fields).await?;
        ensure!(
            said.get("respCode").is_some_and(|code| code == "00"),
            "a native order at UnionPay was answered {:?}",
            said.get("respCode")
        );
        let card = self.canaries.digits("native unionpay accNo", "6222", 15);
        self.control(
            "/control/pay",
            &json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid", "payer": card }),
        )
        .await?;
        for _ in 0..800 {
            if !self.demo.shop().came("/relay/unionpay/").is_empty() {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        ensure!(
            !self.demo.shop().came("/relay/unionpay/").is_empty(),
            "the notice was not relayed"
        );
        let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
        ensure!(
            asked.get("origRespCode").is_some_and(|code| code == "00"),
            "a native query at UnionPay was answered {:?}",
            asked.get("origRespCode")
        );
        // A form that the payer's browser brings: it is sent on with the same octets.
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let mut front = acp.front(&number, &written(now()), 940);
        let customer = c.text("native unionpay frontUrl");
        front.insert(
            "frontUrl".into(),
            format!("https://shop.example/back?customer={customer}"),
        );
        front.insert(
            "reqReserved".into(),
            packed(c.text("native unionpay reqReserved of a form")),
        );
        let goods = c.text("native unionpay riskRateInfo");
        front.insert("riskRateInfo".into(), format!("{{commodityName={goods}}}"));
        let form = acp.signed(&front)?;
        let answer = acp.send(FRONT, &form).await?;
        ensure!(answer.status == 307, "a form was answered {}", answer.status);
        // The browser brings it there, and the payer pays: what stays open is asked for, and keeps connections open.
        acp.send_straight(FRONT, &form).await?;
        let paid = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid" });
        self.control("/control/pay", &paid).await?;
        self.refused_at_unionpay(&acp).await
    }

    /// What the guard refuses is on record, and nothing of it but its clause.
    async fn refused_at_unionpay(&mut self, acp: &Acp) -> anyhow::Result<()> {
        let refused = async |what: &str, path: &str, body: String| -> anyhow::Result<()> {
            let answer = acp.send(path, &body).await?;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            ensure!(
                // A browser gets a page in plain words, without a clause.
                (400..500).contains(&answer.status) && (path == FRONT || said.contains("(C")),
                "{what} was answered {} {said}",
                answer.status
            );
            Ok(())
        };
        let c = &mut self.canaries;
        let form = |number: &str, name: &str, value: String| -> anyhow::Result<String> {
            let mut fields = acp.apply(number, &written(now()), 950);
            fields.insert(name.to_owned(), value);
            acp.signed(&fields)
        };
        let number = || self.demo.next_number();
        let of_a_card = c.digits("accNo of a refused form", "6222", 15);
        refused("a card", BACK, form(&number(), "accNo", of_a_card)?).await?;
        let customer = c.odd_text("customerInfo of a refused form");
        refused("a customer", BACK, form(&number(), "customerInfo", customer)?).await?;
        let name = c.text("name of a field of a refused form");
        refused("an unknown name", BACK, form(&number(), &name, "1".into())?).await?;
        let amount = c.text("txnAmt of a refused form");
        refused("an amount", BACK, form(&number(), "txnAmt", amount)?).await?;
        let back = c.text("host of a refused frontUrl");
        let mut front = acp.front(&number(), &written(now()), 960);
        front.insert("frontUrl".into(), format!("https://{back}.example/"));
        refused("somebody's page", FRONT, acp.signed(&front)?).await?;
        for (what, more) in [
            ("a name twice", "&merId="),
            ("an escaped name", "&%6derId="),
            ("GBK", "&reqReserved=%d5%5c"),
        ] {
            let value = c.text(&format!("{what} in a refused form"));
            let signed = acp.signed(&acp.apply(&number(), &written(now()), 970))?;
            refused(what, BACK, format!("{signed}{more}{value}")).await?;
        }
        let target = c.text("query of a refused form");
        let signed = acp.signed(&acp.apply(&number(), &written(now()), 980))?;
        refused("a query", &format!("{BACK}?a={target}"), signed).await
    }
}
