//! `dondoc preview`: what a rule's step says, as it would go out now; nothing is stored or sent.

use std::path::Path;

use anyhow::{Context as _, anyhow};
use mail_parser::{MessageParser, MimeHeaders as _};

use super::outbox::{local, readable};
use super::{CliError, instant, load, prepare, renderer, say};
use crate::config::{Config, did_you_mean};
use crate::domain::Moment;
use crate::domain::rule::{Channel, Rule, Step};
use crate::domain::text::nfc;
use crate::engine::{Asked, Engine, Previewed, preview_sample};
use crate::store::Store;
use crate::store::outbox::NewMessage;

/// What the command line asks for.
pub(super) struct Wanted {
    pub(super) rule: String,
    pub(super) step: String,
    pub(super) ticket: Option<String>,
    pub(super) sample: bool,
    pub(super) at: Option<String>,
}

pub(super) async fn run(dir: &Path, wanted: Wanted, out: Option<&Path>) -> Result<(), CliError> {
    let config = load(dir)?;
    let (rule, step) = named(&config, &wanted.rule, &wanted.step)?;
    let (rule, step) = (rule.clone(), step.clone());
    if wanted.sample {
        let now = instant(wanted.at.as_deref(), &config)?;
        let (body, failed) = preview_sample(&config, &renderer(&config)?, &step, now)
            .map_err(|error| CliError::Failed(anyhow!(error)))?;
        let title = format!("{}/{} on made-up data (template {})", rule.id, step.id, step.template);
        say(&format!("{title}\n\n{}", text_of(Channel::Email, &body)));
        write(out, "sample", Channel::Email, &body)?;
        return failed.map_or(Ok(()), |failed| Err(CliError::Failed(anyhow!("template: {failed}"))));
    }
    let store = Store::open_read_only(&config.store.database).await?;
    // As `explain` does: what is known now is what the last turn left.
    let now = match (&wanted.at, store.meta().await?.last_turn_at) {
        (None, Some(last)) => last,
        _ => instant(wanted.at.as_deref(), &config)?,
    };
    let code = wanted.ticket.as_deref().map(nfc);
    let mut engine = Engine::new(prepare(config.clone()).await?, store);
    let asked = Asked {
        rule: &rule,
        step: &step,
        ticket: code.as_deref(),
    };
    let previewed = engine.preview(asked, now).await;
    engine.close().await;
    let previewed = previewed?;
    for (n, message) in (1..).zip(&previewed.messages) {
        let name = format!("{n}-{}-{}", message.unit, message.desk);
        write(out, &name, message.channel, &message.body)?;
    }
    let step = format!("{}/{}", rule.id, step.id);
    if previewed.messages.is_empty() {
        return Err(CliError::Failed(anyhow!(nothing(
            &config,
            &step,
            code.as_deref(),
            &previewed,
            now
        ))));
    }
    say(&shown(&config, &step, code.as_deref(), &previewed, now));
    match previewed.problems.is_empty() {
        true => Ok(()),
        false => Err(CliError::Failed(anyhow!(previewed.problems.join("\n")))),
    }
}

fn named<'a>(config: &'a Config, rule: &str, step: &str) -> Result<(&'a Rule, &'a Step), CliError> {
    let unknown = |what: String, word: &str, known: Vec<&str>| {
        let hint =
            did_you_mean(word, known.iter().copied()).unwrap_or_else(|| format!("known are {}", known.join(", ")));
        CliError::Usage(format!("there is no {what} ({hint})"))
    };
    let rules = &config.rules;
    let found = rules.named(rule).ok_or_else(|| {
        let known = rules.rules.iter().map(|r| r.id.as_str()).collect();
        unknown(format!("rule `{rule}`"), rule, known)
    })?;
    let step_found = found.steps.iter().find(|s| s.id == step).ok_or_else(|| {
        let known = found.steps.iter().map(|s| s.id.as_str()).collect();
        unknown(format!("step `{step}` in rule `{}`", found.id), step, known)
    })?;
    Ok((found, step_found))
}

/// Why there is no message.
fn nothing(config: &Config, step: &str, ticket: Option<&str>, previewed: &Previewed, now: Moment) -> String {
    let at = local(now, config);
    match (ticket, &previewed.not_now) {
        (Some(code), _) if previewed.unknown => format!(
            "ticket {code} is not known at {at}: it was received later, was closed before dondoc's first turn, or is not in the ticket database"
        ),
        (Some(code), Some(verdict)) => format!(
            "{step} says nothing of ticket {code} at {at}: {}: {}",
            verdict.word(),
            verdict.reason()
        ),
        (Some(code), None) => format!("{step} reaches nobody about ticket {code} at {at}"),
        (None, _) => {
            let reasons = previewed.left_out.iter().map(|(word, (count, earliest))| {
                let earliest = earliest.map_or(String::new(), |at| format!(" (the first: {})", local(at, config)));
                format!("{count} {word}{earliest}")
            });
            let reasons: Vec<String> = reasons.collect();
            let why = if reasons.is_empty() {
                "none is known".to_owned()
            } else {
                reasons.join(", ")
            };
            format!(
                "no ticket is told by {step} at {at}: {why}; --ticket CODE shows what one would be told, --sample the words on made-up data"
            )
        }
    }
}

/// The first message with its text; the others in a line each, unless one ticket is asked about.
fn shown(config: &Config, step: &str, ticket: Option<&str>, previewed: &Previewed, now: Moment) -> String {
    let mut text = format!("{step} at {}; nothing is stored or sent\n", local(now, config));
    if let (Some(code), Some(verdict)) = (ticket, &previewed.not_now) {
        let at = verdict
            .at()
            .map_or(String::new(), |at| format!(" {}", local(at, config)));
        text.push_str(&format!(
            "{code} is not told by it now ({}{at}: {}); it would be told this:\n",
            verdict.word(),
            verdict.reason()
        ));
    }
    let in_full = if ticket.is_some() { usize::MAX } else { 1 };
    for message in previewed.messages.iter().take(in_full) {
        text.push_str(&format!("\n── {}\n", heading(message)));
        text.push_str(&text_of(message.channel, &message.body));
    }
    for message in previewed.messages.iter().skip(in_full) {
        text.push_str(&format!("also {}\n", heading(message)));
    }
    text
}

fn heading(message: &NewMessage) -> String {
    format!(
        "{}/{} by {}: {} notices, to {}",
        message.unit,
        message.desk,
        message.channel.word(),
        message.notices.len(),
        message.recipients.join(", ")
    )
}

/// What a reader sees of a message: a mail's headers and text, a webhook's JSON.
fn text_of(channel: Channel, body: &[u8]) -> String {
    let mut text = String::new();
    if let (Channel::Email, Some(mail)) = (channel, MessageParser::default().parse(body)) {
        text.push_str(&format!("Subject: {}\n", mail.subject().unwrap_or_default()));
        for file in mail.attachments().filter_map(|a| a.attachment_name()) {
            text.push_str(&format!("Attached: {file}\n"));
        }
        text.push('\n');
    }
    text + readable(channel.word(), body).trim_end() + "\n"
}

/// Writes a message's files: `.eml`, `.html` and `.xlsx` of a mail, `.json` of a webhook.
fn write(out: Option<&Path>, name: &str, channel: Channel, body: &[u8]) -> Result<(), CliError> {
    let Some(dir) = out else { return Ok(()) };
    let put = |ending: &str, content: &[u8]| {
        let path = dir.join(format!("{name}.{ending}"));
        std::fs::write(&path, content).with_context(|| format!("{} cannot be written", path.display()))
    };
    std::fs::create_dir_all(dir).with_context(|| format!("{} cannot be made", dir.display()))?;
    if channel == Channel::Webhook {
        return Ok(put("json", body)?);
    }
    put("eml", body)?;
    let Some(mail) = MessageParser::default().parse(body) else {
        return Err(CliError::Failed(anyhow!("the mail that was made cannot be read back")));
    };
    if let Some(html) = mail.body_html(0) {
        put("html", html.as_bytes())?;
    }
    for list in mail.attachments() {
        put("xlsx", list.contents())?;
    }
    Ok(())
}
