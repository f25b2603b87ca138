//! What a bill's rows come to, held against what the bill says in sum. Rows are compared with our record one by one, so a sum
//! of another amount hides nothing: it is said, and the rows count. (Sums of another *number* of rows are no bill: a row may
//! be missing that our record does not have either.)
//!
//! No document says whether a sum counts what was reversed (`REVOKED`) or a refund that is not done. So a sum may be anything
//! from what surely counts to all of it.

use super::millifen;

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

    /// Whether it is what the bill says of a column; nothing is concluded from what is no amount, nor from nought, by which a
    /// file says that it does not add up.
    pub(super) fn agree(&self, at: usize, said: &str) -> bool {
        let said = millifen(said).map(i128::from).filter(|said| *said != 0);
        let (least, most) = (self.surely[at], self.surely[at] + self.perhaps[at]);
        said.is_none_or(|said| (least.min(most)..=least.max(most)).contains(&said))
    }
}
