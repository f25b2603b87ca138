//! UnionPay's files (channels.md 4.5): GBK, a fixed width in octets for each field, one space between two.

use super::{Bill, BillError, Row, alipay::gbk, number, trade_no};
use domain::{Amount, BillLine, Day, LineState, Movement, TradeNo};
use jiff::{civil::DateTime, tz::Offset};
use zeroize::Zeroizing;

/// A field: how many octets, and its name.
type Field = (usize, &'static str);

/// ZM: every transaction of the settlement day.
pub(super) const ALL: [Field; 42] = [
    (3, "交易代码"),
    (11, "代理机构标识码"),
    (11, "发送机构标识码"),
    (6, "系统跟踪号"),
    (10, "交易传输时间"),
    (19, "帐号"),
    (12, "交易金额"),
    (4, "商户类别"),
    (2, "终端类型"),
    (21, "查询流水号"),
    (2, "支付方式（旧）"),
    (32, "商户订单号"),
    (2, "支付卡类型"),
    (6, "原始交易的系统跟踪号"),
    (10, "原始交易日期时间"),
    (13, "商户手续费"),
    (13, "结算金额"),
    (4, "支付方式"),
    (15, "集团商户代码"),
    (2, "交易类型"),
    (2, "交易子类"),
    (6, "业务类型"),
    (2, "帐号类型"),
    (4, "账单类型"),
    (32, "账单号码"),
    (1, "交互方式"),
    (21, "原交易查询流水号"),
    (15, "商户代码"),
    (1, "分账入账方式"),
    (15, "二级商户代码"),
    (32, "二级商户简称"),
    (13, "二级商户分账入账金额"),
    (13, "清算净额"),
    (8, "终端号"),
    (32, "商户自定义域"),
    (13, "优惠金额"),
    (13, "发票金额"),
    (12, "分期付款附加手续费"),
    (2, "分期付款期数"),
    (1, "交易介质"),
    (32, "原始交易订单号"),
    (98, "保留使用"),
];

/// ZME: what went wrong and was corrected. The names of the later fields stand in no document that we have.
pub(super) const EXCEPTIONS: [Field; 22] = [
    (3, "交易代码"),
    (11, "代理机构标识码"),
    (11, "发送机构标识码"),
    (6, "系统跟踪号"),
    (10, "交易传输时间"),
    (19, "帐号"),
    (12, "交易金额"),
    (4, "商户类别"),
    (2, "终端类型"),
    (2, "10"),
    (6, "11"),
    (10, "12"),
    (4, "13"),
    (12, "14"),
    (13, "15"),
    (13, "16"),
    (15, "17"),
    (15, "18"),
    (1, "19"),
    (12, "20"),
    (2, "21"),
    (135, "22"),
];

pub(super) fn columns(fields: &[Field]) -> Vec<String> {
    fields.iter().map(|(_, name)| (*name).to_owned()).collect()
}

pub(super) fn row(bill: &mut Bill<'_>, fields: &[Field]) -> Result<bool, BillError> {
    loop {
        if !bill.lines.advance()? {
            return Ok(false);
        }
        if !bill.lines.octets().trim_ascii().is_empty() {
            break;
        }
    }
    let line = Zeroizing::new(bill.lines.octets().to_vec());
    let mut from = 0;
    for (at, (width, _)) in fields.iter().enumerate() {
        let last = at + 1 == fields.len();
        // Blanks at the end of a line may have been cut off; nothing else may.
        let octets = line
            .get(
                from.min(line.len())..if last {
                    line.len()
                } else {
                    (from + width).min(line.len())
                },
            )
            .unwrap_or_default();
        if last && octets.trim_ascii().len() > *width
            || !last && line.get(from + width).is_some_and(|b| *b != b' ')
        {
            return Err(bill.wrong("its fields do not stand where they must"));
        }
        let text = Zeroizing::new(
            gbk(octets)
                .ok_or_else(|| bill.wrong("not GBK"))?
                .trim()
                .to_owned(),
        );
        bill.put(at, &text);
        from += width + 1;
    }
    Ok(true)
}

/// A row of ZM. The transaction's type says what it is (channels.md 4.3); the file's name says which year.
pub(super) fn line(row: &Row<'_>) -> Result<Option<BillLine>, BillError> {
    let own = number(row.get("商户订单号"));
    let original = number(row.get("原始交易订单号"));
    let (movement, number, refund) = match row.get("交易类型") {
        "01" => (Movement::Payment, own, None),
        "04" => (Movement::Refund, original, own),
        "31" => (Movement::Reversal, original, own),
        _ => return Ok(None),
    };
    let fen: u64 = row
        .get("交易金额")
        .parse()
        .map_err(|_| row.wrong("交易金额 is not in fen"))?;
    let at = time(row.settled, row.get("交易传输时间"))
        .ok_or_else(|| row.wrong("交易传输时间 is no time, or the file's name no day"))?;
    let fee_millifen =
        fee(row.get("商户手续费")).ok_or_else(|| row.wrong("商户手续费 is neither C nor D and fen"))?;
    let trade_no = trade_no(row, row.get("查询流水号"))?;
    let original = TradeNo::new(row.get("原交易查询流水号"))
        .ok()
        .filter(|_| movement != Movement::Payment);
    Ok(Some(BillLine {
        movement,
        number,
        refund,
        trade_no,
        original,
        amount: Amount::from_fen(fen),
        fee_millifen,
        state: LineState::Done,
        at,
    }))
}

/// `D` is taken from the merchant, `C` given back; 12 digits of fen follow.
fn fee(text: &str) -> Option<i64> {
    let (sign, fen) = match text.split_at_checked(1)? {
        ("D", fen) => (1000, fen),
        ("C", fen) => (-1000, fen),
        _ => return None,
    };
    fen.parse::<u32>()
        .ok()
        .map(|fen| i64::from(fen) * sign)
        .or_else(|| fen.parse::<i64>().ok()?.checked_mul(sign))
}

/// The settlement day that a file's name carries behind its sender: `INN260101…`.
pub(super) fn settled(file: &str) -> Option<Day> {
    let digits = file
        .trim_start_matches(|c: char| c.is_ascii_alphabetic())
        .get(..6)?;
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Day::parse(&format!("20{}-{}-{}", &digits[..2], &digits[2..4], &digits[4..]))
}

/// `MMDDhhmmss`; what the file of an early month says of a late one was last year.
fn time(settled: Option<Day>, text: &str) -> Option<domain::Instant> {
    let named = settled?.to_string();
    let (year, month) = (
        named.get(..4)?.parse::<i16>().ok()?,
        named.get(5..7)?.parse::<i8>().ok()?,
    );
    if text.len() != 10 || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let pair = |at: usize| text[at..at + 2].parse::<i8>().ok();
    let year = if pair(0)? > month { year - 1 } else { year };
    let civil = DateTime::new(year, pair(0)?, pair(2)?, pair(4)?, pair(6)?, pair(8)?, 0).ok()?;
    Some(domain::Instant::from_millis(
        Offset::constant(8).to_timestamp(civil).ok()?.as_millisecond(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_says_its_day_and_times_lie_in_the_year_before_it() {
        let day = |text: &str| Day::parse(text);
        assert_eq!(settled("INN26010188ZM_777290058110048"), day("2026-01-01"));
        for name in [
            "INN26013288ZM_1",
            "INN2601",
            "INN26013é",
            "ZM_777290058110048",
            "",
            "INN",
        ] {
            assert_eq!(settled(name), None, "{name}");
        }
        let at = |text: &str| time(day("2026-01-01"), text).map(|at| at.to_string());
        assert_eq!(at("1231233000").as_deref(), Some("2025-12-31T23:30:00+08:00"));
        assert_eq!(at("0101225959").as_deref(), Some("2026-01-01T22:59:59+08:00"));
        assert_eq!(at("0230000000"), None);
        assert_eq!(time(None, "0101225959"), None);
    }
}
