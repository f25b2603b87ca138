//! Our words in Alipay's language (channels.md 3.2, 3.3, 3.5). Never signed.

use crate::dialect::{NativeRefusal, Reply};

/// The seven characters `success`, nothing else (channels.md 3.5).
pub(crate) fn ack() -> Reply {
    Reply {
        status: 200,
        content_type: "text/plain; charset=utf-8",
        body: b"success".to_vec(),
    }
}

/// Anything but `success` brings the notice again (channels.md 3.5).
pub(crate) fn refuse_notice() -> Reply {
    Reply {
        status: 500,
        content_type: "text/plain; charset=utf-8",
        body: b"fail".to_vec(),
    }
}

/// In OpenAPI v3 an HTTP error with a code (channels.md 3.8); the front door's own codes are [unverified].
fn refuse_v3(kind: NativeRefusal) -> Reply {
    let fixed = |text: &str| text.to_owned();
    let (status, code, message) = match kind {
        NativeRefusal::Malformed(detail) => (400, "INVALID_PARAMETER", detail),
        NativeRefusal::Signature(why) => (401, "invalid-signature", why),
        NativeRefusal::Frequency => (429, "app-call-limited", fixed("repeat later and slower")),
        NativeRefusal::NotAllowed(detail) => (403, "insufficient-permissions", detail),
        NativeRefusal::RuleLimit(detail) => (400, "ACQ.ACCESS_FORBIDDEN", detail),
        NativeRefusal::Changed => (
            400,
            "ACQ.CONTEXT_INCONSISTENT",
            fixed("the number was used with other parameters"),
        ),
        NativeRefusal::OrderPaid => (400, "ACQ.TRADE_HAS_SUCCESS", fixed("the order is paid")),
        NativeRefusal::OrderClosed => (400, "ACQ.TRADE_HAS_CLOSE", fixed("the order is closed")),
        NativeRefusal::NotFound => (400, "ACQ.TRADE_NOT_EXIST", fixed("no such order")),
        NativeRefusal::Unknown => (500, "SYSTEM_ERROR", fixed("query, or repeat the same request")),
    };
    let body = serde_json::json!({ "code": code, "message": message });
    Reply {
        status,
        content_type: "application/json;charset=utf-8",
        body: body.to_string().into_bytes(),
    }
}

/// Our word for a refusal, in Alipay's, for whoever helps a payer with it; and what its page's status is.
pub(super) fn named(kind: &NativeRefusal) -> (u16, &'static str) {
    match kind {
        NativeRefusal::Malformed(_) => (400, "isv.invalid-parameter"),
        NativeRefusal::Signature(_) => (401, "isv.invalid-signature"),
        NativeRefusal::Frequency => (429, "isv.app-call-limited"),
        NativeRefusal::NotAllowed(_) => (403, "isv.insufficient-isv-permissions"),
        NativeRefusal::RuleLimit(_) => (403, "ACQ.ACCESS_FORBIDDEN"),
        NativeRefusal::Changed => (409, "ACQ.CONTEXT_INCONSISTENT"),
        NativeRefusal::OrderPaid => (409, "ACQ.TRADE_HAS_SUCCESS"),
        NativeRefusal::OrderClosed => (409, "ACQ.TRADE_HAS_CLOSE"),
        // No page shall say that an order does not exist.
        NativeRefusal::NotFound => (403, "isv.insufficient-isv-permissions"),
        NativeRefusal::Unknown => (502, "isp.unknow-error"),
    }
}

/// `error_response`, HTTP 200 (channels.md 3.2, 3.3); of a call of OpenAPI v3 its own form.
pub(crate) fn refuse_native(path: Option<&str>, kind: NativeRefusal) -> Reply {
    if path.is_some_and(|path| path.starts_with("/v3/")) {
        return refuse_v3(kind);
    }
    let (code, msg, sub_code, sub_msg) = match kind {
        NativeRefusal::Malformed(detail) => ("40002", "Invalid Arguments", "isv.invalid-parameter", detail),
        NativeRefusal::Signature(why) => ("40002", "Invalid Arguments", "isv.invalid-signature", why),
        NativeRefusal::Frequency => (
            "40005",
            "Call Limited",
            "isv.app-call-limited",
            "repeat later and slower".into(),
        ),
        NativeRefusal::NotAllowed(detail) => (
            "40006",
            "Insufficient Permissions",
            "isv.insufficient-isv-permissions",
            detail,
        ),
        NativeRefusal::RuleLimit(detail) => business("ACQ.ACCESS_FORBIDDEN", &detail),
        NativeRefusal::Changed => business(
            "ACQ.CONTEXT_INCONSISTENT",
            "the number was used with other parameters",
        ),
        NativeRefusal::OrderPaid => business("ACQ.TRADE_HAS_SUCCESS", "the order is paid"),
        NativeRefusal::OrderClosed => business("ACQ.TRADE_HAS_CLOSE", "the order is closed"),
        NativeRefusal::NotFound => business("ACQ.TRADE_NOT_EXIST", "no such order"),
        NativeRefusal::Unknown => (
            "20000",
            "Service Currently Unavailable",
            "isp.unknow-error",
            "query, or repeat the same request".into(),
        ),
    };
    // Written in this order, because clients cut by position (channels.md 3.2).
    let [msg, sub_msg] = [msg, &sub_msg].map(|text| serde_json::Value::from(text).to_string());
    let body = format!(
        r#"{{"error_response":{{"code":"{code}","msg":{msg},"sub_code":"{sub_code}","sub_msg":{sub_msg}}}}}"#
    );
    Reply {
        status: 200,
        content_type: "application/json;charset=utf-8",
        body: body.into_bytes(),
    }
}

fn business(sub_code: &'static str, text: &str) -> (&'static str, &'static str, &'static str, String) {
    ("40004", "Business Failed", sub_code, text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_unsigned_error_responses() {
        let reply = refuse_native(None, NativeRefusal::Malformed("field a must be \"b\"".into()));
        assert_eq!(reply.status, 200);
        assert_eq!(
            String::from_utf8_lossy(&reply.body),
            r#"{"error_response":{"code":"40002","msg":"Invalid Arguments","sub_code":"isv.invalid-parameter","sub_msg":"field a must be \"b\""}}"#
        );
        let v3 = |kind| refuse_native(Some("/v3/alipay/trade/close"), kind);
        let reply = v3(NativeRefusal::Malformed("a \"b\"".into()));
        assert_eq!(
            (reply.status, &*reply.body),
            (400, &br#"{"code":"INVALID_PARAMETER","message":"a \"b\""}"#[..])
        );
        assert_eq!(
            [
                v3(NativeRefusal::Signature("stale".into())),
                v3(NativeRefusal::Unknown)
            ]
            .map(|r| r.status),
            [401, 500]
        );
        let unknown = String::from_utf8_lossy(&refuse_native(None, NativeRefusal::Unknown).body).into_owned();
        assert!(unknown.contains(r#""code":"20000""#) && unknown.contains("isp.unknow-error"));
        assert_eq!(ack().body, b"success");
        assert_ne!(refuse_notice().body, b"success");
    }
}
