//! The flat XML of WeChat Pay V2 (channels.md 2.1), read without mercy: one root, one level of elements without
//! attributes, no name twice, no document type, no entity but the five that XML itself has, no comment and no processing
//! instruction. A character by its number is read, as published clients write it. What could be read in two ways is refused.

use crate::{draft::Parameter, strict_json::shown};
use std::fmt;
use zeroize::Zeroizing;

/// Fields in the order received.
pub struct Fields(Vec<(String, Zeroizing<String>)>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fields", self.0.len())
    }
}

/// What is wrong. Names positions and names, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum XmlError {
    /// Octets that are not UTF-8, or a character that XML cannot carry.
    #[error("octet {0} is no character of an XML text in UTF-8")]
    Character(usize),
    /// Not the flat XML that is taken.
    #[error("not flat XML at octet {0}")]
    Syntax(usize),
    /// A name twice.
    #[error("{0} stands twice")]
    Twice(String),
    /// More fields than we look at.
    #[error("more than {MOST} fields")]
    TooMany,
}

/// Most fields we look at; an order with many coupons has some dozens.
const MOST: usize = 256;
/// Most octets of a name.
const LONGEST: usize = 64;

impl Fields {
    /// Reads one message whose root is called so.
    pub fn parse(octets: &[u8], root: &str) -> Result<Fields, XmlError> {
        let text = std::str::from_utf8(octets).map_err(|e| XmlError::Character(e.valid_up_to()))?;
        if let Some((at, _)) = text.char_indices().find(|(_, c)| !is_xml(*c) && *c != '\r') {
            return Err(XmlError::Character(at));
        }
        let mut reader = Reader { text, at: 0 };
        reader.declaration()?;
        reader.without_return_since(0)?;
        reader.space();
        reader.expect(&format!("<{root}>"))?;
        let mut fields = Fields(Vec::new());
        loop {
            reader.space();
            if reader.take(&format!("</{root}>")) {
                break;
            }
            let begin = reader.at;
            let (name, value) = reader.element()?;
            reader.without_return_since(begin)?;
            if fields.has(name) {
                return Err(XmlError::Twice(shown(name).to_owned()));
            }
            if fields.0.len() == MOST {
                return Err(XmlError::TooMany);
            }
            fields.0.push((name.to_owned(), value));
        }
        reader.space();
        if reader.rest().is_empty() {
            Ok(fields)
        } else {
            Err(reader.wrong())
        }
    }

    /// What stands in octets that are no such message: every `<name>value</name>` in them, wherever it stands, by the first
    /// of each name, by the last, and all of them. Nothing of it is carried.
    pub fn readings(octets: &[u8]) -> Vec<Fields> {
        let Ok(text) = std::str::from_utf8(octets) else {
            return Vec::new();
        };
        let mut reader = Reader { text, at: 0 };
        let (mut all, mut missed) = (Vec::new(), 0);
        // Whoever hides them behind hundreds of others is not looked for.
        while all.len() < MOST && missed < MOST {
            let Some(next) = reader.rest().find('<') else {
                break;
            };
            reader.at += next;
            let begin = reader.at;
            match reader.element() {
                Ok((name, value)) => all.push((name.to_owned(), value)),
                Err(_) => (reader.at, missed) = (begin + 1, missed + 1),
            }
        }
        let has = |some: &[(String, Zeroizing<String>)], name: &str| some.iter().any(|(own, _)| own == name);
        let own = |wanted: &dyn Fn(usize, &str) -> bool| {
            let kept = all.iter().enumerate().filter(|(n, (name, _))| wanted(*n, name));
            Fields(kept.map(|(_, field)| field.clone()).collect())
        };
        let first = own(&|n, name| !has(&all[..n], name));
        match (all.is_empty(), first.0.len() == all.len()) {
            (true, _) => Vec::new(),
            (_, true) => vec![first],
            (_, false) => vec![
                first,
                own(&|n, name| !has(&all[n + 1..], name)),
                own(&|_, _| true),
            ],
        }
    }

    /// Is there a field of this name, empty or not?
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// A value that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// All fields.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// A character that XML 1.0 can carry as it is. A carriage return is not among them: readers turn it into a line feed, so
/// that what was signed is not what is read. Between elements nothing is signed, and there a line may end in one.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn wrong(&self) -> XmlError {
        XmlError::Syntax(self.at)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let there = self.rest().starts_with(wanted);
        if there {
            self.at += wanted.len();
        }
        there
    }

    fn expect(&mut self, wanted: &str) -> Result<(), XmlError> {
        if self.take(wanted) {
            Ok(())
        } else {
            Err(self.wrong())
        }
    }

    /// White space between elements. WeChat's own Java SDK indents by the line ends of its machine, which on Windows are two
    /// characters [its `WXPayUtil`, by `Transformer`].
    fn space(&mut self) {
        loop {
            let blank = self.rest().trim_start_matches([' ', '\t', '\n']);
            self.at += self.rest().len() - blank.len();
            if !self.take("\r\n") {
                return;
            }
        }
    }

    /// A carriage return in what was read since is an error.
    fn without_return_since(&self, begin: usize) -> Result<(), XmlError> {
        let read = self.text.get(begin..self.at).unwrap_or_default();
        let found = read.find('\r').map(|at| XmlError::Character(begin + at));
        found.map_or(Ok(()), Err)
    }

    /// Up to and without the first of `end`.
    fn until(&mut self, end: &str) -> Result<&'a str, XmlError> {
        let (found, _) = self.rest().split_once(end).ok_or_else(|| self.wrong())?;
        self.at += found.len();
        Ok(found)
    }

    /// `<?xml …?>` in front, as Java's writers put it: version 1.0, UTF-8 and nothing else.
    fn declaration(&mut self) -> Result<(), XmlError> {
        if !self.take("<?xml ") {
            return Ok(());
        }
        let begin = self.at;
        let said = self.until("?>")?.replace('\'', "\"").to_ascii_lowercase();
        let mut words = said.split_ascii_whitespace();
        let version = words.next() == Some("version=\"1.0\"");
        let known = |w: &str| ["encoding=\"utf-8\"", "standalone=\"no\"", "standalone=\"yes\""].contains(&w);
        if !version || !words.all(known) {
            return Err(XmlError::Syntax(begin));
        }
        self.expect("?>")
    }

    /// `<name>value</name>` or `<name/>`.
    fn element(&mut self) -> Result<(&'a str, Zeroizing<String>), XmlError> {
        self.expect("<")?;
        let end = self
            .rest()
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(0);
        let name = self
            .rest()
            .get(..end)
            .filter(|n| !n.is_empty() && n.len() <= LONGEST);
        let name = name
            .filter(|n| !n.starts_with(|c: char| c.is_ascii_digit()))
            .ok_or_else(|| self.wrong())?;
        self.at += name.len();
        if self.take("/>") {
            return Ok((name, Zeroizing::default()));
        }
        self.expect(">")?;
        let value = self.value()?;
        self.expect(name)?;
        self.expect(">")?;
        Ok((name, value))
    }

    /// Text and CDATA, up to and with `</`.
    fn value(&mut self) -> Result<Zeroizing<String>, XmlError> {
        let mut value = Zeroizing::new(String::with_capacity(self.rest().find("</").unwrap_or_default()));
        loop {
            if self.take("</") {
                return Ok(value);
            }
            if self.take("<![CDATA[") {
                value.push_str(self.until("]]>")?);
                self.expect("]]>")?;
                continue;
            }
            if self.rest().starts_with("]]>") {
                return Err(self.wrong());
            }
            match self.rest().chars().next() {
                Some('&') => value.push(self.entity()?),
                Some(c) if c != '<' => {
                    value.push(c);
                    self.at += c.len_utf8();
                }
                _ => return Err(self.wrong()),
            }
        }
    }

    /// One of the five that need no document type, or a character by its number: so Java's writer puts what lies beyond U+FFFF,
    /// Go's quotes, tabs and line ends. A carriage return is refused here too: what comes back of it in an answer or a notice
    /// is not read. So is what a reader of HTML takes for another (U+0080 to U+009F), and what is no character.
    fn entity(&mut self) -> Result<char, XmlError> {
        const KNOWN: [(&str, char); 5] = [
            ("&amp;", '&'),
            ("&lt;", '<'),
            ("&gt;", '>'),
            ("&quot;", '"'),
            ("&apos;", '\''),
        ];
        let found = KNOWN.into_iter().find(|(name, _)| self.take(name));
        if let Some((_, c)) = found {
            return Ok(c);
        }
        // As many digits as the last character has.
        let numbered = |rest: &'a str| -> Option<(char, usize)> {
            let (text, _) = rest.strip_prefix("&#")?.split_once(';')?;
            let (digits, base, most) = text.strip_prefix('x').map_or((text, 10, 7), |hex| (hex, 16, 6));
            let all = (1..=most).contains(&digits.len()) && digits.chars().all(|c| c.is_digit(base));
            let c = char::from_u32(u32::from_str_radix(digits, base).ok().filter(|_| all)?)?;
            let none =
                matches!(c, '\u{7F}'..='\u{9F}' | '\u{FDD0}'..='\u{FDEF}') || u32::from(c) & 0xFFFE == 0xFFFE;
            (is_xml(c) && !none).then_some((c, text.len() + 3))
        };
        let (c, length) = numbered(self.rest()).ok_or_else(|| self.wrong())?;
        self.at += length;
        Ok(c)
    }
}

/// `<xml><k><![CDATA[v]]></k>…</xml>`; the first name whose value XML cannot carry is the error.
pub(crate) fn write(fields: &[Parameter]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    if let Some((name, _)) = fields.iter().find(|(_, value)| !value.chars().all(is_xml)) {
        return Err(name);
    }
    let length: usize = fields
        .iter()
        .map(|(name, value)| 2 * name.len() + value.len() + 32)
        .sum();
    let mut out = Zeroizing::new(Vec::with_capacity(length + 16));
    out.extend_from_slice(b"<xml>");
    for (name, value) in fields {
        out.extend_from_slice(format!("<{name}><![CDATA[").as_bytes());
        let mut parts = value.split("]]>");
        out.extend_from_slice(parts.next().unwrap_or_default().as_bytes());
        for part in parts {
            out.extend_from_slice(b"]]]]><![CDATA[>");
            out.extend_from_slice(part.as_bytes());
        }
        out.extend_from_slice(format!("]]></{name}>").as_bytes());
    }
    out.extend_from_slice(b"</xml>");
    Ok(out)
}

#[cfg(test)]
#[path = "strict_xml_tests.rs"]
mod tests;
