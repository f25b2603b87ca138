//! The doors whose messages are no JSON: WeChat's V2 in XML and UnionPay's forms.

use super::{
    api::{fresh, own},
    many::{Door, wire},
    tricks::{self, Dice, STRANGER, escaped},
    wire::At,
};
use certs::{Keys, Material, V2Digest};
use channel::wechat_v2;
use sandbox::demo::acp::{APP, Acp, BACK, Fields, QUERY, now, written};
use sandbox::material::WechatAccount;

/// Names that are on no list, and what they would do.
const NAMES: [&str; 8] = [
    "receivers",
    "royalty_info",
    "sub_merchant",
    "transfer",
    "accSplitData",
    "settle_info",
    "qz_unknown",
    "subMerId",
];

pub(super) struct WechatV2(WechatAccount, Keys);

impl WechatV2 {
    pub(super) fn new(account: WechatAccount) -> WechatV2 {
        let keys = Keys::default();
        let key = Material::api_v2(V2Digest::Md5, account.apiv2_key.as_bytes()).expect("a key");
        keys.put(own(), key);
        WechatV2(account, keys)
    }
}

impl Door for WechatV2 {
    fn at(&self) -> At {
        At::WechatV2
    }

    fn channel(&self) -> &'static str {
        "wechat V2"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let number = format!("H{:015}", dice.below(1_000_000_000));
        let mut path = "/pay/unifiedorder".to_owned();
        let mut all: Vec<(String, String)> = [
            ("appid", self.0.appid.as_str()),
            ("mch_id", self.0.mchid.as_str()),
            ("nonce_str", &fresh()),
            ("body", "tea"),
            ("out_trade_no", &number),
            ("total_fee", "100"),
            ("spbill_create_ip", "203.0.113.7"),
            ("notify_url", "https://m.example/n"),
            ("trade_type", "NATIVE"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let trick = dice.below(12);
        match trick {
            0..=2 => all.push(((*dice.of(&NAMES)).into(), STRANGER.into())),
            3 => all.push(("profit_sharing".into(), "Y".into())),
            4 => all.push(("sub_mch_id".into(), STRANGER.into())),
            5 => all[5].1 = (*dice.of(&["0", "-1", "1.5", "1e3", "0100", "99999999999999999999"])).into(),
            6 => {
                path = (*dice.of(&[
                    "/secapi/pay/profitsharing",
                    "/pay/multiprofitsharing",
                    "/pay/unifiedorder/",
                    "/pay/downloadfundflow",
                ]))
                .into()
            }
            7 => path += "?mch_id=1600000009",
            8 => all.push((
                "detail".into(),
                (*dice.of(&[
                    "{\"goods_detail\":[],\"goods_detail\":[]}",
                    "\u{feff}{\"receivers\":[]}",
                    "\u{200b}{\"goods_detail\":[{\"receiver\":1}]}",
                    "{\"goods_detail\":[{\"price\":1,\"pr\\u0069ce\":2}]}",
                    "{\"cost_price\":1e400",
                    "[]",
                ]))
                .into(),
            )),
            _ => {}
        }
        let message = wechat_v2::string_to_sign(all.iter().map(|(n, v)| (n.as_str(), v.as_str())));
        let sign = hex::encode_upper(self.1.sign(&own(), &message).expect("signs"));
        all.push(("sign".into(), sign));
        let inner: String = all
            .iter()
            .map(|(n, v)| format!("<{n}><![CDATA[{v}]]></{n}>"))
            .collect();
        let first = |from: &str, to: &str| format!("<xml>{}</xml>", inner.replacen(from, to, 1));
        let body = match (trick, dice.below(26)) {
            (9.., 8) => return Some(self.utf16(&path, &inner)),
            (9.., 9) => format!("\u{feff}<xml>{inner}</xml>"),
            (9.., 10) => format!("<?xml version=\"1.0\" encoding=\"utf-7\"?><xml>{inner}</xml>"),
            (9.., 11) => format!("<XML>{inner}</XML>"),
            (9.., 12) => first("<mch_id>", "<mch_id xmlns=\"urn:x\">"),
            (9.., 13) => format!("<x:xml xmlns:x=\"urn:x\">{inner}</x:xml>"),
            (9.., 14) => format!("<xml>{inner}<Mch_id>{STRANGER}</Mch_id></xml>"),
            (9.., 15) => format!("<xml>{inner}<m\u{441}h_id>{STRANGER}</m\u{441}h_id></xml>"),
            (9.., 16) => format!("<xml>{inner}<attach>a\0b</attach></xml>"),
            (9.., 17) => format!("<xml>{inner}<attach>&#X31;</attach></xml>"),
            (9.., 18) => format!("<xml>{inner}<attach><![CDATA[a]]>]]></attach></xml>"),
            (9.., 19) => format!("<xml>{inner}<mch_id >{STRANGER}</mch_id ></xml>"),
            (9.., 20) => format!("<xml>{inner}<?php 1 ?></xml>"),
            (9.., 21) => {
                format!("<!DOCTYPE xml [<!ENTITY a \"x\"><!ENTITY b \"&a;&a;\">]><xml>{inner}</xml>")
            }
            (9.., 22) => format!("<!DOCTYPE xml SYSTEM \"file:///etc/passwd\"><xml>{inner}</xml>"),
            (9.., 23) => format!("<xml>{}{inner}{}</xml>", "<a>".repeat(2000), "</a>".repeat(2000)),
            (9.., 24) => format!("<xml>{inner}\r</xml>"),
            (9.., 25) => format!("<xml><mch_id>{STRANGER}</mch_id>{inner}</xml>"),
            (9.., 0) => format!("<xml>{inner}<mch_id>{STRANGER}</mch_id></xml>"),
            (9.., 1) => {
                format!("<!DOCTYPE xml [<!ENTITY e \"{STRANGER}\">]><xml>{inner}<attach>&e;</attach></xml>")
            }
            (9.., 2) => format!("<xml>{inner}<!-- <mch_id>{STRANGER}</mch_id> --></xml>"),
            (9.., 3) => format!("<xml><a>{inner}</a></xml>"),
            (9.., 4) => format!("<?xml version=\"1.0\" encoding=\"GBK\"?><xml>{inner}</xml>"),
            (9.., 5) => format!("<xml>{inner}<attach x=\"1\">1</attach></xml>"),
            (9.., 6) => format!("<xml>{inner}</xml><xml>{inner}</xml>"),
            (9.., _) => format!("<xml>{inner}<attach>&#0;</attach></xml>"),
            _ => format!("<xml>{inner}</xml>"),
        };
        let kind = match dice.below(12) {
            0 => tricks::kind(dice, "text/xml"),
            _ => "Content-Type: text/xml\r\n".into(),
        };
        Some(wire("POST", &path, &kind, body.as_bytes()))
    }
}

impl WechatV2 {
    /// In UTF-16, as its mark says.
    fn utf16(&self, path: &str, inner: &str) -> Vec<u8> {
        let text = format!("\u{feff}<?xml version=\"1.0\" encoding=\"utf-16\"?><xml>{inner}</xml>");
        let octets: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        wire("POST", path, "Content-Type: text/xml\r\n", &octets)
    }
}

/// UnionPay's own client, its forms spoilt before or behind its signature.
pub(super) struct Unionpay(pub(super) Acp);

impl Unionpay {
    /// One of what it sends: a code, a payment code's charge, an app's order, a cancel.
    fn lawful(&self, dice: &mut Dice, number: &str) -> (String, Fields) {
        let (acp, at) = (&self.0, written(now()));
        let (path, fields) = match dice.below(4) {
            0 => (BACK, acp.apply(number, &at, 100)),
            1 => (BACK, acp.charge(number, &at, 100, "6220000000000000001", 60_000)),
            2 => (APP, acp.app(number, &at, 100)),
            _ => (BACK, acp.cancel(number, &at, "781601010800001234568", 100)),
        };
        (path.to_owned(), fields)
    }
}

impl Door for Unionpay {
    fn at(&self) -> At {
        At::Unionpay
    }

    fn channel(&self) -> &'static str {
        "unionpay form"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let number = format!("H{:015}", dice.below(1_000_000_000));
        let (mut path, mut fields) = self.lawful(dice, &number);
        let cancels = fields["txnType"] == "31";
        let trick = dice.below(12);
        let mut put = |name: &str, value: &str| drop(fields.insert(name.to_owned(), value.to_owned()));
        match trick {
            0..=2 => put(dice.of::<&str>(&NAMES), STRANGER),
            3 => put(
                "txnAmt",
                dice.of::<&str>(&["0", "-1", "1.5", "0100", "99999999999999999999"]),
            ),
            4 => put("accessType", dice.of::<&str>(&["1", "2"])),
            // Whatever is no cancel does not become one by its name alone, and a cancel not a payment.
            5 if cancels => put("txnType", dice.of::<&str>(&["11", "12", "02", "01"])),
            5 => put("txnType", dice.of::<&str>(&["11", "12", "02", "31"])),
            6 => put("encoding", "GBK"),
            7 => path += "?merId=000000000000001",
            8 => {
                path = (*dice.of::<&str>(&[
                    QUERY,
                    "/gateway/api/fileTransRequest.do",
                    "/gateway/api/cardTransReq.do",
                ]))
                .into()
            }
            _ => {}
        }
        let signed = self.0.signed(&fields).expect("signs");
        let body = match (trick, dice.below(19)) {
            (9.., 5) => format!("merId=000000000000001&{signed}"),
            (9.., 6) => format!("{signed}&%256derId=000000000000001"),
            (9.., 7) => format!("{signed}&mer+Id=000000000000001"),
            (9.., 8) => format!("{signed}&merId[]=000000000000001"),
            (9.., 9) => format!("{signed}&MERID=000000000000001"),
            (9.., 10) => format!("{signed}&a;merId=000000000000001"),
            (9.., 11) => format!("{signed}&reqReserved=%c0%af"),
            (9.., 12) => format!("{signed}&reqReserved=%u0061"),
            (9.., 13) => format!("{signed}&m\u{435}rId=000000000000001"),
            (9.., 14) => format!("\u{feff}{signed}"),
            (9.., 15) => signed.replacen("txnAmt=100", "txnAmt=100%00", 1),
            (9.., 16) => format!("{signed}&txnAmt=1&txnAmt=1"),
            (9.., 17) => format!("{signed}\n&txnAmt=1"),
            (9.., 18) => format!("{signed}&accSplitData"),
            (9.., 0) => format!("{signed}&merId=000000000000001"),
            (9.., 1) => format!("{signed}&%6derId=000000000000001"),
            // In GBK the second octet of the character is a backslash.
            (9.., 2) => format!("{signed}&reqReserved={}", escaped(b"\xd5\x5c")),
            (9.., 3) => format!("{signed}&&"),
            (9.., _) => format!("{signed}&txnAmt=%"),
            _ => signed,
        };
        let kind = match dice.below(12) {
            0 => tricks::kind(dice, "application/x-www-form-urlencoded"),
            _ => "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\n".into(),
        };
        let path = match dice.below(12) {
            0 => tricks::path(dice, &path),
            _ => path,
        };
        Some(wire("POST", &path, &kind, body.as_bytes()))
    }
}
