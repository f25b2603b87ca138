//! An account at a bank's own gateway (channels.md section 6). What is uncertain about the bank's protocol is taken for
//! true only where whoever signs the file says that the bank confirmed it.

use super::Notes;
use crate::registry::AccountFacts;
use domain::{BankFacts, Channel, Keys, Unverified};

pub(super) fn check(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let at = |name: &str| format!("{at}.{name}");
    let bank = match &account.bank {
        None if !account.channel.is_bank() => return,
        Some(_) if !account.channel.is_bank() => {
            return notes.say(
                &at("bank"),
                "is there for another channel",
                "absent: only a bank's own gateway has it",
            );
        }
        bank => bank.as_ref(),
    };
    confirmed(account.channel, bank, &at("bank.unverified"), notes);
    if account.keys != Keys::Held {
        notes.say(
            &at("keys"),
            "is not held",
            "\"held\": nothing passes through to a bank's gateway",
        );
    }
    match account.channel {
        Channel::Ccb => ccb(account, bank, &at, notes),
        Channel::Icbc => icbc(account, bank, &at, notes),
        Channel::Wechat | Channel::Alipay | Channel::Unionpay | Channel::Baidu => {}
    }
}

//= C73
fn confirmed(channel: Channel, bank: Option<&BankFacts>, at: &str, notes: &mut Notes<'_>) {
    let named = bank.map(|bank| bank.unverified.as_slice()).unwrap_or_default();
    for one in Unverified::of(channel).iter().filter(|one| !named.contains(one)) {
        notes.say(
            at,
            format!("does not name {}", one.as_str()),
            &format!(
                "\"{}\" in it, once {channel} has confirmed {}: no document that this was built from says so",
                one.as_str(),
                one.says()
            ),
        );
    }
    for one in named.iter().filter(|one| !Unverified::of(channel).contains(one)) {
        notes.say(
            at,
            format!("names {}", one.as_str()),
            "what is uncertain about this channel and nothing else",
        );
    }
}

/// Three numbers name who is paid: MERCHANTID, POSID and BRANCHID (channels.md 6.3).
fn ccb(account: &AccountFacts, bank: Option<&BankFacts>, at: &dyn Fn(&str) -> String, notes: &mut Notes<'_>) {
    let digits = |text: &str, many: usize| text.len() == many && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(account.account.as_str(), 9) {
        notes.say(&at("account"), "is no POSID", "nine digits");
    }
    if account.payees().any(|payee| !digits(payee.as_str(), 15)) || !account.sub_payees.is_empty() {
        notes.say(
            &at("payee"),
            "is no MERCHANTID",
            "fifteen digits, the merchant's own number at CCB, and no other payee",
        );
    }
    let branch = bank.and_then(|bank| bank.branch.as_deref()).unwrap_or_default();
    if !digits(branch, 9) {
        notes.say(&at("bank.branch"), "is no BRANCHID", "nine digits");
    }
    let code = bank.and_then(|bank| bank.absent_code.as_deref());
    if code.is_some_and(|code| {
        !(4..=20).contains(&code.len())
            || !code.bytes().all(|b| b.is_ascii_alphanumeric())
            || code == "000000"
    }) {
        notes.say(
            &at("bank.absent_code"),
            "is no RETURN_CODE of an order that is not there",
            "4 to 20 letters and digits, by the bank's own manual, or absent",
        );
    }
}

/// Who is paid is `merAcct`, under `merID` (channels.md 6.2).
fn icbc(
    account: &AccountFacts,
    bank: Option<&BankFacts>,
    at: &dyn Fn(&str) -> String,
    notes: &mut Notes<'_>,
) {
    let digits = |text: &str| (16..=19).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if account.payees().any(|payee| !digits(payee.as_str())) || !account.sub_payees.is_empty() {
        notes.say(
            &at("payee"),
            "is no merAcct",
            "16 to 19 digits, the merchant's own account at ICBC, and no other payee",
        );
    }
    let certificate = bank
        .and_then(|bank| bank.certificate.as_deref())
        .unwrap_or_default();
    let lawful = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    if !(400..=8192).contains(&certificate.len()) || !certificate.bytes().all(lawful) {
        notes.say(
            &at("bank.certificate"),
            "is no merCert",
            "base64 of the merchant's certificate (DER), in one line",
        );
    }
    let reference = bank.and_then(|bank| bank.reference.as_deref());
    let name = |text: &str| {
        (1..=200).contains(&text.len())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-*".contains(&b))
    };
    if reference.is_some_and(|text| !name(text)) {
        notes.say(
            &at("bank.reference"),
            "is no merReference",
            "the domain of the merchant's page, such as \"*.shop.example\", or absent",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Problem;
    use serde_json::{Value, json};

    fn problems(change: impl Fn(&mut Value)) -> Vec<(String, String)> {
        let names: Vec<&str> = Unverified::of(Channel::Ccb)
            .iter()
            .map(|one| one.as_str())
            .collect();
        let mut account = json!({ "channel": "ccb", "account": "041265093", "payee": "105000759989591", "keys": "held",
            "bank": { "branch": "442000000", "unverified": names } });
        change(&mut account);
        let account: AccountFacts = serde_json::from_value(account).expect("lawful");
        let mut found: Vec<Problem> = Vec::new();
        let mut notes = Notes {
            file: domain::Registry::Acquirer,
            whose: String::new(),
            problems: &mut found,
        };
        check(&account, "$", &mut notes);
        found.into_iter().map(|p| (p.path, p.right)).collect()
    }

    #[test]
    //= C73
    fn what_is_uncertain_is_taken_only_where_the_file_says_that_the_bank_confirmed_it() {
        assert_eq!(problems(|_| ()), []);
        let none = problems(|a| a["bank"]["unverified"] = json!([]));
        assert_eq!(none.len(), Unverified::of(Channel::Ccb).len());
        assert!(
            none[0].1.contains("ccb_notice_digest_md5") && none[0].1.contains("RSA"),
            "{none:?}"
        );
        assert_eq!(problems(|a| a["bank"] = Value::Null).len(), 5);
    }

    #[test]
    fn who_is_paid_is_three_numbers_of_the_account() {
        for (place, value) in [
            ("account", json!("04126509")),
            ("payee", json!("1050007599895911")),
            ("sub_payees", json!(["105000759989592"])),
            ("keys", json!("merchant")),
        ] {
            assert_eq!(problems(|a| a[place] = value.clone()).len(), 1, "{place}");
        }
        assert_eq!(problems(|a| a["bank"]["branch"] = json!("44200000x")).len(), 1);
        assert_eq!(problems(|a| a["bank"]["absent_code"] = json!("000000")).len(), 1);
        assert_eq!(problems(|a| a["bank"]["absent_code"] = json!("0130Z110C137")), []);
        let other = json!({ "channel": "baidu", "account": "9000100005", "payee": "9000100005" });
        assert_eq!(
            problems(|a| {
                for (name, value) in other.as_object().expect("an object") {
                    a[name] = value.clone();
                }
            })
            .len(),
            1
        );
    }
}
