//! What the province's own administrative papers bear: who issues them, where, to whom and by whose signature.

use serde::Serialize;

/// What a form shows where nothing is known: somebody writes it in.
pub const BLANK: &str = "…………";

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
