//! The monthly figures: what must hold between them whatever happened to the tickets, reckoned a second time from what
//! was done to them; and the store's side of it, told as stories.

mod identities;
mod properties;
mod stories;
