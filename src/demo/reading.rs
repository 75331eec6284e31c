//! Reads letters as their recipients get them: from the bytes that a mail server received, with nothing from the store.
//!
//! The demo checks itself by this, and so do the tests; whoever reads here knows only what stands in the mail.

use chrono::DateTime;
use mail_parser::{HeaderValue, MessageParser};

use crate::domain::Moment;
use crate::engine::FORM_HEADER;

/// A received letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub message_id: String,
    pub to: Vec<String>,
    pub subject: String,
    pub date: Moment,
    pub is_digest: bool,
    pub text: String,
    pub sections: Vec<Told>,
}

/// One section: a rule's step with the tickets under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub rule: String,
    pub step: String,
    pub tickets: Vec<String>,
    /// What stands behind «đồng thời» of a ticket's line: the ticket, rule and step.
    pub also: Vec<(String, String, String)>,
}

impl Letter {
    /// Every (ticket, rule, step) that the letter tells.
    pub fn told(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.sections.iter().flat_map(|s| {
            let own = s.tickets.iter().map(|t| (t.as_str(), s.rule.as_str(), s.step.as_str()));
            own.chain(s.also.iter().map(|(t, r, p)| (t.as_str(), r.as_str(), p.as_str())))
        })
    }
}

/// Reads a letter; `None` where the bytes are not a mail with recipient, date and text.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Letter> {
    let mail = MessageParser::default().parse(bytes)?;
    let text = mail.body_text(0)?.replace("\r\n", "\n");
    let form = match mail.header(FORM_HEADER) {
        Some(HeaderValue::Text(form)) => form.trim().to_owned(),
        _ => String::new(),
    };
    Some(Letter {
        message_id: mail.message_id()?.to_owned(),
        to: mail
            .to()?
            .iter()
            .filter_map(|a| a.address().map(str::to_owned))
            .collect(),
        subject: mail.subject()?.to_owned(),
        date: DateTime::from_timestamp(mail.date()?.to_timestamp(), 0)?,
        is_digest: form == "digest",
        sections: sections(&text),
        text,
    })
}

fn sections(text: &str) -> Vec<Told> {
    let mut sections = Vec::new();
    let (mut tickets, mut extra) = (Vec::new(), Vec::new());
    for line in text.lines() {
        if let Some((code, also)) = ticket_line(line) {
            extra.extend(also.into_iter().map(|(rule, step)| (code.clone(), rule, step)));
            tickets.push(code);
        } else if let Some((rule, step)) = reason_line(line) {
            sections.push(Told {
                rule,
                step,
                tickets: std::mem::take(&mut tickets),
                also: std::mem::take(&mut extra),
            });
        }
    }
    sections
}

/// `3. CODE | … | đồng thời: Title (rule/step); …`
fn ticket_line(line: &str) -> Option<(String, Vec<(String, String)>)> {
    let (number, rest) = line.trim_start().split_once(". ")?;
    if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let code = rest.split(" | ").next()?.trim().to_owned();
    let also = rest
        .rsplit(" | ")
        .next()
        .and_then(|last| last.strip_prefix("đồng thời: "))
        .unwrap_or("");
    let parts = also.split(';').filter_map(|part| {
        let inside = part.rsplit_once('(')?.1.trim().strip_suffix(')')?;
        let (rule, step) = inside.split_once('/')?;
        Some((rule.to_owned(), step.to_owned()))
    });
    Some((code, parts.collect()))
}

/// `Lý do gửi: quy tắc «overdue», bước «L1» – Phiếu quá hạn xử lý.`
fn reason_line(line: &str) -> Option<(String, String)> {
    let rest = line.trim().strip_prefix("Lý do gửi: quy tắc «")?;
    let (rule, rest) = rest.split_once("», bước «")?;
    let (step, _) = rest.split_once('»')?;
    Some((rule.to_owned(), step.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_with_its_reason_and_a_line_may_name_other_rules() {
        let text = "Kính gửi: Sở Y tế\n\n1. DT1 | y tế | hạn 17:00\n2. DT2 | y tế | đồng thời: Phiếu tồn (carried-over/list)\n\
                    Lý do gửi: quy tắc «overdue», bước «L1» – Phiếu quá hạn.\n3. DT3 | x\nLý do gửi: quy tắc «@settled», bước «done» – x.\n";
        let read = sections(text);
        assert_eq!(read[0].tickets, ["DT1", "DT2"]);
        assert_eq!(
            read[0].also,
            [("DT2".to_owned(), "carried-over".to_owned(), "list".to_owned())]
        );
        assert_eq!((read[1].rule.as_str(), read[1].step.as_str()), ("@settled", "done"));
    }
}
