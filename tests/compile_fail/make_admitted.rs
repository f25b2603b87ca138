//! error: of struct `Admitted` are private
pub fn forge(routed: proxy::payment::Routed) -> proxy::payment::Admitted {
    proxy::payment::Admitted { routed, reservations: Vec::new() }
}
