//! Orders that are paid together (合单): asked for in the unified API, in a merchant's own words, and told of by WeChat Pay.

use super::{api::received, messages, parts, tells_no_number};
use channel::{
    ChannelState,
    notice::{self, Kind, Notice},
};
use domain::{Channel, Operation};
use proxy::api::parse::group;
use serde_json::Value;

fn list(value: &Value, name: &str) -> Vec<Value> {
    value[name].as_array().cloned().unwrap_or_default()
}

/// Parts: content type, body. What is taken is what any reader of JSON finds, order by order; no number stands twice; who pays
/// is nobody but the one whom all of them name.
pub(crate) fn body(data: &[u8]) {
    let [kind, body] = parts(data);
    let kind = if kind.is_empty() {
        b"application/json"
    } else {
        kind
    };
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    match group::asked(&received(kind, body)) {
        Ok(asked) => {
            let orders = list(&value, "orders");
            assert_eq!(Some(asked.number.as_str()), value["group_no"].as_str());
            assert!(orders.len() == asked.orders.len() && (2..=10).contains(&orders.len()));
            let mut numbers = vec![asked.number.as_str().to_owned()];
            for ((create, buyer), order) in asked.orders.iter().zip(&orders) {
                assert_eq!(Some(create.amount.fen()), order["amount"].as_u64());
                assert_eq!(Some(create.order_no.as_str()), order["order_no"].as_str());
                assert_eq!(
                    create.payee.as_ref().map(|payee| payee.as_str()),
                    order["payee"].as_str()
                );
                assert_eq!(
                    create.account.as_ref().map(|account| account.as_str()),
                    value["account"].as_str()
                );
                assert_eq!(Some(buyer.description.expose()), order["description"].as_str());
                let payer = buyer.payer.as_ref().map(|payer| payer.value.expose());
                assert_eq!(payer, value["payer"]["openid"].as_str());
                assert!(create.channel == Channel::Wechat && !create.amount.is_zero());
                numbers.push(create.order_no.as_str().to_owned());
            }
            numbers.sort();
            assert!(
                numbers.windows(2).all(|pair| pair[0] != pair[1]),
                "a number stands twice"
            );
        }
        Err(fault) => {
            assert!((400..500).contains(&fault.code.row().status));
            tells_no_number(&fault.detail, data);
        }
    }
}

const CALLS: [&str; 5] = [
    "native",
    "jsapi",
    "app",
    "h5",
    "out-trade-no/C20260101000001/close",
];

/// Call and scheme by the first octet, then the body, as a merchant's own client sends it: each order's number, amount and
/// payee are those that any reader of JSON finds, and the account is the one that signed.
pub(crate) fn native(data: &[u8]) {
    let (first, body) = data.split_first().unwrap_or((&0, b""));
    let target = format!(
        "/v3/combine-transactions/{}",
        CALLS[usize::from(first >> 1) % CALLS.len()]
    );
    let scheme = ["WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3"][usize::from(first & 1)];
    let lines = format!(
        "authorization: {scheme} mchid=\"1900000109\",nonce_str=\"593BEC0C\",signature=\"+/8B\",timestamp=\"1767225600\",serial_no=\"4B74CAE8\"\ncontent-type: application/json"
    );
    let asked = [b"POST\0", target.as_bytes(), b"\0", lines.as_bytes(), b"\0", body].concat();
    if let Some(native) = messages::native(Channel::Wechat, &asked) {
        native_facts(&native, body);
    }
}

/// What was taken of a group, against another reader.
pub(crate) fn native_facts(native: &channel::native::Native, body: &[u8]) {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(group) = &native.combined else { return };
    let subs = list(&value, "sub_orders");
    assert_eq!(subs.len(), group.orders.len());
    assert!(
        value["combine_mchid"].is_null() || value["combine_mchid"].as_str() == Some(native.account.as_str())
    );
    for (order, sub) in group.orders.iter().zip(&subs) {
        assert_eq!(Some(order.number.as_str()), sub["out_trade_no"].as_str());
        assert_eq!(
            Some(order.payee.as_str()),
            sub["sub_mchid"].as_str().or(sub["mchid"].as_str())
        );
        if native.operation == Operation::Create {
            assert_eq!(
                order.amount.map(|a| a.fen()),
                sub["amount"]["total_amount"].as_u64()
            );
        }
        assert!(
            sub["settle_info"]["profit_sharing"].as_bool() != Some(true)
                && sub["settle_info"]["subsidy_amount"].is_null()
        );
    }
    if native.operation == Operation::Create {
        assert_eq!(
            Some(group.number.as_str()),
            value["combine_out_trade_no"].as_str()
        );
    }
}

/// The decrypted notice: as many orders as any reader of JSON finds, each with its own number, fen and payee.
pub(crate) fn told(data: &[u8]) {
    let account = messages::account(Channel::Wechat, data.len() & 1 == 1);
    match notice::read(&account, data, Kind::Transaction) {
        Ok(Notice::Combined(views)) => {
            let value: Value = serde_json::from_slice(data).expect("taken here, refused there");
            let subs = list(&value, "sub_orders");
            assert!(!views.is_empty() && views.len() == subs.len());
            for (view, sub) in views.iter().zip(&subs) {
                assert_eq!(Some(view.number.as_str()), sub["out_trade_no"].as_str());
                assert_eq!(
                    view.account.as_ref().map(|a| a.as_str()),
                    value["combine_mchid"].as_str()
                );
                assert_eq!(
                    view.payee.as_ref().map(|p| p.as_str()),
                    sub["sub_mchid"].as_str().or(sub["mchid"].as_str())
                );
                if let ChannelState::Paid(facts) | ChannelState::Refunded(facts) = &view.state {
                    assert_eq!(Some(facts.amount.fen()), sub["amount"]["total_amount"].as_u64());
                    assert_eq!(Some(facts.trade_no.as_str()), sub["transaction_id"].as_str());
                }
            }
        }
        Ok(_) => {}
        Err(error) => tells_no_number(error.kind(), data),
    }
}
