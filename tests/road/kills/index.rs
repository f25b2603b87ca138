//! The index of the ledger is damaged, deleted, or without its snapshot: it is built again from the journal.

use super::*;

/// All files below a folder, in order.
pub(crate) fn files_under(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .flat_map(|e| {
            if e.path().is_dir() {
                files_under(&e.path())
            } else {
                vec![e.path()]
            }
        })
        .collect();
    files.sort();
    files
}

/// Overwrites stretches of files with random octets.
fn damage(files: &[PathBuf], dice: &mut Dice) -> anyhow::Result<u64> {
    let mut damaged = 0;
    for file in files {
        let mut bytes = std::fs::read(file)?;
        // Where there is something: sled keeps long stretches of zeros.
        let used: Vec<usize> = bytes
            .iter()
            .enumerate()
            .filter(|(_, b)| **b != 0)
            .map(|(at, _)| at)
            .collect();
        for _ in 0..used.len().min(4) {
            let at = used[dice.below(used.len() as u64) as usize];
            for byte in bytes.iter_mut().skip(at).take(1 + dice.below(64) as usize) {
                *byte = dice.next() as u8;
                damaged += 1;
            }
        }
        std::fs::write(file, bytes)?;
    }
    Ok(damaged)
}

/// Orders of every kind, final and open, and what was said of them.
async fn stocked(yard: &Yard) -> anyhow::Result<()> {
    for channel in CHANNELS {
        for _ in 0..3 {
            let order = yard.paid(channel, 900).await?;
            let path = format!("/v1/payments/{}/refunds", id(&order)?);
            yard.ask(
                &yard.merchant()?,
                "POST",
                &path,
                &json!({ "refund_no": "r1", "amount": 900 }),
            )
            .await?;
            yard.until(id(&order)?, "refund", |o| o["state"] == "refunded")
                .await?;
            yard.paid(channel, 100).await?;
            yard.placed(channel, 200).await?;
        }
        let order = yard.placed(channel, 300).await?;
        let path = format!("/v1/payments/{}/close", id(&order)?);
        yard.ask(&yard.merchant()?, "POST", &path, &json!({})).await?;
    }
    sleep(Duration::from_millis(1700)).await; // the index is fed twice a second and written each second
    Ok(())
}

/// Starts, and finds every order by its number, as it was.
async fn found_again(yard: &Yard, why: &str) -> anyhow::Result<()> {
    let began = Instant::now();
    yard.start().await.with_context(|| why.to_owned())?;
    let took = began.elapsed();
    yard.keeps_its_word().await.with_context(|| why.to_owned())?;
    let merchant = yard.merchant()?;
    let said = yard.said.lock().await.clone();
    for (id, order) in &said {
        let found = merchant
            .ask(
                "GET",
                &format!("/v1/payments?order_no={}", text(&order["order_no"])),
                None,
            )
            .await?;
        ensure!(
            found.status == 200 && found.json()["id"] == *id.as_str(),
            "{why}: {id} was not found: {}",
            found.json()
        );
        ensure!(
            found.json()["amount"] == order["amount"],
            "{why}: {id} has another amount"
        );
    }
    println!(
        "{why:<52} ready after {:>4} ms, {} orders found",
        took.as_millis(),
        said.len()
    );
    Ok(())
}

async fn without_its_index(yard: &Yard) -> anyhow::Result<()> {
    stocked(yard).await?;
    let (data, services) = (yard.data(), &yard.demo.services);
    services.kill_proxy().await?;
    std::fs::remove_dir_all(data.join("index"))?;
    found_again(yard, "index deleted").await?;
    let mut dice = Dice(
        std::env::var("SEED")
            .ok()
            .and_then(|s| s.parse().ok())
            .unwrap_or(0x5eed),
    );
    let rounds: u64 = std::env::var("ROUNDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(8);
    for round in 1..=rounds {
        sleep(Duration::from_millis(1700)).await;
        services.kill_proxy().await?;
        // All of its files, or one of them: what sled finds out by itself differs.
        let mut files = files_under(&data.join("index"));
        if round % 4 != 0 {
            let one = if round % 2 == 0 {
                dice.below(files.len() as u64) as usize
            } else {
                files.iter().position(|f| f.ends_with("db")).unwrap_or(0)
            };
            files = vec![files.swap_remove(one)];
        }
        let octets = damage(&files, &mut dice)?;
        let names: Vec<_> = files
            .iter()
            .filter_map(|f| f.file_name())
            .map(|n| n.to_string_lossy().into_owned())
            .collect();
        found_again(
            yard,
            &format!("index damaged ({}), {octets} octets", names.join(" ")),
        )
        .await?;
    }
    Ok(())
}

/// `guandao rebuild`, as an operator would.
fn rebuild(yard: &Yard) -> anyhow::Result<std::process::Output> {
    Ok(std::process::Command::new(services::binary("guandao")?)
        .arg("rebuild")
        .arg(yard.config())
        .output()?)
}

async fn without_its_snapshot(yard: &Yard) -> anyhow::Result<()> {
    let (data, services) = (yard.data(), &yard.demo.services);
    let refused = rebuild(yard)?;
    ensure!(!refused.status.success(), "rebuilt under a running service");
    println!(
        "rebuild beside a running service: {}",
        String::from_utf8_lossy(&refused.stderr).trim()
    );
    services.kill_proxy().await?;
    let rebuilt = rebuild(yard)?;
    ensure!(
        rebuilt.status.success(),
        "rebuild: {}",
        String::from_utf8_lossy(&rebuilt.stderr)
    );
    println!("rebuild: {}", String::from_utf8_lossy(&rebuilt.stdout).trim());
    found_again(yard, "index and snapshot rebuilt by command").await?;
    let snapshot = data.join("snapshot");
    let whole = std::fs::read(&snapshot)?;
    let amount = 200u64.to_le_bytes();
    let amount_at = whole.windows(8).position(|octets| octets == amount);
    let amount_at = amount_at.context("no open order in the snapshot")?;
    let mut dice = Dice(0x5a9);
    let mut other_amount = whole.clone();
    other_amount[amount_at] += 1;
    let older = b"{\"format\":10,\"next\":0}\n".to_vec();
    for (why, octets) in [
        ("snapshot cut in half", whole[..whole.len() / 2].to_vec()),
        ("snapshot with another amount", other_amount),
        ("snapshot of another build", older),
        ("snapshot empty", Vec::new()),
    ] {
        services.kill_proxy().await?;
        std::fs::write(&snapshot, octets)?;
        found_again(yard, why).await?;
    }
    for _ in 0..3 {
        services.kill_proxy().await?;
        std::fs::write(&snapshot, &whole)?;
        let octets = damage(std::slice::from_ref(&snapshot), &mut dice)?;
        found_again(yard, &format!("snapshot damaged, {octets} octets")).await?;
    }
    services.kill_proxy().await?;
    std::fs::remove_file(&snapshot)?;
    std::fs::remove_dir_all(data.join("index"))?;
    found_again(yard, "index and snapshot deleted").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_or_deleted_index_rebuilds() {
    let yard = Yard::open().await.expect("demo");
    without_its_index(&yard).await.unwrap_or_else(|e| panic!("{e:#}"));
    without_its_snapshot(&yard)
        .await
        .unwrap_or_else(|e| panic!("{e:#}"));
    let books = yard.agree().await.expect("the books agree");
    println!("{books:?}");
}
