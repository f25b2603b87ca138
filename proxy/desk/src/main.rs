//! `guandao-desk`: run | check | export | hash-password.

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use desk::{
    Config,
    local::{Question, Reply},
};
use domain::AcquirerNo;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Passwords and tokens are wiped when their memory is freed.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

/// The compliance officers' desk.
#[derive(Debug, Parser)]
#[command(name = "guandao-desk", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the desk until it is told to stop (SIGINT, SIGTERM).
    Run {
        /// Configuration.
        file: PathBuf,
    },
    /// Say everything that is wrong with a configuration and the files that it names.
    Check {
        /// Configuration.
        file: PathBuf,
        /// Look at the configuration only, not at the files that it names.
        #[arg(long)]
        alone: bool,
    },
    /// Make packages for acquirers, or take an acquirer's acknowledgement.
    Export {
        /// Configuration.
        #[arg(long)]
        config: PathBuf,
        /// For one acquirer only.
        #[arg(long)]
        acquirer: Option<AcquirerNo>,
        /// An acknowledgement; its signature lies beside it as FILE.sig.
        #[arg(long, value_name = "FILE", conflicts_with = "acquirer")]
        ack: Option<PathBuf>,
        /// List confirmed flags that the acquirer has not acknowledged, with their age, and make nothing.
        #[arg(long, conflicts_with = "ack")]
        unacknowledged: bool,
    },
    /// Read a password from standard input and print what belongs in the file of users.
    HashPassword,
}

fn main() -> ExitCode {
    match act(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("guandao-desk: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn act(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run { file } => run(&file),
        Command::Check { file, alone } => check(&file, alone),
        Command::Export {
            config,
            acquirer,
            ack,
            unacknowledged,
        } => export(&config, asked(acquirer, ack, unacknowledged)?),
        Command::HashPassword => hash_password(),
    }
}

fn read(path: &Path) -> anyhow::Result<Result<Config, Vec<desk::Problem>>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Config::parse(&text))
}

fn accepted(path: &Path) -> anyhow::Result<Config> {
    read(path)?.map_err(|problems| {
        let lines: Vec<_> = problems
            .iter()
            .map(|p| format!("{}: {p}", path.display()))
            .collect();
        anyhow::anyhow!(lines.join("\n"))
    })
}

fn run(path: &Path) -> anyhow::Result<ExitCode> {
    let config = accepted(path)?;
    log(&config);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        tokio::spawn(async move {
            signalled().await;
            let _ = stop.send(true);
        });
        desk::run(config, stopped).await
    })?;
    Ok(ExitCode::SUCCESS)
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut term) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = term.recv() => {}
    }
}

fn log(config: &Config) {
    let level: LevelFilter = config.level.parse().unwrap_or(LevelFilter::INFO);
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let layer = if config.json {
        layer.json().boxed()
    } else {
        layer.with_ansi(false).boxed()
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(level))
        .init();
}

fn check(path: &Path, alone: bool) -> anyhow::Result<ExitCode> {
    let mut out = io::stdout().lock();
    let problems = match read(path)? {
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
        Ok(config) if !alone => desk::check(&config),
        Ok(_) => Vec::new(),
    };
    for problem in &problems {
        writeln!(out, "{}: {problem}", path.display())?;
    }
    if problems.is_empty() {
        writeln!(out, "{}: no problem", path.display())?;
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::FAILURE)
}

fn asked(
    acquirer: Option<AcquirerNo>,
    ack: Option<PathBuf>,
    unacknowledged: bool,
) -> anyhow::Result<Question> {
    Ok(match ack {
        None if unacknowledged => Question::Unacknowledged { acquirer },
        None => Question::Export { acquirer },
        Some(file) => {
            let text =
                |path: &Path| std::fs::read_to_string(path).with_context(|| path.display().to_string());
            let signature = text(&settings::registries::signature_file(&file))?;
            Question::Acknowledge {
                file: text(&file)?,
                signature,
            }
        }
    })
}

fn export(path: &Path, question: Question) -> anyhow::Result<ExitCode> {
    let config = accepted(path)?;
    let reply = tokio::runtime::Runtime::new()?.block_on(desk::command(&config, question))?;
    let mut out = io::stdout().lock();
    match reply {
        Reply::Made(all) => {
            for made in all {
                writeln!(
                    out,
                    "package {} for {}: {}",
                    made.package,
                    made.acquirer,
                    made.path.display()
                )?;
            }
        }
        Reply::Acknowledged { acquirer, package } => {
            writeln!(out, "package {package} for {acquirer} is acknowledged")?
        }
        Reply::Unacknowledged(all) if all.is_empty() => {
            writeln!(out, "every confirmed flag is acknowledged")?
        }
        Reply::Unacknowledged(all) => {
            for one in all {
                writeln!(out, "{one}")?;
            }
        }
        Reply::Nothing => writeln!(out, "nothing new since the last packages")?,
        Reply::Refused(why) => bail!(why),
    }
    Ok(ExitCode::SUCCESS)
}

fn hash_password() -> anyhow::Result<ExitCode> {
    let mut password = zeroize::Zeroizing::new(String::new());
    io::stdin().read_line(&mut password)?;
    let password = password.trim_end_matches(['\r', '\n']);
    if password.chars().count() < 12 {
        bail!("a password has at least 12 characters");
    }
    writeln!(io::stdout(), "{}", desk::users::hash(password)?)?;
    Ok(ExitCode::SUCCESS)
}
