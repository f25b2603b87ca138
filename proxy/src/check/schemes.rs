//! Keys of another kind than the scheme in which an account's messages are signed (C85): a request under one is refused by WeChat
//! Pay, and an answer or a merchant's own client is never believed under one, however good its signature is.

use certs::{Keys, Material};
use domain::{Channel, KeyRef, SignMethod};
use policy::registry::{AccountFacts, Registries};

/// A key that is there and of the wrong kind.
#[derive(Debug, PartialEq)]
pub(super) struct Wrong {
    /// Which key of which account, and what it is.
    pub(super) what: String,
    /// What would be right.
    pub(super) right: String,
    /// It stands in the operator's file and not among the key files.
    pub(super) registered: bool,
}

/// All of them, of every account at WeChat Pay.
//= C85
pub(super) fn wrong(registries: &Registries, files: &Keys, registered: &[(KeyRef, Material)]) -> Vec<Wrong> {
    let files = files.list();
    let found: Vec<Found<'_>> = files
        .iter()
        .map(|info| (&info.key, info.kind, false))
        .chain(
            registered
                .iter()
                .map(|(key, material)| (key, material.kind(), true)),
        )
        .collect();
    let accounts = registries.merchants().flat_map(|merchant| &merchant.accounts);
    accounts
        .filter(|account| account.channel == Channel::Wechat)
        .flat_map(|account| of_account(account, &found))
        .collect()
}

/// A key's name and kind, and whether the operator's file has it.
type Found<'a> = (&'a KeyRef, &'static str, bool);

fn of_account(account: &AccountFacts, found: &[Found<'_>]) -> Vec<Wrong> {
    let (scheme, other) = match account.sign_method {
        SignMethod::Sm2 => ("SM2", "without sign_method \"sm2\""),
        _ => ("RSA", "with sign_method \"sm2\", where WeChat Pay has enabled it"),
    };
    let folder = format!("wechat/{}/", account.account);
    let one = |(key, kind, registered): &Found<'_>| {
        let name = key.as_str().strip_prefix(&folder)?;
        let half = match name.split_once('/') {
            None if name == "merchant" => "private key",
            Some(("platform" | "merchant-public", _)) => "public key",
            _ => return None,
        };
        let wanted = format!("{scheme} {half}");
        (*kind != wanted).then(|| Wrong {
            what: format!(
                "{key} is an {kind}, and wechat account {} signs by {scheme}",
                account.account
            ),
            right: format!("an {wanted}, or an acquirer's file {other}"),
            registered: *registered,
        })
    };
    found.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(sm2: bool) -> AccountFacts {
        let mut text = serde_json::json!({ "channel": "wechat", "account": "1900", "payee": "1900", "keys": "held", "appids": ["wx1"], "serial": "AB" });
        if sm2 {
            text["sign_method"] = "sm2".into();
        }
        serde_json::from_value(text).expect("lawful")
    }

    #[test]
    //= C85
    fn keys_of_the_other_scheme_are_named_and_nothing_else_is() {
        let name = |text: &str| KeyRef::new(text).expect("lawful");
        let names = [
            ("wechat/1900/merchant", "RSA private key", false),
            ("wechat/1900/platform/PUB_KEY_ID_01", "RSA public key", false),
            ("wechat/1900/merchant-public/AB", "RSA public key", true),
            ("wechat/1900/apiv3", "secret", false),
            (
                "wechat/1900/merchant-certificate",
                "certificate that we show",
                false,
            ),
            ("wechat/19001/merchant", "SM2 private key", false),
            ("alipay/1900/app", "RSA private key", false),
        ]
        .map(|(text, kind, registered)| (name(text), kind, registered));
        let found: Vec<Found<'_>> = names.iter().map(|(key, kind, at)| (key, *kind, *at)).collect();
        assert_eq!(of_account(&account(false), &found), []);
        let wrong = of_account(&account(true), &found);
        assert_eq!(wrong.len(), 3, "{wrong:?}");
        assert_eq!(
            wrong[0].what,
            "wechat/1900/merchant is an RSA private key, and wechat account 1900 signs by SM2"
        );
        assert!(wrong[0].right.starts_with("an SM2 private key, or ") && wrong[2].registered);
        // A public key where the private one belongs.
        let public = name("wechat/1900/merchant");
        let wrong = of_account(&account(true), &[(&public, "SM2 public key", false)]);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
    }
}
