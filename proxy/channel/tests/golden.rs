//! Exact octets of what we compose, exact facts of what we read, and every refusal.

#[path = "golden/alipay.rs"]
mod alipay;
#[path = "golden/alipay_v3.rs"]
mod alipay_v3;
#[path = "golden/answers.rs"]
mod answers;
#[path = "golden/answers_alipay.rs"]
mod answers_alipay;
#[path = "golden/codes.rs"]
mod codes;
#[path = "golden/codes_wechat.rs"]
mod codes_wechat;
#[path = "golden/compose.rs"]
mod compose;
#[path = "golden/native_alipay.rs"]
mod native_alipay;
#[path = "golden/native_alipay_v3.rs"]
mod native_alipay_v3;
#[path = "golden/native_encrypted.rs"]
mod native_encrypted;
#[path = "golden/native_wechat.rs"]
mod native_wechat;
#[path = "golden/native_wechat_bodies.rs"]
mod native_wechat_bodies;
#[path = "golden/native_wechat_v2.rs"]
mod native_wechat_v2;
#[path = "golden/notices.rs"]
mod notices;
#[path = "golden/places.rs"]
mod places;
#[path = "golden/strict_json.rs"]
mod strict_json;
#[path = "golden/unionpay.rs"]
mod unionpay;

use channel::{Account, Stamp};
use domain::{AccountNo, Channel, ChannelNo, Instant, OpenApi, PayeeNo};
use http::{HeaderMap, HeaderName, HeaderValue};

/// 2026-01-01T08:00:00+08:00.
pub(crate) const NOW: Instant = Instant::from_secs(1_767_225_600);

pub(crate) fn wechat() -> Account {
    Account {
        channel: Channel::Wechat,
        account: AccountNo::new("1900000109").expect("mchid"),
        payee: PayeeNo::new("1900000109").expect("mchid"),
        appid: Some("wx4fd52d1ed208e8ac".into()),
        sub_appid: None,
        serial: Some("4B74CAE8482A9D987E2BF899FA7FDEA0349C6659".into()),
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n/wechat/1900000109".into(),
    }
}

pub(crate) fn wechat_partner() -> Account {
    Account {
        payee: PayeeNo::new("1900000110").expect("sub_mchid"),
        platform: Some("PUB_KEY_ID_048c1900000109202670533506130335".into()),
        ..wechat()
    }
}

pub(crate) fn alipay() -> Account {
    Account {
        channel: Channel::Alipay,
        account: AccountNo::new("2021000066965330").expect("app_id"),
        payee: PayeeNo::new("2088864287612845").expect("seller_id"),
        appid: None,
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n/alipay/2021000066965330".into(),
    }
}

pub(crate) fn alipay_certificates() -> Account {
    Account {
        serial: Some("747c5209f2fc137f7a2e696633c80c33".into()),
        platform: Some("7f43f8920d8f5fbdf1e94e4e81177c50".into()),
        root_sn: Some("9d04bd8d9d43d2141a7f8e9e762b5645".into()),
        sign_method: Default::default(),
        ..alipay()
    }
}

/// The same account, served at OpenAPI v3.
pub(crate) fn by_v3(account: Account) -> Account {
    Account {
        openapi: OpenApi::V3,
        ..account
    }
}

pub(crate) fn stamp() -> Stamp {
    Stamp {
        at: NOW,
        begun: NOW,
        nonce: "593BEC0C930BF1AFEB40B4A08C8FB242".into(),
    }
}

pub(crate) fn number(text: &str) -> ChannelNo {
    ChannelNo::new(text).expect("a number")
}

pub(crate) fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("name");
        headers.append(name, HeaderValue::from_str(value).expect("value"));
    }
    headers
}
