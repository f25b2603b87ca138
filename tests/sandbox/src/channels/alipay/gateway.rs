//! What the gateway checks before it looks at the business: app, form, clock, signature.

use super::Call;
use super::answer::{Failure, Outcome};
use super::params::Params;
use crate::channels::clock::{self, china};
use crate::channels::fault::Channel;
use crate::channels::keys;
use crate::channels::order::KeyMode;
use crate::channels::wallet::NotGood;
use crate::channels::world::{Merchant, World};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use std::borrow::Cow;

/// The documents ask for China time, the published clients send their machine's local time without a zone, which
/// may be up to twenty hours off. So only a day's difference tells a stale request.
const SKEW_SECS: i64 = 24 * 3600;

/// Who asks, and in which mode.
pub(super) fn identify<'a>(
    world: &'a World,
    params: &Params,
) -> Result<(usize, &'a Merchant, KeyMode), Failure> {
    for (name, code) in [
        ("app_id", "isv.missing-app-id"),
        ("method", "isv.missing-method"),
        ("sign", "isv.missing-signature"),
    ] {
        required(params, name, code)?;
    }
    let (number, merchant) = world
        .merchant_by_app(params.get("app_id"))
        .ok_or_else(|| Failure::invalid("isv.invalid-app-id", "无效的AppID参数"))?;
    let certificates = !params.get("app_cert_sn").is_empty() || !params.get("alipay_root_cert_sn").is_empty();
    let mode = if certificates {
        KeyMode::Certificate
    } else {
        KeyMode::PublicKey
    };
    Ok((number, merchant, mode))
}

/// The rest of the common parameters and the signature; gives biz_content.
pub(super) fn check(merchant: &Merchant, params: &Params, mode: KeyMode) -> Result<Value, Failure> {
    for (name, code) in [
        ("sign_type", "isv.missing-signature-type"),
        ("timestamp", "isv.missing-timestamp"),
        ("version", "isv.missing-version"),
        ("charset", "isv.missing-charset"),
    ] {
        required(params, name, code)?;
    }
    let invalid = |code: &'static str, text: &str| Err(Failure::invalid(code, text));
    if params.get("sign_type") != "RSA2" {
        return invalid("isv.invalid-signature-type", "无效的签名类型，仅支持RSA2");
    }
    if !params.get("charset").eq_ignore_ascii_case("utf-8") {
        return invalid("isv.invalid-charset", "字符集错误");
    }
    if !["", "JSON"].contains(&params.get("format").to_ascii_uppercase().as_str()) {
        return invalid("isv.invalid-format", "无效的数据格式");
    }
    if params.get("version") != "1.0" {
        return invalid("isv.invalid-version", "无效的版本号");
    }
    if !["", "AES"].contains(&params.get("encrypt_type")) {
        return invalid("isv.invalid-encrypt-type", "无效的加密类型");
    }
    timestamp(params.get("timestamp"))?;
    if mode == KeyMode::Certificate {
        certificates(merchant, params)?;
    }
    if !merchant
        .app_key
        .verify(params.signed_text().as_bytes(), params.get("sign"))
    {
        let text = "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配";
        return invalid("isv.invalid-signature", text);
    }
    // Its parameters stand beside `biz_content`, which is not there (channels.md 3.1).
    if params.get("method") == TOKEN && params.get("biz_content").is_empty() {
        return Ok(Value::Object(Default::default()));
    }
    // Decrypted only once the signature over the ciphertext is good.
    let Some(content) = content(merchant, params) else {
        return invalid(
            "isv.decryption-error",
            "解密出错，请检查接口内容加密方式与AES密钥",
        );
    };
    match serde_json::from_str::<Value>(&content) {
        Ok(biz) if biz.is_object() => Ok(biz),
        _ => invalid("isv.invalid-parameter", "biz_content须为JSON对象"),
    }
}

/// Whose code of authorisation it is.
pub(super) const TOKEN: &str = "alipay.system.oauth.token";

/// The payer's id for a code of authorisation: `open_id` of payers who are known by that, else `user_id`.
pub(super) fn token(call: &Call<'_>) -> Outcome {
    if call.params.get("grant_type") != "authorization_code" {
        return Err(Failure::invalid("isv.grant-type-invalid", "授权类型无效"));
    }
    let (app, code) = (&call.merchant.facts.alipay.app_id, call.params.get("code"));
    let payer = call
        .world
        .with(|book| book.authorised.take(Channel::Alipay, app, code));
    let payer = payer.map_err(|why| match why {
        NotGood::Unknown => Failure::invalid("isv.code-invalid", "授权码code无效"),
        NotGood::Used => Failure::invalid("isv.code-is-used", "授权码code已被使用"),
        NotGood::Expired => Failure::invalid("isv.code-expired", "授权码code已过期"),
    })?;
    let name = if payer.starts_with("2088") {
        "user_id"
    } else {
        "open_id"
    };
    Ok(vec![
        (
            "access_token",
            Value::from(format!("authbseB{}", keys::random_text(32))),
        ),
        ("auth_start", Value::from(china(clock::now()))),
        ("expires_in", Value::from(1_296_000)),
        ("re_expires_in", Value::from(2_592_000)),
        (
            "refresh_token",
            Value::from(format!("authbseB{}", keys::random_text(32))),
        ),
        (name, Value::from(payer)),
    ])
}

/// Whether the request's content is encrypted, and so will the answer's be.
pub(super) fn encrypted(params: &Params) -> bool {
    params.get("encrypt_type") == "AES"
}

/// The content in clear; `None` if it does not decrypt.
pub(super) fn content<'a>(merchant: &Merchant, params: &'a Params) -> Option<Cow<'a, str>> {
    let content = params.get("biz_content");
    match encrypted(params) {
        false => Some(Cow::Borrowed(content)),
        true => keys::decrypt_content(&merchant.facts.alipay.aes_key, content).map(Cow::Owned),
    }
}

/// Alipay's certificate by its number, base64 of its PEM; in certificate mode only.
pub(super) fn certificate(call: &Call<'_>) -> Outcome {
    if call.mode != KeyMode::Certificate {
        return Err(Failure::invalid("isv.missing-app-cert-sn", "缺少app_cert_sn参数"));
    }
    if call.biz["alipay_cert_sn"] != call.merchant.alipay_cert_sn.as_str() {
        return Err(Failure::business("CERT_NOT_EXIST", "证书不存在"));
    }
    let content = STANDARD.encode(&call.merchant.alipay_cert_pem);
    Ok(vec![("alipay_cert_content", Value::from(content))])
}

fn required(params: &Params, name: &str, code: &'static str) -> Result<(), Failure> {
    if params.get(name).is_empty() {
        return Err(Failure::missing(code, &format!("缺少{name}参数")));
    }
    Ok(())
}

fn timestamp(text: &str) -> Result<(), Failure> {
    let invalid = || Failure::invalid("isv.invalid-timestamp", "非法的时间戳参数");
    let form = text.len() == 19 && text.as_bytes().get(10) == Some(&b' ');
    let sent: jiff::Timestamp = form
        .then(|| format!("{}+08:00", text.replace(' ', "T")).parse().ok())
        .flatten()
        .ok_or_else(invalid)?;
    if sent.as_second().abs_diff(clock::now().secs()) > SKEW_SECS.unsigned_abs() {
        return Err(invalid());
    }
    Ok(())
}

fn certificates(merchant: &Merchant, params: &Params) -> Result<(), Failure> {
    required(params, "app_cert_sn", "isv.missing-app-cert-sn")?;
    required(params, "alipay_root_cert_sn", "isv.missing-alipay-root-cert-sn")?;
    if params.get("app_cert_sn") != merchant.app_cert_sn {
        return Err(Failure::invalid(
            "isv.invalid-app-cert-sn",
            "应用公钥证书序列号错误",
        ));
    }
    if params.get("alipay_root_cert_sn") != merchant.root_cert_sn {
        return Err(Failure::invalid(
            "isv.invalid-alipay-root-cert-sn",
            "支付宝根证书序列号错误",
        ));
    }
    Ok(())
}
