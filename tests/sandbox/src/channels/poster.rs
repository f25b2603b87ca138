//! Posts notices: https to whoever the demo CA vouches for, plain http to this machine and to hosts that were named.

use super::StartError;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Both channels give a merchant about five seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// An acknowledgement is short; more than this is not read.
const ANSWER_LIMIT: usize = 64 * 1024;

type Connection = SendRequest<Full<Bytes>>;

/// Posts and keeps idle connections per origin.
pub(crate) struct Poster {
    tls: TlsConnector,
    /// Hosts that are told by plain http too, in small letters.
    plain: Vec<String>,
    idle: Mutex<HashMap<String, Vec<Connection>>>,
}

/// What a notice says on the wire.
pub(crate) struct Letter {
    pub(crate) headers: Vec<(&'static str, String)>,
    /// Where the notice is a query, it is asked for with GET.
    pub(crate) query: Option<String>,
    pub(crate) body: String,
}

impl Poster {
    /// `plain`: who is told by plain http, beside this machine.
    pub(crate) fn new(ca_pem: &str, plain: Vec<String>) -> Result<Poster, StartError> {
        let unreadable = |_| rustls::Error::General("the demo CA cannot be read".to_owned());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(unreadable)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Poster {
            tls: TlsConnector::from(Arc::new(config)),
            plain: plain.iter().map(|host| bare(host)).collect(),
            idle: Mutex::default(),
        })
    }

    /// Posts once: status and body, or why there is none.
    pub(crate) async fn post(&self, url: &str, letter: &Letter) -> Result<(u16, Bytes), String> {
        let work = self.exchange(url, letter);
        tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| Err("no answer within 5 s".to_owned()))
    }

    async fn exchange(&self, url: &str, letter: &Letter) -> Result<(u16, Bytes), String> {
        let uri: http::Uri = url.parse().map_err(|e| format!("notify_url: {e}"))?;
        let origin = format!("{}://{}", uri.scheme_str().unwrap_or_default(), authority(&uri)?);
        while let Some(mut connection) = self.take(&origin) {
            // An idle connection may have been closed meanwhile; then nothing was received and a new one is due.
            if connection.ready().await.is_ok()
                && let Ok(answer) = self.over(connection, &origin, &uri, letter).await
            {
                return Ok(answer);
            }
        }
        let connection = self.connect(&uri).await?;
        self.over(connection, &origin, &uri, letter).await
    }

    async fn over(
        &self,
        mut connection: Connection,
        origin: &str,
        uri: &http::Uri,
        letter: &Letter,
    ) -> Result<(u16, Bytes), String> {
        let answer = connection
            .send_request(request(uri, letter)?)
            .await
            .map_err(|e| e.to_string())?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), ANSWER_LIMIT)
            .collect()
            .await
            .map_err(|e| e.to_string())?;
        self.idle
            .lock()
            .entry(origin.to_owned())
            .or_default()
            .push(connection);
        Ok((status, body.to_bytes()))
    }

    fn take(&self, origin: &str) -> Option<Connection> {
        let mut idle = self.idle.lock();
        let connections = idle.get_mut(origin)?;
        connections.retain(|c| !c.is_closed());
        connections.pop()
    }

    async fn connect(&self, uri: &http::Uri) -> Result<Connection, String> {
        let host = bare(uri.host().unwrap_or_default());
        let secure = uri.scheme_str() == Some("https");
        if !secure && !is_loopback(&host) && !self.plain.contains(&host) {
            return Err(format!(
                "plain http goes to this machine only: use https, or start the sandbox with --notify-to {host}"
            ));
        }
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|e| e.to_string())?;
        let _ = stream.set_nodelay(true);
        if secure {
            let name = ServerName::try_from(host).map_err(|e| e.to_string())?;
            handshake(self.tls.connect(name, stream).await.map_err(|e| e.to_string())?).await
        } else {
            handshake(stream).await
        }
    }
}

async fn handshake<S>(stream: S) -> Result<Connection, String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, driver) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|e| e.to_string())?;
    tokio::spawn(async move {
        let _ = driver.await;
    });
    Ok(sender)
}

fn request(uri: &http::Uri, letter: &Letter) -> Result<http::Request<Full<Bytes>>, String> {
    let target = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut builder = match &letter.query {
        None => http::Request::post(target),
        Some(query) => http::Request::get(format!("{target}?{query}")),
    };
    builder = builder.header("Host", authority(uri)?);
    for (name, value) in &letter.headers {
        builder = builder.header(*name, value);
    }
    builder
        .body(Full::new(Bytes::copy_from_slice(letter.body.as_bytes())))
        .map_err(|e| e.to_string())
}

fn authority(uri: &http::Uri) -> Result<&str, String> {
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) => Ok(authority.as_str()),
        _ => Err("notify_url is neither http nor https".to_owned()),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A host as it is compared: in small letters, an address of IPv6 without its brackets.
fn bare(host: &str) -> String {
    host.trim_start_matches('[')
        .trim_end_matches(']')
        .to_ascii_lowercase()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn poster(plain: &[&str]) -> Poster {
        let ca = rcgen::generate_simple_self_signed(vec!["ca".to_owned()]).unwrap();
        Poster::new(
            &ca.cert.pem(),
            plain.iter().map(|host| (*host).to_owned()).collect(),
        )
        .unwrap()
    }

    fn letter() -> Letter {
        Letter {
            headers: Vec::new(),
            query: None,
            body: "paid".to_owned(),
        }
    }

    /// A name that this machine answers to and that is not `localhost`, at a port of the one who listens there.
    async fn shop() -> (String, tokio::task::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind(("0.0.0.0", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut octets = Vec::new();
            while !octets.ends_with(b"paid") {
                assert!(stream.read_buf(&mut octets).await.unwrap() > 0, "cut off");
            }
            let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
            stream.write_all(answer).await.unwrap();
            octets
        });
        // What every resolver takes for 127.0.0.1 and no parser of addresses does.
        (format!("http://127.1:{port}/notify"), heard)
    }

    #[tokio::test]
    async fn plain_http_goes_to_hosts_that_were_named_and_to_no_other() {
        let (url, heard) = shop().await;
        for named in [&[][..], &["shop"][..], &["127.1.evil"][..]] {
            let refused = poster(named).post(&url, &letter()).await.unwrap_err();
            assert!(refused.contains("--notify-to 127.1"), "{named:?}: {refused}");
        }
        assert!(!heard.is_finished(), "somebody was told who was not named");
        let (status, _) = poster(&["shop", "127.1"]).post(&url, &letter()).await.unwrap();
        let octets = String::from_utf8(heard.await.unwrap()).unwrap();
        assert!(
            status == 204 && octets.starts_with("POST /notify HTTP/1.1\r\n"),
            "{octets}"
        );
    }

    #[test]
    fn hosts_are_named_as_addresses_spell_them() {
        for (named, asked) in [
            ("Shop", "shop"),
            ("[2001:db8::1]", "2001:DB8::1"),
            ("10.0.0.7", "10.0.0.7"),
        ] {
            assert_eq!(bare(named), bare(asked));
        }
        assert_ne!(bare("shop"), bare("shop.example"));
    }
}
