//! JSON read without mercy (design.md section 3, Pass-through): what two readers could understand differently
//! is refused. A byte order mark, octets that are not UTF-8, a name twice at any depth, lone surrogates,
//! integers beyond 64 bits and nesting beyond 32 are errors. Errors name places, never values; texts are
//! wiped when dropped.

mod reader;

use reader::Reader;
use std::{fmt, ops::Range};
use zeroize::Zeroizing;

/// Deepest nesting of objects and lists.
pub const MOST_DEPTH: usize = 32;

/// A JSON value. `Debug` shows the kind only.
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// An unsigned integer.
    Integer(u64),
    /// A negative or fractional number, as written.
    Number(String),
    /// A text; may be personal.
    Text(Zeroizing<String>),
    /// A list.
    List(Vec<Value>),
    /// An object, members in the order received.
    Object(Vec<Member>),
}

/// A member of an object.
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where the value's octets stand in what was parsed.
    pub span: Range<usize>,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// A byte order mark in front.
    #[error("a byte order mark")]
    ByteOrderMark,
    /// Octets that are not UTF-8.
    #[error("octets that are not UTF-8")]
    NotUtf8,
    /// Not JSON.
    #[error("not JSON")]
    Syntax,
    /// A name twice in one object.
    #[error("a name that stands twice")]
    Duplicate,
    /// Half a surrogate pair.
    #[error("a lone surrogate")]
    LoneSurrogate,
    /// Nesting too deep.
    #[error("nesting deeper than 32")]
    Depth,
    /// An integer beyond 64 bits.
    #[error("an integer beyond 64 bits")]
    NumberTooLarge,
    /// Something after the value.
    #[error("octets after the end")]
    Trailing,
}

/// Where and what. Never a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{wrong} at octet {at}{}", Place(path))]
pub struct Error {
    /// Offset of the octet.
    pub at: usize,
    /// Path of the member, empty at the top.
    pub path: String,
    /// What.
    pub wrong: Wrong,
}

struct Place<'a>(&'a str);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            Ok(())
        } else {
            write!(f, " in {}", self.0)
        }
    }
}

/// A member's name as an error may show it: names that could be somebody's number are hidden.
pub fn shown(name: &str) -> &str {
    let word = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let digits = name.bytes().filter(u8::is_ascii_digit).count();
    if word && digits < 6 && (1..=64).contains(&name.len()) {
        name
    } else {
        "?"
    }
}

/// `outer` with one more name.
pub(crate) fn join(outer: &str, name: &str) -> String {
    match (outer, shown(name)) {
        ("", name) => name.to_owned(),
        (outer, name) => format!("{outer}.{name}"),
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Value {
    /// The kind in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a truth value",
            Value::Integer(_) => "an integer",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// The member of this name, if this is an object that has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.member(name).map(|m| &m.value)
    }

    /// The member of this name with its place.
    pub fn member(&self, name: &str) -> Option<&Member> {
        match self {
            Value::Object(members) => members.iter().find(|m| m.name == name),
            _ => None,
        }
    }

    /// The value at a path of names joined by dots.
    pub fn at(&self, path: &str) -> Option<&Value> {
        path.split('.').try_fold(self, |value, name| value.get(name))
    }

    /// The text at a path.
    pub fn text(&self, path: &str) -> Option<&str> {
        match self.at(path)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A text at a path that is there and not empty.
    pub(crate) fn said(&self, path: &str) -> Option<&str> {
        self.text(path).filter(|text| !text.is_empty())
    }

    /// The unsigned integer at a path.
    pub fn integer(&self, path: &str) -> Option<u64> {
        match self.at(path)? {
            Value::Integer(n) => Some(*n),
            _ => None,
        }
    }

    /// The list at a path.
    pub fn list(&self, path: &str) -> Option<&[Value]> {
        match self.at(path)? {
            Value::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Reads one JSON text.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let fail = |at, wrong| {
        Err(Error {
            at,
            path: String::new(),
            wrong,
        })
    };
    if bytes.starts_with(&[0xEF, 0xBB, 0xBF]) {
        return fail(0, Wrong::ByteOrderMark);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return fail(error.valid_up_to(), Wrong::NotUtf8),
    };
    let mut reader = Reader::new(text);
    reader.space();
    let value = reader.value(0)?;
    reader.space();
    if reader.at() == bytes.len() {
        Ok(value)
    } else {
        fail(reader.at(), Wrong::Trailing)
    }
}
