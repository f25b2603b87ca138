//! A plain HTTP/1.1 client over TLS with one kept connection, and a server for a merchant's notify address.

use anyhow::{Context, anyhow};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{net::TcpSocket, sync::Mutex};
use tokio_rustls::TlsConnector;

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: http::HeaderMap,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON, or null.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// A client of one server.
pub struct Client {
    at: SocketAddr,
    from: IpAddr,
    tls: Option<Arc<rustls::ClientConfig>>,
    kept: Mutex<Option<Kept>>,
}

/// A connection to be used again. Whoever listens ends one that rested for 25 s or is 110 s old, and would do so under the
/// next request.
struct Kept {
    connection: SendRequest<Full<Bytes>>,
    opened: Instant,
    used: Instant,
}

const RESTS: Duration = Duration::from_secs(15);
const LIVES: Duration = Duration::from_secs(90);

impl Kept {
    fn is_good(&self) -> bool {
        self.connection.is_ready()
            && !self.connection.is_closed()
            && self.used.elapsed() < RESTS
            && self.opened.elapsed() < LIVES
    }
}

impl Client {
    /// Over TLS with these roots.
    pub fn tls(at: SocketAddr, roots_pem: &[u8]) -> anyhow::Result<Client> {
        Ok(Client {
            at,
            from: IpAddr::from(Ipv4Addr::UNSPECIFIED),
            tls: Some(certs::tls::client(roots_pem, None)?),
            kept: Mutex::default(),
        })
    }

    /// In clear, for the control listener.
    pub fn clear(at: SocketAddr) -> Client {
        Client {
            at,
            from: IpAddr::from(Ipv4Addr::UNSPECIFIED),
            tls: None,
            kept: Mutex::default(),
        }
    }

    /// From this address of the machine.
    pub fn from(mut self, from: IpAddr) -> Client {
        self.from = from;
        self
    }

    /// Sends once and reads the whole answer.
    pub async fn send(
        &self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<Answer> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(target)
            .header("host", self.at.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body)))?;
        let kept = self.kept.lock().await.take().filter(Kept::is_good);
        let mut kept = match kept {
            Some(kept) => kept,
            None => Kept {
                connection: self.connect().await?,
                opened: Instant::now(),
                used: Instant::now(),
            },
        };
        let exchange = async {
            let answer = kept.connection.send_request(request).await?;
            let (head, body) = answer.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        let answer = tokio::time::timeout(Duration::from_secs(30), exchange)
            .await
            .map_err(|_| anyhow!("no answer in 30 s"))??;
        kept.used = Instant::now();
        *self.kept.lock().await = Some(kept);
        Ok(answer)
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let socket = TcpSocket::new_v4()?;
        // Bound to no address of its own it shares ports with others that go elsewhere: there are few for a hundred thousand orders.
        if !self.from.is_unspecified() {
            socket.bind(SocketAddr::new(self.from, 0))?;
        }
        let stream = socket
            .connect(self.at)
            .await
            .with_context(|| self.at.to_string())?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => start(stream).await,
            Some(tls) => {
                let name = ServerName::from(self.at.ip());
                start(TlsConnector::from(tls.clone()).connect(name, stream).await?).await
            }
        }
    }
}

async fn start<I>(stream: I) -> anyhow::Result<SendRequest<Full<Bytes>>>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
