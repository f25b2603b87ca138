//! The unified API: signatures' header, paths, bodies.

use super::{parts, tells_no_number};
use bytes::Bytes;
use domain::{Instant, PaymentId};
use http::{HeaderValue, Method, header::CONTENT_TYPE};
use proxy::{
    accept::{Door, HeadFacts, Received, RequestId},
    api::{
        parse,
        route::{self, Resource},
    },
    payment::Command,
    signature::Authorization,
    statistics::ask::{Ask, MOST_DAYS},
};

/// What is taken has one meaning; what is not, is not repeated.
pub(crate) fn authorization(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Authorization::parse(text) {
        Ok(read) => {
            let again = format!(
                "{} mchid=\"{}\",nonce_str=\"{}\",timestamp=\"{}\",serial_no=\"{}\",signature=\"{}\"",
                read.scheme.as_str(),
                read.merchant,
                read.nonce,
                read.timestamp,
                read.serial,
                base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &read.signature),
            );
            assert_eq!(Authorization::parse(&again).ok(), Some(read.clone()));
            let _ = (read.key(), read.is_fresh(Instant::from_secs(1_767_225_600)));
        }
        Err(fault) => tells_no_number(&fault.detail, data),
    }
}

pub(super) fn received(kind: &[u8], body: &[u8]) -> Received {
    let mut head = http::Request::new(()).into_parts().0;
    if let Ok(value) = HeaderValue::from_bytes(kind) {
        head.headers.insert(CONTENT_TYPE, value);
    }
    Received {
        head,
        body: Bytes::copy_from_slice(body),
        facts: HeadFacts::default(),
        door: Door::Api,
        peer: ([127, 0, 0, 1], 1).into(),
        client: None,
        at: Instant::from_secs(1_767_225_600),
        id: RequestId(0),
        oversized: false,
        late: false,
    }
}

/// Parts: content type, body. As each operation that takes a body.
pub(crate) fn body(data: &[u8]) {
    let [kind, body] = parts(data);
    let kind = if kind.is_empty() {
        b"application/json"
    } else {
        kind
    };
    let id: PaymentId = "00112233445566778899aabbccddeeff".parse().expect("lawful");
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    for resource in [Resource::Create, Resource::Refund(id), Resource::Close(id)] {
        match parse::command(&resource, &received(kind, body)) {
            Ok((Command::Create(create), clear)) => {
                assert_eq!(Some(create.amount.fen()), value["amount"].as_u64());
                assert_eq!(Some(create.order_no.as_str()), value["order_no"].as_str());
                assert!(clear.buyer.is_some());
            }
            Ok((Command::Refund(refund), _)) => {
                assert_eq!(Some(refund.amount.fen()), value["amount"].as_u64())
            }
            Ok(_) => assert!(body.is_empty() || body == b"{}"),
            Err(fault) => {
                assert!((400..500).contains(&fault.code.row().status));
                tells_no_number(&fault.detail, data);
            }
        }
    }
}

/// Parts: method, path.
pub(crate) fn route(data: &[u8]) {
    let [method, path] = parts(data);
    let (Ok(method), Ok(path)) = (Method::from_bytes(method), std::str::from_utf8(path)) else {
        return;
    };
    if let Err(fault) = route::resource(&method, path) {
        assert!((400..500).contains(&fault.code.row().status));
        tells_no_number(&fault.detail, data);
    }
}

/// Parts: from, to, by. What is taken is a range of whole hours, not too long, by things that each stand once.
pub(crate) fn statistics_ask(data: &[u8]) {
    let [from, to, by] =
        parts(data).map(|part: &[u8]| std::str::from_utf8(part).ok().filter(|text| !text.is_empty()));
    let today = Instant::from_secs(1_767_225_600).day();
    match Ask::parse(from, to, by, today, false) {
        Ok(ask) => {
            const HOUR: i64 = 3_600_000;
            let length = ask.to.millis() - ask.from.millis();
            assert!(
                length > 0
                    && length <= MOST_DAYS * 24 * HOUR
                    && length % HOUR == 0
                    && ask.from.millis() % HOUR == 0
            );
            assert!(ask.by.is_sorted_by(|a, b| a < b) && ask.by.len() <= 3);
            let hour = |at: Instant| at.to_string()[..13].to_owned();
            let by: Vec<&str> = ask.by.iter().map(|by| by.as_str()).collect();
            // The day after the last of year 9999 is written with five digits, which nobody may ask for.
            if ask.to.to_string().len() == ask.from.to_string().len() {
                let again = Ask::parse(
                    Some(&hour(ask.from)),
                    Some(&hour(ask.to)),
                    Some(&by.join(",")),
                    today,
                    false,
                );
                assert_eq!(again, Ok(ask));
            }
        }
        Err(error) => tells_no_number(&error, data),
    }
}
