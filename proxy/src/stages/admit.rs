//! One call to policy: licence, no funds, limits, measures. Its word is final; a refusal is put on record.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
    payment::{Admitted, Cargo, Claimed, Command, Create, Routed},
    stage::Stage,
    stages::record,
};
use channel::Account;
use domain::*;
use ledger::{Ceiling, Count, Illegal, Order, Reservation};
use policy::{Facts, RefundFacts, Refusal, RefusalKind, Verdict, registry::MerchantFacts};

/// Why level A was refused: what else could be wrong with a code's kind and level was said where the request was read.
pub(crate) const LEVEL_A: &str = "`code.level` \"A\" is by agreement between payers and their institutions, and the acquirer has registered none for this merchant (`level_a`): state \"B\" or \"C\", or ask the acquirer.";

/// Over policy.
pub struct Admit(pub App);

impl Stage<Routed> for Admit {
    type Out = Admitted;

    async fn run(&self, routed: Routed) -> Result<Admitted, Stop> {
        let app = &self.0;
        let now = app.clock().now();
        let Claimed {
            sealed, order, also, ..
        } = &routed.claimed;
        let mut reservations = Vec::with_capacity(1);
        if let Some(refusal) = together(&sealed.command, also.iter().map(|other| &other.command)) {
            return Err(self
                .refuse(&routed, &sealed.command, order.as_deref(), refusal)
                .await);
        }
        // Each order of a group that is paid together is judged on its own; one that is refused keeps them all.
        let all = std::iter::once((&sealed.command, order))
            .chain(also.iter().map(|other| (&other.command, &other.order)));
        for (command, order) in all {
            let reserved = match command {
                Command::Create(create) => {
                    app.open_for_new_orders()?;
                    self.reserve(&routed, create, order.as_deref(), now)
                }
                _ => Ok(None),
            };
            let verdict = match &reserved {
                // Nothing leaves and nothing moves: a held refund can always be withdrawn.
                Ok(_) if matches!(command, Command::Cancel(..)) => Verdict::Admit,
                Ok(_) => self.decide(&routed, command, now),
                Err(refusal) => Verdict::Refuse(*refusal),
            };
            match verdict {
                Verdict::Admit => reservations.extend(reserved.unwrap_or_default()),
                Verdict::Hold(_) => {}
                Verdict::Refuse(refusal) => {
                    return Err(self.refuse(&routed, command, order.as_deref(), refusal).await);
                }
            }
        }
        Ok(Admitted { routed, reservations })
    }
}

impl Admit {
    /// Judges once more what the record would not take: the order has changed since the first verdict. What policy refuses now
    /// is refused as it would have been then; anything else is the caller's to repeat.
    pub(crate) async fn again(&self, routed: &Routed, illegal: Illegal) -> Stop {
        let Claimed { sealed, order, .. } = &routed.claimed;
        match self.decide(routed, &sealed.command, self.0.clock().now()) {
            Verdict::Refuse(refusal) => {
                self.refuse(routed, &sealed.command, order.as_deref(), refusal)
                    .await
            }
            _ => Fault::of(Code::OrderInProgress).inside(illegal).into(),
        }
    }

    fn decide(&self, routed: &Routed, command: &Command, now: Instant) -> Verdict {
        let Routed {
            claimed: Claimed {
                sealed, order, also, ..
            },
            account,
            ..
        } = routed;
        let app = &self.0;
        let registries = app.registries();
        let measures = app.measures();
        let create = match command {
            Command::Create(create) => Some(create),
            _ => None,
        };
        // In a group that is paid together each order names its own payee.
        let payee = create
            .filter(|_| !also.is_empty())
            .and_then(|create| create.payee.as_ref())
            .unwrap_or(&account.payee);
        let verdict = policy::decide(&Facts {
            operation: command.operation(),
            pay_way: create.map(|c| c.pay_way),
            now,
            registries: &registries,
            merchant: &sealed.merchant,
            channel: account.channel,
            account: &account.account,
            payee,
            amount: create.map(|c| c.amount),
            code: create.map(|c| c.code),
            payer: sealed.payer,
            measures: &measures,
            cases_age: app.cases_age(),
            refund: order
                .as_ref()
                .and_then(|order| refund_facts(order, &routed.claimed)),
        });
        // An authorisation is carried by the bytes of the merchant's own SDK or not at all.
        let owned = || {
            registries
                .owner(account.channel, &account.account)
                .is_some_and(|(_, facts)| facts.own_payees().any(|own| own == payee))
        };
        match (&verdict, &sealed.cargo) {
            (Verdict::Admit, Cargo::Compose) if create.is_some() && !owned() => {
                Verdict::Refuse(policy::payee_refusal())
            }
            _ => verdict,
        }
    }

    /// Room in the day totals; the ceilings are policy's. What only renews an attempt that counts already needs none, and
    /// what takes another's place counts instead of it.
    fn reserve(
        &self,
        routed: &Routed,
        create: &Create,
        order: Option<&Order>,
        now: Instant,
    ) -> Result<Option<Reservation>, Refusal> {
        let sealed = &routed.claimed.sealed;
        if order.is_some_and(|order| record::renews(order, create, &routed.claimed.content)) {
            return Ok(None);
        }
        let merchant = policy::merchant_day_ceiling(&sealed.merchant).map(|most| Ceiling {
            count: Count::Merchant(sealed.merchant.id.clone()),
            most,
        });
        let payer = sealed.payer.and_then(|token| {
            let most = policy::payer_day_ceiling(create.code.level)?;
            Some(Ceiling {
                count: Count::Payer(token, create.code.level),
                most,
            })
        });
        let ceilings: Vec<Ceiling> = merchant.into_iter().chain(payer).collect();
        let taken = self
            .0
            .ledger()
            .tally()
            .reserve_instead(now.day(), create.amount, &ceilings, order);
        taken.map(Some).map_err(|exceeded| match exceeded.0 {
            Count::Payer(..) => policy::payer_day_refusal(),
            Count::Merchant(_) => policy::merchant_day_refusal(),
        })
    }

    /// Puts the refusal on record, then says what may be said.
    //= C30
    async fn refuse(
        &self,
        routed: &Routed,
        command: &Command,
        order: Option<&Order>,
        refusal: Refusal,
    ) -> Stop {
        let sealed = &routed.claimed.sealed;
        let create = match command {
            Command::Create(create) => Some(create),
            _ => None,
        };
        let event = TradeEvent::Refused {
            amount: create.map(|c| c.amount),
            channel: Some(routed.account.channel),
            clause: refusal.public,
            code: create.map(|c| c.code),
            operation: command.operation(),
            order_no: create
                .map(|c| c.order_no.clone())
                .or_else(|| order.map(|o| o.order_no.clone())),
            payee: create
                .and_then(|c| c.payee.clone())
                .filter(|_| refusal.kind == RefusalKind::Payee),
            payer: sealed.payer,
        };
        if self
            .0
            .ledger()
            .note(Some(&sealed.merchant.id), vec![event])
            .await
            .is_err()
        {
            return Fault::of(Code::Stopping).into();
        }
        self.0.metrics().refused(refusal.public);
        let mut fault = Fault::of(code(refusal.kind));
        let channel = routed.account.channel;
        let right = match command.operation() {
            Operation::Refund if channel.is_bank() => Some(
                "No refund by message is known of {channel}: pay it back in the bank's own merchant console.",
            ),
            Operation::Close if channel.is_bank() => Some(
                "No close by message is known of {channel}: the payer may pay while the bank's page lives, and a notice is the only word on it.",
            ),
            _ => None,
        };
        if let (Some(right), RefusalKind::Operation) = (right, refusal.kind) {
            fault.detail = right.replace("{channel}", channel.as_str());
        }
        if let (RefusalKind::Refund, Some(facts)) =
            (refusal.kind, order.and_then(|o| refund_facts(o, &routed.claimed)))
        {
            let left = facts.paid.checked_sub(facts.reserved_before).unwrap_or_default();
            fault.detail = match facts.amount > left {
                true => format!(
                    "This refund would exceed what was paid: {} fen are left to refund.",
                    left.fen()
                ),
                false => "An order is refunded in so many parts and no more; this one has them all.".into(),
            };
        }
        if let Some(most) = create.and_then(|create| policy::ceiling(&refusal, create.code, &sealed.merchant))
        {
            fault.detail = match refusal.public {
                policy::clauses::DAY_CEILING => format!(
                    "Today's orders would exceed {} fen, the most that this merchant may take in a day.",
                    most.fen()
                ),
                policy::clauses::CODE_CEILING => format!(
                    "`amount` is above {} fen, the most that a code of this level may take.",
                    most.fen()
                ),
                _ => format!(
                    "`amount` is above {} fen, the most that one order of this merchant may be.",
                    most.fen()
                ),
            };
        }
        if refusal.public == policy::clauses::CODE_LEVEL {
            fault.detail = LEVEL_A.into();
        }
        // The one text for list, measure, risk and payer limit names nothing (C43).
        if refusal.kind != RefusalKind::NotAccepted {
            fault.detail = format!("{} ({})", fault.detail, refusal.public);
        }
        fault.into()
    }
}

/// Whether policy lets an order that is on record go to another account of the same merchant. The same rules decide as on
/// the first one; what they refuse is not told, since the merchant asked for no account.
pub(crate) fn may_place(
    app: &App,
    merchant: &MerchantFacts,
    create: &Create,
    payer: Option<PayerToken>,
    account: &Account,
) -> bool {
    let (registries, measures) = (app.registries(), app.measures());
    let verdict = policy::decide(&Facts {
        operation: Operation::Create,
        pay_way: Some(create.pay_way),
        now: app.clock().now(),
        registries: &registries,
        merchant,
        channel: account.channel,
        account: &account.account,
        payee: &account.payee,
        amount: Some(create.amount),
        code: Some(create.code),
        payer,
        measures: &measures,
        cases_age: app.cases_age(),
        refund: None,
    });
    let owned = registries
        .owner(account.channel, &account.account)
        .is_some_and(|(_, facts)| facts.own_payees().any(|own| *own == account.payee));
    verdict == Verdict::Admit && owned
}

/// A group is paid by one payer at once: its whole amount is held against the limit of its weakest codes.
//= C69
fn together<'a>(first: &'a Command, others: impl ExactSizeIterator<Item = &'a Command>) -> Option<Refusal> {
    if others.len() == 0 {
        return None;
    }
    let mut totals: Vec<(domain::Code, Amount)> = Vec::new();
    for command in std::iter::once(first).chain(others) {
        let Command::Create(create) = command else {
            continue;
        };
        match totals.iter_mut().find(|(code, _)| *code == create.code) {
            Some((_, total)) => *total = total.checked_add(create.amount).unwrap_or(Amount::MAX),
            None => totals.push((create.code, create.amount)),
        }
    }
    totals
        .into_iter()
        .find_map(|(code, total)| policy::code_refusal(Some(code), total))
}

/// What a refund is judged by: the paid attempt that it is to go back from.
fn refund_facts(order: &Order, claimed: &Claimed) -> Option<RefundFacts> {
    let (amount, refund_no) = match &claimed.sealed.command {
        Command::Refund(refund) => (refund.amount, &refund.refund_no),
        Command::Release(_, no) => (order.refund(no)?.amount, no),
        Command::Redirect(_, asked) => (order.refund(&asked.refund_no)?.amount, &asked.refund_no),
        _ => return None,
    };
    let position = claimed.refunded_attempt(order)?;
    let paid = order.attempt(position).filter(|attempt| attempt.paid.is_some())?;
    // A refund that is on record already counts once: itself.
    let own = order.refund(refund_no);
    let held = own
        .filter(|r| r.state.reserves())
        .map_or(Amount::ZERO, |r| r.amount);
    let before = order.reserved(position).checked_sub(held).unwrap_or_default();
    let count = order.refunds.len() - usize::from(own.is_some());
    Some(RefundFacts {
        paid: paid.amount,
        reserved_before: before,
        amount,
        count: count as u32,
    })
}

/// What the merchant is told.
//= C43
fn code(kind: RefusalKind) -> Code {
    match kind {
        RefusalKind::Licence => Code::ChannelNotLicensed,
        RefusalKind::Payee => Code::PayeeNotAllowed,
        RefusalKind::Ceiling => Code::AmountOverLimit,
        RefusalKind::Operation => Code::OperationNotAllowed,
        RefusalKind::Cases => Code::CasesUnreachable,
        RefusalKind::NotPaid => Code::OrderNotPaid,
        RefusalKind::Refund => Code::RefundExceedsPaid,
        RefusalKind::NotAccepted => Code::OrderNotAccepted,
    }
}
