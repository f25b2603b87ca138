//! Where a bill lies, and the file itself, which anybody may fetch who has its address.

use super::Call;
use super::answer::{Failure, Outcome};
use super::trades::text;
use crate::channels::bills::{self, NoBill};
use crate::channels::fault::Channel;
use crate::channels::server::{Answer, Incoming, plain};
use crate::channels::world::World;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::json;

pub(super) fn place(call: &Call<'_>) -> Outcome {
    match text(&call.biz, "bill_type", 20)?.as_str() {
        "trade" => {}
        _ => {
            return Err(Failure::invalid(
                "isv.invalid-arguments",
                "此沙箱仅提供bill_type为trade的账单",
            ));
        }
    }
    let day = text(&call.biz, "bill_date", 15)?;
    let zip = bills::alipay::zip(call.world, call.number, call.merchant, &day).map_err(|why| match why {
        NoBill::Date => Failure::invalid("isv.invalid-arguments", "账单日期须为yyyy-MM-dd格式的过去某日"),
        NoBill::None => Failure::business("isp.bill_not_exist", "账单不存在"),
        NoBill::Late => Failure::business("isp.unknow-error", "账单生成中，请稍后再试"),
    })?;
    let token = call
        .world
        .with(|book| bills::lay_down(book, Channel::Alipay, call.number, zip));
    Ok(vec![(
        "bill_download_url",
        json!(format!("https://{}{}?token={token}", call.host, super::BILL_FILE)),
    )])
}

/// Whose file is fetched.
pub(super) fn owner(world: &World, request: &Incoming) -> Option<usize> {
    (request.path == super::BILL_FILE)
        .then(|| bills::owner(world, &request.query))
        .flatten()
}

pub(super) fn file(world: &World, request: &Incoming) -> Answer {
    match bills::file(world, Channel::Alipay, None, &request.query) {
        None => plain(
            StatusCode::NOT_FOUND,
            "the address is not good or not good any more",
        ),
        Some(octets) => {
            let mut answer = http::Response::new(Full::new(octets));
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            answer
        }
    }
}
