//! A code that payers scan, as the merchant asks for it: with an order's number it is for that order, without one it is
//! static.

use super::{Fields, body, code, ends_too_soon, expires};
use crate::{
    accept::Received,
    fault::{Code, Fault},
};
use domain::*;
use ledger::NewCode;
use std::sync::Arc;
use vault::Text;

const FIELDS: [&str; 8] = [
    "code_no",
    "order_no",
    "amount",
    "payee",
    "code",
    "title",
    "terminal",
    "expires_at",
];

/// The longest text on a code, characters.
const MOST_TITLE: usize = 40;

/// Reads it.
pub fn new_code(received: &Received) -> Result<NewCode, Fault> {
    let value = body(received)?;
    let fields = Fields::new(&value, "", &FIELDS)?;
    let order_no = fields.name("order_no", |t| OrderNo::new(t))?;
    let amount = value.get("amount").map(|_| fields.amount("amount")).transpose()?;
    let kind = match (&order_no, value.get("code")) {
        (None, None) => domain::Code {
            kind: CodeKind::Static,
            level: CodeLevel::D,
        },
        _ => code(&value)?,
    };
    match (kind.kind, &order_no, amount) {
        (CodeKind::Static, Some(_), _) => {
            return Err(fields.wrong(
                "code",
                "dynamic where `order_no` is there: a static code is the same for every payer and order",
            ));
        }
        (CodeKind::Dynamic, None, _) => {
            return Err(fields.wrong("order_no", "there for a dynamic code: the order that it is for"));
        }
        (CodeKind::Dynamic, _, None) => {
            return Err(fields.wrong("amount", "there for a dynamic code: a whole number of fen"));
        }
        _ => {}
    }
    let expires = match expires(&fields, received.at)? {
        Some((_, true)) => return Err(ends_too_soon()),
        end => end.map(|(at, _)| at),
    };
    if kind.kind == CodeKind::Static && expires.is_some() {
        return Err(fields.wrong(
            "expires_at",
            "absent for a static code: it stands until it is revoked",
        ));
    }
    //= C69
    if let (Some(amount), Some(most)) = (amount, policy::order_ceiling_by_code(kind.level))
        && amount > most
    {
        return Err(Fault::new(
            Code::AmountOverLimit,
            format!(
                "`amount` is above {} fen, the most that a code of this level may take.",
                most.fen()
            ),
        ));
    }
    let title = fields.text("title", MOST_TITLE)?;
    //= C68
    if title.is_some_and(|title| vault::pattern::scan(&Text::from(title)).is_some()) {
        return Err(fields.wrong(
            "title",
            "what everybody may read: it looks like a card, identity or phone number",
        ));
    }
    Ok(NewCode {
        code_no: fields.must(
            "code_no",
            "there: your own number of the code",
            fields.name("code_no", |t| CodeNo::new(t))?,
        )?,
        code: kind,
        amount,
        order_no,
        payee: fields.name("payee", |t| PayeeNo::new(t))?,
        expires,
        terminal: fields.name("terminal", |t| TerminalNo::new(t))?,
        title: title.map(Arc::from),
    })
}
