//! `flags.csv` and `trades.csv` (RFC 4180) must say what their JSON files say.

use super::flags::{Row, texts};
use crate::finding::Report;
use serde_json::Value;

/// Which table, of which JSON file, and the column that tells its rows apart.
#[derive(Clone, Copy)]
pub(super) struct Sheet {
    pub(super) file: &'static str,
    pub(super) of: &'static str,
    pub(super) key: &'static str,
}

impl Sheet {
    /// The number of a row; 0 where it has none.
    fn number(self, row: &Row) -> u64 {
        row.get(self.key).and_then(Value::as_u64).unwrap_or(0)
    }

    /// What a row is called in findings.
    fn thing(self) -> &'static str {
        if self.key == "flag" { "flag" } else { "trade" }
    }
}

/// Compares the table with the rows, cell by cell, under the names in its header.
pub(super) fn check_table(bytes: &[u8], rows: &[Row], fields: &[&str], sheet: Sheet, report: &mut Report) {
    let parsed = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned());
    // Spreadsheet programs want a byte order mark; it says nothing.
    let parsed = parsed.and_then(|text| parse(text.strip_prefix('\u{feff}').unwrap_or(text)));
    let Some(mut lines) = report.keep(sheet.file, None, parsed).map(Vec::into_iter) else {
        return;
    };
    let Some(header) = lines.next() else {
        return report.find(sheet.file, None, "the header is missing");
    };
    if header.first().map(String::as_str) != Some(sheet.key) {
        report.find(sheet.file, None, format!("the first column is not {}", sheet.key));
    }
    for field in fields
        .iter()
        .filter(|field| !header.iter().any(|name| name == *field))
    {
        report.find(sheet.file, None, format!("the column {field} is missing"));
    }
    let lines: Vec<_> = lines.collect();
    for (n, line) in lines.iter().enumerate() {
        match rows
            .iter()
            .find(|row| line.first() == Some(&sheet.number(row).to_string()))
        {
            Some(row) => compare(&header, line, row, sheet, report),
            None => report.find(
                sheet.file,
                None,
                format!("row {} is of no {} in {}", n + 1, sheet.thing(), sheet.of),
            ),
        }
    }
    compare_order(&lines, rows, sheet, report);
}

fn compare(header: &[String], line: &[String], row: &Row, sheet: Sheet, report: &mut Report) {
    let number = Some(sheet.number(row));
    if line.len() != header.len() {
        let what = format!("the row has {} cells, the header {}", line.len(), header.len());
        report.find(sheet.file, number, what);
    }
    for (field, cell) in header.iter().zip(line) {
        let Some(value) = row.get(field) else {
            report.find(
                sheet.file,
                number,
                format!("the column {field} is not in {}", sheet.of),
            );
            continue;
        };
        if !texts(field, value).iter().any(|text| text == unguarded(cell)) {
            report.find(
                sheet.file,
                number,
                format!("{field} is {cell:?}, but {} says {value}", sheet.of),
            );
        }
    }
}

/// The same flags, each once.
fn compare_order(lines: &[Vec<String>], rows: &[Row], sheet: Sheet, report: &mut Report) {
    for number in rows.iter().map(|row| sheet.number(row)) {
        let count = lines
            .iter()
            .filter(|line| line.first() == Some(&number.to_string()))
            .count();
        if count != 1 {
            report.find(
                sheet.file,
                Some(number),
                format!("the {} has {count} rows, expected 1", sheet.thing()),
            );
        }
    }
}

/// Writers put an apostrophe before a cell that a spreadsheet would take for a formula.
fn unguarded(cell: &str) -> &str {
    cell.strip_prefix('\'')
        .filter(|rest| rest.starts_with(['=', '+', '-', '@']))
        .unwrap_or(cell)
}

/// Rows of cells by RFC 4180; both line ends are read.
fn parse(text: &str) -> Result<Vec<Vec<String>>, String> {
    let mut rows = Vec::new();
    let (mut row, mut cell, mut chars) = (Vec::new(), String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '"' if cell.is_empty() => quoted(&mut chars, &mut cell)?,
            '"' => return Err(format!("row {}: a quote stands within a cell", rows.len())),
            ',' => row.push(std::mem::take(&mut cell)),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            c => cell.push(c),
        }
    }
    if !cell.is_empty() || !row.is_empty() {
        row.push(cell);
        rows.push(row);
    }
    Ok(rows)
}

/// The rest of a quoted cell; a doubled quote is a quote.
fn quoted(chars: &mut std::iter::Peekable<std::str::Chars>, cell: &mut String) -> Result<(), String> {
    loop {
        match chars.next() {
            Some('"') if chars.next_if_eq(&'"').is_some() => cell.push('"'),
            Some('"') => break,
            Some(c) => cell.push(c),
            None => return Err("a quoted cell is not closed".to_owned()),
        }
    }
    match chars.peek() {
        None | Some(',' | '\n' | '\r') => Ok(()),
        Some(_) => Err("something follows a quoted cell".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_by_rfc_4180() {
        let read = parse("flag,why\r\n1,\"a, \"\"b\"\"\nc\"\r\n2,\n").expect("lawful");
        assert_eq!(
            read,
            [vec!["flag", "why"], vec!["1", "a, \"b\"\nc"], vec!["2", ""]]
        );
        assert!(parse("a,\"b").is_err() && parse("a\"b").is_err() && parse("\"a\"b").is_err());
    }
}
