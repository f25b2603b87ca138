//! A merchant for the tests: signs requests as the channels' documents say, and receives notices.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject};
use sandbox::channels::{Running, Settings, start};
use sandbox::material::{self, Material, SandboxMerchant};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpStream;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What came back.
pub struct Answer {
    pub status: u16,
    pub headers: http::HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|v| v.to_str().unwrap())
            .unwrap_or_default()
    }
}

/// Running channels, one merchant, and its keys.
pub struct Bench {
    pub running: Running,
    pub merchant: SandboxMerchant,
    pub material: Material,
    dir: std::path::PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

pub async fn bench(name: &str) -> Bench {
    let dir = std::env::temp_dir().join(format!("guandao-sandbox-{}-{name}", std::process::id()));
    let material = material::generate(&dir, 1).unwrap();
    let mut settings = Settings::new(&dir, material.merchants.clone());
    settings.speed = 100.0;
    settings.refund_delay = Duration::from_millis(50);
    let running = start(settings).await.unwrap();
    Bench {
        running,
        merchant: material.merchants[0].clone(),
        material,
        dir,
    }
}

pub fn unix() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

impl Bench {
    pub fn path(&self, file: &str) -> std::path::PathBuf {
        self.dir.join(file)
    }

    pub async fn control(&self, path: &str, body: Value) -> Answer {
        let request = http::Request::post(format!("/control/{path}"))
            .body(body.to_string())
            .unwrap();
        send(self.running.control, None, request).await
    }

    pub async fn control_get(&self, path: &str) -> Value {
        let request = http::Request::get(format!("/control/{path}"))
            .body(String::new())
            .unwrap();
        send(self.running.control, None, request).await.json()
    }

    /// The one order with this number, as the control API shows it.
    pub async fn order(&self, number: &str) -> Value {
        let all = self.control_get("orders").await;
        all["orders"]
            .as_array()
            .unwrap()
            .iter()
            .find(|o| o["out_trade_no"] == number)
            .unwrap()
            .clone()
    }

    pub async fn wechat(&self, method: &str, target: &str, body: Option<Value>) -> Answer {
        let body = body.map(|b| b.to_string()).unwrap_or_default();
        self.wechat_raw(method, target, &body, unix(), "").await
    }

    /// With everything a test may want to get wrong.
    pub async fn wechat_raw(&self, method: &str, target: &str, body: &str, time: u64, spoil: &str) -> Answer {
        let account = &self.merchant.wechat;
        let message = format!("{method}\n{target}\n{time}\nnonce\n{body}{spoil}\n");
        let signature = sign(&self.path(&account.key_file), message.as_bytes());
        let authorization = format!(
            "WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"nonce\",signature=\"{signature}\",\
             timestamp=\"{time}\",serial_no=\"{}\"",
            account.mchid, account.serial
        );
        let mut request = http::Request::builder()
            .method(method)
            .uri(target)
            .header("Authorization", authorization)
            .header("Accept", "application/json")
            .header("User-Agent", "test");
        if !body.is_empty() {
            request = request.header("Content-Type", "application/json");
        }
        let request = request.body(body.to_owned()).unwrap();
        send(self.running.wechat, Some(&self.material.ca_path()), request).await
    }

    /// A native order's body.
    pub fn native(&self, number: &str, fen: u64, notify_url: &str) -> Value {
        let account = &self.merchant.wechat;
        json!({"appid": account.appid, "mchid": account.mchid, "description": "测试", "out_trade_no": number,
            "notify_url": notify_url, "amount": {"total": fen, "currency": "CNY"}})
    }

    /// Whether WeChat's platform certificate signed this.
    pub fn platform_signed(&self, headers: &http::HeaderMap, body: &str) -> bool {
        let get = |name: &str| headers.get(name).unwrap().to_str().unwrap();
        let message = format!(
            "{}\n{}\n{body}\n",
            get("wechatpay-timestamp"),
            get("wechatpay-nonce")
        );
        get("wechatpay-serial") == self.merchant.wechat.platform_serial
            && get("wechatpay-signature-type") == "WECHATPAY2-SHA256-RSA2048"
            && verify(
                &self.path(&self.merchant.wechat.platform_cert_file),
                &message,
                get("wechatpay-signature"),
            )
    }

    pub fn alipay_signed(&self, text: &str, signature: &str) -> bool {
        verify(
            &self.path(&self.merchant.alipay.alipay_cert_file),
            text,
            signature,
        )
    }

    pub fn alipay_params(&self, method: &str, biz: &Value) -> BTreeMap<String, String> {
        let shanghai = jiff::Timestamp::from_second(unix() as i64 + 8 * 3600)
            .unwrap()
            .to_string();
        let pairs = [
            ("app_id", self.merchant.alipay.app_id.as_str()),
            ("method", method),
            ("charset", "utf-8"),
            ("sign_type", "RSA2"),
            ("version", "1.0"),
            ("timestamp", &shanghai[..19].replace('T', " ")),
            ("biz_content", &biz.to_string()),
        ];
        pairs
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect()
    }

    pub async fn alipay(&self, method: &str, biz: Value, more: &[(&str, &str)]) -> Answer {
        let mut params = self.alipay_params(method, &biz);
        params.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
        self.alipay_raw(params).await
    }

    pub async fn alipay_raw(&self, mut params: BTreeMap<String, String>) -> Answer {
        let text: Vec<String> = params.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let signature = sign(
            &self.path(&self.merchant.alipay.private_key_file),
            text.join("&").as_bytes(),
        );
        params.entry("sign".to_owned()).or_insert(signature);
        // As one published client does: business parameters in the body, all others in the query.
        let biz = params.remove("biz_content").unwrap_or_default();
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&params)
            .finish();
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("biz_content", &biz)
            .finish();
        let request = http::Request::post(format!("/gateway.do?{query}"))
            .header("Content-Type", "application/x-www-form-urlencoded;charset=utf-8")
            .body(body)
            .unwrap();
        send(self.running.alipay, Some(&self.material.ca_path()), request).await
    }
}

fn sign(key: &Path, message: &[u8]) -> String {
    let der = PrivatePkcs8KeyDer::from_pem_file(key).unwrap();
    let pair = KeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
        .unwrap();
    STANDARD.encode(signature)
}

fn verify(cert: &Path, message: &str, signature: &str) -> bool {
    let der = CertificateDer::from_pem_file(cert).unwrap();
    let (_, cert) = X509Certificate::from_der(&der).unwrap();
    let key = cert.public_key().subject_public_key.data.to_vec();
    let Ok(signature) = STANDARD.decode(signature) else {
        return false;
    };
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key)
        .verify(message.as_bytes(), &signature)
        .is_ok()
}

async fn send(to: SocketAddr, ca: Option<&Path>, mut request: http::Request<String>) -> Answer {
    request
        .headers_mut()
        .insert("Host", to.to_string().parse().unwrap());
    let request = request.map(|b| Full::new(Bytes::from(b)));
    let stream = TcpStream::connect(to).await.unwrap();
    let Some(ca) = ca else {
        return exchange(stream, request).await;
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    exchange(stream, request).await
}

async fn exchange<S>(stream: S, request: http::Request<Full<Bytes>>) -> Answer
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(async move { driver.await.map_err(|e| e.to_string()) });
    let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A received notice.
#[derive(Debug)]
pub struct Received {
    pub headers: http::HeaderMap,
    pub body: String,
}

/// A merchant's notify_url that gives these answers in turn, the last one for ever.
pub struct Inbox {
    pub url: String,
    pub notices: tokio::sync::mpsc::UnboundedReceiver<Received>,
}

impl Inbox {
    pub async fn next(&mut self) -> Received {
        tokio::time::timeout(Duration::from_secs(20), self.notices.recv())
            .await
            .expect("a notice in time")
            .unwrap()
    }
}

pub async fn inbox(answers: &'static [(u16, &'static str)]) -> Inbox {
    inbox_with(None, answers).await
}

/// A notify_url by https with this certificate and key.
pub async fn inbox_https(cert: &str, key: &str, answers: &'static [(u16, &'static str)]) -> Inbox {
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    inbox_with(Some(tokio_rustls::TlsAcceptor::from(Arc::new(config))), answers).await
}

async fn inbox_with(
    tls: Option<tokio_rustls::TlsAcceptor>,
    answers: &'static [(u16, &'static str)],
) -> Inbox {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let scheme = if tls.is_some() { "https" } else { "http" };
    let url = format!(
        "{scheme}://localhost:{}/notify",
        listener.local_addr().unwrap().port()
    );
    let (sender, notices) = tokio::sync::mpsc::unbounded_channel();
    let post = Post {
        sender,
        count: Arc::default(),
        answers,
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            match &tls {
                None => drop(tokio::spawn(post.clone().serve(stream))),
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        tokio::spawn(post.clone().serve(stream));
                    }
                }
            }
        }
    });
    Inbox { url, notices }
}

#[derive(Clone)]
struct Post {
    sender: tokio::sync::mpsc::UnboundedSender<Received>,
    count: Arc<std::sync::atomic::AtomicUsize>,
    answers: &'static [(u16, &'static str)],
}

impl Post {
    async fn serve<S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin>(self, stream: S) {
        let service = hyper::service::service_fn(|request: http::Request<hyper::body::Incoming>| {
            let post = self.clone();
            async move { post.answer(request).await }
        });
        let _ = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(
        self,
        request: http::Request<hyper::body::Incoming>,
    ) -> Result<http::Response<Full<Bytes>>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().to_vec()).unwrap();
        let _ = self.sender.send(Received {
            headers: parts.headers,
            body,
        });
        let turn = self.count.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let (status, text) = self.answers[turn.min(self.answers.len() - 1)];
        let mut answer = http::Response::new(Full::new(Bytes::from(text)));
        *answer.status_mut() = http::StatusCode::from_u16(status).unwrap();
        Ok(answer)
    }
}

/// What an APIv3 key opens.
pub fn opened(key: &str, sealed: &Value) -> Vec<u8> {
    let nonce = Nonce::try_assume_unique_for_key(sealed["nonce"].as_str().unwrap().as_bytes()).unwrap();
    let mut text = STANDARD.decode(sealed["ciphertext"].as_str().unwrap()).unwrap();
    let aad = Aad::from(sealed["associated_data"].as_str().unwrap().as_bytes());
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_bytes()).unwrap());
    key.open_in_place(nonce, aad, &mut text).unwrap().to_vec()
}

/// A notice's event and plaintext.
pub fn decrypted(key: &str, notice: &Received) -> (String, Value) {
    let body: Value = serde_json::from_str(&notice.body).unwrap();
    let plain = opened(key, &body["resource"]);
    (
        body["event_type"].as_str().unwrap().to_owned(),
        serde_json::from_slice(&plain).unwrap(),
    )
}
