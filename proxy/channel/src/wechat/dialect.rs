//! Our words in WeChat's language (channels.md 1.6, 1.11).

use crate::dialect::{NativeRefusal, Reply};

const JSON: &str = "application/json; charset=utf-8";

/// `{"code":"SUCCESS"}` (channels.md 1.6).
pub(crate) fn ack() -> Reply {
    Reply {
        status: 200,
        content_type: JSON,
        body: br#"{"code":"SUCCESS"}"#.to_vec(),
    }
}

/// `{"code":"FAIL","message":…}`: the notice comes again (channels.md 1.6).
pub(crate) fn refuse_notice(why: &str) -> Reply {
    reply(500, "FAIL", why)
}

/// Status and code of channels.md 1.11.
pub(crate) fn refuse_native(kind: NativeRefusal) -> Reply {
    match kind {
        NativeRefusal::Malformed(detail) => reply(400, "PARAM_ERROR", &detail),
        NativeRefusal::Signature(why) => reply(401, "SIGN_ERROR", &why),
        NativeRefusal::Frequency => reply(
            429,
            "FREQUENCY_LIMITED",
            "too many requests; repeat later and slower",
        ),
        NativeRefusal::NotAllowed(detail) => reply(403, "NO_AUTH", &detail),
        NativeRefusal::RuleLimit(detail) => reply(403, "RULE_LIMIT", &detail),
        NativeRefusal::Changed => reply(
            403,
            "OUT_TRADE_NO_USED",
            "the number was used with other parameters",
        ),
        NativeRefusal::OrderPaid => reply(400, "ORDER_PAID", "the order is paid"),
        NativeRefusal::OrderClosed => reply(400, "ORDER_CLOSED", "the order is closed"),
        NativeRefusal::NotFound => reply(404, "RESOURCE_NOT_EXISTS", "no such order"),
        NativeRefusal::Unknown => reply(
            500,
            "SYSTEM_ERROR",
            "the outcome is unknown; query, then repeat the same request",
        ),
    }
}

fn reply(status: u16, code: &str, message: &str) -> Reply {
    let body = serde_json::json!({ "code": code, "message": message })
        .to_string()
        .into_bytes();
    Reply {
        status,
        content_type: JSON,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_whole_json_whatever_the_detail() {
        let reply = refuse_native(NativeRefusal::Malformed("field \"a\\b\" must be a text".into()));
        assert_eq!((reply.status, reply.content_type), (400, JSON));
        assert_eq!(
            String::from_utf8_lossy(&reply.body),
            r#"{"code":"PARAM_ERROR","message":"field \"a\\b\" must be a text"}"#
        );
        assert_eq!(
            refuse_native(NativeRefusal::Signature("stale".into())).status,
            401
        );
        assert_eq!(refuse_native(NativeRefusal::Frequency).status, 429);
        assert_eq!(
            refuse_native(NativeRefusal::NotAllowed(String::new())).status,
            403
        );
        assert_eq!(refuse_native(NativeRefusal::Unknown).status, 500);
        assert_eq!(
            refuse_notice("try again").body,
            br#"{"code":"FAIL","message":"try again"}"#
        );
        assert_eq!(ack().body, br#"{"code":"SUCCESS"}"#);
    }
}
