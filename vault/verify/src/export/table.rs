//! `flags.csv` (RFC 4180) must say what `flags.json` says.

use super::flags::{Row, number, texts};
use crate::finding::Report;

/// Compares the table with the rows, cell by cell, under the names in its header.
pub(super) fn check_table(bytes: &[u8], rows: &[Row], fields: &[&str], report: &mut Report) {
    let parsed = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned());
    // Spreadsheet programs want a byte order mark; it says nothing.
    let parsed = parsed.and_then(|text| parse(text.strip_prefix('\u{feff}').unwrap_or(text)));
    let Some(mut lines) = report.keep("flags.csv", None, parsed).map(Vec::into_iter) else {
        return;
    };
    let Some(header) = lines.next() else {
        return report.find("flags.csv", None, "the header is missing");
    };
    if header.first().map(String::as_str) != Some("flag") {
        report.find("flags.csv", None, "the first column is not flag");
    }
    for field in fields
        .iter()
        .filter(|field| !header.iter().any(|name| name == *field))
    {
        report.find("flags.csv", None, format!("the column {field} is missing"));
    }
    let lines: Vec<_> = lines.collect();
    for (n, line) in lines.iter().enumerate() {
        match rows
            .iter()
            .find(|row| line.first() == Some(&number(row).to_string()))
        {
            Some(row) => compare(&header, line, row, report),
            None => report.find(
                "flags.csv",
                None,
                format!("row {} is of no flag in flags.json", n + 1),
            ),
        }
    }
    compare_order(&lines, rows, report);
}

fn compare(header: &[String], line: &[String], row: &Row, report: &mut Report) {
    let flag = Some(number(row));
    if line.len() != header.len() {
        let what = format!("the row has {} cells, the header {}", line.len(), header.len());
        report.find("flags.csv", flag, what);
    }
    for (field, cell) in header.iter().zip(line) {
        let Some(value) = row.get(field) else {
            report.find(
                "flags.csv",
                flag,
                format!("the column {field} is not in flags.json"),
            );
            continue;
        };
        if !texts(field, value).iter().any(|text| text == unguarded(cell)) {
            report.find(
                "flags.csv",
                flag,
                format!("{field} is {cell:?}, but flags.json says {value}"),
            );
        }
    }
}

/// The same flags, each once.
fn compare_order(lines: &[Vec<String>], rows: &[Row], report: &mut Report) {
    for flag in rows.iter().map(number) {
        let count = lines
            .iter()
            .filter(|line| line.first() == Some(&flag.to_string()))
            .count();
        if count != 1 {
            report.find(
                "flags.csv",
                Some(flag),
                format!("the flag has {count} rows, expected 1"),
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
