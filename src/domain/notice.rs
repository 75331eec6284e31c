//! Tellings and notices: what is said about a ticket, to whom, and what became of it. A message is the store's and the
//! channel's business; it carries notices.
//!
//! A telling is decided once. Its notices keep their state through all the messages that carry them.

use serde::{Deserialize, Serialize};

use super::Moment;
use super::rule::Channel;

/// `live` counts; `shadow` is the rehearsal of a unit that has not gone live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    Live,
    Shadow,
}

impl Mode {
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mode::Live => "live",
            Mode::Shadow => "shadow",
        }
    }
}

/// Built-in rules of the engine, beside those of ops. `@` cannot start an id that ops write.
pub const SETTLED: &str = "@settled";
/// Tickets transferred twice or more: the Office decides who is competent.
pub const COMPETENCE: &str = "@competence";

/// Identity of a telling about a ticket; unique in the store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TellingKey {
    pub mode: Mode,
    /// The ticket's code.
    pub ticket: String,
    pub rule: String,
    pub step: String,
    /// 0 is the first telling, then the repeats.
    pub repetition: u32,
    pub occurrence: String,
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeState {
    /// Waits for its recipient's digest or window.
    Waiting,
    /// Is in a message that has no final answer yet.
    Composed,
    Accepted,
    Dead,
    Cancelled,
    /// The fact was over before it was told; waits again if fact and occurrence return.
    Lapsed,
    /// A higher step reached the same recipient on the same day.
    PassedOver,
    /// Is in a message that waits to be released.
    AwaitingApproval,
    /// Somebody decided that it is not told: the ladder stands still there.
    Withdrawn,
    /// Was told, and taken back by a correction: it counts nowhere.
    Corrected,
}

impl NoticeState {
    pub const ALL: [NoticeState; 10] = [
        NoticeState::Waiting,
        NoticeState::Composed,
        NoticeState::Accepted,
        NoticeState::Dead,
        NoticeState::Cancelled,
        NoticeState::Lapsed,
        NoticeState::PassedOver,
        NoticeState::AwaitingApproval,
        NoticeState::Withdrawn,
        NoticeState::Corrected,
    ];

    /// The word in the store, in JSON and in logs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            NoticeState::Waiting => "waiting",
            NoticeState::Composed => "composed",
            NoticeState::Accepted => "accepted",
            NoticeState::Dead => "dead",
            NoticeState::Cancelled => "cancelled",
            NoticeState::Lapsed => "lapsed",
            NoticeState::PassedOver => "passed_over",
            NoticeState::AwaitingApproval => "awaiting_approval",
            NoticeState::Withdrawn => "withdrawn",
            NoticeState::Corrected => "corrected",
        }
    }
}

/// What a waiting notice waits for, or one that was withdrawn with a part of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Its recipient's next digest, or their office hours.
    Hours,
    /// The days around a long closure, on which nothing goes above contact.
    QuietDay,
    /// The end of the silence with this id.
    Silence(i64),
    /// The end of the acknowledgement with this id.
    Acknowledgement(i64),
    /// There are more messages than `[limits]` allows.
    Brake,
    /// It is withdrawn unless its rule comes back to the configuration.
    Rule,
    /// The same of its step.
    Step,
}

impl Wait {
    /// The word in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Wait::Hours => "outside_hours",
            Wait::QuietDay => "quiet_day",
            Wait::Silence(_) => "silenced",
            Wait::Acknowledgement(_) => "acknowledged",
            Wait::Brake => "storm_brake",
            Wait::Rule => "rule_removed",
            Wait::Step => "step_removed",
        }
    }

    /// As it is stored.
    #[must_use]
    pub fn key(self) -> Option<String> {
        match self {
            Wait::Hours => None,
            Wait::QuietDay => Some("quiet_day".to_owned()),
            Wait::Silence(id) => Some(format!("silence:{id}")),
            Wait::Acknowledgement(id) => Some(format!("acknowledgement:{id}")),
            Wait::Brake => Some("brake".to_owned()),
            Wait::Rule | Wait::Step => Some(self.word().to_owned()),
        }
    }

    /// Reads what [`Wait::key`] wrote.
    #[must_use]
    pub fn parse(key: Option<&str>) -> Option<Wait> {
        match key {
            None => Some(Wait::Hours),
            Some("quiet_day") => Some(Wait::QuietDay),
            Some("brake") => Some(Wait::Brake),
            Some("rule_removed") => Some(Wait::Rule),
            Some("step_removed") => Some(Wait::Step),
            Some(other) => match other.split_once(':')? {
                ("silence", id) => id.parse().ok().map(Wait::Silence),
                ("acknowledgement", id) => id.parse().ok().map(Wait::Acknowledgement),
                _ => None,
            },
        }
    }
}

impl std::fmt::Display for Wait {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wait::Hours => f.write_str("waits for its recipient's next digest or office hours"),
            Wait::QuietDay => f.write_str("nothing goes above contact on the days around a long closure"),
            Wait::Silence(id) => write!(f, "waits for the end of the silence {id}"),
            Wait::Acknowledgement(_) => f.write_str("its recipient has acknowledged it"),
            Wait::Brake => f.write_str("there are more messages than [limits] allows; it goes as soon as they do"),
            Wait::Rule => f.write_str("withdrawn: its rule was removed from the configuration"),
            Wait::Step => f.write_str("withdrawn: its step was removed from the configuration"),
        }
    }
}

/// A notice as it is known: part of a telling, for one recipient as written and one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub id: i64,
    /// The role as written in the step.
    pub role: String,
    /// The id that the role starts from, before successors, parents and deputies.
    pub start: String,
    pub channel: Channel,
    /// «để biết»: never counts for climbing.
    pub cc: bool,
    pub state: NoticeState,
    /// When it came into its state.
    pub at: Moment,
    /// The first attempt of any message that carried it.
    pub first_attempt_at: Option<Moment>,
    /// While waiting: when its recipient's digest or window is due.
    pub compose_at: Option<Moment>,
    /// While waiting: what for. Lapsed: whether with its rule or step.
    pub wait: Wait,
    pub message: Option<String>,
}

/// A telling with its notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    pub id: i64,
    pub key: TellingKey,
    /// When the step fell due.
    pub due_at: Moment,
    pub decided_at: Moment,
    /// The ticket was first seen late; this belongs into an opening digest.
    pub opening: bool,
    /// The telling by which its recipients are told of the ending.
    pub settled_by: Option<i64>,
    pub notices: Vec<Notice>,
}

impl Telling {
    /// When the telling counts as told for climbing: the first acceptance of a `to` notice; else, when all of them are
    /// dead or cancelled, the last of these instants. `None` while any is waited for.
    #[must_use]
    pub fn told_at(&self) -> Option<Moment> {
        let to = || self.notices.iter().filter(|n| !n.cc);
        let accepted = to().filter(|n| n.state == NoticeState::Accepted).map(|n| n.at).min();
        accepted.or_else(|| {
            let over = |n: &Notice| {
                matches!(
                    n.state,
                    NoticeState::Dead | NoticeState::Cancelled | NoticeState::PassedOver
                )
            };
            (to().all(over) && to().any(|n| n.state != NoticeState::PassedOver))
                .then(|| to().map(|n| n.at).max())
                .flatten()
        })
    }

    /// Since when the first of its notices is in a state.
    #[must_use]
    pub fn since(&self, state: NoticeState) -> Option<Moment> {
        self.notices.iter().filter(|n| n.state == state).map(|n| n.at).min()
    }

    /// When somebody was first reached by it; cc counts here, for «Nhắc lần n» and for the ending.
    #[must_use]
    pub fn accepted_at(&self) -> Option<Moment> {
        self.since(NoticeState::Accepted)
    }
}

/// A telling that evaluation asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTelling {
    pub key: TellingKey,
    pub due_at: Moment,
    pub opening: bool,
    pub notices: Vec<NewNotice>,
}

/// A notice that evaluation asks for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NewNotice {
    pub role: String,
    pub start: String,
    pub channel: Channel,
    pub cc: bool,
}
