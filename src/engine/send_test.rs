//! `send-test`: a letter that says it is a test, to each desk of a unit, and a webhook that says so to each of its
//! endpoints. They leave no trace in the store, so that it works beside the daemon and counts nowhere.

use super::letter::{self, Parts};
use crate::channel::Answer;
use crate::channel::mail::MailError;
use crate::channel::smtp::Smtp;
use crate::channel::webhook::{WebhookError, Webhooks};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Desk, Endpoint, OPS, Recipient};
use crate::domain::rule::Channel;
use crate::render::Renderer;
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
    #[error(transparent)]
    Webhooks(#[from] WebhookError),
    #[error("the webhook's message cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// What the other side said to one test.
#[derive(Debug)]
pub struct Tested {
    /// The desk's word, or `webhook`.
    pub what: &'static str,
    /// Addresses, or the endpoint's id.
    pub to: Vec<String>,
    pub answer: Answer,
    /// The template failed and the plain text went out.
    pub failed: Option<String>,
}

/// Sends a test to each desk of a unit that has addresses of its own at the instant, and to each of its endpoints.
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
            sections: vec![letter::bare_section(config, &recipient, TEMPLATE, now)],
            data_as_of: None,
        };
        let view = letter::view(config, parts, now);
        let letter = letter::write(config, renderer, &recipient, view, letter::Going::default(), now)?;
        let from = &config.delivery.from_address;
        let answer = smtp
            .send(&mut connection, from, &recipient.addresses, &letter.bytes)
            .await;
        tested.push(Tested {
            what: recipient.desk.word(),
            to: recipient.addresses,
            answer,
            failed: letter.rendered.failed.map(|failed| failed.to_string()),
        });
    }
    smtp.quit(&mut connection).await;
    tested.extend(post(config, unit, now).await?);
    Ok(tested)
}

async fn post(config: &Config, unit: &str, now: Moment) -> Result<Vec<Tested>, TestError> {
    let webhooks = Webhooks::new(&config.webhooks)?;
    let mut tested = Vec::new();
    for endpoint in endpoints(config, unit, now) {
        let recipient = Recipient {
            unit: unit.to_owned(),
            desk: Desk::Contact,
            wanted: Desk::Contact,
            addresses: vec![endpoint.id.clone()],
            for_want_of_contact: false,
            stands_in_for: None,
        };
        let id = letter::new_id(now);
        let parts = Parts {
            id: &id,
            recipient: &recipient,
            form: Form::Single,
            sections: Vec::new(),
            data_as_of: None,
        };
        let view = letter::view(config, parts, now);
        for page in letter::pages(config, &recipient, &view, now)? {
            let answer = webhooks.post(&endpoint.id, &endpoint.url, &id, &page.body, now).await;
            tested.push(Tested {
                what: Channel::Webhook.word(),
                to: recipient.addresses.clone(),
                answer,
                failed: None,
            });
        }
    }
    Ok(tested)
}

fn endpoints<'a>(config: &'a Config, unit: &str, now: Moment) -> Vec<&'a Endpoint> {
    config.directory.endpoints(unit, config.calendars.base().date_of(now))
}

fn desks(config: &Config, unit: &str, now: Moment) -> Result<Vec<Recipient>, TestError> {
    let on = config.calendars.base().date_of(now);
    let directory = &config.directory;
    let of = |desk| directory.recipient(unit, desk, None, None, on);
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
    if own.is_empty() && endpoints(config, unit, now).is_empty() {
        return Err(TestError::NoContact(letter::unit_name(config, unit, on)));
    }
    Ok(own)
}
