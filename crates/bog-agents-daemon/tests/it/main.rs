//! Everything that needs real processes, files and sockets.

mod runner;
