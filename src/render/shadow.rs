//! The mark on what is told in shadow: in the subject, and on top of text and HTML for whom it is meant. It is put on
//! after rendering, so that no template can leave it out.

use super::{Rendered, escape};
use crate::domain::directory::Desk;
use crate::domain::rule::Channel;
use crate::domain::wording::Locale;

/// To whom it would go were the unit live.
#[derive(Debug, Clone, Copy)]
pub struct Intended<'a> {
    pub unit_name: &'a str,
    pub desk: Desk,
    pub channel: Channel,
    /// Addresses; of a webhook the endpoint's id.
    pub addresses: &'a [String],
}

impl Intended<'_> {
    /// What stands at the head of the subject, and on top line by line.
    fn words(&self, locale: Locale) -> (&'static str, [String; 3]) {
        let (unit, to) = (self.unit_name, self.addresses.join(", "));
        match locale {
            Locale::Vi => {
                let desk = match self.desk {
                    Desk::Contact => "đầu mối tiếp nhận",
                    Desk::Clerk => "văn thư",
                    Desk::Head => "lãnh đạo",
                };
                let way = match self.channel {
                    Channel::Email => format!("thư điện tử đến {to}"),
                    Channel::Webhook => format!("webhook “{to}”"),
                };
                let lines = [
                    "CHẠY THỬ – nội dung dưới đây chưa được gửi cho cơ quan nào.".to_owned(),
                    format!("Nơi nhận khi vận hành chính thức: {unit} ({desk})."),
                    format!("Kênh gửi: {way}."),
                ];
                ("[CHẠY THỬ]", lines)
            }
            Locale::En => {
                let way = match self.channel {
                    Channel::Email => format!("mail to {to}"),
                    Channel::Webhook => format!("webhook “{to}”"),
                };
                let lines = [
                    "REHEARSAL – what follows has been sent to no agency.".to_owned(),
                    format!("It is meant for: {unit} ({}).", self.desk.word()),
                    format!("By: {way}."),
                ];
                ("[REHEARSAL]", lines)
            }
        }
    }
}

/// Marks a rendered message.
#[must_use]
pub fn mark(rendered: Rendered, intended: &Intended<'_>, locale: Locale) -> Rendered {
    let (head, lines) = intended.words(locale);
    let rule = "=".repeat(60);
    let cell = lines.each_ref().map(|line| escape(line)).join("<br>");
    let banner = format!(
        "<table role=\"presentation\" width=\"100%\" cellpadding=\"10\" cellspacing=\"0\" border=\"0\"><tr>\
         <td style=\"border:2px solid #8a1f1f;font-family:Arial,Helvetica,sans-serif;font-size:14px;\"><strong>{cell}</strong></td>\
         </tr></table>"
    );
    Rendered {
        subject: format!("{head} {}", rendered.subject),
        text: format!("{rule}\n{}\n{rule}\n\n{}", lines.join("\n"), rendered.text),
        html: within_body(&rendered.html, &banner),
        ..rendered
    }
}

/// Puts something first into the body; in front of all where there is none.
fn within_body(html: &str, first: &str) -> String {
    let body = html
        .find("<body")
        .and_then(|start| Some(start + html[start..].find('>')? + 1));
    let (before, after) = html.split_at(body.unwrap_or(0));
    format!("{before}\n{first}{after}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_the_template_makes_the_mark_stands_on_top() {
        let addresses = ["a@tinh.example".to_owned()];
        let intended = Intended {
            unit_name: "Sở <Y tế>",
            desk: Desk::Head,
            channel: Channel::Email,
            addresses: &addresses,
        };
        for html in ["<html><body style=\"x\"><p>A</p></body></html>", "<p>A</p>"] {
            let rendered = Rendered {
                subject: "[1022] A".into(),
                text: "A".into(),
                html: html.into(),
                files: BTreeSet::new(),
                failed: None,
            };
            let english = mark(rendered.clone(), &intended, Locale::En);
            assert_eq!(english.subject, "[REHEARSAL] [1022] A");
            assert!(english.text.contains("Sở <Y tế> (head)") && english.html.contains("mail to a@tinh.example"));
            let marked = mark(rendered, &intended, Locale::Vi);
            assert_eq!(marked.subject, "[CHẠY THỬ] [1022] A");
            let place = |text: &str, part: &str| text.find(part).expect("it is there");
            assert!(place(&marked.text, "Sở <Y tế> (lãnh đạo)") < place(&marked.text, "\n\nA"));
            assert!(place(&marked.html, "Sở &lt;Y tế&gt; (lãnh đạo)") < place(&marked.html, "<p>A</p>"));
            assert!(marked.html.find("<body").unwrap_or(0) <= place(&marked.html, "CHẠY THỬ"));
        }
    }
}
