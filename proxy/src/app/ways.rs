//! Connections to where messages go: licensed hosts of the channels, and merchants' registered ones.

use super::App;
use crate::{
    config::Config,
    outbound::{Outbound, Target},
    remembered::Generation,
};
use anyhow::Context as _;
use domain::*;
use policy::registry::Host;
use std::{path::PathBuf, sync::Arc};

impl App {
    /// Connections to a channel: its first host in the licence registry.
    //= C50
    pub fn way_to(&self, channel: Channel) -> Option<Outbound> {
        self.way_by(channel, None, None)
    }

    /// Connections to where an account is reached: its own host, else the channel's first. They show a certificate where the
    /// request needs one; each identity has connections of its own, so that nobody's request goes out as somebody else.
    pub fn way_of(
        &self,
        channel: Channel,
        account: &AccountNo,
        identity: Option<&channel::Identity>,
    ) -> Option<Outbound> {
        let registries = self.registries();
        let host = registries
            .owner_on_record(channel, account)
            .and_then(|(_, facts)| facts.host.as_deref());
        self.way_by(channel, host, identity)
    }

    /// Connections to where a channel answers servers, which the licence registry lists beside where browsers go.
    //= C50
    pub(crate) fn way_to_servers(&self, channel: Channel) -> Option<Outbound> {
        let registries = self.registries();
        let hosts = &registries.channel(channel)?.hosts;
        let own = hosts
            .iter()
            .find(|own| channel::is_server_host(channel, &own.host))?;
        self.way_by(channel, Some(&own.host), None)
    }

    fn way_by(
        &self,
        channel: Channel,
        named: Option<&str>,
        identity: Option<&channel::Identity>,
    ) -> Option<Outbound> {
        let made_in = self.0.ways.generation();
        let registries = self.registries();
        let licence = registries.channel(channel)?;
        let host = match named {
            Some(named) => licence.hosts.iter().find(|host| host.host == named)?,
            None => licence.hosts.first()?,
        };
        // No host name has a `#`.
        let name = identity.map_or(host.host.clone(), |own| {
            format!("{}#{}", host.host, own.certificate)
        });
        self.way(made_in, (name, host.port), || {
            let tls = self.tls_to(licence.roots_pem.as_bytes(), identity)?;
            Some(licensed(host, crate::outbound::MOST_ANSWER, tls))
        })
    }

    /// TLS that trusts these roots and shows this certificate, if any.
    fn tls_to(
        &self,
        roots: &[u8],
        identity: Option<&channel::Identity>,
    ) -> Option<Arc<rustls::ClientConfig>> {
        let tls = match identity {
            None => certs::tls::client(roots, None),
            Some(own) => self.keys().client(roots, &own.certificate, &own.key),
        };
        tls.ok()
    }

    /// The connections of this name and port; made where there are none yet.
    fn way(
        &self,
        made_in: Generation,
        key: (String, u16),
        target: impl FnOnce() -> Option<Target>,
    ) -> Option<Outbound> {
        if let Some(way) = self.0.ways.get(&key) {
            return Some(way);
        }
        let way = Outbound::new(target()?, self.0.config.times.connect);
        Some(self.0.ways.put(made_in, key, way))
    }

    /// Connections to where a channel's wallet tells whose code of authorisation it is (channels.md 7).
    //= C50
    pub fn way_to_authorize(&self, channel: Channel) -> Option<Outbound> {
        let made_in = self.0.ways.generation();
        let registries = self.registries();
        let licence = registries.channel(channel)?;
        let host = licence.authorization.as_ref()?.token.as_ref()?;
        self.way(made_in, (host.host.clone(), host.port), || {
            let tls = certs::tls::client(licence.roots_pem.as_bytes(), None).ok()?;
            Some(licensed(host, crate::outbound::MOST_ANSWER, tls))
        })
    }

    /// Connections to the place where a channel's bills lie: any of its hosts in the licence registry, and no other.
    //= C50
    pub(crate) fn way_to_bill(&self, channel: Channel, host: &str, port: u16) -> Option<Outbound> {
        self.way_to_bill_by(channel, (host, port), None)
    }

    /// The same, with the merchant's certificate shown where the channel gives a bill to nobody else.
    //= C50
    pub(crate) fn way_to_bill_by(
        &self,
        channel: Channel,
        (host, port): (&str, u16),
        identity: Option<&channel::Identity>,
    ) -> Option<Outbound> {
        let made_in = self.0.ways.generation();
        let registries = self.registries();
        let licence = registries.channel(channel)?;
        let host = licence
            .hosts
            .iter()
            .find(|own| own.host.eq_ignore_ascii_case(host) && own.port == port)?;
        let shown = identity.map_or(String::new(), |own| format!("#{}", own.certificate));
        let name = format!("{}/bill{shown}", host.host);
        self.way(made_in, (name, host.port), || {
            let tls = self.tls_to(licence.roots_pem.as_bytes(), identity)?;
            Some(licensed(host, crate::reconcile::MOST_BILL, tls))
        })
    }

    /// Connections to a channel's host for files, which the licence registry lists beside that of its calls.
    //= C50
    pub(crate) fn way_to_files(&self, channel: Channel) -> Option<Outbound> {
        let registries = self.registries();
        let hosts = &registries.channel(channel)?.hosts;
        let own = hosts
            .iter()
            .find(|own| channel::bill::is_file_host(channel, &own.host))?;
        self.way_to_bill(channel, &own.host, own.port)
    }

    /// Connections to a merchant's registered host; the roots are the configured file's. `private_ok` is the registry's word.
    pub fn way_out(&self, host: &str, port: u16, private_ok: bool) -> Option<Outbound> {
        let made_in = self.0.ways.generation();
        self.way(made_in, (format!("{host}/{private_ok}"), port), || {
            let tls = self.0.merchants_tls.load_full()?;
            Some(Target {
                host: host.to_owned(),
                port,
                address: None,
                private_ok,
                most: crate::outbound::MOST_ANSWER,
                tls,
            })
        })
    }

    /// Other roots for merchants' hosts.
    pub(crate) fn set_merchants_tls(&self, tls: Option<Arc<rustls::ClientConfig>>) {
        self.0.merchants_tls.store(tls);
        self.0.ways.forget_all();
    }

    /// Lets connections to channels run out; called each minute.
    pub fn renew_ways(&self) {
        self.0.ways.each(Outbound::renew);
    }
}

/// TLS to merchants' hosts, by the roots of the configured file: without them nobody would be told of anything.
pub(crate) fn merchants_tls(config: &Config) -> anyhow::Result<Option<Arc<rustls::ClientConfig>>> {
    let read = |file: &PathBuf| {
        let tls = std::fs::read(file)
            .map_err(anyhow::Error::from)
            .and_then(|pem| Ok(certs::tls::client(&pem, None)?));
        tls.with_context(|| format!("notify_roots: {}", file.display()))
    };
    config.notify_roots.as_ref().map(read).transpose()
}

/// A host of the licence registry, with the longest answer that is read from it (octets).
fn licensed(host: &Host, most: usize, tls: Arc<rustls::ClientConfig>) -> Target {
    Target {
        host: host.host.clone(),
        port: host.port,
        address: host.address,
        private_ok: true,
        most,
        tls,
    }
}
