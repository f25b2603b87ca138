//! Everything that can go wrong with a request, as one table: stable code, status, and what it means to whom.
//!
//! A fault has an outside (code, schema path, what would be right) and an inside (for the log); they never mix, and
//! neither ever holds a value of the request.

use crate::{guard::Breached, stage::Response};
use domain::Breach;
use std::time::Duration;

/// Why a stack stops before its end.
pub enum Stop {
    /// With an answer that is no fault (a replay of the first answer).
    Answer(Response),
    /// With a fault; `rescue` makes it an answer in the caller's dialect.
    Fault(Fault),
}

/// One fault.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Its row in the table.
    pub code: Code,
    /// What exactly, for the caller: names a place and what would be right, never a value.
    pub detail: String,
    /// When to come again.
    pub retry_after: Option<Duration>,
    /// The method that the resource takes instead.
    pub allow: Option<&'static str>,
    /// For our log only.
    pub inside: Option<String>,
    /// The channel's own code, where the channel refused.
    pub channel_code: Option<std::sync::Arc<str>>,
    /// The account surely did not take the order, for a reason of its own or of the way there: another account may.
    pub elsewhere: bool,
    /// How the request offends the no-funds guard: such a refusal goes on record.
    pub breach: Option<Box<Breached>>,
}

impl Fault {
    /// A fault with its exact reason.
    pub fn new(code: Code, detail: impl Into<String>) -> Fault {
        Fault {
            code,
            detail: detail.into(),
            retry_after: None,
            allow: None,
            inside: None,
            channel_code: None,
            elsewhere: false,
            breach: None,
        }
    }

    /// A fault with its standing sentence.
    pub fn of(code: Code) -> Fault {
        Fault::new(code, code.row().merchant)
    }

    /// Adds how the request offends the no-funds guard, and at which field or call, by a name that we know.
    pub fn breaks(mut self, breach: Breach, name: Option<&str>) -> Fault {
        self.breach = Some(Box::new(Breached {
            breach,
            name: name.map(Into::into),
            channel: None,
        }));
        self
    }

    /// Adds when to come again.
    pub fn retry(mut self, after: Duration) -> Fault {
        self.retry_after = Some(after);
        self
    }

    /// Adds what only the log may say.
    pub fn inside(mut self, inside: impl std::fmt::Display) -> Fault {
        self.inside = Some(inside.to_string());
        self
    }
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Stop {
        Stop::Fault(fault)
    }
}

/// One row of the error table.
pub struct Row {
    /// Stable code in problem documents.
    pub code: &'static str,
    /// HTTP status.
    pub status: u16,
    /// What it means to the merchant, and what would be right.
    pub merchant: &'static str,
    /// What it means to the operator.
    pub operator: &'static str,
    /// What it means to an auditor.
    pub regulator: &'static str,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $status:literal, $merchant:literal, $operator:literal, $regulator:literal;)*) => {
        /// Stable codes of the unified API.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Code { $($(#[$doc])* #[doc = $merchant] $name,)* }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Code] = &[$(Code::$name,)*];

            /// Its row.
            pub const fn row(self) -> &'static Row {
                match self {
                    $(Code::$name => &Row { code: $code, status: $status, merchant: $merchant, operator: $operator, regulator: $regulator },)*
                }
            }
        }
    };
}

codes! {
    MalformedRequest = "malformed_request", 400, "The request does not have the form the API asks for; `detail` names the place and what would be right.", "A client error.", "On record as a refusal of the no-funds guard where a merchant's signature stands behind it (C81), else counted.";
    UnknownField = "unknown_field", 400, "The body or the query has a field that this operation does not take; `detail` names its path, or its place in the query.", "A client error.", "Fields are an allow-list (R01); the refusal is on record (C21, C81).";
    InvalidField = "invalid_field", 400, "A field's value cannot be taken; `detail` names its path and what would be right.", "A client error.", "The refusal is on record with the field's name, never its value (C21, C81).";
    BodyTooLarge = "body_too_large", 413, "The body is larger than this operation takes; `detail` gives the limit in bytes.", "A client error.", "Nothing was recorded.";
    BodyTooSlow = "body_too_slow", 408, "The body was not there within ten seconds; send the request again.", "A slow or broken client; many from one source may be an attack.", "Nothing was recorded.";
    UnsupportedMediaType = "unsupported_media_type", 415, "Send `Content-Type: application/json` without a content encoding.", "A client error.", "On record as a refusal of the no-funds guard where a merchant's signature stands behind it (C81), else counted.";
    MissingSignature = "missing_signature", 401, "The `Authorization` header is missing or lacks a part; `detail` names it.", "A client error; many from one source may be an attack.", "Nothing was recorded.";
    UnknownKey = "unknown_key", 401, "No key with this merchant, serial and scheme is registered, or it has expired.", "Compare with the operator registry.", "Nothing was recorded.";
    StaleTimestamp = "stale_timestamp", 401, "The timestamp is more than five minutes from our clock (the `Date` header of this answer tells our time), or lies before the second in which this service started; sign the request anew.", "The client's clock is wrong, or the service was started a moment ago: what was signed before may only repeat what is on record.", "Nothing was recorded.";
    ReplayedNonce = "replayed_nonce", 401, "This signature's nonce was used before; sign each request anew.", "A replay, or a client that reuses nonces.", "A replayed request never has a second effect.";
    WrongSignature = "wrong_signature", 401, "The signature does not match the message `METHOD\\ntarget\\ntimestamp\\nnonce\\nbody\\n`.", "A client error; many from one source may be an attack.", "Nothing was recorded.";
    NotFound = "not_found", 404, "There is no such resource for this merchant.", "A client error.", "Another merchant's order looks the same as none; a path that is none is on record (C02, C81).";
    MethodNotAllowed = "method_not_allowed", 405, "The resource does not take this method; the `Allow` header names those it takes.", "A client error.", "On record as a refusal of the no-funds guard where a merchant's signature stands behind it (C81), else counted.";
    OrderInProgress = "order_in_progress", 409, "Another request with this number is under way; ask for the order, or repeat in a few seconds.", "Normal under retries.", "One winner per number.";
    OrderChanged = "order_changed", 409, "This order number was used with other content; use a new number for a new sale.", "A client error.", "The first content stands on record.";
    OrderClosed = "order_closed", 409, "The order is closed; use a new number.", "A client error.", "On record.";
    OrderPaid = "order_paid", 409, "The order is paid; it cannot be closed or ordered again.", "A client error.", "On record.";
    OrderNotPaid = "order_not_paid", 409, "The order is not paid; there is nothing to refund.", "A client error.", "Refunds only against paid orders (R17).";
    RefundExceedsPaid = "refund_exceeds_paid", 409, "This refund and those before it would exceed what was paid; `detail` gives what is left in fen.", "A client error.", "Refunds never exceed the trade (R17).";
    RefundChanged = "refund_changed", 409, "This refund number was used with other content; use a new number for a new refund.", "A client error.", "The first content stands on record.";
    CodeChanged = "code_changed", 409, "This code number was used with other content; use a new number for another code.", "A client error.", "The first content stands on record.";
    TooManyCodes = "too_many_codes", 409, "You have as many codes as are kept here; `detail` gives the number. Revoke what nobody scans any more; a code that ended or was revoked makes room a day later.", "The setting `limits.codes`.", "Nothing was recorded.";
    OrderReversed = "order_reversed", 409, "The order was reversed; nobody is charged for it. Use a new number for other content.", "A client error.", "On record.";
    RefundNotHeld = "refund_not_held", 409, "The refund is not held; it cannot be released or cancelled.", "A client error.", "On record.";
    TooManyRequests = "too_many_requests", 429, "Too many requests; wait for the seconds given in `Retry-After`.", "A limit of the registry or of the listener.", "Nothing was recorded.";
    ChannelNotLicensed = "channel_not_licensed", 403, "The channel's licence or the agreement with its institution is not in force; new orders are refused, all else goes on.", "Renew the licence registry or the agreement.", "New orders stop with the licence (R03, R04); queries, closes, refunds and notices go on.";
    AmountOverLimit = "amount_over_limit", 403, "The amount is above a ceiling set for this merchant; `detail` names the ceiling in fen.", "A limit of the operator registry.", "A ceiling held.";
    PayeeNotAllowed = "payee_not_allowed", 403, "The payee is not this merchant's own account at the channel.", "A client error, or the acquirer's file is old.", "No funds: nobody but the merchant can be paid (R01, R03).";
    OperationNotAllowed = "operation_not_allowed", 403, "This merchant or account is not registered for this operation.", "Compare with the registries.", "Operations are an allow-list (R01); what the guard refuses is on record (C02, C81).";
    OrderNotAccepted = "order_not_accepted", 403, "The order was not accepted.", "One text for list, measure, risk and payer limit.", "The true reason stands in the cases journal only (R11).";
    ChannelRefused = "channel_refused", 422, "The channel refused; `channel_code` is its code.", "Compare with the channel's documents.", "On record with the channel's code.";
    PaymentCodeInvalid = "payment_code_invalid", 422, "The payment code has expired, was used or is none; scan a fresh one and send the same order number again. `channel_code` is the channel's code.", "Normal at a counter; many of one merchant are not.", "On record with the channel's code; nobody was charged.";
    PayerCannotPay = "payer_cannot_pay", 422, "The payer cannot pay this by this wallet now (balance, limit, card); ask for another way to pay. `channel_code` is the channel's code.", "Normal at a counter.", "On record with the channel's code; nobody was charged.";
    ChannelFrequency = "channel_frequency", 503, "The channel is limiting requests; repeat the same number later.", "Slow down, or raise the limit with the channel.", "On record.";
    NotPlaced = "not_placed", 409, "The order was not placed and the data to repeat it has been forgotten; send the same number again.", "After a crash or long outage.", "Buyer data died by its deadline.";
    IndexRebuilding = "index_rebuilding", 503, "Older orders cannot be looked up for a moment; repeat in a few seconds.", "The index is rebuilt from the journal.", "The journal is complete; only its index is behind.";
    StorageLow = "storage_low", 503, "New orders are not taken for the moment; queries, closes and refunds are.", "Free disk space: the journal is near its low-water mark.", "Notices are still recorded.";
    CasesUnreachable = "cases_unreachable", 503, "New orders are not taken for the moment; queries, closes and refunds are.", "The desk has not been reachable for the time set; last measures stay in force.", "New orders stop when measures cannot be read.";
    Stopping = "stopping", 503, "The service is stopping; repeat the request.", "Drain.", "On record what was on record.";
    Deadline = "deadline", 503, "The request did not finish in time and nothing was sent; repeat the same number.", "Overload.", "Nothing was sent.";
    Internal = "internal", 500, "Something is wrong here; the order, if recorded, is safe. Ask for it before you repeat it.", "A defect: see the log at this request id.", "On record what was on record.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_statuses_are_errors() {
        let mut seen = std::collections::HashSet::new();
        for code in Code::ALL {
            let row = code.row();
            assert!(seen.insert(row.code), "{} twice", row.code);
            assert!((400..600).contains(&row.status), "{}", row.code);
        }
    }
}
