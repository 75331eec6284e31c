//! The whole job: `dondoc once` on 10 000 overdue tickets, one mail each, into Debian's `smtp-sink`; then a second turn in
//! which nothing is due. Then the same once more, killed in the middle and taken up again. Behind `tests/with-servers` the job
//! is done from PostgreSQL to PostgreSQL too. `cargo bench --bench once` prints what it took, beside what Debian's
//! `smtp-source` takes for as many mails of that size over as many connections (docs/performance.md).

#[path = "../tests/it/sink/province.rs"]
mod province;

use std::process::{Command, Stdio};

use dondoc::source::decode::COLUMNS;
use province::Province;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Executor as _};

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");
const OVERDUE: usize = 10_000;
const OPEN: usize = 12_000;

/// Connections to the relay, as the shipped configuration has them.
const CONNECTIONS: &str = "4";
/// About what a letter about one ticket takes.
const BYTES: &str = "10400";

#[tokio::main]
async fn main() {
    let province = Province::new(DONDOC, OVERDUE, OPEN).await;
    println!("{OVERDUE} overdue of {OPEN} open tickets, digest = \"ticket\"");
    reference(&province);
    println!("SQLite to SQLite");
    report("first turn ", &province, OVERDUE);
    assert_each_came_once(&province);
    report("second turn", &province, 0);
    assert_each_came_once(&province);

    if let Ok(server) = std::env::var("DONDOC_TEST_POSTGRES") {
        println!("PostgreSQL to PostgreSQL");
        let province = Province::new(DONDOC, OVERDUE, OPEN).await;
        move_to_postgres(&province, &server).await;
        report("first turn ", &province, OVERDUE);
        assert_each_came_once(&province);
        report("second turn", &province, 0);
        assert_each_came_once(&province);
    }

    let province = Province::new(DONDOC, OVERDUE, OPEN).await;
    province.kill_once_after(DONDOC, OVERDUE / 2);
    let before = province.received().1.len();
    report(
        &format!("SQLite, killed after {before} mails, taken up again"),
        &province,
        OVERDUE - before,
    );
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE), "every ticket came");
    println!(
        "came twice, with the same Message-ID: {}",
        ids.values().sum::<usize>() - OVERDUE
    );
}

fn assert_each_came_once(province: &Province) {
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE), "every ticket came");
    assert!(
        tickets.values().chain(ids.values()).all(|times| *times == 1),
        "and none twice"
    );
}

/// How fast the relay takes mails that are there already.
fn reference(province: &Province) {
    let config = std::fs::read_to_string(province.config().join("dondoc.toml")).expect("dondoc.toml");
    let port = config.lines().find_map(|line| line.strip_prefix("port = "));
    let relay = format!("127.0.0.1:{}", port.expect("a port"));
    let count = OVERDUE.to_string();
    let mut source = Command::new("smtp-source");
    source.args(["-d", "-s", CONNECTIONS, "-m", &count, "-l", BYTES, &relay]);
    let [wall, ..] = timed(&source);
    println!("smtp-source: {wall:.2} s");
    let mails = province.config().parent().expect("its folder").join("mails");
    for mail in std::fs::read_dir(mails).expect("the mails") {
        std::fs::remove_file(mail.expect("a file").path()).expect("removed");
    }
}

/// Gives a province the same tickets in a database of a server, and a store there.
async fn move_to_postgres(province: &Province, server: &str) {
    let base = server
        .strip_suffix("/postgres")
        .expect("the database that is always there");
    let pool = PgPool::connect(server).await.expect("the server");
    for name in ["bench_tickets", "bench_store"] {
        for sql in [
            format!("DROP DATABASE IF EXISTS {name}"),
            format!("CREATE DATABASE {name}"),
        ] {
            pool.execute(AssertSqlSafe(sql)).await.expect("a database");
        }
    }
    let tickets = PgPool::connect(&format!("{base}/bench_tickets"))
        .await
        .expect("the tickets");
    let columns = COLUMNS.map(|c| format!("{c} TEXT")).join(", ");
    let make = [
        format!("CREATE TABLE ticket ({columns})"),
        format!(
            "INSERT INTO ticket (code, status, received_at, updated_at, kind, category, channel, level, agency, url) \
         SELECT 'PA.' || lpad(i::text, 7, '0'), 'đang xử lý', CASE WHEN i <= {OVERDUE} THEN '2021-08-30 08:00:00' ELSE '2021-09-20 07:30:00' END, \
         '2021-09-20 07:30:00', 'phản ánh', 'đất đai', 'điện thoại', '2', \
         (ARRAY['Sở Y tế', 'Sở Xây dựng', 'Sở Tài chính', 'Sở Nội vụ', 'Sở Tư pháp'])[i % 5 + 1], \
         'https://1022.dongthap.example/phieu/' || i FROM generate_series(1, {OPEN}) AS i"
        ),
        "CREATE INDEX ON ticket (updated_at, code)".to_owned(),
        "CREATE UNIQUE INDEX ON ticket (code)".to_owned(),
        "ANALYZE".to_owned(),
    ];
    for sql in make {
        tickets.execute(AssertSqlSafe(sql)).await.expect("tickets");
    }
    let file = province.config().join("dondoc.toml");
    let mut text = std::fs::read_to_string(&file).expect("dondoc.toml");
    for (file, name) in [("tickets.db", "bench_tickets"), ("dondoc.db", "bench_store")] {
        let url = format!("\nurl = \"sqlite:{file}\"\n");
        assert!(text.contains(&url), "{file} is what dondoc.toml names");
        text = text.replace(&url, &format!("\nurl = \"{base}/{name}?sslmode=disable\"\n"));
    }
    std::fs::write(&file, text).expect("dondoc.toml");
}

/// Prints what a turn took, and of that each of the mails that it sent.
fn report(name: &str, province: &Province, mails: usize) {
    let [wall, user, system, kib] = timed(&province.once(DONDOC));
    let mib = kib / 1024.0;
    print!("{name}: {wall:.2} s, {user:.2} s user, {system:.2} s system, {mib:.0} MiB at most");
    if mails > 0 {
        let count = f64::from(u32::try_from(mails).expect("a number of mails"));
        print!(
            "; {:.0} mails/s, {:.0} µs of CPU a mail",
            count / wall,
            (user + system) * 1e6 / count
        );
    }
    println!();
}

/// Runs a command under time(1), which measures the process and not this one: seconds on the clock, of it, and of the system
/// for it, and KiB.
fn timed(command: &Command) -> [f64; 4] {
    let mut timed = Command::new("/usr/bin/time");
    timed.args(["-f", "%e %U %S %M"]);
    timed.arg(command.get_program()).args(command.get_args());
    timed.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    let output = timed
        .stdout(Stdio::null())
        .output()
        .expect("time: apt-get install time");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let figures: Vec<f64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    figures
        .try_into()
        .unwrap_or_else(|_| panic!("not what time(1) says: {said}"))
}
