//! What we compose for accounts that are served at OpenAPI v3 (channels.md 3.8), and what it answers: the gateway's calls and
//! contents, a path for each, the content as the body, the signature in `Authorization`.
//!
//! Alipay's own clients for v3 (Java, PHP, .NET) have each of these calls, the exchange of a payer's code among them; the
//! download of a certificate none of them has, so that one stays at the gateway.

use super::{answer, compose, v3};
use crate::{
    Account, Answer, Authentic, ComposeError, Draft, Encrypted, Failure, FailureClass, Request, Stamp,
    draft::Place, keys,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{OpenApi, Operation, PayWay, Unclear};
use http::HeaderMap;
use serde::Serialize;
use zeroize::Zeroizing;

/// Does this call go to OpenAPI v3?
pub(super) fn has(account: &Account, method: &str) -> bool {
    account.openapi == OpenApi::V3 && method != compose::CERTIFICATE
}

/// Does the answer to this operation come from there?
pub(crate) fn answers(account: &Account, operation: Operation) -> bool {
    account.openapi == OpenApi::V3 && operation != Operation::Certificates
}

/// The content with where notices go, which stands in it here and not beside it.
#[derive(Serialize)]
struct Told<'a, T> {
    notify_url: &'a str,
    #[serde(flatten)]
    content: &'a T,
}

/// POST, the content as the body.
pub(super) fn draft(
    account: &Account,
    stamp: &Stamp,
    method: &str,
    notify: bool,
    content: &impl Serialize,
) -> Result<Draft, ComposeError> {
    let mut body = Zeroizing::new(Vec::with_capacity(2048));
    let written = match notify {
        true => serde_json::to_writer(
            &mut *body,
            &Told {
                notify_url: &account.notify_url,
                content,
            },
        ),
        false => serde_json::to_writer(&mut *body, content),
    };
    written.map_err(|_| ComposeError::Write)?;
    let encrypts = compose::encrypts(account, method);
    let kind = if encrypts {
        "text/plain"
    } else {
        "application/json"
    };
    let mut headers = head(account);
    headers.push(("Content-Type".into(), kind.into()));
    headers.extend(encrypts.then(|| ("alipay-encrypt-type".into(), "AES".into())));
    let request = Request {
        method: "POST".into(),
        target: path(method),
        headers,
        body,
        identity: None,
    };
    to_sign(account, stamp, request, encrypts)
}

/// GET, the content as the query: there is no body, so nothing is encrypted.
pub(crate) fn get(
    account: &Account,
    stamp: &Stamp,
    method: &str,
    query: &str,
) -> Result<Draft, ComposeError> {
    let request = Request {
        method: "GET".into(),
        target: format!("{}?{query}", path(method)),
        headers: head(account),
        body: Zeroizing::default(),
        identity: None,
    };
    to_sign(account, stamp, request, false)
}

fn path(method: &str) -> String {
    format!("/v3/{}", method.replace('.', "/"))
}

fn head(account: &Account) -> Vec<(String, String)> {
    let mut headers = vec![
        ("Accept".into(), "application/json".into()),
        ("User-Agent".into(), "guandao/0.1".into()),
    ];
    let root = account.root_sn.as_deref().filter(|sn| !sn.is_empty());
    headers.extend(root.map(|sn| ("alipay-root-cert-sn".into(), sn.into())));
    headers
}

/// Content is signed as it travels, so encrypted content has to be encrypted first.
fn to_sign(
    account: &Account,
    stamp: &Stamp,
    request: Request,
    encrypts: bool,
) -> Result<Draft, ComposeError> {
    let content_key = encrypts
        .then(|| keys::alipay_content(&account.account))
        .transpose()?;
    let auth_string = auth_string(account, stamp);
    let message = match encrypts {
        true => Zeroizing::default(),
        false => message(&auth_string, &request),
    };
    Ok(Draft {
        message,
        key: keys::alipay_app(&account.account)?,
        place: Place::OpenApi { request, auth_string },
        content_key,
    })
}

fn auth_string(account: &Account, stamp: &Stamp) -> String {
    let certificate = account.serial.as_deref().filter(|sn| !sn.is_empty());
    let certificate = certificate.map_or(String::new(), |sn| format!("app_cert_sn={sn},"));
    format!(
        "app_id={},{certificate}nonce={},timestamp={}",
        account.account,
        stamp.nonce,
        stamp.at.millis()
    )
}

pub(crate) fn message(auth_string: &str, request: &Request) -> Zeroizing<Vec<u8>> {
    v3::to_sign(auth_string, &request.method, &request.target, &request.body, None)
}

/// What is done must be signed. A refusal may come unsigned (the front door's does; of the others no document says), but one
/// that carries a signature must bear it.
pub(crate) fn authenticate(
    account: &Account,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Authentic, Unclear> {
    match status {
        200..=299 => {}
        400..=599 if !v3::is_signed(headers) => return Ok(Authentic::Unsigned),
        400..=599 => {}
        _ => return Err(Unclear::Garbage),
    }
    v3::signed(account, headers, body).map(Authentic::Signed)
}

/// Reads an answer.
pub(crate) fn read(operation: Operation, pay_way: PayWay, status: u16, body: &[u8]) -> Answer {
    match answer::read_v3(operation, pay_way, status, body) {
        Answer::Failed(failure) => Answer::Failed(Failure {
            class: proven(failure.class),
            ..failure
        }),
        other => other,
    }
}

/// Refusals may come unsigned, so they prove no closure: a signed query has to say it.
fn proven(class: FailureClass) -> FailureClass {
    match class {
        FailureClass::AlreadyClosed => FailureClass::Unknown,
        class => class,
    }
}

/// The ciphertext that is the body, where content is encrypted. Refusals come in clear, and what was asked for without a body.
pub(crate) fn encrypted(account: &Account, status: u16, body: &[u8]) -> Result<Option<Encrypted>, Unclear> {
    match account.encrypts {
        true => ciphertext(account, status, body),
        false => Ok(None),
    }
}

/// The same, whoever encrypted the request.
pub(crate) fn ciphertext(account: &Account, status: u16, body: &[u8]) -> Result<Option<Encrypted>, Unclear> {
    let body = body.trim_ascii();
    if !(200..=299).contains(&status) || body.starts_with(b"{") {
        return Ok(None);
    }
    let ciphertext = STANDARD.decode(body).map_err(|_| Unclear::Garbage)?;
    let key = keys::alipay_content(&account.account).map_err(|_| Unclear::Garbage)?;
    Ok(Some(Encrypted { key, ciphertext }))
}

/// Reads content that was encrypted: only what is done is.
pub(crate) fn read_content(operation: Operation, pay_way: PayWay, content: &[u8]) -> Answer {
    read(operation, pay_way, 200, content)
}
