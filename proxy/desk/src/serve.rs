//! Listeners: TLS around a router, few connections, each with an end.

use crate::web::Source;
use axum::{
    Router,
    body::Body,
    extract::Request,
    http::StatusCode,
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use certs::tls::Listener;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use settings::places::Places;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

/// Time for the handshake, for a request's head, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest body: a reason of 2000 characters, four octets each, escaped.
const MOST_BODY: usize = 64 << 10;
/// Most connections at once per listener, and per source.
const MOST: usize = 512;
const MOST_PER_SOURCE: usize = 32;
/// A connection ends after so long.
const LONGEST: Duration = Duration::from_secs(300);

/// Serves until told to stop.
pub(crate) async fn serve(
    name: &'static str,
    socket: TcpListener,
    tls: Arc<Listener>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::new(name, MOST, MOST_PER_SOURCE);
    let router = router
        .layer(middleware::from_fn(rescue))
        .layer(middleware::from_fn(|request, next| {
            whole(PATIENCE, request, next)
        }));
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
        let Some(place) = places.take(peer.ip()) else {
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
    let Ok(Ok(tls)) = tokio::time::timeout(PATIENCE, tls.accept(tcp)).await else {
        return;
    };
    let router = router.layer(axum::Extension(Source(peer.ip())));
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(32 << 10)
        .serve_connection(TokioIo::new(tls), TowerToHyperService::new(router));
    // What a client breaks off is its own loss.
    let _ = tokio::time::timeout(LONGEST, serving).await;
}

/// An answer that panics is an answer all the same, and takes nothing else with it.
async fn rescue(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // On its own, which is where a panic ends. What an officer asked for is not left half done by a browser that goes away.
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            tracing::error!(path, "an answer panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// The body is here whole, and in time, before anything is done with it: none can dribble and keep its place.
async fn whole(patience: Duration, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match tokio::time::timeout(patience, axum::body::to_bytes(body, MOST_BODY)).await {
        Ok(Ok(body)) => next.run(Request::from_parts(head, Body::from(body))).await,
        Ok(Err(_)) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use bytes::Bytes;
    use hyper::body::Frame;
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };
    use tokio::time::{Interval, interval};
    use tower::ServiceExt;

    /// An octet each tick, without an end.
    struct Dribble(Interval);

    impl hyper::body::Body for Dribble {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let tick = self.0.poll_tick(context);
            tick.map(|_| Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    async fn answer(patience: Duration, body: Body) -> StatusCode {
        let router = Router::new()
            .route("/", post(async |body: String| body.len().to_string()))
            .layer(middleware::from_fn(move |request, next| {
                whole(patience, request, next)
            }));
        let request = Request::post("/").body(body).expect("lawful");
        router.oneshot(request).await.expect("a router answers").status()
    }

    #[tokio::test]
    async fn a_body_that_dribbles_is_cut_off() {
        let dribble = || Body::new(Dribble(interval(Duration::from_millis(20))));
        let soon = answer(Duration::from_millis(300), dribble());
        assert_eq!(soon.await, StatusCode::REQUEST_TIMEOUT);
        let largest = |more| Body::from(vec![b'x'; MOST_BODY + more]);
        assert_eq!(answer(PATIENCE, largest(0)).await, StatusCode::OK);
        assert_eq!(answer(PATIENCE, largest(1)).await, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn an_answer_that_panics_is_an_answer() {
        let panics = async || -> StatusCode { panic!("as asked") };
        let router = Router::new()
            .route("/", get(panics))
            .layer(middleware::from_fn(rescue));
        let request = Request::get("/").body(Body::empty()).expect("lawful");
        let answer = router.oneshot(request).await.expect("a router answers");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
