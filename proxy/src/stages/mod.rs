//! The stages, one verb a file. What each earns stands in [`crate::payment`].

pub mod admit;
pub mod authenticate;
pub mod claim;
pub mod limit_rate;
pub mod parse;
pub mod read;
pub mod record;
pub mod rescue;
pub mod route;
pub mod seal;
pub mod send;
pub mod shed;
pub mod trace;

pub use admit::Admit;
pub use authenticate::Authenticate;
pub use claim::Claim;
pub use limit_rate::LimitRate;
pub use parse::Parse;
pub use read::Read;
pub use record::Record;
pub use rescue::Rescue;
pub use route::Route;
pub use seal::Seal;
pub use send::Send;
pub use shed::Shed;
pub use trace::Trace;
