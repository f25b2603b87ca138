//! The cases that every endpoint meets in its first week, and the order in which all are sent.

use super::{
    delivered::{Delivered, Told},
    events::{Event, Kind, Order},
    judge::{Case, Run, made_up},
    letters::{How, Language},
    report::Report,
    wire::{Endpoint, Manner, NO_CONNECTION},
};

const HOUR_MS: i64 = 3_600_000;

/// One conformance run.
pub struct Check {
    /// Its address as it was given.
    pub merchant: String,
    /// Where notices are posted.
    pub endpoint: Endpoint,
    /// How they are written.
    pub language: Language,
    /// Orders that the endpoint knows, with their amounts in fen; others are made up.
    pub orders: Vec<(String, u64)>,
    /// Where it can be asked how often an order was delivered.
    pub delivered: Option<Delivered>,
}

/// Sends all cases and says what the endpoint does with them.
///
/// # Errors
/// Where nobody is at the address, a letter cannot be signed or deliveries cannot be asked for. What the endpoint does
/// wrong is no error.
pub async fn run(check: &Check) -> anyhow::Result<Report> {
    let mut run = Run::new(check);
    let first = run.plain_and_repeated().await?;
    run.wrong_amount().await?;
    run.at_once().await?;
    run.refunded(&first.order).await?;
    run.out_of_order().await?;
    run.closed(&first.order).await?;
    run.late().await?;
    run.unusual().await?;
    run.slow().await?;
    run.hung_up().await?;
    run.unknown_order().await?;
    run.forged().await?;
    run.strangers().await?;
    run.huge().await?;
    run.again(&first).await?;
    run.late_deliveries().await?;
    Ok(Report::new(
        check.merchant.clone(),
        check.language.name(),
        run.rows,
    ))
}

impl Run<'_> {
    /// The first payment comes back in later cases.
    async fn plain_and_repeated(&mut self) -> anyhow::Result<Event> {
        let order = self.order();
        let paid = self.event(Kind::Paid, &order);
        let reply = self.send(&paid, How::Truly).await?;
        if let Err(why) = &reply
            && why.starts_with(NO_CONNECTION)
        {
            anyhow::bail!("{}: {why}", self.check.merchant);
        }
        let case = Case {
            name: "good",
            sent: "a payment, rightly signed",
            advice: "What is acknowledged must be put into effect.",
        };
        let known = format!(
            "Is the public key {} registered under serial {}, and is the order one that the endpoint knows (--order)?",
            self.check.language.public_key_file,
            self.check.language.serial(),
        );
        self.good_else(case, &reply, &known);
        self.delivered(&order, Told::Paid(self.acknowledged(&reply)), case.advice)
            .await?;
        let reply = self.send(&paid, How::Truly).await?;
        let case = Case {
            name: "duplicate",
            sent: "the same again",
            advice: "A repeat must be acknowledged, else it never ends.",
        };
        self.good(case, &reply);
        let advice = "Remember ids of events that were put into effect.";
        self.delivered(&order, Told::Again(self.acknowledged(&reply)), advice)
            .await?;
        self.other_id(&order).await?;
        Ok(paid)
    }

    async fn other_id(&mut self, order: &Order) -> anyhow::Result<()> {
        let anew = self.event(Kind::Paid, order);
        let reply = self.send(&anew, How::Truly).await?;
        let case = Case {
            name: "other_id",
            sent: "the same payment under another event's id",
            advice: "An order that is paid already is no fault: acknowledge.",
        };
        self.good(case, &reply);
        let advice = "An order is delivered once, whatever tells of its payment: look at the order, not only at the event's id.";
        self.delivered(order, Told::Again(self.acknowledged(&reply)), advice)
            .await
    }

    async fn at_once(&mut self) -> anyhow::Result<()> {
        let twin = self.order();
        let paid = self.event(Kind::Paid, &twin);
        let (one, two) = tokio::join!(self.send(&paid, How::Truly), self.send(&paid, How::Truly));
        let (one, two) = (one?, two?);
        let any = self.acknowledged(&one) || self.acknowledged(&two);
        let worse = self.worse(one, two);
        let case = Case {
            name: "at_once",
            sent: "one payment twice at once",
            advice: "Take the second as a repeat, under a lock or a unique key.",
        };
        // Where neither was acknowledged, their coming at once is not the reason.
        self.good_else(case, &worse, if any { case.advice } else { "" });
        let advice = "Two at once must find each other: a unique key, not look and then write.";
        self.delivered(&twin, Told::Again(any), advice).await
    }

    async fn refunded(&mut self, order: &Order) -> anyhow::Result<()> {
        let refunded = self.event(Kind::Refunded, order);
        let reply = self.send(&refunded, How::Truly).await?;
        let case = Case {
            name: "refund",
            sent: "a refund of the payment",
            advice: "Refunds are told by the same address.",
        };
        self.good(case, &reply);
        self.delivered(order, Told::Other, self.check.language.tells_a_refund())
            .await
    }

    async fn late(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let mut paid = self.event(Kind::Paid, &order);
        paid.happened = paid.happened.plus_millis(-23 * HOUR_MS);
        paid.seq -= 500;
        let reply = self.send(&paid, How::Truly).await?;
        let case = Case {
            name: "late",
            sent: "a payment of yesterday, told now",
            advice: "Five minutes count from the signature's time, not from the event's: a repeat is signed anew.",
        };
        self.good(case, &reply);
        let advice = "A notice that comes late is as good as any.";
        self.delivered(&order, Told::Paid(self.acknowledged(&reply)), advice)
            .await
    }

    async fn unusual(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let further = Event {
            further: true,
            ..self.event(Kind::Paid, &order)
        };
        let reply = self.send(&further, How::Truly).await?;
        let case = Case {
            name: "further_fields",
            sent: "a payment with fields of a later version",
            advice: "Pass over fields that you do not know.",
        };
        self.good(case, &reply);
        self.delivered(&order, Told::Paid(self.acknowledged(&reply)), case.advice)
            .await?;
        let unheard = self.event(Kind::Unheard, &order);
        let reply = self.send(&unheard, How::Truly).await?;
        let case = Case {
            name: "further_kind",
            sent: "a kind of event of a later version",
            advice: "Acknowledge kinds that you do not know.",
        };
        self.good(case, &reply);
        self.delivered(&order, Told::Other, "A kind that you do not know is no payment.")
            .await?;
        let order = self.order();
        let large = Event {
            large: true,
            ..self.event(Kind::Paid, &order)
        };
        let reply = self.send(&large, How::Truly).await?;
        let case = Case {
            name: "large",
            sent: "a payment with long texts (16 KiB)",
            advice: "Take bodies of 64 KiB.",
        };
        self.good(case, &reply);
        let acknowledged = self.acknowledged(&reply);
        self.delivered(&order, Told::Paid(acknowledged), "Long texts change nothing.")
            .await
    }

    async fn slow(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let slow = self.event(Kind::Paid, &order);
        let reply = self.post(&slow, How::Truly, Manner::Slowly).await?;
        let case = Case {
            name: "slow",
            sent: "a payment that takes three seconds to arrive",
            advice: "Wait ten seconds for a body.",
        };
        self.good(case, &reply);
        let acknowledged = self.acknowledged(&reply);
        self.delivered(&order, Told::Paid(acknowledged), "A slow line changes nothing.")
            .await
    }

    async fn unknown_order(&mut self) -> anyhow::Result<()> {
        let paid = self.event(Kind::Paid, &made_up("NOBODY", 12));
        let reply = self.send(&paid, How::Truly).await?;
        let case = Case {
            name: "unknown_order",
            sent: "a payment of an order that nobody knows",
            advice: "Acknowledge it and look into it, or refuse it with 404; then it comes again.",
        };
        self.either(case, &reply);
        Ok(())
    }

    /// Hours of repeats in little: whoever remembers only the latest events has forgotten this one.
    async fn again(&mut self, first: &Event) -> anyhow::Result<()> {
        let by_now = Event {
            gone_back: true,
            ..first.clone()
        };
        let reply = self.send(&by_now, How::Truly).await?;
        let case = Case {
            name: "again",
            sent: "the first payment once more, after all others",
            advice: "A repeat may come a day later: acknowledge.",
        };
        self.good(case, &reply);
        let advice = "A repeat may come a day later: remember for good what was delivered.";
        self.delivered(&first.order, Told::Again(self.acknowledged(&reply)), advice)
            .await
    }
}
