//! Keys that an account with `keys = held` cannot do without.

use certs::Keys;
use channel::keys as names;
use domain::{Channel, KeyRef, NameError, SignMethod};
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
    let accounts = registries
        .merchants()
        .flat_map(|merchant| &merchant.accounts)
        .filter(|a| a.keys == domain::Keys::Held);
    let rooted = |account: &AccountFacts| {
        registries
            .channel(account.channel)
            .is_some_and(|licence| !licence.signing_roots_pem.is_empty())
    };
    let roots = |account: &AccountFacts| {
        registries
            .channel(account.channel)
            .map_or("", |licence| &licence.roots_pem)
    };
    accounts
        .flat_map(|account| {
            lacking(account, rooted(account), keys)
                .into_iter()
                .chain(half_a_reverse(account, roots(account), keys))
        })
        .collect()
}

/// WeChat's payment codes need the APIv2 secret and the API certificate; an account with neither does not take them, with
/// one of them somebody meant it to.
fn half_a_reverse(account: &AccountFacts, roots: &str, keys: &Keys) -> Option<Missing> {
    let number = &account.account;
    let (Channel::Wechat, Ok(secret), Ok(certificate), Ok(own)) = (
        account.channel,
        names::wechat_apiv2(number),
        names::wechat_certificate(number),
        names::wechat_merchant(number),
    ) else {
        return None;
    };
    let of = format!("{} account {number}", account.channel);
    let missing = |name: &KeyRef, extension, what| {
        Some(Missing {
            account: of.clone(),
            file: format!("{name}.{extension}"),
            what,
        })
    };
    match (keys.has(&secret), keys.has(&certificate)) {
        (true, false) => missing(
            &certificate,
            "crt",
            "the merchant's API certificate (payment codes need it beside the APIv2 secret)",
        ),
        (false, true) => missing(
            &secret,
            "secret",
            "the APIv2 secret (payment codes need it beside the API certificate)",
        ),
        // Under 国密 the account's own key is none for TLS: codes go by APIv3 there, or not at all (C66).
        (true, true) if account.sign_method == SignMethod::Sm2 => None,
        (true, true) if keys.has(&own) && keys.client(roots.as_bytes(), &certificate, &own).is_err() => {
            missing(&certificate, "crt", "an API certificate of the account's own key")
        }
        _ => None,
    }
}

fn lacking(account: &AccountFacts, rooted: bool, keys: &Keys) -> Vec<Missing> {
    let of = format!("{} account {}", account.channel, account.account);
    let absent = |(name, extension, what): Needed| match name {
        Ok(name) if keys.has(&name) => None,
        Ok(name) => Some(Missing {
            account: of.clone(),
            file: format!("{}.{extension}", filed(&name, extension)),
            what,
        }),
        // The registry names a serial that can be no key's.
        Err(_) => Some(Missing {
            account: of.clone(),
            file: "a key under a lawful serial (0-9 A-Z a-z _)".into(),
            what,
        }),
    };
    needed(account, rooted, keys)
        .into_iter()
        .filter_map(absent)
        .collect()
}

/// Where a key lies: of one secret for two digests there is one file.
fn filed<'a>(name: &'a KeyRef, extension: &str) -> &'a str {
    let name = name.as_str();
    match (extension, name.rsplit_once('/')) {
        ("digest", Some((file, _))) => file,
        _ => name,
    }
}

/// The key that signs for a UnionPay account: that of its certificate by name, where it lies there, else its one key.
pub(super) fn unionpay_own(account: &AccountFacts, keys: &Keys) -> Result<KeyRef, NameError> {
    let by_name = account.serial.as_deref();
    let by_name = by_name.and_then(|serial| names::unionpay_merchant(&account.account, Some(serial)).ok());
    match by_name.filter(|name| keys.has(name)) {
        Some(name) => Ok(name),
        None => names::unionpay_merchant(&account.account, None),
    }
}

type Needed = (Result<KeyRef, NameError>, &'static str, &'static str);

/// WeChat's platform certificates are fetched with the APIv3 secret, Alipay's in certificate mode where the licence names
/// their roots; a public key has to be put there.
fn needed(account: &AccountFacts, rooted: bool, keys: &Keys) -> Vec<Needed> {
    let (number, platform) = (&account.account, account.platform.as_deref());
    match account.channel {
        Channel::Wechat => {
            let mut all = vec![
                (names::wechat_merchant(number), "pem", "the merchant's API key"),
                (names::wechat_apiv3(number), "secret", "the APIv3 secret"),
            ];
            all.extend(platform.filter(|id| id.starts_with("PUB_KEY_ID")).map(|id| {
                (
                    names::wechat_platform(number, id),
                    "pem",
                    "WeChat Pay's public key",
                )
            }));
            all
        }
        Channel::Alipay => {
            let app = (names::alipay_app(number), "pem", "the application's key");
            let mut all = match &account.serial {
                None => vec![
                    app,
                    (names::alipay_platform(number, None), "pem", "Alipay's public key"),
                ],
                Some(_) if rooted => vec![app],
                Some(_) => vec![
                    app,
                    (
                        names::alipay_platform(number, platform),
                        "pem",
                        "Alipay's certificate (or its root in the licence's signing_roots_pem)",
                    ),
                ],
            };
            all.extend(account.encrypts.then(|| {
                (
                    names::alipay_content(number),
                    "aes",
                    "the key of Alipay's content encryption",
                )
            }));
            all
        }
        Channel::Icbc => vec![
            (
                names::icbc_merchant(number),
                "sha1",
                "the key of the merchant's certificate at ICBC",
            ),
            (
                names::icbc_bank(number),
                "sha1",
                "the certificate with which ICBC signs",
            ),
        ],
        Channel::Cmb => vec![
            (
                names::cmb_merchant(number),
                "merkey",
                "the merchant's key at CMB (支付密钥)",
            ),
            (
                names::cmb_bank(number),
                "sha1",
                "the public key with which CMB signs (fbPubKey), in PEM",
            ),
        ],
        Channel::Ccb => vec![
            (
                names::ccb_bank(number),
                "ccb",
                "the counter's public key, as CCB hands it out (hex)",
            ),
            (
                names::ccb_password(number),
                "password",
                "the password of a query at CCB (QUPWD)",
            ),
        ],
        Channel::Baidu => vec![(
            names::baidu(number, account.sha1),
            "digest",
            "the key that is shared with the Baidu wallet",
        )],
        // Its own certificates come with its messages and count under the licence's signing_roots_pem.
        Channel::Unionpay => match account.sign_method {
            SignMethod::Signature | SignMethod::Sm2 => vec![(
                unionpay_own(account, keys),
                "pem",
                "the key of the merchant's signing certificate",
            )],
            SignMethod::KeyedSha256 | SignMethod::KeyedSm3 => vec![(
                names::unionpay_secure(number),
                "secret",
                "the secure key that is shared with UnionPay",
            )],
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alipay(serial: Option<&str>) -> AccountFacts {
        let text = serde_json::json!({
            "channel": "alipay", "account": "2021", "payee": "2088", "keys": "held",
            "serial": serial, "platform": serial.map(|_| "ab12"), "root_sn": serial.map(|_| "cd34"),
        });
        serde_json::from_value(text).expect("lawful")
    }

    fn wechat() -> AccountFacts {
        let text = serde_json::json!({ "channel": "wechat", "account": "1900", "payee": "1900", "keys": "held", "appids": ["wx1"], "serial": "AB" });
        serde_json::from_value(text).expect("lawful")
    }

    /// One half of what a payment code needs is a mistake, none of it a choice.
    #[test]
    //= C66
    fn a_reverse_is_whole_or_not_at_all() {
        let keys = Keys::default();
        assert!(half_a_reverse(&wechat(), "", &keys).is_none());
        let secret = certs::Material::api_v2(certs::V2Digest::HmacSha256, &[b'x'; 32]).expect("a key");
        keys.put(KeyRef::new("wechat/1900/apiv2").expect("lawful"), secret);
        assert_eq!(
            half_a_reverse(&wechat(), "", &keys).map(|m| m.file).as_deref(),
            Some("wechat/1900/merchant-certificate.crt")
        );
    }

    #[test]
    fn what_is_to_be_encrypted_needs_its_key() {
        let encrypts = AccountFacts {
            encrypts: true,
            codepay: false,
            ..alipay(None)
        };
        let files: Vec<_> = lacking(&encrypts, false, &Keys::default())
            .into_iter()
            .map(|m| m.file)
            .collect();
        assert_eq!(
            files,
            [
                "alipay/2021/app.pem",
                "alipay/2021/platform.pem",
                "alipay/2021/content.aes"
            ]
        );
    }

    /// In certificate mode Alipay's certificate is fetched, if there is a root to hold it against.
    #[test]
    fn a_certificate_is_missed_only_where_it_cannot_be_fetched() {
        let files = |serial, rooted| {
            lacking(&alipay(serial), rooted, &Keys::default())
                .into_iter()
                .map(|m| m.file)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            files(None, true),
            ["alipay/2021/app.pem", "alipay/2021/platform.pem"]
        );
        assert_eq!(files(Some("ef56"), true), ["alipay/2021/app.pem"]);
        assert_eq!(
            files(Some("ef56"), false),
            ["alipay/2021/app.pem", "alipay/2021/platform/ab12.pem"]
        );
    }
}
