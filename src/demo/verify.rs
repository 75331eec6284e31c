//! What the demo claims of its mails, checked on the mails as they were received.

use std::collections::{BTreeMap, BTreeSet};

use super::addresses;
use super::reading::Letter;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::Role;

/// A claim with what speaks against it; nothing does where it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub claim: &'static str,
    /// How much was looked at.
    pub looked_at: usize,
    pub against: Vec<String>,
}

/// Checks all claims.
#[must_use]
pub fn verify(letters: &[Letter], config: &Config) -> Vec<Finding> {
    vec![
        one_digest_a_day(letters, config),
        inside_windows(letters, config),
        step_by_step(letters, config),
    ]
}

fn one_digest_a_day(letters: &[Letter], config: &Config) -> Finding {
    let mut seen = BTreeMap::new();
    let mut against = Vec::new();
    let digests: Vec<&Letter> = letters.iter().filter(|l| l.is_digest).collect();
    for letter in &digests {
        let day = config.calendars.base().date_of(letter.date);
        if let Some(first) = seen.insert((letter.to.clone(), day), &letter.message_id) {
            against.push(format!(
                "{} got {} and {first} on {day}",
                letter.to.join(", "),
                letter.message_id
            ));
        }
    }
    Finding {
        claim: "no recipient got two digests on one day",
        looked_at: digests.len(),
        against,
    }
}

fn inside_windows(letters: &[Letter], config: &Config) -> Finding {
    let addresses = addresses(config);
    let outside = letters.iter().filter(|letter| {
        let unit = letter
            .to
            .iter()
            .find_map(|a| addresses.get(a))
            .map_or("", |(id, _)| id.as_str());
        !config.calendars.of(unit).is_open(letter.date)
    });
    let against = outside
        .map(|l| format!("{} to {} at {}", l.message_id, l.to.join(", "), l.date))
        .collect();
    Finding {
        claim: "none came outside its recipient's office hours",
        looked_at: letters.len(),
        against,
    }
}

/// A step above contact needs the step before it in an earlier letter; a rule's first step excepted.
fn step_by_step(letters: &[Letter], config: &Config) -> Finding {
    let mut ordered: Vec<&Letter> = letters.iter().collect();
    ordered.sort_by_key(|l| l.date);
    let mut told: BTreeMap<(&str, &str, &str), Moment> = BTreeMap::new();
    let mut reported = BTreeSet::new();
    let mut against = Vec::new();
    let mut looked_at = 0;
    for letter in &ordered {
        for (ticket, rule, step) in letter.told() {
            told.entry((ticket, rule, step)).or_insert(letter.date);
            let Some(rule_written) = config.rules.rules.iter().find(|r| r.id == rule) else {
                continue;
            };
            let Some(place) = rule_written.steps.iter().position(|s| s.id == step) else {
                continue;
            };
            let written = &rule_written.steps[place];
            if place == 0 || !written.to.iter().chain(&written.cc).any(Role::is_above_contact) {
                continue;
            }
            looked_at += 1;
            let before = &rule_written.steps[place - 1].id;
            let is_told = told
                .get(&(ticket, rule, before.as_str()))
                .is_some_and(|at| *at < letter.date);
            if !is_told && reported.insert((ticket, rule, step)) {
                against.push(format!(
                    "{ticket} {rule}/{step} on {} without {before} before it",
                    letter.date
                ));
            }
        }
    }
    Finding {
        claim: "none went above contact without the step before it",
        looked_at,
        against,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::LazyLock;

    use super::*;
    use crate::demo::reading::Told;

    static SHIPPED: LazyLock<Config> = LazyLock::new(|| {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let loaded = crate::config::load(&dir, std::iter::empty());
        loaded.unwrap_or_else(|problems| panic!("{problems}")).config
    });

    const CONTACT: &str = "daumoi@syt.dongthap.example";
    const HEAD: &str = "lanhdao@syt.dongthap.example";
    const OFFICE: &str = "daumoi@vp.dongthap.example";

    /// A digest at a local time, telling ticket DT1 steps of `overdue`.
    fn digest(to: &str, at: &str, steps: &[&str]) -> Letter {
        let at: chrono::DateTime<chrono::FixedOffset> = format!("{at}:00+07:00").parse().expect("a time");
        let section = |step: &&str| Told {
            rule: "overdue".into(),
            step: (*step).into(),
            tickets: vec!["DT1".into()],
            also: Vec::new(),
        };
        Letter {
            message_id: format!("{to} {at}"),
            to: vec![to.into()],
            subject: String::new(),
            date: at.to_utc(),
            is_digest: true,
            text: String::new(),
            sections: steps.iter().map(section).collect(),
        }
    }

    /// A ladder as it should be: 24/8/2021 is a Tuesday.
    fn honest() -> Vec<Letter> {
        vec![
            digest(CONTACT, "2021-08-24T08:00", &["L1"]),
            digest(HEAD, "2021-08-26T08:00", &["L2"]),
            digest(CONTACT, "2021-08-26T08:00", &["L2"]),
            digest(HEAD, "2021-08-30T08:00", &["L3"]),
            digest(OFFICE, "2021-09-08T08:00", &["L4"]),
        ]
    }

    /// What speaks against each of the claims: digests, windows, steps.
    fn against(letters: &[Letter]) -> [usize; 3] {
        let findings = verify(letters, &SHIPPED);
        findings
            .iter()
            .map(|f| f.against.len())
            .collect::<Vec<_>>()
            .try_into()
            .expect("three claims")
    }

    #[test]
    fn letters_that_keep_to_the_rules_have_nothing_against_them_and_are_all_looked_at() {
        let findings = verify(&honest(), &SHIPPED);
        assert_eq!(against(&honest()), [0, 0, 0]);
        let looked_at: Vec<usize> = findings.iter().map(|f| f.looked_at).collect();
        assert_eq!(looked_at, [5, 5, 4], "digests, letters, steps above contact");
    }

    #[test]
    fn a_second_digest_on_one_day_is_found() {
        let mut letters = honest();
        letters.push(digest(HEAD, "2021-08-26T16:30", &[]));
        assert_eq!(against(&letters), [1, 0, 0]);
    }

    #[test]
    fn the_local_date_counts_and_a_single_mail_is_no_digest() {
        let mut letters = honest();
        // 07:00 here is midnight of the same day in UTC; the day before it was 16:59 here and 09:59 there.
        letters.push(digest(HEAD, "2021-08-25T16:59", &[]));
        letters.push(Letter {
            is_digest: false,
            ..digest(HEAD, "2021-08-26T07:00", &[])
        });
        assert_eq!(against(&letters), [0, 0, 0]);
    }

    #[test]
    fn a_mail_at_midnight_at_noon_on_a_sunday_or_on_a_holiday_is_found() {
        for at in [
            "2021-08-27T00:00",
            "2021-08-27T12:00",
            "2021-08-27T17:00",
            "2021-08-29T08:00",
            "2021-09-02T08:00",
            "2021-09-03T09:00",
        ] {
            let mut letters = honest();
            letters.push(digest(OFFICE, at, &[]));
            assert_eq!(against(&letters), [0, 1, 0], "{at}");
        }
    }

    #[test]
    fn a_step_above_contact_without_the_one_before_it_is_found() {
        let without = |gone: usize| {
            let mut letters = honest();
            letters.remove(gone);
            against(&letters)
        };
        assert_eq!(without(0), [0, 0, 1], "L2 needs L1");
        assert_eq!(without(3), [0, 0, 1], "L4 needs L3");
        assert_eq!(without(4), [0, 0, 0], "nothing needs L4");
    }

    #[test]
    fn the_step_before_in_the_same_letter_or_later_or_of_another_ticket_is_not_enough() {
        let mut letters = honest();
        letters.remove(2);
        letters[0].date = letters[1].date;
        assert_eq!(against(&letters), [0, 0, 1], "at the same time");
        letters[0].date = letters[3].date;
        assert_eq!(against(&letters), [0, 0, 1], "later");
        let mut letters = honest();
        letters[0].sections[0].tickets = vec!["DT2".into()];
        assert_eq!(against(&letters), [0, 0, 1], "another ticket");
        letters[0].sections[0].also = vec![("DT1".into(), "overdue".into(), "L1".into())];
        assert_eq!(against(&letters), [0, 0, 0], "told beside another rule");
    }

    #[test]
    fn a_first_step_needs_nothing_before_it_even_above_contact() {
        let mut aged = digest(OFFICE, "2021-08-24T08:00", &["office"]);
        aged.sections[0].rule = "aged".into();
        assert_eq!(against(&[aged]), [0, 0, 0]);
    }
}
