//! Shapes of bodies.

use super::reference;
use crate::fault::Code;
use domain::{BillState, DifferenceKind, PayWay, RecordState};
use serde_json::{Value, json};

/// Where an abnormal refund shall go.
fn redirect() -> Value {
    let merchant = json!({ "to": { "const": "merchant_account" } });
    let card = json!({
        "to": { "const": "payer_card" },
        "bank": { "type": "string", "pattern": "^[A-Z0-9_]{1,16}$", "description": "The channel's word for the card's bank, such as ICBC_DEBIT" },
        "bank_account": { "type": "string", "pattern": "^[0-9]{8,32}$" },
        "name": { "type": "string", "minLength": 1, "maxLength": 64 },
    });
    let object = |required: &[&str], properties: Value| json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties });
    json!({ "oneOf": [object(&["to"], merchant), object(&["to", "bank", "bank_account", "name"], card)] })
}

/// From the one list of what can be asked for.
fn pay_way() -> Value {
    let of = |channel| {
        policy::operations::pay_ways(channel)
            .map(PayWay::as_str)
            .collect::<Vec<_>>()
    };
    let mut all: Vec<&str> = policy::operations::channels().flat_map(of).collect();
    all.sort_unstable();
    all.dedup();
    let words: Vec<String> = policy::operations::channels()
        .map(|channel| format!("{channel}: {}", of(channel).join(", ")))
        .collect();
    json!({ "enum": all, "description": words.join("; ") })
}

/// Several orders that one payment pays.
fn new_group() -> Value {
    let text = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let fen = json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991u64 });
    json!({
        "type": "object", "additionalProperties": false, "required": ["group_no", "channel", "pay_way", "orders"],
        "description": "What holds for all orders stands beside the list. A group goes to the account that it names, else to that of your accounts at WeChat which does best when it is first sent",
        "properties": {
            "group_no": group_no(), "channel": { "const": "wechat" }, "pay_way": { "enum": ["native", "jsapi", "app", "h5"] }, "currency": { "const": "CNY" },
            "account": text(32), "appid": text(32), "payer": { "type": "object", "additionalProperties": false, "required": ["openid"], "description": "Must be there for jsapi", "properties": { "openid": text(128) } },
            "client_ip": { "type": "string", "minLength": 1, "maxLength": 45, "description": "Must be there for h5" }, "device_id": text(32), "h5_type": { "enum": ["iOS", "Android", "Wap"] },
            "expires_at": { "type": "string", "format": "date-time" }, "terminal": text(50), "area": { "type": "string", "pattern": "^[0-9]{6}$" },
            "code": { "type": "object", "additionalProperties": false, "required": ["kind", "level"], "properties": { "kind": { "enum": ["static", "dynamic"] }, "level": { "enum": ["A", "B", "C", "D"] } } },
            "orders": { "type": "array", "minItems": 2, "maxItems": 50, "description": "Ten at most, or fifty where each of them names a sub-merchant as its payee", "items": { "type": "object", "additionalProperties": false, "required": ["order_no", "amount", "description"], "properties": {
                "order_no": order_no(), "amount": fen, "description": { "type": "string", "minLength": 1, "maxLength": 127 }, "attach": text(128),
                "payee": { "type": "string", "minLength": 1, "maxLength": 32, "description": "Which of your own accounts is paid; the account's own where left out" },
            } } },
        },
    })
}

fn group() -> Value {
    json!({ "type": "object", "required": ["group_no", "amount", "orders"], "properties": {
            "group_no": group_no(), "channel": { "type": "string" }, "pay_way": { "type": "string" }, "account": { "type": "string" }, "currency": { "type": "string" }, "expires_at": { "type": "string" },
            "amount": { "type": "integer", "description": "Of all of them" }, "code_url": { "type": "string" }, "prepay_id": { "type": "string" }, "h5_url": { "type": "string" },
            "call_up": { "type": "object", "description": "Parameters for the wallet's page or SDK, signed anew each time" }, "orders": { "type": "array", "items": reference("Payment") },
        } })
}

pub(super) fn schemas() -> Value {
    let text = |most: u32| json!({ "type": "string", "minLength": 1, "maxLength": most });
    let fen = json!({ "type": "integer", "minimum": 1, "maximum": 9_007_199_254_740_991u64 });
    let codes: Vec<Value> = Code::ALL
        .iter()
        .map(|c| json!({ "code": c.row().code, "status": c.row().status, "meaning": c.row().merchant }))
        .collect();
    let mut all = json!({
        "NewPayment": {
            "type": "object", "additionalProperties": false,
            "required": ["order_no", "pay_way", "amount", "description"],
            "properties": {
                "order_no": order_no(),
                "channel": { "enum": policy::operations::channels().collect::<Vec<_>>(), "description": "Must be there, but for micropay: there it may be left out, since the code tells it" },
                "pay_way": pay_way(),
                "auth_code": { "type": "string", "pattern": "^[0-9]{16,24}$", "description": "Must be there for micropay, and for nothing else: the payer's payment code as scanned. WeChat's has 18 digits and begins with 10 to 15, Alipay's has 16 to 24 and begins with 25 to 30, UnionPay's has 19 and begins with 62. It is never kept and takes no part in what makes a repeat the same" },
                "amount": fen, "currency": { "const": "CNY" },
                "description": { "type": "string", "minLength": 1, "maxLength": 256, "description": "What is sold; 127 characters at most for wechat" },
                "account": text(32), "payee": text(32), "attach": text(128),
                "appid": { "type": "string", "minLength": 1, "maxLength": 32, "description": "wechat: another registered app or mini program than the account's first" },
                "sub_appid": { "type": "string", "minLength": 1, "maxLength": 32, "description": "wechat native, jsapi, h5 and app, with a sub-merchant as payee: an app or mini program that is registered for that sub-merchant. It calls the order up; for jsapi the payer is told by sub_openid then" },
                "payer": { "type": "object", "additionalProperties": false, "minProperties": 1, "maxProperties": 1, "description": "Must be there for jsapi. wechat: openid, or sub_openid with sub_appid; alipay: buyer_id or buyer_open_id", "properties": { "openid": text(128), "sub_openid": text(128), "buyer_id": text(128), "buyer_open_id": text(128) } },
                "client_ip": { "type": "string", "minLength": 1, "maxLength": 45, "description": "The payer's address; must be there for h5. For a payment code of WeChat it must be there too: the address of the terminal that scanned it" },
                "h5_type": { "enum": ["iOS", "Android", "Wap"], "description": "h5: Wap if absent; gateway and gateway_b2b: the payer's browser is a phone's" },
                "return_url": { "type": "string", "format": "uri", "maxLength": 256, "description": "alipay page and wap, unionpay gateway and gateway_b2b (there the first registered host if absent): where the payer's browser goes back to, https at a registered host. A browser that comes back proves no payment" },
                "quit_url": { "type": "string", "format": "uri", "maxLength": 256, "description": "alipay wap: where it goes back to unpaid" },
                "device_id": text(32),
                "detail": { "type": "string", "minLength": 1, "maxLength": 6000, "description": "Goods detail, JSON in a text, with the members that the channel's documents give and no others. wechat: an object as in APIv3, for a payment code as in V2 or APIv3; alipay: a list as in goods_detail. Nowhere else" },
                "expires_at": { "type": "string", "format": "date-time", "description": "One minute to seven days ahead; else two hours or what the service sets. While the order is open, another one under its number is 409" },
                "code": { "type": "object", "additionalProperties": false, "required": ["kind", "level"], "properties": { "kind": { "enum": ["static", "dynamic"] }, "level": { "enum": ["A", "B", "C", "D"], "description": "static: D; dynamic: B, C, and A where the acquirer has registered it for the merchant (level_a)" } } },
                "terminal": text(50),
                "area": { "type": "string", "pattern": "^[0-9]{6}$", "description": "Where the terminal is, as it says itself; must be its registered area" },
                "product": { "type": "string", "pattern": "^[0-9A-Za-z_.-]{1,32}$", "description": "Your own code of the kind of sale; the service's routing rules may look at it" },
            },
        },
        "NewRefund": {
            "type": "object", "additionalProperties": false, "required": ["refund_no", "amount"],
            "properties": { "refund_no": refund_no(), "amount": fen, "reason": text(80), "hold": { "type": "boolean", "description": "To wait for its release; another word under the same number is 409" } },
        },
        "Payment": { "type": "object", "required": ["id", "order_no", "state", "channel", "pay_way", "amount", "journal_index"], "properties": {
            "id": { "type": "string" }, "order_no": { "type": "string" },
            "state": { "enum": ["unknown", "awaiting_payment", "reversing", "paid", "partly_refunded", "refunded", "closed", "reversed", "not_placed", "unresolved"] },
            "channel": { "type": "string" }, "pay_way": { "type": "string" }, "account": { "type": "string" }, "payee": { "type": "string" }, "number": { "type": "string" },
            "amount": { "type": "integer" }, "currency": { "type": "string" }, "attempt": { "type": "integer", "description": "How many attempts the order has had so far, at whatever account; channel, account and number are of the one that was paid, else of the latest" }, "created_at": { "type": "string" }, "expires_at": { "type": "string" },
            "journal_index": { "type": "integer" }, "code": { "type": "string", "description": "The code by which a payer opened it" }, "code_url": { "type": "string" }, "qr_code": { "type": "string" }, "prepay_id": { "type": "string" }, "h5_url": { "type": "string", "description": "Address that opens the wallet, good for five minutes; the same order again renews it" }, "trade_no": { "type": "string" },
            "reverse": { "type": "object", "required": ["reason"], "description": "Of an order that is undone or was to be", "properties": {
                "reason": { "enum": ["merchant", "unpaid", "unknown", "replaced"] }, "refunded": { "type": ["boolean", "null"], "description": "Whether money went back, where the channel tells" }, "channel_code": { "type": ["string", "null"], "description": "Why the channel would not" },
            } },
            "call_up": call_up(),
            "paid": { "type": "object", "required": ["amount", "trade_no", "paid_at", "proof"], "properties": {
                "amount": { "type": "integer" }, "trade_no": { "type": "string" }, "paid_at": { "type": "string", "format": "date-time" },
                "bank_type": { "type": ["string", "null"] }, "proof": { "enum": ["answer", "query", "notice"] },
            } }, "refunded": { "type": "integer" }, "refunds": { "type": "array", "items": reference("Refund") }, "payer": { "type": "object", "description": "With expand=payer, and in payment.paid while the sealed id lives" },
        } },
        "Refund": { "type": "object", "required": ["refund_no", "amount", "state"], "properties": {
            "refund_no": { "type": "string" }, "number": { "type": "string" }, "amount": { "type": "integer" },
            "state": { "enum": ["held", "unknown", "processing", "succeeded", "failed", "abnormal", "unresolved", "cancelled"] },
            "cause": { "enum": ["merchant", "surplus"] }, "created_at": { "type": "string" }, "trade_no": { "type": "string" }, "refunded_at": { "type": "string" },
            "channel_code": { "type": "string" }, "payment_id": { "type": "string" }, "order_no": { "type": "string" },
        } },
        "NewCode": {
            "type": "object", "additionalProperties": false, "required": ["code_no"],
            "properties": {
                "code_no": { "type": "string", "pattern": "^[0-9A-Za-z_-]{1,64}$", "description": "Your own number of the code" },
                "order_no": order_no(),
                "payee": { "type": "string", "minLength": 1, "maxLength": 32, "description": "Which of your own payees is paid, such as a sub-merchant of yours; then the code offers the accounts that pay it, and no others" },
                "amount": { "type": "integer", "minimum": 1, "maximum": 500_000, "description": "Fen. Must be there with order_no; on a static code a fixed amount, else the payer types it. Static: 50000 at most, dynamic of level C 100000, B 500000" },
                "code": { "type": "object", "additionalProperties": false, "required": ["kind", "level"], "properties": { "kind": { "enum": ["static", "dynamic"] }, "level": { "enum": ["A", "B", "C", "D"], "description": "static: D; dynamic: B, C, and A where the acquirer has registered it for the merchant (level_a)" } } },
                "title": { "type": "string", "minLength": 1, "maxLength": 40, "description": "What stands on the code, is shown to every payer and told the channel as what is sold; else your registered name. Public and kept: nothing of a buyer" },
                "terminal": text(50),
                "expires_at": { "type": "string", "format": "date-time", "description": "With order_no only: one minute to seven days ahead; else a day" },
            },
        },
        "Code": { "type": "object", "required": ["id", "code_no", "state", "url", "code", "created_at", "journal_index"], "properties": {
            "id": { "type": "string" }, "code_no": { "type": "string" }, "state": { "enum": ["open", "ended", "revoked"] },
            "url": { "type": "string", "format": "uri", "description": "What the code says" },
            "wechat_product_url": { "type": "string", "description": "WeChat's native mode one: another text for the same code, which WeChat alone can scan; there where the amount is fixed and the account has an APIv2 key" },
            "code": { "type": "object", "required": ["kind", "level"], "properties": { "kind": { "enum": ["static", "dynamic"] }, "level": { "enum": ["A", "B", "C", "D"] } } },
            "amount": { "type": "integer" }, "currency": { "type": "string" }, "order_no": { "type": "string" }, "payee": { "type": "string" }, "title": { "type": "string" }, "terminal": { "type": "string" },
            "created_at": { "type": "string", "format": "date-time" }, "expires_at": { "type": "string", "format": "date-time" }, "revoked_at": { "type": "string", "format": "date-time" }, "journal_index": { "type": "integer" },
        } },
        "Purge": { "type": "object", "required": ["payment_id", "grade", "seals"], "properties": {
            "payment_id": { "type": "string" }, "grade": { "type": "string" },
            "seals": { "type": "array", "items": { "type": "object", "required": ["sealed_index", "bucket", "records", "state"], "properties": {
                "sealed_index": { "type": "integer" }, "bucket": { "type": "integer" }, "records": { "type": "integer" },
                "state": { "enum": ["alive", "destroyed", "lost_at_a_crash", "unknown"], "description": "unknown: the search for its end went as far as one does, or met what it cannot read" }, "destroyed_index": { "type": "integer" },
                "destroyed_at": { "type": "string", "format": "date-time" }, "deadline": { "type": "string", "format": "date-time" },
                "openings_of_the_bucket": { "type": "object", "additionalProperties": { "type": "integer" } },
            } } },
        } },
        "Notification": notification(&["payment", "journal_index"], json!({ "payment": reference("Payment"), "journal_index": { "type": "integer" } })),
        "Notifications": { "type": "object", "required": ["notifications"], "properties": { "notifications": { "type": "array", "items":
            notification(&["pending", "journal_index"], json!({ "pending": { "type": "boolean" }, "journal_index": { "type": "integer" } })),
        } } },
        "Resent": { "type": "object", "required": ["seq", "id", "acknowledged"], "properties": {
            "seq": { "type": "integer" }, "id": { "type": "string" }, "acknowledged": { "type": "boolean" },
        } },
        "Statistics": { "type": "object", "required": ["from", "to", "by", "rows", "total"], "properties": {
            "from": { "type": "string", "format": "date-time" }, "to": { "type": "string", "format": "date-time", "description": "Not included" },
            "by": { "type": "array", "items": { "enum": ["hour", "day", "channel", "pay_way"] } },
            "rows": { "type": "array", "items": figures(true) }, "total": figures(false),
        } },
        "Reconciliation": reconciliation(),
        "Problem": { "type": "object", "required": ["type", "title", "status", "code", "detail"], "properties": {
            "type": { "type": "string" }, "title": { "type": "string" }, "status": { "type": "integer" },
            "code": { "enum": Code::ALL.iter().map(|c| c.row().code).collect::<Vec<_>>() },
            "detail": { "type": "string" }, "request_id": { "type": "string" }, "channel_code": { "type": "string" },
        }, "x-codes": codes },
    });
    all["Redirect"] = redirect();
    all["NewPayment"]["properties"]["bank"] = bank();
    all["Payment"]["properties"]["bank"] =
        json!({ "type": "string", "description": "The bank that the payer is led to" });
    (all["NewGroup"], all["Group"]) = (new_group(), group());
    all["Payment"]["properties"]["group_no"] = json!({ "type": "string", "description": "The orders that are paid together with it, and it: /v1/payments/combined/{group_no}" });
    all["Codes"] = json!({ "type": "object", "required": ["codes"], "properties": { "codes": { "type": "array", "items": reference("Code") }, "next": { "type": "string", "pattern": "^[0-9]+$" } } });
    all
}

/// Where UnionPay's gateway leads the payer.
fn bank() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Z]{2,20}$", "description": "unionpay gateway and gateway_b2b: the bank that the payer's browser is led to, by its code in the acquirer's list for this account; UnionPay's own page of banks if absent" })
}

/// What is counted, with what a row is about.
fn figures(row: bool) -> Value {
    let sum = json!({ "type": "object", "required": ["count", "fen"], "properties": { "count": { "type": "integer" }, "fen": { "type": "integer" } } });
    let mut properties: serde_json::Map<String, Value> = crate::statistics::render::SUMS
        .iter()
        .map(|name| ((*name).to_owned(), sum.clone()))
        .collect();
    properties.insert("success_rate".into(), json!({ "type": ["string", "null"], "description": "Payments as a share of what came to an end, such as 0.9876; null where nothing did" }));
    let required: Vec<String> = properties.keys().cloned().collect();
    if row {
        properties.insert("hour".into(), json!({ "type": "string", "format": "date-time" }));
        properties.insert("day".into(), json!({ "type": "string", "format": "date" }));
        properties.insert("channel".into(), json!({ "type": "string" }));
        properties.insert("pay_way".into(), json!({ "type": "string" }));
    }
    json!({ "type": "object", "required": required, "properties": properties })
}

/// A day of a merchant against the channels' bills.
fn reconciliation() -> Value {
    let (text, whole, date) = (
        json!({ "type": "string" }),
        json!({ "type": "integer" }),
        json!({ "type": "string", "format": "date" }),
    );
    json!({ "type": "object", "required": ["date", "state", "accounts", "differences", "unanswered"], "properties": {
        "date": date, "state": { "enum": ["none", "not_compared", "waiting", "agreed", "differs", "resolved", "unproven"], "description": "not_compared: the comparison began later; resolved: every difference was looked into by two people; none: no account whose bills are compared; waiting: a bill is not compared yet, or is to be compared again; unproven: no difference is open, but something was not answered or a bill never came or is asked for by nobody, and no two people have found out instead" },
        "accounts": { "type": "array", "items": { "type": "object", "required": ["channel", "account", "bill", "state"], "properties": {
            "channel": text, "account": text, "bill": { "enum": ["trade", "funds", "queried", "none"] },
            "state": { "enum": ["not_asked", "asked", "refused", "comparing", "matched", "due_again", "never_came", "not_reconciled"], "description": "due_again: it was compared, and since then something of that day came on record; it is asked for again and the list of differences put right; not_asked: not yet, or, where the day is unproven, of an account that had movements and is registered no longer; refused: the channel does not give it yet, see channel_code, or gives what cannot be read (unreadable) or has another hash; it is asked for again; never_came: it is asked for no more; not_reconciled: nothing to compare with, see reason" },
            "reason": text, "resolution": { "enum": ["bill_stands", "record_stands", "explained"], "description": "What two people found out instead of a bill that never came" }, "overdue": { "type": "boolean", "description": "It should have come long ago" },
            "tries": whole, "asked_at": { "type": "string", "format": "date-time" }, "channel_code": text,
            "matched_at": { "type": "string", "format": "date-time" }, "journal_index": whole, "lines": whole, "payments": whole, "paid": whole, "refunds": whole, "refunded": whole,
            "fee_millifen": { "type": "integer", "description": "The channel's fees in thousandths of a fen" }, "differences": whole, "not_listed": { "type": "integer", "description": "So many differences are beyond the list of ten thousand; while there are any the day is not resolved" },
        } } },
        "differences": { "type": "array", "description": "Those that stand; each bill's first ten thousand", "items": { "type": "object", "required": ["journal_index", "found_at", "difference", "channel", "account", "bill", "bill_date", "date", "movement"], "properties": {
            "journal_index": whole, "found_at": { "type": "string", "format": "date-time" },
            "difference": { "enum": DifferenceKind::ALL.map(DifferenceKind::as_str), "description": "repeated: the bill has it more than once; only_at_channel, only_here: the other side does not have it; amount, state, trade_no: both have it and differ; day: it stands in another day's bill" },
            "channel": text, "account": text, "bill": { "enum": ["trade", "funds", "queried"] }, "bill_date": date, "date": date, "movement": { "enum": ["payment", "refund", "reversal"] },
            "number": text, "refund_number": text, "payment_id": text, "amount": whole, "resolution": { "enum": ["bill_stands", "record_stands", "explained"], "description": "What two people made of it" }, "state": { "enum": RecordState::ALL.map(RecordState::as_str), "description": "How far it is by the record here: done: paid or paid back; open: nobody has told; gone: surely no money moved; undone: a payment that was reversed; back: the way back of one" }, "bill_state": { "enum": BillState::ALL.map(BillState::as_str), "description": "How far it is by the bill; corrected: the channel corrected it afterwards" }, "bill_amount": whole, "trade_no": text, "bill_trade_no": text,
        } } },
        "unanswered": { "type": "array", "description": "Asked for order by order, and never answered clearly: neither proven nor a difference", "items": { "type": "object", "required": ["journal_index", "channel", "account", "number", "payment_id", "channel_code"], "properties": {
            "journal_index": whole, "channel": text, "account": text, "number": text, "refund_number": text, "payment_id": text, "channel_code": text, "resolution": { "enum": ["bill_stands", "record_stands", "explained"], "description": "What two people found out about it" },
        } } },
    } })
}

/// A merchant's order number.
pub(super) fn order_no() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z_\\-|*]{1,64}$" })
}

/// A merchant's number of a group, which is the channel's too.
pub(super) fn group_no() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z_\\-|*]{6,32}$" })
}

/// A merchant's refund number.
pub(super) fn refund_no() -> Value {
    json!({ "type": "string", "pattern": "^[0-9A-Za-z_\\-|*@]{1,64}$", "description": "Numbers that begin with surplus- are the service's own" })
}

/// A notification's head and further fields.
fn notification(required: &[&str], further: Value) -> Value {
    let mut properties = json!({
        "id": { "type": "string", "description": "The same at every repeat" },
        "mchid": { "type": "string", "description": "Whom the event is for; of any other it is to be refused, whatever its signature" }, "seq": { "type": "integer" },
        "type": { "enum": ["payment.paid", "payment.closed", "payment.reversed", "payment.reverse_refused", "payment.not_placed", "payment.unresolved", "payment.changed", "refund.succeeded", "refund.failed", "refund.abnormal", "refund.unresolved"] },
        "created_at": { "type": "string", "format": "date-time" }, "refund_no": refund_no(),
    });
    if let (Some(properties), Value::Object(further)) = (properties.as_object_mut(), further) {
        properties.extend(further);
    }
    let required: Vec<&str> = ["id", "mchid", "seq", "type", "created_at"]
        .iter()
        .chain(required)
        .copied()
        .collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// What the payer's browser or app needs of an order.
fn call_up() -> Value {
    let text = json!({ "type": "string" });
    let form = json!({
        "type": "object", "additionalProperties": false, "required": ["action", "method", "charset", "fields"],
        "properties": {
            "action": text, "method": { "const": "POST" },
            "charset": { "const": "UTF-8", "description": "The accept-charset of the form that is posted" },
            "fields": { "type": "object", "additionalProperties": text },
        },
    });
    // Of a browser one of these; of a wallet's page or SDK its own names.
    json!({
        "type": "object", "properties": { "order_string": text, "url": text, "page": text, "form": form }, "additionalProperties": { "type": "string" },
        "description": "Parameters for the wallet's page or SDK, signed anew each time. alipay app: order_string; page and wap: url to go to, or form to post (action, method, charset, fields; a url alone at the baidu wallet); unionpay gateway and gateway_b2b, ccb, icbc, cmb: form to post, or page that posts it by itself. Those hold your own free texts, are kept nowhere, and are told in answer to the order and to its repeats only",
    })
}
