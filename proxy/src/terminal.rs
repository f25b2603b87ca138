//! What a terminal's own key may do (R22): place orders in its name, ask for its own, reverse its own. All else is the
//! merchant's, whose other keys do it; another terminal's order looks the same as none.

use crate::{
    app::App,
    fault::{Code, Fault},
    payment::Command,
};
use domain::TerminalNo;
use ledger::Order;
use std::sync::Arc;

/// Binds a request to the terminal whose key has signed it.
//= C71
pub(crate) async fn bound(app: &App, terminal: &TerminalNo, command: &mut Command) -> Result<(), Fault> {
    match command {
        Command::Create(create) => match &create.terminal {
            None => {
                create.terminal = Some(terminal.clone());
                Ok(())
            }
            Some(named) if named == terminal => Ok(()),
            Some(_) => Err(Fault::new(
                Code::OperationNotAllowed,
                "`terminal` must be the one whose key has signed; leave it out and it is.",
            )),
        },
        Command::Reverse(of) => {
            let order = app
                .order(&of.id)
                .await?
                .ok_or_else(|| Fault::of(Code::NotFound))?;
            own(Some(terminal), order).map(drop)
        }
        Command::Close(_)
        | Command::Refund(_)
        | Command::Release(..)
        | Command::Cancel(..)
        | Command::Redirect(..) => Err(not_for_terminals()),
    }
}

/// The order, if it is this terminal's; for a key of the merchant itself, any.
pub(crate) fn own(terminal: Option<&TerminalNo>, order: Arc<Order>) -> Result<Arc<Order>, Fault> {
    match terminal {
        Some(terminal)
            if order
                .attempts
                .iter()
                .any(|attempt| attempt.terminal.as_ref() != Some(terminal)) =>
        {
            Err(Fault::of(Code::NotFound))
        }
        _ => Ok(order),
    }
}

/// The merchant's own keys do this.
pub(crate) fn not_for_terminals() -> Fault {
    Fault::new(
        Code::OperationNotAllowed,
        "A terminal's key places, asks for and reverses its own orders; this is done with another key of the merchant.",
    )
}
