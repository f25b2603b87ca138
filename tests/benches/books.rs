//! Row (f): lines of a bill compared per second on one core, and the memory of a million of them; beside it Python's `gzip`
//! and `csv` on the same bill, on the same core, in the same run.

use crate::{
    machine,
    report::{Report, Want},
};
use anyhow::{Context, ensure};
use bytes::Bytes;
use certs::{Keys as Keyring, Material};
use domain::*;
use flate2::{Compression, write::GzEncoder};
use journal::{Journal, Settings, disk::RealDisk};
use ledger::{Happening, Ledger, payment_id};
use proxy::{clock::SystemClock, reconcile};
use std::{
    fs,
    io::Write,
    path::Path,
    process::Command,
    sync::Arc,
    time::{Duration, Instant as Timer},
};

const MCHID: &str = "1900000109";
const HEAD: &str = "\u{feff}交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\n";
const SUMS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n";

fn open(dir: &Path) -> anyhow::Result<Ledger> {
    fs::create_dir_all(dir)?;
    let key = dir.join("journal.pem");
    if !key.exists() {
        fs::write(&key, certs::generate_ed25519()?.as_bytes())?;
    }
    let (keys, name) = (Keyring::default(), KeyRef::new("journal")?);
    keys.put(name.clone(), Material::read(&fs::read(key)?)?);
    let (journal, _) = Journal::open(
        Arc::new(RealDisk),
        &dir.join("trades"),
        "bench/trades/0",
        keys.signer(&name)?,
        Settings::default(),
    )?;
    Ok(Ledger::open(journal, dir, Arc::new(SystemClock))?.ledger)
}

fn trade_no(n: u64) -> String {
    format!("42000{n:023}")
}

fn number(n: u64) -> String {
    format!("B{n:015}")
}

async fn pay_one(ledger: &Ledger, n: u64, paid_at: Instant) -> anyhow::Result<()> {
    let (merchant, order_no) = (MerchantId::new("m1001")?, OrderNo::new(number(n))?);
    let id = payment_id(&merchant, &order_no);
    let number = ChannelNo::new(order_no.as_str())?;
    let intent = TradeEvent::AttemptIntended {
        account: AccountNo::new(MCHID)?,
        amount: Amount::from_fen(1280),
        appid: None,
        sub_appid: None,
        attempt: 1,
        carried: Carried::Unified,
        channel: Channel::Wechat,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
        content: KeyedDigest::from_bytes([7; 32]),
        expires: paid_at.plus_millis(7_200_000),
        keys: Keys::Held,
        number: number.clone(),
        order_no,
        pay_way: PayWay::Native,
        payee: PayeeNo::new(MCHID)?,
        payer: None,
        rates: None,
        route: None,
        seal: None,
        terminal: None,
        terminal_match: None,
        terminal_unmatched: false,
    };
    let facts = PaidFacts {
        amount: Amount::from_fen(1280),
        bank_type: Some("OTHERS".into()),
        number,
        paid_at,
        trade_no: TradeNo::new(trade_no(n))?,
    };
    let placed = TradeEvent::AttemptPlaced {
        attempt: 1,
        reach: Some(Reach::Code("weixin://wxpay/bizpayurl?pr=p4lpSuKzz".into())),
    };
    let paid = TradeEvent::AttemptPaid {
        attempt: 1,
        facts,
        payer: None,
        proof: Proof::Notice,
        seal: None,
    };
    // An order begins with its intent alone.
    ledger.commit(&merchant, &id, vec![intent.into()]).await?;
    ledger
        .commit(&merchant, &id, [placed, paid].map(Happening::from).into())
        .await?;
    Ok(())
}

/// A journal of so many paid orders and their bill, with a difference in each thousandth line; a process of its own.
pub(crate) fn fill(dir: &Path, orders: u64) -> anyhow::Result<()> {
    let ledger = open(dir)?;
    let day = SystemClock.now().day();
    let paid_at = day.start().plus_millis(1000);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for lane in 0..256 {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for n in (lane..orders).step_by(256) {
                    pay_one(&ledger, n, paid_at).await?;
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done??;
        }
        Ok::<_, anyhow::Error>(())
    })?;
    while ledger.index().applied() < ledger.journal().size() {
        std::thread::sleep(Duration::from_millis(100));
    }
    ledger.take_snapshot(dir)?;
    ledger.stop();
    ledger.index().db().flush()?;
    ledger.journal().close();
    let mut bill = GzEncoder::new(fs::File::create(dir.join("bill.gz"))?, Compression::default());
    bill.write_all(HEAD.as_bytes())?;
    let time = paid_at.to_string().replace('T', " ");
    for n in 0..orders {
        let amount = if n % 1000 == 7 { "12.81" } else { "12.80" };
        writeln!(
            bill,
            "`{},`wx4fd52d1ed208e8ac,`{MCHID},`0,`,`{},`{},`oUpF8uMuAJO_M2pxb1Q9zNjWeS{n:06},`NATIVE,`SUCCESS,`OTHERS,`CNY,`{amount},`0.00,`0,`0,`0.00,`0.00,`,`,`奶茶 Milk tea,`table 7,`0.07680,`0.60%,`{amount},`0.00,`",
            &time[..19],
            trade_no(n),
            number(n),
        )?;
    }
    writeln!(bill, "{SUMS}`{orders}.0,`0.00,`0.00,`0.0,`0.00,`0.00,`0.00")?;
    bill.finish()?;
    let mut record = std::io::BufWriter::new(fs::File::create(dir.join("record.csv"))?);
    for n in 0..orders {
        writeln!(record, "{},1280,{}", number(n), trade_no(n))?;
    }
    record.flush()?;
    Ok(())
}

/// The peer's seconds for the same bill, on the same core; `None` without Python.
fn peer(dir: &Path, orders: u64) -> anyhow::Result<Option<f64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/books_peer.py");
    let core = machine::PROXY_CORE.to_string();
    let Ok(done) = Command::new("taskset")
        .args(["-c", &core, "python3"])
        .arg(script)
        .arg(dir)
        .output()
    else {
        return Ok(None);
    };
    ensure!(
        done.status.success(),
        "the peer failed: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    let text = String::from_utf8(done.stdout)?;
    let said: Vec<&str> = text.split_whitespace().collect();
    let wanted = [orders.to_string(), (orders / 1000).to_string()];
    ensure!(said[1..] == wanted, "the peer found otherwise: {text}");
    Ok(Some(said[0].parse()?))
}

/// Compares them (so many thousands), on one core; prints seconds, the most memory that it took and had before, in octets, and seconds of CPU.
pub(crate) fn compare(dir: &Path, orders: u64) -> anyhow::Result<()> {
    machine::pin(machine::PROXY_CORE);
    let ledger = open(dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let before = peak()?;
    let (began, busy) = (Timer::now(), busy()?);
    let octets = Bytes::from(fs::read(dir.join("bill.gz"))?);
    let bill = BillKey {
        day: SystemClock.now().day(),
        channel: Channel::Wechat,
        account: AccountNo::new(MCHID)?,
        kind: BillKind::Trade,
    };
    let outcome = runtime.block_on(reconcile::rehearse(
        &ledger,
        &MerchantId::new("m1001")?,
        &bill,
        octets,
    ))?;
    let (took, worked) = (began.elapsed().as_secs_f64(), self::busy()? - busy);
    ensure!(
        outcome.lines == orders && outcome.differences == orders / 1000,
        "{outcome:?}"
    );
    let mut out = std::io::stdout();
    writeln!(out, "{took} {} {before} {worked}", peak()?)?;
    ledger.stop();
    ledger.journal().close();
    Ok(())
}

/// Seconds of CPU time that this process and the kernel for it have used: what others on the same core do takes no part.
fn busy() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let ticks = rest.split_whitespace().skip(11).take(2);
    let sum: u64 = ticks
        .map(str::parse::<u64>)
        .sum::<Result<_, _>>()
        .context("utime, stime")?;
    Ok(sum as f64 / 100.0)
}

/// The most memory that this process ever had resident, in octets.
fn peak() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("VmHWM")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? << 10)
}

/// Row (f).
pub(crate) fn row(dir: &Path, report: &mut Report) -> anyhow::Result<()> {
    let own = std::env::current_exe()?;
    for (orders, rounds) in [(100_000_u64, 3), (1_000_000, 1)] {
        let dir = dir.join(format!("books-{orders}"));
        let run = |what: &str| {
            Command::new(&own)
                .arg(what)
                .arg(&dir)
                .arg(orders.to_string())
                .output()
        };
        let filled = run("fill-books")?;
        ensure!(
            filled.status.success(),
            "the journal could not be filled: {}",
            String::from_utf8_lossy(&filled.stderr)
        );
        let (mut rates, mut most, mut python) = (Vec::new(), Vec::new(), Vec::new());
        let mut worked = Vec::new();
        for _ in 0..rounds {
            let done = run("compare-books")?;
            ensure!(
                done.status.success(),
                "the bill could not be compared: {}",
                String::from_utf8_lossy(&done.stderr)
            );
            let text = String::from_utf8(done.stdout)?;
            let numbers: Vec<f64> = text
                .split_whitespace()
                .map(str::parse)
                .collect::<Result<_, _>>()?;
            rates.push(orders as f64 / numbers[0]);
            most.push(numbers[1] / f64::from(1 << 20));
            worked.push(orders as f64 / numbers[3]);
            python.extend(peer(&dir, orders)?.map(|seconds| orders as f64 / seconds));
        }
        let [rate, cpu, memory, other, ratio] = if orders == 100_000 {
            ["f.lines", "f.cpu", "f.memory", "f.python", "f.ratio"]
        } else {
            [
                "f.lines.1m",
                "f.cpu.1m",
                "f.memory.1m",
                "f.python.1m",
                "f.ratio.1m",
            ]
        };
        let ratios: Vec<f64> = rates
            .iter()
            .zip(&python)
            .map(|(own, other)| own / other)
            .collect();
        report.add(
            rate,
            format!("bill of {orders} lines: read, unpacked, compared with the journal; one core"),
            rates,
            "lines/s",
            Want::Least(50_000.0),
        );
        report.add(
            cpu,
            format!("bill of {orders} lines: the same by CPU time, on a core shared with others"),
            worked,
            "lines/s",
            Want::Least(50_000.0),
        );
        report.add(
            memory,
            format!("bill of {orders} lines: most memory of the process"),
            most,
            "MiB",
            if orders == 100_000 {
                Want::Nothing
            } else {
                Want::Most(512.0)
            },
        );
        if python.is_empty() {
            report.note("python3 or taskset is not installed; the peer of row (f) is left out");
        } else {
            report.add(
                other,
                format!("bill of {orders} lines: Python's gzip, csv and a dictionary; no journal; same core"),
                python,
                "lines/s",
                Want::Nothing,
            );
            report.add(
                ratio,
                format!("bill of {orders} lines: ours / Python's"),
                ratios,
                "",
                Want::Nothing,
            );
        }
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
