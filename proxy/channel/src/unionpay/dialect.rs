//! Our words to UnionPay: the status is all that it reads (channels.md 4.4).

use crate::dialect::Reply;

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
