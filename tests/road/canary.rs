//! A canary buyer is looked for in every file and in process memory.
