//! The monthly report: figures of a period from the store, as data and as the hotline's narrative.
//!
//! Figures are counted in `domain::figures` from `AsOf`; here they are read, put in order and written out.

use chrono::NaiveTime;
use serde_json::{Value, json};

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::facts::{self, Context};
use crate::domain::figures::{Bounds, Figures, Owner};
use crate::domain::ticket::Ticket;
use crate::domain::time::Period;
use crate::render::vietnamese;
use crate::store::as_of::AsOf;
use crate::store::{Store, StoreError};

/// How far a period's figures are settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The period is still running.
    Open,
    /// Past the cut-off, not frozen.
    Provisional,
}

impl State {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Provisional => "provisional",
        }
    }
}

/// A period's figures with what is needed to read them.
#[derive(Debug, Clone)]
pub struct Report {
    pub period: Period,
    pub state: State,
    pub figures: Figures,
    /// False where the store does not reach back to the period's start: stocks and totals are unknown.
    pub reaches_start: bool,
    /// False where it does not reach back to the start of the period before.
    pub reaches_previous: bool,
    /// False where it does not even reach back to the cut-off: what was open then is unknown.
    pub reaches_end: bool,
}

const PAGE: i64 = 500;

/// Counts a period from the store, with `now` as the present.
pub async fn count(store: &Store, config: &Config, period: Period, now: Moment) -> Result<Report, StoreError> {
    let base = config.calendars.base();
    let midnight = |date| base.instant(date, NaiveTime::MIN);
    let bounds = Bounds {
        previous_start: midnight(period.previous().first_day()),
        start: midnight(period.first_day()),
        end: midnight(period.end()),
    };
    let meta = store.meta().await?;
    let context = Context {
        rules: &config.rules,
        directory: &config.directory,
        calendars: &config.calendars,
        events_from: meta.first_turn_at.unwrap_or(now),
        kept_from: meta.kept_from,
    };
    // The last instant before: what happens at the cut-off itself belongs to the next period.
    let just_before = |at: Moment| at - chrono::TimeDelta::microseconds(1);
    let at_end = AsOf::new(store, just_before(bounds.end));
    let at_start = AsOf::new(store, just_before(bounds.start));
    let on = base.date_of(just_before(bounds.end));
    let mut figures = Figures::default();
    let mut after = String::new();
    loop {
        let (page, next) = at_end.page(&after, PAGE).await?;
        let Some(next) = next else { break };
        let codes: Vec<String> = page.iter().map(|p| p.ticket.code.clone()).collect();
        let before = at_start.by_code(&codes).await?;
        for past in &page {
            let was = before
                .iter()
                .find(|b| b.ticket.code == past.ticket.code)
                .map(|b| &b.ticket);
            let cal = context.calendar(&past.memory);
            let reckoned = facts::deadline_of(&past.ticket, &past.memory, &context);
            let overdue = facts::overdue_working_days(&reckoned, cal, just_before(bounds.end)).is_some();
            figures.count(
                (&past.ticket, &past.memory),
                was,
                owner(&past.ticket, config, on),
                overdue,
                bounds,
            );
        }
        after = next;
    }
    let reaches = |instant: Moment| meta.horizon.is_some_and(|horizon| horizon <= instant);
    Ok(Report {
        period,
        state: if now < bounds.end {
            State::Open
        } else {
            State::Provisional
        },
        figures,
        reaches_start: reaches(bounds.start),
        reaches_previous: reaches(bounds.previous_start),
        reaches_end: reaches(bounds.end),
    })
}

fn owner(ticket: &Ticket, config: &Config, on: chrono::NaiveDate) -> Owner {
    if ticket.level == Some(1) {
        return Owner::Operator;
    }
    let unit = ticket
        .agency
        .as_deref()
        .and_then(|word| config.directory.find(word, on));
    unit.map_or(Owner::Unassigned, |u| Owner::Unit(u.id.clone()))
}

impl Report {
    /// The keys that others script against; a figure beyond the store's reach is null.
    #[must_use]
    pub fn json(&self, config: &Config) -> Value {
        let f = &self.figures;
        let on = self.period.first_day();
        let known = |n: u64| self.reaches_start.then_some(n);
        let at_end = |n: u64| self.reaches_end.then_some(n);
        let units: Vec<Value> = self
            .owners_in_order(config)
            .into_iter()
            .map(|(owner, name)| {
                let own = f.owners[&owner];
                let id = match &owner {
                    Owner::Unit(id) => Some(id.clone()),
                    Owner::Unassigned | Owner::Operator => None,
                };
                json!({
                    "id": id,
                    "name": name,
                    "opening_stock": known(own.opening_stock),
                    "received": known(own.received),
                    "open": at_end(own.open),
                    "overdue": at_end(own.overdue),
                    "unsatisfied": at_end(own.unsatisfied),
                })
            })
            .collect();
        json!({
            "period": self.period.to_string(),
            "from": on.to_string(),
            "until": self.period.end().to_string(),
            "revision": 0,
            "state": self.state.word(),
            "total": known(f.total),
            "previous_total": self.reaches_previous.then_some(f.previous_total),
            "change": self.reaches_previous.then_some(f.change()),
            "procedures": known(f.procedures),
            "flagged": known(f.flagged),
            "under_follow_up": at_end(f.under_follow_up),
            "opening_stock": known(f.opening_stock),
            "carried_over": known(f.carried_over),
            "new_in_period": known(f.new_in_period),
            "taken_up_again": known(f.taken_up_again),
            "unsatisfied": known(f.unsatisfied),
            "excluded": known(f.excluded),
            "units": units,
        })
    }

    /// The narrative in the order of the hotline's own reports (`domain.md` §2.6), in Vietnamese.
    #[must_use]
    pub fn text(&self, config: &Config) -> String {
        let f = &self.figures;
        let show = |known: bool, n: u64| {
            if known {
                vietnamese::integer(i64::try_from(n).unwrap_or(i64::MAX))
            } else {
                "–".to_owned()
            }
        };
        let n = |n: u64| show(self.reaches_start, n);
        let at_end = |n: u64| show(self.reaches_end, n);
        let last_day = self.period.end().pred_opt().unwrap_or(self.period.end());
        let date = vietnamese::date;
        let change = match f.change() {
            _ if !self.reaches_previous => "chưa có số liệu kỳ trước để so sánh".to_owned(),
            0 => "bằng kỳ trước".to_owned(),
            c if c > 0 => format!("tăng {} phiếu so với kỳ trước", vietnamese::integer(c)),
            c => format!("giảm {} phiếu so với kỳ trước", vietnamese::integer(-c)),
        };
        let state = match self.state {
            State::Open => "kỳ chưa kết thúc",
            State::Provisional => "số liệu tạm tính",
        };
        let mut out = format!(
            "Từ ngày {} đến ngày {} ({state}), {} đã tiếp nhận và lập {} phiếu xử lý ý kiến, phản ánh, kiến nghị của tổ chức, cá nhân ({change}), \
             trong đó có {} phản ánh, kiến nghị và hỏi đáp liên quan đến thủ tục hành chính.\n\n\
             Có {} phản ánh, kiến nghị liên quan đến việc giải quyết thủ tục hành chính bị trễ hạn, quá hạn; thái độ, hành vi của công chức, viên chức; \
             vướng mắc về quy định hành chính và {} phản ánh, kiến nghị đang theo dõi kết quả xử lý từ cơ quan, đơn vị, địa phương \
             (còn tồn từ các kỳ trước chuyển sang: {}; phát sinh trong kỳ: {}{}).\n\n\
             Có {} phiếu được đánh giá chưa hài lòng hoặc thông tin phản hồi là chưa hữu ích đối với người hỏi, người phản ánh, trong đó loại trừ {}.\n\n",
            date(self.period.first_day()),
            date(last_day),
            config.delivery.hotline,
            n(f.total),
            n(f.procedures),
            n(f.flagged),
            at_end(f.under_follow_up),
            n(f.carried_over),
            n(f.new_in_period),
            if f.taken_up_again > 0 {
                format!("; xử lý lại: {}", n(f.taken_up_again))
            } else {
                String::new()
            },
            n(f.unsatisfied),
            n(f.excluded),
        );
        let owners = self.owners_in_order(config);
        let width = owners
            .iter()
            .map(|(_, name)| name.chars().count())
            .max()
            .unwrap_or(0)
            .max(6);
        out.push_str(&format!(
            "{:width$}  {:>8} {:>8} {:>8} {:>8} {:>8}\n",
            "Cơ quan", "tồn đầu", "tiếp nhận", "còn mở", "quá hạn", "chưa HL"
        ));
        for (owner, name) in owners {
            let own = f.owners[&owner];
            out.push_str(&format!(
                "{name:width$}  {:>8} {:>9} {:>8} {:>8} {:>8}\n",
                n(own.opening_stock),
                n(own.received),
                at_end(own.open),
                at_end(own.overdue),
                at_end(own.unsatisfied)
            ));
        }
        out
    }

    /// Owners with their names of the period, in the directory's order, the hotline's own and the unassigned last.
    fn owners_in_order(&self, config: &Config) -> Vec<(Owner, String)> {
        let on = self.period.end().pred_opt().unwrap_or(self.period.end());
        let mut owners: Vec<(usize, Owner, String)> = self
            .figures
            .owners
            .keys()
            .map(|owner| match owner {
                Owner::Unit(id) => {
                    let unit = config.directory.unit(id);
                    (
                        unit.map_or(usize::MAX - 2, |u| u.order),
                        owner.clone(),
                        unit.map_or(id.as_str(), |u| u.name(on)).to_owned(),
                    )
                }
                Owner::Operator => (
                    usize::MAX - 1,
                    owner.clone(),
                    "Tổng đài giải quyết trực tiếp".to_owned(),
                ),
                Owner::Unassigned => (usize::MAX, owner.clone(), "Chưa phân công".to_owned()),
            })
            .collect();
        owners.sort();
        owners.into_iter().map(|(_, owner, name)| (owner, name)).collect()
    }
}
