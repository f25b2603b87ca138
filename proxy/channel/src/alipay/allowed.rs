//! Parameters and `biz_content` fields that are carried (channels.md 3.1). Whatever could pay, hold back or
//! split money for somebody else is not here (`royalty_info`, `settle_info`, `sub_merchant`), nor is any
//! payer's authorisation beyond the one payment (`agreement_params`, `auth_no`).

use crate::shape::{
    Field,
    Shape::{self, Count, Free, List, Object, One, Word, Yuan},
};

/// Public parameters (channels.md 3.1), and the official SDK's own mark.
pub(crate) const PARAMETERS: [&str; 15] = [
    "alipay_root_cert_sn",
    "alipay_sdk",
    "app_auth_token",
    "app_cert_sn",
    "app_id",
    "biz_content",
    "charset",
    "encrypt_type",
    "format",
    "method",
    "notify_url",
    "sign",
    "sign_type",
    "timestamp",
    "version",
];

/// Those of certificate mode: the app's own certificate, and the roots that its client trusts (channels.md 3.6).
pub(crate) const CERTIFICATES: [&str; 2] = ["app_cert_sn", "alipay_root_cert_sn"];

/// Where the payer's browser goes back to. Some clients are told it once and send it with each call, browser or not.
pub(crate) const RETURN_URL: &str = "return_url";

/// Of an exchange of a payer's code, whose parameters stand beside the content (channels.md 3.1). A `refresh_token` would be for
/// more than the one payment.
pub(crate) const OF_A_CODE: [&str; 2] = ["code", "grant_type"];

/// The one kind of exchange.
pub(crate) const GRANT: &str = "authorization_code";

/// Content that names where a browser goes back to as well.
pub(crate) const RETURNS: [&str; 2] = ["quit_url", "request_from_url"];

pub(crate) const GOODS: Shape = Object(&[
    Field("goods_id", Word),
    Field("alipay_goods_id", Word),
    Field("goods_name", Free("goods_detail")),
    Field("quantity", Count),
    Field("price", Count),
    Field("goods_category", Word),
    Field("categories_tree", Word),
    Field("body", Free("goods_detail")),
    Field("show_url", Word),
    Field("goods_ean_id", Word),
    Field("out_item_id", Word),
    Field("out_sku_id", Word),
]);

/// By instalments the payer owes Alipay's lender, or the card's bank; the seller is paid at once and whole, less the fee if
/// it bears that (`…seller_percent`). `specified_seller_name` would show the payer another name than the seller's own
/// (compliance.md R21), and `royalty_freeze` holds money back for others: neither is here.
const EXTEND: Shape = Object(&[
    Field("sys_service_provider_id", Word),
    Field("hb_fq_num", Word),
    Field("hb_fq_seller_percent", Word),
    Field("fq_num", Word),
    Field("fq_seller_percent", Word),
    Field("fq_channels", Word),
    Field("industry_reflux_info", Free("industry_reflux_info")),
    Field("card_type", Word),
]);

macro_rules! create {
    ($($own:expr),* $(,)?) => {
        &[
            $($own,)*
            Field("out_trade_no", Word),
            Field("total_amount", Yuan),
            Field("subject", Free("subject")),
            Field("body", Free("body")),
            Field("passback_params", Free("passback_params")),
            Field("seller_id", Word),
            Field("goods_detail", List(&GOODS)),
            Field("extend_params", EXTEND),
            Field("discountable_amount", Count),
            Field("undiscountable_amount", Count),
            Field("merchant_order_no", Word),
            Field("store_id", Word),
            Field("alipay_store_id", Word),
            Field("operator_id", Word),
            Field("terminal_id", Word),
            Field("timeout_express", Word),
            Field("time_expire", Word),
            Field("query_options", List(&Word)),
        ]
    };
}

macro_rules! precreate {
    ($($own:expr),* $(,)?) => {
        create![
            $($own,)*
            Field("product_code", One(&["FACE_TO_FACE_PAYMENT", "QR_CODE_OFFLINE"])),
            Field("qr_code_timeout_express", Word),
            Field("disable_pay_channels", Word),
            Field("enable_pay_channels", Word),
        ]
    };
}

macro_rules! in_app {
    ($($own:expr),* $(,)?) => {
        create![
            $($own,)*
            Field("product_code", One(&["JSAPI_PAY"])),
            Field("op_app_id", Word),
            Field("buyer_id", Word),
            Field("buyer_open_id", Word),
            Field("op_buyer_open_id", Word),
            Field("disable_pay_channels", Word),
            Field("enable_pay_channels", Word),
        ]
    };
}

/// By payment code (channels.md 3.1). Other scenes than the code on the payer's screen are read by other machines (faces,
/// sound), which tell more of the payer than one payment needs.
macro_rules! pay {
    ($($own:expr),* $(,)?) => {
        create![
            $($own,)*
            Field("auth_code", Word),
            Field("disable_pay_channels", Word),
            Field("product_code", One(&["FACE_TO_FACE_PAYMENT", "OFFLINE_PAYMENT"])),
            Field("scene", One(&["bar_code"])),
        ]
    };
}

/// What both kinds of page have (channels.md 3.1). Who the payer is (`ext_user_info`) is none of one payment's business, and
/// `agreement_sign_params` would sign one for more.
macro_rules! by_browser {
    ($($own:expr),* $(,)?) => {
        create![
            $($own,)*
            Field("disable_pay_channels", Word),
            Field("enable_pay_channels", Word),
            Field("specified_channel", Word),
            Field("goods_type", One(&["0", "1"])),
        ]
    };
}

const PAGE: &[Field] = by_browser![
    Field("product_code", One(&["FAST_INSTANT_TRADE_PAY"])),
    Field("qr_pay_mode", Word),
    Field("qrcode_width", Count),
    Field("integration_type", One(&["ALIAPP", "PCWEB"])),
    Field("request_from_url", Word),
];
const WAP: &[Field] = by_browser![
    Field("product_code", One(&["QUICK_WAP_WAY", "QUICK_WAP_PAY"])),
    Field("quit_url", Word),
];

const PRECREATE: &[Field] = precreate![];
const CREATE: &[Field] = in_app![];
const PAY: &[Field] = pay![];
/// In OpenAPI v3 the address of notices stands among the content (channels.md 3.8).
const PRECREATE_V3: &[Field] = precreate![Field("notify_url", Word)];
const CREATE_V3: &[Field] = in_app![Field("notify_url", Word)];
const PAY_V3: &[Field] = pay![Field("notify_url", Word)];

/// The same by OpenAPI v3, where they are the content.
const CODE_V3: &[Field] = &[Field("code", Word), Field("grant_type", One(&[GRANT]))];

const ORDER: &[Field] = &[Field("out_trade_no", Word), Field("trade_no", Word)];

const QUERY: &[Field] = &[
    Field("out_trade_no", Word),
    Field("trade_no", Word),
    Field("query_options", List(&Word)),
];

const CLOSE: &[Field] = &[
    Field("out_trade_no", Word),
    Field("trade_no", Word),
    Field("operator_id", Word),
];

/// What of which goods comes back.
const REFUND_GOODS: Shape = Object(&[
    Field("goods_id", Word),
    Field("out_item_id", Word),
    Field("out_sku_id", Word),
    Field("out_certificate_no_list", List(&Word)),
    Field("refund_amount", Count),
]);

const REFUND: &[Field] = &[
    Field("out_trade_no", Word),
    Field("trade_no", Word),
    Field("out_request_no", Word),
    Field("refund_amount", Yuan),
    Field("refund_currency", One(&["CNY"])),
    Field("refund_reason", Free("refund_reason")),
    Field("operator_id", Word),
    Field("store_id", Word),
    Field("terminal_id", Word),
    Field("goods_detail", List(&GOODS)),
    Field("refund_goods_detail", List(&REFUND_GOODS)),
    Field("query_options", List(&Word)),
];

const REFUND_QUERY: &[Field] = &[
    Field("out_trade_no", Word),
    Field("trade_no", Word),
    Field("out_request_no", Word),
    Field("query_options", List(&Word)),
];

/// A day's or a month's bill of the account itself (channels.md 3.7); other kinds are bills of those whom it collects for.
const BILL: &[Field] = &[
    Field("bill_date", Word),
    Field("bill_type", One(&["trade", "signcustomer"])),
];

/// `biz_content` fields of a call.
pub(crate) fn fields(method: &str) -> &'static [Field] {
    match method {
        "alipay.trade.precreate" => PRECREATE,
        "alipay.trade.create" => CREATE,
        "alipay.trade.pay" => PAY,
        "alipay.trade.page.pay" => PAGE,
        "alipay.trade.wap.pay" => WAP,
        "alipay.trade.query" => QUERY,
        "alipay.trade.close" => CLOSE,
        "alipay.trade.refund" => REFUND,
        "alipay.trade.fastpay.refund.query" => REFUND_QUERY,
        crate::bill::ask::ALIPAY_METHOD => BILL,
        super::authorize::METHOD => &[],
        "alipay.open.app.alipaycert.download" => &[Field("alipay_cert_sn", Word)],
        // A cancel, and whatever else names an order and nothing more.
        _ => ORDER,
    }
}

/// Body fields of a call of OpenAPI v3.
pub(crate) fn fields_v3(method: &str) -> &'static [Field] {
    match method {
        "alipay.trade.precreate" => PRECREATE_V3,
        "alipay.trade.create" => CREATE_V3,
        "alipay.trade.pay" => PAY_V3,
        super::authorize::METHOD => CODE_V3,
        other => fields(other),
    }
}
