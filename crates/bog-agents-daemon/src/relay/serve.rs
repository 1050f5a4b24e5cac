//! The relay's own process: it takes its sockets, serves them until the other end of its control socket is closed, lets
//! what is under way come to its end, and is gone.

use super::Spec;
use super::forward::forward;
use super::hand_over::take;
use super::proxy::Proxy;
use super::services::Service;
use crate::tasks;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use std::ffi::OsStr;
use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Connections at once; further ones wait in the kernel.
const CONNECTIONS_MAX: usize = 256;
/// Descriptors: one for each door and one connection that waits behind it, and two for each connection.
const FILES_MAX: u64 = 4096;
/// How long connections may take to come to their end once the agent is gone.
const LAST_BYTES: Duration = Duration::from_secs(1);
/// How long to wait before accepting again where that failed: no descriptors left, for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Threads that ask the name service, which blocks.
const LOOKUPS_MAX: usize = 8;

/// Serves until the control socket ends.
pub fn run(spec: &OsStr) -> ExitCode {
    let Some(spec) = spec.to_str().and_then(|spec| serde_json::from_str::<Spec>(spec).ok()) else {
        eprintln!("`relay` is for the runner only; use `bog-agents-daemon job run ID` to run a job");
        return ExitCode::FAILURE;
    };
    match serve(spec) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot relay connections: {error}; run the job again");
            ExitCode::FAILURE
        }
    }
}

fn serve(spec: Spec) -> io::Result<()> {
    set_pdeathsig(Signal::SIGKILL)?;
    if getppid().as_raw() != spec.runner {
        // The runner died before the signal was set.
        return Ok(());
    }
    let control = StdUnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    raise_open_files();
    let Some(doors) = take(&control)? else { return Ok(()) };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(LOOKUPS_MAX).build()?;
    let served = runtime.block_on(until_closed(spec, doors, control));
    // A look-up that hangs must not keep the process.
    runtime.shutdown_background();
    served
}

/// Best effort: where the system allows fewer, fewer connections are open at once.
fn raise_open_files() {
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(FILES_MAX.min(hard)), hard);
    }
}

async fn until_closed(spec: Spec, doors: Vec<StdListener>, control: StdUnixStream) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let closing = CancellationToken::new();
    let proxy = Arc::new(Proxy::new(spec.hosts.unwrap_or_default()));
    let mut open = tasks::Group::new();
    for listener in doors {
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let service = spec.services.iter().find(|service| service.port == port).cloned().map(Arc::new);
        let behind = service.map_or_else(|| Behind::Proxy(Arc::clone(&proxy)), Behind::Service);
        let door = Door { behind, places: Arc::clone(&places), connections: tasks::Group::new() };
        open.start("door", door.keep(TcpListener::from_std(listener)?, closing.clone()));
    }
    control.set_nonblocking(true)?;
    // Nothing else is said over it: whatever comes is its end.
    let _ = UnixStream::from_std(control)?.read_u8().await;
    closing.cancel();
    let _ = tokio::time::timeout(LAST_BYTES, async { while open.ended().await.is_some() {} }).await;
    Ok(())
}

/// What a door leads to.
#[derive(Clone)]
enum Behind {
    Proxy(Arc<Proxy>),
    Service(Arc<Service>),
}

impl Behind {
    async fn serve(self, inside: TcpStream) {
        match self {
            Self::Proxy(proxy) => proxy.serve(inside).await,
            Self::Service(service) => forward(inside, &service).await,
        }
    }
}

/// One port inside.
struct Door {
    behind: Behind,
    /// Shared by all doors.
    places: Arc<Semaphore>,
    connections: tasks::Group,
}

impl Door {
    /// Serves what connects until the doors are closed, and then until the last connection ends.
    async fn keep(mut self, listener: TcpListener, closing: CancellationToken) {
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((inside, _)) => self.welcome(inside).await,
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
                Some(_) = self.connections.ended() => {}
                () = closing.cancelled() => break,
            }
        }
        // What was sent by an agent that ended at once may wait here, not yet seen by anybody.
        if let Ok(listener) = listener.into_std() {
            while let Ok((inside, _)) = listener.accept() {
                if inside.set_nonblocking(true).is_ok()
                    && let Ok(inside) = TcpStream::from_std(inside)
                {
                    self.welcome(inside).await;
                }
            }
        }
        while self.connections.ended().await.is_some() {}
    }

    async fn welcome(&mut self, inside: TcpStream) {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&self.places).acquire_owned().await else { return };
        let behind = self.behind.clone();
        self.connections.start("connection", async move {
            behind.serve(inside).await;
            drop(place);
        });
    }
}
