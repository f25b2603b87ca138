//! `guandao-sandbox demo`.
#![allow(clippy::print_stdout)] // a command answers on standard output

use super::{Demo, Own, books, orders::Told, place::Options, signals::Signals, stories, watched};
use anyhow::{Context, ensure};
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// With `--exit` all of it must be over by then, seconds.
const LIMIT: u64 = 180;
/// What is left of it for stopping in good order, seconds.
const FOR_STOPPING: u64 = 20;
/// Merchants for whoever uses the demo, published in `endpoints.json`.
const PUBLISHED: usize = 3;

/// What the demo is asked to do.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder for keys, configurations, journals; made anew.
    #[arg(long)]
    pub dir: PathBuf,
    /// Orders of the stories altogether, each story once at least; trade planted for the watch comes on top.
    #[arg(long, default_value_t = 26)]
    pub orders: usize,
    /// End when all is told; status 0 only if all was as it should be.
    #[arg(long)]
    pub exit: bool,
    /// Proxy, desk and channels each in a process of its own: so it always is; the word is still taken.
    #[arg(long)]
    pub split: bool,
    /// Without a desk: no flags, no export.
    #[arg(long)]
    pub no_desk: bool,
    /// The first published merchant has a second account at WeChat, Alipay, UnionPay, Baidu and CCB, rules, rates and an
    /// agent; the lines to its first ones are lost and found again by `POST /control/line`.
    #[arg(long)]
    pub second_accounts: bool,
}

/// With second accounts: an outage is found out, and its end, within seconds (manual, chapter 15).
const ROUTING: &str = "[routing]\nslow_ms = 400\nrest_ms = 500\nrest_most_ms = 2000\ntrial_ms = 2000\n";

/// Runs the demo.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let began = Instant::now();
    let mut signals = Signals::listen()?;
    if arguments.dir.join("endpoints.json").exists() {
        std::fs::remove_dir_all(&arguments.dir).with_context(|| arguments.dir.display().to_string())?;
    }
    let (own, merchants) = Own::after(PUBLISHED);
    let plan = books::Plan::of(own.stopped)?;
    let options = Options {
        desk: !arguments.no_desk,
        merchants,
        own: merchants - PUBLISHED,
        books: Some(plan),
        second_accounts: arguments.second_accounts,
        rules: arguments.second_accounts,
        extra: if arguments.second_accounts { ROUTING } else { "" }.into(),
        ..Options::default()
    };
    let demo = Arc::new(Demo::start(&arguments.dir, &options, true).await?);
    println!(
        "everything runs after {} s; endpoints.json is in {}",
        began.elapsed().as_secs(),
        demo.place.dir.display()
    );
    let left = Duration::from_secs(LIMIT - FOR_STOPPING).saturating_sub(began.elapsed());
    let failed = tokio::select! {
        () = signals.come() => return demo.services.stop().await,
        failed = tell(&demo, &own, &arguments, left) => failed,
    };
    println!("{} s of {LIMIT} s used", began.elapsed().as_secs());
    match failed.len() {
        0 => println!("all was as it should be"),
        many => println!("NOT as it should be, {many} times:\n{}", failed.join("\n")),
    }
    if !arguments.exit {
        println!("serving until interrupted (SIGINT, SIGTERM)");
        signals.come().await;
        return demo.services.stop().await;
    }
    demo.services.stop().await?;
    ensure!(
        failed.is_empty(),
        "{} of what the demo tells failed",
        failed.len()
    );
    Ok(())
}

/// Everything the demo tells; what failed, in words. With `--exit` it takes no longer than is left.
async fn tell(demo: &Arc<Demo>, own: &Own, arguments: &Arguments, left: Duration) -> Vec<String> {
    let orders = stories::count(arguments.orders);
    println!("{orders} orders, {} at a time", stories::AT_ONCE);
    let mut failed = Vec::new();
    let all = async {
        let mut lines = Vec::new();
        // Beside the orders, since most of it is waiting too; told behind them.
        let ((told, broken), books) = tokio::join!(
            demo.tell(orders, own.stories),
            books::tell(demo, !arguments.no_desk, &mut lines)
        );
        broken.into_iter().for_each(|why| fail(&mut failed, why));
        lines.iter().for_each(|line| println!("{line}"));
        if let Err(why) = books {
            fail(&mut failed, format!("the books: {why:#}"));
        }
        let (flags, rows) = (
            watch(demo, own, arguments.no_desk).await,
            prove(demo, &told).await,
        );
        flags
            .into_iter()
            .chain(rows)
            .for_each(|why| fail(&mut failed, why));
    };
    if !arguments.exit {
        all.await;
    } else if tokio::time::timeout(left, all).await.is_err() {
        fail(
            &mut failed,
            format!("not all was told within {} s", LIMIT - FOR_STOPPING),
        );
    }
    failed
}

fn fail(failed: &mut Vec<String>, why: String) {
    println!("FAILED: {why}");
    failed.push(why);
}

async fn watch(demo: &Demo, own: &Own, no_desk: bool) -> Option<String> {
    if no_desk {
        return None;
    }
    watched::watch(demo, own)
        .await
        .err()
        .map(|why| format!("the watch: {why:#}"))
}

/// Prints what became of each order; what was not as it should be comes back.
async fn prove(demo: &Demo, told: &[Told]) -> Vec<String> {
    let mut failed = Vec::new();
    println!(
        "{:<52} {:<34} {:<16} {:<12} {:<12} {:>7}  proof",
        "order", "payment", "state", "sealed in", "purged at", "entry"
    );
    for one in told {
        match demo.fate(one).await {
            Ok(fate) => println!(
                "{:<52} {:<34} {:<16} {:<12} {:<12} {:>7}  verified",
                one.what,
                one.id,
                fate.state,
                fate.sealed(),
                fate.purged(),
                fate.index
            ),
            Err(why) => {
                println!(
                    "{:<52} {:<34} {:<16} {:<12} {:<12} {:>7}  NOT proven",
                    one.what, one.id, one.state, "?", "?", one.index
                );
                failed.push(format!("{}: {}: {why:#}", one.what, one.id));
            }
        }
    }
    println!(
        "sealed in: buckets of the vault whose keys sealed buyer data; purged at: the journal entries that say that these keys are gone"
    );
    for (what, said) in [
        ("the journal", demo.prove_journal()),
        ("the purge", demo.prove_purge()),
    ] {
        match said {
            Ok(said) => println!("{what} verified\n{}", said.trim_end()),
            Err(why) => failed.push(format!("{what}: {why:#}")),
        }
    }
    failed
}
