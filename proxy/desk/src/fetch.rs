//! The proxy's trades journal over HTTPS with client certificates: one connection, kept while it works.

use arc_swap::ArcSwap;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use journal::follow::Fetch;
use parking_lot::Mutex;
use rustls::{ClientConfig, pki_types::ServerName};
use std::{sync::Arc, time::Duration};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Largest file we read: 256 entries of 64 KiB.
const MOST: usize = 17 << 20;
/// Time for one file.
const PATIENCE: Duration = Duration::from_secs(10);

/// Host and port of `https://host:port`.
pub(crate) fn host_and_port(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("https://")?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => (host, port.parse().ok()?),
        _ => (rest, 443),
    };
    let host = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let lawful = |c: char| c.is_ascii_alphanumeric() || ".-:".contains(c);
    (!host.is_empty() && host.chars().all(lawful)).then(|| (host.to_owned(), port))
}

/// Reads the files of one journal.
pub struct Remote {
    host: String,
    port: u16,
    tls: ArcSwap<ClientConfig>,
    connection: tokio::sync::Mutex<Option<SendRequest<Empty<Bytes>>>>,
    /// The checkpoint that was read last; it counts once the follower took it.
    checkpoint: Mutex<Option<String>>,
}

impl Remote {
    /// A reader of `https://host:port`; `None` if that is not what `url` says.
    pub fn new(url: &str, tls: Arc<ClientConfig>) -> Option<Remote> {
        let (host, port) = host_and_port(url)?;
        let (tls, connection, checkpoint) = (ArcSwap::new(tls), Default::default(), Mutex::default());
        Some(Remote {
            host,
            port,
            tls,
            connection,
            checkpoint,
        })
    }

    /// Takes another certificate; new connections use it.
    pub fn renew(&self, tls: Arc<ClientConfig>) {
        self.tls.store(tls);
    }

    /// The note that was read last.
    pub fn checkpoint(&self) -> Option<String> {
        self.checkpoint.lock().clone()
    }

    fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    async fn connect(&self) -> Result<SendRequest<Empty<Bytes>>, String> {
        let tcp = TcpStream::connect((&*self.host, self.port))
            .await
            .map_err(|e| e.to_string())?;
        let name = ServerName::try_from(self.host.clone()).map_err(|e| e.to_string())?;
        let tls = TlsConnector::from(self.tls.load_full())
            .connect(name, tcp)
            .await
            .map_err(|e| e.to_string())?;
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|e| e.to_string())?;
        tokio::spawn(async move {
            // Its end shows at the next request.
            let _ = connection.await;
        });
        Ok(sender)
    }

    async fn fetch(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut slot = self.connection.lock().await;
        let kept = match slot.take() {
            Some(mut kept) => kept.ready().await.is_ok().then_some(kept),
            None => None,
        };
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let request = http::Request::get(format!("/{path}"))
            .header("host", self.authority())
            .body(Empty::new())
            .map_err(|e| e.to_string())?;
        let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST)
            .collect()
            .await
            .map_err(|e| e.to_string())?
            .to_bytes();
        *slot = Some(sender);
        if status.is_success() {
            Ok(body.to_vec())
        } else {
            Err(format!("status {}", status.as_u16()))
        }
    }
}

impl Fetch for Remote {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let fetched = tokio::time::timeout(PATIENCE, self.fetch(path)).await;
        let bytes = fetched.unwrap_or_else(|_| Err("no answer in time".into()))?;
        if path == "checkpoint" {
            *self.checkpoint.lock() = String::from_utf8(bytes.clone()).ok();
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::host_and_port;

    #[test]
    fn only_https_addresses_without_a_path() {
        assert_eq!(
            host_and_port("https://127.0.0.1:9000"),
            Some(("127.0.0.1".into(), 9000))
        );
        assert_eq!(
            host_and_port("https://proxy.example/"),
            Some(("proxy.example".into(), 443))
        );
        assert_eq!(host_and_port("https://[::1]:9000"), Some(("::1".into(), 9000)));
        for bad in [
            "http://a:1",
            "https://",
            "https://a:1/b",
            "https://a b",
            "https://a:x",
        ] {
            assert_eq!(host_and_port(bad), None, "{bad}");
        }
    }
}
