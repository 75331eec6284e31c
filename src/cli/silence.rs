//! `dondoc silence add|list|end`: what is kept from being told for a while. It works beside the daemon, from its next turn on.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::outbox::{local, rfc3339};
use super::{CliError, SilenceCommand, instant, load, not_back_in_time, say, say_json, who};
use crate::clock;
use crate::config::{self, Config};
use crate::domain::Moment;
use crate::domain::hold::Scope;
use crate::domain::notice::{COMPETENCE, SETTLED};
use crate::store::Store;
use crate::store::holds::{KeptSilence, NewSilence};

#[derive(Debug, Args)]
pub(super) struct Add {
    /// Tickets that this unit answers for, by its id or any word of the directory.
    #[arg(long, value_name = "UNIT", group = "scope")]
    unit: Option<String>,
    /// One ticket.
    #[arg(long, value_name = "CODE", group = "scope")]
    ticket: Option<String>,
    /// Only what this rule tells; may be given several times.
    #[arg(long, value_name = "ID", group = "scope")]
    rule: Vec<String>,
    /// Tickets of this category.
    #[arg(long, group = "scope")]
    category: Option<String>,
    /// Conditions as in a rule's `where`, such as `priority.not = ["khẩn"], area = "866"`.
    #[arg(long = "where", value_name = "CONDITIONS", group = "scope")]
    conditions: Option<String>,
    /// From this instant on; now by default.
    #[arg(long, value_name = "T")]
    from: Option<String>,
    /// Until this instant; a date means its beginning.
    #[arg(long, value_name = "T")]
    until: String,
    /// Why; `explain` and `silence list` show it.
    #[arg(long)]
    reason: String,
    /// Who says so; the account that gives the command by default.
    #[arg(long)]
    author: Option<String>,
    /// The instant of it, for a store under simulated time; now by default. Before the last turn it is refused.
    #[arg(long, value_name = "T")]
    at: Option<String>,
}

pub(super) async fn run(dir: &Path, command: SilenceCommand) -> Result<(), CliError> {
    let config = load(dir)?;
    let database = &config.store.database;
    match command {
        SilenceCommand::Add(given) => {
            let store = Store::open_beside(database).await?;
            add(&config, &store, given).await
        }
        SilenceCommand::List { all, json } => {
            let store = Store::open_read_only(database).await?;
            list(&config, &store, all, json).await
        }
        SilenceCommand::End { id, author, at } => {
            let at = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            end(&store, id, &author.unwrap_or_else(who), at).await
        }
    }
}

async fn add(config: &Config, store: &Store, given: Add) -> Result<(), CliError> {
    let now = instant(given.at.as_deref(), config)?;
    not_back_in_time(store, given.at.as_deref(), now, config).await?;
    let from = given
        .from
        .as_deref()
        .map_or(Ok(now), |from| instant(Some(from), config))?;
    let until = instant(Some(&given.until), config)?;
    if until <= from {
        return Err(CliError::Usage(format!(
            "a silence until {} is over before it begins ({})",
            local(until, config),
            local(from, config)
        )));
    }
    if given.reason.trim().is_empty() {
        return Err(CliError::Usage("`--reason` says nothing".to_owned()));
    }
    let new = NewSilence {
        scope: scope(config, store, &given, now).await?,
        from,
        until,
        author: given.author.unwrap_or_else(who),
        reason: given.reason,
    };
    let mut tx = store.begin().await?;
    let id = tx.add_silence(&new, now).await?;
    tx.commit().await?;
    store.close().await;
    say(&format!(
        "silence {id}: {}, from {} until {}; what is in a message already still goes",
        new.scope,
        local(from, config),
        local(until, config)
    ));
    Ok(())
}

/// What is to be silent, with everything in it known.
async fn scope(config: &Config, store: &Store, given: &Add, now: Moment) -> Result<Scope, CliError> {
    let failed = |why: String| CliError::Failed(anyhow::anyhow!(why));
    let on = config.calendars.base().date_of(now);
    let unit = match &given.unit {
        None => None,
        Some(word) => match config.directory.find(word, on) {
            Some(unit) => Some(unit.id.clone()),
            None => return Err(failed(format!("`{word}` is not a unit of agencies.toml"))),
        },
    };
    for rule in &given.rule {
        // Built-in ones (`@settled`, `@competence`) are no rules of ops, but are told like them.
        if config.rules.named(rule).is_none() && ![SETTLED, COMPETENCE].contains(&rule.as_str()) {
            let known: Vec<&str> = config.rules.rules.iter().map(|r| r.id.as_str()).collect();
            return Err(failed(format!(
                "`{rule}` is not a rule; there are {}",
                known.join(", ")
            )));
        }
    }
    let ticket = given.ticket.as_deref().map(crate::domain::text::nfc);
    if let Some(code) = &ticket
        && store.tickets(std::slice::from_ref(code)).await?.is_empty()
    {
        return Err(failed(format!("ticket {code} is not known")));
    }
    let category = given
        .category
        .as_ref()
        .map(|word| format!("category = {}", json!(word)));
    let conditions: Vec<String> = category.into_iter().chain(given.conditions.clone()).collect();
    let conditions = (!conditions.is_empty()).then(|| conditions.join(", "));
    if let Some(text) = &conditions {
        // What would only be doubtful in a file is wrong here: it would hold nothing.
        let (_, doubts) = config::conditions(text, &config.directory).map_err(|e| CliError::Usage(e.to_string()))?;
        if let Some(doubt) = doubts.first() {
            return Err(CliError::Usage(doubt.to_string()));
        }
    }
    Ok(Scope {
        unit,
        ticket,
        rules: given.rule.clone(),
        conditions,
    })
}

async fn list(config: &Config, store: &Store, all: bool, as_json: bool) -> Result<(), CliError> {
    // Under simulated time (a demo's store) the present is the last turn.
    let now = store.meta().await?.last_turn_at.unwrap_or_else(clock::now);
    let silences = store.silences(if all { Moment::UNIX_EPOCH } else { now }).await?;
    let silences: Vec<KeptSilence> = silences.into_iter().filter(|s| all || s.over_at() > now).collect();
    if as_json {
        let list: Vec<Value> = silences.iter().map(|s| to_json(s, config, now)).collect();
        say_json(&json!({ "silences": list }));
        return Ok(());
    }
    let mut text = String::new();
    for s in &silences {
        text.push_str(&format!(
            "{:4}  {:7}  {} - {}  {}  by {}: {}{}\n",
            s.id,
            state(s, now),
            local(s.from, config),
            local(s.until, config),
            s.scope,
            s.author,
            s.reason,
            s.ended
                .as_ref()
                .map(|(at, by)| format!("  (ended {} by {by})", local(*at, config)))
                .unwrap_or_default()
        ));
    }
    text.push_str(&format!("{} silences\n", silences.len()));
    say(&text);
    Ok(())
}

fn state(silence: &KeptSilence, now: Moment) -> &'static str {
    if silence.over_at() <= now {
        "over"
    } else if silence.from > now {
        "to come"
    } else {
        "holds"
    }
}

fn to_json(s: &KeptSilence, config: &Config, now: Moment) -> Value {
    json!({
        "id": s.id,
        "state": state(s, now),
        "unit": s.scope.unit,
        "ticket": s.scope.ticket,
        "rules": s.scope.rules,
        "where": s.scope.conditions,
        "from": rfc3339(s.from, config),
        "until": rfc3339(s.until, config),
        "author": s.author,
        "reason": s.reason,
        "made_at": rfc3339(s.made_at, config),
        "ended_at": s.ended.as_ref().map(|(at, _)| rfc3339(*at, config)),
        "ended_by": s.ended.as_ref().map(|(_, by)| by),
    })
}

async fn end(store: &Store, id: i64, by: &str, at: Moment) -> Result<(), CliError> {
    let mut tx = store.begin().await?;
    let Some(notices) = tx.end_silence(id, by, at).await? else {
        return Err(CliError::Failed(anyhow::anyhow!(
            "silence {id} does not hold, or there is none; `dondoc silence list --all` shows all"
        )));
    };
    tx.commit().await?;
    store.close().await;
    say(&format!(
        "silence {id} is ended; {notices} notices that it held go out at their next chance where they still hold"
    ));
    Ok(())
}
