//! What a rehearsal is played on: tickets as they were, by the store's change log or by the ticket database's own times,
//! and what was told before.

use std::sync::Arc;

use tokio::try_join;

use super::Span;
use super::register::Register;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::hold::Scope;
use crate::domain::notice::{NoticeState, Telling, Wait};
use crate::domain::ticket::Texts;
use crate::domain::time::Period;
use crate::engine::ticket_database;
use crate::source::{SourceError, State, Timeline};
use crate::store::as_of::{AsOf, Place, Wanted, by_own_times};
use crate::store::holds::NewSilence;
use crate::store::meta::{Meta, MetaMoment};
use crate::store::tickets::Kept;
use crate::store::{Store, StoreError};

const PAGE: i64 = 1000;

/// Where tickets as they were are known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// The store's change log.
    Log,
    /// The ticket database, each row's earlier states by its own times.
    Database,
}

impl Data {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Data::Log => "log",
            Data::Database => "database",
        }
    }
}

/// Why the past is not known.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the ticket database cannot be read: {0}")]
    Source(#[from] SourceError),
    #[error("the change log does not reach over these days; leave `--data log` away to take the ticket database")]
    NoLog,
}

/// The past of a span.
pub struct Past {
    pub data: Data,
    /// From when to when the change log reaches, where there is one.
    pub log: Option<(Moment, Moment)>,
    pub timeline: Arc<Timeline>,
    /// Rows that could not be taken.
    pub rejected: usize,
    /// Tickets and tellings from before the span.
    known: Vec<Kept>,
    told: Vec<Telling>,
    store: Option<Store>,
    register: Register,
    meta: Meta,
    begins: Moment,
}

impl Past {
    /// Reads the past of a span: from the change log where it reaches, if nothing else is asked for.
    ///
    /// # Errors
    /// When it cannot be read, or the log is asked for and does not reach.
    pub async fn read(config: &Config, span: Span, asked: Option<Data>) -> Result<Past, PastError> {
        let base = config.calendars.base();
        let (begins, ends) = (span.begins(base), span.ends(base));
        let store = match Store::open_read_only(&config.store.database).await {
            Ok(store) => Some(store),
            Err(StoreError::Missing { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let meta = match &store {
            Some(store) => store.meta().await?,
            None => Meta::default(),
        };
        let log = meta.first_turn_at.max(meta.kept_from).zip(meta.last_turn_at);
        let last_day = base.instant(span.to, chrono::NaiveTime::MIN);
        let reaches = log.is_some_and(|(first, last)| first <= begins && last >= last_day);
        let data = match asked {
            Some(Data::Log) if log.is_none_or(|(first, _)| first >= ends) => return Err(PastError::NoLog),
            Some(data) => data,
            None if reaches => Data::Log,
            None => Data::Database,
        };
        let mut past = Past {
            data,
            log,
            timeline: Arc::default(),
            rejected: 0,
            known: Vec::new(),
            told: Vec::new(),
            store,
            register: Register::default(),
            meta,
            begins,
        };
        let period = Period::of(span.from, config.rules.period).previous();
        let touched_since = base.instant(period.first_day(), chrono::NaiveTime::MIN);
        let open_word = config.source.open_word();
        let store = past.store.clone();
        let of_database = async {
            match data {
                Data::Log => Ok(None),
                Data::Database => read_database(config, store.as_ref(), ends).await.map(Some),
            }
        };
        let of_log = async {
            let read = past.read_log((touched_since, ends), data, open_word).await;
            read.map_err(PastError::from)
        };
        // Of two databases, so neither has to wait for the other.
        let (logged, read) = try_join!(of_log, of_database)?;
        let (states, rejected) = read.unwrap_or((logged, 0));
        past.rejected = rejected;
        past.timeline = Arc::new(Timeline::new(states));
        Ok(past)
    }

    /// A past that is made up, with nothing told before.
    #[must_use]
    pub fn made_up(timeline: Timeline, begins: Moment) -> Past {
        Past {
            data: Data::Log,
            log: None,
            timeline: Arc::new(timeline),
            rejected: 0,
            known: Vec::new(),
            told: Vec::new(),
            store: None,
            register: Register::default(),
            meta: Meta::default(),
            begins,
        }
    }

    /// Whether anything was told, or looked at, before the span.
    #[must_use]
    pub fn is_seeded(&self) -> bool {
        self.meta.first_turn_at.is_some_and(|first| first < self.begins)
    }

    /// Tellings from before the span.
    #[must_use]
    pub fn told_before(&self) -> usize {
        self.told.len()
    }

    /// What is known from before the span, and the states of tickets where they are to be by the log.
    async fn read_log(
        &mut self,
        (touched_since, ends): (Moment, Moment),
        data: Data,
        open_word: Option<&str>,
    ) -> Result<Vec<(String, Vec<State>)>, StoreError> {
        let mut all = Vec::new();
        let Some(store) = self.store.clone() else {
            return Ok(all);
        };
        let log = AsOf::new(&store, self.begins);
        let wanted = match data {
            Data::Log => Wanted::States { open_word },
            Data::Database => Wanted::Before,
        };
        let mut after = Some(Place::before(Moment::MIN_UTC));
        while let Some(from) = after.take() {
            let (page, next) = log.histories((touched_since, ends), &from, PAGE, wanted).await?;
            after = next;
            let known: Vec<String> = page
                .iter()
                .filter(|h| h.before.is_some())
                .map(|h| h.code.clone())
                .collect();
            let tellings = store.tellings(&known).await?;
            let told = tellings.into_values().flatten().filter(|t| t.decided_at < self.begins);
            self.told.extend(told);
            for history in page {
                if let Some(before) = history.before {
                    self.known.push(Kept {
                        ticket: before.ticket,
                        memory: before.memory,
                        updated_raw: None,
                        next_at: Some(self.begins),
                        generation: 0,
                        missing: 0,
                        gone_at: None,
                    });
                }
                if data == Data::Log {
                    let state = |(from, ticket)| State {
                        from,
                        ticket,
                        texts: Texts::default(),
                    };
                    all.push((history.code, history.states.into_iter().map(state).collect()));
                }
            }
        }
        self.register = Register::read(&store, self.begins, ends).await?;
        let mut codes = Vec::new();
        for period in store.obligation_periods().await? {
            let owed = store.obligations(period).await?;
            codes.extend(owed.iter().filter(|o| o.opened_at < self.begins).map(|o| o.id.code()));
        }
        let tellings = store.tellings(&codes).await?;
        let told = tellings.into_values().flatten();
        self.told.extend(told.filter(|t| t.decided_at < self.begins));
        self.told.sort_by_key(|t| t.id);
        let before: std::collections::HashSet<i64> = self.told.iter().map(|t| t.id).collect();
        for telling in &mut self.told {
            telling.settled_by = telling.settled_by.filter(|by| before.contains(by));
            for notice in &mut telling.notices {
                // What became of it later had not happened yet, and what was on its way arrives by the rehearsal.
                if notice.at >= self.begins || notice.state == NoticeState::Composed {
                    notice.compose_at = notice.compose_at.or(Some(notice.at.max(self.begins)));
                    notice.state = NoticeState::Waiting;
                    notice.wait = Wait::Hours;
                    notice.at = telling.decided_at;
                    notice.message = None;
                    notice.first_attempt_at = None;
                }
            }
        }
        Ok(all)
    }

    /// A store in memory as the real one was when the span began, with silences besides.
    ///
    /// # Errors
    /// When one of the two cannot be read or written.
    pub async fn seed(
        &self,
        config: &Config,
        silences: &[(Scope, Moment, Moment)],
    ) -> Result<(Store, Register), StoreError> {
        let mut register = self.register.clone();
        let memory = Store::open_in_memory().await?;
        let begins = self.begins;
        let mut tx = memory.begin().await?;
        if let (Some(store), true) = (&self.store, self.is_seeded()) {
            // What stands as it did needs no second look.
            self.timeline.is_now(begins);
            let known = self.known.iter().map(|kept| Kept {
                updated_raw: self.timeline.updated_raw(&kept.ticket.code),
                ..kept.clone()
            });
            let list: Vec<(Option<Kept>, Kept)> = known.map(|kept| (None, kept)).collect();
            tx.save_tickets(&list, begins).await?;
            tx.seed_tellings(&self.told).await?;
            let moments = [
                (MetaMoment::FirstTurn, self.meta.first_turn_at),
                (MetaMoment::KeptFrom, self.meta.kept_from.filter(|at| *at < begins)),
                (MetaMoment::LastComposed, Some(begins)),
                (MetaMoment::Cursor, Some(begins - config.source.overlap)),
                (MetaMoment::Horizon, self.meta.horizon.filter(|at| *at < begins)),
            ];
            let moments: Vec<_> = moments.into_iter().filter_map(|(name, at)| Some((name, at?))).collect();
            tx.put_moments(&moments).await?;
            for sent in store.summaries_sent_before(begins).await? {
                tx.seed_summary(&sent, begins).await?;
            }
            for snapshot in store.snapshots_before(begins).await? {
                tx.freeze(&snapshot).await?;
            }
            register.seed(&mut tx, begins).await?;
            for letter in store.letters_sent_before(begins).await? {
                tx.seed_letter(&letter).await?;
            }
            for (id, since) in store
                .rules_seen()
                .await?
                .into_iter()
                .filter(|(_, since)| *since < begins)
            {
                tx.rule_in_force(&id, since).await?;
            }
            for (unit, (mode, since)) in store
                .unit_modes()
                .await?
                .into_iter()
                .filter(|(_, (_, at))| *at < begins)
            {
                tx.put_unit_mode(&unit, mode, since).await?;
            }
            for s in store
                .suspensions(begins)
                .await?
                .into_iter()
                .filter(|s| s.since < begins)
            {
                tx.suspend(&s.address, s.until, &s.reason, s.since).await?;
            }
            for kept in store.silences(begins).await? {
                let until = kept.over_at();
                let (scope, from) = (kept.scope, kept.from);
                tx.add_silence(&silence(scope, from, until, kept.author, kept.reason), begins)
                    .await?;
            }
            let codes: Vec<String> = self.known.iter().map(|kept| kept.ticket.code.clone()).collect();
            let mut acknowledged = store.acknowledgements(&codes).await?;
            acknowledged.retain(|a| a.at < begins);
            tx.acknowledge(&acknowledged).await?;
            if let Some(paused) = self.meta.paused.as_ref().filter(|paused| paused.at < begins) {
                tx.pause(paused).await?;
            }
        }
        for (scope, from, until) in silences {
            let new = silence(
                scope.clone(),
                *from,
                *until,
                "simulate".to_owned(),
                "simulate".to_owned(),
            );
            tx.add_silence(&new, begins).await?;
        }
        tx.commit().await?;
        Ok((memory, register))
    }

    /// Lets go of the real store.
    pub async fn close(&self) {
        if let Some(store) = &self.store {
            store.close().await;
        }
    }
}

/// One read of all rows: the states of tickets by their own times, and how many rows could not be taken.
async fn read_database(
    config: &Config,
    store: Option<&Store>,
    ends: Moment,
) -> Result<(Vec<(String, Vec<State>)>, usize), PastError> {
    let database = ticket_database(config);
    let source = database.open().await?;
    let (mut all, mut rejected) = (Vec::new(), 0);
    let mut after = None;
    loop {
        let page = source
            .first_read(after.as_ref(), Moment::UNIX_EPOCH, config.source.batch)
            .await?;
        after.clone_from(&page.next);
        rejected += page.rejected.len();
        let codes: Vec<String> = page.rows.iter().map(|row| row.ticket.code.clone()).collect();
        let forgotten = match store {
            Some(store) => store.forgotten(&codes).await?,
            None => Default::default(),
        };
        for row in page.rows {
            if row.ticket.received_at > ends || forgotten.contains(&row.ticket.code) {
                continue;
            }
            let states = by_own_times(&row.ticket, None, config.source.open_word())
                .into_iter()
                .map(|(from, ticket)| State {
                    from,
                    ticket: Some(ticket),
                    texts: row.texts.clone(),
                });
            all.push((row.ticket.code.clone(), states.collect()));
        }
        if after.is_none() {
            return Ok((all, rejected));
        }
    }
}

fn silence(scope: Scope, from: Moment, until: Moment, author: String, reason: String) -> NewSilence {
    NewSilence {
        scope,
        from,
        until,
        author,
        reason,
    }
}
