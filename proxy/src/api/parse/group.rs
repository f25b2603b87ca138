//! Several orders that one payment pays, all or none (合单): what holds for all of them stands beside the list, and each order
//! of the list is read as an order of its own.

use super::{Fields, body, create};
use crate::{
    accept::Received,
    fault::{Code, Fault},
    payment::{Clear, Command, Create},
};
use channel::strict_json::{Member, Value};
use domain::*;
use vault::Buyer;

/// What holds for all.
const GROUP: [&str; 15] = [
    "group_no",
    "orders",
    "channel",
    "pay_way",
    "currency",
    "account",
    "appid",
    "payer",
    "client_ip",
    "device_id",
    "expires_at",
    "code",
    "terminal",
    "area",
    "h5_type",
];
/// What is each order's own.
const ORDER: [&str; 5] = ["order_no", "amount", "description", "attach", "payee"];
/// A direct merchant combines so many, a service provider's sub-merchants so many (channels.md 1.2).
pub const MOST: (usize, usize) = (10, 50);

/// A group as it was asked for; numbers at the channel and payees are not settled yet.
pub struct Asked {
    /// Its number, the channel's too.
    pub number: ChannelNo,
    /// Each order with its free texts; the first one's say who pays.
    pub orders: Vec<(Create, Buyer)>,
}

/// Reads it.
pub fn asked(received: &Received) -> Result<Asked, Fault> {
    let value = body(received)?;
    let fields = Fields::new(&value, "", &GROUP)?;
    if value.text("channel") != Some(Channel::Wechat.as_str()) {
        return Err(fields.wrong(
            "channel",
            "\"wechat\": no other channel pays several orders at once",
        ));
    }
    let ways = ["native", "jsapi", "app", "h5"];
    if !value.text("pay_way").is_some_and(|way| ways.contains(&way)) {
        return Err(fields.wrong("pay_way", &format!("one of {}", ways.join(", "))));
    }
    let number = number(&fields)?;
    let right = right_count();
    let list = value
        .list("orders")
        .ok_or_else(|| fields.wrong("orders", &right))?;
    let named = list.iter().all(|order| order.get("payee").is_some());
    let most = if named { MOST.1 } else { MOST.0 };
    if !(2..=most).contains(&list.len()) {
        return Err(fields.wrong("orders", &right));
    }
    let orders = list
        .iter()
        .enumerate()
        .map(|(n, order)| {
            let read = one(&value, order, received.at);
            read.map_err(|fault| Fault {
                detail: format!("In orders[{n}]: {}", fault.detail),
                ..fault
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    for (n, (order, _)) in orders.iter().enumerate() {
        let twice = orders[..n]
            .iter()
            .any(|(other, _)| other.order_no == order.order_no);
        if twice || order.order_no.as_str() == number.as_str() {
            return Err(fields.wrong(
                "orders",
                "a list in which no number stands twice, nor the group's",
            ));
        }
    }
    Ok(Asked { number, orders })
}

/// How many orders a group may have.
pub fn right_count() -> String {
    format!(
        "a list of 2 to {} orders, or of up to {} where each of them names a sub-merchant as its payee",
        MOST.0, MOST.1
    )
}

/// The group's number is the channel's too.
fn number(fields: &Fields<'_>) -> Result<ChannelNo, Fault> {
    let right = "your own number of the group: 6 to 32 of 0-9 A-Z a-z _ - | *";
    let number = fields.name("group_no", |t| ChannelNo::new(t))?;
    let fits = number.filter(|no| channel::number_fits(Channel::Wechat, no.as_str()));
    fields.must("group_no", right, fits)
}

/// One order of the list, read with what holds for all as the order that it is.
fn one(group: &Value, order: &Value, now: Instant) -> Result<(Create, Buyer), Fault> {
    Fields::new(order, "", &ORDER)?;
    let (Value::Object(all), Value::Object(own)) = (group, order) else {
        return Err(Fault::new(Code::InvalidField, "it must be an object."));
    };
    let shared = all
        .iter()
        .filter(|m| !["group_no", "orders"].contains(&m.name.as_str()));
    let whole = Value::Object(shared.chain(own).map(copy_of).collect());
    match create(&whole, now)? {
        (
            Command::Create(create),
            Clear {
                buyer: Some(buyer), ..
            },
        ) => Ok((create, buyer)),
        _ => Err(Fault::of(Code::Internal)),
    }
}

fn copy_of(member: &Member) -> Member {
    Member {
        name: member.name.clone(),
        value: copy(&member.value),
        span: member.span.clone(),
    }
}

fn copy(value: &Value) -> Value {
    match value {
        Value::Null => Value::Null,
        Value::Bool(flag) => Value::Bool(*flag),
        Value::Integer(number) => Value::Integer(*number),
        Value::Number(text) => Value::Number(text.clone()),
        Value::Text(text) => Value::Text(text.clone()),
        Value::List(list) => Value::List(list.iter().map(copy).collect()),
        Value::Object(members) => Value::Object(members.iter().map(copy_of).collect()),
    }
}
