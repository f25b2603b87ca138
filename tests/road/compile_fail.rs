//! Misuse must not compile, with an error that a newcomer can read. Each case is given to the compiler together with
//! the crates that these tests are linked with.

use crate::repo::root;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::SystemTime,
};

/// The crates that a case names.
const CRATES: [&str; 4] = ["proxy", "vault", "tower", "domain"];

fn deps() -> PathBuf {
    std::env::current_exe()
        .expect("own path")
        .parent()
        .expect("deps")
        .to_owned()
}

/// Builds of a crate beside this test binary, the newest first. Other profiles may have left theirs in the same folder.
fn builds(name: &str) -> Vec<PathBuf> {
    let wanted = |p: &Path| {
        p.file_name().is_some_and(|n| {
            let n = n.to_string_lossy();
            n.starts_with(&format!("lib{name}-")) && n.ends_with(".rlib")
        })
    };
    let mut all: Vec<PathBuf> = fs::read_dir(deps())
        .expect("readable")
        .flatten()
        .map(|e| e.path())
        .filter(|p| wanted(p))
        .collect();
    all.sort_by_key(|p| {
        std::cmp::Reverse(
            fs::metadata(p)
                .and_then(|m| m.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH),
        )
    });
    assert!(!all.is_empty(), "no lib{name}-*.rlib beside the tests");
    all
}

/// Builds that belong together: with them the road itself compiles.
fn linked() -> &'static [PathBuf] {
    static LINKED: OnceLock<Vec<PathBuf>> = OnceLock::new();
    LINKED.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a folder");
        let together = CRATES.iter().fold(vec![Vec::new()], |all, name| {
            let builds = builds(name);
            all.iter()
                .flat_map(|some| {
                    builds
                        .iter()
                        .map(|b| [some.as_slice(), std::slice::from_ref(b)].concat())
                })
                .collect()
        });
        let mut said = None;
        let fits = together.into_iter().find(|crates| {
            said = compile_with(crates, dir.path(), "as_it_is", &stack(&STAGES));
            said.is_none()
        });
        fits.unwrap_or_else(|| {
            panic!(
                "the road itself must compile, or these tests prove nothing:\n{}",
                said.unwrap_or_default()
            )
        })
    })
}

/// What the compiler says, or `None` if it accepts.
fn compile(dir: &Path, name: &str, source: &str) -> Option<String> {
    compile_with(linked(), dir, name, source)
}

fn compile_with(crates: &[PathBuf], dir: &Path, name: &str, source: &str) -> Option<String> {
    let file = dir.join(format!("{name}.rs"));
    fs::write(&file, source).expect("writable");
    let mut command = Command::new(std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into()));
    command
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--out-dir",
        ])
        .arg(dir)
        .arg("-L")
        .arg(format!("dependency={}", deps().display()));
    for (name, build) in CRATES.iter().zip(crates) {
        command.arg("--extern").arg(format!("{name}={}", build.display()));
    }
    let output = command.arg(&file).current_dir(root()).output().expect("rustc");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// The road from `authenticate` to `send`, as in `stack.rs`.
const STAGES: [(&str, &str); 9] = [
    ("stage", "Authenticate"),
    ("stage", "LimitRate"),
    ("stage", "Parse"),
    ("stage", "Seal"),
    ("stage", "Claim"),
    ("stage", "Route"),
    ("stage", "Admit"),
    ("around", "Record"),
    ("end", "Send"),
];

fn stack(stages: &[(&str, &str)]) -> String {
    let (last, layers) = stages.split_last().expect("an end");
    let layers: String = layers
        .iter()
        .map(|(_, name)| {
            let how = if *name == "Record" { "around" } else { "stage" };
            format!("        .layer({how}({name}(app.clone())))\n")
        })
        .collect();
    format!(
        "use proxy::{{accept::Received, app::App, fault::Stop, stage::{{around, end, stage, Response}}, stages::*}};\nuse tower::{{Service, ServiceBuilder}};\n\
         pub fn road(app: &App) -> impl Service<Received, Response = Response, Error = Stop> {{\n    ServiceBuilder::new()\n{layers}        .service(end({}(app.clone())))\n}}\n",
        last.1,
    )
}

#[test]
fn the_road_compiles_in_its_order_and_with_no_two_stages_swapped() {
    let dir = tempfile::tempdir().expect("a folder");
    let pairs: Vec<(usize, usize)> = (0..STAGES.len())
        .flat_map(|a| (a + 1..STAGES.len()).map(move |b| (a, b)))
        .collect();
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some((a, b)) = pairs.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
                    let mut swapped = STAGES;
                    swapped.swap(a, b);
                    let names = format!("{} and {}", STAGES[a].1, STAGES[b].1);
                    match compile(dir.path(), &format!("swap_{a}_{b}"), &stack(&swapped)) {
                        None => failures
                            .lock()
                            .expect("no panic")
                            .push(format!("{names} swapped compile")),
                        Some(said)
                            if ![
                                "out of order in the stack",
                                "end of the stack is reached too early",
                            ]
                            .iter()
                            .any(|t| said.contains(t)) =>
                        {
                            failures.lock().expect("no panic").push(format!(
                                "{names} swapped: the error does not say what is wrong:\n{said}"
                            ));
                        }
                        Some(_) => {}
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().expect("no panic");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn opened_values_cannot_be_printed_and_later_states_cannot_be_made_by_hand() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut cases: Vec<_> = fs::read_dir(root().join("tests/compile_fail"))
        .expect("readable")
        .flatten()
        .map(|e| e.path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 6, "the cases are gone");
    for case in cases {
        let source = fs::read_to_string(&case).expect("readable");
        let name = case.file_stem().expect("a name").to_string_lossy().into_owned();
        let expected = source
            .lines()
            .next()
            .and_then(|l| l.strip_prefix("//! error: "))
            .expect("the first line says what the error must say");
        let said =
            compile(dir.path(), &name, &source).unwrap_or_else(|| panic!("{} compiles", case.display()));
        assert!(
            said.contains(expected),
            "{}: the error does not say {expected:?}:\n{said}",
            case.display()
        );
    }
}
