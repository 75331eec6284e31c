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
    /// What stands behind «Đồng thời» under a ticket: the ticket, rule and step.
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
        if let Some(code) = ticket_line(line) {
            tickets.push(code);
        } else if let (Some((rule, step)), Some(code)) = (also_line(line), tickets.last()) {
            extra.push((String::clone(code), rule, step));
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

/// `    3. CODE`: the number ends in the fifth column, after blanks, as in no other line.
fn ticket_line(line: &str) -> Option<String> {
    let (number, code) = line.split_once(". ")?;
    let digits = number.strip_prefix(' ')?.trim_start();
    let is_number = number.len() == 5 && !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| code.trim().to_owned())
}

/// `       Đồng thời: Title (rule/step)`, of the ticket above.
fn also_line(line: &str) -> Option<(String, String)> {
    named_at_end(line.strip_prefix("       Đồng thời: ")?)
}

/// `Lý do gửi: theo quy tắc “Phiếu quá hạn xử lý” (overdue/L1)`
fn reason_line(line: &str) -> Option<(String, String)> {
    named_at_end(line.strip_prefix("Lý do gửi: ")?)
}

fn named_at_end(line: &str) -> Option<(String, String)> {
    let (_, ids) = line.trim().strip_suffix(')')?.rsplit_once('(')?;
    let (rule, step) = ids.split_once('/')?;
    Some((rule.to_owned(), step.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_ends_with_its_reason_and_a_line_may_name_other_rules() {
        let text = "Kính gửi: Sở Y tế\n\n    1. DT1\n       Thời hạn    hạn 17:00\n    2. DT2\n       Đồng thời: Phiếu tồn (carried-over/list)\n\n\
                    trong tháng\n9. Sau đó\n\nLý do gửi: theo quy tắc “Phiếu quá hạn” (overdue/L1)\n2021. Sau đó\n 1000. DT3\n\
                    Lý do gửi: theo quy tắc “Đã xong” (@settled/done)\n";
        let read = sections(text);
        assert_eq!(read[0].tickets, ["DT1", "DT2"]);
        assert_eq!(
            read[0].also,
            [("DT2".to_owned(), "carried-over".to_owned(), "list".to_owned())]
        );
        assert_eq!(read[1].tickets, ["DT3"]);
        assert_eq!((read[1].rule.as_str(), read[1].step.as_str()), ("@settled", "done"));
    }
}
