//! Alarms: what ops have to look at, each by its kind and what it is about. Whether one holds is found where it shows;
//! how it is told is decided elsewhere.

/// What is amiss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AlarmKind {
    /// The ticket database has not been read for longer than `ops.source_down_after`.
    SourceDown,
    /// Nothing has changed there for longer than `source.stale_after`.
    SourceStale,
    /// A sweep was held.
    Implausible,
    /// The clock is behind the last turn.
    ClockBack,
    /// A reload was refused.
    ReloadRefused,
    /// The mail server takes no mail from us.
    MailRefused,
    /// There are more messages than `[limits]` allows.
    Storm,
    /// A template failed and the built-in text went out.
    TemplateFailed,
    /// Nobody took a message in time, or for good.
    DeadLetter,
    /// A status word that is not mapped.
    UnmappedStatus,
    /// A word for an agency that the directory does not know.
    UnknownAgency,
    /// The nightly audit found something owed and recorded nowhere.
    AuditFailed,
    /// The figures of a period contradict each other.
    FiguresUnbalanced,
}

impl AlarmKind {
    pub const ALL: [AlarmKind; 13] = [
        AlarmKind::SourceDown,
        AlarmKind::SourceStale,
        AlarmKind::Implausible,
        AlarmKind::ClockBack,
        AlarmKind::ReloadRefused,
        AlarmKind::MailRefused,
        AlarmKind::Storm,
        AlarmKind::TemplateFailed,
        AlarmKind::DeadLetter,
        AlarmKind::UnmappedStatus,
        AlarmKind::UnknownAgency,
        AlarmKind::AuditFailed,
        AlarmKind::FiguresUnbalanced,
    ];

    /// The word in the store, in JSON, in logs and in templates.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            AlarmKind::SourceDown => "source_down",
            AlarmKind::SourceStale => "source_stale",
            AlarmKind::Implausible => "implausible",
            AlarmKind::ClockBack => "clock_back",
            AlarmKind::ReloadRefused => "reload_refused",
            AlarmKind::MailRefused => "mail_refused",
            AlarmKind::Storm => "storm",
            AlarmKind::TemplateFailed => "template_failed",
            AlarmKind::DeadLetter => "dead_letter",
            AlarmKind::UnmappedStatus => "unmapped_status",
            AlarmKind::UnknownAgency => "unknown_agency",
            AlarmKind::AuditFailed => "audit_failed",
            AlarmKind::FiguresUnbalanced => "figures_unbalanced",
        }
    }

    /// Told at any hour: until somebody looks, nothing goes out.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        matches!(self, AlarmKind::ClockBack | AlarmKind::MailRefused | AlarmKind::Storm)
    }

    /// Whether its end is told too. What ends a dead letter is ops' own doing.
    #[must_use]
    pub fn tells_end(self) -> bool {
        self != AlarmKind::DeadLetter
    }
}

/// Something that holds now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub kind: AlarmKind,
    /// What it is about, where one kind can hold of several things: a word, a file, a message's id; else empty.
    pub subject: String,
    pub detail: String,
}

impl Seen {
    #[must_use]
    pub fn new(kind: AlarmKind, subject: &str, detail: impl Into<String>) -> Seen {
        Seen {
            kind,
            subject: subject.to_owned(),
            detail: detail.into(),
        }
    }
}
