//! Which ways to pay a merchant's code offers: only what works, by the registries, at this very moment.

use super::{Scanned, wallet::Wallet};
use crate::{app::App, health::Barred};
use channel::Account;
use domain::*;
use policy::{operations, registry::AccountFacts};
use std::sync::Arc;

/// One way to pay in a plain browser.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Way {
    pub(super) channel: Channel,
    pub(super) pay_way: PayWay,
}

/// Ways of a browser on a phone: they open the wallet.
const ON_A_PHONE: [Way; 3] = [
    Way {
        channel: Channel::Wechat,
        pay_way: PayWay::H5,
    },
    Way {
        channel: Channel::Alipay,
        pay_way: PayWay::Wap,
    },
    ONLINE_BANKING,
];
/// Ways of a browser on a computer: a code to be scanned with a phone, or the wallet's own page.
const ON_A_COMPUTER: [Way; 4] = [
    Way {
        channel: Channel::Wechat,
        pay_way: PayWay::Native,
    },
    Way {
        channel: Channel::Alipay,
        pay_way: PayWay::Qr,
    },
    Way {
        channel: Channel::Alipay,
        pay_way: PayWay::Page,
    },
    ONLINE_BANKING,
];
/// UnionPay's own page, where the payer chooses a bank; a phone gets its page for phones (channels.md 4.3).
const ONLINE_BANKING: Way = Way {
    channel: Channel::Unionpay,
    pay_way: PayWay::Gateway,
};
/// UnionPay's app and the apps of banks.
const IN_UNIONPAYS_APP: [Way; 1] = [ONLINE_BANKING];

/// A way that is offered, and whether it is open now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    pub(super) way: Way,
    pub(super) open: bool,
}

impl Way {
    /// Its name in a form.
    pub(super) fn name(self) -> String {
        format!("{}.{}", self.channel, self.pay_way.as_str())
    }
}

/// What a plain browser, or UnionPay's app, is offered. A wallet whose accounts are all down is shown as closed, and is open
/// again as soon as one of them is.
pub(super) fn in_a_browser(app: &App, scanned: &Scanned, wallet: Option<Wallet>, phone: bool) -> Vec<Offer> {
    let all: &[Way] = match (wallet, phone) {
        (Some(Wallet::Unionpay), _) => &IN_UNIONPAYS_APP,
        (_, true) => &ON_A_PHONE,
        (_, false) => &ON_A_COMPUTER,
    };
    let offer = |way: &Way| {
        accounts(app, scanned, *way).next().map(|_| Offer {
            way: *way,
            open: is_open(app, scanned, *way),
        })
    };
    all.iter().filter_map(offer).collect()
}

/// Whether any account of a way takes new orders, as far as its calls have told.
//= C83
pub(super) fn is_open(app: &App, scanned: &Scanned, way: Way) -> bool {
    let now = app.clock().since_boot();
    accounts(app, scanned, way).any(|account| {
        let looks = app
            .health()
            .looks_for(account.channel, &account.account, way.pay_way, now);
        looks.barred != Some(Barred::Open)
    })
}

/// The accounts by which a way works: their keys are held here, the channel's licence is in force.
fn accounts<'a>(app: &App, scanned: &'a Scanned, way: Way) -> impl Iterator<Item = &'a AccountFacts> {
    let licensed = app
        .registries()
        .channel(way.channel)
        .is_some_and(|licence| app.clock().now() < licence.valid_until);
    let offered = licensed && operations::is_allowed(way.channel, Operation::Create, Some(way.pay_way));
    scanned
        .merchant
        .accounts
        .iter()
        .filter(move |account| offered && account.channel == way.channel && account.keys == Keys::Held)
}

/// A wallet's own way, and where it tells who the payer is: the page, and the account whose app asks.
pub(super) struct InWallet {
    pub(super) page: String,
    pub(super) account: Arc<Account>,
}

/// Whether this wallet works here: an account, a page of authorisation, the app's secret where one is needed.
pub(super) fn in_a_wallet(app: &App, scanned: &Scanned, channel: Channel) -> Option<InWallet> {
    let facts = accounts(
        app,
        scanned,
        Way {
            channel,
            pay_way: PayWay::Jsapi,
        },
    )
    .next()?;
    let page = app
        .registries()
        .channel(channel)?
        .authorization
        .as_ref()?
        .page
        .clone();
    let account = app.account(facts, None, None);
    let needs_app = channel == Channel::Wechat;
    if needs_app && !channel::authorize::secret(&account).is_some_and(|key| app.keys().has(&key)) {
        return None;
    }
    Some(InWallet { page, account })
}

/// Where forms of these pages may lead a browser: ourselves, the wallets' pages of authorisation, the channels' own hosts.
pub(super) fn form_targets(app: &App) -> String {
    let registries = app.registries();
    let mut all = vec!["'self'".to_owned()];
    for channel in Channel::ALL {
        let page = registries
            .channel(channel)
            .and_then(|licence| licence.authorization.as_ref())
            .map(|a| a.page.clone());
        all.extend(page.and_then(|page| page.split('/').nth(2).map(|host| format!("https://{host}"))));
        // An account may be reached at any of them, and its form is posted there.
        let hosts = registries
            .channel(channel)
            .map(|licence| licence.hosts.as_slice());
        let hosts = hosts.into_iter().flatten();
        let hosts = hosts.filter(|host| !channel::bill::is_file_host(channel, &host.host));
        all.extend(hosts.map(|host| match host.port {
            443 => format!("https://{}", host.host),
            port => format!("https://{}:{port}", host.host),
        }));
    }
    all.join(" ")
}
