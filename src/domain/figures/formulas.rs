//! What the figures are called, and their formulas as the report prints them.

use super::balance::signed;
use super::{Balance, Figures, Rate};
use crate::domain::Moment;
use crate::domain::wording::Locale;

/// A number of the narrative, of all tickets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Figure {
    /// `start <= received_at < end`, not void at the cut-off.
    Total,
    /// Received in the period before, not void at that one's end.
    PreviousTotal,
    /// `total - previous_total`.
    Change,
    /// Received in the same period of the year before, not void at its end.
    YearBeforeTotal,
    /// `total - year_before_total`.
    ChangeFromYearBefore,
    /// Of `total`: concerning an administrative procedure.
    Procedures,
    /// Of `total`: at least one of the tags `procedure_late`, `conduct`, `regulation`; each ticket once.
    Flagged,
    /// Open at the cut-off, whenever received: `carried_over + new_in_period + taken_up_again`.
    UnderFollowUp,
    /// Open at the period's start.
    OpeningStock,
    /// Of `opening_stock`: open at the cut-off.
    CarriedOver,
    /// Received in the period and open at the cut-off.
    NewInPeriod,
    /// Received before, over at the period's start, open at the cut-off.
    TakenUpAgain,
    /// Rated unsatisfied or not useful in the period, by the instant of the rating.
    Unsatisfied,
    /// Of `unsatisfied`: the dissatisfaction comes from the reporter's side.
    Excluded,
    /// Rated satisfied in the period.
    Satisfied,
    /// Asked, and gave no reply, in the period.
    NoReply,
}

/// A column of the balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Column {
    StockBefore,
    LateEntries,
    Voided,
    Corrected,
    MovedIn,
    MovedOut,
    /// `late_entries - voided + corrected + moved_in - moved_out`.
    Adjustments,
    /// `stock_before + adjustments`.
    OpeningStock,
    Received,
    TakenUp,
    /// `opening_stock + received + taken_up = done_on_time + done_late + rejected + open_within + open_overdue`.
    ToDo,
    DoneOnTime,
    DoneLate,
    Rejected,
    OpenWithin,
    OpenOverdue,
    /// `open_within + open_overdue = carried_over + new_in_period + taken_up_again`.
    Open,
    CarriedOver,
    NewInPeriod,
    TakenUpAgain,
    /// `done_on_time / (done_on_time + done_late + open_overdue)`.
    OnTimeRate,
    DoneOnTimeFirst,
    DoneLateFirst,
    OpenOverdueFirst,
    /// `done_on_time_first / (done_on_time_first + done_late_first + open_overdue_first)`.
    OnTimeRateFirst,
    Procedures,
    Flagged,
    Satisfied,
    Unsatisfied,
    Excluded,
    NoReply,
    /// `satisfied / (satisfied + unsatisfied)`.
    SatisfactionRate,
    Reminders,
    Transfers,
    Extensions,
    Reopenings,
    OldestOpen,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    Count(i64),
    /// `None` where the denominator is 0.
    Rate(Option<Rate>),
    Instant(Option<Moment>),
}

/// What a figure is called in one language, and how it is reckoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words {
    pub label: &'static str,
    pub formula: &'static str,
}

/// The key, then label and formula in Vietnamese and in English.
type Row = (&'static str, (&'static str, &'static str), (&'static str, &'static str));

fn words((_, vi, en): Row, locale: Locale) -> Words {
    let (label, formula) = match locale {
        Locale::Vi => vi,
        Locale::En => en,
    };
    Words { label, formula }
}

impl Figure {
    pub const ALL: [Figure; 16] = [
        Figure::Total,
        Figure::PreviousTotal,
        Figure::Change,
        Figure::YearBeforeTotal,
        Figure::ChangeFromYearBefore,
        Figure::Procedures,
        Figure::Flagged,
        Figure::UnderFollowUp,
        Figure::OpeningStock,
        Figure::CarriedOver,
        Figure::NewInPeriod,
        Figure::TakenUpAgain,
        Figure::Unsatisfied,
        Figure::Excluded,
        Figure::Satisfied,
        Figure::NoReply,
    ];

    /// The key in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub fn words(self, locale: Locale) -> Words {
        words(self.row(), locale)
    }

    /// The number; `None` where the store does not reach back far enough.
    #[must_use]
    pub fn value(self, figures: &Figures) -> Option<i64> {
        let total = signed(figures.whole.received);
        let previous = || figures.reach.previous_start.then_some(signed(figures.previous_total));
        let year_before = || figures.year_before_total.map(signed);
        let column = match self {
            Figure::Total => Column::Received,
            Figure::PreviousTotal => return previous(),
            Figure::Change => return previous().map(|previous| total - previous),
            Figure::YearBeforeTotal => return year_before(),
            Figure::ChangeFromYearBefore => return year_before().map(|before| total - before),
            Figure::Procedures => Column::Procedures,
            Figure::Flagged => Column::Flagged,
            Figure::UnderFollowUp => Column::Open,
            Figure::OpeningStock => Column::OpeningStock,
            Figure::CarriedOver => Column::CarriedOver,
            Figure::NewInPeriod => Column::NewInPeriod,
            Figure::TakenUpAgain => Column::TakenUpAgain,
            Figure::Unsatisfied => Column::Unsatisfied,
            Figure::Excluded => Column::Excluded,
            Figure::Satisfied => Column::Satisfied,
            Figure::NoReply => Column::NoReply,
        };
        match column.value(&figures.whole, figures)? {
            Value::Count(count) => Some(count),
            Value::Rate(_) | Value::Instant(_) => None,
        }
    }

    fn row(self) -> Row {
        match self {
            Figure::Total => (
                "total",
                (
                    "Phiếu tiếp nhận trong kỳ",
                    "thời điểm tiếp nhận từ 00:00 ngày đầu kỳ đến trước thời điểm chốt số liệu; không tính phiếu trùng, phiếu hủy",
                ),
                (
                    "Received in the period",
                    "received from the period's first instant until before the cut-off; duplicates and cancelled ones left out",
                ),
            ),
            Figure::PreviousTotal => (
                "previous_total",
                ("Phiếu tiếp nhận kỳ trước", "tính như trên cho kỳ liền trước"),
                ("Received in the period before", "the same for the period before"),
            ),
            Figure::Change => (
                "change",
                (
                    "Tăng, giảm so với kỳ trước",
                    "phiếu tiếp nhận trong kỳ − phiếu tiếp nhận kỳ trước",
                ),
                (
                    "Change from the period before",
                    "received in the period − in the period before",
                ),
            ),
            Figure::YearBeforeTotal => (
                "year_before_total",
                (
                    "Phiếu tiếp nhận cùng kỳ năm trước",
                    "tính như trên cho cùng kỳ năm trước",
                ),
                (
                    "Received in the same period of the year before",
                    "the same for that period",
                ),
            ),
            Figure::ChangeFromYearBefore => (
                "change_from_year_before",
                (
                    "Tăng, giảm so với cùng kỳ năm trước",
                    "phiếu tiếp nhận trong kỳ − phiếu tiếp nhận cùng kỳ năm trước",
                ),
                (
                    "Change from the year before",
                    "received in the period − in the same period of the year before",
                ),
            ),
            Figure::Procedures => (
                "procedures",
                (
                    "Liên quan đến thủ tục hành chính",
                    "trong số tiếp nhận trong kỳ: phiếu liên quan đến thủ tục hành chính",
                ),
                (
                    "Concerning administrative procedures",
                    "of those received in the period: concerning an administrative procedure",
                ),
            ),
            Figure::Flagged => (
                "flagged",
                (
                    "Thủ tục hành chính trễ hạn, quá hạn; thái độ, hành vi; vướng mắc về quy định",
                    "trong số tiếp nhận trong kỳ: phiếu có ít nhất một trong ba nội dung, mỗi phiếu tính một lần",
                ),
                (
                    "Late procedures, conduct, regulations",
                    "of those received in the period: with at least one of the three, each counted once",
                ),
            ),
            Figure::UnderFollowUp => (
                "under_follow_up",
                (
                    "Đang theo dõi kết quả xử lý",
                    "phiếu chưa xong tại thời điểm chốt số liệu = còn tồn từ các kỳ trước + phát sinh trong kỳ + xử lý lại",
                ),
                (
                    "Under follow-up",
                    "open at the cut-off = carried over + new in the period + taken up again",
                ),
            ),
            Figure::OpeningStock => (
                "opening_stock",
                ("Tồn đầu kỳ", "phiếu chưa xong tại thời điểm bắt đầu kỳ"),
                ("Opening stock", "open at the period's start"),
            ),
            Figure::CarriedOver => (
                "carried_over",
                (
                    "Còn tồn từ các kỳ trước chuyển sang",
                    "trong số tồn đầu kỳ: phiếu vẫn chưa xong tại thời điểm chốt số liệu",
                ),
                ("Carried over", "of the opening stock: still open at the cut-off"),
            ),
            Figure::NewInPeriod => (
                "new_in_period",
                (
                    "Phát sinh trong kỳ, chưa xong",
                    "trong số tiếp nhận trong kỳ: phiếu chưa xong tại thời điểm chốt số liệu",
                ),
                ("New in the period", "received in the period and open at the cut-off"),
            ),
            Figure::TakenUpAgain => (
                "taken_up_again",
                (
                    "Xử lý lại",
                    "phiếu tiếp nhận trước kỳ, đã xong tại thời điểm bắt đầu kỳ, chưa xong tại thời điểm chốt số liệu",
                ),
                (
                    "Taken up again",
                    "received before, over at the period's start, open at the cut-off",
                ),
            ),
            Figure::Unsatisfied => (
                "unsatisfied",
                (
                    "Chưa hài lòng hoặc chưa hữu ích",
                    "phiếu được đánh giá chưa hài lòng hoặc chưa hữu ích, thời điểm đánh giá trong kỳ",
                ),
                (
                    "Unsatisfied or not useful",
                    "rated unsatisfied or not useful, at an instant within the period",
                ),
            ),
            Figure::Excluded => (
                "excluded",
                (
                    "Trong đó loại trừ",
                    "trong số chưa hài lòng hoặc chưa hữu ích: nguyên nhân từ phía người phản ánh",
                ),
                (
                    "Of these excluded",
                    "of these: the dissatisfaction comes from the reporter's side",
                ),
            ),
            Figure::Satisfied => (
                "satisfied",
                (
                    "Hài lòng hoặc hữu ích",
                    "phiếu được đánh giá hài lòng hoặc hữu ích, thời điểm đánh giá trong kỳ",
                ),
                ("Satisfied", "rated satisfied, at an instant within the period"),
            ),
            Figure::NoReply => (
                "no_reply",
                (
                    "Không phản hồi khảo sát",
                    "phiếu được khảo sát mà người phản ánh không phản hồi, thời điểm ghi nhận trong kỳ; không tính vào tỷ lệ hài lòng",
                ),
                (
                    "No reply",
                    "asked and gave no reply, at an instant within the period; not part of the satisfaction rate",
                ),
            ),
        }
    }
}

impl Column {
    pub const ALL: [Column; 37] = [
        Column::StockBefore,
        Column::LateEntries,
        Column::Voided,
        Column::Corrected,
        Column::MovedIn,
        Column::MovedOut,
        Column::Adjustments,
        Column::OpeningStock,
        Column::Received,
        Column::TakenUp,
        Column::ToDo,
        Column::DoneOnTime,
        Column::DoneLate,
        Column::Rejected,
        Column::OpenWithin,
        Column::OpenOverdue,
        Column::Open,
        Column::CarriedOver,
        Column::NewInPeriod,
        Column::TakenUpAgain,
        Column::OnTimeRate,
        Column::DoneOnTimeFirst,
        Column::DoneLateFirst,
        Column::OpenOverdueFirst,
        Column::OnTimeRateFirst,
        Column::Procedures,
        Column::Flagged,
        Column::Satisfied,
        Column::Unsatisfied,
        Column::Excluded,
        Column::NoReply,
        Column::SatisfactionRate,
        Column::Reminders,
        Column::Transfers,
        Column::Extensions,
        Column::Reopenings,
        Column::OldestOpen,
    ];

    /// The key in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        self.row().0
    }

    #[must_use]
    pub fn words(self, locale: Locale) -> Words {
        words(self.row(), locale)
    }

    /// What stands in a row of some figures; `None` where the store does not reach back far enough.
    #[must_use]
    pub fn value(self, row: &Balance, figures: &Figures) -> Option<Value> {
        let is_known = match self {
            Column::OpenWithin | Column::OpenOverdue | Column::Open | Column::OpenOverdueFirst | Column::OldestOpen => {
                figures.reach.end
            }
            _ => figures.reach.start,
        };
        is_known.then(|| self.of(row))
    }

    /// The count in a row; `None` where no count stands in the column.
    #[must_use]
    pub fn count(self, row: &Balance) -> Option<i64> {
        match self.of(row) {
            Value::Count(count) => Some(count),
            Value::Rate(_) | Value::Instant(_) => None,
        }
    }

    /// Whether the rows of a table add up to that of all tickets. What moved from row to row has moved for these alone.
    #[must_use]
    pub fn is_summed(self) -> bool {
        !matches!(self, Column::MovedIn | Column::MovedOut) && matches!(self.of(&Balance::default()), Value::Count(_))
    }

    fn of(self, row: &Balance) -> Value {
        let count = match self {
            Column::StockBefore => row.stock_before,
            Column::LateEntries => row.late_entries,
            Column::Voided => row.voided,
            Column::Corrected => return Value::Count(row.corrected),
            Column::MovedIn => row.moved_in,
            Column::MovedOut => row.moved_out,
            Column::Adjustments => return Value::Count(row.adjustments()),
            Column::OpeningStock => row.opening_stock,
            Column::Received => row.received,
            Column::TakenUp => row.taken_up,
            Column::ToDo => row.to_do(),
            Column::DoneOnTime => row.done_on_time,
            Column::DoneLate => row.done_late,
            Column::Rejected => row.rejected,
            Column::OpenWithin => row.open_within,
            Column::OpenOverdue => row.open_overdue,
            Column::Open => row.open(),
            Column::CarriedOver => row.carried_over,
            Column::NewInPeriod => row.new_in_period,
            Column::TakenUpAgain => row.taken_up_again,
            Column::OnTimeRate => return Value::Rate(row.on_time_rate()),
            Column::DoneOnTimeFirst => row.done_on_time_first,
            Column::DoneLateFirst => row.done_late_first,
            Column::OpenOverdueFirst => row.open_overdue_first,
            Column::OnTimeRateFirst => return Value::Rate(row.on_time_rate_first()),
            Column::Procedures => row.procedures,
            Column::Flagged => row.flagged,
            Column::Satisfied => row.satisfied,
            Column::Unsatisfied => row.unsatisfied,
            Column::Excluded => row.excluded,
            Column::NoReply => row.no_reply,
            Column::SatisfactionRate => return Value::Rate(row.satisfaction_rate()),
            Column::Reminders => row.reminders,
            Column::Transfers => row.transfers,
            Column::Extensions => row.extensions,
            Column::Reopenings => row.reopenings,
            Column::OldestOpen => return Value::Instant(row.oldest_open),
        };
        Value::Count(signed(count))
    }

    fn row(self) -> Row {
        let of_figure = |figure: Figure| figure.row();
        match self {
            Column::StockBefore => (
                "stock_before",
                (
                    "Tồn kỳ trước theo số đã chốt",
                    "phiếu chưa xong tại thời điểm bắt đầu kỳ, theo số liệu khi chốt kỳ trước",
                ),
                (
                    "Stock as reported",
                    "open at the period's start, as known when the period before was counted",
                ),
            ),
            Column::LateEntries => (
                "late_entries",
                (
                    "Nhập muộn",
                    "phiếu tiếp nhận trước kỳ, chưa xong tại thời điểm bắt đầu kỳ, chỉ được nhập sau khi chốt kỳ trước",
                ),
                (
                    "Entered late",
                    "open at the period's start, but entered only after the period before was counted",
                ),
            ),
            Column::Voided => (
                "voided",
                (
                    "Trùng, hủy",
                    "phiếu trong số tồn đã chốt, nay là phiếu trùng, phiếu hủy hoặc không còn trong nguồn dữ liệu",
                ),
                ("Void", "of the stock as reported: void or gone at the cut-off"),
            ),
            Column::Corrected => (
                "corrected",
                (
                    "Đính chính",
                    "phiếu vào (+) hoặc ra (−) khỏi số tồn do kết quả, thời điểm được ghi lại sau khi chốt kỳ trước",
                ),
                (
                    "Corrected",
                    "came to (+) or left (−) the stock by what was dated back after the period before was counted",
                ),
            ),
            Column::MovedIn => (
                "moved_in",
                (
                    "Nhận từ nơi khác",
                    "phiếu tồn đầu kỳ, khi chốt kỳ trước thuộc dòng khác",
                ),
                ("Moved in", "of the stock: of another row at the period's start"),
            ),
            Column::MovedOut => (
                "moved_out",
                (
                    "Chuyển đi nơi khác",
                    "phiếu tồn đầu kỳ, tại thời điểm chốt số liệu thuộc dòng khác",
                ),
                ("Moved out", "of the stock: of another row at the cut-off"),
            ),
            Column::Adjustments => (
                "adjustments",
                (
                    "Điều chỉnh",
                    "nhập muộn − trùng, hủy + đính chính + nhận từ nơi khác − chuyển đi nơi khác",
                ),
                ("Adjustments", "entered late − void + corrected + moved in − moved out"),
            ),
            Column::OpeningStock => (
                "opening_stock",
                ("Tồn kỳ trước", "tồn kỳ trước theo số đã chốt + điều chỉnh"),
                ("Opening stock", "stock as reported + adjustments"),
            ),
            Column::Received => (
                "received",
                ("Tiếp nhận trong kỳ", Figure::Total.row().1.1),
                ("Received", Figure::Total.row().2.1),
            ),
            Column::TakenUp => (
                "taken_up",
                (
                    "Xử lý lại trong kỳ",
                    "phiếu tiếp nhận trước kỳ, đã xong tại thời điểm bắt đầu kỳ, được mở lại trong kỳ",
                ),
                (
                    "Taken up",
                    "received before, over at the period's start, open again within it",
                ),
            ),
            Column::ToDo => (
                "to_do",
                (
                    "Tổng số",
                    "tồn kỳ trước + tiếp nhận + xử lý lại = xong đúng hạn + xong trễ hạn + từ chối + đang xử lý trong hạn + đang xử lý quá hạn",
                ),
                (
                    "Total",
                    "opening stock + received + taken up = done in time + done late + rejected + open within the deadline + open overdue",
                ),
            ),
            Column::DoneOnTime => (
                "done_on_time",
                (
                    "Xong đúng hạn",
                    "trong tổng số: đã xong tại thời điểm chốt số liệu, không quá hạn xử lý hiện hành; phiếu không có hạn tính là đúng hạn",
                ),
                (
                    "Done in time",
                    "of the total: done at the cut-off, not past the present deadline; without a deadline in time",
                ),
            ),
            Column::DoneLate => (
                "done_late",
                (
                    "Xong trễ hạn",
                    "trong tổng số: đã xong tại thời điểm chốt số liệu, quá hạn xử lý hiện hành",
                ),
                (
                    "Done late",
                    "of the total: done at the cut-off, past the present deadline",
                ),
            ),
            Column::Rejected => (
                "rejected",
                ("Từ chối", "trong tổng số: từ chối tiếp nhận tại thời điểm chốt số liệu"),
                ("Rejected", "of the total: rejected at the cut-off"),
            ),
            Column::OpenWithin => (
                "open_within",
                (
                    "Đang xử lý trong hạn",
                    "trong tổng số: chưa xong tại thời điểm chốt số liệu, chưa quá hạn xử lý",
                ),
                (
                    "Open within the deadline",
                    "of the total: open at the cut-off, not past the deadline",
                ),
            ),
            Column::OpenOverdue => (
                "overdue",
                (
                    "Đang xử lý quá hạn",
                    "trong tổng số: chưa xong tại thời điểm chốt số liệu, đã quá hạn xử lý",
                ),
                ("Open overdue", "of the total: open at the cut-off, past the deadline"),
            ),
            Column::Open => (
                "open",
                (
                    "Chuyển kỳ sau",
                    "đang xử lý trong hạn + đang xử lý quá hạn = còn tồn từ các kỳ trước + phát sinh trong kỳ + xử lý lại",
                ),
                (
                    "Open",
                    "open within the deadline + overdue = carried over + new in the period + taken up again",
                ),
            ),
            Column::CarriedOver => of_figure(Figure::CarriedOver),
            Column::NewInPeriod => of_figure(Figure::NewInPeriod),
            Column::TakenUpAgain => of_figure(Figure::TakenUpAgain),
            Column::OnTimeRate => (
                "on_time_rate",
                (
                    "Tỷ lệ đúng hạn",
                    "xong đúng hạn / (xong đúng hạn + xong trễ hạn + đang xử lý quá hạn); “–” khi mẫu số bằng 0",
                ),
                (
                    "On-time rate",
                    "done in time / (done in time + done late + open overdue); “–” where that is 0",
                ),
            ),
            Column::DoneOnTimeFirst => (
                "done_on_time_first",
                ("Xong đúng hạn ban đầu", "như xong đúng hạn, theo hạn xử lý ban đầu"),
                ("Done in time, first deadline", "as done in time, by the first deadline"),
            ),
            Column::DoneLateFirst => (
                "done_late_first",
                ("Xong trễ hạn ban đầu", "như xong trễ hạn, theo hạn xử lý ban đầu"),
                ("Done late, first deadline", "as done late, by the first deadline"),
            ),
            Column::OpenOverdueFirst => (
                "overdue_first",
                ("Quá hạn ban đầu", "như đang xử lý quá hạn, theo hạn xử lý ban đầu"),
                ("Overdue, first deadline", "as open overdue, by the first deadline"),
            ),
            Column::OnTimeRateFirst => (
                "on_time_rate_first",
                ("Tỷ lệ đúng hạn ban đầu", "như tỷ lệ đúng hạn, theo hạn xử lý ban đầu"),
                (
                    "On-time rate, first deadline",
                    "as the on-time rate, by the first deadline",
                ),
            ),
            Column::Procedures => of_figure(Figure::Procedures),
            Column::Flagged => of_figure(Figure::Flagged),
            Column::Satisfied => of_figure(Figure::Satisfied),
            Column::Unsatisfied => of_figure(Figure::Unsatisfied),
            Column::Excluded => of_figure(Figure::Excluded),
            Column::NoReply => of_figure(Figure::NoReply),
            Column::SatisfactionRate => (
                "satisfaction_rate",
                (
                    "Tỷ lệ hài lòng",
                    "hài lòng / (hài lòng + chưa hài lòng); không tính phiếu đang xử lý, phiếu không phản hồi; “–” khi mẫu số bằng 0",
                ),
                (
                    "Satisfaction rate",
                    "satisfied / (satisfied + unsatisfied), open ones and those without a reply left out; “–” where that is 0",
                ),
            ),
            Column::Reminders => (
                "reminders",
                (
                    "Đã đôn đốc (lượt)",
                    "số lượt nhắc về phiếu đã gửi được trong kỳ, mỗi lượt tính một lần dù gửi cho nhiều nơi, không tính nơi nhận để biết",
                ),
                (
                    "Reminders",
                    "tellings of tickets that were accepted in the period, one however many were written to; cc does not count",
                ),
            ),
            Column::Transfers => (
                "transfers",
                (
                    "Chuyển đơn vị chủ trì (lượt)",
                    "số lượt đổi đơn vị chủ trì trong kỳ, trừ trường hợp kế thừa",
                ),
                (
                    "Transfers",
                    "changes of the lead agency in the period, successions excepted",
                ),
            ),
            Column::Extensions => (
                "extensions",
                ("Gia hạn (lượt)", "số lượt đặt thời hạn gia hạn mới trong kỳ"),
                ("Extensions", "new dates of an extension in the period"),
            ),
            Column::Reopenings => (
                "reopenings",
                ("Mở lại (lượt)", "số lượt phiếu đã xong được mở lại trong kỳ"),
                ("Reopenings", "answers sent back and endings undone in the period"),
            ),
            Column::OldestOpen => (
                "oldest_open",
                (
                    "Phiếu chưa xong lâu nhất",
                    "thời điểm tiếp nhận sớm nhất trong số phiếu chưa xong tại thời điểm chốt số liệu",
                ),
                ("Oldest open", "the earliest receipt of those open at the cut-off"),
            ),
        }
    }
}

impl std::fmt::Display for Column {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key())
    }
}
