//! Forged decisions: one person as two, and what nobody proposed.

use crate::{
    assert_found,
    book::name,
    journal::written,
    writer::{Log, Signer},
};
use domain::{CaseEntry, CaseEvent, Disposition, Instant, Measure, Salt};
use verify::{JournalOptions, Report, check_journal};

/// A cases journal in which these things happened, one after the other.
fn cases_of(events: impl IntoIterator<Item = CaseEvent>) -> Report {
    let origin = "guandao.example/cases/0";
    let entry = |event| CaseEntry {
        at: Instant::from_secs(1),
        event,
        merchant: None,
        mseq: None,
        order: None,
        prev: None,
        salt: Salt::from_bytes([0; 16]),
        tell: None,
        v: 1,
    };
    let entries = events
        .into_iter()
        .map(|event| entry(event).to_canonical())
        .collect();
    let signer = Signer::new(origin, 1);
    let key = Some(signer.key());
    let dir = written(&Log { signer, entries });
    let options = JournalOptions {
        key,
        ..JournalOptions::default()
    };
    check_journal(dir.path(), &options).expect("readable")
}

fn stop() -> Measure {
    Measure {
        effect: domain::Effect::Stop,
        id: name("m-1"),
        subject: domain::Subject::Merchant(name("m1")),
        until: Instant::from_secs(9),
    }
}

fn proposed_by(officer: &str) -> CaseEvent {
    CaseEvent::FlagProposed {
        acquirer: name("acq1"),
        disposition: Disposition::Dismiss,
        flag: 1,
        officer: name(officer),
        reason: "why".into(),
    }
}

/// Upon the entry at index 1.
fn decided(disposition: Disposition, officer: &str, proposer: &str) -> CaseEvent {
    CaseEvent::FlagDecided {
        acquirer: name("acq1"),
        disposition,
        flag: 1,
        officer: name(officer),
        proposal: Some(1),
        proposer: name(proposer),
    }
}

#[test]
fn forgery_two_spellings_of_one_officer() {
    let raised = || crate::package::raised(1, "m1");
    crate::assert_holds(&cases_of([
        raised(),
        proposed_by("li"),
        decided(Disposition::Dismiss, "wang", "li"),
    ]));
    let report = cases_of([
        raised(),
        proposed_by("li"),
        decided(Disposition::Dismiss, "LI", "li"),
    ]);
    assert_found(
        &report,
        &["index 2", "LI decided what li had proposed", "two persons"],
    );
    let measure = stop();
    let (officer, proposer, reason) = (name("Chen"), name("chen"), "why".into());
    let events = [
        CaseEvent::MeasureProposed {
            measure: measure.clone(),
            officer: name("chen"),
            reason,
        },
        CaseEvent::MeasureOrdered {
            measure,
            officer,
            proposal: Some(0),
            proposer,
        },
    ];
    assert_found(
        &cases_of(events),
        &["index 1", "Chen decided what chen had proposed"],
    );
}

#[test]
fn forgery_a_difference_resolved_by_one_person_or_as_nobody_proposed() {
    let proposed = |officer: &str| CaseEvent::DifferenceProposed {
        merchant: name("m1"),
        officer: name(officer),
        reason: "why".into(),
        resolution: domain::Resolution::Explained,
        trades_index: 7,
    };
    let resolved = |resolution, officer: &str| CaseEvent::DifferenceResolved {
        merchant: name("m1"),
        officer: name(officer),
        proposal: Some(0),
        proposer: name("li"),
        resolution,
        trades_index: 7,
    };
    let explained = domain::Resolution::Explained;
    crate::assert_holds(&cases_of([proposed("li"), resolved(explained, "wang")]));
    assert_found(
        &cases_of([proposed("li"), resolved(explained, "Li")]),
        &["index 1", "Li decided what li had proposed"],
    );
    assert_found(
        &cases_of([resolved(explained, "wang")]),
        &["index 0", "difference 7 was resolved, but li had not proposed it"],
    );
    let other = resolved(domain::Resolution::BillStands, "wang");
    assert_found(
        &cases_of([proposed("li"), other]),
        &["index 1", "but li had proposed Explained"],
    );
    assert_found(
        &cases_of([proposed("li"), resolved(explained, "wang"), proposed("li")]),
        &["index 2", "difference 7, which is not open"],
    );
}

#[test]
fn forgery_decision_on_what_nobody_or_somebody_else_proposed() {
    let raised = || crate::package::raised(1, "m1");
    let report = cases_of([raised(), decided(Disposition::Dismiss, "wang", "li")]);
    assert_found(
        &report,
        &[
            "index 1",
            "flag 1 of acq1 was decided, but li had not proposed it",
        ],
    );
    let report = cases_of([
        raised(),
        proposed_by("zhao"),
        decided(Disposition::Dismiss, "wang", "li"),
    ]);
    assert_found(&report, &["index 2", "as proposed by li, but zhao had proposed"]);
    let report = cases_of([
        raised(),
        proposed_by("li"),
        decided(Disposition::Confirm, "wang", "li"),
    ]);
    assert_found(&report, &["index 2", "but li had proposed Dismiss"]);
    let returned = CaseEvent::FlagReturned {
        acquirer: name("acq1"),
        flag: 1,
        officer: name("wang"),
        proposal: Some(1),
        reason: "why".into(),
    };
    let report = cases_of([
        raised(),
        proposed_by("li"),
        returned,
        decided(Disposition::Dismiss, "wang", "li"),
    ]);
    assert_found(&report, &["index 3", "li had not proposed it"]);
}

#[test]
fn forgery_measure_ordered_that_nobody_proposed_or_another_one() {
    let ordered = |measure| CaseEvent::MeasureOrdered {
        measure,
        officer: name("wang"),
        proposal: Some(0),
        proposer: name("li"),
    };
    let proposed = CaseEvent::MeasureProposed {
        measure: stop(),
        officer: name("li"),
        reason: "why".into(),
    };
    crate::assert_holds(&cases_of([proposed.clone(), ordered(stop())]));
    assert_found(
        &cases_of([ordered(stop())]),
        &["index 0", "measure m-1 was ordered, but li had not proposed it"],
    );
    let longer = Measure {
        until: Instant::from_secs(10),
        ..stop()
    };
    assert_found(
        &cases_of([proposed, ordered(longer)]),
        &["index 1", "it is not what li had proposed"],
    );
}

#[test]
//= C44
fn forgery_a_decision_upon_words_that_were_sent_back() {
    let (merchant, officer, reason) = (name("m1"), name("wang"), "why".into());
    let returned = |proposal| CaseEvent::FlagReturned {
        acquirer: name("acq1"),
        flag: 1,
        officer: name("wang"),
        proposal: Some(proposal),
        reason: "why".into(),
    };
    let flag = [
        crate::package::raised(1, "m1"),
        proposed_by("li"),
        returned(1),
        proposed_by("li"),
    ];
    let upon = |event| cases_of(flag.iter().cloned().chain([event]));
    for event in [decided(Disposition::Dismiss, "wang", "li"), returned(1)] {
        let words =
            "flag 1 of acq1 was decided upon the proposal at index 1, but the one that stood is at index 3";
        assert_found(&upon(event), &["index 4", words]);
    }
    crate::assert_holds(&upon(returned(3)));
    let proposed = CaseEvent::MeasureProposed {
        measure: stop(),
        officer: name("li"),
        reason: "why".into(),
    };
    let measures = [
        CaseEvent::MeasureOrdered {
            measure: stop(),
            officer: name("wang"),
            proposal: Some(7),
            proposer: name("li"),
        },
        CaseEvent::MeasureRejected {
            measure: stop().id,
            officer: name("wang"),
            proposal: Some(7),
            reason: "why".into(),
        },
    ];
    for event in measures {
        let report = cases_of([proposed.clone(), event]);
        assert_found(
            &report,
            &["index 1", "measure m-1 was decided upon the proposal at index 7"],
        );
    }
    let proposed = CaseEvent::DifferenceProposed {
        merchant: name("m1"),
        officer: name("li"),
        reason: "why".into(),
        resolution: domain::Resolution::Explained,
        trades_index: 7,
    };
    let differences = [
        CaseEvent::DifferenceResolved {
            merchant: name("m1"),
            officer: name("wang"),
            proposal: Some(2),
            proposer: name("li"),
            resolution: domain::Resolution::Explained,
            trades_index: 7,
        },
        CaseEvent::DifferenceReturned {
            merchant,
            officer,
            proposal: Some(2),
            reason,
            trades_index: 7,
        },
    ];
    for event in differences {
        let report = cases_of([proposed.clone(), event]);
        assert_found(
            &report,
            &["index 1", "difference 7 was decided upon the proposal at index 2"],
        );
    }
}

#[test]
//= C44
fn forgery_a_decision_that_names_no_proposal_behind_one_that_does() {
    let unnamed = || match decided(Disposition::Dismiss, "wang", "li") {
        CaseEvent::FlagDecided {
            acquirer,
            disposition,
            flag,
            officer,
            proposer,
            ..
        } => CaseEvent::FlagDecided {
            acquirer,
            disposition,
            flag,
            officer,
            proposal: None,
            proposer,
        },
        other => other,
    };
    let raised = || crate::package::raised(1, "m1");
    // As earlier builds wrote it.
    crate::assert_holds(&cases_of([raised(), proposed_by("li"), unnamed()]));
    let measure = [
        CaseEvent::MeasureProposed {
            measure: stop(),
            officer: name("li"),
            reason: "why".into(),
        },
        CaseEvent::MeasureOrdered {
            measure: stop(),
            officer: name("wang"),
            proposal: Some(0),
            proposer: name("li"),
        },
    ];
    let report = cases_of(
        measure
            .into_iter()
            .chain([raised(), proposed_by("li"), unnamed()]),
    );
    assert_found(
        &report,
        &[
            "index 4",
            "flag 1 of acq1 was decided without a word upon which proposal",
        ],
    );
}
