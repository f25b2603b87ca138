//! How much each caller, channel and account may ask for.

use super::{App, MerchantLimiters};
use crate::limits::{Limiter, Rate};
use domain::*;
use policy::registry::MerchantFacts;
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};

impl App {
    /// Takes one of the merchant's requests.
    pub fn merchant_rate(&self, merchant: &MerchantFacts) -> Result<(), Duration> {
        self.rate_among(&self.0.merchants, merchant)
    }

    /// Takes one of the orders that payers place at a merchant's code: each code has a rate of its own, ten times that of
    /// a source, whose own was taken before, and all of a merchant's together have one beside the merchant's requests: whoever
    /// stands before a plate uses up neither these, nor another code's, nor this one's for those who come after.
    pub(crate) fn payers_rate(&self, merchant: &MerchantFacts, code: &CodeId) -> Result<(), Duration> {
        self.0.by_code.take(code)?;
        self.rate_among(&self.0.payers, merchant)
    }

    fn rate_among(&self, limiters: &MerchantLimiters, merchant: &MerchantFacts) -> Result<(), Duration> {
        let rate = merchant.rate.as_ref().map_or(self.0.config.limits.merchant, |r| {
            Rate::new(r.per_second, r.burst)
        });
        let key = (rate.per_second.get(), rate.burst.get());
        if let Some(limiter) = limiters.read().get(&key) {
            return limiter.take(&merchant.id);
        }
        let limiter = limiters
            .write()
            .entry(key)
            .or_insert_with(|| Arc::new(Limiter::new(rate)))
            .clone();
        limiter.take(&merchant.id)
    }

    /// Takes one of the channel's requests.
    pub fn channel_rate(&self, channel: Channel) -> Result<(), Duration> {
        self.0.channels.take(&channel)
    }

    /// Takes one of the notices of an account.
    pub fn notice_rate(&self, channel: Channel, account: &AccountNo) -> Result<(), Duration> {
        self.0.notices.take(&(channel, account.clone()))
    }

    /// Takes one loading of a form that a merchant signed once and a payer's browser brings.
    pub(crate) fn form_rate(&self, signature: &[u8]) -> Result<(), Duration> {
        self.0
            .forms
            .take(&Digest::from_bytes(Sha256::digest(signature).into()))
    }

    /// Takes one of the source's requests.
    pub fn source_rate(&self, source: u128) -> Result<(), Duration> {
        self.0.sources.take(&source)
    }

    /// A source whose signatures were refused too often waits.
    pub fn failures_left(&self, source: u128) -> Result<(), Duration> {
        let now = self.0.clock.since_boot();
        let mut failing = self.0.failing.lock();
        match failing.get(&source) {
            Some(until) if *until > now => Err(Duration::from_secs((*until - now).as_secs() + 1)),
            Some(_) => {
                failing.remove(&source);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A signature of this source was refused.
    pub fn count_failure(&self, source: u128) {
        if let Err(wait) = self.0.failures.take(&source) {
            self.0
                .failing
                .lock()
                .insert(source, self.0.clock.since_boot() + wait);
        }
    }

    /// Forgets limits of callers that have gone; called each minute.
    pub fn tidy(&self) {
        self.0.sources.tidy();
        self.0.failures.tidy();
        self.0.notices.tidy();
        self.0.forms.tidy();
        // A registry may name new rates for ever; a limiter of which nobody has used anything is as good as none.
        for limiters in [&self.0.merchants, &self.0.payers] {
            limiters.write().retain(|_, limiter| {
                limiter.tidy();
                Arc::strong_count(limiter) > 1 || !limiter.is_empty()
            });
        }
        self.0.by_code.tidy();
        let now = self.0.clock.since_boot();
        self.0.failing.lock().retain(|_, until| *until > now);
    }
}
