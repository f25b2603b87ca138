//! Which ways to pay a merchant's code offers: only what works, by the registries, at this very moment.

use super::{Scanned, wallet::Wallet};
use crate::{app::App, asks, health::Barred};
use domain::*;
use policy::{operations, registry::AccountFacts};

/// One way to pay in a plain browser.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Way {
    pub(super) channel: Channel,
    pub(super) pay_way: PayWay,
    /// The bank that UnionPay's gateway leads to; its own page of banks where it is none.
    pub(super) bank: Option<ListedBank>,
}

/// Wallets of a browser on a phone: they are opened there.
const ON_A_PHONE: [(Channel, PayWay); 3] = [
    (Channel::Wechat, PayWay::H5),
    (Channel::Alipay, PayWay::Wap),
    (Channel::Baidu, PayWay::Wap),
];
/// Wallets of a browser on a computer: a code to be scanned with a phone, or the wallet's own page.
const ON_A_COMPUTER: [(Channel, PayWay); 5] = [
    (Channel::Wechat, PayWay::Native),
    (Channel::Alipay, PayWay::Qr),
    (Channel::Alipay, PayWay::Page),
    (Channel::Unionpay, PayWay::Qr),
    (Channel::Baidu, PayWay::Page),
];
/// UnionPay's own page, where the payer chooses a bank; a phone gets its page for phones (channels.md 4.3).
const ONLINE_BANKING: (Channel, PayWay) = (Channel::Unionpay, PayWay::Gateway);
/// The same for companies.
const OF_COMPANIES: (Channel, PayWay) = (Channel::Unionpay, PayWay::GatewayB2b);

/// A way that is offered, and whether it is open now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    pub(super) way: Way,
    pub(super) open: bool,
}

/// What a browser is offered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Offers {
    /// Wallets.
    pub(super) wallets: Vec<Offer>,
    /// Online banking 网银 of people; UnionPay's own page last.
    pub(super) banks: Vec<Offer>,
    /// That of companies.
    pub(super) companies: Vec<Offer>,
}

impl Offers {
    pub(super) fn all(&self) -> impl Iterator<Item = &Offer> {
        self.wallets.iter().chain(&self.banks).chain(&self.companies)
    }
}

impl Way {
    pub(super) fn of((channel, pay_way): (Channel, PayWay)) -> Way {
        Way {
            channel,
            pay_way,
            bank: None,
        }
    }

    /// Its name in a form.
    pub(super) fn name(&self) -> String {
        let bank = self.bank.iter().map(|bank| format!(".{}", bank.code));
        format!(
            "{}.{}{}",
            self.channel,
            self.pay_way.as_str(),
            bank.collect::<String>()
        )
    }
}

/// What a plain browser, or UnionPay's app, is offered. A wallet whose accounts are all down is shown as closed, and is open
/// again as soon as one of them is.
pub(super) fn in_a_browser(app: &App, scanned: &Scanned, wallet: Option<Wallet>, phone: bool) -> Offers {
    let offer = |way: Way| {
        let there = accounts(app, scanned, &way).next().is_some();
        let open = there && is_open(app, scanned, &way);
        there.then_some(Offer { way, open })
    };
    // It is itself the app of a bank, or of all of them.
    if wallet == Some(Wallet::Unionpay) {
        return Offers {
            banks: offer(Way::of(ONLINE_BANKING)).into_iter().collect(),
            ..Offers::default()
        };
    }
    let wallets: &[(Channel, PayWay)] = if phone { &ON_A_PHONE } else { &ON_A_COMPUTER };
    let of = |ways: Vec<Way>| ways.into_iter().filter_map(offer).collect();
    Offers {
        wallets: of(wallets.iter().copied().map(Way::of).collect()),
        banks: of(banks(scanned)),
        companies: of(companies(scanned)),
    }
}

/// Banks with which the merchant has a contract of its own, those that UnionPay's gateway leads to, and its own page. A bank
/// of the former kind stands once: its own gateway asks nobody between.
fn banks(scanned: &Scanned) -> Vec<Way> {
    let own = |channel: &Channel| {
        let accounts = &scanned.merchant.accounts;
        channel.is_bank() && accounts.iter().any(|a| a.channel == *channel)
    };
    let own: Vec<Channel> = Channel::ALL.into_iter().filter(own).collect();
    let direct = own
        .iter()
        .map(|channel| Way::of((*channel, PayWay::Gateway)))
        .collect::<Vec<_>>();
    let stands = |bank: &ListedBank| {
        own.iter()
            .any(|channel| channel.as_str().eq_ignore_ascii_case(bank.code.as_str()))
    };
    let led = listed(scanned, ONLINE_BANKING)
        .into_iter()
        .filter(|way| !way.bank.as_ref().is_some_and(stands));
    direct
        .into_iter()
        .chain(led)
        .chain([Way::of(ONLINE_BANKING)])
        .collect()
}

/// Where companies' online banking is contracted.
fn companies(scanned: &Scanned) -> Vec<Way> {
    let contracted = facts(scanned).any(|bank| bank.business);
    let page = contracted.then(|| Way::of(OF_COMPANIES));
    listed(scanned, OF_COMPANIES).into_iter().chain(page).collect()
}

/// The banks of the accounts' lists, each once.
fn listed(scanned: &Scanned, (channel, pay_way): (Channel, PayWay)) -> Vec<Way> {
    let mut all: Vec<Way> = Vec::new();
    for bank in facts(scanned).flat_map(|bank| &bank.listed) {
        let known = |way: &Way| way.bank.as_ref().is_some_and(|known| known.code == bank.code);
        if bank.serves(pay_way) && !all.iter().any(known) {
            all.push(Way {
                channel,
                pay_way,
                bank: Some(bank.clone()),
            });
        }
    }
    all
}

fn facts(scanned: &Scanned) -> impl Iterator<Item = &BankFacts> {
    let accounts = scanned.merchant.accounts.iter();
    accounts
        .filter(|account| account.channel == Channel::Unionpay)
        .filter_map(|account| account.bank.as_ref())
}

/// Whether any account of a way takes new orders, as far as its calls have told.
//= C83
pub(super) fn is_open(app: &App, scanned: &Scanned, way: &Way) -> bool {
    let now = app.clock().since_boot();
    accounts(app, scanned, way).any(|account| {
        let looks = app
            .health()
            .looks_for(account.channel, &account.account, way.pay_way, now);
        looks.barred != Some(Barred::Open)
    })
}

/// The accounts by which a way works: their keys are held here, the channel's licence is in force, and their list has the bank.
fn accounts<'a>(app: &App, scanned: &'a Scanned, way: &'a Way) -> impl Iterator<Item = &'a AccountFacts> {
    let licensed = app
        .registries()
        .channel(way.channel)
        .is_some_and(|licence| app.clock().now() < licence.valid_until);
    let offered = licensed && operations::is_allowed(way.channel, Operation::Create, Some(way.pay_way));
    let leads = |account: &AccountFacts| {
        let facts = account.bank.as_ref();
        match &way.bank {
            Some(bank) => facts.is_some_and(|facts| facts.listed(&bank.code, way.pay_way).is_some()),
            None if way.pay_way == PayWay::GatewayB2b => facts.is_some_and(|facts| facts.business),
            None => true,
        }
    };
    scanned
        .merchant
        .accounts
        .iter()
        .filter(move |account| offered && account.channel == way.channel && account.keys == Keys::Held)
        .filter(move |account| leads(account))
}

/// The wallets in which this code can be paid now.
//= C83
pub(super) fn working(app: &App, scanned: &Scanned) -> Vec<Channel> {
    let own = |channel: &Channel| asks::is_open(app, &scanned.merchant, *channel) == Some(true);
    let page = Way::of(ONLINE_BANKING);
    let there = accounts(app, scanned, &page).next().is_some() && is_open(app, scanned, &page);
    let own = [Channel::Wechat, Channel::Alipay].into_iter().filter(own);
    own.chain(there.then_some(page.channel)).collect()
}
