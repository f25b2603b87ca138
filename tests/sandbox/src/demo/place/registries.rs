//! The signed registries: licence, acquirer, operator.

use super::{
    ACQUIRER, AGENT, AUTHORISED, Addresses, DemoMerchant, FIRST, FOREVER, GATED, OTHER_TERMINAL, Place,
    RETURN_HOST, SHOP, TERM_ID, TERMINAL, signer_name,
};
use crate::material::{UNIONPAY_SIGNER, WechatAccount, cert_sn, decimal_serial, root_cert_sn};
use anyhow::Context;
use domain::{Channel, Unverified};
use journal::{VerifierKey, note};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::{fs, net::SocketAddr, path::Path, sync::atomic::Ordering};

impl Place {
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
                "unionpay" => (&unionpay_roots, &[UNIONPAY_SIGNER, "00040000:SIGN"]),
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
                if self.has_codepay(m) {
                    facts["accounts"][0]["codepay"] = json!(true);
                }
                if self.has_openapi_v3(m) {
                    facts["accounts"][1]["openapi"] = json!("v3");
                }
                if self.by_sm2(&m.accounts.wechat.mchid) {
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

    pub(super) fn has(&self, account: &Value) -> bool {
        self.only.is_empty() || self.only.iter().any(|channel| account["channel"] == *channel)
    }

    /// The first merchant's second accounts, cheaper than none of the first ones: those come first while they are in order.
    pub(super) fn with_second(&self, merchants: &mut [Value]) {
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
        let rates = json!([{ "rate": 600 }]);
        let (w, a) = (&second.wechat, &second.alipay);
        // Where the first one's app is among them, its payers' ids are good for both.
        let appids: Vec<&String> = [&w.appid].into_iter().chain(&w.shared_appids).collect();
        accounts.push(json!({ "channel": "wechat", "account": w.mchid, "payee": w.mchid, "keys": "held", "appids": appids, "serial": w.serial, "platform": w.public_key_id, "rates": rates }));
        let openapi = if self.all_by_openapi_v3() { "v3" } else { "gateway" };
        accounts.push(json!({ "channel": "alipay", "account": a.app_id, "payee": a.seller_id, "keys": "held", "openapi": openapi, "rates": rates }));
        let (u, b, c) = (&second.unionpay, &second.baidu, &second.ccb);
        accounts.push(json!({ "channel": "unionpay", "account": u.mer_id, "payee": u.mer_id, "keys": "held", "sign_method": "11" }));
        accounts.push(json!({ "channel": "baidu", "account": b.sp_no, "payee": b.sp_no, "keys": "held", "bank": absent_at_baidu() }));
        accounts.push(
            json!({ "channel": "ccb", "account": c.pos_id, "payee": c.merchant_id, "keys": "held",
            "bank": { "branch": c.branch_id, "unverified": Unverified::of(Channel::Ccb) } }),
        );
    }

    pub(super) fn operator_merchant(&self, merchant: &DemoMerchant) -> anyhow::Result<Value> {
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

    pub(in crate::demo) fn routes(&self) -> Value {
        let routes = self.routing.lock().0.clone();
        if routes.is_null() { json!([]) } else { routes }
    }

    /// At WeChat large orders go to the second account, all others to the first one; the other one stands by.
    pub(in crate::demo) fn rules(&self) -> Value {
        let (Some(second), Some(first)) = (&self.second, self.merchants.first()) else {
            return json!([]);
        };
        let [first, second] = [&first.accounts, second].map(|accounts| accounts.wechat.mchid.as_str());
        let rule = |name: &str, when: &str, account: &str, standby: &str| json!({ "name": name, "channel": "wechat", "when": when, "accounts": [account], "standby": [standby] });
        json!([
            rule("large", "amount >= 100000", second, first),
            rule("rest", "true", first, second),
        ])
    }

    pub(super) fn stands_by(&self, account: &str) -> bool {
        self.routing.lock().1.iter().any(|no| no == account)
    }

    /// Has its account at WeChat payment codes by APIv3?
    pub(in crate::demo) fn has_codepay(&self, merchant: &DemoMerchant) -> bool {
        self.codepay || merchant.codepay()
    }

    /// Is its account at Alipay served at OpenAPI v3?
    pub(in crate::demo) fn has_openapi_v3(&self, merchant: &DemoMerchant) -> bool {
        self.all_by_openapi_v3() || merchant.openapi_v3()
    }

    fn all_by_openapi_v3(&self) -> bool {
        self.openapi_v3.load(Ordering::Relaxed)
    }

    /// Does this account at WeChat sign by SM2? A second account does where its merchant, the first one, does.
    pub fn by_sm2(&self, mchid: &str) -> bool {
        let own = |m: &DemoMerchant| m.accounts.wechat.mchid == mchid;
        let at = self.merchants.iter().position(own);
        at.zip(self.sm2_from).is_some_and(|(at, first)| at >= first)
    }

    pub(super) fn operator_accounts(&self, merchant: &DemoMerchant) -> anyhow::Result<Vec<Value>> {
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
                "merchant_keys": [{ "serial": w.serial, "public_key": read(if self.by_sm2(&w.mchid) { &w.sm2_public_file } else { &w.cert_file })? }] }),
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

    pub(super) fn vkey(&self, kind: &str) -> String {
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
}

/// Each sub-merchant's own app.
fn sub_apps(account: &WechatAccount) -> Vec<Value> {
    let each = account.sub_mchids.iter().zip(&account.sub_appids);
    each.map(|(payee, appid)| json!({ "payee": payee, "appids": [appid] }))
        .collect()
}

/// No document says which codes mean "not there": here it is the sandbox that said so.
fn absent_at_baidu() -> Value {
    json!({ "absent_code": "5804", "absent_refund_code": "0" })
}

pub(super) fn acquirer_merchant(
    material: &Path,
    merchant: &DemoMerchant,
    keys_held: bool,
) -> anyhow::Result<Value> {
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
            { "channel": "wechat", "account": w.mchid, "payee": w.mchid, "keys": keys, "appids": [w.appid, w.mini_appid], "sub_payees": w.sub_mchids, "sub_apps": sub_apps(w), "serial": w.serial, "platform": (!merchant.certificate_mode()).then_some(&w.public_key_id) },
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
            { "channel": "baidu", "account": b.sp_no, "payee": b.sp_no, "keys": "held", "sha1": merchant.sha1(), "bank": absent_at_baidu() },
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
        "level_a": merchant.level_a(),
    }))
}

/// The serial that this terminal of the first merchant has at another one.
pub fn terminal_of(merchant: &str, first: &str) -> String {
    match merchant {
        FIRST => first.to_owned(),
        other => format!("{first}-{other}"),
    }
}

/// A serial is one merchant's (R22): the published ones are the first merchant's.
pub(super) fn terminals(merchant: &str) -> Value {
    json!([
        { "no": terminal_of(merchant, TERMINAL), "area": "310101", "term_id": TERM_ID, "store": { "id": SHOP, "name": "南京路店", "address": "南京东路 1 号" } },
        { "no": terminal_of(merchant, OTHER_TERMINAL), "area": "440304" },
    ])
}
