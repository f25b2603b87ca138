//! Whom a channel tells of that mixes its answers up (fault `other_order`): another paid order of the same amount, or such a
//! refund of another order.

use super::order::{Order, State};
use super::world::{Book, Key};

impl Book {
    /// Another paid order of the same merchant, for the same payee and amount.
    pub(crate) fn another(&self, own: &Key) -> Option<Key> {
        let asked = self.orders.get(own)?;
        let fits = |order: &Order| order.state == State::Paid && order.fen == asked.fen;
        self.beside(own, asked)
            .find(|(_, order)| fits(order))
            .map(|(key, _)| key.clone())
    }

    /// A refund of another order, of the same amount as this one: its order and its number.
    pub(crate) fn another_refund(&self, own: &Key, number: &str) -> Option<(Key, String)> {
        let asked = self.orders.get(own)?;
        let fen = asked.refund(number)?.fen;
        self.beside(own, asked).find_map(|(key, order)| {
            let found = order.refunds.iter().find(|refund| refund.fen == fen)?;
            Some((key.clone(), found.out_no.clone()))
        })
    }

    fn beside<'a>(&'a self, own: &'a Key, asked: &'a Order) -> impl Iterator<Item = (&'a Key, &'a Order)> {
        self.orders.iter().filter(move |(key, order)| {
            *key != own && (key.0, key.1) == (own.0, own.1) && order.sub_mchid == asked.sub_mchid
        })
    }
}
