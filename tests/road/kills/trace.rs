//! The system calls of the proxy: what leaves has been flushed before.

use super::*;

/// One system call of a trace: where it began and ended (as lines), its name, what it was about, whether it went well.
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

/// Puts `unfinished …` and `resumed` together again.
fn calls(trace: &str) -> Vec<Call> {
    let mut open: HashMap<&str, (usize, String)> = HashMap::new();
    let mut all = Vec::new();
    for (n, line) in trace.lines().enumerate() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(begin) = rest.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (n, begin.to_owned()));
        } else if rest.starts_with("<... ") {
            let Some((began, begin)) = open.remove(thread) else {
                continue;
            };
            let end = rest.split_once("resumed>").map_or("", |(_, end)| end);
            all.push(Call {
                began,
                ended: n,
                text: begin + end,
            });
        } else {
            all.push(Call {
                began: n,
                ended: n,
                text: rest.to_owned(),
            });
        }
    }
    all.sort_by_key(|c| c.began);
    all
}

/// Where the bytes of a call go: to a socket whose other end is this port.
fn goes_to(call: &Call, port: u16) -> bool {
    let sends = ["write(", "writev(", "sendto(", "sendmsg("]
        .iter()
        .any(|name| call.text.starts_with(name));
    let descriptor = call.text.split(']').next().unwrap_or_default();
    sends && descriptor.contains("TCP:[") && descriptor.ends_with(&format!("->127.0.0.1:{port}"))
}

/// The bytes of a call come from our own listener at this port.
fn comes_from(call: &Call, port: u16) -> bool {
    let sends = ["write(", "writev(", "sendto(", "sendmsg("]
        .iter()
        .any(|name| call.text.starts_with(name));
    sends
        && call
            .text
            .split("->")
            .next()
            .unwrap_or_default()
            .ends_with(&format!("TCP:[127.0.0.1:{port}"))
}

async fn traced(yard: &Yard) -> anyhow::Result<()> {
    let trace = yard.demo.place.dir.join("trace");
    yard.demo.services.kill_proxy().await?;
    let mut child = tokio::process::Command::new("strace")
        .args([
            "-f",
            "-yy",
            "-s",
            "65536",
            "-e",
            "trace=fdatasync,sendto,write,writev,sendmsg,pwrite64",
            "-o",
        ])
        .arg(&trace)
        .arg(services::binary("guandao")?)
        .arg("run")
        .arg(yard.config())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    yard.demo.ready().await?;
    let mut orders = Vec::new();
    for channel in CHANNELS {
        orders.push(yard.placed(channel, 250).await?);
    }
    let proxy = std::fs::read_to_string(format!(
        "/proc/{0}/task/{0}/children",
        child.id().context("strace runs")?
    ))?;
    let proxy: i32 = proxy
        .split_whitespace()
        .next()
        .context("the traced process")?
        .parse()?;
    // SAFETY: a signal to a process that this test started.
    #[allow(unsafe_code)]
    let sent = unsafe { libc::kill(proxy, libc::SIGTERM) };
    ensure!(sent == 0, "the traced process is gone");
    child.wait().await?;
    let text = String::from_utf8_lossy(&std::fs::read(&trace)?).into_owned();
    let calls = calls(&text);
    let channels = [yard.demo.channels.wechat.port(), yard.demo.channels.alipay.port()];
    for (order, port) in orders.iter().zip(channels) {
        in_right_order(&calls, order, port, yard.demo.place.ports.api)?;
    }
    yard.start().await
}

/// Written, synced, and only then sent; the outcome written, synced, and only then told.
fn in_right_order(calls: &[Call], order: &Value, channel: u16, api: u16) -> anyhow::Result<()> {
    let number = text(&order["number"]);
    let written = |from: usize, event: &str, of: &str| {
        let fits = |c: &&Call| {
            c.began >= from
                && c.text.starts_with("pwrite64(")
                && c.text.contains(".wal>")
                && c.text.contains(event)
                && c.text.contains(of)
        };
        calls.iter().find(fits)
    };
    let synced = |write: &Call| {
        let fits = |c: &&Call| {
            c.began > write.ended
                && c.text.starts_with("fdatasync(")
                && c.text.contains(".wal>")
                && c.text.ends_with("= 0")
        };
        calls.iter().find(fits)
    };
    let intent = written(0, "attempt_intended", &number).context("no intent in the trace")?;
    let intent_synced = synced(intent).context("no fdatasync after the intent")?;
    let first = calls
        .iter()
        .find(|c| goes_to(c, channel))
        .context("no bytes to the channel in the trace")?;
    ensure!(
        first.began > intent_synced.ended,
        "bytes left for the channel at line {} before the intent was durable at line {}",
        first.began,
        intent_synced.ended
    );
    let placed = written(first.ended, "attempt_placed", "").context("no outcome in the trace")?;
    let placed_synced = synced(placed).context("no fdatasync after the outcome")?;
    let early = calls
        .iter()
        .find(|c| comes_from(c, api) && c.began > intent.began && c.began <= placed_synced.ended);
    ensure!(
        early.is_none(),
        "bytes left for the merchant before the outcome was durable"
    );
    let answer = calls
        .iter()
        .find(|c| comes_from(c, api) && c.began > placed_synced.ended)
        .context("no answer in the trace")?;
    println!(
        "{:<7} line {:>5} intent written, {:>5} its fdatasync = 0, {:>5} first bytes to the channel, {:>5} outcome written, {:>5} its fdatasync = 0, {:>5} first bytes to the merchant",
        text(&order["channel"]),
        intent.began + 1,
        intent_synced.ended + 1,
        first.began + 1,
        placed.began + 1,
        placed_synced.ended + 1,
        answer.began + 1,
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fdatasync_comes_before_the_bytes_leave() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: there is no strace on this machine, so nothing was traced");
        return;
    }
    let yard = Yard::open().await.expect("demo");
    traced(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
}
