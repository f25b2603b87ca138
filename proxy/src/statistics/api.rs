//! `GET /v1/statistics`: a merchant's own.

use super::{
    ask::Ask,
    read::{self, Bounds, Refused},
    render,
};
use crate::{
    api::{
        reads::Query,
        render::{json_response, text_response},
    },
    app::App,
    fault::{Code, Fault, Stop},
    stage::Response,
};
use domain::MerchantId;
use http::StatusCode;
use std::time::Duration;
use tokio::sync::Semaphore;

/// One merchant's question may not cost more: some seconds of one thread.
const BOUNDS: Bounds = Bounds {
    entries: 4_000_000,
    time: Duration::from_secs(8),
};
/// Readings at once, so that orders keep their threads and the disk.
static ROOM: Semaphore = Semaphore::const_new(2);

/// Answers.
pub(crate) async fn answer(app: &App, merchant: &MerchantId, query: &str) -> Result<Response, Stop> {
    let query = Query::parse(query, &["from", "to", "by", "format"])?;
    let csv = match query.one("format")? {
        None | Some("json") => false,
        Some("csv") => true,
        Some(_) => return Err(Fault::new(Code::InvalidField, "`format` can be `json` or `csv`.").into()),
    };
    let today = app.clock().now().day();
    let ask = Ask::parse(
        query.one("from")?,
        query.one("to")?,
        query.one("by")?,
        today,
        false,
    )
    .map_err(|wrong| Fault::new(Code::InvalidField, wrong))?;
    let later = || Fault::of(Code::TooManyRequests).retry(Duration::from_secs(2));
    let room = ROOM.try_acquire().map_err(|_| later())?;
    let (reader, merchant) = (app.ledger().journal().reader(), merchant.clone());
    let counted = tokio::task::spawn_blocking(move || {
        let _room = room;
        read::count(&reader, ask, Some(&merchant), Some(BOUNDS))
    });
    let statistics = match counted.await {
        Ok(Ok(statistics)) => statistics,
        Ok(Err(refused @ (Refused::TooMuch | Refused::TooManyRows))) => {
            return Err(Fault::new(Code::InvalidField, format!("`from` and `to`: {refused}.")).into());
        }
        Ok(Err(error)) => {
            return Err(Fault::of(Code::IndexRebuilding)
                .retry(Duration::from_secs(2))
                .inside(error)
                .into());
        }
        Err(error) => return Err(Fault::of(Code::Internal).inside(error).into()),
    };
    Ok(match csv {
        true => text_response(
            StatusCode::OK,
            "text/csv; charset=utf-8",
            render::csv(&statistics),
        ),
        false => json_response(StatusCode::OK, &render::json(&statistics)),
    })
}
