//! `guandao-sandbox`: the licensed channels, played on this machine.

#![allow(clippy::print_stdout)]

use anyhow::Context;
use clap::{Parser, Subcommand};
use sandbox::channels::{Running, Settings, start};
use sandbox::material::{self, Material};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Buffers of every library are wiped when freed: the demo's proxy may run in this process.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

#[derive(Parser)]
#[command(
    name = "guandao-sandbox",
    version,
    about = "Plays WeChat Pay, Alipay, UnionPay, the Baidu wallet and three banks from their public documents"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the channels with generated keys and run until interrupted.
    Channels(Channels),
    /// Start channels, proxy and desk, drive real orders, print and prove what became of each.
    Demo(sandbox::demo::command::Arguments),
    /// Tell a merchant's notification endpoint what it does wrong: status 0 nothing, 1 something, 2 could not be run.
    Check(sandbox::check::command::Arguments),
}

#[derive(clap::Args)]
struct Channels {
    /// Where keys, certificates and channels.json go; kept and reused if they are there.
    #[arg(long, default_value = "sandbox-data")]
    dir: PathBuf,
    /// Address of the HTTPS listeners; the control listener is always on loopback.
    #[arg(long, default_value = "127.0.0.1")]
    listen: IpAddr,
    /// Port of all channels together, 0 for any.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Port of WeChat Pay alone, 0 for any.
    #[arg(long, default_value_t = 0)]
    wechat_port: u16,
    /// Port of Alipay alone, 0 for any.
    #[arg(long, default_value_t = 0)]
    alipay_port: u16,
    /// Port of UnionPay alone, 0 for any.
    #[arg(long, default_value_t = 0)]
    unionpay_port: u16,
    /// Port of the control API, 0 for any.
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// How many merchants all channels know.
    #[arg(long, default_value_t = 2)]
    merchants: usize,
    /// What waiting times between notices are divided by.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// So long after its charge WeChat's V2 takes no reverse of a payment code's order.
    #[arg(long, default_value_t = 15_000)]
    reverse_after_ms: u64,
    /// Host that is told by plain http too, as a notify_url names it; may be repeated. Else plain http goes to this machine only.
    #[arg(long = "notify-to", value_name = "HOST", value_parser = host)]
    notify_to: Vec<String>,
    /// Further host name for the certificates; may be repeated.
    #[arg(long = "name")]
    names: Vec<String>,
}

/// A name or an address, and nothing around it.
fn host(text: &str) -> Result<String, String> {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    let name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let right = !text.is_empty() && (text.chars().all(name) || address.parse::<IpAddr>().is_ok());
    right.then(|| text.to_owned()).ok_or_else(|| {
        "it must be a host's name or address alone, such as `shop` for http://shop:8080/notify".to_owned()
    })
}

fn main() -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match Arguments::parse().command {
        Command::Channels(arguments) => runtime.block_on(channels(arguments)).map(|()| ExitCode::SUCCESS),
        Command::Demo(arguments) => runtime
            .block_on(sandbox::demo::command::run(arguments))
            .map(|()| ExitCode::SUCCESS),
        Command::Check(arguments) => Ok(
            match runtime.block_on(sandbox::check::command::check(arguments)) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(error) => {
                    eprintln!("{error:#}");
                    ExitCode::from(2)
                }
            },
        ),
    }
}

async fn channels(arguments: Channels) -> anyhow::Result<()> {
    let material = material::open_or_generate(&arguments.dir, arguments.merchants)?;
    let running = start(Settings {
        listen: arguments.listen,
        port: arguments.port,
        wechat_port: arguments.wechat_port,
        alipay_port: arguments.alipay_port,
        unionpay_port: arguments.unionpay_port,
        control_port: arguments.control_port,
        notify_to: arguments.notify_to,
        names: arguments.names,
        speed: arguments.speed,
        reverse_after: Duration::from_millis(arguments.reverse_after_ms),
        ..Settings::new(&arguments.dir, material.merchants.clone())
    })
    .await?;
    let inventory = describe(&material, &running);
    let place = arguments.dir.join("channels.json");
    // Written beside and renamed: whoever waits for the file never reads half of it.
    write_whole(&place, &serde_json::to_string_pretty(&inventory)?)?;
    println!("all         {}", running.url());
    println!("WeChat Pay  {}", running.wechat_url());
    println!("Alipay      {}", running.alipay_url());
    println!("UnionPay    {}", running.unionpay_url());
    println!("control     {}", running.control_url());
    println!("CA          {}", material.ca_path().display());
    println!("all of it   {}", place.display());
    sandbox::demo::signals::Signals::listen()?.come().await;
    running.stop();
    Ok(())
}

/// What a client needs to know; file names are relative to the directory.
fn describe(material: &Material, running: &Running) -> Value {
    let merchants: Vec<Value> = material
        .merchants
        .iter()
        .map(|m| json!({"wechat": m.wechat, "alipay": m.alipay, "unionpay": m.unionpay, "baidu": m.baidu, "ccb": m.ccb, "icbc": m.icbc, "cmb": m.cmb}))
        .collect();
    json!({
        "url": running.url(),
        "wechat": {"url": running.wechat_url(), "host": "api.mch.weixin.qq.com"},
        "alipay": {"url": running.alipay_url(), "host": "openapi.alipay.com"},
        "unionpay": {"url": running.unionpay_url(), "host": "gateway.95516.com"},
        "baidu": {"url": running.url(), "host": "www.baifubao.com"},
        "ccb": {"url": running.url(), "host": "ibsbjstar.ccb.com.cn"},
        "icbc": {"url": running.url(), "host": "b2c.icbc.com.cn"},
        "cmb": {"url": running.url(), "host": "netpay.cmbchina.com"},
        "control": running.control_url(),
        "ca": material.ca_file,
        "pid": std::process::id(),
        "merchants": merchants,
    })
}

fn write_whole(place: &Path, text: &str) -> anyhow::Result<()> {
    let beside = place.with_extension("json.new");
    std::fs::write(&beside, text).with_context(|| beside.display().to_string())?;
    std::fs::rename(&beside, place).with_context(|| place.display().to_string())
}
