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

/// `error_response`, HTTP 200 (channels.md 3.2, 3.3).
pub(crate) fn refuse_native(_method_of_call: Option<&str>, kind: NativeRefusal) -> Reply {
    let (code, msg, sub_code, sub_msg) = match kind {
        NativeRefusal::Malformed(detail) => ("40002", "Invalid Arguments", "isv.invalid-parameter", detail),
        NativeRefusal::Signature => (
            "40002",
            "Invalid Arguments",
            "isv.invalid-signature",
            "the signature, its time or its key is not accepted".into(),
        ),
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
        let unknown = String::from_utf8_lossy(&refuse_native(None, NativeRefusal::Unknown).body).into_owned();
        assert!(unknown.contains(r#""code":"20000""#) && unknown.contains("isp.unknow-error"));
        assert_eq!(ack().body, b"success");
        assert_ne!(refuse_notice().body, b"success");
    }
}
