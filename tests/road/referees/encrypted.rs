//! Published clients of Alipay that encrypt content by themselves (`needEncrypt`, `encrypt_key`): straight at the
//! sandbox as the control, then through the pass-through, where each decrypts the answers and verifies them and every
//! relayed notice. Their pages too, where a client makes any.

use super::{
    Done,
    client::{ALIPAY, Client, MODES, Scene, Turns},
    life, pages,
};
use anyhow::Context;
use sandbox::demo::{Demo, place::Options};
use std::sync::Arc;

static CLIENTS: [Client; 3] = [
    Client {
        name: "alipay-sdk, encrypting",
        channel: "alipay",
        steps: ALIPAY,
        script: "node/alipay.mjs",
        merchant: 0,
        modes: MODES,
        encrypts: true,
    },
    Client {
        name: "alipay-sdk (OpenAPI v3), encrypting",
        channel: "alipay",
        steps: ALIPAY,
        script: "node/alipay_v3.mjs",
        merchant: 2,
        modes: &["public_key"],
        encrypts: true,
    },
    Client {
        name: "alipay-sdk-python, encrypting",
        channel: "alipay",
        steps: ALIPAY,
        script: "python/alipay_official.py",
        merchant: 3,
        modes: &["public_key"],
        encrypts: true,
    },
];

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 4,
        content_keys: true,
        ..Options::default()
    };
    let demo = Arc::new(Demo::start(dir.path(), &options, false).await?);
    let mut turns = Turns::default();
    for client in &CLIENTS {
        for (n, &mode) in client.modes.iter().enumerate() {
            let demo = demo.clone();
            turns.add(async move { one(&demo, client, mode, client.merchant + n).await });
        }
    }
    turns.all().await?;
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

async fn one(demo: &Demo, client: &'static Client, mode: &'static str, merchant: usize) -> Done {
    let of = demo.place.merchants.get(merchant).context("merchant")?;
    let straight = Scene {
        base_url: demo.channels.alipay_url(),
        ..life::scene(demo, client, of, mode, "http://127.0.0.1:9/nobody".into())?
    };
    client.life(&straight).await?;
    life::relayed(demo, client, mode, merchant).await?;
    if client.script == "node/alipay_v3.mjs" {
        return Ok(());
    }
    for (way, form) in [("page", false), ("wap", true)] {
        pages::one(demo, client, mode, merchant, way, form)
            .await
            .with_context(|| format!("{} ({mode}) {way}", client.name))?;
    }
    Ok(())
}
