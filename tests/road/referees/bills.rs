//! Alipay's bills through the pass-through by each published client: the answer that says where the bill lies verifies, and the
//! file comes from that very address, which is the channel's own and never ours.

use super::{
    Done,
    client::{CLIENTS, Client},
    life,
    v3::V3,
};
use crate::alipay_bills::{a_day_ago_by, the_file};
use anyhow::ensure;
use sandbox::demo::{Demo, place::Options};

pub(super) async fn judged() -> Done {
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 1,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    let (day, number) = a_day_ago_by(&demo, "alipay", 0).await?;
    let clients = CLIENTS
        .iter()
        .filter(|client| client.channel == "alipay")
        .chain([&V3]);
    for client in clients {
        for &mode in client.modes {
            one(&demo, client, mode, &day, &number).await?;
        }
    }
    demo.services.stop().await?;
    demo.prove_journal().map(drop)
}

async fn one(demo: &Demo, client: &Client, mode: &'static str, day: &str, number: &str) -> Done {
    let nobody = "http://127.0.0.1:9/nobody".to_owned();
    let scene = life::scene(demo, client, &demo.place.merchants[0], mode, nobody)?;
    let said = client.bill(&scene, day, &demo.channels.alipay_url()).await?;
    let address = said["url"].as_str().unwrap_or_default();
    let (hash, lines) = the_file(demo, address).await?;
    ensure!(
        said["sha256"] == hash,
        "{}: another file at {address}",
        client.name
    );
    ensure!(
        lines.iter().any(|line| line == number),
        "{}: {number} is not in the bill: {lines:?}",
        client.name
    );
    println!(
        "{} ({mode}): the bill of {day} with {} lines",
        client.name,
        lines.len()
    );
    Ok(())
}
