//! error: the trait bound `AuthCode: Record` is not satisfied
pub fn keep(vault: &vault::Vault, code: vault::AuthCode, at: &vault::Context) {
    let _ = vault.seal(code, at);
}
