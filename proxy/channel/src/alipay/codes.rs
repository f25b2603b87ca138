//! What Alipay's codes mean (channels.md 3.3).

use crate::{FailureClass, auth_code::Refusal};

/// `sub_code` as the tables spell it: without the front door's `aop.`, and with `ACQ` where some pages have
/// `AQC`.
fn plain(sub_code: &str) -> &str {
    let code = sub_code.strip_prefix("aop.").unwrap_or(sub_code);
    code.strip_prefix("ACQ.")
        .or(code.strip_prefix("AQC."))
        .unwrap_or(code)
}

/// The code gives the class, under 40004 the `sub_code` does.
pub(crate) fn class(code: &str, sub_code: &str) -> FailureClass {
    let plain = plain(sub_code);
    match code {
        "40004" => business(plain),
        "20001" | "40003" | "40006" => FailureClass::Setup,
        "40005" => FailureClass::Busy,
        "40001" | "40002" if is_of_the_app(plain) => FailureClass::Setup,
        "40001" | "40002" => FailureClass::Final,
        _ if code.starts_with('4') && code.len() == 5 => FailureClass::Final,
        // 20000, 10003 and whatever comes new.
        _ => FailureClass::Unknown,
    }
}

/// The gateway's own refusals of a call that it never looked into.
pub(crate) fn at_front_door(code: &str) -> bool {
    matches!(code, "20001" | "40001" | "40002" | "40003" | "40005" | "40006")
}

/// A word of the business behind the front door, in whichever spelling.
pub(crate) fn is_of_business(sub_code: &str) -> bool {
    let code = sub_code.strip_prefix("aop.").unwrap_or(sub_code);
    code.starts_with("ACQ.") || code.starts_with("AQC.")
}

/// Is this about an argument of the account, and not of the order? OpenAPI v3 leaves out what stands before the gateway's words.
pub(crate) fn is_of_the_app(code: &str) -> bool {
    const PREFIXES: [&str; 6] = [
        "invalid-signature",
        "missing-signature",
        "invalid-app-id",
        "missing-app-id",
        "invalid-app-auth-token",
        "app-auth-token",
    ];
    let word = code.strip_prefix("isv.").unwrap_or(code);
    PREFIXES.iter().any(|prefix| word.starts_with(prefix))
}

/// Is the app or the call asked for too often? By the word alone, as OpenAPI v3 says it.
pub(crate) fn is_limited(code: &str) -> bool {
    code.ends_with("call-limited")
}

/// Words about the seller's account and not about an order: it is frozen, unknown or out of order, or has taken all that it may
/// for now. That the order alone is above the most of one order is not among them [Alipay's own tables of `trade.pay` and
/// `trade.precreate`].
fn is_of_the_seller(plain: &str) -> bool {
    matches!(
        plain,
        "SELLER_BEEN_BLOCKED"
            | "SELLER_NOT_EXIST"
            | "SECONDARY_MERCHANT_STATUS_ERROR"
            | "BEYOND_PAY_RESTRICTION"
            | "BEYOND_PER_RECEIPT_RESTRICTION"
            | "BEYOND_PER_RECEIPT_DAY_RESTRICTION"
    )
}

/// Listed as final for `alipay.trade.pay` (channels.md 3.3): nobody was charged.
pub(crate) fn surely_not_charged(sub_code: &str) -> bool {
    let plain = plain(sub_code);
    refusal(sub_code) != Refusal::Other
        || is_of_the_seller(plain)
        || matches!(
            plain,
            "INVALID_PARAMETER"
                | "ACCESS_FORBIDDEN"
                | "EXIST_FORBIDDEN_WORD"
                | "PARTNER_ERROR"
                | "TOTAL_FEE_EXCEED"
                | "CONTEXT_INCONSISTENT"
        )
}

/// What a refusal of a payment code means to the cashier (channels.md 3.3).
pub(crate) fn refusal(sub_code: &str) -> Refusal {
    match plain(sub_code) {
        "PAYMENT_AUTH_CODE_INVALID" => Refusal::Code,
        "TRADE_BUYER_NOT_MATCH"
        | "BUYER_SELLER_EQUAL"
        | "BUYER_ENABLE_STATUS_FORBID"
        | "BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR"
        | "BUYER_BALANCE_NOT_ENOUGH" => Refusal::Payer,
        _ => Refusal::Other,
    }
}

/// Listed as refused for good (channels.md 3.3): nothing was paid back. What the gateway refuses before it looks at content has no
/// sub-code, or one of a caller's mistakes.
pub(crate) fn refuses_refund(shown: &str) -> bool {
    const CALLERS: [&str; 3] = ["invalid-", "missing-", "insufficient-"];
    let word = shown
        .strip_prefix("isv.")
        .or(shown.strip_prefix("aop."))
        .unwrap_or(shown);
    CALLERS.iter().any(|prefix| word.starts_with(prefix))
        || matches!(
            plain(shown),
            "20001"
                | "40001"
                | "40002"
                | "40003"
                | "40006"
                | "INVALID_PARAMETER"
                | "ACCESS_FORBIDDEN"
                | "EXIST_FORBIDDEN_WORD"
                | "PARTNER_ERROR"
                | "TOTAL_FEE_EXCEED"
                | "CONTEXT_INCONSISTENT"
                | "TRADE_NOT_EXIST"
                | "TRADE_HAS_CLOSE"
                | "TRADE_HAS_FINISHED"
                | "TRADE_STATUS_ERROR"
                | "SELLER_BALANCE_NOT_ENOUGH"
                | "REASON_TRADE_BEEN_FREEZEN"
                | "REASON_TRADE_REFUND_FEE_ERR"
        )
}

fn business(plain: &str) -> FailureClass {
    match plain {
        "SYSTEM_ERROR" => FailureClass::Unknown,
        "TRADE_NOT_EXIST" => FailureClass::NotFound,
        "TRADE_HAS_SUCCESS" | "TRADE_HAS_FINISHED" => FailureClass::AlreadyPaid,
        "TRADE_HAS_CLOSE" => FailureClass::AlreadyClosed,
        "CONTEXT_INCONSISTENT" => FailureClass::Changed,
        "SELLER_BALANCE_NOT_ENOUGH" => FailureClass::PayeeFunds,
        "ACCESS_FORBIDDEN"
        | "PARTNER_ERROR"
        | "MERCHANT_PERM_RECEIPT_SUSPEND_LIMIT"
        | "MERCHANT_PERM_RECEIPT_DAY_LIMIT" => FailureClass::Setup,
        word if is_of_the_seller(word) => FailureClass::Setup,
        // No sub_code, or one of the front door's own spellings of "I do not know".
        "" | "unknow-error" | "isp.unknow-error" => FailureClass::Unknown,
        _ => FailureClass::Final,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    #[test]
    fn codes_and_sub_codes_of_the_tables() {
        let table = [
            ("10003", "", Unknown),
            ("20000", "isp.unknow-error", Unknown),
            ("20000", "aop.unknow-error", Unknown),
            ("20001", "aop.invalid-auth-token", Setup),
            ("40001", "isv.missing-method", Final),
            ("40002", "isv.invalid-signature", Setup),
            ("40002", "isv.invalid-app-id", Setup),
            ("40002", "isv.invalid-parameter", Final),
            ("40003", "", Setup),
            ("40005", "", Busy),
            ("40006", "isv.insufficient-isv-permissions", Setup),
            ("40004", "ACQ.SYSTEM_ERROR", Unknown),
            ("40004", "aop.ACQ.SYSTEM_ERROR", Unknown),
            ("40004", "AQC.SYSTEM_ERROR", Unknown),
            ("40004", "ACQ.TRADE_NOT_EXIST", NotFound),
            ("40004", "ACQ.TRADE_HAS_SUCCESS", AlreadyPaid),
            ("40004", "ACQ.TRADE_HAS_CLOSE", AlreadyClosed),
            ("40004", "ACQ.CONTEXT_INCONSISTENT", Changed),
            ("40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", PayeeFunds),
            ("40004", "ACQ.ACCESS_FORBIDDEN", Setup),
            ("40004", "ACQ.SELLER_BEEN_BLOCKED", Setup),
            ("40004", "aop.ACQ.SELLER_NOT_EXIST", Setup),
            ("40004", "ACQ.SECONDARY_MERCHANT_STATUS_ERROR", Setup),
            ("40004", "ACQ.BEYOND_PAY_RESTRICTION", Setup),
            ("40004", "ACQ.BEYOND_PER_RECEIPT_RESTRICTION", Setup),
            ("40004", "ACQ.BEYOND_PER_RECEIPT_DAY_RESTRICTION", Setup),
            ("40004", "ACQ.BEYOND_PER_RECEIPT_SINGLE_RESTRICTION", Final),
            ("40004", "ACQ.INVALID_PARAMETER", Final),
            ("40004", "ACQ.TRADE_STATUS_ERROR", Final),
            ("40004", "ACQ.SOMETHING_NEW", Final),
            ("40099", "", Final),
            ("50000", "", Unknown),
        ];
        for (code, sub_code, wanted) in table {
            assert_eq!(class(code, sub_code), wanted, "{code} {sub_code}");
        }
    }
}
