//! The figures as a workbook: what is summed is a formula with its result, numbers are numbers, dates are dates, and every
//! text is written as text, whatever it begins with.

use rust_xlsxwriter::{
    DocProperties, ExcelDateTime, Format, FormatAlign, FormatBorder, Formula, Workbook, Worksheet, XlsxError,
};

use super::prose;
use super::view::{BalanceRow, ReportView, Share};
use crate::domain::Moment;
use crate::render::annex::{clipped, excel};
use crate::render::vietnamese::UNKNOWN;
use crate::render::worksheet;

/// What a cell holds.
#[derive(Debug, Clone, PartialEq)]
enum Cell {
    Text(String),
    Number(i64),
    Share(Share),
    Date(chrono::NaiveDate),
    /// A formula, with what it comes to.
    Sum(String, i64),
    /// A formula of a share; of nothing it comes to «–».
    Rate(String, Option<Share>),
}

impl Cell {
    fn text(text: impl Into<String>) -> Cell {
        Cell::Text(text.into())
    }

    fn unknown() -> Cell {
        Cell::text(UNKNOWN)
    }

    fn number(n: Option<u64>) -> Cell {
        n.and_then(|n| i64::try_from(n).ok())
            .map_or_else(Cell::unknown, Cell::Number)
    }

    fn signed(n: Option<i64>) -> Cell {
        n.map_or_else(Cell::unknown, Cell::Number)
    }

    fn date(day: Option<chrono::NaiveDate>) -> Cell {
        day.map_or_else(|| Cell::text(""), Cell::Date)
    }

    fn share(share: Option<Share>) -> Cell {
        share.map_or_else(Cell::unknown, Cell::Share)
    }
}

/// A sheet before it is written.
struct Sheet {
    name: &'static str,
    columns: Vec<(String, f64)>,
    rows: Vec<Vec<Cell>>,
    /// The last row is a sum.
    has_total: bool,
}

fn columns<const N: usize>(columns: [(&str, f64); N]) -> Vec<(String, f64)> {
    columns.map(|(title, width)| (title.to_owned(), width)).into()
}

/// The workbook, written at an instant.
///
/// # Errors
/// When the library refuses a cell, such as a date before 1900.
pub fn write(view: &ReportView, at: Moment) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let created = ExcelDateTime::from_timestamp(at.timestamp())?;
    book.set_properties(
        &DocProperties::new()
            .set_title(prose::title(view))
            .set_author(view.papers.bureau())
            .set_creation_datetime(&created),
    );
    let formats = Formats::new();
    for sheet in [
        figures(view),
        balance(view),
        obligations(view),
        overdue(view),
        reminders(view),
        formulas(view),
    ] {
        let page = book.add_worksheet();
        page.set_name(sheet.name)?;
        worksheet::lay_out(page, (&prose::draft(view), &prose::period(view)), "&L&A&RTrang &P/&N")?;
        formats.fill(page, &sheet)?;
    }
    book.save_to_buffer()
}

struct Formats {
    header: Format,
    /// Of a row, and of a sum.
    text: [Format; 2],
    number: [Format; 2],
    share: [Format; 2],
    date: [Format; 2],
}

impl Formats {
    fn new() -> Formats {
        let base = Format::new()
            .set_align(FormatAlign::Top)
            .set_text_wrap()
            .set_border(FormatBorder::Hair);
        let both = |format: Format| [format.clone(), format.set_bold().set_background_color("#F2F2F2")];
        Formats {
            header: base
                .clone()
                .set_bold()
                .set_align(FormatAlign::VerticalCenter)
                .set_background_color("#E7E6E6")
                .set_border(FormatBorder::Thin),
            // `@`: a text stays one also when somebody edits the cell.
            text: both(base.clone().set_num_format("@")),
            number: both(base.clone().set_num_format("#,##0").set_align(FormatAlign::Right)),
            share: both(base.clone().set_num_format("0.00%").set_align(FormatAlign::Right)),
            date: both(base.set_num_format("dd/mm/yyyy")),
        }
    }

    fn fill(&self, page: &mut Worksheet, sheet: &Sheet) -> Result<(), XlsxError> {
        for (column, (title, width)) in (0u16..).zip(&sheet.columns) {
            page.set_column_width(column, *width)?;
            page.write_string_with_format(0, column, title, &self.header)?;
        }
        // What is wrapped is seen whole also where a program does not reckon the rows' heights itself.
        let widths = || sheet.columns.iter().map(|(_, width)| *width);
        let titles = sheet.columns.iter().map(|(title, _)| title.as_str());
        worksheet::heighten(page, (0, worksheet::BOLD), titles.zip(widths()))?;
        for (number, row) in (1u32..).zip(&sheet.rows) {
            let texts = row.iter().map(|cell| match cell {
                Cell::Text(words) => words.as_str(),
                _ => "",
            });
            worksheet::heighten(page, (number, worksheet::PLAIN), texts.zip(widths()))?;
        }
        let last = sheet.rows.len();
        for (number, row) in (1u32..).zip(&sheet.rows) {
            let is_total = sheet.has_total && usize::try_from(number).is_ok_and(|n| n == last);
            let look = usize::from(is_total);
            for (column, cell) in (0u16..).zip(row) {
                self.put(page, (number, column), cell, look)?;
            }
        }
        Ok(())
    }

    fn put(&self, page: &mut Worksheet, (row, column): (u32, u16), cell: &Cell, look: usize) -> Result<(), XlsxError> {
        let formula = |text: &str, result: String| Formula::new(text).set_result(result);
        let [text, number, share, date] =
            [&self.text, &self.number, &self.share, &self.date].map(|formats| &formats[look.min(1)]);
        match cell {
            Cell::Text(words) => page.write_string_with_format(row, column, clipped(words), text)?,
            Cell::Number(n) => page.write_number_with_format(row, column, exact(*n), number)?,
            Cell::Share(s) => page.write_number_with_format(row, column, ratio(*s), share)?,
            Cell::Date(day) => {
                page.write_datetime_with_format(row, column, excel(*day, chrono::NaiveTime::MIN)?, date)?
            }
            Cell::Sum(words, result) => {
                page.write_formula_with_format(row, column, formula(words, result.to_string()), number)?
            }
            Cell::Rate(words, result) => {
                let result = result.map_or(UNKNOWN.to_owned(), |s| ratio(s).to_string());
                page.write_formula_with_format(row, column, formula(words, result), share)?
            }
        };
        Ok(())
    }
}

/// Counts are far below the 2^52 from which a spreadsheet's numbers lose units.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
fn exact(n: i64) -> f64 {
    n as f64
}

fn ratio(share: Share) -> f64 {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    exact(signed(share.part)) / exact(signed(share.whole))
}

fn figures(view: &ReportView) -> Sheet {
    let f = &view.figures;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut put = |group: &str, name: &str, cell: Cell| {
        rows.push(vec![Cell::text(group), Cell::text(name), cell]);
    };
    let general = "Số liệu chung";
    put(general, "Kỳ báo cáo", Cell::text(&view.period.key));
    put(general, "Từ ngày", Cell::Date(view.period.first_day));
    put(general, "Đến ngày", Cell::Date(view.period.last_day));
    put(general, "Tình trạng số liệu", Cell::text(prose::standing(view)));
    put(general, "Phiếu tiếp nhận", Cell::number(f.total));
    put(general, "Tăng, giảm so với kỳ trước", Cell::signed(f.change));
    put(
        general,
        "Tăng, giảm so với cùng kỳ năm trước",
        Cell::signed(f.change_from_last_year),
    );
    for (name, n) in [
        ("Liên quan thủ tục hành chính", f.procedures),
        ("Trễ hạn, thái độ, vướng mắc về quy định", f.flagged),
        ("Đang theo dõi kết quả xử lý", f.under_follow_up),
        ("Tồn đầu kỳ", f.opening_stock),
        ("Tồn từ các kỳ trước chuyển sang, còn mở", f.carried_over),
        ("Phát sinh trong kỳ, còn mở", f.new_in_period),
        ("Xử lý lại, còn mở", f.taken_up_again),
        ("Chưa hài lòng hoặc chưa hữu ích", f.unsatisfied),
        ("Trong đó loại trừ", f.excluded),
        ("Đang xem xét loại trừ", f.exclusion_pending),
        ("Hài lòng hoặc hữu ích", f.satisfied),
        ("Không phản hồi khảo sát", f.no_reply),
    ] {
        put(general, name, Cell::number(n));
    }
    put(
        general,
        "Tỷ lệ đúng hạn (thời hạn hiện tại)",
        Cell::share(view.total.on_time()),
    );
    put(
        general,
        "Tỷ lệ đúng hạn (thời hạn ban đầu)",
        Cell::share(f.on_time_by_first),
    );
    put(
        general,
        "Quá hạn, không nêu mã trong danh sách",
        Cell::number(view.overdue_withheld),
    );
    let before = match view.directive {
        Some(_) => "Báo cáo kết quả trước ngày",
        None => "Báo cáo kết quả trước ngày (đề xuất)",
    };
    put(
        general,
        before,
        view.reply_before().map_or_else(Cell::unknown, Cell::Date),
    );
    for (name, n) in view.cards.iter().flat_map(|cards| {
        [
            ("Đang theo dõi", cards.open),
            ("Chưa gửi C06", cards.not_sent),
            ("Chờ kết quả từ C06", cards.at_c06),
            ("Thẻ đã về, chưa trả", cards.card_arrived),
            ("Cần bổ sung, điều chỉnh thông tin", cards.data_wrong),
            ("Chưa rõ tình trạng", cards.unstaged),
            ("Quá hạn", cards.overdue),
        ]
    }) {
        put("Cấp thẻ căn cước", name, Cell::number(n));
    }
    for month in &view.months {
        put(
            "Theo tháng",
            &prose::period_of(view, month),
            Cell::number(month.received),
        );
    }
    for (group, counts) in [
        ("Theo kênh tiếp nhận", &view.channels),
        ("Theo lĩnh vực", &view.fields),
        ("Theo địa bàn", &view.localities),
    ] {
        match counts {
            None => put(group, UNKNOWN, Cell::unknown()),
            Some(counts) => counts.iter().for_each(|c| put(group, &c.name, Cell::number(c.count))),
        }
    }
    Sheet {
        name: "Số liệu",
        columns: columns([("Nhóm", 24.0), ("Chỉ tiêu", 46.0), ("Giá trị", 26.0)]),
        rows,
        has_total: false,
    }
}

/// The letter of a column.
fn letter(column: usize) -> char {
    char::from(b'A' + u8::try_from(column).unwrap_or(25).min(25))
}

/// One value of each row that is a plain number: its column, and what it is.
type Value = (usize, fn(&BalanceRow) -> Option<i64>);

fn signed(n: Option<u64>) -> Option<i64> {
    i64::try_from(n?).ok()
}

const VALUES: [Value; 11] = [
    (2, |r| signed(r.opening_stock)),
    (3, |r| signed(r.received)),
    (4, |r| r.adjustment),
    (6, |r| signed(r.done_on_time)),
    (7, |r| signed(r.done_late)),
    (8, |r| signed(r.rejected)),
    (9, |r| signed(r.open_in_time)),
    (10, |r| signed(r.open_overdue)),
    (12, |r| signed(r.reminders)),
    (13, |r| signed(r.unsatisfied)),
    (14, |r| signed(r.explained)),
];

fn balance(view: &ReportView) -> Sheet {
    let widths = [
        5.0, 38.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0,
    ];
    let mut columns: Vec<(String, f64)> = prose::balance_columns()
        .into_iter()
        .zip(widths)
        .map(|(title, width)| (title.to_owned(), width))
        .collect();
    // Of which the last column's rate is reckoned.
    columns.insert(15, ("Hài lòng (phiếu)".to_owned(), 10.0));
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (n, row) in (1..).zip(&view.balance) {
        rows.push(owner(Cell::Number(n), row, n + 1, |value| Cell::signed(value(row))));
    }
    let last = view.balance.len() + 1;
    let line = i64::try_from(last + 1).unwrap_or(i64::MAX);
    // What the formulas come to; where a row knows nothing there is no sum, and what the view has stands there.
    let summed = BalanceRow::total_of(&view.balance, &view.total.name);
    let mut column = VALUES.iter().map(|(column, _)| *column).chain([15]);
    let total = owner(Cell::text(""), &summed, line, |value| {
        let letter = letter(column.next().unwrap_or_default());
        match value(&summed).filter(|_| !view.balance.is_empty()) {
            Some(sum) => Cell::Sum(format!("=SUM({letter}2:{letter}{last})"), sum),
            None => Cell::signed(value(&view.total)),
        }
    });
    rows.push(total);
    Sheet {
        name: "Cân đối",
        columns,
        rows,
        has_total: true,
    }
}

/// A row of the balance in line `line` of the sheet; `cell` is asked for its plain numbers from the left to the right.
fn owner(
    number: Cell,
    row: &BalanceRow,
    line: i64,
    mut cell: impl FnMut(fn(&BalanceRow) -> Option<i64>) -> Cell,
) -> Vec<Cell> {
    let mut values = VALUES.map(|(_, value)| cell(value)).into_iter();
    let satisfied = cell(|r| signed(r.satisfied));
    let mut next = || values.next().unwrap_or_else(Cell::unknown);
    let mut cells = vec![number, Cell::text(&row.name), next(), next(), next()];
    cells.push(match row.sum() {
        Some(sum) => Cell::Sum(format!("=C{line}+D{line}+E{line}"), sum),
        None => Cell::unknown(),
    });
    cells.extend([next(), next(), next(), next(), next()]);
    let is_reckoned = row.done_on_time.is_some() && row.done_late.is_some() && row.open_overdue.is_some();
    cells.push(match is_reckoned {
        true => {
            let whole = format!("G{line}+H{line}+K{line}");
            Cell::Rate(format!("=IF({whole}=0,\"{UNKNOWN}\",G{line}/({whole}))"), row.on_time())
        }
        false => Cell::unknown(),
    });
    cells.extend([next(), next(), next(), satisfied]);
    cells.push(match row.satisfied.is_some() && row.unsatisfied.is_some() {
        true => {
            let whole = format!("P{line}+N{line}");
            Cell::Rate(
                format!("=IF({whole}=0,\"{UNKNOWN}\",P{line}/({whole}))"),
                row.satisfaction(),
            )
        }
        false => Cell::unknown(),
    });
    cells
}

fn nothing_known(columns: usize) -> Vec<Vec<Cell>> {
    vec![(0..columns).map(|_| Cell::unknown()).collect()]
}

fn obligations(view: &ReportView) -> Sheet {
    let columns = columns([
        ("TT", 5.0),
        ("Cơ quan", 38.0),
        ("Nội dung", 30.0),
        ("Số phiếu", 9.0),
        ("Đã xử lý", 9.0),
        ("Báo cáo trước ngày", 12.0),
        ("Tình trạng", 18.0),
        ("Số văn bản", 20.0),
        ("Ngày văn bản", 12.0),
        ("Ngày nhận", 12.0),
    ]);
    let rows = view.obligations.as_ref().map(|owed| {
        let rows = (1..).zip(owed).map(|(n, o)| {
            let document = o.document.as_ref();
            vec![
                Cell::Number(n),
                Cell::text(&o.unit),
                Cell::text(prose::kind(o.kind)),
                Cell::number(Some(o.tickets)),
                Cell::number(o.settled),
                Cell::date(o.before),
                Cell::text(prose::state(o.state)),
                Cell::text(document.map_or("", |d| d.number.as_str())),
                Cell::date(document.map(|d| d.date)),
                Cell::date(document.map(|d| d.received_on)),
            ]
        });
        rows.collect()
    });
    Sheet {
        name: "Nghĩa vụ",
        rows: rows.unwrap_or_else(|| nothing_known(columns.len())),
        columns,
        has_total: false,
    }
}

fn overdue(view: &ReportView) -> Sheet {
    let columns = columns([
        ("TT", 5.0),
        ("Mã phiếu", 23.0),
        ("Lĩnh vực", 22.0),
        ("Cơ quan", 38.0),
        ("Ngày tiếp nhận", 12.0),
        ("Hạn xử lý", 12.0),
        ("Quá hạn (ngày làm việc)", 11.0),
        ("Đã nhắc (lượt)", 9.0),
        ("Đang chờ", 20.0),
    ]);
    let rows = view.overdue.as_ref().map(|tickets| {
        let rows = (1..).zip(tickets).map(|(n, t)| {
            vec![
                Cell::Number(n),
                Cell::text(&t.code),
                Cell::text(t.field.as_deref().unwrap_or("chưa phân loại")),
                Cell::text(t.agency.as_deref().unwrap_or("chưa phân công")),
                Cell::Date(t.received_on),
                Cell::Date(t.deadline),
                Cell::Number(t.overdue_working_days.into()),
                Cell::number(t.reminders.map(u64::from)),
                Cell::text(t.waiting_on.as_deref().unwrap_or("")),
            ]
        });
        rows.collect()
    });
    Sheet {
        name: "Quá hạn",
        rows: rows.unwrap_or_else(|| nothing_known(columns.len())),
        columns,
        has_total: false,
    }
}

fn reminders(view: &ReportView) -> Sheet {
    let numbers = prose::numbered(view.reminders.as_ref().map_or(&[0], |r| r.by_number.as_slice()));
    let most = numbers.len();
    let numbers = numbers.into_iter().map(|(name, _)| (prose::capitalised(&name), 10.0));
    let columns: Vec<(String, f64)> = [("Cơ quan".to_owned(), 38.0)]
        .into_iter()
        .chain(numbers)
        .chain([
            ("Nhắc nội dung khác".to_owned(), 10.0),
            ("Cộng".to_owned(), 10.0),
            ("Lần cuối ngày".to_owned(), 13.0),
        ])
        .collect();
    let width = columns.len();
    let Some(reminders) = view.reminders.as_ref().filter(|r| !r.units.is_empty()) else {
        return Sheet {
            name: "Đôn đốc",
            columns,
            rows: nothing_known(width),
            has_total: false,
        };
    };
    // Numbers, and what has none.
    let kinds = most + 1;
    let last_letter = letter(kinds);
    let row_sum = |line: usize, sum: i64| Cell::Sum(format!("=SUM(B{line}:{last_letter}{line})"), sum);
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut sums = vec![0; kinds];
    for (line, unit) in (2..).zip(&reminders.units) {
        let mut values: Vec<u64> = prose::numbered(&unit.by_number).into_iter().map(|(_, n)| n).collect();
        values.resize(most, 0);
        values.push(unit.others);
        let values: Vec<i64> = values.into_iter().map(|n| signed(Some(n)).unwrap_or(0)).collect();
        let mut row = vec![Cell::text(&unit.name)];
        row.extend(values.iter().map(|n| Cell::Number(*n)));
        row.push(row_sum(line, values.iter().sum()));
        row.push(Cell::date(unit.last_on));
        sums.iter_mut().zip(&values).for_each(|(sum, n)| *sum += n);
        rows.push(row);
    }
    let last = rows.len() + 1;
    let mut total = vec![Cell::text("Tổng cộng")];
    for (n, sum) in sums.iter().enumerate() {
        let letter = letter(n + 1);
        total.push(Cell::Sum(format!("=SUM({letter}2:{letter}{last})"), *sum));
    }
    total.push(row_sum(last + 1, sums.iter().sum()));
    total.push(Cell::text(""));
    rows.push(total);
    Sheet {
        name: "Đôn đốc",
        columns,
        rows,
        has_total: true,
    }
}

fn formulas(view: &ReportView) -> Sheet {
    let table = prose::formulas(view);
    let rows = table.rows.iter().map(|row| row.cells.iter().map(Cell::text).collect());
    Sheet {
        name: "Công thức",
        columns: columns([("Chỉ tiêu", 34.0), ("Cách tính", 110.0)]),
        rows: rows.collect(),
        has_total: false,
    }
}
