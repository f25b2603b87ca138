//! A payer's order goes down the merchant's own road.

use super::{
    Pages, Scanned,
    ask::Asked,
    asked::{amount, says_left, typed},
    former::Former,
    unsure::is_untold,
    view::View,
    wallet::{Wallet, h5_type, is_phone},
    ways::{self, Offer, Offers, Way},
};
use crate::{
    accept::Received,
    asks::{self, Asker},
    fault::{Code, Fault, Stop},
    payment::{Cargo, Clear, Command, Create, Parsed},
    stage::Response,
};
use domain::*;
use http_body_util::BodyExt;
use ledger::payment_id;
use serde_json::Value;
use tower::ServiceExt;
use vault::{Buyer, Payer, Text};

/// An order by a static code waits so long for its payer.
const AT_THE_COUNTER_MS: i64 = 15 * 60_000;
/// Longest text of what is sold, characters (channels.md 1.3).
const MOST_TEXT: usize = 127;

/// Which order is begun.
#[derive(Clone)]
pub(super) struct Start {
    pub(super) order_no: OrderNo,
    pub(super) amount: Amount,
    /// The payer says that the former way was not paid.
    pub(super) left: bool,
}

/// What came of it.
pub(super) struct Placed {
    pub(super) id: PaymentId,
    /// How it is paid.
    pub(super) way: Way,
    /// Where the browser goes on to, where the channel wants it there.
    pub(super) onward: Option<Onward>,
}

/// Who pays, as the wallet told it.
pub(super) struct Told<'a> {
    pub(super) payer: Payer,
    /// Whose app asked.
    pub(super) by: &'a Asker,
    /// Whose app asked before, and led nowhere.
    pub(super) former: Option<&'a AccountNo>,
}

/// Why it was not.
pub(super) struct Refused {
    /// What the payer reads.
    pub(super) stop: Stop,
    /// It surely is not open, for no reason of its own: another account may take it.
    pub(super) elsewhere: bool,
}

impl<T: Into<Stop>> From<T> for Refused {
    fn from(stop: T) -> Refused {
        Refused {
            stop: stop.into(),
            elsewhere: false,
        }
    }
}

/// How the browser goes on to the channel's page.
pub(super) enum Onward {
    /// To an address.
    Address(String),
    /// With a form.
    Form(Form),
}

/// A form for the channel's page.
pub(super) struct Form {
    pub(super) action: String,
    /// Names and values.
    pub(super) fields: Vec<(String, String)>,
}

/// As the road gave it, for this browser and once.
fn onward(call_up: &Value) -> Option<Onward> {
    if let Some(url) = call_up["url"].as_str() {
        return Some(Onward::Address(url.to_owned()));
    }
    let form = &call_up["form"];
    let own = |(name, value): (&String, &Value)| Some((name.clone(), value.as_str()?.to_owned()));
    Some(Onward::Form(Form {
        action: form["action"].as_str()?.to_owned(),
        fields: form["fields"].as_object()?.iter().filter_map(own).collect(),
    }))
}

impl Start {
    /// The code's own order, or a new one at a static code.
    pub(super) fn new(scanned: &Scanned, entered: Option<Amount>, left: bool) -> Result<Start, Fault> {
        let facts = &scanned.code.facts;
        let amount = facts
            .amount
            .or(entered)
            .ok_or_else(|| Fault::of(Code::MalformedRequest))?;
        let new = || {
            let mut random = [0; 10];
            getrandom::fill(&mut random).map_err(|e| Fault::of(Code::Internal).inside(e))?;
            OrderNo::new(format!(
                "Q{}",
                CodeId::from_random(random).as_str().to_ascii_uppercase()
            ))
            .map_err(|e| Fault::of(Code::Internal).inside(e))
        };
        Ok(Start {
            order_no: facts.order_no.clone().map_or_else(new, Ok)?,
            amount,
            left,
        })
    }
}

impl Pages {
    /// `GET /q/{code}`: the wallet's authorisation at once where the amount is known, else the amount first; a plain browser
    /// chooses how to pay.
    pub(super) async fn enter(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
    ) -> Result<Response, Stop> {
        if let Some(done) = self.nothing_to_pay(view, scanned).await? {
            return Ok(done);
        }
        let former = Former::of(&self.app, scanned).await?;
        let wallet = view.wallet.filter(|wallet| wallet.tells_its_payer());
        match (wallet, wallet.and_then(Wallet::channel)) {
            (None, _) => {
                let offered = self.offered(view, scanned);
                match view.wallet.is_some() && offered.all().next().is_none() {
                    true => Ok(view.not_here(scanned)),
                    false => Ok(view.choose(scanned, &offered, None, None, former.as_ref())),
                }
            }
            (Some(_), Some(channel)) => match asks::is_open(&self.app, &scanned.merchant, channel) {
                None => Ok(view.not_here(scanned)),
                Some(false) => Ok(view.not_now(scanned)),
                Some(true) if scanned.code.facts.amount.is_some() && former.is_none() => {
                    let start = Start::new(scanned, None, false)?;
                    self.to_the_wallet(received, view, scanned, channel, start).await
                }
                Some(true) => Ok(view.enter_amount(scanned, None, None, former.as_ref())),
            },
            _ => Ok(view.not_here(scanned)),
        }
    }

    /// `POST /q/{code}`: the amount, and in a plain browser how to pay.
    pub(super) async fn choose(
        &self,
        received: &Received,
        view: &View<'_>,
        scanned: &Scanned,
        asked: &Asked,
    ) -> Result<Response, Stop> {
        if let Some(done) = self.nothing_to_pay(view, scanned).await? {
            return Ok(done);
        }
        let wallet = view.wallet.filter(|wallet| wallet.tells_its_payer());
        if let Some(channel) = wallet.and_then(Wallet::channel) {
            return self.with_amount(received, view, scanned, channel, asked).await;
        }
        let offered = self.offered(view, scanned);
        let entered = match amount(scanned, asked.field("amount")) {
            Ok(entered) => entered,
            Err(wrong) => return Ok(view.choose(scanned, &offered, typed(asked), Some(wrong), None)),
        };
        let way = asked.field("way").and_then(|name| {
            offered
                .all()
                .find(|offer| offer.open && offer.way.name() == name.expose())
        });
        let Some(Offer { way, .. }) = way else {
            let former = Former::of(&self.app, scanned).await?;
            return Ok(view.choose(scanned, &offered, typed(asked), None, former.as_ref()));
        };
        let start = Start::new(scanned, entered, says_left(asked))?;
        let placed = self.place(view, scanned, start, way, None).await;
        let placed = placed.map_err(|refused| refused.stop)?;
        Ok(view.placed(scanned, &placed))
    }

    fn offered(&self, view: &View<'_>, scanned: &Scanned) -> Offers {
        ways::in_a_browser(&self.app, scanned, view.wallet, is_phone(view.agent))
    }

    /// A code that ended, or whose order is over.
    async fn nothing_to_pay(&self, view: &View<'_>, scanned: &Scanned) -> Result<Option<Response>, Stop> {
        let Some(order_no) = &scanned.code.facts.order_no else {
            return Ok((!scanned.code.is_open(self.app.clock().now())).then(|| view.ended()));
        };
        let order = self
            .app
            .order(&payment_id(&scanned.merchant.id, order_no))
            .await?;
        if let Some(order) = order.as_ref().filter(|order| is_untold(order)) {
            return Ok(Some(match order.by_code.as_ref() == Some(&scanned.code.id) {
                true => view.to_order(scanned, &order.id),
                false => view.unsure(),
            }));
        }
        let over = order.as_ref().filter(|order| {
            order.winner().is_some()
                || matches!(
                    order.state(),
                    ledger::OrderState::Paid | ledger::OrderState::Refunded
                )
        });
        match over {
            Some(order) if order.by_code.as_ref() == Some(&scanned.code.id) => {
                Ok(Some(view.to_order(scanned, &order.id)))
            }
            Some(_) => Ok(Some(view.trouble(&Fault::of(Code::OrderPaid), None))),
            // Nor is anybody asked who he is for what the merchant has closed.
            None if order
                .as_ref()
                .is_some_and(|order| order.latest().ended_by_merchant()) =>
            {
                Ok(Some(view.trouble(&Fault::of(Code::OrderClosed), None)))
            }
            None => Ok((!scanned.code.is_open(self.app.clock().now())).then(|| view.ended())),
        }
    }

    /// The order as the road is given it, before anybody knows who pays.
    pub(super) fn order_of(&self, scanned: &Scanned, start: &Start, way: &Way) -> Create {
        let facts = &scanned.code.facts;
        // What nobody can close ends soon, or it would keep other wallets away.
        let open = way.pay_way.is_handed_out(way.channel) || way.pay_way.is_told_once(way.channel);
        let most = match (&facts.order_no, open) {
            (_, true) => Some(self.app.times().handed_out.as_millis() as i64),
            (None, _) => Some(AT_THE_COUNTER_MS),
            (Some(_), _) => None,
        };
        let now = self.app.clock().now();
        Create {
            order_no: start.order_no.clone(),
            channel: way.channel,
            pay_way: way.pay_way,
            account: None,
            payee: facts.payee.clone(),
            appid: None,
            sub_appid: None,
            bank: way.bank.as_ref().map(|bank| bank.code.clone()),
            amount: start.amount,
            expires: most.map(|ms| Instant::from_secs(now.plus_millis(ms).secs())),
            code: facts.code,
            terminal: facts.terminal.clone(),
            number: None,
            area: None,
            device: Default::default(),
            product: None,
            combined: None,
            route: None,
            by_code: Some(scanned.code.id.clone()),
            payer_at: Default::default(),
            left: start.left,
            ends_too_soon: false,
        }
    }

    /// Places the order, from `seal` on by the very stages that a merchant's own request takes.
    pub(super) async fn place(
        &self,
        view: &View<'_>,
        scanned: &Scanned,
        start: Start,
        way: &Way,
        told: Option<Told<'_>>,
    ) -> Result<Placed, Refused> {
        self.app
            .payers_rate(&scanned.merchant, &scanned.code.id)
            .map_err(|wait| Fault::of(Code::TooManyRequests).retry(wait))?;
        let now = self.app.clock().now();
        let mut create = self.order_of(scanned, &start, way);
        if let Some(told) = &told {
            told.by.bind(&told.payer, told.former, &mut create);
        }
        let id = payment_id(&scanned.merchant.id, &create.order_no);
        let handed_out = way.pay_way.is_handed_out(way.channel);
        let page = crate::codes::url(&self.app, &scanned.code.id)?;
        let buyer = Buyer {
            description: Text::new(text(scanned, way.channel)),
            attach: None,
            payer: told.map(|told| told.payer),
            client_ip: (way.pay_way == PayWay::H5 || way.channel.is_bank())
                .then(|| Text::new(view.source.to_string())),
            device_id: None,
            detail: None,
            // UnionPay shows a phone its own page (channelType 08).
            h5_type: (way.pay_way == PayWay::H5 || way.channel == Channel::Unionpay && is_phone(view.agent))
                .then(|| Text::from(h5_type(view.agent))),
            // A bank sends a browser to where the merchant registered with it; CMB is told with each order.
            return_url: (handed_out && (!way.channel.is_bank() || way.channel == Channel::Cmb))
                .then(|| Text::new(format!("{page}/o/{id}"))),
            quit_url: (way.pay_way == PayWay::Wap).then(|| Text::new(page.clone())),
        };
        let parsed = Parsed {
            merchant: scanned.merchant.clone(),
            signed_at: now,
            mark: None,
            command: Command::Create(create),
            cargo: Cargo::Compose,
            clear: Clear {
                buyer: Some(buyer),
                ..Clear::default()
            },
            also: Vec::new(),
        };
        let answer = match self.orders.clone().oneshot(parsed).await {
            Ok(answer) | Err(Stop::Answer(answer)) => answer,
            Err(Stop::Fault(fault)) => {
                return Err(Refused {
                    stop: Stop::Answer(view.trouble(&fault, Some(scanned))),
                    elsewhere: fault.elsewhere,
                });
            }
        };
        let refused = !answer.status().is_success();
        let said: Value = serde_json::from_slice(
            &answer
                .into_body()
                .collect()
                .await
                .map(|b| b.to_bytes())
                .unwrap_or_default(),
        )
        .unwrap_or_default();
        if refused {
            return Err(Stop::Answer(view.problem(&said, scanned)).into());
        }
        Ok(Placed {
            id,
            way: way.clone(),
            onward: handed_out.then(|| onward(&said["call_up"])).flatten(),
        })
    }
}

/// What is sold: what stands on the code, or else who sells, in characters that the channel has.
fn text(scanned: &Scanned, channel: Channel) -> String {
    let facts = &scanned.code.facts;
    let shop = &scanned.merchant.name;
    let all = [facts.title.as_deref(), Some(shop), Some("-")];
    let cut = |text: &str| text.chars().take(MOST_TEXT).collect::<String>();
    let mut fit = all.into_iter().flatten().map(cut);
    fit.find(|text| channel::unfit(channel, channel::Told::Description, text).is_none())
        .unwrap_or_default()
}
