//! The letters of every template that ships, in both languages: how they read, that text and HTML say the same whatever
//! there is to tell, that each letter is in one language, and that things are called as on the letter's day.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::{NaiveDate, NaiveTime, TimeDelta};
use dondoc::config::{self, Config};
use dondoc::domain::wording::Locale;
use dondoc::render::view::{Form, LineView, MessageView};
use dondoc::render::{Rendered, Renderer, samples};
use regex::Regex;
use roxmltree::{Document, Node, ParsingOptions};
use unicode_normalization::is_nfc;

use crate::cli::{dondoc, said, text};
use crate::world::{FIVE_DAYS, LADDER, World};

/// What ships, with letters in a language.
struct Letters {
    config: Config,
    renderer: Renderer,
    locale: Locale,
}

impl Letters {
    fn in_language(locale: Locale) -> Letters {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let variable = ("DONDOC__LOCALE".to_owned(), locale.word().to_owned());
        let loaded = config::load(&shipped, std::iter::once(variable)).unwrap_or_else(|problems| panic!("{problems}"));
        let config = loaded.config;
        let renderer = Renderer::load(&config.templates_dir, &config.wording).unwrap_or_else(|e| panic!("{e:?}"));
        Letters {
            config,
            renderer,
            locale,
        }
    }

    fn write(&self, message: MessageView) -> Rendered {
        let message = samples::titled(message, &self.config.rules, self.locale);
        let letter = self.renderer.render(&message);
        assert_eq!(letter.failed, None);
        letter
    }

    /// A letter of each template, with so many tickets where it tells of any.
    fn each(&self, tickets: usize) -> Vec<(String, Rendered)> {
        let letter = |name: String| {
            let letter = self.write(samples::letter(&name, tickets));
            (name, letter)
        };
        self.renderer.names().into_iter().map(letter).collect()
    }
}

/// How many tickets a template's sample tells of where it is looked at.
fn usual(name: &str) -> usize {
    match name {
        name if !samples::lists_tickets(name) => 0,
        "received" => 1,
        "cccd" => 9,
        _ => 2,
    }
}

#[test]
fn every_template_in_both_languages_as_it_is_read() {
    for locale in Locale::ALL {
        let letters = Letters::in_language(locale);
        let mut names = letters.renderer.names();
        assert!(names.len() >= 17, "{names:?}");
        names.extend(["digest", "opening"].map(str::to_owned));
        for name in names {
            let message = match name.as_str() {
                "digest" => samples::digest(),
                "opening" => samples::opening(),
                name => samples::letter(name, usual(name)),
            };
            let Rendered {
                subject, text, html, ..
            } = letters.write(message);
            let mut settings = insta::Settings::clone_current();
            settings.set_snapshot_path("wording");
            settings.set_prepend_module_to_snapshot(false);
            settings.set_omit_expression(true);
            settings.bind(|| {
                let shown = format!("{subject}\n\n{text}\n{}\n{html}", "─".repeat(80));
                insta::assert_snapshot!(format!("{name}.{}", locale.word()), shown);
            });
        }
    }
}

/// The words of a text and how often each stands there. Headings are written in capitals, so case doesn't count.
fn counted<'a>(words: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in words.flat_map(str::split_whitespace) {
        let word = word.trim_matches('–');
        if !word.is_empty() {
            *counts.entry(word.to_lowercase()).or_default() += 1;
        }
    }
    counts
}

/// The words of the text without what only lays it out: the labels beside a ticket's lines, bullets, the line above the
/// foot.
pub fn words_of_text(text: &str, labels: &[&str]) -> BTreeMap<String, usize> {
    let bare = |line| {
        let mut line: &str = line;
        if let Some(rest) = line.strip_prefix("       ") {
            line = labels.iter().find_map(|label| rest.strip_prefix(label)).unwrap_or(rest);
        }
        match line {
            "--" => "",
            _ => line.strip_prefix("- ").unwrap_or(line),
        }
    };
    counted(text.lines().map(bare))
}

/// The words of the HTML as a reader sees them, and the targets of links, without the head of the list of tickets. It has
/// to be well-formed: engines differ in what they make of the rest.
pub fn words_of_html(html: &str) -> BTreeMap<String, usize> {
    let options = ParsingOptions {
        allow_dtd: true,
        ..ParsingOptions::default()
    };
    let page = Document::parse_with_options(html, options).unwrap_or_else(|e| panic!("{e}\n{html}"));
    let body = page.descendants().find(|n| n.has_tag_name("body")).expect("a body");
    let is_seen = |n: &Node<'_, '_>| !n.ancestors().any(|a| a.attribute("class") == Some("head"));
    let texts = body
        .descendants()
        .filter(|n| n.is_text() && is_seen(n))
        .filter_map(|n| n.text());
    let links = body.descendants().filter_map(|n| n.attribute("href"));
    counted(texts.chain(links).collect::<Vec<_>>().into_iter())
}

pub fn labels(locale: Locale) -> [&'static str; 4] {
    match locale {
        Locale::Vi => ["Lĩnh vực ", "Nội dung ", "Thời hạn ", "Tình trạng "],
        Locale::En => ["Field ", "Matter ", "Deadline ", "State "],
    }
}

#[test]
fn text_and_html_say_the_same_words_about_no_one_and_five_hundred_tickets() {
    let codes = Regex::new(r"DT1022\.\d{8}\.\d{4}").expect("a pattern");
    let duties = Regex::new("2021-08/[a-e]").expect("a pattern");
    for locale in Locale::ALL {
        let letters = Letters::in_language(locale);
        for tickets in [0, 1, 500] {
            for (name, letter) in letters.each(tickets) {
                let context = format!("{name} in {} with {tickets}", locale.word());
                let Rendered {
                    subject, text, html, ..
                } = letter;
                let words = words_of_html(&html);
                assert_eq!(words_of_text(&text, &labels(locale)), words, "{context}");
                if samples::lists_tickets(&name) {
                    let codes = if name.starts_with("obligation-") {
                        &duties
                    } else {
                        &codes
                    };
                    let told = codes.find_iter(&text).count();
                    assert_eq!(told, tickets, "each ticket once: {context}");
                }
                for shown in [&subject, &text, &html] {
                    assert!(
                        is_nfc(shown) && !shown.contains("{{") && !shown.contains("{%"),
                        "{context}: {shown}"
                    );
                }
                assert!(!words.contains_key("none"), "{context}: {text}");
                assert!(
                    subject.starts_with("[1022]") && !subject.contains('\n'),
                    "{context}: {subject}"
                );
                assert!(subject.chars().count() <= 150, "{context}: {subject}");
                let long = text.lines().find(|line| line.chars().count() > 100);
                assert_eq!(long, None, "{context}");
            }
        }
        let digest = letters.write(samples::digest());
        assert_eq!(
            words_of_text(&digest.text, &labels(locale)),
            words_of_html(&digest.html)
        );
    }
}

#[test]
fn nothing_in_the_html_is_remote_or_colours_text() {
    let remote = Regex::new(r#"<(script|img|link|iframe|form|object)|src=|@import|url\(|[^-]color\s*:\s*#|background"#);
    let remote = remote.expect("a pattern");
    for locale in Locale::ALL {
        for (name, letter) in Letters::in_language(locale).each(2) {
            assert_eq!(remote.find(&letter.html).map(|m| m.as_str()), None, "{name}");
        }
    }
}

/// What is called the same in every language: units, the hotline, its people.
fn proper_names(message: &MessageView) -> Vec<String> {
    let of_line = |l: &LineView| {
        [
            &l.title,
            &l.agency_name,
            &l.locality,
            &l.waiting_on,
            &l.unknown_agency_word,
        ]
        .map(Clone::clone)
    };
    let sections = || message.sections.iter();
    let mut names: Vec<String> = sections().flat_map(|s| &s.lines).flat_map(of_line).flatten().collect();
    names.extend(sections().map(|s| s.addressee.unit_name.clone()));
    names.extend(sections().filter_map(|s| s.addressee.stands_in_for.clone()));
    // Where no rule has a title, it is the name of what the letter is about.
    names.extend(sections().filter(|s| s.rule.is_empty()).map(|s| s.rule_title.clone()));
    let summaries = sections().filter_map(|s| s.summary.as_ref()?.tickets.as_ref());
    names.extend(summaries.clone().flat_map(|t| &t.units).filter_map(|u| u.name.clone()));
    names.extend(summaries.flat_map(|t| &t.longest).filter_map(|l| l.agency_name.clone()));
    // Units, and what the calendar of the configuration calls a day.
    let months = sections().filter_map(|s| s.monthly.as_ref());
    names.extend(months.clone().filter_map(|m| m.cards_unit.clone()));
    names.extend(months.clone().flat_map(|m| &m.closed).filter_map(|c| c.label.clone()));
    let replies = months.flat_map(|m| m.replies.iter().chain(m.before.as_ref().map(|b| &b.replies)));
    names.extend(replies.flat_map(|r| &r.owing).map(|o| o.name.clone()));
    names.extend(sections().flat_map(|s| &s.alarms).map(|a| a.subject.clone()));
    names.extend([&message.hotline, &message.unit_name, &message.contact_line].map(Clone::clone));
    names.retain(|name| !name.is_empty());
    names.extend(message.signature.iter().cloned());
    // The longest first: some stand within others.
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    names
}

#[test]
fn a_letter_is_in_one_language_but_for_proper_names() {
    let foreign = |locale| match locale {
        // Letters and words of Vietnamese; ids and dates have none of them.
        Locale::En => Regex::new(r"[À-ỹ]|(?i:\b(phieu|ngay|trong|cho|theo|khi|xin|thu|tin)\b)"),
        Locale::Vi => Regex::new(
            r"(?i)\b(tickets?|due|overdue|deadline|the|of|and|by|is|was|open|closed|answered|waiting|reminder|to)\b",
        ),
    };
    let ids = Regex::new(r"\([@a-z-]+/[A-Za-z0-9-]+\)|https?://\S+").expect("a pattern");
    for locale in Locale::ALL {
        let foreign = foreign(locale).expect("a pattern");
        let letters = Letters::in_language(locale);
        let mut messages: Vec<MessageView> = vec![samples::digest()];
        messages.extend(letters.renderer.names().iter().flat_map(|name| samples::of(name)));
        messages.extend(letters.renderer.names().iter().map(|name| samples::letter(name, 40)));
        for mut message in messages {
            for section in &mut message.sections {
                // What ops gave as a reason is in ops' words.
                section.note = section.note.as_ref().map(|_| "1022".to_owned());
            }
            let names = proper_names(&message);
            let letter = letters.write(message);
            let mut shown = format!(
                "{}\n{}",
                letter.subject,
                letter.text.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            for name in names {
                let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
                shown = shown.replace(&name, "").replace(&name.to_uppercase(), "");
            }
            let shown = ids.replace_all(&shown, "");
            assert_eq!(
                foreign.find(&shown).map(|m| m.as_str()),
                None,
                "{}: {shown}",
                locale.word()
            );
        }
    }
}

/// The Vietnamese card letter of a date.
fn cards_on(y: i32, m: u32, d: u32) -> String {
    let day = NaiveDate::from_ymd_opt(y, m, d).expect("a date");
    let message = MessageView {
        at: day.and_time(NaiveTime::MIN + TimeDelta::hours(8)),
        ..samples::letter("cccd", 2)
    };
    let letter = Letters::in_language(Locale::Vi).write(message);
    let text = letter.text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{} {text}", letter.subject)
}

#[test]
fn things_are_called_as_on_the_day_of_the_letter() {
    let words = [
        "[CCCD]",
        "cấp căn cước công dân",
        "thẻ căn cước công dân",
        "[Căn cước]",
        "cấp thẻ căn cước",
        "công an cấp huyện",
        "công an cấp xã",
    ];
    let found = |text: &str| words.map(|word| text.contains(word));
    let (old, new) = ([true, true, true, false, false], [false, false, false, true, true]);
    let with = |cards: [bool; 5], police: [bool; 2]| {
        let mut all = [false; 7];
        all[..5].copy_from_slice(&cards);
        all[5..].copy_from_slice(&police);
        all
    };
    assert_eq!(found(&cards_on(2024, 6, 30)), with(old, [true, false]));
    assert_eq!(found(&cards_on(2024, 7, 1)), with(new, [true, false]));
    assert_eq!(found(&cards_on(2025, 2, 28)), with(new, [true, false]));
    assert_eq!(found(&cards_on(2025, 3, 1)), with(new, [false, true]));
}

#[test]
fn two_digits_stand_where_the_hotline_wants_them() {
    let mut letters = Letters::in_language(Locale::Vi);
    letters.config.wording.two_digits = true;
    let dir = &letters.config.templates_dir;
    letters.renderer = Renderer::load(dir, &letters.config.wording).unwrap_or_else(|e| panic!("{e:?}"));
    let subject = letters.write(samples::letter("overdue-1", 5)).subject;
    assert!(subject.contains("] 05 phiếu quá hạn"), "{subject}");
}

#[tokio::test]
async fn a_term_that_nobody_defined_is_an_error_with_its_place() {
    let world = World::new(&format!("{LADDER}{FIVE_DAYS}")).await;
    let sound = dondoc(&world.dir(), &["check", "--offline"]);
    assert!(sound.status.success(), "{}", said(&sound));
    let asks = |text: String| text.replace("{% block request %}", "{% block request %}\n{{ ten(\"crad\") }}");
    world.write("templates/overdue-1.txt.j2", asks);
    world.write("templates/en/overdue-2.txt.j2", asks);
    let check = dondoc(&world.dir(), &["check", "--offline"]);
    assert_eq!(check.status.code(), Some(78), "{}", said(&check));
    for problem in [
        "templates/overdue-1.txt.j2:4:4: undefined value: terms.toml has no term `crad` in `vi` (did you mean `card`?)",
        "templates/en/overdue-2.txt.j2:4:4: undefined value: terms.toml has no term `crad` in `en` (did you mean `card`?)",
    ] {
        assert!(text(&check).contains(problem), "{}", text(&check));
    }
}

#[tokio::test]
async fn a_hotline_that_writes_english_is_read_in_english_from_subject_to_foot() {
    let mut world = World::new(&format!("{LADDER}{FIVE_DAYS}").replace("Phiếu quá hạn xử lý", "Overdue tickets")).await;
    let english = |text: String| format!("locale = \"en\"\n{text}");
    world.edit("dondoc.toml", english).await;
    world.turn("2021-09-06 07:00").await;
    world.ticket("T1", "SYT", "2021-09-06 09:00").await;
    world.turn("2021-09-07 08:00").await;
    world.turn("2021-09-14 08:00").await;
    let letters = world.letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].subject, "[1022][Reminder 1] 1 ticket overdue – Sở Y tế");
    for said in [
        "To: Sở Y tế",
        "due 17:00 on Monday 13 September 2021",
        "overdue by 1 working day",
        "(overdue/L1)",
    ] {
        assert!(letters[0].text.contains(said), "{}", letters[0].text);
    }
}

#[test]
fn a_single_letter_reads_like_a_digest_of_one() {
    let letters = Letters::in_language(Locale::Vi);
    let of = |form| letters.write(samples::message(form, samples::letter("overdue-1", 1).sections));
    assert_eq!(of(Form::Single), of(Form::Digest));
}
