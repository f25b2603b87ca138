//! Goods detail that the unified API brings: a JSON text that goes on to the channel as it was written. It is held against the
//! list that a merchant's own SDK is held against, so no field goes out at any depth that the pass-through would refuse.

use crate::{
    ComposeError, alipay,
    native::{NativeError, no_json},
    shape::{
        self, Field,
        Shape::{self, Count, Free, List, Object, Word},
    },
    strict_json, wechat,
};
use domain::{Channel, PayWay};
use serde_json::value::RawValue;
use vault::Text;

const PLACE: &str = "detail";

/// Of a payment code's order at WeChat, which goes by V2 or by APIv3 (channels.md 1.12, 2.2). That is its account's matter, so
/// the names of either are taken.
const OF_A_CODE: Shape = Object(&[
    Field("cost_price", Count),
    Field("invoice_id", Word),
    Field("receipt_id", Word),
    Field(
        "goods_detail",
        List(&Object(&[
            Field("body", Free(PLACE)),
            Field("goods_category", Word),
            Field("goods_id", Word),
            Field("goods_name", Free(PLACE)),
            Field("goods_num", Count),
            Field("merchant_goods_id", Word),
            Field("price", Count),
            Field("quantity", Count),
            Field("unit_price", Count),
            Field("wechatpay_goods_id", Word),
            Field("wxpay_goods_id", Word),
        ])),
    ),
]);

/// Whether this is goods detail that the channel takes: one object for WeChat, one list for Alipay.
//= C21
pub(crate) fn check(channel: Channel, pay_way: PayWay, text: &str) -> Result<(), NativeError> {
    let absent = |why| Err(NativeError::malformed(format!("it must be absent: {why}")));
    let shape = match channel {
        Channel::Wechat if pay_way.charges() => &OF_A_CODE,
        Channel::Wechat => &Object(wechat::allowed::DETAIL),
        Channel::Alipay => &List(&alipay::allowed::GOODS),
        Channel::Unionpay => return absent("UnionPay takes none"),
        Channel::Baidu => return absent("the Baidu wallet takes none"),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => return absent("a bank takes none"),
    };
    let value = strict_json::parse(text.as_bytes()).map_err(|error| no_json(PLACE, &error))?;
    shape::check_as(&value, shape, PLACE).map(drop)
}

/// The same, for who composes: nothing else goes into a message.
pub(crate) fn checked(channel: Channel, pay_way: PayWay, text: &Text) -> Result<&str, ComposeError> {
    check(channel, pay_way, text.expose()).map_err(|error| ComposeError::Detail(error.text))?;
    Ok(text.expose())
}

/// The same, as a part of a JSON body.
pub(crate) fn raw(channel: Channel, pay_way: PayWay, text: &Text) -> Result<&RawValue, ComposeError> {
    let text = checked(channel, pay_way, text)?;
    serde_json::from_str(text).map_err(|_| ComposeError::Detail("it must be JSON".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Breach;

    const V3: &str = r#"{"cost_price":1,"invoice_id":"i","goods_detail":[{"merchant_goods_id":"g","goods_name":"tea","quantity":1,"unit_price":1}]}"#;
    const V2: &str =
        r#"{"receipt_id":"i","goods_detail":[{"goods_id":"g","goods_name":"tea","quantity":1,"price":1}]}"#;
    const ALIPAY: &str = r#"[{"goods_id":"g","goods_name":"tea","quantity":1,"price":"0.01"}]"#;

    //= C21
    #[test]
    fn no_field_of_goods_detail_is_on_no_list() {
        let lawful = [
            (Channel::Wechat, PayWay::Native, V3),
            (Channel::Wechat, PayWay::Micropay, V3),
            (Channel::Wechat, PayWay::Micropay, V2),
            (Channel::Alipay, PayWay::Qr, ALIPAY),
            (Channel::Alipay, PayWay::Micropay, ALIPAY),
        ];
        for (channel, pay_way, text) in lawful {
            assert!(
                check(channel, pay_way, text).is_ok(),
                "{channel} {pay_way:?} {text}"
            );
            // As the first member of each object, at every depth.
            for (at, _) in text.match_indices('{') {
                for (name, breach) in [("tip", Breach::Field), ("royalty_info", Breach::Funds)] {
                    let spoilt = format!("{}\"{name}\":1,{}", &text[..=at], &text[at + 1..]);
                    let error = check(channel, pay_way, &spoilt).expect_err(&spoilt);
                    assert_eq!(error.breach.map(|b| b.0), Some(breach), "{spoilt}");
                    assert!(
                        error.text.starts_with("field detail") && error.text.contains(name),
                        "{}",
                        error.text
                    );
                    let text = Text::from(spoilt.as_str());
                    assert!(matches!(
                        raw(channel, pay_way, &text).err(),
                        Some(ComposeError::Detail(_))
                    ));
                }
            }
        }
        for (channel, pay_way, other) in [
            (Channel::Wechat, PayWay::Native, V2),
            (Channel::Wechat, PayWay::Jsapi, ALIPAY),
            (Channel::Alipay, PayWay::Page, V3),
            (Channel::Alipay, PayWay::Qr, "[[]]"),
            (Channel::Unionpay, PayWay::Qr, "{}"),
            (Channel::Wechat, PayWay::Native, r#"{"a":1,"a":1}"#),
        ] {
            assert!(
                check(channel, pay_way, other).is_err(),
                "{channel} {pay_way:?} {other}"
            );
        }
    }
}
