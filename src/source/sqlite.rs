//! A ticket database in SQLite. Opened read-only, never created; every read is one statement, so one snapshot.
//!
//! Paging holds whatever stands in the columns: rows are compared by the source's own values, byte for byte, and rows
//! without a code, which have no place in that order, are counted apart.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{
    AssertSqlSafe, Column as _, Executor as _, Row as _, SqlSafeStr, Statement as _, TypeInfo as _, ValueRef as _,
};
use tokio::sync::OnceCell;

use super::decode::{self, COLUMNS, Rejected, Value, Values, Why};
use super::{Cursor, Key, Keys, Mark, Newest, Page, SourceError};
use crate::config::settings::{Database, SourceSettings, UpdatedAtFormat};
use crate::domain::Moment;
use crate::domain::text::{fold, nfc};

/// Codes in one statement.
const CHUNK: usize = 500;

/// Steps of SQLite's machine between two looks at whether a statement has run for too long.
const STEPS: i32 = 10_000;

/// The code as text, for ordering. A column that holds text is compared as it is, so that its index serves.
const CODE_AS_TEXT: &str = "CAST(q.code AS TEXT)";

/// A row that can be paged to.
const HAS_CODE: &str = "q.code <> '' AND typeof(q.code) <> 'blob'";

/// An open SQLite ticket database.
pub struct Sqlite {
    pool: SqlitePool,
    path: PathBuf,
    settings: SourceSettings,
    /// The user's query as the table `q`.
    rows: String,
    /// The columns that are fetched.
    columns: Vec<&'static str>,
    /// `q.code`, or [`CODE_AS_TEXT`] where it may be a number.
    code: &'static str,
    timeout: Duration,
    /// Status words, as the source spells them, that mean a ticket is no longer open.
    closed_words: OnceCell<Vec<String>>,
    /// How the source writes the codes that we write otherwise: not in NFC, or with spaces around.
    spellings: Mutex<HashMap<String, String>>,
}

impl Sqlite {
    pub(super) async fn open(settings: &SourceSettings, reads_text: bool) -> Result<Sqlite, SourceError> {
        let Database::Sqlite(path) = settings.database.clone() else {
            return Err(SourceError::Kind {
                database: settings.database.to_string(),
            });
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .create_if_missing(false)
            .busy_timeout(Duration::from_secs(10));
        let open = |error| SourceError::Open {
            path: path.clone(),
            error,
        };
        let refused = |error| SourceError::Query {
            path: path.clone(),
            error,
        };
        let pool = SqlitePoolOptions::new()
            .max_connections(2)
            .connect_with(options)
            .await
            .map_err(open)?;
        // Also the first look into the file: one that is no database fails here and not as a fault of the query.
        let encoding: String = sqlx::query_scalar("PRAGMA encoding")
            .fetch_one(&pool)
            .await
            .map_err(open)?;
        if encoding != "UTF-8" {
            return Err(SourceError::Encoding { path, encoding });
        }
        let query = settings.query.trim().trim_end_matches(';').trim_end();
        // The line break ends a comment at the query's end.
        let rows = format!("({query}\n) AS q");
        // Alone it has to be a statement, and in brackets a table: what ends the brackets itself is not the first,
        // more than one statement not the second.
        pool.prepare(AssertSqlSafe(query.to_owned()).into_sql_str())
            .await
            .map_err(refused)?;
        // Not `describe`: it falls over columns that were declared without a type.
        let prepared = pool
            .prepare(AssertSqlSafe(format!("SELECT * FROM {rows} LIMIT 0")).into_sql_str())
            .await
            .map_err(refused)?;
        let find = |column: &str| {
            prepared
                .columns()
                .iter()
                .find(|c| c.name().eq_ignore_ascii_case(column))
        };
        if let Some(column) = ["code", "status", "received_at"]
            .into_iter()
            .find(|c| find(c).is_none())
        {
            return Err(SourceError::Missing { path, column });
        }
        let is_text = find("code").is_some_and(|c| c.type_info().name() == "TEXT");
        let is_read = |c: &str| find(c).is_some() && (reads_text || !["title", "body"].contains(&c));
        Ok(Sqlite {
            pool,
            path,
            rows,
            columns: COLUMNS.into_iter().filter(|c| is_read(c)).collect(),
            code: if is_text { "q.code" } else { CODE_AS_TEXT },
            timeout: settings.statement_timeout.to_std().unwrap_or(Duration::from_secs(60)),
            settings: settings.clone(),
            closed_words: OnceCell::new(),
            spellings: Mutex::default(),
        })
    }

    pub(super) async fn changed(&self, after: &Cursor, batch: u32) -> Result<Page, SourceError> {
        let (code, from) = (self.code, placed(&after.updated_at));
        let sql = format!(
            "{} WHERE q.updated_at >= {from} AND (q.updated_at > {from} OR {code} COLLATE BINARY > CAST($2 AS TEXT)) \
             AND {HAS_CODE} AND typeof(q.updated_at) <> 'blob' ORDER BY q.updated_at, {code} COLLATE BINARY LIMIT {batch}",
            self.select()
        );
        let rows = self
            .fetch(sql, |q| bind_mark(q, &after.updated_at).bind(after.code.clone()))
            .await?;
        let next = (rows.len() == batch as usize)
            .then(|| rows.last().and_then(position))
            .flatten();
        let mut page = self.page(&rows, next);
        let codes: Vec<String> = page.rows.iter().map(|r| r.ticket.code.clone()).collect();
        // Of two rows with one code perhaps only one has changed.
        self.reject_twice(&mut page, &codes).await?;
        if after.code.is_empty() {
            let touched = format!("q.updated_at >= {from}");
            page.rejected
                .extend(self.codeless(touched, |q| bind_mark(q, &after.updated_at)).await?);
        }
        Ok(page)
    }

    pub(super) async fn first_read(
        &self,
        after: Option<&Cursor>,
        touched_since: Moment,
        batch: u32,
    ) -> Result<Page, SourceError> {
        let since = self.cursor_at(touched_since).updated_at;
        let sql = format!(
            "{} WHERE {} AND {HAS_CODE} AND {code} COLLATE BINARY > CAST($2 AS TEXT) ORDER BY {code} COLLATE BINARY LIMIT {batch}",
            self.select(),
            self.touched_or_open(&since).await?,
            code = self.code,
        );
        let rows = self
            .fetch(sql, |q| {
                bind_mark(q, &since).bind(after.map(|a| a.code.clone()).unwrap_or_default())
            })
            .await?;
        let next = (rows.len() == batch as usize).then(|| rows.last()).flatten();
        let next = next.and_then(|row| text_bytes(row, "code")).map(|code| Cursor {
            updated_at: since.clone(),
            code,
        });
        let is_full = next.is_some();
        let mut page = self.page(&rows, next);
        // Rows with one code stand together, so that only the last of a full page can have its like on the next.
        let last = page.rows.last().map(|r| r.ticket.code.clone());
        let last: Vec<String> = last.into_iter().filter(|_| is_full).collect();
        self.reject_twice(&mut page, &last).await?;
        Ok(page)
    }

    pub(super) async fn keys(&self, after: &[u8], touched_since: Moment, batch: u32) -> Result<Keys, SourceError> {
        let updated = if self.columns.contains(&"updated_at") {
            "q.updated_at"
        } else {
            "NULL"
        };
        // A page comes as one row: a sweep reads every key there is, and each row costs a change of threads.
        let since = self.cursor_at(touched_since).updated_at;
        let sql = format!(
            "SELECT group_concat(quote(k.code) || ',' || quote(k.status) || ',' || quote(k.updated_at), ',' ORDER BY k.code COLLATE BINARY) AS keys FROM \
             (SELECT {code} AS code, q.status AS status, {updated} AS updated_at FROM {rows} WHERE {touched} AND {HAS_CODE} \
             AND {code} COLLATE BINARY > CAST($2 AS TEXT) ORDER BY {code} COLLATE BINARY LIMIT {batch}) AS k",
            code = self.code,
            rows = self.rows,
            touched = self.touched_or_open(&since).await?,
        );
        let rows = self.fetch(sql, |q| bind_mark(q, &since).bind(after.to_owned())).await?;
        let Some(written) = rows.first().and_then(|row| text_bytes(row, "keys")) else {
            return Ok(Keys::default());
        };
        let all = Quoted::threes(&written);
        let next = all.last().filter(|_| all.len() == batch as usize);
        let next = next.map(|[code, ..]| code.bytes());
        let keys = all.into_iter().filter_map(|key| {
            let [code, status, updated] = key.map(|quoted| decode::raw(Some(&quoted.value())));
            Some(Key {
                code: Some(self.ours(&code?)).filter(|code| !code.is_empty())?,
                status_word: status.map(|s| nfc(&s)).unwrap_or_default(),
                updated_raw: updated,
            })
        });
        Ok(Keys {
            keys: keys.collect(),
            next,
        })
    }

    pub(super) async fn without_code(&self, touched_since: Moment) -> Result<Vec<Rejected>, SourceError> {
        let since = self.cursor_at(touched_since).updated_at;
        let touched = self.touched_or_open(&since).await?;
        self.codeless(touched, |q| bind_mark(q, &since)).await
    }

    pub(super) async fn by_code(&self, codes: &[String]) -> Result<Page, SourceError> {
        let mut all = Page::default();
        for chunk in codes.chunks(CHUNK) {
            let (places, spellings) = self.spelled(chunk);
            let sql = format!("{} WHERE q.code IN ({places})", self.select());
            let rows = self.fetch(sql, |q| spellings.bind(q)).await?;
            let page = self.page(&rows, None);
            all.rows.extend(page.rows);
            all.rejected.extend(page.rejected);
            all.spoiled.extend(page.spoiled);
        }
        Ok(all)
    }

    pub(super) async fn newest(&self, now: Moment) -> Result<Newest, SourceError> {
        if !self.columns.contains(&"updated_at") {
            return Ok(Newest {
                at: None,
                is_comparable: true,
            });
        }
        let until = self.cursor_at(now).updated_at;
        let newest = |which: &str| {
            format!(
                "SELECT q.updated_at AS updated_at FROM {} WHERE {which} ORDER BY q.updated_at DESC LIMIT 20",
                self.rows
            )
        };
        let read = |rows: &[SqliteRow]| -> Vec<(Value, Moment)> {
            let values = rows.iter().map(|row| value(row, "updated_at"));
            let at = |v: &Value| decode::time(v, self.settings.time_zone).ok().map(|w| w.at);
            values.filter_map(|v| at(&v).map(|at| (v, at))).collect()
        };
        let past = |times: &[(Value, Moment)]| times.iter().map(|(_, at)| *at).filter(|at| *at <= now).max();
        let mut times = read(&self.fetch(newest("q.updated_at IS NOT NULL"), |q| q).await?);
        if past(&times).is_none() {
            // Times in the future, or what is no time at all, stand before the newest one.
            let which = format!("q.updated_at <= {}", placed(&until));
            times.extend(read(&self.fetch(newest(&which), |q| bind_mark(q, &until)).await?));
        }
        Ok(Newest {
            at: past(&times),
            is_comparable: times.is_empty() || times.iter().any(|(value, at)| self.is_comparable(value, *at)),
        })
    }

    /// Whether a value stands in the column as the cursor of its instant would: more may follow, such as a fraction.
    fn is_comparable(&self, value: &Value, at: Moment) -> bool {
        match (self.cursor_at(at).updated_at, value) {
            (Mark::Text(text), Value::Text(written)) => written.as_bytes().starts_with(&text),
            (Mark::Integer(n), Value::Integer(written)) => n == *written,
            (Mark::Integer(n), Value::Text(written)) => n.to_string() == *written,
            (Mark::Integer(_), Value::Real(_)) => true,
            _ => false,
        }
    }

    pub(super) fn cursor_at(&self, at: Moment) -> Cursor {
        let updated_at = match &self.settings.updated_at_format {
            UpdatedAtFormat::Text(format) => {
                let text = at.with_timezone(&self.settings.time_zone).format(format);
                Mark::Text(text.to_string().into_bytes())
            }
            UpdatedAtFormat::EpochSeconds => Mark::Integer(at.timestamp()),
            UpdatedAtFormat::EpochMillis => Mark::Integer(at.timestamp_millis()),
        };
        Cursor {
            updated_at,
            code: Vec::new(),
        }
    }

    pub(super) fn is_open_word(&self, word: &str) -> bool {
        self.settings.status.get(&fold(word)).is_none_or(|s| s.is_open())
    }

    /// The user's query with only the columns that are read.
    fn select(&self) -> String {
        let column = |c: &&str| match *c {
            "code" => format!("{} AS code", self.code),
            c => format!("q.{c} AS {c}"),
        };
        let columns: Vec<String> = self.columns.iter().map(column).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.rows)
    }

    /// Open by its status word, or touched since the instant that `$1` stands for.
    async fn touched_or_open(&self, since: &Mark) -> Result<String, SourceError> {
        let touched = if self.columns.contains(&"updated_at") {
            "COALESCE(q.updated_at, q.received_at)"
        } else {
            "q.received_at"
        };
        let closed = self.closed_words.get_or_try_init(|| self.read_closed_words()).await?;
        let closed: Vec<String> = closed
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', "''")))
            .collect();
        let open = if closed.is_empty() {
            "TRUE".to_owned()
        } else {
            format!("q.status NOT IN ({})", closed.join(","))
        };
        // A number does not compare with text: where the source writes times otherwise, the row is read.
        let other = match since {
            Mark::Text(_) => "('integer', 'real')",
            Mark::Integer(_) | Mark::Real(_) => "('text')",
        };
        let from = placed(since);
        Ok(format!(
            "({touched} >= {from} OR typeof({touched}) IN {other} OR q.status IS NULL OR {open})"
        ))
    }

    pub(super) async fn status_words(&self) -> Result<Vec<(String, i64)>, SourceError> {
        let sql = format!(
            "SELECT q.status AS status, COUNT(*) AS n FROM {} GROUP BY q.status ORDER BY COUNT(*) DESC, q.status",
            self.rows
        );
        let mut words = Vec::new();
        for row in self.fetch(sql, |q| q).await? {
            if let Value::Integer(n) = value(&row, "n") {
                words.push((decode::raw(Some(&value(&row, "status"))).unwrap_or_default(), n));
            }
        }
        Ok(words)
    }

    /// The source's own spellings; a word that appears later is taken as open and read, which harms nothing.
    async fn read_closed_words(&self) -> Result<Vec<String>, SourceError> {
        let sql = format!("SELECT DISTINCT q.status AS status FROM {}", self.rows);
        let rows = self.fetch(sql, |q| q).await?;
        let words = rows.iter().filter_map(|row| decode::raw(Some(&value(row, "status"))));
        Ok(words.filter(|word| !self.is_open_word(word)).collect())
    }

    /// One rejection for each row of some kind that has no code.
    async fn codeless<'q>(
        &self,
        which: String,
        bind: impl FnOnce(Query<'q>) -> Query<'q>,
    ) -> Result<Vec<Rejected>, SourceError> {
        let sql = format!(
            "SELECT typeof(q.code) AS kind, COUNT(*) AS n FROM {} \
             WHERE (q.code IS NULL OR q.code = '' OR typeof(q.code) = 'blob') AND {which} GROUP BY typeof(q.code)",
            self.rows
        );
        let mut rejected = Vec::new();
        for row in self.fetch(sql, bind).await? {
            let (Value::Text(kind), Value::Integer(n)) = (value(&row, "kind"), value(&row, "n")) else {
                continue;
            };
            let one = Rejected {
                code: None,
                column: "code",
                why: if kind == "blob" { Why::NotUtf8 } else { Why::Null },
            };
            rejected.extend(std::iter::repeat_n(one, usize::try_from(n).unwrap_or(0)));
        }
        Ok(rejected)
    }

    /// Takes the rows out of a page whose code, among those asked for, stands in more than one row of the source.
    async fn reject_twice(&self, page: &mut Page, codes: &[String]) -> Result<(), SourceError> {
        for chunk in codes.chunks(CHUNK) {
            let (places, spellings) = self.spelled(chunk);
            let sql = format!(
                "SELECT {code} AS code FROM {rows} WHERE q.code IN ({places}) GROUP BY {code} HAVING COUNT(*) > 1",
                code = self.code,
                rows = self.rows,
            );
            let rows = self.fetch(sql, |q| spellings.bind(q)).await?;
            let twice = rows.iter().filter_map(|row| decode::raw(Some(&value(row, "code"))));
            for code in twice.map(|code| self.ours(&code)) {
                page.rows.retain(|r| r.ticket.code != code);
                page.rejected.push(duplicate(code));
            }
        }
        Ok(())
    }

    /// A code as we write it; remembers how the source does.
    fn ours(&self, theirs: &str) -> String {
        let ours = nfc(theirs);
        if ours != theirs {
            let mut spellings = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
            spellings.insert(ours.clone(), theirs.to_owned());
        }
        ours
    }

    /// Every way in which the source may write some codes, and the places for them in a statement.
    fn spelled(&self, codes: &[String]) -> (String, Spellings) {
        let known = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        let others = codes.iter().filter_map(|code| known.get(code).cloned());
        let texts: Vec<String> = codes.iter().cloned().chain(others).collect();
        let number = |code: &String| code.parse::<i64>().ok().filter(|n| n.to_string() == *code);
        let numbers: Vec<i64> = codes.iter().filter_map(number).collect();
        let places: Vec<String> = (1..=texts.len() + numbers.len()).map(|n| format!("${n}")).collect();
        (places.join(","), Spellings { texts, numbers })
    }

    async fn fetch<'q>(
        &self,
        sql: String,
        bind: impl FnOnce(Query<'q>) -> Query<'q>,
    ) -> Result<Vec<SqliteRow>, SourceError> {
        let query = bind(sqlx::query(AssertSqlSafe(sql)));
        let read = |error| SourceError::Read {
            path: self.path.clone(),
            error,
        };
        let mut connection = self.pool.acquire().await.map_err(read)?;
        let is_over = Arc::new(AtomicBool::new(false));
        let goes_on = Arc::clone(&is_over);
        connection
            .lock_handle()
            .await
            .map_err(read)?
            .set_progress_handler(STEPS, move || !goes_on.load(Ordering::Relaxed));
        match tokio::time::timeout(self.timeout, query.fetch_all(&mut *connection)).await {
            Ok(rows) => rows.map_err(read),
            Err(_) => {
                // Dropping the statement does not end it: it would hold its connection, and a processor, for ever.
                is_over.store(true, Ordering::Relaxed);
                Err(SourceError::Timeout {
                    path: self.path.clone(),
                })
            }
        }
    }

    fn page(&self, rows: &[SqliteRow], next: Option<Cursor>) -> Page {
        let mut page = Page {
            next,
            ..Page::default()
        };
        let mut seen = HashMap::new();
        for found in rows {
            let mut values: Values = self.columns.iter().map(|c| (*c, value(found, c))).collect();
            if let Some(Value::Text(theirs)) = values.get("code") {
                self.ours(theirs);
            }
            match decode::row(&mut values, &self.settings, &mut page.spoiled) {
                Ok(row) => {
                    *seen.entry(row.ticket.code.clone()).or_insert(0) += 1;
                    page.rows.push(row);
                }
                Err(rejected) => page.rejected.push(rejected),
            }
        }
        // Neither of two rows with one code can be trusted.
        let twice: HashSet<String> = seen.into_iter().filter(|(_, n)| *n > 1).map(|(code, _)| code).collect();
        page.rows.retain(|r| !twice.contains(&r.ticket.code));
        page.rejected.extend(twice.into_iter().map(duplicate));
        page
    }
}

type Query<'q> = sqlx::query::Query<'q, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;

/// Codes as text and, where they are whole numbers, as numbers: text is never equal to a number.
struct Spellings {
    texts: Vec<String>,
    numbers: Vec<i64>,
}

impl Spellings {
    fn bind(self, query: Query<'_>) -> Query<'_> {
        let query = self.texts.into_iter().fold(query, |q, text| q.bind(text));
        self.numbers.into_iter().fold(query, |q, number| q.bind(number))
    }
}

fn duplicate(code: String) -> Rejected {
    Rejected {
        code: Some(code),
        column: "code",
        why: Why::Duplicate,
    }
}

/// `$1` for a mark. Text is bound as bytes, since it need not be UTF-8.
fn placed(mark: &Mark) -> &'static str {
    match mark {
        Mark::Integer(_) | Mark::Real(_) => "$1",
        Mark::Text(_) => "CAST($1 AS TEXT)",
    }
}

fn bind_mark<'q>(query: Query<'q>, mark: &Mark) -> Query<'q> {
    match mark {
        Mark::Integer(n) => query.bind(*n),
        Mark::Real(x) => query.bind(*x),
        Mark::Text(bytes) => query.bind(bytes.clone()),
    }
}

/// Where a row stands in the order of (`updated_at`, code).
fn position(row: &SqliteRow) -> Option<Cursor> {
    let updated_at = match value(row, "updated_at") {
        Value::Integer(n) => Mark::Integer(n),
        Value::Real(x) => Mark::Real(x),
        Value::Text(_) | Value::Bytes => Mark::Text(text_bytes(row, "updated_at")?),
        Value::Null => return None,
    };
    Some(Cursor {
        updated_at,
        code: text_bytes(row, "code")?,
    })
}

fn text_bytes(row: &SqliteRow, column: &str) -> Option<Vec<u8>> {
    row.try_get_unchecked::<Vec<u8>, _>(column).ok()
}

/// A value as SQLite's `quote()` writes it: a literal of its kind. A text need not be UTF-8.
enum Quoted {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    /// What is none of them.
    Other,
}

impl Quoted {
    /// Comma-separated literals, three by three.
    fn threes(mut list: &[u8]) -> Vec<[Quoted; 3]> {
        let mut all = Vec::new();
        while !list.is_empty() {
            all.push(std::array::from_fn(|_| Quoted::take(&mut list)));
        }
        all
    }

    /// Reads one literal and the comma after it.
    fn take(list: &mut &[u8]) -> Quoted {
        let (value, rest) = match list {
            [b'\'', rest @ ..] => {
                let (text, rest) = Quoted::text(rest);
                (Quoted::Text(text), rest)
            }
            [b'X', b'\'', rest @ ..] => {
                let (digits, rest) = Quoted::text(rest);
                (Quoted::Text(unhex(&digits)), rest)
            }
            _ => {
                let end = list.iter().position(|b| *b == b',').unwrap_or(list.len());
                (Quoted::plain(&list[..end]), &list[end..])
            }
        };
        *list = rest.strip_prefix(b",").unwrap_or(rest);
        value
    }

    /// Up to the closing quote; a doubled one stands for itself.
    fn text(mut list: &[u8]) -> (Vec<u8>, &[u8]) {
        let mut text = Vec::new();
        loop {
            let end = list.iter().position(|b| *b == b'\'').unwrap_or(list.len());
            text.extend_from_slice(&list[..end]);
            list = list.get(end + 1..).unwrap_or_default();
            match list {
                [b'\'', rest @ ..] => {
                    text.push(b'\'');
                    list = rest;
                }
                _ => return (text, list),
            }
        }
    }

    fn plain(word: &[u8]) -> Quoted {
        let word = std::str::from_utf8(word).unwrap_or_default();
        let integer = || word.parse().map(Quoted::Integer);
        let real = |_| word.parse().map(Quoted::Real);
        match word {
            "NULL" => Quoted::Null,
            _ => integer().or_else(real).unwrap_or(Quoted::Other),
        }
    }

    /// A code's bytes; codes are text.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Quoted::Text(bytes) => bytes.clone(),
            Quoted::Integer(n) => n.to_string().into_bytes(),
            Quoted::Null | Quoted::Real(_) | Quoted::Other => Vec::new(),
        }
    }

    fn value(self) -> Value {
        match self {
            Quoted::Null => Value::Null,
            Quoted::Integer(n) => Value::Integer(n),
            Quoted::Real(x) => Value::Real(x),
            Quoted::Text(bytes) => String::from_utf8(bytes).map_or(Value::Bytes, Value::Text),
            Quoted::Other => Value::Bytes,
        }
    }
}

fn unhex(digits: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| {
        let digit = char::from(*byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
        digit.unwrap_or(0)
    };
    let pairs = digits.chunks_exact(2);
    pairs.map(|pair| digit(&pair[0]) << 4 | digit(&pair[1])).collect()
}

/// A value by what it is, not by what its column was declared as.
fn value(row: &SqliteRow, column: &str) -> Value {
    let Ok(raw) = row.try_get_raw(column) else {
        return Value::Null;
    };
    if raw.is_null() {
        return Value::Null;
    }
    let read = match raw.type_info().name() {
        "INTEGER" | "BOOLEAN" => row.try_get_unchecked::<i64, _>(column).map(Value::Integer),
        "REAL" => row.try_get_unchecked::<f64, _>(column).map(Value::Real),
        _ => row
            .try_get_unchecked::<Vec<u8>, _>(column)
            .map(|b| String::from_utf8(b).map_or(Value::Bytes, Value::Text)),
    };
    read.unwrap_or(Value::Bytes)
}
