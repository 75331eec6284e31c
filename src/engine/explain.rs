//! Explain: one ticket at an instant, with what was known and told of it by then, evaluated as a turn would.
//!
//! It reads the store only and decides with the very functions of a turn, so that it never tells another story.

use super::modes::Modes;
use super::recipients::{Addressed, Recipients, Way};
use super::{TurnError, context, holds, source_is_fresh};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::Recipient;
use crate::domain::evaluate::{Evaluation, Judged, Subject, Verdict, evaluate};
use crate::domain::hold::Held;
use crate::domain::notice::{Mode, NewTelling, Notice, NoticeState, Telling, TellingKey, Wait};
use crate::store::Store;
use crate::store::as_of::{AsOf, Past};

/// A notice as it stands, and for one that waits where it would go today and what it waits for.
#[derive(Debug)]
pub struct NoticeShown {
    pub key: TellingKey,
    pub notice: Notice,
    pub waits: Option<Waiting>,
}

/// What a waiting notice waits for.
#[derive(Debug)]
pub struct Waiting {
    /// Unit and desk that it reaches today; none where its telling goes by mail only.
    pub to: Option<Recipient>,
    pub until: Option<Moment>,
    /// Such as `silenced`, with the sentence that goes with it.
    pub word: &'static str,
    pub why: String,
}

/// A ticket as it was, what had been told of it, and what evaluation finds.
#[derive(Debug)]
pub struct Explained {
    pub past: Past,
    pub known: Vec<Telling>,
    /// How its unit was told.
    pub mode: Mode,
    pub found: Evaluation,
    /// Every notice about it, oldest first, endings and the Office's decision on competence among them.
    pub notices: Vec<NoticeShown>,
}

/// Explains a ticket; `None` where it is not known at that instant.
pub async fn explain(config: &Config, store: &Store, code: &str, now: Moment) -> Result<Option<Explained>, TurnError> {
    let codes = [code.to_owned()];
    let Some(past) = AsOf::new(store, now).by_code(&codes).await?.pop() else {
        return Ok(None);
    };
    let known = as_known_at(store.tellings(&codes).await?.remove(code).unwrap_or_default(), now);
    let since = store.rules_seen().await?;
    let meta = store.meta().await?;
    let modes = Modes::read(config, store).await?;
    let (mode, mode_since) = modes.of_at(&past.memory, now);
    let subject = Subject {
        ticket: &past.ticket,
        memory: &past.memory,
        known: &known,
        rule_since: &|id| since.get(id).copied(),
        source_is_fresh: source_is_fresh(config, &meta, now),
        mode,
        mode_since,
        is_live: &|unit| modes.is_live(unit),
    };
    let mut found = evaluate(&subject, &context(config, &meta, now), now);
    let silences = store.silences(now).await?;
    let holds = holds::read(config, silences, store.acknowledgements(&codes).await?);
    let held = |key: &TellingKey, role: &str, start: &str| {
        holds::held(&holds, config, (&past.ticket, &past.memory), key, (role, start), now).map(verdict)
    };
    for judged in &mut found.judged {
        let is_open = matches!(
            judged.verdict,
            Verdict::Tell { .. } | Verdict::AwaitsAnswer { .. } | Verdict::Waits { .. }
        );
        let held = is_open.then(|| hold_of(config, judged, (&known, &found.tell), mode, held));
        if let Some(verdict) = held.flatten() {
            judged.verdict = verdict;
        }
    }
    let mut recipients = Recipients::new(config, store.disabled_endpoints().await?, now);
    let shown = known.iter().flat_map(|t| t.notices.iter().map(move |n| (t, n)));
    let shown = shown.map(|(telling, notice)| {
        let waits = (notice.state == NoticeState::Waiting).then(|| {
            let to = match recipients.way(Addressed::known(notice, &telling.notices), &past.ticket) {
                Way::Mail(to) | Way::Post(to, _) => Some(to),
                Way::MailOnly(_) => None,
            };
            match held(&telling.key, &notice.role, &notice.start) {
                Some(verdict) => Waiting {
                    to,
                    until: verdict.at(),
                    word: verdict.word(),
                    why: verdict.reason(),
                },
                None => Waiting {
                    to,
                    until: notice.compose_at,
                    word: notice.wait.word(),
                    why: notice.wait.to_string(),
                },
            }
        });
        NoticeShown {
            key: telling.key.clone(),
            notice: notice.clone(),
            waits,
        }
    });
    let notices = shown.collect();
    Ok(Some(Explained {
        past,
        known,
        mode,
        found,
        notices,
    }))
}

/// What holds a step back whose notices would go out: the hold that ends first, where all that address somebody are held.
fn hold_of(
    config: &Config,
    judged: &Judged,
    (known, now): (&[Telling], &[NewTelling]),
    mode: Mode,
    held: impl Fn(&TellingKey, &str, &str) -> Option<Verdict>,
) -> Option<Verdict> {
    let id = |rule: &str| config.rules.named(rule).map(|r| r.id.clone());
    let is_of = |key: &TellingKey| {
        key.mode == mode && key.step == judged.step && id(&key.rule).as_deref() == Some(judged.rule.as_str())
    };
    let known = known.iter().filter(|t| is_of(&t.key)).flat_map(|t| {
        let waiting = t.notices.iter().filter(|n| !n.cc && n.state == NoticeState::Waiting);
        waiting.map(|n| (&t.key, &n.role, &n.start))
    });
    let new = now.iter().filter(|t| is_of(&t.key)).flat_map(|t| {
        let to = t.notices.iter().filter(|n| !n.cc);
        to.map(|n| (&t.key, &n.role, &n.start))
    });
    let all: Option<Vec<Verdict>> = known
        .chain(new)
        .map(|(key, role, start)| held(key, role, start))
        .collect();
    all?.into_iter().min_by_key(Verdict::at)
}

fn verdict(held: Held<'_>) -> Verdict {
    match held {
        Held::Silence(silence) => Verdict::Silenced {
            by: silence.by.clone(),
            until: silence.until,
            reason: silence.reason.clone(),
        },
        Held::Acknowledgement(ack) => Verdict::Acknowledged {
            unit: ack.unit.clone(),
            by: ack.by.clone(),
            until: ack.until,
            note: ack.note.clone(),
        },
    }
}

/// Tellings as they stood at an instant: what was decided or answered later is taken back.
pub(super) fn as_known_at(tellings: Vec<Telling>, now: Moment) -> Vec<Telling> {
    let mut known: Vec<Telling> = tellings.into_iter().filter(|t| t.decided_at <= now).collect();
    for notice in known.iter_mut().flat_map(|t| &mut t.notices).filter(|n| n.at > now) {
        notice.state = NoticeState::Waiting;
        (notice.compose_at, notice.wait) = (None, Wait::Hours);
    }
    known
}
