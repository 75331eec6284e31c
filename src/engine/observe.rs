//! Observe: read what changed in the ticket database, sweep it when that is due, and hand the rows to `decide`.
//!
//! The cursor moves with its batch and never passes the read's start minus the overlap. A source that fails stops
//! nothing else; what was read before stays.

use std::cmp::Ordering as Order;
use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::{NaiveTime, TimeDelta};
use tokio::join;

use super::decide::{Candidate, SHARE_OF_TURN};
use super::{Engine, TurnError, down};
use crate::domain::Moment;
use crate::domain::scrub;
use crate::domain::time::Period;
use crate::source::{Cursor, Key, Page, Rejected, Row, SourceError};
use crate::store::StoreError;
use crate::store::meta::{Meta, MetaMoment};
use crate::store::tickets::{Kept, KeptKey};

/// Something a turn found that somebody should know. Texts name codes and columns, never values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the ticket database cannot be read: {0}")]
    SourceDown(String),
    #[error("row rejected: {0}")]
    Rejected(String),
    #[error("value ignored: {0}")]
    Spoiled(String),
    #[error(
        "status word `{word}` is not in [source.status]: {count} tickets are treated as open and climb no higher than contact"
    )]
    UnmappedStatus { word: String, count: usize },
    #[error(
        "the sweep was held: {before} open tickets are known, {after} are in the source now; it is not believed; if it is true, raise `source.implausible_share`"
    )]
    Implausible { before: i64, after: i64 },
    #[error(
        "the sweep was held: of {open} open tickets that are known {absent} are not in the source now, and {new} open ones are that nobody knows, as in another database, or one whose codes are written otherwise; it is not believed; if it is true, raise `source.implausible_share`"
    )]
    Replaced { open: i64, absent: i64, new: i64 },
    #[error(
        "`updated_at` is not written as `source.updated_at_format` and `source.time_zone` say, so changes are found by the sweep alone; correct them, or set `source.has_updated_at = false`"
    )]
    NotComparable,
    #[error(
        "nothing has changed in the ticket database for longer than source.stale_after in office hours (newest change {0}); overdue and stale steps wait"
    )]
    Stale(String),
    #[error(
        "more messages are due than [limits] allows: {messages} of them wait for later turns, with {notices} notices; the urgent and the oldest go first"
    )]
    Storm { messages: usize, notices: usize },
}

/// What observing saw.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Rows read.
    pub seen: usize,
    /// Rows that differed from what was known.
    pub changed: usize,
    pub rejected: usize,
    /// Values that could not be read and became null.
    pub spoiled: usize,
    pub decided: usize,
    /// Tickets gone from the source.
    pub gone: usize,
    pub problems: Vec<Problem>,
    /// Words for agencies that the directory does not know, of open tickets.
    pub unknown_agencies: BTreeSet<String>,
    /// All keys were compared with what is known, and were believed.
    pub has_swept: bool,
}

impl Observed {
    /// Adds what reading some tickets again showed: what of it is wrong and was not seen before. The rows themselves were.
    pub(super) fn join(&mut self, again: Observed) {
        self.rejected += again.rejected;
        self.spoiled += again.spoiled;
        self.unknown_agencies.extend(again.unknown_agencies);
        for problem in again.problems {
            let is_known = self.problems.iter().any(|known| match (known, &problem) {
                (Problem::UnmappedStatus { word: a, .. }, Problem::UnmappedStatus { word: b, .. }) => a == b,
                (known, problem) => known == problem,
            });
            match &problem {
                Problem::Rejected(_) if is_known => self.rejected -= 1,
                Problem::Spoiled(_) if is_known => self.spoiled -= 1,
                _ if is_known => {}
                _ => self.problems.push(problem),
            }
        }
    }

    /// The ticket database shows nothing new, and nothing that is wrong.
    pub(super) fn is_nothing(&self) -> bool {
        self.problems.is_empty() && !self.has_swept && self.changed + self.gone + self.rejected + self.spoiled == 0
    }

    /// The ticket database could not be read.
    #[must_use]
    pub fn source_failed(&self) -> bool {
        self.problems.iter().any(|p| matches!(p, Problem::SourceDown(_)))
    }
}

impl Engine {
    /// Reads the source at `now`, and notes in `meta` that it was and how new its data are.
    pub(super) async fn observe(&mut self, meta: &mut Meta, now: Moment) -> Result<Observed, TurnError> {
        let mut seen = Observed::default();
        let read = self.read_source(meta, now, &mut seen).await;
        match read {
            Ok(newest) => {
                meta.source_read_at = Some(now);
                meta.newest_update = newest.or(meta.newest_update);
            }
            Err(ReadError::Source(error)) => {
                tracing::error!(%error, "the ticket database cannot be read; what is known is used as far as source.max_age allows: {error}");
                seen.problems.push(down(&error));
            }
            Err(ReadError::Stopping) => {
                tracing::info!("reading the ticket database ends early; a later turn goes on with it")
            }
            Err(ReadError::Turn(error)) => return Err(error),
        }
        Ok(seen)
    }

    /// Everything that is due to be read; the newest `updated_at` there.
    async fn read_source(
        &mut self,
        meta: &Meta,
        now: Moment,
        seen: &mut Observed,
    ) -> Result<Option<Moment>, ReadError> {
        let newest = self.read(async |source| source.newest(now).await).await?;
        if self.config.source.has_updated_at && !newest.is_comparable {
            tracing::warn!("updated_at is not written as source.updated_at_format says");
            seen.problems.push(Problem::NotComparable);
        }
        let newest = newest.at;
        let meta = Meta {
            newest_update: newest.or(meta.newest_update),
            ..meta.clone()
        };
        if !self.source_is_fresh(&meta, now) {
            let newest = meta.newest_update.map(|n| n.to_rfc3339()).unwrap_or_default();
            seen.problems.push(Problem::Stale(newest));
        }
        match meta.cursor {
            None => {
                self.first_read(&meta, now, seen).await?;
                seen.has_swept = true;
                self.swept = true;
                return Ok(newest);
            }
            Some(cursor) if self.config.source.has_updated_at => self.read_changes(&meta, cursor, now, seen).await?,
            Some(_) => {}
        }
        if !self.sweep_is_due(&meta, now) {
            return Ok(newest);
        }
        // Keys are compared once most tickets have been evaluated by a changed configuration: what waits goes out first.
        let outdated = self.store.count_outdated(meta.generation).await?;
        if !self.config.source.has_updated_at || outdated <= SHARE_OF_TURN {
            // One that was held is tried again with each turn.
            seen.has_swept = self.sweep(&meta, now, seen).await?;
            self.swept |= seen.has_swept;
        }
        Ok(newest)
    }

    /// Open tickets and all touched since the previous period began.
    async fn first_read(&self, meta: &Meta, now: Moment, seen: &mut Observed) -> Result<(), ReadError> {
        let horizon = meta.horizon.unwrap_or_else(|| self.previous_period(now));
        let without_code = self.read(async |source| source.without_code(horizon).await).await?;
        note_rejected(seen, &without_code);
        let batch = self.config.source.batch;
        let page = async |after: Option<Cursor>| {
            self.read(async |source| source.first_read(after.as_ref(), horizon, batch).await)
                .await
        };
        let mut ahead = Some(page(None).await?);
        while let Some(read) = ahead.take() {
            // The ticket database answers while the store takes in what it answered before.
            let next = read.next.clone();
            let following = async {
                match next {
                    Some(next) => page(Some(next)).await.map(Some),
                    None => Ok(None),
                }
            };
            let (taken, following) = join!(
                Box::pin(self.take_page(meta, read, None, now, seen)),
                Box::pin(following)
            );
            taken?;
            self.go_on()?;
            ahead = following?;
        }
        let mut tx = self.begin_deciding().await?;
        tx.put_moments(&[
            (MetaMoment::Horizon, horizon),
            (MetaMoment::Cursor, now - self.config.source.overlap),
            (MetaMoment::LastSweep, now),
        ])
        .await?;
        tx.put_swept_generation(meta.generation).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The first instant of the period before the present one.
    pub(super) fn previous_period(&self, now: Moment) -> Moment {
        let base = self.config.calendars.base();
        let previous = Period::of(base.date_of(now), self.config.rules.period).previous();
        base.instant(previous.first_day(), NaiveTime::MIN)
    }

    /// Everything changed since the cursor, in keyset order.
    async fn read_changes(
        &self,
        meta: &Meta,
        cursor: Moment,
        now: Moment,
        seen: &mut Observed,
    ) -> Result<(), ReadError> {
        // Who sees everything at once needs no second look at what came late.
        let overlap = match self.source.shows_all_changes() {
            true => TimeDelta::zero(),
            false => self.config.source.overlap,
        };
        let latest = now - overlap;
        let mut position = self.read(async |source| Ok(source.cursor_at(cursor))).await?;
        loop {
            let batch = self.config.source.batch;
            let page = self.read(async |source| source.changed(&position, batch).await).await?;
            let next = page.next.clone();
            let reached = page.rows.iter().filter_map(|r| r.ticket.updated_at).max();
            let cursor = reached.map_or(cursor, |r| r.min(latest)).max(cursor);
            self.take_page(meta, page, Some(cursor), now, seen).await?;
            self.go_on()?;
            match next {
                Some(next) => position = next,
                None => return Ok(()),
            }
        }
    }

    /// A page more has been read; an error where the turn is asked to end.
    pub(super) fn go_on(&self) -> Result<(), ReadError> {
        self.pulse.beat();
        if self.pulse.is_stopping() {
            return Err(ReadError::Stopping);
        }
        Ok(())
    }

    fn sweep_is_due(&self, meta: &Meta, now: Moment) -> bool {
        let Some(last) = meta.last_sweep_at.filter(|_| self.swept) else {
            return true;
        };
        if self.source.shows_all_changes() {
            return false;
        }
        let base = self.config.calendars.base();
        let today = base.date_of(now);
        let nightly = [today, today.pred_opt().unwrap_or(today)].map(|d| base.instant(d, self.config.source.sweep_at));
        nightly.iter().any(|n| last < *n && *n <= now)
            || !self.config.source.has_updated_at
            || self.config.source.sweep_every.is_some_and(|every| last + every <= now)
    }

    /// Compares all keys with what is known, re-reads each row that differs, and counts those that are absent; false where
    /// that is not believed.
    async fn sweep(&self, meta: &Meta, now: Moment, seen: &mut Observed) -> Result<bool, ReadError> {
        let found = self.compare_keys(meta).await?;
        let most = self.config.source.implausible_share;
        let is_plausible = |moved: i64| {
            // A handful of tickets says nothing about a share.
            found.open_here < 20 || share(moved, found.open_here) <= most
        };
        if !is_plausible((found.open_there - found.open_here).abs()) {
            let (before, after) = (found.open_here, found.open_there);
            return Ok(held(Problem::Implausible { before, after }, seen));
        }
        // The keys are those of open and lately touched tickets. One that was closed without a new `updated_at`, or
        // whose row turned unreadable, is not among them and still there.
        let mut still_there = HashSet::new();
        for absent in found.absent.chunks(REREAD) {
            let codes: Vec<String> = absent.iter().map(|kept| kept.code.clone()).collect();
            let page = self.read(async |source| source.by_code(&codes).await).await?;
            still_there.extend(page.rows.iter().map(|r| r.ticket.code.clone()));
            still_there.extend(page.rejected.iter().filter_map(|r| r.code.clone()));
            self.take_page(meta, page, None, now, seen).await?;
            self.go_on()?;
        }
        let absent: Vec<&KeptKey> = found.absent.iter().filter(|k| !still_there.contains(&k.code)).collect();
        let unknown: Vec<String> = found.unknown.iter().map(|(code, _)| code.clone()).collect();
        let forgotten = self.store.forgotten(&unknown).await?;
        let new = || found.unknown.iter().filter(|(code, _)| !forgotten.contains(code));
        // As many of each hide behind a number that stays.
        let (gone_open, new_open) = (
            counted(absent.iter().filter(|k| k.is_open)),
            counted(new().filter(|(_, is_open)| *is_open)),
        );
        if !is_plausible(gone_open.min(new_open)) {
            let (open, absent, new) = (found.open_here, gone_open, new_open);
            return Ok(held(Problem::Replaced { open, absent, new }, seen));
        }
        let without_code = self
            .read(async |source| source.without_code(meta.horizon.unwrap_or(now)).await)
            .await?;
        note_rejected(seen, &without_code);
        let differing: Vec<&String> = found.differing.iter().chain(new().map(|(code, _)| code)).collect();
        for codes in differing.chunks(REREAD) {
            let codes: Vec<String> = codes.iter().map(|code| (*code).clone()).collect();
            let page = self.read(async |source| source.by_code(&codes).await).await?;
            self.take_page(meta, page, None, now, seen).await?;
            self.go_on()?;
        }
        let mut tx = self.begin_deciding().await?;
        for kept in absent {
            tx.missed(&kept.code).await?;
            if kept.missing >= 1 {
                tx.gone(&kept.code, now).await?;
                seen.gone += 1;
            }
        }
        tx.put_moments(&[(MetaMoment::LastSweep, now)]).await?;
        tx.put_swept_generation(meta.generation).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Goes through both sides in byte order of the code. Where their orders differ (a code that the source does not
    /// write in NFC) two halves pass each other; they are brought together at the end.
    async fn compare_keys(&self, meta: &Meta) -> Result<Compared, ReadError> {
        let limit = self.config.source.batch.max(4000);
        let horizon = meta.horizon.unwrap_or(Moment::UNIX_EPOCH);
        let (mut here, mut there) = (Vec::new().into_iter().peekable(), Vec::new().into_iter().peekable());
        let (mut here_after, mut there_after) = (Some(String::new()), Some(Vec::new()));
        let (mut only_here, mut only_there) = (HashMap::new(), Vec::new());
        // Other rules may classify by texts that are not kept.
        let mut found = Compared {
            rereads: !self.config.rules.classify.is_empty() && meta.swept_generation != Some(meta.generation),
            ..Compared::default()
        };
        loop {
            if here.peek().is_none()
                && let Some(after) = here_after.take()
            {
                let keys = self.store.kept_keys(&after, i64::from(limit)).await?;
                here_after = (keys.len() == limit as usize)
                    .then(|| keys.last().map(|k| k.code.clone()))
                    .flatten();
                here = keys.into_iter().peekable();
            }
            // A page may hold only keys that cannot be read.
            while there.peek().is_none()
                && let Some(after) = there_after.take()
            {
                let page = self
                    .read(async |source| source.keys(&after, horizon, limit).await)
                    .await?;
                self.go_on()?;
                there_after = page.next;
                there = page.keys.into_iter().peekable();
            }
            let order = match (here.peek(), there.peek()) {
                (None, None) => break,
                (Some(_), None) => Order::Less,
                (None, Some(_)) => Order::Greater,
                (Some(a), Some(b)) => a.code.as_bytes().cmp(b.code.as_bytes()),
            };
            let kept = if order.is_le() { here.next() } else { None };
            let key = if order.is_ge() { there.next() } else { None };
            found.open_here += i64::from(kept.as_ref().is_some_and(|k| k.is_open && !k.is_gone));
            found.open_there += i64::from(key.as_ref().is_some_and(|k| k.is_open));
            match (kept, key) {
                (Some(kept), Some(key)) => found.both(&kept, key),
                (Some(kept), None) => {
                    only_here.insert(kept.code.clone(), kept);
                }
                (None, Some(key)) => only_there.push(key),
                (None, None) => {}
            }
        }
        for key in only_there {
            match only_here.remove(&key.code) {
                Some(kept) => found.both(&kept, key),
                None => found.unknown.push((key.code, key.is_open)),
            }
        }
        found.absent = only_here.into_values().filter(|kept| !kept.is_gone).collect();
        Ok(found)
    }

    /// Hands a page's rows to `decide` and records what could not be read; the tickets as they are kept now.
    pub(super) async fn take_page(
        &self,
        meta: &Meta,
        page: Page,
        cursor: Option<Moment>,
        now: Moment,
        seen: &mut Observed,
    ) -> Result<Vec<Kept>, TurnError> {
        let page = match meta.is_any_forgotten {
            true => self.without_forgotten(page).await?,
            false => page,
        };
        seen.seen += page.rows.len();
        note_rejected(seen, &page.rejected);
        seen.spoiled += page.spoiled.len();
        for spoiled in &page.spoiled {
            note(seen, Problem::Spoiled(spoiled.to_string()));
        }
        unmapped(&page.rows, seen);
        self.note_unknown_agencies(&page.rows, seen, now);
        let taken = self.take_rows(meta, page.rows, cursor, now).await?;
        seen.changed += taken.changed;
        seen.decided += taken.decided;
        Ok(taken.kept)
    }
}

impl Engine {
    /// A page without the tickets that were forgotten: nothing of them is taken in, named or counted.
    pub(super) async fn without_forgotten(&self, mut page: Page) -> Result<Page, StoreError> {
        let rows = page.rows.iter().map(|row| &row.ticket.code);
        let rejected = page.rejected.iter().filter_map(|r| r.code.as_ref());
        let codes: BTreeSet<&String> = rows.chain(rejected).collect();
        let codes: Vec<String> = codes.into_iter().cloned().collect();
        let forgotten = self.store.forgotten(&codes).await?;
        if !forgotten.is_empty() {
            page.rows.retain(|row| !forgotten.contains(&row.ticket.code));
            page.rejected
                .retain(|r| r.code.as_ref().is_none_or(|code| !forgotten.contains(code)));
            page.spoiled.retain(|spoiled| !forgotten.contains(&spoiled.code));
        }
        Ok(page)
    }

    fn note_unknown_agencies(&self, rows: &[Row], seen: &mut Observed, now: Moment) {
        let on = self.config.calendars.base().date_of(now);
        let chased = rows
            .iter()
            .map(|row| &row.ticket)
            .filter(|t| t.status.is_open() && t.level != Some(1));
        for word in chased.filter_map(|ticket| ticket.agency.as_ref()) {
            if seen.unknown_agencies.len() < NAMED
                && !seen.unknown_agencies.contains(word)
                && self.config.directory.find(word, on).is_none()
            {
                seen.unknown_agencies.insert(word.clone());
            }
        }
    }
}

fn unmapped(rows: &[Row], seen: &mut Observed) {
    for row in rows.iter().filter(|r| !r.ticket.status_mapped) {
        let mut shown = scrub::word(&row.ticket.status_word);
        let count = |problems: &mut [Problem], shown: &str| {
            let mut words = problems.iter_mut().filter_map(|p| match p {
                Problem::UnmappedStatus { word, count } => Some((word, count)),
                _ => None,
            });
            let known = words.find(|(word, _)| *word == shown);
            known.map(|(_, count)| *count += 1)
        };
        if count(&mut seen.problems, &shown).is_some() {
            continue;
        }
        let is_unmapped = |p: &&Problem| matches!(p, Problem::UnmappedStatus { .. });
        if seen.problems.iter().filter(is_unmapped).count() >= WORDS {
            OTHER_WORDS.clone_into(&mut shown);
            if count(&mut seen.problems, &shown).is_some() {
                continue;
            }
        }
        seen.problems.push(Problem::UnmappedStatus { word: shown, count: 1 });
    }
}

/// At most this many status words are named in one turn's problems.
const WORDS: usize = 200;

/// Stands for the words of a source that has more unmapped ones than are named.
pub(super) const OTHER_WORDS: &str = "…";

/// Rows re-read by key at a time.
const REREAD: usize = 500;

/// At most this many rows are named in one turn's problems; all are counted.
const NAMED: usize = 50;

fn note(seen: &mut Observed, problem: Problem) {
    if seen.problems.len() < NAMED && !seen.problems.contains(&problem) {
        tracing::warn!(%problem, "{problem}");
        seen.problems.push(problem);
    }
}

fn note_rejected(seen: &mut Observed, rejected: &[Rejected]) {
    let rows: usize = rejected.iter().map(|r| r.rows).sum();
    seen.seen += rows;
    seen.rejected += rows;
    for row in rejected {
        note(seen, Problem::Rejected(row.to_string()));
    }
}

/// Notes that a sweep is not believed; so it was none.
fn held(problem: Problem, seen: &mut Observed) -> bool {
    tracing::error!(%problem, "{problem}");
    seen.problems.push(problem);
    false
}

fn counted<T>(all: impl Iterator<Item = T>) -> i64 {
    i64::try_from(all.count()).unwrap_or(i64::MAX)
}

fn share(part: i64, whole: i64) -> f64 {
    // Counts of tickets are far below the 2^52 from which this would lose a unit.
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    let share = part as f64 / whole.max(1) as f64;
    share
}

/// What the sweep found.
#[derive(Default)]
struct Compared {
    open_here: i64,
    open_there: i64,
    /// Each row there is differs.
    rereads: bool,
    differing: Vec<String>,
    /// Not kept here, and whether they are open.
    unknown: Vec<(String, bool)>,
    /// Kept here, and not among the keys.
    absent: Vec<KeptKey>,
}

impl Compared {
    fn both(&mut self, kept: &KeptKey, key: Key) {
        let same = kept.status_word == key.status_word && kept.updated_raw == key.updated_raw;
        if self.rereads || !same || kept.missing > 0 || kept.is_gone {
            self.differing.push(key.code);
        }
    }
}

/// Reading fails because of the source (the turn goes on) or for a reason of our own (it ends).
pub(super) enum ReadError {
    Source(SourceError),
    Turn(TurnError),
    /// The turn was asked to end.
    Stopping,
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        ReadError::Source(error)
    }
}

impl From<StoreError> for ReadError {
    fn from(error: StoreError) -> Self {
        ReadError::Turn(error.into())
    }
}

impl From<TurnError> for ReadError {
    fn from(error: TurnError) -> Self {
        ReadError::Turn(error)
    }
}

/// Rows by code, the last one of a code winning.
pub(super) fn candidates(rows: Vec<Row>) -> Vec<Candidate> {
    let mut seen = HashSet::new();
    let mut list: Vec<Candidate> = rows
        .into_iter()
        .rev()
        .filter(|r| seen.insert(r.ticket.code.clone()))
        .map(|row| Candidate::Row(Box::new(row)))
        .collect();
    list.reverse();
    list
}
