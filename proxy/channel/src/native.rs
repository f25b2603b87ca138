//! Pass-through: a native request of a merchant's own SDK, read without mercy and never changed (design.md
//! section 3). Paths match exactly, body fields are an allow-list per operation, and whatever could be read
//! in two ways is refused.

use crate::{
    Encrypted, Identity, alipay,
    dialect::{NativeRefusal, UNPROVEN},
    guard, strict_json, unionpay, wechat,
};
use domain::{
    AccountNo, Amount, Breach, Channel, ChannelNo, Instant, KeyRef, Operation, PayWay, PayeeNo, RefundWay,
    SignMethod, TradeNo,
};
use std::fmt;
use vault::{Payer, Text};
use zeroize::Zeroizing;

/// What a native request says, and what proves it.
pub struct Native {
    /// Channel.
    pub channel: Channel,
    /// Operation.
    pub operation: Operation,
    /// Way to pay, of a create.
    pub pay_way: Option<PayWay>,
    /// The one account that header, path, query and body name.
    pub account: AccountNo,
    /// Who is to be paid, where the request says so.
    pub payee: Option<PayeeNo>,
    /// WeChat's appid, where the request names one: an app of the account's own.
    pub app: Option<String>,
    /// WeChat's `sub_appid`s of a new order, each with the sub-merchant that it stands beside.
    pub sub_apps: Vec<(PayeeNo, String)>,
    /// The order's number at the channel.
    pub number: Option<ChannelNo>,
    /// The channel's own number of the order, where the request uses it instead.
    pub trade_no: Option<TradeNo>,
    /// The refund's number at the channel.
    pub refund: Option<ChannelNo>,
    /// Fen: of the order, or of the refund.
    pub amount: Option<Amount>,
    /// Fen that were paid, as a refund states it.
    pub total: Option<Amount>,
    /// When the order ends.
    pub expires: Option<Instant>,
    /// Where the channel shall send its notices.
    pub notify_url: Option<String>,
    /// Who pays: only for its token.
    pub payer: Option<Payer>,
    /// Free texts by name: only for the pattern scan.
    pub texts: Vec<(&'static str, Text)>,
    /// The device that a new order says it comes from.
    pub device: Option<Device>,
    /// The SDK's own signature.
    pub proof: Proof,
    /// Several orders that are paid together (合单): the number of them all, and each of them. `number`, `payee` and
    /// `amount` are the first one's.
    pub combined: Option<CombinedOrders>,
    /// Of a refund that is abnormal and shall go another way: its own number at the channel, and where.
    pub redirect: Option<(TradeNo, RefundWay)>,
    /// Alipay's authorisation to act for another merchant, where one is given. Who that is, only a registry can say.
    pub app_auth_token: Option<Text>,
    /// Alipay's name of the call.
    pub method_name: Option<&'static str>,
    /// Alipay's `timeout_express`: how long the order lasts, counted from the signature.
    pub(crate) lasts: Option<String>,
    /// The time by which UnionPay knows what the request is about, beside its number (`txnTime`, channels.md 4.3).
    pub named: Option<Instant>,
    /// Where the payer's browser goes back to, by the names of the fields that say so.
    pub returns_to: Vec<(&'static str, Text)>,
    /// The certificates that Alipay's client names in certificate mode (channels.md 3.6), by the names of the parameters.
    pub certificates: Vec<(&'static str, String)>,
    /// The payer's browser brings it, and goes on with it to the channel itself (UnionPay's `frontTransReq.do`, Alipay's
    /// pages).
    pub by_browser: bool,
    /// Its content came encrypted (channels.md 3.2), and so will the answer's.
    pub encrypted: bool,
}

/// Opens content that the merchant's own client encrypted. It is told whose it is and what proves it: the signature is
/// verified before anything is decrypted, so that nobody but the merchant can try what opens.
//= C98
pub type Opens<'a> = &'a dyn Fn(&AccountNo, &Proof, &Encrypted) -> Result<Zeroizing<Vec<u8>>, Unopened>;

/// Why content stays closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopened {
    /// The signature is none by the account's registered key: nothing was decrypted.
    Unproven,
    /// The account's content key is not here.
    NoKey,
    /// It is nothing that this key has encrypted.
    Ciphertext,
}

/// The terminal fields of a new order, as its merchant wrote them (compliance.md R22). Texts, since who knows what a merchant
/// writes there.
#[derive(Default)]
pub struct Device {
    /// Its serial: WeChat's `device_id` and `device_info`, Alipay's `terminal_id`.
    pub serial: Option<Text>,
    /// Its number at UnionPay, `termId`.
    pub term_id: Option<Text>,
    /// The area code of the shop.
    pub area: Option<Text>,
    /// The merchant's own number of the shop.
    pub store: Option<Text>,
}

impl Device {
    /// Of an order that names a device; a shop without one is no terminal.
    pub(crate) fn named<'a>(
        serial: Option<&'a str>,
        area: Option<&'a str>,
        store: Option<&'a str>,
    ) -> Option<Device> {
        let said = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).map(Text::from);
        let serial = said(serial)?;
        Some(Device {
            serial: Some(serial),
            term_id: None,
            area: said(area),
            store: said(store),
        })
    }
}

impl Native {
    /// Alipay's clients write the clock of their machine and no zone (channels.md 3.1 says China's). Machines in UTC are
    /// common, and the channel takes what they sign. If the time is within `window` of `now` in UTC and not in China, it
    /// was meant so, and whatever is counted from it moves along. WeChat's V2 says nothing of time: its requests count as
    /// signed when they come.
    pub fn settle_zone(&mut self, now: Instant, window: i64) {
        if self.proof.settle_zone(self.channel, now, window)
            && let Some(lasts) = &self.lasts
        {
            self.expires = alipay::native::ends(self.proof.signed_at, lasts, self.pay_way);
        }
    }
}

/// Several orders that are paid together (channels.md 1.2).
pub struct CombinedOrders {
    /// The number of them all.
    pub number: ChannelNo,
    /// Each of them; none in a query.
    pub orders: Vec<SubOrder>,
}

/// One of them.
pub struct SubOrder {
    /// Its number at the channel.
    pub number: ChannelNo,
    /// Who is to be paid.
    pub payee: PayeeNo,
    /// Fen; not in a close.
    pub amount: Option<Amount>,
}

/// The SDK's own signature, to be verified with the registered certificate.
pub struct Proof {
    /// The merchant's public key.
    pub key: KeyRef,
    /// The octets that were signed.
    pub message: Vec<u8>,
    /// The raw signature.
    pub signature: Vec<u8>,
    /// When the caller says it was signed.
    pub signed_at: Instant,
    /// The nonce, where the channel has one.
    pub nonce: Option<String>,
    /// How it is vouched for; UnionPay has several.
    pub method: SignMethod,
    /// How long it counts.
    pub fresh: Fresh,
}

/// How long a form may wait in the payer's browser [our choice: channels' pages give a payer as long by default].
pub(crate) const FORM_WAITS_MS: i64 = 30 * 60_000;

/// How long after its time a signature counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// The standing window.
    Standing,
    /// So many milliseconds: a form waits in the payer's browser.
    For(i64),
    /// The protocol gives it no time of its own: a query at UnionPay names the time of what it asks for. It changes
    /// nothing, whoever sends it again.
    Always,
}

impl Proof {
    /// See [`Native::settle_zone`]; whether the time was moved.
    pub fn settle_zone(&mut self, channel: Channel, now: Instant, window: i64) -> bool {
        const CHINA: i64 = 8 * 3_600_000;
        let longest = match self.fresh {
            Fresh::For(longest) => longest.max(window),
            Fresh::Standing | Fresh::Always => window,
        };
        let near = |at: Instant| (-window..=longest).contains(&(now.millis() - at.millis()));
        let moved = self.signed_at.plus_millis(CHINA);
        if channel == Channel::Wechat && self.nonce.is_none() {
            self.signed_at = now;
        }
        // Where there is a nonce (OpenAPI v3) the time is counted from 1970 and has no zone.
        let zoneless = channel == Channel::Alipay && self.nonce.is_none();
        let moves = zoneless && !near(self.signed_at) && near(moved);
        if moves {
            self.signed_at = moved;
        }
        moves
    }
}

/// Who asks what, as far as it could be read before a refusal. A reader fills it in as it goes: the proof first, so that
/// whatever it refuses afterwards can be put on record against the one who signed it.
//= C81
#[derive(Default)]
pub struct Asks {
    /// The account that the request names.
    pub account: Option<AccountNo>,
    /// What is asked.
    pub operation: Option<Operation>,
    /// The SDK's own signature.
    pub proof: Option<Proof>,
    /// Of what can be read in two ways, and is refused: account and signature by each reading. One that is good tells whose
    /// it is.
    pub readings: Vec<(AccountNo, Proof)>,
}

impl Asks {
    /// The account and its signature are read.
    pub(crate) fn signed(&mut self, account: AccountNo, proof: Proof) {
        (self.account, self.proof) = (Some(account), Some(proof));
    }

    /// By one of several readings.
    pub(crate) fn signed_by_reading(&mut self, account: AccountNo, proof: Option<Proof>) {
        self.account.get_or_insert_with(|| account.clone());
        self.readings.extend(proof.map(|proof| (account, proof)));
    }

    /// When it was signed, once that is read.
    pub(crate) fn signed_at(&self) -> Instant {
        self.proof
            .as_ref()
            .map(|proof| proof.signed_at)
            .unwrap_or_default()
    }
}

impl From<Native> for Asks {
    fn from(native: Native) -> Asks {
        Asks {
            account: Some(native.account),
            operation: Some(native.operation),
            proof: Some(native.proof),
            readings: Vec::new(),
        }
    }
}

impl fmt::Debug for Asks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asks")
    }
}

/// Why a native request is refused. The text names paths and positions, never values.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct NativeError {
    /// For [`crate::dialect::refuse_native`].
    pub kind: NativeRefusal,
    /// For the log.
    pub text: String,
    /// Alipay's name of the call, once known.
    pub method_name: Option<&'static str>,
    /// How it offends the no-funds guard, and the name of the field or call if that is a known one; a signature that is
    /// none offends nothing but itself.
    pub breach: Option<(Breach, Option<&'static str>)>,
    /// Who asks.
    pub asks: Box<Asks>,
}

impl NativeError {
    fn new(kind: NativeRefusal, text: String, breach: Option<Breach>) -> NativeError {
        NativeError {
            kind,
            text,
            method_name: None,
            breach: breach.map(|breach| (breach, None)),
            asks: Box::default(),
        }
    }

    /// A field that is missing or has a value that it cannot have.
    pub(crate) fn malformed(text: impl Into<String>) -> NativeError {
        let text = text.into();
        NativeError::new(NativeRefusal::Malformed(text.clone()), text, Some(Breach::Value))
    }

    /// What could be read in two ways, or not at all.
    pub(crate) fn twofold(text: impl Into<String>) -> NativeError {
        NativeError::malformed(text).breaking(Breach::Form, None)
    }

    /// What is not carried.
    pub(crate) fn not_allowed(text: impl Into<String>) -> NativeError {
        let text = text.into();
        NativeError::new(
            NativeRefusal::NotAllowed(text.clone()),
            text,
            Some(Breach::Operation),
        )
    }

    /// A call that is not carried.
    pub(crate) fn no_call(channel: Channel, called: &str, text: impl Into<String>) -> NativeError {
        let (breach, name) = guard::call(channel, called);
        NativeError::not_allowed(text).breaking(breach, Some(name))
    }

    /// A field or parameter that is not carried.
    pub(crate) fn no_field(name: &str, text: impl Into<String>) -> NativeError {
        let (breach, name) = guard::field(name);
        NativeError::not_allowed(text).breaking(breach, Some(name))
    }

    pub(crate) fn breaking(self, breach: Breach, name: Option<&'static str>) -> NativeError {
        NativeError {
            breach: Some((breach, name)),
            ..self
        }
    }

    pub(crate) fn signature(text: impl Into<String>) -> NativeError {
        let text = text.into();
        NativeError::new(NativeRefusal::Signature(text.clone()), text, None)
    }
}

/// A body that is not the one JSON that is taken.
pub(crate) fn no_json(place: &str, error: &strict_json::Error) -> NativeError {
    NativeError::twofold(format!("{place}: {error}"))
}

/// Reads a native request. `known` says whether an account is registered with us; whose it is, and whether
/// the payee is one of its own, is decided by the stages that follow. `opens` opens content that came encrypted.
pub fn read(
    channel: Channel,
    known: impl Fn(&AccountNo) -> bool,
    opens: Opens<'_>,
    method: &str,
    target: &str,
    headers: &http::HeaderMap,
    body: &[u8],
) -> Result<Native, NativeError> {
    let mut asks = Asks::default();
    // Read first even where a trick is in it: the trick goes on record against the one who signed it.
    let read = match channel {
        Channel::Wechat if wechat::v2::native::is_path(target) => {
            wechat::v2::native::read(method, target, headers, body, &mut asks)
        }
        Channel::Wechat => wechat::native::read(method, target, headers, body, &mut asks),
        Channel::Alipay => alipay::native::read(method, target, headers, body, opens, &mut asks),
        Channel::Unionpay => unionpay::native::read(method, target, headers, body, &mut asks),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            Err(NativeError::not_allowed("nothing passes through to a bank"))
        }
        Channel::Baidu => Err(NativeError::not_allowed(
            "nothing passes through to the Baidu wallet",
        )),
    };
    let refused = match (refuse_tricks(method, headers, body), read) {
        (Ok(()), Ok(native)) if known(&native.account) => return Ok(native),
        (Ok(()), Ok(_)) => NativeError::new(
            NativeRefusal::Signature(UNPROVEN.into()),
            "the account is not registered here".into(),
            None,
        ),
        (Ok(()), Err(error)) => error,
        (Err(trick), Ok(native)) => {
            asks = native.into();
            trick
        }
        (Err(trick), Err(_)) => trick,
    };
    Err(NativeError {
        asks: Box::new(asks),
        ..refused
    })
}

/// Who we must be in TLS where the channel asks for the merchant's certificate (WeChat V2, channels.md 2.1); `None` where
/// nobody asks.
pub fn identity(channel: Channel, target: &str, account: &AccountNo) -> Option<Identity> {
    match channel {
        Channel::Wechat => wechat::v2::native::identity(target, account),
        _ => None,
    }
}

/// End-to-end request headers that go on to the channel, lower case. `Accept-Encoding` does not: nothing is
/// decompressed on the way back.
pub fn forwarded_headers(channel: Channel, target: &str) -> &'static [&'static str] {
    match channel {
        Channel::Alipay if target.starts_with("/v3/") => &[
            "accept",
            "accept-language",
            "alipay-app-auth-token",
            "alipay-encrypt-type",
            "alipay-encryption-algm",
            "alipay-request-id",
            "alipay-root-cert-sn",
            "authorization",
            "content-type",
            "user-agent",
        ],
        Channel::Wechat => &[
            "accept",
            "accept-language",
            "authorization",
            "content-type",
            "user-agent",
            "wechatpay-serial",
        ],
        Channel::Alipay
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => &["accept", "accept-language", "content-type", "user-agent"],
    }
}

/// Answer headers that go back to the merchant, lower case.
pub fn returned_headers(channel: Channel) -> &'static [&'static str] {
    match channel {
        Channel::Wechat => &[
            "content-type",
            "request-id",
            "wechatpay-nonce",
            "wechatpay-serial",
            "wechatpay-signature",
            "wechatpay-signature-type",
            "wechatpay-timestamp",
        ],
        // All but the first are OpenAPI v3's (channels.md 3.8).
        Channel::Alipay => &[
            "content-type",
            "alipay-nonce",
            "alipay-signature",
            "alipay-sn",
            "alipay-timestamp",
            "alipay-trace-id",
        ],
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => &["content-type"],
    }
}

/// Does the payer's browser bring this request, and shall a page tell it why it is refused? A look only: nothing is read.
pub fn is_by_browser(channel: Channel, target: &str, body: &[u8]) -> bool {
    channel == Channel::Alipay && alipay::native::is_by_browser(target, body)
}

/// A whole file and no message: larger than answers are, and it says nothing of an order (WeChat's bills, UnionPay's settlement
/// file in its answer).
pub fn is_file(channel: Channel, target: &str) -> bool {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    match channel {
        Channel::Wechat => wechat::is_bill_file(path) || wechat::v2::native::is_bill(target),
        Channel::Unionpay => target == unionpay::FILES,
        _ => false,
    }
}

/// Does the request ask WeChat to charge a payment code by APIv3, which is for accounts that have it (channels.md 1.12)?
pub fn is_codepay(channel: Channel, target: &str) -> bool {
    channel == Channel::Wechat && target.starts_with("/v3/") && target.ends_with("/transactions/codepay")
}

/// Headers by which a request could mean something else to somebody else than to us.
pub const TRICKS: [&str; 5] = [
    "content-encoding",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
    "upgrade",
];

fn refuse_tricks(method: &str, headers: &http::HeaderMap, body: &[u8]) -> Result<(), NativeError> {
    if let Some(trick) = TRICKS.iter().find(|name| headers.contains_key(**name)) {
        return Err(NativeError::twofold(format!("header {trick} is not accepted")));
    }
    if method == "GET" && !body.is_empty() {
        return Err(NativeError::twofold("a body on GET is not accepted"));
    }
    Ok(())
}

/// The one value of a header that may stand once only.
pub(crate) fn only<'a>(headers: &'a http::HeaderMap, name: &str) -> Result<Option<&'a str>, NativeError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(NativeError::twofold(format!("header {name} stands twice")));
    }
    let text = first.map(|value| value.to_str()).transpose();
    text.map_err(|_| NativeError::twofold(format!("header {name} is not plain text")))
}

/// `Content-Type` must be this, in UTF-8 where it says.
pub(crate) fn require_content_type(headers: &http::HeaderMap, wanted: &str) -> Result<(), NativeError> {
    let wrong = || NativeError::twofold(format!("header content-type must be {wanted} in utf-8"));
    let value = only(headers, "content-type")?.ok_or_else(wrong)?;
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case(wanted));
    let utf8 = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        name.trim().eq_ignore_ascii_case("charset")
            && value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    };
    if kind && parts.all(utf8) {
        Ok(())
    } else {
        Err(wrong())
    }
}
