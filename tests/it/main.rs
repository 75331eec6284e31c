//! The one integration test binary, so that linking stays short; each module is a subject.

mod calendar;
mod config;
mod ladder;
mod ladder_properties;
mod letters;
mod render;
mod stories;
mod weekly;
mod world;
