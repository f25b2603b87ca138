//! Codes that payers scan: a fold over the journal like all else, held in memory while they can open an order.
//!
//! A code that ended or was revoked is remembered for a day, so that its page can say so, then forgotten here; the
//! journal keeps it.

use crate::{CommitError, Ledger};
use domain::*;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound,
    sync::Arc,
};

/// A code at its end is remembered for this long, milliseconds.
const REMEMBERED_MS: i64 = 86_400_000;

/// A code that payers scan.
#[derive(Clone, PartialEq, Debug)]
pub struct PayCode {
    /// Our number.
    pub id: CodeId,
    /// Whose.
    pub merchant: MerchantId,
    /// What it is.
    pub facts: NewCode,
    /// Index of its journal entry.
    pub index: u64,
    /// When it was made.
    pub made: Instant,
    /// When it was revoked, and the index of that entry.
    pub revoked: Option<(Instant, u64)>,
}

/// What a merchant asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCode {
    /// The merchant's number.
    pub code_no: CodeNo,
    /// Kind and level.
    pub code: Code,
    /// Fen; `None` where the payer enters them.
    pub amount: Option<Amount>,
    /// The order that it is for; `None` for a static code.
    pub order_no: Option<OrderNo>,
    /// Who is paid, where that is not the account itself.
    pub payee: Option<PayeeNo>,
    /// From then on it opens no new order.
    pub expires: Option<Instant>,
    /// Terminal, where it stands at one.
    pub terminal: Option<TerminalNo>,
    /// What stands on it.
    pub title: Option<Arc<str>>,
}

/// What became of the wish for a code.
#[derive(Clone, Debug)]
pub enum MadeCode {
    /// Made.
    New(Arc<PayCode>),
    /// The number was given before; whether to the same is the caller's to say.
    Before(Arc<PayCode>),
    /// The merchant has as many as may be kept.
    Full,
}

impl PayCode {
    /// True while it opens new orders.
    pub fn is_open(&self, now: Instant) -> bool {
        self.revoked.is_none() && self.facts.expires.is_none_or(|end| now < end)
    }

    fn made_event(&self) -> TradeEvent {
        let NewCode {
            code_no,
            code,
            amount,
            order_no,
            payee,
            expires,
            terminal,
            title,
        } = self.facts.clone();
        TradeEvent::CodeMade {
            amount,
            code,
            code_no,
            expires,
            id: self.id.clone(),
            order_no,
            payee,
            terminal,
            title,
        }
    }
}

/// All codes that are remembered.
#[derive(Default)]
pub(crate) struct Codes {
    by_id: HashMap<CodeId, Arc<PayCode>>,
    by_no: HashMap<(MerchantId, CodeNo), CodeId>,
    /// Each merchant's, in the order in which they were made.
    by_merchant: HashMap<MerchantId, BTreeMap<u64, CodeId>>,
    ends: BTreeSet<(Instant, CodeId)>,
}

impl Codes {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<PayCode>> {
        self.by_id.values()
    }

    pub(crate) fn put(&mut self, code: Arc<PayCode>) {
        let end = [code.facts.expires, code.revoked.map(|(at, _)| at)]
            .into_iter()
            .flatten()
            .min();
        self.ends.extend(end.map(|end| (end, code.id.clone())));
        self.by_no.insert(
            (code.merchant.clone(), code.facts.code_no.clone()),
            code.id.clone(),
        );
        let own = self.by_merchant.entry(code.merchant.clone()).or_default();
        own.insert(code.index, code.id.clone());
        self.by_id.insert(code.id.clone(), code);
    }

    pub(crate) fn follow(&mut self, index: u64, at: Instant, merchant: &MerchantId, event: &TradeEvent) {
        self.forget_before(at.plus_millis(-REMEMBERED_MS));
        match event {
            TradeEvent::CodeMade {
                amount,
                code,
                code_no,
                expires,
                id,
                order_no,
                payee,
                terminal,
                title,
            } => {
                let facts = NewCode {
                    code_no: code_no.clone(),
                    code: *code,
                    amount: *amount,
                    order_no: order_no.clone(),
                    payee: payee.clone(),
                    expires: *expires,
                    terminal: terminal.clone(),
                    title: title.clone(),
                };
                self.put(Arc::new(PayCode {
                    id: id.clone(),
                    merchant: merchant.clone(),
                    facts,
                    index,
                    made: at,
                    revoked: None,
                }));
            }
            TradeEvent::CodeRevoked { id } => {
                let found = self
                    .by_id
                    .get(id)
                    .filter(|code| code.merchant == *merchant && code.revoked.is_none());
                let revoked = found.map(|code| PayCode {
                    revoked: Some((at, index)),
                    ..PayCode::clone(code)
                });
                revoked.into_iter().for_each(|code| self.put(Arc::new(code)));
            }
            _ => {}
        }
    }

    fn forget_before(&mut self, horizon: Instant) {
        while let Some((end, id)) = self.ends.first().filter(|(end, _)| *end < horizon).cloned() {
            self.ends.remove(&(end, id.clone()));
            let Some(code) = self.by_id.remove(&id) else {
                continue;
            };
            if let Some(own) = self.by_merchant.get_mut(&code.merchant) {
                own.remove(&code.index);
                if own.is_empty() {
                    self.by_merchant.remove(&code.merchant);
                }
            }
            let key = (code.merchant.clone(), code.facts.code_no.clone());
            if self.by_no.get(&key) == Some(&id) {
                self.by_no.remove(&key);
            }
        }
    }
}

impl Ledger {
    /// A code; what it says is durable.
    pub async fn code(&self, id: &CodeId) -> Option<Arc<PayCode>> {
        let code = self.0.heads.lock().codes.by_id.get(id).cloned()?;
        self.until_durable(code.revoked.map_or(code.index, |(_, index)| index))
            .await;
        Some(code)
    }

    /// A merchant's code by the merchant's number.
    pub async fn code_by_no(&self, merchant: &MerchantId, code_no: &CodeNo) -> Option<Arc<PayCode>> {
        let id = self
            .0
            .heads
            .lock()
            .codes
            .by_no
            .get(&(merchant.clone(), code_no.clone()))
            .cloned()?;
        self.code(&id).await
    }

    /// A merchant's codes that were made behind this journal index, `most` at most, in the order in which they were made; and
    /// whether there are more.
    pub async fn codes_of(
        &self,
        merchant: &MerchantId,
        after: Option<u64>,
        most: usize,
    ) -> (Vec<Arc<PayCode>>, bool) {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut found: Vec<Arc<PayCode>> = {
            let heads = self.0.heads.lock();
            let codes = &heads.codes;
            let own = codes.by_merchant.get(merchant).into_iter();
            own.flat_map(|own| own.range((from, Bound::Unbounded)))
                .take(most + 1)
                .filter_map(|(_, id)| codes.by_id.get(id).cloned())
                .collect()
        };
        let more = found.len() > most;
        found.truncate(most);
        let last = found
            .iter()
            .map(|code| code.revoked.map_or(code.index, |(_, at)| at));
        if let Some(last) = last.max() {
            self.until_durable(last).await;
        }
        (found, more)
    }

    /// Makes a code and puts it on record, once per number of the merchant, `most` of them at most: they are held in memory.
    //= C68
    pub async fn make_code(
        &self,
        merchant: &MerchantId,
        facts: NewCode,
        most: usize,
    ) -> Result<MadeCode, CommitError> {
        let _one_by_one = self.0.making.lock().await;
        if let Some(before) = self.code_by_no(merchant, &facts.code_no).await {
            return Ok(MadeCode::Before(before));
        }
        let now = self.0.clock.now();
        {
            let mut heads = self.0.heads.lock();
            heads.codes.forget_before(now.plus_millis(-REMEMBERED_MS));
            if heads.codes.by_merchant.get(merchant).map_or(0, BTreeMap::len) >= most {
                return Ok(MadeCode::Full);
            }
        }
        let mut random = [0; 10];
        getrandom::fill(&mut random).expect("the operating system gives randomness");
        let id = CodeId::from_random(random);
        let code = PayCode {
            id: id.clone(),
            merchant: merchant.clone(),
            facts,
            index: 0,
            made: Instant::from_secs(0),
            revoked: None,
        };
        self.note(Some(merchant), vec![code.made_event()]).await?;
        self.code(&id).await.map(MadeCode::New).ok_or(CommitError::Closed)
    }

    /// Withdraws a code and puts that on record, once.
    //= C68
    pub async fn revoke_code(&self, code: &PayCode) -> Result<Arc<PayCode>, CommitError> {
        let _one_by_one = self.0.making.lock().await;
        let now = self.code(&code.id).await.ok_or(CommitError::NoOrder)?;
        if now.revoked.is_some() {
            return Ok(now);
        }
        self.note(
            Some(&code.merchant),
            vec![TradeEvent::CodeRevoked { id: code.id.clone() }],
        )
        .await?;
        self.code(&code.id).await.ok_or(CommitError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name<T: std::str::FromStr<Err = NameError>>(text: &str) -> T {
        text.parse().expect("lawful")
    }

    fn made(n: u8, expires: Option<i64>) -> TradeEvent {
        let code = Code {
            kind: CodeKind::Static,
            level: CodeLevel::D,
        };
        TradeEvent::CodeMade {
            amount: None,
            code,
            code_no: name(&format!("desk-{n}")),
            expires: expires.map(Instant::from_secs),
            id: CodeId::from_random([n; 10]),
            order_no: None,
            payee: None,
            terminal: None,
            title: None,
        }
    }

    #[test]
    //= C68
    fn codes_are_what_the_journal_says_and_are_forgotten_a_day_after_their_end() {
        let (mut codes, shop) = (Codes::default(), name::<MerchantId>("m1"));
        let day = 86_400;
        codes.follow(0, Instant::from_secs(0), &shop, &made(1, None));
        codes.follow(1, Instant::from_secs(1), &shop, &made(2, Some(100)));
        let other = name::<MerchantId>("m2");
        codes.follow(
            2,
            Instant::from_secs(2),
            &other,
            &TradeEvent::CodeRevoked {
                id: CodeId::from_random([1; 10]),
            },
        );
        assert!(
            codes.by_id[&CodeId::from_random([1; 10])].revoked.is_none(),
            "another merchant revoked it"
        );
        codes.follow(
            3,
            Instant::from_secs(3),
            &shop,
            &TradeEvent::CodeRevoked {
                id: CodeId::from_random([1; 10]),
            },
        );
        let first = &codes.by_id[&CodeId::from_random([1; 10])];
        assert!(first.revoked == Some((Instant::from_secs(3), 3)) && !first.is_open(Instant::from_secs(4)));
        codes.follow(4, Instant::from_secs(day + 50), &shop, &made(3, None));
        assert!(
            codes.by_id.len() == 2 && codes.by_no.len() == 2,
            "the revoked one is forgotten"
        );
        let own = |codes: &Codes| codes.by_merchant[&shop].keys().copied().collect::<Vec<_>>();
        assert_eq!(own(&codes), [1, 4], "and leaves its place to another");
        codes.follow(5, Instant::from_secs(day + 101), &shop, &made(4, None));
        assert_eq!(codes.by_id.len(), 2, "so is the ended one");
        assert_eq!(own(&codes), [4, 5]);
    }
}
