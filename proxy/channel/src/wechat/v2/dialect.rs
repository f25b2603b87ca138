//! Our words in V2's language (channels.md 2.1, 2.3). `return_code` `FAIL` comes unsigned and says nothing of an order: we
//! share the secret, and sign nothing in the channel's name all the same.

use super::notice::ACK;
use crate::{
    dialect::{NativeRefusal, Reply},
    strict_xml,
};
use zeroize::Zeroizing;

const XML: &str = "text/xml; charset=utf-8";

pub(crate) fn ack() -> Reply {
    Reply {
        status: 200,
        content_type: XML,
        body: ACK.as_bytes().to_vec(),
    }
}

/// The notice comes again.
pub(crate) fn refuse_notice(why: &str) -> Reply {
    failed(500, why)
}

/// The channel says such things with status 200. What nobody knows is no answer of V2's at all: 500, so that no client
/// takes it for one.
pub(crate) fn refuse_native(kind: NativeRefusal) -> Reply {
    match kind {
        NativeRefusal::Malformed(detail) => failed(200, &format!("PARAM_ERROR: {detail}")),
        NativeRefusal::Signature(why) => failed(200, &format!("SIGNERROR: {why}")),
        NativeRefusal::Frequency => failed(429, "FREQUENCY_LIMITED: repeat later and slower"),
        NativeRefusal::NotAllowed(detail) => failed(200, &format!("NOAUTH: {detail}")),
        NativeRefusal::RuleLimit(detail) => failed(200, &format!("RULELIMIT: {detail}")),
        NativeRefusal::Changed => failed(
            200,
            "OUT_TRADE_NO_USED: the number was used with other parameters",
        ),
        NativeRefusal::OrderPaid => failed(200, "ORDERPAID: the order is paid"),
        NativeRefusal::OrderClosed => failed(200, "ORDERCLOSED: the order is closed"),
        NativeRefusal::NotFound => failed(200, "NOAUTH: no such order here"),
        NativeRefusal::Unknown => failed(500, "SYSTEMERROR: the outcome is unknown; ask for it by query"),
    }
}

fn failed(status: u16, why: &str) -> Reply {
    let fields = [
        ("return_code", Zeroizing::new("FAIL".to_owned())),
        ("return_msg", Zeroizing::new(why.to_owned())),
    ];
    // No text of the caller's stands in our words but the names of fields, which XML may not be able to carry.
    let body = strict_xml::write(&fields).or_else(|_| strict_xml::write(&fields[..1]));
    let body = body.unwrap_or_default();
    Reply {
        status,
        content_type: XML,
        body: body.to_vec(),
    }
}
