//! The words of reconciliation (对账): what a channel's bill says, line by line, and how it can differ from our record.

use crate::{AccountNo, Amount, Channel, ChannelNo, Day, Instant, PaymentId, TradeNo};
use serde::{Deserialize, Serialize};

/// UnionPay's settlement day ends at 23:00: a cancel or reversal must come between 23:00 of the day before and 23:00 of the day
/// (二维码支付产品接口规范 2.3, as public clients quote it). That a day of its file is the same is [unverified].
const UNIONPAY_EARLIER_MS: i64 = 3_600_000;

const fn earlier_ms(channel: Channel) -> i64 {
    match channel {
        Channel::Unionpay => UNIONPAY_EARLIER_MS,
        Channel::Wechat | Channel::Alipay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => 0,
    }
}

/// So near to midnight a channel may count a movement in the next day's bill.
pub const CUT_OVER_MS: i64 = 10 * 60_000;

/// The day in whose bill a channel counts what happened at this instant.
pub fn day_of(channel: Channel, at: Instant) -> Day {
    at.plus_millis(earlier_ms(channel)).day()
}

/// The first instant of a channel's day.
pub fn start_of(channel: Channel, day: Day) -> Instant {
    day.start().plus_millis(-earlier_ms(channel))
}

/// Which of a channel's bills.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillKind {
    /// Orders paid and paid back in a day.
    Trade,
    /// What moved on the merchant's own account at the channel in a day (资金账单).
    Funds,
    /// No bill: the channel has none that is documented, and what our record has of the day was asked for one by one.
    Queried,
}

impl BillKind {
    /// The name in paths, files and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            BillKind::Trade => "trade",
            BillKind::Funds => "funds",
            BillKind::Queried => "queried",
        }
    }
}

/// One bill of one account.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BillKey {
    /// Whose account.
    pub account: AccountNo,
    /// Channel.
    pub channel: Channel,
    /// Of which day, as the channel counts days.
    pub day: Day,
    /// Which of its bills.
    pub kind: BillKind,
}

/// The older day first, whatever the order in which the parts are written.
impl Ord for BillKey {
    fn cmp(&self, other: &BillKey) -> std::cmp::Ordering {
        let parts = (self.day, self.channel, &self.account, self.kind);
        parts.cmp(&(other.day, other.channel, &other.account, other.kind))
    }
}

impl PartialOrd for BillKey {
    fn partial_cmp(&self, other: &BillKey) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// What a line is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Movement {
    /// A payer paid.
    Payment,
    /// Money went back.
    Refund,
    /// A payment-code order was undone.
    Reversal,
}

/// How far it is, in the channel's words.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// Done.
    Done,
    /// The channel works on it.
    Pending,
    /// It came to nothing.
    Failed,
}

/// How far a movement is by our record, where a bill differs from it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Paid, or paid back.
    Done,
    /// Nobody has told us: not paid, or still under way.
    Open,
    /// Surely no money moved: closed, refused, failed.
    Gone,
    /// A payment that was undone; its way back is a movement of its own.
    Undone,
    /// The way back of what was undone.
    Back,
}

impl RecordState {
    /// All five.
    pub const ALL: [RecordState; 5] = {
        use RecordState::*;
        [Done, Open, Gone, Undone, Back]
    };

    /// The name in the API and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordState::Done => "done",
            RecordState::Open => "open",
            RecordState::Gone => "gone",
            RecordState::Undone => "undone",
            RecordState::Back => "back",
        }
    }
}

/// How far a movement is by the channel's bill.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillState {
    /// Done.
    Done,
    /// The channel works on it.
    Pending,
    /// It came to nothing.
    Failed,
    /// The channel corrected it afterwards (UnionPay's file of exceptions).
    Corrected,
}

impl BillState {
    /// All four.
    pub const ALL: [BillState; 4] = {
        use BillState::*;
        [Done, Pending, Failed, Corrected]
    };

    /// The name in the API and the journal.
    pub const fn as_str(self) -> &'static str {
        match self {
            BillState::Done => "done",
            BillState::Pending => "pending",
            BillState::Failed => "failed",
            BillState::Corrected => "corrected",
        }
    }
}

impl From<LineState> for BillState {
    fn from(state: LineState) -> BillState {
        match state {
            LineState::Done => BillState::Done,
            LineState::Pending => BillState::Pending,
            LineState::Failed => BillState::Failed,
        }
    }
}

/// One line of a bill: facts only. What a bill says of the payer (wallet id, name, card) and its free texts have no field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillLine {
    /// What happened.
    pub movement: Movement,
    /// The order's number at the channel; absent where it is no lawful number, which none of ours is.
    pub number: Option<ChannelNo>,
    /// The refund's number at the channel.
    pub refund: Option<ChannelNo>,
    /// The channel's own number: of the payment, or of the refund where refunds have their own.
    pub trade_no: TradeNo,
    /// The channel's own number of the payment that went back, where the bill names it so (UnionPay).
    pub original: Option<TradeNo>,
    /// Fen of the order, or fen that went back.
    pub amount: Amount,
    /// The channel's fee in thousandths of a fen; negative where a fee came back.
    pub fee_millifen: i64,
    /// How far it is.
    pub state: LineState,
    /// When, by the channel's clock.
    pub at: Instant,
}

/// A movement of our record about which a channel without bills gave no clear answer, however often it was asked. It is
/// neither proven nor a difference.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Unanswered {
    /// The channel's error code, or ours: `unclear`, `not_sent`.
    pub code: std::sync::Arc<str>,
    /// The order's number at the channel.
    pub number: ChannelNo,
    /// Our order.
    pub payment: PaymentId,
    /// The refund's number at the channel, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refund: Option<ChannelNo>,
}

/// How a bill and our record can differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The bill has the same movement more than once.
    Repeated,
    /// The bill has what we have no record of.
    OnlyAtChannel,
    /// We have on record what the bill does not have.
    OnlyHere,
    /// Another amount.
    Amount,
    /// Another state: paid there and not here, done here and failed there.
    State,
    /// Another trade number of the channel.
    TradeNo,
    /// Counted in another day's bill.
    Day,
}

/// What two people make of a difference.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// The bill is right; whoever keeps books by our record follows it.
    BillStands,
    /// Our record is right; the channel is asked to correct its bill.
    RecordStands,
    /// Both are right: a matter of time or of counting.
    Explained,
}

impl DifferenceKind {
    /// All seven.
    pub const ALL: [DifferenceKind; 7] = {
        use DifferenceKind::*;
        [Repeated, OnlyAtChannel, OnlyHere, Amount, State, TradeNo, Day]
    };

    /// The name in the API, files and labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            DifferenceKind::Repeated => "repeated",
            DifferenceKind::OnlyAtChannel => "only_at_channel",
            DifferenceKind::OnlyHere => "only_here",
            DifferenceKind::Amount => "amount",
            DifferenceKind::State => "state",
            DifferenceKind::TradeNo => "trade_no",
            DifferenceKind::Day => "day",
        }
    }
}
