//! The signed registries: who may be paid, through whom, and until when.
//!
//! Three kinds of file, each JSON with a detached signature (checked by `certs`, not here): the *licence* file
//! (channels, institutions, hosts, CA roots), the *acquirer's* files (merchants, agreements, accounts,
//! terminals) and the *operator's* file (API keys, notify hosts, limits). [`Registries::new`] joins them and
//! takes all or nothing: it reports every contradiction at once, so that an operator mends a file in one go.

mod acting;
mod check;
mod files;
mod parse;
mod registries;
mod url;

pub use acting::Foreign;
pub use files::*;
pub use parse::Problem;
pub use registries::{MerchantFacts, NotRisen, Registries};

#[cfg(test)]
mod registry_tests;
