//! `policy/specs/controls.md` and the code that cites it.

use domain::Clause;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const CONTROLS: &str = include_str!("../specs/controls.md");

/// Text by number, in the order of the file.
fn controls() -> Vec<(u8, String)> {
    let body = CONTROLS.split("\n## Owed").next().unwrap_or_default();
    let sections = body.split("\n## C").skip(1);
    sections
        .map(|section| {
            (
                section[..2].parse().expect("two digits"),
                section[2..].replace('\n', " "),
            )
        })
        .collect()
}

fn owed() -> BTreeSet<u8> {
    let list = CONTROLS.split("\n## Owed").nth(1).expect("a section Owed");
    list.lines()
        .filter_map(|line| line.strip_prefix("* C"))
        .map(|row| row[..2].parse().expect("two digits"))
        .collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        let hidden = name.to_string_lossy().starts_with('.') || name == "target";
        if path.is_dir() && !hidden {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Files of the workspace by the controls they cite.
fn citations() -> BTreeMap<u8, PathBuf> {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut files);
    let mut cited = BTreeMap::new();
    for file in files {
        // A neighbour may be writing the file this very moment: what cannot be read cites nothing.
        let text = fs::read_to_string(&file).unwrap_or_default();
        for line in text.lines().filter_map(|line| line.trim().strip_prefix("//= C")) {
            let number = line.get(..2).and_then(|n| n.parse().ok());
            cited.insert(
                number.unwrap_or_else(|| panic!("{}: //= C{line}", file.display())),
                file.clone(),
            );
        }
    }
    cited
}

#[test]
fn controls_are_numbered_without_a_gap_and_say_what_must_be_and_why() {
    for (position, (number, text)) in controls().into_iter().enumerate() {
        assert_eq!(usize::from(number), position + 1, "{text}");
        assert!(text.contains(" MUST "), "C{number:02} demands nothing");
        let reasons = text
            .rsplit_once('(')
            .expect("reasons")
            .1
            .trim_end()
            .strip_suffix(')')
            .expect("a closing bracket");
        for reason in reasons.split(", ").filter(|r| !r.starts_with("after ")) {
            let rule = reason.strip_prefix('R').and_then(|n| n.parse::<u8>().ok());
            assert!(
                reason == "D" || rule.is_some_and(|n| (1..=37).contains(&n)),
                "C{number:02} cites {reason}"
            );
        }
    }
}

#[test]
fn every_control_is_cited_by_code_or_owed() {
    let (cited, owed) = (citations(), owed());
    let numbers: BTreeSet<u8> = controls().into_iter().map(|(number, _)| number).collect();
    let missing: Vec<u8> = numbers
        .iter()
        .filter(|n| !cited.contains_key(n) && !owed.contains(n))
        .copied()
        .collect();
    assert!(missing.is_empty(), "neither cited nor owed: {missing:?}");
    let unknown: Vec<_> = cited.iter().filter(|(n, _)| !numbers.contains(n)).collect();
    assert!(unknown.is_empty(), "no such control: {unknown:?}");
    assert!(owed.is_subset(&numbers));
}

#[test]
fn what_policy_cites_is_not_owed() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join("policy")
        .join("src");
    let both: Vec<_> = citations()
        .into_iter()
        .filter(|(n, file)| owed().contains(n) && file.starts_with(&own))
        .collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn every_clause_is_a_control_and_stands_under_its_own_citation() {
    let numbers: BTreeSet<u8> = controls().into_iter().map(|(number, _)| number).collect();
    let mut cited = None;
    let mut seen = BTreeSet::new();
    for line in include_str!("clauses.rs").lines() {
        if let Some(number) = line.strip_prefix("//= C") {
            cited = number.parse::<u8>().ok();
        } else if line.starts_with("pub const") {
            let number = match line.split_once("Clause::control(") {
                Some((_, rest)) => rest
                    .split(')')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .expect("a number"),
                None => Clause::NOT_ACCEPTED.number(),
            };
            assert_eq!(cited.take(), Some(number), "{line}");
            assert!(numbers.contains(&number) && seen.insert(number), "{line}");
        }
    }
    assert!(seen.len() >= 19);
}
