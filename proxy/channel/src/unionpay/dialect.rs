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
        return page(status, code, &text);
    }
    Reply {
        status,
        content_type: TEXT,
        body: format!("respCode={code}&respMsg={}", text.replace(['&', '='], " ")).into_bytes(),
    }
}

/// For the payer, who can do nothing about the reason. It stands in small print for the shop, whose developer sees nothing else
/// of the refusal.
fn page(status: u16, code: &str, why: &str) -> Reply {
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
        "<!doctype html><html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{code}</title></head><body><p>{zh}</p><p lang=\"en\">{en}</p><p><small>{code}</small></p><p lang=\"en\"><small>{}</small></p></body></html>",
        escaped(why).as_str()
    );
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        body: body.into_bytes(),
    }
}
