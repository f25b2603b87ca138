//! How things stand in a snapshot: octets without names, each kind of thing with one spelling, read where they stand.
//!
//! Serde's formats without names do not read what our types write, which leave out what is not there; and none of them lets
//! a million orders share the name of their merchant. So the forms are listed here ([`super::forms`]), and a list that lacks
//! a field or a word of its type does not compile. The digest of all lists stands in front of each snapshot ([`digest`]): what
//! a build with other lists wrote is refused, whatever its octets would mean here.

use crate::Order;
use domain::*;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    sync::Arc,
};

/// What can stand in a snapshot. [`Form::take`] yields `None` for what cannot.
pub(super) trait Form: Sized {
    fn shape(of: &mut Shape);
    fn put(&self, out: &mut Out<'_>);
    fn take(from: &mut In<'_>) -> Option<Self>;
}

/// The digest of a form, with all forms in it. `meaning` is raised where something means something else in the same form.
pub(super) fn digest<T: Form>(meaning: u32) -> [u8; 32] {
    let mut shape = Shape(Sha256::new());
    shape.word(&meaning.to_string());
    T::shape(&mut shape);
    shape.0.finalize().into()
}

pub(super) struct Shape(Sha256);

impl Shape {
    pub(super) fn word(&mut self, word: &str) {
        self.0.update(word);
        self.0.update(b"\n");
    }

    /// The form of a field, by how the field is got at.
    pub(super) fn field<S, T: Form>(&mut self, _: impl Fn(&S) -> &T) {
        T::shape(self);
    }
}

/// Names that many orders share: each stands in front once, and wherever it occurs it is one text in memory.
#[derive(Default)]
pub(super) struct Names {
    pub(super) merchants: Vec<MerchantId>,
    pub(super) accounts: Vec<AccountNo>,
    pub(super) payees: Vec<PayeeNo>,
    pub(super) apps: Vec<AppNo>,
}

/// Where each of them stands.
#[derive(Default)]
pub(super) struct Places {
    merchants: HashMap<MerchantId, u64>,
    accounts: HashMap<AccountNo, u64>,
    payees: HashMap<PayeeNo, u64>,
    apps: HashMap<AppNo, u64>,
}

impl Names {
    /// Of these orders.
    pub(super) fn of<'a>(orders: impl Iterator<Item = &'a Order>) -> (Names, Places) {
        fn see<T: Clone + Eq + Hash>(name: &T, names: &mut Vec<T>, places: &mut HashMap<T, u64>) {
            if !places.contains_key(name) {
                places.insert(name.clone(), names.len() as u64);
                names.push(name.clone());
            }
        }
        let (mut names, mut places) = (Names::default(), Places::default());
        for order in orders {
            see(&order.merchant, &mut names.merchants, &mut places.merchants);
            for attempt in &order.attempts {
                see(&attempt.account, &mut names.accounts, &mut places.accounts);
                see(&attempt.payee, &mut names.payees, &mut places.payees);
                for app in attempt.appid.iter().chain(&attempt.sub_appid) {
                    see(app, &mut names.apps, &mut places.apps);
                }
            }
        }
        (names, places)
    }
}

pub(super) struct Out<'a> {
    pub(super) octets: Vec<u8>,
    pub(super) places: &'a Places,
}

pub(super) struct In<'a> {
    pub(super) rest: &'a [u8],
    pub(super) names: &'a Names,
}

impl<'a> Out<'a> {
    pub(super) fn with(places: &'a Places) -> Self {
        Out {
            octets: Vec::new(),
            places,
        }
    }

    /// Seven bits an octet, the low ones first.
    pub(super) fn count(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.octets.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.octets.push(n as u8);
    }

    fn text(&mut self, text: &str) {
        self.count(text.len() as u64);
        self.octets.extend_from_slice(text.as_bytes());
    }
}

impl<'a> In<'a> {
    pub(super) fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    fn octets<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*first)
    }

    /// A count; one with an end that says nothing has another spelling.
    pub(super) fn count(&mut self) -> Option<u64> {
        let (mut n, mut shift) = (0, 0);
        loop {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            n |= bits << shift;
            if octet & 0x80 == 0 {
                return (bits > 0 || shift == 0).then_some(n);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// A count of things of an octet at least, all of which must still be there.
    fn length(&mut self) -> Option<usize> {
        let length = usize::try_from(self.count()?).ok()?;
        (length <= self.rest.len()).then_some(length)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.length()?;
        let (text, rest) = self.rest.split_at(length);
        self.rest = rest;
        std::str::from_utf8(text).ok()
    }
}

macro_rules! numbers {
    ($($ty:ty),+) => { $(
        impl Form for $ty {
            fn shape(of: &mut Shape) {
                of.word(stringify!($ty));
            }
            fn put(&self, out: &mut Out<'_>) {
                out.octets.extend_from_slice(&self.to_le_bytes());
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                from.octets().map(<$ty>::from_le_bytes)
            }
        }
    )+ };
}

numbers!(u16, u32, u64);

macro_rules! measured {
    ($($ty:ident as $number:ty: $from:ident, $to:ident);+) => { $(
        impl Form for $ty {
            fn shape(of: &mut Shape) {
                of.word(stringify!($ty as $number));
            }
            fn put(&self, out: &mut Out<'_>) {
                out.octets.extend_from_slice(&self.$to().to_le_bytes());
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                from.octets().map(<$number>::from_le_bytes).map($ty::$from)
            }
        }
    )+ };
}

measured!(Amount as u64: from_fen, fen; Instant as i64: from_millis, millis; Day as i32: from_number, number);

macro_rules! digests {
    ($($ty:ident),+) => { $(
        impl Form for $ty {
            fn shape(of: &mut Shape) {
                of.word(stringify!($ty));
            }
            fn put(&self, out: &mut Out<'_>) {
                out.octets.extend_from_slice(self.as_bytes());
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                from.octets().map($ty::from_bytes)
            }
        }
    )+ };
}

digests!(PaymentId, Digest, KeyedDigest, Token);

macro_rules! names {
    ($($ty:ident),+) => { $(
        impl Form for $ty {
            fn shape(of: &mut Shape) {
                of.word(stringify!($ty));
            }
            fn put(&self, out: &mut Out<'_>) {
                out.text(self.as_str());
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                $ty::new(from.text()?).ok()
            }
        }
    )+ };
}

names!(
    AcquirerNo, BankNo, ChannelNo, CodeId, CodeNo, MeasureId, OrderNo, RefundNo, TerminalNo, TradeNo
);

/// By its place among the names in front, from 1; or 0 and itself.
macro_rules! shared {
    ($($ty:ident in $table:ident),+) => { $(
        impl Form for $ty {
            fn shape(of: &mut Shape) {
                of.word(stringify!($ty in $table));
            }
            fn put(&self, out: &mut Out<'_>) {
                match out.places.$table.get(self) {
                    Some(place) => out.count(place + 1),
                    None => {
                        out.count(0);
                        out.text(self.as_str());
                    }
                }
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                match from.count()?.checked_sub(1) {
                    Some(place) => from.names.$table.get(usize::try_from(place).ok()?).cloned(),
                    None => $ty::new(from.text()?).ok(),
                }
            }
        }
    )+ };
}

shared!(MerchantId in merchants, AccountNo in accounts, PayeeNo in payees, AppNo in apps);

impl Form for bool {
    fn shape(of: &mut Shape) {
        of.word("bool");
    }
    fn put(&self, out: &mut Out<'_>) {
        out.octets.push(u8::from(*self));
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        match from.octet()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }
}

impl Form for Arc<str> {
    fn shape(of: &mut Shape) {
        of.word("text");
    }
    fn put(&self, out: &mut Out<'_>) {
        out.text(self);
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        from.text().map(Arc::from)
    }
}

impl<T: Form> Form for Arc<T> {
    fn shape(of: &mut Shape) {
        T::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        (**self).put(out);
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        T::take(from).map(Arc::new)
    }
}

impl<T: Form> Form for Box<T> {
    fn shape(of: &mut Shape) {
        T::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        (**self).put(out);
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        T::take(from).map(Box::new)
    }
}

impl<T: Form> Form for Option<T> {
    fn shape(of: &mut Shape) {
        of.word("perhaps");
        T::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        self.is_some().put(out);
        self.iter().for_each(|there| there.put(out));
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        if bool::take(from)? {
            T::take(from).map(Some)
        } else {
            Some(None)
        }
    }
}

impl<T: Form> Form for Vec<T> {
    fn shape(of: &mut Shape) {
        of.word("list");
        T::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        out.count(self.len() as u64);
        self.iter().for_each(|one| one.put(out));
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        let length = from.length()?;
        let mut all = Vec::with_capacity(length);
        for _ in 0..length {
            all.push(T::take(from)?);
        }
        Some(all)
    }
}

impl<K: Form + Ord, V: Form> Form for BTreeMap<K, V> {
    fn shape(of: &mut Shape) {
        of.word("by");
        K::shape(of);
        V::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        out.count(self.len() as u64);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        let mut all = BTreeMap::new();
        for _ in 0..from.length()? {
            let key = K::take(from)?;
            if all.last_key_value().is_some_and(|(last, _)| *last >= key) {
                return None;
            }
            all.insert(key, V::take(from)?);
        }
        Some(all)
    }
}

impl<A: Form, B: Form> Form for (A, B) {
    fn shape(of: &mut Shape) {
        of.word("two");
        A::shape(of);
        B::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
        self.1.put(out);
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

impl<A: Form, B: Form, C: Form> Form for (A, B, C) {
    fn shape(of: &mut Shape) {
        of.word("three");
        A::shape(of);
        B::shape(of);
        C::shape(of);
    }
    fn put(&self, out: &mut Out<'_>) {
        self.0.put(out);
        self.1.put(out);
        self.2.put(out);
    }
    fn take(from: &mut In<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?, C::take(from)?))
    }
}
