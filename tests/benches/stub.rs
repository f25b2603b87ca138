//! WeChat Pay as far as the benchmark needs it: the same signed answer to every order, signed anew every two seconds.
//! The proxy's verification is real work; the channel's signing is not ours to pay, and must not be the bottleneck.

use crate::load::{content_length, end_of_head};
use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use certs::{Keys, Material};
use domain::KeyRef;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sandbox::{demo::place::Place, material};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

const NATIVE: &str = r#"{"code_url":"weixin://wxpay/bizpayurl?pr=p4lpSuKzz"}"#;
const JSAPI: &str = r#"{"prepay_id":"wx26112221580621e9b071c00d9e093b0000"}"#;
/// Whoever asks for an order: errors need no signature.
const ABSENT: &str = "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: 51\r\n\r\n{\"code\":\"ORDER_NOT_EXIST\",\"message\":\"no such order\"}";

#[derive(Default)]
struct Answers {
    native: Arc<[u8]>,
    jsapi: Arc<[u8]>,
}

/// A bound channel that does not answer yet.
pub(crate) struct Stub {
    socket: TcpListener,
    /// Where it listens.
    pub(crate) at: SocketAddr,
}

impl Stub {
    /// Takes a port.
    pub(crate) async fn bind() -> anyhow::Result<Stub> {
        let socket = TcpListener::bind("127.0.0.1:0").await?;
        let at = socket.local_addr()?;
        Ok(Stub { socket, at })
    }

    /// Answers with this place's platform keys, on the calling runtime.
    pub(crate) fn serve(self, place: &Place) -> anyhow::Result<()> {
        let (cert, key) = material::issue(
            &place.material.ca()?,
            &[
                "api.mch.weixin.qq.com",
                "openapi.alipay.com",
                "localhost",
                "127.0.0.1",
            ],
        )?;
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes())?];
        let tls = rustls::ServerConfig::builder_with_provider(Arc::new(
            rustls::crypto::aws_lc_rs::default_provider(),
        ))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes())?)?;
        let first = place.merchants.first().context("a merchant")?;
        let (keys, name) = (Keys::default(), KeyRef::new("platform")?);
        keys.put(
            name.clone(),
            Material::read(&std::fs::read(
                place
                    .material
                    .dir
                    .join(&first.accounts.channel_keys.wechat_public_key),
            )?)?,
        );
        let serial = first.accounts.wechat.public_key_id.clone();
        let sign = move |body: &str| answer(&keys, &name, &serial, body);
        let answers = Arc::new(Mutex::new(Answers {
            native: sign(NATIVE)?,
            jsapi: sign(JSAPI)?,
        }));
        let renewed = answers.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(2)).await;
                if let (Ok(native), Ok(jsapi)) = (sign(NATIVE), sign(JSAPI)) {
                    *renewed.lock().unwrap_or_else(PoisonError::into_inner) = Answers { native, jsapi };
                }
            }
        });
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        tokio::spawn(async move {
            while let Ok((stream, _)) = self.socket.accept().await {
                tokio::spawn(talk(stream, acceptor.clone(), answers.clone()));
            }
        });
        Ok(())
    }
}

async fn talk(stream: TcpStream, acceptor: TlsAcceptor, answers: Arc<Mutex<Answers>>) {
    let _ = stream.set_nodelay(true);
    let Ok(mut stream) = acceptor.accept(stream).await else {
        return;
    };
    let mut buffer = Vec::with_capacity(8192);
    loop {
        let end = loop {
            if let Some(end) = end_of_head(&buffer) {
                let whole = end + content_length(&buffer[..end]).unwrap_or(0);
                if buffer.len() >= whole {
                    break whole;
                }
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        };
        let answer = {
            let answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
            match &buffer[..buffer.len().min(64)] {
                head if head.starts_with(b"GET ") => Arc::from(ABSENT.as_bytes()),
                head if head.windows(6).any(|w| w == b"/jsapi") => answers.jsapi.clone(),
                _ => answers.native.clone(),
            }
        };
        buffer.drain(..end);
        if stream.write_all(&answer).await.is_err() || stream.flush().await.is_err() {
            return;
        }
    }
}

fn answer(keys: &Keys, name: &KeyRef, serial: &str, body: &str) -> anyhow::Result<Arc<[u8]>> {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let nonce = "d824f2e086d3c1df967785d13fcd22ef";
    let signature = STANDARD.encode(keys.sign(name, format!("{timestamp}\n{nonce}\n{body}\n").as_bytes())?);
    let text = format!(
        "HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Fri, 02 Jan 2026 00:00:00 GMT\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: {}\r\nConnection: keep-alive\r\n\
         Keep-Alive: timeout=8\r\nCache-Control: no-cache, must-revalidate\r\nX-Content-Type-Options: nosniff\r\nRequest-ID: 08F78BB6AF0610D302189F90FD2920\r\nContent-Language: zh-CN\r\n\
         Wechatpay-Nonce: {nonce}\r\nWechatpay-Signature: {signature}\r\nWechatpay-Timestamp: {timestamp}\r\nWechatpay-Serial: {serial}\r\nWechatpay-Signature-Type: WECHATPAY2-SHA256-RSA2048\r\n\r\n{body}",
        body.len(),
    );
    Ok(text.into_bytes().into())
}
