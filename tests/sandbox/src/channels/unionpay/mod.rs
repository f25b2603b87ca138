//! UnionPay 全渠道, gateway 5.1.0: paths, the order of checks, faults (channels.md section 4).

mod codes;
mod fields;
mod file;
pub(crate) mod notice;
mod orders;
mod refunds;

use super::fault::{Channel, Kind, Operation};
use super::order::{Order, State};
use super::server::{Answer, Incoming, Reply, plain, typed};
use super::world::{Key, Merchant, World};
pub(crate) use fields::{Fields, Own};
use http::StatusCode;
use std::sync::Arc;

/// Where files are asked for: the root of a host of its own.
pub(crate) const FILES: &str = "/";
/// Where orders, refunds and cancels are asked for.
const QUERY: &str = "/gateway/api/queryTrans.do";

/// A request whose sender is known and vouches for it.
pub(super) struct Call<'a> {
    pub(super) world: &'a Arc<World>,
    pub(super) number: usize,
    pub(super) merchant: &'a Merchant,
    pub(super) fields: &'a Fields,
}

/// What a call comes to: further fields of the answer, or a code of refusal and its text.
pub(super) type Outcome = Result<Vec<(&'static str, String)>, Refusal>;

/// A `respCode` and its `respMsg`.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) &'static str, pub(super) String);

/// Answers one request.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    let fields = Fields::of(request);
    let sender = fields
        .as_ref()
        .and_then(|fields| world.merchant_by_mer_id(fields.get("merId")));
    let operation = match (&fields, sender) {
        (Some(fields), sender) => operation(world, request, fields, sender.map(|(number, _)| number)),
        (None, _) => Operation::Other,
    };
    let about = fields
        .as_ref()
        .map(|fields| about(world, fields, sender.map(|(number, _)| number)));
    let fault = world.arrive(
        Channel::Unionpay,
        operation,
        sender.map(|(number, _)| number),
        about.as_deref(),
        request,
    );
    match fault {
        Some(Kind::TimeoutBefore) => return Reply::Never,
        Some(Kind::ArrivesLate) => {
            arrive_late(world, request.clone());
            return Reply::Never;
        }
        Some(Kind::Status5xx) => {
            return Reply::Now(plain(
                StatusCode::BAD_GATEWAY,
                "<html><body>502 Bad Gateway</body></html>",
            ));
        }
        _ => {}
    }
    let answer = match (fields, sender, operation) {
        (Some(fields), Some((number, merchant)), operation) if operation != Operation::Other => answered(
            &Call {
                world,
                number,
                merchant,
                fields: &fields,
            },
            &request.path,
            operation,
            fault,
        ),
        (Some(_), None, _) => plain(StatusCode::BAD_REQUEST, "Invalid request: merId"),
        _ => plain(StatusCode::NOT_FOUND, "Invalid request."),
    };
    match fault {
        Some(Kind::TimeoutAfter) => Reply::Never,
        Some(Kind::Slow) => Reply::After(world.slow, answer),
        _ => Reply::Now(answer),
    }
}

/// Books a charge when nobody waits for its answer any more.
fn arrive_late(world: &Arc<World>, request: Incoming) {
    let inside = world.clone();
    world.beside(async move {
        tokio::time::sleep(inside.slow).await;
        let act = move || {
            let fields = Fields::of(&request)?;
            let (number, merchant) = inside.merchant_by_mer_id(fields.get("merId"))?;
            let call = Call {
                world: &inside,
                number,
                merchant,
                fields: &fields,
            };
            Some(answered(
                &call,
                &request.path,
                Operation::Create,
                Some(Kind::ArrivesLate),
            ))
        };
        let _ = tokio::task::spawn_blocking(act).await;
    });
}

fn operation(world: &World, request: &Incoming, fields: &Fields, sender: Option<usize>) -> Operation {
    let refund = |number: usize| {
        world.with(|book| {
            book.refunds
                .contains_key(&(Channel::Unionpay, number, fields.get("orderId").to_owned()))
        })
    };
    match (request.path.as_str(), fields.get("txnType")) {
        ("/gateway/api/frontTransReq.do", "01") => Operation::Create,
        ("/gateway/api/appTransReq.do" | "/gateway/api/backTransReq.do", "01") => Operation::Create,
        ("/gateway/api/backTransReq.do", "04") => Operation::Refund,
        ("/gateway/api/backTransReq.do", "31" | "99") => Operation::Reverse,
        (QUERY, _) | ("/gateway/api/backTransReq.do", "00") if sender.is_some_and(refund) => {
            Operation::RefundQuery
        }
        (QUERY, _) | ("/gateway/api/backTransReq.do", "00") => Operation::Query,
        (FILES, "76") => Operation::Bill,
        _ => Operation::Other,
    }
}

/// The order that a request is about: its own number, or that of the order that a refund belongs to.
fn about(world: &World, fields: &Fields, sender: Option<usize>) -> String {
    let own = fields.get("orderId").to_owned();
    let Some(number) = sender else { return own };
    world
        .with(|book| {
            let refund = book
                .refunds
                .get(&(Channel::Unionpay, number, own.clone()))
                .cloned();
            refund
                .or_else(|| book.by_number(Channel::Unionpay, fields.get("origQryId")))
                .map(|key| key.2)
        })
        .or_else(|| Some(fields.get("origOrderId").to_owned()).filter(|number| !number.is_empty()))
        .unwrap_or(own)
}

/// A code that no list has.
fn unlisted() -> Refusal {
    Refusal("ZZ", "退款失败".into())
}

fn answered(call: &Call<'_>, path: &str, operation: Operation, fault: Option<Kind>) -> Answer {
    let front = path.ends_with("/frontTransReq.do");
    let outcome = checked(call, path).and_then(|()| match fault {
        Some(Kind::Busy) if operation == Operation::Query => Err(Refusal("37", "查询过于频繁".into())),
        Some(Kind::Busy) => Err(Refusal("02", "系统未开放或暂时关闭".into())),
        Some(Kind::UnlistedBefore) => Err(unlisted()),
        Some(Kind::UnlistedAfter) => refunds::create(call).and_then(|_| Err(unlisted())),
        _ => match operation {
            Operation::Create if front => orders::open(call),
            Operation::Create if call.fields.get("txnSubType") == "06" => codes::charge(call, fault),
            Operation::Create => orders::apply(call, path.ends_with("/appTransReq.do")),
            Operation::Reverse if call.fields.get("txnType") == "99" => codes::reverse(call, fault),
            Operation::Reverse => codes::cancel(call, fault),
            Operation::Refund => refunds::create(call),
            Operation::RefundQuery => refunds::query(call),
            Operation::Bill => file::of_day(call),
            _ => orders::query(call),
        },
    });
    let outcome = match fault {
        Some(Kind::OtherOrder) => {
            let own = outcome.as_deref().unwrap_or_default();
            of_another(call, operation, own).map_or(outcome, Ok)
        }
        Some(Kind::OtherType) => outcome.map(|mut said| {
            let kind = if operation == Operation::Query { "31" } else { "01" };
            said.push(("txnType", kind.to_owned()));
            said
        }),
        _ => outcome,
    };
    if fault == Some(Kind::Garbage) {
        return typed(
            StatusCode::OK,
            "text/html;charset=UTF-8",
            "<html><body>系统繁忙</body></html>".to_owned(),
        );
    }
    if front {
        return page(call, outcome);
    }
    let mut said = Fields::default();
    said.echo(
        call.fields,
        &[
            "version",
            "encoding",
            "signMethod",
            "accessType",
            "merId",
            "orderId",
            "txnTime",
            "bizType",
            "txnType",
            "txnSubType",
            "reqReserved",
            "settleDate",
            "fileType",
            "origOrderId",
            "origTxnTime",
        ],
    );
    let (code, text, more) = match outcome {
        Ok(more) => ("00", "成功[0000000]".to_owned(), more),
        Err(Refusal(code, text)) => {
            let card = codes::refused_card(call).filter(|_| code == "64");
            let more = card.map(|card| ("accNo", card)).into_iter().collect();
            (code, format!("{text}[{}]", code_number(code)), more)
        }
    };
    said.put("respCode", code);
    said.put("respMsg", text);
    more.into_iter().for_each(|(name, value)| said.put(name, value));
    said.sign(
        &call.world.unionpay,
        call.merchant,
        fault == Some(Kind::WrongSignature),
    );
    typed(StatusCode::OK, "text/html;charset=UTF-8", said.written())
}

/// What it says where it mixes its answers up. Only who vouches for a request is told anything.
fn of_another(
    call: &Call<'_>,
    operation: Operation,
    outcome: &[(&'static str, String)],
) -> Option<Vec<(&'static str, String)>> {
    if !call.fields.is_signed_by(call.merchant) {
        return None;
    }
    let own = key(call);
    call.world.with(|book| {
        let (mut said, number, asked) = match operation {
            // What was just placed, by the name of another.
            Operation::Create => {
                let other = book.another(&own)?;
                let asked = book.order(&other)?.asked.clone();
                (outcome.to_vec(), other.2, asked)
            }
            Operation::Query => {
                let other = book.another(&own)?;
                let order = book.order(&other)?;
                (orders::told(order)?, other.2, order.asked.clone())
            }
            _ => {
                let (other, number) = book.another_refund(book.refunds.get(&own)?, &own.2)?;
                let order = book.order(&other)?;
                let refund = order.refund(&number)?;
                let said = match operation {
                    Operation::Refund => refunds::accepted(&refund.channel_no, refund.fen, &order.channel_no),
                    _ => refunds::told(refund),
                };
                (said, number, refund.asked.clone())
            }
        };
        let time = asked["txnTime"].as_str().unwrap_or_default();
        said.extend([("orderId", number), ("txnTime", time.to_owned())]);
        Some(said)
    })
}

fn code_number(code: &str) -> String {
    format!("{:0>7}", code.replace('A', "1"))
}

/// The page that the payer sees.
fn page(call: &Call<'_>, outcome: Outcome) -> Answer {
    let text = match outcome {
        Ok(_) => format!(
            "{}订单 {}<br>￥{}",
            match call.fields.get("issInsCode") {
                "" => "请选择银行<br>".to_owned(),
                bank => format!("网上银行 {bank}<br>"),
            },
            call.fields.get("orderId"),
            domain::Amount::from_fen(call.fields.get("txnAmt").parse().unwrap_or_default()).to_yuan()
        ),
        Err(Refusal(code, text)) => format!("交易失败 {code}: {text}"),
    };
    let body = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>银联沙箱</title></head><body>{text}</body></html>"
    );
    typed(StatusCode::OK, "text/html;charset=UTF-8", body)
}

/// What every request must have; the signature before all else that could be told about somebody's order.
fn checked(call: &Call<'_>, path: &str) -> Result<(), Refusal> {
    let fields = call.fields;
    for name in [
        "version",
        "encoding",
        "signMethod",
        "signature",
        "txnType",
        "txnSubType",
        "bizType",
        "channelType",
        "accessType",
        "merId",
        "orderId",
        "txnTime",
    ] {
        // A file is no order's, and official samples of queries and files name no device.
        let needed = !matches!(
            (name, fields.get("txnType")),
            ("orderId", "76") | ("channelType", "00" | "76")
        );
        if needed && fields.get(name).is_empty() {
            return Err(Refusal("13", format!("{name}不能为空")));
        }
    }
    let fixed = [("version", "5.1.0"), ("encoding", "utf-8"), ("accessType", "0")];
    let odd = |(name, wanted): &&(&str, &str)| !fields.get(name).eq_ignore_ascii_case(wanted);
    if let Some((name, _)) = fixed.iter().find(odd) {
        return Err(Refusal("10", format!("{name}格式错误")));
    }
    if !["", "07", "08"].contains(&fields.get("channelType")) {
        return Err(Refusal("10", "channelType格式错误".into()));
    }
    if !fields.is_signed_by(call.merchant) {
        return Err(Refusal("11", "验证签名失败".into()));
    }
    if path == QUERY && (fields.get("txnType"), fields.get("txnSubType")) != ("00", "00") {
        return Err(Refusal("10", "txnType格式错误".into()));
    }
    let number = fields.get("orderId");
    let lawful = (8..=40).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric());
    if !lawful && fields.get("txnType") != "76" {
        return Err(Refusal("10", "orderId须为8至40位字母或数字".into()));
    }
    orders::time(fields.get("txnTime"))
        .map(drop)
        .ok_or_else(|| Refusal("10", "txnTime格式错误".into()))
}

/// The order that a number names at this merchant.
pub(super) fn key(call: &Call<'_>) -> Key {
    (
        Channel::Unionpay,
        call.number,
        call.fields.get("orderId").to_owned(),
    )
}

/// An order's state in a word.
pub(crate) fn state(order: &Order) -> &'static str {
    match order.state {
        State::Closed if order.way == codes::WAY && order.declined > 0 => "64",
        State::Unpaid if !order.scanned => "NOT_EXIST",
        State::Unpaid => "05",
        State::Paid => "00",
        State::Closed => "34",
    }
}
