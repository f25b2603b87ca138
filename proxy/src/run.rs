//! A run: open everything in the right order, serve, stop in good order.

use crate::{
    accept::{Bound, Caps, Door},
    app::{App, Parts, merchants_tls},
    cases,
    clock::SystemClock,
    config::{Config, Listen, Listens},
    descriptors,
    front::Front,
    health,
    key_folder::KeyFolder,
    outbox, purge, reconcile, registry, renew, sweep,
    telemetry::Metrics,
};
use anyhow::{Context as _, anyhow};
use certs::tls::ListenerFiles;
use domain::*;
use journal::{Journal, disk::RealDisk};
use ledger::{Found, Ledger, Order};
use settings::{registries, tasks::Tasks};
use sha2::{Digest as _, Sha256};
use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use vault::Vault;

/// Addresses that were bound, for tests and demos that ask for port 0.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Unified API.
    pub api: SocketAddr,
    /// Pass-through of WeChat Pay.
    pub wechat: Option<SocketAddr>,
    /// Pass-through of Alipay.
    pub alipay: Option<SocketAddr>,
    /// Pass-through of UnionPay.
    pub unionpay: Option<SocketAddr>,
    /// Notices.
    pub notify: SocketAddr,
    /// Notices of banks in clear.
    pub banks: Option<SocketAddr>,
    /// Payers' pages.
    pub pages: Option<SocketAddr>,
    /// Trades journal.
    pub journal: Option<SocketAddr>,
    /// Metrics.
    pub metrics: SocketAddr,
}

/// A run in progress.
pub struct Running {
    /// What was bound.
    pub addresses: Addresses,
    /// The app, for in-process tests.
    pub app: App,
    stop: watch::Sender<bool>,
    listeners: Tasks,
    tasks: Tasks,
    /// Ends later than all others.
    purge: (watch::Sender<bool>, Tasks),
}

/// What opening the stores gave.
struct Opened {
    app: App,
    changes: mpsc::UnboundedReceiver<Arc<Order>>,
    cases: Option<cases::Cursor>,
    key_folder: KeyFolder,
}

/// Opens the stores and serves.
pub async fn start(config: Config, settings: Digest) -> anyhow::Result<Running> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let seen = Seen::of(&config);
    let listens = config.listen.clone();
    let files = descriptors::raise();
    let caps = descriptors::caps(&config.limits, listens.count(), files)?;
    if let Some(remark) = descriptors::remark(&config.limits, &caps, files) {
        tracing::warn!(remark);
    }
    let merchants_tls = merchants_tls(&config)?;
    let (bound, addresses, tls) = bind(&listens, caps, &clock).await?;
    let Opened {
        app,
        changes,
        cases,
        key_folder,
    } = tokio::task::spawn_blocking({
        let clock = clock.clone();
        move || open(config, clock, merchants_tls)
    })
    .await??;
    record_start(&app, settings).await?;
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = watch::channel(false);
    let front = Front::new(&app);
    let drain = app.times().drain;
    let mut listeners = Tasks::default();
    for bound in bound {
        let door = bound.door.as_str();
        listeners.spawn(door, bound.serve(front.clone(), stopped.clone(), drain));
    }
    let mut tasks = Tasks::default();
    tasks.spawn("sweep", sweep::run(app.clone(), changes, stopped.clone()));
    tasks.spawn("outbox", outbox::run(app.clone(), stopped.clone()));
    tasks.spawn(
        "keep_house",
        keep_house(app.clone(), (tls, seen, key_folder), stopped.clone()),
    );
    tasks.spawn("renew", renew::run(app.clone(), stopped.clone()));
    tasks.spawn("probe", health::probe(app.clone(), stopped.clone()));
    if let Some(books) = app.config().books.clone() {
        tasks.spawn("reconcile", reconcile::run(app.clone(), books, stopped.clone()));
    }
    if let Some(settings) = app.config().cases.clone() {
        tasks.spawn("cases", cases::follow(app.clone(), settings, cases, stopped));
    }
    let mut purge = Tasks::default();
    purge.spawn("purge", purge::run(app.clone(), ended));
    let purge = (end, purge);
    tracing::info!(api = %addresses.api, notify = %addresses.notify, "serving");
    Ok(Running {
        addresses,
        app,
        stop,
        listeners,
        tasks,
        purge,
    })
}

impl Running {
    /// Resolves once a task has ended that nobody told to, with its name: then it is time to stop, and to be started anew.
    pub async fn ended(&mut self) -> &'static str {
        tokio::select! {
            name = self.listeners.ended() => name,
            name = self.tasks.ended() => name,
            name = self.purge.1.ended() => name,
        }
    }

    /// Stops taking requests, lets open ones and what they began finish, puts the end on record.
    pub async fn stop(mut self) {
        let until = tokio::time::Instant::now() + self.app.times().drain;
        let _ = self.stop.send(true);
        self.listeners.all().await;
        // Nobody begins anything more; what was begun is waited for.
        self.tasks.cut().await;
        let _ = tokio::time::timeout_at(until, self.app.until_idle()).await;
        // Keys died on time till here. What is dead goes on record: the last round is waited for.
        let (end, mut purge) = self.purge;
        let _ = end.send(true);
        purge.all().await;
        let app = self.app;
        crate::guard::record_counts(&app).await;
        // What is under way still, at a channel that does not answer, comes too late from here on: the next run asks for it.
        //= C34
        let last = || {
            let mut events = app.vault().purge_all();
            events.push(TradeEvent::ProcessStopped { boot: app.boot() });
            events
        };
        if let Err(error) = app.ledger().note_last(last).await {
            tracing::error!(%error, "the end of this run could not be put on record");
        }
        app.ledger().stop();
        let closing = app.clone();
        let _ = tokio::task::spawn_blocking(move || {
            closing.ledger().journal().close();
            let _ = closing.ledger().index().db().flush();
        })
        .await;
        app.metrics().stop();
        tracing::info!("stopped");
    }
}

type Tls = Vec<Arc<certs::tls::Listener>>;

async fn bind(
    listens: &Listens,
    caps: Caps,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Vec<Bound>, Addresses, Tls)> {
    let (mut bound, mut tls) = (Vec::new(), Vec::new());
    let mut one = async |door: Door, listen: &Listen| -> anyhow::Result<SocketAddr> {
        let socket = TcpListener::bind(listen.address)
            .await
            .with_context(|| format!("listen.{}: {}", door.as_str(), listen.address))?;
        let address = socket.local_addr()?;
        let listener = certs::tls::Listener::open(listen.tls.clone())
            .with_context(|| format!("listen.{}", door.as_str()))?;
        tls.push(listener.clone());
        let current = Arc::new(move || listener.current());
        bound.push(Bound {
            door,
            socket,
            tls: Some(current),
            caps: caps.clone(),
            clock: clock.clone(),
        });
        Ok(address)
    };
    let api = one(Door::Api, &listens.api).await?;
    let notify = one(Door::Notify, &listens.notify).await?;
    let mut optional = async |door: Door, listen: &Option<Listen>| -> anyhow::Result<Option<SocketAddr>> {
        match listen {
            Some(listen) => Ok(Some(one(door, listen).await?)),
            None => Ok(None),
        }
    };
    let wechat = optional(Door::Wechat, &listens.wechat).await?;
    let alipay = optional(Door::Alipay, &listens.alipay).await?;
    let unionpay = optional(Door::Unionpay, &listens.unionpay).await?;
    let pages = optional(Door::Pages, &listens.pages).await?;
    let journal = optional(Door::Journal, &listens.journal).await?;
    let mut plain = async |door: Door, address: SocketAddr| -> anyhow::Result<SocketAddr> {
        let socket = TcpListener::bind(address)
            .await
            .with_context(|| format!("listen.{}: {address}", door.as_str()))?;
        let address = socket.local_addr()?;
        bound.push(Bound {
            door,
            socket,
            tls: None,
            caps: caps.clone(),
            clock: clock.clone(),
        });
        Ok(address)
    };
    let banks = match listens.banks {
        Some(address) => Some(plain(Door::Banks, address).await?),
        None => None,
    };
    let metrics = plain(Door::Metrics, listens.metrics).await?;
    Ok((
        bound,
        Addresses {
            api,
            wechat,
            alipay,
            unionpay,
            notify,
            banks,
            pages,
            journal,
            metrics,
        },
        tls,
    ))
}

fn open(
    config: Config,
    clock: Arc<dyn Clock>,
    merchants_tls: Option<Arc<rustls::ClientConfig>>,
) -> anyhow::Result<Opened> {
    let (keys, key_folder) = KeyFolder::open(config.keys.clone()).map_err(|all| anyhow!(list(all)))?;
    let loaded = registry::load(&config.registries, &[]).map_err(|all| anyhow!(list(all)))?;
    let signer = keys
        .signer(&KeyRef::new("journal")?)
        .context("keys/journal.pem signs the trades journal")?;
    let origin = format!("{}/trades/0", config.name);
    let (journal, found) = Journal::open(
        Arc::new(RealDisk),
        &config.data.join("trades"),
        &origin,
        signer,
        journal::Settings::default(),
    )?;
    if found.torn > 0 {
        tracing::warn!(
            octets = found.torn,
            "a torn group at the end of the journal was cut; nobody had been told of it"
        );
    }
    let opening = Ledger::open(journal, &config.data, clock.clone())?;
    tracing::info!(entries = found.entries, replayed = opening.replayed, index = ?opening.found, "the ledger is open");
    // An older file is good by its signature alone: what took effect last the journal tells.
    registries::only_rises(&opening.ledger.registries(), &loaded.registries).map_err(|all| {
        opening.ledger.stop();
        opening.ledger.journal().close();
        anyhow!(list(all))
    })?;
    let mut boot = [0; 16];
    getrandom::fill(&mut boot).map_err(|e| anyhow!("no randomness: {e}"))?;
    let boot = Boot::from_bytes(boot);
    let keyring = config.data.join("keyring.json");
    let (vault, epochs) = Vault::open(
        config.vault,
        clock.clone(),
        boot,
        opening.ledger.index().db(),
        &keyring,
        &opening.epochs,
    )?;
    let metrics = Metrics::new(&config.name, config.telemetry.otlp.as_deref())?;
    let app = App::new(Parts {
        config,
        clock,
        keys,
        registries: loaded.registries,
        registered: loaded.keys,
        ledger: opening.ledger,
        vault,
        metrics,
        boot,
        merchants_tls,
    });
    app.hold_for_start(
        epochs,
        matches!(opening.found, Found::Replaced(_) | Found::New)
            .then_some(found.entries)
            .filter(|n| *n > 0),
    );
    opening.measures.iter().for_each(|measure| app.observe(measure));
    app.accounts_were_lost(&opening.lost);
    if let Some(at) = opening.cases_at {
        app.cases_were_read_at(at); // by an earlier run: what it saw is in force, and patience goes on
    }
    Ok(Opened {
        app,
        changes: opening.changes,
        cases: opening
            .cases
            .zip(opening.cases_at)
            .map(|((size, root), at)| cases::Cursor { size, root, at }),
        key_folder,
    })
}

fn list(all: Vec<impl std::fmt::Display>) -> String {
    all.into_iter()
        .map(|p| p.to_string())
        .collect::<Vec<_>>()
        .join("\n")
}

async fn record_start(app: &App, settings: Digest) -> anyhow::Result<()> {
    let times = app.config().vault;
    let mut events = vec![TradeEvent::ProcessStarted {
        boot: app.boot(),
        bucket_seconds: Some(times.bucket.as_secs()),
        deadline_seconds: Some(times.deadline.as_secs()),
        notify_seconds: Some(times.renew_at_most.as_secs()),
        settings,
        version: env!("CARGO_PKG_VERSION").into(),
    }];
    events.extend(app.taken_at_start());
    events.extend(registries_loaded(app));
    app.ledger().note(None, events).await?;
    app.vault().epochs_recorded();
    Ok(())
}

fn registries_loaded(app: &App) -> impl Iterator<Item = TradeEvent> {
    let all = app.registries().in_force();
    all.into_iter()
        .map(|(file, not_after)| TradeEvent::RegistryLoaded {
            acquirer: file.acquirer,
            digest: file.digest,
            kind: file.kind,
            not_after,
            version: file.version,
        })
}

/// What the files were that are looked at while running. It is taken before they are read: a file that changes while a start
/// goes on, a withdrawn key's registry for one, is found by the first look, and not taken for what was read.
struct Seen {
    registries: Option<Digest>,
    certificates: Vec<Option<SystemTime>>,
    roots: Option<SystemTime>,
}

impl Seen {
    fn of(config: &Config) -> Seen {
        Seen {
            registries: registries::seal(&config.registries),
            certificates: stamps(&config.listen),
            roots: config.notify_roots.as_deref().and_then(stamp),
        }
    }
}

/// Registries, certificates, disk, limits: looked at while running.
async fn keep_house(app: App, read: (Tls, Seen, KeyFolder), mut stop: watch::Receiver<bool>) {
    let (tls, seen, mut keys) = read;
    let Seen {
        registries: mut seal,
        mut certificates,
        mut roots,
    } = seen;
    let mut minute = Duration::ZERO;
    loop {
        let every = app.config().registries_every;
        tokio::select! {
            () = crate::accept::stopped(&mut stop) => return,
            () = tokio::time::sleep(every) => {}
        }
        app.look_at_disk();
        // Keys first: what names a new one finds it.
        keys = keys.look(&app).await;
        let now = registries::seal(&app.config().registries);
        if now != seal {
            seal = now;
            reload(&app).await;
        }
        let changed = app.config().notify_roots.as_deref().and_then(stamp);
        if changed != roots {
            roots = changed;
            match merchants_tls(app.config()) {
                Ok(tls) => app.set_merchants_tls(tls),
                Err(error) => {
                    tracing::error!(%error, "new roots for merchants' hosts are not taken; the old ones stay in use")
                }
            }
        }
        let changed = stamps(&app.config().listen);
        if changed != certificates {
            certificates = changed;
            for listener in &tls {
                match listener.reload() {
                    Ok(()) => tracing::info!("a listener's certificate was reloaded"),
                    Err(error) => {
                        tracing::error!(%error, "a listener's new certificate is not taken; the old one stays in use")
                    }
                }
            }
        }
        minute += every;
        if minute >= Duration::from_secs(60) {
            minute = Duration::ZERO;
            app.renew_ways();
            app.tidy();
            crate::guard::record_counts(&app).await;
        }
    }
}

/// When the files of listeners last changed.
fn stamps(listens: &Listens) -> Vec<Option<SystemTime>> {
    let of = |files: &ListenerFiles| {
        let ca = files.client_ca.as_deref();
        [stamp(&files.cert), stamp(&files.key), ca.and_then(stamp)]
    };
    listens
        .with_tls()
        .flat_map(|(_, listen)| of(&listen.tls))
        .collect()
}

/// When a file last changed.
fn stamp(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

async fn reload(app: &App) {
    let (config, before) = (app.config().registries.clone(), app.ledger().registries());
    let loaded = tokio::task::spawn_blocking(move || registry::load(&config, &before)).await;
    match loaded {
        Ok(Ok(loaded)) => {
            app.set_registries(loaded.registries, loaded.keys);
            tracing::info!("registries were reloaded");
            let events = registries_loaded(app).collect();
            if let Err(error) = app.ledger().note(None, events).await {
                tracing::error!(%error, "the reload could not be put on record");
            }
        }
        Ok(Err(problems)) => problems.iter().for_each(|p| {
            tracing::error!(
                problem = p,
                "the new registries are not taken; the old ones stay in force"
            )
        }),
        Err(_) => tracing::error!("reading the registries failed"),
    }
}

/// SHA-256 of an accepted configuration.
pub fn settings_digest(text: &str) -> Digest {
    Digest::from_bytes(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever may come in is as good a reason to look again as what is shown to them.
    #[test]
    fn a_changed_file_of_a_listener_is_noticed_whichever_it_is() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = include_str!("../../deploy/example.toml");
        let text = text.replace("/etc/guandao/tls", &dir.path().display().to_string());
        let listens = Config::parse(&text).expect("the example is lawful").listen;
        let mut before = stamps(&listens);
        assert_eq!(before.iter().flatten().count(), 0, "none is there");
        for name in ["journal.crt", "journal.key", "desk-ca.crt"] {
            std::fs::write(dir.path().join(name), name).expect("written");
            let now = stamps(&listens);
            assert_ne!(now, before, "{name} is new");
            before = now;
        }
        let ca = std::fs::File::options()
            .append(true)
            .open(dir.path().join("desk-ca.crt"))
            .expect("is there");
        ca.set_modified(SystemTime::UNIX_EPOCH).expect("changed");
        assert_ne!(stamps(&listens), before, "it is another");
    }
}
