//! `guandao-verify`: receipts, journals, purges and export packages, checked offline by anybody.
//!
//! Exit status: 0 if all is true, 1 if something is false, 2 if nothing can be said.

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use domain::MerchantId;
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use verify::{ExportKeys, ExportOptions, JournalOptions, Report, VerifierKey};

/// Checks what Guandao put on record, without asking Guandao.
///
/// A key is given as a file with one note verifier key in it, or as the key text itself.
/// Exit status: 0 all is true, 1 something is false, 2 nothing can be said (no such file, bad usage).
#[derive(Debug, Parser)]
#[command(name = "guandao-verify", version)]
struct Arguments {
    /// Tell machines rather than people.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// A receipt: is this entry in the journal?
    Receipt {
        /// The receipt (C2SP tlog-proof).
        file: PathBuf,
        /// The journal's key.
        #[arg(long)]
        key: String,
        /// The entry must be this merchant's.
        #[arg(long)]
        merchant: Option<MerchantId>,
    },
    /// A journal directory: is it whole, and was nothing changed or left out?
    Journal {
        /// The directory (C2SP tlog-tiles).
        dir: PathBuf,
        /// The journal's key; without it the directory's own key.vkey is taken.
        #[arg(long)]
        key: Option<String>,
        /// An older checkpoint that was kept elsewhere.
        #[arg(long, value_name = "OLDNOTE")]
        from_checkpoint: Option<PathBuf>,
    },
    /// A trades journal: did every key to buyer data die in time?
    Purge {
        /// The directory (C2SP tlog-tiles).
        dir: PathBuf,
        /// The journal's key; without it the directory's own key.vkey is taken.
        #[arg(long)]
        key: Option<String>,
    },
    /// An export package: is it genuine, and was no flag left out?
    Export {
        /// The package's directory.
        dir: PathBuf,
        /// The desk's export key.
        #[arg(long)]
        key: String,
        /// The cases journal's key.
        #[arg(long)]
        cases_key: String,
        /// The trades journal's key.
        #[arg(long)]
        trades_key: Option<String>,
        /// The package before this one.
        #[arg(long, value_name = "DIR")]
        previous: Option<PathBuf>,
        /// The cases journal's directory: every status is compared with it.
        #[arg(long, value_name = "DIR")]
        cases: Option<PathBuf>,
        /// Judge a later package without the one before it.
        #[arg(long, conflicts_with = "previous")]
        alone: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments.command).and_then(|report| Ok((tell(&report, arguments.json)?, report))) {
        Ok(((), report)) if report.holds() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            complain(&error, arguments.json);
            ExitCode::from(2)
        }
    }
}

fn run(command: &Command) -> anyhow::Result<Report> {
    Ok(match command {
        Command::Receipt {
            file,
            key: trusted,
            merchant,
        } => verify::check_receipt(file, &key(trusted)?, merchant.as_ref())?,
        Command::Journal {
            dir,
            key,
            from_checkpoint,
        } => verify::check_journal(dir, &options(key.as_deref(), from_checkpoint.as_deref())?)?,
        Command::Purge { dir, key } => verify::check_purge(dir, &options(key.as_deref(), None)?)?,
        Command::Export {
            dir,
            key: export,
            cases_key,
            trades_key,
            previous,
            cases,
            alone,
        } => {
            let trades = trades_key.as_deref().map(key).transpose()?;
            let keys = ExportKeys {
                export: key(export)?,
                cases: key(cases_key)?,
                trades,
            };
            let options = ExportOptions {
                previous: previous.clone(),
                cases: cases.clone(),
                alone: *alone,
            };
            verify::check_export(dir, &keys, &options)?
        }
    })
}

/// A key text, or else a file with one in it.
fn key(given: &str) -> anyhow::Result<VerifierKey> {
    match given.parse() {
        Ok(key) => Ok(key),
        Err(error) if given.contains('+') && !Path::new(given).exists() => bail!("{error}"),
        Err(_) => Ok(verify::read_key(Path::new(given))?),
    }
}

fn options(trusted: Option<&str>, older: Option<&Path>) -> anyhow::Result<JournalOptions> {
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()));
    let (key, older) = (trusted.map(key).transpose()?, older.map(read).transpose()?);
    Ok(JournalOptions {
        key,
        older: older.into_iter().collect(),
        kind: None,
    })
}

fn tell(report: &Report, json: bool) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if json {
        let mut value = serde_json::to_value(report)?;
        value["ok"] = report.holds().into();
        return writeln!(out, "{value}");
    }
    for line in &report.lines {
        writeln!(out, "{line}")?;
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    for finding in &report.findings {
        writeln!(out, "FALSE: {finding}")?;
    }
    match report.findings.len() as u64 + report.more_findings {
        0 => writeln!(out, "all is true"),
        count => writeln!(out, "{count} found false"),
    }
}

fn complain(error: &anyhow::Error, json: bool) {
    if json {
        let value = serde_json::json!({ "ok": false, "error": format!("{error:#}") });
        // Whoever closed our output does not read this either; the status says it.
        let _ = writeln!(io::stdout(), "{value}");
    } else {
        let _ = writeln!(io::stderr(), "guandao-verify: {error:#}");
    }
}
