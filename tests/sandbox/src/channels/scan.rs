//! Payment codes: what the payer of a code does when the shop scans it, as told on command.

use super::fault::Channel;
use super::world::Key;
use std::collections::HashMap;
use std::time::Duration;

/// What the payer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Will {
    /// Pays at once, without a password. So does whoever was told nothing.
    Pay,
    /// Cannot pay.
    Decline,
    /// Must type a password and has typed it so much later; never where that is not said.
    Password(Option<Duration>),
}

/// All codes that were told about or scanned.
#[derive(Debug, Default)]
pub(crate) struct Scans {
    wills: HashMap<(Channel, String), Will>,
    used: HashMap<(Channel, String), Key>,
}

impl Scans {
    /// Tells what the payer of this code will do.
    pub(crate) fn tell(&mut self, channel: Channel, code: &str, will: Will) {
        self.wills.insert((channel, code.to_owned()), will);
    }

    /// The order that a code was scanned for.
    pub(crate) fn order(&self, channel: Channel, code: &str) -> Option<&Key> {
        self.used.get(&(channel, code.to_owned()))
    }

    /// Uses a code up. `None` for one that was used before.
    pub(crate) fn scan(&mut self, code: &str, order: &Key) -> Option<Will> {
        let it = (order.0, code.to_owned());
        if self.used.contains_key(&it) {
            return None;
        }
        self.used.insert(it.clone(), order.clone());
        Some(self.wills.remove(&it).unwrap_or(Will::Pay))
    }

    /// Forgets codes but those of these orders.
    pub(crate) fn retain(&mut self, kept: impl Fn(&Key) -> bool) {
        self.used.retain(|_, key| kept(key));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_used_once_and_does_as_it_was_told() {
        let mut scans = Scans::default();
        let order: Key = (Channel::Alipay, 0, "A1".to_owned());
        scans.tell(Channel::Alipay, "2801", Will::Decline);
        scans.tell(Channel::Wechat, "2802", Will::Decline);
        assert_eq!(scans.scan("2801", &order), Some(Will::Decline));
        assert_eq!(scans.scan("2801", &order), None);
        assert_eq!(
            scans.scan("2802", &order),
            Some(Will::Pay),
            "another channel's code of the same digits"
        );
        assert_eq!(scans.order(Channel::Alipay, "2802"), Some(&order));
    }
}
