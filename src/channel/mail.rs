//! From the parts of a mail to the bytes that are kept and sent.
//!
//! The bytes depend on nothing but the arguments: same parts, same bytes, on every attempt and in every test. What a
//! mail says is made elsewhere; how it travels is in [`super::smtp`].

use std::time::SystemTime;

use chrono::FixedOffset;
use lettre::address::Envelope;
use lettre::message::header::{self, ContentTransferEncoding, ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Mailboxes, Message, MessageBuilder, MultiPart, SinglePart};
use lettre::{Address, error::Error as BuildError};

use crate::domain::Moment;

/// Longest line RFC 5322 allows, without its CRLF.
const LONGEST_LINE: usize = 998;

/// The parts of one mail. Texts are any UTF-8; line breaks in header values become spaces.
#[derive(Debug, Clone)]
pub struct Mail<'a> {
    /// The message's own id; `Message-ID` becomes `<message_id@domain>`.
    pub message_id: &'a str,
    /// The domain of every id written without one: our name in EHLO.
    pub domain: &'a str,
    pub from_name: &'a str,
    pub from_address: &'a str,
    /// The boxes of one recipient unit; at least one.
    pub to: &'a [String],
    /// The unit's name, shown with each of its boxes; empty = none.
    pub to_name: &'a str,
    pub reply_to: Option<&'a str>,
    pub subject: &'a str,
    pub date: Moment,
    /// The offset `Date` is written in; the instant is the same in any.
    pub offset: FixedOffset,
    /// An id with its domain, or without (then `domain` is added); no angle brackets.
    pub in_reply_to: Option<&'a str>,
    /// Ids like `in_reply_to`, oldest first.
    pub references: &'a [String],
    pub text: &'a str,
    pub html: &'a str,
    pub attachments: &'a [Attachment],
    /// More headers by name and value, such as `X-Dondoc-Rule`. None may touch what is set here.
    pub headers: &'a [(String, String)],
}

/// A file that goes with a mail.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// ASCII without quotes and backslashes, at most 120 characters: what every mail program shows right.
    pub name: String,
    pub media_type: &'static str,
    pub content: Vec<u8>,
}

/// Why a mail could not be built. All of these are faults of the parts; another attempt changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    #[error("`{address}` in {header} is not an address mail can go to{hint}")]
    Address {
        header: &'static str,
        address: String,
        hint: &'static str,
    },
    #[error("a mail needs a recipient")]
    NoRecipient,
    #[error("`{0}` cannot stand in a message id")]
    MessageId(String),
    #[error("header `{0}` cannot be set")]
    Header(String),
    #[error("`{0}` is not a media type")]
    MediaType(&'static str),
    #[error("`{0}` is no name that a file of a mail can have")]
    FileName(String),
    #[error("a line of {0} bytes is longer than mail allows (998)")]
    LongLine(usize),
    #[error("the mail could not be put together")]
    Build(#[from] BuildError),
}

/// The mail as RFC 5322 bytes: ASCII only, CRLF line ends throughout, no line over 998 bytes.
///
/// # Errors
/// When an address, an id or a header name is not one, or an unbreakable word makes a line too long.
pub fn build(mail: &Mail<'_>) -> Result<Vec<u8>, MailError> {
    let mut message = headed(mail)?.multipart(content(mail)?)?;
    // lettre writes dates in UTC only; readers in an office look for their own time of day.
    let date = mail
        .date
        .with_timezone(&mail.offset)
        .format("%a, %d %b %Y %H:%M:%S %z")
        .to_string();
    set(&mut message, "Date", &date)?;
    set(&mut message, "Auto-Submitted", "auto-generated")?;
    set(&mut message, "Precedence", "bulk")?;
    for (name, value) in mail.headers {
        if !may_be_added(&message, name) {
            return Err(MailError::Header(name.clone()));
        }
        set(&mut message, name, value)?;
    }
    checked(message.formatted())
}

/// The address, from and threading headers.
fn headed(mail: &Mail<'_>) -> Result<MessageBuilder, MailError> {
    if mail.to.is_empty() {
        return Err(MailError::NoRecipient);
    }
    let to = mailboxes("To", mail.to_name, mail.to.iter().map(String::as_str))?;
    // Nobody asks for it, but lettre would read the addresses back from the headers to have one.
    let envelope = Envelope::new(None, to.iter().map(|mailbox| mailbox.email.clone()).collect())?;
    let mut builder = Message::builder()
        .envelope(envelope)
        // Some date must be there, or lettre reads the clock; `build` writes the one that stays.
        .date(SystemTime::UNIX_EPOCH)
        .message_id(Some(bracketed(mail.message_id, mail.domain)?))
        .header(header::From::from(mailboxes(
            "From",
            mail.from_name,
            [mail.from_address],
        )?))
        .subject(header_text(mail.subject))
        // All boxes at once: adding one by one, lettre reads the former back and forgets them if it can't.
        .header(header::To::from(to));
    if let Some(address) = mail.reply_to {
        builder = builder.header(header::ReplyTo::from(mailboxes("Reply-To", "", [address])?));
    }
    if let Some(id) = mail.in_reply_to {
        builder = builder.in_reply_to(bracketed(id, mail.domain)?);
    }
    if !mail.references.is_empty() {
        let ids: Result<Vec<_>, _> = mail.references.iter().map(|id| bracketed(id, mail.domain)).collect();
        builder = builder.references(ids?.join(" "));
    }
    Ok(builder)
}

/// The text in both forms, and the files beside it.
fn content(mail: &Mail<'_>) -> Result<MultiPart, MailError> {
    let id: String = mail
        .message_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    let alternative = alternative(mail, &id);
    if mail.attachments.is_empty() {
        return Ok(alternative);
    }
    // As with `=_` below; and neither boundary begins with the other.
    let mut mixed = MultiPart::mixed().boundary(format!("=-{id}")).multipart(alternative);
    for Attachment {
        name,
        media_type,
        content,
    } in mail.attachments
    {
        let kind = ContentType::parse(media_type).map_err(|_| MailError::MediaType(media_type))?;
        // A copy of the bytes in base64, whatever they are.
        let encoding = ContentTransferEncoding::Base64;
        let body = Body::new_with_encoding(content.clone(), encoding).unwrap_or_else(Body::new);
        let file = SinglePart::builder().header(kind).header(Disposition::of(name)?);
        mixed = mixed.singlepart(file.body(body));
    }
    Ok(mixed)
}

/// `Content-Disposition` with the name in one piece: lettre cuts a longer one up by RFC 2231, which old Outlook does not
/// put together again.
#[derive(Clone)]
struct Disposition(HeaderValue);

impl Disposition {
    fn of(name: &str) -> Result<Disposition, MailError> {
        let plain = |c: char| (c.is_ascii_graphic() || c == ' ') && !matches!(c, '"' | '\\');
        if name.is_empty() || name.len() > 120 || !name.chars().all(plain) {
            return Err(MailError::FileName(header_text(name)));
        }
        let value = |between| format!("attachment;{between}filename=\"{name}\"");
        Ok(Disposition(HeaderValue::dangerous_new_pre_encoded(
            Disposition::name(),
            value(" "),
            value("\r\n "),
        )))
    }
}

impl Header for Disposition {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Content-Disposition")
    }

    fn parse(value: &str) -> Result<Disposition, Box<dyn std::error::Error + Send + Sync>> {
        let name = value
            .split_once("filename=\"")
            .and_then(|(_, name)| name.strip_suffix('"'));
        Ok(Disposition::of(name.unwrap_or_default())?)
    }

    fn display(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// The text, and the same as HTML.
fn alternative(mail: &Mail<'_>, id: &str) -> MultiPart {
    // `=_` cannot occur in quoted-printable, so no text can contain its own boundary.
    MultiPart::alternative()
        .boundary(format!("=_{id}"))
        .singlepart(part(ContentType::TEXT_PLAIN, mail.text))
        .singlepart(part(ContentType::TEXT_HTML, mail.html))
}

/// One part, always quoted-printable: no long lines, no trailing spaces lost, no line that starts with `From `.
fn part(kind: ContentType, content: &str) -> SinglePart {
    let lines = content.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    // lettre would encode it the same way, after it has looked what would be best and gone back to each line's end.
    let encoded = quoted_printable::encode(lines);
    let body = Body::dangerous_pre_encoded(encoded, ContentTransferEncoding::QuotedPrintable);
    SinglePart::builder().header(kind).body(body)
}

/// The addresses, each under the same name; an empty name is none.
fn mailboxes<'a>(
    header: &'static str,
    name: &str,
    addresses: impl IntoIterator<Item = &'a str>,
) -> Result<Mailboxes, MailError> {
    let name = Some(header_text(name)).filter(|n| !n.is_empty());
    let boxes = addresses
        .into_iter()
        .map(|a| Ok(Mailbox::new(name.clone(), parse_address(header, a)?)));
    boxes.collect::<Result<Vec<_>, MailError>>().map(Mailboxes::from_iter)
}

fn parse_address(header: &'static str, address: &str) -> Result<Address, MailError> {
    let bad = |hint| MailError::Address {
        header,
        address: header_text(address),
        hint,
    };
    if !address.is_ascii() {
        return Err(bad(
            "; write its domain in punycode (xn--…), the part before the @ without diacritics",
        ));
    }
    if address.chars().any(|c| c.is_control()) {
        return Err(bad(""));
    }
    address.parse().map_err(|_| bad(""))
}

/// `<id@domain>`, the domain only added where the id has none.
fn bracketed(id: &str, domain: &str) -> Result<String, MailError> {
    let whole = if id.contains('@') {
        id.to_owned()
    } else {
        format!("{id}@{domain}")
    };
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '(' | ')' | '"' | '\\' | ',' | ';');
    match whole.split_once('@') {
        Some((left, right))
            if !left.is_empty() && !right.is_empty() && !right.contains('@') && whole.chars().all(plain) =>
        {
            Ok(format!("<{whole}>"))
        }
        _ => Err(MailError::MessageId(header_text(id))),
    }
}

/// Sets a header that lettre has no type for; overwrites.
fn set(message: &mut Message, name: &str, value: &str) -> Result<(), MailError> {
    let bad = |_| MailError::Header(header_text(name));
    let header = HeaderName::new_from_ascii(name.to_owned()).map_err(bad)?;
    message
        .headers_mut()
        .insert_raw(HeaderValue::new(header, header_text(value)));
    Ok(())
}

/// Added headers have a plain name, replace nothing, and open neither another envelope nor another kind of body.
fn may_be_added(message: &Message, name: &str) -> bool {
    const OURS: [&str; 7] = [
        "cc",
        "bcc",
        "sender",
        "reply-to",
        "in-reply-to",
        "references",
        "return-path",
    ];
    let lower = name.to_ascii_lowercase();
    let plain = !name.is_empty() && name.len() <= 60 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let taken = message.headers().get_raw(name).is_some() || OURS.contains(&lower.as_str());
    plain && !taken && !lower.starts_with("content-") && !lower.starts_with("resent-")
}

/// A header value on one line, its words a single space apart: line breaks cannot start another header, and where two
/// spaces stand beside an encoded word lettre may lose both.
fn header_text(value: &str) -> String {
    let words = value
        .split(|c: char| c.is_control() || c.is_whitespace())
        .filter(|w| !w.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn checked(bytes: Vec<u8>) -> Result<Vec<u8>, MailError> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', &bytes).chain([bytes.len()]) {
        // Without the CR before it.
        let length = (end - start).saturating_sub(1);
        if length > LONGEST_LINE {
            return Err(MailError::LongLine(length));
        }
        start = end + 1;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use mail_parser::{HeaderForm, MessageParser, MimeHeaders};
    use proptest::prelude::*;

    use super::*;

    fn noon() -> Moment {
        "2021-08-30T08:00:05Z".parse::<DateTime<Utc>>().unwrap()
    }

    fn to() -> Vec<String> {
        vec!["vanthu.soyte@dongthap.example".to_owned()]
    }

    fn mail<'a>(to: &'a [String]) -> Mail<'a> {
        Mail {
            message_id: "01890a5d-ac96-774b-bcce-b302099a8057",
            domain: "1022.dongthap.example",
            from_name: "Tổng đài 1022 Đồng Tháp",
            from_address: "dondoc@dongthap.example",
            to,
            to_name: "Sở Y tế",
            reply_to: Some("truc1022@dongthap.example"),
            subject: "[1022] Nhắc việc",
            date: noon(),
            offset: FixedOffset::east_opt(7 * 3600).unwrap(),
            in_reply_to: None,
            references: &[],
            text: "Kính gửi Sở Y tế,\n\nCòn 3 phiếu quá hạn.\n",
            html: "<p>Kính gửi <b>Sở Y tế</b></p>\n",
            attachments: &[],
            headers: &[],
        }
    }

    fn well_formed(bytes: &[u8]) {
        assert!(bytes.is_ascii());
        assert!(bytes.ends_with(b"\r\n"));
        let text = std::str::from_utf8(bytes).unwrap();
        assert!(
            text.split("\r\n")
                .all(|line| line.len() <= 998 && !line.contains(['\r', '\n']))
        );
    }

    #[test]
    fn a_mail_reads_back_as_it_was_written() {
        let (to, references) = (to(), vec!["matter-7".to_owned(), "old@khac.example".to_owned()]);
        let bytes = build(&Mail {
            in_reply_to: Some("matter-7"),
            references: &references,
            headers: &[("X-Dondoc-Rule".to_owned(), "quá hạn".to_owned())],
            ..mail(&to)
        })
        .unwrap();
        well_formed(&bytes);
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(
            read.message_id(),
            Some("01890a5d-ac96-774b-bcce-b302099a8057@1022.dongthap.example")
        );
        assert_eq!(read.in_reply_to().as_text(), Some("matter-7@1022.dongthap.example"));
        assert_eq!(
            read.references().as_text_list().unwrap(),
            ["matter-7@1022.dongthap.example", "old@khac.example"]
        );
        let from = read.from().unwrap().first().unwrap();
        assert_eq!(
            (from.name(), from.address()),
            (Some("Tổng đài 1022 Đồng Tháp"), Some("dondoc@dongthap.example"))
        );
        let unit = read.to().unwrap().first().unwrap();
        assert_eq!(
            (unit.name(), unit.address()),
            (Some("Sở Y tế"), Some("vanthu.soyte@dongthap.example"))
        );
        assert_eq!(
            read.reply_to().unwrap().first().unwrap().address(),
            Some("truc1022@dongthap.example")
        );
        assert_eq!(read.subject(), Some("[1022] Nhắc việc"));
        assert_eq!(read.date().unwrap().to_rfc3339(), "2021-08-30T15:00:05+07:00");
        let texts = |name: &'static str| {
            read.header_as(name, HeaderForm::Text)
                .into_iter()
                .map(|v| v.into_text().unwrap())
        };
        assert_eq!(texts("X-Dondoc-Rule").collect::<Vec<_>>(), ["quá hạn"]);
        assert_eq!(texts("Auto-Submitted").collect::<Vec<_>>(), ["auto-generated"]);
        assert_eq!(texts("Precedence").collect::<Vec<_>>(), ["bulk"]);
        assert_eq!(
            read.body_text(0).unwrap(),
            "Kính gửi Sở Y tế,\r\n\r\nCòn 3 phiếu quá hạn.\r\n"
        );
        assert_eq!(read.body_html(0).unwrap(), "<p>Kính gửi <b>Sở Y tế</b></p>\r\n");
        let kind = read.parts.first().and_then(|p| p.content_type()).unwrap();
        assert_eq!((kind.ctype(), kind.subtype()), ("multipart", Some("alternative")));
    }

    #[test]
    fn the_same_parts_make_the_same_bytes() {
        assert_eq!(build(&mail(&to())).unwrap(), build(&mail(&to())).unwrap());
    }

    #[test]
    fn the_date_is_written_in_local_time() {
        let text = String::from_utf8(build(&mail(&to())).unwrap()).unwrap();
        assert!(text.contains("Date: Mon, 30 Aug 2021 15:00:05 +0700\r\n"), "{text}");
        assert_eq!(text.matches("Date:").count(), 1);
    }

    #[test]
    fn a_subject_of_two_hundred_marked_letters_comes_back_whole() {
        let to = to();
        for subject in [
            "ếữđ".repeat(67),
            "ế ữ đ ".repeat(34).trim().to_owned(),
            format!("[1022] {}", "Đôn đốc xử lý phiếu quá hạn; ".repeat(7).trim()),
        ] {
            assert!(subject.chars().count() >= 200);
            let bytes = build(&Mail {
                subject: &subject,
                to_name: &subject,
                ..mail(&to)
            })
            .unwrap();
            well_formed(&bytes);
            let read = MessageParser::default().parse(&bytes).unwrap();
            assert_eq!(read.subject(), Some(subject.as_str()));
            assert_eq!(read.to().unwrap().first().unwrap().name(), Some(subject.as_str()));
            let encoded = String::from_utf8(bytes).unwrap();
            let words = encoded.split_whitespace().filter(|w| w.starts_with("=?"));
            assert!(words.clone().count() > 2 && words.clone().all(|w| w.len() <= 75));
        }
    }

    #[test]
    fn nothing_in_a_value_starts_another_header() {
        let attack = "Nhắc việc\r\nBcc: ai@do.example\r\n\r\n<script>\n\rX-Lạ: có";
        let to = to();
        let bytes = build(&Mail {
            subject: attack,
            from_name: attack,
            to_name: attack,
            headers: &[("X-Dondoc-Rule".to_owned(), attack.to_owned())],
            ..mail(&to)
        })
        .unwrap();
        well_formed(&bytes);
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert!(read.bcc().is_none() && read.header("X-Lạ").is_none());
        assert_eq!(read.to().unwrap().iter().count(), 1);
        assert!(read.subject().unwrap().starts_with("Nhắc việc Bcc: ai@do.example"));
        let plain = "Nhac viec\r\nBcc: ai@do.example";
        let bytes = build(&Mail {
            subject: plain,
            from_name: plain,
            ..mail(&to)
        })
        .unwrap();
        assert!(MessageParser::default().parse(&bytes).unwrap().bcc().is_none());
    }

    #[test]
    fn a_file_goes_beside_the_text_under_its_name_and_byte_for_byte() {
        let to = to();
        let long = format!("{}.xlsx", "x ".repeat(57).trim());
        let names = ["Danh sach phieu - So Y te - 2021-09-14.xlsx", "a.bin", &long];
        let content: Vec<u8> = (0..=255).cycle().take(5000).collect();
        let attachments = names.map(|name| Attachment {
            name: name.to_owned(),
            media_type: "application/octet-stream",
            content: content.clone(),
        });
        let parts = Mail {
            attachments: &attachments,
            ..mail(&to)
        };
        let bytes = build(&parts).unwrap();
        assert_eq!(build(&parts).unwrap(), bytes, "same parts, same bytes");
        well_formed(&bytes);
        let read = MessageParser::default().parse(&bytes).unwrap();
        assert_eq!(
            read.body_text(0).unwrap(),
            "Kính gửi Sở Y tế,\r\n\r\nCòn 3 phiếu quá hạn.\r\n"
        );
        assert_eq!(read.body_html(0).unwrap(), "<p>Kính gửi <b>Sở Y tế</b></p>\r\n");
        let found: Vec<_> = read
            .attachments()
            .map(|a| (a.attachment_name(), a.contents()))
            .collect();
        assert_eq!(found, names.map(|name| (Some(name), content.as_slice())));
        let written = String::from_utf8(bytes).unwrap();
        assert!(!written.contains("filename*"), "no name is cut or encoded");
        for bad in ["", "Danh sách.xlsx", "a\"b", "a\\b", "a\r\nX: y", &"x".repeat(121)] {
            let attachments = [Attachment {
                name: bad.to_owned(),
                ..attachments[0].clone()
            }];
            let parts = Mail {
                attachments: &attachments,
                ..mail(&to)
            };
            assert!(matches!(build(&parts), Err(MailError::FileName(_))), "{bad}");
        }
    }

    #[test]
    fn what_is_no_address_or_id_is_refused() {
        for bad in [
            "sở@dongthap.example",
            "soyte@đồngtháp.example",
            "a@b.example\r\nRCPT TO:<c@d>",
            "soyte",
            "",
            "a@b c",
        ] {
            let to = [bad.to_owned()];
            assert!(
                matches!(build(&mail(&to)), Err(MailError::Address { header: "To", .. })),
                "{bad}"
            );
            let ok = self::to();
            assert!(
                build(&Mail {
                    from_address: bad,
                    ..mail(&ok)
                })
                .is_err(),
                "{bad}"
            );
            assert!(
                build(&Mail {
                    reply_to: Some(bad),
                    ..mail(&ok)
                })
                .is_err(),
                "{bad}"
            );
        }
        assert!(matches!(build(&mail(&[])), Err(MailError::NoRecipient)));
        for bad in ["", "a\r\nX: y", "a b", "a>b", "a@", "@b", "a@b@c"] {
            assert!(
                matches!(
                    build(&Mail {
                        message_id: bad,
                        ..mail(&to())
                    }),
                    Err(MailError::MessageId(_))
                ),
                "{bad}"
            );
            assert!(matches!(
                build(&Mail {
                    in_reply_to: Some(bad),
                    ..mail(&to())
                }),
                Err(MailError::MessageId(_))
            ));
        }
    }

    #[test]
    fn an_added_header_can_neither_replace_nor_redirect() {
        let to = to();
        for bad in [
            "From",
            "date",
            "BCC",
            "Cc",
            "Content-Type",
            "MIME-Version",
            "X Y",
            "X:Y",
            "X\r\nY",
            "Đ",
            "",
        ] {
            let headers = [(bad.to_owned(), "x".to_owned())];
            assert!(
                matches!(
                    build(&Mail {
                        headers: &headers,
                        ..mail(&to)
                    }),
                    Err(MailError::Header(_))
                ),
                "{bad}"
            );
        }
    }

    #[test]
    fn a_word_too_long_for_a_line_is_told_not_sent() {
        let to = to();
        let subject = "x".repeat(1200);
        assert!(matches!(
            build(&Mail {
                subject: &subject,
                ..mail(&to)
            }),
            Err(MailError::LongLine(_))
        ));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_text_comes_back(
            text in "[ -~\\n\\tếữđĐ.=]{0,300}",
            subject in "[a-z ếữđĐ:,<>\"()@]{1,120}",
            name in "[a-zA-Z -~ếữđĐ]{0,40}",
        ) {
            let to = [to().remove(0), "vp@dongthap.example".to_owned()];
            let html = format!("<pre>{text}</pre>");
            let bytes = build(&Mail { text: &text, html: &html, subject: &subject, from_name: &name, to_name: &name, ..mail(&to) });
            let bytes = bytes.unwrap();
            well_formed(&bytes);
            let read = MessageParser::default().parse(&bytes).unwrap();
            let name = header_text(&name);
            let shown = |a: &mail_parser::Addr<'_>| {
                (a.name().unwrap_or_default().to_owned(), a.address().unwrap_or_default().to_owned())
            };
            let written = |address: &str| (name.clone(), address.to_owned());
            let read_to: Vec<_> = read.to().unwrap().iter().map(shown).collect();
            let read_from: Vec<_> = read.from().unwrap().iter().map(shown).collect();
            prop_assert_eq!(read_to, to.iter().map(|a| written(a)).collect::<Vec<_>>());
            prop_assert_eq!(read_from, [written("dondoc@dongthap.example")]);
            prop_assert_eq!(read.body_text(0).unwrap(), text.replace('\n', "\r\n"));
            prop_assert_eq!(read.body_html(0).unwrap(), html.replace('\n', "\r\n"));
            let words = subject.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(read.subject().unwrap_or_default(), words);
        }
    }
}
