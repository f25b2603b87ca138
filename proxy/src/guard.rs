//! What the no-funds guard refuses, on record (compliance.md R01: the refusal log): against its merchant where the
//! signature is the merchant's, else counted, so that a stranger's ten million requests are some dozen entries a minute.

use crate::{
    app::App,
    fault::{Code, Fault, Stop},
};
use domain::*;
use parking_lot::Mutex;
use policy::registry::MerchantFacts;
use std::{collections::BTreeMap, sync::Arc};

/// How a request offends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breached {
    /// In which way.
    pub breach: Breach,
    /// Name of the field or call, if we know it.
    pub name: Option<Arc<str>>,
    /// The channel, where the request names one.
    pub channel: Option<Channel>,
}

/// A refused request as it goes on record.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    /// The registered account that it names.
    pub(crate) account: Option<AccountNo>,
    /// Channel.
    pub(crate) channel: Option<Channel>,
    /// What is asked.
    pub(crate) operation: Option<Operation>,
    /// Whom it would pay.
    pub(crate) payee: Option<PayeeNo>,
}

/// Most accounts and merchants that are counted apart within a minute; what comes beside them is counted by channel.
const MOST: usize = 32;

/// What is counted together.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Alike {
    merchant: Option<MerchantId>,
    account: Option<AccountNo>,
    channel: Option<Channel>,
    breach: Breach,
}

/// Refusals that are counted, until they go on record together.
#[derive(Default)]
pub struct Counts(Mutex<BTreeMap<Alike, (u64, Instant)>>);

impl Counts {
    fn add(&self, alike: Alike, at: Instant) {
        let mut all = self.0.lock();
        let apart = all.len() < MOST || all.contains_key(&alike);
        let alike = match apart {
            true => alike,
            false => Alike {
                merchant: None,
                account: None,
                ..alike
            },
        };
        all.entry(alike).or_insert((0, at)).0 += 1;
    }

    fn take(&self) -> BTreeMap<Alike, (u64, Instant)> {
        std::mem::take(&mut *self.0.lock())
    }
}

/// The fault with its clause in its words, so that the merchant knows it too.
fn worded(mut fault: Fault, clause: Clause) -> Fault {
    fault.detail = format!("{} ({clause})", fault.detail);
    fault
}

/// Puts what an authenticated merchant was refused on record, then lets the fault go on. A fault that offends nothing
/// goes on as it is.
//= C81
pub(crate) async fn on_record(app: &App, merchant: &MerchantId, asked: Asked, fault: Fault) -> Stop {
    let Some(breached) = fault.breach.as_deref().cloned() else {
        return fault.into();
    };
    let clause = breached.breach.clause();
    let channel = asked.channel.or(breached.channel);
    let event = match (breached.breach, asked.operation) {
        // The watch over structures that pay somebody else looks at these (T20).
        (Breach::Payee, Some(operation)) => TradeEvent::Refused {
            amount: None,
            channel,
            clause,
            code: None,
            operation,
            order_no: None,
            payee: asked.payee,
            payer: None,
        },
        (breach, operation) => TradeEvent::GuardRefused {
            account: asked.account,
            breach,
            channel,
            clause,
            count: None,
            name: breached.name,
            operation,
            since: None,
        },
    };
    app.metrics().refused(clause);
    match app.ledger().note(Some(merchant), vec![event]).await {
        Ok(_) => worded(fault, clause).into(),
        Err(_) => Fault::of(Code::Stopping).into(),
    }
}

/// A native request that its reader refused. `merchant` signed it, as far as that is proven.
//= C81
pub(crate) async fn refuse(app: &App, merchant: Option<&MerchantFacts>, asked: Asked, fault: Fault) -> Stop {
    let Some(breached) = fault.breach.as_deref() else {
        return fault.into();
    };
    let full = match merchant {
        Some(merchant) => match app.merchant_rate(merchant) {
            Ok(()) => return on_record(app, &merchant.id, asked, fault).await,
            Err(wait) => Some(Fault::of(Code::TooManyRequests).retry(wait)),
        },
        None => None,
    };
    let clause = breached.breach.clause();
    let alike = Alike {
        merchant: merchant.map(|merchant| merchant.id.clone()),
        account: asked.account,
        channel: asked.channel,
        breach: breached.breach,
    };
    app.guard_counts().add(alike, app.clock().now());
    app.metrics().refused(clause);
    full.unwrap_or_else(|| worded(fault, clause)).into()
}

/// Puts what was counted on record; called each minute and when the service stops.
pub(crate) async fn record_counts(app: &App) {
    for (alike, (count, since)) in app.guard_counts().take() {
        let event = TradeEvent::GuardRefused {
            account: alike.account,
            breach: alike.breach,
            channel: alike.channel,
            clause: alike.breach.clause(),
            count: Some(count),
            name: None,
            operation: None,
            since: Some(since),
        };
        if let Err(error) = app.ledger().note(alike.merchant.as_ref(), vec![event]).await {
            tracing::error!(%error, "counted refusals could not be put on record");
        }
    }
}

/// Marks what reading a request of the unified API found wrong, by its code. Whatever else is wrong offends nothing.
pub(crate) fn of_reading(fault: Fault, channel: Option<Channel>) -> Fault {
    let breach = match fault.code {
        _ if fault.breach.is_some() => None,
        Code::UnknownField => Some(Breach::Field),
        Code::InvalidField => Some(Breach::Value),
        Code::MalformedRequest | Code::UnsupportedMediaType => Some(Breach::Form),
        _ => None,
    };
    let mut fault = match breach {
        Some(breach) => fault.breaks(breach, None),
        None => fault,
    };
    if let Some(breached) = &mut fault.breach {
        breached.channel = breached.channel.or(channel);
    }
    fault
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(account: usize) -> Alike {
        Alike {
            merchant: None,
            account: AccountNo::new(account.to_string()).ok(),
            channel: Some(Channel::Alipay),
            breach: Breach::Form,
        }
    }

    #[test]
    //= C81
    fn ten_thousand_accounts_are_some_dozen_counts_and_none_is_lost() {
        let counts = Counts::default();
        let at = Instant::from_secs(1);
        for n in 0..10_000 {
            counts.add(alike(n), at.plus_millis(n as i64));
        }
        counts.add(alike(3), at.plus_millis(20_000));
        let all = counts.take();
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all.values().map(|(count, _)| count).sum::<u64>(), 10_001);
        assert_eq!(all.get(&alike(3)), Some(&(2, at.plus_millis(3))));
        assert!(counts.take().is_empty(), "what was taken is not taken twice");
    }
}
