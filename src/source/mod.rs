//! The ticket database: foreign, only ever read, by one plain `SELECT` that returns the columns of `spec.md` §2.
//!
//! Rows come decoded and normalised; what cannot be read is counted and named, and stops nothing. Which rows count and
//! what follows from them is not decided here.

pub mod decode;
mod mysql;
mod postgres;
mod reader;
mod server;
mod sqlite;
mod statement;
mod timeline;
mod told;

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::config::settings::SourceSettings;
use crate::domain::Moment;
use crate::domain::ticket::{Texts, Ticket};
use told::{named, told};

pub use decode::{Rejected, Spoiled, Value};
use reader::Reader;
pub use server::GRACE;
pub use timeline::{State, Timeline};

/// What can go wrong with the ticket database. What a database says of a row it read is told without the row's values.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source {database}: cannot be opened: {}", named(.error))]
    Open { database: String, error: sqlx::Error },
    #[error("source {database}: its text is in {encoding}; only UTF-8 databases can be read")]
    Encoding { database: String, encoding: String },
    #[error(
        "source {database}: source.query cannot be prepared: {}; it has to be one SELECT that runs on its own", named(.error)
    )]
    Query { database: String, error: sqlx::Error },
    #[error(
        "source {database}: source.query returns no column `{column}`; add it, with AS if the table calls it otherwise"
    )]
    Missing { database: String, column: &'static str },
    #[error("source {database}: {}", unreadable(.columns))]
    Unreadable {
        database: String,
        /// Names and types.
        columns: Vec<(String, String)>,
    },
    #[error("source {database}: reading failed: {}", told(.error))]
    Read { database: String, error: sqlx::Error },
    #[error("source {database}: a statement took longer than source.statement_timeout")]
    Timeout { database: String },
}

impl SourceError {
    /// Whether the settings have to be changed: the database answers, but not with what is needed. False where it is out
    /// of reach and may be back at any time.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            SourceError::Open { error, .. } => matches!(error, sqlx::Error::Configuration(_)),
            SourceError::Encoding { .. }
            | SourceError::Query { .. }
            | SourceError::Missing { .. }
            | SourceError::Unreadable { .. } => true,
            SourceError::Read { .. } | SourceError::Timeout { .. } => false,
        }
    }
}

/// The ticket database of a configuration, opened when it is first needed: it may be out of reach until then.
pub struct TicketDatabase {
    settings: SourceSettings,
    reads_text: bool,
    opened: OnceCell<Source>,
    on_answer: Arc<OnAnswer>,
}

/// Where tickets are read: a ticket database, or how they were, held in memory.
pub enum Source {
    Database(Box<Reader>),
    Past(Arc<Timeline>),
}

impl Source {
    /// Opens the database read-only and prepares the query. Title and body are fetched only where `reads_text`.
    pub async fn open(settings: &SourceSettings, reads_text: bool) -> Result<Source, SourceError> {
        Ok(Source::Database(Box::new(Reader::open(settings, reads_text).await?)))
    }

    /// Rows after the cursor in order of (`updated_at`, code), at most `batch`.
    pub async fn changed(&self, after: &Cursor, batch: u32) -> Result<Page, SourceError> {
        match self {
            Source::Database(reader) => reader.changed(after, batch).await,
            Source::Past(timeline) => Ok(timeline.changed(after, batch)),
        }
    }

    /// Open tickets (by status word) and all touched since an instant, in order of the code.
    pub async fn first_read(
        &self,
        after: Option<&Cursor>,
        touched_since: Moment,
        batch: u32,
    ) -> Result<Page, SourceError> {
        match self {
            Source::Database(reader) => reader.first_read(after, touched_since, batch).await,
            Source::Past(timeline) => Ok(timeline.first_read(after, touched_since, batch)),
        }
    }

    /// The keys of the tickets that [`Source::first_read`] would read, in order of the code.
    pub async fn keys(&self, after: &[u8], touched_since: Moment, batch: u32) -> Result<Keys, SourceError> {
        match self {
            Source::Database(reader) => reader.keys(after, touched_since, batch).await,
            Source::Past(timeline) => Ok(timeline.keys(after, touched_since, batch)),
        }
    }

    /// The rows among them that have no code and so stand in no order: no read returns them.
    pub async fn without_code(&self, touched_since: Moment) -> Result<Vec<Rejected>, SourceError> {
        match self {
            Source::Database(reader) => reader.without_code(touched_since).await,
            Source::Past(_) => Ok(Vec::new()),
        }
    }

    /// The rows of some codes; codes that are not there are left out.
    pub async fn by_code(&self, codes: &[String]) -> Result<Page, SourceError> {
        match self {
            Source::Database(reader) => reader.by_code(codes).await,
            Source::Past(timeline) => Ok(timeline.by_code(codes)),
        }
    }

    /// The titles of some tickets as they are written, to be shown and not to be kept; of the past there are none.
    pub async fn titles(&self, codes: &[String]) -> Result<HashMap<String, String>, SourceError> {
        match self {
            Source::Database(reader) => reader.titles(codes).await,
            Source::Past(_) => Ok(HashMap::new()),
        }
    }

    /// The newest `updated_at` that is not in the future, and whether the cursor can be compared with the column.
    pub async fn newest(&self, now: Moment) -> Result<Newest, SourceError> {
        match self {
            Source::Database(reader) => reader.newest(now).await,
            Source::Past(timeline) => Ok(timeline.newest(now)),
        }
    }

    /// The cursor that stands at an instant, in the source's own writing.
    #[must_use]
    pub fn cursor_at(&self, at: Moment) -> Cursor {
        match self {
            Source::Database(reader) => reader.cursor_at(at),
            Source::Past(timeline) => timeline.cursor_at(at),
        }
    }

    /// Every status word as the source writes it, with how many rows have it; looks at all rows.
    pub async fn status_words(&self) -> Result<Vec<(String, i64)>, SourceError> {
        match self {
            Source::Database(reader) => reader.status_words().await,
            Source::Past(_) => Ok(Vec::new()),
        }
    }
}

/// What is done with each answer of the database, once somebody has said so.
type OnAnswer = OnceLock<Box<dyn Fn() + Send + Sync>>;

impl TicketDatabase {
    /// Title and body are fetched only where `reads_text`.
    #[must_use]
    pub fn new(settings: SourceSettings, reads_text: bool) -> TicketDatabase {
        TicketDatabase {
            settings,
            reads_text,
            opened: OnceCell::new(),
            on_answer: Arc::default(),
        }
    }

    /// How tickets were in the place of the database, which is never opened.
    #[must_use]
    pub fn past(settings: SourceSettings, timeline: Arc<Timeline>) -> TicketDatabase {
        TicketDatabase {
            opened: OnceCell::new_with(Some(Source::Past(timeline))),
            ..TicketDatabase::new(settings, false)
        }
    }

    /// Has something done with each answer of the database, of which a read may need several.
    pub fn on_answer(&self, act: impl Fn() + Send + Sync + 'static) {
        self.on_answer.get_or_init(|| Box::new(act));
    }

    /// Whether changes show everything that becomes of tickets, so that no sweep finds more.
    #[must_use]
    pub fn shows_all_changes(&self) -> bool {
        match self.opened.get() {
            Some(Source::Past(timeline)) => timeline.shows_all_changes(),
            Some(Source::Database(_)) | None => false,
        }
    }

    /// Nothing is asked for a while: what a SQLite file's connections keep of it in memory is let go.
    pub async fn rest(&self) -> Result<(), SourceError> {
        match self.opened.get() {
            Some(Source::Database(reader)) => reader.rest().await,
            Some(Source::Past(_)) | None => Ok(()),
        }
    }

    /// The open database. One that could not be opened is tried anew each time.
    pub async fn open(&self) -> Result<&Source, SourceError> {
        let open = async || {
            let reader = Reader::open_for(&self.settings, self.reads_text, Arc::clone(&self.on_answer)).await?;
            Ok(Source::Database(Box::new(reader)))
        };
        self.opened.get_or_try_init(open).await
    }
}

fn unreadable(columns: &[(String, String)]) -> String {
    let one = |(name, kind): &(String, String)| {
        format!("column `{name}` is of type {kind}, which cannot be read; cast column {name} to text")
    };
    columns.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// One row: the ticket, its texts where a rule classifies by them, and `updated_at` as the source wrote it.
#[derive(Clone)]
pub struct Row {
    pub ticket: Ticket,
    pub texts: Texts,
    pub updated_raw: Option<String>,
}

/// Some rows, with those that could not be taken.
#[derive(Default)]
pub struct Page {
    pub rows: Vec<Row>,
    pub rejected: Vec<Rejected>,
    /// Values that became null.
    pub spoiled: Vec<Spoiled>,
    /// Where to go on; `None` when there is nothing further.
    pub next: Option<Cursor>,
}

/// A keyset position: `updated_at`, then the code byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    pub updated_at: Value,
    pub code: Vec<u8>,
}

/// What the sweep compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub code: String,
    pub status_word: String,
    /// What the word means; an unmapped one means an open ticket.
    pub is_open: bool,
    pub updated_raw: Option<String>,
}

/// Some keys.
#[derive(Debug, Default)]
pub struct Keys {
    pub keys: Vec<Key>,
    /// The code to go on after, byte for byte; `None` when there is nothing further.
    pub next: Option<Vec<u8>>,
}

/// What the column `updated_at` shows at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// The newest one that is not in the future; `None` where there is none.
    pub at: Option<Moment>,
    /// False where it is written otherwise than `source.updated_at_format` says: then changes pass the cursor unseen.
    pub is_comparable: bool,
}

/// The user's query as a statement of its own: what is more than one statement is refused as such.
fn alone(query: &str) -> String {
    query.trim().trim_end_matches(';').trim_end().to_owned()
}

/// The user's query as the table `q`. The line break ends a comment at the query's end.
fn as_rows(query: &str) -> String {
    format!("({}\n) AS q", alone(query))
}

/// The user's query in brackets, where what ends the brackets itself is refused.
fn as_table(query: &str) -> String {
    format!("SELECT * FROM {} LIMIT 0", as_rows(query))
}
