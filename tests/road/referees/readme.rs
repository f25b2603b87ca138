//! The sandbox's README for whoever integrates: its programs and commands run as they stand there, but for the folder (here one
//! of the test's own) and the shop's port.

use super::{Done, client};
use crate::repo::root;
use anyhow::{Context, bail, ensure};
use sandbox::demo::services::binary;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout, Command},
};

const PAGE: &str = include_str!("../../sandbox/README.md");
/// The shop's port on the page.
const PORT: &str = "8017";

/// What must come of each program.
type Expected = fn(&str) -> bool;

const PROGRAMS: [(&str, Expected); 6] = [
    ("order.py", |said| {
        let all: Vec<&str> = said.lines().collect();
        matches!(all[..], [placed, found, refund] if placed.starts_with("(200, ") && placed.contains("weixin://")
            && found.contains("\"trade_state\":\"SUCCESS\"") && refund.starts_with("(200, "))
    }),
    ("order.mjs", |said| said.starts_with("weixin://")),
    ("order3.mjs", |said| said.contains("code_url: 'weixin://")),
    ("alipay.mjs", |said| {
        said.contains("code: '10000'") && said.contains("qrCode: 'https://")
    }),
    ("alipay_order.py", |said| {
        said.contains("'code': '10000'") && said.contains("'qr_code': 'https://")
    }),
    ("bill.py", |said| {
        let of = |number: &str, yuan: &str| {
            let own = said.lines().filter(|line| line.contains(&format!("`{number},")));
            own.into_iter().any(|line| line.contains(&format!(",`{yuan},")))
        };
        of("F10000001", "1.00") && of("F10000002", "1.01")
    }),
];
/// The shop that is told.
const SHOP: &str = "notify.py";

/// A block of code: its language and what stands in it.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let mut fences = PAGE.split("```");
    fences.next();
    let mut all = Vec::new();
    while let (Some(block), Some(_)) = (fences.next(), fences.next()) {
        all.extend(block.split_once('\n'));
    }
    all
}

/// The page's programs by their names, which stand in their first lines.
fn programs() -> BTreeMap<&'static str, &'static str> {
    let named = |(language, text): (&str, &'static str)| {
        let name = text.lines().next()?.trim_start_matches(['#', '/', ' ']);
        ["python", "js"].contains(&language).then_some((name, text))
    };
    blocks().into_iter().filter_map(named).collect()
}

/// The folder in which an integrator works, and the sandbox that runs there.
struct Desk {
    dir: tempfile::TempDir,
    port: u16,
    _sandbox: Child,
}

impl Desk {
    async fn set() -> anyhow::Result<Desk> {
        let dir = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        for (name, text) in programs() {
            std::fs::write(dir.path().join(name), text.replace(PORT, &port.to_string()))?;
        }
        std::os::unix::fs::symlink(
            client::place().join("node_modules"),
            dir.path().join("node_modules"),
        )?;
        let started = blocks().into_iter().find_map(|(language, text)| {
            let command = text.strip_prefix("cargo run -p sandbox --bin guandao-sandbox -- ")?;
            (language == "sh").then_some(command)
        });
        let mut sandbox = Command::new(binary("guandao-sandbox")?);
        sandbox
            .args(at(dir.path(), started.context("how it is started")?).split_whitespace())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let sandbox = sandbox.spawn()?;
        let desk = Desk {
            dir,
            port,
            _sandbox: sandbox,
        };
        for _ in 0..600 {
            if desk.file("sb/channels.json").exists() {
                return Ok(desk);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("no channels.json within 60 s")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// As the page says that this program is started.
    fn command(&self, name: &str) -> anyhow::Result<Command> {
        let ending = format!(" {name}`");
        let end = PAGE
            .find(&ending)
            .with_context(|| format!("how {name} is started"))?;
        let line = PAGE[..end].rsplit('`').next().context("a command")?;
        let mut words: Vec<&str> = line.split(' ').collect();
        let program = words.pop().context("a program")?;
        let mut command = match program {
            "python" => Command::new(client::place().join("venv/bin/python")),
            "node" => Command::new("node"),
            other => bail!("{name} is started by {other}"),
        };
        for setting in words {
            let (variable, value) = setting.split_once('=').context("a variable")?;
            command.env(variable, value);
        }
        command
            .arg(name)
            .current_dir(self.dir.path())
            .env("PYTHONIOENCODING", "utf-8")
            .env("no_proxy", "127.0.0.1");
        Ok(command)
    }

    async fn program(&self, name: &str, expected: Expected) -> Done {
        let output = client::said(&mut self.command(name)?).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success() && expected(&said),
            "{name}: {}",
            all(&output)
        );
        Ok(())
    }

    async fn shop(&self) -> anyhow::Result<(Child, Lines<BufReader<ChildStdout>>)> {
        let mut command = self.command(SHOP)?;
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn()?;
        let lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        for _ in 0..300 {
            if tokio::net::TcpStream::connect(("127.0.0.1", self.port))
                .await
                .is_ok()
            {
                return Ok((child, lines));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        bail!("nobody listens where {SHOP} should")
    }

    /// The settings of one run and the published clients, as one script.
    async fn published(&self) -> Done {
        let shells = blocks().into_iter().filter(|(language, _)| *language == "sh");
        let part = |mark: &'static str| shells.clone().find(|(_, text)| text.contains(mark));
        let (settings, clients) = (part("/tmp/settings.py"), part("tests/clients/node/alipay.mjs"));
        let script = [
            settings.context("the settings")?.1,
            clients.context("the clients")?.1,
        ]
        .concat();
        let started = script
            .lines()
            .filter(|line| line.contains(" tests/clients/"))
            .count();
        ensure!(started == 8, "{started} clients");
        let mut shell = Command::new("sh");
        shell
            .args(["-eu", "-c", &at(self.dir.path(), &script)])
            .current_dir(root())
            .env("no_proxy", "127.0.0.1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(240), shell.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout);
        let steps: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
        ensure!(
            output.status.success() && steps.len() > 8 * 5 && steps.iter().all(|step| step["ok"] == true),
            "{}",
            all(&output)
        );
        Ok(())
    }

    /// What the conformance run says of the page's own shop is what the page says.
    async fn checked(&self) -> Done {
        let mut check = Command::new(binary("guandao-sandbox")?);
        check
            .args([
                "check",
                "--merchant",
                &format!("http://127.0.0.1:{}/notify", self.port),
            ])
            .args(["--dir", "sb", "--format", "wechat", "--mode", "public-key"])
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let output = tokio::time::timeout(Duration::from_secs(180), check.output()).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let (_, page) = (blocks().into_iter())
            .find(|(language, text)| *language == "text" && text.contains("cases are wrong"))
            .context("what it says")?;
        let verdicts = |text: &str| -> Vec<String> {
            let of = |line: &str| {
                let mut words = line.split_whitespace();
                let verdict = words
                    .next()
                    .filter(|word| ["right", "WRONG", "note", "-"].contains(word))?;
                Some(format!("{verdict} {}", words.next()?))
            };
            text.lines().filter_map(of).collect()
        };
        let (here, there) = (verdicts(&said), verdicts(page));
        let wrong = |all: &[String]| all.iter().filter(|one| one.starts_with("WRONG")).count();
        ensure!(
            there.len() > 5
                && there.iter().all(|one| here.contains(one))
                && wrong(&here) == wrong(&there)
                && page.lines().last().is_some_and(|last| said.contains(last)),
            "on the page: {there:?}; said: {}",
            all(&output)
        );
        Ok(())
    }
}

/// With the page's folder where this one is.
fn at(dir: &Path, text: &str) -> String {
    text.replace("/tmp/", &format!("{}/", dir.display()))
}

fn all(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|octets| String::from_utf8_lossy(octets));
    format!("{}: {out}\n{err}", output.status)
}

pub(super) async fn examples() -> Done {
    let mut named: Vec<&str> = programs().into_keys().collect();
    named.retain(|name| *name != SHOP);
    let mut known = PROGRAMS.map(|(name, _)| name);
    known.sort_unstable();
    ensure!(
        named == known,
        "programs of the page: {named:?}; run here: {known:?}"
    );
    let desk = Desk::set().await?;
    let (_shop, mut told) = desk.shop().await?;
    for (name, expected) in PROGRAMS {
        desk.program(name, expected).await?;
    }
    let mut wanted = vec!["told TRANSACTION.SUCCESS", "told REFUND.SUCCESS"];
    let telling = async {
        while !wanted.is_empty() {
            let line = told.next_line().await?.context("the shop ended")?;
            ensure!(
                line.starts_with("told ") && !line.ends_with("None"),
                "the shop said {line:?}"
            );
            wanted.retain(|one| *one != line);
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(20), telling)
        .await
        .context("the shop was not told of all")??;
    // The shop goes on talking while it is checked: nobody reads, and a pipe takes so much.
    let reading = async {
        while let Ok(Some(_)) = told.next_line().await {}
        anyhow::Ok(())
    };
    tokio::select! {
        done = async { tokio::try_join!(desk.published(), desk.checked()) } => done.map(drop),
        ended = reading => ended.and_then(|()| bail!("the shop ended")),
    }
}
