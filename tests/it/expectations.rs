//! `dondoc test`: the shipped expectation files hold, and what does not hold is named.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");
const HOW: &str = include_str!("../../docs/rehearsing.md");

fn shipped() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

fn test(files: &[PathBuf]) -> Output {
    let run = Command::new(DONDOC)
        .arg("--config")
        .arg(shipped())
        .arg("test")
        .args(files)
        .output();
    run.expect("a process")
}

fn said(ran: &Output) -> String {
    String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr)
}

/// The file that the documentation shows, changed.
fn documented(change: impl Fn(&str) -> String) -> (tempfile::TempDir, PathBuf) {
    let block = HOW.split("```toml\n").nth(1).and_then(|b| b.split("```").next());
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("story.toml");
    std::fs::write(&file, change(block.expect("an example"))).expect("a file");
    (dir, file)
}

#[test]
fn the_shipped_rules_tell_what_their_expectation_files_say_and_nothing_else() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(shipped().join("tests"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    assert!(files.len() >= 2);
    let ran = test(&files);
    assert!(ran.status.success(), "{}", said(&ran));
}

#[test]
fn the_documented_expectation_file_holds() {
    let (_dir, file) = documented(str::to_owned);
    let ran = test(&[file]);
    assert!(ran.status.success(), "{}", said(&ran));
}

#[test]
fn what_is_missing_and_what_is_unexpected_are_named_with_file_and_line() {
    let (_dir, file) = documented(|text| text.replace("day = \"2021-09-13\"", "day = \"2021-09-14\""));
    let text = std::fs::read_to_string(&file).expect("a file");
    let ran = test(std::slice::from_ref(&file));
    assert_eq!(ran.status.code(), Some(1), "{}", said(&ran));
    let file = file.display();
    let line = text.lines().position(|l| l.contains("2021-09-14\"")).expect("a line");
    let lines: Vec<String> = said(&ran).lines().map(str::to_owned).collect();
    assert_eq!(
        lines,
        [
            format!("FAILED {file}"),
            format!(
                "  {file}:{line}: missing: 2021-09-14 SXD:contact overdue/L1 A; told instead: 2021-09-13 SXD:contact"
            ),
            format!("  {file}: unexpected: 2021-09-13 SXD:contact overdue/L1 A"),
        ]
    );
}

#[test]
fn a_mistyped_key_is_refused_with_its_line_and_what_was_meant() {
    let (_dir, file) = documented(|text| text.replace("agency = ", "agenci = "));
    let ran = test(&[file]);
    assert_eq!(ran.status.code(), Some(78));
    assert!(
        said(&ran).contains("agenci") && said(&ran).contains("`agency`"),
        "{}",
        said(&ran)
    );
}
