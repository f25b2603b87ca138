//! workspace-tests
