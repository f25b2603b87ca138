//! The API's own description, served at `/openapi.json`; error codes come from the one table of faults.

mod schemas;

use serde_json::{Map, Value, json};

/// OpenAPI 3.1.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Guandao 官道 unified API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Amounts are whole fen (分). Times are RFC 3339. Requests are signed (see the security scheme), and so are answers, errors included: the Guandao-* headers. What is refused before its head and body could be read is answered unsigned. Numbers in paths and queries may be percent-encoded; the signature stays over the target as it is sent.",
        },
        "security": [{ "Signed": [] }],
        "paths": paths(),
        "webhooks": webhooks(),
        "components": {
            "securitySchemes": { "Signed": {
                "type": "apiKey", "in": "header", "name": "Authorization",
                "description": "`SCHEME mchid=\"\",nonce_str=\"\",timestamp=\"\",serial_no=\"\",signature=\"\"` with SCHEME one of GUANDAO-ED25519, GUANDAO-SHA256-RSA2048. The signature is base64 over METHOD, target (path and query as sent), timestamp (seconds since 1970, five minutes to either side), nonce, body, each followed by a newline.",
            } },
            "headers": headers(),
            "schemas": schemas::schemas(),
            "responses": responses(),
        },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

const SIGNED: [&str; 5] = [
    "Guandao-Timestamp",
    "Guandao-Nonce",
    "Guandao-Serial",
    "Guandao-Signature",
    "Guandao-Signature-Type",
];

fn headers() -> Value {
    json!({
        "Guandao-Timestamp": { "required": true, "description": "Seconds since 1970", "schema": { "type": "string", "pattern": "^[0-9]+$" } },
        "Guandao-Nonce": { "required": true, "description": "New for each answer", "schema": { "type": "string" } },
        "Guandao-Serial": { "required": true, "description": "Which of the service's keys signed", "schema": { "type": "string" } },
        "Guandao-Signature": { "required": true, "description": "Base64, over timestamp, nonce, body, each followed by a newline", "schema": { "type": "string", "contentEncoding": "base64" } },
        "Guandao-Signature-Type": { "required": true, "description": "The scheme of the request, or GUANDAO-ED25519 where it named none", "schema": { "enum": ["GUANDAO-ED25519", "GUANDAO-SHA256-RSA2048"] } },
        "Retry-After": { "required": false, "description": "Seconds to wait", "schema": { "type": "integer", "minimum": 1 } },
        "Allow": { "required": true, "description": "The methods that the resource takes", "schema": { "enum": ["GET", "POST", "GET, POST"] } },
    })
}

/// The headers of a signed answer and further ones.
fn with_headers(further: &[&str]) -> Value {
    let all = SIGNED.iter().chain(further).map(|name| {
        (
            (*name).to_owned(),
            json!({ "$ref": format!("#/components/headers/{name}") }),
        )
    });
    Value::Object(all.collect::<Map<_, _>>())
}

fn responses() -> Value {
    let problem = |what: &str, further: &[&str]| {
        json!({
            "description": what,
            "headers": with_headers(further),
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        })
    };
    json!({
        "Problem": problem("A problem (RFC 9457)", &[]),
        "WrongMethod": problem("The resource does not take this method", &["Allow"]),
        "TooMany": problem("Too many requests", &["Retry-After"]),
        "Later": problem("Not now; Retry-After is there where we know when", &["Retry-After"]),
    })
}

/// An answer: status, what it means, content type, schema.
type Said<'a> = (&'a str, &'a str, &'a str, Value);

const JSON: &str = "application/json";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn operation(summary: &str, parameters: &[Value], body: Option<&str>, answers: &[Said<'_>]) -> Value {
    let mut responses = Map::new();
    for (status, what, content, schema) in answers {
        responses.insert((*status).into(), json!({ "description": what, "headers": with_headers(&[]), "content": { *content: { "schema": schema } } }));
    }
    for (status, name) in [
        ("405", "WrongMethod"),
        ("429", "TooMany"),
        ("503", "Later"),
        ("default", "Problem"),
    ] {
        responses.insert(
            status.into(),
            json!({ "$ref": format!("#/components/responses/{name}") }),
        );
    }
    let mut operation = json!({ "summary": summary, "parameters": parameters, "responses": responses });
    if let (Some(body), Some(map)) = (body, operation.as_object_mut()) {
        map.insert(
            "requestBody".into(),
            json!({ "required": true, "content": { JSON: { "schema": reference(body) } } }),
        );
    }
    operation
}

/// What needs no signature and carries none.
fn open(summary: &str, answers: &[Said<'_>]) -> Value {
    let responses: Map<String, Value> = answers
        .iter()
        .map(|(status, what, content, schema)| {
            (
                (*status).to_owned(),
                json!({ "description": what, "content": { *content: { "schema": schema } } }),
            )
        })
        .collect();
    json!({ "summary": summary, "security": [], "responses": responses })
}

fn in_path(name: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": schema })
}

fn in_query(name: &str, required: bool, schema: Value) -> Value {
    json!({ "name": name, "in": "query", "required": required, "schema": schema })
}

fn paths() -> Value {
    let mut paths = paths_with_one_form();
    paths["/v1/reconciliations/{date}/statement"]["get"]["responses"]["200"]["content"][XLSX] =
        json!({ "schema": { "type": "string", "contentMediaType": XLSX } });
    paths["/v1/statistics"]["get"]["responses"]["200"]["content"]["text/csv"] =
        json!({ "schema": { "type": "string" } });
    paths
}

fn paths_with_one_form() -> Value {
    let id = in_path("id", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" }));
    let (no, seq) = (
        in_path("refund_no", schemas::refund_no()),
        in_path("seq", json!({ "type": "integer", "minimum": 0 })),
    );
    let (one, two) = (std::slice::from_ref(&id), [id.clone(), no]);
    let (payment, refund) = (reference("Payment"), reference("Refund"));
    let order = [
        ("200", "The order", JSON, payment.clone()),
        (
            "202",
            "The outcome is not known yet; ask again",
            JSON,
            payment.clone(),
        ),
    ];
    let found = [
        ("200", "The refund", JSON, refund.clone()),
        (
            "202",
            "The outcome is not known yet; ask again",
            JSON,
            refund.clone(),
        ),
    ];
    let asked = [
        ("201", "The refund", JSON, refund),
        found[0].clone(),
        found[1].clone(),
    ];
    let (group, group_no) = (reference("Group"), in_path("group_no", schemas::group_no()));
    let together = [
        ("200", "The group", JSON, group.clone()),
        (
            "202",
            "The outcome is not known yet of all of them; ask again",
            JSON,
            group.clone(),
        ),
    ];
    let code = in_path("id", json!({ "type": "string", "pattern": "^[0-9a-z]{16}$" }));
    let product = json!({ "const": "product", "description": "WeChat's native mode one instead: the text of `wechat_product_url`" });
    let plate = [code.clone(), in_query("text", false, product)];
    let made = [("200", "The code", JSON, reference("Code"))];
    let order_no = in_query("order_no", true, schemas::order_no());
    json!({
        "/v1/payments": {
            "post": operation("Place an order, or the same again. With pay_way micropay it charges at once: 201 paid, 202 the payer is at it or nobody knows yet (ask again, or wait to be told), 422 not charged", &[], Some("NewPayment"), &[("201", "Placed, or paid", JSON, payment), order[0].clone(), order[1].clone()]),
            "get": operation("Find an order by your number", &[order_no], None, &order),
        },
        "/v1/payments/combined": { "post": operation("Place several orders that one payment pays, all or none (合单; WeChat Pay), or the same again. Each is an order of its own under /v1/payments, paid and refunded as such, and told of on its own", &[], Some("NewGroup"), &[("201", "Placed", JSON, group.clone()), together[0].clone(), together[1].clone()]) },
        "/v1/payments/combined/{group_no}": { "get": operation("A group: each of its orders as it stands", std::slice::from_ref(&group_no), None, &together) },
        "/v1/payments/combined/{group_no}/close": { "post": operation("Close a group: all of its orders, unpaid (no body, or {}). None of them is closed alone", &[group_no], None, &together) },
        "/v1/payments/{id}": { "get": operation("An order; with expand=payer the channel is asked live", &[id.clone(), in_query("expand", false, json!({ "const": "payer" }))], None, &order) },
        "/v1/payments/{id}/close": { "post": operation("Close an unpaid order (no body, or {})", one, None, &order) },
        "/v1/payments/{id}/reverse": { "post": operation("Undo a payment-code order: closed if unpaid, paid back if paid; at UnionPay, whose orders end with their own time only, also what was paid in another way (no body, or {})", one, None, &order) },
        "/v1/payments/{id}/refunds": { "post": operation("Pay back, in full or part; hold=true waits for a release", one, Some("NewRefund"), &asked) },
        "/v1/payments/{id}/refunds/{refund_no}": { "get": operation("A refund", &two, None, &found) },
        "/v1/payments/{id}/refunds/{refund_no}/release": { "post": operation("Let a held refund go (no body, or {})", &two, None, &[asked[0].clone(), asked[2].clone()]) },
        "/v1/payments/{id}/refunds/{refund_no}/cancel": { "post": operation("Withdraw a held refund (no body, or {})", &two, None, &asked[..1]) },
        "/v1/payments/{id}/refunds/{refund_no}/redirect": { "post": operation("Send a refund that the channel calls abnormal (the payer's account cannot take it) another way: to a bank card of the payer's, or to the bank account that the channel has on file for you. WeChat Pay only", &two, Some("Redirect"), &[asked[0].clone(), asked[2].clone()]) },
        "/v1/payments/{id}/receipt": { "get": operation("Receipt (C2SP tlog-proof) of the latest or a named entry", &[id.clone(), in_query("index", false, json!({ "type": "integer", "minimum": 0 }))], None, &[("200", "The receipt", "text/plain", json!({ "type": "string" }))]) },
        "/v1/payments/{id}/purge": { "get": operation("What became of the keys that sealed this order's buyer data", one, None, &[("200", "Purge certificate", JSON, reference("Purge"))]) },
        "/v1/payments/{id}/notifications": { "get": operation("Notifications of this order", one, None, &[("200", "List, oldest first", JSON, reference("Notifications"))]) },
        "/v1/payments/{id}/notifications/{seq}/resend": { "post": operation("Send a notification again, now, with its own id and number", &[id, seq], None, &[("200", "Whether it was acknowledged", JSON, reference("Resent"))]) },
        "/v1/codes": { "post": operation("Make a code that payers scan (one code, every wallet): with order_no for that order, without one static. The same again gets the same code", &[], Some("NewCode"), &[("201", "Made", JSON, reference("Code")), ("200", "Made before", JSON, reference("Code"))]),
            "get": operation("Your codes in pages, in the order in which they were made; those that ended or were revoked for a day more", &[in_query("after", false, json!({ "type": "string", "pattern": "^[0-9]+$", "description": "`next` of the former page" })), in_query("limit", false, json!({ "type": "integer", "minimum": 1, "maximum": 500, "default": 100 }))], None, &[("200", "A page; the last one has no `next`", JSON, reference("Codes"))]),
        },
        "/v1/codes/{id}": { "get": operation("A code", std::slice::from_ref(&code), None, &made) },
        "/v1/codes/{id}/revoke": { "post": operation("Withdraw a code: it opens no new order (no body, or {})", std::slice::from_ref(&code), None, &made) },
        "/v1/codes/{id}/svg": { "get": operation("The plate for the counter (条码台牌), with the merchant's name", &plate, None, &[("200", "A6, with the fonts of whoever opens it", "image/svg+xml", json!({ "type": "string" }))]) },
        "/v1/codes/{id}/png": { "get": operation("The same in dots, in a bitmap font", &plate, None, &[("200", "720 x 1000", "image/png", json!({ "type": "string", "contentMediaType": "image/png" }))]) },
        "/v1/statistics": { "get": operation("Your orders by hour, day, channel and way to pay, counted from the journal", &statistics_query(), None, &[
            ("200", "Figures of the hours in which the journal recorded each event (UTC+8), so those of a past hour never change. `format=csv` gives the rows as CSV", JSON, reference("Statistics")),
        ]) },
        "/v1/reconciliations/{date}": { "get": operation("How the channels' bills of a day (UTC+8) agree with the record here; bills are asked for from 10:00 of the next day on, and kept here for 120 days", &[in_path("date", json!({ "type": "string", "format": "date" }))], None, &[("200", "Accounts with their bills, and every difference", JSON, reference("Reconciliation"))]) },
        "/v1/reconciliations/{date}/statement": { "get": operation("Your own statement of a day: what was paid and what went back, and which of it a bill has otherwise", &[in_path("date", json!({ "type": "string", "format": "date" })), in_query("format", false, json!({ "enum": ["csv", "xlsx"] }))], None, &[("200", "UTF-8 with a byte order mark and CRLF; with format=xlsx a workbook instead", "text/csv", json!({ "type": "string" }))]) },
        "/openapi.json": { "get": open("This document", &[("200", "OpenAPI 3.1", JSON, json!({ "type": "object" }))]) },
        "/healthz": { "get": open("Does the process answer?", &[("200", "It does", "text/plain", json!({ "type": "string" }))]) },
        "/readyz": { "get": open("Are new orders taken?", &[("200", "They are", "text/plain", json!({ "type": "string" })), ("503", "They are not; the text says why", "text/plain", json!({ "type": "string" }))]) },
    })
}

fn statistics_query() -> [Value; 4] {
    let time = json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2})?$", "description": "A day, or an hour of one, UTC+8. From today's begin, until the end of the day that `from` lies in, where left out; 31 days at most" });
    let by = json!({ "type": "string", "pattern": "^((hour|day|channel|pay_way)(,(hour|day|channel|pay_way))*)?$", "description": "Each once; hour or day, not both" });
    [
        in_query("from", false, time.clone()),
        in_query("to", false, time),
        in_query("by", false, by),
        in_query("format", false, json!({ "enum": ["json", "csv"] })),
    ]
}

/// What merchants are told at the address of the operator's registry.
fn webhooks() -> Value {
    let headers: Vec<Value> = SIGNED.iter().map(|name| json!({ "name": name, "in": "header", "required": true, "schema": { "$ref": format!("#/components/headers/{name}/schema") } })).collect();
    json!({ "notification": { "post": {
        "summary": "Something happened to an order",
        "description": "Signed like an answer, in the scheme of your first API key. Repeats keep their id and seq and are signed anew; seq rises without gaps over all your orders.",
        "security": [],
        "parameters": headers,
        "requestBody": { "required": true, "content": { JSON: { "schema": reference("Notification") } } },
        "responses": { "2XX": { "description": "Acknowledged" }, "default": { "description": "Sent again later, for a day at least" } },
    } } })
}
