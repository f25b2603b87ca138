//! The unified API: what its requests may say, what its answers say.

mod escapes;
mod fates;
pub mod openapi;
pub mod parse;
pub mod reads;
pub mod render;
pub mod route;
