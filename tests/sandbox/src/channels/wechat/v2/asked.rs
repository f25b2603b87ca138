//! What a V2 request asks, field by field.

use super::Failure;
use super::xml::{Digest, Message};
use crate::channels::{clock::now, wechat::fields::shop};
use domain::Instant;
use serde_json::{Value, json};

/// A request's fields, and the digest that its answer is signed with.
pub(super) struct Asked {
    fields: Message,
    pub(super) digest: Digest,
}

/// An order lives so long if it does not say.
const LIFE_MS: i64 = 2 * 3_600_000;
/// A payment code's order lives a minute at least.
const LEAST_MS: i64 = 60_000;

impl Asked {
    pub(super) fn new(fields: Message, digest: Digest) -> Asked {
        Asked { fields, digest }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.fields.get(name)
    }

    /// Refuses fields that this call does not have.
    pub(super) fn only(&self, known: &[&str]) -> Result<(), Failure> {
        const ALWAYS: [&str; 7] = [
            "appid",
            "mch_id",
            "nonce_str",
            "sign",
            "sign_type",
            "sub_appid",
            "sub_mch_id",
        ];
        match self
            .fields
            .iter()
            .all(|(name, _)| ALWAYS.contains(&name) || known.contains(&name))
        {
            true => Ok(()),
            false => Err(Failure::Business("PARAM_ERROR", "存在接口未定义的参数")),
        }
    }

    /// A text of so many characters.
    pub(super) fn text(&self, name: &str, most: usize) -> Result<&str, Failure> {
        let text = self
            .get(name)
            .ok_or(Failure::Business("LACK_PARAMS", "缺少必填参数"))?;
        match text.chars().count() <= most {
            true => Ok(text),
            false => Err(Failure::Business("PARAM_ERROR", "参数超出长度")),
        }
    }

    /// The shop's device and the shop, where the order names them: `scene_info` is JSON in a field.
    pub(super) fn place(&self) -> Result<(), Failure> {
        let wrong = || Failure::Business("PARAM_ERROR", "scene_info参数错误");
        if self.get("device_info").is_some() {
            self.text("device_info", 32)?;
        }
        if self.get("scene_info").is_none() {
            return Ok(());
        }
        let scene: Value = serde_json::from_str(self.text("scene_info", 256)?).map_err(|_| wrong())?;
        match scene.get("store_info") {
            None if scene.is_object() => Ok(()),
            Some(store) if store["id"].is_string() => shop(store).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }

    /// A merchant's number.
    pub(super) fn number(&self, name: &str, most: usize) -> Result<&str, Failure> {
        let text = self.text(name, most)?;
        match text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-|*@".contains(c))
        {
            true => Ok(text),
            false => Err(Failure::Business(
                "PARAM_ERROR",
                "商户单号只能是数字、大小写字母_-|*@",
            )),
        }
    }

    /// Fen in digits.
    pub(super) fn fen(&self, name: &str) -> Result<u64, Failure> {
        let text = self.text(name, 12)?;
        let fen = text
            .parse()
            .ok()
            .filter(|fen| *fen > 0 && text.bytes().all(|b| b.is_ascii_digit()));
        fen.ok_or(Failure::Business(
            "PARAM_ERROR",
            "金额须为整数，单位为分，且大于0",
        ))
    }

    /// An address of the Internet.
    pub(super) fn address(&self, name: &str) -> Result<(), Failure> {
        match self.text(name, 64)?.parse::<std::net::IpAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(Failure::Business(
                "PARAM_ERROR",
                "spbill_create_ip不是合法的IP地址",
            )),
        }
    }

    /// CNY, where a currency is named.
    pub(super) fn currency(&self, name: &str) -> Result<(), Failure> {
        match self.get(name) {
            None | Some("CNY") => Ok(()),
            Some(_) => Err(Failure::Business("PARAM_ERROR", "货币类型仅支持CNY")),
        }
    }

    /// A public address without query.
    pub(super) fn url(&self, name: &str) -> Result<String, Failure> {
        let url = self.text(name, 256)?;
        let uri: Option<http::Uri> = url.parse().ok();
        let good = uri.is_some_and(|u| {
            matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some() && u.query().is_none()
        });
        match good {
            true => Ok(url.to_owned()),
            false => Err(Failure::Business(
                "PARAM_ERROR",
                "notify_url须为可访问的URL，不能携带参数",
            )),
        }
    }

    /// When an order ends by itself.
    pub(super) fn until(&self) -> Result<Instant, Failure> {
        let Some(text) = self.get("time_expire") else {
            return Ok(now().plus_millis(LIFE_MS));
        };
        let wrong = Failure::Business("PARAM_ERROR", "time_expire须为yyyyMMddHHmmss");
        let time: Option<jiff::civil::DateTime> = (text.len() == 14)
            .then(|| {
                jiff::fmt::strtime::parse("%Y%m%d%H%M%S", text)
                    .ok()?
                    .to_datetime()
                    .ok()
            })
            .flatten();
        let time = time.and_then(|t| jiff::tz::Offset::constant(8).to_timestamp(t).ok());
        let Some(time) = time else { return Err(wrong) };
        let at = Instant::from_millis(time.as_millisecond());
        match at.millis() - now().millis() < LEAST_MS {
            true => Err(Failure::Business(
                "PARAM_ERROR",
                "time_expire时间过短，付款码至少1分钟",
            )),
            false => Ok(at),
        }
    }

    /// Everything that makes the order, to tell a repeat from a change.
    pub(super) fn whole(&self) -> Value {
        const PASSING: [&str; 3] = ["auth_code", "nonce_str", "sign"];
        let fields = self.fields.iter().filter(|(name, _)| !PASSING.contains(name));
        let mut whole: serde_json::Map<String, Value> = fields
            .map(|(name, value)| (name.to_owned(), json!(value)))
            .collect();
        // APIv3 calls a service provider's own app so.
        if whole.contains_key("sub_mch_id") {
            whole.insert("sp_appid".to_owned(), whole["appid"].clone());
        }
        Value::Object(whole)
    }
}
