//! What the command line does besides running.

use crate::{
    config::{Config, Trades},
    keys, local,
    run::{open, verifier},
    users::Users,
};
use anyhow::bail;
use certs::tls;
use settings::registries;
use std::path::Path;

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
        registries::load(&config.registries, &[])
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
    take(identity(&config.trades));
    problems
}

/// What is wrong with the CA and the client certificate with which the trades journal is read.
fn identity(trades: &Trades) -> Vec<String> {
    let mut problems = Vec::new();
    let mut read = |key: &str, path: &Path| {
        std::fs::read(path)
            .map_err(|e| problems.push(format!("trades.{key}: {}: {e}", path.display())))
            .ok()
    };
    let (ca, cert, key) = (
        read("ca", &trades.ca),
        read("cert", &trades.cert),
        read("key", &trades.key),
    );
    let Some(ca) = ca else { return problems };
    if let Err(error) = tls::client(&ca, None) {
        problems.push(format!(
            "trades.ca: {}: {error}; write CA certificates in PEM",
            trades.ca.display()
        ));
    } else if let (Some(cert), Some(key)) = (cert, key)
        && let Err(error) = tls::client(&ca, Some((&cert, &key)))
    {
        problems.push(format!(
            "trades.cert: {}: {error}; write a certificate and the key that belongs to it in PEM",
            trades.cert.display()
        ));
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
