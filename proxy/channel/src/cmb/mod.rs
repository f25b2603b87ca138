//! China Merchants Bank 招商银行, its own gateway 一网通支付 (channels.md 6.4, the newer interface, and two independent public
//! clients of it, chapter 10 of the manual): JSON in a form, vouched for by SHA-256 over sorted pairs with the merchant's key
//! behind them, told by JSON that the bank signs with RSA, asked for by number and day.

pub(crate) mod answer;
pub(crate) mod compose;
pub(crate) mod notice;

use crate::Account;

/// Four digits of the branch (`branchNo`) and six of the merchant (`merchantNo`), which together are the account.
pub(crate) fn numbers(account: &Account) -> Option<(&str, &str)> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let number = account.account.as_str();
    number
        .split_at_checked(4)
        .filter(|(branch, merchant)| merchant.len() == 6 && digits(branch) && digits(merchant))
}

/// Does this host answer what a merchant's server asks? It is another than the one that browsers go to.
pub(crate) fn is_server_host(host: &str) -> bool {
    host.starts_with("merchserv.")
}
