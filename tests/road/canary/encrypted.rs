//! The canary buyer in what a merchant's own client encrypted for Alipay: opened here to be read, and nowhere
//! afterwards; in what the encrypted answers tell of the payer, and in what is refused.

use super::*;
use sandbox::demo::alipay_door::AlipayDoor;

impl Run {
    pub(super) async fn encrypted(&mut self) -> anyhow::Result<()> {
        let place = &self.demo.place;
        let door = AlipayDoor::open(place, self.demo.ca(), &place.merchants[0])?.encrypting()?;
        for v3 in [false, true] {
            let call = async |call: &str, content: &Value| match v3 {
                true => door.v3(call, content).await,
                false => {
                    door.gateway(&format!("alipay.trade.{call}"), content, false)
                        .await
                }
            };
            let (number, c) = (self.demo.next_number(), &mut self.canaries);
            let order = json!({
                "out_trade_no": number, "total_amount": "5.40", "subject": c.odd_text("encrypted subject"),
                "body": c.odd_text("encrypted body"), "passback_params": c.text("encrypted passback"),
                "product_code": "JSAPI_PAY", "op_app_id": door.account.app_id, "buyer_id": c.digits("encrypted buyer_id", "2088", 12),
                "goods_detail": [{ "goods_id": "g", "goods_name": c.text("encrypted goods name"), "quantity": 1, "price": "5.40" }],
            });
            let placed = call("create", &order).await?;
            ensure!(
                placed["trade_no"].is_string(),
                "an encrypted order was answered {placed}"
            );
            let payer = self.canaries.digits("payer in an encrypted answer", "2088", 12);
            let paid = json!({ "channel": "alipay", "out_trade_no": number, "outcome": "paid", "payer": payer, "notify": false });
            self.control("/control/pay", &paid).await?;
            let asked = call("query", &json!({ "out_trade_no": number })).await?;
            ensure!(
                asked["trade_status"] == "TRADE_SUCCESS",
                "an encrypted query was answered {asked}"
            );
            ensure!(
                asked.to_string().contains(&payer),
                "the channel does not tell the payer"
            );
            let c = &mut self.canaries;
            let refund = json!({ "out_trade_no": number, "out_request_no": "e1", "refund_amount": "0.40", "refund_reason": c.odd_text("encrypted refund reason") });
            let refunded = call("refund", &refund).await?;
            ensure!(
                refunded["fund_change"] == "Y",
                "an encrypted refund was answered {refunded}"
            );
            self.refused_inside(&door, v3).await?;
        }
        Ok(())
    }

    /// Unknown names and values, another amount, and what is no JSON.
    async fn refused_inside(&mut self, door: &AlipayDoor, v3: bool) -> anyhow::Result<()> {
        let (number, c) = (self.demo.next_number(), &mut self.canaries);
        let order = |name: &str, value: String| {
            let mut order = json!({ "out_trade_no": number, "total_amount": "5.50", "subject": "x" });
            order[name] = value.into();
            order
        };
        let contents = [
            order(
                "ext_user_info",
                c.odd_text("ext_user_info, encrypted and refused"),
            ),
            order("total_amount", c.text("total_amount, encrypted and refused")),
            order(&c.text("name of a field, encrypted and refused"), "1".into()),
            json!([c.text("a list, encrypted and refused")]),
        ];
        for content in contents {
            let said = match v3 {
                true => door.v3("precreate", &content).await,
                false => door.gateway("alipay.trade.precreate", &content, false).await,
            };
            ensure!(said.is_err(), "taken");
        }
        Ok(())
    }
}
