//! error: due to private fields
pub fn forge(merchant: std::sync::Arc<()>) {
    let _ = proxy::payment::Recorded { merchant };
}
