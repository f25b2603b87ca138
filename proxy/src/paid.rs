//! The payer of a payment that the channel stated: a token for the record, and sealed for the merchant's notification.

use crate::{app::App, settle, stages::seal_notice::paid_context};
use channel::{ChannelState, OrderView};
use domain::*;
use ledger::{Attempt, Order};
use vault::{PaidBuyer, Vault};

/// What the record may know of a payer.
#[derive(Default)]
pub(crate) struct Known {
    /// The pseudonym.
    pub(crate) token: Option<PayerToken>,
    /// Where the id lies sealed.
    pub(crate) seal: Option<SealRef>,
}

/// Takes payer and free text out of what the channel stated. They are sealed only for a merchant who will be told, and for
/// a payment that is news; else they are forgotten here. So is whoever paid another order than this.
pub(crate) fn keep_payer(app: &App, order: &Order, attempt: &Attempt, view: &mut OrderView) -> Known {
    if !settle::is_about(attempt, view) {
        (view.payer, view.attach) = (None, None);
        return Known::default();
    }
    let merchant = &order.merchant;
    let token = view
        .payer
        .as_ref()
        .and_then(|payer| app.vault().token(attempt.channel, payer));
    let told = app
        .registries()
        .merchant_on_record(merchant)
        .is_some_and(|m| m.notify.is_some());
    let is_paid = matches!(view.state, ChannelState::Paid(_) | ChannelState::Refunded(_));
    let wanted = told && is_paid && attempt.paid.is_none() && view.payer.is_some();
    let buyer = PaidBuyer {
        payer: view.payer.take(),
        attach: view.attach.take(),
    };
    if !wanted {
        return Known { token, seal: None };
    }
    let context = paid_context(merchant, attempt.channel, &attempt.account, &attempt.number);
    let sealed = app.vault().seal(buyer, &context);
    if let Err(error) = app.vault().keep_to_tell(&sealed, &context, order.id) {
        tracing::warn!(%error, "a payer's sealed id could not be kept");
    }
    Known {
        token,
        seal: Some(Vault::seal_ref(&sealed)),
    }
}
