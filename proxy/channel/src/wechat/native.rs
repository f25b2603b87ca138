//! A native WeChat request (channels.md 1.2–1.4), read for pass-through.

use super::seal;
use super::{allowed, combine, compose, facts, redirect, route, route::Call, route::Route};
use crate::{
    auth_code::{Wallet, wallet},
    form::Form,
    keys,
    native::{Asks, Device, Native, NativeError, Proof, no_json, only, require_content_type},
    shape,
    strict_json::{self, Value},
    times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    AccountNo, Amount, Breach, Channel, ChannelNo, Instant, Operation, PayWay, PayeeNo, RefundWay,
    SignMethod, TradeNo,
};
use http::HeaderMap;
use std::collections::BTreeSet;
use vault::{AuthCode, Payer};

/// Reads method, target, headers and body; nothing is normalised.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    let (path, query) = target
        .split_once('?')
        .map_or((target, None), |(path, query)| (path, Some(query)));
    // Whose signature it is stands in the header alone, whatever is wrong with the rest.
    let signed = Authorization::parse(headers).and_then(|header| {
        let mchid = header.mchid.clone();
        asks.signed(mchid.clone(), header.proof(method, target, body)?);
        Ok(mchid)
    });
    let route = route::find(method, path)?;
    asks.operation = Some(route.operation());
    let mchid = signed?;
    // `path?` is not `path`, whoever takes them for one.
    if query == Some("") {
        return Err(NativeError::twofold(
            "query: it is empty; leave out the question mark",
        ));
    }
    let query = query.map(|query| Form::parse(query.as_bytes())).transpose();
    let query = query.map_err(|e| NativeError::twofold(format!("query: {e}")))?;
    let value = match method {
        "POST" => Some(json(headers, body)?),
        _ => None,
    };
    let texts = value
        .as_ref()
        .map(|value| shape::check(value, allowed::fields(&route), ""))
        .transpose()?;
    allowed::query(&route, query.as_ref())?;
    let said = Said {
        value: value.as_ref(),
        query: query.as_ref(),
    };
    let mut native = said.facts(&route, mchid)?;
    native.texts = texts.unwrap_or_default();
    native.proof = asks
        .proof
        .take()
        .ok_or_else(|| NativeError::signature("nothing is signed"))?;
    Ok(native)
}

fn json(headers: &HeaderMap, body: &[u8]) -> Result<Value, NativeError> {
    require_content_type(headers, "application/json")?;
    strict_json::parse(body).map_err(|e| no_json("body", &e))
}

/// What body and query say.
pub(super) struct Said<'a> {
    pub(super) value: Option<&'a Value>,
    query: Option<&'a Form>,
}

impl Said<'_> {
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.value
            .and_then(|v| v.text(path))
            .or_else(|| self.query.and_then(|q| q.get(path)))
    }

    /// A text that is there and not empty.
    pub(super) fn said(&self, path: &str) -> Option<&str> {
        self.text(path).filter(|text| !text.is_empty())
    }

    pub(super) fn need(&self, path: &str) -> Result<&str, NativeError> {
        self.text(path)
            .ok_or_else(|| NativeError::malformed(format!("{path} is missing")))
    }

    fn number(&self, path: &str) -> Result<Option<ChannelNo>, NativeError> {
        let number = self.text(path).map(ChannelNo::new).transpose();
        number.map_err(|e| NativeError::malformed(format!("{path}: {e}")))
    }

    fn fen(&self, path: &str) -> Result<Amount, NativeError> {
        let amount = self.value.and_then(|v| v.at(path)).and_then(shape::fen);
        amount.ok_or_else(|| NativeError::malformed(format!("{path} is missing")))
    }

    /// Header and body or query name one account; the payee is the account itself or, in partner mode,
    /// `sub_mchid`.
    fn payee(&self, route: &Route, mchid: &AccountNo) -> Result<PayeeNo, NativeError> {
        let own = match route.call {
            Call::Combine(_) | Call::CombineClose(_) => "combine_mchid",
            _ if route.partner => "sp_mchid",
            _ => "mchid",
        };
        let named = match route.call {
            // These name the account in the header only (channels.md 1.2).
            Call::Refund
            | Call::Redirect(_)
            | Call::RefundQuery(_)
            | Call::CombineQuery(_)
            | Call::Certificates => None,
            Call::Bill(_) | Call::BillFile => None,
            // Here it need not stand.
            Call::CombineClose(_) => self.text(own),
            _ => Some(self.need(own)?),
        };
        if named.is_some_and(|named| named != mchid.as_str()) {
            return Err(NativeError::malformed(format!(
                "{own} is not the mchid of the Authorization header"
            ))
            .breaking(Breach::Payee, Some(own)));
        }
        let sub = match route.partner {
            true => Some(self.need("sub_mchid")?),
            false => self.text("sub_mchid"),
        };
        PayeeNo::new(sub.unwrap_or(mchid.as_str()))
            .map_err(|e| NativeError::malformed(format!("sub_mchid: {e}")))
    }

    fn facts(&self, route: &Route, mchid: AccountNo) -> Result<Native, NativeError> {
        let payee = self.payee(route, &mchid)?;
        let mut native = empty(route.operation(), mchid)?;
        native.payee = (native.operation != Operation::Certificates).then_some(payee);
        match &route.call {
            Call::Create(pay_way) => self.create(*pay_way, route.partner, &mut native)?,
            Call::Query(number) | Call::Close(number) | Call::Reverse(number) => {
                native.number = Some(number.clone())
            }
            Call::QueryById(trade_no) => native.trade_no = Some(trade_no.clone()),
            Call::Refund => self.refund(&mut native)?,
            Call::Redirect(id) => self.redirect(id, &mut native)?,
            Call::RefundQuery(refund) => native.refund = Some(refund.clone()),
            Call::Combine(pay_way) => combine::create(self, *pay_way, &mut native)?,
            Call::CombineQuery(number) => combine::query(number, &mut native),
            Call::CombineClose(number) => combine::close(self, number, &mut native)?,
            Call::Certificates | Call::Bill(_) | Call::BillFile => {}
        }
        Ok(native)
    }

    fn create(&self, pay_way: PayWay, partner: bool, native: &mut Native) -> Result<(), NativeError> {
        let number = self.need("out_trade_no")?;
        if !compose::number_fits(number) {
            return Err(NativeError::malformed(
                "out_trade_no must be 6 to 32 characters of 0-9 A-Z a-z _ - | *",
            ));
        }
        native.app = Some(self.need(if partner { "sp_appid" } else { "appid" })?.to_owned());
        native.sub_apps.extend(
            self.said("sub_appid")
                .zip(native.payee.clone())
                .map(|(app, payee)| (payee, app.to_owned())),
        );
        self.need("description")?;
        native.number = self.number("out_trade_no")?;
        native.pay_way = Some(pay_way);
        native.amount = Some(self.fen("amount.total")?);
        // Nobody is told of a payment by code (channels.md 1.12).
        if pay_way.charges() {
            of_this_wallet(self.need("payer.auth_code")?, "payer.auth_code")?;
        } else {
            native.notify_url = Some(self.need("notify_url")?.to_owned());
        }
        native.expires = self.time("time_expire")?;
        native.payer = self.payer(pay_way, partner)?;
        // By payment code `id` is WeChat's own number of the shop, and `out_id` the merchant's (channels.md W9).
        native.device = self.device(if pay_way.charges() { "out_id" } else { "id" });
        Ok(())
    }

    pub(super) fn device(&self, own_id: &str) -> Option<Device> {
        Device::named(
            self.text("scene_info.device_id"),
            self.text("scene_info.store_info.area_code"),
            self.text(&format!("scene_info.store_info.{own_id}")),
        )
    }

    pub(super) fn time(&self, path: &str) -> Result<Option<Instant>, NativeError> {
        let Some(text) = self.text(path) else {
            return Ok(None);
        };
        let time = times::rfc3339(text);
        time.map(Some)
            .ok_or_else(|| NativeError::malformed(format!("{path} must be RFC 3339 with a zone")))
    }

    fn payer(&self, pay_way: PayWay, partner: bool) -> Result<Option<Payer>, NativeError> {
        if pay_way != PayWay::Jsapi {
            return Ok(None);
        }
        let (own, sub) = match partner {
            true => ("payer.sp_openid", self.said("payer.sub_openid")),
            false => ("payer.openid", None),
        };
        let payer = facts::payer_by(self.said(own), sub, false);
        payer
            .map(Some)
            .ok_or_else(|| NativeError::malformed(format!("{own} is missing")))
    }

    fn redirect(&self, refund_id: &TradeNo, native: &mut Native) -> Result<(), NativeError> {
        self.need("out_refund_no")?;
        let kind = self.need("type")?;
        let to = redirect::KINDS.iter().find(|(known, _)| *known == kind);
        let (_, to) = to.ok_or_else(|| {
            NativeError::malformed(format!(
                "type must be {}",
                shape::one_of(&redirect::KINDS.map(|(word, _)| word))
            ))
        })?;
        if *to == RefundWay::PayerCard {
            ["bank_type", "bank_account", "real_name"]
                .into_iter()
                .try_for_each(|name| self.need(name).map(drop))?;
        }
        native.refund = self.number("out_refund_no")?;
        native.redirect = Some((refund_id.clone(), *to));
        Ok(())
    }

    /// `amount.from` says which of the payee's own balances pays how much; it may only divide what the refund is.
    fn from_own_balances(&self, refund: Amount) -> Result<(), NativeError> {
        let Some(parts) = self.value.and_then(|value| value.list("amount.from")) else {
            return Ok(());
        };
        let names: BTreeSet<Option<&str>> = parts.iter().map(|part| part.text("account")).collect();
        let once = names.len() == parts.len() && !names.contains(&None);
        let fen = |part: &Value| part.get("amount").and_then(shape::fen).map(Amount::fen);
        let sum = parts.iter().map(fen).sum::<Option<u64>>();
        match once && sum == Some(refund.fen()) {
            true => Ok(()),
            false => Err(NativeError::not_allowed(
                "amount.from must name each account once, with amounts that together are amount.refund",
            )
            .breaking(Breach::Funds, Some("from"))),
        }
    }

    fn refund(&self, native: &mut Native) -> Result<(), NativeError> {
        let wrong = |_| NativeError::malformed("transaction_id must be a trade number");
        native.number = self.number("out_trade_no")?;
        native.trade_no = self
            .text("transaction_id")
            .map(TradeNo::new)
            .transpose()
            .map_err(wrong)?;
        if native.number.is_some() == native.trade_no.is_some() {
            return Err(NativeError::malformed(
                "exactly one of out_trade_no and transaction_id names the order",
            ));
        }
        self.need("out_refund_no")?;
        native.refund = self.number("out_refund_no")?;
        let amount = self.fen("amount.refund")?;
        self.from_own_balances(amount)?;
        native.amount = Some(amount);
        native.total = Some(self.fen("amount.total")?);
        native.notify_url = self.text("notify_url").map(str::to_owned);
        Ok(())
    }
}

/// A code that the cashier scanned. Whose wallet it is stands in its digits (channels.md 7): what is not WeChat's goes nowhere.
pub(super) fn of_this_wallet(code: &str, name: &str) -> Result<(), NativeError> {
    match wallet(&AuthCode::new(code.to_owned())) {
        Some(Wallet::Wechat) => Ok(()),
        _ => Err(NativeError::malformed(format!(
            "{name} must be a payment code of WeChat's: 18 digits, the first two 10 to 15"
        ))),
    }
}

/// A request of which nothing but this is known yet.
pub(super) fn empty(operation: Operation, account: AccountNo) -> Result<Native, NativeError> {
    let key = keys::wechat_merchant(&account).map_err(|e| NativeError::signature(e.to_string()))?;
    let proof = Proof {
        key,
        message: Vec::new(),
        signature: Vec::new(),
        signed_at: Instant::default(),
        nonce: None,
        method: domain::SignMethod::Signature,
        fresh: crate::native::Fresh::Standing,
    };
    Ok(Native {
        channel: Channel::Wechat,
        operation,
        pay_way: None,
        account,
        payee: None,
        number: None,
        trade_no: None,
        refund: None,
        amount: None,
        total: None,
        expires: None,
        notify_url: None,
        payer: None,
        texts: Vec::new(),
        device: None,
        proof,
        app: None,
        sub_apps: Vec::new(),
        combined: None,
        redirect: None,
        app_auth_token: None,
        method_name: None,
        lasts: None,
        named: None,
        placed: None,
        certificates: Vec::new(),
        returns_to: Vec::new(),
        by_browser: false,
        encrypted: false,
    })
}

/// `WECHATPAY2-SHA256-RSA2048 mchid="…",nonce_str="…",signature="…",timestamp="…",serial_no="…"`, parameters
/// in any order (channels.md 1.4).
struct Authorization {
    mchid: AccountNo,
    nonce: String,
    signature: Vec<u8>,
    timestamp: i64,
    serial: String,
    method: SignMethod,
}

const NAMES: [&str; 5] = ["mchid", "nonce_str", "signature", "timestamp", "serial_no"];

impl Authorization {
    fn parse(headers: &HeaderMap) -> Result<Authorization, NativeError> {
        let wrong = || NativeError::signature("header authorization is missing or not as documented");
        let header = only(headers, "authorization")?.ok_or_else(wrong)?;
        let (scheme, parameters) = header.split_once(' ').ok_or_else(wrong)?;
        let method = match scheme {
            seal::RSA => SignMethod::Signature,
            seal::SM2 => SignMethod::Sm2,
            _ => return Err(wrong()),
        };
        let mut found = [None; 5];
        for parameter in parameters.split(',') {
            let (name, value) = parameter.trim_matches(' ').split_once('=').ok_or_else(wrong)?;
            let value = value
                .strip_prefix('"')
                .and_then(|v| v.strip_suffix('"'))
                .ok_or_else(wrong)?;
            let place = NAMES.iter().position(|known| *known == name).ok_or_else(wrong)?;
            if found[place].replace(value).is_some() {
                return Err(wrong());
            }
        }
        Authorization::from_values(method, found).ok_or_else(wrong)
    }

    fn from_values(
        method: SignMethod,
        [mchid, nonce, signature, timestamp, serial]: [Option<&str>; 5],
    ) -> Option<Authorization> {
        let word = |text: &&str| {
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let digits = |text: &&str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        Some(Authorization {
            mchid: AccountNo::new(mchid?).ok()?,
            nonce: nonce.filter(word)?.to_owned(),
            signature: STANDARD.decode(signature?).ok()?,
            timestamp: timestamp.filter(digits)?.parse().ok()?,
            serial: serial?.to_owned(),
            method,
        })
    }

    fn proof(self, method: &str, target: &str, body: &[u8]) -> Result<Proof, NativeError> {
        let key = keys::wechat_merchant_public(&self.mchid, &self.serial);
        let message = std::mem::take(&mut *compose::request_message(
            method,
            target,
            self.timestamp,
            &self.nonce,
            body,
        ));
        Ok(Proof {
            key: key.map_err(|e| NativeError::signature(e.to_string()))?,
            message,
            signature: self.signature,
            signed_at: Instant::from_secs(self.timestamp),
            nonce: Some(self.nonce),
            method: self.method,
            fresh: crate::native::Fresh::Standing,
        })
    }
}
