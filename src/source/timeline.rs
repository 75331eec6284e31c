//! Tickets as they were, held in memory: what a rehearsal reads in the place of the ticket database.
//!
//! Each ticket has dated states. At a shared present the timeline answers what a ticket database would have answered
//! then: what changed since an instant, the keys, and rows by their codes.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::DateTime;

use super::{Cursor, Key, Keys, Newest, Page, Row, Value};
use crate::domain::Moment;
use crate::domain::ticket::{Texts, Ticket};

/// How a ticket was from an instant on; no ticket where it was gone from then on.
#[derive(Clone)]
pub struct State {
    pub from: Moment,
    pub ticket: Option<Ticket>,
    pub texts: Texts,
}

/// Dated states of tickets, seen at a present that its owner moves on.
#[derive(Default)]
pub struct Timeline {
    /// In order of the instant.
    tickets: BTreeMap<String, Vec<State>>,
    changes: BTreeMap<(Moment, String), ()>,
    /// A ticket is gone at some time: what no change shows.
    has_gone: bool,
    /// In microseconds.
    present: AtomicI64,
}

impl Timeline {
    /// Of two states of a ticket from one instant on the later one counts.
    #[must_use]
    pub fn new(all: impl IntoIterator<Item = (String, Vec<State>)>) -> Timeline {
        let mut timeline = Timeline::default();
        for (code, mut states) in all {
            states.sort_by_key(|state| state.from);
            let changes = states.iter().map(|state| ((state.from, code.clone()), ()));
            timeline.changes.extend(changes);
            timeline.has_gone |= states.iter().any(|state| state.ticket.is_none());
            timeline.tickets.insert(code, states);
        }
        timeline
    }

    /// From now on the answers are those of an instant.
    pub fn is_now(&self, now: Moment) {
        self.present.store(now.timestamp_micros(), Ordering::Relaxed);
    }

    /// Whether who reads what changes has seen everything.
    pub(super) fn shows_all_changes(&self) -> bool {
        !self.has_gone
    }

    /// A ticket's `updated_at` as it is written now.
    #[must_use]
    pub fn updated_raw(&self, code: &str) -> Option<String> {
        self.shown(code).map(|(from, _, _)| written(from))
    }

    /// Tickets that were there at some time.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tickets.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    fn present_instant(&self) -> Moment {
        DateTime::from_timestamp_micros(self.present.load(Ordering::Relaxed)).unwrap_or(Moment::UNIX_EPOCH)
    }

    fn shown(&self, code: &str) -> Option<(Moment, &State, &Ticket)> {
        let now = self.present_instant();
        let states = self.tickets.get(code)?;
        let state = states.iter().rev().find(|state| state.from <= now)?;
        Some((state.from, state, state.ticket.as_ref()?))
    }

    fn row(&self, code: &str) -> Option<Row> {
        let (from, state, ticket) = self.shown(code)?;
        Some(Row {
            ticket: ticket.clone(),
            texts: state.texts.clone(),
            updated_raw: Some(written(from)),
        })
    }

    fn page(&self, codes: impl Iterator<Item = String>, next: Option<Cursor>) -> Page {
        Page {
            rows: codes.filter_map(|code| self.row(&code)).collect(),
            next,
            ..Page::default()
        }
    }

    pub(super) fn cursor_at(&self, at: Moment) -> Cursor {
        Cursor {
            updated_at: Value::Instant(at),
            code: Vec::new(),
        }
    }

    pub(super) fn changed(&self, after: &Cursor, batch: u32) -> Page {
        let Value::Instant(since) = after.updated_at else {
            return Page::default();
        };
        let code = String::from_utf8_lossy(&after.code).into_owned();
        let from = match code.is_empty() {
            true => Bound::Included((since, code)),
            false => Bound::Excluded((since, code)),
        };
        let now = self.present_instant();
        let changes = self.changes.range((from, Bound::Unbounded)).map(|(change, ())| change);
        let changes: Vec<_> = changes.take_while(|(at, _)| *at <= now).take(batch as usize).collect();
        let last = changes.last().filter(|_| changes.len() == batch as usize);
        let next = last.map(|(at, code)| Cursor {
            updated_at: Value::Instant(*at),
            code: code.clone().into_bytes(),
        });
        let mut codes: Vec<String> = changes.into_iter().map(|(_, code)| code.clone()).collect();
        // A ticket that changed twice is shown once, as it is.
        codes.sort_unstable();
        codes.dedup();
        self.page(codes.into_iter(), next)
    }

    /// Codes of tickets that are open or were touched since an instant, after one.
    fn touched<'a>(&'a self, after: &str, since: Moment) -> impl Iterator<Item = &'a String> {
        let later = (Bound::Excluded(after.to_owned()), Bound::Unbounded);
        let codes = self.tickets.range(later).map(|(code, _)| code);
        codes.filter(move |code| {
            self.shown(code).is_some_and(|(from, _, ticket)| {
                ticket.status.is_open() || from >= since || ticket.received_at >= since
            })
        })
    }

    pub(super) fn first_read(&self, after: Option<&Cursor>, touched_since: Moment, batch: u32) -> Page {
        let after = after
            .map(|a| String::from_utf8_lossy(&a.code).into_owned())
            .unwrap_or_default();
        let codes = self.touched(&after, touched_since).take(batch as usize);
        let codes: Vec<String> = codes.cloned().collect();
        let last = codes.last().filter(|_| codes.len() == batch as usize);
        let next = last.map(|code| Cursor {
            updated_at: Value::Instant(touched_since),
            code: code.clone().into_bytes(),
        });
        self.page(codes.into_iter(), next)
    }

    pub(super) fn keys(&self, after: &[u8], touched_since: Moment, batch: u32) -> Keys {
        let after = String::from_utf8_lossy(after);
        let codes: Vec<&String> = self.touched(&after, touched_since).take(batch as usize).collect();
        let next = codes.last().filter(|_| codes.len() == batch as usize);
        let next = next.map(|code| code.as_bytes().to_owned());
        let keys = codes.into_iter().filter_map(|code| {
            let (from, _, ticket) = self.shown(code)?;
            Some(Key {
                code: code.clone(),
                status_word: ticket.status_word.clone(),
                is_open: ticket.status.is_open(),
                updated_raw: Some(written(from)),
            })
        });
        Keys {
            keys: keys.collect(),
            next,
        }
    }

    pub(super) fn by_code(&self, codes: &[String]) -> Page {
        self.page(codes.iter().cloned(), None)
    }

    pub(super) fn newest(&self, now: Moment) -> Newest {
        let past = self.changes.range(..=(now, char::MAX.to_string()));
        Newest {
            at: past.last().map(|((at, _), ())| *at),
            is_comparable: true,
        }
    }
}

fn written(at: Moment) -> String {
    at.timestamp_micros().to_string()
}
