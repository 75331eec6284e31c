//! Single values of the store: the cursor, the generation of the rules, and the instants of the last turn's parts.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{Sizes, Store, StoreError, Tx, micros, moment, on, pieces, rows};
use crate::domain::Moment;
use crate::domain::change::{Change, Parts};

/// As one row, since every turn asks several times; without the one that is large and seldom asked for.
const ALL: &str = "SELECT string_agg(concat_ws($1, name, replace(value, $2, ' ')), $2) FROM meta WHERE name <> $3";
const RULES: &str = "SELECT id, since FROM rule_seen";
const RULE_NEW: &str = "INSERT INTO rule_seen (id, since) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
const RULE_GONE: &str = "DELETE FROM rule_seen WHERE id = $1";
const FORGET: &str = "DELETE FROM meta WHERE name = $1";
const ONE: &str = "SELECT value FROM meta WHERE name = $1";
const TWO: &str = "SELECT (SELECT value FROM meta WHERE name = $1), (SELECT value FROM meta WHERE name = $2)";

pub const STATEMENTS: &[&str] = &[ALL, RULES, RULE_NEW, RULE_GONE, FORGET, ONE, TWO];

static PUT: LazyLock<Sizes> = LazyLock::new(|| {
    Sizes::new(|count| {
        format!(
            "INSERT INTO meta (name, value) VALUES {} ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            rows("(?, ?)", count)
        )
    })
});

/// The statements that write several rows, for each size.
pub(super) fn with_rows() -> impl Iterator<Item = &'static str> {
    PUT.iter().map(String::as_str)
}

/// The values a turn starts from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Meta {
    /// The first turn ever; events before it do not count.
    pub first_turn_at: Option<Moment>,
    pub last_turn_at: Option<Moment>,
    /// The last turn whose composing went through: digests due before it have been made, even if empty.
    pub last_composed_at: Option<Moment>,
    /// When the source was last read whole.
    pub source_read_at: Option<Moment>,
    pub last_sweep_at: Option<Moment>,
    /// The generation whose rules classified all that the last sweep found.
    pub swept_generation: Option<i64>,
    /// Changes up to here have been read; stays behind the read's start by the overlap.
    pub cursor: Option<Moment>,
    /// Closed tickets that were last touched before this are not known: they were never read, or have been pruned.
    pub horizon: Option<Moment>,
    /// What was over before this has been pruned; `None` while nothing has.
    pub kept_from: Option<Moment>,
    /// When pruning last came to its end.
    pub pruned_at: Option<Moment>,
    /// Counts up with each change of rules, directory, calendar or source mapping.
    pub generation: i64,
    /// Fingerprint of the configuration that `generation` stands for.
    pub fingerprint: Option<String>,
    /// The newest `updated_at` seen.
    pub newest_update: Option<Moment>,
    /// Nothing is composed or sent while ops hold it.
    pub paused: Option<Paused>,
    /// When ops last let it go on.
    pub resumed_at: Option<Moment>,
    /// More messages are due than `[limits]` allows.
    pub storm: Option<Storm>,
    /// What the last nightly audit found.
    pub audit: Option<LastAudit>,
    /// When the daemon took up the configuration that it works by.
    pub config_loaded_at: Option<Moment>,
    /// Why the last reload was refused; `None` once one went through.
    pub config_refused: Option<String>,
    pub config_refused_at: Option<Moment>,
    /// What the last change of the configuration changed.
    pub change: Option<Change>,
    /// Names the last forgetting: whoever holds what he read before looks whether it is the same.
    pub last_forgetting: Option<String>,
    /// Some ticket has been forgotten.
    pub is_any_forgotten: bool,
}

/// Who holds all sending, since when and why.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Paused {
    pub at: Moment,
    pub by: String,
    pub reason: String,
}

/// What the storm brake holds back, as of the last turn.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Storm {
    pub since: Moment,
    pub messages: usize,
    pub notices: usize,
}

/// What an audit found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct LastAudit {
    pub at: Moment,
    /// Tickets looked at.
    pub checked: usize,
    pub findings: usize,
}

/// A value that is kept as JSON.
fn json<T: serde::de::DeserializeOwned>(text: Option<&str>, name: &str) -> Result<Option<T>, StoreError> {
    let read = text.map(serde_json::from_str).transpose();
    read.map_err(|error| StoreError::Corrupt {
        table: "meta",
        id: name.to_owned(),
        what: error.to_string(),
    })
}

fn number(text: Option<&str>, name: &str) -> Result<Option<i64>, StoreError> {
    let read = text.map(|text| {
        text.parse().map_err(|_| StoreError::Corrupt {
            table: "meta",
            id: name.to_owned(),
            what: format!("`{text}` is not a number"),
        })
    });
    read.transpose()
}

impl Store {
    /// Reads all single values.
    pub async fn meta(&self) -> Result<Meta, StoreError> {
        let all: Option<String> = on!(
            self.db(),
            fetch_one(sqlx::query_scalar(ALL).bind(BETWEEN).bind(BEHIND).bind(PARTS))
        );
        let each = all.iter().flat_map(|all| all.split(BEHIND)).map(|one| {
            one.split_once(BETWEEN).ok_or_else(|| StoreError::Corrupt {
                table: "meta",
                id: one.to_owned(),
                what: "it has no value".to_owned(),
            })
        });
        let values: HashMap<&str, &str> = each.collect::<Result<_, _>>()?;
        let text = |name: &str| values.get(name).copied();
        let number = |name: &str| number(text(name), name);
        let at = |name: &str| Ok::<_, StoreError>(number(name)?.map(moment));
        Ok(Meta {
            first_turn_at: at("first_turn_at")?,
            last_turn_at: at("last_turn_at")?,
            last_composed_at: at("last_composed_at")?,
            source_read_at: at("source_read_at")?,
            last_sweep_at: at("last_sweep_at")?,
            swept_generation: number(SWEPT_GENERATION)?,
            cursor: at("cursor")?,
            horizon: at("horizon")?.max(at("kept_from")?),
            kept_from: at("kept_from")?,
            pruned_at: at("pruned_at")?,
            generation: number("generation")?.unwrap_or(0),
            fingerprint: text("fingerprint").map(str::to_owned),
            newest_update: at("newest_update")?,
            paused: json(text(PAUSED), PAUSED)?,
            resumed_at: at(RESUMED)?,
            storm: json(text(STORM), STORM)?,
            audit: json(text(AUDIT), AUDIT)?,
            config_loaded_at: at("config_loaded_at")?,
            config_refused: text(REFUSED).map(str::to_owned),
            config_refused_at: at(REFUSED_AT)?,
            change: json(text(CHANGE), CHANGE)?,
            last_forgetting: text(LAST_FORGETTING).map(str::to_owned),
            is_any_forgotten: values.contains_key(FORGET_KEY),
        })
    }

    /// One of the values.
    pub(super) async fn value(&self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(on!(self.db(), fetch_optional(sqlx::query_scalar(ONE).bind(name))))
    }

    /// The parts of the configuration that was last in force.
    pub async fn parts(&self) -> Result<Option<Parts>, StoreError> {
        json(self.value(PARTS).await?.as_deref(), PARTS)
    }

    /// Since when each rule has been in force.
    pub async fn rules_seen(&self) -> Result<HashMap<String, Moment>, StoreError> {
        let rows: Vec<(String, i64)> = on!(self.db(), fetch_all(sqlx::query_as(RULES)));
        Ok(rows.into_iter().map(|(id, since)| (id, moment(since))).collect())
    }
}

/// Between a name and its value, and between those of one name and of the next: ASCII's separators of units and of records.
const BETWEEN: &str = "\u{1f}";
const BEHIND: &str = "\u{1e}";

const PAUSED: &str = "paused";
const SWEPT_GENERATION: &str = "swept_generation";
const RESUMED: &str = "resumed_at";
const STORM: &str = "storm";
const AUDIT: &str = "audit";
const PARTS: &str = "config_parts";
const CHANGE: &str = "config_change";
const REFUSED: &str = "config_refused";
const REFUSED_AT: &str = "config_refused_at";
pub(super) const LAST_FORGETTING: &str = "last_forgetting";
/// The key of the hashes by which forgotten tickets are known.
pub(super) const FORGET_KEY: &str = "forget_key";

impl Tx {
    /// Holds all composing and sending.
    pub async fn pause(&mut self, paused: &Paused) -> Result<(), StoreError> {
        let value = serde_json::json!(paused).to_string();
        self.put(&[(PAUSED, value)]).await
    }

    /// Lets composing and sending go on.
    pub async fn resume(&mut self, at: Moment) -> Result<(), StoreError> {
        self.forget(PAUSED).await?;
        self.put(&[(RESUMED, micros(at).to_string())]).await
    }

    /// The nightly audit was taken.
    pub async fn put_audit(&mut self, audit: &LastAudit) -> Result<(), StoreError> {
        self.put(&[(AUDIT, serde_json::json!(audit).to_string())]).await
    }

    /// A configuration of these parts is in force.
    pub async fn put_parts(&mut self, parts: &Parts) -> Result<(), StoreError> {
        self.put(&[(PARTS, serde_json::json!(parts).to_string())]).await
    }

    /// What it changed.
    pub async fn put_change(&mut self, change: &Change) -> Result<(), StoreError> {
        self.put(&[(CHANGE, serde_json::json!(change).to_string())]).await
    }

    /// The last change as it is known by now; `None` where there was none.
    pub async fn change(&mut self) -> Result<Option<Change>, StoreError> {
        json(self.value(CHANGE).await?.as_deref(), CHANGE)
    }

    /// There is a storm, or none any more.
    pub async fn put_storm(&mut self, storm: Option<&Storm>) -> Result<(), StoreError> {
        match storm {
            Some(storm) => self.put(&[(STORM, serde_json::json!(storm).to_string())]).await,
            None => self.forget(STORM).await,
        }
    }

    /// A configuration was taken up.
    pub async fn config_loaded(&mut self, at: Moment) -> Result<(), StoreError> {
        self.put(&[("config_loaded_at", micros(at).to_string())]).await?;
        self.forget(REFUSED).await?;
        self.forget(REFUSED_AT).await
    }

    /// A configuration was refused; the one before stays.
    pub async fn config_refused(&mut self, why: &str, at: Moment) -> Result<(), StoreError> {
        let at = micros(at).to_string();
        self.put(&[(REFUSED, why.to_owned()), (REFUSED_AT, at)]).await
    }

    /// The key of the hashes of forgotten tickets, and before when what was over has been pruned, as they are now.
    pub(super) async fn forgetting(&mut self) -> Result<(Option<String>, Option<Moment>), StoreError> {
        let name = MetaMoment::KeptFrom.column();
        let (key, kept_from): (Option<String>, Option<String>) =
            on!(self.db(), fetch_one(sqlx::query_as(TWO).bind(FORGET_KEY).bind(name)));
        Ok((key, number(kept_from.as_deref(), name)?.map(moment)))
    }

    pub(super) async fn value(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        Ok(on!(self.db(), fetch_optional(sqlx::query_scalar(ONE).bind(name))))
    }

    async fn forget(&mut self, name: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(FORGET).bind(name)));
        Ok(())
    }

    /// No name comes twice.
    pub(super) async fn put(&mut self, values: &[(&str, String)]) -> Result<(), StoreError> {
        for (place, piece) in pieces(values) {
            on!(self.db(), |kind| execute(
                piece
                    .iter()
                    .fold(sqlx::query(PUT.text(place, kind)), |q, (name, value)| {
                        q.bind(*name).bind(value)
                    })
            ));
        }
        Ok(())
    }

    /// Stores instants of [`Meta`].
    pub async fn put_moments(&mut self, list: &[(MetaMoment, Moment)]) -> Result<(), StoreError> {
        let value = |(name, at): &(MetaMoment, Moment)| (name.column(), micros(*at).to_string());
        self.put(&list.iter().map(value).collect::<Vec<_>>()).await
    }

    /// Starts a new generation of rules.
    pub async fn put_generation(&mut self, generation: i64, fingerprint: &str) -> Result<(), StoreError> {
        self.put(&[
            ("generation", generation.to_string()),
            ("fingerprint", fingerprint.to_owned()),
        ])
        .await
    }

    /// All that a sweep found has been classified by the rules of a generation.
    pub async fn put_swept_generation(&mut self, generation: i64) -> Result<(), StoreError> {
        self.put(&[(SWEPT_GENERATION, generation.to_string())]).await
    }

    /// Remembers a rule from now on, or under its new id since when its old one was known.
    pub async fn rule_in_force(&mut self, id: &str, since: Moment) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(RULE_NEW).bind(id).bind(micros(since))));
        Ok(())
    }

    /// Forgets a removed rule: should it come back, it starts anew.
    pub async fn rule_removed(&mut self, id: &str) -> Result<(), StoreError> {
        on!(self.db(), execute(sqlx::query(RULE_GONE).bind(id)));
        Ok(())
    }
}

/// The instants of [`Meta`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetaMoment {
    FirstTurn,
    LastTurn,
    LastComposed,
    /// In one transaction with the batch that it stands for.
    Cursor,
    SourceRead,
    LastSweep,
    Horizon,
    KeptFrom,
    Pruned,
    NewestUpdate,
}

impl MetaMoment {
    fn column(self) -> &'static str {
        match self {
            MetaMoment::FirstTurn => "first_turn_at",
            MetaMoment::LastTurn => "last_turn_at",
            MetaMoment::LastComposed => "last_composed_at",
            MetaMoment::Cursor => "cursor",
            MetaMoment::SourceRead => "source_read_at",
            MetaMoment::LastSweep => "last_sweep_at",
            MetaMoment::Horizon => "horizon",
            MetaMoment::KeptFrom => "kept_from",
            MetaMoment::Pruned => "pruned_at",
            MetaMoment::NewestUpdate => "newest_update",
        }
    }
}
