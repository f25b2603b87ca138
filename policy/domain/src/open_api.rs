//! Which of Alipay's two front doors an account is served at.

use serde::{Deserialize, Serialize};

/// The form of what we compose for an account of Alipay's (channels.md 3.1, 3.8). Trades are the same behind both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub enum OpenApi {
    /// `gateway.do`: a form, and HTTP 200 around every answer.
    #[default]
    #[serde(rename = "gateway")]
    Gateway,
    /// OpenAPI v3: a path for each call, JSON, the signature in `Authorization`.
    #[serde(rename = "v3")]
    V3,
}

impl OpenApi {
    /// True for the gateway, which every account has.
    pub const fn is_gateway(&self) -> bool {
        matches!(self, OpenApi::Gateway)
    }
}
