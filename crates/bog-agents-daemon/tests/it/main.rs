//! Everything that needs real processes, files and sockets.

#![expect(clippy::disallowed_methods, reason = "tests read the clock and the environment, and start what they need")]

mod agents;
mod api;
mod bad_input;
mod chaos;
mod cli;
mod clock;
mod contained;
mod crash_windows;
mod database;
mod demo;
mod disk_full;
mod files;
mod gate;
mod git;
mod grants;
mod hooks;
mod jobs;
mod limits;
mod loops;
mod orphans;
mod outbox;
mod outputs;
mod overlap;
mod relay;
mod runner;
#[cfg(target_os = "linux")]
mod sandbox;
mod secrets;
mod shutdown;
mod store;
mod support;
#[cfg(target_os = "linux")]
mod units;
