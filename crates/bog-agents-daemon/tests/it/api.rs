//! The API over a real store, real job files and, where it matters, real sockets; nothing runs behind it.

mod changes;
mod events;
mod fixture;
mod refusals;
mod shapes;
mod sockets;
