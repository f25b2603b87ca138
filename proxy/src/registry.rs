//! The signed registries, and the keys that they bring.

use certs::Material;
use domain::{KeyRef, RegistryVersion};
use policy::registry::{OperatorFile, Registries};
use settings::registries::{self, Problem, RegistryFiles};

/// The accepted registries and the keys they bring.
pub struct Loaded {
    /// Facts.
    pub registries: Registries,
    /// Merchants' public keys.
    pub keys: Vec<(KeyRef, Material)>,
}

/// Loads all files; every problem at once. `before` is what took effect last.
pub fn load(files: &RegistryFiles, before: &[RegistryVersion]) -> Result<Loaded, Vec<Problem>> {
    registries::load_with(files, before, keys).map(|(registries, keys)| Loaded { registries, keys })
}

/// Merchants' public keys: for the unified API, and for what their SDKs sign.
fn keys(operator: &OperatorFile) -> Result<Vec<(KeyRef, Material)>, Vec<Problem>> {
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    let mut take = |place: String, name: String, pem: &str| {
        let key = KeyRef::new(&name)
            .map_err(|e| e.to_string())
            .and_then(|name| Ok((name, Material::read(pem.as_bytes()).map_err(|e| e.to_string())?)));
        match key {
            Ok(key) => keys.push(key),
            Err(error) => problems.push(format!("operator.json: {place}: {error}")),
        }
    };
    for merchant in &operator.merchants {
        for key in &merchant.api_keys {
            take(
                format!("API key {} of {}", key.serial, merchant.id),
                format!("api/{}/{}", merchant.id, key.serial),
                &key.public_key,
            );
        }
    }
    for account in &operator.accounts {
        for key in &account.merchant_keys {
            let name = match account.channel {
                domain::Channel::Wechat => {
                    format!("wechat/{}/merchant-public/{}", account.account, key.serial)
                }
                domain::Channel::Alipay => format!("alipay/{}/app-public", account.account),
                domain::Channel::Unionpay
                | domain::Channel::Baidu
                | domain::Channel::Ccb
                | domain::Channel::Icbc
                | domain::Channel::Cmb => {
                    format!(
                        "{}/{}/merchant-public/{}",
                        account.channel, account.account, key.serial
                    )
                }
            };
            take(
                format!("merchant key {} of account {}", key.serial, account.account),
                name,
                &key.public_key,
            );
        }
    }
    if problems.is_empty() {
        Ok(keys)
    } else {
        Err(problems)
    }
}
