//! A service in a folder: CA, keys, signed registries, users, configuration, and the proxy's journal behind mTLS.

use crate::{browser::Browser, trades::Book};
use desk::{Config, Running};
use domain::{Digest, Registry, Sign};
use journal::{Journal, Settings, VerifierKey, disk::RealDisk, note};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use sha2::Digest as _;
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct World {
    /// Taken out when a test fails: a journal whose folder goes away ends the process, as it must.
    dir: Option<TempDir>,
    root: PathBuf,
    pub(crate) book: Book,
    acquirer: Arc<dyn Sign>,
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::mem::forget(self.dir.take());
        } else {
            self.book.journal.close();
        }
    }
}

fn key_pair() -> KeyPair {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key")
}

fn ca() -> (String, Issuer<'static, KeyPair>) {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let key = key_pair();
    let pem = params.self_signed(&key).expect("signed").pem();
    (pem, Issuer::new(params, key))
}

fn issue(ca: &Issuer<'static, KeyPair>) -> (String, String) {
    let mut params =
        CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    let key = key_pair();
    (
        params.signed_by(&key, ca).expect("signed").pem(),
        key.serialize_pem(),
    )
}

fn put(path: &Path, text: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    fs::write(path, text).expect("written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("closed to others");
}

/// An Ed25519 key in a file and as a signer.
pub(crate) fn signer(path: &Path) -> Arc<dyn Sign> {
    put(path, certs::generate_ed25519().expect("a key").as_bytes());
    let keys = certs::Keys::default();
    let key = domain::KeyRef::new("k").expect("lawful");
    keys.put(
        key.clone(),
        certs::Material::read(&fs::read(path).expect("read")).expect("a key"),
    );
    keys.signer(&key).expect("Ed25519")
}

fn vkey(name: &str, signer: &Arc<dyn Sign>) -> VerifierKey {
    VerifierKey {
        name: name.to_owned(),
        public_key: signer.public_key(),
    }
}

fn user(name: &str, role: &str, hash: &str) -> String {
    format!("[[users]]\nname = \"{name}\"\nrole = \"{role}\"\npassword = \"{hash}\"\n")
}

impl World {
    /// Officers li and wang, supervisor zhou, regulator ren; merchants m1 and m2 of acq1.
    pub(crate) async fn new() -> World {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |path: &str| dir.path().join(path);
        let (ca_pem, ca) = ca();
        put(&at("tls/ca.pem"), &ca_pem);
        for name in ["pages", "journal", "trades", "client"] {
            let (cert, key) = issue(&ca);
            put(&at(&format!("tls/{name}.crt")), cert);
            put(&at(&format!("tls/{name}.key")), key);
        }
        signer(&at("keys/journal.pem"));
        signer(&at("keys/export.pem"));
        let authority = signer(&at("authority.pem"));
        registries(&at("registries"), &authority, 1, &["m1", "m2"]);
        let hash = desk::users::hash(PASSWORD).expect("hashed");
        let people = [
            ("li", "officer"),
            ("wang", "officer"),
            ("zhou", "supervisor"),
            ("ren", "regulator"),
        ];
        put(
            &at("users.toml"),
            people.map(|(name, role)| user(name, role, &hash)).concat(),
        );
        let proxy = signer(&at("proxy.pem"));
        let settings = Settings {
            segment: 1 << 20,
            integrate_every: Duration::from_millis(20),
            threads: true,
        };
        let trades = at("proxy/trades");
        let (journal, _) =
            Journal::open(Arc::new(RealDisk), &trades, "pay.test/trades/0", proxy, settings).expect("opened");
        put(&at("trades.vkey"), journal.key().to_text());
        let book = Book::new(journal);
        let root = dir.path().to_owned();
        let world = World {
            dir: Some(dir),
            root,
            book,
            acquirer: authority,
        };
        let address = world.serve_trades().await;
        world.configure(address);
        world
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn configure(&self, trades: SocketAddr) {
        let key = vkey("authority", &self.acquirer).to_text();
        let dir = self.root.display();
        let text = format!(
            r#"name = "pay.test"
data = "{dir}/data"
keys = "{dir}/keys"
users = "{dir}/users.toml"
exports = "{dir}/exports"
poll_ms = 20
[listen.pages]
address = "127.0.0.1:0"
cert = "{dir}/tls/pages.crt"
key = "{dir}/tls/pages.key"
[listen.journal]
address = "127.0.0.1:0"
cert = "{dir}/tls/journal.crt"
key = "{dir}/tls/journal.key"
client_ca = "{dir}/tls/ca.pem"
[trades]
url = "https://{trades}"
ca = "{dir}/tls/ca.pem"
cert = "{dir}/tls/client.crt"
key = "{dir}/tls/client.key"
vkey_file = "{dir}/trades.vkey"
[registries]
dir = "{dir}/registries"
licence_key = "{key}"
acquirer_key = "{key}"
operator_key = "{key}"
"#
        );
        put(&self.at("desk.toml"), text);
    }

    pub(crate) fn config(&self) -> Config {
        Config::parse(&fs::read_to_string(self.at("desk.toml")).expect("read")).expect("no problem")
    }

    /// The trades journal as the proxy serves it.
    async fn serve_trades(&self) -> SocketAddr {
        let files = certs::tls::ListenerFiles {
            cert: self.at("tls/trades.crt"),
            key: self.at("tls/trades.key"),
            client_ca: Some(self.at("tls/ca.pem")),
            client_required: true,
        };
        let tls = certs::tls::Listener::open(files).expect("a listener");
        let router = desk::journal_face::router(self.book.journal.reader());
        let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bound");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((tcp, _)) = socket.accept().await {
                let (acceptor, router) = (tokio_rustls::TlsAcceptor::from(tls.current()), router.clone());
                tokio::spawn(async move {
                    let Ok(tls) = acceptor.accept(tcp).await else {
                        return;
                    };
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let io = hyper_util::rt::TokioIo::new(tls);
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        address
    }

    /// Starts the desk and waits until it has read all trades.
    pub(crate) async fn start(&self) -> Running {
        self.start_with(self.config()).await
    }

    pub(crate) async fn start_with(&self, config: Config) -> Running {
        let running = desk::start(config).await.expect("the desk starts");
        self.read(&running).await;
        running
    }

    /// Waits until the desk has read what the book holds now.
    pub(crate) async fn read(&self, running: &Running) {
        let wanted = self.book.journal.size();
        until(|| {
            running
                .cases
                .look(|state| state.cursor())
                .map_or(0, |(size, _)| size)
                >= wanted
        })
        .await;
    }

    pub(crate) fn browser(&self, running: &Running) -> Browser {
        Browser::new(
            running.pages,
            &fs::read(self.at("tls/ca.pem")).expect("read"),
            None,
        )
    }

    pub(crate) async fn signed_in(&self, running: &Running, name: &str) -> Browser {
        let mut browser = self.browser(running);
        browser.sign_in(name, PASSWORD).await;
        browser
    }

    /// Signed registries of a version, with these merchants, in a folder; kind and digest of each.
    pub(crate) fn registries(&self, dir: &Path, version: u64, merchants: &[&str]) -> Vec<(Registry, Digest)> {
        registries(dir, &self.acquirer, version, merchants)
    }

    /// The acquirer's note over a file.
    pub(crate) fn acquirers_note(&self, text: &str) -> String {
        note::sign(text, "authority", &*self.acquirer)
    }
}

/// Waits for something that comes soon.
pub(crate) async fn until(mut there: impl FnMut() -> bool) {
    for _ in 0..500 {
        if there() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come within ten seconds");
}

fn registries(dir: &Path, authority: &Arc<dyn Sign>, version: u64, ids: &[&str]) -> Vec<(Registry, Digest)> {
    const LATER: i64 = 4_000_000_000_000;
    let account = |account: &str| {
        serde_json::json!({"channel": "wechat", "account": account, "payee": account, "keys": "held",
            "appids": ["wx0123456789abcdef"], "serial": "5157F09EFDC096DE15EBE81A47057A7200000000"})
    };
    let merchant = |id: &str, name: &str, no: &str| serde_json::json!({"id": id, "name": name, "agreement": {"no": "A1", "until": LATER}, "accounts": [account(no)]});
    let licence = serde_json::json!({"kind": "licence", "version": version, "not_after": LATER, "filing_no": "B0001",
        "operator_accounts": [], "channels": [{"channel": "wechat", "institution": "财付通", "licence_no": "Z1",
        "valid_until": LATER, "hosts": [{"host": "api.mch.weixin.qq.com", "port": 443}], "roots_pem": ""}]});
    let all = [
        merchant("m1", "一号店", "1900000109"),
        merchant("m2", "二号店", "1900000110"),
    ];
    let merchants: Vec<_> = all
        .into_iter()
        .filter(|m| ids.iter().any(|id| m["id"] == *id))
        .collect();
    let acquirer = serde_json::json!({"kind": "acquirer", "version": version, "not_after": LATER, "acquirer": "acq1",
        "name": "收单机构", "merchants": merchants});
    let operator =
        serde_json::json!({"kind": "operator", "version": version, "not_after": LATER, "merchants": []});
    let files = [
        (Registry::Licence, "licence", "licence", licence),
        (Registry::Acquirer, "acquirer-1", "acquirer", acquirer),
        (Registry::Operator, "operator", "operator", operator),
    ];
    let write = |(of, name, kind, value): (Registry, &str, &str, serde_json::Value)| {
        let text = serde_json::to_string(&value).expect("json");
        let hash: [u8; 32] = sha2::Sha256::digest(&text).into();
        let digest = hex::encode(hash);
        put(&dir.join(format!("{name}.json")), &text);
        let signed = note::sign(
            &format!("guandao-registry\n{kind}\n{digest}\n"),
            "authority",
            &**authority,
        );
        put(&dir.join(format!("{name}.json.sig")), signed);
        (of, Digest::from_bytes(hash))
    };
    files.map(write).to_vec()
}
