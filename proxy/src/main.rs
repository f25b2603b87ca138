//! `guandao`: run | check | export | rebuild | keys.
#![allow(clippy::print_stdout)] // a command line answers on standard output

use anyhow::{Context, anyhow};
use clap::{Parser, Subcommand};
use domain::KeyRef;
use journal::{Journal, Reader, disk::RealDisk};
use proxy::{clock::SystemClock, config::Config, keys, registry, run, telemetry};
use std::{path::PathBuf, process::ExitCode, sync::Arc};

/// Buffers of every library are wiped when freed.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<mimalloc::MiMalloc> = zeroizing_alloc::ZeroAlloc(mimalloc::MiMalloc);

/// Guandao 官道: routes payments to licensed channels and never touches the money.
#[derive(Parser)]
#[command(version)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves until SIGTERM or SIGINT.
    Run {
        /// Configuration file.
        config: PathBuf,
    },
    /// Prints every problem of a configuration, its keys and registries at once.
    Check {
        /// Configuration file.
        config: PathBuf,
    },
    /// Prints a receipt (C2SP tlog-proof) of one journal entry.
    Export {
        /// Configuration file.
        config: PathBuf,
        /// Number of the entry.
        index: u64,
    },
    /// Throws the index away and builds it again from the journal. The service must not be running.
    Rebuild {
        /// Configuration file.
        config: PathBuf,
    },
    /// Lists keys by name, kind and end; never their octets.
    Keys {
        /// Configuration file.
        config: PathBuf,
        /// Writes a new Ed25519 private key to this file instead.
        #[arg(long)]
        generate: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Command::Run { config } => serve(config),
        Command::Check { config } => check(config),
        Command::Export { config, index } => export(config, index),
        Command::Rebuild { config } => rebuild(config),
        Command::Keys { config, generate } => list_keys(config, generate),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn read(path: &PathBuf) -> anyhow::Result<(Config, String)> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let config = Config::parse(&text).map_err(|all| {
        let lines: Vec<_> = all.iter().map(|p| format!("{}: {p}", path.display())).collect();
        anyhow!("{}", lines.join("\n"))
    })?;
    Ok((config, text))
}

fn serve(path: PathBuf) -> anyhow::Result<()> {
    let (config, text) = read(&path)?;
    let missing = vault::hygiene::harden();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let _telemetry = telemetry::start(&config.telemetry, &config.name)?;
        missing.iter().for_each(|what| tracing::warn!(what, "hygiene"));
        let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        let running = run::start(config, run::settings_digest(&text)).await?;
        println!("{}", serde_json::json!({
            "api": running.addresses.api, "wechat": running.addresses.wechat, "alipay": running.addresses.alipay,
            "notify": running.addresses.notify, "journal": running.addresses.journal, "metrics": running.addresses.metrics,
        }));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        running.stop().await;
        Ok(())
    })
}

fn check(path: PathBuf) -> anyhow::Result<()> {
    let (config, _) = read(&path)?;
    let mut problems: Vec<String> = Vec::new();
    let listens = &config.listen;
    let all = [("api", Some(&listens.api)), ("notify", Some(&listens.notify)), ("wechat", listens.wechat.as_ref()), ("alipay", listens.alipay.as_ref()), ("journal", listens.journal.as_ref())];
    for (name, listen) in all.into_iter().filter_map(|(n, l)| Some((n, l?))) {
        if let Err(error) = certs::tls::Listener::open(listen.tls.clone()) {
            problems.push(format!("listen.{name}: {error}"));
        }
    }
    match keys::load(&config.keys) {
        Ok(keys) => {
            if !keys.has(&KeyRef::new("journal")?) {
                problems.push(format!("{}: journal.pem is missing; it signs the trades journal (guandao keys --generate)", config.keys.display()));
            }
            if !keys.list().iter().any(|k| k.key.as_str().starts_with("answer/")) {
                problems.push(format!("{}: answer/ has no key; it signs answers to merchants", config.keys.display()));
            }
        }
        Err(all) => problems.extend(all.iter().map(ToString::to_string)),
    }
    if let Err(all) = registry::load(&config.registries, None) {
        problems.extend(all);
    }
    if problems.is_empty() {
        println!("{}: in order", path.display());
        return Ok(());
    }
    Err(anyhow!("{}", problems.join("\n")))
}

fn export(path: PathBuf, index: u64) -> anyhow::Result<()> {
    let (config, _) = read(&path)?;
    let reader = Reader::open(Arc::new(RealDisk), &config.data.join("trades"))?;
    print!("{}", reader.receipt(index)?);
    Ok(())
}

fn rebuild(path: PathBuf) -> anyhow::Result<()> {
    let (config, _) = read(&path)?;
    let keys = keys::load(&config.keys).map_err(|all| anyhow!("{}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let signer = keys.signer(&KeyRef::new("journal")?)?;
    let origin = format!("{}/trades/0", config.name);
    let (journal, found) = Journal::open(Arc::new(RealDisk), &config.data.join("trades"), &origin, signer, journal::Settings::default())?;
    for name in ["index", "snapshot.json"] {
        let old = config.data.join(name);
        if old.exists() {
            let aside = (1..).map(|n| config.data.join(format!("{name}.old-{n}"))).find(|p| !p.exists());
            std::fs::rename(&old, aside.unwrap_or_else(|| config.data.join("old")))?;
        }
    }
    let opening = ledger::Ledger::open(journal, &config.data, Arc::new(SystemClock))?;
    while !opening.ledger.is_indexed() || opening.ledger.index().applied() < found.entries {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    opening.ledger.take_snapshot(&config.data)?;
    opening.ledger.stop();
    opening.ledger.index().db().flush()?;
    opening.ledger.journal().close();
    println!("{} entries, {} live orders", found.entries, opening.ledger.live().len());
    Ok(())
}

fn list_keys(path: PathBuf, generate: Option<PathBuf>) -> anyhow::Result<()> {
    if let Some(file) = generate {
        use std::os::unix::fs::OpenOptionsExt;
        let pem = certs::generate_ed25519()?;
        let mut out = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&file).with_context(|| file.display().to_string())?;
        std::io::Write::write_all(&mut out, pem.as_bytes())?;
        println!("{}", file.display());
        return Ok(());
    }
    let (config, _) = read(&path)?;
    let keys = keys::load(&config.keys).map_err(|all| anyhow!("{}", all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    for key in keys.list() {
        println!("{}\t{}\t{}", key.key, key.kind, key.not_after.map_or_else(|| "-".to_owned(), |at| at.to_string()));
    }
    Ok(())
}
