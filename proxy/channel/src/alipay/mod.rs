//! Alipay 支付宝, gateway v2 and OpenAPI v3 (channels.md section 3).

pub(crate) mod allowed;
pub(crate) mod answer;
pub(crate) mod authorize;
pub(crate) mod charge;
pub(crate) mod codes;
pub(crate) mod compose;
pub(crate) mod dialect;
mod facts;
pub(crate) mod native;
mod native_v3;
pub(crate) mod notice;
pub(crate) mod open_api;
pub(crate) mod page;
mod sealed;
pub mod v3;

use domain::{Operation, PayWay};

/// What the payer's browser brings, in an address or a form that the merchant has signed (channels.md 3.1).
pub(crate) const BY_BROWSER: [&str; 2] = ["alipay.trade.page.pay", "alipay.trade.wap.pay"];

/// What no server is ever sent: the merchant's app carries its signed text straight into the wallet (channels.md 3.1).
pub(crate) const BY_APP: &str = "alipay.trade.app.pay";

/// The calls that are carried for the merchant's own SDK, and that we compose ourselves (channels.md 3.1).
pub(crate) const METHODS: [(&str, Operation, Option<PayWay>); 13] = [
    ("alipay.trade.precreate", Operation::Create, Some(PayWay::Qr)),
    ("alipay.trade.create", Operation::Create, Some(PayWay::Jsapi)),
    ("alipay.trade.pay", Operation::Create, Some(PayWay::Micropay)),
    (BY_BROWSER[0], Operation::Create, Some(PayWay::Page)),
    (BY_BROWSER[1], Operation::Create, Some(PayWay::Wap)),
    ("alipay.trade.query", Operation::Query, None),
    ("alipay.trade.close", Operation::Close, None),
    ("alipay.trade.cancel", Operation::Reverse, None),
    ("alipay.trade.refund", Operation::Refund, None),
    ("alipay.trade.fastpay.refund.query", Operation::RefundQuery, None),
    (
        "alipay.open.app.alipaycert.download",
        Operation::Certificates,
        None,
    ),
    (crate::bill::ask::ALIPAY_METHOD, Operation::Bill, None),
    (authorize::METHOD, Operation::Authorize, None),
];
