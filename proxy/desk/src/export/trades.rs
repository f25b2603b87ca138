//! `trades.json` and `trades.csv`: every entry that a confirmed flag names, readable, with the proof that it stands in
//! the trades journal under the head that the package carries.

use super::{ExportError, contents::Item};
use crate::mirror_tree::Prover;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::*;
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

/// One entry that flags name.
#[derive(Serialize)]
pub(super) struct Trade {
    index: u64,
    flags: BTreeSet<u64>,
    merchant: Option<MerchantId>,
    #[serde(flatten)]
    columns: Columns,
    #[serde(flatten)]
    proven: Proven,
    /// The entry that began its attempt, where it is another one: it names order, account and payee.
    begun: Option<Begun>,
}

#[derive(Serialize)]
struct Begun {
    index: u64,
    #[serde(flatten)]
    proven: Proven,
}

#[derive(Serialize)]
struct Proven {
    leaf: String,
    proof: Vec<String>,
}

/// What a reviewer reads of an entry; all of it stands in the leaves.
#[derive(Default, Serialize)]
struct Columns {
    event: &'static str,
    time: Instant,
    order_no: Option<OrderNo>,
    number: Option<ChannelNo>,
    channel: Option<Channel>,
    amount: Option<Amount>,
    account: Option<AccountNo>,
    payee: Option<PayeeNo>,
    clause: Option<Clause>,
}

/// Every entry that the confirmed flags name, by index.
pub(super) fn collect(rows: &[&Item], prover: &mut Prover<'_>) -> Result<Vec<Trade>, ExportError> {
    let mut named: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for item in rows {
        for index in &item.flag.raised.trades {
            named.entry(*index).or_default().insert(item.number);
        }
    }
    named
        .into_iter()
        .map(|(index, flags)| trade(index, flags, prover))
        .collect::<io::Result<_>>()
        .map_err(|e| ExportError::File("trades.json".into(), e))
}

fn trade(index: u64, flags: BTreeSet<u64>, prover: &mut Prover<'_>) -> io::Result<Trade> {
    let (bytes, proof) = prover.prove(index)?;
    let entry = read(&bytes)?;
    let begun = begun(&entry, prover)?;
    let columns = Columns::of(&entry, begun.as_ref().map(|(_, begun)| &begun.event));
    let begun = match begun {
        Some((index, _)) => {
            let (bytes, proof) = prover.prove(index)?;
            let proven = Proven::of(&bytes, &proof);
            Some(Begun { index, proven })
        }
        None => None,
    };
    Ok(Trade {
        index,
        flags,
        merchant: entry.merchant,
        columns,
        proven: Proven::of(&bytes, &proof),
        begun,
    })
}

fn read(bytes: &[u8]) -> io::Result<TradeEntry> {
    TradeEntry::from_canonical(bytes).map_err(io::Error::other)
}

/// Back along the order's entries to the one that began the attempt; the latest attempt where the entry names none.
fn begun(entry: &TradeEntry, prover: &Prover<'_>) -> io::Result<Option<(u64, TradeEntry)>> {
    if matches!(entry.event, TradeEvent::AttemptIntended { .. }) {
        return Ok(None);
    }
    let wanted = attempt_of(&entry.event);
    let mut next = entry.prev;
    while let Some(index) = next {
        let earlier = read(&prover.entry(index)?)?;
        let is = matches!(&earlier.event, TradeEvent::AttemptIntended { attempt, .. } if wanted.is_none_or(|w| w == *attempt));
        if is {
            return Ok(Some((index, earlier)));
        }
        next = earlier.prev.filter(|prev| *prev < index);
    }
    Ok(None)
}

fn attempt_of(event: &TradeEvent) -> Option<u16> {
    match event {
        TradeEvent::AttemptPaid { attempt, .. }
        | TradeEvent::AttemptUnresolved { attempt }
        | TradeEvent::RefundIntended { attempt, .. }
        | TradeEvent::RefundHeld { attempt, .. } => Some(*attempt),
        _ => None,
    }
}

impl Proven {
    fn of(bytes: &[u8], proof: &[[u8; 32]]) -> Proven {
        Proven {
            leaf: STANDARD.encode(bytes),
            proof: proof.iter().map(|hash| STANDARD.encode(hash)).collect(),
        }
    }
}

impl Columns {
    fn of(entry: &TradeEntry, begun: Option<&TradeEvent>) -> Columns {
        let mut columns = Columns {
            event: entry.event.name(),
            time: entry.at,
            ..Columns::default()
        };
        begun.into_iter().for_each(|begun| columns.take(begun));
        columns.take(&entry.event);
        columns
    }

    fn take(&mut self, event: &TradeEvent) {
        use TradeEvent as E;
        match event.clone() {
            E::AttemptIntended {
                order_no,
                number,
                channel,
                amount,
                account,
                payee,
                ..
            } => {
                (self.order_no, self.number, self.channel) = (Some(order_no), Some(number), Some(channel));
                (self.amount, self.account, self.payee) = (Some(amount), Some(account), Some(payee));
            }
            E::AttemptPaid { facts, .. } => {
                (self.number, self.amount, self.time) =
                    (Some(facts.number), Some(facts.amount), facts.paid_at);
            }
            E::RefundIntended { amount, number, .. } | E::RefundHeld { amount, number, .. } => {
                (self.number, self.amount) = (Some(number), Some(amount));
            }
            E::Refused {
                amount,
                channel,
                clause,
                order_no,
                payee,
                ..
            } => {
                (self.amount, self.channel, self.order_no, self.payee) = (amount, channel, order_no, payee);
                self.clause = Some(clause);
            }
            E::Mismatched {
                account,
                channel,
                number,
                ..
            } => {
                (self.account, self.channel, self.number) = (Some(account), Some(channel), Some(number));
            }
            E::ForeignNotice {
                account,
                channel,
                number,
                ..
            } => {
                (self.account, self.channel, self.number) = (Some(account), Some(channel), number);
            }
            _ => {}
        }
    }
}

/// The same rows for spreadsheets, without the proofs.
pub(super) fn table(trades: &[Trade]) -> io::Result<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer.write_record([
        "index", "flags", "merchant", "event", "time", "order_no", "number", "channel", "amount", "account",
        "payee", "clause",
    ])?;
    for trade in trades {
        let flags: Vec<String> = trade.flags.iter().map(u64::to_string).collect();
        let c = &trade.columns;
        let cells = [
            trade.index.to_string(),
            flags.join(" "),
            cell(&trade.merchant),
            c.event.to_owned(),
            c.time.to_string(),
            cell(&c.order_no),
            cell(&c.number),
            c.channel
                .map_or(String::new(), |channel| channel.as_str().to_owned()),
            c.amount.map_or(String::new(), |amount| amount.fen().to_string()),
            cell(&c.account),
            cell(&c.payee),
            cell(&c.clause),
        ];
        writer.write_record(cells.map(unformula))?;
    }
    writer.into_inner().map_err(|e| io::Error::other(e.to_string()))
}

fn cell(value: &Option<impl ToString>) -> String {
    value.as_ref().map_or(String::new(), ToString::to_string)
}
