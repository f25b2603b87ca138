//! error: doesn't implement `Debug`
pub fn show(code: &vault::AuthCode) {
    println!("{code:?}");
}
