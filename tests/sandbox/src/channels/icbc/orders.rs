//! Orders of ICBC: what the form says, and that it says it exactly as the document has it.

use crate::channels::clock::now;
use crate::channels::fault::{Channel, Operation};
use crate::channels::keys;
use crate::channels::order::{KeyMode, Order, State};
use crate::channels::server::Incoming;
use crate::channels::world::World;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Amount;
use encoding_rs::GBK;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Elements in their order; `/` closes.
const SHAPE: [&str; 44] = [
    "B2CReq",
    "interfaceName=",
    "interfaceVersion=",
    "orderInfo",
    "orderDate=",
    "curType=",
    "merID=",
    "subOrderInfoList",
    "subOrderInfo",
    "orderid=",
    "amount=",
    "installmentTimes=",
    "merAcct=",
    "goodsID=",
    "goodsName=",
    "goodsNum=",
    "carriageAmt=",
    "/subOrderInfo",
    "/subOrderInfoList",
    "/orderInfo",
    "custom",
    "verifyJoinFlag=",
    "Language=",
    "/custom",
    "message",
    "creditType=",
    "notifyType=",
    "resultType=",
    "merReference=",
    "merCustomIp=",
    "goodsType=",
    "merCustomID=",
    "merCustomPhone=",
    "goodsAddress=",
    "merOrderRemark=",
    "merHint=",
    "remark1=",
    "remark2=",
    "merURL=",
    "merVAR=",
    "/message",
    "/B2CReq",
    "",
    "",
];

/// A form that was read; whether it is signed is another question.
pub(super) struct Asked {
    form: BTreeMap<String, String>,
    octets: Vec<u8>,
    elements: BTreeMap<&'static str, String>,
}

impl Asked {
    pub(super) fn read(request: &Incoming) -> Result<Asked, &'static str> {
        if request.method != http::Method::POST || !request.query.is_empty() {
            return Err("请使用POST");
        }
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&request.body) {
            if form.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err("参数重复");
            }
        }
        let names: Vec<&str> = form.keys().map(String::as_str).collect();
        if names
            != [
                "interfaceName",
                "interfaceVersion",
                "merCert",
                "merSignMsg",
                "tranData",
            ]
        {
            return Err("缺少必选参数");
        }
        let octets = STANDARD
            .decode(&form["tranData"])
            .map_err(|_| "tranData不是BASE64")?;
        let (text, bad) = GBK.decode_without_bom_handling(&octets);
        if bad {
            return Err("tranData不是GBK");
        }
        let elements = elements(&text).ok_or("tranData格式错误")?;
        Ok(Asked {
            form,
            octets,
            elements,
        })
    }

    fn get(&self, name: &str) -> &str {
        self.elements.get(name).map(String::as_str).unwrap_or_default()
    }

    /// Who asks, for which order.
    pub(super) fn names(&self) -> (String, String) {
        (self.get("merID").to_owned(), self.get("orderid").to_owned())
    }
}

/// The values, if the text is this document and nothing else.
fn elements(text: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"GBK\" standalone=\"no\"?>")?;
    let mut found = BTreeMap::new();
    for part in SHAPE.into_iter().filter(|part| !part.is_empty()) {
        let Some(name) = part.strip_suffix('=') else {
            rest = rest.strip_prefix(&format!("<{part}>"))?;
            continue;
        };
        let (value, after) = rest
            .strip_prefix(&format!("<{name}>"))?
            .split_once(&format!("</{name}>"))?;
        if value.contains(['<', '>']) {
            return None;
        }
        found.insert(
            name,
            value
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
        );
        rest = after;
    }
    rest.is_empty().then_some(found)
}

/// The payer's browser brings a signed order; from here on the bank has it.
pub(super) fn open(world: &Arc<World>, asked: &Asked) -> Result<String, &'static str> {
    let (number, merchant) = world.merchant_by_icbc(asked.get("merID")).ok_or("商户不存在")?;
    let facts = &merchant.facts.icbc;
    // The certificate is the registered one, and the signature is its own, over the octets as they are.
    if asked.form["merCert"] != facts.certificate
        || !merchant
            .icbc_key
            .verify_sha1(&asked.octets, &asked.form["merSignMsg"])
    {
        return Err("商户签名验证失败");
    }
    if asked.get("merAcct") != facts.mer_acct {
        return Err("商户帐号错误");
    }
    for (name, value) in [
        ("interfaceName", "ICBC_PERBANK_B2C"),
        ("interfaceVersion", "1.0.0.11"),
        ("curType", "001"),
        ("notifyType", "HS"),
        ("installmentTimes", "1"),
    ] {
        let outside = asked.form.get(name).map(String::as_str);
        if asked.get(name) != value || outside.is_some_and(|outside| outside != value) {
            return Err("参数错误");
        }
    }
    let digits = |text: &str, many: usize| text.len() == many && text.bytes().all(|b| b.is_ascii_digit());
    let order_id = asked.get("orderid").to_owned();
    if !digits(asked.get("orderDate"), 14)
        || !(1..=30).contains(&order_id.len())
        || !order_id.bytes().all(|b| b.is_ascii_alphanumeric())
    {
        return Err("订单号或日期错误");
    }
    let fen = asked
        .get("amount")
        .parse::<u64>()
        .ok()
        .filter(|fen| *fen > 0 && !asked.get("amount").starts_with('0'));
    let fen = fen.ok_or("金额以分为单位")?;
    if !["0", "1"].contains(&asked.get("resultType")) || !asked.get("merURL").starts_with("http") {
        return Err("参数错误");
    }
    let said: serde_json::Value = asked
        .elements
        .iter()
        .map(|(name, value)| ((*name).to_owned(), serde_json::Value::from(value.clone())))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let key = (Channel::Icbc, number, order_id.clone());
    world.with(|book| {
        if let Some(order) = book.order(&key) {
            order.count(Operation::Create);
            return match order.state {
                _ if order.asked != said => Err("订单号重复"),
                State::Paid => Err("订单已支付"),
                State::Unpaid | State::Closed => Ok(()),
            };
        }
        let channel_no = format!("HEZ{}", keys::random_digits(15));
        let mut order = Order {
            channel: Channel::Icbc,
            merchant: number,
            out_trade_no: order_id.clone(),
            channel_no: channel_no.clone(),
            way: "gateway",
            fen,
            notify_url: Some(asked.get("merURL").to_owned()),
            asked: said,
            sub_mchid: None,
            combined: None,
            key_mode: KeyMode::PublicKey,
            codes: Vec::new(),
            state: State::Unpaid,
            scanned: true,
            payer: Order::random_payer(Channel::Icbc),
            declined: 0,
            created: now(),
            until: now().plus_millis(3650 * 86_400_000),
            paid: None,
            refunds: Vec::new(),
            calls: Default::default(),
            notices: Vec::new(),
        };
        order.count(Operation::Create);
        book.numbers.insert((Channel::Icbc, channel_no), key.clone());
        book.orders.insert(key.clone(), order);
        Ok(())
    })?;
    Ok(format!(
        "订单 {order_id}<br>￥{}",
        Amount::from_fen(fen).to_yuan()
    ))
}
