//! WeChat Pay's trade bill and fund-flow bill: UTF-8 with BOM, cells behind a back-tick, two lines of sums.

use super::{Line, NoBill, fee, lines, yuan};
use crate::channels::clock::{china, now};
use crate::channels::fault::Channel;
use crate::channels::wechat::v2::REVERSE;
use crate::channels::world::{Merchant, World};
use flate2::{Compression, write::GzEncoder};
use std::fmt::Write as _;
use std::io::Write as _;

const TRADE: &str = "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注";
/// Columns of refunds, which a bill of payments does not have; and those that a bill of refunds has beside, in front of the first
/// of these [their place is unverified].
const OF_REFUNDS: [&str; 7] = [
    "微信退款单号",
    "商户退款单号",
    "退款金额",
    "充值券退款金额",
    "退款类型",
    "退款状态",
    "申请退款金额",
];
const TIMES_OF_REFUNDS: [&str; 2] = ["退款申请时间", "退款成功时间"];
const TRADE_SUMS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额";
const FUNDS: &str = "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号";
const FUNDS_SUMS: &str = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额";

/// Which bill.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Trade,
    Funds,
}

/// Which lines of a trade bill: `bill_type` (channels.md 1.13).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// `ALL`.
    All,
    /// `SUCCESS`: payments.
    Payments,
    /// `REFUND`.
    Refunds,
}

impl Lines {
    /// By its name; all of them where none is given.
    pub(crate) fn named(name: Option<&str>) -> Option<Lines> {
        match name {
            None | Some("ALL") => Some(Lines::All),
            Some("SUCCESS") => Some(Lines::Payments),
            Some("REFUND") => Some(Lines::Refunds),
            Some(_) => None,
        }
    }

    /// A reversed payment-code order has a line of its own in the whole bill, and is neither paid nor refunded in the others
    /// [unverified].
    fn has(self, line: &Line) -> bool {
        match (self, &line.refund) {
            (Lines::All, _) | (Lines::Payments, None) => true,
            (Lines::Refunds, Some((own, _))) => !own.starts_with(REVERSE),
            (Lines::Payments, Some(_)) | (Lines::Refunds, None) => false,
        }
    }

    fn columns(self) -> Vec<&'static str> {
        let all = TRADE.split(',');
        match self {
            Lines::All => all.collect(),
            Lines::Payments => all.filter(|name| !OF_REFUNDS.contains(name)).collect(),
            Lines::Refunds => all
                .flat_map(|name| {
                    let before = if name == OF_REFUNDS[0] {
                        &TIMES_OF_REFUNDS[..]
                    } else {
                        &[]
                    };
                    before.iter().copied().chain([name])
                })
                .collect(),
        }
    }
}

/// What a bill is asked for.
pub(crate) struct Asked<'a> {
    pub(crate) kind: Kind,
    pub(crate) lines: Lines,
    pub(crate) day: &'a str,
    /// One sub-merchant's orders only.
    pub(crate) sub_mchid: Option<&'a str>,
}

/// The bill's text. A service provider's trade bill has its sub-merchants' orders, or those of the one that is asked for; what
/// they are paid moves on their own accounts, so the fund-flow bill has none of it.
pub(crate) fn text(
    world: &World,
    number: usize,
    merchant: &Merchant,
    asked: &Asked<'_>,
) -> Result<String, NoBill> {
    let mut all = world.with(|book| lines(book, Channel::Wechat, number, asked.day, now()))?;
    let of = |line: &Line| {
        let sub = asked.sub_mchid;
        asked.lines.has(line) && sub.is_none_or(|sub| line.sub_mchid.as_deref() == Some(sub))
    };
    all.retain(|line| match asked.kind {
        Kind::Trade => of(line),
        Kind::Funds => line.sub_mchid.is_none(),
    });
    if all.is_empty() {
        return Err(NoBill::None);
    }
    Ok(match asked.kind {
        Kind::Trade => trade(&all, &merchant.facts.wechat.mchid, asked.lines),
        Kind::Funds => funds(&all, &merchant.facts.wechat.mchid),
    })
}

/// Packed; the same text always gives the same octets.
pub(crate) fn gzip(text: &str) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed
        .write_all(text.as_bytes())
        .and_then(|()| packed.finish())
        .unwrap_or_default()
}

/// A comma inside a text becomes back-slash and space; line ends and back-ticks have no place in a cell.
fn cell(text: &str) -> String {
    text.replace(',', "\\ ")
        .chars()
        .filter(|c| !matches!(c, '\n' | '\r' | '`'))
        .collect()
}

fn row(text: &mut String, cells: &[&str]) {
    let _ = writeln!(text, "`{}", cells.join(",`"));
}

pub(super) fn trade(all: &[Line], mchid: &str, lines: Lines) -> String {
    let columns = lines.columns();
    let mut text = format!("\u{feff}{}\n", columns.join(","));
    let (mut paid, mut refunded, mut fees) = (0, 0, 0);
    for line in all {
        let (at, goods, amount) = (china(line.at), cell(&line.goods), yuan(line.fen));
        let begin = [
            at.as_str(),
            &line.appid,
            mchid,
            line.sub_mchid.as_deref().unwrap_or("0"),
            &line.device,
            &line.trade_no,
            &line.out_trade_no,
            &line.payer,
            line.way,
        ];
        let rest = match &line.refund {
            None => {
                paid += line.fen;
                fees += line.fen * 6;
                [
                    "SUCCESS",
                    "OTHERS",
                    "CNY",
                    &amount,
                    "0.00",
                    "0",
                    "0",
                    "0.00",
                    "0.00",
                    "",
                    "",
                    &goods,
                    "",
                    &fee(line.fen),
                    "0.60%",
                    &amount,
                    "0.00",
                    "",
                ]
                .map(str::to_owned)
            }
            // The line of a payment-code order that was reversed: the order's amount once more, and nothing under refunds.
            Some((own, _)) if own.starts_with(REVERSE) => {
                paid += line.fen;
                [
                    "REVOKED", "OTHERS", "CNY", &amount, "0.00", "0", "0", "0.00", "0.00", "", "", &goods,
                    "", "0.00000", "0.60%", &amount, "0.00", "",
                ]
                .map(str::to_owned)
            }
            Some((own, channel_no)) => {
                refunded += line.fen;
                let state = if line.failed { "FAIL" } else { "SUCCESS" };
                [
                    "REFUND", "OTHERS", "CNY", "0.00", "0.00", channel_no, own, &amount, "0.00", "ORIGINAL",
                    state, &goods, "", "0.00000", "0.60%", "0.00", &amount, "",
                ]
                .map(str::to_owned)
            }
        };
        let cells = begin.into_iter().chain(rest.iter().map(String::as_str));
        let times = [china(line.begun), china(line.at)];
        let times = TIMES_OF_REFUNDS.into_iter().zip(times.iter().map(String::as_str));
        let named: Vec<(&str, &str)> = TRADE.split(',').zip(cells).chain(times).collect();
        let cell_of = |column: &&str| {
            named
                .iter()
                .find(|(name, _)| name == column)
                .map(|(_, cell)| *cell)
        };
        let cells: Vec<&str> = columns.iter().filter_map(cell_of).collect();
        row(&mut text, &cells);
    }
    let _ = writeln!(text, "{TRADE_SUMS}");
    let fees = format!("{}.{:02}", fees / 100_000, fees / 1000 % 100);
    row(
        &mut text,
        &[
            &format!("{}.0", all.len()),
            &yuan(paid),
            &yuan(refunded),
            "0.0",
            &fees,
            &yuan(paid),
            &yuan(refunded),
        ],
    );
    text
}

fn funds(all: &[Line], mchid: &str) -> String {
    let mut text = format!("\u{feff}{FUNDS}\n");
    let (mut balance, mut came, mut went, mut in_count, mut out_count) = (10_000_000_u64, 0, 0, 0, 0);
    for (line, n) in all.iter().filter(|line| !line.failed).zip(1..) {
        let at = china(line.at);
        let (number, own, names, applicant) = match &line.refund {
            None => (
                &line.trade_no,
                &line.out_trade_no,
                ["交易", "交易", "收入"],
                "system".to_owned(),
            ),
            Some((own, channel_no)) => (channel_no, own, ["退款", "退款", "支出"], format!("{mchid}API")),
        };
        if line.refund.is_none() {
            (balance, came, in_count) = (balance + line.fen, came + line.fen, in_count + 1);
        } else {
            (balance, went, out_count) = (balance.saturating_sub(line.fen), went + line.fen, out_count + 1);
        }
        let flow = format!("10000000{n:020}");
        row(
            &mut text,
            &[
                &at,
                number,
                &flow,
                names[0],
                names[1],
                names[2],
                &yuan(line.fen),
                &yuan(balance),
                &applicant,
                "",
                own,
            ],
        );
        let charge = (line.fen * 6 / 1000).max(u64::from(line.fen > 0));
        if line.refund.is_none() && charge > 0 {
            (balance, went, out_count) = (balance.saturating_sub(charge), went + charge, out_count + 1);
            let flow = format!("20000000{n:020}");
            row(
                &mut text,
                &[
                    &at,
                    number,
                    &flow,
                    "交易",
                    "扣除交易手续费",
                    "支出",
                    &yuan(charge),
                    &yuan(balance),
                    "system",
                    "",
                    own,
                ],
            );
        }
    }
    let _ = writeln!(text, "{FUNDS_SUMS}");
    row(
        &mut text,
        &[
            &(in_count + out_count).to_string(),
            &in_count.to_string(),
            &yuan(came),
            &out_count.to_string(),
            &yuan(went),
        ],
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Instant;

    fn line(fen: u64, refund: Option<&str>) -> Line {
        Line {
            at: Instant::from_secs(1_767_225_600),
            out_trade_no: "A1".into(),
            trade_no: "4200".into(),
            refund: refund.map(|own| (own.to_owned(), "5000".to_owned())),
            begun: Instant::from_secs(1_767_225_000),
            fen,
            undone: false,
            way: "MICROPAY",
            appid: "wx1".into(),
            payer: "o1".into(),
            goods: "茶, 大".into(),
            device: String::new(),
            store: String::new(),
            failed: false,
            sub_mchid: None,
        }
    }

    /// channels.md 1.13: payments drop the refund columns, refunds have two times more.
    #[test]
    fn a_bill_of_payments_and_one_of_refunds_have_their_own_lines_and_columns() {
        let reverse = format!("{REVERSE}4200");
        let all = [line(1001, None), line(303, Some("R1")), line(702, Some(&reverse))];
        let of = |lines: Lines| {
            let own: Vec<Line> = all.iter().filter(|line| lines.has(line)).cloned().collect();
            let text = trade(&own, "1900000109", lines);
            let texts: Vec<String> = text
                .trim_start_matches('\u{feff}')
                .lines()
                .map(str::to_owned)
                .collect();
            assert_eq!(texts.len(), own.len() + 3, "{text}");
            let names: Vec<String> = texts[0].split(',').map(str::to_owned).collect();
            let first = texts[1].trim_start_matches('`').split(",`").map(str::to_owned);
            let first: Vec<String> = first.collect();
            assert_eq!(names.len(), first.len(), "{text}");
            (names.len(), names.into_iter().zip(first).collect::<Vec<_>>())
        };
        let said = |cells: &[(String, String)], name: &str| {
            let mut of = cells.iter().filter(|(own, _)| own == name);
            of.next().map(|(_, cell)| cell.clone())
        };
        assert_eq!(of(Lines::All).0, 27);
        let (many, cells) = of(Lines::Payments);
        assert_eq!(many, 20);
        assert_eq!(said(&cells, "应结订单金额").as_deref(), Some("10.01"));
        assert_eq!(said(&cells, "手续费").as_deref(), Some("0.06006"));
        let (many, cells) = of(Lines::Refunds);
        assert_eq!(many, 29);
        assert_eq!(said(&cells, "商户退款单号").as_deref(), Some("R1"));
        assert_eq!(
            said(&cells, "退款申请时间"),
            Some(china(Instant::from_secs(1_767_225_000)))
        );
        assert_eq!(
            said(&cells, "退款成功时间"),
            Some(china(Instant::from_secs(1_767_225_600)))
        );
    }

    #[test]
    fn each_sum_is_that_of_its_column() {
        let reverse = format!("{REVERSE}4200");
        let all = [
            line(1001, None),
            line(702, None),
            line(303, Some("R1")),
            line(702, Some(&reverse)),
        ];
        let text = trade(&all, "1900000109", Lines::All);
        let cells = |line: &str| -> Vec<String> {
            let line = line.trim_start_matches(['\u{feff}', '`']);
            line.split(",`").map(str::to_owned).collect()
        };
        let head = |line: &str| cells(&line.replace(',', ",`"));
        let lines: Vec<&str> = text.lines().collect();
        let [first, rows @ .., sums, said] = &lines[..] else {
            panic!("{text}")
        };
        let (columns, sums, said) = (head(first), head(sums), cells(said));
        let place = |names: &[String], name: &str| names.iter().position(|n| n == name).expect("a column");
        let fen = |yuan: &str| yuan.replace('.', "").parse::<u64>().expect("yuan");
        for (column, sum) in [
            ("应结订单金额", "应结订单总金额"),
            ("退款金额", "退款总金额"),
            ("订单金额", "订单总金额"),
            ("申请退款金额", "申请退款总金额"),
        ] {
            let at = place(&columns, column);
            let of_rows: u64 = rows.iter().map(|row| fen(&cells(row)[at])).sum();
            assert_eq!(fen(&said[place(&sums, sum)]), of_rows, "{sum}: {text}");
        }
        assert_eq!((rows.len(), said[0].as_str()), (4, "4.0"));
    }
}
