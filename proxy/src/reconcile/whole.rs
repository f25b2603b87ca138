//! Numbers of a bill's line made whole. UnionPay's messages take 40 letters of a number, its file has room for 32 and cuts off
//! the rest (channels.md 4.3, 4.5); what it names in full are its own numbers. And a reverse that UnionPay no longer took as a
//! cancel went out as a refund: its line says refund, our record says reversed.

use crate::charge::cancel;
use domain::*;
use ledger::Order;

/// May this line's own number have been cut?
pub(super) fn may_be_cut(channel: Channel, line: &BillLine) -> bool {
    is_cut(channel, line.number.as_ref()) && line.movement == Movement::Payment
}

fn is_cut(channel: Channel, number: Option<&ChannelNo>) -> bool {
    let room = channel::bill::longest_number(channel);
    number.is_some_and(|number| Some(number.as_str().len()) == room)
}

/// The line as our record of its order would name it.
pub(super) fn of(order: &Order, channel: Channel, account: &AccountNo, line: BillLine) -> BillLine {
    let cut = |whole: &ChannelNo, part: &ChannelNo| whole.as_str().starts_with(part.as_str());
    let number = line.number.clone().map(|number| {
        let own = order.attempts.iter().find(|a| {
            a.channel == channel
                && a.account == *account
                && cut(&a.number, &number)
                && a.trade_no() == Some(line.original.as_ref().unwrap_or(&line.trade_no))
        });
        match own {
            Some(attempt) if is_cut(channel, Some(&number)) => attempt.number.clone(),
            _ => number,
        }
    });
    let refund = line.refund.clone().map(|refund| {
        let mut own = order.refunds.iter().filter(|r| cut(&r.number, &refund));
        // Two that look alike are told apart by UnionPay's number, else not at all.
        let first = own.next();
        let only = match own.next() {
            None => first,
            Some(_) => order
                .refunds
                .iter()
                .find(|r| cut(&r.number, &refund) && r.trade_no.as_ref() == Some(&line.trade_no)),
        };
        match only {
            Some(known) if is_cut(channel, Some(&refund)) => known.number.clone(),
            _ => refund,
        }
    });
    let undone = line.movement == Movement::Refund
        && channel == Channel::Unionpay
        && refund
            .as_ref()
            .is_some_and(|refund| cancel::made(order, refund, None));
    BillLine {
        movement: if undone { Movement::Reversal } else { line.movement },
        number,
        refund,
        ..line
    }
}

#[cfg(test)]
#[path = "whole_tests.rs"]
mod tests;
