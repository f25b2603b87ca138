//! Our words to UnionPay: the status is all that it reads (channels.md 4.4).

use super::native;
use crate::{
    dialect::{NativeRefusal, Reply},
    hand_out::escaped,
};

const TEXT: &str = "text/plain; charset=utf-8";

/// HTTP 200 is the acknowledgement; the body is ignored.
pub(crate) fn ack() -> Reply {
    Reply {
        status: 200,
        content_type: TEXT,
        body: b"ok".to_vec(),
    }
}

/// Anything but 200 brings the notice again.
pub(crate) fn refuse_notice() -> Reply {
    Reply {
        status: 500,
        content_type: TEXT,
        body: b"fail".to_vec(),
    }
}

/// Refuses what would pass through: `respCode` and `respMsg` of the documents (channels.md 4.4), without a signature, under
/// a status that is not 200. No SDK takes that for UnionPay's word; who reads it, or its log, sees why. A payer's browser
/// gets a page.
pub(crate) fn refuse_native(path: Option<&str>, kind: NativeRefusal) -> Reply {
    let for_the_shop = kind.tells_the_shop();
    let (status, code, text) = match kind {
        NativeRefusal::Malformed(detail) => (400, "10", detail),
        NativeRefusal::Signature(why) => (401, "11", why),
        NativeRefusal::Frequency => (429, "37", "too often".into()),
        NativeRefusal::NotAllowed(detail) => (403, "32", detail),
        NativeRefusal::RuleLimit(detail) => (403, "30", detail),
        NativeRefusal::Changed => (
            409,
            "36",
            "the number was used with other content or another txnTime".into(),
        ),
        NativeRefusal::OrderPaid => (409, "12", "the order is paid".into()),
        NativeRefusal::OrderClosed => (409, "35", "the order is over".into()),
        // Never "34": nobody shall conclude that UnionPay does not have it.
        NativeRefusal::NotFound => (403, "32", "not on record here".into()),
        NativeRefusal::Unknown => (502, "05", "the outcome is not known; query it".into()),
    };
    if path.is_some_and(native::is_by_browser) {
        return page(status, code, for_the_shop.then_some(&text));
    }
    Reply {
        status,
        content_type: TEXT,
        body: format!("respCode={code}&respMsg={}", text.replace(['&', '='], " ")).into_bytes(),
    }
}

/// For the payer, who can do nothing about the reason. What is wrong with the form stands in small print for the shop, whose
/// developer sees nothing else of the refusal.
fn page(status: u16, code: &str, why: Option<&String>) -> Reply {
    let (zh, en) = match code {
        "12" => (
            "这笔订单已经支付，请返回商户页面。",
            "This order has been paid. Please go back to the shop.",
        ),
        "35" => (
            "这笔订单已经结束，请返回商户页面重新下单。",
            "This order is over. Please go back to the shop and order again.",
        ),
        "05" | "37" => (
            "暂时无法前往银联付款，请稍后再试。本次没有扣款。",
            "The way to UnionPay is not open now. Please try again later. This attempt has charged nothing.",
        ),
        _ => (
            "无法前往银联付款，请返回商户页面。本次没有扣款。",
            "This payment cannot go on to UnionPay. Please go back to the shop. This attempt has charged nothing.",
        ),
    };
    let body = format!(
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{code}</title></head><body><p>{zh}</p><p lang=\"en\">{en}</p><p><small>{code}</small></p>{}</body></html>",
        why.map_or_else(String::new, |why| format!(
            "<p lang=\"en\"><small>{}</small></p>",
            escaped(why).as_str()
        ))
    );
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        body: body.into_bytes(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A payer's browser reads what is wrong with the form, and nothing of what the merchant may take in a day.
    #[test]
    fn a_payer_reads_nothing_of_the_merchants_limits() {
        let page = |kind| {
            let reply = refuse_native(Some("/gateway/api/frontTransReq.do"), kind);
            (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
        };
        let (status, limit) = page(NativeRefusal::RuleLimit("the most is 987654 fen".into()));
        assert!(
            status == 403
                && limit.contains("无法前往银联")
                && !limit.contains("987654")
                && !limit.contains("fen"),
            "{limit}"
        );
        for kind in [
            NativeRefusal::Malformed("txnAmt must be <digits>".into()),
            NativeRefusal::NotAllowed("txnAmt must be <digits>".into()),
            NativeRefusal::Signature("txnAmt must be <digits>".into()),
        ] {
            let (_, html) = page(kind);
            assert!(
                html.contains("<small>txnAmt must be &lt;digits&gt;</small>"),
                "{html}"
            );
        }
        // The merchant's own client, at its own door, is told.
        let told = refuse_native(
            Some("/gateway/api/backTransReq.do"),
            NativeRefusal::RuleLimit("987654 fen".into()),
        );
        assert!(String::from_utf8_lossy(&told.body).contains("987654 fen"));
    }
}
