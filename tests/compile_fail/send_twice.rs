//! error: use of moved value: `next`
use proxy::stage::{Answering, Next};
pub fn twice(next: Next<u8, u8>) -> (Answering<u8>, Answering<u8>) {
    (next.run(1), next.run(2))
}
