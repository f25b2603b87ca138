//! `endpoints.json`: what an integrator needs to know of a running demo. Paths are relative to the demo's directory.

use super::{
    Demo,
    own_ways::{own_calls, own_ways},
    place,
    ways::{calls, ways},
};
use crate::{channels, material::decimal_serial};
use serde_json::{Value, json};

impl Demo {
    pub(super) fn write_endpoints(&self) -> anyhow::Result<()> {
        let file = self.place.dir.join("endpoints.json");
        // Written beside and renamed: whoever waits for the file never reads half of it.
        std::fs::write(
            file.with_extension("new"),
            serde_json::to_string_pretty(&self.endpoints()?)?,
        )?;
        std::fs::rename(file.with_extension("new"), file)?;
        Ok(())
    }

    fn endpoints(&self) -> anyhow::Result<Value> {
        let (ports, place) = (self.place.ports, &self.place);
        let url = |port: u16| format!("https://127.0.0.1:{port}");
        let vkey = |file: &str| std::fs::read_to_string(place.dir.join(file)).map(|t| t.trim().to_owned());
        let (others, own) = place
            .merchants
            .split_at(place.merchants.len().saturating_sub(place.own));
        Ok(json!({
            "api": { "url": url(ports.api), "ca": "channels/ca.pem", "keys": [
                { "serial": "GDED25519A1", "scheme": "GUANDAO-ED25519", "public_key_file": "merchants/GDED25519A1.pub.pem" },
                { "serial": "GDRSA2048A1", "scheme": "GUANDAO-SHA256-RSA2048", "public_key_file": "merchants/GDRSA2048A1.pub.pem" },
            ] },
            "passthrough": {
                "wechat": { "url": url(ports.wechat), "host": "127.0.0.1" },
                "alipay": { "url": url(ports.alipay), "host": "127.0.0.1" },
                "unionpay": { "url": url(ports.unionpay), "host": "127.0.0.1" },
            },
            "notify": { "url": url(ports.notify), "banks": format!("http://127.0.0.1:{}", ports.banks) },
            "pages": { "url": url(ports.pages) },
            "desk": { "url": url(ports.desk), "users": place::USERS.map(|(name, role)| json!({ "name": name, "role": role, "password": place::PASSWORD })) },
            // Where merchants are told and notices are relayed; `came` shows what was posted there, its body in base64.
            "shop": { "url": url(ports.shop), "came": format!("{}/came?path=", url(ports.shop)) },
            "metrics": { "url": format!("http://127.0.0.1:{}/metrics", ports.metrics) },
            "sandbox": {
                "url": self.channels.url(), "ca": "channels/ca.pem", "control": self.channels.control_url(),
                "wechat": self.channels.wechat_url(), "alipay": self.channels.alipay_url(), "unionpay": self.channels.unionpay_url(), "baidu": self.channels.url(), "ccb": self.channels.url(), "icbc": self.channels.url(), "cmb": self.channels.url(),
            },
            // Every way to pay: what to send, and how the payer gets there. Then `control/pay` with channel, out_trade_no, outcome.
            "ways": ways(), "calls": calls(),
            // The same for a merchant's own client at the pass-through, in each channel's words, and what it may ask for then.
            "own_ways": own_ways(), "own_calls": own_calls(),
            "merchants": others.iter().map(|m| self.published(m)).collect::<anyhow::Result<Vec<_>>>()?,
            // Accounts whose lines `control/line` loses, and where orders go meanwhile; none without second accounts.
            "lines": self.lines(), "rules": self.place.routes(),
            "terminals": [{
                "merchant": place.terminal.id, "terminal": place::TERMINAL, "serial": place.terminal.serial,
                "scheme": place.terminal.scheme, "key_file": place.terminal.key_file,
            }],
            "stories": { "merchants": own.iter().map(|m| &m.id).collect::<Vec<_>>() },
            "journals": {
                "trades": { "dir": "data/trades", "origin": format!("{}/trades/0", place::NAME), "public_key": vkey("trades.vkey")? },
                "cases": { "dir": "desk/data/cases", "origin": format!("{}/cases/0", place::NAME), "public_key": vkey("cases.vkey")? },
            },
            "acquirer": { "public_key": place.acquirer_vkey() },
            "exports": { "dir": "exports", "public_key": vkey("export.vkey")? },
            "pids": self.services.pids(),
        }))
    }

    fn lines(&self) -> Vec<Value> {
        let (Some(second), Some(first)) = (&self.place.second, self.place.merchants.first()) else {
            return Vec::new();
        };
        let line = |(channel, _): (&str, &str)| {
            json!({
                "channel": channel, "merchant": first.id, "account": first.accounts.account(channel),
                "second": second.account(channel), "modes": channels::losses(),
            })
        };
        place::GATED.into_iter().map(line).collect()
    }

    fn published(&self, merchant: &place::DemoMerchant) -> anyhow::Result<Value> {
        let (ports, of) = (self.place.ports, &merchant.accounts);
        let mut accounts = json!({ "wechat": of.wechat, "alipay": of.alipay, "unionpay": of.unionpay, "baidu": of.baidu, "ccb": of.ccb, "icbc": of.icbc, "cmb": of.cmb });
        under(&mut accounts, "channels");
        let names = [
            ("wechat", &of.wechat.mchid),
            ("alipay", &of.alipay.app_id),
            ("unionpay", &of.unionpay.mer_id),
            ("baidu", &of.baidu.sp_no),
        ];
        for (channel, account) in names {
            // What a merchant's own client names as its notify_url, and where it finds what was relayed.
            let notify = format!("https://127.0.0.1:{}/n/{channel}/{account}", ports.notify);
            accounts[channel]["notify_url"] = json!(notify);
        }
        // Where WeChat calls when a payer scans a product's standing code.
        let scanned = format!(
            "{}/scan",
            accounts["wechat"]["notify_url"].as_str().unwrap_or_default()
        );
        accounts["wechat"]["scan_url"] = json!(scanned);
        // Registered with the bank, which tells in clear.
        let told = format!("http://127.0.0.1:{}/n/ccb/{}", ports.banks, of.ccb.pos_id);
        accounts["ccb"]["notify_url"] = json!(told);
        let told = format!("http://127.0.0.1:{}/n/icbc/{}", ports.banks, of.icbc.mer_id);
        accounts["icbc"]["notify_url"] = json!(told);
        let told = format!("http://127.0.0.1:{}/n/cmb/{}", ports.banks, of.cmb.number);
        accounts["cmb"]["notify_url"] = json!(told);
        let mode = if merchant.certificate_mode() {
            "certificate"
        } else {
            "public_key"
        };
        for channel in ["wechat", "alipay"] {
            accounts[channel]["mode"] = json!(mode);
        }
        // Where a merchant's own client can be had in the middle; of the others nothing is relayed.
        for channel in ["wechat", "alipay", "unionpay"] {
            accounts[channel]["relayed_to"] = json!(format!("/relay/{channel}/{}", merchant.id));
        }
        accounts["wechat"]["codepay"] = json!(self.place.has_codepay(merchant));
        accounts["alipay"]["encrypts"] = json!(merchant.encrypts());
        let v3 = self.place.has_openapi_v3(merchant);
        accounts["alipay"]["openapi"] = json!(if v3 { "v3" } else { "gateway" });
        accounts["unionpay"]["sign_method"] = json!(merchant.sign_method());
        accounts["unionpay"]["cert_id"] = json!(decimal_serial(&std::fs::read_to_string(
            self.place.material.dir.join(&of.unionpay.cert_file)
        )?)?);
        accounts["baidu"]["digest"] = json!(if merchant.sha1() { "SHA-1" } else { "MD5" });
        Ok(json!({
            "mchid": merchant.id, "scheme": merchant.scheme, "key_file": merchant.key_file, "serial": merchant.serial,
            "told_at": format!("/notify/{}", merchant.id), "accounts": accounts,
            // Where a payer's browser may be sent back to (`return_url`, `frontUrl`).
            "return_hosts": [place::RETURN_HOST],
        }))
    }
}

/// File names of the channels' material are relative to its own folder; here to the demo's.
fn under(value: &mut Value, folder: &str) {
    match value {
        Value::Object(map) => map.iter_mut().for_each(|(name, value)| match value {
            Value::String(text) if name.ends_with("_file") => *text = format!("{folder}/{text}"),
            other => under(other, folder),
        }),
        Value::Array(list) => list.iter_mut().for_each(|v| under(v, folder)),
        _ => {}
    }
}
