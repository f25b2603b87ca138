//! A desk from its first breath to its last.

use crate::{
    cases::Cases,
    clock::SystemClock,
    config::Config,
    export::Exporter,
    fetch::Remote,
    follow::{self, Following},
    journal_face, keys, local,
    reload::Files,
    serve::serve,
    sessions::Sessions,
    then::{Archive, Then},
    trades::Trades,
    users::Users,
    web::{self, Desk},
};
use anyhow::{Context, anyhow};
use arc_swap::ArcSwap;
use certs::tls;
use domain::*;
use journal::VerifierKey;
use policy::registry::Registries;
use settings::{registries, tasks::Tasks};
use sha2::{Digest as _, Sha256};
use std::{fmt::Display, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::watch,
    task::{JoinError, JoinHandle},
};

/// A desk that runs.
pub struct Running {
    /// Where the pages are.
    pub pages: SocketAddr,
    /// Where the cases journal is.
    pub journal: SocketAddr,
    /// The cases, for whoever runs in the same process.
    pub cases: Arc<Cases>,
    /// The trades journal as the desk sees it.
    pub trades: Arc<Trades>,
    /// Makes packages.
    pub exporter: Arc<Exporter>,
    stop: watch::Sender<bool>,
    /// The one that follows; it ends early only by a fault.
    following: JoinHandle<std::io::Result<()>>,
    tasks: Tasks,
}

/// Runs until told to stop, or until a fault that nothing can be relied on after.
pub async fn run(config: Config, mut stop: watch::Receiver<bool>) -> anyhow::Result<()> {
    let mut running = start(config).await?;
    let fault = tokio::select! {
        ended = &mut running.following => Some(follow_ended(ended)),
        task = running.tasks.ended() => Some(anyhow!("{task} ended though nobody told it to")),
        _ = stop.wait_for(|stop| *stop) => None,
    };
    running.stop().await;
    fault.map_or(Ok(()), Err)
}

/// Why following came to an end before it was told to.
fn follow_ended(ended: Result<std::io::Result<()>, JoinError>) -> anyhow::Error {
    let error = match ended {
        Ok(Err(error)) => anyhow!(error),
        Err(error) => anyhow!(error),
        Ok(Ok(())) => anyhow!("it ended though nobody told it to"),
    };
    error.context("following the trades journal")
}

/// Starts and returns once both listeners answer.
pub async fn start(config: Config) -> anyhow::Result<Running> {
    let parts = open(&config)?;
    let Parts {
        cases,
        trades,
        exporter,
        registries,
        ..
    } = parts;
    begin(&cases, &config).await?;
    let remote = Remote::new(&config.trades.url, client(&config.trades)?);
    let remote = Arc::new(remote.ok_or_else(|| anyhow!("trades.url is no https address"))?);
    let parameters = config.parameters.clone();
    let archive = Archive::open(&config.data, config.registries.clone()).context("data/registries")?;
    let following = Following::new(
        cases.clone(),
        trades.clone(),
        Then::new(archive, registries.clone()),
        remote.clone(),
        parameters,
    )
    .context("data/trades.copy")?;
    let users = Users::load(&config.users).map_err(all)?;
    let desk = Arc::new(Desk {
        sessions: Sessions::new(cases.clock().clone()),
        cases: cases.clone(),
        trades: trades.clone(),
        registries: registries.clone(),
        users: ArcSwap::from_pointee(users),
        exporter: exporter.clone(),
        hashing: tokio::sync::Semaphore::new(2),
    });
    let (pages, pages_tls) = listen(&config.pages).await?;
    let (journal, journal_tls) = listen(&config.journal).await?;
    let (pages_at, journal_at) = (pages.local_addr()?, journal.local_addr()?);
    let socket = local::bind(&config.data).context("data/desk.sock")?;
    let (stop, stopped) = watch::channel(false);
    let files = Files {
        config: config.clone(),
        desk: desk.clone(),
        listeners: [pages_tls.clone(), journal_tls.clone()],
        remote,
    };
    let mut tasks = Tasks::default();
    let router = web::router(desk.clone());
    tasks.spawn("pages", serve("pages", pages, pages_tls, router, stopped.clone()));
    let router = journal_face::router(cases.reader());
    tasks.spawn(
        "journal",
        serve("journal", journal, journal_tls, router, stopped.clone()),
    );
    tasks.spawn(
        "commands",
        local::serve(socket, exporter.clone(), stopped.clone()),
    );
    tasks.spawn("keep_up", files.keep_up(stopped.clone()));
    let following = tokio::spawn(follow_on(following, config.poll, stopped));
    tracing::info!(pages = %pages_at, journal = %journal_at, "the desk runs");
    Ok(Running {
        pages: pages_at,
        journal: journal_at,
        cases,
        trades,
        exporter,
        stop,
        following,
        tasks,
    })
}

impl Running {
    /// Stops everything and signs the journal's last tree.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        if !self.following.is_finished() {
            let _ = self.following.await;
        }
        self.tasks.all().await;
        let cases = self.cases;
        let _ = tokio::task::spawn_blocking(move || cases.close()).await;
    }
}

/// What a desk consists of before it listens to anybody.
pub struct Parts {
    /// The cases.
    pub cases: Arc<Cases>,
    /// The trades journal.
    pub trades: Arc<Trades>,
    /// Makes packages.
    pub exporter: Arc<Exporter>,
    /// Merchants.
    pub registries: Arc<ArcSwap<Registries>>,
}

/// Opens the journal and all that belongs to it; the journal's lock is taken.
pub fn open(config: &Config) -> anyhow::Result<Parts> {
    let signers = keys::signers(&config.keys).map_err(all)?;
    let registries = registries::load(&config.registries, &[]).map_err(all)?;
    let key = verifier(&config.trades.vkey_file)?;
    for dir in [&config.data, &config.exports] {
        std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let cases = Cases::open(
        &config.data.join("cases"),
        &config.origin(),
        signers.journal,
        clock,
    )?;
    let cases = Arc::new(cases);
    let mirror = follow::mirror(&config.data, &cases).context("data/trades.copy")?;
    let trades = Arc::new(Trades::open(&config.data, mirror, key));
    let exporter = Arc::new(Exporter {
        cases: cases.clone(),
        trades: trades.clone(),
        dir: config.exports.clone(),
        name: config.export_name(),
        signer: signers.export,
        acquirer_key: config.registries.acquirer_key.clone(),
        one: tokio::sync::Mutex::default(),
    });
    Ok(Parts {
        cases,
        trades,
        exporter,
        registries: Arc::new(ArcSwap::from_pointee(registries)),
    })
}

pub(crate) fn verifier(path: &std::path::Path) -> anyhow::Result<VerifierKey> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    VerifierKey::parse(&text).ok_or_else(|| anyhow!("{}: this is no verifier key", path.display()))
}

/// That we began, and under which rules.
async fn begin(cases: &Cases, config: &Config) -> anyhow::Result<()> {
    let (boot, settings) = (Boot::from_bytes(crate::random()), config.settings);
    let version = env!("CARGO_PKG_VERSION").into();
    let digest = Digest::from_bytes(Sha256::digest(config.parameters.to_canonical()).into());
    let decide = |state: &crate::state::State, _| {
        let mut events = vec![CaseEvent::ProcessStarted {
            boot,
            settings,
            version,
        }];
        if state.rules() != Some(digest) {
            events.push(CaseEvent::RulesLoaded { digest });
        }
        Ok(events)
    };
    cases.commit(decide).await?;
    Ok(())
}

/// Our side of the connection to the proxy, from its files.
pub(crate) fn client(from: &crate::config::Trades) -> anyhow::Result<Arc<rustls::ClientConfig>> {
    let read = |path: &std::path::Path| std::fs::read(path).with_context(|| path.display().to_string());
    let (ca, cert, key) = (
        read(&from.ca)?,
        read(&from.cert)?,
        zeroize::Zeroizing::new(read(&from.key)?),
    );
    tls::client(&ca, Some((&cert, &key))).context("trades")
}

async fn follow_on(
    mut following: Following,
    every: Duration,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    while !*stop.borrow() {
        // Not cut off in the middle: what was read is on record before we stop.
        following.poll().await?;
        let every = if following.is_behind() {
            Duration::ZERO
        } else {
            every
        };
        tokio::select! {
            _ = tokio::time::sleep(every) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    Ok(())
}

async fn listen(listen: &crate::config::Listen) -> anyhow::Result<(TcpListener, Arc<tls::Listener>)> {
    let tls = tls::Listener::open(listen.tls.clone())?;
    let socket = TcpListener::bind(listen.address)
        .await
        .with_context(|| listen.address.to_string())?;
    Ok((socket, tls))
}

pub(crate) fn all(problems: Vec<impl Display>) -> anyhow::Error {
    anyhow!(
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    )
}
