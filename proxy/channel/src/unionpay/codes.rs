//! What UnionPay's `respCode` means (channels.md 4.4).

use crate::{FailureClass, auth_code::Refusal};

/// Done: 00, and A6 with a defect, which counts as done and is looked at.
pub(crate) fn is_success(code: &str) -> bool {
    matches!(code, "00" | "A6")
}

/// Under way, or nobody knows: 03 a time-out, 04 an unknown state, 05 accepted and not finished.
pub(crate) fn is_open(code: &str) -> bool {
    matches!(code, "03" | "04" | "05")
}

/// The money was taken, though late: paid after the order's time (42).
pub(crate) fn is_taken_late(code: &str) -> bool {
    code == "42"
}

/// What a refusal of a call means. What is not listed counts as unknown: it leads to a query, never to a new charge.
pub(crate) fn class(code: &str) -> FailureClass {
    match code {
        "12" => FailureClass::Duplicate,
        "34" => FailureClass::NotFound,
        "02" | "37" | "98" => FailureClass::Busy,
        "11" | "31" | "32" => FailureClass::Setup,
        "36" => FailureClass::Changed,
        "10" | "13" | "14" | "30" | "33" | "35" | "38" | "39" | "40" | "41" | "45" => FailureClass::Final,
        // The issuer said no.
        "60" | "61" | "62" | "63" | "64" | "65" | "66" | "67" | "68" | "69" | "70" | "71" | "72" | "73"
        | "77" | "78" | "79" | "80" => FailureClass::Final,
        // 01 asks to ring up UnionPay; 03, 04, 05 and 99 say that nobody knows; 42, 74 and 75 that money was taken.
        _ => FailureClass::Unknown,
    }
}

/// What a refusal of a charge means (被扫). A code that the table does not list as a refusal of a payment says nothing of
/// whether somebody was charged: it leads to a query.
pub(crate) fn charge_class(code: &str) -> FailureClass {
    match code {
        // Of a query, a file, another transaction than this one (channels.md 4.4).
        "34" | "35" | "36" | "37" | "40" | "41" | "45" | "98" => FailureClass::Unknown,
        code => class(code),
    }
}

/// Whether a charge that has this code was refused for good: server calls are asked for only while nobody knows
/// (channels.md 4.4).
pub(crate) fn refuses_charge(code: &str) -> bool {
    matches!(charge_class(code), FailureClass::Final | FailureClass::Setup)
}

/// Whether a refund that has this code was refused for good: the message, the merchant, the original or the issuer (channels.md
/// 4.4). Codes of queries and other transactions, and those that want somebody to look, say nothing of it.
pub(crate) fn refuses_refund(code: &str) -> bool {
    !matches!(code, "34" | "40" | "41")
        && matches!(
            class(code),
            FailureClass::Final | FailureClass::Setup | FailureClass::Changed
        )
}

/// Whether an original transaction of this code surely moved nothing, once its time is over.
pub(crate) fn moved_nothing(code: &str) -> bool {
    matches!(
        class(code),
        FailureClass::Final | FailureClass::NotFound | FailureClass::Setup | FailureClass::Changed
    ) && code != "45"
}

/// What a refusal of a payment code means to the cashier.
pub(crate) fn refusal(code: &str) -> Refusal {
    match code {
        // The number that was read is none that anybody has.
        "61" => Refusal::Code,
        "60" | "62" | "63" | "64" | "65" | "66" | "67" | "68" | "69" | "70" | "71" | "72" | "73" | "77"
        | "78" | "79" | "80" | "33" => Refusal::Payer,
        _ => Refusal::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    #[test]
    fn every_code_of_the_table_and_one_that_is_new() {
        let table = [
            ("01", Unknown),
            ("02", Busy),
            ("03", Unknown),
            ("04", Unknown),
            ("05", Unknown),
            ("10", Final),
            ("11", Setup),
            ("12", Duplicate),
            ("13", Final),
            ("14", Final),
            ("30", Final),
            ("31", Setup),
            ("32", Setup),
            ("33", Final),
            ("34", NotFound),
            ("35", Final),
            ("36", Changed),
            ("37", Busy),
            ("38", Final),
            ("39", Final),
            ("40", Final),
            ("41", Final),
            ("42", Unknown),
            ("45", Final),
            ("60", Final),
            ("64", Final),
            ("73", Final),
            ("74", Unknown),
            ("75", Unknown),
            ("77", Final),
            ("80", Final),
            ("98", Busy),
            ("99", Unknown),
            ("A7", Unknown),
            ("", Unknown),
            ("0", Unknown),
            ("76", Unknown),
        ];
        for (code, wanted) in table {
            assert_eq!(class(code), wanted, "{code}");
            assert!(!is_success(code), "{code}");
        }
        assert!(is_success("00") && is_success("A6"));
    }

    /// A charge failed only where the table says so.
    #[test]
    fn a_charge_is_refused_by_a_listed_refusal_of_payments_only() {
        for code in [
            "60", "61", "64", "73", "77", "80", "10", "11", "30", "31", "33", "39",
        ] {
            assert!(refuses_charge(code), "{code}");
        }
        for code in [
            "00", "A6", "01", "02", "03", "04", "05", "12", "34", "35", "36", "37", "40", "41", "42", "45",
            "74", "75", "98", "99", "ZZ", "",
        ] {
            assert!(!refuses_charge(code), "{code}");
        }
        assert_eq!(charge_class("02"), Busy);
        for code in ["34", "35", "36", "37", "40", "41", "45", "98", "42", "99"] {
            assert_eq!(charge_class(code), Unknown, "{code}");
        }
    }

    /// Never a fresh charge on a word of doubt.
    #[test]
    fn only_a_listed_refusal_says_that_nothing_moved() {
        for code in [
            "00", "A6", "01", "03", "04", "05", "12", "42", "45", "74", "75", "99", "ZZ", "",
        ] {
            assert!(!moved_nothing(code), "{code}");
        }
        for code in ["34", "60", "64", "73", "30", "10"] {
            assert!(moved_nothing(code), "{code}");
        }
    }
}
