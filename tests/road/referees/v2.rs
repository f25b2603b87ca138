//! WeChat's V2 with published clients: straight at the sandbox as the control, then through the pass-through, with relayed
//! notices and with an address of the merchant's own.

use super::{
    Done,
    client::{Client, Scene},
    life,
};
use sandbox::demo::{Demo, place::Options};

const STEPS: &[&str] = &[
    "order",
    "query",
    "pay",
    "query_paid",
    "order_paid",
    "refund",
    "refund_query",
    "refund_again",
    "second_order",
    "close",
    "query_closed",
    "micropay",
    "reverse",
    "query_reversed",
];

static CLIENTS: [Client; 2] = [
    Client {
        name: "wechatpy (V2)",
        channel: "wechat",
        steps: STEPS,
        script: "python/wechat_v2.py",
        merchant: 0,
        modes: &["public_key"],
        encrypts: false,
    },
    Client {
        name: "wechatpay-axios-plugin (V2)",
        channel: "wechat",
        steps: STEPS,
        script: "node/wechat_v2.mjs",
        merchant: 1,
        modes: &["public_key"],
        encrypts: false,
    },
];

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 2,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    for (merchant, client) in demo.place.merchants.iter().zip(&CLIENTS) {
        let scene = Scene {
            base_url: demo.channels.wechat_url(),
            control: demo.channels.control_url(),
            notify_url: "http://127.0.0.1:9/nobody".into(),
            material: demo.place.material.dir.clone(),
            ca: demo.place.material.ca_path(),
            account: client.account(&merchant.accounts)?,
            mode: client.modes[0],
            zone: client.zone(client.modes[0]),
        };
        client.life(&scene).await?;
    }
    for client in &CLIENTS {
        life::relayed(&demo, client, client.modes[0], client.merchant).await?;
        life::told_directly(&demo, client, client.merchant).await?;
    }
    demo.services.stop().await?;
    demo.prove_journal()?;
    Ok(())
}
