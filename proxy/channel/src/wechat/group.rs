//! A new group of orders that one payment pays, all or none (合单; channels.md 1.2), composed by us. Reading, asking and closing
//! are in [`super::combine`].

use super::{bodies::Scene, compose};
use crate::{Account, ComposeError, CreateFacts, Draft, Stamp};
use domain::{Amount, ChannelNo, PayWay, PayeeNo};
use serde::Serialize;
use vault::{Buyer, PayerField, Text};

/// One order of a new group.
pub struct Part<'a> {
    /// Its facts. Way to pay, end and terminal are those of the first one for all.
    pub facts: CreateFacts<'a>,
    /// Who is paid: the account itself, or a sub-merchant under it.
    pub payee: &'a PayeeNo,
    /// What is sold, and for the first one who pays and from where.
    pub buyer: &'a Buyer,
}

#[derive(Serialize)]
struct Group<'a> {
    combine_appid: &'a str,
    combine_mchid: &'a str,
    combine_out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    combine_payer_info: Option<Who<'a>>,
    notify_url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scene_info: Option<Scene<'a>>,
    sub_orders: Vec<Sub<'a>>,
    time_expire: String,
}

#[derive(Serialize)]
struct Who<'a> {
    openid: &'a str,
}

#[derive(Serialize)]
struct Sub<'a> {
    amount: Total,
    attach: &'a str,
    description: &'a str,
    mchid: &'a str,
    out_trade_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_mchid: Option<&'a str>,
}

#[derive(Serialize)]
struct Total {
    currency: &'static str,
    total_amount: Amount,
}

/// Places them all by one message.
pub(crate) fn create(
    account: &Account,
    stamp: &Stamp,
    number: &ChannelNo,
    parts: &[Part<'_>],
) -> Result<Draft, ComposeError> {
    let first = parts.first().ok_or(ComposeError::Missing("sub_orders"))?;
    let (facts, buyer) = (&first.facts, first.buyer);
    let path = match facts.pay_way {
        PayWay::Native => "native",
        PayWay::Jsapi => "jsapi",
        PayWay::H5 => "h5",
        PayWay::App => "app",
        _ => return Err(ComposeError::NotOffered),
    };
    let body = Group {
        combine_appid: account.appid.as_deref().ok_or(ComposeError::Account("appid"))?,
        combine_mchid: account.account.as_str(),
        combine_out_trade_no: lawful(number)?,
        combine_payer_info: match facts.pay_way {
            PayWay::Jsapi => Some(who(buyer)?),
            _ => None,
        },
        notify_url: &account.notify_url,
        // A group's scene has no shop (channels.md W9).
        scene_info: compose::scene(facts, buyer)?.map(|scene| Scene {
            store_info: None,
            ..scene
        }),
        sub_orders: parts
            .iter()
            .map(|part| sub(account, part))
            .collect::<Result<_, _>>()?,
        time_expire: facts.expires.to_string(),
    };
    compose::post(account, stamp, format!("/v3/combine-transactions/{path}"), &body)
}

fn lawful(number: &ChannelNo) -> Result<&str, ComposeError> {
    match compose::number_fits(number.as_str()) {
        true => Ok(number.as_str()),
        false => Err(ComposeError::Number),
    }
}

/// Sources differ on whether `attach` may be left out [unverified], so an order without one carries its own number there.
fn sub<'a>(account: &'a Account, part: &Part<'a>) -> Result<Sub<'a>, ComposeError> {
    let out_trade_no = lawful(part.facts.number)?;
    let own = account.account.as_str();
    Ok(Sub {
        amount: Total {
            currency: "CNY",
            total_amount: part.facts.amount,
        },
        attach: part
            .buyer
            .attach
            .as_ref()
            .map(Text::expose)
            .filter(|text| !text.is_empty())
            .unwrap_or(out_trade_no),
        description: part.buyer.description.expose(),
        mchid: own,
        out_trade_no,
        sub_mchid: Some(part.payee.as_str()).filter(|payee| *payee != own),
    })
}

fn who(buyer: &Buyer) -> Result<Who<'_>, ComposeError> {
    let payer = buyer
        .payer
        .as_ref()
        .filter(|payer| payer.field == PayerField::Openid);
    payer
        .map(|payer| Who {
            openid: payer.value.expose(),
        })
        .ok_or(ComposeError::Missing("combine_payer_info.openid"))
}
