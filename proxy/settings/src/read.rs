//! Reading TOML so that every problem is found at once, each with its key path, its line, what is wrong and what would
//! be right.

use std::{
    borrow::Cow, cell::RefCell, fmt, net::SocketAddr, ops::Range, path::PathBuf, rc::Rc, time::Duration,
};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// One problem of a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Key path, such as `listen.api.address`.
    pub path: String,
    /// Line from 1.
    pub line: usize,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}: {}: {}; {}",
            self.line, self.path, self.wrong, self.right
        )
    }
}

type Problems = Rc<RefCell<Vec<Problem>>>;

/// One table, which remembers which of its keys were asked for.
pub struct Section<'a> {
    path: String,
    text: &'a str,
    span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
    asked: RefCell<Vec<Cow<'static, str>>>,
    problems: Problems,
}

/// Reads a whole file: its value, or all that is wrong.
pub fn read<T>(text: &str, fields: impl FnOnce(&Section<'_>) -> T) -> Result<T, Vec<Problem>> {
    match read_all(text, fields) {
        (Some(value), found) if found.is_empty() => Ok(value),
        (_, found) => Err(found),
    }
}

/// Reads a whole file: the value, with stand-ins where something is wrong, and everything that is wrong. No value where
/// it is no TOML at all.
pub fn read_all<T>(text: &str, fields: impl FnOnce(&Section<'_>) -> T) -> (Option<T>, Vec<Problem>) {
    let problems = Problems::default();
    let root = match DeTable::parse(text) {
        Ok(root) => root,
        Err(error) => {
            let line = error.span().map_or(1, |span| line(text, span.start));
            return (
                None,
                vec![Problem {
                    path: "(file)".into(),
                    line,
                    wrong: error.message().to_owned(),
                    right: "write TOML 1.0".into(),
                }],
            );
        }
    };
    let section = Section {
        path: String::new(),
        text,
        span: 0..0,
        table: Some(root.get_ref()),
        asked: RefCell::default(),
        problems: problems.clone(),
    };
    let value = fields(&section);
    section.refuse_others();
    (Some(value), problems.take())
}

/// The line from 1 of a key such as `listen.api.cert`, or of the nearest table around it that is written.
pub fn line_of(text: &str, path: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let (mut table, mut at) = (root.get_ref(), 0);
    for word in path.split('.') {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == word) else {
            break;
        };
        at = key.span().start;
        match value.get_ref() {
            DeValue::Table(below) => table = below,
            _ => break,
        }
    }
    line(text, at)
}

fn line(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].matches('\n').count() + 1
}

impl<'a> Section<'a> {
    fn key(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    fn value(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.asked.borrow_mut().push(key.into());
        self.table?
            .iter()
            .find(|(k, _)| k.get_ref() == key)
            .map(|(_, v)| v)
    }

    /// Puts a problem on the list.
    pub fn problem(
        &self,
        key: &str,
        span: Option<Range<usize>>,
        wrong: impl Into<String>,
        right: impl Into<String>,
    ) {
        let at = span.unwrap_or(self.span.clone()).start;
        let problem = Problem {
            path: self.key(key),
            line: line(self.text, at),
            wrong: wrong.into(),
            right: right.into(),
        };
        self.problems.borrow_mut().push(problem);
    }

    /// Was the key written?
    pub fn has(&self, key: &str) -> bool {
        self.table
            .is_some_and(|t| t.iter().any(|(k, _)| k.get_ref() == key))
    }

    /// A table below, empty if it is not there.
    pub fn section<T>(&self, key: &'static str, fields: impl FnOnce(&Section<'_>) -> T) -> T {
        let value = self.value(key);
        let table = match value.map(|v| (v.get_ref(), v.span())) {
            Some((DeValue::Table(table), span)) => Some((table, span)),
            Some((_, span)) => {
                self.problem(
                    key,
                    Some(span),
                    "this is not a table",
                    format!("write [{}]", self.key(key)),
                );
                None
            }
            None => None,
        };
        let span = table.as_ref().map_or(self.span.clone(), |(_, span)| span.clone());
        let below = Section {
            path: self.key(key),
            text: self.text,
            span,
            table: table.map(|(t, _)| t),
            asked: RefCell::default(),
            problems: self.problems.clone(),
        };
        let value = fields(&below);
        below.refuse_others();
        value
    }

    /// A table below, or `None` if it is not there.
    pub fn optional<T>(&self, key: &'static str, fields: impl FnOnce(&Section<'_>) -> T) -> Option<T> {
        if self.has(key) {
            Some(self.section(key, fields))
        } else {
            self.value(key).and(None)
        }
    }

    fn refuse_others(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.into_iter().flat_map(|t| t.iter()) {
            if !asked.iter().any(|a| a == key.get_ref()) {
                let known = asked.join(", ");
                self.problem(
                    key.get_ref(),
                    Some(key.span()),
                    "this key is not known",
                    format!("keys known here: {known}"),
                );
            }
        }
    }

    fn typed<T>(
        &self,
        key: &'static str,
        right: &str,
        take: impl FnOnce(&DeValue<'_>) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let taken = take(value.get_ref());
        if taken.is_none() {
            self.problem(
                key,
                Some(value.span()),
                "the value cannot be taken",
                format!("write {right}"),
            );
        }
        taken
    }

    fn need<T>(&self, key: &'static str, right: &str, taken: Option<T>) -> Option<T> {
        if taken.is_none() && !self.has(key) {
            self.problem(key, None, "the key is missing", format!("write {right}"));
        }
        taken
    }

    /// A text that may be missing.
    pub fn text_or_none(&self, key: &'static str) -> Option<String> {
        self.typed(key, "a text in quotes", |v| v.as_str().map(str::to_owned))
    }

    /// A text that must be there; empty after a problem.
    pub fn text(&self, key: &'static str) -> String {
        let taken = self.text_or_none(key);
        self.need(key, "a text in quotes", taken).unwrap_or_default()
    }

    /// The key `name`, from which the origins of journals are made.
    pub fn journal_name(&self) -> String {
        let name = self.text("name");
        let lawful = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
        if self.has("name") && (name.is_empty() || name.len() > 100 || !name.bytes().all(lawful)) {
            self.problem(
                "name",
                None,
                "this cannot be the origin of a journal",
                "write 1 to 100 of 0-9 A-Z a-z - . _",
            );
        }
        name
    }

    /// A text that must be there, made into something by `take`; a problem repeats the rule, never the text.
    pub fn take<T>(&self, key: &'static str, right: &str, take: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let taken = self.typed(key, right, |v| take(v.as_str()?));
        self.need(key, right, taken)
    }

    /// A text that must be there, made into something by its type.
    pub fn parsed<T: std::str::FromStr>(&self, key: &'static str, right: &str) -> Option<T> {
        self.take(key, right, |text| text.parse().ok())
    }

    /// Each table of a list of tables.
    pub fn each(&self, key: &'static str, mut fields: impl FnMut(&Section<'_>) -> Option<()>) {
        let rows = match self.value(key).map(|v| (v.get_ref(), v.span())) {
            Some((DeValue::Array(rows), _)) => rows.iter().collect(),
            Some((_, span)) => {
                return self.problem(key, Some(span), "this is no list", format!("write [[{key}]]"));
            }
            None => Vec::new(),
        };
        for row in rows {
            let DeValue::Table(table) = row.get_ref() else {
                self.problem(
                    key,
                    Some(row.span()),
                    "this is not a table",
                    format!("write [[{key}]]"),
                );
                continue;
            };
            let below = Section {
                path: self.key(key),
                text: self.text,
                span: row.span(),
                table: Some(table),
                asked: RefCell::default(),
                problems: self.problems.clone(),
            };
            if fields(&below).is_some() {
                below.refuse_others();
            }
        }
    }

    /// The table as it stands, for a reader of its own; every key counts as known.
    pub fn source(&self) -> Option<toml::Table> {
        let keys = self
            .table?
            .iter()
            .map(|(k, _)| k.get_ref().to_string())
            .collect::<Vec<_>>();
        self.asked.borrow_mut().extend(keys.into_iter().map(Cow::from));
        toml::from_str::<toml::Table>(self.text)
            .ok()?
            .get(&self.path)?
            .as_table()
            .cloned()
    }

    /// A path; relative ones count from where the process is started.
    pub fn path(&self, key: &'static str) -> PathBuf {
        PathBuf::from(self.text(key))
    }

    /// An address with a port.
    pub fn address(&self, key: &'static str) -> SocketAddr {
        let right = "an address with a port, such as \"127.0.0.1:8443\"";
        let taken = self.typed(key, right, |v| v.as_str()?.parse().ok());
        self.need(key, right, taken)
            .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    /// A whole number within bounds.
    pub fn number(&self, key: &'static str, default: u64, least: u64, most: u64) -> u64 {
        let right = format!("a whole number from {least} to {most}");
        let whole = |v: &DeValue<'_>| match v {
            DeValue::Integer(i) if i.radix() == 10 => i
                .as_str()
                .replace('_', "")
                .parse::<u64>()
                .ok()
                .filter(|n| (least..=most).contains(n)),
            _ => None,
        };
        self.typed(key, &right, whole).unwrap_or(default)
    }

    /// Milliseconds.
    pub fn millis(&self, key: &'static str, default: u64, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.number(key, default, least, most))
    }

    /// True or false.
    pub fn flag(&self, key: &'static str, default: bool) -> bool {
        self.typed(key, "true or false", |value| value.as_bool())
            .unwrap_or(default)
    }
}
