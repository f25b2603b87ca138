//! What banks have in common. Our words to them: the status says it all, nothing else is documented (channels.md 6.2, 6.3).

use crate::dialect::Reply;

/// Any answer 200 acknowledges a notice [unverified].
pub(crate) fn ack() -> Reply {
    said(200, "OK")
}

/// Whether it comes again nobody documents; where a bank has a query, that finds what was lost.
pub(crate) fn refuse_notice() -> Reply {
    said(500, "FAIL")
}

fn said(status: u16, text: &str) -> Reply {
    Reply {
        status,
        content_type: "text/plain; charset=utf-8",
        body: text.into(),
    }
}

/// A code is a few letters and digits; anything else could be somebody's data.
pub(crate) fn is_code(code: &str) -> bool {
    (1..=20).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric())
}
