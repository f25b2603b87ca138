//! Answers as Alipay writes them: the node first, signed over its very octets.

use crate::channels::fault::Kind;
use crate::channels::keys;
use crate::channels::order::KeyMode;
use crate::channels::server::{Answer, typed};
use crate::channels::world::Merchant;
use http::StatusCode;
use serde_json::{Value, json};

const TEXT: &str = "text/html;charset=utf-8";

/// The fields of an answer's node, in their order.
pub(super) type Node = Vec<(&'static str, Value)>;

/// What the business says beside code and message, or why not.
pub(super) type Outcome = Result<Node, Failure>;

/// An error in Alipay's words.
#[derive(Debug)]
pub(super) struct Failure {
    code: &'static str,
    message: &'static str,
    sub_code: &'static str,
    sub_message: String,
    /// Whether the answer comes as `error_response` without signature.
    of_gateway: bool,
    /// The payer, where the refusal is about one.
    buyer: Option<String>,
}

impl Failure {
    fn new(code: &'static str, message: &'static str, sub_code: &'static str, text: &str) -> Failure {
        Failure {
            code,
            message,
            sub_code,
            sub_message: text.to_owned(),
            of_gateway: false,
            buyer: None,
        }
    }

    /// Names the payer whom it is about.
    pub(super) fn naming(self, buyer: String) -> Failure {
        Failure {
            buyer: Some(buyer),
            ..self
        }
    }

    /// 40001.
    pub(super) fn missing(sub_code: &'static str, text: &str) -> Failure {
        Failure::new("40001", "Missing Required Arguments", sub_code, text)
    }

    /// 40002.
    pub(super) fn invalid(sub_code: &'static str, text: &str) -> Failure {
        let of_gateway = sub_code == "isv.invalid-method" || sub_code.starts_with("isv.code-");
        Failure {
            of_gateway,
            ..Failure::new("40002", "Invalid Arguments", sub_code, text)
        }
    }

    /// 40004.
    pub(super) fn business(sub_code: &'static str, text: &str) -> Failure {
        Failure::new("40004", "Business Failed", sub_code, text)
    }

    /// 40005.
    pub(super) fn limited() -> Failure {
        Failure::new(
            "40005",
            "Call Limited",
            "isv.app-call-limited",
            "应用调用次数超限",
        )
    }

    /// Code and text in a line.
    pub(super) fn words(&self) -> String {
        format!("{} {}: {}", self.code, self.sub_code, self.sub_message)
    }

    /// The code and text that OpenAPI v3 says alone.
    pub(super) fn sub(&self) -> (&'static str, &str) {
        (self.sub_code, &self.sub_message)
    }

    fn node(&self) -> Node {
        let mut node = vec![
            ("code", json!(self.code)),
            ("msg", json!(self.message)),
            ("sub_code", json!(self.sub_code)),
            ("sub_msg", json!(self.sub_message)),
        ];
        node.extend(self.buyer.as_ref().map(|buyer| ("buyer_user_id", json!(buyer))));
        node
    }
}

/// The gateway's answer to somebody unknown.
pub(super) fn unsigned(failure: &Failure) -> Answer {
    typed(
        StatusCode::OK,
        TEXT,
        format!("{{\"error_response\":{}}}", object(&failure.node())),
    )
}

/// How an answer is written.
pub(super) struct Form {
    pub(super) mode: KeyMode,
    /// Its content is encrypted, as the request's was.
    pub(super) encrypted: bool,
}

/// Writes and signs the answer, spoilt as a fault wants it.
pub(super) fn write(
    merchant: &Merchant,
    method: &str,
    form: &Form,
    outcome: Outcome,
    fault: Option<Kind>,
) -> Answer {
    if fault == Some(Kind::Garbage) {
        return typed(
            StatusCode::OK,
            TEXT,
            "<html><body>系统繁忙</body></html>".to_owned(),
        );
    }
    let node = match outcome {
        Err(failure) if failure.of_gateway => return unsigned(&failure),
        Err(failure) => failure.node(),
        // An id comes without code and message.
        Ok(fields) if method == super::gateway::TOKEN => fields,
        // What says its own code, such as 10003.
        Ok(fields) if fields.first().is_some_and(|(name, _)| *name == "code") => fields,
        Ok(mut fields) => {
            let mut node = vec![("code", json!("10000")), ("msg", json!("Success"))];
            node.append(&mut fields);
            node
        }
    };
    let mut node = escaped(method, object(&node));
    if form.encrypted {
        // A quoted text in place of the object; the signature covers the quotes too.
        let text = keys::encrypt_content(&merchant.facts.alipay.aes_key, node.as_bytes()).unwrap_or_default();
        node = format!("\"{text}\"");
    }
    let mut signature = merchant.alipay.sign(node.as_bytes());
    if fault == Some(Kind::WrongSignature) {
        signature = keys::spoilt(&signature);
    }
    let sn = (form.mode == KeyMode::Certificate).then_some(merchant.alipay_cert_sn.as_str());
    typed(StatusCode::OK, TEXT, body(method, &node, &signature, sn))
}

/// Node first, `sign` last; in certificate mode the certificate's number between them, where the clients that know of one
/// end what is signed.
fn body(method: &str, node: &str, signature: &str, cert_sn: Option<&str>) -> String {
    let name = format!("{}_response", method.replace('.', "_"));
    let sn = cert_sn
        .map(|sn| format!(",\"alipay_cert_sn\":\"{sn}\""))
        .unwrap_or_default();
    format!("{{\"{name}\":{node}{sn},\"sign\":\"{signature}\"}}")
}

/// Alipay escapes slashes in places, so here: where a code's address is, and in refunds.
fn escaped(method: &str, node: String) -> String {
    match method {
        "alipay.trade.precreate" | "alipay.trade.refund" => node.replace('/', "\\/"),
        _ => node,
    }
}

fn object(node: &Node) -> String {
    let fields: Vec<String> = node
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_first_and_sign_last() {
        let node = object(&vec![("code", json!("10000")), ("msg", json!("a\"b"))]);
        assert_eq!(
            body("alipay.trade.query", &node, "c2lnbg==", Some("ab12")),
            r#"{"alipay_trade_query_response":{"code":"10000","msg":"a\"b"},"alipay_cert_sn":"ab12","sign":"c2lnbg=="}"#
        );
        let plain = body("alipay.trade.query", "{}", "c2lnbg==", None);
        assert!(plain.ends_with(r#""sign":"c2lnbg=="}"#));
    }

    #[test]
    fn slashes_are_escaped_in_places() {
        let node = object(&vec![("qr_code", json!("https://qr.alipay.com/bax"))]);
        assert_eq!(
            escaped("alipay.trade.precreate", node.clone()),
            r#"{"qr_code":"https:\/\/qr.alipay.com\/bax"}"#
        );
        assert_eq!(escaped("alipay.trade.query", node.clone()), node);
    }
}
