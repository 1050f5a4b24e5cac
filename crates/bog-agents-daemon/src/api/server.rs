//! The sockets: a bounded number of connections, of which none can starve the others, and an orderly end.
//!
//! When all places are taken, the oldest connection that no request holds gives up its own: clients that open
//! connections and say little, on purpose or not, only push each other out.

use super::{App, Reach, router};
use crate::tasks::Group;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// Connections at the same time.
const MAX_CONNECTIONS: usize = 512;

/// How long a client may take to send a request's head, the wait for it included.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// How long requests under way get to finish when the daemon stops.
const LAST_TIME: Duration = Duration::from_secs(5);

/// How often a connection that is to end is looked at.
const LAST_LOOK: Duration = Duration::from_millis(50);

/// How long accepting pauses when the process has no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is said to a connection when requests hold all places.
const NO_PLACE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A connection as the accept loop and its requests know it.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Requests under way on it.
    requests: AtomicUsize,
    /// Ends it at once.
    close: CancellationToken,
}

impl Connection {
    /// Holds the connection for a request, until the guard is dropped.
    pub(super) fn hold(self: Arc<Self>) -> Held {
        self.requests.fetch_add(1, Ordering::SeqCst);
        Held(self)
    }

    fn is_idle(&self) -> bool {
        self.requests.load(Ordering::SeqCst) == 0
    }
}

/// A request under way on a connection.
#[derive(Debug)]
pub(super) struct Held(Arc<Connection>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The connections there are, the oldest first.
#[derive(Debug, Clone, Default)]
struct Places {
    taken: Arc<Mutex<BTreeMap<u64, Arc<Connection>>>>,
}

impl Places {
    /// Takes a place, at the expense of the oldest idle connection where there is none; `None` when all are held.
    fn take(&self, number: u64) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.len() >= MAX_CONNECTIONS {
            let oldest = *taken.iter().find(|(_, connection)| connection.is_idle())?.0;
            if let Some(connection) = taken.remove(&oldest) {
                connection.close.cancel();
            }
        }
        let connection = Arc::<Connection>::default();
        taken.insert(number, Arc::clone(&connection));
        Some(Place { places: self.clone(), number, connection })
    }
}

/// A connection's place, given back when it is dropped.
struct Place {
    places: Places,
    number: u64,
    connection: Arc<Connection>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// Serves the API until `stop`; then lets requests under way finish, within bounds.
pub async fn serve(listener: TcpListener, app: App, stop: CancellationToken) {
    // An address that cannot be told is guarded like one that only this machine reaches.
    let reach = listener.local_addr().map_or(Reach::Loopback, Reach::from);
    let router = router(Arc::new(app), reach, stop.clone());
    let (places, mut connections) = (Places::default(), Group::new());
    let mut number = 0;
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.ended() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection ended by a defect");
                }
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => match places.take(number) {
                Some(place) => {
                    connections.start("connection", connection(socket, router.clone(), place, stop.clone()));
                    number += 1;
                }
                // The rest of the answer, if the socket does not take it at once, is not worth a wait.
                None => drop(socket.try_write(NO_PLACE)),
            },
            Err(error) => accept_failed(&error).await,
        }
    }
    drop(listener);
    let all_ended = async { while connections.ended().await.is_some() {} };
    if tokio::time::timeout(LAST_TIME, all_ended).await.is_err() {
        tracing::warn!(connections = connections.len(), "requests were still under way and are cut off");
    }
}

async fn accept_failed(error: &io::Error) {
    // A client that has already gone is its own affair; anything else is a lack that must not become a busy loop.
    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
        tracing::warn!(%error, "a connection could not be accepted");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

async fn connection(socket: TcpStream, router: Router, place: Place, stop: CancellationToken) {
    // Answers are small and waited for.
    let _ = socket.set_nodelay(true);
    let shared = Arc::clone(&place.connection);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(&shared));
        router.clone().oneshot(request)
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .serve_connection(TokioIo::new(socket), service);
    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        // How a client goes away is its own affair.
        _ = serving.as_mut() => return,
        () = place.connection.close.cancelled() => return,
        () = stop.cancelled() => serving.as_mut().graceful_shutdown(),
    }
    // Idle at two looks running: the first may fall between a request's arrival and its hold, or its answer's end and
    // the last byte sent.
    let mut idle_looks = 0;
    while idle_looks < 2 {
        tokio::select! {
            _ = serving.as_mut() => return,
            () = tokio::time::sleep(LAST_LOOK) => {}
        }
        idle_looks = if place.connection.is_idle() { idle_looks + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_idle_connection_gives_way_and_held_ones_stay() {
        let places = Places::default();
        let taken: Vec<Place> = (0..MAX_CONNECTIONS as u64).map(|number| places.take(number).unwrap()).collect();
        let mut held: Vec<Held> = taken.iter().map(|place| Arc::clone(&place.connection).hold()).collect();
        assert!(places.take(1000).is_none(), "requests hold all places");
        drop(held.remove(7));
        let newest = places.take(1001).unwrap();
        let closed = |place: &Place| place.connection.close.is_cancelled();
        assert_eq!(taken.iter().filter(|place| closed(place)).map(|place| place.number).collect::<Vec<_>>(), [7]);
        assert!(places.take(1002).is_some() && closed(&newest), "the newest is idle and the only one that is");
        drop(taken);
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
