//! The register of the monthly cycle in a rehearsal: as it was when it begins, and what people recorded within its span.

use std::collections::{HashMap, VecDeque};

use crate::domain::Moment;
use crate::domain::obligation::{Directive, Members, NewEntry};
use crate::domain::time::Period;
use crate::store::{Store, StoreError, Tx};

/// Something that people recorded.
#[derive(Debug, Clone)]
enum Recorded {
    Directive(Directive),
    Entries {
        batch: i64,
        lines: Vec<NewEntry>,
        by: String,
    },
    Undone {
        batch: i64,
        by: String,
    },
}

/// What had come about of a period by the beginning.
#[derive(Debug, Clone)]
struct Before {
    period: Period,
    in_check: Members,
    members: Members,
    opened_at: Option<Moment>,
    office_saw_at: Option<Moment>,
}

/// What is played of the register.
#[derive(Debug, Clone, Default)]
pub struct Register {
    before: Vec<Before>,
    /// In order of the instant.
    events: VecDeque<(Moment, Recorded)>,
    /// The numbers of batches in the store that is played on, by those of the real one.
    batches: HashMap<i64, i64>,
}

impl Register {
    /// Reads what was recorded until an instant, and what had come about when the rehearsal begins.
    pub(super) async fn read(store: &Store, begins: Moment, ends: Moment) -> Result<Register, StoreError> {
        let mut register = Register::default();
        let mut events = Vec::new();
        for period in store.register_periods().await? {
            let mut snapshots = store.snapshots(period).await?;
            snapshots.retain(|snapshot| snapshot.known_at < begins);
            let owed = store.obligations(period).await?;
            let opened = owed.iter().filter(|o| o.opened_at < begins);
            let is_final = snapshots.iter().any(|snapshot| snapshot.revision > 0);
            let saw = owed.iter().filter_map(|o| o.office_saw_at).filter(|at| *at < begins);
            register.before.push(Before {
                period,
                in_check: match snapshots.is_empty() {
                    true => Members::new(),
                    false => store.members_in_check(period).await?,
                },
                members: match is_final {
                    true => store.members(period).await?,
                    false => Members::new(),
                },
                opened_at: opened.map(|o| o.opened_at).min(),
                office_saw_at: saw.min(),
            });
            let directives = store.directives(period).await?;
            events.extend(directives.into_iter().map(|d| (d.recorded_at, Recorded::Directive(d))));
            let mut batches: Vec<(Moment, i64, Vec<NewEntry>, String)> = Vec::new();
            for entry in store.entries(period).await? {
                if let Some((by, at)) = entry.undone {
                    let batch = entry.batch;
                    events.push((at, Recorded::Undone { batch, by }));
                }
                match batches.last_mut().filter(|(_, batch, ..)| *batch == entry.batch) {
                    Some((.., lines, _)) => lines.push(entry.said),
                    None => batches.push((entry.at, entry.batch, vec![entry.said], entry.by)),
                }
            }
            let entries = batches.into_iter();
            events.extend(entries.map(|(at, batch, lines, by)| (at, Recorded::Entries { batch, lines, by })));
        }
        // What is recorded and taken back at one instant was recorded first: sorting keeps the order.
        events.sort_by_key(|(at, event)| (*at, matches!(event, Recorded::Undone { .. })));
        register.events = events.into_iter().filter(|(at, _)| *at < ends).collect();
        Ok(register)
    }

    /// Brings a store to how the real one was at the beginning.
    pub(super) async fn seed(&mut self, tx: &mut Tx, begins: Moment) -> Result<(), StoreError> {
        for before in &self.before {
            tx.add_members(before.period, 0, &before.in_check, begins).await?;
            tx.add_members(before.period, 1, &before.members, begins).await?;
        }
        while self.events.front().is_some_and(|(at, _)| *at < begins) {
            self.play_next(tx).await?;
        }
        for before in &self.before {
            if let Some(at) = before.office_saw_at {
                tx.office_saw(before.period, at).await?;
            }
        }
        Ok(())
    }

    /// Records what people had recorded by an instant.
    pub(super) async fn play_until(&mut self, store: &Store, now: Moment) -> Result<(), StoreError> {
        while self.events.front().is_some_and(|(at, _)| *at <= now) {
            let mut tx = store.begin().await?;
            self.play_next(&mut tx).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn play_next(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        match self.events.pop_front() {
            Some((at, Recorded::Directive(directive))) => {
                tx.record_directive(&directive).await?;
                let before = self.before.iter().find(|before| before.period == directive.period);
                let opened_at = before.and_then(|before| before.opened_at).unwrap_or(at);
                tx.open_obligations(directive.period, opened_at).await?;
            }
            Some((at, Recorded::Entries { batch, lines, by })) => {
                let played = tx.record_entries(&lines, &by, at).await?;
                self.batches.insert(batch, played);
            }
            Some((at, Recorded::Undone { batch, by })) => {
                if let Some(batch) = self.batches.get(&batch) {
                    tx.undo_entries(*batch, &by, at).await?;
                }
            }
            None => {}
        }
        Ok(())
    }
}
