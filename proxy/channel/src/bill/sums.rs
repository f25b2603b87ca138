//! What a bill's rows come to, held against what the bill says in sum: a file that lost a row and got its count mended, or
//! whose cells were touched on the way, is no bill.
//!
//! No document says whether a sum counts what was reversed (`REVOKED`) or a refund that is not done. So a sum may be anything
//! from what surely counts to all of it.

use super::{BillError, millifen};

/// Columns whose sums are looked at, at most.
const COLUMNS: usize = 4;

/// Sums so far, in thousandths of a fen.
#[derive(Default)]
pub(super) struct Sums {
    surely: [i128; COLUMNS],
    perhaps: [i128; COLUMNS],
}

impl Sums {
    /// A row's cell. What is no amount is for the reader of the row to refuse.
    pub(super) fn add(&mut self, at: usize, text: &str, surely: bool) {
        let Some(amount) = millifen(text) else { return };
        let sums = if surely {
            &mut self.surely
        } else {
            &mut self.perhaps
        };
        sums[at] += i128::from(amount);
    }

    /// What the bill says of a column; nothing is concluded from what is no amount, nor from nought, by which a file says
    /// that it does not add up.
    pub(super) fn agree(&self, at: usize, said: &str) -> Result<(), BillError> {
        let said = millifen(said).map(i128::from).filter(|said| *said != 0);
        let Some(said) = said else { return Ok(()) };
        let (least, most) = (self.surely[at], self.surely[at] + self.perhaps[at]);
        if (least.min(most)..=least.max(most)).contains(&said) {
            Ok(())
        } else {
            Err(BillError::NotWhole("its sums are of other amounts than its rows"))
        }
    }
}
