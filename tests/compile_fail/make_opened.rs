//! error: is private
pub fn forge(buyer: vault::Buyer) -> vault::Opened<vault::Buyer> {
    vault::Opened(buyer)
}
