//! `riskRateInfo`: what a merchant tells UnionPay against fraud (compliance.md 3.2), `{name=value&name=value}`. Official samples of the
//! gateway say `{commodityName=…}` in it; the other names of goods stand in public clients [unverified]. It is of the goods
//! only: what would tell of the payer, or whatever nobody here has read of, is refused.

use crate::{native::NativeError, strict_json::shown};

/// The field's own name.
pub(super) const RISK: &str = "riskRateInfo";

/// What it may tell.
const GOODS: [&str; 4] = [
    "commodityName",
    "commodityCategory",
    "commodityUnitPrice",
    "commodityQty",
];

/// An allow-list, each name once. Braces hide `&` and `=` from whoever reads UnionPay's own texts (channels.md 4.2), so a value has
/// neither them nor others of their kind.
//= C21
pub(super) fn check(text: &str) -> Result<(), NativeError> {
    let wrong = || {
        NativeError::malformed(
            "riskRateInfo must be {name=value&name=value}, each name once, no value blank or with any of &={}[]",
        )
    };
    let inner = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let mut told = Vec::with_capacity(GOODS.len());
    for pair in inner.ok_or_else(wrong)?.split('&') {
        let (name, value) = pair.split_once('=').ok_or_else(wrong)?;
        if !GOODS.contains(&name) {
            return Err(NativeError::no_field(
                name,
                format!("riskRateInfo.{} is not carried", shown(name)),
            ));
        }
        if value.is_empty() || value.contains(['=', '{', '}', '[', ']']) || told.contains(&name) {
            return Err(wrong());
        }
        told.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn goods_are_told_of_and_nobody_else() {
        for good in [
            "{commodityName=测试商品名称}",
            "{commodityName=Milk tea&commodityQty=2&commodityUnitPrice=100&commodityCategory=01}",
        ] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "{}",
            "commodityName=x",
            "{commodityName=x",
            "{commodityName=}",
            "{commodityName}",
            "{commodityName=x&}",
            "{commodityName=x&commodityName=y}",
            "{commodityName={x}}",
            "{commodityName=x}&merId=1}",
            "{commodityName=x=y}",
            "{commodityName=[x]}",
            "{commodityName=x&merId=777290058110099}",
            "{commodityName=x&accSplitData=1}",
            "{shippingMobile=13800000000}",
            "{CommodityName=x}",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
