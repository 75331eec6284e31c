//! Chaos: the real binary between a ticket database that changes, receivers that refuse, stall, cut and delay, and
//! `kill -9` at random instants; in the end everything that was owed has been received, and nothing else.
//!
//! What is owed is reckoned in [`owed`] from what the script did; what was received is read from the bodies. A message
//! that came more than once has the same id and the same bytes each time, and for each copy too many its receiver had
//! said nothing or its sender had been struck between.
//!
//! `DONDOC_CHAOS_SEED=N` repeats a run's choices (not the scheduler's). `DONDOC_CHAOS=long` makes the runs long: at least
//! 200 kills on SQLite, and with three replicas on PostgreSQL at least 60, beside stops and cuts.

mod fleet;
mod lives;
mod log;
mod owed;
mod province;
mod random;
mod receivers;
mod wire;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use chrono::{DateTime, Timelike as _, Utc};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::fleet::{Blow, Event, Replica, Weather};
use self::lives::Script;
use self::log::{Copy, Log};
use self::owed::{By, Line, Owed};
use self::province::Zone;
use self::random::Random;
use self::receivers::{Mood, Port};
use self::wire::Wire;
use crate::cli::{dondoc, said, text};
use crate::postgres::{On, Postgres};
use crate::tickets::{Kind, Tickets};

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Lives before the digest, and the while in which they begin.
    before: (usize, u64),
    /// The same while the digest is made.
    around: (usize, u64),
    /// At least so many kills.
    kills: usize,
    /// Longest stop of a replica, in milliseconds.
    longest_stop: u64,
    /// How many times as fast leases run out: a term lasts three minutes, a claim thirty.
    leases: u32,
    /// For how long anything is waited for.
    patience: Duration,
}

fn is_long() -> bool {
    std::env::var("DONDOC_CHAOS").is_ok_and(|word| word == "long")
}

impl Size {
    fn of(on: On) -> Size {
        let patience = Duration::from_secs(240);
        match (is_long(), on) {
            (false, on) => Size {
                before: (60, 10),
                around: (30, 15),
                kills: if on == On::Sqlite { 20 } else { 12 },
                longest_stop: 3000,
                leases: 120,
                patience,
            },
            (true, On::Sqlite) => Size {
                before: (300, 100),
                around: (150, 60),
                kills: 200,
                longest_stop: 3000,
                leases: 1,
                patience: Duration::from_secs(600),
            },
            (true, On::Postgres) => Size {
                before: (120, 60),
                around: (80, 60),
                kills: 60,
                longest_stop: 10_000,
                leases: 60,
                patience: Duration::from_secs(600),
            },
        }
    }
}

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Seconds of the run.
fn since_start() -> f64 {
    START.elapsed().as_secs_f64()
}

/// Lets time pass: what the run is made of.
async fn pass(time: Duration) {
    // Nothing comes of it but the time.
    let _ = timeout(time, pending::<()>()).await;
}

fn seed() -> u64 {
    let given = std::env::var("DONDOC_CHAOS_SEED").ok();
    given.map_or_else(
        || u64::from(province::now().timestamp_subsec_nanos()),
        |seed| seed.parse().expect("DONDOC_CHAOS_SEED is a number"),
    )
}

/// The clock by which the server knows leases, so many times as fast.
const FAST: &str = "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ \
     SELECT pg_catalog.to_timestamp(START + (extract(epoch FROM pg_catalog.clock_timestamp()) - START) * TIMES) $$";

struct Scene {
    seed: u64,
    size: Size,
    dir: TempDir,
    script: Arc<Script>,
    log: Arc<Log>,
    events: Arc<Mutex<Vec<Event>>>,
    mood: watch::Sender<Mood>,
    weather: watch::Sender<Weather>,
    anew: Arc<AtomicUsize>,
    /// Who keeps each replica alive, or not.
    replicas: JoinSet<()>,
    receivers: JoinSet<()>,
    store: Option<Postgres>,
}

impl Scene {
    async fn set(on: On) -> Scene {
        let (seed, size) = (seed(), Size::of(on));
        eprintln!("chaos on {on:?} with DONDOC_CHAOS_SEED={seed}");
        let dir = tempfile::tempdir().expect("a folder");
        let (kind, count) = match on {
            On::Sqlite => (Kind::Sqlite, 1),
            On::Postgres => (Kind::Postgres, 3),
        };
        let tickets = Tickets::new(kind, dir.path()).await;
        tickets.sql(&format!("CREATE TABLE ticket ({})", kind.columns())).await;
        tickets
            .sql("CREATE INDEX ticket_updated ON ticket (updated_at, code)")
            .await;
        tickets.sql("CREATE UNIQUE INDEX ticket_code ON ticket (code)").await;
        let store = match on {
            On::Sqlite => None,
            On::Postgres => Some(faststore(size.leases).await),
        };
        let log = Arc::new(Log::new());
        let (mood, weather) = (watch::Sender::new(Mood::Bad), watch::Sender::new(Weather::Storm));
        let (mut replicas, mut receivers) = (JoinSet::new(), JoinSet::new());
        let listener = |replica: Option<usize>, whose: &str| {
            let script = receivers::Script {
                log: Arc::clone(&log),
                mood: mood.subscribe(),
                random: Mutex::new(Random::of(seed, whose)),
                replica,
            };
            (Port::take(), Arc::new(script))
        };
        let (hooks, script) = listener(None, "posts");
        let hooks_at = hooks.address;
        receivers.spawn(receivers::serve(hooks, script, receivers::posts));
        let mut mail_ports = Vec::new();
        for n in 0..count {
            let (port, script) = listener(Some(n), &format!("mails {n}"));
            mail_ports.push(port.address.port());
            receivers.spawn(receivers::serve(port, script, receivers::mails));
        }
        let zone = Zone::of_noon();
        let store_url = store
            .as_ref()
            .map_or("sqlite:store.db".to_owned(), |s| s.url.to_string());
        province::write(dir.path(), zone, &tickets, &store_url, mail_ports[0], hooks_at);
        let events = Arc::new(Mutex::new(Vec::new()));
        let anew = Arc::new(AtomicUsize::new(0));
        for (number, port) in mail_ports.into_iter().enumerate() {
            let mut variables = vec![("DONDOC__SMTP__PORT".to_owned(), port.to_string())];
            let mut wire = None;
            if let (Some(store), Tickets::Postgres(_, source)) = (&store, &tickets) {
                let way = Wire::to(&store.url).await;
                variables.push(("DONDOC__STORE__URL".to_owned(), way.by(&store.url)));
                variables.push(("DONDOC__SOURCE__URL".to_owned(), way.by(source)));
                wire = Some(way);
            }
            let replica = Replica {
                number,
                config: dir.path().to_owned(),
                variables,
                random: Random::of(seed, &format!("replica {number}")),
                log: Arc::clone(&log),
                events: Arc::clone(&events),
                weather: weather.subscribe(),
                wire,
                longest_stop: size.longest_stop,
                anew: Arc::clone(&anew),
            };
            replicas.spawn(replica.live());
        }
        receivers.spawn(moods(mood.clone(), weather.subscribe(), Random::of(seed, "moods")));
        let script = Arc::new(Script {
            tickets,
            kind,
            zone,
            log: Arc::clone(&log),
            done: Mutex::default(),
            seed,
            before_digest: AtomicBool::new(true),
        });
        Scene {
            seed,
            size,
            dir,
            script,
            log,
            events,
            mood,
            weather,
            anew,
            replicas,
            receivers,
            store,
        }
    }

    fn kills(&self) -> usize {
        let events = self.events.lock().expect("the events");
        events.iter().filter(|event| event.blow == Blow::Kill).count()
    }

    fn calm(&self) {
        self.weather.send_replace(Weather::Calm);
        self.mood.send_replace(Mood::Good);
    }

    fn storm(&self) {
        self.mood.send_replace(Mood::Bad);
        self.weather.send_replace(Weather::Storm);
    }

    /// What the program itself says of its state; `None` where it cannot be asked just now.
    async fn status(&self) -> Option<Value> {
        let dir = self.dir.path().to_owned();
        let asked = tokio::task::spawn_blocking(move || dondoc(&dir, &["status", "--json"]));
        let output = asked.await.expect("an answer");
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).expect("JSON"))
    }

    /// Waits until a turn that began after an instant is through and nothing waits to be sent.
    async fn quiet(&self, since: DateTime<Utc>) -> Result<(), String> {
        let mut last = Value::Null;
        let quiet = timeout(self.size.patience, async {
            loop {
                if let Some(status) = self.status().await {
                    let turn = status["last_turn"].as_str().map(|at| at.parse::<DateTime<Utc>>());
                    let is_after = turn.is_some_and(|at| at.expect("an instant") > since);
                    if is_after && status["waiting"] == 0 {
                        return;
                    }
                    last = status;
                }
                pass(Duration::from_millis(200)).await;
            }
        });
        quiet.await.map_err(|_| format!("it did not become quiet: {last:#}"))
    }

    /// Has the day's digest made at a minute that is still to come, and all processes know of it; returns when it is due.
    async fn set_digest(&self) -> Result<DateTime<Utc>, String> {
        let at = province::now() + chrono::TimeDelta::seconds(75);
        let at = at
            .with_second(0)
            .and_then(|at| at.with_nanosecond(0))
            .expect("a minute");
        let file = self.dir.path().join("dondoc.toml");
        let config = std::fs::read_to_string(&file).expect("the configuration");
        let time = self.script.zone.local(at).format("%H:%M").to_string();
        let config = config.replace(
            &format!("digest_at = \"{}\"", province::LATER),
            &format!("digest_at = \"{time}\""),
        );
        std::fs::write(file, config).expect("a file");
        self.weather.send_replace(Weather::Anew);
        let replicas = self.replica_count();
        while self.anew.load(Ordering::SeqCst) < replicas {
            pass(Duration::from_millis(50)).await;
        }
        match province::now() < at {
            true => Ok(at),
            false => Err("the machine stood still as the digest was set".to_owned()),
        }
    }

    fn replica_count(&self) -> usize {
        if self.store.is_some() { 3 } else { 1 }
    }
}

async fn faststore(times: u32) -> Postgres {
    let store = Postgres::new().await;
    let start = province::now().timestamp().to_string();
    let clock = FAST.replace("START", &start).replace("TIMES", &times.to_string());
    store.run(&clock).await;
    let name = store.url.path().trim_matches('/').to_owned();
    store
        .run(&format!("ALTER DATABASE {name} SET search_path = public, pg_catalog"))
        .await;
    store
}

/// Now and then nobody is there at all.
async fn moods(mood: watch::Sender<Mood>, mut weather: watch::Receiver<Weather>, mut random: Random) {
    loop {
        if weather.wait_for(|w| *w == Weather::Storm).await.is_err() {
            return;
        }
        pass(random.millis(2000, 9000)).await;
        let leave = |mood: &mut Mood| {
            let was = *mood;
            if was == Mood::Bad {
                *mood = Mood::Away;
            }
            was == Mood::Bad
        };
        if mood.send_if_modified(leave) {
            pass(random.millis(200, 1500)).await;
            mood.send_if_modified(|mood| {
                let was = *mood;
                if was == Mood::Away {
                    *mood = Mood::Bad;
                }
                was == Mood::Away
            });
        }
    }
}

impl Scene {
    /// The run from its first ticket until nothing is left to be done.
    async fn play(&self) -> Result<(), String> {
        let Size {
            before,
            around,
            kills,
            patience,
            ..
        } = self.size;
        let lives = self.script.live(0, before.0, Duration::from_secs(before.1));
        lives::within(patience, lives).await?;
        self.say("all lives before the digest are at their ends");
        self.calm();
        self.quiet(province::now()).await?;
        self.say("it is quiet; the digest and more lives come next");
        // From here on nothing more happens that the digest tells of.
        self.script.before_digest.store(false, Ordering::SeqCst);
        let digest_at = self.set_digest().await?;
        self.storm();
        let lives = self.script.live(before.0, around.0, Duration::from_secs(around.1));
        let enough = async {
            let storms_on =
                |scene: &Scene| province::now() < digest_at + chrono::TimeDelta::seconds(6) || scene.kills() < kills;
            while storms_on(self) {
                pass(Duration::from_millis(200)).await;
            }
        };
        let (lived, ()) = tokio::join!(lives::within(patience, lives), enough);
        lived?;
        self.say("the storm is over");
        self.calm();
        let owed = self.script.owed().in_all();
        let all = timeout(patience, self.log.until(&owed)).await;
        all.map_err(|_| "not all of it was received".to_owned())?;
        // As long as something comes there could be more.
        loop {
            let so_far = self.log.copies().len();
            self.quiet(province::now()).await?;
            self.quiet(province::now()).await?;
            if self.log.copies().len() == so_far {
                return Ok(());
            }
        }
    }

    /// The same, unless one that keeps a process or receives ends before it.
    async fn play_watched(&mut self) -> Result<(), String> {
        let (mut replicas, mut receivers) = (std::mem::take(&mut self.replicas), std::mem::take(&mut self.receivers));
        let played = tokio::select! {
            played = self.play() => played,
            Some(ended) = replicas.join_next() => Err(format!("a replica's keeper ended: {ended:?}")),
            Some(ended) = receivers.join_next() => Err(format!("a receiver ended: {ended:?}")),
        };
        (self.replicas, self.receivers) = (replicas, receivers);
        played
    }

    fn say(&self, what: &str) {
        eprintln!(
            "{:5.0} s, {} kills, seed {}: {what}",
            since_start(),
            self.kills(),
            self.seed
        );
    }

    async fn end(&mut self) {
        self.weather.send_replace(Weather::Over);
        while let Some(ended) = self.replicas.join_next().await {
            ended.expect("a replica's keeper");
        }
    }

    /// All that is not as it should be.
    fn faults(&self) -> Vec<String> {
        let owed = self.script.owed().in_all();
        let received = self.log.received();
        let lines: BTreeSet<&Line> = owed.keys().chain(received.keys()).collect();
        let count = |of: &Owed, line: &Line| of.get(line).copied().unwrap_or(0);
        let differing: Vec<&Line> = lines
            .into_iter()
            .filter(|line| count(&owed, line) != count(&received, line))
            .collect();
        let mut faults: Vec<String> = differing
            .iter()
            .map(|line| {
                format!(
                    "{line}: owed {}, received {}",
                    count(&owed, line),
                    count(&received, line)
                )
            })
            .collect();
        let tickets: BTreeSet<&str> = differing.iter().map(|line| line.ticket.as_str()).collect();
        faults.extend(tickets.into_iter().take(8).map(|ticket| self.history(ticket)));
        faults.extend(self.log.all_strange());
        faults.extend(self.repeated());
        faults.extend(self.in_the_logs());
        faults
    }

    /// What became of a ticket, as the script, the receivers and the program know it.
    fn history(&self, ticket: &str) -> String {
        let mut text = format!("--- {ticket}\n");
        let done = self.script.done.lock().expect("what was done");
        for (at, act) in done.get(ticket).into_iter().flatten() {
            let _ = writeln!(text, "{at:7.2} {act:?}");
        }
        for copy in self.log.copies() {
            for line in copy.lines.iter().filter(|line| line.ticket == ticket) {
                let at = copy.at.saturating_duration_since(*START).as_secs_f64();
                let answered = if copy.answered { "answered" } else { "not answered" };
                let _ = writeln!(text, "{at:7.2} {line} in {} ({answered})", copy.id);
            }
        }
        let explained = dondoc(self.dir.path(), &["explain", ticket]);
        text + &self::text(&explained) + &said(&explained)
    }

    /// Messages as the program lists them, by id.
    fn outbox(&self) -> Result<HashMap<String, Value>, String> {
        let listed = dondoc(self.dir.path(), &["outbox", "list", "--json", "--limit", "1000000"]);
        if !listed.status.success() {
            return Err(said(&listed));
        }
        let mut listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        let messages = listed["messages"].as_array_mut().expect("messages");
        let by_id = messages.drain(..);
        Ok(by_id
            .map(|message| (message["id"].as_str().expect("an id").to_owned(), message))
            .collect())
    }

    /// What is wrong with messages that came more than once, and with the program's account of all.
    fn repeated(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let outbox = match self.outbox() {
            Ok(outbox) => outbox,
            Err(error) => return vec![error],
        };
        let mut in_flight: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
        let events = self.events.lock().expect("the events").clone();
        let copies = by_id(self.log.copies());
        for (id, copies) in &copies {
            let Some(message) = outbox.get(id) else {
                faults.push(format!("{id} was received, and the outbox does not know it"));
                continue;
            };
            if message["state"] != "accepted" {
                faults.push(format!(
                    "{id} was received, and the outbox has it as {}",
                    message["state"]
                ));
            }
            // Each copy but the last was followed by another attempt, which is made only where none was accepted.
            let unknown = message["unknown"].as_u64().expect("a count");
            if copies.len() as u64 > unknown + 1 {
                faults.push(format!(
                    "{id} came {} times with {unknown} answers unknown",
                    copies.len()
                ));
            }
            for pair in copies.windows(2) {
                let [one, next] = pair else { continue };
                if one.bytes != next.bytes {
                    faults.push(format!("{id} came with other bytes"));
                }
                if !one.answered {
                    continue;
                }
                match blow_between(&events, one, next) {
                    Blown::Once(event) => {
                        in_flight.entry(event).or_default().insert(id);
                    }
                    Blown::Often => {}
                    Blown::Never => faults.push(format!(
                        "{id} came again though it was answered and nothing happened between"
                    )),
                }
            }
        }
        let told = outbox
            .values()
            .filter(|m| m["state"] == "accepted" && m["notices"] != 0);
        let ids = told.filter_map(|m| m["id"].as_str());
        faults.extend(
            ids.filter(|id| !copies.contains_key(*id))
                .map(|id| format!("{id} is accepted, and nobody received it")),
        );
        let too_many = in_flight.values().filter(|ids| ids.len() > province::IN_FLIGHT);
        faults.extend(too_many.map(|ids| format!("{} messages came twice after one blow", ids.len())));
        faults
    }

    /// What must not stand in a log.
    fn in_the_logs(&self) -> Vec<String> {
        let replicas = self.replica_count();
        let mut faults = Vec::new();
        for number in 0..replicas {
            let file = Replica::log_file(self.dir.path(), number);
            let log = std::fs::read_to_string(file).expect("a log");
            let bad = |line: &&str| line.contains("panicked");
            faults.extend(log.lines().filter(bad).map(|line| format!("replica {number}: {line}")));
        }
        let is_exit = |event: &&Event| event.blow == Blow::Exit && self.store.is_none();
        let events = self.events.lock().expect("the events");
        let exits = events.iter().filter(is_exit).count();
        if exits > 0 {
            faults.push(format!("the process ended by itself {exits} times"));
        }
        faults
    }

    fn figures(&self) -> String {
        let events = self.events.lock().expect("the events").clone();
        let blows = |blow: Blow| events.iter().filter(|event| event.blow == blow).count();
        let owed = self.script.owed();
        let (digest, dead) = (owed.in_digest.len(), owed.dead_messages());
        let owed = owed.in_all();
        let all = self.log.copies();
        let copies = by_id(all.clone());
        let twice: usize = copies.values().map(|copies| copies.len() - 1).sum();
        let unanswered = all.iter().filter(|copy| !copy.answered).count();
        let posts = all
            .iter()
            .filter(|copy| copy.lines.iter().any(|line| line.by == By::Post))
            .count();
        let outbox = self.outbox().unwrap_or_default();
        let unknown: u64 = outbox.values().filter_map(|m| m["unknown"].as_u64()).sum();
        let mut per_kill: BTreeMap<usize, usize> = BTreeMap::new();
        for copies in copies.values() {
            for pair in copies.windows(2).filter(|pair| pair[0].answered) {
                if let Blown::Once(event) = blow_between(&events, &pair[0], &pair[1]) {
                    *per_kill.entry(event).or_default() += 1;
                }
            }
        }
        let seconds = since_start();
        let mut text = format!(
            "seed {}: {seconds:.0} s, {} tickets, {} lines owed ({digest} of them in digests) and {dead} messages for nobody, {} messages in {} copies ({posts} posts)\n\
             {} kills, {} stops, {} cuts, {} dead ways, {} own ends\n\
             {twice} copies too many, {unanswered} copies without an answer, {unknown} answers unknown; at most {} copies too many after one blow\n",
            self.seed,
            self.script.done.lock().expect("what was done").len(),
            owed.values().sum::<usize>(),
            copies.len(),
            all.len(),
            blows(Blow::Kill),
            blows(Blow::Stop),
            blows(Blow::Cut),
            blows(Blow::Dead),
            blows(Blow::Exit),
            per_kill.values().max().unwrap_or(&0),
        );
        for (what, count) in self.log.counts() {
            let _ = writeln!(text, "  {count:5} {what}");
        }
        text
    }
}

/// The copies of each message in the order in which they came.
fn by_id(copies: Vec<Copy>) -> BTreeMap<String, Vec<Copy>> {
    let mut by_id: BTreeMap<String, Vec<Copy>> = BTreeMap::new();
    for copy in copies {
        let id = copy.id.split('@').next().unwrap_or_default().to_owned();
        by_id.entry(id).or_default().push(copy);
    }
    for copies in by_id.values_mut() {
        copies.sort_by_key(|copy| copy.at);
    }
    by_id
}

/// What a killed process has sent may be read so much later.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// What struck the sender of a copy before another one came.
enum Blown {
    Once(usize),
    /// Two blows follow each other too closely to say.
    Often,
    Never,
}

fn blow_between(events: &[Event], copy: &Copy, next: &Copy) -> Blown {
    let is_its = |event: &Event| copy.replica.is_none_or(|replica| replica == event.replica);
    let from = |event: &Event| match event.blow {
        Blow::Kill | Blow::Exit => event.until,
        Blow::Stop | Blow::Cut | Blow::Dead => event.from,
    };
    let strikes = |event: &Event, since| is_its(event) && event.until >= since && from(event) <= next.at;
    let first = events.iter().position(|event| strikes(event, copy.at));
    let before = copy.at - ON_ITS_WAY;
    let is_clear = !events
        .iter()
        .any(|event| strikes(event, before) && event.until < copy.at);
    match first {
        Some(first) if is_clear => Blown::Once(first),
        None if is_clear => Blown::Never,
        _ => Blown::Often,
    }
}

async fn everything_owed_is_received_and_nothing_else(on: On) {
    LazyLock::force(&START);
    let mut scene = Scene::set(on).await;
    let played = scene.play_watched().await;
    scene.end().await;
    let mut faults = scene.faults();
    faults.extend(played.err());
    let kills = scene.kills();
    if kills < scene.size.kills {
        faults.push(format!("only {kills} kills"));
    }
    let figures = scene.figures();
    eprintln!("{on:?} {figures}");
    if !faults.is_empty() {
        let kept = scene.dir.keep();
        panic!(
            "{on:?} {figures}\n{}\nall of it is in {}",
            faults.join("\n"),
            kept.display()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_everything_owed_is_received_and_nothing_else() {
    everything_owed_is_received_and_nothing_else(On::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres_with_three_replicas_everything_owed_is_received_and_nothing_else() {
    everything_owed_is_received_and_nothing_else(On::Postgres).await;
}
