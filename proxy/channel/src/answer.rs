//! What a channel said to a request.

use domain::{
    AccountNo, Amount, ChannelNo, Instant, KeyRef, Mismatch, PaidFacts, PayeeNo, Reach, RefundState,
    SignMethod, TradeNo, Unclear,
};
use std::sync::Arc;
use vault::{Payer, Text};

/// What must verify before a message counts.
pub struct Signed {
    /// The channel's public key, or the secret that we share with it.
    pub key: KeyRef,
    /// How it is vouched for.
    pub method: SignMethod,
    /// The certificate that came with the message (PEM), where it is that which vouches for it: nothing yet vouches for
    /// the certificate (UnionPay's `signPubKeyCert`, channels.md 4.2).
    pub certificate: Option<Vec<u8>>,
    /// The octets that were signed.
    pub message: Vec<u8>,
    /// The raw signature.
    pub signature: Vec<u8>,
}

impl Signed {
    /// By a key that we have.
    pub fn by(key: KeyRef, message: Vec<u8>, signature: Vec<u8>) -> Signed {
        Signed {
            key,
            method: SignMethod::Signature,
            certificate: None,
            message,
            signature,
        }
    }
}

/// Content that came encrypted (channels.md 3.2). A signature is over this very text and verified first: by us, or of
/// an answer to a merchant's own client by that (TLS vouches for it here).
pub struct Encrypted {
    /// The key that decrypts it.
    pub key: KeyRef,
    /// What to decrypt.
    pub ciphertext: Vec<u8>,
}

/// Whether an answer carries a signature.
pub enum Authentic {
    /// It does; verify it.
    Signed(Signed),
    /// It does not and need not: an error of the channel's front door (channels.md 1.5, 3.2), which proves
    /// neither payment nor closure nor success. The Baidu wallet signs none of its answers (channels.md section 5), nor does CCB (6.3); there
    /// TLS to the licensed host vouches for what they say.
    Unsigned,
}

/// A channel's answer.
pub enum Answer {
    /// The order is placed.
    Placed(Reach),
    /// State of an order.
    State(OrderView),
    /// State of each of several orders that are paid together (合单).
    Combined(Vec<OrderView>),
    /// A payment-code order waits for its payer (10003, `USERPAYING`): a password, most often.
    Waiting,
    /// The order is closed.
    Closed,
    /// What a reverse came to.
    Reversed(ReverseView),
    /// State of a refund.
    Refund(RefundView),
    /// Platform certificates, sealed under the APIv3 key (channels.md 1.7).
    Certificates(Vec<SealedCertificate>),
    /// A certificate and what stands between it and its root, PEM; nothing vouches for it yet (channels.md 3.6).
    Certificate(Vec<u8>),
    /// Where a bill lies.
    Bill(crate::bill::BillPlace),
    /// The bill itself, as it came.
    BillFile(Vec<u8>),
    /// The channel refused.
    Failed(Failure),
    /// The channel refused a charge on the payer's side, and named the payer.
    Declined(Failure, Payer),
    /// It names another order than the request did, or another amount of it; whatever else it says is not of ours.
    Amiss(Mismatch),
    /// Nobody knows.
    Unclear(Unclear),
}

/// A refusal in the channel's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The channel's code.
    pub code: Arc<str>,
    /// What it means.
    pub class: FailureClass,
}

/// What a refusal means (channels.md 1.11, 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FailureClass {
    /// The same request will always be refused.
    Final,
    /// No such order or refund.
    NotFound,
    /// The order is paid.
    AlreadyPaid,
    /// The order is closed.
    AlreadyClosed,
    /// The number was used with other parameters.
    Changed,
    /// The channel has this very request already and says no more: ask.
    Duplicate,
    /// Later and slower.
    Busy,
    /// The channel does not know; ask.
    Unknown,
    /// A refund was refused, and no list says that such a refusal leaves nothing done: ask.
    Unlisted,
    /// The account, its keys, its rights or its limits are not as they must be.
    Setup,
    /// The payee's balance does not suffice.
    PayeeFunds,
}

/// State of an order at its channel.
pub struct OrderView {
    /// The order's number there.
    pub number: ChannelNo,
    /// The time that belongs to the number, where the channel knows an order by both (UnionPay's `txnTime`, channels.md 4.3).
    pub time: Option<Instant>,
    /// State.
    pub state: ChannelState,
    /// Account, where the channel names it.
    pub account: Option<AccountNo>,
    /// Payee, where the channel names it.
    pub payee: Option<PayeeNo>,
    /// Who paid.
    pub payer: Option<Payer>,
    /// Free text that came back.
    pub attach: Option<Text>,
}

/// State of an order in one word for all channels (channels.md 1.11, 3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelState {
    /// Nobody paid yet.
    NotPaid,
    /// Nobody paid yet, and the payer's latest try was refused on the payer's side, with this code or state.
    Declined(Arc<str>),
    /// The payer is at it.
    Paying,
    /// Paid.
    Paid(PaidFacts),
    /// Closed, never paid.
    Closed,
    /// The payer's code was refused for good, with this code of the channel's: nobody was charged and nobody will be.
    Refused(Arc<str>),
    /// Reversed: closed or paid back, the channel does not tell which (`REVOKED`, channels.md 1.11).
    Reversed,
    /// Paid and refunded, in part or in full: look at the refunds.
    Refunded(PaidFacts),
}

/// What a reverse came to (channels.md 2.2, 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReverseView {
    /// The channel wants it again (`retry_flag`, `recall`).
    pub again: bool,
    /// True if money went back, false if there was none to go back; `None` where the channel does not tell.
    pub refunded: Option<bool>,
    /// There was no such order, so nothing was undone: what its payer has not opened may still come (Alipay).
    pub absent: bool,
}

/// State of a refund at its channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundView {
    /// The order's number there.
    pub order: Option<ChannelNo>,
    /// The refund's number there. Alipay's answer to a refund does not repeat it (channels.md 3.1); then this
    /// is the order's number, and the request tells which refund was meant. So it is the account's where the Baidu wallet's does not.
    pub number: ChannelNo,
    /// The time that belongs to the number, as in [`OrderView::time`].
    pub time: Option<Instant>,
    /// State.
    pub state: RefundState,
    /// Fen, where the channel states this refund's own amount and not a sum.
    pub amount: Option<Amount>,
    /// The channel's number of it.
    pub trade_no: Option<TradeNo>,
    /// When the money went back.
    pub refunded_at: Option<Instant>,
}

/// A platform certificate, sealed under the APIv3 key (channels.md 1.7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCertificate {
    /// Serial, hex upper case.
    pub serial: String,
    /// Nonce of the seal.
    pub nonce: Vec<u8>,
    /// Associated data of the seal.
    pub associated_data: Vec<u8>,
    /// Ciphertext and tag.
    pub ciphertext: Vec<u8>,
    /// It counts no longer after this.
    pub expires: Instant,
}

/// Fen as digits, at least 1.
pub(crate) fn fen(digits: &str) -> Option<Amount> {
    let lawful = (1..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let amount = Amount::from_fen(digits.parse().ok().filter(|_| lawful)?);
    (!amount.is_zero() && amount <= Amount::MAX).then_some(amount)
}
