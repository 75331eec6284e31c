//! Webhook endpoints that want no more. One is posted to again once the configuration names another url for it.

use std::collections::HashMap;

use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::directory::Endpoint;

const ALL: &str = "SELECT id, url, disabled_at, reason FROM endpoint";
const DISABLE: &str = "INSERT INTO endpoint (id, url, disabled_at, reason) VALUES ($1, $2, $3, $4) \
     ON CONFLICT (id) DO UPDATE SET url = excluded.url, disabled_at = excluded.disabled_at, reason = excluded.reason \
     WHERE endpoint.url <> excluded.url";

pub const STATEMENTS: &[&str] = &[ALL, DISABLE];

/// Since when an endpoint wants no more, and by which words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disabled {
    url: String,
    pub since: Moment,
    pub reason: String,
}

/// The endpoints that want no more, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DisabledEndpoints(HashMap<String, Disabled>);

impl DisabledEndpoints {
    /// Whether nothing may be posted to an endpoint as it is configured now.
    #[must_use]
    pub fn of(&self, endpoint: &Endpoint) -> Option<&Disabled> {
        self.0.get(&endpoint.id).filter(|disabled| disabled.url == endpoint.url)
    }
}

impl Store {
    /// The endpoints that want no more.
    pub async fn disabled_endpoints(&self) -> Result<DisabledEndpoints, StoreError> {
        let rows: Vec<(String, String, i64, String)> = on!(self.db(), fetch_all(sqlx::query_as(ALL)));
        let disabled = rows.into_iter().map(|(id, url, at, reason)| {
            let since = moment(at);
            (id, Disabled { url, since, reason })
        });
        Ok(DisabledEndpoints(disabled.collect()))
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
}
