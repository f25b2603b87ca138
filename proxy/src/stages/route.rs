//! An account of the merchant at the channel, and who holds its key.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    payment::{Cargo, Claimed, Command, Routed},
    stage::Stage,
};
use domain::{AccountNo, Channel};

/// Over the registries.
pub struct Route(pub App);

impl Stage<Claimed> for Route {
    type Out = Routed;

    async fn run(&self, claimed: Claimed) -> Result<Routed, Stop> {
        let (channel, wanted) = wanted(&claimed)?;
        let registries = self.0.registries();
        let registries = &registries;
        let merchant = registries.merchant(&claimed.sealed.merchant.id).unwrap_or(&claimed.sealed.merchant);
        let of_channel = || merchant.accounts.iter().filter(|a| a.channel == channel);
        let chosen = match &wanted {
            Some(account) => of_channel().find(|a| a.account == *account),
            None => of_channel().next(),
        };
        let chosen = chosen.ok_or_else(|| {
            Fault::new(Code::OperationNotAllowed, format!("This merchant has no such account at {channel}; ask the acquirer to register it."))
        })?;
        if let Command::Create(create) = &claimed.sealed.command {
            //= C53
            if create.terminal.as_ref().is_some_and(|no| !merchant.terminals.iter().any(|t| t.no == *no)) {
                return Err(Fault::new(Code::InvalidField, "`terminal` must be one that the acquirer has registered for this merchant.").into());
            }
        }
        let payee = match (&claimed.sealed.command, &claimed.order) {
            (Command::Create(create), _) => create.payee.clone(),
            (_, Some(order)) => Some(order.winner().map_or(order.latest(), |(_, attempt)| attempt).payee.clone()),
            (_, None) => None,
        };
        self.0.channel_rate(channel).map_err(|wait| Fault::of(Code::TooManyRequests).retry(wait))?;
        let (account, keys) = (self.0.account(chosen, payee.as_ref()), chosen.keys);
        Ok(Routed { claimed, account, keys })
    }
}

/// The channel, and the account where it is not ours to choose.
fn wanted(claimed: &Claimed) -> Result<(Channel, Option<AccountNo>), Fault> {
    if let Cargo::Verbatim(verbatim) = &claimed.sealed.cargo {
        return Ok((verbatim.channel, Some(verbatim.account.clone())));
    }
    match (&claimed.sealed.command, &claimed.order) {
        (Command::Create(create), _) => Ok((create.channel, create.account.clone())),
        (_, Some(order)) => {
            let attempt = order.winner().map_or(order.latest(), |(_, attempt)| attempt);
            Ok((attempt.channel, Some(attempt.account.clone())))
        }
        (_, None) => Err(Fault::of(Code::NotFound)),
    }
}
