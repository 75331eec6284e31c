//! The balance of each owner, field and locality by plain SQL on the ticket databases of the months' ends; the deadlines
//! are those of `owed`, what happened within a month is counted in the list of changes, reminders in the mails.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDateTime;
use dondoc::demo::generate::{Cell, Happening, World};
use dondoc::demo::reading::Letter;
use dondoc::domain::Moment;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Row as _};

use super::counted::{Ledger, first_of, good};
use super::owed::{self, Agencies};

/// The counts of a row by their keys; those that are nought are left out.
pub type Counts = BTreeMap<String, i64>;

/// By what the rows of a table are told apart.
pub const TABLES: [(&str, &str); 3] = [("units", "owner"), ("fields", "field"), ("areas", "area")];

const COUNTED: &str = "
    SUM(open_before AND open_before IS NOT NULL) AS opening_stock,
    SUM(is_new) AS received, SUM(taken_up) AS taken_up,
    SUM(class = 'done' AND concerned AND NOT late) AS done_on_time,
    SUM(class = 'done' AND concerned AND late) AS done_late,
    SUM(class = 'done' AND concerned AND NOT late_first) AS done_on_time_first,
    SUM(class = 'done' AND concerned AND late_first) AS done_late_first,
    SUM(class = 'rejected' AND concerned) AS rejected,
    SUM(class = 'open' AND NOT late) AS open_within, SUM(class = 'open' AND late) AS overdue,
    SUM(class = 'open' AND late_first) AS overdue_first, SUM(class = 'open') AS open,
    SUM(class = 'open' AND open_before) AS carried_over, SUM(class = 'open' AND is_new) AS new_in_period,
    SUM(class = 'open' AND taken_up) AS taken_up_again,
    SUM(is_new AND is_procedure = 1) AS procedures, SUM(is_new AND flagged) AS flagged,
    SUM(rated AND rating IN ('hài lòng', 'hữu ích')) AS satisfied,
    SUM(rated AND rating IN ('chưa hài lòng', 'chưa hữu ích')) AS unsatisfied,
    SUM(rated AND rating IN ('chưa hài lòng', 'chưa hữu ích') AND rating_excluded = 1) AS excluded,
    SUM(rated AND rating = 'không phản hồi') AS no_reply,
    SUM(open_before AND other_before) AS moved_in";

const KEYS: [&str; 22] = [
    "opening_stock",
    "received",
    "taken_up",
    "done_on_time",
    "done_late",
    "done_on_time_first",
    "done_late_first",
    "rejected",
    "open_within",
    "overdue",
    "overdue_first",
    "open",
    "carried_over",
    "new_in_period",
    "taken_up_again",
    "procedures",
    "flagged",
    "satisfied",
    "unsatisfied",
    "excluded",
    "no_reply",
    "moved_in",
];

/// All that is compared.
pub const ALL: [&str; 29] = [
    "opening_stock",
    "received",
    "taken_up",
    "done_on_time",
    "done_late",
    "done_on_time_first",
    "done_late_first",
    "rejected",
    "open_within",
    "overdue",
    "overdue_first",
    "open",
    "carried_over",
    "new_in_period",
    "taken_up_again",
    "procedures",
    "flagged",
    "satisfied",
    "unsatisfied",
    "excluded",
    "no_reply",
    "moved_in",
    "stock_before",
    "voided",
    "moved_out",
    "transfers",
    "extensions",
    "reopenings",
    "reminders",
];

/// What hangs on when pauses were seen, which before the first turn nobody did.
pub const BY_DEADLINE: [&str; 7] = [
    "done_on_time",
    "done_late",
    "done_on_time_first",
    "done_late_first",
    "open_within",
    "overdue",
    "overdue_first",
];

impl Ledger {
    /// Lays out how every ticket stood at the ends of June to September.
    pub async fn lay_out(&mut self, world: &World, turns: &[Moment]) {
        let agencies = Agencies::shipped();
        self.run("CREATE TEMP TABLE unit_of (word TEXT PRIMARY KEY, unit TEXT)")
            .await;
        for row in self
            .rows("SELECT DISTINCT agency FROM main.ticket WHERE agency IS NOT NULL")
            .await
        {
            let word: String = row.get(0);
            if let Some(unit) = agencies.find(&word) {
                let insert = sqlx::query("INSERT INTO unit_of VALUES ($1, $2)").bind(word).bind(unit);
                insert.execute(&mut self.db).await.expect("written");
            }
        }
        for month in 6..=9 {
            let end = first_of(month + 1);
            let class = "CASE WHEN status IN ('trùng', 'hủy') THEN 'void' WHEN status = 'từ chối' THEN 'rejected' \
                         WHEN status IN ('đã trả lời', 'đóng') THEN 'done' ELSE 'open' END";
            self.run(&format!(
                "CREATE TEMP TABLE at_{month} AS
                 WITH row AS (
                     SELECT *, {class} AS class FROM ({there})
                     UNION ALL
                     SELECT *, CASE WHEN COALESCE(answered_at, closed_at, '9999') < '{end}' THEN {class} ELSE 'open' END
                     FROM ({here}) WHERE received_at < '{end}' AND code NOT IN (SELECT code FROM ({there})))
                 SELECT row.*, COALESCE(category, CASE WHEN title LIKE '%làm căn cước%' THEN 'cccd' END, '') AS field,
                     CASE level WHEN 1 THEN '@operator' ELSE COALESCE(unit, '@unassigned') END AS owner,
                     COALESCE(answered_at, closed_at) AS done_at, reopen_count AS reopened
                 FROM row LEFT JOIN unit_of ON word = agency",
                there = good(&format!("end_{month}")),
                here = good("main"),
            ))
            .await;
            self.run(&format!("CREATE INDEX temp.at_{month}_code ON at_{month} (code)"))
                .await;
            self.run(&format!(
                "CREATE TEMP TABLE due_{month} (code TEXT PRIMARY KEY, over TEXT, over_first TEXT)"
            ))
            .await;
            let before = NaiveDateTime::parse_from_str(&format!("{end} 00:00:00"), "%Y-%m-%d %H:%M:%S");
            for due in owed::deadlines(world, turns, before.expect("a time")) {
                let written = |at: Option<NaiveDateTime>| at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string());
                sqlx::query(AssertSqlSafe(format!(
                    "INSERT OR REPLACE INTO due_{month} VALUES ($1, $2, $3)"
                )))
                .bind(&due.code)
                .bind(written(due.over))
                .bind(written(due.over_first))
                .execute(&mut self.db)
                .await
                .expect("written");
            }
        }
    }

    /// The rows of a month's table.
    pub async fn balance(&mut self, month: u32, of: &str) -> BTreeMap<String, Counts> {
        let (start, end) = (first_of(month), first_of(month + 1));
        let ended = format!("CASE e.class WHEN 'open' THEN datetime('{end}', '-1 second') ELSE e.done_at END");
        let sql = format!(
            "WITH seen AS (
                 SELECT e.*, COALESCE(s.class = 'open', 0) AS open_before, e.received_at >= '{start}' AS is_new,
                     e.received_at < '{start}' AND COALESCE(s.class, '') <> 'open'
                         AND (e.class = 'open' OR e.reopened > COALESCE(s.reopened, 0)) AS taken_up,
                     COALESCE({ended} >= due.over, 0) AS late, COALESCE({ended} >= due.over_first, 0) AS late_first,
                     COALESCE(e.rated_at >= '{start}' AND e.rated_at < '{end}', 0) AS rated,
                     COALESCE(s.{of} <> e.{of}, 0) AS other_before,
                     ',' || COALESCE(e.tags, '') || ',' LIKE '%,procedure_late,%' OR ',' || COALESCE(e.tags, '') || ',' LIKE '%,conduct,%'
                         OR ',' || COALESCE(e.tags, '') || ',' LIKE '%,regulation,%' AS flagged
                 FROM at_{month} e LEFT JOIN at_{before} s ON s.code = e.code LEFT JOIN due_{month} due ON due.code = e.code
                 WHERE e.class <> 'void')
             SELECT {of}, {COUNTED} FROM (SELECT *, open_before OR is_new OR taken_up AS concerned FROM seen) GROUP BY {of}",
            before = month - 1,
        );
        let mut balance: BTreeMap<String, Counts> = BTreeMap::new();
        for row in self.rows(&sql).await {
            let counts = balance.entry(row.get(0)).or_default();
            for (place, key) in KEYS.iter().enumerate() {
                counts.insert((*key).to_owned(), row.get(place + 1));
            }
        }
        let sql = format!(
            "SELECT s.{of}, COUNT(*), SUM(COALESCE(e.class, 'void') = 'void'), SUM(e.class <> 'void' AND e.{of} <> s.{of})
             FROM at_{before} s LEFT JOIN at_{month} e ON e.code = s.code WHERE s.class = 'open' GROUP BY s.{of}",
            before = month - 1,
        );
        for row in self.rows(&sql).await {
            let counts = balance.entry(row.get(0)).or_default();
            for (place, key) in ["stock_before", "voided", "moved_out"].into_iter().enumerate() {
                counts.insert(key.to_owned(), row.get(place + 1));
            }
        }
        balance
    }

    /// What the papers list of a month: the codes of overdue tickets, how many may not be listed, and how far cards are
    /// (not sent, at C06, arrived, wrong).
    pub async fn listed(&mut self, month: u32) -> (BTreeSet<String>, i64, [i64; 4]) {
        let end = first_of(month + 1);
        let sensitive = "(confidential = 1 OR ',' || COALESCE(tags, '') || ',' LIKE '%,conduct,%')";
        let rows = self
            .rows(&format!(
                "SELECT e.code, e.code IN (SELECT code FROM at_{month} WHERE {sensitive} UNION SELECT code FROM main.ticket WHERE {sensitive})
                 FROM at_{month} e JOIN due_{month} due ON due.code = e.code
                 WHERE e.class = 'open' AND datetime('{end}', '-1 second') >= due.over"
            ))
            .await;
        let (withheld, listed): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.get::<bool, _>(1));
        let cards = self
            .rows(&format!(
                "SELECT SUM(stage = 'not_sent'), SUM(stage = 'at_c06' OR stage IS NULL AND waiting_on IS NOT NULL),
                     SUM(stage = 'card_arrived'), SUM(stage = 'data_wrong')
                 FROM at_{month} WHERE class = 'open' AND field = 'cccd'"
            ))
            .await;
        let cards = [0, 1, 2, 3].map(|place| cards[0].get::<Option<i64>, _>(place).unwrap_or(0));
        let codes = listed.into_iter().map(|row| row.get(0)).collect();
        (codes, i64::try_from(withheld.len()).expect("few"), cards)
    }

    /// In which row a ticket stands at a month's end, by its code.
    async fn places(&mut self, month: u32, of: &str) -> BTreeMap<String, String> {
        let rows = self
            .rows(&format!("SELECT code, {of} FROM at_{month} WHERE class <> 'void'"))
            .await;
        rows.iter().map(|row| (row.get(0), row.get(1))).collect()
    }

    /// Adds what happened within a month and how often was reminded, counted elsewhere than in the tables.
    pub async fn add_happenings(
        &mut self,
        balance: &mut BTreeMap<String, Counts>,
        (month, of): (u32, &str),
        world: &World,
        letters: &[Letter],
    ) {
        let places = self.places(month, of).await;
        let mut add = |code: &str, key: &str| {
            if let Some(place) = places.get(code) {
                let counts = balance.entry(place.clone()).or_default();
                *counts.entry(key.to_owned()).or_default() += 1;
            }
        };
        for (code, what) in happenings(world, month) {
            add(&code, what);
        }
        let mut reminders = BTreeSet::new();
        for letter in letters {
            let day = owed::local(letter.date).date();
            for (code, rule, step) in letter.told().filter(|(_, rule, _)| !rule.starts_with('@')) {
                if is_in(day, month)
                    && reminders.insert((code.to_owned(), rule.to_owned(), step.to_owned(), letter.date))
                {
                    add(code, "reminders");
                }
            }
        }
    }

    async fn run(&mut self, sql: &str) {
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .execute(&mut self.db)
            .await
            .expect("done");
    }

    async fn rows(&mut self, sql: &str) -> Vec<sqlx::sqlite::SqliteRow> {
        sqlx::query(AssertSqlSafe(sql.to_owned()))
            .fetch_all(&mut self.db)
            .await
            .expect("read")
    }
}

fn is_in(day: chrono::NaiveDate, month: u32) -> bool {
    day.to_string() >= first_of(month) && day.to_string() < first_of(month + 1)
}

/// Transfers, extensions and reopenings of a month, by the ticket's code.
fn happenings(world: &World, month: u32) -> Vec<(String, &'static str)> {
    let agencies = Agencies::shipped();
    let (mut codes, mut units) = (BTreeMap::new(), BTreeMap::new());
    let mut found = Vec::new();
    for change in &world.changes {
        let text = |column: &str| {
            let set = change.set.iter().rev().find(|(c, _)| *c == column);
            set.and_then(|(_, cell)| match cell {
                Cell::Text(text) => Some(text.clone()),
                Cell::Null | Cell::Integer(_) => None,
            })
        };
        if let Some(code) = text("code").filter(|_| change.what == Happening::Created) {
            codes.insert(change.row, code);
        }
        let unit = text("agency").and_then(|word| agencies.find(&word));
        let before = unit.and_then(|unit| Some((units.insert(change.row, unit.clone())?, unit)));
        let what = match change.what {
            _ if before.is_some_and(|(before, now)| before != now) => "transfers",
            Happening::Extended => "extensions",
            Happening::SentBack => "reopenings",
            _ => "",
        };
        let code = codes
            .get(&change.row)
            .filter(|_| is_in(owed::local(change.at).date(), month));
        if let Some(code) = code.filter(|_| !what.is_empty()) {
            found.push((code.clone(), what));
        }
    }
    found
}

/// The counts of a report's table, by what its rows are told apart by.
pub fn reported(report: &Value, table: &str) -> BTreeMap<String, Counts> {
    let rows = report[table].as_array().expect("rows");
    let id = |row: &Value| match (row["id"].as_str(), row["name"].as_str()) {
        (Some(id), _) => id.to_owned(),
        (None, Some("Tổng đài giải quyết trực tiếp")) => "@operator".to_owned(),
        (None, Some("Chưa phân công")) => "@unassigned".to_owned(),
        (None, _) => String::new(),
    };
    let counts = |row: &Value| -> Counts {
        let row = row.as_object().expect("an object");
        row.iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_i64()?)))
            .collect()
    };
    rows.iter().map(|row| (id(row), counts(row))).collect()
}
