//! Does a free text look like personal data? Raises a flag only; the text goes on unchanged and is kept nowhere.

use crate::buyer::Text;
use domain::Pattern;
use zeroize::Zeroizing;

/// The first pattern found, the most sensitive kind first.
pub fn scan(text: &Text) -> Option<Pattern> {
    let groups = groups(text.expose());
    let any = |test: fn(&str) -> bool| {
        (0..groups.len()).any(|first| {
            let mut run = Zeroizing::new(String::with_capacity(LONGEST));
            groups[first..].iter().enumerate().any(|(n, group)| {
                // A group that follows at once is joined; one after other words begins anew.
                (n == 0 || group.follows) && run.len() + group.digits.len() <= LONGEST && {
                    run.push_str(&group.digits);
                    test(&run)
                }
            })
        })
    };
    if any(is_card) {
        Some(Pattern::Card)
    } else if any(is_id_number) {
        Some(Pattern::IdNumber)
    } else if any(is_phone) {
        Some(Pattern::Phone)
    } else {
        None
    }
}

/// The longest thing looked for: nineteen digits of a card.
const LONGEST: usize = 19;
/// So many signs at most stand between two groups of one number.
const MOST_BETWEEN: usize = 3;

/// Digits that stand together, a closing X among them.
struct Group {
    digits: Zeroizing<String>,
    /// Only signs with which numbers are written in groups stand between the group before and this one.
    follows: bool,
}

/// The groups of digits in a text, full-width ones too.
fn groups(text: &str) -> Vec<Group> {
    let mut all: Vec<Group> = Vec::new();
    let (mut inside, mut between, mut other) = (false, 0, true);
    for c in text.chars() {
        match digit(c) {
            Some(digit) => {
                if !inside {
                    all.push(Group {
                        digits: Zeroizing::new(String::with_capacity(LONGEST)),
                        follows: !other && between <= MOST_BETWEEN,
                    });
                }
                (inside, between, other) = (true, 0, false);
                // What is longer than anything looked for is no number of that kind, and stays so.
                let group = &mut all.last_mut().expect("just begun").digits;
                if group.len() <= LONGEST {
                    group.push(digit);
                }
            }
            None if separates(c) => (inside, between) = (false, between + 1),
            None => (inside, other) = (false, true),
        }
    }
    all
}

fn digit(c: char) -> Option<char> {
    match c {
        '0'..='9' => Some(c),
        'X' | 'x' | 'Ｘ' | 'ｘ' => Some('X'),
        '０'..='９' => char::from_digit(u32::from(c) - u32::from('０'), 10),
        _ => None,
    }
}

/// Spaces, dashes, dots and the like, and what cannot be seen at all.
fn separates(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '-' | '.' | '_' | '/' | '(' | ')' | ',' | '·' | '\u{2010}'..='\u{2015}' | '\u{2212}' | '－'
        )
        || matches!(
            c,
            '．' | '／' | '（' | '）' | '，' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' | '\u{ad}'
        )
}

/// Thirteen to nineteen digits with a Luhn check digit.
fn is_card(run: &str) -> bool {
    (13..=19).contains(&run.len())
        && run.bytes().all(|b| b.is_ascii_digit())
        && !run.bytes().all(|b| b == b'0')
        && luhn(run)
        && !is_id_number(run)
        && !is_phone(run)
}

fn luhn(digits: &str) -> bool {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(i, b)| {
            let digit = u32::from(b - b'0');
            match (i % 2, digit * 2) {
                (0, _) => digit,
                (_, double) if double > 9 => double - 9,
                (_, double) => double,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

/// Eighteen characters with a lawful birth date and the check character of GB 11643-1999.
fn is_id_number(run: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let bytes = run.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    let number = |from: usize, to: usize| run[from..to].parse::<u32>().unwrap_or(0);
    let born = (1880..=2100).contains(&number(6, 10))
        && (1..=12).contains(&number(10, 12))
        && (1..=31).contains(&number(12, 14));
    let sum: u32 = bytes[..17]
        .iter()
        .zip(WEIGHTS)
        .map(|(b, w)| u32::from(b - b'0') * w)
        .sum();
    born && b"10X98765432"[(sum % 11) as usize] == bytes[17].to_ascii_uppercase()
}

/// Eleven digits of a mainland mobile number, perhaps behind 86.
fn is_phone(run: &str) -> bool {
    let run = ["0086", "86"]
        .iter()
        .find_map(|code| run.strip_prefix(code).filter(|r| r.len() == 11))
        .unwrap_or(run);
    let bytes = run.as_bytes();
    bytes.len() == 11
        && bytes.iter().all(u8::is_ascii_digit)
        && bytes[0] == b'1'
        && (b'3'..=b'9').contains(&bytes[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_looks_personal_and_leaves_order_numbers_alone() {
        let seen = |t: &str| scan(&Text::from(t));
        assert_eq!(
            seen("卡号6222021234567890128"),
            (luhn("6222021234567890128")).then_some(Pattern::Card)
        );
        assert_eq!(seen("card 4111111111111111."), Some(Pattern::Card));
        assert_eq!(seen("身份证 11010519491231002X"), Some(Pattern::IdNumber));
        assert_eq!(seen("电话13800138000谢谢"), Some(Pattern::Phone));
        assert_eq!(seen("8613800138000"), Some(Pattern::Phone));
        for card in [
            "卡 4111 1111 1111 1111",
            "4111-1111-1111-1111 谢谢",
            "2 份，卡 4111.1111.1111.1111",
            "４１１１１１１１１１１１１１１１",
            "4111\u{200b}111111111111",
            "2 4111 1111 1111 1111 3",
        ] {
            assert_eq!(seen(card), Some(Pattern::Card), "{card}");
        }
        for id in [
            "110105 19491231 002X",
            "身份证１１０１０５１９４９１２３１００２Ｘ",
        ] {
            assert_eq!(seen(id), Some(Pattern::IdNumber), "{id}");
        }
        for phone in [
            "电话 138-1234-5678",
            "+86 138 1234 5678",
            "(0086) 13812345678",
            "手机１３８１２３４５６７８",
            "3 杯 138 1234 5678",
        ] {
            assert_eq!(seen(phone), Some(Pattern::Phone), "{phone}");
        }
        for harmless in [
            "奶茶 2 杯",
            "2026-11-24 12:30 4 位",
            "138 杯 1234 份 5678",
            "138----1234----5678",
            "order 20261124000001",
            "12345678901",
            "00000000000000",
        ] {
            assert_eq!(seen(harmless), None, "{harmless}");
        }
    }
}
