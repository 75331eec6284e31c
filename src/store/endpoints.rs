//! Webhook endpoints that take nothing: those that are disabled, and those that have only failed for some time. One is
//! posted to again once the configuration names another url for it, or ops enable it.

use std::collections::HashMap;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::directory::Endpoint;

const ALL: &str = "SELECT id, url, disabled_at, reason FROM endpoint";
const DISABLE: &str = "INSERT INTO endpoint (id, url, disabled_at, reason) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET url = excluded.url, disabled_at = excluded.disabled_at, reason = excluded.reason \
     WHERE endpoint.url <> excluded.url";
const ENABLE: &str = "DELETE FROM endpoint WHERE id = $1";
const FAILING: &str = "SELECT id, url, since, attempts, reason FROM endpoint_failing";
const FAIL: &str = "INSERT INTO endpoint_failing (id, url, since, attempts, reason) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (id) DO UPDATE SET url = excluded.url, reason = excluded.reason, \
     since = CASE WHEN endpoint_failing.url = excluded.url THEN endpoint_failing.since ELSE excluded.since END, \
     attempts = excluded.attempts + CASE WHEN endpoint_failing.url = excluded.url THEN endpoint_failing.attempts ELSE 0 END \
     RETURNING id, url, since, attempts, reason";
const ANSWER: &str = "DELETE FROM endpoint_failing WHERE id = $1";

pub const STATEMENTS: &[&str] = &[ALL, DISABLE, ENABLE, FAILING, FAIL, ANSWER];

/// Since when an endpoint is disabled, and by which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    url: String,
    pub since: Moment,
    pub reason: String,
}

/// The endpoints that are disabled, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisabledEndpoints(HashMap<String, Disabled>);

impl DisabledEndpoints {
    /// Whether nothing may be posted to an endpoint as it is configured now.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<&Disabled> {
        self.0.get(&endpoint.id).filter(|disabled| disabled.url == endpoint.url)
    }
}

/// Since when an endpoint has taken nothing, in how many attempts, and how the last one failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    url: String,
    pub since: Moment,
    pub attempts: i64,
    pub reason: String,
}

/// The endpoints that have only failed since an instant, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FailingEndpoints(HashMap<String, Failing>);

impl FailingEndpoints {
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<&Failing> {
        self.0.get(&endpoint.id).filter(|failing| failing.url == endpoint.url)
    }

    /// Whether anything is known against an id, at whichever url.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }
}

type FailingRow = (String, String, i64, i64, String);

fn failing((_, url, since, attempts, reason): FailingRow) -> Failing {
    Failing {
        url,
        since: moment(since),
        attempts,
        reason,
    }
}

impl Store {
    /// The endpoints that are disabled.
    pub async fn disabled_endpoints(&self) -> Result<DisabledEndpoints, StoreError> {
        let rows: Vec<(String, String, i64, String)> = on!(self.db(), fetch_all(sqlx::query_as(ALL)));
        let disabled = rows.into_iter().map(|(id, url, at, reason)| {
            let since = moment(at);
            (id, Disabled { url, since, reason })
        });
        Ok(DisabledEndpoints(disabled.collect()))
    }

    /// The endpoints that have only failed since an instant.
    pub async fn failing_endpoints(&self) -> Result<FailingEndpoints, StoreError> {
        let rows: Vec<FailingRow> = on!(self.db(), fetch_all(sqlx::query_as(FAILING)));
        let failing = rows.into_iter().map(|row| (row.0.clone(), failing(row)));
        Ok(FailingEndpoints(failing.collect()))
    }
}

impl Tx {
    /// Posts nothing more to an endpoint; false where it was known already.
    pub async fn disable(&mut self, endpoint: &Endpoint, reason: &str, at: Moment) -> Result<bool, StoreError> {
        let changed = on!(
            self.db(),
            execute(
                sqlx::query(DISABLE)
                    .bind(&endpoint.id)
                    .bind(&endpoint.url)
                    .bind(micros(at))
                    .bind(reason)
            )
        );
        Ok(changed == 1)
    }

    /// Posts to an endpoint again; false where it was not disabled.
    pub async fn enable(&mut self, endpoint: &str) -> Result<bool, StoreError> {
        let changed = on!(self.db(), execute(sqlx::query(ENABLE).bind(endpoint)));
        Ok(changed == 1)
    }

    /// An endpoint took none of some posts; with what is known against it by now.
    pub async fn endpoint_failed(
        &mut self,
        endpoint: &Endpoint,
        attempts: usize,
        reason: &str,
        at: Moment,
    ) -> Result<Failing, StoreError> {
        let attempts = i64::try_from(attempts).unwrap_or(i64::MAX);
        let row: FailingRow = on!(
            self.db(),
            fetch_one(
                sqlx::query_as(FAIL)
                    .bind(&endpoint.id)
                    .bind(&endpoint.url)
                    .bind(micros(at))
                    .bind(attempts)
                    .bind(reason)
            )
        );
        Ok(failing(row))
    }

    /// Nothing is known against an endpoint any more.
    pub async fn endpoint_answered(&mut self, endpoint: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(ANSWER).bind(endpoint)));
        Ok(())
    }
}
