//! `guandao-sandbox check --merchant URL`.
#![allow(clippy::print_stdout)] // a command answers on standard output

use super::{Check, Delivered, Endpoint, Language, Mode, Scheme, run, wire::usual_roots};
use anyhow::{Context, anyhow};
use std::path::PathBuf;

/// The language of the notices.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// The service's own.
    Guandao,
    /// WeChat Pay's, APIv3.
    Wechat,
    /// Alipay's, by form.
    Alipay,
}

/// What is checked, and how.
#[derive(clap::Args)]
pub struct Arguments {
    /// The merchant's notification endpoint, https (http on one machine).
    #[arg(long)]
    merchant: String,
    /// Where the keys lie; made where they are not there.
    #[arg(long, default_value = "sandbox-data")]
    dir: PathBuf,
    /// Language of the notices.
    #[arg(long, value_enum, default_value = "guandao")]
    format: Format,
    /// Scheme of the signatures in the service's own language.
    #[arg(long, value_enum, default_value = "ed25519")]
    scheme: Scheme,
    /// By what WeChat Pay signs; `certificate` where left out.
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Private key (PEM) that the endpoint knows already, instead of one in DIR.
    #[arg(long, requires = "serial")]
    key: Option<PathBuf>,
    /// The serial under which it knows that key.
    #[arg(long, requires = "key")]
    serial: Option<String>,
    /// The merchant that the service's own notices are for (their `mchid`).
    #[arg(long, default_value = "M1001")]
    mchid: String,
    /// Roots of trust for https (PEM); the machine's own where left out.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// An order that the endpoint knows and that waits for its payment, NUMBER:FEN; may be repeated (eleven are used).
    #[arg(long = "order", value_parser = order)]
    orders: Vec<(String, u64)>,
    /// Address with {order_no} in it that tells, as a number, how often an order was delivered.
    #[arg(long)]
    delivered: Option<String>,
    /// Writes the report as JSON to this file too.
    #[arg(long)]
    json: Option<PathBuf>,
}

fn order(text: &str) -> Result<(String, u64), String> {
    let (no, fen) = text
        .rsplit_once(':')
        .ok_or("an order is NUMBER:FEN, such as A1001:1250")?;
    Ok((
        no.to_owned(),
        fen.parse()
            .map_err(|_| "the amount after the colon is whole fen")?,
    ))
}

/// Runs it and prints the report; true where nothing is wrong.
///
/// # Errors
/// Where it cannot be run.
pub async fn check(arguments: Arguments) -> anyhow::Result<bool> {
    let secure = |url: &str| url.starts_with("https:");
    let needed = secure(&arguments.merchant) || arguments.delivered.as_deref().is_some_and(secure);
    let roots = match arguments.ca {
        Some(file) => file,
        None if needed => usual_roots()?,
        None => PathBuf::new(),
    };
    let language = match arguments.format {
        Format::Wechat | Format::Alipay if arguments.key.is_some() => {
            return Err(anyhow!("--key is for the service's own language"));
        }
        Format::Guandao | Format::Alipay if arguments.mode.is_some() => {
            return Err(anyhow!("--mode is for WeChat Pay's language"));
        }
        Format::Wechat => Language::wechat(&arguments.dir, arguments.mode.unwrap_or(Mode::Certificate))?,
        Format::Alipay => Language::alipay(&arguments.dir)?,
        Format::Guandao => Language::guandao(
            &arguments.dir,
            arguments.scheme,
            arguments.key.as_deref().zip(arguments.serial.as_deref()),
        )?
        .to(&arguments.mchid),
    };
    println!(
        "public key {} under serial {}",
        language.public_key_file,
        language.serial()
    );
    let check = Check {
        endpoint: Endpoint::parse(&arguments.merchant, &roots)?,
        delivered: arguments
            .delivered
            .map(|template| Delivered::new(&template, &roots))
            .transpose()?,
        language,
        merchant: arguments.merchant,
        orders: arguments.orders,
    };
    let report = run(&check).await?;
    println!("{report}");
    if let Some(file) = arguments.json {
        std::fs::write(&file, serde_json::to_string_pretty(&report)?)
            .with_context(|| file.display().to_string())?;
    }
    Ok(report.wrong == 0)
}
