//! The files joined: what the rest of the program asks.

use super::{
    AccountFacts, AcquirerFile, AgentTerms, Agreement, ApiKey, ChannelLicence, LicenceFile, Notify,
    OperatorAccount, OperatorFile, OperatorMerchant, Problem, RateFacts, RouteRule, Terminal, check, url,
};
use crate::routing::{Condition, Route};
use domain::{
    AccountNo, AcquirerNo, Amount, Channel, Digest, Instant, MerchantId, PayeeNo, Registry, TerminalNo,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// Everything known of one merchant: the acquirer's facts and the operator's.
#[derive(Clone, PartialEq, Debug)]
pub struct MerchantFacts {
    /// Its number with us.
    pub id: MerchantId,
    /// Registered name.
    pub name: String,
    /// Who approved it and is told of flags.
    pub acquirer: AcquirerNo,
    /// Its agreement with the acquirer.
    pub agreement: Agreement,
    /// Its accounts at channels.
    pub accounts: Vec<AccountFacts>,
    /// Its unified social credit code.
    pub uscc: Option<String>,
    /// Digest of its settlement account's number.
    pub settlement: Option<Digest>,
    /// Its terminals.
    pub terminals: Vec<Terminal>,
    /// Its payers' codes may be of level A.
    pub level_a: bool,
    /// Keys of the unified API.
    pub api_keys: Vec<ApiKey>,
    /// Where it is told.
    pub notify: Option<Notify>,
    /// Hosts to which a payer's browser may be sent back.
    pub return_hosts: Vec<String>,
    /// Who brought it, on what terms.
    pub agent: Option<AgentTerms>,
    /// Routing rules, compiled.
    pub routes: Vec<Route>,
    /// Accounts that are taken only where none of the others is in order.
    pub standby: Vec<(Channel, AccountNo)>,
    /// Its own request rate.
    pub rate: Option<RateFacts>,
    /// Most per order, fen.
    pub order_max: Option<Amount>,
    /// Most per natural day, fen.
    pub day_max: Option<Amount>,
}

impl MerchantFacts {
    /// Whether a payer's browser may be sent back to this address: `https`, at one of the merchant's registered hosts.
    pub fn may_return_to(&self, address: &str) -> bool {
        address.starts_with("https://")
            && url::fault(address, true).is_none()
            && url::host_of(address)
                .is_some_and(|host| self.return_hosts.iter().any(|own| own.eq_ignore_ascii_case(host)))
    }
}

/// Digest, version and end of one file.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    digest: Digest,
    version: u64,
    not_after: Instant,
}

/// All registries in force, loaded whole or not at all.
#[derive(Clone, Debug)]
pub struct Registries {
    licence: Arc<LicenceFile>,
    licence_digest: Digest,
    acquirers: BTreeMap<AcquirerNo, Stamp>,
    operator: Stamp,
    merchants: BTreeMap<MerchantId, Arc<MerchantFacts>>,
    /// Merchant and position in its `accounts`.
    owners: HashMap<(Channel, AccountNo), (MerchantId, usize)>,
    accounts: HashMap<(Channel, AccountNo), OperatorAccount>,
    /// Whose each terminal is.
    terminals: HashMap<TerminalNo, MerchantId>,
}

impl Registries {
    /// Joins the files, or says everything that is wrong with them. Signatures were checked before.
    pub fn new(
        licence: Arc<LicenceFile>,
        licence_digest: Digest,
        acquirers: Vec<(AcquirerFile, Digest)>,
        operator: (OperatorFile, Digest),
    ) -> Result<Registries, Vec<Problem>> {
        let files: Vec<&AcquirerFile> = acquirers.iter().map(|(file, _)| file).collect();
        let problems = check::problems(&licence, &files, &operator.0);
        if !problems.is_empty() {
            return Err(problems);
        }
        let (file, digest) = operator;
        let operator = Stamp {
            digest,
            version: file.version,
            not_after: file.not_after,
        };
        let mut added: HashMap<MerchantId, OperatorMerchant> =
            file.merchants.into_iter().map(|m| (m.id.clone(), m)).collect();
        let standby: BTreeSet<_> = file
            .accounts
            .iter()
            .filter(|a| a.standby)
            .map(|a| (a.channel, a.account.clone()))
            .collect();
        let accounts = file
            .accounts
            .into_iter()
            .map(|a| ((a.channel, a.account.clone()), a))
            .collect();
        let mut stamps = BTreeMap::new();
        let mut merchants = BTreeMap::new();
        for (file, digest) in acquirers {
            let stamp = Stamp {
                digest,
                version: file.version,
                not_after: file.not_after,
            };
            stamps.insert(file.acquirer.clone(), stamp);
            for merchant in file.merchants {
                let facts = join(&file.acquirer, merchant, &mut added, &standby);
                merchants.insert(facts.id.clone(), Arc::new(facts));
            }
        }
        let owners = owners(&merchants);
        let of = |m: &Arc<MerchantFacts>| {
            let of_one = m.terminals.iter().map(|t| (t.no.clone(), m.id.clone()));
            of_one.collect::<Vec<_>>()
        };
        let terminals = merchants.values().flat_map(of).collect();
        Ok(Registries {
            licence,
            licence_digest,
            acquirers: stamps,
            operator,
            merchants,
            owners,
            accounts,
            terminals,
        })
    }

    /// A merchant by its number.
    pub fn merchant(&self, id: &MerchantId) -> Option<&Arc<MerchantFacts>> {
        self.merchants.get(id)
    }

    /// Every merchant, by number.
    pub fn merchants(&self) -> impl Iterator<Item = &Arc<MerchantFacts>> {
        self.merchants.values()
    }

    /// Whose terminal it is (R22).
    pub fn terminal_owner(&self, no: &TerminalNo) -> Option<&MerchantId> {
        self.terminals.get(no)
    }

    /// Whose account it is.
    pub fn owner(
        &self,
        channel: Channel,
        account: &AccountNo,
    ) -> Option<(&Arc<MerchantFacts>, &AccountFacts)> {
        let (id, position) = self.owners.get(&(channel, account.clone()))?;
        let merchant = self.merchants.get(id)?;
        Some((merchant, merchant.accounts.get(*position)?))
    }

    /// The operator's facts of an account: keys of the merchant's SDK, relay address.
    pub fn operator_account(&self, channel: Channel, account: &AccountNo) -> Option<&OperatorAccount> {
        self.accounts.get(&(channel, account.clone()))
    }

    /// A channel's licence, hosts and roots, lapsed or not.
    pub fn channel(&self, channel: Channel) -> Option<&ChannelLicence> {
        self.licence.channels.iter().find(|c| c.channel == channel)
    }

    /// The licence file.
    pub fn licence(&self) -> &Arc<LicenceFile> {
        &self.licence
    }

    /// True for an account of the operator's own, which is never paid (R03).
    pub fn is_operators(&self, payee: &PayeeNo) -> bool {
        self.licence.operator_accounts.contains(payee)
    }

    /// When the files that carry this acquirer's merchants end: the earliest of licence, acquirer's and
    /// operator's file. `None` for an unknown acquirer.
    pub fn not_after(&self, acquirer: &AcquirerNo) -> Option<Instant> {
        let acquirer = self.acquirers.get(acquirer)?;
        Some(
            acquirer
                .not_after
                .min(self.licence.not_after)
                .min(self.operator.not_after),
        )
    }

    /// Version of an acquirer's file.
    pub fn acquirer_version(&self, acquirer: &AcquirerNo) -> Option<u64> {
        self.acquirers.get(acquirer).map(|stamp| stamp.version)
    }

    /// Kind, SHA-256, version and end of every file, for `RegistryLoaded`.
    pub fn digests(&self) -> Vec<(Registry, Digest, u64, Instant)> {
        let licence = Stamp {
            digest: self.licence_digest,
            version: self.licence.version,
            not_after: self.licence.not_after,
        };
        let row = |kind, stamp: &Stamp| (kind, stamp.digest, stamp.version, stamp.not_after);
        let first = std::iter::once(row(Registry::Licence, &licence));
        let acquirers = self
            .acquirers
            .values()
            .map(|stamp| row(Registry::Acquirer, stamp));
        first
            .chain(acquirers)
            .chain([row(Registry::Operator, &self.operator)])
            .collect()
    }

    /// The files that differ from those before and whose version is not higher; each acquirer's file is held against the
    /// one that the same acquirer had.
    //= C23
    pub fn not_risen(&self, before: &Registries) -> Vec<NotRisen> {
        let fell = |kind, acquirer: Option<&AcquirerNo>, now: (Digest, u64), then: (Digest, u64)| {
            (now.0 != then.0 && now.1 <= then.1).then(|| NotRisen {
                kind,
                acquirer: acquirer.cloned(),
                version: now.1,
                before: then.1,
            })
        };
        let of = |stamp: &Stamp| (stamp.digest, stamp.version);
        let licence = |of: &Registries| (of.licence_digest, of.licence.version);
        let acquirers = self.acquirers.iter().filter_map(|(name, stamp)| {
            let then = before.acquirers.get(name)?;
            fell(Registry::Acquirer, Some(name), of(stamp), of(then))
        });
        let own = [
            fell(Registry::Licence, None, licence(self), licence(before)),
            fell(Registry::Operator, None, of(&self.operator), of(&before.operator)),
        ];
        own.into_iter().flatten().chain(acquirers).collect()
    }
}

/// A changed file whose version did not rise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRisen {
    /// Which kind of file.
    pub kind: Registry,
    /// Whose, where there may be several.
    pub acquirer: Option<AcquirerNo>,
    /// Its version now.
    pub version: u64,
    /// The version in force.
    pub before: u64,
}

fn join(
    acquirer: &AcquirerNo,
    merchant: super::AcquirerMerchant,
    added: &mut HashMap<MerchantId, OperatorMerchant>,
    standby: &BTreeSet<(Channel, AccountNo)>,
) -> MerchantFacts {
    let added = added.remove(&merchant.id).unwrap_or_else(|| OperatorMerchant {
        id: merchant.id.clone(),
        api_keys: Vec::new(),
        notify: None,
        return_hosts: Vec::new(),
        agent: None,
        routes: Vec::new(),
        rate: None,
        order_max: None,
        day_max: None,
    });
    // The check has compiled them all before.
    let compiled = |rule: RouteRule| {
        let when = Condition::compile(&rule.when).ok()?;
        Some(Route {
            name: rule.name.into(),
            channel: rule.channel,
            when,
            accounts: rule.accounts,
            standby: rule.standby,
        })
    };
    let stands_by = |a: &&AccountFacts| standby.contains(&(a.channel, a.account.clone()));
    MerchantFacts {
        standby: merchant
            .accounts
            .iter()
            .filter(stands_by)
            .map(|a| (a.channel, a.account.clone()))
            .collect(),
        agent: added.agent,
        routes: added.routes.into_iter().filter_map(compiled).collect(),
        id: merchant.id,
        name: merchant.name,
        acquirer: acquirer.clone(),
        agreement: merchant.agreement,
        accounts: merchant.accounts,
        uscc: merchant.uscc,
        settlement: merchant.settlement,
        terminals: merchant.terminals,
        level_a: merchant.level_a,
        api_keys: added.api_keys,
        notify: added.notify,
        return_hosts: added.return_hosts,
        rate: added.rate,
        order_max: added.order_max,
        day_max: added.day_max,
    }
}

fn owners(
    merchants: &BTreeMap<MerchantId, Arc<MerchantFacts>>,
) -> HashMap<(Channel, AccountNo), (MerchantId, usize)> {
    let accounts = |merchant: &Arc<MerchantFacts>| {
        let id = merchant.id.clone();
        let rows = merchant.accounts.iter().enumerate();
        rows.map(move |(n, a)| ((a.channel, a.account.clone()), (id.clone(), n)))
            .collect::<Vec<_>>()
    };
    merchants.values().flat_map(accounts).collect()
}
