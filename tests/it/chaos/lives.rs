//! The lives of tickets: what the script does to the ticket database, and when.
//!
//! Whatever of a life hangs on what was told before waits until a receiver has it; whatever hangs on nothing being told
//! yet is done well before it is late. So what is owed is the same however the run goes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::log::Log;
use super::owed::{self, Act, Ending, Kind, OfTicket, UNITS, WITHOUT_BOX};
use super::province::{self, Zone};
use super::random::Random;
use super::{pass, since_start};
use crate::tickets::{self, Tickets};

/// An ending that is to be in time is so by this much.
const MARGIN: TimeDelta = TimeDelta::seconds(4);

/// Everything that was done, with the second of the run.
pub type Done = BTreeMap<String, Vec<(f64, Act)>>;

pub struct Script {
    pub tickets: Tickets,
    pub kind: tickets::Kind,
    pub zone: Zone,
    pub log: Arc<Log>,
    pub done: Mutex<Done>,
    pub seed: u64,
    /// Whether endings that only the digest tells of are made.
    pub before_digest: AtomicBool,
}

impl Script {
    fn note(&self, code: &str, act: Act) {
        let mut done = self.done.lock().expect("what was done");
        done.entry(code.to_owned()).or_default().push((since_start(), act));
    }

    fn acts(&self, code: &str) -> Vec<Act> {
        let done = self.done.lock().expect("what was done");
        done[code].iter().map(|(_, act)| act.clone()).collect()
    }

    /// What is owed by now, of all tickets.
    pub fn owed(&self) -> OfTicket {
        let done = self.done.lock().expect("what was done");
        let mut all = OfTicket::default();
        for (code, acts) in &*done {
            let acts: Vec<Act> = acts.iter().map(|(_, act)| act.clone()).collect();
            let of_ticket = owed::owed(code, &acts);
            all.at_once.extend(of_ticket.at_once);
            all.in_digest.extend(of_ticket.in_digest);
            all.dead += of_ticket.dead;
            all.dead_in_digest += of_ticket.dead_in_digest;
        }
        all
    }

    async fn make(&self, code: &str, act: Act, due: DateTime<Utc>) {
        let Act::Made {
            kind, unit, helpers, ..
        } = &act
        else {
            panic!("{act:?}");
        };
        let now = province::now();
        let helpers: Vec<String> = helpers.iter().map(|unit| province::name(*unit)).collect();
        let [received, updated] = [now, now].map(|at| province::written(at, self.zone, self.kind));
        let sql = format!(
            "INSERT INTO ticket (code, status, received_at, updated_at, due_at, category, agency, co_agencies, reopen_count) \
             VALUES ('{code}', 'đang xử lý', {received}, {updated}, {}, '{}', '{}', '{}', 0)",
            province::written_due(due, self.zone),
            kind.word(),
            province::name(*unit),
            helpers.join(", "),
        );
        // Noted first: whoever reckons what is owed knows of all that could be told.
        self.note(code, act);
        self.tickets.sql(&sql).await;
    }

    async fn change(&self, code: &str, act: Act, set: &str) {
        let updated = province::written(province::now(), self.zone, self.kind);
        self.note(code, act);
        let sql = format!("UPDATE ticket SET {set}, updated_at = {updated} WHERE code = '{code}'");
        assert_eq!(self.tickets.sql(&sql).await, 1, "{code}");
    }

    fn ends(&self, how: Ending) -> String {
        let at = province::written(province::now(), self.zone, self.kind);
        match how {
            Ending::Done => format!("status = 'đóng', answered_at = {at}"),
            Ending::Rejected => "status = 'từ chối'".to_owned(),
            Ending::Void => "status = 'trùng'".to_owned(),
            Ending::Extended => {
                let to = province::now() + TimeDelta::days(1);
                format!("extended_to = {}", province::written_due(to, self.zone))
            }
        }
    }

    /// Waits until all that is owed of a ticket at once has come.
    async fn told(&self, code: &str) {
        self.log.until(&owed::owed(code, &self.acts(code)).at_once).await;
    }

    /// So many lives, begun within a while, to their ends.
    pub async fn live(self: &Arc<Self>, first: usize, count: usize, within: Duration) {
        let mut lives = JoinSet::new();
        for n in first..first + count {
            let script = Arc::clone(self);
            let mut random = Random::of(self.seed, &format!("ticket {n}"));
            let begins = Duration::from_secs_f64(within.as_secs_f64() * ((n - first) as f64 / count as f64));
            lives.spawn(async move {
                pass(begins).await;
                script.life(&format!("PA.{n:04}"), &mut random).await;
            });
        }
        while let Some(ended) = lives.join_next().await {
            ended.expect("a life");
        }
    }

    async fn life(&self, code: &str, random: &mut Random) {
        let unit = unit(random);
        let helpers = match random.percent(30) {
            true => vec![other(random, &[unit])],
            false => Vec::new(),
        };
        let soon = province::now()
            + TimeDelta::seconds(3)
            + TimeDelta::milliseconds(i64::try_from(random.below(4000)).unwrap_or(0));
        let late = province::now() - TimeDelta::seconds(30);
        let due = if random.percent(30) { late } else { soon };
        let made = |kind, never_late| Act::Made {
            kind,
            unit,
            helpers: if kind == Kind::Climb {
                helpers.clone()
            } else {
                Vec::new()
            },
            never_late,
        };
        let before_digest = self.before_digest.load(Ordering::SeqCst);
        match random.below(100) {
            0..=29 => {
                self.make(code, made(Kind::Climb, false), due).await;
                self.told(code).await;
                if before_digest && random.percent(50) {
                    let how = random.one_of(&[Ending::Done, Ending::Rejected, Ending::Void]);
                    self.change(code, Act::Ended(how), &self.ends(how)).await;
                    self.told(code).await;
                }
            }
            30..=64 => {
                self.make(code, made(Kind::Chase, false), due).await;
                self.told(code).await;
                // Where nobody can be told, nobody can be waited for.
                if before_digest && unit != WITHOUT_BOX {
                    self.goes_on(code, unit, random).await;
                }
            }
            65..=74 => self.make(code, made(Kind::New, false), soon + TimeDelta::days(1)).await,
            75..=84 if before_digest => {
                self.make(code, made(Kind::List, false), due).await;
                if random.percent(30) {
                    pass(random.millis(100, 6000)).await;
                    self.change(code, Act::Ended(Ending::Done), &self.ends(Ending::Done))
                        .await;
                }
            }
            75..=94 => {
                let due = province::now() + TimeDelta::seconds(14);
                let kind = random.one_of(&[Kind::Climb, Kind::Chase]);
                self.make(code, made(kind, false), due).await;
                pass(random.millis(100, 8000)).await;
                let how = random.one_of(&[Ending::Done, Ending::Rejected, Ending::Void, Ending::Extended]);
                // A machine that is too slow for that has made one that is late.
                if province::now() + MARGIN < due {
                    self.change(code, Act::Averted(how), &self.ends(how)).await;
                    assert!(
                        province::now() < due,
                        "{code} was averted too late: the machine stood still"
                    );
                }
                self.told(code).await;
            }
            _ => {
                let kind = random.one_of(&[Kind::Climb, Kind::Chase]);
                self.make(code, made(kind, true), soon + TimeDelta::days(1)).await;
            }
        }
    }

    /// What becomes of a ticket whose contact has been told.
    async fn goes_on(&self, code: &str, unit: usize, random: &mut Random) {
        match random.below(100) {
            0..=39 => {
                let how = random.one_of(&[Ending::Done, Ending::Rejected, Ending::Void, Ending::Extended]);
                self.change(code, Act::Ended(how), &self.ends(how)).await;
                self.told(code).await;
                if how == Ending::Extended || random.percent(50) {
                    return;
                }
                let open = "status = 'đang xử lý', answered_at = NULL, reopen_count = 1";
                self.change(code, Act::Reopened, open).await;
                self.told(code).await;
                if random.percent(50) {
                    let how = random.one_of(&[Ending::Done, Ending::Rejected]);
                    self.change(code, Act::Ended(how), &self.ends(how)).await;
                    self.told(code).await;
                }
            }
            40..=69 => {
                let mut been = vec![unit];
                for _ in 0..=random.below(2) {
                    let to = other(random, &[&been[..], &[WITHOUT_BOX]].concat());
                    been.push(to);
                    let agency = format!("agency = '{}'", province::name(to));
                    self.change(code, Act::Transferred(to), &agency).await;
                    self.told(code).await;
                }
            }
            _ => {}
        }
    }
}

fn unit(random: &mut Random) -> usize {
    1 + usize::try_from(random.below(UNITS as u64)).expect("a unit")
}

fn other(random: &mut Random, than: &[usize]) -> usize {
    loop {
        let found = unit(random);
        if !than.contains(&found) {
            return found;
        }
    }
}

/// The lives' ends, unless they take too long.
pub async fn within(patience: Duration, lives: impl Future<Output = ()>) -> Result<(), String> {
    timeout(patience, lives)
        .await
        .map_err(|_| format!("not all lives came to their ends within {} s", patience.as_secs()))
}
