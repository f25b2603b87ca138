//! A native Alipay request (channels.md 3.1), read for pass-through.

use super::{BY_APP, BY_BROWSER, METHODS, allowed, authorize, sealed};
use crate::{
    auth_code::{Wallet, wallet},
    form::Form,
    guard, keys,
    native::{
        Asks, Device, FORM_WAITS_MS, Fresh, Native, NativeError, Opens, Proof, no_json, require_content_type,
    },
    readings,
    shape::{self, Texts},
    strict_json::{self, Value, shown},
    times,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    AccountNo, Amount, Breach, Channel, ChannelNo, Instant, Operation, PayWay, PayeeNo, SignMethod, TradeNo,
};
use http::HeaderMap;
use vault::{AuthCode, Payer, PayerField, Text};
use zeroize::Zeroizing;

pub(super) type Method = (&'static str, Operation, Option<PayWay>);

/// Reads method, target, headers and body. Query and body are one set of parameters; none may stand in both, but for `charset`
/// where it says the same.
pub(crate) fn read(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    body: &[u8],
    opens: Opens<'_>,
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    if target.starts_with("/v3/") {
        return super::native_v3::read(method, target, headers, body, opens, asks);
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != "/gateway.do" || !matches!(method, "GET" | "POST") {
        by_readings(&[query.as_bytes(), body], asks);
        return Err(NativeError::no_call(
            Channel::Alipay,
            path,
            "this method and path are not carried",
        ));
    }
    let read = parameters(method, query.as_bytes(), headers, body);
    let parameters = read.inspect_err(|_| by_readings(&[query.as_bytes(), body], asks))?;
    let signed = account(&parameters).and_then(|account| {
        let message = parameters.string_to_sign(|n, v| n != "sign" && !v.is_empty());
        asks.signed(
            account.clone(),
            proof(&account, |name| parameters.get(name), message)?,
        );
        Ok(account)
    });
    let called = called(&parameters)?;
    asks.operation = Some(called.1);
    let native = common(&parameters, called.0).and_then(|()| call(called, signed?, &parameters, opens, asks));
    native.map_err(|error| NativeError {
        method_name: Some(called.0),
        ..error
    })
}

/// Query and body as one form. A reader of a form wants to know its charset before it reads it, so published clients write that
/// into the address, some of them into the form too.
fn parameters(method: &str, query: &[u8], headers: &HeaderMap, body: &[u8]) -> Result<Form, NativeError> {
    let form = |e| NativeError::twofold(format!("form: {e}"));
    let mut parameters = Form::parse(query).map_err(form)?;
    if method == "POST" && !body.is_empty() {
        require_content_type(headers, "application/x-www-form-urlencoded")?;
        parameters.read(body, Some("charset")).map_err(form)?;
    }
    Ok(parameters)
}

/// Whose a form is that has no one text that was signed.
fn by_readings(parts: &[&[u8]], asks: &mut Asks) {
    for reading in readings::of_form(parts) {
        let Some(account) = reading.get("app_id").and_then(|id| AccountNo::new(id).ok()) else {
            continue;
        };
        let message = reading.text(|n, v| n != b"sign" && !v.is_empty());
        let by_this = proof(&account, |name| reading.get(name), message);
        asks.signed_by_reading(account, by_this.ok());
    }
}

fn account(parameters: &Form) -> Result<AccountNo, NativeError> {
    let account = parameters.get("app_id").and_then(|id| AccountNo::new(id).ok());
    account.ok_or_else(|| NativeError::malformed("app_id is missing or no account"))
}

/// Which call. Asked first, so that refusals can name it.
fn called(parameters: &Form) -> Result<Method, NativeError> {
    let name = parameters
        .get("method")
        .ok_or_else(|| NativeError::malformed("method is missing"))?;
    let found = METHODS.into_iter().find(|known| known.0 == name);
    found.ok_or_else(|| NativeError::no_call(Channel::Alipay, name, not_carried(name)))
}

/// What could be mistaken for what is carried is told what would be right.
fn not_carried(name: &str) -> &'static str {
    match name == BY_APP {
        true => {
            "alipay.trade.app.pay is no call to a server: its signed text goes from the merchant's app straight into the wallet. Place app orders by the unified API (POST /v1/payments, pay_way app), which signs the text once the order is on record"
        }
        false => "this method is not carried",
    }
}

/// Does the payer's browser bring it? A look at the names alone, for those who must know before anything is read: in which
/// form a refusal is.
pub(crate) fn is_by_browser(target: &str, body: &[u8]) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let named = |pair: &[u8]| {
        let value = pair.strip_prefix(b"method=");
        value.is_some_and(|value| BY_BROWSER.iter().any(|name| name.as_bytes() == value))
    };
    path == "/gateway.do"
        && [query.as_bytes(), body]
            .iter()
            .any(|part| part.split(|b| *b == b'&').any(named))
}

/// Public parameters: known ones only, and no second way to read or sign them. An empty one takes no part in the signature
/// (channels.md 3.1) and says nothing: clients send along what nobody set.
fn common(parameters: &Form, method: &str) -> Result<(), NativeError> {
    let carried = |(name, value): &(&str, &str)| {
        value.is_empty() && !guard::is_of_money(name)
            || allowed::PARAMETERS.contains(name)
            || *name == allowed::RETURN_URL
            || allowed::OF_A_CODE.contains(name) && method == authorize::METHOD
    };
    if let Some((name, _)) = parameters.iter().find(|parameter| !carried(parameter)) {
        return Err(NativeError::no_field(
            name,
            format!("parameter {} is not carried", shown(name)),
        ));
    }
    let unseen = |(name, value): &(&str, &str)| *name != "biz_content" && !shape::plain(value);
    if let Some((name, _)) = parameters.iter().find(unseen) {
        return Err(NativeError::malformed(format!("{name} must be {}", shape::PLAIN)));
    }
    let fixed = |name: &str, wanted: &str, absent: bool| match parameters.get(name) {
        Some(value) if value.eq_ignore_ascii_case(wanted) => Ok(()),
        None if absent => Ok(()),
        _ => Err(NativeError::malformed(format!("{name} must be {wanted}"))),
    };
    fixed("format", "JSON", true)?;
    fixed("charset", "utf-8", false)?;
    fixed("version", "1.0", false)?;
    if ![None, Some(""), Some(sealed::AES)].contains(&parameters.get("encrypt_type")) {
        return Err(NativeError::malformed("encrypt_type must be AES"));
    }
    // Exactly so: the parameter is part of what is signed.
    match parameters.get("sign_type") {
        Some("RSA2") => Ok(()),
        _ => Err(NativeError::signature("sign_type must be RSA2")),
    }
}

fn call(
    called: Method,
    account: AccountNo,
    parameters: &Form,
    opens: Opens<'_>,
    asks: &mut Asks,
) -> Result<Native, NativeError> {
    let method = called.0;
    let content = parameters.get("biz_content");
    let encrypted = content.filter(|_| parameters.get("encrypt_type") == Some(sealed::AES));
    let opened = encrypted
        .map(|text| sealed::open(text.as_bytes(), "biz_content", opens, asks))
        .transpose()?;
    if method == authorize::METHOD {
        code(|name| parameters.get(name), "")?;
    }
    // Some clients send one though there is nothing in it.
    let content = content.or((method == authorize::METHOD).then_some("{}"));
    let content = content.ok_or_else(|| NativeError::malformed("biz_content is missing"))?;
    let content = opened.as_ref().map_or(content.as_bytes(), |opened| opened);
    let content = strict_json::parse(content).map_err(|e| no_json("biz_content", &e))?;
    let texts = shape::check_but_blanks(&content, allowed::fields(method), "biz_content")?;
    let said = Said {
        content: &content,
        signed_at: asks.signed_at(),
        place: "biz_content.",
    };
    let notify_url = parameters.get("notify_url").map(str::to_owned);
    let token = parameters.get("app_auth_token").map(Text::from);
    let mut native = said.whole(called, account, asks, texts, notify_url, token)?;
    native.certificates = allowed::CERTIFICATES
        .into_iter()
        .filter_map(|name| Some((name, parameters.get(name).filter(|sn| !sn.is_empty())?.to_owned())))
        .collect();
    native.encrypted = encrypted.is_some();
    native.by_browser = BY_BROWSER.contains(&method);
    if native.by_browser {
        said.text("product_code")
            .ok_or_else(|| said.missing("product_code"))?;
    }
    let own = parameters
        .get(allowed::RETURN_URL)
        .map(|url| (allowed::RETURN_URL, url));
    let content = allowed::RETURNS
        .into_iter()
        .filter_map(|name| Some((name, said.text(name)?)));
    native.returns_to = own
        .into_iter()
        .chain(content)
        .map(|(name, url)| (name, Text::from(url)))
        .collect();
    Ok(native)
}

/// A payer's code, and what it is exchanged for (channels.md 3.1, 7). Whose it is only the answer says, which goes to the merchant
/// and is not read here.
pub(super) fn code<'a>(get: impl Fn(&str) -> Option<&'a str>, place: &str) -> Result<(), NativeError> {
    if get("grant_type") != Some(allowed::GRANT) {
        return Err(NativeError::malformed(format!(
            "{place}grant_type must be {}",
            allowed::GRANT
        )));
    }
    let lawful = |code: &str| code.len() <= 128 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    match get("code") {
        Some(code) if lawful(code) => Ok(()),
        _ => Err(NativeError::malformed(format!(
            "{place}code must be the payer's code of authorisation, letters and digits"
        ))),
    }
}

/// All non-empty parameters except `sign`, sorted, as decoded (channels.md 3.1).
fn proof<'a>(
    account: &AccountNo,
    get: impl Fn(&str) -> Option<&'a str>,
    mut message: Zeroizing<Vec<u8>>,
) -> Result<Proof, NativeError> {
    let wrong = |name: &str| NativeError::signature(format!("{name} is missing or not as documented"));
    let signature = get("sign").and_then(|sign| STANDARD.decode(sign).ok());
    let signed_at = get("timestamp").and_then(times::china);
    Ok(Proof {
        key: keys::alipay_app_public(account).map_err(|e| NativeError::signature(e.to_string()))?,
        message: std::mem::take(&mut *message),
        signature: signature.ok_or_else(|| wrong("sign"))?,
        signed_at: signed_at.ok_or_else(|| wrong("timestamp"))?,
        nonce: None,
        method: domain::SignMethod::Signature,
        fresh: match get("method").is_some_and(|name| BY_BROWSER.contains(&name)) {
            true => Fresh::For(FORM_WAITS_MS),
            false => Fresh::Standing,
        },
    })
}

/// What `biz_content` says; in OpenAPI v3 that is the body.
pub(super) struct Said<'a> {
    pub(super) content: &'a Value,
    pub(super) signed_at: Instant,
    /// Before a field's name, in errors.
    pub(super) place: &'static str,
}

impl Said<'_> {
    /// The whole request, whichever form it came in.
    pub(super) fn whole(
        &self,
        (method, operation, pay_way): Method,
        account: AccountNo,
        asks: &mut Asks,
        texts: Texts,
        notify_url: Option<String>,
        app_auth_token: Option<Text>,
    ) -> Result<Native, NativeError> {
        let mut native = self.order(operation, account, texts)?;
        native.pay_way = pay_way;
        native.method_name = Some(method);
        native.notify_url = notify_url;
        native.app_auth_token = app_auth_token;
        match operation {
            Operation::Create => self.create(pay_way, &mut native)?,
            Operation::Refund => self.refund(&mut native)?,
            Operation::RefundQuery => self.refund_number(&mut native)?,
            Operation::Bill => ["bill_type", "bill_date"]
                .into_iter()
                .try_for_each(|name| self.text(name).map(drop).ok_or_else(|| self.missing(name)))?,
            Operation::Query
            | Operation::Close
            | Operation::Reverse
            | Operation::Certificates
            | Operation::Authorize => {}
        }
        native.proof = asks
            .proof
            .take()
            .ok_or_else(|| NativeError::signature("nothing is signed"))?;
        Ok(native)
    }

    fn missing(&self, name: &str) -> NativeError {
        NativeError::malformed(format!("{}{name} is missing", self.place))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.content.text(name).filter(|text| !text.is_empty())
    }

    fn number(&self, name: &str) -> Result<Option<ChannelNo>, NativeError> {
        let number = self.text(name).map(ChannelNo::new).transpose();
        number.map_err(|e| NativeError::malformed(format!("{}{name}: {e}", self.place)))
    }

    fn yuan(&self, name: &str) -> Result<Amount, NativeError> {
        let amount = self.content.get(name).and_then(shape::yuan);
        amount.ok_or_else(|| self.missing(name))
    }

    fn order(&self, operation: Operation, account: AccountNo, texts: Texts) -> Result<Native, NativeError> {
        let key = keys::alipay_app_public(&account).map_err(|e| NativeError::signature(e.to_string()))?;
        // Stands in until everything is read; the refusal of any of it needs the true one.
        let proof = Proof {
            key,
            message: Vec::new(),
            signature: Vec::new(),
            signed_at: self.signed_at,
            nonce: None,
            method: SignMethod::Signature,
            fresh: Fresh::Standing,
        };
        let wrong =
            |name: &str| NativeError::malformed(format!("{}{name} is no number of Alipay's", self.place));
        let number = self.number("out_trade_no")?;
        let trade_no = self
            .text("trade_no")
            .map(TradeNo::new)
            .transpose()
            .map_err(|_| wrong("trade_no"))?;
        // A certificate and a payer belong to no order, and a bill to many.
        let of_an_order = !matches!(
            operation,
            Operation::Certificates | Operation::Bill | Operation::Authorize
        );
        if number.is_none() && trade_no.is_none() && of_an_order {
            return Err(self.missing("out_trade_no"));
        }
        let blank = self.content.text("seller_id").is_some_and(str::is_empty);
        if blank {
            return Err(wrong("seller_id").breaking(Breach::Payee, Some("seller_id")));
        }
        let payee = self
            .text("seller_id")
            .map(PayeeNo::new)
            .transpose()
            .map_err(|_| wrong("seller_id"))?;
        Ok(Native {
            channel: Channel::Alipay,
            operation,
            pay_way: None,
            account,
            payee,
            number,
            trade_no,
            refund: None,
            amount: None,
            total: None,
            expires: None,
            notify_url: None,
            payer: None,
            texts,
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
            returns_to: Vec::new(),
            certificates: Vec::new(),
            by_browser: false,
            encrypted: false,
        })
    }

    fn create(&self, pay_way: Option<PayWay>, native: &mut Native) -> Result<(), NativeError> {
        native.amount = Some(self.yuan("total_amount")?);
        self.text("subject").ok_or_else(|| self.missing("subject"))?;
        native.expires = self.expires(pay_way)?;
        native.lasts = self.lasts().map(str::to_owned);
        native.device = Device::named(self.text("terminal_id"), None, self.text("store_id"));
        if pay_way == Some(PayWay::Micropay) {
            self.scanned()?;
        }
        if pay_way == Some(PayWay::Jsapi) {
            let names = [
                ("buyer_id", PayerField::BuyerId),
                ("buyer_open_id", PayerField::BuyerOpenId),
            ];
            let payer = names
                .into_iter()
                .find_map(|(name, field)| self.text(name).map(|value| (field, value)));
            let (field, value) = payer.ok_or_else(|| self.missing("buyer_id"))?;
            native.payer = Some(Payer {
                field,
                value: Text::from(value),
            });
        }
        Ok(())
    }

    /// A code that the cashier scanned. Whose wallet it is stands in its digits (channels.md 7): what is not Alipay's goes
    /// nowhere, and the code is kept nowhere.
    fn scanned(&self) -> Result<(), NativeError> {
        self.text("scene").ok_or_else(|| self.missing("scene"))?;
        let code = self.text("auth_code").ok_or_else(|| self.missing("auth_code"))?;
        match wallet(&AuthCode::new(code.to_owned())) {
            Some(Wallet::Alipay) => Ok(()),
            _ => Err(NativeError::malformed(format!(
                "{}auth_code must be a payment code of Alipay's: 16 to 24 digits, the first two 25 to 30",
                self.place
            ))),
        }
    }

    /// `time_expire`, else `timeout_express` counted from the signature.
    fn expires(&self, pay_way: Option<PayWay>) -> Result<Option<Instant>, NativeError> {
        let wrong =
            |name: &str, right: &str| NativeError::malformed(format!("{}{name} must be {right}", self.place));
        match (self.text("time_expire"), self.lasts()) {
            (Some(text), _) => times::china(text)
                .map(Some)
                .ok_or_else(|| wrong("time_expire", "a time of China such as 2026-11-23 08:30:00")),
            (None, Some(text)) => {
                let end = ends(self.signed_at, text, pay_way);
                end.map(Some).ok_or_else(|| {
                    wrong(
                        "timeout_express",
                        "a length such as 30m, 2h or 1d, or 1c for the end of the day",
                    )
                })
            }
            (None, None) => Ok(None),
        }
    }

    /// Where nothing names the end itself.
    fn lasts(&self) -> Option<&str> {
        match self.text("time_expire") {
            Some(_) => None,
            None => self.text("timeout_express"),
        }
    }

    fn refund(&self, native: &mut Native) -> Result<(), NativeError> {
        native.amount = Some(self.yuan("refund_amount")?);
        self.refund_number(native)
    }

    /// Without `out_request_no` the refund goes by the order's own number [unverified; Alipay's own pages].
    fn refund_number(&self, native: &mut Native) -> Result<(), NativeError> {
        native.refund = self.number("out_request_no")?.or_else(|| native.number.clone());
        if native.refund.is_some() {
            Ok(())
        } else {
            Err(self.missing("out_request_no"))
        }
    }
}

/// The latest end of an order that lasts so long: Alipay counts from when it has the trade, and what a browser brings it may
/// bring later [unverified].
pub(crate) fn ends(signed_at: Instant, text: &str, pay_way: Option<PayWay>) -> Option<Instant> {
    let waits = match pay_way {
        Some(PayWay::Page | PayWay::Wap) => FORM_WAITS_MS,
        _ => 0,
    };
    Some(after(signed_at, text)?.plus_millis(waits))
}

/// `90m`, `2h`, `15d`; `1c` is the end of the day.
fn after(signed_at: Instant, text: &str) -> Option<Instant> {
    if text == "1c" {
        return Some(signed_at.day().start().plus_millis(86_400_000));
    }
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let minutes = match unit {
        "m" => 1,
        "h" => 60,
        "d" => 24 * 60,
        _ => return None,
    };
    let lawful = (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let count: i64 = digits.parse().ok().filter(|_| lawful)?;
    Some(signed_at.plus_millis(count * minutes * 60_000))
}
