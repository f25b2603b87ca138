//! The forms of what a snapshot holds: every field of every record, every word, every case.

use super::{
    Header,
    form::{Form, In, Names, Out, Shape},
};
use crate::{
    Attempt, Closing, Count, NewCode, Order, PayCode, Refund, Reversing,
    bills::{BillHead, TakenBill},
    heads::Numbers,
    lost::Lost,
    tells::Tell,
};
use domain::*;
use std::sync::Arc;

/// All fields of a record, in the order in which they stand.
macro_rules! records {
    ($($name:ident { $($field:ident),+ $(,)? })+) => { $(
        impl Form for $name {
            fn shape(of: &mut Shape) {
                of.word(stringify!($name));
                $(
                    of.word(stringify!($field));
                    of.field(|all: &$name| &all.$field);
                )+
            }
            fn put(&self, out: &mut Out<'_>) {
                let $name { $($field),+ } = self;
                $( $field.put(out); )+
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                Some($name { $($field: Form::take(from)?),+ })
            }
        }
    )+ };
}

/// All words of a list of words.
macro_rules! words {
    ($($name:ident { $($word:ident),+ $(,)? })+) => { $(
        impl Form for $name {
            fn shape(of: &mut Shape) {
                of.word(stringify!($name));
                $( of.word(&format!("{} = {}", stringify!($word), $name::$word as u8)); )+
            }
            fn put(&self, out: &mut Out<'_>) {
                out.octets.push(match self {
                    $( $name::$word => $name::$word as u8 ),+
                });
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                match from.octet()? {
                    $( octet if octet == $name::$word as u8 => Some($name::$word), )+
                    _ => None,
                }
            }
        }
    )+ };
}

/// All cases of a choice, with what each carries.
macro_rules! choices {
    ($($name:ident { $($number:literal = $case:ident { $($at:tt: $field:ident as $ty:ty),* }),+ $(,)? })+) => { $(
        impl Form for $name {
            fn shape(of: &mut Shape) {
                of.word(stringify!($name));
                $(
                    of.word(stringify!($number = $case));
                    $( <$ty>::shape(of); )*
                )+
            }
            fn put(&self, out: &mut Out<'_>) {
                match self {
                    $( $name::$case { $($at: $field),* } => {
                        out.octets.push($number);
                        $( $field.put(out); )*
                    } )+
                }
            }
            fn take(from: &mut In<'_>) -> Option<Self> {
                match from.octet()? {
                    $( $number => Some($name::$case { $($at: <$ty>::take(from)?),* }), )+
                    _ => None,
                }
            }
        }
    )+ };
}

records! {
    Order { id, merchant, order_no, by_code, last, attempts, refunds, mismatched }
    Attempt {
        index, at, account, amount, appid, bank, carried, channel, code, content, expires, keys, number, pay_way, payee, payer,
        sub_appid, terminal, terminal_match, state, reach, paid, declined, unclear, not_placed, closing, reversing, paid_seal, combined,
        named,
    }
    Refund {
        refund_no, number, amount, attempt, cause, state, at, intended, tries, trade_no, refunded_at, done, code, named,
    }
    Closing { reason, refused, unknown, looked }
    Reversing { reason, at, refused, unknown, refunded, done, named, looked }
    Code { kind, level }
    Combined { number, parts }
    CombinedPart { number, payee }
    PaidFacts { amount, bank_type, number, paid_at, trade_no }
    PayerToken { epoch, token }
    SealRef { bucket, records }
    Shop { address, id, name }
    TerminalMatch { area, registry, store, term_id, tuple }
}

records! {
    Header {
        next, orders, newest, numbers, tells, cases, cases_at, measures, epochs, totals, codes, bills, lost, registries,
    }
    Names { merchants, accounts, payees, apps }
    Numbers { mseq, tell }
    Tell { merchant, seq, order, index, at }
    Measure { effect, id, subject, until }
    PayCode { id, merchant, facts, index, made, revoked }
    NewCode { code_no, code, amount, order_no, payee, expires, terminal, title }
    BillKey { account, channel, day, kind }
    BillHead { merchant, tries, asked, refused, taken, differs, early, unanswered, matched, moved, resolved }
    TakenBill { index, digest, entries }
    Lost { channel, account, class }
    RegistryVersion { kind, acquirer, version, digest }
}

words! {
    AttemptState { Intended, Placed, NotPlaced, Unknown, Paid, Closed, Reversed, Unresolved }
    BillKind { Trade, Funds, Queried }
    Carried { Unified, PassThrough }
    Channel { Wechat, Alipay, Unionpay, Baidu, Ccb, Icbc, Cmb }
    CloseReason { Merchant, Expiry, Replaced, PayerLeft }
    CodeKind { Static, Dynamic }
    CodeLevel { A, B, C, D }
    Effect { Stop, Lift }
    Keys { Held, Merchant }
    Mismatch { Amount, Account, State, TradeNo, Number }
    NotPlaced { Refused, BuyerDataGone, NeverSent, NotThere, AnswerLost }
    OperationClass { Place, Change, Ask }
    PayWay { Native, Product, Jsapi, Qr, Micropay, H5, App, Page, Wap, Gateway, GatewayB2b }
    Proof { Answer, Query, Notice }
    RefundCause { Merchant, Surplus }
    RefundState { Held, Intended, Processing, Unknown, Succeeded, Failed, Abnormal, Cancelled, Unresolved }
    Registry { Licence, Acquirer, Operator }
    Resolution { BillStands, RecordStands, Explained }
    ReverseReason { Merchant, Unpaid, Unknown, Replaced }
    Unclear { Timeout, Connection, ChannelError, Signature, Garbage, Restart, NotOpened }
}

choices! {
    Reach {
        0 = Code { 0: text as Arc<str> },
        1 = Prepay { 0: text as Arc<str> },
        2 = Cashier { 0: number as TradeNo },
        3 = Link { 0: text as Arc<str> },
        4 = HandedOut {},
    }
    Count {
        0 = Payer { 0: token as PayerToken, 1: level as CodeLevel },
        1 = Merchant { 0: merchant as MerchantId },
    }
    Subject {
        0 = Account { account: account as AccountNo, channel: channel as Channel },
        1 = Merchant { 0: merchant as MerchantId },
    }
}

#[cfg(test)]
mod tests {
    use super::super::form::digest;

    /// A list of words of a type whose words stand in this order.
    macro_rules! build {
        ($build:ident: $($word:ident),+) => {
            mod $build {
                use super::super::*;
                pub(super) enum Word { $($word),+ }
                words! { Word { A, B } }
            }
        };
    }

    build!(one: A, B);
    build!(same: A, B);
    build!(other: B, A);

    /// The same octet is another word there.
    #[test]
    fn a_build_that_gives_its_words_other_numbers_has_another_form() {
        assert_eq!(digest::<one::Word>(1), digest::<same::Word>(1));
        assert_ne!(digest::<one::Word>(1), digest::<other::Word>(1));
    }
}
