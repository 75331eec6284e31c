//! Audit: what is owed of a ticket and recorded nowhere, worked out from the ticket, the rules and what was told; nothing
//! here knows when the ticket was to be looked at again.
//!
//! A step counts as owed once it was owed already a grace ago, with what was known then, and still is with what is known
//! now. What a turn would have told meanwhile is so left out, and what came up meanwhile is left to the next turn.

use super::Moment;
use super::evaluate::{Subject, Verdict, evaluate, may_be_told, still_holds};
use super::facts::Context;
use super::notice::{SETTLED, Telling, TellingKey};

/// What is amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// A step is due, and no telling records it.
    NotDecided,
    /// Who was told of a ticket is owed its ending, and no telling records it.
    EndingNotDecided,
    /// A notice lapsed, its fact has returned, and it does not wait again.
    NotRevived,
    /// A notice waits though it could have gone into a message.
    NotComposed,
    /// A notice is put off beyond its recipient's next digest or window.
    PutOff,
    /// A notice is in a message that is not on its way.
    Adrift,
    /// A message waits though its attempt was due and its window open.
    NotSent,
    /// The source shows a ticket that is not known.
    UnknownTicket,
    /// The source shows a ticket otherwise than it is known.
    UnseenChange,
}

impl Fault {
    pub const ALL: [Fault; 9] = [
        Fault::NotDecided,
        Fault::EndingNotDecided,
        Fault::NotRevived,
        Fault::NotComposed,
        Fault::PutOff,
        Fault::Adrift,
        Fault::NotSent,
        Fault::UnknownTicket,
        Fault::UnseenChange,
    ];

    /// The word in JSON and logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Fault::NotDecided => "not_decided",
            Fault::EndingNotDecided => "ending_not_decided",
            Fault::NotRevived => "not_revived",
            Fault::NotComposed => "not_composed",
            Fault::PutOff => "put_off",
            Fault::Adrift => "adrift",
            Fault::NotSent => "not_sent",
            Fault::UnknownTicket => "unknown_ticket",
            Fault::UnseenChange => "unseen_change",
        }
    }

    /// What it means and what to do, in a sentence's part that ops read.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Fault::NotDecided => {
                "due, and decided by no turn; look whether turns end (`dondoc status`), then at `dondoc explain`"
            }
            Fault::EndingNotDecided => {
                "its ending is owed to who was told of it, and decided by no turn; look at `dondoc explain`"
            }
            Fault::NotRevived => "lapsed; its fact has returned and it does not wait again; look at `dondoc explain`",
            Fault::NotComposed => {
                "could be in a message and is in none; look whether turns end (`dondoc status`), then at `dondoc explain`"
            }
            Fault::PutOff => "put off beyond its recipient's next digest; look at `dondoc explain`",
            Fault::Adrift => "in a message that is not on its way; look at `dondoc outbox show`",
            Fault::NotSent => "not tried though it could be; look at `dondoc outbox show` and at the log",
            Fault::UnknownTicket => {
                "in the ticket database and not known; the next sweep takes it in, and if it does not, its row cannot be read: `dondoc check`"
            }
            Fault::UnseenChange => {
                "the ticket database shows it otherwise than it is known; the next sweep takes a new status or `updated_at` in, other columns need an `updated_at` that moves with them"
            }
        }
    }
}

/// Why something that waits, or a ticket that is not as it is known, is in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Excuse {
    Silenced,
    Acknowledged,
    QuietDay,
    StormBrake,
    /// Ops hold all sending, or did until a moment ago.
    Paused,
    AwaitingApproval,
    /// The recipient's window has not been open for so long.
    OutsideHours,
    /// The mail server takes nothing, which ops know.
    MailRefused,
    StaleSource,
    /// A sweep is held, since it is implausible.
    SweepHeld,
    /// Not in the source for now; sweeps judge whether it is gone.
    Absent,
    /// Its row cannot be read; the last good state stands.
    Unreadable,
    /// The source or the rules have changed within the grace; a turn takes it up.
    JustChanged,
    /// Closed before anything was read, or before records are kept.
    BeforeHorizon,
    /// Ops had it forgotten.
    Forgotten,
}

impl Excuse {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Excuse::Silenced => "silenced",
            Excuse::Acknowledged => "acknowledged",
            Excuse::QuietDay => "quiet_day",
            Excuse::StormBrake => "storm_brake",
            Excuse::Paused => "paused",
            Excuse::AwaitingApproval => "awaiting_approval",
            Excuse::OutsideHours => "outside_hours",
            Excuse::MailRefused => "mail_refused",
            Excuse::StaleSource => "stale_source",
            Excuse::SweepHeld => "sweep_held",
            Excuse::Absent => "absent",
            Excuse::Unreadable => "unreadable",
            Excuse::JustChanged => "just_changed",
            Excuse::BeforeHorizon => "before_horizon",
            Excuse::Forgotten => "forgotten",
        }
    }
}

/// A step that is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owed {
    pub fault: Fault,
    pub key: TellingKey,
    /// For whom, as written.
    pub roles: Vec<String>,
    pub since: Moment,
}

/// What is owed of a ticket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub owed: Vec<Owed>,
    /// Notices that lapsed and should wait again.
    pub returned: Vec<i64>,
    /// Steps that wait for a stale source.
    pub stale: usize,
    /// Something is owed now, and it is not known whether it was before the ticket last changed.
    pub has_just_changed: bool,
}

/// What is owed of a ticket at `now` and was already at `before`, when what was told was as `told_by` then says.
#[must_use]
pub fn owed(
    subject: &Subject<'_>,
    ctx: &Context<'_>,
    (before, told_by): (Moment, impl FnOnce() -> Vec<Telling>),
    now: Moment,
) -> Found {
    let at_present = evaluate(subject, ctx, now);
    let stale = at_present.judged.iter().filter(|j| j.verdict == Verdict::StaleSource);
    let mut found = Found {
        stale: stale.count(),
        ..Found::default()
    };
    let memory = subject.memory;
    let known_since = memory
        .first_seen_at
        .max(memory.last_change_at)
        .max(memory.lead_since)
        .max(subject.mode_since);
    if at_present.tell.is_empty() && at_present.revive.is_empty() {
        return found;
    }
    // What came up since then is the next turn's.
    if known_since > before {
        found.has_just_changed = true;
        return found;
    }
    let known = told_by();
    let then = evaluate(
        &Subject {
            known: &known,
            ..*subject
        },
        ctx,
        before,
    );
    // What is built in has been in force since ever.
    let in_force_since = |rule: &str| match ctx.rules.named(rule) {
        Some(rule) => (subject.rule_since)(&rule.id).unwrap_or(now),
        None => known_since,
    };
    for new in at_present.tell {
        let is_known = subject.known.iter().any(|telling| telling.key == new.key);
        let earlier = then.tell.iter().find(|earlier| earlier.key == new.key);
        let Some(earlier) = earlier.filter(|_| !is_known && in_force_since(&new.key.rule) <= before) else {
            continue;
        };
        found.owed.push(Owed {
            fault: match new.key.rule == SETTLED {
                true => Fault::EndingNotDecided,
                false => Fault::NotDecided,
            },
            since: earlier.due_at.max(known_since).min(before),
            roles: new.notices.into_iter().map(|notice| notice.role).collect(),
            key: new.key,
        });
    }
    // What composing would let go of again, such as a step that was removed, need not wait again.
    let holds = |t: &&Telling| still_holds(t, subject, ctx, now) && may_be_told(&t.key, subject);
    let notices = subject.known.iter().filter(holds).flat_map(|t| &t.notices);
    let returned = notices.filter(|n| at_present.revive.contains(&n.id) && then.revive.contains(&n.id));
    found.returned = returned.map(|n| n.id).collect();
    found
}
