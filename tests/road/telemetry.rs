//! Metrics and traces against a real receiver.
