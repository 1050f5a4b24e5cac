//! Everything that needs real processes, files and sockets.

#![expect(clippy::disallowed_methods, reason = "tests read the clock and the environment, and start what they need")]

mod api;
mod chaos;
mod cli;
mod crash_windows;
mod jobs;
mod runner;
mod store;
mod support;
