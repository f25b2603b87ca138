//! What makes a line of the bill and a record of ours the same movement.

use domain::{BillLine, Channel, ChannelNo, Movement};
use std::{
    hash::{DefaultHasher, Hasher},
    num::NonZeroU64,
};

/// Names a movement of one account in 128 bits: of which kind, by which numbers. Good within one run of the program only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Key(u64, u64);

impl Key {
    /// Of a payment or reversal by the order's number, of a refund by its own. Alipay's refund numbers are good within one
    /// order only (channels.md 3.1); elsewhere the order's number may be missing. `None` where the numbers do not name one.
    pub fn of(
        channel: Channel,
        movement: Movement,
        number: Option<&ChannelNo>,
        refund: Option<&ChannelNo>,
    ) -> Option<Key> {
        let of_order = |kind| Some(Key::hash(kind, number?.as_str().as_bytes(), ""));
        match movement {
            Movement::Payment => of_order(b'p'),
            Movement::Reversal => of_order(b'v'),
            Movement::Refund => Key::of_refund(channel, of_order(b'p'), refund),
        }
    }

    /// The same of a refund, by its payment's key: whoever keeps that need not keep the order's number.
    pub fn of_refund(channel: Channel, payment: Option<Key>, refund: Option<&ChannelNo>) -> Option<Key> {
        let refund = refund?.as_str();
        Some(match channel {
            Channel::Alipay => {
                let Key(high, low) = payment?;
                let order = u128::from(high) << 64 | u128::from(low);
                Key::hash(b'r', &order.to_be_bytes(), refund)
            }
            _ => Key::hash(b'r', b"", refund),
        })
    }

    /// Of a line that is none of ours, by everything that names it.
    pub(super) fn of_stranger(channel: Channel, line: &BillLine) -> Key {
        let own = Key::of(channel, line.movement, line.number.as_ref(), line.refund.as_ref());
        own.unwrap_or_else(|| {
            Key::hash(
                b's' + line.movement as u8,
                line.trade_no.as_str().as_bytes(),
                line.refund.as_ref().map_or("", |no| no.as_str()),
            )
        })
    }

    fn hash(kind: u8, one: &[u8], two: &str) -> Key {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&[salt, kind]);
            hasher.write(one);
            hasher.write(&[0xff]);
            hasher.write(two.as_bytes());
            hasher.finish()
        };
        Key(half(1), half(2))
    }
}

/// A channel's number in 64 bits, to be compared with one other only. Never zero, so that none takes no more room than one.
pub fn mark(trade_no: &str) -> NonZeroU64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(trade_no.as_bytes());
    NonZeroU64::new(hasher.finish()).unwrap_or(NonZeroU64::MIN)
}
