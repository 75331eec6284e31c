//! A small province with a ticket database, a mail server and the real engine, for stories under simulated time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use chrono::{NaiveDateTime, TimeZone};
use dondoc::config::{self, Config};
use dondoc::demo::reading::{self, Letter};
use dondoc::demo::receiver::{Do, Keep, Received, Receiver, Step};
use dondoc::domain::Moment;
use dondoc::domain::evaluate::Verdict;
use dondoc::engine::{Audit, AuditError, Engine, Explained, Prepared, Pulse, TurnReport};
use dondoc::render::Renderer;
use dondoc::store::Store;
use dondoc::store::meta::LastAudit;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};
use tempfile::TempDir;

use crate::postgres::{On, Postgres};
use crate::tickets::{Kind, Tickets};

/// A ladder of the shipped shape.
pub const LADDER: &str = r#"
[[rule]]
id = "overdue"
title = "Phiếu quá hạn xử lý"
when = "overdue"

[[rule.step]]
id = "L1"
after = "1wd"
to = ["agency:contact"]
cc = ["co_agencies:contact"]
template = "overdue-1"

[[rule.step]]
id = "L2"
after = "3wd"
to = ["agency:head"]
template = "overdue-2"

[[rule.step]]
id = "L3"
after = "5wd"
to = ["agency:head"]
template = "overdue-3"

[[rule.step]]
id = "L4"
after = "10wd"
to = ["office:contact"]
template = "overdue-office"
"#;

/// Every ticket gets five working days.
pub const FIVE_DAYS: &str = "\n[[deadline]]\nid = \"normal\"\ndue = \"5wd\"\npause = [\"waiting\"]\n";

const AGENCIES: &str = r#"
root = "UBND"
office = "VP"
ops = ["ops@tinh.example"]

[[unit]]
id = "UBND"
name = "Ủy ban nhân dân tỉnh"
contacts = []

[[unit]]
id = "VP"
name = "Văn phòng Ủy ban nhân dân tỉnh"
parent = "UBND"
contacts = [{ role = "contact", address = "vp@tinh.example" }, { role = "head", address = "lanhdao-vp@tinh.example" }]

[[unit]]
id = "SYT"
name = "Sở Y tế"
short = "SYT"
parent = "UBND"
contacts = [{ role = "contact", address = "syt@tinh.example" }, { role = "head", address = "giamdoc-syt@tinh.example" }]

[[unit]]
id = "SXD"
name = "Sở Xây dựng"
parent = "UBND"
contacts = [{ role = "contact", address = "sxd@tinh.example" }, { role = "head", address = "giamdoc-sxd@tinh.example" }]

[[unit]]
id = "STC"
name = "Sở Tài chính"
parent = "UBND"
contacts = [{ role = "contact", address = "stc@tinh.example" }]

[[unit]]
id = "BQL"
name = "Ban Quản lý khu kinh tế"
parent = "UBND"
contacts = []

[[unit]]
id = "C06"
name = "Cục C06"
external = true
"#;

const CONFIG: &str = r#"
[source]
url = "sqlite:tickets.db"
query = "SELECT * FROM ticket"
time_zone = "Asia/Ho_Chi_Minh"
stale_after = 0

[source.status]
"mới" = "open"
"đang xử lý" = "open"
"chờ bổ sung" = "waiting"
"đã trả lời" = "answered"
"đóng" = "closed"
"từ chối" = "rejected"
"trùng" = "void"

[source.rating]
"hài lòng" = "satisfied"
"chưa hài lòng" = "unsatisfied"

[store]
url = "sqlite:store.db"

[smtp]
host = "127.0.0.1"
port = PORT
hello = "1022.tinh.example"
timeout = "2s"

[ops]
# Stories of alarms have them told.
tell = false

[delivery]
from_address = "nhacviec@tinh.example"
from_name = "Trung tâm"
reply_to = "truc@tinh.example"
tag = "1022"
hotline = "Tổng đài 1022"
contact_line = "truc@tinh.example"
signature = "Trung tâm"
allowed_domains = ["tinh.example"]
"#;

pub struct World {
    dir: TempDir,
    pub tickets: Tickets,
    receiver: Receiver,
    engine: Option<Engine>,
    seen: usize,
    /// Where the store is, if not in a file of the folder.
    postgres: Option<Postgres>,
}

/// A local time such as `2021-09-07 08:00`.
pub fn at(local: &str) -> Moment {
    let naive = NaiveDateTime::parse_from_str(local, "%Y-%m-%d %H:%M").expect("a local time");
    chrono_tz::Asia::Ho_Chi_Minh
        .from_local_datetime(&naive)
        .single()
        .expect("no gap")
        .to_utc()
}

impl World {
    /// A province with these rules; every mail is accepted.
    pub async fn new(rules: &str) -> World {
        World::with_mail_server(rules, |_, _| Do::Go).await
    }

    /// The same with a mail server that follows a script.
    pub async fn with_mail_server(rules: &str, script: impl Fn(Step, &str) -> Do + Send + Sync + 'static) -> World {
        let receiver = Receiver::start_scripted("127.0.0.1:0".parse().expect("an address"), Keep::memory(), script)
            .await
            .expect("a receiver");
        let dir = tempfile::tempdir().expect("a folder");
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        std::fs::create_dir(dir.path().join("rules")).expect("a folder");
        std::fs::copy(shipped.join("calendar.toml"), dir.path().join("calendar.toml")).expect("the calendar");
        copy_all(&shipped.join("templates"), &dir.path().join("templates"));
        std::fs::copy(shipped.join("terms.toml"), dir.path().join("terms.toml")).expect("the terms");
        std::fs::write(dir.path().join("agencies.toml"), confirmed(AGENCIES)).expect("a file");
        let config = CONFIG.replace("PORT", &receiver.address().port().to_string());
        std::fs::write(dir.path().join("dondoc.toml"), config).expect("a file");
        let tickets = Tickets::new(Kind::Sqlite, dir.path()).await;
        tickets
            .sql(&format!("CREATE TABLE ticket ({})", Kind::Sqlite.columns()))
            .await;
        let mut world = World {
            dir,
            tickets,
            receiver,
            engine: None,
            seen: 0,
            postgres: None,
        };
        world.rules(rules).await;
        world
    }

    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Writes the rules anew and starts the engine with them, as a restarted process does.
    pub async fn rules(&mut self, rules: &str) {
        std::fs::write(self.dir.path().join("rules/test.toml"), rules).expect("a file");
        self.restart().await;
    }

    /// Changes a configuration file and restarts.
    pub async fn edit(&mut self, file: &str, change: impl Fn(String) -> String) {
        self.write(file, change);
        self.restart().await;
    }

    /// Changes a configuration file and leaves it to others to take it up.
    pub fn write(&self, file: &str, change: impl Fn(String) -> String) {
        let path = self.dir.path().join(file);
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = match file {
            "agencies.toml" => confirmed(&change(text.replace(CONFIRMED, ""))),
            _ => change(text),
        };
        std::fs::write(path, text).expect("a file");
    }

    pub fn config(&self) -> Config {
        match config::load(self.dir.path(), std::iter::empty()) {
            Ok(loaded) => {
                crate::schema::takes(self.dir.path());
                loaded.config
            }
            Err(problems) => panic!("{problems}"),
        }
    }

    pub async fn restart(&mut self) {
        self.stop().await;
        self.engine = Some(self.another_engine().await);
    }

    /// The engine of a process with the same configuration.
    pub async fn another_engine(&self) -> Engine {
        let prepared = self.prepared();
        let store = Store::open(&prepared.config.store.database).await.expect("a store");
        Engine::new(prepared, store)
    }

    fn prepared(&self) -> Prepared {
        let config = Arc::new(self.config());
        let renderer = Renderer::load(&config.templates_dir, &config.wording).unwrap_or_else(|e| panic!("{e:?}"));
        Prepared::new(config, renderer).expect("clients")
    }

    /// Has the store, which is still empty, on the database of a story.
    pub async fn on(self, on: On) -> World {
        match on {
            On::Sqlite => self,
            On::Postgres => self.with_store_on(Postgres::new().await).await,
        }
    }

    /// The same on a PostgreSQL that is there.
    pub async fn with_store_on(mut self, postgres: Postgres) -> World {
        let url = format!("url = \"{}\"", postgres.url);
        self.edit("dondoc.toml", |text| text.replace("url = \"sqlite:store.db\"", &url))
            .await;
        self.postgres = Some(postgres);
        self
    }

    /// Has the ticket database, which is still empty, on a kind of server.
    pub async fn with_tickets_on(mut self, kind: Kind) -> World {
        if kind != Kind::Sqlite {
            self.tickets = Tickets::new(kind, self.dir.path()).await;
            self.sql(&format!("CREATE TABLE ticket ({})", kind.columns())).await;
            let url = format!("url = \"{}\"", self.tickets.url());
            self.edit("dondoc.toml", |text| text.replace("url = \"sqlite:tickets.db\"", &url))
                .await;
        }
        self
    }

    /// Any statements on the store, behind its back.
    pub async fn on_store(&self, sql: &str) {
        match &self.postgres {
            Some(postgres) => postgres.run(sql).await,
            None => {
                let file = SqliteConnectOptions::new().filename(self.dir.path().join("store.db"));
                let mut connection = file.connect().await.expect("a store");
                let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
                statement.execute(&mut connection).await.expect("done");
                connection.close().await.expect("done");
            }
        }
    }

    /// The PostgreSQL that the store is on.
    pub fn postgres(&self) -> &Postgres {
        self.postgres.as_ref().expect("a store on PostgreSQL")
    }

    /// What a process that is gone held becomes free: on PostgreSQL when its leases run out, else at once.
    pub async fn leases_run_out(&self) {
        if let Some(postgres) = &self.postgres {
            postgres.leases_run_out().await;
        }
    }

    /// Ends the engine, so that another process can have the store.
    pub async fn stop(&mut self) {
        if let Some(mut engine) = self.engine.take() {
            engine.close().await;
        }
    }

    /// The store, for looking.
    pub fn store(&self) -> &Store {
        self.engine.as_ref().expect("a running engine").store()
    }

    /// One turn at a local time.
    pub async fn turn(&mut self, local: &str) -> TurnReport {
        self.engine
            .as_mut()
            .expect("a running engine")
            .turn(at(local))
            .await
            .expect("a turn")
    }

    /// What an audit at a local time comes to.
    pub async fn audit(&mut self, local: &str) -> Audit {
        let engine = self.engine.as_mut().expect("a running engine");
        engine.audit(None, at(local)).await.expect("an audit")
    }

    /// The same from another instant on, or why nothing can be said.
    pub async fn audit_since(&mut self, since: &str, local: &str) -> Result<Audit, AuditError> {
        let engine = self.engine.as_mut().expect("a running engine");
        engine.audit(Some(at(since)), at(local)).await
    }

    /// What the daemon does behind a turn: takes the nightly audit where it is due; the last one.
    pub async fn audit_nightly(&mut self, local: &str) -> Result<Option<LastAudit>, AuditError> {
        let engine = self.engine.as_mut().expect("a running engine");
        engine.audit_nightly(&|| at(local)).await
    }

    /// All that is owed at a local time has a recorded fate.
    pub async fn is_audited(&mut self, local: &str) {
        let audit = self.audit(local).await;
        assert!(audit.is_clean() && audit.checked > 0, "{audit:#?}");
    }

    /// What a daemon does while its clock is behind the last turn.
    pub async fn turn_behind(&mut self, local: &str) -> TurnReport {
        let engine = self.engine.as_mut().expect("a running engine");
        engine.turn(at(local)).await.expect_err("time goes forward");
        engine.deliver_only(&|| at(local)).await.expect("delivery goes on")
    }

    /// The running engine, for turns that may fail.
    pub fn engine(&mut self) -> &mut Engine {
        self.engine.as_mut().expect("a running engine")
    }

    /// One turn that begins at the present of a clock.
    pub async fn turn_by(&mut self, clock: &(dyn Fn() -> Moment + Sync)) -> TurnReport {
        let engine = self.engine.as_mut().expect("a running engine");
        engine.turn_by(clock).await.expect("a turn")
    }

    /// The pulse of the running engine.
    pub fn pulse(&self) -> Arc<Pulse> {
        self.engine.as_ref().expect("a running engine").pulse()
    }

    /// The letters received since this was asked last, in order of arrival.
    pub fn letters(&mut self) -> Vec<Letter> {
        let read = |bytes: Vec<u8>| reading::read(&bytes).expect("a letter");
        self.mails().into_iter().map(read).collect()
    }

    /// The bytes of the mails received since this was asked last, in order of arrival.
    pub fn mails(&mut self) -> Vec<Vec<u8>> {
        let received = self.receiver.received();
        let mails = received[self.seen..].iter().map(|m| m.bytes.clone()).collect();
        self.seen = received.len();
        mails
    }

    /// What was told since this was asked last: `box: ticket rule/step` lines, sorted.
    pub fn told(&mut self) -> Vec<String> {
        let mut told: Vec<String> = self
            .letters()
            .iter()
            .flat_map(|l| {
                let to = l.to.join(",").replace("@tinh.example", "");
                l.told()
                    .map(|(ticket, rule, step)| format!("{to}: {ticket} {rule}/{step}"))
                    .collect::<Vec<_>>()
            })
            .collect();
        told.sort();
        told
    }

    /// Turns at 07:00, 08:00 and 16:00 of each day from one date to another, and what was told on which day.
    pub async fn days(&mut self, from: &str, to: &str) -> Vec<String> {
        let day = |text: &str| chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").expect("a date");
        let mut all = Vec::new();
        for date in day(from).iter_days().take_while(|d| *d <= day(to)) {
            for time in ["07:00", "08:00", "16:00"] {
                self.turn(&format!("{date} {time}")).await;
            }
            all.extend(self.told().into_iter().map(|t| format!("{} {t}", date.format("%d/%m"))));
        }
        all
    }

    /// A new open ticket.
    pub async fn ticket(&self, code: &str, agency: &str, received: &str) {
        let [code, agency] = [code, agency].map(|text| text.replace('\'', "''"));
        self.sql(&format!(
            "INSERT INTO ticket (code, status, received_at, updated_at, agency) \
             VALUES ('{code}', 'đang xử lý', '{received}:00', '{received}:00', '{agency}')"
        ))
        .await;
    }

    /// Changes columns of a ticket at a local time, which becomes its `updated_at`.
    pub async fn change(&self, code: &str, when: &str, set: &str) {
        let sql = format!("UPDATE ticket SET {set}, updated_at = '{when}:00' WHERE code = '{code}'");
        assert_eq!(self.tickets.sql(&sql).await, 1, "there is a ticket {code}");
    }

    pub async fn answer(&self, code: &str, when: &str) {
        self.change(code, when, &format!("status = 'đã trả lời', answered_at = '{when}:00'"))
            .await;
    }
}

/// Looking without touching, and small changes.
impl World {
    /// Has the running engine take up the files as they are, as the daemon does with a reload.
    pub async fn adopt(&mut self) {
        let prepared = self.prepared();
        self.engine.as_mut().expect("a running engine").adopt(prepared).await;
    }

    /// What `dondoc explain` finds for a ticket at a local time.
    pub async fn explained(&self, code: &str, local: &str) -> Explained {
        let config = self.config();
        dondoc::engine::explain(&config, self.store(), code, at(local))
            .await
            .expect("a readable store")
            .unwrap_or_else(|| panic!("{code} is known at {local}"))
    }

    /// The verdict on one step of a rule for a ticket at a local time.
    pub async fn verdict(&self, code: &str, rule: &str, step: &str, local: &str) -> Verdict {
        let found = self.explained(code, local).await.found;
        let judged = found.judged.into_iter().find(|j| j.rule == rule && j.step == step);
        judged
            .unwrap_or_else(|| panic!("{rule}/{step} is judged for {code}"))
            .verdict
    }

    /// Every telling of a ticket, oldest first, as `rule/step` with the occurrence: `overdue/L1 2021-09-13|SYT|0`.
    pub async fn occurrences(&self, code: &str) -> Vec<String> {
        let known = self.store().tellings(&[code.to_owned()]).await.expect("a store");
        let of_ticket = known.get(code).into_iter().flatten();
        of_ticket
            .map(|t| format!("{}/{} {}", t.key.rule, t.key.step, t.key.occurrence))
            .collect()
    }

    /// Writes more into a configuration file, as ops do, and restarts.
    pub async fn append(&mut self, file: &str, more: &str) {
        self.edit(file, |text| format!("{text}\n{more}\n")).await;
    }
}

const CONFIRMED: &str = ", confirmed = \"2020-01-06\"";

/// A directory in which every address is confirmed but those in single quotes.
pub fn confirmed(agencies: &str) -> String {
    let address = regex::Regex::new("address = \"[^\"]*\"").expect("a pattern");
    address.replace_all(agencies, format!("$0{CONFIRMED}")).into_owned()
}

pub fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

impl World {
    /// Every mail that was received, byte for byte, in order of arrival.
    pub fn received(&self) -> Vec<Received> {
        self.receiver.received()
    }

    /// The ticket database is out of reach.
    pub async fn lose_source(&self) {
        self.sql("ALTER TABLE ticket RENAME TO ticket_away").await;
    }

    pub async fn regain_source(&self) {
        self.sql("ALTER TABLE ticket_away RENAME TO ticket").await;
    }

    /// Any statement on the ticket database.
    pub async fn sql(&self, statement: &str) {
        self.tickets.sql(statement).await;
    }

    /// A turn in which the process is killed when `death` comes, and another process that starts. False where the turn
    /// was through before.
    pub async fn killed_turn(&mut self, local: &str, death: impl Future<Output = ()>) -> bool {
        let mut engine = self.engine.take().expect("a running engine");
        let killed = tokio::select! {
            biased;
            () = death => true,
            done = engine.turn(at(local)) => done.map(|_| false).expect("a turn"),
        };
        drop(engine);
        self.leases_run_out().await;
        self.restart().await;
        killed
    }

    /// A turn whose process is killed after its work was taken up so many times.
    pub async fn turn_killed_after(&mut self, local: &str, polls: usize) -> bool {
        let mut left = polls;
        let mut engine = self.engine.take().expect("a running engine");
        let killed = {
            let mut turn = Box::pin(engine.turn(at(local)));
            std::future::poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(true);
                }
                left -= 1;
                turn.as_mut()
                    .poll(context)
                    .map(|done| done.map(|_| false).expect("a turn"))
            })
            .await
        };
        drop(engine);
        self.leases_run_out().await;
        self.restart().await;
        killed
    }
}
