//! An abnormal refund, which the payer's account cannot take, goes another way (channels.md 1.2): to a bank card of the
//! payer's, or to the bank account that the channel has on file for the merchant. The card comes sealed, is opened for the
//! one call, and leaves sealed for the channel (channels.md 1.8).

use crate::{
    app::App,
    errand::context,
    exchange::{Exchanged, ask},
    fault::{Code, Fault},
    payment::Redirect,
    settle::{self, Ending, Settled},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::{Account, Answer, RedirectFacts, SealedCard};
use domain::*;
use ledger::{Order, Refund};
use std::sync::Arc;
use vault::{RefundBuyer, Sealed, Text};
use zeroize::Zeroizing;

/// Only what the channel calls abnormal, where the channel has such a call and we have what it needs.
pub(crate) fn may_go(app: &App, account: &Account, refund: &Refund, asked: &Redirect) -> Result<(), Fault> {
    let no = |what: &str| Err(Fault::new(Code::OperationNotAllowed, what));
    match () {
        () if account.channel != Channel::Wechat => no("This channel has no other way for a refund."),
        () if refund.state != RefundState::Abnormal => no(
            "Only a refund that the channel calls abnormal goes another way; this one goes back to its source.",
        ),
        () if refund.trade_no.is_none() => {
            no("The channel has not told its own number of this refund yet; ask for the refund, then repeat.")
        }
        () if asked.bank.is_some() && account.sign_method == SignMethod::Sm2 => no(
            "This account signs by SM2, and no document says how a card is sealed then; to merchant_account it goes.",
        ),
        () if asked.bank.is_some() && platform(app, account).is_none() => {
            no("None of the channel's keys is here under which the card could be sealed; ask the operator.")
        }
        () => Ok(()),
    }
}

/// The channel's key and its serial: the account's public key, else the newest platform certificate that we have.
fn platform(app: &App, account: &Account) -> Option<(KeyRef, String)> {
    if let Some(serial) = account.platform.as_deref() {
        let key = channel::keys::wechat_platform(&account.account, serial).ok()?;
        if app.keys().has(&key) {
            return Some((key, serial.to_owned()));
        }
    }
    let folder = KeyRef::new(format!("wechat/{}/platform", account.account)).ok()?;
    // In certificate mode a certificate, although a public key may lie there too while the modes change (channels.md 1.8).
    let certificate = |name: &str| !name.starts_with("PUB_KEY_ID_");
    let keys = app.keys();
    let key = keys
        .last_named(&folder, "RSA public key", certificate)
        .or_else(|| keys.last_in(&folder, "RSA public key"))?;
    let serial = key.as_str().rsplit('/').next()?.to_owned();
    Some((key, serial))
}

/// Sends what is on record.
pub(crate) async fn send(
    app: &App,
    account: &Account,
    order: &Arc<Order>,
    asked: &Redirect,
    sealed: Option<Sealed<RefundBuyer>>,
) -> Settled {
    let stays = || {
        let event = TradeEvent::RefundAbnormal {
            refund_no: asked.refund_no.clone(),
        };
        Settled::of(vec![event.into()], Ending::Recorded)
    };
    let Some((refund, refund_id)) = order
        .refund(&asked.refund_no)
        .and_then(|refund| Some((refund, refund.trade_no.as_ref()?)))
    else {
        return stays();
    };
    let card = match (asked.to, sealed) {
        (RefundWay::MerchantAccount, _) => None,
        (RefundWay::PayerCard, Some(sealed)) => match card(app, account, order, &sealed) {
            Ok(card) => Some(card),
            Err(reason) => {
                tracing::warn!(%reason, "an abnormal refund was not sent another way");
                return stays();
            }
        },
        (RefundWay::PayerCard, None) => return stays(),
    };
    let facts = RedirectFacts {
        refund: &refund.number,
        refund_id,
        to: asked.to,
        bank: asked.bank.as_deref(),
        card,
    };
    app.step("before_send");
    let exchanged = ask(app, account, Operation::Refund, PayWay::Native, |stamp| {
        channel::redirect_refund(account, stamp, &facts)
    })
    .await;
    drop(facts);
    app.step("after_send");
    match exchanged {
        Exchanged::Answer(answer) => settle::redirected(order, &asked.refund_no, answer),
        Exchanged::NotSent(reason) => {
            tracing::warn!(%reason, "an abnormal refund was not sent another way");
            stays()
        }
    }
}

/// Opened, and sealed for the channel.
fn card(
    app: &App,
    account: &Account,
    order: &Order,
    sealed: &Sealed<RefundBuyer>,
) -> Result<SealedCard, &'static str> {
    let (key, serial) = platform(app, account).ok_or("no key of the channel is here")?;
    let opened = app
        .vault()
        .open_for(sealed, &context(order, "refund"), Purpose::Forward)
        .map_err(|_| "the card died with its key")?;
    let for_channel = |text: &Option<Text>| {
        let text = text.as_ref().ok_or("the card is not whole")?;
        let sealed = app.keys().seal_field(&key, text.expose().as_bytes());
        sealed
            .map(|sealed| Zeroizing::new(STANDARD.encode(sealed)))
            .map_err(|_| "the card could not be sealed for the channel")
    };
    Ok(SealedCard {
        account: for_channel(&opened.bank_account)?,
        name: for_channel(&opened.name)?,
        serial,
    })
}

/// Which order of ours an SDK's own request is about: it names the refund only, so the channel is asked, with our key.
pub(crate) async fn order_of(
    app: &App,
    account: &Account,
    refund: &ChannelNo,
    refund_id: &TradeNo,
) -> Option<ChannelNo> {
    let exchanged = ask(app, account, Operation::RefundQuery, PayWay::Native, |stamp| {
        channel::refund_query(account, stamp, PayWay::Native, refund, refund)
    })
    .await;
    match exchanged {
        Exchanged::Answer(Answer::Refund(view))
            if view.number == *refund && view.trade_no.as_ref() == Some(refund_id) =>
        {
            view.order
        }
        _ => None,
    }
}
