//! Reads of the unified API: orders, refunds, receipts, purge certificates, notifications; and what asks no channel:
//! codes, sending a notification again.

use crate::{
    api::{
        escapes::decoded,
        fates,
        render::{self, Said},
        route::{Resource, resource},
    },
    app::App,
    codes, combined,
    exchange::Exchanged,
    fault::{Code, Fault, Stop},
    outbox,
    payment::Limited,
    reconcile::statement::{self, Format, StatementError},
    settle,
    stage::{End, Response},
    statistics, terminal,
};
use channel::Answer;
use domain::*;
use http::StatusCode;
use journal::ReadError;
use ledger::{Order, payment_id};
use policy::{books::day_of, registry::MerchantFacts};
use serde_json::json;
use std::{borrow::Cow, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Answers reads.
pub struct Reads(pub App);

impl End<Limited> for Reads {
    type Out = Response;

    async fn run(&self, Limited(request): Limited) -> Result<Response, Stop> {
        let uri = &request.received.head.uri;
        let merchant = &request.merchant;
        let app = &self.0;
        let resource = resource(&request.received.head.method, uri.path())?;
        let own = request.terminal.as_ref();
        let is_own = matches!(
            resource,
            Resource::Find | Resource::Order(_) | Resource::Group(_) | Resource::RefundOf(..)
        );
        if own.is_some() && !is_own {
            return Err(terminal::not_for_terminals().into());
        }
        if resource == Resource::Statistics {
            return statistics::api::answer(app, &merchant.id, uri.query().unwrap_or_default()).await;
        }
        let query = Query::parse(uri.query().unwrap_or_default(), names(&resource))?;
        if own.is_some() && query.one("expand")?.is_some() {
            return Err(terminal::not_for_terminals().into());
        }
        match resource {
            Resource::Find => {
                let order_no = query
                    .one("order_no")?
                    .ok_or_else(|| Fault::new(Code::InvalidField, "The query must have `order_no`."))?;
                let order_no = OrderNo::new(order_no)
                    .map_err(|e| Fault::new(Code::InvalidField, format!("`order_no`: {e}.")))?;
                let order = find(app, merchant, own, &payment_id(&merchant.id, &order_no)).await?;
                Ok(render::order(app, merchant, &order, Said::Again).await)
            }
            Resource::Order(id) => {
                let order = find(app, merchant, own, &id).await?;
                match query.one("expand")? {
                    None => Ok(render::order(app, merchant, &order, Said::Again).await),
                    Some("payer") => with_payer(app, &order).await,
                    Some(_) => Err(Fault::new(Code::InvalidField, "`expand` can be `payer`.").into()),
                }
            }
            Resource::Group(number) => {
                let found = combined::orders(app, &merchant.id, &number).await?;
                let orders: Result<Vec<_>, _> = found
                    .into_iter()
                    .map(|(order, _)| terminal::own(own, order))
                    .collect();
                Ok(render::group(app, &number, &orders?, Said::Again).await)
            }
            Resource::RefundOf(id, refund_no) => {
                let order = find(app, merchant, own, &id).await?;
                let refund = order
                    .refund(&refund_no)
                    .ok_or_else(|| Fault::of(Code::NotFound))?;
                Ok(render::refund(app, merchant, &order, refund, Said::Again).await)
            }
            Resource::Receipt(id) => {
                let order = find(app, merchant, own, &id).await?;
                receipt(app, &order, query.one("index")?).await
            }
            Resource::Purge(id) => {
                let order = find(app, merchant, own, &id).await?;
                fates::answer(app, &order).await
            }
            Resource::Notifications(id) => {
                let order = find(app, merchant, own, &id).await?;
                let list = outbox::of_order(app, &order)?;
                Ok(render::json_response(
                    StatusCode::OK,
                    &json!({ "notifications": list }),
                ))
            }
            Resource::MakeCode => codes::make(app, &request).await,
            Resource::RevokeCode(id) => codes::revoke(app, &request, &id).await,
            Resource::Codes => codes::list(app, merchant, &query).await,
            Resource::CodeOf(id) => codes::show(app, merchant, &id).await,
            Resource::CodePng(id) => codes::png(app, merchant, &id, query.one("text")?).await,
            Resource::CodeSvg(id) => codes::svg(app, merchant, &id, query.one("text")?).await,
            Resource::Resend(id, seq) => {
                let order = find(app, merchant, own, &id).await?;
                outbox::resend(app, &order, seq).await
            }
            Resource::Statement(day) => {
                has_begun(app, day)?;
                statement(app, merchant, day, query.one("format")?).await
            }
            Resource::Reconciliation(day) => {
                has_begun(app, day)?;
                reconciliation(app, merchant, day).await
            }
            _ => Err(Fault::of(Code::MethodNotAllowed).into()),
        }
    }
}

/// A day to come, by every channel's count, is a slip: an empty answer would pass for a day without trade.
fn has_begun(app: &App, day: Day) -> Result<(), Fault> {
    match is_to_come(day, app.clock().now()) {
        true => Err(Fault::new(Code::InvalidField, format!("{day} is still to come."))),
        false => Ok(()),
    }
}

fn is_to_come(day: Day, now: Instant) -> bool {
    Channel::ALL.into_iter().all(|channel| day > day_of(channel, now))
}

/// How the channels' bills of a day agree with our record.
async fn reconciliation(app: &App, merchant: &Arc<MerchantFacts>, day: Day) -> Result<Response, Stop> {
    // Short, so it waits for its turn where a statement does not.
    let wait = Duration::from_secs(2);
    let room = match tokio::time::timeout(wait, STATEMENTS.acquire()).await {
        Ok(Ok(room)) => room,
        _ => return Err(Fault::of(Code::TooManyRequests).retry(wait).into()),
    };
    let (reading, merchant) = (app.clone(), merchant.clone());
    let read = tokio::task::spawn_blocking(move || {
        let _room = room;
        crate::reconcile::view::day(&reading, &merchant, day)
    })
    .await;
    let later = |error: String| {
        Fault::of(Code::IndexRebuilding)
            .retry(Duration::from_secs(2))
            .inside(error)
    };
    let value = read
        .map_err(|e| later(e.to_string()))?
        .map_err(|e| later(e.to_string()))?
        .ok_or_else(|| {
            let kept = ledger::BILL_DAYS_KEPT;
            Fault::new(
                Code::NotFound,
                format!("What bills came to is told for {kept} days; the journal has what is older."),
            )
        })?;
    Ok(render::json_response(StatusCode::OK, &value))
}

/// Statements and days that are read at once, so that orders keep their threads, their memory and the disk.
static STATEMENTS: Semaphore = Semaphore::const_new(2);

/// What was paid and what went back on a day.
async fn statement(
    app: &App,
    merchant: &Arc<MerchantFacts>,
    day: Day,
    format: Option<&str>,
) -> Result<Response, Stop> {
    let format = match format {
        None | Some("csv") => Format::Csv,
        Some("xlsx") => Format::Xlsx,
        Some(_) => return Err(Fault::new(Code::InvalidField, "`format` can be `csv` or `xlsx`.").into()),
    };
    let room = STATEMENTS
        .try_acquire()
        .map_err(|_| Fault::of(Code::TooManyRequests).retry(Duration::from_secs(2)))?;
    let (reading, merchant) = (app.clone(), merchant.clone());
    let made = tokio::task::spawn_blocking(move || {
        let _room = room;
        statement::make(&reading, &merchant, day, format)
    });
    let octets = match made.await {
        Ok(Ok(octets)) => octets,
        Ok(Err(error @ StatementError::TooLong)) => {
            return Err(Fault::new(Code::InvalidField, format!("`format`: {error}.")).into());
        }
        Ok(Err(error)) => {
            let later = Fault::of(Code::IndexRebuilding).retry(Duration::from_secs(2));
            return Err(later.inside(error).into());
        }
        Err(error) => return Err(Fault::of(Code::Internal).inside(error).into()),
    };
    Ok(render::text_response(
        StatusCode::OK,
        format.content_type(),
        octets,
    ))
}

/// Another merchant's order looks the same as none.
async fn find(
    app: &App,
    merchant: &MerchantFacts,
    terminal: Option<&TerminalNo>,
    id: &PaymentId,
) -> Result<Arc<Order>, Fault> {
    let order = app.order(id).await?.filter(|o| o.merchant == merchant.id);
    terminal::own(terminal, order.ok_or_else(|| Fault::of(Code::NotFound))?)
}

/// What the query of a resource may have, [`Resource::Statistics`] excepted.
fn names(resource: &Resource) -> &'static [&'static str] {
    match resource {
        Resource::Find => &["order_no"],
        Resource::Order(_) => &["expand"],
        Resource::Receipt(_) => &["index"],
        Resource::Statement(_) => &["format"],
        Resource::Codes => &["after", "limit"],
        Resource::CodePng(_) | Resource::CodeSvg(_) => &["text"],
        _ => &[],
    }
}

/// A query's names and values.
pub(crate) struct Query<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Query<'a> {
    /// Takes these names only.
    pub(crate) fn parse(text: &'a str, names: &[&str]) -> Result<Query<'a>, Fault> {
        let wrong = || Fault::new(Code::MalformedRequest, "The query must be name=value pairs.");
        let pairs = text
            .split('&')
            .filter(|p| !p.is_empty())
            .map(|p| p.split_once('=').ok_or_else(wrong));
        let query = Query(
            pairs
                .map(|p| p.and_then(|(name, value)| Ok((name, decoded(value)?))))
                .collect::<Result<_, _>>()?,
        );
        // Which of them, not what it says: nothing that a caller made up comes back.
        match query.0.iter().position(|(name, _)| !names.contains(name)) {
            None => Ok(query),
            Some(at) => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let right = match names.split_last() {
                    None => "This resource takes no query.".to_owned(),
                    Some((only, [])) => format!("The query can have {only}."),
                    Some((last, others)) => format!("The query can have {} or {last}.", others.join(", ")),
                };
                Err(Fault::new(
                    Code::UnknownField,
                    format!(
                        "The query's name number {} is none of this resource. {right}",
                        at + 1
                    ),
                ))
            }
        }
    }

    /// The value of a name that stands once at most.
    pub(crate) fn one(&self, name: &str) -> Result<Option<&str>, Fault> {
        let mut all = self.0.iter().filter(|(n, _)| *n == name).map(|(_, v)| &**v);
        let first = all.next();
        if all.next().is_some() {
            Err(Fault::new(
                Code::MalformedRequest,
                format!("`{name}` stands twice in the query."),
            ))
        } else {
            Ok(first)
        }
    }
}

/// Asks the channel live for the payer; nothing of it is kept.
async fn with_payer(app: &App, order: &Arc<Order>) -> Result<Response, Stop> {
    let (position, attempt) = order.winner().ok_or_else(|| {
        Fault::new(
            Code::OrderNotPaid,
            "The order is not paid, so nobody is known as its payer.",
        )
    })?;
    let account = crate::errand::account_of(app, order, position)
        .ok_or_else(|| Fault::of(Code::OperationNotAllowed))?;
    let asked = crate::errand::query(app, &account, attempt).await;
    let told = match asked {
        Exchanged::Answer(Answer::State(view)) if settle::is_about(attempt, &view) => Some(view),
        _ => None,
    };
    let Some(view) = told else {
        return Err(Fault::new(
            Code::Deadline,
            "The channel did not tell the payer now; ask again.",
        )
        .retry(Duration::from_secs(5))
        .into());
    };
    let mut value = render::order_json(order);
    if let (Some(payer), Some(map)) = (&view.payer, value.as_object_mut()) {
        map.insert(
            "payer".into(),
            json!({ payer.field.as_str(): payer.value.expose() }),
        );
    }
    Ok(render::json_response(StatusCode::OK, &value))
}

/// C2SP tlog-proof of one of the order's entries; of its latest where none is named. The signed tree is at most a
/// second old; a fresh entry is waited for.
//= C58
async fn receipt(app: &App, order: &Order, index: Option<&str>) -> Result<Response, Stop> {
    let index = match index {
        None => order.last,
        Some(text) => {
            let wanted: u64 = text.parse().map_err(|_| {
                Fault::new(
                    Code::InvalidField,
                    "`index` must be the number of a journal entry.",
                )
            })?;
            let own = app
                .ledger()
                .entry(wanted)
                .is_ok_and(|e| e.order == Some(order.id));
            if own {
                wanted
            } else {
                return Err(Fault::of(Code::NotFound).into());
            }
        }
    };
    let reader = app.ledger().journal().reader();
    for _ in 0..40 {
        match reader.receipt(index) {
            Ok(text) => {
                return Ok(render::text_response(
                    StatusCode::OK,
                    "text/plain; charset=utf-8",
                    text,
                ));
            }
            Err(ReadError::NotYet(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => {
                return Err(Fault::of(Code::IndexRebuilding)
                    .retry(Duration::from_secs(2))
                    .inside(error)
                    .into());
            }
        }
    }
    Err(Fault::new(
        Code::Deadline,
        "The entry is not in the signed tree yet; ask again.",
    )
    .retry(Duration::from_secs(1))
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// UnionPay's day has begun an hour before midnight.
    #[test]
    fn a_day_has_begun_where_any_channel_counts_it() {
        let day = Day::from_number(20_454);
        let next = Day::from_number(day.number() + 1);
        let hour = |hour: i64| day.start().plus_millis(hour * 3_600_000);
        assert!(!is_to_come(day, hour(0)) && is_to_come(next, hour(22)));
        assert!(!is_to_come(next, hour(23)));
    }
}
