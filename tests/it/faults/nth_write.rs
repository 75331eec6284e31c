//! Nothing is sent before it is durable: a turn with everything in it, whose n-th writing statement or n-th commit fails
//! in the database, for every n.
//!
//! After each failure the store is looked at from beside: no unit of work is half done, and whatever a receiver has is
//! there, with its bytes and as tried. Then the database works again, and in the end each is told what he would have
//! been told without the fault, by one message. Where the process ended too, what had no mark of its answer comes twice,
//! and as the same; one that goes on has not forgotten the answer, and nothing comes twice.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use dondoc::demo::reading;
use dondoc::demo::receiver::{Do, Step};
use serde_json::Value;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};

use crate::postgres::On;
use crate::webhooks::receiver::{self, Receiver};
use crate::world::{FIVE_DAYS, LADDER, World, at};

/// The turn that fails, and those after it.
const TURN: &str = "2021-09-14 08:00";
const LATER: [&str; 3] = ["2021-09-14 08:40", "2021-09-14 13:30", "2021-09-15 08:00"];

/// What ends in failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// A statement that writes.
    Statement,
    /// The commit of a transaction that has written.
    Commit,
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Statement => "statement",
            What::Commit => "commit",
        }
    }
}

/// And what follows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It was that one only.
    Well,
    /// All after it fail too, as on a full disk.
    Worse,
}

// ---- a turn with everything in it --------------------------------------------------------------------------------

/// What the turn finds changed in the ticket database: code and `updated_at`.
const CHANGED: [(&str, &str); 3] = [
    ("NEW", "2021-09-14 07:40"),
    ("END", "2021-09-14 07:45"),
    ("WORD", "2021-09-14 07:48"),
];

const MORE_RULES: &str = r#"
[[rule]]
id = "announced"
title = "Phiếu khẩn"
when = "received"
where = { priority = "khẩn" }
digest = "ticket"

[[rule.step]]
id = "announce"
after = "0s"
to = ["agency:contact"]
template = "received"

[[summary]]
id = "daily"
title = "Tổng hợp ngày"
at = "08:00"
to = ["office:contact"]
template = "summary-office"
"#;

const INTERIOR: &str = r#"
[[unit]]
id = "SNV"
name = "Sở Nội vụ"
parent = "UBND"
contacts = [{ role = "contact", address = "snv@tinh.example" }, { role = "clerk", address = "vanthu-snv@tinh.example" }]
"#;

struct Office {
    world: World,
    system: Receiver,
    on: On,
    /// The store's, kept as they were before the turn in a schema of their own.
    tables: Vec<String>,
    bounce: String,
    mails_seen: usize,
    posts_seen: usize,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    /// One's that has just started, and that ends after it.
    New,
    /// One's that goes on.
    Same,
}

impl Office {
    async fn before_the_turn(on: On) -> Office {
        let refused: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let cut = Arc::new(AtomicBool::new(false));
        let (answers, cuts) = (Arc::clone(&refused), Arc::clone(&cut));
        let rules =
            LADDER.replacen("template =", "via = [\"email\", \"webhook\"]\ntemplate =", 1) + FIVE_DAYS + MORE_RULES;
        let world = World::with_mail_server(&rules, move |step, whom| {
            let is_refused = answers.lock().expect("boxes").iter().any(|r| whom.contains(r));
            let is_cut = cuts.load(Ordering::SeqCst);
            match step {
                Step::Recipient if is_refused => Do::Reply(451, "4.2.0 later".to_owned()),
                // Whether it has the mail is not known.
                Step::Final if is_cut => Do::Cut,
                _ => Do::Go,
            }
        });
        let mut world = world.await.on(on).await;
        let system = Receiver::start(None, receiver::Do::Say("HTTP/1.1 204 No Content\r\n\r\n".to_owned())).await;
        settle_in(&mut world, &system).await;
        world.turn("2021-08-31 07:00").await;
        for (code, agency, received) in [
            ("SECOND", "Sở Xây dựng", "2021-08-31 09:00"),
            ("END", "Sở Y tế", "2021-08-31 09:00"),
            ("UNTAKEN", "Sở Tài chính", "2021-09-01 09:00"),
            ("RETURNED", "Sở Nội vụ", "2021-09-01 09:00"),
            ("FIRST", "Sở Y tế", "2021-09-06 09:00"),
        ] {
            world.ticket(code, agency, received).await;
        }
        for time in ["2021-09-06 07:00", "2021-09-10 08:00", "2021-09-10 16:00"] {
            world.turn(time).await;
        }
        refused.lock().expect("boxes").push("stc@");
        world.turn("2021-09-13 08:00").await;
        let returned = world
            .received()
            .into_iter()
            .find(|mail| mail.to == ["snv@tinh.example"]);
        let bounce = bounce(&returned.expect("a mail").from);
        world
            .ticket("URGENT", "Văn phòng Ủy ban nhân dân tỉnh", "2021-09-13 16:05")
            .await;
        world
            .sql("UPDATE ticket SET priority = 'khẩn' WHERE code = 'URGENT'")
            .await;
        cut.store(true, Ordering::SeqCst);
        world.turn("2021-09-13 16:10").await;
        cut.store(false, Ordering::SeqCst);
        refused.lock().expect("boxes").clear();
        let [new, end, word] = CHANGED;
        world.ticket(new.0, "Sở Xây dựng", "2021-08-20 09:00").await;
        world.change(new.0, new.1, "title = 'x'").await;
        world.answer(end.0, end.1).await;
        world.ticket(word.0, "Sở Xây dựng", "2021-09-13 09:00").await;
        world.change(word.0, word.1, "status = 'lạ'").await;
        world.stop().await;
        let tables = save(&world, on).await;
        world.restart().await;
        let mut office = Office {
            world,
            system,
            on,
            tables,
            bounce,
            mails_seen: 0,
            posts_seen: 0,
        };
        office.again(Process::Same).await;
        office
    }

    /// All as it was before the turn; to a process that goes on, or to one that has just started.
    async fn again(&mut self, process: Process) {
        if process == Process::New {
            self.world.stop().await;
        }
        let mut beside = Beside::of(&self.world, self.on).await;
        let begin = match self.on {
            On::Sqlite => "PRAGMA foreign_keys = OFF; ATTACH 'saved.db' AS saved; BEGIN IMMEDIATE;"
                .replace("saved.db", &self.world.dir().join("saved.db").display().to_string()),
            On::Postgres => "BEGIN; SET LOCAL session_replication_role = replica;".to_owned(),
        };
        let tables = self.tables.iter();
        let back = tables.map(|t| format!("DELETE FROM {t}; INSERT INTO {t} SELECT * FROM saved.{t};"));
        beside
            .run(&format!("{begin} {} COMMIT", back.collect::<String>()))
            .await;
        beside.close().await;
        let maildir = self.world.dir().join("bounces");
        for folder in ["cur", "new"] {
            std::fs::remove_dir_all(maildir.join(folder)).expect("the maildir");
            std::fs::create_dir(maildir.join(folder)).expect("the maildir");
        }
        std::fs::write(maildir.join("new/1"), &self.bounce).expect("a mail");
        if process == Process::New {
            self.world.restart().await;
        }
        self.mails_seen = self.world.received().len();
        self.posts_seen = self.system.posts().len();
    }

    /// What has arrived since: by its id, the copies of each message, and what it tells to whom.
    fn arrived(&self) -> BTreeMap<String, Arrived> {
        let mut all: BTreeMap<String, Arrived> = BTreeMap::new();
        let mails = self.world.received();
        for mail in &mails[self.mails_seen..] {
            let letter = reading::read(&mail.bytes).expect("a letter");
            let to = letter.to.join("+");
            let mut tells: Vec<String> = letter.told().map(|(t, r, s)| format!("{to}: {t} {r}/{s}")).collect();
            if tells.is_empty() {
                tells.push(format!("{to}: {}", letter.subject));
            }
            let (id, _) = letter.message_id.split_once('@').expect("an id");
            all.entry(id.to_owned()).or_default().take(&mail.bytes, tells);
        }
        for post in &self.system.posts()[self.posts_seen..] {
            let body: Value = serde_json::from_slice(&post.body).expect("JSON");
            let word = |ticket: &Value, key: &str| ticket[key].as_str().expect("a word").to_owned();
            let tickets = body["tickets"].as_array().expect("tickets").iter();
            let tells = tickets.map(|t| format!("post: {} {}/{}", word(t, "code"), word(t, "rule"), word(t, "step")));
            all.entry(post.header("webhook-id").to_owned())
                .or_default()
                .take(&post.body, tells.collect());
        }
        all
    }

    /// Every line that arrived, each by one message.
    fn told(&self) -> Vec<String> {
        let mut told: Vec<String> = self.arrived().into_values().flat_map(|a| a.tells).collect();
        told.sort();
        told
    }
}

#[derive(Default)]
struct Arrived {
    bytes: Vec<u8>,
    copies: usize,
    tells: Vec<String>,
}

impl Arrived {
    fn take(&mut self, bytes: &[u8], tells: Vec<String>) {
        assert!(
            self.copies == 0 || self.bytes == bytes,
            "each attempt sends the same bytes"
        );
        self.bytes = bytes.to_owned();
        self.tells = tells;
        self.copies += 1;
    }
}

/// Ops who are told, an endpoint, a mail server that returns what cannot be delivered.
async fn settle_in(world: &mut World, system: &Receiver) {
    std::fs::write(
        world.dir().join("a.key"),
        "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
    )
    .expect("a key");
    for folder in ["new", "cur", "tmp"] {
        std::fs::create_dir_all(world.dir().join("bounces").join(folder)).expect("a folder");
    }
    world.write("dondoc.toml", |text| {
        let bounces = "timeout = \"2s\"\nbounce_address = \"bounces@1022.tinh.example\"\nbounce_maildir = \"bounces\"";
        text.replace("tell = false", "tell = true")
            .replace("timeout = \"2s\"", bounces)
            + "\n[webhooks]\nallowed_private = [\"127.0.0.0/8\"]\ntimeout = \"1s\"\n"
    });
    let endpoint = format!(
        "webhooks = [{{ id = \"syt\", url = \"http://{}/syt\", key_files = [\"a.key\"] }}]",
        system.address
    );
    let name = "name = \"Sở Y tế\"";
    world
        .edit("agencies.toml", |text| {
            text.replace(name, &format!("{name}\n{endpoint}")) + INTERIOR
        })
        .await;
}

/// What a mail server writes to the sender of a mail whose box is not there.
fn bounce(sender: &str) -> String {
    format!(
        "Return-Path: <>\nDelivered-To: {sender}\nDate: Mon, 13 Sep 2021 08:00:02 +0700\nFrom: MAILER-DAEMON@tinh.example\n\
         Subject: Undelivered Mail\nTo: {sender}\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"B\"\n\n--B\nContent-Type: text/plain\n\nx\n\n\
         --B\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; tinh.example\n\n\
         Final-Recipient: rfc822; snv@tinh.example\nAction: failed\nStatus: 5.1.1\n\n--B--\n"
    )
}

// ---- the store, behind the program's back ------------------------------------------------------------------------

async fn save(world: &World, on: On) -> Vec<String> {
    let mut beside = Beside::of(world, on).await;
    let tables = beside.tables().await;
    if on == On::Sqlite {
        let folder = world.dir();
        std::fs::copy(folder.join("store.db"), folder.join("saved.db")).expect("a copy");
    } else {
        let copies = tables.iter().map(|t| format!("CREATE TABLE saved.{t} AS TABLE {t};"));
        let copies: String = copies.collect();
        beside.run(&format!("CREATE SCHEMA saved; {copies}")).await;
        install(world, &tables).await;
    }
    beside.close().await;
    tables
}

/// Triggers that count what is written across transactions, since a sequence is not taken back with them.
async fn install(world: &World, tables: &[String]) {
    let count = |name: &str, when: &str| {
        format!(
            "CREATE SEQUENCE fault.{name}; CREATE FUNCTION fault.{name}() RETURNS trigger LANGUAGE plpgsql AS $$ \
             DECLARE n bigint; BEGIN {when} n := nextval('fault.{name}'); \
             IF EXISTS (SELECT 1 FROM fault.range WHERE what = '{name}' AND n BETWEEN first AND last) THEN \
             RAISE EXCEPTION '{name} %: % %', n, TG_OP, TG_TABLE_NAME USING ERRCODE = 'disk_full'; END IF; \
             RETURN NULL; END $$;"
        )
    };
    let statements = count("statement", "");
    // The first row of each transaction stands for its commit.
    let commits = count(
        "commit",
        "IF current_setting('fault.seen', true) = pg_current_xact_id()::text THEN RETURN NULL; END IF; \
         PERFORM set_config('fault.seen', pg_current_xact_id()::text, true);",
    );
    let triggers = tables.iter().map(|t| {
        format!(
            "CREATE TRIGGER statement BEFORE INSERT OR UPDATE OR DELETE ON {t} FOR EACH STATEMENT EXECUTE FUNCTION fault.statement(); \
             CREATE CONSTRAINT TRIGGER commit AFTER INSERT OR UPDATE OR DELETE ON {t} DEFERRABLE INITIALLY DEFERRED \
             FOR EACH ROW EXECUTE FUNCTION fault.commit();"
        )
    });
    let triggers: String = triggers.collect();
    let range = "CREATE TABLE fault.range (what text, first bigint, last bigint);";
    world
        .on_store(&format!(
            "CREATE SCHEMA fault; {range} {statements} {commits} {triggers}"
        ))
        .await;
}

/// A connection of one's own.
enum Beside {
    File(SqliteConnection),
    Server(PgConnection),
}

impl Beside {
    async fn of(world: &World, on: On) -> Beside {
        match on {
            On::Sqlite => Beside::File(open(&world.dir().join("store.db")).await),
            On::Postgres => Beside::Server(world.postgres().connect().await),
        }
    }

    /// A column of text.
    async fn texts(&mut self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        let rows = match self {
            Beside::File(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
            Beside::Server(connection) => sqlx::query_scalar(sql).fetch_all(connection).await,
        };
        rows.expect("rows")
    }

    async fn run(&mut self, sql: &str) {
        let raw = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Beside::File(connection) => connection.execute(raw).await.map(drop),
            Beside::Server(connection) => connection.execute(raw).await.map(drop),
        }
        .expect("done");
    }

    async fn close(self) {
        match self {
            Beside::File(connection) => connection.close().await.expect("closed"),
            Beside::Server(connection) => connection.close().await.expect("closed"),
        }
    }

    /// The store's own.
    async fn tables(&mut self) -> Vec<String> {
        let all = match self {
            Beside::File(_) => {
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_sqlx_migrations' AND name NOT LIKE 'sqlite%'"
            }
            Beside::Server(_) => {
                "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' AND tablename <> '_sqlx_migrations'"
            }
        };
        self.texts(all).await
    }

    /// Has the n-th write fail and perhaps all after it.
    async fn arm(&mut self, what: What, then: Then, n: i64) {
        match self {
            Beside::File(_) => self.arm_file(what, then, n).await,
            Beside::Server(_) => {
                let name = what.name();
                let last = match then {
                    Then::Well => n,
                    Then::Worse => i64::MAX,
                };
                self.run(&format!(
                    "ALTER SEQUENCE fault.{name} RESTART; INSERT INTO fault.range VALUES ('{name}', {n}, {last})"
                ))
                .await;
            }
        }
    }

    /// The one connection of the process counts the rows that it has changed, and takes that back with nothing. A commit
    /// fails by a reference to nothing, which is looked at only there.
    async fn arm_file(&mut self, what: What, then: Then, n: i64) {
        assert_eq!(then, Then::Worse, "what is not counted does not end");
        let mut sql = "CREATE TABLE fault_nothing (id INTEGER PRIMARY KEY); \
             CREATE TABLE fault (id INTEGER REFERENCES fault_nothing DEFERRABLE INITIALLY DEFERRED);"
            .to_owned();
        let doing = match what {
            What::Statement => "SELECT RAISE(ABORT, printf('statement %d:', total_changes()))",
            What::Commit => "INSERT INTO fault VALUES (1)",
        };
        for table in self.tables().await {
            for operation in ["INSERT", "UPDATE", "DELETE"] {
                sql.push_str(&format!(
                    "CREATE TRIGGER fault_{operation}_{table} BEFORE {operation} ON {table} WHEN total_changes() >= {n} BEGIN {doing}; END;"
                ));
            }
        }
        self.run(&sql).await;
    }

    /// Whether the n-th write was reached; in a file the failing turn alone shows it.
    async fn was_reached(&mut self, what: What, n: i64) -> bool {
        match self {
            Beside::File(_) => false,
            Beside::Server(_) => {
                let name = what.name();
                let sql = format!("SELECT 'yes' FROM fault.{name} WHERE is_called AND last_value >= {n}");
                !self.texts(&sql).await.is_empty()
            }
        }
    }

    async fn disarm(&mut self) {
        match self {
            Beside::File(_) => {
                let triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'";
                let triggers = self.texts(triggers).await;
                let drop: String = triggers.iter().map(|t| format!("DROP TRIGGER {t};")).collect();
                self.run(&format!("{drop} DROP TABLE fault; DROP TABLE fault_nothing"))
                    .await;
            }
            Beside::Server(_) => self.run("DELETE FROM fault.range").await,
        }
    }
}

async fn open(file: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(file);
    options.connect().await.expect("the file")
}

/// The number of the write that an error names, `… statement 17: …`; in a file the rows changed before it.
fn named(error: &str) -> Option<i64> {
    let (_, named) = error.rsplit_once("statement ")?;
    named.split_once(':')?.0.parse().ok()
}

// ---- what has to hold --------------------------------------------------------------------------------------------

/// Units of work, none of which may be half done: what must not be, and how to find it.
const NEVER: [(&str, &str); 12] = [
    (
        "a telling without a notice",
        "SELECT subject || ' ' || rule || '/' || step FROM telling t WHERE NOT EXISTS (SELECT 1 FROM notice n WHERE n.telling = t.id)",
    ),
    (
        "a telling about a ticket that is not there",
        "SELECT subject FROM telling t WHERE subject_kind = 'ticket' AND NOT EXISTS (SELECT 1 FROM ticket WHERE code = t.subject)",
    ),
    (
        "a message without its bytes",
        "SELECT id FROM message m WHERE NOT EXISTS (SELECT 1 FROM body b WHERE b.message = m.id)",
    ),
    (
        "a message without one of its notices",
        "SELECT id FROM message m WHERE notices <> (SELECT COUNT(*) FROM message_notice l WHERE l.message = m.id)",
    ),
    (
        "a message whose attempts are not all written down",
        "SELECT id FROM message m WHERE attempts <> (SELECT COUNT(*) FROM attempt a WHERE a.message = m.id)",
    ),
    (
        "a notice in a message that does not wait",
        "SELECT m.id || ' ' || m.state FROM notice n LEFT JOIN message m ON m.id = n.message WHERE n.state = 'composed' AND (m.id IS NULL OR m.state <> 'waiting')",
    ),
    (
        "a notice that has another answer than its message",
        "SELECT m.id || ' ' || n.state FROM message m JOIN notice n ON n.message = m.id WHERE m.state = 'accepted' AND n.state <> 'accepted'",
    ),
    (
        "a notice that was told by no message",
        "SELECT n.role FROM notice n LEFT JOIN message m ON m.id = n.message WHERE n.state = 'accepted' AND (m.id IS NULL OR m.state <> 'accepted')",
    ),
    (
        "a waiting notice that nothing would wake, or that is in a message",
        "SELECT role FROM notice WHERE state = 'waiting' AND (compose_at IS NULL OR message IS NOT NULL)",
    ),
    (
        "a claim without an end",
        "SELECT id FROM message WHERE (claimed_by IS NULL) <> (claimed_until IS NULL)",
    ),
    (
        "a returned message whose address is written to, or whose notices did not go on",
        "SELECT m.id FROM message m WHERE state = 'bounced' AND (NOT EXISTS (SELECT 1 FROM suspension) \
         OR NOT EXISTS (SELECT 1 FROM bounce b WHERE b.message = m.id) \
         OR EXISTS (SELECT 1 FROM notice n WHERE n.message = m.id AND n.state = 'accepted'))",
    ),
    (
        "a summary without its figures",
        "SELECT t.subject FROM telling t JOIN notice n ON n.telling = t.id WHERE t.subject_kind = 'summary' AND n.state IN ('composed', 'accepted') \
         AND NOT EXISTS (SELECT 1 FROM summary_figures f WHERE f.telling = t.id)",
    ),
];

/// What is sent and has no answer written down.
const UNMARKED: &str = "SELECT id FROM message WHERE state = 'waiting' AND claimed_by IS NOT NULL";

async fn nothing_is_half_done(office: &Office, beside: &mut Beside, when: &str) {
    for (what, sql) in NEVER {
        assert_eq!(beside.texts(sql).await, [""; 0], "{what}, {when}");
    }
    let store = office.world.store();
    let cursor = store.meta().await.expect("meta").cursor.expect("a cursor");
    for (code, updated) in CHANGED {
        let kept = store.tickets(&[code.to_owned()]).await.expect("tickets");
        let known = kept.get(code).and_then(|kept| kept.updated_raw.clone());
        let is_known = known == Some(format!("{updated}:00"));
        assert!(is_known || cursor < at(updated), "the cursor is past {code}, {when}");
    }
}

/// Whatever arrived was durable before, with its claim.
async fn all_that_arrived_is_there(office: &Office, unmarked: &[String], when: &str) {
    let store = office.world.store();
    for (id, arrived) in office.arrived() {
        let message = store.message(&id).await.expect("a store");
        let message = message.unwrap_or_else(|| panic!("{:?} was sent and is not known, {when}", arrived.tells));
        let body = store.body(&id).await.expect("a store").expect("its bytes");
        assert!(body == arrived.bytes, "other bytes of {:?}, {when}", arrived.tells);
        assert!(
            message.state == "accepted" || unmarked.contains(&id),
            "{:?} was sent by nobody's claim, {when}",
            arrived.tells
        );
    }
}

/// The turns after it. With a server the claims of a process that goes on end by their time only.
async fn goes_on(office: &mut Office) {
    office.world.leases_run_out().await;
    for time in LATER {
        office.world.turn(time).await;
    }
}

/// What was written before the turn, by the count of the one connection that a file is written by.
async fn written_before(office: &mut Office) -> i64 {
    if office.on == On::Postgres {
        return 0;
    }
    let mut beside = Beside::of(&office.world, office.on).await;
    beside.arm(What::Statement, Then::Worse, 0).await;
    let error = office.world.engine().turn(at(TURN)).await.expect_err("no writing");
    beside.disarm().await;
    beside.close().await;
    named(&error.to_string()).expect("a number") - 1
}

/// The n-th write fails, for each n or some way apart, until there is none.
async fn every_write(on: On, what: What, then: Then, process: Process, apart: i64) {
    let mut office = Office::before_the_turn(on).await;
    office.world.turn(TURN).await;
    let of_turn = office.told();
    goes_on(&mut office).await;
    let undisturbed = office.told();
    insta::allow_duplicates! { insta::assert_snapshot!("everything", undisturbed.join("\n")) };

    let mut pruning = 0;
    let (mut n, mut places, mut while_sending, mut came_twice) = (1, 0, 0, 0);
    loop {
        let when = format!("{what:?} {n} failed, then {then:?}");
        office.again(process).await;
        let before = written_before(&mut office).await;
        let mut beside = Beside::of(&office.world, on).await;
        beside.arm(what, then, before + n).await;
        let turn = office.world.engine().turn(at(TURN)).await;
        let was_reached = beside.was_reached(what, n).await;
        beside.disarm().await;
        let Err(error) = turn else {
            assert_eq!(office.told(), of_turn, "nothing failed: {when}");
            if !was_reached {
                break;
            }
            // Only pruning comes after all is told; that it fails is logged, and it is tried again.
            pruning += 1;
            assert!(pruning <= 60, "the turn knows nothing of it: {when}");
            n += apart;
            continue;
        };
        let unmarked: Vec<String> = beside.texts(UNMARKED).await;
        nothing_is_half_done(&office, &mut beside, &when).await;
        all_that_arrived_is_there(&office, &unmarked, &when).await;
        let sent: BTreeSet<String> = office.arrived().into_keys().collect();
        while_sending += usize::from(!sent.is_empty());

        if process == Process::New {
            office.world.restart().await;
        }
        goes_on(&mut office).await;
        nothing_is_half_done(&office, &mut beside, &when).await;
        assert_eq!(office.told(), undisturbed, "{when}");
        for (id, arrived) in office.arrived() {
            // The process that has the answer knows it until it can be written down.
            let may_repeat = process == Process::New && sent.contains(&id) && unmarked.contains(&id);
            assert!(
                arrived.copies == 1 || (may_repeat && arrived.copies == 2),
                "{} copies of {:?}, {when}",
                arrived.copies,
                arrived.tells
            );
            came_twice += usize::from(arrived.copies > 1);
        }
        let left = beside.texts("SELECT id FROM message WHERE state = 'waiting'").await;
        assert_eq!(left, [""; 0], "{when}");
        beside.close().await;
        places += 1;
        n = named(&error.to_string()).map_or(n, |named| n.max(named - before)) + apart;
    }
    // The turn writes much; letters were on their way at some of it, and some had no mark of their answer.
    assert!(places * apart > 50 || what == What::Commit, "{places}");
    assert!(
        places > 10 && while_sending > 3 && (came_twice == 0 || process == Process::New),
        "{places} {while_sending} {came_twice}"
    );
    eprintln!("{on:?} {what:?} {then:?}: {places} places, {while_sending} while sending, {came_twice} came twice");
}

#[tokio::test]
async fn from_any_statement_on_the_file_takes_nothing_more() {
    every_write(On::Sqlite, What::Statement, Then::Worse, Process::Same, 1).await;
}

#[tokio::test]
async fn from_any_commit_on_the_file_takes_nothing_more() {
    every_write(On::Sqlite, What::Commit, Then::Worse, Process::Same, 4).await;
}

#[tokio::test]
async fn any_one_statement_fails_on_the_server() {
    every_write(On::Postgres, What::Statement, Then::Well, Process::Same, 1).await;
}

#[tokio::test]
async fn any_one_commit_fails_on_the_server() {
    every_write(On::Postgres, What::Commit, Then::Well, Process::New, 1).await;
}

#[tokio::test]
async fn from_any_statement_on_the_server_takes_nothing_more() {
    every_write(On::Postgres, What::Statement, Then::Worse, Process::Same, 4).await;
}
