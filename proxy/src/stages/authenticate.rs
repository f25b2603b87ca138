//! A known merchant, a fresh signature, a nonce never seen.

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    guard::{self, Asked},
    payment::Authenticated,
    signature::{Authorization, Scheme},
    stage::Stage,
};
use domain::Instant;

/// Unified API: the merchant's registered key.
pub struct Authenticate(pub App);

//= C55
impl Stage<Received> for Authenticate {
    type Out = Authenticated;

    async fn run(&self, received: Received) -> Result<Authenticated, Stop> {
        let app = &self.0;
        let host = app.config().listen.api.host.as_deref();
        if let Err(fault) = received
            .lawful()
            .and_then(|()| received.only_for(host, |_| false))
        {
            let fault = guard::of_reading(fault, None);
            return Err(guard::refuse(app, None, Asked::default(), fault).await);
        }
        let mut headers = received.head.headers.get_all(http::header::AUTHORIZATION).iter();
        let header = headers.next().ok_or_else(|| Fault::of(Code::MissingSignature))?;
        if headers.next().is_some() {
            return Err(
                Fault::new(Code::MissingSignature, "Send exactly one `Authorization` header.").into(),
            );
        }
        let header = header.to_str().map_err(|_| Fault::of(Code::MissingSignature))?;
        let authorization = Authorization::parse(header)?;
        if !authorization.is_fresh(received.at) {
            return Err(Fault::of(Code::StaleTimestamp).into());
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
            return Err(Fault::of(Code::UnknownKey).into());
        };
        let target = received.head.uri.path_and_query().map_or("/", |t| t.as_str());
        let message = authorization.message(received.head.method.as_str(), target, &received.body);
        if app
            .keys()
            .verify(&authorization.key()?, &message, &authorization.signature)
            .is_err()
        {
            return Err(Fault::of(Code::WrongSignature).into());
        }
        if !app.nonces().first_use(
            authorization.merchant.as_str(),
            &authorization.nonce,
            app.clock().since_boot(),
        ) {
            return Err(Fault::of(Code::ReplayedNonce).into());
        }
        let signed_at = Instant::from_secs(authorization.timestamp);
        Ok(Authenticated {
            received,
            merchant: merchant.clone(),
            signed_at,
            native: None,
            terminal: in_force.terminal.clone(),
            mark: None,
        })
    }
}
