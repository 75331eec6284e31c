//! The workbook of a period's obligations, which goes to the Office and comes back filled in (`config::replies` reads it): a
//! row an obligation, a row an unsatisfied ticket.
//!
//! Pure: same view, same bytes. What is filled in is open for writing, all else is locked, though without a password. Of tickets
//! there are codes, units and fields. What people wrote as notes and reasons does not go out again. Every text is written as
//! text, whatever it begins with.

use chrono::{NaiveDate, NaiveTime};
use rust_xlsxwriter::{
    DataValidation, DocProperties, Format, FormatAlign, FormatBorder, ProtectionOptions, Workbook, Worksheet, XlsxError,
};

use super::annex::{clipped, excel};
use super::report::prose;
use super::{vietnamese, worksheet};
use crate::domain::Moment;
use crate::domain::obligation::{Exclusion, Id, PREFIX, State};

/// The register of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterView {
    pub hotline: String,
    /// `2021-08`.
    pub period: String,
    /// Number and date of the directive.
    pub directive: (String, NaiveDate),
    pub obligations: Vec<ObligationRow>,
    pub tickets: Vec<TicketRow>,
    /// Unsatisfied tickets that are not listed, since only heads of agencies may see them.
    pub sensitive: u64,
}

/// An obligation with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObligationRow {
    pub id: Id,
    pub unit: String,
    pub tickets: u64,
    pub settled: u64,
    /// «Trước ngày»; none for what is owed until it is closed.
    pub before: Option<NaiveDate>,
    pub state: State,
    /// Number and date of the document, and the day on which it reached the Office.
    pub reply: Option<(String, NaiveDate, NaiveDate)>,
}

/// An unsatisfied ticket with what is known of its exclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TicketRow {
    pub id: Id,
    pub code: String,
    pub unit: String,
    pub field: Option<String>,
    pub exclusion: Option<Exclusion>,
}

enum Cell {
    Text(String),
    Number(u64),
    Date(NaiveDate),
    /// To be filled in: with what is known, if anything.
    Open(Option<String>),
    OpenDate(Option<NaiveDate>),
}

/// Columns by header and width in characters.
const OBLIGATIONS: [(&str, f64); 13] = [
    ("Mã nghĩa vụ", 25.0),
    ("Đơn vị", 32.0),
    ("Nội dung", 24.0),
    ("Số phiếu", 8.0),
    ("Đã xử lý", 8.0),
    ("Báo cáo trước ngày", 12.0),
    ("Tình trạng", 15.0),
    ("Số văn bản", 20.0),
    ("Ngày văn bản", 12.0),
    ("Ngày đến", 12.0),
    ("Ghi chú", 24.0),
    ("Miễn báo cáo", 9.0),
    ("Lý do miễn", 24.0),
];
const TICKETS: [(&str, f64); 7] = [
    ("Mã nghĩa vụ", 25.0),
    ("Mã phiếu", 24.0),
    ("Đơn vị", 32.0),
    ("Lĩnh vực", 24.0),
    ("Đề xuất loại trừ", 10.0),
    ("Quyết định", 16.0),
    ("Lý do", 36.0),
];
const TICK: [&str; 1] = ["x"];
const EXCLUDED: &str = "loại trừ";
const REFUSED: &str = "không loại trừ";

/// In characters: a page.
const GUIDE_WIDTH: f64 = 80.0;
/// How it is filled in.
const GUIDE: [&str; 8] = [
    "Chỉ điền vào các ô nền vàng; không sửa cột “Mã nghĩa vụ” và “Mã phiếu”.",
    "Số văn bản, Ngày văn bản: ghi như trên văn bản báo cáo của đơn vị. Một văn bản trả lời nhiều nội dung thì ghi ở từng dòng.",
    "Ngày đến: ngày văn bản đến Văn phòng; việc đúng hạn hay trễ hạn được tính theo ngày này.",
    "Ngày ghi theo dạng ngày/tháng/năm, ví dụ 28/9/2021.",
    "Miễn báo cáo: ghi x và nêu lý do ở cột bên cạnh.",
    "Đề xuất loại trừ: đơn vị đề xuất thì ghi x và nêu lý do. Quyết định: Văn phòng ghi “loại trừ” hoặc “không loại trừ” và nêu lý do; \
     chưa quyết định thì phiếu vẫn được tính.",
    "Không ghi họ tên, số điện thoại, địa chỉ, số giấy tờ của người dân vào bất kỳ ô nào.",
    "Xóa trống một ô không rút lại nội dung đã ghi nhận trước đó.",
];

/// Writes the workbook.
///
/// # Errors
/// When the library refuses a cell.
pub fn write(view: &RegisterView, at: Moment) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let title = format!("Theo dõi thực hiện chỉ đạo, kỳ {}", view.period);
    // Else the library reads the clock.
    let created = rust_xlsxwriter::ExcelDateTime::from_timestamp(at.timestamp())?;
    book.set_properties(
        &DocProperties::new()
            .set_title(&title)
            .set_author(&view.hotline)
            .set_creation_datetime(&created),
    );
    let formats = Formats::new();
    let (number, date) = &view.directive;
    let cited = format!("Văn bản số {} ngày {}", clipped(number), vietnamese::official(*date));
    let above = (title.as_str(), cited.as_str());

    let rows: Vec<Vec<Cell>> = view.obligations.iter().map(obligation).collect();
    let sheet = book.add_worksheet();
    fill(sheet, "Nghĩa vụ", above, &OBLIGATIONS, &rows, &formats)?;
    choose(sheet, 11, rows.len(), &TICK)?;

    let rows: Vec<Vec<Cell>> = view.tickets.iter().map(ticket).collect();
    let sheet = book.add_worksheet();
    fill(sheet, "Phiếu chưa hài lòng", above, &TICKETS, &rows, &formats)?;
    choose(sheet, 4, rows.len(), &TICK)?;
    choose(sheet, 5, rows.len(), &[EXCLUDED, REFUSED])?;

    let sheet = book.add_worksheet();
    sheet.set_name("Hướng dẫn")?;
    sheet.set_column_width(0, GUIDE_WIDTH)?;
    sheet.set_paper_size(9);
    sheet.set_print_fit_to_pages(1, 0);
    let not_listed = format!(
        "{} phiếu chưa hài lòng thuộc diện hạn chế không liệt kê ở đây.",
        vietnamese::integer(i64::try_from(view.sensitive).unwrap_or(i64::MAX))
    );
    let more = (view.sensitive > 0).then_some(not_listed.as_str());
    for (row, line) in (0..).zip(GUIDE.into_iter().chain(more)) {
        worksheet::heighten(sheet, (row, worksheet::PLAIN), [(line, GUIDE_WIDTH)].into_iter())?;
        sheet.write_string_with_format(row, 0, line, &formats.guide)?;
    }
    book.save_to_buffer()
}

fn key(id: &Id) -> Cell {
    let code = id.code();
    Cell::Text(code.strip_prefix(PREFIX).unwrap_or(&code).to_owned())
}

fn obligation(row: &ObligationRow) -> Vec<Cell> {
    let kind = format!("{}) {}", row.id.kind.letter(), prose::kind(row.id.kind));
    let reply = row.reply.as_ref();
    vec![
        key(&row.id),
        Cell::Text(row.unit.clone()),
        Cell::Text(kind),
        Cell::Number(row.tickets),
        Cell::Number(row.settled),
        row.before.map_or(Cell::Text("thường xuyên".to_owned()), Cell::Date),
        Cell::Text(prose::state(row.state).to_owned()),
        Cell::Open(reply.map(|(number, ..)| number.clone())),
        Cell::OpenDate(reply.map(|(_, date, _)| *date)),
        Cell::OpenDate(reply.map(|(.., reached)| *reached)),
        Cell::Open(None),
        Cell::Open((row.state == State::Waived).then(|| TICK[0].to_owned())),
        Cell::Open(None),
    ]
}

fn ticket(row: &TicketRow) -> Vec<Cell> {
    let decision = match row.exclusion {
        Some(Exclusion::Excluded) => Some(EXCLUDED.to_owned()),
        Some(Exclusion::Refused) => Some(REFUSED.to_owned()),
        Some(Exclusion::Pending) | None => None,
    };
    vec![
        key(&row.id),
        Cell::Text(row.code.clone()),
        Cell::Text(row.unit.clone()),
        Cell::Text(row.field.clone().unwrap_or_else(|| "chưa phân loại".to_owned())),
        Cell::Open((row.exclusion == Some(Exclusion::Pending)).then(|| TICK[0].to_owned())),
        Cell::Open(decision),
        Cell::Open(None),
    ]
}

fn fill(
    sheet: &mut Worksheet,
    name: &str,
    above: (&str, &str),
    columns: &[(&str, f64)],
    rows: &[Vec<Cell>],
    formats: &Formats,
) -> Result<(), XlsxError> {
    sheet.set_name(name)?;
    worksheet::lay_out(sheet, above, "&RTrang &P/&N")?;
    for (column, (header, width)) in (0..).zip(columns) {
        sheet.set_column_width(column, *width)?;
        sheet.write_string_with_format(0, column, *header, &formats.header)?;
    }
    // What is wrapped is seen whole also where a program does not reckon the rows' heights itself.
    worksheet::heighten(sheet, (0, worksheet::BOLD), columns.iter().copied())?;
    let mut last = 0;
    for (row, cells) in (1..).zip(rows) {
        let texts = cells.iter().zip(columns).map(|(cell, (_, width))| match cell {
            Cell::Text(text) | Cell::Open(Some(text)) => (text.as_str(), *width),
            Cell::Number(_) | Cell::Date(_) | Cell::Open(None) | Cell::OpenDate(_) => ("", *width),
        });
        worksheet::heighten(sheet, (row, worksheet::PLAIN), texts)?;
        for (column, cell) in (0..).zip(cells) {
            formats.put(sheet, row, column, cell)?;
        }
        last = row;
    }
    let width = u16::try_from(columns.len()).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, last, width - 1)?;
    sheet.protect_with_options(&ProtectionOptions {
        format_columns: true,
        format_rows: true,
        use_autofilter: true,
        ..ProtectionOptions::default()
    });
    Ok(())
}

/// A list to choose from; anything else may be written, and is said when it is read.
fn choose(sheet: &mut Worksheet, column: u16, rows: usize, words: &[&str]) -> Result<(), XlsxError> {
    let last = u32::try_from(rows).unwrap_or(0);
    if last == 0 {
        return Ok(());
    }
    let list = DataValidation::new()
        .allow_list_strings(words)?
        .show_error_message(false);
    sheet.add_data_validation(1, column, last, column, &list)?;
    Ok(())
}

struct Formats {
    header: Format,
    text: Format,
    number: Format,
    date: Format,
    open: Format,
    open_date: Format,
    guide: Format,
}

impl Formats {
    fn new() -> Formats {
        let base = Format::new()
            .set_align(FormatAlign::Top)
            .set_text_wrap()
            .set_border(FormatBorder::Hair);
        let open = base.clone().set_unlocked().set_background_color("#FFF9DB");
        Formats {
            header: base
                .clone()
                .set_bold()
                .set_align(FormatAlign::VerticalCenter)
                .set_background_color("#E7E6E6")
                .set_border(FormatBorder::Thin),
            // `@`: a text stays one also when somebody edits the cell.
            text: base.clone().set_num_format("@"),
            number: base.clone().set_num_format("0"),
            date: base.clone().set_num_format("dd/mm/yyyy"),
            open: open.clone().set_num_format("@"),
            open_date: open.set_num_format("dd/mm/yyyy"),
            guide: Format::new().set_text_wrap().set_align(FormatAlign::Top),
        }
    }

    fn put(&self, sheet: &mut Worksheet, row: u32, column: u16, cell: &Cell) -> Result<(), XlsxError> {
        let day = |date: NaiveDate| excel(date, NaiveTime::MIN);
        match cell {
            Cell::Text(text) => sheet.write_string_with_format(row, column, clipped(text), &self.text)?,
            Cell::Number(n) => {
                let n = u32::try_from(*n).unwrap_or(u32::MAX);
                sheet.write_number_with_format(row, column, n, &self.number)?
            }
            Cell::Date(date) => sheet.write_datetime_with_format(row, column, day(*date)?, &self.date)?,
            Cell::Open(None) => sheet.write_blank(row, column, &self.open)?,
            Cell::Open(Some(text)) => sheet.write_string_with_format(row, column, clipped(text), &self.open)?,
            Cell::OpenDate(None) => sheet.write_blank(row, column, &self.open_date)?,
            Cell::OpenDate(Some(date)) => {
                sheet.write_datetime_with_format(row, column, day(*date)?, &self.open_date)?
            }
        };
        Ok(())
    }
}
