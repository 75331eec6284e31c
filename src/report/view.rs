//! A period's figures as the papers show them.

use std::collections::BTreeMap;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::figures::{Balance, Column, Detail, Figure, Overdue, Owner, Rate, Reminded, Value};
use crate::domain::obligation::CARDS;
use crate::domain::papers::proposed_reply_before;
use crate::domain::rule::PeriodKind;
use crate::domain::text::vi_sort_key;
use crate::domain::time::Period;
use crate::domain::wording::Locale;
use crate::render::report::view::{
    BalanceRow, CardsView, CountView, FiguresView, FormulaView, IdentityView, MonthView, OverdueView, PeriodView,
    RemindersView, ReportView, RowKind, Share, Standing, UnitReminders, in_order as rows_in_order,
};

use super::{CHARTED, Report, State, before, in_order};

/// What the figures have to come to, as the report prints it.
const IDENTITIES: &str = "Tổng = tồn kỳ trước + phát sinh trong kỳ + điều chỉnh = xong đúng hạn + xong trễ hạn + từ chối, chuyển + đang xử lý \
                          trong hạn + đang xử lý quá hạn; tổng các cơ quan, lĩnh vực, địa bàn bằng toàn tỉnh.";

/// What the papers reckon beside the figures: columns of the printed balance that sum up others or are called otherwise
/// there, and what is told in the text and the annex.
const BESIDE: [(&str, &str); 4] = [
    (
        "Bảng cân đối (Phụ lục I)",
        "cột Tồn kỳ trước = tồn kỳ trước theo số đã chốt; cột Điều chỉnh = điều chỉnh + xử lý lại trong kỳ; cột Tổng = tồn kỳ trước \
         theo số đã chốt + tiếp nhận trong kỳ + cột Điều chỉnh",
    ),
    (
        "Nhắc lần 1, 2, 3 …",
        "trong số lượt đã đôn đốc: lần thứ mấy nhắc về cùng một hạn đã quá của phiếu; lượt nhắc về nội dung khác không có số lần",
    ),
    (
        "Danh sách phiếu quá hạn (Phụ lục II)",
        "các phiếu đang xử lý quá hạn; số ngày quá hạn là số ngày làm việc từ sau ngày đến hạn đến hết ngày cuối kỳ; phiếu không công \
         khai, phiếu phản ánh thái độ, hành vi chỉ được đếm",
    ),
    (
        "Tình trạng phiếu về cấp thẻ",
        "phiếu về cấp thẻ chưa xong tại thời điểm chốt số liệu, theo giai đoạn ghi trong nguồn dữ liệu; không ghi giai đoạn mà đang \
         chờ nơi ngoài thẩm quyền của tỉnh thì tính là chờ kết quả từ Bộ Công an",
    ),
];

impl Report {
    /// What the papers say at an instant. What is not counted stays unknown.
    #[must_use]
    pub fn view(&self, config: &Config, at: Moment) -> ReportView {
        let f = &self.figures;
        let previous = self.period.previous();
        let figure = |figure: Figure| figure.value(f).and_then(|n| u64::try_from(n).ok());
        let owners = self.owners_in_order(config).into_iter();
        let mut balance: Vec<BalanceRow> = owners
            .map(|(owner, name)| BalanceRow {
                explained: self.explained(&owner),
                ..self.balance_row(kind(&owner), name, &f.owners[&owner])
            })
            .collect();
        rows_in_order(&mut balance);
        let drawn_at = at.with_timezone(&config.calendars.base().zone()).naive_local();
        let received = |rows: &BTreeMap<String, Balance>| {
            let rows = rows.iter().map(|(id, row)| (id.as_str(), row.received));
            self.counts(rows, config)
        };
        ReportView {
            papers: config.papers.clone(),
            hotline: config.delivery.hotline.clone(),
            two_digits: config.wording.two_digits,
            period: PeriodView {
                key: self.period.to_string(),
                first_day: self.period.first_day(),
                last_day: self.last_day(),
                is_month: config.rules.period == PeriodKind::CalendarMonth,
                previous_first_day: previous.first_day(),
                previous_last_day: previous.last_day(),
            },
            standing: match self.state {
                State::Open => Standing::Open,
                State::Provisional => Standing::Provisional,
                State::Final => Standing::Final,
            },
            revision: self.revision,
            drawn_at,
            figures: FiguresView {
                total: figure(Figure::Total),
                change: Figure::Change.value(f),
                change_from_last_year: Figure::ChangeFromYearBefore.value(f),
                procedures: figure(Figure::Procedures),
                flagged: figure(Figure::Flagged),
                under_follow_up: figure(Figure::UnderFollowUp),
                opening_stock: figure(Figure::OpeningStock),
                carried_over: figure(Figure::CarriedOver),
                new_in_period: figure(Figure::NewInPeriod),
                taken_up_again: figure(Figure::TakenUpAgain),
                unsatisfied: figure(Figure::Unsatisfied),
                excluded: self.excluded(),
                exclusion_pending: self.exclusion_pending(),
                satisfied: figure(Figure::Satisfied),
                no_reply: figure(Figure::NoReply),
                on_time_by_first: match Column::OnTimeRateFirst.value(&f.whole, f) {
                    Some(Value::Rate(rate)) => rate.and_then(share),
                    _ => None,
                },
            },
            months: self.months(),
            channels: self.counts(f.channels.iter().map(|(id, n)| (id.as_str(), *n)), config),
            fields: received(&f.fields),
            localities: received(&f.areas),
            total: BalanceRow {
                explained: self
                    .explained(&Owner::Unassigned)
                    .and_then(|_| balance.iter().map(|row| row.explained).sum()),
                ..self.balance_row(RowKind::Total, "Toàn tỉnh".to_owned(), &f.whole)
            },
            balance,
            identities: vec![IdentityView {
                text: IDENTITIES.to_owned(),
                holds: (f.reach.start && f.reach.end).then(|| f.violations().is_empty()),
            }],
            formulas: formulas(),
            overdue: self.overdue(config),
            overdue_withheld: self.open_detail().map(|detail| detail.withheld),
            reminders: self.reminders(config),
            cards: self.cards(config),
            directive: self.directive(),
            obligations: self.obligations(config, at),
            proposed_reply_before: Some(proposed_reply_before(
                self.period,
                config.calendars.base(),
                drawn_at.date(),
            )),
        }
    }

    /// What was counted beside the balance, where the store reached to the cut-off.
    fn open_detail(&self) -> Option<&Detail> {
        self.figures.detail.as_ref().filter(|_| self.figures.reach.end)
    }

    /// From the first period of which something is known, twelve at most.
    fn months(&self) -> Vec<MonthView> {
        let f = &self.figures;
        let total = |figure: Figure| figure.value(f).and_then(|n| u64::try_from(n).ok());
        let previous = self.period.previous();
        let mut months = vec![
            (self.period, total(Figure::Total)),
            (previous, total(Figure::PreviousTotal)),
        ];
        let earlier = before(previous).take(CHARTED - 2);
        months.extend(earlier.map(|period| (period, f.earlier.get(&period.to_string()).copied())));
        let known = months.iter().rposition(|(_, received)| received.is_some());
        // The one before stands there also as unknown: what is to be compared with it is said to be so.
        months.truncate(known.map_or(0, |last| last + 1).max(2));
        let month = |(period, received): (Period, Option<u64>)| MonthView {
            first_day: period.first_day(),
            last_day: period.last_day(),
            received,
        };
        months.into_iter().rev().map(month).collect()
    }

    fn overdue(&self, config: &Config) -> Option<Vec<OverdueView>> {
        let view = |t: &Overdue| OverdueView {
            code: t.code.clone(),
            field: Some(&t.field)
                .filter(|id| !id.is_empty())
                .map(|id| self.term(id, config)),
            agency: (t.owner != Owner::Unassigned).then(|| self.owner_name(&t.owner, config)),
            received_on: t.received_on,
            deadline: t.deadline,
            overdue_working_days: t.working_days,
            reminders: Some(t.reminders),
            waiting_on: t.waiting_on.clone(),
        };
        Some(in_order(self.open_detail()?).into_iter().map(view).collect())
    }

    fn reminders(&self, config: &Config) -> Option<RemindersView> {
        let f = &self.figures;
        let detail = f.detail.as_ref().filter(|_| f.reach.start)?;
        let nobody = Reminded::default();
        let unit = |(owner, name): (Owner, String)| {
            let reminded = detail.reminded.get(&owner).unwrap_or(&nobody);
            let all = f.owners.get(&owner).map_or(0, |row| row.reminders);
            let numbered: u64 = reminded.by_number.iter().sum();
            UnitReminders {
                name,
                by_number: reminded.by_number.clone(),
                others: all.saturating_sub(numbered),
                last_on: reminded.last.map(|at| config.calendars.base().date_of(at)),
            }
        };
        let units = self.owners_in_order(config).into_iter().map(unit);
        Some(RemindersView::of(units.filter(|unit| unit.total() > 0).collect()))
    }

    fn balance_row(&self, kind: RowKind, name: String, row: &Balance) -> BalanceRow {
        let signed = |column: Column| match column.value(row, &self.figures) {
            Some(Value::Count(count)) => Some(count),
            _ => None,
        };
        let count = |column: Column| signed(column).and_then(|n| u64::try_from(n).ok());
        BalanceRow {
            opening_stock: count(Column::StockBefore),
            received: count(Column::Received),
            // What was taken up again comes to what is to be done, as a late entry does.
            adjustment: signed(Column::Adjustments)
                .zip(signed(Column::TakenUp))
                .map(|(adjusted, again)| adjusted + again),
            done_on_time: count(Column::DoneOnTime),
            done_late: count(Column::DoneLate),
            rejected: count(Column::Rejected),
            open_in_time: count(Column::OpenWithin),
            open_overdue: count(Column::OpenOverdue),
            reminders: count(Column::Reminders),
            unsatisfied: count(Column::Unsatisfied),
            explained: None,
            satisfied: count(Column::Satisfied),
            ..BalanceRow::unknown(kind, name)
        }
    }

    /// Words with their counts, the most frequent first; `None` where none of it is known.
    fn counts<'a>(&self, counts: impl Iterator<Item = (&'a str, u64)>, config: &Config) -> Option<Vec<CountView>> {
        if !self.figures.reach.start {
            return None;
        }
        let counts = counts.filter(|(_, n)| *n > 0).map(|(id, n)| CountView {
            name: self.term(id, config),
            count: Some(n),
        });
        let mut counts: Vec<CountView> = counts.collect();
        counts.sort_by_cached_key(|c| (std::cmp::Reverse(c.count), vi_sort_key(&c.name)));
        Some(counts)
    }

    /// The unit that answers for cards, and what things are called in the period.
    fn cards(&self, config: &Config) -> Option<CardsView> {
        let on = self.last_day();
        let unit = config.directory.unit(config.papers.cards_unit.as_deref()?)?;
        let term = |id: &str, otherwise: &str| {
            let name = config.wording.terms.name(id, Locale::Vi, on);
            name.unwrap_or(otherwise).to_owned()
        };
        let own = self.figures.fields.get(CARDS);
        let known = |value: fn(&Balance) -> u64| self.figures.reach.end.then(|| own.map_or(0, value));
        let stages = self.open_detail().map(|detail| detail.cards);
        Some(CardsView {
            unit: unit.name(on).to_owned(),
            card: term("card", "thẻ căn cước"),
            local_police: term("local_police", "công an cấp xã"),
            open: known(Balance::open),
            not_sent: stages.map(|s| s.not_sent),
            at_c06: stages.map(|s| s.at_c06),
            card_arrived: stages.map(|s| s.card_arrived),
            data_wrong: stages.map(|s| s.data_wrong),
            unstaged: stages
                .zip(known(Balance::open))
                .map(|(s, open)| open.saturating_sub(s.known())),
            overdue: known(|row| row.open_overdue),
        })
    }
}

fn share(rate: Rate) -> Option<Share> {
    Share::of(rate.part, rate.whole)
}

/// How each figure is reckoned; what is reckoned alike stands once.
fn formulas() -> Vec<FormulaView> {
    let words = Figure::ALL.map(|figure| figure.words(Locale::Vi)).into_iter();
    let words = words.chain(Column::ALL.map(|column| column.words(Locale::Vi)));
    let mut formulas: Vec<FormulaView> = Vec::new();
    for words in words {
        if formulas.iter().all(|known| known.text != words.formula) {
            formulas.push(FormulaView {
                name: words.label.to_owned(),
                text: words.formula.to_owned(),
            });
        }
    }
    formulas.extend(BESIDE.map(|(name, text)| FormulaView {
        name: name.to_owned(),
        text: text.to_owned(),
    }));
    formulas
}

fn kind(owner: &Owner) -> RowKind {
    match owner {
        Owner::Unit(_) => RowKind::Unit,
        Owner::Operator => RowKind::Operator,
        Owner::Unassigned => RowKind::Unassigned,
    }
}
