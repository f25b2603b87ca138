//! Not every account of a wallet can serve every order: an order goes to those that can, and where a rule leaves none of them,
//! the rule is named.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
//= C85
//= C94
async fn an_order_goes_where_its_app_is_and_its_call_up_is_signed() {
    // The first account signs by SM2; the second one signs by RSA and has the first one's app too.
    let road = Road::with(Options {
        sm2_from: Some(0),
        ..options()
    })
    .await
    .expect("demo");
    goes(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

async fn goes(road: &Road) -> Done {
    let [first, second] = road.accounts(0);
    let jsapi = || {
        let mut body = road.body(0, 100);
        body["pay_way"] = "jsapi".into();
        body["payer"] = json!({ "openid": "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" });
        body
    };
    for (body, account) in [(road.body(0, 100), &first), (jsapi(), &second)] {
        let answer = road.place(&body).await?;
        ensure!(
            answer.status == 201 && answer.json()["account"] == account.as_str(),
            "{} {}",
            answer.status,
            answer.json()
        );
    }
    let only = json!([{ "name": "only-first", "channel": "wechat", "when": "true", "accounts": [first] }]);
    road.rule(2, only, &[]).await?;
    let own = &road
        .demo
        .place
        .second
        .as_ref()
        .context("second accounts")?
        .wechat
        .appid;
    let mut body = jsapi();
    body["appid"] = json!(own);
    let refused = road.place(&body).await?;
    let said = refused.json()["detail"].to_string();
    ensure!(
        refused.status == 403 && said.contains("only-first") && said.contains("app"),
        "{} {}",
        refused.status,
        refused.json()
    );
    Ok(())
}
