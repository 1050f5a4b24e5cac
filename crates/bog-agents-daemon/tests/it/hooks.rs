//! Requests that fire triggers: the real daemon, real sockets, payloads as they were recorded, signatures of a program that
//! knows nothing of the daemon.

mod again;
mod answers;
mod fixture;
mod flood;
mod github;
mod sample;
mod sources;
