//! Live or shadow: how each unit's tickets are told, and since when. The configuration says it, and the store remembers
//! what was in force before; here the two meet. What was taken up with a configuration is read once for all turns under it.

use std::borrow::Cow;
use std::collections::HashMap;

use super::TurnError;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::notice::Mode;
use crate::domain::ticket::Memory;
use crate::store::{Store, StoreError, Tx};

/// What was taken up with a configuration. It is another under another generation only, whichever process took that up.
#[derive(Default)]
pub(super) struct TakenUp {
    /// 0 while nothing was.
    generation: i64,
    /// Since when each rule has been in force.
    pub(super) rules: HashMap<String, Moment>,
    modes: HashMap<String, (Mode, Moment)>,
}

impl TakenUp {
    /// Reads it where a generation is another one.
    pub(super) async fn follow(&mut self, generation: i64, store: &Store) -> Result<(), StoreError> {
        if self.generation != generation {
            *self = TakenUp {
                generation,
                rules: store.rules_seen().await?,
                modes: store.unit_modes().await?,
            };
        }
        Ok(())
    }

    pub(super) fn modes<'a>(&'a self, config: &'a Config) -> Modes<'a> {
        Modes {
            config,
            known: Cow::Borrowed(&self.modes),
        }
    }
}

/// How units are told, and since when.
pub(super) struct Modes<'a> {
    config: &'a Config,
    known: Cow<'a, HashMap<String, (Mode, Moment)>>,
}

impl<'a> Modes<'a> {
    pub(super) async fn read(config: &'a Config, store: &Store) -> Result<Modes<'a>, StoreError> {
        let known = Cow::Owned(store.unit_modes().await?);
        Ok(Modes { config, known })
    }

    /// How a ticket is told.
    pub(super) fn of(&self, memory: &Memory) -> Mode {
        self.config.mode_of(memory.agency.as_deref())
    }

    /// Since when a ticket's unit is told as it is now; a unit whose mode never changed, since ever.
    pub(super) fn since(&self, memory: &Memory) -> Moment {
        let unit = memory.agency.as_deref().unwrap_or(&self.config.directory.office);
        self.known.get(unit).map_or(Moment::UNIX_EPOCH, |(_, since)| *since)
    }

    /// How a ticket was told at an instant, as far as is remembered: the last change of its unit's mode is.
    pub(super) fn of_at(&self, memory: &Memory, at: Moment) -> (Mode, Moment) {
        let (now, since) = (self.of(memory), self.since(memory));
        match now {
            _ if since <= at => (now, since),
            Mode::Live => (Mode::Shadow, Moment::UNIX_EPOCH),
            Mode::Shadow => (Mode::Live, Moment::UNIX_EPOCH),
        }
    }

    /// Whether a unit is told live.
    pub(super) fn is_live(&self, unit: &str) -> bool {
        self.config.delivery.mode_of(unit) == Mode::Live
    }

    /// The units whose mode is another than before, with the new one.
    pub(super) fn changed(&self) -> Vec<(&'a str, Mode)> {
        let units = self.config.directory.units.iter().map(|unit| unit.id.as_str());
        let modes = units.map(|id| (id, self.config.delivery.mode_of(id)));
        let before = |id: &str| self.known.get(id).map_or(Mode::Live, |(mode, _)| *mode);
        modes.filter(|(id, mode)| before(id) != *mode).collect()
    }
}

/// Takes up changed modes. Where a unit goes into shadow, what still waits to be sent live is let go of: what of it may
/// still be told live goes into new messages at once.
pub(super) async fn take_up(tx: &mut Tx, changed: &[(&str, Mode)], now: Moment) -> Result<(), TurnError> {
    for (unit, mode) in changed {
        tx.put_unit_mode(unit, *mode, now).await?;
    }
    let units = |of: Mode| {
        changed
            .iter()
            .filter(move |(_, mode)| *mode == of)
            .map(|(unit, _)| *unit)
    };
    for mode in [Mode::Live, Mode::Shadow] {
        let units: Vec<&str> = units(mode).collect();
        if !units.is_empty() {
            tracing::info!(
                mode = mode.word(),
                units = units.join(" "),
                "told in another mode from now on"
            );
        }
    }
    if units(Mode::Shadow).next().is_some() {
        let waiting = tx.waiting_live().await?;
        let waiting: Vec<&str> = waiting.iter().map(String::as_str).collect();
        tx.replace(&waiting, "a unit went into shadow before it was accepted", now)
            .await?;
    }
    Ok(())
}
