//! UnionPay's part: each call that `own_calls` lists, with what it says and nothing else.

use super::{Client, Done, filled, wechat::settled, word};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    acp::{Fields, QUERY, now, written},
};
use serde_json::{Value, json};

pub(super) fn fields(content: &Value) -> anyhow::Result<Fields> {
    let all = content.as_object().context("fields")?.iter();
    Ok(all
        .map(|(name, value)| (name.clone(), word(value).to_owned()))
        .collect())
}

impl Client {
    /// What UnionPay said, signed by it.
    pub(super) async fn of_unionpay(&self, path: &str, content: &Value) -> anyhow::Result<Value> {
        let said = self.acp.ask(path, &fields(content)?).await?;
        Ok(serde_json::to_value(said)?)
    }
}

/// A call, of an order of its own that is paid.
pub(super) async fn ask(
    client: &Client,
    demo: &Demo,
    accounts: &Value,
    ways: &[Value],
    call: &Value,
    calls: &[Value],
) -> Done {
    let way = ways
        .iter()
        .find(|way| way["channel"] == "unionpay" && way["pay_way"] == "qr");
    let (number, way) = (demo.next_number(), way.context("a code")?);
    let (order, _) = client.place(demo, accounts, way, &number).await?;
    let pay = json!({ "channel": "unionpay", "out_trade_no": number, "outcome": "paid" });
    demo.control("/control/pay", &pay).await?;
    let query = calls
        .iter()
        .find(|call| call["call"] == QUERY)
        .context("a query")?;
    let asked = filled_in(query, accounts, &order)?;
    let paid = settled(async || {
        let said = client.of_unionpay(QUERY, &asked).await?;
        ensure!(said["origRespCode"] == "00", "{said}");
        Ok(said)
    })
    .await?;
    if call["call"] == QUERY {
        return Ok(());
    }
    let of = json!({ "orderId": demo.next_number(), "txnTime": written(now()), "origQryId": paid["queryId"], "txnAmt": order["txnAmt"] });
    let said = client
        .of_unionpay(word(&call["call"]), &filled_in(call, accounts, &of)?)
        .await?;
    ensure!(said["respCode"] == "00", "{said}");
    Ok(())
}

/// The call's content, its members as `of` has them, and what is the account's own.
pub(super) fn filled_in(call: &Value, accounts: &Value, of: &Value) -> anyhow::Result<Value> {
    let mut content = call["content"].clone();
    for member in call["members"].as_array().context("members")? {
        let value = &of[word(member)];
        ensure!(value.is_string(), "{member} is unknown");
        content[word(member)] = value.clone();
    }
    filled(&mut content, call, accounts, String::new)?;
    Ok(content)
}
