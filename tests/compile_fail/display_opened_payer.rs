//! error: doesn't implement `std::fmt::Display`
pub fn show(payer: &vault::Opened<vault::PaidBuyer>) -> String {
    format!("{payer}")
}
