//! One HTTP/1.1 exchange, written by hand so that it can be slow.

use super::letters::Letter;
use anyhow::{Context, ensure};
use rustls_pki_types::ServerName;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The service gives an endpoint this long for its answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How the sentence begins where nobody was reached.
pub(super) const NO_CONNECTION: &str = "no connection";
/// More of an answer is not read.
const MOST: usize = 64 << 10;
/// How long who does not wait for the answer waits nevertheless, so that the endpoint has read the letter.
const GLANCE: Duration = Duration::from_millis(300);
/// A padded letter is so long.
const PADDED: usize = 4 << 20;
/// Within this a letter must have gone out.
const SENDING: Duration = Duration::from_secs(20);
/// Pause between the parts of a slow letter.
const PAUSE: Duration = Duration::from_millis(400);
/// Parts of a slow letter.
const PARTS: usize = 8;

/// Where an endpoint is.
#[derive(Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    target: String,
    authority: String,
    tls: Option<Arc<rustls::ClientConfig>>,
}

/// How a letter is handed over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Manner {
    AtOnce,
    /// In parts, over three seconds.
    Slowly,
    /// And then the sender is gone, before any answer.
    HangingUp,
    /// With blanks behind it, 4 MiB in all.
    Padded,
}

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: String,
    pub(super) took: Duration,
}

impl Answered {
    pub(super) fn redirects(&self) -> bool {
        (300..400).contains(&self.status)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// Reads an address; for https with these roots.
    ///
    /// # Errors
    /// Where it is no address, or the roots cannot be read.
    pub fn parse(url: &str, roots: &Path) -> anyhow::Result<Endpoint> {
        let uri: http::Uri = url.parse().context("the address")?;
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => anyhow::bail!("the address must begin with https:// (http:// for a test on one machine)"),
        };
        let tls = match secure {
            true => Some(certs::tls::client(
                &std::fs::read(roots).with_context(|| format!("roots of trust, {}", roots.display()))?,
                None,
            )?),
            false => None,
        };
        let host = uri
            .host()
            .context("a host in the address")?
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        Ok(Endpoint {
            port: uri.port_u16().unwrap_or(if secure { 443 } else { 80 }),
            target: uri.path_and_query().map_or("/", |t| t.as_str()).to_owned(),
            authority: uri
                .authority()
                .context("a host in the address")?
                .as_str()
                .to_owned(),
            host,
            tls,
        })
    }

    /// Posts a letter. The error is a sentence.
    pub(super) async fn post(&self, letter: &Letter, manner: Manner) -> Result<Answered, String> {
        let mut body = letter.body.clone();
        if manner == Manner::Padded {
            body.resize(PADDED, b' ');
        }
        let mut head = format!("POST {} HTTP/1.1\r\nHost: {}\r\n", self.target, self.authority);
        for (name, value) in &letter.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        self.exchange(head, &body, manner).await
    }

    /// Asks for what stands there.
    pub(super) async fn get(&self) -> Result<Answered, String> {
        let head = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.target, self.authority
        );
        self.exchange(head, b"", Manner::AtOnce).await
    }

    /// Reads while it sends: an endpoint may answer before the last part, and need not read the rest.
    async fn exchange(&self, head: String, body: &[u8], manner: Manner) -> Result<Answered, String> {
        let connecting = tokio::time::timeout(PATIENCE, self.connect()).await;
        let stream = connecting
            .map_err(|_| format!("{NO_CONNECTION} within 5 s"))?
            .map_err(|e| format!("{NO_CONNECTION}: {e:#}"))?;
        let broken = |e: std::io::Error| format!("the connection broke: {e}");
        let (mut from, mut to) = tokio::io::split(stream);
        let mut answer = Vec::new();
        let parts = if manner == Manner::Slowly { PARTS } else { 1 };
        let sent = {
            let sending = tokio::time::timeout(SENDING, send(&mut to, head, body, parts));
            let reading = read(&mut from, &mut answer);
            tokio::pin!(sending, reading);
            tokio::select! {
                sent = &mut sending => {
                    Some(sent.map_err(|_| "no answer, and the letter was not taken within 20 s".to_owned())?)
                }
                came = &mut reading => {
                    came.map_err(broken)?;
                    None
                }
            }
        };
        let none = || "the connection was closed without an HTTP answer".to_owned();
        // It was there before the letter had gone out whole.
        let Some(sent) = sent else {
            return parse(&answer, Duration::ZERO).ok_or_else(none);
        };
        let began = Instant::now();
        if manner == Manner::HangingUp {
            tokio::time::sleep(GLANCE).await;
            return Err("the sender did not wait".to_owned());
        }
        let reading = read(&mut from, &mut answer);
        tokio::time::timeout(PATIENCE, reading)
            .await
            .map_err(|_| "no answer within 5 s".to_owned())?
            .map_err(|error| sent.err().map_or_else(|| broken(error), broken))?;
        parse(&answer, began.elapsed()).ok_or_else(none)
    }

    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())?;
                Box::new(
                    TlsConnector::from(tls.clone())
                        .connect(name, stream)
                        .await
                        .context("TLS")?,
                )
            }
        })
    }
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    head: String,
    body: &[u8],
    parts: usize,
) -> std::io::Result<()> {
    stream.write_all(head.as_bytes()).await?;
    for part in body.chunks(body.len().div_ceil(parts).max(1)) {
        stream.write_all(part).await?;
        stream.flush().await?;
        if parts > 1 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    stream.flush().await
}

/// Until the stream ends, or the head and as much of the body as it announces are there.
async fn read(stream: &mut (impl AsyncRead + Unpin), answer: &mut Vec<u8>) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    while answer.len() < MOST && !whole(answer) {
        let read = match stream.read(&mut buffer).await {
            Ok(read) => read,
            // A connection that is cut after the answer came is as good as one that is closed.
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => 0,
        };
        if read == 0 {
            break;
        }
        answer.extend_from_slice(&buffer[..read]);
    }
    Ok(())
}

fn whole(answer: &[u8]) -> bool {
    let Some((head, body)) = split(answer) else {
        return false;
    };
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let status = head.split(' ').nth(1).unwrap_or_default();
    status == "204"
        || length
            .and_then(|(_, value)| value.trim().parse::<usize>().ok())
            .is_some_and(|length| body.len() >= length)
}

fn split(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n")?;
    Some((
        String::from_utf8_lossy(&answer[..end]).into_owned(),
        &answer[end + 4..],
    ))
}

fn parse(answer: &[u8], took: Duration) -> Option<Answered> {
    let (head, body) = split(answer)?;
    let line = head.strip_prefix("HTTP/1.")?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    Some(Answered {
        status,
        body: String::from_utf8_lossy(body).into_owned(),
        took,
    })
}

/// Roots of trust where none are named.
pub(super) fn usual_roots() -> anyhow::Result<std::path::PathBuf> {
    let usual = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/cert.pem",
    ];
    let found = usual.iter().map(Path::new).find(|path| path.exists());
    ensure!(
        found.is_some(),
        "this machine's roots of trust were not found; name them with --ca"
    );
    Ok(found.map(Path::to_owned).unwrap_or_default())
}
