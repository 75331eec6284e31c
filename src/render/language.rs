//! The words of letters that stand in no template, and the filters by which templates write dates, numbers and names.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use minijinja::{Environment, Error, ErrorKind, State, Value};

use super::{english, vietnamese};
use crate::domain::monthly::MONTHLY;
use crate::domain::notice::{COMPETENCE, SETTLED};
use crate::domain::obligation::Kind;
use crate::domain::wording::{Locale, Terms, Wording};

/// `05/10/2026`, `5 October 2026`.
pub(super) fn date(locale: Locale, date: NaiveDate) -> String {
    match locale {
        Locale::Vi => vietnamese::date(date),
        Locale::En => english::date(date),
    }
}

/// `17:00 thứ Hai 05/10/2026`, `17:00 on Monday 5 October 2026`.
pub(super) fn deadline(locale: Locale, day: NaiveDate, time: Option<NaiveTime>) -> String {
    match locale {
        Locale::Vi => vietnamese::deadline(day, time),
        Locale::En => english::deadline(day, time),
    }
}

/// `12 phiếu`, `12 tickets`.
pub(super) fn tickets(wording: &Wording, n: i64) -> String {
    match wording.locale {
        Locale::Vi => vietnamese::tickets(n, wording.two_digits),
        Locale::En => english::tickets(n),
    }
}

/// What an alarm's kind is called.
pub(super) fn alarm(locale: Locale, word: &str) -> &str {
    match locale {
        Locale::Vi => vietnamese::alarm(word),
        Locale::En => english::alarm(word),
    }
}

/// What a status of ours is called.
pub(super) fn status(locale: Locale, word: &str) -> &str {
    match locale {
        Locale::Vi => vietnamese::status(word),
        Locale::En => english::status(word),
    }
}

/// What stands first in the subject of a letter on made-up data.
#[must_use]
pub fn sample_tag(locale: Locale) -> &'static str {
    match locale {
        Locale::Vi => "MẪU",
        Locale::En => "SAMPLE",
    }
}

/// Under which endings of what is owed by a directive have their title; tickets' stand under the rule itself.
pub const DUTY_SETTLED: &str = "@settled/obligation";

/// What a unit owes by a directive, in the words of letters (`domain.md` §1.2).
#[must_use]
pub fn duty_title(locale: Locale, kind: Kind) -> &'static str {
    match (locale, kind) {
        (Locale::Vi, Kind::Review) => "tổ chức kiểm điểm rút kinh nghiệm",
        (Locale::En, Kind::Review) => "review and draw lessons",
        (Locale::Vi, Kind::FollowUp) => "xử lý phiếu đang theo dõi kết quả",
        (Locale::En, Kind::FollowUp) => "settle what is under follow-up",
        (Locale::Vi, Kind::Explanation) => "giải trình phiếu chưa hài lòng hoặc chưa hữu ích",
        (Locale::En, Kind::Explanation) => "explain what was rated unsatisfied or not useful",
        (Locale::Vi, Kind::CardResults) => "theo dõi, cập nhật kết quả để trả thẻ căn cước",
        (Locale::En, Kind::CardResults) => "follow the results about identity cards",
        (Locale::Vi, Kind::CitizenInformation) => "giải thích trực tiếp với người dân về cấp thẻ căn cước",
        (Locale::En, Kind::CitizenInformation) => "explain to citizens about identity cards",
    }
}

/// The title of what is told without a rule in a file: endings, and what needs somebody to say who is competent.
#[must_use]
pub fn builtin_title(locale: Locale, rule: &str, step: &str) -> &'static str {
    match (locale, rule, step) {
        (Locale::Vi, COMPETENCE, _) => "Phiếu cần xác định thẩm quyền",
        (Locale::En, COMPETENCE, _) => "Tickets whose competent agency is to be determined",
        (Locale::Vi, MONTHLY, "review-list") => "Danh sách phiếu để rà soát, đối chiếu hàng tháng",
        (Locale::En, MONTHLY, "review-list") => "Monthly list of tickets to be checked",
        (Locale::Vi, MONTHLY, _) => "Thư hàng tháng gửi Văn phòng",
        (Locale::En, MONTHLY, _) => "Monthly letter to the Office",
        (Locale::Vi, DUTY_SETTLED, "extended") => "Thời hạn báo cáo mới",
        (Locale::En, DUTY_SETTLED, "extended") => "New day to reply by",
        (Locale::Vi, DUTY_SETTLED, _) => "Nội dung không còn phải báo cáo",
        (Locale::En, DUTY_SETTLED, _) => "No longer owed",
        (Locale::Vi, SETTLED, "done") => "Đã xử lý xong kể từ lần nhắc trước",
        (Locale::En, SETTLED, "done") => "Settled since the last reminder",
        (Locale::Vi, SETTLED, "rejected") => "Đã từ chối tiếp nhận kể từ lần nhắc trước",
        (Locale::En, SETTLED, "rejected") => "Not taken up, since the last reminder",
        (Locale::Vi, SETTLED, "void") => "Đã hủy hoặc trùng kể từ lần nhắc trước",
        (Locale::En, SETTLED, "void") => "Withdrawn or duplicate, since the last reminder",
        (Locale::Vi, SETTLED, "transferred") => "Đã chuyển cơ quan khác kể từ lần nhắc trước",
        (Locale::En, SETTLED, "transferred") => "Given to another agency since the last reminder",
        (Locale::Vi, SETTLED, "extended") => "Đã được gia hạn kể từ lần nhắc trước",
        (Locale::En, SETTLED, "extended") => "Extended since the last reminder",
        (Locale::Vi, SETTLED, _) => "Phiếu đã kết thúc kể từ lần nhắc trước",
        (Locale::En, SETTLED, _) => "Ended since the last reminder",
        _ => "",
    }
}

/// The words of the built-in text, which serves where a template fails.
pub(super) struct Plain {
    pub to_watch: &'static str,
    pub dear: &'static str,
    pub for_information: &'static str,
    pub due: &'static str,
    pub no_deadline: &'static str,
    pub state: &'static str,
    pub also: &'static str,
    pub why: &'static str,
    pub total: &'static str,
    pub received: &'static str,
    pub done: &'static str,
    pub open: &'static str,
    pub overdue: &'static str,
    pub carried_over: &'static str,
    pub unsatisfied: &'static str,
    pub close: &'static str,
    pub automatic: &'static str,
    pub id: &'static str,
}

pub(super) fn plain(locale: Locale) -> Plain {
    match locale {
        Locale::Vi => Plain {
            to_watch: "cần theo dõi",
            dear: "Kính gửi",
            for_information: " (để biết)",
            due: "hạn",
            no_deadline: "chưa có hạn",
            state: "Tình trạng",
            also: "Đồng thời",
            why: "Lý do gửi",
            total: "Tổng cộng",
            received: "tiếp nhận",
            done: "xử lý xong",
            open: "đang xử lý",
            overdue: "quá hạn",
            carried_over: "tồn từ kỳ trước",
            unsatisfied: "chưa hài lòng",
            close: "Trân trọng.",
            automatic: "Thư tự động, không thay thế văn bản hành chính.",
            id: "Mã thông báo",
        },
        Locale::En => Plain {
            to_watch: "to be looked at",
            dear: "To",
            for_information: " (for information)",
            due: "due",
            no_deadline: "no deadline yet",
            state: "State",
            also: "Also",
            why: "Why this is sent",
            total: "Total",
            received: "received",
            done: "settled",
            open: "open",
            overdue: "overdue",
            carried_over: "carried over",
            unsatisfied: "unsatisfied",
            close: "Yours faithfully,",
            automatic: "Automatic mail; it does not replace an administrative document.",
            id: "Message",
        },
    }
}

/// Adds the filters and functions that write a language.
pub(super) fn add_filters(env: &mut Environment<'static>, wording: &Wording) {
    let locale = wording.locale;
    env.add_filter("ngay", move |v: Value| date_of(&v).map(|d| date(locale, d)));
    env.add_filter("thang", move |v: Value| date_of(&v).map(|d| month(locale, d)));
    env.add_filter("thu", move |v: Value| {
        date_of(&v).map(|d| match locale {
            Locale::Vi => vietnamese::weekday(d).to_owned(),
            Locale::En => english::weekday(d),
        })
    });
    env.add_filter("gio_ngay", move |v: Value| {
        let text = v.as_str().unwrap_or_default();
        let at: NaiveDateTime = text.parse().map_err(|_| bad(&v, "an instant"))?;
        let (time, date) = (at.format("%H:%M"), date(locale, at.date()));
        Ok::<_, Error>(match locale {
            Locale::Vi => format!("{time} ngày {date}"),
            Locale::En => format!("{time} on {date}"),
        })
    });
    env.add_filter("so", move |n: i64| match locale {
        Locale::Vi => vietnamese::integer(n),
        Locale::En => english::integer(n),
    });
    env.add_filter("tang_giam", move |n: i64| match locale {
        Locale::Vi => vietnamese::change(n),
        Locale::En => english::change(n),
    });
    let counted = wording.clone();
    env.add_filter("phieu", move |n: i64| tickets(&counted, n));
    env.add_filter("viec", move |kind: &str| match kind.parse() {
        Ok(kind) => Ok(duty_title(locale, kind)),
        Err(_) => Err(bad(&Value::from(kind), "something that a directive has units owe")),
    });
    env.add_filter("trang_thai", move |word: &str| status(locale, word).to_owned());
    env.add_filter("canh_bao", move |word: &str| alarm(locale, word).to_owned());
    env.add_filter("han", move |v: Value| {
        let day = date_of(&v.get_attr("day")?)?;
        let time = v.get_attr("time")?;
        let time = match time.as_str() {
            Some(text) => Some(text.parse::<NaiveTime>().map_err(|_| bad(&time, "a time"))?),
            None => None,
        };
        Ok::<_, Error>(deadline(locale, day, time))
    });
    let terms = wording.terms.clone();
    env.add_filter("nhan", move |state: &State<'_, '_>, code: &str| {
        let on = message_date(state)?;
        Ok::<_, Error>(terms.name(code, locale, on).unwrap_or(code).to_owned())
    });
    let terms = wording.terms.clone();
    env.add_function("ten", move |state: &State<'_, '_>, id: &str| {
        let on = message_date(state)?;
        let name = terms.name(id, locale, on).map(str::to_owned);
        name.ok_or_else(|| Error::new(ErrorKind::UndefinedError, unknown_term(id, locale, &terms)))
    });
    env.add_filter("xuong_dong", wrap);
    env.add_filter("rong", |v: Value, width: usize| pad(&v.to_string(), width, false));
    env.add_filter("phai", |v: Value, width: usize| pad(&v.to_string(), width, true));
}

/// A month by one of its days.
fn month(locale: Locale, day: NaiveDate) -> String {
    match locale {
        Locale::Vi => day.format("tháng %-m/%Y").to_string(),
        Locale::En => day.format("%B %Y").to_string(),
    }
}

fn unknown_term(id: &str, locale: Locale, terms: &Terms) -> String {
    let hint = match terms
        .ids(locale)
        .min_by_key(|known| strsim::damerau_levenshtein(known, id))
    {
        Some(known) => format!("did you mean `{known}`?"),
        None => "there are no terms".to_owned(),
    };
    format!("terms.toml has no term `{id}` in `{}` ({hint})", locale.word())
}

/// The local date of the message that is being written.
fn message_date(state: &State<'_, '_>) -> Result<NaiveDate, Error> {
    let message = state.lookup("message").ok_or_else(|| {
        Error::new(
            ErrorKind::UndefinedError,
            "there is no message here to take the date from",
        )
    })?;
    date_of(&message.get_attr("at")?)
}

fn date_of(value: &Value) -> Result<NaiveDate, Error> {
    value
        .as_str()
        .and_then(|text| text.get(..10)?.parse().ok())
        .ok_or_else(|| bad(value, "a date"))
}

fn bad(value: &Value, what: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("`{value}` is not {what}"))
}

/// Breaks a paragraph into lines of at most `width` characters; all but the first are indented.
pub(super) fn wrap(text: &str, width: usize, indent: Option<usize>) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = indent.unwrap_or(0);
            out.extend(std::iter::repeat_n(' ', column));
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Fills up with blanks to a width in characters, which are columns in text without combining marks.
fn pad(text: &str, width: usize, right: bool) -> String {
    let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
    if right {
        format!("{blanks}{text}")
    } else {
        format!("{text}{blanks}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paragraph_is_broken_between_words_and_a_long_word_stands_alone() {
        assert_eq!(wrap("một hai  ba\nbốn", 7, None), "một hai\nba bốn");
        assert_eq!(wrap("một hai ba bốn", 9, Some(2)), "một hai\n  ba bốn");
        assert_eq!(
            wrap("a https://rất.dài.example/x b", 8, None),
            "a\nhttps://rất.dài.example/x\nb"
        );
        assert_eq!(wrap("", 8, None), "");
    }

    #[test]
    fn columns_are_counted_in_characters() {
        assert_eq!(pad("Hồng Ngự", 10, false), "Hồng Ngự  ");
        assert_eq!(pad("7", 3, true), "  7");
        assert_eq!(pad("1234", 3, true), "1234");
    }
}
