//! What a payer's browser or app brings: a signed order that no server sent. Opening it makes the trade; the payer then
//! pays on command.

use super::answer::Failure;
use super::params::Params;
use super::{Call, gateway, trades};
use crate::channels::fault::{Channel, Kind};
use crate::channels::server::{Answer, typed};
use crate::channels::world::World;
use domain::Amount;
use http::StatusCode;
use std::sync::Arc;

/// The way to pay of a method that browsers bring.
pub(super) fn way(method: &str) -> Option<&'static str> {
    match method {
        "alipay.trade.page.pay" => Some("page"),
        "alipay.trade.wap.pay" => Some("wap"),
        _ => None,
    }
}

/// The page that the payer sees.
pub(super) fn open(world: &Arc<World>, params: &Params, fault: Option<Kind>) -> Answer {
    let method = params.get("method");
    let opened = match (way(method), fault) {
        (_, Some(Kind::Busy)) => Err(Failure::limited()),
        (Some(way), _) => opened(world, params, method, way),
        (None, _) => Err(Failure::invalid("isv.invalid-method", "不存在的方法名")),
    };
    let text = match opened {
        Ok((number, fen)) => format!(
            "订单 {number}<br>￥{}{}",
            Amount::from_fen(fen).to_yuan(),
            to_pay(world, params, &number)
        ),
        Err(failure) => format!("调试错误 {}", escaped(&failure.words())),
    };
    let page = format!(
        "<!doctype html><html><head><meta charset=\"utf-8\"><title>支付宝沙箱</title></head><body>{text}</body></html>"
    );
    typed(StatusCode::OK, "text/html;charset=utf-8", page)
}

/// Leads to the page where the payer confirms, and from there back to the shop.
fn to_pay(world: &Arc<World>, params: &Params, number: &str) -> String {
    let key = world
        .merchant_by_app(params.get("app_id"))
        .map(|(n, _)| (Channel::Alipay, n, number.to_owned()));
    let trade = key.and_then(|key| world.with(|book| book.order(&key).map(|o| o.channel_no.clone())));
    let mut query = form_urlencoded::Serializer::new(String::new());
    query
        .append_pair("tradeNO", &trade.unwrap_or_default())
        .append_pair("back", params.get("return_url"));
    format!(
        "<p><a id=\"pay\" href=\"/wallet/alipay?{}\">去付款</a></p>",
        query.finish().replace('&', "&amp;")
    )
}

/// Checks the signature and makes the trade; its number and fen.
pub(super) fn opened(
    world: &Arc<World>,
    params: &Params,
    method: &str,
    way: &'static str,
) -> Result<(String, u64), Failure> {
    let (number, merchant, mode) = gateway::identify(world, params)?;
    if params.get("method") != method {
        return Err(Failure::invalid("isv.invalid-method", "不存在的方法名"));
    }
    let biz = gateway::check(merchant, params, mode)?;
    let call = Call {
        world,
        number,
        merchant,
        params,
        biz,
        mode,
        host: "", // no bill is asked for here
    };
    trades::open(&call, way)
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
