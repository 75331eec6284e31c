//! What the README shows is what happens: its console blocks are run, one after the other, in an empty folder.

use std::path::Path;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const DONDOC: &str = env!("CARGO_BIN_EXE_dondoc");

/// A command as the README shows it, with what it says is printed; `...` stands for any lines.
struct Shown {
    command: String,
    output: Vec<String>,
}

fn console() -> Vec<Shown> {
    let blocks = README.split("```console\n").skip(1);
    let lines = blocks.flat_map(|block| block.split("```").next().unwrap_or_default().lines());
    let mut shown: Vec<Shown> = Vec::new();
    for line in lines {
        match (line.strip_prefix("$ "), shown.last_mut()) {
            (Some(command), _) => shown.push(Shown {
                command: command.to_owned(),
                output: Vec::new(),
            }),
            (None, Some(last)) => last.output.push(line.to_owned()),
            (None, None) => panic!("output before any command: {line}"),
        }
    }
    shown
}

fn run(command: &str, dir: &Path) -> String {
    let bin = Path::new(DONDOC).parent().expect("a folder");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").expect("a PATH"));
    let ran = Command::new("sh")
        .args(["-c", command])
        .current_dir(dir)
        .env("PATH", path)
        .output()
        .expect("a shell");
    let printed = String::from_utf8(ran.stdout).expect("text") + &String::from_utf8(ran.stderr).expect("text");
    // From the shipped calendar's last month on `check` warns of its end, too.
    let first = printed.lines().next().unwrap_or_default();
    let ends = first.contains("calendar.toml:") && first.contains(" warning: official holidays are entered until ");
    match ends && printed.ends_with("\nno errors, 1 warning\n") {
        true => "the configuration is sound\n".to_owned(),
        false => printed,
    }
}

/// Whether the lines are the shown ones, where `...` takes up any number.
fn agrees(shown: &[String], lines: &[&str]) -> bool {
    match (shown.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((dots, rest)), _) if dots == "..." => {
            agrees(rest, lines) || !lines.is_empty() && agrees(shown, &lines[1..])
        }
        (Some((a, shown)), Some((b, lines))) => a == b && agrees(shown, lines),
        _ => false,
    }
}

#[test]
fn every_command_prints_what_the_readme_shows() {
    let dir = tempfile::tempdir().expect("a folder");
    let shown = console();
    assert!(shown.len() >= 5, "the blocks are found");
    for Shown { command, output } in shown {
        let printed = run(&command, dir.path());
        let lines: Vec<&str> = printed.lines().collect();
        assert!(
            agrees(&output, &lines),
            "$ {command}\nshown:\n{}\nprinted:\n{printed}",
            output.join("\n")
        );
    }
}

#[test]
fn every_command_is_in_the_table_and_nothing_else_is() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `"));
    let mut listed: Vec<String> = rows
        .flat_map(|row| {
            row.split(" | ")
                .next()
                .unwrap_or_default()
                .split("`, `")
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .map(|usage| usage.split([' ', '`']).next().unwrap_or_default().to_owned())
        .collect();
    listed.sort();
    listed.dedup();
    let help = run("dondoc help", Path::new("."));
    let commands = help
        .split("Commands:\n")
        .nth(1)
        .expect("the commands")
        .split("\n\n")
        .next()
        .unwrap_or_default();
    let mut known: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .collect();
    known.retain(|command| !command.is_empty() && *command != "help");
    known.sort_unstable();
    assert_eq!(listed, known);
}
