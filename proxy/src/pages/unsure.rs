//! Orders of which nobody can tell a payer whether they were paid: a page that called them unpaid would have them paid twice.

use domain::AttemptState;
use ledger::{Attempt, Order, OrderState};

/// Nobody knows whether it was paid: no payment stands, and one may be with a channel that never told, or come from a bank that
/// its payer left.
pub(super) fn is_unsure(order: &Order) -> bool {
    order.winner().is_none() && order.attempts.iter().any(|a| never_told(a) || a.was_left())
}

/// The same, and no channel will tell: a payer is not led to pay again. What a payer left is not meant: of that the payer and
/// the bank have said that there is nothing (C89).
pub(super) fn is_untold(order: &Order) -> bool {
    let open = matches!(
        order.state(),
        OrderState::AwaitingPayment | OrderState::Unknown | OrderState::Reversing
    );
    order.winner().is_none() && !open && order.attempts.iter().any(never_told)
}

fn never_told(attempt: &Attempt) -> bool {
    attempt.state == AttemptState::Unresolved
}
