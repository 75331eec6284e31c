//! `check`: all problems of all files, for people and for scripts. Here is the part that connects to nothing.

use std::path::Path;

use serde_json::json;

use super::{CliError, say, say_json};
use crate::config::{self, Problem, Severity};
use crate::render::{Renderer, TemplateError};

/// The exit code for a configuration that cannot be used (`EX_CONFIG`).
pub const CONFIGURATION_ERROR: u8 = 78;

/// The command. `offline` is all there is so far: source, store and mail server are not looked at.
pub(super) fn run(dir: &Path, is_offline: bool, as_json: bool) -> Result<(), CliError> {
    if !is_offline {
        return Err(CliError::Usage(
            "only `check --offline` exists: it looks at all files and connects to nothing".into(),
        ));
    }
    let mut problems = offline(dir, std::env::vars());
    if exit_code(&problems) == 0 {
        problems.extend(template_problems(dir));
    }
    if as_json {
        say_json(&json(&problems))
    } else {
        say(&text(&problems))
    }
    match exit_code(&problems) {
        0 => Ok(()),
        code => Err(CliError::Said(code)),
    }
}

/// Every template, rendered on sample data.
fn template_problems(dir: &Path) -> Vec<Problem> {
    let failed = match Renderer::load(&dir.join("templates")) {
        Ok(renderer) => renderer.check(),
        Err(errors) => errors,
    };
    let problem = |e: TemplateError| Problem {
        file: format!("templates/{}", e.file),
        line: e.line,
        column: None,
        severity: Severity::Error,
        message: e.message,
        hint: None,
    };
    failed.into_iter().map(problem).collect()
}

/// Everything that is wrong or doubtful in a configuration directory.
#[must_use]
pub fn offline(dir: &Path, env: impl Iterator<Item = (String, String)>) -> Vec<Problem> {
    match config::load(dir, env) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems.0,
    }
}

/// 0, or [`CONFIGURATION_ERROR`] when one of the problems is an error.
#[must_use]
pub fn exit_code(problems: &[Problem]) -> u8 {
    if count(problems, Severity::Error) > 0 {
        CONFIGURATION_ERROR
    } else {
        0
    }
}

/// One problem a line, and a last line that sums up.
#[must_use]
pub fn text(problems: &[Problem]) -> String {
    let mut text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    let sum = match (count(problems, Severity::Error), count(problems, Severity::Warning)) {
        (0, 0) => "the configuration is sound".to_owned(),
        (0, warnings) => format!("no errors, {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    text.push_str(&sum);
    text.push('\n');
    text
}

/// `{"problems": [{file, line, column, severity, message, hint}]}`.
#[must_use]
pub fn json(problems: &[Problem]) -> serde_json::Value {
    json!({ "problems": problems })
}

fn count(problems: &[Problem], severity: Severity) -> usize {
    problems.iter().filter(|problem| problem.severity == severity).count()
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 {
        format!("1 {what}")
    } else {
        format!("{n} {what}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(severity: Severity) -> Problem {
        Problem {
            file: "dondoc.toml".into(),
            line: Some(3),
            column: Some(1),
            severity,
            message: "`hots` is not a known key".into(),
            hint: Some("did you mean `host`?".into()),
        }
    }

    #[test]
    fn only_errors_make_it_fail() {
        assert_eq!(exit_code(&[]), 0);
        assert_eq!(exit_code(&[problem(Severity::Warning)]), 0);
        assert_eq!(
            exit_code(&[problem(Severity::Warning), problem(Severity::Error)]),
            CONFIGURATION_ERROR
        );
    }

    #[test]
    fn people_read_one_line_each_and_a_sum() {
        assert_eq!(text(&[]), "the configuration is sound\n");
        assert_eq!(
            text(&[problem(Severity::Error), problem(Severity::Warning)]),
            "dondoc.toml:3:1: `hots` is not a known key (did you mean `host`?)\n\
             dondoc.toml:3:1: warning: `hots` is not a known key (did you mean `host`?)\n\
             1 error, 1 warning\n"
        );
    }

    #[test]
    fn scripts_find_the_keys_that_are_promised() {
        let value = json(&[problem(Severity::Error)]);
        let expected = json!({ "problems": [{
            "file": "dondoc.toml", "line": 3, "column": 1, "severity": "error",
            "message": "`hots` is not a known key", "hint": "did you mean `host`?",
        }] });
        assert_eq!(value, expected);
    }
}
