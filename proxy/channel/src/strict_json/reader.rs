//! The parser: one pass, one copy of each text, errors with place and path.

use super::{Error, MOST_DEPTH, Member, Value, Wrong, shown};
use zeroize::Zeroizing;

pub(super) struct Reader<'a> {
    text: &'a str,
    at: usize,
}

type Read<T> = Result<T, Error>;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Reader { text, at: 0 }
    }

    /// How far it has read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, wrong: Wrong) -> Read<T> {
        Err(Error {
            at: self.at,
            path: String::new(),
            wrong,
        })
    }

    pub(super) fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, octet: u8) -> Read<()> {
        if self.eat(octet) {
            Ok(())
        } else {
            self.fail(Wrong::Syntax)
        }
    }

    pub(super) fn value(&mut self, depth: usize) -> Read<Value> {
        match self.peek() {
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.list(depth + 1),
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            _ => self.fail(Wrong::Syntax),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Read<Value> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            return Ok(value);
        }
        self.fail(Wrong::Syntax)
    }

    fn list(&mut self, depth: usize) -> Read<Value> {
        if depth > MOST_DEPTH {
            return self.fail(Wrong::Depth);
        }
        self.expect(b'[')?;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Value::List(items));
        }
        loop {
            self.space();
            let place = items.len();
            items.push(self.value(depth).map_err(|e| within(format!("[{place}]"), e))?);
            self.space();
            if self.eat(b']') {
                return Ok(Value::List(items));
            }
            self.expect(b',')?;
        }
    }

    fn object(&mut self, depth: usize) -> Read<Value> {
        if depth > MOST_DEPTH {
            return self.fail(Wrong::Depth);
        }
        self.expect(b'{')?;
        let mut members = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            members.push(self.named(depth)?);
            self.space();
            if self.eat(b'}') {
                return once_each(members);
            }
            self.expect(b',')?;
        }
    }

    fn named(&mut self, depth: usize) -> Read<Member> {
        let name = std::mem::take(&mut *self.string()?);
        self.space();
        self.expect(b':')?;
        self.space();
        let start = self.at;
        let value = self
            .value(depth)
            .map_err(|e| within(shown(&name).to_owned(), e))?;
        Ok(Member {
            name,
            value,
            span: start..self.at,
        })
    }

    fn string(&mut self) -> Read<Zeroizing<String>> {
        self.expect(b'"')?;
        // As long as what is left up to the next quote, so that most texts are copied once and never moved.
        let rest = &self.text.as_bytes()[self.at..];
        let room = rest.iter().position(|b| *b == b'"').unwrap_or_default();
        let mut out = Zeroizing::new(String::with_capacity(room));
        loop {
            let from = self.at;
            while matches!(self.peek(), Some(b) if b != b'"' && b != b'\\' && b >= 0x20) {
                self.at += 1;
            }
            out.push_str(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return self.fail(Wrong::Syntax),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        self.expect(b'\\')?;
        let plain = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode(),
            _ => return self.fail(Wrong::Syntax),
        };
        self.at += 1;
        Ok(plain)
    }

    /// `\uXXXX`, or two of them that make one character.
    fn unicode(&mut self) -> Read<char> {
        let start = self.at;
        let lone = || {
            Err(Error {
                at: start,
                path: String::new(),
                wrong: Wrong::LoneSurrogate,
            })
        };
        let first = self.four()?;
        match first {
            0xD800..=0xDBFF if self.text.as_bytes()[self.at..].starts_with(b"\\u") => {
                self.at += 1;
                match self.four()? {
                    second @ 0xDC00..=0xDFFF => {
                        let code = 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                        char::from_u32(code).map_or_else(lone, Ok)
                    }
                    _ => lone(),
                }
            }
            _ => char::from_u32(first).map_or_else(lone, Ok),
        }
    }

    fn four(&mut self) -> Read<u32> {
        self.expect(b'u')?;
        let digits = self
            .text
            .as_bytes()
            .get(self.at..self.at + 4)
            .filter(|d| d.iter().all(u8::is_ascii_hexdigit));
        let code = digits
            .and_then(|d| std::str::from_utf8(d).ok())
            .and_then(|d| u32::from_str_radix(d, 16).ok());
        match code {
            Some(code) => {
                self.at += 4;
                Ok(code)
            }
            None => self.fail(Wrong::Syntax),
        }
    }

    fn digits(&mut self) -> Read<()> {
        let from = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > from {
            Ok(())
        } else {
            self.fail(Wrong::Syntax)
        }
    }

    fn number(&mut self) -> Read<Value> {
        let from = self.at;
        let mut whole = !self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            whole = false;
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            whole = false;
            let _sign = self.eat(b'+') || self.eat(b'-');
            self.digits()?;
        }
        let text = &self.text[from..self.at];
        match text.parse() {
            Ok(number) if whole => Ok(Value::Integer(number)),
            Err(_) if whole => Err(Error {
                at: from,
                path: String::new(),
                wrong: Wrong::NumberTooLarge,
            }),
            _ => Ok(Value::Number(text.to_owned())),
        }
    }
}

/// The error seen from one level further out.
fn within(outer: String, mut error: Error) -> Error {
    let joint = if error.path.is_empty() || error.path.starts_with('[') {
        ""
    } else {
        "."
    };
    error.path = format!("{outer}{joint}{}", error.path);
    error
}

/// Sorted, so that many names cost no more than their sorting.
fn once_each(members: Vec<Member>) -> Read<Value> {
    let mut order: Vec<&Member> = members.iter().collect();
    order.sort_by(|a, b| (a.name.as_str(), a.span.start).cmp(&(b.name.as_str(), b.span.start)));
    if let Some(pair) = order.windows(2).find(|pair| pair[0].name == pair[1].name) {
        return Err(Error {
            at: pair[1].span.start,
            path: shown(&pair[1].name).to_owned(),
            wrong: Wrong::Duplicate,
        });
    }
    Ok(Value::Object(members))
}
