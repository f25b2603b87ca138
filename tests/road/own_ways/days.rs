//! A day's bills of every channel, asked for with what `own_calls` says and nothing else. Of a day on which nothing happened each
//! channel says so in words of its own, which nobody hears whose message lacks something.

use super::{Client, Done, unionpay::filled_in, word};
use anyhow::{bail, ensure};
use sandbox::demo::acp::{now, written};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

pub(super) fn is_of_a_day(call: &Value) -> bool {
    let mut members = call["members"].as_array().into_iter().flatten();
    word(&call["call"]).contains("{day}")
        || members.any(|member| ["bill_date", "settleDate"].contains(&word(member)))
}

pub(super) async fn ask(client: &Client, accounts: &Value, call: &Value) -> Done {
    let digits = written(now().plus_millis(-40 * DAY_MS));
    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..8]);
    let dashed = format!("{year}-{month}-{day}");
    let path = word(&call["call"]).replace("{day}", &dashed);
    let of = |bill_date: &str| {
        let of = json!({ "bill_date": bill_date, "settleDate": &digits[4..8], "txnTime": written(now()) });
        filled_in(call, accounts, &of)
    };
    let (said, none) = match word(&call["channel"]) {
        "wechat" if path.starts_with("/v3/") => {
            let answer = client.wechat.ask("GET", &path, None).await?;
            (String::from_utf8(answer.body.to_vec())?, "NO_STATEMENT_EXIST")
        }
        "wechat" => (
            client.v2_text(&path, &of(&digits[..8])?, accounts).await?,
            "20002",
        ),
        "alipay" => {
            let content = of(&dashed)?;
            let by_v3 = client.alipay.v3_at(word(&call["v3"]), &content).await;
            let by_v3 = by_v3.map_or_else(|e| e.to_string(), |said| said.to_string());
            ensure!(by_v3.contains("bill_not_exist"), "{by_v3}");
            (
                client.alipay.gateway(&path, &content, false).await?.to_string(),
                "bill_not_exist",
            )
        }
        "unionpay" => (
            client.of_unionpay(&path, &of("")?).await?.to_string(),
            "\"respCode\":\"98\"",
        ),
        other => bail!("{other} has no bill here"),
    };
    ensure!(said.contains(none), "{said}");
    Ok(())
}
