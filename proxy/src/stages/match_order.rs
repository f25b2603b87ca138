//! Which order of ours a notice is about. While the index is being rebuilt nobody can say "none": the channel is asked
//! to come again.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    notification::{Matched, Says, SealedNotice},
    stage::Stage,
};

/// Over the ledger.
pub struct MatchOrder(pub App);

impl Stage<SealedNotice> for MatchOrder {
    type Out = Matched;

    async fn run(&self, SealedNotice { notice, says }: SealedNotice) -> Result<Matched, Stop> {
        let number = match &says {
            Says::Order(view, ..) => &view.number,
            Says::Refund(order, _) => order,
            Says::Nothing | Says::Closed => {
                return Ok(Matched {
                    notice,
                    says,
                    order: None,
                });
            }
        };
        let account = &notice.account;
        let order = self
            .0
            .ledger()
            .order_by_number(&notice.merchant.id, account.channel, &account.account, number)
            .await;
        let order = order.map_err(|error| Fault::of(Code::IndexRebuilding).inside(error))?;
        Ok(Matched { notice, says, order })
    }
}
