//! Reading a file, with the JSON path and line of what is wrong.

use super::{AcquirerFile, LicenceFile, OperatorFile};
use domain::Registry;
use serde::de::DeserializeOwned;

/// One thing wrong in a registry, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file:?} registry, {path}: {wrong}; {right}")]
pub struct Problem {
    /// Which file.
    pub file: Registry,
    /// Where: `$.merchants[3].accounts[0].payee`.
    pub path: String,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl LicenceFile {
    /// Reads JSON; the contents are judged by [`super::Registries::new`].
    pub fn parse(json: &[u8]) -> Result<Self, Problem> {
        parse(Registry::Licence, json)
    }
}

impl AcquirerFile {
    /// Reads JSON; the contents are judged by [`super::Registries::new`].
    pub fn parse(json: &[u8]) -> Result<Self, Problem> {
        parse(Registry::Acquirer, json)
    }
}

impl OperatorFile {
    /// Reads JSON; the contents are judged by [`super::Registries::new`].
    pub fn parse(json: &[u8]) -> Result<Self, Problem> {
        parse(Registry::Operator, json)
    }
}

fn parse<T: DeserializeOwned>(file: Registry, json: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(json).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let text = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(text, _)| text);
        let (wrong, right) = match text.split_once(", expected ") {
            Some((wrong, right)) => (wrong.to_owned(), format!("expected {right}")),
            None if text.starts_with("missing field") => (text.to_owned(), "add the field".to_owned()),
            None => (
                text.to_owned(),
                format!("a {file:?} file as policy/src/registry/files.rs has it").to_lowercase(),
            ),
        };
        let path = path_at(json, offset(json, line, column));
        Problem {
            file,
            path,
            wrong: format!("{wrong} (line {line}, column {column})"),
            right,
        }
    })
}

/// Bytes before the place that serde_json names.
fn offset(json: &[u8], line: usize, column: usize) -> usize {
    let before: usize = json
        .split_inclusive(|&b| b == b'\n')
        .take(line.saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    (before + column).min(json.len())
}

/// One open bracket: an object with its latest key, or an array with its position.
enum Open {
    Object(Option<String>),
    Array(usize),
}

/// The JSON path of the value that lies at `end`: serde_json gives a line only, and a file of a thousand
/// merchants has long lines. Lenient, since the text may be no JSON at all.
fn path_at(json: &[u8], end: usize) -> String {
    let mut open: Vec<Open> = Vec::new();
    let mut at = 0;
    while at < end {
        match json[at] {
            b'{' => open.push(Open::Object(None)),
            b'[' => open.push(Open::Array(0)),
            // The bracket that closes where the error stands closes the faulty value itself.
            b'}' | b']' if at + 1 < end => drop(open.pop()),
            b',' => match open.last_mut() {
                Some(Open::Array(n)) => *n += 1,
                Some(Open::Object(key)) => *key = None,
                None => {}
            },
            b'"' => {
                let text_end = string_end(json, at + 1).min(json.len());
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    *key = Some(String::from_utf8_lossy(&json[at + 1..text_end]).into_owned());
                }
                at = text_end;
            }
            _ => {}
        }
        at += 1;
    }
    let missing_in_object = end > 0 && json.get(end - 1) == Some(&b'}');
    render(&open, missing_in_object)
}

fn render(open: &[Open], whole_object: bool) -> String {
    let mut path = String::from("$");
    for (depth, open_here) in open.iter().enumerate() {
        match open_here {
            // A field is missing in the object that ends here: its last key is not at fault.
            Open::Object(_) if whole_object && depth + 1 == open.len() => {}
            Open::Object(Some(key)) => path.push_str(&format!(".{key}")),
            Open::Object(None) => {}
            Open::Array(n) => path.push_str(&format!("[{n}]")),
        }
    }
    path
}

/// Position of the quote that ends a string begun before `at`.
fn string_end(json: &[u8], mut at: usize) -> usize {
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    at
}
