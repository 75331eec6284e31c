//! What the monthly papers say, as plain data: counts, dates and names, nothing formatted.
//!
//! What is unknown is `None` and shown as «–», never as nought. Of tickets there are codes, fields, agencies and dates,
//! nothing of citizens. Instants are local.

use chrono::{NaiveDate, NaiveDateTime};
use serde::Serialize;

use crate::domain::obligation::Directive;
pub use crate::domain::obligation::{Kind as ObligationKind, State as ObligationState};
use crate::domain::papers::Papers;
use crate::domain::text::vi_sort_key;

/// How far the figures are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The period is still running.
    Open,
    Provisional,
    Final,
}

/// Everything that the papers of one period say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReportView {
    pub papers: Papers,
    /// The hotline's full name.
    pub hotline: String,
    /// Counts below ten are written with a nought before them.
    pub two_digits: bool,
    pub period: PeriodView,
    pub standing: Standing,
    /// 0 = not frozen.
    pub revision: i64,
    pub drawn_at: NaiveDateTime,
    pub figures: FiguresView,
    /// Tickets by period, the earliest first; this one is the last.
    pub months: Vec<MonthView>,
    /// Tickets of the period by channel, field and locality, the most frequent first.
    pub channels: Option<Vec<CountView>>,
    pub fields: Option<Vec<CountView>>,
    pub localities: Option<Vec<CountView>>,
    /// A row an owner, as [`in_order`] puts them.
    pub balance: Vec<BalanceRow>,
    pub total: BalanceRow,
    pub identities: Vec<IdentityView>,
    pub formulas: Vec<FormulaView>,
    /// Open at the cut-off and past the deadline, the latest first.
    pub overdue: Option<Vec<OverdueView>>,
    /// As overdue, but never listed: about somebody's conduct, or not to be public.
    pub overdue_withheld: Option<u64>,
    pub reminders: Option<RemindersView>,
    /// Tickets about identity cards.
    pub cards: Option<CardsView>,
    /// The Chairman's directive on the period, once recorded.
    pub directive: Option<DirectiveView>,
    /// What the agencies owe by it.
    pub obligations: Option<Vec<ObligationView>>,
    /// By when replies are asked for, where no directive says so: a proposal.
    pub proposed_reply_before: Option<NaiveDate>,
}

impl ReportView {
    /// «Trước ngày», as the directive has it, else as proposed.
    #[must_use]
    pub fn reply_before(&self) -> Option<NaiveDate> {
        self.directive
            .as_ref()
            .map(|d| d.reply_before)
            .or(self.proposed_reply_before)
    }
}

/// A reporting period.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeriodView {
    /// `2021-08`.
    pub key: String,
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    /// A calendar month; else it is named by its days.
    pub is_month: bool,
    pub previous_first_day: NaiveDate,
    pub previous_last_day: NaiveDate,
}

/// The figures of the narrative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FiguresView {
    pub total: Option<u64>,
    /// From the period before.
    pub change: Option<i64>,
    /// From the same period of last year.
    pub change_from_last_year: Option<i64>,
    pub procedures: Option<u64>,
    pub flagged: Option<u64>,
    pub under_follow_up: Option<u64>,
    pub opening_stock: Option<u64>,
    pub carried_over: Option<u64>,
    pub new_in_period: Option<u64>,
    pub taken_up_again: Option<u64>,
    pub unsatisfied: Option<u64>,
    pub excluded: Option<u64>,
    /// Proposed for exclusion, not decided.
    pub exclusion_pending: Option<u64>,
    pub satisfied: Option<u64>,
    pub no_reply: Option<u64>,
    /// Done on time by the first deadline; the balance has the present one.
    pub on_time_by_first: Option<Share>,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    /// `None` of nothing.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Share> {
        (whole > 0).then_some(Share { part, whole })
    }
}

/// A period's tickets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MonthView {
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub received: Option<u64>,
}

/// How many of the period's tickets bear a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CountView {
    pub name: String,
    pub count: Option<u64>,
}

/// Who a row of the balance stands for, in the order of the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    Unit,
    /// Answered by the hotline itself.
    Operator,
    Unassigned,
    Total,
}

/// One owner's balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BalanceRow {
    pub kind: RowKind,
    pub name: String,
    pub opening_stock: Option<u64>,
    pub received: Option<u64>,
    /// Late entries, voids, corrections and transfers, and what was taken up again.
    pub adjustment: Option<i64>,
    pub done_on_time: Option<u64>,
    pub done_late: Option<u64>,
    /// Rejected, or given to another authority.
    pub rejected: Option<u64>,
    pub open_in_time: Option<u64>,
    pub open_overdue: Option<u64>,
    pub reminders: Option<u64>,
    pub unsatisfied: Option<u64>,
    pub explained: Option<u64>,
    pub satisfied: Option<u64>,
}

impl BalanceRow {
    /// A row of which nothing is known.
    #[must_use]
    pub fn unknown(kind: RowKind, name: String) -> BalanceRow {
        BalanceRow {
            kind,
            name,
            opening_stock: None,
            received: None,
            adjustment: None,
            done_on_time: None,
            done_late: None,
            rejected: None,
            open_in_time: None,
            open_overdue: None,
            reminders: None,
            unsatisfied: None,
            explained: None,
            satisfied: None,
        }
    }

    /// The sum of rows; of what one of them does not know nothing is known.
    #[must_use]
    pub fn total_of(rows: &[BalanceRow], name: &str) -> BalanceRow {
        let sum = |value: fn(&BalanceRow) -> Option<u64>| rows.iter().map(value).sum();
        BalanceRow {
            kind: RowKind::Total,
            name: name.to_owned(),
            opening_stock: sum(|r| r.opening_stock),
            received: sum(|r| r.received),
            adjustment: rows.iter().map(|r| r.adjustment).sum(),
            done_on_time: sum(|r| r.done_on_time),
            done_late: sum(|r| r.done_late),
            rejected: sum(|r| r.rejected),
            open_in_time: sum(|r| r.open_in_time),
            open_overdue: sum(|r| r.open_overdue),
            reminders: sum(|r| r.reminders),
            unsatisfied: sum(|r| r.unsatisfied),
            explained: sum(|r| r.explained),
            satisfied: sum(|r| r.satisfied),
        }
    }

    /// Opening stock, new ones and adjustment.
    #[must_use]
    pub fn sum(&self) -> Option<i64> {
        let signed = |n: Option<u64>| i64::try_from(n?).ok();
        // What is adjusted may not be known yet while the rest is: then neither is the sum.
        Some(signed(self.opening_stock)? + signed(self.received)? + self.adjustment?)
    }

    /// Done on time of all that is done or overdue.
    #[must_use]
    pub fn on_time(&self) -> Option<Share> {
        let on_time = self.done_on_time?;
        Share::of(on_time, on_time + self.done_late? + self.open_overdue?)
    }

    /// Satisfied of all who said whether they are.
    #[must_use]
    pub fn satisfaction(&self) -> Option<Share> {
        let satisfied = self.satisfied?;
        Share::of(satisfied, satisfied + self.unsatisfied?)
    }

    /// Open at the cut-off.
    #[must_use]
    pub fn open(&self) -> Option<u64> {
        Some(self.open_in_time? + self.open_overdue?)
    }
}

/// Units first, those with most overdue tickets before others, then as the alphabet has them.
pub fn in_order(rows: &mut [BalanceRow]) {
    rows.sort_by_cached_key(|row| {
        let overdue = std::cmp::Reverse(row.open_overdue);
        (row.kind, overdue, vi_sort_key(&row.name))
    });
}

/// A check-sum of the balance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IdentityView {
    pub text: String,
    /// `None` where a part of it is unknown.
    pub holds: Option<bool>,
}

/// How a figure is reckoned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FormulaView {
    pub name: String,
    pub text: String,
}

/// A ticket that is open and past its deadline at the cut-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OverdueView {
    pub code: String,
    pub field: Option<String>,
    /// `None`: assigned to nobody that the directory knows.
    pub agency: Option<String>,
    pub received_on: NaiveDate,
    pub deadline: NaiveDate,
    pub overdue_working_days: u32,
    /// Reminders that were accepted.
    pub reminders: Option<u32>,
    /// Outside of the province's power.
    pub waiting_on: Option<String>,
}

/// What was told in the period. All of it is what the balance counts as reminders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemindersView {
    /// «Nhắc lần 1, 2, 3 …»: overdue tickets told so, by the number.
    pub by_number: Vec<u64>,
    /// Told of something else than that they are overdue: that has no number.
    pub others: u64,
    pub units: Vec<UnitReminders>,
}

impl RemindersView {
    /// The sums of units.
    #[must_use]
    pub fn of(units: Vec<UnitReminders>) -> RemindersView {
        let most = units.iter().map(|unit| unit.by_number.len()).max().unwrap_or(0);
        let at = |place: usize| units.iter().filter_map(|unit| unit.by_number.get(place)).sum();
        RemindersView {
            by_number: (0..most).map(at).collect(),
            others: units.iter().map(|unit| unit.others).sum(),
            units,
        }
    }

    /// Of overdue tickets.
    #[must_use]
    pub fn numbered(&self) -> u64 {
        self.by_number.iter().sum()
    }

    #[must_use]
    pub fn total(&self) -> u64 {
        self.numbered() + self.others
    }
}

/// What one unit was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitReminders {
    pub name: String,
    pub by_number: Vec<u64>,
    pub others: u64,
    pub last_on: Option<NaiveDate>,
}

impl UnitReminders {
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_number.iter().sum::<u64>() + self.others
    }
}

/// Tickets about identity cards at the cut-off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CardsView {
    /// The unit that answers for them.
    pub unit: String,
    /// What the card is called in the period.
    pub card: String,
    /// The police that hands cards over in the period.
    pub local_police: String,
    pub open: Option<u64>,
    pub not_sent: Option<u64>,
    pub at_c06: Option<u64>,
    pub card_arrived: Option<u64>,
    pub data_wrong: Option<u64>,
    /// Of which the source says none of these.
    pub unstaged: Option<u64>,
    pub overdue: Option<u64>,
}

/// The Chairman's directive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DirectiveView {
    pub number: String,
    pub date: NaiveDate,
    /// «Trước ngày».
    pub reply_before: NaiveDate,
}

impl From<&Directive> for DirectiveView {
    fn from(directive: &Directive) -> DirectiveView {
        DirectiveView {
            number: directive.number.clone(),
            date: directive.date,
            reply_before: directive.reply_before,
        }
    }
}

/// One obligation of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObligationView {
    pub unit: String,
    pub kind: ObligationKind,
    /// Tickets that it is about, and how many of them are settled.
    pub tickets: u64,
    pub settled: Option<u64>,
    /// «Trước ngày»; none for what is owed until it is closed.
    pub before: Option<NaiveDate>,
    pub state: ObligationState,
    /// The unit's own document.
    pub document: Option<DocumentView>,
}

/// A reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentView {
    pub number: String,
    pub date: NaiveDate,
    /// When it reached the Office.
    pub received_on: NaiveDate,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: RowKind, name: &str, overdue: Option<u64>) -> BalanceRow {
        BalanceRow {
            open_overdue: overdue,
            ..BalanceRow::unknown(kind, name.to_owned())
        }
    }

    #[test]
    fn rows_go_by_what_is_overdue_then_by_the_alphabet_and_the_hotlines_own_come_last() {
        let mut rows = [
            row(RowKind::Unassigned, "Chưa phân công", Some(9)),
            row(RowKind::Unit, "Sở Y tế", Some(1)),
            row(RowKind::Operator, "Tổng đài giải quyết trực tiếp", Some(0)),
            row(RowKind::Unit, "Điện lực", Some(1)),
            row(RowKind::Unit, "Ban Quản lý", None),
            row(RowKind::Unit, "Công an tỉnh", Some(12)),
            row(RowKind::Unit, "Đài Phát thanh", Some(1)),
            row(RowKind::Unit, "Cục Thuế", Some(1)),
        ];
        in_order(&mut rows);
        let names: Vec<&str> = rows.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "Công an tỉnh",
                "Cục Thuế",
                "Đài Phát thanh",
                "Điện lực",
                "Sở Y tế",
                "Ban Quản lý",
                "Tổng đài giải quyết trực tiếp",
                "Chưa phân công"
            ]
        );
    }

    #[test]
    fn what_is_unknown_makes_sums_and_rates_unknown_and_of_nothing_there_is_no_rate() {
        let mut row = row(RowKind::Unit, "Sở Y tế", Some(0));
        assert_eq!((row.sum(), row.on_time(), row.satisfaction()), (None, None, None));
        (row.done_on_time, row.done_late) = (Some(0), Some(0));
        assert_eq!(row.on_time(), None);
        (row.done_on_time, row.done_late, row.open_overdue) = (Some(7), Some(2), Some(1));
        assert_eq!(row.on_time(), Some(Share { part: 7, whole: 10 }));
        (row.opening_stock, row.received, row.adjustment) = (Some(3), Some(9), Some(-2));
        assert_eq!(row.sum(), Some(10));
    }
}
