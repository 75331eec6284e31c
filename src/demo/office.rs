//! What the Office's clerk does in the demo: records the Chairman's directive on August, and the replies as they reach the
//! Office. Some agencies reply in time, some late, some not at all.

use anyhow::Result;
use chrono::{NaiveDate, NaiveTime};

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::obligation::{Directive, NewEntry, Obligation, What};
use crate::domain::time::Period;
use crate::store::Store;

/// Who records.
const CLERK: &str = "văn thư";

const fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, month, day).unwrap()
}

/// The directive on August, as in the case: «trước ngày 28/9/2021».
const DIRECTIVE: (&str, NaiveDate, NaiveDate) = ("312/UBND-KSTT", day(9, 10), day(9, 28));

/// The days on which replies reach the Office. Of the units that owe something, in the directory's order, every fourth replies
/// on each of them, and every fourth not at all.
const REPLIES: [NaiveDate; 3] = [day(9, 23), day(9, 27), day(9, 30)];

/// When in the day.
const HOUR: NaiveTime = NaiveTime::from_hms_opt(9, 0, 0).unwrap();

/// Does what was to be done after one instant and up to another.
pub(super) async fn act(store: &Store, config: &Config, after: Moment, until: Moment) -> Result<()> {
    let base = config.calendars.base();
    let is_now = |day: NaiveDate| {
        let at = base.instant(day, HOUR);
        after < at && at <= until
    };
    let period = Period::of(day(8, 1), config.rules.period);
    let (number, date, reply_before) = DIRECTIVE;
    if is_now(date) {
        let at = base.instant(date, HOUR);
        let directive = Directive {
            period,
            number: number.to_owned(),
            date,
            reply_before,
            is_standing: false,
            by: CLERK.to_owned(),
            recorded_at: at,
        };
        let mut tx = store.begin().await?;
        tx.record_directive(&directive).await?;
        tx.open_obligations(period, at).await?;
        tx.commit().await?;
    }
    for (turn, day) in REPLIES.into_iter().enumerate().filter(|(_, day)| is_now(*day)) {
        let owed = store.obligations(period).await?;
        for (place, unit) in units(&owed, config)
            .into_iter()
            .enumerate()
            .filter(|(place, _)| place % 4 == turn)
        {
            let lines: Vec<NewEntry> = owed
                .iter()
                .filter(|o| o.id.unit == unit && o.id.kind.has_deadline())
                .map(|o| NewEntry {
                    what: What::Reply,
                    obligation: o.id.clone(),
                    code: None,
                    number: Some(format!("{}/BC-{unit}", 101 + place)),
                    date: day.pred_opt(),
                    reached_on: Some(day),
                    note: None,
                })
                .collect();
            let mut tx = store.begin().await?;
            tx.record_entries(&lines, CLERK, base.instant(day, HOUR)).await?;
            tx.commit().await?;
        }
    }
    Ok(())
}

/// The units that owe a reply, in the directory's order.
fn units(owed: &[Obligation], config: &Config) -> Vec<String> {
    let mut units: Vec<(usize, String)> = owed
        .iter()
        .filter(|o| o.id.kind.has_deadline())
        .map(|o| {
            let order = config.directory.unit(&o.id.unit).map_or(usize::MAX, |unit| unit.order);
            (order, o.id.unit.clone())
        })
        .collect();
    units.sort();
    units.dedup();
    units.into_iter().map(|(_, unit)| unit).collect()
}
