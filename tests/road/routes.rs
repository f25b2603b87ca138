//! Which account an order goes to, and what becomes of it when that account is lost: refused connections, a black hole,
//! server errors, slowness, a wrong certificate, each on a real line before the first account of a wallet, while the second
//! one goes on.

mod apps;
mod groups;
mod handed_out;
mod kills;
mod restart;
mod terminals;

use anyhow::{Context, bail, ensure};
use domain::{BreakerState, OperationClass, PassedWhy, RouteWhy, TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::{
    demo::{
        Demo,
        gate::Mode,
        http::{Answer, Client},
        merchant::Merchant,
        place::{Addresses, GATED, Options},
    },
    material::SandboxMerchant,
};
use serde_json::{Value, json};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::sleep;

type Done = anyhow::Result<()>;

/// Wallets with an account behind a gate, and the way to pay that is placed by a call; in the order of the gates.
const WALLETS: [(&str, &str); 3] = [("wechat", "native"), ("alipay", "qr"), ("unionpay", "qr")];

/// Quick to judge and to ask again, and not mistaken by a machine that does much else.
const PATIENT: &str =
    "[routing]\nfailures = 2\nslow_ms = 2900\nrest_ms = 500\nrest_most_ms = 1000\ntrial_ms = 2000\n";
/// What is slow is told from what is not by seconds, and rests so long that the next order surely does not try it out.
const SLOW: &str =
    "[routing]\nfailures = 2\nslow_ms = 1500\nrest_ms = 6000\nrest_most_ms = 6000\ntrial_ms = 2000\n";
/// Later than slow, and sooner than a connection is given up.
const LATE: Duration = Duration::from_millis(2000);
/// So long a lost account keeps the orders that find out.
const ANSWER: Duration = Duration::from_millis(3000);
/// So long may take what takes seconds.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn options() -> Options {
    Options {
        desk: false,
        merchants: 1,
        second_accounts: true,
        extra: PATIENT.into(),
        answer_ms: ANSWER.as_millis() as u64,
        ..Options::default()
    }
}

struct Road {
    demo: Demo,
    shop: Merchant,
    _dir: tempfile::TempDir,
}

impl Road {
    async fn open() -> anyhow::Result<Road> {
        Road::with(options()).await
    }

    async fn with(options: Options) -> anyhow::Result<Road> {
        let dir = tempfile::tempdir()?;
        let demo = Demo::start(dir.path(), &options, false).await?;
        let shop = demo.merchant(0)?;
        Ok(Road {
            demo,
            shop,
            _dir: dir,
        })
    }

    fn body(&self, wallet: usize, amount: u64) -> Value {
        let (channel, pay_way) = WALLETS[wallet];
        json!({ "order_no": self.demo.next_number(), "channel": channel, "pay_way": pay_way, "amount": amount, "description": "奶茶" })
    }

    /// The first and the second account of a wallet.
    fn accounts(&self, wallet: usize) -> [String; 2] {
        accounts(&self.demo, wallet)
    }

    async fn place(&self, body: &Value) -> anyhow::Result<Answer> {
        self.shop.ask("POST", "/v1/payments", Some(body)).await
    }

    /// Places orders until one is open at this account, and says how long that took and what all of them are.
    async fn until_at(&self, wallet: usize, account: &str) -> anyhow::Result<(Duration, Vec<Value>)> {
        let (began, mut all) = (Instant::now(), Vec::new());
        while began.elapsed() < PATIENCE {
            let answer = self.place(&self.body(wallet, 100)).await?;
            let order = answer.json();
            all.push(order.clone());
            if answer.status == 201 && order["account"] == account {
                return Ok((began.elapsed(), all));
            }
            sleep(Duration::from_millis(50)).await;
        }
        bail!("no order went to {account} within {PATIENCE:?}: {all:?}")
    }

    /// What is on record, once it is in the signed tree.
    async fn entries(&self) -> anyhow::Result<Vec<TradeEntry>> {
        entries(&self.demo).await
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        metrics(&self.demo).await
    }

    /// Signs new rules into force and waits until they are.
    async fn rule(&self, version: u64, routes: Value, standby: &[&str]) -> Done {
        *self.demo.place.routing.lock() = (routes, standby.iter().map(|no| (*no).to_owned()).collect());
        self.demo
            .place
            .write_registries(version, &Addresses::of(&self.demo.channels), 4_102_444_800_000)?;
        until_taken(&self.demo, version).await
    }

    /// How many orders the channel has under this number, by account, and how many of them are open.
    async fn open_there(&self, order: &Value) -> anyhow::Result<usize> {
        let all = self.demo.channel_orders().await?;
        let open = ["NOTPAY", "WAIT_BUYER_PAY", "USERPAYING"];
        let fits = |o: &&Value| {
            o["out_trade_no"] == order["number"]
                && o["channel"] == order["channel"]
                && open.contains(&o["state"].as_str().unwrap_or_default())
        };
        Ok(all["orders"]
            .as_array()
            .context("orders")?
            .iter()
            .filter(fits)
            .count())
    }
}

/// What is on record, once all of it that was durable at the call is in the signed tree.
pub(crate) async fn entries(demo: &Demo) -> anyhow::Result<Vec<TradeEntry>> {
    entries_in(&demo.place.dir.join("data/trades")).await
}

/// The same of a journal that lies here.
pub(crate) async fn entries_in(dir: &Path) -> anyhow::Result<Vec<TradeEntry>> {
    signed_in(dir).await?;
    let reader = Reader::open(Arc::new(RealDisk), dir)?;
    reader
        .scan(0)
        .map(|item| Ok(TradeEntry::from_canonical(&item?.1)?))
        .collect()
}

/// What is on record from this entry on, as soon as it fits; or what there is after a while, to be judged.
pub(crate) async fn until_on_record(
    demo: &Demo,
    known: usize,
    fits: impl Fn(&[TradeEntry]) -> bool,
) -> anyhow::Result<Vec<TradeEntry>> {
    let began = Instant::now();
    loop {
        let new = entries(demo).await?.split_off(known);
        if fits(&new) || began.elapsed() > PATIENCE {
            return Ok(new);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until registries of this version are in force.
pub(crate) async fn until_taken(demo: &Demo, version: u64) -> Done {
    let loaded =
        |e: &TradeEntry| matches!(&e.event, TradeEvent::RegistryLoaded { version: v, .. } if *v == version);
    let all = until_on_record(demo, 0, |all| all.iter().any(loaded)).await?;
    ensure!(
        all.iter().any(loaded),
        "the registries of version {version} were not taken"
    );
    Ok(())
}

/// Waits until all that is durable now is in the signed tree.
pub(crate) async fn signed(demo: &Demo) -> Done {
    signed_in(&demo.place.dir.join("data/trades")).await
}

async fn signed_in(dir: &Path) -> Done {
    let (wanted, began) = (durable(&dir.join("wal"))?, Instant::now());
    loop {
        let size = Reader::open(Arc::new(RealDisk), dir)?.checkpoint().size;
        if size >= wanted {
            return Ok(());
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "{size} of {wanted} entries are in the signed tree"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// How many entries the log's last segment ends with: it is named by its first one, and its frames tell of themselves (their
/// mark, the octets behind their head of 36, their first entry, how many).
fn durable(log: &Path) -> anyhow::Result<u64> {
    let names = std::fs::read_dir(log)?.filter_map(|file| file.ok()?.file_name().into_string().ok());
    let first = names
        .filter_map(|name| name.strip_suffix(".wal")?.parse::<u64>().ok())
        .max();
    let Some(mut end) = first else { return Ok(0) };
    let segment = match std::fs::read(log.join(format!("{end:020}.wal"))) {
        Err(gone) if gone.kind() == std::io::ErrorKind::NotFound => return Ok(end), // in the tree
        segment => segment?,
    };
    let mut rest = segment.as_slice();
    while let Some((head, behind)) = rest
        .split_first_chunk::<36>()
        .filter(|(head, _)| head.starts_with(b"GDW1"))
    {
        let (first, count) = (
            u64::from_be_bytes(head[8..16].try_into()?),
            u32::from_be_bytes(head[16..20].try_into()?),
        );
        end = end.max(first + u64::from(count));
        let length = u32::from_be_bytes(head[4..8].try_into()?) as usize;
        rest = behind.get(length..).unwrap_or_default();
    }
    Ok(end)
}

pub(crate) async fn metrics(demo: &Demo) -> anyhow::Result<String> {
    let client = Client::clear(([127, 0, 0, 1], demo.place.ports.metrics).into());
    Ok(String::from_utf8_lossy(&client.send("GET", "/metrics", &[], b"").await?.body).into_owned())
}

pub(crate) fn accounts(demo: &Demo, wallet: usize) -> [String; 2] {
    let (first, second) = (
        &demo.place.merchants[0].accounts,
        demo.place.second.as_ref().expect("second accounts"),
    );
    let of = |at: &SandboxMerchant| at.account(GATED[wallet].0).to_owned();
    [of(first), of(second)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
//= C65
async fn a_lost_account_is_left_within_seconds_and_taken_again_by_itself() {
    let road = Road::open().await.expect("demo");
    // One wallet's loss is nothing to the others.
    tokio::join!(all_faults(&road, 0), all_faults(&road, 1), all_faults(&road, 2));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

/// The same where Alipay is spoken to by OpenAPI v3.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
//= C65
async fn an_account_at_openapi_v3_is_left_and_taken_again() {
    let road = Road::with(Options {
        openapi_v3: true,
        ..options()
    })
    .await
    .expect("demo");
    all_faults(&road, 1).await;
    let sent = road.demo.last_request("alipay", "create").await.expect("sent");
    assert!(sent.starts_with('{'), "not by OpenAPI v3: {sent}");
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

/// A client that sends one order at a time does not wait for a breaker: the second order goes elsewhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
async fn one_order_at_most_is_lost_to_an_account_that_does_not_answer() {
    let road = Road::with(Options {
        extra: PATIENT.replace("failures = 2", "failures = 3"),
        ..options()
    })
    .await
    .expect("demo");
    let late = Mode::Slow(ANSWER * 3 / 2);
    let one = async |wallet: usize, mode: Mode| {
        one_at_a_time(&road, wallet, mode)
            .await
            .unwrap_or_else(|e| panic!("{} {mode:?}: {e:#}", WALLETS[wallet].0));
    };
    tokio::join!(one(0, late), one(1, Mode::BlackHole), one(2, late));
    tokio::join!(one(0, Mode::BlackHole), one(1, late), one(2, Mode::BlackHole));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

async fn one_at_a_time(road: &Road, wallet: usize, mode: Mode) -> Done {
    let [first, second] = road.accounts(wallet);
    road.until_at(wallet, &first).await?;
    road.demo.gates[wallet].set(mode).await?;
    let mut all = Vec::new();
    for n in 0..5 {
        let answer = road.place(&road.body(wallet, 100)).await?;
        let order = answer.json();
        ensure!(
            n == 0 || answer.status == 201 && order["account"] == second && order["attempt"] == 1,
            "order {n}: {} {order}",
            answer.status
        );
        all.push(order);
    }
    road.demo.gates[wallet].set(Mode::Open).await?;
    road.until_at(wallet, &first).await?;
    nothing_is_left_over(road, all.iter()).await
}

/// What answers late is an account of its own kind: a busy machine may be as late with all others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
//= C65
async fn a_slow_account_is_left_within_seconds_and_taken_again_by_itself() {
    let road = Road::with(Options {
        extra: SLOW.into(),
        answer_ms: 9000,
        ..options()
    })
    .await
    .expect("demo");
    let slow = async |wallet: usize| {
        lost_and_found(&road, wallet, Mode::Slow(LATE), "slow")
            .await
            .unwrap_or_else(|e| panic!("{} slow: {e:#}", WALLETS[wallet].0));
    };
    tokio::join!(slow(0), slow(1), slow(2));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

const FAULTS: [(Mode, &str); 4] = [
    (Mode::Refused, "not_connected"),
    (Mode::WrongCertificate, "not_connected"),
    (Mode::ServerError, "channel_error"),
    (Mode::BlackHole, "not_connected"),
];

async fn all_faults(road: &Road, wallet: usize) {
    for (mode, cause) in FAULTS {
        lost_and_found(road, wallet, mode, cause)
            .await
            .unwrap_or_else(|e| panic!("{} {mode:?}: {e:#}", WALLETS[wallet].0));
    }
}

async fn lost_and_found(road: &Road, wallet: usize, mode: Mode, cause: &str) -> Done {
    let [first, second] = road.accounts(wallet);
    let channel = WALLETS[wallet].0;
    let (_, before) = road.until_at(wallet, &first).await?;
    let known = road.entries().await?.len();
    road.demo.gates[wallet].set(mode).await?;
    let (took, orders) = road.until_at(wallet, &second).await?;
    // Two that failed are enough, and none of them waits for more than its own answer and its close's.
    ensure!(
        orders.len() <= 4 && took < ANSWER * 8,
        "new orders moved after {took:?} only: {orders:?}"
    );
    let at_once = matches!(mode, Mode::Refused | Mode::WrongCertificate);
    ensure!(
        !at_once || orders.len() == 1 && orders[0]["attempt"] == 2,
        "what surely did not leave moves at once: {orders:?}"
    );
    // While it is lost, orders go to the second one straight away.
    let next = road.place(&road.body(wallet, 100)).await?;
    ensure!(
        next.status == 201 && next.json()["account"] == second,
        "{} {}",
        next.status,
        next.json()
    );
    ensure!(
        at_once || next.json()["attempt"] == 1,
        "it was tried first: {}",
        next.json()
    );
    // Its breaker opens, whoever asks: the orders themselves, or the questions after the first of them.
    let silent = !matches!(mode, Mode::Slow(_));
    let has_been = |all: &[TradeEntry], wanted: BreakerState| {
        all.iter().any(|e| matches!(&e.event, TradeEvent::BreakerTurned { account, class: OperationClass::Place, state, .. } if account.as_str() == first && *state == wanted))
    };
    // What answers is tried out again and again.
    if silent {
        let new = until_on_record(&road.demo, known, |new| has_been(new, BreakerState::Open)).await?;
        ensure!(has_been(&new, BreakerState::Open), "its breaker did not open");
        let passed = road.place(&road.body(wallet, 100)).await?.json();
        ensure!(passed["account"] == second, "{passed}");
    }
    road.demo.gates[wallet].set(Mode::Open).await?;
    let (back, _) = road.until_at(wallet, &first).await?;
    println!(
        "{channel} {mode:?}: {} order(s) until the next account after {took:?}, back after {back:?}",
        orders.len()
    );
    // On record: what it suffered from, and why each order went where it went.
    let states = [BreakerState::Open, BreakerState::HalfOpen, BreakerState::Closed];
    let turned = |new: &[TradeEntry]| states.iter().all(|state| has_been(new, *state));
    let new = until_on_record(&road.demo, known, turned).await?;
    for state in states {
        ensure!(has_been(&new, state), "its breaker never was {state:?}");
    }
    let why = |wanted: PassedWhy| {
        new.iter().any(|e| match &e.event {
            TradeEvent::AttemptIntended {
                account,
                route: Some(route),
                ..
            } => {
                account.as_str() == second
                    && route
                        .passed
                        .iter()
                        .any(|p| p.account.as_str() == first && p.why == wanted)
            }
            _ => false,
        })
    };
    ensure!(
        why(PassedWhy::BreakerOpen),
        "no intent says that the first account was passed over"
    );
    let moved = |e: &TradeEntry| matches!(&e.event, TradeEvent::AttemptIntended { route: Some(route), attempt: 2, .. } if route.why == RouteWhy::Failover && route.after == Some(1));
    ensure!(
        !at_once || new.iter().any(moved),
        "no intent says that it takes another's place"
    );
    let metrics = road.metrics().await?;
    let has = |parts: &[&str]| {
        metrics
            .lines()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    ensure!(
        has(&[
            "guandao_breaker_turns",
            &format!("channel=\"{channel}\""),
            "state=\"open\"",
            &format!("cause=\"{cause}\"")
        ]) || mode == Mode::BlackHole,
        "no such turn: {metrics}"
    );
    ensure!(
        has(&[
            "guandao_route_choices",
            &format!("channel=\"{channel}\""),
            "why=\"first\""
        ]),
        "{metrics}"
    );
    nothing_is_left_over(road, before.iter().chain(&orders)).await
}

/// Each order ends open at one account at most, or nowhere.
async fn nothing_is_left_over(road: &Road, orders: impl Iterator<Item = &Value>) -> Done {
    for order in orders {
        let Some(id) = order["id"].as_str() else { continue };
        let settled = road
            .shop
            .until(id, "an outcome", |o| {
                o["state"] == "awaiting_payment" || o["state"] == "not_placed" || o["state"] == "closed"
            })
            .await?;
        let open = road.open_there(&settled).await?;
        ensure!(
            open <= usize::from(settled["state"] == "awaiting_payment"),
            "{open} open at the channel: {settled}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C65
async fn what_may_have_been_placed_moves_only_once_it_is_closed() {
    let road = Road::open().await.expect("demo");
    let one = async |wallet: usize| {
        unknown_orders(&road, wallet)
            .await
            .unwrap_or_else(|e| panic!("{}: {e:#}", WALLETS[wallet].0));
    };
    tokio::join!(one(0), one(1), one(2));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

async fn unknown_orders(road: &Road, wallet: usize) -> Done {
    let (channel, [first, second]) = (WALLETS[wallet].0, road.accounts(wallet));
    let fault = async |body: &Value, operation: &str, kind: &str| {
        road.demo.control("/control/fault", &json!({ "channel": channel, "operation": operation, "kind": kind, "out_trade_no": body["order_no"] })).await
    };
    // The channel has it and says nothing: it is closed there, then placed at the next account.
    let body = road.body(wallet, 300);
    fault(&body, "create", "timeout_after").await?;
    let answer = road.place(&body).await?;
    let order = answer.json();
    ensure!(
        answer.status == 201 && order["attempt"] == 2 && order["account"] == second,
        "{} {order}",
        answer.status
    );
    // A precreated code of Alipay's is no trade before somebody scans it, so a close finds nothing; this one was told nobody.
    // UnionPay has no close: a code that nobody was told ends with its own time.
    let most = if channel == "wechat" { 1 } else { 2 };
    ensure!(road.open_there(&order).await? <= most, "open twice");
    pay(road, &order).await?;
    let paid = road
        .shop
        .until(order["id"].as_str().unwrap_or_default(), "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    ensure!(paid["account"] == second && paid["attempt"] == 2, "{paid}");
    told(road, &paid, &["payment.paid"]).await?;
    road.until_at(wallet, &first).await?;
    // The close gets no answer either: it stays, and nobody sends it anywhere else.
    let body = road.body(wallet, 301);
    fault(&body, "create", "timeout_after").await?;
    // UnionPay, which has no close, is asked for the order instead.
    let close = if channel == "unionpay" { "query" } else { "close" };
    fault(&body, close, "timeout_before").await?;
    let answer = road.place(&body).await?;
    ensure!(
        answer.status == 202 && answer.json()["attempt"] == 1 && answer.json()["account"] == first,
        "{} {}",
        answer.status,
        answer.json()
    );
    let settled = road
        .shop
        .until(answer.json()["id"].as_str().unwrap_or_default(), "an end", |o| {
            o["state"] == "closed" || o["state"] == "not_placed"
        })
        .await?;
    ensure!(settled["attempt"] == 1, "{settled}");
    // Now it is surely not open there: the merchant's repeat goes on at the next account.
    let again = road.place(&body).await?;
    ensure!(
        again.status == 201 && again.json()["attempt"] == 2 && again.json()["account"] == second,
        "{} {}",
        again.status,
        again.json()
    );
    ensure!(road.open_there(&again.json()).await? <= most, "open twice");
    road.until_at(wallet, &first).await?;
    // Paid before it could be closed: it stays and is paid.
    let body = road.body(wallet, 302);
    fault(&body, "create", "timeout_after").await?;
    fault(&body, "notice", "drop").await?;
    // As soon as the channel has it.
    let payer = async {
        let paid = json!({ "channel": channel, "out_trade_no": body["order_no"], "outcome": "paid" });
        for _ in 0..800 {
            if road.demo.control("/control/pay", &paid).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("the channel never had it")
    };
    let (answer, payer) = tokio::join!(road.place(&body), payer);
    payer?;
    let id = answer?.json()["id"].as_str().unwrap_or_default().to_owned();
    let paid = road.shop.until(&id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        paid["attempt"] == 1 && paid["account"] == first,
        "what was paid moved: {paid}"
    );
    road.until_at(wallet, &first).await.map(drop)
}

async fn pay(road: &Road, order: &Value) -> Done {
    // Both accounts may know the number; the payer has the code.
    let code = order["code_url"]
        .as_str()
        .or(order["qr_code"].as_str())
        .context("a code")?;
    road.demo
        .control(
            "/control/pay",
            &json!({ "channel": order["channel"], "qr": code, "outcome": "paid" }),
        )
        .await
        .map(drop)
}

async fn told(road: &Road, order: &Value, wanted: &[&str]) -> Done {
    let mut kinds = Vec::new();
    for _ in 0..100 {
        let events = road
            .demo
            .shop()
            .told(road.shop.id(), order["id"].as_str().unwrap_or_default());
        kinds = events
            .iter()
            .map(|e| e["type"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>();
        kinds.dedup();
        if kinds == wanted {
            return Ok(());
        }
        sleep(Duration::from_millis(100)).await;
    }
    bail!("told {kinds:?}, not {wanted:?}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C60
//= C65
async fn what_charges_never_moves_by_itself() {
    // A close may be slow, and is answered all the same, while the buyer's data lives.
    let road = Road::with(Options {
        answer_ms: 4500,
        vault: (5, 30),
        ..options()
    })
    .await
    .expect("demo");
    let both = async {
        for wallet in [1, 2] {
            charges(&road, wallet)
                .await
                .unwrap_or_else(|e| panic!("{}: {e:#}", WALLETS[wallet].0));
        }
    };
    let ((), replaced, closed) = tokio::join!(
        both,
        replaced_while_it_is_asked_for(&road),
        closed_by_its_merchant(&road)
    );
    replaced.unwrap_or_else(|e| panic!("replaced: {e:#}"));
    closed.unwrap_or_else(|e| panic!("closed by its merchant: {e:#}"));
    road.demo.services.stop().await.expect("stops");
    road.demo.prove_journal().expect("the journal verifies");
}

/// A query sees the close that makes way for the next account before that close is answered: the order goes on, and nobody is
/// told that it is closed.
//= C65
async fn replaced_while_it_is_asked_for(road: &Road) -> Done {
    let [_, second] = road.accounts(0);
    let body = road.body(0, 430);
    for (operation, kind) in [("create", "timeout_after"), ("close", "slow")] {
        road.demo.control("/control/fault", &json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": body["order_no"] })).await?;
    }
    let answer = road.place(&body).await?;
    let order = answer.json();
    ensure!(
        answer.status == 201 && order["attempt"] == 2 && order["account"] == second,
        "{} {order}",
        answer.status
    );
    pay(road, &order).await?;
    let id = order["id"].as_str().unwrap_or_default();
    let paid = road.shop.until(id, "payment", |o| o["state"] == "paid").await?;
    told(road, &paid, &["payment.paid"]).await
}

/// The merchant closes what nobody has answered yet, and that close is not answered either. Whatever the channel says to any other,
/// the order goes nowhere, and the merchant is told of its end.
//= C65
async fn closed_by_its_merchant(road: &Road) -> Done {
    let body = road.body(0, 440);
    for (operation, kind) in [("create", "timeout_after"), ("close", "timeout_before")] {
        road.demo.control("/control/fault", &json!({ "channel": "wechat", "operation": operation, "kind": kind, "out_trade_no": body["order_no"] })).await?;
    }
    let close = async {
        let asked = format!(
            "/v1/payments?order_no={}",
            body["order_no"].as_str().unwrap_or_default()
        );
        loop {
            let order = road.shop.ask("GET", &asked, None).await?.json();
            if let Some(id) = order["id"].as_str() {
                return road
                    .shop
                    .ask("POST", &format!("/v1/payments/{id}/close"), Some(&json!({})))
                    .await;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let (placed, closed) = tokio::join!(road.place(&body), close);
    let (placed, closed) = (placed?.json(), closed?.json());
    ensure!(placed["attempt"] == 1, "it moved: {placed}, {closed}");
    let id = closed["id"].as_str().context("an order")?;
    let ended = road.shop.until(id, "its end", |o| o["state"] == "closed").await?;
    ensure!(ended["attempt"] == 1, "{ended}");
    told(road, &ended, &["payment.closed"]).await
}

/// A payment code that waits for its password makes way for another way to pay: the order goes on, and nobody is told that it was
/// reversed.
async fn another_way(road: &Road, mut body: Value) -> Done {
    let waits = road.place(&body).await?;
    ensure!(
        waits.status == 202 && waits.json()["state"] == "awaiting_payment",
        "{} {}",
        waits.status,
        waits.json()
    );
    // Before that no channel takes a reverse.
    sleep(Duration::from_millis(250)).await; // the setting `reverse_after_ms`
    if let Some(fields) = body.as_object_mut() {
        fields.remove("auth_code");
    }
    body["pay_way"] = "qr".into();
    let order = road.place(&body).await?.json();
    ensure!(order["attempt"] == 2 && order["pay_way"] == "qr", "{order}");
    pay(road, &order).await?;
    let id = order["id"].as_str().unwrap_or_default();
    let paid = road.shop.until(id, "payment", |o| o["state"] == "paid").await?;
    told(road, &paid, &["payment.paid"]).await
}

async fn charges(road: &Road, wallet: usize) -> Done {
    let [first, second] = road.accounts(wallet);
    let channel = WALLETS[wallet].0;
    let scan = async |amount: u64, outcome: &str| -> anyhow::Result<Value> {
        let code = road.demo.next_code(channel);
        road.demo
            .control(
                "/control/pay",
                &json!({ "channel": channel, "auth_code": code, "outcome": outcome }),
            )
            .await?;
        Ok(
            json!({ "order_no": road.demo.next_number(), "channel": channel, "pay_way": "micropay", "amount": amount, "description": "茶", "auth_code": code }),
        )
    };
    if channel == "alipay" {
        another_way(road, scan(405, "late").await?).await?;
    }
    // It acted and said nothing: found as paid where it was, by one call, at one account.
    let body = scan(410, "paid").await?;
    for operation in [("create", "timeout_after"), ("notice", "drop")] {
        road.demo.control("/control/fault", &json!({ "channel": channel, "operation": operation.0, "kind": operation.1, "out_trade_no": body["order_no"] })).await?;
    }
    let answer = road.place(&body).await?;
    ensure!(
        answer.status == 202 && answer.json()["attempt"] == 1,
        "{} {}",
        answer.status,
        answer.json()
    );
    let paid = road
        .shop
        .until(answer.json()["id"].as_str().unwrap_or_default(), "payment", |o| {
            o["state"] == "paid"
        })
        .await?;
    ensure!(paid["account"] == first && paid["attempt"] == 1, "{paid}");
    let all = road.demo.channel_orders().await?;
    let there: Vec<&Value> = all["orders"]
        .as_array()
        .context("orders")?
        .iter()
        .filter(|o| o["out_trade_no"] == paid["number"])
        .collect();
    ensure!(there.len() == 1 && there[0]["calls"]["create"] == 1, "{there:?}");
    // It surely did not leave: the shop is told at once, and its next scan goes to the next account.
    road.until_at(wallet, &first).await?;
    road.demo.gates[wallet].set(Mode::Refused).await?;
    let mut body = scan(420, "paid").await?;
    let lost = road.place(&body).await?;
    let id = lost.json()["id"].clone();
    ensure!(
        lost.status >= 400 && id.is_null(),
        "{} {}",
        lost.status,
        lost.json()
    );
    body["auth_code"] = scan(420, "paid").await?["auth_code"].clone();
    let again = road.place(&body).await?;
    // UnionPay's word on a charge is that it was accepted; that it was paid its notice tells.
    let id = again.json()["id"].as_str().unwrap_or_default().to_owned();
    let paid = road.shop.until(&id, "payment", |o| o["state"] == "paid").await?;
    ensure!(
        again.status <= 202 && paid["account"] == second && paid["attempt"] == 2,
        "{} {paid}",
        again.status
    );
    road.demo.gates[wallet].set(Mode::Open).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C63
async fn rules_decide_and_standby_accounts_wait() {
    let road = Road::open().await.expect("demo");
    groups::follow_the_health_of_accounts(&road)
        .await
        .unwrap_or_else(|e| panic!("groups: {e:#}"));
    rules(&road).await.unwrap_or_else(|e| panic!("{e:#}"));
    road.demo.services.stop().await.expect("stops");
}

async fn rules(road: &Road) -> Done {
    let [first, second] = road.accounts(0);
    let at = async |body: Value| -> anyhow::Result<Value> {
        let answer = road.place(&body).await?;
        ensure!(answer.status == 201, "{} {}", answer.status, answer.json());
        Ok(answer.json()["account"].clone())
    };
    let with = |name: &str, value: Value| {
        let mut body = road.body(0, 100);
        body[name] = value;
        body
    };
    ensure!(
        at(road.body(0, 100)).await? == first,
        "the cheaper one comes first"
    );
    let rule = |name: &str, when: &str, account: &str, standby: &[&str]| json!({ "name": name, "channel": "wechat", "when": when, "accounts": [account], "standby": standby });
    let rules = json!([
        rule(
            "big",
            "amount >= 100000 && pay_way == 'native'",
            &second,
            &[&first]
        ),
        rule(
            "gifts",
            "product.startsWith('gift') || terminal != '' && area.startsWith('3101')",
            &second,
            &[]
        ),
        rule("never", "hour < 12 && hour > 12", &second, &[]),
        rule("rest", "true", &first, &[&second]),
    ]);
    road.rule(2, rules.clone(), &[]).await?;
    ensure!(
        at(road.body(0, 100)).await? == first && at(road.body(0, 100_000)).await? == second,
        "by amount"
    );
    ensure!(
        at(with("product", "gift-card".into())).await? == second
            && at(with("product", "tea".into())).await? == first,
        "by product"
    );
    ensure!(
        at(with("terminal", sandbox::demo::place::TERMINAL.into())).await? == second,
        "by terminal and its area"
    );
    ensure!(
        at(with("account", first.clone().into())).await? == first,
        "the merchant's own word goes first"
    );
    let named = road.entries().await?.iter().rev().find_map(|e| match &e.event {
        TradeEvent::AttemptIntended {
            route: Some(route), ..
        } => route.rule.clone(),
        _ => None,
    });
    ensure!(
        named.as_deref() == Some("gifts"),
        "the rule stands beside the order: {named:?}"
    );
    // A rule that names no other account leaves the order nowhere else to go.
    road.demo.gates[0].set(Mode::Refused).await?;
    ensure!(
        at(road.body(0, 100)).await? == second,
        "the standby account takes it"
    );
    road.demo.gates[0].set(Mode::Open).await?;
    // A bad rule refuses the whole file, and the former one stays in force.
    let bad = json!([rule("bad", "amount > 'x'", &second, &[])]);
    *road.demo.place.routing.lock() = (bad, Vec::new());
    road.demo
        .place
        .write_registries(3, &Addresses::of(&road.demo.channels), 4_102_444_800_000)?;
    sleep(Duration::from_millis(900)).await;
    ensure!(
        at(road.body(0, 100_000)).await? == second,
        "the former rules stay in force"
    );
    road.until_at(0, &first).await?;
    // Without rules: the operator's standby account waits, though it is cheaper.
    road.rule(4, json!([]), &[&first]).await?;
    ensure!(at(road.body(0, 100)).await? == second, "a standby account waits");
    Ok(())
}
