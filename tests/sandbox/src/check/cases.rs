//! The cases, in the order in which they are sent, and what each answer means.

use super::{
    events::{Event, Kind, Order},
    letters::{How, Language},
    report::{Report, Row, Verdict},
    wire::{Answered, Endpoint},
};
use crate::channels::{clock, keys};
use anyhow::Context;
use std::{collections::VecDeque, path::Path, time::Duration};

/// Slower answers are worth a note.
const SLOW: Duration = Duration::from_secs(2);
/// How long a delivery may take behind an acknowledgement.
const DELIVERY: Duration = Duration::from_secs(3);
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

/// Tells how often an order was delivered: the first number in what stands at the address.
pub struct Delivered {
    template: String,
    roots: std::path::PathBuf,
}

impl Delivered {
    /// Of an address with `{order_no}` in it.
    ///
    /// # Errors
    /// Where it has none, or is no address.
    pub fn new(template: &str, roots: &Path) -> anyhow::Result<Delivered> {
        anyhow::ensure!(
            template.contains(PLACE),
            "--delivered needs {PLACE} where the order's number goes"
        );
        let delivered = Delivered {
            template: template.to_owned(),
            roots: roots.to_owned(),
        };
        delivered.at("0").map(|_| delivered)
    }

    fn at(&self, order_no: &str) -> anyhow::Result<Endpoint> {
        Endpoint::parse(&self.template.replace(PLACE, order_no), &self.roots)
    }

    async fn count(&self, order_no: &str) -> anyhow::Result<u64> {
        let answered = self.at(order_no)?.get().await.map_err(anyhow::Error::msg)?;
        let digits: String = answered
            .body
            .chars()
            .skip_while(|c| !c.is_ascii_digit())
            .take_while(char::is_ascii_digit)
            .collect();
        digits
            .parse()
            .with_context(|| format!("--delivered answered {} without a number", answered.status))
    }

    /// Waits until it was delivered so often, and then a little for more.
    async fn settled(&self, order_no: &str, wanted: u64) -> anyhow::Result<u64> {
        let began = std::time::Instant::now();
        while self.count(order_no).await? < wanted && began.elapsed() < DELIVERY {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
        self.count(order_no).await
    }
}

const PLACE: &str = "{order_no}";

type Result1 = Result<Answered, String>;

struct Run<'a> {
    check: &'a Check,
    orders: VecDeque<(String, u64)>,
    seq: u64,
    rows: Vec<Row>,
}

/// Sends all cases and says what the endpoint does with them.
///
/// # Errors
/// Where a letter cannot be signed or deliveries cannot be asked for. What the endpoint does wrong is no error.
pub async fn run(check: &Check) -> anyhow::Result<Report> {
    let mut run = Run {
        check,
        orders: check.orders.clone().into(),
        seq: 1000,
        rows: Vec::new(),
    };
    run.plain_and_repeated().await?;
    run.out_of_order().await?;
    run.late().await?;
    run.unusual().await?;
    run.forged().await?;
    Ok(Report::new(
        check.merchant.clone(),
        check.language.name(),
        run.rows,
    ))
}

impl Run<'_> {
    /// The next order that the endpoint knows, else one that is made up.
    fn order(&mut self) -> Order {
        let id = keys::random_hex(32);
        let made_up = || (format!("CHECK{}", &id[..16].to_uppercase()), 100);
        let (no, fen) = self.orders.pop_front().unwrap_or_else(made_up);
        Order { no, fen, id }
    }

    fn event(&mut self, kind: Kind, order: &Order) -> Event {
        self.seq += 1;
        let happened = clock::now();
        Event {
            id: keys::random_hex(32),
            seq: self.seq,
            kind,
            order: order.clone(),
            happened,
            large: false,
            further: false,
        }
    }

    async fn send(&self, event: &Event, how: How, slowly: bool) -> anyhow::Result<Result1> {
        let letter = self.check.language.letter(event, how, clock::now())?;
        Ok(self.check.endpoint.post(&letter, slowly).await)
    }

    /// It must be acknowledged.
    fn good(&mut self, case: &'static str, sent: &'static str, answered: &Result1, otherwise: &str) {
        let (verdict, finding) = match answered {
            Err(why) => (
                Verdict::Wrong,
                format!("{why}: it would be sent again for a day at least. {otherwise}"),
            ),
            Ok(a) if self.check.language.acknowledges(a) && a.took > SLOW => {
                let took = format!(
                    "The answer took {:.1} s; after 5 s it would be sent again. Acknowledge first, then work.",
                    a.took.as_secs_f32()
                );
                (Verdict::Note, took)
            }
            Ok(a) if self.check.language.acknowledges(a) => (Verdict::Right, String::new()),
            Ok(a) if (300..400).contains(&a.status) => (
                Verdict::Wrong,
                "Redirects are not followed; register the address that answers itself.".into(),
            ),
            Ok(a) => {
                let other_text = if a.status == 200 { " with this text" } else { "" };
                (
                    Verdict::Wrong,
                    format!(
                        "Status {}{other_text} does not acknowledge: it would be sent again for a day at least. {otherwise}",
                        a.status
                    ),
                )
            }
        };
        self.row(case, sent, answered, verdict, finding);
    }

    /// It must not be acknowledged.
    fn bad(&mut self, case: &'static str, sent: &'static str, answered: &Result1, otherwise: &str) {
        let (verdict, finding) = match answered {
            Err(why) => (
                Verdict::Note,
                format!(
                    "It was not acknowledged, but not refused either ({why}); {}.",
                    self.check.language.refusal()
                ),
            ),
            Ok(a) if self.check.language.acknowledges(a) => {
                (Verdict::Wrong, format!("It was acknowledged. {otherwise}"))
            }
            Ok(a) if self.check.language.refuses(a) => (Verdict::Right, String::new()),
            Ok(a) => (
                Verdict::Note,
                format!(
                    "It was not acknowledged, but status {} looks like a fault of your own; {}.",
                    a.status,
                    self.check.language.refusal()
                ),
            ),
        };
        self.row(case, sent, answered, verdict, finding);
    }

    fn row(
        &mut self,
        case: &'static str,
        sent: &'static str,
        answered: &Result1,
        verdict: Verdict,
        finding: String,
    ) {
        let answered = match answered {
            Ok(answered) => format!(
                "status {} after {} ms",
                answered.status,
                answered.took.as_millis()
            ),
            Err(why) => why.clone(),
        };
        self.rows.push(Row {
            case,
            sent,
            answered,
            verdict,
            finding,
        });
    }

    /// How often the order of the latest case was delivered, where that can be asked.
    async fn delivered(&mut self, order: &Order, wanted: u64, otherwise: &str) -> anyhow::Result<()> {
        let Some(delivered) = &self.check.delivered else {
            return Ok(());
        };
        let count = delivered.settled(&order.no, wanted).await?;
        if let Some(row) = self.rows.last_mut().filter(|_| count != wanted) {
            row.verdict = Verdict::Wrong;
            let found = format!("The order was delivered {count} times instead of {wanted}. {otherwise}");
            row.finding = if row.finding.is_empty() {
                found
            } else {
                format!("{} {found}", row.finding)
            };
        }
        Ok(())
    }

    async fn plain_and_repeated(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let paid = self.event(Kind::Paid, &order);
        let answered = self.send(&paid, How::Truly, false).await?;
        let known = format!(
            "Is the public key {} registered under serial {}, and is the order one that the endpoint knows (--order)?",
            self.check.language.public_key_file,
            self.check.language.serial(),
        );
        self.good("good", "a payment, rightly signed", &answered, &known);
        self.delivered(&order, 1, "What is acknowledged must be put into effect.")
            .await?;
        let answered = self.send(&paid, How::Truly, false).await?;
        self.good(
            "duplicate",
            "the same again",
            &answered,
            "A repeat must be acknowledged, else it never ends.",
        );
        self.delivered(&order, 1, "Remember ids of events that were put into effect.")
            .await?;
        let twin = self.order();
        let paid_twin = self.event(Kind::Paid, &twin);
        let (one, two) = tokio::join!(
            self.send(&paid_twin, How::Truly, false),
            self.send(&paid_twin, How::Truly, false)
        );
        let (one, two) = (one?, two?);
        let worse = if one.as_ref().is_ok_and(|a| self.check.language.acknowledges(a)) {
            two
        } else {
            one
        };
        self.good(
            "at_once",
            "one payment twice at once",
            &worse,
            "Take the second as a repeat, under a lock or a unique key.",
        );
        self.delivered(
            &twin,
            1,
            "Two at once must find each other: a unique key, not look and then write.",
        )
        .await?;
        let refunded = self.event(Kind::Refunded, &order);
        let answered = self.send(&refunded, How::Truly, false).await?;
        self.good(
            "refund",
            "a refund of the payment",
            &answered,
            "Refunds are told by the same address.",
        );
        Ok(())
    }

    async fn out_of_order(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let (paid, refunded) = (self.event(Kind::Paid, &order), self.event(Kind::Refunded, &order));
        let first = self.send(&refunded, How::Truly, false).await?;
        let then = self.send(&paid, How::Truly, false).await?;
        let worse = if first.as_ref().is_ok_and(|a| self.check.language.acknowledges(a)) {
            then
        } else {
            first
        };
        let advice = "Notices may come in any order: keep the refund, or ask for the order, and take the payment when it comes.";
        self.good("out_of_order", "a refund, then its payment", &worse, advice);
        Ok(())
    }

    async fn late(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let mut paid = self.event(Kind::Paid, &order);
        paid.happened = paid.happened.plus_millis(-23 * HOUR_MS);
        paid.seq -= 500;
        let answered = self.send(&paid, How::Truly, false).await?;
        let advice =
            "Five minutes count from the signature's time, not from the event's: a repeat is signed anew.";
        self.good("late", "a payment of yesterday, told now", &answered, advice);
        self.delivered(&order, 1, "A notice that comes late is as good as any.")
            .await
    }

    async fn unusual(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let further = Event {
            further: true,
            ..self.event(Kind::Paid, &order)
        };
        let answered = self.send(&further, How::Truly, false).await?;
        self.good(
            "further_fields",
            "a payment with fields of a later version",
            &answered,
            "Pass over fields that you do not know.",
        );
        let unheard = self.event(Kind::Unheard, &order);
        let answered = self.send(&unheard, How::Truly, false).await?;
        self.good(
            "further_kind",
            "a kind of event of a later version",
            &answered,
            "Acknowledge kinds that you do not know.",
        );
        let order = self.order();
        let large = Event {
            large: true,
            ..self.event(Kind::Paid, &order)
        };
        let answered = self.send(&large, How::Truly, false).await?;
        self.good(
            "large",
            "a payment with long texts (16 KiB)",
            &answered,
            "Take bodies of 64 KiB.",
        );
        self.delivered(&order, 1, "Long texts change nothing.").await?;
        let order = self.order();
        let slow = self.event(Kind::Paid, &order);
        let answered = self.send(&slow, How::Truly, true).await?;
        self.good(
            "slow",
            "a payment that takes three seconds to arrive",
            &answered,
            "Wait ten seconds for a body.",
        );
        self.delivered(&order, 1, "A slow line changes nothing.").await?;
        let (known, id) = (std::mem::take(&mut self.orders), keys::random_hex(32));
        let stranger = Order {
            no: format!("NOBODY{}", &id[..12].to_uppercase()),
            fen: 100,
            id,
        };
        let paid = self.event(Kind::Paid, &stranger);
        let answered = self.send(&paid, How::Truly, false).await?;
        self.orders = known;
        self.unknown_order(&answered);
        Ok(())
    }

    /// Acknowledging and refusing are both sound; a fault of its own is not.
    fn unknown_order(&mut self, answered: &Result1) {
        let (verdict, finding) = match answered {
            Ok(a) if a.status < 500 && !(300..400).contains(&a.status) => (Verdict::Right, String::new()),
            Ok(a) => (
                Verdict::Wrong,
                format!(
                    "Status {} looks like a crash. Acknowledge it and look into it, or refuse it with 404; then it comes again.",
                    a.status
                ),
            ),
            Err(why) => (
                Verdict::Wrong,
                format!(
                    "{why}. Acknowledge it and look into it, or refuse it with 404; then it comes again."
                ),
            ),
        };
        self.row(
            "unknown_order",
            "a payment of an order that nobody knows",
            answered,
            verdict,
            finding,
        );
    }

    async fn forged(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        let cases = [
            (
                "wrong_signature",
                "a payment with a broken signature",
                How::WrongSignature,
                "Anybody could tell you that an order is paid: verify the signature.",
            ),
            (
                "wrong_key",
                "signed by a stranger under the true serial",
                How::WrongKey,
                "Verify with the registered key, not with one that comes along.",
            ),
            (
                "unknown_serial",
                "signed by a stranger under another serial",
                How::UnknownSerial,
                "A serial that you do not know is nobody's.",
            ),
            (
                "altered_body",
                "changed after signing",
                How::AlteredBody,
                "The signature covers the body's octets: verify those that came.",
            ),
            (
                "unsigned",
                "no signature at all",
                How::Unsigned,
                "What is not signed is nobody's.",
            ),
            (
                "old_signature",
                "signed ten minutes ago",
                How::Ago(600),
                "Somebody may repeat what was overheard: refuse signatures older than five minutes.",
            ),
            (
                "future_signature",
                "signed ten minutes ahead",
                How::Ago(-600),
                "Refuse signatures more than five minutes ahead, or they can be kept for later.",
            ),
        ];
        let mut told = false;
        for (case, sent, how, otherwise) in cases {
            if !self.check.language.says(how) {
                continue;
            }
            let event = self.event(Kind::Paid, &order);
            let answered = self.send(&event, how, false).await?;
            self.bad(case, sent, &answered, otherwise);
            // What one of them delivered is not counted again for the next.
            if !told {
                self.delivered(&order, 0, "A forged notice was put into effect.")
                    .await?;
                told = self
                    .rows
                    .last()
                    .is_some_and(|row| row.finding.contains("put into effect"));
            }
        }
        Ok(())
    }
}
