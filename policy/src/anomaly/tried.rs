//! What T10, T16 and T26 look at: an attempt that came to an end at the payer's hands, paid or declined.

use super::{finding::Scope, orders::Intended};
use domain::{Amount, Channel, Instant, MerchantId, PayerToken, PaymentId};

/// An attempt that was paid or declined. Its time is the journal's, which rises but for clocks set back, so that a window
/// over attempts needs no place for late ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried<'a> {
    /// Index of its `AttemptPaid`, `AttemptNotPlaced` or `AttemptDeclined`.
    pub(super) index: u64,
    /// When that was put on record.
    pub(super) at: Instant,
    pub(super) merchant: &'a MerchantId,
    pub(super) scope: &'a Scope,
    pub(super) order: PaymentId,
    pub(super) channel: Channel,
    pub(super) amount: Amount,
    /// Known from the order, or told by the channel.
    pub(super) payer: Option<PayerToken>,
    pub(super) declined: bool,
}

impl<'a> Tried<'a> {
    pub(super) fn of(
        seen: (u64, Instant, &'a MerchantId, &'a Scope),
        order: PaymentId,
        intended: Intended,
        payer: Option<PayerToken>,
        declined: bool,
    ) -> Self {
        let (index, at, merchant, scope) = seen;
        Tried {
            index,
            at,
            merchant,
            scope,
            order,
            channel: intended.channel,
            amount: intended.amount,
            payer: payer.or(intended.payer),
            declined,
        }
    }
}
