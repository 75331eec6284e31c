//! `[report]`: what the province's papers bear.

use super::read::Section;
use crate::domain::papers::{Paper, Papers};

pub(super) fn read_papers(s: &mut Section<'_>) -> Papers {
    let default = Papers::default();
    Papers {
        superior: s.or("superior", default.superior),
        office: s.or("office", default.office),
        committee: s.or("committee", default.committee),
        place: s.or("place", default.place),
        bases: s.or("bases", default.bases),
        cards_unit: s.optional("cards_unit"),
        report: read_paper(s, "report", default.report),
        directive: read_paper(s, "directive", default.directive),
        urging: read_paper(s, "urging", default.urging),
    }
}

fn read_paper(s: &mut Section<'_>, key: &'static str, default: Paper) -> Paper {
    let read = |s: &mut Section<'_>| Paper {
        symbol: s.or("symbol", default.symbol.clone()),
        to: s.or("to", default.to.clone()),
        signer: s.or("signer", default.signer.clone()),
        copies: s.or("copies", default.copies.clone()),
    };
    s.get(key).and_then(|node| node.table(read)).unwrap_or(default)
}
