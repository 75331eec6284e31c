//! `dondoc explain`: one ticket, by the same evaluation that decides.

use std::path::Path;

use serde_json::{Value, json};

use super::outbox::{in_shadow, local, rfc3339, to_json as message_json};
use super::{CliError, instant, load, say, say_json};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::calendar::{Calendar, Counted, Due, ReckonedDay};
use crate::domain::deadline::{Basis, Reckoned};
use crate::domain::directory::Unit;
use crate::domain::evaluate::{Evaluation, Judged, Verdict};
use crate::domain::facts::{self, Context};
use crate::domain::notice::{Mode, NewNotice, Notice, NoticeState, Wait};
use crate::domain::rule::Approver;
use crate::domain::scrub;
use crate::domain::ticket::{Memory, Status};
use crate::domain::time::Span;
use crate::engine::{self, Ahead, Explained, NoticeShown, Waiting};
use crate::store::Store;
use crate::store::as_of::Past;
use crate::store::outbox::{Attempt, Listed, MessageState};

pub(super) async fn run(dir: &Path, code: &str, at: Option<&str>, as_json: bool) -> Result<(), CliError> {
    let config = load(dir)?;
    let store = Store::open_read_only(&config.store.database).await?;
    let meta = store.meta().await?;
    // Without --at the ticket is shown as it is known now; a demo's store may be ahead of the clock or behind it.
    let now = match (at, meta.last_turn_at) {
        (None, Some(last)) => last,
        _ => instant(at, &config)?,
    };
    let code = crate::domain::text::nfc(code);
    let Some(Explained {
        past,
        mode,
        found,
        ahead,
        notices,
        ..
    }) = engine::explain(&config, &store, &code, now).await?
    else {
        return Err(CliError::Failed(match store.forgotten_at(&code).await? {
            Some(at) => anyhow::anyhow!(
                "ticket {code} was forgotten on {}: nothing is known of it, and nothing will be (`dondoc forget`)",
                local(at, &config)
            ),
            None => anyhow::anyhow!(
                "ticket {code} is not known at {}: it was received later, was closed before {}, or is not in the ticket database{}",
                local(now, &config),
                match meta.kept_from {
                    Some(from) => format!("{}, from when on records are kept", local(from, &config)),
                    None => "dondoc's first turn".to_owned(),
                },
                match near(&store, &code).await? {
                    codes if codes.is_empty() => String::new(),
                    codes => format!("; did you mean {}?", codes.join(", ")),
                }
            ),
        }));
    };
    let context = engine::context(&config, &meta, now);
    let (mut messages, mut attempts) = (Vec::new(), Vec::new());
    for message in store.messages_of_ticket(&code).await? {
        if message.created() <= now {
            let mut of_message = store.attempts(&message.id).await?;
            of_message.retain(|attempt| attempt.at <= now);
            messages.push(as_it_stood(message, &of_message, now));
            attempts.push(of_message);
        }
    }
    let shown = Shown {
        attempts: &attempts,
        config: &config,
        context: &context,
        past: &past,
        mode,
        found: &found,
        messages: &messages,
        ahead: &ahead,
        notices: &notices,
        kept_from: meta.kept_from,
        now,
    };
    if as_json {
        say_json(&shown.json());
    } else {
        say(&shown.text());
    }
    Ok(())
}

/// A message as it stood at an instant, with the attempts by then: what became of it later is taken back.
fn as_it_stood(mut message: Listed, attempts: &[Attempt], now: Moment) -> Listed {
    if message.since() > now {
        let answered = |word: &str| attempts.iter().filter(|a| a.answer == word).count();
        let state = match (answered("accepted"), &message.approver) {
            (1.., _) => MessageState::Accepted,
            (0, Some(_)) if attempts.is_empty() => MessageState::AwaitingApproval,
            (0, _) => MessageState::Waiting,
        };
        state.word().clone_into(&mut message.state);
        message.attempts = i64::try_from(attempts.len()).unwrap_or(i64::MAX);
        message.unknown = i64::try_from(answered("unknown")).unwrap_or(i64::MAX);
        (message.next_attempt_at, message.reason, message.corrected_by) = (None, None, None);
    }
    message
}

/// How many slips of the keys a code may be away from the one that was meant.
const SLIPS: usize = 2;

/// The known codes that are nearest to one that is not, three at most. Of a ticket that was forgotten no code is known.
async fn near(store: &Store, code: &str) -> Result<Vec<String>, CliError> {
    const PAGE: i64 = 10_000;
    let wanted = code.trim().to_lowercase();
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut after = String::new();
    loop {
        let keys = store.kept_keys(&after, PAGE).await?;
        let Some(last) = keys.last() else { break };
        after.clone_from(&last.code);
        let slips = |known: &str| strsim::damerau_levenshtein(&wanted, &known.to_lowercase());
        let is_near = |known: &str| known != code && known.chars().count().abs_diff(wanted.chars().count()) <= SLIPS;
        let near = keys.into_iter().filter(|key| is_near(&key.code));
        let near = near.map(|key| (slips(&key.code), key.code));
        found.extend(near.filter(|(slips, known)| *slips <= SLIPS && slips * 3 < known.chars().count()));
    }
    found.sort();
    found.truncate(3);
    Ok(found.into_iter().map(|(_, known)| known).collect())
}

/// Before those to whom a step would go.
const AHEAD: &str = "                      -> ";

/// Unit and desk that a notice reaches, and why they where it is not plain.
fn reached(waits: &Waiting) -> String {
    let Some(to) = &waits.to else { return String::new() };
    let deputy = to.stands_in_for.as_ref().map(|unit| format!(" (deputy of {unit})"));
    let because = waits.because.as_ref().map(|why| format!(" ({why})"));
    format!(
        " -> {}/{}{}{}",
        to.unit,
        to.desk.word(),
        deputy.unwrap_or_default(),
        because.unwrap_or_default()
    )
}

/// The part of the configuration that a notice was withdrawn with.
fn removed(notice: &Notice) -> Option<Wait> {
    (notice.state == NoticeState::Lapsed && matches!(notice.wait, Wait::Rule | Wait::Step)).then_some(notice.wait)
}

/// The keys of both objects.
fn joined(mut one: Value, other: Value) -> Value {
    if let (Value::Object(one), Value::Object(other)) = (&mut one, other) {
        one.extend(other);
    }
    one
}

struct Shown<'a> {
    config: &'a Config,
    context: &'a Context<'a>,
    past: &'a Past,
    mode: Mode,
    found: &'a Evaluation,
    messages: &'a [Listed],
    /// Of each message, oldest first.
    attempts: &'a [Vec<Attempt>],
    ahead: &'a [Ahead],
    notices: &'a [NoticeShown],
    kept_from: Option<Moment>,
    now: Moment,
}

impl Shown<'_> {
    fn reckoned(&self) -> Reckoned {
        facts::deadline_of(&self.past.ticket, &self.past.memory, self.context)
    }

    fn agency_name(&self) -> Option<String> {
        let on = self.config.calendars.base().date_of(self.now);
        let id = self.past.memory.agency.as_deref()?;
        self.config.directory.unit(id).map(|u| u.name(on).to_owned())
    }

    /// When something can happen next: the ladder's next instant, or a notice's digest.
    fn next(&self) -> Option<Moment> {
        let waiting = self.notices.iter().filter_map(|shown| shown.waits.as_ref()?.until);
        waiting.chain(self.found.next).filter(|at| *at > self.now).min()
    }

    /// What of rules and notices comes at an instant.
    fn what_comes(&self, at: Moment) -> String {
        let steps = self.found.judged.iter().filter(|j| match j.verdict {
            Verdict::NotYet { at: due } => due == at,
            Verdict::BehindStep { until, .. } => until == Some(at),
            _ => false,
        });
        let steps = steps.map(|j| format!("{}/{} falls due", j.rule, j.step));
        let waiting = self
            .notices
            .iter()
            .filter(|n| n.waits.as_ref().is_some_and(|w| w.until == Some(at)));
        let waiting = waiting.map(|n| format!("{}/{} may go out", n.key.rule, n.key.step));
        let mut all: Vec<String> = steps.chain(waiting).collect();
        all.dedup();
        match all.is_empty() {
            // A fact or a digest changes then, and no step with it.
            true => ": the rules look at it again".to_owned(),
            false => format!(": {}", all.join(", ")),
        }
    }

    fn due(&self) -> Option<String> {
        let Reckoned::At(deadline) = self.reckoned() else {
            return None;
        };
        let cal = self.context.calendar(&self.past.memory);
        let at = deadline.shown_at(cal).unwrap_or_else(|| deadline.judged_at(cal));
        Some(at.with_timezone(&cal.zone()).to_rfc3339())
    }

    fn json(&self) -> Value {
        let t = &self.past.ticket;
        let verdicts: Vec<Value> = self
            .found
            .judged
            .iter()
            .map(|j| {
                let ahead = self.ahead_of(j);
                let approver = ahead.and_then(|ahead| ahead.approver);
                let ahead = ahead.map(|ahead| &ahead.to);
                let to = ahead.map(|to| match to {
                    Ok(list) => list.iter().map(|(new, waits)| self.meant_json(new, waits)).collect(),
                    Err(_) => Vec::new(),
                });
                json!({
                    "rule": j.rule,
                    "step": j.step,
                    "verdict": j.verdict.word(),
                    "reason": j.verdict.reason(),
                    "at": j.verdict.at().map(|at| rfc3339(at, self.config)),
                    "to": to,
                    "approve": approver.map(Approver::word),
                    "nobody": ahead.and_then(|to| to.as_ref().err()).map(Verdict::reason),
                })
            })
            .collect();
        json!({
            "code": t.code,
            "at": rfc3339(self.now, self.config),
            "status": t.status.word(),
            "agency": self.past.memory.agency,
            "co_agencies": t.co_agencies.iter().map(|w| self.word_json(w)).collect::<Vec<_>>(),
            "subject_agency": t.subject_agency.as_ref().map(|w| self.word_json(w)),
            "mode": self.mode.word(),
            "transfers": self.past.memory.transfers,
            "reopened": self.past.memory.reopened,
            "due": self.due(),
            "reckoning": self.reckoning(),
            "verdicts": verdicts,
            "sensitive": t.is_sensitive(),
            "gone_since": self.past.gone_at.map(|at| rfc3339(at, self.config)),
            "notices": self.notices.iter().map(|n| self.notice_json(n)).collect::<Vec<_>>(),
            "messages": self.messages_json(),
            "next": self.next().map(|at| rfc3339(at, self.config)),
            "kept_from": self.kept_from.map(|at| rfc3339(at, self.config)),
        })
    }

    fn messages_json(&self) -> Vec<Value> {
        let with_attempts = |(message, attempts): (&Listed, &Vec<Attempt>)| {
            let history = attempts
                .iter()
                .map(|a| json!({ "at": rfc3339(a.at, self.config), "answer": a.answer, "detail": a.detail }));
            joined(
                message_json(message, self.config),
                json!({ "history": history.collect::<Vec<_>>() }),
            )
        };
        self.messages.iter().zip(self.attempts).map(with_attempts).collect()
    }

    fn ahead_of(&self, judged: &Judged) -> Option<&Ahead> {
        let mut ahead = self.ahead.iter();
        ahead.find(|a| (&a.rule, &a.step) == (&judged.rule, &judged.step))
    }

    /// A word of the source for a unit, with the unit's id where the directory has one.
    fn word_json(&self, word: &str) -> Value {
        json!({ "word": scrub::agency(word), "unit": self.unit(word).map(|unit| &unit.id) })
    }

    fn unit(&self, word: &str) -> Option<&Unit> {
        let on = self.config.calendars.base().date_of(self.now);
        self.config.directory.find(word, on)
    }

    fn unit_line(&self, word: &str) -> String {
        let on = self.config.calendars.base().date_of(self.now);
        match self.unit(word) {
            Some(unit) => unit.name(on).to_owned(),
            None => format!("`{}`, which is not in the directory", scrub::agency(word)),
        }
    }

    fn notice_json(&self, shown: &NoticeShown) -> Value {
        let NoticeShown { key, notice, waits } = shown;
        let said = json!({
            "rule": key.rule,
            "step": key.step,
            "repetition": key.repetition,
            "role": notice.role,
            "start": notice.start,
            "channel": notice.channel.word(),
            "cc": notice.cc,
            "state": notice.state.word(),
            "at": rfc3339(notice.at, self.config),
            "message": notice.message,
        });
        let waits = self.waits_json(waits.as_ref());
        match removed(notice) {
            Some(part) => joined(
                joined(said, waits),
                json!({ "waits_for": part.word(), "reason": part.to_string() }),
            ),
            None => joined(said, waits),
        }
    }

    fn meant_json(&self, new: &NewNotice, waits: &Waiting) -> Value {
        let said = json!({
            "role": new.role,
            "start": new.start,
            "channel": new.channel.word(),
            "cc": new.cc,
        });
        joined(said, self.waits_json(Some(waits)))
    }

    fn waits_json(&self, waits: Option<&Waiting>) -> Value {
        let to = waits.and_then(|w| w.to.as_ref());
        json!({
            "unit": to.map(|to| &to.unit),
            "desk": to.map(|to| to.desk.word()),
            "stands_in_for": to.and_then(|to| to.stands_in_for.as_ref()),
            "because": waits.and_then(|w| w.because.as_ref()),
            "waits_for": waits.map(|w| w.word),
            "until": waits.and_then(|w| w.until).map(|at| rfc3339(at, self.config)),
            "reason": waits.map(|w| &w.why),
        })
    }

    fn notice_line(&self, shown: &NoticeShown) -> String {
        let NoticeShown { key, notice, waits } = shown;
        let repetition = match key.repetition {
            0 => String::new(),
            n => format!("+{n}"),
        };
        let to = waits.as_ref().map(reached).unwrap_or_default();
        let waits = waits.as_ref().map(|w| {
            let until = w.until.map(|at| format!(" until {}", local(at, self.config)));
            format!("{}: {}", until.unwrap_or_default(), w.why)
        });
        format!(
            "  {}/{}{repetition}  {} of {} by {}{}{to}  {}{}\n",
            key.rule,
            key.step,
            notice.role,
            notice.start,
            notice.channel.word(),
            if notice.cc { ", for information" } else { "" },
            notice.state.word(),
            waits.unwrap_or_else(|| {
                let why = removed(notice).map(|part| format!(": {part}"));
                format!(" since {}{}", local(notice.at, self.config), why.unwrap_or_default())
            }),
        )
    }

    /// To whom a step would go that is still to come, a line for each.
    fn ahead_lines(&self, ahead: &Ahead) -> String {
        let list = match &ahead.to {
            Ok(list) => list,
            Err(nobody) => return format!("{AHEAD}to nobody: {}\n", nobody.reason()),
        };
        // What goes by mail only has its line there.
        let list = list.iter().filter(|(_, waits)| waits.to.is_some());
        let lines = list.map(|(new, waits)| {
            let until = waits.until.map(|at| format!("  not before {}", local(at, self.config)));
            let approved = ahead.approver.map(|who| format!(", once approved by {}", who.word()));
            let why = (waits.word != Wait::Hours.word()).then(|| format!(": {}", waits.why));
            format!(
                "{AHEAD}{} of {} by {}{}{}{}{}{}\n",
                new.role,
                new.start,
                new.channel.word(),
                if new.cc { ", for information" } else { "" },
                reached(waits),
                until.unwrap_or_default(),
                approved.unwrap_or_default(),
                why.unwrap_or_default(),
            )
        });
        lines.collect()
    }

    /// The days of a policy's span to the deadline. A working day at whose close the ticket waited does not count.
    fn days(&self, cal: &Calendar, from: Moment, span: Span) -> Vec<ReckonedDay> {
        let pauses = &self.past.memory.pauses;
        let Span::WorkingDays(wanted) = span else {
            return cal.reckon(from, span).1;
        };
        let is_paused = |day: &ReckonedDay| {
            let close = cal.closes(day.date).unwrap_or_else(|| cal.end_of_day(day.date));
            let holds = |(start, end): &(Moment, Option<Moment>)| *start <= close && end.is_none_or(|end| close < end);
            pauses.iter().any(holds)
        };
        let mut asked = wanted;
        loop {
            let mut days = cal.reckon(from, Span::WorkingDays(asked)).1;
            let paused = days.iter().filter(|d| d.counted.is_some() && is_paused(d)).count();
            let more = wanted.saturating_add(i32::try_from(paused).unwrap_or(i32::MAX));
            if more <= asked || days.is_empty() {
                let mut number = 0;
                for day in days.iter_mut().filter(|d| d.counted.is_some()) {
                    if is_paused(day) {
                        (day.counted, day.why) = (None, Counted::Waiting);
                    } else if wanted > 0 {
                        number += 1;
                        day.counted = Some(number);
                    }
                }
                return days;
            }
            asked = more;
        }
    }

    /// Whether a policy's clock stands while a ticket waits.
    fn clock_stands(&self, policy: &str) -> bool {
        let mut policies = self.config.rules.deadlines.iter();
        policies.any(|p| p.id == policy && p.pause.contains(&Status::Waiting))
    }

    fn reckoning(&self) -> Vec<String> {
        let cal = self.context.calendar(&self.past.memory);
        match self.reckoned() {
            Reckoned::None => vec!["the source has no deadline and no [[deadline]] policy matches".into()],
            Reckoned::Paused { since, policy } => {
                vec![format!(
                    "policy {policy}: the clock stands since {}",
                    local(since, self.config)
                )]
            }
            Reckoned::At(deadline) => {
                let shown = match deadline.due {
                    Due::Day(day) => format!("{day}, judged at its end (24:00)"),
                    Due::Instant(at) => local(at, self.config),
                };
                let mut lines = match &deadline.basis {
                    Basis::Extended => vec![format!("extended_to of the source: {}", deadline.written)],
                    Basis::Source => vec![format!("due_at of the source: {}", deadline.written)],
                    Basis::Policy { id, from, span } => {
                        let mut lines = vec![format!("policy {id}: {span} from {}", local(*from, self.config))];
                        let stands = self.clock_stands(id);
                        let not = if stands {
                            ""
                        } else {
                            ", while the clock of this policy goes on"
                        };
                        for (start, end) in &self.past.memory.pauses {
                            let end = end.map_or("now".to_owned(), |e| local(e, self.config));
                            lines.push(format!("waiting from {} to {end}{not}", local(*start, self.config)));
                        }
                        let days = match stands {
                            true => self.days(cal, *from, *span),
                            false => cal.reckon(*from, *span).1,
                        };
                        lines.extend(super::calendar::reckoning_lines(&days));
                        lines
                    }
                };
                lines.push(format!("due {shown}"));
                if let Some(days) = facts::overdue_working_days(&self.reckoned(), cal, self.now)
                    .filter(|_| self.past.ticket.status.is_open())
                {
                    lines.push(format!("late by {days} working days"));
                }
                lines
            }
        }
    }

    fn text(&self) -> String {
        let t = &self.past.ticket;
        let mut out = format!(
            "{} at {}\nstatus    {}{}{}\nagency    {}{}\nreceived  {}\n",
            t.code,
            local(self.now, self.config),
            t.status.word(),
            match t.status_word.is_empty() {
                true => String::new(),
                false => format!(" (`{}`)", scrub::word(&t.status_word)),
            },
            if t.status_mapped {
                ""
            } else {
                ", not in [source.status]"
            },
            self.agency_name().unwrap_or_else(|| "unknown".into()),
            t.agency
                .as_deref()
                .map(|w| format!(" (`{}` in the source)", scrub::agency(w)))
                .unwrap_or_default(),
            local(t.received_at, self.config),
        );
        if let Some(at) = t.answered_at.or(t.closed_at).or(self.past.memory.first_done_at)
            && t.status.is_done()
        {
            out.push_str(&format!("done      {}\n", local(at, self.config)));
        }
        if !t.co_agencies.is_empty() {
            let helpers: Vec<String> = t.co_agencies.iter().map(|w| self.unit_line(w)).collect();
            out.push_str(&format!("helpers   {}\n", helpers.join("; ")));
        }
        if let Some(word) = &t.subject_agency {
            out.push_str(&format!("about     {}\n", self.unit_line(word)));
        }
        if self.past.memory.transfers > 0 || self.past.memory.reopened > 0 {
            let Memory {
                transfers, reopened, ..
            } = &self.past.memory;
            out.push_str(&format!(
                "course    transferred {transfers} times, taken up again {reopened} times\n"
            ));
        }
        if self.mode == Mode::Shadow {
            let to = self.config.shadow_box().join(", ");
            out.push_str(&format!("mode      shadow: told to {to} only\n"));
        }
        if let Some(since) = self.past.gone_at {
            out.push_str(&format!(
                "note      not in the ticket database since {}: nothing is told of it unless it comes back\n",
                local(since, self.config)
            ));
        }
        if !self.past.logged {
            out.push_str("note      first seen after this instant: shown by its time columns\n");
        }
        if let Some(from) = self.kept_from.filter(|from| self.now < *from) {
            out.push_str(&format!(
                "note      records are kept from {} on: of what was before that instant some is not known any more\n",
                local(from, self.config)
            ));
        }
        if t.is_sensitive() {
            out.push_str("note      a conduct or confidential ticket: told to heads only, by mail, each in a letter of its own\n");
        }
        out.push_str("deadline\n");
        for line in self.reckoning() {
            out.push_str(&format!("  {line}\n"));
        }
        out.push_str("rules\n");
        for j in &self.found.judged {
            let at = j
                .verdict
                .at()
                .map(|at| format!(" {}", local(at, self.config)))
                .unwrap_or_default();
            out.push_str(&format!(
                "  {:14} {:4} {}{at}: {}\n",
                j.rule,
                j.step,
                j.verdict.word(),
                j.verdict.reason()
            ));
            out.push_str(
                &self
                    .ahead_of(j)
                    .map(|ahead| self.ahead_lines(ahead))
                    .unwrap_or_default(),
            );
        }
        if !self.notices.is_empty() {
            out.push_str("notices\n");
        }
        for notice in self.notices {
            out.push_str(&self.notice_line(notice));
        }
        out.push_str("messages\n");
        for (m, attempts) in self.messages.iter().zip(self.attempts) {
            out.push_str(&format!(
                "  {}  {:8} {}/{}{}  {}\n",
                local(m.created(), self.config),
                m.state,
                m.unit,
                m.desk,
                in_shadow(m),
                m.subject
            ));
            out.extend(attempts.iter().map(|a| {
                let at = local(a.at, self.config);
                format!("    {at}  {}: {}\n", a.answer, a.detail)
            }));
        }
        if self.messages.is_empty() {
            out.push_str("  none\n");
        }
        // A notice outlives the message that told it while its ticket is open.
        if let Some(from) = self.kept_from.filter(|from| t.received_at < *from) {
            out.push_str(&format!(
                "  those made before {} are not kept any more\n",
                local(from, self.config)
            ));
        }
        match self.next() {
            Some(at) => out.push_str(&format!(
                "next      {}{}\n",
                local(at, self.config),
                self.what_comes(at)
            )),
            None => out.push_str("next      nothing until its row changes\n"),
        }
        out
    }
}
