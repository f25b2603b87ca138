//! What WeChat's error codes mean (channels.md 1.11). Older pages leave underscores out; both spellings
//! count.

use crate::FailureClass;

/// The code without underscores decides; 5xx means that nobody knows, whatever the code.
pub(crate) fn class(status: u16, code: &str) -> FailureClass {
    if status >= 500 {
        return FailureClass::Unknown;
    }
    match code.replace('_', "").to_ascii_uppercase().as_str() {
        "SYSTEMERROR" | "BANKERROR" => FailureClass::Unknown,
        "FREQUENCYLIMITED" | "FREQUENCYLIMIT" | "FREQUENCYLIMITEXCEED" | "RATELIMITEXCEEDED" => {
            FailureClass::Busy
        }
        "ORDERPAID" => FailureClass::AlreadyPaid,
        "ORDERCLOSED" => FailureClass::AlreadyClosed,
        "OUTTRADENOUSED" => FailureClass::Changed,
        "ORDERNOTEXIST" | "RESOURCENOTEXISTS" => FailureClass::NotFound,
        "NOTENOUGH" => FailureClass::PayeeFunds,
        "APPIDMCHIDNOTMATCH" | "MCHNOTEXISTS" | "SIGNERROR" | "NOAUTH" => FailureClass::Setup,
        _ => by_status(status),
    }
}

/// An unknown code, or one whose status already says all.
fn by_status(status: u16) -> FailureClass {
    match status {
        401 => FailureClass::Setup,
        429 => FailureClass::Busy,
        _ => FailureClass::Final,
    }
}

/// Listed as refused for good, in APIv3 or V2 (channels.md 1.11, 2.2): nothing was paid back. `ERROR` is in the list and says no
/// more than that, so it is not here.
pub(crate) fn refuses_refund(code: &str) -> bool {
    matches!(
        code.replace('_', "").to_ascii_uppercase().as_str(),
        "PARAMERROR"
            | "INVALIDREQUEST"
            | "APPIDMCHIDNOTMATCH"
            | "MCHNOTEXISTS"
            | "ORDERCLOSED"
            | "SIGNERROR"
            | "NOAUTH"
            | "OUTTRADENOUSED"
            | "RULELIMIT"
            | "TRADEERROR"
            | "ACCOUNTERROR"
            | "NOTENOUGH"
            | "USERACCOUNTABNORMAL"
            | "ORDERNOTEXIST"
            | "RESOURCENOTEXISTS"
            | "TRADEOVERDUE"
            | "INVALIDTRANSACTIONID"
            | "LACKPARAMS"
            | "APPIDNOTEXIST"
            | "MCHIDNOTEXIST"
            | "XMLFORMATERROR"
            | "NOTUTF8"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    #[test]
    fn every_code_of_the_table_in_both_spellings() {
        let table = [
            (400, "PARAM_ERROR", Final),
            (400, "INVALID_REQUEST", Final),
            (400, "APPID_MCHID_NOT_MATCH", Setup),
            (400, "MCH_NOT_EXISTS", Setup),
            (400, "ORDER_CLOSED", AlreadyClosed),
            (400, "ORDER_PAID", AlreadyPaid),
            (401, "SIGN_ERROR", Setup),
            (403, "NO_AUTH", Setup),
            (403, "OUT_TRADE_NO_USED", Changed),
            (403, "RULE_LIMIT", Final),
            (403, "TRADE_ERROR", Final),
            (403, "ACCOUNT_ERROR", Final),
            (403, "NOT_ENOUGH", PayeeFunds),
            (403, "USER_ACCOUNT_ABNORMAL", Final),
            (404, "ORDER_NOT_EXIST", NotFound),
            (404, "RESOURCE_NOT_EXISTS", NotFound),
            (429, "FREQUENCY_LIMITED", Busy),
            (500, "SYSTEM_ERROR", Unknown),
            (500, "BANK_ERROR", Unknown),
            (500, "ORDER_CLOSED", Unknown),
            (400, "SOMETHING_NEW", Final),
            (503, "SOMETHING_NEW", Unknown),
        ];
        for (status, code, wanted) in table {
            assert_eq!(class(status, code), wanted, "{code}");
            assert_eq!(
                class(status, &code.replace('_', "")),
                wanted,
                "{code} without underscores"
            );
        }
    }
}
