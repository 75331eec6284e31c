//! From what a message says ([`view`]) to subject, text and HTML, by the templates of the configuration.
//!
//! Pure: same view, same texts. A step's template `NAME.txt.j2` has the blocks `subject`, `intro` and `request`; the
//! layouts `digest.txt.j2` and `digest.html.j2` put them around each section's table. A template that fails never
//! loses content: the message goes out in a plain built-in text, and the failure is reported.

pub mod annex;
pub mod shadow;
pub mod vietnamese;
pub mod view;
pub mod webhook;

use std::collections::HashSet;
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, Value, context};
use serde::Serialize;

use view::{Addressee, DeadlineView, EndedView, Form, LineView, MessageView, SectionView};

/// Steps of the template engine that one message may take; the longest digest needs a fraction of it.
const FUEL: u64 = 50_000_000;

/// The two layouts, beside the steps' templates.
const LAYOUTS: [&str; 2] = ["digest.txt.j2", "digest.html.j2"];

/// What is wrong with a template, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}{}: {message}", line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct TemplateError {
    pub file: String,
    pub line: Option<usize>,
    pub message: String,
}

impl TemplateError {
    fn new(file: &str, error: &minijinja::Error) -> TemplateError {
        // The innermost cause names the place; the outer ones only say through what it was reached.
        let mut cause = error;
        while let Some(inner) = std::error::Error::source(cause).and_then(|e| e.downcast_ref::<minijinja::Error>()) {
            cause = inner;
        }
        TemplateError {
            file: cause.name().unwrap_or(file).to_owned(),
            line: cause.line(),
            message: cause
                .detail()
                .map_or_else(|| cause.kind().to_string(), |d| format!("{}: {d}", cause.kind())),
        }
    }
}

/// A rendered message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The template that failed, when the built-in text had to serve.
    pub failed: Option<TemplateError>,
}

/// The templates of a configuration.
#[derive(Debug)]
pub struct Renderer {
    templates: Environment<'static>,
    /// Steps' templates that word an opening otherwise.
    word_openings: HashSet<String>,
}

/// A section with the texts of its step's template.
#[derive(Serialize)]
struct Composed<'a> {
    #[serde(flatten)]
    section: &'a SectionView,
    intro: String,
    request: String,
    kinh_gui: String,
    /// «Kính gửi» differs from the section before.
    new_addressee: bool,
    has_agencies: bool,
}

impl Renderer {
    /// Reads and compiles all `*.j2` of a folder.
    ///
    /// # Errors
    /// Every template that cannot be read or compiled.
    pub fn load(dir: &Path) -> Result<Renderer, Vec<TemplateError>> {
        let unreadable = |file: String, e: &std::io::Error| TemplateError {
            file,
            line: None,
            message: e.to_string(),
        };
        let mut templates = environment();
        let mut errors = Vec::new();
        let entries = std::fs::read_dir(dir).map_err(|e| vec![unreadable(dir.display().to_string(), &e)])?;
        let mut paths: Vec<_> = entries
            .filter_map(Result::ok)
            .map(|e| e.path())
            .filter(|p| p.extension().is_some_and(|e| e == "j2"))
            .collect();
        paths.sort();
        for path in paths {
            let name = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            match std::fs::read_to_string(&path) {
                Ok(text) => {
                    if let Err(error) = templates.add_template_owned(name.clone(), text) {
                        errors.push(TemplateError::new(&name, &error));
                    }
                }
                Err(error) => errors.push(unreadable(name, &error)),
            }
        }
        for layout in LAYOUTS {
            if templates.get_template(layout).is_err() && !errors.iter().any(|e| e.file == layout) {
                errors.push(TemplateError {
                    file: layout.to_owned(),
                    line: None,
                    message: "the layout is missing".to_owned(),
                });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let word_openings = templates
            .templates()
            .filter(|(_, template)| template.undeclared_variables(true).contains("section.opening"))
            .filter_map(|(name, _)| Some(name.strip_suffix(".txt.j2")?.to_owned()))
            .collect();
        Ok(Renderer {
            templates,
            word_openings,
        })
    }

    /// Whether a step's template says of tickets first seen late something else than of the others. Where it does not,
    /// they share a section.
    #[must_use]
    pub fn words_openings(&self, template: &str) -> bool {
        self.word_openings.contains(template)
    }

    /// Renders a message.
    #[must_use]
    pub fn render(&self, message: &MessageView) -> Rendered {
        match self.by_templates(message) {
            Ok((subject, text, html)) => Rendered {
                subject,
                text,
                html,
                failed: None,
            },
            Err(failed) => {
                let (subject, text) = plain(message);
                let html = format!("<pre style=\"white-space:pre-wrap\">{}</pre>", escape(&text));
                Rendered {
                    subject,
                    text,
                    html,
                    failed: Some(failed),
                }
            }
        }
    }

    /// Renders every step's template on sample data.
    #[must_use]
    pub fn check(&self) -> Vec<TemplateError> {
        let names: Vec<String> = self.templates.templates().map(|(name, _)| name.to_owned()).collect();
        let steps = names
            .iter()
            .filter(|n| !LAYOUTS.contains(&n.as_str()))
            .filter_map(|n| n.strip_suffix(".txt.j2"));
        steps
            .flat_map(samples)
            .filter_map(|sample| self.render(&sample).failed)
            .collect()
    }

    fn by_templates(&self, message: &MessageView) -> Result<(String, String, String), TemplateError> {
        let mut sections = Vec::with_capacity(message.sections.len());
        let mut first_subject = None;
        let mut last_addressee: Option<String> = None;
        for section in &message.sections {
            let file = format!("{}.txt.j2", section.template);
            let failed = |e: &minijinja::Error| TemplateError::new(&file, e);
            let template = self.templates.get_template(&file).map_err(|e| failed(&e))?;
            let facts = context! { message => Value::from(Serde(message)), section => Value::from(Serde(section)) };
            let mut blocks = template.render_captured(facts).map_err(|e| failed(&e))?;
            let mut block = |name: &str| {
                let text = blocks.with_state_mut(|state| state.render_block(name));
                text.map(|t| t.trim().to_owned()).map_err(|e| failed(&e))
            };
            let subject = block("subject")?;
            first_subject.get_or_insert(if section.for_information {
                format!("[Để biết]{}{subject}", if subject.starts_with('[') { "" } else { " " })
            } else {
                subject
            });
            let kinh_gui = kinh_gui(&section.addressee);
            sections.push(Composed {
                section,
                intro: block("intro")?,
                request: block("request")?,
                new_addressee: last_addressee.as_ref() != Some(&kinh_gui),
                has_agencies: section
                    .lines
                    .iter()
                    .any(|l| l.agency_name.is_some() || l.unknown_agency_word.is_some()),
                kinh_gui: kinh_gui.clone(),
            });
            last_addressee = Some(kinh_gui);
        }
        let facts = context! { message => Value::from(Serde(message)), sections => Value::from(Serde(&sections)) };
        let layout = |name: &str| {
            let template = self
                .templates
                .get_template(name)
                .map_err(|e| TemplateError::new(name, &e))?;
            template.render(facts.clone()).map_err(|e| TemplateError::new(name, &e))
        };
        let subject = subject_line(message, &first_subject.unwrap_or_default());
        Ok((subject, layout("digest.txt.j2")?, layout("digest.html.j2")?))
    }
}

/// `[1022] …` in one line, with how much else there is.
fn subject_line(message: &MessageView, first: &str) -> String {
    let rest = message.sections.len().saturating_sub(1);
    let more = if rest > 0 {
        format!(" (và {rest} nội dung khác)")
    } else {
        String::new()
    };
    let line = format!(
        "[{}]{}{first}{more}",
        message.tag,
        if first.starts_with('[') { "" } else { " " }
    );
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// To whom a section speaks.
fn kinh_gui(to: &Addressee) -> String {
    match to.wanted.as_str() {
        _ if to.for_want_of_contact => format!("{} (chưa có đầu mối tiếp nhận của cơ quan)", to.unit_name),
        "head" if to.is_office => format!("Lãnh đạo {}", to.unit_name),
        "head" => format!("Thủ trưởng {}", to.unit_name),
        _ => to.unit_name.clone(),
    }
}

fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    // Block tags on lines of their own leave no empty lines. The builder only fails on delimiters, and these are the
    // usual ones.
    if let Ok(syntax) = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build() {
        env.set_syntax(syntax);
    }
    env.set_auto_escape_callback(|name| {
        if name.ends_with(".html.j2") {
            AutoEscape::Html
        } else {
            AutoEscape::None
        }
    });
    env.add_filter("ngay", |v: Value| by_date(&v, vietnamese::date));
    env.add_filter("thu", |v: Value| by_date(&v, |d| vietnamese::weekday(d).to_owned()));
    env.add_filter("gio_ngay", |v: Value| {
        let text = v.as_str().unwrap_or_default();
        let at: NaiveDateTime = text.parse().map_err(|_| bad(&v, "an instant"))?;
        Ok::<_, minijinja::Error>(format!("{} ngày {}", at.format("%H:%M"), vietnamese::date(at.date())))
    });
    env.add_filter("so", |n: i64| vietnamese::integer(n));
    env.add_filter("trang_thai", |word: &str| vietnamese::status(word).to_owned());
    env.add_filter("nhan", |code: &str| vietnamese::label(code).to_owned());
    env.add_filter("han", |v: Value| {
        let day = date_of(&v.get_attr("day")?)?;
        let time = v.get_attr("time")?;
        let time = match time.as_str() {
            Some(text) => Some(text.parse::<NaiveTime>().map_err(|_| bad(&time, "a time"))?),
            None => None,
        };
        Ok::<_, minijinja::Error>(vietnamese::deadline(day, time))
    });
    // Anything but a web address is no link: `javascript:` in a source's column stays text.
    env.add_test("web", is_web);
    env
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

fn by_date(value: &Value, format: impl Fn(NaiveDate) -> String) -> Result<String, minijinja::Error> {
    date_of(value).map(format)
}

fn date_of(value: &Value) -> Result<NaiveDate, minijinja::Error> {
    value
        .as_str()
        .and_then(|text| text.get(..10)?.parse().ok())
        .ok_or_else(|| bad(value, "a date"))
}

fn bad(value: &Value, what: &str) -> minijinja::Error {
    minijinja::Error::new(ErrorKind::InvalidOperation, format!("`{value}` is not {what}"))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The built-in text: every section and every line, without adornment.
fn plain(message: &MessageView) -> (String, String) {
    let count: usize = message.sections.iter().map(|s| s.lines.len()).sum();
    let subject = format!(
        "[{}] {} phiếu cần theo dõi – {}",
        message.tag,
        vietnamese::integer(i64::try_from(count).unwrap_or(0)),
        message.unit_name
    );
    let mut text = format!("Kính gửi: {}\n", message.unit_name);
    for section in &message.sections {
        let note = if section.for_information { " (để biết)" } else { "" };
        text.push_str(&format!("\n{}{note}\n", section.rule_title));
        for (i, line) in section.lines.iter().enumerate() {
            let deadline = line
                .deadline
                .as_ref()
                .map_or("chưa có".to_owned(), |d| vietnamese::deadline(d.day, d.time));
            text.push_str(&format!(
                "{}. {} | hạn {deadline} | {}\n",
                i + 1,
                line.code,
                vietnamese::status(&line.status)
            ));
        }
        text.push_str(&format!(
            "Lý do gửi: quy tắc «{}», bước «{}» – {}.\n",
            section.rule, section.step, section.rule_title
        ));
    }
    text.push_str(&format!(
        "\nTrân trọng.\n{}\n\nThư này do hệ thống tự động gửi, không thay thế văn bản hành chính.\n{}\nMã thông báo: {}\n",
        message.signature.join("\n"),
        message.contact_line,
        message.message_id
    ));
    (subject.split_whitespace().collect::<Vec<_>>().join(" "), text)
}

/// A step's message on made-up data, with everything that a line can have.
#[must_use]
pub fn sample(template: &str) -> MessageView {
    let [_, full] = samples(template);
    full
}

/// Sample messages for a step's template: plain and with everything that a line can have.
fn samples(template: &str) -> [MessageView; 2] {
    let day = |d| NaiveDate::from_ymd_opt(2021, 9, d).unwrap_or_default();
    let bare = LineView {
        code: "DT1022.20210903.0001".into(),
        field: None,
        agency_name: None,
        deadline: None,
        first_deadline_differs: None,
        overdue_working_days: None,
        due_in_working_days: None,
        age_working_days: 0,
        received_on: day(3),
        status: "open".into(),
        waiting_on: None,
        stage: None,
        reminder: 1,
        earlier: Vec::new(),
        rules: Vec::new(),
        transfers: 0,
        reopened: 0,
        ended: None,
        url: None,
        proposed_by: None,
        unknown_agency_word: None,
    };
    let full = LineView {
        code: "DT1022.20210903.0002".into(),
        field: Some("dat_dai".into()),
        agency_name: Some("Sở Tài nguyên và Môi trường".into()),
        deadline: Some(DeadlineView {
            day: day(10),
            time: NaiveTime::from_hms_opt(17, 0, 0),
            is_day: true,
            provisional: true,
        }),
        first_deadline_differs: Some(day(7)),
        overdue_working_days: Some(3),
        due_in_working_days: Some(1),
        age_working_days: 8,
        waiting_on: Some("C06".into()),
        stage: Some("at_c06".into()),
        reminder: 2,
        earlier: vec![day(13)],
        rules: vec!["Phiếu tồn từ kỳ trước chuyển sang (carried-over/list)".into()],
        transfers: 2,
        reopened: 1,
        ended: Some(EndedView::Extended { to: Some(day(20)) }),
        url: Some("https://1022.dongthap.example/phieu/2".into()),
        proposed_by: Some("cccd-by-text".into()),
        unknown_agency_word: Some("Sở Không Có".into()),
        ..bare.clone()
    };
    let section = |opening: bool, lines: Vec<LineView>| SectionView {
        template: template.to_owned(),
        rule: "rule".into(),
        step: "step".into(),
        rule_title: "Tên quy tắc".into(),
        when: "overdue".into(),
        addressee: Addressee {
            unit_name: "Sở Y tế".into(),
            wanted: "head".into(),
            is_office: false,
            fell_back: true,
            for_want_of_contact: false,
        },
        for_information: opening,
        opening,
        reminder: lines.iter().map(|l| l.reminder).max().unwrap_or(1),
        earlier: lines.iter().flat_map(|l| l.earlier.clone()).collect(),
        lines,
        settled: template == "settled",
        note: None,
    };
    let message = |form, data_as_of, sections| MessageView {
        form,
        tag: "1022".into(),
        hotline: "Tổng đài 1022".into(),
        unit_name: "Sở Y tế".into(),
        desk: "contact".into(),
        at: day(15).and_time(NaiveTime::from_hms_opt(8, 0, 0).unwrap_or_default()),
        data_as_of,
        sections,
        annex: (form == Form::Digest).then(|| "Danh sach phieu.xlsx".into()),
        contact_line: "Đầu mối liên hệ".into(),
        signature: vec!["TRUNG TÂM".into()],
        message_id: "id".into(),
    };
    let at = day(15).and_time(NaiveTime::from_hms_opt(7, 30, 0).unwrap_or_default());
    [
        message(Form::Single, None, vec![section(false, vec![bare.clone()])]),
        message(
            Form::Digest,
            Some(at),
            vec![section(true, vec![full.clone(), bare]), section(false, vec![full])],
        ),
    ]
}
