//! Figures that do not go together are named with their numbers.

use std::collections::BTreeMap;

use dondoc::domain::figures::{
    Balance, Cards, Column, Detail, Figure, Figures, Overdue, Owner, Place, Reach, Reminded, Table, Value, Violation,
};
use dondoc::domain::wording::Locale;

use crate::world::at;

/// A row in which everything happened once or twice.
fn row() -> Balance {
    Balance {
        stock_before: 5,
        late_entries: 1,
        voided: 2,
        corrected: -1,
        moved_in: 3,
        moved_out: 3,
        opening_stock: 3,
        received: 9,
        taken_up: 2,
        done_on_time: 6,
        done_late: 2,
        done_on_time_first: 5,
        done_late_first: 3,
        rejected: 1,
        open_within: 3,
        open_overdue: 2,
        open_overdue_first: 4,
        carried_over: 2,
        new_in_period: 2,
        taken_up_again: 1,
        procedures: 4,
        flagged: 3,
        satisfied: 2,
        unsatisfied: 2,
        excluded: 1,
        no_reply: 3,
        reminders: 7,
        transfers: 2,
        extensions: 1,
        reopenings: 2,
        oldest_open: Some(at("2021-07-05 09:00")),
    }
}

/// One owner, field and locality with all there is.
fn figures() -> Figures {
    let whole = Balance {
        moved_in: 0,
        moved_out: 0,
        ..row()
    };
    Figures {
        reach: Reach {
            start: true,
            previous_start: true,
            end: true,
        },
        previous_total: 4,
        year_before_total: None,
        whole,
        owners: BTreeMap::from([(Owner::Unit("SYT".into()), row())]),
        fields: BTreeMap::from([("y_te".into(), row())]),
        areas: BTreeMap::from([(String::new(), row())]),
        channels: BTreeMap::from([("phone".into(), 7), (String::new(), 2)]),
        detail: Some(Detail {
            overdue: vec![overdue("T1")],
            withheld: 1,
            reminded: BTreeMap::from([(
                Owner::Unit("SYT".into()),
                Reminded {
                    by_number: vec![4, 2],
                    last: Some(at("2021-08-30 08:00")),
                },
            )]),
            cards: Cards::default(),
        }),
        earlier: BTreeMap::new(),
    }
}

fn overdue(code: &str) -> Overdue {
    let day = |d: u32| chrono::NaiveDate::from_ymd_opt(2021, 8, d).expect("a date");
    Overdue {
        code: code.into(),
        field: "y_te".into(),
        owner: Owner::Unit("SYT".into()),
        received_on: day(2),
        deadline: day(9),
        working_days: 16,
        reminders: 3,
        waiting_on: None,
    }
}

fn said(figures: &Figures) -> Vec<String> {
    figures.violations().iter().map(ToString::to_string).collect()
}

#[test]
fn figures_that_go_together_violate_nothing() {
    assert_eq!(said(&figures()), [""; 0]);
    assert_eq!(said(&Figures::default()), [""; 0]);
}

#[test]
fn each_identity_that_does_not_hold_is_named_with_its_numbers() {
    let spoilt = |spoil: fn(&mut Figures)| {
        let mut figures = figures();
        spoil(&mut figures);
        said(&figures)
    };
    // In a row, and in what its table adds up to.
    let of_whole = |spoil: fn(&mut Balance)| {
        let mut figures = figures();
        spoil(&mut figures.whole);
        let mut said = said(&figures);
        said.retain(|text| !text.contains("of the rows"));
        said
    };
    assert_eq!(
        of_whole(|row| row.stock_before = 6),
        ["all tickets: stock before 6 and adjustments -2 are not the opening stock 3"]
    );
    assert_eq!(
        of_whole(|row| row.rejected = 0),
        [
            "all tickets: opening stock 3, received 9 and taken up 2 are not done in time 6 and late 2, rejected 0, open within \
             the deadline 3 and overdue 2"
        ]
    );
    assert_eq!(
        of_whole(|row| row.done_late_first = 4),
        ["all tickets: 9 done by the first deadline, 8 by the present one"]
    );
    assert_eq!(
        of_whole(|row| row.taken_up_again = 0),
        ["all tickets: carried over 2, new 2 and taken up again 0 are not the 5 open"]
    );
    assert_eq!(
        of_whole(|row| row.flagged = 10),
        ["all tickets: flagged 10 of received 9"]
    );
    assert_eq!(
        of_whole(|row| row.excluded = 3),
        ["all tickets: excluded 3 of unsatisfied 2"]
    );
    assert_eq!(
        spoilt(|f| f.whole.reminders = 8),
        ["owners", "fields", "areas"].map(|table| format!("{table}: reminders of the rows is 7, of all tickets 8"))
    );
    assert_eq!(
        spoilt(|f| f.areas.values_mut().for_each(|row| {
            row.moved_in = 4;
            row.corrected = -2;
        })),
        [
            "areas: corrected of the rows is -2, of all tickets -1",
            "areas: 4 moved in, 3 moved out",
        ]
    );
    assert_eq!(
        spoilt(|f| f.channels.clear()),
        ["channels: 0 received, of all tickets 9"]
    );
    let detail = |spoil: fn(&mut Detail)| {
        let mut figures = figures();
        spoil(figures.detail.as_mut().expect("a detail"));
        said(&figures)
    };
    assert_eq!(
        detail(|d| d.withheld = 2),
        ["1 overdue tickets are listed and 2 not to be listed, 2 are counted"]
    );
    assert_eq!(
        detail(|d| {
            let unit = Owner::Unit("SYT".into());
            d.reminded.get_mut(&unit).expect("a unit").by_number.push(2);
        }),
        ["SYT: 8 reminders have a number, of 7"]
    );
    assert_eq!(
        detail(|d| d.cards.at_c06 = 1),
        ["1 open tickets about cards have a stage, of 0"]
    );
}

#[test]
fn what_is_withheld_is_counted_on() {
    let mut detail = figures().detail.expect("a detail");
    assert!(!detail.withhold(|code| code == "T2"));
    assert!(detail.withhold(|code| code == "T1"));
    assert_eq!((detail.overdue.len(), detail.withheld), (0, 2));
}

#[test]
fn a_stock_that_is_not_the_one_before_is_named_for_each_row() {
    let before = figures();
    let mut after = figures();
    let nothing = Balance::default();
    after.whole.stock_before = 5;
    after.owners = BTreeMap::from([
        (
            Owner::Unassigned,
            Balance {
                stock_before: 1,
                ..nothing.clone()
            },
        ),
        (
            Owner::Unit("SYT".into()),
            Balance {
                stock_before: 4,
                ..nothing
            },
        ),
    ]);
    after.fields.clear();
    let unlike = |place: Place, closing_stock, stock_before| Violation::StockBefore {
        place,
        closing_stock,
        stock_before,
    };
    assert_eq!(
        after.violations_after(&before),
        [
            unlike(Place::Owner(Owner::Unit("SYT".into())), 5, 4),
            unlike(Place::Field("y_te".into()), 5, 0),
            unlike(Place::Owner(Owner::Unassigned), 0, 1),
        ]
    );
    assert_eq!(
        unlike(Place::Whole, 5, 4).to_string(),
        "all tickets: the period before ended with 5, this one begins with 4"
    );
    let moved = Violation::Moved {
        table: Table::Fields,
        moved_in: 1,
        moved_out: 2,
    };
    assert_eq!(moved.to_string(), "fields: 1 moved in, 2 moved out");
}

#[test]
fn a_snapshot_reads_back_as_it_was_and_one_of_today_is_read_for_ever() {
    let stored = serde_json::to_string(&figures()).expect("JSON");
    assert_eq!(serde_json::from_str::<Figures>(&stored).expect("figures"), figures());
    insta::assert_json_snapshot!("snapshot_of_figures", figures());
    // What a later version adds is nought in what was stored before it.
    // What it adds beside the balance is not known of it.
    let old = r#"{"previous_total": 4, "whole": {"received": 9}, "owners": {"@unassigned": {"received": 2}, "@operator": {}}}"#;
    let read: Figures = serde_json::from_str(old).expect("figures");
    assert_eq!((read.previous_total, read.whole.received), (4, 9));
    assert_eq!((read.detail, read.earlier), (None, BTreeMap::new()));
    assert_eq!(
        read.owners.keys().collect::<Vec<_>>(),
        [&Owner::Unassigned, &Owner::Operator]
    );
}

#[test]
fn what_the_store_does_not_reach_is_not_known_and_a_rate_of_nothing_is_none() {
    let known = figures();
    let unknown = Figures {
        reach: Reach::default(),
        ..figures()
    };
    for figure in Figure::ALL {
        assert_eq!(figure.value(&unknown), None, "{figure:?}");
        let of_year_before = matches!(figure, Figure::YearBeforeTotal | Figure::ChangeFromYearBefore);
        assert_eq!(figure.value(&known).is_some(), !of_year_before, "{figure:?}");
    }
    for column in Column::ALL {
        assert_eq!(column.value(&unknown.whole, &unknown), None, "{column}");
    }
    assert_eq!(Figure::Change.value(&known), Some(5));
    let rate = |column: Column, row: &Balance| match column.value(row, &known) {
        Some(Value::Rate(rate)) => rate.map(|rate| rate.basis_points()),
        other => panic!("{other:?}"),
    };
    assert_eq!(rate(Column::OnTimeRate, &known.whole), Some(6000));
    assert_eq!(rate(Column::OnTimeRateFirst, &known.whole), Some(4167));
    assert_eq!(rate(Column::SatisfactionRate, &known.whole), Some(5000));
    for column in [Column::OnTimeRate, Column::OnTimeRateFirst, Column::SatisfactionRate] {
        assert_eq!(rate(column, &Balance::default()), None, "{column}");
    }
    // The hotline's own year: 37.389 of 37.507 solved.
    let year = Balance {
        done_on_time: 37_389,
        done_late: 118,
        ..Balance::default()
    };
    assert_eq!(rate(Column::OnTimeRate, &year), Some(9969));
}

#[test]
fn every_figure_has_a_key_of_its_own_and_says_how_it_is_reckoned() {
    let keys = |list: Vec<&'static str>| {
        let mut sorted = list.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), list.len(), "{list:?}");
    };
    keys(Figure::ALL.iter().map(|figure| figure.key()).collect());
    keys(Column::ALL.iter().map(|column| column.key()).collect());
    for locale in Locale::ALL {
        let words = Figure::ALL.map(|f| f.words(locale)).into_iter();
        for words in words.chain(Column::ALL.map(|c| c.words(locale))) {
            assert!(!words.label.is_empty() && words.formula.len() > 10, "{words:?}");
        }
    }
}
