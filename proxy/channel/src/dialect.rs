//! Our own words to a channel or to a merchant's SDK, in the channel's language. Never signed: we do not hold
//! or imitate a channel's key (design.md section 3).

use crate::{alipay, baidu, bank, browser, unionpay, wechat};
use domain::Channel;

/// A whole reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Body.
    pub body: Vec<u8>,
}

/// Why a native request is not carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NativeRefusal {
    /// Not what the channel's documents say; the detail names a path or position.
    Malformed(String),
    /// The signature, its time or its key is not accepted; the text says which.
    Signature(String),
    /// Too often.
    Frequency,
    /// We do not carry this.
    NotAllowed(String),
    /// Policy refuses the order.
    RuleLimit(String),
    /// The number was used with other parameters.
    Changed,
    /// The order is paid already.
    OrderPaid,
    /// The order is closed already.
    OrderClosed,
    /// No such order of this merchant.
    NotFound,
    /// The outcome is unknown; the caller must query.
    Unknown,
}

impl NativeRefusal {
    /// Whether its words are about the message that came, so that a page which anybody's browser may show can bear them for the
    /// shop's developer. What the merchant may take, and why an order was not taken, is the merchant's own.
    pub(crate) fn tells_the_shop(&self) -> bool {
        matches!(
            self,
            NativeRefusal::Malformed(_) | NativeRefusal::Signature(_) | NativeRefusal::NotAllowed(_)
        )
    }
}

/// What is said of a signature that can be read and proves nothing, and of an account that is not registered here: a stranger
/// learns from it neither which accounts are nor which keys.
pub const UNPROVEN: &str = "the signature is none by this account's registered key over this very request";

/// In which of a channel's languages a notice is: WeChat has two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Speech {
    /// The channel's own, for all but WeChat the only one.
    Own,
    /// WeChat's V2, in XML.
    WechatV2,
}

impl Speech {
    /// The notice itself says it.
    pub fn of(channel: Channel, notice: &[u8]) -> Speech {
        match channel == Channel::Wechat && notice.trim_ascii_start().first() == Some(&b'<') {
            true => Speech::WechatV2,
            false => Speech::Own,
        }
    }
}

/// Acknowledges a notice (channels.md 1.6, 2.3, 3.5, 4.4).
pub fn ack(channel: Channel, speech: Speech) -> Reply {
    match channel {
        Channel::Wechat if speech == Speech::WechatV2 => wechat::v2::dialect::ack(),
        Channel::Wechat => wechat::dialect::ack(),
        Channel::Alipay => alipay::dialect::ack(),
        Channel::Unionpay => unionpay::dialect::ack(),
        Channel::Baidu => baidu::dialect::ack(),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => bank::ack(),
    }
}

/// Refuses a notice so that it comes again (channels.md 1.6, 2.3, 3.5). `why` is a fixed text.
pub fn refuse_notice(channel: Channel, speech: Speech, why: &str) -> Reply {
    match channel {
        Channel::Wechat if speech == Speech::WechatV2 => wechat::v2::dialect::refuse_notice(why),
        Channel::Wechat => wechat::dialect::refuse_notice(why),
        Channel::Alipay => alipay::dialect::refuse_notice(),
        Channel::Unionpay => unionpay::dialect::refuse_notice(),
        Channel::Baidu => baidu::dialect::refuse_notice(),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => bank::refuse_notice(),
    }
}

/// Refuses what the payer's browser brought, on a page that a payer can read: in English where that is preferred, else in
/// Chinese. `None` where the channel's refusal is a page already.
pub fn refuse_browser(channel: Channel, accept_language: &str, kind: &NativeRefusal) -> Option<Reply> {
    match channel {
        Channel::Alipay => Some(alipay::page::refuse(
            browser::speaks_english(accept_language),
            kind,
        )),
        _ => None,
    }
}

/// Refuses a native request. The path that was called says in which form: WeChat and Alipay have two each (channels.md 2.1,
/// 3.2, 3.8).
pub fn refuse_native(channel: Channel, path: Option<&str>, kind: NativeRefusal) -> Reply {
    match channel {
        Channel::Wechat if path.is_some_and(wechat::v2::native::is_path) => {
            wechat::v2::dialect::refuse_native(kind)
        }
        Channel::Wechat => wechat::dialect::refuse_native(kind),
        Channel::Alipay => alipay::dialect::refuse_native(path, kind),
        Channel::Unionpay => unionpay::dialect::refuse_native(path, kind),
        // Nothing passes through to it; no listener leads here.
        Channel::Baidu => baidu::dialect::refuse_notice(),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => bank::refuse_notice(),
    }
}
