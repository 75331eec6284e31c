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

/// How wide a letter is on average, measured by a digit: of titles, and of other texts.
pub(super) const BOLD: f64 = 1.1;
pub(super) const PLAIN: f64 = 0.9;

/// Makes a row as high as the longest of its texts needs in its column, which is so many digits wide.
pub(super) fn heighten<'a>(
    sheet: &mut Worksheet,
    (row, letter): (u32, f64),
    texts: impl Iterator<Item = (&'a str, f64)>,
) -> Result<(), XlsxError> {
    const LINE: f64 = 15.0;
    let lines = texts.map(|(text, width)| {
        let mut lines = 1.0;
        let mut taken = 0.0;
        for word in text.split_whitespace() {
            let room = f64::from(u32::try_from(word.chars().count()).unwrap_or(u32::MAX)) * letter;
            if taken > 0.0 && taken + 1.0 + room > width {
                lines += 1.0;
                taken = 0.0;
            }
            taken += room + if taken > 0.0 { 1.0 } else { 0.0 };
        }
        lines
    });
    let most = lines.fold(1.0, f64::max);
    if most > 1.0 {
        sheet.set_row_height(row, most * LINE)?;
    }
    Ok(())
}
