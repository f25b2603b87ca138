//! error: doesn't implement `Debug`
pub fn show(text: &vault::Text) {
    println!("{text:?}");
}
