//! Codes that payers scan (一码多付): made, shown, printed, revoked. None of it asks a channel. What stands in a code is
//! one random number behind the address of the payers' pages (R19); what it means is on record here.

pub(crate) mod print;

use crate::{
    api::{parse, reads::Query, render},
    app::App,
    fault::{Code, Fault, Stop},
    guard,
    legible::legible,
    payment::Authenticated,
    scan,
    stage::Response,
    stages::admit,
};
use domain::*;
use http::StatusCode;
use ledger::{MadeCode, NewCode, PayCode};
use policy::registry::MerchantFacts;
use print::Plate;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// A code for one order that names no end opens it for a day.
const STANDING_MS: i64 = 86_400_000;

/// `POST /v1/codes`.
pub(crate) async fn make(app: &App, request: &Authenticated) -> Result<Response, Stop> {
    no_query(request)?;
    pages_url(app)?;
    let merchant = &request.merchant;
    let asked = parse::codes::new_code(&request.received).map_err(|fault| guard::of_reading(fault, None))?;
    //= C53
    if asked
        .terminal
        .as_ref()
        .is_some_and(|no| !merchant.terminals.iter().any(|t| t.no == *no))
    {
        return Err(Fault::new(
            Code::InvalidField,
            "`terminal` must be one that the acquirer has registered for this merchant.",
        )
        .breaks(Breach::Value, Some("terminal"))
        .into());
    }
    //= C03
    if !merchant
        .accounts
        .iter()
        .any(|account| account.may_pay(asked.payee.as_ref()))
    {
        let refusal = policy::payee_refusal();
        let said = Code::PayeeNotAllowed.row().merchant;
        let fault = Fault::new(Code::PayeeNotAllowed, format!("{said} ({})", refusal.public));
        return Err(refused(app, merchant, &asked, (refusal, fault)).await);
    }
    if let Some(refusal) = policy::level_refusal(asked.code, merchant) {
        let detail = format!("{} ({})", admit::LEVEL_A, refusal.public);
        let fault = Fault::new(Code::OperationNotAllowed, detail);
        return Err(refused(app, merchant, &asked, (refusal, fault)).await);
    }
    let before = app.ledger().code_by_no(&merchant.id, &asked.code_no).await;
    // Nonces of an earlier run are forgotten: what was signed before may only repeat what is on record.
    if before.is_none() && request.signed_at.secs() < app.started_at().secs() {
        return Err(Fault::new(
            Code::StaleTimestamp,
            "The request was signed before this service started; sign it anew.",
        )
        .into());
    }
    let standing = asked
        .order_no
        .as_ref()
        .map(|_| app.clock().now().plus_millis(STANDING_MS));
    let facts = NewCode {
        expires: asked.expires.or(standing),
        ..asked.clone()
    };
    match app
        .ledger()
        .make_code(&merchant.id, facts, app.config().limits.codes)
        .await
        .map_err(|e| Fault::of(Code::Stopping).inside(e))?
    {
        MadeCode::New(code) => Ok(render::json_response(
            StatusCode::CREATED,
            &code_json(app, &code)?,
        )),
        MadeCode::Before(code) if is_same(&code.facts, &asked) => {
            Ok(render::json_response(StatusCode::OK, &code_json(app, &code)?))
        }
        MadeCode::Before(_) => Err(Fault::of(Code::CodeChanged).into()),
        MadeCode::Full => Err(Fault::new(
            Code::TooManyCodes,
            format!("{} codes are kept for one merchant, and there are so many: revoke what nobody scans any more; a code that ended or was revoked makes room a day later.", app.config().limits.codes),
        )
        .into()),
    }
}

/// Puts a code's refusal on record, like an order's.
//= C30
async fn refused(
    app: &App,
    merchant: &MerchantFacts,
    asked: &NewCode,
    (refusal, fault): (policy::Refusal, Fault),
) -> Stop {
    let event = TradeEvent::Refused {
        amount: asked.amount,
        channel: None,
        clause: refusal.public,
        code: Some(asked.code),
        operation: Operation::Create,
        order_no: asked.order_no.clone(),
        payee: asked.payee.clone(),
        payer: None,
    };
    if app.ledger().note(Some(&merchant.id), vec![event]).await.is_err() {
        return Fault::of(Code::Stopping).into();
    }
    app.metrics().refused(refusal.public);
    fault.into()
}

/// The same wish again; an end that it leaves to us is the one that was given.
fn is_same(before: &NewCode, asked: &NewCode) -> bool {
    let expires = asked.expires.or(before.expires);
    *before
        == NewCode {
            expires,
            ..asked.clone()
        }
}

/// `POST /v1/codes/{id}/revoke`.
pub(crate) async fn revoke(app: &App, request: &Authenticated, id: &CodeId) -> Result<Response, Stop> {
    no_query(request)?;
    if !request.received.body.is_empty() && &request.received.body[..] != b"{}" {
        return Err(Fault::new(Code::MalformedRequest, "This operation takes no body (or `{}`).").into());
    }
    let code = find(app, &request.merchant, id).await?;
    let code = app
        .ledger()
        .revoke_code(&code)
        .await
        .map_err(|e| Fault::of(Code::Stopping).inside(e))?;
    Ok(render::json_response(StatusCode::OK, &code_json(app, &code)?))
}

/// Codes in one page of the list, where the request does not say, and at most.
const PAGE: (usize, usize) = (100, 500);

/// `GET /v1/codes?after=&limit=`: all that is remembered, in the order in which it was made.
pub(crate) async fn list(app: &App, merchant: &MerchantFacts, query: &Query<'_>) -> Result<Response, Stop> {
    let number = |name: &'static str, right: &str| -> Result<Option<u64>, Fault> {
        let wrong = || Fault::new(Code::InvalidField, format!("`{name}` must be {right}."));
        let text = query.one(name)?;
        text.map(|text| text.parse().map_err(|_| wrong())).transpose()
    };
    let right = "a whole number from 1 to 500";
    let most = match number("limit", right)? {
        None => PAGE.0,
        Some(limit) if (1..=PAGE.1 as u64).contains(&limit) => limit as usize,
        Some(_) => return Err(Fault::new(Code::InvalidField, format!("`limit` must be {right}.")).into()),
    };
    let after = number("after", "what the former page gave as `next`")?;
    let (codes, more) = app.ledger().codes_of(&merchant.id, after, most).await;
    let next = codes.last().filter(|_| more).map(|last| last.index);
    let shown: Vec<Value> = codes
        .iter()
        .map(|code| code_json(app, code))
        .collect::<Result<_, _>>()?;
    let mut page = json!({ "codes": shown });
    if let Some(next) = next {
        page["next"] = next.to_string().into();
    }
    Ok(render::json_response(StatusCode::OK, &page))
}

/// `GET /v1/codes/{id}`.
pub(crate) async fn show(app: &App, merchant: &MerchantFacts, id: &CodeId) -> Result<Response, Stop> {
    let code = find(app, merchant, id).await?;
    Ok(render::json_response(StatusCode::OK, &code_json(app, &code)?))
}

/// `GET /v1/codes/{id}/svg`: the plate with the merchant's name.
pub(crate) async fn svg(
    app: &App,
    merchant: &MerchantFacts,
    id: &CodeId,
    text: Option<&str>,
) -> Result<Response, Stop> {
    let plate = plate(app, merchant, id, text).await?;
    let drawn = print::svg(&plate).map_err(|e| Fault::of(Code::Internal).inside(e))?;
    Ok(render::text_response(StatusCode::OK, "image/svg+xml", drawn))
}

/// `GET /v1/codes/{id}/png`: the same in dots.
pub(crate) async fn png(
    app: &App,
    merchant: &MerchantFacts,
    id: &CodeId,
    text: Option<&str>,
) -> Result<Response, Stop> {
    let plate = plate(app, merchant, id, text).await?;
    let drawn = tokio::task::spawn_blocking(move || print::png(&plate))
        .await
        .map_err(|e| Fault::of(Code::Internal).inside(e))?;
    Ok(render::text_response(
        StatusCode::OK,
        "image/png",
        drawn.map_err(|e| Fault::of(Code::Internal).inside(e))?,
    ))
}

const WECHAT: (Channel, &str) = (Channel::Wechat, "微信支付");

/// What the merchant has accounts for, as payers know it; a browser finds what there is.
fn wallets(merchant: &MerchantFacts, payee: Option<&PayeeNo>) -> String {
    let has = |channel| {
        let mut accounts = merchant.accounts.iter();
        accounts.any(|account| account.channel == channel && account.may_pay(payee))
    };
    let wallets = [WECHAT, (Channel::Alipay, "支付宝"), (Channel::Unionpay, "云闪付")];
    let own = wallets.into_iter().filter(|(channel, _)| has(*channel));
    own.map(|(_, name)| name)
        .chain(["浏览器"])
        .collect::<Vec<_>>()
        .join(" · ")
}

/// The plate with the code's address, or with the text that WeChat alone can scan (native mode one).
async fn plate(app: &App, merchant: &MerchantFacts, id: &CodeId, text: Option<&str>) -> Result<Plate, Fault> {
    let code = find(app, merchant, id).await?;
    if !code.is_open(app.clock().now()) {
        return Err(Fault::new(
            Code::NotFound,
            "The code has ended or was revoked; there is nothing to print.",
        ));
    }
    let (url, wallets) = match text {
        None => (url(app, &code.id)?, wallets(merchant, code.facts.payee.as_ref())),
        Some("product") => {
            let text = scan::text(app, merchant, &code).ok_or_else(|| {
                Fault::new(Code::NotFound, "The code has no text of WeChat's native mode one to print: that takes a fixed `amount`, and an account at WeChat Pay with an APIv2 key.")
            })?;
            (text, WECHAT.1.to_owned())
        }
        Some(_) => {
            let detail = "`text` must be product (WeChat's native mode one), or not there for the code of every wallet.";
            return Err(Fault::new(Code::InvalidField, detail));
        }
    };
    Ok(Plate {
        name: legible(&merchant.name),
        title: code.facts.title.as_deref().map(legible),
        amount: code.facts.amount,
        url,
        wallets,
        id: code.id.to_string(),
    })
}

/// Another merchant's code looks the same as none.
async fn find(app: &App, merchant: &MerchantFacts, id: &CodeId) -> Result<Arc<PayCode>, Fault> {
    let code = app
        .ledger()
        .code(id)
        .await
        .filter(|code| code.merchant == merchant.id);
    code.ok_or_else(|| Fault::of(Code::NotFound))
}

fn no_query(request: &Authenticated) -> Result<(), Fault> {
    match request.received.head.uri.query() {
        None => Ok(()),
        Some(_) => Err(Fault::new(
            Code::MalformedRequest,
            "This operation takes no query.",
        )),
    }
}

/// What a code says: the address of its page.
pub(crate) fn url(app: &App, id: &CodeId) -> Result<String, Fault> {
    Ok(format!("{}/q/{id}", pages_url(app)?))
}

fn pages_url(app: &App) -> Result<&str, Fault> {
    let listen = &app.config().listen;
    let url = listen.pages_url.as_deref().filter(|_| listen.pages.is_some());
    url.ok_or_else(|| {
        Fault::new(
            Code::OperationNotAllowed,
            "This service has no pages for payers (listen.pages), so no code leads anywhere.",
        )
    })
}

fn code_json(app: &App, code: &PayCode) -> Result<Value, Fault> {
    let PayCode { facts, revoked, .. } = code;
    let state = match revoked {
        Some(_) => "revoked",
        None if code.is_open(app.clock().now()) => "open",
        None => "ended",
    };
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| drop(map.insert(name.into(), value));
    put("id", code.id.as_str().into());
    put("code_no", facts.code_no.as_str().into());
    put("state", state.into());
    put("url", url(app, &code.id)?.into());
    put("code", json!(facts.code));
    put("currency", "CNY".into());
    put("created_at", code.made.to_string().into());
    put(
        "journal_index",
        revoked.map_or(code.index, |(_, index)| index).into(),
    );
    facts
        .amount
        .iter()
        .for_each(|amount| put("amount", amount.fen().into()));
    if code.is_open(app.clock().now())
        && let Some(text) = app
            .registries()
            .merchant(&code.merchant)
            .and_then(|merchant| scan::text(app, merchant, code))
    {
        put("wechat_product_url", text.into());
    }
    facts
        .order_no
        .iter()
        .for_each(|no| put("order_no", no.as_str().into()));
    facts
        .payee
        .iter()
        .for_each(|payee| put("payee", payee.as_str().into()));
    facts
        .title
        .iter()
        .for_each(|title| put("title", (&**title).into()));
    facts
        .terminal
        .iter()
        .for_each(|no| put("terminal", no.as_str().into()));
    facts
        .expires
        .iter()
        .for_each(|end| put("expires_at", end.to_string().into()));
    revoked
        .iter()
        .for_each(|(at, _)| put("revoked_at", at.to_string().into()));
    Ok(Value::Object(map))
}
