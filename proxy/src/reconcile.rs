//! Reconciliation (对账): each account's day against the channel's bill of that day, fetched when it is due.
//!
//! A fold over the journal says how far each bill is ([`ledger::BillHead`]), so a run goes on where another was killed:
//! `bill_asked` is durable before the channel is asked, `bill_taken` fixes which file and which state of our record are
//! compared, differences follow in a fixed order, and `bill_matched` ends it. One bill is compared at a time. A bill whose day
//! gained something on record afterwards is asked for again, and the list is put right: what is found no more is settled, what
//! still is keeps its place and what officers made of it.

mod ask;
mod compare;
mod corrected;
mod queried;
mod record;
mod standing;
pub(crate) mod statement;
pub(crate) mod view;
mod whole;

pub(crate) use ask::MOST_BILL;

use crate::{app::App, config::Books};
use ask::Got;
use bytes::Bytes;
use channel::bill::Layout;
use compare::{CompareError, Comparison};
use domain::*;
use ledger::{Attempt, BillHead, CommitError, Ledger, LookupError, TakenBill};
use policy::{
    books::{Book, MOST_DAYS_BACK, is_overdue, is_past},
    registry::{AccountFacts, MerchantFacts},
};
use record::DayRecord;
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::sync::watch;

/// An overdue bill is asked for so many times less often.
const OVERDUE_RARER: u32 = 12;
/// A word of "no bill" that our record contradicts is doubted for so many days, and so many times less often than a bill that
/// is not there yet is asked for: every four hours at the standing settings.
const DOUBTED_DAYS: i32 = 10;
const DOUBTED: u32 = 8;
/// So long a start waits for the first looks at what an earlier run left open: what channels tell then is no difference.
const FIRST_LOOKS: Duration = Duration::from_secs(600);
/// Differences are put on record so many at once.
const AT_ONCE: usize = 64;

/// One bill to be compared.
struct Job {
    merchant: Arc<MerchantFacts>,
    layout: Layout,
    key: BillKey,
    head: Option<BillHead>,
}

/// Our record of a day, kept while the day's accounts are compared one after the other.
struct Kept {
    day: Day,
    entries: u64,
    /// Entries from there up to this one say nothing of that day.
    seen: u64,
    record: DayRecord,
}

#[derive(Debug, thiserror::Error)]
enum JobError {
    #[error(transparent)]
    Commit(#[from] CommitError),
    #[error(transparent)]
    Lookup(#[from] LookupError),
    #[error(transparent)]
    Read(#[from] journal::ReadError),
    #[error("the comparison was cut short")]
    Cut,
}

/// Compares until `stop`.
pub async fn run(app: App, books: Books, mut stop: watch::Receiver<bool>) {
    let books = Arc::new(books);
    let started = app.clock().since_boot();
    loop {
        let looked = || app.has_looked() || app.clock().since_boot() >= started + FIRST_LOOKS;
        if app.ledger().is_indexed() && looked() {
            let mut kept = None;
            let (looking, asked) = (app.clone(), books.clone());
            // Off the threads of the road: some thousand bills of accounts are looked for.
            let jobs = match tokio::task::spawn_blocking(move || due(&looking, &asked)).await {
                Ok(jobs) => jobs,
                Err(error) => {
                    tracing::error!(%error, "what bills are due could not be looked through");
                    Vec::new()
                }
            };
            for job in jobs {
                if let Err(error) = work(&app, &mut kept, &job).await {
                    tracing::error!(%error, channel = job.key.channel.as_str(), "a bill could not be compared; it is tried again");
                    kept = None;
                }
                if *stop.borrow() {
                    return;
                }
            }
        }
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(books.every) => {}
        }
    }
}

/// Everything that is due now, the oldest day first.
fn due(app: &App, books: &Books) -> Vec<Job> {
    let (now, registries) = (app.clock().now(), app.registries());
    let Some(first) = first_day(app) else {
        return Vec::new();
    };
    let mut jobs = Vec::new();
    for number in first.number()..now.day().number() {
        let day = Day::from_number(number);
        if now
            < Day::from_number(number + 1)
                .start()
                .plus_millis(books.after.as_millis() as i64)
        {
            continue;
        }
        let mut heads: BTreeMap<BillKey, BillHead> = app.ledger().bills_of(day).into_iter().collect();
        for merchant in registries.merchants() {
            for account in merchant.accounts.iter().filter(|account| is_compared(account)) {
                for kind in kinds(books, account.channel) {
                    let Some(layout) = Layout::of(account.channel, kind) else {
                        continue;
                    };
                    let key = BillKey {
                        day,
                        channel: account.channel,
                        account: account.account.clone(),
                        kind,
                    };
                    let head = heads.remove(&key);
                    if head
                        .as_ref()
                        .is_none_or(|head| is_due(&key, head, app.started_at(), now, books.retry))
                    {
                        jobs.push(Job {
                            merchant: merchant.clone(),
                            layout,
                            key,
                            head,
                        });
                    }
                }
            }
        }
    }
    jobs
}

/// We hold its keys, and read its channel's bills.
pub(crate) fn is_compared(account: &AccountFacts) -> bool {
    account.keys == Keys::Held && has_books(account.channel)
}

/// Days of this channel can be compared with its own word.
pub(crate) fn has_books(channel: Channel) -> bool {
    let compared = [BillKind::Trade, BillKind::Queried];
    compared
        .into_iter()
        .any(|kind| Layout::of(channel, kind).is_some())
}

/// The bills of an account at this channel that are compared, in this order.
pub(crate) fn kinds(books: &Books, channel: Channel) -> impl Iterator<Item = BillKind> + use<> {
    let funds = books.funds;
    let all = [BillKind::Trade, BillKind::Queried, BillKind::Funds].into_iter();
    all.filter(move |kind| (funds || *kind != BillKind::Funds) && Layout::of(channel, *kind).is_some())
}

/// Days are compared from the configured one on, else from the one on which this journal began.
pub(crate) fn begins(app: &App) -> Option<Day> {
    let configured = app.config().books.as_ref().and_then(|books| books.from);
    configured.or_else(|| app.ledger().entry(0).ok().map(|entry| entry.at.day()))
}

/// The first day that is made up for.
fn first_day(app: &App) -> Option<Day> {
    Some(begins(app)?.max(Day::from_number(
        app.clock().now().day().number() - MOST_DAYS_BACK,
    )))
}

/// What an earlier run left behind is gone on with at once; what the channel refused waits its time, however often we start
/// (channels.md 1.13: every half hour). A bill that is long overdue is asked for less often. That there is no bill, in a word
/// that may also mean "not made yet", is doubted while our record has what that bill would have to have: the bill may come after
/// all. One whose day moved since is compared anew: soon where somebody may be looking into its differences, else there is time.
//= C61
fn is_due(key: &BillKey, head: &BillHead, started: Instant, now: Instant, retry: Duration) -> bool {
    let past = |retry: Duration| now >= head.asked.plus_millis(retry.as_millis() as i64);
    // It was never asked for.
    if head.tries == 0 {
        return true;
    }
    let rarer = if is_overdue(key.day, now) {
        OVERDUE_RARER
    } else {
        1
    };
    if head.matched.is_none() {
        let cut_short = head.refused.is_none() && head.asked < started;
        return cut_short || past(retry * rarer);
    }
    let open = head.is_open();
    if head.is_moved() {
        let refused = head.refused.as_ref().map_or(1, |_| rarer);
        return past(retry * refused.max(if open { 1 } else { DOUBTED }));
    }
    let none = head.taken.as_ref().is_some_and(|taken| taken.digest.is_none());
    let recent = now.day().number() - key.day.number() <= DOUBTED_DAYS;
    none && open && recent && channel::bill::none_is_a_doubt(key.channel) && past(retry * DOUBTED)
}

//= C61
async fn work(app: &App, kept: &mut Option<Kept>, job: &Job) -> Result<(), JobError> {
    // As the registries say now: the bills before this one took their time.
    let registries = app.registries();
    let owner = registries.owner(job.key.channel, &job.key.account);
    let own = owner.filter(|(merchant, facts)| merchant.id == job.merchant.id && is_compared(facts));
    let Some((_, facts)) = own else {
        // It was dropped a moment ago: others' bills of the day may be compared already.
        if let Some(of) = kept.take_if(|kept| kept.day == job.key.day) {
            let record = note_not_asked(app, of.record, of.day).await?;
            *kept = Some(Kept { record, ..of });
        }
        return Ok(());
    };
    let bill = job.key.clone();
    let tries = job.head.as_ref().map_or(0, |head| head.tries) + 1;
    //= C26
    note(app, job, vec![TradeEvent::BillAsked { bill, tries }]).await?;
    app.step("bill_asked");
    let at = app.account(facts, None, None);
    let got = if job.key.kind == BillKind::Queried {
        queried::get(app, &at, job).await?
    } else {
        ask::get(app, &at, &job.key, job.layout).await
    };
    let octets = match got {
        Got::Bill(octets) => Some(octets),
        Got::None if job.head.as_ref().is_some_and(was_there) => {
            return refused(app, job, "gone".into()).await;
        }
        Got::None => None,
        Got::Refused(code) => return refused(app, job, code).await,
    };
    app.step("bill_here");
    let entries = take(app, kept, job, octets.as_ref()).await?;
    app.step("bill_taken");
    compared(app, kept, job, octets, entries).await
}

/// The channel gave this bill before, whether its comparison came to an end or was cut short.
fn was_there(head: &BillHead) -> bool {
    head.taken.as_ref().is_some_and(|taken| taken.digest.is_some())
}

/// A refusal stands in the journal once, however often it comes.
async fn refused(app: &App, job: &Job, code: Arc<str>) -> Result<(), JobError> {
    if is_overdue(job.key.day, app.clock().now()) {
        tracing::error!(channel = job.key.channel.as_str(), day = %job.key.day, code = &*code, "a bill is overdue: ask the channel for it; until it comes its day is not compared");
    }
    tracing::info!(channel = job.key.channel.as_str(), day = %job.key.day, code = &*code, "a bill is not there yet");
    // Not as the job found it: since then the bill may have been taken.
    let head = app.ledger().bill(&job.key);
    if head.and_then(|head| head.refused) == Some(code.clone()) {
        return Ok(());
    }
    let bill = job.key.clone();
    note(app, job, vec![TradeEvent::BillRefused { bill, code }]).await
}

/// Fixes what is compared: the file, and our record as it stands, up to the entry that is given back. The same file as before goes
/// on with the record of then, unless that moved after the comparison's end, or a neighbouring day's bill was compared since: what
/// that says would move what the list has.
async fn take(
    app: &App,
    kept: &mut Option<Kept>,
    job: &Job,
    octets: Option<&Bytes>,
) -> Result<u64, JobError> {
    let digest = octets.map(|octets| Digest::from_bytes(Sha256::digest(octets).into()));
    let before = job
        .head
        .as_ref()
        .and_then(|head| Some((head, head.taken.as_ref()?)));
    let same = |taken: &TakenBill| {
        taken.digest == digest && goes_on(taken, compare::beside(app.ledger(), &job.key).iter().flatten())
    };
    if let Some((_, taken)) = before.filter(|(head, taken)| !head.is_moved() && same(taken)) {
        return Ok(taken.entries);
    }
    let entries = as_it_stands(app, kept, job.key.day).await?;
    let taken = TradeEvent::BillTaken {
        again: before.is_some(),
        bill: job.key.clone(),
        digest,
        entries,
    };
    note(app, job, vec![taken]).await?;
    Ok(entries)
}

/// Do the days beside say what they said when the bill was taken?
//= C61
fn goes_on<'a>(taken: &TakenBill, mut beside: impl Iterator<Item = &'a BillHead>) -> bool {
    let later = |index: u64| index > taken.index;
    beside.all(|head| {
        !head.matched.is_some_and(later) && !head.taken.as_ref().is_some_and(|other| later(other.index))
    })
}

/// Up to which entry our record counts: the one that was read for an earlier bill of that day serves as long as nothing was
/// put on record of the day since. What the channel's bill has and we heard of meanwhile would be a difference that is none.
async fn as_it_stands(app: &App, kept: &mut Option<Kept>, day: Day) -> Result<u64, JobError> {
    let now = app.ledger().journal().durable();
    if let Some(kept) = kept.as_mut().filter(|kept| kept.day == day) {
        let (reader, seen) = (app.ledger().journal().reader(), kept.seen);
        let touched = tokio::task::spawn_blocking(move || record::is_touched(&reader, day, seen, now)).await;
        if !touched.map_err(|_| JobError::Cut)?? {
            kept.seen = now;
            return Ok(kept.entries);
        }
    }
    *kept = None;
    Ok(now)
}

async fn compared(
    app: &App,
    kept: &mut Option<Kept>,
    job: &Job,
    octets: Option<Bytes>,
    entries: u64,
) -> Result<(), JobError> {
    let book = book(app, kept, job, entries).await?;
    let neighbours = compare::neighbours(app.ledger(), &job.key)?;
    let (ledger, merchant, key, layout) = (
        app.ledger().clone(),
        job.merchant.id.clone(),
        job.key.clone(),
        job.layout,
    );
    let handle = tokio::runtime::Handle::current();
    let done_with = tokio::task::spawn_blocking(move || {
        let mut comparison = Comparison {
            ledger: &ledger,
            handle: &handle,
            merchant: &merchant,
            bill: &key,
            book,
            entries,
        };
        let found = comparison.run(layout, octets.as_deref(), &neighbours);
        (found, comparison.book)
    });
    let (found, book) = done_with.await.map_err(|_| JobError::Cut)?;
    let found = match found {
        Ok(found) => found,
        Err(CompareError::Lookup(error)) => return Err(error.into()),
        Err(CompareError::Bill(error)) => {
            tracing::error!(channel = key_of(job), %error, "a bill cannot be read");
            give_back(app, kept, job, book);
            return refused(app, job, ledger::UNREADABLE.into()).await;
        }
    };
    give_back(app, kept, job, book);
    let ledger = app.ledger().clone();
    let key = job.key.clone();
    let rest = tokio::task::spawn_blocking(move || standing::rest(&ledger, &key, found.events));
    for events in rest.await.map_err(|_| JobError::Cut)??.chunks(AT_ONCE) {
        note(app, job, events.to_vec()).await?;
        app.step("bill_differs");
    }
    let bill = job.key.clone();
    let sums = found.totals;
    let matched = TradeEvent::BillMatched {
        bill,
        differences: found.differences,
        fee_millifen: sums.fee_millifen,
        lines: sums.lines,
        paid: Amount::from_fen(sums.paid),
        payments: sums.payments,
        refunded: Amount::from_fen(sums.refunded),
        refunds: sums.refunds,
    };
    note(app, job, vec![matched]).await?;
    tracing::info!(channel = key_of(job), day = %job.key.day, lines = sums.lines, differences = found.differences, "a bill was compared");
    Ok(())
}

fn key_of(job: &Job) -> &'static str {
    job.key.channel.as_str()
}

/// The account's part of our record, which is read once for all accounts of a day.
async fn book(app: &App, kept: &mut Option<Kept>, job: &Job, entries: u64) -> Result<Book, JobError> {
    let day = job.key.day;
    if kept
        .as_ref()
        .is_none_or(|kept| kept.day != day || kept.entries != entries)
    {
        *kept = None; // before the next one is read: two would not fit
        let reader = app.ledger().journal().reader();
        let read = tokio::task::spawn_blocking(move || record::read(&reader, day, entries));
        let mut record = read.await.map_err(|_| JobError::Cut)??;
        record::complete(app.ledger(), &mut record, day, entries).await?;
        let record = note_not_asked(app, record, day).await?;
        *kept = Some(Kept {
            day,
            entries,
            seen: entries,
            record,
        });
    }
    let of = (job.key.channel, job.key.account.clone());
    let own = kept.as_mut().and_then(|kept| kept.record.books.remove(&of));
    let own = own.unwrap_or_else(|| Book::new(job.key.channel, day));
    Ok(if job.key.kind == BillKind::Funds {
        own.against_funds()
    } else {
        own
    })
}

/// Accounts that had movements on a day and were not asked for their bills yet, before any bill of the day counts as compared:
/// should one be registered no longer by the time that its turn comes, whether this run sees that or the next one, nobody asks, and
/// a day that had more than was compared is not proven.
//= C61
async fn note_not_asked(app: &App, record: DayRecord, day: Day) -> Result<DayRecord, JobError> {
    let (registries, config) = (app.registries(), app.config());
    let of = |(channel, account): &(Channel, AccountNo)| {
        let books = config.books.as_ref()?;
        let bill = BillKey {
            day,
            channel: *channel,
            account: account.clone(),
            kind: kinds(books, *channel).next()?,
        };
        let owner = registries.owner(*channel, account);
        let may = owner.is_none_or(|(_, facts)| is_compared(facts));
        (may && app.ledger().bill(&bill).is_none()).then_some(bill)
    };
    let unasked: Vec<BillKey> = record.books.keys().filter_map(of).collect();
    if unasked.is_empty() {
        return Ok(record);
    }
    let looked = tokio::task::spawn_blocking(move || {
        let owes = |bill: BillKey| {
            let book = record.books.get(&(bill.channel, bill.account.clone()))?;
            Some((book.owes()?, bill))
        };
        let owing: Vec<_> = unasked.into_iter().filter_map(owes).collect();
        (record, owing)
    });
    let (record, owing) = looked.await.map_err(|_| JobError::Cut)?;
    for (moved, bill) in owing {
        let Some(order) = app.ledger().order(&moved).await? else {
            continue;
        };
        // Where only the merchant held the keys, its days were never compared here.
        let held =
            |a: &Attempt| a.channel == bill.channel && a.account == bill.account && a.keys == Keys::Held;
        if order.attempts.iter().any(held) {
            if registries.owner(bill.channel, &bill.account).is_none() {
                tracing::warn!(channel = bill.channel.as_str(), %day, "an account had movements and is registered no longer: they are compared with nothing");
            }
            let event = TradeEvent::BillNotAsked { bill };
            app.ledger().note(Some(&order.merchant), vec![event]).await?;
        }
    }
    Ok(record)
}

/// The account's next bill of the day (the fund-flow bill) needs the same record: given back, since a copy would double it.
fn give_back(app: &App, kept: &mut Option<Kept>, job: &Job, book: Book) {
    let books = app.config().books.as_ref();
    let last = books.and_then(|books| kinds(books, job.key.channel).last());
    if let Some(kept) = kept.as_mut()
        && last != Some(job.key.kind)
    {
        let of = (job.key.channel, job.key.account.clone());
        kept.record.books.insert(of, book.anew());
    }
}

async fn note(app: &App, job: &Job, events: Vec<TradeEvent>) -> Result<(), JobError> {
    app.ledger().note(Some(&job.merchant.id), events).await?;
    Ok(())
}

/// Two officers resolved a difference at the desk, or found out what a channel had not answered or not given: that goes on our
/// own record, once.
//= C62
pub(crate) async fn resolved(
    app: &App,
    cases_index: u64,
    merchant: &MerchantId,
    difference: u64,
    resolution: Resolution,
) -> Result<(), CommitError> {
    let ledger = app.ledger();
    let entry = named(ledger.journal().durable(), difference, |index| {
        ledger.entry(index)
    })?;
    let Some(bill) = entry.and_then(|entry| matter(entry, merchant, app.clock().now())) else {
        tracing::error!(
            cases_index,
            "the desk resolved what is no open matter of the books in this journal"
        );
        return Ok(());
    };
    if app
        .ledger()
        .bill(&bill)
        .is_some_and(|head| head.resolved.contains_key(&difference))
    {
        return Ok(());
    }
    let event = TradeEvent::BillResolved {
        bill,
        cases_index,
        difference,
        resolution,
    };
    app.ledger().note(Some(merchant), vec![event]).await.map(drop)
}

/// The bill about which two officers of a merchant's may decide, by an entry of our journal.
fn matter(entry: TradeEntry, merchant: &MerchantId, now: Instant) -> Option<BillKey> {
    match entry.event {
        _ if entry.merchant.as_ref() != Some(merchant) => None,
        TradeEvent::BillDiffers { bill, .. } | TradeEvent::BillUnanswered { bill, .. } => Some(bill),
        // The last call for a bill that never came stands for it, or the word that nobody asks.
        TradeEvent::BillAsked { bill, .. } | TradeEvent::BillNotAsked { bill } if is_past(bill.day, now) => {
            Some(bill)
        }
        _ => None,
    }
}

/// An entry that another's journal names by number; `None` where ours has none of that number. That it cannot be read now is no
/// word that there is none: whoever asks asks again.
fn named(
    entries: u64,
    index: u64,
    read: impl FnOnce(u64) -> Result<TradeEntry, LookupError>,
) -> Result<Option<TradeEntry>, LookupError> {
    (index < entries).then(|| read(index)).transpose()
}

/// What a comparison of one bill gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Lines that state a movement.
    pub lines: u64,
    /// Differences.
    pub differences: u64,
}

/// Compares a file with the record of a ledger as it stands, and puts nothing on record: for measuring.
///
/// # Errors
/// Where the file is no bill of this kind, or the journal cannot be read.
pub async fn rehearse(
    ledger: &Ledger,
    merchant: &MerchantId,
    bill: &BillKey,
    octets: Bytes,
) -> anyhow::Result<Outcome> {
    let layout =
        Layout::of(bill.channel, bill.kind).ok_or_else(|| anyhow::anyhow!("no such bill is read"))?;
    let (reader, day, entries) = (ledger.journal().reader(), bill.day, ledger.journal().durable());
    let mut record = tokio::task::spawn_blocking(move || record::read(&reader, day, entries)).await??;
    record::complete(ledger, &mut record, day, entries).await?;
    let book = record
        .books
        .remove(&(bill.channel, bill.account.clone()))
        .unwrap_or_else(|| Book::new(bill.channel, day));
    let (ledger, merchant, bill) = (ledger.clone(), merchant.clone(), bill.clone());
    let handle = tokio::runtime::Handle::current();
    let found = tokio::task::spawn_blocking(move || {
        let neighbours = compare::Neighbours {
            next_is_read: true,
            ..Default::default()
        };
        let mut comparison = Comparison {
            ledger: &ledger,
            handle: &handle,
            merchant: &merchant,
            bill: &bill,
            book,
            entries,
        };
        comparison.run(layout, Some(&octets), &neighbours)
    });
    let found = found.await??;
    Ok(Outcome {
        lines: found.totals.lines,
        differences: found.differences,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(asked: Instant, refused: Option<&str>) -> BillHead {
        BillHead {
            merchant: MerchantId::new("m1001").expect("lawful"),
            tries: 1,
            asked,
            refused: refused.map(Into::into),
            taken: None,
            differs: Vec::new(),
            early: Vec::new(),
            unanswered: Vec::new(),
            matched: None,
            moved: None,
            resolved: Default::default(),
        }
    }

    /// A decision of two officers is not lost to a journal that could not be read for a moment.
    #[test]
    //= C62
    fn an_entry_that_cannot_be_read_is_not_one_that_is_not_there() {
        let broken = |index| Err(LookupError::Journal(index));
        assert!(named(9, 8, broken).is_err());
        assert!(named(9, 9, broken).is_ok_and(|entry| entry.is_none()));
    }

    /// Its list would begin with other differences than those that stand on record, and their rest would be lost.
    #[test]
    //= C61
    fn a_bill_that_was_cut_short_goes_on_only_while_the_days_beside_say_the_same() {
        let taken = |index| TakenBill {
            index,
            digest: None,
            entries: 7,
        };
        let beside = |of: u64, matched: Option<u64>| BillHead {
            taken: Some(taken(of)),
            matched,
            ..head(Instant::default(), None)
        };
        let cut = taken(20);
        for (heads, on) in [
            (vec![], true),
            (vec![head(Instant::default(), Some("98"))], true),
            (vec![beside(8, Some(9)), beside(12, Some(19))], true),
            (vec![beside(8, Some(9)), beside(21, Some(25))], false),
            (vec![beside(15, Some(30))], false),
            (vec![beside(22, None)], false),
        ] {
            assert_eq!(goes_on(&cut, heads.iter()), on, "{heads:?}");
        }
    }

    #[test]
    fn a_bill_is_asked_for_again_in_its_time_and_no_sooner_after_a_start() {
        let day = Day::from_number(20_454);
        let noon = Day::from_number(day.number() + 1).start().plus_millis(43_200_000);
        let retry = Duration::from_secs(1800);
        let key = BillKey {
            account: AccountNo::new("1900000109").expect("lawful"),
            channel: Channel::Wechat,
            day,
            kind: BillKind::Trade,
        };
        let due = |head: &BillHead, started: i64, now: i64| {
            let at = |minutes: i64| noon.plus_millis(minutes * 60_000);
            is_due(&key, head, at(started), at(now), retry)
        };
        let refused = head(noon, Some("STATEMENT_CREATING"));
        assert!(!due(&refused, -60, 29) && due(&refused, -60, 30));
        assert!(!due(&refused, 10, 11), "a start does not make it sooner");
        let cut = head(noon, None);
        assert!(due(&cut, 1, 2), "what was cut short is gone on with");
        assert!(!due(&cut, -60, 29), "the same run waits");
        let week = 8 * 24 * 60;
        let late = head(noon.plus_millis(week * 60_000), Some("STATEMENT_CREATING"));
        assert!(
            !due(&late, 0, week + 359) && due(&late, 0, week + 360),
            "overdue: more seldom"
        );
        let matched = BillHead {
            matched: Some(7),
            ..cut
        };
        assert!(!due(&matched, 1, 1_000_000));
        // Its day moved since: soon while a difference is open, else there is time.
        let taken = TakenBill {
            index: 5,
            digest: None,
            entries: 4,
        };
        let moved = |differs: Vec<u64>, index: u64| BillHead {
            taken: Some(taken.clone()),
            moved: Some(index),
            differs,
            ..matched.clone()
        };
        let (open, agreed) = (moved(vec![6], 9), moved(Vec::new(), 4));
        assert!(!due(&open, 1, 29) && due(&open, 1, 30));
        assert!(!due(&agreed, 1, 239) && due(&agreed, 1, 240));
        assert!(!due(&moved(Vec::new(), 3), 1, 1_000_000), "it took part");
        // Moved, asked for again and refused, long overdue: as seldom as one that never came.
        let again = |asked: i64| BillHead {
            asked: noon.plus_millis(asked * 60_000),
            ..BillHead {
                refused: Some("gone".into()),
                ..open.clone()
            }
        };
        assert!(!due(&again(0), 1, 29) && due(&again(0), 1, 30));
        assert!(!due(&again(week), 0, week + 359) && due(&again(week), 0, week + 360));
        // That a file was there is known after a kill too.
        let there = |digest| {
            was_there(&BillHead {
                matched: None,
                taken: Some(TakenBill {
                    digest,
                    ..taken.clone()
                }),
                ..open.clone()
            })
        };
        assert!(there(Some(Digest::from_bytes([7; 32]))) && !there(None));
        let never = BillHead {
            tries: 0,
            ..head(noon, None)
        };
        assert!(due(&never, 0, 0), "an account that was noted before its turn");
        assert!(!is_past(day, Day::from_number(day.number() + 85).start()));
        assert!(is_past(day, Day::from_number(day.number() + 86).start()));
    }
}
