//! Keys that an account with `keys = held` cannot do without.

use certs::Keys;
use channel::keys as names;
use domain::{Channel, KeyRef, NameError};
use policy::registry::{AccountFacts, Registries};

/// A key that is not in the folder.
pub(super) struct Missing {
    /// Which account: channel and number.
    pub(super) account: String,
    /// Where it belongs, below the key folder.
    pub(super) file: String,
    /// What it is.
    pub(super) what: &'static str,
}

/// Every key that is needed and not there.
pub(super) fn missing(registries: &Registries, keys: &Keys) -> Vec<Missing> {
    let accounts = registries.merchants().flat_map(|merchant| &merchant.accounts).filter(|a| a.keys == domain::Keys::Held);
    accounts.flat_map(|account| lacking(account, keys)).collect()
}

fn lacking(account: &AccountFacts, keys: &Keys) -> Vec<Missing> {
    let of = format!("{} account {}", account.channel, account.account);
    let absent = |(name, extension, what): Needed| match name {
        Ok(name) if keys.has(&name) => None,
        Ok(name) => Some(Missing { account: of.clone(), file: format!("{name}.{extension}"), what }),
        // The registry names a serial that can be no key's.
        Err(_) => Some(Missing { account: of.clone(), file: "a key under a lawful serial (0-9 A-Z a-z _)".into(), what }),
    };
    needed(account).into_iter().filter_map(absent).collect()
}

type Needed = (Result<KeyRef, NameError>, &'static str, &'static str);

/// WeChat's platform certificates are fetched with the APIv3 secret; a public key has to be put there.
fn needed(account: &AccountFacts) -> Vec<Needed> {
    let (number, platform) = (&account.account, account.platform.as_deref());
    match account.channel {
        Channel::Wechat => {
            let mut all = vec![
                (names::wechat_merchant(number), "pem", "the merchant's API key"),
                (names::wechat_apiv3(number), "secret", "the APIv3 secret"),
            ];
            all.extend(platform.filter(|id| id.starts_with("PUB_KEY_ID")).map(|id| (names::wechat_platform(number, id), "pem", "WeChat Pay's public key")));
            all
        }
        Channel::Alipay => vec![
            (names::alipay_app(number), "pem", "the application's key"),
            (names::alipay_platform(number, platform), "pem", "Alipay's public key"),
        ],
    }
}
