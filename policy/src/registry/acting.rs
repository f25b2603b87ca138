//! Whom a channel account may act for: itself, the sub-merchants in its own list, those who authorised it.

use super::AccountFacts;
use domain::{Digest, PayeeNo};

impl AccountFacts {
    /// Everyone an order through this account may pay: its own payee, the key's own sub-merchants, and those who
    /// authorised this app (R03).
    pub fn payees(&self) -> impl Iterator<Item = &PayeeNo> {
        self.own_payees()
            .chain(self.auth_tokens.iter().map(|token| &token.payee))
    }

    /// Those whom this account's own key may have paid: its own payee and the key's own sub-merchants.
    pub fn own_payees(&self) -> impl Iterator<Item = &PayeeNo> {
        std::iter::once(&self.payee).chain(&self.sub_payees)
    }

    /// Whether this account's own key may have this one paid; nobody named is the account itself.
    pub fn may_pay(&self, payee: Option<&PayeeNo>) -> bool {
        payee.is_none_or(|payee| self.own_payees().any(|own| own == payee))
    }

    /// Whether an app is registered for the very sub-merchant that is paid.
    //= C97
    pub fn is_sub_app(&self, payee: &PayeeNo, appid: &str) -> bool {
        let mut of = self.sub_apps.iter().filter(|of| of.payee == *payee);
        of.any(|of| of.appids.iter().any(|own| own == appid))
    }

    /// Whom a native request acts for, by the payee that it names and the SHA-256 of the `app_auth_token` that it
    /// carries; `Err` where that is nobody of this account's. A request that names nobody acts for the account itself.
    //= C03
    pub fn acts_for(
        &self,
        named: Option<&PayeeNo>,
        token: Option<Digest>,
    ) -> Result<Option<&PayeeNo>, Foreign> {
        let Some(token) = token else {
            return match named {
                None => Ok(None),
                Some(named) => self
                    .own_payees()
                    .find(|own| *own == named)
                    .map(Some)
                    .ok_or(Foreign),
            };
        };
        let listed = self
            .auth_tokens
            .iter()
            .find(|known| known.sha256 == token)
            .map(|known| &known.payee);
        match listed {
            Some(payee) if named.is_none_or(|named| named == payee) => Ok(Some(payee)),
            _ => Err(Foreign),
        }
    }
}

/// A native request acts for somebody who is not among the account's payees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the request acts for somebody whom this account is not registered for")]
pub struct Foreign;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        registry::AuthToken,
        testing::{alipay, digest, name},
    };

    fn app() -> AccountFacts {
        AccountFacts {
            sub_payees: vec![name("2088000000000002")],
            auth_tokens: vec![AuthToken {
                sha256: digest(7),
                payee: name("2088000000000003"),
            }],
            ..alipay("2021000000000001", "2088000000000001")
        }
    }

    #[test]
    //= C03
    fn a_request_acts_for_the_accounts_own_and_for_listed_authorisations_only() {
        let app = app();
        let [own, sub, listed] = [1, 2, 3].map(|n| name::<PayeeNo>(&format!("208800000000000{n}")));
        assert_eq!(app.acts_for(None, None), Ok(None));
        assert_eq!(app.acts_for(Some(&own), None), Ok(Some(&own)));
        assert_eq!(app.acts_for(Some(&sub), None), Ok(Some(&sub)));
        assert_eq!(app.acts_for(None, Some(digest(7))), Ok(Some(&listed)));
        assert_eq!(app.acts_for(Some(&listed), Some(digest(7))), Ok(Some(&listed)));
        assert_eq!(
            app.acts_for(None, Some(digest(8))),
            Err(Foreign),
            "an unknown authorisation"
        );
        assert_eq!(
            app.acts_for(Some(&own), Some(digest(7))),
            Err(Foreign),
            "another payee than the authorisation's"
        );
        assert_eq!(
            app.acts_for(Some(&listed), None),
            Err(Foreign),
            "its payee without the authorisation"
        );
        assert_eq!(app.acts_for(Some(&name("2088000000000009")), None), Err(Foreign));
    }
}
