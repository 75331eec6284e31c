//! `dondoc outbox list|show`: messages, their states and their attempts.

use std::path::Path;

use mail_parser::MessageParser;
use serde_json::{Value, json};

use super::{CliError, OutboxCommand, load, say, say_json};
use crate::config::Config;
use crate::domain::Moment;
use crate::store::Store;
use crate::store::outbox::{Listed, MessageState};

pub(super) async fn run(dir: &Path, command: OutboxCommand) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_read_only(&config.store.path).await?;
    match command {
        OutboxCommand::List { state, limit, json } => list(&config, &store, state.as_deref(), limit, json).await,
        OutboxCommand::Show { id, json } => show(&config, &store, &id, json).await,
    }
}

async fn list(config: &Config, store: &Store, state: Option<&str>, limit: i64, as_json: bool) -> Result<(), CliError> {
    if let Some(state) = state.filter(|s| MessageState::ALL.iter().all(|known| known.word() != *s)) {
        let known: Vec<&str> = MessageState::ALL.iter().map(|s| s.word()).collect();
        return Err(CliError::Usage(format!(
            "`{state}` is not a state of a message; known are {}",
            known.join(", ")
        )));
    }
    let messages = store.messages(state, Moment::UNIX_EPOCH, limit.max(1)).await?;
    if as_json {
        let list: Vec<Value> = messages.iter().map(|m| to_json(m, config)).collect();
        say_json(&json!({ "messages": list }));
        return Ok(());
    }
    let mut text = String::new();
    for m in &messages {
        text.push_str(&format!(
            "{}  {:8}  {}  {}/{}  {}  {} notices, {} attempts{}\n",
            m.id,
            m.state,
            local(m.created(), config),
            m.unit,
            m.desk,
            list_of(&m.steps).join(" "),
            m.notices,
            m.attempts,
            m.reason.as_ref().map(|r| format!("  ({r})")).unwrap_or_default()
        ));
    }
    text.push_str(&format!("{} messages\n", messages.len()));
    say(&text);
    Ok(())
}

async fn show(config: &Config, store: &Store, id: &str, as_json: bool) -> Result<(), CliError> {
    let Some(message) = store.message(id).await? else {
        return Err(CliError::Failed(anyhow::anyhow!(
            "there is no message {id}; `dondoc outbox list` shows all"
        )));
    };
    let attempts = store.attempts(id).await?;
    let body = store.body(id).await?.unwrap_or_default();
    let parsed = MessageParser::default().parse(&body);
    let text = parsed.as_ref().and_then(|p| p.body_text(0)).unwrap_or_default();
    if as_json {
        let mut value = to_json(&message, config);
        value["subject"] = json!(message.subject);
        value["text"] = json!(text);
        value["history"] = attempts
            .iter()
            .map(|a| json!({ "at": rfc3339(a.at, config), "answer": a.answer, "detail": a.detail }))
            .collect();
        say_json(&value);
        return Ok(());
    }
    let mut out = format!(
        "{}\nstate     {} since {}{}\nto        {}/{} by {}\nsubject   {}\n",
        message.id,
        message.state,
        local(message.since(), config),
        message.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default(),
        message.unit,
        message.desk,
        message.channel,
        message.subject
    );
    for a in &attempts {
        out.push_str(&format!(
            "attempt   {} {}: {}\n",
            local(a.at, config),
            a.answer,
            a.detail
        ));
    }
    out.push('\n');
    out.push_str(&text);
    say(&out);
    Ok(())
}

/// The keys of `outbox list` that others script against.
pub(super) fn to_json(m: &Listed, config: &Config) -> Value {
    json!({
        "id": m.id,
        "state": m.state,
        "channel": m.channel,
        "form": m.form,
        "mode": m.mode,
        "unit": m.unit,
        "role": m.desk,
        "rules": list_of(&m.rules),
        "steps": list_of(&m.steps),
        "notices": m.notices,
        "attempts": m.attempts,
        "unknown": m.unknown,
        "created_at": rfc3339(m.created(), config),
        "next_attempt_at": m.next_attempt().map(|at| rfc3339(at, config)),
        "reason": m.reason,
    })
}

/// A stored JSON list of ids; one that can't be read shows as it is.
fn list_of(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_else(|_| vec![json.to_owned()])
}

pub(super) fn rfc3339(at: Moment, config: &Config) -> String {
    at.with_timezone(&config.calendars.base().zone()).to_rfc3339()
}

pub(super) fn local(at: Moment, config: &Config) -> String {
    at.with_timezone(&config.calendars.base().zone())
        .format("%Y-%m-%d %H:%M")
        .to_string()
}
