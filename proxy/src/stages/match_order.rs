//! Which order of ours a notice is about. While the index is being rebuilt nobody can say "none": the channel is asked
//! to come again.

use crate::{
    app::App,
    charge::cancel,
    errand,
    fault::{Code, Fault, Stop},
    named,
    notification::{Identified, Matched, Says, SealedNotice},
    stage::Stage,
};
use domain::ChannelNo;
use ledger::Order;
use std::sync::Arc;

/// Over the ledger.
pub struct MatchOrder(pub App);

impl Stage<SealedNotice> for MatchOrder {
    type Out = Matched;

    async fn run(&self, SealedNotice { notice, says, also }: SealedNotice) -> Result<Matched, Stop> {
        let order = self.order(&notice, &says).await?;
        let mut others = Vec::with_capacity(also.len());
        for says in also {
            let order = self.order(&notice, &says).await?;
            others.push((says, order));
        }
        Ok(Matched {
            notice,
            says,
            order,
            also: others,
        })
    }
}

impl MatchOrder {
    async fn order(&self, notice: &Identified, says: &Says) -> Result<Option<Arc<Order>>, Stop> {
        let number = match says {
            Says::Order(view, ..) => &view.number,
            Says::Refund(Some(order), _) | Says::RefundToAskFor(order, _) => order,
            Says::Refund(None, refund) => return self.by_refund(notice, &refund.number).await,
            Says::Nothing | Says::Closed => return Ok(None),
        };
        let account = &notice.account;
        let order = self
            .0
            .ledger()
            .order_by_number(&notice.merchant.id, account.channel, &account.account, number)
            .await;
        let order = order.map_err(|error| Fault::of(Code::IndexRebuilding).inside(error))?;
        // The same number at another time is none of ours (channels.md 4.3).
        let time = channel::notice::named(account.channel, &notice.received.body);
        let of_this_time = |order: &Arc<Order>| {
            time.is_none() || named::attempt(order, account.channel, &account.account, number, time).is_some()
        };
        Ok(order.filter(of_this_time))
    }
}

impl MatchOrder {
    /// A refund's number that leads to its order by itself.
    async fn by_refund(&self, notice: &Identified, number: &ChannelNo) -> Result<Option<Arc<Order>>, Stop> {
        let rebuilding = |error| Fault::of(Code::IndexRebuilding).inside(error);
        let time = channel::notice::named(notice.account.channel, &notice.received.body);
        let ours = |order: &Arc<Order>| {
            order.merchant == notice.merchant.id
                && (named::refund(order, number, time).is_some()
                    || named::cancelled(order, number, time).is_some()
                    || cancel::made(order, number, time))
        };
        let (ledger, account) = (self.0.ledger(), &notice.account);
        if let Some(id) = errand::order_of_refund(number) {
            let order = ledger.order(&id).await.map_err(rebuilding)?;
            if let Some(order) = order.filter(ours) {
                return Ok(Some(order));
            }
        }
        // One that the merchant's own SDK gave.
        let order = ledger
            .order_by_number(&notice.merchant.id, account.channel, &account.account, number)
            .await
            .map_err(rebuilding)?;
        Ok(order.filter(ours))
    }
}
