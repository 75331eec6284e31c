//! A letter: what goes on paper for one recipient, rendered and written as a mail, or as the pages of a webhook. Which
//! tickets stand in it and whether it is sent at all is decided elsewhere.

use std::sync::Mutex;

use chrono::{DateTime, NaiveDate, Offset};
use chrono_tz::Tz;
use uuid::{ClockSequence, ContextV7, NoContext, Timestamp, Uuid};

use crate::channel::mail::{self, Attachment, Mail, MailError};
use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{OPS, Recipient};
use crate::domain::notice::Mode;
use crate::domain::rule::Channel;
use crate::render::annex;
use crate::render::shadow::{self, Intended};
use crate::render::view::{self, Addressee, MessageView, SectionView};
use crate::render::webhook::{self, About, Page};
use crate::render::{Rendered, Renderer, TemplateError};
use crate::store::outbox::{Form, NewMessage};

/// Says in the mail's header whether it is a digest or speaks of one ticket.
pub const FORM_HEADER: &str = "X-Dondoc-Form";

/// Says in the mail's header whether it is the real one or shows in shadow what would be told.
pub const MODE_HEADER: &str = "X-Dondoc-Mode";

/// What a message is made of, beside what the configuration puts on each.
pub(super) struct Parts<'a> {
    pub(super) id: &'a str,
    pub(super) recipient: &'a Recipient,
    pub(super) form: Form,
    pub(super) sections: Vec<SectionView>,
    /// When the data are from, where the source cannot be read.
    pub(super) data_as_of: Option<Moment>,
}

/// A letter and the bytes of its mail.
pub(super) struct Letter {
    /// Where it goes: the recipient's addresses, in shadow ops' box.
    pub(super) recipients: Vec<String>,
    pub(super) rendered: Rendered,
    pub(super) bytes: Vec<u8>,
    /// The list could not be written and is not with it.
    pub(super) annex_failed: Option<String>,
}

/// What a mail that goes by itself is made of: one that composing does not gather from notices.
pub(super) struct Alone<'a> {
    pub(super) mode: Mode,
    pub(super) recipient: &'a Recipient,
    pub(super) sections: Vec<SectionView>,
    pub(super) matter: String,
    /// The ids of the messages to answer to, oldest first.
    pub(super) thread: &'a [String],
    /// When the data are from, where the source cannot be read.
    pub(super) data_as_of: Option<Moment>,
    /// Files that go with it, beside the list of a long digest.
    pub(super) attachments: Vec<Attachment>,
}

/// How a letter goes.
#[derive(Default)]
pub(super) struct Going<'a> {
    /// The ids of the messages to answer to, oldest first.
    pub(super) thread: &'a [String],
    /// In shadow: the channel by which it would have gone.
    pub(super) in_shadow: Option<Channel>,
    /// Files that go with it, beside the list of a long digest.
    pub(super) attachments: Vec<Attachment>,
}

/// Writes a mail that goes by itself: without notices, not urgent, as it is until somebody takes it. The caller adds what
/// is different. With it comes how it was rendered.
pub(super) fn alone(
    config: &Config,
    renderer: &Renderer,
    alone: Alone<'_>,
    now: Moment,
) -> Result<(NewMessage, Rendered), MailError> {
    let Alone { mode, recipient, .. } = alone;
    let id = new_id(now);
    let parts = Parts {
        id: &id,
        recipient,
        form: Form::Single,
        sections: alone.sections,
        data_as_of: alone.data_as_of,
    };
    let view = view(config, parts, now);
    let going = Going {
        thread: alone.thread,
        in_shadow: (mode == Mode::Shadow).then_some(Channel::Email),
        attachments: alone.attachments,
    };
    let letter = write(config, renderer, recipient, view, going, now)?;
    if let Some(failed) = &letter.rendered.failed {
        log_failed(failed);
    }
    let message = NewMessage {
        id,
        mode: mode.word(),
        channel: Channel::Email,
        form: Form::Single,
        unit: recipient.unit.clone(),
        desk: recipient.desk.word(),
        matter: alone.matter,
        digest_key: None,
        recipients: letter.recipients,
        subject: letter.rendered.subject.clone(),
        body: letter.bytes,
        rules: Vec::new(),
        steps: Vec::new(),
        notices: Vec::new(),
        urgent: false,
        replace_at: None,
        approval: None,
    };
    Ok((message, letter.rendered))
}

pub(super) fn log_failed(failed: &TemplateError) {
    tracing::error!(%failed, "a template failed and the plain built-in text went out instead: {failed}");
}

/// What a message says at an instant, whichever way it goes.
pub(super) fn view(config: &Config, parts: Parts<'_>, now: Moment) -> MessageView {
    let Parts { recipient, .. } = parts;
    let calendar = config.calendars.of(&recipient.unit);
    let local = |at: Moment| at.with_timezone(&calendar.zone()).naive_local();
    let delivery = &config.delivery;
    let mut view = MessageView {
        form: match parts.form {
            Form::Digest => view::Form::Digest,
            Form::Single => view::Form::Single,
        },
        tag: delivery.tag.clone(),
        hotline: delivery.hotline.clone(),
        unit_name: unit_name(config, &recipient.unit, calendar.date_of(now)),
        desk: recipient.desk.word().to_owned(),
        at: local(now),
        data_as_of: parts.data_as_of.map(local),
        sections: parts.sections,
        annex: None,
        contact_line: delivery.contact_line.clone(),
        signature: delivery.signature.lines().map(str::to_owned).collect(),
        message_id: parts.id.to_owned(),
    };
    // What goes alone has no list; so no sensitive ticket ever stands in one.
    let lines = view.sections.iter().map(|s| s.lines.len()).sum::<usize>();
    if view.form == view::Form::Digest && delivery.annex_above.is_some_and(|most| lines > most) {
        view.annex = Some(annex::file_name(&view, config.wording.locale));
    }
    view
}

/// Writes a letter to a recipient at an instant. In shadow it is to ops' box and says so.
pub(super) fn write(
    config: &Config,
    renderer: &Renderer,
    recipient: &Recipient,
    mut view: MessageView,
    going: Going<'_>,
    now: Moment,
) -> Result<Letter, MailError> {
    let delivery = &config.delivery;
    let form = match view.form {
        view::Form::Digest => Form::Digest,
        view::Form::Single => Form::Single,
    };
    let Going {
        thread,
        in_shadow,
        mut attachments,
    } = going;
    let mut annex_failed = None;
    if let Some(name) = view.annex.clone() {
        match annex::write(&view, renderer.wording(), now) {
            Ok(content) => attachments.push(Attachment {
                name,
                media_type: annex::MEDIA_TYPE,
                content,
            }),
            // The mail says all of it too.
            Err(failed) => {
                annex_failed = Some(failed.to_string());
                view.annex = None;
            }
        }
    }
    let rendered = renderer.render(&view);
    let (mode, recipients, to_name, rendered) = match in_shadow {
        None => (Mode::Live, recipient.addresses.clone(), &view.unit_name, rendered),
        Some(channel) => {
            let intended = Intended {
                unit_name: &view.unit_name,
                desk: recipient.desk,
                channel,
                addresses: &recipient.addresses,
            };
            let marked = shadow::mark(rendered, &intended, config.wording.locale);
            (Mode::Shadow, config.shadow_box(), &delivery.hotline, marked)
        }
    };
    let bytes = mail::build(&Mail {
        message_id: &view.message_id,
        domain: &config.smtp.hello,
        from_name: &delivery.from_name,
        from_address: &delivery.from_address,
        to: &recipients,
        to_name,
        reply_to: Some(&delivery.reply_to),
        subject: &rendered.subject,
        date: now,
        offset: zoned(config, recipient, now).offset().fix(),
        in_reply_to: thread.last().map(String::as_str),
        references: thread,
        text: &rendered.text,
        html: &rendered.html,
        attachments: &attachments,
        // For filters in mail programs, and for whoever counts.
        headers: &[
            (FORM_HEADER.to_owned(), form.word().to_owned()),
            (MODE_HEADER.to_owned(), mode.word().to_owned()),
        ],
    })?;
    Ok(Letter {
        recipients,
        rendered,
        bytes,
        annex_failed,
    })
}

/// The pages of a message to a recipient's endpoint, all of one batch: the message's id.
pub(super) fn pages(
    config: &Config,
    recipient: &Recipient,
    view: &MessageView,
    now: Moment,
) -> Result<Vec<Page>, serde_json::Error> {
    let about = About {
        id: &view.message_id,
        unit: &recipient.unit,
        desk: recipient.desk.word(),
        at: zoned(config, recipient, now).fixed_offset(),
    };
    webhook::pages(view, &about)
}

/// An instant by a recipient's clock.
fn zoned(config: &Config, recipient: &Recipient, at: Moment) -> DateTime<Tz> {
    at.with_timezone(&config.calendars.of(&recipient.unit).zone())
}

/// A section that tells of no ticket: what is to be said is in its template.
pub(super) fn bare_section(config: &Config, recipient: &Recipient, template: &str, now: Moment) -> SectionView {
    let on = config.calendars.of(&recipient.unit).date_of(now);
    let addressee = Addressee {
        unit_name: unit_name(config, &recipient.unit, on),
        wanted: recipient.wanted.word().to_owned(),
        is_office: recipient.unit == config.directory.office,
        fell_back: false,
        for_want_of_contact: false,
        stands_in_for: None,
    };
    SectionView::bare(template, addressee)
}

/// A unit's name at a date; ops goes by the hotline's.
pub(super) fn unit_name(config: &Config, unit: &str, on: NaiveDate) -> String {
    if unit == OPS {
        return config.delivery.hotline.clone();
    }
    config.directory.unit(unit).map_or(unit, |u| u.name(on)).to_owned()
}

/// A new message's id; those of later instants sort after it.
pub(super) fn new_id(now: Moment) -> String {
    id_of(NoContext, now)
}

fn id_of(context: impl ClockSequence<Output = impl Into<u128>>, now: Moment) -> String {
    let (seconds, nanos) = (now.timestamp().unsigned_abs(), now.timestamp_subsec_nanos());
    Uuid::new_v7(Timestamp::from_unix(context, seconds, nanos)).to_string()
}

/// Ids of many messages: those of one instant too sort as they were made. So what is written together stands together in
/// the store, and is read and marked together.
#[derive(Debug, Default)]
pub(super) struct Ids(Mutex<ContextV7>);

impl Ids {
    pub(super) fn next(&self, now: Moment) -> String {
        id_of(&self.0, now)
    }
}
