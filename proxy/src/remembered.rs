//! What was made of the registries and keys in force, till these change. Whoever makes something names the generation that
//! was in force before he read them; what a change has overtaken meanwhile is used once and not remembered.

use parking_lot::RwLock;
use std::{
    collections::HashMap,
    hash::Hash,
    sync::atomic::{AtomicU64, Ordering},
};

/// Read it before what a value is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Generation(u64);

pub(crate) struct Remembered<K, V> {
    generation: AtomicU64,
    all: RwLock<HashMap<K, V>>,
}

impl<K, V> Default for Remembered<K, V> {
    fn default() -> Self {
        Remembered {
            generation: AtomicU64::new(0),
            all: RwLock::default(),
        }
    }
}

impl<K: Eq + Hash, V: Clone> Remembered<K, V> {
    /// The generation in force.
    pub(crate) fn generation(&self) -> Generation {
        Generation(self.generation.load(Ordering::Acquire))
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.all.read().get(key).cloned()
    }

    /// Remembers the value unless its generation is over; yields what was remembered before, else the value.
    pub(crate) fn put(&self, made_in: Generation, key: K, value: V) -> V {
        let mut all = self.all.write();
        if made_in == self.generation() {
            all.entry(key).or_insert(value).clone()
        } else {
            value
        }
    }

    /// What values are made of has changed.
    pub(crate) fn forget_all(&self) {
        let mut all = self.all.write();
        self.generation.fetch_add(1, Ordering::AcqRel);
        all.clear();
    }

    pub(crate) fn each(&self, act: impl FnMut(&V)) {
        self.all.read().values().for_each(act);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_has_overtaken_is_not_remembered() {
        let serials = Remembered::default();
        let before = serials.generation();
        let made = "serial 1";
        // The registries change while it is made.
        serials.forget_all();
        assert_eq!(serials.put(before, "account", made), "serial 1", "used once");
        assert_eq!(serials.get(&"account"), None);
        let now = serials.generation();
        assert_eq!(serials.put(now, "account", "serial 2"), "serial 2");
        assert_eq!(
            serials.put(now, "account", "made at the same time"),
            "serial 2",
            "the first stays"
        );
        assert_eq!(serials.put(before, "account", made), "serial 1");
        assert_eq!(serials.get(&"account"), Some("serial 2"));
        serials.forget_all();
        assert_eq!(serials.get(&"account"), None);
    }
}
