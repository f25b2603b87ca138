//! An account at a bank's own gateway (channels.md section 6). What is uncertain about the bank's protocol is taken for
//! true only where whoever signs the file says that the bank confirmed it.

use super::Notes;
use crate::registry::AccountFacts;
use domain::{BankFacts, Channel, Keys, Unverified};

/// Most banks on a list.
const MOST_BANKS: usize = 60;

pub(super) fn check(account: &AccountFacts, at: &str, notes: &mut Notes<'_>) {
    let at = |name: &str| format!("{at}.{name}");
    let bank = match &account.bank {
        None if !account.channel.is_bank() => return,
        Some(bank) if account.channel == Channel::Unionpay => return unionpay(bank, &at, notes),
        Some(bank) if account.channel == Channel::Baidu => return baidu(bank, &at, notes),
        Some(_) if !account.channel.is_bank() => {
            return notes.say(
                &at("bank"),
                "is there for another channel",
                "absent: only a bank's own gateway has it, UnionPay's list of banks, and Baidu's codes",
            );
        }
        bank => bank.as_ref(),
    };
    if bank.is_some_and(|bank| !bank.listed.is_empty() || bank.business) {
        notes.say(
            &at("bank"),
            "lists banks",
            "without listed and business: this channel is one bank",
        );
    }
    if bank.is_some_and(|bank| bank.absent_refund_code.is_some()) {
        notes.say(
            &at("bank.absent_refund_code"),
            "is there for a bank",
            "absent: no bank is asked for refunds",
        );
    }
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
        Channel::Cmb => cmb(account, bank, &at, notes),
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

/// The codes of what is not there and nothing else: no document says which they are (channels.md section 5).
//= C95
fn baidu(bank: &BankFacts, at: &dyn Fn(&str) -> String, notes: &mut Notes<'_>) {
    let other = BankFacts {
        absent_code: None,
        absent_refund_code: None,
        ..bank.clone()
    };
    let nothing = BankFacts {
        branch: None,
        certificate: None,
        reference: None,
        absent_code: None,
        absent_refund_code: None,
        listed: Vec::new(),
        business: false,
        unverified: Vec::new(),
    };
    if other != nothing {
        notes.say(
            &at("bank"),
            "has more than codes",
            "absent_code and absent_refund_code alone for the Baidu wallet",
        );
    }
    // 0 is what a query of an order that is there says; 1 to 6 are states of refunds.
    for (name, code, taken) in [
        ("absent_code", &bank.absent_code, &["0"][..]),
        (
            "absent_refund_code",
            &bank.absent_refund_code,
            &["1", "2", "3", "4", "5", "6"][..],
        ),
    ] {
        let lawful = |code: &str| {
            (1..=8).contains(&code.len())
                && code.bytes().all(|b| b.is_ascii_digit())
                && !taken.contains(&code)
        };
        if code.as_deref().is_some_and(|code| !lawful(code)) {
            notes.say(
                &at(&format!("bank.{name}")),
                "is no code of what is not there",
                "1 to 8 digits that say nothing else, by the wallet's own word, or absent",
            );
        }
    }
}

/// A list of banks and nothing else (channels.md 4.3).
//= C84
fn unionpay(bank: &BankFacts, at: &dyn Fn(&str) -> String, notes: &mut Notes<'_>) {
    for (name, there) in [
        ("branch", bank.branch.is_some()),
        ("certificate", bank.certificate.is_some()),
        ("reference", bank.reference.is_some()),
        ("absent_code", bank.absent_code.is_some()),
        ("absent_refund_code", bank.absent_refund_code.is_some()),
    ] {
        if there {
            notes.say(
                &at(&format!("bank.{name}")),
                "is there for unionpay",
                "absent: only a bank's own gateway has it",
            );
        }
    }
    match bank.listed.is_empty() {
        true if bank.unverified.is_empty() => {}
        // Without a list nothing uncertain is used.
        true => notes.say(
            &at("bank.unverified"),
            "confirms codes of banks, and none is listed",
            "absent, or a list of banks beside it",
        ),
        false => confirmed(Channel::Unionpay, Some(bank), &at("bank.unverified"), notes),
    }
    if bank.listed.len() > MOST_BANKS {
        notes.say(
            &at("bank.listed"),
            format!("lists {} banks", bank.listed.len()),
            "60 at most: a payer has to find one",
        );
    }
    let mut codes = std::collections::BTreeSet::new();
    for (n, listed) in bank.listed.iter().enumerate() {
        let at = |name: &str| at(&format!("bank.listed[{n}].{name}"));
        notes.unique(
            &mut codes,
            &listed.code,
            at("code"),
            format!("{} stands twice", listed.code),
        );
        for (name, text) in [("zh", &listed.zh), ("en", &listed.en)] {
            if text.trim().is_empty() || text.chars().count() > 40 || text.chars().any(char::is_control) {
                notes.say(
                    &at(name),
                    "is no bank's name",
                    "1 to 40 characters that payers can read",
                );
            }
        }
        if !listed.personal && !listed.business {
            notes.say(
                &at("personal"),
                "is false, and business too",
                "true for one of them: else nobody can reach this bank",
            );
        }
        if listed.business && !bank.business {
            notes.say(
                &at("business"),
                "is true without the contract",
                "false, or bank.business true where companies' online banking is contracted",
            );
        }
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

/// Four digits of the branch and six of the merchant name who is paid (channels.md 6.4).
fn cmb(account: &AccountFacts, bank: Option<&BankFacts>, at: &dyn Fn(&str) -> String, notes: &mut Notes<'_>) {
    let number = account.account.as_str();
    if number.len() != 10 || !number.bytes().all(|b| b.is_ascii_digit()) {
        notes.say(
            &at("account"),
            "is no branchNo with its merchantNo",
            "ten digits: four of the branch, six of the merchant",
        );
    }
    if account.payees().any(|payee| payee.as_str() != number) || !account.sub_payees.is_empty() {
        notes.say(
            &at("payee"),
            "is another than the account",
            "the account itself: at CMB the merchant's number is who is paid",
        );
    }
    let code = bank.and_then(|bank| bank.absent_code.as_deref());
    if code.is_some_and(|code| {
        !(4..=20).contains(&code.len())
            || !code.bytes().all(|b| b.is_ascii_alphanumeric())
            || code == "SUC0000"
    }) {
        notes.say(
            &at("bank.absent_code"),
            "is no rspCode of an order that is not there",
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
    fn at_cmb_who_is_paid_is_the_ten_digits_of_the_account() {
        let cmb = |change: &dyn Fn(&mut Value)| {
            let names: Vec<&str> = Unverified::of(Channel::Cmb)
                .iter()
                .map(|one| one.as_str())
                .collect();
            problems(|a| {
                *a = json!({ "channel": "cmb", "account": "0755000054", "payee": "0755000054", "keys": "held",
                    "bank": { "unverified": names } });
                change(a);
            })
        };
        assert_eq!(cmb(&|_| ()), []);
        assert_eq!(cmb(&|a| a["bank"]["unverified"] = json!([])).len(), 5);
        for (place, value) in [
            ("payee", json!("0755000055")),
            ("sub_payees", json!(["0755000055"])),
            ("keys", json!("merchant")),
        ] {
            assert_eq!(cmb(&|a| a[place] = value.clone()).len(), 1, "{place}");
        }
        assert_eq!(cmb(&|a| a["bank"]["absent_code"] = json!("SUC0000")).len(), 1);
        assert_eq!(cmb(&|a| a["bank"]["absent_code"] = json!("MSS3500")), []);
    }

    #[test]
    //= C95
    fn baidus_codes_of_what_is_not_there_are_named_here_and_nothing_else_is() {
        let baidu = |bank: Value| {
            problems(|a| {
                *a = json!({ "channel": "baidu", "account": "9000100005", "payee": "9000100005", "keys": "held", "bank": bank.clone() });
            })
        };
        assert_eq!(
            baidu(json!({ "absent_code": "5804", "absent_refund_code": "0" })),
            []
        );
        for (bank, at) in [
            (json!({ "absent_code": "0" }), "$.bank.absent_code"),
            (json!({ "absent_code": "x" }), "$.bank.absent_code"),
            (json!({ "absent_refund_code": "2" }), "$.bank.absent_refund_code"),
            (json!({ "branch": "442000000" }), "$.bank"),
        ] {
            let found = baidu(bank);
            assert!(found.len() == 1 && found[0].0 == at, "{at}: {found:?}");
        }
        let of_a_bank = problems(|a| a["bank"]["absent_refund_code"] = json!("0"));
        assert_eq!(of_a_bank.len(), 1, "{of_a_bank:?}");
    }

    #[test]
    //= C84
    fn a_list_of_banks_is_unionpays_and_confirmed() {
        let lists = |bank: Value| {
            problems(|a| {
                let other = json!({ "channel": "unionpay", "account": "777290058110048", "payee": "777290058110048" });
                for (name, value) in other.as_object().expect("an object") {
                    a[name] = value.clone();
                }
                a["bank"] = bank.clone();
            })
        };
        let icbc = json!({ "code": "ICBC", "zh": "工商银行", "en": "ICBC" });
        let named = json!(["unionpay_bank_codes"]);
        assert_eq!(lists(json!({ "listed": [icbc], "unverified": named })), []);
        assert_eq!(
            lists(json!({ "business": true })),
            [],
            "a contract without a list"
        );
        let unconfirmed = lists(json!({ "listed": [icbc] }));
        assert!(
            unconfirmed.len() == 1 && unconfirmed[0].1.contains("issInsCode"),
            "{unconfirmed:?}"
        );
        for (bank, at) in [
            (json!({ "unverified": named }), "$.bank.unverified"),
            (
                json!({ "listed": [icbc, icbc], "unverified": named }),
                "$.bank.listed[1].code",
            ),
            (
                json!({ "listed": [{ "code": "ICBC", "zh": " ", "en": "ICBC" }], "unverified": named }),
                "$.bank.listed[0].zh",
            ),
            (
                json!({ "listed": [{ "code": "ICBC", "zh": "工商银行", "en": "ICBC", "business": true }], "unverified": named }),
                "$.bank.listed[0].business",
            ),
            (
                json!({ "listed": [{ "code": "ICBC", "zh": "工商银行", "en": "ICBC", "personal": false }], "unverified": named }),
                "$.bank.listed[0].personal",
            ),
            (json!({ "branch": "442000000" }), "$.bank.branch"),
        ] {
            let found = lists(bank);
            assert!(found.len() == 1 && found[0].0 == at, "{at}: {found:?}");
        }
        // A bank is one bank.
        assert_eq!(problems(|a| a["bank"]["business"] = json!(true)).len(), 1);
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
