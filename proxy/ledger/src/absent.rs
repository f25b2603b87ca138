//! Numbers that the index was just found not to have: a new order is looked for by `claim` and once more under its shard's
//! lock, and between the two nothing but its own beginning can bring it about.

use domain::PaymentId;

/// So many are remembered in one shard.
const MOST: usize = 32;

/// Of one shard.
#[derive(Default)]
pub(crate) struct Absent {
    /// Orders that began in this shard, ever: whoever looked before one did remembers nothing of what it saw.
    begun: u64,
    ids: Vec<PaymentId>,
}

impl Absent {
    /// `None` where it is surely not there; else what [`Absent::remember`] wants.
    pub(crate) fn ask(&self, id: &PaymentId) -> Option<u64> {
        (!self.ids.contains(id)).then_some(self.begun)
    }

    /// The index does not have it; `seen` is from before that was looked up.
    pub(crate) fn remember(&mut self, id: &PaymentId, seen: u64) {
        if seen != self.begun {
            return;
        }
        if self.ids.len() == MOST {
            self.ids.remove(0);
        }
        self.ids.push(*id);
    }

    /// It begins. Called under the lock under which it comes into memory, before it is there.
    pub(crate) fn is_there(&mut self, id: &PaymentId) {
        self.begun += 1;
        self.ids.retain(|other| other != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> PaymentId {
        PaymentId::from_bytes([n; 16])
    }

    #[test]
    fn what_began_is_never_called_absent_however_late_somebody_looked() {
        let mut absent = Absent::default();
        let early = absent.ask(&id(1)).expect("not known");
        let seen = absent.ask(&id(1)).expect("not known");
        absent.remember(&id(1), seen);
        assert_eq!(absent.ask(&id(1)), None);
        absent.is_there(&id(1));
        assert!(absent.ask(&id(1)).is_some());
        // Looked at the index before it began, and says so only now.
        absent.remember(&id(1), early);
        assert!(absent.ask(&id(1)).is_some());
    }

    #[test]
    fn few_are_remembered() {
        let mut absent = Absent::default();
        for n in 0..=MOST as u8 {
            absent.remember(&id(n), 0);
        }
        assert!(absent.ask(&id(0)).is_some() && absent.ask(&id(1)).is_none());
        assert_eq!(absent.ids.len(), MOST);
    }
}
