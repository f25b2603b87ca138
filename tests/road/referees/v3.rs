//! Alipay's OpenAPI v3 with the published client: straight at the sandbox as the control, then through the pass-through,
//! in public-key and certificate mode, with relayed notices and with an address of the merchant's own.

use super::{
    Done,
    client::{ALIPAY, Client, MODES, Scene},
    life,
};
use sandbox::demo::{Demo, place::Options};

pub(super) static V3: Client = Client {
    name: "alipay-sdk (OpenAPI v3)",
    channel: "alipay",
    steps: ALIPAY,
    script: "node/alipay_v3.mjs",
    merchant: 0,
    modes: MODES,
    encrypts: false,
};

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 2,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    for (merchant, &mode) in demo.place.merchants.iter().zip(MODES) {
        let scene = Scene {
            base_url: demo.channels.alipay_url(),
            control: demo.channels.control_url(),
            notify_url: "http://127.0.0.1:9/nobody".into(),
            material: demo.place.material.dir.clone(),
            ca: demo.place.material.ca_path(),
            account: V3.account(&merchant.accounts)?,
            mode,
            zone: V3.zone(mode),
        };
        V3.life(&scene).await?;
    }
    for (n, &mode) in MODES.iter().enumerate() {
        life::relayed(&demo, &V3, mode, n).await?;
    }
    life::told_directly(&demo, &V3, 0).await?;
    demo.services.stop().await?;
    demo.prove_journal()?;
    Ok(())
}
