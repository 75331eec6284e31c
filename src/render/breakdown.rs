//! How the tickets of a section are spread: over localities and age, over stages, and whom they wait for. Only counts.

use serde::Serialize;

use super::view::LineView;

/// The last day of each band of age but the oldest, which has no end (`domain.md` §3.1).
const BANDS: [i64; 3] = [15, 30, 60];

/// Tickets by band of age.
type Bands = [usize; BANDS.len() + 1];

/// The counts of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Breakdown {
    /// In the order of the lines.
    localities: Vec<Spread>,
    all: Spread,
    /// The most frequent first.
    stages: Vec<Share>,
    /// Units outside of the province's power that are waited for.
    outside: Vec<Share>,
}

/// The tickets of a locality; `name` is `None` where it is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Spread {
    name: Option<String>,
    bands: Bands,
    total: usize,
}

/// The tickets that have something in common; `name` is `None` for those that have nothing of the kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Share {
    name: Option<String>,
    count: usize,
}

impl Spread {
    fn of(name: Option<String>) -> Spread {
        Spread {
            name,
            bands: Bands::default(),
            total: 0,
        }
    }

    fn add(&mut self, age_days: i64) {
        let band = BANDS.iter().position(|last| age_days <= *last).unwrap_or(BANDS.len());
        self.bands[band] += 1;
        self.total += 1;
    }
}

impl Breakdown {
    /// Counts the lines of a section.
    pub(super) fn of(lines: &[LineView]) -> Breakdown {
        let mut breakdown = Breakdown {
            localities: Vec::new(),
            all: Spread::of(None),
            stages: Vec::new(),
            outside: Vec::new(),
        };
        for line in lines {
            let known = breakdown.localities.iter().position(|l| l.name == line.locality);
            let at = known.unwrap_or_else(|| {
                breakdown.localities.push(Spread::of(line.locality.clone()));
                breakdown.localities.len() - 1
            });
            breakdown.localities[at].add(line.age_days);
            breakdown.all.add(line.age_days);
            count(&mut breakdown.stages, line.stage.as_ref());
            if line.waiting_on.is_some() {
                count(&mut breakdown.outside, line.waiting_on.as_ref());
            }
        }
        for shares in [&mut breakdown.stages, &mut breakdown.outside] {
            shares.sort_by(|a, b| (b.count, &a.name).cmp(&(a.count, &b.name)));
        }
        breakdown
    }
}

fn count(shares: &mut Vec<Share>, name: Option<&String>) {
    match shares.iter_mut().find(|share| share.name.as_ref() == name) {
        Some(share) => share.count += 1,
        None => shares.push(Share {
            name: name.cloned(),
            count: 1,
        }),
    }
}
