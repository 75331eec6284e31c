//! `dondoc audit`: whether everything that is owed by the tickets as the source shows them now has a recorded fate.

use std::path::Path;

use serde_json::json;

use super::outbox::{local, rfc3339};
use super::{CliError, instant, load, prepare, say, say_json};
use crate::config::Config;
use crate::engine::{Audit, AuditError, Engine, Finding};
use crate::store::Store;

pub(super) async fn run(dir: &Path, since: Option<&str>, at: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let config = load(dir)?;
    let now = instant(at, &config)?;
    let since = since.map(|since| instant(Some(since), &config)).transpose()?;
    let store = Store::open_read_only(&config.store.database).await?;
    let mut engine = Engine::new(prepare(config.clone()).await?, store);
    let audit = engine.audit(since, now).await;
    engine.close().await;
    let audit = audit.map_err(|error| match error {
        AuditError::Source(error) => error.into(),
        AuditError::Turn(error) => error.into(),
        other => CliError::Failed(other.into()),
    })?;
    if as_json {
        say_json(&to_json(&audit, &config));
    } else {
        say(&to_text(&audit, &config));
    }
    match audit.is_clean() {
        true => Ok(()),
        false => Err(CliError::Said(1)),
    }
}

fn to_json(audit: &Audit, config: &Config) -> serde_json::Value {
    let findings = audit.findings.iter().map(|finding| {
        json!({
            "code": finding.code,
            "rule": finding.rule,
            "step": finding.step,
            "message": finding.message,
            "reason": finding.fault.word(),
            "advice": finding.fault.advice(),
            "since": rfc3339(finding.since, config),
        })
    });
    let held: serde_json::Map<_, _> = audit
        .held
        .iter()
        .map(|(excuse, count)| (excuse.word().to_owned(), json!(count)))
        .collect();
    json!({
        "at": rfc3339(audit.at, config),
        "since": rfc3339(audit.since, config),
        "before": rfc3339(audit.before, config),
        "last_turn": audit.last_turn_at.map(|last| rfc3339(last, config)),
        "checked": audit.checked,
        "clean": audit.is_clean(),
        "findings": findings.collect::<Vec<_>>(),
        "more": audit.more,
        "held": held,
    })
}

fn to_text(audit: &Audit, config: &Config) -> String {
    let mut text = format!(
        "{} tickets looked at: open, or touched since {}; what came up after {} is left to the next turns\n",
        audit.checked,
        local(audit.since, config),
        local(audit.before, config)
    );
    if let Some(last) = audit.last_turn_at.filter(|last| *last < audit.before) {
        text.push_str(&format!("! the last turn was at {}\n", local(last, config)));
    }
    if !audit.held.is_empty() {
        let held = audit
            .held
            .iter()
            .map(|(excuse, count)| format!("{count} {}", excuse.word()));
        text.push_str(&format!("for a reason: {}\n", held.collect::<Vec<_>>().join(", ")));
    }
    if audit.is_clean() {
        text.push_str("clean: all that is owed has a recorded fate\n");
        return text;
    }
    text.push_str(&format!("{} findings\n", audit.count()));
    for finding in &audit.findings {
        text.push_str(&line(finding, config));
    }
    if audit.more > 0 {
        text.push_str(&format!("and {} more\n", audit.more));
    }
    text
}

fn line(finding: &Finding, config: &Config) -> String {
    let ticket = finding.code.clone();
    let step = finding
        .rule
        .iter()
        .zip(&finding.step)
        .map(|(rule, step)| format!("{rule}/{step}"));
    let message = finding.message.as_ref().map(|id| format!("message {id}"));
    let what: Vec<String> = ticket.into_iter().chain(step).chain(message).collect();
    format!(
        "! {} {} since {}: {}\n",
        what.join(" "),
        finding.fault.word(),
        local(finding.since, config),
        finding.fault.advice()
    )
}
