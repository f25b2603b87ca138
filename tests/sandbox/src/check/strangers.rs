//! What must not be believed: forged, another's, of another amount, or more than anybody may send.

use super::{
    delivered::Told,
    events::{Event, Kind, Whose},
    judge::{Case, Run, made_up},
    letters::How,
    report::Verdict,
    wire::Manner,
};

/// Forged letters. The order of all of them is one, which none of them may deliver.
const FORGED: [(How, Case); 9] = [
    (
        How::WrongSignature,
        Case {
            name: "wrong_signature",
            sent: "a payment with a broken signature",
            advice: "Anybody could tell you that an order is paid: verify the signature.",
        },
    ),
    (
        How::WrongKey,
        Case {
            name: "wrong_key",
            sent: "signed by a stranger under the true serial",
            advice: "Verify with the registered key, not with one that comes along.",
        },
    ),
    (
        How::UnknownSerial,
        Case {
            name: "unknown_serial",
            sent: "signed by a stranger under another serial",
            advice: "A serial that you do not know is nobody's.",
        },
    ),
    (
        How::AlteredBody,
        Case {
            name: "altered_body",
            sent: "changed after signing",
            advice: "The signature covers the body's octets: verify those that came.",
        },
    ),
    (
        How::Unsigned,
        Case {
            name: "unsigned",
            sent: "no signature at all",
            advice: "What is not signed is nobody's.",
        },
    ),
    (
        How::Ago(600),
        Case {
            name: "old_signature",
            sent: "signed ten minutes ago",
            advice: "Somebody may repeat what was overheard: refuse signatures older than five minutes.",
        },
    ),
    (
        How::Ago(-600),
        Case {
            name: "future_signature",
            sent: "signed ten minutes ahead",
            advice: "Refuse signatures more than five minutes ahead, or they can be kept for later.",
        },
    ),
    (
        How::Probe,
        Case {
            name: "signature_probe",
            sent: "a signature probe (签名探测), WECHATPAY/SIGNTEST/ in front",
            advice: "WeChat Pay looks whether you verify: refuse it as any wrong signature; the true one follows.",
        },
    ),
    (
        How::OtherSecret,
        Case {
            name: "other_secret",
            sent: "rightly signed, but sealed with another merchant's APIv3 key",
            advice: "What you cannot open you cannot have taken: refuse it.",
        },
    ),
];

/// Rightly signed, and about somebody else.
const STRANGERS: [(Whose, Case); 2] = [
    (
        Whose::OtherAccount,
        Case {
            name: "other_account",
            sent: "rightly signed, but paid to another merchant's account",
            advice: "Others are told in the same way and can pass on what they were told: compare whom it names with yourself.",
        },
    ),
    (
        Whose::OtherSeller,
        Case {
            name: "other_seller",
            sent: "rightly signed for your app, but paid to another seller_id",
            advice: "Compare seller_id with your own: the money went to somebody else.",
        },
    ),
];

impl Run<'_> {
    pub(super) async fn forged(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        for (how, case) in FORGED {
            if !self.check.language.says(how) {
                continue;
            }
            let event = self.event(Kind::Paid, &order);
            let reply = self.send(&event, how).await?;
            if how == How::Unsigned {
                self.unsigned = reply.as_ref().ok().map(|a| a.status);
            }
            self.bad(case, &reply);
            self.delivered(
                &order,
                Told::Other,
                "Nothing that is not believed may do anything.",
            )
            .await?;
        }
        Ok(())
    }

    pub(super) async fn strangers(&mut self) -> anyhow::Result<()> {
        let order = self.order();
        for (whose, case) in STRANGERS {
            if !self.check.language.speaks_of(whose) {
                continue;
            }
            let event = Event {
                whose,
                ..self.event(Kind::Paid, &order)
            };
            let reply = self.send(&event, How::Truly).await?;
            self.bad(case, &reply);
            self.delivered(&order, Told::Other, "What was paid to others is not paid to you.")
                .await?;
        }
        Ok(())
    }

    /// Only who knows the order can know its amount.
    pub(super) async fn wrong_amount(&mut self) -> anyhow::Result<()> {
        let case = Case {
            name: "wrong_amount",
            sent: "rightly signed, but of another amount than the order's",
            advice: "Compare the amount with the order's; acknowledge it and look into it, or refuse it.",
        };
        if self.orders.is_empty() {
            self.untried(
                case,
                "It takes an order whose amount the endpoint knows: name a second one with --order.",
            );
            return Ok(());
        }
        let order = self.order();
        let mut other = order.clone();
        other.fen = if order.fen == 1 { 2 } else { 1 };
        let event = self.event(Kind::Paid, &other);
        let reply = self.send(&event, How::Truly).await?;
        self.either(case, &reply);
        let unseen = self.acknowledged(&reply) && self.check.delivered.is_none();
        if let Some(row) = self.rows.last_mut().filter(|_| unseen) {
            row.verdict = Verdict::Note;
            row.finding = "It was acknowledged; whether the order counts as paid now nobody can see from outside: look, or name --delivered.".to_owned();
        }
        let advice =
            "Whoever pays one fen must not get what costs more: compare the amount with the order's.";
        self.delivered(&order, Told::Other, advice).await
    }

    /// Anybody can send it, so it must neither be believed nor held in memory.
    pub(super) async fn huge(&mut self) -> anyhow::Result<()> {
        let event = self.event(Kind::Paid, &made_up("CHECK", 16));
        let reply = self.post(&event, How::Unsigned, Manner::Padded).await?;
        let case = Case {
            name: "huge",
            sent: "4 MiB from nobody",
            advice: "Anybody can send you that: read 1 MiB at most, then answer 413 or close.",
        };
        match &reply {
            Err(why) if why.starts_with("no answer") => {
                self.row(case, &reply, Verdict::Wrong, format!("{why}. {}", case.advice));
            }
            Err(_) => self.row(case, &reply, Verdict::Right, String::new()),
            // What it says to all that is not signed is not due to the size.
            Ok(a) if a.status >= 500 && a.status != 503 && Some(a.status) != self.unsigned => {
                let finding = format!("Status {} looks like a crash. {}", a.status, case.advice);
                self.row(case, &reply, Verdict::Wrong, finding);
            }
            Ok(_) => self.bad(case, &reply),
        }
        Ok(())
    }
}
