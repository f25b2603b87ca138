//! A run: open everything in the right order, serve, stop in good order.

use crate::{
    accept::{Bound, Caps, Door},
    app::{App, Parts},
    cases,
    clock::SystemClock,
    config::{Config, Listen},
    front::Front,
    health,
    key_folder::KeyFolder,
    keys, outbox, purge, reconcile, registry, renew, sweep,
    telemetry::Metrics,
};
use anyhow::{Context as _, anyhow};
use domain::*;
use journal::{Journal, disk::RealDisk};
use ledger::{Found, Ledger, Order};
use settings::registries;
use sha2::{Digest as _, Sha256};
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
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
    listeners: Vec<JoinHandle<()>>,
    tasks: Vec<JoinHandle<()>>,
    /// Ends later than all others.
    purge: (watch::Sender<bool>, JoinHandle<()>),
}

/// What opening the stores gave.
struct Opened {
    app: App,
    changes: mpsc::UnboundedReceiver<Arc<Order>>,
    cases: Option<cases::Cursor>,
}

/// Opens the stores and serves.
pub async fn start(config: Config, settings: Digest) -> anyhow::Result<Running> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let listens = config.listen.clone();
    let caps = Caps {
        connections: config.limits.connections,
        ..Caps::default()
    };
    let (bound, addresses, tls) = bind(&listens, caps, &clock).await?;
    let Opened { app, changes, cases } = tokio::task::spawn_blocking({
        let clock = clock.clone();
        move || open(config, clock)
    })
    .await??;
    record_start(&app, settings).await?;
    let (stop, stopped) = watch::channel(false);
    let (end, ended) = watch::channel(false);
    let front = Front::new(&app);
    let drain = app.times().drain;
    let listeners = bound
        .into_iter()
        .map(|bound| tokio::spawn(bound.serve(front.clone(), stopped.clone(), drain)))
        .collect();
    let mut tasks = vec![
        tokio::spawn(sweep::run(app.clone(), changes, stopped.clone())),
        tokio::spawn(outbox::run(app.clone(), stopped.clone())),
        tokio::spawn(reconcile::run(app.clone(), stopped.clone())),
        tokio::spawn(keep_house(app.clone(), tls, stopped.clone())),
        tokio::spawn(renew::run(app.clone(), stopped.clone())),
        tokio::spawn(health::probe(app.clone(), stopped.clone())),
    ];
    let purge = (end, tokio::spawn(purge::run(app.clone(), ended)));
    if let Some(settings) = app.config().cases.clone() {
        tasks.push(tokio::spawn(cases::follow(app.clone(), settings, cases, stopped)));
    }
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
    /// Stops taking requests, lets open ones finish, puts the end on record.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for listener in self.listeners {
            let _ = listener.await;
        }
        let _ = tokio::time::timeout(self.app.times().drain, self.app.until_idle()).await;
        for task in self.tasks {
            task.abort();
        }
        // Keys died on time till here. What is dead goes on record: the last round is waited for.
        let (end, purge) = self.purge;
        let _ = end.send(true);
        let _ = purge.await;
        let app = self.app;
        crate::guard::record_counts(&app).await;
        let mut events = app.vault().purge_all();
        events.push(TradeEvent::ProcessStopped { boot: app.boot() });
        if let Err(error) = app.ledger().note(None, events).await {
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
    listens: &crate::config::Listens,
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

fn open(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let keys = keys::load(&config.keys).map_err(|all| anyhow!(list(all)))?;
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

/// Registries, certificates, disk, limits: looked at while running.
async fn keep_house(app: App, tls: Tls, mut stop: watch::Receiver<bool>) {
    let mut seal = registries::seal(&app.config().registries);
    let mut certificates = stamps(&app);
    let mut keys = KeyFolder::of(&app);
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
        let changed = stamps(&app);
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
fn stamps(app: &App) -> Vec<Option<std::time::SystemTime>> {
    let listens = &app.config().listen;
    let all = [
        Some(&listens.api),
        Some(&listens.notify),
        listens.wechat.as_ref(),
        listens.alipay.as_ref(),
        listens.unionpay.as_ref(),
        listens.pages.as_ref(),
        listens.journal.as_ref(),
    ];
    let of = |path: &std::path::Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
    all.into_iter()
        .flatten()
        .flat_map(|l| [of(&l.tls.cert), of(&l.tls.key)])
        .collect()
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
