//! Lines of a stream, one at a time, under limits.

use super::BillError;
use std::io::{self, BufRead};
use zeroize::Zeroizing;

/// Longest line. The longest that a channel's columns add up to is under 4 KiB.
const MOST_LINE: usize = 64 << 10;
/// Most octets of a bill, unpacked: a small packing that never ends is no bill.
pub(super) const MOST_OCTETS: u64 = 4 << 30;

/// A stream of lines.
pub(super) struct Lines<'a> {
    reader: Box<dyn BufRead + Send + 'a>,
    line: Zeroizing<Vec<u8>>,
    number: u64,
    octets: u64,
}

impl<'a> Lines<'a> {
    pub(super) fn new(reader: Box<dyn BufRead + Send + 'a>) -> Lines<'a> {
        Lines {
            reader,
            line: Zeroizing::new(Vec::with_capacity(1024)),
            number: 0,
            octets: 0,
        }
    }

    /// Number of the last line, from 1.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Takes the next line, without its end; false where there is none.
    pub(super) fn advance(&mut self) -> Result<bool, BillError> {
        self.line.clear();
        loop {
            let part = self.reader.fill_buf().map_err(broken)?;
            if part.is_empty() {
                break;
            }
            let end = part.iter().position(|b| *b == b'\n');
            let taken = end.map_or(part.len(), |end| end + 1);
            self.line.extend_from_slice(&part[..end.unwrap_or(taken)]);
            self.octets += taken as u64;
            self.reader.consume(taken);
            if self.line.len() > MOST_LINE {
                return Err(BillError::TooLarge("a line is longer than 64 KiB"));
            }
            if self.octets > MOST_OCTETS {
                return Err(BillError::TooLarge("it has more than 4 GiB unpacked"));
            }
            if end.is_some() {
                return Ok(self.found());
            }
        }
        if self.line.is_empty() {
            Ok(false)
        } else {
            Ok(self.found())
        }
    }

    fn found(&mut self) -> bool {
        self.number += 1;
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        true
    }

    /// The line as it stands.
    pub(super) fn octets(&self) -> &[u8] {
        &self.line
    }
}

pub(super) fn broken(error: io::Error) -> BillError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BillError::NotWhole("the packing ends too soon"),
        io::ErrorKind::InvalidData => BillError::Packing("its checksum is wrong"),
        _ => BillError::Packing("it is damaged"),
    }
}
