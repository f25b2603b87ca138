//! The amount that a payer types at a static code.

use super::{Scanned, ask::Asked};
use domain::Amount;
use vault::Text;

/// What is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrong {
    /// No amount.
    Form,
    /// More than a code of this level may take; the most.
    TooMuch(Amount),
}

/// The amount where the payer must type it; `None` where the code says it.
//= C69
pub(super) fn amount(scanned: &Scanned, typed: Option<&Text>) -> Result<Option<Amount>, Wrong> {
    if scanned.code.facts.amount.is_some() {
        return Ok(None);
    }
    let typed = typed.ok_or(Wrong::Form)?.expose().trim();
    let amount = Amount::parse_yuan(typed)
        .ok()
        .filter(|amount| !amount.is_zero())
        .ok_or(Wrong::Form)?;
    match policy::order_ceiling_by_code(scanned.code.facts.code.level) {
        Some(most) if amount > most => Err(Wrong::TooMuch(most)),
        _ => Ok(Some(amount)),
    }
}

/// What was typed, to be put right where it stands: digits and a point, nothing else comes back.
pub(super) fn typed(asked: &Asked) -> Option<String> {
    let typed = asked.field("amount")?.expose().trim();
    let plain = typed.len() <= 12 && typed.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    plain.then(|| typed.to_owned())
}

/// The payer says that the former way was not paid.
pub(super) fn says_left(asked: &Asked) -> bool {
    asked.field("unpaid").is_some_and(|said| said.expose() == "yes")
}
