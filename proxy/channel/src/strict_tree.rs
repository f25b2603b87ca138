//! The nested XML of banks (channels.md section 6), read without mercy: one root, elements without attributes, text or
//! elements inside of an element but not both, no document type, no comment, no processing instruction, no entity but the
//! five that XML itself has. What could be read in two ways is refused.

use std::fmt;
use zeroize::Zeroizing;

/// An element.
pub struct Element {
    name: String,
    text: Zeroizing<String>,
    children: Vec<Element>,
}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an element with {} inside", self.children.len())
    }
}

/// Deepest element that we look at.
const DEEPEST: usize = 8;
/// Most elements that we look at.
const MOST: usize = 1024;
/// Longest name.
const LONGEST: usize = 40;

/// Reads one text whose declaration, if it has one, names one of these encodings, and whose root is called so. `None` for
/// anything else.
pub fn parse(text: &str, encodings: &[&str], root: &str) -> Option<Element> {
    let lawful = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    if !text
        .chars()
        .all(|c| lawful(c) && c != '\u{feff}' && !('\u{fffe}'..='\u{ffff}').contains(&c))
    {
        return None;
    }
    let rest = match text.trim_start().strip_prefix("<?xml ") {
        None => text,
        Some(rest) => {
            let (declaration, rest) = rest.split_once("?>")?;
            declared(declaration, encodings)?;
            rest
        }
    };
    let mut left = MOST;
    let (element, rest) = element(rest.trim_start(), 0, &mut left)?;
    (rest.trim().is_empty() && element.name == root).then_some(element)
}

/// `version="1.0" encoding="GBK" standalone="no"`, the last optional.
fn declared(declaration: &str, encodings: &[&str]) -> Option<()> {
    let mut words = declaration.split_whitespace();
    let quoted = |word: &str, name: &str| {
        let value = word.strip_prefix(name)?.strip_prefix('=')?;
        let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
        inner
            .or_else(|| value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')))
            .map(str::to_owned)
    };
    let version = quoted(words.next()?, "version")?;
    let encoding = quoted(words.next()?, "encoding")?;
    let standalone = words.next().map(|word| quoted(word, "standalone"));
    let fits = version == "1.0"
        && encodings
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&encoding))
        && standalone.is_none_or(|s| s.is_some_and(|s| s == "no" || s == "yes"))
        && words.next().is_none();
    fits.then_some(())
}

fn element<'a>(text: &'a str, depth: usize, left: &mut usize) -> Option<(Element, &'a str)> {
    *left = left.checked_sub(1).filter(|_| depth < DEEPEST)?;
    let (tag, mut rest) = text.strip_prefix('<')?.split_once('>')?;
    if let Some(name) = tag.strip_suffix('/') {
        return Some((Element::new(name)?, rest));
    }
    let mut found = Element::new(tag)?;
    let end = format!("</{tag}>");
    loop {
        let inner = rest.trim_start();
        if found.children.is_empty() && !inner.starts_with('<') {
            let (value, after) = rest.split_once(&*end)?;
            found.text = unescaped(value)?;
            return Some((found, after));
        }
        if let Some(after) = inner.strip_prefix(&*end) {
            // Space alone is the value of an element that has nothing else.
            if found.children.is_empty() {
                found.text = Zeroizing::new(rest[..rest.len() - inner.len()].to_owned());
            }
            return Some((found, after));
        }
        let (child, after) = element(inner, depth + 1, left)?;
        found.children.push(child);
        rest = after;
    }
}

/// A text without markup: no entity but XML's own five.
pub(crate) fn unescaped(value: &str) -> Option<Zeroizing<String>> {
    if value.contains(['<', '>']) {
        return None;
    }
    let mut out = Zeroizing::new(String::with_capacity(value.len()));
    let mut parts = value.split('&');
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => return None,
        });
        out.push_str(after);
    }
    Some(out)
}

impl Element {
    fn new(name: &str) -> Option<Element> {
        let word = (1..=LONGEST).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        word.then(|| Element {
            name: name.to_owned(),
            text: Zeroizing::default(),
            children: Vec::new(),
        })
    }

    /// Elements of this name, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The only element of this name; `None` where there is none, or another.
    pub fn one(&self, name: &str) -> Option<&Element> {
        let mut all = self.children.iter().filter(|child| child.name == name);
        all.next().filter(|_| all.next().is_none())
    }

    /// The text of the only element of this name, which has no elements inside; without space around it, and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let element = self.one(name).filter(|element| element.children.is_empty())?;
        Some(element.text.trim()).filter(|text| !text.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reading_or_none() {
        let text = "<?xml version=\"1.0\" encoding=\"gb18030\" ?>\n<D>\n <A>1 &amp; 2</A><B/><R><X> y </X></R><R><X>z</X></R>\n</D>\n";
        let read = parse(text, &["GB18030"], "D").expect("lawful");
        assert_eq!(
            (read.get("A"), read.get("B"), read.get("C")),
            (Some("1 & 2"), None, None)
        );
        assert!(read.one("R").is_none() && read.all("R").count() == 2 && read.get("R").is_none());
        assert_eq!(
            read.all("R").filter_map(|r| r.get("X")).collect::<Vec<_>>(),
            ["y", "z"]
        );
        assert!(parse(text, &["UTF-8"], "D").is_none() && parse(text, &["GB18030"], "E").is_none());
        for bad in [
            "",
            "<D>",
            "<D></E>",
            "<D></D><D></D>",
            "<D></D>x",
            "x<D></D>",
            "<D a=\"1\"></D>",
            "<D><A>1</A>x</D>",
            "<D>x<A>1</A></D>",
            "<D><!-- --></D>",
            "<!DOCTYPE D><D></D>",
            "<!DOCTYPE D [<!ENTITY x \"y\">]><D>&x;</D>",
            "<D>&x;</D>",
            "<D>&#65;</D>",
            "<D><![CDATA[x]]></D>",
            "<D><?x ?></D>",
            "<D>\u{0}</D>",
            "\u{feff}<D></D>",
            "<?xml version=\"1.1\" encoding=\"GBK\"?><D></D>",
            "<1></1>",
        ] {
            assert!(parse(bad, &["GBK"], "D").is_none(), "{bad:?}");
        }
        let deep = format!("{}{}", "<D>".repeat(9), "</D>".repeat(9));
        assert!(parse(&deep, &[], "D").is_none());
        let many = format!("<D>{}</D>", "<A/>".repeat(MOST));
        assert!(parse(&many, &[], "D").is_none());
    }
}
