//! `dondoc directive record|show`: the Chairman's directive on a month, by which the agencies owe replies. It works beside the
//! daemon.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use chrono::NaiveDate;
use clap::Subcommand;
use serde_json::{Value, json};

use super::outbox::{local, rfc3339};
use super::{CliError, day, instant, load, not_back_in_time, period, say, say_json, who};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::figures::is_checked_at;
use crate::domain::obligation::{self, Kind, Members};
use crate::domain::register::is_number;
use crate::domain::time::Period;
use crate::store::Store;

#[derive(Debug, Subcommand)]
pub(super) enum Directive {
    /// Records the directive on a period. What is owed opens by it once the period's figures are final; recorded again, it
    /// takes the place of what was in force.
    Record {
        /// The period, such as 2021-08.
        #[arg(long, value_name = "PERIOD")]
        period: String,
        /// Number and symbol of the document, such as 312/UBND-KSTT.
        #[arg(long, value_name = "N")]
        number: String,
        /// The document's date, such as 2021-09-10 or 10/9/2021.
        #[arg(long, value_name = "D", value_parser = day)]
        date: NaiveDate,
        /// “Trước ngày”: replies have to reach the Office before this day.
        #[arg(long, value_name = "D", value_parser = day)]
        reply_before: NaiveDate,
        /// Who records it; the account that gives the command by default.
        #[arg(long)]
        author: Option<String>,
        /// The instant of it, for a store under simulated time; now by default.
        #[arg(long, value_name = "T")]
        at: Option<String>,
    },
    /// The directive in force on a period, those before it, and who owes what by it.
    Show {
        /// The period; the last one with a directive by default.
        #[arg(long, value_name = "PERIOD")]
        period: Option<String>,
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(dir: &Path, command: Directive) -> Result<(), CliError> {
    let config = load(dir)?;
    match command {
        Directive::Record {
            period: of,
            number,
            date,
            reply_before,
            author,
            at,
        } => {
            let now = instant(at.as_deref(), &config)?;
            let new = obligation::Directive {
                period: period(&of, &config)?,
                number: number.split_whitespace().collect::<Vec<_>>().join(" "),
                date,
                reply_before,
                is_standing: false,
                by: author.unwrap_or_else(who),
                recorded_at: now,
            };
            refuse(&new, &config, now)?;
            let store = Store::open_beside(&config.store.database).await?;
            not_back_in_time(&store, at.as_deref(), now, &config).await?;
            let said = record(&config, &store, &new).await?;
            store.close().await;
            say(&said);
            Ok(())
        }
        Directive::Show { period: of, json } => {
            let store = Store::open_read_only(&config.store.database).await?;
            let of = of.as_deref().map(|of| period(of, &config)).transpose()?;
            show(&config, &store, of, json).await
        }
    }
}

/// What no directive can say.
fn refuse(new: &obligation::Directive, config: &Config, now: Moment) -> Result<(), CliError> {
    let today = config.calendars.base().date_of(now);
    let (period, date, before) = (new.period, new.date, new.reply_before);
    let wrong = if !is_number(&new.number) {
        "--number: write number and symbol of the document alone, such as 312/UBND-KSTT; letters cite it".to_owned()
    } else if today < period.end() {
        let last = period.last_day();
        format!("--period: {period} runs until {last}; a directive on it is recorded once it is over")
    } else if date < period.end() {
        format!("--date: a directive of {date} cannot be on {period}, which ends later; look at the month and the year")
    } else if date > today {
        format!("--date: {date} is still to come; record the directive once it is issued")
    } else if before <= date {
        format!("--reply-before: {before} is not behind the date of the directive, {date}; one of the two is wrong")
    } else {
        return Ok(());
    };
    Err(CliError::Usage(wrong))
}

async fn record(config: &Config, store: &Store, new: &obligation::Directive) -> Result<String, CliError> {
    let (period, now) = (new.period, new.recorded_at);
    let stage = Stage::of(store, period).await?;
    // What is read of members cannot change but by what is added.
    let members = match stage {
        Stage::Final => store.members(period).await?,
        Stage::Provisional => store.members_in_check(period).await?,
        Stage::NotFrozen => Members::new(),
    };
    let mut tx = store.begin().await?;
    let before = tx.directive(period).await?;
    let is_known = before.as_ref().is_some_and(|before| {
        let same = (&before.number, before.date, before.reply_before) == (&new.number, new.date, new.reply_before);
        same && !before.is_standing
    });
    if is_known {
        drop(tx);
        return Ok(format!(
            "{period}: {} is in force already; nothing is recorded",
            cited(new)
        ));
    }
    tx.record_directive(new).await?;
    // Where the figures are final, also where they became so just now: nobody else opens what a directive finds.
    let opened = tx.open_obligations(period, now).await?;
    let all = tx.obligations(period).await?.len();
    tx.commit().await?;
    let mut said = format!("{period}: {} is recorded\n{}\n", cited(new), due(new, config));
    if let Some(before) = &before {
        said.push_str(&format!("it replaces {}\n", kept(before, config)));
    }
    said.push_str(&match stage {
        Stage::Final => match (opened, all) {
            (0, 0) => "no agency owes anything by it\n".to_owned(),
            (0, all) => format!("the {all} obligations that were open go by it from now on\n"),
            (opened, _) => format!("{opened} obligations are opened; `dondoc replies list --period {period}` has them\n"),
        },
        Stage::Provisional => format!(
            "the figures of {period} are checked until {}; what is owed opens with the final ones. As they stand now:\n",
            local(is_checked_at(period, config.calendars.base()), config)
        ),
        Stage::NotFrozen => format!(
            "{period} is not frozen yet; what is owed opens with its final figures, at the first turn from {} on\n",
            local(is_checked_at(period, config.calendars.base()), config)
        ),
    });
    said.push_str(&by_unit(&members, config));
    Ok(said)
}

/// How far a period's figures are frozen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    NotFrozen,
    Provisional,
    Final,
}

impl Stage {
    async fn of(store: &Store, period: Period) -> Result<Stage, CliError> {
        let last = store.snapshots(period).await?.pop();
        Ok(match last.map(|last| last.revision) {
            None => Stage::NotFrozen,
            Some(0) => Stage::Provisional,
            Some(_) => Stage::Final,
        })
    }

    fn word(self) -> &'static str {
        match self {
            Stage::NotFrozen => "not_frozen",
            Stage::Provisional => "provisional",
            Stage::Final => "final",
        }
    }
}

fn cited(directive: &obligation::Directive) -> String {
    format!("directive {} of {}", directive.number, directive.date)
}

/// A directive with who recorded it.
fn kept(directive: &obligation::Directive, config: &Config) -> String {
    let by = match directive.is_standing {
        true => "the standing directive of dondoc.toml".to_owned(),
        false => format!(
            "recorded by {} on {}",
            directive.by,
            local(directive.recorded_at, config)
        ),
    };
    format!("{}, replies before {}; {by}", cited(directive), directive.reply_before)
}

/// What its day means.
pub(super) fn due(directive: &obligation::Directive, config: &Config) -> String {
    let (reading, cal) = (config.monthly.reading, config.calendars.base());
    format!(
        "replies before {}: reminders aim at the end of {}, late is what reaches the Office after {}",
        directive.reply_before,
        directive.due_day(reading, cal),
        directive.last_day(reading, cal)
    )
}

/// A line for each unit: how many tickets of which kind.
fn by_unit(members: &Members, config: &Config) -> String {
    let mut units: BTreeMap<&str, BTreeMap<Kind, u64>> = BTreeMap::new();
    for member in members {
        *units.entry(&member.unit).or_default().entry(member.kind).or_default() += 1;
    }
    let line = |(unit, kinds): (&str, BTreeMap<Kind, u64>)| {
        let kinds = kinds
            .iter()
            .map(|(kind, n)| format!("{} {} ({n})", kind.letter(), kind.word()));
        let name = config.directory.unit(unit).map_or(unit, |u| u.id.as_str());
        format!("  {name}: {}\n", kinds.collect::<Vec<_>>().join(", "))
    };
    units.into_iter().map(line).collect()
}

async fn show(config: &Config, store: &Store, of: Option<Period>, as_json: bool) -> Result<(), CliError> {
    let period =
        match of {
            Some(period) => period,
            None => store.directed_periods().await?.pop().ok_or_else(|| {
                CliError::Failed(anyhow!("no directive is recorded; `dondoc directive record` does it"))
            })?,
        };
    let mut all = store.directives(period).await?;
    let (force, stage) = (all.pop(), Stage::of(store, period).await?);
    let obligations = store.obligations(period).await?;
    let members = match stage {
        Stage::Provisional => store.members_in_check(period).await?,
        Stage::Final => store.members(period).await?,
        Stage::NotFrozen => Members::new(),
    };
    if as_json {
        let value = |d: &obligation::Directive| to_json(d, config);
        say_json(&json!({
            "period": period.to_string(),
            "figures": stage.word(),
            "directive": force.as_ref().map(value),
            "before": all.iter().map(value).collect::<Vec<_>>(),
            "obligations": obligations.len(),
        }));
        return Ok(());
    }
    let Some(force) = force else {
        let standing = match &config.monthly.standing {
            Some(standing) => format!(
                "; the standing directive {} of dondoc.toml holds for it from the final figures on",
                standing.number
            ),
            None => String::new(),
        };
        say(&format!("{period}: no directive is recorded{standing}"));
        return Ok(());
    };
    let mut said = format!("{period}: {}\n{}\n", kept(&force, config), due(&force, config));
    for before in all.iter().rev() {
        said.push_str(&format!("before: {}\n", kept(before, config)));
    }
    said.push_str(&match (stage, obligations.len()) {
        (Stage::Final, n) => format!("{n} obligations\n"),
        (Stage::Provisional | Stage::NotFrozen, _) => format!(
            "what is owed opens with the final figures, at the first turn from {} on\n",
            local(is_checked_at(period, config.calendars.base()), config)
        ),
    });
    said.push_str(&by_unit(&members, config));
    say(&said);
    Ok(())
}

fn to_json(directive: &obligation::Directive, config: &Config) -> Value {
    let (reading, cal) = (config.monthly.reading, config.calendars.base());
    json!({
        "number": directive.number,
        "date": directive.date.to_string(),
        "reply_before": directive.reply_before.to_string(),
        "due_day": directive.due_day(reading, cal).to_string(),
        "last_day": directive.last_day(reading, cal).to_string(),
        "standing": directive.is_standing,
        "author": directive.by,
        "recorded_at": rfc3339(directive.recorded_at, config),
    })
}
