//! What a WeChat Pay order may say: fields, lengths, forms.

use super::Call;
use super::answer::Failure;
use crate::channels::clock::now;
use domain::Instant;
use http::StatusCode;
use serde_json::{Value, json};

/// An order that names no time lives seven days.
const LIFE_MS: i64 = 7 * 24 * 3_600_000;

/// What an order asks, checked.
pub(super) struct Asked {
    pub(super) out_trade_no: String,
    pub(super) fen: u64,
    pub(super) notify_url: String,
    pub(super) payer: Option<String>,
    pub(super) until: Instant,
    pub(super) sub_mchid: Option<String>,
    pub(super) whole: Value,
}

/// Reads and checks an order's body.
pub(super) fn asked(call: &Call<'_>, way: &str, partner: bool) -> Result<Asked, Failure> {
    let mut body = call.object()?;
    let sub_mchid = call.parties(partner, |name| body[name].as_str())?;
    own_appid(call, &body, if partner { "sp_appid" } else { "appid" })?;
    call.sub_app(sub_mchid.as_deref(), &body)?;
    text(&body, "description", 1..=127)?;
    let out_trade_no = number(&body, "out_trade_no")?;
    let notify_url = notify_url(&body, true)?.unwrap_or_default();
    for (field, longest) in [("attach", 128), ("goods_tag", 32)] {
        if body.get(field).is_some() {
            text(&body, field, 0..=longest)?;
        }
    }
    let fen = amount(&mut body)?;
    let payer = match way {
        "JSAPI" if partner && body["payer"].get("sub_openid").is_some() => {
            text(&body, "sub_appid", 1..=32)?;
            Some(text(&body["payer"], "sub_openid", 1..=128)?)
        }
        "JSAPI" if partner => Some(text(&body["payer"], "sp_openid", 1..=128)?),
        "JSAPI" => Some(text(&body["payer"], "openid", 1..=128)?),
        _ => None,
    };
    if way == "MWEB" {
        browser(&body["scene_info"])?;
    }
    scene(&body["scene_info"])?;
    let until = until(&body)?;
    Ok(Asked {
        out_trade_no,
        fen,
        notify_url,
        payer,
        until,
        sub_mchid,
        whole: body,
    })
}

/// An application id that is bound to the merchant number that signed.
pub(super) fn own_appid(call: &Call<'_>, body: &Value, field: &str) -> Result<(), Failure> {
    let appid = text(body, field, 1..=32)?;
    if !call.merchant.facts.wechat.has_app(&appid) {
        let message = "appid和mchid不匹配";
        return Err(Failure::new(
            StatusCode::BAD_REQUEST,
            "APPID_MCHID_NOT_MATCH",
            message,
        ));
    }
    Ok(())
}

/// A merchant's number of an order or of a group of them.
pub(super) fn number(body: &Value, field: &str) -> Result<String, Failure> {
    let number = text(body, field, 6..=32)?;
    match number
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-|*".contains(c))
    {
        true => Ok(number),
        false => Err(Failure::field(
            field,
            &number,
            "商户订单号只能是数字、大小写字母_-|*",
        )),
    }
}

/// The address and kind of the payer's browser, without which there is no H5 order.
pub(super) fn browser(scene: &Value) -> Result<(), Failure> {
    let address = text(scene, "payer_client_ip", 1..=45)?;
    if address.parse::<std::net::IpAddr>().is_err() {
        return Err(Failure::field(
            "scene_info.payer_client_ip",
            "",
            "用户终端IP格式错误",
        ));
    }
    let kind = text(&scene["h5_info"], "type", 1..=32)?;
    if !["iOS", "Android", "Wap"].contains(&kind.as_str()) {
        return Err(Failure::field(
            "scene_info.h5_info.type",
            &kind,
            "场景类型仅支持iOS, Android, Wap",
        ));
    }
    Ok(())
}

/// Where the order comes from, where it says so: the shop's device, and the shop. Sources differ on which of the shop's fields
/// must be there; its number must, by WeChat's own page.
pub(super) fn scene(scene: &Value) -> Result<(), Failure> {
    if scene.get("device_id").is_some() {
        text(scene, "device_id", 1..=32)?;
    }
    match scene.get("store_info") {
        None => Ok(()),
        Some(store) if store["id"].is_string() => shop(store),
        Some(_) => Err(Failure::field("scene_info.store_info.id", "", "缺少门店编号id")),
    }
}

/// What a shop says of itself.
pub(super) fn shop(store: &Value) -> Result<(), Failure> {
    for (field, longest) in [
        ("id", 32),
        ("out_id", 32),
        ("name", 256),
        ("area_code", 32),
        ("address", 512),
    ] {
        if store.get(field).is_some() {
            text(store, field, 1..=longest)?;
        }
    }
    let area = store["area_code"].as_str().unwrap_or("110000");
    match area.len() == 6 && area.bytes().all(|b| b.is_ascii_digit()) {
        true => Ok(()),
        false => Err(Failure::field(
            "scene_info.store_info.area_code",
            area,
            "地区编码须为六位数字的行政区划代码",
        )),
    }
}

/// `amount.total` in fen; a missing currency is written as the CNY it means, so that repeats compare equal.
fn amount(body: &mut Value) -> Result<u64, Failure> {
    let wrong = |field: &str, issue: &str| Failure::field(field, "", issue);
    let amount = body["amount"]
        .as_object_mut()
        .ok_or_else(|| wrong("amount", "缺少订单金额amount"))?;
    let fen = amount
        .get("total")
        .and_then(Value::as_u64)
        .filter(|f| (1..=10_000_000_000).contains(f));
    let fen = fen.ok_or_else(|| wrong("amount.total", "订单总金额须为整数，单位为分，且大于0"))?;
    let currency = amount.entry("currency").or_insert_with(|| json!("CNY"));
    if currency != "CNY" {
        Err(wrong("amount.currency", "货币类型仅支持CNY"))
    } else {
        Ok(fen)
    }
}

/// When the order closes by itself: as asked but not within a minute, else after seven days.
pub(super) fn until(body: &Value) -> Result<Instant, Failure> {
    let Some(asked) = body.get("time_expire") else {
        return Ok(now().plus_millis(LIFE_MS));
    };
    let at: Option<jiff::Timestamp> = asked.as_str().and_then(|t| t.parse().ok());
    let at = at.ok_or_else(|| Failure::field("time_expire", "", "交易结束时间须遵循rfc3339标准格式"))?;
    let at = Instant::from_millis(at.as_millisecond());
    if at <= now() {
        return Err(Failure::field("time_expire", "", "交易结束时间须晚于当前时间"));
    }
    Ok(at.max(now().plus_millis(60_000)))
}

/// A public address without query.
pub(super) fn notify_url(body: &Value, required: bool) -> Result<Option<String>, Failure> {
    if body.get("notify_url").is_none() && !required {
        return Ok(None);
    }
    let url = text(body, "notify_url", 1..=255)?;
    let uri: Option<http::Uri> = url.parse().ok();
    let good = uri.is_some_and(|u| {
        matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some() && u.query().is_none()
    });
    if !good || url.contains('#') {
        return Err(Failure::field(
            "notify_url",
            &url,
            "通知地址须为http(s)直接可访问的URL，不允许携带查询串",
        ));
    }
    Ok(Some(url))
}

/// A text field of so many characters.
pub(super) fn text(
    body: &Value,
    field: &str,
    length: std::ops::RangeInclusive<usize>,
) -> Result<String, Failure> {
    let Some(value) = body[field].as_str() else {
        return Err(Failure::field(
            field,
            "",
            &format!("缺少必填字段{field}，或其类型不是字符串"),
        ));
    };
    if !length.contains(&value.chars().count()) {
        let issue = format!("{field}的长度须为{}到{}个字符", length.start(), length.end());
        return Err(Failure::field(field, value, &issue));
    }
    Ok(value.to_owned())
}
