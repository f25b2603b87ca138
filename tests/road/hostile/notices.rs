//! Notices that are none: in the channel's language, so that a true one would come again; with the true channel's own
//! signature too, should it ever send nonsense.

use super::{
    MARK, Yard,
    api::{fresh, keys_of, now, own},
    wire::At,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

pub(crate) fn wire(path: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

pub(crate) async fn all(yard: &Yard) {
    wechat(yard).await;
    alipay(yard).await;
    super::unionpay::all(yard).await;
}

async fn wechat(yard: &Yard) {
    let merchant = &yard.demo.place.merchants[0].accounts;
    let keys = keys_of(
        &yard
            .demo
            .place
            .material
            .dir
            .join(&merchant.channel_keys.wechat_public_key),
    );
    let (id, path) = (
        &merchant.wechat.public_key_id,
        format!("/n/wechat/{}", merchant.wechat.mchid),
    );
    let body = json!({ "id": MARK, "create_time": "2026-01-01T08:00:00+08:00", "resource_type": "encrypt-resource", "event_type": "TRANSACTION.SUCCESS", "summary": MARK,
        "resource": { "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM", "ciphertext": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "associated_data": "transaction", "nonce": "fdasflkja484" } }).to_string();
    let lines = |at: i64, nonce: &str, serial: &str, signature: &str| {
        format!(
            "Content-Type: application/json\r\nWechatpay-Timestamp: {at}\r\nWechatpay-Nonce: {nonce}\r\nWechatpay-Serial: {serial}\r\nWechatpay-Signature: {signature}\r\nWechatpay-Signature-Type: WECHATPAY2-SHA256-RSA2048\r\n"
        )
    };
    let sign = |at: i64, nonce: &str, body: &[u8]| {
        STANDARD.encode(
            keys.sign(
                &own(),
                &[format!("{at}\n{nonce}\n").as_bytes(), body, b"\n"].concat(),
            )
            .expect("signs"),
        )
    };
    let at = now();
    let nonce = fresh();
    let good = lines(at, &nonce, id, &sign(at, &nonce, body.as_bytes()));
    let forged = lines(at, &nonce, id, &STANDARD.encode([7; 256]));
    let unsigned: Vec<(&str, String, String)> = vec![
        ("no headers", String::new(), body.clone()),
        ("a wrong signature", forged, body.clone()),
        ("another body", good.clone(), format!("{{\"{MARK}\":1}}")),
        (
            "a probe",
            lines(at, &nonce, id, &format!("WECHATPAY/SIGNTEST/{MARK}")),
            body.clone(),
        ),
        (
            "an old one",
            lines(at - 302, &nonce, id, &sign(at - 302, &nonce, body.as_bytes())),
            body.clone(),
        ),
        (
            "one of the future",
            lines(at + 360, &nonce, id, &sign(at + 360, &nonce, body.as_bytes())),
            body.clone(),
        ),
        (
            "an unknown serial",
            lines(at, &nonce, MARK, &sign(at, &nonce, body.as_bytes())),
            body.clone(),
        ),
        (
            "a path in the serial",
            lines(
                at,
                &nonce,
                &format!("../{MARK}"),
                &sign(at, &nonce, body.as_bytes()),
            ),
            body.clone(),
        ),
        (
            "no base64",
            lines(at, &nonce, id, &format!("*{MARK}")),
            body.clone(),
        ),
        (
            "a time that is none",
            lines(at, &nonce, id, "AAAA").replace(&at.to_string(), MARK),
            body.clone(),
        ),
        (
            "a header twice",
            format!("{good}Wechatpay-Nonce: {MARK}\r\n"),
            body.clone(),
        ),
        ("garbage", String::new(), format!("\u{1}{MARK}\u{2}")),
        ("nothing", String::new(), String::new()),
    ];
    for (what, lines, body) in unsigned {
        yard.refused(
            At::Notify,
            what,
            &yard.say(At::Notify, &wire(&path, &lines, body.as_bytes())).await,
            "wrong_signature",
        );
    }
    // A merchant's own key is not its channel's; another account's notice is not this one's.
    let other = &yard.demo.place.merchants[1].accounts;
    let own_key = keys_of(&yard.demo.place.material.dir.join(&merchant.wechat.key_file));
    let own_signed = STANDARD.encode(
        own_key
            .sign(&own(), format!("{at}\n{nonce}\n{body}\n").as_bytes())
            .expect("signs"),
    );
    yard.refused(
        At::Notify,
        "signed by the merchant",
        &yard
            .say(
                At::Notify,
                &wire(&path, &lines(at, &nonce, id, &own_signed), body.as_bytes()),
            )
            .await,
        "wrong_signature",
    );
    let elsewhere = format!("/n/wechat/{}", other.wechat.mchid);
    let said = yard
        .say(At::Notify, &wire(&elsewhere, &good, body.as_bytes()))
        .await;
    yard.refused(At::Notify, "another account's", &said, "");
    // Truly signed, and nonsense.
    let sealed = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        change(&mut value);
        value.to_string()
    };
    let nonsense: Vec<(&str, String)> = vec![
        ("what does not open", body.clone()),
        ("no JSON", format!("{{{MARK}")),
        ("a name twice", format!("{{\"{MARK}\":1,\"{MARK}\":2}}")),
        ("a byte order mark", format!("\u{feff}{body}")),
        ("no resource", sealed(&|v| v["resource"] = json!(MARK))),
        (
            "another algorithm",
            sealed(&|v| v["resource"]["algorithm"] = json!(MARK)),
        ),
        ("a short nonce", sealed(&|v| v["resource"]["nonce"] = json!("x"))),
        (
            "no ciphertext",
            sealed(&|v| v["resource"]["ciphertext"] = json!("")),
        ),
        (
            "a ciphertext that is none",
            sealed(&|v| v["resource"]["ciphertext"] = json!(format!("*{MARK}"))),
        ),
        ("an event that is none", sealed(&|v| v["event_type"] = json!(7))),
        ("deep", "[".repeat(1000)),
    ];
    for (what, body) in nonsense {
        let nonce = fresh();
        let signed = lines(at, &nonce, id, &sign(at, &nonce, body.as_bytes()));
        yard.refused(
            At::Notify,
            what,
            &yard.say(At::Notify, &wire(&path, &signed, body.as_bytes())).await,
            "malformed_request",
        );
    }
}

async fn alipay(yard: &Yard) {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n";
    let merchant = &yard.demo.place.merchants[0].accounts;
    let keys = keys_of(&yard.demo.place.material.dir.join(&merchant.channel_keys.alipay));
    let path = format!("/n/alipay/{}", merchant.alipay.app_id);
    let pairs: Vec<(&str, &str)> = vec![
        ("app_id", &merchant.alipay.app_id),
        ("charset", "utf-8"),
        ("notify_type", "trade_status_sync"),
        ("notify_id", MARK),
        ("out_trade_no", "nobodys"),
        ("trade_no", "2026010122001473031000000001"),
        ("total_amount", "88.80"),
        ("trade_status", "TRADE_SUCCESS"),
        ("gmt_payment", "2026-01-01 08:00:00"),
        ("seller_id", &merchant.alipay.seller_id),
        ("buyer_id", "2088102116773037"),
        ("subject", MARK),
    ];
    let signed = |pairs: &[(&str, &str)], sign_type: &str| {
        let mut sorted: Vec<String> = pairs
            .iter()
            .filter(|(_, v)| !v.is_empty())
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        sorted.sort();
        let sign = STANDARD.encode(keys.sign(&own(), sorted.join("&").as_bytes()).expect("signs"));
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .append_pair("sign_type", sign_type)
            .append_pair("sign", &sign)
            .finish()
    };
    let good = signed(&pairs, "RSA2");
    let change = |name: &str, value: &'static str| -> Vec<(&str, &str)> {
        pairs
            .iter()
            .map(|(n, v)| (*n, if *n == name { value } else { *v }))
            .collect()
    };
    for (what, body) in [
        ("nothing", String::new()),
        ("garbage", format!("\u{1}{MARK}")),
        (
            "unsigned",
            format!("app_id={}&{MARK}={MARK}", merchant.alipay.app_id),
        ),
        ("altered", good.replace("88.80", "0.01")),
        ("a field more", format!("{good}&{MARK}={MARK}")),
        ("a field twice", format!("{good}&subject={MARK}")),
        ("an unknown field twice", format!("{good}&{MARK}=1&{MARK}=2")),
        ("a bad escape", format!("{good}&{MARK}=%zz")),
        ("no UTF-8", format!("{good}&{MARK}=%ff")),
        ("no pair", format!("{good}&{MARK}")),
        ("sign_type RSA", signed(&pairs, "RSA")),
        ("no sign_type", signed(&pairs, "")),
        ("JSON", json!({ "app_id": MARK }).to_string()),
    ] {
        yard.refused(
            At::NotifyAlipay,
            what,
            &yard
                .say(At::NotifyAlipay, &wire(&path, FORM, body.as_bytes()))
                .await,
            "fail",
        );
    }
    // Truly signed, and nonsense.
    for (name, value) in [
        ("app_id", "2021999999999999"),
        ("total_amount", "1e9"),
        ("total_amount", "-1"),
        ("trade_status", MARK),
        ("out_trade_no", "a b"),
        ("trade_no", "\u{1}"),
        ("gmt_payment", MARK),
    ] {
        let said = yard
            .say(
                At::NotifyAlipay,
                &wire(&path, FORM, signed(&change(name, value), "RSA2").as_bytes()),
            )
            .await;
        yard.refused(At::NotifyAlipay, &format!("{name}={value}"), &said, "fail");
    }
}
