//! Faults on command: each is used up by the next so many requests or notices it fits.

use serde::{Deserialize, Serialize};

/// Which channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Wechat,
    Alipay,
    Unionpay,
    Baidu,
    Ccb,
    Icbc,
    Cmb,
}

/// What a request asks for, in both channels' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Create,
    Query,
    Close,
    Reverse,
    Refund,
    RefundQuery,
    Certificates,
    /// The exchange of a wallet's code of authorisation.
    Authorize,
    Bill,
    Notice,
    /// Anything the sandbox does not know; no fault can be set for it.
    #[serde(skip_deserializing)]
    Other,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    TimeoutBefore,
    TimeoutAfter,
    #[serde(rename = "status_5xx")]
    Status5xx,
    WrongSignature,
    Garbage,
    Slow,
    Duplicate,
    Reorder,
    Drop,
    SignatureProbe,
    Busy,
    /// A reverse is to be sent again, and nothing was done.
    Again,
    /// A charging call by a payment code arrives when it was given up: it acts so much later, and never answers.
    ArrivesLate,
    /// UnionPay's settlement day is over: what was paid on it is not cancelled any more.
    TooLate,
    /// The Baidu wallet has another key for the merchant than the merchant: 5802.
    OtherKey,
    /// A refund, or an order at Alipay, is refused with a code that no list has, and nothing was done.
    UnlistedBefore,
    /// It is done, and refused with a code that no list has.
    UnlistedAfter,
    /// The channel tells of another paid order of the same amount than was asked about, or of such a refund of another order.
    OtherOrder,
    /// UnionPay states another kind of transaction than was asked about: of a payment a cancel's, of a way back a payment's.
    OtherType,
    /// Before its true notice ICBC says that it is in doubt itself (tranStat 3).
    Doubtful,
}

/// A fault that waits for its victims.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    pub(crate) channel: Channel,
    pub(crate) operation: Operation,
    pub(crate) kind: Kind,
    #[serde(default = "once")]
    pub(crate) count: u32,
    /// Only what is about this order, of whichever merchant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) out_trade_no: Option<String>,
}

/// A request or notice that a fault may fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Victim<'a> {
    pub(crate) channel: Channel,
    pub(crate) operation: Operation,
    /// The merchant's number of the order it is about, if it tells.
    pub(crate) out_trade_no: Option<&'a str>,
    /// Of a merchant whom only faults that name the order concern.
    pub(crate) spared: bool,
}

impl Victim<'_> {
    fn of(&self, fault: &Fault) -> bool {
        let about = match &fault.out_trade_no {
            Some(number) => self.out_trade_no == Some(number),
            None => !self.spared,
        };
        about && fault.channel == self.channel && fault.operation == self.operation
    }
}

fn once() -> u32 {
    1
}

impl Fault {
    /// Says why this combination makes no sense, if it makes none.
    pub(crate) fn objection(&self) -> Option<&'static str> {
        use Kind::*;
        let of_notices = matches!(
            self.kind,
            Duplicate | Reorder | Drop | SignatureProbe | WrongSignature | Doubtful
        );
        let of_requests = !matches!(self.kind, Duplicate | Reorder | Drop | Doubtful);
        if self.kind == Again && self.operation != Operation::Reverse {
            Some("again is a fault of reverses")
        } else if self.kind == Again && self.channel == Channel::Unionpay {
            Some("UnionPay never asks for a cancel to be sent again")
        } else if self.kind == OtherKey && self.channel != Channel::Baidu {
            Some("other_key is a fault of the Baidu wallet's")
        } else if self.kind == TooLate
            && (self.operation, self.channel) != (Operation::Reverse, Channel::Unionpay)
        {
            Some("too_late is a fault of UnionPay's cancels")
        } else if matches!(self.kind, UnlistedBefore | UnlistedAfter)
            && self.operation != Operation::Refund
            && (self.operation, self.channel) != (Operation::Create, Channel::Alipay)
        {
            Some("unlisted_before and unlisted_after are faults of refunds and of Alipay's orders")
        } else if self.kind == ArrivesLate
            && (self.operation != Operation::Create
                || !matches!(
                    self.channel,
                    Channel::Wechat | Channel::Alipay | Channel::Unionpay
                ))
        {
            Some("arrives_late is a fault of WeChat's, Alipay's and UnionPay's payment codes")
        } else if self.kind == OtherType
            && (self.channel != Channel::Unionpay
                || !matches!(self.operation, Operation::Query | Operation::RefundQuery))
        {
            Some("other_type is a fault of UnionPay's queries")
        } else if self.kind == OtherOrder && !self.names_its_order() {
            Some("other_order is a fault of answers that name what they are about")
        } else if self.count == 0 {
            Some("count must be at least 1")
        } else if self.operation == Operation::Notice && !of_notices {
            Some("a notice can be duplicate, reorder, drop, signature_probe or wrong_signature")
        } else if self.operation != Operation::Notice && !of_requests {
            Some("duplicate, reorder and drop are faults of notices")
        } else if self.channel == Channel::Unionpay
            && matches!(self.operation, Operation::Close | Operation::Certificates)
        {
            Some(
                "UnionPay has no such call: an order ends with its own time, certificates come with the messages",
            )
        } else if self.channel == Channel::Baidu
            && matches!(
                self.operation,
                Operation::Close | Operation::Reverse | Operation::Certificates
            )
        {
            Some("the Baidu wallet has no such call: an order ends with its own time")
        } else if self.channel == Channel::Baidu
            && self.kind == WrongSignature
            && self.operation != Operation::Notice
        {
            Some("the Baidu wallet's answers are not signed")
        } else if self.kind == Doubtful && self.channel != Channel::Icbc {
            Some("doubtful is a fault of ICBC's notices")
        } else if self.channel == Channel::Icbc
            && (!matches!(self.operation, Operation::Create | Operation::Notice)
                || self.operation == Operation::Create && self.kind == WrongSignature)
        {
            Some("ICBC has no such call: orders are opened by a browser, and it tells")
        } else if self.channel == Channel::Cmb
            && (!matches!(
                self.operation,
                Operation::Create | Operation::Query | Operation::Notice
            ) || self.kind == WrongSignature && self.operation != Operation::Notice)
        {
            Some(
                "CMB has no such call, and its answers are not signed: orders are opened by a browser and asked for",
            )
        } else if self.channel == Channel::Ccb
            && !matches!(
                self.operation,
                Operation::Create | Operation::Query | Operation::Notice
            )
        {
            Some("CCB has no such call: orders are opened by a browser and asked for, nothing else")
        } else if self.channel == Channel::Ccb
            && self.kind == WrongSignature
            && self.operation != Operation::Notice
        {
            Some("CCB's answers are not signed")
        } else if self.kind == SignatureProbe && self.channel != Channel::Wechat {
            Some("signature probes are WeChat's alone")
        } else {
            None
        }
    }
}

impl Fault {
    /// Does the answer name the order, or the refund, that it is about? Of what is placed only the answer to a charge does.
    fn names_its_order(&self) -> bool {
        use Operation::{Create, Query, Refund, RefundQuery};
        match self.channel {
            Channel::Wechat | Channel::Alipay => {
                matches!(self.operation, Create | Query | Refund | RefundQuery)
            }
            Channel::Unionpay => matches!(self.operation, Create | Query | Refund | RefundQuery),
            Channel::Baidu => matches!(self.operation, Query | Refund),
            Channel::Ccb | Channel::Cmb => self.operation == Query,
            Channel::Icbc => false,
        }
    }
}

/// All faults set and not yet used up.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn set(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    /// Uses up the oldest fault that fits.
    pub(crate) fn take(&mut self, victim: &Victim<'_>) -> Option<Kind> {
        self.take_if(victim, |_| true)
    }

    /// Uses up the oldest fault that fits and is of a kind asked for.
    pub(crate) fn take_if(&mut self, victim: &Victim<'_>, fits: fn(Kind) -> bool) -> Option<Kind> {
        let place = self.0.iter().position(|f| victim.of(f) && fits(f.kind))?;
        let fault = self.0.get_mut(place)?;
        fault.count -= 1;
        let kind = fault.kind;
        if fault.count == 0 {
            self.0.remove(place);
        }
        Some(kind)
    }

    /// Drops those that are to be forgotten.
    pub(crate) fn forget(&mut self, forgotten: impl Fn(&Fault) -> bool) {
        self.0.retain(|fault| !forgotten(fault));
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn victim(channel: Channel, out_trade_no: Option<&str>, spared: bool) -> Victim<'_> {
        Victim {
            channel,
            operation: Operation::Create,
            out_trade_no,
            spared,
        }
    }

    #[test]
    fn a_fault_of_one_order_waits_for_it_and_others_spare_who_is_spared() {
        let mut faults = Faults::default();
        let fault = |number: Option<&str>| Fault {
            channel: Channel::Wechat,
            operation: Operation::Create,
            kind: Kind::Busy,
            count: 1,
            out_trade_no: number.map(str::to_owned),
        };
        faults.set(fault(Some("A1")));
        for (number, spared) in [(None, false), (Some("A2"), false), (None, true)] {
            assert_eq!(
                faults.take(&victim(Channel::Wechat, number, spared)),
                None,
                "{number:?}"
            );
        }
        assert_eq!(
            faults.take(&victim(Channel::Wechat, Some("A1"), true)),
            Some(Kind::Busy)
        );
        faults.set(fault(None));
        assert_eq!(faults.take(&victim(Channel::Wechat, Some("A3"), true)), None);
        assert_eq!(
            faults.take(&victim(Channel::Wechat, Some("A3"), false)),
            Some(Kind::Busy)
        );
    }

    #[test]
    fn faults_are_used_up_in_order() {
        let mut faults = Faults::default();
        let fault = |kind, count| Fault {
            channel: Channel::Wechat,
            operation: Operation::Create,
            kind,
            count,
            out_trade_no: None,
        };
        faults.set(fault(Kind::Busy, 2));
        faults.set(fault(Kind::Slow, 1));
        assert_eq!(faults.take(&victim(Channel::Alipay, None, false)), None);
        let taken: Vec<_> = (0..4)
            .map(|_| faults.take(&victim(Channel::Wechat, None, false)))
            .collect();
        assert_eq!(
            taken,
            [Some(Kind::Busy), Some(Kind::Busy), Some(Kind::Slow), None]
        );
    }

    #[test]
    fn senseless_combinations_are_named() {
        let fault = |text: &str| serde_json::from_str::<Fault>(text).unwrap().objection();
        assert!(fault(r#"{"channel":"alipay","operation":"notice","kind":"signature_probe"}"#).is_some());
        assert!(fault(r#"{"channel":"wechat","operation":"create","kind":"drop"}"#).is_some());
        assert!(fault(r#"{"channel":"baidu","operation":"create","kind":"unlisted_after"}"#).is_some());
        assert!(fault(r#"{"channel":"baidu","operation":"refund","kind":"unlisted_after"}"#).is_none());
        assert!(fault(r#"{"channel":"alipay","operation":"create","kind":"unlisted_after"}"#).is_none());
        assert!(fault(r#"{"channel":"wechat","operation":"refund_query","kind":"status_5xx"}"#).is_none());
        assert!(
            serde_json::from_str::<Fault>(r#"{"channel":"wechat","operation":"x","kind":"drop"}"#).is_err()
        );
    }
}
