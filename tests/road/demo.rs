//! The demo as others meet it: what `endpoints.json` promises, stories that neither disturb nor are disturbed, an end in
//! good order.

mod calls;
mod lines;

use crate::{own_ways, repo};
use anyhow::{Context, bail, ensure};
use domain::{TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::demo::{
    Demo, http::Client, merchant::Merchant, place::Options, product, services::binary, stories,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

type Done = anyhow::Result<()>;

/// Channels whose bills the demo has compared.
const BILLS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_have_the_shape_of_the_golden_file() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            merchants: 2,
            own: 1,
            second_accounts: true,
            rules: true,
            ..Options::default()
        },
        false,
    )
    .await?;
    let endpoints: Value = serde_json::from_slice(&std::fs::read(dir.path().join("endpoints.json"))?)?;
    let mut shape = BTreeSet::new();
    outline("", &endpoints, &mut shape);
    repo::golden(
        "endpoints.txt",
        &shape.into_iter().map(|line| line + "\n").collect::<String>(),
    );
    every_named_file_is_there(dir.path(), &endpoints)?;
    ensure!(
        endpoints["merchants"].as_array().map(Vec::len) == Some(1),
        "the demo's own merchants are published"
    );
    let secret = endpoints["merchants"][0]["accounts"]["wechat"]["apiv2_key"]
        .as_str()
        .unwrap_or_default();
    ensure!(secret.len() == 32, "an APIv2 key has 32 characters");
    relays_are_told(&demo, &endpoints)?;
    what_came_can_be_read(&endpoints, demo.ca()).await?;
    demo.services.stop().await
}

/// Where each account's notices are relayed is where the operator's file says.
fn relays_are_told(demo: &Demo, endpoints: &Value) -> Done {
    let file = demo.place.dir.join("registries/operator.json");
    let operator: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let registered = operator["accounts"].as_array().context("accounts")?;
    for merchant in endpoints["merchants"].as_array().context("merchants")? {
        for (channel, number) in [("wechat", "mchid"), ("alipay", "app_id"), ("unionpay", "mer_id")] {
            let account = &merchant["accounts"][channel];
            let at = account["relayed_to"].as_str().context(channel)?;
            let own = registered.iter().find(|a| a["account"] == account[number]);
            let url = own.and_then(|a| a["relay_url"].as_str()).context(channel)?;
            ensure!(url.ends_with(at), "{channel}: {at} is not {url}");
        }
    }
    Ok(())
}

/// What the shop was told is there for others to verify, as it came.
async fn what_came_can_be_read(endpoints: &Value, ca: &[u8]) -> Done {
    let came = endpoints["shop"]["came"].as_str().context("shop.came")?;
    let uri: http::Uri = came.parse()?;
    let port = uri.port_u16().context("a port")?;
    let client = Client::tls(([127, 0, 0, 1], port).into(), ca)?;
    let wechat = &endpoints["merchants"][0]["accounts"]["wechat"];
    let relayed_to = wechat["relayed_to"].as_str().context("relayed_to")?;
    let octets = b"{\"a\": \"\xe8\x8c\xb6\"}\xff";
    let headers = [("wechatpay-nonce", "n1")];
    client.send("POST", relayed_to, &headers, octets).await?;
    let read = client
        .send("GET", &format!("/came?path={relayed_to}"), &[], b"")
        .await?
        .json();
    let one = &read["came"][0];
    let body = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        one["body"].as_str().unwrap_or_default(),
    )?;
    ensure!(
        one["path"] == relayed_to && one["headers"]["wechatpay-nonce"] == "n1" && body == octets,
        "{read}"
    );
    let elsewhere = client.send("GET", "/elsewhere", &[], b"").await?;
    ensure!(elsewhere.status == 404, "{}", elsewhere.json());
    Ok(())
}

/// An outside client who knows no more than `ways` says: orders, reaches the payer, lets it pay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_the_endpoints_can_be_gone_by_what_they_say() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 1,
        codepay: true,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    let endpoints: Value = serde_json::from_slice(&std::fs::read(dir.path().join("endpoints.json"))?)?;
    let merchant = demo.merchant(0)?;
    let ways = endpoints["ways"].as_array().context("ways")?;
    for way in ways {
        let gone = go(&demo, &merchant, &endpoints, way).await;
        gone.with_context(|| format!("{} {}", way["channel"], way["pay_way"]))?;
    }
    ensure!(ways.len() > 20, "{} ways", ways.len());
    calls::each(&demo, &merchant, &endpoints).await?;
    own_ways::each(&demo, &merchant, &endpoints).await?;
    demo.services.stop().await
}

/// The answer to an order of this way.
async fn placed(demo: &Demo, merchant: &Merchant, endpoints: &Value, way: &Value) -> anyhow::Result<Value> {
    let (channel, mut body) = (&way["channel"], way["body"].clone());
    body[way["number"].as_str().context("number")?] = demo.next_number().into();
    own_ways::filled(&mut body, way, &endpoints["merchants"][0]["accounts"], || {
        demo.next_number()
    })?;
    if let Some(begins) = way["auth_code"]["begins"].as_str() {
        let digits = way["auth_code"]["digits"].as_u64().unwrap_or_default() as usize - begins.len();
        let mut rest = demo.next_number().bytes().map(|b| b % 10).collect::<Vec<_>>();
        rest.resize(digits, 7);
        let code = begins.to_owned() + &rest.iter().map(u8::to_string).collect::<String>();
        let shown = json!({ "channel": channel, "auth_code": code, "outcome": "paid" });
        demo.control("/control/pay", &shown).await?;
        body["auth_code"] = code.into();
    }
    let call = way["call"].as_str().context("call")?;
    let answer = merchant.ask("POST", call, Some(&body)).await?;
    let order = answer.json();
    ensure!(answer.status < 300, "create answered {}: {order}", answer.status);
    Ok(order)
}

/// By which the wallet knows what is paid: one order, or all of a group.
fn number_of(order: &Value) -> &Value {
    order.get("number").unwrap_or(&order["group_no"])
}

async fn pay(demo: &Demo, channel: &Value, number: &Value, more: Value) -> Done {
    let mut pay = json!({ "channel": channel, "out_trade_no": number, "outcome": "paid" });
    if let (Some(pay), Value::Object(more)) = (pay.as_object_mut(), more) {
        pay.extend(more);
    }
    demo.control("/control/pay", &pay).await.map(drop)
}

async fn go(demo: &Demo, merchant: &Merchant, endpoints: &Value, way: &Value) -> Done {
    let order = placed(demo, merchant, endpoints, way).await?;
    if way["pay_way"] == "product" {
        return scan_a_product(demo, endpoints, &order[way["reach"].as_str().unwrap_or_default()]).await;
    }
    if way["pay_way"] == "one code" {
        return look_at_a_code(demo, way, &order).await;
    }
    let reach = way["reach"].as_str().unwrap_or_default();
    if !reach.is_empty() {
        ensure!(!order[reach].is_null(), "no {reach} in {order}");
        if way["before"] != "nothing" {
            demo.open(&order).await?;
        }
        pay(demo, &way["channel"], number_of(&order), json!({})).await?;
    }
    let one = std::slice::from_ref(&order);
    for order in order["orders"].as_array().map_or(one, Vec::as_slice) {
        let id = order["id"].as_str().context("id")?;
        merchant.until(id, "payment", |o| o["state"] == "paid").await?;
    }
    Ok(())
}

/// The wallet's browser is sent to the wallet's own authorisation, or shown the page.
async fn look_at_a_code(demo: &Demo, way: &Value, code: &Value) -> Done {
    let at = code["url"].as_str().context("url")?;
    let uri: http::Uri = at.parse()?;
    let port = uri.port_u16().context("a port")?;
    let client = Client::tls(([127, 0, 0, 1], port).into(), demo.ca())?;
    let agent = way["user_agent"].as_str().context("user_agent")?;
    let page = client
        .send("GET", uri.path(), &[("user-agent", agent)], b"")
        .await?;
    ensure!(
        matches!(page.status, 200 | 302 | 303),
        "{} answered {}",
        way["channel"],
        page.status
    );
    Ok(())
}

async fn scan_a_product(demo: &Demo, endpoints: &Value, code: &Value) -> Done {
    let scanned = json!({
        "qr": code, "callback": endpoints["merchants"][0]["accounts"]["wechat"]["scan_url"],
    });
    let done = product::scan(demo, &scanned).await?;
    ensure!(done["out_trade_no"].is_string(), "{done}");
    Ok(())
}

/// `path: type` of every leaf; members of lists look alike.
fn outline(path: &str, value: &Value, shape: &mut BTreeSet<String>) {
    let kind = match value {
        Value::Object(map) => {
            return map
                .iter()
                .for_each(|(name, value)| outline(&format!("{path}.{name}"), value, shape));
        }
        Value::Array(list) => {
            return list
                .iter()
                .for_each(|value| outline(&format!("{path}[]"), value, shape));
        }
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "truth",
        Value::Null => "null",
    };
    shape.insert(format!("{}: {kind}", path.trim_start_matches('.')));
}

/// Each way to pay that the README ticks was proven, and each that was proven is ticked there.
fn ticks_are_earned(said: &[String]) -> Done {
    let readme = std::fs::read_to_string(repo::root().join("README.md"))?;
    let ticks: BTreeSet<&str> = readme
        .lines()
        .filter(|line| line.starts_with("| ✓ |"))
        .filter_map(|line| line.split('`').nth(1))
        .collect();
    let proven: BTreeSet<&str> = said
        .iter()
        .filter(|line| line.ends_with("  verified"))
        .filter_map(|line| line.split_once(": "))
        .map(|(way, _)| way)
        .filter(|way| way.contains(' ') && !way.contains(','))
        .collect();
    ensure!(
        !ticks.is_empty() && ticks == proven,
        "ticked in the README: {ticks:?}; proven: {proven:?}"
    );
    Ok(())
}

fn every_named_file_is_there(dir: &Path, value: &Value) -> Done {
    match value {
        Value::Object(map) => map.iter().try_for_each(|(name, value)| match value.as_str() {
            Some(file) if name.ends_with("_file") || name == "ca" => {
                ensure!(dir.join(file).exists(), "{name}: {file} is not there");
                Ok(())
            }
            _ => every_named_file_is_there(dir, value),
        }),
        Value::Array(list) => list
            .iter()
            .try_for_each(|value| every_named_file_is_there(dir, value)),
        _ => Ok(()),
    }
}

/// A demo in a process of its own, and what it has said.
struct Started {
    dir: PathBuf,
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    endpoints: Value,
}

impl Started {
    async fn new(dir: &Path) -> anyhow::Result<Started> {
        Started::with(dir, &[]).await
    }

    async fn with(dir: &Path, flags: &[&str]) -> anyhow::Result<Started> {
        let mut command = Command::new(binary("guandao-sandbox")?);
        command
            .args(["demo", "--orders", "19", "--dir"])
            .arg(dir)
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        for _ in 0..600 {
            if let Ok(bytes) = std::fs::read(dir.join("endpoints.json")) {
                return Ok(Started {
                    dir: dir.to_owned(),
                    child,
                    lines,
                    endpoints: serde_json::from_slice(&bytes)?,
                });
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no endpoints.json within 60 s")
    }

    /// A client of the sandbox's control listener.
    fn control(&self) -> anyhow::Result<Client> {
        let url = self.endpoints["sandbox"]["control"].as_str().context("control")?;
        let address = url.trim_start_matches("http://").trim_end_matches("/control");
        Ok(Client::clear(address.parse()?))
    }

    /// Reads on until a line begins so; every line until then.
    async fn until(&mut self, beginning: &str) -> anyhow::Result<Vec<String>> {
        let mut said = Vec::new();
        let reading = async {
            while let Some(line) = self.lines.next_line().await? {
                said.push(line);
                if said.last().is_some_and(|l| l.starts_with(beginning)) {
                    return anyhow::Ok(());
                }
            }
            bail!("it ended")
        };
        let done = tokio::time::timeout(Duration::from_secs(170), reading).await;
        ensure!(
            matches!(done, Ok(Ok(()))),
            "{beginning:?} was not said: {said:#?}"
        );
        Ok(said)
    }

    fn signal(&self, signal: &str) -> Done {
        let pid = self.child.id().context("it runs")?.to_string();
        ensure!(
            std::process::Command::new("kill")
                .args([signal, &pid])
                .status()?
                .success(),
            "kill {signal} {pid}"
        );
        Ok(())
    }

    /// Whether proxy and desk are gone, within ten seconds.
    async fn children_gone(&self) -> Done {
        for name in ["proxy", "desk"] {
            let pid = self.endpoints["pids"][name]
                .as_u64()
                .context("a process number")?;
            ensure!(
                Some(pid) != self.child.id().map(u64::from),
                "{name} is no process of its own"
            );
            let mut left = 100;
            while alive(pid) {
                left -= 1;
                ensure!(left > 0, "{name} was left alone");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
        Ok(())
    }
}

/// A process that has ended and was not waited for yet is not alive.
fn alive(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .trim_start()
            .starts_with('Z')
    })
}

/// Whether a request that a channel had names an account of a published merchant.
fn is_published(request: &Value, endpoints: &Value) -> bool {
    let body = request["body"].as_str().unwrap_or_default();
    let body = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, body).unwrap_or_default();
    let text = format!(
        "{} {} {}",
        request["target"],
        request["headers"],
        String::from_utf8_lossy(&body)
    );
    let of = |(channel, name): (&str, &str)| {
        let all = endpoints["merchants"].as_array().into_iter().flatten();
        let accounts = all.filter_map(|m| m["accounts"][channel][name].as_str());
        accounts.into_iter().any(|account| text.contains(account))
    };
    [
        ("wechat", "mchid"),
        ("alipay", "app_id"),
        ("unionpay", "mer_id"),
        ("baidu", "sp_no"),
    ]
    .into_iter()
    .any(of)
}

/// So many that the published officer is locked out.
async fn wrong_passwords(dir: &Path, endpoints: &Value) -> Done {
    let ca = std::fs::read(dir.join("channels/ca.pem"))?;
    let desk = Client::tls(
        endpoints["desk"]["url"]
            .as_str()
            .unwrap_or_default()
            .trim_start_matches("https://")
            .parse()?,
        &ca,
    )?;
    let body =
        json!({ "name": endpoints["desk"]["users"][0]["name"], "password": "a wrong password" }).to_string();
    for _ in 0..12 {
        desk.send(
            "POST",
            "/api/sign-in",
            &[("content-type", "application/json")],
            body.as_bytes(),
        )
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_stories_and_an_integrator_do_not_meet_and_sigterm_ends_it_in_good_order() -> Done {
    let dir = tempfile::tempdir()?;
    let mut demo = Started::new(dir.path()).await?;
    let client = demo.control()?;
    let json = [("content-type", "application/json")];
    lines::none_can_be_lost(&client).await?;
    // An integrator forgets everything and sets faults of its own, while the stories are told.
    for _ in 0..3 {
        ensure!(
            client.send("POST", "/control/reset", &json, b"").await?.status == 200,
            "reset"
        );
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    wrong_passwords(dir.path(), &demo.endpoints).await?;
    for channel in ["wechat", "alipay"] {
        let fault = json!({ "channel": channel, "operation": "create", "kind": "status_5xx", "count": 3 })
            .to_string();
        ensure!(
            client
                .send("POST", "/control/fault", &json, fault.as_bytes())
                .await?
                .status
                == 200,
            "fault"
        );
    }
    let said = demo.until("serving").await?;
    ensure!(said.iter().any(|l| l == "all was as it should be"), "{said:#?}");
    ensure!(
        said.iter().filter(|l| l.ends_with("  verified")).count() == stories::count(0) + BILLS,
        "not every story was proven: {said:#?}"
    );
    ticks_are_earned(&said)?;
    let left = client.send("GET", "/control/faults", &[], b"").await?.json();
    // A story's own fault names its order.
    let others = left["faults"].as_array().context("faults")?.iter();
    let others: Vec<&Value> = others.filter(|f| f["out_trade_no"].is_null()).collect();
    ensure!(
        others.len() == 2 && others.iter().all(|f| f["count"] == 3),
        "the stories used up others' faults: {left}"
    );
    let seen = client.send("GET", "/control/requests", &[], b"").await?.json();
    // The proxy asks for the bills of the published merchants too; what the stories' own sent is in no list.
    let strange: Vec<&Value> = seen["requests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|request| request["operation"] != "bill" && !is_published(request, &demo.endpoints))
        .collect();
    ensure!(
        seen["requests"].is_array() && strange.is_empty(),
        "the stories' requests stand among others': {strange:?}"
    );
    let until = |word: &str| said.iter().any(|line| line.contains(word));
    ensure!(
        until(
            "and what was not answered, each proposed by one officer and agreed by another; the day is resolved"
        ) && until("CSV of 12 rows, XLSX of"),
        "the books were not told: {said:#?}"
    );
    demo.signal("-TERM")?;
    ensure!(demo.child.wait().await?.success(), "SIGTERM is no failure");
    demo.children_gone().await?;
    let reader = Reader::open(Arc::new(RealDisk), &dir.path().join("data/trades"))?;
    let last = reader.scan(0).last().context("entries")??;
    ensure!(
        matches!(
            TradeEntry::from_canonical(&last.1)?.event,
            TradeEvent::ProcessStopped { .. }
        ),
        "the end is not on record"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_failed_is_told_and_it_serves_on_until_killed_and_leaves_no_orphans() -> Done {
    let dir = tempfile::tempdir()?;
    let mut demo = Started::new(dir.path()).await?;
    let desk = demo.endpoints["pids"]["desk"].to_string();
    ensure!(
        std::process::Command::new("kill")
            .args(["-KILL", &desk])
            .status()?
            .success(),
        "kill {desk}"
    );
    let said = demo.until("serving").await?;
    ensure!(
        said.iter().any(|l| l.starts_with("FAILED: the watch"))
            && said.iter().any(|l| l.starts_with("NOT as it should be")),
        "{said:#?}"
    );
    ensure!(
        said.iter().filter(|l| l.ends_with("  verified")).count() == stories::count(0) + BILLS,
        "the orders need no desk: {said:#?}"
    );
    demo.signal("-KILL")?;
    demo.children_gone().await
}
