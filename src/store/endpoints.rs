//! Webhook endpoints that take nothing: those that are disabled, and those that have only failed for some time. One is
//! posted to again once the configuration names another url for it, or ops enable it.

use std::collections::HashMap;

use chrono::TimeDelta;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::directory::Endpoint;

const ALL: &str = "SELECT id, url, disabled_at, reason FROM endpoint";
const DISABLE: &str = "INSERT INTO endpoint (id, url, disabled_at, reason) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET url = excluded.url, disabled_at = excluded.disabled_at, reason = excluded.reason \
     WHERE endpoint.url <> excluded.url";
const ENABLE: &str = "DELETE FROM endpoint WHERE id = $1";
const FAILING: &str = "SELECT id, url, since, last_at, attempts, reason FROM endpoint_failing";
const FAIL: &str = "INSERT INTO endpoint_failing (id, url, since, last_at, attempts, reason) VALUES ($1, $2, $3, $3, 1, $4) \
     ON CONFLICT (id) DO UPDATE SET url = excluded.url, last_at = excluded.last_at, reason = excluded.reason, \
     since = CASE WHEN endpoint_failing.url = excluded.url AND endpoint_failing.last_at > $5 THEN endpoint_failing.since ELSE excluded.since END, \
     attempts = CASE WHEN endpoint_failing.url = excluded.url AND endpoint_failing.last_at > $5 THEN endpoint_failing.attempts + 1 ELSE 1 END";
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

/// A failure so long after the one before is the first of its own: what nobody tried may have been well.
const APART: TimeDelta = TimeDelta::days(1);

/// Since when an endpoint has taken nothing, how often it was tried since, and how that failed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    url: String,
    pub since: Moment,
    last: Moment,
    pub attempts: i64,
    pub reason: String,
}

impl Failing {
    /// Whether a failure at an instant goes on with those that are known.
    #[must_use]
    pub fn goes_on(&self, at: Moment) -> bool {
        self.last > at - APART
    }
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

type FailingRow = (String, String, i64, i64, i64, String);

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
        let failing = rows.into_iter().map(|(id, url, since, last, attempts, reason)| {
            let (since, last) = (moment(since), moment(last));
            let failing = Failing {
                url,
                since,
                last,
                attempts,
                reason,
            };
            (id, failing)
        });
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

    /// An endpoint took none of the posts that were tried together.
    pub async fn endpoint_failed(&mut self, endpoint: &Endpoint, reason: &str, at: Moment) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(
                sqlx::query(FAIL)
                    .bind(&endpoint.id)
                    .bind(&endpoint.url)
                    .bind(micros(at))
                    .bind(reason)
                    .bind(micros(at - APART))
            )
        );
        Ok(())
    }

    /// Nothing is known against an endpoint any more.
    pub async fn endpoint_answered(&mut self, endpoint: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(ANSWER).bind(endpoint)));
        Ok(())
    }
}
