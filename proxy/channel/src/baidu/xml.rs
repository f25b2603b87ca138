//! The flat XML of the Baidu wallet's answers, in GBK, read without mercy: the declaration that the documents show or none,
//! one root, one level of elements without attributes, no name twice, no document type, no comment, no entity but the five
//! that XML itself has.

use crate::{gbk, strict_tree};
use zeroize::Zeroizing;

/// Fields in the order received.
pub(crate) struct Fields(Vec<(String, Zeroizing<String>)>);

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"gbk\" ?>";
/// Most fields that we look at.
const MOST: usize = 64;

impl Fields {
    /// Reads one `<response>`; `None` for anything else.
    pub(crate) fn parse(octets: &[u8]) -> Option<Fields> {
        let text = gbk::decode(octets)?;
        if text
            .chars()
            .any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
        {
            return None;
        }
        let rest = text.strip_prefix(DECLARATION).unwrap_or(&text).trim();
        let mut rest = rest
            .strip_prefix("<response>")?
            .strip_suffix("</response>")?
            .trim();
        let mut fields = Fields(Vec::new());
        while !rest.is_empty() {
            let (name, after) = rest.strip_prefix('<')?.split_once('>')?;
            let word = (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let (value, after) = after.split_once(&format!("</{name}>"))?;
            if !word || fields.0.len() == MOST || fields.0.iter().any(|(known, _)| known == name) {
                return None;
            }
            fields.0.push((name.to_owned(), unescaped(value)?));
            rest = after.trim_start();
        }
        Some(fields)
    }

    /// A value that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    /// All fields.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// A text as it is, or one section of character data.
fn unescaped(value: &str) -> Option<Zeroizing<String>> {
    if let Some(data) = value
        .strip_prefix("<![CDATA[")
        .and_then(|rest| rest.strip_suffix("]]>"))
    {
        return (!data.contains("]]>")).then(|| Zeroizing::new(data.to_owned()));
    }
    strict_tree::unescaped(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_level_one_reading() {
        let octets = gbk::encode("<?xml version=\"1.0\" encoding=\"gbk\" ?>\n<response><a>商&amp;</a>\n<b></b><c><![CDATA[<x>]]></c></response>").expect("GBK");
        let fields = Fields::parse(&octets).expect("lawful");
        assert_eq!(
            (fields.get("a"), fields.get("b"), fields.get("c")),
            (Some("商&"), None, Some("<x>"))
        );
        assert_eq!(fields.iter().count(), 3);
        for bad in [
            "<response><a>1</a><a>2</a></response>",
            "<response><a><b>1</b></a></response>",
            "<response><a x=\"1\">1</a></response>",
            "<response><a>1</b></response>",
            "<response><a>&x;</a></response>",
            "<response><!-- --><a>1</a></response>",
            "<!DOCTYPE r><response><a>1</a></response>",
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><response><a>1</a></response>",
            "<response><a>1</a></response><response></response>",
            "<other><a>1</a></other>",
            "",
        ] {
            assert!(Fields::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Fields::parse(b"<response><a>\xc9</a></response>").is_none());
    }
}
