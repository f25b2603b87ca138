//! The controls that verdicts name. Each number is a sentence of `policy/specs/controls.md`; the line above a
//! constant cites it, and a test holds the two together.

use domain::Clause;

/// Payer limit, measure and list look alike (R11).
//= C01
pub const NOT_ACCEPTED: Clause = Clause::NOT_ACCEPTED;
/// Operations are an allow-list without balance, payout, split or settlement (R01).
//= C02
pub const OPERATIONS: Clause = Clause::control(2);
/// Only the account's own payee is paid (R01, R03).
//= C03
pub const PAYEE: Clause = Clause::control(3);
/// The operator is never paid (R03).
//= C04
pub const OPERATORS_OWN: Clause = Clause::control(4);
/// An account serves the one merchant it is registered for (R03, R07).
//= C05
pub const ACCOUNT_OWNER: Clause = Clause::control(5);
/// The channel's licence is in force (R03).
//= C06
pub const CHANNEL_LICENCE: Clause = Clause::control(6);
/// The merchant's agreement with the acquirer is in force (R04).
//= C07
pub const AGREEMENT: Clause = Clause::control(7);
/// The signed registries are in force (R04, R25).
//= C08
pub const REGISTRIES: Clause = Clause::control(8);
/// An order has an amount above zero (R07).
//= C10
pub const AMOUNT: Clause = Clause::control(10);
/// No order above the merchant's ceiling (R14).
//= C11
pub const ORDER_CEILING: Clause = Clause::control(11);
/// No day above the merchant's ceiling (R14).
//= C12
pub const DAY_CEILING: Clause = Clause::control(12);
/// No payer's day above the limit of the code's level (R18).
//= C13
pub const PAYER_LIMIT: Clause = Clause::control(13);
/// A static code is level D and every order names its code (R18).
//= C14
pub const CODE_LEVEL: Clause = Clause::control(14);
/// A stopped merchant gets no new order (R14, R15).
//= C15
pub const MEASURE_MERCHANT: Clause = Clause::control(15);
/// A stopped account gets no new order (R14, R15).
//= C16
pub const MEASURE_ACCOUNT: Clause = Clause::control(16);
/// No new orders when the desk's measures cannot be read (R14, R15).
//= C17
pub const CASES: Clause = Clause::control(17);
/// Refunds only against a paid order (R17).
//= C18
pub const PAID: Clause = Clause::control(18);
/// Refunds never exceed what was paid (R17).
//= C19
pub const REFUND_TOTAL: Clause = Clause::control(19);
/// An order's terminal is registered, and where it is registered to be (R22, R23).
//= C53
pub const TERMINAL: Clause = Clause::control(53);
/// No order by a code is above a payer's day limit of that code's level (R18).
//= C69
pub const CODE_CEILING: Clause = Clause::control(69);
/// Body fields are an allow-list (R01, R02).
//= C21
pub const FIELDS: Clause = Clause::control(21);
/// What could be read in two ways is refused (R07, R21).
//= C80
pub const ONE_READING: Clause = Clause::control(80);
/// At most fifty refunds of one order (channel rule, channels.md 1.9).
//= C20
pub const REFUND_COUNT: Clause = Clause::control(20);
