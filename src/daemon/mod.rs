//! The daemon: turns, one after the other, until it is told to stop.
//!
//! It only wakes, watches and tells: what is due is decided by rows in the store, so that nothing is skipped or repeated
//! across restarts and steps of the clock. While a turn goes on, signals are heard, tasks are watched, and systemd's
//! watchdog is fed from the turn's own progress. A turn that fails is told and tried again at the next wake; a task that
//! ends ends the process, so that systemd starts it anew.

mod alarm;
mod alive;
mod http;
mod metrics;
mod pid;
mod signals;
mod state;
mod systemd;

use std::future::{Pending, pending};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, Timeout, timeout};

use crate::config::Config;
use crate::domain::Moment;
use crate::engine::{AuditError, Engine, Prepared, Pulse, TurnError, TurnReport, longest_wait};
use crate::process;
use crate::store::{Store, StoreError};

use alarm::Alarm;
use alive::Sign;
use signals::{Heard, Signals};
use state::State;

pub use pid::PidFile;

/// What ends the daemon with a failure.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error("signals cannot be heard: {0}")]
    Signals(std::io::Error),
    #[error("{address}: cannot be listened on: {error}; set [http] listen to a free address, or to \"off\"")]
    Listen {
        address: std::net::SocketAddr,
        error: std::io::Error,
    },
    #[error("{path}: {error}")]
    PidFile {
        path: std::path::PathBuf,
        error: std::io::Error,
    },
    #[error("{path}: another dondoc daemon runs with it; stop that one first")]
    Running { path: std::path::PathBuf },
    #[error("the alarm clock cannot be set: {0}")]
    Alarm(#[from] tokio_cron_scheduler::JobSchedulerError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a task of the daemon has ended: {0}")]
    Task(String),
}

/// How long taking leave may last, of the mail server and the store.
const LEAVE: Duration = Duration::from_secs(4);

/// Why the process does not wait for what is under way.
const AGAIN: &str = "a second signal to stop";

/// How often the loop looks whether work goes forward.
const LOOK: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
///
/// `reload` reads the configuration anew and opens what it names, or says why it can't be used; `clock` tells the time.
///
/// # Errors
/// What cannot be set up at the start, or a task that ended.
pub async fn run<R: Future<Output = Result<Prepared, String>>>(
    store: Store,
    prepared: Prepared,
    reload: impl Fn() -> R,
    clock: fn() -> Moment,
) -> Result<(), DaemonError> {
    let signals = Signals::listen().map_err(DaemonError::Signals)?;
    let config = Arc::clone(&prepared.config);
    let _pid = config.run.pid_file.as_deref().map(PidFile::write).transpose()?;
    let state = Arc::new(State::new(&config, clock));
    let mut tasks = JoinSet::new();
    if let Some(address) = config.http.listen {
        let listener = http::bind(address).await?;
        tasks.spawn(http::serve(listener, config.http.token.clone(), Arc::clone(&state)));
    }
    let mut alarm = Alarm::set(config.run.every).await?;
    let mut engine = Engine::new(prepared, store);
    let mut watch = Watch::new(signals, tasks, engine.pulse(), Arc::clone(&state), &config);
    let ended = match watch.over(note_config(&engine, clock())).await {
        Ok(noted) => {
            noted?;
            tracing::info!(
                version = env!("CARGO_PKG_VERSION"),
                rules = config.rules.rules.len(),
                "dondoc is ready"
            );
            systemd::ready();
            work(&mut engine, &mut alarm, &mut watch, &reload, clock).await
        }
        Err(ending) => Err(ending),
    };
    watch
        .leave(&ended, async {
            alarm.end().await;
            engine.close().await;
        })
        .await;
    outcome(ended)
}

/// How the process ends: with a failure where a task ended under it.
fn outcome(ended: Result<(), Ending>) -> Result<(), DaemonError> {
    match ended {
        Err(Ending::Task(what)) => Err(DaemonError::Task(what)),
        Err(Ending::Abandoned(why)) => {
            tracing::warn!(%why, "stopped in the middle of a turn; what has no answer counts as unknown and is sent again");
            Ok(())
        }
        Ok(()) => {
            tracing::info!("dondoc has stopped");
            Ok(())
        }
    }
}

/// Why the loop ended otherwise than by an orderly stop.
enum Ending {
    Task(String),
    Abandoned(&'static str),
}

async fn work<R: Future<Output = Result<Prepared, String>>>(
    engine: &mut Engine,
    alarm: &mut Alarm,
    watch: &mut Watch,
    reload: &impl Fn() -> R,
    clock: fn() -> Moment,
) -> Result<(), Ending> {
    // Nothing can be stored of a turn that fails: the disk may be full.
    let mut fails = false;
    let mut sign = Sign::default();
    loop {
        let began = clock();
        // Boxed: the compiler does not lay out so much in one piece.
        let turn = watch.over(Box::pin(one_turn(engine, clock))).await?;
        if turn.is_err() != fails {
            fails = turn.is_err();
            let text = match &turn {
                Err(error) => format!("dondoc: a turn failed: {error}\n"),
                Ok(_) => "dondoc: turns go through again\n".to_owned(),
            };
            watch.over(engine.tell_otherwise(&text)).await?;
        }
        watch.state.turn_ended(&turn, began, clock());
        if let Ok(report) = &turn {
            after_turn(engine, watch, &mut sign, report, clock).await?;
        }
        let backlog = watch.over(engine.store().backlog()).await?;
        watch.state.backlog(backlog, clock());
        systemd::status(&watch.state.line());
        let is_unfinished = matches!(&turn, Ok(report) if report.outdated > 0 && !report.source_failed());
        if !is_unfinished {
            watch.over(engine.rest()).await?;
            process::give_back_memory();
        }
        loop {
            if watch.pulse.is_stopping() {
                return Ok(());
            }
            if std::mem::take(&mut watch.reload_wanted) {
                take_up(engine, alarm, watch, reload, clock).await?;
                break;
            }
            if is_unfinished || watch.idle(alarm).await? {
                break;
            }
        }
    }
}

/// What comes once all is delivered: the nightly audit where it is due, and the sign that all is well where it is. Where
/// another process leads, what that one's audit found is shown.
async fn after_turn(
    engine: &mut Engine,
    watch: &mut Watch,
    sign: &mut Sign,
    report: &TurnReport,
    clock: fn() -> Moment,
) -> Result<(), Ending> {
    // What is still to be evaluated is not yet told.
    if report.source_failed() || report.outdated > 0 || watch.pulse.is_stopping() {
        return Ok(());
    }
    let audited = watch.over(Box::pin(engine.audit_nightly(&clock))).await?;
    let last = match audited {
        Ok(last) => last,
        Err(AuditError::Stopping | AuditError::Turn(TurnError::Store(StoreError::Deposed))) => return Ok(()),
        Err(error) => {
            tracing::error!(%error, "the nightly audit could not be taken; it is tried again in half an hour: {error}");
            match watch.over(engine.store().meta()).await? {
                Ok(meta) => meta.audit,
                Err(error) => {
                    tracing::error!(%error, "what the last audit found cannot be read: {error}");
                    return Ok(());
                }
            }
        }
    };
    watch.state.audited(last.as_ref());
    if let Some(alive) = engine
        .alive()
        .filter(|_| alive::all_is_well(report, last.as_ref(), clock()))
    {
        sign.give(alive, engine.config().ops.alive_every, &watch.state, clock());
    }
    Ok(())
}

/// A turn. With the clock before the last turn nothing is decided until it has caught up, but delivery goes on.
async fn one_turn(engine: &mut Engine, clock: fn() -> Moment) -> Result<TurnReport, TurnError> {
    match engine.turn_by(&clock).await {
        Err(TurnError::BackInTime { asked, last }) => {
            tracing::error!(%asked, %last, "the clock is behind the last turn: nothing is decided until it has caught up; what is made is delivered");
            engine.deliver_only(&clock).await
        }
        other => other,
    }
}

/// A reload in two phases: everything is built and checked, then taken up. What can't be used leaves all as it is.
async fn take_up<R: Future<Output = Result<Prepared, String>>>(
    engine: &mut Engine,
    alarm: &mut Alarm,
    watch: &mut Watch,
    reload: &impl Fn() -> R,
    clock: fn() -> Moment,
) -> Result<(), Ending> {
    systemd::reloading();
    let prepared = watch.over(reload()).await?;
    let before = Arc::clone(engine.config());
    let outcome = prepared.and_then(|prepared| match needs_restart(&before, &prepared.config) {
        Some(what) => Err(format!(
            "{what} takes a restart; the configuration before it is in force"
        )),
        None => Ok(prepared),
    });
    let noted = match outcome {
        Ok(prepared) => {
            let config = Arc::clone(&prepared.config);
            engine.adopt(prepared).await;
            if config.run.every != before.run.every {
                match Alarm::set(config.run.every).await {
                    Ok(new) => std::mem::replace(alarm, new).end().await,
                    Err(error) => tracing::error!(%error, "the alarm clock stays as it was set before"),
                }
            }
            // What the pages show is true by when the log says so.
            watch.state.reloaded(&config, clock());
            watch.adopt(&config);
            tracing::info!(rules = config.rules.rules.len(), hash = %config.fingerprint, "configuration reloaded");
            watch.over(note_config(engine, clock())).await?
        }
        Err(why) => {
            watch.state.reload_refused();
            tracing::error!(%why, "the configuration was not taken up; the one before it is in force: {why}");
            watch.over(note_refusal(engine, &why, clock())).await?
        }
    };
    if let Err(error) = noted {
        tracing::error!(%error, "the store does not know of the reload");
    }
    systemd::ready();
    Ok(())
}

/// What a process cannot change while it lives.
fn needs_restart(before: &Config, after: &Config) -> Option<&'static str> {
    if before.store.database.to_string() != after.store.database.to_string() {
        return Some("another `store.url`");
    }
    let secret = |secret: Option<&SecretString>| secret.map(|s| s.expose_secret().to_owned());
    if secret(before.store.database.password()) != secret(after.store.database.password()) {
        return Some("another `store.password`");
    }
    if before.http.listen != after.http.listen {
        return Some("another `http.listen`");
    }
    if secret(before.http.token.as_ref()) != secret(after.http.token.as_ref()) {
        return Some("another `http.token`");
    }
    if before.run.pid_file != after.run.pid_file {
        return Some("another `run.pid_file`");
    }
    None
}

async fn note_config(engine: &Engine, at: Moment) -> Result<(), StoreError> {
    let mut tx = engine.store().begin().await?;
    tx.config_loaded(at).await?;
    tx.commit().await
}

async fn note_refusal(engine: &Engine, why: &str, at: Moment) -> Result<(), StoreError> {
    let mut tx = engine.store().begin().await?;
    tx.config_refused(why, at).await?;
    tx.commit().await
}

/// Over after some time.
type Deadline = Pin<Box<Timeout<Pending<()>>>>;

/// Hears signals, watches tasks and feeds the watchdog while something else goes on.
struct Watch {
    signals: Signals,
    tasks: JoinSet<String>,
    pulse: Arc<Pulse>,
    state: Arc<State>,
    looks: Interval,
    /// Beats at the last look.
    beats: u64,
    reload_wanted: bool,
    drain: Duration,
    /// Asked to stop, what is under way has until then.
    end: Option<Deadline>,
    /// A wake this late means that the alarm clock has stopped, or that the system's went back.
    late: Duration,
}

impl Watch {
    fn new(signals: Signals, tasks: JoinSet<String>, pulse: Arc<Pulse>, state: Arc<State>, config: &Config) -> Watch {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut watch = Watch {
            signals,
            tasks,
            pulse,
            state,
            looks,
            beats: 0,
            reload_wanted: false,
            drain: Duration::ZERO,
            end: None,
            late: Duration::ZERO,
        };
        watch.adopt(config);
        watch
    }

    /// Watches by another configuration.
    fn adopt(&mut self, config: &Config) {
        let every = config.run.every.to_std().unwrap_or(Duration::from_secs(60));
        self.late = every * 2 + Duration::from_secs(5);
        self.drain = config.run.drain.to_std().unwrap_or(Duration::from_secs(20));
        systemd::outlast(longest_wait(config));
    }

    /// Does some work to its end, or, after SIGTERM, for as long as `run.drain` allows.
    async fn over<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        let mut work = pin!(work);
        loop {
            if let Some(end) = &mut self.end {
                return drain(&mut self.signals, work, end).await;
            }
            tokio::select! {
                biased;
                heard = self.signals.next() => match heard {
                    Heard::Reload => self.reload_wanted = true,
                    Heard::Stop => self.stop(),
                },
                done = &mut work => return Ok(done),
                Some(ended) = self.tasks.join_next() => return Err(ended_task(ended)),
                _ = self.looks.tick() => self.look(false),
            }
        }
    }

    /// Does what belongs to an orderly end, unless it takes long or is asked for once more.
    async fn leave(&mut self, ended: &Result<(), Ending>, leaving: impl Future<Output = ()>) {
        if matches!(ended, Err(Ending::Abandoned(AGAIN))) {
            return;
        }
        tokio::select! {
            biased;
            () = self.signals.stop() => tracing::warn!(why = AGAIN, "ended without taking leave of the store"),
            left = timeout(LEAVE, leaving) => if left.is_err() {
                tracing::warn!("the store takes long to take leave; its connections are closed without, and another process decides only once this one's term has run out");
            },
        }
    }

    /// Waits until it is time for a turn; false where something else has to be looked at first.
    async fn idle(&mut self, alarm: &mut Alarm) -> Result<bool, Ending> {
        let mut wake = pin!(timeout(self.late, alarm.rings()));
        loop {
            tokio::select! {
                biased;
                heard = self.signals.next() => {
                    match heard {
                        Heard::Reload => self.reload_wanted = true,
                        Heard::Stop => self.stop(),
                    }
                    return Ok(false);
                },
                Some(ended) = self.tasks.join_next() => return Err(ended_task(ended)),
                rang = &mut wake => {
                    if rang.is_err() {
                        tracing::warn!("the alarm clock did not ring in time (a clock that was set back?); a turn is taken all the same");
                    }
                    return Ok(true);
                }
                _ = self.looks.tick() => self.look(true),
            }
        }
    }

    fn stop(&mut self) {
        self.end = Some(Box::pin(timeout(self.drain, pending())));
        tracing::info!("asked to stop; what is under way comes to its end");
        systemd::stopping(self.drain + LEAVE + LEAVE);
        self.pulse.stop();
    }

    /// Tells systemd and `/healthz` that work goes forward, if it does.
    fn look(&mut self, is_idle: bool) {
        let beats = self.pulse.beats();
        if is_idle || beats != self.beats {
            self.beats = beats;
            self.state.goes_forward();
            systemd::feed_watchdog();
        }
    }
}

/// What is under way once the daemon was asked to stop: until its end, unless asked for once more.
async fn drain<T>(
    signals: &mut Signals,
    work: Pin<&mut impl Future<Output = T>>,
    end: &mut Deadline,
) -> Result<T, Ending> {
    tokio::select! {
        biased;
        () = signals.stop() => Err(Ending::Abandoned(AGAIN)),
        done = work => Ok(done),
        _ = end => Err(Ending::Abandoned("run.drain is over")),
    }
}

fn ended_task(ended: Result<String, JoinError>) -> Ending {
    Ending::Task(ended.unwrap_or_else(|error| error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::path::Path;

    use chrono::TimeDelta;

    use super::*;
    use crate::config::settings::Database;
    use crate::domain::Moment;

    /// A daemon's watch over one task.
    fn watch(task: impl Future<Output = String> + Send + 'static) -> Watch {
        let dir = tempfile::tempdir().unwrap();
        crate::shipped::copy(dir.path()).unwrap();
        let config = crate::config::load(dir.path(), std::iter::empty()).unwrap().config;
        let mut tasks = JoinSet::new();
        tasks.spawn(task);
        let state = Arc::new(State::new(&config, || Moment::UNIX_EPOCH));
        Watch::new(Signals::listen().unwrap(), tasks, Arc::default(), state, &config)
    }

    #[tokio::test]
    async fn a_task_that_crashes_in_the_middle_of_a_turn_ends_the_daemon_with_an_error() {
        let ended = watch(async { panic!("a page fell over") }).over(pending::<()>()).await;
        let error = outcome(ended).unwrap_err();
        assert!(
            matches!(&error, DaemonError::Task(what) if what.contains("a page fell over")),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_task_that_ends_while_there_is_nothing_to_do_ends_the_daemon_with_an_error() {
        let mut alarm = Alarm::set(TimeDelta::hours(1)).await.unwrap();
        let ended = watch(ready("the pages are not served".to_owned()))
            .idle(&mut alarm)
            .await;
        let error = outcome(ended.map(drop)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a task of the daemon has ended: the pages are not served"
        );
        alarm.end().await;
    }

    /// The shipped configuration with variables over it.
    fn configured(dir: &Path, variables: &[(&str, &str)]) -> Config {
        if !dir.join("dondoc.toml").exists() {
            crate::shipped::copy(dir).unwrap();
        }
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        crate::config::load(dir, variables).unwrap().config
    }

    #[tokio::test]
    async fn a_reload_changes_how_long_the_alarm_clock_and_the_end_are_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Database::Sqlite(dir.path().join("store.db")))
            .await
            .unwrap();
        let prepared = |variables: &[(&str, &str)]| {
            let config = configured(dir.path(), variables);
            let renderer = crate::render::Renderer::load(&config.templates_dir, &config.wording).unwrap();
            Prepared::new(Arc::new(config), renderer).unwrap()
        };
        let mut engine = Engine::new(prepared(&[("DONDOC__RUN__EVERY", "1s")]), store);
        let mut alarm = Alarm::set(TimeDelta::seconds(1)).await.unwrap();
        let mut watch = watch(pending());
        let reload = || async { Ok(prepared(&[("DONDOC__RUN__EVERY", "10m"), ("DONDOC__RUN__DRAIN", "7s")])) };
        let taken = take_up(&mut engine, &mut alarm, &mut watch, &reload, || Moment::UNIX_EPOCH).await;
        assert!(taken.is_ok());
        assert_eq!(watch.drain, Duration::from_secs(7));
        assert!(watch.late > Duration::from_secs(600), "{:?}", watch.late);
        engine.close().await;
        alarm.end().await;
    }

    #[test]
    fn another_password_of_the_store_takes_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let with = |password| {
            let url = ("DONDOC__STORE__URL", "postgres://dondoc@db.example/dondoc");
            configured(dir.path(), &[url, ("DONDOC__STORE__PASSWORD", password)])
        };
        assert_eq!(needs_restart(&with("cũ"), &with("cũ")), None);
        assert_eq!(
            needs_restart(&with("cũ"), &with("mới")),
            Some("another `store.password`")
        );
    }

    #[tokio::test]
    async fn work_under_which_no_task_ends_comes_to_its_end() {
        let done = watch(pending()).over(ready(7)).await;
        assert!(matches!(done, Ok(7)));
    }
}
