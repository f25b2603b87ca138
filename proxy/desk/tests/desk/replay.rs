//! The journal is the only truth: whatever people do, replaying it leads to the very state that was live, and no
//! journal that breaks the desk's rules opens.

use crate::trades::{NOON, name};
use desk::{
    cases::{Cases, OpenError, Refusal, replay},
    clock::SystemClock,
    officers,
    state::FlagRef,
    users::{Role, User, Users},
};
use domain::*;
use proptest::prelude::*;
use std::{path::Path, sync::Arc};

struct Signer;

impl Sign for Signer {
    fn public_key(&self) -> [u8; 32] {
        [7; 32]
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        // Deterministic is all that a journal asks of its own signer.
        std::array::from_fn(|n| message.get(n).copied().unwrap_or(n as u8))
    }
}

fn open(dir: &Path) -> Result<Cases, OpenError> {
    Cases::open(
        dir,
        "pay.test/cases/0",
        Arc::new(Signer),
        Arc::new(SystemClock::default()),
    )
}

fn people() -> Vec<User> {
    let hash =
        desk::users::hash_with("x", argon2::Params::new(8, 1, 1, None).expect("lawful")).expect("hashed");
    let row =
        |(n, r): (&str, &str)| format!("[[users]]\nname = \"{n}\"\nrole = \"{r}\"\npassword = \"{hash}\"\n");
    let text: String = [("li", "officer"), ("wang", "officer"), ("ren", "regulator")]
        .map(row)
        .concat();
    let users = Users::parse(&text).expect("lawful");
    ["li", "wang", "ren"]
        .map(|name| users.get(name).expect("there").clone())
        .to_vec()
}

pub(crate) fn raised(acquirer: &str, flag: u64) -> CaseEvent {
    CaseEvent::FlagRaised {
        acquirer: name(acquirer),
        flag,
        inputs: Digest::from_bytes([flag as u8; 32]),
        merchant: name("m1"),
        parameters: [("trades".into(), 3)].into(),
        payer: None,
        rule: "T01".into(),
        threshold: 3,
        trades: vec![flag, flag + 1],
        unit: "trades".into(),
        value: 3,
        version: 1,
        window_from: NOON,
        window_until: NOON.plus_millis(1),
    }
}

/// One thing that somebody tries.
#[derive(Clone, Debug)]
enum Try {
    Raise(u8),
    Propose(usize, u64, bool),
    Agree(usize, u64),
    Return(usize, u64),
    Read(usize, u64),
    Lift(usize, u64),
    Order(usize, u64),
    Reject(usize, u64),
}

fn tries() -> impl Strategy<Value = Vec<Try>> {
    let (who, flag) = (0..3usize, 1..4u64);
    let one = prop_oneof![
        (0..2u8).prop_map(Try::Raise),
        (who.clone(), flag.clone(), any::<bool>()).prop_map(|(w, f, c)| Try::Propose(w, f, c)),
        (who.clone(), flag.clone()).prop_map(|(w, f)| Try::Agree(w, f)),
        (who.clone(), flag.clone()).prop_map(|(w, f)| Try::Return(w, f)),
        (who.clone(), flag.clone()).prop_map(|(w, f)| Try::Read(w, f)),
        (who.clone(), flag.clone()).prop_map(|(w, f)| Try::Lift(w, f)),
        (who.clone(), flag.clone()).prop_map(|(w, f)| Try::Order(w, f)),
        (who, flag).prop_map(|(w, f)| Try::Reject(w, f)),
    ];
    prop::collection::vec(one, 1..40)
}

async fn attempt(cases: &Cases, people: &[User], what: &Try) -> Result<(), Refusal> {
    let flag = |number: u64| FlagRef {
        acquirer: name("acq0"),
        number,
    };
    let measure = |n: u64| MeasureId::new(format!("M{n:06}")).expect("lawful");
    let read = |n| cases.look(|state| Some(state.flag(&flag(n))?.proposal.as_ref()?.index));
    let told = |n| cases.look(|state| Some(state.measure(&measure(n))?.pending.as_ref()?.index));
    match what {
        Try::Raise(acquirer) => {
            let acquirer = format!("acq{acquirer}");
            let next = cases.look(|state| state.last_flag(&name(&acquirer))) + 1;
            cases.record(raised(&acquirer, next)).await.map(drop)
        }
        Try::Propose(who, n, confirm) => {
            let disposition = if *confirm {
                Disposition::Confirm
            } else {
                Disposition::Dismiss
            };
            let done = officers::propose(cases, &people[*who], &flag(*n), disposition, "因为").await;
            done.map(drop)
        }
        Try::Agree(who, n) => officers::agree(cases, &people[*who], &flag(*n), read(*n)).await,
        Try::Return(who, n) => officers::send_back(cases, &people[*who], &flag(*n), read(*n), "再查").await,
        Try::Read(who, n) => officers::read(cases, &people[*who], &flag(*n)).await,
        Try::Lift(who, n) => match officers::propose_lift(cases, &people[*who], &measure(*n), "够了").await
        {
            Err(Refusal::NotFound) => {
                let id = measure(cases.look(|state| state.measure_count()) as u64 + 1);
                let until = cases.now().plus_millis(86_400_000);
                let measure = Measure {
                    effect: Effect::Stop,
                    id,
                    subject: Subject::Merchant(name("m1")),
                    until,
                };
                let (officer, reason) = (people[*who].name.clone(), "停".into());
                cases
                    .record(CaseEvent::MeasureProposed {
                        measure,
                        officer,
                        reason,
                    })
                    .await
                    .map(drop)
            }
            done => done.map(drop),
        },
        Try::Order(who, n) => officers::order(cases, &people[*who], &measure(*n), told(*n)).await,
        Try::Reject(who, n) => officers::reject(cases, &people[*who], &measure(*n), told(*n), "不").await,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn replaying_leads_to_the_live_state(tries in tries()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (dir, people) = (tempfile::tempdir().expect("a folder"), people());
        let cases = open(dir.path()).expect("opened");
        for what in &tries {
            let before = cases.look(|state| state.next());
            if runtime.block_on(attempt(&cases, &people, what)).is_err() {
                prop_assert_eq!(cases.look(|state| state.next()), before, "a refusal leaves no entry");
            }
        }
        let live = cases.look(|state| state.clone());
        prop_assert_eq!(&replay(&cases.reader()).expect("replayed"), &live);
        for (_, flag) in live.flags() {
            if let Some(decision) = &flag.decision {
                prop_assert_ne!(&decision.officer, &decision.proposer);
            }
        }
        for acquirer in live.acquirers() {
            let numbers: Vec<u64> = live.flags_of(&acquirer).map(|(n, _)| n).collect();
            prop_assert_eq!(&numbers, &(1..=numbers.len() as u64).collect::<Vec<_>>());
        }
        cases.close();
        drop(cases);
        let reopened = open(dir.path()).expect("opened again");
        prop_assert_eq!(&reopened.look(|state| state.clone()), &live);
        reopened.close();
    }
}

/// A desk that opens a journal with these events, which were written past its own checks.
fn opened(events: Vec<CaseEvent>) -> Result<(), OpenError> {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(journal::disk::RealDisk);
    let settings = journal::Settings::default();
    let (journal, _) =
        journal::Journal::open(disk, dir.path(), "pay.test/cases/0", Arc::new(Signer), settings)
            .expect("opened");
    for (n, event) in events.into_iter().enumerate() {
        let entry = CaseEntry {
            at: NOON.plus_millis(n as i64),
            event,
            merchant: None,
            mseq: None,
            order: None,
            prev: None,
            salt: Salt::from_bytes([n as u8; 16]),
            tell: None,
            v: ENTRY_VERSION,
        };
        drop(journal.append(|_| vec![entry.to_canonical()]));
    }
    journal.close();
    drop(journal);
    open(dir.path()).map(|cases| cases.close())
}

fn proposed(officer: &str) -> CaseEvent {
    let (acquirer, officer, disposition) = (name("acq0"), name(officer), Disposition::Confirm);
    CaseEvent::FlagProposed {
        acquirer,
        disposition,
        flag: 1,
        officer,
        reason: "因为".into(),
    }
}

/// Upon which proposal these were decided, an earlier build did not say.
#[test]
fn a_journal_of_an_earlier_build_opens() {
    let until = NOON.plus_millis(86_400_000);
    let measure = Measure {
        effect: Effect::Stop,
        id: name("M1"),
        subject: Subject::Merchant(name("m1")),
        until,
    };
    let events = vec![
        CaseEvent::MeasureProposed {
            measure: measure.clone(),
            officer: name("li"),
            reason: "因为".into(),
        },
        CaseEvent::MeasureOrdered {
            measure,
            officer: name("wang"),
            proposal: None,
            proposer: name("li"),
        },
        raised("acq0", 1),
        proposed("li"),
        CaseEvent::FlagReturned {
            acquirer: name("acq0"),
            flag: 1,
            officer: name("wang"),
            proposal: None,
            reason: "因为".into(),
        },
    ];
    opened(events).expect("opens");
}

#[test]
fn a_journal_that_breaks_the_rules_does_not_open() {
    let decided = |officer: &str| {
        let (acquirer, officer, proposer) = (name("acq0"), name(officer), name("li"));
        CaseEvent::FlagDecided {
            acquirer,
            disposition: Disposition::Confirm,
            flag: 1,
            officer,
            proposal: Some(1),
            proposer,
        }
    };
    let returned = CaseEvent::FlagReturned {
        acquirer: name("acq0"),
        flag: 1,
        officer: name("wang"),
        proposal: Some(1),
        reason: "因为".into(),
    };
    let until = NOON.plus_millis(86_400_000);
    let measure = Measure {
        effect: Effect::Stop,
        id: name("M1"),
        subject: Subject::Merchant(name("m1")),
        until,
    };
    let ordered = CaseEvent::MeasureOrdered {
        measure,
        officer: name("wang"),
        proposal: Some(0),
        proposer: name("li"),
    };
    let cases = [
        (
            "one officer alone",
            vec![raised("acq0", 1), proposed("li"), decided("li")],
        ),
        (
            "one officer under two names",
            vec![raised("acq0", 1), proposed("li"), decided("LI")],
        ),
        ("nothing proposed", vec![raised("acq0", 1), decided("wang")]),
        (
            "words that were sent back",
            vec![
                raised("acq0", 1),
                proposed("li"),
                returned,
                proposed("li"),
                decided("wang"),
            ],
        ),
        ("a gap", vec![raised("acq0", 1), raised("acq0", 3)]),
        ("a flag of nobody", vec![proposed("li")]),
        ("a measure out of nowhere", vec![ordered]),
    ];
    for (what, events) in cases {
        let error = opened(events).expect_err(what);
        assert!(matches!(error, OpenError::Broken(_)), "{what}: {error}");
    }
    assert!(people().iter().any(|user| user.role == Role::Regulator));
}
