//! Alipay's trade bill (channels.md 3.7): GBK, comments that begin with `#`, text cells that end with a tab.

use super::{Bill, BillError, Row, millifen, number, trade_no, yuan};
use crate::times::china;
use domain::{BillLine, LineState, Movement};
use std::borrow::Cow;
use zeroize::Zeroizing;

/// 25 columns, and what Alipay may put behind them one day; where each of those stands that are read.
const COLUMNS: usize = 25;
const TRADE_NO: usize = 0;
const NUMBER: usize = 1;
const KIND: usize = 2;
const GOODS: usize = 3;
const FINISHED: usize = 5;
const TOTAL: usize = 11;
/// 商家实收, which the sums behind the rows are of.
const RECEIVED: usize = 12;
const REQUEST: usize = 21;
const FEE: usize = 22;

/// GBK text; `None` where it is none.
pub(super) fn gbk(octets: &[u8]) -> Option<Cow<'_, str>> {
    encoding_rs::GBK.decode_without_bom_handling_and_without_replacement(octets)
}

pub(super) fn head(bill: &mut Bill<'_>) -> Result<(), BillError> {
    while bill.lines.advance()? {
        let line = bill.lines.octets();
        if line.first() == Some(&b'#') || line.is_empty() {
            continue;
        }
        let text = gbk(line).ok_or_else(|| bill.wrong("not GBK"))?;
        let columns: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
        let right = columns.len() >= COLUMNS
            && [
                (TRADE_NO, "支付宝交易号"),
                (NUMBER, "商户订单号"),
                (KIND, "业务类型"),
                (FINISHED, "完成时间"),
                (TOTAL, "订单金额（元）"),
                (RECEIVED, "商家实收（元）"),
                (REQUEST, "退款批次号/请求号"),
                (FEE, "服务费（元）"),
            ]
            .into_iter()
            .all(|(at, name)| columns[at] == name);
        if !right {
            return Err(bill.wrong("the head does not begin with the 25 columns of 业务明细"));
        }
        bill.columns = columns;
        return Ok(());
    }
    Err(BillError::NotWhole("the head is missing"))
}

/// Takes the next row, or what stands behind the last one.
pub(super) fn row(bill: &mut Bill<'_>) -> Result<bool, BillError> {
    while bill.lines.advance()? {
        let line = bill.lines.octets();
        if line.is_empty() {
            continue;
        }
        let text = Zeroizing::new(gbk(line).ok_or_else(|| bill.wrong("not GBK"))?.into_owned());
        if text.starts_with('#') {
            if text.contains("业务明细列表结束") {
                sums(bill)?;
                return Ok(false);
            }
            continue;
        }
        cells(bill, &text)?;
        let at = usize::from(bill.cells[KIND].as_str() != "交易");
        bill.sums.add(at, &bill.cells[RECEIVED], true);
        return Ok(true);
    }
    Err(BillError::NotWhole("the mark behind the last row is missing"))
}

/// Nothing is quoted. More commas than columns stand in free texts: in the goods' name before 创建时间, else in the remark,
/// which is last.
fn cells(bill: &mut Bill<'_>, text: &str) -> Result<(), BillError> {
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    let columns = bill.columns.len();
    let Some(surplus) = all.len().checked_sub(columns) else {
        return Err(bill.wrong("it has fewer cells than the head has columns"));
    };
    let Some(extra) = (0..=surplus).find(|extra| china(all[GOODS + 1 + extra]).is_some()) else {
        return Err(bill.wrong("创建时间 is no time"));
    };
    for at in 0..columns {
        match at {
            GOODS if extra > 0 => bill.put(at, &Zeroizing::new(all[GOODS..=GOODS + extra].join(","))),
            _ if at < GOODS => bill.put(at, all[at]),
            _ if at == columns - 1 => bill.put(at, &Zeroizing::new(all[at + extra..].join(","))),
            _ => bill.put(at, all[at + extra]),
        }
    }
    Ok(())
}

/// 交易合计 and 退款合计 count the rows.
fn sums(bill: &mut Bill<'_>) -> Result<(), BillError> {
    let mut counted = None::<u64>;
    while bill.lines.advance()? {
        let line = bill.lines.octets();
        let text = gbk(line).ok_or_else(|| bill.wrong("not GBK"))?;
        if !text.is_empty() && !text.starts_with('#') {
            return Err(bill.wrong("no row may stand behind the mark of the end"));
        }
        let Some((name, rest)) = text
            .trim_start_matches('#')
            .split_once('：')
            .filter(|(name, _)| matches!(*name, "交易合计" | "退款合计"))
        else {
            continue;
        };
        let count = rest
            .split_once('笔')
            .and_then(|(count, _)| count.parse::<u64>().ok());
        let count = count.ok_or_else(|| bill.wrong("a sum counts no rows"))?;
        counted = Some(counted.unwrap_or(0).saturating_add(count));
        bill.amounts_agree &= amount_agrees(bill, name, rest);
        let sum = (name.to_owned(), rest.to_owned());
        bill.summary.push(sum);
    }
    match counted {
        Some(count) if count != bill.rows => {
            Err(BillError::NotWhole("its sums count another number of rows"))
        }
        _ => Ok(()),
    }
}

/// `41笔，商家实收共5795.89元，…`, of refunds `商家实收退款共-796.07元`. Nothing is concluded from other words.
fn amount_agrees(bill: &Bill<'_>, name: &str, rest: &str) -> bool {
    let (at, words) = match name {
        "交易合计" => (0, "商家实收共"),
        _ => (1, "商家实收退款共"),
    };
    let said = rest.split_once(words).and_then(|(_, rest)| rest.split_once('元'));
    said.is_none_or(|(said, _)| bill.sums.agree(at, said.trim()))
}

/// A row. Refunds name the payment's trade number and the request's number; amounts and fees carry a sign.
pub(super) fn line(row: &Row<'_>) -> Result<BillLine, BillError> {
    let at = china(row.at(FINISHED))
        .or_else(|| china(row.at(FINISHED - 1)))
        .ok_or_else(|| row.wrong("完成时间 is no time"))?;
    let fee_millifen = millifen(row.at(FEE))
        .and_then(i64::checked_neg)
        .ok_or_else(|| row.wrong("服务费 is no amount"))?;
    let refund = number(row.at(REQUEST));
    let (movement, refund) = match (row.at(KIND), refund) {
        ("交易", _) => (Movement::Payment, None),
        // A cancel (撤销) is no refund that anybody asked for by a number.
        ("退款", None) if row.at(REQUEST).is_empty() => (Movement::Reversal, None),
        ("退款", refund) => (Movement::Refund, refund),
        _ => return Err(row.wrong("业务类型 is neither 交易 nor 退款")),
    };
    let total = row.at(TOTAL);
    let amount = yuan(
        row,
        if movement == Movement::Payment {
            total
        } else {
            total.strip_prefix('-').unwrap_or(total)
        },
    )?;
    Ok(BillLine {
        movement,
        number: number(row.at(NUMBER)),
        refund,
        trade_no: trade_no(row, row.at(TRADE_NO))?,
        original: None,
        amount,
        fee_millifen,
        state: LineState::Done,
        at,
    })
}
