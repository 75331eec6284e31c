//! The demo's hotline: a deterministic list of dated changes, and a SQLite ticket database to which they are applied.
//!
//! Nothing here knows the engine. The totals are given and met exactly, for any seed; what the tickets go through
//! (late, reopened, transferred, extended, re-rated, entered late, broken …) is drawn from the seed. Citizens' columns
//! are filled with plainly invented values, so that their absence from every mail means something.

use std::path::Path;
use std::sync::LazyLock;

use anyhow::{Context as _, Result, bail};
use chrono::{NaiveDate, NaiveDateTime, TimeDelta, TimeZone};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};

use crate::domain::Moment;
use crate::source::decode;

/// What one month has to add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonthTotals {
    /// Received in the month, void ones not counted.
    pub received: usize,
    /// Of these, concerning an administrative procedure.
    pub procedures: usize,
    /// Of these, with one of the three tags that count.
    pub flagged: usize,
    /// Rated unsatisfied or not useful in the month, whenever received.
    pub unsatisfied: usize,
    /// Of these, excluded within the month.
    pub excluded: usize,
    /// Received in the month and open at its end.
    pub open_new: usize,
    /// Received before and open at its end.
    pub open_carried: usize,
}

/// What the whole hotline has to add up to: July, August and September 2021.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    pub months: [MonthTotals; 3],
}

impl Totals {
    /// The seed's figures for August (6.034; 147; 26; 112 = 31 + 81; 37) and the totals of July and September; the
    /// rest of July and September is of a plausible size.
    #[must_use]
    pub fn seed() -> Totals {
        let month = |received, procedures, flagged, unsatisfied, excluded, open_new, open_carried| MonthTotals {
            received,
            procedures,
            flagged,
            unsatisfied,
            excluded,
            open_new,
            open_carried,
        };
        Totals {
            months: [
                month(3887, 96, 19, 24, 2, 70, 6),
                month(6034, 147, 26, 37, 5, 81, 31),
                month(11_644, 231, 33, 58, 6, 96, 18),
            ],
        }
    }
}

/// A value as it stands in the ticket database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Integer(i64),
    Text(String),
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::Text(text)
    }
}

impl From<i64> for Cell {
    fn from(n: i64) -> Cell {
        Cell::Integer(n)
    }
}

impl From<NaiveDateTime> for Cell {
    fn from(at: NaiveDateTime) -> Cell {
        Cell::Text(at.format("%Y-%m-%d %H:%M:%S").to_string())
    }
}

/// What happened to a ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happening {
    Created,
    Assigned,
    Answered,
    SentBack,
    Transferred,
    Extended,
    Rated,
    Rerated,
    Excluded,
    Waiting,
    Resumed,
    Staged,
    Stuck,
    Closed,
    Rejected,
    Voided,
}

/// The columns of the table, in its order: those that a source can have, and the citizen's own, which no query of ours
/// names.
pub static COLUMNS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    decode::COLUMNS
        .into_iter()
        .chain(["reporter_name", "reporter_phone"])
        .collect()
});

/// A dated change of one row: the columns that get new values. `updated_at` is the change's instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub at: Moment,
    pub row: usize,
    pub what: Happening,
    pub set: Vec<(&'static str, Cell)>,
}

/// All changes, in order of their instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct World {
    pub changes: Vec<Change>,
    pub rows: usize,
}

/// The units that answer, in several spellings that the directory knows, with what they are asked about.
const AGENCIES: [(&str, &str, &str); 30] = [
    ("Sở Y tế", "SYT", "y_te"),
    ("Sở Tài nguyên và Môi trường", "STN&MT", "dat_dai"),
    ("Sở Lao động - Thương binh và Xã hội", "SLĐ-TB&XH", "covid_ho_tro"),
    ("Sở Giao thông vận tải", "SGTVT", "giao_thong"),
    ("Sở Tư pháp", "STP", "tu_phap"),
    ("Sở Xây dựng", "SXD", "xay_dung"),
    ("Sở Giáo dục và Đào tạo", "SGD&ĐT", "giao_duc"),
    ("Sở Công Thương", "SCT", "dien"),
    ("Sở Nông nghiệp và Phát triển nông thôn", "SNN&PTNT", "nong_nghiep"),
    ("Sở Thông tin và Truyền thông", "STT&TT", "vien_thong"),
    ("Sở Nội vụ", "SNV", "lao_dong"),
    ("Sở Tài chính", "STC", "covid_ho_tro"),
    ("Sở Kế hoạch và Đầu tư", "SKHĐT", "lao_dong"),
    ("Bảo hiểm xã hội tỉnh", "BHXH", "bhxh"),
    ("Công ty Điện lực Đồng Tháp", "Điện lực Đồng Tháp", "dien"),
    ("Công ty Cấp nước và Môi trường đô thị", "Đơn vị cấp nước", "nuoc"),
    ("Cục Thuế tỉnh", "CT", "thue"),
    ("Thanh tra tỉnh", "TTT", "tu_phap"),
    (
        "Ủy ban nhân dân thành phố Cao Lãnh",
        "UBND thành phố Cao Lãnh",
        "covid_ho_tro",
    ),
    (
        "Ủy ban nhân dân thành phố Sa Đéc",
        "Uỷ ban nhân dân thành phố Sa Đéc",
        "moi_truong",
    ),
    (
        "Ủy ban nhân dân thành phố Hồng Ngự",
        "UBND thành phố Hồng Ngự",
        "covid_ho_tro",
    ),
    ("Ủy ban nhân dân huyện Tân Hồng", "UBND huyện Tân Hồng", "bao_tro"),
    ("Ủy ban nhân dân huyện Hồng Ngự", "UBND huyện Hồng Ngự", "bao_tro"),
    ("Ủy ban nhân dân huyện Tam Nông", "UBND  huyện Tam Nông", "dat_dai"),
    ("Ủy ban nhân dân huyện Tháp Mười", "UBND huyện Tháp Mười", "giao_thong"),
    (
        "Ủy ban nhân dân huyện Cao Lãnh",
        "Uỷ ban nhân dân huyện Cao Lãnh",
        "dat_dai",
    ),
    (
        "Ủy ban nhân dân huyện Thanh Bình",
        "UBND huyện Thanh Bình",
        "moi_truong",
    ),
    ("Ủy ban nhân dân huyện Lấp Vò", "UBND huyện Lấp Vò", "covid_ho_tro"),
    ("Ủy ban nhân dân huyện Lai Vung", "UBND huyện Lai Vung", "bao_tro"),
    ("Ủy ban nhân dân huyện Châu Thành", "UBND huyện Châu Thành", "dat_dai"),
];

const POLICE: &str = "Công an tỉnh";
const AREAS: [&str; 12] = [
    "866", "867", "868", "869", "870", "871", "872", "873", "874", "875", "876", "877",
];
const CHANNELS: [&str; 7] = ["phone", "phone", "phone", "zalo", "web", "facebook", "app"];
const STAGES: [&str; 4] = ["not_sent", "at_c06", "card_arrived", "data_wrong"];

/// SplitMix64: small, fast, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 where there is none.
    fn below(&mut self, n: usize) -> usize {
        let n = u64::try_from(n.max(1)).unwrap_or(1);
        usize::try_from(self.next() % n).unwrap_or(0)
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(usize::try_from(to - from).unwrap_or(0))).unwrap_or(0)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len())]
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            list.swap(i, self.below(i + 1));
        }
    }
}

/// What a ticket is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Answered by the operator at once.
    Operator,
    /// Answered by its agency in time.
    Ordinary,
    /// Answered late, within its month.
    Late,
    /// Open at the end of its month.
    Open,
    Reopened,
    Transferred,
    Extended,
    Paused,
    Unassigned,
    Rejected,
    /// Answered, then rated badly in its month.
    Unsatisfied {
        excluded: bool,
        rerated: bool,
    },
}

/// New values of columns.
type Assignments = Vec<(&'static str, Cell)>;

/// A ticket while it is made.
struct Draft {
    received: NaiveDateTime,
    entered: NaiveDateTime,
    base: Vec<(&'static str, Cell)>,
    changes: Vec<(NaiveDateTime, Happening, Assignments)>,
}

impl Draft {
    fn then(&mut self, at: NaiveDateTime, what: Happening, set: Vec<(&'static str, Cell)>) {
        self.changes.push((at, what, set));
    }

    fn answer(&mut self, at: NaiveDateTime) {
        self.then(
            at,
            Happening::Answered,
            vec![("status", "đã trả lời".into()), ("answered_at", at.into())],
        );
    }

    fn rate(&mut self, at: NaiveDateTime, word: &str, what: Happening) {
        self.then(at, what, vec![("rating", word.into()), ("rated_at", at.into())]);
    }

    fn set(&mut self, column: &'static str, cell: impl Into<Cell>) {
        self.base.push((column, cell.into()));
    }
}

/// The month's first instant and the next one's, for the nth month from June 2021.
fn month(n: u32) -> (NaiveDateTime, NaiveDateTime) {
    let first = |m| {
        NaiveDate::from_ymd_opt(2021, m, 1)
            .unwrap_or_default()
            .and_time(Default::default())
    };
    (first(6 + n), first(7 + n))
}

/// Makes the world of a seed with exactly these totals.
///
/// `open_carried` of a month may not exceed what was open at the end of the month before.
#[must_use]
pub fn generate(seed: u64, totals: &Totals) -> World {
    let mut dice = Dice(seed);
    let mut drafts: Vec<Draft> = Vec::new();
    // Indexes of drafts that are open at the end of the month that was made last.
    let mut stock: Vec<usize> = Vec::new();
    for _ in 0..totals.months[0].open_carried {
        let (from, to) = month(0);
        let received = working_time(&mut dice, from + TimeDelta::days(12), to - TimeDelta::days(1));
        stock.push(drafts.len());
        drafts.push(agency_ticket(&mut dice, received));
    }
    for (n, totals) in (1u32..).zip(&totals.months) {
        let (start, end) = month(n);
        // What is left from before: so many stay open beyond this month's end, the others are answered in it.
        dice.shuffle(&mut stock);
        let staying: Vec<usize> = stock.iter().copied().take(totals.open_carried).collect();
        for ticket in stock.iter().skip(totals.open_carried) {
            let at = between(&mut dice, start + TimeDelta::days(1), end - TimeDelta::days(4));
            drafts[*ticket].answer(at);
        }
        let first = drafts.len();
        stock = staying;
        for part in parts(&mut dice, totals) {
            if part == Part::Open {
                stock.push(drafts.len());
            }
            drafts.push(play(&mut dice, part, start, end, n));
        }
        let made = drafts.len() - first;
        mark(&mut dice, &mut drafts[first..], totals);
        debug_assert_eq!(made, totals.received);
        if n == 2 {
            enter_late(&mut dice, &mut drafts, &stock, start, end);
        }
        oddities(&mut dice, &mut drafts, start, end);
    }
    finish(drafts)
}

/// The parts of a month's tickets, shuffled.
fn parts(dice: &mut Dice, totals: &MonthTotals) -> Vec<Part> {
    let mut parts = vec![Part::Open; totals.open_new];
    for i in 0..totals.unsatisfied {
        parts.push(Part::Unsatisfied {
            excluded: i < totals.excluded,
            rerated: i % 9 == 4,
        });
    }
    let few = (totals.received / 400).max(2);
    for (part, count) in [
        (Part::Late, totals.received / 60),
        (Part::Reopened, few),
        (Part::Transferred, few * 2),
        (Part::Extended, few * 2),
        (Part::Paused, few * 2),
        (Part::Unassigned, few),
        (Part::Rejected, few),
        (Part::Ordinary, totals.received / 8),
    ] {
        parts.extend(std::iter::repeat_n(part, count));
    }
    parts.truncate(totals.received);
    parts.resize(totals.received, Part::Operator);
    dice.shuffle(&mut parts);
    parts
}

/// One ticket of a month by its part; whatever happens to it stays inside the month unless it is open at its end.
fn play(dice: &mut Dice, part: Part, start: NaiveDateTime, end: NaiveDateTime, n: u32) -> Draft {
    let day = TimeDelta::days(1);
    let early = |dice: &mut Dice, last: i64| working_time(dice, start, start + day * i32::try_from(last).unwrap_or(1));
    match part {
        Part::Operator => {
            let received = any_time(dice, start, end - TimeDelta::minutes(30));
            let mut t = operator_ticket(dice, received);
            let at = received + TimeDelta::minutes(dice.between(3, 25));
            t.then(
                at,
                Happening::Closed,
                vec![
                    ("status", "đóng".into()),
                    ("answered_at", at.into()),
                    ("closed_at", at.into()),
                ],
            );
            t
        }
        Part::Ordinary => {
            let received = working_time(dice, start, end - TimeDelta::hours(6));
            let mut t = agency_ticket(dice, received);
            let at = between(
                dice,
                received + TimeDelta::minutes(40),
                (received + day * 4).min(end - TimeDelta::minutes(5)),
            );
            t.answer(at);
            if dice.chance(40) {
                let rated = at + TimeDelta::hours(dice.between(2, 40));
                t.rate(
                    rated,
                    dice.pick(&["hài lòng", "hữu ích", "không phản hồi"]),
                    Happening::Rated,
                );
            }
            if dice.chance(50) {
                let closed = at + TimeDelta::hours(dice.between(48, 96));
                t.then(
                    closed,
                    Happening::Closed,
                    vec![("status", "đóng".into()), ("closed_at", closed.into())],
                );
            }
            t
        }
        Part::Late => {
            let received = early(dice, 8);
            let mut t = agency_ticket(dice, received);
            let delay = dice.between(8, 22);
            if dice.chance(4) {
                t.then(
                    received + day * 2,
                    Happening::Stuck,
                    vec![("status", "tạm treo".into())],
                );
            }
            t.answer(between(
                dice,
                received + TimeDelta::days(delay),
                end - TimeDelta::hours(2),
            ));
            t
        }
        Part::Open => {
            // Some came in the last days; the others are late already.
            let received = if dice.chance(45) {
                working_time(dice, end - day * 5, end - TimeDelta::hours(1))
            } else {
                working_time(dice, start + day * 4, end - day * 5)
            };
            let mut t = agency_ticket(dice, received);
            if dice.chance(6) && n > 1 {
                t.set("agency", "Sở Không Rõ");
            }
            t
        }
        Part::Reopened => {
            // Some are sent back only after the month's end, when its figures have been counted.
            let is_late = dice.chance(30);
            let (received, back) = if is_late {
                let received = working_time(dice, end - day * 9, end - day * 4);
                (received, end + TimeDelta::hours(dice.between(30, 130)))
            } else {
                let received = early(dice, 10);
                (received, received + day * 3)
            };
            let mut t = agency_ticket(dice, received);
            t.answer(received + day * 2);
            t.then(
                back,
                Happening::SentBack,
                vec![
                    ("status", "đang xử lý".into()),
                    ("answered_at", Cell::Null),
                    ("reopen_count", 1.into()),
                ],
            );
            t.answer(between(dice, back + day * 3, back + day * 14));
            t
        }
        Part::Transferred => {
            let received = early(dice, 12);
            let mut t = agency_ticket(dice, received);
            let times = if dice.chance(30) { 2 } else { 1 };
            for i in 1..=times {
                let (name, _, _) = dice.pick(&AGENCIES);
                t.then(
                    received + TimeDelta::hours(26 * i),
                    Happening::Transferred,
                    vec![("agency", name.into())],
                );
            }
            t.answer(between(dice, received + day * 6, received + day * 16));
            t
        }
        Part::Extended => {
            let received = early(dice, 8);
            let mut t = agency_ticket(dice, received);
            let to = received.date() + TimeDelta::days(dice.between(14, 18));
            t.then(
                received + day * 5,
                Happening::Extended,
                vec![("extended_to", to.and_hms_opt(17, 0, 0).unwrap_or_default().into())],
            );
            t.answer(between(dice, received + day * 9, received + day * 21));
            t
        }
        Part::Paused => {
            let received = early(dice, 10);
            let mut t = agency_ticket(dice, received);
            let (from, to) = (received + day * 2, received + day * 7);
            t.then(
                from,
                Happening::Waiting,
                vec![("status", "chờ bổ sung".into()), ("waiting_since", from.into())],
            );
            t.then(
                to,
                Happening::Resumed,
                vec![("status", "đang xử lý".into()), ("waiting_since", Cell::Null)],
            );
            t.answer(between(dice, received + day * 8, received + day * 16));
            t
        }
        Part::Unassigned => {
            let received = early(dice, 15);
            let mut t = agency_ticket(dice, received);
            let agency = dice.pick(&AGENCIES).0;
            t.set("agency", Cell::Null);
            t.set("assigned_at", Cell::Null);
            t.set("status", "mới");
            let at = received + day * i32::try_from(dice.between(1, 4)).unwrap_or(1);
            t.then(
                at,
                Happening::Assigned,
                vec![
                    ("agency", agency.into()),
                    ("assigned_at", at.into()),
                    ("status", "đã phân công".into()),
                ],
            );
            t.answer(between(dice, at + day, at + day * 9));
            t
        }
        Part::Rejected => {
            let received = working_time(dice, start, end - day);
            let mut t = agency_ticket(dice, received);
            let at = received + TimeDelta::hours(dice.between(1, 20));
            t.then(
                at,
                Happening::Rejected,
                vec![("status", "từ chối".into()), ("closed_at", at.into())],
            );
            t
        }
        Part::Unsatisfied { excluded, rerated } => {
            let received = early(dice, 20);
            let mut t = agency_ticket(dice, received);
            let at = received + day + TimeDelta::hours(dice.between(1, 30));
            t.answer(at);
            let bad = dice.pick(&["chưa hài lòng", "chưa hài lòng", "chưa hữu ích"]);
            let rated = at + TimeDelta::hours(dice.between(3, 60));
            if rerated {
                t.rate(rated, "hài lòng", Happening::Rated);
                t.rate(rated + day, bad, Happening::Rerated);
            } else {
                t.rate(rated, bad, Happening::Rated);
            }
            if excluded {
                t.then(
                    rated + day * 2,
                    Happening::Excluded,
                    vec![("rating_excluded", 1.into())],
                );
            }
            t
        }
    }
}

/// Gives a month's tickets their procedures, tags, confidentiality and other marks.
fn mark(dice: &mut Dice, drafts: &mut [Draft], totals: &MonthTotals) {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    dice.shuffle(&mut order);
    for i in order.iter().take(totals.procedures) {
        drafts[*i].set("is_procedure", 1);
    }
    let level = |d: &Draft| d.base.iter().rev().find(|(c, _)| *c == "level").map(|(_, v)| v.clone());
    let with_agency: Vec<usize> = order
        .iter()
        .copied()
        .filter(|i| level(&drafts[*i]) != Some(Cell::Integer(1)))
        .collect();
    for (n, i) in with_agency.iter().take(totals.flagged).enumerate() {
        let tags = ["procedure_late", "conduct", "regulation", "procedure_late,regulation"][n % 4];
        drafts[*i].set("tags", tags);
        if tags == "conduct" {
            drafts[*i].set("subject_agency", dice.pick(&AGENCIES).0);
        }
    }
    for (n, i) in with_agency.iter().skip(totals.flagged).enumerate() {
        let draft = &mut drafts[*i];
        let due = draft.received.date() + TimeDelta::days(7);
        match n % 60 {
            0 | 30 => draft.set("due_at", due.and_hms_opt(0, 0, 0).unwrap_or_default()),
            1 | 31 => draft.set("due_at", due.and_hms_opt(15, 30, 0).unwrap_or_default()),
            2 => draft.set("due_at", "infinity"),
            // Few are confidential: each is told to heads alone, in a mail of its own.
            3 if n % 240 == 3 => draft.set("confidential", 1),
            4 | 34 => draft.set("priority", "khẩn"),
            5 => draft.set("tags", "hotline"),
            6 | 36 => draft.set("co_agencies", "Sở Tư pháp, SXD"),
            7 | 8 | 9 | 37 | 38 => police(dice, draft),
            10 => {
                draft.set("category", Cell::Null);
                draft.set("title", "Hỏi về việc làm căn cước công dân");
            }
            11 => draft.set("kind", "hỏi đáp"),
            12 | 42 => draft.set("priority", "phức tạp"),
            13 if n % 240 == 13 => draft.set("confidential", "không rõ"),
            _ => {}
        }
    }
}

/// A ticket about identity cards goes to the provincial police; some wait on the ministry.
fn police(dice: &mut Dice, draft: &mut Draft) {
    draft.set("category", "cccd");
    draft.set("agency", POLICE);
    let waiting_on = |stage: &str| match stage {
        "at_c06" => Cell::from("C06"),
        _ => Cell::Null,
    };
    let (first, then) = (dice.pick(&STAGES), dice.pick(&STAGES));
    draft.set("stage", first);
    draft.set("waiting_on", waiting_on(first));
    let at = draft.received + TimeDelta::hours(30);
    if draft.changes.iter().all(|(t, _, _)| *t > at + TimeDelta::hours(1)) {
        let changed = vec![("stage", then.into()), ("waiting_on", waiting_on(then))];
        draft.then(at, Happening::Staged, changed);
    }
}

/// Some of the month's open tickets were written down on paper and entered in the first hours of the next, before its figures
/// are frozen at night: they are the month's from the first letter on.
fn enter_late(dice: &mut Dice, drafts: &mut [Draft], stock: &[usize], start: NaiveDateTime, end: NaiveDateTime) {
    let recent = stock
        .iter()
        .copied()
        .filter(|i| drafts[*i].received >= start && drafts[*i].received > end - TimeDelta::days(5));
    for i in recent.take(5).collect::<Vec<_>>() {
        drafts[i].entered = end + TimeDelta::minutes(dice.between(9, 60));
        drafts[i].changes.retain(|(_, what, _)| *what != Happening::Staged);
    }
}

/// Rows that count nowhere: duplicates and spam that became void, and rows that cannot be read.
fn oddities(dice: &mut Dice, drafts: &mut Vec<Draft>, start: NaiveDateTime, end: NaiveDateTime) {
    for i in 0..12 {
        let received = working_time(dice, start, end - TimeDelta::days(1));
        let mut t = agency_ticket(dice, received);
        let at = received + TimeDelta::hours(dice.between(1, 9));
        t.then(
            at,
            Happening::Voided,
            vec![
                ("status", if i % 3 == 0 { "hủy" } else { "trùng" }.into()),
                ("closed_at", at.into()),
            ],
        );
        drafts.push(t);
    }
    let received = working_time(dice, start, end - TimeDelta::days(1));
    let mut without_code = agency_ticket(dice, received);
    without_code.set("code", Cell::Null);
    drafts.push(without_code);
    let mut without_time = agency_ticket(dice, received + TimeDelta::hours(1));
    without_time.set("received_at", "0000-00-00 00:00:00");
    drafts.push(without_time);
    // The same paper typed in twice: neither row can be trusted.
    for _ in 0..2 {
        let mut twin = agency_ticket(dice, received + TimeDelta::hours(2));
        twin.set("code", format!("DT1022.{}.0001", start.format("%Y%m00")));
        drafts.push(twin);
    }
}

fn operator_ticket(dice: &mut Dice, received: NaiveDateTime) -> Draft {
    let mut t = draft(dice, received);
    t.set("level", 1);
    t.set("kind", dice.pick(&["hỏi đáp", "hỏi đáp", "góp ý", "phản ánh"]));
    t.set("category", dice.pick(&AGENCIES).2);
    t
}

fn agency_ticket(dice: &mut Dice, received: NaiveDateTime) -> Draft {
    let mut t = draft(dice, received);
    // A few agencies are asked more than others.
    let (name, other, field) = if dice.chance(35) {
        dice.pick(&AGENCIES[..4])
    } else {
        dice.pick(&AGENCIES)
    };
    t.set("level", if dice.chance(15) { 3 } else { 2 });
    t.set("kind", dice.pick(&["phản ánh", "phản ánh", "kiến nghị"]));
    t.set("category", field);
    t.set("agency", if dice.chance(25) { other } else { name });
    t.set("assigned_at", received);
    t
}

fn draft(dice: &mut Dice, received: NaiveDateTime) -> Draft {
    let phone = format!("0900 000 {:03}", dice.below(1000));
    let base: Vec<(&'static str, Cell)> = vec![
        ("status", "đang xử lý".into()),
        ("received_at", received.into()),
        ("title", "Phản ánh của người dân".into()),
        ("body", "Nội dung phản ánh, kiến nghị.".into()),
        ("priority", "thường".into()),
        ("channel", dice.pick(&CHANNELS).into()),
        ("area", dice.pick(&AREAS).into()),
        ("is_procedure", 0.into()),
        ("confidential", 0.into()),
        ("reopen_count", 0.into()),
        ("rating_excluded", 0.into()),
        ("reporter_name", "Người Được Bịa Ra".into()),
        ("reporter_phone", phone.into()),
    ];
    Draft {
        received,
        entered: received,
        base,
        changes: Vec::new(),
    }
}

/// An instant in a span, mostly within office hours of weekdays.
fn working_time(dice: &mut Dice, from: NaiveDateTime, to: NaiveDateTime) -> NaiveDateTime {
    use chrono::{Datelike, Timelike};
    let mut at = between(dice, from, to);
    for _ in 0..6 {
        let is_usual = at.weekday().num_days_from_monday() < 5 && (7..17).contains(&at.hour());
        if is_usual || dice.chance(8) {
            break;
        }
        at = between(dice, from, to);
    }
    at
}

/// An instant in a span, mostly by day.
fn any_time(dice: &mut Dice, from: NaiveDateTime, to: NaiveDateTime) -> NaiveDateTime {
    use chrono::Timelike;
    let at = between(dice, from, to);
    if (6..21).contains(&at.hour()) {
        at
    } else {
        between(dice, from, to)
    }
}

fn between(dice: &mut Dice, from: NaiveDateTime, to: NaiveDateTime) -> NaiveDateTime {
    let seconds = (to - from).num_seconds().max(1);
    from + TimeDelta::seconds(dice.between(0, seconds))
}

/// Numbers the tickets by day, and puts all changes in order.
fn finish(mut drafts: Vec<Draft>) -> World {
    drafts.sort_by_key(|d| d.received);
    let mut changes = Vec::new();
    let (mut day, mut number) = (NaiveDate::MIN, 0);
    for (row, draft) in drafts.iter().enumerate() {
        if draft.received.date() != day {
            (day, number) = (draft.received.date(), 0);
        }
        number += 1;
        let code = format!("DT1022.{}.{number:04}", day.format("%Y%m%d"));
        let mut set = vec![
            ("code", Cell::from(code.as_str())),
            ("url", Cell::from(format!("https://1022.dongthap.example/phieu/{code}"))),
        ];
        set.extend(draft.base.iter().cloned());
        changes.push(Change {
            at: instant(draft.entered),
            row,
            what: Happening::Created,
            set,
        });
        for (at, what, set) in &draft.changes {
            // What happened before the ticket was entered was entered with it.
            changes.push(Change {
                at: instant((*at).max(draft.entered)),
                row,
                what: *what,
                set: set.clone(),
            });
        }
    }
    changes.sort_by_key(|c| c.at);
    World {
        changes,
        rows: drafts.len(),
    }
}

/// The ticket database's local time, UTC+7 without summer time.
fn instant(local: NaiveDateTime) -> Moment {
    chrono_tz::Asia::Ho_Chi_Minh
        .from_local_datetime(&local)
        .earliest()
        .map_or(local.and_utc(), |at| at.to_utc())
}

fn local(at: Moment) -> NaiveDateTime {
    at.with_timezone(&chrono_tz::Asia::Ho_Chi_Minh).naive_local()
}

impl World {
    /// Each row's cells at an instant, in the order of [`COLUMNS`]; `None` before it was entered.
    #[must_use]
    pub fn rows_at(&self, at: Moment) -> Vec<Option<Vec<Cell>>> {
        let mut rows = vec![None; self.rows];
        for change in self.changes.iter().take_while(|c| c.at <= at) {
            apply(change, &mut rows[change.row]);
        }
        rows
    }
}

fn apply(change: &Change, row: &mut Option<Vec<Cell>>) {
    let cells = row.get_or_insert_with(|| vec![Cell::Null; COLUMNS.len()]);
    let updated = ("updated_at", Cell::from(local(change.at)));
    for (column, cell) in change.set.iter().chain([&updated]) {
        if let Some(place) = COLUMNS.iter().position(|c| c == column) {
            cells[place] = cell.clone();
        }
    }
}

/// The demo's ticket database, written as the hotline's own system would.
pub struct TicketDb {
    pool: SqlitePool,
    rows: Vec<Option<Vec<Cell>>>,
    applied: usize,
}

impl TicketDb {
    /// Makes the file with its empty table.
    pub async fn create(path: &Path) -> Result<TicketDb> {
        // A file that can be made again at any time need not survive a power cut.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Memory)
            .synchronous(SqliteSynchronous::Off);
        let pool = SqlitePool::connect_with(options)
            .await
            .with_context(|| format!("making {}", path.display()))?;
        let columns: Vec<String> = COLUMNS.iter().map(|c| format!("{c} {}", declared(c))).collect();
        let table = format!("CREATE TABLE ticket (id INTEGER PRIMARY KEY, {})", columns.join(", "));
        sqlx::query(sqlx::AssertSqlSafe(table)).execute(&pool).await?;
        sqlx::query("CREATE INDEX ticket_updated_at ON ticket (updated_at, code)")
            .execute(&pool)
            .await?;
        sqlx::query("CREATE INDEX ticket_code ON ticket (code)")
            .execute(&pool)
            .await?;
        Ok(TicketDb {
            pool,
            rows: Vec::new(),
            applied: 0,
        })
    }

    /// Applies the changes up to an instant, in one transaction; how many there were.
    pub async fn apply_until(&mut self, world: &World, until: Moment) -> Result<usize> {
        self.rows.resize(world.rows, None);
        let due = world.changes[self.applied..]
            .iter()
            .take_while(|c| c.at <= until)
            .count();
        let mut touched = Vec::with_capacity(due);
        for change in &world.changes[self.applied..self.applied + due] {
            apply(change, &mut self.rows[change.row]);
            touched.push(change.row);
        }
        touched.sort_unstable();
        touched.dedup();
        let mut tx = self.pool.begin().await?;
        let row = format!("({})", vec!["?"; COLUMNS.len() + 1].join(", "));
        for chunk in touched.chunks(20) {
            let write = format!(
                "INSERT OR REPLACE INTO ticket (id, {}) VALUES {}",
                COLUMNS.join(", "),
                vec![row.as_str(); chunk.len()].join(", ")
            );
            let mut query = sqlx::query(sqlx::AssertSqlSafe(write));
            for row in chunk {
                let Some(cells) = &self.rows[*row] else {
                    bail!("a change of row {row} comes before the row")
                };
                query = query.bind(i64::try_from(*row)?);
                for cell in cells {
                    query = match cell {
                        Cell::Null => query.bind(None::<String>),
                        Cell::Integer(n) => query.bind(*n),
                        Cell::Text(text) => query.bind(text.clone()),
                    };
                }
            }
            query.execute(&mut *tx).await?;
        }
        tx.commit().await?;
        self.applied += due;
        Ok(due)
    }
}

fn declared(column: &str) -> &'static str {
    match column {
        "level" | "is_procedure" | "confidential" | "reopen_count" | "rating_excluded" => "INTEGER",
        _ => "TEXT",
    }
}
