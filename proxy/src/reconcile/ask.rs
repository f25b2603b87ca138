//! Asks a channel for a bill and fetches it: from a licensed host only, whole, its hash compared before it counts.

use crate::{
    app::App,
    exchange::{Exchanged, ask, composed, head, read},
    outbound::SendError,
};
use bytes::Bytes;
use channel::{
    Account, Answer, ComposeError, Draft, Stamp,
    bill::{self, BillPlace, Layout},
};
use domain::*;
use std::{sync::Arc, time::Duration};

/// Largest file that is fetched: ten times what a million rows take, packed.
pub(crate) const MOST_BILL: usize = 256 << 20;
/// Time for the whole file; WeChat's address lives five minutes (channels.md 1.13).
const DOWNLOAD: Duration = Duration::from_secs(240);

/// What asking came to.
pub(crate) enum Got {
    /// The file.
    Bill(Bytes),
    /// Nothing happened that day.
    None,
    /// Not now; the channel's code or ours.
    Refused(Arc<str>),
}

fn refused(code: &str) -> Got {
    Got::Refused(code.into())
}

/// When channels have made the bills of a day: 10:00 of the next one (channels.md 1.13).
const MADE_MS: i64 = 10 * 3_600_000;

fn end_of(day: Day) -> Instant {
    Day::from_number(day.number() + 1).start()
}

fn made_at(day: Day) -> Instant {
    end_of(day).plus_millis(MADE_MS)
}

/// By then a bill is surely made, and a word that may mean "not yet" means that nothing happened.
pub(super) fn surely_made(app: &App, day: Day) -> bool {
    let books = app.config().books.as_ref();
    books.is_some_and(|books| {
        app.clock().now() >= end_of(day).plus_millis(books.none_after.as_millis() as i64)
    })
}

/// Asks once.
pub(crate) async fn get(app: &App, account: &Account, key: &BillKey, layout: Layout) -> Got {
    let (kind, day) = (key.kind, key.day);
    let compose = |stamp: &Stamp| bill::ask(account, stamp, kind, day);
    let asked = if bill::comes_at_once(account.channel) {
        at_once(app, account, compose).await
    } else {
        ask(app, account, Operation::Bill, PayWay::Native, compose).await
    };
    match asked {
        Exchanged::Answer(Answer::Bill(place)) => fetch(app, account, &place, layout).await,
        Exchanged::Answer(Answer::BillFile(octets)) => Got::Bill(octets.into()),
        Exchanged::Answer(Answer::Failed(failure))
            if bill::may_mean_none(account.channel, &failure.code) && surely_made(app, day) =>
        {
            Got::None
        }
        // Before bills are made the same word means "too early" (channels.md 1.13): asked again.
        Exchanged::Answer(Answer::Failed(failure))
            if bill::means_none(account.channel, &failure.code) && app.clock().now() >= made_at(day) =>
        {
            Got::None
        }
        Exchanged::Answer(Answer::Failed(failure)) => Got::Refused(failure.code),
        Exchanged::Answer(_) => refused("unclear"),
        Exchanged::NotSent(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a bill was not asked for");
            refused("not_sent")
        }
    }
}

/// The file comes in the answer, from the channel's host for files, and is signed like every answer (channels.md 4.5).
async fn at_once(
    app: &App,
    account: &Account,
    compose: impl FnOnce(&Stamp) -> Result<Draft, ComposeError>,
) -> Exchanged {
    //= C50
    let Some(way) = app.way_to_files(account.channel) else {
        return Exchanged::NotSent("the licence registry lists no host for files".into());
    };
    let (draft, signature) = match composed(app, compose).await {
        Ok(composed) => composed,
        Err(reason) => return Exchanged::NotSent(reason),
    };
    let request = draft.sign_with(&signature);
    let Ok((method, headers)) = head(&request) else {
        return Exchanged::NotSent("the composed request has no lawful head".into());
    };
    let body = Bytes::copy_from_slice(&request.body);
    match way.send(method, &request.target, headers, body, DOWNLOAD).await {
        Ok(answered) => {
            Exchanged::Answer(read(app, account, Operation::Bill, PayWay::Native, &answered).await)
        }
        Err(SendError::NotSent(reason)) => Exchanged::NotSent(reason),
        Err(error) => {
            tracing::warn!(channel = account.channel.as_str(), %error, "a bill did not arrive");
            Exchanged::Answer(Answer::Unclear(Unclear::Connection))
        }
    }
}

async fn fetch(app: &App, account: &Account, place: &BillPlace, layout: Layout) -> Got {
    //= C50
    let Some(way) = app.way_to_bill(account.channel, &place.host, place.port) else {
        tracing::error!(
            channel = account.channel.as_str(),
            "a bill lies at a host that the licence registry does not list; it is not fetched"
        );
        return refused("host");
    };
    let headers = match signed(app, account, place).await {
        Ok(headers) => headers,
        Err(reason) => {
            tracing::warn!(channel = account.channel.as_str(), %reason, "a bill was not fetched");
            return refused("not_sent");
        }
    };
    match way
        .send(http::Method::GET, &place.target, headers, Bytes::new(), DOWNLOAD)
        .await
    {
        Ok(answered) if answered.status == 200 => whole(answered.body, place.sha1, layout).await,
        Ok(answered) => {
            tracing::warn!(
                channel = account.channel.as_str(),
                status = answered.status,
                "a bill was not given"
            );
            refused("download")
        }
        Err(SendError::TooLarge) => refused("too_large"),
        Err(error) => {
            tracing::warn!(channel = account.channel.as_str(), %error, "a bill did not arrive");
            refused("download")
        }
    }
}

async fn signed(app: &App, account: &Account, place: &BillPlace) -> Result<http::HeaderMap, String> {
    let stamp = crate::exchange::stamp(app);
    match bill::download(account, &stamp, place) {
        None => Ok(http::HeaderMap::new()),
        Some(draft) => {
            let (draft, signature) = composed(app, |_| draft).await?;
            head(&draft.sign_with(&signature))
                .map(|(_, headers)| headers)
                .map_err(|_| "the composed request has no lawful head".to_owned())
        }
    }
}

/// The hash is over the unpacked text; over the file as it came, some pages say (channels.md 1.13).
async fn whole(octets: Bytes, sha1: Option<[u8; 20]>, layout: Layout) -> Got {
    let Some(expected) = sha1 else {
        return Got::Bill(octets);
    };
    let compared = tokio::task::spawn_blocking(move || {
        let same =
            of_text(layout, &octets).is_some_and(|hash| hash == expected) || sha1_of(&octets) == expected;
        (same, octets)
    });
    match compared.await {
        Ok((true, octets)) => Got::Bill(octets),
        _ => refused("hash"),
    }
}

fn sha1_of(octets: &[u8]) -> [u8; 20] {
    finish(aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        octets,
    ))
}

fn of_text(layout: Layout, octets: &[u8]) -> Option<[u8; 20]> {
    let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY);
    bill::text(layout, octets, |part| hash.update(part)).ok()?;
    Some(finish(hash.finish()))
}

fn finish(digest: aws_lc_rs::digest::Digest) -> [u8; 20] {
    let mut hash = [0; 20];
    hash.copy_from_slice(digest.as_ref());
    hash
}
