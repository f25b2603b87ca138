//! A gate before a channel's listener: an account that is reached through it can be lost and found again, while another
//! account of the same wallet, reached directly, goes on. What is lost is lost as on a real line.

use crate::material::{self, Ca};
use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync,
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// What becomes of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// They go through.
    Open,
    /// Nobody listens.
    Refused,
    /// They are taken and nothing comes back.
    BlackHole,
    /// Every request is answered with 503.
    ServerError,
    /// Each answer comes so much later, that to a connection's greeting too.
    Slow(Duration),
    /// The certificate is nobody's.
    WrongCertificate,
}

/// A gate on a port of its own.
pub struct Gate {
    /// Where it listens.
    pub address: SocketAddr,
    to: SocketAddr,
    good: TlsAcceptor,
    wrong: TlsAcceptor,
    mode: Mutex<Mode>,
    work: sync::Mutex<Option<JoinHandle<()>>>,
    /// Holds the port and never listens, so that nobody else gets it while the gate is shut.
    _held: TcpSocket,
}

impl Gate {
    /// An open gate to a channel whose certificate carries `host`.
    pub async fn open(ca: &Ca, host: &str, to: SocketAddr) -> anyhow::Result<Arc<Gate>> {
        let acceptor = |(cert, key): (String, String)| -> anyhow::Result<TlsAcceptor> {
            Ok(TlsAcceptor::from(super::server_config(&cert, &key)?))
        };
        let strange = rcgen::generate_simple_self_signed(vec![host.to_owned()])?;
        let held = TcpSocket::new_v4()?;
        held.set_reuseaddr(true)?;
        held.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let gate = Arc::new(Gate {
            address: held.local_addr()?,
            to,
            good: acceptor(material::issue(ca, &[host])?)?,
            wrong: acceptor((strange.cert.pem(), strange.signing_key.serialize_pem()))?,
            mode: Mutex::new(Mode::Refused),
            work: sync::Mutex::default(),
            _held: held,
        });
        gate.set(Mode::Open).await?;
        Ok(gate)
    }

    /// Cuts all connections but those that lead to a machine which is ill: these go on answering 503 while they are kept.
    /// New ones fare as `mode` says.
    pub async fn set(self: &Arc<Self>, mode: Mode) -> anyhow::Result<()> {
        let mut now = self.work.lock().await; // one turn after another
        if let Some(former) = now.take() {
            former.abort();
            let _ = former.await;
        }
        *self.mode.lock() = Mode::Refused;
        if mode != Mode::Refused {
            let socket = self.bound_again().await?;
            *now = Some(self.listen(mode, socket.listen(256)?));
            *self.mode.lock() = mode;
        }
        Ok(())
    }

    /// What becomes of connections now.
    pub fn mode(&self) -> Mode {
        *self.mode.lock()
    }

    /// The port once more. A process that another thread is just starting has copies of all our sockets until it becomes
    /// its program, the former listener among them: that is waited for.
    async fn bound_again(&self) -> anyhow::Result<TcpSocket> {
        let began = tokio::time::Instant::now();
        loop {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            match socket.bind(self.address) {
                Ok(()) => return Ok(socket),
                Err(e) if e.kind() == ErrorKind::AddrInUse && began.elapsed() < Duration::from_secs(10) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(e) => return Err(e).context("the gate's own port"),
            }
        }
    }

    fn listen(self: &Arc<Self>, mode: Mode, listener: TcpListener) -> JoinHandle<()> {
        let gate = self.clone();
        tokio::spawn(async move {
            let mut all = tokio::task::JoinSet::new(); // dropped with this task, and every connection with it
            while let Ok((stream, _)) = listener.accept().await {
                let connection = gate.clone().connection(mode, stream);
                if mode == Mode::ServerError {
                    tokio::spawn(connection);
                } else {
                    all.spawn(connection);
                }
            }
        })
    }

    async fn connection(self: Arc<Self>, mode: Mode, stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        match mode {
            Mode::Open => self.relay(stream, Duration::ZERO).await,
            Mode::Slow(by) => self.relay(stream, by).await,
            Mode::BlackHole => std::future::pending().await,
            Mode::WrongCertificate => drop(self.wrong.accept(stream).await),
            Mode::ServerError => {
                if let Ok(stream) = self.good.accept(stream).await {
                    let mut server = hyper::server::conn::http1::Builder::new();
                    let _ = server
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service_fn(unavailable))
                        .await;
                }
            }
            Mode::Refused => {}
        }
    }

    async fn relay(&self, stream: TcpStream, by: Duration) {
        let Ok(channel) = TcpStream::connect(self.to).await else {
            return;
        };
        let _ = channel.set_nodelay(true);
        both_ways(stream.into_split(), channel.into_split(), by).await;
    }
}

/// Until one side is gone. What is answered to what was sent is late once, however many pieces it comes in.
async fn both_ways<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
    (from, back): (R, W),
    (answers, into): (R, W),
    by: Duration,
) {
    let sent = AtomicBool::new(false);
    tokio::select! {
        () = copy(from, into, &sent, None) => {}
        () = copy(answers, back, &sent, Some(by)) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut into: impl AsyncWrite + Unpin,
    sent: &AtomicBool,
    late: Option<Duration>,
) {
    let mut buffer = vec![0; 16 << 10];
    while let Ok(n @ 1..) = from.read(&mut buffer).await {
        match late {
            None => sent.store(true, Ordering::SeqCst),
            Some(by) if sent.load(Ordering::SeqCst) => {
                tokio::time::sleep(by).await;
                sent.store(false, Ordering::SeqCst); // what was sent meanwhile is answered in the same burst
            }
            Some(_) => {}
        }
        if into.write_all(&buffer[..n]).await.is_err() {
            return;
        }
    }
    let _ = into.shutdown().await;
}

async fn unavailable(request: http::Request<Incoming>) -> Result<http::Response<Full<Bytes>>, hyper::Error> {
    request.into_body().collect().await?;
    let mut answer = http::Response::new(Full::new(Bytes::from_static(b"Service Unavailable")));
    *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{duplex, split};

    /// A kept connection is as slow at its second request as at its first, however soon that comes.
    #[tokio::test]
    async fn each_request_is_answered_late() {
        let by = Duration::from_millis(60);
        let ((mut client, near), (far, mut channel)) = (duplex(64), duplex(64));
        let pieces = async {
            let mut asked = [0; 3];
            while channel.read_exact(&mut asked).await.is_ok() {
                for piece in [b"ans", b"wer"] {
                    channel.write_all(piece).await.expect("relayed");
                }
            }
        };
        let asking = async {
            for _ in 0..5 {
                let (began, mut answer) = (tokio::time::Instant::now(), [0; 6]);
                client.write_all(b"ask").await.expect("relayed");
                client.read_exact(&mut answer).await.expect("answered");
                assert_eq!(&answer, b"answer");
                assert!(began.elapsed() >= by, "at once");
            }
        };
        tokio::select! {
            () = asking => {}
            () = both_ways(split(near), split(far), by) => panic!("cut"),
            () = pieces => panic!("gone"),
        }
    }
}
