//! A month in which everything is known: the case's August, with made-up units' shares of it.

use chrono::{NaiveDate, NaiveDateTime};
use dondoc::domain::papers::{Paper, Papers};
use dondoc::render::report::view::{
    BalanceRow, CardsView, CountView, DirectiveView, DocumentView, FiguresView, FormulaView, IdentityView, MonthView,
    ObligationKind, ObligationState, ObligationView, OverdueView, PeriodView, RemindersView, ReportView, RowKind,
    Share, Standing, UnitReminders, in_order,
};

pub fn day(y: i32, m: u32, d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(y, m, d).expect("a date")
}

fn lines(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

pub fn papers() -> Papers {
    let office = ["KT. CHÁNH VĂN PHÒNG", "PHÓ CHÁNH VĂN PHÒNG"];
    Papers {
        superior: "ỦY BAN NHÂN DÂN\nTỈNH ĐỒNG THÁP".to_owned(),
        office: "VĂN PHÒNG".to_owned(),
        committee: "Ủy ban nhân dân tỉnh".to_owned(),
        place: "Đồng Tháp".to_owned(),
        bases: lines(&[
            "Thực hiện Quy chế phối hợp tiếp nhận, xử lý và trả lời yêu cầu, phản ánh, kiến nghị của người dân, doanh nghiệp qua \
             Tổng đài 1022;",
        ]),
        cards_unit: Some("CAT".to_owned()),
        report: Paper {
            symbol: "BC-VPUBND".to_owned(),
            to: Vec::new(),
            signer: lines(&office),
            copies: lines(&[
                "Như trên",
                "Các Phó Chủ tịch UBND tỉnh",
                "Chánh Văn phòng, các PCVP UBND tỉnh",
                "Lưu: VT, KSTT",
            ]),
        },
        directive: Paper {
            symbol: "UBND-KSTT".to_owned(),
            to: lines(&[
                "Các sở, ban, ngành tỉnh",
                "Ủy ban nhân dân các huyện, thành phố",
                "Công an tỉnh",
            ]),
            signer: lines(&["CHỦ TỊCH"]),
            copies: lines(&["Như trên", "Chủ tịch, các PCT UBND tỉnh", "Lưu: VT, KSTT"]),
        },
        urging: Paper {
            symbol: "VPUBND-KSTT".to_owned(),
            to: Vec::new(),
            signer: lines(&office),
            copies: lines(&["Như trên", "Chủ tịch, các PCT UBND tỉnh (để báo cáo)", "Lưu: VT, KSTT"]),
        },
    }
}

/// Name; opening stock, received, adjustment; late, rejected, open in time, overdue; reminders, unsatisfied, satisfied.
type Of = (&'static str, [i64; 10]);

const UNITS: [Of; 16] = [
    ("Công an tỉnh", [21, 188, 0, 14, 2, 9, 17, 41, 6, 120]),
    ("Sở Tài nguyên và Môi trường", [9, 97, -1, 6, 1, 5, 6, 15, 5, 61]),
    (
        "Sở Lao động - Thương binh và Xã hội",
        [14, 512, 1, 21, 4, 8, 6, 19, 9, 402],
    ),
    ("Ủy ban nhân dân thành phố Cao Lãnh", [3, 88, 0, 4, 0, 5, 3, 7, 2, 55]),
    ("Ủy ban nhân dân huyện Cao Lãnh", [2, 61, 0, 2, 0, 4, 3, 6, 1, 41]),
    ("Ủy ban nhân dân thành phố Sa Đéc", [1, 70, 0, 3, 1, 3, 2, 4, 1, 50]),
    ("Điện lực Đồng Tháp", [0, 44, 0, 1, 0, 2, 0, 1, 0, 35]),
    ("Bảo hiểm xã hội tỉnh", [4, 73, 0, 2, 0, 5, 1, 3, 2, 50]),
    ("Sở Giao thông vận tải", [2, 39, 0, 1, 0, 4, 1, 2, 1, 27]),
    ("Sở Y tế", [5, 402, 0, 9, 2, 7, 2, 8, 4, 301]),
    ("Sở Xây dựng", [0, 12, 0, 0, 0, 2, 0, 0, 0, 8]),
    ("Ủy ban nhân dân huyện Tháp Mười", [1, 41, 0, 1, 0, 3, 0, 1, 1, 30]),
    ("Ủy ban nhân dân huyện Lấp Vò", [0, 35, 0, 1, 0, 3, 1, 2, 1, 21]),
    ("Cục Thuế tỉnh", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ("Đài Phát thanh và Truyền hình", [0, 6, 0, 0, 0, 1, 0, 0, 0, 4]),
    ("Ban Quản lý Khu kinh tế", [0, 4, 0, 0, 0, 1, 0, 0, 0, 3]),
];

fn row(kind: RowKind, name: &str, of: [i64; 10]) -> BalanceRow {
    let [
        opening,
        received,
        adjustment,
        late,
        rejected,
        in_time,
        overdue,
        reminders,
        unsatisfied,
        satisfied,
    ] = of;
    let n = |n: i64| u64::try_from(n).ok();
    BalanceRow {
        kind,
        name: name.to_owned(),
        opening_stock: n(opening),
        received: n(received),
        adjustment: Some(adjustment),
        done_on_time: n(opening + received + adjustment - late - rejected - in_time - overdue),
        done_late: n(late),
        rejected: n(rejected),
        open_in_time: n(in_time),
        open_overdue: n(overdue),
        reminders: n(reminders),
        unsatisfied: n(unsatisfied),
        explained: n(unsatisfied / 2),
        satisfied: n(satisfied),
    }
}

fn counts(of: &[(&str, u64)]) -> Option<Vec<CountView>> {
    let count = |(name, n): &(&str, u64)| CountView {
        name: (*name).to_owned(),
        count: Some(*n),
    };
    Some(of.iter().map(count).collect())
}

/// The case's August with all there is to say.
pub fn august() -> ReportView {
    let mut balance: Vec<BalanceRow> = UNITS.map(|(name, of)| row(RowKind::Unit, name, of)).into();
    let received: i64 = UNITS.iter().map(|(_, of)| of[1]).sum();
    let operator = [0, 6034 - received - 5, 0, 0, 0, 0, 0, 0, 3, 3100];
    balance.push(row(RowKind::Operator, "Tổng đài giải quyết trực tiếp", operator));
    balance.push(row(
        RowKind::Unassigned,
        "Chưa phân công",
        [3, 5, 0, 0, 0, 6, 2, 0, 1, 0],
    ));
    in_order(&mut balance);
    let total = BalanceRow::total_of(&balance, "Toàn tỉnh");
    let months = [(6, 2480), (7, 3887), (8, 6034)];
    let last = |m: u32| day(2021, m + 1, 1).pred_opt().expect("a date");
    ReportView {
        papers: papers(),
        hotline: "Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp".to_owned(),
        two_digits: false,
        period: PeriodView {
            key: "2021-08".to_owned(),
            first_day: day(2021, 8, 1),
            last_day: day(2021, 8, 31),
            is_month: true,
            previous_first_day: day(2021, 7, 1),
            previous_last_day: day(2021, 7, 31),
        },
        standing: Standing::Provisional,
        revision: 0,
        drawn_at: day(2021, 9, 1).and_hms_opt(7, 5, 0).expect("a time"),
        figures: FiguresView {
            total: Some(6034),
            change: Some(2147),
            change_from_last_year: Some(5790),
            procedures: Some(147),
            flagged: Some(26),
            under_follow_up: total.open(),
            opening_stock: total.opening_stock,
            carried_over: Some(38),
            new_in_period: total.open().map(|n| n - 38),
            taken_up_again: Some(0),
            unsatisfied: total.unsatisfied,
            excluded: Some(4),
            exclusion_pending: Some(2),
            satisfied: total.satisfied,
            no_reply: Some(1100),
            on_time_by_first: Share::of(5889, 6034),
        },
        months: months
            .map(|(m, received)| MonthView {
                first_day: day(2021, m, 1),
                last_day: last(m),
                received: Some(received),
            })
            .into(),
        channels: counts(&[
            ("Điện thoại", 5527),
            ("Zalo", 241),
            ("Website", 133),
            ("Facebook", 88),
            ("Ứng dụng di động", 45),
        ]),
        fields: counts(&[
            ("hỗ trợ do Covid-19", 3120),
            ("y tế", 980),
            ("chính sách bảo trợ", 512),
            ("cấp căn cước công dân", 388),
            ("đất đai", 301),
            ("bảo hiểm xã hội", 214),
            ("giao thông vận tải", 190),
            ("điện", 101),
            ("tư pháp", 88),
            ("cấp nước", 60),
            ("thuế", 50),
            ("giáo dục", 30),
        ]),
        localities: None,
        balance,
        total,
        identities: vec![IdentityView {
            text: "Tổng = tồn kỳ trước + phát sinh trong kỳ + điều chỉnh".to_owned(),
            holds: Some(true),
        }],
        formulas: vec![
            FormulaView {
                name: "Phiếu tiếp nhận".to_owned(),
                text: "Phiếu có thời điểm tiếp nhận trong kỳ, không tính phiếu trùng hoặc hủy.".to_owned(),
            },
            FormulaView {
                name: "Tỷ lệ đúng hạn".to_owned(),
                text: "Xong đúng hạn / (xong đúng hạn + xong trễ hạn + đang xử lý quá hạn); «–» khi mẫu số bằng 0."
                    .to_owned(),
            },
        ],
        overdue: Some(overdue()),
        overdue_withheld: Some(2),
        reminders: Some(RemindersView {
            by_number: vec![61, 31, 17],
            others: 0,
            units: UNITS
                .iter()
                .filter(|(_, of)| of[7] > 0)
                .map(|(name, of)| UnitReminders {
                    name: (*name).to_owned(),
                    by_number: {
                        let n = u64::try_from(of[7]).expect("a count");
                        vec![n - n / 3 - n / 6, n / 3, n / 6]
                    },
                    others: 0,
                    last_on: Some(day(2021, 8, 30)),
                })
                .collect(),
        }),
        cards: Some(CardsView {
            unit: "Công an tỉnh".to_owned(),
            card: "thẻ căn cước công dân".to_owned(),
            local_police: "công an cấp huyện".to_owned(),
            open: Some(26),
            not_sent: Some(2),
            at_c06: Some(17),
            card_arrived: Some(4),
            data_wrong: Some(3),
            unstaged: Some(0),
            overdue: Some(17),
        }),
        directive: Some(DirectiveView {
            number: "512/UBND-KSTT".to_owned(),
            date: day(2021, 9, 10),
            reply_before: day(2021, 9, 28),
        }),
        obligations: Some(obligations()),
        proposed_reply_before: None,
    }
}

fn overdue() -> Vec<OverdueView> {
    let fields = ["cấp căn cước công dân", "đất đai", "chính sách bảo trợ", "y tế"];
    (0..46u32)
        .map(|n| {
            let unit = UNITS[usize::try_from(n % 6).expect("small")].0;
            OverdueView {
                code: format!("1022-202107{:02}-{:04}", n % 28 + 1, 100 + n),
                field: (n % 9 != 4).then(|| fields[usize::try_from(n % 4).expect("small")].to_owned()),
                agency: (n != 45).then(|| unit.to_owned()),
                received_on: day(2021, 7, n % 28 + 1),
                deadline: day(2021, 8, n % 28 + 1),
                overdue_working_days: 22 - n % 22,
                reminders: Some(3 - n % 3),
                waiting_on: (n % 6 == 0).then(|| "C06".to_owned()),
            }
        })
        .collect()
}

fn obligations() -> Vec<ObligationView> {
    let kinds = [
        ObligationKind::Review,
        ObligationKind::FollowUp,
        ObligationKind::Explanation,
    ];
    let states = [
        ObligationState::Replied,
        ObligationState::Late,
        ObligationState::RepliedLate,
        ObligationState::Owed,
        ObligationState::Waived,
    ];
    let mut owed: Vec<ObligationView> = (0..12usize)
        .map(|n| {
            let state = states[n % 5];
            let replied = matches!(state, ObligationState::Replied | ObligationState::RepliedLate);
            ObligationView {
                unit: UNITS[n % 5].0.to_owned(),
                kind: kinds[n % 3],
                tickets: 7,
                settled: Some(u64::from(replied) * 5),
                before: Some(day(2021, 9, 28)),
                state,
                document: replied.then(|| DocumentView {
                    number: format!("{}/SYT-VP", 100 + n),
                    date: day(2021, 9, 24),
                    received_on: day(2021, 9, 27),
                }),
            }
        })
        .collect();
    owed.push(ObligationView {
        unit: "Công an tỉnh".to_owned(),
        kind: ObligationKind::CardResults,
        tickets: 26,
        settled: None,
        before: None,
        state: ObligationState::Owed,
        document: None,
    });
    owed
}

/// When the sample is written.
pub fn written_at() -> NaiveDateTime {
    day(2021, 9, 1).and_hms_opt(0, 5, 0).expect("a time")
}
