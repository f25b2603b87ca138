//! Text in a cell that people open with a spreadsheet.

/// The text, marked where a spreadsheet would take it for a formula.
pub fn unformula(cell: String) -> String {
    if cell.starts_with(['=', '+', '-', '@']) {
        format!("'{cell}")
    } else {
        cell
    }
}
