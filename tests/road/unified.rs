//! The unified API.
