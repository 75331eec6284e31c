//! `check`: all problems of all files, then whether everything answers that a turn needs; for people and for scripts.

use std::path::Path;

use chrono::{NaiveTime, TimeDelta};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::{Value, json};

use super::outbox::{local, rfc3339};
use super::{CliError, quote, say, say_json};
use crate::channel::maildir;
use crate::channel::smtp::Smtp;
use crate::channel::webhook::Webhooks;
use crate::clock;
use crate::config::{self, Config, Offered, Problem, Severity};
use crate::domain::Moment;
use crate::domain::monthly::Letter;
use crate::domain::schedule::Schedule;
use crate::domain::scrub;
use crate::domain::text::fold;
use crate::domain::ticket::Status;
use crate::domain::wording::{Locale, Wording};
use crate::engine::ticket_database;
use crate::render::{Renderer, TemplateError, WORDS};
use crate::source::decode::COLUMNS;
use crate::store::{Store, StoreError};

/// The exit code for a configuration that cannot be used (`EX_CONFIG`).
pub const CONFIGURATION_ERROR: u8 = 78;

/// The templates of letters that no rule asks for.
const BUILT_IN: [&str; 9] = [
    "alarms",
    "approval",
    "competence",
    "confirm-contact",
    "correction",
    "endpoint-disabled",
    "send-test",
    "obligation-settled",
    "settled",
];

/// Everything that is wrong or doubtful in the files of a configuration but in its templates, as things are at an instant;
/// and the configuration, where it can be used.
#[must_use]
pub fn settings(
    dir: &Path,
    env: impl Iterator<Item = (String, String)>,
    now: Moment,
) -> (Option<Config>, Vec<Problem>) {
    let loaded = match config::load(dir, env) {
        Ok(loaded) => loaded,
        Err(problems) => return (None, problems.0),
    };
    let on = loaded.config.calendars.base().date_of(now);
    let letters = Letter::ALL.map(Letter::template);
    let letters = letters.iter().filter(|_| loaded.config.monthly.letters_at.is_some());
    let templates: Vec<&str> = BUILT_IN.iter().chain(letters).copied().collect();
    let offered = Offered {
        columns: &COLUMNS,
        templates: &templates,
    };
    let mut problems = loaded.doubts(&offered, on);
    problems.extend(loaded.warnings);
    (Some(loaded.config), problems)
}

/// What the command is asked for beside the directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    pub is_offline: bool,
    pub denies_warnings: bool,
    pub as_json: bool,
}

/// The command. What is wrong with the files ends with [`CONFIGURATION_ERROR`], what does not answer with 1.
pub(super) async fn run(dir: &Path, asked: Asked) -> Result<(), CliError> {
    let Asked {
        is_offline, as_json, ..
    } = asked;
    let failure = |problems: &[Problem]| match exit_code(problems) {
        0 if asked.denies_warnings && !problems.is_empty() => CONFIGURATION_ERROR,
        code => code,
    };
    let (config, mut problems) = settings(dir, std::env::vars(), clock::now());
    problems.extend(config.iter().flat_map(templates));
    config::sort(&mut problems);
    let code = failure(&problems);
    let online = match config {
        Some(config) if exit_code(&problems) == 0 && !is_offline => Some((Online::look(&config).await, config)),
        _ => None,
    };
    if let Some((online, _)) = &online {
        problems.extend(online.problems());
    }
    if as_json {
        let mut value = json(&problems);
        if let (Some((online, config)), Some(object)) = (&online, value.as_object_mut()) {
            object.extend(online.to_json(config));
        }
        say_json(&value);
    } else {
        let online = online
            .as_ref()
            .map_or(String::new(), |(online, config)| online.to_text(config));
        say(&(online + &text(&problems)));
    }
    match failure(&problems) {
        0 => Ok(()),
        _ if code == 0 => Err(CliError::Said(1)),
        code => Err(CliError::Said(code)),
    }
}

/// What the things outside answer.
struct Online {
    /// What was asked, and what it said of itself or why not.
    answers: Vec<(&'static str, Result<String, String>)>,
    words: Vec<StatusWord>,
    next_digest: Moment,
    /// What goes by the clock, with the next times of each.
    runs: Vec<(String, Vec<Moment>)>,
}

/// A status word of the source.
struct StatusWord {
    word: String,
    rows: i64,
    means: Option<Status>,
}

impl Online {
    async fn look(config: &Config) -> Online {
        let now = clock::now();
        let mut words = Vec::new();
        let database = ticket_database(config);
        let source = match database.open().await {
            Ok(source) => source.status_words().await,
            Err(error) => Err(error),
        };
        let source = source.map_err(|error| error.to_string()).map(|found| {
            let rows: i64 = found.iter().map(|(_, rows)| rows).sum();
            words.extend(found.into_iter().map(|(word, rows)| {
                let means = config.source.status.get(&fold(&word)).copied();
                // What nobody has mapped may be anything.
                let word = if means.is_some() { word } else { scrub::word(&word) };
                StatusWord { word, rows, means }
            }));
            format!("{rows} rows, {} status words", words.len())
        });
        let store = match Store::open_read_only(&config.store.database).await {
            Ok(store) => store.meta().await.map(|meta| {
                let at = meta.last_turn_at.map(|at| local(at, config));
                format!("last turn {}", at.unwrap_or_else(|| "never".to_owned()))
            }),
            Err(StoreError::Missing { .. }) => Ok("there is none yet; the first turn makes it".to_owned()),
            Err(error) => Err(error),
        };
        let smtp = Smtp::new(&config.smtp).probe().await;
        let (host, port) = (&config.smtp.host, config.smtp.port);
        let base = Schedule {
            calendar: config.calendars.base(),
            digest_at: config.delivery.digest_at,
            last_composed: Some(now),
        };
        let mut answers = vec![
            ("source", source),
            ("store", store.map_err(|error| error.to_string())),
            (
                "smtp",
                smtp.map(|()| format!("{host}:{port} takes mail"))
                    .map_err(|why| format!("smtp {host}:{port}: {why}")),
            ),
        ];
        if let Some(maildir) = config
            .smtp
            .bounces
            .as_ref()
            .and_then(|bounces| bounces.maildir.as_ref())
        {
            let shown = maildir.display();
            let probed = maildir::probe(maildir).map(|waiting| format!("{shown}: {waiting} mails wait"));
            let probed =
                probed.map_err(|e| format!("smtp.bounce_maildir {shown}: it is no maildir that can be read: {e}"));
            answers.push(("bounces", probed));
        }
        answers.extend(probe_endpoints(config, now).await);
        Online {
            answers,
            words,
            next_digest: base.next_digest(now),
            runs: next_runs(config, now),
        }
    }

    fn problems(&self) -> Vec<Problem> {
        let problem = |severity, message: String| Problem {
            file: "dondoc.toml".to_owned(),
            line: None,
            column: None,
            severity,
            message,
            hint: None,
        };
        let failed = self.answers.iter().filter_map(|(_, answer)| answer.as_ref().err());
        let failed = failed.map(|why| problem(Severity::Error, why.clone()));
        let unmapped = self.words.iter().filter(|w| w.means.is_none()).map(|w| {
            let (word, rows) = (&w.word, w.rows);
            problem(
                Severity::Warning,
                format!("status word `{word}` ({rows} rows) is not in [source.status]: these tickets count as open and climb no higher than contact"),
            )
        });
        failed.chain(unmapped).collect()
    }

    fn to_json(&self, config: &Config) -> serde_json::Map<String, Value> {
        let answers = self.answers.iter().map(|(what, answer)| {
            let said = answer.as_ref().unwrap_or_else(|why| why);
            json!({ "what": what, "answers": answer.is_ok(), "detail": said })
        });
        let words = self
            .words
            .iter()
            .map(|w| json!({ "word": w.word, "rows": w.rows, "means": w.means.map(Status::word) }));
        let mut map = serde_json::Map::new();
        map.insert("connections".to_owned(), answers.collect());
        map.insert("status_words".to_owned(), words.collect());
        map.insert("next_digest".to_owned(), json!(rfc3339(self.next_digest, config)));
        let runs = self.runs.iter().map(|(what, times)| {
            let times: Vec<String> = times.iter().map(|at| rfc3339(*at, config)).collect();
            json!({ "what": what, "at": times })
        });
        map.insert("next_runs".to_owned(), runs.collect());
        map
    }

    fn to_text(&self, config: &Config) -> String {
        let mut text = String::new();
        for (what, answer) in &self.answers {
            if let Ok(said) = answer {
                text.push_str(&format!("{what:8} {said}\n"));
            }
        }
        for w in &self.words {
            let means = w.means.map_or("not mapped", Status::word);
            text.push_str(&format!("{:>10}  {} = {means}\n", w.rows, w.word));
        }
        text.push_str(&format!("next ({})\n", config.calendars.base().zone()));
        let width = self
            .runs
            .iter()
            .map(|(what, _)| what.chars().count())
            .max()
            .unwrap_or(0);
        for (what, times) in &self.runs {
            let times: Vec<String> = times.iter().map(|at| local(*at, config)).collect();
            text.push_str(&format!("  {what:width$}  {}\n", times.join(", ")));
        }
        text
    }
}

/// How many times of each schedule are said.
const RUNS: usize = 5;

/// When what goes by the clock comes next: digests (of the province's office hours), sweeps, audits, summaries.
fn next_runs(config: &Config, now: Moment) -> Vec<(String, Vec<Moment>)> {
    let cal = config.calendars.base();
    let today = cal.date_of(now);
    let daily = |time: NaiveTime| {
        let times = today.iter_days().map(|day| cal.instant(day, time));
        times.filter(|at| *at > now).take(RUNS).collect()
    };
    let digests = std::iter::successors(Some(now), |after| {
        let schedule = Schedule {
            calendar: cal,
            digest_at: config.delivery.digest_at,
            last_composed: Some(*after),
        };
        Some(schedule.next_digest(*after + TimeDelta::microseconds(1)))
    });
    let mut runs = vec![
        ("digest".to_owned(), digests.skip(1).take(RUNS).collect()),
        ("sweep".to_owned(), daily(config.source.sweep_at)),
    ];
    runs.extend(config.audit.at.map(|at| ("audit".to_owned(), daily(at))));
    for summary in &config.rules.summaries {
        let dues = today
            .iter_days()
            .take(366)
            .filter_map(|day| summary.at.due_of(cal, day));
        // A day that is closed is stood in for by one before it, which may be over.
        let times = dues.map(|due| due.at).filter(|at| *at > now).take(RUNS).collect();
        runs.push((format!("summary {}", summary.id), times));
    }
    runs
}

/// What each endpoint that is valid now answers, to a connection only.
async fn probe_endpoints(config: &Config, now: Moment) -> Vec<(&'static str, Result<String, String>)> {
    let on = config.calendars.base().date_of(now);
    let units = config.directory.units.iter();
    let endpoints: Vec<_> = units
        .flat_map(|unit| config.directory.endpoints(&unit.id, on))
        .collect();
    if endpoints.is_empty() {
        return Vec::new();
    }
    let webhooks = match Webhooks::new(&config.webhooks) {
        Ok(webhooks) => webhooks,
        Err(error) => return vec![("webhook", Err(error.to_string()))],
    };
    let probes = endpoints.into_iter().map(|endpoint| async {
        let probed = webhooks.probe(&endpoint.url).await;
        let id = &endpoint.id;
        let said = probed
            .map(|()| format!("{id} can be connected to"))
            .map_err(|why| format!("webhook {id}: {why}"));
        ("webhook", said)
    });
    join_all(probes).await
}

/// A template's fault with its place.
pub(super) fn template_problem(config: &Config, e: TemplateError) -> Problem {
    Problem {
        file: config.templates_dir.join(e.file).display().to_string(),
        line: e.line,
        column: e.column,
        severity: Severity::Error,
        message: e.message,
        hint: None,
    }
}

/// What is wrong with the templates, rendered on sample data: those of the language of letters, and of others that there are.
fn templates(config: &Config) -> Vec<Problem> {
    let is_there = |locale: &Locale| {
        *locale == config.wording.locale || config.templates_dir.join(locale.folder()).join(WORDS).exists()
    };
    let locales = Locale::ALL.into_iter().filter(is_there);
    locales.flat_map(|locale| templates_in(config, locale)).collect()
}

/// What is wrong with the templates of a language.
#[must_use]
pub fn templates_in(config: &Config, locale: Locale) -> Vec<Problem> {
    let wording = Wording {
        locale,
        ..config.wording.clone()
    };
    let failed = match Renderer::load(&config.templates_dir, &wording) {
        Ok(renderer) => renderer.check(&config.rules),
        Err(errors) => errors,
    };
    failed.into_iter().map(|e| template_problem(config, e)).collect()
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

/// Each problem with the line that it is about, and a last line that sums up.
#[must_use]
pub fn text(problems: &[Problem]) -> String {
    let mut files = quote::Files::default();
    let mut text = String::new();
    for problem in problems {
        text.push_str(&format!("{problem}\n"));
        if let (Some(line), Some(number)) = (files.line(problem), problem.line) {
            text.push_str(&quote::drawn(&line, number, problem.column));
        }
    }
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

/// `{"problems": [{file, line, column, severity, message, hint, quoted}]}`.
#[must_use]
pub fn json(problems: &[Problem]) -> serde_json::Value {
    #[derive(Serialize)]
    struct Quoted<'a> {
        #[serde(flatten)]
        problem: &'a Problem,
        /// The line, where there is one.
        quoted: Option<String>,
    }
    let mut files = quote::Files::default();
    let quoted = problems.iter().map(|problem| Quoted {
        problem,
        quoted: files.line(problem),
    });
    json!({ "problems": quoted.collect::<Vec<_>>() })
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
            "message": "`hots` is not a known key", "hint": "did you mean `host`?", "quoted": null,
        }] });
        assert_eq!(value, expected);
    }
}
