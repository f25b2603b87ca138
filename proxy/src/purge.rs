//! Keys die on time. Nothing else is done by this task, so that nothing can keep a key alive: not merchants who do not
//! answer, not a drain that waits for a channel.

use crate::app::App;
use domain::TradeEvent;
use std::time::Duration;
use tokio::sync::watch;

/// A bucket that was begun a moment ago is seen within this time.
const LOOK: Duration = Duration::from_millis(500);

/// Kills each key when its time has come and puts it on record, until the `end` of everything that may seal.
//= C34
pub(crate) async fn run(app: App, mut end: watch::Receiver<bool>) {
    loop {
        let now = app.clock().since_boot();
        let next = app.vault().next_purge();
        let wait = next.map_or(LOOK, |at| at.saturating_sub(now)).min(LOOK);
        tokio::select! {
            () = crate::accept::stopped(&mut end) => return,
            () = tokio::time::sleep(wait.max(Duration::from_millis(5))) => {}
        }
        let dying = app.clone();
        // Off the threads of the road: what lay under a dead key is looked for on the disk.
        match tokio::task::spawn_blocking(move || dead(&dying)).await {
            Ok(events) if events.is_empty() => {}
            Ok(events) => match app.ledger().note(None, events).await {
                Ok(_) => app.vault().epochs_recorded(),
                Err(error) => tracing::error!(%error, "the end of keys could not be put on record"),
            },
            Err(error) => tracing::error!(%error, "keys could not be looked through"),
        }
    }
}

fn dead(app: &App) -> Vec<TradeEvent> {
    let mut events = app.vault().purge_due();
    app.metrics().purged(events.len() as u64);
    match app.vault().roll_epochs() {
        Ok(epochs) => events.extend(epochs),
        Err(error) => tracing::error!(%error, "a token epoch could not be begun or ended"),
    }
    events
}
