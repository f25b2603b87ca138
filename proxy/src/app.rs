//! What all stages share. Everything that enters from outside (time, keys, disk, network) came in by constructor.

mod rates;
mod unasked;
mod ways;

pub(crate) use ways::merchants_tls;

use crate::{
    config::{Config, Limits, Times},
    fault::{Code, Fault},
    health::Health,
    limits::{Limiter, Rate},
    nonces::Nonces,
    outbound::Outbound,
    remembered::Remembered,
    signature::Scheme,
    signing::Signing,
    telemetry::Metrics,
};
use arc_swap::{ArcSwap, ArcSwapOption};
use domain::*;
use ledger::{Ledger, LookupError, Order};
use parking_lot::{Mutex, RwLock};
use policy::{
    Measures,
    registry::{AccountFacts, Registries},
};
use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use vault::Vault;

/// What all stages share. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Inner>);

/// Parts that an [`App`] is made of.
pub struct Parts {
    /// Configuration.
    pub config: Config,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Keys.
    pub keys: certs::Keys,
    /// Registries.
    pub registries: Registries,
    /// Keys that came with the registries.
    pub registered: Vec<(KeyRef, certs::Material)>,
    /// Ledger.
    pub ledger: Ledger,
    /// Vault.
    pub vault: Vault,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// This run.
    pub boot: Boot,
    /// TLS to merchants' hosts; `None` where no merchant is told.
    pub merchants_tls: Option<Arc<rustls::ClientConfig>>,
}

/// No time since boot.
const NEVER: i64 = i64::MIN;

/// An account as channels see it: for which payee, and in which app where it is not the first.
type AccountKey = (Channel, AccountNo, PayeeNo, Option<AppNo>);

/// A code takes so many times what one source may place there: a single stranger before a plate keeps no payer away.
const SOURCES_AT_A_CODE: u32 = 10;
/// So often a payer may load the page that a merchant signed: enough for an impatient one, nothing to a merchant's rate.
const FORM_PER_SECOND: u32 = 1;
const FORM_AT_ONCE: u32 = 10;

/// Of merchants, by their rate: requests per second, and at once.
type MerchantLimiters = RwLock<HashMap<(u32, u32), Arc<Limiter<MerchantId>>>>;

struct Inner {
    config: Config,
    clock: Arc<dyn Clock>,
    signing: Signing,
    registries: ArcSwap<Registries>,
    /// Names of the keys that came with them.
    registered: Mutex<Vec<KeyRef>>,
    nonces: Nonces,
    guard: crate::guard::Counts,
    certificates: crate::certificates::Asked,
    signers: certs::Signers,
    searches: crate::trade::Searches,
    health: Health,
    ledger: Ledger,
    vault: Vault,
    metrics: Arc<Metrics>,
    measures: ArcSwap<Measures>,
    /// Since boot, milliseconds; the last time the cases journal was read, maybe by an earlier run. [`NEVER`] if it was not.
    cases_read: AtomicI64,
    started_at: Instant,
    /// What an earlier run left open was looked at once.
    looked: AtomicBool,
    boot: Boot,
    merchants: MerchantLimiters,
    /// What payers place at codes.
    payers: MerchantLimiters,
    by_code: Limiter<CodeId>,
    channels: Limiter<Channel>,
    /// Notices have room of their own: nobody's notices keep orders from leaving.
    notices: Limiter<(Channel, AccountNo)>,
    sources: Limiter<u128>,
    failures: Limiter<u128>,
    /// What payers' browsers bring, by the signature in it.
    forms: Limiter<Digest>,
    failing: Mutex<HashMap<u128, Duration>>,
    ways: Remembered<(String, u16), Outbound>,
    merchants_tls: ArcSwapOption<rustls::ClientConfig>,
    accounts: Remembered<AccountKey, Arc<channel::Account>>,
    unasked: unasked::Unasked,
    working: Arc<Working>,
    /// Keys that sign answers: Ed25519, RSA.
    answer_keys: [Option<KeyRef>; 2],
    disk_full: ArcSwapOption<()>,
    kill_at: Option<(String, AtomicUsize)>,
    at_start: Mutex<Vec<TradeEvent>>,
    /// Wakes the outbox.
    pub(crate) outbox: Notify,
}

#[derive(Default)]
struct Working {
    count: AtomicUsize,
    idle: Notify,
}

impl App {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> App {
        let Parts {
            config,
            clock,
            keys,
            registries,
            registered,
            ledger,
            vault,
            metrics,
            boot,
            merchants_tls,
        } = parts;
        let limits = config.limits;
        let threads = match limits.signers {
            // One core: none, in place.
            0 => std::thread::available_parallelism().map_or(1, usize::from).max(1) - 1,
            n => n,
        };
        // Test runs stop at a named step to show that nothing is lost there; stopping is always safe.
        let kill_at = std::env::var("GUANDAO_STOP_AT").ok().map(|text| {
            let (step, times) = text.split_once(':').unwrap_or((&text, "1"));
            (step.to_owned(), AtomicUsize::new(times.parse().unwrap_or(1)))
        });
        let answer_keys = [Scheme::Ed25519, Scheme::Rsa].map(|scheme| crate::keys::answer_key(&keys, scheme));
        let names = registered.iter().map(|(key, _)| key.clone()).collect();
        keys.put_all(registered);
        App(Arc::new(Inner {
            answer_keys,
            registered: Mutex::new(names),
            signing: Signing::new(keys, threads),
            registries: ArcSwap::from_pointee(registries),
            nonces: Nonces::default(),
            guard: Default::default(),
            certificates: Default::default(),
            signers: Default::default(),
            searches: Default::default(),
            health: Health::new(config.routing),
            ledger,
            vault,
            metrics,
            measures: ArcSwap::default(),
            cases_read: AtomicI64::new(NEVER),
            started_at: clock.now(),
            looked: AtomicBool::new(false),
            boot,
            merchants: RwLock::default(),
            payers: RwLock::default(),
            by_code: Limiter::new(config.limits.payer.times(SOURCES_AT_A_CODE)),
            channels: Limiter::new(limits.channel),
            notices: Limiter::new(limits.channel),
            sources: Limiter::new(limits.source),
            failures: Limiter::new(limits.failures),
            forms: Limiter::new(Rate::new(FORM_PER_SECOND, FORM_AT_ONCE)),
            failing: Mutex::default(),
            ways: Remembered::default(),
            merchants_tls: ArcSwapOption::new(merchants_tls),
            accounts: Remembered::default(),
            unasked: Default::default(),
            working: Arc::default(),
            disk_full: ArcSwapOption::empty(),
            kill_at,
            at_start: Mutex::default(),
            outbox: Notify::new(),
            clock,
            config,
        }))
    }

    /// What opening the stores has to put on record once this run is.
    pub fn hold_for_start(&self, mut events: Vec<TradeEvent>, rebuilt: Option<u64>) {
        events.extend(rebuilt.map(|entries| TradeEvent::IndexRebuilt { entries }));
        self.0.at_start.lock().extend(events);
    }

    /// Takes what was held.
    pub fn taken_at_start(&self) -> Vec<TradeEvent> {
        std::mem::take(&mut *self.0.at_start.lock())
    }

    /// The registries in force.
    pub fn registries(&self) -> Arc<Registries> {
        self.0.registries.load_full()
    }

    /// Takes new registries and their keys; a key that is registered no longer is gone in the same step.
    pub fn set_registries(&self, mut registries: Registries, keys: Vec<(KeyRef, certs::Material)>) {
        let retired = registries.retire(&self.registries());
        let names = keys.iter().map(|(key, _)| key.clone()).collect();
        let former = std::mem::replace(&mut *self.0.registered.lock(), names);
        self.keys().exchange(&former, keys);
        self.0.registries.store(Arc::new(registries));
        self.0.accounts.forget_all();
        self.0.ways.forget_all();
        self.may_ask_again();
        if retired.is_empty() {
            return;
        }
        let live = self.0.ledger.live();
        for (channel, account) in retired {
            let there = |o: &&Arc<Order>| {
                let mut attempts = o.attempts.iter();
                attempts.any(|a| a.channel == channel && a.account == account)
            };
            tracing::warn!(
                channel = channel.as_str(),
                account = account.as_str(),
                open = live.iter().filter(there).count(),
                "no file has this account any more: no new order goes there, and what is open is brought to its end by this run"
            );
        }
    }

    /// Keys of channels that changed in their folder; those of `former` that are not among them are forgotten.
    pub(crate) fn take_keys(&self, former: &[KeyRef], keys: Vec<(KeyRef, certs::Material)>) {
        self.keys().exchange(former, keys);
        // What is remembered of accounts hangs on the keys that are here, and so do connections that show a certificate.
        self.0.accounts.forget_all();
        self.0.ways.forget_all();
        self.may_ask_again();
    }

    /// Keys.
    pub fn keys(&self) -> &certs::Keys {
        self.0.signing.keys()
    }

    /// The key that signs our answers and notifications in a scheme.
    pub fn answer_key(&self, scheme: Scheme) -> Option<&KeyRef> {
        self.0.answer_keys[usize::from(scheme == Scheme::Rsa)].as_ref()
    }

    /// Signing threads.
    pub fn signing(&self) -> &Signing {
        &self.0.signing
    }

    /// Signers whose certificate came with a message and counted.
    pub(crate) fn signers(&self) -> &certs::Signers {
        &self.0.signers
    }

    /// Which accounts asked for certificates, and when.
    pub(crate) fn certificates_asked(&self) -> &crate::certificates::Asked {
        &self.0.certificates
    }

    /// Accounts at which an order is looked for now.
    pub(crate) fn searches(&self) -> &crate::trade::Searches {
        &self.0.searches
    }

    /// How accounts fare.
    pub fn health(&self) -> &Health {
        &self.0.health
    }

    /// Nonces seen.
    pub fn nonces(&self) -> &Nonces {
        &self.0.nonces
    }

    /// Refusals of the guard that are counted.
    pub(crate) fn guard_counts(&self) -> &crate::guard::Counts {
        &self.0.guard
    }

    /// Time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// Vault.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// Ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Times of the road.
    pub fn times(&self) -> Times {
        self.0.config.times
    }

    /// Limits of the road.
    pub fn limits(&self) -> Limits {
        self.0.config.limits
    }

    /// This run.
    pub fn boot(&self) -> Boot {
        self.0.boot
    }

    /// When this run began.
    pub fn started_at(&self) -> Instant {
        self.0.started_at
    }

    /// The sweep has looked once at everything that an earlier run left open.
    pub(crate) fn looked(&self) {
        self.0.looked.store(true, Ordering::Release);
    }

    /// Whether it has.
    pub(crate) fn has_looked(&self) -> bool {
        self.0.looked.load(Ordering::Acquire)
    }

    /// Measures in force.
    pub fn measures(&self) -> Arc<Measures> {
        self.0.measures.load_full()
    }

    /// Obeys a measure.
    pub fn observe(&self, measure: &Measure) {
        self.0.measures.rcu(|measures| {
            let mut measures = Measures::clone(measures);
            measures.observe(measure);
            measures
        });
    }

    /// The cases journal was read just now.
    pub fn cases_were_read(&self) {
        let now = self.0.clock.since_boot().as_millis() as i64;
        self.0.cases_read.store(now, Ordering::Release);
    }

    /// An earlier run read the cases journal, and knew that at this time.
    //= C17
    pub(crate) fn cases_were_read_at(&self, at: Instant) {
        let age = self.0.clock.now().millis().saturating_sub(at.millis()).max(0);
        let now = self.0.clock.since_boot().as_millis() as i64;
        self.0
            .cases_read
            .store(now.saturating_sub(age).max(NEVER + 1), Ordering::Release);
    }

    /// How long the cases journal was not read; `None` where no desk is configured.
    pub fn cases_age(&self) -> Option<Duration> {
        let cases = self.0.config.cases.as_ref()?;
        let read = self.0.cases_read.load(Ordering::Acquire);
        let now = self.0.clock.since_boot().as_millis() as i64;
        let age = if read == NEVER {
            Duration::MAX
        } else {
            Duration::from_millis((now - read).max(0) as u64)
        };
        // Policy's patience is 15 minutes; a shorter one may be configured, never a longer.
        if age > cases.patience {
            Some(age.max(policy::CASES_AGE_MAX + Duration::from_secs(1)))
        } else {
            Some(age)
        }
    }

    /// An order; "being rebuilt" is a fault of its own.
    pub async fn order(&self, id: &PaymentId) -> Result<Option<Arc<Order>>, Fault> {
        self.0.ledger.order(id).await.map_err(|error| match error {
            LookupError::Rebuilding => Fault::of(Code::IndexRebuilding).retry(Duration::from_secs(2)),
            other => Fault::of(Code::IndexRebuilding)
                .retry(Duration::from_secs(2))
                .inside(other),
        })
    }

    /// The key of the channel's that an account is to be answered under. WeChat's public key is asked for only once it is
    /// here: till then platform certificates sign, which are fetched. So registry and key may change in either order.
    //= C91
    fn platform_of(&self, facts: &AccountFacts) -> Option<String> {
        let named = facts.platform.clone()?;
        let waits = facts.channel == Channel::Wechat
            && facts.sign_method != SignMethod::Sm2
            && named.starts_with("PUB_KEY_ID_")
            && !channel::keys::wechat_platform(&facts.account, &named).is_ok_and(|key| self.keys().has(&key));
        if waits {
            tracing::warn!(
                account = facts.account.as_str(),
                "the public key that the registry names is not in the key folder; platform certificates are taken till then"
            );
        }
        (!waits).then_some(named)
    }

    /// Whether the key of the certificate that the registry names is held under that certificate's name, beside the key of the one
    /// before: then both follow the registry in the same step.
    //= C91
    fn key_by_serial(&self, facts: &AccountFacts) -> bool {
        let held = |serial: &String| {
            channel::keys::unionpay_merchant(&facts.account, Some(serial))
                .is_ok_and(|key| self.keys().has(&key))
        };
        facts.channel == Channel::Unionpay && facts.serial.as_ref().is_some_and(held)
    }

    /// The account as channels see it, for this payee; without one, for the account's own. Whether the payee may be
    /// paid is policy's to say, and what an order on record names stays its payee whatever the registry says today. The
    /// same goes for the app or mini program; without one it is the account's first.
    pub fn account(
        &self,
        facts: &AccountFacts,
        payee: Option<&PayeeNo>,
        appid: Option<&AppNo>,
    ) -> Arc<channel::Account> {
        let made_in = self.0.accounts.generation();
        let payee = payee.unwrap_or(&facts.payee);
        let key = (
            facts.channel,
            facts.account.clone(),
            payee.clone(),
            appid.cloned(),
        );
        if let Some(account) = self.0.accounts.get(&key) {
            return account;
        }
        let account = Arc::new(channel::Account {
            channel: facts.channel,
            account: facts.account.clone(),
            payee: payee.clone(),
            appid: appid
                .map(|appid| appid.as_str().to_owned())
                .or_else(|| facts.appids.first().cloned()),
            sub_appid: None,
            serial: facts.serial.clone(),
            key_by_serial: self.key_by_serial(facts),
            platform: self.platform_of(facts),
            root_sn: facts.root_sn.clone(),
            sign_method: facts.sign_method,
            encrypts: facts.encrypts,
            openapi: facts.openapi,
            codepay: facts.codepay,
            sha1: facts.sha1,
            bank: facts.bank.clone(),
            notify_url: format!(
                "{}/n/{}/{}",
                self.0.config.listen.told_at(facts.channel),
                facts.channel,
                facts.account
            ),
        });
        // Only registered payees are worth a place: anything can be asked for. And only what the registries in force say,
        // since the caller may have read others.
        let registered = facts.payees().any(|own| own == payee)
            && appid.is_none_or(|appid| facts.appids.iter().any(|own| own == appid.as_str()));
        if registered && self.is_in_force(facts) {
            self.0.accounts.put(made_in, key, account)
        } else {
            account
        }
    }

    /// The same, for an order of a sub-merchant's own app, where it is of one.
    pub(crate) fn account_in(
        &self,
        facts: &AccountFacts,
        payee: Option<&PayeeNo>,
        (appid, sub_appid): (Option<&AppNo>, Option<&AppNo>),
    ) -> Arc<channel::Account> {
        let account = self.account(facts, payee, appid);
        match sub_appid {
            None => account,
            Some(sub_appid) => Arc::new(channel::Account {
                sub_appid: Some(sub_appid.to_string()),
                ..(*account).clone()
            }),
        }
    }

    fn is_in_force(&self, facts: &AccountFacts) -> bool {
        self.registries()
            .owner_on_record(facts.channel, &facts.account)
            .is_some_and(|(_, own)| own == facts)
    }

    /// Time for a channel's answer.
    pub fn answer_time(&self) -> Duration {
        self.0.config.times.answer
    }

    /// Time that the loser of a race waits.
    pub fn claim_wait(&self) -> Duration {
        self.0.config.times.claim_wait
    }

    /// An order without an end of its own ends after this.
    pub fn standing_expiry_ms(&self) -> i64 {
        self.0.config.times.order.as_millis() as i64
    }

    /// Is there room for new orders? Notices, queries, closes and refunds go on without.
    pub fn open_for_new_orders(&self) -> Result<(), Fault> {
        if self.0.disk_full.load().is_some() {
            return Err(Fault::of(Code::StorageLow).retry(Duration::from_secs(60)));
        }
        Ok(())
    }

    /// Looks at the journal's disk; called each second.
    pub fn look_at_disk(&self) {
        let low = self
            .0
            .ledger
            .journal()
            .free()
            .is_some_and(|free| free < self.0.config.limits.disk_low);
        match (low, self.0.disk_full.load().is_some()) {
            (true, false) => {
                tracing::error!("the journal's disk is below its low-water mark; new orders are refused");
                self.0.disk_full.store(Some(Arc::new(())));
            }
            (false, true) => {
                tracing::info!("the journal's disk has room again");
                self.0.disk_full.store(None);
            }
            _ => {}
        }
    }

    /// Work that goes on when its caller hangs up; stopping waits for it.
    pub fn spawn_work<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        let guard = AtWork::new(&self.0.working);
        tokio::spawn(async move {
            let done = work.await;
            drop(guard);
            done
        })
    }

    /// Waits until no work is under way.
    pub async fn until_idle(&self) {
        loop {
            let idle = self.0.working.idle.notified();
            if self.0.working.count.load(Ordering::Acquire) == 0 {
                return;
            }
            let _ = tokio::time::timeout(Duration::from_millis(100), idle).await;
        }
    }

    /// Something may have to be told.
    pub fn wake_outbox(&self) {
        self.0.outbox.notify_one();
    }

    /// Resolves when something may have to be told.
    pub async fn outbox_woken(&self) {
        self.0.outbox.notified().await;
    }

    /// A named step of the road. A test run may end here as if the power had failed.
    pub fn step(&self, step: &'static str) {
        if let Some((at, times)) = &self.0.kill_at
            && at == step
            && times.fetch_sub(1, Ordering::SeqCst) == 1
        {
            eprintln!("stopping at {step}, as asked by GUANDAO_STOP_AT");
            std::process::abort();
        }
    }
}

struct AtWork(Arc<Working>);

impl AtWork {
    fn new(working: &Arc<Working>) -> AtWork {
        working.count.fetch_add(1, Ordering::AcqRel);
        AtWork(working.clone())
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
