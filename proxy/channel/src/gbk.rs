//! GBK, read and written without mercy: what has two spellings, or none, is refused.

use encoding_rs::GBK;
use zeroize::Zeroizing;

/// A text in GBK; `None` where it has a character that GBK lacks.
pub(crate) fn encode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let (octets, _, lost) = GBK.encode(text);
    let octets = Zeroizing::new(octets.into_owned());
    (!lost).then_some(octets)
}

/// The text of these octets. Decoders of GBK take more than GBK (four octets of GB 18030, half a character, two
/// spellings of one): only what is written back as the same octets is a text.
pub(crate) fn decode(octets: &[u8]) -> Option<Zeroizing<String>> {
    let text = Zeroizing::new(
        GBK.decode_without_bom_handling_and_without_replacement(octets)?
            .into_owned(),
    );
    let same = encode(&text).is_some_and(|written| *written == octets);
    same.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_spelling_for_every_text() {
        let octets = encode("商品 ab&=1").expect("GBK has it");
        assert_eq!(*octets, b"\xc9\xcc\xc6\xb7 ab&=1");
        assert_eq!(decode(&octets).as_deref().map(String::as_str), Some("商品 ab&=1"));
        assert_eq!(encode("😀"), None);
        // Half a character, one that swallows the separator behind it, four octets of GB 18030, no such character.
        for bad in [&b"\xc9"[..], b"\xc9&", b"a\x81\x30\x81\x30", b"\xff\xff", b"\xa1"] {
            assert_eq!(decode(bad), None, "{bad:x?}");
        }
    }
}
