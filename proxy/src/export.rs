//! `guandao export`: the front door to what leaves the house. A receipt is printed here; packages of confirmed flags are
//! the desk's, so for them `guandao-desk` is run in this process's place: its words and its exit status are the answer.

use crate::config::Config;
use anyhow::{Context, anyhow};
use journal::{Reader, disk::RealDisk};
use std::{ffi::OsString, os::unix::process::CommandExt, path::PathBuf, process::Command, sync::Arc};

const DESK: &str = "guandao-desk";

/// A receipt (C2SP tlog-proof) of one entry of the trades journal.
///
/// # Errors
/// Where the journal cannot be read, or the signed tree does not hold the entry yet.
pub fn receipt(config: &Config, index: u64) -> anyhow::Result<String> {
    let reader = Reader::open(Arc::new(RealDisk), &config.data.join("trades"))?;
    Ok(reader.receipt(index)?)
}

/// Becomes `guandao-desk export` with these arguments. Comes back with an error only, where that cannot be run.
pub fn become_desk(
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<std::convert::Infallible> {
    let program = beside().unwrap_or_else(|| PathBuf::from(DESK));
    let error = Command::new(&program).arg("export").args(arguments).exec();
    match error.kind() {
        std::io::ErrorKind::NotFound => Err(anyhow!(
            "{DESK} is neither beside this program nor in PATH; packages and acknowledgements are its work: install it, or run this where the desk runs"
        )),
        _ => Err(error).with_context(|| program.display().to_string()),
    }
}

/// The desk that was installed together with this program.
fn beside() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    Some(own.parent()?.join(DESK)).filter(|path| path.exists())
}
