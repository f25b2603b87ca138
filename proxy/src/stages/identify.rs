//! `/n/{channel}/{account}`: the path names one account of one merchant.

use crate::{
    accept::{Door, Received},
    app::App,
    fault::{Code, Fault, Stop},
    notification::Identified,
    stage::Stage,
};
use bytes::Bytes;
use domain::{AccountNo, Channel};
use http::Method;

/// Over the registries.
pub struct Identify(pub App);

impl Stage<Received> for Identify {
    type Out = Identified;

    async fn run(&self, mut received: Received) -> Result<Identified, Stop> {
        received.lawful()?;
        let path = received.head.uri.path();
        let parts: Vec<&str> = path.split('/').collect();
        let ["", "n", channel, account] = parts[..] else {
            return Err(Fault::of(Code::NotFound).into());
        };
        let channel = Channel::named(channel).ok_or_else(|| Fault::of(Code::NotFound))?;
        //= C74
        if received.door == Door::Banks && !channel.is_bank() {
            return Err(Fault::of(Code::NotFound).into());
        }
        let account = AccountNo::new(account).map_err(|_| Fault::of(Code::NotFound))?;
        let query = received.head.uri.query();
        let notice = match (&received.head.method, query) {
            // The Baidu wallet's notice is its query: from here on it is what came (channels.md section 5).
            (&Method::GET, Some(query)) if channel == Channel::Baidu => {
                Some(Bytes::copy_from_slice(query.as_bytes()))
            }
            (&Method::POST, None) if channel != Channel::Baidu => None,
            // UnionPay takes an address with a query and calls it with that, which is none of what it signs (its own samples).
            (&Method::POST, Some(_)) if channel == Channel::Unionpay => Some(received.body.clone()),
            _ if channel == Channel::Baidu => {
                return Err(Fault::new(Code::MethodNotAllowed, "Notices come by GET with a query.").into());
            }
            _ => {
                return Err(
                    Fault::new(Code::MethodNotAllowed, "Notices come by POST without a query.").into(),
                );
            }
        };
        if let Some(notice) = notice {
            let bare = path.parse();
            received.body = notice;
            if let Ok(bare) = bare {
                received.head.uri = bare;
            }
        }
        let registries = self.0.registries();
        let (merchant, facts) = registries
            .owner_on_record(channel, &account)
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
