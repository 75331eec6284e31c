//! How a sheet of a workbook looks, whatever it lists.

use rust_xlsxwriter::{Worksheet, XlsxError};

/// A4, as a workbook counts paper.
const A4: u8 = 9;

/// For reading and for paper: the header stays in sight and stands on each page, A4 across, all columns on it; two texts stand
/// above each page, `below` in the codes of the footer's own language under it.
pub(super) fn lay_out(sheet: &mut Worksheet, above: (&str, &str), below: &str) -> Result<(), XlsxError> {
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    sheet.set_paper_size(A4);
    sheet.set_landscape();
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_margins(0.4, 0.4, 0.7, 0.6, 0.3, 0.3);
    // An ampersand opens a code of the header's own language.
    let plain = |text: &str| text.replace('&', "&&");
    sheet.set_header(format!("&L{}&R{}", plain(above.0), plain(above.1)));
    sheet.set_footer(below);
    Ok(())
}
