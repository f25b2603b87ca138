//! The cases journal in tlog-tiles paths, for the proxy, which shows a client certificate.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use journal::Reader;

/// Serves checkpoint, tiles and entry bundles.
pub fn router(reader: Reader) -> Router {
    Router::new().fallback(get(file)).with_state(reader)
}

async fn file(State(reader): State<Reader>, uri: Uri) -> Response {
    let path = uri.path().to_owned();
    let read = tokio::task::spawn_blocking({
        let path = path.clone();
        move || reader.resource(&path, true)
    });
    match read.await {
        Ok(Some(Ok(bytes))) => {
            // Tiles never change under their name; the checkpoint always does.
            let (kind, cache) = match path.as_str() {
                "/checkpoint" => ("text/plain; charset=utf-8", "no-store"),
                _ => ("application/octet-stream", "private, max-age=31536000, immutable"),
            };
            (
                [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, cache)],
                bytes,
            )
                .into_response()
        }
        Ok(Some(Err(error))) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::error!(%error, "a file of the cases journal cannot be read");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
