//! An account that new orders were moved away from is asked, once it has rested, for an order that does not exist, and so is one
//! whose last call got no answer, half a second later. An
//! answer, whatever it says, means that it can be reached again, and one order at a time may try it out. No payer waits for
//! an account that is still down. Questions about what is handed out are tried out by the probe itself.

use super::of_answer;
use crate::{
    app::App,
    errand,
    exchange::{Exchanged, ask},
};
use domain::*;
use ledger::Lost;
use std::time::Duration;
use tokio::sync::watch;

/// How often breakers are looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Probes until `stop`.
pub(crate) async fn run(app: App, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        for due in app.health().due(app.clock().since_boot()) {
            let app = app.clone();
            tokio::spawn(async move { once(&app, &due).await });
        }
    }
}

async fn once(app: &App, due: &Lost) {
    let registries = app.registries();
    let Some((_, facts)) = registries.owner(due.channel, &due.account) else {
        return app.probed(due, Some(Ailment::Account));
    };
    if facts.keys != Keys::Held {
        // We cannot ask in its name: the next order of its own SDK tells.
        return app.probed(due, None);
    }
    let account = app.account(facts, None, None);
    let number = errand::probe_number(due.channel, &due.account);
    let asked = ask(app, &account, Operation::Query, PayWay::Native, |stamp| {
        channel::query(&account, stamp, PayWay::Native, &number)
    })
    .await;
    let ailment = match &asked {
        // Whether it failed or has its doubts about an order that does not exist: it is not well yet.
        Exchanged::Answer(answer) => of_answer(due.channel, 200, answer),
        Exchanged::NotSent(_) => Some(Ailment::NotConnected),
    };
    app.probed(due, ailment);
}
