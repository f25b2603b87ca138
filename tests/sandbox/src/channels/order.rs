//! An order at any channel: what was asked, what the payer did, what went back.

use super::fault::{Channel, Operation};
use super::keys;
use domain::Instant;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What happened to the money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Unpaid,
    Paid,
    Closed,
}

/// Which of the channel's keys the merchant asked answers to be signed with; notices follow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyMode {
    /// WeChat's platform certificate, Alipay's certificate mode.
    Certificate,
    /// WeChat's public key, Alipay's public-key mode.
    PublicKey,
    /// WeChat's SM2 key (国密), known by the same id as its public key.
    Sm2,
}

/// A code or prepay id handed out for an order.
#[derive(Debug, Clone)]
pub(crate) struct Code {
    pub(crate) text: String,
    pub(crate) until: Instant,
}

/// One refund.
#[derive(Debug, Clone)]
pub(crate) struct Refund {
    /// The merchant's number.
    pub(crate) out_no: String,
    /// The channel's number.
    pub(crate) channel_no: String,
    pub(crate) fen: u64,
    pub(crate) asked: Value,
    pub(crate) created: Instant,
    pub(crate) done: Option<Instant>,
    pub(crate) notify_url: Option<String>,
}

/// A notice and what came of it.
#[derive(Debug, Clone)]
pub(crate) struct NoticeRecord {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) attempts: Vec<Value>,
}

/// One order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) channel: Channel,
    /// Index of the merchant.
    pub(crate) merchant: usize,
    pub(crate) out_trade_no: String,
    /// Who is paid under the merchant's number, where that is another (WeChat's partner mode).
    pub(crate) sub_mchid: Option<String>,
    /// The number of the group that it is paid with (WeChat's combined orders).
    pub(crate) combined: Option<String>,
    /// The channel's number: transaction_id, trade_no, queryId.
    pub(crate) channel_no: String,
    /// NATIVE, JSAPI, MWEB, APP; precreate, create, page, wap, app; qr, gateway, gateway_b2b, micropay, app.
    pub(crate) way: &'static str,
    pub(crate) fen: u64,
    /// Everything asked, to tell a repeat from a change.
    pub(crate) asked: Value,
    pub(crate) notify_url: Option<String>,
    pub(crate) key_mode: KeyMode,
    pub(crate) codes: Vec<Code>,
    pub(crate) state: State,
    /// Alipay knows a precreated order only from the first scan on.
    pub(crate) scanned: bool,
    pub(crate) payer: String,
    pub(crate) declined: u32,
    pub(crate) created: Instant,
    pub(crate) until: Instant,
    pub(crate) paid: Option<Instant>,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) calls: BTreeMap<String, u32>,
    pub(crate) notices: Vec<NoticeRecord>,
}

impl Order {
    /// Closes it if its time is up.
    pub(crate) fn age(&mut self, now: Instant) {
        if self.state == State::Unpaid && now >= self.until {
            self.state = State::Closed;
        }
    }

    /// Marks it paid by this payer, whatever it was before.
    pub(crate) fn pay(&mut self, payer: Option<String>, now: Instant) {
        self.state = State::Paid;
        self.scanned = true;
        self.paid = Some(now);
        if let Some(payer) = payer {
            self.payer = payer;
        }
    }

    /// Its payer's card is refused, and that is its end.
    pub(crate) fn refuse(&mut self) {
        self.declined += 1;
        self.state = State::Closed;
    }

    /// Fen refunded or being refunded.
    pub(crate) fn refunded(&self) -> u64 {
        self.refunds.iter().map(|r| r.fen).sum()
    }

    /// A refund by the merchant's number.
    pub(crate) fn refund(&self, out_no: &str) -> Option<&Refund> {
        self.refunds.iter().find(|r| r.out_no == out_no)
    }

    /// Hands out a code.
    pub(crate) fn hand_out(&mut self, text: String, until: Instant) -> String {
        self.codes.push(Code {
            text: text.clone(),
            until,
        });
        text
    }

    /// Counts a request about this order.
    pub(crate) fn count(&mut self, operation: Operation) {
        let name = serde_json::to_value(operation)
            .ok()
            .and_then(|v| v.as_str().map(str::to_owned));
        *self.calls.entry(name.unwrap_or_default()).or_default() += 1;
    }

    /// The record of a notice.
    pub(crate) fn notice(&mut self, id: &str) -> Option<&mut NoticeRecord> {
        self.notices.iter_mut().find(|n| n.id == id)
    }

    /// A payer's id of this channel: openid, 2088…, or a masked card number.
    pub(crate) fn random_payer(channel: Channel) -> String {
        match channel {
            Channel::Wechat => format!("o{}", keys::random_text(27)),
            Channel::Alipay => format!("2088{}", keys::random_digits(12)),
            Channel::Baidu => String::new(),
            Channel::Ccb => format!("6217{}", keys::random_digits(15)),
            Channel::Icbc => format!("6222{}", keys::random_digits(15)),
            Channel::Unionpay => format!("6226********{}", keys::random_digits(4)),
        }
    }

    /// What the control API tells about it; `state` is the channel's own word.
    pub(crate) fn shown(&self, state: &str, account: &str) -> Value {
        let refunds: Vec<Value> = self
            .refunds
            .iter()
            .map(|r| {
                let status = if r.done.is_some() { "SUCCESS" } else { "PROCESSING" };
                json!({"no": r.out_no, "channel_no": r.channel_no, "fen": r.fen, "status": status,
                    "created": r.created.to_string()})
            })
            .collect();
        let notices: Vec<Value> = self
            .notices
            .iter()
            .map(|n| json!({"id": n.id, "kind": n.kind, "status": n.status, "attempts": n.attempts}))
            .collect();
        json!({
            "channel": self.channel, "account": account, "out_trade_no": self.out_trade_no,
            "channel_no": self.channel_no, "way": self.way, "fen": self.fen, "state": state, "payer": self.payer,
            "scanned": self.scanned, "declined": self.declined, "created": self.created.to_string(),
            "paid": self.paid.map(|p| p.to_string()), "notify_url": self.notify_url,
            "sub_mchid": self.sub_mchid, "combined": self.combined,
            "codes": self.codes.iter().map(|c| &c.text).collect::<Vec<_>>(), "refunded_fen": self.refunded(),
            "refunds": refunds, "calls": self.calls, "notices": notices,
        })
    }
}
