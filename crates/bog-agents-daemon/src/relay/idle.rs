//! Connections that notice when nothing moves: a limit on silence that covers whatever is spoken over them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// When a byte last went either way.
#[derive(Debug, Clone)]
pub struct Activity(Arc<Mutex<Instant>>);

impl Activity {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing has moved for so long.
    pub async fn silent_for(&self, limit: Duration) {
        loop {
            let until = self.last() + limit;
            if Instant::now() >= until {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }
}

/// A connection that notes its activity.
#[derive(Debug)]
pub struct Watched {
    stream: TcpStream,
    activity: Activity,
}

impl Watched {
    /// Watches a connection.
    pub fn new(stream: TcpStream) -> Self {
        Self { stream, activity: Activity::new() }
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Its activity, to be waited for elsewhere.
    pub fn activity(&self) -> Activity {
        self.activity.clone()
    }

    fn noted<T>(&self, moved: io::Result<T>) -> Poll<io::Result<T>> {
        self.activity.note();
        Poll::Ready(moved)
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let moved = ready!(Pin::new(&mut self.stream).poll_read(cx, buffer));
        self.noted(moved)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let moved = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes));
        self.noted(moved)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bytes));
        self.noted(moved)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn wait<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future)
    }

    #[test]
    fn what_moves_begins_the_silence_anew() {
        let limit = Duration::from_millis(60);
        let activity = Activity::new();
        wait(async {
            let moving = async {
                for _ in 0..10 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    activity.note();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = activity.silent_for(limit) => {}
                () = moving => {}
            }
        });
        assert!(activity.last().elapsed() >= limit);
    }

    #[test]
    fn both_directions_count() {
        wait(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
            let address = listener.local_addr().expect("an address");
            let (stream, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
            let (mut watched, mut peer) = (Watched::new(stream.expect("connects")), accepted.expect("accepts").0);
            let activity = watched.activity();
            let begun = activity.last();
            watched.write_all(b"x").await.expect("writes");
            let wrote = activity.last();
            assert!(wrote > begun);
            peer.write_all(b"y").await.expect("writes");
            watched.read_u8().await.expect("reads");
            assert!(activity.last() > wrote);
        });
    }
}
