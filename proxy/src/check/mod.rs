//! `guandao check`: every problem of a configuration, and of the files that it names, at once. What cannot be looked at,
//! because something before it is wrong, is not looked at; all else is.

mod certificates;
mod files;
mod held;
mod schemes;

use crate::clock::SystemClock;
use crate::config::{Config, Listen, Problem, line_of};
use crate::{descriptors, keys, reconcile::is_compared, registry};
use channel::bill;
use domain::{Channel, Clock, KeyRef};
use policy::registry::Registries;
use std::path::Path;

/// Every problem, each with its key path, the line of its key, what is wrong and what would be right.
pub fn problems(text: &str) -> Vec<Problem> {
    let (config, found) = Config::read(text);
    let Some(config) = config else { return found };
    let mut check = Check { text, found };
    check.listeners(&config);
    check.descriptors(&config);
    check.data(&config.data);
    check.roots(&config);
    check.cases(&config);
    check.telemetry(&config);
    let keys = check.keys(&config);
    check.registries(&config, keys.as_ref());
    check.found
}

/// What is no problem of a configuration in order, and whoever runs it should know.
pub fn remark(text: &str) -> Option<String> {
    let (limits, listeners) = Config::read(text)
        .0
        .map(|config| (config.limits, config.listen.count()))?;
    let files = descriptors::most();
    let caps = descriptors::caps(&limits, listeners, files).ok()?;
    descriptors::remark(&limits, &caps, files)
}

struct Check<'a> {
    text: &'a str,
    found: Vec<Problem>,
}

impl Check<'_> {
    /// Puts a problem on the list, at the line of its key or of the nearest table around it.
    fn add(&mut self, path: &str, wrong: impl Into<String>, right: impl Into<String>) {
        let (wrong, right) = (wrong.into(), right.into());
        self.found.push(Problem {
            path: path.into(),
            line: line_of(self.text, path),
            wrong,
            right,
        });
    }

    /// Nothing is wrong yet with this key or what is below it, so that what it names can be looked at.
    fn sound(&self, path: &str) -> bool {
        let concerns = |other: &str| {
            other
                .strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        !self.found.iter().any(|problem| concerns(&problem.path))
    }

    fn listeners(&mut self, config: &Config) {
        for (name, listen) in config.listen.with_tls() {
            let path = format!("listen.{name}");
            if self.sound(&path)
                && let Err(error) = certs::tls::Listener::open(listen.tls.clone())
            {
                self.add(
                    &path,
                    error.to_string(),
                    "cert and key that belong together, and a client_ca, in readable PEM files",
                );
            }
            self.host(&path, listen, ["wechat", "alipay", "unionpay"].contains(&name));
        }
    }

    fn descriptors(&mut self, config: &Config) {
        if let Err(few) = descriptors::caps(&config.limits, config.listen.count(), descriptors::most()) {
            let right = format!(
                "at least {} (LimitNOFILE=, ulimit -Hn), or fewer listeners",
                few.needed
            );
            self.add("limits.connections", few.to_string(), right);
        }
    }

    /// Merchants' SDKs reach a pass-through listener by one name; requests for another are refused.
    fn host(&mut self, path: &str, listen: &Listen, needed: bool) {
        let (path, right) = (
            format!("{path}.host"),
            "a host name without a port, such as \"wechat.pay.example\"",
        );
        let lawful = |host: &str| {
            host.parse::<http::uri::Authority>()
                .is_ok_and(|a| a.port().is_none() && a.host() == host && !host.is_empty())
        };
        match &listen.host {
            None if needed && self.sound(&path) => self.add(
                &path,
                "the key is missing: requests for any host would be taken",
                right,
            ),
            Some(host) if !lawful(host) => self.add(&path, "this is no host name", right),
            _ => {}
        }
    }

    fn keys(&mut self, config: &Config) -> Option<certs::Keys> {
        if !self.sound("keys") {
            return None;
        }
        let loaded = match keys::load(&config.keys) {
            Ok(loaded) => loaded,
            Err(all) => {
                all.iter().for_each(|wrong| {
                    self.add(
                        "keys",
                        wrong.to_string(),
                        "key files as the manual's chapter Operations lists them, mode 600",
                    )
                });
                return None;
            }
        };
        let folder = config.keys.display();
        let signs = KeyRef::new("journal").is_ok_and(|name| loaded.signer(&name).is_ok());
        if !signs {
            self.add(
                "keys",
                format!("{folder}: journal.pem is missing or not Ed25519; it signs the trades journal"),
                "make it with guandao keys FILE --generate",
            );
        }
        if !loaded
            .list()
            .iter()
            .any(|k| k.key.as_str().starts_with("answer/"))
        {
            self.add(
                "keys",
                format!("{folder}: answer/ has no key; it signs answers to merchants"),
                "make answer/<serial>.pem with guandao keys FILE --generate",
            );
        }
        Some(loaded)
    }

    fn registries(&mut self, config: &Config, keys: Option<&certs::Keys>) {
        if !self.sound("registries") {
            return;
        }
        match registry::load(&config.registries, &[]) {
            Err(all) => all.into_iter().for_each(|wrong| {
                self.add(
                    "registries.dir",
                    wrong,
                    "registries that are whole, signed and agree with each other",
                )
            }),
            Ok(loaded) => {
                let missing = keys
                    .map(|keys| held::missing(&loaded.registries, keys))
                    .unwrap_or_default();
                for held::Missing { account, file, what } in missing {
                    let right = format!(
                        "put {} there, or have the acquirer write keys = merchant",
                        Path::new(&file).display()
                    );
                    self.add(
                        "keys",
                        format!(
                            "{}: {account} has keys = held, and {what} is missing",
                            config.keys.display()
                        ),
                        right,
                    );
                }
                let wrong = keys
                    .map(|keys| schemes::wrong(&loaded.registries, keys, &loaded.keys))
                    .unwrap_or_default();
                for schemes::Wrong {
                    what,
                    right,
                    registered,
                } in wrong
                {
                    let (path, at) = match registered {
                        true => ("registries.dir", "operator.json".to_owned()),
                        false => ("keys", config.keys.display().to_string()),
                    };
                    self.add(path, format!("{at}: {what}"), right);
                }
                let wrong = keys
                    .map(|keys| certificates::wrong(&loaded.registries, keys, SystemClock.now()))
                    .unwrap_or_default();
                for (what, right) in wrong {
                    self.add("registries.dir", format!("operator.json: {what}"), right);
                }
                if config.books.is_some() {
                    self.books(&loaded.registries);
                }
            }
        }
    }

    /// A channel whose bills lie at a host of its own needs that host in the licence file. What keys bills need, orders need too.
    fn books(&mut self, registries: &Registries) {
        let lacks = |channel: &Channel| {
            let listed = registries.channel(*channel).is_some_and(|licence| {
                licence
                    .hosts
                    .iter()
                    .any(|own| bill::is_file_host(*channel, &own.host))
            });
            bill::comes_at_once(*channel) && !listed
        };
        for channel in Channel::ALL
            .into_iter()
            .filter(|c| channel::answers_elsewhere(*c))
        {
            let used = registries
                .merchants()
                .flat_map(|merchant| &merchant.accounts)
                .any(|own| own.channel == channel);
            let listed = registries.channel(channel).is_some_and(|licence| {
                licence
                    .hosts
                    .iter()
                    .any(|own| channel::is_server_host(channel, &own.host))
            });
            if used && !listed {
                self.add(
                    "registries",
                    format!("the licence file lists no host where {channel} answers servers: its orders cannot be asked for"),
                    "a licence file that lists that host too (merchserv.netpay.cmbchina.com)",
                );
            }
        }
        let compared = |channel: &Channel| {
            let mut accounts = registries.merchants().flat_map(|merchant| &merchant.accounts);
            accounts.any(|own| own.channel == *channel && is_compared(own))
        };
        for channel in Channel::ALL
            .into_iter()
            .filter(|channel| compared(channel) && lacks(channel))
        {
            self.add(
                "books",
                format!(
                    "the licence file lists no host for files of {channel}: its bills cannot be asked for"
                ),
                "a licence file that lists the channel's host for files too (filedownload.95516.com)",
            );
        }
    }
}
