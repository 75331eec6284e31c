//! The service on a machine: a real systemd, booted from a folder with a small Debian, with the binary and the shipped
//! unit in it. Needs root, debootstrap and systemd-nspawn.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use dondoc::demo::reading;
use tempfile::TempDir;

use crate::daemon::URGENT;
use crate::world::World;

const NOBODY: u32 = 65534;

/// Beside the shipped unit: short times, and a secret handed over as a credential.
const DROP_IN: &str = "[Service]
WatchdogSec=5s
RestartSec=100ms
LoadCredential=http-token:/etc/dondoc/secrets/http-token
Environment=DONDOC__HTTP__TOKEN_FILE=%d/http-token
";

/// A booted machine, with a mail server on its loopback.
struct Machine {
    nspawn: Child,
    sink: Option<Child>,
    /// The machine's first process, by our numbers.
    leader: String,
    dir: TempDir,
}

impl Machine {
    fn boot(config: &Path) -> Machine {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = repository.join("target/debian-root");
        if !root.exists() {
            let made = Command::new(repository.join("tests/make-root")).arg(&root).status();
            assert!(
                made.expect("tests/make-root").success(),
                "tests/make-root needs root and debootstrap"
            );
        }
        let dir = tempfile::tempdir().expect("a folder");
        // The service reads its configuration as a user of its own.
        fs::set_permissions(config, fs::Permissions::from_mode(0o755)).expect("permissions");
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            fs::write(&path, text).expect("a file");
            path
        };
        let drop_in = file("test.conf", DROP_IN);
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .expect("a timeout");
        let bind = |from: PathBuf, to: &str| format!("{}:{to}", from.display());
        let nspawn = Command::new("systemd-nspawn")
            .args([
                "--quiet",
                "--boot",
                "--volatile=overlay",
                "--register=no",
                "--keep-unit",
            ])
            .args(["--private-network", "--notify-ready=yes", "--directory"])
            .arg(&root)
            .arg("--bind-ro")
            .arg(bind(env!("CARGO_BIN_EXE_dondoc").into(), "/usr/bin/dondoc"))
            .arg("--bind-ro")
            .arg(bind(
                repository.join("systemd/dondoc.service"),
                "/etc/systemd/system/dondoc.service",
            ))
            .arg("--bind-ro")
            .arg(bind(
                repository.join("systemd/dondoc.sysusers"),
                "/usr/lib/sysusers.d/dondoc.conf",
            ))
            .arg("--bind-ro")
            .arg(bind(drop_in, "/etc/systemd/system/dondoc.service.d/test.conf"))
            .arg("--bind")
            .arg(bind(config.to_owned(), "/etc/dondoc"))
            .env("NOTIFY_SOCKET", dir.path().join("notify"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("systemd-nspawn is missing: apt-get install systemd-container");
        let mut machine = Machine {
            nspawn,
            sink: None,
            leader: String::new(),
            dir,
        };
        let mut is_ready = false;
        while !is_ready || machine.leader.is_empty() {
            let mut bytes = [0; 4096];
            let length = socket.recv(&mut bytes).expect("the machine boots within a minute");
            for line in String::from_utf8_lossy(&bytes[..length]).lines() {
                is_ready |= line == "READY=1";
                if let Some(leader) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    leader.clone_into(&mut machine.leader);
                }
            }
        }
        machine.start_sink();
        machine.does("systemd-sysusers");
        machine
    }

    /// Debian's smtp-sink, from outside, on the machine's loopback.
    fn start_sink(&mut self) {
        let mails = self.mails();
        fs::create_dir(&mails).expect("a folder");
        for folder in [self.dir.path(), &mails] {
            chown(folder, Some(NOBODY), Some(NOBODY)).expect("a folder of its own");
        }
        let sink = Command::new("nsenter")
            .args(["--net", "--target", &self.leader, "/usr/sbin/smtp-sink"])
            .args(["-u", "nobody", "-d", "mails/m.", "127.0.0.1:2525", "128"])
            .current_dir(self.dir.path())
            .stdout(Stdio::null())
            .spawn();
        self.sink = Some(sink.expect("smtp-sink is missing: apt-get install postfix"));
        self.does("until (exec 3<>/dev/tcp/127.0.0.1/2525) 2>/dev/null; do :; done");
    }

    fn mails(&self) -> PathBuf {
        self.dir.path().join("mails")
    }

    /// Runs a script on the machine as root.
    fn try_to(&self, script: &str) -> Output {
        Command::new("timeout")
            .args([
                "240",
                "nsenter",
                "--all",
                "--target",
                &self.leader,
                "bash",
                "-c",
                script,
            ])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("nsenter")
    }

    /// The same, which has to succeed; what it prints.
    fn does(&self, script: &str) -> String {
        let output = self.try_to(script);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            output.status.success(),
            "{script}: {}\n{}\n{}",
            text(&output.stdout),
            text(&output.stderr),
            text(&self.try_to("journalctl --no-pager -n 40 -u dondoc").stdout)
        );
        text(&output.stdout)
    }

    /// Waits until the journal of the service has so many lines that match.
    fn journal_has(&self, count: usize, pattern: &str) {
        self.does(&format!(
            "grep -q -m{count} -- '{pattern}' < <(journalctl --follow --no-tail -o cat -u dondoc)"
        ));
        // -q ends at the first match whatever -m says.
        self.does(&format!(
            "[ \"$(grep -m{count} -c -- '{pattern}' < <(journalctl --follow --no-tail -o cat -u dondoc))\" = {count} ]"
        ));
    }

    fn property(&self, name: &str) -> String {
        self.does(&format!("systemctl show --value --property {name} dondoc"))
    }

    fn page(&self, path: &str, header: &str) -> String {
        self.does(&format!(
            "exec 3<>/dev/tcp/127.0.0.1/9122; printf 'GET {path} HTTP/1.0\\r\\n{header}\\r\\n' >&3; head -n1 <&3"
        ))
    }

    /// Waits until so many mails have begun to arrive.
    fn arrived(&self, at_least: usize) {
        while fs::read_dir(self.mails()).expect("the mails").count() < at_least {
            std::thread::yield_now();
        }
    }

    /// How often each ticket and each Message-ID came; to be asked while no mail is on its way.
    fn received(&self) -> (BTreeMap<String, usize>, BTreeMap<String, usize>) {
        let (mut tickets, mut ids) = (BTreeMap::new(), BTreeMap::new());
        for file in fs::read_dir(self.mails()).expect("the mails") {
            let letter = reading::read(&fs::read(file.expect("a file").path()).expect("a mail")).expect("a letter");
            for (ticket, _, _) in letter.told() {
                *tickets.entry(ticket.to_owned()).or_default() += 1;
            }
            *ids.entry(letter.message_id).or_default() += 1;
        }
        (tickets, ids)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in self.sink.iter_mut().chain([&mut self.nspawn]) {
            // It may have ended by itself; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::test]
async fn the_service_on_a_real_systemd() {
    let mut world = World::new(URGENT).await;
    world.ticket("T1", "Sở Y tế", "2026-01-05 08:00").await;
    world.stop().await;
    let dir = world.dir();
    world.write("dondoc.toml", |text| {
        let text = text.replace("sqlite:store.db", "sqlite:/var/lib/dondoc/dondoc.db");
        let port = text
            .lines()
            .find(|l| l.starts_with("port = "))
            .expect("a port")
            .to_owned();
        let text = text.replace("stale_after = 0", "stale_after = 0\nstatement_timeout = \"1s\"");
        // Waits short enough for a watchdog that is soon tried.
        format!(
            "{}\n[run]\nevery = \"1s\"\n[webhooks]\ntimeout = \"1s\"\n",
            text.replace(&port, "port = 2525")
        )
    });
    fs::create_dir(dir.join("secrets")).expect("a folder");
    fs::write(dir.join("secrets/http-token"), "khoa-bi-mat\n").expect("a file");
    for (path, mode) in [("secrets", 0o700), ("secrets/http-token", 0o600)] {
        fs::set_permissions(dir.join(path), fs::Permissions::from_mode(mode)).expect("permissions");
    }
    let machine = Machine::boot(&dir);

    // A wrong configuration fails and is not tried again and again.
    world.write("dondoc.toml", |text| text.replace("[smtp]\nhost", "[smtp]\nhots"));
    assert!(!machine.try_to("systemctl start dondoc").status.success());
    assert_eq!(machine.property("ExecMainStatus"), "78");
    assert_eq!(machine.property("NRestarts"), "0");
    world.write("dondoc.toml", |text| text.replace("[smtp]\nhots", "[smtp]\nhost"));

    // Started means ready: the process has said so itself before systemd does.
    machine.does("systemctl reset-failed dondoc; systemctl start dondoc");
    assert_eq!(machine.property("ActiveState"), "active");
    machine.journal_has(1, "Started dondoc.service");
    let log = machine.does("journalctl --no-pager -o cat -u dondoc");
    let place = |words: &str| log.rfind(words).unwrap_or_else(|| panic!("`{words}` in {log}"));
    assert!(place("dondoc is ready") < place("Started dondoc.service"), "{log}");

    // The secret came as a credential and stands nowhere else.
    assert_eq!(machine.page("/readyz", ""), "HTTP/1.0 401 Unauthorized");
    let shown = "Authorization: Bearer khoa-bi-mat\\r\\n";
    assert_eq!(machine.page("/readyz", shown), "HTTP/1.0 200 OK");
    let pid = machine.property("MainPID");
    let environment = machine.does(&format!("tr '\\0' '\\n' < /proc/{pid}/environ; systemctl show dondoc"));
    assert!(!environment.contains("khoa-bi-mat"));

    // The hardening is in force.
    let status = machine.does(&format!("cat /proc/{pid}/status"));
    let has = |line: &str| {
        status
            .lines()
            .any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == line)
    };
    for line in [
        "NoNewPrivs: 1",
        "Seccomp: 2",
        "CapEff: 0000000000000000",
        "CapBnd: 0000000000000000",
    ] {
        assert!(has(line), "{line} in {status}");
    }
    assert!(!has("Uid: 0 0 0 0"), "{status}");
    for place in ["/etc/dondoc/x", "/usr/x", "/var/x"] {
        let touched = machine.try_to(&format!("nsenter --mount --target {pid} touch {place}"));
        let said = String::from_utf8_lossy(&touched.stderr).into_owned();
        assert!(said.contains("Read-only file system"), "{place}: {said}");
    }

    // A reload; and one that is refused, which stops nothing.
    fs::write(dir.join("rules/test.toml"), URGENT.replace("2 ngày", "")).expect("the rules");
    machine.does("systemctl reload dondoc");
    machine.journal_has(1, "configuration reloaded");
    // It came between two turns, so the first is over.
    assert_eq!(machine.received().0, BTreeMap::from([("T1".to_owned(), 1)]));
    fs::write(dir.join("rules/test.toml"), "[[rul]]\n").expect("the rules");
    machine.does("systemctl reload dondoc");
    machine.journal_has(1, "the configuration was not taken up");
    assert_eq!(machine.property("MainPID"), pid);
    fs::write(dir.join("rules/test.toml"), URGENT).expect("the rules");

    // The log is in the journal with its fields.
    let fields = machine.does("journalctl --no-pager -o verbose -u dondoc SYSLOG_IDENTIFIER=dondoc");
    for field in [
        "DONDOC_HASH=",
        "DONDOC_RULES=1",
        "PRIORITY=6",
        "PRIORITY=3",
        "_TRANSPORT=journal",
    ] {
        assert!(fields.contains(field), "{field}");
    }

    // A process that is frozen is found out by the watchdog, one that is killed is started again.
    machine.does(&format!("kill -STOP {pid}"));
    machine.journal_has(1, "Watchdog timeout");
    machine.journal_has(2, "dondoc is ready");
    let second = machine.property("MainPID");
    assert_ne!(second, pid);
    machine.does(&format!("kill -KILL {second}"));
    machine.journal_has(3, "dondoc is ready");
    assert_eq!(machine.property("NRestarts"), "2");

    // Stopped among its mails: within its limit, and nothing is lost.
    let many = 400;
    let rows = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {many}) \
         INSERT INTO ticket (code, status, received_at, updated_at, agency) \
         SELECT printf('M%03d', i), 'đang xử lý', '2026-01-05 08:00:00', datetime('now', '+7 hours'), 'Sở Y tế' FROM n"
    );
    world.sql(&rows).await;
    machine.arrived(20);
    machine.does("systemctl stop dondoc");
    assert_eq!(machine.property("Result"), "success");
    machine.does("systemctl start dondoc");
    machine.arrived(many + 1);
    machine.does("systemctl stop dondoc");
    let (tickets, ids) = machine.received();
    assert_eq!(tickets.len(), many + 1);
    let twice = ids.values().filter(|n| **n > 1).count();
    assert_eq!(
        tickets.values().sum::<usize>(),
        many + 1 + twice,
        "what came twice has the same Message-ID"
    );
    assert!(twice <= 64, "{twice}");
}
