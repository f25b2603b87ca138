//! A browser of a few lines: HTTPS, cookies, forms, JSON.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// A connection from one of this host's addresses.
pub(crate) async fn connect(from: Ipv4Addr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    socket.connect(to).await.ok()
}

pub(crate) struct Browser {
    address: SocketAddr,
    /// Which of this host's addresses it comes from.
    pub(crate) from: Ipv4Addr,
    tls: Arc<ClientConfig>,
    pub(crate) cookies: BTreeMap<String, String>,
    pub(crate) csrf: String,
    /// Headers of every request.
    pub(crate) extra: Vec<(&'static str, String)>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("JSON in {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

impl Browser {
    pub(crate) fn new(address: SocketAddr, ca: &[u8], identity: Option<(&[u8], &[u8])>) -> Browser {
        let tls = certs::tls::client(ca, identity).expect("TLS");
        Browser {
            address,
            from: Ipv4Addr::LOCALHOST,
            tls,
            cookies: BTreeMap::new(),
            csrf: String::new(),
            extra: Vec::new(),
        }
    }

    /// `None` if no TLS connection or answer comes about.
    pub(crate) async fn try_send(
        &mut self,
        method: &str,
        path: &str,
        kind: &str,
        body: String,
    ) -> Option<Answer> {
        let tcp = connect(self.from, self.address).await?;
        let name = ServerName::try_from("localhost").expect("a name");
        let tls = TlsConnector::from(self.tls.clone())
            .connect(name, tcp)
            .await
            .ok()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .ok()?;
        tokio::spawn(connection);
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        for (name, value) in &self.extra {
            request = request.header(*name, value);
        }
        if kind == "application/json" && !self.csrf.is_empty() {
            request = request.header("x-csrf-token", &self.csrf);
        }
        let answer = sender
            .send_request(request.body(Full::new(Bytes::from(body))).expect("lawful"))
            .await
            .ok()?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.ok()?.to_bytes();
        for line in head.headers.get_all("set-cookie") {
            let pair = line.to_str().expect("text").split(';').next().expect("a pair");
            let (name, value) = pair.split_once('=').expect("a pair");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Some(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }

    async fn send(&mut self, method: &str, path: &str, kind: &str, body: String) -> Answer {
        self.try_send(method, path, kind, body).await.expect("an answer")
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send("GET", path, "", String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.send("POST", path, "application/json", body.to_string())
            .await
    }

    /// Proposes; yields what whoever has read that sends to agree.
    pub(crate) async fn proposed(&mut self, path: &str, body: Value) -> Value {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let proposal = answer.json()["proposal"].as_u64().expect("an index");
        serde_json::json!({ "proposal": proposal })
    }

    /// Posts a form; values must need no escaping.
    pub(crate) async fn form(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
        assert!(fields.iter().all(|(_, value)| value.chars().all(plain)));
        let body: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", value.replace(' ', "+")))
            .collect();
        self.send("POST", path, "application/x-www-form-urlencoded", body.join("&"))
            .await
    }

    pub(crate) async fn sign_in(&mut self, name: &str, password: &str) {
        let answer = self
            .post(
                "/api/sign-in",
                serde_json::json!({"name": name, "password": password}),
            )
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        self.csrf = answer.json()["csrf"].as_str().expect("a token").to_owned();
    }
}

/// The value of a hidden field.
pub(crate) fn hidden(page: &str, name: &str) -> String {
    let from = page
        .find(&format!("name=\"{name}\" value=\""))
        .expect("the field")
        + name.len()
        + 15;
    page[from..].split('"').next().expect("a value").to_owned()
}
