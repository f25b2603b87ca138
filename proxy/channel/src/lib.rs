//! The wire language of the licensed channels, and nothing else: no I/O, no keys, no clock (design.md section
//! 2).
//!
//! Facts and opened texts go in; wire octets, the message to sign and the name of the key come out. Octets of
//! answers and notices go in; facts come out. Statements about the channels are those of `channels.md`, cited
//! by section.

mod account;
mod alipay;
mod answer;
pub mod auth_code;
pub mod authorize;
mod baidu;
mod bank;
pub mod bill;
pub mod browser;
mod ccb;
mod cmb;
pub mod dialect;
mod draft;
pub mod form;
mod gbk;
mod goods;
pub mod guard;
mod hand_out;
mod icbc;
pub mod keys;
pub mod native;
pub mod notice;
mod readings;
mod refusal;
pub mod refused;
mod shape;
pub mod strict_json;
pub mod strict_tree;
pub mod strict_xml;
mod times;
mod unionpay;
mod wechat;

pub use account::{Account, Stamp};
pub use alipay::v3 as alipay_v3;
pub use answer::{
    Answer, Authentic, ChannelState, Encrypted, Failure, FailureClass, OrderView, RefundView, ReverseView,
    SealedCertificate, Signed,
};
pub use baidu::query as baidu_query;
pub use draft::{CallUp, ComposeError, CreateFacts, Draft, Identity, RefundFacts, Request, ToSign};
pub use hand_out::HandedOut;
pub use unionpay::{customer_info, read_customer_info};
pub use wechat::group::Part;
pub use wechat::redirect::{RedirectFacts, SealedCard};
pub use wechat::v2 as wechat_v2;

use domain::{
    BankFacts, Breach, Channel, ChannelNo, Combined, Day, Instant, Operation, PayWay, Reach, SignMethod,
    TradeNo, Unclear,
};
use vault::{AuthCode, Buyer, Text};

/// Places an order (channels.md 1.2, 1.3, 3.1).
pub fn create(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat if facts.pay_way == PayWay::Product => {
            wechat::v2::compose::unified(account, stamp, facts, buyer)
        }
        Channel::Wechat => wechat::compose::create(account, stamp, facts, buyer),
        Channel::Alipay => alipay::compose::create(account, stamp, facts, buyer),
        Channel::Unionpay => unionpay::compose::create(account, stamp, facts, buyer),
        // All of their orders are handed out.
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
    }
}

/// Composes an order that the payer's browser or app carries to the channel ([`PayWay::is_handed_out`]); its signature
/// makes it a [`HandedOut`].
pub fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => Err(ComposeError::NotOffered),
        Channel::Alipay => alipay::compose::hand_out(account, stamp, facts, buyer),
        Channel::Unionpay => unionpay::compose::hand_out(account, stamp, facts, buyer),
        Channel::Baidu => baidu::compose::hand_out(account, stamp, facts, buyer),
        Channel::Ccb => ccb::compose::hand_out(account, facts, buyer),
        Channel::Icbc => icbc::compose::hand_out(account, stamp, facts, buyer),
        Channel::Cmb => cmb::compose::hand_out(account, stamp, facts, buyer),
    }
}

/// Charges the payer whose code was scanned (付款码; channels.md 2.2, 3.1). Never to be sent a second time.
pub fn charge(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
    code: &AuthCode,
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat if account.codepay => wechat::codepay::charge(account, stamp, facts, buyer, code),
        Channel::Wechat => wechat::v2::compose::micropay(account, stamp, facts, buyer, code),
        Channel::Alipay => alipay::charge::pay(account, stamp, facts, buyer, code),
        Channel::Unionpay => unionpay::compose::charge(account, stamp, facts, buyer, code),
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
    }
}

/// Undoes a payment-code order: closed if unpaid, paid back if paid (channels.md 2.2, 3.1). UnionPay's (冲正) is sent only where the
/// merchant's own client began it: what a query says afterwards no document tells [unverified].
pub fn reverse(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat if account.codepay => wechat::codepay::reverse(account, stamp, number),
        Channel::Wechat => wechat::v2::compose::reverse(account, stamp, number),
        Channel::Unionpay => unionpay::compose::reverse(account, stamp, number),
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
        Channel::Alipay => alipay::charge::cancel(account, stamp, number),
    }
}

/// Takes back a payment of the same settlement day, whole (消费撤销; channels.md 4.3). Only UnionPay has it: what is taken back is
/// named by UnionPay's number of the payment. It is known by `facts.refund` and its own time of sending, and asked for as a refund is.
pub fn cancel(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    facts: &RefundFacts<'_>,
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Unionpay => unionpay::compose::cancel(account, stamp, pay_way, facts),
        Channel::Wechat | Channel::Alipay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => {
            Err(ComposeError::NotOffered)
        }
    }
}

/// WeChat's payment codes speak V2 in all that is asked of them, but for accounts that have them by APIv3 (channels.md
/// 1.12); an order of native mode one is placed
/// in V2, which alone tells its prepay id (2.4), and is one of APIv3's like any other from then on.
fn is_v2(account: &Account, operation: Operation, pay_way: PayWay) -> bool {
    let placed = pay_way == PayWay::Product && operation == Operation::Create;
    account.channel == Channel::Wechat && ((pay_way.charges() && !account.codepay) || placed)
}

/// Asks for an order of this way to pay.
pub fn query(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    number: &ChannelNo,
) -> Result<Draft, ComposeError> {
    match account.channel {
        _ if is_v2(account, Operation::Query, pay_way) => wechat::v2::compose::query(account, stamp, number),
        Channel::Wechat => wechat::compose::query(account, stamp, number),
        Channel::Alipay => alipay::compose::query(account, stamp, number),
        Channel::Unionpay => unionpay::compose::query(account, stamp, number),
        Channel::Baidu => baidu::compose::query(account, number),
        Channel::Ccb => ccb::compose::query(account, stamp, number),
        Channel::Cmb => cmb::compose::query(account, stamp, number),
        // No query is described, and nothing else that could close one (channels.md 6.2).
        Channel::Icbc => Err(ComposeError::NotOffered),
    }
}

/// Asks for an order by the channel's own number of it, which only Alipay and WeChat take. APIv3 answers for V2's orders too
/// (channels.md section 2), and for a payment's number no channel of ours knows which of the two placed it.
pub fn query_trade(account: &Account, stamp: &Stamp, trade_no: &TradeNo) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Alipay => alipay::compose::query_trade(account, stamp, trade_no),
        Channel::Wechat => wechat::compose::query_trade(account, stamp, trade_no),
        _ => Err(ComposeError::NotOffered),
    }
}

/// Is an order of this way to pay composed for this account? Under 国密 only what needs no signed call-up: how that is signed,
/// no document says (channels.md 1.9).
pub fn composes(account: &Account, pay_way: PayWay) -> bool {
    let called_up = matches!(pay_way, PayWay::Jsapi | PayWay::App);
    account.channel != Channel::Wechat || account.sign_method != SignMethod::Sm2 || !called_up
}

/// Closes an unpaid order. UnionPay has no close: there the order is asked for, and its end is its own `payTimeout`
/// (channels.md 4.3, 4.4); so it is at the Baidu wallet, CCB and CMB. Then the answer is the order's state ([`close_by_word`]).
pub fn close(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => wechat::compose::close(account, stamp, number),
        Channel::Alipay => alipay::compose::close(account, stamp, number),
        Channel::Unionpay => unionpay::compose::query(account, stamp, number),
        Channel::Baidu => baidu::compose::query(account, number),
        Channel::Ccb => ccb::compose::query(account, stamp, number),
        Channel::Cmb => cmb::compose::query(account, stamp, number),
        // No query is described, and nothing else that could close one (channels.md 6.2).
        Channel::Icbc => Err(ComposeError::NotOffered),
    }
}

/// What a query's word on an order comes to as a close's, where the channel has no close and is asked instead ([`close`]).
/// `None` where a close says more than a query.
pub fn close_by_word(channel: Channel, view: &OrderView) -> Option<Answer> {
    match channel {
        Channel::Wechat | Channel::Alipay | Channel::Icbc => None,
        Channel::Unionpay => Some(unionpay::answer::ended(view)),
        Channel::Baidu => Some(Answer::Failed(baidu::answer::ended(view))),
        Channel::Ccb => Some(Answer::Failed(ccb::answer::ended(view))),
        Channel::Cmb => Some(Answer::Failed(cmb::answer::ended(view))),
    }
}

/// Places several orders that one payment pays, all or none (合单; channels.md 1.2), by one message.
pub fn create_combined(
    account: &Account,
    stamp: &Stamp,
    number: &ChannelNo,
    parts: &[Part<'_>],
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => wechat::group::create(account, stamp, number, parts),
        _ => Err(ComposeError::NotOffered),
    }
}

/// Asks for several orders that are paid together (合单; channels.md 1.2).
pub fn query_combined(account: &Account, stamp: &Stamp, with: &Combined) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => wechat::combine::ask(account, stamp, with),
        _ => Err(ComposeError::NotOffered),
    }
}

/// Closes several orders that are paid together: all of them, unpaid.
pub fn close_combined(account: &Account, stamp: &Stamp, with: &Combined) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => wechat::combine::ask_to_close(account, stamp, with),
        _ => Err(ComposeError::NotOffered),
    }
}

/// Pays back an order of this way to pay.
pub fn refund(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    facts: &RefundFacts<'_>,
    reason: Option<&Text>,
) -> Result<Draft, ComposeError> {
    match account.channel {
        _ if is_v2(account, Operation::Refund, pay_way) => {
            wechat::v2::compose::refund(account, stamp, facts, reason)
        }
        Channel::Wechat => wechat::compose::refund(account, stamp, facts, reason),
        Channel::Alipay => alipay::compose::refund(account, stamp, facts, reason),
        // It has no field for a reason.
        Channel::Unionpay => unionpay::compose::refund(account, stamp, pay_way, facts),
        Channel::Baidu => baidu::compose::refund(account, stamp, facts),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
    }
}

/// Asks that an abnormal refund go another way (channels.md 1.2); its answer is a refund's, in APIv3 whatever the order's
/// way to pay.
pub fn redirect_refund(
    account: &Account,
    stamp: &Stamp,
    facts: &RedirectFacts<'_>,
) -> Result<Draft, ComposeError> {
    match account.channel {
        Channel::Wechat => wechat::redirect::compose(account, stamp, facts),
        _ => Err(ComposeError::NotOffered),
    }
}

/// Asks for a refund of an order of this way to pay.
pub fn refund_query(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    number: &ChannelNo,
    refund: &ChannelNo,
) -> Result<Draft, ComposeError> {
    match account.channel {
        _ if is_v2(account, Operation::RefundQuery, pay_way) => {
            wechat::v2::compose::refund_query(account, stamp, refund)
        }
        Channel::Wechat => wechat::compose::refund_query(account, stamp, refund),
        Channel::Alipay => alipay::compose::refund_query(account, stamp, number, refund),
        Channel::Unionpay => unionpay::compose::query(account, stamp, refund),
        Channel::Baidu => baidu::compose::refund_query(account, number, refund),
        Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
    }
}

/// Fetches the channel's certificates: all of them at WeChat (channels.md 1.7), at Alipay the one of this number (3.6).
pub fn certificates(account: &Account, stamp: &Stamp, number: &str) -> Result<Draft, ComposeError> {
    match account.channel {
        // Their certificates are of SM2, and are put there by hand; one of RSA must not come to count.
        Channel::Wechat if account.sign_method == SignMethod::Sm2 => Err(ComposeError::NotOffered),
        Channel::Wechat => wechat::compose::certificates(account, stamp),
        Channel::Alipay => alipay::compose::certificate(account, stamp, number),
        // UnionPay's messages bring their certificate along.
        Channel::Unionpay => Err(ComposeError::NotOffered),
        // They have none.
        Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => Err(ComposeError::NotOffered),
    }
}

/// What the wallet's page or the merchant's app needs to call the payment up; `None` where a code is shown instead (channels.md
/// 1.10).
pub fn call_up(account: &Account, stamp: &Stamp, pay_way: PayWay, reach: &Reach) -> Option<CallUp> {
    match reach {
        // Nobody documents how it is signed under 国密, and no such order is composed here.
        _ if account.sign_method == SignMethod::Sm2 => None,
        // A link needs nothing; what was handed out was signed when it was.
        Reach::Code(_) | Reach::Link(_) | Reach::HandedOut => None,
        // UnionPay's SDK takes the number as it is.
        Reach::Prepay(tn) if account.channel == Channel::Unionpay => {
            Some(CallUp::Ready(serde_json::json!({ "tn": &**tn })))
        }
        Reach::Prepay(prepay_id) => match pay_way {
            PayWay::App => wechat::call_up::in_app(account, stamp, prepay_id),
            // WeChat itself calls it up.
            PayWay::Product => None,
            _ => wechat::call_up::in_wallet(account, stamp, prepay_id),
        }
        .map(CallUp::ToSign),
        Reach::Cashier(trade_no) => Some(CallUp::Ready(serde_json::json!({ "tradeNO": trade_no.as_str() }))),
    }
}

/// True if the channel takes this as an order's number (channels.md 1.3; Alipay's own pages for
/// `out_trade_no`) and names it whole in its bills.
pub fn number_fits(channel: Channel, number: &str) -> bool {
    match channel {
        Channel::Wechat => wechat::compose::number_fits(number),
        Channel::Alipay => alipay::compose::number_fits(number),
        Channel::Unionpay => {
            unionpay::compose::number_fits(number) && number.len() <= unionpay::file::LONGEST_NUMBER
        }
        Channel::Baidu => baidu::compose::number_fits(number),
        Channel::Ccb => ccb::compose::number_fits(number),
        Channel::Icbc => icbc::compose::number_fits(number),
        Channel::Cmb => cmb::compose::number_fits(number),
    }
}

/// Can the channel be asked for an order? ICBC's document describes no query (channels.md 6.2): what it does not tell, nobody
/// learns.
pub const fn can_be_asked(channel: Channel) -> bool {
    !matches!(channel, Channel::Icbc)
}

/// Does some answer of the channel's say that it has no such order? Where no document names the code that does, only the account's
/// signed file can (channels.md 5, 6); else an order that is not there is one that nobody knows of.
//= C95
pub fn says_absent(account: &Account) -> bool {
    match account.channel {
        Channel::Wechat | Channel::Alipay | Channel::Unionpay => true,
        Channel::Baidu | Channel::Ccb | Channel::Cmb => account
            .bank
            .as_ref()
            .is_some_and(|bank| bank.absent_code.is_some()),
        Channel::Icbc => false,
    }
}

/// The same of refunds.
//= C95
pub fn says_refund_absent(account: &Account) -> bool {
    let named = |bank: &BankFacts| bank.absent_refund_code.is_some();
    account.channel != Channel::Baidu || account.bank.as_ref().is_some_and(named)
}

/// Longest number of an order and of a refund, where the channel's are short.
pub const fn longest_number(channel: Channel) -> Option<usize> {
    match channel {
        Channel::Baidu => Some(baidu::compose::LONGEST),
        Channel::Ccb => Some(ccb::compose::LONGEST),
        Channel::Icbc => Some(icbc::compose::LONGEST),
        Channel::Cmb => Some(cmb::compose::LONGEST),
        Channel::Wechat | Channel::Alipay | Channel::Unionpay => None,
    }
}

/// Can the channel write this text? The Baidu wallet speaks GBK, which lacks many characters.
pub fn word_fits(channel: Channel, text: &str) -> bool {
    match channel {
        Channel::Baidu => baidu::compose::word_fits(text),
        Channel::Icbc => icbc::compose::word_fits(text),
        // CMB is told no text at all.
        Channel::Wechat | Channel::Alipay | Channel::Unionpay | Channel::Ccb | Channel::Cmb => true,
    }
}

/// A text of a merchant's that its channel is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// What is sold.
    Description,
    /// What comes back with the notice.
    Attach,
    /// Where the payer's browser goes afterwards.
    ReturnUrl,
}

/// What a text would have to be that the channel's messages cannot carry. What is signed are pairs joined as they stand, in a
/// form or an address that the merchant has before the channel has it: a text that could be cut into further fields would have
/// our key vouch for those.
//= C80
pub fn unfit(channel: Channel, told: Told, text: &str) -> Option<(Breach, String)> {
    if !word_fits(channel, text) {
        return Some((
            Breach::Value,
            format!("a text in characters of GBK, which is what {channel} speaks"),
        ));
    }
    let right = match (channel, told) {
        (Channel::Unionpay, Told::ReturnUrl) if !unionpay::native::is_address(text) => {
            "an address in plain characters of ASCII".to_owned()
        }
        (Channel::Cmb, Told::ReturnUrl) if text.contains('&') => {
            "an address without `&`, by which CMB joins what is signed: use a path, or one parameter".to_owned()
        }
        (Channel::Alipay, Told::ReturnUrl) if alipay::compose::can_be_cut(text) => {
            "an address with none of Alipay's own parameters (sign_type, notify_url, return_url and the like) behind an `&`".to_owned()
        }
        (Channel::Unionpay, Told::ReturnUrl) if form::can_be_cut(text) => {
            "an address with no second parameter, since UnionPay joins what is signed by `&`: use a path, or one parameter".to_owned()
        }
        (Channel::Baidu, _) if form::can_be_cut(text) => {
            "a text without `=` behind an `&`, by which the wallet joins what is signed".to_owned()
        }
        _ => return None,
    };
    Some((Breach::Form, right))
}

/// The first of these texts that the channel's messages cannot carry: nothing that holds it is signed.
pub fn unfit_of(channel: Channel, buyer: &Buyer) -> Option<Told> {
    let told = [
        (Told::Description, Some(&buyer.description)),
        (Told::Attach, buyer.attach.as_ref()),
        (Told::ReturnUrl, buyer.return_url.as_ref()),
    ];
    let unfit = |text: &Text, told| unfit(channel, told, text.expose()).is_some();
    told.into_iter()
        .find(|(told, text)| text.is_some_and(|text| unfit(text, *told)))
        .map(|(told, _)| told)
}

/// How long the channel keeps an order open that names no end, in milliseconds. WeChat: seven days (channels.md 1.3).
/// Alipay: fifteen days, the longest that its `timeout_express` can say [unverified; Alipay's own pages]. UnionPay: a day
/// [unverified].
pub const fn standing_life_ms(channel: Channel) -> i64 {
    const DAY: i64 = 86_400_000;
    match channel {
        Channel::Wechat => 7 * DAY,
        Channel::Alipay => 15 * DAY,
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => DAY,
    }
}

/// CMB counts an order's half hour from when the browser brings it (channels.md 6.4), which may be at its very end; and the last
/// word on it may be a little later.
const CMB_LATER_MS: i64 = 60 * 60_000;

/// Does the channel answer servers at another host than the one that browsers go to (channels.md 6.4)?
pub const fn answers_elsewhere(channel: Channel) -> bool {
    matches!(channel, Channel::Cmb)
}

/// Is this such a host?
pub fn is_server_host(channel: Channel, host: &str) -> bool {
    answers_elsewhere(channel) && cmb::is_server_host(host)
}

/// Until when an order in the payer's hands can still turn out to be paid. Most channels end it at `expires`. CCB's form names no
/// end (channels.md 6.3), and on a later day asks what is settled; so its word that there is nothing counts from the end of
/// the day after that of `expires` on [unverified].
pub const fn open_until(channel: Channel, expires: Instant) -> Instant {
    match channel {
        Channel::Wechat | Channel::Alipay | Channel::Unionpay | Channel::Baidu | Channel::Icbc => expires,
        Channel::Ccb => Day::from_number(expires.day().number() + 2).start(),
        Channel::Cmb => expires.plus_millis(CMB_LATER_MS),
    }
}

/// Whether a channel's word that nothing was paid tells how an order stands at this moment. At CCB only on the order's own day: on
/// the next its answers come from what is settled and what is not by turns (channels.md 6.3).
pub const fn tells_how_it_stands(channel: Channel, begun: Instant, now: Instant) -> bool {
    match channel {
        Channel::Ccb => begun.day().number() == now.day().number(),
        Channel::Wechat | Channel::Alipay | Channel::Unionpay | Channel::Baidu | Channel::Cmb => true,
        Channel::Icbc => false,
    }
}

/// Whether this goods detail holds nothing but what this channel takes, at any depth. The error names places, never values.
pub fn check_detail(channel: Channel, pay_way: PayWay, text: &str) -> Result<(), native::NativeError> {
    goods::check(channel, pay_way, text)
}

/// What must verify before an answer counts, or that none need be there.
pub fn authenticate_answer(
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    status: u16,
    headers: &http::HeaderMap,
    body: &[u8],
    now: Instant,
) -> Result<Authentic, Unclear> {
    match account.channel {
        _ if is_v2(account, operation, pay_way) => wechat::v2::answer::authenticate(account, status, body),
        Channel::Wechat => wechat::answer::authenticate(account, status, headers, body, now),
        Channel::Alipay if alipay::open_api::answers(account, operation) => {
            alipay::open_api::authenticate(account, status, headers, body)
        }
        Channel::Alipay => alipay::answer::authenticate(account, operation, status, body),
        Channel::Unionpay => unionpay::answer::authenticate(account, status, body),
        Channel::Baidu => baidu::answer::authenticate(account, status, body),
        Channel::Ccb => ccb::answer::authenticate(status),
        Channel::Cmb => cmb::answer::authenticate(status),
        // It is asked nothing.
        Channel::Icbc => Err(Unclear::Garbage),
    }
}

/// What an answer to a request of a merchant's own SDK says. The target says in which form it comes (WeChat and
/// Alipay have two each).
pub fn read_native_answer(
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    target: &str,
    status: u16,
    body: &[u8],
) -> Answer {
    let answer = match account.channel {
        Channel::Wechat if wechat::v2::native::is_path(target) => {
            wechat::v2::answer::read(account, operation, pay_way, status, body)
        }
        Channel::Alipay if target.starts_with("/v3/") => {
            alipay::answer::read_v3(operation, pay_way, status, body)
        }
        // Whatever form our own requests for this account have.
        Channel::Alipay => alipay::answer::read(operation, pay_way, status, body),
        _ => return read_answer(account, operation, pay_way, status, body),
    };
    refusal::judged(account.channel, operation, answer)
}

/// What must be decrypted before an answer can be read, once its signature is verified; `None` where it came in clear.
pub fn encrypted_answer(
    account: &Account,
    operation: Operation,
    status: u16,
    body: &[u8],
) -> Result<Option<Encrypted>, Unclear> {
    match account.channel {
        Channel::Wechat
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => Ok(None),
        Channel::Alipay if alipay::open_api::answers(account, operation) => {
            alipay::open_api::encrypted(account, status, body)
        }
        Channel::Alipay => alipay::answer::encrypted(account, operation, status, body),
    }
}

/// The same of an answer to a request that a merchant's own client encrypted, in the form that the target says.
pub fn encrypted_native_answer(
    account: &Account,
    operation: Operation,
    target: &str,
    status: u16,
    body: &[u8],
) -> Result<Option<Encrypted>, Unclear> {
    match account.channel {
        Channel::Alipay if target.starts_with("/v3/") => alipay::open_api::ciphertext(account, status, body),
        Channel::Alipay => alipay::answer::ciphertext(account, operation, status, body),
        _ => Ok(None),
    }
}

/// What the decrypted content of such an answer says.
pub fn read_native_content(
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    target: &str,
    status: u16,
    content: &[u8],
) -> Answer {
    match account.channel {
        Channel::Alipay if !target.starts_with("/v3/") => {
            let answer = alipay::answer::read_content(operation, pay_way, content);
            refusal::judged(account.channel, operation, answer)
        }
        _ => read_native_answer(account, operation, pay_way, target, status, content),
    }
}

/// What decrypted content says.
pub fn read_content(account: &Account, operation: Operation, pay_way: PayWay, content: &[u8]) -> Answer {
    match account.channel {
        Channel::Wechat
        | Channel::Unionpay
        | Channel::Baidu
        | Channel::Ccb
        | Channel::Icbc
        | Channel::Cmb => Answer::Unclear(Unclear::Garbage),
        Channel::Alipay => {
            let answer = match alipay::open_api::answers(account, operation) {
                true => alipay::open_api::read_content(operation, pay_way, content),
                false => alipay::answer::read_content(operation, pay_way, content),
            };
            refusal::judged(account.channel, operation, answer)
        }
    }
}

/// How a verified answer to an order's sending does not fit the request that it answers, where both name what they are about
/// and nobody else can compare them; `None` where it fits, or names nothing.
pub fn names_another(
    channel: Channel,
    operation: Operation,
    request: &[u8],
    answer: &[u8],
) -> Option<domain::Mismatch> {
    match (channel, operation) {
        (Channel::Unionpay, Operation::Create) => unionpay::answer::names_another(request, answer),
        _ => None,
    }
}

/// What an answer says. Answers of the kinds that may come unsigned yield only [`Answer::Failed`] and
/// [`Answer::Unclear`], and never a class that proves closure; but for the Baidu wallet, CCB and CMB, whose are not verified.
pub fn read_answer(
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    status: u16,
    body: &[u8],
) -> Answer {
    let answer = match account.channel {
        _ if is_v2(account, operation, pay_way) => {
            wechat::v2::answer::read(account, operation, pay_way, status, body)
        }
        Channel::Wechat => wechat::answer::read(operation, pay_way, status, body),
        Channel::Alipay if alipay::open_api::answers(account, operation) => {
            alipay::open_api::read(operation, pay_way, status, body)
        }
        Channel::Alipay => alipay::answer::read(operation, pay_way, status, body),
        Channel::Unionpay => unionpay::answer::read(operation, pay_way, status, body),
        Channel::Baidu => baidu::answer::read(account, operation, status, body),
        Channel::Ccb => ccb::answer::read(account, operation, status, body),
        Channel::Cmb => cmb::answer::read(account, operation, status, body),
        Channel::Icbc => Answer::Unclear(Unclear::Garbage),
    };
    refusal::judged(account.channel, operation, answer)
}
