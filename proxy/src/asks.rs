//! Which account's app asks who a payer is, in a wallet's own browser (channels.md 7). The id that it is told counts where that
//! app is: a WeChat openid at every account that has the app, Alipay's `open_id` at its one account, its `user_id` anywhere. So
//! the account is chosen before the payer is asked, as routing would, and once more should none be in order at which the id counts.

use crate::{
    app::App,
    choice,
    health::Barred,
    payment::{Create, PayerAt},
};
use channel::Account;
use domain::*;
use ledger::Order;
use policy::{
    operations,
    registry::{AccountFacts, MerchantFacts},
};
use std::{cmp::Reverse, sync::Arc};
use vault::{Payer, PayerField};

/// Who asks: an account, at WeChat by one of its apps. Nothing of a payer is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asker {
    pub(crate) channel: Channel,
    /// The account whose key or app's secret asks.
    pub(crate) account: AccountNo,
    /// WeChat: the app.
    pub(crate) appid: Option<AppNo>,
}

/// Where a payer is sent to be asked for.
pub(crate) enum Ask {
    /// There.
    By(Asker),
    /// All accounts that could take the order are down.
    Closed,
    /// No account of this wallet can ask.
    Nowhere,
}

impl Asker {
    /// As the channel sees it, if it is still registered and its key is held.
    pub(crate) fn account(&self, app: &App, merchant: &MerchantFacts) -> Option<Arc<Account>> {
        let registries = app.registries();
        let (owner, facts) = registries.owner(self.channel, &self.account)?;
        (owner.id == merchant.id && facts.keys == Keys::Held)
            .then(|| app.account(facts, None, self.appid.as_ref()))
    }

    /// Whether an id that it is told counts at this account, as far as can be said before one is told.
    pub(crate) fn counts_at(&self, account: &AccountFacts) -> bool {
        match &self.appid {
            Some(appid) => account.appids.iter().any(|own| own == appid.as_str()),
            None => account.account == self.account,
        }
    }

    /// The payer that it was told binds the order to where the id counts. `former` is whose app asked before and led nowhere.
    //= C94
    pub(crate) fn bind(&self, payer: &Payer, former: Option<&AccountNo>, create: &mut Create) {
        create.appid = self.appid.clone();
        create.payer_at = match payer.field {
            PayerField::BuyerId => PayerAt::Everywhere { but: former.cloned() },
            PayerField::BuyerOpenId => PayerAt::Account(self.account.clone()),
            _ => PayerAt::App,
        };
    }
}

/// Who asks for the payer of a new order: the account that it would go to.
pub(crate) fn first(app: &App, merchant: &MerchantFacts, create: &Create, order: Option<&Order>) -> Ask {
    let ahead = choice::ahead(app, merchant, create, order, |a| can_ask(app, merchant, a));
    match ahead.first() {
        None => Ask::Nowhere,
        Some((_, stands)) if stands.barred == Some(Barred::Open) => Ask::Closed,
        Some((account, _)) => asker(app, merchant, account).map_or(Ask::Nowhere, Ask::By),
    }
}

/// It is in order, or answers late at least.
fn takes_orders(barred: Option<Barred>) -> bool {
    barred.is_none_or(Barred::answers)
}

/// Who else asks, of the accounts that take orders and at which an id from before does not count.
pub(crate) fn another(
    app: &App,
    merchant: &MerchantFacts,
    create: &Create,
    order: Option<&Order>,
    counts: impl Fn(&AccountFacts) -> bool,
) -> Option<Asker> {
    let ahead = choice::ahead(app, merchant, create, order, |a| can_ask(app, merchant, a));
    let mut well = ahead
        .into_iter()
        .filter(|(account, stands)| takes_orders(stands.barred) && !stands.failed && !counts(account));
    well.find_map(|(account, _)| asker(app, merchant, account))
}

/// How the accounts stand at which an id that this one is told would count; `None` where one of them takes orders.
pub(crate) fn barred(
    app: &App,
    merchant: &MerchantFacts,
    create: &Create,
    order: Option<&Order>,
    by: &Asker,
) -> Option<Barred> {
    let ahead = choice::ahead(app, merchant, create, order, |a| {
        a.keys == Keys::Held && by.counts_at(a)
    });
    ahead.first().map_or(Some(Barred::Open), |(_, stands)| {
        stands.barred.filter(|barred| !barred.answers())
    })
}

/// Whether a wallet is there for its own payers, and open; `None` where it is not there.
//= C83
pub(crate) fn is_open(app: &App, merchant: &MerchantFacts, channel: Channel) -> Option<bool> {
    let now = app.clock().since_boot();
    let open = |a: &AccountFacts| {
        let looks = app.health().looks_in_wallet(channel, &a.account, now);
        looks.barred != Some(Barred::Open)
    };
    let own = |a: &&AccountFacts| a.channel == channel && can_ask(app, merchant, a);
    let mut all = merchant.accounts.iter().filter(own).map(open).peekable();
    all.peek()?;
    Some(all.any(|open| open))
}

/// It can place a wallet's own orders, and tell whose they are: the licence in force, a page of authorisation, the key held,
/// a secret of one of its apps where one is needed.
fn can_ask(app: &App, merchant: &MerchantFacts, account: &AccountFacts) -> bool {
    let registries = app.registries();
    let licensed = registries
        .channel(account.channel)
        .is_some_and(|licence| app.clock().now() < licence.valid_until && licence.authorization.is_some());
    licensed
        && account.keys == Keys::Held
        && operations::is_allowed(account.channel, Operation::Create, Some(PayWay::Jsapi))
        && channel::composes(&app.account(account, None, None), PayWay::Jsapi)
        && asker(app, merchant, account).is_some()
}

/// By which app an account's payers are asked for. Of several the one that most of the wallet's accounts have: an id of that
/// one can go on to another account by itself. Whose secret of the app it is does not matter: an app has one.
fn asker(app: &App, merchant: &MerchantFacts, account: &AccountFacts) -> Option<Asker> {
    let by = |account: &AccountFacts, appid| Asker {
        channel: account.channel,
        account: account.account.clone(),
        appid,
    };
    match account.channel {
        Channel::Alipay => Some(by(account, None)),
        Channel::Wechat => {
            let others = merchant.accounts.iter().filter(|other| {
                other.channel == account.channel
                    && other.keys == Keys::Held
                    && other.account != account.account
            });
            let all: Vec<&AccountFacts> = std::iter::once(account).chain(others).collect();
            let has = |appid: &str, of: &AccountFacts| of.appids.iter().any(|own| own == appid);
            let mut apps: Vec<&String> = account.appids.iter().collect();
            apps.sort_by_key(|appid| Reverse(all.iter().filter(|of| has(appid, of)).count()));
            apps.into_iter().find_map(|appid| {
                let no = AppNo::new(appid).ok()?;
                let holds = |of: &&&AccountFacts| {
                    has(appid, of)
                        && channel::authorize::secret(&app.account(of, None, Some(&no)))
                            .is_some_and(|key| app.keys().has(&key))
                };
                let holder = all.iter().find(holds)?;
                Some(by(holder, Some(no)))
            })
        }
        Channel::Unionpay | Channel::Baidu | Channel::Ccb | Channel::Icbc | Channel::Cmb => None,
    }
}
