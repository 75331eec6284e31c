//! Reading a ticket database of any kind: which rows, in which order, in what pages.
//!
//! Paging holds whatever stands in the columns: rows are compared by the source's own values, codes byte for byte, and
//! rows without a code, which have no place in that order, are counted apart.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;

use super::decode::{self, COLUMNS, Rejected, Value, Values, Why};
use super::mysql::{MySql, MySqlDialect};
use super::postgres::{Postgres, PostgresDialect};
use super::server::Server;
use super::sqlite::{Sqlite, SqliteDialect};
use super::statement::{Column, Dialect, Kind, Output, Statement};
use super::{Cursor, Key, Keys, Newest, OnAnswer, Page, SourceError, as_rows};
use crate::config::settings::{Database, SourceSettings, UpdatedAtFormat};
use crate::cores;
use crate::domain::Moment;
use crate::domain::text::{fold, nfc};

/// Codes in one statement.
const CHUNK: usize = 500;

/// Rows that are decoded in the time that it takes to start a thread, several times over.
const DECODED: usize = 100;

/// The database behind a source.
enum Kinds {
    Sqlite(Sqlite),
    Postgres(Server<Postgres>),
    MySql(Server<MySql>),
}

/// An open ticket database.
pub struct Reader {
    database: Kinds,
    settings: SourceSettings,
    /// The user's query as the table `q`.
    rows: String,
    /// The columns of `spec.md` §2 that the query has, but for those that are not read.
    columns: Vec<(&'static str, Column)>,
    code: Column,
    status: Column,
    received_at: Column,
    updated_at: Option<Column>,
    title: Option<Column>,
    /// Status words, as the source spells them, that mean a ticket is no longer open.
    closed_words: OnceCell<Vec<String>>,
    /// How the source writes the codes that we write otherwise: not in NFC, or with spaces around.
    spellings: Mutex<HashMap<String, String>>,
    on_answer: Arc<OnAnswer>,
}

impl Reader {
    /// Opens the database read-only and prepares the query. Title and body are fetched only where `reads_text`.
    pub async fn open(settings: &SourceSettings, reads_text: bool) -> Result<Reader, SourceError> {
        Reader::open_for(settings, reads_text, Arc::default()).await
    }

    pub(super) async fn open_for(
        settings: &SourceSettings,
        reads_text: bool,
        on_answer: Arc<OnAnswer>,
    ) -> Result<Reader, SourceError> {
        let timeout = settings.statement_timeout.to_std().unwrap_or(Duration::from_secs(60));
        let query = &settings.query;
        let (database, found) = match &settings.database {
            Database::Sqlite(path) => {
                let sqlite = Sqlite::open(path, timeout).await?;
                let columns = sqlite.columns(query).await?;
                (Kinds::Sqlite(sqlite), columns)
            }
            Database::Postgres(server) => {
                let server = Server::new(Postgres::new(server, timeout)?, server, timeout);
                let columns = server.columns(query).await?;
                (Kinds::Postgres(server), columns)
            }
            Database::MySql(server) => {
                let server = Server::new(MySql::new(server, timeout)?, server, timeout);
                let columns = server.columns(query).await?;
                (Kinds::MySql(server), columns)
            }
        };
        let find = |column: &str| {
            let named = found.iter().find(|(name, _)| name.eq_ignore_ascii_case(column));
            named.map(|(_, column)| column.clone())
        };
        let needed = |column| {
            find(column).ok_or_else(|| SourceError::Missing {
                database: settings.database.to_string(),
                column,
            })
        };
        let is_read = |c: &&str| reads_text || !decode::TEXTS.contains(c);
        let columns = COLUMNS.into_iter().filter(is_read);
        Ok(Reader {
            database,
            settings: settings.clone(),
            rows: as_rows(query),
            code: needed("code")?,
            status: needed("status")?,
            received_at: needed("received_at")?,
            updated_at: find("updated_at"),
            title: find("title"),
            columns: columns.filter_map(|name| Some((name, find(name)?))).collect(),
            closed_words: OnceCell::new(),
            spellings: Mutex::default(),
            on_answer,
        })
    }

    fn dialect(&self) -> &'static dyn Dialect {
        match self.database {
            Kinds::Sqlite(_) => &SqliteDialect,
            Kinds::Postgres(_) => &PostgresDialect,
            Kinds::MySql(_) => &MySqlDialect,
        }
    }

    async fn fetch(&self, statement: Statement) -> Result<Vec<Values>, SourceError> {
        let rows = match &self.database {
            Kinds::Sqlite(sqlite) => sqlite.fetch(statement).await,
            Kinds::Postgres(server) => server.fetch(statement).await,
            Kinds::MySql(server) => server.fetch(statement).await,
        };
        self.answered();
        rows
    }

    /// A server keeps what it does in its own memory.
    pub(super) async fn rest(&self) -> Result<(), SourceError> {
        match &self.database {
            Kinds::Sqlite(sqlite) => sqlite.rest().await,
            Kinds::Postgres(_) | Kinds::MySql(_) => Ok(()),
        }
    }

    fn answered(&self) {
        if let Some(act) = self.on_answer.get() {
            act();
        }
    }

    /// Rows after the cursor in order of (`updated_at`, code), at most `batch`.
    pub async fn changed(&self, after: &Cursor, batch: u32) -> Result<Page, SourceError> {
        let Some(updated_at) = &self.updated_at else {
            return Ok(Page::default());
        };
        let dialect = self.dialect();
        let mut statement = self.select();
        statement.push(" WHERE ");
        statement.compare(dialect, updated_at, ">=", &after.updated_at);
        statement.push(" AND (");
        statement.compare(dialect, updated_at, ">", &after.updated_at);
        statement.push(" OR ");
        statement.compare_key(dialect, &self.code, ">", &after.code);
        statement.push(&format!(
            ") AND {} AND {} ORDER BY {}, {} LIMIT {batch}",
            dialect.has_text(&self.code),
            dialect.is_placed(updated_at),
            updated_at.sql,
            self.code.key,
        ));
        let rows = self.fetch(statement).await?;
        let next = rows.last().filter(|_| rows.len() == batch as usize);
        let next = next.and_then(|row| {
            Some(Cursor {
                updated_at: row.get("updated_at")?.clone(),
                code: bytes(row.get("code")?)?,
            })
        });
        let mut page = self.page(rows, next);
        let codes: Vec<String> = page.rows.iter().map(|r| r.ticket.code.clone()).collect();
        // Of two rows with one code perhaps only one has changed.
        self.reject_twice(&mut page, &codes).await?;
        if after.code.is_empty() {
            let mut statement = self.select_codeless();
            statement.compare(dialect, updated_at, ">=", &after.updated_at);
            page.rejected.extend(self.codeless(statement).await?);
        }
        Ok(page)
    }

    /// Open tickets (by status word) and all touched since an instant, in order of the code.
    pub async fn first_read(
        &self,
        after: Option<&Cursor>,
        touched_since: Moment,
        batch: u32,
    ) -> Result<Page, SourceError> {
        let mut statement = self.select();
        let after = after.map(|a| a.code.as_slice()).unwrap_or_default();
        self.among_touched(&mut statement, after, touched_since, batch).await?;
        let rows = self.fetch(statement).await?;
        let next = rows.last().filter(|_| rows.len() == batch as usize);
        let next = next.and_then(|row| row.get("code")).and_then(bytes).map(|code| Cursor {
            code,
            ..self.cursor_at(touched_since)
        });
        let is_full = next.is_some();
        let mut page = self.page(rows, next);
        // Rows with one code stand together, so that only the last of a full page can have its like on the next.
        let last = page.rows.last().map(|r| r.ticket.code.clone());
        let last: Vec<String> = last.into_iter().filter(|_| is_full).collect();
        self.reject_twice(&mut page, &last).await?;
        Ok(page)
    }

    /// The keys of the tickets that [`Reader::first_read`] would read, in order of the code.
    pub async fn keys(&self, after: &[u8], touched_since: Moment, batch: u32) -> Result<Keys, SourceError> {
        let updated_at = self.updated_at.as_ref();
        let outputs = vec![
            text_output("code", &self.code),
            text_output("status", &self.status),
            Output {
                name: "updated_at",
                sql: updated_at.map_or_else(|| "NULL".to_owned(), |u| u.read.clone()),
                kind: updated_at.map_or(Kind::Text, |u| u.kind),
            },
        ];
        let mut statement = Statement::select(outputs, &self.rows);
        self.among_touched(&mut statement, after, touched_since, batch).await?;
        let rows = match &self.database {
            Kinds::Sqlite(sqlite) => {
                let rows = sqlite.fetch_packed(statement).await;
                self.answered();
                rows?
            }
            Kinds::Postgres(_) | Kinds::MySql(_) => self.fetch(statement).await?,
        };
        let next = rows.last().filter(|_| rows.len() == batch as usize);
        let next = next.and_then(|row| row.get("code")).and_then(bytes);
        let mut open_words: HashMap<String, bool> = HashMap::new();
        let keys = rows.iter().filter_map(|row| {
            let code = decode::raw(row.get("code"))?;
            let status_word = decode::raw(row.get("status")).map(|s| nfc(&s)).unwrap_or_default();
            let is_open = match open_words.get(&status_word) {
                Some(is_open) => *is_open,
                None => *open_words
                    .entry(status_word.clone())
                    .or_insert(self.is_open_word(&status_word)),
            };
            Some(Key {
                code: Some(self.ours(&code)).filter(|code| !code.is_empty())?,
                status_word,
                is_open,
                updated_raw: decode::raw(row.get("updated_at")),
            })
        });
        Ok(Keys {
            keys: keys.collect(),
            next,
        })
    }

    /// The rows among them that have no code and so stand in no order: no read returns them.
    pub async fn without_code(&self, touched_since: Moment) -> Result<Vec<Rejected>, SourceError> {
        let mut statement = self.select_codeless();
        self.push_touched_or_open(&mut statement, touched_since).await?;
        self.codeless(statement).await
    }

    /// The rows of some codes; codes that are not there are left out.
    pub async fn by_code(&self, codes: &[String]) -> Result<Page, SourceError> {
        let mut all = Page::default();
        for chunk in codes.chunks(CHUNK) {
            let mut statement = self.select();
            statement.push(" WHERE ");
            if !self.push_codes(&mut statement, chunk) {
                continue;
            }
            let asked: HashSet<&String> = chunk.iter().collect();
            let mut rows = self.fetch(statement).await?;
            // The column may sort several codes as one.
            rows.retain(|row| decode::raw(row.get("code")).is_some_and(|code| asked.contains(&nfc(&code))));
            let page = self.page(rows, None);
            all.rows.extend(page.rows);
            all.rejected.extend(page.rejected);
            all.spoiled.extend(page.spoiled);
        }
        Ok(all)
    }

    /// The titles of some tickets as they are written, to be shown and not to be kept.
    pub async fn titles(&self, codes: &[String]) -> Result<HashMap<String, String>, SourceError> {
        let mut titles = HashMap::new();
        let Some(title) = &self.title else {
            return Ok(titles);
        };
        for chunk in codes.chunks(CHUNK) {
            let columns = vec![text_output("code", &self.code), self.cut("title", title)];
            let mut statement = Statement::select(columns, &self.rows);
            statement.push(" WHERE ");
            if !self.push_codes(&mut statement, chunk) {
                continue;
            }
            for row in self.fetch(statement).await? {
                if let (Some(code), Some(title)) = (decode::raw(row.get("code")), decode::raw(row.get("title"))) {
                    titles.insert(nfc(&code), title);
                }
            }
        }
        Ok(titles)
    }

    /// The newest `updated_at` that is not in the future, and whether the cursor can be compared with the column.
    pub async fn newest(&self, now: Moment) -> Result<Newest, SourceError> {
        let Some(updated_at) = &self.updated_at else {
            return Ok(Newest {
                at: None,
                is_comparable: true,
            });
        };
        let select = || Statement::select(vec![output("updated_at", updated_at)], &self.rows);
        let order = format!(" ORDER BY {} DESC LIMIT 20", updated_at.sql);
        let read = |rows: Vec<Values>| -> Vec<(Value, Moment)> {
            let values = rows.into_iter().filter_map(|mut row| row.remove("updated_at"));
            let at = |v: &Value| decode::time(v, self.settings.time_zone).ok().map(|w| w.at);
            values.filter_map(|v| at(&v).map(|at| (v, at))).collect()
        };
        let past = |times: &[(Value, Moment)]| times.iter().map(|(_, at)| *at).filter(|at| *at <= now).max();
        let mut statement = select();
        statement.push(&format!(" WHERE {} IS NOT NULL{order}", updated_at.sql));
        let mut times = read(self.fetch(statement).await?);
        if past(&times).is_none() {
            // Times in the future, or what is no time at all, stand before the newest one.
            let mut statement = select();
            statement.push(" WHERE ");
            statement.compare(self.dialect(), updated_at, "<=", &self.written_in(updated_at.kind, now));
            statement.push(&order);
            times.extend(read(self.fetch(statement).await?));
        }
        let is_comparable = |(value, at): &(Value, Moment)| self.is_comparable(updated_at.kind, value, *at);
        Ok(Newest {
            at: past(&times),
            is_comparable: times.is_empty() || times.iter().any(is_comparable),
        })
    }

    /// Whether a value stands in the column as the cursor of its instant would: more may follow, such as a fraction.
    fn is_comparable(&self, kind: Kind, value: &Value, at: Moment) -> bool {
        match (self.written_in(kind, at), value) {
            _ if kind.is_time() => true,
            (Value::Text(text), Value::Text(written)) => written.starts_with(&text),
            (Value::Integer(n), Value::Integer(written)) => n == *written,
            (Value::Integer(n), Value::Text(written)) => n.to_string() == *written,
            (Value::Integer(_), Value::Real(_)) => true,
            _ => false,
        }
    }

    /// The cursor that stands at an instant, in the source's own writing.
    #[must_use]
    pub fn cursor_at(&self, at: Moment) -> Cursor {
        let kind = self.updated_at.as_ref().map_or(self.received_at.kind, |u| u.kind);
        Cursor {
            updated_at: self.written_in(kind, at),
            code: Vec::new(),
        }
    }

    /// An instant as it stands in a column of a kind. Only what is no time to the database has a format.
    fn written_in(&self, kind: Kind, at: Moment) -> Value {
        let local = at.with_timezone(&self.settings.time_zone);
        match (kind, &self.settings.updated_at_format) {
            (Kind::Instant, _) => Value::Instant(at),
            (Kind::Naive, _) => Value::Text(local.format("%Y-%m-%d %H:%M:%S%.6f").to_string()),
            (Kind::Date, _) => Value::Text(local.format("%Y-%m-%d").to_string()),
            (Kind::Any | Kind::Text, UpdatedAtFormat::Text(format)) => Value::Text(local.format(format).to_string()),
            (_, UpdatedAtFormat::EpochMillis) => Value::Integer(at.timestamp_millis()),
            // A column of numbers does not compare with text.
            (_, UpdatedAtFormat::EpochSeconds | UpdatedAtFormat::Text(_)) => Value::Integer(at.timestamp()),
        }
    }

    /// Whether a status word means an open ticket; unmapped words do.
    fn is_open_word(&self, word: &str) -> bool {
        self.settings.status.get(&fold(word)).is_none_or(|s| s.is_open())
    }

    /// The user's query with only the columns that are read.
    fn select(&self) -> Statement {
        let column = |(name, column): &(&'static str, Column)| match *name {
            "code" => text_output("code", &self.code),
            // Pages go on after it.
            "updated_at" => output("updated_at", column),
            name => self.cut(name, column),
        };
        Statement::select(self.columns.iter().map(column).collect(), &self.rows)
    }

    /// A column of which no more is fetched than is looked at, whatever somebody stored in it.
    fn cut(&self, name: &'static str, column: &Column) -> Output {
        let most = match decode::TEXTS.contains(&name) {
            true => decode::MOST_TEXT,
            // One more shows that it is too long.
            false => decode::LONGEST_WORD + 1,
        };
        let sql = match column.kind {
            Kind::Any | Kind::Text => self.dialect().cut(&column.read, most),
            _ => column.read.clone(),
        };
        Output {
            sql,
            ..output(name, column)
        }
    }

    /// Goes on after a code among the tickets that are open or were touched, in order of the code.
    async fn among_touched(
        &self,
        statement: &mut Statement,
        after: &[u8],
        touched_since: Moment,
        batch: u32,
    ) -> Result<(), SourceError> {
        let dialect = self.dialect();
        statement.push(" WHERE ");
        self.push_touched_or_open(statement, touched_since).await?;
        statement.push(&format!(" AND {} AND ", dialect.has_text(&self.code)));
        statement.compare_key(dialect, &self.code, ">", after);
        statement.push(&format!(" ORDER BY {} LIMIT {batch}", self.code.key));
        Ok(())
    }

    /// Open by its status word, or touched since an instant.
    async fn push_touched_or_open(&self, statement: &mut Statement, since: Moment) -> Result<(), SourceError> {
        let dialect = self.dialect();
        statement.push("(");
        if let Some(updated_at) = &self.updated_at {
            self.push_touched(statement, updated_at, since);
            statement.push(&format!(" OR {} IS NULL AND ", updated_at.sql));
        }
        self.push_touched(statement, &self.received_at, since);
        statement.push(&format!(" OR {} IS NULL", self.status.sql));
        let closed = self.closed_words.get_or_try_init(|| self.read_closed_words()).await?;
        if closed.is_empty() {
            statement.push(" OR 1 = 1");
        }
        for (n, word) in closed.iter().enumerate() {
            statement.push(if n == 0 { " OR (" } else { " AND " });
            statement.compare_key(dialect, &self.status, "<>", word.as_bytes());
        }
        statement.push(if closed.is_empty() { ")" } else { "))" });
        Ok(())
    }

    fn push_touched(&self, statement: &mut Statement, column: &Column, since: Moment) {
        let since = self.written_in(column.kind, since);
        statement.push("(");
        statement.compare(self.dialect(), column, ">=", &since);
        if let Some(incomparable) = self.dialect().is_incomparable(column, &since) {
            statement.push(&format!(" OR {incomparable}"));
        }
        statement.push(")");
    }

    /// Every status word as the source writes it, with how many rows have it; looks at all rows.
    pub async fn status_words(&self) -> Result<Vec<(String, i64)>, SourceError> {
        let mut statement = Statement::select(vec![text_output("status", &self.status), self.count()], &self.rows);
        let key = &self.status.key;
        statement.push(&format!(" GROUP BY {key} ORDER BY COUNT(*) DESC, {key}"));
        let mut words = Vec::new();
        for row in self.fetch(statement).await? {
            if let Some(Value::Integer(n)) = row.get("n") {
                words.push((decode::raw(row.get("status")).unwrap_or_default(), *n));
            }
        }
        Ok(words)
    }

    /// The source's own spellings; a word that appears later is taken as open and read, which harms nothing.
    async fn read_closed_words(&self) -> Result<Vec<String>, SourceError> {
        let words = self.status_words().await?.into_iter().map(|(word, _)| word);
        Ok(words.filter(|word| !self.is_open_word(word)).collect())
    }

    fn count(&self) -> Output {
        Output {
            name: "n",
            sql: self.dialect().as_text("COUNT(*)"),
            kind: Kind::Whole,
        }
    }

    /// Counts the rows of some kind that have no code; the kind is to be written next.
    fn select_codeless(&self) -> Statement {
        let kind = self.dialect().kind_of_no_text(&self.code);
        let mut statement = Statement::select(vec![kind, self.count()], &self.rows);
        let (sql, has_text) = (&self.code.sql, self.dialect().has_text(&self.code));
        statement.push(&format!(" WHERE ({sql} IS NULL OR NOT ({has_text})) AND "));
        statement
    }

    /// What has no code, together by why that is.
    async fn codeless(&self, mut statement: Statement) -> Result<Vec<Rejected>, SourceError> {
        let kind = self.dialect().kind_of_no_text(&self.code).sql;
        statement.push(&format!(" GROUP BY {kind}"));
        let mut rejected = Vec::new();
        for row in self.fetch(statement).await? {
            let Some(Value::Integer(n)) = row.get("n") else {
                continue;
            };
            let is_blob = matches!(row.get("kind"), Some(Value::Text(kind)) if kind == "blob");
            let why = if is_blob { Why::NotUtf8 } else { Why::Null };
            rejected.push(Rejected {
                rows: usize::try_from(*n).unwrap_or(0),
                ..Rejected::row(None, "code", why)
            });
        }
        Ok(rejected)
    }

    /// Takes the rows out of a page whose code, among those asked for, stands in more than one row of the source.
    async fn reject_twice(&self, page: &mut Page, codes: &[String]) -> Result<(), SourceError> {
        for chunk in codes.chunks(CHUNK) {
            let mut statement = Statement::select(vec![text_output("code", &self.code)], &self.rows);
            statement.push(" WHERE ");
            if !self.push_codes(&mut statement, chunk) {
                continue;
            }
            statement.push(&format!(" GROUP BY {} HAVING COUNT(*) > 1", self.code.key));
            let rows = self.fetch(statement).await?;
            let twice = rows.iter().filter_map(|row| decode::raw(row.get("code")));
            for code in twice.map(|code| self.ours(&code)) {
                let before = page.rows.len();
                page.rows.retain(|r| r.ticket.code != code);
                if page.rows.len() < before {
                    page.rejected.push(duplicate(code));
                }
            }
        }
        Ok(())
    }

    /// Whether a row has one of some codes, in any way in which the source may write them. False where it can have none.
    fn push_codes(&self, statement: &mut Statement, codes: &[String]) -> bool {
        let known = self.spellings.lock().unwrap_or_else(PoisonError::into_inner);
        let others = codes.iter().filter_map(|code| known.get(code).cloned());
        let texts: Vec<String> = codes.iter().cloned().chain(others).collect();
        let condition = self.dialect().is_one_of(&self.code, &texts, statement);
        condition.is_some_and(|sql| {
            statement.push(&sql);
            true
        })
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

    fn page(&self, found: Vec<Values>, next: Option<Cursor>) -> Page {
        let mut page = Page {
            next,
            ..Page::default()
        };
        for values in &found {
            if let Some(Value::Text(theirs)) = values.get("code") {
                self.ours(theirs);
            }
        }
        let decoded = cores::map(found, DECODED, |mut values| {
            let mut spoiled = Vec::new();
            let row = decode::row(&mut values, &self.settings, &mut spoiled);
            (row, spoiled)
        });
        let mut seen = HashMap::new();
        for (row, spoiled) in decoded {
            page.spoiled.extend(spoiled);
            match row {
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

fn output(name: &'static str, column: &Column) -> Output {
    Output {
        name,
        sql: column.read.clone(),
        kind: column.kind,
    }
}

/// A column as the text that it is compared by.
fn text_output(name: &'static str, column: &Column) -> Output {
    Output {
        name,
        sql: column.key.clone(),
        kind: Kind::Text,
    }
}

fn duplicate(code: String) -> Rejected {
    Rejected::row(Some(code), "code", Why::Duplicate)
}

/// A text as the source has it; it need not be UTF-8.
fn bytes(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::Text(text) => Some(text.clone().into_bytes()),
        Value::Bytes(bytes) => Some(bytes.clone()),
        Value::Integer(n) => Some(n.to_string().into_bytes()),
        Value::Null | Value::Real(_) | Value::Instant(_) => None,
    }
}
