//! The one integration test binary, so that linking stays short; each module is a subject.

mod architecture;
mod calendar;
mod cli;
mod config;
mod daemon;
mod day;
mod demo;
mod ladder;
mod ladder_properties;
mod letters;
mod machine;
mod postgres;
mod readme;
mod render;
mod sink;
mod smtp;
mod smtp_tls;
mod source;
mod source_servers;
mod store;
mod stories;
mod systemd;
mod tickets;
mod webhooks;
mod weekly;
mod world;
