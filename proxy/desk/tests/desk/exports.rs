//! Packages: complete, provable, chained, acknowledged; by the button and by the command line.

use crate::world::{World, until};
use desk::{
    Running,
    local::{Question, Reply},
};
use domain::TradeEvent;
use serde_json::{Value, json};
use sha2::Digest;
use std::path::{Path, PathBuf};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("read")).expect("JSON")
}

fn verified(world: &World, dir: &Path, previous: Option<&Path>) -> verify::Report {
    let key = |path: &str| verify::read_key(&world.at(path)).expect("a key");
    let note = std::fs::read_to_string(dir.join("manifest.sig")).expect("read");
    assert!(note.starts_with("guandao-export\npay.test/export\n"), "{note}");
    let export = world.at("export.vkey");
    let keys = certs::Keys::default();
    let name = domain::KeyRef::new("export").expect("lawful");
    let pem = std::fs::read(world.at("keys/export.pem")).expect("read");
    keys.put(name.clone(), certs::Material::read(&pem).expect("a key"));
    let public_key = keys.signer(&name).expect("Ed25519").public_key();
    let text = journal::VerifierKey {
        name: "pay.test/export".into(),
        public_key,
    }
    .to_text();
    std::fs::write(&export, text).expect("written");
    let keys = verify::ExportKeys {
        export: verify::read_key(&export).expect("a key"),
        cases: key("data/cases/key.vkey"),
        trades: Some(key("trades.vkey")),
    };
    let options = verify::ExportOptions {
        previous: previous.map(Path::to_owned),
        cases: Some(world.at("data/cases")),
        alone: previous.is_none(),
    };
    verify::check_export(dir, &keys, &options).expect("readable")
}

async fn decide(world: &World, running: &Running, flag: u64, disposition: &str) {
    let (mut li, mut wang) = (
        world.signed_in(running, "li").await,
        world.signed_in(running, "wang").await,
    );
    let at = format!("/api/flags/acq1/{flag}");
    let proposal = json!({"disposition": disposition, "reason": "=1+1, 理由 \"引号\"\n第二行"});
    let read = li.proposed(&format!("{at}/propose"), proposal).await;
    assert_eq!(wang.post(&format!("{at}/agree"), read).await.status, 200);
}

fn package(world: &World, n: u64) -> PathBuf {
    world.at(&format!("exports/package-acq1-{n:06}"))
}

#[tokio::test(flavor = "multi_thread")]
//= C47
//= C48
async fn packages_leave_no_number_out_and_prove_each() {
    let world = World::new().await;
    for n in 0..4 {
        world.book.thrice("m1", 1 + 10 * n, 1 + n);
    }
    let running = world.start().await;
    assert_eq!(running.cases.look(|state| state.flags().count()), 4);
    decide(&world, &running, 1, "confirm").await;
    decide(&world, &running, 2, "dismiss").await;
    let mut li = world.signed_in(&running, "li").await;
    let mut ren = world.signed_in(&running, "ren").await;
    assert_eq!(ren.post("/api/exports", json!({})).await.status, 403);
    let made = li.post("/api/exports", json!({"acquirer": "acq1"})).await.json();
    assert_eq!(
        (&made["made"][0]["package"], &made["made"][0]["last"]),
        (&json!(1), &json!(4)),
        "{made}"
    );
    let report = verified(&world, &package(&world, 1), None);
    assert!(report.holds(), "{:#?}", report.findings);
    let manifest = read(&package(&world, 1).join("manifest.json"));
    let status: Vec<&str> = manifest["numbers"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|n| n["status"].as_str())
        .collect();
    assert_eq!(status, ["confirmed", "dismissed", "open", "open"]);
    assert_eq!(
        read(&package(&world, 1).join("flags.json"))
            .as_array()
            .expect("a list")
            .len(),
        1
    );
    assert_eq!(
        li.post("/api/exports", json!({})).await.json()["error"],
        "nothing_new"
    );
    assert!(li.get("/").await.text().contains("尚未签收的移交包"));

    decide(&world, &running, 3, "confirm").await;
    world.book.thrice("m2", 100, 9);
    world.read(&running).await;
    assert_eq!(li.post("/api/exports", json!({})).await.status, 200);
    let second = read(&package(&world, 2).join("manifest.json"));
    assert_eq!(
        (&second["first"], &second["last"], &second["late"][0]["flag"]),
        (&json!(5), &json!(5), &json!(3))
    );
    let first = std::fs::read(package(&world, 1).join("manifest.json")).expect("read");
    assert_eq!(second["previous"], hex::encode(sha2::Sha256::digest(first)));
    assert_eq!(
        read(&package(&world, 2).join("flags.json"))[0]["flag"],
        3,
        "what was open before is not lost"
    );
    let report = verified(&world, &package(&world, 2), Some(&package(&world, 1)));
    assert!(report.holds(), "{:#?}", report.findings);
    running.stop().await;
    forged_late_decisions_are_found(&world, &second);
}

/// A desk that lies about late decisions is found out, whatever it signs.
fn forged_late_decisions_are_found(world: &World, lawful: &Value) {
    let forged = |change: &dyn Fn(&mut Value)| {
        let mut manifest = lawful.clone();
        change(&mut manifest);
        let text = serde_json::to_vec(&manifest).expect("json");
        std::fs::write(package(world, 2).join("manifest.json"), text).expect("written");
        let report = verified(world, &package(world, 2), Some(&package(world, 1)));
        report
            .findings
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change<'_>, &str); 5] = [
        (&|m| m["late"] = json!([]), "not among the manifest's numbers"),
        (
            &|m| m["late"][0]["status"] = "dismissed".into(),
            "but the cases journal says confirmed",
        ),
        (
            &|m| m["late"][0]["status"] = "open".into(),
            "only what was decided since is late",
        ),
        (
            &|m| m["late"] = json!([m["late"][0], m["late"][0]]),
            "names a flag twice",
        ),
        (&|m| m["late"][0]["flag"] = json!(5), "not of an earlier package"),
    ];
    for (change, wanted) in cases {
        let found = forged(change);
        assert!(found.contains(wanted), "{wanted} in {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_goes_through_a_running_desk_or_works_alone() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let config = world.config();
    let reply = desk::command(&config, Question::Export { acquirer: None })
        .await
        .expect("through the desk");
    assert!(matches!(&reply, Reply::Made(all) if all.len() == 1), "{reply:?}");
    decide(&world, &running, 1, "confirm").await;
    let size = running.cases.look(|state| state.next());
    until(|| running.cases.reader().checkpoint().size >= size).await;
    running.stop().await;
    let reply = desk::command(&config, Question::Export { acquirer: None })
        .await
        .expect("alone");
    assert!(
        matches!(&reply, Reply::Made(all) if all[0].package == 2),
        "{reply:?}"
    );
    let manifest = read(&package(&world, 2).join("manifest.json"));
    assert_eq!(
        (&manifest["count"], &manifest["late"][0]["status"]),
        (&json!(0), &json!("confirmed"))
    );
    assert!(manifest["trades_checkpoint"].is_string());
    let report = verified(&world, &package(&world, 2), Some(&package(&world, 1)));
    assert!(report.holds(), "{:#?}", report.findings);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_counts_once_and_only_with_the_acquirers_signature() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    let config = world.config();
    let mut li = world.signed_in(&running, "li").await;
    let mut waiting = async || li.get("/api/unacknowledged").await.json()["flags"].clone();
    assert_eq!(
        waiting().await,
        json!([]),
        "nobody waits for what is not confirmed"
    );
    decide(&world, &running, 1, "confirm").await;
    let flag = waiting().await[0].clone();
    assert_eq!(
        (&flag["flag"], &flag["merchant"], &flag["rule"], &flag["package"]),
        (&json!(1), &json!("m1"), &json!("T01"), &Value::Null),
        "{flag}"
    );
    assert!(flag["age_ms"].is_i64() && flag["confirmed_at"].is_i64(), "{flag}");
    desk::command(&config, Question::Export { acquirer: None })
        .await
        .expect("made");
    assert_eq!(
        waiting().await[0]["package"],
        1,
        "handed over and not acknowledged"
    );
    let asked = async |acquirer: Option<&str>| {
        let acquirer = acquirer.map(|a| domain::AcquirerNo::new(a).expect("lawful"));
        match desk::command(&config, Question::Unacknowledged { acquirer })
            .await
            .expect("answered")
        {
            Reply::Unacknowledged(all) => all.iter().map(ToString::to_string).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        }
    };
    let lines = asked(Some("acq1")).await;
    assert!(
        lines.len() == 1
            && lines[0].starts_with("flag 1 for acq1: m1 T01, confirmed ")
            && lines[0].ends_with(" ago, in package 1"),
        "{lines:?}"
    );
    assert_eq!(asked(Some("acq2")).await, Vec::<String>::new());
    let manifest = std::fs::read(package(&world, 1).join("manifest.json")).expect("read");
    let digest = hex::encode(sha2::Sha256::digest(manifest));
    let file =
        |digest: &str| json!({"acquirer": "acq1", "package": 1, "digest": digest, "at": 1}).to_string();
    let sign = |file: &str| {
        world.acquirers_note(&format!(
            "guandao-ack\nacq1\n{}\n",
            hex::encode(sha2::Sha256::digest(file))
        ))
    };
    let ask = async |file: String, signature: String| {
        desk::command(&config, Question::Acknowledge { file, signature })
            .await
            .expect("answered")
    };
    let good = file(&digest);
    let wrong = file(&"0".repeat(64));
    assert!(
        matches!(ask(wrong.clone(), sign(&wrong)).await, Reply::Refused(_)),
        "another manifest"
    );
    assert!(
        matches!(ask(good.clone(), sign(&wrong)).await, Reply::Refused(_)),
        "the signature of another file"
    );
    let unsigned = sign(&good).replace("authority", "somebody");
    assert!(
        matches!(ask(good.clone(), unsigned).await, Reply::Refused(_)),
        "somebody else's signature"
    );
    for _ in 0..2 {
        assert!(matches!(
            ask(good.clone(), sign(&good)).await,
            Reply::Acknowledged { package: 1, .. }
        ));
    }
    assert_eq!((waiting().await, asked(None).await.len()), (json!([]), 0));
    let mut li = world.signed_in(&running, "li").await;
    assert!(li.get("/api/exports").await.json()["packages"][0]["acknowledged_at"].is_i64());
    assert!(!li.get("/").await.text().contains("尚未签收的移交包"));
    running.stop().await;
}

/// The desk was away for long, and the proxy goes away while it reads on.
#[tokio::test(flavor = "multi_thread")]
//= C47
async fn a_package_is_made_in_the_middle_of_a_backlog_under_the_head_of_before() {
    const PART: u64 = journal::follow::MOST_BUNDLES * journal::tiles::WIDTH;
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let running = world.start().await;
    decide(&world, &running, 1, "confirm").await;
    running.stop().await;
    for _ in 0..PART + 2 * journal::tiles::WIDTH {
        world
            .book
            .write(None, None, TradeEvent::IndexRebuilt { entries: 1 });
    }
    let whole = world.book.journal.size();
    soon(|| world.book.journal.reader().checkpoint().size == whole).await;
    let bundle = world
        .at("proxy/trades/tile/entries")
        .join(format!("{:03}", PART / journal::tiles::WIDTH));
    std::fs::rename(&bundle, world.at("aside")).expect("it is there");
    let running = desk::start(world.config()).await.expect("it starts");
    soon(|| running.trades.mirror.size() == PART && running.trades.health().trouble.is_some()).await;
    let mut li = world.signed_in(&running, "li").await;
    let made = li.post("/api/exports", json!({"acquirer": "acq1"})).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let report = verified(&world, &package(&world, 1), None);
    assert!(report.holds(), "{:#?}", report.findings);
    std::fs::rename(world.at("aside"), &bundle).expect("put back");
    let head = world.book.journal.reader().note();
    soon(|| running.trades.note().as_deref() == Some(&*head)).await;
    running.stop().await;
}

/// Thousands of entries take their time on a small machine.
async fn soon(mut there: impl FnMut() -> bool) {
    let patience = tokio::time::Instant::now() + std::time::Duration::from_secs(120);
    while !there() {
        assert!(tokio::time::Instant::now() < patience, "it did not come");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
