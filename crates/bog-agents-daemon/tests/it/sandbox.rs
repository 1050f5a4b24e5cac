//! Attacks from within the sandbox, as root and as an ordinary user. Each is shown to reach its target without one.
//!
//! The attacks themselves are in `sandbox/attacks.py`, which knows nothing of the daemon.

mod files;
mod grants;
mod kernel;
mod lacking;
mod network;
mod processes;
mod world;
