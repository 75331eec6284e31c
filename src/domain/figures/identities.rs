//! What must hold between the figures of a period, whatever happened.

use super::{Balance, Column, Detail, Figures, Owner};
use crate::domain::obligation::CARDS;

/// Which of the tables by owner, field or locality.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    Owners,
    Fields,
    Areas,
}

/// One row of the balance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Whole,
    Owner(Owner),
    /// A category.
    Field(String),
    /// A locality's code.
    Area(String),
}

/// An identity that does not hold, with its numbers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error(
        "{place}: stock before {stock_before} and adjustments {adjustments} are not the opening stock {opening_stock}"
    )]
    OpeningStock {
        place: Place,
        stock_before: u64,
        adjustments: i64,
        opening_stock: u64,
    },
    #[error(
        "{place}: opening stock {opening_stock}, received {received} and taken up {taken_up} are not done in time {done_on_time} and late {done_late}, rejected {rejected}, open within the deadline {open_within} and overdue {open_overdue}"
    )]
    Balance {
        place: Place,
        opening_stock: u64,
        received: u64,
        taken_up: u64,
        done_on_time: u64,
        done_late: u64,
        rejected: u64,
        open_within: u64,
        open_overdue: u64,
    },
    #[error("{place}: {by_first} done by the first deadline, {by_present} by the present one")]
    FirstDeadline {
        place: Place,
        by_first: u64,
        by_present: u64,
    },
    #[error(
        "{place}: carried over {carried_over}, new {new_in_period} and taken up again {taken_up_again} are not the {open} open"
    )]
    Open {
        place: Place,
        carried_over: u64,
        new_in_period: u64,
        taken_up_again: u64,
        open: u64,
    },
    #[error("{place}: {part} {of_part} of {whole} {of_whole}")]
    Part {
        place: Place,
        part: Column,
        of_part: i64,
        whole: Column,
        of_whole: i64,
    },
    #[error("{table}: {column} of the rows is {rows}, of all tickets {whole}")]
    Sum {
        table: Table,
        column: Column,
        rows: i64,
        whole: i64,
    },
    #[error("{table}: {moved_in} moved in, {moved_out} moved out")]
    Moved {
        table: Table,
        moved_in: u64,
        moved_out: u64,
    },
    #[error("channels: {channels} received, of all tickets {total}")]
    Channels { channels: u64, total: u64 },
    #[error("{listed} overdue tickets are listed and {withheld} not to be listed, {open_overdue} are counted")]
    Listed {
        listed: u64,
        withheld: u64,
        open_overdue: u64,
    },
    #[error("{place}: {by_number} reminders have a number, of {reminders}")]
    Reminded {
        place: Place,
        by_number: u64,
        reminders: u64,
    },
    #[error("{known} open tickets about cards have a stage, of {open}")]
    Cards { known: u64, open: u64 },
    #[error("{place}: the period before ended with {closing_stock}, this one begins with {stock_before}")]
    StockBefore {
        place: Place,
        closing_stock: u64,
        stock_before: u64,
    },
}

impl std::fmt::Display for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Table::Owners => "owners",
            Table::Fields => "fields",
            Table::Areas => "areas",
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Whole => f.write_str("all tickets"),
            Place::Owner(owner) => f.write_str(&String::from(owner.clone())),
            Place::Field(field) => write!(f, "field `{field}`"),
            Place::Area(area) => write!(f, "area `{area}`"),
        }
    }
}

/// The parts that cannot be more than what they are part of.
const PARTS: [(Column, Column); 8] = [
    (Column::LateEntries, Column::OpeningStock),
    (Column::Voided, Column::StockBefore),
    (Column::CarriedOver, Column::OpeningStock),
    (Column::NewInPeriod, Column::Received),
    (Column::TakenUpAgain, Column::TakenUp),
    (Column::Procedures, Column::Received),
    (Column::Flagged, Column::Received),
    (Column::Excluded, Column::Unsatisfied),
];

impl Figures {
    /// Every identity that these figures violate; none where they can go out.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        for (place, row) in self.rows() {
            of_row(&place, row, &mut found);
        }
        for (table, rows) in self.tables() {
            for column in Column::ALL.into_iter().filter(|column| column.is_summed()) {
                let sum = rows.iter().filter_map(|row| column.count(row)).sum();
                if let Some(whole) = column.count(&self.whole)
                    && sum != whole
                {
                    let rows = sum;
                    found.push(Violation::Sum {
                        table,
                        column,
                        rows,
                        whole,
                    });
                }
            }
            let (moved_in, moved_out) = rows
                .iter()
                .fold((0, 0), |(i, o), row| (i + row.moved_in, o + row.moved_out));
            if moved_in != moved_out {
                found.push(Violation::Moved {
                    table,
                    moved_in,
                    moved_out,
                });
            }
        }
        let channels = self.channels.values().sum();
        if channels != self.whole.received {
            let total = self.whole.received;
            found.push(Violation::Channels { channels, total });
        }
        if let Some(detail) = &self.detail {
            self.of_detail(detail, &mut found);
        }
        found
    }

    fn of_detail(&self, detail: &Detail, found: &mut Vec<Violation>) {
        let (listed, withheld) = (detail.overdue.len() as u64, detail.withheld);
        let open_overdue = self.whole.open_overdue;
        if listed + withheld != open_overdue {
            found.push(Violation::Listed {
                listed,
                withheld,
                open_overdue,
            });
        }
        for (owner, reminded) in &detail.reminded {
            let by_number = reminded.by_number.iter().sum();
            let reminders = self.owners.get(owner).map_or(0, |row| row.reminders);
            if by_number > reminders {
                found.push(Violation::Reminded {
                    place: Place::Owner(owner.clone()),
                    by_number,
                    reminders,
                });
            }
        }
        let known = detail.cards.known();
        let open = self.fields.get(CARDS).map_or(0, Balance::open);
        if known > open {
            found.push(Violation::Cards { known, open });
        }
    }

    /// Where the stock that these figures begin with is not the one that those of the period before ended with.
    #[must_use]
    pub fn violations_after(&self, before: &Figures) -> Vec<Violation> {
        let nothing = Balance::default();
        let mut found = Vec::new();
        let mut compare = |place: Place, was: Option<&Balance>, is: Option<&Balance>| {
            let closing_stock = was.unwrap_or(&nothing).open();
            let stock_before = is.unwrap_or(&nothing).stock_before;
            if closing_stock != stock_before {
                found.push(Violation::StockBefore {
                    place,
                    closing_stock,
                    stock_before,
                });
            }
        };
        compare(Place::Whole, Some(&before.whole), Some(&self.whole));
        let both = |a: &Figures, b: &Figures| -> Vec<Place> {
            let mut places: Vec<Place> = a.rows().map(|(place, _)| place).collect();
            let more = b.rows().map(|(place, _)| place).filter(|place| a.row(place).is_none());
            places.extend(more);
            places
        };
        for place in both(before, self).into_iter().filter(|place| *place != Place::Whole) {
            let (was, is) = (before.row(&place), self.row(&place));
            compare(place, was, is);
        }
        found
    }

    /// All rows, the one of all tickets first.
    pub fn rows(&self) -> impl Iterator<Item = (Place, &Balance)> {
        let owners = self
            .owners
            .iter()
            .map(|(owner, row)| (Place::Owner(owner.clone()), row));
        let fields = self
            .fields
            .iter()
            .map(|(field, row)| (Place::Field(field.clone()), row));
        let areas = self.areas.iter().map(|(area, row)| (Place::Area(area.clone()), row));
        std::iter::once((Place::Whole, &self.whole))
            .chain(owners)
            .chain(fields)
            .chain(areas)
    }

    #[must_use]
    pub fn row(&self, place: &Place) -> Option<&Balance> {
        match place {
            Place::Whole => Some(&self.whole),
            Place::Owner(owner) => self.owners.get(owner),
            Place::Field(field) => self.fields.get(field),
            Place::Area(area) => self.areas.get(area),
        }
    }

    fn tables(&self) -> [(Table, Vec<&Balance>); 3] {
        [
            (Table::Owners, self.owners.values().collect()),
            (Table::Fields, self.fields.values().collect()),
            (Table::Areas, self.areas.values().collect()),
        ]
    }
}

fn of_row(place: &Place, row: &Balance, found: &mut Vec<Violation>) {
    let place = || place.clone();
    if i128::from(row.stock_before) + i128::from(row.adjustments()) != i128::from(row.opening_stock) {
        found.push(Violation::OpeningStock {
            place: place(),
            stock_before: row.stock_before,
            adjustments: row.adjustments(),
            opening_stock: row.opening_stock,
        });
    }
    let done = row.done_on_time + row.done_late;
    if row.to_do() != done + row.rejected + row.open() {
        found.push(Violation::Balance {
            place: place(),
            opening_stock: row.opening_stock,
            received: row.received,
            taken_up: row.taken_up,
            done_on_time: row.done_on_time,
            done_late: row.done_late,
            rejected: row.rejected,
            open_within: row.open_within,
            open_overdue: row.open_overdue,
        });
    }
    let by_first = row.done_on_time_first + row.done_late_first;
    if by_first != done {
        found.push(Violation::FirstDeadline {
            place: place(),
            by_first,
            by_present: done,
        });
    }
    if row.carried_over + row.new_in_period + row.taken_up_again != row.open() {
        found.push(Violation::Open {
            place: place(),
            carried_over: row.carried_over,
            new_in_period: row.new_in_period,
            taken_up_again: row.taken_up_again,
            open: row.open(),
        });
    }
    for (part, whole) in PARTS {
        if let (Some(of_part), Some(of_whole)) = (part.count(row), whole.count(row))
            && of_part > of_whole
        {
            found.push(Violation::Part {
                place: place(),
                part,
                of_part,
                whole,
                of_whole,
            });
        }
    }
}
