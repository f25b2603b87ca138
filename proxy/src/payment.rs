//! The states of one mutating request. Each is made by one stage only; its fields are readable by the later ones.
//!
//! `Received → Authenticated → Limited → Parsed → Sealed → Claimed → Routed → Admitted → Recorded`

use crate::{accept::Received, named::Cancel};
use channel::Account;
use domain::*;
use ledger::{Held, Order, Reservation};
use policy::registry::MerchantFacts;
use std::{collections::HashMap, sync::Arc};
use vault::{AuthCode, Buyer, Payer, RefundBuyer, Sealed as SealedText, Text};
use zeroize::Zeroizing;

/// What the merchant asks for: facts only.
#[derive(Clone, Debug)]
pub enum Command {
    /// A new order, or the same again.
    Create(Create),
    /// Close an unpaid order.
    Close(OrderRef),
    /// Undo a payment-code order.
    Reverse(OrderRef),
    /// Pay back.
    Refund(Refund),
    /// Let a held refund go.
    Release(OrderRef, RefundNo),
    /// Withdraw a held refund.
    Cancel(OrderRef, RefundNo),
    /// Send an abnormal refund another way.
    Redirect(OrderRef, Redirect),
}

impl Command {
    /// The order that it is about, where that must be on record.
    pub fn order(&self) -> Option<&OrderRef> {
        match self {
            Command::Create(_) => None,
            Command::Close(order)
            | Command::Reverse(order)
            | Command::Release(order, _)
            | Command::Cancel(order, _)
            | Command::Redirect(order, _) => Some(order),
            Command::Refund(refund) => Some(&refund.order),
        }
    }

    /// Its operation.
    pub fn operation(&self) -> Operation {
        match self {
            Command::Create(_) => Operation::Create,
            Command::Close(_) => Operation::Close,
            Command::Reverse(_) => Operation::Reverse,
            Command::Refund(_) | Command::Release(..) | Command::Cancel(..) | Command::Redirect(..) => {
                Operation::Refund
            }
        }
    }
}

/// Facts of a new order.
#[derive(Clone, Debug)]
pub struct Create {
    /// The merchant's number.
    pub order_no: OrderNo,
    /// Channel.
    pub channel: Channel,
    /// Way to pay.
    pub pay_way: PayWay,
    /// Which account, where the merchant says.
    pub account: Option<AccountNo>,
    /// Who is to be paid, where the request says.
    pub payee: Option<PayeeNo>,
    /// The app or mini program, where it is not the account's first.
    pub appid: Option<AppNo>,
    /// The sub-merchant's own app, where the order names one.
    pub sub_appid: Option<AppNo>,
    /// The bank that the payer is led to, where the order names one.
    pub bank: Option<BankNo>,
    /// Fen.
    pub amount: Amount,
    /// When it ends; `None` for the standing time.
    pub expires: Option<Instant>,
    /// That is too near for an attempt that begins now; not for a repeat of one that is on record.
    pub(crate) ends_too_soon: bool,
    /// Payment code.
    pub code: Code,
    /// Terminal.
    pub terminal: Option<TerminalNo>,
    /// Where the terminal says it is: an area code.
    pub area: Option<String>,
    /// What the device that it says it comes from is by the registries, where it names one otherwise than as its `terminal`.
    pub(crate) device: Registered,
    /// The merchant's own code of what kind of sale it is, for routing.
    pub product: Option<ProductNo>,
    /// The number the bytes carry at the channel (pass-through), or that of one of a group; else we choose.
    pub number: Option<ChannelNo>,
    /// The code that the payer scanned, at the payers' pages.
    pub by_code: Option<CodeId>,
    /// At which accounts the payer's id counts.
    pub(crate) payer_at: PayerAt,
    /// The payer says at a code that the former way was not paid.
    pub left: bool,
    /// The orders that are paid together with it, and it (合单).
    pub combined: Option<Combined>,
    /// Why the account of such a group was chosen, where there was a choice.
    pub(crate) route: Option<Arc<RouteTaken>>,
}

/// At which accounts of its wallet a payer's id counts, as far as that does not stand in `appid` (WeChat's openid is of an app).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum PayerAt {
    /// Nobody says more: where the order's app is, or the first account's.
    #[default]
    App,
    /// At every account: Alipay's `user_id` (2088…), which is of no app. But for one that did not answer whose code it was, a
    /// moment ago.
    Everywhere { but: Option<AccountNo> },
    /// At this one only: Alipay's `open_id` is of the app it was got in, and an account is an app there.
    Account(AccountNo),
}

/// What the registries say of a device that an order names in a channel's own fields (R22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Registered {
    /// None is named so.
    #[default]
    None,
    /// A terminal of the merchant's, which stands as `terminal`.
    Own,
    /// None that is registered, though the merchant's terminals are: on record.
    Unknown,
    /// Another merchant's, or not as it is registered: refused, with what would be right.
    Wrong(&'static str),
}

/// Which order.
#[derive(Clone, Debug)]
pub struct OrderRef {
    /// Our number.
    pub id: PaymentId,
    /// The number the bytes carry at the channel (pass-through).
    pub number: Option<ChannelNo>,
    /// The time that belongs to `number` at UnionPay, where the bytes carry one (pass-through).
    pub placed: Option<Instant>,
    /// The channel's own number that the bytes carry (pass-through).
    pub trade_no: Option<TradeNo>,
    /// Whom the bytes act for, where they say so (pass-through).
    pub payee: Option<PayeeNo>,
}

/// Facts of a refund.
#[derive(Clone, Debug)]
pub struct Refund {
    /// Which order.
    pub order: OrderRef,
    /// The merchant's refund number.
    pub refund_no: RefundNo,
    /// Fen.
    pub amount: Amount,
    /// True to wait for the merchant's release.
    pub hold: bool,
    /// The number the bytes carry at the channel (pass-through); else we choose.
    pub number: Option<ChannelNo>,
}

/// Where an abnormal refund shall go instead of back to its source. The card itself is the payer's data and not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// Which refund.
    pub refund_no: RefundNo,
    /// Where.
    pub to: RefundWay,
    /// The bank of the payer's card, in the channel's word.
    pub bank: Option<Arc<str>>,
}

/// Buyer data that came with a request, in clear for the shortest time.
#[derive(Default)]
pub struct Clear {
    /// Of an order that we compose.
    pub buyer: Option<Buyer>,
    /// Of the other orders of a group that is paid together.
    pub others: Vec<(PaymentId, Buyer)>,
    /// The payer's payment code: never sealed (C3).
    pub auth_code: Option<AuthCode>,
    /// Of a refund that we compose.
    pub refund: Option<RefundBuyer>,
    /// Of an order that passes through: only for its token.
    pub payer: Option<Payer>,
    /// Free texts that pass through: only for the pattern scan.
    pub texts: Vec<(&'static str, Text)>,
}

/// Who composed the bytes that go to the channel.
pub enum Cargo {
    /// We will, from facts and sealed texts.
    Compose,
    /// The merchant's SDK did: these octets, wiped when dropped.
    Verbatim(Verbatim),
}

/// A native request as it goes on.
pub struct Verbatim {
    /// Method.
    pub method: http::Method,
    /// Raw path and query.
    pub target: String,
    /// Allow-listed end-to-end headers.
    pub headers: Vec<(String, String)>,
    /// Body octets.
    pub body: Zeroizing<Vec<u8>>,
    /// The account it was signed for.
    pub account: AccountNo,
    /// Its channel.
    pub channel: Channel,
    /// True where it carries another merchant's authorisation: our own key alone cannot ask for what it does.
    pub authorised: bool,
    /// The number of a group of orders that are paid together (合单), and how many of them it names.
    pub group: Option<(ChannelNo, usize)>,
    /// The time by which the channel knows what it is about, beside its number (UnionPay's `txnTime`).
    pub named: Option<Instant>,
    /// What a consume-cancel at UnionPay names (消费撤销).
    pub cancel: Option<Cancel>,
    /// The payer's browser brought it, and goes on with it to the channel itself.
    pub by_browser: bool,
    /// Its content is encrypted, and so will the answer's be.
    pub encrypted: bool,
}

impl Create {
    /// Opened at a code in its wallet's own browser, where the wallet was asked who pays: should no account serve at which
    /// that id counts, it can be asked once more, by another account's app.
    pub(crate) fn is_in_its_wallet(&self) -> bool {
        self.by_code.is_some() && self.pay_way == PayWay::Jsapi
    }
}

impl Cargo {
    /// Unified or pass-through.
    pub fn carried(&self) -> Carried {
        match self {
            Cargo::Compose => Carried::Unified,
            Cargo::Verbatim(_) => Carried::PassThrough,
        }
    }
}

/// A known merchant with a fresh signature.
pub struct Authenticated {
    pub(crate) received: Received,
    pub(crate) merchant: Arc<MerchantFacts>,
    /// When the caller says it was signed.
    pub(crate) signed_at: Instant,
    pub(crate) native: Option<channel::native::Native>,
    /// The terminal whose key it is, where it is one's.
    pub(crate) terminal: Option<TerminalNo>,
    /// The signature itself, where the channel's protocol has no nonce.
    pub(crate) mark: Option<String>,
}

/// Within the merchant's rate.
pub struct Limited(pub(crate) Authenticated);

/// A lawful request: facts apart from buyer data.
pub struct Parsed {
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) signed_at: Instant,
    /// See [`Authenticated`].
    pub(crate) mark: Option<String>,
    pub(crate) command: Command,
    /// The same for the other orders of a group that is paid together.
    pub(crate) also: Vec<Command>,
    pub(crate) cargo: Cargo,
    pub(crate) clear: Clear,
}

/// Buyer data sealed; plaintext ends here.
pub struct Sealed {
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) signed_at: Instant,
    /// See [`Authenticated`].
    pub(crate) mark: Option<String>,
    pub(crate) command: Command,
    /// See [`Parsed`].
    pub(crate) also: Vec<Command>,
    pub(crate) cargo: Cargo,
    pub(crate) texts: Texts,
    pub(crate) payer: Option<PayerToken>,
    pub(crate) patterns: Vec<(&'static str, Pattern)>,
    pub(crate) id: PaymentId,
}

/// Sealed texts of one request, and what must not be sealed.
#[derive(Default)]
pub(crate) struct Texts {
    /// In memory for this one forward, then gone (C3).
    pub(crate) auth_code: Option<AuthCode>,
    pub(crate) buyer: Option<SealedText<Buyer>>,
    /// Of the other orders of a group that is paid together.
    pub(crate) others: HashMap<PaymentId, SealedText<Buyer>>,
    pub(crate) refund: Option<SealedText<RefundBuyer>>,
}

/// The only one that works on this number now.
pub struct Claimed {
    pub(crate) sealed: Sealed,
    pub(crate) held: Held,
    /// The order as it stands, if there is one.
    pub(crate) order: Option<Arc<Order>>,
    /// Digest of what makes a repeat the same.
    pub(crate) content: KeyedDigest,
    /// The attempt that a native close or refund means, from 1.
    pub(crate) target: Option<u16>,
    /// The same for the other orders of a group that is paid together.
    pub(crate) also: Vec<Also>,
    /// The claim on a new group's own number, until each of its orders is on record.
    pub(crate) group: Option<Held>,
}

/// Another order of a group that is paid together (合单): each is claimed, judged, recorded and settled on its own, and one
/// message carries them all.
pub(crate) struct Also {
    pub(crate) command: Command,
    pub(crate) id: PaymentId,
    pub(crate) held: Held,
    pub(crate) order: Option<Arc<Order>>,
    pub(crate) content: KeyedDigest,
    pub(crate) target: Option<u16>,
}

impl Claimed {
    /// The paid attempt that a refund goes back from: the one that native bytes mean, the one it was held for, else the
    /// winning one.
    pub(crate) fn refunded_attempt(&self, order: &Order) -> Option<u16> {
        match &self.sealed.command {
            Command::Release(_, no) => order.refund(no).map(|refund| refund.attempt),
            Command::Redirect(_, asked) => order.refund(&asked.refund_no).map(|refund| refund.attempt),
            _ => self
                .target
                .or_else(|| order.winner().map(|(position, _)| position)),
        }
    }
}

/// An account of the merchant is chosen.
pub struct Routed {
    pub(crate) claimed: Claimed,
    pub(crate) account: Arc<Account>,
    pub(crate) keys: Keys,
    /// The app to put on record, where it is not the account's first.
    pub(crate) appid: Option<AppNo>,
    /// Accounts that a new order may go to next, in order.
    pub(crate) next: Vec<AccountNo>,
    /// Why this account, where there was a choice.
    pub(crate) route: Option<Arc<RouteTaken>>,
}

/// Policy said yes.
pub struct Admitted {
    pub(crate) routed: Routed,
    pub(crate) reservations: Vec<Reservation>,
}

/// On record, durable: the only state that can be sent.
pub struct Recorded {
    pub(crate) merchant: Arc<MerchantFacts>,
    pub(crate) order: Arc<Order>,
    pub(crate) account: Arc<Account>,
    pub(crate) cargo: Cargo,
    pub(crate) texts: Texts,
    pub(crate) errand: Errand,
    pub(crate) held: Held,
    /// The same for the other orders of a group that is paid together.
    pub(crate) also: Vec<(Arc<Order>, Errand, Held)>,
}

/// What is on record to be done at the channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Place this attempt.
    Place(u16),
    /// Close this attempt.
    Close(u16),
    /// Reverse this attempt.
    Reverse(u16),
    /// Send this refund.
    Refund(RefundNo),
    /// Send this abnormal refund another way.
    Redirect(Redirect),
}
