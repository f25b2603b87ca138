//! A merchant's own statement of a day, as the journal has it: what was paid and what went back, by refund or by reverse, and
//! where a bill differs.
//! It names no payer: there is no field for one.

use super::{record, view};
use crate::app::App;
use domain::*;
use ledger::{Attempt, LookupError, Order, Refund};
use policy::{books::day_of, registry::MerchantFacts};
use std::collections::HashMap;

/// Columns, for people who read Chinese and programs that read English.
const COLUMNS: [&str; 13] = [
    "时间 time",
    "类型 movement",
    "商户订单号 order_no",
    "渠道订单号 number",
    "退款单号 refund_no",
    "渠道退款单号 refund_number",
    "渠道 channel",
    "账户 account",
    "支付方式 pay_way",
    "金额(元) yuan",
    "金额(分) fen",
    "渠道流水号 trade_no",
    "对账差异 differences",
];
/// Where the amount in fen stands: a number, all else is text.
const FEN: usize = 10;

/// Rows of a workbook's sheet, the heading among them.
const SHEET: usize = 1_048_576;

/// Why there is no statement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StatementError {
    /// The journal cannot be read now.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The journal cannot be read now.
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    /// It does not fit.
    #[error("that day has more movements than a workbook has rows; take `csv`")]
    TooLong,
    /// The file could not be written.
    #[error("{0}")]
    Write(String),
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Comma-separated, UTF-8 with a byte order mark, so that spreadsheets read Chinese.
    Csv,
    /// A workbook.
    Xlsx,
}

impl Format {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv; charset=utf-8",
            Format::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

struct Row {
    at: Instant,
    cells: [String; COLUMNS.len()],
}

/// The statement's octets; blocks.
pub(crate) fn make(
    app: &App,
    merchant: &MerchantFacts,
    day: Day,
    format: Format,
) -> Result<Vec<u8>, StatementError> {
    let differences = view::kinds(app, merchant, day)?;
    let (ledger, entries) = (app.ledger(), app.ledger().journal().durable());
    let mut rows = Vec::new();
    for id in record::moved_on(&ledger.journal().reader(), &merchant.id, day, entries)? {
        let order = ledger.glance(&id)?.map(|order| ledger.as_of(order, entries));
        if let Some(order) = order.transpose()?.flatten() {
            rows.extend(rows_of(&order, day, &differences));
        }
    }
    if format == Format::Xlsx && rows.len() >= SHEET {
        return Err(StatementError::TooLong);
    }
    rows.sort_by(|a, b| (a.at, &a.cells[3], &a.cells[5]).cmp(&(b.at, &b.cells[3], &b.cells[5])));
    match format {
        Format::Csv => csv(&rows),
        Format::Xlsx => xlsx(&rows),
    }
}

/// Kinds of difference by channel, the order's and the refund's number there; a reversal's by the order's alone.
pub(super) type Kinds = HashMap<(Channel, Movement, String, String), Vec<&'static str>>;

/// What a difference is about, as [`Kinds`] has it: whatever a bill calls what went back, it is known by its number.
pub(super) fn about(
    channel: Channel,
    movement: Movement,
    number: &ChannelNo,
    refund: Option<&ChannelNo>,
) -> (Channel, Movement, String, String) {
    let refund = match movement {
        Movement::Reversal => None,
        Movement::Payment | Movement::Refund => refund,
    };
    let refund = refund.map(ToString::to_string).unwrap_or_default();
    (channel, movement, number.to_string(), refund)
}

/// When the money of an undone order went back, where it had been paid: what was paid is no income then.
fn went_back(attempt: &Attempt) -> Option<Instant> {
    let told = attempt
        .reversing
        .as_ref()
        .and_then(|reversing| reversing.refunded);
    let back = attempt.state == AttemptState::Reversed && told != Some(false);
    record::undone_at(attempt).filter(|_| back)
}

fn rows_of(order: &Order, day: Day, differences: &Kinds) -> Vec<Row> {
    let mut rows = Vec::new();
    for (attempt, position) in order.attempts.iter().zip(1..) {
        let Some((facts, _)) = &attempt.paid else { continue };
        let mut put = |at: Instant, movement: Movement, refund: Option<&Refund>, trade_no: String| {
            let number = refund.map(|refund| &refund.number);
            let kinds = differences.get(&about(attempt.channel, movement, &attempt.number, number));
            let amount = refund.map_or(attempt.amount, |refund| refund.amount);
            let (name, sign) = match movement {
                Movement::Payment => ("payment", ""),
                Movement::Refund => ("refund", "-"),
                Movement::Reversal => ("reversal", "-"),
            };
            rows.push(Row {
                at,
                cells: [
                    at.to_string(),
                    name.to_owned(),
                    order.order_no.to_string(),
                    attempt.number.to_string(),
                    refund
                        .map(|refund| refund.refund_no.to_string())
                        .unwrap_or_default(),
                    number.map(ToString::to_string).unwrap_or_default(),
                    attempt.channel.to_string(),
                    attempt.account.to_string(),
                    attempt.pay_way.as_str().to_owned(),
                    format!("{sign}{}", amount.to_yuan()),
                    format!("{sign}{}", amount.fen()),
                    trade_no,
                    kinds.map(|kinds| kinds.join(" ")).unwrap_or_default(),
                ],
            });
        };
        if day_of(attempt.channel, facts.paid_at) == day {
            put(facts.paid_at, Movement::Payment, None, facts.trade_no.to_string());
        }
        if let Some(at) = went_back(attempt).filter(|at| day_of(attempt.channel, *at) == day) {
            // UnionPay gives what went back a number of its own, which our record of a reverse does not keep.
            let own = attempt.channel != Channel::Unionpay;
            let trade_no = if own {
                facts.trade_no.to_string()
            } else {
                String::new()
            };
            put(at, Movement::Reversal, None, trade_no);
        }
        for refund in order
            .refunds
            .iter()
            .filter(|refund| refund.attempt == position && refund.state == RefundState::Succeeded)
        {
            let done = refund.refunded_at.unwrap_or(refund.intended);
            if day_of(attempt.channel, done) == day {
                let trade_no = refund
                    .trade_no
                    .as_ref()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                put(done, Movement::Refund, Some(refund), trade_no);
            }
        }
    }
    rows
}

/// Numbers of ours have no character with which a spreadsheet would begin to reckon but `-`, and none that it needs then.
fn csv(rows: &[Row]) -> Result<Vec<u8>, StatementError> {
    let wrong = |error: csv::Error| StatementError::Write(error.to_string());
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(COLUMNS).map_err(wrong)?;
    for row in rows {
        writer.write_record(&row.cells).map_err(wrong)?;
    }
    writer
        .into_inner()
        .map_err(|error| StatementError::Write(error.to_string()))
}

fn xlsx(rows: &[Row]) -> Result<Vec<u8>, StatementError> {
    let wrong = |error: rust_xlsxwriter::XlsxError| StatementError::Write(error.to_string());
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0..).zip(COLUMNS) {
        sheet.write_string(0, column, name).map_err(wrong)?;
    }
    for (line, row) in (1..).zip(rows) {
        for (column, cell) in (0..).zip(&row.cells) {
            match cell.parse::<i32>() {
                // Exact: a workbook's numbers are of 64 bits. Larger ones stay text.
                Ok(fen) if usize::from(column) == FEN => {
                    sheet.write_number(line, column, fen).map_err(wrong)?
                }
                _ => sheet.write_string(line, column, cell).map_err(wrong)?,
            };
        }
    }
    book.save_to_buffer().map_err(wrong)
}
