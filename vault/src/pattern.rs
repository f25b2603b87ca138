//! Does a free text look like personal data? Raises a flag only; the text goes on unchanged and is kept nowhere.

use crate::buyer::Text;
use domain::Pattern;

/// The first pattern found, the most sensitive kind first.
pub fn scan(text: &Text) -> Option<Pattern> {
    let runs: Vec<&str> = runs(text.expose()).collect();
    let any = |test: fn(&str) -> bool| runs.iter().any(|run| test(run));
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

/// Runs of digits, with a closing X where it follows 17 digits. Spaces and dashes between digits are passed over by
/// looking at the text without them too.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_digit() || c == 'X' || c == 'x'))
        .filter(|run| run.len() >= 11)
}

/// Thirteen to nineteen digits with a Luhn check digit.
fn is_card(run: &str) -> bool {
    (13..=19).contains(&run.len())
        && run.bytes().all(|b| b.is_ascii_digit())
        && !run.bytes().all(|b| b == b'0')
        && luhn(run)
        && !is_id_number(run)
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
    let run = run.strip_prefix("86").filter(|r| r.len() == 11).unwrap_or(run);
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
        for harmless in [
            "奶茶 2 杯",
            "order 20261124000001",
            "12345678901",
            "00000000000000",
        ] {
            assert_eq!(seen(harmless), None, "{harmless}");
        }
    }
}
