//! A native V2 request (channels.md section 2), read for pass-through. V2 names no time and signs with the secret that
//! both sides share, so only an account whose APIv2 key lies here is carried; what moves money back shows the merchant's
//! API certificate in TLS, whose key must lie here too.

use super::{Message, allowed};
use crate::{
    Identity, keys,
    native::{Asks, Device, Native, NativeError, Proof},
    strict_json, times,
    wechat::{
        compose::number_fits,
        facts::payer_by,
        native::{empty, of_this_wallet},
    },
};
use domain::{AccountNo, Amount, Channel, ChannelNo, Instant, Operation, PayWay, PayeeNo, TradeNo};
use http::HeaderMap;

/// What is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Unified,
    Micropay,
    Query,
    Close,
    Reverse,
    Refund,
    /// The same of an order with discounts on single goods (单品优惠), whose goods it names.
    GoodsRefund,
    RefundQuery,
    /// A day's bill itself: V2 gives no address of it.
    TradeBill,
    FundsBill,
}

/// The paths that are carried, matched on the raw octets.
const PATHS: [(&str, Call); 10] = [
    ("/pay/unifiedorder", Call::Unified),
    ("/pay/micropay", Call::Micropay),
    ("/pay/orderquery", Call::Query),
    ("/pay/closeorder", Call::Close),
    ("/secapi/pay/reverse", Call::Reverse),
    ("/secapi/pay/refund", Call::Refund),
    ("/secapi/pay/refundv2", Call::GoodsRefund),
    ("/pay/refundquery", Call::RefundQuery),
    (TRADE_BILL, Call::TradeBill),
    (FUNDS_BILL, Call::FundsBill),
];

const TRADE_BILL: &str = "/pay/downloadbill";
const FUNDS_BILL: &str = "/pay/downloadfundflow";

/// Answers a bill, which is no XML but where there is none.
pub(crate) fn is_bill(target: &str) -> bool {
    target == TRADE_BILL || target == FUNDS_BILL
}

/// True where V2 is spoken.
pub(crate) fn is_path(target: &str) -> bool {
    target.starts_with("/pay/") || target.starts_with("/secapi/")
}

/// Who must be shown in TLS for this call; `None` where nobody asks.
pub(crate) fn identity(target: &str, mchid: &AccountNo) -> Option<Identity> {
    if !target.starts_with("/secapi/") && target != FUNDS_BILL {
        return None;
    }
    Some(Identity {
        certificate: keys::wechat_certificate(mchid).ok()?,
        key: keys::wechat_merchant(mchid).ok()?,
    })
}

/// Reads method, target, headers and body; nothing is normalised.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    let said = Message::read(body).map_err(|e| NativeError::twofold(format!("body: {e}")));
    if said.is_err() {
        by_readings(body, asks);
    }
    let signed = said.as_ref().ok().map(|said| -> Result<AccountNo, NativeError> {
        let mchid = AccountNo::new(need(said, "mch_id")?)
            .map_err(|e| NativeError::malformed(format!("mch_id: {e}")))?;
        asks.account = Some(mchid.clone());
        asks.signed(mchid.clone(), proof(said, &mchid)?);
        Ok(mchid)
    });
    let called = PATHS
        .into_iter()
        .find(|(path, _)| *path == target && method == "POST");
    let (_, call) = called.ok_or_else(|| {
        NativeError::no_call(Channel::Wechat, target, "this method and path are not carried")
    })?;
    asks.operation = Some(call.operation());
    content_type(headers)?;
    let said = said?;
    let texts = allowed::check(&said, call.fields())?;
    let mchid = signed.unwrap_or_else(|| Err(NativeError::signature("nothing is signed")))?;
    let app = need(&said, "appid")?.to_owned();
    if !(1..=32).contains(&need(&said, "nonce_str")?.chars().count()) {
        return Err(NativeError::malformed("nonce_str must be 1 to 32 characters"));
    }
    let payee = PayeeNo::new(said.get("sub_mch_id").unwrap_or(mchid.as_str()))
        .map_err(|e| NativeError::malformed(format!("sub_mch_id: {e}")))?;
    let mut native = empty(call.operation(), mchid)?;
    native.payee = Some(payee);
    native.app = Some(app);
    native.texts = texts;
    if matches!(call, Call::Unified | Call::Micropay) {
        let app = said.get("sub_appid").filter(|app| !app.is_empty());
        native.sub_apps.extend(
            app.zip(native.payee.clone())
                .map(|(app, payee)| (payee, app.to_owned())),
        );
    }
    match call {
        Call::Unified | Call::Micropay => order(&said, call, &mut native)?,
        Call::Close => native.number = Some(number(&said)?),
        Call::Query | Call::Reverse => named(&said, &mut native)?,
        Call::Refund | Call::GoodsRefund => refund(&said, &mut native)?,
        Call::RefundQuery => refund_query(&said, &mut native)?,
        Call::TradeBill | Call::FundsBill => {
            need(&said, "bill_date")?;
        }
    }
    native.proof = asks
        .proof
        .take()
        .ok_or_else(|| NativeError::signature("nothing is signed"))?;
    Ok(native)
}

/// Whose an XML is that has no one text that was signed.
fn by_readings(body: &[u8], asks: &mut Asks) {
    for said in Message::readings(body) {
        let Some(mchid) = said.get("mch_id").and_then(|id| AccountNo::new(id).ok()) else {
            continue;
        };
        let by_this = proof(&said, &mchid).ok();
        asks.signed_by_reading(mchid, by_this);
    }
}

impl Call {
    fn operation(self) -> Operation {
        match self {
            Call::Unified | Call::Micropay => Operation::Create,
            Call::Query => Operation::Query,
            Call::Close => Operation::Close,
            Call::Reverse => Operation::Reverse,
            Call::Refund | Call::GoodsRefund => Operation::Refund,
            Call::RefundQuery => Operation::RefundQuery,
            Call::TradeBill | Call::FundsBill => Operation::Bill,
        }
    }

    fn fields(self) -> &'static [&'static [allowed::Field]] {
        match self {
            Call::Unified => allowed::UNIFIED,
            Call::Micropay => allowed::MICROPAY,
            Call::Query | Call::Reverse => allowed::BY_EITHER,
            Call::Close => allowed::CLOSE,
            Call::Refund => allowed::REFUND,
            Call::GoodsRefund => allowed::GOODS_REFUND,
            Call::RefundQuery => allowed::REFUND_QUERY,
            Call::TradeBill => allowed::TRADE_BILL,
            Call::FundsBill => allowed::FUNDS_BILL,
        }
    }
}

/// Clients name the body as they like, a form among the names, or not at all, and the channel does not look [three published
/// clients]. What it is, it is by its octets; another charset than theirs would be a second reading.
fn content_type(headers: &HeaderMap) -> Result<(), NativeError> {
    const KINDS: [&str; 4] = [
        "text/xml",
        "application/xml",
        "text/plain",
        "application/x-www-form-urlencoded",
    ];
    if crate::native::only(headers, "content-type")?.is_none() {
        return Ok(());
    }
    KINDS
        .iter()
        .find_map(|kind| crate::native::require_content_type(headers, kind).ok())
        .ok_or_else(|| NativeError::twofold("header content-type must be text/xml in utf-8"))
}

fn need<'a>(said: &'a Message, name: &str) -> Result<&'a str, NativeError> {
    said.get(name)
        .ok_or_else(|| NativeError::malformed(format!("{name} is missing")))
}

/// The length of the digest must be that of the method which the request names (channels.md 2.1).
fn proof(said: &Message, mchid: &AccountNo) -> Result<Proof, NativeError> {
    let (key, length) = match said.get("sign_type") {
        Some("HMAC-SHA256") => (keys::wechat_apiv2(mchid), 32),
        _ => (keys::wechat_apiv2_md5(mchid), 16),
    };
    let signature = said.signature().filter(|signature| signature.len() == length);
    Ok(Proof {
        key: key.map_err(|e| NativeError::signature(e.to_string()))?,
        message: said.message().to_vec(),
        signature: signature.ok_or_else(|| NativeError::signature("sign is missing or not as documented"))?,
        // It says nothing of when: see `Native::settle_zone`.
        signed_at: Instant::default(),
        nonce: None,
        method: domain::SignMethod::Signature,
        fresh: crate::native::Fresh::Standing,
    })
}

fn order(said: &Message, call: Call, native: &mut Native) -> Result<(), NativeError> {
    let fits = number_fits(need(said, "out_trade_no")?);
    if !fits {
        return Err(NativeError::malformed(
            "out_trade_no must be 6 to 32 characters of 0-9 A-Z a-z _ - | *",
        ));
    }
    need(said, "body")?;
    need(said, "spbill_create_ip")?;
    let pay_way = match call {
        Call::Micropay => PayWay::Micropay,
        _ => pay_way(need(said, "trade_type")?)?,
    };
    if call == Call::Micropay {
        of_this_wallet(need(said, "auth_code")?, "auth_code")?;
    } else {
        native.notify_url = Some(need(said, "notify_url")?.to_owned());
    }
    native.number = Some(number(said)?);
    native.amount = Some(fen(said, "total_fee")?);
    native.expires = time(said, "time_expire")?;
    native.pay_way = Some(pay_way);
    native.device = device(said);
    if pay_way == PayWay::Jsapi {
        let payer = payer_by(said.get("openid"), said.get("sub_openid"), false);
        native.payer = Some(payer.ok_or_else(|| NativeError::malformed("openid is missing"))?);
    }
    Ok(())
}

/// `WEB` stands for a page or an app, which is no device of a shop [WeChat's own pages].
fn device(said: &Message) -> Option<Device> {
    let serial = said.get("device_info").filter(|serial| *serial != "WEB");
    let scene = said
        .get("scene_info")
        .and_then(|text| strict_json::parse(text.as_bytes()).ok());
    let of = |name: &str| {
        let scene = scene.as_ref()?;
        scene.text(&format!("store_info.{name}")).or(scene.text(name))
    };
    Device::named(serial, of("area_code"), of("id"))
}

fn pay_way(trade_type: &str) -> Result<PayWay, NativeError> {
    Ok(match trade_type {
        "NATIVE" => PayWay::Native,
        "JSAPI" => PayWay::Jsapi,
        "APP" => PayWay::App,
        "MWEB" => PayWay::H5,
        _ => {
            return Err(NativeError::malformed(
                "trade_type must be one of NATIVE, JSAPI, APP, MWEB",
            ));
        }
    })
}

fn number(said: &Message) -> Result<ChannelNo, NativeError> {
    ChannelNo::new(need(said, "out_trade_no")?)
        .map_err(|e| NativeError::malformed(format!("out_trade_no: {e}")))
}

/// The order by either number, or by both, which must then mean one order.
fn named(said: &Message, native: &mut Native) -> Result<(), NativeError> {
    native.number = said.get("out_trade_no").map(|_| number(said)).transpose()?;
    let trade_no = said.get("transaction_id").map(TradeNo::new).transpose();
    native.trade_no =
        trade_no.map_err(|_| NativeError::malformed("transaction_id must be a trade number"))?;
    match native.number.is_some() || native.trade_no.is_some() {
        true => Ok(()),
        false => Err(NativeError::malformed(
            "out_trade_no or transaction_id must name the order",
        )),
    }
}

fn refund(said: &Message, native: &mut Native) -> Result<(), NativeError> {
    named(said, native)?;
    native.refund = Some(refund_number(need(said, "out_refund_no")?)?);
    native.amount = Some(fen(said, "refund_fee")?);
    native.total = Some(fen(said, "total_fee")?);
    native.notify_url = said.get("notify_url").map(str::to_owned);
    Ok(())
}

fn refund_number(text: &str) -> Result<ChannelNo, NativeError> {
    ChannelNo::new(text).map_err(|e| NativeError::malformed(format!("out_refund_no: {e}")))
}

fn refund_query(said: &Message, native: &mut Native) -> Result<(), NativeError> {
    native.refund = said.get("out_refund_no").map(refund_number).transpose()?;
    match named(said, native) {
        Err(error) if native.refund.is_none() && said.get("refund_id").is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Fen in digits, without a zero before them.
fn fen(said: &Message, name: &'static str) -> Result<Amount, NativeError> {
    let text = need(said, name)?;
    let digits = text.len() <= 12 && !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    let amount = text.parse().ok().filter(|_| digits).map(Amount::from_fen);
    amount
        .filter(|amount| *amount <= Amount::MAX)
        .ok_or_else(|| NativeError::malformed(format!("{name} must be integer fen of at least 1")))
}

fn time(said: &Message, name: &'static str) -> Result<Option<Instant>, NativeError> {
    let Some(text) = said.get(name) else {
        return Ok(None);
    };
    let time = times::china_digits(text);
    time.map(Some)
        .ok_or_else(|| NativeError::malformed(format!("{name} must be yyyyMMddHHmmss")))
}
