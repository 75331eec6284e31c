//! The holidays of a year by law alone, for years without an entered schedule.
//!
//! Bộ luật Lao động 2019, Điều 112 khoản 1 names the days; khoản 3 leaves the exact Tết days and the second Quốc khánh
//! day to a yearly decision, so what is reckoned here is the likely choice, marked provisional by the caller. Swapped
//! days (hoán đổi) and worked Saturdays cannot be foreseen.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Datelike, NaiveDate, Weekday};

use super::{is_weekend, shift};

/// The first year with Giỗ Tổ as a holiday (Luật 84/2007/QH11).
const GIO_TO_SINCE: i32 = 2007;
/// The first Tết of five days (Bộ luật Lao động 2012, in force from May 2013); four before.
const FIVE_DAYS_OF_TET_SINCE: i32 = 2014;
/// The first year with two days of Quốc khánh (Bộ luật Lao động 2019).
const TWO_DAYS_OF_QUOC_KHANH_SINCE: i32 = 2021;

const CAN: [&str; 10] = ["Giáp", "Ất", "Bính", "Đinh", "Mậu", "Kỷ", "Canh", "Tân", "Nhâm", "Quý"];
const CHI: [&str; 12] = [
    "Tý", "Sửu", "Dần", "Mão", "Thìn", "Tỵ", "Ngọ", "Mùi", "Thân", "Dậu", "Tuất", "Hợi",
];

/// Holidays and their compensations with labels; without Tết and Giỗ Tổ where the lunar dates are not known.
pub(super) fn by_law(year: i32, lunar: Option<(NaiveDate, NaiveDate)>) -> BTreeMap<NaiveDate, String> {
    let mut named: BTreeMap<NaiveDate, String> = BTreeMap::new();
    let mut add = |date: Option<NaiveDate>, label: &str| {
        if let Some(date) = date {
            named.insert(date, label.to_owned());
        }
    };
    let fixed = |month, day| NaiveDate::from_ymd_opt(year, month, day);
    add(fixed(1, 1), "Tết Dương lịch");
    add(fixed(4, 30), "Ngày Chiến thắng");
    add(fixed(5, 1), "Quốc tế Lao động");
    add(fixed(9, 2), "Quốc khánh");
    if year >= TWO_DAYS_OF_QUOC_KHANH_SINCE {
        add(fixed(9, 2).map(beside_quoc_khanh), "Quốc khánh (ngày liền kề)");
    }
    if let Some((tet, gio_to)) = lunar {
        let last = if year >= FIVE_DAYS_OF_TET_SINCE { 3 } else { 2 };
        (-1..=last).for_each(|day| add(Some(shift(tet, day)), &tet_label(year)));
        if year >= GIO_TO_SINCE {
            add(Some(gio_to), "Giỗ Tổ Hùng Vương");
        }
    }
    compensated(named)
}

/// 24/11, Ngày Văn hóa Việt Nam, or the day that compensates for it too.
pub(super) fn culture_day(year: i32) -> BTreeMap<NaiveDate, String> {
    let date = NaiveDate::from_ymd_opt(year, 11, 24);
    compensated(
        date.map(|date| (date, "Ngày Văn hóa Việt Nam".to_owned()))
            .into_iter()
            .collect(),
    )
}

/// The second day of Quốc khánh: the neighbour of 2/9 that makes the longer break, the working one where both do.
///
/// That is 3/9 when 2/9 is a Thursday (a bridge to the weekend), a Monday or a Sunday (the day before is in the
/// weekend); 1/9 otherwise. The schedules of 2021-2026 were all decided so.
fn beside_quoc_khanh(second_of_september: NaiveDate) -> NaiveDate {
    match second_of_september.weekday() {
        Weekday::Thu | Weekday::Sun | Weekday::Mon => shift(second_of_september, 1),
        _ => shift(second_of_september, -1),
    }
}

fn tet_label(year: i32) -> String {
    let pick = |names: &[&'static str], offset: i32| {
        let place = usize::try_from((year + offset).rem_euclid(i32::try_from(names.len()).unwrap_or(1))).unwrap_or(0);
        names.get(place).copied().unwrap_or_default()
    };
    format!("Tết {} {}", pick(&CAN, 6), pick(&CHI, 8))
}

/// Adds the days off in lieu: a holiday on the weekly rest day of state bodies is made up for on the next working day
/// (Bộ luật Lao động 2019, Điều 111 khoản 3), holidays in order.
fn compensated(named: BTreeMap<NaiveDate, String>) -> BTreeMap<NaiveDate, String> {
    let mut off: BTreeSet<NaiveDate> = named.keys().copied().collect();
    let mut in_lieu = BTreeMap::new();
    for (date, label) in named.iter().filter(|(date, _)| is_weekend(**date)) {
        let next = date
            .iter_days()
            .skip(1)
            .find(|day| !is_weekend(*day) && !off.contains(day));
        if let Some(next) = next {
            off.insert(next);
            in_lieu.insert(next, format!("nghỉ bù {label} {}", date.format("%d/%m")));
        }
    }
    in_lieu.extend(named);
    in_lieu
}
