//! The path: observe → decide → compose → deliver is one turn, and everything dondoc does in its life is turns.
//!
//! `once`, `demo`, the daemon and the tests call [`Engine::turn`]; time is an argument. Each part works in short
//! transactions of its own; sending is outside any. When observing fails, what is in the outbox is still delivered.

mod addresses;
mod alarms;
mod approval;
mod audit;
mod bounces;
mod brake;
mod breaker;
mod by_calendar;
mod compose;
mod confirmation;
mod correction;
mod decide;
mod deliver;
mod explain;
mod forget;
mod holds;
mod lanes;
mod letter;
mod modes;
mod monthly;
mod obligations;
mod observe;
mod periods;
mod preview;
mod pulse;
mod reached;
mod recipients;
mod retention;
mod send_test;
mod summaries;
mod titles;
mod writing;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{NaiveDate, TimeDelta};
use futures_util::future::join_all;
use tokio::join;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::channel::Answer;
use crate::channel::alive::AliveError;
use crate::channel::command;
use crate::channel::smtp::{Connection, Smtp};
use crate::channel::webhook::{WebhookError, Webhooks};
use alarms::Watched;
use audit::AuditFailure;
use modes::{Modes, TakenUp};
use periods::Unbalanced;
use reached::Reached;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::change::{Change, Parts};
use crate::domain::directory::Endpoint;
use crate::domain::facts::Context;
use crate::domain::matcher::Column;
use crate::domain::rule::{Channel, RuleSet};
use crate::domain::time::Span;
use crate::render::Renderer;
use crate::source::{Source, SourceError, TicketDatabase, Timeline};
use crate::store::bounces::Suspension;
use crate::store::endpoints::DisabledEndpoints;
use crate::store::meta::{Meta, MetaMoment};
use crate::store::outbox::Claim;
use crate::store::{Store, StoreError, Term, Tx};

pub use crate::channel::alive::Alive;
pub use audit::{Audit, AuditError, Finding, NIGHT};
pub use bounces::in_force;
pub use compose::Composed;
pub use confirmation::{ASKED_ANEW_AFTER, Known as KnownContact, RequestError, contacts, request};
pub use deliver::Delivered;
use deliver::{Owing, Ways};
pub use explain::{Ahead, Explained, NoticeShown, Waiting, explain};
pub use forget::{ForgetError, Forgotten, Named, forget, named};
pub use holds::{AckError, Acknowledging, Until, acknowledge};
use letter::Ids;
pub use letter::{FORM_HEADER, MODE_HEADER};
use observe::ReadError;
pub use observe::{Observed, Problem};
pub use preview::{Asked, Previewed, sample as preview_sample};
pub use pulse::{Pulse, longest_wait};
pub use retention::{Pruned, prunable, prune, unwitnessed_since};
pub use send_test::{TestError, Tested, send_test};

/// Where several processes share a store: how long the one that decides may be silent before another takes over.
const TERM: TimeDelta = TimeDelta::minutes(3);

/// How often it says that it is there while it waits for the ticket database.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// How long the mail server has to take leave.
const LEAVE: Duration = Duration::from_secs(2);

/// What stops a turn. A source that is down does not: it is told in the report.
#[derive(Debug, thiserror::Error)]
pub enum TurnError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the turn for {asked} is before the last turn of {last}; time only goes forward")]
    BackInTime { asked: Moment, last: Moment },
    #[error(transparent)]
    Mail(#[from] crate::channel::mail::MailError),
    #[error("a webhook's message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What one turn did, in counts.
#[derive(Debug, Clone, Default)]
pub struct TurnReport {
    pub at: Moment,
    pub observed: Observed,
    /// Tellings made.
    pub decided: usize,
    pub composed: Composed,
    pub delivered: Delivered,
    /// Messages that wait for another attempt or their window.
    pub waiting: i64,
    /// Ops hold composing and sending.
    pub is_paused: bool,
    /// False where another process observes, decides and composes; then only delivering was done.
    pub is_leading: bool,
    /// Nothing was decided, since the clock is behind the last turn.
    pub is_behind: bool,
    /// Tickets that are still to be evaluated under a configuration that has changed: another turn goes on with them.
    pub outdated: i64,
    /// Alarms that hold; 0 where another process leads.
    pub alarms: usize,
}

/// What the process that decides has of a turn before it composes.
struct Decided {
    observed: Observed,
    /// Tellings.
    decided: usize,
    /// Tickets waited to be evaluated by a changed configuration.
    has_outdated: bool,
    meta: Meta,
    /// Tickets that were due were looked at.
    has_looked: bool,
    /// By the turn before, where it was this process's.
    reached: Option<Reached>,
}

/// What it has of it before it watches over it.
#[derive(Default)]
struct Made {
    observed: Observed,
    /// Tellings.
    decided: usize,
    composed: Composed,
    watched: Watched,
    /// Tickets waited to be evaluated by a changed configuration.
    has_outdated: bool,
    /// As it is behind composing.
    meta: Meta,
    /// Once the turn has come to its end.
    reached: Option<Reached>,
}

/// Tells the time: the system's, or a simulated one.
pub type Clock<'a> = dyn Fn() -> Moment + Sync + 'a;

/// What nothing can be sent with.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    #[error(transparent)]
    Alive(#[from] AliveError),
}

/// The way out of the house.
enum Out {
    Servers {
        smtp: Box<Smtp>,
        webhooks: Webhooks,
    },
    /// All is taken at once, and goes nowhere.
    Rehearsal,
}

impl Out {
    async fn mail(&self, connection: &mut Option<Connection>, from: &str, claim: &Claim) -> Answer {
        match self {
            Out::Servers { smtp, .. } => deliver::attempt(smtp, connection, from, claim).await,
            Out::Rehearsal => rehearsed(),
        }
    }

    async fn post(&self, endpoint: &Endpoint, claim: &Claim, at: Moment) -> Answer {
        let Endpoint { id, url, .. } = endpoint;
        match self {
            Out::Servers { webhooks, .. } => webhooks.post(id, url, &claim.id, &claim.body, at).await,
            Out::Rehearsal => rehearsed(),
        }
    }
}

fn rehearsed() -> Answer {
    Answer::Accepted {
        reply: "rehearsed".to_owned(),
        refused: Vec::new(),
    }
}

/// Everything a turn needs; made once, used for all turns.
pub struct Engine {
    /// In force: with a directory that does not name suspended addresses.
    config: Arc<Config>,
    /// As it was read.
    configured: Arc<Config>,
    suspended: Vec<Suspension>,
    source: TicketDatabase,
    store: Store,
    renderer: Arc<Renderer>,
    out: Out,
    alive: Option<Arc<Alive>>,
    ways: Ways,
    /// Of the configuration, until they have been compared with those before.
    parts: Option<Parts>,
    /// What the store could not be told when it was to be.
    owing: Mutex<Owing>,
    /// Names this process in claims.
    name: String,
    ids: Arc<Ids>,
    /// There is something to be sent while more is composed.
    made: Notify,
    /// The first turn of a process sweeps, whatever was read before.
    swept: bool,
    claims_voided: bool,
    /// When messages that died were looked for last, in whichever process they did.
    looked_for_dead: Option<Moment>,
    /// The day for which all that is kept no longer has gone.
    pruned_on: Option<NaiveDate>,
    /// Until when no period's figures are owed.
    freezes_at: Option<Moment>,
    /// What contradicts itself in those frozen last, where that was looked at.
    unbalanced: Option<Unbalanced>,
    /// When the nightly audit failed last, where it has not been taken since.
    audit_failed: Option<AuditFailure>,
    /// The configuration has changed since alarms were last looked at.
    is_changed: bool,
    reached: Option<Reached>,
    /// The last turn went through. What is remembered of the store holds only then, and while the store has no other turn:
    /// after a failover it may be one from before, and meanwhile another process may have led.
    went_through: bool,
    taken_up: TakenUp,
    /// When the last summary of each id fell due, where it is known to have been made.
    summed_up: HashMap<String, Moment>,
    /// The endpoints that take no more, as of the turn's beginning.
    disabled: DisabledEndpoints,
    /// While this process is the one that observes, decides and composes.
    term: Option<Term>,
    /// What the clock showed when it was last found behind the last turn.
    behind: Option<Moment>,
    pulse: Arc<Pulse>,
}

/// A configuration with what is opened by it: everything that an engine can be given anew while it lives.
pub struct Prepared {
    pub config: Arc<Config>,
    pub source: TicketDatabase,
    pub renderer: Renderer,
    webhooks: Webhooks,
    alive: Option<Arc<Alive>>,
    parts: Parts,
}

impl Prepared {
    /// # Errors
    /// When nothing could be posted by the configuration.
    pub fn new(config: Arc<Config>, renderer: Renderer) -> Result<Prepared, ClientError> {
        let webhooks = Webhooks::new(&config.webhooks)?;
        let alive = config.ops.alive_url.as_ref().map(Alive::new).transpose()?;
        Ok(Prepared {
            source: ticket_database(&config),
            parts: config.parts(),
            config,
            renderer,
            webhooks,
            alive: alive.map(Arc::new),
        })
    }
}

impl Engine {
    #[must_use]
    pub fn new(prepared: Prepared, store: Store) -> Engine {
        let Prepared {
            config,
            source,
            renderer,
            webhooks,
            alive,
            parts,
        } = prepared;
        let out = Out::Servers {
            smtp: Box::new(Smtp::new(&config.smtp)),
            webhooks,
        };
        let ways = Ways::new(&config);
        let name = uuid::Uuid::new_v4().simple().to_string();
        let pulse = Arc::default();
        feel(&source, &pulse);
        Engine {
            configured: Arc::clone(&config),
            suspended: Vec::new(),
            config,
            source,
            store,
            renderer: Arc::new(renderer),
            out,
            alive,
            ways,
            parts: Some(parts),
            owing: Mutex::default(),
            name,
            ids: Arc::default(),
            made: Notify::new(),
            swept: false,
            claims_voided: false,
            looked_for_dead: None,
            pruned_on: None,
            freezes_at: None,
            unbalanced: None,
            audit_failed: None,
            is_changed: false,
            reached: None,
            went_through: false,
            taken_up: TakenUp::default(),
            summed_up: HashMap::new(),
            disabled: DisabledEndpoints::default(),
            term: None,
            behind: None,
            pulse,
        }
    }

    /// An engine that reads how tickets were, and from which nothing goes out: whatever it sends is taken at once. Neither
    /// is a mailbox read nor a command of ops run.
    ///
    /// # Errors
    /// As [`Prepared::new`].
    pub fn rehearsing(
        mut config: Config,
        renderer: Renderer,
        timeline: Arc<Timeline>,
        store: Store,
    ) -> Result<Engine, ClientError> {
        config.smtp.bounces = None;
        config.ops.command.clear();
        config.ops.alive_url = None;
        let source = TicketDatabase::past(config.source.clone(), timeline);
        let prepared = Prepared {
            source,
            ..Prepared::new(Arc::new(config), renderer)?
        };
        Ok(Engine {
            out: Out::Rehearsal,
            ..Engine::new(prepared, store)
        })
    }

    /// Where the progress of turns shows, and by which one is asked to end early.
    #[must_use]
    pub fn pulse(&self) -> Arc<Pulse> {
        Arc::clone(&self.pulse)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// The way to the one that watches whether all is well, where somebody does.
    #[must_use]
    pub fn alive(&self) -> Option<Arc<Alive>> {
        self.alive.clone()
    }

    /// Takes up another configuration; the next turn works by it. The store stays the one that is open.
    pub async fn adopt(&mut self, prepared: Prepared) {
        self.take_leave().await;
        self.out = Out::Servers {
            smtp: Box::new(Smtp::new(&prepared.config.smtp)),
            webhooks: prepared.webhooks,
        };
        self.alive = prepared.alive;
        self.parts = Some(prepared.parts);
        self.ways = Ways::new(&prepared.config);
        self.configured = Arc::clone(&prepared.config);
        self.suspended.clear();
        self.config = prepared.config;
        self.source = prepared.source;
        feel(&self.source, &self.pulse);
        self.renderer = Arc::new(prepared.renderer);
        // As after a restart: what the new query or mapping shows otherwise is found.
        self.swept = false;
        self.audit_failed = None;
        self.freezes_at = None;
        self.summed_up.clear();
    }

    /// The store, for looking.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Nothing is to be done for a while: memory that both databases keep for it is let go.
    pub async fn rest(&self) {
        if let Err(error) = self.store.rest().await {
            tracing::warn!(%error, "the store keeps the memory that it does not need: {error}");
        }
        if let Err(error) = self.source.rest().await {
            tracing::warn!(%error, "the ticket database keeps the memory that it does not need: {error}");
        }
    }

    /// One turn at an instant.
    pub async fn turn(&mut self, now: Moment) -> Result<TurnReport, TurnError> {
        self.turn_by(&|| now).await
    }

    /// One turn that begins at the present of a clock; delivery, which may take long, looks at it again and again, so
    /// that a window which closes meanwhile is closed.
    pub async fn turn_by(&mut self, clock: &Clock<'_>) -> Result<TurnReport, TurnError> {
        let now = clock();
        self.term = self.store.lead(&self.name, TERM).await?;
        // What the one that led before has left is read once nobody else can go on with it.
        let meta = self.store.meta().await?;
        let is_paused = meta.paused.is_some();
        if let Some(paused) = &meta.paused {
            tracing::warn!(since = %paused.at, by = %paused.by, "paused: nothing is composed or sent");
        }
        let decided = match self.term {
            Some(_) => match Box::pin(self.decide(meta, now)).await {
                Err(error @ TurnError::BackInTime { .. }) => return Err(error),
                decided => decided.map(Some),
            },
            None => Ok(None),
        };
        // Also without a turn of its own what is made goes out.
        let (made, delivered) = Box::pin(self.compose_and_deliver(decided, clock, now)).await;
        let made = match made {
            Err(TurnError::Store(error @ StoreError::Deposed)) => {
                tracing::warn!(%error, "the turn took longer than its process may be silent; it went on by delivering");
                self.term = None;
                Made::default()
            }
            Err(error) => {
                // What comes first is what is wrong; what keeps delivery from going on as well may follow from it.
                if let Err(follows) = delivered {
                    tracing::error!(error = %follows, "nor can what is made be delivered: {follows}");
                }
                return Err(error);
            }
            Ok(made) => made,
        };
        let Made {
            observed,
            decided,
            composed,
            mut watched,
            has_outdated,
            meta,
            reached: _,
        } = made;
        let mut delivered = delivered?;
        delivered.dead += composed.given_up;
        watched.delivered(&delivered);
        let (alarms, delivered) = self.watch_and_tell(watched, delivered, is_paused, clock).await?;
        match self.freeze_periods(&meta, now).await {
            Err(TurnError::Store(StoreError::Deposed)) => self.term = None,
            Err(error) => {
                tracing::error!(%error, "the figures of a period cannot be frozen; the next turn tries again: {error}");
            }
            Ok(()) => {}
        }
        match self.prune_daily(&meta, now).await {
            Err(TurnError::Store(StoreError::Deposed)) => self.term = None,
            // What has been told stays told.
            Err(error) => {
                tracing::error!(%error, "what is kept no longer cannot be removed; the next turn tries again: {error}");
            }
            Ok(()) => {}
        }
        if !delivered.by.is_empty() && self.term.is_some() {
            // Whoever looks takes the last turn for the present.
            match self.settle_reached().await {
                Err(StoreError::Deposed) => self.term = None,
                settled => settled?,
            }
        }
        let waiting = self.store.count_waiting_messages().await?;
        let outdated = match self.term {
            Some(_) if has_outdated => self.store.count_outdated(meta.generation).await?,
            _ => 0,
        };
        Ok(TurnReport {
            at: now,
            observed,
            decided,
            composed,
            delivered,
            waiting,
            is_paused,
            is_leading: self.term.is_some(),
            is_behind: false,
            outdated,
            alarms,
        })
    }

    /// Watches over what a turn met with, and sends what tells ops of it.
    async fn watch_and_tell(
        &mut self,
        watched: Watched,
        mut delivered: Delivered,
        is_paused: bool,
        clock: &Clock<'_>,
    ) -> Result<(usize, Delivered), TurnError> {
        if self.term.is_none() {
            return Ok((0, delivered));
        }
        match self.watch(watched, is_paused, clock()).await {
            Ok((alarms, is_told)) => {
                if is_told {
                    delivered.add(Box::pin(self.deliver(clock)).await?);
                }
                Ok((alarms, delivered))
            }
            Err(TurnError::Store(StoreError::Deposed)) => {
                self.term = None;
                Ok((0, delivered))
            }
            Err(error) => Err(error),
        }
    }

    /// Observes and decides: one process at a time does.
    async fn decide(&mut self, meta: Meta, now: Moment) -> Result<Decided, TurnError> {
        let is_own = self.reached.as_ref().is_some_and(|reached| reached.holds(&meta));
        let meta = self.as_it_goes(meta);
        if let Some(last) = meta.last_turn_at.filter(|last| now < *last) {
            return Err(TurnError::BackInTime { asked: now, last });
        }
        self.behind = None;
        if !(std::mem::take(&mut self.went_through) && is_own) {
            self.taken_up = TakenUp::default();
            self.summed_up.clear();
            self.freezes_at = None;
        }
        let mut meta = self.begin(meta, now).await?;
        self.taken_up.follow(meta.generation, &self.store).await?;
        let exceptions = self.store.exceptions(meta.generation, now).await?;
        self.disabled = match exceptions.disabled_endpoints {
            true => self.store.disabled_endpoints().await?,
            false => DisabledEndpoints::default(),
        };
        self.take_bounces(exceptions.suspensions, now).await?;
        self.follow_put_off(exceptions.last_due_at, now).await?;
        // Observing learns how fresh the source is; what is decided next must know it.
        let observed = self.observe(&mut meta, now).await?;
        let is_noted = self.note_outcomes(now).await?;
        let recorded = match is_noted || exceptions.untaken_obligations {
            true => self.take_obligations(&meta, now).await?,
            false => 0,
        };
        let looked = self.decide_due(&meta, exceptions.outdated_tickets, now).await?;
        let decided = observed.decided
            + recorded
            + looked.decided
            + self.decide_summaries(now).await?
            + self.decide_letters(now).await?;
        Ok(Decided {
            observed,
            decided,
            has_outdated: exceptions.outdated_tickets,
            meta,
            has_looked: looked.tickets > 0,
            reached: self.reached.clone().filter(|_| is_own),
        })
    }

    /// Composes and delivers. Mails that are made are sent while more are, so that neither the mail server nor the store's
    /// server waits for the other.
    async fn compose_and_deliver(
        &mut self,
        decided: Result<Option<Decided>, TurnError>,
        clock: &Clock<'_>,
        now: Moment,
    ) -> (Result<Made, TurnError>, Result<Delivered, TurnError>) {
        let mut ways = std::mem::take(&mut self.ways);
        // A turn that was dropped on its way may have left a sign.
        self.made = Notify::new();
        let is_made = AtomicBool::new(false);
        let making = async {
            let made = match decided {
                Ok(Some(decided)) => self.make_messages(decided, now).await,
                Ok(None) => Ok(Made::default()),
                Err(error) => Err(error),
            };
            is_made.store(true, Ordering::Relaxed);
            self.made.notify_one();
            made
        };
        let delivering = async {
            let (mut delivered, mut failed) = (Delivered::default(), None);
            loop {
                self.made.notified().await;
                let is_last = is_made.load(Ordering::Relaxed);
                // Slow endpoints must not keep mails that are made meanwhile from going out.
                let channels = match is_last {
                    true => &[Channel::Email, Channel::Webhook][..],
                    false => &[Channel::Email],
                };
                match self.send_due(&mut ways, channels, clock).await {
                    Ok(sent) => delivered.add(sent),
                    // Behind composing all is tried once more, also what could not be written down.
                    Err(error) if failed.is_none() => failed = Some(error),
                    Err(error) => tracing::error!(%error, "nor can what is made be delivered: {error}"),
                }
                if is_last {
                    return failed.map_or(Ok(delivered), Err);
                }
            }
        };
        let (made, delivered) = join!(Box::pin(making), Box::pin(delivering));
        self.give_back(ways);
        if let Ok(Made {
            reached: Some(reached), ..
        }) = &made
        {
            self.reached = Some(reached.clone());
            self.went_through = true;
        }
        (made, delivered)
    }

    /// There is something to be sent while more is composed. In a rehearsal nothing that is sent takes time.
    fn hand_on(&self) {
        if let Out::Servers { .. } = self.out {
            self.made.notify_one();
        }
    }

    /// Composes what is due, and says how far the turn has come: in the store where something has happened or nobody has said
    /// so there for long.
    async fn make_messages(&self, decided: Decided, now: Moment) -> Result<Made, TurnError> {
        let Decided {
            mut observed,
            decided,
            has_outdated,
            mut meta,
            has_looked,
            reached,
        } = decided;
        let has_due = self.is_anything_to_compose(&meta, now).await?;
        let mut composed = match has_due {
            true => {
                // Reading and deciding may have taken long enough for ops to have paused or forgotten meanwhile.
                let fresh = self.store.meta().await?;
                meta.last_forgetting = fresh.last_forgetting;
                match fresh.paused {
                    None => self.compose_due(&meta, now).await?,
                    Some(_) => Composed::default(),
                }
            }
            false => Composed {
                is_complete: meta.paused.is_none() && !self.pulse.is_stopping(),
                ..Composed::default()
            },
        };
        let decided = decided + composed.reread.decided;
        observed.join(std::mem::take(&mut composed.reread));
        let is_quiet = decided == 0 && !has_due && !has_looked && !has_outdated && observed.is_nothing();
        let reached = Reached::by_turn(reached, &meta, composed.is_complete, now);
        let reached = match is_quiet && !self.has_to_be_written(&reached, &meta, now) {
            true => reached,
            false => self.write_down(reached, &observed).await?,
        };
        // As it is by now: composing writes down whether it holds messages back.
        let mut meta = self.store.meta().await?;
        reached.show(&mut meta);
        let watched = Watched::prepared(
            &self.config,
            &meta,
            &observed,
            &composed,
            self.audit_failed.as_ref(),
            self.unbalanced.as_ref(),
            now,
        );
        Ok(Made {
            observed,
            decided,
            composed,
            watched,
            has_outdated,
            meta,
            reached: Some(reached),
        })
    }

    /// Begins a transaction of the process that decides.
    async fn begin_deciding(&self) -> Result<Tx, StoreError> {
        match &self.term {
            Some(term) => self.store.begin_deciding(term).await,
            None => Err(StoreError::Deposed),
        }
    }

    /// Asks the ticket database. An answer may take longer than the one that decides may be silent, so its term goes on
    /// meanwhile; who only looks has none.
    async fn read<T>(&self, ask: impl AsyncFnOnce(&Source) -> Result<T, SourceError>) -> Result<T, ReadError> {
        let mut asked = pin!(async { ask(self.source.open().await?).await });
        loop {
            match timeout(SIGN_OF_LIFE, &mut asked).await {
                Ok(answer) => return Ok(answer?),
                Err(_) if self.term.is_none() => {}
                Err(_) => self.begin_deciding().await?.commit().await?,
            }
        }
    }

    /// Delivers what is made, without a look at the ticket database: what is left of a turn while the clock is behind.
    pub async fn deliver_only(&mut self, clock: &Clock<'_>) -> Result<TurnReport, TurnError> {
        let meta = self.as_it_goes(self.store.meta().await?);
        let is_paused = meta.paused.is_some();
        self.follow_back(clock()).await?;
        let delivered = Box::pin(self.deliver(clock)).await?;
        let mut watched = Watched::clock_back(&self.config, &meta);
        watched.delivered(&delivered);
        let (alarms, delivered) = self.watch_and_tell(watched, delivered, is_paused, clock).await?;
        Ok(TurnReport {
            at: clock(),
            delivered,
            waiting: self.store.count_waiting_messages().await?,
            is_paused,
            is_leading: self.term.is_some(),
            is_behind: true,
            alarms,
            ..TurnReport::default()
        })
    }

    /// The clock was set back: what waits for an instant of the clock before is due now, once for each step back. Windows
    /// are looked at as always, and another attempt that fails is reckoned by the present clock.
    async fn follow_back(&mut self, now: Moment) -> Result<(), StoreError> {
        if self.behind.is_none_or(|before| now < before) {
            let mut tx = self.store.begin().await?;
            tx.due_at_once(now, now).await?;
            tx.commit().await?;
        }
        self.behind = Some(now);
        Ok(())
    }

    /// A message that was put off further than any is, by a process whose clock was wrong, is due now.
    async fn follow_put_off(&self, last_due_at: Option<Moment>, now: Moment) -> Result<(), StoreError> {
        let Some(last) = last_due_at.filter(|last| *last > now + self.longest_wait()) else {
            return Ok(());
        };
        let latest = self.latest_attempt(now);
        if last > latest {
            let mut tx = self.begin_deciding().await?;
            let messages = tx.due_at_once(now, latest).await?;
            tx.commit().await?;
            tracing::warn!(messages, %last, "messages were put off by a clock that was wrong, until {last} at the latest; they are due now");
        }
        Ok(())
    }

    /// Tells ops by their own command, for what no mail can carry.
    pub async fn tell_otherwise(&self, text: &str) {
        command::tell(&self.config.ops.command, text).await;
        self.pulse.beat();
    }

    /// Ends the connections politely, and lets another process decide.
    pub async fn close(&mut self) {
        self.settle_owing().await;
        self.take_leave().await;
        if self.term.is_some()
            && let Err(error) = self.settle_reached().await
        {
            tracing::warn!(%error, "the last turn is not written down: {error}");
        }
        if let Some(term) = self.term.take()
            && let Err(error) = self.store.step_down(&term).await
        {
            tracing::warn!(%error, "another process decides only once this one's term has run out");
        }
        self.store.close().await;
    }

    /// Takes leave of the mail server on all connections at once; what that leaves open is closed without.
    async fn take_leave(&mut self) {
        let Out::Servers { smtp, .. } = &self.out else { return };
        let all = join_all(self.ways.connections.iter_mut().map(|connection| smtp.quit(connection)));
        if timeout(LEAVE, all).await.is_err() {
            tracing::debug!("the mail server takes long to take leave; its connections are closed");
        }
    }

    /// Records the first turn, voids the claims of a process that is gone, and takes up a changed configuration.
    async fn begin(&mut self, mut meta: Meta, now: Moment) -> Result<Meta, TurnError> {
        let is_changed = meta.fingerprint.as_deref() != Some(self.config.fingerprint.as_str());
        if self.claims_voided && meta.first_turn_at.is_some() && !is_changed && self.parts.is_none() {
            return Ok(meta);
        }
        // A variable may have changed them, which no file shows.
        let modes = Modes::read(&self.config, &self.store).await?;
        let changed_modes = modes.changed();
        let is_changed = is_changed || !changed_modes.is_empty();
        self.is_changed |= is_changed;
        let seen = if is_changed {
            self.store.rules_seen().await?
        } else {
            HashMap::new()
        };
        let change = self.change(now).await?;
        let mut tx = self.begin_deciding().await?;
        if let Some(parts) = &self.parts {
            tx.put_parts(parts).await?;
        }
        if let Some(change) = &change {
            tx.put_change(change).await?;
            meta.change = Some(change.clone());
        }
        if !self.claims_voided {
            let left = tx.void_claims(now).await?;
            if left > 0 {
                tracing::warn!(
                    messages = left,
                    "a process ended while it was sending; what it left is sent again with the same ids"
                );
            }
        }
        modes::take_up(&mut tx, &changed_modes, now).await?;
        if is_changed {
            addresses::take_up(&mut tx, &self.config, now).await?;
        }
        if meta.first_turn_at.is_none() {
            tx.put_moments(&[(MetaMoment::FirstTurn, now)]).await?;
            meta.first_turn_at = Some(now);
        }
        if is_changed {
            meta.generation += 1;
            tx.put_generation(meta.generation, &self.config.fingerprint).await?;
            for rule in &self.config.rules.rules {
                let since = rule
                    .was
                    .iter()
                    .filter_map(|was| seen.get(was))
                    .min()
                    .copied()
                    .unwrap_or(now);
                tx.rule_in_force(&rule.id, since).await?;
            }
            for summary in &self.config.rules.summaries {
                tx.rule_in_force(&summaries::key(summary), now).await?;
            }
            let writes_letters = self.config.monthly.letters_at.is_some();
            if writes_letters {
                tx.rule_in_force(monthly::KEY, now).await?;
            }
            let is_known = |id: &str| {
                let RuleSet { rules, summaries, .. } = &self.config.rules;
                id == monthly::KEY && writes_letters
                    || rules.iter().any(|r| r.id == id)
                    || summaries.iter().any(|s| summaries::key(s) == id)
            };
            for gone in seen.keys().filter(|id| !is_known(id)) {
                tx.rule_removed(gone).await?;
            }
            tracing::info!(
                generation = meta.generation,
                rules = self.config.rules.rules.len(),
                "rules in force"
            );
        }
        tx.commit().await?;
        self.claims_voided = true;
        self.parts = None;
        if let Some(change) = change {
            for line in change.lines() {
                tracing::info!("the configuration has changed: {line}");
            }
            tracing::info!(
                withdrawn = change.withdrawn,
                differing = change.differing,
                "of what waits {} notices are withdrawn and {} are told otherwise; all tickets are evaluated again",
                change.withdrawn,
                change.differing
            );
        }
        Ok(meta)
    }

    /// What the configuration changes, where it is another than the last that was in force.
    async fn change(&self, now: Moment) -> Result<Option<Change>, StoreError> {
        let Some(parts) = &self.parts else { return Ok(None) };
        let Some(before) = self.store.parts().await? else {
            return Ok(None);
        };
        let Some(changed) = parts.since(&before).filter(|changed| !changed.is_empty()) else {
            return Ok(None);
        };
        let template = |rule: &str, step: &str| {
            let mut steps = self.config.rules.named(rule)?.steps.iter();
            steps.find(|s| s.id == step).map(|s| s.template.as_str())
        };
        let waiting = self.store.waiting_by_step().await?;
        Ok(Some(Change::new(changed, &waiting, template, now)))
    }

    fn context(&self, meta: &Meta, now: Moment) -> Context<'_> {
        context(&self.config, meta, now)
    }

    fn source_is_fresh(&self, meta: &Meta, now: Moment) -> bool {
        source_is_fresh(&self.config, meta, now)
    }

    /// Working time between two instants by the base calendar.
    fn age(&self, from: Moment, to: Moment) -> TimeDelta {
        self.config.calendars.base().working_time_between(from, to)
    }
}

/// The ticket database of a configuration, with title and body where a rule looks at them.
#[must_use]
pub fn ticket_database(config: &Config) -> TicketDatabase {
    let reads_text = config.rules.classify.iter().any(|c| c.matcher.looks_at(Column::Text));
    TicketDatabase::new(config.source.clone(), reads_text)
}

/// Each answer of the ticket database is progress.
fn feel(source: &TicketDatabase, pulse: &Arc<Pulse>) {
    let pulse = Arc::clone(pulse);
    source.on_answer(move || pulse.beat());
}

/// What decides beside the ticket.
#[must_use]
pub fn context<'a>(config: &'a Config, meta: &Meta, now: Moment) -> Context<'a> {
    Context {
        rules: &config.rules,
        directory: &config.directory,
        calendars: &config.calendars,
        events_from: config.rules.since.or(meta.first_turn_at).unwrap_or(now),
        kept_from: meta.kept_from,
    }
}

/// Whether the ticket database shows its usual life: its newest change is not older, in office hours, than
/// `source.stale_after`.
fn source_is_fresh(config: &Config, meta: &Meta, now: Moment) -> bool {
    let (Some(after), Some(newest)) = (config.source.stale_after, meta.newest_update) else {
        return true;
    };
    let age = config.calendars.base().working_time_between(newest, now);
    !config.source.has_updated_at || age <= span_time(after)
}

/// A span of configuration as working time; working days are taken as eight hours.
fn span_time(span: Span) -> TimeDelta {
    match span {
        Span::Elapsed(d) | Span::WorkingTime(d) => d,
        Span::WorkingDays(n) | Span::CalendarDays(n) => TimeDelta::hours(8 * i64::from(n)),
    }
}

/// Since when each rule has been in force, as evaluation asks for it.
async fn rules_since(store: &Store) -> Result<HashMap<String, Moment>, StoreError> {
    store.rules_seen().await
}

impl TurnReport {
    /// What of the turn needs somebody's eye.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.observed.problems.iter().map(ToString::to_string).collect();
        problems.extend(self.composed.problems.iter().cloned());
        problems
    }

    /// The ticket database could not be read in this turn.
    #[must_use]
    pub fn source_failed(&self) -> bool {
        self.observed.source_failed()
    }

    /// The turn did all that one does, and nothing kept it from telling what is due. What is wrong with single rows and
    /// words hinders nobody else.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let hinders = |problem: &Problem| match problem {
            Problem::SourceDown(_)
            | Problem::Implausible { .. }
            | Problem::Replaced { .. }
            | Problem::NotComparable
            | Problem::Stale(_)
            | Problem::Storm { .. } => true,
            Problem::Rejected(_) | Problem::Spoiled(_) | Problem::UnmappedStatus { .. } => false,
        };
        self.is_leading
            && !self.is_paused
            && self.composed.is_complete
            && self.composed.problems.is_empty()
            && self.delivered.refused.is_none()
            && !self.observed.problems.iter().any(hinders)
    }
}

/// A source error as a problem of the turn.
fn down(error: &SourceError) -> Problem {
    Problem::SourceDown(error.to_string())
}
