//! A day asked for order by order, where the channel has no bill that is documented (the Baidu wallet, channels.md section 5):
//! what it answered, one line for each movement. We write it and read it like any other bill, so that a comparison that is
//! resumed has octets to tell whether the answers are still the same. Facts only, as in a [`BillLine`].

use super::{Bill, BillError, Row, number, trade_no};
use domain::{Amount, BillLine, Instant, LineState, Movement, Unanswered};
use std::io::Write as _;

/// None of the cells can have the character that divides them.
const COLUMNS: [&str; 7] = ["movement", "number", "refund", "trade_no", "fen", "state", "at"];
/// Begins the last line, which counts the others.
const END: &str = "end";
/// Begins a line about what was not answered: no movement.
const UNANSWERED: &str = "unanswered";

/// The day's file.
pub fn write(lines: &[BillLine], unanswered: &[Unanswered]) -> Vec<u8> {
    let mut out = Vec::with_capacity(128 * (lines.len() + 2));
    let _ = writeln!(out, "{}", COLUMNS.join("\t")); // memory takes everything
    for line in lines {
        let movement = match line.movement {
            Movement::Payment => "payment",
            Movement::Refund => "refund",
            Movement::Reversal => "reversal",
        };
        let state = match line.state {
            LineState::Done => "done",
            LineState::Pending => "pending",
            LineState::Failed => "failed",
        };
        let own = line.number.as_ref().map_or("", |no| no.as_str());
        let refund = line.refund.as_ref().map_or("", |no| no.as_str());
        let (trade_no, fen, at) = (line.trade_no.as_str(), line.amount.fen(), line.at.millis());
        let _ = writeln!(
            out,
            "{movement}\t{own}\t{refund}\t{trade_no}\t{fen}\t{state}\t{at}"
        );
    }
    for one in unanswered {
        let refund = one.refund.as_ref().map_or("", |no| no.as_str());
        // A code is a word of the channel's; what could be taken for another cell is none.
        let word = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
        let code = Some(&*one.code).filter(|code| !code.is_empty() && code.bytes().all(word));
        let (number, payment, code) = (one.number.as_str(), one.payment, code.unwrap_or("unclear"));
        let _ = writeln!(out, "{UNANSWERED}\t{number}\t{refund}\t{payment}\t\t{code}\t");
    }
    let _ = writeln!(out, "{END}\t{}", lines.len() + unanswered.len());
    out
}

pub(super) fn head(bill: &mut Bill<'_>) -> Result<(), BillError> {
    if !bill.lines.advance()? {
        return Err(BillError::NotWhole("it is empty"));
    }
    if bill.lines.octets() != COLUMNS.join("\t").as_bytes() {
        return Err(bill.wrong("the head is another one"));
    }
    bill.columns = COLUMNS.map(str::to_owned).to_vec();
    Ok(())
}

pub(super) fn row(bill: &mut Bill<'_>) -> Result<bool, BillError> {
    loop {
        match next(bill)? {
            Next::Row => return Ok(true),
            Next::End => return Ok(false),
            Next::Unanswered => {}
        }
    }
}

enum Next {
    Row,
    Unanswered,
    End,
}

fn next(bill: &mut Bill<'_>) -> Result<Next, BillError> {
    if !bill.lines.advance()? {
        return Err(BillError::NotWhole("the last line is missing"));
    }
    let text = std::str::from_utf8(bill.lines.octets()).map_err(|_| bill.wrong("not UTF-8"))?;
    let text = text.to_owned();
    let cells: Vec<&str> = text.split('\t').collect();
    if let [END, count] = cells[..] {
        return match count.parse::<u64>() {
            Ok(count) if count == bill.rows + bill.unanswered.len() as u64 && !bill.lines.advance()? => {
                Ok(Next::End)
            }
            _ => Err(BillError::NotWhole("its end counts another number of rows")),
        };
    }
    if cells.len() != COLUMNS.len() {
        return Err(bill.wrong("it has not as many cells as the head has columns"));
    }
    if let [UNANSWERED, own, refund, payment, "", code, ""] = cells[..] {
        let wrong = || bill.wrong("it says of nothing that it was not answered");
        let one = Unanswered {
            code: code.into(),
            number: number(own).ok_or_else(wrong)?,
            payment: payment.parse().map_err(|_| wrong())?,
            refund: number(refund),
        };
        bill.unanswered.push(one);
        return Ok(Next::Unanswered);
    }
    for (at, cell) in cells.into_iter().enumerate() {
        bill.put(at, cell);
    }
    Ok(Next::Row)
}

pub(super) fn line(row: &Row<'_>) -> Result<BillLine, BillError> {
    let movement = match row.at(0) {
        "payment" => Movement::Payment,
        "refund" => Movement::Refund,
        "reversal" => Movement::Reversal,
        _ => return Err(row.wrong("no such movement")),
    };
    let state = match row.at(5) {
        "done" => LineState::Done,
        "pending" => LineState::Pending,
        "failed" => LineState::Failed,
        _ => return Err(row.wrong("no such state")),
    };
    let fen: u64 = row.at(4).parse().map_err(|_| row.wrong("fen is no number"))?;
    let at: i64 = row.at(6).parse().map_err(|_| row.wrong("at is no number"))?;
    Ok(BillLine {
        movement,
        number: number(row.at(1)),
        refund: number(row.at(2)),
        trade_no: trade_no(row, row.at(3))?,
        original: None,
        amount: Amount::from_fen(fen),
        fee_millifen: 0,
        state,
        at: Instant::from_millis(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::Layout;
    use domain::{ChannelNo, PaymentId, TradeNo};

    fn two() -> Vec<BillLine> {
        let paid = BillLine {
            movement: Movement::Payment,
            number: ChannelNo::new("T1").ok(),
            refund: None,
            trade_no: TradeNo::new("2026010112345").expect("lawful"),
            original: None,
            amount: Amount::from_fen(1000),
            fee_millifen: 0,
            state: LineState::Done,
            at: Instant::from_millis(1_767_225_600_000),
        };
        let back = BillLine {
            movement: Movement::Refund,
            refund: ChannelNo::new("R1").ok(),
            state: LineState::Pending,
            ..paid.clone()
        };
        vec![paid, back]
    }

    #[test]
    fn what_is_written_is_read_and_a_part_of_it_is_not() {
        let open = |code: &str, refund: &str| Unanswered {
            code: code.into(),
            number: ChannelNo::new("T3").expect("lawful"),
            payment: PaymentId::from_bytes([5; 16]),
            refund: ChannelNo::new(refund).ok(),
        };
        let octets = write(&two(), &[open("5003", ""), open("a\tb\n", "R3")]);
        type All = (Vec<BillLine>, Vec<Unanswered>);
        let read = |octets: &[u8]| -> Result<All, BillError> {
            let mut bill = Bill::open(Layout::Queried, octets)?;
            let mut all = Vec::new();
            while let Some(line) = bill.line()? {
                all.push(line);
            }
            Ok((all, bill.unanswered().to_vec()))
        };
        let expected = vec![open("5003", ""), open("unclear", "R3")];
        assert_eq!(read(&octets).expect("whole"), (two(), expected));
        assert_eq!(read(&write(&[], &[])).expect("an empty day"), (vec![], vec![]));
        for end in 0..octets.len() - 1 {
            assert!(read(&octets[..end]).is_err(), "{end}");
        }
        let more = [&octets[..], b"payment\tT2\t\t2\t1\tdone\t0\n"].concat();
        assert!(read(&more).is_err());
    }
}
