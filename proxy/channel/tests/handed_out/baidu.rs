//! More than ten thousand hostile inputs for the Baidu wallet: texts that would become parameters, notices that name
//! somebody else or say a thing twice, tricks with GBK and XML. None of them pays, or seems to have paid, another account.

use crate::{NOW, NUMBER, dice};
use channel::{
    Account, Answer, Authentic, ChannelState, FailureClass,
    baidu_query::Query,
    notice::{self, Kind, Notice},
};
use domain::*;
use http::HeaderMap;
use md5::{Digest, Md5};
use vault::{Buyer, Text};

const SP_NO: &str = "9000100005";
const OTHER: &str = "9000100006";
const SECRET: &str = "nCEQNEBDKm7WmFyewDXuCCwThdfP8z1Y";
fn account() -> Account {
    let notify_url = format!("https://guandao.example/n/baidu/{SP_NO}");
    crate::account(Channel::Baidu, SP_NO, SP_NO, None, &notify_url)
}

/// Pieces that writers and readers of queries, of GBK and of XML have tripped over.
const TRICKS: [&str; 33] = [
    "&sp_no=9000100006",
    "sp_no=9000100006&",
    "%26sp_no%3d9000100006",
    "&total_amount=1",
    "&order_no=B2",
    "=",
    "&",
    "%",
    "%%",
    "%2",
    "+",
    " ",
    "\n",
    "\r\n",
    "\0",
    "\u{feff}",
    "商",
    "誠",
    "許",
    "繁體",
    "€",
    "😀",
    "\u{3000}",
    "\u{a0}",
    "\"",
    "'",
    "<",
    ">",
    "]]>",
    "&amp;",
    "&#38;",
    "#",
    "\u{202e}",
];

fn text(seed: &mut u64) -> String {
    crate::text(&TRICKS, seed)
}

#[test]
fn no_text_becomes_a_parameter() {
    let (account, mut seed, mut composed) = (account(), 0x9e37_79b9_7f4a_7c15_u64, 0);
    for turn in 0..5000 {
        let buyer = Buyer {
            attach: (turn % 2 == 0).then(|| Text::new(text(&mut seed))),
            return_url: (turn % 3 == 0)
                .then(|| Text::new(format!("https://shop.example/{}", text(&mut seed)))),
            client_ip: None,
            ..crate::buyer(&text(&mut seed))
        };
        if channel::unfit_of(Channel::Baidu, &buyer).is_some() {
            continue;
        }
        let Ok(draft) = crate::order(&account, (NUMBER, PayWay::Page, NOW, 900_000), &buyer) else {
            continue;
        };
        composed += 1;
        let message = draft.message().to_vec();
        let handed_out = draft
            .hand_out(&[0; 16])
            .expect("an address")
            .for_browser("https://www.baifubao.com");
        let url = handed_out["url"].as_str().expect("an address").to_owned();
        let (path, query) = url.split_once('?').expect("a query");
        assert_eq!(path, "https://www.baifubao.com/api/0/pay/0/direct/0");
        let query = Query::parse(query.as_bytes()).expect("one reading");
        assert_eq!(*query.to_sign(), message, "another text was signed");
        assert_eq!(
            (
                query.get("sp_no"),
                query.get("total_amount"),
                query.get("order_no")
            ),
            (Some(SP_NO), Some("123405"), Some(NUMBER))
        );
        assert_eq!(query.get("goods_name"), Some(buyer.description.expose()));
        let names: Vec<&str> = query.iter().map(|(name, _)| name).collect();
        let known = [
            "service_code",
            "sp_no",
            "order_create_time",
            "order_no",
            "goods_name",
            "total_amount",
            "currency",
            "return_url",
            "page_url",
            "pay_type",
            "input_charset",
            "version",
            "expire_time",
            "extra",
            "sign_method",
            "sign",
        ];
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        // Nor in the signed text, whose pairs are joined as they stand: a name begins one pair of it at most.
        for name in known {
            let begin = format!("{name}=");
            let pairs = message.split(|b| *b == b'&');
            let begun = pairs.filter(|pair| pair.starts_with(begin.as_bytes())).count();
            assert!(
                begun <= 1,
                "{name} {begun} times in {}",
                String::from_utf8_lossy(&message)
            );
        }
    }
    assert!(composed > 1000, "{composed}");
}

fn notice() -> Vec<(&'static str, &'static str)> {
    vec![
        ("bank_no", ""),
        ("bfb_order_create_time", "20260101080001"),
        ("bfb_order_no", "2026010113000000091110311494416"),
        ("buyer_sp_username", ""),
        ("currency", "1"),
        ("extra", "桌号"),
        ("fee_amount", "0"),
        ("input_charset", "1"),
        ("order_no", "20260101080000000001"),
        ("pay_result", "1"),
        ("pay_time", "20260101080011"),
        ("pay_type", "2"),
        ("sp_no", SP_NO),
        ("total_amount", "100"),
        ("version", "2"),
        ("sign_method", "1"),
    ]
}

fn signed(fields: &[(&str, &str)]) -> String {
    let mut query = Query::default();
    fields
        .iter()
        .for_each(|(name, value)| assert!(query.push(name, value)));
    let digest = Md5::digest([&query.to_sign()[..], b"&key=", SECRET.as_bytes()].concat());
    assert!(query.push("sign", &hex::encode(digest)));
    query.write().to_string()
}

/// What a notice is taken for, once its digest is right.
fn taken(query: &[u8]) -> Option<(String, String, u64)> {
    let account = account();
    let found = notice::authenticate(Channel::Baidu, &account, &HeaderMap::new(), query, NOW).ok()?;
    assert_eq!(found.key.as_str(), "baidu/9000100005/key/md5");
    let digest = Md5::digest([&found.message[..], b"&key=", SECRET.as_bytes()].concat());
    if digest.as_slice() != found.signature {
        return None;
    }
    match notice::read(&account, query, Kind::Open).ok()? {
        Notice::Order(view) => match &view.state {
            ChannelState::Paid(facts) => Some((
                view.account.as_ref()?.to_string(),
                view.number.to_string(),
                facts.amount.fen(),
            )),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn no_notice_but_the_wallets_own_says_paid() {
    let true_one = signed(&notice());
    let wanted = Some((SP_NO.to_owned(), "20260101080000000001".to_owned(), 100));
    assert_eq!(taken(true_one.as_bytes()), wanted);
    // Signed with the right key for somebody else.
    let elsewhere: Vec<_> = notice()
        .into_iter()
        .map(|(n, v)| if n == "sp_no" { (n, OTHER) } else { (n, v) })
        .collect();
    assert_eq!(taken(signed(&elsewhere).as_bytes()), None);
    let (mut seed, mut refused) = (0x2545_f491_4f6c_dd1d_u64, 0);
    let pieces: Vec<&str> = true_one.split('&').collect();
    for _ in 0..6000 {
        let mut octets = true_one.clone().into_bytes();
        match dice(&mut seed) % 8 {
            0 => octets.extend(format!("&{}", pieces[dice(&mut seed) % pieces.len()]).bytes()),
            1 => octets = format!("sp_no={OTHER}&{true_one}").into_bytes(),
            2 => octets = true_one.replace(SP_NO, OTHER).into_bytes(),
            3 => {
                // Half a character before the separator, or an octet that no text has.
                let places: Vec<usize> = octets
                    .iter()
                    .enumerate()
                    .filter(|(_, b)| **b == b'&')
                    .map(|(at, _)| at)
                    .collect();
                let half = [&b"%81"[..], b"%fe", b"%80", b"%ff", b"\x81", b"%c9"][dice(&mut seed) % 6];
                let at = places[dice(&mut seed) % places.len()];
                octets.splice(at..at, half.iter().copied());
            }
            4 => {
                octets = true_one
                    .replace(
                        "total_amount=100",
                        &format!("total_amount={}", 1 + dice(&mut seed) % 1_000_000),
                    )
                    .into_bytes()
            }
            5 => {
                octets = true_one
                    .replace(
                        "sign_method=1",
                        [
                            "sign_method=2",
                            "sign_method=",
                            "sign_method=3",
                            "sign%5fmethod=1",
                        ][dice(&mut seed) % 4],
                    )
                    .into_bytes()
            }
            6 => {
                let at = dice(&mut seed) % octets.len();
                octets[at] = octets[at].wrapping_add(1 + (dice(&mut seed) % 254) as u8);
            }
            _ => {
                let name = text(&mut seed);
                octets.extend(format!("&{name}={}", text(&mut seed)).bytes());
            }
        }
        match taken(&octets) {
            None => refused += 1,
            // Another spelling of the same octets (a lower-case escape) is the same notice.
            found => assert_eq!(found, wanted, "{}", String::from_utf8_lossy(&octets)),
        }
    }
    assert!(refused > 5500, "{refused}");
}

fn answer(more: &str) -> String {
    let fields: String = notice()
        .iter()
        .filter(|(n, _)| !["extra", "sign_method"].contains(n))
        .map(|(n, v)| format!("<{n}>{v}</{n}>"))
        .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"gbk\" ?><response><query_status>0</query_status>{fields}{more}</response>"
    )
}

#[test]
fn no_answer_that_could_be_read_two_ways_says_paid() {
    let account = account();
    let read = |body: &[u8]| match channel::authenticate_answer(
        &account,
        Operation::Query,
        PayWay::Page,
        200,
        &HeaderMap::new(),
        body,
        NOW,
    ) {
        Ok(Authentic::Unsigned) => {
            match channel::read_answer(&account, Operation::Query, PayWay::Page, 200, body) {
                Answer::State(view) => Some(view),
                _ => None,
            }
        }
        _ => None,
    };
    let view = read(answer("").as_bytes()).expect("a state");
    assert!(matches!(view.state, ChannelState::Paid(facts) if facts.amount.fen() == 100));
    assert!(
        read(answer("").replace(SP_NO, OTHER).as_bytes()).is_none(),
        "another account's order"
    );
    let mut seed = 0x1234_5678_9abc_def1_u64;
    let extras = [
        "<pay_result>1</pay_result>",
        "<sp_no>9000100006</sp_no>",
        "<total_amount>1</total_amount>",
        "<a><b>1</b></a>",
        "<a x=\"1\">1</a>",
        "<!-- -->",
        "<?x?>",
        "&x;",
        "<sign>00</sign>",
        "<sign_method>1</sign_method><sign>0123456789abcdef0123456789abcdef</sign>",
    ];
    for _ in 0..2500 {
        let good = answer("");
        let body = match dice(&mut seed) % 5 {
            0 => answer(extras[dice(&mut seed) % extras.len()]).into_bytes(),
            1 => good
                .replace("<response>", "<!DOCTYPE r [<!ENTITY a \"1\">]><response>")
                .into_bytes(),
            2 => {
                let mut octets = good.into_bytes();
                let at = 45 + dice(&mut seed) % (octets.len() - 45);
                octets.insert(at, [0x81, 0xfe, 0x00, 0xff, b'<', b'&'][dice(&mut seed) % 6]);
                octets
            }
            3 => good
                .replace(
                    "gbk",
                    ["utf-8", "gb18030", "utf-16", "iso-2022-cn"][dice(&mut seed) % 4],
                )
                .into_bytes(),
            _ => good
                .replace("</response>", "</response><response></response>")
                .into_bytes(),
        };
        let seen = read(&body);
        assert!(
            seen.is_none_or(|v| !matches!(v.state, ChannelState::Paid(_))),
            "{}",
            String::from_utf8_lossy(&body)
        );
    }
}

/// What a query with this one field says.
fn said(account: &Account, operation: Operation, field: &str, code: &str) -> Option<FailureClass> {
    let body =
        format!("<?xml version=\"1.0\" encoding=\"gbk\" ?><response><{field}>{code}</{field}></response>");
    match channel::read_answer(account, operation, PayWay::Page, 200, body.as_bytes()) {
        Answer::Failed(failure) => Some(failure.class),
        _ => None,
    }
}

#[test]
//= C95
fn what_is_not_there_only_the_accounts_file_says() {
    let none = account();
    let mut named = account();
    let mut facts = crate::bank(Channel::Baidu);
    facts.absent_code = Some("5804".into());
    facts.absent_refund_code = Some("0".into());
    named.bank = Some(facts);
    assert!(channel::says_absent(&named) && channel::says_refund_absent(&named));
    assert!(!channel::says_absent(&none) && !channel::says_refund_absent(&none));
    let codes = [
        "0", "1002", "5801", "5802", "5803", "5804", "5805", "5806", "9999",
    ];
    for code in codes {
        for (operation, field, absent) in [
            (Operation::Query, "query_status", "5804"),
            (Operation::Close, "query_status", "5804"),
            (Operation::RefundQuery, "ret_code", "0"),
        ] {
            if field == "query_status" && code == "0" {
                continue; // an order, and there is none in it
            }
            let unknown = Some(FailureClass::Unknown);
            assert_eq!(
                said(&none, operation, field, code),
                unknown,
                "{operation:?} {code}"
            );
            let wanted = match code == absent {
                true => FailureClass::NotFound,
                false => FailureClass::Unknown,
            };
            assert_eq!(
                said(&named, operation, field, code),
                Some(wanted),
                "{operation:?} {code}"
            );
        }
    }
}
