//! What proxy and desk read alike: TOML files, and the signed registries. Both must take or refuse the very same files, so
//! the reading stands once.

pub mod read;
pub mod registries;
