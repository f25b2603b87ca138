//! ICBC: the exact XML that is composed, the exact facts of what is read, and more than ten thousand hostile inputs: texts that
//! would become elements, notices that name somebody else or could be read in two ways. None of them pays, or seems to have
//! paid, another account.

use crate::{NOW, NUMBER, bank, dice, stamp, text};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{
    Account, ChannelState, ComposeError, Draft,
    notice::{self, Kind, Notice, NoticeError},
};
use domain::*;
use encoding_rs::GBK;
use http::HeaderMap;

const MER_ID: &str = "1001EC20000001";
const MER_ACCT: &str = "1001231719300000001";
fn account() -> Account {
    let facts = BankFacts {
        certificate: Some("TUlJ".into()),
        reference: Some("*.shop.example".into()),
        ..bank(Channel::Icbc)
    };
    crate::account(
        Channel::Icbc,
        MER_ID,
        MER_ACCT,
        Some(facts),
        "http://pay.example/n/icbc/1001EC20000001",
    )
}

fn order(account: &Account, pay_way: PayWay, description: &str, at: Instant) -> Result<Draft, ComposeError> {
    crate::order(
        account,
        (NUMBER, pay_way, at, 900_000),
        &crate::buyer(description),
    )
}

const WRITTEN: &str = "<?xml version=\"1.0\" encoding=\"GBK\" standalone=\"no\"?><B2CReq><interfaceName>ICBC_PERBANK_B2C</interfaceName><interfaceVersion>1.0.0.11</interfaceVersion><orderInfo><orderDate>20260101080000</orderDate><curType>001</curType><merID>1001EC20000001</merID><subOrderInfoList><subOrderInfo><orderid>20260101080000000001</orderid><amount>123405</amount><installmentTimes>1</installmentTimes><merAcct>1001231719300000001</merAcct><goodsID></goodsID><goodsName>龙井 &amp; &lt;点心&gt;</goodsName><goodsNum>1</goodsNum><carriageAmt></carriageAmt></subOrderInfo></subOrderInfoList></orderInfo><custom><verifyJoinFlag>0</verifyJoinFlag><Language>ZH_CN</Language></custom><message><creditType>2</creditType><notifyType>HS</notifyType><resultType>0</resultType><merReference>*.shop.example</merReference><merCustomIp>203.0.113.9</merCustomIp><goodsType>1</goodsType><merCustomID></merCustomID><merCustomPhone></merCustomPhone><goodsAddress></goodsAddress><merOrderRemark></merOrderRemark><merHint></merHint><remark1></remark1><remark2></remark2><merURL>http://pay.example/n/icbc/1001EC20000001</merURL><merVAR></merVAR></message></B2CReq>";

#[test]
fn an_order_is_signed_xml_in_gbk_and_the_same_however_late_it_is_signed() {
    for at in [NOW, NOW.plus_millis(600_000)] {
        let draft = order(&account(), PayWay::Gateway, "龙井 & <点心>", at).expect("composes");
        assert_eq!(draft.message(), &*GBK.encode(WRITTEN).0);
        assert_eq!(draft.key().as_str(), "icbc/1001EC20000001/merchant");
        let message = draft.message().to_vec();
        let shown = draft
            .hand_out(b"signed")
            .expect("a form")
            .for_browser("https://b2c.icbc.com.cn");
        let fields = &shown["form"]["fields"];
        assert_eq!(
            shown["form"]["action"],
            "https://b2c.icbc.com.cn/servlet/ICBCINBSEBusinessServlet"
        );
        assert_eq!(fields["tranData"], STANDARD.encode(message));
        assert_eq!(fields["merSignMsg"], STANDARD.encode("signed"));
        assert_eq!(
            (&fields["merCert"], &fields["interfaceVersion"]),
            (&"TUlJ".into(), &"1.0.0.11".into())
        );
        assert_eq!(fields.as_object().map(serde_json::Map::len), Some(5));
    }
}

#[test]
fn nothing_else_is_asked_of_it() {
    let (account, number) = (account(), ChannelNo::new("1").expect("a number"));
    let stamp = stamp(NOW);
    assert!(!channel::can_be_asked(Channel::Icbc) && channel::can_be_asked(Channel::Ccb));
    assert_eq!(
        channel::query(&account, &stamp, PayWay::Gateway, &number).err(),
        Some(ComposeError::NotOffered)
    );
    assert_eq!(
        channel::close(&account, &stamp, &number).err(),
        Some(ComposeError::NotOffered)
    );
    assert_eq!(
        channel::reverse(&account, &stamp, &number).err(),
        Some(ComposeError::NotOffered)
    );
    for way in [PayWay::Page, PayWay::GatewayB2b] {
        assert_eq!(
            order(&account, way, "x", NOW).err(),
            Some(ComposeError::NotOffered)
        );
    }
    let bare = Account {
        bank: None,
        ..account
    };
    assert!(matches!(
        order(&bare, PayWay::Gateway, "x", NOW).err(),
        Some(ComposeError::Account(_))
    ));
    assert!(
        !channel::word_fits(Channel::Icbc, "tea 😀")
            && !channel::word_fits(Channel::Icbc, "a\u{1}")
            && channel::word_fits(Channel::Icbc, "龙井 <&>")
    );
}

/// What the bank says, with one element changed.
fn said(name: &str, value: &str) -> String {
    let whole = "<?xml  version=\"1.0\" encoding=\"GBK\" standalone=\"no\" ?><B2CRes><interfaceName>ICBC_PERBANK_B2C</interfaceName><interfaceVersion>1.0.0.11</interfaceVersion><orderInfo><orderDate>20260101080000</orderDate><curType>001</curType><merID>1001EC20000001</merID><subOrderInfoList><subOrderInfo><orderid>20260101080000000001</orderid><amount>123405</amount><installmentTimes>1</installmentTimes><merAcct>1001231719300000001</merAcct><tranSerialNo>HEZ000000000000001</tranSerialNo></subOrderInfo></subOrderInfoList></orderInfo><custom><verifyJoinFlag>0</verifyJoinFlag><JoinFlag></JoinFlag><UserNum></UserNum></custom><bank><TranBatchNo>013</TranBatchNo><notifyDate>20260101080011</notifyDate><tranStat>1</tranStat><comment>交易成功</comment></bank></B2CRes>";
    let (begin, end) = (format!("<{name}>"), format!("</{name}>"));
    match whole
        .split_once(&begin)
        .and_then(|(front, rest)| Some((front, rest.split_once(&end)?.1)))
    {
        Some((front, back)) => format!("{front}{begin}{value}{end}{back}"),
        None => whole.to_owned(),
    }
}

fn posted(xml: &str) -> Vec<u8> {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("merVAR", "")
        .append_pair("notifyData", &STANDARD.encode(GBK.encode(xml).0))
        .append_pair("signMsg", &STANDARD.encode([0x5a; 128]))
        .finish()
        .into_bytes()
}

fn read(body: &[u8]) -> Result<(ChannelState, String), NoticeError> {
    match notice::read_at(&account(), body, Kind::Open, NOW)? {
        Notice::Order(view) => {
            assert!(view.payer.is_none() && view.attach.is_none());
            assert_eq!(
                (
                    view.account.as_ref().map(AccountNo::as_str),
                    view.payee.as_ref().map(PayeeNo::as_str)
                ),
                (Some(MER_ID), Some(MER_ACCT))
            );
            Ok((view.state, view.number.to_string()))
        }
        _ => panic!("another kind of notice"),
    }
}

#[test]
fn a_notice_is_signed_over_the_octets_of_its_xml() {
    let body = posted(&said("", ""));
    let signed =
        notice::authenticate(Channel::Icbc, &account(), &HeaderMap::new(), &body, NOW).expect("authentic");
    assert_eq!(signed.message, GBK.encode(&said("", "")).0.into_owned());
    assert_eq!(
        (signed.key.as_str(), signed.signature),
        ("icbc/1001EC20000001/bank", vec![0x5a; 128])
    );
    for bad in [
        &b"merVAR="[..],
        b"notifyData=PD94&signMsg=AA==",
        b"notifyData=%%&signMsg=AA==",
        b"signMsg=AA==",
        b"",
    ] {
        assert!(notice::authenticate(Channel::Icbc, &account(), &HeaderMap::new(), bad, NOW).is_err());
    }
}

#[test]
fn paid_is_1_a_failed_try_ends_nothing_and_doubt_is_doubt() {
    let (state, number) = read(&posted(&said("", ""))).expect("read");
    let ChannelState::Paid(facts) = state else {
        panic!("{state:?}")
    };
    assert_eq!(
        (
            facts.amount.fen(),
            facts.trade_no.as_str(),
            facts.paid_at,
            number.as_str()
        ),
        (
            123_405,
            "HEZ000000000000001",
            NOW.plus_millis(11_000),
            "20260101080000000001"
        )
    );
    // A failed try has no serial number, and markup in its comment.
    let failed = said("tranStat", "2")
        .replace("HEZ000000000000001", "")
        .replace("交易成功", "failure <a href=\"https://x/?a=1&b=2\">校准</a>");
    assert_eq!(read(&posted(&failed)).expect("read").0, ChannelState::NotPaid);
    assert_eq!(
        read(&posted(&said("tranStat", "3"))).expect("read").0,
        ChannelState::Paying,
        "nothing is concluded from a doubt"
    );
    for (name, value) in [
        ("tranStat", "4"),
        ("tranStat", ""),
        ("amount", "0"),
        ("amount", "12.34"),
        ("amount", ""),
        ("curType", "014"),
        ("merID", "1001EC20000002"),
        ("merAcct", "1001231719300000002"),
        ("tranSerialNo", ""),
        ("notifyDate", "2026"),
        ("orderid", "a b"),
        ("interfaceName", "ICBC_PERBANK_B2B"),
    ] {
        assert!(read(&posted(&said(name, value))).is_err(), "{name}={value}");
    }
    let two = said("", "").replace(
        "</subOrderInfoList>",
        "<subOrderInfo><orderid>2</orderid></subOrderInfo></subOrderInfoList>",
    );
    assert!(
        read(&posted(&two)).is_err(),
        "several orders in one are none of ours"
    );
}

const TRICKS: [&str; 24] = [
    "</goodsName><merAcct>1001231719300000002</merAcct><goodsName>",
    "<merAcct>",
    "]]>",
    "<![CDATA[",
    "<!--",
    "&lt;",
    "&#60;",
    "&amp;",
    "&",
    "<",
    ">",
    "\"",
    "'",
    "\n",
    "\0",
    "\u{feff}",
    "商",
    "誠",
    "€",
    "😀",
    "\u{3000}",
    "\u{a0}",
    "%3c",
    "?>",
];

#[test]
fn no_text_becomes_an_element() {
    let (account, mut seed, mut composed) = (account(), 0x9e37_79b9_7f4a_7c15_u64, 0);
    for _ in 0..4000 {
        let sold = text(&TRICKS, &mut seed);
        let Ok(draft) = order(&account, PayWay::Gateway, &sold, NOW) else {
            continue;
        };
        composed += 1;
        let (xml, bad) = GBK.decode_without_bom_handling(draft.message());
        assert!(!bad);
        let read = channel::strict_tree::parse(&xml, &["GBK"], "B2CReq").expect("one reading");
        let only = read
            .one("orderInfo")
            .and_then(|o| o.one("subOrderInfoList"))
            .and_then(|l| l.one("subOrderInfo"))
            .expect("one order");
        assert_eq!(
            (only.get("merAcct"), only.get("amount")),
            (Some(MER_ACCT), Some("123405"))
        );
        assert_eq!(only.get("goodsName").unwrap_or_default(), sold.trim());
        assert_eq!(xml.matches('<').count(), WRITTEN.matches('<').count(), "{sold:?}");
    }
    assert!(composed > 1000, "{composed}");
}

#[test]
fn no_notice_that_could_be_read_two_ways_or_names_somebody_else_says_paid() {
    let good = said("tranStat", "2");
    let inserts = [
        "<tranStat>1</tranStat>",
        "<merAcct>1001231719300000001</merAcct>",
        "<amount>1</amount>",
        "<a x=\"1\">1</a>",
        "<!-- -->",
        "<?x?>",
        "&x;",
        "<![CDATA[1]]>",
        "<subOrderInfo><orderid>2</orderid></subOrderInfo>",
        "<bank><tranStat>1</tranStat></bank>",
        "<comment>",
        "</comment>",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let (mut refused, mut turns) = (0, 0);
    for _ in 0..7000 {
        turns += 1;
        let mut octets = GBK.encode(&good).0.into_owned();
        match dice(&mut seed) % 4 {
            0 => {
                let places: Vec<usize> = octets
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'<')
                    .map(|(at, _)| at)
                    .collect();
                let at = places[dice(&mut seed) % places.len()];
                octets.splice(at..at, inserts[dice(&mut seed) % inserts.len()].bytes());
            }
            1 => {
                octets = GBK
                    .encode(&good.replace("<B2CRes>", "<!DOCTYPE d [<!ENTITY a \"1\">]><B2CRes>"))
                    .0
                    .into_owned()
            }
            2 => {
                let at = 60 + dice(&mut seed) % (octets.len() - 60);
                octets.insert(at, [0x81, 0xfe, 0x00, 0xff, b'<', b'&'][dice(&mut seed) % 6]);
            }
            _ => octets.extend(inserts[dice(&mut seed) % inserts.len()].bytes()),
        }
        let body = form_urlencoded::Serializer::new(String::new())
            .append_pair("notifyData", &STANDARD.encode(&octets))
            .append_pair("signMsg", &STANDARD.encode([0x5a; 128]))
            .finish();
        match read(body.as_bytes()) {
            Ok((state, _)) => assert!(
                !matches!(state, ChannelState::Paid(_)),
                "{}",
                String::from_utf8_lossy(&octets)
            ),
            Err(_) => refused += 1,
        }
    }
    assert!(refused * 10 > turns * 7, "{refused} of {turns}");
}
