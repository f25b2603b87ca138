//! Opens only what this channel needs, sends, reads the answer. What leaves here is on record, durable.

use crate::{
    app::App,
    combined, errand,
    fault::Stop,
    passthrough,
    payment::{Cargo, Errand, Recorded},
    settle::Settled,
    stage::{End, Response},
};
use ledger::{Held, Order};
use policy::registry::MerchantFacts;
use std::sync::Arc;

/// To the channel.
pub struct Send(pub App);

/// What came of it, to be recorded.
pub struct Sent {
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) order: Arc<Order>,
    pub(crate) errand: Errand,
    pub(crate) settled: Settled,
    /// The channel's own answer, for a native caller.
    pub(crate) native: Option<Response>,
    pub(crate) held: Held,
    /// The same for the other orders of a group that is paid together.
    pub(crate) also: Vec<(Arc<Order>, Settled, Held)>,
}

impl End<Recorded> for Send {
    type Out = Sent;

    async fn run(&self, recorded: Recorded) -> Result<Sent, Stop> {
        let Recorded {
            merchant,
            order,
            account,
            cargo,
            texts,
            errand,
            held,
            also,
        } = recorded;
        let (others, holds): (Vec<_>, Vec<_>) = also
            .into_iter()
            .map(|(order, errand, held)| ((order, errand), held))
            .unzip();
        let (settled, also, native) = match cargo {
            Cargo::Verbatim(verbatim) => {
                let (settled, also, native) =
                    passthrough::forward(&self.0, &account, &order, &errand, &others, verbatim).await;
                (settled, also, Some(native))
            }
            Cargo::Compose if !others.is_empty() => {
                let (settled, also) =
                    combined::perform(&self.0, &account, &order, &errand, &others, texts).await;
                (settled, also, None)
            }
            Cargo::Compose => (
                errand::perform(&self.0, &account, &order, &errand, texts).await,
                Vec::new(),
                None,
            ),
        };
        let also = others
            .into_iter()
            .zip(also)
            .zip(holds)
            .map(|(((order, _), settled), held)| (order, settled, held))
            .collect();
        Ok(Sent {
            merchant,
            order,
            errand,
            settled,
            native,
            held,
            also,
        })
    }
}
