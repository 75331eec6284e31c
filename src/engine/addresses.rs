//! Which mailboxes the configuration names. A mail that waits for another one is let go of when a changed configuration is
//! taken up: what it was to tell goes to whoever is named now.

use std::collections::HashSet;

use chrono::NaiveDate;

use crate::config::Config;
use crate::domain::Moment;
use crate::domain::directory::Deputy;
use crate::store::{StoreError, Tx};

/// All that may be written to at a date; the files name none outside of `delivery.allowed_domains`.
fn named(config: &Config, on: NaiveDate) -> HashSet<String> {
    let mut named: HashSet<String> = config.shadow_box().into_iter().collect();
    named.extend(config.directory.ops.iter().cloned());
    for unit in config.directory.units.iter().filter(|unit| unit.is_valid(on)) {
        let contacts = unit.contacts.iter().filter(|contact| contact.is_usable(on));
        named.extend(contacts.map(|contact| contact.address.clone()));
        named.extend(unit.absences.iter().filter_map(|absence| match &absence.deputy {
            Deputy::Address { address, .. } if absence.from <= on && on < absence.until => Some(address.clone()),
            _ => None,
        }));
    }
    named
}

/// Lets go of the mails that wait to be sent to an address that is named no more.
pub(super) async fn take_up(tx: &mut Tx, config: &Config, now: Moment) -> Result<(), StoreError> {
    let named = named(config, config.calendars.base().date_of(now));
    let waiting = tx.waiting_mails().await?;
    let strays = waiting
        .iter()
        .filter(|(_, to)| !to.iter().all(|address| named.contains(address)));
    let strays: Vec<&str> = strays.map(|(id, _)| id.as_str()).collect();
    let replaced = tx
        .replace(&strays, "its address is not in the configuration any more", now)
        .await?;
    for id in replaced {
        tracing::info!(mail = %id, "its address is not in the configuration any more; what it tells goes to whoever is named now");
    }
    Ok(())
}
