//! What makes a line of the bill and a record of ours the same movement.

use domain::{BillLine, Channel, ChannelNo, Movement};
use std::hash::{DefaultHasher, Hasher};

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
        let text = |no: Option<&ChannelNo>| no.map(|no| no.as_str().to_owned());
        Some(match movement {
            Movement::Payment => Key::hash(b'p', number?.as_str(), ""),
            Movement::Reversal => Key::hash(b'v', number?.as_str(), ""),
            Movement::Refund if channel == Channel::Alipay => {
                Key::hash(b'r', &text(number)?, refund?.as_str())
            }
            Movement::Refund => Key::hash(b'r', "", refund?.as_str()),
        })
    }

    /// Of a line that is none of ours, by everything that names it.
    pub(super) fn of_stranger(channel: Channel, line: &BillLine) -> Key {
        let own = Key::of(channel, line.movement, line.number.as_ref(), line.refund.as_ref());
        own.unwrap_or_else(|| {
            Key::hash(
                b's' + line.movement as u8,
                line.trade_no.as_str(),
                line.refund.as_ref().map_or("", |no| no.as_str()),
            )
        })
    }

    fn hash(kind: u8, one: &str, two: &str) -> Key {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&[salt, kind]);
            hasher.write(one.as_bytes());
            hasher.write(&[0xff]);
            hasher.write(two.as_bytes());
            hasher.finish()
        };
        Key(half(1), half(2))
    }
}

/// A channel's number in 64 bits, to be compared with one other only.
pub fn mark(trade_no: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(trade_no.as_bytes());
    hasher.finish()
}
