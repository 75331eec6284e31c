//! `dondoc demo`: plays the demo with a progress bar and says what came of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::{CliError, say};
use crate::demo::generate::Totals;
use crate::demo::{Got, Outcome, Stage};
use crate::domain::obligation::State;

pub(super) use crate::demo::SEED;

pub(super) async fn run(dir: Option<PathBuf>, seed: u64) -> Result<(), CliError> {
    let dir = match dir {
        Some(dir) => dir,
        None => std::env::temp_dir().join(format!("dondoc-demo-{}", uuid::Uuid::new_v4().simple())),
    };
    let stage = Stage::set(&dir, seed, &Totals::seed()).await?;
    let bar = ProgressBar::new(u64::try_from(stage.days()).unwrap_or(0));
    bar.set_style(
        ProgressStyle::with_template("{msg:10} {bar:40} {pos}/{len} days")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let outcome = stage
        .play(|day| {
            bar.set_message(day.to_string());
            bar.inc(1);
        })
        .await?;
    bar.finish_and_clear();
    say(&text(&outcome));
    if outcome.findings.iter().all(|f| f.against.is_empty()) {
        Ok(())
    } else {
        Err(CliError::Said(1))
    }
}

/// The whole of what the demo says at its end.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut out = format!(
        "dondoc demo: two simulated months and a day of {} ({} turns, {} mails through SMTP)\n\nWho was told what, and how often\n",
        outcome.config.delivery.hotline,
        outcome.turns,
        outcome.letters.len()
    );
    out.push_str(&table(&outcome.got));
    if let Some(letter) = shown(outcome) {
        let rule = "─".repeat(100);
        out.push_str(&format!(
            "\nOne of the mails\n{rule}\nTo: {}\nSubject: {}\n\n{}\n{rule}\n",
            letter.to.join(", "),
            letter.subject,
            letter.text.trim_end()
        ));
    }
    out.push_str("\nThe month of August 2021\n\n");
    out.push_str(&outcome.august.text(&outcome.config));
    out.push_str(&cycle(outcome));
    out.push_str("\nChecked on the received mails\n");
    for finding in &outcome.findings {
        let mark = if finding.against.is_empty() { "✓" } else { "✗" };
        out.push_str(&format!(
            "  {mark} {} ({} looked at)\n",
            finding.claim, finding.looked_at
        ));
        for against in finding.against.iter().take(20) {
            out.push_str(&format!("      {against}\n"));
        }
    }
    let dir = outcome.dir.display();
    out.push_str(&format!(
        "\nEverything lies in {dir}\n  mails/      every mail as it was received (.eml; any mail program opens them)\n  config/     the rules, the directory and the calendar that were used\n\
         \nGo on with, for instance\n  dondoc --config {dir}/config explain {}\n  dondoc --config {dir}/config report --month 2021-09\n  dondoc --config {dir}/config outbox list\n",
        example(outcome)
    ));
    out
}

/// What the agencies owe by the directive on August, and how far they are.
fn cycle(outcome: &Outcome) -> String {
    let Some(directive) = outcome.obligations.first().map(|o| &o.directive) else {
        return String::new();
    };
    let config = &outcome.config;
    let base = config.calendars.base();
    let on = base.date_of(outcome.ended_at);
    let mut units: BTreeMap<(usize, &str), Vec<State>> = BTreeMap::new();
    for obligation in outcome.obligations.iter().filter(|o| o.id.kind.has_deadline()) {
        let state = obligation.state(config.monthly.reading, base, outcome.ended_at);
        let unit = config.directory.unit(&obligation.id.unit);
        let place = unit.map_or((usize::MAX, obligation.id.unit.as_str()), |u| (u.order, u.name(on)));
        units.entry(place).or_default().push(state);
    }
    let count = |is: fn(&State) -> bool| units.values().filter(|states| states.iter().all(is)).count();
    let owing: Vec<&str> = units
        .iter()
        .filter(|(_, states)| states.iter().any(|s| s.is_owed()))
        .map(|((_, name), _)| *name)
        .collect();
    let mut out = format!(
        "\nWhat the agencies owed by the directive {} of {} (before {}), at {}\n  {} agencies: {} replied in time, {} late, {} not\n",
        directive.number,
        directive.date,
        directive.reply_before,
        outcome.ended_at.with_timezone(&base.zone()).format("%H:%M on %Y-%m-%d"),
        units.len(),
        count(|s| *s == State::Replied),
        count(|s| *s == State::RepliedLate),
        owing.len(),
    );
    for name in owing {
        out.push_str(&format!("  chưa ghi nhận báo cáo: {name}\n"));
    }
    out
}

fn table(got: &[Got]) -> String {
    let width = got.iter().map(|g| g.name.chars().count()).max().unwrap_or(0);
    let mut out = format!(
        "  {:width$}  {:7}  {:>5}  {:>8}  {:>7}  lines by rule and step\n",
        "recipient", "desk", "mails", "per week", "tickets"
    );
    for g in got {
        let steps: Vec<String> = g.steps.iter().map(|(step, n)| format!("{step} {n}")).collect();
        out.push_str(&format!(
            "  {:width$}  {:7}  {:>5}  {:>8}  {:>7}  {}\n",
            g.name,
            g.desk,
            g.mails,
            g.most_in_a_week,
            g.tickets.len(),
            steps.join(", ")
        ));
    }
    out
}

/// A mail worth showing: a digest that begins with the second reminder to a head, not too long.
fn shown(outcome: &Outcome) -> Option<&crate::demo::reading::Letter> {
    let desks = crate::demo::addresses(&outcome.config);
    let to_head = |address: &String| desks.get(address).is_some_and(|(_, desk)| desk == "head");
    let is_second = |l: &&crate::demo::reading::Letter| {
        let first = l.sections.first().map(|s| (s.rule.as_str(), s.step.as_str()));
        l.is_digest && l.to.iter().any(to_head) && first == Some(("overdue", "L2"))
    };
    outcome
        .letters
        .iter()
        .filter(is_second)
        .min_by_key(|l| (l.text.lines().count().abs_diff(28), l.date))
}

/// A ticket that was told up to the highest step.
fn example(outcome: &Outcome) -> String {
    let highest = outcome
        .letters
        .iter()
        .flat_map(|l| l.told())
        .filter(|(_, rule, _)| *rule == "overdue")
        .max_by_key(|(ticket, _, step)| (*step, std::cmp::Reverse(*ticket)));
    highest.map_or("CODE", |(ticket, _, _)| ticket).to_owned()
}
