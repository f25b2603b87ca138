//! Orders at UnionPay: a code applied for, a bank's page opened, a query (channels.md 4.3, 4.4).

use super::fields::{Fields, is_free_text};
use super::{Call, Outcome, Refusal, codes, key};
use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, State};
use domain::Instant;

const DAY_MS: i64 = 86_400_000;

pub(super) struct Asked {
    way: &'static str,
    fen: u64,
    pub(super) until: Instant,
    back_url: String,
}

/// `yyyyMMddHHmmss` of China.
pub(super) fn time(text: &str) -> Option<Instant> {
    if text.len() != 14 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, to: usize| &text[from..to];
    let spelt = format!(
        "{}-{}-{}T{}:{}:{}+08:00",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14)
    );
    spelt
        .parse::<jiff::Timestamp>()
        .ok()
        .map(|at| Instant::from_millis(at.as_millisecond()))
}

/// Digits of a time of China: all, or without the year.
pub(super) fn digits(at: Instant) -> String {
    at.to_string()
        .chars()
        .take(19)
        .filter(char::is_ascii_digit)
        .collect()
}

/// A code for the payer to scan (主扫), or a `tn` for the merchant's app. The same order a second time is a duplicate and
/// gets neither again.
pub(super) fn apply(call: &Call<'_>, in_app: bool) -> Outcome {
    let asked = asked(call.fields, if in_app { "app" } else { "07" })?;
    let key = key(call);
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return Err(Refusal("12", "重复交易".into()));
        }
        let mut order = order(call, &asked);
        let (name, code) = match in_app {
            true => ("tn", keys::random_digits(21)),
            false => (
                "qrCode",
                format!("https://qr.95516.com/00010000/62{}", keys::random_digits(30)),
            ),
        };
        order.hand_out(code.clone(), asked.until);
        book.codes.insert(code.clone(), key.clone());
        book.numbers
            .insert((Channel::Unionpay, order.channel_no.clone()), key.clone());
        book.orders.insert(key, order);
        Ok(vec![(name, code), ("txnAmt", asked.fen.to_string())])
    })
}

/// The payer's browser brings the form to the gateway: from here on UnionPay has the order. The same form again shows the
/// same page; anything else under the number is refused.
pub(super) fn open(call: &Call<'_>) -> Outcome {
    let asked = asked(call.fields, "01")?;
    if call.fields.get("frontUrl").is_empty() {
        return Err(Refusal("13", "frontUrl不能为空".into()));
    }
    let key = key(call);
    call.world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return match order.state {
                _ if order.asked != call.fields.content() => Err(Refusal("12", "重复交易".into())),
                State::Unpaid => Ok(Vec::new()),
                State::Paid => Err(Refusal("12", "重复交易".into())),
                State::Closed => Err(Refusal("42", "交易超时".into())),
            };
        }
        if asked.until <= now() {
            return Err(Refusal("42", "交易超时".into()));
        }
        let mut order = order(call, &asked);
        order.scanned = true;
        book.numbers
            .insert((Channel::Unionpay, order.channel_no.clone()), key.clone());
        book.orders.insert(key, order);
        Ok(Vec::new())
    })
}

pub(super) fn asked(fields: &Fields, sub_type: &str) -> Result<Asked, Refusal> {
    let wrong = |name: &str| Refusal("10", format!("{name}格式错误"));
    for name in ["txnAmt", "currencyCode", "backUrl"] {
        if fields.get(name).is_empty() {
            return Err(Refusal("13", format!("{name}不能为空")));
        }
    }
    let way = match (
        sub_type,
        fields.get("txnSubType"),
        fields.get("bizType"),
        fields.get("channelType"),
    ) {
        ("07", "07", "000000", "08") => "qr",
        // Official samples of payment codes name a computer.
        ("06", "06", "000000", "07" | "08") => codes::WAY,
        ("app", "01", "000201", "08") => "app",
        ("01", "01", "000201", "07" | "08") => "gateway",
        ("01", "01", "000202", "07" | "08") => "gateway_b2b",
        _ => return Err(wrong("txnSubType")),
    };
    let fen = fields.get("txnAmt");
    let lawful =
        (1..=12).contains(&fen.len()) && !fen.starts_with('0') && fen.bytes().all(|b| b.is_ascii_digit());
    let fen = lawful
        .then(|| fen.parse::<u64>().ok())
        .flatten()
        .ok_or_else(|| wrong("txnAmt"))?;
    if fields.get("currencyCode") != "156" {
        return Err(wrong("currencyCode"));
    }
    if !is_free_text(fields.get("reqReserved")) {
        return Err(wrong("reqReserved"));
    }
    if !told_of_goods(fields.get("riskRateInfo")) {
        return Err(wrong("riskRateInfo"));
    }
    // The bank that the browser is led to: at the gateway only, a short code such as ICBC.
    let bank = fields.get("issInsCode");
    let lawful = (2..=20).contains(&bank.len())
        && bank.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase())
        && sub_type == "01";
    if !bank.is_empty() && !lawful {
        return Err(wrong("issInsCode"));
    }
    // The terminal's number, of codes in both directions: eight letters and digits, as its column in the settlement file is.
    let terminal = fields.get("termId");
    let lawful = terminal.len() == 8
        && terminal.bytes().all(|b| b.is_ascii_alphanumeric())
        && matches!(sub_type, "06" | "07");
    if !terminal.is_empty() && !lawful {
        return Err(wrong("termId"));
    }
    let until = match fields.get("payTimeout") {
        "" => now().plus_millis(DAY_MS),
        text => time(text).ok_or_else(|| wrong("payTimeout"))?,
    };
    Ok(Asked {
        way,
        fen,
        until,
        back_url: fields.get("backUrl").to_owned(),
    })
}

/// `{name=value&name=value}`, such as `{commodityName=…}`; which names there are, the sandbox does not know.
fn told_of_goods(text: &str) -> bool {
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let pair = |pair: &str| {
        pair.split_once('=')
            .is_some_and(|(name, value)| !name.is_empty() && !value.contains(['=', '{', '}']))
    };
    text.is_empty() || inner.is_some_and(|inner| inner.split('&').all(pair))
}

pub(super) fn order(call: &Call<'_>, asked: &Asked) -> Order {
    let created = now();
    let mut order = Order {
        channel: Channel::Unionpay,
        merchant: call.number,
        sub_mchid: None,
        combined: None,
        out_trade_no: call.fields.get("orderId").to_owned(),
        channel_no: query_id(created),
        way: asked.way,
        fen: asked.fen,
        asked: call.fields.content(),
        notify_url: Some(asked.back_url.clone()),
        key_mode: KeyMode::Certificate,
        codes: Vec::new(),
        state: State::Unpaid,
        scanned: false,
        payer: Order::random_payer(Channel::Unionpay),
        declined: 0,
        created,
        until: asked.until,
        paid: None,
        refunds: Vec::new(),
        calls: Default::default(),
        notices: Vec::new(),
    };
    order.count(Operation::Create);
    order
}

/// UnionPay's number of a transaction: 21 digits.
pub(super) fn query_id(at: Instant) -> String {
    let time = digits(at);
    format!(
        "78{}{}8",
        time.get(2..).unwrap_or_default(),
        keys::random_digits(6)
    )
}

/// What became of an order. Until somebody opens or scans it UnionPay does not know it; before its time is over neither that
/// nor a card that was refused is the last word.
pub(super) fn query(call: &Call<'_>) -> Outcome {
    let key = key(call);
    call.world.with(|book| {
        let order = book.order(&key).ok_or_else(missing)?;
        order.count(Operation::Query);
        if order.asked["txnTime"] != call.fields.get("txnTime") {
            return Err(missing());
        }
        told(order).ok_or_else(missing)
    })
}

/// An order as a query shows it, where UnionPay knows it.
pub(super) fn told(order: &Order) -> Option<Vec<(&'static str, String)>> {
    let said = match order.state {
        State::Paid => paid(order),
        // It may name the card that was refused.
        _ if order.declined > 0 && order.way == codes::WAY => vec![
            ("origRespCode", "64".into()),
            ("origRespMsg", "卡上的余额不足[1000064]".into()),
            ("txnAmt", order.fen.to_string()),
            ("accNo", order.payer.clone()),
        ],
        _ if order.declined > 0 => vec![
            ("origRespCode", "64".into()),
            ("origRespMsg", "卡余额不足[1000064]".into()),
            ("txnAmt", order.fen.to_string()),
        ],
        State::Unpaid if order.scanned => vec![
            ("origRespCode", "05".into()),
            ("origRespMsg", "交易已受理，请稍后查询[0000005]".into()),
            ("txnAmt", order.fen.to_string()),
        ],
        _ => return None,
    };
    Some(of_kind(&order.asked, said))
}

/// An answer to a query states the kind of what was asked for, not the query's own.
pub(super) fn of_kind(
    asked: &serde_json::Value,
    mut said: Vec<(&'static str, String)>,
) -> Vec<(&'static str, String)> {
    for name in ["txnType", "txnSubType"] {
        said.extend(asked[name].as_str().map(|kind| (name, kind.to_owned())));
    }
    said
}

pub(super) fn missing() -> Refusal {
    Refusal("34", "查无此交易".into())
}

/// `settleDate`: MMDD of the day in whose file it is counted.
pub(super) fn settled(at: Instant) -> String {
    let day = crate::channels::bills::counted(Channel::Unionpay, at);
    digits(day.start()).get(4..8).unwrap_or_default().to_owned()
}

/// Facts of a payment, in answers and notices alike.
pub(super) fn facts(order: &Order) -> Vec<(&'static str, String)> {
    let traced = digits(order.paid.unwrap_or(order.created));
    let (day, time) = (
        settled(order.paid.unwrap_or(order.created)),
        traced.get(4..).unwrap_or_default().to_owned(),
    );
    vec![
        ("queryId", order.channel_no.clone()),
        (
            "traceNo",
            order.channel_no.get(14..20).unwrap_or_default().to_owned(),
        ),
        ("traceTime", time),
        ("settleDate", day),
        ("settleAmt", order.fen.to_string()),
        ("settleCurrencyCode", "156".into()),
        ("txnAmt", order.fen.to_string()),
        ("currencyCode", "156".into()),
        ("payCardType", "01".into()),
        ("payType", "0201".into()),
        (
            "issInsCode",
            order.asked["issInsCode"].as_str().unwrap_or("ICBC").into(),
        ),
        ("accNo", order.payer.clone()),
    ]
}

fn paid(order: &Order) -> Vec<(&'static str, String)> {
    let mut said = facts(order);
    said.extend([
        ("origRespCode", "00".to_owned()),
        ("origRespMsg", "成功[0000000]".to_owned()),
    ]);
    if let Some(text) = order.asked["reqReserved"].as_str() {
        said.push(("reqReserved", text.to_owned()));
    }
    said
}
