//! The configuration of the run: twenty units, ladders in seconds, and a zone in which it is about noon, so that no date
//! changes while it lasts.

use std::net::SocketAddr;
use std::path::Path;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Timelike as _, Utc};

use super::owed::{OFFICE, UNITS, has_endpoint, has_head};
use crate::tickets::{Kind, Tickets};

/// Nobody's dedicated hours, and a day's digest that is not within the run.
pub const LATER: &str = "23:58";

/// Messages that are sent but not yet written down, at most.
pub const IN_FLIGHT: usize = 16;

const RULES: &str = r#"
[[rule]]
id = "climb"
title = "Phiếu quá hạn xử lý"
when = "overdue"
where = { category = "climb" }
digest = "ticket"

[[rule.step]]
id = "L1"
after = "1s"
to = ["agency:contact"]
cc = ["co_agencies:contact"]
template = "overdue-1"

[[rule.step]]
id = "L2"
after = "3s"
to = ["agency:head"]
via = ["email", "webhook"]
min_gap = "1s"
template = "overdue-2"

[[rule.step]]
id = "L3"
after = "5s"
to = ["office:contact"]
via = ["email", "webhook"]
min_gap = "1s"
template = "overdue-office"

# By one channel, so that each time is a message of its own: by two, the one may still wait as the other is told again.
[[rule.step]]
id = "L4"
after = "6s"
to = ["office:head"]
min_gap = "1s"
repeat = { every = "2s", times = 1 }
template = "overdue-office"

[[rule]]
id = "chase"
title = "Phiếu quá hạn cần đôn đốc"
when = "overdue"
where = { category = "chase" }
digest = "ticket"

[[rule.step]]
id = "L1"
after = "1s"
to = ["agency:contact"]
via = ["email", "webhook"]
template = "overdue-1"

[[rule.step]]
id = "L2"
after = "6h"
to = ["agency:head"]
template = "overdue-2"

[[rule]]
id = "list"
title = "Phiếu quá hạn trong ngày"
when = "overdue"
where = { category = "list" }

[[rule.step]]
id = "L1"
after = "1s"
to = ["agency:contact"]
template = "overdue-1"

[[rule]]
id = "new"
title = "Phiếu mới tiếp nhận"
when = "received"
where = { category = "new" }
digest = "ticket"

[[rule.step]]
id = "N1"
after = "0s"
to = ["agency:contact"]
via = ["webhook"]
template = "received"
"#;

const CONFIG: &str = r#"
since = "SINCE"

[source]
url = "SOURCE"
query = "SELECT * FROM ticket"
time_zone = "ZONE"
stale_after = 0
max_age = 0

[source.status]
"đang xử lý" = "open"
"đóng" = "closed"
"từ chối" = "rejected"
"trùng" = "void"

[store]
url = "STORE"

[smtp]
host = "127.0.0.1"
port = MAIL
hello = "1022.tinh.example"
timeout = "2s"

[webhooks]
allowed_private = ["127.0.0.0/8"]
timeout = "2s"

[ops]
tell = false

[delivery]
from_address = "nhacviec@tinh.example"
from_name = "Trung tâm"
reply_to = "truc@tinh.example"
tag = "1022"
hotline = "Tổng đài 1022"
contact_line = "truc@tinh.example"
signature = "Trung tâm"
allowed_domains = ["tinh.example"]
retry = ["1s", "1s", "2s"]
digest_at = "LATER"

[limits]
in_flight = IN_FLIGHT

[run]
every = "1s"

[http]
listen = "off"
"#;

/// The wall's clock: the daemon's is the same.
#[expect(clippy::disallowed_methods, reason = "a real process lives by the real clock")]
pub fn now() -> DateTime<Utc> {
    std::time::SystemTime::now().into()
}

/// Hours that a zone is ahead in which it is about noon.
#[derive(Debug, Clone, Copy)]
pub struct Zone(i64);

impl Zone {
    pub fn of_noon() -> Zone {
        Zone(12 - i64::from(now().hour()))
    }

    /// Such names count westwards.
    fn name(self) -> String {
        match -self.0 {
            0 => "Etc/GMT".to_owned(),
            west => format!("Etc/GMT{west:+}"),
        }
    }

    pub fn local(self, at: DateTime<Utc>) -> NaiveDateTime {
        at.naive_utc() + TimeDelta::hours(self.0)
    }
}

pub fn write(dir: &Path, zone: Zone, tickets: &Tickets, store: &str, mail: u16, hooks: SocketAddr) {
    let put = |file: &str, text: &str| std::fs::write(dir.join(file), text).expect("a file");
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    std::fs::create_dir(dir.join("rules")).expect("a folder");
    crate::world::copy_all(&shipped.join("templates"), &dir.join("templates"));
    std::fs::copy(shipped.join("terms.toml"), dir.join("terms.toml")).expect("the terms");
    put("rules/test.toml", RULES);
    put("a.key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=");
    put("agencies.toml", &agencies(hooks));
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"].map(|day| format!("{day} = [\"00:00-23:59\"]\n"));
    let zone_name = zone.name();
    put(
        "calendar.toml",
        &format!(
            "zone = \"{zone_name}\"\nfilled_until = \"2049-12-31\"\n[[hours]]\n{}",
            days.concat()
        ),
    );
    let since = now() - TimeDelta::hours(1);
    let config = CONFIG
        .replace("SINCE", &since.to_rfc3339())
        .replace("SOURCE", &tickets.url())
        .replace("ZONE", &zone_name)
        .replace("STORE", store)
        .replace("MAIL", &mail.to_string())
        .replace("LATER", LATER)
        .replace("IN_FLIGHT", &IN_FLIGHT.to_string());
    put("dondoc.toml", &config);
}

pub fn name(unit: usize) -> String {
    format!("Đơn vị {unit:02}")
}

fn agencies(hooks: SocketAddr) -> String {
    let mut text = "root = \"ROOT\"\noffice = \"U00\"\nops = [\"ops@tinh.example\"]\n\n\
        [[unit]]\nid = \"ROOT\"\nname = \"Ủy ban nhân dân tỉnh\"\ncontacts = []\n"
        .to_owned();
    for unit in OFFICE..=UNITS {
        let contact = |desk: &str| {
            format!("{{ role = \"{desk}\", address = \"{desk}.u{unit:02}@tinh.example\", confirmed = \"2020-01-06\" }}")
        };
        let mut contacts = vec![contact("contact")];
        if has_head(unit) {
            contacts.push(contact("head"));
        }
        text += &format!(
            "\n[[unit]]\nid = \"U{unit:02}\"\nname = \"{}\"\nparent = \"ROOT\"\ncontacts = [{}]\n",
            name(unit),
            contacts.join(", ")
        );
        if has_endpoint(unit) {
            text += &format!(
                "webhooks = [{{ id = \"w{unit:02}\", url = \"http://{hooks}/U{unit:02}\", key_files = [\"a.key\"] }}]\n"
            );
        }
    }
    text
}

/// An instant as a column of the ticket database takes it: whole seconds.
pub fn written(at: DateTime<Utc>, zone: Zone, kind: Kind) -> String {
    match kind {
        Kind::Sqlite => format!("'{}'", zone.local(at).format("%Y-%m-%d %H:%M:%S")),
        _ => format!("'{}+00'", at.format("%Y-%m-%d %H:%M:%S")),
    }
}

/// A deadline, which has no zone of its own in any database.
pub fn written_due(at: DateTime<Utc>, zone: Zone) -> String {
    format!("'{}'", zone.local(at).format("%Y-%m-%d %H:%M:%S"))
}
