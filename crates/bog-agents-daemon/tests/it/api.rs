//! The API over a real store, real job files and, where it matters, real sockets; only in `live` a real
//! daemon runs behind it.

mod changes;
mod events;
mod fixture;
mod live;
mod masking;
mod refusals;
mod shapes;
mod sockets;
