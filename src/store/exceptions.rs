//! What there is none of at most turns, all asked at once: a turn looks only for what there is.

use super::{Store, StoreError, micros, moment, on};
use crate::domain::Moment;

/// Of what there may be much a minimum or maximum, which is the first entry of an index: asked whether there is one,
/// PostgreSQL may prefer to go through the table.
const ANY: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM suspension WHERE until > $1 LIMIT 1) AS first), \
     (SELECT COUNT(*) FROM (SELECT 1 FROM endpoint LIMIT 1) AS first), \
     (SELECT COUNT(*) FROM (SELECT 1 FROM obligation WHERE untaken > 0 LIMIT 1) AS first), \
     (SELECT MIN(generation) FROM ticket), \
     (SELECT MAX(at) FROM (SELECT MAX(next_attempt_at) AS at FROM message WHERE state = 'waiting' AND channel = 'email' \
     UNION ALL SELECT MAX(next_attempt_at) FROM message WHERE state = 'waiting' AND channel = 'webhook') AS last)";

pub const STATEMENTS: &[&str] = &[ANY];

/// What there is, and what there is none of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceptions {
    /// Addresses that are not written to.
    pub suspensions: bool,
    /// Endpoints that are disabled.
    pub disabled_endpoints: bool,
    /// Obligations about which something was recorded since a turn took them in.
    pub untaken_obligations: bool,
    /// Tickets that were last evaluated under an older generation of rules.
    pub outdated_tickets: bool,
    /// When the last of the waiting messages is due.
    pub last_due_at: Option<Moment>,
}

impl Store {
    /// What there is at an instant, under a generation of rules.
    pub async fn exceptions(&self, generation: i64, now: Moment) -> Result<Exceptions, StoreError> {
        type Row = (i64, i64, i64, Option<i64>, Option<i64>);
        let (suspensions, disabled_endpoints, untaken_obligations, oldest, last_due_at): Row =
            on!(self.db(), fetch_one(sqlx::query_as(ANY).bind(micros(now))));
        Ok(Exceptions {
            suspensions: suspensions > 0,
            disabled_endpoints: disabled_endpoints > 0,
            untaken_obligations: untaken_obligations > 0,
            outdated_tickets: oldest.is_some_and(|oldest| oldest < generation),
            last_due_at: last_due_at.map(moment),
        })
    }
}
