//! What operators rely on: checks, reloads, stopping in good order, low disk, certificates of purge.

mod files;

use anyhow::{Context, ensure};
use sandbox::{
    demo::{Demo, http::Client, merchant::Merchant, place::Options, services::binary},
    material,
};
use serde_json::{Value, json};
use std::{fs, net::SocketAddr, process::Command, sync::Arc, time::Duration};

type Done = anyhow::Result<()>;

fn order(no: &str) -> Value {
    json!({ "order_no": no, "channel": "wechat", "pay_way": "native", "amount": 100, "description": "茶" })
}

async fn paid(demo: &Demo, shop: &Merchant, body: Value) -> anyhow::Result<String> {
    let answer = shop.ask("POST", "/v1/payments", Some(&body)).await?;
    ensure!(answer.status == 201, "{}", answer.json());
    let order = answer.json();
    demo.control("/control/pay", &json!({ "channel": order["channel"], "out_trade_no": order["number"], "outcome": "paid", "payer": body["payer"]["openid"] })).await?;
    let id = order["id"].as_str().context("an id")?.to_owned();
    shop.until(&id, "payment", |o| o["state"] == "paid").await?;
    Ok(id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_service() -> Done {
    let dir = tempfile::tempdir()?;
    let demo = Demo::start(
        dir.path(),
        &Options {
            desk: false,
            ..Options::default()
        },
        true,
    )
    .await?;
    let shop = Arc::new(demo.merchant(0)?);
    buyer_data_dies_on_time_and_the_certificate_says_so(&demo, &shop).await?;
    a_payer_outlives_the_first_key_till_the_merchant_is_told(&demo, &shop).await?;
    certificates_are_reloaded_without_a_restart(&demo).await?;
    platform_certificates_are_fetched_by_themselves(&demo).await?;
    a_key_that_is_registered_no_longer_opens_nothing(&demo).await?;
    check_prints_every_problem(&demo)?;
    check_names_a_missing_host_for_files(&demo)?;
    a_receipt_can_be_had_from_the_command_line(&demo)?;
    without_a_desk_the_front_door_says_so(&demo)?;
    stopping_drains(&demo, &shop).await?;
    keys_die_while_it_drains(&demo, &shop).await?;
    files::idle_connections_take_no_file_that_the_journal_needs(&demo, &shop).await?;
    files::what_cannot_work_does_not_start(&demo).await?;
    files::open_answers_have_a_limit_too(&demo).await?;
    the_index_can_be_rebuilt_by_hand(&demo)?;
    low_disk_refuses_new_orders_and_records_notices(&demo, &shop).await
}

async fn buyer_data_dies_on_time_and_the_certificate_says_so(demo: &Demo, shop: &Merchant) -> Done {
    let mut body = order(&demo.next_number());
    body["pay_way"] = json!("jsapi");
    body["payer"] = json!({ "openid": "oPURGEME" });
    let id = paid(demo, shop, body).await?;
    let asked = shop
        .ask("GET", &format!("/v1/payments/{id}?expand=payer"), None)
        .await?
        .json();
    ensure!(
        asked["payer"]["openid"] == "oPURGEME",
        "the channel was not asked for the payer: {asked}"
    );
    for _ in 0..120 {
        let answer = shop
            .ask("GET", &format!("/v1/payments/{id}/purge"), None)
            .await?
            .json();
        let seals = answer["seals"].as_array().context("seals")?;
        ensure!(!seals.is_empty(), "nothing was sealed: {answer}");
        if seals.iter().all(|s| s["state"] == "destroyed") {
            ensure!(
                seals[0]["openings_of_the_bucket"]["forward"]
                    .as_u64()
                    .is_some_and(|n| n > 0),
                "no opening was counted: {answer}"
            );
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("keys did not die within 12 s")
}

/// A merchant who does not acknowledge for longer than a key lives hears of the payer all the same.
//= C34
async fn a_payer_outlives_the_first_key_till_the_merchant_is_told(demo: &Demo, shop: &Merchant) -> Done {
    demo.shop().deafen(u32::MAX);
    let mut body = order(&demo.next_number());
    body["pay_way"] = json!("jsapi");
    body["payer"] = json!({ "openid": "oTOLDLATE" });
    let id = paid(demo, shop, body).await?;
    // Sent again after half a second, one, two and four: the fifth comes when the first key is dead for two seconds.
    for tries in 0.. {
        let told = demo.shop().told(shop.id(), &id);
        for (number, one) in told.iter().enumerate() {
            let payer = &one["payment"]["payer"]["openid"];
            ensure!(payer == "oTOLDLATE", "notification {number} says {one}");
        }
        if told.len() >= 5 {
            break;
        }
        ensure!(tries < 300, "{} notifications within 30 s", told.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    demo.shop().deafen(0);
    Ok(())
}

async fn certificates_are_reloaded_without_a_restart(demo: &Demo) -> Done {
    let at = SocketAddr::from(([127, 0, 0, 1], demo.place.ports.api));
    // Balancers ask by HEAD too; nothing else is asked there.
    for (method, status, body) in [("GET", 200, "ok\n"), ("HEAD", 200, "")] {
        let answer = Client::tls(at, demo.ca())?
            .send(method, "/healthz", &[], b"")
            .await?;
        ensure!(
            answer.status == status && answer.body == body.as_bytes(),
            "{method}: {}",
            answer.status
        );
    }
    let posted = Client::tls(at, demo.ca())?
        .send("POST", "/healthz", &[], b"")
        .await?;
    let allow = posted.headers.get("allow").map(|allow| allow.as_bytes());
    ensure!(
        posted.status == 405 && allow == Some(b"GET, HEAD"),
        "{}",
        posted.status
    );
    // A certificate for another name: whoever connects anew is served it.
    let (cert, key) = material::issue(&demo.place.material.ca()?, &["reloaded.example"])?;
    let (old_cert, old_key) = (
        fs::read(demo.place.dir.join("tls/server.pem"))?,
        fs::read(demo.place.dir.join("tls/server.key"))?,
    );
    fs::write(demo.place.dir.join("tls/server.key"), key)?;
    fs::write(demo.place.dir.join("tls/server.pem"), cert)?;
    let mut refused = false;
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        refused = Client::tls(at, demo.ca())?
            .send("GET", "/healthz", &[], b"")
            .await
            .is_err();
        if refused {
            break;
        }
    }
    ensure!(refused, "the new certificate was not served");
    fs::write(demo.place.dir.join("tls/server.key"), old_key)?;
    fs::write(demo.place.dir.join("tls/server.pem"), old_cert)?;
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if Client::tls(at, demo.ca())?
            .send("GET", "/healthz", &[], b"")
            .await
            .is_ok()
        {
            return Ok(());
        }
    }
    anyhow::bail!("the old certificate did not come back")
}

/// The second merchant's account is in certificate mode and nobody laid a certificate down: the first answer names one
/// that is not there, and the order is placed all the same; its notice is verified with what was fetched.
async fn platform_certificates_are_fetched_by_themselves(demo: &Demo) -> Done {
    let merchant = &demo.place.merchants[1];
    ensure!(merchant.certificate_mode(), "the second merchant has public keys");
    let laid = demo
        .place
        .dir
        .join("keys/wechat")
        .join(&merchant.accounts.wechat.mchid)
        .join("platform");
    ensure!(
        fs::read_dir(&laid)?
            .flatten()
            .all(|file| file.file_name().to_string_lossy().starts_with("PUB_KEY_ID_")),
        "a certificate was laid down in {}",
        laid.display()
    );
    paid(demo, &demo.merchant(1)?, order(&demo.next_number()))
        .await
        .map(drop)
}

/// The operator's file without a merchant's key: what it signs is refused as soon as the file counts.
async fn a_key_that_is_registered_no_longer_opens_nothing(demo: &Demo) -> Done {
    let file = demo.place.dir.join("registries/operator.json");
    let before: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let shop = demo.merchant(1)?;
    let status = async || anyhow::Ok(shop.ask("GET", "/v1/payments?order_no=NONE", None).await?.status);
    ensure!(status().await? == 404, "the key does not count yet");
    let mut without = before.clone();
    let version = before["version"].as_u64().context("a version")?;
    without["version"] = json!(version + 1);
    without["merchants"][1]["api_keys"] = json!([]);
    demo.place.sign_registry("operator", &without)?;
    until(
        async || Ok(status().await? == 401),
        "a key that is registered no longer still counts",
    )
    .await?;
    let mut again = before;
    again["version"] = json!(version + 2);
    demo.place.sign_registry("operator", &again)?;
    until(
        async || Ok(status().await? == 404),
        "the key does not count again",
    )
    .await
}

async fn until(is: impl AsyncFn() -> anyhow::Result<bool>, else_say: &str) -> Done {
    for _ in 0..200 {
        if is().await? {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("{else_say}")
}

/// With `[books]` a channel whose bills lie at a host of its own must have that host in the licence file.
fn check_names_a_missing_host_for_files(demo: &Demo) -> Done {
    let config = fs::read_to_string(demo.place.dir.join("guandao.toml"))? + "\n[books]\n";
    let file = demo.place.dir.join("books.toml");
    fs::write(&file, &config)?;
    let said = || -> anyhow::Result<(bool, String)> {
        let done = Command::new(binary("guandao")?)
            .arg("check")
            .arg(&file)
            .output()?;
        Ok((
            done.status.success(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        ))
    };
    let (good, text) = said()?;
    ensure!(good, "{text}");
    let licence = fs::read(demo.place.dir.join("registries/licence.json"))?;
    let mut without: Value = serde_json::from_slice(&licence)?;
    let mut again = without.clone();
    let version = without["version"].as_u64().context("a version")?;
    without["version"] = json!(version + 1);
    again["version"] = json!(version + 2);
    let channels = without["channels"].as_array_mut().context("channels")?;
    for channel in channels
        .iter_mut()
        .filter(|channel| channel["channel"] == "unionpay")
    {
        let hosts = channel["hosts"].as_array_mut().context("hosts")?;
        hosts.retain(|host| host["host"] != "filedownload.95516.com");
    }
    demo.place.sign_registry("licence", &without)?;
    let (good, text) = said()?;
    demo.place.sign_registry("licence", &again)?;
    let line = config[..config.find("[books]").unwrap_or_default()]
        .matches('\n')
        .count()
        + 1;
    ensure!(
        !good
            && text.contains(&format!("line {line}: books: "))
            && text.contains("no host for files of unionpay"),
        "{text}"
    );
    Ok(())
}

fn check_prints_every_problem(demo: &Demo) -> Done {
    let good = demo.place.dir.join("guandao.toml");
    let run = |file: &std::path::Path| {
        Command::new(binary("guandao")?)
            .arg("check")
            .arg(file)
            .output()
            .context("guandao check")
    };
    let output = run(&good)?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = fs::read_to_string(&good)?;
    let at = |file: &str| demo.place.dir.join(file).display().to_string();
    let bad = text
        .replace("answer_ms = 1500", "answer_ms = \"soon\"")
        .replace("[vault]", "[vault]\nmistyped = 1")
        .replace(
            &format!("data = \"{}\"", at("data")),
            &format!("data = \"{}\"", at("nowhere")),
        )
        .replace(
            &format!("notify_roots = \"{}\"", at("channels/ca.pem")),
            &format!("notify_roots = \"{}\"", at("trades.vkey")),
        )
        .replacen(&at("tls/server.pem"), &at("tls/missing.pem"), 1)
        .replacen("host = \"127.0.0.1\"", "host = \"https://x/\"", 1)
        .replacen("host = \"127.0.0.1\"\n", "", 1)
        + &format!(
            "\n[cases]\nurl = \"http://x\"\nca = \"{ca}\"\ncert = \"{cert}\"\nkey = \"{key}\"\nvkey_file = \"{ca}\"\n[telemetry]\notlp = \"nonsense\"\n",
            ca = at("channels/ca.pem"),
            cert = at("tls/proxy.pem"),
            key = at("tls/desk.key")
        );
    let (mchid, app) = (
        &demo.place.merchants[0].accounts.wechat.mchid,
        &demo.place.merchants[0].accounts.alipay.app_id,
    );
    let keys = [
        format!("keys/wechat/{mchid}/apiv3.secret"),
        format!("keys/alipay/{app}/platform.pem"),
    ];
    for key in &keys {
        fs::rename(at(key), at("aside-").clone() + &key.replace('/', "-"))?;
    }
    let (file, line) = (demo.place.dir.join("bad.toml"), |what: &str| {
        bad[..bad.find(what).unwrap_or_default()].matches('\n').count() + 1
    });
    fs::write(&file, &bad)?;
    let said = run(&file)?;
    for key in &keys {
        fs::rename(at("aside-").clone() + &key.replace('/', "-"), at(key))?;
    }
    let told = String::from_utf8_lossy(&said.stderr).into_owned();
    ensure!(!said.status.success(), "{told}");
    for (path, line) in [
        ("times.answer_ms", line("answer_ms")),
        ("vault.mistyped", line("mistyped")),
        ("data", line("data =")),
        ("notify_roots", line("notify_roots")),
        ("listen.api", line("[listen.api]")),
        ("listen.wechat.host", line("host = ")),
        ("listen.alipay.host", line("[listen.alipay]")),
        ("cases.url", line("url = \"http://x")),
        ("cases.cert", line(&at("tls/proxy.pem"))),
        ("cases.vkey_file", line("vkey_file")),
        ("telemetry.otlp", line("otlp")),
    ] {
        ensure!(
            told.contains(&format!("line {line}: {path}: ")),
            "no problem at {path}, line {line}:\n{told}"
        );
    }
    for key in &keys {
        ensure!(
            told.contains(key.trim_start_matches("keys/")),
            "{key} is not missed:\n{told}"
        );
    }
    ensure!(told.lines().count() == 13, "another number of problems:\n{told}");
    Ok(())
}

//= C58
fn a_receipt_can_be_had_from_the_command_line(demo: &Demo) -> Done {
    let file = demo.place.dir.join("receipt-3.txt");
    for arguments in [&["3"][..], &["--receipt", "3"]] {
        let output = Command::new(binary("guandao")?)
            .arg("export")
            .arg(demo.place.dir.join("guandao.toml"))
            .args(arguments)
            .output()?;
        fs::write(&file, &output.stdout)?;
        let verify = Command::new(binary("guandao-verify")?)
            .arg("receipt")
            .arg(&file)
            .arg("--key")
            .arg(demo.place.dir.join("trades.vkey"))
            .output()?;
        ensure!(
            verify.status.success(),
            "{}{}",
            String::from_utf8_lossy(&verify.stdout),
            String::from_utf8_lossy(&verify.stderr)
        );
    }
    Ok(())
}

/// Packages are the desk's work; where it is not installed that is said.
fn without_a_desk_the_front_door_says_so(demo: &Demo) -> Done {
    let alone = demo.place.dir.join("alone");
    fs::create_dir_all(&alone)?;
    let program = alone.join("guandao");
    // By a process of its own: a program that this one had open for writing may still be so in a child of another test.
    let copied = Command::new("cp")
        .arg(binary("guandao")?)
        .arg(&program)
        .status()?;
    ensure!(copied.success(), "cp failed");
    let output = Command::new(&program)
        .args(["export", "--unacknowledged"])
        .env("PATH", &alone)
        .output()?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(
        !output.status.success() && told.contains("guandao-desk is neither beside this program nor in PATH"),
        "{told}"
    );
    Ok(())
}

/// An order that is under way when SIGTERM comes is finished and answered.
async fn stopping_drains(demo: &Demo, shop: &Arc<Merchant>) -> Done {
    demo.control(
        "/control/fault",
        &json!({ "channel": "wechat", "operation": "create", "kind": "timeout_after", "count": 1 }),
    )
    .await?;
    let (late, no) = (shop.clone(), demo.next_number());
    let body = order(&no);
    let under_way = tokio::spawn(async move { late.ask("POST", "/v1/payments", Some(&body)).await });
    // It is under way once the channel has heard of it.
    for _ in 0..800 {
        let all = demo.channel_orders().await?;
        let mut all = all["orders"].as_array().into_iter().flatten();
        if all.any(|there| there["out_trade_no"] == no.as_str()) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    demo.services.stop_proxy().await?;
    let answer = under_way.await??;
    ensure!(
        answer.status == 202,
        "an order under way was answered {}: {}",
        answer.status,
        answer.json()
    );
    demo.prove_journal()?;
    let purge = demo.prove_purge()?;
    ensure!(
        !purge.contains("lost at a crash"),
        "a stop in good order loses no key: {purge}"
    );
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let found = shop
        .ask("GET", &format!("/v1/payments?order_no={no}"), None)
        .await?
        .json();
    let id = found["id"].as_str().context("the order is on record")?;
    shop.until(id, "recovery", |o| o["state"] == "awaiting_payment")
        .await?;
    demo.services.stop_proxy().await
}

/// A channel that does not answer keeps no key alive, though a stop waits for it longer than keys may live.
//= C34
async fn keys_die_while_it_drains(demo: &Demo, shop: &Arc<Merchant>) -> Done {
    let file = demo.place.dir.join("guandao.toml");
    let before = fs::read_to_string(&file)?;
    let mut slow = before.clone();
    for (name, from, to) in [
        ("answer_ms", 1500, 11_000),
        ("drain_ms", 5000, 6000),
        ("bucket_seconds", 2, 1),
        ("deadline_seconds", 5, 2),
    ] {
        let from = format!("{name} = {from}\n");
        ensure!(slow.contains(&from), "{name} is not what this test changes");
        slow = slow.replace(&from, &format!("{name} = {to}\n"));
    }
    fs::write(&file, slow)?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    demo.control(
        "/control/fault",
        &json!({ "channel": "wechat", "operation": "create", "kind": "timeout_after", "count": 1 }),
    )
    .await?;
    let (late, no) = (shop.clone(), demo.next_number());
    let body = order(&no);
    let under_way = tokio::spawn(async move { late.ask("POST", "/v1/payments", Some(&body)).await });
    let came = async || {
        let all = demo.channel_orders().await?;
        let mut all = all["orders"].as_array().context("orders")?.iter();
        Ok(all.any(|o| o["out_trade_no"] == no.as_str()))
    };
    until(came, "the order did not come to the channel").await?;
    demo.services.stop_proxy().await?;
    // Its connection was let go by the end of the drain; whether it was answered before is not what is asked here.
    let _ = under_way.await?;
    demo.prove_purge()?;
    fs::write(&file, before)?;
    Ok(())
}

fn the_index_can_be_rebuilt_by_hand(demo: &Demo) -> Done {
    let output = Command::new(binary("guandao")?)
        .arg("rebuild")
        .arg(demo.place.dir.join("guandao.toml"))
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        String::from_utf8_lossy(&output.stdout).contains("live orders"),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    Ok(())
}

//= C50
async fn low_disk_refuses_new_orders_and_records_notices(demo: &Demo, shop: &Merchant) -> Done {
    demo.services.restart_proxy(&demo.place, &[]).await?;
    demo.ready().await?;
    let answer = shop
        .ask("POST", "/v1/payments", Some(&order(&demo.next_number())))
        .await?;
    ensure!(answer.status == 201, "after a rebuild: {}", answer.json());
    let waiting = answer.json();
    demo.services.stop_proxy().await?;
    let file = demo.place.dir.join("guandao.toml");
    fs::write(
        &file,
        fs::read_to_string(&file)?.replace("disk_low_mib = 64", "disk_low_mib = 1000000000"),
    )?;
    demo.services.restart_proxy(&demo.place, &[]).await?;
    let at = SocketAddr::from(([127, 0, 0, 1], demo.place.ports.metrics));
    for tries in 0.. {
        let ready = Client::clear(at).send("GET", "/readyz", &[], b"").await;
        if ready.is_ok_and(|a| a.status == 503 && String::from_utf8_lossy(&a.body).contains("disk")) {
            break;
        }
        ensure!(tries < 100, "the low disk was not seen");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let refused = shop
        .ask("POST", "/v1/payments", Some(&order(&demo.next_number())))
        .await?;
    ensure!(
        refused.status == 503 && refused.json()["code"] == "storage_low",
        "{}",
        refused.json()
    );
    demo.control(
        "/control/pay",
        &json!({ "channel": "wechat", "out_trade_no": waiting["number"], "outcome": "paid" }),
    )
    .await?;
    shop.until(
        waiting["id"].as_str().unwrap_or_default(),
        "payment on a low disk",
        |o| o["state"] == "paid",
    )
    .await
    .map(drop)
}
