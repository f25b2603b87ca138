//! What UnionPay's own samples and the shared vectors send, under the account's own number, time and key, is taken by the channel itself
//! and through us alike.

use super::{Done, demo, is, pay, until};
use anyhow::{Context, ensure};
use sandbox::demo::{
    Demo,
    acp::{APP, Acp, BACK, FRONT, Fields, QUERY, now, written},
};
use serde_json::{Value, json};
use std::path::PathBuf;

fn vectors() -> anyhow::Result<Vec<Value>> {
    let standing = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let folder = std::env::var_os("GUANDAO_VECTORS").map_or_else(standing, PathBuf::from);
    let file: Value = serde_json::from_slice(&std::fs::read(folder.join("unionpay.json"))?)?;
    let cases = file["cases"].as_array().context("cases")?;
    let requests = cases.iter().filter(|case| case["op"] == "sign_request");
    Ok(requests.cloned().collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vectors_and_the_official_samples_are_taken_here_and_there() {
    let (demo, _dir) = demo().await.expect("demo");
    let all = vectors().expect("vectors");
    assert!(!all.is_empty());
    for case in &all {
        let taken = as_the_vector_says(&demo, &case["input"]).await;
        taken.unwrap_or_else(|e| panic!("{}: {e:#}", case["id"]));
    }
    a_form_of_the_samples(&demo)
        .await
        .unwrap_or_else(|e| panic!("a form: {e:#}"));
    a_payment_code_of_the_samples(&demo)
        .await
        .unwrap_or_else(|e| panic!("a payment code: {e:#}"));
    an_app_order_of_the_samples(&demo)
        .await
        .unwrap_or_else(|e| panic!("an app's order: {e:#}"));
    a_refund_of_another_product(&demo)
        .await
        .unwrap_or_else(|e| panic!("a refund: {e:#}"));
    demo.services.stop().await.expect("stops");
}

/// Field by field as it stands there: what it leaves out is left out.
async fn as_the_vector_says(demo: &Demo, input: &Value) -> Done {
    let method = input["params"]["signMethod"].as_str().context("signMethod")?;
    let merchants = &demo.place.merchants;
    let merchant = merchants.iter().position(|m| m.sign_method() == method);
    let acp = Acp::of(demo, merchant.context("a merchant of this method")?)?;
    let path = format!("/gateway/api/{}", input["endpoint"].as_str().context("endpoint")?);
    let (time, later) = (written(now()), written(now().plus_millis(900_000)));
    let own = |number: &str| -> anyhow::Result<Fields> {
        let theirs = input["params"].as_object().context("params")?;
        let mut fields: Fields = acp.fields(["", "", "", ""], number, &time, &[("backUrl", acp.back_url())]);
        fields.retain(|name, _| name == "certId" || theirs.contains_key(name));
        for (name, value) in theirs {
            let kept = ["merId", "orderId", "txnTime", "backUrl"].contains(&name.as_str());
            let value = match name.as_str() {
                "payTimeout" => later.as_str(),
                "frontUrl" => "https://shop.example/back",
                _ => value.as_str().context("text")?,
            };
            if !kept {
                fields.insert(name.clone(), value.to_owned());
            }
        }
        Ok(fields)
    };
    if path == QUERY {
        let number = demo.next_number();
        is(
            &acp.ask(BACK, &acp.apply(&number, &time, 900)).await?,
            "respCode",
            "00",
        )?;
        let fields = own(&number)?;
        let straight = acp.send_straight(QUERY, &acp.signed(&fields)?).await?;
        // Until somebody scans it UnionPay does not know it.
        is(&acp.read(&straight.body)?, "respCode", "34")?;
        return is(&acp.ask(QUERY, &fields).await?, "respCode", "34");
    }
    let (straight, through) = (own(&demo.next_number())?, own(&demo.next_number())?);
    let answer = acp.send_straight(&path, &acp.signed(&straight)?).await?;
    if path == FRONT {
        let page = String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.status == 200 && page.contains(&straight["orderId"]),
            "{page}"
        );
        let sent_on = acp.send(FRONT, &acp.signed(&through)?).await?;
        ensure!(sent_on.status == 307, "{}", sent_on.status);
        return Ok(());
    }
    is(&acp.read(&answer.body)?, "respCode", "00")?;
    is(&acp.ask(&path, &through).await?, "respCode", "00")
}

/// The gateway's: the encoding small, the goods named, plain text that comes back.
async fn a_form_of_the_samples(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    let mut fields = acp.front(&number, &time, 470);
    for (name, value) in [
        ("encoding", "utf-8"),
        ("riskRateInfo", "{commodityName=测试商品名称}"),
        ("reqReserved", "透传信息1|透传信息2"),
    ] {
        fields.insert(name.into(), value.into());
    }
    let form = acp.signed(&fields)?;
    let sent_on = acp.send(FRONT, &form).await?;
    ensure!(
        sent_on.status == 307,
        "{} {}",
        sent_on.status,
        String::from_utf8_lossy(&sent_on.body)
    );
    let page = acp.send_straight(FRONT, &form).await?;
    ensure!(
        String::from_utf8_lossy(&page.body).contains(&number),
        "the form does not open"
    );
    pay(demo, &number, true).await?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    fields.insert(
        "riskRateInfo".into(),
        "{commodityName=x&merId=777290058110049}".into(),
    );
    let refused = acp.send(FRONT, &acp.signed(&fields)?).await?;
    ensure!(refused.status == 403, "{}", refused.status);
    Ok(())
}

/// 被扫 in UnionPay's own sample names a computer and a card.
async fn a_payment_code_of_the_samples(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time, code) = (demo.next_number(), written(now()), demo.next_code("unionpay"));
    let shown = json!({ "channel": "unionpay", "auth_code": code, "outcome": "paid" });
    demo.control("/control/pay", &shown).await?;
    let mut fields = acp.charge(&number, &time, 480, &code, 60_000);
    for (name, value) in [
        ("channelType", "07"),
        ("accType", "01"),
        ("termId", "49000002"),
        ("encoding", "utf-8"),
    ] {
        fields.insert(name.into(), value.into());
    }
    is(&acp.ask(BACK, &fields).await?, "respCode", "00")?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid")
        .await
        .map(drop)
}

/// UnionPay's samples of an app's order name a page to come back to and the kind of card, older ones a text for the payer, and free
/// text that begins with a blank.
async fn an_app_order_of_the_samples(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let of_samples = |number: &str| {
        let mut fields = acp.app(number, &written(now()), 490);
        for (name, value) in [
            ("encoding", "utf-8"),
            ("frontUrl", "https://shop.example/back"),
            ("orderDesc", "订单描述"),
            ("accType", "01"),
            ("reqReserved", " 透传信息"),
        ] {
            fields.insert(name.into(), value.into());
        }
        fields
    };
    let (straight, through) = (demo.next_number(), demo.next_number());
    let answer = acp
        .send_straight(APP, &acp.signed(&of_samples(&straight))?)
        .await?;
    is(&acp.read(&answer.body)?, "respCode", "00")?;
    let fields = of_samples(&through);
    let said = acp.ask(APP, &fields).await?;
    is(&said, "respCode", "00")?;
    is(&said, "reqReserved", " 透传信息")?;
    pay(demo, &through, true).await?;
    until(demo, 0, &through, "payment", |o| o["state"] == "paid").await?;
    let mut foreign = of_samples(&demo.next_number());
    foreign.insert("frontUrl".into(), "https://evil.example/".into());
    let refused = acp.send(APP, &acp.signed(&foreign)?).await?;
    ensure!(refused.status == 403, "a foreign frontUrl: {}", refused.status);
    Ok(())
}

/// UnionPay holds a refund to the product of its payment.
async fn a_refund_of_another_product(demo: &Demo) -> Done {
    let acp = Acp::of(demo, 0)?;
    let (number, time) = (demo.next_number(), written(now()));
    is(
        &acp.ask(BACK, &acp.apply(&number, &time, 900)).await?,
        "respCode",
        "00",
    )?;
    pay(demo, &number, true).await?;
    until(demo, 0, &number, "payment", |o| o["state"] == "paid").await?;
    let asked = acp.ask(QUERY, &acp.query(&number, &time)).await?;
    let query_id = asked.get("queryId").context("queryId")?;
    for (refund, product, code) in [("1", "000202", "36"), ("2", "000000", "00")] {
        let mut fields = acp.refund(&format!("R{number}{refund}"), &written(now()), query_id, 100);
        fields.insert("bizType".into(), product.into());
        is(&acp.ask(BACK, &fields).await?, "respCode", code)?;
    }
    Ok(())
}
