//! Bodies of requests to WeChat (channels.md 1.2, 1.3). Fields stand in alphabetical order.

use crate::CreateFacts;
use domain::Amount;
use serde::Serialize;
use serde_json::value::RawValue;

#[derive(Serialize)]
pub(super) struct Order<'a> {
    pub(super) amount: Total,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) attach: Option<&'a str>,
    pub(super) description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mchid: Option<&'a str>,
    pub(super) notify_url: &'a str,
    pub(super) out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payer: Option<OrderPayer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scene_info: Option<Scene<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sp_appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sp_mchid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_appid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_mchid: Option<&'a str>,
    pub(super) time_expire: String,
}

#[derive(Serialize)]
pub(super) struct Total {
    pub(super) currency: &'static str,
    pub(super) total: Amount,
}

#[derive(Serialize)]
pub(super) struct OrderPayer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) openid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sp_openid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_openid: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Scene<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) h5_info: Option<H5<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) payer_client_ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) store_info: Option<Store<'a>>,
}

/// The shop. Sources differ on which of its fields may be absent (channels.md W9, W15), so it stands whole or not at all.
#[derive(Serialize)]
pub(super) struct Store<'a> {
    address: &'a str,
    area_code: &'a str,
    id: &'a str,
    name: &'a str,
}

impl<'a> Store<'a> {
    /// The shop of an order's terminal and the area code of that.
    pub(super) fn of(facts: &CreateFacts<'a>) -> Option<Store<'a>> {
        let place = facts.place?;
        let shop = place.store.as_ref()?;
        Some(Store {
            address: &shop.address,
            area_code: &place.area,
            id: &shop.id,
            name: &shop.name,
        })
    }
}

#[derive(Serialize)]
pub(super) struct H5<'a> {
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
}

#[derive(Serialize)]
pub(super) struct Close<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mchid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sp_mchid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_mchid: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct Refund<'a> {
    pub(super) amount: RefundAmount,
    pub(super) notify_url: &'a str,
    pub(super) out_refund_no: &'a str,
    pub(super) out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_mchid: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct RefundAmount {
    pub(super) currency: &'static str,
    pub(super) refund: Amount,
    pub(super) total: Amount,
}

#[derive(Serialize)]
pub(super) struct CombineClose<'a> {
    pub(super) combine_appid: &'a str,
    pub(super) sub_orders: Vec<SubClose<'a>>,
}

#[derive(Serialize)]
pub(super) struct SubClose<'a> {
    pub(super) mchid: &'a str,
    pub(super) out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_mchid: Option<&'a str>,
}
