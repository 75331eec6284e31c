//! Sample messages: what `check` renders templates on, and what the pictures in `docs/looks` show.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use super::language::builtin_title;
use super::report::view::{DirectiveView, FiguresView};
use super::view::{
    Addressee, AlarmView, BeforeView, ClosedDay, DeadlineView, DifferenceView, DutyView, EndedView, Form, KindCount,
    LineView, LongestView, MessageView, MonthlyView, OperationView, OwingKind, OwingView, RepliesView, ReviewView,
    ReviewedView, SectionView, SilenceView, StandingView, SummaryView, TicketsView, UnitView, UrgedView,
};
use crate::domain::monthly::MONTHLY;
use crate::domain::obligation::Kind;
use crate::domain::rule::{Digest, Rule, RuleSet, Step, When};
use crate::domain::summary::{Counts, SUMMARY, Summary};
use crate::domain::wording::Locale;

/// 15/9/2021, a Wednesday.
fn day(d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, 9, d).unwrap_or_default()
}

fn in_august(d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2021, 8, d).unwrap_or_default()
}

fn five_on(day: NaiveDate) -> DeadlineView {
    DeadlineView {
        day,
        time: NaiveTime::from_hms_opt(17, 0, 0),
        is_day: true,
        provisional: false,
    }
}

const UNIT: &str = "Sở Tài nguyên và Môi trường";
const ENDINGS: [&str; 5] = ["done", "rejected", "void", "transferred", "extended"];
const HOTLINE: &str = "Tổng đài Thông tin dịch vụ công 1022 tỉnh Đồng Tháp";

/// Working days on which what is late was due, the latest first.
const DUE: [u32; 8] = [14, 13, 10, 9, 8, 7, 6, 1];
const FIELDS: [&str; 6] = ["dat_dai", "y_te", "bao_tro", "giao_thong", "moi_truong", "cccd"];
const OBLIGATION: &str = "Báo cáo theo chỉ đạo của Chủ tịch Ủy ban nhân dân tỉnh";
const STAGES: [&str; 4] = ["at_c06", "card_arrived", "not_sent", "data_wrong"];
/// Days of August on which what has got to the Office was due, and how many working days ago that is.
const LONG_DUE: [(u32, i32); 4] = [(30, 10), (27, 11), (26, 12), (25, 13)];
const LOCALITIES: [&str; 4] = [
    "Công an thành phố Cao Lãnh",
    "Công an thành phố Hồng Ngự",
    "Công an huyện Tháp Mười",
    "Phòng Cảnh sát quản lý hành chính về trật tự xã hội",
];

/// A line with as little as there can be.
fn bare() -> LineView {
    LineView {
        code: "DT1022.20210903.0001".into(),
        title: None,
        field: None,
        agency_name: None,
        deadline: None,
        first_deadline_differs: None,
        overdue_working_days: None,
        due_in_working_days: None,
        due_today: false,
        age_working_days: 0,
        received_on: day(3),
        age_days: 0,
        locality: None,
        status: "open".into(),
        waiting_on: None,
        stage: None,
        reminder: 1,
        earlier: Vec::new(),
        rules: Vec::new(),
        transfers: 0,
        reopened: 0,
        needs_assignment: false,
        ended: None,
        url: None,
        proposed_by: None,
        unknown_agency_word: None,
        duty: None,
    }
}

/// A line with everything that a line can have.
fn full() -> LineView {
    LineView {
        code: "DT1022.20210903.0002".into(),
        title: Some("Hỏi về thời hạn trả lời".into()),
        field: Some("dat_dai".into()),
        agency_name: Some(UNIT.into()),
        deadline: Some(DeadlineView {
            provisional: true,
            ..five_on(day(10))
        }),
        first_deadline_differs: Some(day(7)),
        overdue_working_days: Some(3),
        age_working_days: 8,
        age_days: 12,
        locality: Some(LOCALITIES[0].into()),
        waiting_on: Some("Cục C06".into()),
        stage: Some("at_c06".into()),
        reminder: 2,
        earlier: vec![day(13)],
        rules: vec!["Phiếu tồn từ kỳ trước chuyển sang (carried-over/list)".into()],
        transfers: 2,
        reopened: 1,
        needs_assignment: true,
        url: Some("https://1022.dongthap.example/phieu/2".into()),
        proposed_by: Some("cccd-by-text".into()),
        unknown_agency_word: None,
        ..bare()
    }
}

/// The `n`th of many lines as they usually are: those of a template about what is late are late, those of one about
/// cards have a locality and a stage.
#[must_use]
pub fn line(template: &str, n: usize) -> LineView {
    let nth = u32::try_from(n).unwrap_or_default();
    let kind = |of: usize| n % of;
    // What was reminded of on Friday was late by then.
    let due = match template {
        "overdue-2" | "overdue-3" => 3 + n % (DUE.len() - 3),
        _ => n % DUE.len(),
    };
    let late = i32::try_from(1 + due).unwrap_or_default();
    let is_ahead =
        ["due-soon", "received", "carried-over", "stale"].contains(&template) || template == "cccd" && n % 3 == 2;
    let line = LineView {
        code: format!("DT1022.202109{:02}.{:04}", 1 + nth % 14, 100 + nth * 7 % 9900),
        field: Some(FIELDS[kind(FIELDS.len())].into()),
        deadline: Some(five_on(if is_ahead { day(16 + nth % 2) } else { day(DUE[due]) })),
        overdue_working_days: (!is_ahead).then_some(late),
        due_in_working_days: is_ahead.then_some(1 + i32::from(n % 2 == 1)),
        age_working_days: late + 5,
        age_days: i64::from(late) * 9,
        url: Some(format!("https://1022.dongthap.example/phieu/{}", 100 + n)),
        ..bare()
    };
    match template {
        "cccd" => LineView {
            field: Some("cccd".into()),
            locality: LOCALITIES.get(n / 4).map(|name| (*name).into()),
            stage: Some(STAGES[kind(STAGES.len())].into()),
            waiting_on: (kind(4) == 0).then(|| "Cục Cảnh sát quản lý hành chính về trật tự xã hội, Bộ Công an".into()),
            ..line
        },
        "settled" => LineView {
            ended: Some(EndedView::Done),
            status: "answered".into(),
            ..line
        },
        "overdue-2" | "overdue-3" => LineView {
            earlier: vec![day(10)],
            reminder: 2,
            ..line
        },
        "unsatisfied" => LineView {
            status: "answered".into(),
            overdue_working_days: None,
            ..line
        },
        "overdue-office" | "aged" => LineView {
            deadline: Some(five_on(in_august(LONG_DUE[kind(LONG_DUE.len())].0))),
            overdue_working_days: Some(LONG_DUE[kind(LONG_DUE.len())].1),
            age_working_days: 15 + LONG_DUE[kind(LONG_DUE.len())].1,
            agency_name: Some(
                if kind(2) == 0 {
                    "Sở Y tế"
                } else {
                    "Ủy ban nhân dân huyện Tháp Mười"
                }
                .into(),
            ),
            earlier: vec![in_august(31), day(6), day(8)],
            reminder: 4,
            ..line
        },
        "competence" => LineView {
            agency_name: Some("Sở Xây dựng".into()),
            transfers: 2,
            ..line
        },
        template if is_of_duties(template) => LineView {
            ended: (template == "obligation-settled").then_some(EndedView::Done),
            earlier: if template == "obligation-late" {
                vec![day(9)]
            } else {
                Vec::new()
            },
            ..owed(n)
        },
        "unassigned" => LineView {
            unknown_agency_word: (kind(2) == 0).then(|| "Sở Quy hoạch".into()),
            overdue_working_days: None,
            deadline: None,
            ..line
        },
        _ => line,
    }
}

/// Whether a template is about what is owed by a directive.
fn is_of_duties(template: &str) -> bool {
    template.starts_with("obligation-")
}

/// The `n`th of what a unit owes by a directive.
fn owed(n: usize) -> LineView {
    let kind = Kind::ALL[n % Kind::ALL.len()];
    LineView {
        code: format!("@obligation/2021-08/STNMT/{}", kind.word()),
        deadline: kind.has_deadline().then(|| five_on(day(27))),
        due_in_working_days: kind.has_deadline().then_some(8),
        duty: Some(DutyView {
            kind,
            letter: kind.letter(),
            short: format!("2021-08/{}", kind.letter()),
            month: in_august(1),
            number: "312/UBND-KSTT".into(),
            date: day(10),
            reply_before: kind.has_deadline().then(|| day(28)),
            progress: Some((2, 9)),
        }),
        ..bare()
    }
}

/// As many lines of what is owed.
fn duties(lines: Vec<LineView>) -> Vec<LineView> {
    let duty = |(n, line): (usize, LineView)| LineView {
        ended: line.ended,
        earlier: line.earlier,
        ..owed(n)
    };
    lines.into_iter().enumerate().map(duty).collect()
}

/// A section of a template with such lines.
#[must_use]
pub fn section(template: &str, lines: Vec<LineView>) -> SectionView {
    let (rule, step, title, wanted) = match template {
        "due-soon" => ("due-soon", "T-1", "Phiếu sắp đến hạn xử lý", "contact"),
        "overdue-1" | "correction" => ("overdue", "L1", "Phiếu quá hạn xử lý", "contact"),
        "overdue-2" => ("overdue", "L2", "Phiếu quá hạn xử lý", "head"),
        "overdue-3" => ("overdue", "L3", "Phiếu quá hạn xử lý", "head"),
        "overdue-office" => ("overdue", "L4", "Phiếu quá hạn xử lý", "contact"),
        "carried-over" => ("carried-over", "list", "Phiếu tồn từ kỳ trước chuyển sang", "contact"),
        "unsatisfied" => (
            "unsatisfied",
            "explain",
            "Phiếu được đánh giá chưa hài lòng hoặc chưa hữu ích",
            "contact",
        ),
        "unassigned" => ("unassigned", "assign", "Phiếu cần phân công lại", "contact"),
        "stale" => ("stale", "nudge", "Phiếu lâu không được cập nhật", "contact"),
        "aged" => ("aged", "office", "Phiếu tồn quá ba mươi ngày làm việc", "contact"),
        "received" => ("urgent", "announce", "Phiếu khẩn mới tiếp nhận", "contact"),
        "cccd" => ("cccd", "list", "Phiếu về cấp căn cước đang theo dõi", "contact"),
        "obligation-opened" => ("obligation", "opened", OBLIGATION, "contact"),
        "obligation-due" => ("obligation", "due", OBLIGATION, "contact"),
        "obligation-late" => ("obligation", "late", OBLIGATION, "head"),
        "obligation-settled" => ("@settled", "done", "Nội dung không còn phải báo cáo", "contact"),
        "settled" => ("@settled", "done", "Đã xử lý xong từ lần nhắc trước", "contact"),
        "competence" => ("@competence", "office", "Phiếu cần xác định thẩm quyền", "contact"),
        "send-test" => ("", "", "", "contact"),
        "confirm-contact" => ("", "", "", "head"),
        "approval" => ("", "", "Sở Y tế", "contact"),
        "endpoint-disabled" => ("", "", "syt", "contact"),
        "alarms" => ("", "", "", "contact"),
        "summary-office" => (SUMMARY, "office-weekly", "", "contact"),
        "summary-ops" => (SUMMARY, "ops-daily", "", "contact"),
        "monthly-office" => (MONTHLY, "figures", "", "contact"),
        "monthly-final" => (MONTHLY, "final", "", "contact"),
        "monthly-reminder" => (MONTHLY, "reminder", "", "contact"),
        "monthly-outcome" => (MONTHLY, "outcome", "", "contact"),
        "review-list" => (MONTHLY, "review-list", "", "contact"),
        other => (other, "step", "Tên quy tắc", "contact"),
    };
    let lines = if is_of_duties(template) { duties(lines) } else { lines };
    let is_office = ["overdue-office", "aged", "competence", "unassigned"].contains(&template);
    let mut earlier: Vec<NaiveDate> = lines.iter().flat_map(|l| l.earlier.clone()).collect();
    earlier.sort_unstable();
    earlier.dedup();
    let addressee = Addressee {
        unit_name: unit(template).into(),
        wanted: wanted.into(),
        is_office,
        fell_back: false,
        for_want_of_contact: false,
        stands_in_for: None,
    };
    SectionView {
        rule: rule.into(),
        step: step.into(),
        rule_title: title.into(),
        when: rule.replace('-', "_"),
        summary: Some(sample_summary()),
        monthly: Some(sample_monthly()),
        alarms: sample_alarms(),
        more_alarms: 7,
        more_over: 2,
        reminder: lines.iter().map(|l| l.reminder).max().unwrap_or(1),
        earlier,
        lines,
        settled: ["settled", "obligation-settled"].contains(&template),
        reply_by: Some(five_on(day(17))),
        owner: (template == "endpoint-disabled").then(|| UNIT.into()),
        note: match template {
            "confirm-contact" => Some("giamdoc@syt.dongthap.example".into()),
            "correction" => Some("phiếu đã được trả lời, hệ thống cập nhật chậm".into()),
            "approval" => Some(
                "“[1022][Nhắc lần 2] 3 phiếu quá hạn cần chỉ đạo xử lý – Sở Y tế” (01909c5e-0000-7000-8000-000000000001)"
                    .into(),
            ),
            _ => None,
        },
        ..SectionView::bare(template, addressee)
    }
}

/// Whom a template usually goes to.
fn unit(template: &str) -> &'static str {
    match template {
        "cccd" => "Công an tỉnh",
        "approval" | "alarms" | "summary-ops" => HOTLINE,
        "summary-office" | "monthly-office" | "monthly-final" | "monthly-reminder" | "monthly-outcome"
        | "overdue-office" | "aged" | "competence" | "unassigned" => "Văn phòng Ủy ban nhân dân tỉnh",
        _ => UNIT,
    }
}

/// A message of Wednesday 15/9/2021, 08:00.
#[must_use]
pub fn message(form: Form, sections: Vec<SectionView>) -> MessageView {
    MessageView {
        form,
        tag: "1022".into(),
        hotline: HOTLINE.into(),
        unit_name: sections.first().map_or("", |s| &s.addressee.unit_name).to_owned(),
        desk: "contact".into(),
        at: day(15).and_time(NaiveTime::MIN + TimeDelta::hours(8)),
        data_as_of: None,
        sections,
        annex: None,
        contact_line: "Đầu mối liên hệ: Tổ trực Tổng đài 1022, truc1022@dongthap.example".into(),
        signature: vec![
            "TRUNG TÂM KIỂM SOÁT THỦ TỤC HÀNH CHÍNH".into(),
            "VÀ PHỤC VỤ HÀNH CHÍNH CÔNG TỈNH ĐỒNG THÁP".into(),
        ],
        message_id: "01909c5e-0000-7000-8000-000000000000".into(),
    }
}

/// Whether a template is about tickets at all.
#[must_use]
pub fn lists_tickets(template: &str) -> bool {
    let others = [
        "send-test",
        "confirm-contact",
        "approval",
        "endpoint-disabled",
        "alarms",
        "summary-office",
        "summary-ops",
        "monthly-office",
        "monthly-final",
        "monthly-reminder",
        "monthly-outcome",
        "review-list",
    ];
    !others.contains(&template)
}

/// A message of one template, with so many tickets where it is about tickets.
#[must_use]
pub fn letter(template: &str, count: usize) -> MessageView {
    let count = if lists_tickets(template) { count } else { 0 };
    let lines = (0..count).map(|n| line(template, n)).collect();
    let form = if template == "received" || !lists_tickets(template) {
        Form::Single
    } else {
        Form::Digest
    };
    message(form, vec![section(template, lines)])
}

/// A digest about tickets that were late when they were first seen.
#[must_use]
pub fn opening() -> MessageView {
    let mut message = letter("overdue-1", 4);
    for section in &mut message.sections {
        section.opening = true;
    }
    message
}

/// A digest with many sections: what is to be done, by two desks, then what is for information, then what has ended.
#[must_use]
pub fn digest() -> MessageView {
    let of = |template: &str, from: usize, count: usize| {
        let lines = (from..from + count).map(|n| line(template, n)).collect();
        section(template, lines)
    };
    let mut third = of("overdue-3", 0, 2);
    third.lines[0].rules = vec!["Phiếu tồn từ kỳ trước chuyển sang (carried-over/list)".into()];
    third.lines[1].waiting_on = Some("Cục C06".into());
    let mut first = of("overdue-1", 10, 4);
    first.lines[2].first_deadline_differs = Some(day(1));
    first.lines[3].transfers = 1;
    let helper = SectionView {
        for_information: true,
        ..of("overdue-1", 30, 1)
    };
    let extended = SectionView {
        step: "extended".into(),
        rule_title: "Đã được gia hạn từ lần nhắc trước".into(),
        lines: vec![LineView {
            ended: Some(EndedView::Extended { to: Some(day(24)) }),
            deadline: Some(five_on(day(24))),
            ..line("due-soon", 50)
        }],
        ..of("settled", 0, 0)
    };
    let sections = vec![
        third,
        first,
        of("due-soon", 20, 3),
        helper,
        of("settled", 40, 2),
        extended,
    ];
    message(Form::Digest, sections)
}

fn sample_alarms() -> Vec<AlarmView> {
    let alarm = |kind: &str, subject: &str, detail: &str, over| AlarmView {
        kind: kind.into(),
        subject: subject.into(),
        detail: detail.into(),
        since: at(15, 6),
        over,
    };
    vec![
        alarm("source_down", "", "connection refused", None),
        alarm("unknown_agency", "Sở Quy hoạch", "", None),
        alarm("mail_refused", "", "421 4.3.2 Service not available", Some(at(15, 7))),
    ]
}

fn at(d: u32, hour: u32) -> NaiveDateTime {
    day(d).and_time(NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default())
}

/// A summary with all that one usually has.
fn sample_summary() -> SummaryView {
    let counts = |received, done, open, overdue, carried_over, unsatisfied| Counts {
        received,
        done,
        open,
        overdue,
        carried_over,
        unsatisfied,
    };
    let unit = |name: Option<&str>, counts| UnitView {
        name: name.map(str::to_owned),
        counts,
    };
    let longest = |code: &str, name: &str, (due, late)| LongestView {
        code: code.into(),
        agency_name: Some(name.into()),
        deadline: five_on(in_august(due)),
        overdue_working_days: late,
    };
    let urged = |step: &str, tickets| UrgedView {
        rule_title: "Phiếu quá hạn xử lý".into(),
        step: Some(step.into()),
        tickets,
    };
    SummaryView {
        since: at(8, 8),
        due: at(15, 8),
        is_late: false,
        skipped: 0,
        tickets: Some(TicketsView {
            units: vec![
                unit(Some("Sở Tài nguyên và Môi trường"), counts(14, 9, 21, 6, 3, 1)),
                unit(Some("Ủy ban nhân dân huyện Tháp Mười"), counts(6, 3, 9, 3, 1, 1)),
                unit(None, counts(1, 0, 1, 0, 0, 0)),
            ],
            total: counts(21, 12, 31, 9, 4, 2),
            before: Some(counts(18, 20, 22, 11, 4, 0)),
            longest: vec![
                longest("DT1022.20210818.0107", "Sở Tài nguyên và Môi trường", LONG_DUE[3]),
                longest("DT1022.20210819.0032", "Ủy ban nhân dân huyện Tháp Mười", LONG_DUE[2]),
            ],
            urged: vec![urged("L1", 7), urged("L2", 2)],
            settled: 5,
        }),
        operation: Some(OperationView {
            turns: 1440,
            source_down: 3,
            rows_rejected: 1,
            values_ignored: 2,
            answers: vec![("accepted".into(), 40), ("later".into(), 2)],
            dead: 1,
            bounced: 1,
            waiting: 2,
            oldest_waiting: Some(at(15, 7)),
            retrying: 1,
            unknown: 1,
            awaiting_approval: 1,
            suspended: 1,
            silences: 3,
            silences_ending: vec![SilenceView {
                id: 4,
                until: at(17, 17),
                by: "Lan".into(),
            }],
            alarms: sample_alarms(),
            unconfirmed: 12,
            calendar_until: NaiveDate::from_ymd_opt(2021, 10, 31).unwrap_or_default(),
            calendar_ends: true,
            needs_look: true,
        }),
    }
}

/// A month with all that a letter about one can say.
fn sample_monthly() -> MonthlyView {
    let owing = |name: &str, kinds: &[Kind]| OwingView {
        name: name.into(),
        kinds: kinds
            .iter()
            .map(|kind| OwingKind {
                kind: *kind,
                tickets: 9,
                settled: 2,
            })
            .collect(),
    };
    let directive = DirectiveView {
        number: "312/UBND-KSTT".into(),
        date: day(10),
        reply_before: day(28),
    };
    let replies = RepliesView {
        units: 12,
        replied: 10,
        late: 1,
        owing: vec![
            owing("Sở Y tế", &[Kind::Review, Kind::FollowUp]),
            owing("Ủy ban nhân dân huyện Tháp Mười", &[Kind::Explanation]),
        ],
    };
    MonthlyView {
        first_day: in_august(1),
        last_day: in_august(31),
        next: day(1),
        previous_first_day: NaiveDate::from_ymd_opt(2021, 7, 1).unwrap_or_default(),
        previous_last_day: NaiveDate::from_ymd_opt(2021, 7, 31).unwrap_or_default(),
        is_month: true,
        is_final: false,
        due: at(1, 8),
        is_late: false,
        figures: FiguresView {
            total: Some(6034),
            change: Some(2147),
            procedures: Some(147),
            flagged: Some(26),
            under_follow_up: Some(112),
            unsatisfied: Some(37),
            excluded: Some(3),
            ..FiguresView::default()
        },
        cards_unit: Some("Công an tỉnh".into()),
        card: Some("thẻ căn cước công dân".into()),
        directive: Some(directive.clone()),
        due_day: Some(day(27)),
        replies: Some(replies.clone()),
        days_left: 8,
        proposed: Some(day(30)),
        closed: vec![
            ClosedDay {
                day: day(2),
                label: Some("Quốc khánh".into()),
            },
            ClosedDay {
                day: day(3),
                label: None,
            },
        ],
        before: Some(BeforeView {
            first_day: NaiveDate::from_ymd_opt(2021, 7, 1).unwrap_or_default(),
            last_day: NaiveDate::from_ymd_opt(2021, 7, 31).unwrap_or_default(),
            directive,
            replies,
        }),
        differences: vec![
            DifferenceView {
                label: "PAKN".into(),
                was: Some(6034),
                is: Some(6031),
            },
            DifferenceView {
                label: "TTHC".into(),
                was: None,
                is: Some(-12),
            },
        ],
        review: Some(ReviewView {
            until: Some(day(6)),
            counts: [(Kind::Review, 3), (Kind::FollowUp, 12)]
                .map(|(kind, tickets)| KindCount {
                    kind,
                    letter: kind.letter(),
                    tickets,
                })
                .into(),
            unlisted: 1,
            tickets: vec![
                ReviewedView {
                    letters: vec!['a', 'b'],
                    line: full(),
                },
                ReviewedView {
                    letters: vec!['b'],
                    line: bare(),
                },
            ],
            open: vec![StandingView {
                kind: Kind::CardResults,
                letter: 'd',
                month: in_august(1),
                number: "312/UBND-KSTT".into(),
                date: day(10),
                tickets: 9,
                settled: 2,
            }],
        }),
        files: vec!["du-thao-2021-08.docx".into(), "so-lieu-2021-08.xlsx".into()],
    }
}

/// The message with the titles that rules have in the language of letters.
#[must_use]
pub fn titled(mut message: MessageView, rules: &RuleSet, locale: Locale) -> MessageView {
    let title = |rule: &str, step: &str| {
        let summary = rules.summaries.iter().find(|s| rule == SUMMARY && s.id == step);
        let named = rules.named(rule).map(|r| &*r.title).or(summary.map(|s| &*s.title));
        named.unwrap_or_else(|| builtin_title(locale, rule, step)).to_owned()
    };
    for section in &mut message.sections {
        if !section.rule.is_empty() {
            section.rule_title = title(&section.rule, &section.step);
        }
        let summary = section.summary.as_mut().and_then(|s| s.tickets.as_mut());
        for urged in summary.into_iter().flat_map(|t| &mut t.urged) {
            urged.rule_title = title("overdue", urged.step.as_deref().unwrap_or_default());
        }
        for also in section.lines.iter_mut().flat_map(|line| &mut line.rules) {
            let ids = also.rsplit_once('(').and_then(|(_, ids)| ids.strip_suffix(')'));
            if let Some((rule, step)) = ids.and_then(|ids| ids.split_once('/')) {
                *also = format!("{} ({rule}/{step})", title(rule, step));
            }
        }
    }
    message
}

/// A template's letter to every kind of desk: the Office or not, a head, a deputy, ops for want of a contact; of endings
/// each step of its own.
fn to_whomever(template: &str) -> MessageView {
    let usual = section(template, Vec::new());
    let to = |change: &dyn Fn(&mut Addressee)| {
        let mut section = section(template, vec![full()]);
        change(&mut section.addressee);
        section
    };
    let mut sections = vec![
        to(&|a| a.is_office = !a.is_office),
        to(&|a| (a.is_office, a.wanted) = (true, "head".into())),
        to(&|a| a.for_want_of_contact = true),
        to(&|a| a.stands_in_for = Some(UNIT.into())),
        to(&|a| (a.wanted, a.stands_in_for) = ("head".into(), Some(UNIT.into()))),
    ];
    if usual.settled {
        sections.extend(ENDINGS.map(|step| SectionView {
            step: step.into(),
            ..section(template, vec![full()])
        }));
    }
    message(Form::Digest, sections)
}

/// What a step's template is tried on: nothing, bare lines, lines with everything, a reason, data from a while ago, every
/// kind of desk.
#[must_use]
pub fn of(template: &str) -> Vec<MessageView> {
    let without_date = SectionView {
        reply_by: None,
        ..section(template, vec![bare()])
    };
    vec![
        letter(template, 0),
        message(Form::Single, vec![without_date]),
        whole(template),
        to_whomever(template),
    ]
}

/// A message with all that lines, sections and messages can have.
#[must_use]
pub fn whole(template: &str) -> MessageView {
    let bare = bare();
    let everything = full();
    let ahead = LineView {
        overdue_working_days: None,
        due_in_working_days: Some(2),
        due_today: true,
        deadline: Some(five_on(day(17))),
        ..full()
    };
    let ended = [
        EndedView::Done,
        EndedView::Rejected,
        EndedView::Void,
        EndedView::Transferred,
        EndedView::Extended { to: Some(day(20)) },
        EndedView::Extended { to: None },
    ];
    let ended = ended.map(|ended| LineView {
        ended: Some(ended),
        ..full()
    });
    let late = SummaryView {
        is_late: true,
        skipped: 2,
        ..sample_summary()
    };
    let bare_month = MonthlyView {
        is_late: true,
        is_month: false,
        is_final: true,
        figures: FiguresView::default(),
        cards_unit: None,
        card: None,
        directive: None,
        due_day: None,
        replies: None,
        proposed: None,
        closed: Vec::new(),
        before: None,
        differences: Vec::new(),
        review: sample_monthly()
            .review
            .map(|review| ReviewView { until: None, ..review }),
        files: Vec::new(),
        ..sample_monthly()
    };
    let nobody = MonthlyView {
        replies: Some(RepliesView {
            units: 0,
            replied: 0,
            late: 0,
            owing: Vec::new(),
        }),
        proposed: None,
        review: None,
        ..sample_monthly()
    };
    let without = |monthly: MonthlyView| SectionView {
        monthly: Some(monthly),
        ..section(template, Vec::new())
    };
    let first = SectionView {
        opening: true,
        between_lists: true,
        summary: Some(late),
        for_information: true,
        note: Some("số liệu nguồn chưa đúng".into()),
        ..section(template, vec![everything.clone(), bare, ahead])
    };
    MessageView {
        data_as_of: Some(day(15).and_time(NaiveTime::MIN + TimeDelta::minutes(450))),
        annex: Some("danh-sach.xlsx".into()),
        ..message(
            Form::Digest,
            vec![
                first,
                section(template, vec![everything]),
                section(template, ended.to_vec()),
                without(bare_month),
                without(nobody),
            ],
        )
    }
}

/// What a template is tried on for a step that uses it: what there is in that step's letters, and nothing that only others
/// have.
#[must_use]
pub fn of_step(rule: &Rule, step: &Step) -> Vec<MessageView> {
    let of_rule = |section: SectionView| SectionView {
        rule: rule.id.clone(),
        step: step.id.clone(),
        rule_title: rule.title.clone(),
        when: rule.when.word().to_owned(),
        summary: None,
        monthly: None,
        alarms: Vec::new(),
        more_alarms: 0,
        more_over: 0,
        settled: false,
        reply_by: section.reply_by.filter(|_| step.reply.is_some()),
        lines: match rule.when {
            When::Obligation => duties(section.lines),
            _ => section
                .lines
                .into_iter()
                .map(|line| LineView { duty: None, ..line })
                .collect(),
        },
        ..section
    };
    let form = match rule.digest {
        Digest::Ticket => Form::Single,
        Digest::Day | Digest::Week { .. } => Form::Digest,
    };
    let offered = |message: MessageView| MessageView {
        form,
        sections: message.sections.into_iter().map(of_rule).collect(),
        ..message
    };
    of(&step.template).into_iter().map(offered).collect()
}

/// As [`of_step`], for a summary: figures, and no ticket.
#[must_use]
pub fn of_summary(summary: &Summary) -> Vec<MessageView> {
    let section = |is_late| SectionView {
        rule: SUMMARY.to_owned(),
        step: summary.id.clone(),
        rule_title: summary.title.clone(),
        when: String::new(),
        summary: Some(SummaryView {
            is_late,
            skipped: usize::from(is_late),
            ..sample_summary()
        }),
        monthly: None,
        alarms: Vec::new(),
        more_alarms: 0,
        more_over: 0,
        settled: false,
        reply_by: None,
        note: None,
        ..section(&summary.template, Vec::new())
    };
    [false, true]
        .map(|is_late| message(Form::Single, vec![section(is_late)]))
        .into()
}
