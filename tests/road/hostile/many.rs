//! Ten thousand hostile requests for each channel over real sockets, each signed by its merchant so that it comes as far as
//! the no-funds guard: none is heard of at a channel, and the journal has each one with the clause that its answer names.
//!
//! `cargo test -p workspace-tests --test road -- hostile::many` runs some of each; with `--ignored` (and better
//! with `--release`) it runs all ten thousand of each.

use super::{
    Yard,
    api::{Caller, fresh, keys_of, now, own},
    browser::AlipayPages,
    doors::{Unionpay, WechatV2},
    group::Group,
    refusal,
    tricks::{self, Dice, Trick, escaped, spoilt},
    wire::{At, Said, say_on},
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use certs::{Keys, Material};
use domain::{TradeEntry, TradeEvent};
use journal::{Reader, disk::RealDisk};
use sandbox::{
    demo::{
        acp::{self, Acp, BACK, written},
        place::Options,
    },
    material::{AlipayAccount, WechatAccount},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// Requests by clause.
type Tally = BTreeMap<String, u64>;

/// Somebody with a key at one of the doors, and what is asked there.
pub(super) trait Door: Send + Sync {
    fn at(&self) -> At;
    /// What the journal calls the channel.
    fn channel(&self) -> &'static str;
    /// The n-th hostile request, whole and signed; `None` where the trick left it lawful.
    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>>;
}

/// A lawful request: target, body, the payees and the amounts in it.
struct Lawful {
    target: &'static str,
    body: Value,
    payees: &'static [&'static str],
    amounts: &'static [&'static str],
}

pub(super) fn wire(method: &str, target: &str, lines: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n{lines}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// With two framings, where that is the trick: all of them say where the body ends, and not all the same.
pub(super) fn framed(
    dice: &mut Dice,
    trick: &Trick,
    method: &str,
    target: &str,
    lines: &str,
    body: &[u8],
) -> Vec<u8> {
    if !matches!(trick, Trick::Framing) {
        return wire(method, target, lines, body);
    }
    let length = body.len();
    let chunked = [format!("{length:x}\r\n").as_bytes(), body, b"\r\n0\r\n\r\n"].concat();
    let (framing, body) = match dice.below(5) {
        0 => (
            format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
            chunked,
        ),
        1 => (
            "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n".into(),
            chunked,
        ),
        2 => ("Transfer-Encoding: gzip, chunked\r\n".into(), chunked),
        3 => (
            format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"),
            body.to_vec(),
        ),
        _ => (
            format!("Host: 127.0.0.1\r\nContent-Length: {length}\r\n"),
            body.to_vec(),
        ),
    };
    let head = format!("{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n{framing}{lines}\r\n");
    [head.as_bytes(), &body].concat()
}

/// Header lines that make the same octets mean something else to somebody else, and lawful ones.
pub(super) fn lines(dice: &mut Dice, trick: &Trick, kind: &str) -> String {
    if matches!(trick, Trick::Kind) {
        return tricks::kind(dice, kind);
    }
    let odd = [
        "X-HTTP-Method-Override: PUT\r\n",
        "Content-Encoding: gzip\r\n",
        "Upgrade: h2c\r\n",
        "X-Method-Override: DELETE\r\n",
    ];
    let more = if matches!(trick, Trick::Header) {
        *dice.of(&odd)
    } else {
        ""
    };
    format!("Content-Type: {kind}\r\n{more}")
}

struct Wechat(WechatAccount, Keys);

impl Wechat {
    fn lawful(&self, dice: &mut Dice) -> Lawful {
        let own = &self.0.mchid;
        let number = format!("H{:015}", dice.below(1_000_000_000));
        let sub = |n: usize| json!({ "mchid": own, "out_trade_no": format!("{number}{n}"), "description": "tea", "amount": { "total_amount": 100, "currency": "CNY" } });
        match dice.below(5) {
            3 => Lawful {
                target: "/v3/pay/transactions/codepay",
                body: json!({ "appid": self.0.appid, "mchid": own, "description": "tea", "out_trade_no": number, "payer": { "auth_code": "130000000000000000" },
                    "amount": { "total": 100, "currency": "CNY" }, "scene_info": { "device_id": "1", "store_info": { "id": "1" } } }),
                payees: &["/mchid"],
                amounts: &["/amount/total"],
            },
            0 => Lawful {
                target: "/v3/pay/transactions/native",
                body: json!({ "appid": self.0.appid, "mchid": own, "description": "tea", "out_trade_no": number, "notify_url": "https://m.example/n",
                    "amount": { "total": 100, "currency": "CNY" }, "scene_info": { "payer_client_ip": "203.0.113.7" }, "settle_info": { "profit_sharing": false } }),
                payees: &["/mchid"],
                amounts: &["/amount/total"],
            },
            1 => Lawful {
                target: "/v3/pay/partner/transactions/native",
                body: json!({ "sp_appid": self.0.appid, "sp_mchid": own, "sub_mchid": "1610000101", "description": "tea", "out_trade_no": number, "notify_url": "https://m.example/n", "amount": { "total": 100, "currency": "CNY" } }),
                payees: &["/sub_mchid", "/sp_mchid"],
                amounts: &["/amount/total"],
            },
            2 => Lawful {
                target: "/v3/combine-transactions/native",
                body: json!({ "combine_appid": self.0.appid, "combine_mchid": own, "combine_out_trade_no": number, "notify_url": "https://m.example/n", "sub_orders": [sub(1), sub(2)] }),
                payees: &["/sub_orders/0/mchid", "/sub_orders/1/mchid", "/combine_mchid"],
                amounts: &[
                    "/sub_orders/0/amount/total_amount",
                    "/sub_orders/1/amount/total_amount",
                ],
            },
            _ => Lawful {
                target: "/v3/refund/domestic/refunds",
                body: json!({ "sub_mchid": "1610000101", "out_trade_no": number, "out_refund_no": "r1", "amount": { "refund": 1, "total": 100, "currency": "CNY" } }),
                payees: &["/sub_mchid"],
                amounts: &["/amount/refund", "/amount/total"],
            },
        }
    }
}

impl Door for Wechat {
    fn at(&self) -> At {
        At::Wechat
    }

    fn channel(&self) -> &'static str {
        "wechat"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let (lawful, trick) = (self.lawful(dice), Trick::any(dice));
        let body = spoilt(dice, lawful.body, &trick, lawful.payees, lawful.amounts)?;
        let target = match &trick {
            Trick::Query(name) => format!("{}?{name}=1600000009", lawful.target),
            Trick::Call => (*dice.of(&[
                "/v3/profitsharing/orders",
                "/v3/profitsharing/receivers/add",
                "/v3/transfer/batches",
                "/v3/fund-app/mch-transfer/transfer-bills",
                "/v3/ecommerce/fund/withdraw",
                "/v3/merchant/fund/withdraw",
                "/v3/pay/transactions/native/",
                "/v3/pay/transactions/../profitsharing",
                "/v3/%70ay/transactions/native",
            ]))
            .to_owned(),
            Trick::Path => tricks::path(dice, lawful.target),
            _ => lawful.target.to_owned(),
        };
        let (at, nonce) = (now(), fresh());
        let message = [
            format!("POST\n{target}\n{at}\n{nonce}\n").as_bytes(),
            &body,
            b"\n",
        ]
        .concat();
        let signature = STANDARD.encode(self.1.sign(&own(), &message).expect("signs"));
        let authorization = format!(
            "Authorization: WECHATPAY2-SHA256-RSA2048 mchid=\"{}\",nonce_str=\"{nonce}\",signature=\"{signature}\",timestamp=\"{at}\",serial_no=\"{}\"\r\n",
            self.0.mchid, self.0.serial
        );
        let lines = authorization + &lines(dice, &trick, "application/json");
        Some(framed(dice, &trick, "POST", &target, &lines, &body))
    }
}

/// Alipay's content of a call.
fn alipay(dice: &mut Dice) -> (&'static str, Lawful) {
    let number = format!("H{:015}", dice.below(1_000_000_000));
    let mut order = json!({ "out_trade_no": number, "total_amount": "0.88", "subject": "tea", "seller_id": "2088000000000001",
        "extend_params": { "sys_service_provider_id": "2088" }, "goods_detail": [{ "goods_id": "1", "goods_name": "tea", "quantity": 1, "price": "0.88" }] });
    let of = |body| Lawful {
        target: "",
        body,
        payees: &["/seller_id"],
        amounts: &["/total_amount"],
    };
    match dice.below(6) {
        0 => ("alipay.trade.precreate", of(order)),
        5 => (
            "alipay.data.dataservice.bill.downloadurl.query",
            Lawful {
                target: "",
                body: json!({ "bill_type": "trade", "bill_date": "2026-01-01" }),
                payees: &[],
                amounts: &["/bill_type"],
            },
        ),
        3 => {
            order["scene"] = json!("bar_code");
            order["auth_code"] = json!("289821051157962364");
            let lawful = Lawful {
                amounts: &["/total_amount", "/auth_code", "/scene"],
                ..of(order)
            };
            ("alipay.trade.pay", lawful)
        }
        4 => (
            "alipay.trade.cancel",
            Lawful {
                target: "",
                // By either number, or both.
                body: match dice.below(3) {
                    0 => json!({ "out_trade_no": number }),
                    1 => json!({ "trade_no": "2026010122001473031000000001" }),
                    _ => json!({ "out_trade_no": number, "trade_no": "2026010122001473031000000001" }),
                },
                payees: &[],
                amounts: &[],
            },
        ),
        1 => {
            order["product_code"] = json!("JSAPI_PAY");
            order["buyer_id"] = json!("2088102146225135");
            ("alipay.trade.create", of(order))
        }
        _ => (
            "alipay.trade.refund",
            Lawful {
                target: "",
                body: json!({ "out_trade_no": number, "out_request_no": "r1", "refund_amount": "0.10" }),
                payees: &[],
                amounts: &["/refund_amount"],
            },
        ),
    }
}

const FUNDS: [&str; 6] = [
    "alipay.fund.trans.uni.transfer",
    "alipay.trade.order.settle",
    "alipay.trade.royalty.relation.bind",
    "alipay.fund.auth.order.freeze",
    "alipay.trade.settle.confirm",
    "alipay.trade.precreate ",
];

/// One in four travels as its merchant's own client would encrypt it (C98); some of these are nothing that opens.
pub(super) fn encrypted(dice: &mut Dice, key: &str, content: &[u8]) -> Option<Vec<u8>> {
    // Written with each octet escaped, the deepest nesting would be more than a request may be.
    if dice.below(4) > 0 || content.len() > 12_000 {
        return None;
    }
    let keys = Keys::default();
    keys.put(own(), Material::content(key.as_bytes()).expect("a content key"));
    let mut sealed = keys.seal_content(&own(), content).expect("seals");
    match dice.below(10) {
        0 => sealed.truncate(sealed.len() - 1),
        1 => drop(sealed.drain(..16)),
        2 => sealed[0] ^= 1,
        3 => return Some(content.to_vec()),
        4 => return Some(STANDARD.encode(content).into_bytes()),
        5 => return Some(STANDARD_NO_PAD.encode(&sealed[..sealed.len() - 8]).into_bytes()),
        _ => {}
    }
    Some(STANDARD.encode(sealed).into_bytes())
}

struct AlipayV2(AlipayAccount, Keys);

/// The parameters of a call of Alipay's gateway (channels.md 3.1), not signed yet.
pub(super) fn gateway(app_id: &str, method: &str, content: Vec<u8>) -> Vec<(&'static str, Vec<u8>)> {
    let time = domain::Instant::from_secs(now()).to_string().replace('T', " ");
    let mut pairs: Vec<_> = [
        ("app_id", app_id),
        ("method", method),
        ("format", "JSON"),
        ("charset", "utf-8"),
        ("sign_type", "RSA2"),
        ("timestamp", &time[..19]),
        ("version", "1.0"),
    ]
    .map(|(name, value)| (name, value.as_bytes().to_vec()))
    .into();
    pairs.push(("biz_content", content));
    pairs
}

/// The same in clear, or encrypted.
pub(super) fn called(
    dice: &mut Dice,
    account: &AlipayAccount,
    method: &str,
    content: Vec<u8>,
) -> Vec<(&'static str, Vec<u8>)> {
    match encrypted(dice, &account.aes_key, &content) {
        None => gateway(&account.app_id, method, content),
        Some(sealed) => {
            let mut pairs = gateway(&account.app_id, method, sealed);
            pairs.push(("encrypt_type", b"AES".to_vec()));
            pairs
        }
    }
}

impl Door for AlipayV2 {
    fn at(&self) -> At {
        At::Alipay
    }

    fn channel(&self) -> &'static str {
        "alipay"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let ((method, lawful), trick) = (alipay(dice), Trick::any(dice));
        let content = spoilt(dice, lawful.body, &trick, lawful.payees, lawful.amounts)?;
        let method = if matches!(trick, Trick::Call) {
            *dice.of(&FUNDS)
        } else {
            method
        };
        let mut pairs = called(dice, &self.0, method, content);
        let mut target = "/gateway.do".to_owned();
        if matches!(trick, Trick::Path) {
            target = tricks::path(dice, &target);
        }
        if let Trick::Query(name) = &trick {
            match dice.below(6) {
                // What stands twice, before it is signed: one of the two is signed for somebody else.
                4 => pairs.extend([
                    ("notify_url", b"https://m.example/n".to_vec()),
                    ("notify_url", b"https://o.example/n".to_vec()),
                ]),
                5 => pairs.push(("app_id", self.0.app_id.clone().into_bytes())),
                0 => pairs.push((name, b"1".to_vec())),
                1 => target += "?biz_content=%7B%7D",
                2 => pairs
                    .iter_mut()
                    .filter(|p| p.0 == "charset")
                    .for_each(|p| p.1 = b"gbk".to_vec()),
                // 0x5C, a backslash, is the second octet of many characters in GBK.
                _ => pairs.push(("app_auth_token", b"\xd5\x5c\"".to_vec())),
            }
        }
        let mut sorted: Vec<Vec<u8>> = pairs
            .iter()
            .map(|(name, value)| [name.as_bytes(), b"=", value].concat())
            .collect();
        sorted.sort();
        let signature = self.1.sign(&own(), &sorted.join(&b'&')).expect("signs");
        pairs.push(("sign", STANDARD.encode(signature).into_bytes()));
        let form: Vec<String> = pairs
            .iter()
            .map(|(name, value)| format!("{name}={}", escaped(value)))
            .collect();
        let kind = match trick {
            Trick::Kind => "application/x-www-form-urlencoded",
            _ => "application/x-www-form-urlencoded;charset=utf-8",
        };
        let lines = lines(dice, &trick, kind);
        // Behind its signature: a name again, escaped, cut off by what is no separator, and what is no pair.
        let mut form = form.join("&");
        if matches!(trick, Trick::Twice) && dice.below(2) == 0 {
            form += dice.of::<&str>(&[
                "&app_id=2021000000000000",
                "&%61pp_id=2021000000000000",
                "&%2561pp_id=2021000000000000",
                "&app+id=2021000000000000",
                "&app_id[]=2021000000000000",
                "&APP_ID=2021000000000000",
                "&biz_content=%7B%7D",
                "&&",
                "&notify_url=%c0%af",
                "&notify_url=%u0061",
            ]);
        }
        Some(framed(dice, &trick, "POST", &target, &lines, form.as_bytes()))
    }
}

struct AlipayV3(AlipayAccount, Keys);

impl Door for AlipayV3 {
    fn at(&self) -> At {
        At::AlipayV3
    }

    fn channel(&self) -> &'static str {
        "alipay"
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let ((method, lawful), trick) = (alipay(dice), Trick::any(dice));
        let body = spoilt(dice, lawful.body, &trick, lawful.payees, lawful.amounts)?;
        let method = if matches!(trick, Trick::Call) {
            FUNDS[dice.below(5)]
        } else {
            method
        };
        let sealed = encrypted(dice, &self.0.aes_key, &body);
        let (kind, says) = match &sealed {
            Some(_) => ("text/plain", "alipay-encrypt-type: AES\r\n"),
            None => ("application/json", ""),
        };
        let body = sealed.unwrap_or(body);
        let mut target = format!("/v3/{}", method.replace('.', "/"));
        match &trick {
            Trick::Query(name) => target += &format!("?{name}=1600000009"),
            // What does not begin so is V2's door, and is refused in its words.
            Trick::Path => {
                let right = target.clone();
                while target == right || !target.starts_with("/v3/") {
                    target = tricks::path(dice, &right);
                }
            }
            _ => {}
        }
        let auth = format!(
            "app_id={},nonce={},timestamp={}",
            self.0.app_id,
            fresh(),
            now() * 1000
        );
        let message = [format!("{auth}\nPOST\n{target}\n").as_bytes(), &body, b"\n"].concat();
        let signature = STANDARD.encode(self.1.sign(&own(), &message).expect("signs"));
        let lines = format!("Authorization: ALIPAY-SHA256withRSA {auth},sign={signature}\r\n{says}")
            + &lines(dice, &trick, kind);
        Some(framed(dice, &trick, "POST", &target, &lines, &body))
    }
}

/// A channel that is reached by the unified API only.
struct Unified {
    caller: Caller,
    channel: &'static str,
    ways: &'static [&'static str],
}

impl Door for Unified {
    fn at(&self) -> At {
        At::Api
    }

    fn channel(&self) -> &'static str {
        self.channel
    }

    fn hostile(&self, dice: &mut Dice) -> Option<Vec<u8>> {
        let trick = Trick::any(dice);
        let mut body = json!({ "order_no": format!("H{:015}", dice.below(1_000_000_000)), "channel": self.channel, "pay_way": *dice.of(self.ways), "amount": 100, "description": "tea", "code": { "kind": "dynamic", "level": "B" } });
        if matches!(trick, Trick::Payee(_)) {
            body[*dice.of(&["payee", "account"])] = json!("000000000000001");
        }
        let body = spoilt(dice, body, &trick, &[], &["/amount"])?;
        let target = match &trick {
            Trick::Query(name) => format!("/v1/payments?{name}=1"),
            Trick::Call => (*dice.of(&[
                "/v1/transfers",
                "/v1/settlements",
                "/v1/balance",
                "/v1/payments/split",
                "/v1/merchants",
                "/v1/Payments",
                "/v1//payments",
            ]))
            .to_owned(),
            Trick::Path => tricks::path(dice, "/v1/payments"),
            _ => "/v1/payments".to_owned(),
        };
        let lines =
            self.caller.authorization("POST", &target, &body) + &lines(dice, &trick, "application/json");
        Some(framed(dice, &trick, "POST", &target, &lines, &body))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C81
//= C80
//= C03
async fn some_of_each_channel() {
    all(1_200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "ten thousand for each of fourteen doors: a minute, in dev more"]
//= C81
async fn ten_thousand_of_each_channel() {
    all(10_000).await;
}

/// What its merchant is proven to have signed, though it can be read in two ways, is refused and on record as often as one
/// likes; what nobody is proven to have signed weighs on its source, as a wrong signature does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
//= C81
async fn what_nobody_signed_weighs_on_its_source() {
    let yard = Yard::with(Options {
        failures: 1,
        ..Options::default()
    })
    .await;
    let acp = Acp::of(&yard.demo, 0).expect("a client");
    let refused = async |forged: bool| -> Said {
        let fields = acp.apply(&yard.demo.next_number(), &written(acp::now()), 100);
        let mut form = acp.signed(&fields).expect("signs") + "&merId=000000000000001";
        if forged {
            form = form.replace("txnAmt=100", "txnAmt=101");
        }
        let kind = "Content-Type: application/x-www-form-urlencoded;charset=UTF-8\r\n";
        let said = yard
            .say(At::Unionpay, &wire("POST", BACK, kind, form.as_bytes()))
            .await;
        yard.refused(At::Unionpay, "a name twice", &said, "respCode=");
        said
    };
    // More than a source may have of failures at once.
    for _ in 0..80 {
        let said = refused(false).await;
        yard.must(clause(&said).as_deref() == Some("C80"), || format!("{said:?}"));
    }
    let mut shed = false;
    for n in 0..200 {
        let said = refused(true).await;
        shed = said.status == Some(429);
        if shed {
            println!("shed after {n} forms that nobody signed");
            break;
        }
    }
    yard.must(shed, || "two hundred forged forms and none was shed".into());
    let reader = async || {
        let path = yard.dir.path().join("data/trades");
        let reader = Reader::open(Arc::new(RealDisk), &path).expect("a journal");
        let own = reader.scan(0).filter(|item| {
            let entry = item
                .as_ref()
                .map(|(_, octets)| TradeEntry::from_canonical(octets));
            let entry = entry.expect("reads").expect("an entry");
            matches!(&entry.event, TradeEvent::GuardRefused { count: None, .. }) && entry.merchant.is_some()
        });
        own.count()
    };
    let mut own = 0;
    for _ in 0..400 {
        own = reader().await;
        if own >= 80 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    yard.must(own == 80, || {
        format!("{own} entries of 80 stand with their merchant")
    });
    yard.demo.services.stop().await.expect("stops");
    yard.settled();
}

async fn all(each: usize) {
    let options = Options {
        content_keys: true,
        ..Options::default()
    };
    let yard = Arc::new(Yard::with(options).await);
    yard.demo
        .control("/control/reset", &json!({}))
        .await
        .expect("reset");
    let accounts = &yard.demo.place.merchants[0].accounts;
    let key = |file: &Path| keys_of(&yard.demo.place.material.dir.join(file));
    let alipay = || {
        (
            accounts.alipay.clone(),
            key(accounts.alipay.private_key_file.as_ref()),
        )
    };
    let unified = |channel, ways| Unified {
        caller: Caller::of(&yard, 0),
        channel,
        ways,
    };
    let doors: Vec<Arc<dyn Door>> = vec![
        Arc::new(Wechat(
            accounts.wechat.clone(),
            key(accounts.wechat.key_file.as_ref()),
        )),
        Arc::new(WechatV2::new(accounts.wechat.clone())),
        Arc::new(Unionpay(Acp::of(&yard.demo, 0).expect("a client"))),
        Arc::new(AlipayV2(alipay().0, alipay().1)),
        Arc::new(AlipayV3(alipay().0, alipay().1)),
        Arc::new(AlipayPages(alipay().0, alipay().1)),
        Arc::new(unified("unionpay", &["qr", "gateway", "gateway_b2b"])),
        Arc::new(unified("baidu", &["page", "wap"])),
        Arc::new(unified("ccb", &["gateway"])),
        Arc::new(unified("icbc", &["gateway"])),
        Arc::new(unified("cmb", &["gateway"])),
        Arc::new(unified("wechat", &["native", "h5"])),
        Arc::new(unified("alipay", &["qr", "page"])),
        Arc::new(Group {
            caller: Caller::of(&yard, 0),
            account: accounts.wechat.clone(),
        }),
    ];
    let (mut told, count) = (Tally::new(), doors.len() as u64);
    for (n, door) in doors.into_iter().enumerate() {
        let began = std::time::Instant::now();
        let ours = at_a_door(&yard, door.clone(), each, n as u64).await;
        println!(
            "{:?} {}: {each} refused in {:?}: {ours:?}",
            door.at(),
            door.channel(),
            began.elapsed()
        );
        for (clause, count) in ours {
            *told.entry(clause).or_default() += count;
        }
    }
    let heard = yard.demo.channel_requests().await.expect("requests");
    let mutating = |r: &&Value| {
        ["create", "close", "refund", "reverse"]
            .iter()
            .any(|o| r["operation"] == *o)
    };
    let heard: Vec<&Value> = heard["requests"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(mutating)
        .collect();
    yard.must(heard.is_empty(), || format!("a channel heard of it: {heard:?}"));
    let orders = yard.orders().await;
    yard.must(orders.is_empty(), || {
        format!("a channel has an order: {orders:?}")
    });
    let dir = Arc::into_inner(yard).expect("nobody else").close().await;
    let (recorded, singles) = recorded(dir.path());
    assert_eq!(told.values().sum::<u64>(), count * each as u64);
    assert_eq!(
        recorded, told,
        "each one is on record with the clause that was told"
    );
    assert!(
        singles * 10 > recorded.values().sum::<u64>() * 7,
        "most stand with their merchant: {singles}"
    );
}

/// So many hostile requests at one door, on four connections; how many were refused by which clause.
async fn at_a_door(yard: &Arc<Yard>, door: Arc<dyn Door>, each: usize, seed: u64) -> Tally {
    let lanes: Vec<_> = (0..4)
        .map(|lane| {
            let (yard, door) = (yard.clone(), door.clone());
            let share = each / 4 + usize::from(lane < each % 4);
            tokio::spawn(async move {
                lane_of(&yard, &*door, share, Dice::new(seed * 31 + lane as u64 + 1)).await
            })
        })
        .collect();
    let mut told = Tally::new();
    for lane in lanes {
        for (clause, count) in lane.await.expect("a lane") {
            *told.entry(clause).or_default() += count;
        }
    }
    told
}

async fn lane_of(yard: &Yard, door: &dyn Door, share: usize, mut dice: Dice) -> Tally {
    let mut told = Tally::new();
    let mut line = None;
    for _ in 0..share {
        let request = loop {
            if let Some(request) = door.hostile(&mut dice) {
                break request;
            }
        };
        let said = say_on(yard, door.at(), &mut line, &request).await;
        *yard.tried.lock().expect("lock") += 1;
        match refusal(door.at(), &said).and_then(|()| clause(&said).ok_or("no clause is named".to_owned())) {
            Ok(clause) => *told.entry(clause).or_default() += 1,
            Err(why) => yard.must(false, || {
                format!(
                    "{:?} {why}: {said:?} to {}",
                    door.at(),
                    String::from_utf8_lossy(&request)
                )
            }),
        }
    }
    told
}

/// `C21` of `… (C21)`.
fn clause(said: &Said) -> Option<String> {
    let text = said.text();
    let (_, rest) = text.rsplit_once("(C")?;
    Some(format!("C{}", rest.split(')').next()?))
}

/// What the journal has, by clause, and how many of them stand with their merchant alone.
fn recorded(dir: &Path) -> (Tally, u64) {
    let (mut all, mut singles) = (Tally::new(), 0);
    let reader = Reader::open(Arc::new(RealDisk), &dir.join("data/trades")).expect("a journal");
    for item in reader.scan(0) {
        let entry = TradeEntry::from_canonical(&item.expect("reads").1).expect("an entry");
        let (clause, count) = match &entry.event {
            TradeEvent::GuardRefused { clause, count, .. } => (clause, count.unwrap_or(1)),
            TradeEvent::Refused { clause, .. } => (clause, 1),
            _ => continue,
        };
        singles += u64::from(entry.merchant.is_some());
        *all.entry(clause.to_string()).or_default() += count;
    }
    (all, singles)
}
