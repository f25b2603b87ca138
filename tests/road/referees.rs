//! Others as judges: the published clients of the channels sign every request and verify every answer and notice,
//! OpenSSL verifies our signatures beside theirs, the Go team's transparency log packages verify our journal. None of
//! them shares a line with us. `tests/clients/setup` installs them all.

#![allow(
    clippy::print_stdout,
    reason = "what the referees said is part of the evidence"
)]

mod acp;
mod bills;
mod client;
mod compared;
mod encrypted;
mod life;
mod pages;
mod readme;
mod repeats;
mod tlog;
mod v2;
mod v3;

use anyhow::{Context, ensure};
use client::{CLIENTS, Scene};
use sandbox::{
    channels,
    demo::{Demo, place::Options},
    material,
};

type Done = anyhow::Result<()>;

/// The control of the other test: without a proxy between, the same scripts pass the same steps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_clients_straight_at_the_sandbox() -> Done {
    if client::skipped() {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let material = material::generate(dir.path(), 2)?;
    let running = channels::start(channels::Settings::new(dir.path(), material.merchants.clone())).await?;
    let mut turns = client::Turns::default();
    for client in &CLIENTS {
        for (merchant, &mode) in material.merchants.iter().zip(client.modes) {
            let scene = Scene {
                base_url: client.of(running.wechat_url(), running.alipay_url()),
                control: running.control_url(),
                notify_url: "http://127.0.0.1:9/nobody".into(),
                material: dir.path().to_owned(),
                ca: material.ca_path(),
                account: client.account(merchant)?,
                mode,
                zone: client.zone(mode),
            };
            turns.add(async move {
                client.life(&scene).await?;
                println!("{} ({mode}) straight: {} steps", client.name, client.steps.len());
                Ok(())
            });
        }
    }
    turns.all().await
}

/// The manual's page for whoever integrates: its client runs as it stands there, but for the demo's folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_manuals_first_order() -> Done {
    if client::skipped() {
        return Ok(());
    }
    let page = include_str!("../../proxy/manual/05-first-order.md");
    let (_, program) = page.split_once("```python\n").context("a program")?;
    let (program, _) = program.split_once("```").context("its end")?;
    let dir = tempfile::tempdir()?;
    let options = Options {
        desk: false,
        merchants: 1,
        ..Options::default()
    };
    let demo = Demo::start(dir.path(), &options, false).await?;
    let program = program.replace("target/demo/", &format!("{}/", dir.path().display()));
    let mut python = tokio::process::Command::new(client::place().join("venv/bin/python"));
    python.arg("-c").arg(program).env("no_proxy", "127.0.0.1");
    let output = client::said(&mut python).await?;
    let lines = String::from_utf8(output.stdout)?;
    let lines: Vec<&str> = lines.lines().collect();
    ensure!(
        output.status.success()
            && matches!(lines[..], [placed, "paid", refund] if placed.starts_with("201 weixin://") && refund.starts_with("(201,")),
        "{lines:?} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    demo.services.stop().await
}

/// The same of the sandbox's page: programs, commands, and what the conformance run says of its shop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sandboxs_examples() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        readme::examples().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn published_clients_through_the_pass_through() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        life::through().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alipays_sdk_by_openapi_v3() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        v3::judged().await
    }
}

/// Content that the clients encrypt by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C98
async fn alipays_content_encrypted_by_published_clients() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        encrypted::judged().await
    }
}

/// What we compose beside what the client composes, both as Alipay gets them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_own_calls_by_openapi_v3_beside_alipays_sdk() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        compared::agree_by_openapi_v3().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alipays_bills_by_published_clients() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        bills::judged().await
    }
}

/// By address and by form, as each client writes them for a payer's browser.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C76
async fn alipays_pages_by_published_clients() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        pages::judged().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wechats_v2_by_published_clients() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        v2::judged().await
    }
}

/// Our own checker, in another language and of nothing but the documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unionpay_by_an_independent_checker() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        acp::judged().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_request_and_theirs_agree_and_openssl_verifies_both() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        compared::agree().await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_go_teams_packages_verify_the_journal() -> Done {
    if client::skipped() {
        Ok(())
    } else {
        tlog::verified().await
    }
}

/// Asks for no client of others, so it is never skipped.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn native_requests_never_pay_back_beside_the_record() -> Done {
    repeats::kept_apart().await
}
