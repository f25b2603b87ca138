//! All channels on one listener: the path decides, exactly as it is written.

use super::server::{Incoming, Reply, plain};
use super::world::World;
use super::{alipay, baidu, ccb, cmb, icbc, unionpay, wallet, wechat};
use std::sync::Arc;

/// Answers one request as the channel whose path it is.
pub(crate) fn handle(world: &Arc<World>, request: &Incoming) -> Reply {
    if let Some(reply) = wallet::handle(world, request) {
        return reply;
    }
    match request.path.as_str() {
        "/gateway.do" | super::alipay::BILL_FILE => alipay::handle(world, request),
        path if path.starts_with("/v3/alipay/") => alipay::handle(world, request),
        path if path.starts_with("/v3/") || wechat::v2::is_path(path) => wechat::handle(world, request),
        ccb::PATH => ccb::handle(world, request),
        icbc::PATH => icbc::handle(world, request),
        path if path == cmb::ORDERS.0 || path == cmb::QUERIES.0 => cmb::handle(world, request),
        path if path.starts_with("/api/0/") => baidu::handle(world, request),
        path if path.starts_with("/gateway/api/") => unionpay::handle(world, request),
        // Its files are asked for by a form at the root; whoever looks there with a browser is told where things are.
        unionpay::FILES if request.method == http::Method::POST => unionpay::handle(world, request),
        _ => Reply::Now(plain(
            http::StatusCode::NOT_FOUND,
            "WeChat Pay stands under /v3/, /pay/ and /secapi/pay/, Alipay at /gateway.do and under /v3/alipay/, UnionPay under /gateway/api/, the Baidu wallet under /api/0/, CCB at /CCBIS/ccbMain, ICBC at /servlet/ICBCINBSEBusinessServlet, CMB at /netpayment/BaseHttp.dll and /merchserv/BaseHttp.dll",
        )),
    }
}
