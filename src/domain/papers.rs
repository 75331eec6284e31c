//! What the province's own administrative papers bear: who issues them, where, to whom and by whose signature; and by when
//! replies to them are asked for where nobody has said so.

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::calendar::Calendar;
use super::time::Period;

/// What a form shows where nothing is known: somebody writes it in.
pub const BLANK: &str = "…………";

/// Which day of the next period replies are due on (the case itself has «trước ngày 28/9/2021» for August).
const REPLY_ON: u64 = 28;

/// How many working days at least lie between the day on which a paper is drawn up and the one replies are due on.
pub const REPLY_WITHIN: i32 = 10;

/// «Trước ngày …», as it is proposed: the 28th day of the next period (of the next month, the 28th), on a closed day the
/// first working day behind it, and never less than ten working days after the day on which the paper is drawn up.
#[must_use]
pub fn proposed_reply_before(period: Period, cal: &Calendar, drawn_on: NaiveDate) -> NaiveDate {
    let first = period.end();
    let usual = first.checked_add_days(Days::new(REPLY_ON - 1)).unwrap_or(first);
    cal.on_or_after(usual).max(cal.nth_working_day(drawn_on, REPLY_WITHIN))
}

/// The papers that are drafted, in the layout of Nghị định 30/2020.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Papers {
    /// The agency above the Office, in capitals; it issues the directive.
    pub superior: String,
    /// The Office, in capitals.
    pub office: String,
    /// The People's Committee as sentences name it; the Chairman and the Office are named after it.
    pub committee: String,
    /// The place before the date.
    pub place: String,
    /// What the report is made by virtue of, a paragraph each.
    pub bases: Vec<String>,
    /// Id of the unit that answers for tickets about identity cards.
    pub cards_unit: Option<String>,
    pub report: Paper,
    pub directive: Paper,
    pub urging: Paper,
}

/// One kind of paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Paper {
    /// What follows the number: `BC-VPUBND`.
    pub symbol: String,
    /// «Kính gửi»; empty where the paper itself knows whom it concerns.
    pub to: Vec<String>,
    /// Lines above the signature, in capitals.
    pub signer: Vec<String>,
    /// «Nơi nhận», without dashes.
    pub copies: Vec<String>,
}

impl Default for Papers {
    fn default() -> Papers {
        let paper = |copies: &[&str]| Paper {
            symbol: BLANK.to_owned(),
            to: Vec::new(),
            signer: vec![BLANK.to_owned()],
            copies: copies.iter().map(|c| (*c).to_owned()).collect(),
        };
        Papers {
            superior: "ỦY BAN NHÂN DÂN TỈNH".to_owned(),
            office: "VĂN PHÒNG".to_owned(),
            committee: "Ủy ban nhân dân tỉnh".to_owned(),
            place: BLANK.to_owned(),
            bases: Vec::new(),
            cards_unit: None,
            report: paper(&["Như trên", "Lưu: VT"]),
            directive: paper(&["Như trên", "Lưu: VT"]),
            urging: paper(&["Như trên", "Lưu: VT"]),
        }
    }
}

impl Papers {
    /// «Chủ tịch Ủy ban nhân dân tỉnh».
    #[must_use]
    pub fn chairman(&self) -> String {
        format!("Chủ tịch {}", self.committee)
    }

    /// «Văn phòng Ủy ban nhân dân tỉnh».
    #[must_use]
    pub fn bureau(&self) -> String {
        format!("Văn phòng {}", self.committee)
    }
}
