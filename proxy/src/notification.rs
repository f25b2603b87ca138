//! The states of one notice of a channel: `Received → Identified → Verified → Opened → Sealed → Matched`.

use crate::accept::Received;
use channel::{OrderView, RefundView};
use domain::*;
use ledger::Order;
use policy::registry::{AccountFacts, MerchantFacts};
use std::sync::Arc;
use vault::{PaidBuyer, Sealed};

/// The path names an account of a merchant.
pub struct Identified {
    pub(crate) received: Received,
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) facts: AccountFacts,
    pub(crate) account: Arc<channel::Account>,
}

/// The channel's signature is good.
pub struct Verified(pub(crate) Identified);

/// Decrypted and read; the payer is in clear.
pub struct Opened {
    pub(crate) notice: Identified,
    /// `None` where only the merchant has the key that opens it.
    pub(crate) says: Option<channel::notice::Notice>,
}

/// Facts apart from what is sealed; plaintext ends here.
pub struct SealedNotice {
    pub(crate) notice: Identified,
    pub(crate) says: Says,
    /// The same of the other orders of a group that is paid together.
    pub(crate) also: Vec<Says>,
}

/// What a notice says, without the payer.
pub(crate) enum Says {
    /// State of an order.
    Order(Box<OrderView>, Option<PayerToken>, Option<Sealed<PaidBuyer>>),
    /// State of a refund, and the order's number at the channel where the notice tells it.
    Refund(Option<ChannelNo>, RefundView),
    /// That there is news of a refund, by what proves nothing: the order's and the refund's number at the channel.
    RefundToAskFor(ChannelNo, ChannelNo),
    /// Nothing of ours.
    Nothing,
    /// Only the merchant can open it.
    Closed,
}

/// The order is known, or surely is none of ours.
pub struct Matched {
    pub(crate) notice: Identified,
    pub(crate) says: Says,
    pub(crate) order: Option<Arc<Order>>,
    /// The same of the other orders of a group that is paid together.
    pub(crate) also: Vec<(Says, Option<Arc<Order>>)>,
}
