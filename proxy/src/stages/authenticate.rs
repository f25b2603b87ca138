//! A known merchant, a fresh signature, a nonce never seen.

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    guard::{self, Asked},
    limits::source,
    payment::Authenticated,
    signature::{Authorization, Scheme},
    stage::Stage,
};
use domain::{Instant, TerminalNo};
use policy::registry::MerchantFacts;
use std::sync::Arc;

/// Unified API: the merchant's registered key.
pub struct Authenticate(pub App);

//= C55
impl Stage<Received> for Authenticate {
    type Out = Authenticated;

    async fn run(&self, received: Received) -> Result<Authenticated, Stop> {
        let app = &self.0;
        let host = app.config().listen.api.host.as_deref();
        let strict = received
            .lawful()
            .and_then(|()| received.only_for(host, |_| false));
        if let Err(fault) = strict {
            let fault = guard::of_reading(fault, None);
            // A trick goes on record against the one who signed it; else it weighs on its source.
            let known = (fault.breach.is_some()).then(|| self.known(&received));
            let merchant = known.as_ref().and_then(|known| known.as_ref().ok());
            if let Some(Err(_)) = &known {
                app.count_failure(source(received.peer.ip()));
            }
            let merchant = merchant.map(|known| &*known.merchant);
            return Err(guard::refuse(app, merchant, Asked::default(), fault).await);
        }
        let Known {
            merchant,
            signed_at,
            terminal,
        } = self.known(&received)?;
        Ok(Authenticated {
            received,
            merchant,
            signed_at,
            native: None,
            terminal,
            mark: None,
        })
    }
}

/// Who signed, and when.
struct Known {
    merchant: Arc<MerchantFacts>,
    signed_at: Instant,
    terminal: Option<TerminalNo>,
}

impl Authenticate {
    fn known(&self, received: &Received) -> Result<Known, Fault> {
        let app = &self.0;
        let mut headers = received.head.headers.get_all(http::header::AUTHORIZATION).iter();
        let header = headers.next().ok_or_else(|| Fault::of(Code::MissingSignature))?;
        if headers.next().is_some() {
            return Err(Fault::new(
                Code::MissingSignature,
                "Send exactly one `Authorization` header.",
            ));
        }
        let header = header.to_str().map_err(|_| Fault::of(Code::MissingSignature))?;
        let authorization = Authorization::parse(header)?;
        if !authorization.is_fresh(received.at) {
            return Err(Fault::of(Code::StaleTimestamp));
        }
        let registries = app.registries();
        let merchant = registries
            .merchant(&authorization.merchant)
            .ok_or_else(|| Fault::of(Code::UnknownKey))?;
        let registered = merchant
            .api_keys
            .iter()
            .find(|k| k.serial.as_str() == authorization.serial);
        let in_force = registered.filter(|k| {
            Scheme::named(k.scheme.as_str()) == Some(authorization.scheme) && k.not_after > received.at
        });
        let Some(in_force) = in_force else {
            return Err(Fault::of(Code::UnknownKey));
        };
        let target = received.head.uri.path_and_query().map_or("/", |t| t.as_str());
        let message = authorization.message(received.head.method.as_str(), target, &received.body);
        if app
            .keys()
            .verify(&authorization.key()?, &message, &authorization.signature)
            .is_err()
        {
            return Err(Fault::of(Code::WrongSignature));
        }
        if !app.nonces().first_use(
            authorization.merchant.as_str(),
            &authorization.nonce,
            app.clock().since_boot(),
        ) {
            return Err(Fault::of(Code::ReplayedNonce));
        }
        Ok(Known {
            merchant: merchant.clone(),
            signed_at: Instant::from_secs(authorization.timestamp),
            terminal: in_force.terminal.clone(),
        })
    }
}
