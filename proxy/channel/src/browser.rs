//! The wallet whose browser asks, by its `User-Agent` (channels.md 7). A marker of none or of several is nobody's.

use crate::auth_code::Wallet;

/// The wallet; `None` for any other browser.
pub fn wallet(user_agent: &str) -> Option<Wallet> {
    let unionpay = user_agent
        .split_once("UnionPay/")
        .is_some_and(|(_, rest)| is_version_and_app(rest));
    let marks = [
        (user_agent.contains("MicroMessenger"), Wallet::Wechat),
        (
            user_agent.contains("AlipayClient") || user_agent.contains("AliApp(AP/"),
            Wallet::Alipay,
        ),
        (unionpay, Wallet::Unionpay),
    ];
    let mut found = marks
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, wallet)| wallet);
    found.next().filter(|_| found.next().is_none())
}

/// Whether its `Accept-Language` prefers English to Chinese; who names neither is taken for Chinese.
pub fn speaks_english(accept: &str) -> bool {
    let known = |tag: &str| match tag.trim().to_ascii_lowercase() {
        tag if tag.starts_with("zh") => Some(false),
        tag if tag.starts_with("en") => Some(true),
        _ => None,
    };
    accept
        .split(',')
        .take(8)
        .find_map(|part| known(part.split(';').next().unwrap_or_default()))
        .unwrap_or(false)
}

/// `<version> <AppId>`, such as `1.0 CloudPay`.
fn is_version_and_app(text: &str) -> bool {
    let version = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.')
        .count();
    let app = text.get(version..).and_then(|rest| rest.strip_prefix(' '));
    version > 0 && app.is_some_and(|app| app.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_language_that_we_speak_is_taken() {
        for english in ["en", "en-GB,zh;q=0.1", "fr-FR, EN;q=0.8, zh;q=0.5"] {
            assert!(speaks_english(english), "{english}");
        }
        for chinese in ["", "*", "fr", "zh-TW,en", "fr,zh;q=0.9,en;q=0.8"] {
            assert!(!speaks_english(chinese), "{chinese}");
        }
    }

    #[test]
    fn a_browser_of_no_or_of_two_wallets_is_nobodys() {
        assert_eq!(wallet("Mozilla/5.0 MicroMessenger/8.0.42"), Some(Wallet::Wechat));
        assert_eq!(wallet("Mozilla/5.0 AliApp(AP/10.5.30)"), Some(Wallet::Alipay));
        assert_eq!(
            wallet("Mozilla/5.0 (UnionPay/1.0 CloudPay)"),
            Some(Wallet::Unionpay)
        );
        for odd in [
            "",
            "UnionPay/",
            "UnionPay/1.0",
            "UnionPay/1.0 ",
            "UnionPay/CloudPay 1.0",
            "MicroMessenger AlipayClient",
        ] {
            assert_eq!(wallet(odd), None, "{odd}");
        }
    }
}
