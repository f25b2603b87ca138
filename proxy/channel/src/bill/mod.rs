//! Bills (账单) of the channels, read row by row: a bill is never in memory but as the octets that came (channels.md 1.13,
//! 3.7, 4.5).
//!
//! [`Bill::open`] takes the file as the channel gives it (gzip, zip, zlib around zip, GBK) and yields rows as text by column;
//! [`line`] makes facts of a row and leaves behind what it says of the payer. What is packed is unpacked under limits: on
//! rows' length, on their number, on all octets together.

mod alipay;
pub(crate) mod ask;
mod open;
pub mod queried;
mod read;
mod sums;
mod unionpay;
mod wechat;

pub use ask::{
    BillPlace, ask, comes_at_once, download, is_file_host, may_mean_none, means_none, none_is_a_doubt,
};

use domain::{Amount, BillKind, BillLine, Channel, ChannelNo, Day, TradeNo, Unanswered};
use read::Lines;
use zeroize::Zeroizing;

/// How a bill is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Layout {
    /// WeChat trade bill 交易账单, all of it or payments or refunds only; plain or gzip (channels.md 1.13).
    WechatTrade,
    /// WeChat fund-flow bill 资金账单; plain or gzip.
    WechatFunds,
    /// Alipay's zip with the trade details 业务明细 (channels.md 3.7).
    AlipayTrade,
    /// UnionPay's ZM file, all transactions, out of `fileContent` (channels.md 4.5).
    UnionpayAll,
    /// UnionPay's ZME file, exceptions, out of `fileContent`.
    UnionpayExceptions,
    /// Answers to queries, order by order, where the channel has no bill that is documented (Baidu).
    Queried,
}

impl Layout {
    /// How a channel writes a bill; `None` where it has none of this kind or we do not read it.
    pub const fn of(channel: Channel, kind: BillKind) -> Option<Layout> {
        #[allow(unreachable_patterns, reason = "channels are added one by one")]
        match (channel, kind) {
            (Channel::Wechat, BillKind::Trade) => Some(Layout::WechatTrade),
            (Channel::Wechat, BillKind::Funds) => Some(Layout::WechatFunds),
            (Channel::Alipay, BillKind::Trade) => Some(Layout::AlipayTrade),
            (Channel::Unionpay, BillKind::Trade) => Some(Layout::UnionpayAll),
            (Channel::Baidu, BillKind::Queried) => Some(Layout::Queried),
            _ => None,
        }
    }
}

/// Why a bill cannot be read. Names places and columns, never what stands there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BillError {
    /// The packing is not what it must be.
    #[error("the bill cannot be unpacked: {0}")]
    Packing(&'static str),
    /// A line is not what it must be.
    #[error("line {line} of the bill: {what}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// It is larger than any bill that we take.
    #[error("the bill is too large: {0}")]
    TooLarge(&'static str),
    /// It says that it is of another day than was asked for.
    #[error("the bill is of another day")]
    OtherDay,
    /// Its end is missing, or its totals are not those of its rows.
    #[error("the bill is not whole: {0}")]
    NotWhole(&'static str),
}

/// An opened bill.
pub struct Bill<'a> {
    layout: Layout,
    lines: Lines<'a>,
    columns: Vec<String>,
    cells: Vec<Zeroizing<String>>,
    rows: u64,
    sums: sums::Sums,
    /// Sums of amounts are those of the rows.
    amounts_agree: bool,
    /// Where the cells stand that are added up, in the layout's own order (WeChat).
    places: Vec<Option<usize>>,
    summary: Vec<(String, String)>,
    files: Vec<String>,
    /// The settlement day, where the file's name says it (UnionPay).
    settled: Option<Day>,
    /// What the channel did not answer, where it was asked order by order.
    unanswered: Vec<Unanswered>,
    ended: bool,
}

/// One row, by column.
#[derive(Clone, Copy)]
pub struct Row<'b> {
    columns: &'b [String],
    cells: &'b [Zeroizing<String>],
    settled: Option<Day>,
    line: u64,
}

/// Most rows of a bill. Ten times what the largest merchant is reckoned with.
const MOST_ROWS: u64 = 10_000_000;

impl<'a> Bill<'a> {
    /// Opens a bill and reads its head.
    ///
    /// # Errors
    /// Where the packing or the head is not what the layout says.
    pub fn open(layout: Layout, octets: &'a [u8]) -> Result<Bill<'a>, BillError> {
        let (reader, files) = open::unpack(layout, octets)?;
        let mut bill = Bill {
            layout,
            lines: Lines::new(reader),
            columns: Vec::new(),
            cells: Vec::new(),
            rows: 0,
            sums: sums::Sums::default(),
            amounts_agree: true,
            places: Vec::new(),
            summary: Vec::new(),
            settled: files.iter().find_map(|name| unionpay::settled(name)),
            files,
            unanswered: Vec::new(),
            ended: false,
        };
        match layout {
            Layout::WechatTrade | Layout::WechatFunds => wechat::head(&mut bill)?,
            Layout::AlipayTrade => alipay::head(&mut bill)?,
            Layout::UnionpayAll => bill.columns = unionpay::columns(&unionpay::ALL),
            Layout::UnionpayExceptions => bill.columns = unionpay::columns(&unionpay::EXCEPTIONS),
            Layout::Queried => queried::head(&mut bill)?,
        }
        Ok(bill)
    }

    /// The next row; `None` behind the last one, when totals have been compared.
    ///
    /// # Errors
    /// Where a row is not what the layout says, or the bill is not whole.
    pub fn row(&mut self) -> Result<Option<Row<'_>>, BillError> {
        if self.ended {
            return Ok(None);
        }
        let found = match self.layout {
            Layout::WechatTrade | Layout::WechatFunds => wechat::row(self)?,
            Layout::AlipayTrade => alipay::row(self)?,
            Layout::UnionpayAll => unionpay::row(self, &unionpay::ALL)?,
            Layout::UnionpayExceptions => unionpay::row(self, &unionpay::EXCEPTIONS)?,
            Layout::Queried => queried::row(self)?,
        };
        if !found {
            self.ended = true;
            return Ok(None);
        }
        self.rows += 1;
        if self.rows > MOST_ROWS {
            return Err(BillError::TooLarge("it has more than ten million rows"));
        }
        Ok(Some(Row {
            columns: &self.columns,
            cells: &self.cells,
            settled: self.settled,
            line: self.lines.number(),
        }))
    }

    /// The next row that states a movement, as facts.
    ///
    /// # Errors
    /// As [`Bill::row`], and where a row's facts cannot be read.
    pub fn line(&mut self) -> Result<Option<BillLine>, BillError> {
        let layout = self.layout;
        loop {
            let Some(row) = self.row()? else { return Ok(None) };
            if let Some(line) = line(layout, &row)? {
                return Ok(Some(line));
            }
        }
    }

    /// The trace number and time by which UnionPay knows the row that was read last (系统跟踪号, 交易传输时间).
    pub fn trace(&self) -> Option<(&str, &str)> {
        let row = Row {
            columns: &self.columns,
            cells: &self.cells,
            settled: self.settled,
            line: 0,
        };
        (self.layout == Layout::UnionpayAll).then(|| (row.get("系统跟踪号"), row.get("交易传输时间")))
    }

    /// Names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The day that the file itself says it is of; UnionPay's name says it, others' do not.
    pub fn day(&self) -> Option<Day> {
        self.settled
    }

    /// What the channel did not answer, where it was asked order by order; there once all rows are read.
    pub fn unanswered(&self) -> &[Unanswered] {
        &self.unanswered
    }

    /// Rows read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// What the bill says in sum, by column; there once all rows are read. UnionPay's has none.
    pub fn summary(&self) -> &[(String, String)] {
        &self.summary
    }

    /// Whether what the bill says in sum are the amounts of its rows; there once all rows are read.
    pub fn amounts_agree(&self) -> bool {
        self.amounts_agree
    }

    /// Names of the files in the packing.
    pub fn files(&self) -> &[String] {
        &self.files
    }

    /// Writes the next cell over a former row's.
    fn put(&mut self, at: usize, text: &str) {
        if self.cells.len() <= at {
            self.cells.resize_with(at + 1, Default::default);
        }
        self.cells[at].clear();
        self.cells[at].push_str(text);
    }

    fn wrong(&self, what: &'static str) -> BillError {
        BillError::Line {
            line: self.lines.number(),
            what,
        }
    }
}

impl<'b> Row<'b> {
    /// The text of a column; empty where the row does not have it.
    pub fn get(&self, column: &str) -> &'b str {
        let at = self.columns.iter().position(|name| name == column);
        at.and_then(|at| self.cells.get(at))
            .map_or("", |text| text.as_str())
    }

    /// The text of a column by its place from 0.
    fn at(&self, place: usize) -> &'b str {
        self.cells.get(place).map_or("", |text| text.as_str())
    }

    /// All columns and texts in order.
    pub fn cells(&self) -> impl Iterator<Item = (&'b str, &'b str)> {
        self.columns
            .iter()
            .map(String::as_str)
            .zip(self.cells.iter().map(|text| text.as_str()))
    }

    fn wrong(&self, what: &'static str) -> BillError {
        BillError::Line {
            line: self.line,
            what,
        }
    }
}

/// Shows the unpacked text, part by part: what a channel's hash is over.
///
/// # Errors
/// Where the packing is not what the layout says.
pub fn text(layout: Layout, octets: &[u8], mut part: impl FnMut(&[u8])) -> Result<(), BillError> {
    let (mut reader, _) = open::unpack(layout, octets)?;
    let mut read = 0;
    loop {
        let octets = reader.fill_buf().map_err(read::broken)?;
        if octets.is_empty() {
            return Ok(());
        }
        part(octets);
        let taken = octets.len();
        reader.consume(taken);
        read += taken as u64;
        if read > read::MOST_OCTETS {
            return Err(BillError::TooLarge("it has more than 4 GiB unpacked"));
        }
    }
}

/// What a row states; `None` where that is no movement of an order (a fee, a withdrawal).
///
/// # Errors
/// Where the row's facts cannot be read.
pub fn line(layout: Layout, row: &Row<'_>) -> Result<Option<BillLine>, BillError> {
    match layout {
        Layout::WechatTrade => wechat::trade(row).map(Some),
        Layout::WechatFunds => wechat::funds(row),
        Layout::AlipayTrade => alipay::line(row).map(Some),
        Layout::UnionpayAll => unionpay::line(row),
        Layout::UnionpayExceptions => Ok(None),
        Layout::Queried => queried::line(row).map(Some),
    }
}

/// A correction of the channel's, as far as it can be told apart (UnionPay's ZME, channels.md 4.5).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Exception {
    /// 系统跟踪号.
    pub trace: Box<str>,
    /// 交易传输时间, `MMDDhhmmss`.
    pub time: Box<str>,
    /// Fen.
    pub amount: Amount,
}

/// Shows the corrections that come beside a bill; there are none but UnionPay's, whose file may be missing.
///
/// # Errors
/// Where the packing or a line is not what it must be.
pub fn exceptions(layout: Layout, octets: &[u8], mut each: impl FnMut(Exception)) -> Result<(), BillError> {
    if layout != Layout::UnionpayAll {
        return Ok(());
    }
    let mut bill = match Bill::open(Layout::UnionpayExceptions, octets) {
        Err(open::NO_FILE) => return Ok(()),
        opened => opened?,
    };
    while let Some(row) = bill.row()? {
        let amount = row.get("交易金额").parse();
        each(Exception {
            trace: row.get("系统跟踪号").into(),
            time: row.get("交易传输时间").into(),
            amount: amount
                .map(Amount::from_fen)
                .map_err(|_| row.wrong("交易金额 of an exception is not in fen"))?,
        });
    }
    Ok(())
}

/// How many letters of a number a bill has room for, where that is less than the channel's messages take.
pub const fn longest_number(channel: Channel) -> Option<usize> {
    match channel {
        Channel::Unionpay => Some(crate::unionpay::file::LONGEST_NUMBER),
        _ => None,
    }
}

/// Numbers that are not lawful as ours are nobody's of ours.
fn number(text: &str) -> Option<ChannelNo> {
    ChannelNo::new(text).ok()
}

fn trade_no(row: &Row<'_>, text: &str) -> Result<TradeNo, BillError> {
    TradeNo::new(text)
        .map_err(|_| row.wrong("the channel's own number is missing or has characters that it never has"))
}

/// Yuan without a sign.
fn yuan(row: &Row<'_>, text: &str) -> Result<Amount, BillError> {
    Amount::parse_yuan(text).map_err(|_| row.wrong("an amount is not in yuan with two decimals"))
}

/// Yuan with up to five decimals and perhaps a sign, in thousandths of a fen; `None` for anything else.
fn millifen(text: &str) -> Option<i64> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(part) || part.len() > 5 {
        return None;
    }
    let part: i64 = format!("{part:0<5}").parse().ok()?;
    whole
        .parse::<i64>()
        .ok()?
        .checked_mul(100_000)?
        .checked_add(part)
        .map(|all| all * sign)
}

#[cfg(test)]
#[path = "bill_tests.rs"]
mod tests;
