//! A letter: what goes on paper for one recipient, rendered and written as a mail. Which tickets stand in it and whether
//! it is sent at all is decided elsewhere.

use chrono::{NaiveDate, Offset};

use crate::channel::mail::{self, Mail, MailError};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{OPS, Recipient};
use crate::render::view::{MessageView, SectionView};
use crate::render::{Rendered, Renderer};
use crate::store::outbox::Form;

/// Says in the mail's header whether it is a digest or speaks of one ticket.
pub const FORM_HEADER: &str = "X-Dondoc-Form";

/// What a letter is made of, beside what the configuration puts on each.
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    pub(super) recipient: &'a Recipient,
    pub(super) form: Form,
    pub(super) sections: Vec<SectionView>,
    /// The ids of the messages to answer to, oldest first.
    pub(super) thread: &'a [String],
    /// When the data are from, where the source cannot be read.
    pub(super) data_as_of: Option<Moment>,
}

/// A letter and the bytes of its mail.
pub(super) struct Letter {
    pub(super) rendered: Rendered,
    pub(super) bytes: Vec<u8>,
}

/// Writes a letter at an instant.
pub(super) fn write(config: &Config, renderer: &Renderer, parts: Parts<'_>, now: Moment) -> Result<Letter, MailError> {
    let Parts { id, recipient, .. } = parts;
    let calendar = config.calendars.of(&recipient.unit);
    let local = |at: Moment| at.with_timezone(&calendar.zone()).naive_local();
    let unit_name = unit_name(config, &recipient.unit, calendar.date_of(now));
    let delivery = &config.delivery;
    let view = MessageView {
        form: match parts.form {
            Form::Digest => crate::render::view::Form::Digest,
            Form::Single => crate::render::view::Form::Single,
        },
        tag: delivery.tag.clone(),
        hotline: delivery.hotline.clone(),
        unit_name: unit_name.clone(),
        desk: recipient.desk.word().to_owned(),
        at: local(now),
        data_as_of: parts.data_as_of.map(local),
        sections: parts.sections,
        contact_line: delivery.contact_line.clone(),
        signature: delivery.signature.lines().map(str::to_owned).collect(),
        message_id: id.to_owned(),
    };
    let rendered = renderer.render(&view);
    let bytes = mail::build(&Mail {
        message_id: id,
        domain: &config.smtp.hello,
        from_name: &delivery.from_name,
        from_address: &delivery.from_address,
        to: &recipient.addresses,
        to_name: &unit_name,
        reply_to: Some(&delivery.reply_to),
        subject: &rendered.subject,
        date: now,
        offset: now.with_timezone(&calendar.zone()).offset().fix(),
        in_reply_to: parts.thread.last().map(String::as_str),
        references: parts.thread,
        text: &rendered.text,
        html: &rendered.html,
        // For filters in mail programs, and for whoever counts.
        headers: &[(FORM_HEADER.to_owned(), parts.form.word().to_owned())],
    })?;
    Ok(Letter { rendered, bytes })
}

/// A unit's name at a date; ops goes by the hotline's.
pub(super) fn unit_name(config: &Config, unit: &str, on: NaiveDate) -> String {
    if unit == OPS {
        return config.delivery.hotline.clone();
    }
    config.directory.unit(unit).map_or(unit, |u| u.name(on)).to_owned()
}

/// A new message's id; later ones sort after earlier ones.
pub(super) fn new_id(now: Moment) -> String {
    let (seconds, nanos) = (now.timestamp().unsigned_abs(), now.timestamp_subsec_nanos());
    uuid::Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanos)).to_string()
}
