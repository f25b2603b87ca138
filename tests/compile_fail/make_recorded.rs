//! error: of struct `Recorded` is private
pub fn forge(merchant: std::sync::Arc<()>) {
    let _ = proxy::payment::Recorded { merchant };
}
