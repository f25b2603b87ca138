//! error: no method named `clone` found for struct `Text`
pub fn copy(text: vault::Text) -> (vault::Text, vault::Text) {
    (text.clone(), text)
}
