//! The figures of a month by plain SQL on the ticket database: as it was at the month's ends, and as it is later.
//!
//! Today's columns cannot say what was open at a month's end, since an answer that was sent back has left no trace in
//! them. So several databases stand side by side: the months' ends, and a later one, which also has what was written
//! down late.

use std::path::Path;

use chrono::TimeDelta;
use dondoc::demo::generate::{MonthTotals, TicketDb, World};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tempfile::TempDir;

use super::local;

/// What a month's report says beside what the generator was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Month {
    pub totals: MonthTotals,
    pub received_before: usize,
    pub open_at_start: usize,
}

/// The ticket databases on one connection: `end_6` to `end_9` and `main`.
pub struct Ledger {
    pub(super) db: SqliteConnection,
    _dir: TempDir,
}

const VOID: &str = "('trùng', 'hủy')";
const NOT_OPEN: &str = "('đã trả lời', 'đóng', 'từ chối', 'trùng', 'hủy')";

impl Ledger {
    /// The world's databases as of the ends of June to September and as of a later time.
    pub async fn of(world: &World, later: &str) -> Ledger {
        let dir = TempDir::new().expect("a folder");
        let path = dir.path().join("main");
        let mut tickets = TicketDb::create(&path).await.expect("a database");
        for month in 6..=9 {
            let cut_off = local(&format!("{} 00:00:00", first_of(month + 1)));
            // A month that is still running ends now.
            let end = (cut_off - TimeDelta::seconds(1)).min(local(later));
            tickets.apply_until(world, end).await.expect("written");
            std::fs::copy(&path, dir.path().join(format!("end_{month}"))).expect("a copy");
        }
        tickets.apply_until(world, local(later)).await.expect("written");
        let mut db = open(&path).await;
        for month in 6..=9 {
            let attach = format!("ATTACH '{}/end_{month}' AS end_{month}", dir.path().display());
            sqlx::query(AssertSqlSafe(attach))
                .execute(&mut db)
                .await
                .expect("attached");
        }
        Ledger { db, _dir: dir }
    }

    /// Counts what the condition says of the later database's readable rows.
    pub async fn count(&mut self, condition: &str) -> usize {
        self.number(&format!("SELECT COUNT(*) FROM ({}) WHERE {condition}", good("main")))
            .await
    }

    async fn number(&mut self, sql: &str) -> usize {
        let row = sqlx::query(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.db)
            .await
            .expect("counted");
        usize::try_from(row.get::<i64, _>(0)).expect("a count")
    }

    /// Open at a month's end: in the database of that instant, or written down later and open then by its columns.
    fn open_at_end_of(month: u32) -> String {
        format!(
            "SELECT code, received_at FROM ({there}) WHERE status NOT IN {NOT_OPEN}
             UNION
             SELECT code, received_at FROM ({here}) WHERE code NOT IN (SELECT code FROM ({there}))
                 AND received_at < '{end}' AND COALESCE(answered_at, closed_at, '9999') >= '{end}'",
            there = good(&format!("end_{month}")),
            here = good("main"),
            end = first_of(month + 1),
        )
    }

    /// A month's figures.
    pub async fn month(&mut self, month: u32) -> Month {
        let [before, start, end] = [month - 1, month, month + 1].map(first_of);
        // A duplicate is void from the day it was closed as one.
        let received = |from: &str, to: &str| {
            format!(
                "received_at >= '{from}' AND received_at < '{to}' AND NOT (status IN {VOID} AND closed_at < '{to}')"
            )
        };
        let of_month = received(&start, &end);
        let rated =
            format!("rating IN ('chưa hài lòng', 'chưa hữu ích') AND rated_at >= '{start}' AND rated_at < '{end}'");
        let flagged = "(',' || tags || ',' LIKE '%,procedure_late,%' OR ',' || tags || ',' LIKE '%,conduct,%' \
                       OR ',' || tags || ',' LIKE '%,regulation,%')";
        let open = Ledger::open_at_end_of(month);
        Month {
            totals: MonthTotals {
                received: self.count(&of_month).await,
                procedures: self.count(&format!("{of_month} AND is_procedure = 1")).await,
                flagged: self.count(&format!("{of_month} AND {flagged}")).await,
                unsatisfied: self.count(&rated).await,
                excluded: self.count(&format!("{rated} AND rating_excluded = 1")).await,
                open_new: self
                    .number(&format!("SELECT COUNT(*) FROM ({open}) WHERE received_at >= '{start}'"))
                    .await,
                open_carried: self
                    .number(&format!("SELECT COUNT(*) FROM ({open}) WHERE received_at < '{start}'"))
                    .await,
            },
            received_before: self.count(&received(&before, &start)).await,
            open_at_start: self
                .number(&format!("SELECT COUNT(*) FROM ({})", Ledger::open_at_end_of(month - 1)))
                .await,
        }
    }
}

/// Rows that a source takes: a code that no other row has, and a readable `received_at`.
pub(super) fn good(name: &str) -> String {
    format!(
        "SELECT * FROM {name}.ticket WHERE received_at GLOB '20[0-9][0-9]-[0-9][0-9]-[0-9][0-9] *'
             AND code IN (SELECT code FROM {name}.ticket GROUP BY code HAVING COUNT(*) = 1)"
    )
}

pub(super) fn first_of(month: u32) -> String {
    format!("2021-{month:02}-01")
}

/// A ticket database, for reading.
pub async fn open(path: &Path) -> SqliteConnection {
    SqliteConnection::connect_with(&SqliteConnectOptions::new().filename(path))
        .await
        .expect("opens")
}
