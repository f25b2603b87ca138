//! Orders that are handed out without a call, at banks and the Baidu wallet: exact forms and facts, and more than ten
//! thousand hostile inputs for each. None of them pays, or seems to have paid, another account.

#[path = "handed_out/baidu.rs"]
mod baidu;
#[path = "handed_out/ccb.rs"]
mod ccb;
#[path = "handed_out/cmb.rs"]
mod cmb;
#[path = "handed_out/icbc.rs"]
mod icbc;

use channel::{Account, ComposeError, CreateFacts, Draft, Stamp};
use domain::*;
use vault::{Buyer, Text};

/// 2026-01-01T08:00:00+08:00.
const NOW: Instant = Instant::from_secs(1_767_225_600);
const NUMBER: &str = "20260101080000000001";

fn account(
    channel: Channel,
    account: &str,
    payee: &str,
    bank: Option<BankFacts>,
    notify_url: &str,
) -> Account {
    Account {
        channel,
        account: AccountNo::new(account).expect("an account's number"),
        payee: PayeeNo::new(payee).expect("a payee's number"),
        appid: None,
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        sign_method: SignMethod::default(),
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sha1: false,
        key_by_serial: false,
        bank,
        notify_url: notify_url.into(),
    }
}

/// A bank at which every uncertain point is taken for certain.
fn bank(channel: Channel) -> BankFacts {
    BankFacts {
        branch: None,
        absent_code: None,
        absent_refund_code: None,
        certificate: None,
        reference: None,
        listed: Vec::new(),
        business: false,
        unverified: Unverified::of(channel).to_vec(),
    }
}

fn stamp(at: Instant) -> Stamp {
    Stamp {
        at,
        begun: NOW,
        nonce: "n".into(),
    }
}

fn buyer(description: &str) -> Buyer {
    Buyer {
        description: Text::from(description),
        attach: Some(Text::from("never sent")),
        payer: None,
        client_ip: Some(Text::from("203.0.113.9")),
        device_id: None,
        detail: None,
        h5_type: None,
        return_url: None,
        quit_url: None,
    }
}

/// An order for 1,234.05 yuan that was begun at [`NOW`] and ends so many milliseconds later.
fn order(
    account: &Account,
    (number, pay_way, at, lasts): (&str, PayWay, Instant, i64),
    buyer: &Buyer,
) -> Result<Draft, ComposeError> {
    let number = ChannelNo::new(number).expect("a number");
    let facts = CreateFacts {
        number: &number,
        pay_way,
        amount: Amount::from_fen(123_405),
        expires: NOW.plus_millis(lasts),
        terminal: None,
        place: None,
        bank: None,
        product: None,
        code: Code {
            kind: CodeKind::Dynamic,
            level: CodeLevel::B,
        },
    };
    channel::hand_out(account, &stamp(at), &facts, buyer)
}

fn dice(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 33) as usize
}

/// One to five of the pieces.
fn text(pieces: &[&str], seed: &mut u64) -> String {
    (0..1 + dice(seed) % 5)
        .map(|_| pieces[dice(seed) % pieces.len()])
        .collect()
}
