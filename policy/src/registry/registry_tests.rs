use super::*;
use crate::testing::*;
use domain::*;
use std::sync::Arc;

fn wrongs(l: LicenceFile, a: Vec<AcquirerFile>, o: OperatorFile) -> Vec<String> {
    let problems = join(l, a, o).expect_err("the files contradict each other");
    problems
        .iter()
        .map(|p| format!("{:?} {} {}", p.file, p.path, p.wrong))
        .collect()
}

#[test]
fn files_that_agree_are_joined() {
    let registries = registries();
    let m1 = registries.merchant(&name("m1")).expect("known");
    assert_eq!(
        (m1.acquirer.as_str(), m1.api_keys.len(), m1.order_max),
        ("acq1", 1, Some(Amount::from_fen(1_000_000)))
    );
    let m2 = registries.merchant(&name("m2")).expect("known");
    assert!(m2.api_keys.is_empty() && m2.notify.is_none() && m2.day_max.is_none());
    assert_eq!(registries.merchants().count(), 2);
    let (owner, account) = registries
        .owner(Channel::Alipay, &name("2021000000000001"))
        .expect("owned");
    assert_eq!(
        (owner.id.as_str(), account.payee.as_str()),
        ("m1", "2088000000000001")
    );
    assert!(
        registries
            .owner(Channel::Wechat, &name("2021000000000001"))
            .is_none()
    );
    assert!(
        registries
            .operator_account(Channel::Wechat, &name("1900000109"))
            .is_some()
    );
    assert!(
        registries
            .operator_account(Channel::Wechat, &name("1900000110"))
            .is_none()
    );
    assert_eq!(
        registries.channel(Channel::Wechat).map(|c| c.hosts[0].port),
        Some(443)
    );
    let kinds: Vec<_> = registries
        .versions()
        .into_iter()
        .map(|file| (file.kind, file.digest, file.version))
        .collect();
    let expected = [
        (Registry::Licence, digest(0), 1),
        (Registry::Acquirer, digest(1), 3),
        (Registry::Operator, digest(255), 7),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_earliest_file_ends_the_set() {
    let mut operator = operator();
    operator.not_after = NOON;
    let registries = join(licence(), vec![acquirer()], operator).expect("agrees");
    assert_eq!(registries.not_after(&name("acq1")), Some(NOON));
    assert_eq!(registries.not_after(&name("acq2")), None);
}

#[test]
//= C22
//= C24
fn every_problem_is_reported_at_once() {
    let mut l = licence();
    l.kind = Registry::Operator;
    l.filing_no.clear();
    l.channels[0].hosts.clear();
    l.channels[1].channel = Channel::Wechat;
    let mut a = acquirer();
    a.kind = Registry::Licence;
    a.merchants[1].id = name("m1");
    a.merchants[1].accounts.push(wechat("1900000109"));
    a.merchants[0].accounts[1].payee = name("2088999999999999");
    a.merchants[0].accounts[0].serial = None;
    a.merchants[0].accounts[0].appids.clear();
    let mut o = operator();
    o.kind = Registry::Acquirer;
    o.merchants[0].api_keys[0].scheme = "MD5".into();
    o.merchants[0].notify = Some(Notify {
        url: "http://m1.example/".into(),
        private: true,
    });
    o.merchants.push(OperatorMerchant {
        id: name("m9"),
        ..o.merchants[0].clone()
    });
    o.accounts[0].account = name("1900000999");
    o.accounts[0].relay_url = Some("https://10.0.0.8/n".into());
    let said = wrongs(l, vec![a], o).join("\n");
    for expected in [
        "Licence $.kind",
        "Licence $.filing_no",
        "Licence $.channels[0].hosts is empty",
        "Licence $.channels[1].channel wechat stands twice",
        "Acquirer $.kind acquirer acq1: this is a file of kind licence",
        "Acquirer $.merchants[1].id acquirer acq1: m1 stands at acquirer acq1: $.merchants[0] too",
        "Acquirer $.merchants[1].accounts[1].account acquirer acq1: wechat account 1900000109 belongs to merchant m1",
        "Acquirer $.merchants[0].accounts[1].payee acquirer acq1: payee 2088999999999999 is the operator's own account",
        "Acquirer $.merchants[0].accounts[0].serial",
        "Acquirer $.merchants[0].accounts[0].appids",
        "Operator $.kind",
        "Operator $.merchants[0].api_keys[0].scheme MD5 is unknown",
        "Operator $.merchants[0].notify.url is not https",
        "Operator $.merchants[1].id no acquirer knows merchant m9",
        "Operator $.accounts[0].account no acquirer knows the wechat account 1900000999",
        "Operator $.accounts[0].relay_url names a private address",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
}

#[test]
fn a_sub_payee_is_never_the_operators_either() {
    let mut a = acquirer();
    a.merchants[1].accounts[0].sub_payees.push(name("1999999999"));
    assert!(wrongs(licence(), vec![a], operator())[0].contains("1999999999 is the operator's own account"));
}

#[test]
//= C97
fn an_app_of_a_sub_merchants_stands_with_one_of_the_accounts_own_and_counts_with_it_alone() {
    let apps = |payee, appids: &[&str]| SubApps {
        payee: name(payee),
        appids: appids.iter().map(|appid| (*appid).to_owned()).collect(),
    };
    let mut a = acquirer();
    let wechat = &mut a.merchants[1].accounts[0];
    wechat.sub_payees.push(name("1600000002"));
    wechat.sub_apps = vec![apps("1600000001", &["wx1", "wx2"]), apps("1600000002", &["wx3"])];
    let own = |payee, appid| wechat.is_sub_app(&name(payee), appid);
    assert!(own("1600000001", "wx2") && own("1600000002", "wx3"));
    assert!(
        !own("1600000001", "wx3") && !own("1600000002", "wx2"),
        "another sub-merchant's"
    );
    let account = wechat.account.clone();
    assert!(!own(account.as_str(), "wx1"), "it is none of the account's own");
    assert!(join(licence(), vec![a.clone()], operator()).is_ok());
    let wechat = &mut a.merchants[1].accounts[0];
    wechat.sub_apps = vec![
        apps("1600000009", &["wx1"]),
        apps("1600000001", &[]),
        apps("1600000001", &["wx1"]),
    ];
    a.merchants[0].accounts[1].sub_apps = vec![apps("2088000000000001", &["wx1"])];
    let said = wrongs(licence(), vec![a], operator()).join("\n");
    for expected in [
        "1600000009 is none of the account's sub-merchants",
        "sub_apps[1].appids acquirer acq1: is empty",
        "1600000001 stands twice",
        "sub_apps[0] acquirer acq1: is there for another channel",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
}

#[test]
fn an_authorised_payee_is_never_the_operators_and_stands_at_alipay_once() {
    let token = |payee| AuthToken {
        sha256: digest(9),
        payee: name(payee),
    };
    let mut a = acquirer();
    a.merchants[0].accounts[1].auth_tokens = vec![token("1999999999"), token("2088000000000003")];
    a.merchants[0].accounts[0].auth_tokens = vec![token("2088000000000003")];
    let said = wrongs(licence(), vec![a], operator()).join("\n");
    for expected in [
        "1999999999 is the operator's own account",
        "it stands twice",
        "is there for another channel",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
}

#[test]
//= C85
fn sm2_is_wechats_alone_and_needs_the_channels_key_by_its_id() {
    let with = |channel: usize, platform: Option<&str>| {
        let mut a = acquirer();
        let account = &mut a.merchants[0].accounts[channel];
        account.sign_method = SignMethod::Sm2;
        account.platform = platform.map(str::to_owned);
        match join(licence(), vec![a.clone()], operator()) {
            Ok(_) => String::new(),
            Err(_) => wrongs(licence(), vec![a], operator()).join("\n"),
        }
    };
    assert_eq!(with(0, Some("PUB_KEY_ID_0123")), "");
    for platform in [None, Some("4B74CAE8")] {
        let said = with(0, platform);
        assert!(said.contains("does not name a public key"), "{said}");
    }
    assert!(with(1, None).contains("is there for another channel"));
}

#[test]
fn openapi_is_alipays_alone_and_says_v3_or_nothing() {
    let with = |channel: usize| {
        let mut a = acquirer();
        a.merchants[0].accounts[channel].openapi = OpenApi::V3;
        match join(licence(), vec![a.clone()], operator()) {
            Ok(_) => String::new(),
            Err(_) => wrongs(licence(), vec![a], operator()).join("\n"),
        }
    };
    assert_eq!(with(1), "");
    let said = with(0);
    assert!(
        said.contains("accounts[0].openapi") && said.contains("is there for another channel"),
        "{said}"
    );
    let read = |text: &str| serde_json::from_str::<OpenApi>(text).map_err(|error| error.to_string());
    assert_eq!(
        (read("\"v3\""), read("\"gateway\"")),
        (Ok(OpenApi::V3), Ok(OpenApi::Gateway))
    );
    assert!(read("\"V3\"").is_err_and(|said| said.contains("`gateway` or `v3`")));
}

#[test]
fn two_files_of_one_acquirer_and_accounts_across_acquirers_are_refused() {
    let mut other = acquirer();
    other.merchants = vec![merchant("m3", vec![wechat("1900000110")])];
    let said = wrongs(licence(), vec![acquirer(), other], operator());
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("has two files") && said[1].contains("belongs to merchant m2"));
}

#[test]
//= C23
fn each_acquirers_version_rises_by_itself() {
    let second = |version: u64| {
        let mut file = acquirer();
        (file.acquirer, file.version) = (name("acq2"), version);
        file.merchants = vec![merchant("m3", vec![wechat("1900000111")])];
        file
    };
    let with = |version: u64, seed: u8| {
        let files = vec![(acquirer(), digest(1)), (second(version), digest(seed))];
        Registries::new(Arc::new(licence()), digest(0), files, (operator(), digest(255))).expect("agrees")
    };
    let before = with(1, 2);
    // The other acquirer is at version 3 all the while.
    assert_eq!(with(2, 3).not_risen(&before.versions()), []);
    assert_eq!(with(1, 2).not_risen(&before.versions()), []);
    let fell = NotRisen {
        kind: Registry::Acquirer,
        acquirer: Some(name("acq2")),
        version: 1,
        before: 1,
    };
    assert_eq!(with(1, 3).not_risen(&before.versions()), [fell]);
}

#[test]
//= C09
fn an_account_that_is_left_out_is_kept_for_what_is_on_record() {
    let without = |file: &AcquirerFile, no: usize| {
        let mut file = file.clone();
        file.merchants.remove(no);
        file
    };
    let (both, operator) = (
        acquirer(),
        OperatorFile {
            merchants: Vec::new(),
            accounts: Vec::new(),
            ..operator()
        },
    );
    let join = |file: AcquirerFile| join(licence(), vec![file], operator.clone()).expect("agrees");
    let gone = both.merchants[0].accounts[0].clone();
    let (channel, account, merchant) = (gone.channel, &gone.account, &both.merchants[0].id);
    let mut now = join(without(&both, 0));
    let left_out = now.retire(&join(both.clone()));
    assert!(left_out.contains(&(channel, account.clone())), "{left_out:?}");
    for _ in 0..2 {
        assert_eq!(
            (now.owner(channel, account), now.merchant(merchant)),
            (None, None)
        );
        let (owner, facts) = now.owner_on_record(channel, account).expect("kept");
        assert_eq!((&owner.id, facts), (merchant, &gone));
        assert!(now.merchant_on_record(merchant).is_some());
        // The next files keep it too.
        let mut next = join(without(&both, 0));
        assert_eq!(next.retire(&now), []);
        now = next;
    }
    let mut back = join(both.clone());
    assert_eq!(back.retire(&now), []);
    assert!(back.owner(channel, account).is_some());
}

/// Accounts went one by one, each with the address of its day; the merchant itself went last, and is told where it was last.
#[test]
//= C09
fn a_merchant_that_is_left_out_is_told_where_the_last_file_said() {
    let (licence, both) = (licence(), acquirer());
    let id = &both.merchants[0].id;
    let version = |accounts: &[AccountFacts], url: &str| {
        let (mut acquirer, mut operator) = (both.clone(), operator());
        operator.accounts = Vec::new();
        acquirer.merchants[0].accounts = accounts.to_vec();
        let own = operator.merchants.iter_mut().find(|m| m.id == *id).expect("m1");
        own.notify.as_mut().expect("an address").url = url.into();
        join(licence.clone(), vec![acquirer], operator).expect("agrees")
    };
    let accounts: Vec<_> = (0..24)
        .map(|n| wechat(&format!("19000002{n:02}")))
        .chain(both.merchants[0].accounts.clone())
        .collect();
    let mut now = version(&accounts, "https://m1.example/v0");
    for left in (0..24).rev() {
        let mut next = version(
            &accounts[24 - left..],
            &format!("https://m1.example/v{}", 24 - left),
        );
        next.retire(&now);
        now = next;
    }
    let mut acquirer = both.clone();
    acquirer.merchants.remove(0);
    let operator = OperatorFile {
        merchants: Vec::new(),
        accounts: Vec::new(),
        ..operator()
    };
    for _ in 0..2 {
        let mut gone = join(licence.clone(), vec![acquirer.clone()], operator.clone()).expect("agrees");
        gone.retire(&now);
        assert!(gone.merchant(id).is_none());
        let url = |facts: &MerchantFacts| facts.notify.as_ref().map(|notify| notify.url.clone());
        let last = Some("https://m1.example/v24".into());
        assert_eq!(gone.merchant_on_record(id).and_then(|m| url(m)), last);
        for account in &accounts {
            let (owner, _) = gone
                .owner_on_record(account.channel, &account.account)
                .expect("kept");
            assert_eq!(url(owner), last);
        }
        now = gone;
    }
}

#[test]
fn keys_of_the_merchant_need_no_serial() {
    let mut a = acquirer();
    a.merchants[0].accounts[0] = AccountFacts {
        keys: Keys::Merchant,
        serial: None,
        appids: Vec::new(),
        ..wechat("1900000109")
    };
    assert!(join(licence(), vec![a], operator()).is_ok());
}

#[test]
fn files_read_back_what_they_write_and_default_what_is_optional() {
    let json = |value: &dyn Fn() -> Vec<u8>| value();
    let l = json(&|| serde_json::to_vec_pretty(&licence()).expect("json"));
    assert_eq!(LicenceFile::parse(&l).expect("reads"), licence());
    let a = serde_json::to_vec(&acquirer()).expect("json");
    assert_eq!(AcquirerFile::parse(&a).expect("reads"), acquirer());
    let o = serde_json::to_vec(&operator()).expect("json");
    assert_eq!(OperatorFile::parse(&o).expect("reads"), operator());
    let small = br#"{"kind":"operator","version":1,"not_after":1,"merchants":[{"id":"m1","notify":{"url":"https://a.example"}}]}"#;
    let small = OperatorFile::parse(small).expect("optional fields default");
    assert!(small.accounts.is_empty() && !small.merchants[0].notify.as_ref().expect("there").private);
}

#[test]
fn a_faulty_file_is_reported_with_path_and_line() {
    let text = r#"{"kind":"acquirer","version":1,"not_after":1,"acquirer":"acq1","name":"n","merchants":[
{"id":"m1","name":"a \"[{,","agreement":{"no":"1","until":1},"accounts":[]},
{"id":"m2","name":"b","agreement":{"no":"1","until":1},"accounts":[
{"channel":"wechat","account":"1","payee":"1","keys":"held"},
HERE]}]}"#;
    let rows = [
        (
            r#"{"channel":"wechat","account":"1","payee":"1","keys":"held","colour":1}"#,
            "$.merchants[1].accounts[1].colour",
            "unknown field",
        ),
        (
            r#"{"channel":"wechat","account":"1","payee":"13 800","keys":"held"}"#,
            "$.merchants[1].accounts[1].payee",
            "a payee must be",
        ),
        (
            r#"{"channel":"wechat","account":"1","payee":"1","keys":"mine"}"#,
            "$.merchants[1].accounts[1].keys",
            "unknown variant",
        ),
        (
            r#"{"channel":"wechat","payee":"1","keys":"held"}"#,
            "$.merchants[1].accounts[1]",
            "missing field `account`",
        ),
    ];
    for (account, path, wrong) in rows {
        let problem = AcquirerFile::parse(text.replace("HERE", account).as_bytes()).expect_err("faulty");
        assert_eq!(problem.path, path);
        assert!(
            problem.wrong.contains(wrong) && problem.wrong.contains("line 5"),
            "{problem}"
        );
        assert!(!problem.right.is_empty());
    }
    for broken in [
        "",
        "{",
        "[]",
        "{\"kind\":\"acquirer\"",
        "\u{feff}{}",
        "{\"kind\":\"acquirer\\",
        "nul",
    ] {
        let problem = AcquirerFile::parse(broken.as_bytes()).expect_err("no file");
        assert!(problem.path.starts_with('$'), "{problem}");
    }
    assert_eq!(
        LicenceFile::parse(text.as_bytes())
            .expect_err("another kind")
            .file,
        Registry::Licence
    );
}

fn rule(when: &str) -> RouteRule {
    RouteRule {
        name: "night".into(),
        channel: Channel::Wechat,
        when: when.into(),
        accounts: vec![name("1900000109")],
        standby: Vec::new(),
    }
}

#[test]
//= C63
fn a_bad_rule_refuses_the_whole_file_and_says_where() {
    let mut o = operator();
    o.merchants[0].routes = vec![
        rule("hour >= 22 || hour < 6"),
        RouteRule {
            accounts: vec![name("1900000110"), name("2021000000000001")],
            ..rule("amount > 'x'")
        },
        RouteRule {
            name: "a b".into(),
            accounts: Vec::new(),
            ..rule("payer == 'me'")
        },
    ];
    let said = wrongs(licence(), vec![acquirer()], o.clone()).join("\n");
    for expected in [
        "Operator $.merchants[0].routes[1].when at character 8: a whole number is compared with a text",
        "Operator $.merchants[0].routes[1].name night stands twice",
        "Operator $.merchants[0].routes[1].accounts[0] 1900000110 is no wechat account of merchant m1",
        "Operator $.merchants[0].routes[1].accounts[1] 2021000000000001 is no wechat account",
        "Operator $.merchants[0].routes[2].when at character 1: there is no such variable",
        "Operator $.merchants[0].routes[2].name is no name",
        "Operator $.merchants[0].routes[2].accounts is empty",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
    o.merchants[0].routes.truncate(1);
    o.accounts[0].standby = true;
    let taken = join(licence(), vec![acquirer()], o).expect("the files agree");
    let m1 = taken.merchant(&name("m1")).expect("m1");
    assert_eq!((m1.routes.len(), m1.standby.len()), (1, 1));
}

#[test]
//= C64
fn rates_lie_within_the_guide_price_and_hosts_in_the_licence() {
    let mut l = licence();
    let band = |channel, pay_way, least, most| GuidePrice {
        channel,
        pay_way,
        least,
        most,
    };
    l.guide_prices = vec![
        band(Channel::Wechat, None, 200, 600),
        band(Channel::Wechat, Some(PayWay::H5), 600, 1000),
    ];
    let mut a = acquirer();
    a.merchants[0].accounts[0].rates = vec![
        PayRate {
            pay_way: None,
            rate: 380,
        },
        PayRate {
            pay_way: Some(PayWay::H5),
            rate: 600,
        },
    ];
    a.merchants[0].accounts[0].host = Some("api.mch.weixin.qq.com".into());
    let taken = join(l.clone(), vec![a.clone()], operator()).expect("the files agree");
    let (_, account) = taken
        .owner(Channel::Wechat, &name("1900000109"))
        .expect("registered");
    assert_eq!(
        [PayWay::Native, PayWay::H5].map(|way| account.rate(way)),
        [Some(380), Some(600)]
    );
    a.merchants[0].accounts[0].rates = vec![
        PayRate {
            pay_way: None,
            rate: 601,
        },
        PayRate {
            pay_way: Some(PayWay::H5),
            rate: 599,
        },
    ];
    a.merchants[0].accounts[0].host = Some("openapi.alipay.com".into());
    a.merchants[0].accounts[1].rates = vec![PayRate {
        pay_way: None,
        rate: 380,
    }];
    l.guide_prices.push(band(Channel::Wechat, None, 7, 6));
    let said = wrongs(l, vec![a], operator()).join("\n");
    for expected in [
        "accounts[0].rates[0].rate acquirer acq1: 601 is outside the guide price",
        "accounts[0].rates[1].rate acquirer acq1: 599 is outside the guide price",
        "accounts[1].rates[0].rate acquirer acq1: no guide price of alipay is known",
        "accounts[0].host acquirer acq1: wechat has no such host in the licence file",
        "Licence $.guide_prices[2] this way to pay stands twice",
        "Licence $.guide_prices[2] is no band",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
}

#[test]
//= C64
fn agents_rates_lie_within_the_guide_price_and_below_their_merchants() {
    let mut l = licence();
    l.guide_prices = vec![GuidePrice {
        channel: Channel::Wechat,
        pay_way: None,
        least: 200,
        most: 600,
    }];
    let mut a = acquirer();
    a.merchants[0].accounts[0].rates = vec![PayRate {
        pay_way: None,
        rate: 380,
    }];
    let mut o = operator();
    o.agents = vec![Agent {
        id: name("A1"),
        name: "代理商".into(),
    }];
    let terms = |agent: &str, rates: &[(Channel, u32)]| AgentTerms {
        agent: name(agent),
        rates: rates
            .iter()
            .map(|&(channel, rate)| AgentRate {
                channel,
                pay_way: None,
                rate,
            })
            .collect(),
    };
    o.merchants[0].agent = Some(terms("A1", &[(Channel::Wechat, 300)]));
    let taken = join(l.clone(), vec![a.clone()], o.clone()).expect("the files agree");
    let merchant = taken.merchant(&name("m1")).expect("m1");
    assert_eq!(
        merchant
            .agent
            .as_ref()
            .and_then(|t| t.rate(Channel::Wechat, PayWay::H5)),
        Some(300)
    );
    o.merchants[0].agent = Some(terms(
        "A2",
        &[
            (Channel::Wechat, 100),
            (Channel::Wechat, 381),
            (Channel::Alipay, 300),
        ],
    ));
    let said = wrongs(l, vec![a], o).join("\n");
    for expected in [
        "$.merchants[0].agent.agent there is no agent A2",
        "$.merchants[0].agent.rates[0] 100 is outside the guide price",
        "$.merchants[0].agent.rates[1] 381 is above what the merchant pays",
        "$.merchants[0].agent.rates[1] this way to pay stands twice",
        "$.merchants[0].agent.rates[2] no guide price of alipay is known",
    ] {
        assert!(said.contains(expected), "missing: {expected}\nin:\n{said}");
    }
}

/// What could never decide is said, and not found out by an order that went elsewhere.
#[test]
//= C63
fn a_rule_that_never_decides_refuses_the_file() {
    let mut o = operator();
    o.merchants[0].routes = vec![
        rule("amount >= 100"),
        RouteRule {
            name: "again".into(),
            ..rule("amount>=100")
        },
        RouteRule {
            name: "all".into(),
            ..rule("true")
        },
        RouteRule {
            name: "late".into(),
            ..rule("hour == 3")
        },
        // Another wallet's rules are none of the former's.
        RouteRule {
            name: "alipay".into(),
            channel: Channel::Alipay,
            accounts: vec![name("2021000000000001")],
            ..rule("hour == 3")
        },
    ];
    assert_eq!(
        wrongs(licence(), vec![acquirer()], o.clone()),
        [
            "Operator $.merchants[0].routes[1].when it never decides: rule night before it has the same condition",
            "Operator $.merchants[0].routes[3].when it never decides: rule all before it always holds",
        ]
    );
    // Nothing that a rule chooses can go where only the merchant has the key.
    o.merchants[0].routes = vec![rule("amount >= 100")];
    let mut a = acquirer();
    a.merchants[0].accounts[0].keys = Keys::Merchant;
    assert_eq!(
        wrongs(licence(), vec![a], o),
        [
            "Operator $.merchants[0].routes[0].accounts[0] the key of 1900000109 is the merchant's, so nothing that a rule chooses can go there"
        ]
    );
}

/// A rate for all ways to pay is one for each that has none of its own, so each one's band counts.
#[test]
//= C64
fn a_rate_for_all_lies_within_the_band_of_each() {
    let mut l = licence();
    let band = |pay_way, least, most| GuidePrice {
        channel: Channel::Wechat,
        pay_way,
        least,
        most,
    };
    l.guide_prices = vec![band(None, 200, 600), band(Some(PayWay::H5), 600, 1000)];
    let (mut a, mut o) = (acquirer(), operator());
    let rate = |pay_way, rate| PayRate { pay_way, rate };
    a.merchants[0].accounts[0].rates = vec![rate(None, 380)];
    assert_eq!(
        wrongs(l.clone(), vec![a.clone()], o.clone()),
        [
            "Acquirer $.merchants[0].accounts[0].rates[0].rate acquirer acq1: 380 is outside the guide price of h5, for which it counts too"
        ]
    );
    a.merchants[0].accounts[0].rates.push(rate(Some(PayWay::H5), 700));
    assert!(join(l.clone(), vec![a.clone()], o.clone()).is_ok());
    o.agents = vec![Agent {
        id: name("A1"),
        name: "代理商".into(),
    }];
    let row = |pay_way, rate| AgentRate {
        channel: Channel::Wechat,
        pay_way,
        rate,
    };
    o.merchants[0].agent = Some(AgentTerms {
        agent: name("A1"),
        rates: vec![row(None, 300)],
    });
    assert_eq!(
        wrongs(l.clone(), vec![a.clone()], o.clone()),
        [
            "Operator $.merchants[0].agent.rates[0] 300 is outside the guide price of h5, for which it counts too"
        ]
    );
    o.merchants[0]
        .agent
        .as_mut()
        .expect("terms")
        .rates
        .push(row(Some(PayWay::H5), 650));
    let said = join(l, vec![a], o);
    assert!(said.is_ok(), "{said:?}");
}

/// What could never count, or never let an order through, is no configuration.
#[test]
//= C64
fn rates_of_ways_that_a_channel_does_not_have_and_empty_ceilings_are_refused() {
    let mut licence = licence();
    licence.guide_prices.push(GuidePrice {
        channel: Channel::Alipay,
        pay_way: Some(PayWay::Native),
        least: 200,
        most: 600,
    });
    let said = wrongs(licence.clone(), vec![acquirer()], operator());
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("alipay has no way to pay native"), "{said:?}");
    let mut file = acquirer();
    let accounts = file.merchants.iter_mut().flat_map(|m| &mut m.accounts);
    let account = accounts
        .into_iter()
        .find(|a| a.channel == Channel::Wechat)
        .expect("one");
    account.rates = vec![PayRate {
        pay_way: Some(PayWay::Qr),
        rate: 300,
    }];
    let said = wrongs(self::licence(), vec![file], operator());
    assert!(
        said.iter()
            .any(|wrong| wrong.contains("wechat has no way to pay qr")),
        "{said:?}"
    );
    for (order, day, wrong) in [
        (Some(0), None, "is zero"),
        (None, Some(0), "is zero"),
        (Some(200), Some(199), "is below `order_max`"),
    ] {
        let mut file = operator();
        (file.merchants[0].order_max, file.merchants[0].day_max) =
            (order.map(Amount::from_fen), day.map(Amount::from_fen));
        let said = wrongs(self::licence(), vec![acquirer()], file);
        assert!(said.len() == 1 && said[0].contains(wrong), "{said:?}");
    }
}
