//! The payer of a notice becomes a token and a sealed record; plaintext ends here.

use crate::{
    app::App,
    fault::Stop,
    notification::{Opened, Says, SealedNotice},
    stage::Stage,
};
use channel::{OrderView, notice::Notice};
use domain::*;
use sha2::{Digest as _, Sha256};
use vault::{Context, PaidBuyer};

/// Over the vault.
pub struct SealNotice(pub App);

impl Stage<Opened> for SealNotice {
    type Out = SealedNotice;

    async fn run(&self, Opened { notice, says }: Opened) -> Result<SealedNotice, Stop> {
        let vault = self.0.vault();
        let (merchant, channel) = (&notice.merchant, notice.account.channel);
        let seal = |mut view: Box<OrderView>| {
            let token = view.payer.as_ref().and_then(|payer| vault.token(channel, payer));
            let buyer = PaidBuyer {
                payer: view.payer.take(),
                attach: view.attach.take(),
            };
            // Sealed only for a merchant who will be told; anybody else's payer is forgotten here.
            let wanted = merchant.notify.is_some() && (buyer.payer.is_some() || buyer.attach.is_some());
            let sealed = wanted.then(|| {
                vault.seal(
                    buyer,
                    &paid_context(&merchant.id, channel, &notice.account.account, &view.number),
                )
            });
            Says::Order(view, token, sealed)
        };
        let mut also = Vec::new();
        let says = match says {
            Some(Notice::Order(view)) => seal(view),
            Some(Notice::Combined(views)) => {
                let mut all = views.into_iter().map(|view| seal(Box::new(view)));
                let first = all.next().unwrap_or(Says::Nothing);
                also.extend(all);
                first
            }
            Some(Notice::Refund { order, view, .. }) => Says::Refund(order, view),
            Some(Notice::RefundToAskFor { order, refund }) => Says::RefundToAskFor(order, refund),
            Some(Notice::Ignored) => Says::Nothing,
            None => Says::Closed,
        };
        Ok(SealedNotice { notice, says, also })
    }
}

/// Where the buyer data of a payment lies: it is sealed before its order is looked up, so it goes by the number at the
/// channel.
pub(crate) fn paid_context(
    merchant: &MerchantId,
    channel: Channel,
    account: &AccountNo,
    number: &ChannelNo,
) -> Context {
    let hash = Sha256::digest(format!("guandao-paid\0{channel}\0{account}\0{number}"));
    let mut id = [0; 16];
    id.copy_from_slice(&hash[..16]);
    Context {
        merchant: merchant.clone(),
        order: PaymentId::from_bytes(id),
        label: "paid",
    }
}
