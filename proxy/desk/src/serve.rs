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
use std::{pin::pin, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsAcceptor;

/// Time for the handshake, for a request's head, and for its body.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest body: a reason of 2000 characters, four octets each, escaped.
const MOST_BODY: usize = 64 << 10;
/// Most connections at once per listener, and per source.
const MOST: usize = 512;
const MOST_PER_SOURCE: usize = 32;
/// A connection ends after so long, with what it is in.
const LONGEST: Duration = Duration::from_secs(300);
/// For what it is in, then and when the desk stops; then it is cut.
const LAST: Duration = Duration::from_secs(8);

/// Held by whatever is under way.
type Held = mpsc::Sender<()>;

/// Serves until told to stop, and until what is under way is answered, for [`LAST`] at most.
pub(crate) async fn serve(
    name: &'static str,
    socket: TcpListener,
    tls: Arc<Listener>,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    let places = Places::new(name, MOST, MOST_PER_SOURCE);
    let (held, mut under_way) = mpsc::channel(1);
    let router = router
        .layer(middleware::from_fn(move |request, next| {
            rescue(held.clone(), request, next)
        }))
        .layer(middleware::from_fn(|request, next| {
            whole(PATIENCE, request, next)
        }));
    loop {
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = stopped(&mut stop) => break,
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
            let handshake = tokio::time::timeout(PATIENCE, TlsAcceptor::from(tls).accept(tcp));
            let tls = tokio::select! {
                tls = handshake => tls,
                () = stopped(&mut stop) => return,
            };
            if let Ok(Ok(tls)) = tls {
                let router = router.layer(axum::Extension(Source(peer.ip())));
                requests(tls, router, LONGEST, stop).await;
            }
        });
    }
    drop(router);
    let _ = tokio::time::timeout(LAST, under_way.recv()).await;
}

/// The requests of one connection. At its age, and when the desk stops, the one that is under way is answered, and is the last.
async fn requests<I>(stream: I, router: Router, longest: Duration, mut stop: watch::Receiver<bool>)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut serving = pin!(
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(PATIENCE)
            .max_buf_size(32 << 10)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    tokio::select! {
        _ = serving.as_mut() => return, // what a client breaks off is its own loss
        () = tokio::time::sleep(longest) => {}
        () = stopped(&mut stop) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST, serving).await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// An answer that panics is an answer all the same, and takes nothing else with it.
async fn rescue(held: Held, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    // On its own, which is where a panic ends. What an officer asked for is not left half done by a browser that goes away.
    let answer = async move {
        let _held = held;
        next.run(request).await
    };
    match tokio::spawn(answer).await {
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
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::{Interval, interval},
    };
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

    fn rescued(router: Router, held: Held) -> Router {
        router.layer(middleware::from_fn(move |request, next| {
            rescue(held.clone(), request, next)
        }))
    }

    const A_WHILE: Duration = Duration::from_millis(400);

    /// Answers after a while.
    fn slow() -> Router {
        let slow = async || {
            tokio::time::sleep(A_WHILE).await;
            "on record"
        };
        Router::new().route("/", get(slow))
    }

    /// What comes of a connection on which a request is under way when its age is reached, or the desk stops.
    async fn cut(longest: Duration, stop: bool) -> String {
        let (mut browser, desk) = tokio::io::duplex(4096);
        let (stopping, stopped) = watch::channel(false);
        let serving = tokio::spawn(requests(desk, slow(), longest, stopped));
        let request = b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n";
        browser.write_all(request).await.expect("sent");
        tokio::time::sleep(A_WHILE / 4).await;
        stopping.send(stop).expect("somebody serves");
        let mut answer = String::new();
        browser.read_to_string(&mut answer).await.expect("text");
        serving.await.expect("served");
        answer
    }

    #[tokio::test]
    async fn a_connection_ends_behind_the_answer_that_is_under_way() {
        for (longest, stop) in [(A_WHILE / 2, false), (LONGEST, true)] {
            let answer = cut(longest, stop).await;
            assert!(
                answer.starts_with("HTTP/1.1 200"),
                "{longest:?}, {stop}: {answer}"
            );
            assert!(answer.ends_with("on record"), "{longest:?}, {stop}: {answer}");
        }
    }

    /// Its decision would come upon a journal that is closed.
    #[tokio::test]
    async fn an_answer_whose_browser_went_away_is_still_under_way() {
        let (held, mut under_way) = mpsc::channel(1);
        let router = rescued(slow(), held);
        let request = Request::get("/").body(Body::empty()).expect("lawful");
        let gone = tokio::time::timeout(A_WHILE / 4, router.oneshot(request)).await;
        assert!(gone.is_err(), "it was answered already");
        let early = tokio::time::timeout(A_WHILE / 4, under_way.recv()).await;
        assert!(early.is_err(), "nothing is under way");
        let end = tokio::time::timeout(LAST, under_way.recv()).await;
        assert_eq!(end, Ok(None));
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
        let (held, _under_way) = mpsc::channel(1);
        let router = rescued(Router::new().route("/", get(panics)), held);
        let request = Request::get("/").body(Body::empty()).expect("lawful");
        let answer = router.oneshot(request).await.expect("a router answers");
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
