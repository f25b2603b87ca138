//! Payment codes 付款码 by APIv3 (channels.md 1.12), for accounts that have it: sources differ, so it is a setting of the
//! account. What stands in `scene_info` beside `store_info`, and the body of a reverse, is by WeChat's community pages
//! [unverified].

use super::compose::{number_fits, post, prefix, segment};
use crate::{Account, ComposeError, CreateFacts, Draft, Stamp, goods};
use domain::{Channel, ChannelNo};
use serde::Serialize;
use serde_json::value::RawValue;
use vault::{AuthCode, Buyer, Text};

#[derive(Serialize)]
struct Whose<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mchid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sp_appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sp_mchid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_mchid: Option<&'a str>,
}

impl<'a> Whose<'a> {
    fn of(account: &'a Account) -> Result<Whose<'a>, ComposeError> {
        let appid = account.appid.as_deref().ok_or(ComposeError::Account("appid"))?;
        let (mchid, partner) = (account.account.as_str(), account.is_partner());
        Ok(Whose {
            appid: (!partner).then_some(appid),
            mchid: (!partner).then_some(mchid),
            sp_appid: partner.then_some(appid),
            sp_mchid: partner.then_some(mchid),
            sub_mchid: partner.then_some(account.payee.as_str()),
        })
    }
}

#[derive(Serialize)]
struct Charge<'a> {
    amount: Total,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<&'a str>,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a RawValue>,
    out_trade_no: &'a str,
    payer: Payer<'a>,
    scene_info: Scene<'a>,
    #[serde(flatten)]
    whose: Whose<'a>,
}

#[derive(Serialize)]
struct Total {
    currency: &'static str,
    total: u64,
}

#[derive(Serialize)]
struct Payer<'a> {
    auth_code: &'a str,
}

#[derive(Serialize)]
struct Scene<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_ip: Option<&'a str>,
    store_info: Store<'a>,
}

#[derive(Serialize)]
struct Store<'a> {
    out_id: &'a str,
}

/// Charges the payer of this code. The code stands in this one message and nowhere else.
pub(crate) fn charge(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
    code: &AuthCode,
) -> Result<Draft, ComposeError> {
    if !number_fits(facts.number.as_str()) {
        return Err(ComposeError::Number);
    }
    let device = facts
        .terminal
        .map(|t| t.as_str())
        .or(buyer.device_id.as_ref().map(Text::expose));
    let shop = facts.place.and_then(|place| place.store.as_ref());
    let shop = shop.map(|shop| &*shop.id);
    let body = Charge {
        amount: Total {
            currency: "CNY",
            total: facts.amount.fen(),
        },
        attach: buyer.attach.as_ref().map(Text::expose),
        description: buyer.description.expose(),
        detail: buyer
            .detail
            .as_ref()
            .map(|text| goods::raw(Channel::Wechat, facts.pay_way, text))
            .transpose()?,
        out_trade_no: facts.number.as_str(),
        payer: Payer {
            auth_code: code.expose(),
        },
        scene_info: Scene {
            device_id: device,
            device_ip: buyer.client_ip.as_ref().map(Text::expose),
            // The shop's own number of the place; who is paid where the order names none. An area code has no field here.
            store_info: Store {
                out_id: shop.or(device).unwrap_or(account.payee.as_str()),
            },
        },
        whose: Whose::of(account)?,
    };
    post(account, stamp, format!("{}/codepay", prefix(account)), &body)
}

/// Undoes one.
pub(crate) fn reverse(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    let target = format!(
        "{}/out-trade-no/{}/reverse",
        prefix(account),
        segment(number.as_str())
    );
    post(account, stamp, target, &Whose::of(account)?)
}
