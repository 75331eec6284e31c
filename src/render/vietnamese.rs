//! Vietnamese dates, numbers and words, as letters write them.

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

/// `17:00 thứ Hai 05/10/2026`; `24:00 thứ Hai 05/10/2026` for the day's end.
#[must_use]
pub fn deadline(day: NaiveDate, time: Option<NaiveTime>) -> String {
    let when = time.map_or("24:00".to_owned(), |t| format!("{:02}:{:02}", t.hour(), t.minute()));
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

/// What stands where a figure is unknown; never nought.
pub const UNKNOWN: &str = "–";

/// `01/8/2021`, `05/02/2021`: days below ten have a nought, and of the months the first two.
#[must_use]
pub fn official(date: NaiveDate) -> String {
    let month = match date.month() {
        month @ 1..=2 => format!("0{month}"),
        month => month.to_string(),
    };
    format!("{}/{month}/{}", date.format("%d"), date.year())
}

/// `99,69%`, `50,00%`, rounded half up in whole numbers, always with two places; `100,00%` and `0,00%` are said only of all
/// and of nothing.
#[must_use]
pub fn share(part: u64, whole: u64) -> String {
    let (part, whole) = (u128::from(part), u128::from(whole));
    if whole == 0 {
        return UNKNOWN.to_owned();
    }
    let rounded = (part * 20_000 + whole) / (2 * whole);
    let hundredths = match rounded {
        0 if part > 0 => 1,
        10_000 if part < whole => 9_999,
        exact => exact,
    };
    format!("{},{:02}%", hundredths / 100, hundredths % 100)
}

/// `tăng 3`, `giảm 12`, `không đổi`.
#[must_use]
pub fn change(n: i64) -> String {
    match n {
        0 => "không đổi".to_owned(),
        1.. => format!("tăng {}", integer(n)),
        _ => format!("giảm {}", integer(-n)),
    }
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

/// What an alarm's kind is called.
#[must_use]
pub fn alarm(word: &str) -> &str {
    match word {
        "source_down" => "Không đọc được cơ sở dữ liệu phiếu",
        "source_stale" => "Cơ sở dữ liệu phiếu lâu không có thay đổi",
        "implausible" => "Số phiếu tăng, giảm bất thường, chưa được ghi nhận, chờ kiểm tra",
        "clock_back" => "Đồng hồ hệ thống bị lùi",
        "reload_refused" => "Cấu hình mới không được nạp",
        "mail_refused" => "Máy chủ thư không nhận thư",
        "storm" => "Số thư vượt giới hạn, đang tạm giữ",
        "template_failed" => "Mẫu thư bị lỗi, đã gửi bằng mẫu dự phòng",
        "dead_letter" => "Thông báo không gửi được",
        "unmapped_status" => "Trạng thái phiếu chưa được khai báo",
        "unknown_agency" => "Tên cơ quan chưa có trong danh bạ",
        "audit_failed" => "Đối soát hằng đêm phát hiện lời nhắc phải gửi nhưng chưa được ghi nhận",
        "figures_unbalanced" => "Số liệu của kỳ báo cáo không cân đối",
        other => other,
    }
}

/// `12 phiếu`, `không có phiếu`; below ten `05 phiếu` where `two_digits`.
#[must_use]
pub fn tickets(n: i64, two_digits: bool) -> String {
    match n {
        0 => "không có phiếu".to_owned(),
        1..10 if two_digits => format!("0{n} phiếu"),
        _ => format!("{} phiếu", integer(n)),
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
        assert_eq!(deadline(day(2021, 9, 5), None), "24:00 Chủ nhật 05/09/2021");
    }

    #[test]
    fn no_ticket_is_not_nought_and_official_papers_write_two_digits() {
        let written: Vec<String> = [0, 1, 9, 10, 6034].map(|n| tickets(n, false)).into();
        assert_eq!(
            written,
            ["không có phiếu", "1 phiếu", "9 phiếu", "10 phiếu", "6.034 phiếu"]
        );
        let written: Vec<String> = [0, 5, 12].map(|n| tickets(n, true)).into();
        assert_eq!(written, ["không có phiếu", "05 phiếu", "12 phiếu"]);
    }

    #[test]
    fn official_dates_have_a_nought_before_days_and_the_first_two_months() {
        let dates = [day(2021, 8, 1), day(2021, 9, 28), day(2022, 2, 5), day(2021, 12, 10)];
        assert_eq!(
            dates.map(official),
            ["01/8/2021", "28/9/2021", "05/02/2022", "10/12/2021"]
        );
    }

    #[test]
    fn shares_have_a_comma_and_are_whole_or_nothing_only_where_they_are() {
        let written = [
            (37389, 37507),
            (1, 2),
            (1, 3),
            (2, 3),
            (0, 5),
            (5, 5),
            (1, 90_000),
            (89_999, 90_000),
            (147, 1000),
        ];
        let written: Vec<String> = written.iter().map(|(part, whole)| share(*part, *whole)).collect();
        assert_eq!(
            written,
            [
                "99,69%", "50,00%", "33,33%", "66,67%", "0,00%", "100,00%", "0,01%", "99,99%", "14,70%"
            ]
        );
        assert_eq!(share(0, 0), "–");
        assert_eq!(share(u64::MAX, u64::MAX), "100,00%");
    }

    #[test]
    fn thousands_have_points() {
        let written: Vec<String> = [0, 37, 999, 1000, 6034, 1_234_567, -2147].map(integer).into();
        assert_eq!(written, ["0", "37", "999", "1.000", "6.034", "1.234.567", "-2.147"]);
    }
}
