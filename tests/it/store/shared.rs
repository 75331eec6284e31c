//! A store on PostgreSQL that several processes share: who claims, who writes, who decides, and what is refused.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dondoc::config::settings::{Database, Server};
use dondoc::store::{Store, StoreError, Term};
use futures_util::future::join_all;
use sqlx::Row as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::{Kit, Place, accepted, message, telling, ticket, wanted};
use crate::postgres::{On, Postgres};
use crate::world::at;

impl Kit {
    fn postgres(&self) -> &Postgres {
        match &self.place {
            Place::Server(postgres) => postgres,
            Place::File(_) => panic!("the story is one of a server"),
        }
    }

    /// Another process on the same store.
    async fn another(&self) -> Store {
        Store::open(&self.place.database()).await.expect("a store")
    }

    /// Messages `M00`, `M01`, … of a ticket each, due at 08:00.
    async fn many(count: usize) -> Kit {
        let kit = Kit::new(On::Postgres).await;
        for n in 0..count {
            let code = format!("T{n:02}");
            kit.see(&ticket(&code), "2021-09-13 07:00").await;
            kit.tell(&telling(&code, "L1"), "2021-09-14 08:00").await.expect("new");
            let notices = kit.tellings(&code).await[0].notices.iter().map(|n| n.id).collect();
            let mut new = message(&format!("M{n:02}"), notices);
            new.digest_key = None;
            assert!(kit.compose(&new, "2021-09-14 08:00").await);
        }
        kit
    }
}

async fn lead(store: &Store, who: &str) -> Option<Term> {
    store.lead(who, TimeDelta::minutes(2)).await.expect("an answer")
}

async fn refused(database: &Database) -> String {
    match Store::open(database).await {
        Ok(_) => panic!("the store was opened"),
        Err(error) => error.to_string(),
    }
}

// ---- claims ------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn processes_that_claim_at_the_same_time_never_get_the_same_message() {
    let kit = Kit::many(40).await;
    let stores = join_all((0..4).map(|_| kit.another())).await;
    let now = at("2021-09-14 08:00");
    let claims = stores.iter().flat_map(|store| (0..4).map(move |n| (store, n)));
    let claims = claims.map(|(store, n)| async move {
        let claimed = store.claim(&wanted(&format!("p{n}"), now, 3)).await;
        claimed.expect("claims").into_iter().map(|c| c.id).collect::<Vec<_>>()
    });
    let claimed: Vec<String> = join_all(claims).await.concat();
    assert_eq!(claimed.len(), 40, "sixteen times three would be more than there are");
    assert_eq!(claimed.iter().collect::<BTreeSet<_>>().len(), 40);
}

#[tokio::test]
async fn a_lease_runs_by_the_clock_of_the_server_and_not_by_that_of_a_process() {
    let kit = Kit::many(1).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    // To a process whose clock is ahead the lease seems to be long over.
    assert!(kit.claim("b", "2031-09-14 08:00").await.is_empty());
    let mut tx = kit.store.begin().await.expect("a transaction");
    assert!(
        !tx.cancel("M00", "why", at("2031-09-14 08:00"))
            .await
            .expect("an answer"),
        "it is being sent"
    );
    drop(tx);
    assert!(kit.settle(&claim, &accepted(), "2021-09-14 08:01").await);
}

#[tokio::test]
async fn a_process_that_starts_leaves_the_claims_of_the_others_alone() {
    let kit = Kit::many(1).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    assert_eq!(kit.void_claims("2021-09-14 08:01").await, 0);
    assert!(kit.claim("b", "2021-09-14 08:01").await.is_empty());
    assert!(kit.settle(&claim, &accepted(), "2021-09-14 08:02").await);
}

// ---- one writes at a time ----------------------------------------------------------------------------------------

#[tokio::test]
async fn what_several_processes_write_at_the_same_time_is_all_there() {
    let kit = Kit::many(12).await;
    let stores = join_all((0..3).map(|_| kit.another())).await;
    let claims = kit.claim("a", "2021-09-14 08:00").await;
    let settled = claims
        .iter()
        .zip(stores.iter().cycle())
        .map(|(claim, store)| async move {
            let mut tx = store.begin().await.expect("a transaction");
            let held = tx
                .settle_messages(&[(claim, &accepted())], at("2021-09-14 08:01"))
                .await;
            tx.commit().await.expect("committed");
            held.expect("settled")[0]
        });
    assert_eq!(join_all(settled).await, [true; 10]);
    for claim in &claims {
        assert_eq!(kit.answers(&claim.id).await, ["accepted"]);
    }
}

#[tokio::test]
async fn an_answer_that_comes_while_a_ticket_is_decided_on_wakes_it_after_that() {
    let kit = Kit::many(1).await;
    let claim = kit.claim("a", "2021-09-14 08:00").await.remove(0);
    let term = lead(&kit.store, "a").await.expect("a term");
    let mut deciding = kit.store.begin_deciding(&term).await.expect("a transaction");
    let code = "T00".to_owned();
    let read = deciding.tickets(std::slice::from_ref(&code)).await.expect("tickets");
    let other = kit.another().await;
    let answer = async {
        let mut tx = other.begin().await.expect("a transaction");
        tx.settle_messages(&[(&claim, &accepted())], at("2021-09-14 08:01"))
            .await
            .expect("settled");
        tx.commit().await.expect("committed");
    };
    let decision = async {
        waits(&kit).await;
        let kept = read[&code].clone();
        deciding
            .save_tickets(&[(Some(kept.clone()), kept)], at("2021-09-14 08:01"))
            .await
            .expect("saved");
        deciding.commit().await.expect("committed");
    };
    tokio::join!(answer, decision);
    assert_eq!(kit.due("2021-09-14 08:01", 10).await, [code]);
}

/// Until a process waits for the one that writes.
async fn waits(kit: &Kit) {
    let mut connection = kit.postgres().connect().await;
    for _ in 0..100_000 {
        let waiting = sqlx::query(
            "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'",
        );
        if waiting
            .fetch_one(&mut connection)
            .await
            .expect("a count")
            .get::<i64, _>(0)
            > 0
        {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("nobody waits");
}

// ---- one decides -------------------------------------------------------------------------------------------------

#[tokio::test]
async fn of_several_processes_one_leads_until_it_steps_down() {
    let kit = Kit::new(On::Postgres).await;
    let other = kit.another().await;
    let term = lead(&kit.store, "a").await.expect("a term");
    assert_eq!(lead(&other, "b").await, None);
    assert_eq!(lead(&kit.store, "a").await.as_ref(), Some(&term), "its term goes on");
    kit.store.step_down(&term).await.expect("done");
    let next = lead(&other, "b").await.expect("a term");
    assert_eq!(lead(&kit.store, "a").await, None);
    // Whose term is over ends nobody else's.
    kit.store.step_down(&term).await.expect("done");
    assert_eq!(lead(&other, "b").await, Some(next));
}

#[tokio::test]
async fn of_processes_that_would_lead_at_the_same_time_one_does() {
    let kit = Kit::new(On::Postgres).await;
    let stores = join_all((0..6).map(|_| kit.another())).await;
    for round in 0..5 {
        kit.leases_run_out().await;
        let asked = stores
            .iter()
            .enumerate()
            .map(|(n, store)| async move { lead(store, &format!("{round}/{n}")).await });
        let terms = join_all(asked).await;
        assert_eq!(terms.iter().flatten().count(), 1, "{terms:?}");
    }
}

#[tokio::test]
async fn whose_term_was_taken_over_decides_nothing_any_more() {
    let kit = Kit::new(On::Postgres).await;
    let other = kit.another().await;
    let old = lead(&kit.store, "a").await.expect("a term");
    kit.leases_run_out().await;
    let new = lead(&other, "b").await.expect("it was free");
    assert!(matches!(kit.store.begin_deciding(&old).await, Err(StoreError::Deposed)));
    // Nor when it leads again, under the term from before.
    other.step_down(&new).await.expect("done");
    assert!(matches!(other.begin_deciding(&new).await, Err(StoreError::Deposed)));
    let again = lead(&kit.store, "a").await.expect("it was free");
    assert!(matches!(kit.store.begin_deciding(&old).await, Err(StoreError::Deposed)));
    let mut tx = kit.store.begin_deciding(&again).await.expect("a transaction");
    tx.put_generation(7, "x").await.expect("put");
    tx.commit().await.expect("committed");
    assert_eq!(kit.store.meta().await.expect("meta").generation, 7);
}

#[tokio::test]
async fn a_term_goes_on_with_every_transaction_that_decides() {
    let kit = Kit::new(On::Postgres).await;
    let other = kit.another().await;
    let term = lead(&kit.store, "a").await.expect("a term");
    kit.leases_run_out().await;
    // Nobody has asked for it meanwhile.
    let tx = kit.store.begin_deciding(&term).await.expect("a transaction");
    tx.commit().await.expect("committed");
    assert_eq!(lead(&other, "b").await, None);
}

#[tokio::test]
async fn a_term_is_written_down_anew_once_half_of_it_is_over() {
    let kit = Kit::new(On::Postgres).await;
    let term = lead(&kit.store, "a").await.expect("a term");
    let mut server = kit.postgres().connect().await;
    let mut until = async || {
        let until = sqlx::query("SELECT until FROM lease").fetch_one(&mut server);
        until.await.expect("the lease").get::<i64, _>(0)
    };
    let first = until().await;
    assert_eq!(lead(&kit.store, "a").await.as_ref(), Some(&term));
    assert_eq!(until().await, first);
    let minute = TimeDelta::minutes(1).num_microseconds().expect("a number");
    for moved in [first - minute, first + 3 * minute] {
        // The second is of a clock that was set back since.
        kit.postgres().run(&format!("UPDATE lease SET until = {moved}")).await;
        assert_eq!(lead(&kit.store, "a").await.as_ref(), Some(&term));
        let now = until().await;
        assert!(first <= now && now < first + minute, "{first} {now}");
    }
}

#[tokio::test]
async fn nobody_takes_over_within_a_transaction_that_decides() {
    let kit = Kit::new(On::Postgres).await;
    let other = kit.another().await;
    // A term that is over as soon as it begins.
    let term = kit
        .store
        .lead("a", TimeDelta::zero())
        .await
        .expect("an answer")
        .expect("a term");
    let mut tx = kit.store.begin_deciding(&term).await.expect("a transaction");
    let decided = async {
        waits(&kit).await;
        tx.put_generation(7, "x").await.expect("put");
        tx.commit().await.expect("committed");
    };
    let (next, ()) = tokio::join!(lead(&other, "b"), decided);
    assert!(next.is_some());
    assert_eq!(other.meta().await.expect("meta").generation, 7);
    assert!(matches!(
        kit.store.begin_deciding(&term).await,
        Err(StoreError::Deposed)
    ));
}

// ---- a server that is restarted ----------------------------------------------------------------------------------

#[tokio::test]
async fn when_the_server_has_ended_all_sessions_the_next_call_is_answered() {
    let kit = Kit::many(1).await;
    let term = lead(&kit.store, "a").await.expect("a term");
    kit.postgres().end_sessions().await;
    assert_eq!(kit.store.count_tickets().await.expect("a count"), 1);
    kit.postgres().end_sessions().await;
    let tx = kit
        .store
        .begin_deciding(&term)
        .await
        .expect("its term outlives the session");
    tx.commit().await.expect("committed");
    kit.postgres().end_sessions().await;
    assert_eq!(kit.claim("a", "2021-09-14 08:00").await.len(), 1);

    let mut tx = kit.store.begin().await.expect("a transaction");
    tx.put_generation(7, "x").await.expect("put");
    kit.postgres().end_sessions().await;
    tx.commit().await.expect_err("it went with its session");
    assert_eq!(kit.store.meta().await.expect("meta").generation, 0);
}

// ---- opening -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn processes_that_start_at_the_same_time_make_the_tables_once() {
    let postgres = Postgres::new().await;
    let place = postgres.place();
    for store in join_all((0..4).map(|_| Store::open(&place))).await {
        assert_eq!(store.expect("a store").count_tickets().await.expect("a count"), 0);
    }
}

#[tokio::test]
async fn looking_makes_nothing_and_writes_nothing() {
    let postgres = Postgres::new().await;
    let place = postgres.place();
    let none = Store::open_read_only(&place).await.expect_err("none").to_string();
    assert_eq!(
        none,
        format!(
            "store {}: there is none yet; run `dondoc once` or `dondoc run` first",
            postgres.url
        )
    );
    Store::open(&place)
        .await
        .expect("a store, since looking left the database empty");
    let looking = Store::open_read_only(&place).await.expect("a store to look at");
    assert_eq!(looking.count_tickets().await.expect("a count"), 0);
    let error = looking.begin().await.err().expect("no writing").to_string();
    assert!(error.contains("read-only"), "{error}");
}

#[tokio::test]
async fn tables_of_a_newer_program_stop_an_older_one_that_is_at_work() {
    let kit = Kit::many(1).await;
    let term = lead(&kit.store, "a").await.expect("a term");
    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (99, 'later', TRUE, '', 0)";
    kit.postgres().run(newer).await;
    let is_newer = |error: StoreError| {
        let said = error.to_string();
        assert!(
            said.contains("its tables are of version 99, this dondoc knows"),
            "{said}"
        );
    };
    let now = at("2021-09-14 08:00");
    is_newer(kit.store.begin().await.err().expect("newer"));
    is_newer(kit.store.begin_deciding(&term).await.err().expect("newer"));
    is_newer(kit.store.lead("a", TimeDelta::minutes(2)).await.expect_err("newer"));
    is_newer(kit.store.claim(&wanted("a", now, 1)).await.expect_err("newer"));
    is_newer(Store::open(&kit.place.database()).await.expect_err("newer"));
    is_newer(Store::open_read_only(&kit.place.database()).await.expect_err("newer"));
}

#[tokio::test]
async fn looking_does_not_bring_old_tables_up_to_date() {
    let kit = Kit::new(On::Postgres).await;
    kit.postgres()
        .run("DELETE FROM _sqlx_migrations WHERE version > 1")
        .await;
    let error = Store::open_beside(&kit.place.database())
        .await
        .expect_err("older")
        .to_string();
    assert!(
        error.contains("its tables are of version 1, this dondoc needs"),
        "{error}"
    );
}

#[tokio::test]
async fn a_ticket_database_given_as_the_store_is_not_touched() {
    let postgres = Postgres::new().await;
    postgres.run("CREATE TABLE ticket (code TEXT)").await;
    let error = refused(&postgres.place()).await;
    assert!(
        error.ends_with("this is a database of something else; give `store.url` a database of its own"),
        "{error}"
    );
    let mut connection = postgres.connect().await;
    let tables = sqlx::query("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(
        tables
            .fetch_one(&mut connection)
            .await
            .expect("a count")
            .get::<i64, _>(0),
        1
    );
}

#[tokio::test]
async fn a_database_that_is_not_there_is_named() {
    let postgres = Postgres::new().await;
    let mut url = postgres.url.clone();
    url.set_path("nowhere");
    let error = refused(&Database::Postgres(Server {
        url: url.clone(),
        password: None,
    }))
    .await;
    assert!(
        error.starts_with(&format!("store {url}: cannot be opened:")) && error.contains("\"nowhere\" does not exist"),
        "{error}"
    );
}

#[tokio::test]
async fn a_copy_is_left_to_the_means_of_the_server() {
    let kit = Kit::new(On::Postgres).await;
    let dir = tempfile::tempdir().expect("a folder");
    let to = dir.path().join("copy.db");
    let error = kit.store.backup(&to).await.expect_err("refused").to_string();
    assert!(error.contains("pg_dump"), "{error}");
    assert!(!to.exists());
}

#[tokio::test]
async fn a_proxy_that_drops_what_a_session_is_set_to_is_refused() {
    let postgres = Postgres::new().await;
    let proxy = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut url = postgres.url.clone();
    url.set_port(Some(proxy.local_addr().expect("an address").port()))
        .expect("a port");
    url.set_query(Some("sslmode=disable"));
    let server = ("127.0.0.1", postgres.url.port().expect("a port"));
    let place = Database::Postgres(Server { url, password: None });
    let dropping = async {
        let (mut client, _) = proxy.accept().await.expect("a client");
        let mut server = TcpStream::connect(server).await.expect("the server");
        let length = client.read_u32().await.expect("a length");
        let mut start = vec![0; length as usize - 4];
        client.read_exact(&mut start).await.expect("a start");
        let (protocol, parameters) = start.split_at(4);
        let words: Vec<&[u8]> = parameters.split(|b| *b == 0).collect();
        let kept: Vec<&[u8]> = words
            .chunks(2)
            .filter(|pair| pair[0] != b"options")
            .flatten()
            .copied()
            .collect();
        assert!(
            kept.len() < words.len(),
            "what the session is set to goes with its start"
        );
        let start = [protocol, &kept.join(&0)].concat();
        server
            .write_u32(u32::try_from(start.len()).expect("short") + 4)
            .await
            .expect("sent");
        server.write_all(&start).await.expect("sent");
        tokio::io::copy_bidirectional(&mut client, &mut server)
            .await
            .expect("copied");
    };
    let (error, ()) = tokio::join!(refused(&place), dropping);
    assert!(error.contains("a proxy in between"), "{error}");
}
