//! Payers at a code: one code, every wallet (一码多付). Rendered here, no script but our own, no cookie but those that
//! bind an authorisation to its browser and find the way back from a bank, limited by source.
//!
//! A wallet is told from the `User-Agent` (channels.md 7), its payer by the wallet's own authorisation; the order goes down
//! the merchant's own road from `seal` on. What a page says of an order is what the journal says.

pub mod ask;
mod asked;
mod authorize;
mod former;
mod order;
mod place;
mod states;
mod unsure;
mod view;
mod wallet;
mod way_back;
mod ways;
mod words;

use crate::{
    accept::Received,
    app::App,
    fault::{Code, Fault, Stop},
    limits::{Limiter, source},
    payment::Parsed,
    stage::{End, Response},
};
use ask::{Ask, Asked};
use domain::{CodeId, PaymentId};
use ledger::PayCode;
use policy::registry::{AccountFacts, MerchantFacts};
use states::States;
use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};
use tower::util::BoxCloneSyncService;
use view::View;

/// The merchant's own road, from `seal` on.
pub type Orders = BoxCloneSyncService<Parsed, Response, Stop>;

/// So many times as often as codes are opened or orders placed, a source may ask how orders stand.
const WAITING: u32 = 20;

/// The pages.
pub struct Pages {
    app: App,
    orders: Orders,
    states: States,
    sources: Limiter<u128>,
    /// What pages that wait ask for by themselves: many payers wait behind one address.
    polls: Limiter<u128>,
    /// A channel is asked for an order at most so often because a page wants to know.
    asking: Limiter<PaymentId>,
    served: AtomicU32,
}

impl Pages {
    /// Over the road.
    pub fn new(app: &App, orders: Orders) -> Pages {
        let one = NonZeroU32::MIN;
        Pages {
            app: app.clone(),
            orders,
            states: States::default(),
            sources: Limiter::new(app.limits().payer),
            polls: Limiter::new(app.limits().payer.times(WAITING)),
            asking: Limiter::new(crate::limits::Rate {
                per_second: one,
                burst: one,
            }),
            served: AtomicU32::new(0),
        }
    }
}

/// A code that was scanned, and whose it is.
struct Scanned {
    code: Arc<PayCode>,
    /// With the accounts by which the code's payee can be paid, and no others.
    merchant: Arc<MerchantFacts>,
}

impl End<Received> for Pages {
    type Out = Response;

    async fn run(&self, received: Received) -> Result<Response, Stop> {
        if self.served.fetch_add(1, Ordering::Relaxed) % 4096 == 4095 {
            self.sources.tidy();
            self.polls.tidy();
            self.asking.tidy();
            self.states.tidy(self.app.clock().since_boot());
        }
        let view = View::of(&self.app, &received);
        match self.answer(&received, &view).await {
            Ok(response) | Err(Stop::Answer(response)) => Ok(response),
            Err(Stop::Fault(fault)) => {
                crate::stages::rescue::log(received.door, received.id, &fault);
                Ok(view.trouble(&fault, None))
            }
        }
    }
}

impl Pages {
    async fn answer(&self, received: &Received, view: &View<'_>) -> Result<Response, Stop> {
        received.lawful()?;
        received.only_for(
            self.app
                .config()
                .listen
                .pages
                .as_ref()
                .and_then(|l| l.host.as_deref()),
            |_| false,
        )?;
        let asked = Asked::read(received)?;
        if let Ask::Style | Ask::Script | Ask::Icon = asked.ask {
            return Ok(view::asset(&asked.ask));
        }
        let rate = match asked.ask {
            Ask::State(_) | Ask::Qr(_) => &self.polls,
            _ => &self.sources,
        };
        rate.take(&source(received.peer.ip()))
            .map_err(|wait| Fault::of(Code::TooManyRequests).retry(wait))?;
        if asked.ask == Ask::FromBank {
            return Ok(way_back::from_bank(received, view));
        }
        let scanned = self.scanned(&asked.code).await?;
        match &asked.ask {
            Ask::Enter => self.enter(received, view, &scanned).await,
            Ask::Choose => self.choose(received, view, &scanned, &asked).await,
            Ask::Back => self.back(received, view, &scanned, &asked).await,
            Ask::Order(id) => self.order(view, &scanned, id).await,
            Ask::Returned(id) => Ok(view.to_order(&scanned, id)),
            Ask::Qr(id) => self.qr(&scanned, id).await,
            Ask::State(id) => self.state(&scanned, id).await,
            Ask::Style | Ask::Script | Ask::Icon | Ask::FromBank => Err(Fault::of(Code::NotFound).into()),
        }
    }

    /// A code on record, of a merchant that is registered.
    async fn scanned(&self, id: &CodeId) -> Result<Scanned, Fault> {
        let code = self
            .app
            .ledger()
            .code(id)
            .await
            .ok_or_else(|| Fault::of(Code::NotFound))?;
        let mut merchant = self
            .app
            .registries()
            .merchant(&code.merchant)
            .cloned()
            .ok_or_else(|| Fault::of(Code::NotFound))?;
        if let Some(payee) = &code.facts.payee {
            let pays = |account: &AccountFacts| account.may_pay(Some(payee));
            Arc::make_mut(&mut merchant).accounts.retain(pays);
        }
        Ok(Scanned { code, merchant })
    }
}
