//! A native request of OpenAPI v3 (channels.md 3.8), read for pass-through: a path for the method, the content as the
//! body, the signature in `Authorization`. What is carried is what gateway v2 carries, field for field.

use super::{METHODS, allowed, native, native::Said, v3::Authorization};
use crate::{
    keys,
    native::{Native, NativeError, Proof, only, require_content_type},
    shape, strict_json,
};
use domain::Operation;
use http::HeaderMap;
use vault::Text;

/// Reads method, target, headers and body.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Native, NativeError> {
    let called = called(method, target)?;
    if headers.contains_key("alipay-encrypt-type") || headers.contains_key("alipay-encryption-algm") {
        return Err(NativeError::not_allowed("encrypted content is not carried"));
    }
    require_content_type(headers, "application/json")?;
    let missing = || NativeError::signature("header authorization is missing");
    let authorization = Authorization::read(only(headers, "authorization")?.ok_or_else(missing)?)?;
    let token = match only(headers, "alipay-app-auth-token")? {
        Some("") => {
            return Err(NativeError::malformed("header alipay-app-auth-token is empty"));
        }
        token => token.map(Text::from),
    };
    let content = strict_json::parse(body).map_err(|e| NativeError::malformed(format!("the body: {e}")))?;
    let texts = shape::check(&content, allowed::fields_v3(called.0), "")?;
    let key =
        keys::alipay_app_public(&authorization.app_id).map_err(|e| NativeError::signature(e.to_string()))?;
    let message = authorization
        .message(method, target, body, token.as_ref())
        .to_vec();
    let said = Said {
        content: &content,
        signed_at: authorization.signed_at,
        place: "",
    };
    let proof = Proof {
        key,
        message,
        signature: authorization.signature,
        signed_at: authorization.signed_at,
        nonce: Some(authorization.nonce),
        method: domain::SignMethod::Signature,
        fresh: crate::native::Fresh::Standing,
    };
    let notify_url = content.text("notify_url").map(str::to_owned);
    said.whole(called, authorization.app_id, proof, texts, notify_url, token)
}

/// `/v3/alipay/trade/query` is `alipay.trade.query`. A query behind the path would be signed, and means nothing here.
fn called(method: &str, target: &str) -> Result<native::Method, NativeError> {
    let name = target
        .strip_prefix("/v3/")
        .filter(|_| method == "POST")
        .map(|path| path.replace('/', "."));
    let carried = |known: &native::Method| {
        Some(known.0) == name.as_deref() && known.1 != Operation::Certificates && !target.contains('.')
    };
    let found = METHODS.into_iter().find(carried);
    found.ok_or_else(|| NativeError::not_allowed("this method and path are not carried"))
}
