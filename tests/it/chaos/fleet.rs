//! The processes: the real binary, started, killed at random instants, stopped and let go on, cut off, started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::time::Instant;

use super::log::Log;
use super::pass;
use super::random::Random;
use super::wire::{Way, Wire};

/// What may happen to processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Calm,
    Storm,
    /// Every process is killed once and started again, as the configuration is another.
    Anew,
    /// All are stopped for good.
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blow {
    Kill,
    /// SIGSTOP; the process is let go on later.
    Stop,
    Cut,
    Dead,
    /// It ended by itself, as it does without a store to begin with.
    Exit,
}

/// Something that happened to a replica, from when to when.
#[derive(Debug, Clone, Copy)]
pub struct Event {
    pub replica: usize,
    pub from: Instant,
    pub until: Instant,
    pub blow: Blow,
}

/// One replica after the other life.
pub struct Replica {
    pub number: usize,
    pub config: PathBuf,
    pub variables: Vec<(String, String)>,
    pub random: Random,
    pub log: Arc<Log>,
    pub events: Arc<Mutex<Vec<Event>>>,
    pub weather: watch::Receiver<Weather>,
    /// To its databases, where they are on a server.
    pub wire: Option<Wire>,
    /// Longest stop, in milliseconds.
    pub longest_stop: u64,
    /// How many have been started anew.
    pub anew: Arc<AtomicUsize>,
}

impl Replica {
    pub fn log_file(config: &Path, number: usize) -> PathBuf {
        config.join(format!("replica-{number}.log"))
    }

    fn start(&self) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(Replica::log_file(&self.config, self.number));
        Command::new(env!("CARGO_BIN_EXE_dondoc"))
            .arg("--config")
            .arg(&self.config)
            .args(["--log-format", "json", "run"])
            .env_remove("DONDOC_LOG")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(log.expect("a log"))
            .kill_on_drop(true)
            .spawn()
            .expect("dondoc run")
    }

    fn note(&self, blow: Blow, from: Instant) {
        self.events.lock().expect("the events").push(Event {
            replica: self.number,
            from,
            until: Instant::now(),
            blow,
        });
    }

    /// Lives until the weather is over.
    pub async fn live(mut self) {
        let mut is_anew = false;
        loop {
            // Looked at first: what is started after that reads the new configuration.
            let becomes_anew = *self.weather.borrow() == Weather::Anew && !is_anew;
            let mut child = self.start();
            let born = Instant::now();
            if becomes_anew {
                is_anew = true;
                self.anew.fetch_add(1, Ordering::SeqCst);
            }
            let is_over = self.life(&mut child, is_anew).await;
            // Gone already, where it ended by itself.
            let _ = child.start_kill();
            let status = child.wait().await.expect("its end");
            match status.code() {
                None => self.note(Blow::Kill, born),
                Some(_) => self.note(Blow::Exit, born),
            }
            if is_over {
                return;
            }
        }
    }

    /// One life; true where it is the last.
    async fn life(&mut self, child: &mut Child, is_anew: bool) -> bool {
        loop {
            let weather = *self.weather.borrow_and_update();
            match weather {
                Weather::Over => return true,
                Weather::Anew if !is_anew => return false,
                _ => {}
            }
            let storms = weather == Weather::Storm;
            let (blow, at) = self.next_blow();
            let falls = fall(&self.log, at);
            tokio::select! {
                biased;
                changed = self.weather.changed() => if changed.is_err() { return true },
                _ = child.wait() => {
                    // As systemd does, not at once.
                    pass(Duration::from_millis(100)).await;
                    return false;
                }
                () = falls, if storms => if self.strike(blow, child).await { return false },
            }
        }
    }

    fn next_blow(&mut self) -> (Blow, When) {
        let after = match (&self.wire, self.random.below(2)) {
            (None, 0) => self.random.millis(50, 1500),
            (None, _) => self.random.millis(1500, 4000),
            // There are others beside it.
            (Some(_), 0) => self.random.millis(50, 2500),
            (Some(_), _) => self.random.millis(2500, 9000),
        };
        let at = match self.random.percent(25) {
            // As an answer is on its way.
            true => When::Kept(self.random.millis(0, 30), after),
            false => When::After(after),
        };
        let blow = match self.random.below(100) {
            _ if self.wire.is_none() => Blow::Kill,
            0..=44 => Blow::Kill,
            45..=69 => Blow::Stop,
            70..=94 => Blow::Cut,
            _ => Blow::Dead,
        };
        (blow, at)
    }

    /// True where the life is over by it.
    async fn strike(&mut self, blow: Blow, child: &mut Child) -> bool {
        let from = Instant::now();
        let lasts = self.random.millis(200, self.longest_stop);
        match blow {
            Blow::Kill | Blow::Exit => return true,
            Blow::Stop => {
                signal(child, Signal::STOP);
                pass(lasts).await;
                signal(child, Signal::CONT);
            }
            Blow::Cut | Blow::Dead => {
                let wire = self.wire.as_ref().expect("a wire");
                wire.goes(if blow == Blow::Cut { Way::Cut } else { Way::Dead });
                pass(lasts / 2).await;
                wire.goes(Way::Open);
            }
        }
        self.note(blow, from);
        false
    }
}

/// When the next blow falls: after a while, or as soon as something more is kept, a moment later.
enum When {
    After(Duration),
    Kept(Duration, Duration),
}

async fn fall(log: &Log, at: When) {
    match at {
        When::After(while_) => pass(while_).await,
        When::Kept(later, at_last) => {
            let mut changes = log.changes();
            // A log that nothing is added to serves as well.
            let _ = tokio::time::timeout(at_last, changes.changed()).await;
            pass(later).await;
        }
    }
}

fn signal(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // Its end is not reaped yet, so the number is still its own.
    if let Some(id) = id {
        kill_process(id, signal).expect("a signal");
    }
}
