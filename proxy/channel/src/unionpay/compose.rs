//! Requests to UnionPay (channels.md 4.1–4.3): POST, a form in UTF-8, blank fields left out.
//!
//! The merchant number is the account's own and no field names anybody else, so nobody else can be paid.

use super::{APP, BACK, FRONT, QUERY, facts, seal, times};
use crate::{
    Account, ComposeError, CreateFacts, Draft, RefundFacts, Request, Stamp,
    draft::{Parameter, Place},
    form,
};
use domain::{Amount, BankNo, ChannelNo, PayWay, SignMethod};
use vault::{AuthCode, Buyer, Text};
use zeroize::Zeroizing;

/// 8 to 40 letters and digits, no `-` and no `_` (channels.md 4.3).
pub(crate) fn number_fits(number: &str) -> bool {
    (8..=40).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// What kind of transaction a message is (channels.md 4.3).
struct Kind {
    target: &'static str,
    txn_type: &'static str,
    sub_type: &'static str,
    biz_type: &'static str,
    /// 07 a computer, 08 a phone.
    channel_type: &'static str,
}

const APPLY_CODE: Kind = Kind {
    target: BACK,
    txn_type: "01",
    sub_type: "07",
    biz_type: "000000",
    channel_type: "08",
};
const CHARGE: Kind = Kind {
    target: BACK,
    txn_type: "01",
    sub_type: "06",
    biz_type: "000000",
    channel_type: "08",
};
const IN_APP: Kind = Kind {
    target: APP,
    txn_type: "01",
    sub_type: "01",
    biz_type: "000201",
    channel_type: "08",
};
const B2C: Kind = Kind {
    target: FRONT,
    txn_type: "01",
    sub_type: "01",
    biz_type: "000201",
    channel_type: "07",
};
const B2B: Kind = Kind {
    target: FRONT,
    txn_type: "01",
    sub_type: "01",
    biz_type: "000202",
    channel_type: "07",
};
const ASK: Kind = Kind {
    target: QUERY,
    txn_type: "00",
    sub_type: "00",
    biz_type: "000000",
    channel_type: "07",
};
/// A payment code's charge undone by its own number (冲正), in the words of UnionPay's own sample.
const REVERSAL: Kind = Kind {
    target: BACK,
    txn_type: "99",
    sub_type: "01",
    biz_type: "000000",
    channel_type: "08",
};
/// What goes back (`04` a refund, `31` a cancel) names the product by which it was paid. So do UnionPay's own samples of the gateway and
/// the app (000201, 07), of codes (000000) and a shop's of companies' banking (000202, 07). Of codes the samples name a computer, public
/// clients that follow its pages the phone, as the order itself did.
fn going_back(txn_type: &'static str, pay_way: PayWay) -> Result<Kind, ComposeError> {
    let (biz_type, channel_type) = match pay_way {
        PayWay::Qr | PayWay::Micropay => ("000000", "08"),
        PayWay::App | PayWay::Gateway => ("000201", "07"),
        PayWay::GatewayB2b => ("000202", "07"),
        _ => return Err(ComposeError::NotOffered),
    };
    Ok(Kind {
        target: BACK,
        txn_type,
        sub_type: "00",
        biz_type,
        channel_type,
    })
}

/// Applies for a code that the payer scans (主扫), or for the `tn` that the merchant's app hands to UnionPay's.
pub(crate) fn create(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let kind = match facts.pay_way {
        PayWay::Qr => APPLY_CODE,
        PayWay::App => IN_APP,
        _ => return Err(ComposeError::NotOffered),
    };
    let mut parameters = order(account, stamp, &kind, facts, buyer)?;
    if facts.pay_way == PayWay::Qr {
        put(&mut parameters, "termId", terminal(facts));
    }
    sealed(account, kind.target, parameters)
}

/// The form that the payer's browser posts to UnionPay's gateway: online banking of a person or a company.
pub(crate) fn hand_out(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let kind = match facts.pay_way {
        PayWay::Gateway => B2C,
        PayWay::GatewayB2b => B2B,
        _ => return Err(ComposeError::NotOffered),
    };
    // Whoever names a phone's browser gets the phone's page.
    let kind = Kind {
        channel_type: if buyer.h5_type.is_some() {
            "08"
        } else {
            kind.channel_type
        },
        ..kind
    };
    let mut parameters = order(account, stamp, &kind, facts, buyer)?;
    put(
        &mut parameters,
        "frontUrl",
        buyer.return_url.as_ref().map(Text::expose),
    );
    put(
        &mut parameters,
        "issInsCode",
        bank(account, facts)?.map(BankNo::as_str),
    );
    sealed(account, kind.target, parameters)
}

/// The bank that the gateway is to lead to: one of the account's own list (`issInsCode`, channels.md 4.3 [unverified]).
//= C84
fn bank<'a>(account: &Account, facts: &CreateFacts<'a>) -> Result<Option<&'a BankNo>, ComposeError> {
    let listed = |code: &BankNo| {
        account
            .bank
            .as_ref()
            .is_some_and(|bank| bank.listed(code, facts.pay_way).is_some())
    };
    match facts.bank {
        Some(code) if !listed(code) => Err(ComposeError::Account(
            "bank.listed with this bank for this way to pay",
        )),
        named => Ok(named),
    }
}

/// Charges the payer of this code (被扫). The code stands in this one message and nowhere else.
pub(crate) fn charge(
    account: &Account,
    stamp: &Stamp,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
    code: &AuthCode,
) -> Result<Draft, ComposeError> {
    let mut parameters = order(account, stamp, &CHARGE, facts, buyer)?;
    put(&mut parameters, "qrNo", Some(code.expose()));
    put(&mut parameters, "termId", terminal(facts));
    sealed(account, CHARGE.target, parameters)
}

/// The terminal's number at UnionPay, which stands in the codes of both directions (channels.md U2). An area code stands in
/// the acquirers' own messages only (`areaInfo`, channels.md 4.6).
//= C86
fn terminal<'a>(facts: &CreateFacts<'a>) -> Option<&'a str> {
    facts.place.and_then(|place| place.term_id.as_deref())
}

/// Asks for an order or a refund: by its number and its time of sending.
pub(crate) fn query(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    sealed(account, ASK.target, common(account, stamp, &ASK, number)?)
}

/// Pays back.
pub(crate) fn refund(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    facts: &RefundFacts<'_>,
) -> Result<Draft, ComposeError> {
    back(account, stamp, &going_back("04", pay_way)?, facts)
}

/// Takes a payment of the same settlement day back, whole (消费撤销).
pub(crate) fn cancel(
    account: &Account,
    stamp: &Stamp,
    pay_way: PayWay,
    facts: &RefundFacts<'_>,
) -> Result<Draft, ComposeError> {
    if facts.amount != facts.total {
        return Err(ComposeError::Missing("the full amount"));
    }
    back(account, stamp, &going_back("31", pay_way)?, facts)
}

/// Undoes a payment code's charge by the charge's own number and time, whatever became of it (冲正).
pub(crate) fn reverse(account: &Account, stamp: &Stamp, number: &ChannelNo) -> Result<Draft, ComposeError> {
    sealed(
        account,
        REVERSAL.target,
        common(account, stamp, &REVERSAL, number)?,
    )
}

/// Money goes back to where it came from: what was paid is named by UnionPay's own number of the payment.
fn back(
    account: &Account,
    stamp: &Stamp,
    kind: &Kind,
    facts: &RefundFacts<'_>,
) -> Result<Draft, ComposeError> {
    let mut parameters = common(account, stamp, kind, facts.refund)?;
    let paid = facts.trade_no.ok_or(ComposeError::Missing(
        "UnionPay's number of the payment (queryId)",
    ))?;
    put(&mut parameters, "origQryId", Some(paid.as_str()));
    put(&mut parameters, "txnAmt", Some(&fen(facts.amount)));
    put(&mut parameters, "currencyCode", Some("156"));
    put(&mut parameters, "backUrl", Some(&account.notify_url));
    sealed(account, kind.target, parameters)
}

/// What every order says. `description` has no field at UnionPay and stays here.
fn order(
    account: &Account,
    stamp: &Stamp,
    kind: &Kind,
    facts: &CreateFacts<'_>,
    buyer: &Buyer,
) -> Result<Vec<Parameter>, ComposeError> {
    let mut parameters = common(account, stamp, kind, facts.number)?;
    put(&mut parameters, "txnAmt", Some(&fen(facts.amount)));
    put(&mut parameters, "currencyCode", Some("156"));
    put(&mut parameters, "backUrl", Some(&account.notify_url));
    put(
        &mut parameters,
        "payTimeout",
        Some(&times::written(facts.expires)),
    );
    let attach = buyer
        .attach
        .as_ref()
        .map(|text| Zeroizing::new(facts::packed(text.expose())));
    // [unverified in channels.md; UnionPay's own samples]
    put(
        &mut parameters,
        "reqReserved",
        attach.as_ref().map(|text| text.as_str()),
    );
    Ok(parameters)
}

fn common(
    account: &Account,
    stamp: &Stamp,
    kind: &Kind,
    number: &ChannelNo,
) -> Result<Vec<Parameter>, ComposeError> {
    if !number_fits(number.as_str()) {
        return Err(ComposeError::Number);
    }
    if account.payee.as_str() != account.account.as_str() {
        return Err(ComposeError::Account(
            "payee of its own: at UnionPay the merchant number is who is paid",
        ));
    }
    let mut parameters = Vec::with_capacity(20);
    put(&mut parameters, "version", Some("5.1.0"));
    put(&mut parameters, "encoding", Some("UTF-8"));
    put(&mut parameters, "signMethod", Some(account.sign_method.as_str()));
    put(&mut parameters, "txnType", Some(kind.txn_type));
    put(&mut parameters, "txnSubType", Some(kind.sub_type));
    put(&mut parameters, "bizType", Some(kind.biz_type));
    put(&mut parameters, "channelType", Some(kind.channel_type));
    put(&mut parameters, "accessType", Some("0"));
    put(&mut parameters, "merId", Some(account.account.as_str()));
    put(&mut parameters, "orderId", Some(number.as_str()));
    put(&mut parameters, "txnTime", Some(&times::written(stamp.begun)));
    if account.sign_method == SignMethod::Signature {
        let serial = account.serial.as_deref().ok_or(ComposeError::Account(
            "serial (certId) of the merchant's certificate",
        ))?;
        put(&mut parameters, "certId", Some(serial));
    }
    Ok(parameters)
}

pub(super) fn put(parameters: &mut Vec<Parameter>, name: &'static str, value: Option<&str>) {
    let value = value.filter(|value| !value.is_empty());
    parameters.extend(value.map(|value| (name, Zeroizing::new(value.to_owned()))));
}

fn fen(amount: Amount) -> String {
    amount.fen().to_string()
}

/// The string to sign: sorted, values as they are, nothing blank (channels.md 4.2).
pub(super) fn sealed(
    account: &Account,
    target: &str,
    mut parameters: Vec<Parameter>,
) -> Result<Draft, ComposeError> {
    parameters.sort_by_key(|(name, _)| *name);
    let pairs: Vec<(&str, &str)> = parameters
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let message = seal::message(account.sign_method, form::join(&pairs));
    let request = Request {
        method: "POST".into(),
        target: target.into(),
        headers: vec![
            ("Accept".into(), "*/*".into()),
            ("User-Agent".into(), "guandao/0.1".into()),
            (
                "Content-Type".into(),
                "application/x-www-form-urlencoded;charset=UTF-8".into(),
            ),
        ],
        body: Zeroizing::default(),
        identity: None,
    };
    Ok(Draft {
        message,
        key: seal::own_key(account)?,
        content_key: None,
        place: Place::Signature {
            request,
            parameters,
            method: account.sign_method,
        },
    })
}
