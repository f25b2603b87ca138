//! What a payer reads where the order that the browser brought does not go on to Alipay. Nothing of the order stands there: the
//! payer knows it, and whoever else looks at the screen need not.

use super::dialect;
use crate::{
    dialect::{NativeRefusal, Reply},
    hand_out::escaped,
};

/// A whole page, in one of two languages. The small print is for the shop: its developer sees nothing else of the refusal,
/// since no server of the shop's asked.
pub(crate) fn refuse(english: bool, kind: &NativeRefusal) -> Reply {
    let (status, code) = dialect::named(kind);
    let (zh, en) = words(kind);
    let (tag, title, text) = match english {
        true => ("en", "This payment cannot go on", en),
        false => ("zh-CN", "无法继续付款", zh),
    };
    let detail = match kind {
        // Not what the merchant may take: that is not for whoever looks at the screen.
        NativeRefusal::Malformed(detail) | NativeRefusal::NotAllowed(detail) => {
            format!("<p lang=\"en\"><small>{}</small></p>", escaped(detail).as_str())
        }
        _ => String::new(),
    };
    let body = format!(
        "<!doctype html><html lang=\"{tag}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"robots\" content=\"noindex\"><title>{title}</title></head><body><h1>{title}</h1><p>{text}</p><p><small>{code}</small></p>{detail}</body></html>"
    );
    Reply {
        status,
        content_type: "text/html; charset=utf-8",
        body: body.into_bytes(),
    }
}

fn words(kind: &NativeRefusal) -> (&'static str, &'static str) {
    match kind {
        NativeRefusal::OrderPaid => (
            "这笔订单已经支付，请返回商户页面。",
            "This order has been paid. Please go back to the shop.",
        ),
        NativeRefusal::OrderClosed => (
            "这笔订单已经结束，请返回商户页面重新下单。",
            "This order is over. Please go back to the shop and order again.",
        ),
        NativeRefusal::Changed => (
            "这笔订单先前以另一金额或另一内容提交过，不能这样付款。请返回商户页面重新下单。本次没有扣款。",
            "This order was placed before with another amount or other content, so it cannot be paid like this. Please go back to the shop and order again. This attempt has charged nothing.",
        ),
        NativeRefusal::Signature(_) => (
            "付款请求已过期或无法核实。请返回商户页面重新付款。本次没有扣款。",
            "The shop's request has expired or cannot be verified. Please go back to the shop and pay from there. This attempt has charged nothing.",
        ),
        NativeRefusal::Frequency | NativeRefusal::Unknown => (
            "暂时无法前往支付宝付款，请稍后再试。本次没有扣款。",
            "The way to Alipay is not open now. Please try again later. This attempt has charged nothing.",
        ),
        NativeRefusal::Malformed(_)
        | NativeRefusal::NotAllowed(_)
        | NativeRefusal::RuleLimit(_)
        | NativeRefusal::NotFound => (
            "无法前往支付宝付款，请返回商户页面。本次没有扣款。",
            "This payment cannot go on to Alipay. Please go back to the shop. This attempt has charged nothing.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(english: bool, kind: NativeRefusal) -> (u16, String) {
        let reply = refuse(english, &kind);
        (reply.status, String::from_utf8_lossy(&reply.body).into_owned())
    }

    #[test]
    fn each_refusal_says_in_the_payers_words_what_to_do() {
        let (status, zh) = page(false, NativeRefusal::Changed);
        assert!(
            status == 409 && zh.contains("另一金额") && zh.contains("lang=\"zh-CN\""),
            "{zh}"
        );
        let (status, en) = page(true, NativeRefusal::Changed);
        assert!(
            status == 409 && en.contains("another amount") && en.contains("ACQ.CONTEXT_INCONSISTENT"),
            "{en}"
        );
        for (kind, status) in [
            (NativeRefusal::OrderPaid, 409),
            (NativeRefusal::OrderClosed, 409),
            (NativeRefusal::Signature("stale".into()), 401),
            (NativeRefusal::Frequency, 429),
            (NativeRefusal::Unknown, 502),
            (NativeRefusal::NotFound, 403),
        ] {
            assert_eq!(page(true, kind).0, status);
        }
    }

    #[test]
    fn a_payer_reads_nothing_of_the_merchants_limits() {
        let (status, html) = page(true, NativeRefusal::RuleLimit("the most is 987654 fen".into()));
        assert!(
            status == 403 && html.contains("go back to the shop") && !html.contains("987654"),
            "{html}"
        );
    }

    #[test]
    fn a_name_that_somebody_made_up_runs_nothing() {
        let (_, html) = page(true, NativeRefusal::NotAllowed("field <script>\"'&".into()));
        assert!(html.contains("field &lt;script&gt;&quot;&#39;&amp;"), "{html}");
    }
}
