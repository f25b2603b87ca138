//! The canary buyer in what a payer's browser brings to Alipay's gateway through us: in the address itself, in what it goes back to,
//! and in what is refused on a page.

use super::*;
use crate::alipay_payer;
use sandbox::demo::{
    alipay_door::AlipayDoor,
    browser::{Browser, COMPUTER},
    place::RETURN_HOST,
};

impl Run {
    pub(super) async fn alipay_pages(&mut self) -> anyhow::Result<()> {
        let door = AlipayDoor::open(&self.demo.place, self.demo.ca(), &self.demo.place.merchants[0])?;
        let gateway = format!("https://127.0.0.1:{}/gateway.do", self.demo.place.ports.alipay);
        let mut browser = Browser::new(self.demo.ca(), COMPUTER);
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let back = format!(
            "https://{RETURN_HOST}/back?customer={}",
            c.text("native alipay return_url")
        );
        let order = json!({
            "out_trade_no": number, "total_amount": "9.60", "product_code": "QUICK_WAP_WAY", "subject": c.odd_text("native page subject"),
            "body": c.odd_text("native page body"), "passback_params": c.text("native page passback"),
            "quit_url": format!("https://{RETURN_HOST}/cart?customer={}", c.text("native alipay quit_url")),
        });
        let form = door.for_browser("alipay.trade.wap.pay", &order, &back)?;
        let page = browser.open(&format!("{gateway}?{form}")).await?;
        ensure!(
            page.answer.status == 200 && page.way.len() == 2,
            "a page order was answered {}",
            page.answer.status
        );
        let payer = self.canaries.digits("payer of a native page", "2088", 12);
        let paid = json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid", "payer": payer });
        self.control("/control/pay", &paid).await?;
        let which = json!({ "out_trade_no": number });
        let asked = door.gateway("alipay.trade.query", &which, false).await?;
        ensure!(
            asked["trade_status"] == "TRADE_SUCCESS",
            "a native query of a page was answered {asked}"
        );
        // Whose code it is, to the merchant that asks, and to nobody's file.
        let payer = self
            .canaries
            .digits("payer of a code that its merchant exchanged", "2088", 12);
        let code = alipay_payer::code(&self.demo, &door.account.app_id, &payer).await?;
        let more = [("grant_type", "authorization_code"), ("code", code.as_str())];
        let said = door.gateway_with(alipay_payer::TOKEN, &json!({}), &more).await?;
        ensure!(said["user_id"] == payer, "another payer");
        self.refused_on_a_page(&door, &gateway).await
    }

    async fn refused_on_a_page(&mut self, door: &AlipayDoor, gateway: &str) -> anyhow::Result<()> {
        let mut browser = Browser::new(self.demo.ca(), COMPUTER);
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let order = |name: &str, value: String| {
            let mut order = json!({ "out_trade_no": number, "total_amount": "9.70", "product_code": "FAST_INSTANT_TRADE_PAY", "subject": "x" });
            order[name] = value.into();
            order
        };
        let own = format!("https://{RETURN_HOST}/");
        let elsewhere = format!("https://{}.example/", c.text("host of a refused return_url"));
        let name = c.text("name of a field of a refused page");
        let forms = [
            (
                order("ext_user_info", c.odd_text("ext_user_info of a refused page")),
                own.as_str(),
            ),
            (
                order("total_amount", c.text("total_amount of a refused page")),
                &own,
            ),
            (order(&name, "1".into()), &own),
            (order("body", c.odd_text("body of a refused page")), &elsewhere),
        ];
        for (order, back) in forms {
            let form = door.for_browser("alipay.trade.page.pay", &order, back)?;
            let twice = format!("{form}&app_id={}", c.text("a name twice on a refused page"));
            for form in [form, twice] {
                let page = browser.send_octets(gateway, &form).await?;
                ensure!(
                    (400..500).contains(&page.answer.status),
                    "answered {}",
                    page.answer.status
                );
                let page = browser.open(&format!("{gateway}?{form}")).await?;
                ensure!(
                    (400..500).contains(&page.answer.status),
                    "answered {}",
                    page.answer.status
                );
            }
        }
        Ok(())
    }
}
