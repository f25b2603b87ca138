//! A merchant's own statement of a day, as the journal has it: what was paid and what went back, by refund or by reverse, and
//! where a bill differs.
//! It names no payer: there is no field for one.

use super::{record, view};
use crate::app::App;
use domain::*;
use ledger::{Attempt, LookupError, Order};
use policy::{books::day_of, registry::MerchantFacts};
use std::{collections::HashMap, sync::Arc};

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
/// Where the amounts in yuan and in fen stand: numbers in a workbook, all else is text.
const YUAN: usize = 9;
const FEN: usize = 10;

/// Movements that a workbook takes: it is held whole in memory while it is made.
const WORKBOOK: usize = 100_000;

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
    #[error("that day has more than the 100000 movements that a workbook takes; take `csv`")]
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

/// One movement of a statement, as little of it as puts all of them in order: a day may have a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moved {
    pub(super) at: Instant,
    order: PaymentId,
    /// Position of the attempt, from 1.
    attempt: u16,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Paid,
    Undone,
    /// Where the refund stands in its order.
    Refunded(u32),
}

type Cells = [String; COLUMNS.len()];

/// The statement's octets; blocks.
pub(crate) fn make(
    app: &App,
    merchant: &MerchantFacts,
    day: Day,
    format: Format,
) -> Result<Vec<u8>, StatementError> {
    let differences = view::kinds(app, merchant, day)?;
    let (ledger, entries) = (app.ledger(), app.ledger().journal().durable());
    let order_of = |id: &PaymentId| -> Result<Option<Arc<Order>>, LookupError> {
        let order = ledger.glance(id)?.map(|order| ledger.as_of(order, entries));
        Ok(order.transpose()?.flatten())
    };
    let mut all: Vec<Moved> = Vec::new();
    for id in record::moved_on(&ledger.journal().reader(), &merchant.id, day, entries)? {
        if let Some(order) = order_of(&id)? {
            all.extend(movements(&order, day));
        }
        if format == Format::Xlsx && all.len() > WORKBOOK {
            return Err(StatementError::TooLong);
        }
    }
    all.sort_unstable();
    // An order is read once more for its row: what is kept of a movement meanwhile is a tenth of it.
    let rows = all.iter().filter_map(|moved| {
        let order = order_of(&moved.order).transpose()?;
        order.map(|order| row(&order, moved, &differences)).transpose()
    });
    match format {
        Format::Csv => csv(rows),
        Format::Xlsx => xlsx(rows),
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

/// What an order has on a day.
pub(super) fn movements(order: &Order, day: Day) -> impl Iterator<Item = Moved> {
    let paid = (1..)
        .zip(&order.attempts)
        .filter(|(_, attempt)| attempt.paid.is_some());
    paid.flat_map(move |(position, attempt)| {
        let moved = move |at, what| Moved {
            at,
            order: order.id,
            attempt: position,
            what,
        };
        let paid = attempt
            .paid
            .as_ref()
            .map(|(facts, _)| moved(facts.paid_at, What::Paid));
        let undone = went_back(attempt).map(|at| moved(at, What::Undone));
        let refunds = (0..)
            .zip(&order.refunds)
            .filter(move |(_, refund)| refund.attempt == position && refund.state == RefundState::Succeeded);
        let refunds = refunds.map(move |(n, refund)| moved(refund.counted(), What::Refunded(n)));
        let on_the_day = move |moved: &Moved| day_of(attempt.channel, moved.at) == day;
        paid.into_iter().chain(undone).chain(refunds).filter(on_the_day)
    })
}

/// A movement in words; `None` where its order has no such one.
fn row(order: &Order, moved: &Moved, differences: &Kinds) -> Option<Cells> {
    let attempt = order.attempt(moved.attempt)?;
    let (facts, _) = attempt.paid.as_ref()?;
    let refund = match moved.what {
        What::Refunded(n) => Some(order.refunds.get(usize::try_from(n).ok()?)?),
        What::Paid | What::Undone => None,
    };
    let text = |no: Option<&dyn std::fmt::Display>| no.map(ToString::to_string).unwrap_or_default();
    let (movement, name, sign, trade_no) = match moved.what {
        What::Paid => (Movement::Payment, "payment", "", facts.trade_no.to_string()),
        // UnionPay gives what went back a number of its own, which our record of a reverse does not keep.
        What::Undone if attempt.channel == Channel::Unionpay => {
            (Movement::Reversal, "reversal", "-", String::new())
        }
        What::Undone => (Movement::Reversal, "reversal", "-", facts.trade_no.to_string()),
        What::Refunded(_) => {
            let own = refund.and_then(|refund| refund.trade_no.as_ref());
            (Movement::Refund, "refund", "-", text(own.map(|no| no as _)))
        }
    };
    let number = refund.map(|refund| &refund.number);
    let kinds = differences.get(&about(attempt.channel, movement, &attempt.number, number));
    let amount = refund.map_or(attempt.amount, |refund| refund.amount);
    Some([
        moved.at.to_string(),
        name.to_owned(),
        order.order_no.to_string(),
        attempt.number.to_string(),
        text(refund.map(|refund| &refund.refund_no as _)),
        text(number.map(|number| number as _)),
        attempt.channel.to_string(),
        attempt.account.to_string(),
        attempt.pay_way.as_str().to_owned(),
        format!("{sign}{}", amount.to_yuan()),
        format!("{sign}{}", amount.fen()),
        trade_no,
        kinds.map(|kinds| kinds.join(" ")).unwrap_or_default(),
    ])
}

/// A merchant's numbers may begin like a formula (`-`, `@`), and spreadsheets open this.
fn csv(rows: impl Iterator<Item = Result<Cells, LookupError>>) -> Result<Vec<u8>, StatementError> {
    let wrong = |error: csv::Error| StatementError::Write(error.to_string());
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    writer.write_record(COLUMNS).map_err(wrong)?;
    for row in rows {
        let cells = row?.into_iter().enumerate().map(|(column, cell)| match column {
            YUAN | FEN => cell,
            _ => unformula(cell),
        });
        writer.write_record(cells.collect::<Vec<_>>()).map_err(wrong)?;
    }
    writer
        .into_inner()
        .map_err(|error| StatementError::Write(error.to_string()))
}

fn xlsx(rows: impl Iterator<Item = Result<Cells, LookupError>>) -> Result<Vec<u8>, StatementError> {
    let wrong = |error: rust_xlsxwriter::XlsxError| StatementError::Write(error.to_string());
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0..).zip(COLUMNS) {
        sheet.write_string(0, column, name).map_err(wrong)?;
    }
    let yuan = rust_xlsxwriter::Format::new().set_num_format("0.00");
    for (line, row) in (1..).zip(rows) {
        for (column, cell) in (0..).zip(&row?) {
            match (usize::from(column), cell.parse::<f64>()) {
                // Exact: a workbook's numbers are of 64 bits, and no amount takes more than 53.
                (FEN, Ok(fen)) => sheet.write_number(line, column, fen),
                // The nearest to it; shown and counted as such up to fifteen digits.
                (YUAN, Ok(amount)) => sheet.write_number_with_format(line, column, amount, &yuan),
                _ => sheet.write_string(line, column, cell),
            }
            .map_err(wrong)?;
        }
    }
    book.save_to_buffer().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_but_an_amount_begins_like_a_formula() {
        let mut cells: Cells = Default::default();
        (cells[2], cells[4]) = ("-1+cmd|x".to_owned(), "@SUM(A1)".to_owned());
        (cells[YUAN], cells[FEN]) = ("-1.00".to_owned(), "-100".to_owned());
        let text = csv([Ok(cells)].into_iter()).expect("written");
        let text = String::from_utf8(text).expect("UTF-8");
        let row = text.lines().nth(1).expect("a row");
        assert_eq!(row, ",,'-1+cmd|x,,'@SUM(A1),,,,,-1.00,-100,,");
    }

    /// A sheet's cells by their addresses: what stands in a number, `None` for text.
    fn cells_of(book: &[u8], row: u32) -> Vec<Option<String>> {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(book)).expect("a workbook");
        let mut sheet = archive.by_name("xl/worksheets/sheet1.xml").expect("a sheet");
        let mut xml = String::new();
        std::io::Read::read_to_string(&mut sheet, &mut xml).expect("UTF-8");
        let cell = |column: char| {
            let at = xml.find(&format!("<c r=\"{column}{row}\""))?;
            let cell = xml[at..].split("</c>").next()?;
            let value = cell.split("<v>").nth(1)?.split("</v>").next()?;
            (!cell.contains("t=\"s\"")).then(|| value.to_owned())
        };
        ('A'..='M').map(cell).collect()
    }

    /// Whoever sums a column must have the greatest payments in it.
    #[test]
    fn every_amount_is_a_number_in_a_workbook() {
        let most = Amount::MAX;
        for (yuan, fen) in [
            (most.to_yuan(), most.fen().to_string()),
            ("-21474836.48".to_owned(), "-2147483648".to_owned()),
            ("0.01".to_owned(), "1".to_owned()),
        ] {
            let mut cells: Cells = Default::default();
            cells[3] = "4200000000202611230123456789".to_owned();
            (cells[YUAN], cells[FEN]) = (yuan.clone(), fen.clone());
            let cells = cells_of(&xlsx([Ok(cells)].into_iter()).expect("written"), 2);
            let number = |at: usize| cells[at].as_deref().map(|text| text.parse::<f64>());
            assert_eq!(number(FEN), Some(fen.parse()), "{fen}");
            assert_eq!(number(YUAN), Some(yuan.parse()), "{yuan}");
            assert_eq!(cells[3], None, "a long number stays text");
        }
    }
}
