//! A merchant's own words where everybody may read them.

/// The words without what turns their order around or cannot be seen: signs of writing direction (Unicode TR 9, section 2) would
/// make other words of a title or of an amount beside it, and control characters have no glyph.
pub(crate) fn legible(words: &str) -> String {
    let turns = |c: char| {
        matches!(
            c,
            '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
        )
    };
    words.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::legible;

    #[test]
    fn nothing_that_turns_words_around_is_left_and_all_else_is() {
        assert_eq!(legible("茶\u{202E}00.21 ¥\u{2066}\u{7}\n\u{200F}"), "茶00.21 ¥");
        assert_eq!(legible("奶茶 Milk tea 🍵 שלום"), "奶茶 Milk tea 🍵 שלום");
    }
}
