//! What the registries said of an order when it was intended: rates, and the five elements of its terminal. On record
//! beside the intent, since registries change.

use crate::{app::App, payment::Create};
use domain::*;
use policy::registry::{MerchantFacts, Terminal};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What goes on record.
pub(crate) struct Known {
    pub(crate) rates: Option<RateSnapshot>,
    pub(crate) terminal: Option<Arc<TerminalMatch>>,
}

impl Known {
    /// Of an order about to go to this account.
    pub(crate) fn of(app: &App, merchant: &MerchantId, create: &Create, account: &channel::Account) -> Known {
        let registries = app.registries();
        let facts = registries
            .owner(account.channel, &account.account)
            .filter(|(owner, _)| owner.id == *merchant);
        let Some((merchant, account)) = facts else {
            return Known {
                rates: None,
                terminal: None,
            };
        };
        let terms = merchant.agent.as_ref();
        let rates = account.rate(create.pay_way).map(|rate| RateSnapshot {
            agent: terms.map(|t| t.agent.clone()),
            agent_rate: terms.and_then(|t| t.rate(account.channel, create.pay_way)),
            rate,
        });
        let terminal = create
            .terminal
            .as_ref()
            .and_then(|no| merchant.terminals.iter().find(|t| t.no == *no));
        let registry = registries
            .acquirer_version(&merchant.acquirer)
            .unwrap_or_default();
        Known {
            rates,
            terminal: terminal.map(|t| {
                Arc::new(TerminalMatch {
                    area: t.area.as_str().into(),
                    registry,
                    store: t.store.clone(),
                    term_id: t.term_id.clone(),
                    tuple: tuple(merchant, t),
                })
            }),
        }
    }
}

/// The five elements 五要素 (R22): whoever has the acquirer's file of that version can compute it again.
fn tuple(merchant: &MerchantFacts, terminal: &Terminal) -> Option<Digest> {
    let (uscc, settlement) = (
        merchant.uscc.as_deref()?,
        merchant.settlement.as_ref()?.to_string(),
    );
    let mut hash = Sha256::new();
    for part in [
        "guandao-terminal",
        merchant.acquirer.as_str(),
        merchant.id.as_str(),
        uscc,
        &settlement,
        terminal.no.as_str(),
        &terminal.area,
    ] {
        hash.update(part);
        hash.update("\n");
    }
    Some(Digest::from_bytes(hash.finalize().into()))
}
