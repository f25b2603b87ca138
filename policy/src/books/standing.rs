//! Which differences stand. What a bill did not have is called missing at first; a later bill's word on the same movement is
//! the one that counts.

use domain::{AccountNo, BillKind, Channel, ChannelNo, DifferenceKind, Movement, TradeEvent};

/// The movement that a difference is about, whichever day's bill says it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct About {
    kind: BillKind,
    channel: Channel,
    account: AccountNo,
    movement: Movement,
    number: Option<ChannelNo>,
    refund: Option<ChannelNo>,
}

impl About {
    /// Of a difference; `None` for every other entry.
    pub fn of(event: &TradeEvent) -> Option<About> {
        let TradeEvent::BillDiffers {
            bill,
            movement,
            number,
            refund,
            ..
        } = event
        else {
            return None;
        };
        Some(About {
            kind: bill.kind,
            channel: bill.channel,
            account: bill.account.clone(),
            movement: *movement,
            number: number.clone(),
            refund: refund.clone(),
        })
    }
}

/// Its day's bill did not have it: that stands until a later word [`settles`] it.
pub fn is_missing(event: &TradeEvent) -> bool {
    matches!(
        event,
        TradeEvent::BillDiffers {
            bill_trade_no: None,
            ..
        }
    ) && settles(event)
}

/// A word on what may have been missing before: another day's bill has it, or does not have it either.
pub fn settles(event: &TradeEvent) -> bool {
    matches!(
        event,
        TradeEvent::BillDiffers {
            difference: DifferenceKind::OnlyHere | DifferenceKind::Day,
            ..
        }
    )
}
