//! Everything made of keys: the demo CA, the merchants' credentials, the channels' own keys.
//!
//! All of it is generated, lies in one directory and protects nothing.

mod accounts;
mod ca;
mod gm;
mod sn;
pub(crate) mod unionpay;

pub use accounts::{
    AlipayAccount, BaiduAccount, CcbAccount, ChannelKeys, CmbAccount, IcbcAccount, SandboxMerchant,
    WechatAccount,
};
pub use ca::{Ca, issue};
pub use sn::{SnError, cert_sn, decimal_serial, root_cert_sn};
pub use unionpay::{SIGNER as UNIONPAY_SIGNER, UnionpayAccount, UnionpayKeys};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What can go wrong while making or reading keys.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A certificate or key could not be generated.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A key or certificate could not be read.
    #[error("{0} cannot be read as {1}")]
    Unreadable(PathBuf, &'static str),
    /// The inventory could not be read or written.
    #[error("material.json: {0}")]
    Inventory(#[from] serde_json::Error),
    /// A certificate number could not be computed.
    #[error(transparent)]
    Sn(#[from] SnError),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system")]
    Random,
}

/// The material of one sandbox; paths of the accounts are relative to `dir`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Material {
    /// Where everything lies.
    #[serde(skip)]
    pub dir: PathBuf,
    /// The demo CA's certificate, relative to `dir`.
    pub ca_file: String,
    /// The demo CA's private key, relative to `dir`.
    pub ca_key_file: String,
    /// UnionPay's own keys.
    pub unionpay: UnionpayKeys,
    /// The merchants known to all channels.
    pub merchants: Vec<SandboxMerchant>,
}

impl Material {
    /// Reads the CA back, for issuing further certificates.
    pub fn ca(&self) -> Result<Ca, MaterialError> {
        Ca::read(&self.dir)
    }

    /// The CA certificate's absolute place.
    pub fn ca_path(&self) -> PathBuf {
        self.dir.join(&self.ca_file)
    }
}

/// Makes a new CA and so many merchants in `dir` and writes the inventory `material.json`.
pub fn generate(dir: &Path, merchants: usize) -> Result<Material, MaterialError> {
    make_dir(dir)?;
    Ca::generate(dir)?;
    let house = unionpay::House::make(dir)?;
    let merchants = (0..merchants)
        .map(|n| accounts::generate(dir, n, &house))
        .collect::<Result<Vec<_>, _>>()?;
    let material = Material {
        dir: dir.to_owned(),
        ca_file: ca::CERT.into(),
        ca_key_file: ca::KEY.into(),
        unionpay: house.keys,
        merchants,
    };
    write(&dir.join(INVENTORY), &serde_json::to_string_pretty(&material)?)?;
    Ok(material)
}

/// The material of `dir` if it is there with at least so many merchants, else a newly generated one. A restarted
/// sandbox keeps its keys, so a proxy configured against it keeps working.
pub fn open_or_generate(dir: &Path, merchants: usize) -> Result<Material, MaterialError> {
    let inventory = dir.join(INVENTORY);
    if !inventory.exists() {
        return generate(dir, merchants);
    }
    let mut material: Material = serde_json::from_str(&read(&inventory)?)?;
    material.dir = dir.to_owned();
    if material.merchants.len() < merchants {
        generate(dir, merchants)
    } else {
        Ok(material)
    }
}

const INVENTORY: &str = "material.json";

pub(crate) fn read(path: &Path) -> Result<String, MaterialError> {
    std::fs::read_to_string(path).map_err(|source| MaterialError::File {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn write(path: &Path, text: &str) -> Result<(), MaterialError> {
    std::fs::write(path, text).map_err(|source| MaterialError::File {
        path: path.to_owned(),
        source,
    })
}

pub(crate) fn make_dir(path: &Path) -> Result<(), MaterialError> {
    std::fs::create_dir_all(path).map_err(|source| MaterialError::File {
        path: path.to_owned(),
        source,
    })
}

/// So many random octets.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], MaterialError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| MaterialError::Random)?;
    Ok(bytes)
}
