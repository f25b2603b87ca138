//! WeChat Pay V2: routes, the order of checks, faults. XML in, XML out, one shared key on both sides.

mod asked;
mod bills;
pub(crate) mod codes;
pub(crate) mod notice;
mod orders;
mod refunds;
pub(crate) mod scan;
pub(crate) mod unified;
pub(crate) mod xml;

use crate::channels::clock::now;
use crate::channels::fault::{Channel, Kind, Operation};
use crate::channels::keys;
use crate::channels::order::{Order, State};
use crate::channels::server::{Answer, Incoming, Reply, plain, typed};
use crate::channels::world::{Merchant, World};
use asked::Asked;
pub(crate) use codes::REVERSE;
use http::{Method, StatusCode};
use std::sync::Arc;
use xml::Digest;

/// Fields of an answer.
type Fields = Vec<(&'static str, String)>;

/// What an answer says beside its envelope, or why not.
type Outcome = Result<Fields, Failure>;

/// The two outer layers of failure.
#[derive(Debug, PartialEq, Eq)]
enum Failure {
    /// `return_code` FAIL: unsigned, with words only.
    Transport(&'static str),
    /// `result_code` FAIL: signed, with a code.
    Business(&'static str, &'static str),
    /// A reverse before its time (channels.md 2.2): refused, and to be sent again. With which code no document says
    /// [unverified].
    TooEarly,
}

const TOO_EARLY: &str = "支付调用后15秒内不能撤销";

/// A request whose sender is known.
struct Call<'a> {
    world: &'a Arc<World>,
    number: usize,
    merchant: &'a Merchant,
    asked: &'a Asked,
    /// Who is paid, where that is another (服务商).
    sub_mchid: Option<String>,
    fault: Option<Kind>,
}

/// Is it a path of V2?
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with("/pay/") || path.starts_with("/secapi/pay/")
}

/// Its operation, and whether the merchant's certificate must be shown.
fn route(path: &str) -> Option<(Operation, bool)> {
    match path {
        "/pay/micropay" | "/pay/unifiedorder" => Some((Operation::Create, false)),
        "/pay/closeorder" => Some((Operation::Close, false)),
        "/pay/orderquery" => Some((Operation::Query, false)),
        "/secapi/pay/reverse" => Some((Operation::Reverse, true)),
        "/secapi/pay/refund" | refunds::OF_GOODS => Some((Operation::Refund, true)),
        "/pay/refundquery" => Some((Operation::RefundQuery, false)),
        "/pay/downloadbill" => Some((Operation::Bill, false)),
        "/pay/downloadfundflow" => Some((Operation::Bill, true)),
        _ => None,
    }
}

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let asked = xml::read(&request.body);
    let said = |name: &str| asked.as_ref().and_then(|asked| asked.get(name));
    let sender = said("mch_id").and_then(|mchid| world.merchant_by_mchid(mchid));
    let operation = route(&request.path).map_or(Operation::Other, |(operation, _)| operation);
    let fault = world.arrive(
        Channel::Wechat,
        operation,
        sender.map(|(number, _)| number),
        said("out_trade_no"),
        request,
    );
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::Status5xx) => return Reply::Now(plain(StatusCode::BAD_GATEWAY, "502 Bad Gateway")),
        Some(Kind::ArrivesLate) => {
            arrive_late(world, request.clone());
            return Reply::Never;
        }
        _ => {}
    }
    answer(world, request, asked, fault)
}

/// Acts on it when nobody waits for it any more.
fn arrive_late(world: &Arc<World>, request: Incoming) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.slow).await;
        let act = move || drop(answer(&inside, &request, xml::read(&request.body), None));
        let _ = tokio::task::spawn_blocking(act).await;
    });
}

fn answer(world: &Arc<World>, request: &Incoming, asked: Option<xml::Message>, fault: Option<Kind>) -> Reply {
    let route = route(&request.path);
    let Some((operation, identified)) = route.filter(|_| request.method == Method::POST) else {
        return Reply::Now(plain(StatusCode::NOT_FOUND, "404 Not Found"));
    };
    let known = asked
        .ok_or(Failure::Transport("XML格式错误"))
        .and_then(|fields| check(world, request, fields, identified));
    let (number, merchant, asked) = match known {
        Ok(known) => known,
        Err(failure) => return Reply::Now(refused(&failure)),
    };
    let call = Call {
        world,
        number,
        merchant,
        sub_mchid: asked.get("sub_mch_id").map(str::to_owned),
        asked: &asked,
        fault,
    };
    if let (Some(kind), true) = (bills::kind(&request.path), fault != Some(Kind::Busy)) {
        let file = bills::file(&call, kind);
        return match fault {
            Some(Kind::TimeoutAfter) => Reply::Never,
            Some(Kind::Slow) => Reply::After(world.slow, file),
            _ => Reply::Now(file),
        };
    }
    let outcome = match fault {
        Some(Kind::Busy) => Err(Failure::Business("FREQUENCY_LIMITED", "频率限制")),
        Some(Kind::UnlistedBefore) => Err(UNLISTED),
        Some(Kind::UnlistedAfter) => act(&call, operation, &request.path).and(Err(UNLISTED)),
        Some(Kind::OtherOrder) => {
            let own = act(&call, operation, &request.path);
            of_another(&call, operation).map_or(own, Ok)
        }
        _ => act(&call, operation, &request.path),
    };
    let reply = write(&call, outcome);
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, garbage()),
        _ => Reply::Now(reply),
    }
}

/// A code that no list has.
const UNLISTED: Failure = Failure::Business("SOMETHING_NEW", "退款失败");

fn act(call: &Call<'_>, operation: Operation, path: &str) -> Outcome {
    match operation {
        Operation::Create if path == "/pay/micropay" => codes::micropay(call),
        Operation::Create => unified::create(call),
        Operation::Close => unified::close(call),
        Operation::Query => orders::query(call),
        Operation::Reverse => codes::reverse(call),
        Operation::Refund => refunds::create(call, path == refunds::OF_GOODS),
        Operation::RefundQuery => refunds::query(call),
        _ => Err(Failure::Transport("接口不存在")),
    }
}

/// What it says where it mixes its answers up.
fn of_another(call: &Call<'_>, operation: Operation) -> Option<Fields> {
    let named = |name: &str| Some((Channel::Wechat, call.number, call.asked.get(name)?.to_owned()));
    call.world.with(|book| {
        if !matches!(operation, Operation::Refund | Operation::RefundQuery) {
            let key = book.another(&named("out_trade_no")?)?;
            let order = book.order(&key)?;
            return Some(match operation {
                Operation::Query => orders::shown(order),
                _ => orders::paid(order),
            });
        }
        let number = named("out_refund_no")?;
        let (key, other) = book.another_refund(book.refunds.get(&number)?, &number.2)?;
        let order = book.order(&key)?;
        match operation {
            Operation::Refund => refunds::taken(order, &other).ok(),
            _ => {
                let told = [order.refund(&other)?];
                Some(refunds::listed(order, &told, &told))
            }
        }
    })
}

/// The merchant whose shared key signed this, and whose certificate was shown where that is needed.
fn check<'a>(
    world: &'a World,
    request: &Incoming,
    fields: xml::Message,
    identified: bool,
) -> Result<(usize, &'a Merchant, Asked), Failure> {
    let mchid = fields.get("mch_id").ok_or(Failure::Transport("缺少参数mch_id"))?;
    let (number, merchant) = world
        .merchant_by_mchid(mchid)
        .ok_or(Failure::Transport("商户号mch_id不存在"))?;
    let digest = match fields.get("sign_type") {
        None | Some("MD5") => Digest::Md5,
        Some("HMAC-SHA256") => Digest::HmacSha256,
        Some(_) => return Err(Failure::Transport("签名类型sign_type错误")),
    };
    let facts = &merchant.facts.wechat;
    let signed = fields.get("sign") == Some(xml::sign(fields.iter(), digest, &facts.apiv2_key).as_str());
    if !signed {
        return Err(Failure::Transport("签名错误"));
    }
    if identified && request.peer.as_deref() != Some(&*merchant.wechat_cert) {
        return Err(Failure::Transport("证书错误，请登录微信支付商户平台下载证书"));
    }
    let nonce = fields.get("nonce_str").filter(|n| (1..=32).contains(&n.len()));
    if nonce.is_none() {
        return Err(Failure::Transport("随机字符串nonce_str须为1到32个字符"));
    }
    let appid = fields.get("appid").ok_or(Failure::Transport("缺少参数appid"))?;
    if !facts.has_app(appid) {
        return Err(Failure::Transport("appid和mch_id不匹配"));
    }
    let sub = fields.get("sub_mch_id");
    if sub.is_some_and(|sub| !facts.sub_mchids.iter().any(|own| own == sub)) {
        return Err(Failure::Transport("服务商与子商户关系不存在"));
    }
    let app = fields.get("sub_appid");
    if app.is_some() && app != sub.and_then(|sub| facts.sub_app(sub)) {
        return Err(Failure::Transport("sub_appid和sub_mch_id不匹配"));
    }
    Ok((number, merchant, Asked::new(fields, digest)))
}

/// An answer without a signature.
fn refused(failure: &Failure) -> Answer {
    let words = match failure {
        Failure::Transport(words) | Failure::Business(_, words) => *words,
        Failure::TooEarly => TOO_EARLY,
    };
    send(xml::write(&[
        ("return_code", "FAIL".into()),
        ("return_msg", words.into()),
    ]))
}

/// A signed answer, spoilt as a fault wants it.
fn write(call: &Call<'_>, outcome: Outcome) -> Answer {
    if call.fault == Some(Kind::Garbage) {
        return garbage();
    }
    let facts = &call.merchant.facts.wechat;
    let mut fields: Fields = vec![
        ("return_code", "SUCCESS".into()),
        ("return_msg", "OK".into()),
        ("appid", call.asked.get("appid").unwrap_or(&facts.appid).into()),
        ("mch_id", facts.mchid.clone()),
        ("nonce_str", keys::random_text(16)),
    ];
    fields.extend(call.sub_mchid.iter().map(|sub| ("sub_mch_id", sub.clone())));
    match outcome {
        Err(failure @ Failure::Transport(_)) => return refused(&failure),
        Err(Failure::Business(code, words)) => fields.extend([
            ("result_code", "FAIL".into()),
            ("err_code", code.into()),
            ("err_code_des", words.into()),
        ]),
        Err(Failure::TooEarly) => fields.extend([
            ("result_code", "FAIL".into()),
            ("err_code", "INVALID_REQUEST".into()),
            ("err_code_des", TOO_EARLY.into()),
            ("recall", "Y".into()),
        ]),
        Ok(more) => {
            fields.push(("result_code", "SUCCESS".into()));
            fields.extend(more);
        }
    }
    let pairs = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let mut sign = xml::sign(pairs, call.asked.digest, &facts.apiv2_key);
    if call.fault == Some(Kind::WrongSignature) {
        sign = keys::spoilt(&sign);
    }
    fields.push(("sign", sign));
    send(xml::write(&fields))
}

fn garbage() -> Answer {
    send("<html><body>502 Bad Gateway</body>".to_owned())
}

fn send(body: String) -> Answer {
    typed(StatusCode::OK, "text/plain", body)
}

/// The state of a payment-code order in V2's words; `None` for orders of other ways.
pub(super) fn state(order: &Order) -> Option<(&'static str, &'static str)> {
    if order.way != codes::WAY {
        return None;
    }
    let reversed = order.refunds.iter().any(|r| r.out_no.starts_with(codes::REVERSE));
    match order.state {
        State::Unpaid if order.declined > 0 => Some(("PAYERROR", "支付失败(其他原因，如银行返回失败)")),
        State::Unpaid => Some(("USERPAYING", "需要用户输入支付密码")),
        State::Closed if order.calls.contains_key("reverse") => Some(("REVOKED", "订单已撤销")),
        State::Paid if reversed => Some(("REVOKED", "订单已撤销")),
        State::Closed | State::Paid => None,
    }
}

/// `YYYYMMDDHHmmss` in China time.
fn digits(at: domain::Instant) -> String {
    at.to_string()
        .chars()
        .filter(char::is_ascii_digit)
        .take(14)
        .collect()
}

/// Whether so many milliseconds have passed since.
fn passed(since: domain::Instant, millis: i64) -> bool {
    now().millis() - since.millis() > millis
}
