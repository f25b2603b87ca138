//! Rules of the repository itself.

use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

fn files(dir: &Path, wanted: &dyn Fn(&Path) -> bool, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("readable").flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !["target", ".git", "node_modules", "vectors", "corpus"].contains(&name.as_str()) {
                files(&path, wanted, found);
            }
        } else if wanted(&path) {
            found.push(path);
        }
    }
}

fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root(), &|p| p.extension().is_some_and(|e| e == "rs"), &mut found);
    found
}

#[test]
//= C49
fn imports_run_downward_as_the_golden_list_says() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let ours: BTreeSet<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    let mut lines = Vec::new();
    for package in packages {
        let of = |kind: &Value| -> BTreeSet<&str> {
            let all = package["dependencies"].as_array().expect("dependencies").iter();
            all.filter(|d| d["kind"] == *kind)
                .filter_map(|d| d["name"].as_str())
                .filter(|n| ours.contains(n))
                .collect()
        };
        for name in of(&Value::Null) {
            lines.push(format!(
                "{} -> {name}",
                package["name"].as_str().unwrap_or_default()
            ));
        }
        for name in of(&Value::from("dev")) {
            lines.push(format!(
                "{} -> {name} (tests)",
                package["name"].as_str().unwrap_or_default()
            ));
        }
    }
    lines.sort();
    golden("edges.txt", &(lines.join("\n") + "\n"));
}

/// Compares with a golden file; `GUANDAO_BLESS=1` writes it.
pub(crate) fn golden(name: &str, text: &str) {
    let file = root().join("tests/golden").join(name);
    if std::env::var_os("GUANDAO_BLESS").is_some() {
        fs::write(&file, text).expect("writable");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        expected == text,
        "{} differs from what is built now; look at the difference, then GUANDAO_BLESS=1:\n{text}",
        file.display()
    );
}

#[test]
fn the_api_describes_itself_as_the_golden_file_says() {
    let text = serde_json::to_string_pretty(&proxy::api::openapi::document()).expect("JSON");
    golden("openapi.json", &(text + "\n"));
}

#[test]
fn the_error_table_of_the_manual_is_the_one_in_the_code() {
    let mut text = String::from(
        "# Errors\n\nGenerated from `proxy/src/fault.rs`; a test compares.\n\n| code | status | to the merchant | to the operator | to an auditor |\n|---|---|---|---|---|\n",
    );
    for code in proxy::fault::Code::ALL {
        let row = code.row();
        text += &format!(
            "| `{}` | {} | {} | {} | {} |\n",
            row.code, row.status, row.merchant, row.operator, row.regulator
        );
    }
    let file = root().join("proxy/manual/60-errors.md");
    if std::env::var_os("GUANDAO_BLESS").is_some() {
        fs::write(&file, &text).expect("writable");
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == text,
        "{} is old; GUANDAO_BLESS=1 writes it",
        file.display()
    );
}

#[test]
fn the_capability_list_of_the_manual_is_the_one_in_policy() {
    let mut text = String::from(
        "# Capabilities: all that is ever asked of a channel\n\nGenerated from `policy::operations`; a test compares. There is no balance, payout, split or settlement (R01).\n\n| channel | operation | way to pay |\n|---|---|---|\n",
    );
    for (channel, operation, way) in policy::operations::capabilities() {
        text += &format!(
            "| {channel} | {} | {} |\n",
            operation.as_str(),
            way.map_or("-", |w| w.as_str())
        );
    }
    let file = root().join("proxy/manual/61-capabilities.md");
    if std::env::var_os("GUANDAO_BLESS").is_some() {
        fs::write(&file, &text).expect("writable");
    }
    assert!(
        fs::read_to_string(&file).unwrap_or_default() == text,
        "{} is old; GUANDAO_BLESS=1 writes it",
        file.display()
    );
}

#[test]
fn vectors_are_an_unchanged_copy() {
    let shared = root().join("../shared/vectors");
    if !shared.exists() {
        println!("skipped: ../shared/vectors is not here");
        return;
    }
    for entry in fs::read_dir(&shared)
        .expect("readable")
        .flatten()
        .filter(|e| e.path().is_file())
    {
        let own = root().join("tests/vectors").join(entry.file_name());
        assert!(
            fs::read(entry.path()).ok() == fs::read(&own).ok(),
            "{} differs",
            own.display()
        );
    }
}

#[test]
fn nothing_is_promised_and_not_built() {
    let this = Path::new(file!()).file_name().expect("a name");
    for path in sources().into_iter().filter(|p| p.file_name() != Some(this)) {
        let text = fs::read_to_string(&path).expect("readable");
        for word in ["todo!(", "unimplemented!(", "dbg!(", "FIXME", "XXX:"] {
            assert!(!text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let text = fs::read_to_string(root().join("Cargo.toml")).expect("readable");
    let body = text
        .split("[workspace.dependencies]")
        .nth(1)
        .and_then(|t| t.split("\n[").next())
        .expect("dependencies");
    for line in body
        .lines()
        .filter(|l| l.contains('=') && !l.trim_start().starts_with('#') && !l.contains("path = "))
    {
        assert!(line.contains(" # "), "no reason beside: {line}");
    }
}

#[test]
fn unsafe_stands_in_few_files_and_each_says_why() {
    let mut with = BTreeMap::new();
    let this = Path::new(file!()).file_name().expect("a name");
    for path in sources().into_iter().filter(|p| p.file_name() != Some(this)) {
        let text = fs::read_to_string(&path).expect("readable");
        if text.contains("unsafe {") || text.contains("unsafe impl") {
            let uses = text.matches("unsafe {").count() + text.matches("unsafe impl").count();
            let reasons = text.matches("// SAFETY:").count();
            assert!(
                reasons >= uses,
                "{}: {uses} uses of unsafe, {reasons} reasons",
                path.display()
            );
            with.insert(path.strip_prefix(root()).expect("inside").to_owned(), uses);
        }
    }
    let shipped: Vec<_> = with
        .keys()
        .filter(|p| !p.starts_with("tests"))
        .map(|p| p.display().to_string())
        .collect();
    assert_eq!(
        shipped,
        [
            "proxy/src/clock.rs",
            "vault/journal/src/disk.rs",
            "vault/src/hygiene.rs",
            "vault/src/locked.rs"
        ]
    );
}

#[test]
fn the_example_configuration_is_taken_and_its_defaults_are_the_real_ones() {
    let text = fs::read_to_string(root().join("deploy/example.toml")).expect("readable");
    let config = proxy::config::Config::parse(&text).unwrap_or_else(|all| panic!("{all:#?}"));
    // Every commented value is the default: writing them all out changes nothing.
    let written: String = text
        .lines()
        .map(|line| {
            let bare = line
                .strip_prefix("# ")
                .filter(|l| l.contains(" = ") && !l.starts_with("client") && !l.starts_with("otlp"));
            format!("{}\n", bare.unwrap_or(line))
        })
        .collect();
    let again = proxy::config::Config::parse(&written).unwrap_or_else(|all| panic!("{all:#?}"));
    assert_eq!(format!("{config:?}"), format!("{again:?}"));
}

/// The units take back what belongs to resources, and a call that is not allowed kills the process: what threads ask
/// for at their start is let in again by name.
#[test]
fn the_units_allow_what_threads_ask_for() {
    for unit in ["guandao.service", "guandao-desk.service"] {
        let text = fs::read_to_string(root().join("deploy").join(unit)).expect("readable");
        let filters: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("SystemCallFilter="))
            .collect();
        let last = filters.last().expect("a filter");
        assert!(
            filters
                .iter()
                .any(|f| f.starts_with('~') && f.contains("@resources")),
            "{unit}: nothing is taken back"
        );
        assert!(
            last.split(' ').any(|call| call == "setpriority"),
            "{unit}: setpriority would end the process"
        );
    }
}

/// The proxy reads the desk's journal and the desk the proxy's: each example names the other's listener.
#[test]
fn the_two_examples_name_each_others_listeners() {
    let text = |file: &str| fs::read_to_string(root().join("deploy").join(file)).expect("readable");
    let proxy = proxy::config::Config::parse(&text("example.toml")).unwrap_or_else(|all| panic!("{all:#?}"));
    let desk = desk::Config::parse(&text("desk.example.toml")).unwrap_or_else(|all| panic!("{all:#?}"));
    assert_eq!(
        desk.trades.url,
        format!(
            "https://{}",
            proxy.listen.journal.expect("a journal listener").address
        )
    );
    assert_eq!(
        proxy.cases.expect("a desk").url,
        format!("https://{}", desk.journal.address)
    );
    assert_eq!(proxy.name, desk.name);
}

/// Every control is cited by code and by a test (`//= C07`), or stands in the list of what is owed.
#[test]
fn every_control_is_cited_from_code_and_from_a_test() {
    let controls = fs::read_to_string(root().join("policy/specs/controls.md")).expect("readable");
    let (body, owed) = controls.split_once("\n## Owed").expect("a section Owed");
    let numbers: BTreeSet<&str> = body.split("\n## C").skip(1).map(|s| &s[..2]).collect();
    let owed: BTreeSet<&str> = owed
        .lines()
        .filter_map(|l| l.strip_prefix("* C"))
        .map(|l| &l[..2])
        .collect();
    let (mut code, mut tests) = (BTreeSet::new(), BTreeSet::new());
    for path in sources() {
        let text = fs::read_to_string(&path).expect("readable");
        let name = path.to_string_lossy().into_owned();
        let split = text.find("#[cfg(test)]\nmod").unwrap_or(text.len());
        let is_test =
            name.contains("/tests/") || name.contains("_tests.rs") || name.contains("_properties.rs");
        for (at, _) in text.match_indices("//= C") {
            let number = text[at + 5..at + 7].to_owned();
            if is_test || at > split {
                tests.insert(number)
            } else {
                code.insert(number)
            };
        }
    }
    let without = |cited: &BTreeSet<String>| {
        numbers
            .iter()
            .filter(|n| !cited.contains(**n) && !owed.contains(*n))
            .copied()
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (without(&code), without(&tests)),
        (vec![], vec![]),
        "(without code, without a test)"
    );
}
