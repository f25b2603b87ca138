//! The words of the trade: channels, ways to pay, operations, states.

use crate::{Amount, ChannelNo, Instant, PayeeNo, TradeNo};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// A licensed channel that we speak to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channel {
    /// WeChat Pay 微信支付.
    Wechat,
    /// Alipay 支付宝.
    Alipay,
    /// UnionPay 银联, the all-channel gateway (全渠道) 5.1.0.
    Unionpay,
    /// Baidu wallet 百付宝, for contracts that exist.
    Baidu,
    /// China Construction Bank 建设银行, its own gateway.
    Ccb,
    /// Industrial and Commercial Bank of China 工商银行, its own gateway.
    Icbc,
    /// China Merchants Bank 招商银行, its own gateway.
    Cmb,
}

impl Channel {
    /// Every channel built so far.
    pub const ALL: [Channel; 7] = [
        Channel::Wechat,
        Channel::Alipay,
        Channel::Unionpay,
        Channel::Baidu,
        Channel::Ccb,
        Channel::Icbc,
        Channel::Cmb,
    ];

    /// The name in paths, files and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Channel::Wechat => "wechat",
            Channel::Alipay => "alipay",
            Channel::Unionpay => "unionpay",
            Channel::Baidu => "baidu",
            Channel::Ccb => "ccb",
            Channel::Icbc => "icbc",
            Channel::Cmb => "cmb",
        }
    }

    /// A bank's own gateway 网银 (channels.md section 6): orders are handed out, notices may come in clear, to an address
    /// that is registered with the bank.
    pub const fn is_bank(self) -> bool {
        matches!(self, Channel::Ccb | Channel::Icbc | Channel::Cmb)
    }

    /// The channel of this name.
    pub fn named(name: &str) -> Option<Channel> {
        Channel::ALL.into_iter().find(|channel| channel.as_str() == name)
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How the payer comes to the order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PayWay {
    /// WeChat Native: we get a `code_url`, the payer scans it.
    Native,
    /// WeChat's native mode one 模式一: the payer scans a product's standing code, and WeChat asks us for the order.
    Product,
    /// Inside the wallet: WeChat JSAPI or mini program (`prepay_id`), Alipay `trade.create` (`trade_no`).
    Jsapi,
    /// Alipay precreate, UnionPay 主扫: we get a `qr_code`, the payer scans it.
    Qr,
    /// Payment code 付款码: the shop scans the payer's code, and the order charges at once. A *charging* way
    /// ([`PayWay::charges`]).
    Micropay,
    /// In a phone's browser outside the wallet: WeChat H5, we get an `h5_url` that opens the wallet.
    H5,
    /// From the merchant's own app: WeChat APP (`prepay_id`), Alipay `trade.app.pay` (a signed text for its SDK), UnionPay
    /// `appTransReq` (a `tn` for its SDK).
    App,
    /// In a computer's browser: Alipay `trade.page.pay`, Baidu `pay/0/direct/0`.
    Page,
    /// In a phone's browser: Alipay `trade.wap.pay`, Baidu `pay/0/wapdirect/0`.
    Wap,
    /// Online banking 网银 of a person: through UnionPay's gateway page (B2C), which leads to every bank, or a bank's own.
    Gateway,
    /// Online banking 网银 of a company, through UnionPay's gateway page (B2B).
    #[serde(rename = "gateway_b2b")]
    GatewayB2b,
}

impl PayWay {
    /// The name in the API, files and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            PayWay::Native => "native",
            PayWay::Product => "product",
            PayWay::Jsapi => "jsapi",
            PayWay::Qr => "qr",
            PayWay::H5 => "h5",
            PayWay::App => "app",
            PayWay::Page => "page",
            PayWay::Wap => "wap",
            PayWay::Micropay => "micropay",
            PayWay::Gateway => "gateway",
            PayWay::GatewayB2b => "gateway_b2b",
        }
    }

    /// True where the channel begins: no merchant can ask for such an order, since it needs the channel's call.
    pub const fn begins_at_the_channel(self) -> bool {
        matches!(self, PayWay::Product)
    }

    /// True where placing the order takes the money. Such an order is never sent a second time: what is not known is asked
    /// for, and reversed.
    pub const fn charges(self) -> bool {
        matches!(self, PayWay::Micropay)
    }

    /// True where the order is *handed out*: no call of ours places it. We sign it, the payer's browser or app carries
    /// it to the channel, and the channel knows it only once the payer opens it (channels.md 3.1;
    /// [`PayWay::opens_late`]).
    pub const fn is_handed_out(self, channel: Channel) -> bool {
        match channel {
            Channel::Wechat => false,
            Channel::Alipay => matches!(self, PayWay::App | PayWay::Page | PayWay::Wap),
            Channel::Unionpay => matches!(self, PayWay::Gateway | PayWay::GatewayB2b),
            Channel::Baidu => matches!(self, PayWay::Page | PayWay::Wap),
            Channel::Ccb | Channel::Icbc | Channel::Cmb => matches!(self, PayWay::Gateway),
        }
    }

    /// True where the channel tells the way to the payer once: it refuses a repeat of the order as a duplicate and says
    /// no more (UnionPay's codes and `tn`, respCode 12, channels.md 4.4).
    pub const fn is_told_once(self, channel: Channel) -> bool {
        matches!((channel, self), (Channel::Unionpay, PayWay::Qr | PayWay::App))
    }

    /// True where the channel knows the order only once its payer opens it: what is handed out, and the codes of Alipay and
    /// UnionPay, trades there once somebody scans them (channels.md 3.1, 4.4); UnionPay has no close besides. Until the
    /// order's own end "not there" is no last word, neither of a query nor of a close.
    pub const fn opens_late(self, channel: Channel) -> bool {
        self.is_handed_out(channel)
            || matches!(
                (channel, self),
                (Channel::Alipay | Channel::Unionpay, PayWay::Qr) | (Channel::Unionpay, PayWay::App)
            )
    }
}

/// What is asked of a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Place an order. Idempotent at the channel for prepay and precreate.
    Create,
    /// Ask for an order. Read.
    Query,
    /// Close an unpaid order. Idempotent.
    Close,
    /// Undo a payment-code order: closed if unpaid, paid back if paid. At UnionPay: take back what was paid. Idempotent by
    /// the order's number.
    Reverse,
    /// Pay money back, in full or part. Idempotent by refund number.
    Refund,
    /// Ask for a refund. Read.
    RefundQuery,
    /// Fetch the channel's certificates. Read.
    Certificates,
    /// Ask the wallet whose code of authorisation it is, for payers' pages. Read.
    Authorize,
    /// Ask where a day's bill lies, and fetch it. Read.
    Bill,
}

impl Operation {
    /// The name in labels and journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "create",
            Operation::Query => "query",
            Operation::Close => "close",
            Operation::Reverse => "reverse",
            Operation::Refund => "refund",
            Operation::RefundQuery => "refund_query",
            Operation::Certificates => "certificates",
            Operation::Authorize => "authorize",
            Operation::Bill => "bill",
        }
    }

    /// True where repeating the request cannot change anything at the channel.
    pub const fn is_read(self) -> bool {
        matches!(
            self,
            Operation::Query
                | Operation::RefundQuery
                | Operation::Certificates
                | Operation::Bill
                | Operation::Authorize
        )
    }
}

/// Kind of payment code shown or scanned (R18).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeKind {
    /// Printed, the same for every payer.
    Static,
    /// Made for one order.
    Dynamic,
}

/// Level of risk protection of a payment code (R18): the payer's day limit hangs on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum CodeLevel {
    /// Two factors, one of them a certificate or e-signature: limit by agreement.
    A,
    /// Two factors, neither of them such: 5,000 CNY a day.
    B,
    /// Fewer than two factors: 1,000 CNY a day.
    C,
    /// Static code: 500 CNY a day.
    D,
}

/// Code kind and level of one order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Code {
    /// Static or dynamic.
    pub kind: CodeKind,
    /// A to D; a static code is always D.
    pub level: CodeLevel,
}

/// Who composed the bytes that go to the channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// We did, from a unified order.
    Unified,
    /// The merchant's own SDK did; the octets go through unchanged.
    PassThrough,
}

/// Who holds the merchant's channel key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keys {
    /// We do, by written delegation: we can query, close and refund.
    Held,
    /// Only the merchant does: we learn outcomes from what passes through.
    Merchant,
}

/// State of one attempt to place an order at a channel.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// On record, perhaps sent, no answer yet.
    Intended,
    /// The channel has it; the payer has not paid.
    Placed,
    /// The channel surely does not have it.
    NotPlaced,
    /// Sent, outcome unknown; the sweep finds out.
    Unknown,
    /// Paid, proven by a verified notice or query.
    Paid,
    /// Closed unpaid at the channel (by us, by the merchant or by time).
    Closed,
    /// A payment-code order, or a payment at UnionPay, undone at the channel: closed if it was unpaid, paid back if it was paid.
    Reversed,
    /// Pass-through with the merchant's keys: never learned, and the channel's own expiry is over.
    Unresolved,
}

impl AttemptState {
    /// True once nothing more can happen to the attempt but refunds and a reverse.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            AttemptState::NotPlaced
                | AttemptState::Paid
                | AttemptState::Closed
                | AttemptState::Reversed
                | AttemptState::Unresolved
        )
    }
}

/// State of one refund.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Waits for the merchant's release; nothing was sent.
    Held,
    /// On record, perhaps sent, no answer yet.
    Intended,
    /// The channel works on it.
    Processing,
    /// Sent, outcome unknown; the sweep finds out.
    Unknown,
    /// The money is back at its source.
    Succeeded,
    /// The channel refused or closed it; no money moved. The amount may be refunded again.
    Failed,
    /// The payer's account cannot take it; the channel needs another way.
    Abnormal,
    /// A held refund that was withdrawn; nothing was sent.
    Cancelled,
    /// Sent with the merchant's keys; nothing passed through within the channel's own window.
    Unresolved,
}

impl RefundState {
    /// True once the channel will not change it by itself.
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            RefundState::Succeeded
                | RefundState::Failed
                | RefundState::Abnormal
                | RefundState::Cancelled
                | RefundState::Unresolved
        )
    }

    /// True while the amount must be counted against the order.
    pub const fn reserves(self) -> bool {
        !matches!(self, RefundState::Failed | RefundState::Cancelled)
    }
}

/// Where an abnormal refund goes instead of back to its source (WeChat, channels.md 1.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundWay {
    /// A bank card of the payer's own; the channel holds its name against the payer's.
    PayerCard,
    /// The bank account that the channel has on file for the merchant, who pays the payer back by itself.
    MerchantAccount,
}

/// How we know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Proof {
    /// The channel's direct answer to the request.
    Answer,
    /// A verified query answer.
    Query,
    /// A verified notice.
    Notice,
}

/// What the payer needs to reach a placed order. Facts, not buyer data. Expires; a replay renews it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Text to draw as a QR code (`code_url`, `qr_code`).
    Code(Arc<str>),
    /// WeChat prepay id, to be signed into call-up parameters; UnionPay `tn`, which needs no signature.
    Prepay(Arc<str>),
    /// Alipay trade number for the in-app cashier.
    Cashier(TradeNo),
    /// An address for the payer's browser (`h5_url`).
    Link(Arc<str>),
    /// Handed out, signed, with the free texts of the order in it; so the text itself is kept nowhere, and a repeat is
    /// signed anew ([`PayWay::is_handed_out`]).
    HandedOut,
}

/// Several orders that one payment pays, all or none (WeChat 合单). Each is an order of its own with its own number, amount
/// and payee, and is refunded on its own; asked for and closed they are together only (channels.md 1.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Combined {
    /// The number of them all.
    pub number: ChannelNo,
    /// Each of them.
    pub parts: Vec<CombinedPart>,
}

/// One of several orders that are paid together.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct CombinedPart {
    /// Its number at the channel.
    pub number: ChannelNo,
    /// Who is paid.
    pub payee: PayeeNo,
}

/// A payment as its channel states it.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PaidFacts {
    /// What the order was for, fen.
    pub amount: Amount,
    /// Funding bank and card kind where the channel tells (class C1), such as `CMC_DEBIT`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub bank_type: Option<Arc<str>>,
    /// Number of the attempt at the channel.
    pub number: ChannelNo,
    /// When the payer paid, by the channel's clock.
    pub paid_at: Instant,
    /// The channel's number of the trade.
    pub trade_no: TradeNo,
}
