//! Everything that needs real processes, files and sockets.

mod api;
mod runner;
