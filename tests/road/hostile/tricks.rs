//! What is done to a lawful body, by dice that fall the same each time.

use serde_json::{Value, json};

/// Falls the same way each time.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice(0x9e37_79b9_7f4a_7c15 ^ seed.wrapping_mul(0x2545_f491_4f6c_dd1d))
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, end: usize) -> usize {
        ((self.next() >> 16) % end as u64) as usize
    }

    pub(super) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    fn word(&mut self) -> String {
        let length = 3 + self.below(12);
        let letters: String = (0..length)
            .map(|_| char::from(b'a' + self.below(26) as u8))
            .collect();
        format!("qz_{letters}")
    }
}

/// What is done.
pub(super) enum Trick {
    /// A field that is on no list, anywhere in the body.
    Field,
    /// The payee is another; which.
    Payee(usize),
    /// A name stands twice, perhaps written with an escape.
    Twice,
    /// Octets that are no plain UTF-8 JSON.
    Octets,
    /// An amount that is none.
    Amount,
    /// Something beside the body, of this name.
    Query(String),
    /// A call that is not carried.
    Call,
    /// A header that makes another request of it.
    Header,
}

impl Trick {
    pub(super) fn any(dice: &mut Dice) -> Trick {
        match dice.below(15) {
            0..=4 => Trick::Field,
            5 | 6 => Trick::Payee(dice.below(6)),
            7 | 8 => Trick::Twice,
            9 => Trick::Octets,
            10 => Trick::Amount,
            11 => Trick::Query(dice.word()),
            12 | 13 => Trick::Call,
            _ => Trick::Header,
        }
    }
}

/// Words of money that goes elsewhere, and some that nobody knows. None is on any list.
const NAMES: [&str; 22] = [
    "receivers",
    "profit_sharing",
    "royalty_info",
    "royalty_detail_infos",
    "sub_merchant",
    "settle_detail_infos",
    "trans_in",
    "payee_info",
    "transfer",
    "subsidy_amount",
    "ext_user_info",
    "business_params",
    "promo_params",
    "advance_payment_type",
    "agreement_params",
    "from",
    "Mchid",
    "mchid ",
    "AMOUNT",
    "total\u{200b}",
    "__proto__",
    "付款",
];

pub(super) const STRANGER: &str = "1600000009";

fn value(dice: &mut Dice) -> Value {
    match dice.below(6) {
        0 => json!(true),
        1 => json!(STRANGER),
        2 => json!([{ "account": STRANGER, "amount": 1 }]),
        3 => json!({ "profit_sharing": true, "receivers": [STRANGER] }),
        4 => json!({ "royalty_detail_infos": [{ "trans_in": STRANGER, "amount": "0.01" }] }),
        _ => json!(dice.next() as i64),
    }
}

/// Objects of the body: the top, and those below it.
fn places(body: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut look = vec![(String::new(), body)];
    while let Some((path, value)) = look.pop() {
        let below: Vec<(String, &Value)> = match value {
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (format!("{path}/{name}"), value))
                .collect(),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .map(|(n, value)| (format!("{path}/{n}"), value))
                .collect(),
            _ => Vec::new(),
        };
        found.extend(
            below
                .iter()
                .filter(|(_, value)| value.is_object())
                .map(|(path, _)| path.clone()),
        );
        look.extend(below);
    }
    found.sort();
    found
}

/// The body with the trick in it; `None` where that leaves it lawful.
pub(super) fn spoilt(
    dice: &mut Dice,
    mut body: Value,
    trick: &Trick,
    payees: &[&str],
    amounts: &[&str],
) -> Option<Vec<u8>> {
    match trick {
        Trick::Field => {
            let places = places(&body);
            let place = body
                .pointer_mut(&places[dice.below(places.len())])?
                .as_object_mut()?;
            let name = if dice.below(4) == 0 {
                dice.word()
            } else {
                (*dice.of(&NAMES)).to_owned()
            };
            if place.contains_key(&name) {
                return None;
            }
            place.insert(name, value(dice));
        }
        Trick::Payee(at) if !payees.is_empty() => {
            *body.pointer_mut(payees[at % payees.len()])? = json!(STRANGER);
        }
        // Whoever has the payee elsewhere has put it there already.
        Trick::Payee(_) if body.get("payee").or(body.get("account")).is_none() => return None,
        // What names an order and no more.
        Trick::Amount if amounts.is_empty() => return None,
        Trick::Twice => return Some(twice(dice, &body.to_string())),
        Trick::Octets => return Some(octets(dice, &body.to_string())),
        Trick::Amount => {
            let odd = [
                json!(0),
                json!(-1),
                json!(1.555),
                json!("1e3"),
                json!(null),
                json!([1]),
                json!(u64::MAX),
                json!("0"),
            ];
            let odd = dice.of(&odd).clone();
            *body.pointer_mut(amounts[dice.below(amounts.len())])? = odd;
        }
        _ => {}
    }
    Some(body.to_string().into_bytes())
}

fn twice(dice: &mut Dice, text: &str) -> Vec<u8> {
    let names: Vec<(usize, &str)> = text
        .match_indices("\":")
        .filter_map(|(end, _)| {
            let start = text[..end].rfind('"')?;
            Some((start, &text[start + 1..end]))
        })
        .collect();
    let (start, name) = *dice.of(&names);
    let name = match dice.below(2) {
        0 => format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]),
        _ => name.to_owned(),
    };
    format!("{}\"{name}\":\"{STRANGER}\",{}", &text[..start], &text[start..]).into_bytes()
}

fn octets(dice: &mut Dice, text: &str) -> Vec<u8> {
    match dice.below(8) {
        0 => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        1 => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        2 => text.replacen('{', "{\"attach\":\"\\ud800\",", 1).into_bytes(),
        3 => [text.as_bytes(), text.as_bytes()].concat(),
        4 => [b"{\"attach\":\"\xc0\xaf\",".as_slice(), &text.as_bytes()[1..]].concat(),
        // GBK: the second octet of the character is a backslash, which would escape the quote.
        5 => [b"{\"attach\":\"\xd5\x5c\",".as_slice(), &text.as_bytes()[1..]].concat(),
        6 => format!(
            "<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY e \"{STRANGER}\">]><xml><mchid>&e;</mchid></xml>"
        )
        .into_bytes(),
        _ => text.replacen('{', "{/**/", 1).into_bytes(),
    }
}

/// Every octet as `%XX`.
pub(super) fn escaped(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("%{octet:02X}")).collect()
}
