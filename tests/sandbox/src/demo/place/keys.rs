//! Keys and certificates.

use super::{DemoMerchant, NAME, OWN_OFFICERS, PASSWORD, Place, USERS};
use crate::material::{self, Ca, Material, SandboxMerchant};
use anyhow::{Context, anyhow};
use certs::{Keys, Material as Key};
use domain::{KeyRef, Sign};
use journal::VerifierKey;
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

impl Place {
    pub(super) fn keys(&self) -> anyhow::Result<()> {
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
            let by_sm2 = self.by_sm2(&w.mchid);
            fs::create_dir_all(wechat.join("platform"))?;
            if self.keys_held {
                let key = if by_sm2 { &w.sm2_key_file } else { &w.key_file };
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
            if by_sm2 {
                secret(
                    &wechat.join(format!("platform/{}.pem", w.public_key_id)),
                    &from(&w.sm2_platform_file)?,
                )?;
            }
            // In certificate mode no certificate is laid down: the proxy fetches what it needs (channels.md 1.7, 3.6). The public
            // key is there for the merchant's own client, which may ask for it whatever the account does.
            if !certificates && !by_sm2 {
                secret(
                    &wechat.join(format!("platform/{}.pem", w.platform_serial)),
                    &from(&w.platform_cert_file)?,
                )?;
            }
            if !by_sm2 {
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
            if encrypts && self.keys_held || self.content_keys {
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

    pub(super) fn journal_vkey(&self, key: &Path, what: &str) -> anyhow::Result<String> {
        Ok(VerifierKey {
            name: format!("{NAME}/{what}"),
            public_key: signer(key)?.public_key(),
        }
        .to_text())
    }

    pub(super) fn users(&self) -> anyhow::Result<()> {
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

pub(super) fn tls(dir: &Path, ca: &Ca) -> anyhow::Result<()> {
    let put = |name: &str, names: &[&str]| -> anyhow::Result<()> {
        let (cert, key) = material::issue(ca, names)?;
        fs::write(dir.join(format!("tls/{name}.pem")), cert)?;
        secret(&dir.join(format!("tls/{name}.key")), key.as_bytes())
    };
    put("server", &["localhost", "127.0.0.1", "::1"])?;
    put("proxy", &["guandao-proxy"])?;
    put("desk", &["guandao-desk"])?;
    Ok(())
}

pub(super) fn authority(dir: &Path, name: &str) -> anyhow::Result<Arc<dyn Sign>> {
    let file = dir.join(format!("authority/{name}.pem"));
    secret(&file, certs::generate_ed25519()?.as_bytes())?;
    signer(&file)
}

pub(super) fn signer(file: &Path) -> anyhow::Result<Arc<dyn Sign>> {
    let (keys, name) = (Keys::default(), KeyRef::new("signer")?);
    keys.put(name.clone(), Key::read(&fs::read(file)?)?);
    Ok(keys.signer(&name)?)
}

pub(super) fn merchants(dir: &Path, material: &Material) -> anyhow::Result<Vec<DemoMerchant>> {
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
        pair(&dir.join(&key_file), &private)?;
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
pub(super) fn terminal(dir: &Path, merchant: &DemoMerchant) -> anyhow::Result<DemoMerchant> {
    let key_file = format!("merchants/{}-terminal.pem", merchant.id);
    let private = certs::generate_ed25519()?.to_string();
    pair(&dir.join(&key_file), &private)?;
    Ok(DemoMerchant {
        scheme: "GUANDAO-ED25519",
        serial: "T0001".into(),
        key_file,
        ..merchant.clone()
    })
}

pub(super) fn rsa() -> anyhow::Result<rcgen::KeyPair> {
    Ok(rcgen::KeyPair::generate_rsa_for(
        &rcgen::PKCS_RSA_SHA256,
        rcgen::RsaKeySize::_2048,
    )?)
}

/// A private key, and beside it what belongs to it in the open.
fn pair(path: &Path, private: &str) -> anyhow::Result<()> {
    secret(path, private.as_bytes())?;
    let (keys, name) = (Keys::default(), KeyRef::new("x")?);
    keys.put(name.clone(), Key::read(private.as_bytes())?);
    Ok(fs::write(
        path.with_extension("pub.pem"),
        keys.public_pem(&name)?,
    )?)
}

pub(super) fn secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| path.display().to_string())?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(())
}
