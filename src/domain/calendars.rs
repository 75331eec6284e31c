//! Which calendar counts for whom: the base one, and those of units with hours or closures of their own.

use std::collections::HashMap;
use std::sync::Arc;

use super::calendar::Calendar;

/// All calendars of a configuration. Deadlines and ladders use the responsible unit's, windows the recipient's.
#[derive(Debug, Clone)]
pub struct Calendars {
    base: Arc<Calendar>,
    own: HashMap<String, Arc<Calendar>>,
}

impl Calendars {
    #[must_use]
    pub fn new(base: Calendar, own: HashMap<String, Calendar>) -> Calendars {
        Calendars {
            base: Arc::new(base),
            own: own.into_iter().map(|(id, c)| (id, Arc::new(c))).collect(),
        }
    }

    #[must_use]
    pub fn base(&self) -> &Calendar {
        &self.base
    }

    /// The base one, and those that units have of their own.
    pub fn all(&self) -> impl Iterator<Item = &Calendar> {
        [&self.base].into_iter().chain(self.own.values()).map(Arc::as_ref)
    }

    /// The calendar of a unit; the base one where it has none of its own.
    #[must_use]
    pub fn of(&self, unit: &str) -> &Calendar {
        self.own.get(unit).unwrap_or(&self.base)
    }
}
