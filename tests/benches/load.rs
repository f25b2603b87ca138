//! The load generator: kept TLS connections, requests made beforehand, closed loop (as fast as answers come) or open
//! loop (at times set beforehand, latency counted from then on, so that a late sender hides nothing).

use crate::machine::{self, PROXY_CORE, Ticker};
use anyhow::{Context, anyhow, ensure};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Index behind the empty line.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|w| w == b"\r\n\r\n").map(|i| i + 4)
}

/// The head's `Content-Length`.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\r\ncontent-length:";
    let at = head
        .windows(NAME.len())
        .position(|w| w.eq_ignore_ascii_case(NAME))?
        + NAME.len();
    let line = head[at..].split(|b| *b == b'\r').next()?;
    std::str::from_utf8(line).ok()?.trim().parse().ok()
}

/// Wanted where the channel's notice and its answer race: placed, and accepted or known to be paid already.
pub(crate) const PLACED: u16 = 0;

fn is_odd(status: u16, wanted: u16) -> bool {
    match wanted {
        PLACED => !matches!(status, 201 | 202),
        wanted => status != wanted,
    }
}

/// Housekeeping runs twice a second: whatever a window left is done by then.
const AFTER: Duration = Duration::from_millis(700);

/// The CPU time of a process while nobody asks it for anything.
pub(crate) async fn rest_of(pid: u32) -> Duration {
    let before = machine::cpu_of(pid);
    tokio::time::sleep(AFTER).await;
    machine::cpu_of(pid).saturating_sub(before)
}

/// Which key exchange a client offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// X25519 only: what today's merchants' TLS stacks do, and what every peer here can do.
    Classical,
    /// X25519 with ML-KEM-768, which we prefer where a client can.
    Hybrid,
}

/// A TLS client without resumption, with the demo's CA.
pub(crate) fn client(ca_pem: &[u8], offer: Offer) -> anyhow::Result<Arc<ClientConfig>> {
    let mut provider = rustls::crypto::aws_lc_rs::default_provider();
    if offer == Offer::Classical {
        provider.kx_groups = vec![rustls::crypto::aws_lc_rs::kx_group::X25519];
    }
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem)?)?;
    let builder =
        ClientConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions()?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// One kept connection.
pub(crate) struct Line {
    stream: TlsStream<TcpStream>,
    buffer: Vec<u8>,
}

impl Line {
    /// Connects.
    pub(crate) async fn open(at: SocketAddr, tls: &Arc<ClientConfig>) -> anyhow::Result<Line> {
        let stream = TcpStream::connect(at).await.with_context(|| at.to_string())?;
        stream.set_nodelay(true)?;
        let stream = TlsConnector::from(tls.clone())
            .connect(ServerName::from(at.ip()), stream)
            .await?;
        Ok(Line {
            stream,
            buffer: Vec::with_capacity(8192),
        })
    }

    /// So many.
    pub(crate) async fn many(
        at: SocketAddr,
        tls: &Arc<ClientConfig>,
        count: usize,
    ) -> anyhow::Result<Vec<Line>> {
        let mut lines = Vec::with_capacity(count);
        for _ in 0..count {
            lines.push(Line::open(at, tls).await?);
        }
        Ok(lines)
    }

    /// Sends and reads the whole answer; its status.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.whole(request).await?;
        let status = self
            .buffer
            .get(9..12)
            .and_then(|s| std::str::from_utf8(s).ok()?.parse().ok());
        status.ok_or_else(|| anyhow!("no status line"))
    }

    /// Sends and reads the whole answer: head and body.
    pub(crate) async fn whole(&mut self, request: &[u8]) -> anyhow::Result<(&[u8], &[u8])> {
        self.stream.write_all(request).await?;
        self.stream.flush().await?;
        self.buffer.clear();
        let (head, end) = loop {
            if let Some(head) = end_of_head(&self.buffer) {
                let length =
                    content_length(&self.buffer[..head]).context("an answer without Content-Length")?;
                if self.buffer.len() >= head + length {
                    break (head, head + length);
                }
            }
            ensure!(
                self.stream.read_buf(&mut self.buffer).await? > 0,
                "the connection ended within an answer"
            );
        };
        Ok((&self.buffer[..head], &self.buffer[head..end]))
    }
}

/// What one window gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Answers.
    pub(crate) count: usize,
    /// Answers with another status than wanted.
    pub(crate) odd: usize,
    /// From the first send to the last answer.
    pub(crate) wall: Duration,
    /// CPU time of the process under test.
    pub(crate) cpu: Duration,
    /// CPU time of others on its core.
    pub(crate) foreign: Duration,
    /// Sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Window {
    /// Microseconds of CPU per request.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.count.max(1) as f64
    }

    /// Requests per second of wall time.
    pub(crate) fn rate(&self) -> f64 {
        self.count as f64 / self.wall.as_secs_f64()
    }

    /// A quantile of the latencies in microseconds.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * q) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(f64::NAN, |l| l.as_secs_f64() * 1e6)
    }
}

/// One window over new connections: ours close after 25 idle and 110 busy seconds, whoever waits for its turn.
pub(crate) async fn window(
    pid: u32,
    (at, tls): (SocketAddr, &Arc<ClientConfig>),
    lines: usize,
    requests: Vec<Vec<u8>>,
    times: Option<Vec<Duration>>,
    wanted: u16,
) -> anyhow::Result<Window> {
    let mut lines = Line::many(at, tls, lines).await?;
    // The first request of a connection pays for its buffers and the connection behind it.
    for line in &mut lines {
        line.exchange(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            .await?;
    }
    run(pid, &mut lines, requests, times, wanted).await
}

/// Sends all requests over these connections. `times` are offsets from the start; without them, as fast as answers come.
async fn run(
    pid: u32,
    lines: &mut Vec<Line>,
    requests: Vec<Vec<u8>>,
    times: Option<Vec<Duration>>,
    wanted: u16,
) -> anyhow::Result<Window> {
    let (requests, times) = (Arc::new(requests), Arc::new(times));
    let next = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    let (cpu, busy, began) = (machine::cpu_of(pid), machine::busy(PROXY_CORE), Instant::now());
    for mut line in lines.drain(..) {
        let (requests, times, next) = (requests.clone(), times.clone(), next.clone());
        tasks.spawn(async move {
            let (mut latencies, mut odd) = (Vec::new(), None::<(usize, u16)>);
            let ticker = times.as_ref().as_ref().map(|_| Ticker::new()).transpose()?;
            loop {
                let n = next.fetch_add(1, Ordering::Relaxed);
                let Some(request) = requests.get(n) else {
                    return Ok::<_, anyhow::Error>((line, latencies, odd));
                };
                let intended = match (&ticker, times.as_ref()) {
                    (Some(ticker), Some(times)) => {
                        let then = began + times[n];
                        ticker.until(then).await?;
                        then
                    }
                    _ => Instant::now(),
                };
                let status = line.exchange(request).await?;
                latencies.push(intended.elapsed());
                if is_odd(status, wanted) {
                    odd.get_or_insert((0, status)).0 += 1;
                }
            }
        });
    }
    let (mut window, mut example) = (Window::default(), 0);
    while let Some(done) = tasks.join_next().await {
        let (line, latencies, odd) = done??;
        lines.push(line);
        window.latencies.extend(latencies);
        if let Some((count, status)) = odd {
            window.odd += count;
            example = status;
        }
    }
    window.wall = began.elapsed();
    window.cpu = machine::cpu_of(pid).saturating_sub(cpu);
    window.foreign = machine::busy(PROXY_CORE)
        .saturating_sub(busy)
        .saturating_sub(window.cpu);
    window.count = window.latencies.len();
    window.latencies.sort_unstable();
    ensure!(
        window.odd * 100 <= window.count,
        "{} of {} answers had another status than {wanted}, such as {example}",
        window.odd,
        window.count
    );
    Ok(window)
}

/// New connection, full handshake, one GET, close: so many times, eight at once.
pub(crate) async fn handshakes(
    pid: u32,
    at: SocketAddr,
    tls: &Arc<ClientConfig>,
    count: usize,
) -> anyhow::Result<Window> {
    let left = Arc::new(AtomicUsize::new(count));
    let mut tasks = JoinSet::new();
    let (cpu, began) = (machine::cpu_of(pid), Instant::now());
    for _ in 0..8 {
        let (tls, left) = (tls.clone(), left.clone());
        tasks.spawn(async move {
            while left
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1))
                .is_ok()
            {
                let mut line = Line::open(at, &tls).await?;
                ensure!(
                    line.exchange(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                        .await?
                        == 200,
                    "/healthz is not well"
                );
            }
            Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(Window {
        count,
        wall: began.elapsed(),
        cpu: machine::cpu_of(pid).saturating_sub(cpu),
        ..Window::default()
    })
}

/// Evenly spaced arrivals.
pub(crate) fn evenly(count: usize, rate: f64) -> Vec<Duration> {
    (0..count)
        .map(|n| Duration::from_secs_f64(n as f64 / rate))
        .collect()
}

/// Arrivals as strangers make them: exponential gaps.
pub(crate) fn poisson(count: usize, rate: f64) -> Vec<Duration> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut at = 0.0;
    let gap = |_| {
        // xorshift64*: reproducible, and good enough for gaps.
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let uniform = ((state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        at += -uniform.ln() / rate;
        Duration::from_secs_f64(at)
    };
    (0..count).map(gap).collect()
}
