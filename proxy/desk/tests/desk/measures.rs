//! Measures: proposed by one, ordered by another, served to the proxy.

use crate::{
    browser::{Browser, hidden},
    world::{World, until},
};
use desk::Running;
use domain::{CaseEntry, CaseEvent, Effect};
use journal::{
    VerifierKey,
    follow::{Fetch, Follower},
};
use serde_json::json;
use tokio::sync::Mutex;

/// What the proxy does: it follows the cases journal with its client certificate.
struct Proxy(Mutex<Browser>);

impl Fetch for Proxy {
    async fn get(&self, path: &str) -> Result<Vec<u8>, String> {
        let answer = self
            .0
            .lock()
            .await
            .try_send("GET", &format!("/{path}"), "", String::new())
            .await;
        match answer {
            Some(answer) if answer.status == 200 => Ok(answer.body.to_vec()),
            Some(answer) => Err(answer.status.to_string()),
            None => Err("no answer".into()),
        }
    }
}

fn proxy(world: &World, running: &Running) -> (Proxy, Follower) {
    let read = |path: &str| std::fs::read(world.at(path)).expect("read");
    let identity = (read("tls/client.crt"), read("tls/client.key"));
    let browser = Browser::new(
        running.journal,
        &read("tls/ca.pem"),
        Some((&identity.0, &identity.1)),
    );
    let key = String::from_utf8(read("data/cases/key.vkey")).expect("text");
    (
        Proxy(Mutex::new(browser)),
        Follower::new(VerifierKey::parse(&key).expect("a key"), None),
    )
}

#[tokio::test(flavor = "multi_thread")]
//= C56
async fn a_measure_reaches_the_proxy_once_two_have_ordered_it() {
    let world = World::new().await;
    let running = world.start().await;
    let (mut li, mut wang) = (
        world.signed_in(&running, "li").await,
        world.signed_in(&running, "wang").await,
    );
    let stop = json!({"subject": {"merchant": "m1"}, "until": "2099-12-31", "reason": "赌博特征"});
    assert_eq!(
        li.post("/api/measures", stop).await.json()["error"],
        "text",
        "no measure for decades"
    );
    let tomorrow = running.cases.now().plus_millis(86_400_000).millis();
    let unknown = json!({"subject": {"merchant": "m9"}, "until": tomorrow, "reason": "x"});
    assert_eq!(
        li.post("/api/measures", unknown).await.status,
        422,
        "nobody of that number"
    );
    let stop = json!({"subject": {"merchant": "m1"}, "until": tomorrow, "reason": "赌博特征"});
    let made = li.post("/api/measures", stop).await.json();
    assert_eq!(made["id"], "M000001");
    let read = json!({ "proposal": made["proposal"] });
    assert_eq!(
        li.post("/api/measures/M000001/agree", json!({})).await.json()["error"],
        "same_officer"
    );
    assert!(
        wang.get("/api/measures").await.json()["in_force"]
            .as_array()
            .expect("a list")
            .is_empty()
    );
    assert_eq!(
        wang.post("/api/measures/M000001/agree", json!({})).await.status,
        422,
        "which proposal?"
    );
    assert_eq!(
        wang.post("/api/measures/M000001/agree", read.clone())
            .await
            .json()["status"],
        "in_force"
    );
    assert_eq!(
        wang.get("/api/measures").await.json()["in_force"][0]["subject"]["merchant"],
        "m1"
    );

    let size = running.cases.look(|state| state.next());
    until(|| running.cases.reader().checkpoint().size >= size).await;
    let (proxy, mut follower) = proxy(&world, &running);
    let entries = follower
        .poll(&proxy, certs::verify_ed25519)
        .await
        .expect("the proxy can read and verify");
    let ordered = entries.iter().find_map(|(_, bytes)| {
        match CaseEntry::from_canonical(bytes).expect("an entry").event {
            CaseEvent::MeasureOrdered {
                measure,
                officer,
                proposer,
                ..
            } => Some((measure, officer, proposer)),
            _ => None,
        }
    });
    let (measure, officer, proposer) = ordered.expect("the order");
    assert_eq!(
        (measure.effect, officer.as_str(), proposer.as_str()),
        (Effect::Stop, "wang", "li")
    );

    let lift = || json!({"reason": "已澄清"});
    let stale = wang.proposed("/api/measures/M000001/lift", lift()).await;
    let all = li.get("/api/measures").await.json();
    assert_eq!(
        (
            &all["measures"][0]["status"],
            &all["measures"][0]["pending"]["index"]
        ),
        (&json!("lift_proposed"), &stale["proposal"])
    );
    let page = li.get("/measures").await.text();
    let shown = hidden(&page, "proposal");
    let reject = json!({"reason": "未澄清", "proposal": stale["proposal"]});
    assert_eq!(
        li.post("/api/measures/M000001/reject", reject.clone())
            .await
            .json()["status"],
        "in_force"
    );
    let fresh = wang.proposed("/api/measures/M000001/lift", lift()).await;
    let csrf = li.csrf.clone();
    let fields = [("csrf", csrf.as_str()), ("proposal", shown.as_str())];
    assert_eq!(
        li.form("/measures/M000001/agree", &fields).await.status,
        409,
        "the page showed the proposal before"
    );
    let fields = [fields[0], fields[1], ("reason", "no")];
    assert_eq!(li.form("/measures/M000001/reject", &fields).await.status, 409);
    for (act, body) in [("agree", stale), ("reject", reject)] {
        let answer = li.post(&format!("/api/measures/M000001/{act}"), body).await;
        assert_eq!(
            (answer.status, answer.json()["error"].clone()),
            (409, json!("changed"))
        );
    }
    assert_eq!(
        li.post("/api/measures/M000001/agree", fresh).await.json()["status"],
        "lifted"
    );
    assert!(
        running
            .cases
            .look(|state| state.in_force(running.cases.now()))
            .is_empty()
    );
    assert_eq!(
        li.post("/api/measures/M000001/lift", json!({"reason": "x"}))
            .await
            .status,
        409
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_client_certificate_the_journal_stays_shut() {
    let world = World::new().await;
    let running = world.start().await;
    let ca = std::fs::read(world.at("tls/ca.pem")).expect("read");
    let mut stranger = Browser::new(running.journal, &ca, None);
    assert!(
        stranger
            .try_send("GET", "/checkpoint", "", String::new())
            .await
            .is_none()
    );
    let (proxy, _) = proxy(&world, &running);
    assert!(proxy.get("checkpoint").await.is_ok());
    assert!(proxy.get("key.vkey").await.is_err() && proxy.get("wal/0").await.is_err());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_proposes_for_an_account() {
    let world = World::new().await;
    let running = world.start().await;
    let mut li = world.signed_in(&running, "li").await;
    let day = domain::Day::from_number(running.cases.now().day().number() + 7).to_string();
    let csrf = li.csrf.clone();
    let mut fields = vec![
        ("csrf", csrf.as_str()),
        ("merchant", ""),
        ("channel", "wechat"),
        ("account", "1900000109"),
    ];
    fields.extend([("until", day.as_str()), ("reason", "contract revoked")]);
    assert_eq!(li.form("/measures", &fields).await.status, 303);
    let page = li.get("/measures").await.text();
    assert!(
        page.contains("wechat/1900000109") && page.contains("contract revoked") && page.contains("M000001")
    );
    fields[1].1 = "m1";
    assert_eq!(
        li.form("/measures", &fields).await.status,
        422,
        "a merchant and an account"
    );
    running.stop().await;
}
