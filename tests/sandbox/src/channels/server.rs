//! One listener: TLS or not, HTTP/1.1, whole bodies, a synchronous handler on a blocking thread.

use super::StartError;
use super::world::World;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming as Body;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::{
    DigitallySignedStruct, DistinguishedName, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// A request as a handler sees it.
#[derive(Clone)]
pub(crate) struct Incoming {
    pub(crate) method: http::Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
    /// The certificate that the client showed, DER.
    pub(crate) peer: Option<Arc<[u8]>>,
}

impl Incoming {
    /// Path and query, as signed by WeChat's clients.
    pub(crate) fn target(&self) -> String {
        if self.query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, self.query)
        }
    }

    /// A header's text, empty if it is missing or not text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default()
    }
}

/// What a handler wants done.
pub(crate) enum Reply {
    /// Answer now.
    Now(Answer),
    /// Answer later.
    After(Duration, Answer),
    /// Hold the connection and say nothing.
    Never,
}

/// An answer to be written.
pub(crate) type Answer = http::Response<Full<Bytes>>;

/// Decides about one request; runs on a blocking thread, so it may compute signatures.
pub(crate) type Handler = fn(&Arc<World>, &Incoming) -> Reply;

/// A request longer than this is refused, as the channels do.
const BODY_LIMIT: usize = 1 << 20;
/// How long a connection is held that shall not be answered.
const SILENCE: Duration = Duration::from_secs(60);

pub(crate) fn tls(cert: &str, key: &str) -> Result<Arc<rustls::ServerConfig>, rustls::Error> {
    let unreadable = |_| rustls::Error::General("the issued certificate cannot be read".to_owned());
    let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).map_err(unreadable)?];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(unreadable)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Anybody(provider)))
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Takes a client's certificate of whichever issuer, or none: whose it is, is for the handler to say. Only that the client
/// has its key is checked here.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ClientCertVerifier for Anybody {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

pub(crate) async fn serve(
    at: SocketAddr,
    tls: Option<Arc<rustls::ServerConfig>>,
    world: Arc<World>,
    handler: Handler,
    mut stopped: watch::Receiver<bool>,
) -> Result<SocketAddr, StartError> {
    let listener = TcpListener::bind(at)
        .await
        .map_err(|e| StartError::Listen(at, e))?;
    let bound = listener.local_addr().map_err(|e| StartError::Listen(at, e))?;
    let acceptor = tls.map(TlsAcceptor::from);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = stopped.changed() => return,
                accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                    let connection = connection(stream, acceptor.clone(), world.clone(), handler);
                    let mut stopped = stopped.clone();
                    tokio::spawn(async move {
                        tokio::select! { () = connection => {}, _ = stopped.changed() => {} }
                    });
                }
            }
        }
    });
    Ok(bound)
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, world: Arc<World>, handler: Handler) {
    let _ = stream.set_nodelay(true);
    match tls {
        None => http1(stream, world, handler, None).await,
        Some(acceptor) => match acceptor.accept(stream).await {
            Ok(stream) => {
                let shown = stream
                    .get_ref()
                    .1
                    .peer_certificates()
                    .and_then(|chain| chain.first());
                let peer = shown.map(|leaf| Arc::from(leaf.as_ref()));
                http1(stream, world, handler, peer).await;
            }
            Err(error) => tracing::debug!(%error, "TLS handshake failed"),
        },
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    world: Arc<World>,
    handler: Handler,
    peer: Option<Arc<[u8]>>,
) {
    let service = service_fn(|request| respond(request, world.clone(), handler, peer.clone()));
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}

async fn respond(
    request: http::Request<Body>,
    world: Arc<World>,
    handler: Handler,
    peer: Option<Arc<[u8]>>,
) -> io::Result<Answer> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, BODY_LIMIT).collect().await else {
        return Ok(plain(
            http::StatusCode::PAYLOAD_TOO_LARGE,
            "the body cannot be read or is too long",
        ));
    };
    let incoming = Incoming {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers,
        body: body.to_bytes(),
        peer,
    };
    let turn = world.threads.acquire().await;
    let inside = world.clone();
    let reply = tokio::task::spawn_blocking(move || handler(&inside, &incoming)).await;
    drop(turn);
    Ok(match reply {
        Ok(Reply::Now(answer)) => answer,
        Ok(Reply::After(time, answer)) => {
            tokio::time::sleep(time).await;
            answer
        }
        Ok(Reply::Never) => {
            tokio::time::sleep(SILENCE).await;
            return Err(io::ErrorKind::TimedOut.into());
        }
        Err(_) => plain(
            http::StatusCode::INTERNAL_SERVER_ERROR,
            "the sandbox's handler failed",
        ),
    })
}

/// A plain text answer.
pub(crate) fn plain(status: http::StatusCode, text: &str) -> Answer {
    let mut answer = http::Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *answer.status_mut() = status;
    answer
}

/// An answer of this content type.
pub(crate) fn typed(status: http::StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut answer = http::Response::new(Full::new(Bytes::from(body)));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(content_type),
    );
    answer
}
