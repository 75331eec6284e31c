//! What the papers say: the report in the order of the hotline's own (`domain.md` §5.1), the Chairman's directive and the
//! letter that urges agencies on, in the words of the case.

use chrono::NaiveDate;

use super::view::{
    BalanceRow, CardsView, ObligationKind, ObligationState, ObligationView, RemindersView, ReportView, RowKind, Share,
    Standing,
};
use super::{Align, Bar, Bars, Block, Column, ROMAN, Row, Series, Table};
use crate::render::vietnamese::{self, UNKNOWN};

/// Rows of a table in the text; the workbook has all.
const MOST_ROWS: usize = 10;
/// Bars of a chart.
const MOST_BARS: usize = 15;

const LATE: Series = Series {
    name: "quá hạn",
    color: "A6322B",
};
const IN_TIME: Series = Series {
    name: "trong hạn",
    color: "9DB4CE",
};
const RECEIVED: Series = Series {
    name: "phiếu tiếp nhận",
    color: "5B7FA6",
};

const DIVISION: &str = "Phòng Cảnh sát Quản lý hành chính về trật tự xã hội";
const DEPARTMENT: &str = "Cục Cảnh sát Quản lý hành chính về trật tự xã hội, Bộ Công an";

/// Signs of the three kinds of tickets that are flagged.
const FLAGGED: &str = "phản ánh, kiến nghị liên quan đến việc giải quyết thủ tục hành chính bị trễ hạn, quá hạn, phản ánh thái độ, \
                       hành vi của công chức, viên chức, các vướng mắc về quy định hành chính";

/// `6.034`, `05` where counts have two digits, `–`.
pub(super) fn number(view: &ReportView, n: Option<u64>) -> String {
    match n {
        None => UNKNOWN.to_owned(),
        Some(n @ 1..10) if view.two_digits => format!("0{n}"),
        Some(n) => vietnamese::integer(signed(n)),
    }
}

/// As [`number`], in a table: always without a nought before.
pub(super) fn cell(n: Option<u64>) -> String {
    n.map_or(UNKNOWN.to_owned(), |n| vietnamese::integer(signed(n)))
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// `12 phiếu`, `không có phiếu`, `– phiếu`.
fn tickets(view: &ReportView, n: Option<u64>) -> String {
    n.map_or(format!("{UNKNOWN} phiếu"), |n| {
        vietnamese::tickets(signed(n), view.two_digits)
    })
}

pub(super) fn percent(share: Option<Share>) -> String {
    share.map_or(UNKNOWN.to_owned(), |s| vietnamese::share(s.part, s.whole))
}

/// `ngày 01/8/2021`.
fn day(date: NaiveDate) -> String {
    format!("ngày {}", vietnamese::official(date))
}

/// `tháng 8/2021`; a period of another kind by its days.
pub(super) fn period(view: &ReportView) -> String {
    let p = &view.period;
    named(p.is_month, p.first_day, p.last_day)
}

/// As [`period`], of the one before.
fn previous(view: &ReportView) -> String {
    let p = &view.period;
    named(p.is_month, p.previous_first_day, p.previous_last_day)
}

fn named(is_month: bool, first: NaiveDate, last: NaiveDate) -> String {
    match is_month {
        true => format!("tháng {}", first.format("%-m/%Y")),
        false => format!("kỳ {} - {}", vietnamese::official(first), vietnamese::official(last)),
    }
}

/// `tháng 8 năm 2021`.
fn period_in_title(view: &ReportView) -> String {
    match view.period.is_month {
        true => format!("tháng {}", view.period.first_day.format("%-m năm %Y")),
        false => period(view),
    }
}

/// `Tháng 8/2021`, of one in a row of them.
pub(super) fn period_of(view: &ReportView, month: &super::view::MonthView) -> String {
    capitalised(&named(view.period.is_month, month.first_day, month.last_day))
}

/// What the report is about, below its kind.
pub(super) fn title(view: &ReportView) -> String {
    format!(
        "Kết quả theo dõi, đôn đốc xử lý phản ánh, kiến nghị qua {} {}",
        view.hotline,
        period_in_title(view)
    )
}

/// `DỰ THẢO – trích xuất tự động lúc 07:05 ngày 01/9/2021`.
pub(super) fn draft(view: &ReportView) -> String {
    format!(
        "DỰ THẢO – trích xuất tự động lúc {} {}",
        view.drawn_at.format("%H:%M"),
        day(view.drawn_at.date())
    )
}

/// How far the figures are settled.
pub(super) fn standing(view: &ReportView) -> String {
    let until = format!("24 giờ 00 {}", day(view.period.last_day));
    match (view.standing, view.revision) {
        (Standing::Open, _) => format!(
            "kỳ báo cáo chưa kết thúc, số liệu đến {} {}",
            view.drawn_at.format("%H:%M"),
            day(view.drawn_at.date())
        ),
        (Standing::Provisional, _) => format!("số liệu tạm tính, chốt đến {until}"),
        (Standing::Final, 0 | 1) => format!("số liệu chính thức, chốt đến {until}"),
        (Standing::Final, n) => format!("số liệu chính thức, chốt đến {until}, điều chỉnh lần {}", n - 1),
    }
}

fn change(change: Option<i64>, than: &str) -> String {
    match change {
        None => format!("chưa có số liệu {than} để so sánh"),
        Some(0) => format!("bằng {than}"),
        Some(n) => format!("{} phiếu so với {than}", vietnamese::change(n)),
    }
}

/// Blocks with running numbers of parts and paragraphs.
#[derive(Default)]
struct Writer {
    blocks: Vec<Block>,
    parts: usize,
    paragraphs: usize,
}

impl Writer {
    fn part(&mut self, title: &str) {
        let number = ROMAN.get(self.parts).unwrap_or(&"–");
        self.blocks.push(Block::Heading(format!("{number}. {title}")));
        self.parts += 1;
        self.paragraphs = 0;
    }

    fn paragraph(&mut self, title: &str) {
        self.paragraphs += 1;
        self.blocks
            .push(Block::Subheading(format!("{}. {title}", self.paragraphs)));
    }

    fn text(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Text(text.into()));
    }
}

/// The body of the monthly report.
pub(super) fn report(view: &ReportView) -> Vec<Block> {
    let mut w = Writer::default();
    for basis in &view.papers.bases {
        w.text(basis.clone());
    }
    w.text(format!(
        "{} báo cáo {} kết quả theo dõi, đôn đốc xử lý phản ánh, kiến nghị qua {} {} ({}) như sau:",
        view.papers.bureau(),
        view.papers.chairman(),
        view.hotline,
        period(view),
        standing(view)
    ));
    received(view, &mut w);
    handled(view, &mut w);
    urged(view, &mut w);
    explained(view, &mut w);
    if let Some(cards) = &view.cards {
        w.part(&format!("PHẢN ÁNH VỀ CẤP {}", cards.card.to_uppercase()));
        w.text(cards_state(view, cards));
    }
    shortcomings(view, &mut w);
    proposals(view, &mut w);
    w.blocks
}

/// The seed's first paragraphs.
fn received(view: &ReportView, w: &mut Writer) {
    let f = &view.figures;
    let n = |n| number(view, n);
    w.part("KẾT QUẢ TIẾP NHẬN");
    w.paragraph("Số liệu chung");
    w.text(format!(
        "Từ {} đến {}, hệ thống {} đã tiếp nhận và lập {} phiếu xử lý ý kiến, phản ánh, kiến nghị của tổ chức, cá nhân ({}), \
         trong đó có {} phản ánh, kiến nghị và hỏi đáp liên quan đến thủ tục hành chính.",
        day(view.period.first_day),
        day(view.period.last_day),
        view.hotline,
        n(f.total),
        change(f.change, &previous(view)),
        n(f.procedures),
    ));
    if let Some(change) = f.change_from_last_year {
        let same = "So với cùng kỳ năm trước, số phiếu tiếp nhận";
        w.text(match change {
            0 => format!("{same} không đổi."),
            n => format!("{same} {} phiếu.", vietnamese::change(n)),
        });
    }
    w.text(flagged_and_open(view));
    w.text(format!("Ngoài ra, {}.", unsatisfied(view)));
    if view.months.len() > 1 {
        w.blocks.push(Block::Bars(by_month(view)));
    }
    let tables = [
        ("kênh tiếp nhận", "Kênh tiếp nhận", &view.channels),
        ("lĩnh vực", "Lĩnh vực", &view.fields),
        ("địa bàn", "Địa bàn", &view.localities),
    ];
    for (title, column, counts) in tables {
        let Some(counts) = counts.as_ref().filter(|c| !c.is_empty()) else {
            continue;
        };
        w.paragraph(&format!("Theo {title}"));
        let caption = format!("Số phiếu theo {title}");
        w.blocks.push(Block::Table(counted(view, &caption, column, counts)));
    }
}

/// «26 … và 112 …».
fn flagged_and_open(view: &ReportView) -> String {
    let f = &view.figures;
    let n = |n| number(view, n);
    let again = match f.taken_up_again {
        Some(0) | None => String::new(),
        again => format!("; xử lý lại: {}", n(again)),
    };
    format!(
        "{} (còn tồn từ các kỳ trước chuyển sang: {}; phát sinh trong kỳ: {}{again}).",
        flagged(view),
        n(f.carried_over),
        n(f.new_in_period),
    )
}

/// «26 … và 112 …», without its full stop.
fn flagged(view: &ReportView) -> String {
    let f = &view.figures;
    let some = |n: Option<u64>| match n {
        Some(0) => "không có".to_owned(),
        n => format!("có {}", number(view, n)),
    };
    let second = match (f.flagged, f.under_follow_up) {
        // One «có» serves both.
        (first, second) if first != Some(0) && second != Some(0) => number(view, second),
        (_, second) => some(second),
    };
    format!(
        "Trong {}, {} {FLAGGED} và {second} phản ánh, kiến nghị đang theo dõi kết quả xử lý từ cơ quan, đơn vị, địa phương",
        period(view),
        some(f.flagged),
    )
}

/// «37 phiếu …», without its full stop.
fn all_unsatisfied(view: &ReportView) -> String {
    format!(
        "trong {}, {} được đánh giá chưa hài lòng hoặc thông tin phản hồi là chưa hữu ích đối với người hỏi, người phản ánh",
        period(view),
        match view.figures.unsatisfied {
            none @ Some(0) => tickets(view, none),
            some => format!("có {}", tickets(view, some)),
        },
    )
}

/// As [`all_unsatisfied`], with those that are excluded.
fn unsatisfied(view: &ReportView) -> String {
    let f = &view.figures;
    let pending = match f.exclusion_pending {
        Some(0) | None => String::new(),
        pending => format!(", đang xem xét {}", number(view, pending)),
    };
    let excluded = match f.excluded {
        Some(0) if pending.is_empty() => String::new(),
        excluded => format!(", trong đó loại trừ {}{pending}", number(view, excluded)),
    };
    format!("{}{excluded}", all_unsatisfied(view))
}

fn by_month(view: &ReportView) -> Bars {
    Bars {
        title: "Số phiếu tiếp nhận theo tháng".to_owned(),
        series: vec![RECEIVED],
        rows: view
            .months
            .iter()
            .map(|m| Bar {
                label: period_of(view, m),
                values: vec![m.received],
            })
            .collect(),
    }
}

fn by_unit(view: &ReportView) -> Bars {
    let open = view.balance.iter().filter(|row| row.open().is_some_and(|n| n > 0));
    Bars {
        title: "Phiếu đang xử lý theo cơ quan, đơn vị, địa phương".to_owned(),
        series: vec![LATE, IN_TIME],
        rows: open
            .take(MOST_BARS)
            .map(|row| Bar {
                label: row.name.clone(),
                values: vec![row.open_overdue, row.open_in_time],
            })
            .collect(),
    }
}

fn counted(view: &ReportView, caption: &str, column: &str, counts: &[super::view::CountView]) -> Table {
    let share = |n: Option<u64>| percent(n.zip(view.figures.total).and_then(|(n, of)| Share::of(n, of)));
    let row = |name: &str, n: Option<u64>, is_total| Row {
        cells: vec![name.to_owned(), cell(n), share(n)],
        is_total,
    };
    let (shown, rest) = counts.split_at(counts.len().min(MOST_ROWS));
    let mut rows: Vec<Row> = shown.iter().map(|c| row(&c.name, c.count, false)).collect();
    if !rest.is_empty() {
        let others = rest.iter().map(|c| c.count).sum();
        rows.push(row(&format!("Khác ({})", rest.len()), others, false));
    }
    rows.push(row("Tổng cộng", counts.iter().map(|c| c.count).sum(), true));
    Table {
        caption: caption.to_owned(),
        columns: vec![left(column, 56), right("Số phiếu", 22), right("Tỷ lệ", 22)],
        rows,
    }
}

fn left(title: &str, width: u32) -> Column {
    Column {
        title: title.to_owned(),
        width,
        align: Align::Left,
    }
}

fn right(title: &str, width: u32) -> Column {
    Column {
        align: Align::Right,
        ..left(title, width)
    }
}

fn middle(title: &str, width: u32) -> Column {
    Column {
        align: Align::Middle,
        ..left(title, width)
    }
}

fn handled(view: &ReportView, w: &mut Writer) {
    let t = &view.total;
    let n = |n| number(view, n);
    w.part("KẾT QUẢ XỬ LÝ");
    let adjustment = match t.adjustment {
        Some(0) => String::new(),
        other => format!(", điều chỉnh {}", other.map_or(UNKNOWN.to_owned(), vietnamese::integer)),
    };
    w.text(format!(
        "Tổng số phiếu phải xử lý trong kỳ là {} (tồn kỳ trước chuyển sang {}, phát sinh trong kỳ {}{adjustment}). Kết quả: xử lý xong \
         đúng hạn {}, trễ hạn {}; từ chối tiếp nhận, chuyển cơ quan khác {}; đang xử lý trong hạn {}, quá hạn {}.",
        t.sum().map_or(UNKNOWN.to_owned(), vietnamese::integer),
        n(t.opening_stock),
        n(t.received),
        n(t.done_on_time),
        n(t.done_late),
        n(t.rejected),
        n(t.open_in_time),
        n(t.open_overdue),
    ));
    let first = match view.figures.on_time_by_first {
        None => String::new(),
        share => format!("; tính theo thời hạn ban đầu đạt {}", percent(share)),
    };
    w.text(format!(
        "Tỷ lệ xử lý đúng hạn toàn hệ thống đạt {}{first}. Số liệu chi tiết theo cơ quan, đơn vị, địa phương tại Phụ lục I.",
        percent(t.on_time())
    ));
    let bars = by_unit(view);
    if !bars.rows.is_empty() {
        w.blocks.push(Block::Bars(bars));
    }
}

fn urged(view: &ReportView, w: &mut Writer) {
    w.part("TÌNH HÌNH ĐÔN ĐỐC");
    w.paragraph("Nhắc việc qua hệ thống");
    match &view.reminders {
        None => w.text(format!("Số lượt phiếu được nhắc trong kỳ: {UNKNOWN}.")),
        Some(r) if r.total() == 0 => w.text("Trong kỳ không có phiếu phải nhắc."),
        Some(r) => w.text(reminded(r)),
    }
    w.text(who_is_late(view));
    // Of several as late the one that the list has first.
    let oldest = view
        .overdue
        .iter()
        .flatten()
        .rev()
        .max_by_key(|t| t.overdue_working_days);
    if let Some(oldest) = oldest {
        w.text(format!(
            "Phiếu quá hạn lâu nhất trong danh sách: mã {}, {}, hạn {}, quá hạn {} ngày làm việc. Danh sách phiếu quá hạn tại Phụ lục II.",
            oldest.code,
            oldest.agency.as_deref().unwrap_or("chưa phân công"),
            day(oldest.deadline),
            vietnamese::integer(oldest.overdue_working_days.into())
        ));
    }
    if let Some(withheld) = view.overdue_withheld.filter(|n| *n > 0) {
        w.text(format!(
            "Không nêu mã của {} quá hạn thuộc diện không công khai hoặc phản ánh thái độ, hành vi của công chức, viên chức.",
            tickets(view, Some(withheld))
        ));
    }
    w.paragraph(&format!("Thực hiện ý kiến chỉ đạo của {}", view.papers.chairman()));
    let Some(directive) = &view.directive else {
        w.text("Chưa ghi nhận văn bản chỉ đạo đối với số liệu của kỳ báo cáo.");
        return;
    };
    let Some(obligations) = view.obligations.as_ref() else {
        w.text(format!("Kết quả thực hiện văn bản {}: {UNKNOWN}.", directive.number));
        return;
    };
    w.text(format!(
        "Thực hiện Văn bản số {} {} của {}, thời hạn báo cáo kết quả trước {}: {}",
        directive.number,
        day(directive.date),
        view.papers.chairman(),
        day(directive.reply_before),
        replied(view, obligations)
    ));
    w.blocks.push(Block::Table(by_kind(view, obligations)));
}

/// Reminders have a column each up to this number; it stands for those behind it too.
const MOST_NUMBERS: usize = 6;

/// Reminders by number, with what they are called: `nhắc lần 1` … `nhắc lần 6 trở lên`.
pub(super) fn numbered(by_number: &[u64]) -> Vec<(String, u64)> {
    let (shown, rest) = by_number.split_at(by_number.len().min(MOST_NUMBERS));
    let mut numbered: Vec<(String, u64)> = (1..)
        .zip(shown)
        .map(|(n, count): (u32, _)| (format!("nhắc lần {n}"), *count))
        .collect();
    if let Some((name, count)) = numbered.last_mut().filter(|_| !rest.is_empty()) {
        name.push_str(" trở lên");
        *count += rest.iter().sum::<u64>();
    }
    numbered
}

fn reminded(r: &RemindersView) -> String {
    let count = |n: u64| vietnamese::integer(signed(n));
    let by_number = numbered(&r.by_number).into_iter().filter(|(_, n)| *n > 0);
    let by_number: Vec<String> = by_number.map(|(name, n)| format!("{name}: {}", count(n))).collect();
    let overdue = format!(
        "{} lượt nhắc phiếu quá hạn ({})",
        count(r.numbered()),
        by_number.join("; ")
    );
    match (r.numbered(), r.others) {
        (_, 0) => format!("Trong kỳ, hệ thống đã gửi {overdue}."),
        (0, others) => format!(
            "Trong kỳ, hệ thống đã gửi {} lượt nhắc, không có lượt nhắc phiếu quá hạn.",
            count(others)
        ),
        (_, others) => format!(
            "Trong kỳ, hệ thống đã gửi {} lượt nhắc, gồm {overdue} và {} lượt nhắc về các nội dung khác.",
            count(r.total()),
            count(others)
        ),
    }
}

/// Which units have not replied.
fn replied(view: &ReportView, obligations: &[ObligationView]) -> String {
    let asked = || obligations.iter().filter(|o| o.before.is_some());
    let mut units: Vec<&str> = asked().map(|o| o.unit.as_str()).collect();
    units.sort_unstable();
    units.dedup();
    let owing = names_owing(obligations);
    let done = units.len().saturating_sub(owing.len());
    let number_of = |n: usize| number(view, u64::try_from(n).ok());
    if owing.is_empty() {
        return format!(
            "{0}/{0} cơ quan, đơn vị, địa phương đã báo cáo.",
            number_of(units.len())
        );
    }
    format!(
        "{}/{} cơ quan, đơn vị, địa phương đã báo cáo; chưa ghi nhận báo cáo của: {}.",
        number_of(done),
        number_of(units.len()),
        owing.join("; ")
    )
}

/// Units with an obligation that is not met, as the alphabet has them.
fn names_owing(obligations: &[ObligationView]) -> Vec<&str> {
    let open = obligations.iter().filter(|o| o.before.is_some() && o.state.is_owed());
    let mut names: Vec<&str> = open.map(|o| o.unit.as_str()).collect();
    names.sort_by_cached_key(|name| crate::domain::text::vi_sort_key(name));
    names.dedup();
    names
}

/// What an obligation is called.
pub(in crate::render) fn kind(kind: ObligationKind) -> &'static str {
    match kind {
        ObligationKind::Review => "Kiểm điểm, rút kinh nghiệm",
        ObligationKind::FollowUp => "Xử lý phiếu đang theo dõi",
        ObligationKind::Explanation => "Giải trình phiếu chưa hài lòng",
        ObligationKind::CardResults => "Theo dõi, trả kết quả thẻ",
        ObligationKind::CitizenInformation => "Giải thích, tuyên truyền",
    }
}

/// How far an obligation is met, in words.
pub(in crate::render) fn state(state: ObligationState) -> &'static str {
    match state {
        ObligationState::Owed => "chưa báo cáo",
        ObligationState::Late => "quá hạn báo cáo",
        ObligationState::Replied => "đã báo cáo",
        ObligationState::RepliedLate => "báo cáo trễ hạn",
        ObligationState::Waived => "được miễn",
        ObligationState::Excluded => "đã loại trừ",
    }
}

fn by_kind(view: &ReportView, obligations: &[ObligationView]) -> Table {
    let mut rows = Vec::new();
    for k in ObligationKind::ALL {
        let of = || obligations.iter().filter(move |o| o.kind == k);
        if of().next().is_none() {
            continue;
        }
        let count = |states: &[ObligationState]| {
            let n = of().filter(|o| states.contains(&o.state)).count();
            cell(u64::try_from(n).ok())
        };
        rows.push(Row {
            cells: vec![
                kind(k).to_owned(),
                cell(u64::try_from(of().count()).ok()),
                count(&[ObligationState::Replied, ObligationState::RepliedLate]),
                count(&[ObligationState::RepliedLate]),
                count(&[ObligationState::Owed, ObligationState::Late]),
            ],
            is_total: false,
        });
    }
    Table {
        caption: format!("Thực hiện chỉ đạo đối với số liệu {}", period(view)),
        columns: vec![
            left("Nội dung", 40),
            right("Số cơ quan phải báo cáo", 16),
            right("Đã báo cáo", 14),
            right("Trong đó trễ hạn", 14),
            right("Chưa báo cáo", 16),
        ],
        rows,
    }
}

fn who_is_late(view: &ReportView) -> String {
    let late: Vec<&BalanceRow> = view
        .balance
        .iter()
        .filter(|row| row.open_overdue.is_some_and(|n| n > 0))
        .collect();
    let named: Vec<String> = late
        .iter()
        .filter(|row| row.kind == RowKind::Unit)
        .map(|row| format!("{} ({})", row.name, cell(row.open_overdue)))
        .collect();
    match view.total.open_overdue {
        None => format!("Số cơ quan, đơn vị, địa phương còn phiếu quá hạn: {UNKNOWN}."),
        Some(0) => "Đến thời điểm chốt số liệu, không có phiếu quá hạn.".to_owned(),
        n if named.is_empty() => format!("Đến thời điểm chốt số liệu, còn {} quá hạn.", tickets(view, n)),
        n => format!(
            "Đến thời điểm chốt số liệu, còn {} quá hạn; {} cơ quan, đơn vị, địa phương còn phiếu quá hạn: {}.",
            tickets(view, n),
            number(view, u64::try_from(named.len()).ok()),
            named.join("; ")
        ),
    }
}

fn explained(view: &ReportView, w: &mut Writer) {
    w.part("PHIẾU CHƯA HÀI LÒNG VÀ GIẢI TRÌNH");
    let said = unsatisfied(view);
    w.text(format!("{}.", capitalised(&said)));
    let f = &view.figures;
    if f.satisfied.is_some() {
        let of = f
            .satisfied
            .zip(f.unsatisfied)
            .and_then(|(yes, no)| Share::of(yes, yes + no));
        w.text(format!(
            "Kết quả khảo sát: {} phiếu hài lòng hoặc hữu ích, đạt {} (không tính phiếu đang xử lý và {} phiếu không phản hồi).",
            number(view, f.satisfied),
            percent(of),
            number(view, f.no_reply)
        ));
    }
    if view.total.explained.is_some() {
        w.text(format!(
            "Đã giải trình {}/{} phiếu.",
            number(view, view.total.explained),
            number(view, view.total.unsatisfied)
        ));
    }
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars
        .next()
        .map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

fn cards_state(view: &ReportView, cards: &CardsView) -> String {
    let n = |n| number(view, n);
    let unstaged = match cards.unstaged {
        Some(0) | None => String::new(),
        some => format!("; chưa rõ tình trạng: {}", n(some)),
    };
    format!(
        "Đến thời điểm chốt số liệu, đang theo dõi {} phản ánh liên quan đến cấp {} thuộc thẩm quyền theo dõi, quản lý của {}, trong đó: \
         chưa gửi {DEPARTMENT}: {}; chờ kết quả từ {DEPARTMENT}: {}; thẻ đã về, chưa trả cho công dân: {}; cần bổ sung, điều chỉnh \
         thông tin: {}{unstaged}. Số phiếu quá hạn: {}.",
        tickets(view, cards.open),
        cards.card,
        cards.unit,
        n(cards.not_sent),
        n(cards.at_c06),
        n(cards.card_arrived),
        n(cards.data_wrong),
        n(cards.overdue)
    )
}

fn shortcomings(view: &ReportView, w: &mut Writer) {
    let f = &view.figures;
    w.part("TỒN TẠI, NGUYÊN NHÂN");
    w.paragraph("Tồn tại");
    let mut facts = Vec::new();
    let mut fact = |n: Option<u64>, text: &str| {
        if n != Some(0) {
            facts.push(format!("{} {text}", number(view, n)));
        }
    };
    fact(view.total.open_overdue, "phiếu quá hạn chưa xử lý xong");
    fact(f.carried_over, "phiếu tồn từ các kỳ trước chuyển sang chưa xử lý xong");
    fact(
        f.flagged,
        "phản ánh, kiến nghị về trễ hạn, thái độ, quy định hành chính",
    );
    fact(f.unsatisfied, "phiếu được đánh giá chưa hài lòng hoặc chưa hữu ích");
    match facts.is_empty() {
        true => w.text("Không có."),
        false => w.text(format!("Còn {}.", facts.join("; "))),
    }
    w.paragraph("Nguyên nhân");
    w.blocks.push(Block::Note(
        "(Hệ thống không xác định nguyên nhân; đơn vị soạn thảo bổ sung: ………………………………)".to_owned(),
    ));
}

/// What the Office asks of the Chairman, in the seed's own terms.
fn proposals(view: &ReportView, w: &mut Writer) {
    w.part("KIẾN NGHỊ, ĐỀ XUẤT");
    w.text(format!(
        "Trên cơ sở kết quả nêu trên, {} kính đề nghị {} xem xét, chỉ đạo:",
        view.papers.bureau(),
        view.papers.chairman()
    ));
    let before = view
        .reply_before()
        .map_or(String::new(), |before| format!(" trước {}", day(before)));
    let mut asks = vec![
        "Các cơ quan, đơn vị, địa phương có phản ánh, kiến nghị liên quan đến việc giải quyết thủ tục hành chính bị trễ hạn, quá hạn, \
         phản ánh thái độ, hành vi của công chức, viên chức, các vướng mắc về quy định hành chính tổ chức kiểm điểm rút kinh nghiệm \
         đối với các tập thể, cá nhân có liên quan (nếu có)."
            .to_owned(),
        format!(
            "Xử lý nhanh các phản ánh còn tồn từ các kỳ trước chuyển sang và phản ánh phát sinh trong {}.",
            period(view)
        ),
        "Báo cáo giải trình đối với các phiếu được đánh giá chưa hài lòng hoặc thông tin phản hồi là chưa hữu ích, nêu giải pháp khắc \
         phục hoặc nâng cao chất lượng phục vụ."
            .to_owned(),
    ];
    if let Some(cards) = &view.cards {
        asks.push(format!(
            "{} chỉ đạo {} và {DIVISION} kịp thời theo dõi, cập nhật kết quả giải quyết để trả {} theo các phương thức đã quy định, \
             trong thời gian sớm nhất.",
            cards.unit, cards.local_police, cards.card
        ));
    }
    asks.push(format!(
        "Các cơ quan, đơn vị, địa phương báo cáo kết quả về {}{before}.",
        view.papers.committee
    ));
    for (n, ask) in (1..).zip(&asks) {
        w.text(format!("{n}. {ask}"));
    }
    w.text(format!(
        "{} kính báo cáo {} xem xét, chỉ đạo./.",
        view.papers.bureau(),
        view.papers.chairman()
    ));
}

/// The Chairman's directive, in the words of the case.
pub(super) fn directive(view: &ReportView) -> Vec<Block> {
    let f = &view.figures;
    let n = |n| number(view, n);
    let chairman = view.papers.chairman();
    let period = period(view);
    let mut w = Writer::default();
    w.text(format!(
        "Từ {} đến {}, hệ thống {} đã tiếp nhận và lập {} phiếu xử lý ý kiến, phản ánh, kiến nghị của tổ chức, cá nhân ({}), trong đó có \
         {} phản ánh, kiến nghị và hỏi đáp liên quan đến thủ tục hành chính.",
        day(view.period.first_day),
        day(view.period.last_day),
        view.hotline,
        n(f.total),
        change(f.change, &previous(view)),
        n(f.procedures)
    ));
    w.text(format!("{}.", flagged(view)));
    w.text(format!("Ngoài ra, {}.", all_unsatisfied(view)));
    w.text(format!(
        "Để khắc phục tình trạng nêu trên, {chairman} yêu cầu các cơ quan, đơn vị, địa phương thực hiện các nội dung sau:"
    ));
    let mut asks = vec![
        "Các cơ quan, đơn vị, địa phương có phản ánh, kiến nghị liên quan đến việc giải quyết thủ tục hành chính bị trễ hạn, quá hạn, \
         phản ánh thái độ, hành vi của công chức, viên chức, các vướng mắc về quy định hành chính tổ chức kiểm điểm rút kinh nghiệm \
         đối với các tập thể, cá nhân có liên quan nội dung phản ánh (nếu có)."
            .to_owned(),
        format!(
            "Đối với các phản ánh, kiến nghị đang theo dõi kết quả xử lý, các cơ quan, đơn vị, địa phương phải xử lý nhanh các phản ánh \
             còn tồn từ các kỳ trước chuyển sang và phản ánh phát sinh trong {period}."
        ),
        "Đối với các phiếu được đánh giá chưa hài lòng hoặc thông tin phản hồi là chưa hữu ích đối với người hỏi, người phản ánh (trừ \
         các phiếu không hài lòng có nguyên nhân từ phía người phản ánh không phù hợp với quy định chung): các cơ quan, đơn vị, địa \
         phương được phân công có trách nhiệm phối hợp với các cơ quan, đơn vị có liên quan báo cáo giải trình nội dung xử lý theo phân \
         công, trong đó, nêu giải pháp khắc phục hoặc nâng cao chất lượng phục vụ để hướng đến sự hài lòng cao nhất của cá nhân, tổ \
         chức."
            .to_owned(),
        format!(
            "Thời hạn báo cáo kết quả đối với các nội dung nêu trên về {} trước {}.",
            view.papers.committee,
            view.reply_before()
                .map_or("ngày …… tháng …… năm ………".to_owned(), day)
        ),
    ];
    if let Some(cards) = &view.cards {
        asks.push(format!(
            "Riêng đối với các nội dung phản ánh có liên quan đến cấp {} thuộc thẩm quyền theo dõi, quản lý của {unit}, {chairman} yêu \
             cầu {unit} chỉ đạo {} và {DIVISION} kịp thời theo dõi, cập nhật kết quả giải quyết từ {DEPARTMENT} để trả {} theo các \
             phương thức đã quy định, trong thời gian sớm nhất; phối hợp với các cơ quan, đơn vị có liên quan giải thích trực tiếp với \
             người dân những khó khăn của ngành ngay từ khâu đầu tiên khi tiếp nhận thủ tục hành chính này, đồng thời, tiếp tục tuyên \
             truyền rộng rãi trên các phương tiện truyền thông đại chúng để người dân hiểu, đồng tình.",
            cards.card,
            cards.local_police,
            cards.card,
            unit = cards.unit
        ));
    }
    asks.push(format!(
        "{} theo dõi, kiểm tra việc thực hiện và báo cáo {chairman} định kỳ hàng tháng.",
        view.papers.bureau()
    ));
    for (n, ask) in (1..).zip(&asks) {
        w.text(format!("{n}. {ask}"));
    }
    w.text(format!(
        "{chairman} yêu cầu các cơ quan, đơn vị, địa phương thực hiện nghiêm túc các nội dung nêu trên./."
    ));
    w.blocks
}

/// What the letter that urges agencies on is about.
pub(super) fn urging_subject(view: &ReportView) -> String {
    let what = match view.directive {
        Some(_) => "xử lý phản ánh, kiến nghị quá hạn và báo cáo kết quả thực hiện chỉ đạo",
        None => "xử lý phản ánh, kiến nghị quá hạn",
    };
    format!("V/v đôn đốc {what} ({})", period(view))
}

/// What the directive is about.
pub(super) fn directive_subject(view: &ReportView) -> String {
    format!(
        "V/v chấn chỉnh, khắc phục tồn tại trong xử lý phản ánh, kiến nghị qua {} {}",
        view.hotline,
        period(view)
    )
}

/// Whom the letter goes to: those with overdue tickets, and those that have not replied.
pub(super) fn urged_units(view: &ReportView) -> Vec<String> {
    let late = view
        .balance
        .iter()
        .filter(|row| row.kind == RowKind::Unit && row.open_overdue.is_some_and(|n| n > 0));
    let mut names: Vec<String> = late.map(|row| row.name.clone()).collect();
    for name in names_owing(view.obligations.as_deref().unwrap_or_default()) {
        if !names.iter().any(|n| n == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// The letter that urges agencies on.
pub(super) fn urging(view: &ReportView) -> Vec<Block> {
    let mut w = Writer::default();
    let late = match view.total.open_overdue {
        Some(0) => "không có phiếu quá hạn xử lý".to_owned(),
        n => format!(
            "các cơ quan, đơn vị, địa phương còn {} phản ánh, kiến nghị quá thời hạn xử lý nhưng chưa có kết quả trên hệ thống",
            tickets(view, n)
        ),
    };
    let list = match overdue(view) {
        Some(overdue) if !overdue.rows.is_empty() => {
            " (danh sách kèm theo, chỉ gồm mã phiếu; thông tin chi tiết đề nghị tra cứu trên hệ thống bằng tài khoản được cấp)"
        }
        _ => "",
    };
    w.text(format!(
        "Qua theo dõi trên hệ thống {}, đến 24 giờ 00 {}, {late}{list}.",
        view.hotline,
        day(view.period.last_day)
    ));
    let owing = names_owing(view.obligations.as_deref().unwrap_or_default());
    if let (Some(directive), false) = (&view.directive, owing.is_empty()) {
        w.text(format!(
            "Thực hiện Văn bản số {} {} của {} (thời hạn báo cáo trước {}), đến nay {} chưa ghi nhận báo cáo của: {}.",
            directive.number,
            day(directive.date),
            view.papers.chairman(),
            day(directive.reply_before),
            view.papers.bureau(),
            owing.join("; ")
        ));
    }
    w.text(format!(
        "{} đề nghị Thủ trưởng các cơ quan, đơn vị, địa phương quan tâm chỉ đạo:",
        view.papers.bureau()
    ));
    let mut asks = vec![
        "Khẩn trương xử lý dứt điểm các phiếu quá hạn, trả lời người hỏi, người phản ánh và cập nhật kết quả lên hệ thống; đối với phiếu \
         chưa thể xử lý ngay, nêu rõ nguyên nhân, cơ quan phối hợp và thời gian dự kiến hoàn thành."
            .to_owned(),
        "Báo cáo giải trình đối với các phiếu được đánh giá chưa hài lòng hoặc thông tin phản hồi chưa hữu ích, nêu giải pháp khắc phục \
         hoặc nâng cao chất lượng phục vụ."
            .to_owned(),
    ];
    let before = view.reply_before().map_or("ngày …… tháng …… năm ………".to_owned(), day);
    asks.push(format!(
        "Báo cáo kết quả về {} (qua {}) trước {before} để tổng hợp, báo cáo {}.",
        view.papers.committee,
        view.papers.bureau(),
        view.papers.chairman()
    ));
    for (n, ask) in (1..).zip(&asks) {
        w.text(format!("{n}. {ask}"));
    }
    w.text(format!(
        "{} đề nghị các cơ quan, đơn vị, địa phương quan tâm thực hiện./.",
        view.papers.bureau()
    ));
    w.blocks
}

/// The full balance.
pub(super) fn balance(view: &ReportView) -> Table {
    let cells = |number_of: String, row: &BalanceRow| {
        vec![
            number_of,
            row.name.clone(),
            cell(row.opening_stock),
            cell(row.received),
            row.adjustment.map_or(UNKNOWN.to_owned(), vietnamese::integer),
            row.sum().map_or(UNKNOWN.to_owned(), vietnamese::integer),
            cell(row.done_on_time),
            cell(row.done_late),
            cell(row.rejected),
            cell(row.open_in_time),
            cell(row.open_overdue),
            percent(row.on_time()),
            cell(row.reminders),
            cell(row.unsatisfied),
            cell(row.explained),
            percent(row.satisfaction()),
        ]
    };
    let rows = (1..).zip(&view.balance).map(|(n, row)| Row {
        cells: cells(n.to_string(), row),
        is_total: false,
    });
    let total = Row {
        cells: cells(String::new(), &view.total),
        is_total: true,
    };
    Table {
        caption: format!("Cân đối phiếu theo cơ quan, đơn vị, địa phương {}", period(view)),
        columns: balance_columns()
            .into_iter()
            .zip([4, 26, 6, 7, 6, 7, 7, 6, 7, 7, 7, 8, 7, 6, 6, 8])
            .map(|(title, width)| match title {
                "TT" => middle(title, width),
                "Cơ quan" => left(title, width),
                _ => right(title, width),
            })
            .collect(),
        rows: rows.chain([total]).collect(),
    }
}

/// Titles of the balance's columns.
pub(super) fn balance_columns() -> [&'static str; 16] {
    [
        "TT",
        "Cơ quan",
        "Tồn kỳ trước",
        "Phát sinh trong kỳ",
        "Điều chỉnh",
        "Tổng",
        "Xong đúng hạn",
        "Xong trễ hạn",
        "Từ chối/ chuyển",
        "Đang xử lý trong hạn",
        "Đang xử lý quá hạn",
        "Tỷ lệ đúng hạn",
        "Đã đôn đốc (lượt)",
        "Chưa hài lòng",
        "Đã giải trình",
        "Hài lòng (%)",
    ]
}

/// The tickets that are overdue, and how many may not be listed; `None` where that is not known.
pub(super) fn overdue(view: &ReportView) -> Option<Table> {
    let rows = (1..).zip(view.overdue.as_ref()?).map(|(n, t): (u64, _)| Row {
        cells: vec![
            n.to_string(),
            t.code.clone(),
            t.field.clone().unwrap_or_else(|| "chưa phân loại".to_owned()),
            t.agency.clone().unwrap_or_else(|| "chưa phân công".to_owned()),
            vietnamese::official(t.received_on),
            vietnamese::official(t.deadline),
            vietnamese::integer(t.overdue_working_days.into()),
            cell(t.reminders.map(u64::from)),
            t.waiting_on.as_ref().map_or(String::new(), |on| format!("chờ {on}")),
        ],
        is_total: false,
    });
    let withheld = view.overdue_withheld.filter(|n| *n > 0).map(|n| {
        let mut cells = vec![String::new(); 9];
        cells[1] = format!("Không nêu mã: {}", tickets(view, Some(n)));
        cells[8] = "không công khai hoặc về thái độ, hành vi".to_owned();
        Row { cells, is_total: true }
    });
    Some(Table {
        caption: "Phiếu quá hạn chưa xử lý xong".to_owned(),
        columns: vec![
            middle("TT", 5),
            left("Mã phiếu", 21),
            left("Lĩnh vực", 16),
            left("Cơ quan", 25),
            middle("Ngày tiếp nhận", 11),
            middle("Hạn xử lý", 11),
            right("Quá hạn (ngày làm việc)", 10),
            right("Đã nhắc (lượt)", 8),
            left("Ghi chú", 13),
        ],
        rows: rows.chain(withheld).collect(),
    })
}

/// What is owed, unit by unit.
pub(super) fn obligations(obligations: &[ObligationView]) -> Table {
    let rows = (1..).zip(obligations).map(|(n, o): (u64, _)| Row {
        cells: vec![
            n.to_string(),
            o.unit.clone(),
            kind(o.kind).to_owned(),
            format!("{}/{}", cell(o.settled), cell(Some(o.tickets))),
            o.before.map_or("thường xuyên".to_owned(), |d| {
                format!("trước {}", vietnamese::official(d))
            }),
            state(o.state).to_owned(),
            o.document.as_ref().map_or(String::new(), |d| d.number.clone()),
            o.document
                .as_ref()
                .map_or(String::new(), |d| vietnamese::official(d.date)),
            o.document
                .as_ref()
                .map_or(String::new(), |d| vietnamese::official(d.received_on)),
        ],
        is_total: false,
    });
    Table {
        caption: "Tình hình báo cáo của các cơ quan, đơn vị, địa phương".to_owned(),
        columns: vec![
            middle("TT", 5),
            left("Cơ quan", 26),
            left("Nội dung", 20),
            middle("Phiếu đã xử lý/tổng số", 11),
            middle("Thời hạn", 13),
            left("Tình trạng", 13),
            left("Số văn bản", 16),
            middle("Ngày văn bản", 10),
            middle("Ngày nhận", 10),
        ],
        rows: rows.collect(),
    }
}

/// How the figures are reckoned, and whether they add up.
pub(super) fn formulas(view: &ReportView) -> Table {
    let formulas = view.formulas.iter().map(|f| vec![f.name.clone(), f.text.clone()]);
    let identities = view.identities.iter().map(|i| {
        let holds = match i.holds {
            Some(true) => "Đã kiểm tra: đúng",
            Some(false) => "Đã kiểm tra: KHÔNG KHỚP",
            None => "Chưa đủ số liệu để kiểm tra",
        };
        vec![holds.to_owned(), i.text.clone()]
    });
    Table {
        caption: "Cách tính các chỉ tiêu".to_owned(),
        columns: vec![left("Chỉ tiêu", 28), left("Cách tính", 72)],
        rows: formulas
            .chain(identities)
            .map(|cells| Row { cells, is_total: false })
            .collect(),
    }
}
