//! `dondoc contacts list|request`: which addresses of the directory somebody has confirmed, and a letter that asks. It works
//! beside the daemon, which sends the letters.

use std::path::Path;

use chrono::NaiveDate;
use serde_json::{Value, json};

use super::outbox::{agrees, local, rfc3339};
use super::{CliError, ContactsCommand, instant, load, not_back_in_time, renderer, say, say_json};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::Confirmation;
use crate::engine::{self, ASKED_ANEW_AFTER, KnownContact};
use crate::store::Store;

pub(super) async fn run(dir: &Path, command: ContactsCommand) -> Result<(), CliError> {
    let config = load(dir)?;
    let database = &config.store.database;
    match command {
        ContactsCommand::List { wanting, at, json } => {
            let now = instant(at.as_deref(), &config)?;
            let store = Store::open_read_only(database).await?;
            let config = engine::in_force(&config, &store, now).await?;
            let mut known = engine::contacts(&config, &store, now).await?;
            known.retain(|known| !wanting || known.confirmation.is_wanting());
            list(&config, &known, now, json);
            Ok(())
        }
        ContactsCommand::Request { units, yes, at } => {
            let now = instant(at.as_deref(), &config)?;
            let store = Store::open_beside(database).await?;
            not_back_in_time(&store, at.as_deref(), now, &config).await?;
            let config = engine::in_force(&config, &store, now).await?;
            request(&config, &store, &units, yes, now).await?;
            store.close().await;
            Ok(())
        }
    }
}

fn list(config: &Config, known: &[KnownContact<'_>], now: Moment, as_json: bool) {
    let on = config.calendars.base().date_of(now);
    if as_json {
        let all: Vec<Value> = known.iter().map(|known| as_value(config, known, on)).collect();
        say_json(&json!({ "contacts": all }));
        return;
    }
    let lines: Vec<String> = known.iter().map(|known| line(config, known, on)).collect();
    say(&lines.join("\n"));
}

fn as_value(config: &Config, known: &KnownContact<'_>, on: NaiveDate) -> Value {
    let contact = known.contact;
    json!({
        "unit": known.unit.id,
        "role": contact.desk.word(),
        "address": contact.address,
        "state": known.confirmation.word(),
        "confirmed": contact.confirmed,
        "suspended_until": contact.suspended_until.filter(|until| *until > on),
        "asked": known.asked.map(|at| rfc3339(at, config)),
    })
}

fn line(config: &Config, known: &KnownContact<'_>, on: NaiveDate) -> String {
    let contact = known.contact;
    let state = match known.confirmation {
        Confirmation::Missing => "unconfirmed: no step above the first goes there".to_owned(),
        Confirmation::Old(day) => format!("confirmed on {day}, more than a year ago"),
        Confirmation::Given(day) => format!("confirmed on {day}"),
    };
    let suspended = contact.suspended_until.filter(|until| *until > on);
    let suspended = suspended.map_or(String::new(), |until| format!("; suspended until {until}"));
    let asked = known
        .asked
        .map_or(String::new(), |at| format!("; asked {}", local(at, config)));
    format!(
        "{:10} {:8} {}  {state}{suspended}{asked}",
        known.unit.id,
        contact.desk.word(),
        contact.address
    )
}

async fn request(
    config: &Config,
    store: &Store,
    units: &[String],
    is_agreed: bool,
    now: Moment,
) -> Result<(), CliError> {
    let on = config.calendars.base().date_of(now);
    let mut chosen = Vec::with_capacity(units.len());
    for word in units {
        match config.directory.find(word, on) {
            Some(unit) => chosen.push(unit.id.as_str()),
            None => {
                let why = format!("`{word}` is not a unit of agencies.toml");
                return Err(CliError::Failed(anyhow::anyhow!(why)));
            }
        }
    }
    let mut wanting = engine::contacts(config, store, now).await?;
    wanting.retain(|known| known.confirmation.is_wanting() && known.contact.is_usable(on));
    wanting.retain(|known| units.is_empty() || chosen.contains(&known.unit.id.as_str()));
    let all = wanting.len();
    wanting.retain(|known| known.is_to_be_asked(now));
    let asked = match all - wanting.len() {
        0 => String::new(),
        asked => format!(
            "; {asked} more were asked in the last {} days",
            ASKED_ANEW_AFTER.num_days()
        ),
    };
    if wanting.is_empty() {
        say(&format!("nobody is to be asked{asked}"));
        return Ok(());
    }
    let lines: Vec<String> = wanting.iter().map(|known| line(config, known, on)).collect();
    say(&format!("{}\n{} to be asked{asked}", lines.join("\n"), wanting.len()));
    let question = "Write to each of them?";
    if !(is_agreed || agrees(question, "writes to them")?) {
        return Ok(());
    }
    let made = engine::request(config, &renderer(config)?, store, &wanting, now)
        .await
        .map_err(|error| CliError::Failed(error.into()))?;
    say(&format!(
        "{made} letters wait; the daemon sends each in its unit's office hours, in shadow too. Write `confirmed = \"DATE\"` into agencies.toml at each that answers"
    ));
    Ok(())
}
