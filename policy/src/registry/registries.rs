//! The files joined: what the rest of the program asks.

use super::{
    AccountFacts, AcquirerFile, AgentTerms, Agreement, ApiKey, ChannelLicence, LicenceFile, Notify,
    OperatorAccount, OperatorFile, OperatorMerchant, Problem, RateFacts, RouteRule, Terminal, check, url,
};
use crate::routing::{Condition, Route};
use domain::{
    AccountNo, AcquirerNo, Amount, Channel, Digest, Instant, MerchantId, PayeeNo, Registry, RegistryVersion,
    TerminalNo,
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
    /// Whether a payer's browser may be sent back to this address: `https`, at one of the merchant's registered hosts. Behind the
    /// host letters of other scripts may stand as they are.
    pub fn may_return_to(&self, address: &str) -> bool {
        address.starts_with("https://")
            && url::fault(&url::with_plain_letters(address), true).is_none()
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
    /// Accounts of former files.
    retired: HashMap<(Channel, AccountNo), Retired>,
    /// Merchants of former files, as the last one that had them.
    former: HashMap<MerchantId, Arc<MerchantFacts>>,
}

/// An account that is in no file any more, as the last one that had it.
#[derive(Clone, Debug)]
struct Retired {
    merchant: Arc<MerchantFacts>,
    /// Its position among the merchant's accounts.
    position: usize,
    operator: Option<OperatorAccount>,
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
            retired: HashMap::new(),
            former: HashMap::new(),
        })
    }

    /// Keeps what the former files said of accounts and merchants that are in none of these: nothing new goes there, and what is
    /// open is brought to its end. Says which accounts are new among them.
    //= C09
    pub fn retire(&mut self, before: &Registries) -> Vec<(Channel, AccountNo)> {
        let gone = |key: &&(Channel, AccountNo)| !self.owners.contains_key(*key);
        let now: Vec<_> = before.owners.keys().filter(gone).cloned().collect();
        let still = before.retired.iter().filter(|(key, _)| gone(key));
        let mut retired: HashMap<_, _> = still.map(|(key, was)| (key.clone(), was.clone())).collect();
        for key in &now {
            let facts = before.owners.get(key).and_then(|(id, position)| {
                Some(Retired {
                    merchant: before.merchants.get(id)?.clone(),
                    position: *position,
                    operator: before.accounts.get(key).cloned(),
                })
            });
            retired.extend(facts.map(|facts| (key.clone(), facts)));
        }
        self.retired = retired;
        // What the files before said last counts, and not what older ones did.
        let all = before.former.values().chain(before.merchants.values());
        let former = all.filter(|was| !self.merchants.contains_key(&was.id));
        self.former = former.map(|was| (was.id.clone(), was.clone())).collect();
        now
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

    /// Whose account it is, or was until a file left it out: for what is on record there, and for nothing new.
    pub fn owner_on_record(
        &self,
        channel: Channel,
        account: &AccountNo,
    ) -> Option<(&Arc<MerchantFacts>, &AccountFacts)> {
        self.owner(channel, account).or_else(|| {
            let was = self.retired.get(&(channel, account.clone()))?;
            let merchant = self.merchant_on_record(&was.merchant.id).unwrap_or(&was.merchant);
            Some((merchant, was.merchant.accounts.get(was.position)?))
        })
    }

    /// A merchant by its number, also one that only former files had: it is told of what it has on record, where the last of
    /// them said.
    pub fn merchant_on_record(&self, id: &MerchantId) -> Option<&Arc<MerchantFacts>> {
        self.merchant(id).or_else(|| self.former.get(id))
    }

    /// The operator's facts of an account, as of [`Registries::owner_on_record`]: keys of the merchant's SDK, relay address.
    pub fn operator_account(&self, channel: Channel, account: &AccountNo) -> Option<&OperatorAccount> {
        let key = (channel, account.clone());
        let was = || self.retired.get(&key).and_then(|was| was.operator.as_ref());
        self.accounts.get(&key).or_else(was)
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

    /// Every file in force, with the end of its time, for `RegistryLoaded`.
    pub fn in_force(&self) -> Vec<(RegistryVersion, Instant)> {
        let licence = Stamp {
            digest: self.licence_digest,
            version: self.licence.version,
            not_after: self.licence.not_after,
        };
        let row = |kind, acquirer: Option<&AcquirerNo>, stamp: &Stamp| {
            let version = RegistryVersion {
                kind,
                acquirer: acquirer.cloned(),
                version: stamp.version,
                digest: stamp.digest,
            };
            (version, stamp.not_after)
        };
        let first = std::iter::once(row(Registry::Licence, None, &licence));
        let acquirers = self
            .acquirers
            .iter()
            .map(|(name, stamp)| row(Registry::Acquirer, Some(name), stamp));
        first
            .chain(acquirers)
            .chain([row(Registry::Operator, None, &self.operator)])
            .collect()
    }

    /// The same, without the ends: what the next files are held against.
    pub fn versions(&self) -> Vec<RegistryVersion> {
        self.in_force().into_iter().map(|(version, _)| version).collect()
    }

    /// The files that differ from those before and whose version is not higher; each acquirer's file is held against the
    /// one that the same acquirer had last.
    //= C23
    pub fn not_risen(&self, before: &[RegistryVersion]) -> Vec<NotRisen> {
        let fell = |now: RegistryVersion| {
            let then = before.iter().find(|then| then.is_of_the_same(&now))?;
            (now.digest != then.digest && now.version <= then.version).then_some(NotRisen {
                kind: now.kind,
                acquirer: now.acquirer,
                version: now.version,
                before: then.version,
            })
        };
        self.versions().into_iter().filter_map(fell).collect()
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
    /// The last version that was in force.
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
        let when = Condition::compile_for(rule.channel, &rule.when).ok()?;
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
