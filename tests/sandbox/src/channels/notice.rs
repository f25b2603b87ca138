//! Sends notices until they are acknowledged or the channel gives up, with faults on the way.

use super::fault::{Channel, Kind, Operation, Victim};
use super::order::{KeyMode, NoticeRecord};
use super::poster::Letter;
use super::world::{Key, World};
use super::{alipay, baidu, ccb, cmb, icbc, unionpay, wechat};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Waiting times of WeChat Pay before each repetition, in seconds (channels.md 1.6).
const WECHAT: [u64; 15] = [
    15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
];
/// Those of Alipay: 4m, 10m, 10m, 1h, 2h, 6h, 15h (channels.md 3.5).
const ALIPAY: [u64; 7] = [240, 600, 600, 3600, 7200, 21_600, 54_000];
/// Those of UnionPay: 1m, 2m, 4m, 5m (channels.md 4.4).
const UNIONPAY: [u64; 4] = [60, 120, 240, 300];
/// Those of the Baidu wallet are documented nowhere.
const BAIDU: [u64; 5] = [60, 300, 600, 1800, 3600];
/// Those of banks are documented nowhere.
const CCB: [u64; 4] = [60, 300, 600, 1800];
/// How long a payment notice waits to be overtaken by a refund notice before it goes out anyway.
const HELD: Duration = Duration::from_secs(600);

/// What to tell.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// The body, encrypted once; each attempt is signed anew.
    Wechat { body: String, mode: KeyMode },
    /// The fields without `nonce_str` and `sign`, and with which digest it is signed.
    WechatV2 {
        fields: Vec<(&'static str, String)>,
        digest: wechat::v2::xml::Digest,
    },
    /// The fields without `notify_time`, `sign` and `sign_type`.
    Alipay { fields: Vec<(String, String)> },
    /// The fields without `signPubKeyCert` and `signature`.
    Unionpay { fields: unionpay::Fields },
    /// The fields without `sign`.
    Baidu { fields: Vec<(String, String)> },
    /// The fields without `SIGN`, in their order.
    Ccb { fields: Vec<(String, String)> },
    /// The XML; each attempt is signed anew.
    Icbc { xml: String },
    /// The pairs of `noticeData`; each attempt is signed anew.
    Cmb {
        pairs: std::collections::BTreeMap<String, String>,
    },
}

/// A notice on its way.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) key: Key,
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) of_refund: bool,
    pub(crate) url: String,
    pub(crate) content: Content,
}

/// How true a notice's signature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forge {
    True,
    Wrong,
    Probe,
    /// True, and of a bank that is in doubt itself.
    Doubtful,
}

impl Notice {
    fn channel(&self) -> Channel {
        self.key.0
    }

    fn letter(&self, world: &World, forge: Forge) -> Option<Letter> {
        let merchant = world.merchants.get(self.key.1)?;
        Some(match &self.content {
            Content::Wechat { body, mode } => wechat::notice::letter(merchant, *mode, body, forge),
            Content::WechatV2 { fields, digest } => {
                wechat::v2::notice::letter(merchant, fields, *digest, forge)
            }
            Content::Alipay { fields } => alipay::notice::letter(merchant, fields, forge),
            Content::Unionpay { fields } => unionpay::notice::letter(world, merchant, fields, forge),
            Content::Baidu { fields } => baidu::notice::letter(merchant, fields, forge),
            Content::Ccb { fields } => ccb::notice::letter(merchant, fields, forge),
            Content::Icbc { xml } => icbc::notice::letter(merchant, xml, forge),
            Content::Cmb { pairs } => cmb::notice::letter(merchant, pairs, forge),
        })
    }
}

/// Sends it, or does with it what a fault on command wants.
pub(crate) fn send(world: &Arc<World>, notice: Notice) {
    let victim = Victim {
        channel: notice.channel(),
        operation: Operation::Notice,
        out_trade_no: Some(&notice.key.2),
        spared: world.own.contains(&notice.key.1),
    };
    let fault = world.with(|book| {
        let fits: fn(Kind) -> bool = if notice.of_refund {
            |k| k != Kind::Reorder
        } else {
            |_| true
        };
        let fault = book.faults.take_if(&victim, fits);
        let status = match fault {
            Some(Kind::Drop) => "dropped",
            Some(Kind::Reorder) => "held",
            _ => "pending",
        };
        if let Some(order) = book.orders.get_mut(&notice.key) {
            let record = NoticeRecord {
                id: notice.id.clone(),
                kind: notice.kind,
                status,
                attempts: Vec::new(),
            };
            order.notices.push(record);
        }
        if fault == Some(Kind::Reorder) {
            book.held
                .entry(notice.key.clone())
                .or_default()
                .push(notice.clone());
        }
        fault
    });
    match fault {
        Some(Kind::Drop) => {}
        Some(Kind::Reorder) => release_later(world, notice.key),
        fault => {
            let inside = world.clone();
            world.beside(async move { deliver(&inside, notice, fault).await });
        }
    }
}

fn release_later(world: &Arc<World>, key: Key) {
    let inside = world.clone();
    world.beside(async move {
        inside.clock.wait(HELD).await;
        release(&inside, &key);
    });
}

/// Sends the payment notices of this order that were held back.
fn release(world: &Arc<World>, key: &Key) {
    for notice in world.with(|book| book.held.remove(key)).unwrap_or_default() {
        let inside = world.clone();
        // Boxed by `beside`'s task: deliver → release → deliver would otherwise be a future inside itself.
        world.beside(Box::pin(async move { deliver_plainly(&inside, notice).await }));
    }
}

async fn deliver(world: &Arc<World>, notice: Notice, fault: Option<Kind>) {
    if fault == Some(Kind::SignatureProbe) {
        attempt(world, &notice, Forge::Probe).await;
    }
    if fault == Some(Kind::Doubtful) {
        attempt(world, &notice, Forge::Doubtful).await;
        // Long enough for whoever looks to see what was made of it.
        world.clock.wait(Duration::from_secs(6)).await;
    }
    let first = if fault == Some(Kind::WrongSignature) {
        Forge::Wrong
    } else {
        Forge::True
    };
    let acknowledged = attempt(world, &notice, first).await;
    if notice.of_refund {
        release(world, &notice.key);
    }
    if acknowledged && fault == Some(Kind::Duplicate) {
        attempt(world, &notice, Forge::True).await;
    }
    if acknowledged {
        set_status(world, &notice, "acknowledged")
    } else {
        repeat(world, &notice).await
    }
}

async fn deliver_plainly(world: &Arc<World>, notice: Notice) {
    set_status(world, &notice, "pending");
    if attempt(world, &notice, Forge::True).await {
        set_status(world, &notice, "acknowledged");
    } else {
        repeat(world, &notice).await;
    }
}

async fn repeat(world: &Arc<World>, notice: &Notice) {
    for seconds in schedule(notice.channel()) {
        world.clock.wait(Duration::from_secs(*seconds)).await;
        if !world.with(|book| book.orders.contains_key(&notice.key)) {
            return;
        }
        if attempt(world, notice, Forge::True).await {
            return set_status(world, notice, "acknowledged");
        }
    }
    set_status(world, notice, "given_up");
}

/// The channel's waiting times before each repetition.
fn schedule(channel: Channel) -> &'static [u64] {
    match channel {
        Channel::Wechat => &WECHAT,
        Channel::Alipay => &ALIPAY,
        Channel::Unionpay => &UNIONPAY,
        Channel::Baidu => &BAIDU,
        Channel::Ccb | Channel::Icbc | Channel::Cmb => &CCB,
    }
}

/// Posts once, records what came back, tells whether it counts as an acknowledgement.
async fn attempt(world: &Arc<World>, notice: &Notice, forge: Forge) -> bool {
    let Some(letter) = notice.letter(world, forge) else {
        return false;
    };
    let at = super::clock::now().to_string();
    let outcome = world.poster.post(&notice.url, &letter).await;
    let (said, acknowledged) = match &outcome {
        Ok((status, body)) if matches!(notice.content, Content::WechatV2 { .. }) => (
            json!(status),
            *status == 200 && wechat::v2::notice::acknowledges(body),
        ),
        Ok((status, body)) => (json!(status), acknowledges(notice.channel(), *status, body)),
        Err(reason) => (json!(reason), false),
    };
    let signature = match forge {
        Forge::True => "true",
        Forge::Wrong => "wrong",
        Forge::Probe => "probe",
        Forge::Doubtful => "doubtful",
    };
    let entry = json!({"at": at, "answer": said, "signature": signature, "acknowledged": acknowledged});
    world.with(|book| {
        if let Some(record) = book
            .orders
            .get_mut(&notice.key)
            .and_then(|o| o.notice(&notice.id))
        {
            record.attempts.push(entry);
        }
    });
    acknowledged
}

fn acknowledges(channel: Channel, status: u16, body: &[u8]) -> bool {
    match channel {
        Channel::Wechat => status == 200 || status == 204,
        Channel::Alipay => status == 200 && body == b"success",
        Channel::Unionpay | Channel::Ccb | Channel::Icbc | Channel::Cmb => status == 200,
        Channel::Baidu => {
            let line = b"<meta name=\"VIP_BFB_PAYMENT\" content=\"BAIFUBAO\">";
            status == 200 && body.windows(line.len()).any(|w| w == line)
        }
    }
}

fn set_status(world: &World, notice: &Notice, status: &'static str) {
    world.with(|book| {
        if let Some(record) = book
            .orders
            .get_mut(&notice.key)
            .and_then(|o| o.notice(&notice.id))
        {
            record.status = status;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_are_the_documented_ones() {
        assert_eq!(schedule(Channel::Wechat).len(), 15);
        let hours = schedule(Channel::Wechat).iter().sum::<u64>() / 3600;
        assert_eq!(hours, 24, "about 24 hours in all");
        assert_eq!(
            schedule(Channel::Alipay).iter().sum::<u64>(),
            87_840,
            "within about 25 hours"
        );
    }

    #[test]
    fn alipay_wants_the_seven_characters() {
        assert!(acknowledges(Channel::Alipay, 200, b"success"));
        assert!(!acknowledges(Channel::Alipay, 200, b"success\n"));
        assert!(!acknowledges(Channel::Alipay, 200, b"\"success\""));
        assert!(acknowledges(Channel::Wechat, 204, b"") && !acknowledges(Channel::Wechat, 201, b""));
    }
}
