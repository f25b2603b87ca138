//! Our words to ICBC: the status says it all [unverified; channels.md 6.2].

use crate::dialect::Reply;

/// Any answer 200 acknowledges a notice.
pub(crate) fn ack() -> Reply {
    said(200, "OK")
}

/// Whether it comes again nobody documents.
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
