//! Forged purges.

use crate::{
    assert_found, assert_holds,
    book::{Book, ORIGIN, boot},
    writer::Signer,
};
use domain::{Instant, PayerToken, Token, TradeEvent};
use serde_json::Value;
use tempfile::tempdir;
use verify::{JournalOptions, Report, check_purge};

fn check(book: &Book) -> Report {
    let dir = tempdir().expect("a directory");
    book.log().write(dir.path());
    let options = JournalOptions {
        key: Some(Signer::new(ORIGIN, 1).key()),
        ..JournalOptions::default()
    };
    check_purge(dir.path(), &options).expect("readable")
}

fn forged(change: impl FnOnce(&mut Book)) -> Report {
    let mut book = Book::lawful();
    change(&mut book);
    check(&book)
}

fn fate(report: &Report, run: u8, bucket: u64) -> String {
    let buckets = report.facts["buckets"].as_array().expect("a list");
    let of = |b: &&Value| b["boot"] == boot(run).to_string() && b["bucket"] == bucket;
    buckets.iter().find(of).expect("listed")["fate"]
        .as_str()
        .expect("a word")
        .to_owned()
}

#[test]
fn a_lawful_journal_shows_what_became_of_every_bucket() {
    let report = check(&Book::lawful());
    assert_holds(&report);
    let fates = [(1, 10), (1, 11), (1, 12), (2, 7), (3, 90)].map(|(run, bucket)| fate(&report, run, bucket));
    let expected = [
        "destroyed in time",
        "destroyed in time",
        "lost at a crash",
        "destroyed in time",
        "alive",
    ];
    assert_eq!(fates, expected);
    assert!(
        report
            .lines
            .iter()
            .any(|l| l.contains("openings: forward 8, notify 1")),
        "{:#?}",
        report.lines
    );
    assert_eq!(
        (
            &report.facts["epochs"][0]["fate"],
            &report.facts["epochs"][0]["tokens"]
        ),
        (&"alive".into(), &11.into())
    );
}

#[test]
fn a_destroy_entry_within_the_tolerance_is_in_time() {
    let report = forged(|book| shift_deadline(book, 10, -4_000));
    assert_holds(&report);
    assert_eq!(fate(&report, 1, 10), "destroyed in time");
}

/// Moves a bucket's deadline by so much.
fn shift_deadline(book: &mut Book, number: u64, ms: i64) {
    let index = book.destroyed(number);
    if let TradeEvent::BucketDestroyed { deadline, .. } = &mut book.entries[index].event {
        *deadline = deadline.plus_millis(ms);
    }
}

#[test]
fn forgery_bucket_never_destroyed_before_the_stop() {
    let book = Book::lawful();
    let index = book.destroyed(7);
    let report = check(&book.without(index));
    assert_found(
        &report,
        &[
            "tile/entries/000.p/52",
            "bucket 7 of boot 0202",
            "never destroyed: its run has stopped",
        ],
    );
}

#[test]
fn forgery_bucket_never_destroyed_while_a_later_one_was() {
    let report = forged(|book| {
        book.destroy(3, 95, 1);
        book.now += 60_000;
        book.machine(TradeEvent::IndexRebuilt { entries: 1 });
    });
    assert_found(
        &report,
        &["bucket 90 of boot 0303", "never destroyed: its deadline is over"],
    );
}

#[test]
fn forgery_bucket_that_outlives_a_day() {
    let report = forged(|book| {
        book.now += 25 * 3_600_000;
        book.machine(TradeEvent::IndexRebuilt { entries: 1 });
    });
    assert_found(
        &report,
        &["bucket 90 of boot 0303", "never destroyed: its deadline is over"],
    );
}

#[test]
fn forgery_overdue_bucket_passed_off_as_lost_at_a_crash() {
    let report = forged(|book| {
        let index = book.index_of("process_stopped") - 1;
        book.entries[index].event = TradeEvent::IndexRebuilt { entries: 1 };
        book.entries[index + 1].event = TradeEvent::IndexRebuilt { entries: 1 };
        book.entries[index + 1].at = book.entries[index].at.plus_millis(25 * 3_600_000);
    });
    assert_found(
        &report,
        &["bucket 7 of boot 0202", "never destroyed: its deadline is over"],
    );
    assert_eq!(fate(&report, 2, 7), "never destroyed");
}

#[test]
fn forgery_deadline_in_the_far_future() {
    let report = forged(|book| shift_deadline(book, 10, 30 * 86_400_000));
    assert_found(
        &report,
        &[
            "bucket 10 of boot 0101",
            "has the deadline 2026-01-31",
            "at the latest",
        ],
    );
}

#[test]
fn forgery_bucket_kept_alive_by_sealing_ever_more_under_it() {
    let report = forged(|book| {
        for hours in [20, 40] {
            book.now += hours * 3_600_000;
            book.order(90 + hours as u64, 90);
        }
    });
    assert_found(
        &report,
        &[
            "index 49",
            "bucket 90 of boot 0303",
            "never destroyed: its deadline is over",
        ],
    );
}

#[test]
fn the_settings_of_each_run_stand_in_the_certificate() {
    let report = check(&Book::lawful());
    let line = "  settings: buckets of 60 s, deadline 120 s, notifications renewed for 7200 s at most";
    assert!(report.lines.iter().any(|l| l == line), "{:#?}", report.lines);
    let settings = &report.facts["settings"];
    assert_eq!(
        (&settings[0]["deadline_seconds"], &settings[2]["deadline_seconds"]),
        (&Value::Null, &120.into())
    );
}

#[test]
fn forgery_forward_kept_longer_than_the_settings_say() {
    let lives = |seconds: i64| {
        forged(|book| {
            book.now += seconds * 1000;
            book.machine(TradeEvent::IndexRebuilt { entries: 1 });
        })
    };
    assert_holds(&lives(175));
    let report = lives(190);
    assert_found(
        &report,
        &["bucket 90 of boot 0303", "never destroyed: its deadline is over"],
    );
}

#[test]
fn forgery_deadline_later_than_the_settings_allow() {
    let put_off = |seconds: i64| {
        forged(|book| {
            book.order(30, 91);
            book.destroy(3, 91, 2);
            shift_deadline(book, 91, seconds * 1000);
        })
    };
    assert_holds(&put_off(170));
    let report = put_off(190);
    assert_found(
        &report,
        &["bucket 91 of boot 0303", "has the deadline", "at the latest"],
    );
}

/// A bucket that something was renewed from, so many seconds after the last notification began.
fn renewed_after(seconds: i64) -> Report {
    forged(|book| {
        let index = book
            .entries
            .iter()
            .rposition(|e| e.event.name() == "attempt_paid");
        let paid = book.entries[index.expect("there is one")].at;
        book.destroy(3, 90, 2);
        book.destroy(3, 200, 1);
        let entry = book.entries.last_mut().expect("just written");
        entry.at = paid.plus_millis(seconds * 1000);
        if let TradeEvent::BucketDestroyed {
            openings, deadline, ..
        } = &mut entry.event
        {
            *openings = [(domain::Purpose::Renew, 1)].into();
            *deadline = entry.at;
        }
    })
}

#[test]
fn forgery_notification_renewed_beyond_its_limit() {
    assert_holds(&renewed_after(7_260));
    let report = renewed_after(7_270);
    assert_found(
        &report,
        &[
            "bucket 200 of boot 0303",
            "1 records were renewed until",
            "for a notification",
        ],
    );
}

#[test]
fn forgery_bucket_destroyed_late() {
    let report = forged(|book| shift_deadline(book, 11, -10_000));
    assert_found(
        &report,
        &[
            "bucket 11 of boot 0101",
            "destroyed late: 11000 ms after its deadline",
        ],
    );
    assert_eq!(fate(&report, 1, 11), "destroyed late");
}

#[test]
fn forgery_bucket_destroyed_twice() {
    let report = forged(|book| book.destroy(3, 90, 9));
    assert_holds(&report);
    let report = forged(|book| (0..2).for_each(|_| book.destroy(3, 90, 9)));
    assert_found(
        &report,
        &["bucket 90 of boot 0303", "was destroyed before, at index 53"],
    );
}

#[test]
fn forgery_bucket_of_another_run_destroyed() {
    let report = forged(|book| book.destroy(1, 12, 9));
    assert_found(
        &report,
        &["index 53", "bucket 12 of boot 0101", "not the running one"],
    );
}

#[test]
fn forgery_records_left_out_of_the_destroy_entry() {
    let report = forged(|book| {
        let index = book.destroyed(10);
        if let TradeEvent::BucketDestroyed { records, .. } = &mut book.entries[index].event {
            *records = 3;
        }
    });
    assert_found(
        &report,
        &[
            "bucket 10 of boot 0101",
            "was destroyed with 3 records, expected 8 or more",
        ],
    );
}

#[test]
fn forgery_record_sealed_under_a_dead_key() {
    let report = forged(|book| {
        let mut early = book.entries[book.destroyed(10)].clone();
        early.at = Instant::from_millis(0);
        book.entries[1] = early;
    });
    assert_found(
        &report,
        &["a record is sealed under bucket 10, whose key was destroyed at index 1"],
    );
}

#[test]
fn forgery_run_without_a_start() {
    let report = check(&Book::lawful().without(0));
    assert_found(
        &report,
        &["index 1", "sealed under bucket 10 while no run is on record"],
    );
}

#[test]
fn forgery_stop_of_another_run_and_a_second_start() {
    let report = forged(|book| {
        book.start(1);
        book.machine(TradeEvent::ProcessStopped { boot: boot(9) });
    });
    assert_found(&report, &["index 53", "boot 0101", "starts a second time"]);
    assert_found(
        &report,
        &["index 54", "boot 0909", "expected the running boot 0101"],
    );
}

#[test]
fn forgery_token_of_a_dead_or_unknown_epoch() {
    let report = forged(|book| {
        let index = book.index_of("bucket_destroyed");
        book.entries[index].event = TradeEvent::EpochDestroyed { epoch: 1 };
    });
    assert_found(
        &report,
        &["a payer token of epoch 1, whose key was destroyed at index"],
    );
    let report = forged(|book| {
        let index = book.index_of("attempt_intended");
        if let TradeEvent::AttemptIntended { payer, .. } = &mut book.entries[index].event {
            *payer = Some(PayerToken {
                epoch: 4,
                token: Token::from_bytes([7; 16]),
            });
        }
    });
    assert_found(
        &report,
        &["index 2", "a payer token of epoch 4, which was never opened"],
    );
}

#[test]
fn what_a_stop_kept_from_the_record_is_true_once_the_next_start_tells_it() {
    let report = forged(|book| {
        book.start(4);
        book.machine(TradeEvent::EpochDestroyed { epoch: 1 });
        let from = Instant::from_millis(book.now).day();
        book.machine(TradeEvent::EpochOpened {
            epoch: 2,
            from,
            grade: "C".into(),
            until: from,
        });
    });
    assert_holds(&report);
    assert_eq!(report.facts["epochs"][1]["fate"], "alive");
}

#[test]
fn forgery_epoch_destroyed_that_never_was() {
    let report = forged(|book| book.machine(TradeEvent::EpochDestroyed { epoch: 8 }));
    assert_found(
        &report,
        &["index 53", "token epoch 8 is destroyed but was never opened"],
    );
}

#[test]
fn forgery_purge_of_an_altered_journal() {
    let dir = tempdir().expect("a directory");
    let (honest, mut book) = (Book::lawful().log().checkpoint(), Book::lawful());
    shift_deadline(&mut book, 11, 1);
    book.log().write(dir.path());
    crate::writer::put(dir.path(), "checkpoint", honest.as_bytes());
    let report = check_purge(dir.path(), &JournalOptions::default()).expect("readable");
    assert_found(&report, &["checkpoint", "its root is"]);
}
