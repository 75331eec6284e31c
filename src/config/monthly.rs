//! `[monthly]`: how the monthly cycle reads a directive, and the one that stands for every month.

use chrono::{NaiveTime, TimeDelta};

use super::read::Section;
use crate::domain::obligation::{Monthly, Reading, Standing};

/// The first and the last day that a standing directive may name.
const DAYS: std::ops::RangeInclusive<u32> = 2..=31;

pub(super) fn read_monthly(s: &mut Section<'_>) -> Monthly {
    let default = Reading::default();
    let letters_at = s.or("letters_at", NaiveTime::MIN + TimeDelta::hours(8));
    Monthly {
        reading: Reading {
            is_strict: s.or("strict_verdict", default.is_strict),
            keeps_closed_day: s.choice_or(
                "closed_due_day",
                &[("next_working_day", false), ("keep", true)],
                default.keeps_closed_day,
            ),
        },
        letters_at: s.or("letters", false).then_some(letters_at),
        standing: s.get("standing").and_then(|node| node.table(read_standing)).flatten(),
    }
}

fn read_standing(s: &mut Section<'_>) -> Option<Standing> {
    let number = s.required("number");
    let date = s.required("date");
    let day = s.needed("reply_before_day");
    let reply_day = day.and_then(|node| {
        let day = node.read::<u32>()?;
        if DAYS.contains(&day) {
            return Some(day);
        }
        node.error("a day of the month is meant, from 2 to 31; the last one where a month is shorter");
        None
    });
    Some(Standing {
        number: number?,
        date: date?,
        reply_day: reply_day?,
    })
}
