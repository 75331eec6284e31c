//! Which mailboxes the configuration names. A mail that waits for another one is let go of when a changed configuration is
//! taken up: what it was to tell goes to whoever is named now.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::{Deputy, Desk, OPS};
use crate::store::outbox::WaitingMail;
use crate::store::{StoreError, Tx};

/// Who may be written to at a date: each desk's own addresses and those of whoever stands in for it. The files name none
/// outside of `delivery.allowed_domains`.
struct Named<'a> {
    config: &'a Config,
    /// Ops' and the shadow's boxes, for which any message may be.
    ops: HashSet<&'a str>,
    desks: HashMap<(&'a str, &'a str), HashSet<&'a str>>,
    shadow: HashSet<String>,
}

impl<'a> Named<'a> {
    fn new(config: &'a Config, on: NaiveDate) -> Named<'a> {
        let mut desks: HashMap<(&str, &str), HashSet<&str>> = HashMap::new();
        let mut name = |unit: &'a str, desk: Desk, address: &'a str| {
            desks.entry((unit, desk.word())).or_default().insert(address);
        };
        for (unit, contact) in config.directory.contacts(on) {
            if contact.is_usable(on) {
                name(&unit.id, contact.desk, &contact.address);
            }
        }
        for unit in config.directory.units.iter().filter(|unit| unit.is_valid(on)) {
            for absence in unit.absences.iter().filter(|a| (a.from..a.until).contains(&on)) {
                if let Deputy::Address { address, .. } = &absence.deputy {
                    name(&unit.id, absence.desk, address);
                }
            }
        }
        Named {
            config,
            ops: config.directory.ops.iter().map(String::as_str).collect(),
            desks,
            shadow: config.shadow_box().into_iter().collect(),
        }
    }

    fn takes(&self, mail: &WaitingMail) -> bool {
        let unit = self.config.directory.unit(&mail.unit).map_or(OPS, |unit| &unit.id);
        let own = self.desks.get(&(unit, mail.desk.as_str()));
        mail.recipients.iter().all(|address| {
            let of_desk = own.is_some_and(|own| own.contains(address.as_str()));
            of_desk || self.ops.contains(address.as_str()) || self.shadow.contains(address)
        })
    }
}

/// Lets go of the mails that wait to be sent to an address that is not their desk's any more.
pub(super) async fn take_up(tx: &mut Tx, config: &Config, now: Moment) -> Result<(), StoreError> {
    let named = Named::new(config, config.calendars.base().date_of(now));
    let waiting = tx.waiting_mails().await?;
    let strays = waiting.iter().filter(|mail| !named.takes(mail));
    let strays: Vec<&str> = strays.map(|mail| mail.id.as_str()).collect();
    let replaced = tx
        .replace(&strays, "its address is not in the configuration any more", now)
        .await?;
    for id in replaced {
        tracing::info!(mail = %id, "its address is not in the configuration any more; what it tells goes to whoever is named now");
    }
    Ok(())
}
