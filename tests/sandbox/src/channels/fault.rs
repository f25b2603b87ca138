//! Faults on command: each is used up by the next so many requests or notices it fits.

use serde::{Deserialize, Serialize};

/// Which channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Channel {
    Wechat,
    Alipay,
}

/// What a request asks for, in both channels' terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Operation {
    Create,
    Query,
    Close,
    Refund,
    RefundQuery,
    Certificates,
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
            Duplicate | Reorder | Drop | SignatureProbe | WrongSignature
        );
        let of_requests = !matches!(self.kind, Duplicate | Reorder | Drop);
        if self.count == 0 {
            Some("count must be at least 1")
        } else if self.operation == Operation::Notice && !of_notices {
            Some("a notice can be duplicate, reorder, drop, signature_probe or wrong_signature")
        } else if self.operation != Operation::Notice && !of_requests {
            Some("duplicate, reorder and drop are faults of notices")
        } else if self.kind == SignatureProbe && self.channel == Channel::Alipay {
            Some("signature probes are WeChat's alone")
        } else if self.operation == Operation::Certificates && self.channel == Channel::Alipay {
            Some("Alipay has no certificates operation")
        } else {
            None
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
    pub(crate) fn take(&mut self, channel: Channel, operation: Operation) -> Option<Kind> {
        self.take_if(channel, operation, |_| true)
    }

    /// Uses up the oldest fault that fits and is of a kind asked for.
    pub(crate) fn take_if(
        &mut self,
        channel: Channel,
        operation: Operation,
        fits: fn(Kind) -> bool,
    ) -> Option<Kind> {
        let place = self
            .0
            .iter()
            .position(|f| f.channel == channel && f.operation == operation && fits(f.kind))?;
        let fault = self.0.get_mut(place)?;
        fault.count -= 1;
        let kind = fault.kind;
        if fault.count == 0 {
            self.0.remove(place);
        }
        Some(kind)
    }

    pub(crate) fn list(&self) -> &[Fault] {
        &self.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_used_up_in_order() {
        let mut faults = Faults::default();
        let fault = |kind, count| Fault {
            channel: Channel::Wechat,
            operation: Operation::Create,
            kind,
            count,
        };
        faults.set(fault(Kind::Busy, 2));
        faults.set(fault(Kind::Slow, 1));
        assert_eq!(faults.take(Channel::Alipay, Operation::Create), None);
        let taken: Vec<_> = (0..4)
            .map(|_| faults.take(Channel::Wechat, Operation::Create))
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
        assert!(fault(r#"{"channel":"wechat","operation":"refund_query","kind":"status_5xx"}"#).is_none());
        assert!(
            serde_json::from_str::<Fault>(r#"{"channel":"wechat","operation":"x","kind":"drop"}"#).is_err()
        );
    }
}
