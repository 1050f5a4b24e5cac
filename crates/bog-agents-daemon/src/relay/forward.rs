//! Bytes both ways between a connection inside and one outside, and the ports of services that are forwarded so.

use super::connect::connect_any;
use super::idle::Watched;
use super::services::Service;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};
use tokio::net::TcpStream;

/// How long a connection may be silent: idle ones in a pool are common, forgotten ones must not fill the relay.
pub const SILENCE_MAX: Duration = Duration::from_secs(60 * 60);
/// How much is under way at most, in each direction of a connection. Who sends more waits until it is taken.
const BUFFER_BYTES: usize = 8 * 1024;

/// Serves one connection to a forwarded port.
pub async fn forward(inside: TcpStream, service: &Service) {
    let _ = inside.set_nodelay(true);
    match connect_any(&candidates(&inside, service)).await {
        Ok(outside) => join(Watched::new(inside), outside, &[], &[]).await,
        // It was accepted before anybody knew: a reset is as close to a refusal as can be.
        Err(_) => reset(&inside),
    }
}

/// Where to try: first at the address that the client meant, then wherever else the service was seen.
fn candidates(inside: &TcpStream, service: &Service) -> Vec<SocketAddr> {
    let meant = inside.local_addr().ok().map(|address| address.ip().to_canonical());
    let (first, others): (Vec<IpAddr>, Vec<IpAddr>) =
        service.at.iter().copied().partition(|address| Some(*address) == meant);
    first.into_iter().chain(others).map(|address| SocketAddr::new(address, service.port)).collect()
}

/// Passes bytes on, and each direction's end when it comes, until both directions have ended. `to_outside` and
/// `to_inside` were read already and go first. What is cut off on one side is cut off on the other, so that nobody takes
/// a part for the whole.
pub async fn join(mut inside: Watched, mut outside: TcpStream, to_outside: &[u8], to_inside: &[u8]) {
    let _ = outside.set_nodelay(true);
    let activity = inside.activity();
    let passing = async {
        outside.write_all(to_outside).await?;
        inside.write_all(to_inside).await?;
        copy_bidirectional_with_sizes(&mut inside, &mut outside, BUFFER_BYTES, BUFFER_BYTES).await
    };
    let whole = tokio::select! {
        passed = passing => passed.is_ok(),
        () = activity.silent_for(SILENCE_MAX) => false,
    };
    if !whole {
        reset(inside.stream());
        reset(&outside);
    }
}

/// Makes the coming end of a connection a reset.
fn reset(stream: &TcpStream) {
    // It may be gone already.
    let _ = stream.set_zero_linger();
}
