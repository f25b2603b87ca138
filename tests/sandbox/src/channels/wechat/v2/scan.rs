//! Native mode one 模式一 (channels.md 2.4): somebody scans a product's code, the merchant is asked who sells what, and the
//! payer pays the order that the answer names.

use super::{unified::is_of_v2, xml};
use crate::channels::control::{Outcome, Refusal};
use crate::channels::control_pay;
use crate::channels::fault::Channel;
use crate::channels::keys;
use crate::channels::order::Order;
use crate::channels::poster::Letter;
use crate::channels::world::{Key, Merchant, World};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// A scan on command.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scan {
    /// What the code says.
    qr: String,
    /// The address that the merchant has set on the merchant site.
    callback: String,
    /// Who scans.
    payer: Option<String>,
    /// The merchant is asked so many times, as where an answer was lost.
    #[serde(default = "once")]
    calls: u32,
    /// Does the payer pay?
    #[serde(default = "yes")]
    pays: bool,
}

fn once() -> u32 {
    1
}

fn yes() -> bool {
    true
}

/// A code as it was drawn.
struct Drawn<'a> {
    number: usize,
    merchant: &'a Merchant,
    appid: String,
    product: String,
}

/// Scans: the merchant is asked behind, and what came of it stands in `GET /control/scans`.
pub(crate) fn scan(world: &Arc<World>, asked: Scan) -> Outcome {
    let merchant = drawn(world, &asked.qr)?.number;
    let number = format!("S{}", keys::random_digits(12));
    let (inside, id) = (world.clone(), number.clone());
    world.beside(async move {
        let said = carry_out(&inside, &asked).await;
        let entry = match said {
            Ok(mut said) => {
                said["scan"] = json!(id);
                said
            }
            Err(why) => json!({"scan": id, "error": why}),
        };
        inside.with(|book| book.product_scans.push((merchant, entry)));
    });
    Ok(json!({"ok": true, "scan": number}))
}

/// Signed over the other five fields, with MD5; of a merchant that is known.
fn drawn<'a>(world: &'a World, qr: &str) -> Result<Drawn<'a>, Refusal> {
    let bad = |why: &str| Refusal(StatusCode::CONFLICT, why.to_owned());
    let query = qr
        .strip_prefix("weixin://wxpay/bizpayurl?")
        .ok_or_else(|| bad("no code of native mode one"))?;
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let get = |name: &str| {
        pairs
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| *value)
    };
    let mchid = get("mch_id").ok_or_else(|| bad("no mch_id"))?;
    let (number, merchant) = world
        .merchant_by_mchid(mchid)
        .ok_or_else(|| bad("an unknown mch_id"))?;
    let facts = &merchant.facts.wechat;
    let sign = xml::sign(pairs.iter().copied(), xml::Digest::Md5, &facts.apiv2_key);
    if pairs.len() != 6 || get("sign") != Some(&sign) {
        return Err(bad("the code's signature is wrong"));
    }
    let (appid, product) = (get("appid"), get("product_id"));
    let appid = appid
        .filter(|appid| *appid == facts.appid)
        .ok_or_else(|| bad("another appid"))?;
    Ok(Drawn {
        number,
        merchant,
        appid: appid.to_owned(),
        product: product.ok_or_else(|| bad("no product_id"))?.to_owned(),
    })
}

async fn carry_out(world: &Arc<World>, asked: &Scan) -> Result<Value, String> {
    let drawn = drawn(world, &asked.qr).map_err(|Refusal(_, why)| why)?;
    let payer = asked
        .payer
        .clone()
        .unwrap_or_else(|| Order::random_payer(Channel::Wechat));
    let mut prepay = Vec::new();
    for _ in 0..asked.calls.clamp(1, 10) {
        prepay.push(ask(world, &drawn, &payer, &asked.callback).await?);
    }
    let id = prepay.last().cloned().unwrap_or_default();
    let key = placed(world, &drawn, &id)?;
    world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.payer.clone_from(&payer);
        }
    });
    if asked.pays {
        let (inside, key) = (world.clone(), key.clone());
        let _ = tokio::task::spawn_blocking(move || control_pay::confirmed(&inside, key)).await;
    }
    Ok(json!({"prepay_ids": prepay, "out_trade_no": key.2}))
}

/// Asks the merchant, and reads the answer as strictly as it was asked for.
async fn ask(world: &World, drawn: &Drawn<'_>, payer: &str, callback: &str) -> Result<String, String> {
    let facts = &drawn.merchant.facts.wechat;
    let mut fields = vec![
        ("appid", drawn.appid.clone()),
        ("openid", payer.to_owned()),
        ("mch_id", facts.mchid.clone()),
        ("is_subscribe", "N".to_owned()),
        ("nonce_str", keys::random_text(16)),
        ("product_id", drawn.product.clone()),
    ];
    let pairs = fields.iter().map(|(name, value)| (*name, value.as_str()));
    let sign = xml::sign(pairs, xml::Digest::Md5, &facts.apiv2_key);
    fields.push(("sign", sign));
    let letter = Letter {
        headers: vec![
            ("Content-Type", "text/xml".to_owned()),
            ("User-Agent", "Mozilla/4.0".to_owned()),
        ],
        query: None,
        body: xml::write(&fields),
    };
    let (status, body) = world.poster.post(callback, &letter).await?;
    let said = xml::read(&body).ok_or_else(|| format!("status {status}, and no flat XML"))?;
    if status != 200 || said.get("return_code") != Some("SUCCESS") {
        return Err(format!("refused: {}", said.get("return_msg").unwrap_or_default()));
    }
    let sign = xml::sign(said.iter(), xml::Digest::Md5, &facts.apiv2_key);
    if said.get("sign") != Some(&sign)
        || said.get("mch_id") != Some(&facts.mchid)
        || said.get("appid") != Some(&drawn.appid)
    {
        return Err("the answer is not signed by this merchant".to_owned());
    }
    match (said.get("result_code"), said.get("prepay_id")) {
        (Some("SUCCESS"), Some(id)) => Ok(id.to_owned()),
        _ => Err(said.get("err_code_des").unwrap_or("no prepay_id").to_owned()),
    }
}

/// The order of this prepay id: this merchant's, placed by V2 as NATIVE for this very product.
fn placed(world: &World, drawn: &Drawn<'_>, prepay: &str) -> Result<Key, String> {
    world.with(|book| {
        let key = book.codes.get(prepay).cloned().ok_or("an unknown prepay_id")?;
        let order = book.orders.get(&key).ok_or("an unknown order")?;
        let fits = key.1 == drawn.number
            && order.way == "NATIVE"
            && is_of_v2(&order.asked)
            && order.asked["product_id"] == *drawn.product;
        match fits {
            true => Ok(key),
            false => Err("the prepay_id is of another product or form".to_owned()),
        }
    })
}
