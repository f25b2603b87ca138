//! What comes in another order than it happened, or whose sender did not wait.

use super::{
    delivered::Told,
    events::{Event, Kind, Order},
    judge::{Case, Run},
    letters::How,
    wire::Manner,
};

impl Run<'_> {
    /// One fen goes back, so the order is paid and wants to be delivered whichever comes first.
    pub(super) async fn out_of_order(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let paid = Event {
            gone_back: true,
            ..self.event(Kind::Paid, &order)
        };
        let refunded = self.event(Kind::Refunded, &order);
        let first = self.send(&refunded, How::Truly).await?;
        let then = self.send(&paid, How::Truly).await?;
        let acknowledged = self.acknowledged(&then);
        let worse = self.worse(first, then);
        let case = Case {
            name: "out_of_order",
            sent: "a refund, then its payment",
            advice: "Notices may come in any order: keep the refund, or ask for the order, and take the payment when it comes.",
        };
        self.good(case, &worse);
        let advice = "What comes later may have happened earlier: nobody sends it again once it is acknowledged, so keep it.";
        // An order of one fen has gone back whole: delivering it or not are both sound.
        if order.fen > 1 {
            self.delivered(&order, Told::Paid(acknowledged), advice).await?;
        }
        Ok(())
    }

    /// `first` is paid by now.
    pub(super) async fn closed(&mut self, first: &Order) -> anyhow::Result<()> {
        if !self.check.language.tells_closes() {
            return Ok(());
        }
        let mut stale = Event {
            gone_back: true,
            ..self.event(Kind::Closed, first)
        };
        stale.seq -= 500;
        let reply = self.send(&stale, How::Truly).await?;
        let case = Case {
            name: "closed_after_paid",
            sent: self.check.language.closed_after_paid(),
            advice: "Acknowledge what changes nothing any more.",
        };
        self.good(case, &reply);
        let advice = "What was paid stays paid: a notice that is older than what you know undoes nothing.";
        self.delivered(first, Told::Other, advice).await?;
        self.closed_unpaid().await
    }

    async fn closed_unpaid(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let closed = self.event(Kind::ClosedUnpaid, &order);
        let reply = self.send(&closed, How::Truly).await?;
        let case = Case {
            name: "closed",
            sent: "an order that was closed unpaid",
            advice: "Closed orders are told by the same address.",
        };
        self.good(case, &reply);
        let advice = "Not every notice is a payment: look at what it says has become of the order.";
        self.delivered(&order, Told::Other, advice).await?;
        if !self.check.language.pays_what_was_closed() {
            return Ok(());
        }
        let paid = self.event(Kind::Paid, &order);
        let reply = self.send(&paid, How::Truly).await?;
        let case = Case {
            name: "paid_after_closed",
            sent: "and was paid after all",
            advice: "A payer may have been quicker than the close: take the payment.",
        };
        self.good(case, &reply);
        let advice = "The money is yours: deliver, or refund it.";
        self.delivered(&order, Told::Paid(self.acknowledged(&reply)), advice)
            .await
    }

    /// As after a time-out: the sender is gone, and tells the same again.
    pub(super) async fn hung_up(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let paid = self.event(Kind::Paid, &order);
        // What became of it nobody knows; the repeat is what counts.
        let _ = self.post(&paid, How::Truly, Manner::HangingUp).await?;
        let reply = self.send(&paid, How::Truly).await?;
        let case = Case {
            name: "hung_up",
            sent: "a payment whose sender did not wait for the answer, then its repeat",
            advice: "A repeat must be acknowledged, else it never ends.",
        };
        self.good(case, &reply);
        let advice = "Remember an event together with what it does, in one transaction, and finish although the sender has gone.";
        self.delivered(&order, Told::Paid(self.acknowledged(&reply)), advice)
            .await
    }
}
