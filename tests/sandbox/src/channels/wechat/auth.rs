//! Who sent this? The request's signature, its clock, its headers.

use super::answer::Failure;
use crate::channels::clock;
use crate::channels::gm;
use crate::channels::server::Incoming;
use crate::channels::world::{Merchant, World};
use std::collections::HashMap;

/// The scheme of nearly everybody.
pub(super) const RSA: &str = "WECHATPAY2-SHA256-RSA2048";

/// Clocks may differ by five minutes.
const SKEW_SECS: i64 = 300;

/// The merchant that signed this request.
pub(super) fn check<'a>(world: &'a World, request: &Incoming) -> Result<(usize, &'a Merchant), Failure> {
    let header = request.header("authorization");
    let fields = parse(header).ok_or_else(|| refused("Http头Authorization值格式错误", "authorization"))?;
    let field = |name: &str| fields.get(name).copied().unwrap_or_default();
    let (number, merchant) = world
        .merchant_by_mchid(field("mchid"))
        .ok_or_else(|| refused("商户号不存在", "mchid"))?;
    if !field("serial_no").eq_ignore_ascii_case(&merchant.facts.wechat.serial) {
        return Err(refused("商户证书序列号有误", "serial_no"));
    }
    let sent: i64 = field("timestamp")
        .parse()
        .map_err(|_| refused("timestamp格式错误", "timestamp"))?;
    if sent.abs_diff(clock::now().secs()) > SKEW_SECS.unsigned_abs() {
        return Err(refused(
            "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟",
            "timestamp",
        ));
    }
    let message = message(request, field("timestamp"), field("nonce_str"));
    let verified = match by_sm2(request) {
        true => merchant.wechat_sm2_key.verify(&message, field("signature")),
        false => merchant.wechat_key.verify(&message, field("signature")),
    };
    if field("nonce_str").is_empty() || !verified {
        return Err(refused("错误的签名，验签失败", "signature"));
    }
    if request.header("accept").is_empty() || request.header("user-agent").is_empty() {
        return Err(Failure::field("Accept", "", "Http头缺少Accept或User-Agent"));
    }
    Ok((number, merchant))
}

/// Does the merchant sign by SM2 (国密)? It is answered and told in the same way.
pub(super) fn by_sm2(request: &Incoming) -> bool {
    let scheme = request.header("authorization").split(' ').next();
    scheme == Some(gm::SCHEME)
}

/// The merchant whom the request names, before anything is verified.
pub(super) fn named(request: &Incoming) -> Option<&str> {
    parse(request.header("authorization"))?.get("mchid").copied()
}

fn message(request: &Incoming, timestamp: &str, nonce: &str) -> Vec<u8> {
    let mut message =
        format!("{}\n{}\n{timestamp}\n{nonce}\n", request.method, request.target()).into_bytes();
    message.extend_from_slice(&request.body);
    message.push(b'\n');
    message
}

/// The parameters of the Authorization header, in any order.
fn parse(header: &str) -> Option<HashMap<&str, &str>> {
    let (scheme, rest) = header.split_once(' ')?;
    if ![RSA, gm::SCHEME].contains(&scheme) {
        return None;
    }
    rest.split(',')
        .map(|part| {
            let (name, value) = part.trim().split_once('=')?;
            Some((name, value.strip_prefix('"')?.strip_suffix('"')?))
        })
        .collect()
}

fn refused(message: &str, field: &'static str) -> Failure {
    Failure::sign_error(message, field)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::parse;

    #[test]
    fn parameters_come_in_any_order() {
        let header = r#"WECHATPAY2-SHA256-RSA2048 timestamp="1", mchid="2",signature="a+/=""#;
        let fields = parse(header).unwrap();
        assert_eq!(
            (fields["timestamp"], fields["mchid"], fields["signature"]),
            ("1", "2", "a+/=")
        );
        assert!(parse("WECHATPAY2-SHA256-RSA2048 mchid=2").is_none());
        assert!(parse("Basic eA==").is_none());
    }
}
