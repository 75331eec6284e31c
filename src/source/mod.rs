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
mod told;

use std::sync::{Arc, OnceLock};

use tokio::sync::OnceCell;

use crate::config::settings::SourceSettings;
use crate::domain::Moment;
use crate::domain::ticket::{Texts, Ticket};
use told::{named, told};

pub use decode::{Rejected, Spoiled, Value};
pub use reader::Source;
pub use server::GRACE;

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

    /// Has something done with each answer of the database, of which a read may need several.
    pub fn on_answer(&self, act: impl Fn() + Send + Sync + 'static) {
        self.on_answer.get_or_init(|| Box::new(act));
    }

    /// The open database. One that could not be opened is tried anew each time.
    pub async fn open(&self) -> Result<&Source, SourceError> {
        let open = || Source::open_for(&self.settings, self.reads_text, Arc::clone(&self.on_answer));
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
