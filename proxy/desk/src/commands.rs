//! What the command line does besides running.

use crate::{
    config::Config,
    keys, local, registries,
    run::{open, verifier},
    users::Users,
};
use anyhow::bail;
use certs::tls;

/// Every problem of every file; for `guandao-desk check`.
pub fn check(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    let mut take = |found: Vec<String>| problems.extend(found);
    take(
        keys::signers(&config.keys)
            .err()
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect(),
    );
    take(
        registries::load(&config.registries, None)
            .err()
            .unwrap_or_default(),
    );
    take(Users::load(&config.users).err().unwrap_or_default());
    take(
        verifier(&config.trades.vkey_file)
            .err()
            .map(|e| format!("{e:#}"))
            .into_iter()
            .collect(),
    );
    for listen in [&config.pages, &config.journal] {
        take(
            tls::Listener::open(listen.tls.clone())
                .err()
                .map(|e| e.to_string())
                .into_iter()
                .collect(),
        );
    }
    for path in [&config.trades.ca, &config.trades.cert, &config.trades.key] {
        take(
            std::fs::read(path)
                .err()
                .map(|e| format!("{}: {e}", path.display()))
                .into_iter()
                .collect(),
        );
    }
    problems
}

/// Asks a running desk, or works by itself when none runs.
pub async fn command(config: &Config, question: local::Question) -> anyhow::Result<local::Reply> {
    if let Some(reply) = local::ask(&config.data, &question).await? {
        return Ok(reply);
    }
    let parts = open(config)?;
    let reply = local::answer(&parts.exporter, question).await;
    parts.cases.close();
    if let local::Reply::Refused(why) = reply {
        bail!(why);
    }
    Ok(reply)
}
