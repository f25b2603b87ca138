//! UnionPay's settlement file: a zip of text files of a fixed width, deflated once more and written in base64 (channels.md
//! 4.5).

use super::{Line, NoBill, alipay, counted, lines, plant};
use crate::channels::clock::now;
use crate::channels::fault::Channel;
use crate::channels::world::{Merchant, World};
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::Day;
use flate2::{Compression, write::ZlibEncoder};
use std::io::Write as _;

/// Octets of each field; one space between two.
const WIDTHS: [usize; 42] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32, 1, 21, 15, 1, 15,
    32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98,
];
/// The same of a line of ZME.
const EXCEPTION_WIDTHS: [usize; 22] = [
    3, 11, 11, 6, 10, 19, 12, 4, 2, 2, 6, 10, 4, 12, 13, 13, 15, 15, 1, 12, 2, 135,
];
/// Who sends the message for the merchant, and how the line is called by its kind.
const AGENT: &str = "00049992";

/// `fileContent` and `fileName` of the last day that `settleDate` (MMDD) names.
pub(crate) fn file(
    world: &World,
    number: usize,
    merchant: &Merchant,
    settle_date: &str,
) -> Result<(String, String), NoBill> {
    let day = last(settle_date).ok_or(NoBill::Date)?;
    let (all, corrected) = world.with(|book| {
        let all = lines(book, Channel::Unionpay, number, &day.to_string(), now())?;
        let corrected = plant::corrected(book, number, day, &all);
        Ok((all, corrected))
    })?;
    let (mer_id, date) = (&merchant.facts.unionpay.mer_id, day.to_string().replace('-', ""));
    let text: String = all.iter().map(|line| row(line, mer_id)).collect();
    let name = |kind: &str| format!("INN{}88{kind}_{mer_id}", &date[2..]);
    let corrected: String = corrected.iter().map(exception).collect();
    let files = [(name("ZM"), text), (name("ZME"), corrected)];
    let zip = alipay::pack(&files.map(|(name, text)| (alipay::gbk(&name), alipay::gbk(&text))));
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::default());
    let packed = packed
        .write_all(&zip)
        .and_then(|()| packed.finish())
        .unwrap_or_default();
    Ok((STANDARD.encode(packed), format!("{mer_id}_{date}.zip")))
}

/// The year is not said: it is the last such day that is over.
fn last(settle_date: &str) -> Option<Day> {
    if settle_date.len() != 4 || !settle_date.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let today = counted(Channel::Unionpay, now());
    let year: i32 = today.to_string().get(..4)?.parse().ok()?;
    let of = |year: i32| Day::parse(&format!("{year}-{}-{}", &settle_date[..2], &settle_date[2..]));
    [year, year - 1]
        .into_iter()
        .filter_map(of)
        .find(|day| *day < today)
}

/// One line of ZME. What stands behind its first nine fields no document says: they are left blank.
fn exception(line: &Line) -> String {
    let (time, query_id) = (
        digits(line),
        line.refund.as_ref().map_or(&line.trade_no, |(_, own)| own),
    );
    let mut cells = vec![String::new(); EXCEPTION_WIDTHS.len()];
    for (at, text) in [
        (1, "S22"),
        (2, AGENT),
        (3, AGENT),
        (4, query_id.get(14..20).unwrap_or_default()),
        (5, &time[4..]),
        (6, &line.payer),
        (7, &format!("{:012}", line.fen)),
        (8, "5811"),
        (9, "07"),
    ] {
        cells[at - 1] = text.to_owned();
    }
    padded(&cells, &EXCEPTION_WIDTHS)
}

fn digits(line: &Line) -> String {
    let all = line.at.to_string();
    all.chars().take(19).filter(char::is_ascii_digit).collect()
}

fn padded(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(text, width)| {
        let text: String = text.chars().take(*width).collect();
        format!("{text:<width$}")
    });
    padded.collect::<Vec<_>>().join(" ") + "\r\n"
}

/// One transaction. Its own number and UnionPay's come first; the payment that a way back belongs to is named by UnionPay's
/// number alone.
pub(super) fn row(line: &Line, mer_id: &str) -> String {
    let (code, kind, sub_kind) = match (&line.refund, line.undone) {
        (None, _) => {
            let sub_kind = match line.way {
                "qr" => "07",
                "micropay" => "06",
                _ => "01",
            };
            ("S22", "01", sub_kind)
        }
        (Some(_), true) => ("S31", "31", "00"),
        (Some(_), false) => ("S30", "04", "00"),
    };
    let fee = line.fen * 6 / 1000;
    let (taken, given) = if line.refund.is_some() {
        ("C", "D")
    } else {
        ("D", "C")
    };
    let time = digits(line);
    let (own, query_id, original) = match &line.refund {
        None => (line.out_trade_no.as_str(), line.trade_no.as_str(), ""),
        Some((own, query_id)) => (own.as_str(), query_id.as_str(), line.trade_no.as_str()),
    };
    let net = format!("{given}{:012}", line.fen.saturating_sub(fee));
    let trace = |number: &str| number.get(14..20).unwrap_or_default().to_owned();
    let mut cells = vec![String::new(); WIDTHS.len()];
    let mut put = |at: usize, text: &str| cells[at - 1] = text.to_owned();
    put(1, code);
    put(2, AGENT);
    put(3, AGENT);
    put(4, &trace(query_id));
    put(5, &time[4..]);
    put(6, &line.payer);
    put(7, &format!("{:012}", line.fen));
    put(8, "5811");
    put(9, "07");
    put(10, query_id);
    put(12, own);
    put(13, "01");
    put(14, &trace(original));
    put(16, &format!("{taken}{fee:012}"));
    put(17, &net);
    put(18, "0201");
    put(20, kind);
    put(21, sub_kind);
    put(
        22,
        if ["qr", "micropay"].contains(&line.way) {
            "000000"
        } else {
            "000201"
        },
    );
    put(27, original);
    put(28, mer_id);
    put(33, &net);
    put(34, &line.device);
    padded(&cells, &WIDTHS)
}
