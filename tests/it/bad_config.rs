//! One fault in each folder of `bad_config/`: the files that differ from what ships, and what `check --offline` says of them.
//!
//! A file stands for that of its name. `NAME.add` goes to the end of the shipped file NAME, and `NAME.change` replaces a
//! text in it: `<<<<`, what stands there, `====`, what is to stand there, `>>>>`. `expected.txt` is all that is printed, with
//! the exit code in its last line.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::day::libfaketime;
use crate::world::copy_all;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/bad_config")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path());
    // Beside them lies the configuration with many mistakes of `config.rs`.
    let mut cases: Vec<PathBuf> = entries
        .filter(|path| path.is_dir() && !path.ends_with("rules") && !path.ends_with("templates"))
        .collect();
    cases.sort();
    cases
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files
}

/// What ships, with the fault.
fn spoilt(case: &Path) -> TempDir {
    let dir = TempDir::new().expect("a folder");
    let root = dir.path().join("config");
    copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"), &root);
    for file in files_below(case)
        .into_iter()
        .filter(|file| !file.ends_with("expected.txt"))
    {
        let text = std::fs::read_to_string(&file).expect("a text");
        let name = file.strip_prefix(case).expect("below").display().to_string();
        let (name, text) = if let Some(name) = name.strip_suffix(".add") {
            (
                name.to_owned(),
                std::fs::read_to_string(root.join(name)).expect("a shipped file") + &text,
            )
        } else if let Some(name) = name.strip_suffix(".change") {
            let shipped = std::fs::read_to_string(root.join(name)).expect("a shipped file");
            (name.to_owned(), changed(shipped, &text))
        } else {
            (name, text)
        };
        std::fs::write(root.join(name), text).expect("a file");
    }
    dir
}

fn changed(mut text: String, changes: &str) -> String {
    for change in changes.split("<<<<\n").skip(1) {
        let (old, rest) = change.split_once("\n====\n").expect("a new text");
        let new = rest.strip_suffix("\n>>>>\n").expect("an end");
        assert!(text.contains(old), "there is no `{old}`");
        text = text.replacen(old, new, 1);
    }
    text
}

/// What is printed on a day on which nothing that ships is out of date, and the exit code.
fn check(root: &Path, more: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_dondoc"))
        .args(["check", "--offline"])
        .args(more)
        .env("LD_PRELOAD", libfaketime())
        .env("FAKETIME", "2026-06-01 09:00:00")
        .env("TZ", "Asia/Ho_Chi_Minh")
        .env_remove("DONDOC_LOG")
        .current_dir(root)
        .args(["--config", "."])
        .output()
        .expect("dondoc");
    let printed = String::from_utf8(output.stdout).expect("text") + &String::from_utf8(output.stderr).expect("text");
    format!("{printed}exit {}\n", output.status.code().expect("a code"))
}

#[test]
fn each_fault_is_said_at_its_place_with_its_line() {
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        let dir = spoilt(case);
        let said = check(&dir.path().join("config"), &[]);
        let expected = std::fs::read_to_string(case.join("expected.txt")).unwrap_or_default();
        if said != expected {
            // After a look at what is said.
            if std::env::var_os("RENEW_BAD_CONFIG").is_some() {
                std::fs::write(case.join("expected.txt"), &said).expect("a file");
            }
            wrong.push(format!("{}:\n{said}", case.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cases.len() > 40);
}

#[test]
fn what_ships_has_no_fault_and_no_doubt_and_warnings_fail_where_they_are_denied() {
    let dir = TempDir::new().expect("a folder");
    let root = dir.path().join("config");
    copy_all(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"), &root);
    assert_eq!(
        check(&root, &["--deny-warnings"]),
        "the configuration is sound\nexit 0\n"
    );
    let doubtful = spoilt(&folder().join("a-unit-is-not-confirmed"));
    let root = doubtful.path().join("config");
    let (allowed, denied) = (check(&root, &[]), check(&root, &["--deny-warnings"]));
    assert!(allowed.ends_with("no errors, 1 warning\nexit 0\n"), "{allowed}");
    assert!(denied.ends_with("no errors, 1 warning\nexit 78\n"), "{denied}");
}
