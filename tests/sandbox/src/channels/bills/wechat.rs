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

/// The bill's text. A service provider's trade bill has its sub-merchants' orders, or those of the one that is asked for; what
/// they are paid moves on their own accounts, so the fund-flow bill has none of it.
pub(crate) fn text(
    world: &World,
    number: usize,
    merchant: &Merchant,
    kind: Kind,
    day: &str,
    sub_mchid: Option<&str>,
) -> Result<String, NoBill> {
    let mut all = world.with(|book| lines(book, Channel::Wechat, number, day, now()))?;
    all.retain(|line| match kind {
        Kind::Trade => sub_mchid.is_none_or(|sub| line.sub_mchid.as_deref() == Some(sub)),
        Kind::Funds => line.sub_mchid.is_none(),
    });
    if all.is_empty() {
        return Err(NoBill::None);
    }
    Ok(match kind {
        Kind::Trade => trade(&all, &merchant.facts.wechat.mchid),
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

pub(super) fn trade(all: &[Line], mchid: &str) -> String {
    let mut text = format!("\u{feff}{TRADE}\n");
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
        let cells: Vec<&str> = begin.into_iter().chain(rest.iter().map(String::as_str)).collect();
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

    #[test]
    fn each_sum_is_that_of_its_column() {
        let reverse = format!("{REVERSE}4200");
        let all = [
            line(1001, None),
            line(702, None),
            line(303, Some("R1")),
            line(702, Some(&reverse)),
        ];
        let text = trade(&all, "1900000109");
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
