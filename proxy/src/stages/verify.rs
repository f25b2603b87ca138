//! The channel's signature over the notice's own octets. Probes are refused.

use crate::{
    app::App,
    certificates,
    fault::{Code, Fault, Stop},
    notification::{Identified, Verified},
    stage::Stage,
};

/// Over the keys.
pub struct Verify(pub App);

impl Stage<Identified> for Verify {
    type Out = Verified;

    async fn run(&self, notice: Identified) -> Result<Verified, Stop> {
        let received = &notice.received;
        let channel = notice.account.channel;
        let refuse = |why: &dyn std::fmt::Display, outcome| {
            self.0.metrics().noticed(channel, outcome);
            Stop::from(Fault::of(Code::WrongSignature).inside(why))
        };
        // A refund's notice of WeChat's V2 is sealed and not signed: that it opens under the account's secret is all the proof
        // there is, so it lets the channel be asked and nothing more (see `record_notice`).
        let unsigned = channel::notice::unsigned(&notice.account, &received.body);
        if let Some((key, sealed)) = unsigned.map_err(|e| refuse(&e.kind(), "refused"))? {
            let opened = self.0.keys().open_v2(&key, &sealed);
            opened.map_err(|e| refuse(&why(&e), "wrong_signature"))?;
            return Ok(Verified(notice));
        }
        let signed = channel::notice::authenticate(
            channel,
            &notice.account,
            &received.head.headers,
            &received.body,
            received.at,
        );
        let signed = signed.map_err(|e| refuse(&e.kind(), "refused"))?;
        certificates::verify(&self.0, &notice.account, &signed)
            .await
            .map_err(|e| refuse(&why(&e), "wrong_signature"))?;
        Ok(Verified(notice))
    }
}

/// Without the key's name, whose last part the sender chose.
fn why(error: &certs::KeyError) -> &'static str {
    match error {
        certs::KeyError::Unknown(_) => "the key that the notice names is not known",
        _ => "the signature does not match",
    }
}
