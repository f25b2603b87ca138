//! One exchange with a channel: compose, sign, send, verify, read. Every way to a channel with our own keys is this one.

use crate::{
    app::App,
    certificates,
    health::{self, Ended},
    outbound::{Answered, Outbound, SendError},
    signature::nonce,
};
use bytes::Bytes;
use channel::{Account, Answer, Authentic, ComposeError, Draft, Encrypted, HandedOut, Stamp};
use domain::*;
use std::time::{Duration, Instant as Timer};

/// How an exchange ended.
pub enum Exchanged {
    /// The channel answered, or may have acted: see the answer.
    Answer(Answer),
    /// It surely did not leave us; the reason is for the log.
    NotSent(String),
}

/// Asks a channel once.
pub async fn ask(
    app: &App,
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Exchanged {
    match timed(app, account, operation, compose).await {
        Ok((answered, took, asked)) => {
            let answer = read(app, account, operation, pay_way, &answered).await;
            let answer = held_to(account.channel, operation, &asked, &answered, answer);
            app.fed(
                account,
                operation,
                Ended {
                    took,
                    ailment: health::of_answer(account.channel, answered.status, &answer),
                },
            );
            Exchanged::Answer(answer)
        }
        Err(other) => other,
    }
}

/// Composes, signs, sends; the answer's octets, not verified yet.
pub(crate) async fn exchange(
    app: &App,
    account: &Account,
    operation: Operation,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Result<Answered, Exchanged> {
    let (answered, took, _) = timed(app, account, operation, compose).await?;
    let ailment = (answered.status >= 500).then_some(Ailment::ChannelError);
    app.fed(account, operation, Ended { took, ailment });
    Ok(answered)
}

/// What the answer says, if it is about what was asked for.
//= C31
pub(crate) fn held_to(
    channel: Channel,
    operation: Operation,
    asked: &[u8],
    answered: &Answered,
    answer: Answer,
) -> Answer {
    match channel::names_another(channel, operation, asked, &answered.body) {
        Some(what) if !matches!(answer, Answer::Unclear(_)) => {
            tracing::warn!(
                channel = channel.as_str(),
                "an answer names another order than the request"
            );
            Answer::Amiss(what)
        }
        _ => answer,
    }
}

/// The same, with the time it took and the body that was sent. What got no answer is known to the account's health already.
async fn timed(
    app: &App,
    account: &Account,
    operation: Operation,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Result<(Answered, Duration, Bytes), Exchanged> {
    let (draft, signature) = composed(app, compose).await.map_err(Exchanged::NotSent)?;
    let request = draft.sign_with(&signature);
    let way = way_for(app, account, request.identity.as_ref())
        .ok_or_else(|| Exchanged::NotSent(no_way(account, &request)))?;
    let (method, headers) =
        head(&request).map_err(|_| Exchanged::NotSent("the composed request has no lawful head".into()))?;
    let began = Timer::now();
    let body = Bytes::copy_from_slice(&request.body);
    let sent = way
        .send(method, &request.target, headers, body.clone(), app.answer_time())
        .await;
    let took = began.elapsed();
    app.metrics()
        .exchanged(account.channel, operation, sent.is_ok(), took);
    if let Err(error) = &sent {
        app.fed(
            account,
            operation,
            Ended {
                took,
                ailment: Some(health::of_error(error)),
            },
        );
    }
    sent.map(|answered| (answered, took, body))
        .map_err(|error| match error {
            SendError::NotSent(reason) => Exchanged::NotSent(reason),
            SendError::Broken => Exchanged::Answer(Answer::Unclear(Unclear::Connection)),
            SendError::Timeout => Exchanged::Answer(Answer::Unclear(Unclear::Timeout)),
            SendError::TooLarge => Exchanged::Answer(Answer::Unclear(Unclear::Garbage)),
        })
}

fn way_for(app: &App, account: &Account, identity: Option<&channel::Identity>) -> Option<Outbound> {
    match channel::answers_elsewhere(account.channel) {
        true => app.way_to_servers(account.channel),
        false => app.way_of(account.channel, &account.account, identity),
    }
}

/// Could the channel be asked about an order of this account: its host is licensed, and the keys that a question needs are
/// here?
pub(crate) fn can_ask(app: &App, account: &Account, pay_way: PayWay) -> bool {
    let Ok(number) = ChannelNo::new("00000000") else {
        return false;
    };
    let Ok(draft) = channel::query(account, &stamp(app), pay_way, &number) else {
        return true; // for a reason of its own, which whoever asks is told
    };
    let keys = [
        Some(draft.key()),
        draft.to_encrypt().map(|(key, _)| key),
        draft.to_send_along(),
    ];
    let here = keys.into_iter().flatten().all(|key| app.keys().has(key));
    here && way_for(app, account, draft.identity()).is_some()
}

fn no_way(account: &Account, request: &channel::Request) -> String {
    match &request.identity {
        Some(own) => format!(
            "{} is in no licence registry, or {} and {} are not there or do not belong together",
            account.channel, own.certificate, own.key
        ),
        None => format!("{} is in no licence registry", account.channel),
    }
}

/// Composes and signs what the payer's browser or app will carry. The error is for the log.
pub(crate) async fn hand_out(
    app: &App,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Result<HandedOut, String> {
    let (draft, signature) = composed(app, compose).await?;
    draft
        .hand_out(&signature)
        .ok_or_else(|| "this channel has no form to hand out".into())
}

/// A draft and its signature.
pub(crate) async fn composed(
    app: &App,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Result<(Draft, Vec<u8>), String> {
    let mut draft = compose(&stamp(app)).map_err(|error| error.to_string())?;
    let ciphertext = draft
        .to_encrypt()
        .map(|(key, content)| app.keys().seal_content(key, content))
        .transpose();
    if let Some(ciphertext) = ciphertext.map_err(|error| error.to_string())? {
        draft = draft.encrypted(&ciphertext);
    }
    if let Some(key) = draft.to_send_along() {
        let password = app.keys().sent_along(key).map_err(|error| error.to_string())?;
        draft = draft.with_password(password);
    }
    let signature = app
        .signing()
        .vouch(draft.method(), draft.key(), draft.message().to_vec())
        .await
        .map_err(|error| error.to_string())?;
    Ok((draft, signature))
}

/// Now, and a nonce that is never used again.
pub(crate) fn stamp(app: &App) -> Stamp {
    let now = app.clock().now();
    Stamp {
        at: now,
        begun: now,
        nonce: nonce(),
    }
}

pub(crate) fn head(request: &channel::Request) -> Result<(http::Method, http::HeaderMap), http::Error> {
    let method = http::Method::from_bytes(request.method.as_bytes())?;
    let mut headers = http::HeaderMap::with_capacity(request.headers.len());
    for (name, value) in &request.headers {
        headers.insert(
            http::HeaderName::from_bytes(name.as_bytes())?,
            http::HeaderValue::from_str(value)?,
        );
    }
    Ok((method, headers))
}

/// Reads an answer whose signature is good; what is encrypted is decrypted first.
fn verified(
    app: &App,
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    answered: &Answered,
) -> Answer {
    match channel::encrypted_answer(account, operation, answered.status, &answered.body) {
        Ok(None) => channel::read_answer(account, operation, pay_way, answered.status, &answered.body),
        Ok(Some(encrypted)) => decrypted(app, account, operation, &encrypted, |content| {
            channel::read_content(account, operation, pay_way, content)
        }),
        Err(unclear) => Answer::Unclear(unclear),
    }
}

/// What encrypted content of an answer says, by `read`. What does not decrypt is unknown, never failed.
pub(crate) fn decrypted(
    app: &App,
    account: &Account,
    operation: Operation,
    encrypted: &Encrypted,
    read: impl FnOnce(&[u8]) -> Answer,
) -> Answer {
    match app.keys().open_content(&encrypted.key, &encrypted.ciphertext) {
        Ok(content) => read(&content),
        Err(error) => {
            tracing::warn!(channel = account.channel.as_str(), operation = operation.as_str(), %error, "an answer could not be decrypted");
            Answer::Unclear(Unclear::Garbage)
        }
    }
}

/// Verifies an answer with the channel's key and reads it. What cannot be verified is unknown, never failed.
pub(crate) async fn read(
    app: &App,
    account: &Account,
    operation: Operation,
    pay_way: PayWay,
    answered: &Answered,
) -> Answer {
    let now = app.clock().now();
    match channel::authenticate_answer(
        account,
        operation,
        pay_way,
        answered.status,
        &answered.headers,
        &answered.body,
        now,
    ) {
        Ok(Authentic::Signed(signed)) => match certificates::verify(app, account, &signed).await {
            Ok(()) => verified(app, account, operation, pay_way, answered),
            Err(error) => {
                tracing::warn!(channel = account.channel.as_str(), operation = operation.as_str(), %error, "the answer's signature was not accepted");
                Answer::Unclear(Unclear::Signature)
            }
        },
        Ok(Authentic::Unsigned) => {
            channel::read_answer(account, operation, pay_way, answered.status, &answered.body)
        }
        Err(unclear) => Answer::Unclear(unclear),
    }
}
