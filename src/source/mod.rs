//! The ticket database: foreign, only ever read, by one plain `SELECT` that returns the columns of `spec.md` §2.
//!
//! Rows come decoded and normalised; what cannot be read is counted and named, and stops nothing. Which rows count and
//! what follows from them is not decided here.

pub mod decode;
mod sqlite;

use std::path::PathBuf;

use crate::config::settings::SourceSettings;
use crate::domain::Moment;
use crate::domain::ticket::{Texts, Ticket};

pub use decode::{Rejected, Spoiled};
use sqlite::Sqlite;

/// What can go wrong with the ticket database.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    #[error("source {database}: only SQLite databases can be read so far")]
    Kind { database: String },
    #[error("source {path}: cannot be opened: {error}")]
    Open { path: PathBuf, error: sqlx::Error },
    #[error("source {path}: its text is in {encoding}; only UTF-8 databases can be read")]
    Encoding { path: PathBuf, encoding: String },
    #[error("source {path}: source.query cannot be prepared: {error}; it has to be one SELECT that runs on its own")]
    Query { path: PathBuf, error: sqlx::Error },
    #[error(
        "source {path}: source.query returns no column `{column}`; add it, with AS if the table calls it otherwise"
    )]
    Missing { path: PathBuf, column: &'static str },
    #[error("source {path}: reading failed: {error}")]
    Read { path: PathBuf, error: sqlx::Error },
    #[error("source {path}: a statement took longer than source.statement_timeout")]
    Timeout { path: PathBuf },
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

/// A value to go on after, as the source has it; its text need not be UTF-8.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
}

/// A keyset position: `updated_at`, then the code byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Cursor {
    pub updated_at: Mark,
    pub code: Vec<u8>,
}

/// What the sweep compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub code: String,
    pub status_word: String,
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

/// The open ticket database. PostgreSQL and MySQL become further kinds.
pub enum Source {
    Sqlite(Sqlite),
}

impl Source {
    /// Opens the database read-only and prepares the query. Title and body are fetched only where `reads_text`.
    pub async fn open(settings: &SourceSettings, reads_text: bool) -> Result<Source, SourceError> {
        Sqlite::open(settings, reads_text).await.map(Source::Sqlite)
    }

    /// Rows after the cursor in order of (`updated_at`, code), at most `batch`.
    pub async fn changed(&self, after: &Cursor, batch: u32) -> Result<Page, SourceError> {
        match self {
            Source::Sqlite(s) => s.changed(after, batch).await,
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
            Source::Sqlite(s) => s.first_read(after, touched_since, batch).await,
        }
    }

    /// The keys of the tickets that [`Source::first_read`] would read, in order of the code.
    pub async fn keys(&self, after: &[u8], touched_since: Moment, batch: u32) -> Result<Keys, SourceError> {
        match self {
            Source::Sqlite(s) => s.keys(after, touched_since, batch).await,
        }
    }

    /// The rows among them that have no code and so stand in no order: no read returns them.
    pub async fn without_code(&self, touched_since: Moment) -> Result<Vec<Rejected>, SourceError> {
        match self {
            Source::Sqlite(s) => s.without_code(touched_since).await,
        }
    }

    /// The rows of some codes; codes that are not there are left out.
    pub async fn by_code(&self, codes: &[String]) -> Result<Page, SourceError> {
        match self {
            Source::Sqlite(s) => s.by_code(codes).await,
        }
    }

    /// The newest `updated_at` that is not in the future, and whether the cursor can be compared with the column.
    pub async fn newest(&self, now: Moment) -> Result<Newest, SourceError> {
        match self {
            Source::Sqlite(s) => s.newest(now).await,
        }
    }

    /// The cursor that stands at an instant, in the source's own writing.
    #[must_use]
    pub fn cursor_at(&self, at: Moment) -> Cursor {
        match self {
            Source::Sqlite(s) => s.cursor_at(at),
        }
    }

    /// Every status word as the source writes it, with how many rows have it; looks at all rows.
    pub async fn status_words(&self) -> Result<Vec<(String, i64)>, SourceError> {
        match self {
            Source::Sqlite(s) => s.status_words().await,
        }
    }

    /// Whether a status word means an open ticket; unmapped words do.
    #[must_use]
    pub fn is_open_word(&self, word: &str) -> bool {
        match self {
            Source::Sqlite(s) => s.is_open_word(word),
        }
    }
}
