//! error: no method named `clone` found
pub fn twice(code: vault::AuthCode) -> [vault::AuthCode; 2] {
    [code.clone(), code]
}
