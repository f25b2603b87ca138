//! Which refusals of a refund leave nothing done. A code that no list has says nothing: what was refused with it may have been
//! paid back all the same, and until the channel's own query decides nobody is told that it was not.

use crate::{Answer, Failure, FailureClass, alipay, unionpay, wechat};
use domain::{Channel, Operation};

/// An answer to a refund, with what no list has marked as that; any other answer as it is.
//= C92
pub(crate) fn judged(channel: Channel, operation: Operation, answer: Answer) -> Answer {
    match answer {
        Answer::Failed(failure) if operation == Operation::Refund && is_unlisted(channel, &failure) => {
            Answer::Failed(Failure {
                class: FailureClass::Unlisted,
                ..failure
            })
        }
        other => other,
    }
}

fn is_unlisted(channel: Channel, failure: &Failure) -> bool {
    match failure.class {
        // Words of their own: later, had already.
        FailureClass::Busy | FailureClass::Duplicate => false,
        FailureClass::Unknown => !says_that_nobody_knows(channel, &failure.code),
        _ => !is_listed(channel, &failure.code),
    }
}

/// Does the channel's document say that a refund refused so is not done, and never will be under this request?
fn is_listed(channel: Channel, code: &str) -> bool {
    match channel {
        Channel::Wechat => wechat::codes::refuses_refund(code),
        Channel::Alipay => alipay::codes::refuses_refund(code),
        Channel::Unionpay => unionpay::codes::refuses_refund(code),
        // No document says what its numbers leave done (channels.md section 5), and banks take none.
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => false,
    }
}

/// WeChat and Alipay tell by the status and by words of their own; UnionPay by three codes, and lists others as failed of which
/// somebody has to be asked (channels.md 4.4).
fn says_that_nobody_knows(channel: Channel, code: &str) -> bool {
    match channel {
        Channel::Wechat | Channel::Alipay => true,
        Channel::Unionpay => unionpay::codes::is_open(code),
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::*;

    fn class(channel: Channel, code: &str, of: FailureClass, operation: Operation) -> FailureClass {
        let answer = Answer::Failed(Failure {
            code: code.into(),
            class: of,
        });
        match judged(channel, operation, answer) {
            Answer::Failed(failure) => failure.class,
            _ => unreachable!("it stays a refusal"),
        }
    }

    #[test]
    //= C92
    fn only_what_a_list_has_ends_a_refund() {
        let refunds = [
            (Channel::Wechat, "NOT_ENOUGH", PayeeFunds, PayeeFunds),
            (Channel::Wechat, "NOTENOUGH", PayeeFunds, PayeeFunds),
            (Channel::Wechat, "TRADE_OVERDUE", Final, Final),
            (Channel::Wechat, "INVALID_REQUEST", Final, Final),
            (Channel::Wechat, "RESOURCE_NOT_EXISTS", NotFound, NotFound),
            (Channel::Wechat, "SYSTEM_ERROR", Unknown, Unknown),
            (Channel::Wechat, "FREQUENCY_LIMITED", Busy, Busy),
            (Channel::Wechat, "ERROR", Final, Unlisted),
            (Channel::Wechat, "SOMETHING_NEW", Final, Unlisted),
            (Channel::Wechat, "SOMETHING_NEW", Setup, Unlisted),
            (
                Channel::Alipay,
                "ACQ.SELLER_BALANCE_NOT_ENOUGH",
                PayeeFunds,
                PayeeFunds,
            ),
            (Channel::Alipay, "aop.ACQ.TRADE_STATUS_ERROR", Final, Final),
            (Channel::Alipay, "isv.invalid-signature", Setup, Setup),
            (Channel::Alipay, "40003", Setup, Setup),
            (Channel::Alipay, "ACQ.SYSTEM_ERROR", Unknown, Unknown),
            (Channel::Alipay, "ACQ.SOMETHING_NEW", Final, Unlisted),
            (Channel::Alipay, "ACQ.TRADE_HAS_SUCCESS", AlreadyPaid, Unlisted),
            (Channel::Alipay, "40099", Final, Unlisted),
            (Channel::Alipay, "isv.something-new", Final, Unlisted),
            (Channel::Unionpay, "35", Final, Final),
            (Channel::Unionpay, "36", Changed, Changed),
            (Channel::Unionpay, "12", Duplicate, Duplicate),
            (Channel::Unionpay, "02", Busy, Busy),
            (Channel::Unionpay, "03", Unknown, Unknown),
            (Channel::Unionpay, "05", Unknown, Unknown),
            (Channel::Unionpay, "01", Unknown, Unlisted),
            (Channel::Unionpay, "34", NotFound, Unlisted),
            (Channel::Unionpay, "99", Unknown, Unlisted),
            (Channel::Unionpay, "ZZ", Unknown, Unlisted),
            (Channel::Baidu, "2", Final, Unlisted),
            (Channel::Baidu, "5804", Unknown, Unlisted),
        ];
        for (channel, code, of, wanted) in refunds {
            assert_eq!(
                class(channel, code, of, Operation::Refund),
                wanted,
                "{channel:?} {code}"
            );
            assert_eq!(
                class(channel, code, of, Operation::Close),
                of,
                "{channel:?} {code}"
            );
        }
    }
}
