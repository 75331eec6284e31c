//! `dondoc once`: exactly one turn.

use std::path::Path;

use serde_json::json;

use super::{CliError, engine, instant, load, say, say_json};
use crate::engine::TurnReport;

pub(super) async fn run(dir: &Path, at: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let config = load(dir)?;
    let now = instant(at, &config)?;
    let zone = config.calendars.base().zone();
    let mut engine = engine(config).await?;
    let turn = engine.turn(now).await;
    engine.close().await;
    let report = turn?;
    if as_json {
        say_json(&to_json(&report, zone));
    } else {
        say(&to_text(&report));
    }
    // What could be done was done; a source that is down is still a failure of the turn.
    if report.source_failed() {
        Err(CliError::Said(1))
    } else {
        Ok(())
    }
}

fn to_json(r: &TurnReport, zone: chrono_tz::Tz) -> serde_json::Value {
    json!({
        "at": r.at.with_timezone(&zone).to_rfc3339(),
        "seen": r.observed.seen,
        "changed": r.observed.changed,
        "rejected": r.observed.rejected,
        "decided": r.decided,
        "enqueued": r.composed.messages,
        "accepted": r.delivered.accepted,
        "later": r.delivered.later,
        "unknown": r.delivered.unknown,
        "dead": r.delivered.dead,
        "waiting": r.waiting,
        "outdated": r.outdated,
        "paused": r.is_paused,
        "leading": r.is_leading,
        "problems": r.problems(),
    })
}

fn to_text(r: &TurnReport) -> String {
    let mut text = format!(
        "seen {} rows ({} changed, {} rejected), decided {} tellings, made {} messages\n\
         accepted {}, later {}, unknown {}, dead {}; {} messages wait\n",
        r.observed.seen,
        r.observed.changed,
        r.observed.rejected,
        r.decided,
        r.composed.messages,
        r.delivered.accepted,
        r.delivered.later,
        r.delivered.unknown,
        r.delivered.dead,
        r.waiting
    );
    if r.outdated > 0 {
        let outdated = r.outdated;
        text.push_str(&format!(
            "! {outdated} tickets are still to be evaluated by the changed configuration: the next turns go on\n"
        ));
    }
    if r.is_paused {
        text.push_str("! paused: nothing is composed or sent until `dondoc resume`\n");
    }
    if !r.is_leading {
        text.push_str("! another process reads the ticket database and decides; this one only sent what was due\n");
    }
    for problem in r.problems() {
        text.push_str(&format!("! {problem}\n"));
    }
    text
}
