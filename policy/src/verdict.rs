//! One request, one verdict.

use crate::{
    Facts, RefundFacts, Refusal, RefusalKind, Verdict, clauses, limits, operations,
    registry::{AccountFacts, MerchantFacts},
};
use domain::{Amount, Clause, Code, CodeKind, CodeLevel, Instant, Operation};
use std::time::Duration;

/// How old the last word of the desk may be before new orders are refused (D, design.md section 4).
pub const CASES_AGE_MAX: Duration = Duration::from_secs(15 * 60);
/// Most refunds of one order (channel rule: at most 50 partial refunds).
pub const REFUNDS_MAX: u32 = 50;

impl Refusal {
    pub(crate) fn open(clause: Clause, kind: RefusalKind) -> Self {
        Refusal {
            public: clause,
            true_clause: clause,
            kind,
        }
    }

    //= C01
    fn uniform(true_clause: Clause) -> Self {
        Refusal {
            public: clauses::NOT_ACCEPTED,
            true_clause,
            kind: RefusalKind::NotAccepted,
        }
    }
}

/// Decides. Only new orders and refunds can be refused; queries, closes, reverses and certificates always go on, so that
/// nobody's money hangs in the air because a licence lapsed or a measure fell.
//= C09
pub fn decide(facts: &Facts<'_>) -> Verdict {
    let judged = match facts.operation {
        _ if !operations::is_allowed(facts.channel, facts.operation, facts.pay_way) => {
            Err(Refusal::open(clauses::OPERATIONS, RefusalKind::Operation))
        }
        Operation::Create => create(facts),
        Operation::Refund => refund(facts.refund.as_ref()),
        Operation::Query
        | Operation::Close
        | Operation::Reverse
        | Operation::RefundQuery
        | Operation::Certificates
        | Operation::Bill
        | Operation::Authorize => Ok(()),
    };
    judged.map_or_else(Verdict::Refuse, |()| Verdict::Admit)
}

/// What may be told is judged before what may not: a stopped merchant's faulty order gets the same answer as
/// anybody's faulty order.
fn create(facts: &Facts<'_>) -> Result<(), Refusal> {
    licence(facts)?;
    payee(facts)?;
    code(facts)?;
    amount(facts)?;
    cases(facts)?;
    measures(facts)
}

//= C06
//= C07
//= C08
fn licence(facts: &Facts<'_>) -> Result<(), Refusal> {
    let lapsed = |until: Option<Instant>| until.is_none_or(|until| facts.now >= until);
    let rows = [
        (
            clauses::REGISTRIES,
            facts.registries.not_after(&facts.merchant.acquirer),
        ),
        (
            clauses::CHANNEL_LICENCE,
            facts.registries.channel(facts.channel).map(|c| c.valid_until),
        ),
        (clauses::AGREEMENT, Some(in_force(facts).agreement.until)),
    ];
    match rows.into_iter().find(|(_, until)| lapsed(*until)) {
        Some((clause, _)) => Err(Refusal::open(clause, RefusalKind::Licence)),
        None => Ok(()),
    }
}

/// The merchant as the registries in force have it: a request may have been authenticated under the former ones.
fn in_force<'a>(facts: &Facts<'a>) -> &'a MerchantFacts {
    facts
        .registries
        .merchant(&facts.merchant.id)
        .map_or(facts.merchant, |m| m)
}

/// No funds: the account is the merchant's, and the payee is the account's. Asked of the registries in force,
/// not of the merchant facts that came with the request.
//= C03
//= C04
//= C05
fn payee(facts: &Facts<'_>) -> Result<(), Refusal> {
    let refuse = |clause| Err(Refusal::open(clause, RefusalKind::Payee));
    let account: &AccountFacts = match facts.registries.owner(facts.channel, facts.account) {
        Some((owner, account)) if owner.id == facts.merchant.id => account,
        _ => return refuse(clauses::ACCOUNT_OWNER),
    };
    if facts.registries.is_operators(facts.payee) {
        return refuse(clauses::OPERATORS_OWN);
    }
    if account.payees().any(|payee| payee == facts.payee) {
        Ok(())
    } else {
        refuse(clauses::PAYEE)
    }
}

//= C14
//= C96
fn code(facts: &Facts<'_>) -> Result<(), Refusal> {
    match facts.code {
        Some(Code {
            kind: CodeKind::Static,
            level: CodeLevel::D,
        }) => Ok(()),
        Some(
            code @ Code {
                kind: CodeKind::Dynamic,
                ..
            },
        ) => limits::level_refusal(code, in_force(facts)).map_or(Ok(()), Err),
        _ => Err(Refusal::open(clauses::CODE_LEVEL, RefusalKind::Operation)),
    }
}

//= C10
//= C11
//= C69
fn amount(facts: &Facts<'_>) -> Result<(), Refusal> {
    let Some(amount) = facts
        .amount
        .filter(|amount| !amount.is_zero() && *amount <= Amount::MAX)
    else {
        return Err(Refusal::open(clauses::AMOUNT, RefusalKind::Operation));
    };
    match in_force(facts).order_max {
        Some(most) if amount > most => Err(Refusal::open(clauses::ORDER_CEILING, RefusalKind::Ceiling)),
        _ => limits::code_refusal(facts.code, amount).map_or(Ok(()), Err),
    }
}

//= C17
fn cases(facts: &Facts<'_>) -> Result<(), Refusal> {
    match facts.cases_age {
        Some(age) if age > CASES_AGE_MAX => Err(Refusal::open(clauses::CASES, RefusalKind::Cases)),
        _ => Ok(()),
    }
}

//= C15
//= C16
fn measures(facts: &Facts<'_>) -> Result<(), Refusal> {
    if facts.measures.stops_merchant(facts.now, &facts.merchant.id) {
        return Err(Refusal::uniform(clauses::MEASURE_MERCHANT));
    }
    if facts
        .measures
        .stops_account(facts.now, facts.channel, facts.account)
    {
        return Err(Refusal::uniform(clauses::MEASURE_ACCOUNT));
    }
    Ok(())
}

/// Refunds go back to the source of one paid order, so no payee is asked for.
//= C18
//= C19
//= C20
fn refund(facts: Option<&RefundFacts>) -> Result<(), Refusal> {
    let Some(facts) = facts else {
        return Err(Refusal::open(clauses::PAID, RefusalKind::NotPaid));
    };
    let total = facts.reserved_before.checked_add(facts.amount);
    if facts.amount.is_zero() || total.is_none_or(|total| total > facts.paid) {
        return Err(Refusal::open(clauses::REFUND_TOTAL, RefusalKind::Refund));
    }
    if facts.count >= REFUNDS_MAX {
        return Err(Refusal::open(clauses::REFUND_COUNT, RefusalKind::Refund));
    }
    Ok(())
}
