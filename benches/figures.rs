//! Single figures of docs/performance.md, each by the binary and seen from outside: `cargo bench --bench figures` takes all,
//! `cargo bench --bench figures -- first sweep` those that are named. Behind `tests/with-servers` they are taken on PostgreSQL
//! too, and those that need it.

#![expect(
    clippy::disallowed_methods,
    reason = "what is measured is time on the clock, of a process seen from outside"
)]

#[expect(dead_code, reason = "what the other benchmarks need")]
#[path = "../tests/it/sink/province.rs"]
mod province;
mod support;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use province::{KEEPING, Province, RULES};
use sqlx::Executor as _;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use support::{Daemon, TicketDatabase, Tickets, Took, dondoc, median, move_to_postgres, server, timed, work};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{interval, sleep};

/// Local time of a Monday morning, some minutes before the turns that are taken by [`province::AT`].
const MORNING: &str = "2021-09-20 07:30:00";
const THREE_WEEKS_BEFORE: &str = "2021-08-30 08:00:00";
const A_MINUTE_LATER: &str = "2021-09-20T08:31:00+07:00";

const OPEN: &str = "đang xử lý";
const CLOSED: &str = "đóng";

const FIGURES: [&str; 9] = [
    "delivery", "webhooks", "first", "among", "reload", "lateness", "idle", "quiet", "replicas",
];

/// From one look at a daemon to the next.
const LOOK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() {
    let tls = rustls::crypto::ring::default_provider().install_default();
    tls.expect("nobody was before");
    // Cargo says that it is a benchmark.
    let named: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let Some(other) = named.iter().find(|name| !FIGURES.contains(&name.as_str())) {
        panic!("`{other}` is none of {FIGURES:?}");
    }
    let server = server();
    let server = server.as_deref();
    for figure in FIGURES {
        let is_named = named.iter().any(|name| name == figure);
        if !is_named && !named.is_empty() {
            continue;
        }
        match (figure, server) {
            ("delivery", _) => delivery(server).await,
            ("webhooks", _) => webhooks(server).await,
            ("first", _) => first(server).await,
            ("among", _) => among(server).await,
            ("reload", _) => reload().await,
            ("lateness", _) => lateness().await,
            ("idle", _) => idle().await,
            ("quiet", Some(server)) => quiet(server).await,
            ("replicas", Some(server)) => replicas(server).await,
            _ => println!("{figure}: needs PostgreSQL; run it behind tests/with-servers"),
        }
    }
}

/// Rules by which a mail goes at any hour: a daemon has no other clock than the real one.
fn at_any_hour() -> String {
    RULES.replace("\ntemplate =", "\nurgent = true\ntemplate =")
}

fn now() -> String {
    local(chrono::TimeDelta::zero())
}

/// What changed lately is read again with each turn (`source.overlap`); this is not.
fn some_hours_ago() -> String {
    local(chrono::TimeDelta::hours(3))
}

/// So long before now, as the province's clocks show it.
fn local(before: chrono::TimeDelta) -> String {
    let at = chrono::Utc::now() - before + chrono::TimeDelta::hours(7);
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Where a province's data are: SQLite, or PostgreSQL with what the server counts of the store.
struct Place {
    name: &'static str,
    province: Province,
    tickets: TicketDatabase,
    store: Option<sqlx::PgPool>,
}

/// A province without tickets.
async fn on_sqlite(rules: &str) -> Place {
    beside_relay(&KEEPING, rules).await
}

async fn beside_relay(options: &[&str], rules: &str) -> Place {
    let province = Province::with_relay(options, rules, dondoc(), 0, 0).await;
    Place {
        name: "SQLite",
        tickets: TicketDatabase::of(&province.config()).await,
        province,
        store: None,
    }
}

async fn on_server(options: &[&str], rules: &str, server: &str) -> Place {
    let province = Province::with_relay(options, rules, dondoc(), 0, 0).await;
    let moved = move_to_postgres(&province.config(), server).await;
    Place {
        name: "PostgreSQL",
        tickets: TicketDatabase::Postgres(moved.tickets),
        province,
        store: Some(moved.store),
    }
}

/// One on SQLite, and one on the server where there is one.
async fn places(rules: &str, server: Option<&str>) -> Vec<Place> {
    let mut places = vec![on_sqlite(rules).await];
    if let Some(server) = server {
        places.push(on_server(&KEEPING, rules, server).await);
    }
    places
}

impl Place {
    fn once(&self, at: &str) -> Command {
        self.province.command(dondoc(), &["once", "--json", "--at", at])
    }

    /// A command that only has to succeed.
    fn say(&self, arguments: &[&str]) {
        let said = self.province.command(dondoc(), arguments).output().expect("dondoc");
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    }

    fn run(&self, every: &str) -> Daemon {
        Daemon::start(self.province.command(dondoc(), &["run"]), every)
    }

    fn received(&self) -> usize {
        std::fs::read_dir(self.mails()).expect("the mails").count()
    }

    fn mails(&self) -> std::path::PathBuf {
        self.province.config().parent().expect("its folder").join("mails")
    }

    /// So many open tickets for which nothing is due.
    async fn fill(&self, count: usize) {
        let at = some_hours_ago();
        let open = Tickets {
            prefix: "PA",
            count,
            status: OPEN,
            received_at: &at,
            updated_at: &at,
        };
        self.tickets.insert(&open).await;
    }

    /// So many that have just come in and are long overdue.
    async fn overdue(&self, prefix: &str, count: usize) {
        let late = Tickets {
            prefix,
            count,
            status: OPEN,
            received_at: &local(chrono::TimeDelta::days(60)),
            updated_at: &now(),
        };
        self.tickets.insert(&late).await;
    }

    /// Tickets that are late by the turns' own clock, with their mails written but not sent; what writing them took.
    async fn write_mails(&self, count: usize) -> Took {
        let late = Tickets {
            prefix: "PA",
            count,
            status: OPEN,
            received_at: THREE_WEEKS_BEFORE,
            updated_at: MORNING,
        };
        self.tickets.insert(&late).await;
        // No server listens at that port, so that they wait.
        let mut write = self.once(province::AT);
        write.env("DONDOC__SMTP__PORT", "1");
        timed(&write)
    }

    /// Waits until so many messages are written.
    async fn until_written(&self, count: usize) {
        const WRITTEN: &str = "SELECT COUNT(*) FROM message";
        let file = SqliteConnectOptions::new()
            .filename(self.province.config().join("dondoc.db"))
            .read_only(true);
        let file = SqlitePool::connect_lazy_with(file);
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            let written = match &self.store {
                Some(server) => sqlx::query_scalar(WRITTEN).fetch_one(server).await,
                None => sqlx::query_scalar(WRITTEN).fetch_one(&file).await,
            };
            // Before the turn has made it there is no table.
            if written.is_ok_and(|written: i64| usize::try_from(written).is_ok_and(|written| written >= count)) {
                break;
            }
        }
    }

    /// Waits until the relay has taken so many mails.
    async fn until_received(&self, count: usize) {
        let mut looks = interval(LOOK);
        while self.received() < count {
            looks.tick().await;
        }
    }

    /// Waits until the daemon has taken its first turn, and what it does once a day behind one.
    async fn until_settled(&self) {
        for prefix in ["DAU", "SAU"] {
            // A ticket of its own is the last that a turn tells of; the next turn begins when all is done.
            let before = self.received();
            self.overdue(prefix, 1).await;
            self.until_received(before + 1).await;
        }
    }
}

/// Mails that are written already, out of the store over eight connections to a relay that throws them away: a turn that sends
/// them, without what the same turn takes while it must not.
async fn delivery(server: Option<&str>) {
    const MAILS: usize = 20_000;
    let mut beside = vec![
        ("", beside_relay(&[], RULES).await),
        (", a relay without PIPELINING", beside_relay(&["-p"], RULES).await),
    ];
    if let Some(server) = server {
        beside.push(("", on_server(&[], RULES, server).await));
    }
    for (relay, place) in beside {
        let written = place.write_mails(MAILS).await;
        let reference = smtp_source(&place.province, MAILS);
        let mut send = place.once(A_MINUTE_LATER);
        send.env("DONDOC__SMTP__CONNECTIONS", "8");
        place.say(&["pause", "--reason", "to look without sending"]);
        let looked = timed(&send);
        place.say(&["resume"]);
        let sent = timed(&send);
        let (wall, cpu) = (sent.wall - looked.wall, sent.cpu - looked.cpu);
        let report: serde_json::Value = serde_json::from_str(&sent.reported).expect("a report in JSON");
        // Those that were tried without a server wait for longer.
        let count = report["accepted"].as_f64().expect("how many mails the relay took");
        println!(
            "delivery, {}{relay}: {count} mails, {:.0} a second, {:.0} µs of CPU each, {:.0} MiB; smtp-source -d -s 8: {:.0} a second; ratio {:.2}; \
             writing them had taken {:.0} µs of CPU each",
            place.name,
            count / wall,
            cpu * 1e6 / count,
            sent.mib,
            count / reference,
            reference / wall,
            written.cpu * 1e6 / count,
        );
    }
}

/// Seconds that Debian's smtp-source takes for as many mails of about that size.
fn smtp_source(province: &Province, mails: usize) -> f64 {
    let config = std::fs::read_to_string(province.config().join("dondoc.toml")).expect("dondoc.toml");
    let port = config.lines().find_map(|line| line.strip_prefix("port = "));
    let relay = format!("127.0.0.1:{}", port.expect("a port"));
    let mut source = Command::new("smtp-source");
    source.args(["-d", "-s", "8", "-m", &mails.to_string(), "-l", "10400", &relay]);
    let Took { wall, .. } = timed(&source);
    empty(&province.config().parent().expect("its folder").join("mails"));
    wall
}

fn empty(folder: &Path) {
    for mail in std::fs::read_dir(folder).expect("the mails") {
        std::fs::remove_file(mail.expect("a file").path()).expect("removed");
    }
}

/// Posts to as many communes' own systems, one for each, signed: none is let in before all are written.
async fn webhooks(server: Option<&str>) {
    const COMMUNES: usize = 8_000;
    let rules = RULES.replace(
        "template = \"overdue-1\"",
        "via = [\"webhook\"]\ntemplate = \"overdue-1\"",
    );
    assert_ne!(rules, RULES, "the step has a template");
    for place in places(&rules.replace("digest = \"ticket\"", "digest = \"day\""), server).await {
        let inbox = Inbox::new().await;
        let alone = inbox.alone(COMMUNES).await;
        communes(&place.province.config(), COMMUNES, inbox.address);
        let late = Tickets {
            prefix: "PA",
            count: COMMUNES,
            status: OPEN,
            received_at: THREE_WEEKS_BEFORE,
            updated_at: MORNING,
        };
        place.tickets.insert(&late).await;
        place
            .tickets
            .run("UPDATE ticket SET agency = 'Xã ' || substr(code, 4)")
            .await;
        let once = place.once(province::AT);
        let turn = spawn_blocking(move || timed(&once));
        place.until_written(COMMUNES).await;
        let opened = inbox.open();
        let Took { wall, cpu, mib, .. } = turn.await.expect("a turn");
        let (count, seconds) = inbox.taken_since(opened);
        println!(
            "webhooks, {}: {count} posts, {:.0} a second once all are written; a client that does nothing else {:.0} a second; ratio {:.2}; \
             the whole turn {wall:.1} s, {:.0} µs of CPU a post, {mib:.0} MiB",
            place.name,
            count / seconds,
            alone,
            count / seconds / alone,
            cpu * 1e6 / count,
        );
    }
}

/// As many communes with an endpoint each, by the names that the tickets have.
fn communes(config: &Path, count: usize, address: SocketAddr) {
    std::fs::write(config.join("posts.key"), "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=").expect("a key");
    let mut agencies = std::fs::read_to_string(config.join("agencies.toml")).expect("the directory");
    for number in (1..=count).map(|n| 10_000_000 + n) {
        agencies += &format!(
            "\n[[unit]]\nid = \"X{number}\"\nname = \"Xã {number}\"\nparent = \"UBND_TINH\"\n\
             contacts = [{{ role = \"contact\", address = \"daumoi@x{number}.dongthap.example\", confirmed = \"2021-08-02\" }}]\n\
             webhooks = [{{ id = \"x{number}\", url = \"http://{address}/{number}\", key_files = [\"posts.key\"] }}]\n",
        );
    }
    std::fs::write(config.join("agencies.toml"), agencies).expect("the directory");
    let file = config.join("dondoc.toml");
    let text = std::fs::read_to_string(&file).expect("dondoc.toml");
    let near = text.replace("\n[webhooks]\n", "\n[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\n");
    assert_ne!(near, text, "dondoc.toml has a part about webhooks");
    std::fs::write(&file, near).expect("dondoc.toml");
}

/// Takes every post once it is open, and knows when each came.
struct Inbox {
    address: SocketAddr,
    posts: Arc<Mutex<Vec<Instant>>>,
    is_open: watch::Sender<bool>,
}

impl Inbox {
    async fn new() -> Inbox {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("its address");
        let posts = Arc::new(Mutex::new(Vec::new()));
        let of = Arc::clone(&posts);
        let (is_open, opens) = watch::channel(false);
        let take = axum::routing::post(async move |_body: axum::body::Bytes| {
            let mut opens = opens.clone();
            opens.wait_for(|is_open| *is_open).await.expect("the inbox");
            of.lock().expect("the posts").push(Instant::now());
            axum::http::StatusCode::NO_CONTENT
        });
        let app = axum::Router::new().route("/{commune}", take);
        tokio::spawn(async move { axum::serve(listener, app).await.expect("a server") });
        Inbox {
            address,
            posts,
            is_open,
        }
    }

    fn open(&self) -> Instant {
        self.is_open.send_replace(true);
        Instant::now()
    }

    /// Posts a second of a client that only posts, as many at a time as dondoc by itself; then the inbox is empty and closed
    /// again.
    async fn alone(&self, count: usize) -> f64 {
        let opened = self.open();
        let client = reqwest::Client::new();
        let left = Arc::new(AtomicUsize::new(count));
        let posting = (0..32).map(|_| {
            let (client, left, address) = (client.clone(), Arc::clone(&left), self.address);
            tokio::spawn(async move {
                let one = |n: usize| n.checked_sub(1);
                while let Ok(n) = left.try_update(Ordering::Relaxed, Ordering::Relaxed, one) {
                    let post = client.post(format!("http://{address}/{n}")).body("x".repeat(2_000));
                    post.send().await.expect("a post").error_for_status().expect("taken");
                }
            })
        });
        for posted in posting.collect::<Vec<_>>() {
            posted.await.expect("its end");
        }
        let (count, seconds) = self.taken_since(opened);
        self.posts.lock().expect("the posts").clear();
        self.is_open.send_replace(false);
        count / seconds
    }

    /// How many, and the seconds from an instant to the last.
    fn taken_since(&self, opened: Instant) -> (f64, f64) {
        let posts = self.posts.lock().expect("the posts");
        let last = posts.iter().max().expect("a post");
        let count = f64::from(u32::try_from(posts.len()).expect("a number"));
        (count, last.duration_since(opened).as_secs_f64())
    }
}

/// A store's first turn over a million open tickets, and a process's first one afterwards, which compares all keys.
async fn first(server: Option<&str>) {
    for place in places(RULES, server).await {
        let open = Tickets {
            prefix: "PA",
            count: 1_000_000,
            status: OPEN,
            received_at: MORNING,
            updated_at: MORNING,
        };
        place.tickets.insert(&open).await;
        for (what, at) in [("first turn", province::AT), ("sweep", A_MINUTE_LATER)] {
            let Took { wall, cpu, mib, .. } = timed(&place.once(at));
            println!(
                "{what}, 1 000 000 open, {}: {wall:.1} s, {cpu:.1} s of CPU, {mib:.0} MiB",
                place.name
            );
        }
    }
}

/// A hundred tickets that are due, among few and among many.
async fn among(server: Option<&str>) {
    for count in [10_000, 1_000_000] {
        for place in places(&at_any_hour(), server).await {
            place.fill(count).await;
            let daemon = place.run("1s");
            place.until_settled().await;
            let (mut cpu, mut works) = (Vec::new(), Vec::new());
            for round in 0..5 {
                let before = match &place.store {
                    Some(store) => Some(work(store).await),
                    None => None,
                };
                let (cpu_before, received) = (daemon.cpu_seconds(), place.received());
                place.overdue(&format!("TRE{round}"), 100).await;
                place.until_received(received + 100).await;
                // The server tells what sessions did with some delay.
                sleep(Duration::from_secs(2)).await;
                cpu.push(daemon.cpu_seconds() - cpu_before);
                if let (Some(before), Some(store)) = (before, &place.store) {
                    let after = work(store).await;
                    works.push(
                        after
                            .into_iter()
                            .map(|(what, n)| (what, n - before[what]))
                            .collect::<Vec<_>>(),
                    );
                }
            }
            println!(
                "100 due among {count}, {}: {:.0} ms of CPU with the quiet turns beside {:?}",
                place.name,
                median(cpu) * 1e3,
                works.last(),
            );
        }
    }
}

/// Rules that change while a million tickets are open.
async fn reload() {
    let place = on_sqlite(&at_any_hour()).await;
    place.fill(1_000_000).await;
    let daemon = place.run("1s");
    place.until_settled().await;
    let rules = place.province.config().join("rules/overdue.toml");
    let text = std::fs::read_to_string(&rules).expect("the rules");
    std::fs::write(&rules, text.replace("\"5wd\"", "\"6wd\"")).expect("the rules");
    let store = beside(&place.province).await;
    let has_begun = "SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'generation'";
    let generation = async || -> i64 { sqlx::query_scalar(has_begun).fetch_one(&store).await.expect("it") };
    let before = generation().await;
    let began = Instant::now();
    let hup = Command::new("kill").args(["-HUP", &daemon.0.id().to_string()]).status();
    assert!(hup.expect("kill").success());
    let (mut looks, mut arrived) = (interval(LOOK), None);
    let received = place.received();
    place.overdue("TRE", 100).await;
    let is_behind = "SELECT COUNT(*) FROM (SELECT 1 FROM ticket WHERE generation < \
        (SELECT MAX(CAST(value AS INTEGER)) FROM meta WHERE name = 'generation') LIMIT 1)";
    let mut most: f64 = 0.0;
    loop {
        looks.tick().await;
        most = most.max(daemon.resident_mib());
        if arrived.is_none() && place.received() >= received + 100 {
            arrived = Some(began.elapsed());
        }
        let behind: i64 = sqlx::query_scalar(is_behind).fetch_one(&store).await.expect("it");
        if generation().await > before && behind == 0 && arrived.is_some() {
            break;
        }
    }
    println!(
        "reload, 1 000 000 open, {}: all evaluated anew after {:.1} s, {most:.0} MiB at most; 100 that fell due meanwhile came after {:.1} s",
        place.name,
        began.elapsed().as_secs_f64(),
        arrived.expect("they came").as_secs_f64(),
    );
}

/// The store, read beside the daemon.
async fn beside(province: &Province) -> SqlitePool {
    let options = SqliteConnectOptions::new()
        .filename(province.config().join("dondoc.db"))
        .read_only(true);
    SqlitePool::connect_with(options).await.expect("the store")
}

/// A thousand that are due at one instant: how long after the turn's start the relay has each.
async fn lateness() {
    let place = on_sqlite(&at_any_hour()).await;
    place.fill(10_000).await;
    let _daemon = place.run("1s");
    place.until_settled().await;
    empty(&place.mails());
    place.overdue("TRE", 1000).await;
    place.until_received(1000).await;
    let began = "SELECT MIN(m.created_at) FROM message m JOIN message_notice l ON l.message = m.id JOIN notice n ON n.id = l.notice \
        JOIN telling t ON t.id = n.telling WHERE t.subject LIKE 'TRE%'";
    let micros: i64 = sqlx::query_scalar(began)
        .fetch_one(&beside(&place.province).await)
        .await
        .expect("the turn's start");
    let began = SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(micros).expect("an instant"));
    let mut late: Vec<f64> = std::fs::read_dir(place.mails())
        .expect("the mails")
        .map(|mail| {
            let written = mail.and_then(|mail| mail.metadata()).and_then(|m| m.modified());
            let after = written.expect("an instant").duration_since(began);
            after.expect("after the turn's start").as_secs_f64()
        })
        .collect();
    late.sort_by(f64::total_cmp);
    println!(
        "1 000 due at one instant, {}: accepted {:.2} s after the turn's start (median), {:.2} s (p99), {:.2} s (the last)",
        place.name, late[499], late[989], late[999]
    );
}

/// A daemon for which nothing is due.
async fn idle() {
    const MINUTES: u32 = 5;
    let place = on_sqlite(RULES).await;
    place.fill(10_000).await;
    let daemon = place.run("1m");
    sleep(Duration::from_secs(75)).await;
    let before = daemon.cpu_seconds();
    let mut resident = Vec::new();
    for _ in 0..MINUTES * 12 {
        sleep(Duration::from_secs(5)).await;
        resident.push(daemon.resident_mib());
    }
    println!(
        "idle, 10 000 open, a turn a minute, {}: {:.1} MiB resident, {:.2} % of a core",
        place.name,
        median(resident),
        (daemon.cpu_seconds() - before) / (f64::from(MINUTES) * 60.0) * 100.0
    );
}

/// Turns in which nothing is due or changed.
async fn quiet(server: &str) {
    let place = on_server(&KEEPING, RULES, server).await;
    let (at, long_ago) = (some_hours_ago(), local(chrono::TimeDelta::days(900)));
    for (prefix, count, status, at) in [("PA", 50_000, OPEN, &at), ("CU", 950_000, CLOSED, &long_ago)] {
        let tickets = Tickets {
            prefix,
            count,
            status,
            received_at: at,
            updated_at: at,
        };
        place.tickets.insert(&tickets).await;
    }
    let (TicketDatabase::Postgres(source), Some(store)) = (&place.tickets, &place.store) else {
        unreachable!("it is on the server");
    };
    source.execute("VACUUM ANALYZE").await.expect("analyzed");
    let mut run = place.province.command(dondoc(), &["run"]);
    let listen = {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("its address").to_string()
    };
    run.env("DONDOC__RUN__EVERY", "1s").env("DONDOC__HTTP__LISTEN", &listen);
    let daemon = Daemon(run.spawn().expect("dondoc run"));
    let mut looks = interval(Duration::from_secs(1));
    while turns(&listen).is_none_or(|(count, _)| count < 1.0) {
        looks.tick().await;
    }
    sleep(Duration::from_secs(5)).await;
    let (before, worked, cpu) = (
        turns(&listen).expect("its metrics"),
        work(store).await,
        daemon.cpu_seconds(),
    );
    sleep(Duration::from_secs(30)).await;
    let (after, work_after, cpu_after) = (
        turns(&listen).expect("its metrics"),
        work(store).await,
        daemon.cpu_seconds(),
    );
    let count = after.0 - before.0;
    let bare = bare_query(source).await;
    println!(
        "quiet turn, 50 000 open of 1 000 000, PostgreSQL: {:.1} ms, {:.1} ms of CPU; the bare query {bare:.1} ms; {:?} in {count} turns",
        (after.1 - before.1) / count * 1e3,
        (cpu_after - cpu) / count * 1e3,
        work_after
            .iter()
            .map(|(what, n)| (what, n - worked[what]))
            .collect::<Vec<_>>(),
    );
}

/// How many turns the daemon has taken, and in how many seconds.
fn turns(listen: &str) -> Option<(f64, f64)> {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(listen).ok()?;
    stream
        .write_all(format!("GET /metrics HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n").as_bytes())
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some((value("dondoc_turn_seconds_count")?, value("dondoc_turn_seconds_sum")?))
}

/// Milliseconds for what a turn has to ask: what has changed lately.
async fn bare_query(source: &sqlx::PgPool) -> f64 {
    let (sql, since) = (
        "SELECT * FROM ticket WHERE updated_at > $1 ORDER BY updated_at, code LIMIT 1000",
        now(),
    );
    let mut took = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        sqlx::query(sql)
            .bind(&since)
            .fetch_all(source)
            .await
            .expect("the query");
        took.push(began.elapsed().as_secs_f64() * 1e3);
    }
    median(took)
}

/// Mails that are written already, sent by one process and by three beside each other.
async fn replicas(server: &str) {
    const MAILS: usize = 10_000;
    let mut rates = Vec::new();
    for processes in [1, 3, 1, 3, 1, 3] {
        let place = on_server(&KEEPING, RULES, server).await;
        place.write_mails(MAILS).await;
        let began = Instant::now();
        let mut all: Vec<_> = (0..processes)
            .map(|_| {
                let mut once = place.once(A_MINUTE_LATER);
                once.stdout(std::process::Stdio::null()).spawn().expect("dondoc once")
            })
            .collect();
        for once in &mut all {
            assert!(once.wait().expect("its end").success());
        }
        let count = f64::from(u32::try_from(place.received()).expect("a number"));
        rates.push((processes, count / began.elapsed().as_secs_f64()));
    }
    let of = |processes: i32| {
        median(
            rates
                .iter()
                .filter(|(p, _)| *p == processes)
                .map(|(_, rate)| *rate)
                .collect(),
        )
    };
    println!(
        "replicas, PostgreSQL: one sends {:.0} mails/s, three {:.0}; ratio {:.2}",
        of(1),
        of(3),
        of(3) / of(1)
    );
}
