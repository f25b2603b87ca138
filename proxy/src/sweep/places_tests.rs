//! Looks by a clock of the test's own: how long each account's looks take, and how long each order waits for one.

use super::*;
use std::{cmp::Reverse, collections::BinaryHeap};

/// Milliseconds.
type Time = u64;

/// An account, how long it takes to answer, and when what is due of it comes.
struct Account {
    lane: Lane,
    answers: Time,
    due: Vec<Time>,
}

fn account(channel: Channel, n: u32, code: bool, answers: Time, due: Vec<Time>) -> Account {
    let account = AccountNo::new(format!("{n:010}")).expect("lawful");
    let lane = Lane {
        channel,
        account,
        code,
    };
    Account { lane, answers, due }
}

/// How long each look waits for its place, by account.
fn waits(accounts: &[Account]) -> Vec<Vec<Time>> {
    enum What {
        Due(usize, Time),
        Answered(Lane),
    }
    let (mut places, mut happens, mut what) = (Places::default(), BinaryHeap::new(), Vec::new());
    let mut waits: Vec<Vec<Time>> = accounts.iter().map(|_| Vec::new()).collect();
    let mut came: HashMap<PaymentId, (usize, Time)> = HashMap::new();
    for (n, account) in accounts.iter().enumerate() {
        for at in &account.due {
            happens.push(Reverse((*at, what.len())));
            what.push(What::Due(n, *at));
        }
    }
    while let Some(Reverse((now, at))) = happens.pop() {
        match &what[at] {
            What::Due(n, due) => {
                let id = PaymentId::from_bytes((at as u128).to_be_bytes());
                came.insert(id, (*n, *due));
                places.wait(&accounts[*n].lane, id);
            }
            What::Answered(lane) => places.leave(lane),
        }
        while let Some((lane, id)) = places.take() {
            let (n, due) = came.remove(&id).expect("each once");
            assert_eq!(lane, accounts[n].lane);
            waits[n].push(now - due);
            happens.push(Reverse((now + accounts[n].answers, what.len())));
            what.push(What::Answered(lane));
        }
    }
    assert!(came.is_empty(), "nothing is forgotten");
    let left = places
        .channels
        .values()
        .map(|line| line.busy + line.accounts.len() + line.turns.len());
    assert_eq!(left.sum::<usize>(), 0, "nothing stays of what is over");
    waits
}

fn most(waits: &[Time]) -> Time {
    waits.iter().copied().max().expect("some")
}

/// Asked for every five seconds, while six hundred looks at a channel that accepts and never answers are due at once.
#[test]
//= C60
fn a_dead_channel_delays_no_payment_code_of_another() {
    let polls: Vec<Time> = (0..12).map(|n| 100 + n * 5000).collect();
    let dead = account(Channel::Alipay, 1, false, 10_000, vec![0; 600]);
    let dead_codes = account(Channel::Alipay, 1, true, 10_000, vec![0; 600]);
    let till = account(Channel::Wechat, 2, true, 100, polls.clone());
    let same = account(Channel::Alipay, 3, true, 100, polls);
    let waits = waits(&[dead, dead_codes, till, same]);
    assert_eq!(waits[0].len(), 600, "the dead one's are looked at all the same");
    assert_eq!(most(&waits[2]), 0, "another channel's");
    assert_eq!(most(&waits[3]), 0, "another account's of the same channel");
}

/// What waits for its payer may be much, and is not urgent: an account's own payment codes do not stand behind it.
#[test]
//= C60
fn an_accounts_own_orders_delay_none_of_its_payment_codes() {
    let start = account(Channel::Wechat, 1, false, 100, vec![0; 10_000]);
    let till = account(Channel::Wechat, 1, true, 100, vec![50; SHARE]);
    assert_eq!(most(&waits(&[start, till])[1]), 0);
}

/// With so many dead accounts that all of a channel's places are taken, the others still have their turn as each look ends.
#[test]
fn accounts_of_one_channel_take_turns() {
    let mut all: Vec<Account> = (0..20)
        .map(|n| account(Channel::Wechat, n, false, 10_000, vec![0; 100]))
        .collect();
    all.push(account(Channel::Wechat, 99, false, 100, vec![1, 20_000, 40_000]));
    let waits = waits(&all);
    assert!(most(&waits[20]) <= 10_000, "{:?}: one round at most", waits[20]);
    assert_eq!(waits.iter().map(Vec::len).sum::<usize>(), 2003);
}
