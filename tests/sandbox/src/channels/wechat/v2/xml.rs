//! Flat XML and the digests over it.

use aws_lc_rs::hmac;
use md5::{Digest as _, Md5};

/// With which digest a message is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    Md5,
    HmacSha256,
}

/// Fields in the order received.
#[derive(Debug)]
pub(crate) struct Message(Vec<(String, String)>);

impl Message {
    /// A value that is there and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, v)| *n == name && !v.is_empty())
            .map(|(_, v)| v)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }
}

/// Reads `<xml><k>v</k>…</xml>`: no attributes, no nesting, no name twice, no document type, no entity of its own;
/// characters by their numbers.
pub(crate) fn read(body: &[u8]) -> Option<Message> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let text = match text.strip_prefix("<?xml ") {
        Some(rest) => rest.split_once("?>")?.1.trim_start(),
        None => text,
    };
    let mut rest = text.strip_prefix("<xml>")?.strip_suffix("</xml>")?.trim_start();
    let mut fields: Vec<(String, String)> = Vec::new();
    while !rest.is_empty() {
        let (tag, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (name, value, after) = match tag.strip_suffix('/') {
            Some(name) => (name, String::new(), after),
            None => {
                let (value, after) = value(after, &format!("</{tag}>"))?;
                (tag, value, after)
            }
        };
        let word = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !word || fields.iter().any(|(known, _)| known == name) {
            return None;
        }
        fields.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Some(Message(fields))
}

/// The text up to this end, and what comes after it.
fn value<'a>(mut rest: &'a str, end: &str) -> Option<(String, &'a str)> {
    let mut value = String::new();
    loop {
        if let Some(after) = rest.strip_prefix(end) {
            return Some((value, after));
        }
        if let Some(section) = rest.strip_prefix("<![CDATA[") {
            let (text, after) = section.split_once("]]>")?;
            value.push_str(text);
            rest = after;
            continue;
        }
        let (text, after) = rest.split_at(rest.find('<').filter(|at| *at > 0)?);
        value.push_str(&unescaped(text)?);
        rest = after;
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut parts = text.split('&');
    let mut out = parts.next()?.to_owned();
    for part in parts {
        let (entity, after) = part.split_once(';')?;
        out.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            _ => {
                let number = entity.strip_prefix('#')?;
                let code = match number.strip_prefix('x') {
                    Some(hex) => u32::from_str_radix(hex, 16),
                    None => number.parse(),
                };
                char::from_u32(code.ok()?).filter(|c| *c != '\0')?
            }
        });
        out.push_str(after);
    }
    Some(out)
}

/// As the channel writes it: texts in CDATA.
pub(crate) fn write(fields: &[(&'static str, String)]) -> String {
    let element = |(name, value): &(&str, String)| {
        format!(
            "<{name}><![CDATA[{}]]></{name}>\n",
            value.replace("]]>", "]]]]><![CDATA[>")
        )
    };
    let elements: String = fields.iter().map(element).collect();
    format!("<xml>{elements}</xml>")
}

/// Fields that are not empty, sorted, `k=v&…&key=`, digested; hex in upper case.
pub(crate) fn sign<'a>(
    fields: impl Iterator<Item = (&'a str, &'a str)>,
    digest: Digest,
    key: &str,
) -> String {
    let mut taken: Vec<_> = fields
        .filter(|(name, value)| *name != "sign" && !value.is_empty())
        .collect();
    taken.sort_unstable();
    let mut text: String = taken
        .iter()
        .map(|(name, value)| format!("{name}={value}&"))
        .collect();
    text.push_str(&format!("key={key}"));
    match digest {
        Digest::Md5 => hex::encode_upper(Md5::digest(text.as_bytes())),
        Digest::HmacSha256 => {
            let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
            hex::encode_upper(hmac::sign(&key, text.as_bytes()))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn reads_flat_xml_and_nothing_else() {
        let said =
            read(b"<?xml version=\"1.0\"?>\n<xml>\n<a><![CDATA[x<&]]></a><b>1 &lt; 2</b><c/></xml>").unwrap();
        assert_eq!(
            (said.get("a"), said.get("b"), said.get("c")),
            (Some("x<&"), Some("1 < 2"), None)
        );
        let numbered = read("<xml><a>奶茶&#128512;&#x22;</a></xml>".as_bytes()).unwrap();
        assert_eq!(numbered.get("a"), Some("奶茶😀\""));
        for odd in [
            "<xml><a>1</a><a>2</a></xml>",
            "<xml><a b=\"c\">1</a></xml>",
            "<xml><a><b>1</b></a></xml>",
            "<xml><a>&e;</a></xml>",
            "<xml><a>&#0;</a></xml>",
            "<xml><a>&#xD800;</a></xml>",
            "<!DOCTYPE xml><xml></xml>",
            "<xml><a>1</a>",
            "<xml>x</xml>",
        ] {
            assert!(read(odd.as_bytes()).is_none(), "{odd}");
        }
    }

    #[test]
    fn signs_as_published() {
        // The example of the public documents, wechatpay-axios-plugin and wechatpy (vectors: wechat_v2.json).
        let fields = [
            ("appid", "wx4fd52d1ed208e8ac"),
            ("mch_id", "1900000109"),
            ("nonce_str", "5K8264ILTKCH16CQ2502SI8ZNMTM67VS"),
            ("out_trade_no", "20260101000003"),
            ("transaction_id", ""),
        ];
        let sign = sign(
            fields.into_iter(),
            Digest::Md5,
            "Of6LQVCeIK4gFSPqoJiJAZcM2ACUcbcR",
        );
        assert_eq!(sign, "1BDF21A8F6355DCFD8AD00A182F8F99B");
    }
}
