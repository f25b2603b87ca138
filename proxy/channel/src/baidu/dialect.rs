//! Our words in the Baidu wallet's language (channels.md section 5).

use crate::dialect::Reply;

/// A page with the one line that is looked for.
pub(crate) fn ack() -> Reply {
    let page = "<!doctype html><html><head><meta name=\"VIP_BFB_PAYMENT\" content=\"BAIFUBAO\"></head><body>ok</body></html>";
    Reply {
        status: 200,
        content_type: "text/html; charset=utf-8",
        body: page.into(),
    }
}

/// A page without it brings the notice again.
pub(crate) fn refuse_notice() -> Reply {
    Reply {
        status: 500,
        content_type: "text/html; charset=utf-8",
        body: b"<!doctype html><html><body>fail</body></html>".to_vec(),
    }
}
