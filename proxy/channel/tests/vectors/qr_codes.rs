//! Payment codes and browsers: whose they are.

use crate::text;
use channel::{
    auth_code::{self, Wallet},
    browser,
};
use serde_json::Value;
use vault::AuthCode;

pub(crate) fn tables(file: &Value) {
    for (name, column, of) in [
        ("auth_codes", "code", of_code as fn(&str) -> Option<Wallet>),
        ("user_agents", "user_agent", browser::wallet),
    ] {
        let rows = file[name]
            .as_array()
            .unwrap_or_else(|| panic!("{name} is a table"));
        assert!(!rows.is_empty(), "{name} is empty");
        for row in rows {
            assert_eq!(of(text(row, column)).map(shown), row["wallet"].as_str(), "{row}");
        }
    }
}

fn of_code(digits: &str) -> Option<Wallet> {
    auth_code::wallet(&AuthCode::new(digits.to_owned()))
}

fn shown(wallet: Wallet) -> &'static str {
    match wallet {
        Wallet::Wechat => "wechat",
        Wallet::Alipay => "alipay",
        Wallet::Unionpay => "unionpay",
    }
}
