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
    /// A name that looks like one of the list, or that a careless reader takes for it.
    Alike,
    /// Nesting that no reader of the channel's needs.
    Deep,
    /// A `Content-Type` of another charset or kind.
    Kind,
    /// Two framings of one body.
    Framing,
    /// The right path in a spelling that somebody else may tidy up.
    Path,
}

impl Trick {
    pub(super) fn any(dice: &mut Dice) -> Trick {
        match dice.below(22) {
            0..=3 => Trick::Field,
            4 | 5 => Trick::Payee(dice.below(6)),
            6 | 7 => Trick::Twice,
            8 | 9 => Trick::Octets,
            10 | 11 => Trick::Amount,
            12 => Trick::Query(dice.word()),
            13 | 14 => Trick::Call,
            15 => Trick::Header,
            16 | 17 => Trick::Alike,
            18 => Trick::Deep,
            19 => Trick::Kind,
            20 => Trick::Framing,
            _ => Trick::Path,
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
        Trick::Alike => return Some(alike(dice, &body.to_string(), payees, amounts)),
        Trick::Deep => return Some(deep(dice, &body.to_string())),
        Trick::Amount if dice.below(2) == 0 => {
            let path = amounts[dice.below(amounts.len())];
            *body.pointer_mut(path)? = json!("@");
            let yuan = amounts.iter().any(|path| path.ends_with("_amount"));
            return Some(body.to_string().replace("\"@\"", number(dice, yuan)).into_bytes());
        }
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

/// Numbers that some reader takes for one hundred fen, or for a yuan, and another one does not; and some that are none.
fn number(dice: &mut Dice, yuan: bool) -> &'static str {
    const ODD: [&str; 17] = [
        "1e2",
        "1E+2",
        "0x64",
        "0100",
        "+100",
        "-0",
        "1_00",
        "100n",
        "NaN",
        "Infinity",
        "'100'",
        "100f",
        "1e-400",
        "1e400",
        "\"1e2\"",
        "\"\\u0661\\u0660\\u0660\"",
        "\"100\\u0000\"",
    ];
    // Of yuan a number with a point is one way to write it.
    const FEN: [&str; 4] = ["100.0", "\"100\"", "100.00", "1.00e2"];
    const YUAN: [&str; 6] = [
        "8.8e-1",
        "\"0.880\"",
        "\".88\"",
        "\"0,88\"",
        "\" 0.88\"",
        "\"+0.88\"",
    ];
    match (dice.below(3), yuan) {
        (0, true) => dice.of::<&str>(&YUAN),
        (0, false) => dice.of::<&str>(&FEN),
        _ => dice.of::<&str>(&ODD),
    }
}

/// A member beside the true one, by a name that is almost its own: by its case, by a letter of another script, by what is
/// not seen, by a path of its own.
fn alike(dice: &mut Dice, text: &str, payees: &[&str], amounts: &[&str]) -> Vec<u8> {
    let paths: Vec<&str> = payees.iter().chain(amounts).copied().collect();
    // What names an order and no more has its number.
    let paths = if paths.is_empty() {
        vec!["/out_trade_no"]
    } else {
        paths
    };
    let name = paths[dice.below(paths.len())]
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let letters = |name: &str, from: char, to: &str| match name.contains(from) {
        true => name.replacen(from, to, 1),
        false => format!("{name}\u{301}"),
    };
    let odd = match dice.below(13) {
        0 => name.to_ascii_uppercase(),
        1 => format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]),
        2 => letters(name, 'c', "\u{441}"),
        3 => letters(name, 'a', "\u{430}"),
        4 => letters(name, 'm', "\u{ff4d}"),
        5 => format!("{name}\\u0000"),
        6 => format!("\u{feff}{name}"),
        7 => format!("{name}\u{200d}"),
        8 => format!(" {name}"),
        9 => format!("{name}\\t"),
        10 => format!("{name}[]"),
        11 => format!("$.{name}"),
        _ => format!("{name}.{name}"),
    };
    format!("{{\"{odd}\":\"{STRANGER}\",{}", &text[1..]).into_bytes()
}

/// Nested so deep that a reader ends, or gives up and passes it on.
fn deep(dice: &mut Dice, text: &str) -> Vec<u8> {
    let levels = *dice.of(&[31, 33, 200, 3_000]);
    let (open, close) = *dice.of(&[("[", "]"), ("{\"a\":", "}")]);
    let inner = format!("{}1{}", open.repeat(levels), close.repeat(levels));
    format!("{{\"attach\":{inner},{}", &text[1..]).into_bytes()
}

/// Content types under which somebody may read the same octets otherwise.
pub(super) fn kind(dice: &mut Dice, right: &str) -> String {
    let charset = *dice.of(&[
        "gbk",
        "GB18030",
        "utf-7",
        "utf-16",
        "utf-16le",
        "iso-8859-1",
        "\"gbk\"",
        "utf8,gbk",
    ]);
    match dice.below(8) {
        0..=2 => format!("Content-Type: {right}; charset={charset}\r\n"),
        3 => format!("Content-Type: {right}; charset=utf-8; charset={charset}\r\n"),
        4 => format!("Content-Type: {right}\r\nContent-Type: {right}; charset={charset}\r\n"),
        5 => "Content-Type: multipart/form-data; boundary=x\r\n".into(),
        6 => format!("Content-Type: {right}, text/xml\r\n"),
        _ => "Content-Type: application/octet-stream\r\n".into(),
    }
}

/// The same path as somebody may tidy it up.
pub(super) fn path(dice: &mut Dice, right: &str) -> String {
    let (front, last) = right.rsplit_once('/').unwrap_or(("", right));
    match dice.below(10) {
        0 => format!("/{right}"),
        1 => format!("{front}//{last}"),
        2 => format!("{front}/./{last}"),
        3 => format!("{front}/x/../{last}"),
        4 => format!("{right};v=1"),
        5 => format!("{front}/%{:02x}{}", last.as_bytes()[0], &last[1..]),
        6 => format!("{front}/%2f{last}"),
        7 => format!("{right}%00"),
        8 => format!("{front}/{}", last.to_ascii_uppercase()),
        _ => format!("{front}/%2e/{last}"),
    }
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
    match dice.below(22) {
        8 => [
            b"\xff\xfe".to_vec(),
            text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ]
        .concat(),
        9 => [
            b"\xfe\xff".to_vec(),
            text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        ]
        .concat(),
        10 => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        // UTF-7 of the brace.
        11 => text.replacen('{', "+AHs-", 1).into_bytes(),
        // Overlong: `/` in three and in four octets, a quote in two.
        12 => [b"{\"attach\":\"\xe0\x80\xaf\",".as_slice(), &text.as_bytes()[1..]].concat(),
        13 => [
            b"{\"attach\":\"\xf0\x80\x80\xaf\",".as_slice(),
            &text.as_bytes()[1..],
        ]
        .concat(),
        14 => [
            b"{\"attach\":\"x\xc0\xa2,\xc0\xa2mchid\xc0\xa2:\xc0\xa2y\",".as_slice(),
            &text.as_bytes()[1..],
        ]
        .concat(),
        // A surrogate in UTF-8's way (CESU-8), half a character at the end.
        15 => [
            b"{\"attach\":\"\xed\xa0\xbd\xed\xb8\x80\",".as_slice(),
            &text.as_bytes()[1..],
        ]
        .concat(),
        16 => [text.as_bytes(), b"\xe4\xbb"].concat(),
        17 => format!("{text}\n{text}").into_bytes(),
        18 => text.replace('"', "'").into_bytes(),
        19 => text.replacen('{', "{attach:1,", 1).into_bytes(),
        20 => format!("{},}}", &text[..text.len() - 1]).into_bytes(),
        21 => [b"\0".as_slice(), text.as_bytes()].concat(),
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
