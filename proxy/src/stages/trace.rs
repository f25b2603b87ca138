//! One span and one line of log per request; numbers and enums of our own only.

use crate::{
    accept::Received,
    app::App,
    fault::Stop,
    stage::{Around, Next, Response},
};
use http::HeaderValue;
use std::time::Instant as Timer;
use tracing::{Instrument, info, info_span};

/// Around the whole stack.
pub struct Trace(pub App);

impl Around<Received> for Trace {
    type Down = Received;
    type Up = Response;
    type Out = Response;

    async fn run(&self, received: Received, next: Next<Received, Response>) -> Result<Response, Stop> {
        let (door, id) = (received.door, received.id);
        let began = Timer::now();
        let span = info_span!("request", door = door.as_str(), id = %id);
        let mut response = next.run(received).instrument(span).await?;
        let took = began.elapsed();
        let status = response.status().as_u16();
        self.0.metrics().answered(door, status, took);
        info!(door = door.as_str(), id = %id, status, micros = took.as_micros() as u64, "answered");
        if !response.headers().contains_key("request-id")
            && let Ok(value) = HeaderValue::from_str(&id.to_string())
        {
            response.headers_mut().insert("request-id", value);
        }
        Ok(response)
    }
}
