use super::*;
use domain::KeyRef;
use journal::{Journal, Reader, Settings, follow::MOST_BUNDLES, sim::SimulatedDisk, tiles::WIDTH};
use std::{path::Path, sync::Arc};

/// More than one step reads.
const MANY_ENTRIES: u64 = MOST_BUNDLES * WIDTH + 1000;

struct Direct(Reader);

impl Fetch for Direct {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let there = self.0.resource(&format!("/{path}"), true);
        there.ok_or("no such path")?.map_err(|e| e.to_string())
    }
}

fn journal() -> Journal {
    let (keys, name) = (certs::Keys::default(), KeyRef::new("desk").expect("lawful"));
    let pem = certs::generate_ed25519().expect("a key");
    keys.put(
        name.clone(),
        certs::Material::read(pem.as_bytes()).expect("readable"),
    );
    let signer = keys.signer(&name).expect("it signs");
    let settings = Settings {
        threads: false,
        ..Settings::default()
    };
    let opened = Journal::open(
        Arc::new(SimulatedDisk::new(1)),
        Path::new("/cases"),
        "pay.test/cases/0",
        signer,
        settings,
    );
    opened.expect("opens").0
}

fn put(journal: &Journal, count: u64) {
    let lines = |first: u64| {
        (first..first + count)
            .map(|n| n.to_string().into_bytes())
            .collect()
    };
    drop(journal.append(lines));
    journal.pump().expect("written");
}

/// Reads to the end as the follower does; yields how many entries were new and old, and every cursor that went on record.
async fn read(reading: &mut Reading, desk: &Direct, now: Instant) -> (u64, u64, Vec<u64>) {
    let (mut new, mut old, mut recorded) = (0, 0, Vec::new());
    loop {
        new += reading.on(desk).await.expect("read").len() as u64;
        if !reading.is_behind() {
            old += reading.again(desk).await.expect("read").len() as u64;
        }
        if let Some(cursor) = reading.due(now, false) {
            assert!(!reading.is_busy(), "the desk's last word is not known");
            reading.recorded(cursor);
            recorded.push(cursor.size);
        }
        if !reading.is_busy() {
            return (new, old, recorded);
        }
    }
}

#[tokio::test]
//= C17
async fn after_a_long_absence_no_cursor_goes_back_and_nothing_is_new_twice() {
    let journal = journal();
    put(&journal, MANY_ENTRIES);
    let (desk, mut now) = (Direct(journal.reader()), Instant::from_secs(1_767_225_600));
    let mut first = Reading::new(journal.key(), None);
    let seen = read(&mut first, &desk, now).await;
    assert_eq!(seen, (MANY_ENTRIES, 0, vec![MANY_ENTRIES]));
    // The next start comes when the cursor is old.
    now = now.plus_millis(400_000);
    let mut again = Reading::new(journal.key(), first.known());
    let seen = read(&mut again, &desk, now).await;
    assert_eq!(seen, (0, MANY_ENTRIES, vec![MANY_ENTRIES]));
    assert_eq!(again.known().map(|known| known.at), Some(now));
    // A desk that was away for long has much that is new.
    put(&journal, MANY_ENTRIES);
    now = now.plus_millis(400_000);
    let mut late = Reading::new(journal.key(), again.known());
    let seen = read(&mut late, &desk, now).await;
    assert_eq!(seen, (MANY_ENTRIES, MANY_ENTRIES, vec![2 * MANY_ENTRIES]));
    // While all is known, a cursor is due by number, by age, or beside something else.
    assert_eq!(late.due(now, false), None);
    assert!(late.due(now, true).is_some() && late.due(now.plus_millis(300_000), false).is_some());
}

#[tokio::test]
//= C17
async fn a_desk_that_was_rolled_back_behind_a_cursor_is_not_read() {
    let journal = journal();
    put(&journal, 200);
    let known = Cursor {
        size: 300,
        root: Digest::from_bytes([7; 32]),
        at: Instant::from_secs(1_767_225_600),
    };
    let mut reading = Reading::new(journal.key(), Some(known));
    assert!(reading.on(&Direct(journal.reader())).await.is_err());
    assert_eq!(reading.known(), Some(known));
}

/// As an earlier build wrote it, octet for octet: upon which proposal it does not say.
const FORMER: &str = r#"{"at":1767225600000,"event":{"measure_ordered":{"measure":{"effect":"stop","id":"M000001","subject":{"merchant":"m1"},"until":1767312000000},"officer":"wang","proposer":"li"}},"salt":"00000000000000000000000000000000","v":1}"#;

#[tokio::test]
//= C17
//= C56
async fn a_measure_of_an_earlier_build_is_understood_and_what_is_not_keeps_the_last_word_unknown() {
    let journal = journal();
    let write = |octets: String| {
        drop(journal.append(|_| vec![octets.into_bytes()]));
        journal.pump().expect("written");
    };
    let (desk, now) = (Direct(journal.reader()), Instant::from_secs(1_767_225_600));
    let stop = |entries: Vec<(u64, CaseEvent)>| match &entries[..] {
        [(index, CaseEvent::MeasureOrdered { measure, .. })] => (*index, measure.id.to_string()),
        other => panic!("{other:?}"),
    };
    let mut reading = Reading::new(journal.key(), None);
    write(FORMER.into());
    let entries = reading.on(&desk).await.expect("read");
    assert_eq!(stop(reading.understood(entries)), (0, "M000001".into()));
    assert!(reading.knows_all() && reading.due(now, true).is_some());
    // Of a newer desk: another form, or the same with another meaning. What stands behind is obeyed.
    write(FORMER.replace("\"until\"", "\"ends\""));
    write(FORMER.replace("\"v\":1", "\"v\":2"));
    write(FORMER.replace("M000001", "M000002"));
    let entries = reading.on(&desk).await.expect("read");
    assert_eq!(stop(reading.understood(entries)), (3, "M000002".into()));
    assert!(!reading.knows_all());
    assert_eq!(reading.due(now.plus_millis(400_000), true), None);
    // Nor after a start behind them: an earlier build may have passed over it.
    let (size, root) = reading.new.cursor();
    let root = Digest::from_bytes(root);
    let mut next = Reading::new(journal.key(), Some(Cursor { size, root, at: now }));
    let entries = next.on(&desk).await.expect("read");
    assert!(next.understood(entries).is_empty() && !next.knows_all());
    let old = next.again(&desk).await.expect("read");
    assert_eq!(next.understood(old).len(), 2);
    assert!(!next.knows_all() && !next.is_busy());
}
