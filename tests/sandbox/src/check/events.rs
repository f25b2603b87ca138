//! What a notice is about, before it is put into a language.

use domain::Instant;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Paid,
    Refunded,
    /// Of an order that was paid: an older close that comes too late, or the end after all went back.
    Closed,
    /// Nobody paid, and nobody may any more.
    ClosedUnpaid,
    /// A kind that this version of the notices does not have.
    Unheard,
}

/// Who was paid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Whose {
    Ours,
    /// Another merchant's account.
    OtherAccount,
    /// Another seller, through the merchant's own app (Alipay).
    OtherSeller,
}

/// An order as the endpoint knows it.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) no: String,
    pub(super) fen: u64,
    /// Its number with the service.
    pub(super) id: String,
}

/// One event; a repeat is the same event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) id: String,
    pub(super) seq: u64,
    pub(super) kind: Kind,
    pub(super) order: Order,
    pub(super) happened: Instant,
    pub(super) whose: Whose,
    /// Something of the order has gone back by the time that it is told.
    pub(super) gone_back: bool,
    /// Texts of the greatest length.
    pub(super) large: bool,
    /// Fields that a later version may add.
    pub(super) further: bool,
}
