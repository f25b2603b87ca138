//! The last requests the channels received, for tests that ask what really went over the wire.

use super::fault::{Channel, Operation};
use super::server::Incoming;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// How many are kept.
const KEPT: usize = 1000;

struct Seen {
    number: u64,
    at: String,
    channel: Channel,
    operation: Operation,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: bytes::Bytes,
}

/// The last requests, oldest first.
#[derive(Default)]
pub(crate) struct Requests {
    count: u64,
    seen: VecDeque<Seen>,
}

impl Requests {
    pub(crate) fn add(&mut self, channel: Channel, operation: Operation, request: &Incoming) {
        if self.seen.len() == KEPT {
            self.seen.pop_front();
        }
        self.count += 1;
        let text = |v: &http::HeaderValue| String::from_utf8_lossy(v.as_bytes()).into_owned();
        self.seen.push_back(Seen {
            number: self.count,
            at: super::clock::now().to_string(),
            channel,
            operation,
            method: request.method.to_string(),
            target: request.target(),
            headers: request
                .headers
                .iter()
                .map(|(k, v)| (k.to_string(), text(v)))
                .collect(),
            body: request.body.clone(),
        });
    }

    /// The last `last` that fit, oldest first.
    pub(crate) fn list(&self, channel: Option<Channel>, operation: Option<Operation>, last: usize) -> Value {
        let fits =
            |s: &&Seen| channel.is_none_or(|c| c == s.channel) && operation.is_none_or(|o| o == s.operation);
        let mut found: Vec<Value> = self
            .seen
            .iter()
            .rev()
            .filter(fits)
            .take(last)
            .map(shown)
            .collect();
        found.reverse();
        Value::Array(found)
    }
}

fn shown(s: &Seen) -> Value {
    json!({
        "number": s.number, "at": s.at, "channel": s.channel, "operation": s.operation, "method": s.method,
        "target": s.target, "headers": s.headers, "body": STANDARD.encode(&s.body),
    })
}
