//! English dates, numbers and words, as letters write them; beside [`super::vietnamese`].

use chrono::{NaiveDate, NaiveTime};

use super::vietnamese;

/// `5 October 2026`.
#[must_use]
pub fn date(date: NaiveDate) -> String {
    date.format("%-d %B %Y").to_string()
}

/// `Monday` … `Sunday`.
#[must_use]
pub fn weekday(date: NaiveDate) -> String {
    date.format("%A").to_string()
}

/// `17:00 on Monday 5 October 2026`, or `the end of Monday 5 October 2026` on a day without office hours; midnight is
/// the end of the day before.
#[must_use]
pub fn deadline(day: NaiveDate, time: Option<NaiveTime>) -> String {
    let when = time.map_or("the end of".to_owned(), |t| format!("{} on", t.format("%H:%M")));
    format!("{when} {} {}", weekday(day), date(day))
}

/// `6,034`, `-2,147`.
#[must_use]
pub fn integer(n: i64) -> String {
    vietnamese::integer(n).replace('.', ",")
}

/// `3 more`, `12 fewer`, `unchanged`.
#[must_use]
pub fn change(n: i64) -> String {
    match n {
        0 => "unchanged".to_owned(),
        1.. => format!("{} more", integer(n)),
        _ => format!("{} fewer", integer(-n)),
    }
}

/// `12 tickets`, `1 ticket`, `no tickets`.
#[must_use]
pub fn tickets(n: i64) -> String {
    match n {
        0 => "no tickets".to_owned(),
        1 => "1 ticket".to_owned(),
        _ => format!("{} tickets", integer(n)),
    }
}

/// What a status of ours is called.
#[must_use]
pub fn status(word: &str) -> &str {
    match word {
        "open" => "in progress",
        "waiting" => "waiting for additions or others",
        "rejected" => "not taken up",
        "void" => "duplicate or withdrawn",
        // `answered` and `closed` are English already.
        other => other,
    }
}

/// What an alarm's kind is called.
#[must_use]
pub fn alarm(word: &str) -> &str {
    match word {
        "source_down" => "The ticket database cannot be read",
        "source_stale" => "The ticket database has not changed for long",
        "implausible" => "Implausibly many tickets came or went; not trusted yet",
        "clock_back" => "The system's clock went back",
        "reload_refused" => "The new configuration was refused",
        "mail_refused" => "The mail server takes no mail",
        "storm" => "More messages than the limits allow; they are held",
        "template_failed" => "A template failed; the built-in text went out",
        "dead_letter" => "A message could not be sent",
        "unmapped_status" => "A ticket status that is not mapped",
        "unknown_agency" => "An agency that the directory does not know",
        "audit_failed" => "The nightly audit found reminders that are owed and not accounted for",
        "figures_unbalanced" => "The figures of a period contradict each other",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_and_counts_read_as_english() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).expect("a date");
        let five = NaiveTime::from_hms_opt(17, 0, 0);
        assert_eq!(deadline(day(2026, 10, 5), five), "17:00 on Monday 5 October 2026");
        assert_eq!(deadline(day(2021, 9, 5), None), "the end of Sunday 5 September 2021");
        assert_eq!([0, 1, 6034].map(tickets), ["no tickets", "1 ticket", "6,034 tickets"]);
    }
}
