//! The register of the monthly cycle: directives, obligations, the tickets they are about, and what people recorded.
//!
//! Nothing that was recorded is changed or removed but by taking a batch back, which is recorded too. What an obligation is at
//! present follows from its row, the last directive on its period and the entries.

use std::collections::{BTreeSet, HashMap};
use std::sync::LazyLock;

use chrono::NaiveDate;
use sqlx::FromRow;

use super::{Sizes, Store, StoreError, Tx, micros, moment, on, pieces, rows as numbered};
use crate::domain::Moment;
use crate::domain::obligation::{
    Directive, Entry, Exclusion, Id, Kind, Member, Members, NewEntry, Obligation, Progress, What, exclusions, met_by,
};
use crate::domain::time::Period;

const NEXT_DIRECTIVE: &str = "SELECT COALESCE(MAX(id), 0) + 1 FROM directive";
const RECORD_DIRECTIVE: &str = "INSERT INTO directive (id, period, number, date, reply_before, standing, author, at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const DIRECTIVES: &str =
    "SELECT period, number, date, reply_before, standing, author, at FROM directive WHERE period = $1 ORDER BY id";
const DIRECTIVES_SINCE: &str = "SELECT period, number, date, reply_before, standing, author, at FROM directive WHERE period >= $1 ORDER BY period DESC, id DESC";
const DIRECTED: &str = "SELECT DISTINCT period FROM directive ORDER BY period";
const MEMBERS_IN_CHECK: &str =
    "SELECT unit, kind, code FROM member WHERE period = $1 AND revision = 0 ORDER BY unit, kind, code";
const MEMBERS: &str =
    "SELECT unit, kind, code FROM member WHERE period = $1 AND revision > 0 ORDER BY unit, kind, code";
const OPEN: &str = "INSERT INTO obligation (period, unit, kind, opened_at, changed_at, untaken) \
     SELECT DISTINCT period, unit, kind, CAST($2 AS BIGINT), CAST($2 AS BIGINT), 1 FROM member WHERE period = $1 AND revision > 0 \
     ON CONFLICT DO NOTHING";
const OBLIGATIONS: &str = "SELECT period, unit, kind, opened_at, changed_at, office_saw_at FROM obligation WHERE period = $1 \
     ORDER BY unit, kind";
const PERIODS: &str = "SELECT DISTINCT period FROM obligation ORDER BY period";
/// Where anything was recorded or counted.
const ALL_PERIODS: &str = "SELECT period FROM directive UNION SELECT period FROM member ORDER BY period";
const UNTAKEN: &str = "SELECT DISTINCT period FROM obligation WHERE untaken > 0 ORDER BY period";
const UNTAKEN_OF: &str =
    "SELECT unit, kind, untaken FROM obligation WHERE untaken > 0 AND period = $1 ORDER BY unit, kind";
/// But for what was recorded since they were read.
const TAKE_UP: &str =
    "UPDATE obligation SET untaken = 0 WHERE period = $1 AND unit = $2 AND kind = $3 AND untaken = $4";
const CHANGED: &str =
    "UPDATE obligation SET changed_at = $4, untaken = untaken + 1 WHERE period = $1 AND unit = $2 AND kind = $3";
const ALL_CHANGED: &str = "UPDATE obligation SET changed_at = $2, untaken = untaken + 1 WHERE period = $1";
const UNSEEN: &str = "UPDATE obligation SET office_saw_at = NULL WHERE period = $1";
const OFFICE_SAW: &str = "UPDATE obligation SET office_saw_at = $2, changed_at = $2, untaken = untaken + 1 WHERE period = $1 AND office_saw_at IS NULL";
const PROGRESS: &str = "SELECT m.unit, m.kind, COUNT(*), SUM(CASE WHEN t.is_open = 1 AND t.gone_at IS NULL THEN 0 ELSE 1 END) \
     FROM member m LEFT JOIN ticket t ON t.code = m.code WHERE m.period = $1 AND m.revision > 0 GROUP BY m.unit, m.kind";
const NEXT_ENTRY: &str = "SELECT COALESCE(MAX(id), 0) + 1 FROM entry";
const NEXT_BATCH: &str = "SELECT COALESCE(MAX(batch), 0) + 1 FROM entry";
const RECORD: &str = "INSERT INTO entry (id, batch, what, period, unit, kind, code, number, date, reached_on, note, author, at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
const ENTRIES: &str = "SELECT id, batch, what, period, unit, kind, code, number, date, reached_on, note, author, at, undone_by, undone_at \
     FROM entry WHERE period = $1 ORDER BY id";
const BATCH: &str = "SELECT id, batch, what, period, unit, kind, code, number, date, reached_on, note, author, at, undone_by, undone_at \
     FROM entry WHERE batch = $1 ORDER BY id";
const UNDO: &str = "UPDATE entry SET undone_by = $2, undone_at = $3 WHERE batch = $1 AND undone_at IS NULL";

pub const STATEMENTS: &[&str] = &[
    NEXT_DIRECTIVE,
    RECORD_DIRECTIVE,
    DIRECTIVES,
    DIRECTIVES_SINCE,
    DIRECTED,
    MEMBERS_IN_CHECK,
    MEMBERS,
    OPEN,
    OBLIGATIONS,
    PERIODS,
    ALL_PERIODS,
    UNTAKEN,
    UNTAKEN_OF,
    TAKE_UP,
    CHANGED,
    ALL_CHANGED,
    UNSEEN,
    OFFICE_SAW,
    PROGRESS,
    NEXT_ENTRY,
    NEXT_BATCH,
    RECORD,
    ENTRIES,
    BATCH,
    UNDO,
];

static ADD: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO member (period, unit, kind, code, revision) VALUES {}",
            numbered("(?, ?, ?, ?, ?)", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    ADD.iter().map(String::as_str)
}

#[derive(FromRow)]
struct DirectiveRow {
    period: String,
    number: String,
    date: String,
    reply_before: String,
    standing: i64,
    author: String,
    at: i64,
}

#[derive(FromRow)]
struct ObligationRow {
    period: String,
    unit: String,
    kind: String,
    opened_at: i64,
    changed_at: i64,
    office_saw_at: Option<i64>,
}

#[derive(FromRow)]
struct EntryRow {
    id: i64,
    batch: i64,
    what: String,
    period: String,
    unit: String,
    kind: String,
    code: Option<String>,
    number: Option<String>,
    date: Option<String>,
    reached_on: Option<String>,
    note: Option<String>,
    author: String,
    at: i64,
    undone_by: Option<String>,
    undone_at: Option<i64>,
}

fn corrupt(table: &'static str, id: impl ToString, what: impl ToString) -> StoreError {
    StoreError::Corrupt {
        table,
        id: id.to_string(),
        what: what.to_string(),
    }
}

impl TryFrom<DirectiveRow> for Directive {
    type Error = StoreError;

    fn try_from(row: DirectiveRow) -> Result<Directive, StoreError> {
        let date = |text: &str| text.parse().map_err(|e| corrupt("directive", &row.period, e));
        Ok(Directive {
            period: row.period.parse().map_err(|e| corrupt("directive", &row.period, e))?,
            date: date(&row.date)?,
            reply_before: date(&row.reply_before)?,
            number: row.number,
            is_standing: row.standing != 0,
            by: row.author,
            recorded_at: moment(row.at),
        })
    }
}

fn id_of(table: &'static str, period: &str, unit: &str, kind: &str) -> Result<Id, StoreError> {
    let row = || format!("{period} {unit} {kind}");
    Ok(Id {
        period: period.parse().map_err(|e| corrupt(table, row(), e))?,
        unit: unit.to_owned(),
        kind: kind.parse().map_err(|e| corrupt(table, row(), e))?,
    })
}

impl TryFrom<EntryRow> for Entry {
    type Error = StoreError;

    fn try_from(row: EntryRow) -> Result<Entry, StoreError> {
        let date = |text: Option<String>| -> Result<Option<NaiveDate>, StoreError> {
            text.map(|text| text.parse().map_err(|e| corrupt("entry", row.id, e)))
                .transpose()
        };
        let what = What::ALL.into_iter().find(|what| what.word() == row.what);
        Ok(Entry {
            id: row.id,
            batch: row.batch,
            said: NewEntry {
                what: what.ok_or_else(|| corrupt("entry", row.id, format!("`{}` is no entry", row.what)))?,
                obligation: id_of("entry", &row.period, &row.unit, &row.kind)?,
                code: row.code,
                number: row.number,
                date: date(row.date)?,
                reached_on: date(row.reached_on)?,
                note: row.note,
            },
            by: row.author,
            at: moment(row.at),
            undone: row.undone_at.map(|at| (row.undone_by.unwrap_or_default(), moment(at))),
        })
    }
}

/// Read from the open store or within a transaction.
macro_rules! directive {
    ($from:ident, $period:expr) => {{
        let rows: Vec<DirectiveRow> = on!(
            $from.db(),
            fetch_all(sqlx::query_as(DIRECTIVES).bind($period.to_string()))
        );
        rows.into_iter().next_back().map(Directive::try_from).transpose()
    }};
}

macro_rules! entries {
    ($from:ident, $statement:expr, $of:expr) => {{
        let rows: Vec<EntryRow> = on!($from.db(), fetch_all(sqlx::query_as($statement).bind($of)));
        rows.into_iter()
            .map(Entry::try_from)
            .collect::<Result<Vec<Entry>, StoreError>>()
    }};
}

macro_rules! obligations {
    ($from:ident, $period:expr) => {{
        let key = $period.to_string();
        let rows: Vec<ObligationRow> = on!($from.db(), fetch_all(sqlx::query_as(OBLIGATIONS).bind(&key)));
        let directive: Option<Directive> = directive!($from, $period)?;
        let entries = entries!($from, ENTRIES, &key)?;
        let members: Vec<(String, String, String)> = on!($from.db(), fetch_all(sqlx::query_as(MEMBERS).bind(&key)));
        let counts: Vec<(String, String, i64, i64)> = on!($from.db(), fetch_all(sqlx::query_as(PROGRESS).bind(&key)));
        assembled(rows, directive, &entries, &members, counts)
    }};
}

/// Obligations out of what is kept about a period.
fn assembled(
    rows: Vec<ObligationRow>,
    directive: Option<Directive>,
    entries: &[Entry],
    members: &[(String, String, String)],
    counts: Vec<(String, String, i64, i64)>,
) -> Result<Vec<Obligation>, StoreError> {
    let Some(directive) = directive else {
        return Ok(Vec::new());
    };
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    let mut progress: HashMap<(String, String), Progress> = HashMap::new();
    for (unit, kind, tickets, settled) in counts {
        let counted = Progress {
            tickets: count(tickets),
            settled: count(settled),
            ..Progress::default()
        };
        progress.insert((unit, kind), counted);
    }
    let decided = exclusions(entries);
    for (unit, kind, code) in members {
        if kind != Kind::Explanation.word() {
            continue;
        }
        let of_unit = progress.entry((unit.clone(), kind.clone())).or_default();
        match decided.get(code.as_str()) {
            Some(Exclusion::Excluded) => of_unit.excluded += 1,
            Some(Exclusion::Pending) => of_unit.pending += 1,
            Some(Exclusion::Refused) | None => {}
        }
    }
    let assemble = |row: ObligationRow| {
        let id = id_of("obligation", &row.period, &row.unit, &row.kind)?;
        let (reply, waiver) = met_by(&id, entries);
        Ok(Obligation {
            opened_at: moment(row.opened_at),
            changed_at: moment(row.changed_at),
            directive: directive.clone(),
            reply,
            waiver,
            progress: progress.get(&(row.unit, row.kind)).copied().unwrap_or_default(),
            office_saw_at: row.office_saw_at.map(moment),
            id,
        })
    };
    rows.into_iter().map(assemble).collect()
}

fn members_of(rows: Vec<(String, String, String)>) -> Result<Members, StoreError> {
    let member = |(unit, kind, code): (String, String, String)| {
        let kind = kind.parse().map_err(|e| corrupt("member", &code, e))?;
        Ok(Member { unit, kind, code })
    };
    rows.into_iter().map(member).collect()
}

impl Store {
    /// The directive in force on a period: the last one recorded.
    pub async fn directive(&self, period: Period) -> Result<Option<Directive>, StoreError> {
        directive!(self, period)
    }

    /// All directives recorded on a period, the first one first.
    pub async fn directives(&self, period: Period) -> Result<Vec<Directive>, StoreError> {
        let rows: Vec<DirectiveRow> = on!(
            self.db(),
            fetch_all(sqlx::query_as(DIRECTIVES).bind(period.to_string()))
        );
        rows.into_iter().map(Directive::try_from).collect()
    }

    /// The directives in force on a period and all behind it, the latest period first.
    pub async fn directives_since(&self, first: Period) -> Result<Vec<Directive>, StoreError> {
        let rows: Vec<DirectiveRow> = on!(
            self.db(),
            fetch_all(sqlx::query_as(DIRECTIVES_SINCE).bind(first.to_string()))
        );
        let all = rows.into_iter().map(Directive::try_from);
        let mut all: Vec<Directive> = all.collect::<Result<_, StoreError>>()?;
        all.dedup_by(|earlier, last| earlier.period == last.period);
        Ok(all)
    }

    /// The periods that a directive was recorded on, the earliest first.
    pub async fn directed_periods(&self) -> Result<Vec<Period>, StoreError> {
        let keys: Vec<String> = on!(self.db(), fetch_all(sqlx::query_scalar(DIRECTED)));
        let period = |key: String| key.parse().map_err(|e| corrupt("directive", &key, e));
        keys.into_iter().map(period).collect()
    }

    /// The tickets that a period's obligations are about, as they were found by the final revisions.
    pub async fn members(&self, period: Period) -> Result<Members, StoreError> {
        let key = period.to_string();
        members_of(on!(self.db(), fetch_all(sqlx::query_as(MEMBERS).bind(key))))
    }

    /// The same as they were found when the figures were provisional: what agencies are asked to check.
    pub async fn members_in_check(&self, period: Period) -> Result<Members, StoreError> {
        let key = period.to_string();
        members_of(on!(self.db(), fetch_all(sqlx::query_as(MEMBERS_IN_CHECK).bind(key))))
    }

    /// The obligations of a period, by unit and kind; none while there is no directive on it.
    pub async fn obligations(&self, period: Period) -> Result<Vec<Obligation>, StoreError> {
        obligations!(self, period)
    }

    /// The periods that anything is or was owed for, the earliest first.
    pub async fn obligation_periods(&self) -> Result<Vec<Period>, StoreError> {
        let keys: Vec<String> = on!(self.db(), fetch_all(sqlx::query_scalar(PERIODS)));
        let period = |key: String| key.parse().map_err(|e| corrupt("obligation", &key, e));
        keys.into_iter().map(period).collect()
    }

    /// The periods of which the register has anything, the earliest first.
    pub async fn register_periods(&self) -> Result<Vec<Period>, StoreError> {
        let keys: Vec<String> = on!(self.db(), fetch_all(sqlx::query_scalar(ALL_PERIODS)));
        let period = |key: String| key.parse().map_err(|e| corrupt("directive", &key, e));
        keys.into_iter().map(period).collect()
    }

    /// The periods with obligations about which something was recorded that no turn has looked at yet.
    pub async fn untaken_periods(&self) -> Result<Vec<Period>, StoreError> {
        let keys: Vec<String> = on!(self.db(), fetch_all(sqlx::query_scalar(UNTAKEN)));
        let period = |key: String| key.parse().map_err(|e| corrupt("obligation", &key, e));
        keys.into_iter().map(period).collect()
    }

    /// The obligations of a period that no turn has taken up since something was recorded about them, with how often that
    /// was.
    pub async fn untaken_obligations(&self, period: Period) -> Result<Vec<(Obligation, i64)>, StoreError> {
        let key = period.to_string();
        let untaken: Vec<(String, String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(UNTAKEN_OF).bind(&key)));
        let all: Vec<Obligation> = obligations!(self, period)?;
        let version = |o: Obligation| {
            let own = |(unit, kind, _): &&(String, String, i64)| *unit == o.id.unit && kind == o.id.kind.word();
            let version = untaken.iter().find(own).map(|(.., version)| *version)?;
            Some((o, version))
        };
        Ok(all.into_iter().filter_map(version).collect())
    }

    /// What was recorded about a period, taken back or not, oldest first.
    pub async fn entries(&self, period: Period) -> Result<Vec<Entry>, StoreError> {
        entries!(self, ENTRIES, period.to_string())
    }

    /// What was recorded together.
    pub async fn batch(&self, batch: i64) -> Result<Vec<Entry>, StoreError> {
        entries!(self, BATCH, batch)
    }
}

impl Tx {
    /// As [`Store::directive`].
    pub async fn directive(&mut self, period: Period) -> Result<Option<Directive>, StoreError> {
        directive!(self, period)
    }

    /// Records a directive. It is the one in force from now on; what is owed follows it.
    pub async fn record_directive(&mut self, new: &Directive) -> Result<(), StoreError> {
        let before = self.directive(new.period).await?;
        let id: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT_DIRECTIVE)));
        let key = new.period.to_string();
        on!(
            self.db(),
            execute(
                sqlx::query(RECORD_DIRECTIVE)
                    .bind(id)
                    .bind(&key)
                    .bind(&new.number)
                    .bind(new.date.to_string())
                    .bind(new.reply_before.to_string())
                    .bind(i64::from(new.is_standing))
                    .bind(&new.by)
                    .bind(micros(new.recorded_at))
            )
        );
        // Who has not replied by another day is another list.
        if before.is_some_and(|before| before.reply_before != new.reply_before) {
            on!(self.db(), execute(sqlx::query(UNSEEN).bind(&key)));
        }
        on!(
            self.db(),
            execute(sqlx::query(ALL_CHANGED).bind(key).bind(micros(new.recorded_at)))
        );
        Ok(())
    }

    /// Keeps which tickets stand under which obligation. Of revision 0 that is what is to be checked; a later one may add to
    /// those before it and takes nothing away.
    pub async fn add_members(
        &mut self,
        period: Period,
        revision: i64,
        members: &Members,
        now: Moment,
    ) -> Result<(), StoreError> {
        let key = period.to_string();
        let statement = if revision == 0 { MEMBERS_IN_CHECK } else { MEMBERS };
        let before = members_of(on!(self.db(), fetch_all(sqlx::query_as(statement).bind(&key))))?;
        let new: Vec<&Member> = members.difference(&before).collect();
        for (place, piece) in pieces(&new) {
            on!(self.db(), |kind| execute(piece.iter().fold(
                sqlx::query(ADD.text(place, kind)),
                |q, member| {
                    q.bind(&key)
                        .bind(&member.unit)
                        .bind(member.kind.word())
                        .bind(&member.code)
                        .bind(revision)
                }
            )));
        }
        if revision > 0 {
            let grown: BTreeSet<(&str, Kind)> = new.iter().map(|member| (&*member.unit, member.kind)).collect();
            for (unit, kind) in grown {
                let unit = unit.to_owned();
                self.obligation_changed(&Id { period, unit, kind }, now).await?;
            }
        }
        Ok(())
    }

    /// Opens what a period's tickets have units owe by the directive on it and is not open yet: how many. Nothing without a
    /// directive, or while the figures are checked.
    pub async fn open_obligations(&mut self, period: Period, now: Moment) -> Result<u64, StoreError> {
        if self.directive(period).await?.is_none() {
            return Ok(0);
        }
        Ok(on!(
            self.db(),
            execute(sqlx::query(OPEN).bind(period.to_string()).bind(micros(now)))
        ))
    }

    /// As [`Store::obligations`].
    pub async fn obligations(&mut self, period: Period) -> Result<Vec<Obligation>, StoreError> {
        obligations!(self, period)
    }

    /// What was read by [`Store::untaken_obligations`] has been taken up, but for that about which more was recorded since.
    pub async fn take_up_obligations(&mut self, list: &[(Obligation, i64)]) -> Result<(), StoreError> {
        for (Obligation { id, .. }, version) in list {
            on!(
                self.db(),
                execute(
                    sqlx::query(TAKE_UP)
                        .bind(id.period.to_string())
                        .bind(&id.unit)
                        .bind(id.kind.word())
                        .bind(version)
                )
            );
        }
        Ok(())
    }

    /// The Office has seen who of a period has not replied.
    pub async fn office_saw(&mut self, period: Period, at: Moment) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(sqlx::query(OFFICE_SAW).bind(period.to_string()).bind(micros(at)))
        );
        Ok(())
    }

    /// As [`Store::entries`].
    pub async fn entries(&mut self, period: Period) -> Result<Vec<Entry>, StoreError> {
        entries!(self, ENTRIES, period.to_string())
    }

    /// Records lines together; the number of their batch, by which they can be taken back.
    pub async fn record_entries(&mut self, lines: &[NewEntry], by: &str, now: Moment) -> Result<i64, StoreError> {
        let first: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT_ENTRY)));
        let batch: i64 = on!(self.db(), fetch_one(sqlx::query_scalar(NEXT_BATCH)));
        for (id, line) in (first..).zip(lines) {
            on!(
                self.db(),
                execute(
                    sqlx::query(RECORD)
                        .bind(id)
                        .bind(batch)
                        .bind(line.what.word())
                        .bind(line.obligation.period.to_string())
                        .bind(&line.obligation.unit)
                        .bind(line.obligation.kind.word())
                        .bind(&line.code)
                        .bind(&line.number)
                        .bind(line.date.map(|d| d.to_string()))
                        .bind(line.reached_on.map(|d| d.to_string()))
                        .bind(&line.note)
                        .bind(by)
                        .bind(micros(now))
                )
            );
            self.obligation_changed(&line.obligation, now).await?;
        }
        Ok(batch)
    }

    /// Takes back what was recorded together: how many lines, none where that has been done.
    pub async fn undo_entries(&mut self, batch: i64, by: &str, now: Moment) -> Result<u64, StoreError> {
        let lines = entries!(self, BATCH, batch)?;
        let undone = on!(
            self.db(),
            execute(sqlx::query(UNDO).bind(batch).bind(by).bind(micros(now)))
        );
        for line in lines.iter().filter(|line| line.undone.is_none()) {
            self.obligation_changed(&line.said.obligation, now).await?;
        }
        Ok(undone)
    }

    async fn obligation_changed(&mut self, id: &Id, now: Moment) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(
                sqlx::query(CHANGED)
                    .bind(id.period.to_string())
                    .bind(&id.unit)
                    .bind(id.kind.word())
                    .bind(micros(now))
            )
        );
        Ok(())
    }
}
