//! The unit that ships: systemd understands all of it, and it leaves the service little to do harm with.

use std::path::Path;
use std::process::{Command, Output};

const UNIT: &str = include_str!("../../systemd/dondoc.service");
const SYSUSERS: &str = include_str!("../../systemd/dondoc.sysusers");

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output();
    output.unwrap_or_else(|error| panic!("{program}: {error} (apt-get install systemd)"))
}

/// What systemd has against a unit; the program is the one under test, wherever it was built.
fn objections(unit: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dondoc.service");
    let unit = unit.replace("/usr/bin/dondoc", env!("CARGO_BIN_EXE_dondoc"));
    std::fs::write(&path, unit).expect("a file");
    let output = run("systemd-analyze", &["verify", &path.display().to_string()]);
    let said = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() || !said.is_empty());
    said
}

/// The unit with its commented examples in force.
fn with_credentials() -> String {
    UNIT.replace("\n#LoadCredential=", "\nLoadCredential=")
        .replace("\n#Environment=", "\nEnvironment=")
}

#[test]
fn systemd_understands_every_line_of_the_unit_and_of_its_examples() {
    assert_eq!(objections(UNIT), "");
    assert_ne!(with_credentials(), UNIT);
    assert_eq!(objections(&with_credentials()), "");
    assert!(objections(&UNIT.replace("WatchdogSec=3min", "WatchdogSec=soon")).contains("soon"));
}

#[test]
fn the_unit_is_exposed_by_two_points_of_ten_at_most() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/dondoc.service");
    let score = |threshold: &str| {
        let unit = unit.display().to_string();
        run("systemd-analyze", &["security", "--offline=true", threshold, &unit])
    };
    let output = score("--threshold=20");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!score("--threshold=1").status.success(), "the threshold counts");
}

#[test]
fn the_variables_of_the_units_examples_are_keys_of_the_configuration() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut variables = vec![("DONDOC__SMTP__USERNAME".to_owned(), "dondoc".to_owned())];
    for line in with_credentials().lines() {
        if let Some((name, file)) = line.strip_prefix("Environment=").and_then(|v| v.split_once("=%d/")) {
            let path = folder.path().join(file);
            std::fs::write(&path, "mật khẩu\n").expect("a file");
            variables.push((name.to_owned(), path.display().to_string()));
        }
    }
    assert_eq!(variables.len(), 4);
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let loaded = dondoc::config::load(&shipped, variables.into_iter()).expect("a sound configuration");
    assert!(loaded.config.smtp.login.is_some());
}

#[test]
fn the_account_of_the_service_is_made_by_systemd() {
    let user = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("User="))
        .expect("a user");
    assert!(SYSUSERS.contains(&format!("\nu {user} ")));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dondoc.conf");
    std::fs::write(&path, SYSUSERS).expect("a file");
    let output = run("systemd-sysusers", &["--dry-run", &path.display().to_string()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}
