//! Where merchants are told: verifies each notification, remembers it, acknowledges it. Relayed native notices come
//! here too and are kept as they came.

use anyhow::Context;
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{convert::Infallible, path::Path, sync::Arc};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// One message that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// Path it came to.
    pub path: String,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

/// What came so far; `deaf` answers 500 to that many first.
#[derive(Clone, Default)]
pub struct Shop(Arc<Mutex<State>>);

impl Came {
    fn shown(&self) -> Value {
        let headers: serde_json::Map<String, Value> = self
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()))
            .collect();
        json!({ "path": self.path, "headers": headers, "body": STANDARD.encode(&self.body) })
    }
}

#[derive(Default)]
struct State {
    came: Vec<Came>,
    deaf: u32,
}

impl Shop {
    /// Listens with the demo's certificate.
    pub async fn start(dir: &Path, port: u16) -> anyhow::Result<Shop> {
        let files = certs::tls::ListenerFiles {
            cert: dir.join("tls/server.pem"),
            key: dir.join("tls/server.key"),
            client_ca: None,
            client_required: false,
        };
        let tls = TlsAcceptor::from(certs::tls::Listener::open(files)?.current());
        let socket = TcpListener::bind(("127.0.0.1", port))
            .await
            .context("the shop's port")?;
        let shop = Shop::default();
        let serving = shop.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (tls, shop) = (tls.clone(), serving.clone());
                tokio::spawn(async move {
                    let Ok(stream) = tls.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| {
                        let shop = shop.clone();
                        async move { Ok::<_, Infallible>(shop.take(request).await) }
                    });
                    let _ = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(shop)
    }

    async fn take(&self, request: http::Request<Incoming>) -> http::Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if head.method == http::Method::GET {
            return self.show(&head.uri);
        }
        let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_default();
        let path = head.uri.path().to_owned();
        // WeChat's V2 wants to be answered in its own words.
        let in_xml = body.trim_ascii_start().first() == Some(&b'<');
        let deaf = {
            let mut state = self.0.lock();
            let deaf = state.deaf > 0;
            state.deaf = state.deaf.saturating_sub(1);
            state.came.push(Came {
                path: path.clone(),
                headers: head.headers,
                body,
            });
            deaf
        };
        let answer = if path.starts_with("/relay/alipay/") {
            "success"
        } else if in_xml {
            "<xml><return_code><![CDATA[SUCCESS]]></return_code><return_msg><![CDATA[OK]]></return_msg></xml>"
        } else {
            "{\"code\":\"SUCCESS\"}"
        };
        let mut response = http::Response::new(Full::new(Bytes::from(answer)));
        if deaf {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        response
    }

    /// `GET /came?path=…`: what came to addresses that begin so, octet by octet, to whoever checks it by himself.
    fn show(&self, uri: &http::Uri) -> http::Response<Full<Bytes>> {
        let asked = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .find(|(name, _)| name == "path")
            .map_or("/".into(), |(_, path)| path);
        let (status, body) = match uri.path() {
            "/came" => {
                let came: Vec<Value> = self.came(&asked).iter().map(Came::shown).collect();
                (http::StatusCode::OK, json!({ "came": came }))
            }
            _ => (
                http::StatusCode::NOT_FOUND,
                json!({ "error": "GET /came?path=BEGIN tells what was posted to addresses that begin so" }),
            ),
        };
        let mut response = http::Response::new(Full::new(Bytes::from(body.to_string())));
        *response.status_mut() = status;
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        response
    }

    /// Refuses the next so many.
    pub fn deafen(&self, count: u32) {
        self.0.lock().deaf = count;
    }

    /// Everything that came to paths that begin so.
    pub fn came(&self, path: &str) -> Vec<Came> {
        self.0
            .lock()
            .came
            .iter()
            .filter(|c| c.path.starts_with(path))
            .cloned()
            .collect()
    }

    /// Notifications about an order.
    pub fn told(&self, merchant: &str, payment: &str) -> Vec<Value> {
        let all = self.came(&format!("/notify/{merchant}"));
        let values = all
            .iter()
            .filter_map(|c| serde_json::from_slice::<Value>(&c.body).ok());
        values.filter(|v| v["payment"]["id"] == payment).collect()
    }
}
