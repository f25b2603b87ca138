//! Which stories are told, and how many at a time.

use super::{
    Demo, abnormal,
    acp::Acp,
    alipay_door::AlipayDoor,
    alipay_own, banks, codes,
    door::WechatDoor,
    one_code,
    orders::{self, Told},
    own_client,
    place::DemoMerchant,
    product, several, unionpay,
};
use anyhow::Context;
use std::sync::Arc;
use tokio::{sync::Semaphore, task::JoinSet};

/// So many orders are under way at once: most of a story is waiting for channels and sweeps.
pub const AT_ONCE: usize = 12;

/// One story.
#[derive(Clone, Copy, Debug)]
enum Story {
    ScannedAndRefunded(&'static str),
    InTheWallet(&'static str),
    Closed(&'static str),
    TimedOut(&'static str),
    WithoutNotice(&'static str),
    HeldAndReleased(&'static str),
    AnotherWay,
    CodeLostWithItsAnswer,
    NotSentYet,
    TriedTwice,
    OpenToItsEnd,
    TakenBack,
    ByWay(&'static str, &'static str),
    AtABank(&'static str),
    AtABankWithoutNotice(&'static str),
    AtABankInDoubt(&'static str),
    MiniProgram,
    AbnormalRefund,
    CodePaid(&'static str),
    CodeWithPassword(&'static str),
    CodeAbandoned(&'static str),
    CodeTimedOut(&'static str),
    CodeLost(&'static str),
    CodeReversed(&'static str),
    OneCode(&'static str),
    Partner,
    Combined,
    Group,
    Product,
    Codepay,
    OpenApi,
    OwnCode,
    OwnApp,
    OwnAlipayOrder,
    OwnAlipayCode,
    OwnAlipayPage(&'static str),
}

const STORIES: &[Story] = &[
    Story::ScannedAndRefunded("wechat"),
    Story::ScannedAndRefunded("alipay"),
    Story::InTheWallet("wechat"),
    Story::InTheWallet("alipay"),
    Story::Closed("wechat"),
    Story::Closed("alipay"),
    Story::TimedOut("wechat"),
    Story::TimedOut("alipay"),
    Story::WithoutNotice("wechat"),
    Story::WithoutNotice("alipay"),
    Story::HeldAndReleased("wechat"),
    Story::HeldAndReleased("alipay"),
    Story::AnotherWay,
    Story::ByWay("wechat", "h5"),
    Story::ByWay("wechat", "app"),
    Story::MiniProgram,
    Story::AbnormalRefund,
    Story::ByWay("alipay", "page"),
    Story::ByWay("alipay", "wap"),
    Story::ByWay("alipay", "app"),
    Story::ScannedAndRefunded("unionpay"),
    Story::ByWay("unionpay", "app"),
    Story::TakenBack,
    Story::ByWay("unionpay", "gateway"),
    Story::ByWay("unionpay", "gateway_b2b"),
    Story::HeldAndReleased("unionpay"),
    Story::CodeLostWithItsAnswer,
    Story::NotSentYet,
    Story::TriedTwice,
    Story::OpenToItsEnd,
    Story::ByWay("baidu", "page"),
    Story::ByWay("baidu", "wap"),
    Story::AtABank("ccb"),
    Story::AtABankWithoutNotice("ccb"),
    Story::AtABank("icbc"),
    Story::AtABank("cmb"),
    Story::AtABankWithoutNotice("cmb"),
    Story::AtABankInDoubt("icbc"),
    Story::CodePaid("wechat"),
    Story::CodeWithPassword("wechat"),
    Story::CodeAbandoned("wechat"),
    Story::CodeTimedOut("wechat"),
    Story::CodeLost("wechat"),
    Story::CodeReversed("wechat"),
    Story::CodePaid("alipay"),
    Story::CodeWithPassword("alipay"),
    Story::CodeAbandoned("alipay"),
    Story::CodeTimedOut("alipay"),
    Story::CodeLost("alipay"),
    Story::CodeReversed("alipay"),
    Story::CodePaid("unionpay"),
    Story::CodeWithPassword("unionpay"),
    Story::CodeAbandoned("unionpay"),
    Story::CodeTimedOut("unionpay"),
    Story::CodeLost("unionpay"),
    Story::CodeReversed("unionpay"),
    Story::OneCode("wechat"),
    Story::OneCode("alipay"),
    Story::OneCode("unionpay"),
    Story::Partner,
    Story::Combined,
    Story::Group,
    Story::Product,
    Story::Codepay,
    Story::OpenApi,
    Story::OwnCode,
    Story::OwnApp,
    Story::OwnAlipayOrder,
    Story::OwnAlipayCode,
    Story::OwnAlipayPage("page"),
    Story::OwnAlipayPage("wap"),
];

/// How many orders are told when so many are asked for: each story is told once at least.
pub fn count(asked: usize) -> usize {
    asked.max(STORIES.len())
}

/// Which of the two merchants the n-th order belongs to: they take turns, and so does each story.
fn whose(n: usize) -> usize {
    (n % STORIES.len() + n / STORIES.len()) % 2
}

impl Demo {
    /// Tells stories, one order each, by these merchants in turn. What failed comes back in words.
    pub async fn tell(self: &Arc<Self>, orders: usize, merchants: [usize; 2]) -> (Vec<Told>, Vec<String>) {
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let mut under_way = JoinSet::new();
        for (n, story) in STORIES.iter().copied().cycle().take(count(orders)).enumerate() {
            let (demo, at_once) = (self.clone(), at_once.clone());
            let merchant = merchants[whose(n)];
            under_way.spawn(async move {
                let _turn = at_once.acquire_owned().await;
                (
                    n,
                    demo.tell_one(story, merchant)
                        .await
                        .map_err(|e| format!("{story:?} at m{}: {e:#}", 1001 + merchant)),
                )
            });
        }
        let (mut told, mut failed) = (Vec::new(), Vec::new());
        while let Some(done) = under_way.join_next().await {
            match done {
                Ok((n, Ok(one))) => told.push((n, one)),
                Ok((_, Err(why))) => failed.push(why),
                Err(error) => failed.push(format!("a story broke off: {error}")),
            }
        }
        told.sort_by_key(|(n, _)| *n);
        (told.into_iter().map(|(_, one)| one).collect(), failed)
    }

    fn alipay_door(&self, merchant: usize) -> anyhow::Result<AlipayDoor> {
        AlipayDoor::open(&self.place, self.ca(), &self.place.merchants[merchant])
    }

    async fn tell_one(&self, story: Story, merchant: usize) -> anyhow::Result<Told> {
        let by = self.merchant(merchant)?;
        match story {
            Story::ScannedAndRefunded(channel) => orders::scanned_and_refunded(self, &by, channel).await,
            Story::InTheWallet(channel) => orders::in_the_wallet(self, &by, channel).await,
            Story::Closed(channel) => orders::closed(self, &by, channel).await,
            Story::TimedOut(channel) => orders::timed_out_and_recovered(self, &by, channel).await,
            Story::WithoutNotice(channel) => orders::without_notice(self, &by, channel).await,
            Story::HeldAndReleased(channel) => orders::held_and_released(self, &by, channel).await,
            Story::AnotherWay => orders::another_way(self, &by).await,
            Story::CodeLostWithItsAnswer => unionpay::code_lost_with_its_answer(self, &by).await,
            Story::NotSentYet => unionpay::timed_out_before_acting(self, &by).await,
            Story::TriedTwice => unionpay::tried_twice(self, &by).await,
            Story::OpenToItsEnd => unionpay::open_to_its_end(self, &by).await,
            Story::TakenBack => unionpay::taken_back(self, &by).await,
            Story::ByWay(channel, pay_way) => orders::by_way(self, &by, channel, pay_way).await,
            Story::AtABank(bank) => banks::paid(self, &by, bank).await,
            Story::AtABankInDoubt(bank) => banks::in_doubt(self, &by, bank).await,
            Story::AtABankWithoutNotice(bank) => banks::without_notice(self, &by, bank).await,
            Story::AbnormalRefund => abnormal::redirected(self, &by).await,
            Story::MiniProgram => {
                orders::in_a_mini_program(
                    self,
                    &by,
                    &self.place.merchants[merchant].accounts.wechat.mini_appid,
                )
                .await
            }
            Story::CodePaid(channel) => codes::paid_at_once(self, &by, channel).await,
            Story::CodeWithPassword(channel) => codes::with_a_password(self, &by, channel).await,
            Story::CodeAbandoned(channel) => codes::abandoned(self, &by, channel).await,
            Story::CodeTimedOut(channel) => codes::timed_out_after_acting(self, &by, channel).await,
            Story::CodeLost(channel) => codes::timed_out_before_acting(self, &by, channel).await,
            Story::OneCode("unionpay") => one_code::in_unionpays_app(self, &by).await,
            Story::OneCode(channel) => one_code::scanned(self, &by, channel).await,
            Story::Partner => {
                let account = &self.place.merchants[merchant].accounts.wechat;
                several::by_a_partner(self, &by, account).await
            }
            Story::Combined => {
                let door = WechatDoor::open(&self.place, self.ca(), &self.place.merchants[merchant])?;
                several::combined(self, &by, &door).await
            }
            Story::Group => {
                let subs = &self.place.merchants[merchant].accounts.wechat.sub_mchids;
                several::in_a_group(self, &by, subs.first().context("a sub-merchant")?).await
            }
            Story::Codepay => {
                // The demo's own come last: what somebody does at a published one is no part of its stories.
                let all = &self.place.merchants;
                let has = all
                    .iter()
                    .rposition(DemoMerchant::codepay)
                    .context("a merchant with codepay")?;
                codes::paid_by_v3(self, &self.merchant(has)?).await
            }
            Story::OpenApi => {
                let all = &self.place.merchants;
                let has = all.iter().rposition(DemoMerchant::openapi_v3);
                orders::by_open_api(self, &self.merchant(has.context("a merchant at OpenAPI v3")?)?).await
            }
            Story::OwnCode => own_client::code_taken_back(self, &by, &Acp::of(self, merchant)?).await,
            Story::OwnApp => own_client::in_the_app(self, &by, &Acp::of(self, merchant)?).await,
            Story::OwnAlipayOrder => alipay_own::scanned(self, &by, &self.alipay_door(merchant)?).await,
            Story::OwnAlipayCode => alipay_own::code_cancelled(self, &by, &self.alipay_door(merchant)?).await,
            Story::OwnAlipayPage(way) => {
                alipay_own::by_browser(self, &by, &self.alipay_door(merchant)?, way).await
            }
            Story::Product => {
                let mchid = &self.place.merchants[merchant].accounts.wechat.mchid;
                product::scanned(self, &by, mchid).await
            }
            Story::CodeReversed(channel) => codes::reversed_by_the_merchant(self, &by, channel).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_story_is_told_and_then_as_many_orders_as_asked_for() {
        assert_eq!(
            [0, 1, STORIES.len() + 1, 200].map(count),
            [STORIES.len(), STORIES.len(), STORIES.len() + 1, 200]
        );
        for story in 0..STORIES.len() {
            assert_ne!(
                whose(story),
                whose(story + STORIES.len()),
                "each comes to both merchants"
            );
        }
    }
}
