//! What browsers and callers send to the desk, and the files it is set up with.

use super::parts;
use arc_swap::ArcSwap;
use axum::{body::Body, http::Request};
use desk::{
    Problem,
    cases::Cases,
    clock::SystemClock,
    export::Exporter,
    mirror::Mirror,
    sessions::Sessions,
    trades::Trades,
    users::Users,
    web::{Desk, router},
};
use domain::*;
use policy::registry::{AcquirerFile, LicenceFile, OperatorFile, Registries};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};
use tower::ServiceExt;

/// Stands in bodies and headers for the session's token, which is drawn at each start.
const TOKEN: &str = "CSRF";

/// Two signatures are never compared here.
struct Stamp;

impl Sign for Stamp {
    fn public_key(&self) -> [u8; 32] {
        [7; 32]
    }

    fn sign(&self, _: &[u8]) -> [u8; 64] {
        [7; 64]
    }
}

/// A desk in memory with one officer signed in.
struct Served {
    runtime: tokio::runtime::Runtime,
    desk: Arc<Desk>,
    dir: PathBuf,
    cookie: String,
    token: String,
}

static SERVED: LazyLock<Served> = LazyLock::new(|| {
    let dir = PathBuf::from(format!("/dev/shm/guandao-fuzz-desk-{}", std::process::id()));
    fs::create_dir_all(&dir).expect("a folder");
    extern "C" fn away() {
        // The journal first: it ends the process if its folder goes.
        SERVED.desk.cases.close();
        let _ = fs::remove_dir_all(&SERVED.dir);
    }
    // SAFETY: `away` is a plain function without arguments.
    unsafe { libc::atexit(away) };
    serve(dir)
});

fn serve(dir: PathBuf) -> Served {
    let (signer, clock): (Arc<dyn Sign>, Arc<dyn Clock>) =
        (Arc::new(Stamp), Arc::new(SystemClock::default()));
    let cases = Cases::open(
        &dir.join("cases"),
        "guandao.example/cases/0",
        signer.clone(),
        clock.clone(),
    );
    let cases = Arc::new(cases.expect("opened"));
    let key = journal::VerifierKey {
        name: "guandao.example/trades/0".into(),
        public_key: [7; 32],
    };
    let mirror = Mirror::open(&dir.join("trades.copy"), None).expect("opened");
    let trades = Arc::new(Trades::open(&dir, mirror, key));
    let exporter = Arc::new(Exporter {
        cases: cases.clone(),
        trades: trades.clone(),
        dir: dir.join("exports"),
        name: "guandao.example/export".to_owned(),
        signer,
        acquirer_key: None,
        one: tokio::sync::Mutex::default(),
    });
    let users = users();
    let sessions = Sessions::new(clock);
    let (cookie, session) = sessions.begin(users.get("li").expect("there").clone());
    let desk = Desk {
        cases,
        trades,
        registries: Arc::new(ArcSwap::from_pointee(registries())),
        users: ArcSwap::from_pointee(users),
        sessions,
        exporter,
        hashing: tokio::sync::Semaphore::new(2),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    Served {
        runtime,
        desk: Arc::new(desk),
        dir,
        cookie,
        token: session.csrf,
    }
}

fn users() -> Users {
    let hash = desk::users::hash("correct horse battery").expect("hashed");
    let text = format!("[[users]]\nname = \"li\"\nrole = \"officer\"\npassword = \"{hash}\"\n");
    Users::parse(&text).expect("lawful")
}

fn registries() -> Registries {
    let [licence, acquirer, operator] = parts(include_bytes!("../../seeds/registries/demo"));
    let digest = Digest::from_bytes([0; 32]);
    let acquirer = AcquirerFile::parse(acquirer).expect("lawful");
    let (licence, operator) = (
        LicenceFile::parse(licence).expect("lawful"),
        OperatorFile::parse(operator).expect("lawful"),
    );
    Registries::new(
        Arc::new(licence),
        digest,
        vec![(acquirer, digest)],
        (operator, digest),
    )
    .expect("they fit")
}

/// Parts: method, target, headers by line, body. The session's cookie stands before any other where the first header
/// line is not empty.
pub(crate) fn asking(data: &[u8]) {
    let [method, target, headers, body] = parts(data);
    let mut request = Request::builder().method(method).uri(target);
    let lines = headers.split(|b| *b == b'\n');
    if headers.first().is_some_and(|b| *b != b'\n') {
        request = request.header("cookie", format!("__Host-desk={}", SERVED.cookie));
    }
    for line in lines {
        let Some(colon) = line.iter().position(|b| *b == b':') else {
            continue;
        };
        request = request.header(&line[..colon], with_token(&line[colon + 1..]));
    }
    let Ok(request) = request.body(Body::from(with_token(body))) else {
        return;
    };
    let answer = SERVED
        .runtime
        .block_on(router(SERVED.desk.clone()).oneshot(request))
        .expect("a router answers");
    let status = answer.status().as_u16();
    assert!(status < 500, "{status}");
}

fn with_token(octets: &[u8]) -> Vec<u8> {
    let Ok(text) = std::str::from_utf8(octets) else {
        return octets.to_vec();
    };
    text.replace(TOKEN, &SERVED.token).into_bytes()
}

/// The desk's configuration.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(problems) = desk::Config::parse(text) {
        named(&problems, text);
    }
}

/// The file of users: a password's hash is a secret that no problem may repeat.
pub(crate) fn people(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(problems) = Users::parse(text) {
        named(&problems, text);
        let told = |p: &Problem| p.to_string().contains("$argon2");
        assert!(!problems.iter().any(told), "a problem repeats a hash");
    }
}

fn named(problems: &[Problem], text: &str) {
    let lines = text.matches('\n').count() + 1;
    assert!(!problems.is_empty());
    problems
        .iter()
        .for_each(|p| assert!(p.line <= lines && !p.right.is_empty(), "{p}"));
}
