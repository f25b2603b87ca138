//! Terminals (R22). What a terminal's own key may do: place orders in its name, ask for its own, reverse its own; all else is
//! the merchant's, whose other keys do it, and another terminal's order looks the same as none. And what an order says of the
//! device that it comes from, matched against the registries.

use crate::{
    app::App,
    fault::{Code, Fault},
    payment::{Command, Create, Registered},
};
use channel::native::Device;
use domain::TerminalNo;
use ledger::Order;
use policy::registry::{MerchantFacts, Terminal};
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

/// Settles whose the device is that a new order names in a channel's own fields. WeChat calls such a number the merchant's own,
/// so one that nobody registered is no proof of a terminal that nobody registered: it goes on, and that it matched nothing is
/// on record. A number that is a terminal's must be this merchant's, and stand where that is registered to stand.
//= C53
pub(crate) fn settle(app: &App, merchant: &MerchantFacts, create: &mut Create, device: Option<Device>) {
    let Some(device) = device else { return };
    let is = |text: &Option<vault::Text>, known: Option<&str>| {
        text.as_ref().is_some_and(|text| Some(text.expose()) == known)
    };
    let mut own = merchant.terminals.iter();
    let own =
        own.find(|t| is(&device.serial, Some(t.no.as_str())) || is(&device.term_id, t.term_id.as_deref()));
    let others = || {
        let no = device.serial.as_ref()?;
        let no = TerminalNo::new(no.expose()).ok()?;
        app.registries().terminal_owner(&no).cloned()
    };
    create.device = match own {
        Some(known) => {
            create.terminal = Some(known.no.clone());
            place(&device, known)
        }
        None if others().is_some() => Registered::Wrong(
            "The device that the order names is registered as another merchant's terminal; name one of your own, or none.",
        ),
        None => {
            // At UnionPay a number counts as registered where any is.
            let registered = |t: &Terminal| device.term_id.is_none() || t.term_id.is_some();
            match merchant.terminals.iter().any(registered) {
                true => Registered::Unknown,
                false => Registered::None,
            }
        }
    };
}

/// Whether the device stands where it is registered to stand.
fn place(device: &Device, known: &Terminal) -> Registered {
    let area = device.area.as_ref().map(vault::Text::expose);
    let store = device.store.as_ref().map(vault::Text::expose);
    if area.is_some_and(|area| area != known.area) {
        return Registered::Wrong(
            "The order's area_code must be the one that the acquirer has registered for its terminal.",
        );
    }
    match (store, &known.store) {
        (Some(store), Some(shop)) if store != &*shop.id => Registered::Wrong(
            "The order's shop must be the one that the acquirer has registered for its terminal.",
        ),
        _ => Registered::Own,
    }
}

/// How what an order says of its terminal disagrees with the registries, and what would be right.
//= C53
pub(crate) fn disagrees(merchant: &MerchantFacts, create: &Create) -> Option<&'static str> {
    if let Registered::Wrong(fault) = create.device {
        return Some(fault);
    }
    let no = create.terminal.as_ref()?;
    match merchant.terminals.iter().find(|t| t.no == *no) {
        None => Some("`terminal` must be one that the acquirer has registered for this merchant."),
        Some(known) if create.area.as_ref().is_some_and(|area| *area != known.area) => {
            Some("`area` must be the one that the acquirer has registered for this terminal.")
        }
        Some(_) => None,
    }
}
