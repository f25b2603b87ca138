//! Bodies of the unified API, read strictly: fields are an allow-list, each fault names a path and what would be right.

pub mod codes;
pub mod group;
mod scanned;

use crate::{
    accept::Received,
    api::route::Resource,
    fault::{Code, Fault},
    payment::{Clear, Command, Create, OrderRef, PayerAt, Redirect, Refund},
};
use channel::{
    Told,
    dialect::NativeRefusal,
    strict_json::{self, Value},
};
use domain::*;
use vault::{Buyer, Payer, PayerField, RefundBuyer, Text};

/// Earliest end of an order, from now.
const LEAST_LIFE_MS: i64 = 60_000;
/// Latest end of an order, from now: seven days (channels.md 1.3).
const MOST_LIFE_MS: i64 = 7 * 86_400_000;

/// A mutating request of the unified API.
pub fn command(resource: &Resource, received: &Received) -> Result<(Command, Clear), Fault> {
    let of = |id: &PaymentId| OrderRef {
        id: *id,
        number: None,
        placed: None,
        trade_no: None,
        payee: None,
    };
    match resource {
        Resource::Create => create(&body(received)?, received.at),
        Resource::Reverse(id) => empty(received).map(|()| (Command::Reverse(of(id)), Clear::default())),
        Resource::Close(id) => empty(received).map(|()| (Command::Close(of(id)), Clear::default())),
        Resource::Refund(id) => refund(&body(received)?, of(id)),
        Resource::Release(id, no) => {
            empty(received).map(|()| (Command::Release(of(id), no.clone()), Clear::default()))
        }
        Resource::Cancel(id, no) => {
            empty(received).map(|()| (Command::Cancel(of(id), no.clone()), Clear::default()))
        }
        Resource::Redirect(id, no) => redirect(&body(received)?, of(id), no.clone()),
        _ => Err(Fault::of(Code::MethodNotAllowed)),
    }
}

/// The channel that a body names, if it can be read at all: for the record of what is wrong with the rest.
pub fn named_channel(received: &Received) -> Option<Channel> {
    Channel::named(strict_json::parse(&received.body).ok()?.text("channel")?)
}

pub(crate) fn empty(received: &Received) -> Result<(), Fault> {
    match received.body.is_empty() || &received.body[..] == b"{}" {
        true => Ok(()),
        false => Err(Fault::new(
            Code::MalformedRequest,
            "This operation takes no body (or `{}`).",
        )),
    }
}

/// The body as JSON.
fn body(received: &Received) -> Result<Value, Fault> {
    let headers = &received.head.headers;
    let json = headers
        .get(http::header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| {
            let mut parts = v.split(';').map(str::trim);
            parts
                .next()
                .is_some_and(|t| t.eq_ignore_ascii_case("application/json"))
                && parts.all(|p| p.eq_ignore_ascii_case("charset=utf-8"))
        });
    let once = headers.get_all(http::header::CONTENT_TYPE).iter().count() == 1;
    if !json || !once || headers.contains_key(http::header::CONTENT_ENCODING) {
        return Err(Fault::of(Code::UnsupportedMediaType));
    }
    let value = strict_json::parse(&received.body).map_err(|e| {
        Fault::new(
            Code::MalformedRequest,
            format!("The body is not the JSON we take: {e}."),
        )
    })?;
    match value {
        Value::Object(_) => Ok(value),
        other => Err(Fault::new(
            Code::MalformedRequest,
            format!("The body must be a JSON object, not {}.", other.kind()),
        )),
    }
}

struct Fields<'a> {
    value: &'a Value,
    path: &'static str,
}

impl<'a> Fields<'a> {
    fn new(value: &'a Value, path: &'static str, allowed: &[&str]) -> Result<Fields<'a>, Fault> {
        let Value::Object(members) = value else {
            let what = match path {
                "" => "it".to_owned(),
                path => format!("`{}`", path.trim_end_matches('.')),
            };
            return Err(Fault::new(
                Code::InvalidField,
                format!("{what} must be an object."),
            ));
        };
        let unknown = members.iter().find(|m| !allowed.contains(&m.name.as_str()));
        match unknown {
            None => Ok(Fields { value, path }),
            Some(m) => {
                let (breach, name) = channel::guard::field(&m.name);
                Err(Fault::new(
                    Code::UnknownField,
                    format!(
                        "`{path}{}` is not a field of this operation; its fields are {}.",
                        strict_json::shown(&m.name),
                        allowed.join(", ")
                    ),
                )
                .breaks(breach, Some(name)))
            }
        }
    }

    fn wrong(&self, name: &str, right: &str) -> Fault {
        Fault::new(
            Code::InvalidField,
            format!("`{}{name}` must be {right}.", self.path),
        )
        .breaks(Breach::Value, Some(name))
    }

    fn text(&self, name: &str, most: usize) -> Result<Option<&'a str>, Fault> {
        match self.value.get(name) {
            None => Ok(None),
            Some(Value::Text(text))
                if !text.is_empty()
                    && text.chars().count() <= most
                    && !text.chars().any(char::is_control) =>
            {
                Ok(Some(text))
            }
            Some(_) => Err(self.wrong(
                name,
                &format!("a text of 1 to {most} characters without control characters"),
            )),
        }
    }

    fn must<T>(&self, name: &str, right: &str, found: Option<T>) -> Result<T, Fault> {
        found.ok_or_else(|| self.wrong(name, right))
    }

    fn name<T>(&self, name: &str, make: impl Fn(&str) -> Result<T, NameError>) -> Result<Option<T>, Fault> {
        match self.value.get(name) {
            None => Ok(None),
            Some(Value::Text(text)) => make(text)
                .map(Some)
                .map_err(|e| Fault::new(Code::InvalidField, format!("`{}{name}`: {e}.", self.path))),
            Some(other) => Err(self.wrong(name, &format!("a text, not {}", other.kind()))),
        }
    }

    fn amount(&self, name: &str) -> Result<Amount, Fault> {
        let right = "a whole number of fen from 1 to 9007199254740991";
        match self.value.get(name) {
            Some(Value::Integer(fen)) if (1..=Amount::MAX.fen()).contains(fen) => Ok(Amount::from_fen(*fen)),
            _ => Err(self.wrong(name, right)),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.value.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }
}

/// A member of the goods detail that no list has is as unknown a field as one of the body.
//= C21
fn goods(channel: Channel, pay_way: PayWay, text: &str) -> Result<(), Fault> {
    channel::check_detail(channel, pay_way, text).map_err(|wrong| {
        let (breach, name) = wrong.breach.unwrap_or((Breach::Value, None));
        let (code, breach) = match wrong.kind {
            NativeRefusal::NotAllowed(_) => (Code::UnknownField, breach),
            _ => (Code::InvalidField, Breach::Value),
        };
        let right = "must be the text of the goods detail that this channel takes";
        Fault::new(code, format!("`detail` {right}: {}.", wrong.text)).breaks(breach, name.or(Some("detail")))
    })
}

const CREATE: [&str; 25] = [
    "order_no",
    "channel",
    "pay_way",
    "amount",
    "currency",
    "description",
    "account",
    "payee",
    "appid",
    "sub_appid",
    "bank",
    "attach",
    "payer",
    "client_ip",
    "device_id",
    "detail",
    "expires_at",
    "code",
    "terminal",
    "area",
    "product",
    "h5_type",
    "return_url",
    "quit_url",
    "auth_code",
];

fn create(value: &Value, now: Instant) -> Result<(Command, Clear), Fault> {
    let fields = Fields::new(value, "", &CREATE)?;
    let scanned = scanned::read(&fields)?;
    let channel = match (value.text("channel"), &scanned) {
        (None, Some(scanned)) if value.get("channel").is_none() => scanned.channel,
        (named, _) => policy::operations::channels()
            .find(|channel| named == Some(channel.as_str()))
            .ok_or_else(|| {
                let all: Vec<&str> = policy::operations::channels().map(Channel::as_str).collect();
                fields.wrong("channel", &format!("one of {}", all.join(", ")))
            })?,
    };
    let pay_way = pay_way(&fields, channel, scanned.as_ref())?;
    if value.get("currency").is_some() && value.text("currency") != Some("CNY") {
        return Err(fields.wrong("currency", "\"CNY\", the only currency"));
    }
    let payer = payer(value, channel)?;
    let sub_appid = sub_appid(&fields, (channel, pay_way), payer.as_ref())?;
    if pay_way == PayWay::Jsapi && payer.is_none() {
        return Err(fields.wrong("payer", "there for pay_way jsapi: the payer's id in this wallet"));
    }
    let end = expires(&fields, now)?;
    let command = Command::Create(Create {
        order_no: fields.must(
            "order_no",
            "there: your own order number",
            fields.name("order_no", |t| OrderNo::new(t))?,
        )?,
        channel,
        pay_way,
        account: fields.name("account", |t| AccountNo::new(t))?,
        payee: fields.name("payee", |t| PayeeNo::new(t))?,
        appid: appid(&fields, channel)?,
        sub_appid,
        bank: bank(&fields, channel, pay_way)?,
        amount: fields.amount("amount")?,
        expires: end.map(|(at, _)| at),
        ends_too_soon: end.is_some_and(|(_, too_soon)| too_soon),
        code: code(value)?,
        terminal: fields.name("terminal", |t| TerminalNo::new(t))?,
        area: area(&fields)?,
        device: Default::default(),
        product: fields.name("product", |t| ProductNo::new(t))?,
        number: None,
        by_code: None,
        payer_at: match &payer {
            Some(payer) if payer.field == PayerField::BuyerId => PayerAt::Everywhere { but: None },
            _ => PayerAt::App,
        },
        left: false,
        combined: None,
        route: None,
    });
    let most = if channel == Channel::Wechat { 127 } else { 256 };
    let description = fields.must(
        "description",
        "there: what is sold",
        fields.text("description", most)?,
    )?;
    let client_ip = fields.text("client_ip", 45)?;
    if client_ip.is_some_and(|ip| ip.parse::<std::net::IpAddr>().is_err()) {
        return Err(fields.wrong("client_ip", "an IPv4 or IPv6 address"));
    }
    if pay_way == PayWay::H5 && client_ip.is_none() {
        return Err(fields.wrong(
            "client_ip",
            "there for pay_way h5: the address of the payer's browser",
        ));
    }
    if channel == Channel::Wechat && pay_way.charges() && client_ip.is_none() {
        return Err(fields.wrong(
            "client_ip",
            "there for a payment code of WeChat: the address of the terminal that scanned it",
        ));
    }
    let detail = fields.text("detail", 6000)?;
    if let Some(text) = detail {
        goods(channel, pay_way, text)?;
    }
    for (name, told, text) in [
        ("description", Told::Description, Some(description)),
        ("attach", Told::Attach, fields.text("attach", 128)?),
        ("return_url", Told::ReturnUrl, fields.text("return_url", 256)?),
    ] {
        if let Some((breach, right)) = text.and_then(|text| channel::unfit(channel, told, text)) {
            return Err(fields.wrong(name, &right).breaks(breach, Some(name)));
        }
    }
    if channel.is_bank() && fields.text("attach", 128)?.is_some() {
        return Err(fields.wrong(
            "attach",
            &format!("absent for {channel}: a bank's form carries no free text that comes back"),
        ));
    }
    let buyer = Buyer {
        description: description.into(),
        attach: fields.text("attach", 128)?.map(Text::from),
        payer,
        client_ip: client_ip.map(Text::from),
        device_id: fields.text("device_id", 32)?.map(Text::from),
        detail: detail.map(Text::from),
        h5_type: h5_type(&fields, pay_way)?.map(Text::from),
        return_url: address(
            &fields,
            "return_url",
            // A bank sends a browser to where the merchant registered with it; CMB is told with each order.
            (!channel.is_bank() || channel == Channel::Cmb)
                && matches!(
                    pay_way,
                    PayWay::Page | PayWay::Wap | PayWay::Gateway | PayWay::GatewayB2b
                ),
        )?,
        quit_url: address(&fields, "quit_url", pay_way == PayWay::Wap)?,
    };
    Ok((
        command,
        Clear {
            buyer: Some(buyer),
            auth_code: scanned.map(|s| s.code),
            ..Clear::default()
        },
    ))
}

fn pay_way(
    fields: &Fields<'_>,
    channel: Channel,
    scanned: Option<&scanned::Scanned>,
) -> Result<PayWay, Fault> {
    if scanned.is_some_and(|scanned| scanned.channel != channel) {
        return Err(fields.wrong(
            "channel",
            "that of the wallet whose payment code this is, or left out",
        ));
    }
    let asked = fields.value.text("pay_way");
    let mut ways = policy::operations::pay_ways(channel);
    ways.find(|way| asked == Some(way.as_str())).ok_or_else(|| {
        let ways: Vec<&str> = policy::operations::pay_ways(channel)
            .map(PayWay::as_str)
            .collect();
        fields.wrong("pay_way", &format!("one of {} for {channel}", ways.join(", ")))
    })
}

/// Another app or mini program than the account's first; whether it is the account's is the registry's to say.
fn appid(fields: &Fields<'_>, channel: Channel) -> Result<Option<AppNo>, Fault> {
    let appid = fields.name("appid", |t| AppNo::new(t))?;
    match (&appid, channel) {
        (Some(_), Channel::Alipay) => Err(fields.wrong("appid", "absent for alipay: `account` is the app")),
        (Some(_), Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb) => {
            Err(fields.wrong("appid", &format!("absent for {channel}, which has none")))
        }
        _ => Ok(appid),
    }
}

/// The sub-merchant's own app, in an order that pays that sub-merchant; whether it is registered for it is the registry's to
/// say. A payer's id is of one app, and the same app calls the order up (channels.md 1.2, 1.10).
fn sub_appid(
    fields: &Fields<'_>,
    (channel, pay_way): (Channel, PayWay),
    payer: Option<&Payer>,
) -> Result<Option<AppNo>, Fault> {
    let sub_appid = fields.name("sub_appid", |t| AppNo::new(t))?;
    let by_it = payer.is_some_and(|payer| payer.field == PayerField::SubOpenid);
    let placed = [PayWay::Native, PayWay::Jsapi, PayWay::H5, PayWay::App];
    match &sub_appid {
        None if by_it => Err(fields.wrong(
            "sub_appid",
            "there for payer.sub_openid: the sub-merchant's app that the id is of",
        )),
        None => Ok(None),
        Some(_) if channel != Channel::Wechat || !placed.contains(&pay_way) => Err(fields.wrong(
            "sub_appid",
            "absent: only wechat's native, jsapi, h5 and app orders are of a sub-merchant's app",
        )),
        Some(_) if fields.value.get("payee").is_none() => {
            Err(fields.wrong("payee", "there for sub_appid: the sub-merchant whose app it is"))
        }
        Some(_) if pay_way == PayWay::Jsapi && !by_it => Err(fields.wrong(
            "payer",
            "sub_openid for sub_appid: the payer's id in the sub-merchant's app",
        )),
        Some(_) => Ok(sub_appid),
    }
}

/// The bank that UnionPay's gateway leads the payer to; whether the acquirer lists it is the registry's to say.
fn bank(fields: &Fields<'_>, channel: Channel, pay_way: PayWay) -> Result<Option<BankNo>, Fault> {
    let bank = fields.name("bank", |t| BankNo::new(t))?;
    let by_gateway = matches!(pay_way, PayWay::Gateway | PayWay::GatewayB2b);
    match (&bank, channel) {
        (Some(_), Channel::Unionpay) if by_gateway => Ok(bank),
        (Some(_), _) if channel.is_bank() => {
            Err(fields.wrong("bank", &format!("absent for {channel}: the channel is the bank")))
        }
        (Some(_), _) => Err(fields.wrong(
            "bank",
            "absent: only unionpay's gateway and gateway_b2b lead the payer to a bank",
        )),
        (None, _) => Ok(None),
    }
}

/// What the payer's browser runs on (channels.md 1.2, 4.3). WeChat must be told; UnionPay shows a phone its own page.
fn h5_type<'a>(fields: &Fields<'a>, pay_way: PayWay) -> Result<Option<&'a str>, Fault> {
    match (pay_way, fields.text("h5_type", 8)?) {
        (PayWay::H5, None) => Ok(Some("Wap")),
        (PayWay::H5 | PayWay::Gateway | PayWay::GatewayB2b, Some(kind))
            if ["iOS", "Android", "Wap"].contains(&kind) =>
        {
            Ok(Some(kind))
        }
        (_, None) => Ok(None),
        _ => Err(fields.wrong(
            "h5_type",
            "\"iOS\", \"Android\" or \"Wap\", for pay_way h5, gateway and gateway_b2b only",
        )),
    }
}

/// Where the payer's browser goes back to; whether the host is the merchant's is the registry's to say.
fn address(fields: &Fields<'_>, name: &str, fits: bool) -> Result<Option<Text>, Fault> {
    match fields.text(name, 256)? {
        Some(_) if !fits => {
            Err(fields.wrong(name, "absent: this way to pay does not send a browser back there"))
        }
        address => Ok(address.map(Text::from)),
    }
}

fn payer(value: &Value, channel: Channel) -> Result<Option<Payer>, Fault> {
    let Some(payer) = value.get("payer") else {
        return Ok(None);
    };
    let allowed: &[(&str, PayerField)] = match channel {
        Channel::Wechat => &[
            ("openid", PayerField::Openid),
            ("sub_openid", PayerField::SubOpenid),
        ],
        Channel::Alipay => &[
            ("buyer_id", PayerField::BuyerId),
            ("buyer_open_id", PayerField::BuyerOpenId),
        ],
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            return Err(Fault::new(
                Code::InvalidField,
                format!("`payer` must be absent for {channel}: nobody is asked who pays."),
            ));
        }
    };
    let names: Vec<&str> = allowed.iter().map(|(name, _)| *name).collect();
    let fields = Fields::new(payer, "payer.", &names)?;
    let mut found = None;
    for (name, field) in allowed {
        if let Some(text) = fields.text(name, 128)? {
            if found.is_some() || !text.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(fields.wrong(name, "the only id of the payer, in printable characters"));
            }
            found = Some(Payer {
                field: *field,
                value: text.into(),
            });
        }
    }
    match found {
        Some(payer) => Ok(Some(payer)),
        None => Err(Fault::new(
            Code::InvalidField,
            format!("`payer` must have {}.", names.join(" or ")),
        )),
    }
}

fn code(value: &Value) -> Result<domain::Code, Fault> {
    let Some(code) = value.get("code") else {
        return Ok(domain::Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        });
    };
    let fields = Fields::new(code, "code.", &["kind", "level"])?;
    let kind = match code.text("kind") {
        Some("static") => CodeKind::Static,
        Some("dynamic") => CodeKind::Dynamic,
        _ => return Err(fields.wrong("kind", "\"static\" or \"dynamic\"")),
    };
    let level = match code.text("level") {
        Some("A") => CodeLevel::A,
        Some("B") => CodeLevel::B,
        Some("C") => CodeLevel::C,
        Some("D") => CodeLevel::D,
        _ => return Err(fields.wrong("level", "\"A\", \"B\", \"C\" or \"D\"")),
    };
    match (kind, level) {
        (CodeKind::Static, CodeLevel::D)
        | (CodeKind::Dynamic, CodeLevel::A | CodeLevel::B | CodeLevel::C) => Ok(domain::Code { kind, level }),
        (CodeKind::Static, _) => Err(fields.wrong("level", "\"D\" for a static code")),
        (CodeKind::Dynamic, _) => Err(fields.wrong("level", "\"A\", \"B\" or \"C\" for a dynamic code")),
    }
}

fn area(fields: &Fields<'_>) -> Result<Option<String>, Fault> {
    let area = fields.text("area", 6)?;
    let lawful = |area: &str| area.len() == 6 && area.bytes().all(|b| b.is_ascii_digit());
    match area {
        Some(area) if !lawful(area) => Err(fields.wrong("area", "an area code of six digits")),
        Some(_) if fields.value.get("terminal").is_none() => {
            Err(fields.wrong("area", "left out where no terminal is named"))
        }
        area => Ok(area.map(str::to_owned)),
    }
}

const ITS_END: &str = "an RFC 3339 time with its zone, at least one minute and at most seven days ahead";

/// An end that is too near for what begins now.
pub(crate) fn ends_too_soon() -> Fault {
    Fault::new(Code::InvalidField, format!("`expires_at` must be {ITS_END}."))
        .breaks(Breach::Value, Some("expires_at"))
}

/// When it ends, and whether that is too near for what begins now. What is on record is repeated with its own end, however near.
fn expires(fields: &Fields<'_>, now: Instant) -> Result<Option<(Instant, bool)>, Fault> {
    let Some(text) = fields.text("expires_at", 40)? else {
        return Ok(None);
    };
    let time: jiff::Timestamp = text.parse().map_err(|_| fields.wrong("expires_at", ITS_END))?;
    let at = Instant::from_millis(time.as_millisecond());
    let ahead = at.millis().saturating_sub(now.millis());
    match ahead <= MOST_LIFE_MS {
        true => Ok(Some((Instant::from_secs(at.secs()), ahead < LEAST_LIFE_MS))),
        false => Err(fields.wrong("expires_at", ITS_END)),
    }
}

fn refund(value: &Value, order: OrderRef) -> Result<(Command, Clear), Fault> {
    let fields = Fields::new(value, "", &["refund_no", "amount", "reason", "hold"])?;
    let refund = Refund {
        order,
        refund_no: fields.must(
            "refund_no",
            "there: your own refund number",
            fields.name("refund_no", |t| RefundNo::new(t))?,
        )?,
        amount: fields.amount("amount")?,
        hold: fields.flag("hold")?,
        number: None,
    };
    if refund.refund_no.is_reserved() {
        return Err(fields.wrong(
            "refund_no",
            "a number that does not begin with \"surplus-\": those are given here",
        ));
    }
    let reason = fields.text("reason", 80)?.map(Text::from);
    let clear = Clear {
        refund: reason.map(|reason| RefundBuyer {
            reason: Some(reason),
            bank_account: None,
            name: None,
        }),
        ..Clear::default()
    };
    Ok((Command::Refund(refund), clear))
}

/// Where an abnormal refund shall go; a card and its name are the payer's data.
fn redirect(value: &Value, order: OrderRef, refund_no: RefundNo) -> Result<(Command, Clear), Fault> {
    let fields = Fields::new(value, "", &["to", "bank", "bank_account", "name"])?;
    let right = "\"payer_card\" or \"merchant_account\"";
    let to = match fields.text("to", 32)? {
        Some("payer_card") => RefundWay::PayerCard,
        Some("merchant_account") => RefundWay::MerchantAccount,
        _ => return Err(fields.wrong("to", right)),
    };
    let card = |name: &'static str, right: &str, fits: fn(&str) -> bool| match (to, fields.text(name, 64)?) {
        (RefundWay::PayerCard, Some(text)) if fits(text) => Ok(Some(text)),
        (RefundWay::MerchantAccount, None) => Ok(None),
        (RefundWay::PayerCard, _) => Err(fields.wrong(name, right)),
        (RefundWay::MerchantAccount, Some(_)) => Err(fields.wrong(name, "absent for to merchant_account")),
    };
    let bank = card(
        "bank",
        "the channel's word for the card's bank, such as ICBC_DEBIT",
        |text| {
            (1..=16).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        },
    )?;
    let number = card(
        "bank_account",
        "the number of the payer's card, 8 to 32 digits",
        |text| (8..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()),
    )?;
    let name = card("name", "the name on the payer's card", |text| {
        !text.trim().is_empty()
    })?;
    let clear = Clear {
        refund: number.map(|number| RefundBuyer {
            reason: None,
            bank_account: Some(Text::from(number)),
            name: name.map(Text::from),
        }),
        ..Clear::default()
    };
    let asked = Redirect {
        refund_no,
        to,
        bank: bank.map(std::sync::Arc::from),
    };
    Ok((Command::Redirect(order, asked), clear))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{settle, stages::claim::in_time};

    /// In its last minute an order is repeated with the end that is on record, and none begins.
    #[test]
    //= C27
    fn a_near_end_is_a_repeats_own_and_nothing_begins_with_it() {
        let order = settle::tests::order();
        let end = order.latest().expires;
        let read = |end: Instant, ahead_ms: i64| {
            let body = format!(
                r#"{{ "order_no": "shop-1", "channel": "wechat", "pay_way": "native", "amount": 100, "description": "t", "expires_at": "{end}" }}"#
            );
            let value = strict_json::parse(body.as_bytes()).expect("lawful");
            match create(&value, end.plus_millis(-ahead_ms)) {
                Ok((Command::Create(create), _)) => Some(create),
                _ => None,
            }
        };
        let content = order.latest().content;
        for (ahead, begins) in [(MOST_LIFE_MS, true), (60_000, true), (59_999, false), (-1, false)] {
            let create = read(end, ahead).expect("read");
            assert_eq!(create.expires, Some(end));
            assert_eq!(in_time(&create, None, &content).is_ok(), begins, "{ahead}");
            assert!(in_time(&create, Some(&order), &content).is_ok(), "{ahead}");
        }
        assert!(read(end, MOST_LIFE_MS + 1).is_none());
        // Not placed: what is sent now begins now.
        let lost = TradeEvent::AttemptNotPlaced {
            attempt: 1,
            code: None,
            declined: None,
            reason: NotPlaced::NeverSent,
        };
        let mut over = order;
        over.apply(over.last + 1, end, &lost);
        let create = read(end, 59_999).expect("read");
        assert!(in_time(&create, Some(&over), &content).is_err());
    }
}
