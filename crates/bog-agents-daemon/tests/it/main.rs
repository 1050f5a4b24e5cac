//! Everything that needs real processes, files and sockets.

mod chaos;
mod crash_windows;
mod runner;
mod support;
