//! The door of groups in the unified API (合单): several payees in one body, spoilt at its top, in one of its orders, or in the
//! list itself.

use super::{
    api::Caller,
    many::{Door, framed, lines},
    tricks::{self, Dice, STRANGER, Trick, spoilt},
    wire::At,
};
use sandbox::material::WechatAccount;
use serde_json::{Value, json};

const PATH: &str = "/v1/payments/combined";

pub(super) struct Group {
    pub(super) caller: Caller,
    pub(super) account: WechatAccount,
}

impl Group {
    fn lawful(&self, dice: &mut Dice) -> Value {
        let number = format!("H{:015}", dice.below(1_000_000_000));
        let own = self.account.mchid.as_str();
        let sub = self.account.sub_mchids.first().map_or(own, String::as_str);
        let order = |n: usize, payee: &str| json!({ "order_no": format!("{number}{n}"), "amount": 100, "description": "tea", "attach": "table 7", "payee": payee });
        let mut body = json!({ "group_no": format!("{number}g"), "channel": "wechat", "pay_way": *dice.of(&["native", "app"]), "account": own,
            "code": { "kind": "dynamic", "level": "B" }, "orders": [order(0, own), order(1, sub)] });
        if dice.below(3) == 0 {
            body["pay_way"] = json!("jsapi");
            body["payer"] = json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" });
        }
        body
    }
}

/// What is wrong with the list and not with a field of it; `None` where the dice leave it alone.
fn listed(dice: &mut Dice, body: &mut Value) -> Option<()> {
    let first = body["orders"][0].clone();
    let orders = match dice.below(12) {
        0 => json!([first]),
        1 => json!(vec![first; 11]),
        2 => json!([first, first]),
        3 => json!([[first], body["orders"][1]]),
        4 => json!([first, null]),
        5 => json!({ "0": first, "1": body["orders"][1] }),
        6 => json!([first, [STRANGER]]),
        7 => {
            body["group_no"] = first["order_no"].clone();
            body["orders"].clone()
        }
        // A group in a group, and what holds for all of them said by one alone.
        8 => json!([first, { "group_no": "H0000001", "orders": body["orders"] }]),
        9 => {
            body["orders"][1]["channel"] = json!("alipay");
            body["orders"].clone()
        }
        10 => {
            body["orders"][1]["account"] = json!(STRANGER);
            body["orders"].clone()
        }
        _ => return None,
    };
    body["orders"] = orders;
    Some(())
}

impl Door for Group {
    fn at(&self) -> At {
        At::Api
    }

    fn channel(&self) -> &'static str {
        "wechat groups"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let (mut body, trick) = (self.lawful(dice), Trick::any(dice));
        let of_the_list = dice.below(8) == 0;
        let octets = if of_the_list {
            listed(dice, &mut body)?;
            body.to_string().into_bytes()
        } else {
            let payees = ["/orders/0/payee", "/orders/1/payee", "/account"];
            let amounts = ["/orders/0/amount", "/orders/1/amount"];
            spoilt(dice, body, &trick, &payees, &amounts)?
        };
        let target = match &trick {
            Trick::Query(name) => format!("{PATH}?{name}=1"),
            Trick::Call => (*dice.of(&[
                "/v1/payments/combined/H0000001/split",
                "/v1/payments/combined/H0000001/profitsharing",
                "/v1/payments/combine",
                "/v1/payments/Combined",
                "/v1/combined",
                // A close takes no body; one that brings a group is none.
                "/v1/payments/combined/H0000001/close",
            ]))
            .to_owned(),
            Trick::Path => tricks::path(dice, PATH),
            _ => PATH.to_owned(),
        };
        let lines =
            self.caller.authorization("POST", &target, &octets) + &lines(dice, &trick, "application/json");
        Some(framed(dice, &trick, "POST", &target, &lines, &octets))
    }
}
