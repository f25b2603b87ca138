//! A process that may open few files, and one whose open answers are asked for without an end.

use super::*;
use std::process::Stdio;
use tokio::{
    net::{TcpSocket, TcpStream},
    process::Child,
};

/// Hosts that keep connections, and how many each keeps at each door.
const HOSTS: u8 = 15;
const EACH: usize = 10;

/// The proxy of a configuration in a process that may open so many files.
fn confined(demo: &Demo, files: u32, config: &str) -> anyhow::Result<Child> {
    let file = demo.place.dir.join("confined.toml");
    fs::write(&file, config)?;
    let log = fs::File::create(demo.place.dir.join("confined.log"))?;
    let mut command = tokio::process::Command::new("sh");
    command
        .args(["-c", "ulimit -n \"$1\"; exec \"$0\" run \"$2\""])
        .arg(binary("guandao")?)
        .arg(files.to_string())
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .kill_on_drop(true);
    Ok(command.spawn()?)
}

/// Waits until it answers.
async fn answers(demo: &Demo, proxy: &mut Child) -> Done {
    let health = Client::clear(local(demo.place.ports.metrics));
    for _ in 0..300 {
        if health.send("GET", "/healthz", &[], b"").await.is_ok() {
            return Ok(());
        }
        ensure!(proxy.try_wait()?.is_none(), "it ended: {}", said(demo)?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("no answer within 30 s: {}", said(demo)?)
}

/// Asks it to stop, which it does in good order.
async fn stops(demo: &Demo, proxy: &mut Child) -> Done {
    let pid = proxy.id().context("it ended")?.to_string();
    ensure!(
        Command::new("kill").arg(pid).status()?.success(),
        "no such process"
    );
    let status = tokio::time::timeout(Duration::from_secs(60), proxy.wait()).await??;
    ensure!(status.success(), "{status}: {}", said(demo)?);
    Ok(())
}

fn said(demo: &Demo) -> anyhow::Result<String> {
    Ok(fs::read_to_string(demo.place.dir.join("confined.log"))?)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// More idle connections than it may open files: orders go on meanwhile, and the doors are free once those are gone.
pub(super) async fn idle_connections_take_no_file_that_the_journal_needs(
    demo: &Demo,
    shop: &Merchant,
) -> Done {
    let config = fs::read_to_string(demo.place.dir.join("guandao.toml"))?;
    let mut proxy = confined(demo, 384, &config)?;
    answers(demo, &mut proxy).await?;
    ensure!(said(demo)?.contains("each listener takes 28"), "{}", said(demo)?);
    let ports = demo.place.ports;
    let mut idle = Vec::new();
    for port in [ports.pages, ports.wechat, ports.alipay] {
        for host in 2..2 + HOSTS {
            for _ in 0..EACH {
                idle.push(from([127, 0, 0, host], port).await?);
            }
        }
    }
    paid(demo, shop, order(&demo.next_number())).await?;
    ensure!(proxy.try_wait()?.is_none(), "it ended: {}", said(demo)?);
    drop(idle);
    let pages = Client::tls(local(ports.pages), demo.ca())?;
    let answered = async || Ok(pages.send("GET", "/", &[], b"").await.is_ok());
    until(
        answered,
        "the payers' pages do not answer when nobody else is there",
    )
    .await?;
    paid(demo, shop, order(&demo.next_number())).await?;
    stops(demo, &mut proxy).await
}

async fn from(host: [u8; 4], port: u16) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((host, 0).into())?;
    Ok(socket.connect(local(port)).await?)
}

/// What would leave it without room for its listeners, or without roots by which merchants are told, is no start.
pub(super) async fn what_cannot_work_does_not_start(demo: &Demo) -> Done {
    let config = fs::read_to_string(demo.place.dir.join("guandao.toml"))?;
    let roots = |line: &&str| line.starts_with("notify_roots");
    let roots = config.lines().find(roots).context("the demo has roots")?;
    let rootless = config.replace(roots, "notify_roots = \"/nowhere/roots.pem\"");
    for (files, config, why) in [
        (200, &config, "its listeners need 272"),
        (1024, &rootless, "notify_roots: /nowhere/roots.pem"),
    ] {
        let mut proxy = confined(demo, files, config)?;
        let status = tokio::time::timeout(Duration::from_secs(30), proxy.wait()).await??;
        ensure!(!status.success() && said(demo)?.contains(why), "{}", said(demo)?);
    }
    Ok(())
}

pub(super) async fn open_answers_have_a_limit_too(demo: &Demo) -> Done {
    let config = fs::read_to_string(demo.place.dir.join("guandao.toml"))?;
    let (wide, narrow) = (
        "[limits.source]\nper_second = 1000000\n",
        "[limits.source]\nper_second = 1\nburst = 2\n",
    );
    ensure!(
        config.contains(wide),
        "the demo's limit is not what this test changes"
    );
    let mut proxy = confined(demo, 1024, &config.replace(wide, narrow))?;
    answers(demo, &mut proxy).await?;
    let api = Client::tls(local(demo.place.ports.api), demo.ca())?;
    // A balancer that asks from the address from which everybody comes does not take a sound instance out.
    let mut full = false;
    for _ in 0..50 {
        full |= api.send("GET", "/v1/statistics", &[], b"").await?.status == 429;
    }
    ensure!(full, "this source may ask as often as it likes");
    for _ in 0..5 {
        let ready = api.send("GET", "/readyz", &[], b"").await?;
        ensure!(ready.status != 429, "ready was answered {}", ready.status);
    }
    let mut refused = None;
    for _ in 0..50 {
        let answer = api.send("GET", "/openapi.json", &[], b"").await?;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.context("fifty times in a row")?;
    ensure!(refused.status == 429, "{}: {}", refused.status, refused.json());
    for _ in 0..5 {
        let healthy = api.send("GET", "/healthz", &[], b"").await?;
        ensure!(healthy.status == 200, "health was answered {}", healthy.status);
    }
    stops(demo, &mut proxy).await
}
