//! Instants in JSON, as chrono writes them and reads them: in the store every visit of a ticket reads and writes a dozen,
//! for which chrono's formats of any form take longer than all else in the row. To be named in `#[serde(with = …)]`.
//! Any other writing is left to chrono.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Moment;

/// As [`super`], where there may be none.
pub mod optional {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Moment, Read, serialize as some};

    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(at: &Option<Moment>, to: S) -> Result<S::Ok, S::Error> {
        match at {
            Some(at) => some(at, to),
            None => to.serialize_none(),
        }
    }

    /// # Errors
    /// Where it is no instant.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Moment>, D::Error> {
        Ok(Option::<Read>::deserialize(from)?.map(|Read(at)| at))
    }
}

/// # Errors
/// Those of the serializer.
pub fn serialize<S: Serializer>(at: &Moment, to: S) -> Result<S::Ok, S::Error> {
    let ours = written(at);
    let text = ours
        .as_ref()
        .and_then(|(text, length)| std::str::from_utf8(&text[..*length]).ok());
    match text {
        Some(text) => to.serialize_str(text),
        None => at.serialize(to),
    }
}

/// # Errors
/// Where it is no instant.
pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Moment, D::Error> {
    Read::deserialize(from).map(|Read(at)| at)
}

struct Read(Moment);

impl<'de> Deserialize<'de> for Read {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Read, D::Error> {
        let text = Text::deserialize(from)?.0;
        let at = match read(text.as_bytes()) {
            Some(at) => at,
            None => text.parse().map_err(serde::de::Error::custom)?,
        };
        Ok(Read(at))
    }
}

/// Borrowed where it can be.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

const DIGITS: &[u8; 10] = b"0123456789";

/// `2021-09-01T01:30:00Z`, with microseconds where there are any, and its length; `None` for what has more than
/// four digits of the year or parts of a microsecond.
fn written(at: &Moment) -> Option<([u8; 27], usize)> {
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let year = u32::try_from(at.year()).ok().filter(|year| *year <= 9999)?;
    let nanos = at.nanosecond();
    if !nanos.is_multiple_of(1000) || nanos >= 1_000_000_000 {
        return None;
    }
    let mut put = |from: usize, to: usize, mut number: u32| {
        for place in text[from..to].iter_mut().rev() {
            *place = DIGITS[(number % 10) as usize];
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 7, at.month());
    put(8, 10, at.day());
    put(11, 13, at.hour());
    put(14, 16, at.minute());
    put(17, 19, at.second());
    put(20, 26, nanos / 1000);
    let length = match nanos {
        0 => 20,
        _ if nanos.is_multiple_of(1_000_000) => 24,
        _ => 27,
    };
    text[length - 1] = b'Z';
    Some((text, length))
}

/// What [`written`] wrote; `None` for any other writing.
fn read(text: &[u8]) -> Option<Moment> {
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0_u32, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let stands = |at: usize, sign: u8| text[at] == sign;
    let is_form = matches!(text.len(), 20 | 24 | 27)
        && stands(4, b'-')
        && stands(7, b'-')
        && stands(10, b'T')
        && stands(13, b':')
        && stands(16, b':')
        && stands(text.len() - 1, b'Z');
    if !is_form {
        return None;
    }
    let micros = match text.len() {
        20 => 0,
        _ if !stands(19, b'.') => return None,
        24 => number(20, 23)? * 1000,
        _ => number(20, 26)?,
    };
    let day = NaiveDate::from_ymd_opt(i32::try_from(number(0, 4)?).ok()?, number(5, 7)?, number(8, 10)?)?;
    let time = day.and_hms_micro_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, micros)?;
    Some(DateTime::from_naive_utc_and_offset(time, chrono::Utc))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Ours(#[serde(with = "super")] Moment);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Perhaps {
        #[serde(default, with = "super::optional", skip_serializing_if = "Option::is_none")]
        at: Option<Moment>,
    }

    proptest! {
        #[test]
        fn instants_are_written_and_read_as_by_chrono(
            seconds in -70_000_000_000_i64..300_000_000_000,
            nanos in prop_oneof![Just(0_u32), (0..1000_u32).prop_map(|n| n * 1_000_000), (0..1_000_000_u32).prop_map(|n| n * 1000), 0..1_000_000_000_u32]
        ) {
            let at = DateTime::from_timestamp(seconds, nanos).expect("an instant");
            let text = serde_json::to_string(&at).expect("JSON");
            prop_assert_eq!(&serde_json::to_string(&Ours(at)).expect("JSON"), &text);
            prop_assert_eq!(serde_json::from_str::<Ours>(&text).expect("an instant"), Ours(at));
            let object = format!("{{\"at\":{text}}}");
            let perhaps = Perhaps { at: Some(at) };
            prop_assert_eq!(&serde_json::to_string(&perhaps).expect("JSON"), &object);
            prop_assert_eq!(serde_json::from_str::<Perhaps>(&object).expect("an instant"), perhaps);
        }
    }

    #[test]
    fn what_others_may_have_written_is_read_as_chrono_reads_it() {
        for text in [
            "2021-09-01T08:30:00+07:00",
            "2021-09-01 01:30:00Z",
            "2021-09-01T01:30:00.5Z",
        ] {
            let json = format!("\"{text}\"");
            let chronos: Moment = serde_json::from_str(&json).expect("an instant");
            assert_eq!(serde_json::from_str::<Ours>(&json).expect("an instant"), Ours(chronos));
        }
        for text in [
            "2021-02-30T01:30:00Z",
            "2021-09-01T25:30:00Z",
            "2021-09-01",
            "",
            "2021-09-0aT01:30:00Z",
        ] {
            let json = format!("\"{text}\"");
            assert!(serde_json::from_str::<Moment>(&json).is_err(), "{text}");
            assert!(serde_json::from_str::<Ours>(&json).is_err(), "{text}");
        }
        assert_eq!(
            serde_json::from_str::<Perhaps>("{}").expect("none"),
            Perhaps { at: None }
        );
        assert_eq!(
            serde_json::from_str::<Perhaps>("{\"at\":null}").expect("none"),
            Perhaps { at: None }
        );
        assert_eq!(
            serde_json::from_value::<Ours>(serde_json::json!("2021-09-01T01:30:00Z")).expect("an instant"),
            serde_json::from_str::<Ours>("\"2021-09-01T01:30:00Z\"").expect("an instant"),
        );
    }
}
