//! The report as plain text, in Vietnamese.

use super::{Report, State};
use crate::config::Config;
use crate::domain::figures::{Balance, Column, Figure, Value};
use crate::domain::wording::Locale;
use crate::render::vietnamese;

/// What is not known, or has no denominator.
const NOTHING: &str = "–";

/// The columns of the balance, with short heads. Their order is that of the identity.
const BALANCE: [(Column, &str); 13] = [
    (Column::StockBefore, "tồn chốt"),
    (Column::Adjustments, "đ.chỉnh"),
    (Column::OpeningStock, "tồn đầu"),
    (Column::Received, "tiếp nhận"),
    (Column::TakenUp, "xử lý lại"),
    (Column::DoneOnTime, "đúng hạn"),
    (Column::DoneLate, "trễ hạn"),
    (Column::Rejected, "từ chối"),
    (Column::OpenWithin, "trong hạn"),
    (Column::OpenOverdue, "quá hạn"),
    (Column::OnTimeRate, "% đ.hạn"),
    (Column::Reminders, "đôn đốc"),
    (Column::Unsatisfied, "chưa HL"),
];

/// How each figure is reckoned.
#[must_use]
pub fn formulas() -> String {
    let of_all = Figure::ALL.map(|figure| figure.words(Locale::Vi));
    let of_rows = Column::ALL.map(|column| column.words(Locale::Vi));
    let more = of_rows
        .into_iter()
        .filter(|words| of_all.iter().all(|known| known.formula != words.formula));
    let lines = of_all.into_iter().chain(more);
    let lines: String = lines
        .map(|words| format!("- {}: {}.\n", words.label, words.formula))
        .collect();
    format!("Cách tính:\n{lines}")
}

impl Report {
    /// The narrative in the order of the hotline's own reports (`domain.md` §2.6), and the balance of each owner.
    #[must_use]
    pub fn text(&self, config: &Config) -> String {
        let mut out = self.narrative(config);
        self.add_balance(&mut out, config);
        out
    }

    fn narrative(&self, config: &Config) -> String {
        let f = &self.figures;
        let n = |figure: Figure| figure.value(f).map_or_else(|| NOTHING.to_owned(), vietnamese::integer);
        let shown = |n: u64| i64::try_from(n).map_or_else(|_| n.to_string(), vietnamese::integer);
        let date = vietnamese::date;
        let change = match Figure::Change.value(f) {
            None => "chưa có số liệu kỳ trước để so sánh".to_owned(),
            Some(0) => "bằng kỳ trước".to_owned(),
            Some(c) => format!("{} phiếu so với kỳ trước", vietnamese::change(c)),
        };
        let year_before = match Figure::ChangeFromYearBefore.value(f) {
            None => String::new(),
            Some(0) => "; bằng cùng kỳ năm trước".to_owned(),
            Some(c) => format!("; {} phiếu so với cùng kỳ năm trước", vietnamese::change(c)),
        };
        let state = match self.state {
            State::Open => "kỳ chưa kết thúc",
            State::Provisional => "số liệu tạm tính",
            State::Final if self.revision > 1 => "số liệu chính thức, đã điều chỉnh",
            State::Final => "số liệu chính thức",
        };
        format!(
            "Từ ngày {} đến ngày {} ({state}), {} đã tiếp nhận và lập {} phiếu xử lý ý kiến, phản ánh, kiến nghị của tổ chức, cá nhân ({change}{year_before}), \
             trong đó có {} phản ánh, kiến nghị và hỏi đáp liên quan đến thủ tục hành chính.\n\n\
             Có {} phản ánh, kiến nghị liên quan đến việc giải quyết thủ tục hành chính bị trễ hạn, quá hạn; thái độ, hành vi của công chức, viên chức; \
             vướng mắc về quy định hành chính và {} phản ánh, kiến nghị đang theo dõi kết quả xử lý từ cơ quan, đơn vị, địa phương \
             (còn tồn từ các kỳ trước chuyển sang: {}; phát sinh trong kỳ: {}{}).\n\n\
             Có {} phiếu được đánh giá chưa hài lòng hoặc thông tin phản hồi là chưa hữu ích đối với người hỏi, người phản ánh, trong đó loại trừ {}{}.\n\n",
            date(self.period.first_day()),
            date(self.last_day()),
            config.delivery.hotline,
            n(Figure::Total),
            n(Figure::Procedures),
            n(Figure::Flagged),
            n(Figure::UnderFollowUp),
            n(Figure::CarriedOver),
            n(Figure::NewInPeriod),
            if Figure::TakenUpAgain.value(f).is_some_and(|again| again > 0) {
                format!("; xử lý lại: {}", n(Figure::TakenUpAgain))
            } else {
                String::new()
            },
            n(Figure::Unsatisfied),
            self.excluded().map_or_else(|| NOTHING.to_owned(), shown),
            match self.exclusion_pending() {
                None | Some(0) => String::new(),
                Some(pending) => format!(", đang xem xét {}", shown(pending)),
            },
        )
    }

    fn add_balance(&self, out: &mut String, config: &Config) {
        let owners = self.owners_in_order(config);
        let rows = owners
            .iter()
            .map(|(owner, name)| (name.as_str(), &self.figures.owners[owner]))
            .chain([("Toàn tỉnh", &self.figures.whole)]);
        let rows: Vec<(&str, &Balance)> = rows.collect();
        let heads = BALANCE.iter().map(|(_, head)| (*head).to_owned());
        let mut lines = vec![("Cơ quan", heads.collect::<Vec<String>>())];
        for (name, row) in rows {
            let cells = BALANCE.iter().map(|(column, _)| self.cell(*column, row, config));
            lines.push((name, cells.collect()));
        }
        let widest = |cells: &mut dyn Iterator<Item = &str>| cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        let first = widest(&mut lines.iter().map(|(name, _)| *name));
        let widths: Vec<usize> = (0..BALANCE.len())
            .map(|place| widest(&mut lines.iter().map(|(_, cells)| cells[place].as_str())))
            .collect();
        for (name, cells) in &lines {
            let cells = cells.iter().zip(&widths);
            let cells: String = cells.map(|(cell, width)| format!("  {cell:>width$}")).collect();
            out.push_str(&format!("{name:first$}{cells}\n"));
        }
    }

    fn cell(&self, column: Column, row: &Balance, config: &Config) -> String {
        let shown = match column.value(row, &self.figures) {
            None => None,
            Some(Value::Count(count)) => Some(vietnamese::integer(count)),
            Some(Value::Rate(rate)) => rate.map(|rate| vietnamese::share(rate.part, rate.whole)),
            Some(Value::Instant(at)) => at.map(|at| vietnamese::date(config.calendars.base().date_of(at))),
        };
        shown.unwrap_or_else(|| NOTHING.to_owned())
    }
}
