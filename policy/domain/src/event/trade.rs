//! Everything that happens to trades.

use crate::*;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc};

/// Everything that happens to trades and to the machine that carries them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TradeEvent {
    /// A run of the proxy begins; RAM keys of earlier boots are gone.
    ProcessStarted {
        /// This run.
        boot: Boot,
        /// Length of a bucket of sealed data, in seconds. Absent, like the next two, in entries of earlier versions.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bucket_seconds: Option<u64>,
        /// What is sealed is dead so many seconds later, at the latest.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        deadline_seconds: Option<u64>,
        /// Longest time sealed data is renewed for a notification, in seconds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        notify_seconds: Option<u64>,
        /// SHA-256 of the accepted configuration file.
        settings: Digest,
        /// Program version.
        version: Arc<str>,
    },
    /// The run ended in good order.
    ProcessStopped {
        /// That run.
        boot: Boot,
    },
    /// A signed registry took effect.
    RegistryLoaded {
        /// Whose file, where there may be several; absent in entries of earlier builds.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        acquirer: Option<AcquirerNo>,
        /// SHA-256 of the file.
        digest: Digest,
        /// Which.
        kind: Registry,
        /// It counts no longer after this.
        not_after: Instant,
        /// Its version, which only rises.
        version: u64,
    },
    /// A measure of the desk took effect here.
    MeasureObserved {
        /// Index of the order in the cases journal.
        cases_index: u64,
        /// The measure.
        measure: Measure,
    },
    /// The cases journal was read and verified up to here.
    CasesCursor {
        /// Its root hash at that size.
        root: Digest,
        /// Its size.
        size: u64,
    },
    /// Policy said no. What may be told stands in `clause`; [`Clause::NOT_ACCEPTED`] hides the true reason.
    Refused {
        /// Amount asked for.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        amount: Option<Amount>,
        /// Channel, where one was chosen.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        channel: Option<Channel>,
        /// The public clause.
        clause: Clause,
        /// Code kind and level.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        code: Option<Code>,
        /// What was asked.
        operation: Operation,
        /// The merchant's order number, where the request named a lawful one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        order_no: Option<OrderNo>,
        /// Payee that the request named, where that is what was refused.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payee: Option<PayeeNo>,
        /// The payer's pseudonym, where there is one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payer: Option<PayerToken>,
    },
    /// The no-funds guard said no before the request could mean an order. Without a merchant on the entry nobody's
    /// signature stands behind it: then it is a count of those alike.
    GuardRefused {
        /// The registered account that the request named.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        account: Option<AccountNo>,
        /// How it offends.
        breach: Breach,
        /// Channel, where one was named.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        channel: Option<Channel>,
        /// The clause.
        clause: Clause,
        /// How many alike since `since`; absent for a single one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        count: Option<u64>,
        /// Name of the field or call, if it is one that we know, else [`UNLISTED`]; never a value.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        name: Option<Arc<str>>,
        /// What was asked, where that was clear.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        operation: Option<Operation>,
        /// When the first of them came.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        since: Option<Instant>,
    },
    /// An attempt is about to be sent.
    AttemptIntended {
        /// Account at the channel.
        account: AccountNo,
        /// Fen.
        amount: Amount,
        /// The app or mini program, where it is not the account's first.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        appid: Option<AppNo>,
        /// Number of the attempt from 1.
        attempt: u16,
        /// Who composed the bytes.
        carried: Carried,
        /// Channel.
        channel: Channel,
        /// Payment code kind and level.
        code: Code,
        /// Digest of what makes a repeat the same order (facts and payer token), keyed with the journal's content key.
        content: KeyedDigest,
        /// When the order ends at the channel.
        expires: Instant,
        /// Who can ask the channel.
        keys: Keys,
        /// Its number at the channel.
        number: ChannelNo,
        /// The merchant's number.
        order_no: OrderNo,
        /// Way to pay.
        pay_way: PayWay,
        /// Who is paid.
        payee: PayeeNo,
        /// The payer's pseudonym, where the order names one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payer: Option<PayerToken>,
        /// What it costs the merchant, where the registries say so.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        rates: Option<RateSnapshot>,
        /// Why it goes to this account, where there was a choice.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        route: Option<Arc<RouteTaken>>,
        /// Sealed buyer data of this order.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seal: Option<SealRef>,
        /// The sub-merchant's own app, where the order names one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        sub_appid: Option<AppNo>,
        /// Terminal, where the order names one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        terminal: Option<TerminalNo>,
        /// What that terminal was matched against.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        terminal_match: Option<Arc<TerminalMatch>>,
        /// The order says that it comes from a device, and the acquirer has registered the merchant's terminals, but none with
        /// that serial (R22). The serial itself is not kept: who knows what stands there.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        terminal_unmatched: bool,
    },
    /// The channel has the order.
    AttemptPlaced {
        /// Which attempt.
        attempt: u16,
        /// How the payer reaches it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reach: Option<Reach>,
    },
    /// The channel surely does not have the order.
    AttemptNotPlaced {
        /// Which attempt.
        attempt: u16,
        /// The channel's error code, from its published list; absent when none was given.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        code: Option<Arc<str>>,
        /// There where the payer's side said no: a charging order whose wallet, bank or card declined it.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        declined: Option<Declined>,
        /// Why.
        reason: NotPlaced,
    },
    /// A try of the payer's was refused on the payer's side, and the order is open still: WeChat's `PAYERROR`, a card that its
    /// issuer refused at UnionPay. Once for each attempt.
    AttemptDeclined {
        /// Which attempt.
        attempt: u16,
        /// The channel's code or state, from its published list.
        code: Arc<str>,
        /// The payer's pseudonym, where the channel tells the payer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payer: Option<PayerToken>,
    },
    /// Sent; nobody knows yet.
    AttemptUnknown {
        /// Which attempt.
        attempt: u16,
        /// Why.
        reason: Unclear,
    },
    /// Paid, with proof.
    AttemptPaid {
        /// Which attempt.
        attempt: u16,
        /// What the channel states.
        facts: PaidFacts,
        /// The payer's pseudonym, where the channel tells the payer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payer: Option<PayerToken>,
        /// How we know.
        proof: Proof,
        /// Sealed buyer data kept for the merchant's notification.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        seal: Option<SealRef>,
    },
    /// A close is about to be sent.
    CloseIntended {
        /// Which attempt.
        attempt: u16,
        /// Why.
        reason: CloseReason,
    },
    /// The close was sent; nobody knows yet.
    CloseUnknown {
        /// Which attempt.
        attempt: u16,
        /// Why.
        reason: Unclear,
    },
    /// The channel would not close it.
    CloseRefused {
        /// Which attempt.
        attempt: u16,
        /// The channel's error code.
        code: Arc<str>,
    },
    /// Closed unpaid.
    AttemptClosed {
        /// Which attempt.
        attempt: u16,
        /// How we know.
        proof: Proof,
    },
    /// A reverse of a payment-code order, or of a payment at UnionPay, is about to be sent.
    ReverseIntended {
        /// Which attempt.
        attempt: u16,
        /// Why.
        reason: ReverseReason,
    },
    /// The reverse was sent; nobody knows yet, or the channel wants it again.
    ReverseUnknown {
        /// Which attempt.
        attempt: u16,
        /// Why; absent where the channel asked for it again (`retry_flag`, `recall`).
        #[serde(skip_serializing_if = "Option::is_none", default)]
        reason: Option<Unclear>,
    },
    /// The channel would not reverse it.
    ReverseRefused {
        /// Which attempt.
        attempt: u16,
        /// The channel's error code.
        code: Arc<str>,
    },
    /// Undone: nobody is charged for it any more.
    AttemptReversed {
        /// Which attempt.
        attempt: u16,
        /// How we know.
        proof: Proof,
        /// True if it had been paid and the money went back, false if it was unpaid; absent where the channel does not
        /// tell.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        refunded: Option<bool>,
    },
    /// A payment-code order was looked for once more after a reverse that found nothing, or a bank's order after its payer went
    /// another way, when its own time at the channel was over: no payment came late, and none can come any more.
    NothingCameLate {
        /// Which attempt.
        attempt: u16,
    },
    /// Nobody told and nobody here can ask (the merchant holds the key, or no file has the account any more), or no answer says
    /// anything; the channel's own expiry is over.
    AttemptUnresolved {
        /// Which attempt.
        attempt: u16,
    },
    /// A refund waits for the merchant's release.
    RefundHeld {
        /// Fen.
        amount: Amount,
        /// Which attempt was paid.
        attempt: u16,
        /// Its number at the channel.
        number: ChannelNo,
        /// The merchant's number.
        refund_no: RefundNo,
    },
    /// A held refund was withdrawn.
    RefundCancelled {
        /// Which refund.
        refund_no: RefundNo,
    },
    /// A refund is about to be sent.
    RefundIntended {
        /// Fen.
        amount: Amount,
        /// Which attempt was paid.
        attempt: u16,
        /// Why.
        cause: RefundCause,
        /// Its number at the channel.
        number: ChannelNo,
        /// The merchant's number.
        refund_no: RefundNo,
    },
    /// Sent; nobody knows yet.
    RefundUnknown {
        /// Why.
        reason: Unclear,
        /// Which refund.
        refund_no: RefundNo,
    },
    /// The channel works on it.
    RefundProcessing {
        /// Which refund.
        refund_no: RefundNo,
        /// The channel's number.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trade_no: Option<TradeNo>,
    },
    /// The money is back at its source.
    RefundSucceeded {
        /// How we know.
        proof: Proof,
        /// Which refund.
        refund_no: RefundNo,
        /// When, by the channel's clock.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        refunded_at: Option<Instant>,
        /// The channel's number.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trade_no: Option<TradeNo>,
    },
    /// No money moved.
    RefundFailed {
        /// The channel's error code.
        code: Arc<str>,
        /// Which refund.
        refund_no: RefundNo,
    },
    /// The payer's account cannot take it.
    RefundAbnormal {
        /// Which refund.
        refund_no: RefundNo,
    },
    /// An abnormal refund is to go another way (channels.md 1.2); on record before it is asked for.
    RefundRedirected {
        /// Which refund.
        refund_no: RefundNo,
        /// Where it shall go.
        to: RefundWay,
    },
    /// Nobody can ask for it, or no answer of the channel's can say that it is not there; its own window for refunds is over.
    RefundUnresolved {
        /// Which refund.
        refund_no: RefundNo,
    },
    /// A verified notice for no order of ours.
    ForeignNotice {
        /// Account it came to.
        account: AccountNo,
        /// Channel.
        channel: Channel,
        /// The number it names, where lawful.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        number: Option<ChannelNo>,
        /// Digest of the notice's bytes, keyed with its bucket's salt.
        seen: KeyedDigest,
    },
    /// A verified notice or answer that does not fit the record; nothing was changed by it.
    Mismatched {
        /// Account it came to.
        account: AccountNo,
        /// Channel.
        channel: Channel,
        /// The number of ours that it came for.
        number: ChannelNo,
        /// How we got it.
        proof: Proof,
        /// What does not fit.
        what: Mismatch,
    },
    /// A merchant made a code that payers scan: of every payer (static) or for one order.
    CodeMade {
        /// Fen; absent where the payer enters them.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        amount: Option<Amount>,
        /// Kind and level (R18).
        code: Code,
        /// The merchant's number of it.
        code_no: CodeNo,
        /// From then on it opens no new order.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        expires: Option<Instant>,
        /// Our number of it.
        id: CodeId,
        /// The order that it is for.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        order_no: Option<OrderNo>,
        /// Who is paid, where that is not the account itself.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payee: Option<PayeeNo>,
        /// Terminal, where it stands at one.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        terminal: Option<TerminalNo>,
        /// What stands on it, as the merchant shows it to everybody: never of a buyer.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        title: Option<Arc<str>>,
    },
    /// The merchant withdrew a code; it opens no new order.
    CodeRevoked {
        /// Our number of it.
        id: CodeId,
    },
    /// A payer opened this attempt by a code.
    ByCode {
        /// Which attempt.
        attempt: u16,
        /// Our number of the code.
        id: CodeId,
    },
    /// The attempt is to lead the payer to a bank. Stands right behind its intent.
    BankNamed {
        /// Its position, from 1.
        attempt: u16,
        /// Which bank.
        bank: BankNo,
    },
    /// The attempt is one of several orders that are paid together, all or none. Stands right behind its intent.
    AttemptCombined {
        /// Its position, from 1.
        attempt: u16,
        /// With which.
        with: Combined,
    },
    /// UnionPay knows an order or a refund by its number and a time (`orderId` and `txnTime`), which the merchant's own SDK
    /// chose. Stands right behind the intent that it belongs to.
    NamedAtChannel {
        /// Account at the channel.
        account: AccountNo,
        /// The attempt, from 1; a refund's is the one that it goes back from.
        attempt: u16,
        /// Channel.
        channel: Channel,
        /// Number at the channel.
        number: ChannelNo,
        /// The merchant's number of the refund, where it is one's.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        refund_no: Option<RefundNo>,
        /// The time that belongs to the number.
        time: Instant,
    },
    /// UnionPay knows a consume-cancel (消费撤销) by its own number and a time, which the merchant's own SDK chose, and a
    /// reversal (冲正) by those of the order that it undoes. Stands right behind the intent of the reverse that it is.
    ReverseNamed {
        /// Account at the channel.
        account: AccountNo,
        /// The attempt that it takes back, from 1.
        attempt: u16,
        /// Channel.
        channel: Channel,
        /// Number at the channel.
        number: ChannelNo,
        /// The time that belongs to the number.
        time: Instant,
    },
    /// A free text looked like personal data; it was forwarded and nowhere kept.
    PatternSeen {
        /// Name of the field in the API.
        field: Arc<str>,
        /// What it looked like.
        pattern: Pattern,
    },
    /// The merchant acknowledged a notification.
    Told {
        /// Its number.
        seq: u64,
        /// Which try succeeded, from 1.
        tries: u32,
    },
    /// The merchant did not acknowledge within the time allowed; it can still be sent again on request.
    TellGivenUp {
        /// Its number.
        seq: u64,
        /// How often we tried.
        tries: u32,
    },
    /// A bucket's key died.
    BucketDestroyed {
        /// The run that made the key.
        boot: Boot,
        /// Number of the bucket.
        bucket: u64,
        /// When it had to die, wall clock.
        deadline: Instant,
        /// Openings by purpose.
        openings: BTreeMap<Purpose, u64>,
        /// Records sealed under it.
        records: u64,
    },
    /// A token epoch begins.
    EpochOpened {
        /// Its number.
        epoch: u32,
        /// First day.
        from: Day,
        /// Grade of the erasable root that holds its key (design.md section 7): `C` is a file.
        grade: Arc<str>,
        /// Last day.
        until: Day,
    },
    /// A token epoch's key died; its tokens link to nothing new.
    EpochDestroyed {
        /// Its number.
        epoch: u32,
    },
    /// New orders go to an account again, or no longer.
    BreakerTurned {
        /// Account.
        account: AccountNo,
        /// What it suffers from, where it opened.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        ailment: Option<Ailment>,
        /// Channel.
        channel: Channel,
        /// Which of its breakers.
        class: OperationClass,
        /// What it is now.
        state: BreakerState,
    },
    /// The index was thrown away and built again from this journal.
    IndexRebuilt {
        /// Entries read.
        entries: u64,
    },
    /// A channel is about to be asked for the bill of a day.
    BillAsked {
        /// Which bill.
        bill: BillKey,
        /// How often it was asked for, from 1.
        tries: u32,
    },
    /// A bill that nobody asks for: its account had movements that day and is registered no longer, so they were compared with
    /// nothing.
    BillNotAsked {
        /// Which bill.
        bill: BillKey,
    },
    /// The channel does not give the bill, or what it gave is none; it is asked for again.
    BillRefused {
        /// Which bill.
        bill: BillKey,
        /// The channel's error code, or ours: `hash`, `host`, `unreadable`, `unclear`.
        code: Arc<str>,
    },
    /// The bill is here, or the channel has none for that day. What follows is found by the entries before `entries` and
    /// these octets alone.
    BillTaken {
        /// It was taken before: what was found then stands until it is settled, and what is still found keeps its place in this
        /// journal. False where what was found before counts no more.
        #[serde(skip_serializing_if = "std::ops::Not::not", default)]
        again: bool,
        /// Which bill.
        bill: BillKey,
        /// SHA-256 of the file as it came; absent where the channel says that there is none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        digest: Option<Digest>,
        /// Our record as it stood when so many entries were in this journal.
        entries: u64,
    },
    /// Bill and record differ.
    BillDiffers {
        /// Fen by our record.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        amount: Option<Amount>,
        /// Which bill.
        bill: BillKey,
        /// Fen by the bill.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bill_amount: Option<Amount>,
        /// How far it is by the bill; absent where the bill has no such line.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bill_state: Option<BillState>,
        /// The channel's number by the bill; absent where the bill has no such line.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        bill_trade_no: Option<TradeNo>,
        /// To which day it belongs by our record; where we have none, the bill's.
        day: Day,
        /// How they differ.
        difference: DifferenceKind,
        /// Payment, refund or reversal.
        movement: Movement,
        /// Its place in the list of the comparison that found it, from 1.
        n: u64,
        /// The order's number at the channel, where lawful.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        number: Option<ChannelNo>,
        /// Our order.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        payment: Option<PaymentId>,
        /// The refund's number at the channel.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        refund: Option<ChannelNo>,
        /// How far it is by our record; absent where we have none.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        state: Option<RecordState>,
        /// The channel's number by our record.
        #[serde(skip_serializing_if = "Option::is_none", default)]
        trade_no: Option<TradeNo>,
    },
    /// Refunds that this bill counts on the day they were asked for, though they were done on a later one, whose bill need not
    /// have them, or nobody had told of them yet.
    BillEarly {
        /// Which bill.
        bill: BillKey,
        /// Numbers at the channel: the order's and the refund's.
        refunds: Vec<(ChannelNo, ChannelNo)>,
    },
    /// Movements of that day about which the channel gave no clear answer until the schedule's end: not compared.
    BillUnanswered {
        /// Which bill.
        bill: BillKey,
        /// Which, and the last code of each.
        movements: Vec<Unanswered>,
    },
    /// A bill was compared anew, and what was found before is found no more.
    BillSettled {
        /// Which bill.
        bill: BillKey,
        /// Where it stands in this journal.
        difference: u64,
    },
    /// Two officers resolved a difference at the desk.
    BillResolved {
        /// Which bill.
        bill: BillKey,
        /// Where their decision stands in the cases journal.
        cases_index: u64,
        /// Where the difference stands in this journal.
        difference: u64,
        /// What it comes to.
        resolution: Resolution,
    },
    /// The whole bill was compared with the whole record of its day.
    BillMatched {
        /// Which bill.
        bill: BillKey,
        /// How many differences were found; the first ten thousand stand before this entry.
        differences: u64,
        /// Fees by the bill, in thousandths of a fen.
        fee_millifen: i64,
        /// Lines that state a movement.
        lines: u64,
        /// Fen paid, by the bill.
        paid: Amount,
        /// Payments, by the bill.
        payments: u64,
        /// Fen that went back, by the bill.
        refunded: Amount,
        /// Refunds and reversals, by the bill.
        refunds: u64,
    },
}

impl TradeEvent {
    /// The name of the variant as it stands in the journal, for labels.
    pub fn name(&self) -> &'static str {
        use TradeEvent::*;
        match self {
            ProcessStarted { .. } => "process_started",
            ProcessStopped { .. } => "process_stopped",
            RegistryLoaded { .. } => "registry_loaded",
            MeasureObserved { .. } => "measure_observed",
            CasesCursor { .. } => "cases_cursor",
            Refused { .. } => "refused",
            GuardRefused { .. } => "guard_refused",
            AttemptIntended { .. } => "attempt_intended",
            AttemptPlaced { .. } => "attempt_placed",
            AttemptNotPlaced { .. } => "attempt_not_placed",
            AttemptDeclined { .. } => "attempt_declined",
            AttemptUnknown { .. } => "attempt_unknown",
            AttemptPaid { .. } => "attempt_paid",
            CloseIntended { .. } => "close_intended",
            CloseUnknown { .. } => "close_unknown",
            CloseRefused { .. } => "close_refused",
            AttemptClosed { .. } => "attempt_closed",
            ReverseIntended { .. } => "reverse_intended",
            ReverseUnknown { .. } => "reverse_unknown",
            ReverseRefused { .. } => "reverse_refused",
            AttemptReversed { .. } => "attempt_reversed",
            NothingCameLate { .. } => "nothing_came_late",
            AttemptUnresolved { .. } => "attempt_unresolved",
            RefundHeld { .. } => "refund_held",
            RefundCancelled { .. } => "refund_cancelled",
            RefundIntended { .. } => "refund_intended",
            RefundUnknown { .. } => "refund_unknown",
            RefundProcessing { .. } => "refund_processing",
            RefundSucceeded { .. } => "refund_succeeded",
            RefundFailed { .. } => "refund_failed",
            RefundAbnormal { .. } => "refund_abnormal",
            RefundRedirected { .. } => "refund_redirected",
            RefundUnresolved { .. } => "refund_unresolved",
            ForeignNotice { .. } => "foreign_notice",
            Mismatched { .. } => "mismatched",
            CodeMade { .. } => "code_made",
            CodeRevoked { .. } => "code_revoked",
            ByCode { .. } => "by_code",
            BankNamed { .. } => "bank_named",
            AttemptCombined { .. } => "attempt_combined",
            NamedAtChannel { .. } => "named_at_channel",
            ReverseNamed { .. } => "reverse_named",
            PatternSeen { .. } => "pattern_seen",
            Told { .. } => "told",
            TellGivenUp { .. } => "tell_given_up",
            BucketDestroyed { .. } => "bucket_destroyed",
            EpochOpened { .. } => "epoch_opened",
            EpochDestroyed { .. } => "epoch_destroyed",
            BreakerTurned { .. } => "breaker_turned",
            IndexRebuilt { .. } => "index_rebuilt",
            BillAsked { .. } => "bill_asked",
            BillNotAsked { .. } => "bill_not_asked",
            BillRefused { .. } => "bill_refused",
            BillTaken { .. } => "bill_taken",
            BillDiffers { .. } => "bill_differs",
            BillEarly { .. } => "bill_early",
            BillUnanswered { .. } => "bill_unanswered",
            BillMatched { .. } => "bill_matched",
            BillSettled { .. } => "bill_settled",
            BillResolved { .. } => "bill_resolved",
        }
    }
}
