//! Bills: made from what the sandbox did, one line for each payment and each refund of a day, with differences on command.

pub(crate) mod alipay;
mod plant;
pub(crate) mod unionpay;
pub(crate) mod wechat;

pub(super) use plant::{Difference, answered, control, other};

use super::clock;
use super::fault::Channel;
use super::keys;
use super::order::Order;
use super::world::{Book, World};
use bytes::Bytes;
use domain::{Day, Instant};
use plant::Plant;
use std::collections::{HashMap, HashSet};

/// How long an address for a download is good: five minutes at WeChat Pay, which is more than Alipay gives.
const GOOD_MS: i64 = 5 * 60_000;
/// Bills go back three months.
const MONTHS: i32 = 92;
/// They are there from 10:00 of the next day on.
const READY_MS: i64 = 10 * 3_600_000;

/// What stands in bills beside the orders, and what was handed out.
#[derive(Default)]
pub(crate) struct Bills {
    plants: Vec<Plant>,
    late: HashSet<(Channel, usize, Day)>,
    files: HashMap<String, File>,
}

impl Bills {
    /// Forgets what is of other merchants than those spared.
    pub(crate) fn forget(&mut self, spared: impl Fn(usize) -> bool) {
        self.plants.retain(|plant| plant.is_of(&spared));
        self.late.retain(|(_, merchant, _)| spared(*merchant));
        self.files.retain(|_, file| spared(file.merchant));
    }
}

struct File {
    channel: Channel,
    merchant: usize,
    octets: Bytes,
    until: Instant,
}

/// One line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    at: Instant,
    out_trade_no: String,
    /// The payment's number at the channel.
    trade_no: String,
    /// A refund's numbers: the merchant's, the channel's.
    refund: Option<(String, String)>,
    /// When a refund was asked for; of a payment when it was made.
    begun: Instant,
    fen: u64,
    /// UnionPay undid the payment on its own day (消费撤销).
    undone: bool,
    way: &'static str,
    appid: String,
    payer: String,
    goods: String,
    /// The shop's device, by its number: WeChat's `device_id` and `device_info`, Alipay's `terminal_id`, UnionPay's `termId`.
    device: String,
    /// Alipay's `store_id`.
    store: String,
    failed: bool,
    /// Paid to a sub-merchant of WeChat's service provider.
    sub_mchid: Option<String>,
}

/// Why there is no bill.
pub(crate) enum NoBill {
    /// The date is none, or not one of the last three months before today.
    Date,
    /// Nothing happened that day, or it is too early.
    None,
    /// It is being made.
    Late,
}

/// The lines of a merchant's day, in the order of time.
pub(crate) fn lines(
    book: &Book,
    channel: Channel,
    merchant: usize,
    text: &str,
    now: Instant,
) -> Result<Vec<Line>, NoBill> {
    let day = Day::parse(text)
        .filter(|day| *day < now.day() && day.number() >= now.day().number() - MONTHS)
        .ok_or(NoBill::Date)?;
    if book.bills.late.contains(&(channel, merchant, day)) {
        return Err(NoBill::Late);
    }
    if now < Day::from_number(day.number() + 1).start().plus_millis(READY_MS) {
        return Err(NoBill::None);
    }
    let mut all = of_day(book, channel, merchant, day);
    plant::work(book, channel, merchant, day, &mut all);
    all.sort_by(|a, b| (a.at, &a.out_trade_no, &a.refund).cmp(&(b.at, &b.out_trade_no, &b.refund)));
    if all.is_empty() {
        Err(NoBill::None)
    } else {
        Ok(all)
    }
}

fn of_day(book: &Book, channel: Channel, merchant: usize, day: Day) -> Vec<Line> {
    let own = book
        .orders
        .iter()
        .filter(|(key, _)| key.0 == channel && key.1 == merchant);
    own.flat_map(|(_, order)| of_order(order))
        .filter(|line| counted(channel, line.at) == day)
        .collect()
}

/// The day in whose bill a channel counts this: UnionPay settles from 23:00 to 23:00.
pub(in crate::channels) fn counted(channel: Channel, at: Instant) -> Day {
    match channel {
        Channel::Unionpay => at.plus_millis(3_600_000).day(),
        Channel::Wechat | Channel::Alipay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            at.day()
        }
    }
}

/// The payment and the refunds that are done.
fn of_order(order: &Order) -> Vec<Line> {
    let Some(paid) = order.paid else { return Vec::new() };
    let mut all = vec![payment(order, paid)];
    for refund in &order.refunds {
        let Some(done) = refund.done else { continue };
        all.push(Line {
            // UnionPay dates a refund by when it was asked for, in answers and files alike.
            at: if order.channel == Channel::Unionpay {
                refund.created
            } else {
                done
            },
            begun: refund.created,
            undone: refund.asked["txnType"] == "31",
            fen: refund.fen,
            refund: Some((refund.out_no.clone(), refund.channel_no.clone())),
            ..payment(order, paid)
        });
    }
    all
}

fn payment(order: &Order, at: Instant) -> Line {
    let text = |name: &str| order.asked[name].as_str().unwrap_or_default().to_owned();
    let goods = if order.channel == Channel::Wechat {
        text("description")
    } else {
        text("subject")
    };
    Line {
        at,
        begun: at,
        out_trade_no: order.out_trade_no.clone(),
        trade_no: order.channel_no.clone(),
        refund: None,
        fen: order.fen,
        undone: false,
        way: order.way,
        appid: text("appid"),
        payer: order.payer.clone(),
        goods,
        device: match order.channel {
            Channel::Wechat => order.asked["scene_info"]["device_id"]
                .as_str()
                .map_or_else(|| text("device_info"), str::to_owned),
            Channel::Unionpay => text("termId"),
            _ => text("terminal_id"),
        },
        store: text("store_id"),
        failed: false,
        sub_mchid: order.sub_mchid.clone(),
    }
}

/// Lays a file down for its merchant; the token that fetches it.
pub(crate) fn lay_down(book: &mut Book, channel: Channel, merchant: usize, octets: Vec<u8>) -> String {
    let now = clock::now();
    book.bills.files.retain(|_, file| file.until > now);
    let token = keys::random_text(40);
    let file = File {
        channel,
        merchant,
        octets: octets.into(),
        until: now.plus_millis(GOOD_MS),
    };
    book.bills.files.insert(token.clone(), file);
    token
}

/// Whose file a token fetches: whoever fetches it says nothing else of himself at Alipay.
pub(crate) fn owner(world: &World, query: &str) -> Option<usize> {
    let (_, token) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "token")?;
    world.with(|book| book.bills.files.get(&*token).map(|file| file.merchant))
}

/// The file of a token, if it is good and this merchant's, where a merchant must say who it is.
pub(crate) fn file(world: &World, channel: Channel, merchant: Option<usize>, query: &str) -> Option<Bytes> {
    let token = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "token")
        .map(|(_, token)| token.into_owned())?;
    world.with(|book| {
        let file = book
            .bills
            .files
            .get(&token)
            .filter(|file| file.channel == channel && file.until > clock::now())?;
        merchant
            .is_none_or(|merchant| merchant == file.merchant)
            .then(|| file.octets.clone())
    })
}

/// Yuan with two decimals.
fn yuan(fen: u64) -> String {
    domain::Amount::from_fen(fen).to_yuan()
}

/// 0.60 % in yuan with five decimals: six thousandths of a fen for each fen.
fn fee(fen: u64) -> String {
    let millifen = fen * 6;
    format!("{}.{:05}", millifen / 100_000, millifen % 100_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channels::order::{KeyMode, State};
    use serde_json::{Value, json};

    fn line(channel: Channel, way: &'static str, asked: Value) -> Line {
        let order = Order {
            channel,
            merchant: 0,
            out_trade_no: "A1234567".into(),
            sub_mchid: None,
            combined: None,
            channel_no: "42000000012026010112".into(),
            way,
            fen: 100,
            asked,
            notify_url: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Paid,
            scanned: true,
            payer: "o1".into(),
            declined: 0,
            created: Instant::default(),
            until: Instant::default(),
            paid: Some(Instant::default()),
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        payment(&order, Instant::default())
    }

    /// 设备号, 终端号 and 门店编号 are what the order said.
    #[test]
    fn bills_show_the_shops_device_where_the_channel_does() {
        for asked in [
            json!({ "scene_info": { "device_id": "POS-0001" } }),
            json!({ "device_info": "POS-0001" }),
        ] {
            let text = wechat::trade(
                &[line(Channel::Wechat, "NATIVE", asked)],
                "1900000109",
                wechat::Lines::All,
            );
            let row = text.lines().nth(1).unwrap_or_default();
            assert_eq!(row.split(",`").nth(4), Some("POS-0001"), "{row}");
        }
        let asked = json!({ "terminal_id": "POS-0001", "store_id": "S-0001" });
        let text = alipay::details(
            &[line(Channel::Alipay, "precreate", asked)],
            "2088000000000001",
            "2026-01-01",
        );
        let row = text
            .lines()
            .find(|row| row.contains("A1234567"))
            .unwrap_or_default();
        let cells: Vec<_> = row.split(',').map(|cell| cell.trim_end_matches('\t')).collect();
        assert_eq!((cells[6], cells[9]), ("S-0001", "POS-0001"), "{row}");
        let asked = json!({ "termId": "49000002" });
        let row = unionpay::row(&line(Channel::Unionpay, "qr", asked), "777290058110048");
        assert!(row.contains(" 49000002 "), "{row}");
    }
}
