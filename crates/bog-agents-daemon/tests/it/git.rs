//! `git_push` triggers on real repositories, with real pushes.

mod crash;
mod fixture;
mod hook;
mod hostile;
mod remote;
mod watch;
