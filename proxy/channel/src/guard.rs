//! Words of money that goes elsewhere (compliance.md R01): calls and fields that are on no list here, by the names that the
//! channels' documents give them. Only for the record: what is carried is an allow-list, and these are not on it.

use domain::{Breach, Channel, UNLISTED};

/// Beginnings of paths and method names that move, split or hold back money, and what to call them.
const CALLS: &[(Channel, &str, &str)] = &[
    (Channel::Wechat, "/v3/profitsharing", "profitsharing"),
    (Channel::Wechat, "/v3/brand/profitsharing", "profitsharing"),
    (Channel::Wechat, "/v3/ecommerce/profitsharing", "profitsharing"),
    (Channel::Wechat, "/v3/ecommerce/subsidies", "subsidies"),
    (Channel::Wechat, "/v3/ecommerce/fund", "fund"),
    (Channel::Wechat, "/v3/ecommerce", "ecommerce"),
    (Channel::Wechat, "/v3/merchant/fund", "fund"),
    (Channel::Wechat, "/v3/merchant-service/fund", "fund"),
    (Channel::Wechat, "/v3/platsolution", "platsolution"),
    (Channel::Wechat, "/v3/transfer", "transfer"),
    (Channel::Wechat, "/v3/partner-transfer", "transfer"),
    (Channel::Wechat, "/v3/fund-app", "fund-app"),
    (Channel::Wechat, "/v3/marketing/favor/stocks", "favor"),
    (Channel::Wechat, "/mmpaymkttransfers", "mmpaymkttransfers"),
    (Channel::Wechat, "/mmpaysptrans", "mmpaysptrans"),
    (Channel::Wechat, "/secapi/pay/profitsharing", "profitsharing"),
    (Channel::Wechat, "/secapi/pay/multiprofitsharing", "profitsharing"),
    (Channel::Wechat, "/pay/profitsharing", "profitsharing"),
    (Channel::Wechat, "/pay/multiprofitsharing", "profitsharing"),
    // By txnType, where the path says nothing.
    (Channel::Unionpay, "11", "txnType 11"),
    (Channel::Unionpay, "12", "txnType 12"),
    (Channel::Alipay, "alipay.fund.", "alipay.fund"),
    (
        Channel::Alipay,
        "alipay.trade.order.settle",
        "alipay.trade.order.settle",
    ),
    (Channel::Alipay, "alipay.trade.settle.", "alipay.trade.settle"),
    (Channel::Alipay, "alipay.trade.royalty.", "alipay.trade.royalty"),
    (Channel::Alipay, "alipay.trade.relation.", "alipay.trade.royalty"),
    (
        Channel::Alipay,
        "alipay.trade.repaybill.",
        "alipay.trade.repaybill",
    ),
    (Channel::Alipay, "alipay.ebpp.", "alipay.ebpp"),
    (Channel::Alipay, "ant.merchant.expand.", "ant.merchant.expand"),
];

/// Fields that pay, split, hold back or settle money for somebody else.
const FUNDS: &[&str] = &[
    "account_no",
    "accNoSplit",
    "accSplitData",
    "accSplitMchts",
    "accSplitRuleId",
    "advance_payment_type",
    "bank_account",
    "funds_account",
    "from",
    "merge_settle",
    "payee_account",
    "payee_info",
    "payee_type",
    "profitsharing",
    "profit_sharing",
    "receiver",
    "receivers",
    "refund_royalty_parameters",
    "royalty_detail_infos",
    "royalty_freeze",
    "royalty_info",
    "royalty_parameters",
    "royalty_type",
    "settle_account",
    "settle_currency",
    "settle_detail_infos",
    "settle_entity_id",
    "settle_entity_type",
    "settle_info",
    "settle_period_time",
    "settleAcctNo",
    "split",
    "split_info",
    "subMerSplit",
    "subsidy_amount",
    "trans_in",
    "trans_in_type",
    "trans_out",
    "trans_out_type",
    "transfer",
    "transfer_amount",
    "unfreeze_unsplit",
    "withdraw",
];

/// Other fields that documents name and no list here has: payees, codes, agreements.
const NAMED: &[&str] = &[
    "agreement_params",
    "appid",
    "auth_code",
    "auth_confirm_mode",
    "auth_no",
    "business_params",
    "buyer_id",
    "buyer_open_id",
    "buyer_logon_id",
    "combine_mchid",
    "encrypt_type",
    "ext_user_info",
    "limit_pay",
    "mch_id",
    "mchid",
    "merId",
    "openid",
    "payer",
    "promo_params",
    "return_url",
    "scene",
    "seller_email",
    "seller_id",
    "sp_mchid",
    "sub_mch_id",
    "sub_mchid",
    "sub_merchant",
    "subMerId",
    "subMerName",
    "subMerAbbr",
];

/// Does a field of this name pay, split, hold back or settle money?
pub(crate) fn is_of_money(name: &str) -> bool {
    FUNDS.iter().any(|known| are_alike(known, name))
}

/// Are there readers to whom these are one name, as `sellerId` is `seller_id`?
pub(crate) fn are_alike(one: &str, other: &str) -> bool {
    let bare = |name: &str| name.replace('_', "").to_ascii_lowercase();
    bare(one) == bare(other)
}

/// How a field that is on no list offends, and the name by which it may go on record.
pub fn field(name: &str) -> (Breach, &'static str) {
    let of = |all: &'static [&'static str]| all.iter().find(|known| **known == name).copied();
    match (of(FUNDS), of(NAMED)) {
        (Some(known), _) => (Breach::Funds, known),
        (None, Some(known)) => (Breach::Field, known),
        (None, None) => (Breach::Field, UNLISTED),
    }
}

/// How a call that is on no list offends, and the name by which it may go on record.
pub fn call(channel: Channel, called: &str) -> (Breach, &'static str) {
    let known = CALLS
        .iter()
        .find(|(of, begins, _)| *of == channel && called.starts_with(begins));
    known.map_or((Breach::Operation, UNLISTED), |(_, _, name)| {
        (Breach::Funds, name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    //= C02
    fn money_is_told_from_what_is_merely_unknown_and_no_strangers_word_is_repeated() {
        assert_eq!(field("royalty_info"), (Breach::Funds, "royalty_info"));
        assert_eq!(field("auth_code"), (Breach::Field, "auth_code"));
        assert_eq!(field("6222020000000000000"), (Breach::Field, UNLISTED));
        assert_eq!(
            call(Channel::Wechat, "/v3/profitsharing/orders"),
            (Breach::Funds, "profitsharing")
        );
        assert_eq!(
            call(Channel::Alipay, "alipay.fund.trans.uni.transfer"),
            (Breach::Funds, "alipay.fund")
        );
        assert_eq!(
            call(Channel::Alipay, "/v3/profitsharing/orders"),
            (Breach::Operation, UNLISTED)
        );
    }
}
