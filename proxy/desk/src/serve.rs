//! Listeners: TLS around a router, few connections, each with an end.

use crate::web::Source;
use axum::Router;
use certs::tls::Listener;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use tokio_rustls::TlsAcceptor;

/// Most connections at once per listener.
const MOST: usize = 512;
/// Time for the handshake, and for a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// A connection ends after so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Serves until told to stop.
pub(crate) async fn serve(
    socket: TcpListener,
    tls: Arc<Listener>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let room = Arc::new(Semaphore::new(MOST));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let (tcp, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: the next try would fail at once as well.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            continue;
        };
        let (tls, router, mut stop) = (tls.current(), router.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            tokio::select! {
                _ = connection(tcp, peer, TlsAcceptor::from(tls), router) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

async fn connection(tcp: TcpStream, peer: SocketAddr, tls: TlsAcceptor, router: Router) {
    let Ok(Ok(tls)) = tokio::time::timeout(HEAD, tls.accept(tcp)).await else {
        return;
    };
    let router = router.layer(axum::Extension(Source(peer.ip())));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(32 << 10)
        .serve_connection(TokioIo::new(tls), TowerToHyperService::new(router));
    // What a client breaks off is its own loss.
    let _ = tokio::time::timeout(LONGEST, serving).await;
}
