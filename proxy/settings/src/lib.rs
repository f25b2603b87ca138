//! What proxy and desk do alike, and so stands once: they read TOML files and the signed registries, of which both must take
//! or refuse the very same, hand out places for connections, and look after their tasks.

pub mod places;
pub mod read;
pub mod registries;
pub mod tasks;
