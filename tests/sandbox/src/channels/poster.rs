//! Posts notices: https to whoever the demo CA vouches for, plain http to this machine only.

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
    pub(crate) fn new(ca_pem: &str) -> Result<Poster, StartError> {
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
        let host = uri
            .host()
            .unwrap_or_default()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let secure = uri.scheme_str() == Some("https");
        if !secure && !is_loopback(&host) {
            return Err("plain http is allowed to loopback only".to_owned());
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
