//! Differences on command: what a bill says otherwise than the channel did.

use super::{Line, of_day, of_order, payment};
use crate::channels::control::{Outcome, Refusal};
use crate::channels::fault::Channel;
use crate::channels::world::{Book, World};
use domain::Day;
use serde::Deserialize;
use serde_json::json;

/// How the bill differs from what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::channels) enum Difference {
    /// The line stands twice.
    Repeated,
    /// A line of an order that never was.
    OnlyAtChannel,
    /// The line is missing.
    OnlyHere,
    /// One fen more.
    Amount,
    /// An unpaid order stands as paid; a refund (WeChat Pay) as failed.
    State,
    /// Another number of the channel.
    TradeNo,
    /// The line stands in the next day's bill.
    Day,
    /// UnionPay's file of exceptions has the line too; without an order it has one of nobody.
    Corrected,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    out_trade_no: String,
    out_refund_no: Option<String>,
    difference: Difference,
}

/// A difference in one bill.
pub(super) struct Plant {
    channel: Channel,
    merchant: usize,
    day: Day,
    asked: Asked,
}

/// `POST /control/bills`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::channels) struct Control {
    channel: Channel,
    /// WeChat Pay's mchid, Alipay's app_id, UnionPay's merId.
    account: String,
    day: String,
    /// False: the bill is being made, until it is true again.
    ready: Option<bool>,
    #[serde(default)]
    plant: Vec<Asked>,
}

pub(in crate::channels) fn control(world: &World, asked: Control) -> Outcome {
    let known = match asked.channel {
        Channel::Wechat => world.merchant_by_mchid(&asked.account),
        Channel::Alipay => world.merchant_by_app(&asked.account),
        Channel::Unionpay => world.merchant_by_mer_id(&asked.account),
        // It has no bill that is documented: what is planted stands in the answers to queries.
        Channel::Baidu => world.merchant_by_sp_no(&asked.account),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            return Err(Refusal::bad("bills of banks are not played"));
        }
    };
    let (merchant, _) = known.ok_or_else(|| Refusal::bad("no such account"))?;
    let day = Day::parse(&asked.day).ok_or_else(|| Refusal::bad("day must be written as 2026-11-23"))?;
    world.with(|book| {
        // All of them or none: who is refused asks again.
        for plant in &asked.plant {
            sensible(book, asked.channel, merchant, plant)?;
        }
        for plant in asked.plant {
            book.bills.plants.push(Plant {
                channel: asked.channel,
                merchant,
                day,
                asked: plant,
            });
        }
        let key = (asked.channel, merchant, day);
        match asked.ready {
            Some(true) => drop(book.bills.late.remove(&key)),
            Some(false) => drop(book.bills.late.insert(key)),
            None => {}
        }
        let mut all = of_day(book, asked.channel, merchant, day);
        work(book, asked.channel, merchant, day, &mut all);
        Ok(json!({"ok": true, "lines": all.len()}))
    })
}

/// What is planted must be able to differ.
fn sensible(book: &Book, channel: Channel, merchant: usize, asked: &Asked) -> Result<(), Refusal> {
    let order = book.orders.get(&(channel, merchant, asked.out_trade_no.clone()));
    let answerable = [Difference::OnlyHere, Difference::Amount, Difference::TradeNo];
    if channel == Channel::Baidu && !answerable.contains(&asked.difference) {
        return Err(Refusal::bad(
            "the Baidu wallet is asked order by order: an answer can show only_here, amount and trade_no",
        ));
    }
    match (asked.difference, order) {
        (Difference::OnlyAtChannel, Some(_)) => Err(Refusal::bad(
            "only_at_channel must name an order that is not there",
        )),
        (Difference::Corrected, _) if channel != Channel::Unionpay => {
            Err(Refusal::bad("only UnionPay has a file of exceptions"))
        }
        (Difference::OnlyAtChannel | Difference::Corrected, None) => Ok(()),
        (_, None) => Err(Refusal::bad("no such order")),
        (Difference::State, Some(order)) => match &asked.out_refund_no {
            None if order.paid.is_some() => Err(Refusal::bad(
                "state of a payment must name an order that is not paid",
            )),
            Some(_) if channel != Channel::Wechat => {
                Err(Refusal::bad("only WeChat Pay's bill has a state of refunds"))
            }
            _ => Ok(()),
        },
        (_, Some(order)) if order.paid.is_none() => {
            Err(Refusal::bad("the order is not paid: no bill has it"))
        }
        (_, Some(order)) => match &asked.out_refund_no {
            Some(refund) if order.refund(refund).is_none() => Err(Refusal::bad("no such refund")),
            _ => Ok(()),
        },
    }
}

/// What was planted in the answers about an order, or about a refund of it.
pub(in crate::channels) fn answered(
    book: &Book,
    channel: Channel,
    merchant: usize,
    out_trade_no: &str,
    refund: Option<&str>,
) -> Option<Difference> {
    let own = |plant: &&Plant| {
        (plant.channel, plant.merchant) == (channel, merchant)
            && plant.asked.out_trade_no == out_trade_no
            && plant.asked.out_refund_no.as_deref() == refund
    };
    book.bills
        .plants
        .iter()
        .find(own)
        .map(|plant| plant.asked.difference)
}

impl Plant {
    pub(super) fn is_of(&self, merchants: impl Fn(usize) -> bool) -> bool {
        merchants(self.merchant)
    }

    fn is(&self, line: &Line) -> bool {
        line.out_trade_no == self.asked.out_trade_no
            && line.refund.as_ref().map(|(no, _)| no) == self.asked.out_refund_no.as_ref()
    }
}

/// Makes a day's lines differ as was asked.
pub(super) fn work(book: &Book, channel: Channel, merchant: usize, day: Day, all: &mut Vec<Line>) {
    let before = Day::from_number(day.number() - 1);
    for plant in book
        .bills
        .plants
        .iter()
        .filter(|p| p.channel == channel && p.merchant == merchant)
    {
        match plant.asked.difference {
            Difference::Day if plant.day == before => {
                let order = book
                    .orders
                    .get(&(channel, merchant, plant.asked.out_trade_no.clone()));
                all.extend(order.into_iter().flat_map(of_order).filter(|line| plant.is(line)));
            }
            _ if plant.day != day => {}
            Difference::Day | Difference::OnlyHere => all.retain(|line| !plant.is(line)),
            Difference::Repeated => {
                let twice = all.iter().find(|line| plant.is(line)).cloned();
                all.extend(twice);
            }
            Difference::Amount => touch(all, plant, |line| line.fen += 1),
            Difference::TradeNo => touch(all, plant, |line| match &mut line.refund {
                Some((_, own)) if channel != Channel::Alipay => *own = other(own),
                _ => line.trade_no = other(&line.trade_no),
            }),
            Difference::State if plant.asked.out_refund_no.is_some() => {
                touch(all, plant, |line| line.failed = true)
            }
            Difference::State => {
                let order = book
                    .orders
                    .get(&(channel, merchant, plant.asked.out_trade_no.clone()));
                all.extend(
                    order
                        .filter(|order| order.paid.is_none())
                        .map(|order| payment(order, noon(day))),
                );
            }
            Difference::OnlyAtChannel => all.push(never(channel, plant, day)),
            // In a file of its own.
            Difference::Corrected => {}
        }
    }
}

/// Lines of UnionPay's file of exceptions.
pub(super) fn corrected(book: &Book, merchant: usize, day: Day, all: &[Line]) -> Vec<Line> {
    let own = |plant: &&Plant| {
        (plant.channel, plant.merchant, plant.day) == (Channel::Unionpay, merchant, day)
            && matches!(plant.asked.difference, Difference::Corrected)
    };
    let of = |plant: &Plant| {
        let line = all.iter().find(|line| plant.is(line)).cloned();
        line.unwrap_or_else(|| never(Channel::Unionpay, plant, day))
    };
    book.bills.plants.iter().filter(own).map(of).collect()
}

fn touch(all: &mut [Line], plant: &Plant, change: impl Fn(&mut Line)) {
    all.iter_mut().filter(|line| plant.is(line)).for_each(change);
}

fn noon(day: Day) -> domain::Instant {
    day.start().plus_millis(12 * 3_600_000)
}

/// Another number of the same form.
pub(in crate::channels) fn other(number: &str) -> String {
    let last = number
        .bytes()
        .last()
        .map_or(b'0', |b| if b == b'9' { b'0' } else { b + 1 });
    format!(
        "{}{}",
        &number[..number.len().saturating_sub(1)],
        char::from(last)
    )
}

fn never(channel: Channel, plant: &Plant, day: Day) -> Line {
    let digits: String = plant
        .asked
        .out_trade_no
        .bytes()
        .map(|b| char::from(b'0' + b % 10))
        .chain("0".repeat(24).chars())
        .take(24)
        .collect();
    Line {
        at: noon(day),
        out_trade_no: plant.asked.out_trade_no.clone(),
        trade_no: match channel {
            Channel::Wechat => format!("4200{digits}"),
            Channel::Unionpay => format!("78{}", &digits[..19]),
            Channel::Alipay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => {
                format!("20260101{digits}")
            }
        },
        refund: None,
        begun: noon(day),
        fen: 100,
        undone: false,
        way: if channel == Channel::Wechat {
            "NATIVE"
        } else {
            "precreate"
        },
        appid: String::new(),
        payer: String::new(),
        goods: "茶".to_owned(),
        device: String::new(),
        store: String::new(),
        failed: false,
        sub_mchid: None,
    }
}
