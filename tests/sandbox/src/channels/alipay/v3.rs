//! OpenAPI v3 of Alipay (channels.md 3.8): a path for the method, the content as the body, the signature in
//! `Authorization`, answers with headers over them. The business behind it is the gateway's.

use super::answer::{Failure, Outcome};
use super::params::Params;
use super::{Call, act, operation};
use crate::channels::clock;
use crate::channels::fault::{Channel, Kind};
use crate::channels::keys;
use crate::channels::order::KeyMode;
use crate::channels::server::{Answer, Incoming, Reply, plain, typed};
use crate::channels::world::{Merchant, World};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is played: path, and the gateway's method.
const PATHS: [(&str, &str); 9] = [
    ("/v3/alipay/trade/precreate", "alipay.trade.precreate"),
    ("/v3/alipay/trade/create", "alipay.trade.create"),
    ("/v3/alipay/trade/pay", "alipay.trade.pay"),
    ("/v3/alipay/trade/cancel", "alipay.trade.cancel"),
    ("/v3/alipay/trade/query", "alipay.trade.query"),
    ("/v3/alipay/trade/close", "alipay.trade.close"),
    ("/v3/alipay/trade/refund", "alipay.trade.refund"),
    (
        "/v3/alipay/trade/fastpay/refund/query",
        "alipay.trade.fastpay.refund.query",
    ),
    ("/v3/alipay/system/oauth/token", super::gateway::TOKEN),
];
/// Where a bill lies: by GET with the content in the query, or by POST (channels.md 3.8).
const BILL: (&str, &str) = (
    "/v3/alipay/data/dataservice/bill/downloadurl/query",
    "alipay.data.dataservice.bill.downloadurl.query",
);
/// How far the clocks may be apart.
const SKEW_MS: u64 = 10 * 60_000;

/// Answers one request.
pub(super) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let by_get = request.method == http::Method::GET;
    let found = PATHS
        .into_iter()
        .filter(|_| !by_get)
        .chain([BILL])
        .find(|(path, _)| *path == request.path);
    let Some((_, method)) = found.filter(|_| by_get || request.method == http::Method::POST) else {
        return Reply::Now(plain(StatusCode::NOT_FOUND, "not found"));
    };
    let authorization = Authorization::read(request.header("authorization"));
    let sender = world.merchant_by_app(authorization.get("app_id"));
    let content = sender.and_then(|(_, merchant)| content(merchant, request));
    let number = content.as_ref().and_then(|c| c["out_trade_no"].as_str());
    let fault = world.arrive(
        Channel::Alipay,
        operation(method),
        sender.map(|(n, _)| n),
        number,
        request,
    );
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::Status5xx) => return Reply::Now(plain(StatusCode::BAD_GATEWAY, "502 Bad Gateway")),
        Some(Kind::ArrivesLate) => {
            arrive_late(world, request.clone(), method);
            return Reply::Never;
        }
        _ => {}
    }
    let answer = answered(world, request, method, fault);
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

/// Acts on it when nobody waits for it any more.
fn arrive_late(world: &Arc<World>, request: Incoming, method: &'static str) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.slow).await;
        let act = move || drop(answered(&inside, &request, method, None));
        let _ = tokio::task::spawn_blocking(act).await;
    });
}

fn answered(world: &Arc<World>, request: &Incoming, method: &str, fault: Option<Kind>) -> Answer {
    let authorization = Authorization::read(request.header("authorization"));
    let sender = world.merchant_by_app(authorization.get("app_id"));
    let content = sender.and_then(|(_, merchant)| content(merchant, request));
    match sender {
        None => refusal(StatusCode::BAD_REQUEST, "invalid-app-id", "无效的AppID参数"),
        Some((number, merchant)) => {
            let outcome = checked(merchant, request, &authorization, content).map(|biz| {
                let params = Params::of_pairs([
                    ("app_id", authorization.get("app_id").to_owned()),
                    ("method", method.to_owned()),
                    ("code", biz["code"].as_str().unwrap_or_default().to_owned()),
                    (
                        "grant_type",
                        biz["grant_type"].as_str().unwrap_or_default().to_owned(),
                    ),
                    (
                        "notify_url",
                        biz["notify_url"].as_str().unwrap_or_default().to_owned(),
                    ),
                ]);
                let mode = authorization.mode();
                let call = Call {
                    world,
                    number,
                    merchant,
                    params: &params,
                    biz,
                    mode,
                    host: request.header("host"),
                };
                if fault == Some(Kind::Busy) {
                    Err(Failure::limited())
                } else {
                    act(&call, fault)
                }
            });
            match outcome {
                Ok(outcome) => {
                    Written::of(outcome, fault).signed(merchant, request, authorization.mode(), fault)
                }
                // The front door signs nothing.
                Err((status, code, text)) => refusal(status, code, text),
            }
        }
    }
}

/// `Authorization: ALIPAY-SHA256withRSA k=v,…,sign=…`.
struct Authorization {
    text: String,
    fields: BTreeMap<String, String>,
}

impl Authorization {
    fn read(header: &str) -> Authorization {
        let rest = header.strip_prefix("ALIPAY-SHA256withRSA ").unwrap_or_default();
        let (text, sign) = rest.split_once(",sign=").unwrap_or_default();
        let pair = |p: &str| p.split_once('=').map(|(n, v)| (n.to_owned(), v.to_owned()));
        let mut fields: BTreeMap<String, String> = text.split(',').filter_map(pair).collect();
        fields.insert("sign".to_owned(), sign.to_owned());
        Authorization {
            text: text.to_owned(),
            fields,
        }
    }

    fn get(&self, name: &str) -> &str {
        self.fields.get(name).map(String::as_str).unwrap_or_default()
    }

    fn mode(&self) -> KeyMode {
        match self.get("app_cert_sn") {
            "" => KeyMode::PublicKey,
            _ => KeyMode::Certificate,
        }
    }
}

fn encrypted(request: &Incoming) -> bool {
    request.header("alipay-encrypt-type") == "AES"
}

/// The content in clear; `None` where it is none.
fn content(merchant: &Merchant, request: &Incoming) -> Option<Value> {
    if request.method == http::Method::GET {
        let pairs = form_urlencoded::parse(request.query.as_bytes());
        return Some(
            pairs
                .map(|(name, value)| (name.into_owned(), Value::from(&*value)))
                .collect(),
        );
    }
    let text = std::str::from_utf8(&request.body).ok()?;
    let plain = match encrypted(request) {
        true => keys::decrypt_content(&merchant.facts.alipay.aes_key, text)?,
        false => text.to_owned(),
    };
    serde_json::from_str::<Value>(&plain)
        .ok()
        .filter(Value::is_object)
}

type Refused = (StatusCode, &'static str, &'static str);

/// Form, clock, certificates, signature, content.
fn checked(
    merchant: &Merchant,
    request: &Incoming,
    authorization: &Authorization,
    content: Option<Value>,
) -> Result<Value, Refused> {
    let refuse = |code, text| Err((StatusCode::UNAUTHORIZED, code, text));
    let sent = authorization.get("timestamp").parse::<i64>().unwrap_or_default();
    if sent.abs_diff(clock::now().millis()) > SKEW_MS {
        return refuse("invalid-timestamp", "非法的时间戳参数");
    }
    if authorization.get("nonce").is_empty() {
        return refuse("missing-nonce", "缺少nonce参数");
    }
    if authorization.mode() == KeyMode::Certificate
        && (authorization.get("app_cert_sn") != merchant.app_cert_sn
            || request.header("alipay-root-cert-sn") != merchant.root_cert_sn)
    {
        return refuse(
            "invalid-app-cert-sn",
            "应用公钥证书序列号或支付宝根证书序列号错误",
        );
    }
    let mut message = format!(
        "{}\n{}\n{}\n",
        authorization.text,
        request.method,
        request.target()
    )
    .into_bytes();
    message.extend_from_slice(&request.body);
    message.push(b'\n');
    let token = request.header("alipay-app-auth-token");
    if !token.is_empty() {
        message.extend_from_slice(format!("{token}\n").as_bytes());
    }
    if !merchant.app_key.verify(&message, authorization.get("sign")) {
        return refuse(
            "invalid-signature",
            "验签出错，建议检查签名字符串或签名私钥与应用公钥是否匹配",
        );
    }
    let wanted = if encrypted(request) {
        "text/plain"
    } else {
        "application/json"
    };
    if request.method != http::Method::GET && !request.header("content-type").starts_with(wanted) {
        return Err((
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid-content-type",
            "请求体类型错误",
        ));
    }
    content.ok_or((StatusCode::BAD_REQUEST, "INVALID_PARAMETER", "请求体须为JSON对象"))
}

/// An answer without its signature.
struct Written {
    status: StatusCode,
    body: String,
}

impl Written {
    fn of(outcome: Outcome, fault: Option<Kind>) -> Written {
        match outcome {
            _ if fault == Some(Kind::Garbage) => Written {
                status: StatusCode::OK,
                body: "<html><body>系统繁忙</body></html>".to_owned(),
            },
            Ok(node) => {
                // The gateway's wrapping codes are not in this form (channels.md 3.8): a payer who types a password shows by
                // the time of payment that is missing [unverified].
                let content = node.iter().filter(|(name, _)| !["code", "msg"].contains(name));
                let fields = content.map(|(name, value)| format!("\"{name}\":{value}"));
                let body = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
                Written {
                    status: StatusCode::OK,
                    body,
                }
            }
            Err(failure) => {
                let (code, text) = failure.sub();
                // What stands before the gateway's own words is not said here.
                let code = ["isv.", "isp.", "aop."]
                    .iter()
                    .find_map(|prefix| code.strip_prefix(prefix))
                    .unwrap_or(code);
                // Which status goes with which code of the business no document says (channels.md 3.8).
                let status = match fault {
                    _ if code.ends_with("call-limited") => StatusCode::TOO_MANY_REQUESTS,
                    Some(Kind::UnlistedAfter | Kind::UnlistedBefore) => StatusCode::FORBIDDEN,
                    _ => StatusCode::BAD_REQUEST,
                };
                Written::error(status, code, text)
            }
        }
    }

    fn error(status: StatusCode, code: &str, text: &str) -> Written {
        let body = json!({"code": code, "message": text, "details": [], "links": []}).to_string();
        Written { status, body }
    }

    /// Signed over time, nonce and body; encrypted first where the request was.
    fn signed(self, merchant: &Merchant, request: &Incoming, mode: KeyMode, fault: Option<Kind>) -> Answer {
        let done = self.status == StatusCode::OK;
        let sealed = (done && encrypted(request))
            .then(|| keys::encrypt_content(&merchant.facts.alipay.aes_key, self.body.as_bytes()))
            .flatten();
        let kind = if sealed.is_some() {
            "text/plain;charset=utf-8"
        } else {
            "application/json;charset=utf-8"
        };
        let body = sealed.unwrap_or(self.body);
        let (time, nonce) = (clock::now().millis().to_string(), keys::random_text(32));
        let mut signature = merchant
            .alipay
            .sign(format!("{time}\n{nonce}\n{body}\n").as_bytes());
        if fault == Some(Kind::WrongSignature) {
            signature = keys::spoilt(&signature);
        }
        let mut answer = typed(self.status, kind, body);
        let mut headers = vec![
            ("alipay-timestamp", time),
            ("alipay-nonce", nonce),
            ("alipay-signature", signature),
            ("alipay-trace-id", keys::random_text(24)),
        ];
        if mode == KeyMode::Certificate {
            headers.push(("alipay-sn", merchant.alipay_cert_sn.clone()));
        }
        for (name, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                answer.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
        answer
    }
}

fn refusal(status: StatusCode, code: &str, text: &str) -> Answer {
    let written = Written::error(status, code, text);
    typed(written.status, "application/json;charset=utf-8", written.body)
}
