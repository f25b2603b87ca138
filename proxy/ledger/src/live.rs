//! Orders that UnionPay may still change, by account and age: a refund or cancel there may name one by a number that is not
//! on record yet, and no other channel makes us look for an order so.

use crate::order::Order;
use domain::{AccountNo, Channel, Instant, PaymentId};
use std::collections::{BTreeSet, HashMap};

/// Where an order stands among those of its account.
pub(crate) type Place = (Instant, PaymentId);

#[derive(Default)]
pub(crate) struct Live(HashMap<AccountNo, BTreeSet<Place>>);

impl Live {
    /// True where this order has no place here, whatever becomes of it.
    pub(crate) fn passes_by(order: &Order) -> bool {
        places(order).next().is_none()
    }

    /// An order was begun, or changed from what it was.
    pub(crate) fn follow(&mut self, before: Option<&Order>, now: &Order) {
        before.into_iter().for_each(|before| self.leave(before));
        self.enter(now);
    }

    /// As it stands.
    pub(crate) fn enter(&mut self, order: &Order) {
        if order.is_live() {
            for (account, place) in places(order) {
                self.0.entry(account.clone()).or_default().insert(place);
            }
        }
    }

    /// As it stood.
    pub(crate) fn leave(&mut self, order: &Order) {
        for (account, place) in places(order) {
            if let Some(all) = self.0.get_mut(account) {
                all.remove(&place);
                if all.is_empty() {
                    self.0.remove(account);
                }
            }
        }
    }

    /// The newest of an account's, older than this one.
    pub(crate) fn newest(&self, account: &AccountNo, than: Option<Place>, most: usize) -> Vec<Place> {
        let Some(all) = self.0.get(account) else {
            return Vec::new();
        };
        let older = match than {
            Some(than) => all.range(..than),
            None => all.range(..),
        };
        older.rev().take(most).copied().collect()
    }
}

fn places(order: &Order) -> impl Iterator<Item = (&AccountNo, Place)> {
    let there = order.attempts.iter().filter(|a| a.channel == Channel::Unionpay);
    there.map(|a| (&a.account, (a.at, order.id)))
}
