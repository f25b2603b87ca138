//! Asking where a bill lies, and fetching it from there (channels.md 1.13, 3.7).

use crate::{Account, ComposeError, Draft, Stamp, alipay, strict_json::Value, unionpay, wechat};
use domain::{BillKind, Channel, Day, OpenApi};
use serde::Serialize;

/// The call that tells where Alipay's bill lies.
pub(crate) const ALIPAY_METHOD: &str = "alipay.data.dataservice.bill.downloadurl.query";

/// Where a bill lies, and what its text must hash to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BillPlace {
    /// Host name; it counts only if the licence registry lists it for the channel.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Raw path and query, used as they were given.
    pub target: String,
    /// SHA-1 of the unpacked text, or of the file as it comes; WeChat's only.
    pub sha1: Option<[u8; 20]>,
}

#[derive(Serialize)]
struct Content<'a> {
    bill_date: &'a str,
    bill_type: &'static str,
}

/// Asks where the bill of a day lies.
///
/// # Errors
/// Where the channel has no such bill, or the account lacks something.
pub fn ask(account: &Account, stamp: &Stamp, kind: BillKind, day: Day) -> Result<Draft, ComposeError> {
    let day = day.to_string();
    match (account.channel, kind) {
        // Of a service provider the whole bill: with `sub_mchid` it would have one sub-merchant's orders, and an account may
        // pay several (channels.md 1.13).
        (Channel::Wechat, BillKind::Trade) => wechat::compose::get(
            account,
            stamp,
            format!("/v3/bill/tradebill?bill_date={day}&bill_type=ALL&tar_type=GZIP"),
        ),
        (Channel::Wechat, BillKind::Funds) => wechat::compose::get(
            account,
            stamp,
            format!("/v3/bill/fundflowbill?bill_date={day}&account_type=BASIC&tar_type=GZIP"),
        ),
        (Channel::Alipay, BillKind::Trade) if account.openapi == OpenApi::V3 => alipay::open_api::get(
            account,
            stamp,
            ALIPAY_METHOD,
            &format!("bill_date={day}&bill_type=trade"),
        ),
        (Channel::Alipay, BillKind::Trade) => alipay::compose::draft(
            account,
            stamp,
            ALIPAY_METHOD,
            false,
            &Content {
                bill_date: &day,
                bill_type: "trade",
            },
        ),
        (Channel::Unionpay, BillKind::Trade) => unionpay::file::ask(account, stamp, &day),
        #[allow(unreachable_patterns, reason = "channels are added one by one")]
        _ => Err(ComposeError::NotOffered),
    }
}

/// Fetches the bill from its place: signed at WeChat; `None` where it is fetched without a signature.
///
/// # Errors
/// Where the account lacks something.
pub fn download(account: &Account, stamp: &Stamp, place: &BillPlace) -> Option<Result<Draft, ComposeError>> {
    (account.channel == Channel::Wechat).then(|| wechat::compose::get(account, stamp, place.target.clone()))
}

/// Does this code say that nothing happened that day? Alipay's spelling is [unverified].
pub fn means_none(channel: Channel, code: &str) -> bool {
    match channel {
        Channel::Wechat => code.replace('_', "").eq_ignore_ascii_case("NOSTATEMENTEXIST"),
        // OpenAPI v3 says the gateway's words without what stands before them.
        Channel::Alipay => matches!(
            code,
            "isp.bill_not_exist" | "isv.bill_not_exist" | "bill_not_exist"
        ),
        #[allow(unreachable_patterns, reason = "channels are added one by one")]
        _ => false,
    }
}

/// True where the file comes in the answer itself, from a host for files (channels.md 4.1, 4.5).
pub fn comes_at_once(channel: Channel) -> bool {
    channel == Channel::Unionpay
}

/// Is this the channel's host for files, where it has one beside the host of its calls?
pub fn is_file_host(channel: Channel, host: &str) -> bool {
    channel == Channel::Unionpay && host.to_ascii_lowercase().starts_with("filedownload.")
}

/// Does this code say either that nothing happened that day or that the file is not made yet? Only time tells which.
pub fn may_mean_none(channel: Channel, code: &str) -> bool {
    channel == Channel::Unionpay && code == "98"
}

/// Is the channel's only word for "there is none" one that means "not made yet" too?
pub const fn none_is_a_doubt(channel: Channel) -> bool {
    matches!(channel, Channel::Unionpay)
}

pub(crate) fn wechat(value: &Value) -> Option<BillPlace> {
    let mut sha1 = [0; 20];
    if value.text("hash_type")? != "SHA1" {
        return None;
    }
    hex::decode_to_slice(value.text("hash_value")?.to_ascii_lowercase(), &mut sha1).ok()?;
    place(value.text("download_url")?, Some(sha1))
}

pub(crate) fn alipay(node: &Value) -> Option<BillPlace> {
    place(node.text("bill_download_url")?, None)
}

/// An address without user, fragment or other tricks. What older answers call `http` is fetched by TLS all the same.
fn place(url: &str, sha1: Option<[u8; 20]>) -> Option<BillPlace> {
    let uri: http::Uri = url.parse().ok()?;
    let authority = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'))?;
    let port = match uri.scheme_str()? {
        "https" => authority.port_u16().unwrap_or(443),
        "http" if authority.port().is_none() => 443,
        _ => return None,
    };
    let target = uri.path_and_query()?.as_str();
    let lawful = !url.contains('#') && target.starts_with('/') && target.len() <= 4096;
    lawful.then(|| BillPlace {
        host: authority.host().to_ascii_lowercase(),
        port,
        target: target.to_owned(),
        sha1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_strictly() {
        let at = |url: &str| place(url, None).map(|p| (p.host, p.port, p.target));
        let host = || "api.mch.weixin.qq.com".to_owned();
        assert_eq!(
            at("https://api.mch.weixin.qq.com/v3/billdownload/file?token=a%2Fb"),
            Some((host(), 443, "/v3/billdownload/file?token=a%2Fb".into()))
        );
        assert_eq!(
            at("https://API.mch.weixin.qq.com:8443/x"),
            Some((host(), 8443, "/x".into()))
        );
        assert_eq!(
            at("http://dwbillcenter.alipay.com/downloadBillFile.resource?a=b").map(|p| p.1),
            Some(443)
        );
        for url in [
            "",
            "/x",
            "ftp://h/x",
            "http://h:80/x",
            "https://u@h/x",
            "https://h/x#f",
            "https:///x",
            "https://h",
        ] {
            assert!(at(url).is_none() || url == "https://h", "{url}");
        }
    }
}
