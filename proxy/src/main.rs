//! `guandao`: run | check | export | rebuild | statistics | keys.
#![allow(clippy::print_stdout)] // a command line answers on standard output

use anyhow::{Context, anyhow};
use clap::{Parser, Subcommand};
use domain::KeyRef;
use journal::{Journal, disk::RealDisk};
use proxy::{
    check,
    clock::SystemClock,
    commissions,
    config::Config,
    export, keys, run,
    statistics::{self, ask::Ask},
    telemetry,
};
use std::{ffi::OsString, path::PathBuf, process::ExitCode, sync::Arc};

/// Buffers of every library are wiped when freed.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<mimalloc::MiMalloc> =
    zeroizing_alloc::ZeroAlloc(mimalloc::MiMalloc);

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
    /// Makes packages of confirmed flags for acquirers, takes acknowledgements, prints receipts.
    Export(Export),
    /// Throws the index away and builds it again from the journal. The service must not be running.
    Rebuild {
        /// Configuration file.
        config: PathBuf,
    },
    /// Prints what agents have earned by orders paid on these days (UTC+8), as CSV: a report, nothing is paid.
    Commissions {
        /// Configuration file.
        config: PathBuf,
        /// First day, such as 2026-11-01.
        #[arg(long)]
        from: String,
        /// Last day.
        #[arg(long)]
        until: String,
    },
    /// Counts orders of all merchants from the journal, by hour, day, agent, merchant, channel and way to pay.
    Statistics(Statistics),
    /// Lists keys by name, kind and end; never their octets.
    Keys {
        /// Configuration file.
        config: PathBuf,
        /// Writes a new Ed25519 private key to this file instead.
        #[arg(long)]
        generate: Option<PathBuf>,
    },
}

/// With the proxy's configuration a receipt; else what the desk hands over, done by `guandao-desk`.
#[derive(clap::Args)]
struct Export {
    /// Configuration file of the proxy: prints the receipt (C2SP tlog-proof) of one journal entry.
    #[arg(value_name = "CONFIG", conflicts_with_all = ["desk", "acquirer", "ack", "unacknowledged"])]
    proxy: Option<PathBuf>,
    /// Number of that entry; the same as --receipt.
    #[arg(conflicts_with = "receipt")]
    index: Option<u64>,
    /// Number of that entry.
    #[arg(long, value_name = "INDEX", requires = "proxy")]
    receipt: Option<u64>,
    /// Configuration file of the desk: makes packages of what was confirmed since the last ones.
    #[arg(
        long = "config",
        value_name = "DESK.toml",
        default_value = "/etc/guandao-desk/desk.toml"
    )]
    desk: PathBuf,
    /// For this acquirer only.
    #[arg(long)]
    acquirer: Option<String>,
    /// Puts an acquirer's acknowledgement on record; its signature lies beside it as FILE.sig.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["acquirer", "unacknowledged"])]
    ack: Option<PathBuf>,
    /// Lists confirmed flags that the acquirer has not acknowledged, with their age.
    #[arg(long)]
    unacknowledged: bool,
}

/// What is counted; left out, today, in one row.
#[derive(clap::Args)]
struct Statistics {
    /// Configuration file. The service may be running; its latest second may be missing.
    config: PathBuf,
    /// From this day (2026-11-23) or hour (2026-11-23T14), UTC+8.
    #[arg(long)]
    from: Option<String>,
    /// Until before this day or hour; 31 days at most.
    #[arg(long)]
    to: Option<String>,
    /// Some of hour, day, agent, merchant, channel, pay_way, with commas between.
    #[arg(long)]
    by: Option<String>,
    /// One merchant only.
    #[arg(long)]
    merchant: Option<domain::MerchantId>,
    /// CSV instead of JSON.
    #[arg(long)]
    csv: bool,
}

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Command::Run { config } => serve(config),
        Command::Check { config } => check_all(config),
        Command::Export(asked) => hand_over(asked),
        Command::Rebuild { config } => rebuild(config),
        Command::Commissions { config, from, until } => read(&config)
            .and_then(|(config, _)| commissions::report(&config, &from, &until))
            .map(|text| print!("{text}")),
        Command::Statistics(asked) => count(asked),
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
        let mut running = run::start(config, run::settings_digest(&text)).await?;
        println!("{}", serde_json::json!({
            "api": running.addresses.api, "wechat": running.addresses.wechat, "alipay": running.addresses.alipay, "unionpay": running.addresses.unionpay,
            "notify": running.addresses.notify, "journal": running.addresses.journal, "metrics": running.addresses.metrics,
        }));
        let ended = tokio::select! {
            _ = terminate.recv() => None,
            _ = tokio::signal::ctrl_c() => None,
            task = running.ended() => Some(task),
        };
        running.stop().await;
        match ended {
            Some(task) => Err(anyhow!("{task} ended though nobody told it to; stopped, to be started anew")),
            None => Ok(()),
        }
    })
}

fn check_all(path: PathBuf) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let problems = check::problems(&text);
    if problems.is_empty() {
        println!("{}: in order", path.display());
        if let Some(remark) = check::remark(&text) {
            eprintln!("{}: {remark}", path.display());
        }
        return Ok(());
    }
    let lines: Vec<_> = problems
        .iter()
        .map(|p| format!("{}: {p}", path.display()))
        .collect();
    Err(anyhow!("{}", lines.join("\n")))
}

fn hand_over(asked: Export) -> anyhow::Result<()> {
    if let Some(config) = asked.proxy {
        let index = asked
            .receipt
            .or(asked.index)
            .context("which entry? --receipt INDEX (packages of flags: --config DESK.toml)")?;
        print!("{}", export::receipt(&read(&config)?.0, index)?);
        return Ok(());
    }
    let mut arguments = vec![OsString::from("--config"), asked.desk.into()];
    arguments.extend(
        asked
            .acquirer
            .into_iter()
            .flat_map(|acquirer| ["--acquirer".into(), acquirer.into()]),
    );
    arguments.extend(
        asked
            .ack
            .into_iter()
            .flat_map(|file| ["--ack".into(), file.into()]),
    );
    arguments.extend(asked.unacknowledged.then(|| "--unacknowledged".into()));
    match export::become_desk(arguments)? {}
}

fn rebuild(path: PathBuf) -> anyhow::Result<()> {
    let (config, _) = read(&path)?;
    let keys = keys::load(&config.keys).map_err(|all| {
        anyhow!(
            "{}",
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        )
    })?;
    let signer = keys.signer(&KeyRef::new("journal")?)?;
    let origin = format!("{}/trades/0", config.name);
    let (journal, found) = Journal::open(
        Arc::new(RealDisk),
        &config.data.join("trades"),
        &origin,
        signer,
        journal::Settings::default(),
    )?;
    for name in ["index", "snapshot"] {
        let old = config.data.join(name);
        if old.exists() {
            let aside = (1..)
                .map(|n| config.data.join(format!("{name}.old-{n}")))
                .find(|p| !p.exists());
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
    println!(
        "{} entries, {} live orders",
        found.entries,
        opening.ledger.live().len()
    );
    Ok(())
}

fn count(asked: Statistics) -> anyhow::Result<()> {
    let (config, _) = read(&asked.config)?;
    let today = domain::Clock::now(&SystemClock).day();
    let ask = Ask::parse(
        asked.from.as_deref(),
        asked.to.as_deref(),
        asked.by.as_deref(),
        today,
        true,
    )
    .map_err(|wrong| anyhow!("{wrong}"))?;
    let reader = journal::Reader::open(Arc::new(RealDisk), &config.data.join("trades"))?;
    let counted = statistics::read::count(&reader, ask, asked.merchant.as_ref(), None)?;
    match asked.csv {
        true => print!("{}", statistics::render::csv(&counted)),
        false => println!("{}", statistics::render::json(&counted)),
    }
    Ok(())
}

fn list_keys(path: PathBuf, generate: Option<PathBuf>) -> anyhow::Result<()> {
    if let Some(file) = generate {
        use std::os::unix::fs::OpenOptionsExt;
        let pem = certs::generate_ed25519()?;
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&file)
            .with_context(|| file.display().to_string())?;
        std::io::Write::write_all(&mut out, pem.as_bytes())?;
        println!("{}", file.display());
        return Ok(());
    }
    let (config, _) = read(&path)?;
    let keys = keys::load(&config.keys).map_err(|all| {
        anyhow!(
            "{}",
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        )
    })?;
    for key in keys.list() {
        println!(
            "{}\t{}\t{}",
            key.key,
            key.kind,
            key.not_after.map_or_else(|| "-".to_owned(), |at| at.to_string())
        );
    }
    Ok(())
}
