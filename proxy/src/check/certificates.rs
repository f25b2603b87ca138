//! UnionPay's certificates that cannot be right: whoever signs by one is refused there, or believed here and not there (channels.md
//! 4.2: `certId` is the certificate's own serial, in decimal digits).

use super::held;
use certs::{CertificateFacts, Keys};
use domain::{Channel, Instant, SignMethod};
use policy::registry::{AccountFacts, MerchantKey, Registries};

/// What is wrong, and what would be right.
pub(super) type Wrong = (String, &'static str);

/// Of every account that signs by certificates.
pub(super) fn wrong(registries: &Registries, files: &Keys, now: Instant) -> Vec<Wrong> {
    let accounts = registries.merchants().flat_map(|merchant| &merchant.accounts);
    accounts
        .filter(|a| a.channel == Channel::Unionpay && a.sign_method == SignMethod::Signature)
        .flat_map(|account| {
            let own = registries.operator_account(account.channel, &account.account);
            of_account(account, own.map_or(&[], |own| &own.merchant_keys), files, now)
        })
        .collect()
}

fn of_account(account: &AccountFacts, registered: &[MerchantKey], files: &Keys, now: Instant) -> Vec<Wrong> {
    let mut found = Vec::new();
    let of = format!("unionpay account {}", account.account);
    for key in registered {
        // A bare public key says nothing of itself.
        let facts = CertificateFacts::read_pem(key.public_key.as_bytes()).unwrap_or_default();
        let Some(facts) = facts.first() else { continue };
        let name = format!("merchant key {} of {of}", key.serial);
        if facts.serial_decimal != key.serial {
            found.push((
                format!("{name} is a certificate with another serial"),
                "a serial that is the certificate's own in decimal digits (certId)",
            ));
        }
        if facts.not_after <= now {
            found.push((
                format!("{name} ended on {}", facts.not_after),
                "the certificate that follows it, or none",
            ));
        }
        let signs = (account.keys == domain::Keys::Held && account.serial.as_ref() == Some(&key.serial))
            .then(|| held::unionpay_own(account, files).ok())
            .flatten();
        if let Some(own) = signs.filter(|own| files.has(own) && !files.is_of(own, facts)) {
            found.push((
                format!("{name} is registered as what signs, and {own} is another certificate's key"),
                "the key of the registered certificate (unionpay/<merId>/merchant/<certId>.pem)",
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use certs::Material;
    use domain::KeyRef;

    const CERTIFICATE: &str = include_str!("../../../tests/vectors/keys/unionpay_merchant_cert.cer");
    const KEY: &[u8] = include_bytes!("../../../tests/vectors/keys/unionpay_merchant_key.pem");
    const OTHER: &[u8] = include_bytes!("../../../tests/vectors/keys/wechat_platform_key.pem");

    #[test]
    fn what_cannot_be_right_is_named_and_nothing_else_is() {
        let facts = &CertificateFacts::read_pem(CERTIFICATE.as_bytes()).expect("reads")[0];
        let serial = facts.serial_decimal.clone();
        let account = serde_json::json!({ "channel": "unionpay", "account": "777290058110048", "payee": "777290058110048", "keys": "held", "serial": serial });
        let account: AccountFacts = serde_json::from_value(account).expect("lawful");
        let name = |text: String| KeyRef::new(text).expect("lawful");
        let (one, by_name) = (
            name("unionpay/777290058110048/merchant".into()),
            name(format!("unionpay/777290058110048/merchant/{serial}")),
        );
        let key = |serial: &str, public_key: &str| MerchantKey {
            serial: serial.into(),
            public_key: public_key.into(),
        };
        let files = Keys::default();
        let read = |octets| Material::read(octets).map_err(|e| e.to_string()).expect("a key");
        files.put(one.clone(), read(KEY));
        let now = facts.not_before.plus_millis(1000);
        let said = |keys: &[MerchantKey], now| -> Vec<String> {
            let found = of_account(&account, keys, &files, now);
            found.into_iter().map(|(what, _)| what).collect()
        };
        let right = [key(&serial, CERTIFICATE)];
        assert!(said(&right, now).is_empty());
        assert!(said(&right, facts.not_after)[0].contains(" ended on "));
        assert!(said(&[key("6", CERTIFICATE)], now)[0].contains("another serial"));
        // Another key signs under it, until its own lies there by name.
        files.put(one, read(OTHER));
        let wrong = said(&right, now);
        assert!(
            wrong.len() == 1 && wrong[0].contains("another certificate's key"),
            "{wrong:?}"
        );
        files.put(by_name, read(KEY));
        assert!(said(&right, now).is_empty());
        assert!(said(&[key("x", "no PEM")], now).is_empty());
    }
}
