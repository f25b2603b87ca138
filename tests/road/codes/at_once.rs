//! A charge at WeChat of which nobody knows is asked for at once (channels.md 2.2), and not when a payer who types a password
//! would be.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
async fn an_unknown_charge_at_wechat_is_asked_for_at_once() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 1,
        only: vec!["wechat"],
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, true).await?;
    let config = demo.place.dir.join("guandao.toml");
    // Whoever waits as for a password finds nothing while this test lasts.
    let slow = std::fs::read_to_string(&config)?
        .replace("charge_after_ms = 300", "charge_after_ms = 60000")
        .replace("charge_wait_ms = 2500", "charge_wait_ms = 120000");
    std::fs::write(&config, slow)?;
    demo.services.stop_proxy().await?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let shop = demo.merchant(0)?;
    let counter = Counter {
        demo,
        shop,
        channel: "wechat",
    };
    // Charged, with an answer that says nothing of it, and with none.
    for kind in ["garbage", "timeout_after"] {
        let body = counter.body(&counter.payer("paid").await?, 700);
        counter.fault(&body, "create", kind).await?;
        let answer = counter.scan(&body).await?;
        ensure!(answer.status == 202, "{kind}: {}", answer.json());
        let order = counter.until(&answer.json(), "paid").await?;
        counter.charged_once(&order).await?;
    }
    counter.demo.services.stop().await?;
    counter.demo.prove_journal().map(drop)
}
