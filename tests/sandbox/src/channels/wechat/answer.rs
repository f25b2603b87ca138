//! Answers as WeChat Pay writes them: bodies, errors, signatures.

use super::auth;
use crate::channels::clock;
use crate::channels::fault::Kind;
use crate::channels::gm;
use crate::channels::keys;
use crate::channels::order::KeyMode;
use crate::channels::server::{Answer, Incoming, typed};
use crate::channels::world::Merchant;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

const JSON: &str = "application/json; charset=utf-8";

/// A body (or none: 204), or why not.
pub(super) type Outcome = Result<Option<Value>, Failure>;

/// An error in WeChat Pay's words.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    detail: Value,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code,
            message: message.into(),
            detail: Value::Null,
        }
    }

    /// A code that no list has.
    pub(super) fn unlisted() -> Failure {
        Failure::new(StatusCode::FORBIDDEN, "SOMETHING_NEW", "退款失败")
    }

    /// 400 `PARAM_ERROR` for this field.
    pub(super) fn field(field: &str, value: &str, issue: &str) -> Failure {
        let detail = json!({"field": field, "value": value, "issue": issue, "location": "body"});
        Failure {
            detail,
            ..Failure::new(StatusCode::BAD_REQUEST, "PARAM_ERROR", issue)
        }
    }

    pub(super) fn sign_error(message: &str, field: &str) -> Failure {
        let detail = json!({"field": field, "issue": "sign not match", "location": "authorization"});
        Failure {
            detail,
            ..Failure::new(StatusCode::UNAUTHORIZED, "SIGN_ERROR", message)
        }
    }

    pub(super) fn invalid_request(message: &str) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, "INVALID_REQUEST", message)
    }

    pub(super) fn system_error() -> Failure {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "SYSTEM_ERROR",
            "系统异常，请使用相同参数稍后重新调用",
        )
    }

    pub(super) fn busy() -> Failure {
        Failure::new(StatusCode::TOO_MANY_REQUESTS, "FREQUENCY_LIMITED", "频率超限")
    }

    fn body(&self) -> String {
        let mut body = json!({"code": self.code, "message": self.message});
        if !self.detail.is_null() {
            body["detail"] = self.detail.clone();
        }
        body.to_string()
    }

    /// The answer to somebody unknown: there is no key they would expect a signature of.
    pub(super) fn unsigned(self) -> Answer {
        let mut answer = typed(self.status, JSON, self.body());
        header(&mut answer, "Request-ID", &request_id());
        answer
    }
}

/// Which of its keys WeChat speaks with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speech {
    pub(crate) mode: KeyMode,
}

impl Speech {
    /// A request names the public key it wants; a certificate's serial or nothing means the certificate.
    pub(super) fn asked(merchant: &Merchant, request: &Incoming) -> Speech {
        let public = request.header("wechatpay-serial") == merchant.facts.wechat.public_key_id;
        Speech {
            mode: if auth::by_sm2(request) {
                KeyMode::Sm2
            } else if public {
                KeyMode::PublicKey
            } else {
                KeyMode::Certificate
            },
        }
    }

    /// The same, as far as a change of keys has come.
    fn now(self, merchant: &Merchant) -> Speech {
        Speech {
            mode: merchant.change.answers(self.mode),
        }
    }

    /// Scheme, serial and signature.
    fn signed<'m>(self, merchant: &'m Merchant, message: &[u8]) -> (&'static str, &'m str, String) {
        let facts = &merchant.facts.wechat;
        match self.mode {
            KeyMode::Certificate => (
                auth::RSA,
                &facts.platform_serial,
                merchant.wechat_platform.sign(message),
            ),
            KeyMode::PublicKey => (
                auth::RSA,
                &facts.public_key_id,
                merchant.wechat_public.sign(message),
            ),
            KeyMode::Sm2 => (
                gm::SCHEME,
                &facts.public_key_id,
                merchant.wechat_sm2.sign(message),
            ),
        }
    }

    /// The five signature headers over a body.
    pub(super) fn headers(self, merchant: &Merchant, body: &str) -> Vec<(&'static str, String)> {
        let timestamp = clock::now().secs().to_string();
        let nonce = keys::random_text(32);
        let message = format!("{timestamp}\n{nonce}\n{body}\n");
        let (scheme, serial, signature) = self.signed(merchant, message.as_bytes());
        vec![
            ("Wechatpay-Timestamp", timestamp),
            ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", signature),
            ("Wechatpay-Serial", serial.to_owned()),
            ("Wechatpay-Signature-Type", scheme.to_owned()),
        ]
    }
}

/// Writes and signs the answer, spoilt as a fault wants it.
pub(super) fn write(merchant: &Merchant, speech: &Speech, outcome: Outcome, fault: Option<Kind>) -> Answer {
    let (status, body) = match outcome {
        Ok(Some(value)) => (StatusCode::OK, value.to_string()),
        Ok(None) => (StatusCode::NO_CONTENT, String::new()),
        Err(failure) => (failure.status, failure.body()),
    };
    let (status, body) = match fault {
        // Signed, so that it is the reader of the body that must notice.
        Some(Kind::Garbage) => (StatusCode::OK, "<html><body>502 Bad Gateway</body>".to_owned()),
        _ => (status, body),
    };
    let mut headers = speech.now(merchant).headers(merchant, &body);
    spoil(&mut headers, fault);
    let mut answer = typed(status, JSON, body);
    if status == StatusCode::NO_CONTENT {
        answer.headers_mut().remove(http::header::CONTENT_TYPE);
    }
    for (name, value) in headers {
        header(&mut answer, name, &value);
    }
    header(&mut answer, "Request-ID", &request_id());
    answer
}

fn spoil(headers: &mut [(&'static str, String)], fault: Option<Kind>) {
    let Some((_, signature)) = headers
        .iter_mut()
        .find(|(name, _)| *name == "Wechatpay-Signature")
    else {
        return;
    };
    match fault {
        Some(Kind::WrongSignature) => *signature = keys::spoilt(signature),
        Some(Kind::SignatureProbe) => *signature = keys::probe(signature),
        _ => {}
    }
}

/// The platform certificates, encrypted with the APIv3 key.
pub(super) fn certificates(merchant: &Merchant) -> Outcome {
    if !merchant.change.has_certificates() {
        return Err(Failure::new(
            StatusCode::NOT_FOUND,
            "RESOURCE_NOT_EXISTS",
            "无可用的平台证书，请使用微信支付公钥",
        ));
    }
    let facts = &merchant.facts.wechat;
    let (nonce, ciphertext) = keys::seal(&facts.apiv3_key, "certificate", &merchant.platform_cert_pem);
    Ok(Some(json!({"data": [{
        "serial_no": facts.platform_serial,
        "effective_time": merchant.platform_validity.0,
        "expire_time": merchant.platform_validity.1,
        "encrypt_certificate": {
            "algorithm": "AEAD_AES_256_GCM", "nonce": nonce, "associated_data": "certificate",
            "ciphertext": ciphertext,
        },
    }]})))
}

fn header(answer: &mut Answer, name: &'static str, value: &str) {
    if let (Ok(name), Ok(value)) = (
        http::HeaderName::from_bytes(name.as_bytes()),
        HeaderValue::from_str(value),
    ) {
        answer.headers_mut().insert(name, value);
    }
}

fn request_id() -> String {
    format!("0{}-{}", keys::random_hex(30), keys::random_digits(9))
}
