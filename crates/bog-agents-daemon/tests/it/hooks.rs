//! Requests that fire triggers: the real daemon, real sockets, payloads as they were recorded, signatures of a program that
//! knows nothing of the daemon.

mod again;
mod answers;
pub mod fixture;
mod flood;
mod github;
mod held;
mod sample;
mod sources;
