//! Where a bill lies, and the file itself: fetched with a signature over its own address, answered without one.

use super::Call;
use super::answer::{Failure, Outcome};
use crate::channels::bills::{
    self, NoBill,
    wechat::{Asked, Kind, Lines},
};
use crate::channels::fault::Channel;
use crate::channels::server::{Answer, plain};
use aws_lc_rs::digest;
use http::{HeaderValue, StatusCode, header::CONTENT_TYPE};
use http_body_util::Full;
use serde_json::json;

/// Where files are fetched. Documents have two paths (channels.md 1.13); the first is told, as published clients know it, and both
/// lead to any file.
const FILES: [&str; 2] = ["/v3/billdownload/file", "/v3/bill/downloadurl"];

/// Is a file fetched there?
pub(super) fn is_file(path: &str) -> bool {
    FILES.contains(&path)
}

/// The query's parameters, each once and known.
fn asked<'a>(
    query: &'a [(String, String)],
    known: &[&str],
) -> Result<impl Fn(&str) -> Option<&'a str> + use<'a>, Failure> {
    for (name, value) in query {
        if !known.contains(&name.as_str()) || query.iter().filter(|(other, _)| other == name).count() > 1 {
            return Err(Failure::field(name, value, "不支持的查询参数或参数重复"));
        }
    }
    Ok(|name: &str| {
        query
            .iter()
            .find(|(own, _)| own == name)
            .map(|(_, value)| value.as_str())
    })
}

pub(super) fn place(call: &Call<'_>, kind: Kind) -> Outcome {
    let query: Vec<(String, String)> = form_urlencoded::parse(call.request.query.as_bytes())
        .into_owned()
        .collect();
    let (own, right) = match kind {
        Kind::Trade => ("bill_type", "ALL、SUCCESS、REFUND"),
        Kind::Funds => ("account_type", "BASIC、OPERATION、FEES"),
    };
    // Only the trade bill can be asked for one sub-merchant's orders (channels.md 1.13).
    let known = ["bill_date", own, "tar_type", "sub_mchid"];
    let get = asked(&query, &known[..if kind == Kind::Trade { 4 } else { 3 }])?;
    let sub_mchid = get("sub_mchid")
        .map(|named| call.sub_mchid(Some(named)))
        .transpose()?;
    let day = get("bill_date").ok_or_else(|| Failure::field("bill_date", "", "缺少账单日期bill_date"))?;
    let lines = match kind {
        Kind::Trade => Lines::named(get(own)),
        Kind::Funds => ["BASIC", "OPERATION", "FEES"]
            .contains(&get(own).unwrap_or("BASIC"))
            .then_some(Lines::All),
    };
    let value = get(own).unwrap_or_default();
    let lines = lines.ok_or_else(|| Failure::field(own, value, &format!("须为{right}之一")))?;
    let packed = match get("tar_type") {
        None => false,
        Some("GZIP") => true,
        Some(other) => return Err(Failure::field("tar_type", other, "压缩类型仅支持GZIP")),
    };
    // On those accounts nothing moves here, and where nothing moved there is no bill.
    if kind == Kind::Funds && ["OPERATION", "FEES"].contains(&value) {
        return Err(none());
    }
    let asked = Asked {
        kind,
        lines,
        day,
        sub_mchid: sub_mchid.as_deref(),
    };
    let text =
        bills::wechat::text(call.world, call.number, call.merchant, &asked).map_err(|why| match why {
            NoBill::Date => Failure::field("bill_date", day, "账单日期须为yyyy-MM-dd格式的过去三个月内某日"),
            NoBill::None => none(),
            NoBill::Late => Failure::new(StatusCode::BAD_REQUEST, "STATEMENT_CREATING", "账单生成中"),
        })?;
    let hash = hex::encode(digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()));
    let octets = if packed {
        bills::wechat::gzip(&text)
    } else {
        text.into_bytes()
    };
    let token = call
        .world
        .with(|book| bills::lay_down(book, Channel::Wechat, call.number, octets));
    let url = format!(
        "https://{}{}?token={token}",
        call.request.header("host"),
        FILES[0]
    );
    Ok(Some(
        json!({"hash_type": "SHA1", "hash_value": hash, "download_url": url}),
    ))
}

fn none() -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, "NO_STATEMENT_EXIST", "账单文件不存在")
}

pub(super) fn file(call: &Call<'_>) -> Answer {
    match bills::file(
        call.world,
        Channel::Wechat,
        Some(call.number),
        &call.request.query,
    ) {
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
