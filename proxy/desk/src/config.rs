//! One TOML file, checked whole before anything starts: `guandao-desk check FILE` prints every problem at once.

pub use settings::{read::Problem, registries::RegistryFiles};

use certs::tls::ListenerFiles;
use domain::Digest;
use policy::anomaly::Parameters;
use settings::read::{self, Section};
use sha2::{Digest as _, Sha256};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The accepted configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this service, the same as the proxy's; the cases journal is `<name>/cases/0`.
    pub name: String,
    /// Journal and snapshots.
    pub data: PathBuf,
    /// The officers' pages.
    pub pages: Listen,
    /// The cases journal, for the proxy; client certificates required.
    pub journal: Listen,
    /// The proxy's trades journal.
    pub trades: Trades,
    /// Folder of key files: `journal.pem` and `export.pem`.
    pub keys: PathBuf,
    /// Signed registries.
    pub registries: RegistryFiles,
    /// File of the people who may sign in.
    pub users: PathBuf,
    /// Time between looks at the trades journal.
    pub poll: Duration,
    /// Where packages are laid down.
    pub exports: PathBuf,
    /// Most verbose level of the log: `error warn info debug`.
    pub level: String,
    /// Log as JSON lines.
    pub json: bool,
    /// Thresholds of the watch.
    pub parameters: Parameters,
    /// SHA-256 of the file this came from.
    pub settings: Digest,
}

/// One TLS listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address.
    pub address: SocketAddr,
    /// Certificate, key, CA of clients.
    pub tls: ListenerFiles,
}

/// Where the trades journal is read.
#[derive(Debug, Clone)]
pub struct Trades {
    /// `https://host:port` of the proxy's journal listener.
    pub url: String,
    /// CA of that listener.
    pub ca: PathBuf,
    /// Our client certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// File with the verifier key of the trades journal.
    pub vkey_file: PathBuf,
}

impl Config {
    /// Reads and checks the whole file.
    pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
        read::read(text, |root| {
            let (pages, journal) = root.section("listen", |s| {
                (
                    s.section("pages", |l| listen(l, false)),
                    s.section("journal", |l| listen(l, true)),
                )
            });
            Config {
                name: root.journal_name(),
                data: root.path("data"),
                pages,
                journal,
                trades: root.section("trades", trades),
                keys: root.path("keys"),
                registries: root.section("registries", RegistryFiles::read),
                users: root.path("users"),
                poll: root.millis("poll_ms", 1000, 10, 1000),
                exports: root.path("exports"),
                level: level(root),
                json: root.flag("json", false),
                parameters: root.section("parameters", parameters),
                settings: Digest::from_bytes(Sha256::digest(text).into()),
            }
        })
    }

    /// Origin of the cases journal.
    pub fn origin(&self) -> String {
        format!("{}/cases/0", self.name)
    }

    /// Name under which packages are signed.
    pub fn export_name(&self) -> String {
        format!("{}/export", self.name)
    }
}

fn listen(section: &Section<'_>, clients: bool) -> Listen {
    let client_ca = clients.then(|| section.path("client_ca"));
    Listen {
        address: section.address("address"),
        tls: ListenerFiles {
            cert: section.path("cert"),
            key: section.path("key"),
            client_ca,
            client_required: clients,
        },
    }
}

fn trades(section: &Section<'_>) -> Trades {
    let url = section.text("url");
    let lawful = crate::fetch::host_and_port(&url).is_some();
    if section.has("url") && !lawful {
        section.problem(
            "url",
            None,
            "this is no https address",
            "write https://host:port without a path",
        );
    }
    Trades {
        url,
        ca: section.path("ca"),
        cert: section.path("cert"),
        key: section.path("key"),
        vkey_file: section.path("vkey_file"),
    }
}

fn level(root: &Section<'_>) -> String {
    let level = root.text_or_none("level").unwrap_or_else(|| "info".into());
    if !["error", "warn", "info", "debug"].contains(&level.as_str()) {
        root.problem(
            "level",
            None,
            "this is no level",
            "write error, warn, info or debug",
        );
    }
    level
}

/// The watch reads its own parameters, so that a rule added there is configurable here at once.
fn parameters(section: &Section<'_>) -> Parameters {
    let Some(table) = section.source() else {
        return Parameters::default();
    };
    table.try_into().unwrap_or_else(|error: toml::de::Error| {
        let wrong = error.message().to_owned();
        section.problem(
            "(table)",
            None,
            wrong,
            "names and kinds as in policy::anomaly::Parameters, amounts in fen",
        );
        Parameters::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../deploy/desk.example.toml");

    #[test]
    fn the_example_is_accepted() {
        let config = Config::parse(EXAMPLE).expect("deploy/desk.example.toml has no problem");
        assert_eq!(config.origin(), "pay.example/cases/0");
        assert_eq!(config.parameters.t01.trades, 3);
        assert!(config.journal.tls.client_required && config.pages.tls.client_ca.is_none());
    }

    #[test]
    fn every_problem_at_once_with_path_line_and_what_would_be_right() {
        let text = "name = \"a b\"\ndata = 5\nmistyped = 1\npoll_ms = 5000\n[listen.pages]\naddress = \"nowhere\"\n\
                    [trades]\nurl = \"http://x\"\n[parameters.t01]\ntradse = 3\n[registries]\nlicence_key = \"x\"\n";
        let problems = Config::parse(text).expect_err("many problems");
        for (path, line) in [
            ("name", 0),
            ("data", 2),
            ("mistyped", 3),
            ("poll_ms", 4),
            ("listen.pages.address", 6),
            ("listen.journal.client_ca", 0),
            ("trades.url", 0),
            ("parameters.(table)", 0),
            ("registries.licence_key", 0),
            ("registries.dir", 0),
            ("users", 0),
        ] {
            let there = problems
                .iter()
                .any(|p| p.path == path && (line == 0 || p.line == line));
            assert!(there, "{path} at {line} in {problems:#?}");
        }
        assert!(problems.iter().all(|p| !p.right.is_empty()));
    }
}
