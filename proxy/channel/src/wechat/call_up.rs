//! What calls a payment up, to be signed with the merchant's key (channels.md 1.10).

use crate::{Account, Stamp, ToSign, keys};

/// Who calls it up: the sub-merchant's own app where the order is of one [unverified], else the account's.
fn app(account: &Account) -> Option<&str> {
    account.sub_appid.as_deref().or(account.appid.as_deref())
}

/// JSAPI and mini programs.
pub(crate) fn in_wallet(account: &Account, stamp: &Stamp, prepay_id: &str) -> Option<ToSign> {
    let (appid, timestamp) = (app(account)?, stamp.at.secs().to_string());
    let package = format!("prepay_id={prepay_id}");
    let parameters = [
        ("appId", appid),
        ("timeStamp", &timestamp),
        ("nonceStr", &stamp.nonce),
        ("package", &package),
        ("signType", "RSA"),
    ];
    to_sign(
        account,
        [appid, &timestamp, &stamp.nonce, &package],
        "paySign",
        &parameters,
    )
}

/// The merchant's own app. The bare prepay id is signed; in partner mode `partnerid` is the `sub_mchid` [unverified].
pub(crate) fn in_app(account: &Account, stamp: &Stamp, prepay_id: &str) -> Option<ToSign> {
    let (appid, timestamp) = (app(account)?, stamp.at.secs().to_string());
    let parameters = [
        ("appid", appid),
        ("partnerid", account.payee.as_str()),
        ("prepayid", prepay_id),
        ("package", "Sign=WXPay"),
        ("noncestr", &stamp.nonce),
        ("timestamp", &timestamp),
    ];
    to_sign(
        account,
        [appid, &timestamp, &stamp.nonce, prepay_id],
        "sign",
        &parameters,
    )
}

fn to_sign(
    account: &Account,
    lines: [&str; 4],
    place: &'static str,
    parameters: &[(&str, &str)],
) -> Option<ToSign> {
    let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).into());
    Some(ToSign {
        message: format!("{}\n", lines.join("\n")).into_bytes(),
        key: keys::wechat_merchant(&account.account).ok()?,
        place,
        parameters: parameters.iter().map(named).collect(),
    })
}
