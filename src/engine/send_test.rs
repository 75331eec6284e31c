//! `send-test`: a letter that says it is a test, to each desk of a unit. It leaves no trace in the store, so that it works
//! beside the daemon and counts nowhere.

use super::letter::{self, Parts};
use crate::channel::Answer;
use crate::channel::mail::MailError;
use crate::channel::smtp::Smtp;
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Desk, OPS, Recipient};
use crate::render::Renderer;
use crate::render::view::{Addressee, SectionView};
use crate::store::outbox::Form;

/// The base name of the letter's template.
const TEMPLATE: &str = "send-test";

/// Why no test could be sent.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    #[error("`{0}` is not a unit of agencies.toml{1}")]
    UnknownUnit(String, String),
    #[error("{0} has no usable address today; its letters go to ops, `dondoc send-test @ops` tries that")]
    NoContact(String),
    #[error(transparent)]
    Mail(#[from] MailError),
}

/// What the mail server said to the test of one desk.
#[derive(Debug)]
pub struct Tested {
    pub desk: Desk,
    pub addresses: Vec<String>,
    pub answer: Answer,
    /// The template failed and the plain text went out.
    pub failed: Option<String>,
}

/// Sends a test to each desk of a unit that has addresses of its own at the instant.
pub async fn send_test(
    config: &Config,
    renderer: &Renderer,
    unit: &str,
    now: Moment,
) -> Result<Vec<Tested>, TestError> {
    let recipients = desks(config, unit, now)?;
    let smtp = Smtp::new(&config.smtp);
    let mut connection = None;
    let mut tested = Vec::with_capacity(recipients.len());
    for recipient in recipients {
        let id = letter::new_id(now);
        let parts = Parts {
            id: &id,
            recipient: &recipient,
            form: Form::Single,
            sections: vec![section(config, &recipient, now)],
            thread: &[],
            data_as_of: None,
        };
        let letter = letter::write(config, renderer, parts, now)?;
        let from = &config.delivery.from_address;
        let answer = smtp
            .send(&mut connection, from, &recipient.addresses, &letter.bytes)
            .await;
        tested.push(Tested {
            desk: recipient.desk,
            addresses: recipient.addresses,
            answer,
            failed: letter.rendered.failed.map(|failed| failed.to_string()),
        });
    }
    smtp.quit(&mut connection).await;
    Ok(tested)
}

fn desks(config: &Config, unit: &str, now: Moment) -> Result<Vec<Recipient>, TestError> {
    let on = config.calendars.base().date_of(now);
    let directory = &config.directory;
    let of = |desk| directory.recipient(unit, false, desk, None, None, on);
    if unit == OPS {
        return Ok(vec![of(Desk::Contact)]);
    }
    if directory.unit(unit).is_none() {
        let meant = directory.find(unit, on);
        let hint = meant.map_or(String::new(), |u| format!("; its id is `{}`", u.id));
        return Err(TestError::UnknownUnit(unit.to_owned(), hint));
    }
    let desks = [Desk::Contact, Desk::Clerk, Desk::Head].map(of);
    let own: Vec<Recipient> = desks
        .into_iter()
        .filter(|r| !r.for_want_of_contact && r.desk == r.wanted)
        .collect();
    if own.is_empty() {
        return Err(TestError::NoContact(letter::unit_name(config, unit, on)));
    }
    Ok(own)
}

fn section(config: &Config, recipient: &Recipient, now: Moment) -> SectionView {
    let on = config.calendars.of(&recipient.unit).date_of(now);
    SectionView {
        template: TEMPLATE.to_owned(),
        rule: String::new(),
        step: String::new(),
        rule_title: String::new(),
        when: String::new(),
        addressee: Addressee {
            unit_name: letter::unit_name(config, &recipient.unit, on),
            wanted: recipient.wanted.word().to_owned(),
            is_office: recipient.unit == config.directory.office,
            fell_back: false,
            for_want_of_contact: false,
        },
        for_information: false,
        opening: false,
        reminder: 0,
        earlier: Vec::new(),
        lines: Vec::new(),
        settled: false,
    }
}
