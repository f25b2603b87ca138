//! The strict readers of JSON and forms, compared with readers that everybody uses.

use super::tells_no_number;
use channel::{
    form::Form,
    strict_json::{self, Value, Wrong},
};

/// What is taken, serde_json reads the same; what is not JSON to us is not JSON to it.
pub(crate) fn strict_json(data: &[u8]) {
    let other = serde_json::from_slice::<serde_json::Value>(data);
    match strict_json::parse(data) {
        Ok(value) => {
            spans(&value, data);
            if let Ok(other) = other {
                same(&value, &other);
            } else {
                // serde_json refuses numbers beyond f64; those stay text here.
                assert!(has_number(&value), "taken here, refused there");
            }
        }
        Err(error) => {
            tells_no_number(&error.path, data);
            assert!(error.at <= data.len());
            if matches!(
                error.wrong,
                Wrong::Syntax
                    | Wrong::Trailing
                    | Wrong::ByteOrderMark
                    | Wrong::NotUtf8
                    | Wrong::LoneSurrogate
            ) {
                assert!(other.is_err(), "refused here ({error}), taken there");
            }
        }
    }
}

fn spans(value: &Value, data: &[u8]) {
    match value {
        Value::Object(members) => members.iter().for_each(|member| {
            let again =
                strict_json::parse(&data[member.span.clone()]).expect("a member's octets are a value");
            assert_eq!(again.kind(), member.value.kind());
        }),
        Value::List(items) => items.iter().for_each(|item| assert!(!item.kind().is_empty())),
        _ => {}
    }
}

fn has_number(value: &Value) -> bool {
    match value {
        Value::Number(_) => true,
        Value::List(items) => items.iter().any(has_number),
        Value::Object(members) => members.iter().any(|m| has_number(&m.value)),
        _ => false,
    }
}

fn same(ours: &Value, theirs: &serde_json::Value) {
    use serde_json::Value as Theirs;
    match (ours, theirs) {
        (Value::Null, Theirs::Null) => {}
        (Value::Bool(a), Theirs::Bool(b)) => assert_eq!(a, b),
        (Value::Integer(a), Theirs::Number(b)) => assert_eq!(Some(*a), b.as_u64()),
        (Value::Number(a), Theirs::Number(b)) => {
            // serde_json may be off by the last bits of long numbers.
            let (a, b) = (
                a.parse::<f64>().unwrap_or(f64::NAN),
                b.as_f64().unwrap_or(f64::NAN),
            );
            assert!((a - b).abs() <= a.abs() * 1e-14, "{a} and {b}");
        }
        (Value::Text(a), Theirs::String(b)) => assert_eq!(&***a, b),
        (Value::List(a), Theirs::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| same(a, b));
        }
        (Value::Object(a), Theirs::Object(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter()
                .for_each(|m| same(&m.value, b.get(&m.name).expect("the same names")));
        }
        (ours, theirs) => panic!("{} and {theirs}", ours.kind()),
    }
}

/// What is taken, the readers of browsers read the same.
pub(crate) fn form(data: &[u8]) {
    match Form::parse(data) {
        Ok(form) => {
            let theirs: Vec<_> = form_urlencoded::parse(data).into_owned().collect();
            let ours: Vec<_> = form.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(ours, theirs);
            let _ = form.string_to_sign(|name, value| name != "sign" && !value.is_empty());
        }
        Err(error) => tells_no_number(&error.to_string(), data),
    }
}
