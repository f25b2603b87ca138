//! `/n/{channel}/{account}`: the path names one account of one merchant.

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    notification::Identified,
    stage::Stage,
};
use domain::{AccountNo, Channel};
use http::Method;

/// Over the registries.
pub struct Identify(pub App);

impl Stage<Received> for Identify {
    type Out = Identified;

    async fn run(&self, received: Received) -> Result<Identified, Stop> {
        received.lawful()?;
        let path = received.head.uri.path();
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "n", channel, account] = parts[..] else {
            return Err(Fault::of(Code::NotFound).into());
        };
        if received.head.method != Method::POST || received.head.uri.query().is_some() {
            return Err(Fault::new(Code::MethodNotAllowed, "Notices come by POST without a query.").into());
        }
        let channel = Channel::ALL
            .into_iter()
            .find(|c| c.as_str() == channel)
            .ok_or_else(|| Fault::of(Code::NotFound))?;
        let account = AccountNo::new(account).map_err(|_| Fault::of(Code::NotFound))?;
        let registries = self.0.registries();
        let (merchant, facts) = registries
            .owner(channel, &account)
            .ok_or_else(|| Fault::of(Code::NotFound))?;
        let account = self.0.account(facts, None, None);
        Ok(Identified {
            merchant: merchant.clone(),
            facts: facts.clone(),
            account,
            received,
        })
    }
}
