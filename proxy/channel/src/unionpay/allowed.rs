//! What passes through to UnionPay: the kinds of transaction, and the fields of each (channels.md 4.1, 4.3). What is not
//! here is refused: `subMerId` and its kin (orders for somebody else), `accSplitData` (分账), `reserved` (which may hold
//! either), card numbers and passwords (`accNo`, `customerInfo`), and whatever nobody here has read of.

use super::{APP, BACK, FILES, FRONT, QUERY, risk::RISK};
use domain::{Operation, PayWay};

/// A kind of transaction.
pub(super) struct Call {
    pub(super) path: &'static str,
    pub(super) txn_type: &'static str,
    pub(super) sub_type: &'static str,
    pub(super) biz_types: &'static [&'static str],
    pub(super) operation: Operation,
    pub(super) pay_way: Option<PayWay>,
    /// Beside [`COMMON`]: those that must be there, and those that may.
    pub(super) needed: &'static [&'static str],
    pub(super) optional: &'static [&'static str],
}

/// Of every request.
pub(super) const COMMON: [&str; 10] = [
    "version",
    "encoding",
    "signMethod",
    "signature",
    "txnType",
    "txnSubType",
    "bizType",
    "accessType",
    "merId",
    "txnTime",
];

/// Of every request about a transaction. A day's file is about none (channels.md 4.5).
pub(super) const OF_ONE: [&str; 1] = ["orderId"];

/// The device that a transaction comes from. Official samples of queries and files leave it out.
const DEVICE: &str = "channelType";

/// `certId` stands with signMethod 01 only.
pub(super) const CERT_ID: &str = "certId";

/// Which payment goes back: by UnionPay's number of it, or by its order's own number and time. 二维码支付产品接口规范 2.3, as public
/// clients quote it: one of the two (二者必送其一).
pub(super) const ORIG_QRY_ID: &str = "origQryId";
/// See [`ORIG_QRY_ID`].
pub(super) const ORIG_ORDER_ID: &str = "origOrderId";
/// See [`ORIG_QRY_ID`].
pub(super) const ORIG_TXN_TIME: &str = "origTxnTime";

/// The kind that undoes a payment code's charge by the charge's own number and time (冲正), as UnionPay's own sample has it.
pub(super) const REVERSAL: &str = "99";

/// What the payer reads of an order in UnionPay's own screens.
pub(super) const ORDER_DESC: &str = "orderDesc";

/// Free text that comes back in answers, notices and the file.
pub(super) const REQ_RESERVED: &str = "reqReserved";

/// The payer's payment code (被扫): in these octets and nowhere else.
pub(super) const QR_NO: &str = "qrNo";

/// The kind of account that is charged: 01, a card. UnionPay's own sample of 被扫 names it.
pub(super) const ACC_TYPE: &str = "accType";

/// The products by which an order was paid: a refund, a cancel and a query may name that of their order.
const ANY: &[&str] = &["000000", "000201", "000202"];

/// Of what goes back; how the payment is named is looked at by itself.
const BACK_OPTIONAL: &[&str] = &[
    "currencyCode",
    REQ_RESERVED,
    "termId",
    ORIG_QRY_ID,
    ORIG_ORDER_ID,
    ORIG_TXN_TIME,
];

/// Every kind that is carried.
pub(super) const CALLS: &[Call] = &[
    Call {
        path: BACK,
        txn_type: "01",
        sub_type: "07",
        biz_types: &["000000"],
        operation: Operation::Create,
        pay_way: Some(PayWay::Qr),
        needed: &[DEVICE, "txnAmt", "currencyCode", "backUrl"],
        optional: &["payTimeout", REQ_RESERVED, "termId", RISK],
    },
    Call {
        path: BACK,
        txn_type: "01",
        sub_type: "06",
        biz_types: &["000000"],
        operation: Operation::Create,
        pay_way: Some(PayWay::Micropay),
        needed: &[DEVICE, "txnAmt", "currencyCode", "backUrl", QR_NO],
        optional: &["payTimeout", REQ_RESERVED, "termId", RISK, ACC_TYPE],
    },
    Call {
        path: APP,
        txn_type: "01",
        sub_type: "01",
        biz_types: &["000201"],
        operation: Operation::Create,
        pay_way: Some(PayWay::App),
        needed: &[DEVICE, "txnAmt", "currencyCode", "backUrl"],
        // UnionPay's own samples send `frontUrl` and `accType` here too, older ones `orderDesc`.
        optional: &["payTimeout", REQ_RESERVED, RISK, "frontUrl", ORDER_DESC, ACC_TYPE],
    },
    Call {
        path: FRONT,
        txn_type: "01",
        sub_type: "01",
        biz_types: &["000201"],
        operation: Operation::Create,
        pay_way: Some(PayWay::Gateway),
        needed: &[DEVICE, "txnAmt", "currencyCode", "backUrl", "frontUrl"],
        optional: &["payTimeout", REQ_RESERVED, "issInsCode", RISK],
    },
    Call {
        path: FRONT,
        txn_type: "01",
        sub_type: "01",
        biz_types: &["000202"],
        operation: Operation::Create,
        pay_way: Some(PayWay::GatewayB2b),
        needed: &[DEVICE, "txnAmt", "currencyCode", "backUrl", "frontUrl"],
        optional: &["payTimeout", REQ_RESERVED, "issInsCode", RISK],
    },
    Call {
        path: BACK,
        txn_type: "04",
        sub_type: "00",
        biz_types: ANY,
        operation: Operation::Refund,
        pay_way: None,
        needed: &[DEVICE, "txnAmt", "backUrl"],
        optional: BACK_OPTIONAL,
    },
    Call {
        path: BACK,
        txn_type: "31",
        sub_type: "00",
        biz_types: ANY,
        operation: Operation::Reverse,
        pay_way: None,
        needed: &[DEVICE, "txnAmt", "backUrl"],
        optional: BACK_OPTIONAL,
    },
    Call {
        path: BACK,
        txn_type: REVERSAL,
        sub_type: "01",
        biz_types: &["000000"],
        operation: Operation::Reverse,
        pay_way: None,
        needed: &[DEVICE],
        optional: &[REQ_RESERVED, "termId"],
    },
    Call {
        path: QUERY,
        txn_type: "00",
        sub_type: "00",
        biz_types: ANY,
        operation: Operation::Query,
        pay_way: None,
        needed: &[],
        optional: &[DEVICE],
    },
    // A public client asks for orders by code here, by UnionPay's page of that product as it says [unverified].
    Call {
        path: BACK,
        txn_type: "00",
        sub_type: "00",
        biz_types: &["000000"],
        operation: Operation::Query,
        pay_way: None,
        needed: &[],
        optional: &[DEVICE],
    },
    Call {
        path: FILES,
        txn_type: "76",
        sub_type: "01",
        biz_types: &["000000"],
        operation: Operation::Bill,
        pay_way: None,
        needed: &["settleDate", "fileType"],
        optional: &[DEVICE],
    },
];
