//! V2's answers: three layers of success, one inside the other (channels.md 2.1).

use super::{Message, codes, facts};
use crate::{Account, Answer, Authentic, Failure, FailureClass, ReverseView, Signed, keys};
use domain::{Operation, PayWay, Reach, Unclear};
use std::sync::Arc;

/// An answer is signed with the key of the request; only one that says `return_code` `FAIL` may come without, and proves
/// nothing.
pub(crate) fn authenticate(account: &Account, status: u16, body: &[u8]) -> Result<Authentic, Unclear> {
    if status != 200 {
        return Err(Unclear::ChannelError);
    }
    let said = Message::read(body).map_err(|_| Unclear::Garbage)?;
    match (said.get("return_code"), said.fields.has("sign")) {
        (Some("FAIL"), false) => Ok(Authentic::Unsigned),
        (Some("SUCCESS" | "FAIL"), _) => Ok(Authentic::Signed(Signed {
            method: domain::SignMethod::Signature,
            certificate: None,
            key: keys::wechat_apiv2(&account.account).map_err(|_| Unclear::Signature)?,
            message: said.message().to_vec(),
            signature: said.signature().ok_or(Unclear::Signature)?,
        })),
        _ => Err(Unclear::Garbage),
    }
}

/// Reads an answer.
pub(crate) fn read(
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    status: u16,
    body: &[u8],
) -> Answer {
    if status != 200 {
        return Answer::Unclear(Unclear::ChannelError);
    }
    let garbage = || Answer::Unclear(Unclear::Garbage);
    let Ok(said) = Message::read(body) else {
        return garbage();
    };
    match (said.get("return_code"), said.get("result_code")) {
        // The transport failed, and only a text says how. Nothing is known of the order; a read may simply have failed.
        (Some("FAIL"), _) => Answer::Failed(Failure {
            code: Arc::from("FAIL"),
            class: FailureClass::Unknown,
        }),
        (Some("SUCCESS"), _) if !is_of(account, &said) => garbage(),
        (Some("SUCCESS"), Some("SUCCESS")) => success(operation, pay_way, &said).unwrap_or_else(garbage),
        (Some("SUCCESS"), Some("FAIL")) => failed(operation, pay_way, &said),
        _ => garbage(),
    }
}

/// It names the account that was asked for, and in partner mode the merchant.
fn is_of(account: &Account, said: &Message) -> bool {
    let merchant = account.is_partner().then_some(account.payee.as_str());
    said.get("mch_id") == Some(account.account.as_str()) && said.get("sub_mch_id") == merchant
}

fn success(operation: Operation, pay_way: PayWay, said: &Message) -> Option<Answer> {
    match operation {
        Operation::Create if pay_way.charges() => facts::paid_now(said).map(Answer::State),
        Operation::Create => placed(pay_way, said).map(Answer::Placed),
        Operation::Close => Some(Answer::Closed),
        Operation::Query => facts::order(said).map(Answer::State),
        Operation::Reverse => reversed(said).map(Answer::Reversed),
        Operation::Refund => facts::refund_taken(said).map(Answer::Refund),
        Operation::RefundQuery => facts::refund(said).map(Answer::Refund),
        Operation::Certificates | Operation::Bill | Operation::Authorize => None,
    }
}

/// What `/pay/unifiedorder` gives (channels.md 2.1): a code, a link, or what calls the wallet up.
fn placed(pay_way: PayWay, said: &Message) -> Option<Reach> {
    let some = |name| said.get(name).map(Arc::from);
    match pay_way {
        PayWay::Native => some("code_url").map(Reach::Code),
        PayWay::Jsapi | PayWay::App | PayWay::Product => some("prepay_id").map(Reach::Prepay),
        PayWay::H5 => some("mweb_url").map(Reach::Link),
        // Other channels' ways, and what charges.
        _ => None,
    }
}

/// `recall` says whether it must be sent again; whether money went back it does not tell (channels.md 2.2).
fn reversed(said: &Message) -> Option<ReverseView> {
    let again = match said.get("recall")? {
        "Y" => true,
        "N" => false,
        _ => return None,
    };
    Some(ReverseView {
        again,
        refunded: None,
        absent: false,
    })
}

fn failed(operation: Operation, pay_way: PayWay, said: &Message) -> Answer {
    let code = said.get("err_code").filter(|code| is_code(code));
    let Some(code) = code else {
        return Answer::Unclear(Unclear::Garbage);
    };
    match (operation, code) {
        (Operation::Create, "USERPAYING") if pay_way.charges() => Answer::Waiting,
        // A reverse is to be sent again, whatever else was wrong with this one.
        (Operation::Reverse, _) if said.get("recall") == Some("Y") => Answer::Reversed(ReverseView {
            again: true,
            refunded: None,
            absent: false,
        }),
        _ => Answer::Failed(Failure {
            code: Arc::from(code),
            class: codes::class(
                operation,
                operation == Operation::Create && pay_way.charges(),
                code,
            ),
        }),
    }
}

/// A code is a short word; anything else could be somebody's data.
fn is_code(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
