//! Bills of V2: the file itself answers the call, unsigned; only where there is none the answer is XML. The lines are those of
//! APIv3's bills.

use super::{Answer, Call, Failure, garbage, refused, send};
use crate::channels::bills::{NoBill, wechat};
use crate::channels::fault::Kind;
use crate::channels::server::typed;
use crate::channels::wechat::v2::xml;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use wechat::{Asked, Kind as Bill, Lines};

/// Which bill a path gives.
pub(super) fn kind(path: &str) -> Option<Bill> {
    match path {
        "/pay/downloadbill" => Some(Bill::Trade),
        "/pay/downloadfundflow" => Some(Bill::Funds),
        _ => None,
    }
}

/// The bill of a day, or why there is none.
pub(super) fn file(call: &Call<'_>, kind: Bill) -> Answer {
    match text(call, kind) {
        _ if call.fault == Some(Kind::Garbage) => garbage(),
        Err(No::Asked(failure)) => refused(&failure),
        Err(No::Bill(words, code)) => send(xml::write(&[
            ("return_code", "FAIL".into()),
            ("return_msg", words.into()),
            ("error_code", code.into()),
        ])),
        Ok((text, false)) => typed(StatusCode::OK, "text/plain", text),
        Ok((text, true)) => {
            let octets = Bytes::from(wechat::gzip(&text));
            let mut answer = typed(StatusCode::OK, "application/x-gzip", String::new());
            *answer.body_mut() = Full::new(octets);
            answer
        }
    }
}

enum No {
    Asked(Failure),
    /// The words and the number that V2 says it with [unverified].
    Bill(&'static str, &'static str),
}

/// The text, and whether it shall be packed.
fn text(call: &Call<'_>, kind: Bill) -> Result<(String, bool), No> {
    let asked = call.asked;
    let own = match kind {
        Bill::Trade => "bill_type",
        Bill::Funds => "account_type",
    };
    asked
        .only(&["bill_date", own, "device_info", "tar_type"])
        .map_err(No::Asked)?;
    if kind == Bill::Funds && asked.digest != xml::Digest::HmacSha256 {
        return Err(No::Asked(Failure::Transport("签名类型仅支持HMAC-SHA256")));
    }
    let lines = match (kind, asked.get(own)) {
        (Bill::Trade, value) => Lines::named(value),
        (Bill::Funds, Some("Basic")) => Some(Lines::All),
        // On those accounts nothing moves here.
        (Bill::Funds, Some("Operation" | "Fees")) => return Err(No::Bill("No Bill Exist", "20002")),
        (Bill::Funds, Some(_)) => None,
        (Bill::Funds, None) => return Err(No::Bill("缺少必填参数", "20001")),
    };
    let lines = lines.ok_or(No::Bill("账单类型错误", "20001"))?;
    let packed = match asked.get("tar_type") {
        None => false,
        Some("GZIP") => true,
        Some(_) => return Err(No::Bill("invalid tar_type", "20001")),
    };
    let date = asked.get("bill_date").unwrap_or_default();
    let digits = date.len() == 8 && date.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return Err(No::Bill("invalid bill_date", "20001"));
    }
    let day = format!("{}-{}-{}", &date[..4], &date[4..6], &date[6..]);
    let asked = Asked {
        kind,
        lines,
        day: &day,
        sub_mchid: None,
    };
    let text = wechat::text(call.world, call.number, call.merchant, &asked);
    text.map(|text| (text, packed)).map_err(|why| match why {
        NoBill::Date => No::Bill("invalid bill_date", "20001"),
        NoBill::None => No::Bill("No Bill Exist", "20002"),
        NoBill::Late => No::Bill("Bill Creating", "20003"),
    })
}
