//! Content that a merchant's own client encrypted, in both of Alipay's forms: what is opened and when, what is read of
//! it, every refusal. The ciphertext here is the content's octets backwards; the true one is opened in the vectors and
//! on the road.

use crate::{alipay, headers};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Answer, Encrypted,
    dialect::{NativeRefusal, UNPROVEN},
    native::{self, Native, NativeError, Unopened},
};
use domain::*;

const APP: &str = "2021000066965330";
const ORDER: &str =
    r#"{"out_trade_no":"O1","total_amount":"88.80","subject":"Tea","seller_id":"2088864287612845"}"#;
const CLOSED: &str = "must be base64 of a JSON object under the account's content key (AES in CBC mode, PKCS#7, an IV of sixteen zero octets)";

/// What each form calls the content.
const FORMS: [(Form, &str); 2] = [(Form::Gateway, "biz_content"), (Form::V3, "the body")];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    Gateway,
    V3,
}

fn sealed(content: impl AsRef<[u8]>) -> String {
    STANDARD.encode(content.as_ref().iter().rev().copied().collect::<Vec<u8>>())
}

fn open(encrypted: &Encrypted) -> Result<zeroize::Zeroizing<Vec<u8>>, Unopened> {
    match encrypted.ciphertext.is_empty() {
        true => Err(Unopened::Ciphertext),
        false => Ok(encrypted
            .ciphertext
            .iter()
            .rev()
            .copied()
            .collect::<Vec<u8>>()
            .into()),
    }
}

/// One request with this text in the content's place.
fn ask(form: Form, call: &str, text: &str, opens: native::Opens<'_>) -> Result<Native, NativeError> {
    let known = |account: &AccountNo| account.as_str() == APP;
    match form {
        Form::Gateway => {
            let method = format!("alipay.trade.{call}");
            let body = form_urlencoded::Serializer::new(String::new())
                .extend_pairs([
                    ("app_id", APP),
                    ("charset", "utf-8"),
                    ("encrypt_type", "AES"),
                    ("method", &method),
                    ("sign", "+/8B"),
                    ("sign_type", "RSA2"),
                    ("timestamp", "2026-01-01 08:00:00"),
                    ("version", "1.0"),
                    ("biz_content", text),
                ])
                .finish();
            let kind = headers(&[("content-type", "application/x-www-form-urlencoded")]);
            native::read(
                Channel::Alipay,
                known,
                opens,
                "POST",
                "/gateway.do",
                &kind,
                body.as_bytes(),
            )
        }
        Form::V3 => v3(&format!("/v3/alipay/trade/{call}"), &V3, text, opens),
    }
}

const V3: [(&str, &str); 3] = [
    ("content-type", "text/plain"),
    ("alipay-encrypt-type", "AES"),
    ("alipay-encryption-algm", "AES"),
];

fn v3(
    target: &str,
    lines: &[(&str, &str)],
    body: &str,
    opens: native::Opens<'_>,
) -> Result<Native, NativeError> {
    let signed = format!("ALIPAY-SHA256withRSA app_id={APP},nonce=5f9f,timestamp=1767225600000,sign=+/8B");
    let lines: Vec<_> = [("authorization", signed.as_str())]
        .into_iter()
        .chain(lines.iter().copied())
        .collect();
    let method = if body.is_empty() { "GET" } else { "POST" };
    native::read(
        Channel::Alipay,
        |_| true,
        opens,
        method,
        target,
        &headers(&lines),
        body.as_bytes(),
    )
}

fn refused(result: Result<Native, NativeError>) -> NativeError {
    result.err().expect("refused")
}

#[test]
//= C98
fn what_opens_is_read_as_if_it_had_come_in_clear_and_what_was_signed_is_the_ciphertext() {
    for (form, _) in FORMS {
        let text = sealed(ORDER);
        let native = ask(form, "precreate", &text, &|account, proof, encrypted| {
            assert_eq!(
                (account.as_str(), encrypted.key.as_str(), &*proof.signature),
                (APP, "alipay/2021000066965330/content", &[0xfb, 0xff, 1][..])
            );
            open(encrypted)
        })
        .expect("carried");
        assert_eq!(
            (native.operation, native.amount.map(Amount::fen), native.encrypted),
            (Operation::Create, Some(8880), true)
        );
        assert_eq!(native.number.as_ref().map(ChannelNo::as_str), Some("O1"));
        assert_eq!(
            native.payee.as_ref().map(PayeeNo::as_str),
            Some("2088864287612845")
        );
        let signed = String::from_utf8(native.proof.message).expect("text");
        assert!(signed.contains(&text) && !signed.contains("Tea"), "{signed}");
    }
}

#[test]
//= C98
fn one_refusal_for_whatever_does_not_open() {
    for (form, place) in FORMS {
        let texts = [
            "*".to_owned(),
            "e30".to_owned(),
            format!("{}\n", sealed(ORDER)),
            sealed([0xff, b'{', b'}']),
            sealed("[]"),
            sealed("no JSON"),
            sealed(format!("\u{feff}{ORDER}")),
        ];
        for text in texts {
            let error = refused(ask(form, "precreate", &text, &|_, _, encrypted| open(encrypted)));
            assert_eq!(error.text, format!("{place} {CLOSED}"), "{text}");
            assert!(matches!(error.kind, NativeRefusal::Malformed(_)));
            assert_eq!(error.breach, Some((Breach::Form, None)));
            assert!(
                error.asks.proof.is_some(),
                "on record against the one who signed it"
            );
        }
        let key = refused(ask(form, "precreate", &sealed(ORDER), &|_, _, _| {
            Err(Unopened::Ciphertext)
        }));
        assert_eq!(key.text, format!("{place} {CLOSED}"), "another key");
        // What nobody is proven to have signed is told nothing of it.
        let unproven = refused(ask(form, "precreate", "*", &|_, _, _| Err(Unopened::Unproven)));
        assert_eq!(unproven.kind, NativeRefusal::Signature(UNPROVEN.into()));
        let no_key = refused(ask(form, "precreate", &sealed(ORDER), &|_, _, _| {
            Err(Unopened::NoKey)
        }));
        assert!(
            no_key.text.starts_with(place) && no_key.text.contains("alipay/<app_id>/content.aes"),
            "{}",
            no_key.text
        );
        assert_eq!(no_key.breach, Some((Breach::Field, Some("encrypt_type"))));
    }
}

/// The content is held to the same lists as in clear, and refused in the same words.
#[test]
//= C98
fn what_is_inside_is_held_to_the_same_lists() {
    for (form, place) in FORMS {
        let path = if form == Form::Gateway { "biz_content." } else { "" };
        let say = |content: String| {
            refused(ask(form, "precreate", &sealed(content), &|_, _, encrypted| {
                open(encrypted)
            }))
        };
        let with = |more: &str| ORDER.replacen('{', &format!("{{{more},"), 1);
        let split = say(with(r#""royalty_info":{}"#));
        assert_eq!(split.text, format!("field {path}royalty_info is not carried"));
        assert_eq!(split.breach, Some((Breach::Funds, Some("royalty_info"))));
        let twice = say(with(r#""total_amount":"0.01""#));
        assert!(
            twice
                .text
                .starts_with(&format!("{place}: a name that stands twice")),
            "{}",
            twice.text
        );
        assert!(
            say(ORDER.replace("88.80", "88.801"))
                .text
                .contains("total_amount")
        );
        assert!(say(format!("{ORDER} {ORDER}")).text.contains("after the end"));
    }
}

#[test]
//= C98
fn what_says_that_it_is_encrypted_says_so_as_documented() {
    let opens = |_: &AccountNo, _: &native::Proof, encrypted: &Encrypted| open(encrypted);
    let (text, create) = (sealed(ORDER), "/v3/alipay/trade/precreate");
    assert!(
        v3(create, &V3[..2], &text, &opens).is_ok(),
        "the documented header alone"
    );
    for lines in [
        // The second header alone, another algorithm, two that differ, another content type.
        vec![V3[0], V3[2]],
        vec![V3[0], ("alipay-encrypt-type", "aes")],
        vec![V3[0], ("alipay-encrypt-type", "")],
        vec![V3[0], V3[1], ("alipay-encryption-algm", "SM4")],
        vec![("content-type", "application/json"), V3[1]],
        vec![("content-type", "text/plain;charset=gbk"), V3[1]],
        vec![V3[0], V3[1], V3[1]],
    ] {
        let error = refused(v3(create, &lines, &text, &opens));
        assert!(error.breach.is_some(), "{lines:?}: {}", error.text);
    }
    let bill = "/v3/alipay/data/dataservice/bill/downloadurl/query?bill_type=trade&bill_date=2026-01-01";
    assert!(v3(bill, &[], "", &opens).is_ok());
    assert!(v3(bill, &V3, "", &opens).is_err(), "content in the query");
    // A header that the signature does not cover makes no ciphertext of what was signed in clear, nor the other way
    // round.
    assert!(refused(v3(create, &V3, ORDER, &opens)).text.ends_with(CLOSED));
    assert!(v3(create, &[("content-type", "application/json")], &text, &opens).is_err());
}

#[test]
//= C98
fn an_answer_is_encrypted_where_the_request_was() {
    let account = alipay();
    let gateway = |body: &str| {
        channel::encrypted_native_answer(&account, Operation::Query, "/gateway.do", 200, body.as_bytes())
    };
    let found = gateway(r#"{"alipay_trade_query_response":"+/9z","sign":"YQ=="}"#);
    let Ok(Some(found)) = found else {
        panic!("encrypted")
    };
    assert_eq!(
        (found.key.as_str(), &*found.ciphertext),
        ("alipay/2021000066965330/content", &b"\xfb\xffs"[..])
    );
    let clear = r#"{"error_response":{"code":"40002","sub_code":"isv.decryption-error"}}"#;
    assert!(matches!(gateway(clear), Ok(None)), "the front door's");
    assert!(gateway(r#"{"alipay_trade_query_response":"*","sign":"YQ=="}"#).is_err());
    let path = "/v3/alipay/trade/precreate";
    let by_v3 = |status, body: &str| {
        channel::encrypted_native_answer(&account, Operation::Create, path, status, body.as_bytes())
    };
    assert!(matches!(by_v3(200, "+/9z"), Ok(Some(found)) if *found.ciphertext == *b"\xfb\xffs"));
    assert!(matches!(
        by_v3(400, r#"{"code":"ACQ.TRADE_HAS_CLOSE"}"#),
        Ok(None)
    ));
    assert!(by_v3(200, "<html>").is_err());
    let content = |target, body: &str| {
        channel::read_native_content(
            &account,
            Operation::Create,
            PayWay::Qr,
            target,
            200,
            body.as_bytes(),
        )
    };
    let placed =
        |answer| matches!(answer, Answer::Placed(Reach::Code(code)) if &*code == "https://qr.alipay.com/b");
    assert!(placed(content(
        path,
        r#"{"out_trade_no":"O1","qr_code":"https://qr.alipay.com/b"}"#
    )));
    assert!(placed(content(
        "/gateway.do",
        r#"{"code":"10000","out_trade_no":"O1","qr_code":"https://qr.alipay.com/b"}"#
    )));
}
