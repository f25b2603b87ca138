//! `guandao-sandbox demo`.
#![allow(clippy::print_stdout)] // a command answers on standard output

use super::{
    Demo,
    officers::{self, Officer},
    orders::Told,
    place::Options,
    planted,
};
use anyhow::{Context, ensure};
use serde_json::json;
use std::{path::PathBuf, time::Duration};

/// What the demo is asked to do.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder for keys, configurations, journals; made anew.
    #[arg(long)]
    pub dir: PathBuf,
    /// Rounds of stories over every channel.
    #[arg(long, default_value_t = 1)]
    pub orders: usize,
    /// End when all is told; status 0 only if all was as it should be.
    #[arg(long)]
    pub exit: bool,
    /// Proxy, desk and channels each in a process of its own.
    #[arg(long)]
    pub split: bool,
    /// Without a desk: no flags, no export.
    #[arg(long)]
    pub no_desk: bool,
}

/// Runs the demo.
pub async fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.dir.join("endpoints.json").exists() {
        std::fs::remove_dir_all(&arguments.dir).with_context(|| arguments.dir.display().to_string())?;
    }
    let options = Options { desk: !arguments.no_desk, ..Options::default() };
    let demo = Demo::start(&arguments.dir, &options, arguments.split).await?;
    println!("everything runs; endpoints.json is in {}", demo.place.dir.display());
    let told = demo.tell(arguments.orders).await?;
    if options.desk {
        watch(&demo).await?;
    }
    prove(&demo, &told).await?;
    if arguments.exit {
        return demo.services.stop().await;
    }
    println!("serving until interrupted (Ctrl-C)");
    tokio::signal::ctrl_c().await?;
    demo.services.stop().await
}

/// Planted cases are flagged, ordinary trade is not; a stopped merchant's next order is refused.
async fn watch(demo: &Demo) -> anyhow::Result<()> {
    planted::plant(demo, &demo.merchant(1)?).await?;
    let (a, b) = (Officer::sign_in(demo, "officer-a").await?, Officer::sign_in(demo, "officer-b").await?);
    let flags = a.until_flagged(&planted::RULES).await?;
    let planted_at = demo.place.merchants[1].id.clone();
    let others: Vec<_> = flags.iter().filter(|f| f["merchant"] != json!(planted_at)).collect();
    ensure!(others.is_empty(), "ordinary trade was flagged: {others:?}");
    println!("flagged at {planted_at}: {} cases of {}; nothing elsewhere", flags.len(), planted::RULES.join(" "));
    let confirmed = officers::confirm_all(&a, &b).await?;
    let package = demo.export()?;
    demo.prove_export(&package)?;
    println!("confirmed by two officers: {confirmed}; package {} verified", package.file_name().unwrap_or_default().display());
    let merchant = demo.merchant(2)?;
    officers::stop_merchant(&a, &b, merchant.id()).await?;
    let began = std::time::Instant::now();
    loop {
        let body = json!({ "order_no": demo.next_number(), "channel": "wechat", "pay_way": "native", "amount": 100, "description": "x" });
        let answer = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        if answer.status == 403 && answer.json()["code"] == "order_not_accepted" {
            break;
        }
        ensure!(began.elapsed() < Duration::from_secs(2), "the stop took no effect within 2 s: {}", answer.json());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{} stopped by two officers; its next order was refused {} ms later, like any order_not_accepted", merchant.id(), began.elapsed().as_millis());
    Ok(())
}

async fn prove(demo: &Demo, told: &[Told]) -> anyhow::Result<()> {
    println!("{:<52} {:<34} {:<16} {:>7}  receipt", "order", "payment", "state", "entry");
    for one in told {
        // Orders of two merchants are told; a receipt is for its own merchant only.
        let proven = match demo.prove_receipt(0, one).await {
            Ok(()) => Ok(()),
            Err(_) => demo.prove_receipt(3, one).await,
        };
        proven.with_context(|| format!("{}: {}", one.what, one.id))?;
        println!("{:<52} {:<34} {:<16} {:>7}  verified", one.what, one.id, one.state, one.index);
    }
    // The last buckets die within the demo's deadline of five seconds.
    tokio::time::sleep(Duration::from_secs(7)).await;
    demo.prove_journal()?;
    let purge = demo.prove_purge()?;
    println!("journal verified; {} orders sealed and purged", told.len());
    println!("{}", purge.lines().rev().take(4).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n"));
    Ok(())
}
