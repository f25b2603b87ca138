//! A native request of OpenAPI v3 (channels.md 3.8), read for pass-through: a path for the method, the content as the
//! body (of a bill, in the query), the signature in `Authorization`. What is carried is what gateway v2 carries, field for
//! field.

use super::{BY_BROWSER, METHODS, allowed, authorize, native, native::Said, sealed, v3::Authorization};
use crate::{
    form::Form,
    keys,
    native::{Asks, Native, NativeError, Opens, Proof, no_json, only, require_content_type},
    shape,
    strict_json::{self, Member, Value},
};
use domain::{AccountNo, Channel, Operation};
use http::HeaderMap;
use vault::Text;

/// Reads method, target, headers and body.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    opens: Opens<'_>,
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    // Whose signature it is stands in the headers alone, whatever is wrong with the rest.
    let signed = signed(method, target, headers, body, asks);
    let called = called(method, target)?;
    asks.operation = Some(called.1);
    let query = target.split_once('?').map(|(_, query)| query);
    let encrypted = encrypted(headers, query)?;
    match (query, encrypted) {
        (Some(_), _) => {}
        (None, true) => require_content_type(headers, "text/plain")?,
        (None, false) => require_content_type(headers, "application/json")?,
    }
    let Signed {
        account,
        token,
        app_cert_sn,
    } = signed?;
    let content = match query {
        Some(query) => by_query(query)?,
        None if encrypted => {
            let opened = sealed::open(body, "the body", opens, asks)?;
            strict_json::parse(&opened).map_err(|e| no_json("the body", &e))?
        }
        None => strict_json::parse(body).map_err(|e| no_json("the body", &e))?,
    };
    let texts = shape::check_but_blanks(&content, allowed::fields_v3(called.0), "")?;
    let said = Said {
        content: &content,
        signed_at: asks.signed_at(),
        place: "",
    };
    if called.0 == authorize::METHOD {
        native::code(|name| said.text(name), "")?;
    }
    let notify_url = said.text("notify_url").map(str::to_owned);
    let root = only(headers, "alipay-root-cert-sn")?.map(str::to_owned);
    let named = allowed::CERTIFICATES.into_iter().zip([app_cert_sn, root]);
    let mut native = said.whole(called, account, asks, texts, notify_url, token)?;
    native.certificates = named.filter_map(|(name, sn)| Some((name, sn?))).collect();
    native.encrypted = encrypted;
    Ok(native)
}

/// Does the client say that the body is encrypted? The published one says so by two headers; the first is the
/// documented one.
fn encrypted(headers: &HeaderMap, query: Option<&str>) -> Result<bool, NativeError> {
    let said = [
        only(headers, "alipay-encrypt-type")?,
        only(headers, "alipay-encryption-algm")?,
    ];
    match said {
        [None, None] => Ok(false),
        [Some(sealed::AES), None | Some(sealed::AES)] if query.is_none() => Ok(true),
        _ => Err(NativeError::no_field(
            "encrypt_type",
            "header alipay-encrypt-type must be AES and go with a body, alipay-encryption-algm say the same or nothing",
        )),
    }
}

struct Signed {
    account: AccountNo,
    /// Of another merchant, for whom the request says that it acts.
    token: Option<Text>,
    app_cert_sn: Option<String>,
}

/// Who signed, and for whom he says that he acts.
fn signed(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    asks: &mut Asks,
) -> Result<Signed, NativeError> {
    let missing = || NativeError::signature("header authorization is missing");
    let authorization = Authorization::read(only(headers, "authorization")?.ok_or_else(missing)?)?;
    let token = match only(headers, "alipay-app-auth-token")? {
        Some("") => {
            return Err(NativeError::malformed("header alipay-app-auth-token is empty"));
        }
        token => token.map(Text::from),
    };
    let account = authorization.app_id.clone();
    let key = keys::alipay_app_public(&account).map_err(|e| NativeError::signature(e.to_string()))?;
    let message = authorization
        .message(method, target, body, token.as_ref())
        .to_vec();
    let proof = Proof {
        key,
        message,
        signature: authorization.signature,
        signed_at: authorization.signed_at,
        nonce: Some(authorization.nonce),
        method: domain::SignMethod::Signature,
        fresh: crate::native::Fresh::Standing,
    };
    asks.signed(account.clone(), proof);
    Ok(Signed {
        account,
        token,
        app_cert_sn: authorization.app_cert_sn,
    })
}

/// Content that stands in the query, as text each.
fn by_query(query: &str) -> Result<Value, NativeError> {
    let form = Form::parse(query.as_bytes()).map_err(|e| NativeError::twofold(format!("query: {e}")))?;
    let member = |(name, value): (&str, &str)| Member {
        name: name.to_owned(),
        value: Value::Text(value.to_owned().into()),
        span: 0..0,
    };
    Ok(Value::Object(form.iter().map(member).collect()))
}

/// `/v3/alipay/trade/query` is `alipay.trade.query`. Where a bill lies may be asked for by GET, with the content in the query
/// (channels.md 3.8); behind any other path a query would be signed, and means nothing here.
fn called(method: &str, target: &str) -> Result<native::Method, NativeError> {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let name = path.strip_prefix("/v3/").map(|path| path.replace('/', "."));
    let carried = |known: &native::Method| {
        let lawful = match (known.1, query) {
            (Operation::Certificates, _) => false,
            // A browser signs no header.
            _ if BY_BROWSER.contains(&known.0) => false,
            (Operation::Bill, Some(_)) => method == "GET",
            (_, query) => method == "POST" && query.is_none(),
        };
        lawful && Some(known.0) == name.as_deref() && !path.contains('.')
    };
    let found = METHODS.into_iter().find(carried);
    found.ok_or_else(|| {
        let name = name.unwrap_or_default();
        NativeError::no_call(Channel::Alipay, &name, "this method and path are not carried")
    })
}
