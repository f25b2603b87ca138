//! One TOML file, checked whole before anything starts: `guandao check FILE` prints every problem at once.

pub use settings::{
    read::{Problem, line_of},
    registries::RegistryFiles,
};

use crate::limits::Rate;
use domain::Day;
use settings::read::{self, Section};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// The accepted configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this service; origin of its journals.
    pub name: String,
    /// Journal, index, snapshot, keyring.
    pub data: PathBuf,
    /// Where requests come in.
    pub listen: Listens,
    /// Key files, named like the keys.
    pub keys: PathBuf,
    /// Signed registries.
    pub registries: RegistryFiles,
    /// How often their folder is looked at.
    pub registries_every: Duration,
    /// CA roots that merchants' notify addresses must come from.
    pub notify_roots: Option<PathBuf>,
    /// Times of the vault.
    pub vault: vault::Settings,
    /// Other times.
    pub times: Times,
    /// Limits.
    pub limits: Limits,
    /// When accounts count as out of order.
    pub routing: Routing,
    /// The desk's journal; `None` where no desk runs.
    pub cases: Option<Cases>,
    /// Bills of the channels; `None` where they are not asked for.
    pub books: Option<Books>,
    /// Logs, metrics, traces.
    pub telemetry: Telemetry,
}

/// One TLS listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address.
    pub address: SocketAddr,
    /// Files.
    pub tls: certs::tls::ListenerFiles,
    /// Host name that requests must carry; any where absent.
    pub host: Option<String>,
}

/// All listeners.
#[derive(Debug, Clone)]
pub struct Listens {
    /// Unified API.
    pub api: Listen,
    /// Pass-through of WeChat Pay.
    pub wechat: Option<Listen>,
    /// Pass-through of Alipay.
    pub alipay: Option<Listen>,
    /// Pass-through of UnionPay.
    pub unionpay: Option<Listen>,
    /// Notices of channels.
    pub notify: Listen,
    /// How channels reach that listener: `https://pay.example`.
    pub notify_url: String,
    /// Notices of banks that send them in clear, plain HTTP (channels.md 6.1).
    pub banks: Option<SocketAddr>,
    /// How banks reach that listener: `http://pay.example`; [`Listens::notify_url`] where absent.
    pub banks_url: Option<String>,
    /// Payers at a code.
    pub pages: Option<Listen>,
    /// How payers reach that listener: `https://pay.example`; it stands in every printed code.
    pub pages_url: Option<String>,
    /// The trades journal, for the desk; client certificates required.
    pub journal: Option<Listen>,
    /// Metrics and health, plain HTTP on a private address.
    pub metrics: SocketAddr,
}

impl Listens {
    /// How a channel reaches the listener for its notices.
    pub fn told_at(&self, channel: domain::Channel) -> &str {
        let own = self.banks_url.as_deref().filter(|_| channel.is_bank());
        own.unwrap_or(&self.notify_url)
    }

    /// Those with TLS, by name.
    pub fn with_tls(&self) -> impl Iterator<Item = (&'static str, &Listen)> {
        let all = [
            ("api", Some(&self.api)),
            ("notify", Some(&self.notify)),
            ("wechat", self.wechat.as_ref()),
            ("alipay", self.alipay.as_ref()),
            ("unionpay", self.unionpay.as_ref()),
            ("pages", self.pages.as_ref()),
            ("journal", self.journal.as_ref()),
        ];
        all.into_iter().filter_map(|(name, listen)| Some((name, listen?)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        let plain = [Some(self.metrics), self.banks];
        self.with_tls().count() + plain.into_iter().flatten().count()
    }
}

/// Times of the road.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// A channel's answer.
    pub answer: Duration,
    /// A connection to a channel.
    pub connect: Duration,
    /// The loser of a race waits so long for the winner.
    pub claim_wait: Duration,
    /// An order without an end of its own ends after this.
    pub order: Duration,
    /// First look at what is unknown.
    pub unknown_after: Duration,
    /// First look at an order that waits for its payer.
    pub placed_after: Duration,
    /// First look at a refund under way.
    pub refund_after: Duration,
    /// What only the merchant can ask for is unresolved so long after its end; `None` for the channel's own time.
    pub silence: Option<Duration>,
    /// First query of a payment-code order that is open; `None` for the channel's own time.
    pub charge_after: Option<Duration>,
    /// So long may the payer of a payment-code order take; then it is reversed. `None` for the channel's own time.
    pub charge_wait: Option<Duration>,
    /// Not sooner after its charging call a payment-code order may be reversed; `None` for the channel's own time.
    pub reverse_after: Option<Duration>,
    /// What a payer's page hands out to a browser can be opened so long; no other way takes its place before.
    pub handed_out: Duration,
    /// First repeat of a notification.
    pub notify_after: Duration,
    /// A notification is given up after this; at least a day in service.
    pub notify_until: Duration,
    /// Open requests may finish for so long when stopping.
    pub drain: Duration,
}

/// Limits of the road.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Per merchant, where the registry says nothing.
    pub merchant: Rate,
    /// Per channel.
    pub channel: Rate,
    /// Per source address.
    pub source: Rate,
    /// Per source address at payers' pages, and per code.
    pub payer: Rate,
    /// Refused signatures per source address.
    pub failures: Rate,
    /// Connections per listener.
    pub connections: usize,
    /// So many of them from one source address.
    pub connections_per_source: usize,
    /// New orders stop below this many free octets on the journal's disk.
    pub disk_low: u64,
    /// Signing threads.
    pub signers: usize,
    /// Codes that payers scan, per merchant: they are held in memory.
    pub codes: usize,
}

/// When an account counts as out of order, and when it is tried again.
#[derive(Debug, Clone, Copy)]
pub struct Routing {
    /// So many bad calls in a row open its breaker.
    pub failures: u32,
    /// So does this share of the calls of the window, of eight at least.
    pub bad_percent: u32,
    /// An answer that took so long counts as bad.
    pub slow: Duration,
    /// How long calls are remembered.
    pub window: Duration,
    /// First rest of an open breaker; each further one is twice as long.
    pub rest: Duration,
    /// Longest rest.
    pub rest_most: Duration,
    /// How long one order may try out a half-open account before another may.
    pub trial: Duration,
}

/// The desk.
#[derive(Debug, Clone)]
pub struct Cases {
    /// `https://host:port` of its journal listener.
    pub url: String,
    /// CA of that listener.
    pub ca: PathBuf,
    /// Our client certificate.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Verifier key of the cases journal, as text or in a file.
    pub vkey_file: PathBuf,
    /// New orders stop when the desk was not reachable for so long.
    pub patience: Duration,
}

/// Reconciliation with the channels' bills.
#[derive(Debug, Clone)]
pub struct Books {
    /// First day that is compared; the journal's first where absent.
    pub from: Option<Day>,
    /// A day's bill is asked for so long after the day's end. Channels make it from 9:00 on (channels.md 1.13).
    pub after: Duration,
    /// A bill that is not there yet is asked for again after this.
    pub retry: Duration,
    /// How often is looked whether one is due.
    pub every: Duration,
    /// So long after a day's end UnionPay's one word for "nothing happened" and "not made yet" (98) means the former.
    pub none_after: Duration,
    /// WeChat's fund-flow bill is asked for too.
    pub funds: bool,
}

/// Logs, metrics and traces.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Logs as JSON lines.
    pub json: bool,
    /// Most verbose level: `error warn info debug`.
    pub level: String,
    /// OTLP receiver over gRPC, `http://host:4317`.
    pub otlp: Option<String>,
}

impl Config {
    /// Reads and checks the whole file.
    ///
    /// # Errors
    /// Every problem of the file.
    pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
        match Config::read(text) {
            (Some(config), found) if found.is_empty() => Ok(config),
            (_, found) => Err(found),
        }
    }

    /// The same, with stand-ins for what is wrong, so that all else can be looked at; for [`crate::check`] only.
    pub(crate) fn read(text: &str) -> (Option<Config>, Vec<Problem>) {
        read::read_all(text, |root| {
            let (registries, registries_every) = root.section("registries", registries);
            Config {
                name: root.journal_name(),
                data: root.path("data"),
                listen: root.section("listen", listens),
                keys: root.path("keys"),
                registries,
                registries_every,
                notify_roots: root.text_or_none("notify_roots").map(PathBuf::from),
                vault: root.section("vault", vault_settings),
                times: root.section("times", times),
                limits: root.section("limits", limits),
                routing: root.section("routing", routing),
                cases: root.optional("cases", cases),
                books: root.optional("books", books),
                telemetry: root.section("telemetry", telemetry),
            }
        })
    }
}

fn listen(section: &Section<'_>, client_required: bool) -> Listen {
    let client_ca = section.text_or_none("client_ca").map(PathBuf::from);
    if client_required && client_ca.is_none() {
        section.problem(
            "client_ca",
            None,
            "the key is missing",
            "this listener needs the CA of its clients' certificates",
        );
    }
    Listen {
        address: section.address("address"),
        tls: certs::tls::ListenerFiles {
            cert: section.path("cert"),
            key: section.path("key"),
            client_required: client_required || section.flag("client_required", false),
            client_ca,
        },
        host: section.text_or_none("host"),
    }
}

fn listens(section: &Section<'_>) -> Listens {
    let notify_url = section.text("notify_url");
    if section.has("notify_url")
        && !(notify_url.starts_with("https://") && !notify_url.contains('?') && !notify_url.ends_with('/'))
    {
        section.problem(
            "notify_url",
            None,
            "channels cannot be told this address",
            "write https://host without a query and without a closing slash",
        );
    }
    let pages = section.optional("pages", |s| listen(s, false));
    let pages_url = section.text_or_none("pages_url");
    match (&pages, &pages_url) {
        (_, Some(url))
            if !(url.starts_with("https://")
                && url.len() > 8
                && !url[8..].contains(['/', '?', '#', ' '])) =>
        {
            section.problem(
                "pages_url",
                None,
                "payers cannot be sent to this address",
                "write https://host without a path",
            );
        }
        (Some(_), None) => section.problem(
            "pages_url",
            None,
            "the key is missing",
            "write how payers reach listen.pages, such as \"https://pay.example\"",
        ),
        _ => {}
    }
    Listens {
        pages,
        pages_url,
        banks_url: section.text_or_none("banks_url").inspect(|url| {
            let rest = url
                .strip_prefix("http://")
                .or_else(|| url.strip_prefix("https://"));
            if !section.has("banks")
                || rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', '?', '#', ' ']))
            {
                section.problem(
                    "banks_url",
                    None,
                    "banks cannot be told this address",
                    "write http://host without a path, beside listen.banks",
                );
            }
        }),
        banks: section.has("banks").then(|| section.address("banks")),
        api: section.section("api", |s| listen(s, false)),
        wechat: section.optional("wechat", |s| listen(s, false)),
        alipay: section.optional("alipay", |s| listen(s, false)),
        unionpay: section.optional("unionpay", |s| listen(s, false)),
        notify: section.section("notify", |s| listen(s, false)),
        notify_url,
        journal: section.optional("journal", |s| listen(s, true)),
        metrics: section.address("metrics"),
    }
}

fn registries(section: &Section<'_>) -> (RegistryFiles, Duration) {
    (
        RegistryFiles::read(section),
        section.millis("every_ms", 1000, 50, 60_000),
    )
}

fn vault_settings(section: &Section<'_>) -> vault::Settings {
    let seconds = |key, default, least, most| Duration::from_secs(section.number(key, default, least, most));
    let settings = vault::Settings {
        bucket: seconds("bucket_seconds", 60, 1, 300),
        deadline: seconds("deadline_seconds", 120, 2, 600),
        renew_at_most: seconds("notify_seconds", 86_400, 60, 86_400),
        epochs: vault::Lengths {
            days: section.number("epoch_days", 90, 1, 366) as u32,
            kept: section.number("epoch_kept_days", 30, 0, 366) as u32,
        },
    };
    // What is sealed again in the last bucket's length of its key must come to lie under a later one.
    if settings.deadline < settings.bucket * 2 {
        section.problem(
            "deadline_seconds",
            None,
            "the deadline is shorter than two buckets: what is sealed could die at once, and nothing could be renewed",
            "a deadline of at least twice bucket_seconds",
        );
    }
    settings
}

fn times(section: &Section<'_>) -> Times {
    Times {
        answer: section.millis("answer_ms", 10_000, 100, 60_000),
        connect: section.millis("connect_ms", 3000, 50, 30_000),
        claim_wait: section.millis("claim_wait_ms", 12_000, 50, 60_000),
        order: Duration::from_secs(section.number("order_seconds", 7200, 60, 604_800)),
        unknown_after: section.millis("unknown_after_ms", 3000, 50, 600_000),
        placed_after: section.millis("placed_after_ms", 30_000, 50, 3_600_000),
        refund_after: section.millis("refund_after_ms", 30_000, 50, 3_600_000),
        silence: Some(section.number("silence_seconds", 0, 0, 2_592_000))
            .filter(|n| *n > 0)
            .map(Duration::from_secs),
        charge_after: own_time(section, "charge_after_ms", 60_000),
        charge_wait: own_time(section, "charge_wait_ms", 600_000),
        reverse_after: own_time(section, "reverse_after_ms", 120_000),
        handed_out: section.millis("handed_out_ms", 300_000, 1000, 1_800_000),
        notify_after: section.millis("notify_after_ms", 15_000, 50, 3_600_000),
        notify_until: Duration::from_secs(section.number("notify_hours", 25, 24, 240) * 3600),
        drain: section.millis("drain_ms", 20_000, 0, 120_000),
    }
}

/// Zero stands for the channel's own time.
fn own_time(section: &Section<'_>, key: &'static str, most: u64) -> Option<Duration> {
    Some(section.millis(key, 0, 0, most)).filter(|time| !time.is_zero())
}

fn limits(section: &Section<'_>) -> Limits {
    let rate = |key: &'static str, per_second: u64, burst: u64| {
        section.section(key, |s| {
            let per_second = s.number("per_second", per_second, 1, 10_000_000) as u32;
            Rate::new(
                per_second,
                s.number("burst", burst.max(u64::from(per_second)), 1, 10_000_000) as u32,
            )
        })
    };
    let connections = section.number("connections", 12_000, 16, 1_000_000);
    let a_sixteenth = (connections / 16).max(16);
    Limits {
        merchant: rate("merchant", 200, 400),
        channel: rate("channel", 5000, 10_000),
        source: rate("source", 500, 1000),
        payer: rate("payer", 10, 60),
        failures: rate("failures", 2, 60),
        connections: connections as usize,
        connections_per_source: section.number("connections_per_source", a_sixteenth, 1, 1_000_000) as usize,
        disk_low: section.number("disk_low_mib", 1024, 0, 1 << 30) << 20,
        signers: section.number("signers", 0, 0, 256) as usize,
        codes: section.number("codes", 50_000, 1, 10_000_000) as usize,
    }
}

fn routing(section: &Section<'_>) -> Routing {
    let settings = Routing {
        failures: section.number("failures", 3, 1, 100) as u32,
        bad_percent: section.number("bad_percent", 50, 1, 100) as u32,
        slow: section.millis("slow_ms", 3000, 10, 60_000),
        window: section.millis("window_ms", 30_000, 1000, 600_000),
        rest: section.millis("rest_ms", 5000, 50, 600_000),
        rest_most: section.millis("rest_most_ms", 60_000, 50, 3_600_000),
        trial: section.millis("trial_ms", 10_000, 100, 600_000),
    };
    if settings.rest_most < settings.rest {
        section.problem(
            "rest_most_ms",
            None,
            "the longest rest is shorter than the first",
            "at least rest_ms",
        );
    }
    settings
}

fn cases(section: &Section<'_>) -> Cases {
    Cases {
        url: section.text("url"),
        ca: section.path("ca"),
        cert: section.path("cert"),
        key: section.path("key"),
        vkey_file: section.path("vkey_file"),
        patience: Duration::from_secs(section.number("patience_seconds", 900, 5, 900)),
    }
}

fn books(section: &Section<'_>) -> Books {
    let from = section.text_or_none("from");
    let day = from.as_ref().and_then(|text| Day::parse(text));
    if from.is_some() && day.is_none() {
        section.problem(
            "from",
            None,
            "this is no day",
            "write a day such as \"2026-11-23\"",
        );
    }
    Books {
        from: day,
        after: Duration::from_secs(section.number("after_minutes", 600, 0, 2880) * 60),
        none_after: Duration::from_secs(section.number("none_after_minutes", 2880, 0, 43_200) * 60),
        retry: section.millis("retry_ms", 1_800_000, 100, 86_400_000),
        every: section.millis("every_ms", 60_000, 50, 3_600_000),
        funds: section.flag("funds", true),
    }
}

fn telemetry(section: &Section<'_>) -> Telemetry {
    let level = section.text_or_none("level").unwrap_or_else(|| "info".into());
    if !["error", "warn", "info", "debug"].contains(&level.as_str()) {
        section.problem(
            "level",
            None,
            "this is no level",
            "write error, warn, info or debug",
        );
    }
    Telemetry {
        json: section.flag("json", false),
        level,
        otlp: section.text_or_none("otlp"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_at_once_with_path_line_and_what_would_be_right() {
        let text = "name = \"a b\"\ndata = 5\nkeys = \"k\"\nmistyped = 1\n[listen]\nmetrics = \"nowhere\"\nnotify_url = \"http://x/\"\n[listen.api]\naddress = \"127.0.0.1:1\"\n[vault]\nbucket_seconds = 100000\n";
        let problems = Config::parse(text).expect_err("many problems");
        let has = |path: &str, line: usize| {
            assert!(
                problems
                    .iter()
                    .any(|p| p.path == path && (line == 0 || p.line == line)),
                "{path} at {line} in {problems:#?}"
            )
        };
        has("name", 0);
        has("data", 2);
        has("mistyped", 4);
        has("listen.metrics", 6);
        has("listen.api.cert", 0);
        has("listen.notify.address", 0);
        has("vault.bucket_seconds", 11);
        has("registries.dir", 0);
        assert!(problems.iter().all(|p| !p.right.is_empty()));
    }

    #[test]
    //= C34
    fn a_deadline_of_less_than_two_buckets_is_refused() {
        let refused = |bucket: u64, deadline: u64| {
            let text = format!("[vault]\nbucket_seconds = {bucket}\ndeadline_seconds = {deadline}\n");
            let problems = Config::parse(&text).expect_err("all else is missing");
            problems
                .iter()
                .any(|p| p.path == "vault.deadline_seconds" && p.right.contains("twice bucket_seconds"))
        };
        assert!(refused(120, 120) && refused(60, 90) && refused(2, 3));
        assert!(!refused(60, 120) && !refused(1, 2) && !refused(300, 600));
    }

    #[test]
    fn a_key_or_the_nearest_table_around_it_has_a_line() {
        let text = "name = \"x\"\n\n[listen.api]\nhost = \"a\"\n[cases]\nurl = \"u\"\n";
        for (path, line) in [
            ("name", 1),
            ("listen.api.host", 4),
            ("listen.api.cert", 3),
            ("cases.url", 6),
            ("vault.bucket", 1),
        ] {
            assert_eq!(line_of(text, path), line, "{path}");
        }
    }

    #[test]
    fn what_is_not_toml_says_where() {
        let problems = Config::parse("name = \"x\"\nbroken =\n").expect_err("not TOML");
        assert_eq!((problems.len(), problems[0].line), (1, 2));
    }
}
