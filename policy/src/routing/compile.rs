//! From CEL's text to a checked tree. The grammar is CEL's, read by its parser; what may stand in a rule is an allow-list:
//! the variables of [`super::Sale`], comparisons, `&& || ! ?:`, `in` over a list, whole-number arithmetic, and
//! `startsWith endsWith contains`. Types are checked here, so that a rule that loads can always be evaluated.

use super::{
    Condition,
    condition::{Comparison, Name, Num, Number, Part, Sum, Test, Word},
};
use crate::operations;
use cel::{
    IdedExpr,
    common::ast::{CallExpr, Expr, LiteralValue, SourceInfo, operators as op},
    parser::Parser,
};
use domain::{Channel, PayWay};
use serde::{
    Deserialize as _,
    de::{IntoDeserializer as _, value::StrDeserializer},
};

/// Longest condition, in octets.
pub const MOST_LENGTH: usize = 500;
/// Most parts of a condition.
pub const MOST_PARTS: usize = 100;
/// Deepest nesting that the parser takes.
const MOST_DEPTH: u16 = 32;

/// What is wrong with a condition, where, and what would be right.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("at character {at}: {wrong}; {right}")]
pub struct Faulty {
    /// Character from 1.
    pub at: usize,
    /// What is wrong.
    pub wrong: String,
    /// What would be right.
    pub right: String,
}

const VARIABLES: &str = "amount, hour, minute, weekday, day, month (whole numbers), pay_way, terminal, area, product, code (texts)";
const OPERATORS: &str = "comparisons, && || ! ?:, in [...], + - * / %, startsWith, endsWith, contains";

enum Typed {
    Test(Test),
    Num(Num),
    Word(Word),
}

impl Typed {
    fn kind(&self) -> &'static str {
        match self {
            Typed::Test(_) => "a truth value",
            Typed::Num(_) => "a whole number",
            Typed::Word(_) => "a text",
        }
    }
}

struct Compiler<'a> {
    /// The wallet that it is about.
    channel: Option<Channel>,
    source: &'a str,
    places: &'a SourceInfo,
    parts: usize,
}

impl Condition {
    /// Compiles and checks a condition, whatever the wallet.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile(source: &str) -> Result<Condition, Faulty> {
        Condition::compiled(source, None)
    }

    /// The same for a rule of this wallet, which waits for none but its own ways to pay.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn compile_for(channel: Channel, source: &str) -> Result<Condition, Faulty> {
        Condition::compiled(source, Some(channel))
    }

    fn compiled(source: &str, channel: Option<Channel>) -> Result<Condition, Faulty> {
        let faulty = |at: usize, wrong: String, right: &str| Faulty {
            at,
            wrong,
            right: right.to_owned(),
        };
        if source.len() > MOST_LENGTH {
            return Err(faulty(
                MOST_LENGTH,
                format!("it is longer than {MOST_LENGTH} octets"),
                "split it into several rules",
            ));
        }
        let parsed = Parser::new()
            .max_recursion_depth(MOST_DEPTH)
            .parse_with_source_info(source);
        let (tree, places) = parsed.map_err(|errors| {
            let first = errors.errors.first();
            let at = first.map_or(1, |e| e.pos.1.max(1) as usize);
            faulty(
                at,
                "this is no CEL".to_owned(),
                "an expression such as `pay_way == \"jsapi\" && amount >= 100000`",
            )
        })?;
        let mut compiler = Compiler {
            channel,
            source,
            places: &places,
            parts: 0,
        };
        match compiler.typed(&tree)? {
            Typed::Test(test) => Ok(Condition(test)),
            other => Err(compiler.faulty(
                &tree,
                format!("it is {}", other.kind()),
                "a truth value, such as a comparison",
            )),
        }
    }
}

impl Compiler<'_> {
    fn faulty(&self, at: &IdedExpr, wrong: String, right: &str) -> Faulty {
        let offset = self
            .places
            .offset_for(at.id)
            .map_or(0, |(start, _)| start as usize);
        let at = self
            .source
            .get(..offset)
            .map_or(offset, |before| before.chars().count())
            + 1;
        Faulty {
            at,
            wrong,
            right: right.to_owned(),
        }
    }

    fn typed(&mut self, tree: &IdedExpr) -> Result<Typed, Faulty> {
        self.parts += 1;
        if self.parts > MOST_PARTS {
            return Err(self.faulty(
                tree,
                format!("it has more than {MOST_PARTS} parts"),
                "split it into several rules",
            ));
        }
        match &tree.expr {
            Expr::Literal(LiteralValue::Boolean(is)) => Ok(Typed::Test(Test::Is(*is.inner()))),
            Expr::Literal(LiteralValue::Int(is)) => Ok(Typed::Num(Num::Is(*is.inner()))),
            Expr::Literal(LiteralValue::String(is)) => Ok(Typed::Word(Word::Is(is.inner().into()))),
            Expr::Ident(name) => self.variable(tree, name),
            Expr::Call(call) => self.call(tree, call),
            Expr::Literal(_) => Err(self.faulty(
                tree,
                "a rule has no such literal".into(),
                "a whole number, a text or true and false",
            )),
            _ => Err(self.faulty(tree, "this may not stand in a rule".into(), OPERATORS)),
        }
    }

    fn variable(&self, tree: &IdedExpr, name: &str) -> Result<Typed, Faulty> {
        Ok(match name {
            "amount" => Typed::Num(Num::Of(Number::Amount)),
            "hour" => Typed::Num(Num::Of(Number::Hour)),
            "minute" => Typed::Num(Num::Of(Number::Minute)),
            "weekday" => Typed::Num(Num::Of(Number::Weekday)),
            "day" => Typed::Num(Num::Of(Number::Day)),
            "month" => Typed::Num(Num::Of(Number::Month)),
            "pay_way" => Typed::Word(Word::Of(Name::PayWay)),
            "terminal" => Typed::Word(Word::Of(Name::Terminal)),
            "area" => Typed::Word(Word::Of(Name::Area)),
            "product" => Typed::Word(Word::Of(Name::Product)),
            "code" => Typed::Word(Word::Of(Name::Code)),
            _ => return Err(self.faulty(tree, "there is no such variable".into(), VARIABLES)),
        })
    }

    fn call(&mut self, tree: &IdedExpr, call: &CallExpr) -> Result<Typed, Faulty> {
        let name = call.func_name.as_str();
        match (&call.target, call.args.as_slice()) {
            (None, [one]) if name == op::LOGICAL_NOT => Ok(Typed::Test(Test::Not(Box::new(self.test(one)?)))),
            (None, [one]) if name == op::NEGATE => Ok(Typed::Num(Num::Sum(
                Sum::Minus,
                Box::new([Num::Is(0), self.num(one)?]),
            ))),
            (None, many) if name == op::LOGICAL_AND && many.len() > 1 => {
                Ok(Typed::Test(Test::All(self.tests(many)?)))
            }
            (None, many) if name == op::LOGICAL_OR && many.len() > 1 => {
                Ok(Typed::Test(Test::Any(self.tests(many)?)))
            }
            (None, [one, list]) if name == op::IN => self.is_in(one, list),
            (None, [a, b]) => match (comparison(name), sum(name)) {
                (Some(how), _) => self.compared(tree, how, a, b),
                (_, Some(how)) => Ok(Typed::Num(Num::Sum(how, Box::new([self.num(a)?, self.num(b)?])))),
                _ => Err(self.faulty(tree, "there is no such operation".into(), OPERATORS)),
            },
            (None, [asked, yes, no]) if name == op::CONDITIONAL => self.either(tree, asked, yes, no),
            (Some(whole), [piece]) => {
                let part = match name {
                    "startsWith" => Part::Begins,
                    "endsWith" => Part::Ends,
                    "contains" => Part::Holds,
                    _ => return Err(self.faulty(tree, "there is no such function".into(), OPERATORS)),
                };
                Ok(Typed::Test(Test::Part(
                    part,
                    Box::new([self.word(whole)?, self.word(piece)?]),
                )))
            }
            _ => Err(self.faulty(tree, "there is no such operation".into(), OPERATORS)),
        }
    }

    fn compared(
        &mut self,
        tree: &IdedExpr,
        how: Comparison,
        a: &IdedExpr,
        b: &IdedExpr,
    ) -> Result<Typed, Faulty> {
        let equals = matches!(how, Comparison::Equal | Comparison::Unequal);
        let test = match (self.typed(a)?, self.typed(b)?) {
            (Typed::Num(one), Typed::Num(two)) => {
                if equals {
                    self.number_can_be(b, &one, &two)?;
                    self.number_can_be(a, &two, &one)?;
                } else {
                    self.number_can_lie(tree, &one, how, &two)?;
                    self.number_can_lie(tree, &two, how.turned(), &one)?;
                }
                Test::Numbers(how, Box::new([one, two]))
            }
            (Typed::Word(one), Typed::Word(two)) => {
                if equals {
                    self.word_can_be(b, &one, &two)?;
                    self.word_can_be(a, &two, &one)?;
                }
                Test::Words(how, Box::new([one, two]))
            }
            (Typed::Test(a), Typed::Test(b)) if matches!(how, Comparison::Equal | Comparison::Unequal) => {
                Test::Same(how == Comparison::Equal, Box::new([a, b]))
            }
            (a, b) => {
                return Err(self.faulty(
                    tree,
                    format!("{} is compared with {}", a.kind(), b.kind()),
                    "compare numbers with numbers and texts with texts",
                ));
            }
        };
        Ok(Typed::Test(test))
    }

    /// A rule that waits for what never comes would never hold, without a word: an hour 24, a Sunday 0.
    fn number_can_be(&self, at: &IdedExpr, one: &Num, is: &Num) -> Result<(), Faulty> {
        let (Num::Of(of), Num::Is(is)) = (one, is) else {
            return Ok(());
        };
        let (name, least, most) = bounds(*of);
        match (least..=most).contains(is) {
            true => Ok(()),
            false => {
                let monday = if name == "weekday" {
                    "; 1 is Monday, 7 Sunday"
                } else {
                    ""
                };
                let right = match of {
                    Number::Amount => "1 fen at least".to_owned(),
                    _ => format!("{least} to {most}{monday}"),
                };
                Err(self.faulty(at, format!("{name} is never {is}"), &right))
            }
        }
    }

    /// Nor does what waits for a minute after the last: `minute > 59`, `amount < 1`.
    fn number_can_lie(&self, at: &IdedExpr, one: &Num, how: Comparison, is: &Num) -> Result<(), Faulty> {
        let (Num::Of(of), Num::Is(is)) = (one, is) else {
            return Ok(());
        };
        let (name, least, most) = bounds(*of);
        if [least, most].iter().any(|end| how.holds(end, is)) {
            return Ok(());
        }
        let right = match of {
            Number::Amount => "1 fen at least".to_owned(),
            _ => format!("{name} is {least} to {most}"),
        };
        Err(self.faulty(at, format!("{name} never lies there"), &right))
    }

    fn word_can_be(&self, at: &IdedExpr, one: &Word, is: &Word) -> Result<(), Faulty> {
        let (Word::Of(of), Word::Is(is)) = (one, is) else {
            return Ok(());
        };
        let ways = self.channel.map(|channel| {
            let ways = operations::pay_ways(channel).map(PayWay::as_str);
            ways.collect::<Vec<_>>()
        });
        let own = ways.as_ref().map(|ways| format!("one of {}", ways.join(", ")));
        let (name, can, right) = match of {
            Name::PayWay if let (Some(ways), Some(right)) = (&ways, &own) => {
                ("pay_way", ways.contains(&&**is), right.as_str())
            }
            Name::PayWay => (
                "pay_way",
                is_pay_way(is),
                "native, product, jsapi, qr, micropay, h5, app, page, wap, gateway or gateway_b2b",
            ),
            Name::Code => ("code", matches!(&**is, "static" | "dynamic"), "static or dynamic"),
            Name::Area => (
                "area",
                is.is_empty() || is.len() == 6 && is.bytes().all(|b| b.is_ascii_digit()),
                "six digits, or \"\" where no terminal is named; startsWith for a province",
            ),
            Name::Terminal | Name::Product => return Ok(()),
        };
        match can {
            true => Ok(()),
            false => Err(self.faulty(at, format!("{name} is never that"), right)),
        }
    }

    fn either(
        &mut self,
        tree: &IdedExpr,
        asked: &IdedExpr,
        yes: &IdedExpr,
        no: &IdedExpr,
    ) -> Result<Typed, Faulty> {
        let asked = self.test(asked)?;
        Ok(match (self.typed(yes)?, self.typed(no)?) {
            (Typed::Test(yes), Typed::Test(no)) => Typed::Test(Test::If(Box::new([asked, yes, no]))),
            (Typed::Num(yes), Typed::Num(no)) => Typed::Num(Num::If(Box::new((asked, yes, no)))),
            (Typed::Word(yes), Typed::Word(no)) => Typed::Word(Word::If(Box::new((asked, yes, no)))),
            (a, b) => {
                return Err(self.faulty(
                    tree,
                    format!("it is {} or {}", a.kind(), b.kind()),
                    "both sides of `:` of one type",
                ));
            }
        })
    }

    fn is_in(&mut self, one: &IdedExpr, list: &IdedExpr) -> Result<Typed, Faulty> {
        let Expr::List(all) = &list.expr else {
            return Err(self.faulty(
                list,
                "this is no list".into(),
                "a list such as [1, 2] or [\"a\", \"b\"]",
            ));
        };
        let test = match self.typed(one)? {
            Typed::Num(one) => {
                let mut many = Vec::with_capacity(all.elements.len());
                for element in &all.elements {
                    let is = self.num(element)?;
                    self.number_can_be(element, &one, &is)?;
                    many.push(is);
                }
                Test::NumberIn(Box::new(one), many)
            }
            Typed::Word(one) => {
                let mut many = Vec::with_capacity(all.elements.len());
                for element in &all.elements {
                    let is = self.word(element)?;
                    self.word_can_be(element, &one, &is)?;
                    many.push(is);
                }
                Test::WordIn(Box::new(one), many)
            }
            Typed::Test(_) => {
                return Err(self.faulty(
                    one,
                    "a truth value is in no list".into(),
                    "a number or a text before `in`",
                ));
            }
        };
        Ok(Typed::Test(test))
    }

    fn tests(&mut self, many: &[IdedExpr]) -> Result<Vec<Test>, Faulty> {
        many.iter().map(|one| self.test(one)).collect()
    }

    fn test(&mut self, tree: &IdedExpr) -> Result<Test, Faulty> {
        match self.typed(tree)? {
            Typed::Test(test) => Ok(test),
            other => Err(self.faulty(
                tree,
                format!("it is {}", other.kind()),
                "a truth value, such as a comparison",
            )),
        }
    }

    fn num(&mut self, tree: &IdedExpr) -> Result<Num, Faulty> {
        match self.typed(tree)? {
            Typed::Num(num) => Ok(num),
            other => Err(self.faulty(tree, format!("it is {}", other.kind()), "a whole number")),
        }
    }

    fn word(&mut self, tree: &IdedExpr) -> Result<Word, Faulty> {
        match self.typed(tree)? {
            Typed::Word(word) => Ok(word),
            other => Err(self.faulty(tree, format!("it is {}", other.kind()), "a text")),
        }
    }
}

fn is_pay_way(text: &str) -> bool {
    let text: StrDeserializer<'_, serde::de::value::Error> = text.into_deserializer();
    PayWay::deserialize(text).is_ok()
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        op::EQUALS => Comparison::Equal,
        op::NOT_EQUALS => Comparison::Unequal,
        op::LESS => Comparison::Less,
        op::LESS_EQUALS => Comparison::AtMost,
        op::GREATER => Comparison::Greater,
        op::GREATER_EQUALS => Comparison::AtLeast,
        _ => return None,
    })
}

fn sum(name: &str) -> Option<Sum> {
    Some(match name {
        op::ADD => Sum::Plus,
        op::SUBSTRACT => Sum::Minus,
        op::MULTIPLY => Sum::Times,
        op::DIVIDE => Sum::By,
        op::MODULO => Sum::Rest,
        _ => return None,
    })
}

/// What a variable can be.
const fn bounds(of: Number) -> (&'static str, i64, i64) {
    match of {
        Number::Amount => ("amount", 1, i64::MAX),
        Number::Hour => ("hour", 0, 23),
        Number::Minute => ("minute", 0, 59),
        Number::Weekday => ("weekday", 1, 7),
        Number::Day => ("day", 1, 31),
        Number::Month => ("month", 1, 12),
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
