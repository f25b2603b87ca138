//! The change from platform certificates to the public key (公钥模式), and back: which key WeChat signs with while it is
//! under way (channels.md 1.5, 1.7).

use crate::channels::control::{Outcome, Refusal};
use crate::channels::fault::Channel;
use crate::channels::order::KeyMode;
use crate::channels::world::World;
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::json;

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stage {
    /// Requests get the key that they ask for, and notices that of their order's first request.
    #[default]
    AsAsked,
    /// Not begun, or taken back: certificates sign all.
    Certificate,
    /// Under way: answers as asked, notices by the one and the other in turn.
    Mixed,
    /// Done: the public key signs all, and there are no certificates to be had.
    PublicKey,
}

/// One merchant's stage.
#[derive(Default)]
pub(crate) struct Change(Mutex<(Stage, u32)>);

impl Change {
    /// What signs an answer.
    pub(super) fn answers(&self, asked: KeyMode) -> KeyMode {
        match (asked, self.0.lock().0) {
            (KeyMode::Sm2, _) => KeyMode::Sm2,
            (_, Stage::Certificate) => KeyMode::Certificate,
            (_, Stage::PublicKey) => KeyMode::PublicKey,
            (asked, Stage::AsAsked | Stage::Mixed) => asked,
        }
    }

    /// What signs the next attempt of a notice.
    pub(super) fn notices(&self, asked: KeyMode) -> KeyMode {
        let mut change = self.0.lock();
        if asked == KeyMode::Sm2 || change.0 != Stage::Mixed {
            drop(change);
            return self.answers(asked);
        }
        change.1 += 1;
        match change.1 % 2 {
            1 => KeyMode::PublicKey,
            _ => KeyMode::Certificate,
        }
    }

    /// Whether platform certificates are given out.
    pub(super) fn has_certificates(&self) -> bool {
        self.0.lock().0 != Stage::PublicKey
    }
}

/// `POST /control/keys`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    channel: Channel,
    account: String,
    stage: Stage,
}

/// Sets one merchant's stage.
pub(crate) fn control(world: &World, asked: &Asked) -> Outcome {
    if asked.channel != Channel::Wechat {
        return Err(Refusal::bad(
            "only WeChat Pay changes from certificates to a public key",
        ));
    }
    let known = world.merchants.iter();
    let merchant = known
        .into_iter()
        .find(|merchant| merchant.facts.wechat.mchid == asked.account)
        .ok_or_else(|| Refusal::bad("no such account"))?;
    *merchant.change.0.lock() = (asked.stage, 0);
    Ok(json!({"ok": true}))
}
