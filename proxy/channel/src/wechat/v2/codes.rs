//! What V2's error codes mean (channels.md 2.2). A charging call failed for good only where the list says so: what is not
//! listed may have been charged.

use crate::{FailureClass, auth_code::Refusal};
use domain::Operation;

/// `charges` for a call that charges when it is sent; an order that is only placed may be placed again.
pub(super) fn class(operation: Operation, charges: bool, code: &str) -> FailureClass {
    match code {
        "SYSTEMERROR" | "BANKERROR" | "USERPAYING" | "BIZERR_NEED_RETRY" => FailureClass::Unknown,
        "FREQUENCY_LIMITED" | "INVALID_REQ_TOO_MUCH" if !charges => FailureClass::Busy,
        "ORDERPAID" => FailureClass::AlreadyPaid,
        "ORDERCLOSED" | "ORDERREVERSED" => FailureClass::AlreadyClosed,
        "OUT_TRADE_NO_USED" => FailureClass::Changed,
        "ORDERNOTEXIST" | "REFUNDNOTEXIST" if !charges => FailureClass::NotFound,
        "NOAUTH" | "SIGNERROR" | "APPID_NOT_EXIST" | "MCHID_NOT_EXIST" | "APPID_MCHID_NOT_MATCH" => {
            FailureClass::Setup
        }
        "NOTENOUGH" if operation == Operation::Refund => FailureClass::PayeeFunds,
        _ if charges && !surely_not_charged(code) => FailureClass::Unknown,
        _ => FailureClass::Final,
    }
}

/// Listed as failed for `micropay` (channels.md 2.2): nobody was charged.
pub(crate) fn surely_not_charged(code: &str) -> bool {
    const SETUP: [&str; 5] = [
        "PARAMERROR",
        "LACKPARAMS",
        "XMLFORMATERROR",
        "NOTUTF8",
        "INVALIDREQUEST",
    ];
    refusal(code) != Refusal::Other || SETUP.contains(&plain(code).as_str())
}

/// What a refusal of a payment code means to the cashier (channels.md 2.2).
pub(crate) fn refusal(code: &str) -> Refusal {
    match plain(code).as_str() {
        "AUTHCODEEXPIRE" | "AUTHCODEERROR" | "AUTHCODEINVALID" => Refusal::Code,
        "NOTENOUGH" | "NOTSUPORTCARD" | "BUYERMISMATCH" | "TRADEERROR" => Refusal::Payer,
        _ => Refusal::Other,
    }
}

/// APIv3 writes the same codes with underscores, older pages without (channels.md 1.11).
fn plain(code: &str) -> String {
    code.replace('_', "")
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    #[test]
    fn codes_of_the_tables_by_operation() {
        let table = [
            ("SYSTEMERROR", Unknown, Unknown),
            ("BANKERROR", Unknown, Unknown),
            ("USERPAYING", Unknown, Unknown),
            ("ORDERPAID", AlreadyPaid, AlreadyPaid),
            ("ORDERCLOSED", AlreadyClosed, AlreadyClosed),
            ("ORDERREVERSED", AlreadyClosed, AlreadyClosed),
            ("OUT_TRADE_NO_USED", Changed, Changed),
            ("AUTHCODEEXPIRE", Final, Final),
            ("AUTH_CODE_ERROR", Final, Final),
            ("AUTH_CODE_INVALID", Final, Final),
            ("NOTENOUGH", Final, PayeeFunds),
            ("NOTSUPORTCARD", Final, Final),
            ("BUYER_MISMATCH", Final, Final),
            ("TRADE_ERROR", Final, Final),
            ("NOAUTH", Setup, Setup),
            ("SIGNERROR", Setup, Setup),
            ("APPID_MCHID_NOT_MATCH", Setup, Setup),
            ("PARAM_ERROR", Final, Final),
            ("INVALID_REQUEST", Final, Final),
            ("BIZERR_NEED_RETRY", Unknown, Unknown),
            ("FREQUENCY_LIMITED", Unknown, Busy),
            ("INVALID_REQ_TOO_MUCH", Unknown, Busy),
            ("ORDERNOTEXIST", Unknown, NotFound),
            ("REFUNDNOTEXIST", Unknown, NotFound),
            ("TRADE_OVERDUE", Unknown, Final),
            ("SOMETHING_NEW", Unknown, Final),
            ("", Unknown, Final),
        ];
        for (code, charged, refunded) in table {
            assert_eq!(
                class(Operation::Create, true, code),
                charged,
                "{code} of a charge"
            );
            assert_eq!(
                class(Operation::Refund, false, code),
                refunded,
                "{code} of a refund"
            );
        }
    }
}
