//! The binary itself.

use crate::world::World;
use std::{
    io::Write,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

fn desk(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_guandao-desk"));
    command.args(arguments);
    command
}

fn ran(command: &mut Command) -> (bool, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("it runs");
    (
        status.success(),
        String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr),
    )
}

#[test]
fn a_password_becomes_a_hash_and_a_short_one_does_not() {
    let hashed = |password: &[u8]| {
        let mut child = desk(&["hash-password"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        child
            .stdin
            .take()
            .expect("piped")
            .write_all(password)
            .expect("written");
        child.wait_with_output().expect("it ends")
    };
    let output = hashed(b"long enough to keep\n");
    assert!(output.status.success() && output.stdout.starts_with(b"$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!hashed(b"short\n").status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_checks_runs_exports_and_stops_when_told() {
    let world = World::new().await;
    world.book.thrice("m1", 1, 1);
    let config = world.at("desk.toml");
    let config = config.to_str().expect("text");
    let (good, said) = ran(&mut desk(&["check", config]));
    assert!(good && said.contains("no problem"), "{said}");
    let broken = world.at("broken.toml");
    std::fs::write(&broken, "name = 5\npoll = 1\n").expect("written");
    let (good, said) = ran(&mut desk(&["check", broken.to_str().expect("text")]));
    assert!(
        !good && said.contains("line 1: name") && said.contains("line 2: poll"),
        "{said}"
    );

    let text = std::fs::read_to_string(config).expect("read");
    for (from, to, wanted) in [
        ("tls/client.key", "keys/export.pem", "trades.cert: "),
        ("ca = \"", "ca = \"/nowhere", "trades.ca: /nowhere"),
        ("tls/client.crt", "trades.vkey", "trades.cert: "),
    ] {
        let (head, tail) = text.split_once("[trades]").expect("a table");
        std::fs::write(&broken, format!("{head}[trades]{}", tail.replacen(from, to, 1))).expect("written");
        let (good, said) = ran(&mut desk(&["check", broken.to_str().expect("text")]));
        assert!(
            !good && said.contains(wanted) && said.lines().count() == 1,
            "{said}"
        );
    }

    let mut child = desk(&["run", config])
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let begun = Instant::now();
    let mut said = String::new();
    while !said.contains("package 1 for acq1") && begun.elapsed() < Duration::from_secs(20) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if world.at("data/desk.sock").exists() {
            said = ran(&mut desk(&["export", "--config", config])).1;
        }
    }
    assert!(said.contains("package 1 for acq1"), "{said}");
    let told = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status();
    assert!(told.expect("kill runs").success());
    assert!(
        child.wait().expect("it ends").success(),
        "told to stop, it ends in good order"
    );
    let (good, said) = ran(&mut desk(&["export", "--config", config]));
    assert!(good && said.contains("nothing new"), "{said}");
}
