//! Makes a whole installation in one directory: CA, certificates, keys, signed registries, configurations.

use super::ports;
use crate::{
    channels::Running,
    material::{self, Ca, Material, SandboxMerchant, UNIONPAY_SIGNER, cert_sn, decimal_serial, root_cert_sn},
};
use anyhow::{Context, anyhow};
use certs::{Keys, Material as Key};
use domain::{Channel, KeyRef, Sign, Unverified};
use journal::{VerifierKey, note};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
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

    /// The sixth merchant, one of the demo's own, has WeChat's payment codes by APIv3.
    pub fn codepay(&self) -> bool {
        self.id == "m1006"
    }

    /// The third merchant encrypts content at Alipay.
    pub fn encrypts(&self) -> bool {
        self.id == "m1003"
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
    codepay: bool,
    /// Do all merchants sign at WeChat by SM2?
    pub sm2: bool,
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
    /// Have all merchants WeChat's payment codes by APIv3?
    pub codepay: bool,
    /// Sign all merchants at WeChat by SM2 (国密)?
    pub sm2: bool,
    /// Further lines of the proxy's `[times]`.
    pub times: String,
    /// Further lines of the proxy's `[limits]`.
    pub limits: String,
    /// Has the first merchant a second account at every channel? Its first ones are reached through gates then.
    pub second_accounts: bool,
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
            codepay: false,
            sm2: false,
            times: String::new(),
            limits: String::new(),
            second_accounts: false,
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
        let material = material::generate(
            &dir.join("channels"),
            options.merchants + usize::from(options.second_accounts),
        )?;
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
        tls(&dir, &ca, &material)?;
        let (authority, acquirer) = (authority(&dir, "authority")?, authority(&dir, "acquirer")?);
        let mut merchants = merchants(&dir, &material)?;
        merchants.truncate(options.merchants);
        let terminal = terminal(&dir, &merchants[0])?;
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
            codepay: options.codepay,
            sm2: options.sm2,
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

    /// All three registries, signed. `licensed_until` is the end of the channels' licences, in milliseconds.
    pub fn write_registries(
        &self,
        version: u64,
        channels: &Addresses,
        licensed_until: i64,
    ) -> anyhow::Result<()> {
        let roots = fs::read_to_string(self.material.ca_path())?;
        let root_of =
            |m: &DemoMerchant| fs::read_to_string(self.material.dir.join(&m.accounts.alipay.root_cert_file));
        let alipay_roots = self
            .merchants
            .iter()
            .map(root_of)
            .collect::<Result<String, _>>()?;
        let unionpay = &self.merchants.first().context("no merchant")?.accounts.unionpay;
        let [root, middle] = [&unionpay.root_cert_file, &unionpay.middle_cert_file]
            .map(|file| fs::read_to_string(self.material.dir.join(file)));
        let unionpay_roots = root? + &middle?;
        let gated = |name: &str| -> Vec<Value> {
            let Some(at) = GATED.iter().position(|(gated, _)| *gated == name) else {
                return Vec::new();
            };
            let gate = self.gates.get().and_then(|gates| gates.get(at));
            gate.map(|gate| json!({ "host": GATED[at].1, "port": gate.port(), "address": gate.to_string() }))
                .into_iter()
                .collect()
        };
        let channel = |name: &str, host: &str, at: SocketAddr| {
            let mut hosts = vec![json!({ "host": host, "port": at.port(), "address": at.to_string() })];
            hosts.extend(gated(name));
            if name == "unionpay" {
                hosts.push(
                    json!({ "host": "filedownload.95516.com", "port": at.port(), "address": at.to_string() }),
                );
            }
            if name == "cmb" {
                hosts.push(
                    json!({ "host": "merchserv.netpay.cmbchina.com", "port": at.port(), "address": at.to_string() }),
                );
            }
            // Who signs with certificates of roots that the licence names: UnionPay always, Alipay in certificate mode.
            let (signing, signers): (&str, &[&str]) = match name {
                "alipay" => (&alipay_roots, &[]),
                "unionpay" => (&unionpay_roots, &[UNIONPAY_SIGNER]),
                _ => ("", &[]),
            };
            let (page, token) = match name {
                "wechat" => (
                    "connect/oauth2/authorize",
                    Some(
                        json!({ "host": "api.weixin.qq.com", "port": at.port(), "address": at.to_string() }),
                    ),
                ),
                _ => ("oauth2/publicAppAuthorize.htm", None),
            };
            json!({
                "authorization": (name != "unionpay").then(|| json!({ "page": format!("https://127.0.0.1:{}/{page}", at.port()), "token": token })),
                "signing_roots_pem": signing, "signing_names": signers, "channel": name, "institution": format!("Sandbox {name}"), "licence_no": "Z0000000000000", "valid_until": licensed_until,
                "hosts": hosts, "roots_pem": roots,
            })
        };
        self.sign_registry("licence", &json!({
            "kind": "licence", "version": version, "not_after": FOREVER, "filing_no": "DEMO-FILING-0001", "operator_accounts": ["1999999999"],
            "guide_prices": [{ "channel": "wechat", "least": 200, "most": 600 }, { "channel": "alipay", "least": 200, "most": 600 }],
            "channels": [
                channel("wechat", "api.mch.weixin.qq.com", channels.wechat),
                channel("alipay", "openapi.alipay.com", channels.alipay),
                channel("unionpay", "gateway.95516.com", channels.unionpay),
                channel("baidu", "www.baifubao.com", channels.baidu),
                channel("ccb", "ibsbjstar.ccb.com.cn", channels.ccb),
                channel("icbc", "b2c.icbc.com.cn", channels.icbc),
                channel("cmb", "netpay.cmbchina.com", channels.cmb),
            ],
        }))?;
        let mut merchants = self
            .merchants
            .iter()
            .map(|m| {
                let mut facts = acquirer_merchant(&self.material.dir, m, self.keys_held)?;
                if self.codepay || m.codepay() {
                    facts["accounts"][0]["codepay"] = json!(true);
                }
                if self.sm2 {
                    facts["accounts"][0]["sign_method"] = json!("sm2");
                    facts["accounts"][0]["platform"] = json!(m.accounts.wechat.public_key_id);
                }
                if let Some(accounts) = facts["accounts"].as_array_mut() {
                    accounts.retain(|account| self.has(account));
                }
                Ok(facts)
            })
            .collect::<anyhow::Result<Vec<Value>>>()?;
        self.with_second(&mut merchants);
        self.sign_registry("acquirer-demo", &json!({
            "kind": "acquirer", "version": version, "not_after": FOREVER, "acquirer": ACQUIRER, "name": "Demo Acquirer", "merchants": merchants,
        }))?;
        let operators = self
            .merchants
            .iter()
            .map(|m| self.operator_merchant(m))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let accounts = self
            .merchants
            .iter()
            .map(|m| self.operator_accounts(m))
            .collect::<anyhow::Result<Vec<_>>>()?
            .concat();
        let accounts: Vec<Value> = accounts.into_iter().filter(|account| self.has(account)).collect();
        self.sign_registry("operator", &json!({
            "kind": "operator", "version": version, "not_after": FOREVER, "agents": [{ "id": AGENT, "name": "Demo agent" }], "merchants": operators, "accounts": accounts,
        }))
    }

    fn has(&self, account: &Value) -> bool {
        self.only.is_empty() || self.only.iter().any(|channel| account["channel"] == *channel)
    }

    /// The first merchant's second accounts, cheaper than none of the first ones: those come first while they are in order.
    fn with_second(&self, merchants: &mut [Value]) {
        let (Some(second), Some(first)) = (&self.second, merchants.first_mut()) else {
            return;
        };
        let Some(accounts) = first["accounts"].as_array_mut() else {
            return;
        };
        for ((channel, host), account) in GATED.into_iter().zip(accounts.iter_mut()) {
            account["host"] = host.into();
            // The licence file has guide prices of these.
            if ["wechat", "alipay"].contains(&channel) {
                account["rates"] = json!([{ "rate": 380 }]);
            }
        }
        // The same app: its payers' ids are good for both.
        let appids = accounts[0]["appids"].clone();
        let rates = json!([{ "rate": 600 }]);
        let (w, a) = (&second.wechat, &second.alipay);
        accounts.push(json!({ "channel": "wechat", "account": w.mchid, "payee": w.mchid, "keys": "held", "appids": [w.appid, appids[0]], "serial": w.serial, "platform": w.public_key_id, "rates": rates }));
        accounts.push(json!({ "channel": "alipay", "account": a.app_id, "payee": a.seller_id, "keys": "held", "rates": rates }));
        let (u, b, c) = (&second.unionpay, &second.baidu, &second.ccb);
        accounts.push(json!({ "channel": "unionpay", "account": u.mer_id, "payee": u.mer_id, "keys": "held", "sign_method": "11" }));
        accounts.push(json!({ "channel": "baidu", "account": b.sp_no, "payee": b.sp_no, "keys": "held" }));
        accounts.push(
            json!({ "channel": "ccb", "account": c.pos_id, "payee": c.merchant_id, "keys": "held",
            "bank": { "branch": c.branch_id, "unverified": Unverified::of(Channel::Ccb) } }),
        );
    }

    fn operator_merchant(&self, merchant: &DemoMerchant) -> anyhow::Result<Value> {
        let public_key = fs::read_to_string(self.dir.join(&merchant.key_file).with_extension("pub.pem"))?;
        let first = merchant.id == self.terminal.id;
        let mut keys = vec![
            json!({ "serial": merchant.serial, "scheme": merchant.scheme, "public_key": public_key, "not_after": FOREVER }),
        ];
        if first {
            let public_key =
                fs::read_to_string(self.dir.join(&self.terminal.key_file).with_extension("pub.pem"))?;
            keys.push(json!({ "serial": self.terminal.serial, "scheme": self.terminal.scheme, "public_key": public_key, "not_after": FOREVER, "terminal": TERMINAL }));
        }
        Ok(json!({
            "id": merchant.id,
            "api_keys": keys,
            "agent": first.then(|| json!({ "agent": AGENT, "rates": [{ "channel": "wechat", "rate": 300 }, { "channel": "alipay", "rate": 300 }] })).filter(|_| self.second.is_some()),
            "notify": { "url": format!("https://127.0.0.1:{}/notify/{}", self.ports.shop, merchant.id), "private": true },
            "return_hosts": [RETURN_HOST],
            "rate": { "per_second": 100_000, "burst": 200_000 },
            "routes": if first { self.routes() } else { json!([]) },
        }))
    }

    fn routes(&self) -> Value {
        let routes = self.routing.lock().0.clone();
        if routes.is_null() { json!([]) } else { routes }
    }

    fn stands_by(&self, account: &str) -> bool {
        self.routing.lock().1.iter().any(|no| no == account)
    }

    fn operator_accounts(&self, merchant: &DemoMerchant) -> anyhow::Result<Vec<Value>> {
        let read = |file: &str| fs::read_to_string(self.material.dir.join(file));
        let relay = |channel: &str| {
            format!(
                "https://127.0.0.1:{}/relay/{channel}/{}",
                self.ports.shop, merchant.id
            )
        };
        let (w, a) = (&merchant.accounts.wechat, &merchant.accounts.alipay);
        let u = &merchant.accounts.unionpay;
        let certificate = read(&u.cert_file)?;
        let signs = merchant.sign_method() == "01";
        let of_unionpay = signs.then(|| -> anyhow::Result<Value> {
            Ok(json!({ "serial": decimal_serial(&certificate)?, "public_key": certificate }))
        });
        let of_unionpay: Vec<Value> = of_unionpay.transpose()?.into_iter().collect();
        Ok(vec![
            json!({ "channel": "wechat", "account": w.mchid, "standby": self.stands_by(&w.mchid), "relay_url": relay("wechat"), "relay_private": true,
                "merchant_keys": [{ "serial": w.serial, "public_key": read(if self.sm2 { &w.sm2_public_file } else { &w.cert_file })? }] }),
            json!({ "channel": "alipay", "account": a.app_id, "relay_url": relay("alipay"), "relay_private": true,
                "merchant_keys": [{ "serial": "app", "public_key": read(&a.app_cert_file)? }] }),
            json!({ "channel": "unionpay", "account": u.mer_id, "relay_url": relay("unionpay"), "relay_private": true, "merchant_keys": of_unionpay }),
        ])
    }

    /// Writes one registry and signs it as whoever is in charge of its kind.
    pub fn sign_registry(&self, name: &str, value: &Value) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(value)?;
        let kind = name.split('-').next().unwrap_or(name);
        let signer = if kind == "acquirer" {
            &self.acquirer
        } else {
            &self.authority
        };
        let signed = format!(
            "guandao-registry\n{kind}\n{}\n",
            hex::encode(Sha256::digest(&text))
        );
        let signature = note::sign(&signed, &signer_name(kind), &**signer);
        let file = self.dir.join(format!("registries/{name}.json"));
        // The signature is there before the file it signs changes.
        fs::write(file.with_extension("json.new"), text)?;
        fs::write(self.dir.join(format!("registries/{name}.json.sig")), signature)?;
        fs::rename(file.with_extension("json.new"), file)?;
        Ok(())
    }

    fn vkey(&self, kind: &str) -> String {
        let signer = if kind == "acquirer" {
            &self.acquirer
        } else {
            &self.authority
        };
        VerifierKey {
            name: signer_name(kind),
            public_key: signer.public_key(),
        }
        .to_text()
    }

    /// The acquirer's key, which also signs acknowledgements of exports.
    pub fn acquirer_vkey(&self) -> String {
        self.vkey("acquirer")
    }

    /// Signs a text as the acquirer.
    pub fn sign_as_acquirer(&self, text: &str) -> String {
        note::sign(text, &signer_name("acquirer"), &*self.acquirer)
    }

    fn keys(&self) -> anyhow::Result<()> {
        let dir = self.dir.join("keys");
        secret(&dir.join("journal.pem"), certs::generate_ed25519()?.as_bytes())?;
        secret(
            &dir.join("answer/GDED25519A1.pem"),
            certs::generate_ed25519()?.as_bytes(),
        )?;
        secret(
            &dir.join("answer/GDRSA2048A1.pem"),
            rsa()?.serialize_pem().as_bytes(),
        )?;
        let from = |file: &str| fs::read(self.material.dir.join(file));
        let own = self
            .merchants
            .iter()
            .map(|m| (&m.accounts, m.certificate_mode(), m.encrypts()));
        for (accounts, certificates, encrypts) in
            own.chain(self.second.iter().map(|second| (second, false, false)))
        {
            let (w, a) = (&accounts.wechat, &accounts.alipay);
            let wechat = dir.join("wechat").join(&w.mchid);
            fs::create_dir_all(wechat.join("platform"))?;
            if self.keys_held {
                let key = if self.sm2 { &w.sm2_key_file } else { &w.key_file };
                secret(&wechat.join("merchant.pem"), &from(key)?)?;
                secret(&wechat.join("apiv3.secret"), w.apiv3_key.as_bytes())?;
                fs::create_dir_all(wechat.join("app-secret"))?;
                secret(
                    &wechat.join(format!("app-secret/{}.secret", w.appid)),
                    w.app_secret.as_bytes(),
                )?;
                secret(&wechat.join("apiv2.secret"), w.apiv2_key.as_bytes())?;
                secret(&wechat.join("merchant-certificate.crt"), &from(&w.cert_file)?)?;
            }
            if self.sm2 {
                secret(
                    &wechat.join(format!("platform/{}.pem", w.public_key_id)),
                    &from(&w.sm2_platform_file)?,
                )?;
            }
            // In certificate mode nothing is laid down: the proxy fetches what it needs (channels.md 1.7, 3.6).
            if !certificates && !self.sm2 {
                secret(
                    &wechat.join(format!("platform/{}.pem", w.platform_serial)),
                    &from(&w.platform_cert_file)?,
                )?;
                secret(
                    &wechat.join(format!("platform/{}.pem", w.public_key_id)),
                    &from(&w.public_key_file)?,
                )?;
            }
            let alipay = dir.join("alipay").join(&a.app_id);
            fs::create_dir_all(&alipay)?;
            if self.keys_held {
                secret(&alipay.join("app.pem"), &from(&a.private_key_file)?)?;
            }
            if encrypts && self.keys_held {
                secret(&alipay.join("content.aes"), a.aes_key.as_bytes())?;
            }
            if !certificates {
                secret(&alipay.join("platform.pem"), &from(&a.alipay_public_key_file)?)?;
            }
        }
        let own = self.merchants.iter().map(|m| (&m.accounts, m.sign_method()));
        for (accounts, sign_method) in own.chain(self.second.iter().map(|second| (second, "11"))) {
            let u = &accounts.unionpay;
            let unionpay = dir.join("unionpay").join(&u.mer_id);
            fs::create_dir_all(&unionpay)?;
            match sign_method {
                "01" if self.keys_held => secret(&unionpay.join("merchant.pem"), &from(&u.key_file)?)?,
                "01" => {}
                _ => secret(&unionpay.join("secure.secret"), u.secure_key.as_bytes())?,
            }
            let b = &accounts.baidu;
            let baidu = dir.join("baidu").join(&b.sp_no);
            fs::create_dir_all(&baidu)?;
            secret(&baidu.join("key.digest"), b.key.as_bytes())?;
            let c = &accounts.ccb;
            let ccb = dir.join("ccb").join(&c.pos_id);
            fs::create_dir_all(&ccb)?;
            secret(&ccb.join("bank.ccb"), c.public_key.as_bytes())?;
            secret(&ccb.join("query.password"), c.query_password.as_bytes())?;
            let i = &accounts.icbc;
            let icbc = dir.join("icbc").join(&i.mer_id);
            fs::create_dir_all(&icbc)?;
            secret(&icbc.join("merchant.sha1"), &from(&i.key_file)?)?;
            secret(&icbc.join("bank.sha1"), &from(&i.bank_cert_file)?)?;
            let m = &accounts.cmb;
            let cmb = dir.join("cmb").join(&m.number);
            fs::create_dir_all(&cmb)?;
            secret(&cmb.join("merchant.merkey"), m.key.as_bytes())?;
            secret(&cmb.join("bank.sha1"), &from(&m.bank_key_file)?)?;
        }
        let desk = self.dir.join("desk/keys");
        secret(&desk.join("journal.pem"), certs::generate_ed25519()?.as_bytes())?;
        secret(&desk.join("export.pem"), certs::generate_ed25519()?.as_bytes())?;
        fs::write(
            self.dir.join("trades.vkey"),
            self.journal_vkey(&dir.join("journal.pem"), "trades/0")?,
        )?;
        fs::write(
            self.dir.join("cases.vkey"),
            self.journal_vkey(&desk.join("journal.pem"), "cases/0")?,
        )?;
        fs::write(
            self.dir.join("export.vkey"),
            self.journal_vkey(&desk.join("export.pem"), "export")?,
        )?;
        for kind in ["licence", "acquirer", "operator"] {
            fs::write(self.dir.join(format!("authority/{kind}.vkey")), self.vkey(kind))?;
        }
        for answer in ["GDED25519A1", "GDRSA2048A1"] {
            let keys = Keys::default();
            let name = KeyRef::new("x")?;
            keys.put(
                name.clone(),
                Key::read(&fs::read(dir.join(format!("answer/{answer}.pem")))?)?,
            );
            fs::write(
                self.dir.join(format!("merchants/{answer}.pub.pem")),
                keys.public_pem(&name)?,
            )?;
        }
        Ok(())
    }

    fn journal_vkey(&self, key: &Path, what: &str) -> anyhow::Result<String> {
        Ok(VerifierKey {
            name: format!("{NAME}/{what}"),
            public_key: signer(key)?.public_key(),
        }
        .to_text())
    }

    fn listener(&self, name: &str, port: u16, rest: &str) -> String {
        let (cert, key) = (self.path("tls/server.pem"), self.path("tls/server.key"));
        format!(
            "[listen.{name}]\naddress = \"127.0.0.1:{port}\"\ncert = \"{cert}\"\nkey = \"{key}\"\n{rest}\n"
        )
    }

    fn registries_config(&self) -> String {
        format!(
            "[registries]\ndir = \"{}\"\nlicence_key = \"{}\"\nacquirer_key = \"{}\"\noperator_key = \"{}\"\n",
            self.path("registries"),
            self.vkey("licence"),
            self.vkey("acquirer"),
            self.vkey("operator"),
        )
    }

    fn proxy_config(&self, options: &Options) -> String {
        let ports = self.ports;
        let ca = self.material.ca_path().display().to_string();
        let mut text = format!(
            "name = \"{NAME}\"\ndata = \"{}\"\nkeys = \"{}\"\nnotify_roots = \"{ca}\"\n\n[listen]\nnotify_url = \"https://127.0.0.1:{}\"\npages_url = \"https://127.0.0.1:{}\"\nbanks = \"127.0.0.1:{}\"\nbanks_url = \"http://127.0.0.1:{}\"\nmetrics = \"127.0.0.1:{}\"\n\n",
            self.path("data"),
            self.path("keys"),
            ports.notify,
            ports.pages,
            ports.banks,
            ports.banks,
            ports.metrics,
        );
        text += &self.listener("api", ports.api, "");
        text += &self.listener("wechat", ports.wechat, "host = \"127.0.0.1\"\n");
        text += &self.listener("alipay", ports.alipay, "host = \"127.0.0.1\"\n");
        text += &self.listener("unionpay", ports.unionpay, "host = \"127.0.0.1\"\n");
        text += &self.listener("notify", ports.notify, "");
        text += &self.listener("pages", ports.pages, "");
        text += &self.listener("journal", ports.trades, &format!("client_ca = \"{ca}\"\n"));
        text += &self.registries_config();
        text += "every_ms = 300\n";
        let (bucket, deadline) = options.vault;
        text += &format!(
            "\n[vault]\nbucket_seconds = {bucket}\ndeadline_seconds = {deadline}\nnotify_seconds = 600\n"
        );
        text += &format!(
            "\n[times]\nanswer_ms = {}\nclaim_wait_ms = 4000\nunknown_after_ms = 400\nplaced_after_ms = 2000\nrefund_after_ms = 800\ncharge_after_ms = 300\ncharge_wait_ms = 2500\nreverse_after_ms = 200\nnotify_after_ms = 500\ndrain_ms = 5000\n{}",
            options.answer_ms, options.times,
        );
        text += &format!("\n[limits]\ndisk_low_mib = 64\n{}", options.limits);
        text += "\n[limits.source]\nper_second = 1000000\n\n[limits.payer]\nper_second = 1000000\n\n[limits.channel]\nper_second = 1000000\n";
        text += &format!("\n[limits.failures]\nper_second = {}\n", options.failures);
        if options.desk {
            text += &format!(
                "\n[cases]\nurl = \"https://127.0.0.1:{}\"\nca = \"{ca}\"\ncert = \"{}\"\nkey = \"{}\"\nvkey_file = \"{}\"\n",
                ports.cases,
                self.path("tls/proxy.pem"),
                self.path("tls/proxy.key"),
                self.path("cases.vkey"),
            );
        }
        text + "\n" + &options.extra
    }

    fn desk_config(&self) -> String {
        let ports = self.ports;
        let ca = self.material.ca_path().display().to_string();
        let mut text = format!(
            "name = \"{NAME}\"\ndata = \"{}\"\nkeys = \"{}\"\nusers = \"{}\"\nexports = \"{}\"\npoll_ms = 300\n\n",
            self.path("desk/data"),
            self.path("desk/keys"),
            self.path("desk/users.toml"),
            self.path("exports"),
        );
        text += &self.listener("pages", ports.desk, "");
        text += &self.listener("journal", ports.cases, &format!("client_ca = \"{ca}\"\n"));
        text += &format!(
            "[trades]\nurl = \"https://127.0.0.1:{}\"\nca = \"{ca}\"\ncert = \"{}\"\nkey = \"{}\"\nvkey_file = \"{}\"\n\n",
            ports.trades,
            self.path("tls/desk.pem"),
            self.path("tls/desk.key"),
            self.path("trades.vkey"),
        );
        // The demo has few merchants and channels; the definitions' own thresholds are ten merchants and three channels.
        text += "[parameters.t10]\nmerchants = 3\n\n[parameters.t26]\nchannels = 2\n\n";
        text + &self.registries_config()
    }

    fn users(&self) -> anyhow::Result<()> {
        use argon2::{Argon2, PasswordHasher, password_hash::SaltString};
        let mut text = String::new();
        for (name, role) in USERS
            .into_iter()
            .chain(OWN_OFFICERS.map(|name| (name, "officer")))
        {
            let mut random = [0; 16];
            getrandom::fill(&mut random).map_err(|e| anyhow!("{e}"))?;
            let salt = SaltString::encode_b64(&random).map_err(|e| anyhow!("{e}"))?;
            let hash = Argon2::default()
                .hash_password(PASSWORD.as_bytes(), &salt)
                .map_err(|e| anyhow!("{e}"))?;
            text += &format!("[[users]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{hash}\"\n\n");
        }
        secret(&self.dir.join("desk/users.toml"), text.as_bytes())
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

fn acquirer_merchant(material: &Path, merchant: &DemoMerchant, keys_held: bool) -> anyhow::Result<Value> {
    let keys = if keys_held { "held" } else { "merchant" };
    let (w, a, u, b, c) = (
        &merchant.accounts.wechat,
        &merchant.accounts.alipay,
        &merchant.accounts.unionpay,
        &merchant.accounts.baidu,
        &merchant.accounts.ccb,
    );
    let read = |file: &String| fs::read_to_string(material.join(file));
    let (app_sn, alipay_sn, root_sn) = (
        cert_sn(&read(&a.app_cert_file)?)?,
        cert_sn(&read(&a.alipay_cert_file)?)?,
        root_cert_sn(&read(&a.root_cert_file)?)?,
    );
    let certificates = merchant.certificate_mode();
    Ok(json!({
        "id": merchant.id, "name": format!("官道茶铺 Demo shop {}", merchant.id),
        "agreement": { "no": format!("AGR-{}", merchant.id), "until": FOREVER },
        "accounts": [
            { "channel": "wechat", "account": w.mchid, "payee": w.mchid, "keys": keys, "appids": [w.appid, w.mini_appid], "sub_payees": w.sub_mchids, "serial": w.serial, "platform": (!merchant.certificate_mode()).then_some(&w.public_key_id) },
            { "channel": "alipay", "account": a.app_id, "payee": a.seller_id, "keys": keys,
                "serial": certificates.then_some(app_sn), "platform": certificates.then_some(alipay_sn), "root_sn": certificates.then_some(root_sn),
                "encrypts": merchant.encrypts(),
                "auth_tokens": [{ "sha256": hex::encode(Sha256::digest(AUTHORISED.0)), "payee": AUTHORISED.1 }] },
            // A secret that both sides share must be held; a merchant's own certificate need not.
            { "channel": "unionpay", "account": u.mer_id, "payee": u.mer_id, "keys": if merchant.sign_method() == "01" { keys } else { "held" }, "serial": decimal_serial(&read(&u.cert_file)?)?, "sign_method": merchant.sign_method(),
                // Codes as UnionPay's own sample and public shops have them; here it is the sandbox that confirmed them.
                "bank": { "business": true, "unverified": Unverified::of(Channel::Unionpay), "listed": [
                    { "code": "ICBC", "zh": "工商银行", "en": "ICBC", "business": true },
                    { "code": "ABC", "zh": "农业银行", "en": "Agricultural Bank of China", "business": true },
                    { "code": "CCB", "zh": "建设银行", "en": "China Construction Bank" },
                    { "code": "CMB", "zh": "招商银行", "en": "China Merchants Bank" },
                    { "code": "PSBC", "zh": "邮储银行", "en": "Postal Savings Bank" },
                ] } },
            { "channel": "baidu", "account": b.sp_no, "payee": b.sp_no, "keys": "held", "sha1": merchant.sha1() },
            // What no document says, the sandbox does: here it is the bank that confirmed it.
            { "channel": "ccb", "account": c.pos_id, "payee": c.merchant_id, "keys": "held",
                "bank": { "branch": c.branch_id, "unverified": Unverified::of(Channel::Ccb) } },
            { "channel": "icbc", "account": merchant.accounts.icbc.mer_id, "payee": merchant.accounts.icbc.mer_acct, "keys": "held",
                "bank": { "certificate": merchant.accounts.icbc.certificate, "reference": format!("*.{RETURN_HOST}"), "unverified": Unverified::of(Channel::Icbc) } },
            { "channel": "cmb", "account": merchant.accounts.cmb.number, "payee": merchant.accounts.cmb.number, "keys": "held",
                "bank": { "absent_code": "SANDBOX404", "unverified": Unverified::of(Channel::Cmb) } },
        ],
        "uscc": "91110000600037341L", "settlement": hex::encode(Sha256::digest(&merchant.id)),
        "terminals": terminals(&merchant.id),
    }))
}

/// A serial is one merchant's (R22): the published ones are the first merchant's.
fn terminals(merchant: &str) -> Value {
    let named = |first: &str| match merchant {
        FIRST => first.to_owned(),
        other => format!("{first}-{other}"),
    };
    json!([
        { "no": named(TERMINAL), "area": "310101", "term_id": TERM_ID, "store": { "id": SHOP, "name": "南京路店", "address": "南京东路 1 号" } },
        { "no": named(OTHER_TERMINAL), "area": "440304" },
    ])
}

fn tls(dir: &Path, ca: &Ca, material: &Material) -> anyhow::Result<()> {
    let put = |name: &str, names: &[&str]| -> anyhow::Result<()> {
        let (cert, key) = material::issue(ca, names)?;
        fs::write(dir.join(format!("tls/{name}.pem")), cert)?;
        secret(&dir.join(format!("tls/{name}.key")), key.as_bytes())
    };
    put("server", &["localhost", "127.0.0.1", "::1"])?;
    put("proxy", &["guandao-proxy"])?;
    put("desk", &["guandao-desk"])?;
    let _ = material;
    Ok(())
}

fn authority(dir: &Path, name: &str) -> anyhow::Result<Arc<dyn Sign>> {
    let file = dir.join(format!("authority/{name}.pem"));
    secret(&file, certs::generate_ed25519()?.as_bytes())?;
    signer(&file)
}

fn signer(file: &Path) -> anyhow::Result<Arc<dyn Sign>> {
    let (keys, name) = (Keys::default(), KeyRef::new("signer")?);
    keys.put(name.clone(), Key::read(&fs::read(file)?)?);
    Ok(keys.signer(&name)?)
}

fn merchants(dir: &Path, material: &Material) -> anyhow::Result<Vec<DemoMerchant>> {
    let of = |(n, accounts): (usize, &SandboxMerchant)| -> anyhow::Result<DemoMerchant> {
        let id = format!("m{}", 1001 + n);
        let key_file = format!("merchants/{id}.pem");
        let scheme = if n % 2 == 0 {
            "GUANDAO-ED25519"
        } else {
            "GUANDAO-SHA256-RSA2048"
        };
        let private = if n % 2 == 0 {
            certs::generate_ed25519()?.to_string()
        } else {
            rsa()?.serialize_pem()
        };
        secret(&dir.join(&key_file), private.as_bytes())?;
        let (keys, name) = (Keys::default(), KeyRef::new("x")?);
        keys.put(name.clone(), Key::read(private.as_bytes())?);
        fs::write(
            dir.join(&key_file).with_extension("pub.pem"),
            keys.public_pem(&name)?,
        )?;
        Ok(DemoMerchant {
            id,
            scheme,
            serial: format!("K{:04}", 1 + n),
            key_file,
            accounts: accounts.clone(),
        })
    };
    material.merchants.iter().enumerate().map(of).collect()
}

/// A key that places, asks for and reverses one terminal's own orders.
fn terminal(dir: &Path, merchant: &DemoMerchant) -> anyhow::Result<DemoMerchant> {
    let key_file = format!("merchants/{}-terminal.pem", merchant.id);
    let private = certs::generate_ed25519()?.to_string();
    secret(&dir.join(&key_file), private.as_bytes())?;
    let (keys, name) = (Keys::default(), KeyRef::new("x")?);
    keys.put(name.clone(), Key::read(private.as_bytes())?);
    fs::write(
        dir.join(&key_file).with_extension("pub.pem"),
        keys.public_pem(&name)?,
    )?;
    Ok(DemoMerchant {
        scheme: "GUANDAO-ED25519",
        serial: "T0001".into(),
        key_file,
        ..merchant.clone()
    })
}

fn rsa() -> anyhow::Result<rcgen::KeyPair> {
    Ok(rcgen::KeyPair::generate_rsa_for(
        &rcgen::PKCS_RSA_SHA256,
        rcgen::RsaKeySize::_2048,
    )?)
}

fn secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| path.display().to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
