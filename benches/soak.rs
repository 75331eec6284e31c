//! The daemon at 1 000 messages a minute for ten minutes: a ticket falls due every 60 ms, one mail each, SQLite to SQLite into
//! Debian's `smtp-sink`. `cargo bench --bench soak` prints memory and CPU minute by minute; DONDOC_SOAK_MINUTES makes it
//! longer. At its end every ticket has come once.

#[expect(dead_code, reason = "single turns are the other benchmark's")]
#[path = "../tests/it/sink/province.rs"]
mod province;
#[expect(dead_code, reason = "the other benchmarks' too")]
mod support;

use std::time::Duration;

use province::{Province, RULES};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use support::{Daemon, dondoc};
use tokio::time::{interval, timeout};

const A_MINUTE: usize = 1_000;

/// A ticket that is long overdue and has only just come in.
const TICKET: &str = "INSERT INTO ticket (code, status, received_at, updated_at, kind, category, channel, level, agency) \
    VALUES (printf('MOI.%07d', $1), 'đang xử lý', datetime('now', '-60 days', '+7 hours'), datetime('now', '+7 hours'), \
    'phản ánh', 'đất đai', 'điện thoại', 2, CASE $1 % 3 WHEN 0 THEN 'Sở Y tế' WHEN 1 THEN 'Sở Xây dựng' ELSE 'Sở Tài chính' END)";

/// From one look at the daemon to the next.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS_A_MINUTE: usize = 120;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let minutes = std::env::var("DONDOC_SOAK_MINUTES").map_or(10, |text| text.parse().expect("a number of minutes"));
    let at_any_hour = RULES.replace("\ntemplate =", "\nurgent = true\ntemplate =");
    let province = Province::under(&at_any_hour, dondoc(), 0, 0).await;
    let pool = open(&province).await;
    let mut daemon = Daemon::start(province.command(dondoc(), &["run"]), "1s");
    println!("{A_MINUTE} tickets a minute for {minutes} minutes, a turn a second");
    let (mut looks, mut made) = (interval(LOOK), 0);
    for minute in 1..=minutes {
        let mut resident = Vec::new();
        for look in 1..=LOOKS_A_MINUTE {
            looks.tick().await;
            let owed = (minute - 1) * A_MINUTE + look * A_MINUTE / LOOKS_A_MINUTE;
            insert(&pool, made, owed).await;
            made = owed;
            resident.push(daemon.resident_mib());
        }
        resident.sort_by(f64::total_cmp);
        println!(
            "minute {minute:2}: {made} made, {} received, {:.1} MiB resident (median), {:.1} MiB at most, {:.1} s CPU so far",
            province.received().1.len(),
            resident[resident.len() / 2],
            resident[resident.len() - 1],
            daemon.cpu_seconds(),
        );
    }
    let all = async {
        while province.received().1.len() < made {
            looks.tick().await;
        }
    };
    timeout(Duration::from_secs(60), all).await.expect("every ticket came");
    let (tickets, ids) = province.received();
    assert_eq!((tickets.len(), ids.len()), (made, made), "every ticket came");
    assert!(
        tickets.values().chain(ids.values()).all(|times| *times == 1),
        "and none twice"
    );
    assert!(
        daemon.0.try_wait().expect("its state").is_none(),
        "the daemon still runs"
    );
    println!("all {made} came, each once");
}

async fn open(province: &Province) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(province.config().join("tickets.db"));
    SqlitePool::connect_with(options).await.expect("the ticket database")
}

async fn insert(pool: &SqlitePool, from: usize, to: usize) {
    let mut tx = pool.begin().await.expect("a transaction");
    for n in from..to {
        let n = i64::try_from(n).expect("a number");
        sqlx::query(TICKET).bind(n).execute(&mut *tx).await.expect("a ticket");
    }
    tx.commit().await.expect("a transaction");
}
