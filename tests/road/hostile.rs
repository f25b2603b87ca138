//! Malformed, oversized, replayed, mis-signed and hostile requests on every listener.
