//! `[[summary]]` of the rule files: what goes out by the calendar, and to whom.

use std::collections::BTreeMap;

use chrono::{NaiveTime, Weekday};

use super::problem::Place;
use super::read::{Node, Read, Section, time};
use super::rules::{Known, read_id, read_roles, read_template, read_title};
use super::shape::{self, Shape};
use crate::domain::directory::{Base, Role};
use crate::domain::summary::{At, Summary};

pub(super) fn read_summary(
    s: &mut Section<'_>,
    known: &Known<'_>,
    ids: &mut BTreeMap<String, Place>,
) -> Option<Summary> {
    let id = read_id(s, "summary", ids);
    let title = read_title(s, known.locale);
    let at = s.required::<At>("at");
    s.needs("to");
    let to = read_roles(s, "to", known);
    let nodes = s.items("to");
    if nodes.is_empty() {
        s.node.error("the summary has nobody to tell: `to` is empty");
    }
    for node in nodes {
        let needs_ticket = |role: &Role| !matches!(role.base, Base::Office | Base::Ops | Base::Unit(_));
        if node
            .as_text()
            .is_some_and(|text| text.parse().is_ok_and(|r| needs_ticket(&r)))
        {
            node.error_hint(
                "a summary is of no ticket, so there is no agency to tell",
                "write `office`, `ops` or `id:UNIT`".to_owned(),
            );
        }
    }
    let template = read_template(s, known);
    Some(Summary {
        id: id?,
        title: title?,
        at: at?,
        to,
        template: template?,
    })
}

const WEEKDAYS: [(&str, Weekday); 7] = [
    ("Mon", Weekday::Mon),
    ("Tue", Weekday::Tue),
    ("Wed", Weekday::Wed),
    ("Thu", Weekday::Thu),
    ("Fri", Weekday::Fri),
    ("Sat", Weekday::Sat),
    ("Sun", Weekday::Sun),
];

impl Read for At {
    fn shape() -> Shape {
        Shape::Like(shape::WEEK_TIME)
    }

    fn read(node: Node<'_>) -> Option<Self> {
        let text = String::read(node)?;
        let (weekday, clock) = match text.split_once(' ') {
            Some((day, clock)) => (
                WEEKDAYS.iter().find(|(word, _)| *word == day).map(|(_, day)| *day),
                clock,
            ),
            None => (None, text.as_str()),
        };
        let is_sound = weekday.is_some() || clock.len() == text.len();
        let at: Option<NaiveTime> = time(clock).filter(|_| is_sound);
        if at.is_none() {
            let hint = "write a day of the week and a time such as `Fri 15:00`, or a time alone for every working day";
            node.error_hint(format!("`{text}` is not a time of the week or day"), hint.to_owned());
        }
        at.map(|time| At { weekday, time })
    }
}
