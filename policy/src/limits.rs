//! Day ceilings. The running totals are the ledger's; how much is allowed, and what a breach is called, is ours.

use crate::{Refusal, RefusalKind, clauses, registry::MerchantFacts};
use domain::{Amount, Code, CodeLevel};

/// Most that a merchant may take in one natural day (fen); reached at equality, broken above it.
//= C12
pub fn merchant_day_ceiling(merchant: &MerchantFacts) -> Option<Amount> {
    merchant.day_max
}

/// Most that one payer may pay in one natural day by codes of this level (fen, R18); `None` by agreement only.
/// The payer's institution holds the full view; this is our part of it.
//= C13
pub fn payer_day_ceiling(level: CodeLevel) -> Option<Amount> {
    match level {
        CodeLevel::A => None,
        CodeLevel::B => Some(Amount::from_fen(500_000)),
        CodeLevel::C => Some(Amount::from_fen(100_000)),
        CodeLevel::D => Some(Amount::from_fen(50_000)),
    }
}

/// Most that one order by a code of this level may be (fen), whoever pays it: what is above a payer's whole day is above
/// it for everybody (R18).
//= C69
pub fn order_ceiling_by_code(level: CodeLevel) -> Option<Amount> {
    payer_day_ceiling(level)
}

/// Refuses what is above the limit of a code that says itself how weak it is: static, or confirmed by less than two
/// factors. Level B is also what an order counts as that names none, and the wallet alone knows by how many factors its
/// payer will confirm: that level is held against each payer's day, not against an order.
//= C69
pub fn code_refusal(code: Option<Code>, amount: Amount) -> Option<Refusal> {
    let level = code.map(|code| code.level)?;
    let weak = matches!(level, CodeLevel::C | CodeLevel::D);
    let above = weak && order_ceiling_by_code(level).is_some_and(|most| amount > most);
    above.then(|| Refusal::open(clauses::CODE_CEILING, RefusalKind::Ceiling))
}

/// Refuses level A to a merchant of which no acquirer has signed that its payers' institutions agreed on it: that level has no
/// limit of the rules, so it is not the merchant's own to claim.
//= C96
pub fn level_refusal(code: Code, merchant: &MerchantFacts) -> Option<Refusal> {
    let claimed = code.level == CodeLevel::A && !merchant.level_a;
    claimed.then(|| Refusal::open(clauses::CODE_LEVEL, RefusalKind::Operation))
}

/// The payer's day limit is reached: the uniform refusal, since a merchant must not learn about a payer (R11).
pub fn payer_day_refusal() -> Refusal {
    Refusal {
        public: clauses::NOT_ACCEPTED,
        true_clause: clauses::PAYER_LIMIT,
        kind: RefusalKind::NotAccepted,
    }
}

/// The payee can be paid only by a request that carries an authorisation, which one that we compose never does.
//= C03
pub fn payee_refusal() -> Refusal {
    Refusal {
        public: clauses::PAYEE,
        true_clause: clauses::PAYEE,
        kind: RefusalKind::Payee,
    }
}

/// The merchant's own day ceiling is reached: said openly, it was agreed with the merchant.
pub fn merchant_day_refusal() -> Refusal {
    Refusal {
        public: clauses::DAY_CEILING,
        true_clause: clauses::DAY_CEILING,
        kind: RefusalKind::Ceiling,
    }
}

/// The ceiling (fen) above which a [`RefusalKind::Ceiling`] says an order was; `None` for every other refusal.
pub fn ceiling(refusal: &Refusal, code: Code, merchant: &MerchantFacts) -> Option<Amount> {
    match refusal.public {
        clauses::ORDER_CEILING => merchant.order_max,
        clauses::CODE_CEILING => order_ceiling_by_code(code.level),
        clauses::DAY_CEILING => merchant_day_ceiling(merchant),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::CodeKind;

    #[test]
    fn the_limits_of_r18_in_fen() {
        let fen = |level| payer_day_ceiling(level).map(Amount::fen);
        assert_eq!(
            [CodeLevel::D, CodeLevel::C, CodeLevel::B].map(fen),
            [Some(50_000), Some(100_000), Some(500_000)]
        );
        assert_eq!(fen(CodeLevel::A), None);
    }

    #[test]
    //= C69
    fn no_order_by_a_static_code_is_above_a_payers_day() {
        assert_eq!(order_ceiling_by_code(CodeLevel::D).map(Amount::fen), Some(50_000));
        for (kind, level, most) in [
            (CodeKind::Static, CodeLevel::D, 50_000),
            (CodeKind::Dynamic, CodeLevel::C, 100_000),
        ] {
            let code = Some(Code { kind, level });
            assert_eq!(
                code_refusal(code, Amount::from_fen(most)),
                None,
                "equality is allowed"
            );
            assert_eq!(
                code_refusal(code, Amount::from_fen(most + 1)).map(|r| (r.public, r.kind)),
                Some((clauses::CODE_CEILING, RefusalKind::Ceiling))
            );
        }
        let code = Some(Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        });
        assert_eq!(code_refusal(code, Amount::MAX), None);
    }

    #[test]
    fn a_ceiling_is_said_with_its_height_and_the_uniform_refusal_with_none() {
        let registries = crate::testing::registries();
        let known = registries.merchant(&crate::testing::name("m1")).expect("m1");
        let merchant = MerchantFacts {
            order_max: Some(Amount::from_fen(11)),
            day_max: Some(Amount::from_fen(12)),
            ..MerchantFacts::clone(known)
        };
        let code = Code {
            kind: CodeKind::Static,
            level: CodeLevel::D,
        };
        let fen = |refusal| ceiling(&refusal, code, &merchant).map(Amount::fen);
        let of = |clause| fen(Refusal::open(clause, RefusalKind::Ceiling));
        assert_eq!(
            [
                clauses::ORDER_CEILING,
                clauses::CODE_CEILING,
                clauses::DAY_CEILING
            ]
            .map(of),
            [Some(11), Some(50_000), Some(12)]
        );
        assert_eq!(
            fen(payer_day_refusal()),
            None,
            "a merchant must not learn about a payer"
        );
    }

    #[test]
    fn a_payer_limit_looks_like_any_other_uniform_refusal() {
        let refusal = payer_day_refusal();
        assert_eq!(
            (refusal.public, refusal.kind),
            (Clause::NOT_ACCEPTED, RefusalKind::NotAccepted)
        );
        assert_ne!(refusal.true_clause, refusal.public);
        assert_eq!(merchant_day_refusal().public, merchant_day_refusal().true_clause);
    }

    use domain::Clause;
}
