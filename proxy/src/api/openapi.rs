//! The API's own description, served at `/openapi.json`; error codes come from the one table of faults.

use crate::fault::Code;
use serde_json::{Map, Value, json};

/// OpenAPI 3.1.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Guandao 官道 unified API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Amounts are whole fen (分). Times are RFC 3339. Requests and answers are signed: `Authorization: GUANDAO-ED25519|GUANDAO-SHA256-RSA2048 mchid=\"\",nonce_str=\"\",timestamp=\"\",serial_no=\"\",signature=\"\"` over METHOD, target, timestamp, nonce, body, each followed by a newline; answers carry Guandao-Timestamp, -Nonce, -Serial, -Signature, -Signature-Type over timestamp, nonce, body.",
        },
        "paths": paths(),
        "components": { "schemas": schemas(), "responses": { "Problem": {
            "description": "A problem (RFC 9457)",
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        } } },
    })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn operation(summary: &str, parameters: &[Value], body: Option<&str>, answers: &[(&str, &str, Option<&str>)]) -> Value {
    let mut responses = Map::new();
    for (status, what, schema) in answers {
        let mut answer = json!({ "description": what });
        if let (Some(schema), Some(map)) = (schema, answer.as_object_mut()) {
            map.insert("content".into(), json!({ "application/json": { "schema": reference(schema) } }));
        }
        responses.insert((*status).into(), answer);
    }
    responses.insert("default".into(), json!({ "$ref": "#/components/responses/Problem" }));
    let mut operation = json!({ "summary": summary, "parameters": parameters, "responses": responses });
    if let (Some(body), Some(map)) = (body, operation.as_object_mut()) {
        map.insert("requestBody".into(), json!({ "required": true, "content": { "application/json": { "schema": reference(body) } } }));
    }
    operation
}

fn in_path(name: &str) -> Value {
    json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
}

fn in_query(name: &str, required: bool) -> Value {
    json!({ "name": name, "in": "query", "required": required, "schema": { "type": "string" } })
}

fn paths() -> Value {
    let (id, no, seq) = (in_path("id"), in_path("refund_no"), in_path("seq"));
    let order = [("200", "The order", Some("Payment")), ("202", "The outcome is not known yet; ask again", Some("Payment"))];
    let refund = [("200", "The refund, said before", Some("Refund")), ("201", "The refund", Some("Refund")), ("202", "The outcome is not known yet; ask again", Some("Refund"))];
    json!({
        "/v1/payments": {
            "post": operation("Place an order, or the same again", &[], Some("NewPayment"), &[("201", "Placed", Some("Payment")), order[0], order[1]]),
            "get": operation("Find an order by your number", &[in_query("order_no", true)], None, &order),
        },
        "/v1/payments/{id}": { "get": operation("An order; with expand=payer the channel is asked live", &[id.clone(), in_query("expand", false)], None, &order) },
        "/v1/payments/{id}/close": { "post": operation("Close an unpaid order", std::slice::from_ref(&id), None, &order) },
        "/v1/payments/{id}/refunds": { "post": operation("Pay back, in full or part; hold=true waits for a release", std::slice::from_ref(&id), Some("NewRefund"), &refund) },
        "/v1/payments/{id}/refunds/{refund_no}": { "get": operation("A refund", &[id.clone(), no.clone()], None, &refund) },
        "/v1/payments/{id}/refunds/{refund_no}/release": { "post": operation("Let a held refund go", &[id.clone(), no.clone()], None, &refund) },
        "/v1/payments/{id}/refunds/{refund_no}/cancel": { "post": operation("Withdraw a held refund", &[id.clone(), no], None, &refund) },
        "/v1/payments/{id}/receipt": { "get": operation("Receipt (C2SP tlog-proof) of the latest or a named entry", &[id.clone(), in_query("index", false)], None, &[("200", "text/plain", None)]) },
        "/v1/payments/{id}/purge": { "get": operation("What became of the keys that sealed this order's buyer data", std::slice::from_ref(&id), None, &[("200", "Purge certificate", Some("Purge"))]) },
        "/v1/payments/{id}/notifications": { "get": operation("Notifications of this order", std::slice::from_ref(&id), None, &[("200", "List", None)]) },
        "/v1/payments/{id}/notifications/{seq}/resend": { "post": operation("Send a notification again", &[id, seq], None, &[("200", "Whether it was acknowledged", None)]) },
    })
}

fn schemas() -> Value {
    let text = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let fen = json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991u64 });
    let codes: Vec<Value> = Code::ALL.iter().map(|c| json!({ "code": c.row().code, "status": c.row().status, "meaning": c.row().merchant })).collect();
    json!({
        "NewPayment": {
            "type": "object", "additionalProperties": false,
            "required": ["order_no", "channel", "pay_way", "amount", "description"],
            "properties": {
                "order_no": { "type": "string", "pattern": "^[0-9A-Za-z_\\-|*]{1,64}$" },
                "channel": { "enum": ["wechat", "alipay"] },
                "pay_way": { "enum": ["native", "jsapi", "qr"] },
                "amount": fen, "currency": { "const": "CNY" }, "description": text(127),
                "account": text(32), "payee": text(32), "attach": text(128),
                "payer": { "type": "object", "additionalProperties": false, "properties": { "openid": text(128), "buyer_id": text(128), "buyer_open_id": text(128) } },
                "client_ip": text(45), "device_id": text(32), "detail": text(6000),
                "expires_at": { "type": "string", "format": "date-time" },
                "code": { "type": "object", "additionalProperties": false, "required": ["kind", "level"], "properties": { "kind": { "enum": ["static", "dynamic"] }, "level": { "enum": ["A", "B", "C", "D"] } } },
                "terminal": text(50),
            },
        },
        "NewRefund": {
            "type": "object", "additionalProperties": false, "required": ["refund_no", "amount"],
            "properties": { "refund_no": { "type": "string", "pattern": "^[0-9A-Za-z_\\-|*@]{1,64}$" }, "amount": fen, "reason": text(80), "hold": { "type": "boolean" } },
        },
        "Payment": { "type": "object", "required": ["id", "order_no", "state", "channel", "pay_way", "amount", "journal_index"], "properties": {
            "id": { "type": "string" }, "order_no": { "type": "string" },
            "state": { "enum": ["unknown", "awaiting_payment", "paid", "partly_refunded", "refunded", "closed", "not_placed", "unresolved"] },
            "channel": { "type": "string" }, "pay_way": { "type": "string" }, "account": { "type": "string" }, "payee": { "type": "string" }, "number": { "type": "string" },
            "amount": { "type": "integer" }, "currency": { "type": "string" }, "attempt": { "type": "integer" }, "created_at": { "type": "string" }, "expires_at": { "type": "string" },
            "journal_index": { "type": "integer" }, "code_url": { "type": "string" }, "qr_code": { "type": "string" }, "prepay_id": { "type": "string" }, "trade_no": { "type": "string" },
            "call_up": { "type": "object" }, "paid": { "type": "object" }, "refunded": { "type": "integer" }, "refunds": { "type": "array", "items": reference("Refund") }, "payer": { "type": "object" },
        } },
        "Refund": { "type": "object", "required": ["refund_no", "amount", "state"], "properties": {
            "refund_no": { "type": "string" }, "number": { "type": "string" }, "amount": { "type": "integer" },
            "state": { "enum": ["held", "unknown", "processing", "succeeded", "failed", "abnormal", "cancelled"] },
            "cause": { "enum": ["merchant", "surplus"] }, "created_at": { "type": "string" }, "trade_no": { "type": "string" }, "refunded_at": { "type": "string" },
            "channel_code": { "type": "string" }, "payment_id": { "type": "string" }, "order_no": { "type": "string" },
        } },
        "Purge": { "type": "object", "properties": { "payment_id": { "type": "string" }, "grade": { "type": "string" }, "seals": { "type": "array", "items": { "type": "object" } } } },
        "Problem": { "type": "object", "required": ["type", "title", "status", "code", "detail"], "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "code": { "enum": Code::ALL.iter().map(|c| c.row().code).collect::<Vec<_>>() },
            "detail": { "type": "string" }, "request_id": { "type": "string" }, "channel_code": { "type": "string" },
        }, "x-codes": codes },
    })
}
