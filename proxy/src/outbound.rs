//! Requests out: to channels by fixed host and roots, to merchants' notify addresses by checked host.
//!
//! The pool is made anew each minute and idle connections close within 25 s, so that no connection (whose buffers
//! hold the last message) lives beyond two minutes; one that answered with 5xx carries nothing more. No redirects are followed;
//! nothing is decompressed.

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, capture_connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::pki_types::ServerName;
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Largest answer of a channel or merchant that we read.
pub const MOST_ANSWER: usize = 256 << 10;
/// Largest file of the desk's journal: a bundle of 256 entries of 65,535 octets.
pub const MOST_BUNDLE: usize = 17 << 20;

/// The pool looks for idle connections once in this time, so that one closes after twice of it at the latest: 24 s.
const IDLE: Duration = Duration::from_secs(12);

/// Why no answer came. What this means for the operation is the caller's to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The request surely did not leave: no connection, no name, no TLS.
    #[error("not connected: {0}")]
    NotSent(String),
    /// The request may have arrived.
    #[error("the connection broke after sending")]
    Broken,
    /// No answer in time; the request may have arrived.
    #[error("no answer in time")]
    Timeout,
    /// The answer is larger than we read.
    #[error("the answer is larger than we read")]
    TooLarge,
}

/// A whole answer.
#[derive(Debug)]
pub struct Answered {
    /// Status.
    pub status: u16,
    /// Headers as received.
    pub headers: http::HeaderMap,
    /// The body's octets.
    pub body: Bytes,
}

/// Where connections of one pool go.
#[derive(Clone)]
pub struct Target {
    /// Host name for TLS and `Host`.
    pub host: String,
    /// Port.
    pub port: u16,
    /// A fixed address instead of a look-up by name.
    pub address: Option<SocketAddr>,
    /// False to refuse loopback, private and link-local addresses after the look-up.
    pub private_ok: bool,
    /// Largest answer, octets.
    pub most: usize,
    /// TLS roots and, where asked for, our certificate.
    pub tls: Arc<rustls::ClientConfig>,
}

impl Target {
    /// `https://host`, with its port where that is not the usual one.
    pub fn origin(&self) -> String {
        match self.port {
            443 => format!("https://{}", self.host),
            port => format!("https://{}:{port}", self.host),
        }
    }
}

type Pool = Client<Dialer, Full<Bytes>>;

/// A pool of connections to one target.
#[derive(Clone)]
pub struct Outbound {
    target: Arc<Target>,
    pool: Arc<ArcSwap<Pool>>,
    connect_time: Duration,
}

impl Outbound {
    /// A pool, renewed each minute by [`Outbound::renew`].
    pub fn new(target: Target, connect_time: Duration) -> Outbound {
        let target = Arc::new(target);
        let pool = Arc::new(ArcSwap::from_pointee(pool(&target, connect_time)));
        Outbound {
            target,
            pool,
            connect_time,
        }
    }

    /// Where it goes.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Lets the old connections run out and begins with new ones.
    pub fn renew(&self) {
        self.pool.store(Arc::new(pool(&self.target, self.connect_time)));
    }

    /// Sends once, never again by itself, and reads the whole answer.
    pub async fn send(
        &self,
        method: http::Method,
        target: &str,
        headers: http::HeaderMap,
        body: Bytes,
        time: Duration,
    ) -> Result<Answered, SendError> {
        let uri = format!("{}{target}", self.target.origin());
        let mut request = http::Request::builder()
            .method(method)
            .uri(uri)
            .body(Full::new(body))
            .map_err(|e| SendError::NotSent(e.to_string()))?;
        *request.headers_mut() = headers;
        let pool = self.pool.load_full();
        let connection = capture_connection(&mut request);
        let exchange = async {
            let answer = pool.request(request).await.map_err(|e| {
                if e.is_connect() {
                    SendError::NotSent(chain(&e))
                } else {
                    SendError::Broken
                }
            })?;
            let (head, body) = answer.into_parts();
            if head.status.is_server_error() {
                // What is ill may be one machine behind the host's balancer, to which this connection leads for good.
                let connection = connection.connection_metadata();
                connection.iter().for_each(Connected::poison);
            }
            let body = Limited::new(body, self.target.most)
                .collect()
                .await
                .map_err(|e| {
                    if e.is::<http_body_util::LengthLimitError>() {
                        SendError::TooLarge
                    } else {
                        SendError::Broken
                    }
                })?;
            Ok(Answered {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        tokio::time::timeout(time, exchange)
            .await
            .unwrap_or(Err(SendError::Timeout))
    }
}

fn pool(target: &Arc<Target>, connect_time: Duration) -> Pool {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .timer(TokioTimer::new())
        .pool_idle_timeout(IDLE)
        .retry_canceled_requests(false)
        .set_host(true)
        .build(Dialer {
            target: target.clone(),
            time: connect_time,
        })
}

/// The causes of an error, without addresses of anybody's data: names what failed below.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(next) = source {
        text.push_str(": ");
        text.push_str(&next.to_string());
        source = next.source();
    }
    text
}

/// Makes TLS connections to one target, whatever the URI says.
#[derive(Clone)]
struct Dialer {
    target: Arc<Target>,
    time: Duration,
}

impl Dialer {
    async fn dial(self) -> io::Result<Connection> {
        let target = &self.target;
        let addresses: Vec<SocketAddr> = match target.address {
            Some(address) => vec![address],
            None => tokio::net::lookup_host((target.host.as_str(), target.port))
                .await?
                .collect(),
        };
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in addresses {
            if target.address.is_none() && !target.private_ok && is_private(address) {
                last = io::Error::new(io::ErrorKind::PermissionDenied, "the host has a private address");
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    let name = ServerName::try_from(target.host.clone()).map_err(io::Error::other)?;
                    let tls = TlsConnector::from(target.tls.clone())
                        .connect(name, stream)
                        .await?;
                    return Ok(Connection(TokioIo::new(tls)));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Loopback, private, link-local, shared and unspecified addresses.
pub(crate) fn is_private(address: SocketAddr) -> bool {
    match address.ip() {
        std::net::IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_loopback()
                || ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || ip.is_multicast()
                || ip.is_broadcast()
                || (a == 100 && (64..128).contains(&b))
        }
        std::net::IpAddr::V6(ip) => {
            if let Some(v4) = ip.to_ipv4_mapped() {
                return is_private(SocketAddr::new(v4.into(), address.port()));
            }
            let first = ip.segments()[0];
            ip.is_loopback()
                || ip.is_unspecified()
                || ip.is_multicast()
                || (first & 0xfe00) == 0xfc00
                || (first & 0xffc0) == 0xfe80
        }
    }
}

impl tower::Service<http::Uri> for Dialer {
    type Response = Connection;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Connection>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let time = dialer.time;
            let late = || io::Error::new(io::ErrorKind::TimedOut, "not connected in time");
            tokio::time::timeout(time, dialer.dial())
                .await
                .unwrap_or_else(|_| Err(late()))
        })
    }
}

/// One TLS connection, in hyper's words.
struct Connection(TokioIo<TlsStream<TcpStream>>);

impl hyper_util::client::legacy::connect::Connection for Connection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_private_addresses_in_every_dress() {
        for text in [
            "127.0.0.1:1",
            "10.1.2.3:1",
            "172.16.0.1:1",
            "192.168.1.1:1",
            "169.254.169.254:1",
            "100.64.0.1:1",
            "0.0.0.0:1",
            "[::1]:1",
            "[fd00::1]:1",
            "[fe80::1]:1",
            "[::ffff:10.0.0.1]:1",
        ] {
            assert!(is_private(text.parse().expect("address")), "{text}");
        }
        for text in ["8.8.8.8:1", "100.128.0.1:1", "172.32.0.1:1", "[2400:3200::1]:1"] {
            assert!(!is_private(text.parse().expect("address")), "{text}");
        }
    }
}
