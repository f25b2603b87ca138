//! Asynchronous notices: what must verify, what is sealed, what it says (channels.md 1.6, 3.5).

use crate::{
    Account, OrderView, RefundView, Signed, alipay, baidu, ccb, dialect::Speech, form::FormError, icbc,
    strict_json, strict_xml::XmlError, unionpay, wechat,
};
use domain::{Channel, ChannelNo, Instant, KeyRef, NameError};

/// Why a notice is refused. Names fields and positions, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoticeError {
    /// A header or parameter that the signature needs is missing or not as it must be.
    #[error("{0} is missing or not as it must be")]
    Envelope(&'static str),
    /// More than five minutes off.
    #[error("the timestamp is more than five minutes off")]
    Stale,
    /// A probe: a signature that must be refused (channels.md 1.6).
    #[error("a signature probe")]
    Probe,
    /// Another account's notice.
    #[error("the notice names another account")]
    Account,
    /// A key's name cannot be made.
    #[error(transparent)]
    Key(#[from] NameError),
    /// Not the form it must be.
    #[error(transparent)]
    Form(#[from] FormError),
    /// Not the XML it must be.
    #[error(transparent)]
    Xml(#[from] XmlError),
    /// Not the JSON it must be.
    #[error(transparent)]
    Json(#[from] strict_json::Error),
    /// A field is missing or not as it must be.
    #[error("field {0} is missing or not as it must be")]
    Field(&'static str),
}

impl NoticeError {
    /// The error without names that the sender chose, for the log: anybody may send to a notice's address.
    pub fn kind(&self) -> &'static str {
        match self {
            NoticeError::Envelope(name) | NoticeError::Field(name) => name,
            NoticeError::Stale => "stale",
            NoticeError::Probe => "probe",
            NoticeError::Account => "another account",
            NoticeError::Key(_) => "no lawful key name",
            NoticeError::Form(FormError::Pair(_)) => "form: pair",
            NoticeError::Form(FormError::Escape(_)) => "form: escape",
            NoticeError::Form(FormError::NotUtf8(_)) => "form: not UTF-8",
            NoticeError::Form(FormError::NotGbk(_)) => "form: not GBK",
            NoticeError::Form(FormError::Twice(_)) => "form: twice",
            NoticeError::Xml(_) => "not the XML we take",
            NoticeError::Json(_) => "not the JSON we take",
        }
    }
}

/// What kind of content a notice carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// Not sealed: the notice itself is the content (Alipay, UnionPay, WeChat's V2).
    #[default]
    Open,
    /// WeChat `TRANSACTION.SUCCESS`.
    Transaction,
    /// WeChat `REFUND.*`.
    Refund,
    /// Something that is no business of ours.
    Other,
}

/// The sealed part of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The key that opens it.
    pub key: KeyRef,
    /// Nonce of the seal.
    pub nonce: Vec<u8>,
    /// Associated data of the seal, may be empty.
    pub associated_data: Vec<u8>,
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
    /// What is inside.
    pub kind: Kind,
    /// Sealed with SM4 under the key that the APIv3 key's SM3 gives, and not with AES under that key (channels.md 1.9).
    pub sm4: bool,
}

/// What a notice says.
pub enum Notice {
    /// State of an order.
    Order(Box<OrderView>),
    /// State of each of several orders that are paid together (WeChat 合单); never none.
    Combined(Vec<OrderView>),
    /// State of a refund.
    Refund {
        /// The order's number at the channel; UnionPay's notice tells the refund's own only.
        order: Option<ChannelNo>,
        /// The refund.
        view: RefundView,
        /// The order it belongs to, where the notice states that too (Alipay).
        paid: Option<Box<OrderView>>,
    },
    /// That there is news of a refund, told by what carries no signature (WeChat V2, channels.md 2.3): the channel is asked.
    RefundToAskFor {
        /// The order's number at the channel.
        order: ChannelNo,
        /// The refund's.
        refund: ChannelNo,
    },
    /// Nothing of ours; acknowledge it.
    Ignored,
}

/// What must verify before the notice counts.
pub fn authenticate(
    channel: Channel,
    account: &Account,
    headers: &http::HeaderMap,
    body: &[u8],
    now: Instant,
) -> Result<Signed, NoticeError> {
    match channel {
        Channel::Wechat if is_v2(channel, body) => wechat::v2::notice::authenticate(account, body),
        Channel::Wechat => wechat::notice::authenticate(account, headers, body, now),
        Channel::Alipay => alipay::notice::authenticate(account, body),
        Channel::Unionpay => unionpay::notice::authenticate(account, body),
        Channel::Baidu => baidu::notice::authenticate(account, body),
        Channel::Ccb => ccb::notice::authenticate(account, body),
        Channel::Icbc => icbc::notice::authenticate(account, body),
    }
}

fn is_v2(channel: Channel, body: &[u8]) -> bool {
    Speech::of(channel, body) == Speech::WechatV2
}

/// A notice of a refund that carries no signature (WeChat V2, channels.md 2.3): the key that opens it, and what it opens.
/// That it opens vouches for the account's secret and for nothing more; `None` for every other notice.
pub fn unsigned(account: &Account, body: &[u8]) -> Result<Option<(KeyRef, Vec<u8>)>, NoticeError> {
    match is_v2(account.channel, body) {
        true => wechat::v2::notice::unsigned_refund(account, body),
        false => Ok(None),
    }
}

/// Reads what [`unsigned`] names, opened.
pub fn read_unsigned(opened: &[u8]) -> Result<Notice, NoticeError> {
    let view = wechat::v2::notice::refund(opened)?;
    Ok(Notice::RefundToAskFor {
        order: view.order.ok_or(NoticeError::Field("out_trade_no"))?,
        refund: view.number,
    })
}

/// The sealed part, if the channel seals (WeChat).
pub fn sealed(account: &Account, body: &[u8]) -> Result<Option<Resource>, NoticeError> {
    match account.channel {
        Channel::Wechat if is_v2(account.channel, body) => Ok(None),
        Channel::Wechat => wechat::notice::sealed(account, body).map(Some),
        Channel::Alipay | Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc => Ok(None),
    }
}

/// The time that belongs to the number of what a notice is about, where the channel knows things by both (UnionPay's
/// `txnTime`, channels.md 4.3).
pub fn named(channel: Channel, body: &[u8]) -> Option<Instant> {
    match channel {
        Channel::Unionpay => unionpay::notice::named(body),
        _ => None,
    }
}

/// Reads the notice: the decrypted resource (WeChat) or the body itself ([`Kind::Open`]).
pub fn read(account: &Account, body_or_decrypted: &[u8], kind: Kind) -> Result<Notice, NoticeError> {
    match account.channel {
        Channel::Wechat if kind == Kind::Open => {
            wechat::v2::notice::payment(account, body_or_decrypted).map(|view| Notice::Order(Box::new(view)))
        }
        Channel::Wechat => wechat::notice::read(account, body_or_decrypted, kind),
        Channel::Alipay => alipay::notice::read(account, body_or_decrypted),
        Channel::Unionpay => unionpay::notice::read(account, body_or_decrypted),
        Channel::Baidu => baidu::notice::read(account, body_or_decrypted),
        Channel::Ccb => Err(NoticeError::Field("time of arrival")),
        Channel::Icbc => icbc::notice::read(account, body_or_decrypted),
    }
}

/// The same of a notice that arrived then: CCB's tells no time of the payment, so it counts as paid when it arrived.
pub fn read_at(
    account: &Account,
    body_or_decrypted: &[u8],
    kind: Kind,
    at: Instant,
) -> Result<Notice, NoticeError> {
    match account.channel {
        Channel::Ccb => ccb::notice::read(account, body_or_decrypted, at),
        _ => read(account, body_or_decrypted, kind),
    }
}
