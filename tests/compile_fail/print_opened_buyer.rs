//! error: doesn't implement `Debug`
pub fn show(buyer: vault::Opened<vault::Buyer>) -> String {
    format!("{buyer:?}")
}
