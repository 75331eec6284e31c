//! dondoc (đôn đốc: to urge on) reads a hotline's ticket database, tells the agencies that owe an answer, climbs the
//! ladder to their superiors when nothing happens, and counts the month.
//!
//! 1. One path: observe → decide → compose → deliver is one turn ([`engine::Engine::turn`]); every command takes it.
//! 2. The domain is pure: no I/O, no clock, no async in [`domain`]; time is an argument.
//! 3. A message is durable before its first attempt; sending is outside any transaction.
//! 4. Work follows what is due: each ticket's next instant is stored and indexed.
//! 5. Things that happen are enums with reasons.

#![deny(unsafe_code)]

pub mod channel;
pub mod cli;
mod clock;
pub mod config;
mod cores;
pub mod daemon;
pub mod demo;
pub mod domain;
pub mod engine;
mod process;
pub mod rehearsal;
pub mod render;
pub mod report;
pub mod shipped;
pub mod source;
pub mod store;
