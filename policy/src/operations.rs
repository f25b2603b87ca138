//! What the program can ask of a channel. What is not here cannot be asked: there is no word for a balance, a
//! payout, a split, a transfer or a settlement (R01).

use domain::{Channel, Operation, PayWay};

/// One thing the program can do: a channel, an operation, and for new orders the way to pay.
pub type Capability = (Channel, Operation, Option<PayWay>);

/// Every operation at every channel.
//= C02
pub const ALLOWED: &[Capability] = &[
    (Channel::Wechat, Operation::Create, Some(PayWay::Native)),
    (Channel::Wechat, Operation::Create, Some(PayWay::Product)),
    (Channel::Wechat, Operation::Create, Some(PayWay::Jsapi)),
    (Channel::Wechat, Operation::Create, Some(PayWay::H5)),
    (Channel::Wechat, Operation::Create, Some(PayWay::App)),
    (Channel::Wechat, Operation::Create, Some(PayWay::Micropay)),
    (Channel::Wechat, Operation::Query, None),
    (Channel::Wechat, Operation::Close, None),
    (Channel::Wechat, Operation::Reverse, None),
    (Channel::Wechat, Operation::Refund, None),
    (Channel::Wechat, Operation::RefundQuery, None),
    (Channel::Wechat, Operation::Certificates, None),
    (Channel::Wechat, Operation::Authorize, None),
    (Channel::Wechat, Operation::Bill, None),
    (Channel::Alipay, Operation::Create, Some(PayWay::Qr)),
    (Channel::Alipay, Operation::Create, Some(PayWay::Jsapi)),
    (Channel::Alipay, Operation::Create, Some(PayWay::App)),
    (Channel::Alipay, Operation::Create, Some(PayWay::Page)),
    (Channel::Alipay, Operation::Create, Some(PayWay::Wap)),
    (Channel::Alipay, Operation::Create, Some(PayWay::Micropay)),
    (Channel::Alipay, Operation::Query, None),
    (Channel::Alipay, Operation::Close, None),
    (Channel::Alipay, Operation::Reverse, None),
    (Channel::Alipay, Operation::Refund, None),
    (Channel::Alipay, Operation::RefundQuery, None),
    (Channel::Alipay, Operation::Certificates, None),
    (Channel::Alipay, Operation::Authorize, None),
    (Channel::Alipay, Operation::Bill, None),
    (Channel::Unionpay, Operation::Create, Some(PayWay::Qr)),
    (Channel::Unionpay, Operation::Create, Some(PayWay::App)),
    (Channel::Unionpay, Operation::Create, Some(PayWay::Gateway)),
    (Channel::Unionpay, Operation::Create, Some(PayWay::GatewayB2b)),
    (Channel::Unionpay, Operation::Create, Some(PayWay::Micropay)),
    (Channel::Unionpay, Operation::Query, None),
    // It has no close: the order is asked for, and ends with its own time (channels.md 4.3, 4.4).
    (Channel::Unionpay, Operation::Close, None),
    // What was charged on the same settlement day, whole (消费撤销).
    (Channel::Unionpay, Operation::Reverse, None),
    (Channel::Unionpay, Operation::Refund, None),
    (Channel::Unionpay, Operation::RefundQuery, None),
    (Channel::Unionpay, Operation::Bill, None),
    (Channel::Baidu, Operation::Create, Some(PayWay::Page)),
    (Channel::Baidu, Operation::Create, Some(PayWay::Wap)),
    (Channel::Baidu, Operation::Query, None),
    // It has no close either.
    (Channel::Baidu, Operation::Close, None),
    (Channel::Baidu, Operation::Refund, None),
    (Channel::Baidu, Operation::RefundQuery, None),
    (Channel::Ccb, Operation::Create, Some(PayWay::Gateway)),
    (Channel::Ccb, Operation::Query, None),
    // No close and no refund by message is known of it (channels.md 6.3).
    (Channel::Ccb, Operation::Close, None),
    // It tells, and cannot be asked (channels.md 6.2).
    (Channel::Icbc, Operation::Create, Some(PayWay::Gateway)),
    (Channel::Cmb, Operation::Create, Some(PayWay::Gateway)),
    (Channel::Cmb, Operation::Query, None),
    // No close is known of it, and sources disagree on its refunds (channels.md 6.4).
    (Channel::Cmb, Operation::Close, None),
];

/// The list that stands first in an inspection's evidence pack (compliance.md section 8).
pub fn capabilities() -> Vec<Capability> {
    ALLOWED.to_vec()
}

/// The channels at which an order can be placed.
pub fn channels() -> impl Iterator<Item = Channel> {
    Channel::ALL
        .into_iter()
        .filter(|channel| pay_ways(*channel).next().is_some())
}

/// The ways to pay of a channel that a merchant can ask for.
pub fn pay_ways(channel: Channel) -> impl Iterator<Item = PayWay> {
    all_pay_ways(channel).filter(|way| !way.begins_at_the_channel())
}

/// The same, with those that begin at the channel.
pub fn all_pay_ways(channel: Channel) -> impl Iterator<Item = PayWay> {
    ALLOWED
        .iter()
        .filter(move |(c, ..)| *c == channel)
        .filter_map(|&(_, _, way)| way)
}

/// True if this channel takes this operation, by this way to pay where one is named.
pub fn is_allowed(channel: Channel, operation: Operation, pay_way: Option<PayWay>) -> bool {
    ALLOWED
        .iter()
        .any(|&(c, o, w)| c == channel && o == operation && (pay_way.is_none() || w == pay_way))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_moves_only_by_an_order_or_back_by_a_refund_or_reverse() {
        let moves = |o: &Operation| matches!(o, Operation::Create | Operation::Refund | Operation::Reverse);
        let harmless = |o: &Operation| o.is_read() || *o == Operation::Close;
        assert!(ALLOWED.iter().all(|(_, o, _)| moves(o) || harmless(o)));
        assert!(
            ALLOWED
                .iter()
                .all(|(_, o, way)| way.is_some() == (*o == Operation::Create))
        );
    }

    #[test]
    fn a_way_to_pay_belongs_to_its_channel() {
        assert!(is_allowed(
            Channel::Wechat,
            Operation::Create,
            Some(PayWay::Native)
        ));
        assert!(!is_allowed(
            Channel::Alipay,
            Operation::Create,
            Some(PayWay::Native)
        ));
        assert!(!is_allowed(Channel::Wechat, Operation::Create, Some(PayWay::Qr)));
        assert!(is_allowed(Channel::Alipay, Operation::Refund, None));
    }
}
