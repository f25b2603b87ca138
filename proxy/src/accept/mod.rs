//! Sockets in: TLS, then whole requests with caps on size, time and connection age.
//!
//! hyper's buffers hold the last message of a connection until it closes, so an idle connection closes within 25 s and
//! none lives beyond 118 s (design.md section 7 allows 30 s and 2 min).

mod head;

use crate::stage::Response;
use bytes::Bytes;
use domain::{Clock, Instant};
pub use head::{HeadFacts, Heads};
use http_body_util::{BodyExt, Limited};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::{TokioIo, TokioTimer};
use settings::places::Places;
use std::{future::Future, net::SocketAddr, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, warn};

/// Where a request came in.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Door {
    /// The unified API.
    Api,
    /// Pass-through of WeChat Pay.
    Wechat,
    /// Pass-through of Alipay.
    Alipay,
    /// Pass-through of UnionPay.
    Unionpay,
    /// Notices of channels.
    Notify,
    /// Notices of banks that send them in clear.
    Banks,
    /// Payers at a code.
    Pages,
    /// Metrics and health.
    Metrics,
    /// The trades journal, for the desk.
    Journal,
}

impl Door {
    /// The name in logs and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Door::Api => "api",
            Door::Wechat => "wechat",
            Door::Alipay => "alipay",
            Door::Unionpay => "unionpay",
            Door::Notify => "notify",
            Door::Banks => "banks",
            Door::Pages => "pages",
            Door::Metrics => "metrics",
            Door::Journal => "journal",
        }
    }
}

/// A whole request, unverified: the first state of every stack.
pub struct Received {
    /// Method, target, headers as received.
    pub head: http::request::Parts,
    /// The body's octets; wiped when freed.
    pub body: Bytes,
    /// What hyper does not tell of the head.
    pub facts: HeadFacts,
    /// Where it came in.
    pub door: Door,
    /// Who sent it.
    pub peer: SocketAddr,
    /// SHA-256 of the client's TLS certificate, if it showed one.
    pub client: Option<[u8; 32]>,
    /// When it was whole.
    pub at: Instant,
    /// Its number in the log.
    pub id: RequestId,
    /// True if the body had more octets than allowed and was not kept.
    pub oversized: bool,
    /// True if the body was not there in time.
    pub late: bool,
}

/// Random number of a request, for logs and the `Request-Id` header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RequestId(pub u64);

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Caps of one listener.
#[derive(Clone, Debug)]
pub struct Caps {
    /// Octets of a body.
    pub body: usize,
    /// From the end of the head to the end of the body.
    pub body_time: Duration,
    /// TLS handshake, and idle time between requests.
    pub idle: Duration,
    /// A connection closes after this, in good order.
    pub age: Duration,
    /// After its age, for what it is in; then it is cut.
    pub last: Duration,
    /// Open connections.
    pub connections: usize,
    /// Open connections of one source: no host alone keeps all others out.
    pub per_source: usize,
}

impl Default for Caps {
    fn default() -> Self {
        let s = Duration::from_secs;
        Caps {
            body: 64 << 10,
            body_time: s(10),
            idle: s(25),
            age: s(110),
            last: s(8),
            connections: 12_000,
            per_source: 750,
        }
    }
}

/// Whoever answers requests of a listener.
pub trait Answer: Clone + Send + Sync + 'static {
    /// Answers; faults have become responses already.
    fn answer(&self, request: Received) -> impl Future<Output = Response> + Send;
}

/// One bound listener.
pub struct Bound {
    /// Which.
    pub door: Door,
    /// The socket.
    pub socket: TcpListener,
    /// TLS, read anew for each connection so that a reload takes effect; `None` is plain HTTP.
    pub tls: Option<Arc<dyn Fn() -> Arc<rustls::ServerConfig> + Send + Sync>>,
    /// Caps.
    pub caps: Caps,
    /// Time.
    pub clock: Arc<dyn Clock>,
}

impl Bound {
    /// Serves until `stop` turns true, then lets open requests finish for at most `drain`.
    pub async fn serve(self, answer: impl Answer, mut stop: watch::Receiver<bool>, drain: Duration) {
        let room = Arc::new(Semaphore::new(self.caps.connections));
        let all = self.caps.connections as u32;
        let places = Places::new(self.door.as_str(), self.caps.connections, self.caps.per_source);
        let shared = Arc::new(self);
        loop {
            let permit = tokio::select! {
                () = stopped(&mut stop) => break,
                permit = room.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = stopped(&mut stop) => break,
                accepted = shared.socket.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let Some(place) = places.take(peer.ip()) else {
                        continue;
                    };
                    let (shared, answer, stop) = (shared.clone(), answer.clone(), stop.clone());
                    tokio::spawn(async move {
                        shared.connection(stream, peer, answer, stop).await;
                        drop((place, permit));
                    });
                }
                Err(error) => {
                    warn!(door = shared.door.as_str(), %error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        let _ = tokio::time::timeout(drain, room.acquire_many(all)).await;
    }

    async fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        answer: impl Answer,
        stop: watch::Receiver<bool>,
    ) {
        let _ = stream.set_nodelay(true);
        let Some(tls) = &self.tls else {
            return self.requests(stream, peer, None, answer, stop).await;
        };
        let handshake = TlsAcceptor::from(tls()).accept(stream);
        match tokio::time::timeout(self.caps.idle.min(Duration::from_secs(10)), handshake).await {
            Ok(Ok(stream)) => {
                let client = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|c| c.first())
                    .map(|c| sha256(c));
                self.requests(stream, peer, client, answer, stop).await;
            }
            Ok(Err(error)) => debug!(door = self.door.as_str(), %error, "handshake failed"),
            Err(_) => debug!(door = self.door.as_str(), "handshake timed out"),
        }
    }

    async fn requests<I>(
        &self,
        stream: I,
        peer: SocketAddr,
        client: Option<[u8; 32]>,
        answer: impl Answer,
        mut stop: watch::Receiver<bool>,
    ) where
        I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, heads) = head::watch(stream);
        let service = hyper::service::service_fn(|request| {
            let (heads, answer) = (heads.clone(), answer.clone());
            async move {
                let facts = heads.next();
                let received = self.whole(request, facts, peer, client).await?;
                let close = facts.must_close() || received.late || received.oversized;
                let mut response = answer.answer(received).await;
                if close {
                    response
                        .headers_mut()
                        .insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
                }
                Ok::<_, hyper::Error>(response)
            }
        });
        let mut connection = pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(self.caps.idle)
                .max_buf_size(64 << 10)
                .max_headers(64)
                .serve_connection(TokioIo::new(stream), service)
        );
        let ended = tokio::select! {
            ended = connection.as_mut() => Ok(ended),
            () = tokio::time::sleep(self.caps.age) => {
                connection.as_mut().graceful_shutdown();
                // Whoever does not read what we answer would else stay for good.
                tokio::time::timeout(self.caps.last, connection).await
            }
            () = stopped(&mut stop) => { connection.as_mut().graceful_shutdown(); Ok(connection.await) }
        };
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(door = self.door.as_str(), %error, "connection ended"),
            Err(_) => debug!(door = self.door.as_str(), "connection cut at its age"),
        }
    }

    /// Reads the body up to the cap, for its time. The error is of a client that went away.
    async fn whole(
        &self,
        request: http::Request<Incoming>,
        facts: HeadFacts,
        peer: SocketAddr,
        client: Option<[u8; 32]>,
    ) -> Result<Received, hyper::Error> {
        let (head, body) = request.into_parts();
        let (mut oversized, mut late, mut trailers) = (false, false, false);
        let body =
            match tokio::time::timeout(self.caps.body_time, Limited::new(body, self.caps.body).collect())
                .await
            {
                Ok(Ok(collected)) => {
                    trailers = collected.trailers().is_some();
                    collected.to_bytes()
                }
                Ok(Err(error)) => match error.downcast::<hyper::Error>() {
                    Ok(gone) => return Err(*gone),
                    Err(_) => {
                        oversized = true;
                        Bytes::new()
                    }
                },
                Err(_) => {
                    late = true;
                    Bytes::new()
                }
            };
        let facts = HeadFacts { trailers, ..facts };
        let id = RequestId(u64::from_ne_bytes(random()));
        Ok(Received {
            head,
            body,
            facts,
            door: self.door,
            peer,
            client,
            at: self.clock.now(),
            id,
            oversized,
            late,
        })
    }
}

/// Resolves when the process is asked to stop.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest;
    sha2::Sha256::digest(bytes).into()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use http_body_util::Full;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[derive(Clone)]
    struct Large;

    impl Answer for Large {
        async fn answer(&self, _: Received) -> Response {
            http::Response::new(Full::new(Bytes::from(vec![b'x'; 64 << 20])))
        }
    }

    async fn listening(caps: Caps) -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let bound = Bound {
            door: Door::Metrics,
            socket,
            tls: None,
            caps,
            clock: Arc::new(SystemClock),
        };
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            let _stop = stop;
            bound.serve(Large, stopped, Duration::ZERO).await;
        });
        address
    }

    #[tokio::test]
    async fn whoever_never_reads_the_answer_is_cut_at_the_age_of_the_connection() {
        let ms = Duration::from_millis;
        let address = listening(Caps {
            age: ms(200),
            last: ms(200),
            connections: 1,
            ..Caps::default()
        })
        .await;
        let mut greedy = TcpStream::connect(address).await.expect("listens");
        greedy
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("writes");
        // There is room for one connection: the next is answered once the first is gone.
        let mut next = TcpStream::connect(address).await.expect("listens");
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("writes");
        let mut first = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(5), next.read_exact(&mut first)).await;
        assert!(
            answered.is_ok_and(|read| read.is_ok()) && &first == b"HTTP/1.1 200",
            "the first connection is never cut"
        );
        drop(greedy);
    }

    #[tokio::test]
    async fn a_slow_body_is_given_up_in_time() {
        let address = listening(Caps {
            body_time: Duration::from_millis(200),
            ..Caps::default()
        })
        .await;
        let mut slow = TcpStream::connect(address).await.expect("listens");
        slow.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")
            .await
            .expect("writes");
        let mut first = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(5), slow.read_exact(&mut first)).await;
        assert!(answered.is_ok_and(|read| read.is_ok()), "nobody waits for it");
    }

    /// One host takes what it may and keeps it; another is answered at once.
    #[tokio::test]
    async fn no_host_alone_keeps_others_out() {
        let address = listening(Caps {
            connections: 8,
            per_source: 4,
            ..Caps::default()
        })
        .await;
        let mut kept = Vec::new();
        for _ in 0..20 {
            kept.push(from([127, 0, 0, 1], address).await);
        }
        let mut next = from([127, 0, 0, 2], address).await;
        next.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .expect("writes");
        let mut first = [0; 12];
        let answered = tokio::time::timeout(Duration::from_secs(10), next.read_exact(&mut first)).await;
        assert!(
            answered.is_ok_and(|read| read.is_ok()) && &first == b"HTTP/1.1 200",
            "it waits for the first host to go"
        );
        let mut cut = 0;
        for mut stream in kept {
            let end = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut first)).await;
            cut += usize::from(end.is_ok_and(|read| read.is_err() || read.is_ok_and(|n| n == 0)));
        }
        assert_eq!(cut, 16, "the first host has its share");
    }

    async fn from(host: [u8; 4], to: SocketAddr) -> TcpStream {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((host, 0).into()).expect("a loopback address");
        socket.connect(to).await.expect("listens")
    }
}
