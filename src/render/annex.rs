//! The list of a long message as a workbook (`.xlsx`): one row a ticket, for sorting, filtering and printing.
//!
//! Pure: same view and instant, same bytes. It says what the mail's own tables say and no more. Every text is written
//! as text, whatever it begins with, so that nothing from a column of the source is ever computed; only web addresses
//! become links.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Url, Workbook, Worksheet, XlsxError,
};

use super::view::{DeadlineView, EndedView, LineView, MessageView, SectionView};
use super::{is_web, vietnamese};
use crate::domain::Moment;
use crate::domain::text::unaccented;

/// The media type of a workbook.
pub const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Most characters of a unit's name in a file name: what stands behind it has to be seen too.
const MOST_NAME: usize = 60;
/// Most characters of a text in a cell; far more than a sensible one has.
const MOST_TEXT: usize = 500;
/// Longest link that every spreadsheet program takes.
const MOST_LINK: usize = 2_000;
/// What Excel calls A4.
const A4: u8 = 9;

/// The columns: title, and width in characters.
const COLUMNS: [(&str, f64); 15] = [
    ("STT", 5.0),
    ("Nội dung", 24.0),
    ("Mã phiếu", 23.0),
    ("Lĩnh vực", 17.0),
    ("Cơ quan", 24.0),
    ("Ngày tiếp nhận", 11.0),
    ("Hạn xử lý", 16.0),
    ("Hạn ban đầu", 11.0),
    ("Quá hạn (ngày làm việc)", 10.0),
    ("Tình trạng", 20.0),
    ("Đang chờ", 16.0),
    ("Giai đoạn", 16.0),
    ("Lần nhắc", 7.0),
    ("Đã nhắc ngày", 12.0),
    ("Ghi chú", 34.0),
];

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Empty,
    Text(String),
    /// A text that leads to a web address.
    Link(String, String),
    Number(i64),
    Date(NaiveDate),
    /// A day and a time of it.
    Time(NaiveDate, NaiveTime),
}

/// A message's file name: ASCII only, since old mail programs show nothing else right.
#[must_use]
pub fn file_name(message: &MessageView) -> String {
    let plain: String = unaccented(&message.unit_name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    let unit: String = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let unit: String = unit.chars().take(MOST_NAME).collect();
    format!("Danh sach phieu - {} - {}.xlsx", unit.trim_end(), message.at.date())
}

/// The workbook of a message that is written at an instant.
///
/// # Errors
/// When the library refuses a cell, such as the row behind the last that a sheet can have.
pub fn write(message: &MessageView, at: Moment) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // Else the library reads the clock, and the same message has other bytes a second later.
    let created = ExcelDateTime::from_timestamp(at.timestamp())?;
    book.set_properties(
        &DocProperties::new()
            .set_title("Danh sách phiếu")
            .set_author(&message.hotline)
            .set_creation_datetime(&created),
    );
    let sheet = book.add_worksheet();
    sheet.set_name("Danh sách phiếu")?;
    lay_out(sheet, message)?;
    let formats = Formats::new();
    for (column, (title, width)) in (0..).zip(COLUMNS) {
        sheet.set_column_width(column, width)?;
        sheet.write_string_with_format(0, column, title, &formats.header)?;
    }
    let lines = message
        .sections
        .iter()
        .flat_map(|s| s.lines.iter().map(move |l| (s, l)));
    let mut last = 0;
    for (row, (section, line)) in (1..).zip(lines) {
        for (column, cell) in (0..).zip(cells(message, section, line, row)) {
            formats.put(sheet, row, column, &cell)?;
        }
        last = row;
    }
    let width = u16::try_from(COLUMNS.len()).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, last, width - 1)?;
    book.save_to_buffer()
}

/// For reading and for paper: the header stays in sight and stands on each page, A4 across, all columns on it.
fn lay_out(sheet: &mut Worksheet, message: &MessageView) -> Result<(), XlsxError> {
    sheet.set_freeze_panes(1, 0)?;
    sheet.set_repeat_rows(0, 0)?;
    sheet.set_paper_size(A4);
    sheet.set_landscape();
    sheet.set_print_fit_to_pages(1, 0);
    sheet.set_margins(0.4, 0.4, 0.7, 0.6, 0.3, 0.3);
    // An ampersand opens a code of the header's own language.
    let plain = |text: &str| text.replace('&', "&&");
    sheet.set_header(format!(
        "&L{}&R{}",
        plain(&message.hotline),
        plain(&format!(
            "{} – {}",
            message.unit_name,
            vietnamese::date(message.at.date())
        ))
    ));
    sheet.set_footer("&RTrang &P/&N");
    Ok(())
}

struct Formats {
    header: Format,
    text: Format,
    link: Format,
    number: Format,
    date: Format,
    time: Format,
}

impl Formats {
    fn new() -> Formats {
        let base = Format::new()
            .set_align(FormatAlign::Top)
            .set_text_wrap()
            .set_border(FormatBorder::Hair);
        // `@`: a text stays one also when somebody edits the cell.
        let text = base.clone().set_num_format("@");
        Formats {
            header: base
                .clone()
                .set_bold()
                .set_align(FormatAlign::VerticalCenter)
                .set_background_color("#E7E6E6")
                .set_border(FormatBorder::Thin),
            link: text
                .clone()
                .set_font_color("#0563C1")
                .set_underline(rust_xlsxwriter::FormatUnderline::Single),
            text,
            number: base.clone().set_num_format("0"),
            date: base.clone().set_num_format("dd/mm/yyyy"),
            time: base.set_num_format("hh:mm dd/mm/yyyy"),
        }
    }

    fn put(&self, sheet: &mut Worksheet, row: u32, column: u16, cell: &Cell) -> Result<(), XlsxError> {
        match cell {
            Cell::Empty => sheet.write_blank(row, column, &self.text)?,
            Cell::Text(text) => sheet.write_string_with_format(row, column, clipped(text), &self.text)?,
            Cell::Link(text, url) => {
                sheet.write_url_with_options(row, column, Url::new(url), clipped(text), "", Some(&self.link))?
            }
            Cell::Number(n) => sheet.write_number_with_format(row, column, exact(*n), &self.number)?,
            Cell::Date(day) => {
                sheet.write_datetime_with_format(row, column, excel(*day, NaiveTime::MIN)?, &self.date)?
            }
            Cell::Time(day, time) => sheet.write_datetime_with_format(row, column, excel(*day, *time)?, &self.time)?,
        };
        Ok(())
    }
}

fn cells(message: &MessageView, section: &SectionView, line: &LineView, number: u32) -> [Cell; COLUMNS.len()] {
    let is_open = line.ended.is_none();
    let open = |text: Option<String>| text.filter(|_| is_open).map_or(Cell::Empty, Cell::Text);
    let date = |day: Option<NaiveDate>| day.map_or(Cell::Empty, Cell::Date);
    let title = match section.for_information {
        true => format!("{} (để biết)", section.rule_title),
        false => section.rule_title.clone(),
    };
    let agency = match (&line.agency_name, &line.unknown_agency_word) {
        (Some(name), _) => name.clone(),
        (None, Some(word)) => format!("cơ quan ghi: {word}"),
        (None, None) => message.unit_name.clone(),
    };
    [
        Cell::Number(number.into()),
        Cell::Text(title),
        code(line),
        Cell::Text(
            line.field
                .as_deref()
                .map_or("chưa phân loại", vietnamese::label)
                .to_owned(),
        ),
        Cell::Text(agency),
        Cell::Date(line.received_on),
        line.deadline.as_ref().map_or(Cell::Empty, deadline),
        date(line.first_deadline_differs),
        line.overdue_working_days
            .filter(|_| is_open)
            .map_or(Cell::Empty, |n| Cell::Number(n.into())),
        Cell::Text(state(line)),
        open(line.waiting_on.clone()),
        open(line.stage.as_deref().map(|s| vietnamese::label(s).to_owned())),
        // An ending is no reminder.
        match is_open {
            true => Cell::Number(line.reminder.into()),
            false => Cell::Empty,
        },
        open(dates(&line.earlier)),
        Some(notes(line))
            .filter(|n| !n.is_empty())
            .map_or(Cell::Empty, Cell::Text),
    ]
}

fn code(line: &LineView) -> Cell {
    match &line.url {
        Some(url) if is_web(url) && url.len() <= MOST_LINK => Cell::Link(line.code.clone(), url.clone()),
        _ => Cell::Text(line.code.clone()),
    }
}

/// As letters show it: midnight is the end of the day before.
fn deadline(deadline: &DeadlineView) -> Cell {
    match (deadline.time, deadline.day.pred_opt()) {
        (Some(NaiveTime::MIN), Some(before)) => Cell::Date(before),
        (Some(time), _) => Cell::Time(deadline.day, time),
        (None, _) => Cell::Date(deadline.day),
    }
}

fn state(line: &LineView) -> String {
    match &line.ended {
        None => vietnamese::status(&line.status).to_owned(),
        Some(EndedView::Done) => "đã xử lý xong".to_owned(),
        Some(EndedView::Rejected) => "đã từ chối tiếp nhận".to_owned(),
        Some(EndedView::Void) => "trùng hoặc hủy".to_owned(),
        Some(EndedView::Transferred) => "đã chuyển cơ quan khác".to_owned(),
        Some(EndedView::Extended { to: None }) => "được gia hạn".to_owned(),
        Some(EndedView::Extended { to: Some(day) }) => format!("được gia hạn đến {}", vietnamese::date(*day)),
    }
}

fn dates(days: &[NaiveDate]) -> Option<String> {
    let days: Vec<String> = days.iter().map(|day| vietnamese::date(*day)).collect();
    Some(days.join(", ")).filter(|text| !text.is_empty())
}

fn notes(line: &LineView) -> String {
    let mut notes = Vec::new();
    if line.deadline.as_ref().is_some_and(|d| d.provisional) {
        notes.push("hạn theo lịch tạm tính".to_owned());
    }
    if line.proposed_by.is_some() {
        notes.push("lĩnh vực do hệ thống đề xuất".to_owned());
    }
    if line.transfers > 0 {
        let age = vietnamese::integer(line.age_working_days.into());
        notes.push(format!("đã chuyển {} lần, tổng {age} ngày làm việc", line.transfers));
    }
    if line.reopened > 0 {
        notes.push(format!("xử lý lại lần {}", line.reopened));
    }
    if !line.rules.is_empty() {
        notes.push(format!("đồng thời: {}", line.rules.join("; ")));
    }
    notes.join("; ")
}

fn clipped(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

/// Counts of tickets and days are far below the 2^52 from which a spreadsheet's numbers lose units.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn exact(n: i64) -> f64 {
    n as f64
}

/// A time of a day as spreadsheets count it; the library refuses days outside the years 1900 to 9999.
fn excel(day: NaiveDate, time: NaiveTime) -> Result<ExcelDateTime, XlsxError> {
    let small = |n: u32| u8::try_from(n).unwrap_or(u8::MAX);
    let year = u16::try_from(day.year()).unwrap_or(0);
    let hour = u16::try_from(time.hour()).unwrap_or(u16::MAX);
    ExcelDateTime::from_ymd(year, small(day.month()), small(day.day()))?.and_hms(hour, small(time.minute()), 0)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn the_same_message_makes_the_same_bytes_whenever_it_is_written() {
        let at = "2021-09-15T01:00:00Z".parse().expect("an instant");
        let first = write(&sample("overdue-1"), at).expect("a workbook");
        for _ in 0..20 {
            assert_eq!(write(&sample("overdue-1"), at).expect("a workbook"), first);
        }
    }

    #[test]
    fn a_file_name_is_ascii_whatever_the_unit_is_called() {
        let named = |unit: &str| {
            file_name(&MessageView {
                unit_name: unit.to_owned(),
                ..sample("overdue-1")
            })
        };
        for (unit, name) in [
            ("Sở Y tế", "Danh sach phieu - So Y te - 2021-09-15.xlsx"),
            (
                "Ủy ban nhân dân huyện Đức “Hòa” / ..\\x\r\n",
                "Danh sach phieu - Uy ban nhan dan huyen Duc Hoa x - 2021-09-15.xlsx",
            ),
            (
                &"Đ".repeat(100),
                &format!("Danh sach phieu - {} - 2021-09-15.xlsx", "D".repeat(60)),
            ),
        ] {
            assert_eq!(named(unit), name);
        }
    }

    #[test]
    fn what_no_spreadsheet_can_hold_is_an_error() {
        let mut message = sample("overdue-1");
        message.sections[0].lines[0].received_on = NaiveDate::from_ymd_opt(1600, 1, 1).expect("a date");
        assert!(write(&message, Moment::UNIX_EPOCH).is_err());
    }
}
