//! The desk's measures as the proxy sees them (R14, R15).

use domain::{AccountNo, Channel, Effect, Instant, Measure, MeasureId, MerchantId, Subject};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// All measures observed so far. Cheap to ask, so that the hot path asks for every new order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measures {
    /// The latest word on each number. A lift stays: its number is spent, whatever is read again after it.
    by_id: BTreeMap<MeasureId, Measure>,
    by_subject: HashMap<Subject, BTreeSet<MeasureId>>,
}

impl Measures {
    /// Takes one measure, in the order of the cases journal. Taking it twice changes nothing.
    //= C15
    pub fn observe(&mut self, measure: &Measure) {
        if self
            .by_id
            .get(&measure.id)
            .is_some_and(|known| known.effect == Effect::Lift)
        {
            return;
        }
        if let Some(former) = self.by_id.insert(measure.id.clone(), measure.clone()) {
            self.unlink(&former);
        }
        if measure.effect == Effect::Stop {
            self.by_subject
                .entry(measure.subject.clone())
                .or_default()
                .insert(measure.id.clone());
        }
    }

    /// True if new orders of this merchant, or through this account, are refused now.
    pub fn stopped(
        &self,
        now: Instant,
        merchant: &MerchantId,
        channel: Channel,
        account: &AccountNo,
    ) -> bool {
        self.stops_merchant(now, merchant) || self.stops_account(now, channel, account)
    }

    /// True if new orders of this merchant are refused now.
    pub fn stops_merchant(&self, now: Instant, merchant: &MerchantId) -> bool {
        !self.by_id.is_empty() && self.stops(now, &Subject::Merchant(merchant.clone()))
    }

    /// True if new orders through this account are refused now.
    pub fn stops_account(&self, now: Instant, channel: Channel, account: &AccountNo) -> bool {
        !self.by_id.is_empty()
            && self.stops(
                now,
                &Subject::Account {
                    account: account.clone(),
                    channel,
                },
            )
    }

    /// The stops in force, by number.
    pub fn in_force(&self, now: Instant) -> Vec<Measure> {
        self.by_id
            .values()
            .filter(|measure| is_stop(measure, now))
            .cloned()
            .collect()
    }

    fn stops(&self, now: Instant, subject: &Subject) -> bool {
        let of_subject = self.by_subject.get(subject).into_iter().flatten();
        of_subject
            .filter_map(|id| self.by_id.get(id))
            .any(|measure| is_stop(measure, now))
    }

    fn unlink(&mut self, former: &Measure) {
        if let Some(ids) = self.by_subject.get_mut(&former.subject) {
            ids.remove(&former.id);
            if ids.is_empty() {
                self.by_subject.remove(&former.subject);
            }
        }
    }
}

/// It ends by itself at `until`, which is no longer part of it.
fn is_stop(measure: &Measure, now: Instant) -> bool {
    measure.effect == Effect::Stop && now < measure.until
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::name;

    fn measure(id: &str, effect: Effect, subject: Subject, until: i64) -> Measure {
        Measure {
            effect,
            id: name(id),
            subject,
            until: Instant::from_secs(until),
        }
    }

    fn merchant(id: &str) -> Subject {
        Subject::Merchant(name(id))
    }

    fn stopped(measures: &Measures, now: i64, id: &str) -> bool {
        measures.stopped(
            Instant::from_secs(now),
            &name(id),
            Channel::Wechat,
            &name("1900000109"),
        )
    }

    #[test]
    fn a_stop_holds_until_its_end_and_for_its_subject_only() {
        let mut measures = Measures::default();
        measures.observe(&measure("a", Effect::Stop, merchant("m1"), 100));
        assert!(
            stopped(&measures, 99, "m1") && !stopped(&measures, 100, "m1") && !stopped(&measures, 99, "m2")
        );
        assert_eq!(measures.in_force(Instant::from_secs(99)).len(), 1);
        assert!(measures.in_force(Instant::from_secs(100)).is_empty());
    }

    #[test]
    fn an_account_is_stopped_whoever_uses_it() {
        let subject = Subject::Account {
            account: name("1900000109"),
            channel: Channel::Wechat,
        };
        let mut measures = Measures::default();
        measures.observe(&measure("a", Effect::Stop, subject, 100));
        assert!(stopped(&measures, 1, "m1") && stopped(&measures, 1, "m2"));
        assert!(!measures.stopped(
            Instant::from_secs(1),
            &name("m1"),
            Channel::Alipay,
            &name("1900000109")
        ));
    }

    #[test]
    fn a_lift_ends_its_own_number_only_and_for_good() {
        let mut measures = Measures::default();
        measures.observe(&measure("a", Effect::Stop, merchant("m1"), 100));
        measures.observe(&measure("b", Effect::Stop, merchant("m1"), 50));
        measures.observe(&measure("a", Effect::Lift, merchant("m1"), 100));
        assert!(stopped(&measures, 49, "m1") && !stopped(&measures, 50, "m1"));
        measures.observe(&measure("a", Effect::Stop, merchant("m1"), 100));
        assert!(
            !stopped(&measures, 50, "m1"),
            "a number read again after its lift stays lifted"
        );
    }

    #[test]
    fn a_later_word_on_a_number_replaces_the_former() {
        let mut measures = Measures::default();
        measures.observe(&measure("a", Effect::Stop, merchant("m1"), 100));
        measures.observe(&measure("a", Effect::Stop, merchant("m2"), 200));
        assert!(!stopped(&measures, 1, "m1") && stopped(&measures, 199, "m2"));
        let once = measures.clone();
        measures.observe(&measure("a", Effect::Stop, merchant("m2"), 200));
        assert_eq!(measures, once);
    }
}
