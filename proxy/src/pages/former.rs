//! A way to pay that was chosen before at an order's code, is in the payer's hands, and keeps others away: how long, and whether
//! the payer may say that it was not paid.

use super::Scanned;
use crate::{app::App, errand, fault::Fault};
use domain::*;
use ledger::{OrderState, payment_id};

/// The former way.
pub(super) struct Former {
    pub(super) channel: Channel,
    /// The listed bank to which UnionPay's gateway led.
    pub(super) bank: Option<ListedBank>,
    /// Before that nothing takes its place.
    pub(super) until: Instant,
    /// The payer may go another way now, by saying that it was not paid.
    pub(super) free: bool,
}

impl Former {
    /// Of a code's own order; an order at a static code is another one each time.
    pub(super) async fn of(app: &App, scanned: &Scanned) -> Result<Option<Former>, Fault> {
        let Some(order_no) = &scanned.code.facts.order_no else {
            return Ok(None);
        };
        let order = app.order(&payment_id(&scanned.merchant.id, order_no)).await?;
        let Some(order) = order.filter(|order| order.state() == OrderState::AwaitingPayment) else {
            return Ok(None);
        };
        let latest = order.latest();
        let (channel, pay_way) = (latest.channel, latest.pay_way);
        if !(pay_way.is_handed_out(channel) || pay_way.is_told_once(channel))
            || !errand::may_come(app, latest)
        {
            return Ok(None);
        }
        let free = errand::may_be_left(app, latest);
        let accounts = scanned.merchant.accounts.iter();
        let mut facts = accounts.filter_map(|account| account.bank.as_ref());
        let bank = latest.bank.as_ref();
        let bank = bank.and_then(|code| facts.find_map(|facts| facts.listed(code, latest.pay_way)));
        Ok(Some(Former {
            channel: latest.channel,
            bank: bank.cloned(),
            until: match latest.expires > app.clock().now() {
                true => latest.expires,
                false => channel::open_until(latest.channel, latest.expires),
            },
            free,
        }))
    }
}
