//! The payer's id by the wallet's own authorisation: sent there with a state, back with a code, exchanged once at a
//! licensed host. The id goes straight into the order, where `seal` takes it; it is kept nowhere before or after.

use super::{
    Pages, Scanned,
    ask::Asked,
    asked::{amount, says_left, typed},
    place::{Start, Told},
    states::{Begun, LIFE},
    view::View,
    ways::Way,
};
use crate::{
    accept::Received,
    app::App,
    asks::{self, Ask, Asker},
    certificates, choice,
    fault::{Code, Fault, Stop},
    health::Barred,
    outbound::Answered,
    signature::nonce,
    stage::Response,
};
use bytes::Bytes;
use channel::{
    Account, Authentic, Stamp,
    authorize::{self, Exchange, Whose},
};
use domain::*;
use http::{HeaderMap, HeaderValue, header};
use ledger::{Order, payment_id};
use std::{sync::Arc, time::Instant as Timer};
use vault::{Payer, Text};

/// The only cookie: it binds a state to its browser. Its prefix makes browsers refuse it without Secure or from elsewhere.
const COOKIE: &str = "__Host-payer";

impl Pages {
    /// Sends the payer's browser to the wallet, by the account that the order would go to.
    //= C94
    pub(super) async fn to_the_wallet(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        channel: Channel,
        start: Start,
    ) -> Result<Response, Stop> {
        let create = self.order_of(scanned, &start, &Way::of((channel, PayWay::Jsapi)));
        let order = self.known(scanned, &start).await?;
        match asks::first(&self.app, &scanned.merchant, &create, order.as_deref()) {
            Ask::By(by) => self.send(received, view, scanned, by, start, None),
            Ask::Closed => Ok(view.not_now(scanned)),
            Ask::Nowhere => Ok(view.not_here(scanned)),
        }
    }

    /// The order, where its number has one.
    async fn known(&self, scanned: &Scanned, start: &Start) -> Result<Option<Arc<Order>>, Fault> {
        self.app
            .order(&payment_id(&scanned.merchant.id, &start.order_no))
            .await
    }

    fn send(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        by: Asker,
        start: Start,
        former: Option<AccountNo>,
    ) -> Result<Response, Stop> {
        let registries = self.app.registries();
        let page = registries
            .channel(by.channel)
            .and_then(|licence| licence.authorization.as_ref())
            .map(|a| &a.page);
        let (Some(page), Some(account)) = (page, by.account(&self.app, &scanned.merchant)) else {
            return Ok(view.not_here(scanned));
        };
        let Start {
            order_no,
            amount,
            left,
        } = start;
        let browser = cookie(&received.head.headers)
            .filter(|c| is_ours(c))
            .map_or_else(nonce, str::to_owned);
        let until = self.app.clock().since_boot() + LIFE;
        let state = self.states.give(Begun {
            code: scanned.code.id.clone(),
            by,
            former,
            order_no,
            amount,
            left,
            browser: browser.clone(),
            until,
        });
        let back = format!("{}/back", crate::codes::url(&self.app, &scanned.code.id)?);
        let address = authorize::page(&account, page, &back, &state)
            .ok_or_else(|| Fault::of(Code::OperationNotAllowed))?;
        let mut response = view.see_other(&address);
        let cookie = format!(
            "{COOKIE}={browser}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={}",
            LIFE.as_secs()
        );
        response.headers_mut().insert(
            header::SET_COOKIE,
            HeaderValue::from_str(&cookie).map_err(|_| Fault::of(Code::Internal))?,
        );
        Ok(response)
    }

    /// The browser is back from the wallet: whose code is it? Then the order is placed, and the address with the code in it
    /// is left behind.
    //= C70
    pub(super) async fn back(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        asked: &Asked,
    ) -> Result<Response, Stop> {
        let browser = cookie(&received.head.headers).unwrap_or_default();
        let state = asked.field("state").map(Text::expose).unwrap_or_default();
        let begun = self
            .states
            .take(state, browser, self.app.clock().since_boot())
            .filter(|begun| begun.code == scanned.code.id);
        let Some(begun) = begun else {
            return Ok(view.again(scanned));
        };
        let Some(code) = asked.field(authorize::code_name(begun.by.channel)) else {
            return Ok(view.again(scanned));
        };
        let Some(account) = begun.by.account(&self.app, &scanned.merchant) else {
            return Ok(view.again(scanned));
        };
        let journey = Journey {
            start: Start {
                order_no: begun.order_no,
                amount: begun.amount,
                left: begun.left,
            },
            by: begun.by,
            former: begun.former,
        };
        // The account was lost while the payer was away: its app need not even be asked.
        let order = self.known(scanned, &journey.start).await?;
        let create = self.order_of(scanned, &journey.start, &journey.way());
        let barred = asks::barred(
            &self.app,
            &scanned.merchant,
            &create,
            order.as_deref(),
            &journey.by,
        );
        if barred.is_some()
            && let Some(elsewhere) = self.elsewhere(received, view, scanned, &journey).await?
        {
            return Ok(elsewhere);
        }
        if barred == Some(Barred::Open) {
            return Ok(view.not_now(scanned));
        }
        let trouble = match whose(&self.app, &account, code).await {
            Whose::Payer(payer) => {
                return self
                    .place_in_wallet(received, view, scanned, &journey, payer)
                    .await;
            }
            Whose::Refused(code) => {
                let mut fault = Fault::of(Code::ChannelRefused)
                    .inside("the wallet's code of authorisation does not count");
                fault.elsewhere = authorize::is_of_the_app(journey.by.channel, &code);
                fault.channel_code = Some(code);
                fault
            }
            Whose::Unclear => Fault {
                elsewhere: true,
                ..Fault::of(Code::Deadline)
            },
        };
        if trouble.elsewhere
            && let Some(elsewhere) = self.elsewhere(received, view, scanned, &journey).await?
        {
            return Ok(elsewhere);
        }
        Ok(view.trouble(&trouble, Some(scanned)))
    }

    /// The payer is asked for once more, by the app of an account that is in order; `None` where there is none, or where this
    /// was the second time. The order's number stays the same, so what is on record of it counts.
    //= C94
    async fn elsewhere(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        journey: &Journey,
    ) -> Result<Option<Response>, Stop> {
        let order = self.known(scanned, &journey.start).await?;
        let create = self.order_of(scanned, &journey.start, &journey.way());
        let another = match &journey.former {
            Some(_) => None,
            None => asks::another(&self.app, &scanned.merchant, &create, order.as_deref(), |a| {
                journey.by.counts_at(a)
            }),
        };
        let former = Some(journey.by.account.clone());
        let send = |by| self.send(received, view, scanned, by, journey.start.clone(), former);
        another.map(send).transpose()
    }

    async fn place_in_wallet(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        journey: &Journey,
        payer: Payer,
    ) -> Result<Response, Stop> {
        let told = Told {
            payer,
            by: &journey.by,
            former: journey.former.as_ref(),
        };
        let placed = self
            .place(view, scanned, journey.start.clone(), &journey.way(), Some(told))
            .await;
        // What is surely not open at any account at which this id counts may be at another.
        let order = self.known(scanned, &journey.start).await?;
        let unplaced = order.is_some_and(|order| choice::moves_on(order.latest()));
        let refused = placed.as_ref().is_err_and(|refused| refused.elsewhere);
        if (unplaced || refused)
            && let Some(elsewhere) = self.elsewhere(received, view, scanned, journey).await?
        {
            return Ok(elsewhere);
        }
        match placed {
            _ if unplaced => Ok(view.not_now(scanned)),
            Ok(placed) => Ok(view.placed(scanned, &placed)),
            Err(refused) => Err(refused.stop),
        }
    }

    /// A wallet's browser with an amount that it typed.
    pub(super) async fn with_amount(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        channel: Channel,
        asked: &Asked,
    ) -> Result<Response, Stop> {
        match amount(scanned, asked.field("amount")) {
            Ok(entered) => {
                let start = Start::new(scanned, entered, says_left(asked))?;
                self.to_the_wallet(received, view, scanned, channel, start).await
            }
            Err(wrong) => Ok(view.enter_amount(scanned, typed(asked), Some(wrong), None)),
        }
    }
}

/// A payer who is back from the wallet.
struct Journey {
    start: Start,
    /// Whose app asked.
    by: Asker,
    /// Whose app asked before, where it was the second time.
    former: Option<AccountNo>,
}

impl Journey {
    fn way(&self) -> Way {
        Way::of((self.by.channel, PayWay::Jsapi))
    }
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let lines = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| line.split(';'))
        .find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

fn is_ours(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Exchanges the code, once. What fails is not tried again: a code counts once.
async fn whose(app: &App, account: &Account, code: &Text) -> Whose {
    let stamp = Stamp {
        at: app.clock().now(),
        begun: app.clock().now(),
        nonce: nonce(),
    };
    let secret = authorize::secret(account).and_then(|key| app.keys().sent_along(&key).ok());
    let exchange = match authorize::exchange(account, &stamp, code, secret.as_ref()) {
        Ok(exchange) => exchange,
        Err(error) => {
            tracing::warn!(channel = account.channel.as_str(), %error, "a payer's id could not be asked for");
            return Whose::Unclear;
        }
    };
    match exchange {
        Exchange::Plain(request) => plain(app, account, request).await,
        Exchange::Signed(draft) => {
            match crate::exchange::exchange(app, account, Operation::Authorize, |_| Ok(draft)).await {
                Ok(answered) => signed(app, account, &answered).await,
                Err(_) => Whose::Unclear,
            }
        }
    }
}

//= C70
async fn plain(app: &App, account: &Account, request: channel::Request) -> Whose {
    let Some(way) = app.way_to_authorize(account.channel) else {
        return Whose::Unclear;
    };
    let Ok((method, headers)) = crate::exchange::head(&request) else {
        return Whose::Unclear;
    };
    let began = Timer::now();
    let sent = way
        .send(method, &request.target, headers, Bytes::new(), app.answer_time())
        .await;
    app.metrics().exchanged(
        account.channel,
        Operation::Authorize,
        sent.is_ok(),
        began.elapsed(),
    );
    match sent {
        Ok(answered) if answered.status == 200 => authorize::read(account, &answered.body),
        _ => Whose::Unclear,
    }
}

async fn signed(app: &App, account: &Account, answered: &Answered) -> Whose {
    let now = app.clock().now();
    match channel::authenticate_answer(
        account,
        Operation::Authorize,
        PayWay::Jsapi,
        answered.status,
        &answered.headers,
        &answered.body,
        now,
    ) {
        Ok(Authentic::Signed(signed)) if certificates::verify(app, account, &signed).await.is_ok() => {
            authorize::read(account, &answered.body)
        }
        // The front door's refusal may come unsigned; an id never.
        Ok(Authentic::Unsigned) => match authorize::read(account, &answered.body) {
            Whose::Payer(_) => Whose::Unclear,
            other => other,
        },
        _ => Whose::Unclear,
    }
}
