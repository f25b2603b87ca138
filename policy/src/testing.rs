//! One acquirer, two merchants, both channels: what the tests start from.

use crate::registry::*;
use domain::*;
use std::{fmt::Debug, str::FromStr, sync::Arc};

/// 2026-01-15T12:00:00+08:00.
pub(crate) const NOON: Instant = Instant::from_secs(1_768_449_600);

pub(crate) fn name<T: FromStr<Err: Debug>>(text: &str) -> T {
    text.parse().expect("a lawful name")
}

pub(crate) fn later() -> Instant {
    NOON.plus_millis(365 * 86_400_000)
}

pub(crate) fn digest(n: u8) -> Digest {
    Digest::from_bytes([n; 32])
}

fn channel(channel: Channel, host: &str) -> ChannelLicence {
    ChannelLicence {
        channel,
        institution: "持牌机构".into(),
        licence_no: "Z2000000000001".into(),
        valid_until: later(),
        hosts: vec![Host {
            host: host.into(),
            port: 443,
            address: None,
        }],
        roots_pem: String::new(),
        authorization: None,
        signing_roots_pem: String::new(),
        signing_names: Vec::new(),
    }
}

pub(crate) fn licence() -> LicenceFile {
    LicenceFile {
        kind: Registry::Licence,
        version: 1,
        not_after: later(),
        filing_no: "B0001".into(),
        operator_accounts: vec![name("1999999999"), name("2088999999999999")],
        channels: vec![
            channel(Channel::Wechat, "api.mch.weixin.qq.com"),
            channel(Channel::Alipay, "openapi.alipay.com"),
        ],
        guide_prices: Vec::new(),
    }
}

pub(crate) fn wechat(account: &str) -> AccountFacts {
    AccountFacts {
        channel: Channel::Wechat,
        account: name(account),
        payee: name(account),
        keys: Keys::Held,
        host: None,
        rates: Vec::new(),
        appids: vec!["wx0123456789abcdef".into()],
        sub_payees: Vec::new(),
        sub_apps: Vec::new(),
        auth_tokens: Vec::new(),
        serial: Some("5157F09EFDC096DE15EBE81A47057A7200000000".into()),
        platform: None,
        root_sn: None,
        sign_method: Default::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        bank: None,
    }
}

pub(crate) fn alipay(account: &str, payee: &str) -> AccountFacts {
    let channel = Channel::Alipay;
    AccountFacts {
        channel,
        payee: name(payee),
        appids: Vec::new(),
        serial: None,
        ..wechat(account)
    }
}

pub(crate) fn merchant(id: &str, accounts: Vec<AccountFacts>) -> AcquirerMerchant {
    AcquirerMerchant {
        id: name(id),
        name: "一号店".into(),
        agreement: Agreement {
            no: format!("A-{id}"),
            until: later(),
        },
        accounts,
        uscc: Some("91310000MA1FL0000N".into()),
        settlement: Some(digest(5)),
        terminals: vec![Terminal {
            // A serial is one merchant's: T-1 stands at m1, T-2 at m2.
            no: name(&id.replace('m', "T-")),
            area: "310101".into(),
            store: None,
            term_id: None,
        }],
        level_a: false,
    }
}

pub(crate) fn acquirer() -> AcquirerFile {
    AcquirerFile {
        kind: Registry::Acquirer,
        version: 3,
        not_after: later(),
        acquirer: name("acq1"),
        name: "收单机构".into(),
        merchants: vec![
            merchant(
                "m1",
                vec![
                    wechat("1900000109"),
                    alipay("2021000000000001", "2088000000000001"),
                ],
            ),
            merchant(
                "m2",
                vec![AccountFacts {
                    sub_payees: vec![name("1600000001")],
                    ..wechat("1900000110")
                }],
            ),
        ],
    }
}

pub(crate) fn operator() -> OperatorFile {
    let key = ApiKey {
        serial: "K1".into(),
        scheme: "GUANDAO-ED25519".into(),
        public_key: "-----BEGIN PUBLIC KEY-----".into(),
        not_after: later(),
        terminal: None,
    };
    let merchant = OperatorMerchant {
        id: name("m1"),
        api_keys: vec![key],
        return_hosts: Vec::new(),
        agent: None,
        routes: Vec::new(),
        notify: Some(Notify {
            url: "https://m1.example/notify".into(),
            private: false,
        }),
        rate: Some(RateFacts {
            per_second: 10,
            burst: 20,
        }),
        order_max: Some(Amount::from_fen(1_000_000)),
        day_max: Some(Amount::from_fen(5_000_000)),
    };
    let account = OperatorAccount {
        channel: Channel::Wechat,
        account: name("1900000109"),
        standby: false,
        merchant_keys: vec![MerchantKey {
            serial: "S".into(),
            public_key: "-----BEGIN PUBLIC KEY-----".into(),
        }],
        relay_url: None,
        relay_private: false,
    };
    let (kind, version) = (Registry::Operator, 7);
    OperatorFile {
        kind,
        version,
        not_after: later(),
        agents: Vec::new(),
        merchants: vec![merchant],
        accounts: vec![account],
    }
}

pub(crate) fn join(
    l: LicenceFile,
    a: Vec<AcquirerFile>,
    o: OperatorFile,
) -> Result<Registries, Vec<Problem>> {
    let acquirers = a
        .into_iter()
        .zip(1..)
        .map(|(file, n)| (file, digest(n)))
        .collect();
    Registries::new(Arc::new(l), digest(0), acquirers, (o, digest(255)))
}

pub(crate) fn registries() -> Registries {
    join(licence(), vec![acquirer()], operator()).expect("the files agree")
}
