//! A rule's condition after it was compiled: three typed trees without loops, calls or memory, so that a look at an order
//! costs no more than the number of their parts and cannot go wrong but by arithmetic.

use domain::{Amount, Code, CodeKind, Instant, PayWay};

/// What a condition may look at, made once per order. Facts only; nothing of the buyer.
#[derive(Clone, Copy, Debug)]
pub struct Sale<'a> {
    /// Fen.
    pub amount: Amount,
    /// Way to pay.
    pub pay_way: PayWay,
    /// Wall clock; hours and days are those of UTC+8.
    pub at: Instant,
    /// Terminal, where the order names one.
    pub terminal: Option<&'a str>,
    /// The terminal's registered area code.
    pub area: Option<&'a str>,
    /// The merchant's own product code, where the order names one.
    pub product: Option<&'a str>,
    /// Payment code kind and level.
    pub code: Code,
}

/// Variables that are whole numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Number {
    Amount,
    Hour,
    Minute,
    Weekday,
    Day,
    Month,
}

/// Variables that are texts, empty where the order names none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Name {
    PayWay,
    Terminal,
    Area,
    Product,
    Code,
}

impl Sale<'_> {
    fn number(&self, of: Number) -> i64 {
        let minutes = (self.at.millis() + 8 * 3_600_000).div_euclid(60_000);
        match of {
            Number::Amount => self.amount.fen() as i64, // Amount::MAX is below 2^53
            Number::Hour => minutes.div_euclid(60).rem_euclid(24),
            Number::Minute => minutes.rem_euclid(60),
            // 1970-01-01 was a Thursday.
            Number::Weekday => (i64::from(self.at.day().number()) + 3).rem_euclid(7) + 1,
            Number::Day => i64::from(self.at.day().ymd().2),
            Number::Month => i64::from(self.at.day().ymd().1),
        }
    }

    fn name(&self, of: Name) -> &str {
        match of {
            Name::PayWay => self.pay_way.as_str(),
            Name::Terminal => self.terminal.unwrap_or_default(),
            Name::Area => self.area.unwrap_or_default(),
            Name::Product => self.product.unwrap_or_default(),
            Name::Code if self.code.kind == CodeKind::Static => "static",
            Name::Code => "dynamic",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// The same with its two sides changed.
    pub(super) const fn turned(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::Greater,
            Comparison::AtMost => Comparison::AtLeast,
            Comparison::Greater => Comparison::Less,
            Comparison::AtLeast => Comparison::AtMost,
            same @ (Comparison::Equal | Comparison::Unequal) => same,
        }
    }

    pub(super) fn holds<T: Ord>(self, a: &T, b: &T) -> bool {
        match self {
            Comparison::Equal => a == b,
            Comparison::Unequal => a != b,
            Comparison::Less => a < b,
            Comparison::AtMost => a <= b,
            Comparison::Greater => a > b,
            Comparison::AtLeast => a >= b,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sum {
    Plus,
    Minus,
    Times,
    By,
    Rest,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Begins,
    Ends,
    Holds,
}

/// A truth value.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Test {
    Is(bool),
    All(Vec<Test>),
    Any(Vec<Test>),
    Not(Box<Test>),
    If(Box<[Test; 3]>),
    Numbers(Comparison, Box<[Num; 2]>),
    Words(Comparison, Box<[Word; 2]>),
    Same(bool, Box<[Test; 2]>),
    NumberIn(Box<Num>, Vec<Num>),
    WordIn(Box<Word>, Vec<Word>),
    Part(Part, Box<[Word; 2]>),
}

/// A whole number.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Num {
    Is(i64),
    Of(Number),
    Sum(Sum, Box<[Num; 2]>),
    If(Box<(Test, Num, Num)>),
}

/// A text.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Word {
    Is(Box<str>),
    Of(Name),
    If(Box<(Test, Word, Word)>),
}

impl Test {
    /// `None` where arithmetic overflows or divides by zero, as CEL has it: `false && error` is false.
    fn of(&self, sale: &Sale<'_>) -> Option<bool> {
        match self {
            Test::Is(is) => Some(*is),
            Test::All(parts) => settled(parts, sale, false),
            Test::Any(parts) => settled(parts, sale, true),
            Test::Not(part) => part.of(sale).map(|is| !is),
            Test::If(parts) => if parts[0].of(sale)? { &parts[1] } else { &parts[2] }.of(sale),
            Test::Numbers(how, two) => Some(how.holds(&two[0].of(sale)?, &two[1].of(sale)?)),
            Test::Words(how, two) => Some(how.holds(&two[0].of(sale)?, &two[1].of(sale)?)),
            Test::Same(same, two) => Some((two[0].of(sale)? == two[1].of(sale)?) == *same),
            Test::NumberIn(one, many) => {
                let one = one.of(sale)?;
                let many: Option<Vec<i64>> = many.iter().map(|n| n.of(sale)).collect();
                Some(many?.contains(&one))
            }
            Test::WordIn(one, many) => {
                let one = one.of(sale)?;
                let many: Option<Vec<&str>> = many.iter().map(|w| w.of(sale)).collect();
                Some(many?.contains(&one))
            }
            Test::Part(part, two) => {
                let (whole, piece) = (two[0].of(sale)?, two[1].of(sale)?);
                Some(match part {
                    Part::Begins => whole.starts_with(piece),
                    Part::Ends => whole.ends_with(piece),
                    Part::Holds => whole.contains(piece),
                })
            }
        }
    }
}

/// One part that is `early` settles it, whatever the others come to.
fn settled(parts: &[Test], sale: &Sale<'_>, early: bool) -> Option<bool> {
    let mut faulty = false;
    for part in parts {
        match part.of(sale) {
            Some(is) if is == early => return Some(early),
            Some(_) => {}
            None => faulty = true,
        }
    }
    (!faulty).then_some(!early)
}

impl Num {
    fn of(&self, sale: &Sale<'_>) -> Option<i64> {
        match self {
            Num::Is(is) => Some(*is),
            Num::Of(variable) => Some(sale.number(*variable)),
            Num::If(parts) => if parts.0.of(sale)? { &parts.1 } else { &parts.2 }.of(sale),
            Num::Sum(how, two) => {
                let (a, b) = (two[0].of(sale)?, two[1].of(sale)?);
                match how {
                    Sum::Plus => a.checked_add(b),
                    Sum::Minus => a.checked_sub(b),
                    Sum::Times => a.checked_mul(b),
                    Sum::By => a.checked_div(b),
                    Sum::Rest => a.checked_rem(b),
                }
            }
        }
    }
}

impl Word {
    fn of<'s>(&'s self, sale: &'s Sale<'_>) -> Option<&'s str> {
        match self {
            Word::Is(is) => Some(is),
            Word::Of(variable) => Some(sale.name(*variable)),
            Word::If(parts) => if parts.0.of(sale)? { &parts.1 } else { &parts.2 }.of(sale),
        }
    }
}

/// A compiled condition.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition(pub(super) Test);

impl Condition {
    /// Whether it holds for this order. Arithmetic that overflows or divides by zero makes it not hold.
    pub fn holds(&self, sale: &Sale<'_>) -> bool {
        self.0.of(sale) == Some(true)
    }

    /// Whether it holds for every order, by its own words.
    pub(crate) fn always(&self) -> bool {
        self.0 == Test::Is(true)
    }
}
