//! WeChat's bills (channels.md 1.13): a head without quotes, rows whose cells begin with a back-tick, a head of sums and
//! one row of them.

use super::{Bill, BillError, Layout, Row, millifen, number, trade_no, yuan};
use crate::times::china;
use domain::{Amount, BillLine, LineState, Movement};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Columns that rows are read by; a bill of another kind lacks them and is refused.
const TRADE: [&str; 6] = [
    "交易时间",
    "微信订单号",
    "商户订单号",
    "交易状态",
    "应结订单金额",
    "手续费",
];
const FUNDS: [&str; 6] = [
    "记账时间",
    "微信支付业务单号",
    "业务名称",
    "收支类型",
    "收支金额(元)",
    "业务凭证号",
];

pub(super) fn head(bill: &mut Bill<'_>) -> Result<(), BillError> {
    if !bill.lines.advance()? {
        return Err(BillError::NotWhole("it is empty"));
    }
    let line = bill.lines.octets();
    let text =
        std::str::from_utf8(line.strip_prefix(BOM).unwrap_or(line)).map_err(|_| bill.wrong("not UTF-8"))?;
    let columns: Vec<String> = text.split(',').map(|name| name.trim().to_owned()).collect();
    let needed = if bill.layout == Layout::WechatTrade {
        TRADE
    } else {
        FUNDS
    };
    if needed
        .into_iter()
        .any(|name| !columns.iter().any(|own| own == name))
    {
        return Err(bill.wrong("the head lacks a column that this bill must have"));
    }
    bill.places = added_up(bill.layout, &columns);
    bill.columns = columns;
    Ok(())
}

/// Takes the next row, or the sums behind the last one.
pub(super) fn row(bill: &mut Bill<'_>) -> Result<bool, BillError> {
    if !bill.lines.advance()? {
        return Err(BillError::NotWhole("the sums behind the rows are missing"));
    }
    if bill.lines.octets().first() != Some(&b'`') {
        sums(bill)?;
        return Ok(false);
    }
    let line = std::str::from_utf8(bill.lines.octets()).map_err(|_| bill.wrong("not UTF-8"))?;
    let line = zeroize::Zeroizing::new(line.to_owned());
    let mut count = 0;
    for cell in cells(&line) {
        bill.put(count, cell);
        count += 1;
    }
    if count != bill.columns.len() {
        return Err(bill.wrong("it has not as many cells as the head has columns"));
    }
    add_up(bill);
    Ok(true)
}

/// Where the columns stand that are added up: looked for once, since a bill may have a million rows.
fn added_up(layout: Layout, columns: &[String]) -> Vec<Option<usize>> {
    let names: &[&str] = match layout {
        Layout::WechatFunds => &["收支类型", "收支金额(元)"],
        _ => &[
            "交易状态",
            "退款状态",
            "应结订单金额",
            "退款金额",
            "订单金额",
            "申请退款金额",
        ],
    };
    let at = |name: &&str| columns.iter().position(|own| own == name);
    names.iter().map(at).collect()
}

fn add_up(bill: &mut Bill<'_>) {
    let cell = |place: Option<usize>| {
        let text = place.and_then(|place| bill.cells.get(place));
        text.map_or("", |text| text.as_str())
    };
    match (bill.layout, bill.places.as_slice()) {
        (Layout::WechatFunds, &[way, amount]) => {
            if let Some(at) = ["收入", "支出"].iter().position(|own| *own == cell(way)) {
                bill.sums.add(at, cell(amount), true);
            }
        }
        (_, &[state, refund, ref amounts @ ..]) => {
            let surely = match cell(state) {
                "REVOKED" => false,
                "REFUND" => cell(refund) == "SUCCESS",
                _ => true,
            };
            for (at, place) in amounts.iter().enumerate() {
                bill.sums.add(at, cell(*place), surely);
            }
        }
        _ => {}
    }
}

/// Sums whose column the bill has are those of its rows.
fn amounts_agree(bill: &Bill<'_>) -> bool {
    let names: &[&str] = match bill.layout {
        Layout::WechatFunds => &["收入金额", "支出金额"],
        _ => &["应结订单总金额", "退款总金额", "订单总金额", "申请退款总金额"],
    };
    let has_column = |at: usize| {
        bill.layout == Layout::WechatFunds || bill.places.get(at + 2).is_some_and(Option::is_some)
    };
    let mut known = names.iter().enumerate().filter(|(at, _)| has_column(*at));
    known.all(|(at, name)| {
        let said = bill.summary.iter().find(|(said, _)| said == name);
        said.is_none_or(|(_, said)| bill.sums.agree(at, said))
    })
}

/// A comma inside a merchant's text is written as back-slash and space, so `` ,` `` divides.
fn cells(line: &str) -> impl Iterator<Item = &str> {
    line.strip_prefix('`').unwrap_or(line).trim_end().split(",`")
}

/// The head of the sums has no back-tick and fewer columns than any row has.
const NO_TICKS: &str =
    "its cells do not begin with a back-tick; WeChat writes each as `0.00, so give the file as it came";

fn sums(bill: &mut Bill<'_>) -> Result<(), BillError> {
    let head = text(bill)?;
    if head.split(',').count() >= bill.columns.len() {
        return Err(bill.wrong(NO_TICKS));
    }
    if !bill.lines.advance()? {
        return Err(BillError::NotWhole("the sums behind the rows are missing"));
    }
    if bill.lines.octets().first() != Some(&b'`') {
        return Err(bill.wrong(NO_TICKS));
    }
    let sums = text(bill)?;
    let names: Vec<&str> = head.split(',').map(str::trim).collect();
    let values: Vec<&str> = cells(&sums).collect();
    if names.len() != values.len() {
        return Err(bill.wrong("it has not as many sums as their head has columns"));
    }
    bill.summary = names
        .iter()
        .zip(&values)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let count = values
        .first()
        .and_then(|count| count.strip_suffix(".0").unwrap_or(count).parse::<u64>().ok());
    if count != Some(bill.rows) {
        return Err(BillError::NotWhole("its sums count another number of rows"));
    }
    bill.amounts_agree = amounts_agree(bill);
    while bill.lines.advance()? {
        if !bill.lines.octets().trim_ascii().is_empty() {
            return Err(bill.wrong("nothing may stand behind the sums"));
        }
    }
    Ok(())
}

fn text(bill: &Bill<'_>) -> Result<String, BillError> {
    std::str::from_utf8(bill.lines.octets())
        .map(str::to_owned)
        .map_err(|_| bill.wrong("not UTF-8"))
}

/// A row of the trade bill. The order's amount is 订单金额 where the bill has it, else 应结订单金额 and 代金券金额.
pub(super) fn trade(row: &Row<'_>) -> Result<BillLine, BillError> {
    let at = china(row.get("交易时间")).ok_or_else(|| row.wrong("交易时间 is no time"))?;
    let fee_millifen = millifen(row.get("手续费")).ok_or_else(|| row.wrong("手续费 is no amount"))?;
    let (number, payment) = (number(row.get("商户订单号")), row.get("微信订单号"));
    let paid = |row: &Row<'_>| -> Result<Amount, BillError> {
        match row.get("订单金额") {
            "" => yuan(row, row.get("应结订单金额")),
            whole => yuan(row, whole),
        }
    };
    match row.get("交易状态") {
        "SUCCESS" => Ok(BillLine {
            movement: Movement::Payment,
            number,
            refund: None,
            trade_no: trade_no(row, payment)?,
            original: None,
            amount: paid(row)?,
            fee_millifen,
            state: LineState::Done,
            at,
        }),
        "REFUND" => {
            let asked = row.get("申请退款金额");
            let amount = yuan(
                row,
                if asked.is_empty() {
                    row.get("退款金额")
                } else {
                    asked
                },
            )?;
            let state = match row.get("退款状态") {
                "SUCCESS" => LineState::Done,
                "PROCESSING" => LineState::Pending,
                // CHANGE: the payer's account cannot take it (转入代发); no money is back at its source.
                "FAIL" | "CHANGE" => LineState::Failed,
                _ => return Err(row.wrong("退款状态 is none of SUCCESS, PROCESSING, FAIL, CHANGE")),
            };
            let refund = super::number(row.get("商户退款单号"));
            Ok(BillLine {
                movement: Movement::Refund,
                number,
                refund,
                trade_no: trade_no(row, row.get("微信退款单号"))?,
                original: None,
                amount,
                fee_millifen,
                state,
                at,
            })
        }
        "REVOKED" => Ok(BillLine {
            movement: Movement::Reversal,
            number,
            refund: None,
            trade_no: trade_no(row, payment)?,
            original: None,
            amount: paid(row)?,
            fee_millifen,
            state: LineState::Done,
            at,
        }),
        _ => Err(row.wrong("交易状态 is none of SUCCESS, REFUND, REVOKED")),
    }
}

/// A row of the fund-flow bill; fees, withdrawals and the like are no movements of orders.
pub(super) fn funds(row: &Row<'_>) -> Result<Option<BillLine>, BillError> {
    let movement = match (row.get("业务类型"), row.get("收支类型")) {
        ("交易", "收入") => Movement::Payment,
        ("退款", "支出") => Movement::Refund,
        _ => return Ok(None),
    };
    let at = china(row.get("记账时间")).ok_or_else(|| row.wrong("记账时间 is no time"))?;
    let own = number(row.get("业务凭证号"));
    let (number, refund) = if movement == Movement::Refund {
        (None, own)
    } else {
        (own, None)
    };
    let trade_no = trade_no(row, row.get("微信支付业务单号"))?;
    let amount = yuan(row, row.get("收支金额(元)"))?;
    Ok(Some(BillLine {
        movement,
        number,
        refund,
        trade_no,
        original: None,
        amount,
        fee_millifen: 0,
        state: LineState::Done,
        at,
    }))
}
