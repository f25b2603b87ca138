//! The physical limit of our stack: hyper and rustls on both sides, a connection pool, and nothing else. Runs in a
//! process of its own (`guandao-bench forward …`).

use anyhow::Context;
use http_body_util::combinators::BoxBody;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use rustls::pki_types::ServerName;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context as Cx, Poll},
};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

/// Forwards whatever comes to `port` to `upstream`; certificates are the place's in `dir`.
pub(crate) fn serve(dir: &Path, port: u16, upstream: SocketAddr) -> anyhow::Result<()> {
    let files = certs::tls::ListenerFiles {
        cert: dir.join("tls/server.pem"),
        key: dir.join("tls/server.key"),
        client_ca: None,
        client_required: false,
    };
    let acceptor = TlsAcceptor::from(certs::tls::Listener::open(files)?.current());
    let tls = certs::tls::client(&std::fs::read(dir.join("channels/ca.pem"))?, None)?;
    // One worker thread, as the proxy has on one core.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?
        .block_on(async move {
            let socket = TcpListener::bind(("127.0.0.1", port))
                .await
                .context("the forwarder's port")?;
            let pool: Client<Dialer, Incoming> = Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .set_host(false)
                .build(Dialer { at: upstream, tls });
            loop {
                let (stream, _) = socket.accept().await?;
                let (acceptor, pool) = (acceptor.clone(), pool.clone());
                tokio::spawn(async move {
                    let _ = stream.set_nodelay(true);
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    let service = service_fn(move |request| forward(pool.clone(), upstream, request));
                    let _ = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        })
}

type Answer = http::Response<BoxBody<bytes::Bytes, hyper::Error>>;

async fn forward(
    pool: Client<Dialer, Incoming>,
    upstream: SocketAddr,
    mut request: http::Request<Incoming>,
) -> Result<Answer, hyper_util::client::legacy::Error> {
    let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
    if let Ok(uri) = format!("https://{upstream}{target}").parse() {
        *request.uri_mut() = uri;
    }
    Ok(pool.request(request).await?.map(BoxBody::new))
}

#[derive(Clone)]
struct Dialer {
    at: SocketAddr,
    tls: Arc<rustls::ClientConfig>,
}

impl tower::Service<http::Uri> for Dialer {
    type Response = Upstream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Upstream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let dialer = self.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(dialer.at).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from("api.mch.weixin.qq.com").map_err(io::Error::other)?;
            Ok(Upstream(TokioIo::new(
                TlsConnector::from(dialer.tls).connect(name, stream).await?,
            )))
        })
    }
}

struct Upstream(TokioIo<TlsStream<TcpStream>>);

impl Connection for Upstream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Upstream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Upstream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Cx<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Cx<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Cx<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, bufs)
    }
}
