//! An account of the merchant at the channel, and who holds its key.

use crate::{
    app::App,
    charge,
    choice::{self, Choice},
    exchange,
    fault::{Code, Fault, Stop},
    payment::{Cargo, Claimed, Command, Create, Routed},
    stage::Stage,
    stages::record,
    terminal,
};
use domain::{AccountNo, BankNo, Breach, Channel, Keys, Operation, TradeEvent};
use ledger::Attempt;
use policy::registry::{AccountFacts, MerchantFacts};

/// Over the registries.
pub struct Route(pub App);

impl Stage<Claimed> for Route {
    type Out = Routed;

    async fn run(&self, claimed: Claimed) -> Result<Routed, Stop> {
        let (channel, wanted) = wanted(&claimed)?;
        let composed = matches!(claimed.sealed.cargo, Cargo::Compose);
        let registries = self.0.registries();
        let registries = &registries;
        let merchant = registries
            .merchant(&claimed.sealed.merchant.id)
            .unwrap_or(&claimed.sealed.merchant);
        if let Command::Create(create) = &claimed.sealed.command {
            self.terminal(merchant, create).await?;
        }
        // What we compose we sign: only accounts whose key we hold.
        let usable = |a: &&AccountFacts| a.channel == channel && (!composed || a.keys == Keys::Held);
        let mut of_channel = merchant.accounts.iter().filter(usable);
        let begins = matches!(claimed.sealed.command, Command::Create(_)) && subject(&claimed).is_none();
        let choice = match (&wanted, &claimed.sealed.command) {
            (Some(account), command) => {
                let given = of_channel.find(|a| a.account == *account).map(|facts| Choice {
                    route: match command {
                        Command::Create(create) => create.route.clone(),
                        _ => None,
                    },
                    ..Choice::given(facts)
                });
                let new = !composed || matches!(command, Command::Create(_));
                given.or_else(|| {
                    let attempt = subject(&claimed).filter(|a| !new && a.keys == Keys::Held)?;
                    let (owner, facts) = registries.owner_on_record(channel, account)?;
                    let asked = self.0.account(facts, None, None);
                    (owner.id == merchant.id && exchange::can_ask(&self.0, &asked, attempt.pay_way))
                        .then(|| Choice::given(facts))
                })
            }
            (None, Command::Create(create)) if begins => {
                let choose = |fits: &dyn Fn(&AccountFacts) -> bool| {
                    let order = claimed.order.as_deref();
                    choice::choose(&self.0, merchant, create, order, |a| usable(&a), fits)
                };
                let undone =
                    |a: &AccountFacts| charge::can_be_undone(&self.0, &self.0.account(a, None, None));
                let composed =
                    |a: &AccountFacts| channel::composes(&self.0.account(a, None, None), create.pay_way);
                // Where no account could undo a charge or leads to the bank, the one that would be chosen says so below.
                choose(&|a| {
                    (!create.pay_way.charges() || undone(a)) && leads_to_its_bank(create, a) && composed(a)
                })
                .or_else(|| choose(&|_| true))
            }
            (None, _) => of_channel.next().map(Choice::given),
        };
        if composed && only_the_merchant_can(&claimed) {
            return Err(Fault::new(
                Code::OperationNotAllowed,
                "Only the merchant can do this, with its own key at the channel: the key is not held here.",
            )
            .into());
        }
        let named = match &claimed.sealed.command {
            Command::Create(create) => create.account.as_ref(),
            _ => None,
        };
        let Choice { chosen, next, route } = choice.ok_or_else(|| {
            if let (None, Command::Create(create), true) = (&wanted, &claimed.sealed.command, begins)
                && let Some(rule) =
                    choice::rule_without_an_account(&self.0, merchant, create, |a| usable(&a))
            {
                return Fault::new(Code::OperationNotAllowed, format!("The routing rule {rule} decides where this order goes, and none of its accounts has the order's app or payee; name an app of theirs, or ask the operator."));
            }
            unusable(merchant, channel, named)
        })?;
        let payee = match (&claimed.sealed.command, subject(&claimed)) {
            (Command::Create(create), None) => create.payee.clone(),
            (_, Some(attempt)) => Some(attempt.payee.clone()),
            (_, None) => None,
        };
        let appid = match (&claimed.sealed.command, subject(&claimed)) {
            (_, Some(attempt)) => attempt.appid.clone(),
            (Command::Create(create), None) => {
                registered_appid(create, chosen)?;
                registered_sub_app(create, chosen)?;
                listed_bank(create, chosen)?;
                choice::appid_at(create, merchant, chosen).filter(|_| composed)
            }
            (_, None) => None,
        };
        self.0
            .channel_rate(channel)
            .map_err(|wait| Fault::of(Code::TooManyRequests).retry(wait))?;
        let authorised = matches!(&claimed.sealed.cargo, Cargo::Verbatim(v) if v.authorised);
        // Another merchant's order: without the authorisation, which we do not keep, our key could not ask for it.
        let keys = if authorised { Keys::Merchant } else { chosen.keys };
        let sub_appid = match (&claimed.sealed.command, subject(&claimed)) {
            (_, Some(attempt)) => attempt.sub_appid.clone(),
            (Command::Create(create), None) => create.sub_appid.clone(),
            (_, None) => None,
        };
        let apps = (appid.as_ref(), sub_appid.as_ref());
        let account = self.0.account_in(chosen, payee.as_ref(), apps);
        shows_its_certificate(&self.0, &claimed, &account)?;
        has_codepay(&claimed, &account)?;
        if let Command::Create(create) = &claimed.sealed.command
            && composed
            && !channel::composes(&account, create.pay_way)
        {
            return Err(Fault::new(Code::OperationNotAllowed, "This account signs by SM2, and WeChat Pay's documents of the call-up know RSA only: native and h5 orders are placed there, jsapi and app orders by the merchant's own client, or at an account that signs by RSA.").into());
        }
        // At WeChat a reverse needs what only we can show in TLS, whoever wrote it; at UnionPay what was charged and is known
        // to nobody is taken back at its end, by whoever can ask for it.
        let alone = channel == Channel::Unionpay && keys == Keys::Merchant;
        if (composed || matches!(channel, Channel::Wechat | Channel::Unionpay))
            && matches!(&claimed.sealed.command, Command::Create(create) if create.pay_way.charges())
            && (alone || !charge::can_be_undone(&self.0, &account))
        {
            return Err(Fault::new(Code::OperationNotAllowed, format!("Payment codes are not taken at this {channel} account: what would undo one (its keys and API certificate) is not held here; ask the operator.")).into());
        }
        Ok(Routed {
            claimed,
            account,
            keys,
            appid,
            next,
            route,
        })
    }
}

impl Route {
    /// The terminal that an order names is the merchant's, and where it is registered to be. What does not match is refused,
    /// on record.
    //= C53
    async fn terminal(&self, merchant: &MerchantFacts, create: &Create) -> Result<(), Fault> {
        let Some(fault) = terminal::disagrees(merchant, create) else {
            return Ok(());
        };
        let event = TradeEvent::Refused {
            amount: Some(create.amount),
            channel: Some(create.channel),
            clause: policy::clauses::TERMINAL,
            code: Some(create.code),
            operation: Operation::Create,
            order_no: Some(create.order_no.clone()),
            payee: None,
            payer: None,
        };
        match self.0.ledger().note(Some(&merchant.id), vec![event]).await {
            Ok(_) => Err(Fault::new(Code::InvalidField, fault)),
            Err(_) => Err(Fault::of(Code::Stopping)),
        }
    }
}

/// Why no account serves: to name another's is to name another payee, while the merchant's own may be at another channel, or
/// under a key that is not held here.
//= C03
pub(crate) fn unusable(merchant: &MerchantFacts, channel: Channel, named: Option<&AccountNo>) -> Fault {
    let own = |a: &&AccountFacts| named == Some(&a.account);
    let at: Vec<Channel> = merchant.accounts.iter().filter(own).map(|a| a.channel).collect();
    match at.first() {
        Some(_) if at.contains(&channel) => Fault::new(
            Code::OperationNotAllowed,
            "The key of this `account` is the merchant's alone, so its own client places the orders there; name an account whose key is held here, or leave `account` out.",
        ),
        Some(other) => Fault::new(
            Code::InvalidField,
            format!("`account` must be one of the merchant's at {channel}; this one is at {other}."),
        )
        .breaks(Breach::Value, Some("account")),
        None => {
            let fault = Fault::new(
                Code::OperationNotAllowed,
                format!(
                    "This merchant has no such account at {channel} whose key is held here; ask the acquirer to register it."
                ),
            );
            match named {
                Some(_) => fault.breaks(Breach::Payee, Some("account")),
                None => fault,
            }
        }
    }
}

/// The app or mini program that the order names: one that the acquirer has registered for this account.
fn registered_appid(create: &Create, chosen: &AccountFacts) -> Result<(), Fault> {
    match &create.appid {
        Some(appid) if !chosen.appids.iter().any(|known| known == appid.as_str()) => Err(Fault::new(
            Code::InvalidField,
            "`appid` must be one that the acquirer has registered for this account.",
        )
        .breaks(Breach::Value, Some("appid"))),
        _ => Ok(()),
    }
}

/// The sub-merchant's own app that the order names: one that the acquirer has registered for the very one who is paid. Whether
/// that one may be paid at all is policy's to say.
//= C97
fn registered_sub_app(create: &Create, chosen: &AccountFacts) -> Result<(), Fault> {
    let (Some(appid), Some(payee)) = (&create.sub_appid, &create.payee) else {
        return Ok(());
    };
    match !chosen.may_pay(Some(payee)) || chosen.is_sub_app(payee, appid.as_str()) {
        true => Ok(()),
        false => Err(Fault::new(
            Code::InvalidField,
            "`sub_appid` must be one that the acquirer has registered for this `payee` (sub_apps).",
        )
        .breaks(Breach::Value, Some("sub_appid"))),
    }
}

fn leads_to_its_bank(create: &Create, account: &AccountFacts) -> bool {
    let listed = |code: &BankNo| {
        account
            .bank
            .as_ref()
            .is_some_and(|bank| bank.listed(code, create.pay_way).is_some())
    };
    create.bank.as_ref().is_none_or(listed)
}

/// The bank that the order names: one that the acquirer has listed for this account and this way to pay.
//= C84
fn listed_bank(create: &Create, chosen: &AccountFacts) -> Result<(), Fault> {
    if leads_to_its_bank(create, chosen) {
        return Ok(());
    }
    let listed = chosen.bank.iter().flat_map(|bank| &bank.listed);
    let codes: Vec<&str> = listed
        .filter(|bank| bank.serves(create.pay_way))
        .map(|bank| bank.code.as_str())
        .collect();
    let way = create.pay_way.as_str();
    Err(Fault::new(
        Code::InvalidField,
        match codes.is_empty() {
            true => {
                format!("`bank` must be absent: the acquirer has listed no bank for {way} at this account.")
            }
            false => format!(
                "`bank` must be one that the acquirer has listed for {way} at this account: {}.",
                codes.join(", ")
            ),
        },
    )
    .breaks(Breach::Value, Some("bank")))
}

/// Payment codes by APIv3 are for accounts whose registry says that they have them (channels.md 1.12).
fn has_codepay(claimed: &Claimed, account: &channel::Account) -> Result<(), Fault> {
    match &claimed.sealed.cargo {
        Cargo::Verbatim(verbatim)
            if channel::native::is_codepay(account.channel, &verbatim.target) && !account.codepay =>
        {
            Err(Fault::new(
                Code::OperationNotAllowed,
                "Payment codes by APIv3 are not set for this account; send them by V2, or ask the acquirer.",
            ))
        }
        _ => Ok(()),
    }
}

/// Octets that the channel takes only from the merchant's API certificate in TLS (WeChat V2, channels.md 2.1) go nowhere
/// without it.
//= C66
fn shows_its_certificate(app: &App, claimed: &Claimed, account: &channel::Account) -> Result<(), Fault> {
    let Cargo::Verbatim(verbatim) = &claimed.sealed.cargo else {
        return Ok(());
    };
    let own = channel::native::identity(account.channel, &verbatim.target, &account.account);
    match own {
        Some(own)
            if app
                .way_of(account.channel, &account.account, Some(&own))
                .is_none() =>
        {
            Err(Fault::new(
                Code::OperationNotAllowed,
                "The channel wants the merchant's API certificate for this, and its key is not held here; ask the operator.",
            ))
        }
        _ => Ok(()),
    }
}

/// The attempt on record that the request is about: a renewal's own, a native request's own, else the paid one or the
/// latest. `None` for what begins an attempt.
pub(crate) fn subject(claimed: &Claimed) -> Option<&Attempt> {
    let order = claimed.order.as_deref()?;
    match &claimed.sealed.command {
        Command::Create(create) => {
            Some(order.latest()).filter(|_| record::renews(order, create, &claimed.content))
        }
        Command::Refund(_) | Command::Close(_) | Command::Reverse(_) if claimed.target.is_some() => {
            order.attempt(claimed.target?)
        }
        Command::Release(_, no) => order.refund(no).and_then(|refund| order.attempt(refund.attempt)),
        Command::Redirect(_, asked) => order
            .refund(&asked.refund_no)
            .and_then(|refund| order.attempt(refund.attempt)),
        _ => Some(order.winner().map_or(order.latest(), |(_, attempt)| attempt)),
    }
}

/// Its key at the channel is the merchant's alone. A held refund can be withdrawn all the same: nothing leaves.
fn only_the_merchant_can(claimed: &Claimed) -> bool {
    !matches!(claimed.sealed.command, Command::Cancel(..))
        && subject(claimed).is_some_and(|attempt| attempt.keys == Keys::Merchant)
}

/// The channel, and the account where it is not ours to choose.
fn wanted(claimed: &Claimed) -> Result<(Channel, Option<AccountNo>), Fault> {
    if let Cargo::Verbatim(verbatim) = &claimed.sealed.cargo {
        return Ok((verbatim.channel, Some(verbatim.account.clone())));
    }
    match (&claimed.sealed.command, subject(claimed)) {
        (Command::Create(create), None) => Ok((create.channel, create.account.clone())),
        (_, Some(attempt)) => Ok((attempt.channel, Some(attempt.account.clone()))),
        (_, None) => Err(Fault::of(Code::NotFound)),
    }
}
