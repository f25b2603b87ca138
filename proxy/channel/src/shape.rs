//! Allow-lists of body fields (design.md section 3): what is not listed is refused with its path.

use crate::{
    guard,
    native::NativeError,
    strict_json::{Value, join},
};
use domain::{Amount, Breach};
use std::fmt;
use vault::Text;

/// What a field may hold.
pub(crate) enum Shape {
    /// A text of one line, nothing in it unseen.
    Word,
    /// Free text, scanned under this name (compliance.md 3.1).
    Free(&'static str),
    /// Fen as an integer of at least 1.
    Fen,
    /// Yuan with at most two decimals, at least 0.01; as a text or, since some SDKs send it so, a number.
    Yuan,
    /// An unsigned integer.
    Integer,
    /// A number or its text, as Alipay's goods lists have both.
    Count,
    /// `true` or `false`.
    Bool,
    /// `false` only: the feature would move money elsewhere.
    Never,
    /// One of these texts.
    One(&'static [&'static str]),
    /// An object of these fields.
    Object(&'static [Field]),
    /// A list of one shape.
    List(&'static Shape),
}

/// A field that is allowed: its name and what it may hold.
pub(crate) struct Field(pub(crate) &'static str, pub(crate) Shape);

/// Free texts found on the way.
pub(crate) type Texts = Vec<(&'static str, Text)>;

/// How a body is looked at, and what is found on the way.
#[derive(Default)]
struct Look {
    texts: Texts,
    /// A member that is an empty text counts as absent.
    blanks_are_absent: bool,
}

/// Where a value stands. Written out only when something is wrong with it.
enum Path<'a> {
    Top(&'a str),
    Name(&'a Path<'a>, &'a str),
    Place(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Top(path) => f.write_str(path),
            Path::Name(outer, name) => f.write_str(&join(&outer.to_string(), name)),
            Path::Place(outer, place) => write!(f, "{outer}[{place}]"),
        }
    }
}

/// Checks an object against an allow-list and gathers its free texts. `path` names it in errors.
pub(crate) fn check(value: &Value, fields: &[Field], path: &str) -> Result<Texts, NativeError> {
    looked_at(value, fields, path, Look::default())
}

/// The same of content in which a member that is an empty text counts as absent, known or not: published clients of Alipay's
/// write so what nobody set. A name of money is refused, however little it says.
pub(crate) fn check_but_blanks(value: &Value, fields: &[Field], path: &str) -> Result<Texts, NativeError> {
    let look = Look {
        blanks_are_absent: true,
        ..Look::default()
    };
    looked_at(value, fields, path, look)
}

fn looked_at(value: &Value, fields: &[Field], path: &str, mut look: Look) -> Result<Texts, NativeError> {
    object(value, fields, &Path::Top(path), &mut look)?;
    Ok(look.texts)
}

/// The same of a value of any shape.
pub(crate) fn check_as(value: &Value, shape: &Shape, path: &str) -> Result<Texts, NativeError> {
    let mut look = Look::default();
    fits(value, shape, &Path::Top(path), &mut look)?;
    Ok(look.texts)
}

fn object(value: &Value, fields: &[Field], path: &Path<'_>, look: &mut Look) -> Result<(), NativeError> {
    let Value::Object(members) = value else {
        return Err(wrong(path, "an object"));
    };
    for member in members {
        let path = Path::Name(path, &member.name);
        let blank = look.blanks_are_absent && matches!(&member.value, Value::Text(text) if text.is_empty());
        match fields.iter().find(|field| field.0 == member.name) {
            Some(_) if blank => {}
            None if blank && says_nothing(&member.name, fields) => {}
            Some(Field(name, shape)) => {
                fits(&member.value, shape, &path, look).map_err(|error| named(error, name, shape))?;
            }
            None => {
                return Err(NativeError::no_field(
                    &member.name,
                    format!("field {path} is not carried"),
                ));
            }
        }
    }
    Ok(())
}

/// Could nobody take a member of this name, which is on no list, for one that is, or for money?
fn says_nothing(name: &str, fields: &[Field]) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !guard::is_of_money(name)
        && !fields.iter().any(|field| guard::are_alike(field.0, name))
}

fn fits(value: &Value, shape: &Shape, path: &Path<'_>, look: &mut Look) -> Result<(), NativeError> {
    let ok = |yes, wanted| if yes { Ok(()) } else { Err(wrong(path, wanted)) };
    match (shape, value) {
        (Shape::Free(name), Value::Text(text)) => {
            look.texts.push((name, Text::from(text.as_str())));
            Ok(())
        }
        (Shape::Word, Value::Text(text)) => ok(plain(text), PLAIN),
        (Shape::Word, _) => ok(false, "a text"),
        (Shape::Free(_), _) => ok(false, "a text"),
        (Shape::Fen, _) => ok(fen(value).is_some(), "integer fen of at least 1"),
        (Shape::Yuan, _) => ok(
            yuan(value).is_some(),
            "yuan of at least 0.01 with at most two decimals",
        ),
        (Shape::Integer, _) => ok(matches!(value, Value::Integer(_)), "an unsigned integer"),
        (Shape::Count, _) => ok(
            matches!(value, Value::Integer(_) | Value::Number(_) | Value::Text(_)),
            "a number or a text",
        ),
        (Shape::Bool, _) => ok(matches!(value, Value::Bool(_)), "true or false"),
        (Shape::Never, _) => ok(matches!(value, Value::Bool(false)), "false"),
        (Shape::One(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
            Err(wrong(path, &one_of(words)))
        }
        (Shape::One(_), Value::Text(_)) => Ok(()),
        (Shape::One(_), _) => ok(false, "a text"),
        (Shape::Object(fields), _) => object(value, fields, path, look),
        (Shape::List(shape), Value::List(items)) => items
            .iter()
            .enumerate()
            .try_for_each(|(place, item)| fits(item, shape, &Path::Place(path, place), look)),
        (Shape::List(_), _) => ok(false, "a list"),
    }
}

/// The record names the field of the list that holds what is wrong; what moves money is more than a wrong value.
fn named(error: NativeError, name: &'static str, shape: &Shape) -> NativeError {
    match (error.breach, shape) {
        (Some((Breach::Value, None)), Shape::Never) => error.breaking(Breach::Funds, Some(name)),
        (Some((breach, None)), _) => error.breaking(breach, Some(name)),
        _ => error,
    }
}

fn wrong(path: &Path<'_>, wanted: &str) -> NativeError {
    let path = path.to_string();
    let path = if path.is_empty() { "the body" } else { &path };
    NativeError::malformed(format!("{path} must be {wanted}"))
}

/// What a text that has few values may be.
pub(crate) fn one_of(words: &[&str]) -> String {
    match words {
        [one] => format!("\"{one}\""),
        words => format!("one of {}", words.join(", ")),
    }
}

/// What [`plain`] wants, in words.
pub(crate) const PLAIN: &str =
    "a text without control characters, marks that are not seen and blanks at its ends";

/// True if the text looks like what it is. What names somebody or something must not be taken for another name by a reader
/// that trims it, or by a person who looks at it; joiners are part of scripts and of emoji.
pub(crate) fn plain(text: &str) -> bool {
    let unseen = |c: char| {
        c.is_control()
            || matches!(c, '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
    };
    !text.contains(unseen) && text.trim() == text
}

/// Integer fen of at least 1.
pub(crate) fn fen(value: &Value) -> Option<Amount> {
    match value {
        Value::Integer(fen) => Some(Amount::from_fen(*fen)).filter(|a| !a.is_zero() && *a <= Amount::MAX),
        _ => None,
    }
}

/// Yuan of at least 0.01, from a text or the literal digits of a number; never by way of a float.
pub(crate) fn yuan(value: &Value) -> Option<Amount> {
    let amount = match value {
        Value::Text(text) => Amount::parse_yuan(text).ok(),
        Value::Number(text) => Amount::parse_yuan(text).ok(),
        Value::Integer(whole) => Amount::from_yuan(*whole).filter(|a| *a <= Amount::MAX),
        _ => None,
    };
    amount.filter(|a| !a.is_zero())
}

#[cfg(test)]
mod tests {
    use super::{Field, Shape, check, plain};
    use crate::strict_json;

    #[test]
    fn what_has_few_values_is_refused_with_those_it_has() {
        const WAYS: &[Field] = &[
            Field("scene", Shape::One(&["bar_code"])),
            Field("kind", Shape::One(&["0", "1"])),
        ];
        let said = |text: &str| {
            let read = strict_json::parse(text.as_bytes()).expect("JSON");
            check(&read, WAYS, "body").err().map(|e| e.text)
        };
        assert_eq!(said(r#"{"scene":"bar_code","kind":"1"}"#), None);
        let wrong = said(r#"{"scene":"wave_code"}"#).expect("another scene");
        assert!(wrong.ends_with(r#"scene must be "bar_code""#), "{wrong}");
        let wrong = said(r#"{"kind":"2"}"#).expect("another kind");
        assert!(wrong.ends_with("kind must be one of 0, 1"), "{wrong}");
    }

    //= C93
    #[test]
    fn a_name_shows_all_that_it_is() {
        for good in ["", "1900000109", "奶茶 Milk tea", "👩\u{200d}🍳", "#&=<>{}"] {
            assert!(plain(good), "{good:?}");
        }
        for bad in [
            " a",
            "a ",
            "a\n",
            "a\u{0}b",
            "a\u{200b}",
            "\u{feff}a",
            "a\u{202e}b",
            "\u{3000}a",
            "a\u{85}b",
        ] {
            assert!(!plain(bad), "{bad:?}");
        }
    }
}
