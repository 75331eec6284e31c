//! How each unit is told, live or in shadow, and since when. What says so is the configuration; here is what was in force
//! at the last turn, so that a change of it is seen.

use std::collections::HashMap;

use super::tellings::mode;
use super::{Store, StoreError, Tx, micros, moment, on};
use crate::domain::Moment;
use crate::domain::notice::Mode;

const ALL: &str = "SELECT unit, mode, since FROM unit_mode";
const PUT: &str = "INSERT INTO unit_mode (unit, mode, since) VALUES ($1, $2, $3) \
     ON CONFLICT (unit) DO UPDATE SET mode = excluded.mode, since = excluded.since";

pub const STATEMENTS: &[&str] = &[ALL, PUT];

impl Store {
    /// The mode of units and since when they have it; a unit that is not here has always been live.
    pub async fn unit_modes(&self) -> Result<HashMap<String, (Mode, Moment)>, StoreError> {
        let rows: Vec<(String, String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(ALL)));
        let read = |(unit, word, since): (String, String, i64)| match mode(&word) {
            Some(mode) => Ok((unit, (mode, moment(since)))),
            None => Err(StoreError::Corrupt {
                table: "unit_mode",
                id: unit,
                what: format!("unknown mode `{word}`"),
            }),
        };
        rows.into_iter().map(read).collect()
    }
}

impl Tx {
    /// A unit is told in another mode from now on.
    pub async fn put_unit_mode(&mut self, unit: &str, mode: Mode, since: Moment) -> Result<(), StoreError> {
        on!(
            self.db(),
            execute(sqlx::query(PUT).bind(unit).bind(mode.word()).bind(micros(since)))
        );
        Ok(())
    }
}
