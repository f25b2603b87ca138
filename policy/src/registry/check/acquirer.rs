//! An acquirer's file: whole merchants, one owner per account, nobody paid but the merchant.

use super::{Known, Notes, bank, rates, terminals};
use crate::registry::{AccountFacts, AcquirerFile, LicenceFile};
use domain::{Channel, Keys, MerchantId, PayeeNo, SignMethod};
use std::collections::BTreeSet;

//= C22
pub(super) fn check<'a>(
    licence: &LicenceFile,
    file: &'a AcquirerFile,
    known: &mut Known<'a>,
    notes: &mut Notes<'_>,
) {
    notes.kind(file.kind);
    for (n, merchant) in file.merchants.iter().enumerate() {
        let at = format!("$.merchants[{n}]");
        notes.filled(
            format!("{at}.name"),
            &merchant.name,
            "the merchant's registered name (R07)",
        );
        notes.filled(
            format!("{at}.agreement.no"),
            &merchant.agreement.no,
            "the agreement's number (R04)",
        );
        match known.merchants.get(&merchant.id) {
            Some(first) => notes.say(
                &format!("{at}.id"),
                format!("{} stands at {first} too", merchant.id),
                "one entry",
            ),
            None => drop(
                known
                    .merchants
                    .insert(&merchant.id, format!("{}{at}", notes.whose)),
            ),
        }
        if merchant.uscc.as_deref().is_some_and(|code| !is_credit_code(code)) {
            notes.say(
                &format!("{at}.uscc"),
                "is no unified social credit code",
                "18 digits and capitals with the check character of GB 32100",
            );
        }
        terminals::check(merchant, &at, known, notes);
        for (a, account) in merchant.accounts.iter().enumerate() {
            let at = format!("{at}.accounts[{a}]");
            one_owner(&merchant.id, account, &at, known, notes);
            own_payees(&licence.operator_accounts, account, &at, notes);
            authorised(account, &at, notes);
            sub_apps(account, &at, notes);
            complete(account, &at, notes);
            reached(licence, account, &at, notes);
            rates::check(licence, account, &at, notes);
        }
    }
}

//= C05
fn one_owner<'a>(
    id: &'a MerchantId,
    account: &'a AccountFacts,
    at: &str,
    known: &mut Known<'a>,
    notes: &mut Notes<'_>,
) {
    if account.keys == Keys::Merchant {
        known.merchants_own.insert((account.channel, &account.account));
    }
    match known.accounts.get(&(account.channel, &account.account)) {
        Some(&owner) => {
            let wrong = format!(
                "{} account {} belongs to merchant {owner} already",
                account.channel, account.account
            );
            notes.say(
                &format!("{at}.account"),
                wrong,
                "an account belongs to one merchant, once",
            );
        }
        None => drop(known.accounts.insert((account.channel, &account.account), id)),
    }
}

//= C04
fn own_payees(operators: &[PayeeNo], account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    for payee in account.payees().filter(|payee| operators.contains(payee)) {
        let wrong = format!("payee {payee} is the operator's own account");
        notes.say(
            &format!("{at}.payee"),
            wrong,
            "the merchant's own account: the operator is never paid (R03)",
        );
    }
}

/// An authorisation is Alipay's, and names one merchant.
fn authorised(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let mut tokens = BTreeSet::new();
    for (n, token) in account.auth_tokens.iter().enumerate() {
        let at = format!("{at}.auth_tokens[{n}]");
        if account.channel != Channel::Alipay {
            notes.say(
                &at,
                "is there for another channel",
                "only Alipay has `app_auth_token`",
            );
        }
        notes.unique(
            &mut tokens,
            &token.sha256,
            format!("{at}.sha256"),
            "it stands twice",
        );
    }
}

/// An app of a sub-merchant's is WeChat's `sub_appid`, and stands with a sub-merchant of the account's own.
fn sub_apps(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let mut payees = BTreeSet::new();
    for (n, of) in account.sub_apps.iter().enumerate() {
        let at = format!("{at}.sub_apps[{n}]");
        if account.channel != Channel::Wechat {
            notes.say(
                &at,
                "is there for another channel",
                "only WeChat has apps of sub-merchants",
            );
        }
        if !account.sub_payees.contains(&of.payee) {
            notes.say(
                &format!("{at}.payee"),
                format!("{} is none of the account's sub-merchants", of.payee),
                "one of its sub_payees",
            );
        }
        if of.appids.is_empty() {
            notes.say(
                &format!("{at}.appids"),
                "is empty",
                "at least one appid bound to this sub-merchant",
            );
        }
        notes.unique(
            &mut payees,
            &of.payee,
            format!("{at}.payee"),
            format!("{} stands twice", of.payee),
        );
    }
}

fn complete(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    if account.channel == Channel::Unionpay {
        unionpay(account, at, notes);
    } else if account.channel == Channel::Wechat && account.sign_method == SignMethod::Sm2 {
        gm(account, at, notes);
    } else if !account.sign_method.is_signature() {
        notes.say(
            &format!("{at}.sign_method"),
            "is there for another channel",
            "only UnionPay has several, and WeChat \"sm2\"",
        );
    }
    if account.channel == Channel::Baidu {
        baidu(account, at, notes);
    } else if account.sha1 {
        notes.say(
            &format!("{at}.sha1"),
            "is there for another channel",
            "only the Baidu wallet has two digests",
        );
    }
    bank::check(account, at, notes);
    if account.codepay && account.channel != Channel::Wechat {
        notes.say(
            &format!("{at}.codepay"),
            "is there for another channel",
            "only WeChat has two ways for payment codes",
        );
    }
    if account.encrypts && account.channel != Channel::Alipay {
        notes.say(
            &format!("{at}.encrypts"),
            "is there for another channel",
            "only Alipay encrypts content",
        );
    }
    if !account.openapi.is_gateway() && account.channel != Channel::Alipay {
        notes.say(
            &format!("{at}.openapi"),
            "is there for another channel",
            "only Alipay has an OpenAPI v3 beside its gateway",
        );
    }
    if account.channel != Channel::Wechat || account.keys != Keys::Held {
        return;
    }
    if account.serial.as_deref().is_none_or(str::is_empty) {
        notes.say(
            &format!("{at}.serial"),
            "is missing",
            "the serial of the merchant certificate, as its key is held",
        );
    }
    if account.appids.is_empty() {
        notes.say(
            &format!("{at}.appids"),
            "is empty",
            "at least one appid bound to this mchid",
        );
    }
}

/// So it is at the Baidu wallet; and nothing passes through to it, so that its key is ours to hold.
fn baidu(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let own = |payee: &PayeeNo| payee.as_str() == account.account.as_str();
    if !account.payees().all(own) {
        notes.say(
            &format!("{at}.payee"),
            "is another than the account",
            "the sp_no itself: at the Baidu wallet it is who is paid",
        );
    }
    if account.keys != Keys::Held {
        notes.say(
            &format!("{at}.keys"),
            "is not held",
            "\"held\": nothing passes through to the Baidu wallet",
        );
    }
}

/// At UnionPay the merchant number is both who asks and who is paid: no message could name another payee.
/// 国密 at WeChat (channels.md 1.9). SM2 certificates are not fetched, so the channel's SM2 key is put there by its id.
fn gm(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let by_id = |id: &str| id.starts_with("PUB_KEY_ID");
    if account.keys == Keys::Held && !account.platform.as_deref().is_some_and(by_id) {
        notes.say(
            &format!("{at}.platform"),
            "does not name a public key",
            "the PUB_KEY_ID_… of WeChat's SM2 key, where messages are signed by SM2",
        );
    }
}

fn unionpay(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    if account.sign_method == SignMethod::Sm2 {
        notes.say(
            &format!("{at}.sign_method"),
            "is none of UnionPay's",
            "\"01\", \"11\" or \"12\"",
        );
    }
    if account
        .payees()
        .any(|payee| payee.as_str() != account.account.as_str())
    {
        notes.say(
            &format!("{at}.payee"),
            "is another than the account",
            "the merId itself: at UnionPay it is who is paid",
        );
    }
    // One secret is both sides': whoever can verify with it can sign with it.
    if !account.sign_method.is_signature() && account.keys != Keys::Held {
        notes.say(
            &format!("{at}.keys"),
            "is not held",
            "\"held\": under signMethod 11 and 12 the merchant and UnionPay share one secret, without which nothing can be verified here",
        );
    }
    let decimal = account
        .serial
        .as_deref()
        .is_some_and(|serial| !serial.is_empty() && serial.bytes().all(|b| b.is_ascii_digit()));
    if account.sign_method == SignMethod::Signature && account.keys == Keys::Held && !decimal {
        notes.say(
            &format!("{at}.serial"),
            "is no certId",
            "the serial of the merchant's signing certificate, decimal",
        );
    }
}

/// At a licensed host and nowhere else (R06).
//= C50
fn reached(licence: &LicenceFile, account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let Some(host) = &account.host else { return };
    let licensed = licence
        .channels
        .iter()
        .filter(|c| c.channel == account.channel)
        .flat_map(|c| &c.hosts);
    if !licensed.into_iter().any(|known| known.host == *host) {
        notes.say(
            &format!("{at}.host"),
            format!("{} has no such host in the licence file", account.channel),
            "one of the channel's licensed hosts",
        );
    }
}

/// 统一社会信用代码: 17 characters weighted by powers of 3 modulo 31, and a check character (GB 32100-2015).
fn is_credit_code(code: &str) -> bool {
    const ALPHABET: &[u8; 31] = b"0123456789ABCDEFGHJKLMNPQRTUWXY";
    let values: Option<Vec<usize>> = code
        .bytes()
        .map(|b| ALPHABET.iter().position(|a| *a == b))
        .collect();
    let Some(values) = values.filter(|values| values.len() == 18) else {
        return false;
    };
    let (sum, _) = values[..17].iter().fold((0, 1), |(sum, weight), value| {
        (sum + value * weight, weight * 3 % 31)
    });
    (31 - sum % 31) % 31 == values[17]
}

#[cfg(test)]
mod tests {
    use super::is_credit_code;

    #[test]
    fn a_credit_code_has_its_check_character() {
        // The code of a ministry and of a company, as they stand in the public register.
        for code in ["11100000000013127D", "91110000600037341L"] {
            assert!(is_credit_code(code), "{code}");
            let mut turned = code.to_owned();
            turned.replace_range(2..3, if &code[2..3] == "1" { "2" } else { "1" });
            assert!(!is_credit_code(&turned), "{turned}");
        }
        for code in [
            "",
            "91110000600037341",
            "9111000060003734lL",
            "91110000600037341I",
        ] {
            assert!(!is_credit_code(code), "{code}");
        }
    }
}
