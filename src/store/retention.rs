//! What is kept no longer: bodies after days, records after months, each kind in small batches of its own.
//!
//! Nothing goes by which a repetition would be known: what a ticket was told stays with it, and a ticket goes only once it
//! has been over for so long that reading its row again makes nothing of it new. Each kind is found by an index that
//! leads to what may go and to little else.

use super::{CHUNK, Store, StoreError, Tx, filled, keys_50, micros, on};
use crate::domain::Moment;

/// A message of which nothing is to come any more.
macro_rules! finished {
    () => {
        "state NOT IN ('waiting', 'awaiting_approval', 'released') AND NOT (state = 'corrected' AND corrected_by IS NULL)"
    };
}

/// Made before an instant and not touched since.
macro_rules! old {
    () => {
        concat!("created_at < $1 AND state_at < $1 AND ", finished!())
    };
}

/// Conditions that counting and choosing share.
macro_rules! among {
    (bodies) => {
        concat!("FROM message WHERE kept = 0 AND unit <> $2 AND ", old!())
    };
    (messages) => {
        concat!("FROM message WHERE kept = 1 AND ", old!())
    };
    (archive) => {
        concat!("FROM message WHERE kept = 2 AND ", old!())
    };
    (changes) => {
        "FROM change WHERE at < $1"
    };
    (tickets) => {
        "FROM ticket WHERE over_at < $1 AND next_at IS NULL AND NOT EXISTS (SELECT 1 FROM woken w WHERE w.code = ticket.code) \
         AND NOT EXISTS (SELECT 1 FROM telling t JOIN notice n ON n.telling = t.id \
         WHERE t.subject = ticket.code AND t.subject_kind = 'ticket' \
         AND (n.state IN ('waiting', 'composed', 'awaiting_approval') OR n.state_at >= $1)) \
         AND NOT EXISTS (SELECT 1 FROM change c WHERE c.code = ticket.code AND c.at >= $1)"
    };
    // The last one of each says which is owed next.
    (summaries) => {
        "FROM telling WHERE subject_kind = 'summary' AND due_at < $1 \
         AND EXISTS (SELECT 1 FROM telling l WHERE l.subject = telling.subject AND l.subject_kind = 'summary' AND l.due_at > telling.due_at) \
         AND NOT EXISTS (SELECT 1 FROM notice n WHERE n.telling = telling.id AND n.state IN ('waiting', 'composed'))"
    };
    (alarms) => {
        "FROM alarm WHERE clear_told_at < $1"
    };
    (silences) => {
        "FROM silence WHERE until_at < $1"
    };
    (suspensions) => {
        "FROM suspension WHERE until < $1"
    };
}

const BODIES: &str = concat!(
    "SELECT id ",
    among!(bodies),
    " ORDER BY created_at, id LIMIT CAST($3 AS BIGINT)"
);
const MESSAGES: &str = concat!(
    "SELECT id ",
    among!(messages),
    " ORDER BY created_at, id LIMIT CAST($2 AS BIGINT)"
);
const ARCHIVED: &str = concat!(
    "SELECT id ",
    among!(archive),
    " ORDER BY created_at, id LIMIT CAST($2 AS BIGINT)"
);
const CHANGES: &str = concat!("SELECT id ", among!(changes), " ORDER BY at LIMIT CAST($2 AS BIGINT)");
const TICKETS: &str = concat!(
    "SELECT code ",
    among!(tickets),
    " ORDER BY over_at, code LIMIT CAST($2 AS BIGINT)"
);
const SUMMARIES: &str = concat!(
    "SELECT id ",
    among!(summaries),
    " ORDER BY due_at, id LIMIT CAST($2 AS BIGINT)"
);
const ALARMS: &str = concat!(
    "SELECT id ",
    among!(alarms),
    " ORDER BY clear_told_at LIMIT CAST($2 AS BIGINT)"
);
const SILENCES: &str = concat!(
    "SELECT id ",
    among!(silences),
    " ORDER BY until_at LIMIT CAST($2 AS BIGINT)"
);
const SUSPENSIONS: &str = concat!(
    "SELECT address ",
    among!(suspensions),
    " ORDER BY until LIMIT CAST($2 AS BIGINT)"
);

const COUNT_BODIES: &str = concat!("SELECT COUNT(*) ", among!(bodies));
/// With those whose bodies go first, but for letters to the Office.
const COUNT_MESSAGES: &str = concat!(
    "SELECT COUNT(*) FROM message WHERE (kept = 1 OR (kept = 0 AND unit <> $2)) AND ",
    old!()
);
const COUNT_ARCHIVED: &str = concat!(
    "SELECT COUNT(*) FROM message WHERE (kept = 2 OR (kept = 0 AND unit = $2)) AND ",
    old!()
);
const COUNT_CHANGES: &str = concat!("SELECT COUNT(*) ", among!(changes));
const COUNT_TICKETS: &str = concat!("SELECT COUNT(*) ", among!(tickets));
const COUNT_SUMMARIES: &str = concat!("SELECT COUNT(*) ", among!(summaries));
const COUNT_ALARMS: &str = concat!("SELECT COUNT(*) ", among!(alarms));
const COUNT_SILENCES: &str = concat!("SELECT COUNT(*) ", among!(silences));
const COUNT_SUSPENSIONS: &str = concat!("SELECT COUNT(*) ", among!(suspensions));

/// Letters to the Office stay whole. Marked, they are not looked at each day.
const TO_ARCHIVE: &str = concat!(
    "UPDATE message SET kept = 2 WHERE id IN (SELECT id FROM message WHERE kept = 0 AND unit = $2 AND ",
    old!(),
    " ORDER BY created_at, id LIMIT CAST($3 AS BIGINT))"
);
/// A letter to the Office stays in the archive without its body too.
const BARE: &str = concat!(
    "UPDATE message SET kept = 1 WHERE kept = 0 AND id IN (",
    keys_50!(),
    ")"
);

const DROP_BODIES: &str = concat!("DELETE FROM body WHERE message IN (", keys_50!(), ")");
const DROP_LINKS: &str = concat!("DELETE FROM message_notice WHERE message IN (", keys_50!(), ")");
const DROP_ATTEMPTS: &str = concat!("DELETE FROM attempt WHERE message IN (", keys_50!(), ")");
const DROP_BOUNCES: &str = concat!("DELETE FROM bounce WHERE message IN (", keys_50!(), ")");
const DROP_MESSAGES: &str = concat!("DELETE FROM message WHERE id IN (", keys_50!(), ")");
const DROP_CHANGES: &str = concat!("DELETE FROM change WHERE id IN (", keys_50!(), ")");
const DROP_ALARMS: &str = concat!("DELETE FROM alarm WHERE id IN (", keys_50!(), ")");
const DROP_SILENCES: &str = concat!("DELETE FROM silence WHERE id IN (", keys_50!(), ")");
const DROP_SUSPENSIONS: &str = concat!("DELETE FROM suspension WHERE address IN (", keys_50!(), ")");
const DROP_CHANGES_OF: &str = concat!("DELETE FROM change WHERE code IN (", keys_50!(), ")");
const DROP_ACKNOWLEDGEMENTS: &str = concat!("DELETE FROM acknowledgement WHERE ticket IN (", keys_50!(), ")");
const DROP_TICKETS: &str = concat!("DELETE FROM ticket WHERE code IN (", keys_50!(), ")");
const DROP_FIGURES: &str = concat!("DELETE FROM summary_figures WHERE telling IN (", keys_50!(), ")");
const DROP_NOTICES: &str = concat!("DELETE FROM notice WHERE telling IN (", keys_50!(), ")");
const DROP_TELLINGS: &str = concat!("DELETE FROM telling WHERE id IN (", keys_50!(), ")");
const DROP_LINKS_OF: &str = concat!(
    "DELETE FROM message_notice WHERE notice IN (SELECT id FROM notice WHERE telling IN (",
    keys_50!(),
    "))"
);
const TELLINGS_OF: &str = concat!(
    "SELECT id FROM telling WHERE subject_kind = 'ticket' AND subject IN (",
    keys_50!(),
    ")"
);

pub const STATEMENTS: &[&str] = &[
    BODIES,
    MESSAGES,
    ARCHIVED,
    CHANGES,
    TICKETS,
    SUMMARIES,
    ALARMS,
    SILENCES,
    SUSPENSIONS,
    COUNT_BODIES,
    COUNT_MESSAGES,
    COUNT_ARCHIVED,
    COUNT_CHANGES,
    COUNT_TICKETS,
    COUNT_SUMMARIES,
    COUNT_ALARMS,
    COUNT_SILENCES,
    COUNT_SUSPENSIONS,
    TO_ARCHIVE,
    BARE,
    DROP_BODIES,
    DROP_LINKS,
    DROP_ATTEMPTS,
    DROP_BOUNCES,
    DROP_MESSAGES,
    DROP_CHANGES,
    DROP_ALARMS,
    DROP_SILENCES,
    DROP_SUSPENSIONS,
    DROP_CHANGES_OF,
    DROP_ACKNOWLEDGEMENTS,
    DROP_TICKETS,
    DROP_FIGURES,
    DROP_NOTICES,
    DROP_TELLINGS,
    DROP_LINKS_OF,
    TELLINGS_OF,
];

/// What is pruned, each kind with what hangs on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prunable {
    /// The bytes of messages.
    Bodies,
    /// Messages with their attempts, bounces and links.
    Messages,
    /// The same of letters to the Office, with their bodies.
    Archive,
    /// Lines of the change log.
    Changes,
    /// Tickets that are long over, with what they were told and acknowledged.
    Tickets,
    /// Tellings of summaries with their figures.
    Summaries,
    Alarms,
    Silences,
    Suspensions,
}

impl Prunable {
    /// Bodies go before their messages, and messages before what they told of.
    pub const ALL: [Prunable; 9] = [
        Prunable::Bodies,
        Prunable::Messages,
        Prunable::Archive,
        Prunable::Changes,
        Prunable::Tickets,
        Prunable::Summaries,
        Prunable::Alarms,
        Prunable::Silences,
        Prunable::Suspensions,
    ];

    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Prunable::Bodies => "bodies",
            Prunable::Messages => "messages",
            Prunable::Archive => "archive",
            Prunable::Changes => "changes",
            Prunable::Tickets => "tickets",
            Prunable::Summaries => "summaries",
            Prunable::Alarms => "alarms",
            Prunable::Silences => "silences",
            Prunable::Suspensions => "suspensions",
        }
    }
}

/// Before when things go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    pub bodies: Moment,
    pub records: Moment,
    /// The unit whose letters stay.
    pub office: String,
}

impl Store {
    /// How many would be pruned; looks at all of them.
    pub async fn count_prunable(&self, what: Prunable, bounds: &Bounds) -> Result<i64, StoreError> {
        let (statement, at, names_office) = match what {
            Prunable::Bodies => (COUNT_BODIES, bounds.bodies, true),
            Prunable::Messages => (COUNT_MESSAGES, bounds.records, true),
            Prunable::Archive => (COUNT_ARCHIVED, bounds.records, true),
            Prunable::Changes => (COUNT_CHANGES, bounds.records, false),
            Prunable::Tickets => (COUNT_TICKETS, bounds.records, false),
            Prunable::Summaries => (COUNT_SUMMARIES, bounds.records, false),
            Prunable::Alarms => (COUNT_ALARMS, bounds.records, false),
            Prunable::Silences => (COUNT_SILENCES, bounds.records, false),
            Prunable::Suspensions => (COUNT_SUSPENSIONS, bounds.records, false),
        };
        let at = micros(at);
        Ok(match names_office {
            true => on!(
                self.db(),
                fetch_one(sqlx::query_scalar(statement).bind(at).bind(&bounds.office))
            ),
            false => on!(self.db(), fetch_one(sqlx::query_scalar(statement).bind(at))),
        })
    }
}

/// Deletes by keys, some at a time.
macro_rules! drop_all {
    ($tx:ident, $keys:expr, $($statement:ident),+) => {
        for chunk in $keys.chunks(CHUNK) {
            $(on!($tx.db(), execute(filled(chunk).fold(sqlx::query($statement), |q, key| q.bind(key))));)+
        }
    };
}

impl Tx {
    /// Prunes some of a kind, the oldest first: how many went, at most `most`.
    pub async fn prune(&mut self, what: Prunable, bounds: &Bounds, most: i64) -> Result<usize, StoreError> {
        let before = micros(bounds.records);
        match what {
            Prunable::Bodies => self.prune_bodies(bounds, most).await,
            Prunable::Messages => self.prune_messages(MESSAGES, before, most).await,
            Prunable::Archive => self.prune_messages(ARCHIVED, before, most).await,
            Prunable::Changes => {
                let ids = self.ids(CHANGES, before, most).await?;
                drop_all!(self, ids, DROP_CHANGES);
                Ok(ids.len())
            }
            Prunable::Tickets => {
                let codes = self.texts(TICKETS, before, most).await?;
                self.drop_tickets(&codes).await?;
                Ok(codes.len())
            }
            Prunable::Summaries => {
                let tellings = self.ids(SUMMARIES, before, most).await?;
                self.drop_tellings(&tellings).await?;
                Ok(tellings.len())
            }
            Prunable::Alarms => {
                let ids = self.ids(ALARMS, before, most).await?;
                drop_all!(self, ids, DROP_ALARMS);
                Ok(ids.len())
            }
            Prunable::Silences => {
                let ids = self.ids(SILENCES, before, most).await?;
                drop_all!(self, ids, DROP_SILENCES);
                Ok(ids.len())
            }
            Prunable::Suspensions => {
                let addresses = self.texts(SUSPENSIONS, before, most).await?;
                drop_all!(self, addresses, DROP_SUSPENSIONS);
                Ok(addresses.len())
            }
        }
    }

    async fn ids(&mut self, which: &'static str, before: i64, most: i64) -> Result<Vec<i64>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_scalar(which).bind(before).bind(most))
        ))
    }

    async fn texts(&mut self, which: &'static str, before: i64, most: i64) -> Result<Vec<String>, StoreError> {
        Ok(on!(
            self.db(),
            fetch_all(sqlx::query_scalar(which).bind(before).bind(most))
        ))
    }

    async fn prune_bodies(&mut self, bounds: &Bounds, most: i64) -> Result<usize, StoreError> {
        let (before, office) = (micros(bounds.bodies), &bounds.office);
        on!(
            self.db(),
            execute(sqlx::query(TO_ARCHIVE).bind(before).bind(office).bind(most))
        );
        let ids: Vec<String> = on!(
            self.db(),
            fetch_all(sqlx::query_scalar(BODIES).bind(before).bind(office).bind(most))
        );
        self.drop_bodies(&ids).await?;
        Ok(ids.len())
    }

    async fn prune_messages(&mut self, which: &'static str, before: i64, most: i64) -> Result<usize, StoreError> {
        let ids = self.texts(which, before, most).await?;
        drop_all!(
            self,
            ids,
            DROP_LINKS,
            DROP_ATTEMPTS,
            DROP_BOUNCES,
            DROP_BODIES,
            DROP_MESSAGES
        );
        Ok(ids.len())
    }

    /// Removes the bodies of messages.
    pub(super) async fn drop_bodies(&mut self, messages: &[String]) -> Result<(), StoreError> {
        drop_all!(self, messages, DROP_BODIES, BARE);
        Ok(())
    }

    /// Removes tickets with all that hangs on them; the messages that told of them stay.
    pub(super) async fn drop_tickets(&mut self, codes: &[String]) -> Result<(), StoreError> {
        let mut tellings: Vec<i64> = Vec::new();
        for chunk in codes.chunks(CHUNK) {
            let some: Vec<i64> = on!(
                self.db(),
                fetch_all(filled(chunk).fold(sqlx::query_scalar(TELLINGS_OF), |q, code| q.bind(code)))
            );
            tellings.extend(some);
        }
        self.drop_tellings(&tellings).await?;
        drop_all!(self, codes, DROP_ACKNOWLEDGEMENTS, DROP_CHANGES_OF, DROP_TICKETS);
        self.heeded(codes).await
    }

    async fn drop_tellings(&mut self, tellings: &[i64]) -> Result<(), StoreError> {
        drop_all!(self, tellings, DROP_LINKS_OF, DROP_FIGURES, DROP_NOTICES, DROP_TELLINGS);
        Ok(())
    }
}
