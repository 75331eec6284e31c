//! The whole job: `dondoc once` on 10 000 overdue tickets, one mail each, into Debian's `smtp-sink`; then a second turn in
//! which nothing is due. Then the same once more, killed in the middle and taken up again. Behind `tests/with-servers` the job
//! is done from PostgreSQL to PostgreSQL too. `cargo bench --bench once` prints what it took, beside what Debian's
//! `smtp-source` takes for as many mails of that size over as many connections (docs/performance.md).

#[path = "../tests/it/sink/province.rs"]
mod province;
#[expect(dead_code, reason = "the other benchmarks' too")]
mod support;

use std::process::Command;

use province::{Province, RULES};
use sqlx::Executor as _;
use support::{OnServer, TicketDatabase, Tickets, Took, dondoc, move_to_postgres, server, timed};

const OVERDUE: usize = 10_000;
const OPEN: usize = 12_000;

/// Connections to the relay, as the shipped configuration has them.
const CONNECTIONS: &str = "4";
/// About what a letter about one ticket takes.
const BYTES: &str = "10400";

#[tokio::main]
async fn main() {
    println!("{OVERDUE} overdue of {OPEN} open tickets, digest = \"ticket\"");
    let province = discarding().await;
    reference(&province);
    println!("SQLite to SQLite");
    report("first turn ", &province, OVERDUE);
    report("second turn", &province, 0);

    if let Some(server) = server() {
        println!("PostgreSQL to PostgreSQL");
        let province = discarding().await;
        on_postgres(&province, &server).await;
        report("first turn ", &province, OVERDUE);
        report("second turn", &province, 0);
    }

    let province = Province::new(dondoc(), OVERDUE, OPEN).await;
    province.kill_once_after(dondoc(), OVERDUE / 2);
    let before = province.received().1.len();
    let Took { wall, .. } = timed(&province.once(dondoc()));
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (OVERDUE, OVERDUE), "every ticket came");
    println!(
        "SQLite, each mail a file, killed after {before}, taken up again: {wall:.2} s; came twice, with the same Message-ID: {}",
        ids.values().sum::<usize>() - OVERDUE
    );
}

/// A province whose relay throws all mails away.
async fn discarding() -> Province {
    Province::with_relay(&[], RULES, dondoc(), OVERDUE, OPEN).await
}

/// How fast the relay takes mails that are there already.
fn reference(province: &Province) {
    let config = std::fs::read_to_string(province.config().join("dondoc.toml")).expect("dondoc.toml");
    let port = config.lines().find_map(|line| line.strip_prefix("port = "));
    let relay = format!("127.0.0.1:{}", port.expect("a port"));
    let count = OVERDUE.to_string();
    let mut source = Command::new("smtp-source");
    source.args(["-d", "-s", CONNECTIONS, "-m", &count, "-l", BYTES, &relay]);
    println!("smtp-source: {:.2} s", timed(&source).wall);
}

/// Gives a province the same tickets in a database of a server, and a store there.
async fn on_postgres(province: &Province, server: &str) {
    let OnServer { tickets, .. } = move_to_postgres(&province.config(), server).await;
    let database = TicketDatabase::Postgres(tickets.clone());
    for (prefix, count, received_at) in [
        ("PA", OVERDUE, "2021-08-30 08:00:00"),
        ("MOI", OPEN - OVERDUE, "2021-09-20 07:30:00"),
    ] {
        let tickets = Tickets {
            prefix,
            count,
            status: "đang xử lý",
            received_at,
            updated_at: "2021-09-20 07:30:00",
        };
        database.insert(&tickets).await;
    }
    tickets.execute("ANALYZE").await.expect("analyzed");
}

/// Prints what a turn took, and of that each of the mails that it sent.
fn report(name: &str, province: &Province, mails: usize) {
    let Took {
        wall,
        cpu,
        mib,
        reported,
    } = timed(&province.once(dondoc()));
    let reported: serde_json::Value = serde_json::from_str(&reported).expect("a report in JSON");
    assert_eq!(reported["accepted"], mails, "the relay took each");
    print!("{name}: {wall:.2} s, {cpu:.2} s of CPU, {mib:.0} MiB at most");
    if mails > 0 {
        let count = f64::from(u32::try_from(mails).expect("a number of mails"));
        print!(
            "; {:.0} mails/s, {:.0} µs of CPU a mail",
            count / wall,
            cpu * 1e6 / count
        );
    }
    println!();
}
