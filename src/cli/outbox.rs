//! `dondoc outbox list|show|retry|cancel|release|withdraw|correct`: messages, their states and their attempts, and what ops do about them.

use std::io::IsTerminal as _;
use std::path::Path;

use anyhow::Context as _;
use mail_parser::MessageParser;
use serde_json::{Value, json};

use super::{CliError, OutboxCommand, instant, load, say, say_json, who};
use crate::clock;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::notice::Mode;
use crate::domain::rule::Channel;
use crate::store::Store;
use crate::store::outbox::{Listed, MessageState};

pub(super) async fn run(dir: &Path, command: OutboxCommand) -> Result<(), CliError> {
    let config = load(dir)?;
    let database = &config.store.database;
    match command {
        OutboxCommand::List { state, limit, json } => {
            let store = Store::open_read_only(database).await?;
            list(&config, &store, state.as_deref(), limit, json).await
        }
        OutboxCommand::Show { id, json } => {
            let store = Store::open_read_only(database).await?;
            show(&config, &store, &id, json).await
        }
        OutboxCommand::Retry { ids, which, yes } => {
            let store = Store::open_beside(database).await?;
            let ids = match ids.is_empty() {
                false => ids,
                true => match which.agreed(&config, &store, yes).await? {
                    Some(ids) => ids,
                    None => return Ok(()),
                },
            };
            retry(&store, &ids).await
        }
        OutboxCommand::Release { id, at } => {
            let at = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            release(&store, &id, at).await
        }
        OutboxCommand::Withdraw { id, reason, at } => {
            let at = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            withdraw(&store, &id, &reason, at).await
        }
        OutboxCommand::Correct { id, reason, at } => {
            let at = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            correct(&store, &id, reason.trim(), at).await
        }
        OutboxCommand::Cancel { id, reason, at } => {
            let at = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            cancel(&store, &id, &reason, at).await
        }
    }
}

/// Which of the dead messages; everything that is given has to hold.
#[derive(Debug, clap::Args)]
#[group(id = "which", multiple = true)]
pub(super) struct Which {
    /// Those that died at this instant or later.
    #[arg(long, value_name = "T")]
    since: Option<String>,
    /// Those to this unit.
    #[arg(long, value_name = "ID")]
    unit: Option<String>,
    /// Those by this channel, email or webhook.
    #[arg(long)]
    channel: Option<String>,
    /// Those that tell of this rule.
    #[arg(long, value_name = "ID")]
    rule: Option<String>,
    /// Those whose reason has these words in it, such as "550 5.7.1".
    #[arg(long, value_name = "WORDS")]
    reason: Option<String>,
}

impl Which {
    fn fits(&self, m: &Listed) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        let reason = m.reason.as_deref().unwrap_or_default();
        is(&self.unit, &m.unit)
            && is(&self.channel, &m.channel)
            && self.rule.as_ref().is_none_or(|rule| list_of(&m.rules).contains(rule))
            && self.reason.as_ref().is_none_or(|words| reason.contains(words.as_str()))
    }

    /// The ids, once ops have agreed to their number; `None` where they have not.
    async fn agreed(&self, config: &Config, store: &Store, is_agreed: bool) -> Result<Option<Vec<String>>, CliError> {
        let known = [Channel::Email, Channel::Webhook].map(Channel::word);
        if let Some(channel) = self.channel.as_deref().filter(|c| !known.contains(c)) {
            let why = format!("`{channel}` is not a channel; known are {}", known.join(", "));
            return Err(CliError::Usage(why));
        }
        let since = self
            .since
            .as_deref()
            .map(|since| instant(Some(since), config))
            .transpose()?;
        let dead = MessageState::Dead.word();
        let dead = store.messages(Some(dead), Moment::UNIX_EPOCH, i64::MAX).await?;
        let is_late_enough = |m: &Listed| since.is_none_or(|since| m.since() >= since);
        let chosen = dead.into_iter().filter(|m| is_late_enough(m) && self.fits(m));
        // What it said is not kept any more, and it tells of no ticket from which it could be made anew.
        let (lost, chosen): (Vec<Listed>, Vec<Listed>) = chosen.partition(|m| m.notices == 0 && m.is_bare());
        let mut units: Vec<&str> = chosen.iter().map(|m| m.unit.as_str()).collect();
        units.sort_unstable();
        units.dedup();
        let ids: Vec<&str> = chosen.iter().map(|m| m.id.as_str()).collect();
        let notices = store.count_dead_notices(&ids).await?;
        say(&format!(
            "{} dead messages with {notices} notices, to {} units{}",
            chosen.len(),
            units.len(),
            since
                .map(|since| format!(" since {}", local(since, config)))
                .unwrap_or_default()
        ));
        if !lost.is_empty() {
            say(&format!(
                "{} more are not kept whole and cannot be sent again",
                lost.len()
            ));
        }
        if chosen.is_empty() || !(is_agreed || agrees("Send them again?", "sends them again")?) {
            return Ok(None);
        }
        Ok(Some(chosen.into_iter().map(|m| m.id).collect()))
    }
}

/// Asks at the terminal.
pub(super) fn agrees(question: &str, does: &str) -> Result<bool, CliError> {
    if !std::io::stdin().is_terminal() {
        return Err(CliError::Usage(format!("nobody is there to be asked; `--yes` {does}")));
    }
    say(&format!("{question} [y/N]"));
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .context("the answer cannot be read")?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// All of them or, where one cannot be, none.
async fn retry(store: &Store, ids: &[String]) -> Result<(), CliError> {
    let now = clock::now();
    let why = format!("sent again by {}", who());
    let mut waiting = 0;
    let mut tx = store.begin().await?;
    for id in ids {
        match tx.retry(id, &why, now).await? {
            Some(notices) => waiting += notices,
            None => {
                drop(tx);
                let why = match store.message(id).await? {
                    Some(m) if m.state == MessageState::Corrected.word() => {
                        "the letter that corrects it is not written yet; the next turn writes it, and then it can be sent again"
                    }
                    Some(m) if m.state == MessageState::Bounced.word() => {
                        "it came back, and what it told goes out with another message already"
                    }
                    Some(m) if m.notices == 0 && m.is_bare() => {
                        "what it said is not kept any more, and it tells of no ticket from which it could be made anew"
                    }
                    _ => "only what is dead, cancelled, withdrawn, corrected or bounced can be sent again",
                };
                return Err(CliError::Failed(anyhow::anyhow!(
                    "message {id}: {why}; nothing was changed"
                )));
            }
        }
    }
    tx.commit().await?;
    say(&format!(
        "{} messages let go; {waiting} notices wait, and what of them still holds goes out at the next chance, as does what \
         carries none",
        ids.len()
    ));
    Ok(())
}

async fn release(store: &Store, id: &str, at: Moment) -> Result<(), CliError> {
    let why = format!("released by {}", who());
    let mut tx = store.begin().await?;
    if !tx.release(id, &why, at).await? {
        let why = "only a message that waits for approval can be released";
        return Err(CliError::Failed(anyhow::anyhow!("message {id}: {why}")));
    }
    tx.commit().await?;
    say(&format!(
        "message {id} is released: the next turn reads its tickets again and sends it if they still say the same; else what they say \
         by then waits for approval instead (`dondoc outbox list --state awaiting_approval`)"
    ));
    Ok(())
}

async fn withdraw(store: &Store, id: &str, reason: &str, at: Moment) -> Result<(), CliError> {
    let why = format!("withdrawn by {}: {reason}", who());
    let mut tx = store.begin().await?;
    if !tx.withdraw(id, &why, at).await? {
        let why = "only a message that waits, and is not being sent just now, can be withdrawn";
        return Err(CliError::Failed(anyhow::anyhow!("message {id}: {why}")));
    }
    tx.commit().await?;
    say(&format!(
        "message {id} is withdrawn; its notices are not told and no ladder climbs on them unless `outbox retry` says so"
    ));
    Ok(())
}

async fn correct(store: &Store, id: &str, reason: &str, at: Moment) -> Result<(), CliError> {
    if reason.is_empty() {
        return Err(CliError::Usage("the letter says why: `--reason` is empty".to_owned()));
    }
    let Some(message) = store.message(id).await? else {
        return Err(no_message(id));
    };
    let by = who();
    let mut tx = store.begin().await?;
    let said = if tx
        .correct(id, &format!("corrected by {by}: {reason}"), reason, at)
        .await?
    {
        "counts nowhere any more; the next turn tells whoever got it"
    } else if tx.withdraw(id, &format!("withdrawn by {by}: {reason}"), at).await? {
        match message.unknown {
            0 => "had not been accepted and is withdrawn; nobody got it, so nobody is told",
            _ => "is withdrawn; an answer to it was lost, so that it may have arrived all the same",
        }
    } else {
        let state = &message.state;
        let why = format!(
            "it is {state}; what is accepted and tells of tickets can be corrected, once, and what waits withdrawn"
        );
        return Err(CliError::Failed(anyhow::anyhow!("message {id}: {why}")));
    };
    tx.commit().await?;
    say(&format!("message {id} {said}"));
    Ok(())
}

fn no_message(id: &str) -> CliError {
    CliError::Failed(anyhow::anyhow!(
        "there is no message {id}; `dondoc outbox list` shows all"
    ))
}

async fn cancel(store: &Store, id: &str, reason: &str, at: Moment) -> Result<(), CliError> {
    let why = format!("cancelled by {}: {reason}", who());
    let mut tx = store.begin().await?;
    if !tx.cancel(id, &why, at).await? {
        let why = "only a message that waits, and is not being sent just now, can be taken back";
        return Err(CliError::Failed(anyhow::anyhow!("message {id}: {why}")));
    }
    tx.commit().await?;
    say(&format!(
        "message {id} is cancelled; its notices are not told unless `outbox retry` says so"
    ));
    Ok(())
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
            "{}  {:8}  {}  {}/{}{}  {}  {} notices, {} attempts{}\n",
            m.id,
            m.state,
            local(m.created(), config),
            m.unit,
            m.desk,
            in_shadow(m),
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
        return Err(no_message(id));
    };
    let attempts = store.attempts(id).await?;
    let bounces = store.bounces(id).await?;
    let body = store.body(id).await?;
    let text = body.as_ref().map(|body| readable(&message.channel, body));
    if as_json {
        let mut value = to_json(&message, config);
        value["subject"] = json!(message.subject);
        value["text"] = json!(text);
        value["history"] = attempts
            .iter()
            .map(|a| json!({ "at": rfc3339(a.at, config), "answer": a.answer, "detail": a.detail }))
            .collect();
        value["bounces"] = bounces
            .iter()
            .map(|b| json!({ "at": rfc3339(b.at, config), "address": b.address, "detail": b.detail }))
            .collect();
        say_json(&value);
        return Ok(());
    }
    let mut out = format!(
        "{}\nstate     {} since {}{}\nto        {}/{}{} by {}\nsubject   {}\n",
        message.id,
        message.state,
        local(message.since(), config),
        message.reason.as_ref().map(|r| format!(" ({r})")).unwrap_or_default(),
        message.unit,
        message.desk,
        in_shadow(&message),
        message.channel,
        message.subject
    );
    if let Some(by) = &message.corrected_by {
        out.push_str(&format!("corrected by {by}\n"));
    }
    let line = |word, at, what: &str, detail: &str| format!("{word:<10}{} {what}: {detail}\n", local(at, config));
    out.extend(attempts.iter().map(|a| line("attempt", a.at, &a.answer, &a.detail)));
    out.extend(bounces.iter().map(|b| line("bounce", b.at, &b.address, &b.detail)));
    out.push('\n');
    out.push_str(text.as_deref().unwrap_or(NOT_KEPT));
    say(&out);
    Ok(())
}

/// Instead of what a message said.
const NOT_KEPT: &str =
    "what it said is not kept any more ([retention] in dondoc.toml, or one of its tickets was forgotten)\n";

/// What a message says: a mail's text, a webhook's JSON.
pub(super) fn readable(channel: &str, body: &[u8]) -> String {
    if channel == Channel::Webhook.word() {
        let value = serde_json::from_slice(body).and_then(|value: Value| serde_json::to_string_pretty(&value));
        return value.unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned()) + "\n";
    }
    let parsed = MessageParser::default().parse(body);
    let text = parsed.as_ref().and_then(|p| p.body_text(0)).unwrap_or_default();
    text.into_owned()
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
        "approver": m.approver,
        "corrected_by": m.corrected_by,
    })
}

/// What stands behind the recipient of a message that went to ops' box instead.
pub(super) fn in_shadow(m: &Listed) -> &'static str {
    if m.mode == Mode::Shadow.word() { " (shadow)" } else { "" }
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
