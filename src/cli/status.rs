//! `dondoc status`: the state of things in a few lines.

use std::path::Path;

use serde_json::{Value, json};

use super::outbox::{local, rfc3339};
use super::{CliError, load, say, say_json};
use crate::clock;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::change::Change;
use crate::domain::directory::{Endpoint, Unit};
use crate::domain::notice::Mode;
use crate::engine::NIGHT;
use crate::store::Store;
use crate::store::endpoints::{Disabled, DisabledEndpoints, Failing, FailingEndpoints};
use crate::store::meta::LastAudit;

pub(super) async fn run(dir: &Path, as_json: bool) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_read_only(&config.store.database).await?;
    let meta = store.meta().await?;
    let counts = store.message_counts().await?;
    let of = |state: &str| counts.iter().find(|c| c.state == state);
    let count = |state: &str| of(state).map_or(0, |c| c.messages);
    let accepted_in_shadow = of("accepted").map_or(0, |c| c.in_shadow);
    let accepted = count("accepted") - accepted_in_shadow;
    let unknown: i64 = counts.iter().map(|c| c.unknown).sum();
    // Under simulated time (a demo's store) the present is the last turn.
    let now = meta.last_turn_at.map_or_else(clock::now, |last| last.max(clock::now()));
    let oldest = of("waiting").map(|c| (now - c.oldest_created).num_seconds());
    let disabled = store.disabled_endpoints().await?;
    let failing = store.failing_endpoints().await?;
    let endpoints = endpoints(&config, &disabled, &failing);
    let suspended = store.suspensions(now).await?;
    let mut alarms = store.alarms().await?;
    alarms.retain(|alarm| alarm.cleared_at.is_none());
    let outdated = store.count_outdated(meta.generation).await?;
    let until = config.calendars.base().entered_until();
    let on = config.calendars.base().date_of(now);
    let in_use = config
        .directory
        .contacts(on)
        .filter(|(_, contact)| contact.is_usable(on));
    let unconfirmed = in_use.filter(|(_, contact)| !contact.is_confirmed()).count();
    if as_json {
        say_json(&json!({
            "version": env!("CARGO_PKG_VERSION"),
            "last_turn": meta.last_turn_at.map(|at| rfc3339(at, &config)),
            "source_read_at": meta.source_read_at.map(|at| rfc3339(at, &config)),
            "tickets": store.count_tickets().await?,
            "open": store.count_open().await?,
            "waiting_notices": store.count_waiting_notices().await?,
            "waiting": count("waiting"),
            "oldest_waiting_s": oldest,
            "accepted": accepted,
            "accepted_in_shadow": accepted_in_shadow,
            "dead": count("dead"),
            "awaiting_approval": count("awaiting_approval"),
            "unknown": unknown,
            "bounced": count("bounced"),
            "config_loaded_at": meta.config_loaded_at.map(|at| rfc3339(at, &config)),
            "config_refused": meta.config_refused,
            "config_change": meta.change.as_ref().map(|c| json!({
                "at": rfc3339(c.at, &config),
                "parts": c.parts,
                "withdrawn": c.withdrawn,
                "differing": c.differing,
                "lapsed": c.lapsed,
                "moved": c.moved,
                "evaluated_at": c.evaluated_at.map(|at| rfc3339(at, &config)),
                "outdated": outdated,
            })),
            "paused": meta.paused,
            "storm": meta.storm.as_ref().map(|s| json!({
                "since": rfc3339(s.since, &config),
                "messages": s.messages,
                "notices": s.notices,
            })),
            "mode": config.delivery.mode.word(),
            "live_units": config.delivery.live_units,
            "shadow_to": config.shadow_box(),
            "suspended": suspended.iter().map(|s| json!({
                "address": s.address,
                "since": rfc3339(s.since, &config),
                "until": rfc3339(s.until, &config),
                "reason": s.reason,
            })).collect::<Vec<_>>(),
            "alarms": alarms.iter().map(|a| json!({
                "kind": a.kind.word(),
                "subject": a.subject,
                "detail": a.detail,
                "since": rfc3339(a.raised_at, &config),
                "told_at": a.told_at.map(|at| rfc3339(at, &config)),
            })).collect::<Vec<_>>(),
            "audit": meta.audit.as_ref().map(|a| json!({
                "at": rfc3339(a.at, &config),
                "checked": a.checked,
                "findings": a.findings,
            })),
            "endpoints": endpoints.iter().map(|e| e.to_json(&config)).collect::<Vec<_>>(),
            "unconfirmed": unconfirmed,
            "calendar_until": until.to_string(),
        }));
        return Ok(());
    }
    let mut notes = String::new();
    if let Some(awaiting) = of("awaiting_approval") {
        let since = local(awaiting.oldest_created, &config);
        notes.push_str(&format!(
            "! {} messages wait for approval, the oldest since {since}: `dondoc outbox list --state awaiting_approval`\n",
            awaiting.messages
        ));
    }
    if let Some(paused) = &meta.paused {
        let since = local(paused.at, &config);
        notes.push_str(&format!("! paused since {since} by {}: {}\n", paused.by, paused.reason));
    }
    if let Some(storm) = &meta.storm {
        notes.push_str(&format!(
            "! more messages are due than [limits] allows since {}: {} wait for later turns, with {} notices\n",
            local(storm.since, &config),
            storm.messages,
            storm.notices
        ));
    }
    if config.calendars.base().ends_soon(config.calendars.base().date_of(now)) {
        notes.push_str(&format!(
            "! official holidays are entered until {until} only: enter the next year's days in calendar.toml\n"
        ));
    }
    if let Some(change) = &meta.change {
        notes.push_str(&changed(change, outdated, &config));
    }
    if let Some(why) = &meta.config_refused {
        notes.push_str(&format!(
            "! the last reload was refused; the configuration before it is in force:\n{why}\n"
        ));
    }
    if unconfirmed > 0 {
        notes.push_str(&format!(
            "! nobody has confirmed {unconfirmed} addresses, and no step above a rule's first goes there: `dondoc contacts list --wanting`\n"
        ));
    }
    for s in &suspended {
        let until = local(s.until, &config);
        notes.push_str(&format!(
            "! {} is not written to until {until}: {}\n",
            s.address, s.reason
        ));
    }
    for alarm in &alarms {
        let since = local(alarm.raised_at, &config);
        let what = [alarm.kind.word(), &alarm.subject, &alarm.detail].join(" ");
        notes.push_str(&format!("! alarm since {since}: {}\n", what.trim()));
    }
    for (endpoint, disabled) in endpoints.iter().filter_map(|e| Some((e, e.disabled?))) {
        let (id, unit, since) = (&endpoint.endpoint.id, &endpoint.unit.id, local(disabled.since, &config));
        notes.push_str(&format!(
            "! the webhook {id} of {unit} is disabled since {since}: {}; another url in agencies.toml or `dondoc endpoint enable {id}` enables it\n",
            disabled.reason
        ));
    }
    for (endpoint, failing) in endpoints.iter().filter_map(|e| Some((e, e.failing?))) {
        let (id, unit, since) = (&endpoint.endpoint.id, &endpoint.unit.id, local(failing.since, &config));
        notes.push_str(&format!(
            "! the webhook {id} of {unit} has taken nothing since {since}, in {} attempts: {}\n",
            failing.attempts, failing.reason
        ));
    }
    let oldest = of("waiting").map(|c| format!(" (the oldest since {})", local(c.oldest_created, &config)));
    let oldest = oldest.unwrap_or_default();
    let at = |m: Option<crate::domain::Moment>| m.map_or("never".to_owned(), |at| local(at, &config));
    say(&format!(
        "dondoc {}\nconfiguration  taken up {}\nlast turn      {} (ticket database read {})\ntickets        {} known, {} open\nnotices        {} wait for their digest or window\n\
         messages       {} wait{oldest}, {} accepted, {} dead, {} bounced, {} answers unknown\naudit          {}\nmode           {}\nwebhooks       {} endpoints\ncalendar       entered until {until}\n{notes}",
        env!("CARGO_PKG_VERSION"),
        at(meta.config_loaded_at),
        at(meta.last_turn_at),
        at(meta.source_read_at),
        store.count_tickets().await?,
        store.count_open().await?,
        store.count_waiting_notices().await?,
        count("waiting"),
        accepted,
        count("dead"),
        count("bounced"),
        unknown,
        audit(&config, meta.audit.as_ref(), meta.last_turn_at),
        mode(&config, accepted_in_shadow),
        endpoints.len(),
    ));
    Ok(())
}

/// What the last change of the configuration changed.
fn changed(change: &Change, outdated: i64, config: &Config) -> String {
    let mut text = format!("last change    {}\n", local(change.at, config));
    for line in change.lines() {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&format!("  {}\n", change.notices()));
    if outdated > 0 {
        text.push_str(&format!("  {outdated} tickets are still to be evaluated by it\n"));
    }
    text
}

/// What the last nightly audit found.
fn audit(config: &Config, last: Option<&LastAudit>, last_turn_at: Option<Moment>) -> String {
    match last {
        None if config.audit.at.is_none() => "off".to_owned(),
        None => "never yet".to_owned(),
        Some(last) => {
            let found = match last.findings {
                0 => "clean".to_owned(),
                n => format!("{n} findings"),
            };
            let is_old = config.audit.at.is_some() && last_turn_at.is_some_and(|turn| turn - last.at > NIGHT);
            let none_since = if is_old { "; none since" } else { "" };
            format!(
                "{found} at {} ({} tickets){none_since}",
                local(last.at, config),
                last.checked
            )
        }
    }
}

/// Who is told, and what was told in shadow so far.
fn mode(config: &Config, accepted_in_shadow: i64) -> String {
    let live: Vec<&str> = config.delivery.live_units.iter().map(String::as_str).collect();
    let told = match accepted_in_shadow {
        0 => String::new(),
        n => format!("; {n} more messages accepted in shadow"),
    };
    match config.delivery.mode {
        Mode::Live => format!("live{told}"),
        Mode::Shadow => {
            let live = if live.is_empty() {
                "none".to_owned()
            } else {
                live.join(", ")
            };
            format!(
                "shadow, everything goes to {}; live units: {live}{told}",
                config.shadow_box().join(", ")
            )
        }
    }
}

/// An endpoint of the directory, and whether anything is posted to it.
struct State<'a> {
    unit: &'a Unit,
    endpoint: &'a Endpoint,
    disabled: Option<&'a Disabled>,
    failing: Option<&'a Failing>,
}

fn endpoints<'a>(config: &'a Config, disabled: &'a DisabledEndpoints, failing: &'a FailingEndpoints) -> Vec<State<'a>> {
    let units = config.directory.units.iter();
    let all = units.flat_map(|unit| unit.endpoints.iter().map(move |endpoint| (unit, endpoint)));
    all.map(|(unit, endpoint)| State {
        unit,
        endpoint,
        disabled: disabled.of(endpoint),
        failing: failing.of(endpoint),
    })
    .collect()
}

impl State<'_> {
    fn to_json(&self, config: &Config) -> Value {
        let on = config.calendars.base().date_of(clock::now());
        let state = match (self.disabled, self.failing) {
            (Some(_), _) => "disabled",
            _ if !self.endpoint.is_valid(on) => "not_valid",
            (None, Some(_)) => "failing",
            (None, None) => "enabled",
        };
        let disabled = self.disabled.map(|d| (d.since, &d.reason));
        let known = disabled.or(self.failing.map(|f| (f.since, &f.reason)));
        json!({
            "id": self.endpoint.id,
            "unit": self.unit.id,
            "state": state,
            "since": known.map(|(since, _)| rfc3339(since, config)),
            "reason": known.map(|(_, reason)| reason),
        })
    }
}
