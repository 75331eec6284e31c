//! The list of a long message as a workbook (`.xlsx`): one row a ticket, for sorting, filtering and printing.
//!
//! Pure: same view and instant, same bytes. It says what the lines of the mail say, and when each ticket was received. Every text is written
//! as text, whatever it begins with, so that nothing from a column of the source is ever computed; only web addresses
//! become links.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike};
use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Url, Workbook, Worksheet, XlsxError,
};

use super::view::{DeadlineView, EndedView, LineView, MessageView, SectionView};
use super::{is_web, language, vietnamese, worksheet};
use crate::domain::Moment;
use crate::domain::text::unaccented;
use crate::domain::wording::{Locale, Wording};

/// The media type of a workbook.
pub const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Most characters of a unit's name in a file name: what stands behind it has to be seen too.
const MOST_NAME: usize = 60;
/// Most characters of a text in a cell; far more than a sensible one has.
const MOST_TEXT: usize = 500;
/// Longest link that every spreadsheet program takes.
const MOST_LINK: usize = 2_000;
/// The columns: title in Vietnamese and in English, and width in characters.
const COLUMNS: [(&str, &str, f64); 16] = [
    ("STT", "No.", 5.0),
    ("Nội dung", "Subject", 24.0),
    ("Mã phiếu", "Ticket", 23.0),
    ("Lĩnh vực", "Field", 17.0),
    ("Cơ quan", "Agency", 24.0),
    ("Ngày tiếp nhận", "Received", 11.0),
    ("Hạn xử lý", "Deadline", 16.0),
    ("Hạn ban đầu", "First deadline", 11.0),
    ("Quá hạn (ngày làm việc)", "Overdue (working days)", 10.0),
    ("Tình trạng", "State", 20.0),
    ("Đang chờ", "Waits for", 16.0),
    ("Giai đoạn", "Stage", 16.0),
    ("Lần nhắc", "Reminder", 7.0),
    ("Đã nhắc ngày", "Reminded on", 12.0),
    ("Đơn vị, địa bàn", "Locality", 24.0),
    ("Ghi chú", "Notes", 34.0),
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
pub fn file_name(message: &MessageView, locale: Locale) -> String {
    let plain: String = unaccented(&message.unit_name)
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { ' ' })
        .collect();
    let unit: String = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let unit: String = unit.chars().take(MOST_NAME).collect();
    let title = unaccented(title(locale));
    format!("{title} - {} - {}.xlsx", unit.trim_end(), message.at.date())
}

/// One of two texts, Vietnamese and English.
fn either(locale: Locale, vi: &'static str, en: &'static str) -> &'static str {
    match locale {
        Locale::Vi => vi,
        Locale::En => en,
    }
}

fn title(locale: Locale) -> &'static str {
    either(locale, "Danh sách phiếu", "List of tickets")
}

/// The workbook of a message that is written at an instant.
///
/// # Errors
/// When the library refuses a cell, such as the row behind the last that a sheet can have.
pub fn write(message: &MessageView, wording: &Wording, at: Moment) -> Result<Vec<u8>, XlsxError> {
    let locale = wording.locale;
    let mut book = Workbook::new();
    // Else the library reads the clock, and the same message has other bytes a second later.
    let created = ExcelDateTime::from_timestamp(at.timestamp())?;
    book.set_properties(
        &DocProperties::new()
            .set_title(title(locale))
            .set_author(&message.hotline)
            .set_creation_datetime(&created),
    );
    let sheet = book.add_worksheet();
    sheet.set_name(title(locale))?;
    let date = language::date(locale, message.at.date());
    let reader = format!("{} – {date}", message.unit_name);
    let below = either(locale, "&RTrang &P/&N", "&RPage &P/&N");
    worksheet::lay_out(sheet, (&message.hotline, &reader), below)?;
    let formats = Formats::new();
    for (column, (vi, en, width)) in (0..).zip(COLUMNS) {
        sheet.set_column_width(column, width)?;
        sheet.write_string_with_format(0, column, either(locale, vi, en), &formats.header)?;
    }
    let lines = message
        .sections
        .iter()
        .flat_map(|s| s.lines.iter().map(move |l| (s, l)));
    let mut last = 0;
    for (row, (section, line)) in (1..).zip(lines) {
        for (column, cell) in (0..).zip(cells(message, wording, section, line, row)) {
            formats.put(sheet, row, column, &cell)?;
        }
        last = row;
    }
    let width = u16::try_from(COLUMNS.len()).unwrap_or(u16::MAX);
    sheet.autofilter(0, 0, last, width - 1)?;
    book.save_to_buffer()
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

fn cells(
    message: &MessageView,
    wording: &Wording,
    section: &SectionView,
    line: &LineView,
    number: u32,
) -> [Cell; COLUMNS.len()] {
    let locale = wording.locale;
    let label = |code: &str| {
        let name = wording.terms.name(code, locale, message.at.date());
        name.unwrap_or(code).to_owned()
    };
    let is_open = line.ended.is_none();
    let open = |text: Option<String>| text.filter(|_| is_open).map_or(Cell::Empty, Cell::Text);
    let date = |day: Option<NaiveDate>| day.map_or(Cell::Empty, Cell::Date);
    let title = match section.for_information {
        true => format!(
            "{} {}",
            section.rule_title,
            either(locale, "(để biết)", "(for information)")
        ),
        false => section.rule_title.clone(),
    };
    let agency = match (&line.agency_name, &line.unknown_agency_word) {
        (Some(name), _) => name.clone(),
        (None, Some(word)) => format!("{}: {word}", either(locale, "cơ quan ghi", "agency on the ticket")),
        (None, None) => message.unit_name.clone(),
    };
    [
        Cell::Number(number.into()),
        Cell::Text(title),
        code(line),
        Cell::Text(match (&line.duty, &line.field) {
            (Some(duty), _) => language::duty_title(locale, duty.kind).to_owned(),
            (None, Some(field)) => label(field),
            (None, None) => either(locale, "chưa phân loại", "not classified").to_owned(),
        }),
        Cell::Text(agency),
        Cell::Date(line.received_on),
        line.deadline.as_ref().map_or(Cell::Empty, deadline),
        date(line.first_deadline_differs),
        line.overdue_working_days
            .filter(|_| is_open)
            .map_or(Cell::Empty, |n| Cell::Number(n.into())),
        Cell::Text(state(line, locale)),
        open(line.waiting_on.clone()),
        open(line.stage.as_deref().map(label)),
        // An ending is no reminder.
        match is_open {
            true => Cell::Number(line.reminder.into()),
            false => Cell::Empty,
        },
        open(dates(&line.earlier, locale)),
        line.locality.clone().map_or(Cell::Empty, Cell::Text),
        Some(notes(line, locale))
            .filter(|n| !n.is_empty())
            .map_or(Cell::Empty, Cell::Text),
    ]
}

fn code(line: &LineView) -> Cell {
    match &line.url {
        Some(url) if is_web(url) && url.len() <= MOST_LINK => Cell::Link(line.shown_code().to_owned(), url.clone()),
        _ => Cell::Text(line.shown_code().to_owned()),
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

fn state(line: &LineView, locale: Locale) -> String {
    let is_duty = line.duty.is_some();
    let said = match &line.ended {
        None if is_duty => either(locale, "chưa ghi nhận báo cáo", "no reply recorded"),
        Some(EndedView::Done) if is_duty => either(locale, "đã ghi nhận báo cáo", "reply recorded"),
        Some(EndedView::Void) if is_duty => either(locale, "không phải báo cáo", "no reply needed"),
        None => language::status(locale, &line.status),
        Some(EndedView::Done) => either(locale, "đã xử lý xong", "settled"),
        Some(EndedView::Rejected) => either(locale, "đã từ chối tiếp nhận", "not taken up"),
        Some(EndedView::Void) => either(locale, "trùng hoặc hủy", "duplicate or withdrawn"),
        Some(EndedView::Transferred) => either(locale, "đã chuyển cơ quan khác", "given to another agency"),
        Some(EndedView::Extended { to: None }) => either(locale, "được gia hạn", "extended"),
        Some(EndedView::Extended { to: Some(day) }) => {
            let words = either(locale, "được gia hạn đến", "extended to");
            return format!("{words} {}", language::date(locale, *day));
        }
    };
    said.to_owned()
}

fn dates(days: &[NaiveDate], locale: Locale) -> Option<String> {
    let days: Vec<String> = days.iter().map(|day| language::date(locale, *day)).collect();
    Some(days.join(", ")).filter(|text| !text.is_empty())
}

fn notes(line: &LineView, locale: Locale) -> String {
    let mut notes: Vec<String> = line.title.iter().map(|title| format!("“{title}”")).collect();
    if line.deadline.as_ref().is_some_and(|d| d.provisional) {
        let note = either(locale, "hạn theo lịch tạm tính", "deadline by a provisional calendar");
        notes.push(note.to_owned());
    }
    if line.proposed_by.is_some() {
        let note = either(locale, "lĩnh vực do hệ thống đề xuất", "field proposed by the system");
        notes.push(note.to_owned());
    }
    if line.transfers > 0 {
        let (times, age) = (line.transfers, line.age_working_days);
        notes.push(match locale {
            Locale::Vi => format!(
                "đã chuyển {times} lần, tổng {} ngày làm việc",
                vietnamese::integer(age.into())
            ),
            Locale::En => format!("transfers: {times}, working days in all: {age}"),
        });
    }
    if line.needs_assignment {
        let note = either(locale, "cần phân công lại", "to be assigned anew");
        notes.push(note.to_owned());
    }
    if line.reopened > 0 {
        let words = either(locale, "xử lý lại lần", "times reopened:");
        notes.push(format!("{words} {}", line.reopened));
    }
    if !line.rules.is_empty() {
        let words = either(locale, "đồng thời", "also");
        notes.push(format!("{words}: {}", line.rules.join("; ")));
    }
    notes.join("; ")
}

pub(super) fn clipped(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

/// Counts of tickets and days are far below the 2^52 from which a spreadsheet's numbers lose units.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn exact(n: i64) -> f64 {
    n as f64
}

/// A time of a day as spreadsheets count it; the library refuses days outside the years 1900 to 9999.
pub(super) fn excel(day: NaiveDate, time: NaiveTime) -> Result<ExcelDateTime, XlsxError> {
    let small = |n: u32| u8::try_from(n).unwrap_or(u8::MAX);
    let year = u16::try_from(day.year()).unwrap_or(0);
    let hour = u16::try_from(time.hour()).unwrap_or(u16::MAX);
    ExcelDateTime::from_ymd(year, small(day.month()), small(day.day()))?.and_hms(hour, small(time.minute()), 0)
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn sample() -> MessageView {
        samples::of("overdue-1").remove(2)
    }

    #[test]
    fn the_same_message_makes_the_same_bytes_whenever_it_is_written() {
        let at = "2021-09-15T01:00:00Z".parse().expect("an instant");
        let first = write(&sample(), &Wording::default(), at).expect("a workbook");
        for _ in 0..20 {
            assert_eq!(write(&sample(), &Wording::default(), at).expect("a workbook"), first);
        }
    }

    #[test]
    fn a_file_name_is_ascii_whatever_the_unit_is_called() {
        let named = |unit: &str| {
            let message = MessageView {
                unit_name: unit.to_owned(),
                ..sample()
            };
            file_name(&message, Locale::Vi)
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
        let mut message = sample();
        message.sections[0].lines[0].received_on = NaiveDate::from_ymd_opt(1600, 1, 1).expect("a date");
        assert!(write(&message, &Wording::default(), Moment::UNIX_EPOCH).is_err());
    }
}
