//! How both databases go about the store's statements where its tables have grown: by keys and by what is due.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _, SqlSafeStr as _, Statement as _, TypeInfo as _};

use super::Kit;
use super::file::{file_of, open_file};
use crate::postgres::On;

/// Not asked by turns.
fn is_asked_by_people(statement: &str) -> bool {
    const BEGINNINGS: [&str; 11] = [
        // `status` and `outbox list`.
        "SELECT COUNT(*) FROM ticket",
        "SELECT state, COUNT(*)",
        "SELECT id, state, channel, form, mode, unit, desk, subject, rules, steps, notices",
        "SELECT COUNT(*) FROM message WHERE (kept",
        "SELECT DISTINCT period FROM obligation ORDER BY",
        // `prune`, before it is told to go on.
        "SELECT COUNT(*) FROM message WHERE kept = 0",
        "SELECT COUNT(*) FROM change WHERE at <",
        // Rehearsals.
        "SELECT m.id AS message, m.state_at AS at,",
        "SELECT period FROM directive UNION",
        "SELECT t.subject_kind, t.subject",
        "SELECT DISTINCT period FROM directive ORDER BY",
    ];
    // Forgetting a ticket looks for its code wherever it may stand.
    let searches = statement.contains(" LIKE $1 ESCAPE ")
        || statement.contains("t.subject_kind <> 'ticket'")
        || (statement.starts_with("UPDATE ") && statement.contains(" = $2 WHERE ") && statement.ends_with(" = $1"));
    searches || BEGINNINGS.iter().any(|beginning| statement.starts_with(beginning))
}

/// The steps of SQLite's plan for each statement.
async fn plans(kit: &Kit) -> Vec<(&'static str, Vec<String>)> {
    let file = open_file(&file_of(kit)).await;
    let mut plans = Vec::new();
    for statement in [dondoc::store::statements(), dondoc::store::statements_of_sqlite()].concat() {
        let plan = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
            .fetch_all(&file)
            .await
            .unwrap_or_else(|e| panic!("{statement}: {e}"));
        let steps = plan.iter().map(|row| row.get::<String, _>("detail")).collect();
        plans.push((statement, steps));
    }
    plans
}

#[tokio::test]
async fn no_statement_of_a_turn_goes_through_a_table_from_end_to_end() {
    let kit = Kit::new(On::Sqlite).await;
    // Rows that were found by their keys, rows to write, and the handful of single values, rules, endpoints, units, counters
    // and months.
    let few = [
        "page",
        "subquery",
        "last",
        "first",
        "VALUES",
        "CONSTANT",
        "made",
        "ended",
        "fate",
        "back",
        "meta",
        "sqlite_",
        "rule_seen",
        "endpoint",
        "unit_mode",
        "tally",
        "snapshot",
    ];
    for (statement, steps) in plans(&kit).await {
        let is_scan = |step: &&String| step.starts_with("SCAN") && !few.iter().any(|t| step.contains(t));
        let scans: Vec<&String> = steps.iter().filter(is_scan).collect();
        // The index of what waits holds nothing else, nor does that of summaries, of which there are a few a week, or that
        // of obligations about which something was just recorded.
        let has_few = |s: &&String| {
            ["notice_waiting", "telling_summary", "obligation_untaken", "message_due"]
                .iter()
                .any(|index| s.contains(index))
        };
        let only_waiting = scans.iter().all(|s| s.contains("USING") && has_few(s));
        assert!(only_waiting || is_asked_by_people(statement), "{statement}: {scans:?}");
    }
}

#[tokio::test]
async fn no_page_of_many_is_put_in_order_anew() {
    let kit = Kit::new(On::Sqlite).await;
    let mut found = Vec::new();
    for (statement, steps) in plans(&kit).await {
        let is_page = statement.contains(" LIMIT CAST($") && !is_asked_by_people(statement);
        // Once a night, what has waited for too long.
        let is_nightly = statement.starts_with("SELECT id, unit, channel, urgent, since FROM (");
        // That the lines of one page are put in order is another thing.
        let goes_in_order = |step: &String| step.contains("TEMP B-TREE FOR") && step.ends_with("ORDER BY");
        if is_page && !is_nightly && steps.iter().any(goes_in_order) {
            found.push(format!("{statement}: {steps:?}"));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn a_message_is_found_by_its_id_or_when_it_is_due_and_not_among_all_of_its_state() {
    let kit = Kit::new(On::Sqlite).await;
    let of_states = [
        // All that wait are meant: by a start, a changed configuration, the nightly audit, or whoever counts them.
        "UPDATE message SET claimed_until = $1 WHERE state = 'waiting' AND claimed_by IS NOT NULL",
        "SELECT id FROM message WHERE state = 'waiting' AND mode = 'live'",
        "SELECT matter, created_at FROM message WHERE state = 'waiting' AND notices = 0",
        "SELECT COUNT(*) FROM message WHERE state = 'waiting'",
        "SELECT id, unit, channel, urgent, since FROM (",
        // Of the other states there are few messages: no other is asked for by the third.
        "UPDATE message SET state = 'replaced', state_at = $1, reason = $2 WHERE state = 'released'",
        "SELECT id, said FROM message WHERE state = 'released'",
        "SELECT MIN(at) FROM (SELECT MIN(compose_at) AS at FROM notice WHERE state = 'waiting'",
        "SELECT COUNT(*) FROM message WHERE state = $1 AND state_at > $2",
        "SELECT id, mode, approver, unit, subject, urgent, created_at, remind_at FROM message WHERE state = 'awaiting_approval'",
        "SELECT id, mode, channel, form, unit, desk, matter, recipients, correction FROM message WHERE state = 'corrected'",
    ];
    let mut found = Vec::new();
    for (statement, steps) in plans(&kit).await {
        let by_state = steps.iter().any(|step| step.contains("message_state (state=?)"));
        if by_state && !is_asked_by_people(statement) && !of_states.iter().any(|s| statement.starts_with(s)) {
            found.push(statement);
        }
    }
    assert_eq!(found, [""; 0]);
}

/// Rows of each table that grows: most of what there is is over.
const GROWN: [&str; 9] = [
    "INSERT INTO ticket (code, state, memory, status_word, is_open, received_at, next_at, generation, missing, over_at) \
     SELECT 'T' || i, '{}', '{}', 'x', CASE WHEN i % 20 = 0 THEN 1 ELSE 0 END, i, CASE WHEN i % 20 = 0 THEN i END, 1, 0, \
     CASE WHEN i % 20 > 0 THEN i END FROM generate_series(1, 200000) AS i",
    "INSERT INTO change (id, code, at, seen, before) SELECT i, 'T' || i, i, i, '{}' FROM generate_series(1, 200000) AS i",
    "INSERT INTO telling (id, subject_kind, subject, mode, rule, step, repetition, occurrence, due_at, decided_at, opening) \
     SELECT i, CASE WHEN i % 1000 = 0 THEN 'summary' ELSE 'ticket' END, 'T' || i, 'live', 'r', 's', 0, 'o', i, i, 0 FROM generate_series(1, 200000) AS i",
    "INSERT INTO message (id, mode, channel, form, unit, desk, matter, digest_key, recipients, subject, rules, steps, notices, state, \
     state_at, urgent, created_at, next_attempt_at, replace_at, attempts, unknown) SELECT 'M' || i, 'live', 'email', 'digest', 'u', 'contact', \
     'm' || i, 'd' || i, '[]', 's', '[]', '[]', 1, CASE WHEN i % 1000 = 0 THEN 'waiting' WHEN i % 10000 = 1 THEN 'dead' ELSE 'accepted' END, \
     i, 0, i, CASE WHEN i % 1000 = 0 THEN i END, i, 1, 0 FROM generate_series(1, 200000) AS i",
    "INSERT INTO notice (id, telling, role, start_unit, channel, cc, state, state_at, compose_at, message) SELECT i, i, 'r', 'u', 'email', 0, \
     CASE WHEN i % 1000 = 0 THEN 'waiting' ELSE 'accepted' END, i, CASE WHEN i % 1000 = 0 THEN i END, 'M' || i FROM generate_series(1, 200000) AS i",
    "INSERT INTO body (message, bytes) SELECT 'M' || i, '\\x00' FROM generate_series(1, 200000) AS i",
    "INSERT INTO message_notice (message, notice) SELECT 'M' || i, i FROM generate_series(1, 200000) AS i",
    "INSERT INTO attempt (id, message, at, answer, detail) SELECT i, 'M' || i, i, 'accepted', '' FROM generate_series(1, 200000) AS i",
    "ANALYZE",
];

/// A store on a server, and somebody else's connection to it.
async fn on_a_server() -> (Kit, PgConnection) {
    let kit = Kit::new(On::Postgres).await;
    let super::Place::Server(postgres) = &kit.place else {
        panic!("the story is one of a server");
    };
    let connection = postgres.connect().await;
    (kit, connection)
}

#[tokio::test]
async fn nor_does_a_server_whose_tables_have_grown() {
    let (_kit, mut connection) = on_a_server().await;
    for rows in GROWN {
        let made = connection.execute(sqlx::raw_sql(rows)).await;
        made.unwrap_or_else(|e| panic!("{rows}: {e}"));
    }
    let grown = [
        "ticket",
        "change",
        "telling",
        "notice",
        "message",
        "message_notice",
        "body",
        "attempt",
    ];
    let mut found = Vec::new();
    for statement in dondoc::store::statements() {
        // Once a day; of the letters to ops, which the server cannot know of here, there are a few a day.
        let is_daily = statement.starts_with(
            "UPDATE message SET kept = 2 WHERE id IN (SELECT id FROM message WHERE kept = 0 AND unit = $2",
        );
        if is_asked_by_people(statement) || is_daily {
            continue;
        }
        let prepared = connection.prepare(AssertSqlSafe(statement).into_sql_str()).await;
        let prepared = prepared.unwrap_or_else(|e| panic!("{statement}: {e}"));
        let Some(sqlx::Either::Left(types)) = prepared.parameters() else {
            panic!("{statement}: parameters without types");
        };
        // An instant shortly before the last one, a key, fifty rows.
        let value = |(place, of): (usize, &sqlx::postgres::PgTypeInfo)| match of.name() {
            "INT8" if statement.contains(&format!("LIMIT CAST(${} AS BIGINT)", place + 1)) => "50",
            "INT8" => "199990",
            "BYTEA" => "'\\x00'",
            _ => "'T5'",
        };
        let values: Vec<&str> = types.iter().enumerate().map(value).collect();
        let values = match values.is_empty() {
            true => String::new(),
            false => format!("({})", values.join(", ")),
        };
        let explain = format!("PREPARE one AS {statement}; EXPLAIN EXECUTE one{values}; DEALLOCATE one");
        let plan = connection.fetch_all(sqlx::raw_sql(AssertSqlSafe(explain))).await;
        let plan = plan.unwrap_or_else(|e| panic!("{statement}: {e}"));
        let lines: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        assert!(
            lines.iter().any(|line| line.contains("cost=")),
            "{statement}: {lines:?}"
        );
        let scans = |line: &&String| {
            let table = line
                .split("Seq Scan on ")
                .nth(1)
                .and_then(|rest| rest.split(' ').next());
            table.is_some_and(|table| grown.contains(&table))
        };
        if let Some(scan) = lines.iter().find(scans) {
            found.push(format!("{statement}: {}", scan.trim()));
        }
    }
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn a_server_knows_its_tables_by_the_eighth_transaction_and_not_when_it_comes_to_it() {
    let (kit, mut connection) = on_a_server().await;
    let is_known = "SELECT reltuples >= 0 AS known FROM pg_class WHERE oid = 'message'::regclass";
    let mut known = Vec::new();
    for _ in 0..9 {
        let tx = kit.store.begin().await.expect("begun");
        tx.commit().await.expect("committed");
        let row = connection.fetch_one(is_known).await.expect("the table");
        known.push(row.get::<bool, _>("known"));
    }
    let expected = [false, false, false, false, false, false, false, true, true];
    assert_eq!(known, expected);
}

#[tokio::test]
async fn later_a_server_looks_again_at_what_has_grown_and_at_nothing_else() {
    let (kit, mut connection) = on_a_server().await;
    let looked_at = "SELECT COALESCE(string_agg(relname, ' ' ORDER BY relname), '') AS names FROM pg_class \
                     WHERE relname IN ('ticket', 'change', 'telling', 'notice', 'message') AND reltuples > 0";
    let mut looks = Vec::new();
    for number in 1..=32 {
        if number == 12 {
            let written = "INSERT INTO change (id, code, at, seen, before) SELECT n, 'PA-' || n, n, n, '{}' FROM generate_series(1, 5000) AS n";
            connection.execute(written).await.expect("changes");
        }
        let tx = kit.store.begin().await.expect("begun");
        tx.commit().await.expect("committed");
        if number % 8 == 0 {
            let row = connection.fetch_one(looked_at).await.expect("the tables");
            looks.push(row.get::<String, _>("names"));
        }
        if number == 20 {
            // As few more as make no other plan.
            let written = "INSERT INTO change (id, code, at, seen, before) SELECT n, 'PA-' || n, n, n, '{}' FROM generate_series(5001, 6000) AS n";
            connection.execute(written).await.expect("changes");
        }
    }
    let of_changes = "SELECT CAST(reltuples AS BIGINT) AS rows FROM pg_class WHERE oid = 'change'::regclass";
    let row = connection.fetch_one(of_changes).await.expect("the table");
    assert_eq!(looks, ["", "change", "change", "change"]);
    assert_eq!(
        row.get::<i64, _>("rows"),
        5000,
        "a fifth more is no reason to look again"
    );
}
