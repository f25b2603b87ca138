//! Makes a whole installation in one directory: CA, certificates, keys, signed registries, configurations.

mod config;
mod keys;
mod registries;

pub use registries::terminal_of;

use super::ports;
use crate::{
    channels::Running,
    material::{self, Material, SandboxMerchant},
};
use anyhow::Context;
use domain::Sign;
use parking_lot::Mutex;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, atomic::AtomicBool},
};

/// Name of the demo's service: origin of its journals.
pub const NAME: &str = "guandao.demo";
/// Name of the acquirer in the demo.
pub const ACQUIRER: &str = "DEMOACQ01";
/// A terminal of the first merchant.
pub const TERMINAL: &str = "POS-0001";
/// Its number at UnionPay.
pub const TERM_ID: &str = "49000002";
/// The shop it stands in.
pub const SHOP: &str = "S-0001";
/// Another one.
pub const OTHER_TERMINAL: &str = "POS-0002";
/// The first merchant.
const FIRST: &str = "m1001";
/// The agent who brought the first merchant, where that has second accounts.
pub const AGENT: &str = "AG01";
/// An Alipay authorisation that every merchant's app has from another merchant, and that merchant's `seller_id`.
pub const AUTHORISED: (&str, &str) = ("202601BBdemo7f3a", "2088000000000777");
/// Password of every officer in the demo.
pub const PASSWORD: &str = "correct horse battery staple";
/// Channels whose first accounts stand behind gates where there are second ones, and the names that these gates go by.
pub const GATED: [(&str, &str); 5] = [
    ("wechat", "api2.wechatpay.cn"),
    ("alipay", "localhost"),
    ("unionpay", "gateway2.95516.com"),
    ("baidu", "www2.baifubao.com"),
    ("ccb", "ibsbjstar2.ccb.com.cn"),
];
const FOREVER: i64 = 4_102_444_800_000;

/// One merchant of the demo.
#[derive(Clone, Debug)]
pub struct DemoMerchant {
    /// Our `mchid`.
    pub id: String,
    /// Scheme of its API key.
    pub scheme: &'static str,
    /// Serial of its API key.
    pub serial: String,
    /// Its private API key, relative to the directory.
    pub key_file: String,
    /// Its accounts.
    pub accounts: SandboxMerchant,
}

impl DemoMerchant {
    /// The second merchant's accounts work with certificates, WeChat's platform certificates and Alipay's certificate mode;
    /// the others have public keys.
    pub fn certificate_mode(&self) -> bool {
        self.id == "m1002"
    }

    /// The third merchant, and the sixth for the demo's own story, have WeChat's payment codes by APIv3.
    pub fn codepay(&self) -> bool {
        matches!(self.id.as_str(), "m1003" | "m1006")
    }

    /// The third merchant encrypts content at Alipay.
    pub fn encrypts(&self) -> bool {
        self.id == "m1003"
    }

    /// The fourth merchant, and the sixth for the demo's own story, are served at Alipay's OpenAPI v3.
    pub fn openapi_v3(&self) -> bool {
        matches!(self.id.as_str(), "m1004" | "m1006")
    }

    /// All but the first may name level A (C96).
    pub fn level_a(&self) -> bool {
        self.id != FIRST
    }

    /// The Baidu wallet's digest: every second merchant has SHA-1, the others MD5.
    pub fn sha1(&self) -> bool {
        self.id.ends_with(['2', '4', '6', '8', '0'])
    }

    /// UnionPay's signMethod: the first merchant signs with its certificate, the second has SHA-256 with a secret, the third
    /// SM3, and so on.
    pub fn sign_method(&self) -> &'static str {
        let number: usize = self.id.trim_start_matches('m').parse().unwrap_or_default();
        ["01", "11", "12"][(number + 1) % 3]
    }
}

/// Where the channels listen.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// WeChat Pay.
    pub wechat: SocketAddr,
    /// Alipay.
    pub alipay: SocketAddr,
    /// UnionPay.
    pub unionpay: SocketAddr,
    /// The Baidu wallet.
    pub baidu: SocketAddr,
    /// CCB.
    pub ccb: SocketAddr,
    /// ICBC.
    pub icbc: SocketAddr,
    /// CMB.
    pub cmb: SocketAddr,
}

impl Addresses {
    /// Of the sandbox's channels.
    pub fn of(channels: &Running) -> Addresses {
        Addresses {
            wechat: channels.wechat,
            alipay: channels.alipay,
            unionpay: channels.unionpay,
            baidu: channels.both,
            ccb: channels.both,
            icbc: channels.both,
            cmb: channels.both,
        }
    }

    /// One that plays them all.
    pub fn all_at(address: SocketAddr) -> Addresses {
        Addresses {
            wechat: address,
            alipay: address,
            unionpay: address,
            baidu: address,
            ccb: address,
            icbc: address,
            cmb: address,
        }
    }
}

/// The installation.
pub struct Place {
    /// Where.
    pub dir: PathBuf,
    /// Keys and accounts of the channels.
    pub material: Material,
    /// Merchants.
    pub merchants: Vec<DemoMerchant>,
    /// How many of them, from the end, are the demo's own.
    pub own: usize,
    /// Ports of our own listeners.
    pub ports: Ports,
    keys_held: bool,
    content_keys: bool,
    codepay: bool,
    /// See [`Options::openapi_v3`]; tests change it while the proxy runs.
    pub openapi_v3: AtomicBool,
    sm2_from: Option<usize>,
    /// See [`Options::only`].
    only: Vec<&'static str>,
    /// The first merchant as its terminal: the key of [`TERMINAL`].
    pub terminal: DemoMerchant,
    /// Second accounts of the first merchant, where it has them.
    pub second: Option<SandboxMerchant>,
    /// The gates before its first ones.
    gates: OnceLock<Vec<SocketAddr>>,
    /// What tests add to the operator's facts of the first merchant (`routes`), and accounts that stand by.
    pub routing: Mutex<(Value, Vec<String>)>,
    /// Who signs registries.
    authority: Arc<dyn Sign>,
    acquirer: Arc<dyn Sign>,
}

/// Ports that were free when asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// Unified API.
    pub api: u16,
    /// Pass-through of WeChat Pay.
    pub wechat: u16,
    /// Pass-through of Alipay.
    pub alipay: u16,
    /// Pass-through of UnionPay.
    pub unionpay: u16,
    /// Notices.
    pub notify: u16,
    /// Notices of banks in clear.
    pub banks: u16,
    /// Payers' pages.
    pub pages: u16,
    /// Trades journal.
    pub trades: u16,
    /// Metrics.
    pub metrics: u16,
    /// The desk's pages.
    pub desk: u16,
    /// Cases journal.
    pub cases: u16,
    /// The merchants' notify address.
    pub shop: u16,
}

/// Settings that tests change.
#[derive(Clone, Debug)]
pub struct Options {
    /// Merchants.
    pub merchants: usize,
    /// How many of them, from the end, are the demo's own: not published, and spared by faults that others set.
    pub own: usize,
    /// Seconds of a vault bucket and of the deadline.
    pub vault: (u64, u64),
    /// Is there a desk?
    pub desk: bool,
    /// Further lines at the end of the proxy's configuration.
    pub extra: String,
    /// Answer time of channels, milliseconds.
    pub answer_ms: u64,
    /// Are the merchants' channel keys held by the proxy? Else the merchants alone have them.
    pub keys_held: bool,
    /// Lie all merchants' content keys at Alipay at the proxy (`content.aes`)? Else that of the one whose account
    /// encrypts.
    pub content_keys: bool,
    /// Have all merchants WeChat's payment codes by APIv3?
    pub codepay: bool,
    /// Are all merchants served at Alipay's OpenAPI v3?
    pub openapi_v3: bool,
    /// From which merchant on (0 is the first) do they sign at WeChat by SM2 (国密)?
    pub sm2_from: Option<usize>,
    /// Further lines of the proxy's `[times]`.
    pub times: String,
    /// The proxy's `limits.payer.per_second`.
    pub payer: u32,
    /// Further lines of the proxy's `[limits]`.
    pub limits: String,
    /// Has the first merchant a second account at every channel? Its first ones are reached through gates then.
    pub second_accounts: bool,
    /// Has it rules for them, too, under which one account waits for the other to be lost?
    pub rules: bool,
    /// Have its second accounts apps of their own only, at WeChat? Else its first account's app is bound to both.
    pub apps_apart: bool,
    /// Whose books of which day are told? The proxy compares from its second start on, when that day was traded.
    pub books: Option<super::books::Plan>,
    /// Failures a second that a source may have.
    pub failures: u32,
    /// The channels at which the merchants have accounts; all where none is named.
    pub only: Vec<&'static str>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            merchants: 4,
            own: 0,
            vault: (2, 5),
            desk: true,
            extra: String::new(),
            answer_ms: 1500,
            keys_held: true,
            content_keys: false,
            codepay: false,
            openapi_v3: false,
            sm2_from: None,
            times: String::new(),
            payer: 1_000_000,
            limits: String::new(),
            second_accounts: false,
            rules: false,
            apps_apart: false,
            books: None,
            failures: 1000,
            only: Vec::new(),
        }
    }
}

impl Place {
    /// Makes everything that does not depend on the channels' addresses.
    pub fn make(dir: &Path, options: &Options) -> anyhow::Result<Place> {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
        let dir = dir.canonicalize()?;
        let mut material = material::generate(
            &dir.join("channels"),
            options.merchants + usize::from(options.second_accounts),
        )?;
        if let ([first, .., second], true) = (
            &mut material.merchants[..],
            options.second_accounts && !options.apps_apart,
        ) {
            second.wechat.shared_appids.push(first.wechat.appid.clone());
        }
        let second = options
            .second_accounts
            .then(|| material.merchants.last().cloned())
            .flatten();
        let [
            api,
            wechat,
            alipay,
            unionpay,
            notify,
            banks,
            pages,
            trades,
            metrics,
            desk,
            cases,
            shop,
        ] = ports::free()?;
        let ports = Ports {
            api,
            wechat,
            alipay,
            unionpay,
            notify,
            banks,
            pages,
            trades,
            metrics,
            desk,
            cases,
            shop,
        };
        for sub in [
            "tls",
            "keys/answer",
            "keys/wechat",
            "keys/alipay",
            "keys/unionpay",
            "keys/baidu",
            "keys/ccb",
            "keys/icbc",
            "keys/cmb",
            "registries",
            "authority",
            "data",
            "merchants",
            "desk/keys",
            "desk/data",
            "exports",
        ] {
            fs::create_dir_all(dir.join(sub))?;
        }
        let ca = material.ca()?;
        keys::tls(&dir, &ca)?;
        let (authority, acquirer) = (
            keys::authority(&dir, "authority")?,
            keys::authority(&dir, "acquirer")?,
        );
        let mut merchants = keys::merchants(&dir, &material)?;
        merchants.truncate(options.merchants);
        let terminal = keys::terminal(&dir, &merchants[0])?;
        let place = Place {
            terminal,
            dir,
            material,
            merchants,
            own: options.own,
            ports,
            second,
            gates: OnceLock::new(),
            routing: Mutex::default(),
            keys_held: options.keys_held,
            content_keys: options.content_keys,
            codepay: options.codepay,
            openapi_v3: AtomicBool::new(options.openapi_v3),
            sm2_from: options.sm2_from,
            only: options.only.clone(),
            authority,
            acquirer,
        };
        place.keys()?;
        Ok(place)
    }

    /// Writes registries and configurations for channels at these addresses.
    pub fn configure(&self, channels: &Addresses, options: &Options) -> anyhow::Result<()> {
        self.write_registries(1, channels, FOREVER)?;
        fs::write(self.dir.join("guandao.toml"), self.proxy_config(options))?;
        if options.desk {
            fs::write(self.dir.join("desk/desk.toml"), self.desk_config())?;
            self.users()?;
        }
        Ok(())
    }

    /// The first merchant's first accounts are reached through these gates.
    pub fn behind(&self, gates: Vec<SocketAddr>) {
        let _ = self.gates.set(gates);
    }

    fn path(&self, relative: &str) -> String {
        self.dir.join(relative).display().to_string()
    }
}

/// Where the demo's channels may send a payer's browser back.
pub const RETURN_HOST: &str = "shop.example";

/// Officers of the demo: name and role.
pub const USERS: [(&str, &str); 3] = [
    ("officer-a", "officer"),
    ("officer-b", "officer"),
    ("regulator", "regulator"),
];

/// Officers of the demo's own stories, not published: whoever tries wrong passwords locks out the published ones only.
pub const OWN_OFFICERS: [&str; 2] = ["story-a", "story-b"];

fn signer_name(kind: &str) -> String {
    format!("{kind}.demo")
}
