//! What is asked: from when, until when, by what. Errors say what is wrong and what would be right.

use domain::{Day, Instant};

pub(super) const HOUR_MS: i64 = 3_600_000;
/// Longest range of one question, in days.
pub const MOST_DAYS: i64 = 31;

/// What rows are told apart by.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum By {
    /// Hour, UTC+8.
    Hour,
    /// Natural day, UTC+8.
    Day,
    /// Agent 代理商 who brought the merchant when the order was intended; for the operator only.
    Agent,
    /// Merchant; for the operator only.
    Merchant,
    /// Channel.
    Channel,
    /// Way to pay.
    PayWay,
}

impl By {
    /// All of them, in the order of columns.
    pub const ALL: [By; 6] = [
        By::Hour,
        By::Day,
        By::Agent,
        By::Merchant,
        By::Channel,
        By::PayWay,
    ];

    /// Its name in questions, and of its column.
    pub const fn as_str(self) -> &'static str {
        match self {
            By::Hour => "hour",
            By::Day => "day",
            By::Agent => "agent",
            By::Merchant => "merchant",
            By::Channel => "channel",
            By::PayWay => "pay_way",
        }
    }
}

/// One question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ask {
    /// From this instant.
    pub from: Instant,
    /// Until before this one.
    pub to: Instant,
    /// In the order of columns, each once.
    pub by: Vec<By>,
}

impl Ask {
    /// Reads a question. Left out, it is about today. Without `merchants` rows are one merchant's.
    ///
    /// # Errors
    /// A sentence that names the part and what would be right, never its value.
    pub fn parse(
        from: Option<&str>,
        to: Option<&str>,
        by: Option<&str>,
        today: Day,
        merchants: bool,
    ) -> Result<Ask, String> {
        let from = from.map_or(Ok(today.start()), |text| instant("from", text))?;
        let next = Day::from_number(from.day().number().saturating_add(1)).start();
        let to = to.map_or(Ok(next), |text| instant("to", text))?;
        if to <= from {
            return Err("`to` must lie after `from`; it is the first hour that is not counted.".into());
        }
        if to.millis() - from.millis() > MOST_DAYS * 24 * HOUR_MS {
            return Err(format!(
                "The range may be {MOST_DAYS} days at most; ask for parts of it."
            ));
        }
        Ok(Ask {
            from,
            to,
            by: by_what(by.unwrap_or_default(), merchants)?,
        })
    }

    /// Is it in the range?
    pub fn holds(&self, at: Instant) -> bool {
        (self.from..self.to).contains(&at)
    }
}

/// `2026-11-23`, or `2026-11-23T14` for 14:00 UTC+8.
fn instant(name: &str, text: &str) -> Result<Instant, String> {
    let wrong = || format!("`{name}` must be a day (2026-11-23) or an hour of one (2026-11-23T14), UTC+8.");
    let (day, hour) = text
        .split_once('T')
        .map_or((text, None), |(day, hour)| (day, Some(hour)));
    let day = Day::parse(day).ok_or_else(wrong)?;
    let hour = match hour {
        None => 0,
        Some(text) if text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()) => {
            text.parse::<i64>().ok().filter(|h| *h < 24).ok_or_else(wrong)?
        }
        Some(_) => return Err(wrong()),
    };
    Ok(day.start().plus_millis(hour * HOUR_MS))
}

fn by_what(text: &str, merchants: bool) -> Result<Vec<By>, String> {
    let lawful: Vec<By> = By::ALL
        .into_iter()
        .filter(|by| merchants || !matches!(by, By::Agent | By::Merchant))
        .collect();
    let wrong = || {
        let names: Vec<&str> = lawful.iter().map(|by| by.as_str()).collect();
        format!(
            "`by` must be some of {}, each once, with commas between; hour or day, not both.",
            names.join(", ")
        )
    };
    let mut by = Vec::new();
    for name in text.split(',').filter(|_| !text.is_empty()) {
        let found = lawful
            .iter()
            .copied()
            .find(|by| by.as_str() == name)
            .filter(|found| !by.contains(found));
        by.push(found.ok_or_else(wrong)?);
    }
    if by.contains(&By::Hour) && by.contains(&By::Day) {
        return Err(wrong());
    }
    by.sort_unstable();
    Ok(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(from: Option<&str>, to: Option<&str>, by: Option<&str>) -> Result<Ask, String> {
        Ask::parse(from, to, by, Day::parse("2026-11-26").expect("a day"), false)
    }

    #[test]
    fn days_and_hours_are_taken_and_today_is_meant_where_nothing_is_said() {
        let said = |ask: Ask| (ask.from.to_string(), ask.to.to_string());
        let of = |from, to| said(ask(from, to, None).expect("lawful"));
        assert_eq!(
            of(None, None),
            (
                "2026-11-26T00:00:00+08:00".into(),
                "2026-11-27T00:00:00+08:00".into()
            )
        );
        assert_eq!(
            of(Some("2026-11-01"), None),
            (
                "2026-11-01T00:00:00+08:00".into(),
                "2026-11-02T00:00:00+08:00".into()
            )
        );
        assert_eq!(
            of(Some("2026-11-01T23"), Some("2026-11-02T01")),
            (
                "2026-11-01T23:00:00+08:00".into(),
                "2026-11-02T01:00:00+08:00".into()
            )
        );
        assert_eq!(
            ask(None, None, Some("pay_way,hour,channel")).expect("lawful").by,
            [By::Hour, By::Channel, By::PayWay]
        );
        assert_eq!(ask(None, None, Some("")).expect("lawful").by, []);
    }

    #[test]
    fn what_cannot_be_asked_is_said_with_what_would_be_right() {
        for day in [
            "2026-02-30",
            "2026-1-01",
            "20260101",
            "2026-01-01T24",
            "2026-01-01T1",
            "2026-01-01T-1",
            "2026-01-01T01:00",
            "",
            "+2026-01-1",
        ] {
            let error = ask(Some(day), None, None).expect_err(day);
            assert!(
                error.starts_with("`from` must be a day")
                    && (day.is_empty() || !error.contains(&format!("{day} "))),
                "{error}"
            );
        }
        assert!(
            ask(Some("2026-11-02"), Some("2026-11-02"), None)
                .expect_err("empty")
                .contains("after `from`")
        );
        assert!(ask(Some("2026-11-01"), Some("2026-12-02"), None).is_ok());
        assert!(
            ask(Some("2026-11-01"), Some("2026-12-02T01"), None)
                .expect_err("long")
                .contains("31 days")
        );
        for by in ["merchant", "agent", "hour,hour", "hour,day", "hour,", ",", "Hour"] {
            assert!(
                ask(None, None, Some(by))
                    .expect_err(by)
                    .contains("hour, day, channel, pay_way"),
                "{by}"
            );
        }
        assert_eq!(
            Ask::parse(None, None, Some("merchant,agent"), Day::from_number(0), true)
                .expect("lawful")
                .by,
            [By::Agent, By::Merchant]
        );
    }
}
