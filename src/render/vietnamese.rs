//! Vietnamese dates, numbers and words, as letters write them. The only place that formats for people who read mails.

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike, Weekday};

/// `05/10/2026`.
#[must_use]
pub fn date(date: NaiveDate) -> String {
    date.format("%d/%m/%Y").to_string()
}

/// `thứ Hai` … `Chủ nhật`.
#[must_use]
pub fn weekday(date: NaiveDate) -> &'static str {
    match date.weekday() {
        Weekday::Mon => "thứ Hai",
        Weekday::Tue => "thứ Ba",
        Weekday::Wed => "thứ Tư",
        Weekday::Thu => "thứ Năm",
        Weekday::Fri => "thứ Sáu",
        Weekday::Sat => "thứ Bảy",
        Weekday::Sun => "Chủ nhật",
    }
}

/// `17:00 thứ Hai 05/10/2026`, or `hết ngày thứ Hai 05/10/2026` on a day without office hours.
///
/// A deadline at midnight is the end of the day before: `00:00 thứ Ba 06/10` is easily read as a whole day more.
#[must_use]
pub fn deadline(day: NaiveDate, time: Option<NaiveTime>) -> String {
    let (day, time) = match (time, day.pred_opt()) {
        (Some(NaiveTime::MIN), Some(before)) => (before, None),
        _ => (day, time),
    };
    let when = time.map_or("hết ngày".to_owned(), |t| {
        format!("{:02}:{:02}", t.hour(), t.minute())
    });
    format!("{when} {} {}", weekday(day), date(day))
}

/// `6.034`, `-2.147`.
#[must_use]
pub fn integer(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push('.');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

/// What a status of ours is called.
#[must_use]
pub fn status(word: &str) -> &str {
    match word {
        "open" => "đang xử lý",
        "waiting" => "chờ bổ sung, phối hợp",
        "answered" => "đã trả lời",
        "closed" => "đã đóng",
        "rejected" => "từ chối tiếp nhận",
        "void" => "trùng hoặc hủy",
        other => other,
    }
}

/// What the codes of fields and stages that ship are called; other codes are shown as they are.
#[must_use]
pub fn label(code: &str) -> &str {
    match code {
        "dat_dai" => "đất đai",
        "bao_tro" => "chính sách bảo trợ",
        "giao_thong" => "giao thông vận tải",
        "y_te" => "y tế",
        "cccd" => "cấp căn cước công dân",
        "bhxh" => "bảo hiểm xã hội",
        "tu_phap" => "tư pháp",
        "dien" => "điện",
        "nuoc" => "cấp nước",
        "moi_truong" => "môi trường",
        "giao_duc" => "giáo dục",
        "covid_ho_tro" => "hỗ trợ do Covid-19",
        "xay_dung" => "xây dựng",
        "nong_nghiep" => "nông nghiệp",
        "an_ninh" => "an ninh trật tự",
        "vien_thong" => "viễn thông",
        "lao_dong" => "lao động, việc làm",
        "thue" => "thuế",
        "not_sent" => "chưa gửi C06",
        "at_c06" => "đang chờ C06",
        "card_arrived" => "thẻ đã về, chưa trả",
        "data_wrong" => "sai thông tin, chờ bổ sung",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).expect("a date")
    }

    #[test]
    fn deadlines_are_absolute() {
        assert_eq!(
            deadline(day(2026, 10, 5), NaiveTime::from_hms_opt(17, 0, 0)),
            "17:00 thứ Hai 05/10/2026"
        );
        assert_eq!(deadline(day(2021, 9, 5), None), "hết ngày Chủ nhật 05/09/2021");
    }

    #[test]
    fn midnight_is_the_end_of_the_day_before() {
        assert_eq!(
            deadline(day(2021, 8, 3), Some(NaiveTime::MIN)),
            "hết ngày thứ Hai 02/08/2021"
        );
        assert_eq!(
            deadline(day(2021, 8, 3), NaiveTime::from_hms_opt(0, 1, 0)),
            "00:01 thứ Ba 03/08/2021"
        );
    }

    #[test]
    fn thousands_have_points() {
        let written: Vec<String> = [0, 37, 999, 1000, 6034, 1_234_567, -2147].map(integer).into();
        assert_eq!(written, ["0", "37", "999", "1.000", "6.034", "1.234.567", "-2.147"]);
    }
}
